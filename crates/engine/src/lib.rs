//! WHO to call, WHEN, and WHICH agent gets the answer. Pure: no clock, no sockets, no SQL, no threads.
//!
//! One [`Engine`] decides for one company. Tell it what happened with [`Engine::handle`], do what [`Engine::poll`] says
//! until it is `None`, then sleep until [`Engine::deadline`] and send [`Input::Timeout`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

mod agent;
mod call;
mod campaign;
mod check;
mod command;
pub mod compliance;
mod config;
mod consult;
mod direct;
mod effect;
mod group;
mod heard;
mod id;
mod input;
mod lease;
mod number;
mod outcome;
mod outside;
mod pacing;
mod predict;
mod replace;
mod share;
#[cfg(test)]
mod tests;
mod time;
mod timer;
mod transfer;
mod trunk;
mod view;
mod watch;

pub use command::*;
pub use config::*;
pub use direct::*;
pub use effect::*;
pub use heard::{Answerer, Heard, Notice};
pub use id::*;
pub use input::*;
pub use number::*;
pub use outcome::*;
pub use pacing::look_ahead::{self, BoundBy, PacingDecision};
pub use replace::Replace;
pub use time::*;
pub use transfer::TransferTarget;
pub use view::*;
pub use watch::{WatchMode, WatchStart};

use agent::Agent;
use call::Call;
use campaign::Campaign;
use direct::Direct;
use group::{Pool, PoolKey};
use lease::{Lease, Return};
use timer::{TimerKey, Timers};
use trunk::Trunks;

/// A difference between the clocks' steps above this is a jump of the wall clock.
const WALL_JUMP: Duration = Duration::from_secs(1);

/// Decides for one company. The same seed and the same inputs give the same effects.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    rng: fastrand::Rng,
    now: Now,
    effects: VecDeque<Effect>,
    timers: Timers,
    campaigns: BTreeMap<CampaignId, Campaign>,
    /// Ended campaigns without a call, oldest first: kept for a while in case they are called again.
    retired: VecDeque<CampaignId>,
    agents: BTreeMap<AgentId, Agent>,
    pools: BTreeMap<PoolKey, Pool>,
    /// The pools of each agent, known or not.
    memberships: BTreeMap<AgentId, BTreeSet<PoolKey>>,
    trunks: Trunks,
    /// The company's, and how many of them were used so far.
    caller_ids: Vec<String>,
    caller_ids_used: usize,
    calls: BTreeMap<CallId, Call>,
    /// Calls that are no campaign's.
    directs: BTreeMap<CallId, Direct>,
    outbound: OutboundRule,
    inbound: InboundRule,
    /// Customers who called and for whom no agent was free, the longest waiting first.
    callers_waiting: BTreeSet<(u64, CallId)>,
    callers_taken: u64,
    dialed_by_hand: direct::DialedByHand,
    /// Calls of agents beside the talk that they are in.
    consults: BTreeMap<AgentId, CallId>,
    /// Supervisors in calls, by the ids of their legs.
    watches: BTreeMap<CallId, watch::Watch>,
    /// Direct calls that wait for a trunk.
    trunkless: BTreeSet<CallId>,
    leases: BTreeMap<LeaseId, Lease>,
    /// Results that the store has not confirmed.
    unsaved: BTreeMap<CallId, CallRecord>,
    unsaved_directs: BTreeMap<CallId, DirectRecord>,
    /// Leases whose undoing the store has not confirmed.
    returning: BTreeMap<CallId, Return>,
    last_lease: u64,
    /// Rises with whatever queues: answered calls, idle agents.
    next_order: u64,
    /// Slots of leases under way.
    reserved: u32,
    /// Agents offered or talking.
    seats_taken: u32,
    draining: bool,
    // Marks of the present input, worked off by `settle`.
    newly_ready: BTreeSet<(u64, AgentId)>,
    unplaced: BTreeSet<(u64, CallId)>,
    dirty: BTreeSet<CampaignId>,
    to_pace: BTreeSet<CampaignId>,
    shares_stale: bool,
    /// Campaigns that share agents, by the first of them.
    sharing: BTreeMap<CampaignId, Vec<CampaignId>>,
    /// When so many campaigns were paced last that this is not done for each input, by the first of them.
    crowds_paced: BTreeMap<CampaignId, Duration>,
    /// Campaigns that wanted calls but had no trunk, or waited for the store.
    starved: BTreeSet<CampaignId>,
}

