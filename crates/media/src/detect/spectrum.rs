//! Power spectra of the last 64 and 128 ms, every 20 ms. What every detector looks at.

use std::f32::consts::PI;
use std::sync::LazyLock;

use crate::{FRAME_SAMPLES, SAMPLE_RATE};

/// Samples in the long window: 128 ms, bins of 7.8 Hz.
pub(crate) const FINE: usize = 1024;
/// Samples in the short window: 64 ms, bins of 15.6 Hz.
pub(crate) const COARSE: usize = 512;
/// Width of a bin of the long window.
pub(crate) const FINE_HZ: f32 = SAMPLE_RATE as f32 / FINE as f32;
/// Width of a bin of the short window.
pub(crate) const COARSE_HZ: f32 = SAMPLE_RATE as f32 / COARSE as f32;
/// What no codec keeps apart from silence; also the level of nothing at all.
pub(crate) const LEVEL_MIN_DB: f32 = -90.0;

/// Coarse bins from 250 to 3600 Hz.
pub(crate) const BAND: std::ops::RangeInclusive<usize> = 16..=231;
const BANDS_KEPT: usize = 8;

static FINE_FFT: LazyLock<Fft> = LazyLock::new(|| Fft::new(FINE));
static COARSE_FFT: LazyLock<Fft> = LazyLock::new(|| Fft::new(COARSE));

/// The last 128 ms and their spectra.
#[derive(Clone, Debug)]
pub(crate) struct Spectra {
    history: Box<[f32; FINE]>,
    fine: Box<[f32; FINE / 2]>,
    coarse: Box<[f32; COARSE / 2]>,
    scratch: Box<[(f32, f32); FINE / 2]>,
    /// Mean square of the newest frame.
    power: f32,
    /// The newest first.
    bands_dbm0: [f32; BANDS_KEPT],
    /// Nothing but the codes next to zero: a lost packet, or silence made by a machine.
    digital_silence: bool,
}

impl Spectra {
    pub(crate) fn new() -> Spectra {
        Spectra {
            history: Box::new([0.0; FINE]),
            fine: Box::new([0.0; FINE / 2]),
            coarse: Box::new([0.0; COARSE / 2]),
            scratch: Box::new([(0.0, 0.0); FINE / 2]),
            power: 0.0,
            bands_dbm0: [LEVEL_MIN_DB; BANDS_KEPT],
            digital_silence: true,
        }
    }

    pub(crate) fn push(&mut self, frame: &[i16; FRAME_SAMPLES]) {
        self.history.copy_within(FRAME_SAMPLES.., 0);
        for (place, sample) in self.history[FINE - FRAME_SAMPLES..].iter_mut().zip(frame) {
            *place = f32::from(*sample);
        }
        self.power = self.newest().iter().map(|sample| sample * sample).sum::<f32>() / FRAME_SAMPLES as f32;
        // A-law has no zero; its idle code decodes to ±8.
        self.digital_silence = frame.iter().all(|sample| sample.unsigned_abs() <= 8);
        FINE_FFT.power(&self.history[..], &mut self.scratch[..], &mut self.fine[..]);
        COARSE_FFT.power(&self.history[FINE - COARSE..], &mut self.scratch[..], &mut self.coarse[..]);
        self.bands_dbm0.rotate_right(1);
        self.bands_dbm0[0] = dbm0(self.coarse[*BAND.start() / 2..=*BAND.end()].iter().sum());
    }

    /// Power by bin over 128 ms; the sum over a sine's bins is its mean square.
    pub(crate) fn fine(&self) -> &[f32; FINE / 2] {
        &self.fine
    }

    /// Power by bin over 64 ms.
    pub(crate) fn coarse(&self) -> &[f32; COARSE / 2] {
        &self.coarse
    }

    pub(crate) fn newest(&self) -> &[f32] {
        &self.history[FINE - FRAME_SAMPLES..]
    }

    /// The frame before the newest (1), the one before that (2), up to 5.
    pub(crate) fn earlier(&self, frames: usize) -> &[f32] {
        let end = FINE - frames.min(5) * FRAME_SAMPLES;
        &self.history[end - FRAME_SAMPLES..end]
    }

    /// Level between 125 and 3600 Hz in the 64 ms that ended so many frames ago, up to 7.
    pub(crate) fn band_dbm0(&self, frames: usize) -> f32 {
        self.bands_dbm0[frames.min(BANDS_KEPT - 1)]
    }

    /// Of the newest frame.
    pub(crate) fn level_dbm0(&self) -> f32 {
        dbm0(self.power)
    }

    pub(crate) fn is_digital_silence(&self) -> bool {
        self.digital_silence
    }
}

/// dBm0 of a mean square in samples' units: a sine of full scale has +3.17 dBm0 (G.711, µ-law; 0.03 less in A-law).
pub(crate) fn dbm0(mean_square: f32) -> f32 {
    const FULL: f32 = 32_768.0 * 32_768.0 / 2.0;
    (10.0 * (mean_square / FULL).max(1e-12).log10() + 3.17).max(LEVEL_MIN_DB)
}

/// Mean square of what lies within some 25 Hz of the frequency, in one frame.
pub(crate) fn narrow_power(samples: &[f32], frequency_hz: f32) -> f32 {
    let coefficient = 2.0 * (2.0 * PI * frequency_hz / SAMPLE_RATE as f32).cos();
    let (mut last, mut before) = (0.0f32, 0.0f32);
    for sample in samples {
        let next = sample + coefficient * last - before;
        (before, last) = (last, next);
    }
    let power = last * last + before * before - coefficient * last * before;
    let count = samples.len().max(1) as f32;
    2.0 * power.max(0.0) / (count * count)
}

