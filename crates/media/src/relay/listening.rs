//! What is listened to, as the media thread sees it: a copy of each packet's sound goes into a ring that never makes it wait.
//! The thread of the other end does the reckoning.

use std::collections::HashSet;
use std::io;
use std::sync::mpsc::{self, Sender, SyncSender};
use std::thread::JoinHandle;
use std::time::Instant;

use super::analyst::Analyst;
use super::leg::Content;
use super::piece::{Piece, pieces};
use super::{Codec, LegId, RelayEvent};
use crate::detect::ListenerConfig;
use crate::rtp::Header;

/// Frames of each leg that fit into the ring (160 ms).
const FRAMES_PER_LEG: usize = 8;

/// A piece of one leg's sound.
pub(super) struct Slice {
    pub(super) leg: LegId,
    pub(super) kind: Kind,
    pub(super) piece: Piece,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Sound(Codec),
    /// Comfort noise: from here on, what does not come is silence and no loss.
    Quiet,
}

/// What the analyst is told apart from sound.
pub(super) enum Order {
    Begin { leg: LegId, config: ListenerConfig, at: Instant },
    BeginKeys { leg: LegId, at: Instant },
    Answered { leg: LegId, at: Instant },
    End { leg: LegId },
    EndKeys { leg: LegId },
}

/// How many legs may be listened to at once.
#[derive(Clone, Copy)]
pub(super) struct EarsMax {
    pub(super) listeners: usize,
    /// For keys.
    pub(super) keypads: usize,
}

pub(super) struct Listening {
    /// Its receiver never waits on it, it comes and looks: so a send is a few instructions, without lock and system call.
    ring: SyncSender<Slice>,
    orders: Sender<Order>,
    analyst: JoinHandle<()>,
    active: HashSet<LegId>,
    keypads: HashSet<LegId>,
    ears_max: EarsMax,
}

impl Listening {
    /// Starts the analyst. `on_heard` is called on its thread.
    pub(super) fn start(
        ears_max: EarsMax,
        on_heard: impl Fn(RelayEvent) + Send + 'static,
    ) -> io::Result<Listening> {
        let slices_max = (ears_max.listeners + ears_max.keypads) * FRAMES_PER_LEG;
        let (ring, slices) = mpsc::sync_channel(slices_max);
        let (orders, received) = mpsc::channel();
        let analyst = Analyst::new(slices, slices_max, received, on_heard);
        let analyst = std::thread::Builder::new().name("analyst".into()).spawn(move || analyst.run())?;
        Ok(Listening { ring, orders, analyst, active: HashSet::new(), keypads: HashSet::new(), ears_max })
    }

    /// Whether there was room for one more.
    pub(super) fn begin(&mut self, leg: LegId, config: ListenerConfig, at: Instant) -> bool {
        if self.active.len() >= self.ears_max.listeners && !self.active.contains(&leg) {
            return false;
        }
        self.active.insert(leg);
        self.order(Order::Begin { leg, config, at });
        true
    }

    /// The same for keys in the sound.
    pub(super) fn begin_keys(&mut self, leg: LegId, at: Instant) -> bool {
        if self.keypads.len() >= self.ears_max.keypads || !self.keypads.insert(leg) {
            return self.keypads.contains(&leg);
        }
        self.order(Order::BeginKeys { leg, at });
        true
    }

    pub(super) fn end_keys(&mut self, leg: LegId) {
        if self.keypads.remove(&leg) {
            self.order(Order::EndKeys { leg });
        }
    }

    pub(super) fn answered(&self, leg: LegId, at: Instant) {
        self.order(Order::Answered { leg, at });
    }

    pub(super) fn end(&mut self, leg: LegId) {
        if self.active.remove(&leg) {
            self.order(Order::End { leg });
        }
    }

    /// Copies a packet's sound into the ring; the number of frames for which there was no room.
    pub(super) fn take(
        &self,
        leg: LegId,
        content: Content,
        header: &Header,
        payload: &[u8],
        now: Instant,
    ) -> u64 {
        let slices = slices(leg, content, header, payload, now);
        slices.map(|slice| u64::from(self.ring.try_send(slice).is_err())).sum()
    }

    /// Waits until the analyst has ended.
    pub(super) fn finish(self) {
        drop((self.ring, self.orders));
        if self.analyst.join().is_err() {
            tracing::error!("the analyst of calls had failed");
        }
    }

    fn order(&self, order: Order) {
        if self.orders.send(order).is_err() {
            tracing::error!("the analyst of calls has ended");
        }
    }
}

/// What the analyst is given of a packet.
pub(super) fn slices<'a>(
    leg: LegId,
    content: Content,
    header: &Header,
    payload: &'a [u8],
    at: Instant,
) -> impl Iterator<Item = Slice> + 'a {
    let (kind, payload) = match content {
        Content::Sound(codec) => (Kind::Sound(codec), payload),
        // That there is one says it all.
        Content::ComfortNoise => (Kind::Quiet, &payload[..payload.len().min(1)]),
        Content::Dtmf => (Kind::Quiet, &payload[..0]),
    };
    pieces(header, payload, at).map(move |piece| Slice { leg, kind, piece })
}
