//! Calls, their recordings.

use engine::{CallId, DirectKind, Outcome};
use serde_json::{Value, json};
use store::{CallFilter, CallKinds, Cdr, Scope};

use super::bills::KINDS;
use super::campaigns;
use super::export;
use super::leads::OUTCOMES;
use super::moment;
use super::problem::Problem;
use super::quality;
use super::route::{Route, run};
use super::schema::{Form, Schema, count, field, formed, object, page, text, time, uuid, word};
use super::visit::{Answer, Visit, shown};

/// That can be asked for.
const ASKED_KINDS: &[&str] =
    &["campaign", "direct", "click", "click_reverse", "dialed", "internal", "inbound"];

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/v1/calls", "listCalls", run!(list_page))
            .about(
                "Calls, the newest first, those in progress too: of campaigns, by command, dialed at phones, and of \
                 customers who call.",
            )
            .query("campaign", campaigns::id(), "")
            .query("extension", formed(1, 32, Form::Alphanumeric), "To which it was offered last.")
            .query("number", formed(3, 21, Form::Phone), "The customer's. Needs the scope `personal`.")
            .query("kind", word(ASKED_KINDS), "How it came about; `direct`: those of agents, in whatever way.")
            .query("outcome", word(OUTCOMES), "")
            .query("from", time(), "Placed at or after.")
            .query("to", time(), "Placed before.")
            .pages(uuid())
            .answers(200, page("Calls", schema(), "Id of the last call, when there are more."))
            .or_file(),
        at_id(Route::get("/v1/calls/{call}", "getCall", run!(get))).about("One call.").answers(200, schema()),
        at_id(Route::get("/v1/calls/{call}/recording", "getRecording", run!(recording)))
            .about("A link to the call's recording, good for an hour without a token.")
            .needs_scope(Scope::Personal)
            .answers(200, recording_schema()),
    ]
}

pub fn at_id(route: Route) -> Route {
    let route = route.path_part("call", uuid(), "The call's id; `uuid` of the compatible API.");
    route.refused_with(&[404])
}

/// Of the call that the path names.
pub fn id(visit: &Visit) -> Result<CallId, Problem> {
    CallId::parse(visit.part("call")).ok_or_else(|| Problem::not_found("call"))
}

fn schema() -> Schema {
    object(
        "Call",
        vec![
            field("id", uuid(), ""),
            field("kind", word(KINDS), "How it came about; `campaign`: dialed by one."),
            field("campaign", text(64).nullable(), "Id of its campaign; null: of none."),
            field("lead", count().nullable(), "Id of the lead in the campaign."),
            field("number", text(64), "The customer's; masked (138****5678) for who may not see it."),
            field("caller_id", text(64), "That the customer saw; empty: none."),
            field("attempt", count(), "The how-manieth call to the lead in this round."),
            field("extension", text(64).nullable(), "To which it was offered last."),
            field("dialed_at", time(), ""),
            field("ringing_at", time().nullable(), ""),
            field("answered_at", time().nullable(), ""),
            field("bridged_at", time().nullable(), "When customer and agent were joined."),
            field("ended_at", time().nullable(), "Null: in progress; then what follows is null too."),
            field("outcome", word(OUTCOMES).nullable(), ""),
            field("cause", count().nullable(), "Hang-up cause, in the numbers of the compatible API."),
            field("hangup_by", word(&["customer", "agent", "platform", "unknown"]).nullable(), ""),
            field("sip_status", count().nullable(), "Of the final response; 0: none came."),
            field("waiting_seconds", count().nullable(), "To the answer, or to the end without one."),
            field("talk_seconds", count().nullable(), ""),
            field("recorded", super::schema::boolean(), ""),
            field("quality", quality::schema(), "How both sides sounded."),
        ],
    )
}

fn recording_schema() -> Schema {
    object(
        "RecordingLink",
        vec![
            field("url", text(4000), "A WAV file, or Opus in Ogg; `Range` is understood."),
            field("expires_at", time(), ""),
            field("filename", text(1000), ""),
            field("seconds", count(), "0: it has not ended, or a crash cut it off."),
            field("bytes", count(), "As `seconds`."),
        ],
    )
}

const COLUMNS: &[&str] = &[
    "id",
    "kind",
    "campaign",
    "lead",
    "number",
    "caller_id",
    "attempt",
    "extension",
    "dialed_at",
    "ringing_at",
    "answered_at",
    "bridged_at",
    "ended_at",
    "outcome",
    "cause",
    "hangup_by",
    "sip_status",
    "waiting_seconds",
    "talk_seconds",
    "recorded",
    "quality.customer.mos_in",
    "quality.customer.lost_in",
    "quality.customer.jitter_in_ms",
    "quality.customer.round_trip_ms",
    "quality.agent.mos_in",
    "quality.agent.lost_in",
    "quality.agent.jitter_in_ms",
    "quality.agent.round_trip_ms",
];

