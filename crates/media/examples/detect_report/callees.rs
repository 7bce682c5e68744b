//! Calls that were answered: what comes from the other side from the answer on.

use media::FRAME_SAMPLES;

use crate::corpus::{self, Failure, Studio};
use crate::degrade::{Line, loud_power, through};
use crate::texts::{self, Split, Voice};

/// Words a minute.
const ENGLISH: [u32; 3] = [155, 175, 200];
/// 3.5 to 5 syllables a second.
const CHINESE: [u32; 3] = [150, 175, 205];

/// What makes an answer harder than one voice over one line.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    Plain,
    /// A company's people: name, company, a question.
    LongPerson,
    /// Two greetings with a pause between them: "Hello? … Who is it?".
    PausingPerson,
    /// Others talk in the room, 8 to 20 dB below.
    Babble,
    /// A breath or a rustle of the handset before the first word.
    Breath,
    /// "Please leave a message.", and no more.
    ShortMachine,
    /// One word, a pause as a person would make, and then the message.
    PausingMachine,
    /// Music for one to four seconds, then a voice.
    Music,
}

pub const HARD: [Kind; 7] = [
    Kind::LongPerson,
    Kind::PausingPerson,
    Kind::Babble,
    Kind::Breath,
    Kind::ShortMachine,
    Kind::PausingMachine,
    Kind::Music,
];

impl Kind {
    pub fn is_machine(self) -> bool {
        matches!(self, Kind::ShortMachine | Kind::PausingMachine | Kind::Music)
    }
}

/// Of each hard kind for each voice.
const EACH: usize = 12;

pub struct Answer {
    pub machine: bool,
    pub kind: Kind,
    pub text: String,
    pub voice: &'static str,
    pub line: Line,
    /// Of the greeting alone.
    pub seconds: f64,
    pub frames: Vec<Option<[i16; FRAME_SAMPLES]>>,
}

/// One voice after the other, each text at three speeds.
pub fn plain(split: Split, studio: &Studio) -> Result<Vec<Answer>, Failure> {
    let mut random = fastrand::Rng::with_seed(if split == Split::Train { 11 } else { 12 });
    let repeats = if split == Split::Train { 1 } else { 2 };
    let mut out = Vec::new();
    for voice in texts::voices(split) {
        for speed in if voice.chinese { CHINESE } else { ENGLISH } {
            for (machine, texts) in
                [(false, texts::human(split, voice.chinese)), (true, texts::machine(split, voice.chinese))]
            {
                for text in texts {
                    for _ in 0..repeats {
                        let greeting = studio.speak(*voice, speed, text)?;
                        let sound = if machine {
                            recorded(&greeting, &mut random)
                        } else {
                            spoken(&greeting, &mut random)
                        };
                        let said =
                            Said { machine, kind: Kind::Plain, text: (*text).into(), voice: voice.name };
                        out.push(said.over(&sound, &greeting, &mut random));
                    }
                }
            }
        }
    }
    Ok(out)
}

/// As many of each hard kind for each voice.
pub fn hard(split: Split, studio: &Studio) -> Result<Vec<Answer>, Failure> {
    let mut random = fastrand::Rng::with_seed(if split == Split::Train { 31 } else { 32 });
    let mut out = Vec::new();
    for voice in texts::voices(split) {
        for kind in HARD {
            for _ in 0..EACH {
                out.push(hard_one(split, studio, *voice, kind, &mut random)?);
            }
        }
    }
    Ok(out)
}

