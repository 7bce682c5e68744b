//! Which tone the bursts are: frequencies and cadence against the plans.

use super::plans::{
    CONTINUOUS_MS, FAX_ANSWER_HZ, FAX_ANSWER_MS, FAX_CALLING, FAX_CALLING_HZ, PATTERNS, Pattern, Plan, Plans,
    RINGING_PAUSE_MS, SITS, SPECIAL_DIPS, Sit, SitPattern, ToneKind,
};
use super::spectrum::Spectra;
use super::tones::{Burst, BurstTracker};

/// Bursts that are remembered.
const BURSTS: usize = 8;
/// Error of frequency that a network may have, and our own.
const FREQUENCY_TOLERANCE: f32 = 0.018;
/// Short bursts are measured less well.
const FREQUENCY_TOLERANCE_SHORT: f32 = 0.025;
const SHORT_MS: f32 = 180.0;
/// Error of a duration: a share, and what the frames and lost packets at its ends make of it.
const DURATION_TOLERANCE: f32 = 0.18;
const DURATION_TOLERANCE_MS: f32 = 50.0;
/// The tones of a SIT follow one another at once.
const SIT_GAP_MS: f32 = 100.0;
/// Special dial tones, and the time from gap to gap of theirs.
const DOTTED: [(Plan, f32); 2] = [(Plan::Cn, 440.0), (Plan::Eu, 550.0)];
/// How long such a gap may look, and how far it may seem to be from its time.
const DOT_GAP_MS: f32 = 120.0;
const DOT_OFF_MS: f32 = 45.0;
/// A tone that was told is told again only after such a time without it.
const REARM_MS: f32 = 8000.0;

const BEEP_MS: std::ops::RangeInclusive<f32> = 180.0..=2000.0;
const BEEP_HZ: std::ops::RangeInclusive<f32> = 380.0..=2400.0;
/// Beeps are clean: no other tone so soon before or after.
const BEEP_ALONE_MS: f32 = 200.0;
/// Where ring-back, busy and dial tones are: a beep there is believed only when no second burst has come.
const NETWORK_HZ: std::ops::RangeInclusive<f32> = 390.0..=490.0;
/// How much weaker than a beep must be what comes just before and after it.
const BEEP_DROP_DB: f32 = 5.0;
const NETWORK_WAIT_MS: f32 = 4700.0;

/// What was recognised.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Tone {
    pub kind: ToneKind,
    /// Whose tone; none for those that are the same everywhere.
    pub plan: Option<Plan>,
    /// When its first burst began, in milliseconds since the listener began.
    pub start_ms: u32,
}

/// Names the tones of one stream.
#[derive(Clone, Debug)]
pub(crate) struct ToneDetector {
    plans: Plans,
    tracker: BurstTracker,
    /// The newest last.
    bursts: [Burst; BURSTS],
    count: usize,
    /// The newest burst was told as a beep, or can no longer be one.
    beep_settled: bool,
    told: Option<(Tone, u32)>,
    /// Frames since the newest burst that were much weaker.
    quiet_frames: u32,
    /// Somebody spoke in the seconds before the newest burst.
    spoken_before: bool,
}

impl ToneDetector {
    pub(crate) fn new(plans: Plans) -> ToneDetector {
        ToneDetector {
            plans,
            tracker: BurstTracker::new(),
            bursts: [Burst::NONE; BURSTS],
            count: 0,
            beep_settled: true,
            told: None,
            quiet_frames: 0,
            spoken_before: false,
        }
    }

    /// Frames that something tonal has been sounding.
    pub(crate) fn tonal_frames(&self) -> u32 {
        self.tracker.tonal_frames()
    }

