//! Sound that is like speech: voiced syllables with pauses, the same for the same seed. For test phones.

use std::f64::consts::PI;
use std::time::Duration;

use crate::tone::{clip, samples_of};
use crate::{FRAME_SAMPLES, SAMPLE_RATE, Sound};

const HARMONICS: usize = 20;
/// Loudest amplitude of the voice, about −12 dBm0 in a syllable.
const VOICE: f64 = 9000.0;

/// An endless stream of speech-like sound.
#[derive(Clone, Debug)]
pub struct SpeechLike {
    random: fastrand::Rng,
    /// Of the voice: 90 to 220 Hz.
    pitch_hz: f64,
    phase: f64,
    mark: Option<Mark>,
    segment: Segment,
    left: usize,
    syllables_left: u32,
}

#[derive(Clone, Debug)]
struct Mark {
    step: f64,
    phase: f64,
    amplitude: f64,
}

#[derive(Clone, Debug)]
enum Segment {
    Syllable { length: usize, glide: f64, weights: [f64; HARMONICS] },
    Pause,
}

impl SpeechLike {
    /// Begins with a syllable.
    pub fn new(seed: u64) -> SpeechLike {
        let mut random = fastrand::Rng::with_seed(seed);
        let pitch_hz = 90.0 + 130.0 * random.f64();
        SpeechLike {
            random,
            pitch_hz,
            phase: 0.0,
            mark: None,
            segment: Segment::Pause,
            left: 0,
            syllables_left: 6,
        }
    }

    /// Mixes in a steady tone by which the stream is known again (see [`crate::goertzel`]): 4000 of full scale 32 767.
    #[must_use]
    pub fn marked(mut self, frequency_hz: f64) -> SpeechLike {
        let step = 2.0 * PI * frequency_hz / f64::from(SAMPLE_RATE);
        self.mark = Some(Mark { step, phase: 0.0, amplitude: 4000.0 });
        self
    }

    /// The next 20 ms.
    pub fn frame(&mut self) -> [i16; FRAME_SAMPLES] {
        std::array::from_fn(|_| self.sample())
    }

    /// The next piece as a whole.
    pub fn sound(&mut self, duration: Duration) -> Sound {
        Sound::from_samples((0..samples_of(duration)).map(|_| self.sample()).collect())
    }

    fn sample(&mut self) -> i16 {
        if self.left == 0 {
            self.begin_segment();
        }
        self.left -= 1;
        let voice = self.voice();
        clip(voice + self.mark.as_mut().map_or(0.0, Mark::sample))
    }

    fn voice(&mut self) -> f64 {
        let Segment::Syllable { length, glide, weights } = &self.segment else { return 0.0 };
        let done = 1.0 - self.left as f64 / *length as f64;
        let pitch_hz = self.pitch_hz * (1.0 + glide * (done - 0.5));
        self.phase = (self.phase + 2.0 * PI * pitch_hz / f64::from(SAMPLE_RATE)) % (2.0 * PI);
        let envelope = (PI * done).sin().powf(0.6);
        // sin((n+1)x) from the two before it, so that a sample costs one sine and not twenty.
        let double_cos = 2.0 * self.phase.cos();
        let (mut before, mut harmonic, mut sum) = (0.0, self.phase.sin(), 0.0);
        for weight in weights {
            sum += weight * harmonic;
            (before, harmonic) = (harmonic, double_cos * harmonic - before);
        }
        VOICE * envelope * sum
    }

    fn begin_segment(&mut self) {
        if matches!(self.segment, Segment::Syllable { .. }) {
            let phrase_ends = self.syllables_left == 0;
            if phrase_ends {
                self.syllables_left = self.random.u32(3..12);
            }
            let pause_ms = if phrase_ends { self.random.u64(300..1200) } else { self.random.u64(15..60) };
            self.segment = Segment::Pause;
            self.left = samples_of(Duration::from_millis(pause_ms));
            return;
        }
        self.syllables_left = self.syllables_left.saturating_sub(1);
        let length = samples_of(Duration::from_millis(self.random.u64(110..280)));
        let glide = 0.3 * (self.random.f64() - 0.5);
        self.segment = Segment::Syllable { length, glide, weights: self.vowel() };
        self.left = length;
    }

    /// Weights of the harmonics: a falling spectrum with two formants, which are what makes a vowel.
    fn vowel(&mut self) -> [f64; HARMONICS] {
        let first = 300.0 + 500.0 * self.random.f64();
        let second = 900.0 + 1300.0 * self.random.f64();
        let bump = |frequency: f64, centre: f64| (-((frequency - centre) / 180.0).powi(2)).exp();
        let mut weights: [f64; HARMONICS] = std::array::from_fn(|n| {
            let frequency = self.pitch_hz * (n + 1) as f64;
            if frequency > 3400.0 {
                return 0.0;
            }
            (0.15 + bump(frequency, first) + 0.5 * bump(frequency, second)) / (1.0 + 0.1 * n as f64)
        });
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight *= 1.6 / sum);
        weights
    }
}

impl Mark {
    fn sample(&mut self) -> f64 {
        self.phase = (self.phase + self.step) % (2.0 * PI);
        self.amplitude * self.phase.sin()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goertzel;

    fn ten_seconds(seed: u64) -> Sound {
        SpeechLike::new(seed).sound(Duration::from_secs(10))
    }

    #[test]
    fn the_same_seed_says_the_same_and_another_seed_does_not() {
        assert_eq!(ten_seconds(1), ten_seconds(1));
        assert_ne!(ten_seconds(1), ten_seconds(2));
    }

    #[test]
    fn there_are_syllables_and_pauses_like_in_speech() {
        for seed in 0..20 {
            let sound = ten_seconds(seed);
            let loud = |frame: &[i16; FRAME_SAMPLES]| {
                let power: f64 = frame.iter().map(|sample| f64::from(*sample).powi(2)).sum();
                (power / FRAME_SAMPLES as f64).sqrt() > 300.0
            };
            let frames: Vec<bool> = sound.frames().map(|frame| loud(&frame)).collect();
            let share = frames.iter().filter(|loud| **loud).count() as f64 / frames.len() as f64;
            assert!((0.4..0.95).contains(&share), "seed {seed}: loud {share}");
            let longest_pause = frames.split(|loud| *loud).map(<[bool]>::len).max().unwrap_or(0);
            assert!((10..70).contains(&longest_pause), "seed {seed}: pause of {longest_pause} frames");
            assert!(sound.samples().iter().all(|sample| sample.abs() < 30_000), "seed {seed}: too loud");
        }
    }

    #[test]
    fn a_mark_is_heard_through_the_speech_and_no_other_mark_is() {
        let marks = [1000.0, 1300.0, 1700.0, 2300.0];
        for seed in 0..20 {
            let mark = marks[seed % marks.len()];
            let sound = SpeechLike::new(seed as u64).marked(mark).sound(Duration::from_secs(3));
            assert_eq!(goertzel::strongest(sound.samples(), &marks, 0.05), Some(mark), "seed {seed}");
        }
    }
}
