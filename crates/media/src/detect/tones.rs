//! Bursts of tone: where one or two steady sines begin and end, and what their frequencies are.

use super::spectrum::{BAND, COARSE, COARSE_HZ, FINE, FINE_HZ, Spectra, dbm0, narrow_power, peak_position};

/// Bins to either side of a peak that belong to it: a 20 ms hole of a lost packet smears a sine over that much.
const CLUSTER: usize = 4;
/// Of the band's power in the peaks of 64 ms. 0.9 are left at 10 dB of noise, 0.75 with a hole in it.
const SHARE_MIN: f32 = 0.68;
/// Of the same over a whole burst, with twice the resolution.
const BURST_SHARE_MIN: f32 = 0.62;
/// How far the peak of 64 ms may wander in a burst: two close tones beat.
const WANDER_HZ: f32 = 45.0;
/// A frame whose tone is so much below the burst's level is a pause (8 dB).
const GATE: f32 = 0.16;
/// Frames that may fail within a burst.
const DIP_MAX: u32 = 3;
/// Frames from gap to gap of the special dial tones: China's 440 ms, Europe's 550 ms.
const REGULAR: [std::ops::RangeInclusive<u32>; 2] = [21..=23, 26..=29];
/// Gaps that are remembered.
const DIPS: usize = 3;
/// Lost packets in a row that a burst survives.
const LOST_MAX: u32 = 6;
/// Nothing below is looked at.
const LEVEL_MIN_DBM0: f32 = -48.0;
/// Shorter ones are chance.
const FRAMES_MIN: u32 = 3;
/// Frames until the long window holds nothing but the burst.
const SETTLED: u32 = 6;

/// One steady tone or pair of tones that has ended, or lasts.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Burst {
    /// Frame number of its first frame.
    pub(crate) start: u32,
    pub(crate) frames: u32,
    /// Lower and upper frequency; the upper is 0 when there is one.
    pub(crate) frequencies_hz: (f32, f32),
    /// Part of the band's power that the tones have.
    pub(crate) share: f32,
    pub(crate) level_dbm0: f32,
    /// Of all that sounded just before.
    pub(crate) before_dbm0: f32,
    /// Part of its frames within 3 dB of its level.
    pub(crate) flat: f32,
    /// Short gaps that came as regularly as those of the special dial tones, of China's and of Europe's.
    pub(crate) regular_dips: [u16; 2],
}

impl Burst {
    pub(crate) const NONE: Burst = Burst {
        start: 0,
        frames: 0,
        frequencies_hz: (0.0, 0.0),
        share: 0.0,
        level_dbm0: -90.0,
        before_dbm0: -90.0,
        flat: 0.0,
        regular_dips: [0; 2],
    };

    /// The frame after its last.
    pub(crate) fn end(&self) -> u32 {
        self.start + self.frames
    }

    pub(crate) fn ms(&self) -> f32 {
        self.frames as f32 * 20.0
    }

    pub(crate) fn is_single(&self) -> bool {
        self.frequencies_hz.1 == 0.0
    }
}

/// Follows the tones of one stream.
#[derive(Clone, Debug)]
pub(crate) struct BurstTracker {
    segment: Option<Segment>,
    /// Sum of the long window's spectra over the segment.
    sum: Box<[f32; FINE / 2]>,
    /// Where the last burst ended; the next cannot be dated back beyond.
    last_end: u32,
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    start: u32,
    last_good: u32,
    good: u32,
    bad: u32,
    lost: u32,
    anchors_hz: (f32, f32),
    pairs: u32,
    first_sum_hz: f32,
    second_sum_hz: f32,
    level: f32,
    before_dbm0: f32,
    flat: u32,
    /// When it failed for a frame or two, the latest last.
    dips: [u32; DIPS],
    regular_dips: [u16; 2],
    summed: u32,
}

/// The strongest peaks of 64 ms, when they are nearly all there is.
#[derive(Clone, Copy)]
struct Peaks {
    first_hz: f32,
    /// 0 when there is none.
    second_hz: f32,
}

impl BurstTracker {
    pub(crate) fn new() -> BurstTracker {
        BurstTracker { segment: None, sum: Box::new([0.0; FINE / 2]), last_end: 0 }
    }

    /// The burst that lasts, if there is one that is long enough to be looked at.
    pub(crate) fn current(&self) -> Option<Burst> {
        let segment = self.segment.filter(|segment| segment.good >= FRAMES_MIN)?;
        self.burst(&segment)
    }

    /// How long something tonal has been sounding, in frames; for those who only want to know that it is no speech.
    pub(crate) fn tonal_frames(&self) -> u32 {
        self.segment.map_or(0, |segment| segment.good)
    }

