//! The store's verbs that the run loop needs, each on a thread that may block, with its answer by channel. How many are
//! under way is bounded by the engines: one lease per campaign, one save per finished call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engine::compliance::{AbandonWindow, Permit};
use engine::{
    CallId, CallRecord, CampaignId, CompanyId, DirectKind, DirectRecord, EndReason, LastCall, LeaseId,
    LeaseSlot, LeasedLead, NewDirect, Supply, Timestamp,
};
use store::{Campaign, Group, Measured, Recording, Registration, RetryRule, Store};
use tokio::sync::mpsc::UnboundedSender;

use super::directory::{self, AbandonBudget, Directory};
use super::saving::{Save, Saving};
use crate::handle::wall_clock;
use crate::push::{Wake, Written};

/// 30 days in microseconds.
const MONTH_US: i64 = 30 * 86_400 * 1_000_000;
const RECORDING_ATTEMPTS: u32 = 60;
const RECORDING_PAUSE: Duration = Duration::from_secs(1);

/// An answer of the store.
pub enum Done {
    Leased {
        company: CompanyId,
        request: LeaseId,
        result: store::Result<(Vec<LeasedLead>, Supply)>,
    },
    Returned {
        company: CompanyId,
        calls: Vec<CallId>,
        result: store::Result<()>,
    },
    Saved {
        company: CompanyId,
        call: CallId,
        result: store::Result<Option<Timestamp>>,
    },
    InboundOpened {
        company: CompanyId,
        call: CallId,
        last: LastCall,
    },
    DirectOpened {
        company: CompanyId,
        call: CallId,
        result: store::Result<()>,
    },
    DirectSaved {
        company: CompanyId,
        call: CallId,
        result: store::Result<()>,
    },
    Ended {
        company: CompanyId,
        campaign: CampaignId,
        why: EndReason,
        result: store::Result<Option<Campaign>>,
    },
    /// `load`: the number of the request; only the latest one of a campaign counts.
    CampaignLoaded {
        company: CompanyId,
        load: u64,
        leads: bool,
        result: store::Result<Option<Loaded>>,
    },
    GroupLoaded {
        company: CompanyId,
        load: u64,
        result: store::Result<Option<Group>>,
    },
    DirectoryLoaded {
        result: store::Result<Directory>,
    },
}

pub struct Loaded {
    pub campaign: Campaign,
    /// Answered and abandoned since midnight.
    pub today: (u32, u32),
    pub budget: AbandonBudget,
}

#[derive(Clone)]
pub struct StoreWork {
    store: Arc<dyn Store>,
    done: UnboundedSender<Done>,
    wake: Wake,
    saving: Saving,
    puts_qualities: Arc<AtomicBool>,
}

impl StoreWork {
    pub fn new(
        store: Arc<dyn Store>,
        done: UnboundedSender<Done>,
        retry: RetryRule,
        wake: Wake,
    ) -> std::io::Result<StoreWork> {
        let saving = Saving::start(store.clone(), done.clone(), retry, wake.clone())?;
        Ok(StoreWork { store, done, wake, saving, puts_qualities: Arc::default() })
    }

    fn spawn(&self, verb: impl FnOnce(&dyn Store) -> Done + Send + 'static) {
        let (store, sender) = (self.store.clone(), self.done.clone());
        tokio::task::spawn_blocking(move || {
            let done = verb(&*store);
            // Fails only when the run loop has ended.
            let _ = sender.send(done);
        });
    }

    pub fn lease(&self, company: CompanyId, request: LeaseId, campaign: CampaignId, slots: Vec<LeaseSlot>) {
        self.spawn(move |store| {
            let result = store.lease_leads(wall_clock(), campaign, &slots);
            Done::Leased { company, request, result }
        });
    }

    pub fn give_back(&self, company: CompanyId, calls: Vec<CallId>) {
        self.spawn(move |store| {
            let result = store.return_leads(&calls);
            Done::Returned { company, calls, result }
        });
    }

    /// `before`: the extension states that come before the result.
    pub fn save(&self, company: CompanyId, record: Box<CallRecord>, before: Written) {
        self.saving.save(Save { company, record, before });
    }

    pub fn open_direct(&self, company: CompanyId, row: Box<NewDirect>) {
        self.spawn(move |store| {
            let result = match permitted(store, company, &row) {
                Ok(()) => store.open_direct(company, &row),
                Err(refused) => Err(refused),
            };
            // It counts for how often the number may be called; the call is placed whether or not that is noted.
            let is_called =
                matches!(row.kind, DirectKind::Dialed | DirectKind::Click | DirectKind::ClickReverse);
            if result.is_ok()
                && is_called
                && let Err(error) = store.count_dial(wall_clock(), company, &row.number)
            {
                tracing::warn!(%error, "a call was not counted for its number");
            }
            if row.kind == DirectKind::Inbound && result.is_ok() && !row.number.is_withheld() {
                match store.last_call(company, &row.number) {
                    Ok(last) => return Done::InboundOpened { company, call: row.call, last },
                    Err(error) => tracing::warn!(%error, "who talked with a customer last is not known"),
                }
            }
            Done::DirectOpened { company, call: row.call, result }
        });
    }

