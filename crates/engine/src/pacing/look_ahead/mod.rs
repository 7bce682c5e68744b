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
const DRIFT: f64 = 0.025;
/// Jumps of the share per minute.
const JUMPS: f64 = 0.002;
/// Probability that a window passes its cap by the calls in flight, at most.
const OVERRUN_MAX: f64 = 0.0002;
/// Standard deviations by which the share of answers is taken to be higher than believed.
const DOUBT_WEIGHT: f64 = 1.0;
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
    /// Calls per idle agent that may be in flight before anything is known.
    pub start_ratio: f64,
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
    /// Of the busy agents, the part on which the campaign may count: other campaigns may want them too.
    pub part: f64,
    /// Most calls to want now, for reasons of others.
    pub room: u32,
}

/// Calls in flight: their number, and how likely they are answered in the next seconds.
#[derive(Clone, Debug)]
pub struct Load {
    count: u32,
    calls: Vec<(Seconds, u32)>,
}

/// What lies ahead of the decision.
struct Outlook {
    ahead: Ahead,
    /// Answers to expect from the campaign's own calls.
    answers: Seconds,
    expected_free: f64,
    calls_of_others: i64,
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
    released_at: f64,
    talks_ended: u32,
    /// Talks that had ended when the times of release were computed.
    talks_then: u32,
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
            released_at: seconds,
            talks_ended: 0,
            talks_then: 0,
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

    /// The call that was noted as placed then was not placed after all.
    pub fn withdrawn(&mut self, placed: Duration) {
        self.flight.remove(slot(placed));
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
        self.talks_ended = self.talks_ended.saturating_add(1);
    }

    pub fn wrap_up_ended(&mut self, length: Duration) {
        self.wrap.ended(length.as_secs_f64());
    }

    /// What was learned stays.
    pub fn change(&mut self, abandon_max: f64, start_ratio: f64) {
        self.rules.abandon_max = abandon_max;
        self.rules.start_ratio = start_ratio;
        self.budget.set_cap(abandon_max);
    }

    /// The last decision.
    pub fn last(&self) -> PacingDecision {
        self.last
    }

    /// Calls to place now. `others`: the calls in flight of campaigns that share the agents.
    pub fn decide(&mut self, floor: &Floor<'_>, others: &[Load]) -> PacingDecision {
        self.advance(floor);
        let mut outlook = self.outlook(floor, others);
        let in_flight = self.flight.total() + floor.reserved;
        let start = PacingDecision {
            idle: floor.idle,
            expected_free: outlook.expected_free,
            horizon_seconds: HORIZON as u32,
            in_flight,
            expected_answers: outlook.answers[HORIZON - 1],
            waiting: floor.waiting,
            alpha: self.budget.alpha(),
            answer_share: self.answers.share,
            ..PacingDecision::default()
        };
        self.last = self.add_while_safe(floor, &mut outlook, start);
        self.budget.is_bound = matches!(self.last.bound_by, BoundBy::HourBudget | BoundBy::DayBudget);
        self.last
    }

    fn add_while_safe(
        &self,
        floor: &Floor<'_>,
        outlook: &mut Outlook,
        mut decision: PacingDecision,
    ) -> PacingDecision {
        let new_call = self.chances(0);
        let arrival = arrival(&new_call);
        let room = i64::from(floor.idle) - i64::from(floor.waiting);
        let covered = room - i64::from(decision.in_flight) - outlook.calls_of_others;
        let left = self.budget.left().max(0);
        let doubt = self.answers.doubt;
        decision.bound_by = BoundBy::Concurrency;
        while decision.wanted < floor.room.min(WANTED_MAX) {
            let beyond = i64::from(decision.wanted) - covered;
            decision.risk = outlook.ahead.risk(&arrival, room, &outlook.answers, doubt);
            if beyond >= 0 {
                let overrun = outlook.ahead.risk(&arrival, room + left, &outlook.answers, doubt);
                if let Some(bound_by) = self.bound(&decision, overrun, beyond, floor) {
                    decision.bound_by = bound_by;
                    break;
                }
            }
            outlook.ahead.add_calls(&new_call, 1);
            outlook.answers.iter_mut().zip(&new_call).for_each(|(a, q)| *a += q);
            decision.wanted += 1;
        }
        decision
    }

