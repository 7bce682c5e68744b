//! A company with what its campaigns need, and short ways to say what a behaviour does.

use super::*;

pub(super) const T0: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

pub(super) const RETRY: RetryRule = RetryRule {
    busy: Some(Duration::from_secs(60)),
    no_answer: Some(Duration::from_secs(120)),
    failed: Some(Duration::from_secs(30)),
    lost: Some(Duration::from_secs(10)),
};

pub(super) fn at(seconds: u64) -> Timestamp {
    T0.plus(Duration::from_secs(seconds))
}

pub(super) const fn page(offset: u64, limit: u32) -> Page {
    Page { offset, limit }
}

pub(super) const ALL: Page = page(0, 1000);

pub(super) fn number(n: u64) -> PhoneNumber {
    PhoneNumber::parse(&format!("138{n:08}")).expect("eleven digits")
}

pub(super) fn lead(n: u64) -> NewLead {
    NewLead {
        number: number(n),
        not_after: None,
        user_id: format!("user{n}"),
        member_id: String::new(),
        ext: format!("ext{n}"),
        custom_uuid: format!("uuid{n}"),
        time_zone: String::new(),
    }
}

pub(super) fn leads(count: u64) -> Vec<NewLead> {
    (1..=count).map(lead).collect()
}

pub(super) fn company_settings(code: &str) -> NewCompany {
    NewCompany {
        code: code.to_owned(),
        name: format!("Company {code}"),
        time_zone: "Asia/Shanghai".to_owned(),
        language: "zh".to_owned(),
        int_codes: false,
        licensed_until: None,
        allow_from: Vec::new(),
    }
}

pub(super) fn call_id(n: u64) -> CallId {
    CallId::from_parts(1_700_000_000_000 + n, u128::from(n))
}

pub(super) fn slot(n: u64) -> LeaseSlot {
    LeaseSlot { call: call_id(n), trunk: TrunkId(1), caller_id: "02188888888".to_owned() }
}

pub(super) fn slots(from: u64, count: u64) -> Vec<LeaseSlot> {
    (from..from + count).map(slot).collect()
}

/// A call that ended 20 seconds after it was dialed at `now`.
pub(super) fn record(
    campaign: CampaignId,
    leased: &LeasedLead,
    now: Timestamp,
    outcome: Outcome,
) -> CallRecord {
    let answered = outcome.is_answered().then(|| now.plus(Duration::from_secs(5)));
    CallRecord {
        call: leased.call,
        campaign,
        lead: leased.lead,
        attempt: leased.attempt,
        trunk: TrunkId(1),
        caller_id: "02188888888".to_owned(),
        dialed_at: now,
        ringing_at: Some(now.plus(Duration::from_secs(1))),
        answered_at: answered,
        bridged_at: answered.filter(|_| outcome == Outcome::Connected),
        ended_at: now.plus(Duration::from_secs(20)),
        agent: None,
        outcome,
        cause: Cause::NORMAL,
        notice: None,
        hangup_by: HangupBy::Customer,
        sip_status: 200,
        keys: String::new(),
    }
}

/// One company with an agent, a group with that agent, and campaigns made on demand.
pub(super) struct Scene<'a> {
    pub store: &'a dyn Store,
    pub company: CompanyId,
    pub agent: Extension,
    pub group: Group,
    calls: std::cell::Cell<u64>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(store: &'a dyn Store) -> Scene<'a> {
        let company = store.put_company(&company_settings("9027")).unwrap().id;
        let agent = store.put_extension(&extension(company, "100001")).unwrap();
        let group = store.add_group(&new_group(company, "sales")).unwrap();
        store.put_member(group.id, agent.id, SignIn::In).unwrap();
        Scene { store, company, agent, group, calls: std::cell::Cell::new(1) }
    }

    pub(super) fn settings(&self, taskid: &str) -> NewCampaign {
        NewCampaign {
            company: self.company,
            taskid: taskid.to_owned(),
            name: format!("Campaign {taskid}"),
            client_id: String::new(),
            assignment: Assignment::Group(self.group.id, self.group.name.clone()),
            scale: "1:1.5".to_owned(),
            manual: false,
            calls_max: 100,
            not_before: None,
            run_until: None,
            caller_ids: Vec::new(),
            attempts_max: 3,
            abandon_max: 300,
            amd: None,
            status: CampaignStatus::Running,
            call_windows: Vec::new(),
        }
    }

    /// A running campaign with `count` leads, created at `T0`.
    pub(super) fn running(&self, taskid: &str, count: u64) -> CampaignId {
        self.store.create_campaign(T0, &self.settings(taskid), &leads(count)).unwrap().campaign.id
    }

    pub(super) fn campaign(&self, id: CampaignId) -> Campaign {
        self.store.campaign_by_id(id).unwrap().unwrap()
    }

    pub(super) fn lease(&self, now: Timestamp, campaign: CampaignId, count: u64) -> Vec<LeasedLead> {
        let first = self.calls.replace(self.calls.get() + count);
        self.store.lease_leads(now, campaign, &slots(first, count)).unwrap().0
    }

    pub(super) fn supply(&self, now: Timestamp, campaign: CampaignId) -> Supply {
        self.store.lease_leads(now, campaign, &[]).unwrap().1
    }

    pub(super) fn finish(
        &self,
        now: Timestamp,
        campaign: CampaignId,
        leased: &LeasedLead,
        outcome: Outcome,
    ) -> Option<Timestamp> {
        self.store.finish_call(now, &record(campaign, leased, now, outcome), &RETRY).unwrap()
    }

    /// Leases the next lead and finishes its call at once.
    pub(super) fn call(&self, now: Timestamp, campaign: CampaignId, outcome: Outcome) -> LeasedLead {
        let leased = self.lease(now, campaign, 1).pop().expect("a lead is due");
        self.finish(now, campaign, &leased, outcome);
        leased
    }

    pub(super) fn leads(&self, campaign: CampaignId) -> Vec<Lead> {
        self.store.list_leads(campaign, ALL).unwrap().1
    }

    pub(super) fn outcomes(&self, campaign: CampaignId) -> Vec<Option<Outcome>> {
        self.leads(campaign).into_iter().map(|l| l.result.map(|r| r.outcome)).collect()
    }
}

pub(super) fn extension(company: CompanyId, number: &str) -> NewExtension {
    NewExtension { company, number: number.to_owned(), password: "secret".to_owned(), enabled: true }
}

pub(super) fn new_group(company: CompanyId, name: &str) -> NewGroup {
    NewGroup {
        company,
        name: name.to_owned(),
        enabled: true,
        strategy: Strategy::LongestIdle,
        remark: String::new(),
        automatic: true,
        queueing: Queueing { wait_s: 90, ..Queueing::default() },
    }
}

pub(super) fn refused<T: std::fmt::Debug>(result: Result<T>) -> bool {
    matches!(result, Err(StoreError::Refused(_)))
}

pub(super) fn taken<T: std::fmt::Debug>(result: Result<T>) -> &'static str {
    match result {
        Err(StoreError::Taken(what)) => what,
        other => panic!("taken was expected, not {other:?}"),
    }
}

pub(super) fn missing<T: std::fmt::Debug>(result: Result<T>) -> &'static str {
    match result {
        Err(StoreError::NotFound(what)) => what,
        other => panic!("not found was expected, not {other:?}"),
    }
}
