//! Campaigns: leads, rules, agents and caller ids.

use std::sync::Arc;

use engine::compliance::{ComplianceSettings, Rules};
use engine::{CampaignStatus, EndReason, PhoneNumber};
use serde_json::{Value, json};
use store::{Assignment, Campaign, CampaignFilter, Created, NewCampaign, StoreError};

use super::leads::{self, Rows};
use super::moment;
use super::problem::Problem;
use super::route::{Route, run};
use super::schema::{
    Form, Schema, boolean, count, either, field, formed, integer, line, list, number, object, optional, page,
    text, time, word,
};
use super::visit::{Answer, Fields, Visit};
use crate::api::app_sip::clock::Zone;
use crate::handle::{Command, HandleError};

const STATUSES: &[&str] = &["draft", "running", "paused", "ended"];
const EXTENSIONS_MAX: usize = 5000;
const CALLER_IDS_MAX: usize = 1000;
const WINDOWS_MAX: usize = 50;
/// Tries to find an id that is free; six random digits follow the second.
const ID_ATTEMPTS: u32 = 20;

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/v1/campaigns", "listCampaigns", run!(list_page))
            .about("Campaigns, the newest first.")
            .query("status", word(STATUSES), "")
            .query("name", line(1, 200), "A part of the name.")
            .query("client_id", line(1, 200), "The client's own id.")
            .pages(id())
            .refused_with(&[404])
            .answers(200, page("Campaigns", schema(), "Id of the last campaign, when there are more.")),
        Route::post("/v1/campaigns", "createCampaign", run!(create))
            .about("A new campaign, with its first leads when they are given. A campaign that starts at once needs some.")
            .body(new_schema())
            .repeatable()
            .answers(201, created_schema()),
        at_id(Route::get("/v1/campaigns/{campaign}", "getCampaign", run!(get)))
            .about("One campaign with its counters.")
            .answers(200, schema()),
        at_id(Route::patch("/v1/campaigns/{campaign}", "setCampaignStatus", run!(set_status)))
            .about("Runs, pauses or ends a campaign. Calls in progress finish as usual. An ended one stays ended; see recall.")
            .body(object("CampaignPatch", vec![field("status", word(&["running", "paused", "ended"]), "")]))
            .answers(200, schema()),
    ]
}

/// A campaign's id: digits.
pub fn id() -> Schema {
    formed(1, 32, Form::Digits)
}

/// For a route below one campaign.
pub fn at_id(route: Route) -> Route {
    let mut route = route.path_part("campaign", id(), "The campaign's id; `taskid` of the compatible API.");
    route.refusals = if route.changes() { &[404, 409] } else { &[404] };
    route
}

