//! Those who are compared: what they see, and the ways of pacing that were published.

use std::collections::VecDeque;

use engine::look_ahead::Load;

use super::shift::{Micros, SECOND};

/// What a pacer sees.
#[derive(Debug)]
pub struct View<'a> {
    pub now: Micros,
    /// Half a second has passed; else something happened.
    pub is_tick: bool,
    pub idle: u32,
    /// Campaigns that share the agents.
    pub campaigns: u32,
    /// Answered calls without an agent, of all campaigns and of this one.
    pub waiting: u32,
    pub own_waiting: u32,
    /// Wished for, dialing or ringing.
    pub in_flight: u32,
    /// Of them, those that are not placed yet.
    pub reserved: u32,
    /// Numbers that may be called now.
    pub room: u32,
    /// Since when.
    pub talking: &'a [Micros],
    pub wrapping_up: &'a [Micros],
    /// The calls in flight of the other campaigns, where these look ahead too.
    pub others: &'a [Load],
    /// The least risk that one of those who share the agents takes, if there are several.
    pub alpha_max: Option<f64>,
}

impl View<'_> {
    /// Its part of the idle agents.
    fn idle_part(&self) -> f64 {
        f64::from(self.idle) / f64::from(self.campaigns)
    }

    fn agents(&self) -> f64 {
        f64::from(self.idle) + (self.talking.len() + self.wrapping_up.len()) as f64
    }

    /// This many calls in all, less those that are there.
    fn up_to(&self, calls: f64) -> u32 {
        (calls as i64 - i64::from(self.in_flight) - i64::from(self.own_waiting)).clamp(0, 10_000) as u32
    }
}

pub trait Pacer {
    /// Calls to place now.
    fn wanted(&mut self, view: &View<'_>) -> u32;
    /// Ringing calls to give up now, by the quarter second in which they were placed.
    fn too_late(&mut self, _view: &View<'_>) -> Vec<u64> {
        Vec::new()
    }
    fn given_up(&mut self, _now: Micros, _placed: Micros) {}
    fn placed(&mut self, _now: Micros) {}
    fn rings(&mut self, _now: Micros, _placed: Micros) {}
    /// Its calls in flight, as others count with them.
    fn load(&self, _now: Micros, _reserved: u32) -> Option<Load> {
        None
    }
    /// The risk that it would take, for others who share the agents.
    fn own_alpha(&self) -> Option<f64> {
        None
    }
    /// Answers a second, lately: of those who share agents whoever has the fewest is first.
    fn answer_rate(&self) -> f64 {
        0.0
    }
    fn answered(&mut self, _now: Micros, _placed: Micros) {}
    fn failed(&mut self, _now: Micros, _placed: Micros) {}
    /// The trunk failed. Most do not tell that from customers who do not answer.
    fn not_made(&mut self, now: Micros, placed: Micros) {
        self.failed(now, placed);
    }
    fn served(&mut self, _now: Micros, _is_abandoned: bool) {}
    fn talk_ended(&mut self, _now: Micros, _length: Micros) {}
    fn wrap_up_ended(&mut self, _now: Micros, _length: Micros) {}
    /// Knows the future: for each agent a call is placed so that it is answered when the agent is free again.
    fn foresees(&self) -> bool {
        false
    }
}

/// n = I − R − W.
pub struct Progressive;

impl Pacer for Progressive {
    fn wanted(&mut self, view: &View<'_>) -> u32 {
        view.up_to(view.idle_part())
    }
}

/// n = ⌊r·I⌋ − R − W.
pub struct FixedRatio(pub f64);

impl Pacer for FixedRatio {
    fn wanted(&mut self, view: &View<'_>) -> u32 {
        view.up_to((self.0 * view.idle_part()).floor())
    }
}

fn is_due(view: &View<'_>, every: Micros) -> bool {
    view.is_tick && view.now.is_multiple_of(every)
}

/// Every 2.5 s: n = round(L·(I + T)) − (R + W + T).
pub struct Level(pub f64);

impl Level {
    fn calls(&self, view: &View<'_>) -> u32 {
        let talking = view.talking.len() as f64;
        view.up_to((self.0 * (f64::from(view.idle) + talking)).round() - talking)
    }
}

impl Pacer for Level {
    fn wanted(&mut self, view: &View<'_>) -> u32 {
        if is_due(view, 5 * SECOND / 2) { self.calls(view) } else { 0 }
    }
}

/// Counts of the last while.
#[derive(Default)]
struct Recent {
    length: Micros,
    events: VecDeque<(Micros, bool)>,
    hits: usize,
}

impl Recent {
    fn new(seconds: u64) -> Recent {
        Recent { length: seconds * SECOND, ..Recent::default() }
    }

    fn add(&mut self, now: Micros, is_hit: bool) {
        self.events.push_back((now, is_hit));
        self.hits += usize::from(is_hit);
    }

    fn forget(&mut self, now: Micros) {
        while let Some((_, is_hit)) = self.events.pop_front_if(|(at, _)| *at + self.length <= now) {
            self.hits -= usize::from(is_hit);
        }
    }

