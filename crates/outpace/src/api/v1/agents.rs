//! Agents: people at extensions, and what they are doing.

use std::collections::BTreeMap;

use engine::{AgentState, AgentView, CallView, CampaignId};
use serde_json::{Value, json};
use store::Extension;

use super::moment;
use super::problem::Problem;
use super::route::{Needs, Route, run};
use super::schema::{Form, Schema, boolean, count, field, formed, list, object, text, time, uuid, word};
use super::visit::{Answer, Visit};
use crate::handle::Command;

const STATES: &[&str] = &["signed_out", "paused", "ready", "offered", "talking", "wrap_up"];

pub fn routes() -> Vec<Route> {
    let items = field("items", list(schema(), 0, usize::MAX), "");
    vec![
        Route::get("/v1/agents", "listAgents", run!(list_all))
            .about("All agents with their states, by extension.")
            .query("state", word(STATES), "")
            .answers(200, object("Agents", vec![items])),
        at_extension(Route::get("/v1/agents/{extension}", "getAgent", run!(get)))
            .about("One agent.")
            .answers(200, schema()),
        at_extension(Route::patch("/v1/agents/{extension}", "pauseAgent", run!(pause)))
            .about("Pauses the agent, or ends the pause. A call in progress goes on.")
            .needs(Needs::OwnExtension)
            .body(object("AgentPatch", vec![field("paused", boolean(), "")]))
            .answers(200, paused_schema()),
        at_extension(Route::post("/v1/agents/{extension}/hangup", "hangUpAgent", run!(hang_up)))
            .about("Ends the call that the agent is in.")
            .needs(Needs::OwnExtension),
    ]
}

pub fn at_extension(route: Route) -> Route {
    let number = formed(1, 32, Form::Alphanumeric);
    let mut route = route.path_part("extension", number, "Number of the extension.");
    route.refusals = if route.changes() { &[404, 409] } else { &[404] };
    route
}

fn paused_schema() -> Schema {
    object("AgentPaused", vec![field("extension", text(64), ""), field("paused", boolean(), "")])
}

fn schema() -> Schema {
    let call = object(
        "CallOfAgent",
        vec![
            field("id", uuid(), ""),
            field("campaign", text(64).nullable(), ""),
            field("number", text(64), "Masked (138****5678) for who may not see it."),
            field("caller_id", text(64), ""),
            field("dialed_at", time(), ""),
            field("answered_at", time().nullable(), ""),
            field("bridged_at", time().nullable(), ""),
        ],
    );
    object(
        "Agent",
        vec![
            field("extension", text(64), ""),
            field("registered", boolean(), "The phone is there."),
            field("paused", boolean(), ""),
            field("state", word(STATES), "`signed_out`: not registered, signed in to no group, or disabled."),
            field("since", time().nullable(), "In this state since."),
            field("call", call.nullable(), "That the agent is offered or in."),
            field("calls", count(), "Since the server started; so are the next two."),
            field("missed", count(), ""),
            field("talk_seconds", count(), ""),
        ],
    )
}

pub const fn state_name(state: AgentState) -> &'static str {
    match state {
        AgentState::SignedOut => "signed_out",
        AgentState::Paused => "paused",
        AgentState::Ready => "ready",
        AgentState::Offered => "offered",
        AgentState::Talking => "talking",
        AgentState::WrapUp => "wrap_up",
    }
}

fn shown_agent(
    visit: &Visit,
    extension: &Extension,
    view: Option<&AgentView>,
    campaigns: &BTreeMap<CampaignId, String>,
) -> Value {
    let call = |c: &CallView| {
        json!({
            "id": c.call.to_string(),
            "campaign": c.campaign.and_then(|id| campaigns.get(&id)),
            "number": visit.shown(&c.number),
            "caller_id": c.caller_id,
            "dialed_at": moment::json(c.dialed_at),
            "answered_at": moment::json_or_null(c.answered_at),
            "bridged_at": moment::json_or_null(c.bridged_at),
        })
    };
    json!({
        "extension": extension.number,
        "registered": visit.handle().registration(extension.id).is_some(),
        "paused": extension.paused,
        "state": state_name(view.map_or(AgentState::SignedOut, |v| v.state)),
        "since": moment::json_or_null(view.map(|v| v.since)),
        "call": view.and_then(|v| v.call.as_ref()).map(call),
        "calls": view.map_or(0, |v| v.calls),
        "missed": view.map_or(0, |v| v.missed),
        "talk_seconds": view.map_or(0, |v| v.talk_seconds),
    })
}

async fn shown(visit: &Visit, extensions: &[Extension]) -> Result<Vec<Value>, Problem> {
    let views = visit.agents().await?;
    let company = visit.company();
    let open = visit.store(move |s| s.open_campaigns(company)).await?;
    let names = open.into_iter().map(|c| (c.id, c.settings.taskid)).collect();
    Ok(extensions.iter().map(|e| shown_agent(visit, e, views.get(&e.id), &names)).collect())
}

async fn list_all(visit: Visit) -> Result<Answer, Problem> {
    let mut items = shown(&visit, &visit.extensions().await?).await?;
    if let Some(state) = visit.query.text("state") {
        items.retain(|agent| agent["state"] == state);
    }
    Ok(Answer::ok(json!({ "items": items })))
}

async fn get(visit: Visit) -> Result<Answer, Problem> {
    let extension = visit.extension().await?;
    let shown = shown(&visit, &[extension]).await?.pop();
    Ok(Answer::ok(shown.unwrap_or_default()))
}

async fn pause(visit: Visit) -> Result<Answer, Problem> {
    let extension = visit.extension().await?;
    let (agent, paused) = (extension.id, visit.body.boolean("paused").unwrap_or_default());
    visit.store(move |s| s.set_paused(agent, paused)).await?;
    let company = visit.company();
    visit.announce(move || Command::Paused { company, agent, paused }).await;
    Ok(Answer::ok(json!({"extension": extension.number, "paused": paused})))
}

async fn hang_up(visit: Visit) -> Result<Answer, Problem> {
    let agent = visit.extension().await?.id;
    if visit.agents().await?.get(&agent).is_none_or(|view| view.call.is_none()) {
        return Err(Problem::conflict("not_in_call", "the agent is in no call"));
    }
    visit.handle().tell(Command::HangUp { company: visit.company(), agent }).await?;
    Ok(Answer::nothing())
}
