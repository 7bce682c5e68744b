//! `/docs`: a page that shows the OpenAPI document. It loads nothing from elsewhere.

use std::sync::Arc;

use axum::Router;
use axum::http::HeaderName;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::api::Server;

const HTML: &str = include_str!("../../../assets/docs/index.html");
const SCRIPT: &str = include_str!("../../../assets/docs/docs.js");
const STYLE: &str = include_str!("../../../assets/docs/docs.css");

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

pub fn router() -> Router<Arc<Server>> {
    Router::new()
        .route("/docs", get(|| async { file("text/html; charset=utf-8", HTML) }))
        .route("/docs/docs.js", get(|| async { file("text/javascript; charset=utf-8", SCRIPT) }))
        .route("/docs/docs.css", get(|| async { file("text/css; charset=utf-8", STYLE) }))
}

fn file(content_type: &'static str, text: &'static str) -> impl IntoResponse {
    let headers: [(HeaderName, &str); 4] = [
        (CONTENT_TYPE, content_type),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    (headers, text)
}
