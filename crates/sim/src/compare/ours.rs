//! Two more who are compared: the engine's own controller, and one who knows the future.

use std::time::Duration;

use crate::look_ahead::{Floor, LookAhead, Rules};

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
            room: 10_000,
        };
        let d = self.pacer.decide(&floor);
        if std::env::var_os("TRACE").is_some() && view.is_tick && (view.now / 500_000) % 60 < 2 { eprintln!("{:7.1} want {} idle {} talk {} wrap {} free28 {:.1} fl {} exp {:.1} wait {} al {:.4} risk {:.4} p {:.3} {:?}", view.now as f64/1e6,d.wanted,d.idle,view.talking.len(),view.wrapping_up.len(),d.expected_free,d.in_flight,d.expected_answers,d.waiting,d.alpha,d.risk,d.answer_share,d.bound_by); }
        d.wanted
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
/// has the next customer the moment the wrap-up is over, unless a ring takes longer than that.
pub struct Oracle {
    wrap_up: Micros,
    to_begin: u32,
}
impl Oracle {
    pub fn new(s: &Setting) -> Oracle { Oracle { wrap_up: (s.wrap.0 * 1e6) as u64, to_begin: s.agents as u32 } }
}
impl Pacer for Oracle {
    fn wanted(&mut self, _view: &View<'_>) -> u32 { std::mem::take(&mut self.to_begin) }
    fn foresees(&mut self, now: Micros, talk: Micros) -> Option<Micros> { Some(now + talk + self.wrap_up) }
}
