//! Keys that are pressed as tones in the sound itself (ITU-T Q.23), by the limits of ITU-T Q.24.
//!
//! The sound is looked at in windows of 15 ms, one every 5 ms, wherever frames begin and end. A window sounds of a key when
//! two tones, one of each group, are nearly all that is in it; a key was pressed when enough windows in a row say so, and
//! the frequencies are as near as they have to be.

use std::f32::consts::TAU;
use std::sync::LazyLock;

use crate::{FRAME_SAMPLES, SAMPLE_RATE};

const ROWS_HZ: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS_HZ: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
const KEYS: [[char; 4]; 4] =
    [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];
const TONES: usize = 8;

/// 5 ms, by which windows follow each other. All the tones have whole periods in so many of them as are in a second.
const HOP: usize = 40;
const HOP_S: f32 = HOP as f32 / SAMPLE_RATE as f32;
const HOPS_A_SECOND: usize = SAMPLE_RATE as usize / HOP;
const WINDOW_HOPS: usize = 3;
const KEPT_HOPS: usize = WINDOW_HOPS + BEFORE_HOPS;
const WINDOW_LEN: usize = WINDOW_HOPS * HOP;
const WINDOW: f32 = WINDOW_LEN as f32;

/// Mean square of each tone at least: −30 dBm0; Q.24 asks for −27.
const TONE_MIN: f32 = 258_700.0;
/// Hops below, −36 dBm0, are not looked into.
const HOP_MIN: f32 = 65_000.0;
/// Part of a window's power that the two tones have to be: with noise 10 dB below them, and a beginning or an end in it.
const SHARE_MIN: f32 = 0.65;
/// The column's level above the row's; Q.24 asks for −8 to 4 dB.
const TWIST_DB: std::ops::RangeInclusive<f32> = -10.0..=6.0;
/// By how much more power a tone may have in the loudest window of one press than in the softest.
const UNSTEADY_MAX: f32 = 4.0;
/// What Q.24 takes is within 1.5 % and 2 Hz, what it refuses is 3.5 % off: the middle.
const ERROR_MAX: f32 = 0.025;
const ERROR_MAX_HZ: f32 = 1.0;
/// Windows of the same key in a row that are a press: 40 ms make seven, 23 ms four at most.
const PRESS_WINDOWS: u32 = 5;
/// Those in between that noise may have spoiled.
const SPOILED_MAX: u32 = 1;
/// Of them, those in which the tones are so much of the power.
const CLEAR_WINDOWS: u32 = 4;
const CLEAR_SHARE_MIN: f32 = 0.7;
/// Part of the power that a third tone may have; noise 10 dB below the key has half as much at one frequency.
const THIRD_MAX: f32 = 0.02;
/// Where it is looked for, in steps of what a window tells apart: 400 to 3300 Hz.
const PROBES_FROM: usize = 6;
const PROBES_LEN: usize = 44;
/// Nearer to a tone there is what is left of it when its frequency is not quite what it was taken for.
const BESIDE_HZ: f32 = 80.0;
/// Times that the one or the other tone is taken away.
const REMOVALS: usize = 6;
/// Looks for it in one candidate: noise may be gone in the next window, a voice is not.
const LOOKS_MAX: u32 = 4;
/// Keys come out of something softer than they are by so much, so long before their first window: hops. Voices that sound
/// like a key mostly glide into it.
const SOFTER: f32 = 0.3;
const BEFORE_HOPS: usize = 8;
/// Windows that were lost count as the key that sounds beside them, so many of a press.
const LOST_MAX: u32 = 3;
/// Windows without the key after which the same key is another press: a pause of 40 ms makes eight, a packet that is replaced
/// by silence five.
const PAUSE_WINDOWS: u32 = 7;
/// Of them, if others were lost.
const PAUSE_SEEN_MIN: u32 = 3;

static TABLE: LazyLock<Table> = LazyLock::new(Table::new);

/// The real and imaginary parts of all tones.
type Parts = [f32; 2 * TONES];

struct Table {
    /// The tones' waves over one hop.
    waves: [Parts; HOP],
    /// How far each wave turns in so many hops.
    turns: [Parts; HOPS_A_SECOND],
    /// Over one window, of what may be a third tone: real parts, imaginary parts.
    probes: [[[f32; PROBES_LEN]; 2]; WINDOW_LEN],
}

