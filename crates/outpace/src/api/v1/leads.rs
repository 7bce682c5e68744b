//! Leads of a campaign: the numbers to reach.

use std::sync::Arc;

use engine::{PhoneNumber, Timestamp};
use serde_json::{Value, json};
use store::{Lead, LeadResult, NewLead, seq_of};

use super::campaigns::at_id;
use super::export;
use super::moment;
use super::problem::Problem;
use super::route::{Route, run};
use super::schema::{
    Form, Schema, boolean, count, field, formed, integer, line, list, object, optional, page, text, time,
    uuid, word,
};
use super::visit::{Answer, Fields, Visit, shown};
use crate::handle::Command;

/// Leads of one request.
pub const ROWS_MAX: usize = 10_000;
/// Refused leads that an answer lists.
const REFUSED_MAX: usize = 1_000;
/// Sequence numbers of leads have 32 bits.
const ID_MAX: i64 = 4_294_967_295;

pub const OUTCOMES: &[&str] = &[
    "connected",
    "abandoned",
    "machine",
    "no_answer",
    "busy",
    "rejected",
    "invalid",
    "failed",
    "blocked",
    "lost",
];

pub fn routes() -> Vec<Route> {
    let leads = "/v1/campaigns/{campaign}/leads";
    vec![
        at_id(Route::get(leads, "listLeads", run!(list_page)))
            .about("Leads in the order in which they came. The last page costs no more than the first.")
            .query("number", formed(3, 21, Form::Phone), "Only the lead with this telephone number. Needs the scope `personal`.")
            .pages(integer(0, ID_MAX))
            .answers(200, page("Leads", schema(), "Id of the last lead, when there are more."))
            .or_file(),
        at_id(Route::post(leads, "appendLeads", run!(append)))
            .about("More leads for a campaign that has not ended. Good ones are stored when the answer comes, the others are listed.")
            .body(object("LeadsToAppend", vec![field("leads", list(new_schema(), 1, ROWS_MAX), "")]))
            .repeatable()
            .answers(201, taken_schema()),
        at_id(Route::get("/v1/campaigns/{campaign}/leads/{lead}", "getLead", run!(get)))
            .path_part("lead", integer(1, ID_MAX), "The lead's id: its place in the campaign.")
            .about("One lead.")
            .answers(200, schema()),
        at_id(Route::delete("/v1/campaigns/{campaign}/leads/{lead}", "deleteLead", run!(delete)))
            .path_part("lead", integer(1, ID_MAX), "The lead's id: its place in the campaign.")
            .about("Deletes a lead that was not called yet."),
    ]
}

pub fn new_schema() -> Schema {
    object(
        "NewLead",
        vec![
            field(
                "number",
                text(64),
                "3 to 20 digits with an optional +; blanks, dashes, dots, brackets are dropped.",
            ),
            optional("not_after", time().nullable(), "It is not called any more after this."),
            optional("user_id", text(255), "This and the next three come back as they are."),
            optional("member_id", text(255), ""),
            optional("ext", text(255), ""),
            optional("custom_uuid", text(255), ""),
            optional("time_zone", line(0, 64), "IANA name; default: by the number, else the company's."),
        ],
    )
}

pub fn taken_schema() -> Schema {
    let refused = object(
        "RefusedLead",
        vec![
            field("index", count(), "Place in the request, from 0."),
            field(
                "code",
                word(&["bad_number", "duplicate", "deadline_passed", "bad_time_zone", "do_not_call"]),
                "",
            ),
            field("message", text(1000), ""),
        ],
    );
    object(
        "TakenLeads",
        vec![
            field("stored", count(), "How many are stored."),
            field("refused_count", count(), ""),
            field("refused", list(refused, 0, REFUSED_MAX), "The first 1000 that were refused."),
        ],
    )
}

