//! Conversations of more than two: their legs' sound is mixed every 20 ms. Two-party calls never come here.

use std::time::{Duration, Instant};

use super::MediaThread;
use crate::comfort::Comfort;
use crate::mix::{Arriving, Frame, Gain, MIX_MEMBERS_MAX, mix};
use crate::relay::leg::Content;
use crate::relay::timers::{Due, Timer};
use crate::relay::{Codec, LegId, RelayEvent};
use crate::rtp::Header;
use crate::{FRAME, FRAME_SAMPLES, g711};

/// Further behind than this (the machine slept), the clock is shifted.
const LATE_MAX: Duration = Duration::from_millis(200);

/// A leg's place in a mix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::relay) struct MixSeat {
    room: usize,
    seat: usize,
}

struct Seat {
    /// None: it left.
    slot: Option<usize>,
    leg: LegId,
    arriving: Arriving,
}

struct Room {
    seats: Vec<Seat>,
    /// By listener, then speaker.
    gains: Vec<Vec<Gain>>,
    next: Instant,
    /// Of the timer that drives it.
    serial: u64,
}

/// The mixed conversations.
#[derive(Default)]
pub(super) struct Rooms {
    rooms: Vec<Option<Room>>,
}

impl Rooms {
    fn put(&mut self, room: Room) -> usize {
        match self.rooms.iter().position(Option::is_none) {
            Some(free) => {
                self.rooms[free] = Some(room);
                free
            }
            None => {
                self.rooms.push(Some(room));
                self.rooms.len() - 1
            }
        }
    }

    fn room(&mut self, place: usize) -> Option<&mut Room> {
        self.rooms.get_mut(place)?.as_mut()
    }

    /// Slots of those who hear who sits here.
    pub(super) fn listeners(&mut self, at: MixSeat) -> [Option<usize>; MIX_MEMBERS_MAX] {
        let mut found = [None; MIX_MEMBERS_MAX];
        if let Some(room) = self.room(at.room) {
            let rows = room.seats.iter().zip(&room.gains);
            for (place, (seat, gains)) in found.iter_mut().zip(rows) {
                let hears = gains.get(at.seat).is_some_and(|gain| *gain > 0);
                *place = seat.slot.filter(|_| hears);
            }
        }
        found
    }

    /// A packet of a leg that sits here.
    pub(super) fn take(&mut self, at: MixSeat, content: Content, header: &Header, payload: &[u8]) {
        let Some(seat) = self.room(at.room).and_then(|room| room.seats.get_mut(at.seat)) else { return };
        // Key presses go another way.
        let decode = match content {
            Content::Sound(Codec::Pcma) => g711::alaw_decode,
            Content::Sound(Codec::Pcmu) => g711::ulaw_decode,
            Content::ComfortNoise => return seat.arriving.quiet(Comfort::told(payload)),
            Content::Dtmf => return,
        };
        seat.arriving.put(header.ssrc, header.timestamp, payload.iter().map(|code| decode(*code)));
    }
}

impl<F: Fn(RelayEvent)> MediaThread<F> {
    /// The legs leave their bridges and mixes for this one. The same legs again: only the gains change.
    pub(super) fn mix(&mut self, legs: &[LegId], gains: Vec<Vec<Gain>>, now: Instant) {
        let slots: Option<Vec<usize>> = legs.iter().map(|leg| self.slot(*leg)).collect();
        let is_square = gains.len() == legs.len() && gains.iter().all(|row| row.len() == legs.len());
        let Some(slots) = slots.filter(|s| is_square && (2..=MIX_MEMBERS_MAX).contains(&s.len())) else {
            tracing::debug!(legs = legs.len(), "a mix of legs that are not there");
            return;
        };
        if let Some(room) = self.room_of(&slots) {
            room.gains = gains;
            return;
        }
        for slot in &slots {
            self.unbridge(*slot);
        }
        let serial = self.timers.serial();
        let seat = |(slot, leg): (&usize, &LegId)| Seat {
            slot: Some(*slot),
            leg: *leg,
            arriving: Arriving::default(),
        };
        let seats = slots.iter().zip(legs).map(seat).collect();
        let room = self.rooms.put(Room { seats, gains, next: now, serial });
        for (seat, slot) in slots.into_iter().enumerate() {
            if let Some(leg) = self.leg(slot) {
                leg.mixed = Some(MixSeat { room, seat });
            }
        }
        self.timers.set(Timer { at: now, serial, slot: room, due: Due::Mix });
    }

    /// The mix in which exactly these sit.
    fn room_of(&mut self, slots: &[usize]) -> Option<&mut Room> {
        let place = self.leg(slots[0])?.mixed?.room;
        let room = self.rooms.room(place)?;
        let same = room.seats.len() == slots.len()
            && room.seats.iter().zip(slots).all(|(seat, slot)| seat.slot == Some(*slot));
        same.then_some(room)
    }

    /// The others go on; one alone has nobody to hear.
    pub(super) fn leave_mix(&mut self, slot: usize) {
        let Some(at) = self.leg(slot).and_then(|leg| leg.mixed.take()) else { return };
        let Some(room) = self.rooms.room(at.room) else { return };
        room.seats[at.seat].slot = None;
        let left: Vec<usize> = room.seats.iter().filter_map(|seat| seat.slot).collect();
        if left.len() < 2 {
            self.rooms.rooms[at.room] = None;
            for slot in left {
                if let Some(leg) = self.leg(slot) {
                    leg.mixed = None;
                }
            }
        }
    }

    pub(super) fn mix_on(&mut self, timer: Timer, now: Instant) {
        let Some(room) = self.rooms.room(timer.slot).filter(|room| room.serial == timer.serial) else {
            return;
        };
        let mut frames: [Frame; MIX_MEMBERS_MAX] = [[0; FRAME_SAMPLES]; MIX_MEMBERS_MAX];
        for (frame, seat) in frames.iter_mut().zip(&mut room.seats) {
            *frame = seat.arriving.take();
        }
        for (seat, gains) in room.seats.iter().zip(&room.gains) {
            let leg = seat.slot.and_then(|slot| self.slots.get_mut(slot)?.as_mut());
            let Some(leg) = leg.filter(|leg| leg.id == seat.leg && !leg.is_taken()) else { continue };
            let Some(destination) = leg.destination() else {
                leg.outgoing.interrupt();
                continue;
            };
            let heard = mix(frames.iter().zip(gains.iter().copied()));
            leg.send_frame(timer.serial, &heard, destination, now);
        }
        // Counted from the time that was due, so that it does not drift.
        room.next += FRAME;
        if now.saturating_duration_since(room.next) > LATE_MAX {
            room.next = now;
        }
        let at = room.next;
        self.timers.set(Timer { at, ..timer });
    }
}
