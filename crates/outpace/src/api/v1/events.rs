//! `/v1/events`: what happens now, as server-sent events (HTML Living Standard §9.2) that go on where a client left.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use engine::{AgentId, CampaignId, CompanyId};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::agents::state_name;
use super::campaigns::status_name;
use super::moment;
use super::problem::Problem;
use super::route::{Route, run};
use super::schema::line;
use super::stream::{self, Gone, Parts};
use super::visit::{Answer, Visit, shown};
use crate::handle::Handle;
use crate::live::{CallState, Happening, Missed, Watcher, What};

/// Events that are read at once.
const BATCH_MAX: usize = 256;
/// Said when nothing happens, so that proxies keep the connection.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);
/// Then the client comes again, and is looked at again: a key may have been revoked.
const LIFE_MAX: Duration = Duration::from_secs(600);

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/v1/events", "watchEvents", run!(watch))
            .about(
                "Server-sent events `campaign`, `call` and `agent`, whose data is JSON. With the header `Last-Event-ID` \
                 it goes on after that event; `missed` says that some of what came after it is gone: read the lists \
                 again. A reader that is too slow is cut off. The stream ends after ten minutes; browsers come again by \
                 themselves.",
            )
            .query("last_event_id", line(0, 64), "For clients that cannot send the header, which wins.")
            .answers_events(),
    ]
}

async fn watch(visit: Visit) -> Result<Answer, Problem> {
    let live = visit.handle().live().clone();
    let channel = live.of(visit.company());
    let too_many = || Problem::new(429, "too_many_streams", "too many clients watch this company already");
    let watcher = channel.watch().ok_or_else(too_many)?;
    let header = visit.last_event_id.as_deref();
    let last = header.or(visit.query.text("last_event_id")).filter(|id| !id.is_empty());
    let start = match last {
        None => Start::Now,
        Some(id) => match sequence(id, live.run) {
            Some(seq) if channel.after(seq, 1).is_ok() => Start::After(seq),
            _ => Start::Missed,
        },
    };
    let names = Names {
        handle: visit.handle().clone(),
        company: visit.company(),
        in_full: visit.sees_all(),
        run: live.run,
        campaigns: HashMap::new(),
        extensions: HashMap::new(),
    };
    let (parts, body) = stream::open();
    tokio::spawn(async move {
        // Else the client is gone, or too slow: it comes again with the last id that it has seen.
        if tell(&parts, watcher, names, start).await.is_ok() {
            parts.end().await;
        }
    });
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (axum::http::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok(Answer::stream((headers, body).into_response()))
}

enum Start {
    Now,
    After(u64),
    Missed,
}

/// `<run>-<sequence number>`, when it is of this run.
fn sequence(id: &str, run: i64) -> Option<u64> {
    let (of, seq) = id.split_once('-')?;
    if of == run.to_string() { seq.parse().ok() } else { None }
}

async fn tell(parts: &Parts, mut watcher: Watcher, mut names: Names, start: Start) -> Result<(), Gone> {
    let end = Instant::now() + LIFE_MAX;
    let newest = watcher.channel.newest();
    let mut at = match start {
        Start::After(seq) => seq,
        Start::Now | Start::Missed => newest,
    };
    let mut first = "retry: 2000\n\n".to_owned();
    if matches!(start, Start::Missed) {
        first += &format!("id: {}-{at}\nevent: missed\ndata: {{}}\n\n", names.run);
    }
    parts.write(first).await?;
    while Instant::now() < end {
        match watcher.channel.after(at, BATCH_MAX) {
            Err(Missed) => return Err(Gone),
            Ok(events) if events.is_empty() => {
                let sign = tokio::time::sleep(SIGN_OF_LIFE);
                tokio::select! {
                    () = watcher.wait(at) => {}
                    () = parts.gone() => return Err(Gone),
                    () = sign => parts.write(": still here\n\n").await?,
                }
            }
            Ok(events) => {
                at = events.last().map_or(at, |(seq, _)| *seq);
                parts.write(names.text(&events).await).await?;
            }
        }
    }
    Ok(())
}

/// What ids are called, looked up once for each stream.
struct Names {
    handle: Handle,
    company: CompanyId,
    /// Telephone numbers are shown in full.
    in_full: bool,
    run: i64,
    campaigns: HashMap<CampaignId, Arc<str>>,
    extensions: HashMap<AgentId, Arc<str>>,
}

impl Names {
    async fn text(&mut self, events: &[(u64, Happening)]) -> String {
        let mut text = String::new();
        for (seq, happening) in events {
            let (kind, data) = self.shown(happening).await;
            text += &format!("id: {}-{seq}\nevent: {kind}\ndata: {data}\n\n", self.run);
        }
        text
    }

    async fn shown(&mut self, happening: &Happening) -> (&'static str, Value) {
        let at = moment::json(happening.at);
        match &happening.what {
            What::Campaign { campaign, status } => {
                let id = self.campaign(*campaign).await;
                ("campaign", json!({"at": at, "id": id.as_deref(), "status": status_name(*status)}))
            }
            What::Agent { agent, state, call } => {
                let extension = self.extension(*agent).await;
                let call = call.map(|c| c.to_string());
                let state = state_name(*state);
                ("agent", json!({"at": at, "extension": extension.as_deref(), "state": state, "call": call}))
            }
            What::Call { call, campaign, state, agent } => {
                let campaign = match campaign {
                    Some(campaign) => self.campaign(*campaign).await,
                    None => None,
                };
                let extension = match agent {
                    Some(agent) => self.extension(*agent).await,
                    None => None,
                };
                let (state, number, outcome) = match state {
                    CallState::Dialing(number) => {
                        ("dialing", Some(shown(number.as_str(), self.in_full)), None)
                    }
                    CallState::Ringing => ("ringing", None, None),
                    CallState::Answered => ("answered", None, None),
                    CallState::Offered => ("offered", None, None),
                    CallState::Bridged => ("bridged", None, None),
                    CallState::Ended(outcome) => ("ended", None, Some(outcome.name())),
                };
                let mut data = json!({
                    "at": at, "id": call.to_string(), "campaign": campaign.as_deref(), "state": state,
                    "extension": extension.as_deref(),
                });
                if let Some(number) = number {
                    data["number"] = json!(number);
                }
                if let Some(outcome) = outcome {
                    data["outcome"] = json!(outcome);
                }
                ("call", data)
            }
        }
    }

    async fn campaign(&mut self, id: CampaignId) -> Option<Arc<str>> {
        if let Some(known) = self.campaigns.get(&id) {
            return Some(known.clone());
        }
        let found = self.handle.with_store(move |s| s.campaign_by_id(id)).await.ok()??;
        let name: Arc<str> = found.settings.taskid.into();
        self.campaigns.insert(id, name.clone());
        Some(name)
    }

    async fn extension(&mut self, id: AgentId) -> Option<Arc<str>> {
        if !self.extensions.contains_key(&id) {
            let company = self.company;
            let all = self.handle.with_store(move |s| s.extensions(Some(company))).await.ok()?;
            self.extensions = all.into_iter().map(|e| (e.id, e.number.into())).collect();
        }
        self.extensions.get(&id).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_another_run_is_no_place_to_go_on() {
        assert_eq!(sequence("17-4", 17), Some(4));
        assert_eq!(sequence("16-4", 17), None);
        assert_eq!(sequence("17-x", 17), None);
        assert_eq!(sequence("4", 17), None);
    }
}
