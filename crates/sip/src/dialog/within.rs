//! Requests of the far end within a dialog (RFC 3261 §12.2.2).

use super::reliable::Confirmed;
use super::{ALLOW, Dialog, Incoming, Phase};
use crate::core::Core;
use crate::endpoint::{Event, Flow};
use crate::message::{Address, Message, Method, Name};
use crate::session_timer::{MIN_SE, is_too_brief};
use crate::timer::DialogTimer;
use crate::transaction::Owner;
use std::time::Duration;

/// Our side has this long to answer an offer.
const OFFER_UNANSWERED_MAX: Duration = Duration::from_secs(30);

impl Dialog {
    /// Whether a request with these tags and this Call-ID belongs here.
    pub fn is_asked(&self, request: &Message) -> bool {
        let tag = request.sender_tag().unwrap_or(b"");
        self.call_id == request.call_id() && (self.phase == Phase::Calling || self.remote_tag == tag)
    }

    /// Any request but ACK and CANCEL.
    pub fn on_request(
        &mut self,
        core: &mut Core,
        now: Duration,
        flow: Flow,
        key: Box<[u8]>,
        request: Message,
    ) {
        let method = request.method().unwrap_or(Method::Other);
        let cseq = request.cseq().map_or(0, |(number, _)| number);
        if cseq < self.remote_cseq {
            // RFC 3261 §12.2.2.
            self.reply_once(core, now, flow, key, (request, 500));
            return;
        }
        self.remote_cseq = cseq;
        if self.pinned {
            // A phone behind NAT may have come to another address.
            self.flow = flow;
        }
        let status = match method {
            Method::Bye => {
                self.reply_once(core, now, flow, key, (request.clone(), 200));
                self.on_bye(core, now, &request);
                return;
            }
            _ if !self.is_live() => 481,
            Method::Invite => return self.on_invite(core, now, flow, key, request),
            Method::Update => return self.on_update(core, now, flow, key, request),
            Method::Info => {
                self.on_info(core, &request);
                200
            }
            Method::Options => 200,
            Method::Refer => self.on_refer(core, &request),
            Method::Notify => 489,
            Method::Prack => return self.take_prack(core, now, flow, key, request),
            Method::Message | Method::Subscribe | Method::Publish | Method::Register => 405,
            Method::Ack | Method::Cancel => return,
            Method::Other => 501,
        };
        self.reply_once(core, now, flow, key, (request, status));
    }

    fn take_prack(&mut self, core: &mut Core, now: Duration, flow: Flow, key: Box<[u8]>, prack: Message) {
        let (status, confirmed) = self.on_prack(&prack);
        self.reply_once(core, now, flow, key, (prack, status));
        if matches!(confirmed, Confirmed::Next) {
            self.after_prack(core, now);
        }
    }

    /// A transaction that is answered at once and has no body.
    fn reply_once(
        &self,
        core: &mut Core,
        now: Duration,
        flow: Flow,
        key: Box<[u8]>,
        (request, status): (Message, u16),
    ) {
        let server = core.servers.open(key, flow, request, Some(self.id));
        self.reply_to(core, now, server, status);
    }

    fn reply_to(&self, core: &mut Core, now: Duration, server: u64, status: u16) {
        core.respond(now, server, status, &self.tag(), |writer, io| {
            match status {
                200 | 405 => {
                    writer.field("Allow", ALLOW);
                }
                422 => {
                    writer.format("Min-SE", format_args!("{MIN_SE}"));
                }
                500 => {
                    writer.field("Retry-After", "3");
                }
                _ => {}
            }
            if !io.config.user_agent.is_empty() {
                writer.field("Server", &io.config.user_agent);
            }
            Vec::new()
        });
    }

    /// RFC 3515 §2.4.2: one Refer-To. What it is worth is our side's to say.
    fn on_refer(&self, core: &mut Core, request: &Message) -> u16 {
        let mut targets = request.fields(Name::ReferTo);
        let (Some(target), None) = (targets.next(), targets.next()) else { return 400 };
        if self.phase != Phase::Up {
            return 603;
        }
        let uri = Address::parse(target).map_or(target, |address| address.uri);
        let target = String::from_utf8_lossy(uri).into_owned();
        core.io.event(Event::Refer { dialog: self.id, target });
        202
    }

