//! Where a leg's RTP comes from: told by SDP, corrected by the first packets (symmetric RTP, RFC 4961), then pinned.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// The source may change for this long after the first packet…
const PROBATION: Duration = Duration::from_secs(2);
/// … and for this many packets, whichever ends first.
const PROBATION_PACKETS: u32 = 50;

/// How much a source is worth believing. A better one displaces a worse one in the probation; among equals the first stays.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Trust {
    /// Where RTP came from before the far end named a new address: probably late packets.
    Former,
    /// Somewhere else: a far end behind NAT.
    Elsewhere,
    /// The host that SDP names, another port.
    SameHost,
    /// Exactly what SDP says. Nothing displaces it, so it ends the probation.
    Named,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// No packet yet.
    Waiting,
    Probation {
        until: Instant,
        packets: u32,
        trust: Trust,
    },
    Pinned,
}

#[derive(Debug)]
pub(super) struct Latch {
    named: SocketAddr,
    source: SocketAddr,
    former: Option<SocketAddr>,
    state: State,
}

impl Latch {
    /// `named`: what SDP says.
    pub(super) fn new(named: SocketAddr) -> Latch {
        Latch { named, source: named, former: None, state: State::Waiting }
    }

    /// SDP was renewed. The same address changes nothing: a re-INVITE for hold must not open the window again.
    pub(super) fn rename(&mut self, named: SocketAddr) {
        if same(self.named, named) {
            return;
        }
        let former = (!matches!(self.state, State::Waiting)).then_some(self.source);
        *self = Latch { former, ..Latch::new(named) };
    }

    /// The call was answered: whoever speaks now may be somewhere else than the network was that spoke before, also when SDP
    /// does not say so. Until the first packet, sound goes where it went.
    pub(super) fn reopen(&mut self) {
        self.state = State::Waiting;
    }

    /// Whether RTP comes from there already; with `is_apart` from that host.
    pub(super) fn is_source(&self, source: SocketAddr, is_apart: bool) -> bool {
        let is_heard = !matches!(self.state, State::Waiting);
        is_heard
            && if is_apart {
                plain(self.source.ip()) == plain(source.ip())
            } else {
                same(self.source, source)
            }
    }

    /// Where to send; `None` when SDP named no address (RFC 3264 §8.4: hold by 0.0.0.0) and nothing was heard.
    pub(super) fn destination(&self) -> Option<SocketAddr> {
        (!self.source.ip().is_unspecified() && self.source.port() != 0).then_some(self.source)
    }

    /// The source that will not change any more, as long as SDP names no other address.
    pub(super) fn pinned(&self) -> Option<SocketAddr> {
        matches!(self.state, State::Pinned).then_some(self.source)
    }

    /// Whether a packet from `source` belongs to this leg. It may move the leg there.
    pub(super) fn accept(&mut self, source: SocketAddr, now: Instant) -> bool {
        match self.state {
            State::Pinned => same(self.source, source),
            State::Waiting => {
                self.move_to(source, now + PROBATION, 0);
                true
            }
            State::Probation { until, packets, trust } => {
                if now >= until || packets >= PROBATION_PACKETS {
                    self.state = State::Pinned;
                    return same(self.source, source);
                }
                if same(self.source, source) {
                    self.state = State::Probation { until, packets: packets + 1, trust };
                    return true;
                }
                let better = self.trust(source) > trust;
                if better {
                    self.move_to(source, until, packets);
                }
                better
            }
        }
    }

    fn move_to(&mut self, source: SocketAddr, until: Instant, packets: u32) {
        self.source = source;
        let trust = self.trust(source);
        self.state = match trust {
            Trust::Named => State::Pinned,
            _ => State::Probation { until, packets: packets + 1, trust },
        };
    }

    fn trust(&self, source: SocketAddr) -> Trust {
        if same(self.named, source) {
            Trust::Named
        } else if self.former.is_some_and(|former| same(former, source)) {
            Trust::Former
        } else if plain(self.named.ip()) == plain(source.ip()) {
            Trust::SameHost
        } else {
            Trust::Elsewhere
        }
    }
}

/// By host and port; a socket for both families shows IPv4 as mapped addresses, and IPv6 has scopes that SDP cannot name.
fn same(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() == b.port() && plain(a.ip()) == plain(b.ip())
}

