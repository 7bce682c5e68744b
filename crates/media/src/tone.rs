//! Tones: for tests, marks and ring-back.

use std::f64::consts::PI;
use std::time::Duration;

use crate::{SAMPLE_RATE, Sound};

/// A sine wave; `amplitude` in samples' units (32 767 is full scale).
pub fn sine(frequency_hz: f64, amplitude: i16, duration: Duration) -> Sound {
    dual((frequency_hz, amplitude), (0.0, 0), duration)
}

/// Two sine waves added, each with its own amplitude; clipped at full scale.
pub fn dual(first: (f64, i16), second: (f64, i16), duration: Duration) -> Sound {
    let samples = (0..samples_of(duration)).map(|n| clip(wave(first, n) + wave(second, n)));
    Sound::from_samples(samples.collect())
}

/// When a ring-back tone sounds and when it pauses.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Cadence {
    /// Two frequencies; the second is 0 where the country uses one.
    pub frequencies_hz: (f64, f64),
    pub on: Duration,
    pub off: Duration,
}

/// China: 450 Hz, 1 s on, 4 s off (GB 3380).
pub const RINGBACK_CN: Cadence =
    Cadence { frequencies_hz: (450.0, 0.0), on: Duration::from_secs(1), off: Duration::from_secs(4) };
/// Most of Europe: 425 Hz, 1 s on, 4 s off (ETSI TS 101 041-2).
pub const RINGBACK_EU: Cadence =
    Cadence { frequencies_hz: (425.0, 0.0), on: Duration::from_secs(1), off: Duration::from_secs(4) };
/// North America: 440 + 480 Hz, 2 s on, 4 s off.
pub const RINGBACK_US: Cadence =
    Cadence { frequencies_hz: (440.0, 480.0), on: Duration::from_secs(2), off: Duration::from_secs(4) };

/// Ring-back of a given length; `amplitude` is that of each frequency.
pub fn ringback(cadence: Cadence, amplitude: i16, duration: Duration) -> Sound {
    let (first, second) = cadence.frequencies_hz;
    let on = samples_of(cadence.on);
    let period = (on + samples_of(cadence.off)).max(1);
    let samples = (0..samples_of(duration)).map(|n| {
        if n % period < on { clip(wave((first, amplitude), n) + wave((second, amplitude), n)) } else { 0 }
    });
    Sound::from_samples(samples.collect())
}

/// Music for who waits: a slow broken chord, again and again. Eight seconds.
pub fn hold_music() -> Sound {
    const NOTE: Duration = Duration::from_millis(500);
    const LEVEL: f64 = 4000.0;
    // C, A minor, F and G, as broken chords (Hz).
    const NOTES: [f64; 16] = [
        523.25, 659.26, 783.99, 659.26, 440.0, 523.25, 659.26, 523.25, 349.23, 440.0, 523.25, 440.0, 392.0,
        493.88, 587.33, 493.88,
    ];
    let length = samples_of(NOTE);
    let note = |hz: f64| {
        (0..length).map(move |n| {
            let rest = 1.0 - n as f64 / length as f64;
            // A soft beginning, so that nothing clicks.
            let loudness = LEVEL * rest * rest * (n as f64 / 80.0).min(1.0);
            clip(loudness * (wave((hz, 1000), n) + 0.25 * wave((2.0 * hz, 1000), n)) / 1000.0)
        })
    };
    Sound::from_samples(NOTES.into_iter().flat_map(note).collect())
}

/// Samples in a duration, at 8 kHz.
pub(crate) fn samples_of(duration: Duration) -> usize {
    usize::try_from(duration.as_micros() * u128::from(SAMPLE_RATE) / 1_000_000).unwrap_or(usize::MAX)
}

pub(crate) fn clip(value: f64) -> i16 {
    // `as` saturates, which is what clipping is.
    value.round() as i16
}

fn wave((frequency_hz, amplitude): (f64, i16), n: usize) -> f64 {
    f64::from(amplitude) * (2.0 * PI * frequency_hz * n as f64 / f64::from(SAMPLE_RATE)).sin()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goertzel;

    #[test]
    fn ringback_sounds_and_pauses_as_its_country_does() {
        for cadence in [RINGBACK_CN, RINGBACK_EU, RINGBACK_US] {
            let sound = ringback(cadence, 6000, 2 * (cadence.on + cadence.off));
            let on = samples_of(cadence.on);
            let period = samples_of(cadence.on + cadence.off);
            assert_eq!(sound.samples().len(), 2 * period);
            for start in [0, period] {
                let (tone, pause) = sound.samples()[start..start + period].split_at(on);
                assert!(goertzel::share(tone, cadence.frequencies_hz.0) > 0.45);
                assert!(pause.iter().all(|sample| *sample == 0));
            }
        }
    }

    #[test]
    fn two_full_scale_tones_clip_and_do_not_wrap() {
        let sound = dual((1000.0, i16::MAX), (1000.0, i16::MAX), Duration::from_millis(1));
        assert_eq!(sound.samples().iter().max(), Some(&i16::MAX));
        assert_eq!(sound.samples()[2], i16::MAX);
        assert_eq!(sound.samples()[6], i16::MIN);
    }
}
