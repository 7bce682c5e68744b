//! The tones of telephone networks: frequencies and cadences by country.
//!
//! Sources: ITU-T E.180/E.182 with its supplement of national tones, GB 3380 (China), Telcordia GR-506 (North America),
//! BT SIN 350 (United Kingdom), ETSI TS 101 041-2 (Europe); ITU-T E.180 and Telcordia for special information tones.

/// Which country's tones.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Plan {
    /// China, 450 Hz.
    Cn,
    /// North America: 440 + 480 Hz, 480 + 620 Hz.
    Us,
    /// United Kingdom: 400 + 450 Hz, 400 Hz.
    Uk,
    /// Most of Europe, 425 Hz.
    Eu,
}

/// A set of plans.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plans(u8);

impl Plans {
    pub const ALL: Plans = Plans(0b1111);
    pub const NONE: Plans = Plans(0);

    #[must_use]
    pub const fn with(self, plan: Plan) -> Plans {
        Plans(self.0 | 1 << plan as u8)
    }

    pub const fn has(self, plan: Plan) -> bool {
        self.0 & 1 << plan as u8 != 0
    }
}

/// What a tone says.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum ToneKind {
    /// The far end rings.
    Ringback,
    Busy,
    /// No way through the network; "reorder", "fast busy".
    Congestion,
    /// There is no such number (China's and the United Kingdom's own tone; others play a [`ToneKind::Sit`]).
    Unobtainable,
    Dial,
    /// Dial tone with gaps: something is set at this line, such as diversion.
    SpecialDial,
    /// Special information tone: an announcement follows.
    Sit(Sit),
    /// A calling fax: CNG, 1100 Hz (ITU-T T.30).
    FaxCalling,
    /// An answering fax or modem: CED, ANS or ANSam, 2100 Hz (ITU-T T.30, V.8).
    FaxAnswer,
    /// A single tone after which an answering machine records.
    Beep {
        frequency_hz: u16,
    },
}

/// What a special information tone says about the announcement.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Sit {
    /// The international tone, which says nothing more.
    Itu,
    /// Intercept: the number has changed or is out of service.
    Intercept,
    /// Vacant code: there is no such number.
    VacantCode,
    /// Reorder: the call cannot be completed for now.
    Reorder,
    /// No circuit.
    NoCircuit,
}

/// One on and one off time, in milliseconds.
pub(crate) type Step = (u16, u16);

/// One tone of one plan.
#[derive(Debug)]
pub(crate) struct Pattern {
    pub(crate) plan: Plan,
    pub(crate) kind: ToneKind,
    /// The second is 0 where there is one frequency.
    pub(crate) frequencies_hz: (f32, f32),
    /// Repeated for ever; none for a continuous tone.
    pub(crate) steps: &'static [Step],
    /// Bursts that must have been heard. Only the last pause may still last.
    pub(crate) bursts: usize,
}

const fn pattern(
    plan: Plan,
    kind: ToneKind,
    frequencies_hz: (f32, f32),
    steps: &'static [Step],
    bursts: usize,
) -> Pattern {
    Pattern { plan, kind, frequencies_hz, steps, bursts }
}

const CN: (f32, f32) = (450.0, 0.0);
const EU: (f32, f32) = (425.0, 0.0);
const UK: (f32, f32) = (400.0, 0.0);
const UK_RINGING: (f32, f32) = (400.0, 450.0);
const US_RINGING: (f32, f32) = (440.0, 480.0);
const US_BUSY: (f32, f32) = (480.0, 620.0);
const DIALING: (f32, f32) = (350.0, 440.0);

/// A pause after which a ring-back cadence is plain: it is much longer than those of all other tones.
pub(crate) const RINGING_PAUSE_MS: u16 = 1200;
/// A tone that lasts longer has no cadence.
pub(crate) const CONTINUOUS_MS: u16 = 2600;
/// So many regular short gaps in a continuous tone are the special dial tones of China (400 ms on, 40 off) and Europe (500 ms
/// on, 50 off). Such gaps are too short to be told from lost packets one by one.
pub(crate) const SPECIAL_DIPS: u16 = 3;

