//! From the command to the dialed number.

use std::time::Duration;

use super::{Direct, DirectKind, NewDirect, Step};
use crate::agent::Seat;
use crate::call::{Ending, Legs};
use crate::consult::Beside;
use crate::timer::TimerKey;
use crate::{
    AgentId, CallId, Cause, Dial, Effect, Engine, FirstRung, HangupBy, MakeCall, Outcome, Party, Refusal,
};

/// A call that finds no trunk is given up after this.
const TRUNK_WAIT: Duration = Duration::from_secs(5);

impl Engine {
    pub(crate) fn make_call(&mut self, wish: MakeCall) -> Result<(), Refusal> {
        self.check_free(wish.agent)?;
        self.check_room()?;
        self.check_trunks()?;
        let MakeCall { agent, number, caller_ids, first, tags } = wish;
        let kind = match first {
            FirstRung::Agent => DirectKind::Click,
            FirstRung::Customer => DirectKind::ClickReverse,
        };
        let caller_id = self.rotate(&caller_ids);
        let (call, dialed_at) = (self.new_call_id(), self.now.wall);
        self.open_direct(
            agent,
            NewDirect { call, kind, agent: Some(agent), number, caller_id, tags, dialed_at },
            None,
            None,
        );
        Ok(())
    }

    /// No new call while the server stops, or while too many results wait for the store.
    pub(crate) fn check_room(&self) -> Result<(), Refusal> {
        let unsaved = self.unsaved.len() + self.unsaved_directs.len();
        if self.draining || unsaved >= self.config.unsaved_max { Err(Refusal::Unavailable) } else { Ok(()) }
    }

    pub(super) fn check_trunks(&self) -> Result<(), Refusal> {
        if self.trunks.has_channel() { Ok(()) } else { Err(Refusal::NoTrunk) }
    }

    /// `wanted`: the agent whom it is to.
    pub(crate) fn open_direct(
        &mut self,
        agent: AgentId,
        row: NewDirect,
        wanted: Option<AgentId>,
        beside: Option<Beside>,
    ) {
        let call = row.call;
        let direct = Direct { wanted, beside, ..Direct::new(row.clone()) };
        let before = self.directs.insert(call, direct);
        assert!(before.is_none(), "call ids are unique");
        if beside.is_some() {
            self.consults.insert(agent, call);
        } else {
            self.end_rest(agent);
            self.seat_offered(agent, call);
        }
        self.emit(Effect::OpenDirect(Box::new(row)));
    }

    /// Whether the agent can be called: reachable, and in no call. Pauses and wrap-up do not matter, for the agent asks
    /// for it.
    pub(crate) fn check_free(&self, id: AgentId) -> Result<(), Refusal> {
        let agent = self.agents.get(&id).ok_or(Refusal::UnknownAgent)?;
        match agent.seat {
            _ if !agent.enabled => Err(Refusal::Disabled),
            _ if !agent.registered => Err(Refusal::NotRegistered),
            Seat::Idle | Seat::WrapUp => Ok(()),
            Seat::Offered(_) | Seat::Talking(_) => Err(Refusal::Busy),
        }
    }

    pub(super) fn rotate(&mut self, caller_ids: &[String]) -> String {
        if caller_ids.is_empty() {
            return String::new();
        }
        let number = caller_ids[self.caller_ids_used % caller_ids.len()].clone();
        self.caller_ids_used = self.caller_ids_used.wrapping_add(1);
        number
    }

    /// The agent whose call it is, before the other side.
    pub(super) fn ring_agent(&mut self, id: CallId) {
        let direct = self.directs.get(&id).expect("the caller looked it up");
        let (agent, show) = (direct.own_agent(), direct.row.number.as_str().to_owned());
        self.set_step(id, Step::RingingAgent, Some(self.config.ring_agent));
        self.emit(Effect::RingAgent { call: id, agent, show });
    }

    /// Dials the other side, or waits a little for a trunk.
    pub(super) fn dial_when_possible(&mut self, id: CallId) {
        self.set_step(id, Step::AwaitingTrunk, Some(TRUNK_WAIT));
        self.trunkless.insert(id);
        self.serve_trunkless();
    }

    /// Calls that agents wait for go before new ones of campaigns.
    pub(crate) fn serve_trunkless(&mut self) {
        while let Some(id) = self.trunkless.first().copied() {
            let Some(trunk) = self.trunks.take(self.now.mono) else {
                if let Some(at) = self.trunks.next_token() {
                    self.timers.set(TimerKey::Token, at);
                }
                return;
            };
            self.trunkless.pop_first();
            let direct = self.directs.get_mut(&id).expect("a call without a trunk has not ended");
            direct.trunk = Some(trunk);
            let (agent, kind) = (direct.own_agent(), direct.row.kind);
            let (caller_id, number) = (direct.row.caller_id.clone(), direct.row.number.clone());
            self.set_step(id, Step::Dialing, Some(self.config.setup_timeout));
            self.emit(Effect::Dial(Dial { call: id, trunk, caller_id, number, amd: false }));
            if kind == DirectKind::Click {
                self.emit(Effect::PlayRingback { call: id, to: Party::Agent(agent) });
            }
        }
    }

    /// Nothing was sent, for want of a port or of the trunk's address.
    pub(crate) fn direct_dial_refused(&mut self, id: CallId) {
        self.direct_dial_failed(id, Cause::TRUNK_FAILED);
    }

    pub(super) fn direct_dial_failed(&mut self, id: CallId, cause: Cause) {
        if self.directs.get(&id).is_some_and(|d| matches!(d.step, Step::Dialing | Step::Opening)) {
            self.directs.get_mut(&id).expect("looked up above").step = Step::Dialing;
            let ending = Ending::new(Outcome::Failed, cause, HangupBy::Platform, Legs::Left);
            self.end_direct(id, ending);
        }
    }
}
