//! 32 bits for each 20 ms of sound: whether the difference of power between neighbouring bands rises or falls. They survive
//! noise, codecs and changes of level. After Haitsma and Kalker, "A Highly Robust Audio Fingerprinting System" (2002), with
//! windows and bands of the telephone.

use std::sync::LazyLock;

use super::spectrum::{FINE, FINE_HZ, Spectra, dbm0};

const BANDS: usize = 33;
const LOW_HZ: f32 = 300.0;
const HIGH_HZ: f32 = 3300.0;
/// Frames between the two that are compared.
const LAG: usize = 4;
/// Below, there is nothing to compare.
const ACTIVE_DBM0: f32 = -52.0;
/// A pause is so much weaker than what was lately loud (25 dB).
const ACTIVE_SHARE: f32 = 0.003;
/// Per frame; what was loud is forgotten within some two seconds.
const PEAK_DECAY: f32 = 0.97;

static EDGES: LazyLock<[usize; BANDS + 1]> = LazyLock::new(|| {
    let ratio = (HIGH_HZ / LOW_HZ).powf(1.0 / BANDS as f32);
    std::array::from_fn(|n| (LOW_HZ * ratio.powi(n as i32) / FINE_HZ).round() as usize)
});

/// The fingerprint of one frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Print {
    pub(crate) bits: u32,
    /// Which bits of each half are the least certain.
    pub(crate) weak: [u32; WEAK_BITS],
    /// Not a pause.
    pub(crate) active: bool,
}

/// Least certain bits that are told for each half of the print.
pub(crate) const WEAK_BITS: usize = 6;

/// Makes prints of one stream.
#[derive(Clone, Debug)]
pub(crate) struct Printer {
    /// Powers of the bands in the last frames, the newest last.
    bands: [[f32; BANDS]; LAG + 1],
    peak: f32,
}

impl Printer {
    pub(crate) fn new() -> Printer {
        Printer { bands: [[0.0; BANDS]; LAG + 1], peak: 0.0 }
    }

    /// Level of what was lately loud.
    pub(crate) fn peak_dbm0(&self) -> f32 {
        dbm0(self.peak)
    }

    pub(crate) fn push(&mut self, spectra: &Spectra) -> Print {
        self.bands.rotate_left(1);
        self.bands[LAG] = band_powers(spectra.fine());
        let power: f32 = self.bands[LAG].iter().sum();
        self.peak = (self.peak * PEAK_DECAY).max(power);
        let active = dbm0(power) > ACTIVE_DBM0 && power > ACTIVE_SHARE * self.peak;
        let (new, old) = (&self.bands[LAG], &self.bands[0]);
        let rises: [f32; BANDS - 1] = std::array::from_fn(|n| {
            compress(new[n]) - compress(new[n + 1]) - compress(old[n]) + compress(old[n + 1])
        });
        let bits = rises.iter().enumerate().fold(0, |bits, (n, rise)| bits | u32::from(*rise > 0.0) << n);
        Print { bits, weak: weak_bits(&rises), active }
    }
}

/// Between power and its logarithm: the stronger of two bands, which noise changes less, decides.
fn compress(power: f32) -> f32 {
    power.sqrt().sqrt()
}

fn band_powers(fine: &[f32; FINE / 2]) -> [f32; BANDS] {
    let edges = &*EDGES;
    std::array::from_fn(|band| fine[edges[band]..edges[band + 1]].iter().sum())
}

/// The three least certain bits of the lower half, then those of the upper.
fn weak_bits(rises: &[f32; BANDS - 1]) -> [u32; WEAK_BITS] {
    let mut weak = [0; WEAK_BITS];
    for half in 0..2 {
        let mut taken = 0u32;
        for place in 0..WEAK_BITS / 2 {
            let least = (16 * half..16 * half + 16)
                .filter(|bit| taken & 1 << bit == 0)
                .min_by(|a, b| rises[*a].abs().total_cmp(&rises[*b].abs()))
                .expect("16 bits are more than three");
            taken |= 1 << least;
            weak[half * WEAK_BITS / 2 + place] = 1 << least;
        }
    }
    weak
}
