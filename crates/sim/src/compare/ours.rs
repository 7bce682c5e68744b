//! Two more who are compared: the engine's own controller, and one who knows the future.

use std::time::Duration;

use engine::look_ahead::{Floor, Load, LookAhead, Rules, cap_left};

use super::pacers::{Pacer, View};
use super::shift::{Micros, RING_MIN, SECOND};
use super::weather::Setting;

/// The engine's controller.
pub struct Ours {
    pacer: LookAhead,
    talking: Vec<Duration>,
    wrapping_up: Vec<Duration>,
    looked_at: Micros,
    gives_up: bool,
}

impl Ours {
    /// `gives_up`: calls that ring too late may be given up.
    pub fn new(setting: &Setting, gives_up: bool) -> Ours {
        let rules = Rules {
            abandon_max: cap_left(setting.cap, setting.mistaken.persons),
            grace: setting.patience,
            no_answer: setting.no_answer,
            start_ratio: 1.5,
            give_up_from: gives_up.then_some(RING_MIN),
            before: (0, 0),
        };
        let pacer = LookAhead::new(rules, Duration::ZERO);
        Ours { pacer, talking: Vec::new(), wrapping_up: Vec::new(), looked_at: 0, gives_up }
    }
}

impl Ours {
    fn look<T>(&mut self, view: &View<'_>, with: impl FnOnce(&mut LookAhead, &Floor<'_>) -> T) -> T {
        self.talking.clear();
        self.talking.extend(view.talking.iter().map(|t| Duration::from_micros(*t)));
        self.wrapping_up.clear();
        self.wrapping_up.extend(view.wrapping_up.iter().map(|t| Duration::from_micros(*t)));
        let floor = Floor {
            now: Duration::from_micros(view.now),
            idle: view.idle,
            waiting: view.waiting,
            reserved: view.reserved,
            talking: &self.talking,
            wrapping_up: &self.wrapping_up,
            part: 1.0,
            room: view.room,
            alpha_max: view.alpha_max,
        };
        with(&mut self.pacer, &floor)
    }

    /// More than ten looks a second bring nothing.
    fn is_too_soon(&self, view: &View<'_>) -> bool {
        view.now < self.looked_at + SECOND / 10 && view.now > 0 && !view.is_tick
    }
}

impl Pacer for Ours {
    fn wanted(&mut self, view: &View<'_>) -> u32 {
        if self.is_too_soon(view) {
            return 0;
        }
        self.looked_at = view.now;
        self.look(view, |pacer, floor| pacer.decide(floor, view.others).wanted)
    }

    fn too_late(&mut self, view: &View<'_>) -> Vec<u64> {
        if !self.gives_up || self.is_too_soon(view) {
            return Vec::new();
        }
        self.look(view, |pacer, floor| pacer.too_late(floor, view.others))
    }

    fn given_up(&mut self, now: Micros, placed: Micros) {
        self.pacer.given_up(Duration::from_micros(now), Duration::from_micros(placed));
    }

    fn placed(&mut self, now: Micros) {
        self.pacer.placed(Duration::from_micros(now));
    }

    fn rings(&mut self, now: Micros, placed: Micros) {
        self.pacer.rings(Duration::from_micros(now), Duration::from_micros(placed));
    }

    fn load(&self, now: Micros, reserved: u32) -> Option<Load> {
        Some(self.pacer.load(Duration::from_micros(now), reserved))
    }

    fn own_alpha(&self) -> Option<f64> {
        self.pacer.own_alpha()
    }

    fn answer_rate(&self) -> f64 {
        self.pacer.answer_rate()
    }

    fn answered(&mut self, now: Micros, placed: Micros) {
        self.pacer.answered(Duration::from_micros(now), Duration::from_micros(placed));
    }

    fn failed(&mut self, now: Micros, placed: Micros) {
        self.pacer.failed(Duration::from_micros(now), Duration::from_micros(placed));
    }

    fn not_made(&mut self, now: Micros, placed: Micros) {
        self.pacer.not_made(Duration::from_micros(now), Duration::from_micros(placed));
    }

    fn served(&mut self, now: Micros, is_abandoned: bool) {
        self.pacer.served(Duration::from_micros(now), is_abandoned);
    }

    fn talk_ended(&mut self, _now: Micros, length: Micros) {
        self.pacer.talk_ended(Duration::from_micros(length));
    }

    fn wrap_up_ended(&mut self, _now: Micros, length: Micros) {
        self.pacer.wrap_up_ended(Duration::from_micros(length));
    }
}

/// Knows of every call whether and when it will be answered, and how long every talk and wrap-up will take: each agent
/// has the next customer the moment the wrap-up is over, unless a ring takes longer than the work.
pub struct Oracle;

impl Pacer for Oracle {
    fn wanted(&mut self, _view: &View<'_>) -> u32 {
        0
    }

    fn foresees(&self) -> bool {
        true
    }
}
