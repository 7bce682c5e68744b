//! Goal: agents, groups, extensions, trunks, caller ids and webhooks through `/v1`.

use super::*;

#[tokio::test]
async fn agents_are_shown_paused_and_their_calls_ended() {
    let desk = Desk::open().await;
    desk.register("1001");
    desk.show_agents(vec![desk.view("1001", AgentState::Talking), desk.view("1002", AgentState::Ready)]);
    let all = desk.get("agents").await.is(200);
    assert_eq!(all["items"].as_array().expect("a list").len(), 3);
    let talking = desk.get("agents?state=talking").await.is(200)["items"][0].clone();
    assert_eq!((&talking["extension"], &talking["registered"]), (&json!("1001"), &json!(true)));
    assert_eq!(talking["call"]["number"], json!("13800138000"));
    assert_eq!(desk.get("agents/1001").await.is(200), talking);
    let paused = desk.v1(Method::PATCH, "agents/1001", json!({"paused": true})).await.is(200);
    assert_eq!(paused, json!({"extension": "1001", "paused": true}));
    assert!(desk.store().extension("1001").expect("readable").expect("exists").paused);
    desk.v1(Method::POST, "agents/1001/hangup", Value::Null).await.is(204);
    let told = desk.told().await;
    assert!(told[0].starts_with("Paused") && told[1].starts_with("HangUp"), "{told:?}");
    assert_eq!(desk.v1(Method::POST, "agents/1002/hangup", Value::Null).await.problem(409), "not_in_call");
    assert_eq!(desk.get("agents/9999").await.problem(404), "not_found");
}

#[tokio::test]
async fn groups_have_members_who_sign_in_and_out() {
    let desk = Desk::open().await;
    let new = json!({"name": "help", "strategy": "round_robin", "remark": "r"});
    let group = desk.v1(Method::POST, "groups", new.clone()).await.is(201);
    assert_eq!((&group["strategy"], &group["members"]), (&json!("round_robin"), &json!([])));
    assert_eq!(desk.v1(Method::POST, "groups", new).await.problem(409), "taken");
    let path = format!("groups/{}", group["id"]);
    let member = format!("{path}/members/1002");
    let group = desk.v1(Method::PUT, &member, json!({})).await.is(200);
    assert_eq!(group["members"], json!([{"extension": "1002", "signed_in": false}]));
    desk.told().await;
    let group = desk.v1(Method::PUT, &member, json!({"signed_in": true})).await.is(200);
    assert_eq!(group["members"], json!([{"extension": "1002", "signed_in": true}]));
    let told = desk.told().await;
    assert!(told[0].starts_with("GroupChanged") && told[1].starts_with("Paused"), "{told:?}");
    let disabled = desk.v1(Method::PUT, &format!("{path}/members/1003"), json!({"signed_in": true})).await;
    assert_eq!(disabled.problem(409), "disabled");
    desk.v1(Method::DELETE, &member, Value::Null).await.is(204);
    assert_eq!(desk.v1(Method::DELETE, &member, Value::Null).await.problem(404), "not_found");
    let changed = desk.v1(Method::PATCH, &path, json!({"name": "desk", "enabled": false})).await.is(200);
    assert_eq!(changed["name"], json!("desk"));
    assert_eq!(desk.get(&path).await.is(200), changed);
    assert_eq!(desk.get("groups").await.is(200)["items"][1], changed);
    desk.v1(Method::DELETE, &path, Value::Null).await.is(204);
    assert_eq!(desk.get(&path).await.problem(404), "not_found");
}

#[tokio::test]
async fn an_extension_in_use_by_a_campaign_keeps_its_group() {
    let desk = Desk::open().await;
    desk.draft(&[]).await;
    let sales = desk.get("groups").await.is(200)["items"][0]["id"].clone();
    assert_eq!(
        desk.v1(Method::DELETE, &format!("groups/{sales}"), Value::Null).await.problem(409),
        "refused"
    );
}

