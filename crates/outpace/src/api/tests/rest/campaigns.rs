//! Goal: campaigns, leads and calls through `/v1`.

use super::*;
use engine::Outcome;

#[tokio::test]
async fn a_campaign_lives_from_draft_to_its_end() {
    let desk = Desk::open().await;
    let body = json!({
        "name": "spring", "client_id": "c-1", "agents": {"extensions": ["1002", "1001", "1002"]},
        "pacing": {"mode": "ratio", "ratio": 1.25}, "calls_max": 7, "not_before": "2030-01-01T00:00:00+08:00",
        "run_until": null, "caller_ids": ["4001"], "attempts_max": 2, "abandon_max_percent": 2.5,
        "leads": [{"number": "138-0013 8000", "user_id": "u"}, {"number": "12a"}, {"number": "13800138000"}],
    });
    let created = desk.v1(Method::POST, "campaigns", body).await.is(201);
    let refused = created["leads"]["refused"].as_array().expect("a list");
    let refused: Vec<_> = refused.iter().map(|r| (r["index"].as_u64(), r["code"].as_str())).collect();
    assert_eq!(refused, [(Some(1), Some("bad_number")), (Some(2), Some("duplicate"))]);
    assert_eq!(created["leads"]["stored"], json!(1));
    let campaign = &created["campaign"];
    let id = campaign["id"].as_str().expect("an id");
    assert_eq!(campaign["agents"], json!({"extensions": ["1002", "1001"]}));
    assert_eq!(campaign["pacing"], json!({"mode": "ratio", "ratio": 1.25}));
    assert_eq!((&campaign["status"], &campaign["calls_max"]), (&json!("draft"), &json!(7)));
    assert_eq!(campaign["not_before"], json!("2029-12-31T16:00:00.000000Z"));
    assert_eq!((&campaign["abandon_max_percent"], &campaign["counters"]["total"]), (&json!(2.5), &json!(1)));
    assert_eq!(desk.get(&format!("campaigns/{id}")).await.is(200), *campaign);
    desk.told().await;

    let patch = |status: &'static str| {
        let path = format!("campaigns/{id}");
        let desk = &desk;
        async move { desk.v1(Method::PATCH, &path, json!({ "status": status })).await }
    };
    assert_eq!(patch("running").await.is(200)["status"], json!("running"));
    assert!(desk.told().await[0].starts_with("CampaignChanged"));
    patch("paused").await.is(200);
    assert_eq!(patch("ended").await.is(200)["end_reason"], json!("over"));
    assert_eq!(patch("running").await.problem(409), "refused");
    assert_eq!(patch("draft").await.problem(400), "invalid_request");
}

#[tokio::test]
async fn a_campaign_that_names_what_is_not_there_is_refused_and_not_stored() {
    let desk = Desk::open().await;
    for (agents, more, code) in [
        (json!({"group": "nobody"}), json!({}), "no_such_group"),
        (json!({"extensions": ["2001"]}), json!({}), "no_such_extension"),
        (json!({"extensions": ["1003"]}), json!({}), "extension_disabled"),
        (json!({"group": "sales"}), json!({"caller_ids": ["4002"]}), "caller_id_refused"),
        (json!({"group": "sales"}), json!({"start": true}), "no_leads"),
        (
            json!({"group": "sales"}),
            json!({"not_before": "2030-01-01T00:00:00Z", "run_until": "2030-01-01T00:00:00Z"}),
            "times_in_wrong_order",
        ),
    ] {
        let mut body = more;
        body["agents"] = agents;
        assert_eq!(desk.v1(Method::POST, "campaigns", body).await.problem(409), code);
    }
    let body = json!({"agents": {"group": "sales"}, "client_id": "c"});
    desk.v1(Method::POST, "campaigns", body.clone()).await.is(201);
    assert_eq!(desk.v1(Method::POST, "campaigns", body).await.problem(409), "taken");
    assert_eq!(desk.get("campaigns").await.is(200)["items"].as_array().expect("a list").len(), 1);
}

