//! The API in process: the real router over a store in memory, and a run loop that notes what it is told.

mod auth;
mod bills;
mod calls;
mod codes;
mod extensions;
mod fuzz;
mod groups;
mod parameters;
mod rest;
mod separation;
mod task_results;
mod tasks;
mod transport;
mod upload_files;
mod uploads;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response, StatusCode};
use engine::{AgentState, AgentView, CallId, CallView, CampaignId, CampaignView, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use store::{AppKey, CallerId, MemStore, NewCompany, NewExtension, NewGroup, Store};
use tokio::sync::mpsc;
use tower::ServiceExt;

use super::upload::Uploads;
use crate::config::{Api, Config, StoreKind};
use crate::handle::{Command, Handle, wall_clock};

/// What the run loop shows and what it was told.
#[derive(Default)]
struct World {
    agents: Vec<AgentView>,
    campaigns: Vec<CampaignView>,
    told: Vec<String>,
    /// Does not answer.
    is_deaf: bool,
    /// Takes commands and drops them.
    is_stopping: bool,
    /// Of commands for calls.
    refusal: Option<engine::Refusal>,
}

struct Desk {
    router: Router,
    handle: Handle,
    world: Arc<Mutex<World>>,
    token: String,
    other_token: String,
}

fn company(code: &str) -> NewCompany {
    NewCompany {
        code: code.to_owned(),
        name: format!("company {code}"),
        time_zone: "Asia/Shanghai".to_owned(),
        language: "zh".to_owned(),
        int_codes: false,
        licensed_until: None,
        allow_from: vec![],
    }
}

fn provision(handle: &Handle, settings: &NewCompany, extensions: &[(&str, bool)]) {
    let store = handle.store();
    let company = store.put_company(settings).expect("a new company");
    let id = company.id;
    handle.put_company(company);
    let code = &settings.code;
    store
        .put_app_key(&AppKey {
            appid: format!("app-{code}"),
            company: id,
            accesskey_sha256: Sha256::digest(format!("key-{code}")).into(),
            enabled: true,
            scopes: store::Scopes::ALL,
        })
        .expect("a new key");
    for (number, enabled) in extensions {
        let extension = NewExtension {
            company: id,
            number: (*number).to_owned(),
            password: format!("secret-{number}"),
            enabled: *enabled,
        };
        store.put_extension(&extension).expect("a new extension");
    }
    let group = NewGroup {
        company: id,
        name: "sales".to_owned(),
        enabled: true,
        strategy: engine::Strategy::LongestIdle,
        remark: String::new(),
        automatic: true,
        queueing: store::Queueing::default(),
    };
    store.add_group(&group).expect("a new group");
}

fn caller_ids(store: &dyn Store, company: engine::CompanyId) {
    for (number, enabled, automatic) in
        [("4001", true, true), ("4002", false, true), ("4003", true, false), ("4004", true, true)]
    {
        let caller_id = CallerId {
            company,
            number: number.to_owned(),
            enabled,
            automatic,
            inbound: None,
            inbound_group: String::new(),
        };
        store.put_caller_id(&caller_id).expect("a new caller id");
    }
}

/// Stands in for the run loop until its channel is closed.
async fn drain(mut commands: mpsc::Receiver<Command>, world: Arc<Mutex<World>>) {
    let mut unanswered = Vec::new();
    while let Some(command) = commands.recv().await {
        let mut world = world.lock().expect("no panic");
        match command {
            command if world.is_deaf => unanswered.push(command),
            _ if world.is_stopping => {}
            Command::Agents { reply, .. } => drop(reply.send(world.agents.clone())),
            Command::Trunks { reply, .. } => drop(reply.send(Vec::new())),
            Command::Campaigns { reply, .. } => drop(reply.send(world.campaigns.clone())),
            Command::Call { command, reply, .. } => {
                world.told.push(format!("{command:?}"));
                let _ = reply.send(world.refusal.map_or(Ok(()), Err));
            }
            command => world.told.push(format!("{command:?}")),
        }
    }
}

impl Desk {
    /// Company 1 with extensions 1001, 1002 and (disabled) 1003, and company 2 with 2001; both logged in.
    async fn open() -> Desk {
        Desk::open_with(&Api { requests_per_second_max: 0, ..Api::default() }).await
    }

    async fn open_with(config: &Api) -> Desk {
        let (sender, commands) = mpsc::channel(64);
        let world: Arc<Mutex<World>> = Arc::default();
        tokio::spawn(drain(commands, world.clone()));
        let server = crate::config::Server { store: StoreKind::Memory, ..Default::default() };
        let uploads = Uploads::open(&Config { server, api: config.clone(), ..Config::default() });
        let handle = Handle::new(Arc::new(MemStore::new()), sender)
            .with_uploads(Arc::new(uploads.expect("a temporary folder")));
        provision(&handle, &company("1"), &[("1001", true), ("1002", true), ("1003", false)]);
        provision(&handle, &company("2"), &[("2001", true)]);
        caller_ids(&**handle.store(), engine::CompanyId(1));
        let router = super::router(config, handle.clone());
        let mut desk = Desk { router, handle, world, token: String::new(), other_token: String::new() };
        desk.token = desk.login("1").await;
        desk.other_token = desk.login("2").await;
        desk
    }

    async fn login(&self, code: &str) -> String {
        let answer = self.login_answer(&format!("app-{code}"), &format!("key-{code}")).await;
        result(&answer)["token"].as_str().expect("a token").to_owned()
    }

    async fn login_answer(&self, appid: &str, accesskey: &str) -> Value {
        self.form(&[("service", "App.Sip_Auth.Login"), ("appid", appid), ("accesskey", accesskey)]).await
    }

    /// Changes a company as a reload would.
    fn change(&self, settings: &NewCompany) {
        self.handle.put_company(self.handle.store().put_company(settings).expect("stored"));
    }

    /// Calls a service of company 1, escaped and urlencoded.
    async fn ask(&self, service: &str, fields: &[(&str, &str)]) -> Value {
        self.ask_with(&self.token, service, fields).await
    }

    async fn ask_with(&self, token: &str, service: &str, fields: &[(&str, &str)]) -> Value {
        let service = format!("App.Sip_{service}");
        let mut all = vec![("service", service.as_str()), ("token", token)];
        all.extend_from_slice(fields);
        self.form(&all).await
    }

    async fn form(&self, fields: &[(&str, &str)]) -> Value {
        let pairs: Vec<String> =
            fields.iter().map(|(k, v)| format!("{}={}", escaped(k), escaped(v))).collect();
        self.post("application/x-www-form-urlencoded", pairs.join("&")).await
    }

    async fn post(&self, content_type: &str, body: impl Into<Body>) -> Value {
        let request = Request::post("/").header("content-type", content_type).body(body.into());
        api_answer(self.send(request.expect("a request")).await).await
    }

    async fn send(&self, mut request: Request<Body>) -> Response<Body> {
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 50_000))));
        self.router.clone().oneshot(request).await.expect("the router never fails")
    }

    fn store(&self) -> &dyn Store {
        &**self.handle.store()
    }

    /// What the run loop was told since the last time.
    async fn told(&self) -> Vec<String> {
        // Commands are taken in order: when this one is answered, those before it were noted.
        self.handle.agents(engine::CompanyId(1)).await.expect("answered");
        std::mem::take(&mut self.world.lock().expect("no panic").told)
    }

    fn show_agents(&self, agents: Vec<AgentView>) {
        self.world.lock().expect("no panic").agents = agents;
    }

    fn agent(&self, number: &str) -> engine::AgentId {
        self.store().extension(number).expect("readable").expect("exists").id
    }

    fn register(&self, number: &str) {
        self.handle.put_registration(self.agent(number), Some(SocketAddr::from(([10, 0, 0, 9], 5060))));
    }

    fn view(&self, number: &str, state: AgentState) -> AgentView {
        let now = wall_clock();
        let earlier = |s: i64| Timestamp(now.0 - s * 1_000_000);
        let call = matches!(state, AgentState::Offered | AgentState::Talking).then(|| CallView {
            call: CallId(7),
            campaign: Some(CampaignId(1)),
            number: "13800138000".to_owned(),
            caller_id: "4001".to_owned(),
            dialed_at: earlier(30),
            answered_at: Some(earlier(21)),
            bridged_at: (state == AgentState::Talking).then(|| earlier(20)),
            is_inbound: false,
            awaits_customer: false,
        });
        AgentView {
            agent: self.agent(number),
            registered: true,
            state,
            since: earlier(20),
            call,
            calls: 3,
            missed: 1,
            talk_seconds: 60,
            last_offered: Some(earlier(40)),
            last_answered: None,
            missed_now: None,
        }
    }
}

/// The body of an answer of the API, which is always HTTP 200.
async fn api_answer(response: Response<Body>) -> Value {
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "application/json;charset=utf-8");
    json_body(response).await
}

async fn json_body(response: Response<Body>) -> Value {
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a body");
    serde_json::from_slice(&bytes).expect("JSON")
}

/// Percent-encodes everything but letters and digits.
fn escaped(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

fn result(answer: &Value) -> &Value {
    assert_eq!((&answer["ret"], &answer["data"]["status"]), (&json!(200), &json!(0)), "{answer}");
    &answer["data"]["result"]
}

/// `errors.code` of a business failure.
fn code(answer: &Value) -> &str {
    assert_eq!((&answer["ret"], &answer["data"]["status"]), (&json!(200), &json!(1)), "{answer}");
    assert!(answer["data"].get("result").is_none(), "{answer}");
    assert_eq!(answer["msg"], json!(""));
    answer["data"]["errors"]["code"].as_str().expect("a string")
}

/// `ret` and `msg` of a platform failure.
fn refusal(answer: &Value) -> (i64, &str) {
    assert_eq!(answer["data"], json!([]), "{answer}");
    (answer["ret"].as_i64().expect("an int"), answer["msg"].as_str().expect("a string"))
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}
