//! The audit trail, to read.

use serde_json::{Value, json};
use store::{Audit, AuditFilter, Scope};

use super::moment;
use super::problem::Problem;
use super::route::{Route, run};
use super::schema::{anything, count, field, integer, line, object, page, text, time};
use super::visit::{Answer, Visit};

pub fn routes() -> Vec<Route> {
    let entry = object(
        "AuditEntry",
        vec![
            field("id", count(), ""),
            field("at", time(), ""),
            field("who", text(1000), "`user:…`, `key:…`, `app:…`; `admin` for the command line."),
            field("address", text(1000), "Empty for the command line."),
            field("action", text(1000), "operationId, or the service of the compatible API."),
            field("target", text(10_000), "The path."),
            field("status", count(), "HTTP status; for the compatible API `ret`, or the code of a failure."),
            field("details", anything(), "What was sent, without secrets and long lists."),
        ],
    );
    vec![
        Route::get("/v1/audit", "listAudit", run!(list_page))
            .about("Who changed what, when and from where, the newest first.")
            .needs_scope(Scope::Admin)
            .query("who", line(1, 200), "")
            .query("action", line(1, 200), "")
            .pages(integer(1, i64::MAX))
            .answers(200, page("AuditEntries", entry, "Id of the last entry, when there are more.")),
    ]
}

async fn list_page(visit: Visit) -> Result<Answer, Problem> {
    let q = &visit.query;
    let filter = AuditFilter { who: q.text_or_empty("who"), action: q.text_or_empty("action") };
    let (company, limit, before) = (visit.company(), visit.limit(), q.integer("after"));
    let rows = visit.store(move |s| s.audit_before(company, &filter, before, limit + 1)).await?;
    Ok(Answer::page(rows, limit, |a| a.id.to_string(), shown))
}

fn shown(audit: Audit) -> Value {
    let e = audit.entry;
    json!({
        "id": audit.id,
        "at": moment::json(e.at),
        "who": e.who,
        "address": e.address,
        "action": e.action,
        "target": e.target,
        "status": e.status,
        "details": serde_json::from_str(&e.details).unwrap_or(Value::Null),
    })
}