#[tokio::test]
async fn extensions_are_put_and_their_passwords_shown_to_few() {
    let desk = Desk::open().await;
    let put = desk.v1(Method::PUT, "extensions/1004", json!({"password": "long enough"})).await.is(200);
    assert_eq!(put, json!({"number": "1004", "enabled": true, "registered": false}));
    let password = desk.get("extensions/1004/password").await.is(200);
    assert_eq!(password, json!({"password": "long enough"}));
    desk.v1(Method::PUT, "extensions/1004", json!({"enabled": false})).await.is(200);
    assert_eq!(desk.get("extensions/1004/password").await.is(200), password, "it stayed");
    desk.v1(Method::PUT, "extensions/1005", json!({})).await.is(200);
    let made_up = desk.get("extensions/1005/password").await.is(200)["password"].clone();
    assert_eq!(made_up.as_str().expect("a text").len(), 24);
    assert_eq!(desk.v1(Method::PUT, "extensions/2001", json!({})).await.problem(409), "taken");
    assert_eq!(desk.get("extensions").await.is(200)["items"].as_array().expect("a list").len(), 5);
    let without = desk.key("read,write,calls,admin,personal");
    let refused = desk.v1_as(&without, Method::GET, "extensions/1004/password", Value::Null).await;
    assert_eq!(refused.problem(403), "forbidden");

    let config = Api { show_extension_passwords: false, requests_per_second_max: 0, ..Api::default() };
    let desk = Desk::open_with(&config).await;
    assert_eq!(desk.get("extensions/1001/password").await.problem(403), "forbidden");
    let rows = desk.ask("Sipnum.GetSipnumberInfo", &[]).await;
    assert_eq!(result(&rows)[0]["password"], json!(""));
}

#[tokio::test]
async fn trunks_and_caller_ids_are_put_and_secrets_stay_inside() {
    let desk = Desk::open().await;
    let body = json!({"address": "carrier.example", "username": "u", "password": "p-secret", "cps_max": 3});
    let trunk = desk.v1(Method::PUT, "trunks/main", body).await.is(200);
    assert_eq!((&trunk["has_password"], &trunk["channels_max"]), (&json!(true), &json!(100)));
    let body = json!({"address": "carrier.example:5061", "enabled": false});
    let trunk = desk.v1(Method::PUT, "trunks/main", body).await.is(200);
    assert_eq!((&trunk["has_password"], &trunk["cps_max"]), (&json!(true), &json!(3)));
    assert_eq!(desk.store().trunks(engine::CompanyId(1)).expect("readable")[0].settings.password, "p-secret");
    assert_eq!(desk.get("trunks/main").await.is(200), trunk);
    assert_eq!(desk.get("trunks").await.is(200), json!({ "items": [trunk] }));
    assert_eq!(desk.get("trunks/other").await.problem(404), "not_found");

    desk.v1(Method::PUT, "caller_ids/+862154321000", json!({"automatic": false})).await.is(200);
    let all = desk.get("caller_ids").await.is(200);
    let shown = json!({"number": "+862154321000", "automatic": false, "enabled": true,
        "inbound": null, "inbound_group": null});
    assert_eq!(all["items"][4], shown);
    assert_eq!(desk.v1(Method::PUT, "caller_ids/x", json!({})).await.problem(404), "not_found");
}

