//! Why so many calls are placed now: the last decision of predictive pacing and what it was based on.

use engine::{BoundBy, PacingDecision};
use serde_json::{Value, json};

use super::campaigns::at_id;
use super::problem::Problem;
use super::route::{Route, run};
use super::schema::{Schema, count, field, number, object, text, word};
use super::visit::{Answer, Visit};

const BOUNDS: &[&str] = &[
    "risk",
    "hour_budget",
    "day_budget",
    "cold_start",
    "concurrency",
    "trunk",
    "calls_per_second",
    "leads",
    "no_agents",
];

pub fn routes() -> Vec<Route> {
    vec![
        at_id(Route::get("/v1/campaigns/{campaign}/pacing", "getPacing", run!(get)))
            .about("Why so many calls are placed now.")
            .answers(200, schema()),
    ]
}

fn schema() -> Schema {
    let any = || number(-1e12, 1e12);
    let decision = object(
        "PacingDecision",
        vec![
            field("wanted", count(), "More calls that are to be placed."),
            field("idle", count(), "Agents who are ready."),
            field("expected_free", any(), "Agents expected to become free within the horizon."),
            field("horizon_seconds", any(), ""),
            field("in_flight", count(), "Calls that ring."),
            field("expected_answers", any(), "Answers expected of them."),
            field("waiting", count(), "Customers who wait for an agent."),
            field("alpha", any(), "Risk of an abandoned call that may be taken."),
            field("risk", any(), "Risk that was taken."),
            field("answer_share", any(), "Of the calls placed that are answered."),
            field("bound_by", word(BOUNDS), "What keeps it from placing more."),
            field("text", text(1000), "All of it in a sentence."),
        ],
    );
    object(
        "PacingNow",
        vec![
            field("campaign", text(64), ""),
            field("ratio_now", any().nullable(), "Calls per idle agent; null: not running."),
            field("decision", decision.nullable(), "Null: not running, or a fixed ratio."),
        ],
    )
}

async fn get(visit: Visit) -> Result<Answer, Problem> {
    let campaign = visit.campaign().await?;
    let view = visit.campaign_view(&campaign).await?;
    let decision = view.as_ref().and_then(|v| v.decision);
    Ok(Answer::ok(json!({
        "campaign": campaign.settings.taskid,
        "ratio_now": view.and_then(|v| v.ratio_now).map(|milli| f64::from(milli) / 1000.0),
        "decision": decision.map(|d| as_json(&d)),
    })))
}

fn as_json(d: &PacingDecision) -> Value {
    json!({
        "wanted": d.wanted,
        "idle": d.idle,
        "expected_free": d.expected_free,
        "horizon_seconds": d.horizon_seconds,
        "in_flight": d.in_flight,
        "expected_answers": d.expected_answers,
        "waiting": d.waiting,
        "alpha": d.alpha,
        "risk": d.risk,
        "answer_share": d.answer_share,
        "bound_by": bound(d.bound_by).0,
        "text": sentence(d),
    })
}

fn sentence(d: &PacingDecision) -> String {
    format!(
        "{} more: {} idle + {:.1} expected free in {} s, {} in flight expected to give {:.1} answers, α = {:.3}, \
         bound by: {}",
        d.wanted,
        d.idle,
        d.expected_free,
        d.horizon_seconds,
        d.in_flight,
        d.expected_answers,
        d.alpha,
        bound(d.bound_by).1
    )
}

/// The word for programs and the words for people.
const fn bound(by: BoundBy) -> (&'static str, &'static str) {
    match by {
        BoundBy::Risk => ("risk", "risk of an abandoned call"),
        BoundBy::HourBudget => ("hour_budget", "budget of the hour"),
        BoundBy::DayBudget => ("day_budget", "budget of the day"),
        BoundBy::ColdStart => ("cold_start", "little is known yet"),
        BoundBy::Concurrency => ("concurrency", "the campaign's limit of calls"),
        BoundBy::Trunk => ("trunk", "no free trunk channel"),
        BoundBy::CallsPerSecond => ("calls_per_second", "the trunks' calls per second"),
        BoundBy::Leads => ("leads", "no number may be called now"),
        BoundBy::NoAgents => ("no_agents", "nobody is at work"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_is_told_in_a_sentence() {
        let d = PacingDecision {
            wanted: 7,
            idle: 3,
            expected_free: 4.12,
            horizon_seconds: 9,
            in_flight: 11,
            expected_answers: 4.8,
            alpha: 0.012,
            bound_by: BoundBy::HourBudget,
            ..PacingDecision::default()
        };
        assert_eq!(
            sentence(&d),
            "7 more: 3 idle + 4.1 expected free in 9 s, 11 in flight expected to give 4.8 answers, α = 0.012, bound by: \
             budget of the hour"
        );
    }
}
