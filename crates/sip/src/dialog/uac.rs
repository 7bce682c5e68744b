//! The calling side of a dialog: our INVITE and what comes back (RFC 3261 §13.2, §9.1; RFC 3262).

use super::{ALLOW, Cancel, Dialog, Envelope, Heard, Phase, SUPPORTED, Side, UNANSWERED_MAX, route};
use crate::auth::Retry;
use crate::core::Core;
use crate::endpoint::{DialogId, Event, Flow, Invite};
use crate::message::{Message, Method, Name, Writer, parse, percent_encode_user, quote, rewrite};
use crate::timer::DialogTimer;
use crate::transaction::{ClientKey, Owner};
use std::time::Duration;

/// Times that an INVITE is sent again with a longer session interval.
const RAISES_MAX: u32 = 3;
/// Forks whose reliable provisional responses are followed.
const FORKS_MAX: usize = 8;

impl Dialog {
    /// Sends the INVITE.
    pub fn place(core: &mut Core, now: Duration, id: DialogId, invite: Invite, pinned: bool) -> Dialog {
        let mut dialog = Dialog::new(id, Side::Caller, invite.flow, core.io.config.session_expires);
        let host = core.io.host();
        let user = percent_encode_user(&invite.from_user);
        let display = match invite.from_display.as_str() {
            "" => String::new(),
            name => format!("{} ", quote(name)),
        };
        let at = if user.is_empty() { "" } else { "@" };
        dialog.local = format!("{display}<sip:{user}{at}{host}>;tag={}", dialog.tag()).into_bytes();
        dialog.target = invite.target.trim().bytes().filter(|b| !b"<>\" \t\r\n".contains(b)).collect();
        let to = if invite.to.trim().is_empty() { &dialog.target[..] } else { invite.to.trim().as_bytes() };
        dialog.remote = if to.contains(&b'<') { to.to_vec() } else { [b"<", to, b">"].concat() };
        dialog.call_id =
            format!("{:016x}{:08x}@{host}", core.io.rng.u64(..), core.io.rng.u32(..)).into_bytes();
        dialog.contact_user = user;
        dialog.pinned = pinned;
        dialog.credentials = invite.credentials;
        dialog.local_cseq = core.io.rng.u32(1..=9999);
        dialog.local_sdp = invite.sdp;
        let key = core.new_key();
        let mut writer = dialog.request(core, Method::Invite, dialog.local_cseq, key, invite.flow);
        dialog.add_invite_headers(core, &mut writer, invite.flow);
        for (name, value) in invite.headers.iter().filter(|(name, _)| is_free(name)) {
            writer.field(name, value);
        }
        let bytes = writer.body("application/sdp", &dialog.local_sdp);
        dialog.invite = Some(key);
        core.start(now, key, Owner::Invite(id), Method::Invite, (invite.flow, bytes));
        core.io.timers.set(dialog.timer(DialogTimer::Unanswered), now + UNANSWERED_MAX);
        dialog
    }

    pub fn limit_silence(&mut self, core: &mut Core, at: Duration) {
        if self.phase == Phase::Calling && self.heard == Heard::Nothing {
            core.io.timers.set(self.timer(DialogTimer::Silent), at);
        }
    }

    /// No response at all came. The INVITE may have arrived all the same: what still comes is cancelled or ended.
    pub fn give_up_silent(&mut self, core: &mut Core) {
        let Some(invite) = self.invite else { return };
        let waiting = self.phase == Phase::Calling && self.cancel == Cancel::NotWanted;
        if !waiting || self.heard != Heard::Nothing {
            return;
        }
        core.clients.stop_repeating(&mut core.io, invite);
        self.failed(core, 408, true, None);
        self.abandoned = true;
        self.cancel = Cancel::Wanted;
    }

    /// What every INVITE and UPDATE of ours says about us.
    pub fn add_invite_headers(&self, core: &Core, writer: &mut Writer, flow: Flow) {
        writer.field("Contact", core.io.contact(flow.transport, &self.contact_user));
        writer.field("Allow", ALLOW).field("Supported", SUPPORTED);
        let session = &self.session;
        if session.interval > 0 {
            let refresher = if session.ours { "uac" } else { "uas" };
            writer.format("Session-Expires", format_args!("{};refresher={refresher}", session.interval));
            writer.format("Min-SE", format_args!("{}", session.min));
        }
    }