impl Table {
    fn new() -> Table {
        Table {
            waves: std::array::from_fn(|n| waves(n as f32 / SAMPLE_RATE as f32)),
            turns: std::array::from_fn(|n| waves(n as f32 * HOP_S)),
            probes: std::array::from_fn(probes),
        }
    }
}

/// e^(−jωt) of each tone.
fn waves(at_s: f32) -> Parts {
    let mut parts = [0.0; 2 * TONES];
    for tone in 0..TONES {
        let angle = TAU * (hz(tone) * at_s).fract();
        (parts[tone], parts[TONES + tone]) = (angle.cos(), -angle.sin());
    }
    parts
}

/// e^(−jωt) of each probe at this sample of a window.
fn probes(at: usize) -> [[f32; PROBES_LEN]; 2] {
    // Whole turns are taken off before they cost precision.
    let turn = |n: usize| TAU * ((PROBES_FROM + n) * at % WINDOW_LEN) as f32 / WINDOW;
    [std::array::from_fn(|n| turn(n).cos()), std::array::from_fn(|n| -turn(n).sin())]
}

fn hz(tone: usize) -> f32 {
    if tone < 4 { ROWS_HZ[tone] } else { COLUMNS_HZ[tone - 4] }
}

/// 5 ms.
#[derive(Clone, Copy, Debug)]
struct Hop {
    /// Sums of the sound times the tones' waves.
    parts: Parts,
    /// Of its samples' squares.
    energy: f32,
    is_lost: bool,
}

impl Hop {
    const SILENT: Hop = Hop { parts: [0.0; 2 * TONES], energy: 0.0, is_lost: false };
}

/// What a window sounds of.
#[derive(Clone, Copy, Debug)]
enum Sounds {
    Key(Pair),
    Other,
    Lost,
}

#[derive(Clone, Copy, Debug)]
struct Pair {
    row: usize,
    column: usize,
    powers: [f32; 2],
    /// Part of the window's power that the tones are.
    share: f32,
    /// How the two waves turned since the window before.
    turned: [(f32, f32); 2],
}

/// A key that may turn out to be pressed.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    row: usize,
    column: usize,
    windows: u32,
    /// Of them, those with hardly anything else in them.
    clear: u32,
    lost: u32,
    spoiled: u32,
    /// Times that a third tone was looked for.
    looks: u32,
    /// Of each tone: the softest and the loudest window.
    softest: [f32; 2],
    loudest: [f32; 2],
    /// The window before was of this key too.
    is_unbroken: bool,
    turned: [(f32, f32); 2],
}

/// Listens to one stream for keys. No allocation, no clock.
#[derive(Clone, Debug)]
pub struct Keypad {
    hops: [Hop; KEPT_HOPS],
    /// Of the window.
    samples: [f32; WINDOW_LEN],
    /// Hops so far, modulo a second.
    now: usize,
    /// The window before.
    before: Parts,
    candidate: Option<Candidate>,
    /// Told, and not let go yet.
    held: Option<(usize, usize)>,
    /// Windows since the held key sounded last: others, and lost ones.
    without: u32,
    without_lost: u32,
    /// Lost windows in a row, up to now.
    lost: u32,
}

impl Default for Keypad {
    fn default() -> Keypad {
        Keypad::new()
    }
}

impl Keypad {
    pub fn new() -> Keypad {
        Keypad {
            hops: [Hop::SILENT; KEPT_HOPS],
            samples: [0.0; WINDOW_LEN],
            now: 0,
            before: [0.0; 2 * TONES],
            candidate: None,
            held: None,
            without: 0,
            without_lost: 0,
            lost: 0,
        }
    }

    /// The next 20 ms, and the key of which it is now clear that it was pressed. One press is told once.
    pub fn feed(&mut self, frame: &[i16; FRAME_SAMPLES]) -> Option<char> {
        let mut pressed = None;
        let (hops, _) = frame.as_chunks::<HOP>();
        for samples in hops {
            let hop = self.hop(samples);
            pressed = self.push(hop).or(pressed);
        }
        pressed
    }

    /// The next 20 ms did not arrive.
    pub fn lost(&mut self) -> Option<char> {
        let mut pressed = None;
        for _ in 0..FRAME_SAMPLES / HOP {
            pressed = self.push(Hop { is_lost: true, ..Hop::SILENT }).or(pressed);
        }
        pressed
    }

