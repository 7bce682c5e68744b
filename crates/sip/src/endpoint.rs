//! The crate's whole surface.
//!
//! Bytes and time go in, bytes and events come out: after every call drain [`Endpoint::poll_transmit`],
//! [`Endpoint::poll_event`] and [`Endpoint::poll_close`], and call [`Endpoint::handle_timeout`] at
//! [`Endpoint::deadline`]. `now` is the time since any fixed moment and never goes back.

mod event;
mod registration;
mod requests;
mod responses;
mod vouched;
mod within;

use crate::auth::Guard;
use crate::core::Core;
use crate::dialog::{Dialog, Phase, tag_of};
use crate::io::secret;
use crate::message::{Frame, Stream, parse};
use crate::overload::Overload;
use crate::registrar::Registrar;
use crate::timer::{DialogTimer, Timer};
use crate::transaction::Lapse;
pub use event::*;
use registration::Registration;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;
pub use vouched::Vouched;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Transport {
    Udp,
    Tcp,
    Tls,
    /// RFC 7118: one message per WebSocket message; only ever opened by the far end.
    Ws,
    Wss,
}

impl Transport {
    /// Whether it delivers what is sent or breaks, so that nothing is repeated.
    pub fn is_reliable(self) -> bool {
        self != Transport::Udp
    }

    /// In Via.
    pub(crate) fn via_name(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
            Transport::Ws => "WS",
            Transport::Wss => "WSS",
        }
    }

    /// As the `transport` parameter of a URI says it.
    pub(crate) fn of_param(value: &[u8]) -> Option<Transport> {
        let all = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];
        all.into_iter().find(|t| t.via_name().as_bytes().eq_ignore_ascii_case(value))
    }
}

/// Where a message came from or goes to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Flow {
    pub transport: Transport,
    pub peer: SocketAddr,
    /// The driver's number of the connection; 0 for UDP, and for "connect to `peer` or use a connection to it".
    pub connection: u64,
}

/// Bytes that the driver must send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transmit {
    pub flow: Flow,
    pub bytes: Vec<u8>,
}

#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// Host and port that Via and Contact carry, per transport.
    pub udp: SocketAddr,
    pub tcp: SocketAddr,
    pub tls: SocketAddr,
    pub ws: SocketAddr,
    pub wss: SocketAddr,
    pub user_agent: String,
    /// Digest realm of the registrar.
    pub realm: String,
    /// Offered in INVITEs (RFC 4028); None: no session timer.
    pub session_expires: Option<Duration>,
    /// Registrations are granted for at least / at most this long.
    pub register_expires_min: Duration,
    pub register_expires_max: Duration,
    /// New INVITEs past these are shed with a stateless 503.
    pub transactions_max: usize,
    pub dialogs_max: usize,
    /// New incoming INVITEs a second that are admitted; 0: no limit.
    pub invites_per_second_max: u32,
}

/// One INVITE dialog (or the attempt at one), from `invite` or `Event::Incoming` until `Failed` or `Ended`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DialogId(pub u64);

/// A registration that we keep with a peer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RegistrationId(pub u64);

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credentials {
    pub username: String,
    pub password: String,
}

#[derive(Clone, Debug)]
pub struct Invite {
    /// Request-URI, such as `sip:13800138000@10.0.0.1:5060`.
    pub target: String,
    /// Next hop.
    pub flow: Flow,
    /// User part (and optional display name) of From; the host part is ours.
    pub from_user: String,
    pub from_display: String,
    /// To URI; the target when empty.
    pub to: String,
    /// SDP offer.
    pub sdp: Vec<u8>,
    pub credentials: Option<Credentials>,
    /// Further header lines, name and value.
    pub headers: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
pub struct Register {
    /// `sip:host[:port]` of the registrar.
    pub registrar: String,
    pub flow: Flow,
    /// User part of the address of record.
    pub user: String,
    pub credentials: Credentials,
    pub expires: Duration,
}

/// The digest algorithms that the registrar offers.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub enum DigestOffer {
    /// What every phone knows. The default: many that know only MD5, baresip 1.0 and sipp 3.6 among them, give up when
    /// they see a challenge with another algorithm next to it.
    #[default]
    Md5,
    /// RFC 8760: one challenge for each, the stronger first.
    Sha256AndMd5,
    /// MD5 is not taken any more.
    Sha256,
}

