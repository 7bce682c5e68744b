//! How long it takes until a placed call rings.

/// Calls after which the oldest have faded to a third.
const MEMORY: f64 = 50.0;
/// With more answers that no sign of ringing came before, nobody knows how long calls have rung.
const UNHEARD_MAX: f64 = 0.2;

#[derive(Clone, Copy, Default, Debug)]
pub(super) struct SetUp {
    mean: f64,
    square: f64,
    unheard: f64,
}

impl SetUp {
    /// A call rings, so many seconds after it was placed.
    pub(super) fn heard(&mut self, seconds: f64) {
        self.mean += (seconds - self.mean) / MEMORY;
        self.square += (seconds * seconds - self.square) / MEMORY;
        self.unheard -= self.unheard / MEMORY;
    }

    /// A call was answered without a sign of ringing.
    pub(super) fn unheard(&mut self) {
        self.unheard += (1.0 - self.unheard) / MEMORY.sqrt();
    }

    /// Seconds after which most calls ring; none when it is not known of too many.
    pub(super) fn most(&self) -> Option<f64> {
        let deviation = (self.square - self.mean * self.mean).max(0.0).sqrt();
        (self.unheard <= UNHEARD_MAX).then_some(self.mean + 2.0 * deviation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_calls_ring_after_the_usual_time() {
        let mut set_up = SetUp::default();
        assert_eq!(set_up.most(), Some(0.0));
        (0..300).for_each(|n| set_up.heard(if n % 2 == 0 { 1.0 } else { 3.0 }));
        let most = set_up.most().unwrap();
        assert!((3.5..4.5).contains(&most), "{most}");
    }

    #[test]
    fn nothing_is_known_of_calls_that_never_say_that_they_ring() {
        let mut set_up = SetUp::default();
        (0..10).for_each(|_| set_up.unheard());
        assert_eq!(set_up.most(), None);
        (0..200).for_each(|_| set_up.heard(1.0));
        assert!(set_up.most().is_some());
    }
}
