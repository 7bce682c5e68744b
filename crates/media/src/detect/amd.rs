//! Human or machine: what the first seconds after an answer are like. A person says little and waits; a machine talks on.

use std::time::Duration;

use super::activity::Activity;
use super::spectrum::LEVEL_MIN_DB;

/// Settings of one campaign. All but the limit were chosen with `examples/detect_report fit`, from its training part alone, and
/// are kept where faster ones that it finds take more people for machines.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct AmdConfig {
    /// After this long the verdict is unknown, and the call goes to an agent.
    pub limit: Duration,
    /// A person pauses this long after a greeting; a machine seldom does.
    pub pause: Duration,
    /// The same after the shortest of greetings.
    pub pause_short: Duration,
    /// The same after a long greeting.
    pub pause_long: Duration,
    /// A greeting with no more voice in it is a short one.
    pub short: Duration,
    /// One with more is a long one.
    pub long: Duration,
    /// Who still speaks so long after the first word is a machine. A quarter of it is counted in voice without the pauses, so
    /// that who speaks without any is known earlier.
    pub talk: Duration,
    /// With less voice in that time nobody is taken for a machine.
    pub voice: Duration,
}

impl Default for AmdConfig {
    fn default() -> AmdConfig {
        let ms = Duration::from_millis;
        AmdConfig {
            limit: ms(4000),
            pause: ms(560),
            pause_short: ms(480),
            pause_long: ms(460),
            short: ms(80),
            long: ms(1300),
            talk: ms(2000),
            voice: ms(660),
        }
    }
}

/// What is so much weaker than who speaks is others in the room.
const BEHIND_DB: f32 = 14.0;
/// Of the loudest, forgotten with each frame: 5 dB a second.
const FADE_DB: f32 = 0.1;

/// How loud the nearest voice is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loudness {
    loudest_dbm0: f32,
}

impl Loudness {
    pub(crate) fn new() -> Loudness {
        Loudness { loudest_dbm0: LEVEL_MIN_DB }
    }

    /// Whether a frame has the voice of who answered in it.
    pub(crate) fn is_voice(&mut self, activity: Activity, active: bool, level_dbm0: f32) -> bool {
        self.loudest_dbm0 -= FADE_DB;
        if !active || !matches!(activity, Activity::Speech | Activity::Music) {
            return false;
        }
        self.loudest_dbm0 = self.loudest_dbm0.max(level_dbm0);
        level_dbm0 > self.loudest_dbm0 - BEHIND_DB
    }
}

/// Who answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Answerer {
    Human,
    Machine,
    /// Nobody can tell; treated as a person.
    Unknown,
}

/// The verdict, given once.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Verdict {
    pub answerer: Answerer,
    /// 0.5 (a guess) to 1 (sure); 0 when unknown.
    pub confidence: f32,
    /// From the answer to the verdict.
    pub after: Duration,
    /// From the first word to the verdict; none when nobody spoke.
    pub greeting: Option<Duration>,
}

/// Judges one answered call by who speaks when.
#[derive(Clone, Debug)]
pub struct AnswerJudge {
    config: AmdConfig,
    features: Features,
    decided: bool,
}

/// What was heard so far, in frames.
#[derive(Clone, Copy, Default, Debug)]
struct Features {
    frames: u32,
    /// When the first word began.
    onset: Option<u32>,
    voiced: u32,
    /// The current pause.
    pause: u32,
    words: u32,
}

/// A pause that ends a word.
const WORD_PAUSE: u32 = 4;
/// Who pauses longer may have come to the end.
const TALK_PAUSE: u32 = 2;
/// Less voice than that is no word.
const VOICE_MIN: u32 = 3;

impl AnswerJudge {
    pub fn new(config: AmdConfig) -> AnswerJudge {
        AnswerJudge { config, features: Features::default(), decided: false }
    }

    /// Somebody has spoken.
    pub fn has_begun(&self) -> bool {
        self.features.onset.is_some()
    }

    /// The next 20 ms, and whether there was a voice in them.
    pub fn push(&mut self, voice: bool) -> Option<Verdict> {
        if self.decided {
            return None;
        }
        self.features.push(voice);
        let (answerer, confidence) = self.judge()?;
        Some(self.decide(answerer, confidence))
    }

    /// A beep after words, or a fax: nothing else does that.
    pub fn machine(&mut self) -> Option<Verdict> {
        (!self.decided).then(|| self.decide(Answerer::Machine, 0.98))
    }

    fn decide(&mut self, answerer: Answerer, confidence: f32) -> Verdict {
        self.decided = true;
        let frames = |count: u32| Duration::from_millis(20) * count;
        let features = &self.features;
        Verdict {
            answerer,
            confidence,
            after: frames(features.frames),
            greeting: features.onset.map(|onset| frames(features.frames - onset)),
        }
    }

    fn judge(&self) -> Option<(Answerer, f32)> {
        let (features, config) = (&self.features, &self.config);
        if let Some(onset) = features.onset {
            let elapsed = features.frames - onset;
            let is_long = features.voiced > frames(config.long);
            let pause = match features.voiced <= frames(config.short) {
                true => config.pause_short,
                false if is_long => config.pause_long,
                false => config.pause,
            };
            if features.pause >= frames(pause) && features.voiced >= VOICE_MIN {
                return Some((Answerer::Human, if is_long { 0.85 } else { 0.98 }));
            }
            let talks = features.pause < TALK_PAUSE && features.voiced >= frames(config.voice);
            if talks && features.voiced + 3 * elapsed >= 4 * frames(config.talk) {
                return Some((Answerer::Machine, 0.95));
            }
        }
        (features.frames >= frames(config.limit)).then(|| features.at_limit(frames(config.voice)))
    }
}

fn frames(time: Duration) -> u32 {
    (time.as_millis() / 20) as u32
}

impl Features {
    /// Who still speaks after so much speech is rather a machine.
    fn at_limit(&self, voice: u32) -> (Answerer, f32) {
        let talks = self.pause < WORD_PAUSE && self.words > 1;
        if talks && self.voiced >= voice { (Answerer::Machine, 0.8) } else { (Answerer::Unknown, 0.0) }
    }

    fn push(&mut self, voice: bool) {
        self.frames += 1;
        if voice {
            self.onset.get_or_insert(self.frames.saturating_sub(3));
            if self.pause >= WORD_PAUSE || self.words == 0 {
                self.words += 1;
            }
            self.pause = 0;
            self.voiced += 1;
        } else if self.onset.is_some() {
            self.pause += 1;
        }
    }
}
