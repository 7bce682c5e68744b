//! `/v1`: the REST API over everything. `routes()` is the one table of what there is: requests are checked against it,
//! answers are held against it, and the OpenAPI document is written from it.

mod agents;
mod api_keys;
mod audit;
mod bills;
mod caller_ids;
mod calls;
mod campaigns;
mod commands;
mod company;
mod compliance;
mod csv;
mod dnc;
mod events;
mod export;
mod extensions;
mod groups;
mod identity;
mod inbound;
mod leads;
pub mod moment;
mod openapi;
mod pacing;
mod page;
mod problem;
mod quality;
mod reading;
mod recall;
mod repeat;
mod route;
mod schema;
mod session;
mod stream;
mod trail;
mod trunk_states;
mod trunks;
mod uploads;
mod users;
mod visit;
mod visitor;
mod webhooks;
mod xlsx;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{ConnectInfo, RawPathParams, Request, State};
use axum::http::header::ALLOW;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};

pub use self::api_keys::made_up as made_up_key;
pub use self::session::Gate;
pub use self::trail::{forget_old as forget_old_audit, note as note_audit};

use self::problem::Problem;
pub use self::route::Needs;
use self::route::{Content, Place, Route};
use self::visit::{Answer, Body, Visit};
use self::visitor::Visitor;
use super::{Server, base_url, text_header, turn};

/// Everything there is, in the order of the document.
pub fn routes() -> Vec<Route> {
    [
        company::routes(),
        campaigns::routes(),
        recall::routes(),
        leads::routes(),
        uploads::routes(),
        pacing::routes(),
        calls::routes(),
        commands::routes(),
        bills::routes(),
        agents::routes(),
        groups::routes(),
        extensions::routes(),
        trunks::routes(),
        identity::routes(),
        trunk_states::routes(),
        caller_ids::routes(),
        inbound::routes(),
        compliance::routes(),
        dnc::routes(),
        webhooks::routes(),
        events::routes(),
        session::routes(),
        users::routes(),
        api_keys::routes(),
        audit::routes(),
    ]
    .concat()
}

pub fn router() -> Router<Arc<Server>> {
    let mut by_path: BTreeMap<&'static str, Vec<Route>> = BTreeMap::new();
    for route in routes() {
        by_path.entry(route.path).or_default().push(route);
    }
    let mut router = Router::new()
        .route("/v1/openapi.json", axum::routing::get(openapi::serve))
        .route("/v1/{*rest}", axum::routing::any(no_such_path))
        .merge(page::router());
    for (path, routes) in by_path {
        let routes: Arc<[Route]> = routes.into();
        let entry = move |State(server): State<Arc<Server>>,
                          ConnectInfo(peer): ConnectInfo<SocketAddr>,
                          parts: Result<RawPathParams, RawPathParamsRejection>,
                          request: Request| {
            let routes = routes.clone();
            async move { enter(server, peer, routes, parts, request).await }
        };
        router = router.route(path, axum::routing::any(entry));
    }
    router
}

async fn no_such_path() -> Problem {
    Problem::not_found("path; see /v1/openapi.json")
}

