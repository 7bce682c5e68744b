//! Parties with real sockets, and the desk at which they meet: a relay and what it says.

// Every test file takes its own part of this.
#![allow(dead_code)]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use media::rtcp::{self, Item, REPORT_MAX, Report};
use media::rtp::{self, Header};
use media::speech_like::SpeechLike;
use media::srtp::{CONTROL_OVERHEAD_MAX, Srtp, SrtpKey, SrtpKeys, Suite, TAG_MAX};
use media::{Codec, LegId, LegMedia, LegStats, Relay, RelayConfig, RelayEvent, g711, goertzel};

/// No wait is longer than this; on a healthy machine none comes near it.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// More packets than any test sends from one socket without hearing of them.
const SETTLE_TURNS: usize = 30;
const TONES: [f64; 3] = [1000.0, 1700.0, 2300.0];

pub struct Desk {
    pub relay: Relay,
    events: Receiver<RelayEvent>,
    /// Events that came while another one was waited for.
    early: RefCell<VecDeque<RelayEvent>>,
}

pub struct Party {
    pub leg: LegId,
    pub codec: Codec,
    pub dtmf: Option<u8>,
    /// Its timestamps count so many for a sample of 8 kHz.
    pub clock: u32,
    /// The relay's port for this party.
    relay: SocketAddr,
    socket: Option<UdpSocket>,
    voice: SpeechLike,
    next: Header,
    srtp: Option<Srtp>,
}

pub struct Heard {
    pub header: Header,
    pub payload: Vec<u8>,
}

impl Desk {
    pub fn new() -> Desk {
        Desk::with(|_| ())
    }

    pub fn with(change: impl FnOnce(&mut RelayConfig)) -> Desk {
        let mut config = RelayConfig {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            ports: port_range(),
            rtp_timeout: 10 * PATIENCE,
            port_rest: PATIENCE,
            legs_max: 1000,
            recording_frames_max: 0,
            listeners_max: 0,
            key_tones_max: 0,
        };
        change(&mut config);
        let (sender, events) = mpsc::channel();
        let relay = Relay::start(config, move |event| sender.send(event).unwrap_or_default())
            .expect("the relay starts");
        Desk { relay, events, early: RefCell::default() }
    }

    /// The next event.
    pub fn event(&self) -> RelayEvent {
        let early = self.early.borrow_mut().pop_front();
        early.unwrap_or_else(|| self.events.recv_timeout(PATIENCE).expect("an event in time"))
    }

    /// The first event that is wanted; the others are kept.
    fn event_that(&self, wanted: impl Fn(&RelayEvent) -> bool) -> RelayEvent {
        loop {
            let event = self.events.recv_timeout(PATIENCE).expect("an event in time");
            if wanted(&event) {
                return event;
            }
            self.early.borrow_mut().push_back(event);
        }
    }

    /// A party whose leg is open and not configured.
    pub fn stranger(&self, codec: Codec, tone_hz: f64) -> Party {
        let (leg, relay) = self.relay.open().expect("a port");
        Party::new(leg, relay, codec, tone_hz)
    }

    pub fn party(&self, codec: Codec, tone_hz: f64) -> Party {
        let party = self.stranger(codec, tone_hz);
        self.configure(&party);
        party
    }

    /// Somebody with a socket of his own who sends to the victim's port.
    pub fn intruder(&self, victim: &Party, tone_hz: f64) -> Party {
        Party::new(victim.leg, victim.relay, victim.codec, tone_hz)
    }

    pub fn configure(&self, party: &Party) {
        self.relay.configure(party.leg, party.media());
    }

    /// Bridges and waits for it.
    pub fn bridge(&self, a: &Party, b: &Party) {
        self.relay.bridge(a.leg, b.leg);
        let event = self.event();
        assert!(
            matches!(event, RelayEvent::Bridged { a: x, b: y, .. } if (x, y) == (a.leg, b.leg)),
            "{event:?}"
        );
    }

    /// Which tone reaches `to` when `from` speaks for 200 ms.
    pub fn heard(&self, from: &mut Party, to: &mut Party) -> Option<f64> {
        let mut samples = Vec::new();
        for _ in 0..10 {
            from.say();
            samples.extend(to.hear().samples());
        }
        goertzel::strongest(&samples, &TONES, 0.05)
    }

