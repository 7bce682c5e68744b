//! The OpenAPI 3.1 document, written from the table of routes.

use std::sync::OnceLock;

use axum::response::IntoResponse;
use serde_json::{Map, Value, json};

use super::problem;
use super::route::{Content, Needs, Parameter, Place, Route};
use super::visitor::{COOKIE_NAME, CSRF_HEADER};
use crate::api::json as json_body;

const ABOUT: &str = "Campaigns, leads, calls, agents and all they need.\n\n\
    Log in with `Authorization: Bearer` and an API key (or a token of the compatible API), or as a user with a session \
    cookie; then changes need the header `X-CSRF-Token`. Times are RFC 3339. Unknown fields and parameters are \
    refused. Lists that may be long go page by page: `next` of one page is `after` of the next one. A request with an \
    `Idempotency-Key` may be sent again for 24 hours: it is done once and answered alike.";

/// What each tag holds.
const TAGS: &[(&str, &str)] = &[
    ("company", "The company of who asks."),
    ("campaigns", "Campaigns and their leads, and how fast they dial."),
    ("uploads", "Files of numbers, and how far they are."),
    ("calls", "Calls and their recordings."),
    ("bills", "What finished calls came to."),
    ("agents", "People at extensions, and what they are doing."),
    ("groups", "Agents who share campaigns."),
    ("extensions", "SIP accounts of agents."),
    ("trunks", "SIP peers that calls go through."),
    ("trunk-states", "Which addresses of trunks take calls."),
    ("caller_ids", "Numbers that customers see."),
    ("inbound", "Which calls of customers are taken."),
    ("compliance", "When and how often numbers may be called, and how long personal data is kept."),
    ("dnc", "Numbers that are not to be called."),
    ("refusals", "Calls that a rule refused."),
    ("webhooks", "URLs that are told what happens."),
    ("events", "What happens now."),
    ("session", "Logging in as a user."),
    ("users", "People who log in."),
    ("api_keys", "What programs log in with."),
    ("audit", "Who changed what."),
];

/// What each status means; the body is a `Problem`.
const REFUSALS: &[(u16, &str)] = &[
    (400, "The request is not as documented; details says where."),
    (401, "No key, token or session, or none that is good."),
    (403, "Not for this key or user, or not from this address."),
    (404, "There is no such thing in this company."),
    (408, "The body did not come in in time."),
    (409, "Not at this moment, or not with what is there; the code says why."),
    (413, "The body is too large."),
    (415, "The body is not JSON."),
    (429, "Too many requests."),
    (500, "Our fault; the log has the detail."),
    (503, "Too much at once; try again."),
];

pub async fn serve() -> impl IntoResponse {
    static TEXT: OnceLock<String> = OnceLock::new();
    json_body(TEXT.get_or_init(|| document(&super::routes()).to_string()).clone())
}

pub fn document(routes: &[Route]) -> Value {
    let mut named = Map::new();
    problem::schema().document(false, &mut named);
    let mut paths = Map::new();
    for route in routes {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_ascii_lowercase()] = operation(route, &mut named);
    }
    let responses: Map<String, Value> =
        REFUSALS.iter().map(|(status, about)| (refusal_name(*status), refusal(*status, about))).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Outpace",
            "version": "1",
            "description": ABOUT,
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": TAGS.iter().map(|(tag, about)| json!({"name": tag, "description": about})).collect::<Vec<_>>(),
        "security": [{"bearer": []}, {"session": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, or a token of the compatible API."},
                "session": {"type": "apiKey", "in": "cookie", "name": COOKIE_NAME,
                    "description": format!("Changes need the header {CSRF_HEADER} as well.")},
            },
            "responses": responses,
            "schemas": named,
        },
    })
}

fn refusal_name(status: u16) -> String {
    format!("Problem{status}")
}

fn refusal(status: u16, about: &str) -> Value {
    let mut refusal = json!({
        "description": about,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    });
    if matches!(status, 429 | 503) {
        let about = "Seconds to wait.";
        refusal["headers"] = json!({"Retry-After": {"description": about, "schema": {"type": "integer"}}});
    }
    refusal
}

fn operation(route: &Route, named: &mut Map<String, Value>) -> Value {
    let mut operation = json!({
        "operationId": route.name,
        "tags": [route.tag()],
        "summary": route.about.split(['.', ';']).next().unwrap_or_default(),
        "description": format!("{}{}", route.about, needs(route.needs)),
    });
    let mut parameters: Vec<Value> = route.parameters.iter().map(|p| parameter(p, named)).collect();
    if route.repeatable {
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "Any text of the client's own, such as a UUID, that names this request.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
        }));
    }
    if !parameters.is_empty() {
        operation["parameters"] = Value::Array(parameters);
    }
    if let Some(body) = &route.body {
        let schema = body.document(true, named);
        operation["requestBody"] =
            json!({"required": true, "content": {"application/json": {"schema": schema}}});
    }
    if route.needs == Needs::Nobody {
        operation["security"] = json!([]);
    }
    operation["responses"] = responses(route, named);
    operation
}

fn needs(needs: Needs) -> String {
    match needs {
        Needs::Nobody | Needs::Anyone => String::new(),
        Needs::Scope(scope) => format!(" Needs the scope `{}`.", scope.name()),
        Needs::OwnExtension => {
            " Needs the scope `calls`; an agent may do it for the own extension.".to_owned()
        }
    }
}

fn parameter(parameter: &Parameter, named: &mut Map<String, Value>) -> Value {
    let place = match parameter.place {
        Place::Path => "path",
        Place::Query => "query",
    };
    let mut shown = json!({
        "name": parameter.name, "in": place, "required": parameter.place == Place::Path,
        "schema": parameter.schema.document(true, named),
    });
    if !parameter.about.is_empty() {
        shown["description"] = json!(parameter.about);
    }
    shown
}

