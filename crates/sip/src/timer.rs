//! All deadlines of an endpoint in one ordered set, so that the next one is found without a scan.

use crate::transaction::ClientKey;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// RFC 3261 §17.1.1.1: the round-trip time estimate.
pub(crate) const T1: Duration = Duration::from_millis(500);
/// The longest retransmission interval of anything but an INVITE.
pub(crate) const T2: Duration = Duration::from_secs(4);
/// How long a message may stay in the network.
pub(crate) const T4: Duration = Duration::from_secs(5);
/// 64*T1: how long a transaction waits for the other side.
pub(crate) const PATIENCE: Duration = Duration::from_secs(32);

/// What a deadline is for. Each runs at most once at a time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Timer {
    /// RFC 3261 timers A, E.
    ClientRetransmit(ClientKey),
    /// Timers B, F; D and M once there is a final response.
    ClientTimeout(ClientKey),
    /// Timer G; the repetition of a 2xx.
    ServerRetransmit(u64),
    /// Timers H, I, J, L.
    ServerTimeout(u64),
    /// By dialog number.
    Dialog(u64, DialogTimer),
    /// By registration number.
    Registration(u64),
    /// By binding number.
    Binding(u64),
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum DialogTimer {
    /// Nobody answered, rejected or hung up for very long.
    Unanswered,
    /// An INVITE of ours had no response at all.
    Silent,
    /// Repeats a provisional response (RFC 3261 §13.3.1.1).
    Provisional,
    /// A provisional response has no PRACK yet (RFC 3262).
    Unconfirmed,
    /// RFC 4028: we refresh the session.
    Refresh,
    /// RFC 4028: the session was not refreshed.
    Expire,
    /// An offer refused with 491 is made again.
    OfferAgain,
    /// An incoming offer was not answered by our side.
    OfferUnanswered,
}

#[derive(Default, Debug)]
pub(crate) struct Timers {
    due: BTreeSet<(Duration, Timer)>,
    at: HashMap<Timer, Duration>,
}

impl Timers {
    /// Starts the timer, or moves it.
    pub fn set(&mut self, timer: Timer, at: Duration) {
        if let Some(old) = self.at.insert(timer, at) {
            self.due.remove(&(old, timer));
        }
        self.due.insert((at, timer));
    }

    pub fn cancel(&mut self, timer: Timer) {
        if let Some(old) = self.at.remove(&timer) {
            self.due.remove(&(old, timer));
        }
    }

    pub fn is_set(&self, timer: Timer) -> bool {
        self.at.contains_key(&timer)
    }

    pub fn cancel_dialog(&mut self, id: u64) {
        use DialogTimer::*;
        for timer in [Unanswered, Silent, Provisional, Refresh, Expire, OfferAgain, OfferUnanswered] {
            self.cancel(Timer::Dialog(id, timer));
        }
    }

    pub fn next(&self) -> Option<Duration> {
        self.due.first().map(|&(at, _)| at)
    }

    /// The earliest timer that is due at `now`; it does not run any more.
    pub fn pop(&mut self, now: Duration) -> Option<Timer> {
        let &(at, timer) = self.due.first()?;
        if at > now {
            return None;
        }
        self.due.pop_first();
        self.at.remove(&timer);
        Some(timer)
    }
}
