//! A SIP phone, or a carrier with many of them, on one UDP port: answers each called number as it is told and
//! keeps a record of what it saw.

mod call;
mod client;
pub mod digest;
pub mod message;

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::time::{Duration, Instant};

use call::Call;
pub use client::Outgoing;
use message::Message;

use super::rtp::{PCMA, Packet, Rtp, Sound};

/// What a called number does.
#[derive(Clone, Copy, Debug)]
pub struct Behaviour {
    /// 180 after this; None: never.
    pub rings_after: Option<Duration>,
    /// 183 with SDP and sound instead of 180.
    pub early_media: bool,
    pub then: Then,
    /// Since the INVITE.
    pub then_after: Duration,
    /// Hangs up so long after its answer; None: waits for the BYE.
    pub talks: Option<Duration>,
    /// The 200 to the INVITE crosses the CANCEL.
    pub answers_cancel: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Then {
    Answer,
    Reject(u16),
    Nothing,
}

impl Behaviour {
    pub fn answers(after: Duration) -> Behaviour {
        Behaviour {
            rings_after: Some(Duration::ZERO),
            early_media: false,
            then: Then::Answer,
            then_after: after,
            talks: None,
            answers_cancel: false,
        }
    }

    pub fn and_hangs_up_after(self, talk: Duration) -> Behaviour {
        Behaviour { talks: Some(talk), ..self }
    }

    pub fn rejects(status: u16, after: Duration) -> Behaviour {
        Behaviour { rings_after: None, then: Then::Reject(status), ..Behaviour::answers(after) }
    }

    pub fn rings() -> Behaviour {
        Behaviour { then: Then::Nothing, ..Behaviour::answers(Duration::ZERO) }
    }

    /// Answers nothing at all, as a phone without power.
    pub fn is_dead() -> Behaviour {
        Behaviour { rings_after: None, ..Behaviour::rings() }
    }

    pub fn answers_when_cancelled() -> Behaviour {
        Behaviour { answers_cancel: true, ..Behaviour::rings() }
    }

    pub fn with_early_media(self) -> Behaviour {
        Behaviour { early_media: true, ..self }
    }
}

/// One thing that the peer saw or did.
#[derive(Clone, Debug)]
pub struct Seen {
    pub at: Instant,
    /// User part of the INVITE's Request-URI.
    pub number: String,
    /// User part of From; of a new INVITE only.
    pub from_user: String,
    pub call_id: String,
    pub what: What,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// A new INVITE (no retransmission, not in a dialog).
    Invite,
    Cancel,
    /// ACK to our 200.
    Confirmed,
    /// BYE from the server.
    Bye,
    /// We hung up, and the BYE was answered with this.
    HungUp(u16),
    /// A REGISTER with good credentials.
    Register,
    /// A request without credentials, or with wrong ones, while we demand them.
    Challenged,
}

pub struct Peer {
    pub port: u16,
    socket: UdpSocket,
    shared: Arc<Shared>,
    /// See `power_off`.
    on: Arc<AtomicBool>,
}

/// What a request within an answered call needs.
#[derive(Clone, Debug)]
pub struct Dialog {
    pub local: String,
    pub remote: String,
    pub target: String,
    pub to: SocketAddr,
    pub cseq: u32,
    /// Header lines.
    pub routes: String,
}

struct Shared {
    stop: AtomicBool,
    seen: Mutex<Vec<Seen>>,
    /// Media of each call, by Call-ID.
    media: Mutex<HashMap<String, Arc<Rtp>>>,
    /// Who waits for responses, by Call-ID.
    waiting: Mutex<HashMap<String, mpsc::Sender<Message>>>,
    sound: Sound,
    /// Of the codec that it takes where it is offered; else the first of the offer.
    payload_type: AtomicU8,
    /// Payload type of events that it takes; 0: none.
    keys: AtomicU8,
    /// Answered calls, by Call-ID.
    dialogs: Mutex<HashMap<String, Dialog>>,
    /// What it was asked within calls, ACK and BYE apart.
    asked: Mutex<Vec<Message>>,
    /// That came, by Call-ID.
    invites: Mutex<HashMap<String, Message>>,
    /// User and password that INVITE and REGISTER must prove.
    credentials: Mutex<Option<(String, String)>>,
    decide: Box<dyn Fn(&str) -> Behaviour + Send + Sync>,
}

impl Peer {
    /// `decide`: what a called number does. Sends `sound` in every call.
    pub fn start(
        port: u16,
        sound: Sound,
        decide: impl Fn(&str) -> Behaviour + Send + Sync + 'static,
    ) -> Peer {
        let socket = UdpSocket::bind(("127.0.0.1", port)).expect("the port is free");
        socket.set_read_timeout(Some(Duration::from_millis(5))).expect("not zero");
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            seen: Mutex::default(),
            media: Mutex::default(),
            waiting: Mutex::default(),
            sound,
            payload_type: AtomicU8::new(PCMA),
            keys: AtomicU8::new(0),
            dialogs: Mutex::default(),
            asked: Mutex::default(),
            invites: Mutex::default(),
            credentials: Mutex::default(),
            decide: Box::new(decide),
        });
        let on = Arc::new(AtomicBool::new(true));
        let (of_thread, lit) = (shared.clone(), on.clone());
        let copy = socket.try_clone().expect("a socket can be cloned");
        std::thread::spawn(move || run(&copy, &of_thread, &lit));
        Peer { port, socket, shared, on }
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Takes this codec from now on.
    pub fn prefer(&self, payload_type: u8) {
        self.shared.payload_type.store(payload_type, Ordering::Relaxed);
    }

