//! G.722 at 64 kbit/s (ITU-T G.722), of which the lower band is enough here: what calls carry is 8 kHz. A code is a byte, and
//! stands for one sample at 8 kHz or two at 16 kHz.

use std::ops::Range;

/// What the upper band is when there is nothing in it.
const UPPER: u8 = 0xc0;
const LOWER: u8 = 0x3f;

/// Decision levels of the quantizer with 60 levels.
const Q6: [i32; 29] = [
    35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219,
    1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
];
/// Its output, by code.
const QM6: [i32; 64] = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360,
    -8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688,
    -1360, -1040, -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856,
    7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136,
    -432, -136,
];
/// The same by the upper four bits, for the predictor.
const QM4: [i32; 16] =
    [0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0];
/// How the logarithm of the step grows, by the upper four bits.
const W: [i32; 16] = [-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60];
/// Powers of two, in 32nds of the exponent.
const INVERSE_LOG: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896,
    2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];
const LOG_STEP: Range<i32> = 0..18433;
const ZEROS: usize = 6;

/// The adaptive predictor and the step of the quantizer, the same on both sides (G.722 §3.5, §3.6).
#[derive(Debug)]
struct Band {
    step: i32,
    log_step: i32,
    /// What is predicted, by the zeros and in all.
    by_zeros: i32,
    predicted: i32,
    /// Differences of before, the newest first, and their weights.
    differences: [i32; ZEROS],
    weights: [i32; ZEROS],
    /// Reconstructed samples of before and their weights.
    samples: [i32; 2],
    poles: [i32; 2],
    /// Of the last two, without the part of the poles.
    partial: [i32; 2],
}

impl Band {
    const fn new() -> Band {
        Band {
            step: 32,
            log_step: 0,
            by_zeros: 0,
            predicted: 0,
            differences: [0; ZEROS],
            weights: [0; ZEROS],
            samples: [0; 2],
            poles: [0; 2],
            partial: [0; 2],
        }
    }

    /// Takes a code of six bits, of which the predictor knows four.
    fn adapt(&mut self, code: usize) {
        let coarse = code >> 2;
        let difference = (self.step * QM4[coarse]) >> 15;
        self.log_step = (((self.log_step * 127) >> 7) + W[coarse]).clamp(LOG_STEP.start, LOG_STEP.end - 1);
        let fraction = INVERSE_LOG[((self.log_step >> 6) & 31) as usize];
        let shift = 8 - (self.log_step >> 11);
        self.step = (if shift < 0 { fraction << -shift } else { fraction >> shift }) << 2;
        self.predict(difference);
    }

    fn predict(&mut self, difference: i32) {
        let sample = saturate(self.predicted + difference);
        let partial = saturate(self.by_zeros + difference);
        self.move_poles(partial);
        let pull = if difference == 0 { 0 } else { 128 };
        for (weight, before) in self.weights.iter_mut().zip(&self.differences) {
            let toward = if (*before < 0) == (difference < 0) { pull } else { -pull };
            *weight = saturate(toward + ((*weight * 32_640) >> 15));
        }
        self.differences.rotate_right(1);
        self.differences[0] = difference;
        self.samples = [sample, self.samples[0]];
        self.partial = [partial, self.partial[0]];
        let part = |weight: &i32, value: &i32| (*weight * saturate(2 * *value)) >> 15;
        let by_poles: i32 = self.poles.iter().zip(&self.samples).map(|(w, v)| part(w, v)).sum();
        let by_zeros: i32 = self.weights.iter().zip(&self.differences).map(|(w, v)| part(w, v)).sum();
        self.by_zeros = saturate(by_zeros);
        self.predicted = saturate(saturate(by_poles) + self.by_zeros);
    }

