//! People and machines that answer.

use std::collections::BTreeMap;

use media::detect::{
    Activity, AmdConfig, Answerer, Heard, HeardAt, Listener, ListenerConfig, ToneKind, Verdict,
};

use crate::callees::{self, Answer, Kind};
use crate::corpus::{Failure, Studio};
use crate::networks::tones;
use crate::{Asked, Cost, percentile, share};

/// What became of calls.
#[derive(Clone, Default)]
pub struct Score {
    /// Human or machine, taken for human, machine or unknown.
    table: [[usize; 3]; 2],
    /// Seconds from the first word to the verdict.
    times: Vec<f64>,
}

impl Score {
    pub fn add(&mut self, machine: bool, verdict: Option<Verdict>) {
        let answerer = verdict.map_or(Answerer::Unknown, |verdict| verdict.answerer);
        self.table[usize::from(machine)][answerer as usize] += 1;
        self.times.extend(verdict.and_then(|verdict| verdict.greeting).map(|time| time.as_secs_f64()));
    }

    fn all(&self) -> usize {
        self.table.iter().flatten().sum()
    }

    pub fn right(&self) -> f64 {
        (self.table[0][0] + self.table[1][1]) as f64 / self.all().max(1) as f64
    }

    /// Of the people.
    pub fn false_machine(&self) -> f64 {
        self.table[0][1] as f64 / self.table[0].iter().sum::<usize>().max(1) as f64
    }

    /// The less the better: one call in twenty waits longer than this, and a hundredth of it for each percent that is wrong.
    pub fn cost(&self) -> f64 {
        percentile(&mut self.times.clone(), 0.95) + 2.0 * (1.0 - self.right())
    }

    fn times_line(&self) -> String {
        let mut times = self.times.clone();
        format!("p50 {:.2} s, p95 {:.2} s", percentile(&mut times, 0.5), percentile(&mut times, 0.95))
    }

    pub fn line(&self) -> String {
        let [people, machines] = self.table;
        format!(
            "right {:.2} %, people taken for machines {}, machines for people {}, unknown {}, {}",
            100.0 * self.right(),
            share(people[1], people.iter().sum()),
            share(machines[0], machines.iter().sum()),
            people[2] + machines[2],
            self.times_line(),
        )
    }

    fn print(&self) {
        let [people, machines] = self.table;
        println!("                 human  machine  unknown");
        println!("  human       {:>8} {:>8} {:>8}", people[0], people[1], people[2]);
        println!("  machine     {:>8} {:>8} {:>8}", machines[0], machines[1], machines[2]);
        println!("  {}", self.line());
    }
}

pub fn report(asked: Asked, studio: &Studio, cost: &mut Cost) -> Result<(), Failure> {
    println!("\nwho answered; any line (levels −10 to −30 dBm0, no noise to 10 dB, 0 to 3 % loss)");
    let mut plain = Heeded::default();
    for answer in &callees::plain(asked.split, studio)? {
        plain.judge(asked, answer, cost);
    }
    plain.score.print();
    println!("  beep heard in {}", share(plain.beeps, plain.score.table[1].iter().sum()));
    println!("  calls with a tone that is none {}", share(plain.false_tones, plain.score.all()));
    let mut hard: BTreeMap<Kind, Heeded> = BTreeMap::new();
    for answer in &callees::hard(asked.split, studio)? {
        hard.entry(answer.kind).or_default().judge(asked, answer, cost);
    }
    println!("  harder answers, human/machine taken for human, machine, unknown:");
    for (kind, heeded) in &hard {
        let of = usize::from(kind.is_machine());
        let [human, machine, unknown] = heeded.score.table[of];
        let name = format!("{kind:?}");
        println!("    {name:<15} {human:>4} {machine:>4} {unknown:>4}   {}", heeded.score.times_line());
    }
    Ok(())
}

/// What was heard of calls.
#[derive(Default)]
struct Heeded {
    score: Score,
    beeps: usize,
    false_tones: usize,
}

impl Heeded {
    fn judge(&mut self, asked: Asked, answer: &Answer, cost: &mut Cost) {
        let config = ListenerConfig { amd: Some(AmdConfig::default()), ..ListenerConfig::default() };
        let mut listener = Listener::new(config);
        listener.answered();
        let heard = cost.listen(&mut listener, &answer.frames);
        let verdict = verdict(&heard);
        self.score.add(answer.machine, verdict);
        let tones = tones(&heard);
        let beep = tones.iter().any(|tone| matches!(tone.kind, ToneKind::Beep { .. }));
        self.beeps += usize::from(answer.machine && beep);
        let wrong = tones.len() - usize::from(answer.machine && beep);
        self.false_tones += usize::from(wrong > 0);
        let expected = if answer.machine { Answerer::Machine } else { Answerer::Human };
        let is_right = verdict.is_some_and(|verdict| verdict.answerer == expected);
        if asked.misses && (!is_right || wrong > 0 || answer.machine != beep) {
            println!(
                "miss {:?} {verdict:?} {tones:?}: {} {} {:.2} s {:?}",
                answer.kind, answer.text, answer.voice, answer.seconds, answer.line
            );
        }
    }
}

fn verdict(heard: &[HeardAt]) -> Option<Verdict> {
    heard.iter().find_map(|heard| match heard.what {
        Heard::Verdict(verdict) => Some(verdict),
        _ => None,
    })
}

/// How much of the time music and speech are told as what they are.
pub fn activities(heard: &[HeardAt]) -> Vec<Activity> {
    let activity = |heard: &HeardAt| match heard.what {
        Heard::Activity(activity) => Some(activity),
        _ => None,
    };
    heard.iter().filter_map(activity).collect()
}
