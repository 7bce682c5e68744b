//! Looking ahead: how many customers will answer in each of the next seconds, and how many agents will be free by then.
//!
//! A call is added while the probability that its customer would find nobody stays below a level, which the budget of
//! abandoned calls steers. Everything that is looked at is learned from the campaign itself.

mod answer;
mod budget;
mod decision;
mod stage;
mod tail;

use std::time::Duration;

pub use decision::{BoundBy, PacingDecision};

use answer::{Answers, Flight, SLOTS_PER_SECOND};
use budget::Budget;
use stage::{Release, Stage};
use tail::{Ahead, HORIZON, Seconds};

/// Curves are made anew after so many seconds at the latest.
const REBUILD_EVERY: f64 = 120.0;
/// Until so many calls have ended curves are made every few seconds, and calls are added slowly.
const COLD_UNTIL: f64 = 150.0;
/// How fast the share of answers is believed to change: log odds per square root of a minute.
const DRIFT: f64 = 0.05;
/// Jumps of the share per minute.
const JUMPS: f64 = 0.01;
/// Probability that a window passes its cap by the calls in flight, at most.
const OVERRUN_MAX: f64 = 0.0005;

/// New calls of one look at most.
const WANTED_MAX: u32 = 200;

/// What is fixed for a campaign.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Abandoned per answered, 0 to 1.
    pub abandon_max: f64,
    /// Seconds that an answered customer waits for an agent, less those that an offer takes.
    pub grace: f64,
    /// Seconds after which a ringing call is given up.
    pub no_answer: f64,
    /// Answered and abandoned today, before the start.
    pub before: (u32, u32),
}

/// The agents and calls at one moment. Times are of the same clock as `now`.
#[derive(Clone, Copy, Debug)]
pub struct Floor<'a> {
    pub now: Duration,
    pub idle: u32,
    /// Answered calls without an agent.
    pub waiting: u32,
    /// Calls that are asked for but not placed.
    pub reserved: u32,
    /// Since when each talking agent talks; those who are being offered a call too.
    pub talking: &'a [Duration],
    pub wrapping_up: &'a [Duration],
    /// Most calls to want now, for reasons of others.
    pub room: u32,
}

/// What a campaign has learned, and how it decides.
#[derive(Clone, Debug)]
pub struct LookAhead {
    rules: Rules,
    answers: Answers,
    flight: Flight,
    talk: Stage,
    wrap: Stage,
    release: Release,
    budget: Budget,
    rebuilt_at: f64,
    widened_at: f64,
    heard_until: u64,
    /// Calls that had ended when the curves were made.
    seen_then: f64,
    last: PacingDecision,
}

fn slot(at: Duration) -> u64 {
    u64::try_from(at.as_millis()).unwrap_or(u64::MAX) / 250
}

impl LookAhead {
    pub fn new(rules: Rules, now: Duration) -> LookAhead {
        let (talk, wrap) = (Stage::new(5.0, 30.0, 100.0), Stage::new(1.0, 60.0, 15.0));
        let release = Release::new(&talk, &wrap, rules.grace);
        let seconds = now.as_secs_f64();
        LookAhead {
            rules,
            answers: Answers::new(rules.no_answer, 0.25),
            flight: Flight::default(),
            release,
            talk,
            wrap,
            budget: Budget::new(rules.abandon_max, 0.02, rules.before, seconds),
            rebuilt_at: seconds,
            widened_at: seconds,
            heard_until: slot(now),
            seen_then: 0.0,
            last: PacingDecision::default(),
        }
    }

    /// A call was placed.
    pub fn placed(&mut self, at: Duration) {
        self.flight.add(slot(at));
    }

    /// The call that was placed then was answered by a person.
    pub fn answered(&mut self, now: Duration, placed: Duration) {
        self.call_ended(now, placed, true);
    }

    /// The call that was placed then ended without an answer.
    pub fn failed(&mut self, now: Duration, placed: Duration) {
        self.call_ended(now, placed, false);
    }

    fn call_ended(&mut self, now: Duration, placed: Duration, is_answer: bool) {
        self.listen(now);
        let age = slot(now).saturating_sub(slot(placed));
        self.flight.remove(slot(placed));
        self.answers.ended(usize::try_from(age).unwrap_or(usize::MAX), is_answer);
    }

    /// An answered call got its agent, or did not.
    pub fn served(&mut self, now: Duration, is_abandoned: bool) {
        self.budget.note(now.as_secs_f64(), is_abandoned);
    }

    pub fn talk_ended(&mut self, length: Duration) {
        self.talk.ended(length.as_secs_f64());
    }

    pub fn wrap_up_ended(&mut self, length: Duration) {
        self.wrap.ended(length.as_secs_f64());
    }

    /// The last decision.
    pub fn last(&self) -> PacingDecision {
        self.last
    }