/// How much an endpoint holds.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Counts {
    /// Client and server transactions, finished ones that still swallow repetitions included.
    pub transactions: usize,
    pub dialogs: usize,
    pub bindings: usize,
    /// INVITEs answered with a stateless 503 since the start.
    pub shed: u64,
}

/// TCP connections whose unfinished messages are kept; data of further ones is dropped and they are to be closed.
const STREAMS_MAX: usize = 16_384;

/// A SIP endpoint: user agent, registrar and registering client in one.
///
/// Requests within a dialog go to the first entry of its route set, else to the far end's Contact when that is an IP
/// literal, else to the flow of the dialog. A dialog over the flow of a registered account, or with an account that
/// authenticated, stays on that flow.
pub struct Endpoint {
    pub(crate) core: Core,
    pub(crate) dialogs: HashMap<u64, Box<Dialog>>,
    pub(crate) registrar: Registrar,
    pub(crate) guard: Guard,
    pub(crate) overload: Overload,
    registrations: HashMap<u64, Registration>,
    next_registration: u64,
    streams: HashMap<u64, (Flow, Stream)>,
    closes: VecDeque<u64>,
    /// What to add to `now` for the time since 1970.
    wall: Option<Duration>,
}

impl Endpoint {
    /// `seed` makes every tag, branch, Call-ID and the key of the nonces: give a random one.
    pub fn new(config: EndpointConfig, seed: u64) -> Endpoint {
        let guard = Guard::new(&config.realm, secret(seed, b"nonces"));
        let core = Core::new(config, seed);
        Endpoint {
            core,
            dialogs: HashMap::new(),
            registrar: Registrar::default(),
            guard,
            overload: Overload::default(),
            registrations: HashMap::new(),
            next_registration: 0,
            streams: HashMap::new(),
            closes: VecDeque::new(),
            wall: None,
        }
    }

    /// Tells the time since 1970 at `now`, for the Date header of registrar answers; without it there is none.
    pub fn set_wall_clock(&mut self, now: Duration, since_epoch: Duration) {
        self.wall = since_epoch.checked_sub(now);
    }

    /// Which digest algorithms challenges offer from now on.
    pub fn set_digest_offer(&mut self, offer: DigestOffer) {
        self.guard.offer = offer;
    }

    /// Takes in one UDP datagram, one WebSocket message, or a chunk of a TCP or TLS stream (`flow.connection` not 0).
    pub fn receive(&mut self, now: Duration, flow: Flow, bytes: &[u8]) {
        if flow.transport == Transport::Udp {
            self.receive_message(now, flow, bytes);
            return;
        }
        if !self.streams.contains_key(&flow.connection) {
            if self.streams.len() >= STREAMS_MAX {
                self.closes.push_back(flow.connection);
                return;
            }
            self.streams.insert(flow.connection, (flow, Stream::default()));
            self.core.connections.insert(flow.connection);
        }
        if matches!(flow.transport, Transport::Ws | Transport::Wss) {
            // Some clients keep the connection alive as they do over TCP (RFC 5626 §4.4.1).
            match bytes {
                b"\r\n\r\n" => self.core.io.send(flow, b"\r\n".to_vec()),
                _ => self.receive_message(now, flow, bytes),
            }
            return;
        }
        // A chunk larger than a message is taken in pieces, so that the buffer stays small.
        for piece in bytes.chunks(crate::message::SIZE_MAX) {
            self.receive_stream(now, flow, piece);
        }
    }

    fn receive_stream(&mut self, now: Duration, flow: Flow, bytes: &[u8]) {
        let Some((_, stream)) = self.streams.get_mut(&flow.connection) else { return };
        stream.push(bytes);
        while let Some(frame) = self.streams.get_mut(&flow.connection).and_then(|(_, stream)| stream.next()) {
            match frame {
                Frame::Message(message) => self.receive_message(now, flow, &message),
                // RFC 5626 §4.4.1.
                Frame::Ping => self.core.io.send(flow, b"\r\n".to_vec()),
                Frame::Broken(rest) => {
                    self.receive_message(now, flow, &rest);
                    self.closes.push_back(flow.connection);
                }
            }
        }
    }

    fn receive_message(&mut self, now: Duration, flow: Flow, bytes: &[u8]) {
        let Some(message) = parse(bytes) else { return };
        match message.method() {
            Some(_) => self.on_request(now, flow, message),
            None => self.on_response(now, flow, &message),
        }
    }

