//! Any sample rate to 8 kHz: a windowed sinc, one filter for each phase that an output sample can have.

use std::f64::consts::PI;

use crate::SAMPLE_RATE;

/// Zero crossings of the sinc on either side. 32 make the filter fall from 3.4 to 4 kHz.
const CROSSINGS: f64 = 32.0;
/// Kaiser's β: side lobes below −80 dB.
const BETA: f64 = 8.0;
/// Where the filter is 6 dB down, as a share of the smaller Nyquist frequency.
const CUTOFF: f64 = 0.925;
/// Rates with an awkward ratio use the nearest of this many phases (noise below −70 dB), so that memory stays bounded.
const PHASES_MAX: u32 = 512;

/// Takes samples at one rate, one by one, and appends samples at 8 kHz.
pub(crate) struct Resampler {
    /// Input samples still needed; begins with half a filter of silence, so that the sound is not delayed.
    history: Vec<f32>,
    /// Where in `history` the next output's filter begins, and the rest of it in 1/`step_den` input samples.
    start: usize,
    remainder: u32,
    step_num: u32,
    step_den: u32,
    /// `phases` filters of `taps` coefficients; none when the rate is 8 kHz already.
    filters: Vec<f32>,
    phases: u32,
    taps: usize,
    /// In total, to end exactly when the sound does.
    pushed: u64,
    produced: u64,
}

impl Resampler {
    pub(crate) fn new(rate: u32) -> Resampler {
        let divisor = gcd(rate, SAMPLE_RATE);
        let (step_num, step_den) = (rate / divisor, SAMPLE_RATE / divisor);
        let phases = step_den.min(PHASES_MAX);
        let cutoff = CUTOFF * f64::from(rate.min(SAMPLE_RATE)) / 2.0 / f64::from(rate);
        let half = (CROSSINGS / (2.0 * cutoff)).ceil() as usize;
        let taps = if rate == SAMPLE_RATE { 1 } else { 2 * half };
        let filters = match rate {
            SAMPLE_RATE => Vec::new(),
            _ => (0..phases).flat_map(|n| filter(f64::from(n) / f64::from(phases), cutoff, half)).collect(),
        };
        let history = vec![0.0; taps / 2 - usize::from(taps > 1)];
        Resampler {
            history,
            start: 0,
            remainder: 0,
            step_num,
            step_den,
            filters,
            phases,
            taps,
            pushed: 0,
            produced: 0,
        }
    }

    /// `sample` in −1 to 1.
    pub(crate) fn push(&mut self, sample: f32, out: &mut Vec<i16>) {
        self.pushed += 1;
        self.feed(sample, out);
    }

    /// The end of the sound: what the filter still holds comes out.
    pub(crate) fn finish(mut self, out: &mut Vec<i16>) {
        let wanted = (self.pushed * u64::from(self.step_den)).div_ceil(u64::from(self.step_num));
        let begun = self.produced;
        while self.produced < wanted {
            self.feed(0.0, out);
        }
        out.truncate(out.len() - (self.produced - wanted) as usize);
        debug_assert!(begun <= wanted);
    }

    fn feed(&mut self, sample: f32, out: &mut Vec<i16>) {
        self.history.push(sample);
        while self.start + self.taps < self.history.len() + usize::from(self.taps == 1) {
            out.push(self.output());
            self.produced += 1;
            self.remainder += self.step_num;
            self.start += (self.remainder / self.step_den) as usize;
            self.remainder %= self.step_den;
        }
        if self.start >= 4096 && self.start <= self.history.len() {
            self.history.drain(..self.start);
            self.start = 0;
        }
    }

    fn output(&self) -> i16 {
        let value = if self.filters.is_empty() {
            self.history[self.start]
        } else {
            // Rounded to the nearest phase; the last half phase belongs to the next input sample.
            let scaled = u64::from(self.remainder) * u64::from(self.phases) + u64::from(self.step_den) / 2;
            let phase = (scaled / u64::from(self.step_den)) as u32;
            let (phase, start) = if phase == self.phases { (0, self.start + 1) } else { (phase, self.start) };
            let filter = &self.filters[phase as usize * self.taps..][..self.taps];
            filter.iter().zip(&self.history[start..]).map(|(a, b)| a * b).sum()
        };
        (value * 32_768.0).round() as i16
    }
}

/// Coefficients for an output that lies `phase` input samples after the middle one.
fn filter(phase: f64, cutoff: f64, half: usize) -> Vec<f32> {
    let raw: Vec<f64> = (0..2 * half)
        .map(|n| {
            let x = n as f64 - (half as f64 - 1.0) - phase;
            2.0 * cutoff * sinc(2.0 * cutoff * x) * kaiser(x / half as f64)
        })
        .collect();
    // Every phase has a gain of exactly 1 at 0 Hz, else a constant would come out as a tone.
    let gain: f64 = raw.iter().sum();
    raw.into_iter().map(|coefficient| (coefficient / gain) as f32).collect()
}

fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-9 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// Kaiser's window over −1 to 1. Not scaled to 1 in its middle: the filter's gain is set afterwards.
fn kaiser(x: f64) -> f64 {
    if x.abs() >= 1.0 { 0.0 } else { bessel(BETA * (1.0 - x * x).sqrt()) }
}

/// The modified Bessel function I₀, by its power series; 30 terms are enough for β.
fn bessel(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut term, mut sum) = (1.0, 1.0);
    for n in 1..30 {
        term *= quarter / f64::from(n * n);
        sum += term;
        if term < sum * 1e-10 {
            break;
        }
    }
    sum
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
