//! What came in on a leg: by sequence number and by time (RFC 3550 §A.1, §A.3, §A.8).

use std::time::{Duration, Instant};

use crate::quality::Reception;
use crate::rtcp::Block;
use crate::rtp::Header;

/// A jump further than this, forwards or back, is a new stream and no loss.
const DROPOUT_MAX: u16 = 3000;
const MISORDER_MAX: u16 = 100;
/// Packets behind the newest within which a repeated one is known.
const WINDOW: u16 = 64;
/// A packet that is further from its time than this (1 s) has a clock that jumped: no jitter.
const JITTER_MAX: u32 = CLOCK;
/// Packets whose delays differ by no more than this (8 ms) are equally late. It is less than half a packet.
const PUNCTUAL_MAX: u32 = 64;
/// Of timestamps, a second.
const CLOCK: u32 = 8000;
/// Jitter is reckoned in sixteenths.
const JITTER_SCALE: u32 = 16;

#[derive(Debug)]
pub(super) struct Incoming {
    /// What arrival times are counted from.
    begun: Instant,
    stream: Option<Stream>,
    /// Before the last time that the counts were taken.
    lost_before: u64,
    counts: Counts,
}

/// Since they were taken last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    expected: u64,
    /// Without those that came twice.
    received: u64,
    pub(super) duplicates: u64,
    /// Of the running jitter, at each packet that has one.
    jitter_sum: u64,
    jitters: u64,
}

#[derive(Debug)]
struct Stream {
    ssrc: u32,
    /// The first and the highest, with the times that the number began anew above.
    base: u32,
    highest: u32,
    received: u32,
    /// Bit n: the packet n before the highest has come.
    seen: u64,
    /// How much later the last packet came than its timestamp says, and how much that changes.
    transit: Option<u32>,
    jitter: u32,
    /// At the report before.
    expected_before: u32,
    received_before: u32,
}

impl Incoming {
    pub(super) fn new(now: Instant) -> Incoming {
        Incoming { begun: now, stream: None, lost_before: 0, counts: Counts::default() }
    }

    /// `is_sound`: its timestamp is of the moment at which it was spoken. Whether it is the next packet of its stream and came
    /// about as much after the one before as it was spoken after it.
    pub(super) fn count(&mut self, header: &Header, is_sound: bool, now: Instant) -> bool {
        let arrival = self.samples(now);
        let counts = &mut self.counts;
        let transit = is_sound.then(|| arrival.wrapping_sub(header.timestamp));
        if let Some(stream) = self.stream.as_mut().filter(|stream| stream.ssrc == header.ssrc) {
            let is_next = header.sequence == (stream.highest as u16).wrapping_add(1);
            if stream.follow(header.sequence, counts) {
                return stream.time(transit, counts) && is_next;
            }
        }
        counts.expected += 1;
        counts.received += 1;
        self.stream = Some(Stream::new(header, transit));
        false
    }

    fn samples(&self, now: Instant) -> u32 {
        let passed = now.saturating_duration_since(self.begun);
        // It wraps after six days, as every RTP clock does.
        let whole = (passed.as_secs() as u32).wrapping_mul(CLOCK);
        whole.wrapping_add(passed.subsec_nanos() / (1_000_000_000 / CLOCK))
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost_before + self.counts.lost()
    }

    /// Counts begin anew.
    pub(super) fn take(&mut self) -> Counts {
        let counts = std::mem::take(&mut self.counts);
        self.lost_before += counts.lost();
        counts
    }

    /// What is said of the stream in a report (RFC 3550 §6.4.1), but for the far end's own reports; None: there is none, or
    /// nothing came of it since the report before.
    pub(super) fn block(&mut self) -> Option<Block> {
        self.stream.as_mut()?.block()
    }
}

impl Counts {
    fn lost(&self) -> u64 {
        self.expected.saturating_sub(self.received)
    }