fn hard_one(
    split: Split,
    studio: &Studio,
    voice: Voice,
    kind: Kind,
    random: &mut fastrand::Rng,
) -> Result<Answer, Failure> {
    let speed = if voice.chinese { CHINESE } else { ENGLISH }[random.usize(..3)];
    let any =
        |texts: &'static [&'static str], random: &mut fastrand::Rng| -> Result<(String, Vec<i16>), Failure> {
            let text = texts[random.usize(..texts.len())];
            Ok((text.to_owned(), studio.speak(voice, speed, text)?))
        };
    let (people, machines) = (texts::human(split, voice.chinese), texts::machine(split, voice.chinese));
    let machine = kind.is_machine();
    let (text, greeting) = match kind {
        Kind::LongPerson => any(texts::long_human(split, voice.chinese), random)?,
        Kind::ShortMachine => any(texts::short_machine(split, voice.chinese), random)?,
        Kind::PausingPerson => {
            let (first, second) = (any(people, random)?, any(people, random)?);
            (format!("{} … {}", first.0, second.0), joined(&first.1, 0.25 + 0.6 * random.f64(), &second.1))
        }
        Kind::PausingMachine => {
            let first = any(
                if voice.chinese {
                    &["喂?", "您好。", "你好。"]
                } else {
                    &["Hello?", "Hi.", "Hello."]
                },
                random,
            )?;
            let second = any(machines, random)?;
            (format!("{} … {}", first.0, second.0), joined(&first.1, 0.35 + 0.6 * random.f64(), &second.1))
        }
        Kind::Music => any(machines, random)?,
        Kind::Plain | Kind::Babble | Kind::Breath => any(people, random)?,
    };
    let mut sound = if machine { recorded(&greeting, random) } else { spoken(&greeting, random) };
    match kind {
        Kind::Music => {
            let music = corpus::music(random.u64(..1000) + if split == Split::Train { 0 } else { 1000 });
            let from = random.usize(..16_000);
            let music = music[from..from + 8000 + random.usize(..24_000)].to_vec();
            let quieter =
                (loud_power(&greeting) / loud_power(&music).max(1.0)).sqrt() * (0.3 + 0.7 * random.f64());
            sound.splice(0..0, music.iter().map(|sample| (f64::from(*sample) * quieter) as i16));
        }
        Kind::Babble => {
            let others = texts::voices(split);
            let other = others[random.usize(..others.len())];
            let texts = texts::machine(split, other.chinese);
            let babble = studio.speak(other, 175, texts[random.usize(..texts.len())])?;
            let below_db = 8.0 + 12.0 * random.f64();
            mix(&mut sound, &babble, loud_power(&greeting), below_db, random);
        }
        Kind::Breath => breath(&mut sound, loud_power(&greeting), random),
        _ => {}
    }
    Ok(Said { machine, kind, text, voice: voice.name }.over(&sound, &greeting, random))
}

fn joined(first: &[i16], pause_s: f64, second: &[i16]) -> Vec<i16> {
    [first, &corpus::silence(pause_s), second].concat()
}

/// Another sound behind this one, from somewhere in its middle on, again and again.
fn mix(sound: &mut [i16], other: &[i16], power: f64, below_db: f64, random: &mut fastrand::Rng) {
    let gain = (power / loud_power(other).max(1.0) / 10f64.powf(below_db / 10.0)).sqrt();
    let from = random.usize(..other.len());
    for (sample, other) in sound.iter_mut().zip(other.iter().cycle().skip(from)) {
        *sample = sample.saturating_add((f64::from(*other) * gain) as i16);
    }
}

/// Noise that swells and fades for 0.15 to 0.5 s and ends just before the first word.
fn breath(sound: &mut Vec<i16>, power: f64, random: &mut fastrand::Rng) {
    let length = 1200 + random.usize(..2800);
    let rms = (power / 10f64.powf((6.0 + 14.0 * random.f64()) / 10.0)).sqrt();
    let mut last = 0.0;
    let mut noise = Vec::with_capacity(length);
    for n in 0..length {
        let shape = (std::f64::consts::PI * n as f64 / length as f64).sin();
        let white = (random.f64() + random.f64() + random.f64() - 1.5) * 2.0;
        last = 0.6 * last + 0.8 * white;
        noise.push((last * rms * shape) as i16);
    }
    let first = sound.iter().position(|sample| sample.unsigned_abs() > 150).unwrap_or(0);
    let at = first.saturating_sub(400 + random.usize(..2400));
    sound.splice(at..at, noise);
}

/// A person: after a while without an answer people say it again.
fn spoken(greeting: &[i16], random: &mut fastrand::Rng) -> Vec<i16> {
    let mut samples = corpus::silence(0.1 + 1.2 * random.f64());
    samples.extend(greeting);
    samples.extend(corpus::silence(1.2 + 1.5 * random.f64()));
    samples.extend(greeting);
    samples.extend(corpus::silence(1.5));
    samples
}

/// A machine: its greeting, and a beep.
fn recorded(greeting: &[i16], random: &mut fastrand::Rng) -> Vec<i16> {
    let mut samples = corpus::silence(0.1 + 1.2 * random.f64());
    samples.extend(greeting);
    samples.extend(corpus::silence(0.3 + 0.7 * random.f64()));
    let level = 10.0 * (loud_power(greeting) / (32_768f64.powi(2) / 2.0)).log10();
    let hz = [440.0, 800.0, 950.0, 1000.0, 1400.0, 2000.0][random.usize(..6)];
    samples.extend(corpus::beep(hz, level, 250.0 + 700.0 * random.f64()));
    samples.extend(corpus::silence(6.0));
    samples
}

struct Said {
    machine: bool,
    kind: Kind,
    text: String,
    voice: &'static str,
}

impl Said {
    fn over(self, sound: &[i16], greeting: &[i16], random: &mut fastrand::Rng) -> Answer {
        let line = Line::any(random);
        let frames = through(sound, line, random);
        let Said { machine, kind, text, voice } = self;
        Answer { machine, kind, text, voice, line, seconds: greeting.len() as f64 / 8000.0, frames }
    }
}
