//! People and machines that answer.

use std::time::Duration;

use media::FRAME_SAMPLES;
use media::detect::{
    Activity, AmdConfig, Answerer, Heard, HeardAt, Listener, ListenerConfig, ToneKind, Verdict,
};

use crate::corpus::{self, Failure, Studio};
use crate::degrade::{Line, loud_power, through};
use crate::networks::tones;
use crate::texts::{self, Split};
use crate::{Asked, Cost, percentile, share};

/// Words a minute. espeak-ng needs more of them in Chinese for the 3 to 5 syllables a second of a person.
const ENGLISH: [u32; 3] = [155, 175, 200];
const CHINESE: [u32; 3] = [190, 220, 250];

struct Answer {
    machine: bool,
    text: &'static str,
    voice: &'static str,
    line: Line,
    /// Of the greeting alone.
    seconds: f64,
    frames: Vec<Option<[i16; FRAME_SAMPLES]>>,
}

pub fn report(asked: Asked, studio: &Studio, cost: &mut Cost) -> Result<(), Failure> {
    let answers = answers(asked.split, studio)?;
    let people = answers.iter().filter(|answer| !answer.machine).count();
    println!(
        "\nwho answered: {people} people, {} machines; any line (levels −10 to −30 dBm0, no noise to 10 dB, 0 to 3 % loss)",
        answers.len() - people
    );
    judge(asked, AmdConfig::default(), &answers, cost, true);
    println!("  the same with other times of voice before a machine is believed in:");
    for voice_ms in [1200, 1450, 1700, 1800, 1900, 2000] {
        let config = AmdConfig { voice: Duration::from_millis(voice_ms), ..AmdConfig::default() };
        print!("    {voice_ms} ms: ");
        judge(Asked { misses: false, ..asked }, config, &answers, &mut Cost::default(), false);
    }
    Ok(())
}

fn judge(asked: Asked, config: AmdConfig, answers: &[Answer], cost: &mut Cost, whole: bool) {
    let mut table = [[0usize; 3]; 2];
    let mut times = Vec::new();
    let (mut beeps, mut beep_calls, mut false_tones) = (0, 0, 0);
    for answer in answers {
        let config = ListenerConfig { amd: Some(config), ..ListenerConfig::default() };
        let mut listener = Listener::new(config);
        listener.answered();
        let heard = cost.listen(&mut listener, &answer.frames);
        let verdict = verdict(&heard);
        let answerer = verdict.map_or(Answerer::Unknown, |verdict| verdict.answerer);
        table[usize::from(answer.machine)][answerer as usize] += 1;
        if let Some(greeting) = verdict.and_then(|verdict| verdict.greeting) {
            times.push(greeting.as_secs_f64());
        }
        let tones = tones(&heard);
        let beep = tones.iter().any(|tone| matches!(tone.kind, ToneKind::Beep { .. }));
        beep_calls += usize::from(answer.machine);
        beeps += usize::from(answer.machine && beep);
        let wrong = tones.len() - usize::from(answer.machine && beep);
        false_tones += usize::from(wrong > 0);
        let wrong_verdict = answerer != if answer.machine { Answerer::Machine } else { Answerer::Human };
        if asked.misses && (wrong_verdict || wrong > 0 || answer.machine != beep) {
            println!(
                "miss {verdict:?} {tones:?}: {} {} {:.2} s {:?}",
                answer.text, answer.voice, answer.seconds, answer.line
            );
        }
    }
    let [people, machines] = table;
    let all = answers.len();
    let right = people[0] + machines[1];
    let kept = right + people[2] + machines[2];
    let (p50, p95) = (percentile(&mut times, 0.5), percentile(&mut times, 0.95));
    let false_machine = share(people[1], people.iter().sum());
    if !whole {
        println!("right {} false machine {false_machine} p50 {p50:.2} p95 {p95:.2}", share(right, all));
        return;
    }
    println!("                 human  machine  unknown");
    println!("  human       {:>8} {:>8} {:>8}", people[0], people[1], people[2]);
    println!("  machine     {:>8} {:>8} {:>8}", machines[0], machines[1], machines[2]);
    println!(
        "  right {}; right or unknown {}; false machine {false_machine}",
        share(right, all),
        share(kept, all)
    );
    println!("  verdict after the greeting began: p50 {p50:.2} s, p95 {p95:.2} s");
    println!("  beep heard in {}", share(beeps, beep_calls));
    println!("  calls with a tone that is none {}", share(false_tones, all));
}

fn verdict(heard: &[HeardAt]) -> Option<Verdict> {
    heard.iter().find_map(|heard| match heard.what {
        Heard::Verdict(verdict) => Some(verdict),
        _ => None,
    })
}

fn answers(split: Split, studio: &Studio) -> Result<Vec<Answer>, Failure> {
    let mut random = fastrand::Rng::with_seed(if split == Split::Train { 11 } else { 12 });
    let repeats = if split == Split::Train { 1 } else { 2 };
    let mut out = Vec::new();
    for voice in texts::voices(split) {
        for speed in if voice.chinese { CHINESE } else { ENGLISH } {
            for text in texts::human(split, voice.chinese) {
                for _ in 0..repeats {
                    let greeting = studio.speak(*voice, speed, text)?;
                    out.push(answer(false, text, voice.name, &greeting, &mut random));
                }
            }
            for text in texts::machine(split, voice.chinese) {
                for _ in 0..repeats {
                    let greeting = studio.speak(*voice, speed, text)?;
                    out.push(answer(true, text, voice.name, &greeting, &mut random));
                }
            }
        }
    }
    Ok(out)
}

fn answer(
    machine: bool,
    text: &'static str,
    voice: &'static str,
    greeting: &[i16],
    random: &mut fastrand::Rng,
) -> Answer {
    let mut samples = corpus::silence(0.1 + 1.2 * random.f64());
    samples.extend(greeting);
    if machine {
        samples.extend(corpus::silence(0.3 + 0.7 * random.f64()));
        let level = 10.0 * (loud_power(greeting) / (32_768f64.powi(2) / 2.0)).log10();
        let hz = [440.0, 800.0, 950.0, 1000.0, 1400.0, 2000.0][random.usize(..6)];
        samples.extend(corpus::beep(hz, level, 250.0 + 700.0 * random.f64()));
        samples.extend(corpus::silence(6.0));
    } else {
        // After a while without an answer people say it again.
        samples.extend(corpus::silence(1.2 + 1.5 * random.f64()));
        samples.extend(greeting);
        samples.extend(corpus::silence(1.5));
    }
    let line = Line::any(random);
    let frames = through(&samples, line, random);
    Answer { machine, text, voice, line, seconds: greeting.len() as f64 / 8000.0, frames }
}

/// How much of the time music and speech are told as what they are.
pub fn activities(heard: &[HeardAt]) -> Vec<Activity> {
    let activity = |heard: &HeardAt| match heard.what {
        Heard::Activity(activity) => Some(activity),
        _ => None,
    };
    heard.iter().filter_map(activity).collect()
}
