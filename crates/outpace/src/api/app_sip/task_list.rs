//! `App.Sip_Yccall.TaskList`.

use std::collections::BTreeMap;

use engine::{CampaignId, CampaignStatus, RatioMilli};
use serde::Serialize;
use store::{Assignment, Campaign, CampaignFilter, Counters};

use super::code::{Code, Text};
use super::envelope::{Done, Failure, Reply};
use super::{Caller, VIEW_TIMEOUT};

const TASKIDS_MAX: usize = 1000;

#[derive(Serialize)]
struct ListResult {
    totalitems: u64,
    currentpage: u32,
    itemsperpage: u32,
    task: Vec<TaskRow>,
}

#[derive(Serialize)]
struct TaskRow {
    taskid: String,
    taskname: String,
    customtaskid: String,
    tasktype: &'static str,
    taskassign: String,
    starttime: Option<String>,
    endtime: Option<String>,
    taskscale: String,
    nowscale: String,
    isscale: &'static str,
    concurrent: u32,
    disnumber: String,
    scheduledtime: String,
    pausedtime: String,
    status: u16,
    createtime: String,
    total: u64,
    called: u64,
    answered: u64,
    connected: u64,
    abandoned: u64,
    abandonrate: f64,
}

pub async fn list(caller: &Caller) -> Reply {
    let paging = caller.parameters().paging()?;
    let filter = filter(caller)?;
    let (company, page) = (caller.id(), paging.page());
    let (totalitems, campaigns) = caller.store(move |s| s.list_campaigns(company, &filter, page)).await?;
    let ratios = match campaigns.iter().any(|c| c.settings.status == CampaignStatus::Running) {
        true => ratios(caller).await,
        false => BTreeMap::new(),
    };
    Done::with(&ListResult {
        totalitems,
        currentpage: paging.currentpage,
        itemsperpage: paging.itemsperpage,
        task: campaigns.into_iter().map(|c| row(caller, &ratios, c)).collect(),
    })
}

fn filter(caller: &Caller) -> Result<CampaignFilter, Failure> {
    let p = caller.parameters();
    let taskids = p.list("taskid");
    if taskids.len() > TASKIDS_MAX {
        return Err(p.wrong("taskid", Text::new("数量过多", "has too many items")));
    }
    let statuses = p.list("status").iter().map(|s| status(s)).collect::<Option<Vec<_>>>();
    let Some(statuses) = statuses else {
        return Err(p.wrong("status", Text::new("应为0至3", "must be 0 to 3")));
    };
    Ok(CampaignFilter {
        created_from: p.time_as("createtime", |t| caller.zone.parse_from(t))?,
        created_to: p.time_as("endtime", |t| caller.zone.parse_to(t))?,
        taskids,
        name_part: p.text("taskname").unwrap_or_default().to_owned(),
        statuses,
        by_group: p.word("tasktype", &[("transfer", false), ("groups", true)])?,
        assigned_to: p.text("taskobject").unwrap_or_default().to_owned(),
        client_id: p.text("customtaskid").unwrap_or_default().to_owned(),
    })
}

fn status(text: &str) -> Option<CampaignStatus> {
    match text {
        "0" => Some(CampaignStatus::Draft),
        "1" => Some(CampaignStatus::Running),
        "2" => Some(CampaignStatus::Paused),
        "3" => Some(CampaignStatus::Ended),
        _ => None,
    }
}

/// What the pacing uses now; nothing when the run loop does not answer.
async fn ratios(caller: &Caller) -> BTreeMap<CampaignId, RatioMilli> {
    let asked = tokio::time::timeout(VIEW_TIMEOUT, caller.app.handle.campaigns(caller.id())).await;
    let Ok(Ok(views)) = asked else {
        tracing::warn!("the run loop did not say how it paces");
        return BTreeMap::new();
    };
    views.into_iter().filter_map(|v| Some((v.campaign, v.ratio_now?))).collect()
}

fn row(caller: &Caller, ratios: &BTreeMap<CampaignId, RatioMilli>, campaign: Campaign) -> TaskRow {
    let settings = campaign.settings;
    let time = |at: Option<engine::Timestamp>| at.map(|at| caller.zone.format(at));
    let (tasktype, taskassign) = match settings.assignment {
        Assignment::Extensions(extensions) => {
            let numbers: Vec<String> = extensions.into_iter().map(|(_, number)| number).collect();
            ("transfer", numbers.join(","))
        }
        Assignment::Group(_, name) => ("groups", name),
    };
    let ratio = match settings.status {
        CampaignStatus::Running => ratios.get(&campaign.id),
        _ => None,
    };
    let Counters { total, called, answered, connected, abandoned } = campaign.counters;
    TaskRow {
        taskid: settings.taskid,
        taskname: settings.name,
        customtaskid: settings.client_id,
        tasktype,
        taskassign,
        starttime: time(campaign.started_at),
        endtime: time(campaign.ended_at),
        taskscale: settings.scale,
        nowscale: ratio.map_or_else(String::new, |r| scale(*r)),
        isscale: if settings.manual { "manual" } else { "auto" },
        concurrent: settings.calls_max,
        disnumber: settings.caller_ids.join(","),
        scheduledtime: time(settings.not_before).unwrap_or_default(),
        pausedtime: time(settings.run_until).unwrap_or_default(),
        status: status_code(settings.status).0,
        createtime: caller.zone.format(campaign.created_at),
        total,
        called,
        answered,
        connected,
        abandoned,
        abandonrate: percent(abandoned, answered),
    }
}

const fn status_code(status: CampaignStatus) -> Code {
    match status {
        CampaignStatus::Draft => Code::NOT_STARTED,
        CampaignStatus::Running => Code::RUNNING,
        CampaignStatus::Paused => Code::PAUSED,
        CampaignStatus::Ended => Code::ENDED,
    }
}

/// `1:2.3`, in tenths.
fn scale(ratio: RatioMilli) -> String {
    let tenths = (u64::from(ratio) + 50) / 100;
    match (tenths / 10, tenths % 10) {
        (whole, 0) => format!("1:{whole}"),
        (whole, tenth) => format!("1:{whole}.{tenth}"),
    }
}

/// With two decimals.
fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    (part as f64 * 10_000.0 / whole as f64).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_written_as_scales() {
        assert_eq!(scale(1000), "1:1");
        assert_eq!(scale(2345), "1:2.3");
        assert_eq!(scale(1960), "1:2");
    }

    #[test]
    fn percentages_have_two_decimals() {
        assert_eq!(percent(0, 0), 0.0);
        assert_eq!(percent(1, 3), 33.33);
        assert_eq!(percent(2, 3).to_string(), "66.67");
    }
}
