//! Legs of calls that agents ask for: an agent who is rung before there is a customer, and what is heard meanwhile.

use std::time::Duration;

use engine::{AgentId, CallId, CompanyId, Party};
use media::LegId;
use media::tone::{RINGBACK_CN, ringback};

use super::{AgentSide, CODECS, Call, Switch, sdp};

/// Level of our own ring-back tone, in samples' units.
const RINGBACK_LEVEL: i16 = 3000;

/// One ring and its pause; played again and again.
pub(super) fn ringback_sound() -> media::Sound {
    ringback(RINGBACK_CN, RINGBACK_LEVEL, RINGBACK_CN.on + RINGBACK_CN.off)
}

impl Switch {
    /// Begins a call with its agent; `show`: the caller that the phone sees.
    pub(super) fn ring_agent(
        &mut self,
        now: Duration,
        company: CompanyId,
        call: CallId,
        agent: AgentId,
        show: String,
    ) {
        self.calls.insert(call, Call::new(company, show));
        self.offer(now, company, call, agent);
    }

    pub(super) fn play_ringback(&mut self, call: CallId, to: Party) {
        let Some(state) = self.calls.get(&call) else { return };
        let leg = match to {
            Party::Customer => state.customer.as_ref().map(|leg| leg.media),
            Party::Agent(agent) => self.agent_media(state, agent),
        };
        if let (Some(leg), Some(state)) = (leg, self.calls.get_mut(&call)) {
            state.ringback = Some(leg);
            self.relay.play(leg, self.ringback.clone());
        }
    }

    /// Both sides hear each other, or the other side's own sound, from now on.
    pub(super) fn stop_ringback(&mut self, call: CallId) {
        if let Some(leg) = self.calls.get_mut(&call).and_then(|state| state.ringback.take()) {
            self.relay.stop(leg);
        }
    }

    /// Whether this was the ring-back of the call: then it goes on.
    pub(super) fn ring_on(&mut self, call: CallId, leg: LegId) -> bool {
        let rings = self.calls.get(&call).is_some_and(|state| state.ringback == Some(leg));
        if rings {
            self.relay.play(leg, self.ringback.clone());
        }
        rings
    }

    /// An agent who waits for the customer hears what the network sends before the answer, instead of our ring-back.
    pub(super) fn early_media(&mut self, call: CallId, body: &[u8]) {
        let Some(state) = self.calls.get_mut(&call) else { return };
        let (Some(customer), Some((agent, _))) = (state.customer.as_mut(), state.offer.as_ref()) else {
            return;
        };
        let (Some(ringback), agent) = (state.ringback, *agent) else { return };
        let Ok(media) = sdp::read(body, &CODECS) else { return };
        let leg = customer.media;
        let state = self.calls.get(&call).expect("looked up above");
        if self.agent_media(state, agent) == Some(ringback) {
            self.relay.configure(leg, media);
            self.stop_ringback(call);
            self.relay.bridge(leg, ringback);
        }
    }
}

impl Call {
    pub(super) fn new(company: CompanyId, number: String) -> Call {
        Call {
            company,
            number,
            customer: None,
            answered_at: None,
            offered_at: None,
            offer: None::<(AgentId, AgentSide)>,
            ringback: None,
        }
    }
}