    /// The driver closed a TCP connection, or the far end did.
    pub fn connection_closed(&mut self, now: Duration, connection: u64) {
        let stream = self.streams.remove(&connection);
        self.core.connections.remove(&connection);
        self.registrar.connection_closed(&mut self.core.io, connection);
        if let Some((flow, _)) = stream {
            self.transport_failed(now, flow);
        }
    }

    /// Nothing reaches this flow (ICMP unreachable, connection refused): what waits for an answer from there fails.
    pub fn transport_failed(&mut self, now: Duration, flow: Flow) {
        let lost = self.core.clients.fail(&mut self.core.io, flow);
        for (owner, flow) in lost {
            self.on_silence(now, owner, flow, 503);
        }
    }

    /// Does everything that is due at `now`.
    pub fn handle_timeout(&mut self, now: Duration) {
        while let Some(timer) = self.core.io.timers.pop(now) {
            self.on_timer(now, timer);
        }
    }

    fn on_timer(&mut self, now: Duration, timer: Timer) {
        let Core { io, clients, servers, .. } = &mut self.core;
        match timer {
            Timer::ClientRetransmit(key) => clients.retransmit(io, now, key),
            Timer::ClientTimeout(key) => {
                if let Some((owner, flow)) = clients.time_out(io, now, key) {
                    self.on_silence(now, owner, flow, 408);
                }
            }
            Timer::ServerRetransmit(id) => servers.retransmit(io, now, id),
            Timer::ServerTimeout(id) => {
                if let Lapse::NoAck(dialog, server) = servers.time_out(io, id) {
                    self.with_dialog(dialog, |dialog, core| dialog.on_no_ack(core, now, server));
                }
            }
            Timer::Dialog(id, timer) => self.on_dialog_timer(now, DialogId(id), timer),
            Timer::Registration(id) => self.refresh_registration(now, RegistrationId(id)),
            Timer::Binding(id) => self.registrar.unbind(io, id),
        }
    }

    fn on_dialog_timer(&mut self, now: Duration, id: DialogId, timer: DialogTimer) {
        self.with_dialog(id, |dialog, core| match timer {
            DialogTimer::Unanswered if dialog.phase == Phase::Incoming => {
                dialog.withdraw(core, now, 480, (408, true), None);
            }
            DialogTimer::Unanswered => dialog.hang_up(core, now),
            DialogTimer::Silent => dialog.give_up_silent(core),
            DialogTimer::Provisional => dialog.remind(core, now),
            DialogTimer::Unconfirmed => dialog.repeat_reliable(core, now),
            DialogTimer::Refresh => dialog.refresh(core, now),
            DialogTimer::Expire => dialog.lose(core, now),
            DialogTimer::OfferAgain => dialog.flush_offer(core, now),
            DialogTimer::OfferUnanswered => dialog.refuse_offer(core, now, 500),
        });
    }

    /// Lets `act` work on a dialog, and forgets the dialog when that was its end.
    pub(crate) fn with_dialog(&mut self, id: DialogId, act: impl FnOnce(&mut Dialog, &mut Core)) {
        let Some(dialog) = self.dialogs.get_mut(&id.0) else { return };
        act(dialog, &mut self.core);
        if dialog.phase == Phase::Over {
            self.core.io.timers.cancel_dialog(id.0);
            self.dialogs.remove(&id.0);
        }
    }

