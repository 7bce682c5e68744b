//! Calling a campaign's leads again.

use engine::CampaignStatus;
use store::{Recall, RecallWhich, StoreError};

use super::campaigns::{at_id, schedule, schema, shown};
use super::problem::Problem;
use super::route::{Route, run};
use super::schema::{boolean, field, object, optional, time, word};
use super::visit::{Answer, Visit};
use crate::handle::{Command, HandleError};

pub fn routes() -> Vec<Route> {
    let body = object(
        "Recall",
        vec![
            field(
                "which",
                word(&["all", "abandoned", "not_reached", "connected"]),
                "By the last result; `not_reached`: neither connected nor abandoned.",
            ),
            optional("start", boolean(), "Whether it runs at once. Default: true."),
            optional("not_before", time().nullable(), ""),
            optional("run_until", time().nullable(), ""),
        ],
    );
    vec![
        at_id(Route::post("/v1/campaigns/{campaign}/recall", "recallLeads", run!(recall)))
            .about("Puts called leads of a paused or ended campaign back to be called.")
            .body(body)
            .answers(200, schema()),
    ]
}

async fn recall(visit: Visit) -> Result<Answer, Problem> {
    let campaign = visit.campaign().await?.id;
    let (not_before, run_until) = schedule(&visit.body)?;
    let which = match visit.body.text("which") {
        Some("abandoned") => RecallWhich::Abandoned,
        Some("not_reached") => RecallWhich::NotReached,
        Some("connected") => RecallWhich::Connected,
        _ => RecallWhich::All,
    };
    let start = visit.body.boolean("start").unwrap_or(true);
    let status = if start { CampaignStatus::Running } else { CampaignStatus::Draft };
    let recall = Recall { which, status, not_before, run_until };
    let now = visit.now;
    let recalled = visit.store(move |s| s.recall_leads(now, campaign, &recall)).await;
    let recalled = recalled.map_err(|e| match e {
        HandleError::Store(StoreError::NotFound("lead")) => Problem::conflict("no_leads", "no lead matches"),
        other => other.into(),
    })?;
    let company = visit.company();
    visit.announce(move || Command::CampaignChanged { company, campaign, leads: true }).await;
    Ok(Answer::ok(shown(&recalled)))
}
