//! Goal: what happens is told as it happens, and goes on where a client left.

use super::*;
use http_body_util::BodyExt;

use crate::live::{CallState, What};

/// A stream that is read.
struct Stream {
    body: Body,
    text: String,
}

impl Desk {
    async fn watch(&self, last: Option<&str>) -> Stream {
        let mut request =
            Request::get("/v1/events").header("authorization", format!("Bearer {}", self.token));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = self.send(request.body(Body::empty()).expect("a request")).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Stream { body: response.into_body(), text: String::new() }
    }

    fn happens(&self, company: i64, what: What) {
        self.handle.live().of(engine::CompanyId(company)).put(what);
    }
}

impl Stream {
    /// The next event: id, name, data.
    async fn next(&mut self) -> (String, String, Value) {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| {
                    let line = event.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(": "));
                    line.unwrap_or_default().to_owned()
                };
                if !field("event").is_empty() {
                    return (
                        field("id"),
                        field("event"),
                        serde_json::from_str(&field("data")).expect("JSON"),
                    );
                }
                continue;
            }
            let frame = tokio::time::timeout(std::time::Duration::from_secs(20), self.body.frame()).await;
            let frame = frame.expect("in time").expect("not ended").expect("not cut off");
            self.text += &String::from_utf8_lossy(frame.data_ref().expect("data"));
        }
    }
}

fn agent(desk: &Desk, state: AgentState) -> What {
    What::Agent { agent: desk.agent("1001"), state, call: None }
}

#[tokio::test]
async fn events_come_as_they_happen_with_the_names_of_the_api() {
    let desk = Desk::open().await;
    let id = desk.draft(&["13812345678"]).await;
    let campaign = desk.store().campaign(engine::CompanyId(1), &id).expect("readable").expect("exists").id;
    let mut stream = desk.watch(None).await;
    desk.happens(2, agent(&desk, AgentState::Paused));
    desk.happens(1, What::Campaign { campaign, status: engine::CampaignStatus::Running });
    let number = engine::PhoneNumber::parse("13812345678").expect("a number");
    let call = |state, agent| What::Call { call: CallId(7), campaign: Some(campaign), state, agent };
    desk.happens(1, call(CallState::Dialing(number), None));
    desk.happens(1, call(CallState::Bridged, Some(desk.agent("1001"))));
    desk.happens(1, call(CallState::Ended(engine::Outcome::Connected), Some(desk.agent("1001"))));
    desk.happens(1, agent(&desk, AgentState::WrapUp));
    let (_, kind, data) = stream.next().await;
    assert_eq!((kind.as_str(), &data["id"], &data["status"]), ("campaign", &json!(id), &json!("running")));
    let (_, kind, data) = stream.next().await;
    assert_eq!(
        (kind.as_str(), &data["state"], &data["number"]),
        ("call", &json!("dialing"), &json!("13812345678"))
    );
    assert_eq!(data["campaign"], json!(id));
    let (_, _, data) = stream.next().await;
    assert_eq!((&data["state"], &data["extension"]), (&json!("bridged"), &json!("1001")));
    let (_, _, data) = stream.next().await;
    assert_eq!((&data["state"], &data["outcome"]), (&json!("ended"), &json!("connected")));
    let (_, kind, data) = stream.next().await;
    assert_eq!(
        (kind.as_str(), &data["state"], &data["extension"]),
        ("agent", &json!("wrap_up"), &json!("1001"))
    );
}

#[tokio::test]
async fn a_client_that_comes_back_gets_what_it_missed() {
    let desk = Desk::open().await;
    let mut stream = desk.watch(None).await;
    desk.happens(1, agent(&desk, AgentState::Ready));
    let (first, ..) = stream.next().await;
    drop(stream);
    desk.happens(1, agent(&desk, AgentState::Paused));
    let mut stream = desk.watch(Some(&first)).await;
    let (second, _, data) = stream.next().await;
    assert_eq!(data["state"], json!("paused"));
    assert_ne!(first, second);
    for unknown in ["", "1-1", "nonsense"] {
        let mut stream = desk.watch(Some(unknown)).await;
        desk.happens(1, agent(&desk, AgentState::Ready));
        let (_, kind, _) = stream.next().await;
        assert_eq!(kind, if unknown.is_empty() { "agent" } else { "missed" });
    }
}

#[tokio::test]
async fn a_reader_that_is_too_slow_is_cut_off_and_told_so_when_it_returns() {
    let desk = Desk::open().await;
    let mut stream = desk.watch(None).await;
    desk.happens(1, agent(&desk, AgentState::Ready));
    let (first, ..) = stream.next().await;
    for _ in 0..20_000 {
        desk.happens(1, agent(&desk, AgentState::Paused));
        desk.happens(1, agent(&desk, AgentState::Ready));
    }
    let cut_off = async {
        loop {
            match stream.body.frame().await {
                Some(Ok(_)) => {}
                other => return other.is_some(),
            }
        }
    };
    let cut_off = tokio::time::timeout(std::time::Duration::from_secs(30), cut_off).await;
    assert!(cut_off.expect("in time"), "cut off, not ended");
    let mut stream = desk.watch(Some(&first)).await;
    assert_eq!(stream.next().await.1, "missed");
}

#[tokio::test]
async fn so_many_watch_and_the_next_is_refused() {
    let desk = Desk::open().await;
    let mut streams = Vec::new();
    for _ in 0..16 {
        streams.push(desk.watch(None).await);
    }
    assert_eq!(desk.get("events").await.problem(429), "too_many_streams");
    drop(streams);
    let mut free = false;
    for _ in 0..200 {
        // The places are free when their tasks have seen that nobody reads.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        let request = Request::get("/v1/events").header("authorization", format!("Bearer {}", desk.token));
        let response = desk.send(request.body(Body::empty()).expect("a request")).await;
        free |= response.status() == StatusCode::OK;
        if free {
            break;
        }
    }
    assert!(free, "places come free");
}
