//! Requests: refused, shed, challenged, or handed to the dialog that they belong to.

use super::{Endpoint, Event, Flow, IncomingCall};
use crate::auth::Verdict;
use crate::dialog::{ALLOW, Dialog, SUPPORTED, id_of_tag};
use crate::message::{Defect, Message, Method, Name, Replaces, Uri, Writer, check_request};
use crate::overload::Overload;
use crate::registrar::{Refusal, record_user, wants_outbound};
use crate::session_timer::{MIN_SE, is_too_brief};
use crate::transaction::server_key;
use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;

/// Well within the time after which a silent connection is closed.
const FLOW_TIMER_S: u32 = 120;

/// What the credentials of a request come to.
enum Entry {
    /// Go on; with the account when there is one.
    Open(Option<String>),
    /// Answered already, or not to be answered.
    Closed,
}

impl Endpoint {
    /// From now on calls without an account are taken from these addresses only; without this, from everywhere. Others get
    /// 403 once, before any work is done.
    pub fn take_calls_from(&mut self, addresses: HashSet<IpAddr>) {
        self.guard.friends = Some(addresses);
    }

    pub(super) fn on_request(&mut self, now: Duration, flow: Flow, request: Message) {
        let method = request.method().unwrap_or(Method::Other);
        if let Err(defect) = check_request(&request) {
            self.refuse_defect(flow, &request, method, defect);
            return;
        }
        let Some(key) = server_key(&request, method) else { return };
        let known = self.core.servers.find(&key);
        if method == Method::Ack {
            self.on_ack(now, known, &request);
            return;
        }
        if let Some(server) = known {
            self.core.servers.repeat(&mut self.core.io, server);
            return;
        }
        if method == Method::Cancel {
            self.on_cancel(now, flow, &request);
            return;
        }
        if request.to_tag().is_some() && method != Method::Register {
            self.on_request_within(now, flow, key, request);
            return;
        }
        match method {
            Method::Invite => self.on_invite(now, flow, key, request),
            Method::Register => self.on_register(now, flow, &request),
            Method::Options => self.on_options(flow, &request),
            Method::Bye | Method::Update | Method::Prack | Method::Info | Method::Refer => {
                self.answer_once(flow, &request, 481)
            }
            Method::Other => self.answer_once(flow, &request, 501),
            _ => self.answer_once(flow, &request, 405),
        }
    }

    /// RFC 3261 §8.2: a broken request is answered when there is a Via to answer to.
    fn refuse_defect(&mut self, flow: Flow, request: &Message, method: Method, defect: Defect) {
        if method == Method::Ack || request.via().is_none() {
            return;
        }
        let mut writer = self.stateless(flow, request, defect.status);
        writer.field("Warning", format!("399 {} \"{}\"", self.core.io.host(), defect.reason));
        self.core.io.send(flow, writer.finish());
    }

    /// A response without a transaction, up to where it differs.
    pub(super) fn stateless(&self, flow: Flow, request: &Message, status: u16) -> Writer {
        let branch = request.via().map_or(&b""[..], |via| via.branch());
        let tag = self.core.io.stateless_tag(request.call_id(), branch);
        Writer::response(request, flow.peer, status, &tag)
    }

    fn answer_once(&mut self, flow: Flow, request: &Message, status: u16) {
        let mut writer = self.stateless(flow, request, status);
        if matches!(status, 405 | 501) {
            writer.field("Allow", ALLOW);
        }
        self.core.io.send(flow, writer.finish());
    }

    fn on_ack(&mut self, now: Duration, known: Option<u64>, ack: &Message) {
        if let Some(server) = known
            && self.core.servers.acknowledge_failure(&mut self.core.io, now, server)
        {
            return;
        }
        let Some(id) = ack.to_tag().and_then(id_of_tag) else { return };
        if self.dialogs.get(&id.0).is_some_and(|dialog| dialog.is_asked(ack)) {
            self.with_dialog(id, |dialog, core| dialog.on_ack(core, now, ack));
        }
    }

    /// RFC 3261 §9.2.
    fn on_cancel(&mut self, now: Duration, flow: Flow, cancel: &Message) {
        let invite = server_key(cancel, Method::Invite).and_then(|key| self.core.servers.find(&key));
        let Some(server) = invite else {
            self.answer_once(flow, cancel, 481);
            return;
        };
        let dialog = self.core.servers.dialog_of(server);
        let tag = dialog.map(crate::dialog::tag_of).unwrap_or_default();
        let bytes = Writer::response(cancel, flow.peer, 200, &tag).finish();
        self.core.io.send(flow, bytes);
        if let Some(id) = dialog {
            self.with_dialog(id, |dialog, core| dialog.on_cancel(core, now, server, cancel));
        }
    }

