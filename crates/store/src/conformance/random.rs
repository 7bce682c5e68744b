//! Seeded sequences of verbs: a driver answers each as `MemStore` does.

use super::*;

const SEEDS: u64 = 12;
const STEPS: u64 = 300;

pub(super) fn the_driver_answers_as_the_memory_does(store: &dyn Store) {
    for seed in 0..SEEDS {
        let model = MemStore::new();
        let mut life = Life::new(seed, &model, store);
        for step in 0..STEPS {
            life.now = life.now.plus(Duration::from_secs(life.random.u64(0..20)));
            life.step(step);
            if step % 50 == 49 {
                life.compare_everything();
            }
        }
        life.compare_everything();
    }
}

/// One seed's company. Ids differ between the stores only in that the driver has the companies of earlier seeds.
struct Life<'a> {
    random: fastrand::Rng,
    seed: u64,
    model: &'a MemStore,
    store: &'a dyn Store,
    now: Timestamp,
    /// In the model and in the store.
    company: (CompanyId, CompanyId),
    campaigns: Vec<(CampaignId, CampaignId)>,
    calls: Vec<(LeasedLead, usize)>,
    calls_made: u64,
}

impl<'a> Life<'a> {
    fn new(seed: u64, model: &'a MemStore, store: &'a dyn Store) -> Life<'a> {
        let settings = company_settings(&format!("seed{seed}"));
        let put = |s: &dyn Store| s.put_company(&settings).unwrap().id;
        Life {
            random: fastrand::Rng::with_seed(seed),
            seed,
            model,
            store,
            now: T0,
            company: (put(model), put(store)),
            campaigns: Vec::new(),
            calls: Vec::new(),
            calls_made: 0,
        }
    }

    fn step(&mut self, step: u64) {
        if self.campaigns.len() < 2 || (self.campaigns.len() < 5 && self.random.u8(0..40) == 0) {
            return self.create(step);
        }
        match self.random.u8(0..100) {
            0..30 => self.lease(),
            30..60 => self.finish(),
            60..65 => self.give_back(),
            65..72 => self.append(),
            72..77 => self.delete(),
            77..87 => self.set_status(),
            87..92 => self.end(),
            92..98 => self.recall(),
            _ => self.rescue(),
        }
    }

    fn same<T: std::fmt::Debug>(&self, what: &str, model: Result<T>, store: Result<T>) -> Option<T> {
        // Debug hides the middle of numbers, but the numbers here differ at their ends.
        let (expected, found) = (format!("{model:?}"), format!("{store:?}"));
        assert_eq!(found, expected, "seed {}, {what} at {:?}", self.seed, self.now);
        model.ok()
    }

    fn pick(&mut self) -> (usize, CampaignId, CampaignId) {
        let at = self.random.usize(..self.campaigns.len());
        (at, self.campaigns[at].0, self.campaigns[at].1)
    }

    fn some_leads(&mut self) -> Vec<NewLead> {
        let count = self.random.usize(0..12);
        let mut rows: Vec<NewLead> = (0..count).map(|_| lead(self.random.u64(0..60))).collect();
        for row in &mut rows {
            if self.random.u8(0..4) == 0 {
                row.not_after = Some(self.now.plus(Duration::from_secs(self.random.u64(0..400))));
            }
        }
        rows
    }

    fn create(&mut self, step: u64) {
        let rows = self.some_leads();
        let settings = |company| NewCampaign {
            company,
            taskid: format!("{}-{step}", self.seed),
            name: String::new(),
            client_id: String::new(),
            assignment: Assignment::Extensions(Vec::new()),
            scale: String::new(),
            manual: true,
            calls_max: 1,
            not_before: None,
            run_until: None,
            caller_ids: Vec::new(),
            attempts_max: 2,
            abandon_max: 300,
            status: CampaignStatus::Running,
        };
        let model = self.model.create_campaign(self.now, &settings(self.company.0), &rows);
        let store = self.store.create_campaign(self.now, &settings(self.company.1), &rows);
        match (model, store) {
            (Ok(model), Ok(store)) => {
                assert_eq!(model.duplicates, store.duplicates);
                assert_eq!(model.campaign.counters, store.campaign.counters);
                self.campaigns.push((model.campaign.id, store.campaign.id));
            }
            (model, store) => assert_eq!(format!("{store:?}"), format!("{model:?}")),
        }
    }

    fn lease(&mut self) {
        let (at, model, store) = self.pick();
        let count = self.random.u64(0..5);
        let first = self.seed * 1_000_000 + self.calls_made;
        self.calls_made += count;
        let slots = slots(first, count);
        let (leased, supply) = self.model.lease_leads(self.now, model, &slots).unwrap();
        let (found, found_supply) = self.store.lease_leads(self.now, store, &slots).unwrap();
        let shown = |l: &LeasedLead| (l.call, l.number.clone(), l.attempt, rule::seq_of(l.lead));
        let (expected, found): (Vec<_>, Vec<_>) =
            (leased.iter().map(shown).collect(), found.iter().map(shown).collect());
        assert_eq!((found, found_supply), (expected, supply), "seed {} at {:?}", self.seed, self.now);
        self.calls.extend(leased.into_iter().map(|l| (l, at)));
    }

    /// Any call that ever was, so that second ends and returned calls are met too.
    fn finish(&mut self) {
        if self.calls.is_empty() {
            return;
        }
        let recent = self.calls.len().saturating_sub(12);
        let (leased, at) = self.calls[self.random.usize(recent..self.calls.len())].clone();
        let outcome = Outcome::ALL[self.random.usize(..Outcome::ALL.len())];
        let record = record(self.campaigns[at].0, &leased, self.now, outcome);
        let model = self.model.finish_call(self.now, &record, &RETRY);
        let record = CallRecord { campaign: self.campaigns[at].1, ..record };
        self.same("finish", model, self.store.finish_call(self.now, &record, &RETRY));
    }

    fn give_back(&mut self) {
        let recent = self.calls.len().saturating_sub(6);
        let calls: Vec<CallId> =
            self.calls[recent..].iter().map(|(l, _)| l.call).filter(|_| self.random.bool()).collect();
        self.same("return", self.model.return_leads(&calls), self.store.return_leads(&calls));
    }

    fn append(&mut self) {
        let (_, model, store) = self.pick();
        let rows = self.some_leads();
        let model = self.model.append_leads(self.now, model, &rows);
        self.same("append", model, self.store.append_leads(self.now, store, &rows));
    }

    fn delete(&mut self) {
        let (_, model, store) = self.pick();
        let numbers: Vec<PhoneNumber> = (0..5).map(|_| number(self.random.u64(0..60))).collect();
        let model = self.model.delete_leads(model, &numbers);
        self.same("delete", model, self.store.delete_leads(store, &numbers));
    }

    fn set_status(&mut self) {
        let (_, model, store) = self.pick();
        use CampaignStatus::{Draft, Ended, Paused, Running};
        let status = [Running, Running, Running, Paused, Ended, Draft][self.random.usize(..6)];
        let model = self.model.set_campaign_status(self.now, model, status).map(shown);
        self.same("status", model, self.store.set_campaign_status(self.now, store, status).map(shown));
    }

    fn end(&mut self) {
        let (_, model, store) = self.pick();
        let why = if self.random.u8(0..4) == 0 { EndReason::Deadline } else { EndReason::Over };
        let model = self.model.end_campaign(self.now, model, why).map(|c| c.map(shown));
        self.same("end", model, self.store.end_campaign(self.now, store, why).map(|c| c.map(shown)));
    }

    fn recall(&mut self) {
        let (_, model, store) = self.pick();
        use RecallWhich::{Abandoned, All, Connected, NotReached};
        let recall = Recall {
            which: [All, Abandoned, NotReached, Connected][self.random.usize(..4)],
            status: if self.random.bool() { CampaignStatus::Running } else { CampaignStatus::Draft },
            not_before: self.random.bool().then_some(self.now),
            run_until: None,
        };
        let model = self.model.recall_leads(self.now, model, &recall).map(shown);
        self.same("recall", model, self.store.recall_leads(self.now, store, &recall).map(shown));
    }

    fn rescue(&mut self) {
        let model = self.model.rescue_calls(self.now, self.company.0, &RETRY);
        self.same("rescue", model, self.store.rescue_calls(self.now, self.company.1, &RETRY));
    }

    fn compare_everything(&self) {
        for &(model, store) in &self.campaigns {
            let shown_campaign = |s: &dyn Store, id| s.campaign_by_id(id).map(|c| c.map(shown));
            self.same("campaign", shown_campaign(self.model, model), shown_campaign(self.store, store));
            for page in [ALL, page(3, 4)] {
                let leads = |s: &dyn Store, id| {
                    s.list_leads(id, page).map(|(total, leads)| {
                        let shown = |l: Lead| Lead { id: LeadId(rule::seq_of(l.id) as i64), ..l };
                        (total, leads.into_iter().map(shown).collect::<Vec<_>>())
                    })
                };
                self.same("leads", leads(self.model, model), leads(self.store, store));
            }
            let calls = |s: &dyn Store, id| {
                s.list_calls(id, None, 1000)
                    .map(|calls| calls.into_iter().map(shown_call).collect::<Vec<_>>())
            };
            self.same("calls", calls(self.model, model), calls(self.store, store));
            let since = T0.plus(Duration::from_secs(500));
            let answered = self.model.answered_since(model, since);
            self.same("answered", answered, self.store.answered_since(store, since));
        }
    }
}

/// Without the ids of the campaign and its company.
fn shown(campaign: Campaign) -> Campaign {
    let settings = NewCampaign { company: CompanyId(0), ..campaign.settings };
    Campaign { id: CampaignId(0), settings, ..campaign }
}

fn shown_call(call: Call) -> (CallId, u64, PhoneNumber, u32, Timestamp, Option<CallRecord>) {
    let record = call.record.map(|r| CallRecord { campaign: CampaignId(0), lead: LeadId(0), ..r });
    (call.id, rule::seq_of(call.lead), call.number, call.attempt, call.dialed_at, record)
}