/// `names`: of the two forms, for one name is one object.
fn agents_schema(names: [&'static str; 2]) -> Schema {
    let group = field("group", line(1, 100), "Name of the group: its members who are signed in.");
    let numbers = list(formed(1, 32, Form::Alphanumeric), 1, EXTENSIONS_MAX);
    either(vec![
        object(names[0], vec![group]),
        object(names[1], vec![field("extensions", numbers, "Extensions of the agents.")]),
    ])
}

fn pacing_schema() -> Schema {
    object(
        "Pacing",
        vec![
            field("mode", word(&["predictive", "ratio"]), "`ratio`: always so many calls per idle agent."),
            field("ratio", number(1.0, 20.0), "Calls per idle agent; with `predictive` where it begins."),
        ],
    )
}

fn new_schema() -> Schema {
    object(
        "NewCampaign",
        vec![
            optional("name", line(0, 200), "Default: the id."),
            optional("client_id", line(0, 200), "The client's own id, unique in the company."),
            field(
                "agents",
                agents_schema(["GroupOfNewCampaign", "ExtensionsOfNewCampaign"]),
                "Who takes the calls.",
            ),
            optional("pacing", pacing_schema(), "Default: predictive from ratio 1."),
            optional("calls_max", integer(1, 4_294_967_295), "Most calls at once. Default: 100."),
            optional("not_before", time().nullable(), "Nothing is dialed before."),
            optional("run_until", time().nullable(), "The campaign ends then. After `not_before`."),
            optional(
                "caller_ids",
                list(formed(3, 21, Form::Phone), 0, CALLER_IDS_MAX),
                "Used in rotation. Default: all automatic ones of the company.",
            ),
            optional("attempts_max", integer(1, 3), "Calls per lead at most. Default: 1."),
            optional(
                "abandon_max_percent",
                number(0.0, 100.0),
                "Of the answered calls so many may go without an agent. Default: 3.",
            ),
            optional(
                "call_windows",
                list(line(1, 200), 0, WINDOWS_MAX),
                "Hours in which leads may be called, in their own zone, such as `mon-fri 09:00-12:00 14:00-21:00`. Default: the company's.",
            ),
            optional(
                "amd",
                boolean(),
                "Whether it hangs up on answering machines. Default: as the settings say.",
            ),
            optional("start", boolean(), "Whether it runs at once. Default: false, it is a draft."),
            optional("leads", list(leads::new_schema(), 0, leads::ROWS_MAX), "Its first leads."),
        ],
    )
}

pub fn schema() -> Schema {
    object(
        "Campaign",
        vec![
            field("id", text(32), ""),
            field("name", text(200), ""),
            field("client_id", text(200), "Empty: none."),
            field("status", word(STATUSES), ""),
            field("end_reason", word(&["over", "deadline"]).nullable(), ""),
            field("agents", agents_schema(["GroupOfCampaign", "ExtensionsOfCampaign"]), ""),
            field(
                "pacing",
                object(
                    "PacingOfCampaign",
                    vec![
                        field("mode", word(&["predictive", "ratio"]), ""),
                        field("ratio", number(0.0, 100.0), ""),
                    ],
                ),
                "",
            ),
            field("calls_max", count(), ""),
            field("not_before", time().nullable(), ""),
            field("run_until", time().nullable(), ""),
            field("caller_ids", list(text(64), 0, usize::MAX), ""),
            field("attempts_max", count(), ""),
            field("abandon_max_percent", number(0.0, 100.0), ""),
            field("call_windows", list(text(1000), 0, usize::MAX), ""),
            field("created_at", time(), ""),
            field("started_at", time().nullable(), ""),
            field("ended_at", time().nullable(), ""),
            field("counters", counters_schema(), "By lead, as its last result stands."),
        ],
    )
}

fn counters_schema() -> Schema {
    object(
        "Counters",
        vec![
            field("total", count(), ""),
            field("called", count(), ""),
            field("answered", count(), "`connected` and `abandoned`."),
            field("connected", count(), ""),
            field("abandoned", count(), "A person answered and no agent came in time."),
        ],
    )
}

fn created_schema() -> Schema {
    object(
        "CreatedCampaign",
        vec![field("campaign", schema(), ""), field("leads", leads::taken_schema(), "")],
    )
}

pub const fn status_name(status: CampaignStatus) -> &'static str {
    match status {
        CampaignStatus::Draft => "draft",
        CampaignStatus::Running => "running",
        CampaignStatus::Paused => "paused",
        CampaignStatus::Ended => "ended",
    }
}

fn status_of(name: &str) -> Option<CampaignStatus> {
    use CampaignStatus::{Draft, Ended, Paused, Running};
    [Draft, Running, Paused, Ended].into_iter().find(|s| status_name(*s) == name)
}

pub fn shown(campaign: &Campaign) -> Value {
    let s = &campaign.settings;
    let agents = match &s.assignment {
        Assignment::Group(_, name) => json!({ "group": name }),
        Assignment::Extensions(list) => {
            json!({ "extensions": list.iter().map(|(_, number)| number).collect::<Vec<_>>() })
        }
    };
    let counters = &campaign.counters;
    json!({
        "id": s.taskid,
        "name": s.name,
        "client_id": s.client_id,
        "status": status_name(s.status),
        "end_reason": campaign.end_reason.map(|why| match why {
            EndReason::Over => "over",
            EndReason::Deadline => "deadline",
        }),
        "agents": agents,
        "pacing": {"mode": if s.manual { "ratio" } else { "predictive" }, "ratio": ratio_of(&s.scale)},
        "calls_max": s.calls_max,
        "not_before": moment::json_or_null(s.not_before),
        "run_until": moment::json_or_null(s.run_until),
        "caller_ids": s.caller_ids,
        "attempts_max": s.attempts_max,
        "abandon_max_percent": f64::from(s.abandon_max) / 100.0,
        "call_windows": s.call_windows,
        "created_at": moment::json(campaign.created_at),
        "started_at": moment::json_or_null(campaign.started_at),
        "ended_at": moment::json_or_null(campaign.ended_at),
        "counters": {
            "total": counters.total,
            "called": counters.called,
            "answered": counters.answered,
            "connected": counters.connected,
            "abandoned": counters.abandoned,
        },
    })
}