    fn on_request_within(&mut self, now: Duration, flow: Flow, key: Box<[u8]>, request: Message) {
        let id = request.to_tag().and_then(id_of_tag);
        let known = id.filter(|id| self.dialogs.get(&id.0).is_some_and(|dialog| dialog.is_asked(&request)));
        let Some(id) = known else {
            self.answer_once(flow, &request, 481);
            return;
        };
        if !self.extensions_are_known(flow, &request) {
            return;
        }
        // Calls that are up may go past the limit for new ones, but not without end; their end always gets in.
        let full = self.core.transactions() / 2 >= self.core.io.config.transactions_max;
        if full && request.method() != Some(Method::Bye) {
            self.shed(flow, &request);
            return;
        }
        self.with_dialog(id, |dialog, core| dialog.on_request(core, now, flow, key, request));
    }

    /// RFC 3261 §8.2.2.3. False: refused with 420.
    fn extensions_are_known(&mut self, flow: Flow, request: &Message) -> bool {
        let known = |token: &[u8]| {
            let registering = request.method() == Some(Method::Register);
            let is = |name: &[u8]| token.eq_ignore_ascii_case(name);
            is(b"timer") || is(b"100rel") || is(b"replaces") || (registering && is(b"outbound"))
        };
        let unknown: Vec<String> = request
            .list(Name::Require)
            .filter(|token| !known(token))
            .map(|token| String::from_utf8_lossy(token).into_owned())
            .collect();
        if unknown.is_empty() {
            return true;
        }
        let mut writer = self.stateless(flow, request, 420);
        writer.field("Unsupported", unknown.join(", "));
        self.core.io.send(flow, writer.finish());
        false
    }

    fn on_options(&mut self, flow: Flow, request: &Message) {
        if !self.extensions_are_known(flow, request) {
            return;
        }
        let mut writer = self.stateless(flow, request, 200);
        writer.field("Allow", ALLOW).field("Supported", SUPPORTED).field("Accept", "application/sdp");
        writer.field("Contact", self.core.io.contact(flow.transport, ""));
        self.core.io.send(flow, writer.finish());
    }