#[tokio::test]
async fn a_trunk_is_all_that_the_configuration_file_can_say() {
    let desk = Desk::open().await;
    let places = json!([{"host": "a.example", "port": 5061, "transport": "tls", "priority": 1, "weight": 3},
        {"host": "::1"}]);
    let body = json!({"transport": "auto", "addresses": places, "options_every_s": 0, "silence_max_s": 2,
        "redirects_max": 1, "from_user": "line-7", "asserted_identity": "caller_id", "privacy": true});
    let trunk = desk.v1(Method::PUT, "trunks/main", body.clone()).await.is(200);
    let shown = json!({"host": "::1", "port": null, "transport": "", "priority": 0, "weight": 1});
    assert_eq!((&trunk["addresses"][0], &trunk["addresses"][1]), (&places[0], &shown));
    for key in ["transport", "options_every_s", "silence_max_s", "redirects_max", "from_user", "privacy"] {
        assert_eq!(trunk[key], body[key], "{key}");
    }
    // What is not given stays.
    assert_eq!(desk.v1(Method::PUT, "trunks/main", json!({"privacy": true})).await.is(200), trunk);
    for (wrong, field) in [
        (json!({"addresses": []}), "address"),
        (json!({"address": "two words"}), "address"),
        (json!({"transport": "sctp"}), "transport"),
        (json!({"addresses": [{"host": "a"}, {"host": "b", "port": 0}]}), "addresses[1].port"),
        (json!({"addresses": [{"host": "a b"}]}), "addresses[0].host"),
        (json!({"from_user": "a>b"}), "from_user"),
        (json!({"tls_ca": "/etc/passwd"}), "tls_ca"),
        (json!({"tls_ca": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}), "tls_ca"),
    ] {
        let told = desk.v1(Method::PUT, "trunks/main", wrong.clone()).await.is(400);
        assert_eq!(told["details"][0]["field"], json!(field), "{wrong}");
    }
}

#[tokio::test]
async fn webhooks_are_set_and_dead_events_told_again() {
    let desk = Desk::open().await;
    let body = json!({"bill_url": "http://127.0.0.1:9/bill", "secret": "signing key"});
    let set = desk.v1(Method::PATCH, "webhooks", body).await.is(200);
    assert_eq!((&set["signed"], &set["allow_private"]), (&json!(true), &json!(false)));
    assert_eq!(desk.get("webhooks").await.is(200), set);
    let kept = desk.v1(Method::PATCH, "webhooks", json!({"detail_form": true})).await.is(200);
    assert_eq!((&kept["bill_url"], &kept["signed"]), (&json!("http://127.0.0.1:9/bill"), &json!(true)));
    let wrong = json!({"bill_url": "http://user:word@x/"});
    assert_eq!(desk.v1(Method::PATCH, "webhooks", wrong).await.problem(409), "url_refused");
    let id = desk.draft(&["13800000001"]).await;
    desk.finish_a_call(&id, engine::Outcome::Busy);
    let company = engine::CompanyId(1);
    let event = desk.store().due_events(wall_clock(), company, store::PushKind::Bill, 9).expect("readable");
    desk.store().event_failed(event[0].id, None, "refused").expect("given up");
    let dead = desk.get("webhooks/dead_events").await.is(200)["items"][0].clone();
    assert_eq!((&dead["kind"], &dead["error"]), (&json!("bill"), &json!("refused")));
    let path = format!("webhooks/dead_events/{}/resend", dead["id"]);
    desk.v1(Method::POST, &path, Value::Null).await.is(204);
    assert_eq!(desk.v1(Method::POST, &path, Value::Null).await.problem(404), "not_found");
}

#[tokio::test]
async fn the_company_is_shown_to_its_own() {
    let desk = Desk::open().await;
    let company = desk.get("company").await.is(200);
    assert_eq!((&company["code"], &company["time_zone"]), (&json!("1"), &json!("Asia/Shanghai")));
}

