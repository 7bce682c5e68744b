//! What happens on the legs of such a call, and when it takes too long.

use super::{DirectKind, Step};
use crate::call::{Ending, Legs, note_key};
use crate::{AgentId, CallId, Cause, Effect, Engine, Failure, HangupBy, LegEvent, Miss, Outcome, Party};

impl Engine {
    pub(crate) fn direct_customer_event(&mut self, id: CallId, event: LegEvent) {
        let Some(direct) = self.directs.get_mut(&id) else { return };
        match (direct.step, event) {
            (_, LegEvent::Pressed(key)) => note_key(&mut direct.keys, key),
            (Step::Dialing, LegEvent::Ringing { .. }) => {
                direct.ringing_at = Some(self.now.wall);
                let limit =
                    if direct.far.is_some() { self.config.ring_agent } else { self.config.ring_outside };
                self.set_step(id, Step::Ringing, Some(limit));
                self.handed_rings(id);
            }
            (Step::Dialing | Step::Ringing, LegEvent::Answered) => self.direct_answered(id),
            (Step::Dialing | Step::Ringing, LegEvent::Failed(failure)) => {
                // The agent may be there and wait.
                self.end_direct(id, Ending { legs: Legs::Left, ..Ending::failed(failure) });
            }
            (_, LegEvent::Failed(Failure { cause, .. }) | LegEvent::HungUp { cause }) => {
                self.direct_customer_left(id, cause);
            }
            _ => {}
        }
    }

    fn direct_answered(&mut self, id: CallId) {
        let direct = self.directs.get_mut(&id).expect("the caller looked it up");
        direct.answered_at = Some(self.now.wall);
        let (agent, kind) = (direct.own_agent(), direct.row.kind);
        if self.handed_answered(id) {
            return;
        }
        match kind {
            DirectKind::Inbound => {}
            DirectKind::Click | DirectKind::Dialed | DirectKind::Internal => self.direct_talk(id, agent),
            DirectKind::ClickReverse => {
                self.set_step(id, Step::Offering, Some(self.config.ring_agent));
                self.emit(Effect::Offer { call: id, agent });
                self.emit(Effect::PlayRingback { call: id, to: Party::Customer });
            }
        }
    }

    pub(crate) fn direct_talk(&mut self, id: CallId, agent: AgentId) {
        self.set_step(id, Step::Talking, None);
        let direct = self.directs.get_mut(&id).expect("the caller looked it up");
        direct.bridged_at.get_or_insert(self.now.wall);
        direct.answered_at.get_or_insert(self.now.wall);
        direct.talk_began = self.now.mono;
        let (far, seated) = (direct.far, direct.seated_agent());
        self.emit(Effect::Bridge { call: id, agent });
        for agent in far.into_iter().chain(seated) {
            self.seat_talking(agent, id);
        }
    }

    fn direct_customer_left(&mut self, id: CallId, cause: Cause) {
        let Some(direct) = self.directs.get(&id) else { return };
        if direct.transfer.is_some() {
            return self.transfer_abandoned(id, cause);
        }
        let ending = match direct.step {
            _ if direct.bridged_at.is_some() => Ending::connected(cause, HangupBy::Customer),
            _ => Ending::new(Outcome::Abandoned, cause, HangupBy::Customer, Legs::Left),
        };
        self.end_direct(id, ending);
    }

    pub(crate) fn direct_agent_event(&mut self, id: CallId, agent: AgentId, event: LegEvent) {
        let Some(direct) = self.directs.get(&id).filter(|d| d.agent() == Some(agent)) else { return };
        match (direct.step, event) {
            _ if direct.transfer.is_some() => self.transfer_event(id, agent, event),
            (Step::RingingAgent, LegEvent::Answered) => self.dial_when_possible(id),
            (Step::Offering, LegEvent::Answered) => self.direct_talk(id, agent),
            (Step::Offering, LegEvent::Failed(failure)) if direct.caller.is_some() => {
                let said_no = matches!(failure.outcome, Outcome::Busy | Outcome::Rejected);
                let miss = if said_no { Miss::Declined } else { Miss::NotPickedUp };
                self.caller_missed(id, Legs::Gone, miss);
            }
            (Step::Offering, LegEvent::HungUp { .. }) if direct.caller.is_some() => {
                self.caller_missed(id, Legs::Gone, Miss::Declined);
            }
            (Step::RingingAgent, LegEvent::Failed(failure)) => {
                let Failure { outcome, cause, sip_status } = failure;
                let ending = Ending::new(outcome, cause, HangupBy::Agent, Legs::Left);
                self.end_direct(id, Ending { sip_status, ..ending });
            }
            (Step::Offering, LegEvent::Failed(failure)) => {
                let ending = Ending::new(Outcome::Abandoned, failure.cause, HangupBy::Agent, Legs::Left);
                self.end_direct(id, ending);
            }
            (_, LegEvent::Failed(Failure { cause, .. }) | LegEvent::HungUp { cause }) => {
                self.direct_hung_up(id, cause);
            }
            _ => {}
        }
    }

    /// What the call's step allows is over.
    pub(crate) fn direct_timer(&mut self, id: CallId) {
        let Some(direct) = self.directs.get(&id) else { return };
        if direct.transfer.is_some() {
            return self.transfer_failed(id, Cause::NOT_PICKED_UP);
        }
        let (outcome, cause) = match direct.step {
            Step::Opening | Step::Talking | Step::Outside(_) => return,
            Step::Offering if direct.caller.is_some() => {
                return self.caller_missed(id, Legs::Left, Miss::NotPickedUp);
            }
            Step::Waiting => return self.find_agent(id),
            Step::Message => return self.caller_told(id),
            Step::RingingAgent => (Outcome::NoAnswer, Cause::NOT_PICKED_UP),
            Step::AwaitingTrunk => (Outcome::Failed, Cause::TRUNK_FAILED),
            Step::Dialing => (Outcome::Failed, Cause::TIMER),
            Step::Ringing => (Outcome::NoAnswer, Cause::NO_ANSWER),
            Step::Offering => (Outcome::Abandoned, Cause::NOT_PICKED_UP),
        };
        self.end_direct(id, Ending::new(outcome, cause, HangupBy::Platform, Legs::Left));
    }
}
