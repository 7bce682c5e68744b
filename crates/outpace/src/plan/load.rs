//! What a campaign meets: how many answer, after how long, how long they talk.

use std::time::Duration;

/// A length of time that differs from call to call; seconds.
#[derive(Clone, PartialEq, Debug)]
pub enum Length {
    /// Cut off at 0.3 s.
    Normal { mean: f64, sd: f64 },
    /// `cv`: standard deviation over mean; 0 is always the mean.
    Lognormal { mean: f64, cv: f64 },
    /// One of what was seen.
    Seen(Vec<f32>),
}

impl Length {
    pub fn draw(&self, rng: &mut fastrand::Rng) -> Duration {
        let s = match self {
            Length::Normal { mean, sd } => (mean + sd * gaussian(rng)).max(0.3),
            Length::Lognormal { mean, cv } => {
                let variance = (1.0 + cv * cv).ln();
                mean * (variance.sqrt() * gaussian(rng) - variance / 2.0).exp()
            }
            Length::Seen(seconds) => rng.choice(seconds).map_or(0.0, |s| f64::from(*s)),
        };
        Duration::from_secs_f64(s.clamp(0.0, 86_400.0))
    }

    pub fn mean(&self) -> f64 {
        match self {
            Length::Normal { mean, .. } | Length::Lognormal { mean, .. } => *mean,
            Length::Seen(seconds) => {
                let sum: f64 = seconds.iter().map(|s| f64::from(*s)).sum();
                // No list has more than 2^52 entries.
                sum / (seconds.len().max(1) as f64)
            }
        }
    }
}

/// Box and Muller's.
fn gaussian(rng: &mut fastrand::Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.f64()).cos()
}

/// Shares of the calls; the rest rings until it is given up.
#[derive(Clone, PartialEq, Debug)]
pub struct Load {
    pub agents: u32,
    /// Numbers on the list; None: more than can be called.
    pub numbers: Option<u64>,
    /// The shift ends after this if the list did not.
    pub hours: f64,
    pub answered: f64,
    /// Busy, rejected, no such number, failed: all that ends soon.
    pub failing: f64,
    /// From placing the call to the answer.
    pub ring: Length,
    pub fail_after: Length,
    pub talk: Length,
    pub pacing: engine::PacingMode,
    /// Hundredths of a percent.
    pub abandon_max: u32,
    pub rules: engine::Config,
    /// The abandon message's length.
    pub message: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean_of(length: &Length) -> f64 {
        let mut rng = fastrand::Rng::with_seed(7);
        (0..20_000).map(|_| length.draw(&mut rng).as_secs_f64()).sum::<f64>() / 20_000.0
    }

    #[test]
    fn lengths_have_the_mean_that_they_say() {
        for length in [
            Length::Normal { mean: 8.0, sd: 2.0 },
            Length::Lognormal { mean: 120.0, cv: 1.0 },
            Length::Lognormal { mean: 15.0, cv: 0.0 },
            Length::Seen(vec![1.0, 2.0, 9.0]),
        ] {
            let (got, told) = (mean_of(&length), length.mean());
            assert!((got / told - 1.0).abs() < 0.03, "{length:?}: {got} instead of {told}");
        }
    }
}