    pub(super) fn reception(&self) -> Reception {
        let samples = self.jitter_sum / self.jitters.max(1);
        let micros = samples * 1_000_000 / u64::from(JITTER_SCALE * CLOCK);
        Reception { lost: self.lost(), jitter: Duration::from_micros(micros) }
    }
}

impl Stream {
    fn new(header: &Header, transit: Option<u32>) -> Stream {
        let highest = u32::from(header.sequence);
        Stream {
            ssrc: header.ssrc,
            base: highest,
            highest,
            received: 1,
            seen: 1,
            transit,
            jitter: 0,
            expected_before: 0,
            received_before: 0,
        }
    }

    /// Whether the packet belongs to this stream; then it is counted.
    fn follow(&mut self, sequence: u16, counts: &mut Counts) -> bool {
        let ahead = sequence.wrapping_sub(self.highest as u16);
        if ahead == 0 || ahead.wrapping_neg() <= MISORDER_MAX {
            let behind = ahead.wrapping_neg();
            if behind < WINDOW {
                let bit = 1 << behind;
                if self.seen & bit != 0 {
                    counts.duplicates += 1;
                    return true;
                }
                self.seen |= bit;
            }
        } else if ahead <= DROPOUT_MAX {
            counts.expected += u64::from(ahead);
            self.highest = self.highest.wrapping_add(u32::from(ahead));
            self.seen = if ahead < WINDOW { self.seen << ahead } else { 0 } | 1;
        } else {
            return false;
        }
        counts.received += 1;
        self.received = self.received.wrapping_add(1);
        true
    }

    /// `transit`: None for what has not the timestamp of its moment. Whether it is as late as the packet before.
    fn time(&mut self, transit: Option<u32>, counts: &mut Counts) -> bool {
        let Some(transit) = transit else { return false };
        let Some(before) = self.transit.replace(transit) else { return false };
        let difference = transit.wrapping_sub(before).cast_signed().unsigned_abs();
        if difference <= JITTER_MAX {
            self.jitter = self.jitter + difference - ((self.jitter + JITTER_SCALE / 2) / JITTER_SCALE);
            counts.jitter_sum += u64::from(self.jitter);
            counts.jitters += 1;
        }
        difference <= PUNCTUAL_MAX
    }

