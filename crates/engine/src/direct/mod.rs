//! Calls that are no campaign's: those that a command asks for, those that agents dial at their phones, and those of
//! customers who call. The first ones belong to one agent, whose seat they take from the beginning to the end.
//!
//! Agent first: `Opening → RingingAgent → AwaitingTrunk → Dialing → Ringing → Talking`. Customer first: `Opening →
//! AwaitingTrunk → Dialing → Ringing → Offering → Talking`. The customer called: `Opening → Waiting ⇄ Offering → Talking`, or
//! `Message` when no agent came. `end_direct` is the only exit.

mod events;
mod inbound;
mod phone;
mod placing;
mod record;

use std::time::Duration;

pub use inbound::{CustomerCall, InboundNumber, InboundRule, LastCall};
pub(crate) use phone::DialedByHand;
pub use phone::{LineId, OutboundRule, PhoneCall};
pub use record::*;

use crate::call::{Ending, Legs};
use crate::consult::Beside;
use crate::timer::TimerKey;
use crate::transfer::Transfer;
use crate::{AgentId, CallId, Cause, Effect, Engine, HangupBy, Miss, Timestamp, TrunkId};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// Its row is being written; nothing went out.
    Opening,
    RingingAgent,
    /// No trunk has a channel and a token at the moment.
    AwaitingTrunk,
    /// The customer was dialed.
    Dialing,
    Ringing,
    /// The customer called, and no agent is free.
    Waiting,
    /// The customer is there, the agent is rung.
    Offering,
    Talking,
    /// The agent has left, and the customer waits for the number outside that this call dials.
    Outside(CallId),
    /// The customer called, and no agent came.
    Message,
}

#[derive(Debug)]
pub(crate) struct Direct {
    pub(crate) row: NewDirect,
    pub(crate) step: Step,
    pub(crate) trunk: Option<TrunkId>,
    /// The agent whom the phone dialed; and the same once that agent is rung.
    wanted: Option<AgentId>,
    pub(crate) far: Option<AgentId>,
    /// Of a customer who called.
    pub(crate) caller: Option<inbound::Caller>,
    /// That the customer pressed.
    keys: String,
    ringing_at: Option<Timestamp>,
    pub(crate) answered_at: Option<Timestamp>,
    pub(crate) bridged_at: Option<Timestamp>,
    /// Start of the talk on the mono clock.
    pub(crate) talk_began: Duration,
    /// Another agent is rung to go on with the talk; then the step is `Offering`.
    pub(crate) transfer: Option<Transfer>,
    /// It takes no seat of its agent's.
    pub(crate) beside: Option<Beside>,
    /// An agent hands a talk to it; see `is_blind`.
    pub(crate) is_handed: bool,
    /// It ends as soon as its row is written.
    ending: Option<Ending>,
}

impl Direct {
    fn new(row: NewDirect) -> Direct {
        Direct {
            row,
            step: Step::Opening,
            trunk: None,
            wanted: None,
            far: None,
            caller: None,
            keys: String::new(),
            ringing_at: None,
            answered_at: None,
            bridged_at: None,
            talk_began: Duration::ZERO,
            transfer: None,
            beside: None,
            is_handed: false,
            ending: None,
        }
    }

    pub(crate) fn agent(&self) -> Option<AgentId> {
        self.row.agent
    }

    /// The agent whose seat it takes.
    pub(crate) fn seated_agent(&self) -> Option<AgentId> {
        self.agent().filter(|_| self.beside.is_none() && !matches!(self.step, Step::Outside(_)))
    }

    /// Of a call that an agent has from its beginning.
    fn own_agent(&self) -> AgentId {
        self.row.agent.expect("only calls of customers who call are without an agent")
    }

    /// The agent has picked up, and the customer is being reached.
    pub(crate) fn awaits_customer(&self) -> bool {
        let underway = matches!(self.step, Step::AwaitingTrunk | Step::Dialing | Step::Ringing);
        underway && self.row.kind != DirectKind::ClickReverse
    }

    fn record(self, ended_at: Timestamp, ending: Ending) -> DirectRecord {
        DirectRecord {
            call: self.row.call,
            agent: self.row.agent.or(self.caller.as_ref().and_then(|caller| caller.rung_last())),
            trunk: self.trunk,
            ringing_at: self.ringing_at,
            answered_at: self.answered_at,
            bridged_at: self.bridged_at,
            ended_at,
            outcome: ending.outcome,
            cause: ending.cause,
            hangup_by: ending.by,
            sip_status: if self.answered_at.is_some() { 200 } else { ending.sip_status },
            keys: self.keys,
        }
    }
}

impl Engine {
    /// The only place where such a call changes its step before its end. `limit`: how long the step may last.
    pub(crate) fn set_step(&mut self, id: CallId, step: Step, limit: Option<Duration>) {
        let direct = self.directs.get_mut(&id).expect("the caller looked it up");
        direct.step = step;
        match limit {
            Some(limit) => self.timers.set(TimerKey::Call(id), self.now.mono + limit),
            None => self.timers.cancel(TimerKey::Call(id)),
        }
    }

