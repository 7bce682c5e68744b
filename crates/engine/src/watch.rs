//! Supervisors in the calls of others: listening, whispering to the agent, speaking with both.

use crate::agent::Seat;
use crate::timer::TimerKey;
use crate::{AgentId, CallId, Effect, Engine, LegEvent, Refusal, Timestamp};

/// Supervisors in one call at most.
const WATCHERS_MAX: usize = 4;

/// Whom a supervisor speaks to. He hears both sides in any case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum WatchMode {
    /// To nobody.
    Listen,
    /// To the agent.
    Whisper,
    /// To both.
    ThreeWay,
}

/// Whether a supervisor may come in anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WatchStart {
    /// The supervisor's extension is rung when he is not in the call.
    RingIfNeeded,
    /// Only who is in the call already may change how.
    InCallOnly,
}

/// A supervisor's leg. Its own id stands where a call's would.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) supervisor: AgentId,
    /// The call that is watched, and the agent in it.
    pub(crate) call: CallId,
    pub(crate) agent: AgentId,
    pub(crate) mode: WatchMode,
    pub(crate) is_up: bool,
    pub(crate) began: Timestamp,
    pub(crate) up_at: Option<Timestamp>,
}

impl Engine {
    pub(crate) fn watch(
        &mut self,
        supervisor: AgentId,
        agent: AgentId,
        mode: WatchMode,
        start: WatchStart,
    ) -> Result<(), Refusal> {
        let call = self.talk_of(agent).ok_or(Refusal::NotInCall)?;
        if let Some(id) = self.watch_of(supervisor) {
            let watch = self.watches.get_mut(&id).expect("looked up above");
            if watch.call != call || watch.agent != agent {
                return Err(Refusal::Busy);
            }
            watch.mode = mode;
            if watch.is_up {
                self.emit(Effect::Watch { watch: id, call, supervisor, mode });
            }
            return Ok(());
        }
        if start == WatchStart::InCallOnly || supervisor == agent {
            return Err(Refusal::NotWatching);
        }
        self.check_free(supervisor)?;
        if self.watches.values().filter(|w| w.call == call).count() >= WATCHERS_MAX {
            return Err(Refusal::Busy);
        }
        self.ring_supervisor(supervisor, agent, call, mode);
        Ok(())
    }

    fn ring_supervisor(&mut self, supervisor: AgentId, agent: AgentId, call: CallId, mode: WatchMode) {
        let (id, began) = (self.new_call_id(), self.now.wall);
        self.end_rest(supervisor);
        let watch = Watch { supervisor, call, agent, mode, is_up: false, began, up_at: None };
        self.watches.insert(id, watch);
        self.timers.set(TimerKey::Call(id), self.now.mono + self.config.ring_agent);
        let show = self.agents.get(&agent).map(|a| a.extension.clone()).unwrap_or_default();
        self.emit(Effect::RingSupervisor { watch: id, supervisor, show });
        self.seat_offered(supervisor, id);
    }

    /// The call that the agent talks in.
    pub(crate) fn talk_of(&self, agent: AgentId) -> Option<CallId> {
        match self.agents.get(&agent)?.seat {
            Seat::Talking(call) if !self.watches.contains_key(&call) && !self.is_between_agents(call) => {
                Some(call)
            }
            _ => None,
        }
    }

    /// There is no customer in it: nobody watches it, and it is not handed over.
    fn is_between_agents(&self, call: CallId) -> bool {
        self.directs.get(&call).is_some_and(|direct| direct.far.is_some())
    }

    fn watch_of(&self, supervisor: AgentId) -> Option<CallId> {
        self.agents.get(&supervisor)?.call().filter(|call| self.watches.contains_key(call))
    }

    pub(crate) fn watch_event(&mut self, id: CallId, supervisor: AgentId, event: LegEvent) {
        let Some(watch) = self.watches.get_mut(&id).filter(|w| w.supervisor == supervisor) else { return };
        match event {
            LegEvent::Ringing { .. } | LegEvent::Heard(_) | LegEvent::Pressed(_) => {}
            LegEvent::Answered if watch.is_up => {}
            LegEvent::Answered => {
                watch.is_up = true;
                watch.up_at = Some(self.now.wall);
                let (call, mode) = (watch.call, watch.mode);
                self.timers.cancel(TimerKey::Call(id));
                self.seat_watching(supervisor, id);
                self.emit(Effect::Watch { watch: id, call, supervisor, mode });
            }
            LegEvent::Failed(_) | LegEvent::HungUp { .. } => self.end_watch(id),
        }
    }

    /// The only exit of a watch. The call goes on.
    pub(crate) fn end_watch(&mut self, id: CallId) {
        let Some(watch) = self.watches.remove(&id) else { return };
        self.timers.cancel(TimerKey::Call(id));
        self.emit(Effect::HangUp { call: id });
        self.seat_freed(watch.supervisor);
    }

    /// The call is over, or another agent's.
    pub(crate) fn end_watches_of(&mut self, call: CallId) {
        // Most of the time nobody watches anything.
        if self.watches.is_empty() {
            return;
        }
        let watches: Vec<CallId> =
            self.watches.iter().filter(|(_, w)| w.call == call).map(|(id, _)| *id).collect();
        for id in watches {
            self.end_watch(id);
        }
    }

    /// Ends the call that the agent talks in, against the agent's will.
    pub(crate) fn release(&mut self, agent: AgentId) -> Result<(), Refusal> {
        let call = self.talk_of(agent).ok_or(Refusal::NotInCall)?;
        self.end_talk(call);
        Ok(())
    }
}