    /// Calls to place now.
    pub fn decide(&mut self, floor: &Floor<'_>) -> PacingDecision {
        self.advance(floor);
        let in_flight = self.flight.total() + floor.reserved;
        let busy = floor.talking.len() + floor.wrapping_up.len();
        let mut ahead = Ahead::new(in_flight as usize + busy);
        let expected_free = self.add_agents(&mut ahead, floor);
        let mut answers = self.add_calls(&mut ahead, floor);
        let expected_answers = answers[HORIZON - 1];
        let new_call = self.new_call();
        let arrival = arrival(&new_call);
        let room = i64::from(floor.idle) - i64::from(floor.waiting);
        let covered = room - i64::from(in_flight);
        let (mut alpha, mut left) = (self.budget.alpha(), self.budget.left());
        if let Some(a) = env("ALPHA") { alpha = a; left = 100; }

        let limit = floor.room.min(WANTED_MAX);
        let (mut wanted, mut risk) = (0, 0.0);
        let mut bound_by = BoundBy::Concurrency;
        while wanted < limit {
            risk = ahead.risk(&arrival, room, &answers, self.answers.doubt);
            if i64::from(wanted) >= covered {
                let overrun = ahead.risk(&arrival, room + left.max(0), &answers, self.answers.doubt);
                if overrun > env("OVER").unwrap_or(OVERRUN_MAX) {
                    let day = self.budget.is_day_tightest();
                    bound_by = if day { BoundBy::DayBudget } else { BoundBy::HourBudget };
                    break;
                }
                if self.answers.seen < COLD_UNTIL && f64::from(wanted) - covered as f64 >= self.answers.seen / 4.0 {
                    bound_by = BoundBy::ColdStart;
                    break;
                }
                if let Some(c) = env("WC") { if room > 0 && matches!(ahead, Ahead::Exact{..}) { if !ahead.wait_ok(&arrival, room, c) { bound_by = BoundBy::Risk; break; } alpha = env("AMAX").unwrap_or(0.3); } }
                if risk > alpha {
                    bound_by = BoundBy::Risk;
                    break;
                }
            }
            ahead.add_calls(&new_call, 1);
            answers.iter_mut().zip(&new_call).for_each(|(a, q)| *a += q);
            wanted += 1;
        }
        self.last = PacingDecision {
            wanted,
            idle: floor.idle,
            expected_free,
            horizon_seconds: HORIZON as u32,
            in_flight,
            expected_answers,
            waiting: floor.waiting,
            alpha,
            risk,
            answer_share: self.answers.share,
            bound_by,
        };
        self.last
    }

    fn advance(&mut self, floor: &Floor<'_>) {
        let seconds = floor.now.as_secs_f64();
        self.budget.advance(seconds);
        let minutes = (seconds - self.widened_at) / 60.0;
        if minutes > 1.0 / 60.0 {
            self.answers.widen(DRIFT * minutes.sqrt(), 1.0 - (-JUMPS * minutes).exp());
            self.widened_at = seconds;
        }
        if self.is_stale(seconds) {
            let age = |since: &Duration| floor.now.saturating_sub(*since).as_secs_f64();
            self.talk.rebuild(&floor.talking.iter().map(age).collect::<Vec<_>>());
            self.wrap.rebuild(&floor.wrapping_up.iter().map(age).collect::<Vec<_>>());
            self.release.rebuild(&self.talk, &self.wrap, self.rules.grace);
            self.answers.rebuild(&self.flight, slot(floor.now));
            self.rebuilt_at = seconds;
            self.seen_then = self.answers.seen;
        }
        self.listen(floor.now);
    }

    fn listen(&mut self, now: Duration) {
        let to = slot(now);
        if self.heard_until < to {
            self.answers.listen(&self.flight, self.heard_until, to);
            self.heard_until = to;
        }
    }

    /// Whether the curves are out of date: by a twentieth of what is known, or by time.
    fn is_stale(&self, seconds: f64) -> bool {
        let waited = seconds - self.rebuilt_at;
        let is_cold = self.answers.seen < COLD_UNTIL;
        let grown = self.answers.seen > self.seen_then * 1.05;
        waited > REBUILD_EVERY || waited > 0.4 && is_cold || waited > 5.0 && grown
    }

    fn add_agents(&self, ahead: &mut Ahead, floor: &Floor<'_>) -> f64 {
        let age = |since: &Duration| floor.now.saturating_sub(*since).as_secs_f64();
        let mut expected = 0.0;
        for since in floor.talking {
            let free = self.release.talking(age(since));
            expected += free[HORIZON - 1];
            ahead.add_agents(free, 1);
        }
        for since in floor.wrapping_up {
            let free = self.release.wrapping_up(age(since));
            expected += free[HORIZON - 1];
            ahead.add_agents(free, 1);
        }
        expected
    }

    /// Gives the answers to expect by the end of each second.
    fn add_calls(&self, ahead: &mut Ahead, floor: &Floor<'_>) -> Seconds {
        let mut answers = [0.0; HORIZON];
        let new = (0, floor.reserved);
        for (age, count) in self.flight.ages(slot(floor.now)).chain([new].into_iter().filter(|n| n.1 > 0)) {
            let q = self.chances(age);
            ahead.add_calls(&q, count);
            answers.iter_mut().zip(&q).for_each(|(a, q)| *a += q * f64::from(count));
        }
        answers
    }

    fn chances(&self, age: usize) -> Seconds {
        let (base, scale) = self.answers.chance(age);
        let step = SLOTS_PER_SECOND as usize;
        std::array::from_fn(|k| {
            ((self.answers.answer_by(age + (k + 1) * step) - base) * scale).clamp(0.0, 1.0)
        })
    }

    fn new_call(&self) -> Seconds {
        self.chances(0)
    }
}

fn env(n: &str) -> Option<f64> { std::env::var(n).ok()?.parse().ok() }

/// When a new call is answered, if it is.
fn arrival(new_call: &Seconds) -> Seconds {
    let all = new_call[HORIZON - 1].max(1e-9);
    std::array::from_fn(|k| (new_call[k] - if k == 0 { 0.0 } else { new_call[k - 1] }) / all)
}
