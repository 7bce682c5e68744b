//! What the engine waits for, in the order in which it comes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::{AgentId, CallId, CampaignId};

/// One running timer at most per key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum TimerKey {
    /// What the call's stage allows: set-up, ringing, waiting for an agent, the message.
    Call(CallId),
    /// The offered agent has had its time; another may be tried.
    Offer(CallId),
    /// No verdict on who answered came.
    Judge(CallId),
    /// Offer the result to the store again.
    Save(CallId),
    /// Give failed returns to the store again.
    Returns,
    /// End of wrap-up or of the pause after a miss.
    Seat(AgentId),
    /// Raise the kept-up leg again.
    Leg(AgentId),
    /// A wall-clock time of the campaign: not before, run until, leads due.
    Wall(CampaignId),
    /// Ask the store again though it said that nothing is due.
    Ask(CampaignId),
    /// The pause after a failed or useless lease is over.
    Lease(CampaignId),
    /// Ask again to end the campaign.
    End(CampaignId),
    /// Look ahead anew.
    Pace(CampaignId),
    /// A trunk may take a call again.
    Token,
}

#[derive(Default, Debug)]
pub(crate) struct Timers {
    by_time: BTreeSet<(Duration, TimerKey)>,
    by_key: BTreeMap<TimerKey, Duration>,
}

impl Timers {
    /// Starts the timer, or moves it when it runs already.
    pub(crate) fn set(&mut self, key: TimerKey, at: Duration) {
        if let Some(before) = self.by_key.insert(key, at) {
            self.by_time.remove(&(before, key));
        }
        self.by_time.insert((at, key));
    }

    pub(crate) fn cancel(&mut self, key: TimerKey) {
        if let Some(at) = self.by_key.remove(&key) {
            self.by_time.remove(&(at, key));
        }
    }

    pub(crate) fn is_set(&self, key: TimerKey) -> bool {
        self.by_key.contains_key(&key)
    }

    pub(crate) fn first(&self) -> Option<Duration> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// The keys that are due, in order. They keep running: `take` each.
    pub(crate) fn due(&self, mono: Duration) -> Vec<TimerKey> {
        self.by_time.iter().take_while(|(at, _)| *at <= mono).map(|(_, key)| *key).collect()
    }

    /// Stops the timer if it is (still) due.
    pub(crate) fn take(&mut self, key: TimerKey, mono: Duration) -> bool {
        let due = self.by_key.get(&key).is_some_and(|at| *at <= mono);
        if due {
            self.cancel(key);
        }
        due
    }

    pub(crate) fn check(&self) {
        assert_eq!(self.by_time.len(), self.by_key.len(), "each timer is in both tables");
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = TimerKey> + '_ {
        self.by_key.keys().copied()
    }
}