    /// `spoken`: somebody spoke within the last seconds.
    pub(crate) fn push(&mut self, now: u32, spectra: &Spectra, lost: bool, spoken: bool) -> Option<Tone> {
        if let Some(burst) = self.tracker.push(now, spectra, lost) {
            self.remember(burst, spoken);
            if let Some(sit) = self.sit() {
                self.beep_settled = true;
                return self.tell(ToneKind::Sit(sit), None, self.bursts[BURSTS - 3].start, now);
            }
            if let Some((plan, start)) = self.dotted() {
                self.beep_settled = true;
                return self.tell(ToneKind::SpecialDial, Some(plan), start, now);
            }
        }
        self.quiet_frames += self
            .last()
            .map_or(0, |last| u32::from(!lost && spectra.band_dbm0(0) < last.level_dbm0 - BEEP_DROP_DB));
        if let Some(burst) = self.tracker.current() {
            return self.continuous(&burst, now);
        }
        let last = self.last()?;
        let gap_ms = (now + 1).saturating_sub(last.end()) as f32 * 20.0;
        self.cadence(gap_ms, now).or_else(|| self.beep(gap_ms, now))
    }

    fn remember(&mut self, burst: Burst, spoken: bool) {
        self.bursts.rotate_left(1);
        self.bursts[BURSTS - 1] = burst;
        self.count = (self.count + 1).min(BURSTS);
        self.beep_settled = false;
        self.quiet_frames = 0;
        self.spoken_before = spoken;
    }

    fn last(&self) -> Option<Burst> {
        (self.count > 0).then(|| self.bursts[BURSTS - 1])
    }

    /// Tells a tone once, not at each of its bursts.
    fn tell(&mut self, kind: ToneKind, plan: Option<Plan>, start: u32, now: u32) -> Option<Tone> {
        let tone = Tone { kind, plan, start_ms: start * 20 };
        let again = self.told.is_some_and(|(told, seen)| {
            told.kind == kind && told.plan == plan && ((now - seen) as f32) * 20.0 < REARM_MS
        });
        self.told = Some((tone, now));
        (!again).then_some(tone)
    }

    fn sit(&self) -> Option<Sit> {
        if self.count < 3 {
            return None;
        }
        let three = [self.bursts[BURSTS - 3], self.bursts[BURSTS - 2], self.bursts[BURSTS - 1]];
        let joined = three.windows(2).all(|pair| gap_ms(&pair[0], &pair[1]) <= SIT_GAP_MS);
        if !joined || three.iter().any(|burst| !burst.is_single()) {
            return None;
        }
        let fit = |pattern: &SitPattern| sit_error(pattern, &three).map(|error| (pattern.sit, error));
        let best = SITS.iter().filter_map(fit).min_by(|a, b| a.1.total_cmp(&b.1))?;
        Some(best.0)
    }

    /// A special dial tone some of whose gaps were long enough to end a burst, because packets were lost there: whose it is,
    /// and where it began.
    fn dotted(&self) -> Option<(Plan, u32)> {
        let last = self.last()?;
        let (plan, period_ms) = DOTTED.into_iter().find(|(plan, _)| {
            let dial = |pattern: &&Pattern| pattern.plan == *plan && pattern.steps.is_empty();
            let fits = PATTERNS.iter().find(dial).and_then(|pattern| frequency_error(pattern, &last));
            self.plans.has(*plan) && fits.is_some()
        })?;
        let bursts = &self.bursts[BURSTS - self.count..];
        let joined = |pair: &&[Burst]| {
            let apart = (pair[1].start - pair[0].start) as f32 * 20.0;
            let off = apart - (apart / period_ms).round() * period_ms;
            let same = (pair[0].frequencies_hz.0 / last.frequencies_hz.0 - 1.0).abs() < FREQUENCY_TOLERANCE;
            same && pair[0].is_single() && between(pair) <= DOT_GAP_MS && off.abs() <= DOT_OFF_MS
        };
        let links = bursts.windows(2).rev().take_while(joined).count();
        let start = bursts[bursts.len() - 1 - links].start;
        let lasts_ms = (last.end() - start) as f32 * 20.0;
        (links >= 2 && lasts_ms >= f32::from(CONTINUOUS_MS)).then_some((plan, start))
    }

