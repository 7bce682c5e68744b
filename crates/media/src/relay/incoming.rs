//! What came in on a leg, by sequence number (RFC 3550 §A.1, §A.3).

use crate::rtp::Header;

/// A jump further than this, forwards or back, is a new stream and no loss.
const DROPOUT_MAX: u16 = 3000;
const MISORDER_MAX: u16 = 100;

#[derive(Debug, Default)]
pub(super) struct Incoming {
    stream: Option<Stream>,
    lost_before: u64,
}

#[derive(Debug)]
struct Stream {
    ssrc: u32,
    highest: u16,
    expected: u64,
    received: u64,
}

impl Incoming {
    pub(super) fn count(&mut self, header: &Header) {
        if let Some(stream) = &mut self.stream
            && stream.ssrc == header.ssrc
            && stream.follow(header.sequence)
        {
            return;
        }
        self.lost_before = self.lost();
        let (ssrc, highest) = (header.ssrc, header.sequence);
        self.stream = Some(Stream { ssrc, highest, expected: 1, received: 1 });
    }

    pub(super) fn lost(&self) -> u64 {
        // Duplicates can make more received than expected.
        let current =
            self.stream.as_ref().map_or(0, |stream| stream.expected.saturating_sub(stream.received));
        self.lost_before + current
    }
}

impl Stream {
    /// Whether the packet belongs to this stream; then it is counted.
    fn follow(&mut self, sequence: u16) -> bool {
        let ahead = sequence.wrapping_sub(self.highest);
        if ahead <= DROPOUT_MAX {
            self.expected += u64::from(ahead);
            self.highest = sequence;
        } else if ahead.wrapping_neg() > MISORDER_MAX {
            return false;
        }
        self.received += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(packets: impl IntoIterator<Item = (u32, u16)>) -> u64 {
        let mut incoming = Incoming::default();
        for (ssrc, sequence) in packets {
            incoming.count(&Header { marker: false, payload_type: 0, sequence, timestamp: 0, ssrc });
        }
        incoming.lost()
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
    fn a_new_source_or_a_far_jump_is_no_loss() {
        assert_eq!(lost([(1, 10), (1, 12), (2, 40_000), (2, 40_001)]), 1);
        assert_eq!(lost([(1, 10), (1, 12), (1, 30_000), (1, 30_002)]), 2);
    }
}
