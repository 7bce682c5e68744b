//! Where in a recording the packets of one side belong. Positions are samples since the recording began.

/// A packet cannot come before its place: a stream that does was placed too late, because its first packet was delayed.
/// So much (15 ms) is left alone.
const EARLY_MAX: i64 = 120;
/// A stream of which no packet of a whole second is nearer to its place than this (30 ms) is moved: its clock is slow, or
/// stood still while nobody spoke.
const DRIFT_MAX: i64 = 240;
const DRIFT_PACKETS: u32 = 50;
/// Further than this (2 s) from its time, a packet is not of the same run of timestamps.
const JUMP_MAX: i64 = 16_000;

/// By RTP timestamp, which tells exactly how packets follow each other, anchored to when they came, which is all that the two
/// sides of a call have in common.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    stream: Option<Stream>,
}

#[derive(Debug)]
struct Stream {
    ssrc: u32,
    timestamp: u32,
    /// Of that timestamp.
    position: i64,
    /// The least that a packet came after its place, among the last few.
    lag_least: i64,
    lags: u32,
}

impl Timeline {
    /// The place of the sample with this timestamp, which was spoken at `spoken` if it was not delayed.
    pub(super) fn place(&mut self, ssrc: u32, timestamp: u32, spoken: i64) -> i64 {
        if let Some(stream) = self.stream.as_mut().filter(|stream| stream.ssrc == ssrc)
            && let Some(position) = stream.follow(timestamp, spoken)
        {
            return position;
        }
        self.stream = Some(Stream { ssrc, timestamp, position: spoken, lag_least: i64::MAX, lags: 0 });
        spoken
    }
}

impl Stream {
    /// `None`: the timestamp has nothing to do with those before.
    fn follow(&mut self, timestamp: u32, spoken: i64) -> Option<i64> {
        // As a signed distance, so that the wrap of the timestamp and packets in the wrong order are nothing special.
        let distance = i64::from(timestamp.wrapping_sub(self.timestamp).cast_signed());
        let mut position = self.position + distance;
        let lag = spoken - position;
        if lag.abs() > JUMP_MAX {
            return None;
        }
        self.lag_least = self.lag_least.min(lag);
        self.lags += 1;
        if lag < -EARLY_MAX {
            position += lag;
            (self.lag_least, self.lags) = (i64::MAX, 0);
        } else if self.lags == DRIFT_PACKETS {
            if self.lag_least > DRIFT_MAX {
                position += self.lag_least;
            }
            (self.lag_least, self.lags) = (i64::MAX, 0);
        }
        if distance >= 0 {
            self.timestamp = timestamp;
            self.position = position;
        }
        Some(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Places of packets `(ssrc, timestamp, spoken)`.
    fn places(packets: impl IntoIterator<Item = (u32, u32, i64)>) -> Vec<i64> {
        let mut timeline = Timeline::default();
        packets.into_iter().map(|(ssrc, timestamp, spoken)| timeline.place(ssrc, timestamp, spoken)).collect()
    }

    #[test]
    fn packets_lie_end_to_end_however_unevenly_they_come() {
        let came = [0, 190, 300, 700, 640, 800];
        let packets = (0..6).map(|n| (1, n * 160, came[n as usize]));
        assert_eq!(places(packets), [0, 160, 320, 480, 640, 800]);
    }

    #[test]
    fn gaps_wraps_repetitions_and_a_wrong_order_keep_their_places() {
        let start = u32::MAX - 200;
        let places =
            places([0u32, 1, 1, 4, 3, 5].map(|n| (1, start.wrapping_add(n * 160), i64::from(n) * 160)));
        assert_eq!(places, [0, 160, 160, 640, 480, 800]);
    }

    #[test]
    fn another_source_and_a_far_jump_begin_where_they_come() {
        assert_eq!(places([(1, 0, 0), (2, 77_000, 160), (2, 77_160, 330)]), [0, 160, 320]);
        assert_eq!(places([(1, 0, 0), (1, 4_000_000, 160), (1, 4_000_160, 320)]), [0, 160, 320]);
    }

    #[test]
    fn a_stream_whose_first_packet_was_late_is_moved_to_where_the_others_come() {
        // The first one was held up for 100 ms.
        assert_eq!(places([(1, 0, 800), (1, 160, 160), (1, 320, 320)]), [800, 160, 320]);
    }

    #[test]
    fn a_stall_of_the_network_moves_nothing() {
        let packets = (0..200u32).map(|n| (1, n * 160, i64::from(n.max(if n < 30 { 30 } else { 0 })) * 160));
        let placed = places(std::iter::once((1, 0, 0)).chain(packets.skip(1)));
        assert!(placed.iter().enumerate().all(|(n, place)| *place == n as i64 * 160));
    }

    #[test]
    fn a_clock_that_stood_still_or_is_slow_is_followed_within_a_second() {
        // Half a second without packets, for which the timestamp did not move.
        let spoken = |n: u32| i64::from(n) * 160 + if n >= 10 { 4000 } else { 0 };
        let placed = places((0..200).map(|n| (1, n * 160, spoken(n))));
        assert!((100..200).all(|n| (placed[n as usize] - spoken(n)).abs() <= DRIFT_MAX));
        // One in a thousand slow, for five minutes.
        let spoken = |n: u32| i64::from(n) * 160 * 1001 / 1000;
        let placed = places((0..15_000).map(|n| (1, n * 160, spoken(n))));
        assert!((0..15_000).all(|n| (placed[n as usize] - spoken(n)).abs() <= DRIFT_MAX + 20));
    }
}