    fn share(&self) -> f64 {
        self.hits as f64 / self.events.len().max(1) as f64
    }
}

/// The classic dialer's own adaptation of its level, the strict kind. Its statistics are a minute old at most.
pub struct AdaptiveLevel {
    level: Level,
    level_max: f64,
    samples: VecDeque<(f64, f64)>,
    calls: Recent,
    drops: Recent,
    /// Calls placed, answered and dropped today.
    day: [u32; 3],
    statistics: Statistics,
}

#[derive(Clone, Copy, Default)]
struct Statistics {
    /// Calls placed in the last minute, and the part of them that were dropped.
    minute: (usize, f64),
    /// Calls placed today, and dropped by answered.
    day: (u32, f64),
}

impl AdaptiveLevel {
    pub fn new() -> AdaptiveLevel {
        AdaptiveLevel {
            level: Level(1.0),
            level_max: 3.0,
            samples: VecDeque::new(),
            calls: Recent::new(60),
            drops: Recent::new(60),
            day: [0; 3],
            statistics: Statistics::default(),
        }
    }

    fn count(&mut self, now: Micros) {
        self.calls.forget(now);
        self.drops.forget(now);
        let calls = self.calls.events.len();
        let minute = (calls, self.drops.hits as f64 / calls.max(1) as f64);
        let [placed, answered, dropped] = self.day;
        self.statistics =
            Statistics { minute, day: (placed, f64::from(dropped) / f64::from(answered.max(1))) };
    }

    fn adapt(&mut self) {
        let count = self.samples.len().max(1) as f64;
        let difference = self.samples.iter().map(|s| s.0).sum::<f64>() / count;
        let agents = self.samples.iter().map(|s| s.1).sum::<f64>() / count;
        let level = &mut self.level.0;
        *level = (*level * (1.0 + difference / agents.max(1.0))).clamp(1.0, self.level_max);
        let Statistics { minute, day } = self.statistics;
        if minute.0 > 20 && minute.1 > 0.5 {
            *level = (*level / 2.0).max(1.0);
        }
        if day.0 > 50 && day.1 > 0.03 {
            *level = 1.0;
        }
    }
}

impl Pacer for AdaptiveLevel {
    fn wanted(&mut self, view: &View<'_>) -> u32 {
        if is_due(view, SECOND) {
            self.samples.push_back((f64::from(view.idle) - f64::from(view.waiting), view.agents()));
            if self.samples.len() > 15 {
                self.samples.pop_front();
            }
        }
        if is_due(view, 60 * SECOND) {
            self.count(view.now);
        }
        if is_due(view, 15 * SECOND) {
            self.adapt();
        }
        self.level.wanted(view)
    }

    fn placed(&mut self, now: Micros) {
        self.calls.add(now, true);
        self.day[0] += 1;
    }

    fn served(&mut self, now: Micros, is_abandoned: bool) {
        self.drops.add(now, is_abandoned);
        self.day[1] += 1;
        self.day[2] += u32::from(is_abandoned);
    }
}

/// Means that are learned as plain averages.
#[derive(Default)]
struct Mean {
    sum: f64,
    count: f64,
}

impl Mean {
    fn add(&mut self, micros: Micros) {
        self.sum += micros as f64 / 1e6;
        self.count += 1.0;
    }

    fn or(&self, before: f64) -> f64 {
        if self.count > 20.0 { self.sum / self.count } else { before }
    }
}

/// Every 5 s: one call for each agent who is idle or, were talks exponential, will be free by the time of an answer.
pub struct Exponential {
    ring: Mean,
    talk: Mean,
    wrap: Mean,
    ended: Recent,
}

impl Exponential {
    pub fn new() -> Exponential {
        let (ring, talk, wrap) = (Mean::default(), Mean::default(), Mean::default());
        Exponential { ring, talk, wrap, ended: Recent::new(1800) }
    }
}

impl Pacer for Exponential {
    fn wanted(&mut self, view: &View<'_>) -> u32 {
        if !is_due(view, 5 * SECOND) {
            return 0;
        }
        self.ended.forget(view.now);
        let (ring, mean) = (self.ring.or(10.0), self.talk.or(120.0) + self.wrap.or(15.0));
        let talk = self.talk.or(120.0);
        let elapsed = |since: &Micros| (view.now - since) as f64 / 1e6;
        let talking = view.talking.iter().map(elapsed);
        let wrapping = view.wrapping_up.iter().map(|since| talk + elapsed(since));
        let soon = talking.chain(wrapping).filter(|t| 1.0 - (-(ring + t) / mean).exp() >= 0.97).count();
        let agents = f64::from(view.idle) + soon as f64 - f64::from(view.waiting);
        let share = if self.ended.events.len() > 20 { self.ended.share() } else { 1.0 };
        (agents / share.max(0.2) - f64::from(view.in_flight)).clamp(0.0, 1e4) as u32
    }

    fn answered(&mut self, now: Micros, placed: Micros) {
        self.ended.add(now, true);
        self.ring.add(now - placed);
    }

    fn failed(&mut self, now: Micros, _placed: Micros) {
        self.ended.add(now, false);
    }

