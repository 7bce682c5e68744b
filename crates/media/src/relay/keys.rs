//! Key presses as events of RTP (RFC 4733): which were heard, and those that we send ourselves.

use std::collections::VecDeque;

use crate::FRAME_SAMPLES;
use crate::rtp::Header;

/// Events 0 to 15: the digits, star, hash, A to D.
const KEYS: &[u8; 16] = b"0123456789*#ABCD";
/// Length of a key that we press, in packets of 20 ms.
const PRESS_PACKETS: u16 = 6;
/// RFC 4733 §2.5.1.4: the last packet is sent three times.
const END_PACKETS: u16 = 3;
/// Pause after a key, in packets' times, so that two are told apart.
const PAUSE: u16 = 3;
/// −10 dBm0, as phones do.
const VOLUME: u8 = 10;
/// Keys that may wait for their turn on one leg.
const WAITING_MAX: usize = 32;

/// The key that an event stands for; None: the event is none.
pub(super) fn key_of(event: u8) -> Option<char> {
    KEYS.get(usize::from(event)).map(|key| char::from(*key))
}

fn event_of(key: char) -> Option<u8> {
    let found = KEYS.iter().position(|known| char::from(*known) == key.to_ascii_uppercase())?;
    u8::try_from(found).ok()
}

/// Tells the packets of one event from those of the next.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Of the last event: all its packets have the same.
    last: Option<(u32, u32)>,
}

impl Heard {
    /// Whether there was any event.
    pub(super) fn has_any(&self) -> bool {
        self.last.is_some()
    }

    /// The key, at the first packet of its event that comes.
    pub(super) fn take(&mut self, header: &Header, payload: &[u8]) -> Option<char> {
        let key = key_of(*payload.first()?)?;
        let is_new = match self.last {
            // One that was overtaken by the next event is no news.
            Some((ssrc, timestamp)) if ssrc == header.ssrc => {
                let ahead = header.timestamp.wrapping_sub(timestamp);
                ahead != 0 && ahead < u32::MAX / 2
            }
            _ => true,
        };
        if !is_new {
            return None;
        }
        self.last = Some((header.ssrc, header.timestamp));
        Some(key)
    }
}

/// Keys that we press on a leg.
#[derive(Debug, Default)]
pub(super) struct Presses {
    waiting: VecDeque<u8>,
    /// Of the timer that drives them.
    pub(super) serial: u64,
    /// Packets' times since the first of the waiting began.
    at: u16,
}

/// What is due on a leg that keys are pressed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// A packet with this payload; the first one of its event has a new timestamp, the last is worth this many samples.
    Send {
        payload: [u8; 4],
        is_first: bool,
        length: u32,
    },
    Pause,
    Over,
}

impl Presses {
    /// Whether it is the first one, so that a timer is needed. Too many: the key is dropped.
    pub(super) fn add(&mut self, key: char) -> bool {
        let Some(event) = event_of(key).filter(|_| self.waiting.len() < WAITING_MAX) else { return false };
        self.waiting.push_back(event);
        self.waiting.len() == 1
    }

    /// Sound is held back while a key is sent.
    pub(super) fn is_active(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(super) fn next(&mut self) -> Step {
        let Some(event) = self.waiting.front().copied() else { return Step::Over };
        let at = self.at;
        self.at += 1;
        if at >= PRESS_PACKETS + END_PACKETS {
            if self.at >= PRESS_PACKETS + END_PACKETS + PAUSE {
                self.at = 0;
                self.waiting.pop_front();
            }
            return Step::Pause;
        }
        let is_end = at >= PRESS_PACKETS;
        let duration = (at + 1).min(PRESS_PACKETS) * FRAME_SAMPLES as u16;
        let [high, low] = duration.to_be_bytes();
        let end = if is_end { 0x80 } else { 0 };
        let is_last = at + 1 == PRESS_PACKETS + END_PACKETS;
        let length = if is_last { u32::from(duration) } else { 0 };
        Step::Send { payload: [event, end | VOLUME, high, low], is_first: at == 0, length }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(timestamp: u32) -> Header {
        Header { marker: false, payload_type: 101, sequence: 0, timestamp, ssrc: 7 }
    }

    #[test]
    fn an_event_of_many_packets_is_one_key_also_when_the_first_are_lost_or_come_twice() {
        let mut heard = Heard::default();
        let mut keys = String::new();
        for (timestamp, event) in
            [(100, 5), (100, 5), (100, 5), (900, 5), (900, 5), (100, 5), (2000, 11), (9000, 16)]
        {
            keys.extend(heard.take(&packet(timestamp), &[event, 0x8a, 0, 160]));
        }
        assert_eq!(keys, "55#");
        assert_eq!(heard.take(&packet(20_000), &[]), None);
    }

    #[test]
    fn a_pressed_key_begins_once_grows_and_ends_three_times() {
        let mut presses = Presses::default();
        assert!(presses.add('*') && !presses.add('d') && !presses.add('x'));
        let mut sent = Vec::new();
        while presses.is_active() {
            if let Step::Send { payload, is_first, .. } = presses.next() {
                sent.push((
                    payload[0],
                    payload[1] & 0x80 != 0,
                    u16::from_be_bytes([payload[2], payload[3]]),
                    is_first,
                ));
            }
        }
        let expected = |event| {
            let growing = (1..=6).map(move |n| (event, false, n * 160, n == 1));
            growing.chain((0..3).map(move |_| (event, true, 960, false)))
        };
        assert_eq!(sent, expected(10).chain(expected(15)).collect::<Vec<_>>());
        assert_eq!(presses.next(), Step::Over);
        for _ in 0..99 {
            presses.add('1');
        }
        assert_eq!(presses.waiting.len(), WAITING_MAX);
    }
}
