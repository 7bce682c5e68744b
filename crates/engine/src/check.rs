//! Invariants. The cheap ones are asserted after every input, the full check is for tests and the simulation.

use std::collections::{BTreeMap, BTreeSet};

use crate::agent::Seat;
use crate::call::Stage;
use crate::campaign::InFlight;
use crate::direct::Step;
use crate::group::PoolKey;
use crate::heard::Judging;
use crate::timer::TimerKey;
use crate::{CampaignId, Engine};

impl Engine {
    /// Counters against the sizes of tables.
    pub(crate) fn check_counters(&self) {
        let calls = u32::try_from(self.calls.len()).unwrap_or(u32::MAX);
        let directs = u32::try_from(self.directs.len()).unwrap_or(u32::MAX);
        let in_use = self.trunks.in_use();
        let least = calls + self.reserved;
        assert!(
            (least..=least + 2 * directs).contains(&in_use),
            "each call and each slot has one channel, and calls of agents two at most"
        );
        assert!(
            self.seats_taken <= calls + 2 * directs + u32::try_from(self.watches.len()).unwrap_or(u32::MAX),
            "an agent is in one call at most, and a call has one agent at most"
        );
        assert!(self.newly_ready.is_empty() && self.unplaced.is_empty(), "calls and agents have met");
        assert!(self.dirty.is_empty(), "every marked campaign was looked at");
        assert!(self.leases.len() <= self.campaigns.len(), "a campaign has one lease at most");
    }

    /// Every invariant, by looking at everything. Panics on a broken one.
    pub fn check(&self) {
        self.check_counters();
        self.timers.check();
        self.check_campaigns();
        self.check_agents();
        self.check_pools();
        self.check_waiting();
        self.check_timers();
        self.check_directs();
        self.check_consults();
        for trunk in self.trunks.ids() {
            let calls = self.calls.values().filter(|c| c.trunk == trunk).count()
                + self.directs.values().filter(|d| d.trunk == Some(trunk)).count()
                + self.directs.values().filter(|d| d.second_trunk() == Some(trunk)).count();
            let slots = self.leases.values().flat_map(|l| &l.slots).filter(|s| s.trunk == trunk).count();
            assert_eq!(self.trunks.in_use_of(trunk) as usize, calls + slots, "channels of trunk {trunk}");
        }
    }

    fn check_campaigns(&self) {
        let mut counts: BTreeMap<CampaignId, InFlight> = BTreeMap::new();
        for call in self.calls.values() {
            *counts.entry(call.campaign).or_default().of(call.stage) += 1;
        }
        for lease in self.leases.values() {
            counts.entry(lease.campaign).or_default().reserved +=
                u32::try_from(lease.slots.len()).unwrap_or(u32::MAX);
        }
        for (id, campaign) in &self.campaigns {
            let count = counts.remove(id).unwrap_or_default();
            assert_eq!(campaign.in_flight, count, "calls of campaign {id} by stage");
            let unsaved = self.unsaved.values().filter(|r| r.campaign == *id).count();
            assert_eq!(campaign.unsaved as usize, unsaved, "unsaved results of campaign {id}");
            let returning = self.returning.values().filter(|r| r.campaign == *id).count();
            assert_eq!(campaign.returning as usize, returning, "returns of campaign {id}");
            assert_eq!(
                campaign.lease.is_some(),
                self.leases.values().any(|l| l.campaign == *id),
                "lease of {id}"
            );
            assert!(!campaign.is_retired || count.total() == 0, "a retired campaign has no call");
            let tied = self.pools.get(&campaign.pool).is_some_and(|p| p.campaigns.contains(id));
            assert_eq!(tied, !campaign.is_retired, "campaign {id} is tied to its pool");
        }
        assert!(counts.is_empty(), "calls of unknown campaigns");
    }

