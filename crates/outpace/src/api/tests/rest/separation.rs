//! Goal: no route and no service shows or changes anything of another company.

use super::*;
use crate::api::app_sip::service_names;
use crate::api::v1::routes;

/// Things of company 1, by which company 2 asks for them.
struct Everything {
    campaign: String,
    call: CallId,
    group: i64,
    event: i64,
    key: i64,
}

/// Words that only company 1 has, and that company 2 never sends.
const MARKS: &[&str] = &[
    "13877770001",
    "13877770002",
    "mark-campaign",
    "mark-client",
    "mark-hook",
    "mark-key",
    "mark-error",
    "mark-remark",
    "mark-password",
    "mark-file",
    "p-mark",
    "secret-1001",
];

impl Everything {
    async fn of(desk: &Desk) -> Everything {
        let store = desk.store();
        let company = engine::CompanyId(1);
        let hooks = json!({"bill_url": "https://mark-hook.example/", "secret": "mark-key"});
        desk.v1(Method::PATCH, "webhooks", hooks).await.is(200);
        let new = json!({"name": "mark-campaign", "client_id": "mark-client", "agents": {"group": "sales"},
            "leads": [{"number": "13877770001", "user_id": "mark-user"}, {"number": "13877770002"}]});
        let created = desk.v1(Method::POST, "campaigns", new).await.is(201);
        let campaign = created["campaign"]["id"].as_str().expect("an id").to_owned();
        let call = desk.finish_a_call(&campaign, engine::Outcome::Busy);
        let group = desk
            .v1(Method::POST, "groups", json!({"name": "mark-group", "remark": "mark-remark"}))
            .await
            .is(201);
        let group = group["id"].as_i64().expect("an id");
        desk.v1(Method::PUT, &format!("groups/{group}/members/1001"), json!({"signed_in": true}))
            .await
            .is(200);
        let trunk = json!({"address": "mark-trunk.example", "password": "p-mark"});
        desk.v1(Method::PUT, "trunks/mark-trunk", trunk).await.is(200);
        desk.v1(Method::PUT, "caller_ids/7001", json!({})).await.is(200);
        let user = json!({"name": "mark-user", "role": "owner", "password": "mark-password"});
        desk.v1(Method::POST, "users", user).await.is(201);
        let key = json!({"name": "mark-key", "scopes": ["read"]});
        let key =
            desk.v1(Method::POST, "api_keys", key).await.is(201)["api_key"]["id"].as_i64().expect("an id");
        let events = store.due_events(wall_clock(), company, store::PushKind::Bill, 9).expect("readable");
        store.event_failed(events[0].id, None, "mark-error").expect("given up");
        let recording = store::Recording {
            call,
            company,
            filename: "20260101/1_mark-file.wav".to_owned(),
            seconds: 1,
            bytes: 1,
            created_at: wall_clock(),
        };
        store.put_recording(&recording).expect("put");
        let upload = desk.upload(&[("uploadid", "mark-upload")], b"13877770001\n").await;
        assert_eq!(upload["code"], json!(0), "{upload}");
        desk.register("1001");
        desk.show_agents(vec![]);
        Everything { campaign, call, group, event: events[0].id, key }
    }

    /// What company 1 has, read around the API.
    fn snapshot(&self, desk: &Desk) -> String {
        let (s, company) = (desk.store(), engine::CompanyId(1));
        let campaign = s.campaign(company, &self.campaign).expect("readable").expect("there");
        let leads = s.leads_after(campaign.id, 0, 99).expect("readable");
        let any = store::CallFilter::default();
        format!(
            "{campaign:?}\n{leads:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}",
            s.calls_before(company, &any, None, 99).expect("readable"),
            s.groups(company).expect("readable"),
            s.extensions(Some(company)).expect("readable"),
            s.trunks(company).expect("readable"),
            s.caller_ids(company).expect("readable"),
            s.users(company).expect("readable"),
            s.api_keys(company).expect("readable"),
            s.dead_events(company, 99).expect("readable"),
            s.companies().expect("readable"),
            (s.compliance(company).expect("readable"), s.inbound(company).expect("readable")),
        )
    }