    fn block(&mut self) -> Option<Block> {
        let expected = self.highest.wrapping_sub(self.base).wrapping_add(1);
        let expected_since = expected.wrapping_sub(self.expected_before);
        let received_since = self.received.wrapping_sub(self.received_before);
        if expected_since == 0 && received_since == 0 {
            return None;
        }
        (self.expected_before, self.received_before) = (expected, self.received);
        let lost_since = expected_since.saturating_sub(received_since);
        Some(Block {
            ssrc: self.ssrc,
            // Less than all of them, so that it fits: something came, or it is at most 255.
            fraction_lost: (u64::from(lost_since) * 256 / u64::from(expected_since.max(1))).min(255) as u8,
            lost: expected.wrapping_sub(self.received).cast_signed(),
            highest: self.highest,
            jitter: self.jitter / JITTER_SCALE,
            last: 0,
            since_last: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FRAME;

    /// Packets of 20 ms as they come: SSRC, sequence number, and when, in ms after the packet's own time.
    fn counted(packets: impl IntoIterator<Item = (u32, u16, u64)>) -> Incoming {
        let now = Instant::now();
        let mut incoming = Incoming::new(now);
        for (ssrc, sequence, late_ms) in packets {
            let timestamp = u32::from(sequence) * 160;
            let header = Header { marker: false, payload_type: 0, sequence, timestamp, ssrc };
            let at = now + FRAME * u32::from(sequence) + Duration::from_millis(late_ms);
            incoming.count(&header, true, at);
        }
        incoming
    }

    fn lost(packets: impl IntoIterator<Item = (u32, u16)>) -> u64 {
        counted(packets.into_iter().map(|(ssrc, sequence)| (ssrc, sequence, 0))).lost()
    }

    #[test]
    fn gaps_are_counted_over_the_wrap_of_the_sequence() {
        assert_eq!(lost([(1, 65_534), (1, 65_535), (1, 2), (1, 3)]), 2);
    }

    #[test]
    fn reordered_and_repeated_packets_are_not_lost() {
        assert_eq!(lost([(1, 10), (1, 12), (1, 11), (1, 13)]), 0);
        assert_eq!(lost([(1, 10), (1, 10), (1, 11)]), 0);
    }

    #[test]
    fn a_packet_that_comes_twice_does_not_stand_for_one_that_is_lost() {
        let mut incoming = counted([10, 11, 11, 13, 11, 13, 14].map(|n| (1, n, 0)));
        assert_eq!(incoming.lost(), 1);
        let counts = incoming.take();
        assert_eq!((counts.duplicates, counts.received, counts.reception().lost), (3, 4, 1));
        assert_eq!((incoming.lost(), incoming.take().lost()), (1, 0), "taken, and still known");
    }

    #[test]
    fn a_new_source_or_a_far_jump_is_no_loss() {
        assert_eq!(lost([(1, 10), (1, 12), (2, 40_000), (2, 40_001)]), 1);
        assert_eq!(lost([(1, 10), (1, 12), (1, 30_000), (1, 30_002)]), 2);
    }

    #[test]
    fn jitter_is_how_unevenly_packets_come_and_not_how_late() {
        let jitter = |late: fn(u16) -> u64| {
            counted((0..500).map(|n| (1, n, late(n)))).take().reception().jitter.as_millis()
        };
        assert_eq!(jitter(|_| 0), 0);
        assert_eq!(jitter(|_| 400), 0);
        // Each packet differs from the one before by 8 ms.
        assert!((7..=8).contains(&jitter(|n| u64::from(n % 2) * 8)));
        // A clock that jumps is none.
        assert_eq!(jitter(|n| u64::from(n > 250) * 5000), 0);
    }

    #[test]
    fn punctual_is_who_comes_next_and_as_late_as_the_one_before() {
        let now = Instant::now();
        let mut incoming = Incoming::new(now);
        let mut count = |sequence: u16, timestamp: u16, at_ms: u64| {
            let timestamp = u32::from(timestamp) * 160;
            let header = Header { marker: false, payload_type: 0, sequence, timestamp, ssrc: 1 };
            incoming.count(&header, true, now + Duration::from_millis(at_ms))
        };
        assert!(!count(0, 0, 0), "there is none before");
        assert!(count(1, 1, 27));
        assert!(!count(2, 2, 60), "later than the one before");
        assert!(count(3, 3, 80), "not later still");
        assert!(!count(4, 4, 81), "two at once");
        assert!(!count(6, 6, 121), "one is missing");
        assert!(!count(5, 5, 122), "it comes late");
        assert!(!count(7, 7, 141), "less late than the one before");
        assert!(count(8, 8, 161));
    }

    #[test]
    fn a_report_tells_the_fraction_since_the_one_before_and_the_sum_of_all() {
        let mut incoming = counted([65_000, 65_001, 65_003].map(|n| (1, n, 0)));
        let block = incoming.block().expect("a stream");
        assert_eq!((block.ssrc, block.fraction_lost, block.lost, block.highest), (1, 64, 1, 65_003));
        assert_eq!(incoming.block(), None, "nothing came since");
        let now = Instant::now();
        for sequence in [65_004u16, 65_535, 0] {
            let header = Header { marker: false, payload_type: 0, sequence, timestamp: 0, ssrc: 1 };
            incoming.count(&header, false, now);
        }
        let block = incoming.block().expect("a stream");
        assert_eq!((block.fraction_lost, block.lost, block.highest), (254, 531, 65_536));
    }
}
