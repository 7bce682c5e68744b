//! The rules of the engine, one by one, on a virtual clock.

mod agents;
mod answering;
mod consult;
mod dialing;
mod direct;
mod ending;
mod heard;
mod inbound;
mod kept_up;
mod monkey;
mod offers;
mod outside;
mod phone;
mod replace;
mod ringing;
mod sharing;
mod store;
mod transfer;
mod watching;

use std::time::Duration;

use crate::*;

pub const GROUP: GroupId = GroupId(1);
pub const CAMPAIGN: CampaignId = CampaignId(1);
pub const RINGING: LegEvent = LegEvent::Ringing { early_media: false };
/// 487 for the INVITE.
pub const CANCELLED: LegEvent =
    LegEvent::Failed(Failure { outcome: Outcome::NoAnswer, cause: Cause::CANCELLED, sip_status: 487 });
pub const HUNG_UP: LegEvent = LegEvent::HungUp { cause: Cause::NORMAL };

pub fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub fn failed(outcome: Outcome, cause: Cause, sip_status: u16) -> LegEvent {
    LegEvent::Failed(Failure { outcome, cause, sip_status })
}

/// An engine with a clock. Group 1 has whoever signs in; there is one large trunk.
pub struct Desk {
    pub engine: Engine,
    pub now: Now,
    leads: i64,
}

impl Desk {
    pub fn new(config: Config) -> Desk {
        let wall = Timestamp::from_unix_seconds(1_700_000_000);
        let mut desk = Desk { engine: Engine::new(config, 7), now: Now { mono: secs(5), wall }, leads: 0 };
        desk.tell(Input::Trunk(TrunkSettings {
            trunk: TrunkId(1),
            enabled: true,
            channels_max: 1000,
            cps_max: 0,
        }));
        desk.tell(Input::Group(group(Strategy::LongestIdle, &[])));
        desk
    }

    /// With so many agents at work and one running campaign.
    pub fn with(agents: i64, pacing: PacingMode) -> Desk {
        let mut desk = Desk::new(Config::default());
        desk.agents_at_work(agents);
        desk.tell(Input::Campaign(campaign(pacing)));
        desk
    }

    /// With one progressive campaign whose customer has just answered.
    pub fn with_answered_call(agents: i64, config: Config) -> (Desk, CallId, Vec<Effect>) {
        let mut desk = Desk::new(config);
        desk.agents_at_work(agents);
        let mut settings = campaign(PacingMode::Progressive);
        settings.calls_max = 1;
        let asked = desk.tell(Input::Campaign(settings));
        let call = desk.dial(&asked)[0];
        desk.customer(call, RINGING);
        let effects = desk.customer(call, LegEvent::Answered);
        (desk, call, effects)
    }

    pub fn tell(&mut self, input: Input) -> Vec<Effect> {
        self.engine.handle(self.now, input);
        self.engine.check();
        std::iter::from_fn(|| self.engine.poll()).collect()
    }

    /// Lets time pass, with a time-out whenever the engine wants one.
    pub fn wait(&mut self, length: Duration) -> Vec<Effect> {
        let end = self.now.mono + length;
        let mut effects = Vec::new();
        for _ in 0..100_000 {
            let next = self.engine.deadline().filter(|at| *at <= end).unwrap_or(end);
            let step = next.saturating_sub(self.now.mono);
            self.now = Now { mono: self.now.mono + step, wall: self.now.wall.plus(step) };
            effects.extend(self.tell(Input::Timeout));
            if self.now.mono == end && self.engine.deadline().is_none_or(|at| at > end) {
                return effects;
            }
        }
        panic!("the engine's timers turn in a circle");
    }

    pub fn agents_at_work(&mut self, count: i64) {
        for id in 1..=count {
            self.agent_at_work(AgentId(id));
        }
    }

    pub fn agent_at_work(&mut self, agent: AgentId) -> Vec<Effect> {
        self.tell(Input::Agent(AgentSettings { agent, extension: agent.to_string(), enabled: true }));
        let mut effects = self.tell(Input::Registered { agent });
        effects.extend(self.tell(Input::SignedIn { agent, group: GROUP }));
        effects
    }

    pub fn customer(&mut self, call: CallId, event: LegEvent) -> Vec<Effect> {
        self.tell(Input::Customer { call, event })
    }

    pub fn agent(&mut self, call: CallId, agent: i64, event: LegEvent) -> Vec<Effect> {
        self.tell(Input::AgentLeg { call, agent: AgentId(agent), event })
    }

