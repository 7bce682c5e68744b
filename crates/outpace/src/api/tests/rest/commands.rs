//! Goal: calls by command, compliance and deletions through `/v1`.

use super::*;

const NUMBER: &str = "13800138000";

async fn post(desk: &Desk, path: &str, body: Value) -> Told {
    desk.v1(Method::POST, path, body).await
}

/// A desk whose agent 1001 talks in the call that is given.
async fn talking() -> (Desk, CallId) {
    let desk = Desk::open().await;
    ["1001", "1002"].iter().for_each(|n| desk.register(n));
    let view = desk.view("1001", AgentState::Talking);
    let call = view.call.as_ref().expect("in a call").call;
    desk.show_agents(vec![view, desk.view("1002", AgentState::Ready)]);
    (desk, call)
}

#[tokio::test]
async fn a_number_is_called_for_an_agent_once_however_often_it_is_asked_for() {
    let (desk, call) = talking().await;
    let body = json!({"number": NUMBER, "first": "customer", "caller_id": "4003", "user_id": "u", "member_id": "m",
        "ext": "e", "custom_uuid": "c"});
    let headers = [("authorization", format!("Bearer {}", desk.token)), ("idempotency-key", "k".to_owned())];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    for _ in 0..2 {
        let placed = desk.v1_with(&headers, Method::POST, "agents/1001/call", body.clone()).await.is(202);
        assert_eq!(placed, json!({"call": call.to_string(), "extension": "1001"}));
    }
    let told = desk.told().await;
    assert_eq!(told.len(), 1, "{told:?}");
    for part in
        ["first: Customer", r#"["4003"]"#, r#"user_id: "u", member_id: "m", ext: "e", custom_uuid: "c""#]
    {
        assert!(told[0].contains(part), "{part} in {told:?}");
    }
    let body = json!({"number": NUMBER, "extension": "1002"});
    assert_eq!(post(&desk, "calls", body).await.is(202), json!({"call": null, "extension": "1002"}));
    let told = desk.told().await.join("");
    assert!(told.contains("first: Agent") && told.contains(r#"["4001", "4003", "4004"]"#), "{told}");
}

#[tokio::test]
async fn what_cannot_be_called_is_refused_with_its_code() {
    let (desk, _) = talking().await;
    let entries = json!({"entries": ["13900139000"]});
    desk.v1(Method::POST, "dnc", entries).await.is(200);
    for (body, code) in [
        (json!({"number": "13900139000", "extension": "1001"}), "against_the_rules"),
        (json!({"number": NUMBER, "extension": "9999"}), "no_such_extension"),
        (json!({"number": NUMBER, "extension": "2001"}), "no_such_extension"),
        (json!({"number": NUMBER, "extension": "1001", "caller_id": "4002"}), "caller_id_refused"),
        (json!({"number": NUMBER, "extension": "1001", "caller_id": "4999"}), "caller_id_refused"),
    ] {
        assert_eq!(post(&desk, "calls", body).await.problem(409), code);
    }
    assert_eq!(post(&desk, "calls", json!({"number": "12x", "extension": "1001"})).await.status, 400);
    assert_eq!(post(&desk, "agents/9999/call", json!({"number": NUMBER})).await.problem(404), "not_found");
    assert!(desk.told().await.is_empty());
    use engine::Refusal::*;
    for (refusal, code) in [
        (Busy, "busy"),
        (Disabled, "extension_disabled"),
        (NotRegistered, "not_registered"),
        (NoTrunk, "no_trunk"),
        (NotAllowed, "against_the_rules"),
    ] {
        desk.world.lock().expect("no panic").refusal = Some(refusal);
        let told = post(&desk, "calls", json!({"number": NUMBER, "extension": "1001"})).await;
        assert_eq!(told.problem(409), code);
    }
    desk.world.lock().expect("no panic").refusal = Some(Unavailable);
    let told = post(&desk, "calls", json!({"number": NUMBER, "extension": "1001"})).await;
    assert_eq!(told.problem(503), "unavailable");
}

#[tokio::test]
async fn a_call_is_handed_over_watched_and_ended_by_its_id_or_by_its_agent() {
    let (desk, call) = talking().await;
    for of in [format!("calls/{call}"), "agents/1001".to_owned()] {
        for (action, body, expected) in [
            (
                "transfer",
                json!({"extension": "1002"}),
                "Transfer { agent: AgentId(1), target: Agent(AgentId(2))",
            ),
            ("transfer", json!({"group": "sales"}), "Transfer { agent: AgentId(1), target: Group("),
            ("watch", json!({"supervisor": "1002", "mode": "listen"}), "mode: Listen"),
            ("watch", json!({"supervisor": "1002", "mode": "whisper"}), "mode: Whisper"),
            (
                "watch",
                json!({"supervisor": "1002", "mode": "three_way"}),
                "supervisor: AgentId(2), agent: AgentId(1)",
            ),
        ] {
            post(&desk, &format!("{of}/{action}"), body).await.is(204);
            let told = desk.told().await.join("");
            assert!(told.contains(expected), "{expected}: {told}");
        }
        let told = post(&desk, &format!("{of}/transfer"), json!({"group": "nobody"})).await;
        assert_eq!(told.problem(409), "no_such_group");
        let told = post(&desk, &format!("{of}/watch"), json!({"supervisor": "9", "mode": "listen"})).await;
        assert_eq!(told.problem(409), "no_such_extension");
    }
    post(&desk, &format!("calls/{call}/hangup"), Value::Null).await.is(204);
    assert!(desk.told().await[0].starts_with("Release { agent: AgentId(1)"));
    let id = desk.draft(&[NUMBER]).await;
    let over = desk.finish_a_call(&id, engine::Outcome::Connected);
    assert_eq!(post(&desk, &format!("calls/{over}/hangup"), Value::Null).await.problem(409), "not_in_call");
    let unknown = CallId(77);
    let told = post(&desk, &format!("calls/{unknown}/hangup"), Value::Null).await;
    assert_eq!(told.problem(404), "not_found");
}

#[tokio::test]
async fn only_the_scope_calls_commands_calls() {
    let (desk, call) = talking().await;
    let key = desk.key("read,write,admin,personal,secrets");
    for (path, body) in [
        ("agents/1001/call".to_owned(), json!({"number": NUMBER})),
        ("calls".to_owned(), json!({"number": NUMBER, "extension": "1001"})),
        (format!("calls/{call}/hangup"), Value::Null),
        (format!("calls/{call}/transfer"), json!({"extension": "1002"})),
        ("agents/1001/watch".to_owned(), json!({"supervisor": "1002", "mode": "listen"})),
    ] {
        assert_eq!(desk.v1_as(&key, Method::POST, &path, body).await.problem(403), "forbidden", "{path}");
    }
    assert!(desk.told().await.is_empty());
}

#[tokio::test]
async fn compliance_is_shown_changed_in_part_and_checked() {
    let desk = Desk::open().await;
    let shown = desk.get("compliance").await.is(200);
    assert_eq!((&shown["profile"], &shown["windows"]), (&json!("custom"), &json!([])));
    let patch = async |body: Value| desk.v1(Method::PATCH, "compliance", body).await;
    let us = patch(json!({"profile": "us", "keep_personal_days": 90})).await.is(200);
    assert_eq!((&us["lockout_hours"], &us["abandon_max_percent"]), (&json!(72), &json!(3.0)));
    let body = json!({"windows": ["mon-fri 09:00-17:00"], "holidays": ["2026-10-01"], "holidays_are": "sunday",
        "caps": [{"calls": 3, "hours": 24}], "lockout_hours": 48, "abandon_windows": ["hour", "30d"]});
    let changed = patch(body.clone()).await.is(200);
    for (name, value) in body.as_object().expect("an object") {
        assert_eq!(&changed[name], value, "{name}");
    }
    assert_eq!((&changed["profile"], &changed["ring_min_seconds"]), (&json!("us"), &json!(15)));
    assert_eq!(changed["keep_personal_days"], json!(90));
    assert_eq!(desk.get("compliance").await.is(200), changed);
    assert!(desk.told().await.iter().any(|t| t.starts_with("Reload")));
    let cn = patch(json!({"profile": "cn"})).await.is(200);
    assert_eq!((&cn["lockout_hours"], &cn["keep_personal_days"]), (&json!(0), &json!(90)));
    for body in [
        json!({"windows": ["9 to 5"]}),
        json!({"holidays": ["2026-13-01"]}),
        json!({"keep_personal_days": 7}),
    ] {
        assert_eq!(patch(body).await.problem(409), "rules_refused");
    }
    for body in [
        json!({"profile": "fr"}),
        json!({"lockout_hours": 9999}),
        json!({"caps": [{"calls": 0, "hours": 1}]}),
    ] {
        assert_eq!(patch(body).await.problem(400), "invalid_request");
    }
    assert_eq!(desk.get("compliance").await.is(200), cn, "what was refused changed nothing");
    let key = desk.key("read,write,calls,personal");
    assert_eq!(desk.v1_as(&key, Method::PATCH, "compliance", json!({})).await.problem(403), "forbidden");
}

#[tokio::test]
async fn what_is_in_use_is_not_deleted() {
    let desk = Desk::open().await;
    let delete = async |path: &str| desk.v1(Method::DELETE, path, Value::Null).await;
    let put = async |path: &str, body: Value| desk.v1(Method::PUT, path, body).await.is(200);
    assert_eq!(delete("extensions/1001").await.problem(409), "refused");
    put("extensions/1001", json!({"enabled": false})).await;
    desk.show_agents(vec![desk.view("1001", AgentState::Talking)]);
    assert_eq!(delete("extensions/1001").await.problem(409), "refused");
    desk.show_agents(vec![]);
    delete("extensions/1001").await.is(204);
    assert_eq!(delete("extensions/1001").await.problem(404), "not_found");
    assert_eq!(delete("extensions/2001").await.problem(404), "not_found");
    put("trunks/t", json!({"address": "carrier.example"})).await;
    assert_eq!(delete("trunks/t").await.problem(409), "refused");
    put("trunks/t", json!({"address": "carrier.example", "enabled": false})).await;
    delete("trunks/t").await.is(204);
    assert_eq!(desk.get("trunks/t").await.problem(404), "not_found");
    let new = json!({"agents": {"group": "sales"}, "caller_ids": ["4001"]});
    let campaign = desk.v1(Method::POST, "campaigns", new).await.is(201);
    assert_eq!(delete("caller_ids/4001").await.problem(409), "refused");
    let id = campaign["campaign"]["id"].as_str().expect("an id");
    desk.v1(Method::PATCH, &format!("campaigns/{id}"), json!({"status": "ended"})).await.is(200);
    delete("caller_ids/4001").await.is(204);
    assert_eq!(delete("caller_ids/4001").await.problem(404), "not_found");
    assert!(desk.told().await.iter().filter(|t| t.starts_with("Reload")).count() >= 3);
}
