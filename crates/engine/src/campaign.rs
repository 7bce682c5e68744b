//! Campaigns: when they may dial, and when they are over.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::call::Stage;
use crate::group::PoolKey;
use crate::pacing::Pacer;
use crate::timer::TimerKey;
use crate::{
    AgentPool, CallId, CampaignId, CampaignSettings, CampaignStatus, Config, Effect, EndReason, Engine,
    LeaseId, Supply, Timestamp,
};

/// The store is asked again after this though it said that nothing is due.
const ASK_AGAIN: Duration = Duration::from_secs(30);
/// An end that was neither done nor refused is asked for again after this.
const END_AGAIN: Duration = Duration::from_secs(60);
const END_REFUSED_PAUSE_MAX: Duration = Duration::from_secs(30);
/// Wall-clock times are looked at again after this at the latest.
const WALL_CHECK: Duration = Duration::from_secs(60);
/// A predictive campaign looks ahead anew after this at the latest.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Ended campaigns that are remembered with what their pacing learned.
const RETIRED_MAX: usize = 200;

/// The campaign's calls by stage. Their sum is what `calls_max` limits.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct InFlight {
    pub(crate) reserved: u32,
    /// Dialing or ringing.
    pub(crate) ringing: u32,
    /// Answered, not offered to an agent.
    pub(crate) waiting: u32,
    pub(crate) offering: u32,
    pub(crate) talking: u32,
    /// Hearing the abandon message.
    pub(crate) message: u32,
}

impl InFlight {
    pub(crate) fn of(&mut self, stage: Stage) -> &mut u32 {
        match stage {
            Stage::Dialing | Stage::Ringing => &mut self.ringing,
            Stage::Waiting => &mut self.waiting,
            Stage::Offering(_) => &mut self.offering,
            Stage::Bridged(_) | Stage::Transfer(_) | Stage::Outside(_) => &mut self.talking,
            Stage::Message => &mut self.message,
        }
    }

    pub(crate) fn total(&self) -> u32 {
        self.reserved + self.ringing + self.waiting + self.offering + self.talking + self.message
    }

    /// R + W of the pacing.
    pub(crate) fn unserved(&self) -> u32 {
        self.reserved + self.ringing + self.waiting
    }
}

#[derive(Debug)]
pub(crate) struct Campaign {
    pub(crate) settings: CampaignSettings,
    pub(crate) pool: PoolKey,
    /// What the store said last.
    pub(crate) supply: Supply,
    /// What was heard of leads while a lease was under way: the lease's answer may be older.
    pub(crate) news: Option<Supply>,
    /// Ask the store whatever it said last.
    pub(crate) ask: bool,
    pub(crate) lease: Option<LeaseId>,
    /// It has dialed since it was opened.
    pub(crate) is_started: bool,
    /// The end that was asked for.
    pub(crate) ending: Option<EndReason>,
    end_refusals: u32,
    pub(crate) in_flight: InFlight,
    pub(crate) unsaved: u32,
    pub(crate) returning: u32,
    /// Answered calls without an agent or whose agent does not answer, first come first.
    pub(crate) unserved: BTreeSet<(u64, CallId)>,
    pub(crate) caller_ids_used: usize,
    pub(crate) pacer: Pacer,
    /// Running, or with calls in flight: its agents are wanted.
    pub(crate) is_active: bool,
    /// It may dial and has, or may have, leads.
    pub(crate) is_wanting: bool,
    /// It wants calls, or calls in flight may need agents: it has a part of the idle ones.
    pub(crate) is_sharing: bool,
    pub(crate) is_retired: bool,
    wall_event: Option<Timestamp>,
    /// Its part of the idle agents, in `pacing::UNIT`s.
    pub(crate) idle: i64,
    /// The first of the campaigns with which it shares agents.
    pub(crate) sharing: CampaignId,
    /// Rises each time it gets the part of an agent that could not be divided.
    pub(crate) rest_order: u64,
    /// Rises each time it gets trunk channels.
    pub(crate) served_order: u64,
}