    fn on_invite(&mut self, now: Duration, flow: Flow, key: Box<[u8]>, request: Message) {
        if self.core.servers.is_merged(&request) {
            self.answer_once(flow, &request, 482);
            return;
        }
        let user = |value: Option<crate::message::Address<'_>>| {
            value.and_then(|address| address.parsed_uri()).map(|uri| uri.user_text()).unwrap_or_default()
        };
        let (from_user, to_user) = (user(request.from()), user(request.to()));
        let needed = self.registrar.is_account(&from_user) || self.registrar.is_bound_flow(flow);
        let is_friend = self.guard.is_friend(flow.peer.ip());
        if !is_friend && !needed && request.field(Name::Authorization).is_none() {
            // One answer, never repeated: an address that was forged gets no more than that.
            self.answer_once(flow, &request, 403);
            return;
        }
        let (transactions, dialogs) = (self.core.transactions(), self.dialogs.len());
        if !self.overload.admit(now, &self.core.io.config, transactions, dialogs) {
            self.shed(flow, &request);
            return;
        }
        if !self.extensions_are_known(flow, &request) || !self.is_acceptable(flow, &request) {
            return;
        }
        let Entry::Open(account) = self.authenticate(now, flow, &request, needed) else { return };
        if account.is_none() && !is_friend {
            self.answer_once(flow, &request, 403);
            return;
        }
        let Ok(replaces) = replaced(&request) else {
            self.answer_once(flow, &request, 400);
            return;
        };
        let target_user = Uri::parse(request.uri()).map(|uri| uri.user_text()).unwrap_or_default();
        let (vouched, sdp) = (super::vouched::vouched(&request), request.sdp());
        let id = self.new_dialog_id();
        let mut dialog = Dialog::accept(&mut self.core, now, id, flow, key, request);
        dialog.pinned = account.is_some() || self.registrar.is_bound_flow(flow);
        self.dialogs.insert(id.0, Box::new(dialog));
        self.core.io.event(Event::Incoming(IncomingCall {
            dialog: id,
            flow,
            target_user,
            from_user,
            to_user,
            account,
            replaces,
            vouched,
            sdp,
        }));
    }

    fn shed(&mut self, flow: Flow, request: &Message) {
        let wait = Overload::retry_after(&mut self.core.io.rng);
        let mut writer = self.stateless(flow, request, 503);
        writer.format("Retry-After", format_args!("{wait}"));
        self.core.io.send(flow, writer.finish());
    }

    /// What a new INVITE must be like beyond the grammar. False: refused.
    fn is_acceptable(&mut self, flow: Flow, request: &Message) -> bool {
        let identity = |v: &[u8]| v.eq_ignore_ascii_case(b"identity");
        let kind = request.content_type();
        let readable =
            request.body().is_empty() || kind == "application/sdp" || kind.starts_with("multipart/");
        let status = if !readable || request.list(Name::ContentEncoding).any(|v| !identity(v)) {
            415
        } else if !accepts_sdp(request) {
            406
        } else if is_too_brief(request) {
            422
        } else {
            return true;
        };
        let mut writer = self.stateless(flow, request, status);
        match status {
            415 => {
                writer.field("Accept", "application/sdp").field("Accept-Encoding", "identity");
            }
            422 => {
                writer.format("Min-SE", format_args!("{MIN_SE}"));
            }
            _ => {}
        }
        self.core.io.send(flow, writer.finish());
        false
    }

    /// Checks credentials; `needed`: without good ones there is a challenge.
    fn authenticate(&mut self, now: Duration, flow: Flow, request: &Message, needed: bool) -> Entry {
        let ip = flow.peer.ip();
        let shut_out = self.guard.is_shut_out(now, ip) && !self.registrar.is_bound_flow(flow);
        let claims = needed || request.field(Name::Authorization).is_some();
        if shut_out && claims {
            return Entry::Closed;
        }
        let registrar = &self.registrar;
        match self.guard.check(now, ip, request, |name| registrar.password(name)) {
            Verdict::Good(account) => Entry::Open(Some(account)),
            Verdict::Absent if !needed => Entry::Open(None),
            Verdict::Absent => {
                self.challenge(now, flow, request, false);
                Entry::Closed
            }
            Verdict::Stale => {
                self.challenge(now, flow, request, true);
                Entry::Closed
            }
            Verdict::Wrong => {
                self.guard.failed(now, ip);
                self.answer_once(flow, request, 403);
                Entry::Closed
            }
        }
    }

    fn challenge(&mut self, now: Duration, flow: Flow, request: &Message, stale: bool) {
        let mut writer = self.stateless(flow, request, 401);
        for challenge in self.guard.challenges(now, flow.peer.ip(), stale) {
            writer.field("WWW-Authenticate", challenge);
        }
        self.core.io.send(flow, writer.finish());
    }

    fn on_register(&mut self, now: Duration, flow: Flow, request: &Message) {
        if !self.extensions_are_known(flow, request) {
            return;
        }
        let Entry::Open(Some(account)) = self.authenticate(now, flow, request, true) else { return };
        if record_user(request) != account {
            self.answer_once(flow, request, 403);
            return;
        }
        match self.registrar.register(&mut self.core.io, now, &account, flow, request) {
            Ok(()) => self.confirm_register(now, flow, request, &account),
            Err(Refusal::Bad) => self.answer_once(flow, request, 400),
            Err(Refusal::OutOfOrder) => self.answer_once(flow, request, 500),
            Err(Refusal::TooBrief(min)) => {
                let mut writer = self.stateless(flow, request, 423);
                writer.format("Min-Expires", format_args!("{min}"));
                self.core.io.send(flow, writer.finish());
            }
        }
    }

    fn confirm_register(&mut self, now: Duration, flow: Flow, request: &Message, account: &str) {
        let mut writer = self.stateless(flow, request, 200);
        for contact in self.registrar.contacts(now, account) {
            writer.field("Contact", contact);
        }
        if wants_outbound(request) && flow.transport.is_reliable() {
            // RFC 5626 §6: the phone keeps the connection alive this often.
            writer.field("Require", "outbound").format("Flow-Timer", format_args!("{FLOW_TIMER_S}"));
        }
        if let Some(wall) = self.wall {
            writer.field("Date", crate::date::http_date(wall + now));
        }
        self.core.io.send(flow, writer.finish());
    }
}

/// RFC 3891 §3: one dialog at most, and well formed.
fn replaced(request: &Message) -> Result<Option<Replaces>, ()> {
    let mut values = request.fields(Name::Replaces);
    let Some(value) = values.next() else { return Ok(None) };
    let parsed = std::str::from_utf8(value).ok().and_then(Replaces::parse);
    match (parsed, values.next()) {
        (Some(replaces), None) => Ok(Some(replaces)),
        _ => Err(()),
    }
}

/// RFC 3261 §20.1: without Accept, or with an empty one for an INVITE without body, SDP is fine.
fn accepts_sdp(request: &Message) -> bool {
    let mut any = false;
    for range in request.list(Name::Accept) {
        any = true;
        let end = range.iter().position(|&b| b == b';').unwrap_or(range.len());
        let kind = range[..end].trim_ascii();
        if [&b"*/*"[..], b"application/*", b"application/sdp"].iter().any(|ok| kind.eq_ignore_ascii_case(ok))
        {
            return true;
        }
    }
    !any
}
