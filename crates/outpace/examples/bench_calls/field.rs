//! The carrier and all phones, on one thread with two sockets.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use md5::{Digest, Md5};

use crate::Result;
use crate::message::{self, Message};
use crate::server::{FIRST_EXTENSION, PASSWORD};
use crate::sound::Sounds;

/// Timer T1 and T2 of RFC 3261.
const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// The sockets are looked at this often.
const TICK: Duration = Duration::from_millis(1);
/// What was seen is shown this often.
const TELL: Duration = Duration::from_millis(100);
/// REGISTERs in a tick.
const REGISTER_AT_ONCE: usize = 4;
const SOCKET_BUFFER: usize = 4 << 20;

/// What the customers do.
#[derive(Clone, Copy, Debug)]
pub struct Customers {
    /// Of a hundred, so many are never answered.
    pub unanswered: u64,
    /// From the INVITE to the answer, from and to.
    pub ring: (Duration, Duration),
    /// From the answer to the customer's BYE.
    pub talk: Duration,
}

/// What was seen, in the order of happening where it has one.
#[derive(Clone, Default, Debug)]
pub struct Seen {
    pub registered: usize,
    /// Of customers, not counting repetitions.
    pub invites: u64,
    pub first: Option<Instant>,
    pub last: Option<Instant>,
    /// INVITEs by second since the first.
    pub by_second: Vec<u32>,
    pub answered: u64,
    pub cancelled: u64,
    /// Phones that were rung, and their legs that are up.
    pub offered: u64,
    pub agents_up: u64,
    pub customers_up: u64,
    /// Both sides of the call are over.
    pub over: u64,
    /// Requests of the server that came again, and ours that were sent again.
    pub repeated_by_server: u64,
    pub repeated_by_us: u64,
    /// Given up: the server never acknowledged or never answered.
    pub unheard: u64,
    /// From the customer's answer to the ACK that the agent's phone gets.
    pub answer_to_agent_us: Vec<u32>,
}

pub struct Field {
    pub carrier: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    prepared: Option<Work>,
    sounds: Option<Arc<Sounds>>,
}

impl Field {
    /// `talks`: customers and agents send sound, and it is seen when they hear each other.
    pub fn bind(agents: u32, customers: Customers, talks: bool) -> Result<Field> {
        let sounds = if talks { Some(Arc::new(Sounds::start()?)) } else { None };
        let sockets = [bind()?, bind()?];
        let carrier = sockets[0].local_addr()?;
        let (seen, stop) = (Arc::<Mutex<Seen>>::default(), Arc::<AtomicBool>::default());
        let work = Work {
            addresses: [carrier, sockets[1].local_addr()?],
            sockets,
            customers,
            agents,
            legs: HashMap::new(),
            by_number: HashMap::new(),
            due: BinaryHeap::new(),
            next: 0,
            seen: seen.clone(),
            news: Seen::default(),
            server: carrier,
            sounds: sounds.clone(),
        };
        Ok(Field { carrier, seen, stop, thread: None, prepared: Some(work), sounds })
    }

    /// Registers the phones and takes calls from now on.
    pub fn start(&mut self, server: SocketAddr) -> Result<()> {
        let mut work = self.prepared.take().ok_or("started twice")?;
        work.server = server;
        let stop = self.stop.clone();
        self.thread = Some(std::thread::Builder::new().name("field".into()).spawn(move || {
            if let Err(error) = work.run(&stop) {
                eprintln!("the carrier failed: {error}");
            }
        })?);
        Ok(())
    }

    pub fn sounds(&self) -> Option<&Sounds> {
        self.sounds.as_deref()
    }

    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Field {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn bind() -> Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_nonblocking(true)?;
    socket2::SockRef::from(&socket).set_recv_buffer_size(SOCKET_BUFFER)?;
    Ok(socket)
}

const CARRIER: usize = 0;
const PHONES: usize = 1;

struct Work {
    sockets: [UdpSocket; 2],
    addresses: [SocketAddr; 2],
    server: SocketAddr,
    customers: Customers,
    agents: u32,
    legs: HashMap<String, Leg>,
    /// When the customer answered.
    by_number: HashMap<String, Instant>,
    due: BinaryHeap<Reverse<(Instant, u64, String, Due)>>,
    next: u64,
    seen: Arc<Mutex<Seen>>,
    news: Seen,
    sounds: Option<Arc<Sounds>>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Due {
    Answer,
    HangUp,
    Repeat,
}

struct Leg {
    side: usize,
    invite: Message,
    tag: String,
    /// Sent again until the other side has it.
    unheard: Option<Unheard>,
    is_up: bool,
}

struct Unheard {
    bytes: Vec<u8>,
    pause: Duration,
    tries: u32,
    serial: u64,
}

impl Work {
    fn run(&mut self, stop: &AtomicBool) -> Result<()> {
        let mut registering = 0..self.agents;
        let mut buffer = vec![0; 65_536];
        let mut told = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            for n in registering.by_ref().take(REGISTER_AT_ONCE) {
                self.register(n, None)?;
            }
            for side in [CARRIER, PHONES] {
                loop {
                    match self.sockets[side].recv_from(&mut buffer) {
                        Ok((len, _)) => self.receive(side, &buffer[..len])?,
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                        Err(_) => {}
                    }
                }
            }
            self.on_time()?;
            if told.elapsed() >= TELL {
                self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&self.news);
                told = Instant::now();
            }
            std::thread::sleep(TICK);
        }
        Ok(())
    }