    fn hop(&mut self, samples: &[i16; HOP]) -> Hop {
        let samples = samples.map(f32::from);
        self.samples.copy_within(HOP.., 0);
        self.samples[(WINDOW_HOPS - 1) * HOP..].copy_from_slice(&samples);
        let energy = samples.iter().map(|sample| sample * sample).sum::<f32>();
        if energy < HOP_MIN * HOP as f32 {
            return Hop { energy, ..Hop::SILENT };
        }
        let mut sums = [0.0; 2 * TONES];
        for (sample, waves) in samples.iter().zip(&TABLE.waves) {
            for (sum, wave) in sums.iter_mut().zip(waves) {
                *sum += sample * wave;
            }
        }
        let turn = &TABLE.turns[self.now];
        let mut parts = [0.0; 2 * TONES];
        for tone in 0..TONES {
            let turned = times((sums[tone], sums[TONES + tone]), (turn[tone], turn[TONES + tone]));
            (parts[tone], parts[TONES + tone]) = turned;
        }
        Hop { parts, energy, is_lost: false }
    }

    fn push(&mut self, hop: Hop) -> Option<char> {
        self.now = (self.now + 1) % HOPS_A_SECOND;
        self.hops.rotate_left(1);
        self.hops[KEPT_HOPS - 1] = hop;
        let sounds = self.window();
        match sounds {
            Sounds::Key(pair) => self.key(pair),
            Sounds::Other => self.other(),
            Sounds::Lost => {
                self.lost += 1;
                self.without_lost += 1;
                if let Some(candidate) = &mut self.candidate {
                    candidate.lost += 1;
                    candidate.is_unbroken = false;
                }
            }
        }
        if !matches!(sounds, Sounds::Lost) {
            self.lost = 0;
        }
        self.press()
    }

    fn window(&mut self) -> Sounds {
        let mut parts = [0.0; 2 * TONES];
        let mut energy = 0.0;
        for hop in &self.hops[BEFORE_HOPS..] {
            energy += hop.energy;
            for (sum, part) in parts.iter_mut().zip(&hop.parts) {
                *sum += part;
            }
        }
        let before = std::mem::replace(&mut self.before, parts);
        if self.hops[BEFORE_HOPS..].iter().any(|hop| hop.is_lost) {
            return Sounds::Lost;
        }
        if energy < HOP_MIN * WINDOW {
            return Sounds::Other;
        }
        pair(&parts, &before, energy / WINDOW).map_or(Sounds::Other, Sounds::Key)
    }

    fn key(&mut self, pair: Pair) {
        if self.held == Some((pair.row, pair.column)) && !self.is_let_go() {
            (self.without, self.without_lost) = (0, 0);
            self.candidate = None;
            return;
        }
        self.without += 1;
        if let Some(candidate) = self.candidate.as_mut().filter(|candidate| candidate.is_same(&pair)) {
            return candidate.add(&pair);
        }
        self.candidate = self.is_onset(&pair).then(|| Candidate::new(&pair, self.lost));
    }

    fn is_onset(&self, pair: &Pair) -> bool {
        let limit = SOFTER * pair.powers.iter().sum::<f32>() * HOP as f32;
        self.hops[..BEFORE_HOPS].iter().any(|hop| hop.is_lost || hop.energy <= limit)
    }

    fn other(&mut self) {
        self.without += 1;
        if let Some(candidate) = &mut self.candidate {
            candidate.spoiled += 1;
            candidate.is_unbroken = false;
            if candidate.spoiled > SPOILED_MAX {
                self.candidate = None;
            }
        }
    }

    /// After a pause the same key is another press.
    fn is_let_go(&self) -> bool {
        let seen = self.without;
        seen >= PAUSE_WINDOWS || (seen >= PAUSE_SEEN_MIN && seen + self.without_lost > PAUSE_WINDOWS)
    }

    fn press(&mut self) -> Option<char> {
        let is_looked_at = |candidate: &&mut Candidate| candidate.looks < LOOKS_MAX && candidate.is_pressed();
        let candidate = self.candidate.as_mut().filter(is_looked_at)?;
        candidate.looks += 1;
        let candidate = *candidate;
        if third(&self.samples, candidate.tones_hz()) > THIRD_MAX {
            return None;
        }
        self.candidate = None;
        self.held = Some((candidate.row, candidate.column));
        (self.without, self.without_lost) = (0, 0);
        Some(KEYS[candidate.row][candidate.column])
    }
}

