//! RTCP of one leg: when it reports, what it reports, and what the far end reports of our stream (RFC 3550 §6).

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::incoming::Incoming;
use super::outgoing::Outgoing;
use crate::quality::{Quality, Reception};
use crate::rtcp::{Block, Item, NAME_LEN, REPORT_MAX, Report, Sender};
use crate::{SAMPLE_RATE, rtcp};

/// RFC 3550 §6.2: the least for small sessions. Each interval is between half of it and half of it more (§6.3.1).
const INTERVAL: Duration = Duration::from_secs(5);
/// Reports of ours that the far end may still refer to.
const SENT_MAX: usize = 4;
/// A round trip that is longer is none.
const ROUND_TRIP_MAX: Duration = Duration::from_secs(60);
/// Between 1900, where NTP begins, and 1970.
const NTP_EPOCH: u64 = 2_208_988_800;

#[derive(Debug)]
pub(super) struct Reports {
    /// Of the timer that drives them.
    pub(super) serial: u64,
    /// RTCP has a port of its own, the next one to that of RTP.
    pub(super) apart: Option<Apart>,
    name: [u8; NAME_LEN],
    /// How much faster the far end's timestamps run than ours.
    pub(super) clock: u32,
    /// Of RTP, and its payload.
    packets_out: u32,
    octets_out: u32,
    packets_reported: u32,
    /// Marks of our last reports as a sender, and when they went.
    sent: [Option<(u32, Instant)>; SENT_MAX],
    next_sent: usize,
    /// Source and mark of the far end's last report as a sender, and when it came.
    theirs: Option<(u32, u32, Instant)>,
    since: Since,
}

/// The second socket of a leg.
#[derive(Debug)]
pub(super) struct Apart {
    pub(super) socket: UdpSocket,
    /// Where RTCP came from last.
    pub(super) source: Option<SocketAddr>,
}

/// What was learned since it was asked for last.
#[derive(Debug, Default)]
struct Since {
    /// `packets_out` then.
    packets_out: u32,
    /// Lost in all by the far end's report before, and by its last one.
    lost_before: i32,
    lost: Option<i32>,
    jitter_sum: u64,
    jitters: u32,
    round_trip: Duration,
    round_trips: u32,
}

impl Reports {
    pub(super) fn new() -> Reports {
        Reports {
            serial: 0,
            apart: None,
            name: std::array::from_fn(|_| fastrand::alphanumeric() as u8),
            clock: 1,
            packets_out: 0,
            octets_out: 0,
            packets_reported: 0,
            sent: [None; SENT_MAX],
            next_sent: 0,
            theirs: None,
            since: Since::default(),
        }
    }

    /// Until the next report.
    pub(super) fn interval(&self) -> Duration {
        INTERVAL.mul_f64(fastrand::f64() + 0.5)
    }

    /// The first one comes sooner.
    pub(super) fn first_interval(&self) -> Duration {
        self.interval() / 2
    }

    /// A packet of RTP was sent.
    pub(super) fn sent(&mut self, payload_len: usize) {
        self.packets_out = self.packets_out.wrapping_add(1);
        self.octets_out = self.octets_out.wrapping_add(payload_len as u32);
    }

    /// Writes what is due. None: neither was anything sent since the last one, nor did anything come.
    pub(super) fn write(
        &mut self,
        incoming: &mut Incoming,
        outgoing: &Outgoing,
        now: Instant,
        out: &mut [u8; REPORT_MAX],
    ) -> Option<usize> {
        let block = incoming.block().map(|block| self.with_theirs(block, now));
        let block = block.map(|block| Block { jitter: block.jitter.saturating_mul(self.clock), ..block });
        let has_sent = std::mem::replace(&mut self.packets_reported, self.packets_out) != self.packets_out;
        let sender = has_sent.then(|| Sender {
            ntp: ntp(SystemTime::now()),
            timestamp: outgoing.timestamp_at(now).wrapping_mul(self.clock),
            packets: self.packets_out,
            octets: self.octets_out,
        });
        if let Some(sender) = sender {
            self.sent[self.next_sent] = Some((sender.mark(), now));
            self.next_sent = (self.next_sent + 1) % SENT_MAX;
        }
        let report = Report { ssrc: outgoing.ssrc(), sender, block, name: self.name };
        (sender.is_some() || block.is_some()).then(|| report.write(out))
    }

    /// The block with what it says of the far end's own reports.
    fn with_theirs(&self, block: Block, now: Instant) -> Block {
        let Some((_, mark, at)) = self.theirs.filter(|(ssrc, ..)| *ssrc == block.ssrc) else { return block };
        let passed = now.saturating_duration_since(at);
        let since_last = u32::try_from(passed.as_micros() * 65_536 / 1_000_000).unwrap_or(u32::MAX);
        Block { last: mark, since_last, ..block }
    }

    /// Whether it is RTCP. What it says of others' streams is left out.
    pub(super) fn read(&mut self, datagram: &[u8], ours: u32, now: Instant) -> bool {
        let read = rtcp::read(datagram, |item| match item {
            Item::Sender { ssrc, sender } => self.theirs = Some((ssrc, sender.mark(), now)),
            Item::Block(block) if block.ssrc == ours => self.told(&block, now),
            Item::Block(_) => {}
        });
        read.is_ok()
    }

