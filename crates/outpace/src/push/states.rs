//! Extension states: what happens to the two sides of a call, from the run loop to the outbox, in order and before the
//! bill of the call. The run loop never waits for it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use engine::{AgentId, CallId, CompanyId, Effect, Input, LegEvent};
use store::{LegState, LegStatus, Side, Store};

use super::{Told, Wake};
use crate::handle::wall_clock;

/// States that wait to be stored. More come in only while the store does not work.
const WAITING_MAX: usize = 20_000;
/// Stored in one transaction at most.
const BATCH_MAX: usize = 256;
/// A batch that the store does not take is tried so often, with a pause, and then dropped.
const TRIES_MAX: u32 = 20;
const TRY_PAUSE: Duration = Duration::from_millis(500);
/// A result waits so long for the states before it; then it goes ahead of them.
const RESULT_WAITS_MAX: Duration = Duration::from_secs(5);

/// Watches inputs and effects of the run loop.
pub struct States {
    told: Told,
    calls: HashMap<CallId, Seen>,
    queue: Arc<Queue>,
}

/// What was told of a call.
#[derive(Default)]
struct Seen {
    has_rung: bool,
    is_answered: bool,
    /// Who is being rung or talks.
    agent: Option<AgentId>,
    /// Who was so last.
    last_agent: Option<AgentId>,
}

impl Drop for States {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl States {
    pub(super) fn start(store: Arc<dyn Store>, told: Told, wake: Wake) -> anyhow::Result<States> {
        let queue = Arc::new(Queue::default());
        let of_thread = queue.clone();
        std::thread::Builder::new()
            .name("leg-states".to_owned())
            .spawn(move || write(&*store, &of_thread, &wake))
            .context("cannot start a thread")?;
        Ok(States { told, calls: HashMap::new(), queue })
    }

    pub fn saw_input(&mut self, input: &Input) {
        match input {
            Input::Customer { call, event } => self.customer(*call, *event),
            Input::AgentLeg { call, agent, event } => self.agent(*call, *agent, *event),
            _ => {}
        }
    }

    pub fn saw_effect(&mut self, company: CompanyId, effect: &Effect) {
        match effect {
            Effect::Dial(dial) if self.is_told(company) => {
                // A call that began with its agent is known already.
                self.calls.entry(dial.call).or_default();
            }
            Effect::TakeLine { call, agent, .. } if self.is_told(company) => {
                let (agent, last_agent) = (Some(*agent), Some(*agent));
                self.calls.insert(*call, Seen { agent, last_agent, ..Seen::default() });
            }
            Effect::TakeCustomer { call, .. } if self.is_told(company) => {
                self.calls.insert(*call, Seen::default());
            }
            Effect::RingAgent { call, agent, .. } if self.is_told(company) => {
                self.calls.insert(*call, Seen::default());
                self.offer(*call, *agent);
            }
            Effect::ReturnLeads { calls } => {
                for call in calls {
                    self.calls.remove(call);
                }
            }
            Effect::Offer { call, agent } => self.offer(*call, *agent),
            Effect::CancelOffer { call, agent } => self.agent_left(*call, *agent),
            Effect::SaveCall(record) => self.end(record.call),
            Effect::SaveDirect(record) => self.end(record.call),
            _ => {}
        }
    }

    fn is_told(&self, company: CompanyId) -> bool {
        self.told.read().unwrap_or_else(PoisonError::into_inner).contains(&company)
    }

    /// What a result that is saved now has to wait for.
    pub fn written(&self) -> Written {
        Written { queue: self.queue.clone(), until: self.queue.lock().put }
    }

    fn customer(&mut self, call: CallId, event: LegEvent) {
        let Some(seen) = self.calls.get_mut(&call) else { return };
        let (status, was) = match event {
            LegEvent::Ringing { .. } => (LegStatus::Ring, std::mem::replace(&mut seen.has_rung, true)),
            LegEvent::Answered => (LegStatus::Answer, std::mem::replace(&mut seen.is_answered, true)),
            // The call ends by it, or has a message to play first: `end` tells.
            LegEvent::Heard(_) | LegEvent::Pressed(_) | LegEvent::Failed(_) | LegEvent::HungUp { .. } => {
                return;
            }
        };
        if !was {
            self.queue.put(LegState { call, agent: None, side: Side::Customer, status });
        }
    }