    pub fn on_provisional(&mut self, core: &mut Core, now: Duration, response: &Message) {
        if self.phase != Phase::Calling {
            return;
        }
        self.heard = self.heard.max(if response.status() == 100 { Heard::Trying } else { Heard::Progress });
        core.io.timers.cancel(self.timer(DialogTimer::Silent));
        if self.cancel == Cancel::Wanted {
            self.send_cancel(core, now);
        }
        if response.status() == 100 || !self.confirm_reliable(core, now, response) {
            return;
        }
        let (status, sdp) = (response.status(), response.sdp());
        if !sdp.is_empty() {
            self.early = Some((response.to_tag().unwrap_or(b"").to_vec(), sdp.clone()));
        }
        if self.cancel == Cancel::NotWanted {
            core.io.event(Event::Progress { dialog: self.id, status, sdp });
        }
    }

    /// RFC 3262 §4: answers a reliable provisional response with PRACK. False when it came before or out of order.
    fn confirm_reliable(&mut self, core: &mut Core, now: Duration, response: &Message) -> bool {
        let Some(rseq) = response.number(Name::RSeq).filter(|_| response.names(Name::Require, "100rel"))
        else {
            return true;
        };
        let Some(tag) = response.to_tag().map(<[u8]>::to_vec) else { return true };
        let full = self.reliable.len() >= FORKS_MAX;
        match self.reliable.iter_mut().find(|(known, _)| *known == tag) {
            Some((_, last)) if last.checked_add(1) == Some(rseq) => *last = rseq,
            Some(_) => return false,
            None if full => return false,
            None => self.reliable.push((tag, rseq)),
        }
        let invite_cseq = response.cseq().map_or(0, |(number, _)| number);
        self.local_cseq += 1;
        let leg = Leg::of(response, &self.target);
        let hop = route::next_hop(core, self.flow, self.pinned, &leg.target, &leg.routes);
        let key = core.new_key();
        let mut writer = leg.envelope(response).request(core, Method::Prack, self.local_cseq, key, hop);
        writer.format("RAck", format_args!("{rseq} {invite_cseq} INVITE"));
        for (_, label, value) in self.authenticate(core, Method::Prack, &leg.target, b"") {
            writer.field(label, value);
        }
        core.start(now, key, Owner::Nobody, Method::Prack, (hop, writer.finish()));
        true
    }

    /// A 2xx to our first INVITE.
    pub fn on_answer(
        &mut self,
        core: &mut Core,
        now: Duration,
        key: ClientKey,
        flow: Flow,
        response: &Message,
    ) {
        if self.phase != Phase::Calling {
            end_fork(core, now, key, flow, self.pinned, response);
            return;
        }
        self.remote = response.field(Name::To).unwrap_or(b"").to_vec();
        self.remote_tag = response.to_tag().unwrap_or(b"").to_vec();
        self.routes = route::recorded(response);
        self.routes.reverse();
        self.learn_far_end(response);
        self.session.answered(response);
        self.reliable = Vec::new();
        let cseq = response.cseq().map_or(0, |(number, _)| number);
        self.send_ack(core, key, cseq);
        self.phase = Phase::Up;
        core.io.timers.cancel(self.timer(DialogTimer::Unanswered));
        core.io.timers.cancel(self.timer(DialogTimer::Silent));
        if self.cancel == Cancel::NotWanted || self.keep_answer {
            self.cancel = Cancel::NotWanted;
            let early = self.early.take().filter(|(tag, _)| *tag == self.remote_tag);
            let sdp = Some(response.sdp()).filter(|sdp| !sdp.is_empty()).or(early.map(|(_, sdp)| sdp));
            core.io.event(Event::Answered { dialog: self.id, sdp: sdp.unwrap_or_default() });
            self.arm_session(core, now);
        } else {
            // The answer was faster than our CANCEL.
            self.bye(core, now);
            self.failed(core, 487, true, None);
        }
    }

    /// RFC 3261 §13.2.2.4: the ACK to a 2xx, which the transaction repeats with every repetition of the 2xx.
    pub fn send_ack(&mut self, core: &mut Core, invite: ClientKey, cseq: u32) {
        let hop = self.next_hop(core);
        let key = core.new_key();
        let mut writer = self.request(core, Method::Ack, cseq, key, hop);
        for (_, label, value) in &self.invite_auth {
            writer.field(label, value);
        }
        let bytes = writer.finish();
        core.io.send(hop, bytes.clone());
        core.clients.remember_ack(invite, &self.remote_tag, hop, bytes);
    }

    /// A final response that is no 2xx.
    pub fn on_refusal(
        &mut self,
        core: &mut Core,
        now: Duration,
        flow: Flow,
        request: &[u8],
        response: &Message,
    ) {
        if self.phase != Phase::Calling {
            return;
        }
        let status = response.status();
        self.heard = self.heard.max(Heard::Trying);
        core.io.timers.cancel(self.timer(DialogTimer::Silent));
        let hung_up = self.cancel != Cancel::NotWanted;
        if !hung_up && self.try_again(core, now, Owner::Invite(self.id), (flow, request), response) {
            return;
        }
        self.phase = Phase::Over;
        match status {
            401 | 407 | 422 | 487 if hung_up => self.failed(core, 487, true, None),
            _ => self.failed(core, status, false, Some(response)),
        }
    }

