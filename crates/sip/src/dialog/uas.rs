//! The called side of a dialog: their INVITE and our answer (RFC 3261 §13.3).

use super::{ALLOW, Dialog, Incoming, Phase, SUPPORTED, Side, UNANSWERED_MAX, Unacknowledged, route};
use crate::core::Core;
use crate::endpoint::{DialogId, EndedBy, Event, Flow};
use crate::io::Io;
use crate::message::{Message, Method, Name, Writer};
use crate::session_timer::Reply;
use crate::timer::DialogTimer;
use std::time::Duration;

/// RFC 3261 §13.3.1.1: a provisional response is repeated this often.
const REMIND: Duration = Duration::from_secs(60);

impl Dialog {
    /// Takes in an INVITE and says 100 at once.
    pub fn accept(
        core: &mut Core,
        now: Duration,
        id: DialogId,
        flow: Flow,
        key: Box<[u8]>,
        request: Message,
    ) -> Dialog {
        let mut dialog = Dialog::new(id, Side::Callee, flow, core.io.config.session_expires);
        dialog.call_id = request.call_id().to_vec();
        dialog.remote = request.field(Name::From).unwrap_or(b"").to_vec();
        dialog.remote_tag = request.sender_tag().unwrap_or(b"").to_vec();
        dialog.local = request.field(Name::To).unwrap_or(b"").to_vec();
        dialog.local.extend_from_slice(format!(";tag={}", dialog.tag()).as_bytes());
        dialog.remote_cseq = request.cseq().map_or(0, |(number, _)| number);
        dialog.local_cseq = core.io.rng.u32(1..=9999);
        dialog.routes = route::recorded(&request);
        // RFC 2543 had no Contact to insist on.
        dialog.target = request.from().map_or(&b""[..], |from| from.uri).to_vec();
        dialog.learn_far_end(&request);
        let user = crate::message::Uri::parse(request.uri()).map_or(&b""[..], |uri| uri.user);
        dialog.contact_user = String::from_utf8_lossy(user).into_owned();
        let without_offer = request.sdp().is_empty();
        // RFC 3262 §3: anywhere in the lower half, so that it can be counted up.
        dialog.provisional = super::reliable::Reliable::wanted(&request, core.io.rng.u32(1..1 << 30));
        let server = core.servers.open(key, flow, request, Some(id));
        let (method, cseq) = (Method::Invite, dialog.remote_cseq);
        dialog.incoming = Some(Incoming { server, method, cseq, without_offer });
        core.respond(now, server, 100, "", |_, _| Vec::new());
        core.io.timers.set(dialog.timer(DialogTimer::Unanswered), now + UNANSWERED_MAX);
        dialog
    }

    fn open_invite(&self) -> Option<Incoming> {
        self.incoming.filter(|_| self.phase == Phase::Incoming)
    }

    /// 101 to 199.
    pub fn ring(&mut self, core: &mut Core, now: Duration, status: u16, sdp: Vec<u8>) {
        let Some(incoming) = self.open_invite().filter(|_| (101..=199).contains(&status)) else { return };
        if self.provisional.is_some() {
            self.ring_reliably(core, now, status, sdp);
        } else {
            self.reply(core, now, incoming.server, status, None, sdp);
        }
        core.io.timers.set(self.timer(DialogTimer::Provisional), now + REMIND);
    }

    pub fn remind(&mut self, core: &mut Core, now: Duration) {
        let Some(incoming) = self.open_invite() else { return };
        if self.provisional.is_some() {
            self.remind_reliably(core, now);
        } else {
            core.servers.remind(&mut core.io, incoming.server);
        }
        core.io.timers.set(self.timer(DialogTimer::Provisional), now + REMIND);
    }

    pub fn answer(&mut self, core: &mut Core, now: Duration, sdp: Vec<u8>) {
        let Some(incoming) = self.open_invite() else { return };
        core.io.timers.cancel(self.timer(DialogTimer::Provisional));
        if self.answer_waits(&sdp) {
            return;
        }
        core.io.timers.cancel(self.timer(DialogTimer::Unanswered));
        self.stop_ringing_reliably(core);
        self.invited_by = Some(incoming.cseq);
        self.accept_invite(core, now, incoming, sdp);
        self.phase = Phase::Answered;
    }

    /// The 200 to an INVITE, the first one or a later one.
    pub fn accept_invite(&mut self, core: &mut Core, now: Duration, incoming: Incoming, sdp: Vec<u8>) {
        let reply = self.session_reply(core, incoming.server);
        self.local_sdp = sdp.clone();
        let server = incoming.server;
        let answered =
            self.phase == Phase::Incoming && self.provisional.as_ref().is_some_and(|r| r.has_answered());
        self.reply(core, now, server, 200, reply, if answered { Vec::new() } else { sdp });
        self.incoming = None;
        let answer_in_ack = incoming.without_offer;
        self.unacknowledged = Some(Unacknowledged { server, cseq: incoming.cseq, answer_in_ack });
    }

