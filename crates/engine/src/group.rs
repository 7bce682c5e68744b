//! Pools of agents and the strategies by which one is picked for an answered call.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Duration;

use crate::agent::Agent;
use crate::{AgentId, CallerTimes, CampaignId, Engine, GroupId, GroupSettings, Strategy};

/// Who takes a campaign's calls: a group, or the extensions that the campaign names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum PoolKey {
    Group(GroupId),
    Campaign(CampaignId),
}

/// Since when an agent is in a call or an offer, or rests after one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Busy {
    Talking(Duration),
    WrapUp(Duration),
}

#[derive(Debug)]
pub(crate) struct Pool {
    /// A group that nobody described yet is not.
    pub(crate) enabled: bool,
    strategy: Strategy,
    pub(crate) callers: CallerTimes,
    /// Place in the group's order.
    places: BTreeMap<AgentId, u64>,
    /// Signed in to the group, or named by the campaign.
    pub(crate) candidates: BTreeSet<AgentId>,
    /// Candidates that are registered, enabled and not paused: at work, though perhaps in a call.
    pub(crate) present: BTreeSet<AgentId>,
    /// Those of them who are not idle.
    pub(crate) busy: BTreeMap<AgentId, Busy>,
    ranks: BTreeMap<AgentId, u64>,
    by_rank: BTreeSet<(u64, AgentId)>,
    /// Rank of the agent who was offered a call last, for round robin.
    last_rank: Option<u64>,
    /// Campaigns whose calls this pool takes.
    pub(crate) campaigns: BTreeSet<CampaignId>,
}

impl Pool {
    pub(crate) fn new(enabled: bool) -> Pool {
        Pool {
            enabled,
            strategy: Strategy::LongestIdle,
            callers: CallerTimes::default(),
            places: BTreeMap::new(),
            candidates: BTreeSet::new(),
            present: BTreeSet::new(),
            busy: BTreeMap::new(),
            ranks: BTreeMap::new(),
            by_rank: BTreeSet::new(),
            last_rank: None,
            campaigns: BTreeSet::new(),
        }
    }

    fn describe(&mut self, settings: &GroupSettings) {
        self.enabled = settings.enabled;
        self.strategy = settings.strategy;
        self.callers = settings.callers;
        self.places = settings.members.iter().zip(0..).map(|(agent, place)| (*agent, place)).collect();
        self.last_rank = None;
    }

    /// Whether it changed.
    pub(crate) fn set_present(&mut self, agent: AgentId, present: bool) -> bool {
        if present { self.present.insert(agent) } else { self.present.remove(&agent) }
    }

    pub(crate) fn set_busy(&mut self, agent: AgentId, busy: Option<Busy>) {
        match busy {
            Some(busy) => self.busy.insert(agent, busy),
            None => self.busy.remove(&agent),
        };
    }

    /// Whether the agent is newly ready here.
    pub(crate) fn set_ready(&mut self, agent: &Agent, ready: bool) -> bool {
        let id = agent.id;
        let rank = ready.then(|| self.rank(agent));
        let before = match rank {
            Some(rank) => self.ranks.insert(id, rank),
            None => self.ranks.remove(&id),
        };
        if let Some(before) = before {
            self.by_rank.remove(&(before, id));
        }
        if let Some(rank) = rank {
            self.by_rank.insert((rank, id));
        }
        rank.is_some() && before.is_none()
    }

    /// The lowest rank is picked first. Ringing all is ringing one after the other, the longest idle first: an offer goes
    /// to one agent at a time.
    fn rank(&self, agent: &Agent) -> u64 {
        match self.strategy {
            Strategy::LongestIdle | Strategy::RingAll | Strategy::Random => agent.idle_order,
            Strategy::LeastTalkTime => u64::try_from(agent.talked.as_micros()).unwrap_or(u64::MAX),
            Strategy::FewestCalls => u64::from(agent.calls),
            Strategy::RoundRobin | Strategy::InOrder | Strategy::Priority => {
                self.places.get(&agent.id).copied().unwrap_or(u64::MAX)
            }
        }
    }

    pub(crate) fn is_ready(&self, agent: AgentId) -> bool {
        self.ranks.contains_key(&agent)
    }