    /// Waits until the relay has read everything that this test has sent so far. Sockets are read in the order in which they
    /// became readable, a packet a turn: what passes between two parties often enough comes after all of it.
    pub fn settle(&self) {
        let (mut first, mut second) = (self.party(Codec::Pcma, 0.0), self.party(Codec::Pcma, 0.0));
        self.relay.bridge(first.leg, second.leg);
        for _ in 0..SETTLE_TURNS {
            first.say();
            second.hear();
        }
        for leg in [first.leg, second.leg] {
            self.relay.close(leg);
            self.event_that(
                |event| matches!(event, RelayEvent::Closed { leg: closed, .. } if *closed == leg),
            );
        }
        self.early
            .borrow_mut()
            .retain(|event| !matches!(event, RelayEvent::Bridged { a, .. } if *a == first.leg));
    }

    /// Drops the relay and gives all events that were not taken.
    pub fn end(self) -> Vec<RelayEvent> {
        let Desk { relay, events, early } = self;
        drop(relay);
        let late = std::iter::from_fn(|| events.recv_timeout(PATIENCE).ok());
        early.into_inner().into_iter().chain(late).collect()
    }

    pub fn close(&self, party: &Party) -> LegStats {
        self.settle();
        self.relay.close(party.leg);
        match self.event() {
            RelayEvent::Closed { leg, stats } if leg == party.leg => stats,
            event => panic!("not closed: {event:?}"),
        }
    }
}

impl Party {
    fn new(leg: LegId, relay: SocketAddr, codec: Codec, tone_hz: f64) -> Party {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        socket.set_read_timeout(Some(PATIENCE)).expect("a UDP socket has a read timeout");
        let next = Header {
            marker: false,
            payload_type: codec.payload_type(),
            sequence: 65_530,
            timestamp: u32::MAX - 1000,
            ssrc: fastrand::u32(..),
        };
        let voice = SpeechLike::new(leg.0).marked(tone_hz);
        Party { leg, codec, dtmf: None, clock: 1, relay, socket: Some(socket), voice, next, srtp: None }
    }

    /// As its SDP says.
    pub fn media(&self) -> LegMedia {
        let remote = self.socket().local_addr().expect("bound");
        LegMedia {
            remote,
            codec: self.codec,
            wide: None,
            dtmf: self.dtmf,
            rtcp: None,
            send: true,
            receive: true,
        }
    }

    /// Speaks for 20 ms.
    pub fn say(&mut self) {
        self.say_as(self.codec.payload_type());
    }

    pub fn say_as(&mut self, payload_type: u8) {
        let law = match self.codec {
            Codec::Pcma => g711::alaw_encode,
            Codec::Pcmu => g711::ulaw_encode,
        };
        let payload = self.voice.frame().map(law);
        self.send_payload(payload_type, &payload);
    }

