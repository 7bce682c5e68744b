//! One leg, as the media thread sees it.

use std::net::{SocketAddr, UdpSocket};
use std::ops::Range;
use std::time::Instant;

use rustix::io::Errno;
use rustix::net::SendFlags;

use super::incoming::Incoming;
use super::keys::{Heard, Presses};
use super::latch::Latch;
use super::outgoing::Outgoing;
use super::playback::{Playback, encode};
use super::recording::Tap;
use super::reports::Reports;
use super::thread::{MixSeat, Quiet};
use super::transcoding::{SAMPLES_MAX, Transcoder};
use super::{Codec, LegId, LegMedia, LegStats};
use crate::ice::IceCredentials;
use crate::quality::Quality;
use crate::rtcp::REPORT_MAX;
use crate::rtp::{self, COMFORT_NOISE, HEADER_LEN, Header, PACKET_MAX};
use crate::srtp::{CONTROL_OVERHEAD_MAX, Srtp, SrtpKeys, TAG_MAX};
use crate::{FRAME_SAMPLES, g711};

/// Bytes of the longest RTCP that we send, with what protects it.
pub(super) const CONTROL_MAX: usize = REPORT_MAX + CONTROL_OVERHEAD_MAX;

pub(super) struct Leg {
    pub(super) id: LegId,
    pub(super) socket: UdpSocket,
    pub(super) port: u16,
    pub(super) far: Option<Far>,
    /// It is a browser's: its address is found by ICE, and it has no sound but SRTP.
    pub(super) web: Option<Box<Web>>,
    /// What it sends and takes is SRTP.
    srtp: Option<Box<Srtp>>,
    /// What it speaks is turned into G.711 and back.
    pub(super) transcoder: Option<Box<Transcoder>>,
    pub(super) incoming: Incoming,
    pub(super) outgoing: Outgoing,
    pub(super) reports: Reports,
    /// `stats.packets_in` when the quality was taken last.
    packets_in_before: u64,
    /// Slot of the leg that hears this one, and is heard by it.
    pub(super) peer: Option<usize>,
    /// Its place in a conversation of more than two; then it has no peer.
    pub(super) mixed: Option<MixSeat>,
    pub(super) playing: Option<Playback>,
    /// The leg that it hears sends nothing, because nobody speaks.
    pub(super) quiet: Option<Quiet>,
    /// Its sound is recorded.
    pub(super) tap: Option<Tap>,
    pub(super) is_listened_to: bool,
    /// Keys are looked for in its sound.
    pub(super) is_listened_to_for_keys: bool,
    /// The last key that was found there.
    pub(super) toned: Option<(char, Instant)>,
    /// Pressed at the far end.
    pub(super) keys: Heard,
    /// That we press.
    pub(super) presses: Presses,
    pub(super) silence: Silence,
    pub(super) stats: LegStats,
}

/// What is known about the far end once the leg is configured.
pub(super) struct Far {
    pub(super) media: LegMedia,
    pub(super) latch: Latch,
    route: Route,
}

/// How a browser is reached.
pub(super) struct Web {
    pub(super) ours: IceCredentials,
    /// Where it is, by its checks.
    pub(super) selected: Option<SocketAddr>,
}

/// How the socket sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Route {
    /// Each packet is told where to go, and looks up its way.
    Told,
    /// The socket is connected to the pinned source: the kernel knows the way, and drops what strangers send.
    Connected,
    /// It could not be connected.
    Impossible,
}

/// Whether RTP flows.
#[derive(Default)]
pub(super) struct Silence {
    pub(super) heard_at: Option<Instant>,
    /// Serial of the timer that looks after it; `None` before RTP flowed and after the silence was told.
    pub(super) watch: Option<u64>,
}

/// What a payload type means on a leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Content {
    Sound(Codec),
    ComfortNoise,
    Dtmf,
}

impl Leg {
    pub(super) fn new(id: LegId, socket: UdpSocket, port: u16, now: Instant) -> Leg {
        Leg {
            id,
            socket,
            port,
            far: None,
            web: None,
            srtp: None,
            transcoder: None,
            incoming: Incoming::new(now),
            outgoing: Outgoing::new(),
            reports: Reports::new(),
            packets_in_before: 0,
            peer: None,
            mixed: None,
            playing: None,
            quiet: None,
            tap: None,
            is_listened_to: false,
            is_listened_to_for_keys: false,
            toned: None,
            keys: Heard::default(),
            presses: Presses::default(),
            silence: Silence::default(),
            stats: LegStats::default(),
        }
    }

