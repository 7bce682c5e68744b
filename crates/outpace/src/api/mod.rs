//! HTTP: `POST /` is the compatible API, `upload` takes files, `GET /recordings/…` and `/uploads/…` is what they give links
//! to, `/v1` what they have no word for.

mod app_sip;
mod connection;
mod download;
mod limit;
mod patience;
pub mod upload;
mod v1;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{ALLOW, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use engine::Timestamp;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::app_sip::AppSip;
use self::app_sip::code::{Language, Ret};
use self::app_sip::envelope::platform_failure;
use self::app_sip::request::{Encoding, Fields};
use self::limit::{Client, RequestLimit};
pub use self::v1::made_up_key;

use crate::config::Api;
use crate::handle::Handle;

/// Requests that are worked on at once.
const WORKING_MAX: usize = 256;
/// Bodies over `LARGE_BODY_BYTES` that are in memory at once.
const LARGE_BODIES_MAX: usize = 8;
const LARGE_BODY_BYTES: usize = 1 << 20;
/// Longer ones are read on a thread that may block.
const SHORT_BODY_BYTES: usize = 64 << 10;
/// Recordings that are sent at once.
const DOWNLOADS_MAX: usize = 128;
/// A request waits this long for its turn, then it is refused.
const TURN_TIMEOUT: Duration = Duration::from_secs(2);

/// Binds the API port and serves it in the background; returns the bound address.
pub async fn serve(config: &Api, handle: Handle) -> anyhow::Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {} for the API", config.listen))?;
    let address = listener.local_addr().context("the API's listening address")?;
    tokio::spawn(v1::forget_old_audit(handle.clone(), config.audit_keep_days));
    tokio::spawn(connection::accept(listener, router(config, handle)));
    Ok(address)
}

/// All routes of the API port. Requests carry `ConnectInfo<SocketAddr>`.
fn router(config: &Api, handle: Handle) -> Router {
    let server = Server {
        app_sip: Arc::new(AppSip::new(handle, config)),
        gate: v1::Gate::new(config.login_failures_per_minute_max),
        requests: Mutex::new(RequestLimit::new(config.requests_per_second_max)),
        working: Arc::new(Semaphore::new(WORKING_MAX)),
        large_bodies: Arc::new(Semaphore::new(LARGE_BODIES_MAX)),
        downloads: Arc::new(Semaphore::new(DOWNLOADS_MAX)),
        body_max_bytes: config.body_max_bytes,
        request_timeout: Duration::from_secs(config.request_timeout_s.max(1)),
    };
    Router::new()
        .route("/", axum::routing::any(app_sip_endpoint))
        .route("/recordings/{day}/{file}", axum::routing::get(download::recording))
        .route("/uploads/{name}", axum::routing::get(download::report))
        .route("/api/predictiveCall/submitTask/file", axum::routing::post(upload::submit))
        .merge(v1::router())
        .fallback(no_such_path)
        .with_state(Arc::new(server))
}

struct Server {
    app_sip: Arc<AppSip>,
    gate: v1::Gate,
    requests: Mutex<RequestLimit>,
    working: Arc<Semaphore>,
    large_bodies: Arc<Semaphore>,
    downloads: Arc<Semaphore>,
    body_max_bytes: usize,
    request_timeout: Duration,
}

async fn no_such_path() -> Response {
    let body = platform_failure(Ret::NotFound, None, Language::Chinese);
    (StatusCode::NOT_FOUND, json(body)).into_response()
}