impl Engine {
    /// `seed`: of call ids and random picks. Two engines of one company must have different ones.
    pub fn new(config: Config, seed: u64) -> Engine {
        Engine {
            config,
            rng: fastrand::Rng::with_seed(seed),
            now: Now::default(),
            effects: VecDeque::new(),
            timers: Timers::default(),
            campaigns: BTreeMap::new(),
            retired: VecDeque::new(),
            agents: BTreeMap::new(),
            pools: BTreeMap::new(),
            memberships: BTreeMap::new(),
            trunks: Trunks::default(),
            caller_ids: Vec::new(),
            caller_ids_used: 0,
            calls: BTreeMap::new(),
            directs: BTreeMap::new(),
            outbound: OutboundRule::default(),
            inbound: InboundRule::default(),
            callers_waiting: BTreeSet::new(),
            callers_taken: 0,
            dialed_by_hand: BTreeMap::new(),
            consults: BTreeMap::new(),
            watches: BTreeMap::new(),
            trunkless: BTreeSet::new(),
            leases: BTreeMap::new(),
            unsaved: BTreeMap::new(),
            unsaved_directs: BTreeMap::new(),
            returning: BTreeMap::new(),
            last_lease: 0,
            next_order: 0,
            reserved: 0,
            seats_taken: 0,
            draining: false,
            newly_ready: BTreeSet::new(),
            unplaced: BTreeSet::new(),
            dirty: BTreeSet::new(),
            to_pace: BTreeSet::new(),
            shares_stale: false,
            sharing: BTreeMap::new(),
            crowds_paced: BTreeMap::new(),
            starved: BTreeSet::new(),
        }
    }

    /// One mutation. `now.mono` must not go back (an earlier one counts as the last); `now.wall` may jump.
    pub fn handle(&mut self, now: Now, input: Input) {
        self.advance(now);
        // A customer who has answered is not given up by a timer that comes late.
        if matches!(input, Input::Customer { .. }) {
            self.apply(input);
            self.fire_timers();
        } else {
            self.fire_timers();
            self.apply(input);
        }
        self.settle();
        self.check_counters();
    }

    fn fire_timers(&mut self) {
        for key in self.timers.due(self.now.mono) {
            if self.timers.take(key, self.now.mono) {
                self.timer_fired(key);
            }
        }
    }

    /// The next thing to do. Drain until `None` after each `handle`.
    pub fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When to send `Input::Timeout`, on the mono clock. Wall-clock times are looked at again every minute at least, so a
    /// jump of the wall clock does no harm.
    pub fn deadline(&self) -> Option<Duration> {
        self.timers.first()
    }

    /// It was told of the campaign, which may have ended since.
    pub fn has_campaign(&self, campaign: CampaignId) -> bool {
        self.campaigns.contains_key(&campaign)
    }

    /// No call, no lease, nothing unsaved: a drain is over.
    pub fn is_idle(&self) -> bool {
        self.calls.is_empty()
            && self.directs.is_empty()
            && self.leases.is_empty()
            && self.unsaved.is_empty()
            && self.unsaved_directs.is_empty()
            && self.returning.is_empty()
    }

    fn advance(&mut self, now: Now) {
        let mono = now.mono.max(self.now.mono);
        let expected = self.now.wall.plus(mono - self.now.mono);
        let jump = now.wall.since(expected).max(expected.since(now.wall));
        self.now = Now { mono, wall: now.wall };
        if jump > WALL_JUMP {
            for campaign in self.campaigns.keys() {
                self.timers.cancel(TimerKey::Wall(*campaign));
                self.dirty.insert(*campaign);
            }
        }
    }

    fn timer_fired(&mut self, key: TimerKey) {
        match key {
            TimerKey::Call(call) => self.call_timer(call),
            TimerKey::Offer(call) => self.offer_overdue(call),
            TimerKey::Judge(call) => self.judging_over(call),
            TimerKey::Save(call) => self.save_again(call),
            TimerKey::Returns => self.return_again(),
            TimerKey::Seat(agent) => self.rest_over(agent),
            TimerKey::Leg(agent) => self.refresh_leg(agent),
            TimerKey::Wall(campaign) | TimerKey::Lease(campaign) | TimerKey::Pace(campaign) => {
                self.mark(campaign);
            }
            TimerKey::Ask(campaign) => self.ask_again(campaign),
            TimerKey::End(campaign) => self.end_again(campaign),
            TimerKey::Token => self.wake_starved(),
        }
    }

