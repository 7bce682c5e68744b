//! Two more who are compared: the engine's own controller, and one who knows the future.

use std::time::Duration;

use engine::look_ahead::{Floor, LookAhead, Rules};

use super::pacers::{Pacer, View};
use super::shift::{Micros, SECOND};
use super::weather::Setting;

/// The engine's controller.
pub struct Ours {
    pacer: LookAhead,
    talking: Vec<Duration>,
    wrapping_up: Vec<Duration>,
    looked_at: Micros,
}

impl Ours {
    pub fn new(setting: &Setting) -> Ours {
        let rules = Rules {
            abandon_max: setting.cap,
            grace: setting.patience,
            no_answer: setting.no_answer,
            start_ratio: 1.5,
            before: (0, 0),
        };
        let pacer = LookAhead::new(rules, Duration::ZERO);
        Ours { pacer, talking: Vec::new(), wrapping_up: Vec::new(), looked_at: 0 }
    }
}

impl Pacer for Ours {
    fn wanted(&mut self, view: &View<'_>) -> u32 {
        // More than ten looks a second bring nothing.
        if view.now < self.looked_at + SECOND / 10 && view.now > 0 && !view.is_tick {
            return 0;
        }
        self.looked_at = view.now;
        self.talking.clear();
        self.talking.extend(view.talking.iter().map(|t| Duration::from_micros(*t)));
        self.wrapping_up.clear();
        self.wrapping_up.extend(view.wrapping_up.iter().map(|t| Duration::from_micros(*t)));
        let floor = Floor {
            now: Duration::from_micros(view.now),
            idle: view.idle,
            waiting: view.waiting,
            reserved: 0,
            talking: &self.talking,
            wrapping_up: &self.wrapping_up,
            part: 1.0,
            room: 10_000,
        };
        self.pacer.decide(&floor, &[]).wanted
    }

    fn placed(&mut self, now: Micros) {
        self.pacer.placed(Duration::from_micros(now));
    }

    fn answered(&mut self, now: Micros, placed: Micros) {
        self.pacer.answered(Duration::from_micros(now), Duration::from_micros(placed));
    }

    fn failed(&mut self, now: Micros, placed: Micros) {
        self.pacer.failed(Duration::from_micros(now), Duration::from_micros(placed));
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