impl Candidate {
    fn new(pair: &Pair, lost: u32) -> Candidate {
        Candidate {
            row: pair.row,
            column: pair.column,
            windows: 1,
            clear: u32::from(pair.share >= CLEAR_SHARE_MIN),
            lost,
            spoiled: 0,
            looks: 0,
            softest: pair.powers,
            loudest: pair.powers,
            is_unbroken: true,
            turned: [(0.0, 0.0); 2],
        }
    }

    fn is_same(&self, pair: &Pair) -> bool {
        let is_steady = (0..2).all(|tone| {
            let power = pair.powers[tone];
            power.max(self.loudest[tone]) <= UNSTEADY_MAX * power.min(self.softest[tone])
        });
        (self.row, self.column) == (pair.row, pair.column) && is_steady
    }

    fn add(&mut self, pair: &Pair) {
        self.windows += 1;
        self.clear += u32::from(pair.share >= CLEAR_SHARE_MIN);
        self.softest = std::array::from_fn(|tone| self.softest[tone].min(pair.powers[tone]));
        self.loudest = std::array::from_fn(|tone| self.loudest[tone].max(pair.powers[tone]));
        if std::mem::replace(&mut self.is_unbroken, true) {
            for (sum, turned) in self.turned.iter_mut().zip(&pair.turned) {
                *sum = (sum.0 + turned.0, sum.1 + turned.1);
            }
        }
    }

    fn is_pressed(&self) -> bool {
        let lost = self.lost.min(LOST_MAX);
        let enough = self.windows + lost >= PRESS_WINDOWS && self.clear + lost >= CLEAR_WINDOWS;
        enough && self.is_in_tune()
    }

    fn tones_hz(&self) -> [f32; 2] {
        [(self.row, self.turned[0]), (4 + self.column, self.turned[1])]
            .map(|(tone, turned)| hz(tone) + error_hz(turned))
    }

    fn is_in_tune(&self) -> bool {
        [self.row, 4 + self.column].iter().zip(&self.turned).all(|(tone, turned)| {
            let error_hz = error_hz(*turned).abs();
            error_hz <= ERROR_MAX * hz(*tone) + ERROR_MAX_HZ
        })
    }
}

/// The two tones of a window of that mean square, if they are nearly all of it.
fn pair(parts: &Parts, before: &Parts, mean_square: f32) -> Option<Pair> {
    let squares: [f32; TONES] = std::array::from_fn(|tone| parts[tone].powi(2) + parts[TONES + tone].powi(2));
    let loudest = |range: std::ops::Range<usize>| range.max_by(|a, b| squares[*a].total_cmp(&squares[*b]));
    let (row, column) = (loudest(0..4)?, loudest(4..TONES)?);
    let turned = [row, column].map(|tone| {
        let at = |parts: &Parts| (parts[tone], parts[TONES + tone]);
        let (re, im) = at(before);
        times(at(parts), (re, -im))
    });
    // A tone beside its frequency shows less than it is.
    let seen = |turned, tone: usize| {
        let limit = ERROR_MAX * hz(tone) + ERROR_MAX_HZ;
        let error = error_hz(turned);
        let x = error * std::f32::consts::PI * WINDOW / SAMPLE_RATE as f32;
        if x.abs() < 1e-3 || error.abs() > limit { 1.0 } else { (x.sin() / x).powi(2) }
    };
    let power_of = |turned, tone: usize| 2.0 * squares[tone] / (WINDOW * WINDOW) / seen(turned, tone);
    let [row_power, column_power] = [power_of(turned[0], row), power_of(turned[1], column)];
    let both = row_power + column_power;
    let twist_db = 10.0 * (column_power / row_power.max(f32::MIN_POSITIVE)).log10();
    let is_pair = row_power >= TONE_MIN
        && column_power >= TONE_MIN
        && both >= SHARE_MIN * mean_square
        && TWIST_DB.contains(&twist_db);
    is_pair.then_some(Pair {
        row,
        column: column - 4,
        powers: [row_power, column_power],
        share: both / mean_square,
        turned,
    })
}