#[tokio::test]
async fn lists_go_page_by_page_to_their_end() {
    let desk = Desk::open().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(desk.draft(&[]).await);
    }
    ids.reverse();
    let mut seen = Vec::new();
    let mut path = "campaigns?limit=2".to_owned();
    loop {
        let page = desk.get(&path).await.is(200);
        let items = page["items"].as_array().expect("a list");
        seen.extend(items.iter().map(|c| c["id"].as_str().expect("an id").to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("campaigns?limit=2&after={next}");
    }
    assert_eq!(seen, ids);

    let numbers: Vec<String> = (0..7).map(|n| format!("1380000000{n}")).collect();
    let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let id = desk.draft(&numbers).await;
    desk.v1(Method::DELETE, &format!("campaigns/{id}/leads/3"), Value::Null).await.is(204);
    desk.v1(Method::DELETE, &format!("campaigns/{id}/leads/3"), Value::Null).await.is(404);
    let page = desk.get(&format!("campaigns/{id}/leads?limit=3&after=1")).await.is(200);
    let places: Vec<_> = page["items"].as_array().expect("a list").iter().map(|l| l["id"].as_u64()).collect();
    assert_eq!((places, &page["next"]), (vec![Some(2), Some(4), Some(5)], &json!("5")));
    let found = desk.get(&format!("campaigns/{id}/leads?number=13800000006")).await.is(200);
    assert_eq!(found["items"][0]["id"], json!(7));
    assert_eq!(desk.get(&format!("campaigns/{id}/leads/7")).await.is(200), found["items"][0]);
}

#[tokio::test]
async fn calls_are_listed_found_and_exported() {
    let desk = Desk::open().await;
    let id = desk.draft(&["13800000001", "13800000002"]).await;
    let first = desk.finish_a_call(&id, Outcome::Busy).to_string();
    let second = desk.finish_a_call(&id, Outcome::Connected).to_string();
    let call = desk.get(&format!("calls/{second}")).await.is(200);
    assert_eq!((&call["campaign"], &call["extension"]), (&json!(id), &json!("1001")));
    assert_eq!((&call["outcome"], &call["talk_seconds"]), (&json!("connected"), &json!(9)));
    assert_eq!(call["number"], json!("13800000002"));
    let ids = async |query: &str| -> Vec<String> {
        let page = desk.get(&format!("calls{query}")).await.is(200);
        let items = page["items"].as_array().expect("a list").clone();
        items.iter().map(|c| c["id"].as_str().expect("an id").to_owned()).collect()
    };
    let mut both = vec![second.clone(), first.clone()];
    let mut listed = ids("").await;
    both.sort();
    listed.sort();
    assert_eq!(listed, both);
    assert_eq!(ids("?outcome=busy").await, [first.as_str()]);
    assert_eq!(ids("?number=13800000002").await, [second.as_str()]);
    assert_eq!(ids(&format!("?campaign={id}&extension=1001")).await.len(), 2);
    assert_eq!(ids("?campaign=123").await.len(), 0);
    assert_eq!(ids("?extension=2001").await.len(), 0, "another company's");
    assert_eq!(ids("?from=2030-01-01T00:00:00Z").await.len(), 0);
    assert_eq!(desk.get("calls/00000000-0000-7000-8000-000000000000").await.problem(404), "not_found");
    assert_eq!(desk.get(&format!("calls/{second}/recording")).await.problem(404), "not_found");

    let csv = desk.get("calls?format=csv&outcome=busy").await;
    assert_eq!(csv.headers["content-type"], "text/csv; charset=utf-8");
    let text = csv.is(200).as_str().expect("a text").to_owned();
    let lines: Vec<&str> = text.split("\r\n").collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[0].starts_with("id,kind,campaign,lead,number,") && lines[1].starts_with(&first), "{text}");
}

