//! A talk that is handed to another agent: the first one leaves at once, the customer hears that the other is rung. When
//! that one does not take it, it goes back; when nobody takes it, the call ends.

use std::time::Duration;

use crate::call::{Ending, Stage};
use crate::group::PoolKey;
use crate::{AgentId, CallId, Cause, Effect, Engine, Failure, GroupId, HangupBy, LegEvent, Party, Refusal};

/// Where a talk goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TransferTarget {
    Agent(AgentId),
    /// Whoever of it is ready and would be given the next call.
    Group(GroupId),
}

/// A handing over that is under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Transfer {
    /// Who is rung.
    pub(crate) to: AgentId,
    /// To whom it goes back; none: it went back already.
    pub(crate) back_to: Option<AgentId>,
}

impl Engine {
    pub(crate) fn transfer(&mut self, from: AgentId, target: TransferTarget) -> Result<(), Refusal> {
        let call = self.talk_of(from).ok_or(Refusal::NotInCall)?;
        let to = match target {
            TransferTarget::Agent(agent) => agent,
            TransferTarget::Group(group) => {
                let pool = self.pools.get(&PoolKey::Group(group));
                pool.and_then(|p| p.pick(&mut self.rng)).ok_or(Refusal::NobodyReady)?
            }
        };
        self.check_free(to).map_err(|refusal| match refusal {
            Refusal::Busy => Refusal::TargetBusy,
            other => other,
        })?;
        if let TransferTarget::Group(group) = target {
            self.pools.get_mut(&PoolKey::Group(group)).expect("picked from it").note_offer(to);
        }
        self.end_watches_of(call);
        self.emit(Effect::CancelOffer { call, agent: from });
        let talked = self.pass_to(call, Transfer { to, back_to: Some(from) });
        self.seat_left(from, talked);
        self.ring_next(call, to);
        Ok(())
    }

    /// The agent's phone asks for it.
    pub(crate) fn referred(&mut self, agent: AgentId, to: AgentId) {
        let before = self.effects.len();
        let result = self.transfer(agent, TransferTarget::Agent(to));
        // Before the phone's leg is left.
        self.effects.insert(before, Effect::Referred { agent, result });
    }

    /// How long the agent talked who has it no more.
    pub(crate) fn pass_to(&mut self, id: CallId, transfer: Transfer) -> Duration {
        let began = match self.directs.contains_key(&id) {
            true => self.pass_direct_to(id, transfer),
            false => self.pass_call_to(id, transfer),
        };
        self.now.mono.saturating_sub(began)
    }

    pub(crate) fn ring_next(&mut self, call: CallId, to: AgentId) {
        self.end_rest(to);
        self.emit(Effect::Offer { call, agent: to });
        self.emit(Effect::PlayRingback { call, to: Party::Customer });
        self.seat_offered(to, call);
    }

    /// Something happened on the leg of the agent who is rung.
    pub(crate) fn transfer_event(&mut self, call: CallId, agent: AgentId, event: LegEvent) {
        match event {
            LegEvent::Ringing { .. } | LegEvent::Heard(_) | LegEvent::Pressed(_) => {}
            LegEvent::Answered => self.talk_again(call, agent),
            LegEvent::Failed(Failure { cause, .. }) | LegEvent::HungUp { cause } => {
                self.transfer_failed(call, cause);
            }
        }
    }

    pub(crate) fn talk_again(&mut self, id: CallId, agent: AgentId) {
        match self.directs.contains_key(&id) {
            true => self.direct_talks_again(id),
            false => self.call_talks_again(id, agent),
        }
        self.emit(Effect::Bridge { call: id, agent });
        self.seat_talking(agent, id);
    }

    /// Who was rung does not take it.
    pub(crate) fn transfer_failed(&mut self, call: CallId, cause: Cause) {
        let Some(Transfer { to, back_to }) = self.transfer_of(call) else { return };
        let Some(back_to) = back_to.filter(|agent| self.check_free(*agent).is_ok()) else {
            return self.end_transferred(call, Ending::connected(cause, HangupBy::Platform));
        };
        self.emit(Effect::CancelOffer { call, agent: to });
        self.pass_to(call, Transfer { to: back_to, back_to: None });
        self.seat_freed(to);
        self.ring_next(call, back_to);
    }

    /// The customer did not wait.
    pub(crate) fn transfer_abandoned(&mut self, call: CallId, cause: Cause) {
        self.end_transferred(call, Ending::connected(cause, HangupBy::Customer));
    }

    pub(crate) fn end_transferred(&mut self, id: CallId, ending: Ending) {
        match self.directs.contains_key(&id) {
            true => self.end_direct(id, ending),
            false => self.end(id, ending),
        }
    }

    pub(crate) fn transfer_of(&self, id: CallId) -> Option<Transfer> {
        match self.calls.get(&id).map(|call| call.stage) {
            Some(Stage::Transfer(transfer)) => Some(transfer),
            Some(_) => None,
            None => self.directs.get(&id)?.transfer,
        }
    }
}