/// `1:1.5` → 1.5
fn ratio_of(scale: &str) -> f64 {
    let n = scale.split_once(':').and_then(|(_, n)| n.trim().parse::<f64>().ok());
    n.unwrap_or(1.0).clamp(0.0, 100.0)
}

async fn list_page(visit: Visit) -> Result<Answer, Problem> {
    let q = &visit.query;
    let filter = CampaignFilter {
        statuses: q.text("status").and_then(status_of).into_iter().collect(),
        name_part: q.text_or_empty("name"),
        client_id: q.text_or_empty("client_id"),
        ..CampaignFilter::default()
    };
    let before = match q.text("after") {
        None => None,
        Some(id) => {
            let last = visit.campaign_named(id.to_owned()).await?;
            Some(last.ok_or_else(|| Problem::not_found("campaign to go on after"))?.id)
        }
    };
    let (company, limit) = (visit.company(), visit.limit());
    let rows = visit.store(move |s| s.campaigns_before(company, &filter, before, limit + 1)).await?;
    Ok(Answer::page(rows, limit, |c| c.settings.taskid.clone(), |c| shown(&c)))
}

async fn get(visit: Visit) -> Result<Answer, Problem> {
    Ok(Answer::ok(shown(&visit.campaign().await?)))
}

async fn set_status(visit: Visit) -> Result<Answer, Problem> {
    let id = visit.campaign().await?.id;
    let status = visit.body.text("status").and_then(status_of).unwrap_or(CampaignStatus::Paused);
    let now = visit.now;
    let campaign = visit.store(move |s| s.set_campaign_status(now, id, status)).await?;
    let company = visit.company();
    visit.announce(move || Command::CampaignChanged { company, campaign: id, leads: false }).await;
    Ok(Answer::ok(shown(&campaign)))
}

async fn create(visit: Visit) -> Result<Answer, Problem> {
    let new = read_new(&visit).await?;
    let rows = Rows::read(visit.body.list("leads"), visit.now);
    if new.status == CampaignStatus::Running && rows.leads.is_empty() {
        let message = "a campaign that starts at once needs a lead that can be called";
        return Err(Problem::conflict("no_leads", message));
    }
    let rows = Arc::new(rows);
    let created = store_new(&visit, new, &rows).await?;
    let (company, campaign) = (visit.company(), created.campaign.id);
    visit.announce(move || Command::CampaignChanged { company, campaign, leads: true }).await;
    Ok(Answer::created(json!({
        "campaign": shown(&created.campaign),
        "leads": rows.taken(&created.duplicates, &created.on_dnc),
    })))
}

/// Stores the campaign under an id that is free.
async fn store_new(visit: &Visit, mut new: NewCampaign, rows: &Arc<Rows>) -> Result<Created, Problem> {
    let second = Zone::named(&visit.who().company.settings.time_zone).format_compact(visit.now);
    let named = !new.name.is_empty();
    let now = visit.now;
    for _ in 0..ID_ATTEMPTS {
        let random = getrandom::u32().map_err(|e| Problem::internal(&e))? % 1_000_000;
        new.taskid = format!("{second}{random:06}");
        if !named {
            new.name.clone_from(&new.taskid);
        }
        let (row, rows) = (new.clone(), rows.clone());
        match visit.store(move |s| s.create_campaign(now, &row, &rows.leads)).await {
            Err(HandleError::Store(StoreError::Taken("taskid"))) => {}
            other => return Ok(other?),
        }
    }
    Err(Problem::internal(&"no free id for a campaign"))
}