#[tokio::test]
async fn calls_of_no_campaign_are_listed_by_their_kind() {
    let desk = Desk::open().await;
    let id = desk.draft(&["13800000001"]).await;
    let of_campaign = desk.finish_a_call(&id, Outcome::Busy).to_string();
    let kinds = [engine::DirectKind::Click, engine::DirectKind::Inbound, engine::DirectKind::Internal];
    let mut expected = vec![("campaign".to_owned(), of_campaign)];
    for (n, kind) in (1..).zip(kinds) {
        let call = CallId::from_parts(wall_clock().unix_millis().unsigned_abs() + 1000, n);
        let direct = engine::NewDirect {
            call,
            kind,
            agent: Some(desk.agent("1001")),
            number: engine::PhoneNumber::parse("13800000009").expect("a number"),
            caller_id: "4001".to_owned(),
            tags: engine::CallTags::default(),
            dialed_at: wall_clock(),
        };
        desk.store().open_direct(engine::CompanyId(1), &direct).expect("opened");
        expected.insert(0, (kind.name().to_owned(), call.to_string()));
    }
    let listed = async |query: &str| -> Vec<(String, String)> {
        let page = desk.get(&format!("calls{query}")).await.is(200);
        let items = page["items"].as_array().expect("a list").clone();
        let text = |call: &Value, name: &str| call[name].as_str().expect("a text").to_owned();
        items.iter().map(|call| (text(call, "kind"), text(call, "id"))).collect()
    };
    assert_eq!(listed("").await, expected);
    assert_eq!(listed("?kind=campaign").await, expected[3..]);
    assert_eq!(listed("?kind=inbound").await, expected[1..2]);
    assert_eq!(listed("?kind=direct").await, [expected[0].clone(), expected[2].clone()]);
    assert_eq!(listed("?kind=click&number=13800000009&extension=1001").await, expected[2..3]);
    assert_eq!(listed(&format!("?campaign={id}")).await, expected[3..]);
    let call = desk.get(&format!("calls/{}", expected[1].1)).await.is(200);
    for (name, value) in [
        ("kind", json!("inbound")),
        ("campaign", Value::Null),
        ("lead", Value::Null),
        ("extension", json!("1001")),
        ("ended_at", Value::Null),
    ] {
        assert_eq!(call[name], value, "{name}");
    }
    desk.v1_as(&desk.other_token, Method::GET, &format!("calls/{}", expected[1].1), Value::Null)
        .await
        .problem(404);
}

/// The bytes of an export.
async fn exported(desk: &Desk, path: &str) -> Vec<u8> {
    let request =
        Request::get(format!("/v1/{path}")).header("authorization", format!("Bearer {}", desk.token));
    let response = desk.send(request.body(Body::empty()).expect("a request")).await;
    let content_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
    assert_eq!(response.headers()["content-type"], content_type);
    axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a body").to_vec()
}

#[tokio::test]
async fn a_workbook_of_leads_can_be_uploaded_again() {
    let desk = Desk::open().await;
    let id = desk.draft(&[]).await;
    let leads: Vec<Value> = (0..2500).map(|n| json!({"number": format!("138{n:08}")})).collect();
    desk.v1(Method::POST, &format!("campaigns/{id}/leads"), json!({ "leads": leads })).await.is(201);
    let book = exported(&desk, &format!("campaigns/{id}/leads?format=xlsx")).await;
    let numbers = desk.numbers_of(&book).await;
    assert_eq!((numbers.len(), numbers[2499].as_str()), (2500, "13800002499"));
    for path in ["calls?format=xlsx", "bills?format=xlsx", "calls?format=xlsx&campaign=1"] {
        assert!(exported(&desk, path).await.starts_with(b"PK"), "{path}: an empty one too");
    }
}

