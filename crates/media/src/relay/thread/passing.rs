//! Packets of sound: read, copied for who listens, and passed on.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Instant;

use rustix::io::Errno;
use rustix::net::RecvFlags;

use super::MediaThread;
use crate::relay::RelayEvent;
use crate::relay::leg::{Content, Leg, content, translate};
use crate::rtp::{self, HEADER_LEN};

/// Of so many packets, one is not believed to be the last on its socket.
const DOUBT: u16 = 16;

impl<F: Fn(RelayEvent)> MediaThread<F> {
    /// Reads one packet of a socket, if there is one. Whether there may be more.
    pub(super) fn read(&mut self, slot: usize, now: Instant) -> bool {
        // A leg that was closed in between leaves nobody, or the slot's next leg, which has nothing to read.
        let Some(leg) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return false };
        // Not by the standard library: with threads, its libc looks at each call whether the thread is cancelled.
        match rustix::net::recvfrom(&leg.socket, &mut self.datagram, RecvFlags::empty()) {
            Ok((len, _, source)) => source
                .and_then(|source| SocketAddr::try_from(source).ok())
                .is_none_or(|source| self.packet(slot, len, source, now) == Behind::Maybe),
            Err(Errno::AGAIN) => false,
            // Interrupted, or an ICMP error about something sent: it is told once, and the socket goes on.
            Err(error) => {
                tracing::trace!(leg = leg.id.0, %error, "RTP socket");
                true
            }
        }
    }

    fn packet(&mut self, slot: usize, len: usize, source: SocketAddr, now: Instant) -> Behind {
        let Some(leg) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return Behind::Maybe };
        if leg.web.is_some() && !rtp::is_rtp_or_rtcp(&self.datagram[..len]) {
            self.set_up_web(slot, len, source);
            return Behind::Maybe;
        }
        if rtp::is_rtp_or_rtcp(&self.datagram[..len]) && rtp::is_rtcp(&self.datagram[..len]) {
            self.control(slot, len, source, false, now);
            return Behind::Maybe;
        }
        let Some(len) = leg.open_packet(&mut self.datagram[..len]) else {
            leg.stats.packets_refused += 1;
            return Behind::Maybe;
        };
        let Ok(parsed) = rtp::parse(&self.datagram[..len]) else {
            leg.stats.packets_refused += 1;
            return Behind::Maybe;
        };
        let header = parsed.header;
        let meant = leg.far.as_ref().and_then(|far| {
            let content = content(&far.media, header.payload_type)?;
            Some((content, far.media.receive))
        });
        let meant = meant.filter(|_| leg.accept(source, now));
        let Some((content, receive)) = meant else {
            leg.stats.packets_refused += 1;
            return Behind::Maybe;
        };
        leg.stats.packets_in += 1;
        let header = leg.header_in(&header);
        let is_punctual = leg.incoming.count(&header, matches!(content, Content::Sound(_)), now);
        let is_last = is_punctual && leg.is_connected() && !header.sequence.is_multiple_of(DOUBT);
        let behind = if is_last { Behind::Nothing } else { Behind::Maybe };
        if self.is_untouched(slot, content, header.payload_type) {
            let packet = Accepted { content, receive, header, payload: parsed.payload() };
            self.heard(slot, now);
            self.pass_untouched(slot, packet, now);
            return behind;
        }
        let Some(leg) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return behind };
        let (content, payload) =
            leg.payload_in(content, header.payload_type, parsed.payload(), &mut self.datagram);
        let packet = Accepted { content, receive, header, payload };
        self.tap(slot, &packet, now);
        self.heard(slot, now);
        self.pass_on(slot, packet, now);
        behind
    }

    /// Whether both sides speak the same codec, which is not G.711, and nobody else hears this side.
    fn is_untouched(&self, slot: usize, content: Content, payload_type: u8) -> bool {
        let leg = |slot: usize| self.slots.get(slot).and_then(Option::as_ref);
        let Some(from) = leg(slot).filter(|from| from.is_heard_by_its_peer_alone()) else { return false };
        let (Some(ours), Some(to)) = (&from.transcoder, from.peer.and_then(leg)) else { return false };
        let is_same = to.transcoder.as_ref().is_some_and(|theirs| theirs.is_like(ours));
        matches!(content, Content::Sound(_)) && ours.takes(payload_type) && is_same
    }

    fn pass_untouched(&mut self, slot: usize, packet: Accepted, now: Instant) {
        let Accepted { content, receive, header, payload } = packet;
        let Some(Leg { id: from, peer: Some(peer), .. }) = self.leg(slot) else { return };
        let (from, peer) = (*from, *peer);
        if !receive || self.is_of_quiet(peer, content, &header, payload.clone(), now) {
            return;
        }
        let Some(to) = self.slots[peer].as_mut().filter(|to| !to.is_taken()) else { return };
        let Some((destination, _)) = to.destination() else { return to.outgoing.interrupt() };
        if payload.is_empty() {
            return to.outgoing.skip(from, &header);
        }
        let Some(header) = to.outgoing.forward(from, &header, now) else { return };
        let start = payload.start - HEADER_LEN;
        to.send_untouched(&header, &mut self.datagram[start..payload.end], destination);
    }

    /// Copies for recorder and analyst.
    fn tap(&mut self, slot: usize, packet: &Accepted, now: Instant) {
        let Some(leg) = self.slots.get_mut(slot).and_then(Option::as_mut).filter(|_| packet.receive) else {
            return;
        };
        let payload = &self.datagram[packet.payload.clone()];
        if let (Some(recordings), Some(tap)) = (&mut self.recordings, leg.tap) {
            leg.stats.frames_unrecorded += recordings.take(tap, packet.content, &packet.header, payload, now);
        }
        if (leg.is_listened_to || leg.is_listened_to_for_keys)
            && let Some(listening) = &self.listening
        {
            leg.stats.frames_unheard += listening.take(leg.id, packet.content, &packet.header, payload, now);
        }
    }

    /// To the mix or the other leg.
    fn pass_on(&mut self, slot: usize, packet: Accepted, now: Instant) {
        let Accepted { content, receive, header, payload } = packet;
        if content == Content::Dtmf
            && receive
            && let Some(event) = self.datagram[payload.clone()].first_chunk().copied()
        {
            self.key_packet(slot, &header, event, now);
        }
        let Some(leg) = self.leg(slot) else { return };
        let (from, peer, mixed) = (leg.id, leg.peer, leg.mixed.filter(|_| receive));
        if let Some(seat) = mixed {
            return self.rooms.take(seat, content, &header, &self.datagram[payload]);
        }
        let Some(peer) = peer else { return };
        if receive && self.is_of_quiet(peer, content, &header, payload.clone(), now) {
            return;
        }
        let Some(to) = self.slots[peer].as_mut().filter(|to| !to.is_taken()) else { return };
        let Some((destination, media)) = to.destination().filter(|_| receive) else {
            // Hold: what is not sent is no loss, and the sound begins anew afterwards.
            to.outgoing.interrupt();
            return;
        };
        let has_sound = !payload.is_empty() || !matches!(content, Content::Sound(_));
        let payload_type = translate(content, &media, &mut self.datagram[payload.clone()]);
        let Some(payload_type) = payload_type.filter(|_| has_sound) else {
            to.outgoing.skip(from, &header);
            return;
        };
        let Some(header) = to.outgoing.forward(from, &header, now) else { return };
        // The new header is put right before the payload, over whatever the old one had there.
        let start = payload.start - HEADER_LEN;
        let header = rtp::Header { payload_type, ..header };
        self.datagram[start..payload.start].copy_from_slice(&header.to_bytes());
        to.send(&self.datagram[start..payload.end], destination);
    }
}

/// What waits on the socket behind a packet that was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Behind {
    Maybe,
    /// The packet is the stream's next one and as late as the one before, so what is behind it would have come before its
    /// time, and strangers do not get through.
    Nothing,
}

/// A packet that belongs to its leg.
struct Accepted {
    content: Content,
    /// The far end is heard at all.
    receive: bool,
    header: rtp::Header,
    /// Where in the datagram it lies.
    payload: Range<usize>,
}
