//! `App.Sip_Call`: calls for agents, and commands for a live call.

use engine::compliance::Permit;
use engine::{
    CallCommand, CallTags, FirstRung, MakeCall, PhoneNumber, Refusal, TransferTarget, WatchMode, WatchStart,
};
use store::{CallerId, Extension};

use super::Caller;
use super::code::Code;
use super::envelope::{Done, Failure, Reply};
use crate::handle::{Command, HandleError};

const TAG_CHARS_MAX: usize = 255;

/// `MakeCall`: rings the extension and the number, and joins them.
pub async fn make(caller: &Caller) -> Reply {
    let asked = Asked::read(caller)?;
    let caller_ids = match caller.parameters().text("disnumber") {
        Some(wanted) => vec![own_caller_id(caller, wanted).await?],
        None => enabled(&caller_ids(caller).await?),
    };
    place(caller, asked, caller_ids).await
}

/// `MakePloyCall`: as `MakeCall`, with a caller id picked by policy: the company's enabled ones take turns.
pub async fn make_by_policy(caller: &Caller) -> Reply {
    let asked = Asked::read(caller)?;
    let all = caller_ids(caller).await?;
    let enabled = enabled(&all);
    match (all.is_empty(), enabled.is_empty()) {
        (true, _) => Err(Code::NO_POLICY.into()),
        (false, true) => Err(Code::NO_RESOURCE.into()),
        _ => place(caller, asked, enabled).await,
    }
}

/// What both ask for, before it is known whether there is such a thing.
struct Asked<'a> {
    extension: &'a str,
    number: &'a str,
    first: FirstRung,
    tags: CallTags,
}

impl Asked<'_> {
    fn read(caller: &Caller) -> Result<Asked<'_>, Failure> {
        let p = caller.parameters();
        let methods = [("positive", FirstRung::Agent), ("reverse", FirstRung::Customer)];
        let text = |name| p.name(name, TAG_CHARS_MAX).map(str::to_owned);
        Ok(Asked {
            extension: p.required("extnumber")?,
            number: p.required("destnumber")?,
            first: p.word("callmethod", &methods)?.unwrap_or(FirstRung::Agent),
            tags: CallTags {
                user_id: text("userid")?,
                member_id: text("memberid")?,
                ext: if p.text("ext").is_some() { text("ext")? } else { text("chengshudu")? },
                custom_uuid: text("customuuid")?,
            },
        })
    }
}

async fn place(caller: &Caller, asked: Asked<'_>, caller_ids: Vec<String>) -> Reply {
    let Asked { extension, number, first, tags } = asked;
    let extension = reachable_extension(caller, extension).await?;
    let number = PhoneNumber::parse(number).map_err(|_| Failure::about(Code::BAD_NUMBER, number))?;
    let (company, now, asked) = (caller.id(), caller.now(), number.clone());
    if caller.store(move |s| s.may_call(now, company, &asked)).await? != Permit::Allowed {
        return Err(Failure::about(Code::AGAINST_POLICY, number.as_str()));
    }
    let call = MakeCall { agent: extension.id, number, caller_ids, first, tags };
    command(caller, &extension, CallCommand::MakeCall(call)).await
}

/// `SpyCall`: `extnumber` comes into the call of `destnumber`, or changes whom it speaks to in it.
pub async fn spy(caller: &Caller) -> Reply {
    let p = caller.parameters();
    let (ring, inside) = (WatchStart::RingIfNeeded, WatchStart::InCallOnly);
    let (mode, start) = match p.required_int("monitortype", 1..=4)? {
        1 => (WatchMode::Listen, ring),
        2 => (WatchMode::Whisper, ring),
        3 => (WatchMode::Listen, inside),
        _ => (WatchMode::ThreeWay, ring),
    };
    watch(caller, mode, start).await
}

/// `ForceCall`: `extnumber` comes into the call of `destnumber` and speaks with both, or ends it.
pub async fn force(caller: &Caller) -> Reply {
    let p = caller.parameters();
    if p.required_int("forcetype", 1..=2)? == 1 {
        return watch(caller, WatchMode::ThreeWay, WatchStart::RingIfNeeded).await;
    }
    let (by, watched) = (p.required("extnumber")?, p.required("destnumber")?);
    caller.extension(by).await?;
    let watched = caller.extension(watched).await?;
    command(caller, &watched, CallCommand::Release { agent: watched.id }).await
}

/// `TransferCall`: hands the call of `anumber` to an extension or a queue.
pub async fn transfer(caller: &Caller) -> Reply {
    let p = caller.parameters();
    let (from, to) = (p.required("anumber")?, p.required("destnumber")?);
    let kind = p.required_int("transfertype", 1..=2)?;
    let from = caller.extension(from).await?;
    let target = match kind {
        1 => TransferTarget::Agent(reachable_extension(caller, to).await?.id),
        _ => TransferTarget::Group(caller.group(to).await?.id),
    };
    let transfer = CallCommand::Transfer { agent: from.id, target };
    taken(caller, transfer).await?.map_err(|refusal| match refusal {
        Refusal::TargetBusy => Failure::about(Code::EXTENSION_BUSY, to),
        Refusal::NotRegistered => Failure::about(Code::NOT_REGISTERED, to),
        other => refused(other, &from),
    })?;
    Done::empty()
}

