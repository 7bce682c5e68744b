//! A company on a virtual clock: the real engine, a store, customers and agents, and an event queue.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use engine::{
    AgentId, AgentLegs, AgentPool, AgentSettings, AgentState, CallId, CampaignId, CompanyId, Effect, Engine,
    GroupId, Input, LeadId, LegEvent, Now, PacingMode, Timestamp,
};
use fastrand::Rng;
use store::MemStore;

use crate::desk::StoreJob;
use crate::referee::{LATE_MAX, Referee, Tally};
use crate::scenario::Scenario;

/// Everything must be over by then.
const END_OF_TIME: Duration = Duration::from_secs(48 * 3600);
/// A world that needs more steps turns in a circle.
const STEPS_MAX: u64 = 400_000;

/// Something that will happen. Those of a process that died since do not.
#[derive(Debug)]
pub enum Event {
    /// The engine is told.
    Tell(Input),
    /// The store does something.
    Store(StoreJob),
    /// The engine is told what the store knows of the campaign now.
    CampaignNews(CampaignId),
    Customer(CallId, LegEvent),
    /// An agent's phone does something about the call's nth offer.
    Phone {
        call: CallId,
        agent: AgentId,
        offer: u32,
        event: LegEvent,
    },
    MessageEnds(CallId),
    KeptUpLeg {
        agent: AgentId,
        is_up: bool,
    },
    /// A command or an accident.
    Trouble,
    /// No more of them: everybody comes to work and everything works.
    Calm,
}

/// An agent as the switch and the API know them.
#[derive(Debug, Default)]
pub struct Phone {
    pub is_enabled: bool,
    pub is_registered: bool,
    pub is_paused: bool,
    pub groups: BTreeSet<GroupId>,
    pub leg_is_up: bool,
    pub leg_is_wanted: bool,
}

pub struct World {
    pub rng: Rng,
    pub scenario: Scenario,
    pub engine: Engine,
    pub store: MemStore,
    pub company: CompanyId,
    pub mono: Duration,
    /// Microseconds between the two clocks.
    pub wall_ahead: i64,
    pub phones: BTreeMap<AgentId, Phone>,
    /// The pacing of each campaign, which the store keeps in other words.
    pub pacing: BTreeMap<CampaignId, PacingMode>,
    /// Leads that were submitted and not deleted.
    pub leads: u64,
    pub recalls: u32,
    pub numbers_used: u32,
    /// Campaigns that were ended by command or deadline: they may leave leads uncalled.
    pub cut_short: BTreeSet<CampaignId>,
    pub pools_changed: bool,
    /// Campaigns whose agents were changed; the store keeps those of the beginning.
    pub moved: BTreeMap<CampaignId, AgentPool>,
    pub lead_campaigns: BTreeMap<LeadId, CampaignId>,
    pub is_draining: bool,
    pub is_calm: bool,
    pub referee: Referee,
    /// A hash of all effects in their order.
    pub trace: u64,
    queue: BTreeMap<(Duration, u64), (u64, Event)>,
    next_event: u64,
    /// Counts processes.
    pub life: u64,
}

impl World {
    pub fn new(seed: u64) -> World {
        let mut rng = Rng::with_seed(seed);
        let scenario = Scenario::new(&mut rng);
        let mut world = World {
            engine: Engine::new(scenario.config.clone(), rng.u64(..)),
            rng,
            scenario,
            store: MemStore::new(),
            company: CompanyId(0),
            mono: Duration::from_secs(1000),
            wall_ahead: 1_700_000_000_000_000,
            phones: BTreeMap::new(),
            pacing: BTreeMap::new(),
            leads: 0,
            recalls: 0,
            numbers_used: 0,
            cut_short: BTreeSet::new(),
            pools_changed: false,
            moved: BTreeMap::new(),
            lead_campaigns: BTreeMap::new(),
            is_draining: false,
            is_calm: false,
            referee: Referee::default(),
            trace: 0,
            queue: BTreeMap::new(),
            next_event: 0,
            life: 0,
        };
        world.found();
        world
    }

    pub fn now(&self) -> Now {
        Now { mono: self.mono, wall: self.wall() }
    }

