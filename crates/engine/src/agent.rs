//! Agents: `SignedOut · Paused · Ready → Offered → Talking → WrapUp → Ready`.

use std::sync::Arc;
use std::time::Duration;

use crate::group::{Busy, PoolKey};
use crate::timer::TimerKey;
use crate::{
    AgentId, AgentLegs, AgentSettings, AgentState, CallId, CampaignId, Effect, Engine, Miss, Timestamp,
};

const LEG_RETRY_MIN: Duration = Duration::from_secs(1);
const LEG_RETRY_MAX: Duration = Duration::from_secs(30);

/// What the agent is doing, whether or not the agent may take calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Seat {
    Idle,
    Offered(CallId),
    Talking(CallId),
    /// After a talk or a missed offer, until the timer.
    WrapUp,
}

/// The leg that is kept up all shift.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Leg {
    Down,
    Raising,
    Up { since: Duration },
}

#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) id: AgentId,
    pub(crate) extension: String,
    pub(crate) enabled: bool,
    pub(crate) registered: bool,
    paused: bool,
    pub(crate) seat: Seat,
    /// On the mono clock.
    pub(crate) seated_at: Duration,
    pub(crate) leg: Leg,
    leg_retry: Duration,
    /// Ready in some pool.
    pub(crate) is_ready: bool,
    /// Rises with every agent that becomes idle: the lowest is idle longest.
    pub(crate) idle_order: u64,
    /// The agent goes to the end of the queue when next ready.
    requeue: bool,
    misses_in_row: u32,
    pub(crate) missed: u32,
    /// Of the last offer, if it was not taken.
    miss: Option<Miss>,
    pub(crate) calls: u32,
    pub(crate) talked: Duration,
    pub(crate) last_offered: Option<Timestamp>,
    pub(crate) last_answered: Option<Timestamp>,
    /// What is shown, and since when.
    pub(crate) state: AgentState,
    pub(crate) since: Timestamp,
    /// Campaigns that share the agent now, and the part of the agent that each counts on.
    pub(crate) serving: Arc<[CampaignId]>,
    pub(crate) share: i64,
}

impl Agent {
    fn new(settings: AgentSettings, since: Timestamp) -> Agent {
        Agent {
            id: settings.agent,
            extension: settings.extension,
            enabled: settings.enabled,
            registered: false,
            paused: false,
            seat: Seat::Idle,
            seated_at: Duration::ZERO,
            leg: Leg::Down,
            leg_retry: LEG_RETRY_MIN,
            is_ready: false,
            idle_order: 0,
            requeue: true,
            misses_in_row: 0,
            missed: 0,
            miss: None,
            calls: 0,
            talked: Duration::ZERO,
            last_offered: None,
            last_answered: None,
            state: AgentState::SignedOut,
            since,
            serving: Arc::default(),
            share: 0,
        }
    }

    /// The call that the agent is offered or in.
    pub(crate) fn call(&self) -> Option<CallId> {
        match self.seat {
            Seat::Offered(call) | Seat::Talking(call) => Some(call),
            Seat::Idle | Seat::WrapUp => None,
        }
    }

    /// Resting after an offer that was not taken.
    pub(crate) fn missed_now(&self) -> Option<Miss> {
        self.miss.filter(|_| self.seat == Seat::WrapUp)
    }

    /// What the agent will be free of, and since when.
    pub(crate) fn busy(&self) -> Option<Busy> {
        match self.seat {
            Seat::Idle => None,
            Seat::Offered(_) | Seat::Talking(_) => Some(Busy::Talking(self.seated_at)),
            Seat::WrapUp => Some(Busy::WrapUp(self.seated_at)),
        }
    }

    fn is_reachable(&self, legs: AgentLegs) -> bool {
        let leg_is_up = legs == AgentLegs::RungPerCall || matches!(self.leg, Leg::Up { .. });
        self.registered && self.enabled && leg_is_up
    }

    /// At work: may be given calls, now or when the present one is over.
    pub(crate) fn is_usable(&self, legs: AgentLegs) -> bool {
        self.is_reachable(legs) && !self.paused
    }

    fn state_now(&self, wanted: bool, legs: AgentLegs) -> AgentState {
        match self.seat {
            Seat::Talking(_) => AgentState::Talking,
            Seat::Offered(_) => AgentState::Offered,
            _ if !self.registered || !self.enabled || !wanted => AgentState::SignedOut,
            _ if self.paused => AgentState::Paused,
            _ if !self.is_reachable(legs) => AgentState::SignedOut,
            Seat::WrapUp => AgentState::WrapUp,
            Seat::Idle => AgentState::Ready,
        }
    }
}

impl Engine {
    pub(crate) fn agent_changed(&mut self, settings: AgentSettings) {
        let id = settings.agent;
        match self.agents.get_mut(&id) {
            Some(agent) => {
                agent.extension = settings.extension;
                agent.enabled = settings.enabled;
            }
            None => {
                self.agents.insert(id, Agent::new(settings, self.now.wall));
            }
        }
        self.refresh_agent(id);
    }