    /// The only exit of such a call.
    pub(crate) fn end_direct(&mut self, id: CallId, ending: Ending) {
        let Some(direct) = self.directs.get_mut(&id) else { return };
        if direct.step == Step::Opening {
            // The result must not overtake the row.
            direct.ending = Some(ending);
            return;
        }
        let direct = self.directs.remove(&id).expect("looked up above");
        self.timers.cancel(TimerKey::Call(id));
        self.trunkless.remove(&id);
        if let Some(caller) = &direct.caller {
            self.callers_waiting.remove(&(caller.order, id));
        }
        if let Some(trunk) = direct.trunk {
            self.trunks.free(trunk);
        }
        if ending.legs == Legs::Left {
            self.emit(Effect::HangUp { call: id });
        }
        let (agent, far) = (direct.seated_agent(), direct.far);
        self.handed_failed(&direct, ending);
        self.consult_over(&direct);
        match direct.step {
            Step::Talking => {
                self.end_watches_of(id);
                let talked = self.now.mono.saturating_sub(direct.talk_began);
                for agent in far.into_iter().chain(agent) {
                    self.seat_left(agent, talked);
                }
            }
            Step::Outside(dialed) => self.awaited_in_vain(dialed),
            _ => {
                for agent in far.into_iter().chain(agent) {
                    self.seat_freed(agent);
                }
            }
        }
        let record = direct.record(self.now.wall, ending);
        self.emit(Effect::SaveDirect(Box::new(record.clone())));
        self.unsaved_directs.insert(id, record);
        self.wake_starved();
    }

    pub(crate) fn direct_opened(&mut self, id: CallId) {
        let Some(direct) = self.directs.get_mut(&id).filter(|d| d.step == Step::Opening) else { return };
        let (kind, ending) = (direct.row.kind, direct.ending.take());
        if let Some(ending) = ending {
            direct.step = Step::RingingAgent;
            let legs = if kind.is_from_outside() { Legs::Left } else { Legs::Gone };
            return self.end_direct(id, Ending { legs, ..ending });
        }
        match kind {
            DirectKind::Click => self.ring_agent(id),
            DirectKind::ClickReverse | DirectKind::Dialed => self.dial_when_possible(id),
            DirectKind::Internal => self.ring_far(id),
            // Its row comes with who talked with the customer last.
            DirectKind::Inbound => self.inbound_opened(id, LastCall::default()),
        }
    }

    /// Its row could not be written: there was no call.
    pub(crate) fn direct_not_opened(&mut self, id: CallId) {
        if self.directs.get(&id).is_some_and(|d| d.step == Step::Opening) {
            let direct = self.directs.remove(&id).expect("looked up above");
            if direct.row.kind.is_from_outside() {
                self.emit(Effect::HangUp { call: id });
            }
            if let Some(trunk) = direct.trunk {
                self.trunks.free(trunk);
            }
            self.handed_forbidden(&direct);
            self.consult_over(&direct);
            if let Some(agent) = direct.seated_agent() {
                self.seat_freed(agent);
            }
        }
    }

    pub(crate) fn direct_saved(&mut self, id: CallId) {
        if self.unsaved_directs.remove(&id).is_some() {
            self.timers.cancel(TimerKey::Save(id));
            self.wake_starved();
        }
    }

    pub(crate) fn direct_save_failed(&mut self, id: CallId) {
        if self.unsaved_directs.contains_key(&id) {
            self.timers.set(TimerKey::Save(id), self.now.mono + self.config.save_retry);
        }
    }

    pub(crate) fn save_direct_again(&mut self, id: CallId) {
        if let Some(record) = self.unsaved_directs.get(&id) {
            let record = Box::new(record.clone());
            self.emit(Effect::SaveDirect(record));
        }
    }

    /// By command, or the agent's leg ended.
    pub(crate) fn direct_hung_up(&mut self, id: CallId, cause: Cause) {
        let Some(direct) = self.directs.get(&id) else { return };
        if direct.transfer.is_some() {
            return self.transfer_failed(id, Cause::DECLINED);
        }
        if direct.caller.is_some() && direct.step == Step::Offering {
            return self.caller_missed(id, Legs::Left, Miss::Declined);
        }
        if matches!(direct.step, Step::Outside(_)) {
            return;
        }
        let ending = match direct.step {
            Step::Talking if direct.is_between_customers() => Ending::connected(cause, HangupBy::Customer),
            Step::Talking => Ending::connected(cause, HangupBy::Agent),
            _ => Ending::given_up(direct.answered_at.is_some()),
        };
        self.end_direct(id, ending);
    }

    /// Since when the agent talked who has it no more.
    pub(crate) fn pass_direct_to(&mut self, id: CallId, transfer: Transfer) -> Duration {
        self.set_step(id, Step::Offering, Some(self.config.ring_agent));
        let direct = self.directs.get_mut(&id).expect("the caller looked it up");
        direct.transfer = Some(transfer);
        direct.row.agent = Some(transfer.to);
        direct.talk_began
    }

    pub(crate) fn direct_talks_again(&mut self, id: CallId) {
        self.set_step(id, Step::Talking, None);
        let direct = self.directs.get_mut(&id).expect("the caller looked it up");
        direct.transfer = None;
        direct.talk_began = self.now.mono;
    }
}
