//! Accounts and where they can be reached (RFC 3261 §10.3).

use crate::endpoint::{Event, Flow};
use crate::io::Io;
use crate::message::{Address, Message, Name, Uri, leading_number};
use crate::timer::Timer;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// Bindings of one account; one more pushes the oldest out.
const BINDINGS_MAX: usize = 5;
/// What a REGISTER without any expiry asks for (RFC 3261 §10.2.1.1).
const EXPIRES_DEFAULT: u32 = 3600;

#[derive(Debug)]
struct Binding {
    contact: String,
    flow: Flow,
    /// RFC 5626 §4.1: the device and which of its flows this is; a new binding of the same takes the place of this one.
    instance: Option<(Vec<u8>, u32)>,
    expires_at: Duration,
    call_id: Vec<u8>,
    cseq: u32,
}

#[derive(Debug)]
struct Account {
    password: String,
    /// Numbers of its bindings, newest last.
    bindings: Vec<u64>,
}

#[derive(Default, Debug)]
pub(crate) struct Registrar {
    accounts: HashMap<String, Account>,
    bindings: HashMap<u64, (String, Binding)>,
    /// By flow, so that a request from a registered phone is known without a search.
    flows: BTreeSet<(Flow, u64)>,
    /// By TCP connection.
    connections: BTreeMap<(u64, u64), ()>,
    next: u64,
}

/// Why a REGISTER with good credentials was not done.
pub(crate) enum Refusal {
    /// 400.
    Bad,
    /// 500: an older request came later.
    OutOfOrder,
    /// 423 with this Min-Expires, in seconds.
    TooBrief(u64),
}

impl Registrar {
    pub fn put_account(&mut self, username: &str, password: &str) {
        let account = self.accounts.entry(username.to_owned());
        let account = account.or_insert_with(|| Account { password: String::new(), bindings: Vec::new() });
        account.password = password.to_owned();
    }

    pub fn remove_account(&mut self, io: &mut Io, username: &str) {
        let ids = self.accounts.get(username).map(|account| account.bindings.clone()).unwrap_or_default();
        for id in ids {
            self.unbind(io, id);
        }
        self.accounts.remove(username);
    }

    pub fn password(&self, username: &str) -> Option<&str> {
        self.accounts.get(username).map(|account| account.password.as_str())
    }

    pub fn is_account(&self, username: &str) -> bool {
        self.accounts.contains_key(username)
    }

    pub fn len(&self) -> usize {
        self.bindings.len()
    }

    /// Whether an account is registered over this very flow.
    pub fn is_bound_flow(&self, flow: Flow) -> bool {
        self.flows.range((flow, 0)..=(flow, u64::MAX)).next().is_some()
    }

    /// Contact and flow, newest first.
    pub fn bindings(&self, username: &str) -> Vec<(String, Flow)> {
        let Some(account) = self.accounts.get(username) else { return Vec::new() };
        let found = account.bindings.iter().rev().filter_map(|id| self.bindings.get(id));
        found.map(|(_, binding)| (binding.contact.clone(), binding.flow)).collect()
    }

    /// Does what an authenticated REGISTER asks for. RFC 3261 §10.3: all of it or nothing.
    pub fn register(
        &mut self,
        io: &mut Io,
        now: Duration,
        username: &str,
        flow: Flow,
        request: &Message,
    ) -> Result<(), Refusal> {
        let cseq = request.cseq().map_or(0, |(number, _)| number);
        let default = request.field(Name::Expires).map(seconds);
        let contacts: Vec<&[u8]> = request.list(Name::Contact).collect();
        if contacts.contains(&&b"*"[..]) {
            return self.remove_all(io, username, request, cseq, &contacts, default);
        }
        let mut wanted = Vec::new();
        for value in contacts.iter().take(BINDINGS_MAX) {
            let contact = Address::parse(value).ok_or(Refusal::Bad)?;
            let uri = String::from_utf8_lossy(contact.uri).into_owned();
            let expires = contact.param("expires").map(seconds).or(default).unwrap_or(EXPIRES_DEFAULT);
            let expires = grant(io, expires)?;
            self.check_order(username, &uri, request.call_id(), cseq)?;
            wanted.push((uri, expires, instance_of(&contact)));
        }
        for (contact, expires, instance) in wanted {
            let known = self.find(username, &contact);
            if expires.is_zero() {
                if let Some(id) = known {
                    self.unbind(io, id);
                }
                continue;
            }
            let expires_at = now + expires;
            let call_id = request.call_id().to_vec();
            let binding = Binding { contact, flow, instance, expires_at, call_id, cseq };
            self.bind(io, username, binding, expires);
        }
        Ok(())
    }