    fn part(&self, name: &str) -> String {
        match name {
            "campaign" => self.campaign.clone(),
            "lead" => "1".to_owned(),
            "call" => self.call.to_string(),
            "extension" => "1001".to_owned(),
            "group" => self.group.to_string(),
            "trunk" => "mark-trunk".to_owned(),
            "caller_id" => "7001".to_owned(),
            "event" => self.event.to_string(),
            "user" => "mark-user".to_owned(),
            "upload" => "mark-upload".to_owned(),
            "api_key" => self.key.to_string(),
            other => panic!("say what {other} of company 1 is, so that company 2 can try it"),
        }
    }
}

/// A body that the route takes.
fn body_for(name: &str) -> Value {
    match name {
        "createCampaign" => json!({"agents": {"extensions": ["1001"]}}),
        "setCampaignStatus" => json!({"status": "ended"}),
        "addDnc" | "removeDnc" | "addCampaignDnc" | "removeCampaignDnc" => json!({"entries": ["139*"]}),
        "recallLeads" => json!({"which": "all"}),
        "appendLeads" => json!({"leads": [{"number": "13877770003"}]}),
        "callForAgent" => json!({"number": "13877770009"}),
        "placeCall" => json!({"number": "13877770009", "extension": "1001"}),
        "transferAgentsCall" | "transferCall" => json!({"extension": "1001"}),
        "watchAgent" | "watchCall" => json!({"supervisor": "1001", "mode": "listen"}),
        "changeInbound" => json!({"enabled": true}),
        "changeCompliance" => json!({"profile": "us"}),
        "pauseAgent" => json!({"paused": true}),
        "createGroup" => json!({"name": "mark-group"}),
        "putTrunk" => json!({"address": "elsewhere.example"}),
        "logIn" => json!({"company": "2", "name": "mark-user", "password": "mark-password"}),
        "createUser" => json!({"name": "mark-user", "role": "owner", "password": "other password"}),
        "createApiKey" => json!({"name": "k", "scopes": ["read"]}),
        _ => json!({}),
    }
}

#[track_caller]
fn shows_nothing(what: &str, body: &Value, sent: &str) {
    let text = body.to_string();
    for mark in MARKS.iter().filter(|mark| !sent.contains(**mark)) {
        assert!(!text.contains(mark), "{what} shows {mark}: {text}");
    }
}

#[tokio::test]
async fn no_route_shows_or_changes_what_is_another_companys() {
    let desk = Desk::open().await;
    let everything = Everything::of(&desk).await;
    let before = everything.snapshot(&desk);
    let own_things =
        ["createGroup", "putTrunk", "putCallerId", "createUser", "createApiKey", "changeWebhooks", "logIn"];
    // Last those by which company 2 gets things of its own under the same names.
    let mut routes = routes();
    routes.retain(|r| r.name != "watchEvents");
    routes.sort_by_key(|r| own_things.contains(&r.name));
    for route in routes {
        let mut path = route.path.trim_start_matches("/v1/").to_owned();
        let mut names_another = false;
        for part in crate::api::v1::part_names(&route) {
            path = path.replace(&format!("{{{part}}}"), &everything.part(part));
            names_another = true;
        }
        let body = if route.body.is_some() { body_for(route.name) } else { Value::Null };
        let sent = format!("{path} {body}");
        let told = desk.v1_as(&desk.other_token, route.method.clone(), &path, body).await;
        let what = format!("{} {path}", route.name);
        if names_another && !own_things.contains(&route.name) {
            assert!(matches!(told.status, 404 | 409), "{what}: {} {}", told.status, told.body);
        }
        shows_nothing(&what, &told.body, &sent);
        assert_eq!(everything.snapshot(&desk), before, "{what} changed something");
    }
    // What is the other company's own under the same name is another thing.
    let trunks = desk.get("trunks").await.is(200);
    assert_eq!(trunks["items"][0]["address"], json!("mark-trunk.example"));
}

