//! Customers who call: to the agent who talked with the number last, else to whoever of the group is free; they wait for a
//! limited time, and hear a message when nobody comes.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Direct, DirectKind, LineId, NewDirect, Step};
use crate::agent::Seat;
use crate::call::{Ending, Legs};
use crate::group::PoolKey;
use crate::{
    AgentId, CallId, CallTags, CallerTimes, CampaignId, Effect, Engine, GroupId, Miss, PhoneNumber, Refusal,
    TrunkId,
};

/// Which calls of customers are taken. The default: none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct InboundRule {
    /// By caller id: a number that is not here is not taken.
    pub numbers: BTreeMap<String, InboundNumber>,
    /// How long an agent's phone rings for such a call, where the agent's group says nothing.
    pub ring: Duration,
    /// How long a customer waits for an agent to be free, where the group says nothing.
    pub wait: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct InboundNumber {
    /// Who takes calls of customers whom nobody called before, or whose agents are not there.
    pub group: Option<GroupId>,
}

/// A customer's INVITE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CustomerCall {
    pub line: LineId,
    pub trunk: TrunkId,
    /// The customer's.
    pub number: PhoneNumber,
    /// Which of the company's was called.
    pub caller_id: String,
}

/// What is known of the last call with a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LastCall {
    pub campaign: Option<CampaignId>,
    /// Who talked with it last.
    pub agent: Option<AgentId>,
}

/// Of a customer who called.
#[derive(Debug)]
pub(crate) struct Caller {
    /// Place among the customers who wait.
    pub(crate) order: u64,
    /// Where an agent is looked for, in this order.
    pools: Vec<PoolKey>,
    /// No longer than this, on the mono clock.
    until: Duration,
    /// No longer than this while nobody is at work.
    absent_until: Duration,
    rung_last: Option<AgentId>,
    hears_music: bool,
}

impl Caller {
    pub(crate) fn rung_last(&self) -> Option<AgentId> {
        self.rung_last
    }
}

impl Engine {
    pub(crate) fn customer_calls(&mut self, call: CustomerCall) {
        let line = call.line;
        if let Err(why) = self.take_customer(call) {
            self.emit(Effect::RefuseLine { line, why });
        }
    }

    fn take_customer(&mut self, incoming: CustomerCall) -> Result<(), Refusal> {
        let CustomerCall { line, trunk, number, caller_id } = incoming;
        if !self.inbound.numbers.contains_key(&caller_id) {
            return Err(Refusal::NotAllowed);
        }
        self.check_room()?;
        if !self.trunks.take_channel(trunk) {
            return Err(Refusal::NoTrunk);
        }
        let (call, dialed_at, tags) = (self.new_call_id(), self.now.wall, CallTags::default());
        let row =
            NewDirect { call, kind: DirectKind::Inbound, agent: None, number, caller_id, tags, dialed_at };
        self.callers_taken += 1;
        let caller = Caller {
            order: self.callers_taken,
            pools: Vec::new(),
            until: Duration::ZERO,
            absent_until: Duration::ZERO,
            rung_last: None,
            hears_music: false,
        };
        let direct = Direct { trunk: Some(trunk), caller: Some(caller), ..Direct::new(row.clone()) };
        self.directs.insert(call, direct);
        self.emit(Effect::TakeCustomer { line, call });
        self.emit(Effect::OpenDirect(Box::new(row)));
        Ok(())
    }

    pub(crate) fn inbound_opened(&mut self, id: CallId, last: LastCall) {
        let Some(direct) = self.directs.get_mut(&id) else { return };
        if direct.step != Step::Opening || direct.caller.is_none() {
            return;
        }
        if let Some(ending) = direct.ending.take() {
            direct.step = Step::Waiting;
            return self.end_direct(id, Ending { legs: Legs::Left, ..ending });
        }
        let caller_id = direct.row.caller_id.clone();
        self.caller(id).pools = self.pools_for(&caller_id, last);
        self.wait_from_now(id);
        match last.agent.filter(|agent| self.is_free_for_caller(*agent)) {
            Some(agent) => self.offer_caller(id, agent),
            None => self.find_agent(id),
        }
    }

    fn wait_from_now(&mut self, id: CallId) {
        let pools = self.caller(id).pools.clone();
        let (wait, absent_wait) = self.waiting_times(&pools);
        let now = self.now.mono;
        let caller = self.caller(id);
        (caller.until, caller.absent_until) = (now + wait, now + absent_wait);
    }

    /// How long who called waits for agents of these, and how long while none of them is at work.
    pub(crate) fn waiting_times(&self, pools: &[PoolKey]) -> (Duration, Duration) {
        let wait = self.first_time(pools, |times| times.wait).unwrap_or(self.inbound.wait);
        let absent_wait = self.first_time(pools, |times| times.absent_wait).unwrap_or_default();
        (wait, absent_wait.min(wait))
    }

    /// The customer is without an agent again.
    pub(crate) fn caller_waits_again(&mut self, id: CallId) {
        let agent = self.directs.get_mut(&id).expect("the caller looked it up").row.agent.take();
        let caller = self.caller(id);
        caller.rung_last = agent;
        caller.hears_music = false;
        self.wait_from_now(id);
        self.find_agent(id);
    }

