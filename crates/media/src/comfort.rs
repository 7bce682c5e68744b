//! Comfort noise (RFC 3389): what is heard while the far end sends nothing because nobody speaks.

/// Softer than this (−90 dBov) is silence.
const LEVEL_MAX: u8 = 90;

/// White noise at the level that was told; the shape of its spectrum, if that is told too, is left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Comfort {
    /// Of the loudest sample.
    peak: u16,
    state: u32,
}

impl Comfort {
    /// By the payload of a packet: its first byte is the level, in dB below the loudest that there is.
    pub fn told(payload: &[u8]) -> Comfort {
        let level = payload.first().map_or(LEVEL_MAX, |level| level & 0x7f);
        let mean = 32_767.0 * 10f64.powf(-f64::from(level) / 20.0);
        // Of noise that is as often at each value up to its peak.
        let peak = if level >= LEVEL_MAX { 0 } else { (mean * 3f64.sqrt()).min(32_767.0) as u16 };
        Comfort { peak, state: 1 }
    }

    pub fn sample(&mut self) -> i16 {
        // Of any quality: nobody listens to it closely.
        self.state = self.state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let high = (self.state >> 16) as i32 - 0x8000;
        // Both factors are of 16 bits, so that what is left fits.
        ((high * i32::from(self.peak)) >> 15) as i16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_as_loud_as_was_told() {
        for level in [10u8, 40, 60] {
            let mut noise = Comfort::told(&[level, 1, 2]);
            let energy: f64 = (0..80_000).map(|_| f64::from(noise.sample()).powi(2)).sum();
            let decibels = 10.0 * (energy / 80_000.0 / 32_767f64.powi(2)).log10();
            assert!((decibels + f64::from(level)).abs() < 1.0, "{level}: {decibels}");
        }
    }

    #[test]
    fn a_level_of_nothing_is_silence_and_the_loudest_does_not_wrap() {
        for payload in [&[][..], &[127], &[0xff]] {
            let mut noise = Comfort::told(payload);
            assert!((0..100).all(|_| noise.sample() == 0));
        }
        let mut loudest = Comfort::told(&[0]);
        let samples: Vec<i16> = (0..10_000).map(|_| loudest.sample()).collect();
        assert!(samples.iter().any(|s| *s > 30_000) && samples.iter().any(|s| *s < -30_000));
    }
}
