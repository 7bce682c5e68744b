//! Makes the sounds: speech by espeak-ng, music by sox and by itself, tones.

use std::error::Error;
use std::f64::consts::PI;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use media::detect::{Plan, Sit, ToneKind};
use media::{SAMPLE_RATE, Sound};

use crate::degrade::{power_of, telephone_band};
use crate::texts::Voice;

pub type Failure = Box<dyn Error>;

/// Runs espeak-ng and sox, and keeps what they made among the temporary files.
pub struct Studio {
    folder: PathBuf,
}

impl Studio {
    pub fn open() -> Result<Studio, Failure> {
        for program in ["espeak-ng", "sox"] {
            let found =
                Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
            if found.is_err() {
                return Err(format!(
                    "{program} is missing; install it, e.g. `apt-get install espeak-ng sox`"
                )
                .into());
            }
        }
        let folder = std::env::temp_dir().join("outpace-detect-corpus");
        fs::create_dir_all(&folder)?;
        Ok(Studio { folder })
    }

    /// A text, spoken; telephone band, 8 kHz.
    pub fn speak(&self, voice: Voice, words_a_minute: u32, text: &str) -> Result<Vec<i16>, Failure> {
        let speed = words_a_minute.to_string();
        let name = format!("{:016x}.wav", hash(&format!("{}|{speed}|{text}", voice.name)));
        self.made(&name, |path| {
            let mut command = Command::new("espeak-ng");
            command.args(["-v", voice.name, "-s", &speed, "-w"]).arg(path).arg(text);
            command
        })
    }

    /// Plucked strings by sox: chords one after another.
    pub fn plucked(&self, seed: u64) -> Result<Vec<i16>, Failure> {
        let mut random = fastrand::Rng::with_seed(seed);
        let notes: Vec<String> = (0..3).map(|_| note(&mut random)).map(|hz| format!("{hz:.1}")).collect();
        self.made(&format!("plucked-{seed}.wav"), |path| {
            let mut command = Command::new("sox");
            command.args(["-R", "-n", "-r", "8000", "-c", "1", "-b", "16"]).arg(path).arg("synth").arg("1.6");
            for hz in &notes {
                command.args(["pluck", hz]);
            }
            command.args(["repeat", "9", "gain", "-6"]);
            command
        })
    }

    fn made(&self, name: &str, command: impl Fn(&PathBuf) -> Command) -> Result<Vec<i16>, Failure> {
        let path = self.folder.join(name);
        if !path.exists() {
            let mut command = command(&path);
            let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
            if !status.success() {
                return Err(format!("{command:?} failed").into());
            }
        }
        let sound = Sound::from_wav(BufReader::new(File::open(&path)?))?;
        Ok(trimmed(&telephone_band(sound.samples())))
    }
}

/// FNV-1a: the same name in every run.
fn hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Without the silence that the programs leave at both ends.
fn trimmed(samples: &[i16]) -> Vec<i16> {
    let loud = |sample: &i16| sample.unsigned_abs() > 150;
    let Some(first) = samples.iter().position(loud) else { return samples.to_vec() };
    let last = samples.iter().rposition(loud).unwrap_or(first);
    samples[first..=last].to_vec()
}

pub fn silence(seconds: f64) -> Vec<i16> {
    vec![0; (seconds * f64::from(SAMPLE_RATE)) as usize]
}

fn note(random: &mut fastrand::Rng) -> f64 {
    const PENTATONIC: [i32; 5] = [0, 2, 4, 7, 9];
    let semitones = PENTATONIC[random.usize(..5)] + 12 * random.i32(0..3);
    196.0 * 2f64.powf(f64::from(semitones) / 12.0)
}

