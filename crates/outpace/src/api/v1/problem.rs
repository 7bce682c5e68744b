//! What went wrong, as `{code, message, details}` with an HTTP status: 400 the form of the request, 401 and 403 who sends
//! it, 404 what it names, 409 what it means at this moment, 429 and 503 too much at once.

use axum::http::StatusCode;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use store::StoreError;

use super::schema::{Fault, Schema, field, line, list, object, text};
use crate::api::app_sip::code::{Language, Ret};
use crate::api::json as json_body;
use crate::handle::HandleError;

#[derive(Debug)]
pub struct Problem {
    pub status: u16,
    /// For programs.
    pub code: &'static str,
    /// For people: what to do about it.
    pub message: String,
    pub faults: Vec<Fault>,
}

pub fn schema() -> Schema {
    let fault = object(
        "Fault",
        vec![
            field("field", text(1000), "Where: a path into the body, or the name of a parameter."),
            field("problem", text(1000), "What is wrong with it."),
        ],
    );
    object(
        "Problem",
        vec![
            field("code", line(1, 64), "For programs: it does not change."),
            field("message", text(2000), "For people."),
            field("details", list(fault, 0, 100).nullable(), "Each fault of a request whose form is wrong."),
        ],
    )
}

impl Problem {
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Problem {
        Problem { status, code, message: message.into(), faults: Vec::new() }
    }

    pub fn form(faults: Vec<Fault>) -> Problem {
        let message = "the request is not as documented; details says where";
        Problem { faults, ..Problem::new(400, "invalid_request", message) }
    }

    pub fn of_field(field: &str, problem: impl Into<String>) -> Problem {
        Problem::form(vec![Fault { field: field.to_owned(), problem: problem.into() }])
    }

    pub fn not_found(what: &str) -> Problem {
        Problem::new(404, "not_found", format!("there is no such {what}"))
    }

    pub fn conflict(code: &'static str, message: impl Into<String>) -> Problem {
        Problem::new(409, code, message)
    }

    /// Our fault: the cause goes to the log, never to the client.
    pub fn internal(cause: &dyn std::fmt::Display) -> Problem {
        tracing::error!(%cause, "a request failed");
        Problem::from(Ret::Internal)
    }

    pub fn json(&self) -> Value {
        let faults: Vec<Value> =
            self.faults.iter().map(|f| json!({"field": f.field, "problem": f.problem})).collect();
        let details = if faults.is_empty() { Value::Null } else { Value::Array(faults) };
        json!({"code": self.code, "message": self.message, "details": details})
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, json_body(self.json().to_string())).into_response();
        let header = match self.status {
            // RFC 9110 §11.6.1 demands it.
            401 => Some((WWW_AUTHENTICATE, "Bearer")),
            429 | 503 => Some((RETRY_AFTER, "1")),
            _ => None,
        };
        if let Some((name, value)) = header {
            response.headers_mut().insert(name, axum::http::HeaderValue::from_static(value));
        }
        response
    }
}

impl From<Ret> for Problem {
    fn from(ret: Ret) -> Problem {
        let (status, code) = match ret {
            Ret::BadRequest => (400, "invalid_request"),
            Ret::NotFound => (404, "not_found"),
            Ret::MethodNotAllowed => (405, "method_not_allowed"),
            Ret::TooLarge => (413, "too_large"),
            Ret::TooSlow => (408, "too_slow"),
            Ret::TooMany => (429, "too_many_requests"),
            Ret::Internal => (500, "internal"),
            Ret::Token => (401, "unauthorized"),
            Ret::App => (401, "unauthorized"),
            Ret::LicenceEnded => (403, "licence_ended"),
            Ret::Address => (403, "address_not_allowed"),
        };
        Problem::new(status, code, ret.text().of(Language::English))
    }
}

impl From<HandleError> for Problem {
    fn from(error: HandleError) -> Problem {
        match error {
            HandleError::Store(StoreError::Busy) | HandleError::Unavailable => {
                Problem::new(503, "unavailable", "the server is overloaded or stopping; try again")
            }
            HandleError::Store(StoreError::Taken(what)) => {
                Problem::conflict("taken", format!("this {what} exists already"))
            }
            HandleError::Store(StoreError::NotFound(what)) => Problem::not_found(what),
            HandleError::Store(StoreError::Refused(why)) => Problem::conflict("refused", why),
            HandleError::Store(error @ StoreError::Failed(_)) => Problem::internal(&error),
        }
    }
}
