//! The one stream that a leg gets, whatever it is made of: one SSRC, and sequence and timestamp that go on when the source
//! of the sound changes.

use std::time::Instant;

use super::LegId;
use crate::rtp::Header;
use crate::{FRAME, FRAME_SAMPLES, SAMPLE_RATE};

/// As for incoming streams: further than this is a new stream.
const DROPOUT_MAX: u16 = 3000;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Source {
    Leg { leg: LegId, ssrc: u32 },
    Playback(u64),
}

/// How the source's numbers become ours.
#[derive(Clone, Copy, Debug)]
struct Mapping {
    source: Source,
    sequence_offset: u16,
    timestamp_offset: u32,
    /// The source's packets before this one had their numbers given to something else.
    floor: u16,
    /// The source's highest so far.
    highest: u16,
}

#[derive(Debug)]
pub(super) struct Outgoing {
    ssrc: u32,
    /// Highest sent, and when.
    sequence: u16,
    timestamp: u32,
    sent_at: Option<Instant>,
    mapping: Option<Mapping>,
}

impl Outgoing {
    pub(super) fn new() -> Outgoing {
        Outgoing {
            ssrc: fastrand::u32(..),
            // Far from the wrap, for receivers that decrypt (RFC 3711 §3.3.1) or are simple.
            sequence: fastrand::u16(1..0x7fff),
            timestamp: fastrand::u32(..),
            sent_at: None,
            mapping: None,
        }
    }

    /// A packet of the other leg with our numbers; the payload type is the caller's business. `None`: it comes too late, its
    /// place in the stream is taken.
    pub(super) fn forward(&mut self, from: LegId, header: &Header, now: Instant) -> Option<Header> {
        let source = Source::Leg { leg: from, ssrc: header.ssrc };
        let known = self.mapping.filter(|mapping| mapping.source == source);
        let (mut mapping, switched) = match known {
            Some(mapping) if !far(mapping.highest, header.sequence) => (mapping, false),
            _ => (self.map(source, header, now), true),
        };
        if before(header.sequence, mapping.floor) {
            return None;
        }
        if before(mapping.highest, header.sequence) {
            mapping.highest = header.sequence;
        }
        self.mapping = Some(mapping);
        let sequence = header.sequence.wrapping_add(mapping.sequence_offset);
        let timestamp = header.timestamp.wrapping_add(mapping.timestamp_offset);
        self.sent(sequence, timestamp, now);
        Some(Header { marker: header.marker || switched, sequence, timestamp, ssrc: self.ssrc, ..*header })
    }

    /// A packet of the other leg that is dropped on purpose: the far end must not take it for a loss.
    pub(super) fn skip(&mut self, from: LegId, header: &Header) {
        let source = Source::Leg { leg: from, ssrc: header.ssrc };
        if let Some(mapping) = &mut self.mapping
            && mapping.source == source
            && !far(mapping.highest, header.sequence)
            && before(mapping.highest, header.sequence)
        {
            mapping.sequence_offset = mapping.sequence_offset.wrapping_sub(1);
            mapping.highest = header.sequence;
            mapping.floor = header.sequence.wrapping_add(1);
        }
    }

    /// The header of the next frame of a playback.
    pub(super) fn frame(&mut self, playback: u64, payload_type: u8, now: Instant) -> Header {
        let source = Source::Playback(playback);
        let switched = self.mapping.is_none_or(|mapping| mapping.source != source);
        let step = if switched { self.elapsed(now) } else { FRAME_SAMPLES as u32 };
        let (sequence, timestamp) = (self.sequence.wrapping_add(1), self.timestamp.wrapping_add(step));
        self.mapping =
            Some(Mapping { source, sequence_offset: 0, timestamp_offset: 0, floor: 0, highest: 0 });
        self.sent(sequence, timestamp, now);
        Header { marker: switched, payload_type, sequence, timestamp, ssrc: self.ssrc }
    }

    /// The header of the next packet of an event of ours (RFC 4733 §2.2.1): all of them have the timestamp of the first, at
    /// `begins`. `length`: with the last one, the samples that the event stood for.
    pub(super) fn event(
        &mut self,
        serial: u64,
        payload_type: u8,
        begins: Option<Instant>,
        length: u32,
    ) -> Header {
        if let Some(now) = begins {
            self.timestamp = self.timestamp.wrapping_add(self.elapsed(now));
            self.sent_at = Some(now);
            let source = Source::Playback(serial);
            self.mapping =
                Some(Mapping { source, sequence_offset: 0, timestamp_offset: 0, floor: 0, highest: 0 });
        }
        self.sequence = self.sequence.wrapping_add(1);
        let timestamp = self.timestamp;
        if let Some(sent_at) = self.sent_at.as_mut().filter(|_| length > 0) {
            self.timestamp = timestamp.wrapping_add(length);
            *sent_at += FRAME * (length / FRAME_SAMPLES as u32);
        }
        Header { marker: begins.is_some(), payload_type, sequence: self.sequence, timestamp, ssrc: self.ssrc }
    }

    pub(super) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Of a packet that would be sent now.
    pub(super) fn timestamp_at(&self, now: Instant) -> u32 {
        self.timestamp.wrapping_add(self.passed(now))
    }

