//! `App.Sip_Yccall.TaskCreat`.

use std::sync::Arc;

use engine::compliance::{ComplianceSettings, Rules};
use engine::{CampaignId, CampaignStatus, PhoneNumber, Timestamp};
use serde::Serialize;
use serde_json::value::RawValue;
use store::{Assignment, CallerId, Campaign, NewCampaign, Store, StoreError};

use super::Caller;
use super::code::{Code, Language, Text};
use super::envelope::{Done, Failure, Reply};
use super::lead_rows::{ON_DNC, Submission};
use super::parameter::{Parameters, thousandths};
use crate::handle::{Command, HandleError};

const NAME_CHARS_MAX: usize = 200;
const WINDOWS_CHARS_MAX: usize = 1000;
const EXTENSIONS_MAX: usize = 5000;
const CALLER_IDS_MAX: usize = 1000;
/// Tries to find a taskid that is free; six random digits follow the second.
const TASKID_ATTEMPTS: u32 = 20;

#[derive(Serialize)]
struct CreateResult<'a> {
    taskid: &'a str,
    success: usize,
    invaliddata: Vec<Box<RawValue>>,
}

/// The parameters as such, before their names are looked up.
struct Wanted {
    assigned: Assigned,
    scale: String,
    manual: bool,
    calls_max: u32,
    not_before: Option<Timestamp>,
    run_until: Option<Timestamp>,
    caller_ids: Vec<String>,
    name: String,
    status: CampaignStatus,
    client_id: String,
    attempts_max: u32,
    abandon_max: u32,
    amd: Option<bool>,
    call_windows: Vec<String>,
}

enum Assigned {
    Extensions(Vec<String>),
    Group(String),
}

pub async fn create(caller: &Caller) -> Reply {
    let (wanted, submission) = read(caller).await?;
    let campaign = campaign(caller, wanted).await?;
    if submission.leads.is_empty() {
        return Err(Failure::about(Code::CHECK_FAILED, submission.first_reason()));
    }
    let (now, submission) = (caller.now(), Arc::new(submission));
    let rows = submission.clone();
    let created = store(caller, campaign, move |s, row| s.create_campaign(now, row, &rows.leads)).await?;
    announce(caller, created.campaign.id).await;
    Done::with(&CreateResult {
        taskid: &created.campaign.settings.taskid,
        success: submission.leads.len() - created.duplicates.len() - created.on_dnc.len(),
        invaliddata: submission.refused(&created.duplicates, &created.on_dnc),
    })
}

/// Begins a task whose numbers come in a file: parameters as `TaskCreat`, but `telphone`.
pub async fn begin(caller: &Caller) -> Result<CampaignId, Failure> {
    let p = caller.parameters();
    for name in ["assigntype", "assignagent", "taskscale"] {
        p.required(name)?;
    }
    let wanted = read_wanted(caller, p)?;
    let campaign = campaign(caller, wanted).await?;
    let now = caller.now();
    store(caller, campaign, move |s, row| s.begin_campaign(now, row)).await
}

/// All numbers of a task that was begun are there.
pub async fn publish(caller: &Caller, campaign: CampaignId) -> Result<Campaign, Failure> {
    let now = caller.app.now();
    let published = caller.store(move |s| s.publish_campaign(now, campaign)).await?;
    announce(caller, campaign).await;
    Ok(published)
}

async fn announce(caller: &Caller, campaign: CampaignId) {
    let company = caller.id();
    caller.announce(move || Command::CampaignChanged { company, campaign, leads: true }).await;
}

/// What is wanted, with its names looked up.
async fn campaign(caller: &Caller, wanted: Wanted) -> Result<NewCampaign, Failure> {
    let assignment = assignment(caller, wanted.assigned).await?;
    check_caller_ids(caller, &wanted.caller_ids).await?;
    Ok(NewCampaign {
        company: caller.id(),
        taskid: String::new(),
        name: wanted.name,
        client_id: wanted.client_id,
        assignment,
        scale: wanted.scale,
        manual: wanted.manual,
        calls_max: wanted.calls_max,
        not_before: wanted.not_before,
        run_until: wanted.run_until,
        caller_ids: wanted.caller_ids,
        attempts_max: wanted.attempts_max,
        abandon_max: wanted.abandon_max,
        amd: wanted.amd,
        status: wanted.status,
        call_windows: wanted.call_windows,
    })
}