    fn send(&self, side: usize, bytes: &[u8]) -> Result<()> {
        self.sockets[side].send_to(bytes, self.server)?;
        Ok(())
    }

    fn later(&mut self, after: Duration, call_id: &str, due: Due) -> u64 {
        self.next += 1;
        self.due.push(Reverse((Instant::now() + after, self.next, call_id.to_owned(), due)));
        self.next
    }

    fn receive(&mut self, side: usize, bytes: &[u8]) -> Result<()> {
        let Some(message) = Message::parse(bytes) else { return Ok(()) };
        if message.is_response() {
            return self.response(&message);
        }
        match message.start.as_str() {
            "INVITE" => self.invited(side, message),
            "ACK" => self.acknowledged(&message),
            "CANCEL" => self.cancelled(side, &message),
            "BYE" => {
                let (tag, contact) = ("x", self.addresses[side]);
                self.send(side, &message.response(200, tag, contact, ""))?;
                self.over(&message.call_id);
                Ok(())
            }
            _ => self.send(side, &message.response(200, "x", self.addresses[side], "")),
        }
    }

    fn invited(&mut self, side: usize, invite: Message) -> Result<()> {
        if let Some(leg) = self.legs.get(&invite.call_id) {
            self.news.repeated_by_server += 1;
            if leg.is_up || leg.unheard.is_some() {
                return Ok(());
            }
            return self.send(side, &invite.response(180, &leg.tag, self.addresses[side], ""));
        }
        self.next += 1;
        let tag = format!("t{}", self.next);
        let id = invite.call_id.clone();
        let ringing = invite.response(180, &tag, self.addresses[side], "");
        let number = invite.user().to_owned();
        self.legs.insert(id.clone(), Leg { side, invite, tag, unheard: None, is_up: false });
        if side == PHONES {
            self.news.offered += 1;
            return self.answer(&id);
        }
        self.count_invite();
        self.send(side, &ringing)?;
        if fate(&number) % 100 >= self.customers.unanswered {
            let (from, to) = self.customers.ring;
            let ring = from + (to - from).mul_f64(fastrand::f64());
            self.later(ring, &id, Due::Answer);
        }
        Ok(())
    }

    fn count_invite(&mut self) {
        let now = Instant::now();
        let first = *self.news.first.get_or_insert(now);
        self.news.last = Some(now);
        self.news.invites += 1;
        let second = (now - first).as_secs() as usize;
        if self.news.by_second.len() <= second {
            self.news.by_second.resize(second + 1, 0);
        }
        self.news.by_second[second] += 1;
    }

    fn answer(&mut self, id: &str) -> Result<()> {
        let Some(leg) = self.legs.get_mut(id) else { return Ok(()) };
        let (side, contact) = (leg.side, self.addresses[leg.side]);
        let port = self.sounds.as_ref().map_or(message::SILENT, |sounds| sounds.ports[side]);
        let bytes = leg.invite.response(200, &leg.tag, contact, &message::sdp(port));
        let heard_at = leg.invite.audio_port;
        if side == CARRIER {
            self.news.answered += 1;
            let number = leg.invite.user().to_owned();
            self.by_number.insert(number, Instant::now());
        }
        self.send(side, &bytes)?;
        match &self.sounds {
            Some(sounds) if side == CARRIER => sounds.customer_answers(heard_at),
            Some(sounds) => sounds.agent_answers(heard_at),
            None => {}
        }
        self.repeat_until_heard(id, bytes);
        Ok(())
    }

    fn repeat_until_heard(&mut self, id: &str, bytes: Vec<u8>) {
        let serial = self.later(T1, id, Due::Repeat);
        if let Some(leg) = self.legs.get_mut(id) {
            leg.unheard = Some(Unheard { bytes, pause: T1, tries: 0, serial });
        }
    }

    fn acknowledged(&mut self, ack: &Message) -> Result<()> {
        let Some(leg) = self.legs.get_mut(&ack.call_id) else { return Ok(()) };
        if leg.is_up || leg.unheard.take().is_none() {
            return Ok(());
        }
        leg.is_up = true;
        if leg.side == PHONES {
            self.news.agents_up += 1;
            if let Some(answered) = self.by_number.get(leg.invite.caller()) {
                self.news.answer_to_agent_us.push(answered.elapsed().as_micros() as u32);
            }
            return Ok(());
        }
        self.news.customers_up += 1;
        self.later(self.customers.talk, &ack.call_id, Due::HangUp);
        Ok(())
    }