async fn app_sip_endpoint(
    State(server): State<Arc<Server>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    if !matches!(*request.method(), Method::GET | Method::POST) {
        let body = platform_failure(Ret::MethodNotAllowed, None, Language::Chinese);
        return (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET, POST")], json(body)).into_response();
    }
    let answer = match server.admit(peer) {
        Ok(()) => server.app_sip_answer(peer, request).await,
        Err(ret) => Err(ret),
    };
    json(answer.unwrap_or_else(|ret| platform_failure(ret, None, Language::Chinese))).into_response()
}

fn json(body: String) -> impl IntoResponse {
    ([(CONTENT_TYPE, HeaderValue::from_static("application/json;charset=utf-8"))], body)
}

impl Server {
    /// Counts the request against its client's limit.
    fn admit(&self, peer: SocketAddr) -> Result<(), Ret> {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.admit(Instant::now(), Client::of(peer.ip())).then_some(()).ok_or(Ret::TooMany)
    }

    async fn within_timeout(&self, answer: impl Future<Output = Result<String, Ret>>) -> Result<String, Ret> {
        match tokio::time::timeout(self.request_timeout, answer).await {
            Ok(answer) => answer,
            Err(_) => {
                tracing::error!("a request took longer than its time-out");
                Err(Ret::Internal)
            }
        }
    }

    async fn app_sip_answer(&self, peer: SocketAddr, request: Request) -> Result<String, Ret> {
        let received = self.app_sip.now();
        let (head, body) = request.into_parts();
        let body = self.read_body(&head.headers, body).await?;
        self.within_timeout(self.work(peer, received, head, body)).await
    }

    async fn work(
        &self,
        peer: SocketAddr,
        received: Timestamp,
        head: Parts,
        body: ReadBody,
    ) -> Result<String, Ret> {
        let working = turn(&self.working).await?;
        let app_sip = self.app_sip.clone();
        // In a task of its own: a client that hangs up must not stop a change halfway between store and run loop.
        guarded(async move {
            let _permits = (body.large, working);
            let content_type = text_header(&head.headers, CONTENT_TYPE.as_str());
            let fields = match read_fields(content_type, head.uri.query(), body.bytes).await {
                Ok(fields) => fields,
                Err(unreadable) => return AppSip::answer_unreadable(&unreadable),
            };
            let bearer = text_header(&head.headers, AUTHORIZATION.as_str()).and_then(bearer_token);
            let request = app_sip::Request {
                fields,
                peer: peer.ip(),
                bearer,
                received,
                base_url: base_url(&head.headers),
            };
            app_sip.answer(request).await
        })
        .await
    }

    /// Reads the whole body, and does not wait for it longer than for a request.
    async fn read_body(&self, headers: &HeaderMap, body: Body) -> Result<ReadBody, Ret> {
        let read = tokio::time::timeout(self.request_timeout, self.read_whole_body(headers, body));
        read.await.unwrap_or(Err(Ret::TooSlow))
    }

    /// What is over the limit is read and dropped for a while, so that the client, still sending,
    /// comes to read the answer.
    async fn read_whole_body(&self, headers: &HeaderMap, mut body: Body) -> Result<ReadBody, Ret> {
        let announced = content_length(headers);
        let drained_max = self.body_max_bytes.saturating_mul(4);
        if announced
            .is_some_and(|n| n > drained_max || (n > self.body_max_bytes && headers.contains_key(EXPECT)))
        {
            return Err(Ret::TooLarge);
        }
        let mut bytes = Vec::with_capacity(announced.unwrap_or(0).min(LARGE_BODY_BYTES));
        let mut total = 0usize;
        let mut large = None;
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| Ret::BadRequest)?.into_data() else { continue };
            total = total.saturating_add(data.len());
            if total > drained_max {
                return Err(Ret::TooLarge);
            }
            if total > LARGE_BODY_BYTES && large.is_none() {
                large = Some(turn(&self.large_bodies).await?);
            }
            if total <= self.body_max_bytes {
                bytes.extend_from_slice(&data);
            } else {
                bytes = Vec::new();
            }
        }
        match total > self.body_max_bytes {
            true => Err(Ret::TooLarge),
            false => Ok(ReadBody { bytes, large }),
        }
    }
}

struct ReadBody {
    bytes: Vec<u8>,
    /// Held as long as a large body is in memory.
    large: Option<OwnedSemaphorePermit>,
}

async fn turn(semaphore: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Ret> {
    match tokio::time::timeout(TURN_TIMEOUT, semaphore.clone().acquire_owned()).await {
        Ok(Ok(permit)) => Ok(permit),
        _ => Err(Ret::TooMany),
    }
}

/// Runs to its end whatever becomes of the client; a panic is our fault and shows no detail.
async fn guarded(answer: impl Future<Output = String> + Send + 'static) -> Result<String, Ret> {
    tokio::spawn(answer).await.map_err(|error| {
        tracing::error!(%error, "a service failed");
        Ret::Internal
    })
}

async fn read_fields(
    content_type: Option<&str>,
    query: Option<&str>,
    body: Vec<u8>,
) -> Result<Fields, app_sip::request::Unreadable> {
    match Encoding::of(content_type, &body) {
        Encoding::Multipart { boundary } => Fields::read_multipart(&boundary, query, body).await,
        encoding if body.len() <= SHORT_BODY_BYTES => Fields::read(&encoding, query, &body),
        encoding => {
            // The threads that serve requests carry calls too.
            let query = query.map(str::to_owned);
            let reading =
                tokio::task::spawn_blocking(move || Fields::read(&encoding, query.as_deref(), &body));
            reading.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
        }
    }
}

fn content_length(headers: &HeaderMap) -> Option<usize> {
    text_header(headers, CONTENT_LENGTH.as_str())?.parse().ok()
}

fn text_header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Where the client reached us, as it or the proxy before us says.
fn base_url(headers: &HeaderMap) -> String {
    let is_host = |host: &&str| {
        !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b))
    };
    let host = text_header(headers, "x-forwarded-host").filter(is_host);
    let host = host.or_else(|| text_header(headers, HOST.as_str()).filter(is_host)).unwrap_or("localhost");
    let scheme = match text_header(headers, "x-forwarded-proto") {
        Some("https") => "https",
        _ => "http",
    };
    format!("{scheme}://{host}")
}

/// RFC 6750 §2.1; the scheme in any case (RFC 9110 §11.1).
fn bearer_token(header: &str) -> Option<String> {
    let (scheme, token) = header.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

#[cfg(test)]
mod tests;