    pub(crate) fn set_registered(&mut self, id: AgentId, registered: bool) {
        let Some(agent) = self.agents.get_mut(&id) else { return };
        if registered && !agent.registered {
            agent.leg_retry = LEG_RETRY_MIN;
            self.timers.cancel(TimerKey::Leg(id));
        }
        agent.registered = registered;
        self.refresh_agent(id);
    }

    /// A pause during an offer or a talk takes effect after it.
    pub(crate) fn set_paused(&mut self, id: AgentId, paused: bool) {
        let Some(agent) = self.agents.get_mut(&id) else { return };
        agent.paused = paused;
        if !paused {
            agent.misses_in_row = 0;
        }
        self.refresh_agent(id);
    }

    pub(crate) fn leg_up(&mut self, id: AgentId) {
        if self.config.agent_legs == AgentLegs::RungPerCall {
            return;
        }
        let Some(agent) = self.agents.get_mut(&id) else { return };
        if !matches!(agent.leg, Leg::Up { .. }) {
            agent.leg = Leg::Up { since: self.now.mono };
        }
        self.timers.cancel(TimerKey::Leg(id));
        self.refresh_agent(id);
    }

    pub(crate) fn leg_down(&mut self, id: AgentId) {
        let Some(agent) = self.agents.get_mut(&id) else { return };
        let since = match agent.leg {
            Leg::Down => return,
            Leg::Raising => self.now.mono,
            Leg::Up { since } => since,
        };
        agent.leg = Leg::Down;
        if self.now.mono.saturating_sub(since) >= LEG_RETRY_MAX {
            agent.leg_retry = LEG_RETRY_MIN;
        }
        self.timers.set(TimerKey::Leg(id), self.now.mono + agent.leg_retry);
        agent.leg_retry = (agent.leg_retry * 2).min(LEG_RETRY_MAX);
        match agent.seat {
            Seat::Talking(call) | Seat::Offered(call) if !self.calls.contains_key(&call) => {
                self.own_call_left(call);
            }
            Seat::Talking(call) => self.agent_hung_up(call, crate::Cause::NORMAL),
            _ => {}
        }
        self.refresh_agent(id);
    }

    /// The agent is offered the call.
    pub(crate) fn seat_offered(&mut self, id: AgentId, call: CallId) {
        let agent = self.agents.get_mut(&id).expect("only known agents are picked");
        assert_eq!(agent.seat, Seat::Idle, "an agent is in one call at most");
        agent.seat = Seat::Offered(call);
        agent.seated_at = self.now.mono;
        agent.last_offered = Some(self.now.wall);
        agent.miss = None;
        self.seats_taken += 1;
        self.refresh_agent(id);
    }

    pub(crate) fn seat_talking(&mut self, id: AgentId, call: CallId) {
        let agent = self.agents.get_mut(&id).expect("only known agents are offered calls");
        assert_eq!(agent.seat, Seat::Offered(call), "an agent talks after an offer");
        agent.seat = Seat::Talking(call);
        agent.seated_at = self.now.mono;
        agent.misses_in_row = 0;
        agent.calls = agent.calls.saturating_add(1);
        agent.last_answered = Some(self.now.wall);
        agent.requeue = true;
        self.refresh_agent(id);
    }

    /// The supervisor is in a call of another agent.
    pub(crate) fn seat_watching(&mut self, id: AgentId, watch: CallId) {
        let agent = self.agents.get_mut(&id).expect("only known agents are rung");
        assert_eq!(agent.seat, Seat::Offered(watch), "a supervisor comes in after being rung");
        agent.seat = Seat::Talking(watch);
        agent.seated_at = self.now.mono;
        self.refresh_agent(id);
    }

    /// The offer ended without the agent's fault: the agent keeps the place in the queue.
    pub(crate) fn seat_freed(&mut self, id: AgentId) {
        let agent = self.agents.get_mut(&id).expect("only known agents are offered calls");
        agent.seat = Seat::Idle;
        agent.seated_at = self.now.mono;
        self.seats_taken -= 1;
        self.refresh_agent(id);
    }

    /// The agent did not take the offer.
    pub(crate) fn seat_missed(&mut self, id: AgentId, how: Miss) {
        let agent = self.agents.get_mut(&id).expect("only known agents are offered calls");
        agent.missed = agent.missed.saturating_add(1);
        agent.misses_in_row = agent.misses_in_row.saturating_add(1);
        agent.miss = Some(how);
        agent.requeue = true;
        self.seats_taken -= 1;
        if self.config.misses_max > 0 && agent.misses_in_row >= self.config.misses_max {
            agent.misses_in_row = 0;
            agent.paused = true;
        }
        self.rest(id, self.config.miss_pause);
    }

    /// The talk is over.
    pub(crate) fn seat_left(&mut self, id: AgentId, talked: Duration) {
        self.seat_left_after(id, talked, self.config.wrap_up);
    }

    pub(crate) fn seat_left_after(&mut self, id: AgentId, talked: Duration, wrap_up: Duration) {
        let agent = self.agents.get_mut(&id).expect("only known agents talk");
        agent.talked = agent.talked.saturating_add(talked);
        self.seats_taken -= 1;
        self.rest(id, wrap_up);
        self.turn_to_consult(id);
    }

