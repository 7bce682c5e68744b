//! `/v1`: what the compatible API has no word for. Errors are `{code, message, details}` with an HTTP status.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Path, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use engine::{BoundBy, PacingDecision};
use serde_json::{Value, json};

use super::app_sip::code::{Language, Ret};
use super::app_sip::envelope::Failure;
use super::app_sip::request::Fields;
use super::app_sip::{self, Caller};
use super::{Server, bearer_token, json as json_body, text_header};

/// `GET /v1/campaigns/{id}/pacing`: the last decision and what it was based on. `id`: the taskid.
pub async fn pacing(
    State(server): State<Arc<Server>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let answer = tokio::time::timeout(server.request_timeout, explain(&server, peer, &id, &headers)).await;
    match answer {
        Ok(Ok(value)) => json_body(value.to_string()).into_response(),
        Ok(Err(failure)) => refused(&failure),
        Err(_) => refused(&Failure::from(Ret::Internal)),
    }
}

async fn explain(server: &Server, peer: SocketAddr, id: &str, headers: &HeaderMap) -> Result<Value, Failure> {
    server.admit(peer)?;
    let bearer = text_header(headers, AUTHORIZATION.as_str()).and_then(bearer_token);
    let request = app_sip::Request {
        base_url: String::new(),
        fields: Fields::default(),
        peer: peer.ip(),
        bearer,
        received: server.app_sip.now(),
    };
    let caller = Caller::of(&server.app_sip, request).await?;
    let campaign = caller.campaign(id).await?;
    let view = caller.campaign_view(campaign.id).await?;
    let decision = view.as_ref().and_then(|v| v.decision);
    Ok(json!({
        "campaign": id,
        "ratio_now": view.and_then(|v| v.ratio_now).map(|milli| f64::from(milli) / 1000.0),
        "decision": decision.map(|d| as_json(&d)),
    }))
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

pub(super) fn refused(failure: &Failure) -> Response {
    let (status, code, message) = match failure {
        Failure::Platform { ret, message } => {
            let status = match ret {
                Ret::Token => StatusCode::UNAUTHORIZED,
                Ret::App | Ret::LicenceEnded | Ret::Address => StatusCode::FORBIDDEN,
                other => StatusCode::from_u16(other.number()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            };
            let text = message.clone().unwrap_or_else(|| ret.text().of(Language::English).to_owned());
            (status, ret.number().to_string(), text)
        }
        Failure::Business { code, detail } => {
            let text = code.text().of(Language::English);
            let text = if detail.is_empty() { text.to_owned() } else { format!("{text}: {detail}") };
            (StatusCode::NOT_FOUND, code.0.to_string(), text)
        }
    };
    let body = json!({"code": code, "message": message, "details": Value::Null});
    (status, json_body(body.to_string())).into_response()
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