    pub fn wall(&self) -> Timestamp {
        let mono_us = i64::try_from(self.mono.as_micros()).expect("the world is young");
        Timestamp(mono_us + self.wall_ahead)
    }

    pub fn after(&mut self, delay: Duration, event: Event) {
        self.next_event += 1;
        self.queue.insert((self.mono + delay, self.next_event), (self.life, event));
    }

    /// Lives until every campaign is over and looks at the books then. Panics when something is wrong.
    pub fn run(mut self) -> (Tally, u64) {
        self.open();
        let calm_after = self.scenario.trouble;
        self.after(Duration::ZERO, Event::Trouble);
        self.after(calm_after, Event::Calm);
        while !self.is_over() {
            self.step();
            assert!(
                self.mono < END_OF_TIME,
                "the campaigns end at some time: {:?}",
                self.engine.campaign_views()
            );
            assert!(self.referee.tally.steps < STEPS_MAX, "nothing turns in a circle");
        }
        self.tell(Input::Drain);
        self.is_draining = true;
        while !self.engine.is_idle() {
            self.step();
        }
        self.audit();
        (self.referee.tally, self.trace)
    }

    fn is_over(&self) -> bool {
        self.is_calm && self.engine.is_idle() && self.every_campaign_has_ended()
    }

    fn step(&mut self) {
        self.referee.tally.steps += 1;
        let next = self.queue.first_key_value().map(|((at, _), _)| *at);
        let deadline = self.engine.deadline();
        match (next, deadline) {
            (_, Some(at)) if next.is_none_or(|n| at < n) => {
                let late = self.lateness();
                self.mono = self.mono.max(at + late);
                self.tell(Input::Timeout);
            }
            (Some(_), _) => {
                let ((at, _), (life, event)) = self.queue.pop_first().expect("it has a first");
                self.mono = self.mono.max(at);
                if life == self.life || matches!(event, Event::Trouble | Event::Calm) {
                    self.happen(event);
                }
            }
            (None, _) => panic!("nothing will ever happen again: {:?}", self.engine),
        }
    }

