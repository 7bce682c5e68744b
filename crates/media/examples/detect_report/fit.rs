//! Chooses the settings of `AmdConfig` by the training part: those by which one call in twenty waits the least for its verdict,
//! for so many people taken for machines. Shows what each of them does with the held-out part.

use std::time::Duration;

use media::detect::{AmdConfig, AnswerJudge, Heard, Listener, ListenerConfig, ToneKind};

use crate::Cost;
use crate::answering::Score;
use crate::callees::{self, Answer};
use crate::corpus::{Failure, Studio};
use crate::texts::Split;

const TRIES: usize = 8_000;
/// Longer ones are not looked at.
const FRAMES: usize = 200;
/// Of all calls of the training part must be judged right.
const RIGHT_MIN: f64 = 0.9;
/// At most so many of the people are taken for machines.
const FALSE_MACHINES: [f64; 6] = [0.002, 0.005, 0.01, 0.02, 0.05, 0.10];

/// When there was a voice, and when a beep or a fax.
pub struct Trace {
    machine: bool,
    voices: Vec<bool>,
    beep: Option<usize>,
}

pub fn fit(studio: &Studio) -> Result<(), Failure> {
    let train = traces(&callees::plain(Split::Train, studio)?);
    let held_out = traces(&callees::plain(Split::HeldOut, studio)?);
    println!("{} calls of the training part, {TRIES} settings", train.len());
    let mut random = fastrand::Rng::with_seed(5);
    let mut best: Vec<Option<(AmdConfig, Score)>> = vec![None; FALSE_MACHINES.len()];
    for n in 0..TRIES {
        // The first quarter anywhere, the others near the best ones.
        let near =
            best[random.usize(..best.len())].as_ref().filter(|_| n > TRIES / 4).map(|(config, _)| *config);
        let config = match near {
            // What is set now is to be beaten.
            _ if n == 0 => AmdConfig::default(),
            Some(config) => nearby(config, &mut random),
            None => anywhere(&mut random),
        };
        let score = score(config, &train);
        for (place, most) in best.iter_mut().zip(FALSE_MACHINES) {
            let better = place.as_ref().is_none_or(|(_, least)| score.cost() < least.cost());
            if better && score.false_machine() <= most && score.right() >= RIGHT_MIN {
                *place = Some((config, score.clone()));
            }
        }
    }
    for (found, most) in best.iter().zip(FALSE_MACHINES) {
        let Some((config, score_train)) = found else { continue };
        println!("at most {:.2} % of people: {config:?}", 100.0 * most);
        println!("  training: {}", score_train.line());
        println!("  held out: {}", score(*config, &held_out).line());
    }
    Ok(())
}

fn anywhere(random: &mut fastrand::Rng) -> AmdConfig {
    let mut frames = |range: std::ops::Range<u64>| Duration::from_millis(20 * random.u64(range));
    AmdConfig {
        pause: frames(12..32),
        pause_short: frames(14..36),
        pause_long: frames(12..42),
        short: frames(12..35),
        long: frames(40..80),
        talk: frames(65..115),
        voice: frames(25..60),
        ..AmdConfig::default()
    }
}

fn nearby(config: AmdConfig, random: &mut fastrand::Rng) -> AmdConfig {
    let mut near = |time: Duration| {
        if random.bool() {
            return time;
        }
        Duration::from_millis((time.as_millis() as u64 / 20 + random.u64(0..7)).saturating_sub(3).max(4) * 20)
    };
    AmdConfig {
        pause: near(config.pause),
        pause_short: near(config.pause_short),
        pause_long: near(config.pause_long),
        short: near(config.short),
        long: near(config.long),
        talk: near(config.talk),
        voice: near(config.voice),
        ..config
    }
}

pub fn traces(answers: &[Answer]) -> Vec<Trace> {
    answers.iter().map(trace).collect()
}

fn trace(answer: &Answer) -> Trace {
    let config = ListenerConfig { amd: Some(AmdConfig::default()), ..ListenerConfig::default() };
    let mut listener = Listener::new(config);
    listener.answered();
    let (mut voices, mut beep) = (Vec::new(), None);
    let mut cost = Cost::default();
    for frame in answer.frames.iter().take(FRAMES + 100) {
        let heard = cost.listen(&mut listener, std::slice::from_ref(frame));
        let is_beep =
            |kind| matches!(kind, ToneKind::Beep { .. } | ToneKind::FaxAnswer | ToneKind::FaxCalling);
        if heard.iter().any(|heard| matches!(heard.what, Heard::Tone(tone) if is_beep(tone.kind))) {
            beep = beep.or(Some(voices.len()));
        }
        voices.push(listener.is_voice());
    }
    Trace { machine: answer.machine, voices, beep }
}

pub fn score(config: AmdConfig, traces: &[Trace]) -> Score {
    let mut score = Score::default();
    for trace in traces {
        let mut judge = AnswerJudge::new(config);
        let verdict = trace.voices.iter().enumerate().find_map(|(n, voice)| {
            let by_beep = trace.beep == Some(n) && judge.has_begun();
            if by_beep { judge.machine() } else { judge.push(*voice) }
        });
        score.add(trace.machine, verdict);
    }
    score
}