impl Campaign {
    fn new(settings: CampaignSettings, config: &Config, mono: Duration) -> Campaign {
        Campaign {
            pool: pool_key(&settings),
            supply: Supply::Available,
            news: None,
            ask: false,
            lease: None,
            is_started: false,
            ending: None,
            end_refusals: 0,
            in_flight: InFlight::default(),
            unsaved: 0,
            returning: 0,
            unserved: BTreeSet::new(),
            caller_ids_used: 0,
            pacer: Pacer::new(&settings, config, mono),
            is_active: false,
            is_wanting: false,
            is_sharing: false,
            is_retired: false,
            wall_event: None,
            idle: 0,
            sharing: settings.campaign,
            rest_order: 0,
            served_order: 0,
            settings,
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.settings.status == CampaignStatus::Running
    }

    /// Whether the campaign's own state lets it dial.
    pub(crate) fn is_open(&self, wall: Timestamp) -> bool {
        let has_begun = self.settings.not_before.is_none_or(|t| t <= wall);
        self.is_running() && has_begun && self.ending.is_none() && !self.is_past_deadline(wall)
    }

    fn is_past_deadline(&self, wall: Timestamp) -> bool {
        self.settings.run_until.is_some_and(|t| t <= wall)
    }

    fn may_have_leads(&self, wall: Timestamp) -> bool {
        self.ask
            || match self.supply {
                Supply::Available => true,
                Supply::Due(t) => t <= wall,
                Supply::Exhausted => false,
            }
    }

    fn is_settled(&self) -> bool {
        self.in_flight.total() == 0 && self.lease.is_none() && self.unsaved == 0 && self.returning == 0
    }

    /// The next wall-clock time at which something changes.
    fn next_wall_event(&self, wall: Timestamp) -> Option<Timestamp> {
        let run_until = self.settings.run_until.filter(|_| self.settings.status != CampaignStatus::Ended);
        let not_before = self.settings.not_before.filter(|_| self.is_running());
        let due = match self.supply {
            Supply::Due(t) if self.is_running() => Some(t),
            _ => None,
        };
        [run_until, not_before, due].into_iter().flatten().filter(|t| *t > wall).min()
    }

    /// There is news of leads, perhaps while an older answer is on its way.
    pub(crate) fn hear_of_leads(&mut self, supply: Supply) {
        self.supply = sooner(self.supply, supply);
        if self.lease.is_some() {
            self.news = Some(self.news.map_or(supply, |news| sooner(news, supply)));
        }
    }
}

fn pool_key(settings: &CampaignSettings) -> PoolKey {
    match settings.pool {
        AgentPool::Group(group) => PoolKey::Group(group),
        AgentPool::Extensions(_) => PoolKey::Campaign(settings.campaign),
    }
}

pub(crate) fn sooner(a: Supply, b: Supply) -> Supply {
    match (a, b) {
        (Supply::Available, _) | (_, Supply::Available) => Supply::Available,
        (Supply::Due(a), Supply::Due(b)) => Supply::Due(a.min(b)),
        (Supply::Due(t), Supply::Exhausted) | (Supply::Exhausted, Supply::Due(t)) => Supply::Due(t),
        (Supply::Exhausted, Supply::Exhausted) => Supply::Exhausted,
    }
}

impl Engine {
    pub(crate) fn campaign_changed(&mut self, settings: CampaignSettings) {
        let id = settings.campaign;
        match self.campaigns.get_mut(&id) {
            None => {
                self.campaigns.insert(id, Campaign::new(settings, &self.config, self.now.mono));
                self.join_campaign(id);
            }
            Some(campaign) => {
                let old = std::mem::replace(&mut campaign.settings, settings);
                campaign.pacer.change(&campaign.settings, &self.config);
                if campaign.is_running() && old.status != CampaignStatus::Running {
                    self.reopen(id, old.status);
                } else if campaign.settings.status == CampaignStatus::Ended
                    || (campaign.ending == Some(EndReason::Deadline)
                        && campaign.settings.run_until != old.run_until)
                {
                    campaign.ending = None;
                    self.timers.cancel(TimerKey::End(id));
                }
                self.change_pool(id, &old);
            }
        }
        self.mark(id);
    }