fn schema() -> Schema {
    let result = object(
        "LeadResult",
        vec![
            field("call", uuid().nullable(), "Null: a rule refused it before it was ever called."),
            field("outcome", word(OUTCOMES), ""),
            field("cause", count(), "Hang-up cause, in the numbers of the compatible API."),
            field("extension", text(64).nullable(), "To which the call was offered last."),
            field("dialed_at", time().nullable(), ""),
            field("waiting_seconds", count(), "To the answer, or to the end without one."),
            field("talk_seconds", count(), ""),
            field("sip_status", count(), "Of the final response; 0: none came."),
        ],
    );
    object(
        "Lead",
        vec![
            field("id", count(), ""),
            field("number", text(64), "Masked (138****5678) for who may not see it."),
            field("not_after", time().nullable(), ""),
            field("user_id", text(255), ""),
            field("member_id", text(255), ""),
            field("ext", text(255), ""),
            field("custom_uuid", text(255), ""),
            field("time_zone", text(255).nullable(), "Null: by the number, else the company's."),
            field("created_at", time(), ""),
            field("calls", count(), "Placed so far."),
            field("skipped", boolean(), "Given up without a call, or waits for a rule."),
            field(
                "skipped_because",
                text(1000).nullable(),
                "`expired`, the rule that refused it, or `wait_` and the rule it waits for.",
            ),
            field("result", result.nullable(), "Of the last call; null: not called yet."),
        ],
    )
}

fn shown_lead(lead: &Lead, in_full: bool) -> Value {
    let l = &lead.lead;
    let mark = Some(lead.mark.as_str()).filter(|m| !m.is_empty());
    json!({
        "id": seq_of(lead.id),
        "number": shown(l.number.as_str(), in_full),
        "not_after": moment::json_or_null(l.not_after),
        "user_id": l.user_id,
        "member_id": l.member_id,
        "ext": l.ext,
        "custom_uuid": l.custom_uuid,
        "time_zone": Some(&l.time_zone).filter(|z| !z.is_empty()),
        "created_at": moment::json(lead.created_at),
        "calls": lead.round,
        "skipped": mark.is_some(),
        "skipped_because": mark,
        "result": lead.result.as_ref().map(shown_result),
    })
}

fn shown_result(r: &LeadResult) -> Value {
    json!({
        "call": r.call.map(|c| c.to_string()),
        "outcome": r.outcome.name(),
        "cause": r.cause.0,
        "extension": r.extension,
        "dialed_at": moment::json_or_null(r.dialed_at),
        "waiting_seconds": r.waiting_seconds,
        "talk_seconds": r.talk_seconds,
        "sip_status": r.sip_status,
    })
}

async fn list_page(visit: Visit) -> Result<Answer, Problem> {
    let campaign = visit.campaign().await?.id;
    let in_full = visit.sees_all();
    if let Some(number) = visit.number_in_query()? {
        let found = visit.store(move |s| s.lead_of_number(campaign, &number)).await?;
        let items: Vec<Value> = found.iter().map(|lead| shown_lead(lead, in_full)).collect();
        return Ok(Answer::ok(json!({"items": items, "next": null})));
    }
    let after = visit.query.integer("after").map_or(0, i64::unsigned_abs);
    if visit.wants_file() {
        let next = move |store: &dyn store::Store, after: Option<u64>| {
            let rows = store.leads_after(campaign, after.unwrap_or_default(), export::ROWS_AT_ONCE)?;
            let last = rows.last().map(|lead| seq_of(lead.id));
            Ok((rows.iter().map(|lead| shown_lead(lead, in_full)).collect(), last))
        };
        return Ok(export::answer(&visit, "leads", COLUMNS, Some(after), next));
    }
    let limit = visit.limit();
    let rows = visit.store(move |s| s.leads_after(campaign, after, limit + 1)).await?;
    Ok(Answer::page(rows, limit, |lead| seq_of(lead.id).to_string(), |lead| shown_lead(&lead, in_full)))
}

const COLUMNS: &[&str] = &[
    "id",
    "number",
    "user_id",
    "member_id",
    "ext",
    "custom_uuid",
    "not_after",
    "created_at",
    "calls",
    "skipped_because",
    "result.call",
    "result.outcome",
    "result.cause",
    "result.extension",
    "result.dialed_at",
    "result.waiting_seconds",
    "result.talk_seconds",
    "result.sip_status",
];

async fn find(visit: &Visit) -> Result<(engine::CampaignId, Lead), Problem> {
    let campaign = visit.campaign().await?.id;
    let seq: u64 = visit.part("lead").parse().unwrap_or(u64::MAX);
    let found = visit.store(move |s| s.leads_after(campaign, seq.saturating_sub(1), 1)).await?;
    let found = found.into_iter().find(|lead| seq_of(lead.id) == seq);
    found.map(|lead| (campaign, lead)).ok_or_else(|| Problem::not_found("lead"))
}