    pub(crate) fn ready_count(&self) -> usize {
        self.ranks.len()
    }

    /// The agent for the next call.
    pub(crate) fn pick(&self, rng: &mut fastrand::Rng) -> Option<AgentId> {
        let first = || self.by_rank.first();
        let found = match self.strategy {
            Strategy::Random if self.by_rank.is_empty() => None,
            Strategy::Random => self.by_rank.iter().nth(rng.usize(..self.by_rank.len())),
            Strategy::RoundRobin => match self.last_rank {
                Some(last) => {
                    let after = Bound::Excluded((last, AgentId(i64::MAX)));
                    self.by_rank.range((after, Bound::Unbounded)).next().or_else(first)
                }
                None => first(),
            },
            _ => first(),
        };
        found.map(|(_, agent)| *agent)
    }

    /// The agent was offered a call of this pool.
    pub(crate) fn note_offer(&mut self, agent: AgentId) {
        self.last_rank = self.ranks.get(&agent).copied();
    }

    pub(crate) fn check(&self) {
        assert_eq!(self.ranks.len(), self.by_rank.len(), "each ready agent is in both tables");
        assert!(self.ranks.keys().all(|a| self.present.contains(a)), "a ready agent is present");
        assert!(self.present.iter().all(|a| self.candidates.contains(a)), "a present agent is a candidate");
        assert!(self.enabled || self.present.is_empty(), "a disabled group has nobody present");
    }
}

impl Engine {
    pub(crate) fn group_changed(&mut self, settings: &GroupSettings) {
        let key = PoolKey::Group(settings.group);
        self.pool_entry(key).describe(settings);
        self.refresh_candidates(key);
    }

    pub(crate) fn group_removed(&mut self, group: GroupId) {
        let key = PoolKey::Group(group);
        let Some(pool) = self.pools.get(&key) else { return };
        for agent in pool.candidates.clone() {
            self.leave_pool(agent, key);
        }
        let pool = self.pools.get_mut(&key).expect("leaving does not remove the pool");
        pool.enabled = false;
        pool.places.clear();
        self.forget_unused_pool(key);
    }

    pub(crate) fn pool_entry(&mut self, key: PoolKey) -> &mut Pool {
        self.pools.entry(key).or_insert_with(|| Pool::new(matches!(key, PoolKey::Campaign(_))))
    }

    /// Signs the agent in to the group, or names it for the campaign.
    pub(crate) fn join_pool(&mut self, agent: AgentId, key: PoolKey) {
        self.pool_entry(key).candidates.insert(agent);
        self.memberships.entry(agent).or_default().insert(key);
        self.refresh_agent(agent);
    }

    pub(crate) fn leave_pool(&mut self, agent: AgentId, key: PoolKey) {
        let Some(pool) = self.pools.get_mut(&key) else { return };
        if !pool.candidates.remove(&agent) {
            return;
        }
        pool.set_busy(agent, None);
        if pool.set_present(agent, false) {
            self.shares_stale = true;
        }
        if let Some(agent) = self.agents.get(&agent) {
            pool.set_ready(agent, false);
        }
        if let Some(keys) = self.memberships.get_mut(&agent) {
            keys.remove(&key);
            if keys.is_empty() {
                self.memberships.remove(&agent);
            }
        }
        self.refresh_agent(agent);
    }

    /// Gives every candidate its place anew: the group was switched on or off, or its order or strategy changed.
    fn refresh_candidates(&mut self, key: PoolKey) {
        let Some(pool) = self.pools.get(&key) else { return };
        for agent in pool.candidates.clone() {
            self.refresh_agent(agent);
        }
    }

    /// A group that was removed, or never described, and that nothing names any more.
    pub(crate) fn forget_unused_pool(&mut self, key: PoolKey) {
        let unused = |p: &Pool| p.campaigns.is_empty() && p.candidates.is_empty() && p.places.is_empty();
        let group_is_unknown = |p: &Pool| matches!(key, PoolKey::Campaign(_)) || !p.enabled;
        if self.pools.get(&key).is_some_and(|p| unused(p) && group_is_unknown(p)) {
            self.pools.remove(&key);
        }
    }
}
