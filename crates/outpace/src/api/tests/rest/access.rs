//! Goal: who may do what with a key, and what is remembered of it.

use super::*;

#[tokio::test]
async fn without_a_good_key_nothing_is_shown() {
    let desk = Desk::open().await;
    for headers in [
        &[][..],
        &[("authorization", "Bearer nonsense")],
        &[("authorization", "Bearer opk_nonsense")],
        &[("authorization", "Basic x")],
        &[("cookie", "outpace_session=nonsense")],
    ] {
        let told = desk.v1_with(headers, Method::GET, "company", Value::Null).await;
        assert_eq!(told.problem(401), "unauthorized", "{headers:?}");
    }
    let lower_case = format!("bearer {}", desk.token);
    desk.v1_with(&[("authorization", &lower_case)], Method::GET, "company", Value::Null).await.is(200);
}

#[tokio::test]
async fn a_key_does_what_its_scopes_say() {
    let desk = Desk::open().await;
    let status = async |scopes: &str, method: Method, path: &str, body: Value| {
        desk.v1_as(&desk.key(scopes), method, path, body).await.status
    };
    let (get, post, patch) = (Method::GET, Method::POST, Method::PATCH);
    let new = json!({"agents": {"group": "sales"}});
    assert_eq!(status("read", get.clone(), "campaigns", Value::Null).await, 200);
    assert_eq!(status("write", get.clone(), "campaigns", Value::Null).await, 403);
    assert_eq!(status("read", post.clone(), "campaigns", new.clone()).await, 403);
    assert_eq!(status("write", post.clone(), "campaigns", new).await, 201);
    let pause = json!({"paused": true});
    assert_eq!(status("read,write", patch.clone(), "agents/1001", pause.clone()).await, 403);
    assert_eq!(status("calls", patch, "agents/1001", pause).await, 200);
    assert_eq!(status("read,write,calls", get.clone(), "audit", Value::Null).await, 403);
    assert_eq!(status("admin", get, "audit", Value::Null).await, 200);
}

#[tokio::test]
async fn numbers_are_masked_for_who_may_not_see_them() {
    let desk = Desk::open().await;
    let id = desk.draft(&["13812345678"]).await;
    let call = desk.finish_a_call(&id, engine::Outcome::Busy);
    desk.show_agents(vec![desk.view("1001", AgentState::Talking)]);
    let key = desk.key("read");
    for path in [
        format!("campaigns/{id}/leads"),
        format!("campaigns/{id}/leads/1"),
        format!("campaigns/{id}/leads?format=csv"),
        "calls".to_owned(),
        format!("calls/{call}"),
        "calls?format=csv".to_owned(),
        "agents".to_owned(),
    ] {
        let text = desk.v1_as(&key, Method::GET, &path, Value::Null).await.is(200).to_string();
        assert!(text.contains("138****"), "{path}: {text}");
        assert!(!text.contains("13812345678") && !text.contains("13800138000"), "{path}: {text}");
        let full = desk.get(&path).await.is(200).to_string();
        assert!(!full.contains("138****"), "{path}: {full}");
    }
    // With the masked form known, ten thousand questions would tell the number.
    for path in [
        format!("campaigns/{id}/leads?number=13812345678"),
        "calls?number=13812345678".to_owned(),
        "bills?number=13812345678".to_owned(),
        "refusals?number=13812345678".to_owned(),
    ] {
        assert_eq!(desk.v1_as(&key, Method::GET, &path, Value::Null).await.problem(403), "forbidden");
        desk.get(&path).await.is(200);
    }
    let recording = desk.v1_as(&key, Method::GET, &format!("calls/{call}/recording"), Value::Null).await;
    assert_eq!(recording.problem(403), "forbidden");
}

#[tokio::test]
async fn keys_are_made_shown_once_and_revoked() {
    let desk = Desk::open().await;
    let new = json!({"name": "crm", "scopes": ["read", "write"], "expires_at": "2090-01-01T00:00:00Z"});
    let created = desk.v1(Method::POST, "api_keys", new).await.is(201);
    let key = created["key"].as_str().expect("a text").to_owned();
    assert!(key.starts_with("opk_") && key.len() == 52, "{key}");
    let session = desk.v1_as(&key, Method::GET, "session", Value::Null).await.is(200);
    let id = created["api_key"]["id"].as_i64().expect("an int");
    assert_eq!(
        (&session["who"], &session["scopes"]),
        (&json!(format!("key:{id}")), &json!(["read", "write"]))
    );
    let listed = desk.get("api_keys").await.is(200);
    assert!(!listed.to_string().contains(&key[12..]));
    assert_eq!(listed["items"][0], created["api_key"]);
    desk.v1(Method::DELETE, &format!("api_keys/{id}"), Value::Null).await.is(204);
    let told = desk.v1_as(&key, Method::GET, "company", Value::Null).await;
    assert_eq!(told.problem(401), "unauthorized", "at once");
    let past = json!({"name": "old", "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"});
    let old = desk.v1(Method::POST, "api_keys", past).await.is(201)["key"].clone();
    let old = old.as_str().expect("a text").to_owned();
    assert_eq!(desk.v1_as(&old, Method::GET, "company", Value::Null).await.problem(401), "unauthorized");
}