async fn get(visit: Visit) -> Result<Answer, Problem> {
    let (_, lead) = find(&visit).await?;
    Ok(Answer::ok(shown_lead(&lead, visit.sees_all())))
}

async fn delete(visit: Visit) -> Result<Answer, Problem> {
    let (campaign, lead) = find(&visit).await?;
    let numbers = [lead.lead.number];
    if visit.store(move |s| s.delete_leads(campaign, &numbers)).await? == 0 {
        return Err(Problem::conflict("called", "the lead was called already, or is being called"));
    }
    let company = visit.company();
    visit.announce(move || Command::CampaignChanged { company, campaign, leads: false }).await;
    Ok(Answer::nothing())
}

async fn append(visit: Visit) -> Result<Answer, Problem> {
    let campaign = visit.campaign().await?.id;
    let rows = Arc::new(Rows::read(visit.body.list("leads"), visit.now));
    let (now, leads) = (visit.now, rows.clone());
    let appended = visit.store(move |s| s.append_leads(now, campaign, &leads.leads)).await?;
    if appended.stored > 0 {
        let company = visit.company();
        visit.announce(move || Command::CampaignChanged { company, campaign, leads: true }).await;
    }
    Ok(Answer::created(rows.taken(&appended.duplicates, &appended.on_dnc)))
}

/// Leads of a request, good ones and others.
pub struct Rows {
    pub leads: Vec<NewLead>,
    /// For each lead its place in the request.
    places: Vec<usize>,
    refused: Vec<(usize, &'static str, String)>,
}

impl Rows {
    pub fn read(rows: Option<&Vec<Value>>, now: Timestamp) -> Rows {
        let mut read = Rows { leads: Vec::new(), places: Vec::new(), refused: Vec::new() };
        for (place, row) in rows.into_iter().flatten().enumerate() {
            let fields = Fields(row.as_object().cloned().unwrap_or_default());
            match read_lead(&fields, now) {
                Ok(lead) => {
                    read.leads.push(lead);
                    read.places.push(place);
                }
                Err((code, message)) => read.refused.push((place, code, message)),
            }
        }
        read
    }

    /// `duplicates`, `on_dnc`: indices into `leads`.
    pub fn taken(&self, duplicates: &[usize], on_dnc: &[usize]) -> Value {
        let rows =
            |which: &[usize], code: &'static str, message: &str| -> Vec<(usize, &'static str, String)> {
                let places = which.iter().filter_map(|i| self.places.get(*i));
                places.map(|place| (*place, code, message.to_owned())).collect()
            };
        let mut refused = self.refused.clone();
        refused.extend(rows(duplicates, "duplicate", "the number is in the campaign already"));
        refused.extend(rows(on_dnc, "do_not_call", "the number is on a do-not-call list"));
        refused.sort_by_key(|(place, ..)| *place);
        let count = refused.len();
        let shown = refused.into_iter().take(REFUSED_MAX);
        let shown =
            shown.map(|(index, code, message)| json!({"index": index, "code": code, "message": message}));
        json!({
            "stored": self.leads.len() - duplicates.len() - on_dnc.len(),
            "refused_count": count,
            "refused": shown.collect::<Vec<_>>(),
        })
    }
}

fn read_lead(row: &Fields, now: Timestamp) -> Result<NewLead, (&'static str, String)> {
    let number = row.text("number").unwrap_or_default();
    let number = PhoneNumber::parse(number).map_err(|e| ("bad_number", e.to_string()))?;
    let not_after = row.time("not_after");
    if not_after.is_some_and(|end| end < now) {
        return Err(("deadline_passed", "not_after is in the past".to_owned()));
    }
    let time_zone = row.text_or_empty("time_zone");
    if !time_zone.is_empty() && engine::compliance::check_zone(&time_zone).is_err() {
        return Err(("bad_time_zone", "time_zone is no IANA name".to_owned()));
    }
    Ok(NewLead {
        number,
        not_after,
        user_id: row.text_or_empty("user_id"),
        member_id: row.text_or_empty("member_id"),
        ext: row.text_or_empty("ext"),
        custom_uuid: row.text_or_empty("custom_uuid"),
        time_zone,
    })
}