/// Stores the campaign under a taskid that is free.
async fn store<T: Send + 'static>(
    caller: &Caller,
    mut campaign: NewCampaign,
    verb: impl Fn(&dyn Store, &NewCampaign) -> store::Result<T> + Clone + Send + 'static,
) -> Result<T, Failure> {
    let second = caller.zone.format_compact(caller.now());
    let named = !campaign.name.is_empty();
    for _ in 0..TASKID_ATTEMPTS {
        campaign.taskid = format!("{second}{:06}", six_digits()?);
        if !named {
            campaign.name.clone_from(&campaign.taskid);
        }
        let (row, verb) = (campaign.clone(), verb.clone());
        match caller.store(move |s| verb(s, &row)).await {
            Ok(stored) => return Ok(stored),
            Err(HandleError::Store(StoreError::Taken("taskid"))) => {}
            Err(HandleError::Store(StoreError::Taken(_))) => {
                let taken = Text::new("customtaskid已存在", "customtaskid exists already");
                return Err(Failure::about(Code::CHECK_FAILED, taken.of(caller.language)));
            }
            Err(HandleError::Store(StoreError::Refused(_))) => {
                // There are rows and the windows were read: every number is on a do-not-call list.
                return Err(Failure::about(Code::CHECK_FAILED, ON_DNC.of(caller.language)));
            }
            Err(other) => return Err(other.into()),
        }
    }
    Err(Failure::internal(&"no free taskid found"))
}

fn six_digits() -> Result<u32, Failure> {
    let random = getrandom::u32().map_err(|e| Failure::internal(&e))?;
    Ok(random % 1_000_000)
}

/// All parameters. Ten thousand rows take a while to read, so a thread that may block reads them.
async fn read(caller: &Caller) -> Result<(Wanted, Submission), Failure> {
    let p = caller.parameters();
    // Missing ones are told in the contract's order, before wrong ones.
    for name in ["assigntype", "assignagent", "telphone", "taskscale"] {
        p.required(name)?;
    }
    let wanted = read_wanted(caller, p)?;
    let submission = read_submission(caller).await?;
    Ok((wanted, submission))
}

/// Reads `telphone`, off the threads that carry calls when it is long.
pub async fn read_submission(caller: &Caller) -> Result<Submission, Failure> {
    const SHORT_BYTES: usize = 16 << 10;
    let p = caller.parameters();
    let (now, language) = (caller.now(), caller.language);
    if p.text("telphone").is_none_or(|t| t.len() <= SHORT_BYTES) {
        return Submission::read(p, "telphone", now);
    }
    let fields = caller.request.fields.clone();
    let reading = tokio::task::spawn_blocking(move || {
        Submission::read(Parameters { fields: &fields, language }, "telphone", now)
    });
    reading.await.unwrap_or_else(|e| Err(Failure::internal(&e)))
}

fn read_wanted(caller: &Caller, p: Parameters<'_>) -> Result<Wanted, Failure> {
    let (not_before, run_until) = schedule(caller)?;
    let caller_ids = p.list("disnumber");
    if caller_ids.len() > CALLER_IDS_MAX {
        return Err(p.wrong("disnumber", Text::new("数量过多", "has too many items")));
    }
    let limit = |n: Option<i64>, default: u32| n.and_then(|n| u32::try_from(n).ok()).unwrap_or(default);
    Ok(Wanted {
        assigned: read_assigned(p)?,
        scale: read_scale(p)?,
        manual: p.word("isscale", &[("auto", false), ("manual", true)])?.unwrap_or(false),
        calls_max: limit(p.int("concurrent", 1..=i64::from(u32::MAX))?, 100),
        not_before,
        run_until,
        caller_ids,
        name: p.name("taskname", NAME_CHARS_MAX)?.to_owned(),
        status: match p.int("status", 0..=1)? {
            Some(1) => CampaignStatus::Running,
            _ => CampaignStatus::Draft,
        },
        client_id: p.name("customtaskid", NAME_CHARS_MAX)?.to_owned(),
        attempts_max: limit(p.int("calltimes", 1..=3)?, 1),
        // Thousandths of a percent to hundredths.
        abandon_max: limit(p.thousandths("maxabandon", 0..=100_000)?.map(|n| n / 10), 300),
        amd: p.int("amd", 0..=1)?.map(|n| n == 1),
        call_windows: read_windows(p)?,
    })
}