    fn check_agents(&self) {
        let mut seated = 0;
        for (id, agent) in &self.agents {
            if let Some(watch) = agent.call().and_then(|call| self.watches.get(&call)) {
                seated += 1;
                assert_eq!(watch.supervisor, *id, "the watch of agent {id} knows its supervisor");
                let is_up = matches!(agent.seat, Seat::Talking(_));
                assert_eq!(watch.is_up, is_up, "supervisor {id} and the watch agree");
            } else if let Some(direct) = agent.call().and_then(|call| self.directs.get(&call)) {
                seated += 1;
                let knows = direct.agent() == Some(*id) || direct.far == Some(*id);
                assert!(knows, "the call of agent {id} knows its agent");
                let talks = matches!(agent.seat, Seat::Talking(_));
                assert_eq!(
                    direct.step == Step::Talking,
                    talks,
                    "agent {id} and the call agree whether they talk"
                );
            } else if let Some(call) = agent.call() {
                seated += 1;
                let stage = self.calls.get(&call).map(|c| c.stage);
                let expected = match (agent.seat, self.transfer_of(call)) {
                    (Seat::Offered(_), Some(transfer)) => {
                        assert_eq!(transfer.to, *id, "who is rung is to have the call");
                        Stage::Transfer(transfer)
                    }
                    (Seat::Offered(_), None) => Stage::Offering(*id),
                    _ => Stage::Bridged(*id),
                };
                assert_eq!(stage, Some(expected), "the call of agent {id} knows its agent");
            }
            if agent.seat == Seat::WrapUp {
                assert!(self.timers.is_set(TimerKey::Seat(*id)), "the wrap-up of agent {id} ends");
            }
        }
        assert_eq!(self.seats_taken, seated, "agents offered or talking");
        let with_agent = |stage| matches!(stage, Stage::Offering(_) | Stage::Bridged(_) | Stage::Transfer(_));
        let calls = self.calls.values().filter(|c| with_agent(c.stage)).count();
        let far = self.directs.values().filter(|d| d.far.is_some()).count();
        let own =
            self.directs.values().filter(|d| d.seated_agent().is_some()).count() + far + self.watches.len();
        assert_eq!(self.seats_taken as usize, calls + own, "calls with an agent");
    }

    fn check_pools(&self) {
        for (key, pool) in &self.pools {
            pool.check();
            for agent in &pool.candidates {
                assert!(
                    self.memberships.get(agent).is_some_and(|m| m.contains(key)),
                    "memberships of agent {agent}"
                );
                let Some(agent) = self.agents.get(agent) else { continue };
                let usable = agent.is_usable(self.config.agent_legs) && pool.enabled;
                assert_eq!(pool.present.contains(&agent.id), usable, "agent {} is present", agent.id);
                let busy = agent.busy().filter(|_| usable);
                assert_eq!(pool.busy.get(&agent.id).copied(), busy, "what agent {} does is known", agent.id);
                let ready = usable && agent.seat == Seat::Idle;
                assert_eq!(pool.is_ready(agent.id), ready, "agent {} is ready in its pool", agent.id);
            }
        }
        for (agent, keys) in &self.memberships {
            for key in keys {
                assert!(
                    self.pools.get(key).is_some_and(|p| p.candidates.contains(agent)),
                    "pool of agent {agent}"
                );
            }
        }
        let mut idle: BTreeMap<CampaignId, i64> = BTreeMap::new();
        for agent in self.agents.values().filter(|a| a.is_ready) {
            for id in &*agent.serving {
                *idle.entry(*id).or_default() += agent.share;
            }
        }
        for (id, campaign) in &self.campaigns {
            assert_eq!(campaign.idle, idle.remove(id).unwrap_or(0), "idle agents of campaign {id}");
        }
    }

    /// No call waits while an agent who could take it is ready; what waits is listed.
    fn check_waiting(&self) {
        for (id, campaign) in &self.campaigns {
            let calls = self.calls.values().filter(|c| c.campaign == *id);
            let waiting = calls.clone().filter(|c| c.stage == Stage::Waiting);
            let must: BTreeSet<_> = waiting.map(|c| (c.order, c.id)).collect();
            let offered = calls.filter(|c| c.offered_to().is_some()).map(|c| (c.order, c.id));
            let may: BTreeSet<_> = must.iter().copied().chain(offered).collect();
            assert!(must.is_subset(&campaign.unserved), "waiting calls of campaign {id} are listed");
            assert!(campaign.unserved.is_subset(&may), "listed calls of campaign {id} wait");
            let ready = self.pools.get(&campaign.pool).map_or(0, |p| p.ready_count());
            assert!(
                ready == 0 || campaign.unserved.is_empty(),
                "no call of campaign {id} waits beside a ready agent"
            );
        }
    }