    fn offer(&mut self, call: CallId, agent: AgentId) {
        let Some(seen) = self.calls.get_mut(&call) else { return };
        if let Some(before) = seen.agent.replace(agent) {
            self.queue.put(agent_state(call, before, LegStatus::Hangup));
        }
        seen.last_agent = Some(agent);
        self.queue.put(agent_state(call, agent, LegStatus::Ring));
    }

    fn agent(&mut self, call: CallId, agent: AgentId, event: LegEvent) {
        match event {
            LegEvent::Answered if self.calls.get(&call).is_some_and(|s| s.agent == Some(agent)) => {
                self.queue.put(agent_state(call, agent, LegStatus::Answer));
            }
            LegEvent::Failed(_) | LegEvent::HungUp { .. } => self.agent_left(call, agent),
            LegEvent::Answered | LegEvent::Ringing { .. } | LegEvent::Heard(_) | LegEvent::Pressed(_) => {}
        }
    }

    fn agent_left(&mut self, call: CallId, agent: AgentId) {
        let Some(seen) = self.calls.get_mut(&call).filter(|s| s.agent == Some(agent)) else { return };
        seen.agent = None;
        self.queue.put(agent_state(call, agent, LegStatus::Hangup));
    }

    /// A call of which nothing was told before is told by its bill alone.
    fn end(&mut self, call: CallId) {
        let Some(seen) = self.calls.remove(&call) else { return };
        if let Some(agent) = seen.agent {
            self.queue.put(agent_state(call, agent, LegStatus::Hangup));
        }
        if seen.has_rung || seen.is_answered {
            let (agent, side, status) = (seen.last_agent, Side::Customer, LegStatus::Hangup);
            self.queue.put(LegState { call, agent, side, status });
        }
    }
}

fn agent_state(call: CallId, agent: AgentId, status: LegStatus) -> LegState {
    LegState { call, agent: Some(agent), side: Side::Agent, status }
}

/// The states that were reported up to some moment.
pub struct Written {
    queue: Arc<Queue>,
    until: u64,
}

impl Written {
    /// Blocks until they are stored, or for a bounded time.
    pub fn wait(&self) {
        let is_open = |w: &mut Waiting| w.settled < self.until;
        let waited = self.queue.changed.wait_timeout_while(self.queue.lock(), RESULT_WAITS_MAX, is_open);
        if waited.unwrap_or_else(PoisonError::into_inner).1.timed_out() {
            tracing::warn!("the store is slow: a result goes ahead of the extension states of its call");
        }
    }
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    states: VecDeque<LegState>,
    /// States that were ever put.
    put: u64,
    /// Of those, how many of the first ones are stored or dropped.
    settled: u64,
    closed: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, state: LegState) {
        let mut waiting = self.lock();
        if waiting.states.len() >= WAITING_MAX {
            waiting.states.pop_front();
            tracing::warn!("too many extension states wait to be stored: the oldest is dropped");
        }
        waiting.states.push_back(state);
        waiting.put += 1;
        self.changed.notify_all();
    }

    fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Waits for some. Empty: closed, and all are taken.
    fn take(&self) -> Vec<LegState> {
        let waited = self.changed.wait_while(self.lock(), |w| w.states.is_empty() && !w.closed);
        let mut waiting = waited.unwrap_or_else(PoisonError::into_inner);
        let count = waiting.states.len().min(BATCH_MAX);
        waiting.states.drain(..count).collect()
    }

    /// All that does not wait any more is settled.
    fn settle(&self) {
        let mut waiting = self.lock();
        waiting.settled = waiting.put - waiting.states.len() as u64;
        self.changed.notify_all();
    }
}

