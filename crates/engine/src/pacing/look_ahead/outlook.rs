//! What lies ahead of a decision: calls that may be answered and agents who may be free.

use std::time::Duration;

use super::tail::{Ahead, HORIZON, Seconds};

/// Calls in flight: their number, and how likely they are answered in the next seconds.
#[derive(Clone, Debug)]
pub struct Load {
    pub(super) count: u32,
    /// Of their customers so many may be abandoned without breaking the cap of a window.
    pub(super) left: i64,
    pub(super) calls: Vec<(Seconds, u32)>,
}

impl Load {
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Answers to expect.
    pub(super) fn answers(&self) -> f64 {
        self.calls.iter().map(|(q, count)| q[HORIZON - 1] * f64::from(*count)).sum()
    }
}

/// What lies ahead of the decision.
#[derive(Clone, Debug)]
pub(super) struct Outlook {
    pub(super) ahead: Ahead,
    /// Answers to expect from the campaign's own calls.
    pub(super) answers: Seconds,
    pub(super) expected_free: f64,
    pub(super) calls_of_others: i64,
}

impl Outlook {
    pub(super) fn add(&mut self, q: &Seconds, calls: u32) {
        self.ahead.add_calls(q, calls);
        self.answers.iter_mut().zip(q).for_each(|(a, q)| *a += q * f64::from(calls));
    }

    /// The agents, and all the calls that are in flight.
    pub(super) fn with_calls(&self, others: &[Load], own: &Load) -> Outlook {
        let mut outlook = self.clone();
        outlook.calls_of_others = others.iter().map(|o| i64::from(o.count)).sum();
        for (q, count) in others.iter().flat_map(|load| load.calls.iter()) {
            outlook.ahead.add_calls(q, *count);
        }
        own.calls.iter().for_each(|(q, count)| outlook.add(q, *count));
        outlook
    }
}

/// What was computed in a look that the next question of the same moment needs again.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    /// The moment, agents talking and in wrap-up, and whether sums are exact.
    pub(super) of: (Duration, usize, usize, bool),
    /// The agents alone.
    pub(super) agents: Outlook,
    /// With so many calls in flight and so many of others, all of them.
    pub(super) all: Option<(u32, u32, Outlook)>,
}

/// When a new call is answered, if it is.
pub(super) fn arrival(new_call: &Seconds) -> Seconds {
    let all = new_call[HORIZON - 1].max(1e-9);
    std::array::from_fn(|k| (new_call[k] - if k == 0 { 0.0 } else { new_call[k - 1] }) / all)
}
