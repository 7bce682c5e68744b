//! A phone's INVITE that takes the place of a leg that an agent has in a call (RFC 3891): a talk that another agent goes on
//! with, a call that another one picks up, or the agent's own talk on another phone.

use crate::call::Stage;
use crate::direct::Step;
use crate::transfer::Transfer;
use crate::{AgentId, CallId, Effect, Engine, LineId, Refusal};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Replace {
    pub line: LineId,
    /// Whose phone it is.
    pub agent: AgentId,
    /// The agent who has the leg, and its call.
    pub of: AgentId,
    pub call: CallId,
}

impl Engine {
    pub(crate) fn replaces(&mut self, wish: Replace) {
        if let Err(why) = self.replace(wish) {
            self.emit(Effect::RefuseLine { line: wish.line, why });
        }
    }

    fn replace(&mut self, wish: Replace) -> Result<(), Refusal> {
        let Replace { line, agent, of, call } = wish;
        let leg = Effect::TakeLegOf { line, call, agent };
        if agent == of {
            return self.talk_on_another_phone(wish, leg);
        }
        if self.is_rung(of, call) {
            self.check_free(agent)?;
            self.pick_up(wish, leg);
            return Ok(());
        }
        if self.talk_of(of) != Some(call) {
            return Err(Refusal::NotInCall);
        }
        if let Some(consult) = self.asked_by(of, agent) {
            self.give_to(call, consult, (of, agent));
            self.emit(leg);
            self.emit(Effect::Bridge { call, agent });
            return Ok(());
        }
        self.check_free(agent)?;
        self.end_watches_of(call);
        self.emit(Effect::CancelOffer { call, agent: of });
        let talked = self.pass_to(call, Transfer { to: agent, back_to: None });
        self.seat_left(of, talked);
        self.seat_at_leg(agent, call, leg);
        self.talk_again(call, agent);
        Ok(())
    }

    /// The agent's phone is another one, and nothing else changes.
    fn talk_on_another_phone(&mut self, wish: Replace, leg: Effect) -> Result<(), Refusal> {
        let Replace { agent, call, .. } = wish;
        let talks = match (self.calls.get(&call), self.directs.get(&call)) {
            (Some(call), _) => call.stage == Stage::Bridged(agent),
            (None, Some(direct)) => {
                direct.step == Step::Talking
                    && direct.agent() == Some(agent)
                    && !direct.is_between_customers()
            }
            (None, None) => false,
        };
        if !talks {
            return Err(Refusal::NotInCall);
        }
        self.end_watches_of(call);
        self.emit(leg);
        self.emit(Effect::Bridge { call, agent });
        Ok(())
    }

    /// The call in which `of` talks with the other agent, whom he asks while a customer waits.
    fn asked_by(&self, of: AgentId, agent: AgentId) -> Option<CallId> {
        let consult = *self.consults.get(&of)?;
        let direct = self.directs.get(&consult)?;
        (direct.far == Some(agent) && direct.step == Step::Talking).then_some(consult)
    }

    /// A customer is there, and the agent's phone rings for him.
    fn is_rung(&self, agent: AgentId, id: CallId) -> bool {
        if let Some(transfer) = self.transfer_of(id) {
            return transfer.to == agent;
        }
        match (self.calls.get(&id), self.directs.get(&id)) {
            (Some(call), _) => call.offered_to() == Some(agent),
            (None, Some(direct)) => {
                direct.step == Step::Offering && direct.caller.is_some() && direct.agent() == Some(agent)
            }
            (None, None) => false,
        }
    }

    /// Another agent answers what rings at `of`, who has missed nothing.
    fn pick_up(&mut self, wish: Replace, leg: Effect) {
        let Replace { agent, of, call, .. } = wish;
        self.emit(Effect::CancelOffer { call, agent: of });
        let transfer = self.transfer_of(call);
        match transfer {
            Some(transfer) => {
                self.pass_to(call, Transfer { to: agent, ..transfer });
            }
            None if self.calls.contains_key(&call) => self.reoffer(call, agent),
            None => self.reoffer_caller(call, agent),
        }
        self.seat_freed(of);
        self.seat_at_leg(agent, call, leg);
        match transfer {
            Some(_) => self.talk_again(call, agent),
            None if self.calls.contains_key(&call) => self.bridge(call, agent),
            None => self.direct_talk(call, agent),
        }
    }

    fn seat_at_leg(&mut self, agent: AgentId, call: CallId, leg: Effect) {
        self.end_rest(agent);
        self.seat_offered(agent, call);
        self.emit(leg);
    }
}