    fn rest(&mut self, id: AgentId, length: Duration) {
        let agent = self.agents.get_mut(&id).expect("only known agents rest");
        agent.seat = if length.is_zero() { Seat::Idle } else { Seat::WrapUp };
        agent.seated_at = self.now.mono;
        if !length.is_zero() {
            self.timers.set(TimerKey::Seat(id), self.now.mono + length);
        }
        self.refresh_agent(id);
    }

    /// A call of the agent's own ends the rest.
    pub(crate) fn end_rest(&mut self, id: AgentId) {
        self.timers.cancel(TimerKey::Seat(id));
        if let Some(agent) = self.agents.get_mut(&id).filter(|a| a.seat == Seat::WrapUp) {
            agent.seat = Seat::Idle;
        }
    }

    pub(crate) fn rest_over(&mut self, id: AgentId) {
        let Some(agent) = self.agents.get_mut(&id) else { return };
        if agent.seat == Seat::WrapUp {
            agent.seat = Seat::Idle;
            agent.seated_at = self.now.mono;
        }
        self.refresh_agent(id);
    }

    /// Brings everything that follows from the agent's condition up to date: the one place where that is done.
    pub(crate) fn refresh_agent(&mut self, id: AgentId) {
        if !self.agents.contains_key(&id) {
            return;
        }
        self.withdraw_if_gone(id);
        self.refresh_leg(id);
        let keys: Vec<PoolKey> = self.memberships.get(&id).into_iter().flatten().copied().collect();
        let wanted = self.is_wanted(&keys);
        let agent = self.agents.get_mut(&id).expect("looked up above");
        let usable = agent.is_usable(self.config.agent_legs);
        agent.requeue |= !usable;
        let idle = usable && agent.seat == Seat::Idle;
        if idle && agent.requeue {
            agent.requeue = false;
            self.next_order += 1;
            agent.idle_order = self.next_order;
        }
        let mut is_ready = false;
        for key in keys {
            let pool = self.pools.get_mut(&key).expect("a membership names a pool");
            let present = usable && pool.enabled;
            self.shares_stale |= pool.set_present(id, present);
            let ready = present && idle;
            is_ready |= ready;
            pool.set_busy(id, agent.busy().filter(|_| present));
            if pool.set_ready(agent, ready) {
                self.newly_ready.insert((agent.idle_order, id));
            }
        }
        let state = agent.state_now(wanted, self.config.agent_legs);
        if agent.state != state {
            agent.state = state;
            agent.since = self.now.wall;
        }
        let was_ready = std::mem::replace(&mut agent.is_ready, is_ready);
        if was_ready != is_ready {
            self.count_idle(id, if is_ready { 1 } else { -1 });
        }
    }

    /// An agent who was signed out or lost the registration while being offered a call cannot take it.
    fn withdraw_if_gone(&mut self, id: AgentId) {
        let Some(agent) = self.agents.get(&id) else { return };
        let Seat::Offered(call) = agent.seat else { return };
        if !self.calls.contains_key(&call) || self.transfer_of(call).is_some() {
            // A leg of a call of the agent's own says so itself when the phone is gone.
            return;
        }
        let reachable = agent.is_reachable(self.config.agent_legs);
        let key = self.calls.get(&call).and_then(|c| self.campaigns.get(&c.campaign)).map(|c| c.pool);
        let pool = key.and_then(|key| self.pools.get(&key));
        if !reachable || !pool.is_some_and(|p| p.enabled && p.candidates.contains(&id)) {
            self.withdraw(call);
        }
    }

    /// Signed in to some group, or named by a campaign that has or wants calls.
    fn is_wanted(&self, keys: &[PoolKey]) -> bool {
        keys.iter().any(|key| match key {
            PoolKey::Group(_) => true,
            PoolKey::Campaign(id) => self.campaigns.get(id).is_some_and(|c| c.is_active),
        })
    }

    /// Raises or drops the leg that is kept up. It stays up during a pause, and until a talk is over.
    pub(crate) fn refresh_leg(&mut self, id: AgentId) {
        if self.config.agent_legs == AgentLegs::RungPerCall {
            return;
        }
        let keys: Vec<PoolKey> = self.memberships.get(&id).into_iter().flatten().copied().collect();
        let wanted = self.is_wanted(&keys);
        let Some(agent) = self.agents.get_mut(&id) else { return };
        let wanted = wanted && agent.registered && agent.enabled;
        match agent.leg {
            Leg::Down
                if wanted && !agent.paused && !self.draining && !self.timers.is_set(TimerKey::Leg(id)) =>
            {
                agent.leg = Leg::Raising;
                self.effects.push_back(Effect::RaiseAgentLeg { agent: id });
            }
            Leg::Raising | Leg::Up { .. } if !wanted && agent.call().is_none() => {
                agent.leg = Leg::Down;
                self.timers.cancel(TimerKey::Leg(id));
                self.effects.push_back(Effect::DropAgentLeg { agent: id });
            }
            _ => {}
        }
        if !wanted {
            self.timers.cancel(TimerKey::Leg(id));
        }
    }
}
