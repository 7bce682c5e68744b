//! How many packets come.

use std::time::{Duration, Instant};

/// From this many packets in `LOAD_TIME` on, the thread sleeps between two looks at the sockets: being woken
/// for every packet would cost more than the packet.
const LOAD_PACKETS: u32 = 500;
const LOAD_TIME: Duration = Duration::from_millis(100);

pub(super) struct Load {
    since: Instant,
    packets: u32,
    was_high: bool,
}

impl Load {
    pub(super) fn new(now: Instant) -> Load {
        Load { since: now, packets: 0, was_high: false }
    }

    /// Counts the packets that came until now.
    pub(super) fn is_high(&mut self, packets: usize, now: Instant) -> bool {
        self.packets += packets as u32;
        if now.saturating_duration_since(self.since) >= LOAD_TIME {
            *self = Load { since: now, packets: 0, was_high: self.packets >= LOAD_PACKETS };
        }
        self.was_high
    }
}
