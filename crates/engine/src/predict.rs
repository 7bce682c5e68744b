//! Predictive campaigns look ahead together when they share agents: each counts with the calls of the others.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::group::{Busy, Pool};
use crate::look_ahead::{Floor, Load};
use crate::pacing::UNIT;
use crate::timer::TimerKey;
use crate::{BoundBy, Campaign, CampaignId, Engine, PacingDecision};

/// With many people more looks than one in this time change nothing.
const LOOK_PAUSE: Duration = Duration::from_millis(100);
const MANY_PEOPLE: usize = 64;
/// Of more campaigns that share agents only so many look at once, and all of them wait `LOOK_PAUSE` for the next time.
const CROWD: usize = 32;

/// Predictive campaigns that share agents.
struct Together {
    /// Their parts of the idle agents.
    idle: i64,
    /// Answered calls without an agent.
    waiting: u32,
    /// They are so much of all that share the agents.
    part: f64,
    /// The least risk that one of them takes, if they are several.
    alpha_max: Option<f64>,
}

impl Campaign {
    fn room(&self) -> u32 {
        self.settings.calls_max.saturating_sub(self.in_flight.total())
    }
}

impl Engine {
    pub(crate) fn all_look_ahead(&self, members: &[CampaignId]) -> bool {
        members.iter().all(|id| self.campaigns[id].pacer.is_predictive())
    }

    /// So many campaigns share these agents that they are not paced for each input, and were within the last moment.
    pub(crate) fn was_paced_just_now(&mut self, group: CampaignId) -> bool {
        let mono = self.now.mono;
        if self.sharing.get(&group).is_none_or(|members| members.len() <= CROWD) {
            self.crowds_paced.remove(&group);
            return false;
        }
        let next = self.crowds_paced.get(&group).map(|at| *at + LOOK_PAUSE).filter(|next| mono < *next);
        match next {
            Some(next) => self.timers.set(TimerKey::Pace(group), next),
            None => drop(self.crowds_paced.insert(group, mono)),
        }
        next.is_some()
    }

    /// Raises what the predictive ones of the campaigns that share agents were allotted to what looking ahead allows.
    /// Beside campaigns that are not predictive they are allotted a call for each idle agent of their part.
    pub(crate) fn look_ahead(&mut self, members: &[CampaignId], allotted: &mut [i64]) {
        let is_predictive = |n: &usize| self.campaigns[&members[*n]].pacer.is_predictive();
        let mut turns: Vec<usize> = (0..members.len()).filter(is_predictive).collect();
        // Whoever had the fewest answers is first, and whoever got the last call that could not be divided is last.
        turns.sort_by_cached_key(|n| {
            let campaign = &self.campaigns[&members[*n]];
            ((campaign.pacer.look.answer_rate() * 3600.0) as u64, campaign.rest_order)
        });
        let together = self.together(members, &turns);
        // Of those that have calls, which are few however many campaigns there are.
        let mut loads: BTreeMap<usize, Load> = BTreeMap::new();
        for (turn, n) in turns.iter().enumerate() {
            let new = u32::try_from(allotted[*n]).unwrap_or(0);
            loads.extend(self.load_of(members[*n], new).map(|load| (turn, load)));
        }
        let wants = |n: &usize| self.campaigns[&members[*n]].is_wanting;
        let mut still = turns.iter().filter(|n| wants(n)).count();
        let mut looked = 0;
        for (turn, n) in turns.iter().enumerate() {
            if looked == CROWD && turns.len() > CROWD {
                break;
            }
            let id = members[*n];
            let others: Vec<Load> =
                loads.iter().filter(|(of, _)| **of != turn).map(|(_, load)| load.clone()).collect();
            let decision = self.decide(id, &together, &others);
            // Those who come after get their part too.
            let parts = u32::try_from(still.max(1)).unwrap_or(u32::MAX);
            still -= usize::from(self.campaigns[&id].is_wanting);
            let Some(decision) = decision else { continue };
            looked += 1;
            let calls = decision.wanted.div_ceil(parts);
            let is_raised = i64::from(calls) > allotted[*n];
            if is_raised {
                allotted[*n] = calls.into();
                loads.extend(self.load_of(id, calls).map(|load| (turn, load)));
            }
            if is_raised || turns.len() > CROWD {
                let order = self.order();
                self.campaigns.get_mut(&id).expect("members exist").rest_order = order;
            }
        }
    }

