//! `App.Sip_Status`: what extensions are doing.

use engine::{AgentState, AgentView, CallView, Timestamp};
use serde::Serialize;
use std::collections::BTreeMap;
use store::Extension;

use super::Caller;
use super::code::Code;
use super::envelope::{Done, Failure, Reply};

const EXTENSIONS_MAX: usize = 1000;

#[derive(Serialize)]
struct CallStatusRow {
    extnumber: String,
    status: u16,
    caller: Option<String>,
    callee: Option<String>,
    disnumber: Option<String>,
    direction: Option<&'static str>,
    channel: Option<String>,
    idleduration: Option<u64>,
    callduration: Option<u64>,
}

#[derive(Serialize)]
struct RegisterRow {
    extnumber: String,
    code: u16,
    clientip: Option<String>,
    serverip: Option<String>,
}

#[derive(Serialize)]
struct ValidRow {
    extnumber: String,
    code: u16,
}

/// `GetSipCallStatus`
pub async fn calls(caller: &Caller) -> Reply {
    let asked = asked(caller).await?;
    let agents = caller.agents().await?;
    let rows: Vec<CallStatusRow> = asked
        .into_iter()
        .map(|(number, extension)| {
            let view = extension.as_ref().and_then(|e| agents.get(&e.id));
            call_status(caller, number, extension.as_ref(), view)
        })
        .collect();
    Done::with(&rows)
}

/// `GetSipRegisterStatus`
pub async fn registrations(caller: &Caller) -> Reply {
    let asked = asked(caller).await?;
    let rows: Vec<RegisterRow> = asked
        .into_iter()
        .map(|(extnumber, extension)| {
            let address = extension.and_then(|e| caller.registration(e.id));
            RegisterRow {
                extnumber,
                code: address.map_or(Code::NOT_REGISTERED, |_| Code::REGISTERED).0,
                clientip: address.map(|a| a.ip().to_canonical().to_string()),
                serverip: None,
            }
        })
        .collect();
    Done::with(&rows)
}

/// `GetSipValidStatus`
pub async fn validity(caller: &Caller) -> Reply {
    let asked = asked(caller).await?;
    let rows: Vec<ValidRow> = asked
        .into_iter()
        .map(|(extnumber, extension)| {
            let code = match extension {
                None => Code::NO_EXTENSION,
                Some(e) if e.enabled => Code::EXTENSION_ENABLED,
                Some(_) => Code::EXTENSION_DISABLED,
            };
            ValidRow { extnumber, code: code.0 }
        })
        .collect();
    Done::with(&rows)
}

/// The extensions of the parameter, in its order; `None` for one that is not the company's.
async fn asked(caller: &Caller) -> Result<Vec<(String, Option<Extension>)>, Failure> {
    let numbers = caller.parameters().required_list("extnumber", EXTENSIONS_MAX)?;
    let company = caller.id();
    let extensions = caller.store(move |s| s.extensions(Some(company))).await?;
    let by_number: BTreeMap<&str, &Extension> = extensions.iter().map(|e| (e.number.as_str(), e)).collect();
    let found = |number: &String| by_number.get(number.as_str()).map(|e| (*e).clone());
    Ok(numbers.into_iter().map(|n| (n.clone(), found(&n))).collect())
}

fn call_status(
    caller: &Caller,
    number: String,
    extension: Option<&Extension>,
    view: Option<&AgentView>,
) -> CallStatusRow {
    let call = view.and_then(|v| v.call.as_ref());
    let is_registered = extension.is_some_and(|e| caller.registration(e.id).is_some());
    let code = match (extension, view) {
        (None, _) => Code::NO_EXTENSION,
        // A call outlives its extension's registration.
        (Some(_), Some(_)) if call.is_some_and(|c| c.awaits_customer) => Code::OFF_HOOK,
        (Some(_), Some(v)) if call.is_some() => state_code(v.state),
        (Some(e), _) if !e.enabled => Code::EXTENSION_DISABLED,
        (Some(_), _) if !is_registered => Code::NOT_REGISTERED,
        (Some(_), Some(v)) => state_code(v.state),
        (Some(e), None) if e.paused => Code::OTHER,
        (Some(_), None) => Code::IDLE,
    };
    let resting = matches!(code, Code::IDLE | Code::OTHER) && call.is_none();
    let seconds = |since: Timestamp| caller.now().since(since).as_secs();
    CallStatusRow {
        status: code.0,
        caller: call.map(|c| if c.is_inbound { c.number.clone() } else { number.clone() }),
        callee: call.map(|c| if c.is_inbound { number.clone() } else { c.number.clone() }),
        disnumber: call.map(|c| c.caller_id.clone()),
        direction: call.map(|c| if c.is_inbound { "callin" } else { "callout" }),
        channel: call.map(|c| c.call.to_string()),
        idleduration: view.filter(|_| resting).map(|v| seconds(v.since)),
        callduration: call.map(|c| call_began(c).map_or(0, seconds)),
        extnumber: number,
    }
}

/// When the agent began to talk.
fn call_began(call: &CallView) -> Option<Timestamp> {
    call.bridged_at
}

/// A registered phone is idle whether or not its agent is signed in somewhere.
const fn state_code(state: AgentState) -> Code {
    match state {
        AgentState::SignedOut | AgentState::Ready => Code::IDLE,
        AgentState::Offered => Code::RINGING,
        AgentState::Talking => Code::TALKING,
        AgentState::Paused | AgentState::WrapUp => Code::OTHER,
    }
}