    /// Takes events of RTP from now on, with this payload type.
    pub fn take_keys(&self, payload_type: u8) {
        self.shared.keys.store(payload_type, Ordering::Relaxed);
    }

    /// Requests of this method that came within calls.
    pub fn asked(&self, method: &str) -> Vec<Message> {
        lock(&self.shared.asked).iter().filter(|m| m.method() == method).cloned().collect()
    }

    /// With which a call came.
    pub fn invite_of(&self, call_id: &str) -> Message {
        lock(&self.shared.invites).get(call_id).expect("it came").clone()
    }

    pub fn media(&self, call_id: &str) -> Arc<Rtp> {
        self.shared.rtp(call_id)
    }

    /// Drops every message that comes in from now on, and all sound stops.
    pub fn power_off(&self) {
        self.on.store(false, Ordering::Relaxed);
        for rtp in lock(&self.shared.media).values() {
            rtp.close();
        }
    }

    pub fn power_on(&self) {
        self.on.store(true, Ordering::Relaxed);
    }

    /// From now on INVITE and REGISTER must prove these.
    pub fn demand(&self, user: &str, password: &str) {
        *lock(&self.shared.credentials) = Some((user.into(), password.into()));
    }

    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.shared.seen).clone()
    }

    /// What was seen of this kind, oldest first.
    pub fn all(&self, what: What) -> Vec<Seen> {
        self.seen().into_iter().filter(|s| s.what == what).collect()
    }

    /// New INVITEs per number.
    pub fn invites_by_number(&self) -> HashMap<String, u32> {
        let mut counts = HashMap::new();
        for seen in self.all(What::Invite) {
            *counts.entry(seen.number).or_default() += 1;
        }
        counts
    }

    /// Waits for `count` things of this kind.
    pub fn wait(&self, what: What, count: usize, limit: Duration) -> Vec<Seen> {
        super::wait_for(&format!("{count} × {what:?} at port {}", self.port), limit, || {
            let seen = self.all(what);
            (seen.len() >= count).then_some(seen)
        })
    }

    /// Forgets what was seen.
    pub fn clear(&self) {
        lock(&self.shared.seen).clear();
    }

    /// RTP received in a call.
    pub fn packets(&self, call_id: &str) -> Vec<Packet> {
        lock(&self.shared.media).get(call_id).map_or(Vec::new(), |rtp| rtp.packets())
    }

    /// RTP received in all calls with this number.
    pub fn packets_of(&self, number: &str) -> Vec<Packet> {
        let calls = self.all(What::Invite).into_iter().filter(|s| s.number == number);
        calls.flat_map(|s| self.packets(&s.call_id)).collect()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

fn route_lines<'a>(routes: impl Iterator<Item = &'a str>) -> String {
    routes.map(|route| format!("Route: {route}\r\n")).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no panic inside")
}

impl Shared {
    fn saw(&self, number: &str, call_id: &str, what: What) {
        self.saw_from("", number, call_id, what);
    }