fn responses(route: &Route, named: &mut Map<String, Value>) -> Value {
    let mut responses = Map::new();
    let good = match &route.content {
        Content::Nothing => json!({"description": "Done."}),
        Content::Json(schema) => {
            json!({"description": "Done.", "content": {"application/json": {"schema": schema.document(false, named)}}})
        }
        Content::JsonOrFile(schema) => {
            json!({"description": "The page; or the whole list as a file.", "content": {
                "application/json": {"schema": schema.document(false, named)},
                "text/csv": {"schema": {"type": "string"}},
                "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet":
                    {"schema": {"type": "string", "format": "binary"}},
            }})
        }
        Content::Events => json!({"description": "Server-sent events, without an end.", "content": {
            "text/event-stream": {"schema": {"type": "string"}},
        }}),
    };
    responses.insert(route.status.to_string(), good);
    let mut refusals = vec![400, 429, 500, 503];
    if route.needs != Needs::Nobody {
        refusals.extend([401, 403]);
    }
    if super::parts_of(route).next().is_some() {
        refusals.push(404);
    }
    if route.body.is_some() {
        refusals.extend([408, 413, 415]);
    }
    refusals.extend(route.refusals);
    refusals.sort_unstable();
    refusals.dedup();
    for status in refusals {
        let name = refusal_name(status);
        responses.insert(status.to_string(), json!({"$ref": format!("#/components/responses/{name}")}));
    }
    Value::Object(responses)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Written anew with `UPDATE_GOLDEN=1 cargo test -p outpace openapi`.
    #[test]
    fn the_document_is_the_one_in_the_repository() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
        let written = serde_json::to_string_pretty(&document(&super::super::routes())).expect("JSON") + "\n";
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(path, &written).expect("the repository can be written");
        }
        let known = std::fs::read_to_string(path).expect("docs/openapi.json is there");
        assert!(known == written, "docs/openapi.json is not what the routes say: run with UPDATE_GOLDEN=1");
    }

    #[test]
    fn every_route_has_a_name_of_its_own_and_declares_the_parts_of_its_path() {
        let routes = super::super::routes();
        let names: BTreeSet<&str> = routes.iter().map(|r| r.name).collect();
        assert_eq!(names.len(), routes.len());
        for route in &routes {
            let declared: Vec<&str> = super::super::parts_of(route).map(|p| p.name).collect();
            let in_path: Vec<&str> = route
                .path
                .split(['{', '}'])
                .enumerate()
                .filter(|(i, _)| i % 2 == 1)
                .map(|(_, n)| n)
                .collect();
            assert_eq!(in_path, declared, "{}", route.path);
            assert!(!route.about.is_empty(), "{}", route.name);
            assert!(TAGS.iter().any(|(tag, _)| *tag == route.tag()), "{} has no description", route.tag());
        }
    }

    /// Every value of the document that an object has under this name.
    fn all<'a>(value: &'a Value, name: &str, found: &mut Vec<&'a Value>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get(name));
                map.values().for_each(|v| all(v, name, found));
            }
            Value::Array(list) => list.iter().for_each(|v| all(v, name, found)),
            _ => {}
        }
    }

    #[test]
    fn the_document_holds_together() {
        let document = document(&super::super::routes());
        let mut references = Vec::new();
        all(&document, "$ref", &mut references);
        let named: BTreeSet<&str> = references.iter().filter_map(|r| r.as_str()).collect();
        for reference in &named {
            let pointer = reference.trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
        }
        for kind in ["schemas", "responses"] {
            for name in document["components"][kind].as_object().expect("an object").keys() {
                let reference = format!("#/components/{kind}/{name}");
                assert!(named.contains(reference.as_str()), "{reference} is of no use");
            }
        }
        for (path, methods) in document["paths"].as_object().expect("paths") {
            for (method, operation) in methods.as_object().expect("operations") {
                let what = format!("{method} {path}");
                assert!(operation["summary"].is_string() || operation["description"].is_string(), "{what}");
                let responses = operation["responses"].as_object().expect("responses");
                for class in ["2", "4"] {
                    assert!(responses.keys().any(|s| s.starts_with(class)), "{what} has no {class}xx");
                }
                let described = |r: &Value| r["description"].is_string() || r["$ref"].is_string();
                assert!(responses.values().all(described), "{what}");
                let writes = operation["requestBody"].is_object();
                assert!(!(writes && method == "get"), "{what} has a body");
            }
        }
        let used: BTreeSet<&str> = super::super::routes().iter().map(Route::tag).collect();
        assert!(TAGS.iter().all(|(tag, _)| used.contains(tag)), "a tag of no route");
    }

    #[test]
    fn a_schema_has_one_meaning() {
        // Two objects of one name that differ would make the document lie about one of them.
        let routes = super::super::routes();
        let mut known: Map<String, Value> = Map::new();
        for route in &routes {
            let mut own = Map::new();
            for schema in [route.body.as_ref()].into_iter().flatten() {
                schema.document(true, &mut own);
            }
            if let Content::Json(schema) | Content::JsonOrFile(schema) = &route.content {
                let mut answer = Map::new();
                schema.document(false, &mut answer);
                for (name, value) in answer {
                    let before = own.insert(name.clone(), value.clone());
                    assert!(before.is_none_or(|b| b == value), "{name} is a request and an answer");
                }
            }
            for (name, value) in own {
                let before = known.insert(name.clone(), value.clone());
                assert!(before.is_none_or(|b| b == value), "{name} means two things");
            }
        }
    }
}
