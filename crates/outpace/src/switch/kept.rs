//! Agent legs that stay up all shift: an answered customer is joined by one switch in the relay.

use std::time::Duration;

use super::{Leg, Owner, Switch};
use engine::{AgentId, CallId, Cause, CompanyId, Input, LegEvent};

pub(super) struct KeptLeg {
    pub leg: Leg,
    company: CompanyId,
    up: bool,
    pub(super) call: Option<CallId>,
}

impl Switch {
    pub(super) fn raise_agent_leg(&mut self, now: Duration, company: CompanyId, agent: AgentId) {
        if self.kept.contains_key(&agent) {
            return;
        }
        let extension = self.agents.get(&agent).map(|a| a.extension.clone()).unwrap_or_default();
        let formats = self.codecs.formats.clone();
        let leg = self.agent_invite(agent, &extension).and_then(|invite| self.place(now, invite, formats));
        match leg {
            Some(leg) => {
                self.own(&leg, Owner::Kept(agent));
                self.kept.insert(agent, KeptLeg { leg, company, up: false, call: None });
            }
            None => self.tell(company, Input::AgentLegDown { agent }),
        }
    }

    pub(super) fn drop_agent_leg(&mut self, now: Duration, agent: AgentId) {
        if let Some(kept) = self.kept.remove(&agent) {
            self.endpoint.hang_up(now, kept.leg.dialog);
            self.drop_leg(&kept.leg);
        }
    }

    pub(super) fn kept_answered(&mut self, agent: AgentId) {
        let Some(kept) = self.kept.get_mut(&agent) else { return };
        kept.up = true;
        let company = kept.company;
        self.tell(company, Input::AgentLegUp { agent });
    }

    pub(super) fn kept_failed(&mut self, agent: AgentId, status: u16) {
        tracing::info!(%agent, status, "the agent's phone did not take its leg");
        if let Some(kept) = self.kept.remove(&agent) {
            self.drop_leg(&kept.leg);
            self.tell(kept.company, Input::AgentLegDown { agent });
        }
    }

    pub(super) fn kept_gone(&mut self, _now: Duration, agent: AgentId) {
        if let Some(call) = self.kept.get(&agent).and_then(|kept| kept.call) {
            self.measure_agent(call);
        }
        let Some(kept) = self.kept.remove(&agent) else { return };
        self.drop_leg(&kept.leg);
        if let Some(call) = kept.call {
            let event = LegEvent::HungUp { cause: Cause::NORMAL };
            self.tell(kept.company, Input::AgentLeg { call, agent, event });
        }
        self.tell(kept.company, Input::AgentLegDown { agent });
    }

    /// True when the agent's leg is up; it then belongs to the call.
    pub(super) fn take_kept_leg(&mut self, agent: AgentId, call: CallId) -> bool {
        self.measure_anew(agent);
        match self.kept.get_mut(&agent) {
            Some(kept) if kept.up => {
                kept.call = Some(call);
                true
            }
            _ => false,
        }
    }

    pub(super) fn free_kept_leg(&mut self, agent: AgentId) {
        if let Some(kept) = self.kept.get_mut(&agent) {
            kept.call = None;
            let leg = kept.leg.media;
            self.stop_playing(leg);
            self.relay.unbridge(leg);
        }
    }
}
