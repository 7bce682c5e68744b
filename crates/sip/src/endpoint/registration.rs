//! Registrations that we keep with a peer (RFC 3261 §10.2), and OPTIONS that we send.

use super::{Endpoint, Event, Flow, Register, RegistrationId};
use crate::auth::{Answers, Retry};
use crate::core::Core;
use crate::message::{
    Address, Message, Method, Name, Writer, leading_number, parse, percent_encode_user, rewrite,
};
use crate::timer::Timer;
use crate::transaction::{ClientKey, Owner};
use std::time::Duration;

/// A refused registration is tried again after this, then after twice as long, and so on.
const RETRY_MIN: Duration = Duration::from_secs(2);
const RETRY_MAX: Duration = Duration::from_secs(300);
/// Times in a row that a registrar may ask for a longer expiry.
const BRIEF_MAX: u32 = 2;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wish {
    Keep,
    /// `unregister` was called; gone with the next final response.
    Leave,
}

pub(super) struct Registration {
    register: Register,
    wish: Wish,
    expires: Duration,
    call_id: String,
    tag: u64,
    cseq: u32,
    answers: Answers,
    failures: u32,
    brief: u32,
    /// A REGISTER is on its way.
    waiting: bool,
}

impl Endpoint {
    /// Registers with a peer, and again before it runs out, until `unregister`.
    pub fn register(&mut self, now: Duration, register: Register) -> RegistrationId {
        self.next_registration += 1;
        let id = RegistrationId(self.next_registration);
        let io = &mut self.core.io;
        let registration = Registration {
            wish: Wish::Keep,
            expires: register.expires,
            call_id: format!("{:016x}@{}", io.rng.u64(..), io.host()),
            tag: io.rng.u64(..),
            cseq: io.rng.u32(1..=9999),
            answers: Answers::default(),
            failures: 0,
            brief: 0,
            waiting: false,
            register,
        };
        self.registrations.insert(id.0, registration);
        self.refresh_registration(now, id);
        id
    }

    /// Takes the binding back. No event follows.
    pub fn unregister(&mut self, now: Duration, registration: RegistrationId) {
        let Some(known) = self.registrations.get_mut(&registration.0) else { return };
        known.wish = Wish::Leave;
        self.core.io.timers.cancel(Timer::Registration(registration.0));
        if !known.waiting {
            known.send(&mut self.core, now, registration);
        }
    }

    pub(super) fn refresh_registration(&mut self, now: Duration, id: RegistrationId) {
        if let Some(registration) = self.registrations.get_mut(&id.0) {
            registration.send(&mut self.core, now, id);
        }
    }

    pub(super) fn on_register_answered(
        &mut self,
        now: Duration,
        id: RegistrationId,
        request: &[u8],
        response: &Message,
    ) {
        let Some(registration) = self.registrations.get_mut(&id.0) else { return };
        registration.waiting = false;
        let status = response.status();
        if matches!(status, 401 | 407) && registration.answers.learn(response) == Retry::Again {
            registration.send_again(&mut self.core, now, id, request);
            return;
        }
        if registration.wish == Wish::Leave {
            self.leave(now, id, request);
            return;
        }
        match status {
            200..=299 => {
                let expires = registration.granted(response);
                registration.failures = 0;
                registration.brief = 0;
                let refresh = (expires * 4 / 5).max(Duration::from_secs(1));
                self.core.io.timers.set(Timer::Registration(id.0), now + refresh);
                self.core.io.event(Event::Registered { registration: id, expires });
            }
            423 if registration.lengthen(response) => registration.send(&mut self.core, now, id),
            _ => self.on_register_failed(now, id, status),
        }
    }

    /// The final response to the last REGISTER came. One that still asked for a binding is taken back now.
    fn leave(&mut self, now: Duration, id: RegistrationId, request: &[u8]) {
        let removed = parse(request).is_none_or(|sent| sent.number(Name::Expires) == Some(0));
        if removed {
            self.registrations.remove(&id.0);
        } else {
            self.refresh_registration(now, id);
        }
    }

    pub(super) fn on_register_failed(&mut self, now: Duration, id: RegistrationId, status: u16) {
        let Some(registration) = self.registrations.get_mut(&id.0) else { return };
        registration.waiting = false;
        if registration.wish == Wish::Leave {
            self.registrations.remove(&id.0);
            return;
        }
        let pause = (RETRY_MIN * (1 << registration.failures.min(8))).min(RETRY_MAX);
        registration.failures += 1;
        registration.answers = Answers::default();
        let spread = Duration::from_millis(self.core.io.rng.u64(0..=pause.as_millis() as u64 / 4));
        self.core.io.timers.set(Timer::Registration(id.0), now + pause + spread);
        self.core.io.event(Event::RegisterFailed { registration: id, status });
    }

