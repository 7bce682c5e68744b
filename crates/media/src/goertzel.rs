//! How much of one frequency is in a piece of sound (Goertzel's algorithm).

use std::f64::consts::PI;

/// Share of the sound's power that lies at `frequency_hz`, 0 to 1. A pure tone gives nearly 1, another tone nearly 0.
///
/// `samples` at 8 kHz. The width of what counts as "at" the frequency is 8000 / `samples.len()` Hz: 400 samples tell
/// tones apart that differ by 40 Hz.
pub fn share(samples: &[i16], frequency_hz: f64) -> f64 {
    let total: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    if total == 0.0 {
        return 0.0;
    }
    // A tone of amplitude A has power A²/2 a sample.
    (level(samples, frequency_hz).powi(2) / 2.0 * samples.len() as f64 / total).min(1.0)
}

/// Amplitude of `frequency_hz` in the sound, in the samples' unit.
pub fn level(samples: &[i16], frequency_hz: f64) -> f64 {
    if samples.is_empty() {
        return 0.0;
    }
    let coefficient = 2.0 * (2.0 * PI * frequency_hz / f64::from(crate::SAMPLE_RATE)).cos();
    let (mut last, mut before) = (0.0f64, 0.0f64);
    for sample in samples {
        let next = f64::from(*sample) + coefficient * last - before;
        (before, last) = (last, next);
    }
    let power = last * last + before * before - coefficient * last * before;
    2.0 * power.max(0.0).sqrt() / samples.len() as f64
}

/// Whichever of `frequencies_hz` is strongest in the sound, if it holds at least `share_min` of its power.
pub fn strongest(samples: &[i16], frequencies_hz: &[f64], share_min: f64) -> Option<f64> {
    let (frequency, share) = frequencies_hz
        .iter()
        .map(|frequency| (*frequency, share(samples, *frequency)))
        .max_by(|a, b| a.1.total_cmp(&b.1))?;
    (share >= share_min).then_some(frequency)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Sound, tone};
    use std::time::Duration;

    fn tone_of(frequency_hz: f64) -> Sound {
        tone::sine(frequency_hz, 8000, Duration::from_millis(50))
    }

    #[test]
    fn a_tone_is_found_at_its_frequency_and_nowhere_else() {
        let sound = tone_of(1000.0);
        assert!(share(sound.samples(), 1000.0) > 0.98);
        for other in [400.0, 800.0, 1200.0, 2000.0] {
            assert!(share(sound.samples(), other) < 0.01, "{other} Hz");
        }
        assert!((level(sound.samples(), 1000.0) - 8000.0).abs() < 100.0);
    }

    #[test]
    fn silence_has_no_tone() {
        assert_eq!(share(&[0; 160], 1000.0), 0.0);
        assert_eq!(share(&[], 1000.0), 0.0);
        assert_eq!(strongest(&[0; 160], &[400.0, 1000.0], 0.1), None);
    }

    #[test]
    fn the_stronger_of_two_tones_is_told() {
        let sound = tone::dual((697.0, 3000), (1209.0, 9000), Duration::from_millis(100));
        assert_eq!(strongest(sound.samples(), &[697.0, 941.0, 1209.0], 0.1), Some(1209.0));
    }
}
