//! Looking ahead: how many customers will answer in each of the next seconds, and how many agents will be free by then.
//!
//! A call is added while the probability that its customer would find nobody stays below a level, which the budget of
//! abandoned calls steers. Everything that is looked at is learned from the campaign itself.

mod answer;
mod bearer;
mod budget;
mod decision;
mod outlook;
mod price;
mod set_up;
mod stage;
mod tail;

use std::time::Duration;

pub use budget::cap_left;
pub use decision::{BoundBy, PacingDecision};
pub use outlook::Load;

use answer::{Answers, Flight, SLOTS_PER_SECOND};
use bearer::{Bearer, Limits, overrun};
use budget::Budget;
use outlook::{Outlook, Prepared, arrival};
use set_up::SetUp;
use stage::{NextRelease, Release, Stage};
use tail::{Ahead, EXACT_MAX, HORIZON, Seconds};

/// Curves are made anew after so many seconds at the latest.
const REBUILD_EVERY: f64 = 120.0;
/// Until so many calls have ended curves are made every few seconds, and calls are added slowly.
const COLD_UNTIL: f64 = 150.0;
/// How fast the share of answers is believed to change: log odds per square root of a minute.
const DRIFT: f64 = 0.025;
/// Jumps of the share per minute.
const JUMPS: f64 = 0.002;
/// Hours over the cap that all the calls of an hour may bring, were each at its limit. One call may bring this by the answers
/// of an hour: a limit that is the same for each call would be broken more often by those who place more.
const OVERRUNS_HOURLY: f64 = 0.000_05;
/// The same should as many customers answer as can be feared.
const OVERRUN_HIGH_MAX: f64 = 0.000_05;
/// It is feared that soon as many answer again as did lately, less a quarter: a dip may be over at any time.
const LATELY: f64 = 600.0;
const OF_LATELY: f64 = 0.75;
/// Standard deviations by which the share of answers is taken to be higher than believed.
const DOUBT_WEIGHT: f64 = 0.5;
/// The share of answers is taken to be unsure by at least this part of it when a window may pass its cap.
const DOUBT_MIN: f64 = 0.1;
/// A late call rings on while the harm it may do is below so many times the risk that a new one may have.
const LATE_RISK: f64 = 8.0;
/// Up to so many late calls are weighed one by one.
const LATE_ONE_BY_ONE: u32 = 32;
/// A call that fails in fewer quarter seconds says something of the trunk, nothing of customers: thousands of them in an
/// outage must not teach that nobody answers.
const AT_ONCE: u64 = 4;
/// New calls of one look at most.
const WANTED_MAX: u32 = 200;
/// Tables that follow from what was learned are made bit by bit: so many ages and rows in each look.
const AGES_A_LOOK: usize = 12;
const ROWS_A_LOOK: usize = 8;

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
    /// After so many seconds a call may be given up when it rings too late for any agent.
    pub give_up_from: Option<f64>,
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
    /// Where campaigns share the agents, the least risk that one of them takes: the customers of each bear it.
    pub alpha_max: Option<f64>,
}

/// Calls of one slot that may be given up.
struct Late {
    slot: u64,
    count: u32,
    chances: Seconds,
    arrival: Seconds,
}

/// What is looked at.
struct Scene<'a> {
    floor: &'a Floor<'a>,
    others: &'a [Load],
    agents: &'a Outlook,
}

/// What lies ahead should customers answer as often as can be feared: made when it is needed.
struct Worst {
    /// With so many new calls.
    outlook: Option<(Outlook, u32)>,
    bearers: Vec<Bearer>,
}

impl Worst {
    /// Calls that may be abandoned, whosever they are, without breaking the cap of a window.
    fn left(&self) -> i64 {
        self.bearers.iter().map(|b| b.left).min().unwrap_or(0)
    }
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
    next_release: Option<NextRelease>,
    budget: Budget,
    rebuilt_at: f64,
    widened_at: f64,
    heard_until: u64,
    /// The highest share of answers lately, and when it was.
    share_lately: (f64, f64),
    set_up: SetUp,
    /// Calls that had ended when the curves were made.
    seen_then: f64,
    released_at: f64,
    talks_ended: u32,
    /// Talks that had ended when the times of release were computed.
    talks_then: u32,
    prepared: Option<Prepared>,
    last: PacingDecision,
}