/// The part of the window's power that its strongest tone has after these two are taken away. A voice has other overtones
/// than the two that sound like a key; noise has a little everywhere.
fn third(samples: &[f32; WINDOW_LEN], tones_hz: [f32; 2]) -> f32 {
    let energy: f32 = samples.iter().map(|sample| sample * sample).sum();
    let mut rest = *samples;
    let tones = tones_hz.map(turning);
    // Each is seen better when the other is away.
    for waves in tones.iter().cycle().take(REMOVALS) {
        let sums = rest.iter().zip(waves);
        let (re, im) =
            sums.fold((0.0, 0.0), |(re, im), (sample, wave)| (re + sample * wave.0, im + sample * wave.1));
        for (sample, wave) in rest.iter_mut().zip(waves) {
            // The wave turns backwards: its conjugate is the tone.
            *sample -= 2.0 / WINDOW * (re * wave.0 + im * wave.1);
        }
    }
    let mut sums = [[0.0; PROBES_LEN]; 2];
    for (sample, waves) in rest.iter().zip(&TABLE.probes) {
        for (sums, waves) in sums.iter_mut().zip(waves) {
            for (sum, wave) in sums.iter_mut().zip(waves) {
                *sum += sample * wave;
            }
        }
    }
    let is_apart = |hz: f32| tones_hz.iter().all(|tone| (tone - hz).abs() > BESIDE_HZ);
    let apart = (0..PROBES_LEN).filter(|n| is_apart(probe_hz(*n)));
    let power = apart.map(|n| sums[0][n].powi(2) + sums[1][n].powi(2)).fold(0.0, f32::max);
    2.0 * power / (WINDOW * energy.max(1.0))
}

fn probe_hz(n: usize) -> f32 {
    SAMPLE_RATE as f32 / WINDOW * (PROBES_FROM + n) as f32
}

/// e^(−jωt), sample by sample.
fn turning(hz: f32) -> [(f32, f32); WINDOW_LEN] {
    let (sin, cos) = (TAU * hz / SAMPLE_RATE as f32).sin_cos();
    let mut wave = (1.0, 0.0);
    std::array::from_fn(|_| {
        let next = times(wave, (cos, -sin));
        std::mem::replace(&mut wave, next)
    })
}

fn times(a: (f32, f32), b: (f32, f32)) -> (f32, f32) {
    (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0)
}