    /// `before`: as in `save`.
    pub fn save_direct(&self, company: CompanyId, record: Box<DirectRecord>, before: Written) {
        let wake = self.wake.clone();
        self.spawn(move |store| {
            before.wait();
            let result = store.finish_direct(wall_clock(), &record);
            wake.wake();
            Done::DirectSaved { company, call: record.call, result }
        });
    }

    pub fn end(&self, company: CompanyId, campaign: CampaignId, why: EndReason) {
        let wake = self.wake.clone();
        self.spawn(move |store| {
            let result = store.end_campaign(wall_clock(), campaign, why);
            wake.wake();
            Done::Ended { company, campaign, why, result }
        });
    }

    pub fn load_campaign(
        &self,
        company: CompanyId,
        campaign: CampaignId,
        time_zone: String,
        load: u64,
        leads: bool,
    ) {
        self.spawn(move |store| {
            let result = load_campaign(store, campaign, &time_zone);
            Done::CampaignLoaded { company, load, leads, result }
        });
    }

    pub fn load_group(&self, company: CompanyId, group: engine::GroupId, load: u64) {
        self.spawn(move |store| {
            let result = store.groups(company).map(|groups| groups.into_iter().find(|g| g.id == group));
            Done::GroupLoaded { company, load, result }
        });
    }

    pub fn load_directory(&self) {
        self.spawn(|store| Done::DirectoryLoaded { result: Directory::load(store) });
    }

    /// Nothing waits for these; a failure costs one registration after a restart.
    pub fn put_registration(&self, registration: Registration) {
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = store.put_registration(&registration) {
                tracing::warn!(%error, "a registration was not stored");
            }
        });
    }

    /// Tried again for a while: without its row a recording can neither be found nor is it deleted in time.
    pub fn put_recording(&self, recording: Recording) {
        let store = self.store.clone();
        tokio::spawn(async move {
            for _ in 0..RECORDING_ATTEMPTS {
                let (store, row) = (store.clone(), recording.clone());
                match tokio::task::spawn_blocking(move || store.put_recording(&row)).await {
                    Ok(Err(error)) => tracing::warn!(%error, "a recording was not noted; it is tried again"),
                    Ok(Ok(())) | Err(_) => return,
                }
                tokio::time::sleep(RECORDING_PAUSE).await;
            }
            tracing::error!(filename = recording.filename, "a recording was never noted in the store");
        });
    }

    /// The call goes on whether or not it is noted.
    pub fn put_identity(&self, said: store::Identified) {
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = store.put_identity(&said) {
                tracing::warn!(%error, call = %said.call, "what a network said of who calls was not stored");
            }
        });
    }

    /// How calls sounded; what cannot be stored is not tried again. While the store is busy with some, others gather.
    pub fn put_qualities(&self, measured: &mut Vec<Measured>) {
        if measured.is_empty() || self.puts_qualities.swap(true, Ordering::AcqRel) {
            return;
        }
        let (store, measured) = (self.store.clone(), std::mem::take(measured));
        let is_putting = self.puts_qualities.clone();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = store.put_qualities(&measured) {
                tracing::warn!(%error, calls = measured.len(), "how calls sounded was not stored");
            }
            is_putting.store(false, Ordering::Release);
        });
    }

    pub fn delete_registration(&self, agent: engine::AgentId, contact: String) {
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = store.delete_registration(agent, &contact) {
                tracing::warn!(%error, "a registration was not deleted");
            }
        });
    }
}

/// What was dialed at a phone was not asked for over the API, where the company's rules are looked at.
fn permitted(store: &dyn Store, company: CompanyId, row: &NewDirect) -> store::Result<()> {
    if row.kind != DirectKind::Dialed
        || store.may_call(wall_clock(), company, &row.number)? == Permit::Allowed
    {
        return Ok(());
    }
    Err(store::StoreError::Refused("the company's rules forbid the number"))
}

fn load_campaign(store: &dyn Store, campaign: CampaignId, time_zone: &str) -> store::Result<Option<Loaded>> {
    let Some(campaign) = store.campaign_by_id(campaign)? else { return Ok(None) };
    let now = wall_clock();
    let today = store.answered_since(campaign.id, directory::midnight(now, time_zone))?;
    let rules = store.compliance(campaign.settings.company)?;
    // Pacing itself keeps the hour and the last 24.
    let mut windows = Vec::new();
    if rules.abandon_windows.contains(&AbandonWindow::Day) {
        windows.push(today);
    }
    if rules.abandon_windows.contains(&AbandonWindow::Days30) {
        windows.push(store.answered_since(campaign.id, Timestamp(now.0 - MONTH_US))?);
    }
    let budget = AbandonBudget::new(campaign.settings.abandon_max, rules.abandon_max, &windows);
    Ok(Some(Loaded { campaign, today, budget }))
}