    /// Asks a peer whether it is there. `Event::OptionsResult` follows.
    pub fn options(&mut self, now: Duration, flow: Flow, target: &str) {
        let core = &mut self.core;
        let key = core.new_key();
        let (host, tag) = (core.io.host(), core.io.rng.u64(..));
        let target: Vec<u8> = target.trim().bytes().filter(|b| !b"<>\" \t\r\n".contains(b)).collect();
        let mut writer = Writer::request("OPTIONS", &target);
        writer.field("Via", core.io.via(flow.transport, key.branch)).field("Max-Forwards", "70");
        writer.format("From", format_args!("<sip:{host}>;tag={tag:016x}"));
        writer.field("To", [b"<", &target[..], b">"].concat());
        writer.format("Call-ID", format_args!("{:016x}@{host}", core.io.rng.u64(..)));
        writer.field("CSeq", "1 OPTIONS").field("Contact", core.io.contact(flow.transport, ""));
        writer.field("Accept", "application/sdp").field("User-Agent", &core.io.config.user_agent);
        core.start(now, key, Owner::Options, Method::Options, (flow, writer.finish()));
    }
}

impl Registration {
    fn send(&mut self, core: &mut Core, now: Duration, id: RegistrationId) {
        self.answers.restart();
        let key = core.new_key();
        let flow = self.register.flow;
        let uri: Vec<u8> =
            self.register.registrar.trim().bytes().filter(|b| !b"<>\" \t\r\n".contains(b)).collect();
        let user = percent_encode_user(&self.register.user);
        let record = record_of(&uri, &user);
        let expires = if self.wish == Wish::Leave { Duration::ZERO } else { self.expires };
        self.cseq += 1;
        let mut writer = Writer::request("REGISTER", &uri);
        writer.field("Via", core.io.via(flow.transport, key.branch)).field("Max-Forwards", "70");
        writer.format("From", format_args!("{record};tag={:016x}", self.tag)).field("To", &record);
        writer.field("Call-ID", &self.call_id);
        writer.format("CSeq", format_args!("{} REGISTER", self.cseq));
        writer.field("Contact", core.io.contact(flow.transport, &user));
        writer.format("Expires", format_args!("{}", expires.as_secs()));
        writer.field("User-Agent", &core.io.config.user_agent);
        let login = &self.register.credentials;
        for (_, label, value) in self.answers.headers(&mut core.io, login, Method::Register, &uri, b"") {
            writer.field(label, value);
        }
        self.start(core, now, id, key, writer.finish());
    }

    fn send_again(&mut self, core: &mut Core, now: Duration, id: RegistrationId, request: &[u8]) {
        let Some(old) = parse(request) else { return };
        let login = &self.register.credentials;
        let fresh = self.answers.headers(&mut core.io, login, Method::Register, old.uri(), old.body());
        let key = core.new_key();
        self.cseq += 1;
        let via = core.io.via(self.register.flow.transport, key.branch);
        let bytes = rewrite(&old, &via, self.cseq, &fresh);
        self.start(core, now, id, key, bytes);
    }

    fn start(&mut self, core: &mut Core, now: Duration, id: RegistrationId, key: ClientKey, bytes: Vec<u8>) {
        self.waiting = true;
        core.start(now, key, Owner::Registration(id), Method::Register, (self.register.flow, bytes));
    }

    /// What the registrar granted for our Contact.
    fn granted(&self, response: &Message) -> Duration {
        let user = percent_encode_user(&self.register.user);
        let ours = response.list(Name::Contact).filter_map(Address::parse).find(|contact| {
            contact
                .parsed_uri()
                .is_some_and(|uri| uri.user == user.as_bytes() && contact.param("expires").is_some())
        });
        let seconds = ours
            .and_then(|contact| leading_number(contact.param("expires")?))
            .or_else(|| response.number(Name::Expires));
        seconds.filter(|&n| n > 0).map_or(self.expires, |n| Duration::from_secs(u64::from(n)))
    }

    /// RFC 3261 §10.2.8: 423 names the least expiry.
    fn lengthen(&mut self, response: &Message) -> bool {
        let Some(min) = response.number(Name::MinExpires) else { return false };
        let min = Duration::from_secs(u64::from(min));
        if min <= self.expires || self.brief >= BRIEF_MAX {
            return false;
        }
        self.brief += 1;
        self.expires = min;
        true
    }
}

/// The address of record at a registrar.
fn record_of(registrar: &[u8], user: &str) -> String {
    let text = String::from_utf8_lossy(registrar);
    let (scheme, rest) = text.split_once(':').unwrap_or(("sip", &text));
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let host = host.split([';', '?']).next().unwrap_or(host);
    format!("<{scheme}:{user}@{host}>")
}