    /// The frame number `now`, already in the spectra. Returns the burst that has just ended.
    pub(crate) fn push(&mut self, now: u32, spectra: &Spectra, lost: bool) -> Option<Burst> {
        if lost {
            return self.hold();
        }
        let peaks = peaks(spectra);
        let mut ended = None;
        if let Some(mut segment) = self.segment {
            let level = level_at(spectra.newest(), segment.anchors_hz);
            if level >= GATE * segment.level && peaks.is_some_and(|peaks| segment.fits(peaks)) {
                segment.extend(now, level, peaks);
                self.segment = Some(segment);
                self.add_up(spectra);
                return None;
            }
            segment.bad += 1;
            self.segment = Some(segment);
            let other = peaks.is_some_and(|peaks| !segment.fits(peaks));
            if segment.bad + segment.lost <= DIP_MAX && !(other && begins(spectra, peaks)) {
                return None;
            }
            ended = self.end();
        }
        self.begin(now, spectra, peaks);
        ended
    }

    /// A lost packet tells nothing.
    fn hold(&mut self) -> Option<Burst> {
        let segment = self.segment.as_mut()?;
        segment.lost += 1;
        let gap = segment.bad > 0 && segment.bad + segment.lost > DIP_MAX;
        if gap || segment.lost > LOST_MAX { self.end() } else { None }
    }

    fn begin(&mut self, now: u32, spectra: &Spectra, peaks: Option<Peaks>) {
        let Some(peaks) = peaks else { return };
        if !begins(spectra, Some(peaks)) {
            return;
        }
        let anchors_hz = (peaks.first_hz, peaks.second_hz);
        let level = level_at(spectra.newest(), anchors_hz);
        // The window of 64 ms needs some of the tone in it before the tone is plain.
        let earlier = (1..=3).take_while(|n| {
            now >= self.last_end + n && level_at(spectra.earlier(*n as usize), anchors_hz) > 0.35 * level
        });
        let mut segment = Segment {
            start: now - earlier.count() as u32,
            last_good: now,
            good: 0,
            bad: 0,
            lost: 0,
            anchors_hz,
            pairs: 0,
            first_sum_hz: 0.0,
            second_sum_hz: 0.0,
            level,
            before_dbm0: spectra.band_dbm0(4).min(spectra.band_dbm0(6)),
            flat: 0,
            dips: [0; DIPS],
            regular_dips: [0; 2],
            summed: 0,
        };
        segment.extend(now, level, Some(peaks));
        self.segment = Some(segment);
        self.sum.fill(0.0);
    }

    fn add_up(&mut self, spectra: &Spectra) {
        let Some(segment) = &mut self.segment else { return };
        if segment.last_good + 1 < segment.start + SETTLED {
            return;
        }
        segment.summed += 1;
        for (sum, power) in self.sum.iter_mut().zip(spectra.fine()) {
            *sum += power;
        }
        if segment.summed == 1 {
            let (low, high, _) = fine_peaks(&self.sum);
            segment.anchors_hz = (low, high);
        }
    }

    fn end(&mut self) -> Option<Burst> {
        let segment = self.segment.take()?;
        if segment.good < FRAMES_MIN {
            return None;
        }
        self.last_end = segment.last_good + 1;
        self.burst(&segment)
    }

    fn burst(&self, segment: &Segment) -> Option<Burst> {
        let (low, high, share) = if segment.summed >= 2 {
            fine_peaks(&self.sum)
        } else {
            let (low, high) = segment.rough_frequencies();
            (low, high, SHARE_MIN)
        };
        (share >= BURST_SHARE_MIN).then_some(Burst {
            start: segment.start,
            frames: segment.last_good + 1 - segment.start,
            frequencies_hz: (low, high),
            share,
            level_dbm0: dbm0(segment.level),
            before_dbm0: segment.before_dbm0,
            flat: segment.flat as f32 / segment.good as f32,
            regular_dips: segment.regular_dips,
        })
    }
}

impl Segment {
    /// The peaks may have changed places, and two close tones have one peak.
    fn fits(&self, peaks: Peaks) -> bool {
        let near = |a: f32, b: f32| b > 0.0 && (a - b).abs() < WANDER_HZ;
        near(peaks.first_hz, self.anchors_hz.0) || near(peaks.first_hz, self.anchors_hz.1)
    }

    fn extend(&mut self, now: u32, level: f32, peaks: Option<Peaks>) {
        if self.bad > 0 {
            self.dip(now);
        }
        (self.bad, self.lost, self.last_good) = (0, 0, now);
        self.good += 1;
        // The first frame may hold only the beginning of the tone.
        self.level = if self.good <= 3 { self.level.max(level) } else { self.level * 0.9 + level * 0.1 };
        self.flat += u32::from(level > 0.5 * self.level && level < 2.0 * self.level);
        let Some(peaks) = peaks else { return };
        if peaks.second_hz > 0.0 {
            self.pairs += 1;
            self.first_sum_hz += peaks.first_hz.min(peaks.second_hz);
            self.second_sum_hz += peaks.first_hz.max(peaks.second_hz);
        } else {
            self.first_sum_hz += peaks.first_hz;
        }
    }

