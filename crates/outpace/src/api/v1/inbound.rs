//! Which calls of customers the company takes.

use serde_json::{Value, json};
use store::{InboundSettings, Scope};

use super::problem::Problem;
use super::route::{Route, run};
use super::schema::{Field, Schema, boolean, field, line, number, object, optional};
use super::visit::{Answer, Visit};
use crate::handle::Command;

/// Of the times.
const SECONDS_MAX: f64 = 3600.0;

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/v1/inbound", "getInbound", run!(get))
            .about("Which calls of customers are taken. Each caller id may say otherwise for itself.")
            .answers(200, object("Inbound", fields(field))),
        Route::patch("/v1/inbound", "changeInbound", run!(change))
            .about("Changes what is given and keeps the rest. It holds from the next call on.")
            .needs_scope(Scope::Admin)
            .body(object("InboundPatch", fields(optional)))
            .answers(200, object("Inbound", fields(field))),
    ]
}

/// Of what is shown and of what is given: they differ in what must be there.
fn fields(make: fn(&'static str, Schema, &'static str) -> Field) -> Vec<Field> {
    vec![
        make("enabled", boolean(), "Whether calls to the company's enabled caller ids are taken."),
        make(
            "group",
            line(0, 64).nullable(),
            "Name of the group that takes calls of customers whom nobody called before; null: none does.",
        ),
        make("ring_seconds", number(0.0, SECONDS_MAX), "An agent's phone rings for so long."),
        make("wait_seconds", number(0.0, SECONDS_MAX), "A customer waits for so long at most."),
    ]
}

fn shown(s: &InboundSettings) -> Value {
    json!({
        "enabled": s.enabled,
        "group": Some(&s.group).filter(|group| !group.is_empty()),
        "ring_seconds": f64::from(s.ring_ms) / 1000.0,
        "wait_seconds": f64::from(s.wait_ms) / 1000.0,
    })
}

async fn get(visit: Visit) -> Result<Answer, Problem> {
    let company = visit.company();
    Ok(Answer::ok(shown(&visit.store(move |s| s.inbound(company)).await?)))
}

async fn change(visit: Visit) -> Result<Answer, Problem> {
    let company = visit.company();
    let mut settings = visit.store(move |s| s.inbound(company)).await?;
    let b = &visit.body;
    let ms = |seconds: f64| (seconds * 1000.0) as u32;
    settings.enabled = b.boolean("enabled").unwrap_or(settings.enabled);
    settings.ring_ms = b.number("ring_seconds").map_or(settings.ring_ms, ms);
    settings.wait_ms = b.number("wait_seconds").map_or(settings.wait_ms, ms);
    if b.has("group") {
        settings.group = b.text("group").unwrap_or_default().to_owned();
    }
    check_group(&visit, &settings.group).await?;
    let shown = shown(&settings);
    visit.store(move |s| s.put_inbound(company, &settings)).await?;
    visit.announce(|| Command::Reload).await;
    Ok(Answer::ok(shown))
}

/// Empty: none is named.
pub async fn check_group(visit: &Visit, name: &str) -> Result<(), Problem> {
    if name.is_empty() {
        return Ok(());
    }
    let company = visit.company();
    let groups = visit.store(move |s| s.groups(company)).await?;
    match groups.iter().any(|group| group.name == name) {
        true => Ok(()),
        false => Err(Problem::conflict("no_such_group", "there is no group of this name")),
    }
}