fn write(store: &dyn Store, queue: &Queue, wake: &Wake) {
    loop {
        let batch = queue.take();
        if batch.is_empty() {
            return;
        }
        for attempt in 1..=TRIES_MAX {
            match store.put_leg_states(wall_clock(), &batch) {
                Ok(()) => break,
                Err(error) if attempt == TRIES_MAX => {
                    tracing::error!(%error, states = batch.len(), "extension states could not be stored; dropped");
                }
                Err(_) => std::thread::sleep(TRY_PAUSE),
            }
        }
        queue.settle();
        wake.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use engine::{Cause, Dial, PhoneNumber, TrunkId};

    const CALL: CallId = CallId(7);
    const COMPANY: CompanyId = CompanyId(1);

    fn states() -> States {
        let told = Told::default();
        told.write().expect("nobody panicked").insert(COMPANY);
        States { told, calls: HashMap::new(), queue: Arc::default() }
    }

    fn dial(company: CompanyId) -> (CompanyId, Effect) {
        let number = PhoneNumber::parse("13800000001").expect("a number");
        (
            company,
            Effect::Dial(Dial {
                call: CALL,
                trunk: TrunkId(1),
                caller_id: String::new(),
                number,
                amd: false,
            }),
        )
    }

    fn customer(event: LegEvent) -> Input {
        Input::Customer { call: CALL, event }
    }

    fn agent(agent: i64, event: LegEvent) -> Input {
        Input::AgentLeg { call: CALL, agent: AgentId(agent), event }
    }

    fn offer(agent: i64) -> Effect {
        Effect::Offer { call: CALL, agent: AgentId(agent) }
    }

    const RINGING: LegEvent = LegEvent::Ringing { early_media: false };
    const GONE: LegEvent = LegEvent::HungUp { cause: Cause::NORMAL };

    fn told(states: &States) -> Vec<(Side, LegStatus, Option<i64>)> {
        states.queue.lock().states.iter().map(|s| (s.side, s.status, s.agent.map(|a| a.0))).collect()
    }

    #[test]
    fn a_whole_call_is_told_in_order() {
        use {LegStatus::*, Side::*};
        let mut states = states();
        let (company, dial) = dial(COMPANY);
        states.saw_effect(company, &dial);
        for _ in 0..2 {
            states.saw_input(&customer(RINGING));
        }
        states.saw_input(&customer(LegEvent::Answered));
        states.saw_effect(COMPANY, &offer(1));
        states.saw_effect(COMPANY, &Effect::CancelOffer { call: CALL, agent: AgentId(1) });
        states.saw_input(&agent(1, LegEvent::Answered));
        states.saw_effect(COMPANY, &offer(2));
        states.saw_input(&agent(2, RINGING));
        states.saw_input(&agent(2, LegEvent::Answered));
        states.saw_input(&customer(GONE));
        states.end(CALL);
        states.end(CALL);
        assert_eq!(
            told(&states),
            [
                (Customer, Ring, None),
                (Customer, Answer, None),
                (Agent, Ring, Some(1)),
                (Agent, Hangup, Some(1)),
                (Agent, Ring, Some(2)),
                (Agent, Answer, Some(2)),
                (Agent, Hangup, Some(2)),
                (Customer, Hangup, Some(2)),
            ]
        );
    }

    #[test]
    fn an_agent_who_hangs_up_is_told_before_the_customer() {
        use {LegStatus::*, Side::*};
        let mut states = states();
        let (company, dial) = dial(COMPANY);
        states.saw_effect(company, &dial);
        states.saw_input(&customer(LegEvent::Answered));
        states.saw_effect(COMPANY, &offer(1));
        states.saw_input(&agent(1, LegEvent::Answered));
        states.saw_input(&agent(1, GONE));
        states.end(CALL);
        let last = told(&states).split_off(3);
        assert_eq!(last, [(Agent, Hangup, Some(1)), (Customer, Hangup, Some(1))]);
    }

    #[test]
    fn nothing_is_told_of_a_company_without_a_url_or_of_a_call_that_never_rang() {
        let mut states = states();
        for company in [CompanyId(2), COMPANY] {
            let (company, dial) = dial(company);
            states.saw_effect(company, &dial);
            if company != COMPANY {
                states.saw_input(&customer(RINGING));
            }
            states.end(CALL);
        }
        assert_eq!(told(&states), []);
    }

    #[test]
    fn the_oldest_state_is_dropped_when_too_many_wait() {
        let queue = Queue::default();
        let state =
            |call| LegState { call: CallId(call), agent: None, side: Side::Agent, status: LegStatus::Ring };
        for call in 0..=WAITING_MAX as u128 {
            queue.put(state(call));
        }
        assert_eq!(queue.lock().states.len(), WAITING_MAX);
        assert_eq!(queue.take()[0], state(1));
        queue.settle();
        assert_eq!(queue.lock().settled, BATCH_MAX as u64 + 1, "the dropped one is waited for by nobody");
    }
}
