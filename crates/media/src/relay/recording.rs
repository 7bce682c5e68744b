//! What is recorded, as the media thread sees it: a copy of each packet's sound goes into a ring that never makes it wait.
//! The thread of the other end may wait for the disk.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender, SyncSender};
use std::thread::JoinHandle;
use std::time::Instant;

use super::leg::Content;
use super::piece::{Piece, pieces};
use super::recorder::{Finished, Recorder};
use super::{Codec, LegId};
use crate::comfort::Comfort;
use crate::rtp::Header;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    Customer,
    Agent,
}

/// A leg that is recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Tap {
    recording: u64,
    /// The recording's customer.
    pub(super) customer: LegId,
    pub(super) side: Side,
}

/// A piece of one side's sound.
pub(super) struct Frame {
    pub(super) recording: u64,
    pub(super) side: Side,
    pub(super) kind: Kind,
    pub(super) piece: Piece,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Sound(Codec),
    /// From here on nothing comes, and this is what stands for it.
    Noise(Comfort),
}

/// What the writer is told apart from sound.
pub(super) enum Order {
    Begin { recording: u64, customer: LegId, path: Arc<Path>, at: Instant },
    End { recording: u64, at: Instant, frames_dropped: u64 },
}

pub(super) struct Recordings {
    /// Its receiver never waits on it, it comes and looks: so a send is a few instructions, without lock and system call.
    ring: SyncSender<Frame>,
    orders: Sender<Order>,
    writer: JoinHandle<()>,
    /// By the customer's leg.
    active: HashMap<LegId, Active>,
    begun: u64,
}

struct Active {
    recording: u64,
    path: Arc<Path>,
    agent: LegId,
    frames_dropped: u64,
}

impl Recordings {
    /// Starts the writer. `on_finished` is called on its thread.
    pub(super) fn start(
        frames_max: usize,
        on_finished: impl Fn(Finished) + Send + 'static,
    ) -> io::Result<Recordings> {
        let (ring, frames) = mpsc::sync_channel(frames_max.max(1));
        let (orders, received) = mpsc::channel();
        let recorder = Recorder::new(frames, frames_max.max(1), received, on_finished);
        let writer = std::thread::Builder::new().name("recorder".into()).spawn(move || recorder.run())?;
        Ok(Recordings { ring, orders, writer, active: HashMap::new(), begun: 0 })
    }

    /// The taps for both legs, and the leg that was the agent's until now.
    pub(super) fn begin(
        &mut self,
        customer: LegId,
        agent: LegId,
        path: &Arc<Path>,
        now: Instant,
    ) -> ([Tap; 2], Option<LegId>) {
        let taps = |recording| [Side::Customer, Side::Agent].map(|side| Tap { recording, customer, side });
        if let Some(active) = self.active.get_mut(&customer).filter(|active| active.path == *path) {
            let before = std::mem::replace(&mut active.agent, agent);
            return (taps(active.recording), Some(before));
        }
        let before = self.end(customer, now);
        self.begun += 1;
        let recording = self.begun;
        self.order(Order::Begin { recording, customer, path: path.clone(), at: now });
        self.active.insert(customer, Active { recording, path: path.clone(), agent, frames_dropped: 0 });
        (taps(recording), before)
    }

    pub(super) fn is_active(&self, customer: LegId) -> bool {
        self.active.contains_key(&customer)
    }

    /// The agent's leg of the recording that ended.
    pub(super) fn end(&mut self, customer: LegId, now: Instant) -> Option<LegId> {
        let Active { recording, agent, frames_dropped, .. } = self.active.remove(&customer)?;
        self.order(Order::End { recording, at: now, frames_dropped });
        Some(agent)
    }

    /// Copies a packet's sound into the ring; the number of frames for which there was no room.
    pub(super) fn take(
        &mut self,
        tap: Tap,
        content: Content,
        header: &Header,
        payload: &[u8],
        now: Instant,
    ) -> u64 {
        let mut dropped = 0;
        let (kind, payload) = match content {
            Content::Sound(codec) => (Kind::Sound(codec), payload),
            Content::ComfortNoise => (Kind::Noise(Comfort::told(payload)), &payload[..payload.len().min(1)]),
            // What is typed is not recorded.
            Content::Dtmf => return 0,
        };
        for piece in pieces(header, payload, now) {
            let frame = Frame { recording: tap.recording, side: tap.side, kind, piece };
            if self.ring.try_send(frame).is_err() {
                dropped += 1;
            }
        }
        if dropped > 0
            && let Some(active) = self.active.get_mut(&tap.customer)
        {
            active.frames_dropped += dropped;
        }
        dropped
    }

    /// Ends what is recorded and waits until it is written.
    pub(super) fn finish(mut self, now: Instant) {
        for customer in self.active.keys().copied().collect::<Vec<_>>() {
            self.end(customer, now);
        }
        drop((self.ring, self.orders));
        if self.writer.join().is_err() {
            tracing::error!("the writer of recordings had failed");
        }
    }

    fn order(&self, order: Order) {
        if self.orders.send(order).is_err() {
            tracing::error!("the writer of recordings has ended");
        }
    }
}
