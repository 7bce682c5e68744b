//! `/v1` over HTTP.

mod access;
mod anything;
mod campaigns;
mod commands;
mod directory;
mod events;
mod form;
mod separation;
mod sessions;

use axum::http::Method;
use store::{NewApiKey, NewUser, Role, Scopes};

use super::*;
use crate::api::v1::made_up_key;
use crate::password;

/// An answer of `/v1`.
#[derive(Debug)]
struct Told {
    status: u16,
    headers: axum::http::HeaderMap,
    body: Value,
}

impl Told {
    /// The body, when the status is this.
    #[track_caller]
    fn is(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// The code of a problem.
    #[track_caller]
    fn problem(self, status: u16) -> String {
        let body = self.is(status);
        assert_eq!(keys(&body), ["code", "message", "details"], "{body}");
        body["code"].as_str().expect("a text").to_owned()
    }
}

impl Desk {
    /// As company 1's CRM.
    async fn v1(&self, method: Method, path: &str, body: Value) -> Told {
        self.v1_as(&self.token, method, path, body).await
    }

    async fn v1_as(&self, bearer: &str, method: Method, path: &str, body: Value) -> Told {
        self.v1_with(&[("authorization", &format!("Bearer {bearer}"))], method, path, body).await
    }

    /// `body` null: none.
    async fn v1_with(&self, headers: &[(&str, &str)], method: Method, path: &str, body: Value) -> Told {
        let mut request = Request::builder().method(method).uri(format!("/v1/{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = match body {
            Value::Null => request.body(Body::empty()),
            body => request.header("content-type", "application/json").body(Body::from(body.to_string())),
        };
        let response = self.send(request.expect("a request")).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a body");
        let body = match bytes.is_empty() {
            true => Value::Null,
            false => serde_json::from_slice(&bytes)
                .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&bytes).into_owned())),
        };
        Told { status, headers, body }
    }

    async fn get(&self, path: &str) -> Told {
        self.v1(Method::GET, path, Value::Null).await
    }

    /// A key of company 1 with these scopes.
    fn key(&self, scopes: &str) -> String {
        let (key, sha256, start) = made_up_key().expect("randomness");
        let scopes = Scopes::parse(scopes).expect("scopes");
        let company = engine::CompanyId(1);
        let new = NewApiKey { company, name: "k".to_owned(), sha256, start, scopes, expires_at: None };
        self.store().add_api_key(wall_clock(), &new).expect("added");
        key
    }

    fn user(&self, name: &str, role: Role, extension: &str) {
        let new = NewUser {
            company: engine::CompanyId(1),
            name: name.to_owned(),
            role,
            extension: extension.to_owned(),
            password_hash: password::hash("a good password").expect("hashed"),
            enabled: true,
        };
        self.store().add_user(wall_clock(), &new).expect("added");
    }

    /// A draft of company 1 with these numbers, by its id.
    async fn draft(&self, numbers: &[&str]) -> String {
        let leads: Vec<Value> = numbers.iter().map(|n| json!({ "number": n })).collect();
        let body = json!({"agents": {"group": "sales"}, "leads": leads});
        let created = self.v1(Method::POST, "campaigns", body).await.is(201);
        created["campaign"]["id"].as_str().expect("an id").to_owned()
    }

    /// Leases the next lead of the campaign and finishes its call.
    fn finish_a_call(&self, id: &str, outcome: engine::Outcome) -> CallId {
        let campaign = self.store().campaign(engine::CompanyId(1), id).expect("readable").expect("exists").id;
        let now = wall_clock();
        self.store().set_campaign_status(now, campaign, engine::CampaignStatus::Running).expect("opened");
        let call = CallId::from_parts(now.unix_millis().unsigned_abs(), u128::from(fastrand::u64(..)));
        let slot = engine::LeaseSlot { call, trunk: engine::TrunkId(1), caller_id: "4001".to_owned() };
        let (leads, _) = self.store().lease_leads(now, campaign, &[slot]).expect("leased");
        let record = engine::CallRecord {
            call,
            campaign,
            lead: leads[0].lead,
            attempt: 1,
            trunk: engine::TrunkId(1),
            caller_id: "4001".to_owned(),
            dialed_at: now,
            ringing_at: None,
            answered_at: Some(now),
            bridged_at: Some(now),
            ended_at: Timestamp(now.0 + 9_000_000),
            agent: Some(self.agent("1001")),
            outcome,
            cause: engine::Cause::NORMAL,
            hangup_by: engine::HangupBy::Customer,
            sip_status: 200,
            keys: String::new(),
            notice: None,
        };
        let never = store::RetryRule { busy: None, no_answer: None, failed: None, lost: None };
        self.store().finish_call(now, &record, &never).expect("finished");
        call
    }
}
