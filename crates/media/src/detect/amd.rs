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
    /// The same after a long greeting, such as machines have, with pauses between the sentences.
    pub pause_long: Duration,
    /// Only a machine speaks on for this long.
    pub talk: Duration,
    /// Speech in it, without the pauses.
    pub voice: Duration,
}

impl Default for AmdConfig {
    fn default() -> AmdConfig {
        let ms = Duration::from_millis;
        AmdConfig {
            limit: ms(4000),
            pause: ms(500),
            pause_short: ms(640),
            pause_long: ms(800),
            talk: ms(1500),
            voice: ms(1800),
        }
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
    /// The current pause.
    pub(crate) pause: u32,
    pub(crate) words: u32,
}

/// A pause that ends a word.
const WORD_PAUSE: u32 = 4;
/// Less voice than that is no word.
const VOICE_MIN: u32 = 3;
/// A greeting with no more voice is a short one.
const SHORT_VOICE: u32 = 26;
/// One with as much voice is a long one.
const LONG_VOICE: u32 = 60;

impl Amd {
    pub(crate) fn new(config: AmdConfig) -> Amd {
        Amd { config, features: Features::default(), decided: false }
    }

    pub(crate) fn features(&self) -> &Features {
        &self.features
    }

    /// One frame of what sounds.
    pub(crate) fn push(&mut self, activity: Activity, active: bool) -> Option<Verdict> {
        if self.decided {
            return None;
        }
        let voice = active && matches!(activity, Activity::Speech | Activity::Music);
        self.features.push(voice);
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
            let pause = frames(match features.voiced {
                ..=SHORT_VOICE => self.config.pause_short,
                LONG_VOICE.. => self.config.pause_long,
                _ => self.config.pause,
            });
            if features.pause >= pause && features.voiced >= VOICE_MIN {
                let sure = features.voiced < LONG_VOICE;
                return Some((Answerer::Human, if sure { 0.98 } else { 0.85 }));
            }
            let talks = features.pause < WORD_PAUSE && elapsed >= frames(self.config.talk);
            if talks && features.voiced >= frames(self.config.voice) {
                return Some((Answerer::Machine, 0.95));
            }
        }
        (features.frames >= frames(self.config.limit)).then(|| features.at_limit())
    }
}

impl Features {
    /// Who still speaks after so much speech is rather a machine.
    fn at_limit(&self) -> (Answerer, f32) {
        let talks = self.pause < WORD_PAUSE && self.words > 1;
        if talks && self.voiced >= LONG_VOICE { (Answerer::Machine, 0.8) } else { (Answerer::Unknown, 0.0) }
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