    /// RFC 3261 §10.2.2: `Contact: *` stands alone and with an expiry of 0.
    fn remove_all(
        &mut self,
        io: &mut Io,
        username: &str,
        request: &Message,
        cseq: u32,
        contacts: &[&[u8]],
        expires: Option<u32>,
    ) -> Result<(), Refusal> {
        if contacts.len() != 1 || expires != Some(0) {
            return Err(Refusal::Bad);
        }
        let ids = self.accounts.get(username).map(|account| account.bindings.clone()).unwrap_or_default();
        let late = ids
            .iter()
            .filter_map(|id| self.bindings.get(id))
            .any(|(_, b)| b.call_id == request.call_id() && b.cseq > cseq);
        if late {
            return Err(Refusal::OutOfOrder);
        }
        for id in ids {
            self.unbind(io, id);
        }
        Ok(())
    }

    /// RFC 3261 §10.3 step 7. The same number again is a repetition of a request whose answer was lost.
    fn check_order(&self, username: &str, contact: &str, call_id: &[u8], cseq: u32) -> Result<(), Refusal> {
        let known = self.find(username, contact).and_then(|id| self.bindings.get(&id));
        match known {
            Some((_, binding)) if binding.call_id == call_id && binding.cseq > cseq => {
                Err(Refusal::OutOfOrder)
            }
            _ => Ok(()),
        }
    }

    /// A binding from before a restart, without an event.
    pub fn restore(&mut self, io: &mut Io, username: &str, contact: &str, flow: Flow, expires_at: Duration) {
        let binding = Binding {
            contact: contact.to_owned(),
            flow,
            instance: None,
            expires_at,
            call_id: Vec::new(),
            cseq: 0,
        };
        self.insert(io, username, binding);
    }

    fn bind(&mut self, io: &mut Io, username: &str, binding: Binding, expires: Duration) {
        let (account, contact, flow) = (username.to_owned(), binding.contact.clone(), binding.flow);
        if let Some(old) = self.same_instance(username, &binding) {
            self.unbind(io, old);
        }
        self.insert(io, username, binding);
        io.event(Event::Bound { account, contact, flow, expires });
    }

    fn insert(&mut self, io: &mut Io, username: &str, binding: Binding) {
        if let Some(id) = self.find(username, &binding.contact) {
            self.forget(io, id);
        }
        let Some(account) = self.accounts.get_mut(username) else { return };
        self.next += 1;
        let id = self.next;
        account.bindings.push(id);
        let oldest = (account.bindings.len() > BINDINGS_MAX).then(|| account.bindings[0]);
        io.timers.set(Timer::Binding(id), binding.expires_at);
        self.flows.insert((binding.flow, id));
        if binding.flow.connection != 0 {
            self.connections.insert((binding.flow.connection, id), ());
        }
        self.bindings.insert(id, (username.to_owned(), binding));
        if let Some(oldest) = oldest {
            self.unbind(io, oldest);
        }
    }

    fn find(&self, username: &str, contact: &str) -> Option<u64> {
        let account = self.accounts.get(username)?;
        let is_it = |id: &&u64| self.bindings.get(id).is_some_and(|(_, b)| b.contact == contact);
        account.bindings.iter().find(is_it).copied()
    }

