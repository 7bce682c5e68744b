//! Caller ids: the numbers that customers see.

use serde_json::{Value, json};
use store::{CallerId, Scope};

use super::inbound;
use super::problem::Problem;
use super::route::{Route, run};
use super::schema::{Form, Schema, boolean, field, formed, line, list, object, optional, text};
use super::visit::{Answer, Visit};
use crate::handle::Command;

pub fn routes() -> Vec<Route> {
    let items = field("items", list(schema(), 0, usize::MAX), "");
    vec![
        Route::get("/v1/caller_ids", "listCallerIds", run!(list_all))
            .about("All caller ids.")
            .answers(200, object("CallerIds", vec![items])),
        Route::put("/v1/caller_ids/{caller_id}", "putCallerId", run!(put))
            .about("Adds or changes a caller id.")
            .path_part("caller_id", formed(3, 21, Form::Phone), "The number.")
            .needs_scope(Scope::Admin)
            .body(object(
                "NewCallerId",
                vec![
                    optional(
                        "automatic",
                        boolean(),
                        "May be used by campaigns that name none. Default: true.",
                    ),
                    optional("enabled", boolean(), "Default: true."),
                    optional(
                        "inbound",
                        boolean().nullable(),
                        "Whether calls of customers to it are taken. Null, the default: as `/v1/inbound` says.",
                    ),
                    optional(
                        "inbound_group",
                        line(0, 64).nullable(),
                        "Name of the group that takes them. Null or empty, the default: as `/v1/inbound` says.",
                    ),
                ],
            ))
            .answers(200, schema()),
        Route::delete("/v1/caller_ids/{caller_id}", "deleteCallerId", run!(delete))
            .about("Deletes a caller id. Refused (409) while a campaign that has not ended names it.")
            .path_part("caller_id", formed(3, 21, Form::Phone), "The number.")
            .needs_scope(Scope::Admin)
            .refused_with(&[404, 409]),
    ]
}

fn schema() -> Schema {
    object(
        "CallerId",
        vec![
            field("number", text(64), ""),
            field("automatic", boolean(), ""),
            field("enabled", boolean(), ""),
            field("inbound", boolean().nullable(), "Null: as `/v1/inbound` says."),
            field("inbound_group", text(64).nullable(), "Null: as `/v1/inbound` says."),
        ],
    )
}

fn shown(caller_id: &CallerId) -> Value {
    json!({
        "number": caller_id.number,
        "automatic": caller_id.automatic,
        "enabled": caller_id.enabled,
        "inbound": caller_id.inbound,
        "inbound_group": Some(&caller_id.inbound_group).filter(|group| !group.is_empty()),
    })
}

async fn list_all(visit: Visit) -> Result<Answer, Problem> {
    let company = visit.company();
    let found = visit.store(move |s| s.caller_ids(company)).await?;
    let items: Vec<Value> = found.iter().map(shown).collect();
    Ok(Answer::ok(json!({ "items": items })))
}

async fn delete(visit: Visit) -> Result<Answer, Problem> {
    let (company, number) = (visit.company(), visit.part("caller_id").to_owned());
    visit.store(move |s| s.delete_caller_id(company, &number)).await?;
    visit.announce(|| Command::Reload).await;
    Ok(Answer::nothing())
}

async fn put(visit: Visit) -> Result<Answer, Problem> {
    let caller_id = CallerId {
        company: visit.company(),
        number: visit.part("caller_id").to_owned(),
        enabled: visit.body.boolean("enabled").unwrap_or(true),
        automatic: visit.body.boolean("automatic").unwrap_or(true),
        inbound: visit.body.boolean("inbound"),
        inbound_group: visit.body.text("inbound_group").unwrap_or_default().to_owned(),
    };
    inbound::check_group(&visit, &caller_id.inbound_group).await?;
    let shown = shown(&caller_id);
    visit.store(move |s| s.put_caller_id(&caller_id)).await?;
    visit.announce(|| Command::Reload).await;
    Ok(Answer::ok(shown))
}
