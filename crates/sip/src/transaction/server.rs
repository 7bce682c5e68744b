//! INVITE and non-INVITE server transactions (RFC 3261 §17.2, RFC 6026 §8.5, §8.7).

use super::COOKIE;
use super::client::LINGER;
use crate::endpoint::{DialogId, Flow};
use crate::io::Io;
use crate::message::{Message, Method, Name};
use crate::timer::{PATIENCE, T1, T2, Timer};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// No final response yet (Trying, Proceeding).
    Open,
    Completed,
    Confirmed,
    /// An answered INVITE (RFC 6026). The 2xx is repeated until the ACK comes.
    Accepted {
        acknowledged: bool,
    },
}

#[derive(Debug)]
struct Server {
    key: Box<[u8]>,
    /// Of an INVITE outside any dialog: what it shares with copies of it that came another way.
    origin: Option<Box<[u8]>>,
    invite: bool,
    flow: Flow,
    dialog: Option<DialogId>,
    state: State,
    /// The last response; empty when nothing has to be repeated.
    last: Vec<u8>,
    /// What is to be answered; gone with the final response.
    request: Option<Box<Message>>,
    interval: Duration,
}

/// A server transaction ran out of time.
pub(crate) enum Lapse {
    /// Nothing that anyone must know.
    Over,
    /// No ACK came for the 2xx to an INVITE.
    NoAck(DialogId, u64),
}

#[derive(Default, Debug)]
pub(crate) struct Servers {
    table: HashMap<u64, Server>,
    by_key: HashMap<Box<[u8]>, u64>,
    origins: HashSet<Box<[u8]>>,
    next: u64,
}

impl Servers {
    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn open(&mut self, key: Box<[u8]>, flow: Flow, request: Message, dialog: Option<DialogId>) -> u64 {
        self.next += 1;
        let id = self.next;
        self.by_key.insert(key.clone(), id);
        let invite = request.method() == Some(Method::Invite);
        let origin = origin_of(&request).filter(|_| invite);
        if let Some(origin) = &origin {
            self.origins.insert(origin.clone());
        }
        let request = Some(Box::new(request));
        let state = State::Open;
        let server =
            Server { key, origin, invite, flow, dialog, state, last: Vec::new(), request, interval: T1 };
        self.table.insert(id, server);
        id
    }

    /// RFC 3261 §8.2.2.2: whether a request that forked on its way came already, with another branch.
    pub fn is_merged(&self, request: &Message) -> bool {
        origin_of(request).is_some_and(|origin| self.origins.contains(&origin))
    }

    /// The transaction of this key, if there is one.
    pub fn find(&self, key: &[u8]) -> Option<u64> {
        self.by_key.get(key).copied()
    }

    pub fn dialog_of(&self, id: u64) -> Option<DialogId> {
        self.table.get(&id)?.dialog
    }

    /// The request, as long as there is no final response to it.
    pub fn request(&self, id: u64) -> Option<(&Message, Flow)> {
        let server = self.table.get(&id)?;
        Some((server.request.as_deref()?, server.flow))
    }

    /// The request came again.
    pub fn repeat(&self, io: &mut Io, id: u64) {
        let Some(server) = self.table.get(&id) else { return };
        let repeats = matches!(server.state, State::Open | State::Completed);
        if repeats && !server.last.is_empty() {
            io.send(server.flow, server.last.clone());
        }
    }

    /// The last provisional response again, for proxies on the way (RFC 3261 §13.3.1.1).
    pub fn remind(&self, io: &mut Io, id: u64) {
        let Some(server) = self.table.get(&id).filter(|server| server.state == State::Open) else { return };
        if !server.last.is_empty() {
            io.send(server.flow, server.last.clone());
        }
    }

    /// Sends a response and does what its status asks for.
    pub fn respond(&mut self, io: &mut Io, now: Duration, id: u64, status: u16, bytes: Vec<u8>) {
        let Some(server) = self.table.get_mut(&id).filter(|server| server.state == State::Open) else {
            return;
        };
        io.send(server.flow, bytes.clone());
        server.last = bytes;
        if status < 200 {
            return;
        }
        server.request = None;
        let unreliable = !server.flow.transport.is_reliable();
        let answered = server.invite && status < 300;
        server.state = if answered { State::Accepted { acknowledged: false } } else { State::Completed };
        if !server.invite && !unreliable {
            // Timer J is zero: nothing is repeated over TCP.
            self.remove(io, id);
            return;
        }
        if server.invite && (answered || unreliable) {
            io.timers.set(Timer::ServerRetransmit(id), now + T1);
        }
        io.timers.set(Timer::ServerTimeout(id), now + PATIENCE);
    }