async fn watch(caller: &Caller, mode: WatchMode, start: WatchStart) -> Reply {
    let p = caller.parameters();
    let (by, watched) = (p.required("extnumber")?, p.required("destnumber")?);
    // Who is meant comes before how they are.
    let (supervisor, watched) = (caller.extension(by).await?, caller.extension(watched).await?);
    check_reachable(caller, &supervisor)?;
    let watch = CallCommand::Watch { supervisor: supervisor.id, agent: watched.id, mode, start };
    taken(caller, watch).await?.map_err(|refusal| match refusal {
        Refusal::NotInCall => Failure::about(Code::NOT_IN_CALL, watched.number.as_str()),
        other => refused(other, &supervisor),
    })?;
    Done::empty()
}

/// Hands the command to the engine, and says what it said.
async fn command(caller: &Caller, extension: &Extension, command: CallCommand) -> Reply {
    taken(caller, command).await?.map_err(|refusal| refused(refusal, extension))?;
    Done::empty()
}

/// What the dialer says to a command; 1001 when it says nothing.
async fn taken(caller: &Caller, command: CallCommand) -> Result<Result<(), Refusal>, Failure> {
    caller.app.handle.call_command(caller.id(), command).await.map_err(no_connection)
}

fn no_connection(error: HandleError) -> Failure {
    tracing::error!(%error, "a command for a call was not taken");
    Code::NO_CONNECTION.into()
}

fn refused(refusal: Refusal, extension: &Extension) -> Failure {
    let number = extension.number.as_str();
    match refusal {
        Refusal::UnknownAgent => Failure::about(Code::NO_EXTENSION, number),
        Refusal::Disabled => Failure::about(Code::EXTENSION_DISABLED, number),
        Refusal::NotRegistered => Failure::about(Code::NOT_REGISTERED, number),
        Refusal::Busy => Failure::about(Code::EXTENSION_BUSY, number),
        Refusal::NotInCall | Refusal::NotWatching => Failure::about(Code::NOT_IN_CALL, number),
        Refusal::TargetBusy => Failure::about(Code::EXTENSION_BUSY, number),
        Refusal::NoTrunk | Refusal::NobodyReady => Code::NO_RESOURCE.into(),
        Refusal::NotAllowed => Code::AGAINST_POLICY.into(),
        Refusal::Unavailable => Code::FAILED.into(),
    }
}

/// 1011, 1012, 1013, 1014.
async fn reachable_extension(caller: &Caller, number: &str) -> Result<Extension, Failure> {
    let extension = caller.extension(number).await?;
    check_reachable(caller, &extension)?;
    Ok(extension)
}

/// 1013, 1014.
fn check_reachable(caller: &Caller, extension: &Extension) -> Result<(), Failure> {
    let number = extension.number.as_str();
    if !extension.enabled {
        return Err(Failure::about(Code::EXTENSION_DISABLED, number));
    }
    if caller.registration(extension.id).is_none() {
        return Err(Failure::about(Code::NOT_REGISTERED, number));
    }
    Ok(())
}

async fn caller_ids(caller: &Caller) -> Result<Vec<CallerId>, Failure> {
    let company = caller.id();
    Ok(caller.store(move |s| s.caller_ids(company)).await?)
}

fn enabled(caller_ids: &[CallerId]) -> Vec<String> {
    caller_ids.iter().filter(|c| c.enabled).map(|c| c.number.clone()).collect()
}

/// A company without caller ids may show what it likes, as its tasks may.
async fn own_caller_id(caller: &Caller, wanted: &str) -> Result<String, Failure> {
    let all = caller_ids(caller).await?;
    match all.iter().find(|c| c.number == wanted) {
        Some(found) if found.enabled => Ok(wanted.to_owned()),
        Some(_) => Err(Failure::about(Code::NUMBER_DISABLED, wanted)),
        None if all.is_empty() && PhoneNumber::parse(wanted).is_ok() => Ok(wanted.to_owned()),
        None if all.is_empty() => Err(Failure::about(Code::BAD_NUMBER, wanted)),
        None => Err(Failure::about(Code::NO_NUMBER, wanted)),
    }
}

/// `HangupCall`
pub async fn hang_up(caller: &Caller) -> Reply {
    let number = caller.parameters().required("extnumber")?;
    let extension = caller.extension(number).await?;
    let (handle, company, agent) = (&caller.app.handle, caller.id(), extension.id);
    let agents = handle.agents(company).await.map_err(no_connection)?;
    if agents.iter().find(|a| a.agent == agent).is_none_or(|a| a.call.is_none()) {
        return Err(Failure::about(Code::NOT_IN_CALL, number));
    }
    handle.tell(Command::HangUp { company, agent }).await.map_err(no_connection)?;
    Done::empty()
}