    fn told(&mut self, block: &Block, now: Instant) {
        let since = &mut self.since;
        since.lost = Some(block.lost);
        since.jitter_sum += u64::from((block.jitter / self.clock).min(SAMPLE_RATE));
        since.jitters = since.jitters.saturating_add(1);
        // Only what refers to a report of ours is believed.
        let at = self.sent.iter().flatten().find(|(mark, _)| block.last != 0 && *mark == block.last);
        if let Some((_, at)) = at {
            let held = Duration::from_micros(u64::from(block.since_last) * 1_000_000 / 65_536);
            let round_trip = now.saturating_duration_since(*at).saturating_sub(held);
            if round_trip <= ROUND_TRIP_MAX {
                since.round_trip += round_trip;
                since.round_trips += 1;
            }
        }
    }

    /// How the leg was since the last time that this was asked.
    pub(super) fn take(&mut self, incoming: &mut Incoming, packets_in: u64) -> Quality {
        let counts = incoming.take();
        let since = std::mem::take(&mut self.since);
        let packets_out = self.packets_out.wrapping_sub(since.packets_out);
        let lost_now = since.lost.unwrap_or(since.lost_before);
        self.since = Since { packets_out: self.packets_out, lost_before: lost_now, ..Since::default() };
        let reported = since.lost.map(|lost| {
            let lost = u64::try_from(lost.saturating_sub(since.lost_before)).unwrap_or(0);
            let samples = since.jitter_sum / u64::from(since.jitters.max(1));
            Reception {
                lost: lost.min(packets_out.into()),
                jitter: Duration::from_micros(samples * 1_000_000 / u64::from(SAMPLE_RATE)),
            }
        });
        Quality {
            packets_in,
            duplicates_in: counts.duplicates,
            received: counts.reception(),
            packets_out: packets_out.into(),
            reported,
            round_trip: (since.round_trips > 0).then(|| since.round_trip / since.round_trips),
        }
    }
}

fn ntp(at: SystemTime) -> u64 {
    // A clock before 1970 is wrong in any case.
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    // It begins anew in 2036, which receivers are made for.
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    ((since.as_secs() + NTP_EPOCH) << 32) | fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: u32 = 77;

    /// A receiver report of the far end.
    fn report(block: Block) -> Vec<u8> {
        let mut out = [0; REPORT_MAX];
        let len =
            Report { ssrc: 5, sender: None, block: Some(block), name: [b'x'; NAME_LEN] }.write(&mut out);
        out[..len].to_vec()
    }

    fn block() -> Block {
        Block { ssrc: OURS, fraction_lost: 0, lost: 0, highest: 0, jitter: 0, last: 0, since_last: 0 }
    }

    #[test]
    fn the_round_trip_is_what_passed_without_the_time_at_the_far_end() {
        let now = Instant::now();
        let (mut reports, mut incoming) = (Reports::new(), Incoming::new(now));
        reports.sent(160);
        let mut out = [0; REPORT_MAX];
        reports.write(&mut incoming, &Outgoing::new(), now, &mut out).expect("a sender's");
        let mut mark = 0;
        rtcp::read(&out[..28], |item| {
            if let Item::Sender { sender, .. } = item {
                mark = sender.mark();
            }
        })
        .expect("RTCP");
        let answer = report(Block { last: mark, since_last: 65_536 / 2, ..block() });
        assert!(reports.read(&answer, OURS, now + Duration::from_millis(580)));
        let forged = report(Block { last: mark ^ 1, since_last: 0, ..block() });
        assert!(reports.read(&forged, OURS, now + Duration::from_secs(9)));
        let quality = reports.take(&mut incoming, 0);
        assert_eq!(quality.round_trip, Some(Duration::from_millis(80)));
    }

    #[test]
    fn losses_at_the_far_end_are_of_this_part_of_the_leg_and_never_more_than_was_sent() {
        let now = Instant::now();
        let (mut reports, mut incoming) = (Reports::new(), Incoming::new(now));
        let mut part = |sent: usize, lost: &[i32]| {
            (0..sent).for_each(|_| reports.sent(160));
            for lost in lost {
                assert!(reports.read(&report(Block { lost: *lost, jitter: 80, ..block() }), OURS, now));
            }
            let quality = reports.take(&mut incoming, 0);
            (quality.packets_out, quality.reported.map(|reported| reported.lost))
        };
        assert_eq!(part(100, &[1, 3]), (100, Some(3)));
        assert_eq!(part(50, &[]), (50, None));
        assert_eq!(part(50, &[4]), (50, Some(1)));
        assert_eq!(part(50, &[2]), (50, Some(0)));
        assert_eq!(part(10, &[1000]), (10, Some(10)));
        let other = report(Block { ssrc: OURS + 1, ..block() });
        assert!(reports.read(&other, OURS, now), "of somebody else's stream");
        assert_eq!(reports.take(&mut incoming, 0).reported, None);
        assert!(!reports.read(b"no RTCP", OURS, now));
    }

    #[test]
    fn nothing_is_said_of_nothing_and_a_receiver_has_no_sender() {
        let now = Instant::now();
        let (mut reports, mut incoming, outgoing) = (Reports::new(), Incoming::new(now), Outgoing::new());
        let mut out = [0; REPORT_MAX];
        assert_eq!(reports.write(&mut incoming, &outgoing, now, &mut out), None);
        let header =
            crate::rtp::Header { marker: false, payload_type: 8, sequence: 9, timestamp: 0, ssrc: 4 };
        incoming.count(&header, true, now);
        let len = reports.write(&mut incoming, &outgoing, now, &mut out).expect("a receiver's");
        let mut items = Vec::new();
        rtcp::read(&out[..len], |item| items.push(item)).expect("RTCP");
        assert!(matches!(items[..], [Item::Block(Block { ssrc: 4, highest: 9, .. })]), "{items:?}");
        assert_eq!(reports.write(&mut incoming, &outgoing, now, &mut out), None);
    }
}
