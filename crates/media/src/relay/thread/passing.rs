//! Packets of sound: read, copied for who listens, and passed on.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Instant;

use super::MediaThread;
use crate::relay::RelayEvent;
use crate::relay::leg::{Content, content, translate};
use crate::rtp::{self, HEADER_LEN};

impl<F: Fn(RelayEvent)> MediaThread<F> {
    /// Reads one packet of a socket; of one that has more, the next look at the sockets tells again.
    pub(super) fn read(&mut self, slot: usize, now: Instant) {
        // A leg that was closed in between leaves nobody, or the slot's next leg, which has nothing to read.
        let Some(leg) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return };
        match leg.socket.recv_from(&mut self.datagram) {
            Ok((len, source)) => self.packet(slot, len, source, now),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // Interrupted, or an ICMP error about something sent: it is told once, and the socket goes on.
            Err(error) => tracing::trace!(leg = leg.id.0, %error, "RTP socket"),
        }
    }

    fn packet(&mut self, slot: usize, len: usize, source: SocketAddr, now: Instant) {
        let Some(leg) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return };
        if leg.web.is_some() && !rtp::is_rtp_or_rtcp(&self.datagram[..len]) {
            return self.set_up_web(slot, len, source);
        }
        if rtp::is_rtp_or_rtcp(&self.datagram[..len]) && rtp::is_rtcp(&self.datagram[..len]) {
            self.control(slot, len, source, false, now);
            return;
        }
        let Some(len) = leg.open_packet(&mut self.datagram[..len]) else {
            leg.stats.packets_refused += 1;
            return;
        };
        let Ok(parsed) = rtp::parse(&self.datagram[..len]) else {
            leg.stats.packets_refused += 1;
            return;
        };
        let header = parsed.header;
        let meant = leg.far.as_ref().and_then(|far| {
            let content = content(&far.media, header.payload_type)?;
            Some((content, far.media.receive))
        });
        let meant = meant.filter(|_| leg.accept(source, now));
        let Some((content, receive)) = meant else {
            leg.stats.packets_refused += 1;
            return;
        };
        leg.stats.packets_in += 1;
        let header = leg.header_in(&header);
        leg.incoming.count(&header, matches!(content, Content::Sound(_)), now);
        let (content, payload) =
            leg.payload_in(content, header.payload_type, parsed.payload(), &mut self.datagram);
        let packet = Accepted { content, receive, header, payload };
        self.tap(slot, &packet, now);
        self.heard(slot, now);
        self.pass_on(slot, packet, now);
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

/// A packet that belongs to its leg.
struct Accepted {
    content: Content,
    /// The far end is heard at all.
    receive: bool,
    header: rtp::Header,
    /// Where in the datagram it lies.
    payload: Range<usize>,
}