    fn on_info(&self, core: &mut Core, request: &Message) {
        if request.body().is_empty() {
            return;
        }
        let (content_type, body) = (request.content_type(), request.body().to_vec());
        core.io.event(Event::Info { dialog: self.id, content_type, body });
    }

    /// A request of ours whose answer changes nothing. Dropped when the call is not up.
    pub fn send_within(
        &mut self,
        core: &mut Core,
        now: Duration,
        method: Method,
        headers: &[(&str, &str)],
        (content_type, body): (&str, &[u8]),
    ) {
        if !matches!(self.phase, Phase::Up | Phase::Answered) {
            return;
        }
        let hop = self.next_hop(core);
        let key = core.new_key();
        self.local_cseq += 1;
        let uri = super::route::request_line(&self.target, &self.routes).0.into_owned();
        let auth = self.authenticate(core, method, &uri, body);
        let mut writer = self.request(core, method, self.local_cseq, key, hop);
        writer.field("Contact", core.io.contact(hop.transport, &self.contact_user));
        for (_, label, value) in auth {
            writer.field(label, value);
        }
        for (label, value) in headers {
            writer.field(label, value);
        }
        let bytes = writer.body(content_type, body);
        core.start(now, key, Owner::Nobody, method, (hop, bytes));
    }

    /// What stands in the way of an INVITE or UPDATE with an offer (RFC 3261 §14.2, RFC 3311 §5.2).
    fn obstacle(&self, request: &Message) -> Option<u16> {
        if self.incoming.is_some() {
            return Some(500);
        }
        if self.outgoing.is_some() || self.unacknowledged.is_some() {
            return Some(491);
        }
        is_too_brief(request).then_some(422)
    }

    fn on_invite(&mut self, core: &mut Core, now: Duration, flow: Flow, key: Box<[u8]>, request: Message) {
        let obstacle = match self.phase {
            Phase::Up => self.obstacle(&request),
            // Before the first INVITE is through there is nothing to change.
            _ => Some(if self.incoming.is_some() { 500 } else { 491 }),
        };
        if let Some(status) = obstacle {
            self.reply_once(core, now, flow, key, (request, status));
            return;
        }
        self.take_offer(core, now, flow, key, request);
        if let Some(incoming) = self.incoming {
            core.respond(now, incoming.server, 100, "", |_, _| Vec::new());
        }
    }

    fn on_update(&mut self, core: &mut Core, now: Duration, flow: Flow, key: Box<[u8]>, request: Message) {
        if request.sdp().is_empty() {
            self.on_refresh(core, now, flow, key, request);
            return;
        }
        if let Some(status) = self.obstacle(&request) {
            self.reply_once(core, now, flow, key, (request, status));
            return;
        }
        self.take_offer(core, now, flow, key, request);
    }

    /// Hands an offer to our side.
    fn take_offer(&mut self, core: &mut Core, now: Duration, flow: Flow, key: Box<[u8]>, request: Message) {
        self.learn_far_end(&request);
        let sdp = request.sdp();
        let method = request.method().unwrap_or(Method::Invite);
        let without_offer = sdp.is_empty();
        let server = core.servers.open(key, flow, request, Some(self.id));
        self.incoming = Some(Incoming { server, method, cseq: self.remote_cseq, without_offer });
        core.io.timers.set(self.timer(DialogTimer::OfferUnanswered), now + OFFER_UNANSWERED_MAX);
        core.io.event(Event::Offer { dialog: self.id, sdp });
    }

    /// UPDATE without an offer: the session timer of the far end.
    fn on_refresh(&mut self, core: &mut Core, now: Duration, flow: Flow, key: Box<[u8]>, request: Message) {
        if is_too_brief(&request) {
            self.reply_once(core, now, flow, key, (request, 422));
            return;
        }
        self.learn_far_end(&request);
        let timed = request.field(Name::SessionExpires).is_some();
        let server = core.servers.open(key, flow, request, Some(self.id));
        let reply = if timed { self.session_reply(core, server) } else { None };
        self.reply(core, now, server, 200, reply, Vec::new());
        if timed && self.phase == Phase::Up {
            self.arm_session(core, now);
        }
    }
}