    /// Nothing is sent for a while; what comes next begins anew.
    pub(super) fn interrupt(&mut self) {
        self.mapping = None;
    }

    fn map(&self, source: Source, header: &Header, now: Instant) -> Mapping {
        let timestamp = self.timestamp.wrapping_add(self.elapsed(now));
        Mapping {
            source,
            sequence_offset: self.sequence.wrapping_add(1).wrapping_sub(header.sequence),
            timestamp_offset: timestamp.wrapping_sub(header.timestamp),
            floor: header.sequence,
            highest: header.sequence,
        }
    }

    /// How far the timestamp moves at a change of source: by the time that has passed (RFC 3550 §5.1), at least a frame.
    fn elapsed(&self, now: Instant) -> u32 {
        self.passed(now).max(FRAME_SAMPLES as u32)
    }

    /// Samples since the highest was sent.
    fn passed(&self, now: Instant) -> u32 {
        let Some(sent_at) = self.sent_at else { return 0 };
        let samples =
            now.saturating_duration_since(sent_at).as_micros() * u128::from(SAMPLE_RATE) / 1_000_000;
        // The clock wraps after six days, as every RTP clock does.
        samples as u32
    }

    fn sent(&mut self, sequence: u16, timestamp: u32, now: Instant) {
        if before(self.sequence, sequence) {
            self.sequence = sequence;
        }
        if timestamp.wrapping_sub(self.timestamp) < u32::MAX / 2 {
            self.timestamp = timestamp;
        }
        self.sent_at = Some(now);
    }
}

/// Whether `a` lies before `b` on the circle of sequence numbers.
fn before(a: u16, b: u16) -> bool {
    a != b && b.wrapping_sub(a) < 0x8000
}

fn far(highest: u16, sequence: u16) -> bool {
    let ahead = sequence.wrapping_sub(highest);
    ahead > DROPOUT_MAX && ahead < DROPOUT_MAX.wrapping_neg()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const A: LegId = LegId(1);
    const B: LegId = LegId(2);

    fn packet(ssrc: u32, sequence: u16, timestamp: u32) -> Header {
        Header { marker: false, payload_type: 8, sequence, timestamp, ssrc }
    }

    #[test]
    fn a_stream_keeps_its_gaps_and_its_order_over_the_wrap() {
        let (mut out, now) = (Outgoing::new(), Instant::now());
        let first = out.forward(A, &packet(9, 65_534, u32::MAX - 100), now).expect("sent");
        assert!(first.marker);
        for (sequence, place) in [(65_535, 1), (1, 3), (0, 2), (2, 4)] {
            let timestamp = (u32::MAX - 100).wrapping_add(place * 160);
            let header = out.forward(A, &packet(9, sequence, timestamp), now).expect("sent");
            assert_eq!(header.sequence, first.sequence.wrapping_add(place as u16));
            assert_eq!(header.timestamp, first.timestamp.wrapping_add(place * 160));
            assert_eq!((header.ssrc, header.marker), (first.ssrc, false));
        }
    }

    #[test]
    fn a_change_of_source_goes_on_in_sequence_and_in_time_with_the_marker() {
        let (mut out, now) = (Outgoing::new(), Instant::now());
        let first = out.forward(A, &packet(9, 500, 80_000), now).expect("sent");
        let later = now + Duration::from_millis(100);
        let changes = [
            out.forward(B, &packet(9, 7, 1), later).expect("another leg"),
            out.forward(B, &packet(10, 60_000, 1), later).expect("another stream of the leg"),
            out.frame(1, 8, later),
            out.forward(B, &packet(10, 60_001, 161), later).expect("back after a playback"),
            out.forward(B, &packet(10, 10_000, 9), later).expect("a far jump"),
        ];
        let mut before = (first.sequence, first.timestamp.wrapping_add(800 - 160));
        for header in changes {
            assert!(header.marker);
            assert_eq!(header.ssrc, first.ssrc);
            assert_eq!(header.sequence, before.0.wrapping_add(1));
            assert_eq!(header.timestamp, before.1.wrapping_add(160));
            before = (header.sequence, header.timestamp);
        }
        assert_eq!(out.forward(B, &packet(10, 9_999, 0), later), None, "its number is taken");
    }

    #[test]
    fn packets_dropped_on_purpose_leave_no_gap_and_no_number_is_used_twice() {
        let (mut out, now) = (Outgoing::new(), Instant::now());
        let first = out.forward(A, &packet(9, 10, 0), now).expect("sent");
        out.skip(A, &packet(9, 12, 320));
        assert_eq!(out.forward(A, &packet(9, 11, 160), now), None);
        let next = out.forward(A, &packet(9, 13, 480), now).expect("sent");
        // One place is kept for packet 11, which was on its way.
        assert_eq!(next.sequence, first.sequence.wrapping_add(2));
        assert_eq!(next.timestamp, first.timestamp.wrapping_add(480));
    }

    #[test]
    fn playback_counts_160_samples_a_frame() {
        let (mut out, now) = (Outgoing::new(), Instant::now());
        let first = out.frame(5, 0, now);
        let second = out.frame(5, 0, now + Duration::from_millis(35));
        assert!(first.marker && !second.marker);
        assert_eq!(second.sequence, first.sequence.wrapping_add(1));
        assert_eq!(second.timestamp, first.timestamp.wrapping_add(160));
    }
}
