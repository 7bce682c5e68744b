//! Do-not-call lists, of the company and of campaigns, and the calls that rules refused.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use engine::compliance::DncEntry;
use serde_json::{Value, json};
use store::{DncList, DncRow, Refusal, RefusalFilter, Scope, Store};

use super::campaigns::at_id;
use super::moment;
use super::problem::Problem;
use super::route::{Route, run};
use super::schema::{Form, Schema, count, field, formed, integer, line, list, object, page, text, time};
use super::visit::{Answer, Visit};

/// Entries of one request.
const ENTRIES_MAX: usize = 10_000;

pub fn routes() -> Vec<Route> {
    let entries = || {
        let about = "Numbers, or prefixes with a star at the end: `138*`.";
        object("DncEntries", vec![field("entries", list(line(1, 64), 1, ENTRIES_MAX), about)])
    };
    let listed = |route: Route| {
        route
            .needs_scope(Scope::Personal)
            .pages(line(1, 64))
            .answers(200, page("DncList", row_schema(), "Where the next page begins, when there are more."))
    };
    let added = object("DncAdded", vec![field("added", count(), "How many of them are new.")]);
    let removed = object("DncRemoved", vec![field("removed", count(), "How many of them were there.")]);
    let (of_campaign, remove_of_campaign) =
        ("/v1/campaigns/{campaign}/dnc", "/v1/campaigns/{campaign}/dnc/remove");
    vec![
        listed(Route::get("/v1/dnc", "listDnc", run!(list_page))).about("The company's do-not-call list."),
        Route::post("/v1/dnc", "addDnc", run!(add))
            .about("Adds to the company's do-not-call list. It holds from the next call on.")
            .body(entries())
            .answers(200, added.clone()),
        Route::post("/v1/dnc/remove", "removeDnc", run!(remove))
            .about("Takes off the company's do-not-call list.")
            .body(entries())
            .answers(200, removed.clone()),
        listed(at_id(Route::get(of_campaign, "listCampaignDnc", run!(list_page))))
            .about("A campaign's own do-not-call list."),
        at_id(Route::post(of_campaign, "addCampaignDnc", run!(add)))
            .about("Adds to the campaign's do-not-call list.")
            .body(entries())
            .answers(200, added),
        at_id(Route::post(remove_of_campaign, "removeCampaignDnc", run!(remove)))
            .about("Takes off the campaign's do-not-call list.")
            .body(entries())
            .answers(200, removed),
        Route::get("/v1/refusals", "listRefusals", run!(refusals))
            .about("Calls that a rule refused, the oldest first.")
            .query("campaign", super::campaigns::id(), "")
            .query("number", formed(3, 21, Form::Phone), "As it was written. Needs the scope `personal`.")
            .pages(integer(0, i64::MAX))
            .answers(200, page("Refusals", refusal_schema(), "Id of the last one, when there are more.")),
    ]
}

fn row_schema() -> Schema {
    object(
        "DncRow",
        vec![field("entry", text(64), "A number, or a prefix with a star."), field("added_at", time(), "")],
    )
}

fn refusal_schema() -> Schema {
    object(
        "Refusal",
        vec![
            field("id", count(), ""),
            field("campaign", text(64).nullable(), "Id of its campaign; null: asked for by hand."),
            field("lead", count().nullable(), "Id of the lead in its campaign."),
            field("number", text(64), "Masked (138****5678) for who may not see it."),
            field(
                "rule",
                text(64),
                "`dnc_company`, `dnc_campaign`, `window`, `frequency`, `lockout`, `zone`.",
            ),
            field("at", time(), ""),
        ],
    )
}

/// The company's list, or the one of the campaign that the path names.
async fn list_of(visit: &Visit) -> Result<DncList, Problem> {
    let campaign = match visit.part("campaign") {
        "" => None,
        _ => Some(visit.campaign().await?.id),
    };
    Ok(DncList { company: visit.company(), campaign })
}

async fn list_page(visit: Visit) -> Result<Answer, Problem> {
    let (of, limit, after) = (list_of(&visit).await?, visit.limit(), visit.query.text_or_empty("after"));
    let rows = visit.store(move |s| s.list_dnc(of, &after, limit + 1)).await?;
    let shown = |row: DncRow| {
        let entry = match row.entry {
            DncEntry::Number(number) => number.as_str().to_owned(),
            DncEntry::Prefix(start) => format!("{start}*"),
        };
        json!({"entry": entry, "added_at": moment::json(row.added_at)})
    };
    Ok(Answer::page(rows, limit, |row| row.place.clone(), shown))
}

fn entries(visit: &Visit) -> Result<Vec<DncEntry>, Problem> {
    let texts = visit.body.texts("entries").unwrap_or_default();
    let read = |(i, text): (usize, &String)| {
        DncEntry::parse(text).map_err(|e| Problem::conflict("bad_entry", format!("entries[{i}]: {e}")))
    };
    texts.iter().enumerate().map(read).collect()
}

async fn add(visit: Visit) -> Result<Answer, Problem> {
    let (of, entries, now) = (list_of(&visit).await?, entries(&visit)?, visit.now);
    let added = visit.store(move |s| s.add_dnc(now, of, &entries)).await?;
    Ok(Answer::ok(json!({ "added": added })))
}

async fn remove(visit: Visit) -> Result<Answer, Problem> {
    let (of, entries) = (list_of(&visit).await?, entries(&visit)?);
    let removed = visit.store(move |s| s.remove_dnc(of, &entries)).await?;
    Ok(Answer::ok(json!({ "removed": removed })))
}

async fn refusals(visit: Visit) -> Result<Answer, Problem> {
    let (company, limit) = (visit.company(), visit.limit());
    let after = visit.query.integer("after").unwrap_or(0);
    let campaign = match visit.query.text("campaign") {
        None => None,
        Some(id) => match visit.campaign_named(id.to_owned()).await? {
            Some(campaign) => Some(campaign.id),
            None => return Ok(Answer::ok(json!({"items": [], "next": null}))),
        },
    };
    let filter = RefusalFilter { campaign, number: visit.number_in_query()? };
    let rows = visit.store(move |s| named(s, s.list_refusals(company, &filter, after, limit + 1)?)).await?;
    let shown = |(taskid, r): (Option<String>, Refusal)| -> Value {
        json!({
            "id": r.id,
            "campaign": taskid,
            "lead": r.lead.map(store::seq_of),
            "number": visit.shown(r.number.as_str()),
            "rule": r.rule.name(),
            "at": moment::json(r.at),
        })
    };
    Ok(Answer::page(rows, limit, |(_, r)| r.id.to_string(), shown))
}

/// Each with the id that its campaign has here.
fn named(store: &dyn Store, refusals: Vec<Refusal>) -> store::Result<Vec<(Option<String>, Refusal)>> {
    let mut names = BTreeMap::new();
    for campaign in refusals.iter().filter_map(|r| r.campaign) {
        if let Entry::Vacant(place) = names.entry(campaign) {
            place.insert(store.campaign_by_id(campaign)?.map(|c| c.settings.taskid));
        }
    }
    let name = |r: &Refusal| r.campaign.and_then(|c| names.get(&c).cloned().flatten());
    Ok(refusals.into_iter().map(|r| (name(&r), r)).collect())
}