/// Music of 12 s: a melody of pure tones, a flute with vibrato, a piano-like melody with bass, or chords with drums.
pub fn music(seed: u64) -> Vec<i16> {
    let mut random = fastrand::Rng::with_seed(seed);
    let style = seed % 4;
    let beat = (1600.0 + 3200.0 * random.f64()) as usize;
    let mut out = Vec::new();
    let partials: &[f64] = match style {
        0 => &[1.0],
        1 => &[1.0, 0.25, 0.08],
        2 => &[1.0, 0.6, 0.4, 0.25, 0.15],
        _ => &[1.0, 0.5, 0.3],
    };
    while out.len() < 12 * SAMPLE_RATE as usize {
        let length = beat * [1, 1, 2, 4][random.usize(..4)];
        let voices: Vec<f64> = (0..if style == 3 { 3 } else { 1 }).map(|_| note(&mut random)).collect();
        let bass = note(&mut random) / 2.0;
        for n in 0..length {
            let t = n as f64 / f64::from(SAMPLE_RATE);
            let decay = if style == 2 { (-3.0 * t).exp() } else { 1.0 };
            let edge = (n.min(length - n) as f64 / 160.0).min(1.0);
            let vibrato = if style == 1 { 0.012 * (2.0 * PI * 5.5 * t).sin() / 5.5 } else { 0.0 };
            let mut value = 0.0;
            for hz in &voices {
                for (k, weight) in partials.iter().enumerate() {
                    value += weight * (2.0 * PI * hz * (k + 1) as f64 * (t + vibrato)).sin();
                }
            }
            if style >= 2 {
                value += 0.7 * (2.0 * PI * bass * t).sin();
            }
            if style == 3 && n < 800 {
                value += 2.0 * (random.f64() - 0.5) * (1.0 - n as f64 / 800.0);
            }
            out.push((value * decay * edge * 4000.0) as i16);
        }
    }
    out
}

/// A tone as it should be told, and how to make it.
pub struct ToneSpec {
    pub kind: ToneKind,
    pub plan: Option<Plan>,
    pub frequencies_hz: &'static [f64],
    /// On and off in milliseconds, repeated; off 0 for a continuous tone.
    pub steps: &'static [(f64, f64)],
}

const fn spec(
    plan: Plan,
    kind: ToneKind,
    frequencies_hz: &'static [f64],
    steps: &'static [(f64, f64)],
) -> ToneSpec {
    ToneSpec { kind, plan: Some(plan), frequencies_hz, steps }
}

pub static TONES: &[ToneSpec] = &[
    spec(Plan::Cn, ToneKind::Ringback, &[450.0], &[(1000.0, 4000.0)]),
    spec(Plan::Cn, ToneKind::Busy, &[450.0], &[(350.0, 350.0)]),
    spec(Plan::Cn, ToneKind::Congestion, &[450.0], &[(700.0, 700.0)]),
    spec(
        Plan::Cn,
        ToneKind::Unobtainable,
        &[450.0],
        &[(100.0, 100.0), (100.0, 100.0), (100.0, 100.0), (400.0, 400.0)],
    ),
    spec(Plan::Cn, ToneKind::SpecialDial, &[450.0], &[(400.0, 40.0)]),
    spec(Plan::Cn, ToneKind::Dial, &[450.0], &[(1000.0, 0.0)]),
    spec(Plan::Us, ToneKind::Ringback, &[440.0, 480.0], &[(2000.0, 4000.0)]),
    spec(Plan::Us, ToneKind::Busy, &[480.0, 620.0], &[(500.0, 500.0)]),
    spec(Plan::Us, ToneKind::Congestion, &[480.0, 620.0], &[(250.0, 250.0)]),
    spec(Plan::Us, ToneKind::Dial, &[350.0, 440.0], &[(1000.0, 0.0)]),
    spec(Plan::Uk, ToneKind::Ringback, &[400.0, 450.0], &[(400.0, 200.0), (400.0, 2000.0)]),
    spec(Plan::Uk, ToneKind::Busy, &[400.0], &[(375.0, 375.0)]),
    spec(Plan::Uk, ToneKind::Congestion, &[400.0], &[(400.0, 350.0), (225.0, 525.0)]),
    spec(Plan::Uk, ToneKind::Unobtainable, &[400.0], &[(1000.0, 0.0)]),
    spec(Plan::Eu, ToneKind::Ringback, &[425.0], &[(1000.0, 4000.0)]),
    spec(Plan::Eu, ToneKind::Busy, &[425.0], &[(500.0, 500.0)]),
    spec(Plan::Eu, ToneKind::Congestion, &[425.0], &[(250.0, 250.0)]),
    spec(Plan::Eu, ToneKind::Congestion, &[425.0], &[(200.0, 200.0)]),
    spec(Plan::Eu, ToneKind::SpecialDial, &[425.0], &[(500.0, 50.0)]),
    spec(Plan::Eu, ToneKind::Dial, &[425.0], &[(1000.0, 0.0)]),
    ToneSpec { kind: ToneKind::FaxCalling, plan: None, frequencies_hz: &[1100.0], steps: &[(500.0, 3000.0)] },
    ToneSpec {
        kind: ToneKind::FaxAnswer,
        plan: None,
        frequencies_hz: &[2100.0],
        steps: &[(3000.0, 30_000.0)],
    },
];