    fn lateness(&mut self) -> Duration {
        let is_late = self.rng.u8(..10) == 0;
        if is_late { LATE_MAX.mul_f64(self.rng.f64()) } else { Duration::ZERO }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Tell(input) => self.tell(input),
            Event::Store(job) => self.work(job),
            Event::CampaignNews(id) => self.tell_campaign(id, (0, 0)),
            Event::Customer(call, event) => self.customer(call, event),
            Event::Phone { call, agent, offer, event } => self.phone(call, agent, offer, event),
            Event::MessageEnds(call) => self.tell(Input::MessagePlayed { call }),
            Event::KeptUpLeg { agent, is_up } => self.kept_up_leg(agent, is_up),
            Event::Trouble => self.trouble(),
            Event::Calm => self.calm(),
        }
    }

    /// Tells the engine, does what it wants, and looks whether all is well.
    pub fn tell(&mut self, input: Input) {
        self.engine.handle(self.now(), input);
        self.engine.check();
        let mut effects = Vec::new();
        while let Some(effect) = self.engine.poll() {
            effects.push(effect);
        }
        self.check_pacing(&effects);
        for effect in effects {
            self.trace = hash(self.trace, &format!("{:?}{effect:?}", self.mono));
            self.carry_out(effect);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::LeaseLeads { request, campaign, slots } => {
                self.ask_store(StoreJob::Lease { request, campaign, slots });
            }
            Effect::ReturnLeads { calls } => self.ask_store(StoreJob::Return(calls)),
            Effect::SaveCall(record) => {
                self.referee.save(&record);
                self.ask_store(StoreJob::Save(record));
            }
            Effect::EndCampaign { campaign, why } => self.ask_store(StoreJob::End(campaign, why)),
            Effect::CampaignStarted { .. } => {}
            Effect::Answer { .. }
            | Effect::OpenDirect(_)
            | Effect::RingAgent { .. }
            | Effect::PlayRingback { .. }
            | Effect::TakeLine { .. }
            | Effect::Referred { .. }
            | Effect::TakeOver { .. }
            | Effect::TakePlace { .. }
            | Effect::TakeLegOf { .. }
            | Effect::ReferTold { .. }
            | Effect::TakeCustomer { .. }
            | Effect::PlayHold { .. }
            | Effect::RefuseLine { .. }
            | Effect::DialAgent { .. }
            | Effect::RingSupervisor { .. }
            | Effect::Watch { .. }
            | Effect::SaveDirect(_) => unreachable!("nobody asks for calls here"),
            Effect::Dial(dial) => self.dial(dial),
            Effect::Offer { call, agent } => self.offer(call, agent),
            Effect::CancelOffer { call, agent } => self.referee.cancel_offer(call, agent),
            Effect::Bridge { call, agent } => self.bridge(call, agent),
            Effect::PlayMessage { call } => self.play_message(call),
            Effect::Cancel { call } => self.cancel(call),
            Effect::HangUp { call } => self.referee.hang_up(call),
            Effect::RaiseAgentLeg { agent } => self.raise_leg(agent),
            Effect::DropAgentLeg { agent } => self.drop_leg(agent),
        }
    }

    /// A progressive campaign that asks for leads has no more calls in flight than it sees idle agents, nor have all
    /// together that share the same agents.
    fn check_pacing(&self, effects: &[Effect]) {
        let asking = effects.iter().filter_map(|e| match e {
            Effect::LeaseLeads { campaign, .. } => Some(*campaign),
            _ => None,
        });
        let asking: Vec<CampaignId> = asking.collect();
        if asking.is_empty() {
            return;
        }
        let agents = self.engine.agent_views();
        let offered = |id| {
            let offers =
                agents.iter().filter(|a| a.state == AgentState::Offered).filter_map(|a| a.call.as_ref());
            u32::try_from(offers.filter(|c| c.campaign == Some(id)).count()).expect("few agents")
        };
        let mut in_all = 0;
        for view in self.engine.campaign_views() {
            let in_flight = view.leases_pending + view.ringing + view.waiting - offered(view.campaign);
            in_all += in_flight;
            let is_progressive = self.pacing[&view.campaign] == PacingMode::Progressive;
            if asking.contains(&view.campaign) && is_progressive {
                assert!(in_flight <= view.agents_ready, "progressive: {view:?}");
            }
        }
        let ready = self.engine.campaign_views().iter().map(|v| v.agents_ready).max().unwrap_or(0);
        assert!(!self.shares_all() || in_all <= ready, "shared agents are counted once: {in_all} of {ready}");
    }

    /// Every campaign is progressive and of the same group.
    fn shares_all(&self) -> bool {
        let plans = &self.scenario.campaigns;
        let group = plans[0].group;
        let same = group.is_some() && plans.iter().all(|p| p.group == group);
        same && self.pacing.values().all(|p| *p == PacingMode::Progressive) && !self.pools_changed
    }

    pub fn agent_settings(&self, agent: AgentId) -> AgentSettings {
        let enabled = self.phones[&agent].is_enabled;
        AgentSettings { agent, extension: (1000 + agent.0).to_string(), enabled }
    }

    /// Whether somebody could take calls of the campaign as far as the world knows.
    pub fn somebody_is_there(&self, campaign: CampaignId) -> bool {
        let pool = self.pool_of(campaign);
        self.phones.iter().any(|(id, phone)| {
            let leg = self.scenario.config.agent_legs == AgentLegs::RungPerCall || phone.leg_is_up;
            phone.is_enabled && phone.is_registered && !phone.is_paused && leg && self.is_in(*id, &pool)
        })
    }

    pub fn is_in(&self, agent: AgentId, pool: &AgentPool) -> bool {
        match pool {
            AgentPool::Extensions(agents) => agents.contains(&agent),
            AgentPool::Group(id) => {
                let enabled = self.scenario.groups.iter().any(|g| g.group == *id && g.enabled);
                enabled && self.phones[&agent].groups.contains(id)
            }
        }
    }
}

/// FNV-1a.
fn hash(seed: u64, text: &str) -> u64 {
    text.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}