    fn reopen(&mut self, id: CampaignId, from: CampaignStatus) {
        let campaign = self.campaigns.get_mut(&id).expect("called with a known campaign");
        if from == CampaignStatus::Ended {
            // Only leads to call again open an ended campaign.
            campaign.hear_of_leads(Supply::Available);
        }
        campaign.is_started = false;
        campaign.ask = true;
        campaign.ending = None;
        campaign.end_refusals = 0;
        self.timers.cancel(TimerKey::Lease(id));
        self.timers.cancel(TimerKey::End(id));
    }

    fn change_pool(&mut self, id: CampaignId, old: &CampaignSettings) {
        let campaign = self.campaigns.get_mut(&id).expect("called with a known campaign");
        let is_back = campaign.is_retired && campaign.settings.status != CampaignStatus::Ended;
        if campaign.settings.pool == old.pool && !is_back {
            return;
        }
        campaign.is_retired &= !is_back;
        let old_key = std::mem::replace(&mut campaign.pool, pool_key(&campaign.settings));
        let new_key = campaign.pool;
        if campaign.is_retired {
            return;
        }
        self.retired.retain(|r| *r != id);
        self.join_campaign(id);
        if old_key != new_key {
            self.leave_campaign_pool(id, old_key);
        }
        let offered: Vec<_> =
            self.calls.values().filter(|c| c.campaign == id).filter_map(|c| c.offered_to()).collect();
        for agent in offered {
            self.refresh_agent(agent);
        }
        let campaign = self.campaigns.get(&id).expect("called with a known campaign");
        self.unplaced.extend(campaign.unserved.iter().copied());
        self.shares_stale = true;
    }

    /// Ties the campaign to its pool; for named extensions, makes the pool be just those.
    fn join_campaign(&mut self, id: CampaignId) {
        let campaign = self.campaigns.get(&id).expect("called with a known campaign");
        let key = campaign.pool;
        let named: BTreeSet<_> = match &campaign.settings.pool {
            AgentPool::Extensions(agents) => agents.iter().copied().collect(),
            AgentPool::Group(_) => BTreeSet::new(),
        };
        self.shares_stale = true;
        let pool = self.pool_entry(key);
        pool.campaigns.insert(id);
        if matches!(key, PoolKey::Group(_)) {
            return;
        }
        let gone: Vec<_> = pool.candidates.difference(&named).copied().collect();
        for agent in gone {
            self.leave_pool(agent, key);
        }
        for agent in named {
            self.join_pool(agent, key);
        }
    }

    fn leave_campaign_pool(&mut self, id: CampaignId, key: PoolKey) {
        let Some(pool) = self.pools.get_mut(&key) else { return };
        pool.campaigns.remove(&id);
        if matches!(key, PoolKey::Campaign(_)) {
            for agent in pool.candidates.clone() {
                self.leave_pool(agent, key);
            }
        }
        self.forget_unused_pool(key);
        self.shares_stale = true;
    }

    pub(crate) fn leads_added(&mut self, id: CampaignId) {
        let Some(campaign) = self.campaigns.get_mut(&id) else { return };
        campaign.hear_of_leads(Supply::Available);
        if campaign.ending == Some(EndReason::Over) {
            campaign.ending = None;
            self.timers.cancel(TimerKey::End(id));
        }
        self.mark(id);
    }

    pub(crate) fn end_refused(&mut self, id: CampaignId) {
        let Some(campaign) = self.campaigns.get_mut(&id) else { return };
        campaign.hear_of_leads(Supply::Available);
        campaign.ending = None;
        let pause = Duration::from_secs(1 << campaign.end_refusals.min(10)).min(END_REFUSED_PAUSE_MAX);
        campaign.end_refusals = campaign.end_refusals.saturating_add(1);
        self.timers.set(TimerKey::End(id), self.now.mono + pause);
        self.mark(id);
    }

    /// A lease brought leads, so the next refusal is a new one.
    pub(crate) fn note_leads(&mut self, id: CampaignId) {
        if let Some(campaign) = self.campaigns.get_mut(&id) {
            campaign.end_refusals = 0;
        }
    }

    /// No answer to the wish to end came, or the pause after a refusal is over.
    pub(crate) fn end_again(&mut self, id: CampaignId) {
        let Some(campaign) = self.campaigns.get_mut(&id) else { return };
        campaign.ending = None;
        self.mark(id);
    }