    fn check_directs(&self) {
        for (id, direct) in &self.directs {
            assert_eq!(direct.row.call, *id);
            assert!(!self.calls.contains_key(id), "a call is of a campaign or of an agent");
            let waits_for_agent = direct.caller.is_some()
                && matches!(direct.step, Step::Opening | Step::Waiting | Step::Message);
            assert_eq!(direct.agent().is_none(), waits_for_agent, "call {id} has an agent, or waits for one");
            if let Some(agent) = direct.seated_agent() {
                let seat = self.agents.get(&agent).and_then(|a| a.call());
                assert_eq!(seat, Some(*id), "call {id} has its agent's seat");
            }
            let untimed = matches!(direct.step, Step::Opening | Step::Talking | Step::Outside(_));
            assert_eq!(self.timers.is_set(TimerKey::Call(*id)), !untimed, "the step of call {id} ends");
            let waits = direct.step == Step::AwaitingTrunk;
            assert_eq!(self.trunkless.contains(id), waits, "call {id} is listed while it waits for a trunk");
            let dialed = direct.caller.is_some()
                || !matches!(direct.step, Step::Opening | Step::RingingAgent | Step::AwaitingTrunk);
            let has_far = direct.trunk.is_some() != direct.far.is_some();
            assert_eq!(has_far, dialed, "call {id} has a trunk, or another agent, once it is dialed");
            let was_bridged =
                matches!(direct.step, Step::Talking | Step::Outside(_)) || direct.transfer.is_some();
            // One who called may wait for another agent after a talk.
            let may_be = was_bridged || direct.caller.is_some();
            let is_bridged = direct.bridged_at.is_some();
            assert!(is_bridged >= was_bridged && is_bridged <= may_be, "call {id} is bridged");
            let is_offered =
                direct.transfer.is_none_or(|t| direct.step == Step::Offering && Some(t.to) == direct.agent());
            assert!(is_offered, "who is to have call {id} is rung");
        }
        for (id, watch) in &self.watches {
            let seat = self.agents.get(&watch.supervisor).and_then(|a| a.call());
            assert_eq!(seat, Some(*id), "watch {id} has its supervisor's seat");
            let talks = self.agents.get(&watch.agent).map(|a| a.seat);
            assert_eq!(talks, Some(Seat::Talking(watch.call)), "who is watched talks in the call");
            assert_eq!(
                self.timers.is_set(TimerKey::Call(*id)),
                !watch.is_up,
                "the ringing of watch {id} ends"
            );
        }
        let waiting = self.directs.iter().filter(|(_, d)| d.step == Step::Waiting);
        let waiting: BTreeSet<_> =
            waiting.filter_map(|(id, d)| Some((d.caller.as_ref()?.order, *id))).collect();
        assert_eq!(self.callers_waiting, waiting, "customers who wait are listed");
        assert!(self.trunkless.iter().all(|id| self.directs.contains_key(id)), "no call waits after its end");
    }

    fn check_timers(&self) {
        for call in self.calls.values() {
            let bridged = matches!(call.stage, Stage::Bridged(_) | Stage::Outside(_));
            assert_eq!(
                self.timers.is_set(TimerKey::Call(call.id)),
                !bridged,
                "the stage of call {} ends",
                call.id
            );
            assert_eq!(
                self.timers.is_set(TimerKey::Judge(call.id)),
                call.judging != Judging::Off,
                "the verdict on call {} is not awaited for ever",
                call.id
            );
        }
        for key in self.timers.keys() {
            match key {
                TimerKey::Call(id) => {
                    let lives = self.calls.contains_key(&id)
                        || self.directs.contains_key(&id)
                        || self.watches.contains_key(&id);
                    assert!(lives, "no timer outlives its call");
                }
                TimerKey::Offer(id) => {
                    let offered = self.calls.get(&id).is_some_and(|c| c.offered_to().is_some());
                    assert!(offered, "no timer outlives its offer");
                }
                TimerKey::Judge(id) => assert!(self.calls.contains_key(&id), "no timer outlives its call"),
                TimerKey::Save(id) => {
                    let waits = self.unsaved.contains_key(&id) || self.unsaved_directs.contains_key(&id);
                    assert!(waits, "no timer outlives its result");
                }
                _ => {}
            }
        }
        for (key, pool) in &self.pools {
            let PoolKey::Campaign(id) = key else { continue };
            assert!(pool.campaigns.iter().all(|c| c == id), "named agents are of one campaign");
        }
    }
}
