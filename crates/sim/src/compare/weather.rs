//! The customers and agents of a shift: who answers and when, how long talks and wrap-ups take.

use std::sync::Arc;

use fastrand::Rng;

use super::shift::{Micros, SECOND};

/// The share of customers who answer in person.
#[derive(Clone, Debug)]
pub enum AnswerShare {
    Constant(f64),
    /// From `low` to `high` and back in `period` seconds, beginning `phase` of a period on; from the times of `factors`
    /// on multiplied by them. Never above 0.9.
    Drift {
        low: f64,
        high: f64,
        period: f64,
        phase: f64,
        factors: Vec<(f64, f64)>,
    },
}

#[derive(Clone, Copy, Default, Debug)]
pub struct Mistaken {
    pub machines: f64,
    pub persons: f64,
}

/// Offers that agents do not take.
#[derive(Clone, Copy, Default, Debug)]
pub struct Missed {
    pub share: f64,
    /// Seconds until the offer is over, and until the agent is back after it.
    pub seconds: f64,
    pub away: f64,
}

/// The numbers of each campaign.
#[derive(Clone, Copy, Debug)]
pub struct ListSize {
    pub numbers: u32,
    /// Times that each is called at most, and seconds between.
    pub attempts: u32,
    pub pause: f64,
}

#[derive(Clone, Debug)]
pub struct Setting {
    pub agents: usize,
    pub hours: f64,
    pub share: AnswerShare,
    /// Share of calls that are busy: they end within 1 to 3 s.
    pub busy: f64,
    /// Share of calls that a machine answers; a second later it is told from a person, so that no agent hears it, but for
    /// those that are taken for persons.
    pub machines: f64,
    /// Of the machines, those that are taken for persons; of the persons who answer, those who are taken for machines and
    /// hung up on.
    pub mistaken: Mistaken,
    /// Ring times of answered calls: weight, mean and standard deviation in seconds.
    pub rings: Vec<(f64, f64, f64)>,
    /// Ring times that were measured, in place of `rings`.
    pub rings_seen: Option<Arc<[f64]>>,
    pub no_answer: f64,
    /// Seconds from the placing of a call until it rings.
    pub set_up: f64,
    /// Seconds from the wish for a call until it is placed.
    pub store: f64,
    /// Mean seconds and coefficient of variation, lognormal, at least 3 s.
    pub talk: (f64, f64),
    /// Lengths of talks that were measured, in place of `talk`.
    pub talks_seen: Option<Arc<[f64]>>,
    /// Mean seconds and coefficient of variation, lognormal, at least 3 s.
    pub wrap: (f64, f64),
    pub missed: Missed,
    /// Campaigns that share the agents: of each, its share of answers by that of the first.
    pub campaigns: Vec<f64>,
    pub list: ListSize,
    /// Seconds that an answered customer waits.
    pub patience: f64,
    pub cap: f64,
    pub calls_max: u32,
    /// From second … this share of the agents is at work.
    pub presence: Vec<(f64, f64)>,
    /// From … to …, in seconds, every call fails after so many seconds.
    pub outages: Vec<(f64, f64, f64)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// A person answers.
    Answer,
    /// A machine answers and is taken for a person.
    Machine,
    /// A person answers and is taken for a machine.
    Mistaken,
    Fail,
    /// The trunk fails before the call can ring.
    TrunkFails,
}

impl Setting {
    pub fn new(agents: usize, share: f64) -> Setting {
        Setting {
            agents,
            hours: 8.0,
            share: AnswerShare::Constant(share),
            busy: 0.1,
            machines: 0.0,
            mistaken: Mistaken::default(),
            rings: vec![(0.7, 8.0, 2.0), (0.3, 19.0, 2.0)],
            rings_seen: None,
            no_answer: 25.0,
            set_up: 0.0,
            store: 0.0,
            talk: (120.0, 1.0),
            talks_seen: None,
            wrap: (15.0, 0.5),
            missed: Missed::default(),
            campaigns: vec![1.0],
            list: ListSize { numbers: u32::MAX, attempts: 1, pause: 0.0 },
            patience: 2.0,
            cap: 0.03,
            calls_max: 100_000,
            presence: Vec::new(),
            outages: Vec::new(),
        }
    }

