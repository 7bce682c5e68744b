//! INVITE and non-INVITE client transactions (RFC 3261 §17.1, RFC 6026 §8.4).

use super::{COOKIE, ClientKey};
use crate::endpoint::{DialogId, Flow, RegistrationId};
use crate::io::Io;
use crate::message::{Message, Method, Name, ack_for_failure, parse};
use crate::timer::{PATIENCE, T1, T2, T4, Timer};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// Repeated ACKs kept per INVITE: one for each far end that answered a forked call.
const ACKS_MAX: usize = 8;

/// Who wants to know how the transaction ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Owner {
    /// Nobody: CANCEL, PRACK, the BYE to a fork.
    Nobody,
    Invite(DialogId),
    Reinvite(DialogId),
    Update(DialogId),
    Bye(DialogId),
    Registration(RegistrationId),
    Options,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Calling, or Trying.
    Waiting,
    Proceeding,
    /// A failed INVITE: its ACK is repeated.
    Completed,
    /// An answered INVITE: further 2xx come through (RFC 6026).
    Accepted,
}

#[derive(Debug)]
pub(crate) struct Client {
    pub owner: Owner,
    pub method: Method,
    pub flow: Flow,
    state: State,
    /// The request; the ACK once Completed; empty once Accepted.
    bytes: Vec<u8>,
    interval: Duration,
    /// To tag, flow and bytes of the ACKs that were sent for 2xx.
    acks: Vec<(Vec<u8>, Flow, Vec<u8>)>,
}

/// What a response means to the owner.
pub(crate) enum Reaction {
    /// No transaction, or a repetition that was dealt with.
    Absorbed,
    Provisional(Owner),
    /// A 2xx to an INVITE whose ACK was not sent yet; `first` for the one that ended the transaction.
    Answer {
        owner: Owner,
        key: ClientKey,
        first: bool,
        flow: Flow,
    },
    /// The final response of anything else, and the request that it answers.
    Final {
        owner: Owner,
        flow: Flow,
        request: Vec<u8>,
    },
}

#[derive(Default, Debug)]
pub(crate) struct Clients {
    table: HashMap<ClientKey, Client>,
    /// Those that still wait for a final response, by where they went.
    pending: BTreeSet<(Flow, ClientKey)>,
}

impl Clients {
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Sends a request and looks after it.
    pub fn start(&mut self, io: &mut Io, now: Duration, key: ClientKey, request: Request) {
        let Request { owner, method, flow, bytes } = request;
        if !flow.transport.is_reliable() {
            io.timers.set(Timer::ClientRetransmit(key), now + T1);
        }
        io.timers.set(Timer::ClientTimeout(key), now + PATIENCE);
        io.send(flow, bytes.clone());
        self.pending.insert((flow, key));
        let client =
            Client { owner, method, flow, state: State::Waiting, bytes, interval: T1, acks: Vec::new() };
        self.table.insert(key, client);
    }

    pub fn request_of(&self, key: ClientKey) -> Option<Message> {
        parse(&self.table.get(&key)?.bytes)
    }

    /// Whether a provisional response came, and no final one.
    pub fn is_proceeding(&self, key: ClientKey) -> bool {
        self.table.get(&key).is_some_and(|client| client.state == State::Proceeding)
    }

    pub fn flow_of(&self, key: ClientKey) -> Option<Flow> {
        self.table.get(&key).map(|client| client.flow)
    }

    /// The request is not sent again, but its response is still waited for.
    pub fn stop_repeating(&mut self, io: &mut Io, key: ClientKey) {
        if self.table.contains_key(&key) {
            io.timers.cancel(Timer::ClientRetransmit(key));
        }
    }

    /// RFC 3261 §9.1: a cancelled INVITE gets 64*T1 for its final response.
    pub fn give_up_later(&mut self, io: &mut Io, now: Duration, key: ClientKey) {
        if self.table.contains_key(&key) {
            io.timers.set(Timer::ClientTimeout(key), now + PATIENCE);
        }
    }

    /// The ACK for a 2xx was sent: it is repeated with each repetition of the 2xx.
    pub fn remember_ack(&mut self, key: ClientKey, tag: &[u8], flow: Flow, bytes: Vec<u8>) {
        if let Some(client) = self.table.get_mut(&key)
            && client.acks.len() < ACKS_MAX
        {
            client.acks.push((tag.to_vec(), flow, bytes));
        }
    }

    /// Takes a response to the transaction that it belongs to.
    pub fn receive(&mut self, io: &mut Io, now: Duration, response: &Message) -> Reaction {
        let Some(key) = client_key(response) else { return Reaction::Absorbed };
        let Some(client) = self.table.get_mut(&key) else { return Reaction::Absorbed };
        let method = response.cseq().map(|(_, method)| method);
        if method != Some(client.method) {
            return Reaction::Absorbed;
        }
        let status = response.status();
        match (client.state, status) {
            (State::Waiting | State::Proceeding, 100..=199) => {
                client.proceed(io, now, key);
                Reaction::Provisional(client.owner)
            }
            (State::Waiting | State::Proceeding, _) => self.finish(io, now, key, response),
            (State::Completed, 300..) => {
                io.send(client.flow, client.bytes.clone());
                Reaction::Absorbed
            }
            (State::Accepted, 200..=299) => client.answer_again(io, key, response),
            _ => Reaction::Absorbed,
        }
    }