/// How far a tone is from its frequency whose wave turned so in a hop.
fn error_hz((re, im): (f32, f32)) -> f32 {
    im.atan2(re) / (TAU * HOP_S)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech_like::SpeechLike;
    use crate::{Sound, g711};
    use std::time::Duration;

    /// Two tones as they should not be exactly.
    #[derive(Clone, Copy)]
    struct Press {
        on_ms: usize,
        off_ms: usize,
        /// Of the row's tone.
        level_dbm0: f64,
        twist_db: f64,
        stretch: f64,
        /// Samples until the first press.
        from: usize,
    }

    const PLAIN: Press =
        Press { on_ms: 40, off_ms: 40, level_dbm0: -10.0, twist_db: 0.0, stretch: 1.0, from: 800 };

    fn sound(keys: &str, press: Press) -> Vec<i16> {
        let amplitude = |dbm0: f64| 32_768.0 * 10f64.powf((dbm0 - 3.17) / 20.0);
        let mut out = vec![0; press.from];
        for key in keys.chars() {
            let row = KEYS.iter().position(|row| row.contains(&key)).expect("a key");
            let column = KEYS[row].iter().position(|k| *k == key).expect("found above");
            for n in 0..press.on_ms * 8 {
                let wave = |hz: f32, dbm0: f64| {
                    amplitude(dbm0)
                        * (std::f64::consts::TAU * f64::from(hz) * press.stretch * n as f64 / 8000.0).sin()
                };
                let row = wave(ROWS_HZ[row], press.level_dbm0);
                out.push((row + wave(COLUMNS_HZ[column], press.level_dbm0 + press.twist_db)) as i16);
            }
            out.resize(out.len() + press.off_ms * 8, 0);
        }
        out.resize(out.len() + 1600, 0);
        out
    }

    /// Over A-law, with packets lost.
    fn hear(samples: &[i16], is_lost: impl Fn(usize) -> bool) -> String {
        let coded = samples.iter().map(|sample| g711::alaw_decode(g711::alaw_encode(*sample)));
        let sound = Sound::from_samples(coded.collect());
        let mut keypad = Keypad::new();
        let frames = sound.frames().enumerate();
        frames.filter_map(|(n, frame)| if is_lost(n) { keypad.lost() } else { keypad.feed(&frame) }).collect()
    }

    fn told(keys: &str, press: Press) -> String {
        hear(&sound(keys, press), |_| false)
    }

    const ALL: &str = "0123456789*#ABCD5500";

    #[test]
    fn presses_of_40_ms_are_each_told_once_wherever_frames_begin() {
        for from in (800..960).step_by(8) {
            assert_eq!(told(ALL, Press { from, ..PLAIN }), ALL, "from {from}");
            let long = Press { on_ms: 300, off_ms: 60, from, ..PLAIN };
            assert_eq!(told(ALL, long), ALL, "long ones from {from}");
        }
    }

    #[test]
    fn what_is_too_short_is_no_press() {
        for from in (800..960).step_by(8) {
            assert_eq!(told(ALL, Press { on_ms: 23, from, ..PLAIN }), "", "from {from}");
        }
    }

    #[test]
    fn levels_twist_and_frequencies_are_taken_as_q_24_says() {
        for (level_dbm0, twist_db) in
            [(-3.0, 0.0), (-27.0, 0.0), (-27.0, 4.0), (-7.0, 4.0), (-3.0, -8.0), (-19.0, -8.0)]
        {
            for stretch in [0.985, 1.0, 1.015] {
                let press = Press { level_dbm0, twist_db, stretch, ..PLAIN };
                assert_eq!(told(ALL, press), ALL, "{level_dbm0} dBm0, twist {twist_db} dB, × {stretch}");
            }
        }
        for stretch in [0.965, 1.035] {
            for from in [800, 820, 840, 860] {
                assert_eq!(told(ALL, Press { on_ms: 100, stretch, from, ..PLAIN }), "", "× {stretch}");
            }
        }
        assert_eq!(told(ALL, Press { level_dbm0: -40.0, ..PLAIN }), "");
    }

    #[test]
    fn a_press_with_a_hole_is_one_and_two_presses_are_two() {
        for lost in 6..9 {
            let long = Press { on_ms: 100, ..PLAIN };
            assert_eq!(hear(&sound("7", long), |n| n == lost), "7", "packet {lost} is lost");
            let mut holed = sound("7", long);
            holed[lost * 160..(lost + 1) * 160].fill(0);
            assert_eq!(hear(&holed, |_| false), "7", "silence for packet {lost}");
        }
        assert_eq!(hear(&sound("77", PLAIN), |n| n == 8), "77", "the pause is lost in part");
    }

    #[test]
    fn a_key_that_was_refused_is_not_looked_at_for_ever_and_the_next_one_is() {
        let key = sound("5", Press { on_ms: 2000, ..PLAIN });
        let third = crate::tone::sine(2500.0, 2500, Duration::from_millis(2000));
        let mut mixed = key.clone();
        for (sample, third) in mixed[PLAIN.from..].iter_mut().zip(third.samples()) {
            *sample += third;
        }
        let mut keypad = Keypad::new();
        let mut feed = |samples: &[i16]| {
            let told: String =
                Sound::from_samples(samples.to_vec()).frames().filter_map(|f| keypad.feed(&f)).collect();
            (told, keypad.candidate.map(|candidate| candidate.looks))
        };
        assert_eq!(feed(&mixed[..8000]), (String::new(), Some(LOOKS_MAX)));
        assert_eq!(feed(&mixed[8000..]).0, "");
        assert_eq!(feed(&sound("5", PLAIN)).0, "5");
    }

    #[test]
    fn talk_and_single_tones_are_no_keys() {
        for seed in 0..20 {
            let talk = SpeechLike::new(seed).sound(Duration::from_secs(30));
            assert_eq!(hear(talk.samples(), |n| n % 50 == 3), "", "speaker {seed}");
        }
        for hz in [697.0, 941.0, 1209.0, 1477.0] {
            let tone = crate::tone::sine(hz, 8000, Duration::from_secs(1));
            assert_eq!(hear(tone.samples(), |_| false), "", "{hz} Hz");
        }
        let dial = crate::tone::dual((941.0, 4000), (770.0, 4000), Duration::from_secs(1));
        assert_eq!(hear(dial.samples(), |_| false), "", "two rows");
    }
}
