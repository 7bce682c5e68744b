//! `App.Sip_Queue`: a queue is a group with a strategy; agents sign in to it.

use std::collections::BTreeMap;

use engine::{AgentId, AgentState, AgentView, Miss, Strategy, Timestamp};
use serde::Serialize;
use store::{Extension, Group, NewGroup, Queueing, SignIn};

use super::Caller;
use super::code::Code;
use super::envelope::{Done, Failure, Reply};
use super::group::{NAME_CHARS_MAX, create, groups};
use super::parameter::Parameters;
use crate::handle::Command;

const REMARK_CHARS_MAX: usize = 500;
const ANNOUNCE_CHARS_MAX: usize = 500;
/// Of what acts, in seconds.
const WAIT_MAX: i64 = 3600;
/// Of what is only kept.
const KEPT_MAX: i64 = 86_400;
const YES_NO: [(&str, bool); 4] = [("yes", true), ("no", false), ("1", true), ("0", false)];

#[derive(Serialize)]
struct QueueRow {
    queuename: String,
    remark: String,
    strategy: i64,
    announce: String,
    announcefreq: u32,
    ringdelay: u32,
    maxwaittime: u32,
    withnoagenttime: u32,
    noagentrejoiningtime: u32,
    discardtime: u32,
    autocall: &'static str,
}

#[derive(Serialize)]
struct SeatRow {
    queuename: String,
    seatsname: String,
    extnumber: String,
    status: u16,
    state: u16,
    lastanswertime: String,
    lastassigntime: String,
    seatschangetime: String,
    noanswercount: u32,
    callsanswered: u32,
    externalcallscount: u32,
    wrapuptime: u32,
    maxnoanswer: u32,
}

/// `AddQueue`
pub async fn add(caller: &Caller) -> Reply {
    let p = caller.parameters();
    let group = NewGroup {
        company: caller.id(),
        name: p.required_name("queuename", NAME_CHARS_MAX)?.to_owned(),
        enabled: true,
        strategy: strategy(p)?.unwrap_or_default(),
        remark: p.name("remark", REMARK_CHARS_MAX)?.to_owned(),
        automatic: p.word("autocall", &YES_NO)?.unwrap_or(true),
        queueing: queueing(p, Queueing::default())?,
    };
    create(caller, group).await
}

/// `EditQueue`: what is not given stays.
pub async fn edit(caller: &Caller) -> Reply {
    let p = caller.parameters();
    let name = p.required("queuename")?;
    let strategy = strategy(p)?;
    let automatic = p.word("autocall", &YES_NO)?;
    let remark = p.fields.text("remark").map(|_| p.name("remark", REMARK_CHARS_MAX)).transpose()?;
    // Looked at before the group is looked for.
    queueing(p, Queueing::default())?;
    let mut group = caller.group(name).await?;
    group.queueing = queueing(p, group.queueing)?;
    group.strategy = strategy.unwrap_or(group.strategy);
    group.automatic = automatic.unwrap_or(group.automatic);
    if let Some(remark) = remark {
        group.remark = remark.to_owned();
    }
    let id = group.id;
    caller.store(move |s| s.edit_group(&group)).await?;
    caller.tell(Command::GroupChanged { company: caller.id(), group: id }).await?;
    Done::empty()
}

/// What is given, in place of what was before.
fn queueing(p: Parameters<'_>, before: Queueing) -> Result<Queueing, Failure> {
    let seconds = |name: &str, max: i64, before: u32| {
        let given = p.int(name, 0..=max)?.and_then(|s| u32::try_from(s).ok());
        Ok::<u32, Failure>(given.unwrap_or(before))
    };
    let announce = p.fields.text("announce").map(|_| p.name("announce", ANNOUNCE_CHARS_MAX)).transpose()?;
    Ok(Queueing {
        ring_s: seconds("ringdelay", WAIT_MAX, before.ring_s)?,
        wait_s: seconds("maxwaittime", WAIT_MAX, before.wait_s)?,
        absent_wait_s: seconds("withnoagenttime", WAIT_MAX, before.absent_wait_s)?,
        announce: announce.map_or(before.announce, str::to_owned),
        announce_every_s: seconds("announcefreq", KEPT_MAX, before.announce_every_s)?,
        rejoin_s: seconds("noagentrejoiningtime", KEPT_MAX, before.rejoin_s)?,
        discard_s: seconds("discardtime", KEPT_MAX, before.discard_s)?,
    })
}

fn strategy(p: Parameters<'_>) -> Result<Option<Strategy>, Failure> {
    Ok(p.int("strategy", 1..=8)?.and_then(Strategy::from_code))
}

/// `GetQueueList`
pub async fn list(caller: &Caller) -> Reply {
    let name = caller.parameters().text("queuename");
    let rows: Vec<QueueRow> = groups(caller)
        .await?
        .into_iter()
        .filter(|g| name.is_none_or(|n| g.name == n))
        .map(|g| QueueRow {
            queuename: g.name,
            remark: g.remark,
            strategy: g.strategy.code(),
            announce: g.queueing.announce,
            announcefreq: g.queueing.announce_every_s,
            ringdelay: g.queueing.ring_s,
            maxwaittime: g.queueing.wait_s,
            withnoagenttime: g.queueing.absent_wait_s,
            noagentrejoiningtime: g.queueing.rejoin_s,
            discardtime: g.queueing.discard_s,
            autocall: if g.automatic { "yes" } else { "no" },
        })
        .collect();
    Done::with(&rows)
}