    /// Agrees on the session timer with the request that is being answered.
    pub fn session_reply(&mut self, core: &Core, server: u64) -> Option<Reply> {
        let (request, _) = core.servers.request(server)?;
        self.session.asked(request, core.io.config.session_expires)
    }

    /// A response that makes or changes the dialog (RFC 3261 §12.1.1).
    pub fn reply(
        &self,
        core: &mut Core,
        now: Duration,
        server: u64,
        status: u16,
        session: Option<Reply>,
        sdp: Vec<u8>,
    ) {
        let routes: Vec<Vec<u8>> = match core.servers.request(server) {
            Some((request, _)) => request.fields(Name::RecordRoute).map(<[u8]>::to_vec).collect(),
            None => return,
        };
        let rseq = self.provisional.as_ref().filter(|_| (101..200).contains(&status)).map(|r| r.rseq());
        let fill = |writer: &mut Writer, io: &Io| {
            for route in &routes {
                writer.field("Record-Route", route);
            }
            writer.field("Contact", io.contact(self.flow.transport, &self.contact_user));
            writer.field("Allow", ALLOW).field("Supported", SUPPORTED);
            if let Some(rseq) = rseq {
                writer.field("Require", "100rel").format("RSeq", format_args!("{rseq}"));
            }
            if let Some(session) = session {
                writer.field("Session-Expires", session.value);
                if session.require {
                    writer.field("Require", "timer");
                }
            }
            if !io.config.user_agent.is_empty() {
                writer.field("Server", &io.config.user_agent);
            }
            sdp
        };
        core.respond(now, server, status, &self.tag(), fill);
    }

    /// 300 to 699 to their INVITE.
    pub fn reject(&mut self, core: &mut Core, now: Duration, status: u16) {
        let Some(incoming) = self.open_invite() else { return };
        let status = if (300..=699).contains(&status) { status } else { 480 };
        core.respond(now, incoming.server, status, &self.tag(), |_, _| Vec::new());
        self.phase = Phase::Over;
        self.failed(core, status, true, None);
    }

    /// Their INVITE ends without an answer of ours: `status` goes out, `event` to our side.
    pub fn withdraw(
        &mut self,
        core: &mut Core,
        now: Duration,
        status: u16,
        event: (u16, bool),
        why: Option<&Message>,
    ) {
        let Some(incoming) = self.open_invite() else { return };
        core.respond(now, incoming.server, status, &self.tag(), |_, _| Vec::new());
        self.phase = Phase::Over;
        self.failed(core, event.0, event.1, why);
    }

    /// CANCEL for the INVITE of this server transaction (RFC 3261 §9.2).
    pub fn on_cancel(&mut self, core: &mut Core, now: Duration, server: u64, cancel: &Message) {
        if self.incoming.is_none_or(|incoming| incoming.server != server) {
            return;
        }
        if self.phase == Phase::Incoming {
            self.withdraw(core, now, 487, (487, false), Some(cancel));
        } else {
            self.drop_incoming(core, now);
        }
    }

    /// Ends a request of theirs that our side has not answered.
    pub fn drop_incoming(&mut self, core: &mut Core, now: Duration) {
        if let Some(incoming) = self.incoming.take() {
            core.respond(now, incoming.server, 487, &self.tag(), |_, _| Vec::new());
            core.io.timers.cancel(self.timer(DialogTimer::OfferUnanswered));
        }
    }

    /// ACK to a 2xx of ours.
    pub fn on_ack(&mut self, core: &mut Core, now: Duration, ack: &Message) {
        let cseq = ack.cseq().map(|(number, _)| number);
        let Some(waiting) = self.unacknowledged.filter(|waiting| Some(waiting.cseq) == cseq) else { return };
        self.unacknowledged = None;
        core.servers.acknowledge_answer(&mut core.io, waiting.server);
        let answer = if waiting.answer_in_ack { ack.sdp() } else { Vec::new() };
        match self.phase {
            Phase::Answered => {
                self.phase = Phase::Up;
                core.io.event(Event::Answered { dialog: self.id, sdp: answer });
                self.arm_session(core, now);
                self.flush_offer(core, now);
            }
            Phase::Up => {
                if waiting.answer_in_ack {
                    core.io.event(Event::OfferAnswered { dialog: self.id, sdp: Some(answer) });
                }
                self.flush_offer(core, now);
            }
            // RFC 3261 §15: hung up before the ACK; now the BYE may go.
            Phase::Ending => self.bye(core, now),
            Phase::Calling | Phase::Incoming | Phase::Over => {}
        }
    }

    /// RFC 3261 §13.3.1.4: no ACK for 64*T1.
    pub fn on_no_ack(&mut self, core: &mut Core, now: Duration, server: u64) {
        if self.unacknowledged.is_none_or(|waiting| waiting.server != server) {
            return;
        }
        self.unacknowledged = None;
        if self.is_live() {
            self.ended(core, EndedBy::Timeout, None);
        }
        self.bye(core, now);
    }
}
