//! The customers and agents of a shift: who answers and when, how long talks and wrap-ups take.

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

#[derive(Clone, Debug)]
pub struct Setting {
    pub agents: usize,
    pub hours: f64,
    pub share: AnswerShare,
    /// Share of calls that are busy: they end within 1 to 3 s.
    pub busy: f64,
    /// Share of calls that a machine answers; it is told from a person by then, so that no agent hears it.
    pub machines: f64,
    /// Ring times of answered calls: weight, mean and standard deviation in seconds.
    pub rings: Vec<(f64, f64, f64)>,
    pub no_answer: f64,
    /// Mean seconds and coefficient of variation, lognormal, at least 3 s.
    pub talk: (f64, f64),
    /// Mean seconds and coefficient of variation, lognormal, at least 3 s.
    pub wrap: (f64, f64),
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
            rings: vec![(0.7, 8.0, 2.0), (0.3, 19.0, 2.0)],
            no_answer: 25.0,
            talk: (120.0, 1.0),
            wrap: (15.0, 0.5),
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

    /// What becomes of a call that is placed now, and when.
    pub fn fate(&self, rng: &mut Rng, now: Micros) -> (Fate, Micros) {
        let share = self.share_at(now);
        let (draw, ring) = (rng.f64(), self.answer_time(rng));
        let early = micros(1.0 + 2.0 * rng.f64());
        let seconds = now as f64 / 1e6;
        if let Some((_, _, after)) = self.outages.iter().find(|(from, to, _)| (*from..*to).contains(&seconds))
        {
            return (Fate::TrunkFails, micros(*after));
        }
        if draw < share {
            return (Fate::Answer, ring);
        }
        let rest = draw - share;
        if rest < self.busy {
            (Fate::Fail, early)
        } else if rest < self.busy + self.machines {
            (Fate::Fail, ring + SECOND)
        } else {
            (Fate::Fail, micros(self.no_answer))
        }
    }

    pub fn answer_time(&self, rng: &mut Rng) -> Micros {
        let mut draw = rng.f64() * self.rings.iter().map(|r| r.0).sum::<f64>();
        let ring = self.rings.iter().find(|r| {
            draw -= r.0;
            draw < 0.0
        });
        let (_, mean, deviation) = ring.or(self.rings.last()).copied().unwrap_or((1.0, 8.0, 2.0));
        micros((mean + deviation * normal(rng)).clamp(0.5, self.no_answer - 0.1))
    }

    pub fn talk(&self, rng: &mut Rng) -> Micros {
        micros(lognormal(rng, self.talk).max(3.0))
    }

    pub fn wrap_up(&self, rng: &mut Rng) -> Micros {
        micros(lognormal(rng, self.wrap).max(3.0))
    }
}

fn micros(seconds: f64) -> Micros {
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
