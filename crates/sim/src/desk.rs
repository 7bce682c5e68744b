//! The company's desk: founding it, the store's work, and the campaigns as the engine is told of them.

use std::time::Duration;

use engine::{
    AgentPool, CallId, CallRecord, CampaignId, CampaignSettings, CampaignStatus, EndReason, GroupId, Input,
    LeadId, LeaseId, LeaseSlot, PhoneNumber, Supply, Timestamp,
};
use store::{Assignment, NewCampaign, NewCompany, NewLead, RetryRule, Store};

use crate::scenario::{CampaignPlan, about};
use crate::world::{Event, World};

pub const RETRY: RetryRule = RetryRule {
    busy: Some(Duration::from_secs(60)),
    no_answer: Some(Duration::from_secs(300)),
    failed: Some(Duration::from_secs(30)),
    lost: Some(Duration::from_secs(10)),
};

#[derive(Clone, Debug)]
pub enum StoreJob {
    Lease { request: LeaseId, campaign: CampaignId, slots: Vec<LeaseSlot> },
    Return(Vec<CallId>),
    Save(Box<CallRecord>),
    End(CampaignId, EndReason),
}

/// What becomes of a verb.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Done,
    NotDone,
    /// Done, but nobody hears of it.
    AnswerLost,
}

impl World {
    pub fn found(&mut self) {
        let company = NewCompany {
            code: "1".into(),
            name: "sim".into(),
            time_zone: "Asia/Shanghai".into(),
            language: "zh".into(),
            int_codes: false,
            licensed_until: None,
            allow_from: Vec::new(),
        };
        self.company = self.store.put_company(&company).expect("a new company").id;
        for agent in self.scenario.agents.clone() {
            self.phones.insert(agent, crate::world::Phone { is_enabled: true, ..Default::default() });
        }
        for (i, plan) in self.scenario.campaigns.clone().into_iter().enumerate() {
            self.create_campaign(i, &plan);
        }
    }

    fn create_campaign(&mut self, i: usize, plan: &CampaignPlan) {
        let assignment = match plan.group {
            Some(group) => Assignment::Group(group, group.to_string()),
            None => Assignment::Extensions(plan.extensions.iter().map(|a| (*a, a.to_string())).collect()),
        };
        let wall = self.wall();
        let campaign = NewCampaign {
            company: self.company,
            taskid: format!("{i:020}"),
            name: String::new(),
            client_id: String::new(),
            assignment,
            scale: "1:1".into(),
            manual: false,
            calls_max: plan.calls_max,
            not_before: plan.not_before.map(|d| wall.plus(d)),
            run_until: plan.run_until.map(|d| wall.plus(d)),
            caller_ids: (0..plan.caller_ids).map(|n| format!("400{n}")).collect(),
            attempts_max: plan.attempts_max,
            abandon_max: 300,
            amd: None,
            status: if plan.starts_running { CampaignStatus::Running } else { CampaignStatus::Draft },
            call_windows: Vec::new(),
        };
        let leads = self.new_leads(plan.leads);
        let created = self.store.create_campaign(wall, &campaign, &leads).expect("a good campaign");
        self.leads += u64::from(plan.leads);
        self.pacing.insert(created.campaign.id, plan.pacing);
    }

    pub fn new_leads(&mut self, count: u32) -> Vec<NewLead> {
        let wall = self.wall();
        let mut leads = Vec::new();
        for _ in 0..count {
            self.numbers_used += 1;
            let number = PhoneNumber::parse(&format!("138{:08}", self.numbers_used)).expect("digits");
            let limited = self.rng.u8(..20) == 0;
            let not_after = limited.then(|| wall.plus(Duration::from_secs(self.rng.u64(1..2000))));
            leads.push(NewLead {
                number,
                not_after,
                user_id: String::new(),
                member_id: String::new(),
                ext: String::new(),
                custom_uuid: String::new(),
                time_zone: String::new(),
            });
        }
        leads
    }

    /// A process starts: the engine is told everything.
    pub fn open(&mut self) {
        for agent in self.scenario.agents.clone() {
            self.tell(Input::Agent(self.agent_settings(agent)));
        }
        for group in self.scenario.groups.clone() {
            self.tell(Input::Group(group));
        }
        for trunk in self.scenario.trunks.clone() {
            self.tell(Input::Trunk(trunk));
        }
        if self.rng.bool() {
            self.tell(Input::CallerIds(vec!["95001".into(), "95002".into()]));
        }
        let wall = self.wall();
        self.store.rescue_calls(wall, self.company, &RETRY).expect("a working store");
        let since = Timestamp(wall.0 - 86_400_000_000);
        for campaign in self.store.open_campaigns(self.company).expect("a working store") {
            let before = self.store.answered_since(campaign.id, since).expect("a working store");
            self.tell_campaign(campaign.id, before);
        }
        for agent in self.scenario.agents.clone() {
            let phone = &self.phones[&agent];
            let (registered, paused, groups) = (phone.is_registered, phone.is_paused, phone.groups.clone());
            if paused {
                self.tell(Input::Paused { agent });
            }
            if registered {
                self.tell(Input::Registered { agent });
            }
            for group in groups {
                self.tell(Input::SignedIn { agent, group });
            }
        }
    }