    /// No final response: `status` says why (408, 503).
    pub fn on_silence(&mut self, core: &mut Core, status: u16) {
        if self.phase != Phase::Calling {
            return;
        }
        self.phase = Phase::Over;
        let status = if self.cancel == Cancel::NotWanted { status } else { 487 };
        self.failed(core, status, true, None);
    }

    /// Sends a refused request again where that can help: with credentials, or with a longer session interval.
    pub fn try_again(
        &mut self,
        core: &mut Core,
        now: Duration,
        owner: Owner,
        sent: (Flow, &[u8]),
        response: &Message,
    ) -> bool {
        let mut fresh = Vec::new();
        match response.status() {
            401 | 407 if self.credentials.is_some() => {
                if self.answers.learn(response) == Retry::No {
                    return false;
                }
            }
            422 if self.raised < RAISES_MAX && self.session.raise(response) => {
                self.raised += 1;
                let refresher = if self.session.ours { "uac" } else { "uas" };
                let value = format!("{};refresher={refresher}", self.session.interval);
                fresh.push((Name::SessionExpires, "Session-Expires", value.into_bytes()));
                fresh.push((Name::MinSe, "Min-SE", self.session.min.to_string().into_bytes()));
            }
            _ => return false,
        }
        self.send_again(core, now, owner, sent, fresh).is_some()
    }

    fn send_again(
        &mut self,
        core: &mut Core,
        now: Duration,
        owner: Owner,
        (flow, request): (Flow, &[u8]),
        mut fresh: Vec<(Name, &'static str, Vec<u8>)>,
    ) -> Option<()> {
        let old = parse(request)?;
        let method = old.method()?;
        if let Some(credentials) = &self.credentials {
            let auth = self.answers.headers(&mut core.io, credentials, method, old.uri(), old.body());
            if method == Method::Invite {
                self.invite_auth = auth.clone();
            }
            fresh.extend(auth);
        }
        self.local_cseq += 1;
        let key = core.new_key();
        let bytes = rewrite(&old, &core.io.via(flow.transport, key.branch), self.local_cseq, &fresh);
        match owner {
            Owner::Invite(_) => self.invite = Some(key),
            _ => {
                if let Some(outgoing) = &mut self.outgoing {
                    outgoing.cseq = self.local_cseq;
                }
            }
        }
        core.start(now, key, owner, method, (flow, bytes));
        Some(())
    }
}

/// The far end as one response shows it.
struct Leg {
    target: Vec<u8>,
    routes: Vec<Vec<u8>>,
}

impl Leg {
    fn of(response: &Message, fallback: &[u8]) -> Leg {
        let target = response.contact().map_or(fallback, |contact| contact.uri).to_vec();
        let mut routes = route::recorded(response);
        routes.reverse();
        Leg { target, routes }
    }

    fn envelope<'a>(&'a self, response: &'a Message) -> Envelope<'a> {
        Envelope {
            from: response.field(Name::From).unwrap_or(b""),
            to: response.field(Name::To).unwrap_or(b""),
            call_id: response.call_id(),
            target: &self.target,
            routes: &self.routes,
        }
    }
}

/// RFC 3261 §13.2.2.4: a further far end answered, or one answered too late: it gets its ACK, and a BYE.
pub(crate) fn end_fork(
    core: &mut Core,
    now: Duration,
    invite: ClientKey,
    flow: Flow,
    pinned: bool,
    response: &Message,
) {
    let to = response.to().map_or(&b""[..], |to| to.uri);
    let leg = Leg::of(response, to);
    let cseq = response.cseq().map_or(0, |(number, _)| number);
    let hop = route::next_hop(core, flow, pinned, &leg.target, &leg.routes);
    let key = core.new_key();
    let ack = leg.envelope(response).request(core, Method::Ack, cseq, key, hop).finish();
    core.io.send(hop, ack.clone());
    core.clients.remember_ack(invite, response.to_tag().unwrap_or(b""), hop, ack);
    let key = core.new_key();
    let bye = leg.envelope(response).request(core, Method::Bye, cseq.saturating_add(1), key, hop).finish();
    core.start(now, key, Owner::Nobody, Method::Bye, (hop, bye));
}

/// Whether a caller may add a header of this name: those of the protocol are ours.
fn is_free(name: &str) -> bool {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b);
    let is_said = matches!(
        Name::parse(name.as_bytes()),
        Name::Other | Name::Date | Name::Reason | Name::Identity | Name::PAssertedIdentity | Name::Privacy
    );
    !name.is_empty() && name.bytes().all(token) && is_said
}