/// Calls of one slot count as placed together.
pub fn slot(at: Duration) -> u64 {
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
            next_release: None,
            talk,
            wrap,
            budget: Budget::new(rules.abandon_max, 0.035, rules.before, seconds),
            rebuilt_at: seconds,
            widened_at: seconds,
            heard_until: slot(now),
            share_lately: (0.0, seconds),
            set_up: SetUp::default(),
            seen_then: 0.0,
            released_at: seconds,
            talks_ended: 0,
            talks_then: 0,
            prepared: None,
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

    /// The trunk or the network failed before the call that was placed then could ring: nothing is learned of customers.
    pub fn not_made(&mut self, now: Duration, placed: Duration) {
        self.listen(now);
        let age = slot(now).saturating_sub(slot(placed));
        self.flight.remove(slot(placed));
        self.answers.not_made(usize::try_from(age).unwrap_or(usize::MAX));
    }

    /// The call that was placed then rings: from now on its time of ringing counts.
    pub fn rings(&mut self, now: Duration, placed: Duration) {
        self.set_up.heard(now.saturating_sub(placed).as_secs_f64());
    }

    /// A call was answered of which nobody had said that it rings.
    pub fn rang_unheard(&mut self) {
        self.set_up.unheard();
    }

    fn call_ended(&mut self, now: Duration, placed: Duration, is_answer: bool) {
        self.listen(now);
        let age = slot(now).saturating_sub(slot(placed));
        self.flight.remove(slot(placed));
        if !is_answer && age < AT_ONCE {
            return;
        }
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
        let Prepared { agents, all, .. } = self.prepare(floor, others);
        let calls = (self.flight.total() + floor.reserved, others.iter().map(|o| o.count).sum());
        let all = all.filter(|(own, of_others, _)| (*own, *of_others) == calls);
        let mut outlook = all.map_or_else(
            || agents.with_calls(others, &self.load(floor.now, floor.reserved)),
            |(_, _, outlook)| outlook,
        );
        let in_flight = self.flight.total() + floor.reserved;
        let start = PacingDecision {
            idle: floor.idle,
            expected_free: outlook.expected_free,
            horizon_seconds: outlook.ahead.until() as u32,
            in_flight,
            expected_answers: outlook.answers[outlook.ahead.until() - 1],
            waiting: floor.waiting,
            alpha: self.alpha(floor),
            answer_share: self.answers.share,
            ..PacingDecision::default()
        };
        self.last = self.add_while_safe(&Scene { floor, others, agents: &agents }, &mut outlook, start);
        self.budget.alpha_max = floor.alpha_max;
        self.budget.is_bound = matches!(self.last.bound_by, BoundBy::HourBudget | BoundBy::DayBudget);
        self.last
    }

    fn add_while_safe(
        &self,
        scene: &Scene<'_>,
        outlook: &mut Outlook,
        mut decision: PacingDecision,
    ) -> PacingDecision {
        let floor = scene.floor;
        let new_call = self.chances(0, self.share_feared());
        let arrival = arrival(&new_call);
        let room = i64::from(floor.idle) - i64::from(floor.waiting);
        let covered = room - i64::from(decision.in_flight) - outlook.calls_of_others;
        let mut worst = Worst { outlook: None, bearers: self.bearers(scene.others, outlook) };
        decision.bound_by = BoundBy::Concurrency;
        while decision.wanted < floor.room.min(WANTED_MAX) {
            let beyond = i64::from(decision.wanted) - covered;
            decision.risk = outlook.ahead.risk(&arrival, room, &outlook.answers, self.answers.doubt);
            if beyond >= 0
                && let Some(bound_by) = self.bound(&decision, beyond, scene, outlook, &mut worst)
            {
                decision.bound_by = bound_by;
                break;
            }
            outlook.add(&new_call, 1);
            decision.wanted += 1;
        }
        decision
    }

    /// What forbids one call more, `beyond` calls over one for each idle agent.
    fn bound(
        &self,
        decision: &PacingDecision,
        beyond: i64,
        scene: &Scene<'_>,
        outlook: &Outlook,
        worst: &mut Worst,
    ) -> Option<BoundBy> {
        let floor = scene.floor;
        let by_ratio = f64::from(floor.idle) * (self.rules.start_ratio - 1.0).max(0.0);
        if self.answers.seen < COLD_UNTIL && beyond as f64 >= by_ratio + self.answers.seen / 4.0 {
            return Some(BoundBy::ColdStart);
        }
        // Were every call that no idle agent covers abandoned, that would be no more than is left.
        let is_certain = beyond < worst.left();
        if !is_certain && self.may_overrun(decision.wanted, scene, outlook, worst) {
            let is_day = self.budget.is_day_tightest();
            return Some(if is_day { BoundBy::DayBudget } else { BoundBy::HourBudget });
        }
        (decision.risk > decision.alpha).then_some(BoundBy::Risk)
    }

    /// Whether a window may pass its cap because of one call more than the calls in flight and `wanted` new ones: too likely
    /// if as many customers answer as is believed, or if many more do.
    fn may_overrun(&self, wanted: u32, scene: &Scene<'_>, outlook: &Outlook, worst: &mut Worst) -> bool {
        let room = i64::from(scene.floor.idle) - i64::from(scene.floor.waiting);
        let doubt = self.answers.doubt.max(DOUBT_MIN);
        let chances = self.chances(0, self.share_feared());
        let likely = overrun(outlook, &arrival(&chances), room, &worst.bearers, doubt);
        if likely * chances[HORIZON - 1] > self.overrun_max() {
            return true;
        }
        let share = self.answers.share_high.max(OF_LATELY * self.share_lately.0);
        let (high, counted) = worst.outlook.get_or_insert_with(|| {
            let own = self.load_below(scene.floor.now, scene.floor.reserved, usize::MAX, share);
            (scene.agents.with_calls(scene.others, &own), 0)
        });
        let chances = self.chances(0, share);
        high.add(&chances, wanted - *counted);
        *counted = wanted;
        overrun(high, &arrival(&chances), room, &worst.bearers, 0.0) * chances[HORIZON - 1] > OVERRUN_HIGH_MAX
    }

    /// The risk that a new call may have.
    fn alpha(&self, floor: &Floor<'_>) -> f64 {
        self.budget.alpha().min(floor.alpha_max.unwrap_or(1.0))
    }

    /// The risk that this campaign would take by itself, while it may lose a call.
    pub fn own_alpha(&self) -> Option<f64> {
        (self.budget.left() > 0).then(|| self.budget.alpha())
    }

    /// Answers a second, lately.
    pub fn answer_rate(&self) -> f64 {
        self.budget.rate()
    }

    /// Whose customers a call may leave without an agent.
    fn bearers(&self, others: &[Load], outlook: &Outlook) -> Vec<Bearer> {
        bearer::all(self.budget.left(), outlook.answers[outlook.ahead.until() - 1], others)
    }

    /// Probability that a window passes its cap because of one call, at most.
    fn overrun_max(&self) -> f64 {
        OVERRUNS_HOURLY / self.budget.hourly_answers()
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
        let (share, since) = self.share_lately;
        if self.answers.share >= share || seconds - since > LATELY {
            self.share_lately = (self.answers.share, seconds);
        }
        self.answers.weigh_ages(AGES_A_LOOK);
        let is_old = seconds - self.released_at > REBUILD_EVERY;
        let has_grown = self.talks_ended > self.talks_then + self.talks_then / 20;
        if self.next_release.is_none() && (has_grown || is_old && self.talks_ended > self.talks_then) {
            self.rebuild_release(floor);
        }
        if let Some(release) = self.next_release.as_mut().and_then(|next| next.go_on(ROWS_A_LOOK)) {
            self.release = release;
            self.next_release = None;
        }
        self.listen(floor.now);
    }

    fn rebuild_release(&mut self, floor: &Floor<'_>) {
        let age = |since: &Duration| floor.now.saturating_sub(*since).as_secs_f64();
        self.talk.rebuild(&floor.talking.iter().map(age).collect::<Vec<_>>());
        self.wrap.rebuild(&floor.wrapping_up.iter().map(age).collect::<Vec<_>>());
        self.next_release = Some(NextRelease::new(&self.talk, &self.wrap, self.rules.grace));
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

    /// The agents, unless they were computed a moment ago.
    fn prepare(&mut self, floor: &Floor<'_>, others: &[Load]) -> Prepared {
        let calls_of_others: u32 = others.iter().map(|o| o.count).sum();
        let (talking, wrapping_up) = (floor.talking.len(), floor.wrapping_up.len());
        let calls = self.flight.total() + floor.reserved + calls_of_others;
        let people = talking + wrapping_up + calls as usize;
        let of = (floor.now, talking, wrapping_up, people > EXACT_MAX);
        if let Some(prepared) = self.prepared.take_if(|prepared| prepared.of == of) {
            return prepared;
        }
        Prepared { of, agents: self.outlook_of_agents(floor, people), all: None }
    }

    fn outlook_of_agents(&self, floor: &Floor<'_>, people: usize) -> Outlook {
        // Whoever rings longer than a call must is ended at will: what comes after that is no risk of a new call.
        let until = self.late_from().map_or(HORIZON, |from| from / SLOTS_PER_SECOND as usize + 2);
        let mut outlook = Outlook {
            ahead: Ahead::new(people, until),
            answers: [0.0; HORIZON],
            expected_free: 0.0,
            calls_of_others: 0,
        };
        let age = |since: &Duration| floor.now.saturating_sub(*since).as_secs_f64();
        let (talking, wrapping_up) = (floor.talking.iter().map(age), floor.wrapping_up.iter().map(age));
        for (free, count) in self.release.of_all(talking, wrapping_up) {
            let free = free.map(|g| g * floor.part);
            outlook.expected_free += free[outlook.ahead.until() - 1] * f64::from(count);
            outlook.ahead.add_agents(&free, count);
        }
        outlook
    }

    /// Age in slots from which a call may be given up.
    fn late_from(&self) -> Option<usize> {
        // A slot more, since both ends are rounded down.
        let set_up = self.set_up.most()?;
        self.rules.give_up_from.map(|from| ((from + set_up) * SLOTS_PER_SECOND).ceil() as usize + 1)
    }

    /// Calls that ring so late that their customers would too likely find nobody, by slot, where the rules allow to give
    /// up any. They are in flight until `given_up` or `failed` is told.
    pub fn too_late(&mut self, floor: &Floor<'_>, others: &[Load]) -> Vec<u64> {
        let Some(from) = self.late_from() else { return Vec::new() };
        self.advance(floor);
        let now = slot(floor.now);
        let share = self.share_feared();
        let group = |(age, count): (usize, u32)| {
            let chances = self.chances(age, share);
            Late { slot: now - age as u64, count, arrival: arrival(&chances), chances }
        };
        let late: Vec<Late> = self.flight.ages(now).filter(|(age, _)| *age >= from).map(group).collect();
        if late.is_empty() {
            return Vec::new();
        }
        let mut prepared = self.prepare(floor, others);
        let young = self.load_below(floor.now, floor.reserved, from, share);
        let mut outlook = prepared.agents.with_calls(others, &young);
        let room = i64::from(floor.idle) - i64::from(floor.waiting);
        let limits =
            Limits { room, bearers: self.bearers(others, &outlook), risk_max: LATE_RISK * self.alpha(floor) };
        if late.iter().map(|l| l.count).sum::<u32>() > LATE_ONE_BY_ONE {
            self.prepared = Some(prepared);
            return self.too_late_of_many(&late, &outlook, &limits);
        }
        let mut too_late = Vec::new();
        for group in &late {
            for _ in 0..group.count {
                if self.is_harmful(group, &outlook, &limits) {
                    too_late.push(group.slot);
                } else {
                    outlook.add(&group.chances, 1);
                }
            }
        }
        // When those are gone, the others are what is in flight.
        let gone = u32::try_from(too_late.len()).unwrap_or(u32::MAX);
        let left = (self.flight.total() + floor.reserved).saturating_sub(gone);
        prepared.all = Some((left, others.iter().map(|o| o.count).sum(), outlook));
        self.prepared = Some(prepared);
        too_late
    }

    /// The oldest ring on, as many as do no harm: that number is found by halves.
    fn too_late_of_many(&self, late: &[Late], outlook: &Outlook, limits: &Limits) -> Vec<u64> {
        let is_harmed_by = |index: u32| {
            let (mut with, mut left) = (outlook.clone(), index);
            for group in late {
                if left < group.count {
                    with.add(&group.chances, left);
                    return self.is_harmful(group, &with, limits);
                }
                with.add(&group.chances, group.count);
                left -= group.count;
            }
            false
        };
        let (mut low, mut high) = (0, late.iter().map(|l| l.count).sum());
        while low < high {
            let middle = u32::midpoint(low, high);
            if is_harmed_by(middle) { high = middle } else { low = middle + 1 }
        }
        let slots = late.iter().flat_map(|l| std::iter::repeat_n(l.slot, l.count as usize));
        slots.skip(low as usize).collect()
    }

    fn is_harmful(&self, late: &Late, outlook: &Outlook, limits: &Limits) -> bool {
        let (answers, answered) = (&outlook.answers, late.chances[HORIZON - 1]);
        let harm = outlook.ahead.harm(&late.arrival, limits.room, answers, self.answers.doubt);
        if harm > limits.risk_max && answered > 0.01 {
            return true;
        }
        let doubt = self.answers.doubt.max(DOUBT_MIN);
        overrun(outlook, &late.arrival, limits.room, &limits.bearers, doubt) * answered > self.overrun_max()
    }

    /// The call that was placed then was given up for being too late.
    pub fn given_up(&mut self, now: Duration, placed: Duration) {
        self.listen(now);
        let age = slot(now).saturating_sub(slot(placed));
        self.flight.remove(slot(placed));
        self.answers.given_up(usize::try_from(age).unwrap_or(usize::MAX));
    }

    /// The calls in flight, as others have to count with them.
    pub fn load(&self, now: Duration, reserved: u32) -> Load {
        self.load_below(now, reserved, usize::MAX, self.share_feared())
    }

    /// Of the calls that have not reached an age.
    fn load_below(&self, now: Duration, reserved: u32, age: usize, share: f64) -> Load {
        let placed = self.flight.ages(slot(now)).filter(|(a, _)| *a < age);
        let calls: Vec<_> = placed
            .chain([(0, reserved)])
            .filter(|(_, count)| *count > 0)
            .map(|(age, count)| (self.chances(age, share), count))
            .collect();
        Load { count: calls.iter().map(|c| c.1).sum(), left: self.budget.left(), calls }
    }

    /// The less is known of the share of answers, the higher it may be.
    fn share_feared(&self) -> f64 {
        self.answers.share * (1.0 + DOUBT_WEIGHT * self.answers.doubt)
    }

    fn chances(&self, age: usize, share: f64) -> Seconds {
        let (base, scale) = self.answers.chance(age, share.min(0.98));
        let step = SLOTS_PER_SECOND as usize;
        // What rings longer is given up when nobody is there for it: it brings no risk.
        let last = self.late_from().filter(|from| age < *from).unwrap_or(usize::MAX);
        std::array::from_fn(|k| {
            let by = self.answers.answer_by((age + (k + 1) * step).min(last));
            ((by - base) * scale).clamp(0.0, 0.98)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten minutes in which each third of the customers answers, a call a second.
    fn after_ten_minutes() -> (LookAhead, Duration) {
        let rules = Rules {
            abandon_max: 0.03,
            grace: 2.0,
            no_answer: 25.0,
            start_ratio: 1.5,
            give_up_from: Some(15.0),
            before: (0, 0),
        };
        let mut look = LookAhead::new(rules, Duration::ZERO);
        let mut ends: Vec<(Duration, Duration, bool)> = Vec::new();
        for n in 0..600 {
            let now = Duration::from_secs(n);
            ends.retain(|(at, placed, is_answer)| {
                match is_answer {
                    _ if *at > now => return true,
                    true => look.answered(now, *placed),
                    false => look.failed(now, *placed),
                }
                false
            });
            look.placed(now);
            let rings = Duration::from_secs(if n % 3 == 0 { 8 } else { 25 });
            ends.push((now + rings, now, n % 3 == 0));
            look.decide(&floor(now, 1), &[]);
        }
        ends.iter().for_each(|(at, placed, _)| look.failed(*at, *placed));
        (look, Duration::from_secs(700))
    }

    fn floor(now: Duration, idle: u32) -> Floor<'static> {
        Floor {
            now,
            idle,
            waiting: 0,
            reserved: 0,
            talking: &[],
            wrapping_up: &[],
            part: 1.0,
            room: 100,
            alpha_max: None,
        }
    }

    /// Calls wanted for two idle agents when, for five minutes, what is wanted is placed and each call comes to nothing after
    /// so long.
    fn after_an_outage(is_told: bool, seconds: f64) -> PacingDecision {
        let (mut look, mut now) = after_ten_minutes();
        let (end, mut ends) = (now + Duration::from_secs(300), Vec::new());
        while now < end {
            now += Duration::from_millis(250);
            ends.retain(|(at, placed)| {
                match is_told {
                    _ if *at > now => return true,
                    true => look.not_made(now, *placed),
                    false => look.failed(now, *placed),
                }
                false
            });
            for _ in 0..look.decide(&floor(now, 2), &[]).wanted {
                look.placed(now);
                ends.push((now + Duration::from_secs_f64(seconds), now));
            }
        }
        ends.iter().for_each(|(_, placed)| look.not_made(now, *placed));
        look.decide(&floor(now, 2), &[])
    }

    #[test]
    fn calls_that_fail_at_once_do_not_teach_that_nobody_answers() {
        let decision = after_an_outage(false, 0.5);
        assert!(decision.answer_share > 0.2 && decision.wanted < 8, "{decision:?}");
    }

    #[test]
    fn calls_that_the_trunk_fails_after_seconds_or_never_answers_do_not_teach_that_nobody_answers() {
        for seconds in [3.0, 32.0] {
            let decision = after_an_outage(true, seconds);
            assert!(decision.answer_share > 0.15 && decision.wanted < 12, "{seconds} s: {decision:?}");
        }
    }

    #[test]
    fn after_a_dip_that_looked_like_customers_no_more_calls_are_placed_than_the_usual_answers_allow() {
        let decision = after_an_outage(false, 3.0);
        assert!(decision.wanted < 12, "{decision:?}");
    }

    #[test]
    fn an_answer_after_the_end_of_ringing_that_is_ours_to_choose_is_no_risk() {
        let (look, now) = after_ten_minutes();
        let all = look.chances(0, 0.3);
        let mut full_ring = look.clone();
        full_ring.rules.give_up_from = None;
        let full = full_ring.chances(0, 0.3);
        assert!(all[13] >= full[13] && all[HORIZON - 1] <= full[HORIZON - 1]);
        assert!((all[HORIZON - 1] - all[15]).abs() < 1e-12, "{all:?} at {now:?}");
    }

    #[test]
    fn of_many_late_calls_as_many_ring_on_as_do_no_harm() {
        let (mut look, now) = after_ten_minutes();
        (0..200).for_each(|_| look.placed(now));
        let now = now + Duration::from_secs(16);
        let nobody = look.clone().too_late(&floor(now, 0), &[]).len();
        let many = look.clone().too_late(&floor(now, 300), &[]).len();
        assert!(many == 0 && (1..200).contains(&nobody), "{many} {nobody}");
    }

    #[test]
    fn the_time_of_ringing_counts_from_the_ringing() {
        let (mut look, now) = after_ten_minutes();
        assert_eq!(look.late_from(), Some(61));
        (0..400).for_each(|_| look.rings(now, now.saturating_sub(Duration::from_secs(4))));
        assert!((76..=79).contains(&look.late_from().unwrap()), "{:?}", look.late_from());
        (0..20).for_each(|_| look.rang_unheard());
        assert_eq!(look.late_from(), None);
    }
}
