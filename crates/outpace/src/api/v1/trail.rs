//! The audit trail: who changed what, when, and from where.

use std::time::Duration;

use axum::http::request::Parts;
use engine::Timestamp;
use serde_json::{Map, Value, json};
use store::NewAudit;

use super::route::Route;
use super::visit::Visit;
use crate::handle::Handle;

const DETAILS_BYTES_MAX: usize = 4096;
const FORGET_EVERY: Duration = Duration::from_secs(3600);

/// What is noted of a request that changes something; its status is not known yet.
pub fn begin(route: &Route, head: &Parts, visit: &Visit) -> Option<NewAudit> {
    let visitor = visit.visitor.as_ref().filter(|_| route.changes())?;
    let body = Value::Object(visit.body.0.clone());
    let body = route.body.as_ref().map(|schema| schema.without_secrets(&body));
    let mut details = Map::new();
    if let Some(body) = body {
        details.insert("body".to_owned(), body);
    }
    if !visit.query.0.is_empty() {
        details.insert("query".to_owned(), Value::Object(visit.query.0.clone()));
    }
    let mut details = Value::Object(details).to_string();
    if details.len() > DETAILS_BYTES_MAX {
        details = json!({ "bytes": details.len() }).to_string();
    }
    Some(NewAudit {
        company: visitor.company.id,
        at: visit.now,
        who: visitor.who.clone(),
        address: visit.peer.to_string(),
        action: route.name.to_owned(),
        target: head.uri.path().to_owned(),
        status: 0,
        details,
    })
}

pub async fn note(handle: &Handle, entry: NewAudit) {
    let action = entry.action.clone();
    if let Err(error) = handle.with_store(move |s| s.put_audit(&entry)).await {
        tracing::error!(%error, action, "the audit trail has no entry of a change");
    }
}

/// Deletes what is older. Never ends; `keep_days` 0: deletes nothing.
pub async fn forget_old(handle: Handle, keep_days: u32) {
    if keep_days == 0 {
        return;
    }
    let mut tick = tokio::time::interval(FORGET_EVERY);
    loop {
        tick.tick().await;
        let day_us = 86_400_000_000;
        let before = Timestamp(handle.now().0.saturating_sub(i64::from(keep_days).saturating_mul(day_us)));
        // A bounded number at once, so that other writers have their turns.
        while let Ok(1..) = handle.with_store(move |s| s.delete_audit(before)).await {}
    }
}
