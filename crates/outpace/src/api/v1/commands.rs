//! Calls by command: called for an agent, handed over, ended, listened to.

use engine::compliance::Permit;
use engine::{
    AgentId, AgentView, CallCommand, CallTags, FirstRung, MakeCall, PhoneNumber, Refusal, TransferTarget,
    WatchMode, WatchStart,
};
use serde_json::json;
use store::{CallerId, Extension, Scope};

use super::agents::at_extension;
use super::calls::at_id;
use super::problem::Problem;
use super::route::{Needs, Route, run};
use super::schema::{Form, Schema, either, field, formed, line, object, optional, text, uuid, word};
use super::visit::{Answer, Visit};

const TAG_CHARS_MAX: usize = 255;

pub fn routes() -> Vec<Route> {
    [by_agent(), by_call()].concat()
}

fn by_agent() -> Vec<Route> {
    vec![
        at_extension(Route::post("/v1/agents/{extension}/call", "callForAgent", run!(call_for_agent)))
            .about(
                "Calls a number for the agent (click to call). 202: it is on its way; what comes of it is told by \
                 /v1/events, and by the bill.",
            )
            .needs(Needs::OwnExtension)
            .body(object("NewCall", new_call()))
            .repeatable()
            .answers(202, placed_schema()),
        at_extension(Route::post("/v1/agents/{extension}/transfer", "transferAgentsCall", run!(transfer)))
            .about("Hands the call that the agent talks in to another extension, or to who is next in a group.")
            .needs(Needs::OwnExtension)
            .body(target_schema()),
        at_extension(Route::post("/v1/agents/{extension}/watch", "watchAgent", run!(watch)))
            .about("Rings a supervisor's extension and brings it into the call that the agent talks in; or changes whom \
                 the supervisor, who is in it, speaks to.")
            .needs_scope(Scope::Calls)
            .body(watch_schema()),
    ]
}

fn by_call() -> Vec<Route> {
    let of_call = |route: Route| {
        let mut route = at_id(route).needs_scope(Scope::Calls);
        route.refusals = &[404, 409];
        route
    };
    let mut fields =
        vec![field("extension", extension_number(), "The agent's, who is called first or last.")];
    fields.extend(new_call());
    vec![
        Route::post("/v1/calls", "placeCall", run!(place_call))
            .about("As /v1/agents/{extension}/call.")
            .needs_scope(Scope::Calls)
            .body(object("NewCallOfExtension", fields))
            .repeatable()
            .answers(202, placed_schema()),
        of_call(Route::post("/v1/calls/{call}/hangup", "hangUpCall", run!(end_call))).about(
            "Ends the call on both sides. One that no agent is in, or is rung for, is not ended (409).",
        ),
        of_call(Route::post("/v1/calls/{call}/transfer", "transferCall", run!(transfer)))
            .about("As /v1/agents/{extension}/transfer, for the agent who is in the call.")
            .body(target_schema()),
        of_call(Route::post("/v1/calls/{call}/watch", "watchCall", run!(watch)))
            .about("As /v1/agents/{extension}/watch, for the agent who is in the call.")
            .body(watch_schema()),
    ]
}

const fn extension_number() -> Schema {
    formed(1, 32, Form::Alphanumeric)
}

fn new_call() -> Vec<super::schema::Field> {
    let tag = |name, about| optional(name, line(0, TAG_CHARS_MAX), about);
    vec![
        field("number", formed(3, 21, Form::Phone), "That is called."),
        optional("first", word(&["agent", "customer"]), "Who is rung first. Default: agent."),
        optional(
            "caller_id",
            formed(3, 21, Form::Phone),
            "That the customer sees. Absent: the company's enabled ones take turns.",
        ),
        tag("user_id", "The client's own marks, which come back in the bill."),
        tag("member_id", ""),
        tag("ext", ""),
        tag("custom_uuid", ""),
    ]
}

fn placed_schema() -> Schema {
    object(
        "PlacedCall",
        vec![
            field("call", uuid().nullable(), "Its id; null when it has ended already."),
            field("extension", text(64), ""),
        ],
    )
}

fn target_schema() -> Schema {
    either(vec![
        object("ToExtension", vec![field("extension", extension_number(), "Who is to take the call.")]),
        object(
            "ToGroup",
            vec![field("group", line(1, 100), "Its name: whoever is ready and next takes it.")],
        ),
    ])
}

fn watch_schema() -> Schema {
    object(
        "Watch",
        vec![
            field("supervisor", extension_number(), "The supervisor's extension."),
            field(
                "mode",
                word(&["listen", "whisper", "three_way"]),
                "Who hears the supervisor: nobody, the agent, agent and customer.",
            ),
        ],
    )
}

async fn call_for_agent(visit: Visit) -> Result<Answer, Problem> {
    let extension = visit.extension().await?;
    place(&visit, extension).await
}

async fn place_call(visit: Visit) -> Result<Answer, Problem> {
    let extension = named_extension(&visit, "extension").await?;
    place(&visit, extension).await
}

