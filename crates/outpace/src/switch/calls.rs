//! The customer's leg and the leg of the agent who is rung for it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use engine::{AgentId, CallId, Cause, CompanyId, Dial, Failure, Input, LegEvent, Outcome};
use media::LegId;
use sip::{Credentials, DialogId, Invite, Transport};

use super::kept::KeptLeg;
use super::{AgentSide, Call, Format, Leg, Owner, Switch, cause, sdp, secure};

impl Switch {
    pub(super) fn add_customer(&mut self, company: CompanyId, dial: &Dial, leg: Leg) {
        self.calls_placed += 1;
        self.own(&leg, Owner::Customer(dial.call));
        // A call that began with its agent is there already.
        let state = self.calls.entry(dial.call);
        let state = state.or_insert_with(|| Call::new(company, dial.number.as_str().to_owned()));
        state.customer = Some(leg);
        state.amd = dial.amd;
    }

    /// Opens a relay leg and sends the INVITE with an offer of these, as far as there is room for them. None when no port is
    /// free.
    pub(super) fn place(
        &mut self,
        now: Duration,
        mut invite: Invite,
        mut formats: Vec<Format>,
    ) -> Option<Leg> {
        let has_room = self.relay.transcoded() < self.codecs.transcoded_max;
        formats.retain(|format| has_room || !format.is_wide());
        let (media, address) = match self.relay.open() {
            Ok(opened) => opened,
            Err(error) => {
                tracing::error!(%error, "no relay leg for a call: widen media.port_first … port_last");
                return None;
            }
        };
        let protection = secure::protection(&self.relay, self.srtp, invite.flow.transport);
        invite.sdp = sdp::offer(address, &formats, media.0, protection.as_ref());
        let dialog = self.endpoint.invite(now, invite);
        Some(Leg {
            dialog,
            media,
            address,
            codec: None,
            formats,
            is_wide: false,
            takes_events: false,
            protection,
            version: 1,
        })
    }

    pub(super) fn offer(&mut self, now: Duration, company: CompanyId, call: CallId, agent: AgentId) {
        let kept_up = self.take_kept_leg(agent, call);
        let Some(state) = self.calls.get_mut(&call) else {
            self.free_kept_leg(agent);
            return;
        };
        state.offered_at = Some(Instant::now());
        if kept_up {
            state.offer = Some((agent, AgentSide::KeptUp));
            self.tell(company, Input::AgentLeg { call, agent, event: LegEvent::Answered });
            return;
        }
        let number = state.number.clone();
        let formats = self.codecs.beside(state.customer.as_ref().and_then(|l| l.codec));
        let identities = state.identities.clone();
        let invite = self.agent_invite(agent, &number).map(|mut invite| {
            let header = |identity| ("Identity".to_owned(), identity);
            invite.headers.extend(identities.into_iter().map(header));
            invite
        });
        let leg = invite.and_then(|invite| self.place(now, invite, formats));
        let Some(leg) = leg else {
            let failure = Failure { outcome: Outcome::Failed, cause: Cause::NOT_REGISTERED, sip_status: 0 };
            self.tell(company, Input::AgentLeg { call, agent, event: LegEvent::Failed(failure) });
            return;
        };
        self.own(&leg, Owner::Offer(call, agent));
        if let Some(state) = self.calls.get_mut(&call) {
            state.offer = Some((agent, AgentSide::Rung(leg)));
        }
    }

    /// An INVITE to where the extension registered last; None when it is not registered.
    pub(super) fn agent_invite(&self, agent: AgentId, from_user: &str) -> Option<Invite> {
        let account = self.agents.get(&agent)?;
        let (contact, flow) = self.endpoint.bindings(&account.extension).into_iter().next()?;
        Some(Invite {
            target: contact,
            flow,
            from_user: from_user.to_owned(),
            from_display: String::new(),
            to: String::new(),
            sdp: Vec::new(),
            credentials: None::<Credentials>,
            headers: Vec::new(),
        })
    }

    pub(super) fn cancel_offer(&mut self, now: Duration, call: CallId, agent: AgentId) {
        if self.calls.get(&call).and_then(|c| c.offer.as_ref()).is_none_or(|(a, _)| *a != agent) {
            return;
        }
        self.measure_agent(call);
        let Some(state) = self.calls.get_mut(&call) else { return };
        if let Some((agent, side)) = state.offer.take() {
            self.leave_agent(now, agent, side);
        }
        self.forget_if_over(call);
    }

    /// A call without a leg has nothing left that the engine could end.
    pub(super) fn forget_if_over(&mut self, call: CallId) {
        if self.calls.get(&call).is_some_and(|c| c.customer.is_none() && c.offer.is_none()) {
            self.calls.remove(&call);
        }
    }