/// `callwindow`: hours such as `mon-fri 09:00-12:00 14:00-21:00; sat 10:00-18:00`.
fn read_windows(p: Parameters<'_>) -> Result<Vec<String>, Failure> {
    let text = p.name("callwindow", WINDOWS_CHARS_MAX)?;
    let windows = text.split([';', '；', '\n']).map(str::trim).filter(|w| !w.is_empty());
    let windows: Vec<String> = windows.map(str::to_owned).collect();
    match Rules::new(&ComplianceSettings::default(), "UTC", &windows) {
        Ok(_) => Ok(windows),
        Err(_) => Err(p.wrong(
            "callwindow",
            Text::new(
                "应如mon-fri 09:00-12:00 14:00-21:00",
                "must be such as mon-fri 09:00-12:00 14:00-21:00",
            ),
        )),
    }
}

fn read_assigned(p: Parameters<'_>) -> Result<Assigned, Failure> {
    match p.required_int("assigntype", 1..=3)? {
        1 => {
            let mut numbers = p.required_list("assignagent", EXTENSIONS_MAX)?;
            let mut seen = std::collections::HashSet::new();
            numbers.retain(|n| seen.insert(n.clone()));
            Ok(Assigned::Extensions(numbers))
        }
        _ => Ok(Assigned::Group(p.required_name("assignagent", NAME_CHARS_MAX)?.to_owned())),
    }
}

/// `1:N`, N from 1 to 20. Under one call per idle agent, a single agent would never get a call.
fn read_scale(p: Parameters<'_>) -> Result<String, Failure> {
    let text = p.required("taskscale")?.replace('：', ":");
    let scale = text.split_once(':').map(|(one, n)| (one.trim(), n.trim()));
    match scale {
        Some(("1", n)) if thousandths(n).is_some_and(|n| (1000..=20_000).contains(&n)) => {
            Ok(format!("1:{n}"))
        }
        _ => Err(p.wrong("taskscale", Text::new("应为1:N，N为1至20", "must be 1:N with N from 1 to 20"))),
    }
}

/// `scheduledtime` and `pausedtime`.
pub fn schedule(caller: &Caller) -> Result<(Option<Timestamp>, Option<Timestamp>), Failure> {
    let p = caller.parameters();
    let not_before = p.time("scheduledtime", &caller.zone)?;
    let run_until = p.time("pausedtime", &caller.zone)?;
    if let (Some(from), Some(until)) = (not_before, run_until)
        && until <= from
    {
        return Err(p.wrong("pausedtime", Text::new("应晚于scheduledtime", "must be after scheduledtime")));
    }
    Ok((not_before, run_until))
}

async fn assignment(caller: &Caller, assigned: Assigned) -> Result<Assignment, Failure> {
    match assigned {
        Assigned::Extensions(numbers) => {
            let extensions = caller.extensions(numbers).await?;
            if let Some(disabled) = extensions.iter().find(|e| !e.enabled) {
                return Err(Failure::about(Code::EXTENSION_DISABLED, &disabled.number));
            }
            Ok(Assignment::Extensions(extensions.into_iter().map(|e| (e.id, e.number)).collect()))
        }
        Assigned::Group(name) => {
            let group = caller.group(&name).await?;
            match group.enabled {
                true => Ok(Assignment::Group(group.id, group.name)),
                false => Err(Failure::about(Code::GROUP_DISABLED, name)),
            }
        }
    }
}

/// A company that has caller ids may only use them; one that has none may name any number.
async fn check_caller_ids(caller: &Caller, numbers: &[String]) -> Result<(), Failure> {
    if numbers.is_empty() {
        return Ok(());
    }
    let company = caller.id();
    let own = caller.store(move |s| s.caller_ids(company)).await?;
    for number in numbers {
        check_caller_id(number, &own, caller.language)?;
    }
    Ok(())
}

fn check_caller_id(number: &str, own: &[CallerId], language: Language) -> Result<(), Failure> {
    if own.is_empty() {
        let is_number = PhoneNumber::parse(number).is_ok();
        return if is_number { Ok(()) } else { Err(Failure::about(Code::BAD_NUMBER, number)) };
    }
    match own.iter().find(|c| c.number == number) {
        None => Err(Failure::about(Code::NO_NUMBER, number)),
        Some(caller_id) if !caller_id.enabled => Err(Failure::about(Code::NUMBER_DISABLED, number)),
        Some(caller_id) if !caller_id.automatic => {
            let why = Text::new("未启用自动外呼", "not enabled for automatic calls").of(language);
            Err(Failure::about(Code::NUMBER_DISABLED, format!("{number} {why}")))
        }
        Some(_) => Ok(()),
    }
}