    /// The next bytes to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.core.io.transmits.pop_front()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.core.io.events.pop_front()
    }

    /// A TCP connection to close after what is to be sent, for its stream is broken. Tell by `connection_closed` when done.
    pub fn poll_close(&mut self) -> Option<u64> {
        self.closes.pop_front()
    }

    /// When `handle_timeout` is to be called next.
    pub fn deadline(&self) -> Option<Duration> {
        self.core.io.timers.next()
    }

    /// Places a call. Past `dialogs_max` it fails at once with 503.
    pub fn invite(&mut self, now: Duration, invite: Invite) -> DialogId {
        let id = self.new_dialog_id();
        if self.dialogs.len() >= self.core.io.config.dialogs_max {
            let reason = "Too Many Dialogs".to_owned();
            let (q850, elsewhere) = (None, None);
            self.core.io.event(Event::Failed {
                dialog: id,
                status: 503,
                reason,
                q850,
                local: true,
                elsewhere,
            });
            return id;
        }
        let pinned = self.registrar.is_bound_flow(invite.flow);
        let dialog = Dialog::place(&mut self.core, now, id, invite, pinned);
        self.dialogs.insert(id.0, Box::new(dialog));
        id
    }

    /// A call that we placed and that gets no response at all, not even 100, ends after this with `Failed`, 408, `local`.
    /// Its INVITE is not repeated any more; a far end that wakes up late is cancelled, or gets a BYE.
    pub fn limit_silence(&mut self, now: Duration, dialog: DialogId, after: Duration) {
        self.with_dialog(dialog, |dialog, core| dialog.limit_silence(core, now + after));
    }

    pub(crate) fn new_dialog_id(&mut self) -> DialogId {
        loop {
            let id = self.core.io.rng.u64(..);
            if !self.dialogs.contains_key(&id) {
                return DialogId(id);
            }
        }
    }

    /// 101 to 199 for an incoming call.
    pub fn ring(&mut self, now: Duration, dialog: DialogId, status: u16, sdp: Option<Vec<u8>>) {
        self.with_dialog(dialog, |dialog, core| dialog.ring(core, now, status, sdp.unwrap_or_default()));
    }

    /// 200 for an incoming call. `Event::Answered` follows with the ACK.
    pub fn answer(&mut self, now: Duration, dialog: DialogId, sdp: Vec<u8>) {
        self.with_dialog(dialog, |dialog, core| dialog.answer(core, now, sdp));
    }

    /// 300 to 699 for an incoming call; `Event::Failed` follows.
    pub fn reject(&mut self, now: Duration, dialog: DialogId, status: u16) {
        self.with_dialog(dialog, |dialog, core| dialog.reject(core, now, status));
    }

    /// Cancels a call that we placed; one that was answered goes on. `Event::Failed` follows, or `Event::Answered` when the
    /// answer was faster than the CANCEL (RFC 3261 §9.1).
    pub fn cancel(&mut self, now: Duration, dialog: DialogId) {
        self.with_dialog(dialog, |dialog, core| dialog.cancel(core, now));
    }

    /// CANCEL, final response or BYE, whatever fits; unknown dialog: nothing.
    pub fn hang_up(&mut self, now: Duration, dialog: DialogId) {
        self.with_dialog(dialog, |dialog, core| dialog.hang_up(core, now));
    }

    /// Offers another session to the far end of an answered call. `Event::OfferAnswered` follows.
    pub fn reoffer(&mut self, now: Duration, dialog: DialogId, sdp: Vec<u8>) {
        self.with_dialog(dialog, |dialog, core| dialog.reoffer(core, now, sdp));
    }

    /// Answers `Event::Offer`; empty `sdp`: refused with 488.
    pub fn answer_offer(&mut self, now: Duration, dialog: DialogId, sdp: Vec<u8>) {
        self.with_dialog(dialog, |dialog, core| dialog.answer_offer(core, now, sdp));
    }

    /// The flow of a dialog.
    pub fn peer_of(&self, dialog: DialogId) -> Option<Flow> {
        self.dialogs.get(&dialog.0).map(|dialog| dialog.flow)
    }

    pub fn call_id_of(&self, dialog: DialogId) -> Option<String> {
        self.dialogs.get(&dialog.0).map(|dialog| String::from_utf8_lossy(&dialog.call_id).into_owned())
    }

    /// Our tag in a dialog, as it stands in From or To.
    pub fn tag_of(&self, dialog: DialogId) -> String {
        tag_of(dialog)
    }

    /// An account may register and place calls with digest. A known one gets the new password.
    pub fn put_account(&mut self, username: &str, password: &str) {
        self.registrar.put_account(username, password);
    }

    /// Its bindings end with `Event::Unbound`.
    pub fn remove_account(&mut self, username: &str) {
        self.registrar.remove_account(&mut self.core.io, username);
    }

    /// A binding from before a restart; there is no event. `expires`: from now on.
    pub fn restore_binding(
        &mut self,
        now: Duration,
        account: &str,
        contact: &str,
        flow: Flow,
        expires: Duration,
    ) {
        self.registrar.restore(&mut self.core.io, account, contact, flow, now + expires);
    }

    /// Contact and flow of an account's bindings, newest first.
    pub fn bindings(&self, account: &str) -> Vec<(String, Flow)> {
        self.registrar.bindings(account)
    }

    pub fn counts(&self) -> Counts {
        Counts {
            transactions: self.core.transactions(),
            dialogs: self.dialogs.len(),
            bindings: self.registrar.len(),
            shed: self.overload.shed,
        }
    }
}
