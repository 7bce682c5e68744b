//! Human or machine: what the first seconds after an answer are like. A person says little and waits; a machine talks on.

use std::time::Duration;

use super::activity::Activity;

/// Settings of one campaign.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct AmdConfig {
    /// After this long the verdict is unknown, and the call goes to an agent.
    pub limit: Duration,
    /// A person pauses this long after a greeting; a machine seldom does.
    pub pause: Duration,
    /// The same after a greeting of one short word, after which machines pause as well ("Hi, …").
    pub pause_short: Duration,
    /// Only a machine speaks on for this long.
    pub talk: Duration,
    /// Speech in it, without the pauses.
    pub voice: Duration,
}

impl Default for AmdConfig {
    fn default() -> AmdConfig {
        let ms = Duration::from_millis;
        AmdConfig { limit: ms(4000), pause: ms(500), pause_short: ms(640), talk: ms(1300), voice: ms(1200) }
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

/// Judges one answered call.
#[derive(Clone, Debug)]
pub(crate) struct Amd {
    config: AmdConfig,
    features: Features,
    decided: bool,
}

/// What was heard so far, in frames.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Features {
    pub(crate) frames: u32,
    /// When the first word began.
    pub(crate) onset: Option<u32>,
    pub(crate) voiced: u32,
    /// The current word, and the current pause.
    pub(crate) word: u32,
    pub(crate) pause: u32,
    pub(crate) words: u32,
    pub(crate) longest_word: u32,
    /// The longest pause between two words.
    pub(crate) longest_pause: u32,
    pub(crate) level_sum_db: f32,
    pub(crate) level_square_sum: f32,
}

/// A pause that ends a word.
const WORD_PAUSE: u32 = 4;
/// Less voice than that is no word.
const VOICE_MIN: u32 = 3;
/// A greeting with no more voice is a short one.
const SHORT_VOICE: u32 = 26;

impl Amd {
    pub(crate) fn new(config: AmdConfig) -> Amd {
        Amd { config, features: Features::default(), decided: false }
    }

    pub(crate) fn features(&self) -> &Features {
        &self.features
    }

    /// One frame of what sounds; `level_dbm0` is that of the frame.
    pub(crate) fn push(&mut self, activity: Activity, active: bool, level_dbm0: f32) -> Option<Verdict> {
        if self.decided {
            return None;
        }
        let voice = active && matches!(activity, Activity::Speech | Activity::Music);
        self.features.push(voice, level_dbm0);
        let (answerer, confidence) = self.judge()?;
        Some(self.decide(answerer, confidence))
    }

    /// A beep after words, or a fax: nothing else does that.
    pub(crate) fn machine(&mut self) -> Option<Verdict> {
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
        let features = &self.features;
        let frames = |time: Duration| (time.as_millis() / 20) as u32;
        if let Some(onset) = features.onset {
            let elapsed = features.frames - onset;
            let short = features.voiced <= SHORT_VOICE;
            let pause = frames(if short { self.config.pause_short } else { self.config.pause });
            if features.pause >= pause && features.voiced >= VOICE_MIN {
                return Some((Answerer::Human, 0.95));
            }
            let talks = features.pause < WORD_PAUSE && elapsed >= frames(self.config.talk);
            if talks && features.voiced >= frames(self.config.voice) {
                return Some((Answerer::Machine, 0.95));
            }
        }
        (features.frames >= frames(self.config.limit)).then_some((Answerer::Unknown, 0.0))
    }
}

impl Features {
    fn push(&mut self, voice: bool, level_dbm0: f32) {
        self.frames += 1;
        if voice {
            self.onset.get_or_insert(self.frames.saturating_sub(3));
            if self.pause >= WORD_PAUSE || self.words == 0 {
                self.words += 1;
                self.longest_pause = self.longest_pause.max(self.pause);
                self.word = 0;
            }
            self.pause = 0;
            self.word += 1;
            self.voiced += 1;
            self.longest_word = self.longest_word.max(self.word);
            self.level_sum_db += level_dbm0;
            self.level_square_sum += level_dbm0 * level_dbm0;
        } else if self.onset.is_some() {
            self.pause += 1;
        }
    }
}