    fn caller(&mut self, id: CallId) -> &mut Caller {
        let direct = self.directs.get_mut(&id).expect("the caller looked it up");
        direct.caller.as_mut().expect("the customer called")
    }

    /// Those of the campaign that called last, then those who share a group with the last agent, then those whom the
    /// company names.
    fn pools_for(&self, caller_id: &str, last: LastCall) -> Vec<PoolKey> {
        let campaign = last.campaign.and_then(|id| self.campaigns.get(&id)).map(|c| c.pool);
        let groups = last.agent.and_then(|agent| self.memberships.get(&agent)).into_iter().flatten();
        let groups = groups.copied().filter(|key| matches!(key, PoolKey::Group(_)));
        let named = self.inbound.numbers.get(caller_id).and_then(|number| number.group).map(PoolKey::Group);
        let mut pools: Vec<PoolKey> = Vec::new();
        for key in campaign.into_iter().chain(groups).chain(named) {
            if !pools.contains(&key) {
                pools.push(key);
            }
        }
        pools
    }

    /// What the first of them says that says anything.
    fn first_time(&self, pools: &[PoolKey], which: fn(CallerTimes) -> Duration) -> Option<Duration> {
        let pools = pools.iter().filter_map(|key| self.pools.get(key));
        pools.map(|pool| which(pool.callers)).find(|time| !time.is_zero())
    }

    fn is_free_for_caller(&self, agent: AgentId) -> bool {
        let agent = self.agents.get(&agent);
        agent.is_some_and(|a| a.seat == Seat::Idle && a.is_usable(self.config.agent_legs))
    }

    /// Whoever is ready; else the customer waits, not as long where nobody is there to wait for.
    pub(super) fn find_agent(&mut self, id: CallId) {
        let now = self.now.mono;
        let caller = self.caller(id);
        let (order, until, absent_until) = (caller.order, caller.until, caller.absent_until);
        let pools = caller.pools.clone();
        let found: Vec<_> = pools.iter().filter_map(|key| self.pools.get(key)).collect();
        let is_somebody_there = found.iter().any(|pool| !pool.present.is_empty());
        let ready = found.into_iter().find_map(|pool| pool.pick(&mut self.rng));
        if let Some(agent) = ready {
            return self.offer_caller(id, agent);
        }
        let until = if is_somebody_there { until } else { absent_until };
        if now >= until {
            return self.give_caller_message(id);
        }
        self.set_step(id, Step::Waiting, Some(until - now));
        self.callers_waiting.insert((order, id));
        if !std::mem::replace(&mut self.caller(id).hears_music, true) {
            self.emit(Effect::PlayHold { call: id });
        }
    }

    fn offer_caller(&mut self, id: CallId, agent: AgentId) {
        let caller = self.caller(id);
        caller.rung_last = Some(agent);
        let (order, pools) = (caller.order, caller.pools.clone());
        self.callers_waiting.remove(&(order, id));
        let mut ring = self.inbound.ring;
        for key in pools {
            if let Some(pool) = self.pools.get_mut(&key).filter(|pool| pool.is_ready(agent)) {
                pool.note_offer(agent);
                ring = Some(pool.callers.ring).filter(|own| !own.is_zero()).unwrap_or(ring);
                break;
            }
        }
        self.set_step(id, Step::Offering, Some(ring));
        self.directs.get_mut(&id).expect("looked up above").row.agent = Some(agent);
        self.emit(Effect::Offer { call: id, agent });
        self.seat_offered(agent, id);
    }

    /// Another agent answers what rings.
    pub(crate) fn reoffer_caller(&mut self, id: CallId, agent: AgentId) {
        self.caller(id).rung_last = Some(agent);
        self.directs.get_mut(&id).expect("looked up above").row.agent = Some(agent);
    }

    /// An agent is ready, and no call of a campaign waits.
    pub(crate) fn serve_caller(&mut self, agent: AgentId) {
        let is_for = |caller: &Caller| {
            let pools = caller.pools.iter().filter_map(|key| self.pools.get(key));
            pools.into_iter().any(|pool| pool.is_ready(agent))
        };
        let longest =
            self.callers_waiting.iter().map(|(_, id)| *id).find(|id| {
                self.directs.get(id).and_then(|direct| direct.caller.as_ref()).is_some_and(is_for)
            });
        if let Some(id) = longest {
            self.offer_caller(id, agent);
        }
    }

    /// The agent did not take it. `leg`: whether it still rings.
    pub(super) fn caller_missed(&mut self, id: CallId, leg: Legs, how: Miss) {
        let direct = self.directs.get_mut(&id).expect("the caller looked it up");
        let Some(agent) = direct.row.agent.take() else { return };
        if leg == Legs::Left {
            self.emit(Effect::CancelOffer { call: id, agent });
        }
        self.seat_missed(agent, how);
        self.find_agent(id);
    }

    fn give_caller_message(&mut self, id: CallId) {
        let order = self.caller(id).order;
        self.callers_waiting.remove(&(order, id));
        self.set_step(id, Step::Message, Some(self.config.message_max));
        self.emit(Effect::PlayMessage { call: id });
    }

    pub(crate) fn caller_told(&mut self, id: CallId) {
        if let Some(direct) = self.directs.get(&id).filter(|direct| direct.step == Step::Message) {
            self.end_direct(id, Ending::nobody_came(direct.bridged_at.is_some()));
        }
    }
}