async fn enter(
    server: Arc<Server>,
    peer: SocketAddr,
    routes: Arc<[Route]>,
    parts: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
) -> Response {
    let Some(route) = routes.iter().find(|r| r.method == *request.method()).cloned() else {
        let allowed: Vec<&str> = routes.iter().map(|r| r.method.as_str()).collect();
        let message = format!("this path takes {}", allowed.join(", "));
        let problem = Problem::new(405, "method_not_allowed", message);
        return ([(ALLOW, allowed.join(", "))], problem).into_response();
    };
    let Ok(parts) = parts else { return Problem::not_found("path").into_response() };
    let parts = parts.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    match answer(server, peer, route, parts, request).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn answer(
    server: Arc<Server>,
    peer: SocketAddr,
    route: Route,
    parts: BTreeMap<String, String>,
    request: Request,
) -> Result<Response, Problem> {
    server.admit(peer)?;
    let now = server.app_sip.now();
    let (head, body) = request.into_parts();
    let address = peer.ip().to_canonical();
    let visitor = match route.needs {
        Needs::Nobody => None,
        _ => Some(Visitor::of(&server, &head.headers, address, now).await?),
    };
    let path = reading::path(&route, &parts)?;
    if let Some(visitor) = &visitor {
        visitor.check(&route, path.get("extension").map(String::as_str), &head.headers)?;
    }
    let query = reading::query(&route, head.uri.query())?;
    let read = server.read_body(&head.headers, body).await?;
    let working = turn(&server.working).await?;
    let (body, claim) = reading::body(&route, &head, read.bytes, visitor.as_ref()).await?;
    let visit = Visit {
        server: server.clone(),
        visitor,
        now,
        peer: address,
        base_url: base_url(&head.headers),
        path,
        query,
        body,
        last_event_id: text_header(&head.headers, "last-event-id").map(str::to_owned),
    };
    let timeout = server.request_timeout;
    // In a task of its own: a client that hangs up must not stop a change halfway between store and run loop.
    let work = tokio::spawn(async move {
        let _permits = (read.large, working);
        work(route, head, visit, claim).await
    });
    match tokio::time::timeout(timeout, work).await {
        Ok(Ok(answer)) => Ok(answer?.into_response()),
        Ok(Err(panic)) => Err(Problem::internal(&panic)),
        Err(_) => Err(Problem::internal(&"a request took longer than its time-out")),
    }
}

/// What the client cannot stop: the change itself, what is remembered of it, its entry in the audit trail.
async fn work(
    route: Route,
    head: Parts,
    visit: Visit,
    claim: Option<store::Repeatable>,
) -> Result<Answer, Problem> {
    let handle = visit.handle().clone();
    if let Some(claim) = &claim
        && let Some(answer) = repeat::claim(&handle, visit.now, claim).await?
    {
        return Ok(answer);
    }
    let entry = trail::begin(&route, &head, &visit);
    // A panic must not leave the key claimed, nor the trail without its entry.
    let result = match tokio::spawn((route.run)(visit)).await {
        Ok(result) => result.and_then(|answer| held_against(&route, answer)),
        Err(panic) => Err(Problem::internal(&panic)),
    };
    if let Some(claim) = claim {
        let remembered = repeat::remembered(&result);
        repeat::settle(&handle, claim, remembered).await;
    }
    if let Some(entry) = entry {
        let status = result.as_ref().map_or_else(|problem| problem.status, |answer| answer.status);
        trail::note(&handle, store::NewAudit { status, ..entry }).await;
    }
    result
}

/// Where debug assertions are on, as in the tests, an answer that is not as documented is a fault of ours.
fn held_against(route: &Route, answer: Answer) -> Result<Answer, Problem> {
    if !cfg!(debug_assertions) {
        return Ok(answer);
    }
    let faults = match (&route.content, &answer.body) {
        (Content::Nothing, Body::Nothing) | (Content::JsonOrFile(_) | Content::Events, Body::Stream(_)) => {
            None
        }
        (Content::Json(schema) | Content::JsonOrFile(schema), Body::Json(value)) => {
            Some(schema.faults(value)).filter(|f| !f.is_empty()).map(|f| format!("{f:?} in {value}"))
        }
        _ => Some("another kind of content".to_owned()),
    };
    match faults {
        None if answer.status == route.status => Ok(answer),
        faults => {
            let name = route.name;
            let status = answer.status;
            Err(Problem::internal(&format!("{name} does not answer as documented: {status} {faults:?}")))
        }
    }
}

/// What its path names.
#[cfg(test)]
pub fn part_names(route: &Route) -> impl Iterator<Item = &'static str> {
    parts_of(route).map(|p| p.name)
}

/// The parts of a route's path.
fn parts_of(route: &Route) -> impl Iterator<Item = &route::Parameter> {
    route.parameters.iter().filter(|p| p.place == Place::Path)
}
