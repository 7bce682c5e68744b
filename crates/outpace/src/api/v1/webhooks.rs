//! Webhooks: the company's own URLs that are told what happens, and what could not be told.

use serde_json::{Value, json};
use store::{Event, PushSettings, Scope};

use super::moment;
use super::problem::Problem;
use super::route::{Route, run};
use super::schema::{
    Form, Schema, boolean, count, field, formed, integer, line, list, object, optional, text, time, uuid,
    word,
};
use super::visit::{Answer, Visit};
use crate::push;

const URL_CHARS_MAX: usize = 2000;

pub fn routes() -> Vec<Route> {
    let items = field("items", list(event_schema(), 0, usize::MAX), "The first 500.");
    vec![
        Route::get("/v1/webhooks", "getWebhooks", run!(get))
            .about("Where the company is told what, without the key of the signature.")
            .needs_scope(Scope::Admin)
            .answers(200, schema()),
        Route::patch("/v1/webhooks", "changeWebhooks", run!(change))
            .about("Changes what is given; effective within five seconds.")
            .needs_scope(Scope::Admin)
            .body(patch_schema())
            .answers(200, schema()),
        Route::get("/v1/webhooks/dead_events", "listDeadEvents", run!(dead))
            .about("What could not be told within a day, the oldest first.")
            .needs_scope(Scope::Admin)
            .answers(200, object("DeadEvents", vec![items])),
        Route::post("/v1/webhooks/dead_events/{event}/resend", "resendEvent", run!(resend))
            .about("Tells a dead event again, as if it were new.")
            .path_part("event", integer(1, i64::MAX), "")
            .needs_scope(Scope::Admin)
            .refused_with(&[404, 409]),
    ]
}

fn patch_schema() -> Schema {
    let url = || formed(0, URL_CHARS_MAX, Form::Url);
    object(
        "WebhooksPatch",
        vec![
            optional("task_status_url", url(), "Told when a campaign ends. Empty: not told."),
            optional(
                "extension_state_url",
                url(),
                "Told when a phone of a call rings, is answered or hung up.",
            ),
            optional("bill_url", url(), "Told when a call has ended."),
            optional("detail_form", boolean(), "Extension states as a form field `detail`."),
            optional("secret", line(0, 255), "Key of the signature. Empty: not signed.").secret(),
        ],
    )
}

fn schema() -> Schema {
    object(
        "Webhooks",
        vec![
            field("task_status_url", text(URL_CHARS_MAX), ""),
            field("extension_state_url", text(URL_CHARS_MAX), ""),
            field("bill_url", text(URL_CHARS_MAX), ""),
            field("detail_form", boolean(), ""),
            field("signed", boolean(), "There is a key of the signature."),
            field(
                "allow_private",
                boolean(),
                "The URLs may lead to private addresses; set by who runs the server.",
            ),
        ],
    )
}

fn event_schema() -> Schema {
    object(
        "DeadEvent",
        vec![
            field("id", count(), ""),
            field("event_id", uuid(), "What the receiver tells repetitions by."),
            field("kind", word(&["task_status", "extension_state", "bill"]), ""),
            field("call", uuid().nullable(), ""),
            field("created_at", time(), ""),
            field("attempts", count(), ""),
            field("error", text(10_000), "Why it failed last."),
        ],
    )
}

async fn known(visit: &Visit) -> Result<PushSettings, Problem> {
    let company = visit.company();
    let all = visit.store(|s| s.pushes()).await?;
    Ok(all.into_iter().find(|p| p.company == company).unwrap_or_else(|| PushSettings {
        company,
        task_status_url: String::new(),
        extension_state_url: String::new(),
        bill_url: String::new(),
        detail_form: false,
        secret: String::new(),
        // Someone with a mere key shall not make the server knock at doors inside.
        allow_private: false,
    }))
}

fn shown(settings: &PushSettings) -> Value {
    json!({
        "task_status_url": settings.task_status_url,
        "extension_state_url": settings.extension_state_url,
        "bill_url": settings.bill_url,
        "detail_form": settings.detail_form,
        "signed": !settings.secret.is_empty(),
        "allow_private": settings.allow_private,
    })
}

async fn get(visit: Visit) -> Result<Answer, Problem> {
    Ok(Answer::ok(shown(&known(&visit).await?)))
}

async fn change(visit: Visit) -> Result<Answer, Problem> {
    let known = known(&visit).await?;
    let b = &visit.body;
    for name in ["task_status_url", "extension_state_url", "bill_url"] {
        if let Some(url) = b.text(name).filter(|url| !url.is_empty()) {
            push::check_url(url).map_err(|why| Problem::conflict("url_refused", format!("{name}: {why}")))?;
        }
    }
    let text = |name: &str, known: &str| b.text(name).unwrap_or(known).to_owned();
    let settings = PushSettings {
        task_status_url: text("task_status_url", &known.task_status_url),
        extension_state_url: text("extension_state_url", &known.extension_state_url),
        bill_url: text("bill_url", &known.bill_url),
        detail_form: b.boolean("detail_form").unwrap_or(known.detail_form),
        secret: text("secret", &known.secret),
        ..known
    };
    let shown = shown(&settings);
    visit.store(move |s| s.put_pushes(&settings)).await?;
    Ok(Answer::ok(shown))
}

async fn dead(visit: Visit) -> Result<Answer, Problem> {
    let company = visit.company();
    let dead = visit.store(move |s| s.dead_events(company, 500)).await?;
    let items: Vec<Value> = dead.iter().map(shown_event).collect();
    Ok(Answer::ok(json!({ "items": items })))
}

/// Without the body, which has telephone numbers in full.
fn shown_event(event: &Event) -> Value {
    json!({
        "id": event.id,
        "event_id": event.public_id(),
        "kind": event.kind.name(),
        "call": event.call.map(|c| c.to_string()),
        "created_at": moment::json(event.created_at),
        "attempts": event.attempts,
        "error": event.error,
    })
}

async fn resend(visit: Visit) -> Result<Answer, Problem> {
    let (now, company) = (visit.now, visit.company());
    let event = visit.part("event").parse().unwrap_or(0);
    visit.store(move |s| s.resend_event(now, company, event)).await?;
    Ok(Answer::nothing())
}