    pub(crate) fn ask_again(&mut self, id: CampaignId) {
        let Some(campaign) = self.campaigns.get_mut(&id) else { return };
        campaign.ask = true;
        self.mark(id);
    }

    /// Brings everything that follows from the campaign's condition up to date.
    pub(crate) fn refresh_campaign(&mut self, id: CampaignId) {
        self.end_if_due(id);
        let (wall, draining) = (self.now.wall, self.draining);
        let Some(campaign) = self.campaigns.get_mut(&id) else { return };
        let is_wanting = !draining && campaign.is_open(wall) && campaign.may_have_leads(wall);
        let is_active = campaign.is_running() || campaign.in_flight.total() > 0;
        let is_sharing = is_wanting || campaign.in_flight.unserved() > 0;
        self.shares_stale |= campaign.is_sharing != is_sharing;
        campaign.is_wanting = is_wanting;
        campaign.is_sharing = is_sharing;
        let activity_changed = campaign.is_active != is_active;
        campaign.is_active = is_active;
        let key = campaign.pool;
        self.refresh_campaign_timers(id);
        if activity_changed && matches!(key, PoolKey::Campaign(_)) {
            let named = self.pools.get(&key).map(|p| p.candidates.clone()).unwrap_or_default();
            for agent in named {
                self.refresh_agent(agent);
            }
        }
        self.retire_if_over(id);
    }

    fn end_if_due(&mut self, id: CampaignId) {
        let wall = self.now.wall;
        let Some(campaign) = self.campaigns.get_mut(&id) else { return };
        if campaign.settings.status == CampaignStatus::Ended || self.timers.is_set(TimerKey::End(id)) {
            return;
        }
        let why = if campaign.is_past_deadline(wall) {
            EndReason::Deadline
        } else if campaign.is_running() && campaign.supply == Supply::Exhausted && campaign.is_settled() {
            EndReason::Over
        } else {
            return;
        };
        campaign.ending = Some(why);
        self.timers.set(TimerKey::End(id), self.now.mono + END_AGAIN);
        self.emit(Effect::EndCampaign { campaign: id, why });
    }

    fn refresh_campaign_timers(&mut self, id: CampaignId) {
        let now = self.now;
        let Some(campaign) = self.campaigns.get_mut(&id) else { return };
        let event = campaign.next_wall_event(now.wall);
        if event != campaign.wall_event || !self.timers.is_set(TimerKey::Wall(id)) {
            campaign.wall_event = event;
            match event {
                Some(t) => self.timers.set(TimerKey::Wall(id), now.mono + t.since(now.wall).min(WALL_CHECK)),
                None => self.timers.cancel(TimerKey::Wall(id)),
            }
        }
        let asks = campaign.is_running() && campaign.supply != Supply::Available && !campaign.ask;
        self.run_while(TimerKey::Ask(id), asks, ASK_AGAIN);
        let campaign = self.campaigns.get(&id).expect("looked up above");
        let somebody_is_there = self.pools.get(&campaign.pool).is_some_and(|p| !p.present.is_empty());
        let looks = campaign.is_wanting && campaign.pacer.is_predictive() && somebody_is_there;
        self.run_while(TimerKey::Pace(id), looks, LOOK_EVERY);
    }

    fn run_while(&mut self, key: TimerKey, wanted: bool, length: Duration) {
        if !wanted {
            self.timers.cancel(key);
        } else if !self.timers.is_set(key) {
            self.timers.set(key, self.now.mono + length);
        }
    }

    fn retire_if_over(&mut self, id: CampaignId) {
        let Some(campaign) = self.campaigns.get_mut(&id) else { return };
        let is_over = campaign.settings.status == CampaignStatus::Ended && campaign.is_settled();
        if !is_over || campaign.is_retired {
            return;
        }
        campaign.is_retired = true;
        let key = campaign.pool;
        self.leave_campaign_pool(id, key);
        self.timers.cancel(TimerKey::Lease(id));
        self.starved.remove(&id);
        self.retired.push_back(id);
        if self.retired.len() > RETIRED_MAX
            && let Some(oldest) = self.retired.pop_front()
        {
            self.campaigns.remove(&oldest);
        }
    }
}