#[tokio::test]
async fn do_not_call_lists_are_kept_and_hold() {
    let desk = Desk::open().await;
    let entries = |entries: &[&str]| json!({ "entries": entries });
    let added = desk.v1(Method::POST, "dnc", entries(&["13800000001", "139*"])).await.is(200);
    assert_eq!(added, json!({"added": 2}));
    assert_eq!(desk.v1(Method::POST, "dnc", entries(&["139*", "x"])).await.problem(409), "bad_entry");
    let first = desk.get("dnc?limit=1").await.is(200);
    let next = first["next"].as_str().expect("there is more");
    let second = desk.get(&format!("dnc?limit=1&after={}", escaped(next))).await.is(200);
    assert_eq!(
        (&first["items"][0]["entry"], &second["items"][0]["entry"]),
        (&json!("13800000001"), &json!("139*"))
    );
    let id = desk.draft(&[]).await;
    let leads =
        json!({"leads": [{"number": "13800000001"}, {"number": "13900000001"}, {"number": "13700000001"}]});
    let taken = desk.v1(Method::POST, &format!("campaigns/{id}/leads"), leads).await.is(201);
    assert_eq!((&taken["stored"], &taken["refused"][1]["code"]), (&json!(1), &json!("do_not_call")));
    let path = format!("campaigns/{id}/dnc");
    desk.v1(Method::POST, &path, entries(&["13700000001"])).await.is(200);
    assert_eq!(desk.get(&path).await.is(200)["items"].as_array().expect("a list").len(), 1);
    let removed = desk.v1(Method::POST, "dnc/remove", entries(&["139*", "138*"])).await.is(200);
    assert_eq!(removed, json!({"removed": 1}));
    let without = desk.key("read");
    assert_eq!(desk.v1_as(&without, Method::GET, "dnc", Value::Null).await.problem(403), "forbidden");
    assert_eq!(desk.get("refusals").await.is(200)["items"], json!([]));
    desk.v1(Method::POST, "dnc", entries(&["13700000001"])).await.is(200);
    let by_hand = json!({"extension": "1001", "number": "13700000001"});
    desk.register("1001");
    desk.v1(Method::POST, "calls", by_hand).await.problem(409);
    let found = async |query: &str| desk.get(&format!("refusals{query}")).await.is(200)["items"].clone();
    let all = found("").await;
    assert_eq!((&all[0]["number"], &all[0]["campaign"]), (&json!("13700000001"), &Value::Null));
    assert_eq!(found("?number=13700000001").await, all);
    assert_eq!(found("?number=13700000002").await, json!([]));
    assert_eq!(found(&format!("?number=13700000001&campaign={id}")).await, json!([]));
}

#[tokio::test]
async fn which_calls_of_customers_are_taken_is_shown_and_changed_in_part() {
    let desk = Desk::open().await;
    let shown = desk.get("inbound").await.is(200);
    let none = json!({"enabled": false, "group": null, "ring_seconds": 15.0, "wait_seconds": 60.0});
    assert_eq!(shown, none);
    let patch = async |body: Value| desk.v1(Method::PATCH, "inbound", body).await;
    let changed = patch(json!({"enabled": true, "group": "sales", "wait_seconds": 7.5})).await.is(200);
    assert_eq!(
        changed,
        json!({"enabled": true, "group": "sales", "ring_seconds": 15.0, "wait_seconds": 7.5})
    );
    assert!(
        desk.told().await.iter().any(|command| command.starts_with("Reload")),
        "the server obeys at once"
    );
    assert_eq!(patch(json!({"group": "nobody"})).await.problem(409), "no_such_group");
    assert_eq!(patch(json!({"ring_seconds": -1})).await.problem(400), "invalid_request");
    assert_eq!(desk.get("inbound").await.is(200), changed);
    assert_eq!(patch(json!({"group": null})).await.is(200)["group"], Value::Null);
    let other = desk.v1_as(&desk.other_token, Method::GET, "inbound", Value::Null).await.is(200);
    assert_eq!(other, none);
    let admin = desk.v1_as(&desk.key("read,write"), Method::PATCH, "inbound", json!({})).await;
    assert_eq!(admin.problem(403), "forbidden");

    let own = json!({"inbound": false, "inbound_group": "sales"});
    let put = desk.v1(Method::PUT, "caller_ids/4001", own).await.is(200);
    assert_eq!((&put["inbound"], &put["inbound_group"]), (&json!(false), &json!("sales")));
    let unknown = desk.v1(Method::PUT, "caller_ids/4001", json!({"inbound_group": "nobody"})).await;
    assert_eq!(unknown.problem(409), "no_such_group");
    let put = desk.v1(Method::PUT, "caller_ids/4001", json!({})).await.is(200);
    assert_eq!((&put["inbound"], &put["inbound_group"]), (&Value::Null, &Value::Null));
}