    pub(super) fn configure(&mut self, media: LegMedia) {
        self.transcode(&media);
        match &mut self.far {
            Some(far) => {
                far.latch.rename(media.remote);
                far.media = media;
                if far.latch.pinned().is_none() && far.route == Route::Connected {
                    far.route = disconnect(&self.socket);
                }
            }
            None => {
                self.far = Some(Far { latch: Latch::new(media.remote), media, route: Route::Told });
            }
        }
    }

    fn transcode(&mut self, media: &LegMedia) {
        match (&mut self.transcoder, media.wide) {
            (Some(known), Some(wide)) if known.is_for(wide, media.codec) => known.renumber(wide),
            (transcoder, wide) => {
                *transcoder = wide.map(|wide| Box::new(Transcoder::new(wide, media.codec)));
                self.reports.clock = transcoder.as_ref().map_or(1, |transcoder| transcoder.clock());
            }
        }
    }

    /// The header of a packet that came, with the clock of 8 kHz.
    pub(super) fn header_in(&mut self, header: &Header) -> Header {
        self.transcoder.as_mut().map_or(*header, |transcoder| transcoder.header_in(header))
    }

    /// What came as G.711 or comfort noise, in place; where it lies then. Nothing: there is no sound in it.
    pub(super) fn payload_in(
        &mut self,
        content: Content,
        payload_type: u8,
        payload: Range<usize>,
        datagram: &mut [u8; PACKET_MAX + 1],
    ) -> (Content, Range<usize>) {
        let Some(transcoder) = &mut self.transcoder else { return (content, payload) };
        match content {
            Content::Sound(_)
                if transcoder.takes(payload_type) && transcoder.is_quiet(&datagram[payload.clone()]) =>
            {
                datagram[HEADER_LEN] = transcoder.level();
                (Content::ComfortNoise, HEADER_LEN..HEADER_LEN + 1)
            }
            // What comes as G.711 in spite of what was agreed is that.
            Content::Sound(_) if transcoder.takes(payload_type) => {
                let mut sound = [0; SAMPLES_MAX];
                let len = transcoder.decode(&datagram[payload], &mut sound);
                datagram[HEADER_LEN..HEADER_LEN + len].copy_from_slice(&sound[..len]);
                (content, HEADER_LEN..HEADER_LEN + len)
            }
            Content::Dtmf => {
                transcoder.event_in(&mut datagram[payload.clone()]);
                (content, payload)
            }
            Content::Sound(_) | Content::ComfortNoise => (content, payload),
        }
    }

    pub(super) fn secure(&mut self, keys: Option<&SrtpKeys>) {
        match (keys, &mut self.srtp) {
            (Some(keys), Some(srtp)) => srtp.set(keys),
            (Some(keys), None) => self.srtp = Some(Box::new(Srtp::new(keys))),
            (None, _) => self.srtp = None,
        }
    }

    /// Decrypts what came, where that is agreed. The length of the packet; `None`: it is not from who has the keys.
    pub(super) fn open_packet(&mut self, datagram: &mut [u8]) -> Option<usize> {
        match &mut self.srtp {
            Some(srtp) if rtp::is_rtcp(datagram) => srtp.unprotect_control(datagram),
            Some(srtp) if datagram.len() <= PACKET_MAX => srtp.unprotect(datagram),
            Some(_) => Some(datagram.len()),
            None => self.web.is_none().then_some(datagram.len()),
        }
    }

    /// Anybody may be the source again.
    pub(super) fn reopen(&mut self) {
        let Some(far) = &mut self.far else { return };
        far.latch.reopen();
        if far.route == Route::Connected {
            far.route = disconnect(&self.socket);
        }
    }

    /// Whether a packet from `source` belongs to this leg. It may move the leg there, and the leg may stay there.
    pub(super) fn accept(&mut self, source: SocketAddr, now: Instant) -> bool {
        let Some(far) = &mut self.far else { return false };
        if let Some(web) = &self.web {
            return web.selected == Some(source);
        }
        let accepted = far.latch.accept(source, now);
        if far.route == Route::Told
            && let Some(pinned) = far.latch.pinned()
        {
            far.route = connect(&self.socket, pinned);
        }
        accepted
    }