    /// The first final response.
    fn finish(&mut self, io: &mut Io, now: Duration, key: ClientKey, response: &Message) -> Reaction {
        let Some(client) = self.table.get_mut(&key) else { return Reaction::Absorbed };
        let (owner, flow) = (client.owner, client.flow);
        self.pending.remove(&(flow, key));
        io.timers.cancel(Timer::ClientRetransmit(key));
        if client.method == Method::Invite && response.status() < 300 {
            client.state = State::Accepted;
            client.bytes = Vec::new();
            io.timers.set(Timer::ClientTimeout(key), now + PATIENCE);
            return Reaction::Answer { owner, key, first: true, flow };
        }
        let request = std::mem::take(&mut client.bytes);
        if client.method == Method::Invite {
            client.complete(io, now, key, &request, response);
            if flow.transport.is_reliable() {
                self.remove(io, key);
            }
        } else {
            // A repeated final response finds nothing and is dropped, which is all that Completed would do.
            self.remove(io, key);
        }
        Reaction::Final { owner, flow, request }
    }

    /// Timers A and E.
    pub fn retransmit(&mut self, io: &mut Io, now: Duration, key: ClientKey) {
        let Some(client) = self.table.get_mut(&key) else { return };
        io.send(client.flow, client.bytes.clone());
        client.interval *= 2;
        if client.method != Method::Invite {
            client.interval = client.interval.min(T2);
        }
        io.timers.set(Timer::ClientRetransmit(key), now + client.interval);
    }

    /// Timers B and F: the owner, when it still waited for a final response, and the flow.
    pub fn time_out(&mut self, io: &mut Io, now: Duration, key: ClientKey) -> Option<(Owner, Flow)> {
        let client = self.table.get_mut(&key)?;
        let result = (client.owner, client.flow);
        let waiting = matches!(client.state, State::Waiting | State::Proceeding);
        if waiting && client.method == Method::Invite {
            // A 2xx that still comes is acknowledged and ended.
            self.pending.remove(&(client.flow, key));
            client.state = State::Accepted;
            client.bytes = Vec::new();
            io.timers.cancel(Timer::ClientRetransmit(key));
            io.timers.set(Timer::ClientTimeout(key), now + PATIENCE);
        } else {
            self.remove(io, key);
        }
        waiting.then_some(result)
    }

    /// Ends the transactions that wait for an answer over this flow. `connection` 0 stands for all of the peer's.
    pub fn fail(&mut self, io: &mut Io, flow: Flow) -> Vec<(Owner, Flow)> {
        let low = ClientKey { branch: 0, cancel: false };
        let high = ClientKey { branch: u64::MAX, cancel: true };
        let (from, to) = (flow.connection, if flow.connection == 0 { u64::MAX } else { flow.connection });
        let range = (Flow { connection: from, ..flow }, low)..=(Flow { connection: to, ..flow }, high);
        let hit: Vec<_> = self.pending.range(range).copied().collect();
        let fail = |&(flow, key): &(Flow, ClientKey)| {
            let owner = self.table.get(&key)?.owner;
            self.remove(io, key);
            Some((owner, flow))
        };
        hit.iter().filter_map(fail).collect()
    }

    fn remove(&mut self, io: &mut Io, key: ClientKey) {
        if let Some(client) = self.table.remove(&key) {
            self.pending.remove(&(client.flow, key));
        }
        io.timers.cancel(Timer::ClientRetransmit(key));
        io.timers.cancel(Timer::ClientTimeout(key));
    }
}

impl Client {
    fn proceed(&mut self, io: &mut Io, now: Duration, key: ClientKey) {
        if self.method != Method::Invite {
            self.interval = T2;
        } else if matches!(self.owner, Owner::Reinvite(_)) {
            // Nobody has to pick up a phone for it, so it may not take for ever.
            io.timers.cancel(Timer::ClientRetransmit(key));
            io.timers.set(Timer::ClientTimeout(key), now + PATIENCE);
        } else if self.state == State::Waiting {
            io.timers.cancel(Timer::ClientRetransmit(key));
            io.timers.cancel(Timer::ClientTimeout(key));
        }
        self.state = State::Proceeding;
    }

    /// RFC 3261 §17.1.1.2: a failed INVITE is acknowledged here.
    fn complete(&mut self, io: &mut Io, now: Duration, key: ClientKey, request: &[u8], response: &Message) {
        self.state = State::Completed;
        if let Some(invite) = parse(request) {
            self.bytes = ack_for_failure(&invite, response);
            io.send(self.flow, self.bytes.clone());
        }
        io.timers.set(Timer::ClientTimeout(key), now + PATIENCE);
    }

    fn answer_again(&mut self, io: &mut Io, key: ClientKey, response: &Message) -> Reaction {
        let tag = response.to_tag().unwrap_or(b"");
        if let Some((_, flow, bytes)) = self.acks.iter().find(|(known, _, _)| known == tag) {
            io.send(*flow, bytes.clone());
            return Reaction::Absorbed;
        }
        if self.acks.len() >= ACKS_MAX {
            return Reaction::Absorbed;
        }
        Reaction::Answer { owner: self.owner, key, first: false, flow: self.flow }
    }
}

/// A request that is about to become a transaction.
pub(crate) struct Request {
    pub owner: Owner,
    pub method: Method,
    pub flow: Flow,
    pub bytes: Vec<u8>,
}

/// Which of our transactions a response names in its topmost Via.
fn client_key(response: &Message) -> Option<ClientKey> {
    let via = response.list(Name::Via).next().and_then(crate::message::Via::parse)?;
    let digits = via.branch().strip_prefix(COOKIE)?;
    let branch = u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    let cancel = matches!(response.cseq(), Some((_, Method::Cancel)));
    Some(ClientKey { branch, cancel })
}

/// Timer I and K of unreliable transports.
pub(super) const LINGER: Duration = T4;
