//! What falls due when, on the media thread.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Due {
    Playback,
    Silence,
    /// The slot is that of the mix.
    Mix,
    /// A key that is pressed on the leg.
    Key,
    /// Of the leg that hears comfort noise.
    Noise,
    /// RTCP.
    Report,
}

/// A timer that fell due. Its `serial` tells whether the leg still waits for it: timers are never taken out early.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Timer {
    pub(super) at: Instant,
    pub(super) serial: u64,
    pub(super) slot: usize,
    pub(super) due: Due,
}

#[derive(Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<Timer>>,
    serial: u64,
}

impl Timers {
    /// A number that no timer has had.
    pub(super) fn serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    pub(super) fn set(&mut self, timer: Timer) {
        self.heap.push(Reverse(timer));
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(timer)| timer.at)
    }

    pub(super) fn pop(&mut self, now: Instant) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(timer)| timer)
    }
}