    fn saw_from(&self, from_user: &str, number: &str, call_id: &str, what: What) {
        lock(&self.seen).push(Seen {
            at: Instant::now(),
            number: number.into(),
            from_user: from_user.into(),
            call_id: call_id.into(),
            what,
        });
    }

    fn is_proven(&self, message: &Message) -> bool {
        let demanded = lock(&self.credentials);
        let Some((user, password)) = demanded.as_ref() else { return true };
        let header = if message.method() == "INVITE" { "proxy-authorization" } else { "authorization" };
        digest::proves(message.header(header), message.method(), user, password)
    }

    fn keys(&self) -> u8 {
        self.keys.load(Ordering::Relaxed)
    }

    /// The media of the call; opened when it has none yet.
    fn rtp(&self, call_id: &str) -> Arc<Rtp> {
        let mut media = lock(&self.media);
        let open = || Arc::new(Rtp::open(0, self.sound));
        media.entry(call_id.to_owned()).or_insert_with(open).clone()
    }
}

fn run(socket: &UdpSocket, shared: &Shared, on: &AtomicBool) {
    let mut calls: HashMap<String, Call> = HashMap::new();
    let mut buffer = vec![0u8; 65_536];
    while !shared.stop.load(Ordering::Relaxed) {
        let received = socket.recv_from(&mut buffer);
        if on.load(Ordering::Relaxed)
            && let Ok((n, from)) = received
            && let Some(message) = Message::parse(&buffer[..n])
        {
            take(socket, shared, &mut calls, from, message);
        }
        if !on.load(Ordering::Relaxed) {
            continue;
        }
        let now = Instant::now();
        for call in calls.values_mut() {
            call.act(now, socket, shared);
        }
        calls.retain(|_, call| !call.is_forgotten(now));
    }
}

fn take(
    socket: &UdpSocket,
    shared: &Shared,
    calls: &mut HashMap<String, Call>,
    from: SocketAddr,
    message: Message,
) {
    let call_id = message.call_id().to_owned();
    if message.status() > 0 {
        if let Some(call) = calls.get_mut(&call_id) {
            call.take_response(&message, shared);
        }
        if let Some(waiting) = lock(&shared.waiting).get(&call_id) {
            let _ = waiting.send(message);
        }
        return;
    }
    if message.has_to_tag() && !matches!(message.method(), "ACK" | "BYE" | "CANCEL") {
        lock(&shared.asked).push(message.clone());
    }
    if let Some(call) = calls.get_mut(&call_id) {
        call.take_request(from, message, socket, shared);
        return;
    }
    let reply = |text: String| {
        let _ = socket.send_to(text.as_bytes(), from);
    };
    match message.method() {
        "INVITE" | "REGISTER" if !message.has_to_tag() && !shared.is_proven(&message) => {
            shared.saw(message.user(), &call_id, What::Challenged);
            let (status, name) = match message.method() {
                "INVITE" => ("407 Proxy Authentication Required", "Proxy-Authenticate"),
                _ => ("401 Unauthorized", "WWW-Authenticate"),
            };
            let header = format!("{name}: {}\r\n", digest::challenge());
            reply(message.response(status, "challenge", &header, ""));
        }
        "INVITE" if !message.has_to_tag() => {
            let behaviour = (shared.decide)(message.user());
            shared.saw_from(message.caller(), message.user(), &call_id, What::Invite);
            lock(&shared.invites).insert(call_id.clone(), message.clone());
            calls.insert(call_id, Call::new(from, message, behaviour));
        }
        "REGISTER" => {
            shared.saw(message.user(), &call_id, What::Register);
            let contact = format!("Contact: <{}>;expires=300\r\nExpires: 300\r\n", message.contact());
            reply(message.response("200 OK", "register", &contact, ""));
        }
        "ACK" => {}
        "BYE" if lock(&shared.waiting).contains_key(&call_id) => {
            shared.saw(message.user(), &call_id, What::Bye);
            reply(message.response("200 OK", "", "", ""));
        }
        "INFO" | "NOTIFY" | "UPDATE" if lock(&shared.dialogs).contains_key(&call_id) => {
            reply(message.response("200 OK", "", "", ""));
        }
        "OPTIONS" => reply(message.response("200 OK", "options", "", "")),
        _ => reply(message.response("481 Call/Transaction Does Not Exist", "gone", "", "")),
    }
}
