//! `App.Sip_Yccall`: what changes a task that exists.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::{CampaignStatus, PhoneNumber};
use serde::Serialize;
use serde_json::value::RawValue;
use store::{Campaign, Recall, RecallWhich, StoreError};

use super::Caller;
use super::code::{Code, Text};
use super::envelope::{Done, Failure, Reply};
use super::lead_rows::ROWS_MAX;
use super::task_create::{read_submission, schedule};
use crate::handle::{Command, HandleError};

#[derive(Serialize)]
struct AppendResult {
    success: u64,
    invaliddata: Vec<Box<RawValue>>,
}

impl Caller {
    /// The company's task, or 1024.
    pub async fn campaign(&self, taskid: &str) -> Result<Campaign, Failure> {
        let (company, wanted) = (self.id(), taskid.to_owned());
        let found = self.store(move |s| s.campaign(company, &wanted)).await?;
        found.ok_or_else(|| Failure::from(Code::NO_TASK))
    }
}

/// `TaskAdd`
pub async fn append(caller: &Caller) -> Reply {
    let p = caller.parameters();
    let taskid = p.required("taskid")?;
    let submission = Arc::new(read_submission(caller).await?);
    let id = caller.campaign(taskid).await?.id;
    let (now, rows) = (caller.now(), submission.clone());
    let appended = caller.store(move |s| s.append_leads(now, id, &rows.leads)).await?;
    if appended.stored > 0 {
        let company = caller.id();
        caller.announce(move || Command::CampaignChanged { company, campaign: id, leads: true }).await;
    }
    Done::with(&AppendResult {
        success: appended.stored,
        invaliddata: submission.refused(&appended.duplicates, &appended.on_dnc),
    })
}

/// `TaskSet`
pub async fn set(caller: &Caller) -> Reply {
    let p = caller.parameters();
    let taskid = p.required("taskid")?;
    let status = match p.required_int("taskstatus", 1..=3)? {
        1 => CampaignStatus::Running,
        2 => CampaignStatus::Paused,
        _ => CampaignStatus::Ended,
    };
    let id = caller.campaign(taskid).await?.id;
    let now = caller.now();
    caller.store(move |s| s.set_campaign_status(now, id, status)).await?;
    caller.tell(Command::CampaignChanged { company: caller.id(), campaign: id, leads: false }).await?;
    Done::empty()
}

/// `taskCall`
pub async fn call_again(caller: &Caller) -> Reply {
    let p = caller.parameters();
    let taskid = p.required("taskid")?;
    let words = [
        ("all", RecallWhich::All),
        ("caller", RecallWhich::Abandoned),
        ("callee", RecallWhich::NotReached),
        ("connected", RecallWhich::Connected),
    ];
    let which = p.word("answertype", &words)?.unwrap_or(RecallWhich::All);
    let status = match p.int("status", 0..=1)? {
        Some(0) => CampaignStatus::Draft,
        _ => CampaignStatus::Running,
    };
    let (not_before, run_until) = schedule(caller)?;
    let id = caller.campaign(taskid).await?.id;
    let recall = Recall { which, status, not_before, run_until };
    let now = caller.now();
    caller.store(move |s| s.recall_leads(now, id, &recall)).await.map_err(|e| match e {
        HandleError::Store(StoreError::NotFound(_)) => {
            let none = Text::new("没有符合条件的号码", "no number matches");
            Failure::about(Code::CHECK_FAILED, none.of(caller.language))
        }
        other => other.into(),
    })?;
    let company = caller.id();
    caller.announce(move || Command::CampaignChanged { company, campaign: id, leads: true }).await;
    Done::empty()
}

/// `taskDelPhone`
pub async fn delete_numbers(caller: &Caller) -> Reply {
    let p = caller.parameters();
    let taskid = p.required("taskid")?;
    let texts = p.required_list("telphone", usize::MAX)?;
    if texts.len() > ROWS_MAX {
        return Err(Code::TOO_MANY_NUMBERS.into());
    }
    let numbers: BTreeSet<PhoneNumber> = texts.iter().filter_map(|t| PhoneNumber::parse(t).ok()).collect();
    let numbers: Vec<PhoneNumber> = numbers.into_iter().collect();
    let id = caller.campaign(taskid).await?.id;
    let deleted = match numbers.is_empty() {
        true => 0,
        false => caller.store(move |s| s.delete_leads(id, &numbers)).await?,
    };
    if deleted == 0 {
        return Err(Code::NO_NUMBER.into());
    }
    let company = caller.id();
    caller.announce(move || Command::CampaignChanged { company, campaign: id, leads: false }).await;
    Done::empty()
}