    /// The answer share swings, and every half hour or so it is 1.8 times as high for ten minutes or so, differently for
    /// each seed.
    pub fn drifting(agents: usize, seed: u64) -> Setting {
        let mut rng = Rng::with_seed(seed ^ 0x9e37_79b9);
        let mut factors = vec![(0.0, 1.0)];
        let mut at = 0.0;
        while at < 8.0 * 3600.0 {
            at += exponential(&mut rng, 1800.0);
            factors.push((at, 1.8));
            at += exponential(&mut rng, 600.0);
            factors.push((at, 1.0));
        }
        let share = AnswerShare::Drift { low: 0.15, high: 0.45, period: 7200.0, phase: rng.f64(), factors };
        Setting { share, ..Setting::new(agents, 0.3) }
    }

    pub fn share_at(&self, now: Micros) -> f64 {
        let seconds = now as f64 / 1e6;
        match &self.share {
            AnswerShare::Constant(p) => *p,
            AnswerShare::Drift { low, high, period, phase, factors } => {
                let phase = (seconds / period + phase) * std::f64::consts::TAU;
                let base = f64::midpoint(*low, *high) + (high - low) / 2.0 * phase.sin();
                let n = factors.partition_point(|(at, _)| *at <= seconds);
                (base * factors[n.max(1) - 1].1).min(0.9)
            }
        }
    }

    /// What becomes of a call that a campaign places now, and when.
    pub fn fate(&self, rng: &mut Rng, now: Micros, campaign: usize) -> (Fate, Micros) {
        let share = (self.share_at(now) * self.campaigns[campaign]).min(0.95);
        let (draw, ring) = (rng.f64(), self.answer_time(rng));
        let early = micros(1.0 + 2.0 * rng.f64());
        let seconds = now as f64 / 1e6;
        if let Some((_, _, after)) = self.outages.iter().find(|(from, to, _)| (*from..*to).contains(&seconds))
        {
            return (Fate::TrunkFails, micros(*after));
        }
        let set_up = micros(self.set_up);
        if draw < share {
            return if happens(rng, self.mistaken.persons) {
                (Fate::Mistaken, set_up + ring + SECOND)
            } else {
                (Fate::Answer, set_up + ring)
            };
        }
        let rest = draw - share;
        if rest < self.busy {
            (Fate::Fail, set_up + early)
        } else if rest >= self.busy + self.machines {
            (Fate::Fail, set_up + micros(self.no_answer))
        } else if happens(rng, self.mistaken.machines) {
            (Fate::Machine, set_up + ring)
        } else {
            (Fate::Fail, set_up + ring + SECOND)
        }
    }

    pub fn answer_time(&self, rng: &mut Rng) -> Micros {
        if let Some(seen) = &self.rings_seen {
            return micros(seen[rng.usize(..seen.len())].clamp(0.5, self.no_answer - 0.1));
        }
        let mut draw = rng.f64() * self.rings.iter().map(|r| r.0).sum::<f64>();
        let ring = self.rings.iter().find(|r| {
            draw -= r.0;
            draw < 0.0
        });
        let (_, mean, deviation) = ring.or(self.rings.last()).copied().unwrap_or((1.0, 8.0, 2.0));
        micros((mean + deviation * normal(rng)).clamp(0.5, self.no_answer - 0.1))
    }

    pub fn talk(&self, rng: &mut Rng) -> Micros {
        if let Some(seen) = &self.talks_seen {
            return micros(seen[rng.usize(..seen.len())].max(0.5));
        }
        micros(lognormal(rng, self.talk).max(3.0))
    }

    pub fn wrap_up(&self, rng: &mut Rng) -> Micros {
        micros(lognormal(rng, self.wrap).max(3.0))
    }
}

/// Nothing is drawn for what never happens, so that settings without it stay as they are.
pub fn happens(rng: &mut Rng, share: f64) -> bool {
    share > 0.0 && rng.f64() < share
}

pub fn micros(seconds: f64) -> Micros {
    (seconds * 1e6) as Micros
}

fn exponential(rng: &mut Rng, mean: f64) -> f64 {
    -(1.0 - rng.f64()).ln() * mean
}

fn normal(rng: &mut Rng) -> f64 {
    (-2.0 * (1.0 - rng.f64()).ln()).sqrt() * (std::f64::consts::TAU * rng.f64()).cos()
}

fn lognormal(rng: &mut Rng, (mean, cv): (f64, f64)) -> f64 {
    let variance = (1.0 + cv * cv).ln();
    (mean.ln() - variance / 2.0 + variance.sqrt() * normal(rng)).exp()
}