    /// Gaps that nobody made come at any distance from one another.
    fn dip(&mut self, now: u32) {
        for (count, range) in self.regular_dips.iter_mut().zip(REGULAR) {
            let regular = |earlier: &u32| *earlier > 0 && range.contains(&(now - earlier));
            *count += u16::from(self.dips.iter().any(regular));
        }
        self.dips.rotate_left(1);
        self.dips[DIPS - 1] = now;
    }

    fn rough_frequencies(&self) -> (f32, f32) {
        if 2 * self.pairs <= self.good {
            return (self.first_sum_hz / self.good as f32, 0.0);
        }
        let high = self.second_sum_hz / self.pairs as f32;
        (self.first_sum_hz / self.good as f32, high)
    }
}

/// Whether a tone can be said to sound in the newest frame.
fn begins(spectra: &Spectra, peaks: Option<Peaks>) -> bool {
    let Some(peaks) = peaks else { return false };
    let level = level_at(spectra.newest(), (peaks.first_hz, peaks.second_hz));
    let near = |hz: f32| hz > 0.0;
    near(peaks.first_hz) && dbm0(level) > LEVEL_MIN_DBM0 && dbm0(level) > spectra.level_dbm0() - 4.0
}

fn level_at(samples: &[f32], (first_hz, second_hz): (f32, f32)) -> f32 {
    let second = if second_hz > 0.0 { narrow_power(samples, second_hz) } else { 0.0 };
    narrow_power(samples, first_hz) + second
}

fn peaks(spectra: &Spectra) -> Option<Peaks> {
    let spectrum = &spectra.coarse()[..];
    let total: f32 = spectrum[BAND].iter().sum();
    if dbm0(total) < LEVEL_MIN_DBM0 {
        return None;
    }
    let first = strongest(spectrum, BAND, |_| true)?;
    let cluster = |peak: usize| peak.saturating_sub(CLUSTER)..=(peak + CLUSTER).min(COARSE / 2 - 1);
    let first_power: f32 = spectrum[cluster(first)].iter().sum();
    let second = strongest(spectrum, BAND, |bin| bin.abs_diff(first) > CLUSTER && is_peak(spectrum, bin));
    let second_power: f32 = second.map_or(0.0, |second| {
        cluster(second).filter(|bin| bin.abs_diff(first) > CLUSTER).map(|bin| spectrum[bin]).sum()
    });
    let paired = second_power > 0.1 * first_power;
    let share = (first_power + if paired { second_power } else { 0.0 }) / total;
    let hz = |bin: usize| peak_position(spectrum, bin) * COARSE_HZ;
    let second_hz = second.filter(|_| paired).map_or(0.0, hz);
    (share >= SHARE_MIN).then_some(Peaks { first_hz: hz(first), second_hz })
}

/// One or two frequencies, the lower first, and the share of the band's power that they have.
fn fine_peaks(spectrum: &[f32; FINE / 2]) -> (f32, f32, f32) {
    let band = 2 * *BAND.start()..=2 * *BAND.end();
    let total: f32 = spectrum[band.clone()].iter().sum();
    let Some(first) = strongest(spectrum, band.clone(), |_| true) else { return (0.0, 0.0, 0.0) };
    let second = strongest(spectrum, band.clone(), |bin| {
        bin.abs_diff(first) > 3 && is_peak(spectrum, bin) && spectrum[bin] > 0.1 * spectrum[first]
    });
    let of_peak = |bin: usize| {
        let near = bin.abs_diff(first).min(second.map_or(usize::MAX, |second| bin.abs_diff(second)));
        near <= 3
    };
    let power: f32 = band.filter(|bin| of_peak(*bin)).map(|bin| spectrum[bin]).sum();
    let share = power / total.max(1e-9);
    let first_hz = peak_position(spectrum, first) * FINE_HZ;
    let second_hz = second.map_or(0.0, |second| peak_position(spectrum, second) * FINE_HZ);
    if second_hz > 0.0 && second_hz < first_hz {
        (second_hz, first_hz, share)
    } else {
        (first_hz, second_hz, share)
    }
}

fn is_peak(spectrum: &[f32], bin: usize) -> bool {
    bin > 0
        && bin + 1 < spectrum.len()
        && spectrum[bin] >= spectrum[bin - 1]
        && spectrum[bin] >= spectrum[bin + 1]
}

fn strongest(
    spectrum: &[f32],
    band: std::ops::RangeInclusive<usize>,
    allowed: impl Fn(usize) -> bool,
) -> Option<usize> {
    band.filter(|bin| allowed(*bin)).max_by(|a, b| spectrum[*a].total_cmp(&spectrum[*b]))
}
