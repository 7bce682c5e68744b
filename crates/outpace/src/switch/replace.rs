//! Legs that take the place of others: a phone's INVITE with Replaces (RFC 3891), and what is left when two calls are put
//! together.

use std::time::Duration;

use engine::{AgentId, CallId, Cause, CompanyId, Input, LegEvent, LineId, PhoneNumber, Replace};
use sip::{DialogId, Replaces};

use super::phones::Line;
use super::{AgentSide, Call, Leg, Owner, Switch, sdp};

impl Switch {
    /// Dialogs of other companies are as unknown as those that are none.
    pub(super) fn phone_replaces(
        &mut self,
        now: Duration,
        dialog: DialogId,
        account: &str,
        wanted: &Replaces,
        body: &[u8],
    ) {
        match self.place_wanted(account, wanted) {
            Ok((company, agent, of, call)) => {
                let formats = self.codecs.formats.clone();
                let line = self.open_line(now, dialog, company, &PhoneNumber::withheld(), (body, formats));
                if let Some(line) = line {
                    self.tell(company, Input::Replaces(Replace { line, agent, of, call }));
                }
            }
            Err(status) => self.endpoint.reject(now, dialog, status),
        }
    }

    /// Who asks, and whose leg in which call. Legs that are kept up belong to no call.
    fn place_wanted(
        &self,
        account: &str,
        wanted: &Replaces,
    ) -> Result<(CompanyId, AgentId, AgentId, CallId), u16> {
        let agent = self.agent_by_extension.get(account).copied().ok_or(403u16)?;
        let company = self.company_of(agent).ok_or(403u16)?;
        let status = self.endpoint.replaced_dialog(wanted);
        let found = self.endpoint.find_dialog(&wanted.call_id, [&wanted.to_tag, &wanted.from_tag]);
        let owner = status.ok().or(found).and_then(|dialog| Some((dialog, *self.dialogs.get(&dialog)?)));
        let Some((dialog, Owner::Offer(call, of))) = owner else { return Err(481) };
        if self.phone_of(dialog) != Some(of) || self.company_of(of) != Some(company) {
            return Err(481);
        }
        status.map(|_| (company, agent, of, call))
    }

    /// The engine lets the phone have it: the INVITE is answered, and the leg that was there is hung up.
    pub(super) fn take_leg_of(
        &mut self,
        now: Duration,
        company: CompanyId,
        (line, call, agent): (LineId, CallId, AgentId),
    ) {
        let Some(Line { leg, media, .. }) = self.lines.remove(&line) else {
            let offer = self.calls.get(&call).and_then(|state| state.offer.as_ref());
            if offer.is_none_or(|(there, _)| *there != agent) {
                // The phone gave up in this moment.
                let event = LegEvent::HungUp { cause: Cause::NORMAL };
                self.tell(company, Input::AgentLeg { call, agent, event });
            }
            return;
        };
        self.measure_agent(call);
        let Some(state) = self.calls.get_mut(&call) else {
            self.endpoint.reject(now, leg.dialog, 481);
            self.relay.close(leg.media);
            return;
        };
        state.by_phone = true;
        if let Some((agent, side)) = state.offer.take() {
            self.leave_agent(now, agent, side);
        }
        let numbers = (leg.media.0, leg.version);
        let answer = sdp::answer(leg.address, &media, numbers, leg.protection.as_ref());
        self.endpoint.answer(now, leg.dialog, answer);
        self.own(&leg, Owner::Offer(call, agent));
        if let Some(state) = self.calls.get_mut(&call) {
            state.offer = Some((agent, AgentSide::Rung(leg)));
        }
    }

    /// Who talked with the agent of another call is the agent of this one.
    pub(super) fn take_over(&mut self, now: Duration, call: CallId, consult: CallId, agent: AgentId) {
        let Some(mut asked) = self.calls.remove(&consult) else { return };
        let Some(leg) = self.free_customer(now, &mut asked) else { return };
        self.own(&leg, Owner::Offer(call, agent));
        match self.calls.get_mut(&call) {
            Some(state) => state.offer = Some((agent, AgentSide::Rung(leg))),
            None => {
                self.endpoint.hang_up(now, leg.dialog);
                self.drop_leg(&leg);
            }
        }
    }

    /// The customer of a call that is over has the agent's place in another one.
    pub(super) fn take_place(
        &mut self,
        now: Duration,
        company: CompanyId,
        call: CallId,
        held: CallId,
        agent: AgentId,
    ) {
        let Some(mut held) = self.calls.remove(&held) else { return };
        let Some(leg) = self.free_customer(now, &mut held) else { return };
        let number = held.number;
        let state = self.calls.entry(call).or_insert_with(|| Call::new(company, number));
        state.is_between_customers = true;
        state.unanswered = None;
        let before = state.offer.take();
        if let Some((agent, side)) = before {
            self.leave_agent(now, agent, side);
        }
        self.own(&leg, Owner::Offer(call, agent));
        if let Some(state) = self.calls.get_mut(&call) {
            state.offer = Some((agent, AgentSide::Rung(leg)));
        }
    }

    /// The customer's leg of a call that is over, for another one; the agent's is left.
    fn free_customer(&mut self, now: Duration, ended: &mut Call) -> Option<Leg> {
        if let Some((agent, side)) = ended.offer.take() {
            self.leave_agent(now, agent, side);
        }
        let leg = ended.customer.take()?;
        self.stop_playing(leg.media);
        // What comes is another call's.
        self.relay.stop_record(leg.media);
        Some(leg)
    }
}