#[tokio::test]
async fn bills_are_listed_page_by_page_filtered_and_exported() {
    let desk = Desk::open().await;
    let id = desk.draft(&["13800000001", "13800000002", "13800000003"]).await;
    for outcome in [Outcome::Busy, Outcome::Connected, Outcome::NoAnswer] {
        desk.finish_a_call(&id, outcome);
    }
    let (mut path, mut ids) = ("bills?limit=2".to_owned(), Vec::new());
    loop {
        let page = desk.get(&path).await.is(200);
        ids.extend(page["items"].as_array().expect("a list").iter().map(|b| b["id"].clone()));
        match page["next"].as_str() {
            Some(next) => path = format!("bills?limit=2&after={next}"),
            None => break,
        }
    }
    assert_eq!(ids, [json!(1), json!(2), json!(3)]);
    let bill = &desk.get("bills").await.is(200)["items"][1];
    assert_eq!((&bill["kind"], &bill["campaign"]), (&json!("campaign"), &json!(id)));
    assert_eq!((&bill["number"], &bill["fetched"]), (&json!("13800000002"), &json!(false)));
    for (query, count) in [
        ("number=13800000003", 1),
        ("kind=click", 0),
        ("kind=campaign", 3),
        ("extension=1001", 3),
        ("campaign=1", 0),
        ("from=2099-01-01T00:00:00Z", 0),
    ] {
        let page = desk.get(&format!("bills?{query}")).await.is(200);
        assert_eq!(page["items"].as_array().map(Vec::len), Some(count), "{query}");
    }
    assert_eq!(desk.get("bills?after=x").await.problem(400), "invalid_request");
    let csv = desk.get("bills?format=csv").await.is(200);
    assert_eq!(csv.as_str().expect("a text").lines().count(), 4);
    let masked = desk.v1_as(&desk.key("read"), Method::GET, "bills", Value::Null).await.is(200);
    assert_eq!(masked["items"][0]["number"], json!("138****0001"));
}

#[tokio::test]
async fn leads_are_exported_whole_whatever_their_number() {
    let desk = Desk::open().await;
    let id = desk.draft(&[]).await;
    let leads: Vec<Value> = (0..2500).map(|n| json!({"number": format!("138{n:08}"), "ext": "=x"})).collect();
    let taken =
        desk.v1(Method::POST, &format!("campaigns/{id}/leads"), json!({ "leads": leads })).await.is(201);
    assert_eq!(taken["stored"], json!(2500));
    let csv = desk.get(&format!("campaigns/{id}/leads?format=csv")).await.is(200);
    let lines: Vec<&str> = csv.as_str().expect("a text").lines().collect();
    assert_eq!(lines.len(), 2501);
    assert!(lines[2500].starts_with("2500,13800002499,,,\"'=x\",,,"), "{}", lines[2500]);
}

#[tokio::test]
async fn called_leads_are_called_again() {
    let desk = Desk::open().await;
    let id = desk.draft(&["13800000001"]).await;
    desk.finish_a_call(&id, Outcome::Busy);
    let recall = async |which: &str| {
        desk.v1(Method::POST, &format!("campaigns/{id}/recall"), json!({"which": which, "start": false}))
            .await
    };
    assert_eq!(recall("all").await.problem(409), "refused", "it runs");
    let pause = json!({"status": "paused"});
    desk.v1(Method::PATCH, &format!("campaigns/{id}"), pause).await.is(200);
    assert_eq!(recall("connected").await.problem(409), "no_leads");
    let recalled = recall("not_reached").await.is(200);
    assert_eq!((&recalled["status"], &recalled["counters"]["called"]), (&json!("draft"), &json!(0)));
    let path = format!("campaigns/{id}/leads/1");
    assert_eq!(desk.get(&path).await.is(200)["result"], Value::Null);
    desk.v1(Method::DELETE, &path, Value::Null).await.is(204);
}

#[tokio::test]
async fn a_request_with_a_key_is_done_once() {
    let desk = Desk::open().await;
    let bearer = format!("Bearer {}", desk.token);
    let send = async |key: &str, name: &str| {
        let headers = [("authorization", bearer.as_str()), ("idempotency-key", key)];
        let body = json!({"name": name, "agents": {"group": "sales"}});
        desk.v1_with(&headers, Method::POST, "campaigns", body).await
    };
    let first = send("k-1", "a").await.is(201);
    let again = send("k-1", "a").await;
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.is(201), first);
    assert_eq!(send("k-1", "b").await.problem(409), "idempotency_key_used");
    assert_ne!(send("k-2", "a").await.is(201)["campaign"]["id"], first["campaign"]["id"]);
    assert_eq!(send("", "a").await.problem(400), "invalid_request");
    // What was refused may be tried again.
    let headers = [("authorization", bearer.as_str()), ("idempotency-key", "k-3")];
    let body = json!({"name": "late"});
    assert_eq!(
        desk.v1_with(&headers, Method::POST, "groups", json!({"name": "sales"})).await.problem(409),
        "taken"
    );
    desk.v1_with(&headers, Method::POST, "groups", body).await.is(201);
}