    /// Whether RTCP from `source` belongs to this leg: it has to come from where RTP comes from, on a port of its own from
    /// the same host.
    pub(super) fn accepts_control(&self, source: SocketAddr, is_apart: bool) -> bool {
        match (&self.web, &self.far) {
            (Some(web), _) => web.selected == Some(source) && !is_apart,
            (None, Some(far)) => far.latch.is_source(source, is_apart),
            (None, None) => false,
        }
    }

    /// Sends RTCP, `len` bytes of the packet, encrypted where that is agreed.
    pub(super) fn send_control(&mut self, packet: &mut [u8; CONTROL_MAX], len: usize) {
        let len = match &mut self.srtp {
            Some(srtp) => srtp.protect_control(packet, len),
            None => self.web.is_none().then_some(len),
        };
        let (Some(len), Some(to)) = (len, self.control_destination()) else { return };
        let datagram = &packet[..len];
        let is_connected = self.is_connected();
        let sent = match &self.reports.apart {
            Some(apart) => apart.socket.send_to(datagram, to),
            None if is_connected => self.socket.send(datagram),
            None => self.socket.send_to(datagram, to),
        };
        if let Err(error) = sent {
            tracing::trace!(leg = self.id.0, %error, "RTCP not sent");
        }
    }

    /// The kernel drops what strangers send.
    pub(super) fn is_connected(&self) -> bool {
        self.far.as_ref().is_some_and(|far| far.route == Route::Connected)
    }

    /// Where RTCP goes, also while the far end wants to hear nothing.
    fn control_destination(&self) -> Option<SocketAddr> {
        let far = self.far.as_ref()?;
        if let Some(web) = &self.web {
            return web.selected;
        }
        let rtp = far.latch.destination()?;
        let Some(named) = far.media.rtcp else { return Some(rtp) };
        let apart = self.reports.apart.as_ref()?;
        let is_moved = far.media.remote != rtp;
        let next = rtp.port().checked_add(1).map(|port| SocketAddr::new(rtp.ip(), port));
        // A far end behind NAT is where its RTCP comes from, or next to its RTP until some comes.
        apart.source.or(if is_moved { next } else { Some(named) })
    }

    /// Something is sent in place of the sound of others.
    pub(super) fn is_taken(&self) -> bool {
        self.playing.is_some() || self.presses.is_active()
    }

    /// It is neither mixed nor recorded, nor listened to.
    pub(super) fn is_heard_by_its_peer_alone(&self) -> bool {
        let is_listened_to = self.is_listened_to || self.is_listened_to_for_keys;
        self.mixed.is_none() && self.tap.is_none() && !is_listened_to
    }

    /// Where to send, if the far end wants to hear anything.
    pub(super) fn destination(&self) -> Option<(SocketAddr, LegMedia)> {
        let far = self.far.as_ref().filter(|far| far.media.send)?;
        match &self.web {
            Some(web) => Some((web.selected?, far.media)),
            None => Some((far.latch.destination()?, far.media)),
        }
    }

    /// Sends 20 ms of sound; `serial`: of what it is made of.
    pub(super) fn send_frame(
        &mut self,
        serial: u64,
        frame: &[i16; FRAME_SAMPLES],
        (destination, media): (SocketAddr, LegMedia),
        now: Instant,
    ) {
        let header = self.outgoing.frame(serial, media.codec.payload_type(), now);
        let mut datagram = [0; HEADER_LEN + FRAME_SAMPLES];
        datagram[..HEADER_LEN].copy_from_slice(&header.to_bytes());
        encode(media.codec, frame, &mut datagram[HEADER_LEN..]);
        self.send(&datagram, destination);
    }

    /// Sends a packet as the far end speaks, encrypted where that is agreed. What the network does not take is lost, as it may
    /// be further on.
    pub(super) fn send(&mut self, packet: &[u8], destination: SocketAddr) {
        let Some(mut transcoder) = self.transcoder.take() else { return self.send_rtp(packet, destination) };
        transcoder.send(packet, |packet| self.send_rtp(&packet.bytes[..packet.len], destination));
        self.transcoder = Some(transcoder);
    }

    /// Sends a packet whose payload, after room for a header, is what the far end speaks.
    pub(super) fn send_untouched(&mut self, header: &Header, packet: &mut [u8], destination: SocketAddr) {
        let Some(transcoder) = &mut self.transcoder else { return };
        if let Some(header) = transcoder.header_untouched(header) {
            packet[..HEADER_LEN].copy_from_slice(&header.to_bytes());
            self.send_rtp(packet, destination);
        }
    }