    /// Tones without a cadence, while they last.
    fn continuous(&mut self, burst: &Burst, now: u32) -> Option<Tone> {
        let near = |hz: f32| (burst.frequencies_hz.0 / hz - 1.0).abs() < FREQUENCY_TOLERANCE;
        if burst.is_single() && near(FAX_ANSWER_HZ) && burst.ms() >= f32::from(FAX_ANSWER_MS) {
            return self.tell(ToneKind::FaxAnswer, None, burst.start, now);
        }
        let told = self.told.is_some_and(|(told, _)| told.start_ms == burst.start * 20);
        if told {
            self.told = self.told.map(|(tone, _)| (tone, now));
            return None;
        }
        if burst.ms() < f32::from(CONTINUOUS_MS) {
            return None;
        }
        let allowed = |pattern: &&Pattern| pattern.steps.is_empty() && self.plans.has(pattern.plan);
        let fit = |pattern: &'static Pattern| frequency_error(pattern, burst).map(|error| (pattern, error));
        let (pattern, _) =
            PATTERNS.iter().filter(allowed).filter_map(fit).min_by(|a, b| a.1.total_cmp(&b.1))?;
        let dips = match pattern.plan {
            Plan::Cn => burst.regular_dips[0],
            Plan::Eu => burst.regular_dips[1],
            Plan::Us | Plan::Uk => 0,
        };
        let dotted = dips >= SPECIAL_DIPS;
        let kind = if dotted { ToneKind::SpecialDial } else { pattern.kind };
        self.tell(kind, Some(pattern.plan), burst.start, now)
    }

    fn cadence(&mut self, gap_ms: f32, now: u32) -> Option<Tone> {
        let bursts = &self.bursts[BURSTS - self.count..];
        let (mut best, mut least) = (None, f32::MAX);
        for pattern in PATTERNS.iter().filter(|pattern| self.plans.has(pattern.plan)) {
            if let Some(error) = cadence_error(pattern, bursts, gap_ms)
                && error < least
            {
                (best, least) = (Some(pattern), error);
            }
        }
        if let Some(pattern) = best {
            self.beep_settled = true;
            let start = bursts[bursts.len() - pattern.bursts].start;
            return self.tell(pattern.kind, Some(pattern.plan), start, now);
        }
        let calling = bursts.len() >= 2 && {
            let pair = &bursts[bursts.len() - 2..];
            pair.iter().all(is_fax_calling) && duration_error(between(pair), FAX_CALLING.1).is_some()
        };
        if calling {
            self.beep_settled = true;
            return self.tell(ToneKind::FaxCalling, None, bursts[bursts.len() - 2].start, now);
        }
        None
    }

    fn beep(&mut self, gap_ms: f32, now: u32) -> Option<Tone> {
        let burst = self.last()?;
        if self.beep_settled || gap_ms < BEEP_ALONE_MS {
            return None;
        }
        let earlier = self.count > 1 && between(&self.bursts[BURSTS - 2..]) < BEEP_ALONE_MS;
        // A burst is known to have ended some frames later.
        let quiet_min = (gap_ms.min(BEEP_ALONE_MS) / 20.0 * 0.4) as u32;
        let quiet = self.quiet_frames >= quiet_min && burst.before_dbm0 < burst.level_dbm0 - BEEP_DROP_DB;
        let clean = quiet && burst.is_single() && burst.flat > 0.75 && burst.share > 0.75;
        let frequency_hz = burst.frequencies_hz.0;
        if earlier || !clean || !BEEP_MS.contains(&burst.ms()) || !BEEP_HZ.contains(&frequency_hz) {
            self.beep_settled = true;
            return None;
        }
        let network = NETWORK_HZ.contains(&frequency_hz) || (is_fax_calling(&burst) && !self.spoken_before);
        if network && gap_ms < NETWORK_WAIT_MS {
            return None;
        }
        self.beep_settled = true;
        self.tell(ToneKind::Beep { frequency_hz: frequency_hz.round() as u16 }, None, burst.start, now)
    }
}