fn plain(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn latch() -> (Latch, Instant) {
        (Latch::new(at("192.0.2.1:4000")), Instant::now())
    }

    #[test]
    fn after_the_answer_the_first_packet_decides_anew() {
        let (mut latch, start) = (Latch::new(at("192.0.2.1:4000")), Instant::now());
        assert!(latch.accept(at("192.0.2.1:4000"), start));
        assert!(!latch.accept(at("203.0.113.9:9"), start));
        latch.reopen();
        assert_eq!(latch.destination(), Some(at("192.0.2.1:4000")), "until then sound goes where it went");
        assert!(latch.accept(at("203.0.113.9:9"), start));
        assert_eq!(latch.destination(), Some(at("203.0.113.9:9")));
        assert!(latch.accept(at("192.0.2.1:4000"), start), "the named one is still the best");
        assert_eq!(latch.pinned(), Some(at("192.0.2.1:4000")));
    }

    #[test]
    fn the_named_source_is_pinned_by_its_first_packet() {
        let (mut latch, now) = latch();
        assert_eq!(latch.pinned(), None);
        assert!(latch.accept(at("192.0.2.1:4000"), now));
        assert_eq!(latch.pinned(), Some(at("192.0.2.1:4000")));
        assert!(!latch.accept(at("198.51.100.9:4000"), now));
        assert!(!latch.accept(at("192.0.2.1:4002"), now));
        assert_eq!(latch.destination(), Some(at("192.0.2.1:4000")));
    }

    #[test]
    fn a_far_end_behind_nat_is_answered_where_it_sends_from() {
        let (mut latch, now) = latch();
        assert!(latch.accept(at("203.0.113.5:61000"), now));
        assert_eq!(latch.destination(), Some(at("203.0.113.5:61000")));
        assert!(!latch.accept(at("198.51.100.9:4000"), now + 20 * MS), "the first of equals stays");
        assert!(latch.accept(at("203.0.113.5:61000"), now + 3000 * MS));
        assert!(
            !latch.accept(at("192.0.2.1:4000"), now + 3001 * MS),
            "pinned: even the named address comes too late"
        );
    }

    #[test]
    fn the_named_source_takes_over_within_the_probation() {
        let (mut latch, now) = latch();
        assert!(latch.accept(at("198.51.100.9:4000"), now));
        assert!(latch.accept(at("192.0.2.1:9999"), now + 10 * MS), "the same host is worth more");
        assert!(latch.accept(at("192.0.2.1:4000"), now + 20 * MS));
        assert!(!latch.accept(at("198.51.100.9:4000"), now + 30 * MS));
        assert_eq!(latch.destination(), Some(at("192.0.2.1:4000")));
    }

    #[test]
    fn the_probation_ends_by_packets_too() {
        let (mut latch, now) = latch();
        for _ in 0..PROBATION_PACKETS {
            assert!(latch.accept(at("203.0.113.5:61000"), now));
        }
        assert!(!latch.accept(at("192.0.2.1:4000"), now));
    }

    #[test]
    fn a_new_address_opens_a_new_probation_and_the_same_address_does_not() {
        let (mut latch, now) = latch();
        assert!(latch.accept(at("192.0.2.1:4000"), now));
        latch.rename(at("192.0.2.1:4000"));
        assert!(!latch.accept(at("203.0.113.5:61000"), now));
        latch.rename(at("192.0.2.7:5000"));
        assert_eq!(latch.destination(), Some(at("192.0.2.7:5000")));
        assert!(latch.accept(at("192.0.2.1:4000"), now), "a late packet of the old stream");
        assert!(latch.accept(at("203.0.113.5:61000"), now), "anything new is worth more than that");
        assert!(latch.accept(at("192.0.2.7:5000"), now));
        assert!(!latch.accept(at("192.0.2.1:4000"), now));
    }

    #[test]
    fn no_address_is_no_destination() {
        assert_eq!(Latch::new(at("0.0.0.0:4000")).destination(), None);
        assert_eq!(Latch::new(at("192.0.2.1:0")).destination(), None);
    }

    #[test]
    fn a_mapped_address_is_the_same_address() {
        let (mut latch, now) = latch();
        assert!(latch.accept(at("[::ffff:192.0.2.1]:4000"), now));
        assert!(!latch.accept(at("[::ffff:192.0.2.9]:4000"), now));
    }
}
