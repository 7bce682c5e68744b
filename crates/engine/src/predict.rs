//! Predictive campaigns look ahead together when they share agents: each counts with the calls of the others.

use std::time::Duration;

use crate::group::{Busy, Pool};
use crate::look_ahead::{Floor, Load};
use crate::pacing::UNIT;
use crate::timer::TimerKey;
use crate::{BoundBy, Campaign, CampaignId, Engine, PacingDecision};

/// With many people more looks than one in this time change nothing.
const LOOK_PAUSE: Duration = Duration::from_millis(100);
const MANY_PEOPLE: usize = 64;

impl Campaign {
    fn room(&self) -> u32 {
        self.settings.calls_max.saturating_sub(self.in_flight.total())
    }
}

impl Engine {
    pub(crate) fn all_look_ahead(&self, members: &[CampaignId]) -> bool {
        members.iter().all(|id| self.campaigns[id].pacer.is_predictive())
    }

    /// Raises what the predictive ones of the campaigns that share agents were allotted to what looking ahead allows.
    /// Beside campaigns that are not predictive they are allotted a call for each idle agent of their part.
    pub(crate) fn look_ahead(&mut self, members: &[CampaignId], allotted: &mut [i64]) {
        let is_predictive = |n: &usize| self.campaigns[&members[*n]].pacer.is_predictive();
        let mut turns: Vec<usize> = (0..members.len()).filter(is_predictive).collect();
        // Whoever got the last call that could not be divided is last.
        turns.sort_by_key(|n| self.campaigns[&members[*n]].rest_order);
        let predictive: Vec<CampaignId> = turns.iter().map(|n| members[*n]).collect();
        let mut loads: Vec<Load> = turns
            .iter()
            .map(|n| self.load_of(members[*n], u32::try_from(allotted[*n]).unwrap_or(0)))
            .collect();
        for (turn, n) in turns.iter().enumerate() {
            let others = loads.iter().enumerate().filter(|(i, _)| *i != turn);
            let others: Vec<Load> = others.map(|(_, load)| load.clone()).collect();
            let Some(decision) = self.decide(members[*n], &predictive, members.len(), &others) else {
                continue;
            };
            // Those who come after get their part too.
            let still = predictive[turn..].iter().filter(|id| self.campaigns[*id].is_wanting).count().max(1);
            let calls = decision.wanted.div_ceil(u32::try_from(still).unwrap_or(u32::MAX));
            if i64::from(calls) > allotted[*n] {
                allotted[*n] = calls.into();
                loads[turn] = self.load_of(members[*n], calls);
                let order = self.order();
                self.campaigns.get_mut(&members[*n]).expect("members exist").rest_order = order;
            }
        }
    }

    fn load_of(&self, id: CampaignId, new: u32) -> Load {
        let campaign = &self.campaigns[&id];
        campaign.pacer.look.load(self.now.mono, campaign.in_flight.reserved + new)
    }

    /// None when nothing can be placed now anyway.
    fn decide(
        &mut self,
        id: CampaignId,
        predictive: &[CampaignId],
        sharing: usize,
        others: &[Load],
    ) -> Option<PacingDecision> {
        let mono = self.now.mono;
        let mine = |id: &CampaignId| &self.campaigns[id];
        let parts: i64 = predictive.iter().map(|id| mine(id).idle).sum();
        let waiting = predictive.iter().map(|id| mine(id).in_flight.waiting).sum();
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
        let idle = i64::try_from(pool.ready_count()).unwrap_or(i64::MAX).min(parts / UNIT);
        let floor = Floor {
            now: mono,
            idle: u32::try_from(idle).unwrap_or(0),
            waiting,
            reserved: campaign.in_flight.reserved,
            talking: &talking,
            wrapping_up: &wrapping_up,
            part: predictive.len() as f64 / sharing.max(1) as f64,
            room: campaign.room(),
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
