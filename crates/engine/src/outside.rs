//! A talk that is handed to a number outside without asking there first (a blind transfer). The number is dialed beside the
//! talk, under the rules for what agents dial; the talk goes on until it answers, or until the agent hangs up. When nobody
//! answers, the customer is still with the agent, or waits for one of those who have such customers.

use std::time::Duration;

use crate::call::{Ending, Stage};
use crate::consult::Beside;
use crate::direct::{Direct, DirectKind, NewDirect, Step};
use crate::timer::TimerKey;
use crate::transfer::Transfer;
use crate::{AgentId, CallId, CallTags, Effect, Engine, Outcome, Party, PhoneNumber, Refusal};

impl Direct {
    /// It is dialed for the customer of the agent's talk, and the agent waits for what comes of it.
    pub(crate) fn is_blind(&self) -> bool {
        self.is_handed && self.beside == Some(Beside::Talk)
    }
}

impl Engine {
    /// The agent's phone asks for it.
    pub(crate) fn referred_outside(&mut self, agent: AgentId, number: PhoneNumber) {
        if let Err(why) = self.hand_outside(agent, number) {
            self.emit(Effect::Referred { agent, result: Err(why) });
        }
    }

    fn hand_outside(&mut self, agent: AgentId, number: PhoneNumber) -> Result<(), Refusal> {
        self.talk_of(agent).ok_or(Refusal::NotInCall)?;
        if !self.may_consult(agent) {
            return Err(Refusal::Busy);
        }
        self.check_room()?;
        self.check_outside(agent, &number)?;
        let caller_id = self.caller_id_of_phones();
        let (call, dialed_at, tags) = (self.new_call_id(), self.now.wall, CallTags::default());
        let kind = DirectKind::Dialed;
        let row = NewDirect { call, kind, agent: Some(agent), number, caller_id, tags, dialed_at };
        self.open_direct(agent, row, None, Some(Beside::Talk));
        self.directs.get_mut(&call).expect("it was opened").is_handed = true;
        Ok(())
    }

    pub(crate) fn handed_rings(&mut self, id: CallId) {
        if let Some(agent) = self.directs.get(&id).filter(|d| d.is_blind()).and_then(Direct::agent) {
            self.emit(Effect::ReferTold { agent, status: 180 });
        }
    }

    /// The number has answered: the customer goes there. False: it was dialed for nobody's customer.
    pub(crate) fn handed_answered(&mut self, id: CallId) -> bool {
        let handed = self.directs.get(&id).filter(|direct| direct.is_handed);
        let Some((agent, beside)) = handed.and_then(|direct| Some((direct.agent()?, direct.beside?))) else {
            return false;
        };
        let talk = match beside {
            Beside::Talk => self.talk_of(agent).expect("a call beside a talk ends with it, or is awaited"),
            Beside::Awaited(talk) => talk,
            Beside::Customer(_) => return false,
        };
        if beside == Beside::Talk {
            self.emit(Effect::Referred { agent, result: Ok(()) });
        }
        self.set_step(id, Step::Talking, None);
        let direct = self.directs.get_mut(&id).expect("looked up above");
        direct.bridged_at = Some(self.now.wall);
        direct.talk_began = self.now.mono;
        self.put_in_place(talk, id, agent);
        true
    }

    /// The agent does not wait for the answer: the customer does. False: there is nothing to wait for.
    pub(crate) fn leaves_to_outside(&mut self, call: CallId, agent: AgentId) -> bool {
        let dialed = self.consults.get(&agent).copied();
        let dialed = dialed.filter(|id| self.directs.get(id).is_some_and(Direct::is_blind));
        let Some(dialed) = dialed.filter(|_| self.talk_of(agent) == Some(call)) else { return false };
        self.emit(Effect::Referred { agent, result: Ok(()) });
        self.end_watches_of(call);
        self.emit(Effect::CancelOffer { call, agent });
        self.consults.remove(&agent);
        self.directs.get_mut(&dialed).expect("looked up above").beside = Some(Beside::Awaited(call));
        let began = match self.directs.get(&call).map(|direct| direct.talk_began) {
            Some(began) => {
                self.set_step(call, Step::Outside(dialed), None);
                began
            }
            None => self.call_left_to(call, dialed),
        };
        self.emit(Effect::PlayRingback { call, to: Party::Customer });
        self.seat_left(agent, self.now.mono.saturating_sub(began));
        true
    }