async fn read_new(visit: &Visit) -> Result<NewCampaign, Problem> {
    let b = &visit.body;
    let (not_before, run_until) = schedule(b)?;
    let pacing = b.object("pacing").unwrap_or_default();
    let caller_ids = b.texts("caller_ids").unwrap_or_default();
    check_caller_ids(visit, &caller_ids).await?;
    let start = b.boolean("start").unwrap_or(false);
    Ok(NewCampaign {
        company: visit.company(),
        taskid: String::new(),
        name: b.text_or_empty("name"),
        client_id: b.text_or_empty("client_id"),
        assignment: assignment(visit, &b.object("agents").unwrap_or_default()).await?,
        scale: format!("1:{}", thousandths(pacing.number("ratio").unwrap_or(1.0))),
        manual: pacing.text("mode") == Some("ratio"),
        calls_max: b.small("calls_max").unwrap_or(100),
        not_before,
        run_until,
        caller_ids,
        attempts_max: b.small("attempts_max").unwrap_or(1),
        // Bounded by the schema, so the cast cannot be wrong.
        abandon_max: (b.number("abandon_max_percent").unwrap_or(3.0) * 100.0).round() as u32,
        call_windows: call_windows(b)?,
        amd: b.boolean("amd"),
        status: if start { CampaignStatus::Running } else { CampaignStatus::Draft },
    })
}

fn call_windows(body: &Fields) -> Result<Vec<String>, Problem> {
    let windows = body.texts("call_windows").unwrap_or_default();
    match Rules::new(&ComplianceSettings::default(), "UTC", &windows) {
        Ok(_) => Ok(windows),
        Err(_) => {
            let message = "a call window is such as mon-fri 09:00-12:00 14:00-21:00";
            Err(Problem::conflict("call_window_refused", message))
        }
    }
}

fn thousandths(ratio: f64) -> f64 {
    (ratio * 1000.0).round() / 1000.0
}

/// `not_before` and `run_until`.
pub fn schedule(body: &Fields) -> Result<(Option<engine::Timestamp>, Option<engine::Timestamp>), Problem> {
    let (not_before, run_until) = (body.time("not_before"), body.time("run_until"));
    match (not_before, run_until) {
        (Some(from), Some(until)) if until <= from => {
            Err(Problem::conflict("times_in_wrong_order", "run_until must be after not_before"))
        }
        times => Ok(times),
    }
}

async fn assignment(visit: &Visit, agents: &Fields) -> Result<Assignment, Problem> {
    if let Some(name) = agents.text("group") {
        let company = visit.company();
        let groups = visit.store(move |s| s.groups(company)).await?;
        return match groups.into_iter().find(|g| g.name == name) {
            None => Err(Problem::conflict("no_such_group", format!("there is no group {name:?}"))),
            Some(group) if !group.enabled => {
                Err(Problem::conflict("group_disabled", "the group is disabled"))
            }
            Some(group) => Ok(Assignment::Group(group.id, group.name)),
        };
    }
    let own = visit.extensions().await?;
    let mut found = Vec::new();
    for number in agents.texts("extensions").unwrap_or_default() {
        match own.iter().find(|e| e.number == number) {
            None => {
                return Err(Problem::conflict(
                    "no_such_extension",
                    format!("there is no extension {number}"),
                ));
            }
            Some(e) if !e.enabled => {
                return Err(Problem::conflict(
                    "extension_disabled",
                    format!("extension {number} is disabled"),
                ));
            }
            Some(e) if found.iter().any(|(id, _)| *id == e.id) => {}
            Some(e) => found.push((e.id, number)),
        }
    }
    Ok(Assignment::Extensions(found))
}

/// A company that has caller ids may only use them; one that has none may name any number.
async fn check_caller_ids(visit: &Visit, numbers: &[String]) -> Result<(), Problem> {
    if numbers.is_empty() {
        return Ok(());
    }
    let company = visit.company();
    let own = visit.store(move |s| s.caller_ids(company)).await?;
    for number in numbers {
        let known = own.iter().find(|c| c.number == *number);
        let is_good = match known {
            Some(caller_id) => caller_id.enabled && caller_id.automatic,
            None => own.is_empty() && PhoneNumber::parse(number).is_ok(),
        };
        if !is_good {
            let message = format!("{number} is no caller id that this company may use for automatic calls");
            return Err(Problem::conflict("caller_id_refused", message));
        }
    }
    Ok(())
}
