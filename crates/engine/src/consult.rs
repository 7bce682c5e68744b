//! A second call that an agent makes at the phone while a customer waits, and how the two become one (an attended transfer).
//! It has a row of its own and takes no seat: the agent's seat is in the talk, until that is over.

use crate::agent::Seat;
use crate::call::{Ending, Legs};
use crate::direct::{Direct, DirectKind, Step};
use crate::transfer::Transfer;
use crate::{AgentId, CallId, Cause, Effect, Engine, HangupBy, Party, Refusal, TransferTarget, TrunkId};

/// What a direct call without a seat is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Beside {
    /// Made while the agent's talk goes on or is held.
    Talk,
    /// The agent has left; the customer of this talk waits until the number answers.
    Awaited(CallId),
    /// The agent has left; in the agent's place is the customer of the other call, with the trunk of that one.
    Customer(Option<TrunkId>),
}

impl Direct {
    pub(crate) fn is_between_customers(&self) -> bool {
        matches!(self.beside, Some(Beside::Customer(_)))
    }

    /// Of the customer who has the agent's place.
    pub(crate) fn second_trunk(&self) -> Option<TrunkId> {
        match self.beside {
            Some(Beside::Customer(trunk)) => trunk,
            _ => None,
        }
    }
}

impl Engine {
    /// One who talks with a customer may make one more call.
    pub(crate) fn may_consult(&self, agent: AgentId) -> bool {
        self.talk_of(agent).is_some() && !self.consults.contains_key(&agent)
    }

    /// The call is over, or was none.
    pub(crate) fn consult_over(&mut self, direct: &Direct) {
        if direct.beside == Some(Beside::Talk)
            && let Some(agent) = direct.agent()
        {
            self.consults.remove(&agent);
        }
        if let Some(trunk) = direct.second_trunk() {
            self.trunks.free(trunk);
        }
        if let Some(Beside::Awaited(talk)) = direct.beside {
            self.back_from_outside(talk);
        }
    }

    /// The talk is over and the other call is not: it has the agent's seat now.
    pub(crate) fn turn_to_consult(&mut self, agent: AgentId) {
        let Some(call) = self.consults.remove(&agent) else { return };
        if self.directs.get(&call).is_some_and(Direct::is_blind) {
            return self.handed_in_vain(call, agent);
        }
        let Some(direct) = self.directs.get_mut(&call) else { return };
        direct.beside = None;
        let talks = direct.step == Step::Talking;
        self.end_rest(agent);
        self.seat_offered(agent, call);
        if talks {
            self.seat_talking(agent, call);
        }
    }

    /// The agent's phone asks for it.
    pub(crate) fn joined(&mut self, agent: AgentId) {
        let before = self.effects.len();
        let result = self.join(agent);
        // Before the phone's legs are left.
        self.effects.insert(before, Effect::Referred { agent, result });
    }

    fn join(&mut self, agent: AgentId) -> Result<(), Refusal> {
        let call = self.talk_of(agent).ok_or(Refusal::NotInCall)?;
        let consult = *self.consults.get(&agent).ok_or(Refusal::NotInCall)?;
        let direct = self.directs.get(&consult).ok_or(Refusal::NotInCall)?;
        match (direct.row.kind, direct.step, direct.far) {
            (_, Step::Opening, _) => return Err(Refusal::Unavailable),
            (DirectKind::Internal, Step::Talking, Some(far)) => self.give_to(call, consult, (agent, far)),
            (DirectKind::Internal, _, Some(far)) => {
                // Still rung: rung again for the customer.
                self.end_direct(consult, Ending::given_up(false));
                self.transfer(agent, TransferTarget::Agent(far))?;
            }
            (DirectKind::Dialed, ..) => self.put_in_place(call, consult, agent),
            _ => return Err(Refusal::NotInCall),
        }
        Ok(())
    }

    /// Who was asked goes on with the customer.
    pub(crate) fn give_to(&mut self, call: CallId, consult: CallId, (agent, far): (AgentId, AgentId)) {
        self.end_watches_of(call);
        self.emit(Effect::CancelOffer { call, agent });
        self.emit(Effect::TakeOver { call, consult, agent: far });
        let talked = self.pass_to(call, Transfer { to: far, back_to: None });
        let ending = Ending::connected(Cause::NORMAL, HangupBy::Agent);
        self.end_direct(consult, Ending { legs: Legs::Gone, ..ending });
        self.seat_left(agent, talked);
        self.end_rest(far);
        self.seat_offered(far, call);
        self.talk_again(call, far);
    }

    /// The customer goes on with whom the agent has called outside. The talk with the agent is over; the other call's row
    /// tells of the rest.
    pub(crate) fn put_in_place(&mut self, call: CallId, consult: CallId, agent: AgentId) {
        let trunk = match self.calls.get(&call) {
            Some(call) => Some(call.trunk),
            None => self.directs.get(&call).and_then(|direct| direct.trunk),
        };
        if self.consults.get(&agent) == Some(&consult) {
            self.consults.remove(&agent);
        }
        self.end_watches_of(call);
        self.emit(Effect::TakePlace { call: consult, held: call, agent });
        let direct = self.directs.get_mut(&consult).expect("the caller looked it up");
        direct.beside = Some(Beside::Customer(None));
        let talks = direct.step == Step::Talking;
        let ending = Ending::connected(Cause::NORMAL, HangupBy::Agent);
        self.end_transferred(call, Ending { legs: Legs::Gone, ..ending });
        // The customer's line is still in use.
        let trunk = trunk.filter(|trunk| self.trunks.take_channel(*trunk));
        if let Some(direct) = self.directs.get_mut(&consult) {
            direct.beside = Some(Beside::Customer(trunk));
        }
        self.emit(match talks {
            true => Effect::Bridge { call: consult, agent },
            false => Effect::PlayRingback { call: consult, to: Party::Agent(agent) },
        });
    }

    /// Invariants of calls without a seat.
    pub(crate) fn check_consults(&self) {
        for (agent, call) in &self.consults {
            let direct = self.directs.get(call).expect("a call beside a talk is one");
            assert_eq!((direct.beside, direct.agent()), (Some(Beside::Talk), Some(*agent)));
            let seat = self.agents.get(agent).map(|agent| agent.seat);
            assert!(matches!(seat, Some(Seat::Talking(_))), "agent {agent} talks beside call {call}");
        }
        for (id, direct) in &self.directs {
            let Some(Beside::Awaited(talk)) = direct.beside else { continue };
            assert_eq!(self.dialed_outside_for(talk), Some(*id), "who waits for call {id} knows it");
        }
        for talk in self.calls.keys().chain(self.directs.keys()) {
            let Some(dialed) = self.dialed_outside_for(*talk) else { continue };
            let beside = self.directs.get(&dialed).and_then(|direct| direct.beside);
            assert_eq!(
                beside,
                Some(Beside::Awaited(*talk)),
                "what the customer of call {talk} waits for is dialed"
            );
        }
        let beside = self.directs.values().filter(|direct| direct.beside == Some(Beside::Talk)).count();
        assert_eq!(self.consults.len(), beside, "calls beside talks are listed");
    }
}