    /// What the predictive campaigns at these places have together.
    fn together(&self, members: &[CampaignId], turns: &[usize]) -> Together {
        let campaigns = || turns.iter().map(|n| &self.campaigns[&members[*n]]);
        let alphas = campaigns().filter(|c| c.is_wanting).filter_map(|c| c.pacer.look.own_alpha());
        Together {
            idle: campaigns().map(|c| c.idle).sum(),
            waiting: campaigns().map(|c| c.in_flight.waiting).sum(),
            part: turns.len() as f64 / members.len().max(1) as f64,
            alpha_max: (turns.len() > 1).then(|| alphas.fold(1.0, f64::min)),
        }
    }

    /// None: it has no calls.
    fn load_of(&self, id: CampaignId, new: u32) -> Option<Load> {
        let campaign = &self.campaigns[&id];
        let load = campaign.pacer.look.load(self.now.mono, campaign.in_flight.reserved + new);
        Some(load).filter(|load| !load.is_empty())
    }

    /// None when nothing can be placed now anyway.
    fn decide(&mut self, id: CampaignId, together: &Together, others: &[Load]) -> Option<PacingDecision> {
        let mono = self.now.mono;
        let campaign = self.campaigns.get_mut(&id).expect("members exist");
        let pool = self.pools.get(&campaign.pool)?;
        if let Some(bound_by) = idle_because(campaign, pool) {
            campaign.pacer.bound_by(bound_by);
            return None;
        }
        let is_many = pool.present.len() + campaign.in_flight.total() as usize > MANY_PEOPLE;
        let too_soon = campaign.pacer.looked_at.is_some_and(|at| mono < at + LOOK_PAUSE);
        if campaign.lease.is_some() || is_many && too_soon {
            self.timers.set(TimerKey::Pace(id), mono + LOOK_PAUSE);
            return None;
        }
        let (talking, wrapping_up) = busy_since(pool);
        let idle = i64::try_from(pool.ready_count()).unwrap_or(i64::MAX).min(together.idle / UNIT);
        let floor = Floor {
            now: mono,
            idle: u32::try_from(idle).unwrap_or(0),
            waiting: together.waiting,
            reserved: campaign.in_flight.reserved,
            talking: &talking,
            wrapping_up: &wrapping_up,
            part: together.part,
            room: campaign.room(),
            alpha_max: together.alpha_max,
        };
        let too_late = campaign.pacer.look.too_late(&floor, others);
        self.give_up(id, &too_late);
        let campaign = self.campaigns.get_mut(&id)?;
        let decision = campaign.pacer.look.decide(&floor, others);
        campaign.pacer.decided(mono, decision);
        Some(decision)
    }

    /// Calls were wanted that no trunk could take.
    pub(crate) fn explain_starved(&mut self, id: CampaignId) {
        if !self.starved.contains(&id) {
            return;
        }
        let waits_for_token = self.timers.is_set(TimerKey::Token);
        let bound_by = if waits_for_token { BoundBy::CallsPerSecond } else { BoundBy::Trunk };
        if let Some(campaign) = self.campaigns.get_mut(&id) {
            campaign.pacer.bound_by(bound_by);
        }
    }
}

fn idle_because(campaign: &Campaign, pool: &Pool) -> Option<BoundBy> {
    if !campaign.is_wanting {
        return Some(BoundBy::Leads);
    }
    if pool.present.is_empty() {
        return Some(BoundBy::NoAgents);
    }
    (campaign.room() == 0).then_some(BoundBy::Concurrency)
}

fn busy_since(pool: &Pool) -> (Vec<Duration>, Vec<Duration>) {
    let (mut talking, mut wrapping_up) = (Vec::new(), Vec::new());
    for busy in pool.busy.values() {
        match busy {
            Busy::Talking(since) => talking.push(*since),
            Busy::WrapUp(since) => wrapping_up.push(*since),
        }
    }
    (talking, wrapping_up)
}
