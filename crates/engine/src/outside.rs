//! A talk that is handed to a number outside without asking there first (a blind transfer). The number is dialed beside the
//! talk, under the rules for what agents dial; the talk goes on until it answers, or until the agent hangs up. When nobody
//! answers, the customer is still with the agent.

use crate::call::Ending;
use crate::consult::Beside;
use crate::direct::{Direct, DirectKind, NewDirect, Step};
use crate::{AgentId, CallId, CallTags, Effect, Engine, Outcome, PhoneNumber, Refusal};

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
        let Some(agent) = self.directs.get(&id).filter(|d| d.is_blind()).and_then(Direct::agent) else {
            return false;
        };
        self.set_step(id, Step::Talking, None);
        let direct = self.directs.get_mut(&id).expect("looked up above");
        direct.bridged_at = Some(self.now.wall);
        direct.talk_began = self.now.mono;
        let talk = self.talk_of(agent).expect("a call beside a talk ends with it, or has its seat");
        self.emit(Effect::Referred { agent, result: Ok(()) });
        self.put_in_place(talk, id, agent);
        true
    }

    /// The agent does not wait for the answer: the customer does. False: there is nothing to wait for.
    pub(crate) fn leaves_to_outside(&mut self, call: CallId, agent: AgentId) -> bool {
        let consult = self.consults.get(&agent).copied();
        let consult = consult.filter(|id| self.directs.get(id).is_some_and(Direct::is_blind));
        let Some(consult) = consult.filter(|_| self.talk_of(agent) == Some(call)) else { return false };
        self.emit(Effect::Referred { agent, result: Ok(()) });
        self.put_in_place(call, consult, agent);
        true
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