    fn move_poles(&mut self, partial: i32) {
        let is_same = |n: usize| (partial < 0) == (self.partial[n] < 0);
        let first = saturate(4 * self.poles[0]);
        let first = (if is_same(0) { -first } else { first }).min(32_767);
        let second = (if is_same(1) { 128 } else { -128 }) + (first >> 7) + ((self.poles[1] * 32_512) >> 15);
        let second = second.clamp(-12_288, 12_288);
        let first = saturate((if is_same(0) { 192 } else { -192 }) + ((self.poles[0] * 32_640) >> 15));
        let limit = saturate(15_360 - second);
        self.poles = [first.clamp(-limit, limit), second];
    }
}

fn saturate(value: i32) -> i32 {
    value.clamp(i16::MIN.into(), i16::MAX.into())
}

#[derive(Debug)]
pub struct Encoder(Band);

impl Encoder {
    #[expect(clippy::new_without_default, reason = "a codec is begun, never a value of some field")]
    pub const fn new() -> Encoder {
        Encoder(Band::new())
    }

    pub fn encode(&mut self, sample: i16) -> u8 {
        let band = &mut self.0;
        let error = saturate((i32::from(sample) >> 1) - band.predicted);
        let size = if error < 0 { -(error + 1) } else { error };
        let level = Q6.iter().position(|q| size < (q * band.step) >> 12).unwrap_or(Q6.len());
        // The codes of negative levels begin at the top but for the two smallest.
        let code = match (error < 0, level) {
            (true, 0 | 1) => 63 - level,
            (true, _) => 33 - level,
            (false, _) => 61 - level,
        };
        band.adapt(code);
        UPPER | code as u8
    }
}

#[derive(Debug)]
pub struct Decoder(Band);

impl Decoder {
    #[expect(clippy::new_without_default, reason = "as the encoder")]
    pub const fn new() -> Decoder {
        Decoder(Band::new())
    }

    pub fn decode(&mut self, code: u8) -> i16 {
        let band = &mut self.0;
        let code = usize::from(code & LOWER);
        let sample = band.predicted + ((band.step * QM6[code]) >> 15);
        band.adapt(code);
        // Of 15 bits.
        (sample.clamp(-16_384, 16_383) << 1) as i16
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech_like::SpeechLike;

    /// Signal to noise in dB of what comes back.
    fn quality(samples: &[i16]) -> f64 {
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new());
        let (mut signal, mut noise) = (0.0, 0.0);
        for sample in samples {
            let back = decoder.decode(encoder.encode(*sample));
            signal += f64::from(*sample).powi(2);
            noise += (f64::from(*sample) - f64::from(back)).powi(2);
        }
        10.0 * (signal / noise.max(1.0)).log10()
    }

    #[test]
    fn speech_and_tones_come_back() {
        let mut voice = SpeechLike::new(7);
        let speech: Vec<i16> = (0..500).flat_map(|_| voice.frame()).collect();
        assert!(quality(&speech) > 20.0, "{}", quality(&speech));
        for hz in [300.0, 1000.0, 3000.0] {
            let tone = |n: i32| (8000.0 * (f64::from(n) * hz * std::f64::consts::TAU / 8000.0).sin()) as i16;
            let tone: Vec<i16> = (0..16_000).map(tone).collect();
            assert!(quality(&tone) > 25.0, "{hz}: {}", quality(&tone));
        }
    }

    #[test]
    fn silence_is_silent_and_full_scale_does_not_wrap() {
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new());
        let mut back = |sample: i16| decoder.decode(encoder.encode(sample));
        assert!((0..1000).all(|_| back(0).unsigned_abs() < 8));
        let loud: Vec<i16> =
            (0..400).map(|n| back(if n / 40 % 2 == 0 { i16::MAX } else { i16::MIN })).collect();
        for (n, sample) in loud.iter().enumerate().skip(200).filter(|(n, _)| n % 40 > 10) {
            assert_eq!(*sample > 0, n / 40 % 2 == 0, "{n}: {sample}");
        }
    }

    #[test]
    fn any_codes_are_taken() {
        let mut random = fastrand::Rng::with_seed(3);
        let mut decoder = Decoder::new();
        for _ in 0..1_000_000 {
            decoder.decode(random.u8(..));
        }
    }
}
