//! Answered and abandoned calls of the last while, in buckets.

use std::collections::VecDeque;
use std::time::Duration;

#[derive(Debug)]
struct Bucket {
    index: u128,
    answered: u32,
    abandoned: u32,
}

#[derive(Debug)]
pub(crate) struct Window {
    width: Duration,
    count: u128,
    buckets: VecDeque<Bucket>,
    answered: u32,
    abandoned: u32,
}

impl Window {
    /// `count` buckets of `width`; the present one counts as one of them.
    pub(crate) fn new(width: Duration, count: u32) -> Window {
        Window { width, count: count.into(), buckets: VecDeque::new(), answered: 0, abandoned: 0 }
    }

    pub(crate) fn add(&mut self, mono: Duration, answered: u32, abandoned: u32) {
        let index = self.forget(mono);
        self.answered = self.answered.saturating_add(answered);
        self.abandoned = self.abandoned.saturating_add(abandoned);
        match self.buckets.back_mut() {
            Some(last) if last.index == index => {
                last.answered = last.answered.saturating_add(answered);
                last.abandoned = last.abandoned.saturating_add(abandoned);
            }
            _ => self.buckets.push_back(Bucket { index, answered, abandoned }),
        }
    }

    /// Answered and abandoned.
    pub(crate) fn sum(&self, mono: Duration) -> (u32, u32) {
        let index = mono.as_micros() / self.width.as_micros();
        let old = self.buckets.iter().take_while(|b| b.index + self.count <= index);
        old.fold((self.answered, self.abandoned), |(answered, abandoned), b| {
            (answered.saturating_sub(b.answered), abandoned.saturating_sub(b.abandoned))
        })
    }

    /// Abandoned per answered, 0 when nothing was answered.
    pub(crate) fn share(&self, mono: Duration) -> f64 {
        let (answered, abandoned) = self.sum(mono);
        f64::from(abandoned) / f64::from(answered.max(1))
    }

    fn forget(&mut self, mono: Duration) -> u128 {
        let index = mono.as_micros() / self.width.as_micros();
        while let Some(first) = self.buckets.front().filter(|b| b.index + self.count <= index) {
            self.answered = self.answered.saturating_sub(first.answered);
            self.abandoned = self.abandoned.saturating_sub(first.abandoned);
            self.buckets.pop_front();
        }
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_calls_are_forgotten() {
        let mut window = Window::new(Duration::from_secs(60), 30);
        window.add(Duration::from_secs(10), 5, 1);
        window.add(Duration::from_secs(70), 2, 0);
        assert_eq!(window.sum(Duration::from_secs(1799)), (7, 1));
        assert_eq!(window.sum(Duration::from_secs(1800)), (2, 0));
        assert_eq!(window.sum(Duration::from_secs(9999)), (0, 0));
    }
}