    /// Tells the engine the campaign as the store knows it.
    pub fn tell_campaign(&mut self, id: CampaignId, before: (u32, u32)) {
        let campaign = self.store.campaign_by_id(id).expect("a working store").expect("a campaign stays");
        let settings = &campaign.settings;
        self.tell(Input::Campaign(CampaignSettings {
            campaign: id,
            status: settings.status,
            pool: self.pool_of(id),
            pacing: self.pacing[&id],
            calls_max: settings.calls_max,
            not_before: settings.not_before,
            run_until: settings.run_until,
            caller_ids: settings.caller_ids.clone(),
            abandon_max: settings.abandon_max,
            answered_before: before.0,
            abandoned_before: before.1,
            amd: false,
        }));
    }

    fn campaign(&self, id: CampaignId) -> store::Campaign {
        self.store.campaign_by_id(id).expect("a working store").expect("a campaign stays")
    }

    pub fn status(&self, id: CampaignId) -> CampaignStatus {
        self.campaign(id).settings.status
    }

    pub fn pool_of(&self, id: CampaignId) -> AgentPool {
        if let Some(pool) = self.moved.get(&id) {
            return pool.clone();
        }
        match self.campaign(id).settings.assignment {
            Assignment::Extensions(list) => {
                AgentPool::Extensions(list.into_iter().map(|(agent, _)| agent).collect())
            }
            Assignment::Group(group, _) => AgentPool::Group(GroupId(group.0)),
        }
    }

    pub fn calls_max(&self, id: CampaignId) -> usize {
        self.campaign(id).settings.calls_max as usize
    }

    pub fn campaign_of(&self, lead: LeadId) -> Option<CampaignId> {
        self.lead_campaigns.get(&lead).copied()
    }

    pub fn every_campaign_has_ended(&self) -> bool {
        self.pacing.keys().all(|id| self.status(*id) == CampaignStatus::Ended)
    }

    /// The store gets to it after a while.
    pub fn ask_store(&mut self, job: StoreJob) {
        let delay = about(&mut self.rng, self.scenario.store.delay);
        self.after(delay, Event::Store(job));
    }

    fn fate(&mut self) -> Fate {
        let dice = self.rng.u32(..1000);
        let store = &self.scenario.store;
        match () {
            () if self.is_calm => Fate::Done,
            () if dice < store.failing => Fate::NotDone,
            () if dice < store.failing + store.lost_answers => Fate::AnswerLost,
            () => Fate::Done,
        }
    }

    pub fn work(&mut self, job: StoreJob) {
        let fate = self.fate();
        let answer = match job {
            StoreJob::Lease { request, campaign, slots } => Some(self.lease(fate, request, campaign, &slots)),
            StoreJob::Return(calls) => Some(self.give_back(fate, calls)),
            StoreJob::Save(record) => Some(self.save(fate, &record)),
            StoreJob::End(campaign, why) => self.end(fate, campaign, why),
        };
        let delay = about(&mut self.rng, self.scenario.store.delay);
        if let Some(event) = answer {
            self.after(delay, event);
        }
    }

    fn lease(&mut self, fate: Fate, request: LeaseId, campaign: CampaignId, slots: &[LeaseSlot]) -> Event {
        if fate == Fate::NotDone {
            return Event::Tell(Input::LeaseFailed { request });
        }
        let done = self.store.lease_leads(self.wall(), campaign, slots);
        let (leads, next_due) = done.unwrap_or((Vec::new(), Supply::Exhausted));
        for lead in &leads {
            self.referee.leased.insert(lead.call, lead.lead);
            self.lead_campaigns.insert(lead.lead, campaign);
        }
        match fate {
            Fate::AnswerLost => Event::Tell(Input::LeaseFailed { request }),
            _ => Event::Tell(Input::LeadsLeased { request, leads, next_due }),
        }
    }

    fn give_back(&mut self, fate: Fate, calls: Vec<CallId>) -> Event {
        if fate != Fate::NotDone {
            assert!(
                calls.iter().all(|c| !self.referee.dialed.contains(c)),
                "what was dialed is not given back"
            );
            self.store.return_leads(&calls).expect("a working store");
            for call in &calls {
                self.referee.leased.remove(call);
                self.referee.tally.returned += 1;
            }
        }
        match fate {
            Fate::Done => Event::Tell(Input::ReturnDone { calls }),
            _ => Event::Tell(Input::ReturnFailed { calls }),
        }
    }

    fn save(&mut self, fate: Fate, record: &CallRecord) -> Event {
        let call = record.call;
        if fate == Fate::NotDone {
            return Event::Tell(Input::SaveFailed { call });
        }
        let retry_at = self.store.finish_call(self.wall(), record, &RETRY).expect("the call has a row");
        self.referee.saved.insert(call);
        match fate {
            Fate::AnswerLost => Event::Tell(Input::SaveFailed { call }),
            _ => Event::Tell(Input::CallSaved { call, retry_at }),
        }
    }

    fn end(&mut self, fate: Fate, campaign: CampaignId, why: EndReason) -> Option<Event> {
        if fate == Fate::NotDone {
            return None;
        }
        let ended = self.store.end_campaign(self.wall(), campaign, why).expect("a working store");
        if ended.is_some() && why == EndReason::Deadline {
            self.cut_short.insert(campaign);
        }
        match (fate, ended) {
            (Fate::AnswerLost, _) => None,
            (_, Some(_)) => Some(Event::CampaignNews(campaign)),
            (_, None) => {
                self.referee.tally.ends_refused += 1;
                Some(Event::Tell(Input::EndRefused { campaign }))
            }
        }
    }
}
