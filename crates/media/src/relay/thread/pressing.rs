//! Keys on their way: told to who wants to know, and pressed on other legs.

use std::time::{Duration, Instant};

use super::MediaThread;
use crate::FRAME;
use crate::relay::keys::Step;
use crate::relay::timers::{Due, Timer};
use crate::relay::{LegId, PressedBy, RelayEvent};
use crate::rtp::{HEADER_LEN, Header};

/// Of an event (RFC 4733 §2.3).
const PAYLOAD_LEN: usize = 4;
/// An event and the tones of the same press come at most so far apart: the first of the tone may slip through before a
/// gateway makes an event of it.
const SAME_PRESS: Duration = Duration::from_secs(1);

impl<F: Fn(RelayEvent)> MediaThread<F> {
    /// A packet of an event came in. In a conversation of two it goes on to the other as it is.
    pub(super) fn key_packet(
        &mut self,
        slot: usize,
        header: &Header,
        payload: [u8; PAYLOAD_LEN],
        now: Instant,
    ) {
        let Some(leg) = self.leg(slot) else { return };
        let Some(key) = leg.keys.take(header, &payload) else { return };
        let (id, seat) = (leg.id, leg.mixed);
        let toned = leg.toned.take();
        let is_told = toned.is_some_and(|(toned, at)| toned == key && now < at + SAME_PRESS);
        if leg.is_listened_to_for_keys {
            self.stop_listening_for_keys(id);
        }
        if !is_told {
            self.emit(RelayEvent::Pressed { leg: id, key, by: PressedBy::Event });
        }
        let listeners = seat.map(|seat| self.rooms.listeners(seat)).unwrap_or_default();
        for slot in listeners.into_iter().flatten() {
            self.press_on(slot, key, now);
        }
    }

    pub(super) fn press(&mut self, id: LegId, key: char, now: Instant) {
        if let Some(slot) = self.slot(id) {
            self.press_on(slot, key, now);
        }
    }

    fn press_on(&mut self, slot: usize, key: char, now: Instant) {
        let serial = self.timers.serial();
        let Some(leg) = self.leg(slot) else { return };
        let takes_keys = leg.destination().is_some_and(|(_, media)| media.dtmf.is_some());
        if takes_keys && leg.presses.add(key) {
            leg.presses.serial = serial;
            self.timers.set(Timer { at: now, serial, slot, due: Due::Key });
        }
    }

    pub(super) fn press_further(&mut self, timer: Timer, now: Instant) {
        let Some(leg) = self.leg(timer.slot).filter(|leg| leg.presses.serial == timer.serial) else { return };
        match leg.presses.next() {
            Step::Over => return,
            Step::Pause => {}
            Step::Send { payload, is_first, length } => {
                let to = leg.destination().and_then(|(to, media)| Some((to, media.dtmf?)));
                if let Some((destination, payload_type)) = to {
                    let begins = is_first.then_some(now);
                    let header = leg.outgoing.event(timer.serial, payload_type, begins, length);
                    let mut datagram = [0; HEADER_LEN + PAYLOAD_LEN];
                    datagram[..HEADER_LEN].copy_from_slice(&header.to_bytes());
                    datagram[HEADER_LEN..].copy_from_slice(&payload);
                    leg.send(&datagram, destination);
                }
            }
        }
        self.timers.set(Timer { at: timer.at + FRAME, ..timer });
    }
}