pub static SITS: &[(Sit, [(f64, f64); 3])] = &[
    (Sit::Itu, [(950.0, 330.0), (1400.0, 330.0), (1800.0, 330.0)]),
    (Sit::Intercept, [(913.8, 274.0), (1370.6, 274.0), (1776.7, 380.0)]),
    (Sit::VacantCode, [(985.2, 380.0), (1370.6, 274.0), (1776.7, 380.0)]),
    (Sit::Reorder, [(913.8, 274.0), (1428.5, 380.0), (1776.7, 380.0)]),
    (Sit::NoCircuit, [(985.2, 380.0), (1428.5, 380.0), (1776.7, 380.0)]),
];

/// One or more sines of equal power, for so many milliseconds.
fn sines(out: &mut Vec<i16>, frequencies_hz: &[f64], level_dbm0: f64, ms: f64) {
    let amplitude = (2.0 * power_of(level_dbm0) / frequencies_hz.len() as f64).sqrt();
    for n in 0..(ms * 8.0) as usize {
        let wave = |hz: &f64| amplitude * (2.0 * PI * hz * n as f64 / f64::from(SAMPLE_RATE)).sin();
        out.push(frequencies_hz.iter().map(wave).sum::<f64>().round() as i16);
    }
}

/// `stretch` of the frequencies: 1.015 for 1.5 % too high.
pub fn tone(spec: &ToneSpec, level_dbm0: f64, stretch: f64, begin_ms: f64, seconds: f64) -> Vec<i16> {
    let frequencies: Vec<f64> = spec.frequencies_hz.iter().map(|hz| hz * stretch).collect();
    let mut out = silence(begin_ms / 1000.0);
    let end = out.len() + (seconds * f64::from(SAMPLE_RATE)) as usize;
    let steady = spec.steps.iter().all(|(_, off)| *off == 0.0);
    if steady {
        sines(&mut out, &frequencies, level_dbm0, seconds * 1000.0);
    }
    while out.len() < end {
        for (on, off) in spec.steps {
            sines(&mut out, &frequencies, level_dbm0, *on);
            out.resize(out.len() + (off * 8.0) as usize, 0);
        }
    }
    out.truncate(end);
    out
}

pub fn sit(tones: &[(f64, f64); 3], level_dbm0: f64, stretch: f64, begin_ms: f64) -> Vec<i16> {
    let mut out = silence(begin_ms / 1000.0);
    for (hz, ms) in tones {
        sines(&mut out, &[hz * stretch], level_dbm0, *ms);
    }
    out.extend(silence(2.0));
    out
}

pub fn beep(hz: f64, level_dbm0: f64, ms: f64) -> Vec<i16> {
    let mut out = Vec::new();
    sines(&mut out, &[hz], level_dbm0, ms);
    out
}