async fn place(visit: &Visit, extension: Extension) -> Result<Answer, Problem> {
    let b = &visit.body;
    let number = b.text_or_empty("number");
    let number = PhoneNumber::parse(&number).map_err(|e| Problem::of_field("number", e.to_string()))?;
    let (company, wanted) = (visit.company(), b.text("caller_id").map(str::to_owned));
    let known = visit.store(move |s| s.caller_ids(company)).await?;
    let caller_ids = caller_ids(&known, wanted.as_deref())?;
    let first = if b.text("first") == Some("customer") { FirstRung::Customer } else { FirstRung::Agent };
    let tags = CallTags {
        user_id: b.text_or_empty("user_id"),
        member_id: b.text_or_empty("member_id"),
        ext: b.text_or_empty("ext"),
        custom_uuid: b.text_or_empty("custom_uuid"),
    };
    let (now, asked) = (visit.now, number.clone());
    if let Permit::Refused(rule) | Permit::Wait { rule, .. } =
        visit.store(move |s| s.may_call(now, company, &asked)).await?
    {
        return Err(Problem::conflict("against_the_rules", format!("the rule {} forbids it", rule.name())));
    }
    let agent = extension.id;
    let call = MakeCall { agent, number, caller_ids, first, tags };
    tell(visit, CallCommand::MakeCall(call)).await?;
    let call =
        visit.agents().await?.get(&agent).and_then(|view| view.call.as_ref()).map(|c| c.call.to_string());
    let placed = json!({"call": call, "extension": extension.number});
    Ok(Answer { status: 202, ..Answer::ok(placed) })
}

/// One of the company's that is enabled; a company that has none may show any number.
fn caller_ids(known: &[CallerId], wanted: Option<&str>) -> Result<Vec<String>, Problem> {
    let refused = |why: &str| Err(Problem::conflict("caller_id_refused", why));
    let Some(wanted) = wanted else {
        return Ok(known.iter().filter(|c| c.enabled).map(|c| c.number.clone()).collect());
    };
    match known.iter().find(|c| c.number == wanted) {
        Some(found) if !found.enabled => refused("this caller id is disabled"),
        None if !known.is_empty() => refused("this caller id is not the company's"),
        _ => Ok(vec![wanted.to_owned()]),
    }
}

async fn end_call(visit: Visit) -> Result<Answer, Problem> {
    let agent = agent_in_call(&visit).await?;
    tell(&visit, CallCommand::Release { agent: agent.agent }).await?;
    Ok(Answer::nothing())
}

async fn transfer(visit: Visit) -> Result<Answer, Problem> {
    let agent = whose_call(&visit).await?;
    let target = match visit.body.text("group").map(str::to_owned) {
        None => TransferTarget::Agent(named_extension(&visit, "extension").await?.id),
        Some(name) => {
            let company = visit.company();
            let groups = visit.store(move |s| s.groups(company)).await?;
            let group = groups.into_iter().find(|g| g.name == name);
            let group = group.ok_or_else(|| Problem::conflict("no_such_group", "there is no such group"))?;
            TransferTarget::Group(group.id)
        }
    };
    tell(&visit, CallCommand::Transfer { agent, target }).await?;
    Ok(Answer::nothing())
}

async fn watch(visit: Visit) -> Result<Answer, Problem> {
    let agent = whose_call(&visit).await?;
    let supervisor = named_extension(&visit, "supervisor").await?.id;
    let mode = match visit.body.text("mode") {
        Some("whisper") => WatchMode::Whisper,
        Some("three_way") => WatchMode::ThreeWay,
        _ => WatchMode::Listen,
    };
    let start = WatchStart::RingIfNeeded;
    tell(&visit, CallCommand::Watch { supervisor, agent, mode, start }).await?;
    Ok(Answer::nothing())
}

/// The agent that the path names, or who is in the call that it names.
async fn whose_call(visit: &Visit) -> Result<AgentId, Problem> {
    match visit.part("call") {
        "" => Ok(visit.extension().await?.id),
        _ => Ok(agent_in_call(visit).await?.agent),
    }
}

/// 404: the company has no such call. 409: nobody is in it any more, or yet.
async fn agent_in_call(visit: &Visit) -> Result<AgentView, Problem> {
    let call = super::calls::id(visit)?;
    let found = visit.agents().await?.into_values();
    // A supervisor who listens is in a call of his own.
    let mut found = found.filter(|view| view.call.as_ref().is_some_and(|c| c.call == call));
    if let Some(agent) = found.next() {
        return Ok(agent);
    }
    let company = visit.company();
    match visit.store(move |s| s.call(company, call)).await? {
        Some(_) => Err(not_in_call()),
        None => Err(Problem::not_found("call")),
    }
}

/// The company's extension that the body names.
async fn named_extension(visit: &Visit, name: &str) -> Result<Extension, Problem> {
    let found = visit.extension_numbered(visit.body.text_or_empty(name)).await?;
    found.ok_or_else(|| Problem::conflict("no_such_extension", format!("{name}: there is no such extension")))
}

fn not_in_call() -> Problem {
    Problem::conflict("not_in_call", "no agent talks in it")
}

/// Hands the command to the engine, and says why it was refused.
async fn tell(visit: &Visit, command: CallCommand) -> Result<(), Problem> {
    let answer = visit.handle().call_command(visit.company(), command).await?;
    answer.map_err(|refusal| {
        let (code, message) = match refusal {
            Refusal::UnknownAgent => ("no_such_extension", "there is no such extension"),
            Refusal::Disabled => ("extension_disabled", "the extension is disabled"),
            Refusal::NotRegistered => ("not_registered", "no phone is registered for the extension"),
            Refusal::Busy => ("busy", "the extension is rung or in a call"),
            Refusal::TargetBusy => ("busy", "who is to take the call is rung or in a call"),
            Refusal::NotInCall | Refusal::NotWatching => return not_in_call(),
            Refusal::NobodyReady => ("nobody_ready", "nobody of the group is ready"),
            Refusal::NoTrunk => ("no_trunk", "no trunk has a channel for it"),
            Refusal::NotAllowed => ("against_the_rules", "a rule forbids it"),
            Refusal::Unavailable => {
                return Problem::new(503, "unavailable", "the server is overloaded or stopping; try again");
            }
        };
        Problem::conflict(code, message)
    })
}
