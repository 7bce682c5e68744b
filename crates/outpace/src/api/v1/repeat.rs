//! Requests that their client may send again under the same `Idempotency-Key`: done once, answered alike for a day.

use axum::http::HeaderName;
use engine::Timestamp;
use store::{Claim, Repeatable};

use super::problem::Problem;
use super::visit::{Answer, Body};
use crate::handle::Handle;

/// A longer answer is not remembered; none of the routes with a key gives one.
const BODY_BYTES_MAX: usize = 1 << 20;

/// The answer that was given before; None: it is to be done now.
pub async fn claim(handle: &Handle, now: Timestamp, request: &Repeatable) -> Result<Option<Answer>, Problem> {
    let wanted = request.clone();
    match handle.with_store(move |s| s.claim_request(now, &wanted)).await? {
        Claim::New => Ok(None),
        Claim::Done(status, body) => {
            let body = match body.as_str() {
                "" => Body::Nothing,
                text => Body::Json(serde_json::from_str(text).map_err(|e| Problem::internal(&e))?),
            };
            let replayed = (HeaderName::from_static("idempotency-replayed"), "true".to_owned());
            Ok(Some(Answer { status, body, headers: vec![replayed] }))
        }
        Claim::UnderWay => {
            Err(Problem::conflict("under_way", "a request with this Idempotency-Key is being worked on"))
        }
        Claim::Other => {
            let message = "this Idempotency-Key was used for another request";
            Err(Problem::conflict("idempotency_key_used", message))
        }
    }
}

/// What is remembered of an answer: a success. What was refused may be tried again: status 0.
pub fn remembered(result: &Result<Answer, Problem>) -> (u16, String) {
    let (status, body) = match result {
        Ok(Answer { status, body: Body::Json(value), .. }) => (*status, value.to_string()),
        Ok(Answer { status, body: Body::Nothing, .. }) => (*status, String::new()),
        _ => (0, String::new()),
    };
    if body.len() > BODY_BYTES_MAX { (0, String::new()) } else { (status, body) }
}

pub async fn settle(handle: &Handle, request: Repeatable, (status, body): (u16, String)) {
    let settled = handle.with_store(move |s| s.settle_request(&request, status, &body)).await;
    if let Err(error) = settled {
        tracing::error!(%error, "the answer to a request with an Idempotency-Key was not remembered");
    }
}
