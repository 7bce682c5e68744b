//! The adaptive idle ratio: once a minute, r ← clip(r·exp(0.02·clip((τ−m)/τ, −2, 1)), 1, 15).

use crate::{PacingMode, RatioMilli};

const GAIN: f64 = 0.02;
const RATIO_MAX: f64 = 15.0;
/// The aim lies this far below the cap: 2.5 % for a cap of 3 %.
const AIM_OF_CAP: f64 = 2.5 / 3.0;

#[derive(Debug)]
pub(crate) struct Adaptive {
    ratio: f64,
    /// Calls dialed since the last step: a campaign that rests learns nothing.
    dialed: u32,
}

impl Adaptive {
    pub(crate) fn new(mode: PacingMode) -> Adaptive {
        let start = match mode {
            PacingMode::Predictive(start) => f64::from(start) / 1000.0,
            PacingMode::Progressive | PacingMode::Ratio(_) => 1.0,
        };
        Adaptive { ratio: start.clamp(1.0, RATIO_MAX), dialed: 0 }
    }

    pub(crate) fn note_dialed(&mut self) {
        self.dialed = self.dialed.saturating_add(1);
    }

    /// `abandoned_share`: abandoned per answered, 0 to 1. `abandon_max`: hundredths of a percent.
    pub(crate) fn learn(&mut self, abandoned_share: f64, abandon_max: u32) {
        if std::mem::take(&mut self.dialed) == 0 {
            return;
        }
        let aim = f64::from(abandon_max) / 10_000.0 * AIM_OF_CAP;
        if aim <= 0.0 {
            self.ratio = 1.0;
            return;
        }
        let error = ((aim - abandoned_share) / aim).clamp(-2.0, 1.0);
        self.ratio = (self.ratio * (GAIN * error).exp()).clamp(1.0, RATIO_MAX);
    }

    pub(crate) fn ratio(&self) -> RatioMilli {
        // In range: clamped to 1..=15 above.
        (self.ratio * 1000.0).round() as RatioMilli
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(share: f64, minutes: u32) -> RatioMilli {
        let mut adaptive = Adaptive::new(PacingMode::Predictive(2000));
        for _ in 0..minutes {
            adaptive.note_dialed();
            adaptive.learn(share, 300);
        }
        adaptive.ratio()
    }

    #[test]
    fn the_ratio_grows_while_nobody_is_abandoned_and_shrinks_twice_as_fast_above_the_aim() {
        assert_eq!(learned(0.0, 1), 2040);
        assert_eq!(learned(0.025, 60), 2000);
        assert_eq!(learned(0.2, 1), 1922);
        assert_eq!(learned(0.0, 1000), 15_000);
        assert_eq!(learned(0.2, 1000), 1000);
    }

    #[test]
    fn a_resting_campaign_learns_nothing() {
        let mut adaptive = Adaptive::new(PacingMode::Predictive(2000));
        adaptive.learn(0.0, 300);
        assert_eq!(adaptive.ratio(), 2000);
    }

    #[test]
    fn a_cap_of_nothing_means_one_call_per_agent() {
        let mut adaptive = Adaptive::new(PacingMode::Predictive(3000));
        adaptive.note_dialed();
        adaptive.learn(0.0, 0);
        assert_eq!(adaptive.ratio(), 1000);
    }
}
