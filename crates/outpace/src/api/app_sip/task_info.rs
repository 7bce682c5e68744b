//! `App.Sip_Yccall.TaskInfo`.

use engine::compliance::Rule;
use engine::{Notice, Outcome, Timestamp};
use serde::Serialize;
use store::{Lead, LeadResult};

use super::Caller;
use super::clock::Zone;
use super::code::{Code, Text};
use super::envelope::{Done, Reply};

#[derive(Serialize)]
struct InfoResult {
    totalitems: u64,
    currentpage: u32,
    itemsperpage: u32,
    result: Vec<LeadRow>,
}

#[derive(Serialize)]
struct LeadRow {
    taskid: String,
    telphone: String,
    userid: String,
    memberid: String,
    chengshudu: String,
    customuuid: String,
    status: u16,
    extnumber: Option<String>,
    answered: Option<u8>,
    answertype: Option<&'static str>,
    calltime: Option<String>,
    duration: u32,
    billsec: u32,
    createtime: String,
    mark: String,
    ext: String,
    round: u32,
    hangupcause: Option<u16>,
    uuid: Option<String>,
}

pub async fn info(caller: &Caller) -> Reply {
    let p = caller.parameters();
    let taskid = p.required("taskid")?;
    let paging = p.paging()?;
    let (company, wanted, page) = (caller.id(), taskid.to_owned(), paging.page());
    // One way to a thread that may block for both: this is the service that is asked most.
    let found = caller.store(move |s| match s.campaign(company, &wanted)? {
        Some(campaign) => s.list_leads(campaign.id, page).map(Some),
        None => Ok(None),
    });
    let (totalitems, leads) = found.await?.ok_or(Code::NO_TASK)?;
    let mut times = Times::new(caller.zone());
    Done::with(&InfoResult {
        totalitems,
        currentpage: paging.currentpage,
        itemsperpage: paging.itemsperpage,
        result: leads.into_iter().map(|lead| row(caller, &mut times, taskid, lead)).collect(),
    })
}

/// Rows that follow each other were mostly made in the same second.
struct Times<'a> {
    zone: &'a Zone,
    last: Option<(i64, String)>,
}

impl Times<'_> {
    fn new(zone: &Zone) -> Times<'_> {
        Times { zone, last: None }
    }

    fn format(&mut self, at: Timestamp) -> String {
        let second = at.unix_seconds();
        match &self.last {
            Some((last, text)) if *last == second => text.clone(),
            _ => self.last.insert((second, self.zone.format(at))).1.clone(),
        }
    }
}

fn row(caller: &Caller, times: &mut Times<'_>, taskid: &str, lead: Lead) -> LeadRow {
    let result = lead.result.as_ref();
    let mark = mark(&lead, caller);
    LeadRow {
        taskid: taskid.to_owned(),
        telphone: lead.lead.number.as_str().to_owned(),
        userid: lead.lead.user_id,
        memberid: lead.lead.member_id,
        chengshudu: lead.lead.ext.clone(),
        customuuid: lead.lead.custom_uuid,
        status: result.map_or(Code::NOT_CALLED, |_| Code::CALLED).0,
        extnumber: result.and_then(|r| r.extension.clone()),
        answered: result.map(|r| u8::from(r.outcome == Outcome::Connected)),
        answertype: result.map(|r| answer_type(r.outcome)),
        calltime: result.and_then(|r| r.dialed_at).map(|at| caller.zone.format(at)),
        duration: result.map_or(0, |r| r.waiting_seconds),
        billsec: result.map_or(0, |r| r.talk_seconds),
        createtime: times.format(lead.created_at),
        mark,
        ext: lead.lead.ext,
        round: lead.round,
        hangupcause: result.map(|r| r.cause.0),
        uuid: result.and_then(|r| r.call).map(|call| call.to_string()),
    }
}

const fn answer_type(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Connected => "connected",
        Outcome::Abandoned => "caller",
        _ => "callee",
    }
}