    pub(super) fn leave_agent(&mut self, now: Duration, agent: AgentId, side: AgentSide) {
        match side {
            AgentSide::Rung(leg) => {
                self.endpoint.hang_up(now, leg.dialog);
                self.drop_leg(&leg);
            }
            AgentSide::KeptUp => self.free_kept_leg(agent),
        }
    }

    pub(super) fn bridge(&mut self, now: Duration, call: CallId, agent: AgentId) {
        self.answer_phone(now, call);
        self.answer_customer(now, call);
        self.stop_ringback(call);
        let Some(state) = self.calls.get(&call) else { return };
        let Some(customer) = state.customer.as_ref().map(|l| l.media) else { return };
        if let Some(media) = self.agent_media(state, agent) {
            self.stop_playing(customer);
            self.relay.bridge(customer, media);
        }
    }

    pub(super) fn agent_media(&self, state: &Call, agent: AgentId) -> Option<LegId> {
        match state.offer.as_ref()? {
            (a, AgentSide::Rung(leg)) if *a == agent => Some(leg.media),
            (a, AgentSide::KeptUp) if *a == agent => self.kept.get(&agent).map(|k| k.leg.media),
            _ => None,
        }
    }

    pub(super) fn play_message(&mut self, now: Duration, company: CompanyId, call: CallId) {
        self.answer_customer(now, call);
        let state = self.calls.get(&call);
        match state.and_then(|c| Some((c.by_trunk, c.customer.as_ref()?.media))) {
            Some((by_trunk, leg)) => {
                self.loops.remove(&leg);
                let message = if by_trunk { &self.sounds.busy } else { &self.sounds.abandon };
                self.relay.play(leg, message.clone());
            }
            None => self.tell(company, Input::MessagePlayed { call }),
        }
    }

    /// The leg stays until its end is known.
    pub(super) fn cancel(&mut self, now: Duration, call: CallId) {
        self.attempt_left(now, call);
        if let Some(leg) = self.calls.get(&call).and_then(|c| c.customer.as_ref()) {
            self.endpoint.cancel(now, leg.dialog);
        }
    }

    pub(super) fn hang_up(&mut self, now: Duration, call: CallId) {
        self.attempt_left(now, call);
        self.measure_customer(call);
        self.measure_agent(call);
        self.unwatch(call);
        let Some(mut state) = self.calls.remove(&call) else { return };
        let was_placed = state.customer.is_some();
        if let Some(leg) = state.customer.take() {
            self.endpoint.hang_up(now, leg.dialog);
            self.drop_leg(&leg);
        }
        if let (Some(wait), Some((_, AgentSide::Rung(leg)))) = (&state.unanswered, &state.offer) {
            // The phone is told what the other side said; what comes after a final response does nothing.
            let status = wait.status.filter(|status| (400..700).contains(status)).unwrap_or(if was_placed {
                480
            } else {
                503
            });
            self.endpoint.reject(now, leg.dialog, status);
        }
        if let Some((agent, side)) = state.offer.take() {
            self.leave_agent(now, agent, side);
        }
    }

    pub(super) fn progress(&mut self, now: Duration, dialog: DialogId, status: u16, body: &[u8]) {
        if !matches!(status, 180..=183) {
            return;
        }
        let event = LegEvent::Ringing { early_media: !body.is_empty() };
        match self.dialogs.get(&dialog).copied() {
            Some(Owner::Customer(call)) => {
                self.early_media(call, body);
                self.phone_hears_ringing(now, call, body);
                if let Some(company) = self.calls.get(&call).map(|c| c.company) {
                    self.listen_early(call, body);
                    self.tell(company, Input::Customer { call, event });
                }
            }
            Some(Owner::Offer(call, agent)) => {
                if let Some(company) = self.calls.get(&call).map(|c| c.company) {
                    self.tell(company, Input::AgentLeg { call, agent, event });
                }
            }
            Some(Owner::Kept(_)) | None => {}
        }
    }

    pub(super) fn answered(&mut self, now: Duration, dialog: DialogId, body: &[u8]) {
        let Some(owner) = self.dialogs.get(&dialog).copied() else { return };
        let called_us = |state: &Call| match owner {
            Owner::Customer(_) => state.by_trunk,
            Owner::Offer(..) => state.by_phone,
            Owner::Kept(_) => false,
        };
        if let Owner::Offer(call, _) | Owner::Customer(call) = owner
            && self.calls.get(&call).is_some_and(called_us)
            && body.is_empty()
        {
            // The ACK to our answer.
            return;
        }
        let Some(leg) = leg_of(&mut self.calls, &mut self.kept, owner) else { return };
        if let Err(error) = secure::take_answer(&self.relay, leg, body) {
            tracing::warn!(%error, ?owner, "answered with an SDP that is of no use");
            self.endpoint.hang_up(now, dialog);
            return self.failed(dialog, 488, None, false);
        }
        match owner {
            Owner::Customer(call) => {
                let Some(state) = self.calls.get_mut(&call) else { return };
                let company = state.company;
                state.answered_at = Some(Instant::now());
                self.listen_to_answer(call);
                self.tell(company, Input::Customer { call, event: LegEvent::Answered });
            }
            Owner::Offer(call, agent) => {
                let Some(state) = self.calls.get_mut(&call) else { return };
                let company = state.company;
                self.tell(company, Input::AgentLeg { call, agent, event: LegEvent::Answered });
            }
            Owner::Kept(agent) => self.kept_answered(agent),
        }
    }