/// Whoever adds a line: cadences of the same frequencies must differ by more than the tolerance in `cadence.rs`.
pub(crate) static PATTERNS: &[Pattern] = &[
    pattern(Plan::Cn, ToneKind::Ringback, CN, &[(1000, 4000)], 1),
    pattern(Plan::Cn, ToneKind::Busy, CN, &[(350, 350)], 3),
    pattern(Plan::Cn, ToneKind::Congestion, CN, &[(700, 700)], 2),
    pattern(Plan::Cn, ToneKind::Unobtainable, CN, &[(100, 100), (100, 100), (100, 100), (400, 400)], 4),
    pattern(Plan::Cn, ToneKind::Dial, CN, &[], 1),
    pattern(Plan::Us, ToneKind::Ringback, US_RINGING, &[(2000, 4000)], 1),
    pattern(Plan::Us, ToneKind::Busy, US_BUSY, &[(500, 500)], 2),
    pattern(Plan::Us, ToneKind::Congestion, US_BUSY, &[(250, 250)], 3),
    pattern(Plan::Us, ToneKind::SpecialDial, DIALING, &[(100, 100)], 3),
    pattern(Plan::Us, ToneKind::Dial, DIALING, &[], 1),
    pattern(Plan::Uk, ToneKind::Ringback, UK_RINGING, &[(400, 200), (400, 2000)], 2),
    pattern(Plan::Uk, ToneKind::Busy, UK, &[(375, 375)], 3),
    pattern(Plan::Uk, ToneKind::Congestion, UK, &[(400, 350), (225, 525)], 3),
    pattern(Plan::Uk, ToneKind::Unobtainable, UK, &[], 1),
    pattern(Plan::Uk, ToneKind::Dial, DIALING, &[], 1),
    pattern(Plan::Eu, ToneKind::Ringback, EU, &[(1000, 4000)], 1),
    pattern(Plan::Eu, ToneKind::Busy, EU, &[(500, 500)], 2),
    pattern(Plan::Eu, ToneKind::Congestion, EU, &[(225, 225)], 3),
    pattern(Plan::Eu, ToneKind::Dial, EU, &[], 1),
];

/// Three tones in a row: frequencies, and for each whether it is the long one (380 ms, else 274 ms).
pub(crate) struct SitPattern {
    pub(crate) sit: Sit,
    pub(crate) frequencies_hz: [f32; 3],
    pub(crate) durations_ms: [f32; 3],
}

const SHORT_MS: f32 = 274.0;
const LONG_MS: f32 = 380.0;

pub(crate) static SITS: &[SitPattern] = &[
    SitPattern { sit: Sit::Itu, frequencies_hz: [950.0, 1400.0, 1800.0], durations_ms: [330.0; 3] },
    SitPattern {
        sit: Sit::Intercept,
        frequencies_hz: [913.8, 1370.6, 1776.7],
        durations_ms: [SHORT_MS, SHORT_MS, LONG_MS],
    },
    SitPattern {
        sit: Sit::VacantCode,
        frequencies_hz: [985.2, 1370.6, 1776.7],
        durations_ms: [LONG_MS, SHORT_MS, LONG_MS],
    },
    SitPattern {
        sit: Sit::Reorder,
        frequencies_hz: [913.8, 1428.5, 1776.7],
        durations_ms: [SHORT_MS, LONG_MS, LONG_MS],
    },
    SitPattern {
        sit: Sit::NoCircuit,
        frequencies_hz: [985.2, 1428.5, 1776.7],
        durations_ms: [LONG_MS, LONG_MS, LONG_MS],
    },
];

pub(crate) const FAX_CALLING_HZ: f32 = 1100.0;
pub(crate) const FAX_CALLING: Step = (500, 3000);
pub(crate) const FAX_ANSWER_HZ: f32 = 2100.0;
/// Shorter ones may be beeps; a fax sends at least 2.6 s.
pub(crate) const FAX_ANSWER_MS: u16 = 1000;
