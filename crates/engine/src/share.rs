//! Idle agents are shared by the campaigns that want calls now.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::group::PoolKey;
use crate::pacing::{Demand, UNIT, allot};
use crate::{AgentId, CampaignId, Engine};

/// So many new calls for the campaign, if trunks and store let it.
struct Wish {
    campaign: CampaignId,
    calls: usize,
    served_order: u64,
}

impl Engine {
    /// An agent became ready (1) or is no longer (−1).
    pub(crate) fn count_idle(&mut self, id: AgentId, by: i64) {
        let agent = self.agents.get(&id).expect("the caller looked it up");
        for campaign in &*agent.serving {
            if let Some(campaign) = self.campaigns.get_mut(campaign) {
                campaign.idle += by * agent.share;
            }
        }
        // All of them share agents, so one stands for all.
        self.to_pace.extend(agent.serving.first());
    }

    /// Makes the marked campaigns dial, and those that share agents with them.
    pub(crate) fn pace(&mut self) {
        let marked = std::mem::take(&mut self.to_pace);
        let groups: BTreeSet<CampaignId> = if std::mem::take(&mut self.shares_stale) {
            self.rebuild_shares();
            self.sharing.keys().copied().collect()
        } else {
            let sharing = marked.iter().filter_map(|id| self.campaigns.get(id)).filter(|c| c.is_sharing);
            sharing.map(|c| c.sharing).collect()
        };
        let mut wishes: Vec<Wish> = groups.into_iter().flat_map(|group| self.wishes_of(group)).collect();
        // Trunks may not have room for all: whoever had to wait longest is first.
        wishes.sort_by_key(|wish| (wish.served_order, wish.campaign));
        for wish in wishes {
            self.reserve(wish.campaign, wish.calls);
            self.explain_starved(wish.campaign);
        }
    }

    /// New calls for the campaigns that share agents.
    fn wishes_of(&mut self, group: CampaignId) -> Vec<Wish> {
        if self.was_paced_just_now(group) {
            return Vec::new();
        }
        let mut members = self.sharing.get(&group).cloned().unwrap_or_default();
        // Whoever got the indivisible rest last comes first, and so gets it last.
        members.sort_by_cached_key(|id| std::cmp::Reverse(self.campaigns.get(id).map(|c| c.rest_order)));
        let demands: Vec<Demand> = members.iter().map(|id| self.demand(*id)).collect();
        let mut allotted =
            if self.all_look_ahead(&members) { vec![0; members.len()] } else { allot(&demands) };
        for ((id, demand), calls) in members.iter().zip(&demands).zip(&allotted) {
            if *calls > 0 && *calls > demand.own_calls() {
                let order = self.order();
                self.campaigns.get_mut(id).expect("members exist").rest_order = order;
            }
        }
        self.look_ahead(&members, &mut allotted);
        let wanting = members.iter().zip(allotted).filter(|(_, calls)| *calls > 0);
        let wish = |(id, calls): (&CampaignId, i64)| Wish {
            campaign: *id,
            calls: usize::try_from(calls).unwrap_or(0),
            served_order: self.campaigns[id].served_order,
        };
        wanting.map(wish).collect()
    }

    fn demand(&self, id: CampaignId) -> Demand {
        let campaign = self.campaigns.get(&id).expect("members exist");
        let calls_max = i64::from(campaign.settings.calls_max);
        let idle_agents = self.pools.get(&campaign.pool).map_or(0, |p| p.ready_count());
        Demand {
            ratio: if campaign.pacer.is_predictive() { 1000 } else { campaign.pacer.ratio() },
            idle: campaign.idle,
            idle_agents: i64::try_from(idle_agents).unwrap_or(i64::MAX),
            in_flight: campaign.in_flight.unserved().into(),
            room: if campaign.is_wanting { calls_max - i64::from(campaign.in_flight.total()) } else { 0 },
        }
    }

    /// Divides the agents anew: somebody came or left, or a campaign wants calls or does not any more.
    fn rebuild_shares(&mut self) {
        self.sharing.clear();
        for (id, campaign) in &mut self.campaigns {
            campaign.idle = 0;
            campaign.sharing = *id;
        }
        // What agents of the same pools serve, and what the ready ones of them bring to each campaign.
        let mut served: BTreeMap<Vec<PoolKey>, (Arc<[CampaignId]>, i64)> = BTreeMap::new();
        for agent in self.agents.values_mut() {
            let keys = self.memberships.get(&agent.id).into_iter().flatten();
            let is_present =
                |key: &&PoolKey| self.pools.get(key).is_some_and(|p| p.present.contains(&agent.id));
            let keys: Vec<PoolKey> = keys.filter(is_present).copied().collect();
            let (serving, idle) = served.entry(keys).or_insert_with_key(|keys| {
                let pools = keys.iter().filter_map(|key| self.pools.get(key));
                let served = pools.flat_map(|p| p.campaigns.iter().copied());
                let sharing = served.filter(|id| self.campaigns.get(id).is_some_and(|c| c.is_sharing));
                (sharing.collect(), 0)
            });
            let parts = i64::try_from(serving.len().max(1)).unwrap_or(i64::MAX);
            agent.share = (UNIT + parts - 1) / parts;
            agent.serving = serving.clone();
            *idle += if agent.is_ready { agent.share } else { 0 };
        }
        for (serving, idle) in served.into_values() {
            for id in &*serving {
                tie(&mut self.campaigns, serving[0], *id);
                self.campaigns.get_mut(id).expect("filtered above").idle += idle;
            }
        }
        let members: Vec<CampaignId> =
            self.campaigns.values().filter(|c| c.is_sharing).map(|c| c.settings.campaign).collect();
        for id in members {
            let first = root(&self.campaigns, id);
            self.campaigns.get_mut(&id).expect("listed above").sharing = first;
            self.sharing.entry(first).or_default().push(id);
        }
        let sharing = &self.sharing;
        self.crowds_paced.retain(|first, _| sharing.contains_key(first));
    }
}

/// Follows the ties to the first campaign of those that share.
fn root(campaigns: &BTreeMap<CampaignId, crate::Campaign>, mut id: CampaignId) -> CampaignId {
    while let Some(next) = campaigns.get(&id).map(|c| c.sharing).filter(|next| *next != id) {
        id = next;
    }
    id
}

fn tie(campaigns: &mut BTreeMap<CampaignId, crate::Campaign>, a: CampaignId, b: CampaignId) {
    let (a, b) = (root(campaigns, a), root(campaigns, b));
    let (first, second) = (a.min(b), a.max(b));
    if first != second {
        campaigns.get_mut(&second).expect("roots exist").sharing = first;
    }
}