    /// What forbids one call more, `beyond` calls over one for each idle agent.
    fn bound(
        &self,
        decision: &PacingDecision,
        overrun: f64,
        beyond: i64,
        floor: &Floor<'_>,
    ) -> Option<BoundBy> {
        if overrun > OVERRUN_MAX {
            let is_day = self.budget.is_day_tightest();
            return Some(if is_day { BoundBy::DayBudget } else { BoundBy::HourBudget });
        }
        let by_ratio = f64::from(floor.idle) * (self.rules.start_ratio - 1.0).max(0.0);
        if self.answers.seen < COLD_UNTIL && beyond as f64 >= by_ratio + self.answers.seen / 4.0 {
            return Some(BoundBy::ColdStart);
        }
        (decision.risk > decision.alpha).then_some(BoundBy::Risk)
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
            self.answers.rebuild(&self.flight, slot(floor.now));
            self.rebuilt_at = seconds;
            self.seen_then = self.answers.seen;
        }
        let is_old = seconds - self.released_at > REBUILD_EVERY;
        if self.talks_ended > self.talks_then + self.talks_then / 20
            || is_old && self.talks_ended > self.talks_then
        {
            self.rebuild_release(floor);
        }
        self.listen(floor.now);
    }

    fn rebuild_release(&mut self, floor: &Floor<'_>) {
        let age = |since: &Duration| floor.now.saturating_sub(*since).as_secs_f64();
        self.talk.rebuild(&floor.talking.iter().map(age).collect::<Vec<_>>());
        self.wrap.rebuild(&floor.wrapping_up.iter().map(age).collect::<Vec<_>>());
        self.release.rebuild(&self.talk, &self.wrap, self.rules.grace);
        self.released_at = floor.now.as_secs_f64();
        self.talks_then = self.talks_ended;
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

    fn outlook(&self, floor: &Floor<'_>, others: &[Load]) -> Outlook {
        let calls_of_others: u32 = others.iter().map(|o| o.count).sum();
        let busy = floor.talking.len() + floor.wrapping_up.len();
        let people = busy + (self.flight.total() + floor.reserved) as usize + calls_of_others as usize;
        let mut outlook = Outlook {
            ahead: Ahead::new(people),
            answers: [0.0; HORIZON],
            expected_free: 0.0,
            calls_of_others: i64::from(calls_of_others),
        };
        let age = |since: &Duration| floor.now.saturating_sub(*since).as_secs_f64();
        let talking = floor.talking.iter().map(|since| self.release.talking(age(since)));
        let wrapping_up = floor.wrapping_up.iter().map(|since| self.release.wrapping_up(age(since)));
        for free in talking.chain(wrapping_up) {
            let free = free.map(|g| g * floor.part);
            outlook.expected_free += free[HORIZON - 1];
            outlook.ahead.add_agents(&free, 1);
        }
        let own = self.load(floor.now, floor.reserved);
        for (q, count) in others.iter().chain([&own]).flat_map(|load: &Load| load.calls.iter()) {
            outlook.ahead.add_calls(q, *count);
        }
        for (q, count) in &own.calls {
            outlook.answers.iter_mut().zip(q).for_each(|(a, q)| *a += q * f64::from(*count));
        }
        outlook
    }

    /// The calls in flight, as others have to count with them.
    pub fn load(&self, now: Duration, reserved: u32) -> Load {
        let placed = self.flight.ages(slot(now));
        let calls: Vec<_> = placed
            .chain([(0, reserved)])
            .filter(|(_, count)| *count > 0)
            .map(|(age, count)| (self.chances(age), count))
            .collect();
        Load { count: self.flight.total() + reserved, calls }
    }

    fn chances(&self, age: usize) -> Seconds {
        let (base, scale) = self.answers.chance(age);
        // The less is known of the share, the higher it may be.
        let scale = scale * (1.0 + DOUBT_WEIGHT * self.answers.doubt);
        let step = SLOTS_PER_SECOND as usize;
        std::array::from_fn(|k| {
            ((self.answers.answer_by(age + (k + 1) * step) - base) * scale).clamp(0.0, 0.98)
        })
    }
}

/// When a new call is answered, if it is.
fn arrival(new_call: &Seconds) -> Seconds {
    let all = new_call[HORIZON - 1].max(1e-9);
    std::array::from_fn(|k| (new_call[k] - if k == 0 { 0.0 } else { new_call[k - 1] }) / all)
}
