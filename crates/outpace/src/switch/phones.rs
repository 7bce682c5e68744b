//! Calls that phones of extensions make: their INVITE is taken by the engine or refused, and answered when the other side
//! is there.

use std::time::Duration;

use engine::{AgentId, CallId, CompanyId, Input, LegEvent, LineId, PhoneCall, PhoneNumber, Refusal};
use media::LegMedia;
use sip::{DialogId, Transport};

use super::{AgentSide, Call, Format, Leg, Owner, Switch, cause, sdp, secure};

/// An INVITE that came in and that the engine has not taken yet.
pub(super) struct Line {
    pub(super) company: CompanyId,
    pub(super) number: String,
    pub(super) leg: Leg,
    pub(super) media: LegMedia,
    /// Of a customer; see `Call`.
    pub(super) identities: Vec<String>,
    /// The same, and more, to be written down.
    pub(super) said: store::CallerIdentity,
}

/// What the phone waits for.
pub(super) struct Unanswered {
    media: LegMedia,
    /// Of the final response of the other side.
    pub(super) status: Option<u16>,
    /// It was told that the other side rings.
    rings: bool,
}

impl Switch {
    /// What cannot be a call is refused at once.
    pub(super) fn phone_calls(
        &mut self,
        now: Duration,
        dialog: DialogId,
        account: &str,
        target: &str,
        body: &[u8],
    ) {
        let agent = self.agent_by_extension.get(account).copied();
        let Some((agent, company)) = agent.and_then(|agent| Some((agent, self.company_of(agent)?))) else {
            return self.endpoint.reject(now, dialog, 403);
        };
        let Ok(number) = PhoneNumber::parse(target) else { return self.endpoint.reject(now, dialog, 484) };
        let own = self.agent_by_extension.get(target).copied();
        let to = own.filter(|to| self.company_of(*to) == Some(company));
        if let Some(line) = self.open_line(now, dialog, company, &number, (body, self.codecs.formats.clone()))
        {
            self.tell(company, Input::PhoneCalls(PhoneCall { line, agent, number, to }));
        }
    }

    /// Keeps an INVITE that came in until the engine says what becomes of it. None: it is refused.
    pub(super) fn open_line(
        &mut self,
        now: Duration,
        dialog: DialogId,
        company: CompanyId,
        number: &PhoneNumber,
        (body, formats): (&[u8], Vec<Format>),
    ) -> Option<LineId> {
        let Ok((leg, address)) = self.relay.open() else {
            self.endpoint.reject(now, dialog, 503);
            return None;
        };
        let mut leg = Leg {
            dialog,
            media: leg,
            address,
            codec: None,
            formats,
            is_wide: false,
            takes_events: false,
            protection: None,
            version: 1,
        };
        let transport = self.endpoint.peer_of(dialog).map_or(Transport::Udp, |flow| flow.transport);
        let terms =
            secure::Terms { policy: self.srtp, transport, transcoded_max: self.codecs.transcoded_max };
        let Ok(media) = secure::take_offer(&self.relay, &terms, &mut leg, body) else {
            self.relay.close(leg.media);
            self.endpoint.reject(now, dialog, 488);
            return None;
        };
        let line = LineId(dialog.0);
        let (number, said) = (number.as_str().to_owned(), store::CallerIdentity::default());
        self.lines.insert(line, Line { company, number, leg, media, identities: Vec::new(), said });
        Some(line)
    }

    pub(super) fn take_line(&mut self, company: CompanyId, line: LineId, call: CallId, agent: AgentId) {
        let Some(Line { company, number, leg, media, .. }) = self.lines.remove(&line) else {
            let event = LegEvent::Failed(cause::agent_failure(487));
            return self.tell(company, Input::AgentLeg { call, agent, event });
        };
        self.own(&leg, Owner::Offer(call, agent));
        let mut state = Call::new(company, number);
        state.offer = Some((agent, AgentSide::Rung(leg)));
        state.unanswered = Some(Unanswered { media, status: None, rings: false });
        state.by_phone = true;
        self.calls.insert(call, state);
    }

    /// The phone gave up before the engine was told of its call.
    pub(super) fn line_gone(&mut self, dialog: DialogId) {
        if let Some(line) = self.lines.remove(&LineId(dialog.0)) {
            self.relay.close(line.leg.media);
        }
    }

    /// The company's rules forbid the number that the phone dialed.
    pub fn forbid(&mut self, call: CallId) {
        if let Some(wait) = self.calls.get_mut(&call).and_then(|state| state.unanswered.as_mut()) {
            wait.status = Some(403);
        }
    }

    pub(super) fn refuse_line(&mut self, now: Duration, line: LineId, why: Refusal) {
        let Some(line) = self.lines.remove(&line) else { return };
        let status = match why {
            Refusal::Busy | Refusal::TargetBusy => 486,
            Refusal::NotInCall => 481,
            Refusal::NoTrunk | Refusal::Unavailable => 503,
            _ => 403,
        };
        self.endpoint.reject(now, line.leg.dialog, status);
        self.relay.close(line.leg.media);
    }

    /// The other agent's leg, which stands where others have the customer's.
    pub(super) fn dial_agent(&mut self, now: Duration, call: CallId, agent: AgentId, show: &str) {
        let Some(company) = self.calls.get(&call).map(|state| state.company) else { return };
        let formats = self.codecs.formats.clone();
        let leg = self.agent_invite(agent, show).and_then(|invite| self.place(now, invite, formats));
        let Some(leg) = leg else { return self.tell(company, Input::DialRefused { call }) };
        self.own(&leg, Owner::Customer(call));
        if let Some(state) = self.calls.get_mut(&call) {
            state.customer = Some(leg);
        }
    }

    /// The phone hears that the other side rings, with the network's own sound where it sends some.
    pub(super) fn phone_hears_ringing(&mut self, now: Duration, call: CallId, body: &[u8]) {
        let Some(state) = self.calls.get_mut(&call) else { return };
        let (Some(wait), Some((_, AgentSide::Rung(leg)))) = (state.unanswered.as_mut(), &state.offer) else {
            return;
        };
        let early = match state.customer.as_mut() {
            Some(customer) if !body.is_empty() => {
                secure::take_answer(&self.relay, customer, body).is_ok().then_some(customer)
            }
            _ => None,
        };
        if let Some(customer) = early {
            self.relay.bridge(customer.media, leg.media);
            let numbers = (leg.media.0, leg.version);
            let answer = sdp::answer(leg.address, &wait.media, numbers, leg.protection.as_ref());
            self.endpoint.ring(now, leg.dialog, 183, Some(answer));
        } else if !wait.rings {
            self.endpoint.ring(now, leg.dialog, 180, None);
        }
        wait.rings = true;
    }

    /// The other side is there.
    pub(super) fn answer_phone(&mut self, now: Duration, call: CallId) {
        let Some(state) = self.calls.get_mut(&call) else { return };
        let Some(wait) = state.unanswered.take() else { return };
        if let Some((_, AgentSide::Rung(leg))) = &state.offer {
            let numbers = (leg.media.0, leg.version);
            let answer = sdp::answer(leg.address, &wait.media, numbers, leg.protection.as_ref());
            self.endpoint.answer(now, leg.dialog, answer);
        }
    }
}