    pub(super) fn failed(&mut self, dialog: DialogId, status: u16, q850: Option<u16>, local: bool) {
        match self.dialogs.get(&dialog).copied() {
            Some(Owner::Customer(call)) => {
                if let Some(wait) = self.calls.get_mut(&call).and_then(|state| state.unanswered.as_mut()) {
                    wait.status = Some(status).filter(|_| !local);
                }
                let failure = cause::customer_failure(status, q850, local);
                self.customer_gone(call, LegEvent::Failed(failure));
            }
            Some(Owner::Offer(call, agent)) => {
                self.agent_gone(call, agent, LegEvent::Failed(cause::agent_failure(status)));
            }
            Some(Owner::Kept(agent)) => self.kept_failed(agent, status),
            None => self.line_gone(dialog),
        }
    }

    /// The customer's leg is over; the engine says what becomes of the agent's.
    pub(super) fn customer_gone(&mut self, call: CallId, event: LegEvent) {
        self.measure_customer(call);
        let Some(state) = self.calls.get_mut(&call) else { return };
        let company = state.company;
        if let Some(leg) = state.customer.take() {
            self.drop_leg(&leg);
        }
        self.forget_if_over(call);
        self.tell(company, Input::Customer { call, event });
    }

    pub(super) fn agent_gone(&mut self, call: CallId, agent: AgentId, event: LegEvent) {
        if self.calls.get(&call).and_then(|c| c.offer.as_ref()).is_some_and(|(a, _)| *a == agent) {
            self.measure_agent(call);
        }
        let Some(state) = self.calls.get_mut(&call) else { return };
        let company = state.company;
        if state.offer.as_ref().is_some_and(|(a, _)| *a == agent)
            && let Some((_, AgentSide::Rung(leg))) = state.offer.take()
        {
            self.drop_leg(&leg);
        }
        self.forget_if_over(call);
        self.tell(company, Input::AgentLeg { call, agent, event });
    }

    /// Re-INVITE or UPDATE: hold, a codec or an address changed.
    pub(super) fn offered_again(&mut self, now: Duration, dialog: DialogId, body: &[u8]) {
        let owner = self.dialogs.get(&dialog).copied();
        let leg = owner.and_then(|o| Some((o, leg_of(&mut self.calls, &mut self.kept, o)?)));
        let Some((owner, leg)) = leg else {
            self.endpoint.answer_offer(now, dialog, Vec::new());
            return;
        };
        leg.version += 1;
        if body.is_empty() {
            // RFC 3261 §14.2: a re-INVITE without an offer asks for ours.
            let offer = sdp::offer(leg.address, &leg.formats, leg.media.0, leg.protection.as_ref());
            self.endpoint.answer_offer(now, dialog, offer);
            return;
        }
        let transport = self.endpoint.peer_of(dialog).map_or(Transport::Udp, |flow| flow.transport);
        let terms =
            secure::Terms { policy: self.srtp, transport, transcoded_max: self.codecs.transcoded_max };
        match secure::take_offer(&self.relay, &terms, leg, body) {
            Ok(media) => {
                let numbers = (leg.media.0, leg.version);
                let answer = sdp::answer(leg.address, &media, numbers, leg.protection.as_ref());
                self.endpoint.answer_offer(now, dialog, answer);
                self.held_or_resumed(owner, &media);
            }
            Err(_) => self.endpoint.answer_offer(now, dialog, Vec::new()),
        }
    }
}

/// The leg that a dialog or relay leg is of, while it has one of its own.
fn leg_of<'a>(
    calls: &'a mut HashMap<CallId, Call>,
    kept: &'a mut HashMap<AgentId, KeptLeg>,
    owner: Owner,
) -> Option<&'a mut Leg> {
    match owner {
        Owner::Customer(call) => calls.get_mut(&call)?.customer.as_mut(),
        Owner::Offer(call, _) => match calls.get_mut(&call)?.offer.as_mut()? {
            (_, AgentSide::Rung(leg)) => Some(leg),
            (_, AgentSide::KeptUp) => None,
        },
        Owner::Kept(agent) => kept.get_mut(&agent).map(|kept| &mut kept.leg),
    }
}