    /// An ACK with the key of the INVITE. True when it belongs to a failure and is done with.
    pub fn acknowledge_failure(&mut self, io: &mut Io, now: Duration, id: u64) -> bool {
        let Some(server) = self.table.get_mut(&id) else { return false };
        match server.state {
            State::Completed => {
                server.state = State::Confirmed;
                server.last = Vec::new();
                io.timers.cancel(Timer::ServerRetransmit(id));
                if server.flow.transport.is_reliable() {
                    self.remove(io, id);
                } else {
                    io.timers.set(Timer::ServerTimeout(id), now + LINGER);
                }
                true
            }
            State::Confirmed => true,
            State::Open | State::Accepted { .. } => false,
        }
    }

    /// The ACK for the 2xx came. The transaction goes on swallowing repetitions of the INVITE.
    pub fn acknowledge_answer(&mut self, io: &mut Io, id: u64) {
        let Some(server) = self.table.get_mut(&id) else { return };
        if let State::Accepted { acknowledged } = &mut server.state {
            *acknowledged = true;
            server.last = Vec::new();
            io.timers.cancel(Timer::ServerRetransmit(id));
        }
    }

    /// Timer G, and the repetition of a 2xx (RFC 3261 §13.3.1.4).
    pub fn retransmit(&mut self, io: &mut Io, now: Duration, id: u64) {
        let Some(server) = self.table.get_mut(&id) else { return };
        if server.last.is_empty() {
            return;
        }
        io.send(server.flow, server.last.clone());
        server.interval = (server.interval * 2).min(T2);
        io.timers.set(Timer::ServerRetransmit(id), now + server.interval);
    }

    pub fn time_out(&mut self, io: &mut Io, id: u64) -> Lapse {
        let Some(server) = self.table.get(&id) else { return Lapse::Over };
        let unacknowledged = server.state == State::Accepted { acknowledged: false };
        let dialog = server.dialog.filter(|_| unacknowledged);
        self.remove(io, id);
        dialog.map_or(Lapse::Over, |dialog| Lapse::NoAck(dialog, id))
    }

    fn remove(&mut self, io: &mut Io, id: u64) {
        if let Some(server) = self.table.remove(&id) {
            self.by_key.remove(&server.key);
            if let Some(origin) = &server.origin {
                self.origins.remove(origin);
            }
        }
        io.timers.cancel(Timer::ServerRetransmit(id));
        io.timers.cancel(Timer::ServerTimeout(id));
    }
}

/// From tag, Call-ID and CSeq of a request outside any dialog.
fn origin_of(request: &Message) -> Option<Box<[u8]>> {
    if request.to_tag().is_some() {
        return None;
    }
    let parts = [request.call_id(), request.sender_tag()?, &request.cseq()?.0.to_be_bytes()];
    Some(parts.join(&0).into_boxed_slice())
}

/// RFC 3261 §17.2.3: branch, sent-by and method, ACK counting as INVITE; `method` can be another than the request's, to
/// find the INVITE of a CANCEL. Without the magic cookie: what RFC 2543 made requests known by.
pub(crate) fn server_key(request: &Message, method: Method) -> Option<Box<[u8]>> {
    let via = request.via()?;
    let method = if method == Method::Ack { Method::Invite } else { method };
    let mut key = Vec::with_capacity(96);
    let mut push = |part: &[u8]| {
        key.extend_from_slice(part);
        key.push(0);
    };
    let branch = via.branch();
    let unique = branch.len() > COOKIE.len() && branch[..COOKIE.len()].eq_ignore_ascii_case(COOKIE);
    if unique {
        push(branch);
        push(via.host);
        push(&via.port.unwrap_or(5060).to_be_bytes());
    } else {
        push(request.call_id());
        push(request.sender_tag().unwrap_or(b""));
        push(&request.cseq()?.0.to_be_bytes());
        push(request.list(Name::Via).next()?);
        push(request.uri());
    }
    match method {
        Method::Other => push(&request.field(Name::CSeq)?.to_ascii_uppercase()),
        known => push(known.as_str().as_bytes()),
    }
    Some(key.into_boxed_slice())
}