#[tokio::test]
async fn nobody_gives_what_they_do_not_have() {
    let desk = Desk::open().await;
    let admin = desk.key("read,admin");
    let post = async |path: &str, body: Value| desk.v1_as(&admin, Method::POST, path, body).await;
    let key = |scopes: &[&str]| json!({"name": "k", "scopes": scopes});
    post("api_keys", key(&["read", "admin"])).await.is(201);
    assert_eq!(post("api_keys", key(&["read", "write"])).await.problem(403), "forbidden");
    let user = |role: &str| json!({"name": role, "role": role, "password": "long enough"});
    post("users", user("read_only")).await.is(201);
    assert_eq!(post("users", user("owner")).await.problem(403), "forbidden");
    desk.user("boss", Role::Owner, "");
    let take_over = json!({"password": "long enough"});
    let told = desk.v1_as(&admin, Method::PATCH, "users/boss", take_over).await;
    assert_eq!(told.problem(403), "forbidden");
}

#[tokio::test]
async fn the_licence_and_the_addresses_of_the_company_hold() {
    let desk = Desk::open().await;
    let key = desk.key("read");
    desk.change(&NewCompany { allow_from: vec!["10.0.0.0/8".to_owned()], ..company("1") });
    for bearer in [&key, &desk.token] {
        let told = desk.v1_as(bearer, Method::GET, "company", Value::Null).await;
        assert_eq!(told.problem(403), "address_not_allowed");
    }
    assert_eq!(refusal(&desk.ask("Yccall.TaskList", &[]).await).0, 604);
    desk.change(&NewCompany { licensed_until: Some(Timestamp::from_unix_seconds(1)), ..company("1") });
    assert_eq!(desk.v1_as(&key, Method::GET, "company", Value::Null).await.problem(403), "licence_ended");
    assert_eq!(refusal(&desk.ask("Yccall.TaskList", &[]).await).0, 602);
    desk.v1_as(&desk.other_token, Method::GET, "company", Value::Null).await.is(200);
}

#[tokio::test]
async fn every_change_is_in_the_audit_trail_without_secrets() {
    let desk = Desk::open().await;
    let put = json!({"address": "a.example", "password": "p-secret"});
    desk.v1(Method::PUT, "trunks/main", put).await.is(200);
    desk.v1(Method::POST, "groups", json!({"name": "sales"})).await.is(409);
    let user = json!({"name": "ann", "role": "agent", "password": "long p-secret"});
    desk.v1(Method::POST, "users", user).await.is(201);
    desk.draft(&["13812345678"]).await;
    desk.get("campaigns").await.is(200);
    result(
        &desk.ask("Queue.SetSeatsStatus", &[("settype", "1"), ("extnumber", "1001"), ("crmid", "1")]).await,
    );
    let trail = desk.get("audit").await.is(200);
    let entries = trail["items"].as_array().expect("a list");
    let shown: Vec<_> = entries
        .iter()
        .map(|e| (e["action"].as_str().expect("a text"), e["status"].as_u64().expect("an int")))
        .collect();
    assert_eq!(
        shown,
        [
            ("App.Sip_Queue.SetSeatsStatus", 200),
            ("createCampaign", 201),
            ("createUser", 201),
            ("createGroup", 409),
            ("putTrunk", 200),
        ]
    );
    assert!(entries.iter().all(|e| e["who"] == "app:app-1" && e["address"] == "127.0.0.1"), "{trail}");
    let text = trail.to_string();
    assert!(!text.contains("p-secret") && !text.contains("13812345678"), "{text}");
    assert!(text.contains("\"password\":\"***\"") && text.contains("a.example"), "{text}");
    assert_eq!(entries[0]["details"], json!({"extnumber": "1001", "settype": "1"}));
    let page = desk.get("audit?limit=2&action=putTrunk").await.is(200);
    assert_eq!((page["items"].as_array().expect("a list").len(), &page["next"]), (1, &Value::Null));
    let none = desk.v1_as(&desk.other_token, Method::GET, "audit", Value::Null).await.is(200);
    assert_eq!(none["items"], json!([]), "another company's is another trail");
}