fn is_fax_calling(burst: &Burst) -> bool {
    burst.is_single()
        && (burst.frequencies_hz.0 / FAX_CALLING_HZ - 1.0).abs() < 0.035
        && duration_error(burst.ms(), FAX_CALLING.0).is_some()
}

fn gap_ms(first: &Burst, second: &Burst) -> f32 {
    second.start.saturating_sub(first.end()) as f32 * 20.0
}

fn between(pair: &[Burst]) -> f32 {
    gap_ms(&pair[0], &pair[1])
}

/// How badly the last bursts fit, 0 for perfectly; none if they do not.
fn cadence_error(pattern: &Pattern, bursts: &[Burst], gap_ms: f32) -> Option<f32> {
    if pattern.steps.is_empty() || bursts.len() < pattern.bursts {
        return None;
    }
    let bursts = &bursts[bursts.len() - pattern.bursts..];
    let mut frequencies = 0.0;
    for burst in bursts {
        frequencies += frequency_error(pattern, burst)?;
    }
    let fit = |turn: usize| steps_error(pattern, turn, bursts, gap_ms);
    let steps = (0..pattern.steps.len()).filter_map(fit).min_by(f32::total_cmp)?;
    Some(steps + frequencies / bursts.len() as f32)
}

/// The same for the durations, when the first burst is step `turn`.
fn steps_error(pattern: &Pattern, turn: usize, bursts: &[Burst], gap_ms: f32) -> Option<f32> {
    let step = |n: usize| pattern.steps[(turn + n) % pattern.steps.len()];
    let mut error = 0.0;
    for (n, burst) in bursts.iter().enumerate() {
        error += duration_error(burst.ms(), step(n).0)?;
        if let Some(next) = bursts.get(n + 1) {
            error += duration_error(self::gap_ms(burst, next), step(n).1)?;
        }
    }
    let last = f32::from(step(bursts.len() - 1).1);
    let needed = if last > 1000.0 { f32::from(RINGING_PAUSE_MS) } else { 0.75 * last };
    (gap_ms >= needed).then_some(error / (2 * bursts.len()) as f32)
}

fn duration_error(found_ms: f32, nominal_ms: u16) -> Option<f32> {
    let nominal = f32::from(nominal_ms);
    let error = (found_ms - nominal).abs() / (DURATION_TOLERANCE * nominal + DURATION_TOLERANCE_MS);
    (error <= 1.0).then_some(error)
}

fn frequency_error(pattern: &Pattern, burst: &Burst) -> Option<f32> {
    let (low, high) = pattern.frequencies_hz;
    if burst.is_single() != (high == 0.0) {
        return None;
    }
    let tolerance = if burst.ms() < SHORT_MS { FREQUENCY_TOLERANCE_SHORT } else { FREQUENCY_TOLERANCE };
    let off = |found: f32, nominal: f32| (found / nominal - 1.0).abs() / tolerance;
    let upper = if high > 0.0 { off(burst.frequencies_hz.1, high) } else { 0.0 };
    let error = off(burst.frequencies_hz.0, low).max(upper);
    (error <= 1.0).then_some(error)
}

/// The three tones of one tape have the same error of frequency; what is left of it beside that tells them apart.
fn sit_error(pattern: &SitPattern, bursts: &[Burst; 3]) -> Option<f32> {
    let mut offs = [0.0f32; 3];
    let mut durations = 0.0f32;
    for (n, burst) in bursts.iter().enumerate() {
        offs[n] = (burst.frequencies_hz.0 / pattern.frequencies_hz[n]).ln();
        let off = (burst.ms() - pattern.durations_ms[n]).abs();
        if offs[n].abs() > 0.04 || off > 140.0 {
            return None;
        }
        durations += off / 100.0;
    }
    let common = offs.iter().sum::<f32>() / 3.0;
    let spread = offs.iter().map(|off| (off - common).abs()).sum::<f32>() / 3.0;
    Some(spread / 0.01 + 0.3 * common.abs() / 0.015 + 0.3 * durations)
}