    fn talk_ended(&mut self, _now: Micros, length: Micros) {
        self.talk.add(length);
    }

    fn wrap_up_ended(&mut self, _now: Micros, length: Micros) {
        self.wrap.add(length);
    }
}

/// Calls = idle agents · (1 + A · failed / answered); a PI controller moves A so that 2.8 % of the last 900 s are silent.
pub struct SilentCalls {
    boldness: f64,
    sum: f64,
    ended: Recent,
    silent: Recent,
}

impl SilentCalls {
    const AIM: f64 = 0.028;

    pub fn new() -> SilentCalls {
        SilentCalls { boldness: 0.3, sum: 0.3, ended: Recent::new(900), silent: Recent::new(900) }
    }
}

impl Pacer for SilentCalls {
    fn wanted(&mut self, view: &View<'_>) -> u32 {
        if is_due(view, 15 * SECOND) {
            self.ended.forget(view.now);
            self.silent.forget(view.now);
            let error = (SilentCalls::AIM - self.silent.share()) / SilentCalls::AIM;
            self.sum = (self.sum + 0.005 * error.clamp(-2.0, 1.0)).clamp(0.0, 4.0);
            self.boldness = (self.sum + 0.15 * error.clamp(-2.0, 1.0)).clamp(0.0, 4.0);
        }
        let answered = self.ended.hits.max(1) as f64;
        let failed = (self.ended.events.len() - self.ended.hits) as f64;
        let each = if self.ended.events.len() < 20 { 1.0 } else { 1.0 + self.boldness * failed / answered };
        view.up_to((view.idle_part() * each).floor())
    }

    fn answered(&mut self, now: Micros, _placed: Micros) {
        self.ended.add(now, true);
    }

    fn failed(&mut self, now: Micros, _placed: Micros) {
        self.ended.add(now, false);
    }

    fn served(&mut self, now: Micros, is_abandoned: bool) {
        self.silent.add(now, is_abandoned);
    }
}

/// n = ⌊r·I⌋ − R − W; every 60 s r ← clip(r·exp(0.02·clip((τ − m)/τ, −2, 1)), 1, 15), τ = 2.5 %.
pub struct AdaptiveIdleRatio {
    ratio: f64,
    half_hour: Recent,
    day: (u32, u32),
}

impl AdaptiveIdleRatio {
    pub fn new() -> AdaptiveIdleRatio {
        AdaptiveIdleRatio { ratio: 1.5, half_hour: Recent::new(1800), day: (0, 0) }
    }
}

impl Pacer for AdaptiveIdleRatio {
    fn wanted(&mut self, view: &View<'_>) -> u32 {
        if is_due(view, 60 * SECOND) {
            self.half_hour.forget(view.now);
            let day = f64::from(self.day.1) / f64::from(self.day.0.max(1));
            let mean = f64::midpoint(self.half_hour.share(), day);
            let error = ((0.025 - mean) / 0.025).clamp(-2.0, 1.0);
            self.ratio = (self.ratio * (0.02 * error).exp()).clamp(1.0, 15.0);
        }
        view.up_to((self.ratio * view.idle_part()).floor())
    }

    fn served(&mut self, now: Micros, is_abandoned: bool) {
        self.half_hour.add(now, is_abandoned);
        self.day.0 += 1;
        self.day.1 += u32::from(is_abandoned);
    }
}

/// Calls at an even rate, from the load at which Erlang's first formula loses 2.5 %.
pub struct ErlangB {
    load: f64,
    due: f64,
    service: (Mean, Mean),
    ended: Recent,
}

impl ErlangB {
    pub fn new(agents: usize) -> ErlangB {
        let lost = |load: f64| (1..=agents).fold(1.0, |b, n| load * b / (n as f64 + load * b));
        let (mut low, mut high) = (0.0, agents as f64);
        for _ in 0..50 {
            let middle = f64::midpoint(low, high);
            if lost(middle) < 0.025 { low = middle } else { high = middle }
        }
        ErlangB { load: low, due: 0.0, service: (Mean::default(), Mean::default()), ended: Recent::new(1800) }
    }
}

impl Pacer for ErlangB {
    fn wanted(&mut self, view: &View<'_>) -> u32 {
        if !view.is_tick {
            return 0;
        }
        self.ended.forget(view.now);
        let share = if self.ended.events.len() > 50 { self.ended.share().max(0.02) } else { 0.5 };
        let service = self.service.0.or(120.0) + self.service.1.or(15.0);
        self.due += 0.5 * self.load / service / share;
        let calls = self.due.floor();
        self.due -= calls;
        calls as u32
    }

    fn answered(&mut self, now: Micros, _placed: Micros) {
        self.ended.add(now, true);
    }

    fn failed(&mut self, now: Micros, _placed: Micros) {
        self.ended.add(now, false);
    }

    fn talk_ended(&mut self, _now: Micros, length: Micros) {
        self.service.0.add(length);
    }

    fn wrap_up_ended(&mut self, _now: Micros, length: Micros) {
        self.service.1.add(length);
    }
}
