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
        let url = || "http://crm.example/".to_owned();
        let put = |s: &dyn Store| {
            let company = s.put_company(&settings).unwrap().id;
            let (task_status_url, extension_state_url, bill_url) = (url(), url(), url());
            let (detail_form, secret, allow_private) = (false, String::new(), true);
            s.put_pushes(&PushSettings {
                company,
                task_status_url,
                extension_state_url,
                bill_url,
                detail_form,
                secret,
                allow_private,
            })
            .unwrap();
            company
        };
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
            0..25 => self.lease(),
            25..50 => self.finish(),
            50..53 => self.leg_state(),
            53..60 => self.tell(),
            60..65 => self.give_back(),
            65..72 => self.append(),
            72..77 => self.delete(),
            77..87 => self.set_status(),
            87..92 => self.end(),
            92..95 => self.recall(),
            95..97 => self.list(),
            97 => self.change_rules(),
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
            if self.random.u8(0..6) == 0 {
                row.time_zone = "Asia/Tokyo".to_owned();
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
            amd: None,
            status: CampaignStatus::Running,
            call_windows: Vec::new(),
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

    /// Puts numbers on a do-not-call list, or takes them off.
    fn list(&mut self) {
        let (at, ..) = self.pick();
        let of_campaign = self.random.bool();
        let entry = match self.random.u8(0..3) {
            0 => DncEntry::Prefix(format!("+861380000000{}", self.random.u8(0..6))),
            _ => DncEntry::Number(number(self.random.u64(0..60))),
        };
        let model =
            DncList { company: self.company.0, campaign: of_campaign.then_some(self.campaigns[at].0) };
        let store =
            DncList { company: self.company.1, campaign: of_campaign.then_some(self.campaigns[at].1) };
        if self.random.bool() {
            let model = self.model.add_dnc(self.now, model, std::slice::from_ref(&entry));
            self.same("list", model, self.store.add_dnc(self.now, store, &[entry]));
        } else {
            let entries = |s: &dyn Store, list| {
                let mut entries: Vec<DncEntry> =
                    s.list_dnc(list, "", 100)?.into_iter().map(|row| row.entry).collect();
                entries.sort_by_key(ToString::to_string);
                entries.truncate(2);
                Ok(entries)
            };
            let (listed, found) = (entries(self.model, model), entries(self.store, store));
            let entries = self.same("listed", listed, found).unwrap_or_default();
            let model = self.model.remove_dnc(model, &entries);
            self.same("unlist", model, self.store.remove_dnc(store, &entries));
        }
    }

    fn change_rules(&mut self) {
        let hour = |h: u8| format!("{:02}:00-{:02}:30", 6 + h, 6 + h);
        let windows = match self.random.u8(0..3) {
            0 => vec!["06:00-06:20 06:25-09:00".to_owned()],
            1 => (0..3).map(hour).collect(),
            _ => Vec::new(),
        };
        let caps = match self.random.u8(0..2) {
            0 => Vec::new(),
            _ => vec![engine::compliance::Cap { calls: self.random.u32(1..4), hours: 1 }],
        };
        let lockout_h = self.random.u32(0..2);
        let rules = ComplianceSettings { windows, caps, lockout_h, ..ComplianceSettings::default() };
        let model = self.model.put_compliance(self.company.0, &rules);
        self.same("rules", model, self.store.put_compliance(self.company.1, &rules));
    }

    fn leg_state(&mut self) {
        let Some((leased, _)) = self.calls.last() else { return };
        let state = LegState {
            call: leased.call,
            agent: None,
            side: Side::Customer,
            status: if self.random.bool() { LegStatus::Ring } else { LegStatus::Answer },
        };
        let model = self.model.put_leg_states(self.now, &[state]);
        self.same("leg state", model, self.store.put_leg_states(self.now, &[state]));
    }

    /// Some due event is told or not, or those expired are given up.
    fn tell(&mut self) {
        let kind = PushKind::ALL[self.random.usize(..3)];
        let due = |s: &dyn Store, company| s.due_events(self.now, company, kind, 9).unwrap();
        let (model, store) = (due(self.model, self.company.0), due(self.store, self.company.1));
        assert_eq!(model.len(), store.len(), "seed {}, events due at {:?}", self.seed, self.now);
        if model.is_empty() {
            return;
        }
        let at = self.random.usize(..model.len());
        let (model, store) = (model[at].id, store[at].id);
        match self.random.u8(0..4) {
            0 => {
                let next = Some(self.now.plus(Duration::from_secs(self.random.u64(1..99))));
                self.model.event_failed(model, next, "503").unwrap();
                self.store.event_failed(store, next, "503").unwrap();
            }
            1 => {
                self.model.event_failed(model, None, "404").unwrap();
                self.store.event_failed(store, None, "404").unwrap();
                if self.random.bool() {
                    self.model.resend_event(self.now, self.company.0, model).unwrap();
                    self.store.resend_event(self.now, self.company.1, store).unwrap();
                }
            }
            2 if self.random.u8(0..9) == 0 => {
                let later = self.now.plus(EVENT_LIFETIME - Duration::from_secs(600));
                let model = self.model.give_up_events(later, self.company.0, kind);
                self.same("give up", model, self.store.give_up_events(later, self.company.1, kind));
            }
            _ => {
                self.model.event_delivered(model).unwrap();
                self.store.event_delivered(store).unwrap();
            }
        }
    }

    fn compare_told(&self) {
        for kind in PushKind::ALL {
            let due = |s: &dyn Store, company| {
                s.due_events(self.now, company, kind, 1000)
                    .map(|e| e.into_iter().map(shown_event).collect::<Vec<_>>())
            };
            self.same("events", due(self.model, self.company.0), due(self.store, self.company.1));
        }
        let dead = |s: &dyn Store, company| {
            s.dead_events(company, 1000).map(|e| e.into_iter().map(shown_event).collect::<Vec<_>>())
        };
        self.same("dead events", dead(self.model, self.company.0), dead(self.store, self.company.1));
        let filter = BillFilter { from: T0, to: self.now, ..BillFilter::any() };
        let bills = |s: &dyn Store, company| {
            let shown = |b: Bill| Bill { id: 0, company: CompanyId(0), ..b };
            let listed = s.list_bills(company, &filter, ALL);
            listed.map(|(total, bills)| (total, bills.into_iter().map(shown).collect::<Vec<_>>()))
        };
        self.same("bills", bills(self.model, self.company.0), bills(self.store, self.company.1));
    }

    fn compare_everything(&self) {
        self.compare_told();
        let refusals = |s: &dyn Store, company| {
            let noted = s.list_refusals(company, &RefusalFilter::default(), 0, 10_000);
            let lead = |r: &Refusal| r.lead.map(rule::seq_of);
            noted.map(|all| all.into_iter().map(|r| (lead(&r), r.number, r.rule, r.at)).collect::<Vec<_>>())
        };
        self.same("refusals", refusals(self.model, self.company.0), refusals(self.store, self.company.1));
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

/// Without the ids that hang on what else is in the store.
fn shown_event(event: Event) -> Event {
    let body = event.body.split_once("\"companycode\"").map_or("", |(_, rest)| rest).to_owned();
    Event { id: 0, company: CompanyId(0), body, ..event }
}