/// Why the number was skipped or how its call failed; empty else.
fn mark(lead: &Lead, caller: &Caller) -> String {
    match (lead.mark.as_str(), lead.result.as_ref()) {
        (_, Some(LeadResult { outcome: Outcome::Connected, .. })) => String::new(),
        ("", Some(LeadResult { notice: Some(notice), .. })) => {
            notice_text(*notice).of(caller.language).to_owned()
        }
        ("", Some(result)) => outcome_text(result.outcome).of(caller.language).to_owned(),
        ("expired", _) => Text::new("已过期", "expired").of(caller.language).to_owned(),
        (mark, _) => match rule_text(mark) {
            Some(text) => text.of(caller.language).to_owned(),
            None => mark.to_owned(),
        },
    }
}

/// In the network's words.
const fn notice_text(notice: Notice) -> Text {
    match notice {
        Notice::EmptyNumber => Text::new("空号", "number does not exist"),
        Notice::OutOfService => Text::new("停机", "out of service"),
        Notice::SwitchedOff => Text::new("关机", "switched off"),
        Notice::NotReachable => Text::new("不在服务区", "not reachable"),
        Notice::LineBusy => Text::new("占线", "line busy"),
        Notice::InACall => Text::new("通话中", "in a call"),
        Notice::NoAnswer => Text::new("无人接听", "no answer"),
        Notice::Barred => Text::new("呼入限制", "incoming calls barred"),
        Notice::Congestion => Text::new("网络忙", "network busy"),
    }
}

/// Which rule refused the number, or what it waits for.
fn rule_text(mark: &str) -> Option<Text> {
    let waits = mark.strip_prefix("wait_");
    let text = match (Rule::from_name(waits.unwrap_or(mark))?, waits) {
        (Rule::DncCompany, _) => {
            Text::new("呼叫拦截：公司免打扰名单", "blocked: on the company's do-not-call list")
        }
        (Rule::DncCampaign, _) => {
            Text::new("呼叫拦截：任务免打扰名单", "blocked: on the task's do-not-call list")
        }
        (Rule::Zone, _) => {
            Text::new("呼叫拦截：无法确定号码所在时区", "blocked: no time zone is known for the number")
        }
        (Rule::Window, None) => {
            Text::new("呼叫拦截：允许外呼时段未到即过期", "blocked: never within its call window")
        }
        (Rule::Window, Some(_)) => Text::new("等待允许外呼时段", "waits for its call window"),
        (Rule::Frequency, None) => {
            Text::new("呼叫拦截：超过呼叫频次", "blocked: over the call frequency cap")
        }
        (Rule::Frequency, Some(_)) => Text::new("超过呼叫频次，等待", "over the call frequency cap, waits"),
        (Rule::Lockout, None) => {
            Text::new("呼叫拦截：呼损后禁呼期", "blocked: locked out after an abandoned call")
        }
        (Rule::Lockout, Some(_)) => {
            Text::new("呼损后禁呼期，等待", "locked out after an abandoned call, waits")
        }
    };
    Some(text)
}

const fn outcome_text(outcome: Outcome) -> Text {
    match outcome {
        Outcome::Connected => Text::new("", ""),
        Outcome::Abandoned => Text::new("客户已接听，无空闲坐席", "answered, no agent came"),
        Outcome::Machine => Text::new("语音信箱", "answering machine"),
        Outcome::NoAnswer => Text::new("无人接听", "no answer"),
        Outcome::Busy => Text::new("用户忙", "busy"),
        Outcome::Rejected => Text::new("拒接", "rejected"),
        Outcome::Invalid => Text::new("空号", "number does not exist"),
        Outcome::Failed => Text::new("线路故障", "line failure"),
        Outcome::Blocked => Text::new("呼叫拦截", "blocked"),
        Outcome::Lost => Text::new("服务器重启中断", "interrupted by a server restart"),
    }
}