    /// The binding of the same flow of the same device with another Contact.
    fn same_instance(&self, username: &str, new: &Binding) -> Option<u64> {
        new.instance.as_ref()?;
        let is_it = |id: &&u64| {
            let known = self.bindings.get(id).map(|(_, b)| b);
            known.is_some_and(|b| b.instance == new.instance && b.contact != new.contact)
        };
        self.accounts.get(username)?.bindings.iter().find(is_it).copied()
    }

    /// Takes a binding out and says so.
    pub fn unbind(&mut self, io: &mut Io, id: u64) {
        if let Some((account, binding)) = self.forget(io, id) {
            io.event(Event::Unbound { account, contact: binding.contact });
        }
    }

    /// A phone that came in over a connection cannot be reached any more once it is closed.
    pub fn connection_closed(&mut self, io: &mut Io, connection: u64) {
        let range = (connection, 0)..=(connection, u64::MAX);
        let ids: Vec<u64> = self.connections.range(range).map(|(&(_, id), ())| id).collect();
        for id in ids {
            self.unbind(io, id);
        }
    }

    fn forget(&mut self, io: &mut Io, id: u64) -> Option<(String, Binding)> {
        io.timers.cancel(Timer::Binding(id));
        let (username, binding) = self.bindings.remove(&id)?;
        self.flows.remove(&(binding.flow, id));
        self.connections.remove(&(binding.flow.connection, id));
        if let Some(account) = self.accounts.get_mut(&username) {
            account.bindings.retain(|&other| other != id);
        }
        Some((username, binding))
    }

    /// The Contact values of a 200, with the seconds left.
    pub fn contacts(&self, now: Duration, username: &str) -> Vec<String> {
        let Some(account) = self.accounts.get(username) else { return Vec::new() };
        let found = account.bindings.iter().rev().filter_map(|id| self.bindings.get(id));
        found
            .map(|(_, binding)| {
                let left = binding.expires_at.saturating_sub(now).as_millis().div_ceil(1000);
                format!("<{}>;expires={left}", binding.contact)
            })
            .collect()
    }
}

/// RFC 5626 §4.2: `+sip.instance` and `reg-id`.
fn instance_of(contact: &Address<'_>) -> Option<(Vec<u8>, u32)> {
    let instance = contact.param("+sip.instance").filter(|i| !i.is_empty() && i.len() <= 128)?;
    Some((instance.to_vec(), leading_number(contact.param("reg-id")?)?))
}

/// Whether a REGISTER asks for RFC 5626 and names what that needs.
pub(crate) fn wants_outbound(request: &Message) -> bool {
    let named = request.list(Name::Contact).filter_map(Address::parse).any(|c| instance_of(&c).is_some());
    named && (request.names(Name::Supported, "outbound") || request.names(Name::Require, "outbound"))
}

/// RFC 3261 §10.3 step 7: what we grant of a wish, in seconds.
fn grant(io: &Io, wish: u32) -> Result<Duration, Refusal> {
    let (min, max) = (io.config.register_expires_min, io.config.register_expires_max);
    let wish = Duration::from_secs(u64::from(wish));
    if wish.is_zero() {
        return Ok(wish);
    }
    if wish < min {
        return Err(Refusal::TooBrief(min.as_millis().div_ceil(1000) as u64));
    }
    Ok(wish.min(max))
}

/// RFC 3261 §20.19: delta-seconds; one that is no number counts as the default, one that is too large as the largest.
fn seconds(value: &[u8]) -> u32 {
    let value = value.trim_ascii();
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return EXPIRES_DEFAULT;
    }
    leading_number(value).unwrap_or(u32::MAX)
}

/// The user of the address of record that a REGISTER is about.
pub(crate) fn record_user(request: &Message) -> String {
    request.to().and_then(|to| to.parsed_uri()).map(|uri: Uri<'_>| uri.user_text()).unwrap_or_default()
}