    /// Speaks and hears SRTP from now on; the keys of the relay's leg.
    pub fn secure(&mut self, suite: Suite) -> SrtpKeys {
        let key = || {
            let master: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..))
                .take(suite.key_len() + suite.salt_len())
                .collect();
            SrtpKey::new(suite, &master).expect("as long as the suite wants it")
        };
        let (ours, theirs) = (key(), key());
        self.srtp = Some(Srtp::new(&SrtpKeys { ours: theirs, theirs: ours }));
        SrtpKeys { ours, theirs }
    }

    pub fn send_payload(&mut self, payload_type: u8, payload: &[u8]) {
        let header = Header { payload_type, ..self.next };
        let mut datagram = Vec::new();
        rtp::Packet { header, csrc: &[], extension: None, payload, padding: 0 }
            .write(&mut datagram)
            .expect("within the limits");
        self.next.sequence = self.next.sequence.wrapping_add(1);
        self.next.timestamp = self.next.timestamp.wrapping_add(160 * self.clock);
        if let Some(srtp) = &mut self.srtp {
            let len = datagram.len();
            datagram.resize(len + TAG_MAX, 0);
            let len = srtp.protect(&mut datagram, len).expect("RTP");
            datagram.truncate(len);
        }
        self.send_raw(&datagram);
    }

    /// A packet of a key press: all of one have the same timestamp.
    pub fn say_event(&mut self, payload_type: u8, payload: &[u8; 4]) {
        let timestamp = self.next.timestamp;
        self.send_payload(payload_type, payload);
        self.next.timestamp = timestamp;
    }

    pub fn send_raw(&self, datagram: &[u8]) {
        // ICMP errors about a party that has vanished are told here, too.
        let _ = self.socket().send_to(datagram, self.relay);
    }

    /// Sends RTCP to the port of RTP.
    pub fn say_control(&mut self, report: &Report) {
        let mut out = [0; REPORT_MAX];
        let len = report.write(&mut out);
        let mut datagram = out[..len].to_vec();
        if let Some(srtp) = &mut self.srtp {
            datagram.resize(len + CONTROL_OVERHEAD_MAX, 0);
            let len = srtp.protect_control(&mut datagram, len).expect("RTCP");
            datagram.truncate(len);
        }
        self.send_raw(&datagram);
    }

    /// The next RTCP; what comes before it is lost.
    pub fn hear_control(&mut self) -> Vec<Item> {
        let mut datagram = [0; 2000];
        loop {
            let (len, from) = self.socket().recv_from(&mut datagram).expect("a packet in time");
            assert_eq!(from, self.relay);
            if !rtp::is_rtcp(&datagram[..len]) {
                continue;
            }
            let len = match &mut self.srtp {
                Some(srtp) => srtp.unprotect_control(&mut datagram[..len]).expect("the relay has the key"),
                None => len,
            };
            let mut items = Vec::new();
            rtcp::read(&datagram[..len], |item| items.push(item)).expect("RTCP");
            return items;
        }
    }

    /// The relay's port for this party.
    pub fn relay_address(&self) -> SocketAddr {
        self.relay
    }

    /// Sends nothing for 20 ms: nobody speaks.
    pub fn pause(&mut self) {
        self.next.timestamp = self.next.timestamp.wrapping_add(160 * self.clock);
    }

    /// Packets that are sent and never arrive.
    pub fn lose(&mut self, packets: u16) {
        self.next.sequence = self.next.sequence.wrapping_add(packets);
    }

    /// The next packet.
    pub fn hear(&mut self) -> Heard {
        let mut datagram = [0; 2000];
        let (len, from) = loop {
            let (len, from) = self.socket().recv_from(&mut datagram).expect("a packet in time");
            if !rtp::is_rtcp(&datagram[..len]) {
                break (len, from);
            }
        };
        assert_eq!(from, self.relay, "RTP comes from the port it is sent to (RFC 4961)");
        let len = match &mut self.srtp {
            Some(srtp) => srtp.unprotect(&mut datagram[..len]).expect("the relay has the key"),
            None => len,
        };
        let parsed = rtp::parse(&datagram[..len]).expect("the relay sends RTP");
        Heard { header: parsed.header, payload: datagram[parsed.payload()].to_vec() }
    }

    /// Whether nothing has arrived that was not heard yet.
    pub fn hears_nothing(&self) -> bool {
        self.forget() == 0
    }

    /// Drops what has arrived and says how many packets of RTP that was.
    pub fn forget(&self) -> usize {
        let socket = self.socket();
        socket.set_nonblocking(true).expect("a UDP socket can be non-blocking");
        let mut datagram = [0; 2000];
        let next = || socket.recv_from(&mut datagram).ok().map(|(len, _)| rtp::is_rtcp(&datagram[..len]));
        let dropped = std::iter::from_fn(next).filter(|is_rtcp| !is_rtcp).count();
        socket.set_nonblocking(false).expect("a UDP socket can be blocking");
        dropped
    }

    /// Closes its socket and says which address that was.
    pub fn vanish(&mut self) -> SocketAddr {
        let address = self.socket().local_addr().expect("bound");
        self.socket = None;
        address
    }

    pub fn appear(&mut self, address: SocketAddr) {
        let socket = UdpSocket::bind(address).expect("its old port");
        socket.set_read_timeout(Some(PATIENCE)).expect("a UDP socket has a read timeout");
        self.socket = Some(socket);
    }

    fn socket(&self) -> &UdpSocket {
        self.socket.as_ref().expect("it has not vanished")
    }
}

impl Heard {
    pub fn samples(&self) -> Vec<i16> {
        let law = if self.header.payload_type == 0 { g711::ulaw_decode } else { g711::alaw_decode };
        self.payload.iter().map(|code| law(*code)).collect()
    }

    /// Whichever of the tones it carries.
    pub fn tone(&self, frequencies_hz: &[f64]) -> Option<f64> {
        goertzel::strongest(&self.samples(), frequencies_hz, 0.5)
    }
}

/// 200 ports that no other test of this process uses, nor one that was started just before or after it, below those that the
/// system gives out.
pub fn port_range() -> RangeInclusive<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let of_process = u16::try_from(std::process::id() % 90).expect("below 90") * 200;
    let start = 12_000 + (of_process + NEXT.fetch_add(200, Ordering::Relaxed)) % 18_000;
    start..=start + 199
}

/// An even port that is free now.
pub fn free_even_port() -> u16 {
    let is_even = |socket: &UdpSocket| socket.local_addr().is_ok_and(|address| address.port() % 2 == 0);
    let sockets = std::iter::repeat_with(|| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port"));
    let even = sockets.take(1000).find(is_even).expect("half of all ports are even");
    even.local_addr().expect("bound").port()
}

/// Tries until it works.
pub fn eventually<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(done) = attempt() {
            return done;
        }
        assert!(Instant::now() < end, "it never happened");
        std::thread::sleep(Duration::from_millis(2));
    }
}