/// Where the peak at `bin` really is, in bins: a parabola through the logarithms of three bins.
pub(crate) fn peak_position(spectrum: &[f32], bin: usize) -> f32 {
    if bin == 0 || bin + 1 >= spectrum.len() {
        return bin as f32;
    }
    let log = |n: usize| spectrum[n].max(1e-9).ln();
    let (left, middle, right) = (log(bin - 1), log(bin), log(bin + 1));
    let curvature = left - 2.0 * middle + right;
    if curvature >= -1e-6 {
        return bin as f32;
    }
    bin as f32 + (0.5 * (left - right) / curvature).clamp(-0.5, 0.5)
}

/// A real FFT with a Hann window, by a complex one of half the length.
#[derive(Debug)]
struct Fft {
    window: Box<[f32]>,
    /// e^(−2πi·n/len) for n below len/2.
    twiddles: Box<[(f32, f32)]>,
    reversed: Box<[u16]>,
    scale: f32,
}

impl Fft {
    fn new(len: usize) -> Fft {
        let half = len / 2;
        let window: Box<[f32]> =
            (0..len).map(|n| 0.5 - 0.5 * (2.0 * PI * (n as f32 + 0.5) / len as f32).cos()).collect();
        let angle = |n: usize| -2.0 * std::f64::consts::PI * n as f64 / len as f64;
        let twiddles = (0..half).map(|n| (angle(n).cos() as f32, angle(n).sin() as f32)).collect();
        let bits = half.trailing_zeros();
        let reversed = (0..half as u16).map(|n| n.reverse_bits() >> (16 - bits)).collect();
        let squares: f32 = window.iter().map(|w| w * w).sum();
        Fft { window, twiddles, reversed, scale: 2.0 / (len as f32 * squares) }
    }

    /// `power[n]` is the mean square in bin n.
    fn power(&self, samples: &[f32], scratch: &mut [(f32, f32)], power: &mut [f32]) {
        let half = self.reversed.len();
        let scratch = &mut scratch[..half];
        for (n, place) in self.reversed.iter().enumerate() {
            let even = samples[2 * n] * self.window[2 * n];
            let odd = samples[2 * n + 1] * self.window[2 * n + 1];
            scratch[usize::from(*place)] = (even, odd);
        }
        self.butterflies(scratch);
        power[0] = 0.0;
        for n in 1..half {
            let (a, b) = (scratch[n], scratch[half - n]);
            let even = (0.5 * (a.0 + b.0), 0.5 * (a.1 - b.1));
            let odd = (0.5 * (a.1 + b.1), -0.5 * (a.0 - b.0));
            let (c, s) = self.twiddles[n];
            let re = even.0 + odd.0 * c - odd.1 * s;
            let im = even.1 + odd.0 * s + odd.1 * c;
            power[n] = (re * re + im * im) * self.scale;
        }
    }

    fn butterflies(&self, data: &mut [(f32, f32)]) {
        let half = data.len();
        let mut width = 1;
        while width < half {
            // The tables belong to the real length, which is twice that of the complex transform.
            let stride = half / width;
            for block in data.chunks_exact_mut(2 * width) {
                let (low, high) = block.split_at_mut(width);
                for (n, (a, b)) in low.iter_mut().zip(high).enumerate() {
                    let (c, s) = self.twiddles[n * stride];
                    let t = (b.0 * c - b.1 * s, b.0 * s + b.1 * c);
                    *b = (a.0 - t.0, a.1 - t.1);
                    *a = (a.0 + t.0, a.1 + t.1);
                }
            }
            width *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone;
    use std::time::Duration;

    fn spectra_of(frequency_hz: f64, amplitude: i16) -> Spectra {
        let mut spectra = Spectra::new();
        for frame in tone::sine(frequency_hz, amplitude, Duration::from_millis(160)).frames() {
            spectra.push(&frame);
        }
        spectra
    }

    #[test]
    fn a_sine_has_its_power_at_its_place_in_both_spectra() {
        for frequency_hz in [300.0f32, 450.0, 1004.0, 2100.0, 3400.0] {
            let spectra = spectra_of(f64::from(frequency_hz), 10_000);
            for (spectrum, width) in [(&spectra.fine()[..], FINE_HZ), (&spectra.coarse()[..], COARSE_HZ)] {
                let total: f32 = spectrum.iter().sum();
                assert!((total / 5e7 - 1.0).abs() < 0.05, "{frequency_hz} Hz: {total}");
                let (bin, _) =
                    spectrum.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).expect("not empty");
                let found = peak_position(spectrum, bin) * width;
                assert!((found - frequency_hz).abs() < 0.1 * width, "{frequency_hz} Hz: {found}");
            }
            let narrow = narrow_power(spectra.newest(), frequency_hz);
            assert!((narrow / 5e7 - 1.0).abs() < 0.05, "{frequency_hz} Hz: {narrow}");
        }
    }

    #[test]
    fn levels_are_in_dbm0() {
        assert!((spectra_of(1000.0, i16::MAX).level_dbm0() - 3.17).abs() < 0.05);
        assert!((spectra_of(1000.0, 327).level_dbm0() + 36.83).abs() < 0.1);
        let mut spectra = Spectra::new();
        spectra.push(&[8; FRAME_SAMPLES]);
        assert!(spectra.is_digital_silence());
    }
}