#[tokio::test]
async fn filters_and_bodies_do_not_reach_into_another_company() {
    let desk = Desk::open().await;
    let everything = Everything::of(&desk).await;
    let before = everything.snapshot(&desk);
    let campaign = &everything.campaign;
    for query in [
        format!("calls?campaign={campaign}"),
        format!("calls?campaign={campaign}&format=csv"),
        format!("bills?campaign={campaign}"),
        "bills?number=13877770001".to_owned(),
        "bills?extension=1001".to_owned(),
        "bills?format=csv".to_owned(),
        "calls?extension=1001".to_owned(),
        "calls?number=13877770001".to_owned(),
        "refusals?number=13877770001".to_owned(),
        format!("calls?after={}", everything.call),
        format!("campaigns?after={campaign}"),
        "campaigns?client_id=mark-client".to_owned(),
        "campaigns?name=mark".to_owned(),
        "audit?who=app:app-1".to_owned(),
        "audit?after=9999".to_owned(),
    ] {
        let told = desk.v1_as(&desk.other_token, Method::GET, &query, Value::Null).await;
        assert!(matches!(told.status, 200 | 404), "{query}: {}", told.body);
        shows_nothing(&query, &told.body, &query);
        if told.status == 200 && !query.contains("csv") {
            assert_eq!(told.body["items"], json!([]), "{query}");
        }
    }
    for agents in [json!({"extensions": ["1001"]}), json!({"group": "mark-group"})] {
        let told =
            desk.v1_as(&desk.other_token, Method::POST, "campaigns", json!({ "agents": agents })).await;
        assert_eq!(told.status, 409, "{}", told.body);
    }
    let own = desk.v1_as(&desk.other_token, Method::POST, "groups", json!({"name": "own"})).await.is(201);
    let path = format!("groups/{}/members/1001", own["id"]);
    assert_eq!(desk.v1_as(&desk.other_token, Method::PUT, &path, json!({})).await.problem(404), "not_found");
    assert_eq!(everything.snapshot(&desk), before);
}

#[tokio::test]
async fn no_service_shows_or_changes_what_is_another_companys() {
    let desk = Desk::open().await;
    let everything = Everything::of(&desk).await;
    let before = everything.snapshot(&desk);
    let file = "20260101/1_mark-file.wav";
    let numbers = r#"[{"phone":"13877770003"}]"#;
    let call = everything.call.to_string();
    for service in service_names().filter(|s| !s.starts_with("App.Sip_Auth.")) {
        // Whatever a service may be asked by, all of it is company 1's.
        let answer = desk
            .form(&[
                ("service", service),
                ("token", &desk.other_token),
                ("taskid", &everything.campaign),
                ("customtaskid", "mark-client"),
                ("taskstatus", "3"),
                ("telphone", if service.ends_with("taskDelPhone") { "13877770002" } else { numbers }),
                ("assigntype", "1"),
                ("assignagent", "1001"),
                ("taskscale", "1:1"),
                ("extnumber", "1001"),
                ("name", "mark-group"),
                ("queuename", "mark-group"),
                ("settype", "1"),
                ("crmid", "1"),
                ("filename", file),
                ("uuid", &call),
                ("destnumber", "13877770001"),
                ("starttime", "2020-01-01"),
                ("endtime", "2099-01-01"),
            ])
            .await;
        // Names that were sent come back in refusals.
        let mut shown = answer.clone();
        if let Some(data) = shown["data"].as_object_mut() {
            data.remove("desc");
        }
        shown["msg"] = Value::Null;
        shows_nothing(service, &shown, "");
        assert_eq!(everything.snapshot(&desk), before, "{service} changed something: {answer}");
    }
}