    fn send_rtp(&mut self, packet: &[u8], destination: SocketAddr) {
        self.reports.sent(packet.len() - HEADER_LEN);
        let Some(srtp) = &mut self.srtp else {
            if self.web.is_none() {
                self.send_datagram(packet, destination);
            }
            return;
        };
        let mut datagram = [0; PACKET_MAX + TAG_MAX];
        let Some(start) = datagram.get_mut(..packet.len()) else { return };
        start.copy_from_slice(packet);
        if let Some(len) = srtp.protect(&mut datagram, packet.len()) {
            self.send_datagram(&datagram[..len], destination);
        }
    }

    pub(super) fn send_datagram(&mut self, datagram: &[u8], destination: SocketAddr) {
        let is_connected = self.is_connected();
        // Not by the standard library: with threads, its libc looks at each call whether the thread is cancelled.
        let send = || match is_connected {
            true => rustix::net::send(&self.socket, datagram, SendFlags::empty()),
            false => rustix::net::sendto(&self.socket, datagram, SendFlags::empty(), &destination),
        };
        let mut sent = send();
        if sent == Err(Errno::CONNREFUSED) {
            // An ICMP error about an earlier datagram; telling it took the place of sending this one.
            sent = send();
        }
        match sent {
            Ok(_) => self.stats.packets_out += 1,
            Err(error) => tracing::trace!(leg = self.id.0, %error, "packet not sent"),
        }
    }

    /// How it was since the last time that this was asked.
    pub(super) fn take_quality(&mut self) -> Quality {
        let packets_in = self.stats.packets_in - self.packets_in_before;
        self.packets_in_before = self.stats.packets_in;
        self.reports.take(&mut self.incoming, packets_in)
    }

    pub(super) fn final_stats(&self) -> LegStats {
        LegStats { packets_lost: self.incoming.lost(), ..self.stats }
    }
}

fn connect(socket: &UdpSocket, pinned: SocketAddr) -> Route {
    match socket.connect(pinned) {
        Ok(()) => Route::Connected,
        Err(error) => {
            tracing::debug!(%error, "an RTP socket is not connected; it does without");
            Route::Impossible
        }
    }
}

fn disconnect(socket: &UdpSocket) -> Route {
    match rustix::net::connect_unspec(socket) {
        Ok(()) => Route::Told,
        Err(error) => {
            tracing::warn!(%error, "an RTP socket still takes packets only from where they came from before");
            Route::Impossible
        }
    }
}

/// What a payload type is on a leg with this media, `None` when it was not agreed.
pub(super) fn content(media: &LegMedia, payload_type: u8) -> Option<Content> {
    // Both laws are taken whichever was agreed: their numbers are fixed, so there is no doubt what is meant.
    if media.dtmf == Some(payload_type) {
        Some(Content::Dtmf)
    } else if media.wide.is_some_and(|wide| wide.payload_type == payload_type) {
        Some(Content::Sound(media.codec))
    } else if payload_type == Codec::Pcmu.payload_type() {
        Some(Content::Sound(Codec::Pcmu))
    } else if payload_type == Codec::Pcma.payload_type() {
        Some(Content::Sound(Codec::Pcma))
    } else {
        (payload_type == COMFORT_NOISE).then_some(Content::ComfortNoise)
    }
}

/// Changes a payload to what the other leg wants, in place, and says its payload type there; `None` when it has none.
pub(super) fn translate(content: Content, to: &LegMedia, payload: &mut [u8]) -> Option<u8> {
    match content {
        Content::Dtmf => to.dtmf,
        Content::ComfortNoise => Some(COMFORT_NOISE),
        Content::Sound(from) => {
            match (from, to.codec) {
                (Codec::Pcma, Codec::Pcmu) => payload.iter_mut().for_each(|c| *c = g711::alaw_to_ulaw(*c)),
                (Codec::Pcmu, Codec::Pcma) => payload.iter_mut().for_each(|c| *c = g711::ulaw_to_alaw(*c)),
                (Codec::Pcma, Codec::Pcma) | (Codec::Pcmu, Codec::Pcmu) => {}
            }
            Some(to.codec.payload_type())
        }
    }
}