    /// Answers every lease request of `effects` with `count` leads at most.
    pub fn lease(&mut self, effects: &[Effect], count: usize, next_due: Supply) -> Vec<Effect> {
        let mut after = Vec::new();
        for effect in effects {
            let Effect::LeaseLeads { request, slots, .. } = effect else { continue };
            let leads = slots.iter().take(count).map(|s| self.lead(s.call)).collect();
            after.extend(self.tell(Input::LeadsLeased { request: *request, leads, next_due }));
        }
        after
    }

    pub fn lead(&mut self, call: CallId) -> LeasedLead {
        self.leads += 1;
        let number = PhoneNumber::parse(&format!("1380000{:04}", self.leads)).unwrap();
        LeasedLead { call, lead: LeadId(self.leads), number, attempt: 1 }
    }

    /// Gives as many leads as are asked for, and more are there. The calls dialed.
    pub fn dial(&mut self, effects: &[Effect]) -> Vec<CallId> {
        let effects = self.lease(effects, usize::MAX, Supply::Available);
        dialed(&effects)
    }

    /// Dials, lets the customer answer and agent answer: the first call that the effects ask for. Gives the agent.
    pub fn talk(&mut self, asked: &[Effect]) -> (CallId, AgentId) {
        let call = self.dial(asked)[0];
        let effects = self.customer(call, LegEvent::Answered);
        let agent = offered(&effects).expect("somebody is ready").1;
        self.agent(call, agent.0, LegEvent::Answered);
        (call, agent)
    }

    pub fn saved(&mut self, effects: &[Effect]) -> Vec<Effect> {
        let mut after = Vec::new();
        for record in records(effects) {
            after.extend(self.tell(Input::CallSaved { call: record.call, retry_at: None }));
        }
        after
    }

    pub fn state(&self, agent: i64) -> AgentState {
        self.engine.agent_view(AgentId(agent)).unwrap().state
    }

    pub fn view(&self) -> CampaignView {
        self.engine.campaign_views().remove(0)
    }
}

pub fn campaign(pacing: PacingMode) -> CampaignSettings {
    CampaignSettings {
        campaign: CAMPAIGN,
        status: CampaignStatus::Running,
        pool: AgentPool::Group(GROUP),
        pacing,
        calls_max: 100,
        not_before: None,
        run_until: None,
        caller_ids: Vec::new(),
        abandon_max: 300,
        answered_before: 0,
        abandoned_before: 0,
        amd: false,
    }
}

pub fn group(strategy: Strategy, members: &[i64]) -> GroupSettings {
    let members = members.iter().map(|id| AgentId(*id)).collect();
    GroupSettings { group: GROUP, strategy, enabled: true, members, callers: CallerTimes::default() }
}

/// Slots asked for.
pub fn slots(effects: &[Effect]) -> usize {
    let count = |e: &Effect| if let Effect::LeaseLeads { slots, .. } = e { slots.len() } else { 0 };
    effects.iter().map(count).sum()
}

pub fn request(effects: &[Effect]) -> LeaseId {
    let find = |e: &Effect| if let Effect::LeaseLeads { request, .. } = e { Some(*request) } else { None };
    effects.iter().find_map(find).expect("a lease request")
}

pub fn dialed(effects: &[Effect]) -> Vec<CallId> {
    let find = |e: &Effect| if let Effect::Dial(dial) = e { Some(dial.call) } else { None };
    effects.iter().filter_map(find).collect()
}

pub fn offered(effects: &[Effect]) -> Option<(CallId, AgentId)> {
    let find = |e: &Effect| if let Effect::Offer { call, agent } = e { Some((*call, *agent)) } else { None };
    effects.iter().find_map(find)
}

pub fn records(effects: &[Effect]) -> Vec<CallRecord> {
    let find = |e: &Effect| if let Effect::SaveCall(record) = e { Some((**record).clone()) } else { None };
    effects.iter().filter_map(find).collect()
}

pub fn record(effects: &[Effect]) -> CallRecord {
    let mut records = records(effects);
    assert_eq!(records.len(), 1, "one result in {effects:?}");
    records.remove(0)
}

pub fn ends(effects: &[Effect]) -> Vec<EndReason> {
    let find = |e: &Effect| if let Effect::EndCampaign { why, .. } = e { Some(*why) } else { None };
    effects.iter().filter_map(find).collect()
}