    fn apply(&mut self, input: Input) {
        match input {
            Input::Timeout => {}
            Input::Campaign(settings) => self.campaign_changed(settings),
            Input::LeadsAdded { campaign } => self.leads_added(campaign),
            Input::EndRefused { campaign } => self.end_refused(campaign),
            Input::Agent(settings) => self.agent_changed(settings),
            Input::Group(settings) => self.group_changed(&settings),
            Input::GroupRemoved(group) => self.group_removed(group),
            Input::Trunk(settings) => {
                self.trunks.put(settings, self.now.mono);
                self.wake_starved();
            }
            Input::CallerIds(numbers) => self.caller_ids = numbers,
            Input::Registered { agent } => self.set_registered(agent, true),
            Input::Unregistered { agent } => self.set_registered(agent, false),
            Input::SignedIn { agent, group } => self.join_pool(agent, PoolKey::Group(group)),
            Input::SignedOut { agent, group } => self.leave_pool(agent, PoolKey::Group(group)),
            Input::Paused { agent } => self.set_paused(agent, true),
            Input::Unpaused { agent } => self.set_paused(agent, false),
            Input::AgentLegUp { agent } => self.leg_up(agent),
            Input::AgentLegDown { agent } => self.leg_down(agent),
            Input::LeadsLeased { request, leads, next_due } => self.leads_leased(request, leads, next_due),
            Input::LeaseFailed { request } => self.lease_failed(request),
            Input::CallSaved { call, retry_at } => self.call_saved(call, retry_at),
            Input::SaveFailed { call } => self.save_failed(call),
            Input::ReturnDone { calls } => self.return_done(&calls),
            Input::ReturnFailed { calls } => self.return_failed(&calls),
            Input::DirectOpened { call } => self.direct_opened(call),
            Input::DirectNotOpened { call } => self.direct_not_opened(call),
            Input::DirectSaved { call } => self.direct_saved(call),
            Input::DirectSaveFailed { call } => self.direct_save_failed(call),
            Input::DialRefused { call } => self.dial_refused(call),
            Input::Customer { call, event } => self.customer_event(call, event),
            Input::AgentLeg { call, agent, event } => self.agent_event(call, agent, event),
            Input::MessagePlayed { call } => self.message_played(call),
            Input::HangUp { agent } => self.hang_up(agent),
            Input::Referred { agent, to } => self.referred(agent, to),
            Input::ReferredOutside { agent, number } => self.referred_outside(agent, number),
            Input::Joined { agent } => self.joined(agent),
            Input::Replaces(wish) => self.replaces(wish),
            Input::Inbound(rule) => self.inbound = rule,
            Input::CustomerCalls(call) => self.customer_calls(call),
            Input::InboundOpened { call, last } => self.inbound_opened(call, last),
            Input::Outbound(rule) => self.outbound = rule,
            Input::PhoneCalls(dialed) => self.phone_calls(dialed),
            Input::Command { request, command } => self.command(request, command),
            Input::Drain => self.drain(),
        }
    }

    /// Works off the marks: calls meet agents first, then campaigns are looked at, then new calls are wanted.
    fn settle(&mut self) {
        self.serve_trunkless();
        loop {
            self.match_calls_with_agents();
            let Some(campaign) = self.dirty.pop_first() else { break };
            self.refresh_campaign(campaign);
            self.to_pace.insert(campaign);
        }
        self.pace();
    }

    /// The campaign is looked at before this input is done.
    fn mark(&mut self, campaign: CampaignId) {
        self.dirty.insert(campaign);
    }

    /// What lacked may be there again.
    fn wake_starved(&mut self) {
        self.dirty.append(&mut self.starved);
    }

    fn drain(&mut self) {
        self.draining = true;
        self.dirty.extend(self.campaigns.keys());
    }

    fn emit(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    fn order(&mut self) -> u64 {
        self.next_order += 1;
        self.next_order
    }
}