fn shown_call(cdr: &Cdr, in_full: bool) -> Value {
    let call = &cdr.call;
    let some = |text: &str| Some(text.to_owned()).filter(|t| !t.is_empty());
    let campaign = some(&cdr.taskid);
    let record = call.record.as_ref();
    json!({
        "id": call.id.to_string(),
        "kind": cdr.direct.map_or("campaign", DirectKind::name),
        "lead": campaign.as_ref().map(|_| store::seq_of(call.lead)),
        "campaign": campaign,
        "number": shown(call.number.as_str(), in_full),
        "caller_id": call.caller_id,
        "attempt": call.attempt,
        "extension": some(&cdr.extension),
        "dialed_at": moment::json(call.dialed_at),
        "ringing_at": moment::json_or_null(record.and_then(|r| r.ringing_at)),
        "answered_at": moment::json_or_null(record.and_then(|r| r.answered_at)),
        "bridged_at": moment::json_or_null(record.and_then(|r| r.bridged_at)),
        "ended_at": moment::json_or_null(record.map(|r| r.ended_at)),
        "outcome": record.map(|r| r.outcome.name()),
        "cause": record.map(|r| r.cause.0),
        "hangup_by": record.map(|r| r.hangup_by.name()),
        "sip_status": record.map(|r| r.sip_status),
        "waiting_seconds": record.map(engine::CallRecord::waiting_seconds),
        "talk_seconds": record.map(engine::CallRecord::talk_seconds),
        "recorded": cdr.recording.is_some(),
        "quality": quality::shown(&cdr.quality),
    })
}

async fn list_page(visit: Visit) -> Result<Answer, Problem> {
    let (company, limit, in_full) = (visit.company(), visit.limit(), visit.sees_all());
    let before = visit.query.text("after").and_then(CallId::parse);
    let Some(filter) = filter(&visit).await? else {
        return Ok(match visit.wants_file() {
            true => {
                export::answer(&visit, "calls", COLUMNS, None, |_, _: Option<u64>| Ok((Vec::new(), None)))
            }
            false => Answer::ok(json!({"items": [], "next": null})),
        });
    };
    if visit.wants_file() {
        let next = move |store: &dyn store::Store, before: Option<CallId>| {
            let rows = store.calls_before(company, &filter, before, export::ROWS_AT_ONCE)?;
            let last = rows.last().map(|cdr| cdr.call.id);
            Ok((rows.iter().map(|cdr| shown_call(cdr, in_full)).collect(), last))
        };
        return Ok(export::answer(&visit, "calls", COLUMNS, before, next));
    }
    let rows = visit.store(move |s| s.calls_before(company, &filter, before, limit + 1)).await?;
    Ok(Answer::page(rows, limit, |cdr| cdr.call.id.to_string(), |cdr| shown_call(&cdr, in_full)))
}

/// None: it names something that the company does not have, so it finds nothing.
async fn filter(visit: &Visit) -> Result<Option<CallFilter>, Problem> {
    let q = &visit.query;
    let mut filter = CallFilter {
        kinds: q.text("kind").map(kinds).unwrap_or_default(),
        number: visit.number_in_query()?,
        outcome: q.text("outcome").and_then(Outcome::from_name),
        from: q.time("from"),
        to: q.time("to"),
        ..CallFilter::default()
    };
    if let Some(id) = q.text("campaign") {
        let Some(campaign) = visit.campaign_named(id.to_owned()).await? else { return Ok(None) };
        filter.campaign = Some(campaign.id);
    }
    if let Some(number) = q.text("extension") {
        let Some(extension) = visit.extension_numbered(number.to_owned()).await? else { return Ok(None) };
        filter.agent = Some(extension.id);
    }
    Ok(Some(filter))
}

fn kinds(name: &str) -> CallKinds {
    use DirectKind::{Click, ClickReverse, Dialed, Internal};
    match (name, DirectKind::from_name(name)) {
        ("direct", _) => CallKinds::Direct(vec![Click, ClickReverse, Dialed, Internal]),
        (_, Some(kind)) => CallKinds::Direct(vec![kind]),
        (_, None) => CallKinds::OfCampaigns,
    }
}

async fn find(visit: &Visit) -> Result<Cdr, Problem> {
    let (company, id) = (visit.company(), id(visit)?);
    visit.store(move |s| s.call(company, id)).await?.ok_or_else(|| Problem::not_found("call"))
}

async fn get(visit: Visit) -> Result<Answer, Problem> {
    let cdr = find(&visit).await?;
    Ok(Answer::ok(shown_call(&cdr, visit.sees_all())))
}

async fn recording(visit: Visit) -> Result<Answer, Problem> {
    let unknown = || Problem::not_found("recording");
    let recording = find(&visit).await?.recording.ok_or_else(unknown)?;
    let archive = visit.handle().archive().cloned().ok_or_else(unknown)?;
    let path = archive.path(&recording.filename).ok_or_else(unknown)?;
    // Looked at on a thread that may block.
    if !visit.store(move |_| Ok(path.is_file())).await? {
        return Err(unknown());
    }
    let link = archive.link(&recording.filename, visit.now);
    let base = archive.base_url.as_deref().unwrap_or(&visit.base_url);
    Ok(Answer::ok(json!({
        "url": format!("{base}{}", link.path),
        "expires_at": moment::json(link.expires_at),
        "filename": recording.filename,
        "seconds": recording.seconds,
        "bytes": recording.bytes,
    })))
}