    /// Answers CANCEL and, with 487, the INVITE.
    fn cancelled(&mut self, side: usize, cancel: &Message) -> Result<()> {
        self.send(side, &cancel.response(200, "x", self.addresses[side], ""))?;
        let Some(leg) = self.legs.remove(&cancel.call_id) else { return Ok(()) };
        if leg.is_up || leg.unheard.is_some() {
            // It was answered before.
            self.legs.insert(cancel.call_id.clone(), leg);
            return Ok(());
        }
        if side == CARRIER {
            self.news.cancelled += 1;
        }
        self.send(side, &leg.invite.response(487, &leg.tag, self.addresses[side], ""))
    }

    fn response(&mut self, response: &Message) -> Result<()> {
        match (response.method(), response.start.as_str()) {
            ("REGISTER", "401") => {
                let n = response
                    .from
                    .split_once("sip:")
                    .and_then(|(_, rest)| rest.split('@').next()?.parse().ok());
                let n: u32 = n.ok_or("a 401 for nobody")?;
                self.register(n - FIRST_EXTENSION, Some(response))
            }
            ("REGISTER", "200") => {
                self.news.registered += 1;
                Ok(())
            }
            ("BYE", _) => {
                self.over(&response.call_id);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn over(&mut self, call_id: &str) {
        if let Some(leg) = self.legs.remove(call_id)
            && leg.is_up
        {
            self.news.over += 1;
            if let Some(sounds) = &self.sounds {
                sounds.over(leg.invite.audio_port);
            }
            match leg.side {
                CARRIER => {
                    self.news.customers_up -= 1;
                    self.by_number.remove(leg.invite.user());
                }
                _ => self.news.agents_up -= 1,
            }
        }
    }

    fn on_time(&mut self) -> Result<()> {
        let now = Instant::now();
        while self.due.peek().is_some_and(|Reverse((at, ..))| *at <= now) {
            let Some(Reverse((_, serial, id, due))) = self.due.pop() else { break };
            match due {
                Due::Answer => self.answer(&id)?,
                Due::HangUp => self.hang_up(&id)?,
                Due::Repeat => self.repeat(serial, &id)?,
            }
        }
        Ok(())
    }

    fn hang_up(&mut self, id: &str) -> Result<()> {
        self.next += 1;
        let branch = self.next;
        let Some(leg) = self.legs.get(id).filter(|leg| leg.is_up) else { return Ok(()) };
        let bye = leg.invite.bye(&leg.tag, self.addresses[leg.side], branch);
        self.send(leg.side, &bye)?;
        self.repeat_until_heard(id, bye);
        Ok(())
    }

    fn repeat(&mut self, serial: u64, id: &str) -> Result<()> {
        let Some(leg) = self.legs.get_mut(id) else { return Ok(()) };
        let Some(unheard) = leg.unheard.as_mut().filter(|unheard| unheard.serial == serial) else {
            return Ok(());
        };
        unheard.tries += 1;
        if unheard.tries > 8 {
            self.news.unheard += 1;
            self.legs.remove(id);
            return Ok(());
        }
        unheard.pause = (unheard.pause * 2).min(T2);
        let (side, pause, bytes) = (leg.side, unheard.pause, unheard.bytes.clone());
        self.send(side, &bytes)?;
        self.news.repeated_by_us += 1;
        let serial = self.later(pause, id, Due::Repeat);
        if let Some(unheard) = self.legs.get_mut(id).and_then(|leg| leg.unheard.as_mut()) {
            unheard.serial = serial;
        }
        Ok(())
    }

    fn register(&mut self, n: u32, challenge: Option<&Message>) -> Result<()> {
        let (number, address, server) = (FIRST_EXTENSION + n, self.addresses[PHONES], self.server);
        self.next += 1;
        let mut text = format!(
            "REGISTER sip:{server} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bK{branch:x}\r\nMax-Forwards: 70\r\n\
             From: <sip:{number}@{server}>;tag=r{number}\r\nTo: <sip:{number}@{server}>\r\nCall-ID: register-{number}\r\n\
             CSeq: {cseq} REGISTER\r\nContact: <sip:{number}@{address}>\r\nExpires: 3600\r\n",
            branch = self.next,
            cseq = if challenge.is_some() { 2 } else { 1 },
        );
        if let Some(challenge) = challenge {
            text.push_str(&credentials(&challenge.challenge, number, server));
        }
        self.send(PHONES, &message::end(text, ""))
    }
}

/// RFC 2617 with MD5 and qop=auth, which the server's default asks for.
fn credentials(challenge: &str, number: u32, server: SocketAddr) -> String {
    let field = |name: &str| {
        let (_, rest) = challenge.split_once(&format!("{name}=\"")).unwrap_or_default();
        rest.split('"').next().unwrap_or_default().to_owned()
    };
    let (realm, nonce) = (field("realm"), field("nonce"));
    let hash = |text: String| Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let ours = hash(format!("{number}:{realm}:{PASSWORD}"));
    let request = hash(format!("REGISTER:sip:{server}"));
    let response = hash(format!("{ours}:{nonce}:00000001:c:auth:{request}"));
    format!(
        "Authorization: Digest username=\"{number}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"sip:{server}\", \
         qop=auth, nc=00000001, cnonce=\"c\", response=\"{response}\", algorithm=MD5\r\n"
    )
}

/// The same for the same number.
pub fn fate(number: &str) -> u64 {
    let hash = number.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash >> 17
}
