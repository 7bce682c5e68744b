//! Offers within a dialog, ours and theirs (RFC 3261 §14, RFC 3311).

use super::{Dialog, Outgoing, OutgoingKind, Phase};
use crate::core::Core;
use crate::endpoint::{Event, Flow};
use crate::message::{Message, Method};
use crate::timer::DialogTimer;
use crate::transaction::{ClientKey, Owner};
use std::time::Duration;

/// Times that an offer is made again after 491.
const GLARES_MAX: u32 = 5;

impl Dialog {
    /// Offers another session. While something else is under way it waits; a later offer replaces one that waits.
    pub fn reoffer(&mut self, core: &mut Core, now: Duration, sdp: Vec<u8>) {
        if self.is_answered() {
            self.queued_offer = Some(sdp);
            self.flush_offer(core, now);
        }
    }

    /// Whether a new INVITE or UPDATE of ours would meet another one.
    pub fn is_busy(&self) -> bool {
        let waiting = self.outgoing.is_some() || self.incoming.is_some() || self.unacknowledged.is_some();
        waiting || self.phase != Phase::Up
    }

    /// Sends the offer that waits, if nothing stands in its way.
    pub fn flush_offer(&mut self, core: &mut Core, now: Duration) {
        if self.is_busy() || core.io.timers.is_set(self.timer(DialogTimer::OfferAgain)) {
            return;
        }
        if let Some(sdp) = self.queued_offer.take() {
            self.send_reinvite(core, now, OutgoingKind::Offer, sdp);
        }
    }

    pub fn send_reinvite(&mut self, core: &mut Core, now: Duration, kind: OutgoingKind, sdp: Vec<u8>) {
        self.send_change(core, now, kind, Method::Invite, sdp);
    }

    /// INVITE or UPDATE of ours within the dialog.
    pub fn send_change(
        &mut self,
        core: &mut Core,
        now: Duration,
        kind: OutgoingKind,
        method: Method,
        sdp: Vec<u8>,
    ) {
        let hop = self.next_hop(core);
        let key = core.new_key();
        self.local_cseq += 1;
        self.raised = 0;
        let uri = super::route::request_line(&self.target, &self.routes).0.into_owned();
        let auth = self.authenticate(core, method, &uri, &sdp);
        let mut writer = self.request(core, method, self.local_cseq, key, hop);
        self.add_invite_headers(core, &mut writer, hop);
        for (_, label, value) in &auth {
            writer.field(label, value);
        }
        let bytes = writer.body("application/sdp", &sdp);
        let owner = if method == Method::Invite { Owner::Reinvite(self.id) } else { Owner::Update(self.id) };
        if method == Method::Invite {
            self.invite_auth = auth;
        }
        self.outgoing = Some(Outgoing { kind, method, cseq: self.local_cseq, sdp });
        core.start(now, key, owner, method, (hop, bytes));
    }

    /// 2xx to our re-INVITE.
    pub fn on_reinvite_answer(&mut self, core: &mut Core, now: Duration, key: ClientKey, response: &Message) {
        let cseq = response.cseq().map_or(0, |(number, _)| number);
        self.learn_far_end(response);
        self.send_ack(core, key, cseq);
        self.on_change_accepted(core, now, response);
    }

    /// 2xx to our re-INVITE or UPDATE.
    pub fn on_change_accepted(&mut self, core: &mut Core, now: Duration, response: &Message) {
        let Some(outgoing) = self.outgoing.take().filter(|_| self.phase == Phase::Up) else { return };
        self.learn_far_end(response);
        self.session.answered(response);
        self.arm_session(core, now);
        if outgoing.kind == OutgoingKind::Offer {
            self.local_sdp = outgoing.sdp;
            self.glares = 0;
            core.io.event(Event::OfferAnswered { dialog: self.id, sdp: Some(response.sdp()) });
        }
        self.flush_offer(core, now);
    }

    /// Our re-INVITE or UPDATE was refused.
    pub fn on_change_refused(
        &mut self,
        core: &mut Core,
        now: Duration,
        owner: Owner,
        sent: (Flow, &[u8]),
        response: &Message,
    ) {
        let status = response.status();
        if self.outgoing.is_none() || self.phase != Phase::Up {
            return;
        }
        if self.try_again(core, now, owner, sent, response) {
            return;
        }
        let Some(outgoing) = self.outgoing.take() else { return };
        match (status, outgoing.kind) {
            // RFC 3261 §14.1, §12.2.1.2: the far end knows nothing of the call any more.
            (408 | 481, _) => self.lose(core, now),
            (491, OutgoingKind::Offer) if self.glares < GLARES_MAX => {
                self.offer_later(core, now, outgoing.sdp)
            }
            (_, OutgoingKind::Offer) => {
                self.glares = 0;
                core.io.event(Event::OfferAnswered { dialog: self.id, sdp: None });
                self.flush_offer(core, now);
            }
            (_, OutgoingKind::Refresh) => self.on_refresh_refused(core, now, status, outgoing.method),
        }
    }

    /// RFC 3261 §14.1: who made the Call-ID waits longer, so that the two do not meet again.
    fn offer_later(&mut self, core: &mut Core, now: Duration, sdp: Vec<u8>) {
        self.glares += 1;
        self.queued_offer.get_or_insert(sdp);
        let tens = match self.side {
            super::Side::Caller => core.io.rng.u64(210..=400),
            super::Side::Callee => core.io.rng.u64(0..=200),
        };
        core.io.timers.set(self.timer(DialogTimer::OfferAgain), now + Duration::from_millis(tens * 10));
    }

    /// Our re-INVITE or UPDATE got no answer at all.
    pub fn on_change_silence(&mut self, core: &mut Core, now: Duration) {
        if self.outgoing.take().is_some() {
            self.lose(core, now);
        }
    }

    /// Our side's answer to `Event::Offer`; empty: refused with 488.
    pub fn answer_offer(&mut self, core: &mut Core, now: Duration, sdp: Vec<u8>) {
        let Some(incoming) = self.incoming.filter(|_| self.phase != Phase::Incoming) else { return };
        core.io.timers.cancel(self.timer(DialogTimer::OfferUnanswered));
        if sdp.is_empty() {
            self.refuse_offer(core, now, 488);
            return;
        }
        if incoming.method == Method::Invite {
            self.accept_invite(core, now, incoming, sdp);
        } else {
            let reply = self.session_reply(core, incoming.server);
            self.local_sdp = sdp.clone();
            self.reply(core, now, incoming.server, 200, reply, sdp);
            self.incoming = None;
        }
        if self.phase == Phase::Up {
            self.arm_session(core, now);
        }
        self.flush_offer(core, now);
    }

    pub fn refuse_offer(&mut self, core: &mut Core, now: Duration, status: u16) {
        if let Some(incoming) = self.incoming.take() {
            core.respond(now, incoming.server, status, &self.tag(), |_, _| Vec::new());
        }
        self.flush_offer(core, now);
    }
}
