//! The parts of a request, checked against its route.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use store::Repeatable;

use super::problem::Problem;
use super::route::{Place, Route};
use super::schema::Fault;
use super::visit::Fields;
use super::visitor::Visitor;
use crate::api::{SHORT_BODY_BYTES, text_header};

/// A part that cannot be what it should names nothing: 404.
pub fn path(
    route: &Route,
    parts: &BTreeMap<String, String>,
) -> Result<BTreeMap<&'static str, String>, Problem> {
    let mut path = BTreeMap::new();
    for parameter in super::parts_of(route) {
        let text = parts.get(parameter.name).map_or("", String::as_str);
        if !parameter.schema.faults(&parameter.schema.read(text)).is_empty() {
            return Err(Problem::not_found(parameter.name));
        }
        path.insert(parameter.name, text.to_owned());
    }
    Ok(path)
}

pub fn query(route: &Route, query: Option<&str>) -> Result<Fields, Problem> {
    let mut fields = Map::new();
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    let mut fault = |field: &str, problem: &str| {
        let field = field.chars().take(100).collect();
        faults.push(Fault { field, problem: problem.to_owned() });
    };
    for (name, text) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()).take(100) {
        let known = route.parameters.iter().find(|p| p.place == Place::Query && p.name == name);
        let Some(parameter) = known else {
            fault(&name, "is not known");
            continue;
        };
        let value = parameter.schema.read(&text);
        match parameter.schema.faults(&value).into_iter().next() {
            Some(found) => fault(&name, &found.problem),
            None if !seen.insert(parameter.name) => fault(&name, "is there twice"),
            None => {
                fields.insert(parameter.name.to_owned(), value);
            }
        }
    }
    faults.truncate(20);
    if faults.is_empty() { Ok(Fields(fields)) } else { Err(Problem::form(faults)) }
}

/// The body, and what the request is remembered by when its client may send it again.
pub async fn body(
    route: &Route,
    head: &Parts,
    bytes: Vec<u8>,
    visitor: Option<&Visitor>,
) -> Result<(Fields, Option<Repeatable>), Problem> {
    let Some(schema) = route.body.clone() else {
        return match bytes.is_empty() {
            true => Ok((Fields::default(), repeatable(route, head, &bytes, visitor)?)),
            false => Err(Problem::of_field("body", "this request has no body")),
        };
    };
    let content_type = text_header(&head.headers, CONTENT_TYPE.as_str()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        let message = "the body must be JSON, with Content-Type: application/json";
        return Err(Problem::new(415, "unsupported_media_type", message));
    }
    let claim = repeatable(route, head, &bytes, visitor)?;
    let read = move || -> Result<Fields, Problem> {
        let value: Value = serde_json::from_slice(&bytes)
            .map_err(|e| Problem::of_field("body", format!("is no JSON: {e}")))?;
        let faults = schema.faults(&value);
        match value {
            Value::Object(map) if faults.is_empty() => Ok(Fields(map)),
            _ => Err(Problem::form(faults)),
        }
    };
    // The threads that serve requests carry calls too.
    let fields = match content_length(head) <= SHORT_BODY_BYTES {
        true => read()?,
        false => tokio::task::spawn_blocking(read).await.map_err(|e| Problem::internal(&e))??,
    };
    Ok((fields, claim))
}

fn content_length(head: &Parts) -> usize {
    crate::api::content_length(&head.headers).unwrap_or(usize::MAX)
}

fn repeatable(
    route: &Route,
    head: &Parts,
    bytes: &[u8],
    visitor: Option<&Visitor>,
) -> Result<Option<Repeatable>, Problem> {
    const NAME: &str = "idempotency-key";
    let (Some(visitor), true, true) = (visitor, route.repeatable, head.headers.contains_key(NAME)) else {
        return Ok(None);
    };
    let key = text_header(&head.headers, NAME).unwrap_or_default();
    if key.is_empty() || key.len() > 255 || !key.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        return Err(Problem::of_field("Idempotency-Key", "must be 1 to 255 visible ASCII characters"));
    }
    let target = head.uri.path_and_query().map_or("", |p| p.as_str());
    let mut hash = Sha256::new();
    hash.update(format!("{} {target}\n", route.method));
    hash.update(bytes);
    Ok(Some(Repeatable {
        company: visitor.company.id,
        who: visitor.who.clone(),
        key: key.to_owned(),
        request_sha256: hash.finalize().into(),
    }))
}