    /// Since when the agent talked.
    fn call_left_to(&mut self, id: CallId, dialed: CallId) -> Duration {
        self.set_stage(id, Stage::Outside(dialed));
        let call = self.calls.get(&id).expect("the caller looked it up");
        let talked = self.now.mono.saturating_sub(call.talk_began);
        let campaign = self.campaigns.get_mut(&call.campaign).expect("a campaign outlives its calls");
        campaign.pacer.look.talk_ended(talked);
        campaign.pacer.look.wrap_up_ended(self.config.wrap_up);
        call.talk_began
    }

    /// What the customer of this call waits for.
    pub(crate) fn dialed_outside_for(&self, talk: CallId) -> Option<CallId> {
        match (self.calls.get(&talk).map(|call| call.stage), self.directs.get(&talk).map(|d| d.step)) {
            (Some(Stage::Outside(dialed)), _) | (_, Some(Step::Outside(dialed))) => Some(dialed),
            _ => None,
        }
    }

    /// The number does not answer, and the agent is not there any more. The customer waits for one as those do who call;
    /// where no others take such calls, the agent is rung again.
    pub(crate) fn back_from_outside(&mut self, talk: CallId) {
        if self.dialed_outside_for(talk).is_none() {
            return;
        }
        let Some(direct) = self.directs.get(&talk) else { return self.call_waits_again(talk) };
        if direct.caller.is_some() {
            return self.caller_waits_again(talk);
        }
        match direct.agent().filter(|agent| self.check_free(*agent).is_ok()) {
            Some(agent) => {
                self.pass_to(talk, Transfer { to: agent, back_to: None });
                self.ring_next(talk, agent);
            }
            None => self.end_talk(talk),
        }
    }

    fn call_waits_again(&mut self, id: CallId) {
        let call = self.calls.get(&id).expect("the caller looked it up");
        let order = call.order;
        let campaign = self.campaigns.get(&call.campaign).expect("a campaign outlives its calls");
        let is_somebody_there = self.pools.get(&campaign.pool).is_some_and(|pool| !pool.present.is_empty());
        let (wait, absent_wait) = self.waiting_times(&[campaign.pool]);
        let wait = if is_somebody_there { wait } else { absent_wait };
        self.timers.set(TimerKey::Call(id), self.now.mono + wait.max(self.config.answer_wait));
        self.set_stage(id, Stage::Waiting);
        self.unplaced.insert((order, id));
        self.emit(Effect::PlayHold { call: id });
    }

    /// The customer who waits for this call is gone, or goes there.
    pub(crate) fn awaited_in_vain(&mut self, dialed: CallId) {
        let Some(direct) = self.directs.get_mut(&dialed) else { return };
        if matches!(direct.beside, Some(Beside::Awaited(_))) {
            direct.beside = Some(Beside::Customer(None));
            self.end_direct(dialed, Ending::given_up(false));
        }
    }

    /// There is no customer any more.
    pub(crate) fn handed_in_vain(&mut self, id: CallId, agent: AgentId) {
        let direct = self.directs.get_mut(&id).expect("the caller looked it up");
        direct.beside = Some(Beside::Customer(None));
        self.emit(Effect::Referred { agent, result: Err(Refusal::NotInCall) });
        self.end_direct(id, Ending::given_up(false));
    }

    /// What the phone is told when the number was not reached.
    pub(crate) fn handed_failed(&mut self, direct: &Direct, ending: Ending) {
        let Some(agent) = direct.agent().filter(|_| direct.is_blind()) else { return };
        let status = match (ending.sip_status, ending.outcome) {
            (status @ 400..=699, _) => status,
            (_, Outcome::Busy) => 486,
            (_, Outcome::Rejected) => 603,
            (_, Outcome::Invalid) => 404,
            (_, Outcome::NoAnswer) => 408,
            _ => 480,
        };
        self.emit(Effect::ReferTold { agent, status });
    }

    /// Its row was not written: the company's rules forbid the number.
    pub(crate) fn handed_forbidden(&mut self, direct: &Direct) {
        if let Some(agent) = direct.agent().filter(|_| direct.is_blind()) {
            self.emit(Effect::Referred { agent, result: Err(Refusal::NotAllowed) });
        }
    }
}
