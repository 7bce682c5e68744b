//! Bills: what finished calls came to, of campaigns and by command.

use engine::{DirectKind, Timestamp};
use serde_json::{Value, json};
use store::{Bill, BillFilter};

use super::campaigns;
use super::export;
use super::moment;
use super::problem::Problem;
use super::quality;
use super::route::{Route, run};
use super::schema::{Form, Schema, boolean, count, field, formed, object, page, text, time, uuid, word};
use super::visit::{Answer, Visit, shown};

/// How calls come about.
pub const KINDS: &[&str] = &["campaign", "click", "click_reverse", "dialed", "internal", "inbound"];

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/v1/bills", "listBills", run!(list_page))
            .about(
                "What finished calls came to, the oldest first, those that agents placed too. Looking at them here does \
                 not count as fetching them by the compatible API.",
            )
            .query("campaign", campaigns::id(), "")
            .query("extension", formed(1, 32, Form::Alphanumeric), "To which it was offered last.")
            .query("number", formed(3, 21, Form::Phone), "The customer's. Needs the scope `personal`.")
            .query("kind", word(KINDS), "How the call came about.")
            .query("from", time(), "Placed at or after.")
            .query("to", time(), "Placed at or before.")
            .pages(formed(3, 37, Form::Place))
            .answers(200, page("Bills", schema(), "Where the next page begins, when there are more."))
            .or_file(),
    ]
}

fn schema() -> Schema {
    object(
        "Bill",
        vec![
            field("id", count(), ""),
            field("call", uuid(), "Id of the call."),
            field("kind", word(KINDS), "How the call came about; `campaign`: dialed by one."),
            field("campaign", text(64).nullable(), "Id of its campaign."),
            field("round", count(), "The how-manieth call to the lead; 0: of no campaign."),
            field("number", text(64), "The customer's; masked (138****5678) for who may not see it."),
            field("caller_id", text(64), ""),
            field("extension", text(64).nullable(), "To which it was offered last."),
            field("user_id", text(1000), "The client's own marks."),
            field("member_id", text(1000), ""),
            field("ext", text(1000), ""),
            field("custom_uuid", text(1000), ""),
            field("dialed_at", time(), ""),
            field("answered_at", time().nullable(), ""),
            field("ended_at", time(), ""),
            field("waiting_seconds", count(), "To the answer, or to the end without one."),
            field("talk_seconds", count(), ""),
            field("cause", count(), "Hang-up cause, in the numbers of the compatible API."),
            field("hangup_by", word(&["customer", "agent", "platform", "unknown"]), ""),
            field("fetched", boolean(), "By a client of the compatible API."),
            field("recording", text(1000).nullable(), "Name of the file."),
            field("keys", text(64), "That the customer pressed."),
            field("quality", quality::schema(), "How both sides sounded."),
        ],
    )
}

const COLUMNS: &[&str] = &[
    "id",
    "call",
    "kind",
    "campaign",
    "round",
    "number",
    "caller_id",
    "extension",
    "user_id",
    "member_id",
    "ext",
    "custom_uuid",
    "dialed_at",
    "answered_at",
    "ended_at",
    "waiting_seconds",
    "talk_seconds",
    "cause",
    "hangup_by",
    "fetched",
    "recording",
    "keys",
    "quality.customer.mos_in",
    "quality.customer.lost_in",
    "quality.customer.jitter_in_ms",
    "quality.customer.round_trip_ms",
    "quality.agent.mos_in",
    "quality.agent.lost_in",
    "quality.agent.jitter_in_ms",
    "quality.agent.round_trip_ms",
];

/// Kinds with their `callmethod`; all others are campaigns'.
fn direct_kinds() -> [(&'static str, u16); 5] {
    use DirectKind::{Click, ClickReverse, Dialed, Inbound, Internal};
    let all = [Click, ClickReverse, Dialed, Internal, Inbound];
    all.map(|kind| (kind.name(), kind.method()))
}

fn kind_of(method: u16) -> &'static str {
    direct_kinds().into_iter().find(|(_, m)| *m == method).map_or("campaign", |(name, _)| name)
}

fn shown_bill(bill: &Bill, in_full: bool) -> Value {
    let some = |text: &str| Some(text.to_owned()).filter(|t| !t.is_empty());
    json!({
        "id": bill.id,
        "call": bill.call.to_string(),
        "kind": kind_of(bill.method),
        "campaign": some(&bill.taskid),
        "round": bill.round,
        "number": shown(bill.number.as_str(), in_full),
        "caller_id": bill.caller_id,
        "extension": some(&bill.extension),
        "user_id": bill.user_id,
        "member_id": bill.member_id,
        "ext": bill.ext,
        "custom_uuid": bill.custom_uuid,
        "dialed_at": moment::json(bill.dialed_at),
        "answered_at": moment::json_or_null(bill.answered_at),
        "ended_at": moment::json(bill.ended_at),
        "waiting_seconds": bill.waiting_seconds,
        "talk_seconds": bill.talk_seconds,
        "cause": bill.cause.0,
        "hangup_by": bill.hangup_by.name(),
        "fetched": bill.fetched,
        "recording": some(&bill.recording),
        "keys": bill.keys,
        "quality": quality::shown(&bill.quality),
    })
}

/// Place of a bill in the order of the list.
type Place = (Timestamp, i64);

fn place(bill: &Bill) -> Place {
    (bill.dialed_at, bill.id)
}

fn read_place(text: &str) -> Option<Place> {
    let (at, id) = text.split_once('-')?;
    Some((Timestamp(at.parse().ok()?), id.parse().ok()?))
}

async fn list_page(visit: Visit) -> Result<Answer, Problem> {
    let (company, limit, in_full) = (visit.company(), visit.limit(), visit.sees_all());
    let after = match visit.query.text("after") {
        None => None,
        Some(text) => {
            let wrong = || Problem::of_field("after", "is not what `next` of a page gave");
            Some(read_place(text).ok_or_else(wrong)?)
        }
    };
    let filter = filter(&visit)?;
    if visit.wants_file() {
        let next = move |store: &dyn store::Store, after: Option<Place>| {
            let rows = store.bills_after(company, &filter, after, export::ROWS_AT_ONCE)?;
            let last = rows.last().map(place);
            Ok((rows.iter().map(|bill| shown_bill(bill, in_full)).collect(), last))
        };
        return Ok(export::answer(&visit, "bills", COLUMNS, after, next));
    }
    let rows = visit.store(move |s| s.bills_after(company, &filter, after, limit + 1)).await?;
    let cursor = |bill: &Bill| format!("{}-{}", bill.dialed_at.0, bill.id);
    Ok(Answer::page(rows, limit, cursor, |bill| shown_bill(&bill, in_full)))
}

fn filter(visit: &Visit) -> Result<BillFilter, Problem> {
    let q = &visit.query;
    let method = |kind: &str| {
        let direct = direct_kinds().into_iter().find(|(name, _)| *name == kind);
        direct.map_or(store::PREDICTIVE, |(_, method)| method)
    };
    Ok(BillFilter {
        is_inbound: None,
        method: q.text("kind").map(method),
        from: q.time("from").unwrap_or(Timestamp(0)),
        to: q.time("to").unwrap_or(Timestamp(i64::MAX)),
        fetched: None,
        extensions: q.text("extension").map(str::to_owned).into_iter().collect(),
        number: visit.number_in_query()?.map_or_else(String::new, |n| n.as_str().to_owned()),
        user_id: String::new(),
        member_id: String::new(),
        ext: String::new(),
        custom_uuid: String::new(),
        taskid: q.text_or_empty("campaign"),
    })
}