/// `SipSignIn`: joins as a member where needed, and is ready as soon as the phone is registered.
pub async fn sign_in(caller: &Caller) -> Reply {
    let (group, extension) = seat(caller).await?;
    if !group.enabled {
        return Err(Failure::about(Code::GROUP_DISABLED, group.name));
    }
    if !extension.enabled {
        return Err(Failure::about(Code::EXTENSION_DISABLED, extension.number));
    }
    let (company, group, agent) = (caller.id(), group.id, extension.id);
    let join = move |s: &dyn store::Store| {
        s.put_member(group, agent, SignIn::In)?;
        s.set_paused(agent, false)
    };
    caller.store(join).await?;
    caller.tell(Command::GroupChanged { company, group }).await?;
    caller.tell(Command::Paused { company, agent, paused: false }).await?;
    Done::empty()
}

/// `SipSignOut`: stays a member.
pub async fn sign_out(caller: &Caller) -> Reply {
    let (group, extension) = seat(caller).await?;
    let (company, agent) = (caller.id(), extension.id);
    let is_member = group.members.iter().any(|m| m.agent == agent);
    let group = group.id;
    if is_member {
        caller.store(move |s| s.put_member(group, agent, SignIn::Out)).await?;
        caller.tell(Command::GroupChanged { company, group }).await?;
    }
    Done::empty()
}

/// The queue and the extension that the parameters name.
async fn seat(caller: &Caller) -> Result<(Group, Extension), Failure> {
    let p = caller.parameters();
    let (name, number) = (p.required("queuename")?, p.required("extnumber")?);
    Ok((caller.group(name).await?, caller.extension(number).await?))
}

/// `SetSeatsStatus`
pub async fn set_seat(caller: &Caller) -> Reply {
    let p = caller.parameters();
    let paused = p.required_int("settype", 1..=2)? == 1;
    let number = p.required("extnumber")?;
    if let Some(name) = p.text("queuename") {
        caller.group(name).await?;
    }
    let agent = caller.extension(number).await?.id;
    caller.store(move |s| s.set_paused(agent, paused)).await?;
    caller.tell(Command::Paused { company: caller.id(), agent, paused }).await?;
    Done::empty()
}

/// `GetQueueSipStatus`: one row for each queue that an extension is signed in to.
pub async fn seats(caller: &Caller) -> Reply {
    let p = caller.parameters();
    let wanted = p.int("state", 0..=4)?.unwrap_or(0);
    let (name, numbers) = (p.text("queuename"), p.list("extnumber"));
    let company = caller.id();
    let extensions = caller.store(move |s| s.extensions(Some(company))).await?;
    let extensions: BTreeMap<AgentId, Extension> = extensions.into_iter().map(|e| (e.id, e)).collect();
    let agents = caller.agents().await?;
    let mut rows = Vec::new();
    for group in groups(caller).await?.iter().filter(|g| name.is_none_or(|n| g.name == n)) {
        for member in group.members.iter().filter(|m| m.signed_in == SignIn::In) {
            let Some(extension) = extensions.get(&member.agent) else { continue };
            let view = agents.get(&member.agent);
            let state = view.map_or(AgentState::SignedOut, |v| v.state);
            if (numbers.is_empty() || numbers.contains(&extension.number)) && is_wanted(wanted, state) {
                rows.push(seat_row(caller, &group.name, extension, state, view));
            }
        }
    }
    Done::with(&rows)
}

/// 0 all, 1 idle: in no call and not paused, 2 waiting for one, 3 receiving, 4 talking.
const fn is_wanted(wanted: i64, state: AgentState) -> bool {
    match wanted {
        1 => matches!(state, AgentState::Ready | AgentState::WrapUp),
        2 => matches!(state, AgentState::Ready),
        3 => matches!(state, AgentState::Offered),
        4 => matches!(state, AgentState::Talking),
        _ => true,
    }
}

fn seat_row(
    caller: &Caller,
    queue: &str,
    extension: &Extension,
    state: AgentState,
    view: Option<&AgentView>,
) -> SeatRow {
    let time = |at: Option<Timestamp>| at.map_or_else(String::new, |at| caller.zone.format(at));
    let code = seat_code(state, extension.paused, view.and_then(|v| v.missed_now)).0;
    SeatRow {
        queuename: queue.to_owned(),
        // Clients find the extension at its beginning.
        seatsname: format!("{}_{queue}", extension.number),
        extnumber: extension.number.clone(),
        status: code,
        state: code,
        lastanswertime: time(view.and_then(|v| v.last_answered)),
        lastassigntime: time(view.and_then(|v| v.last_offered)),
        seatschangetime: time(view.map(|v| v.since)),
        noanswercount: view.map_or(0, |v| v.missed),
        callsanswered: view.map_or(0, |v| v.calls),
        externalcallscount: 0,
        wrapuptime: 0,
        maxnoanswer: 0,
    }
}

const fn seat_code(state: AgentState, paused: bool, missed: Option<Miss>) -> Code {
    match state {
        AgentState::WrapUp if matches!(missed, Some(Miss::NotPickedUp)) => Code::SEAT_UNREACHED,
        AgentState::WrapUp if matches!(missed, Some(Miss::Declined)) => Code::SEAT_DECLINED,
        AgentState::SignedOut if paused => Code::SEAT_PAUSED,
        // Signed in, but the phone is not registered.
        AgentState::SignedOut => Code::SEAT_UNREACHED,
        AgentState::Ready => Code::SEAT_WAITING,
        AgentState::Offered => Code::SEAT_RECEIVING,
        AgentState::Talking => Code::SEAT_TALKING,
        AgentState::Paused | AgentState::WrapUp => Code::SEAT_PAUSED,
    }
}
