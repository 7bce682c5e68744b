//! Goal: a campaign is run over `/v1` alone, by a key that was made by command: its calls, events and recording come out
//! of the real server, and a user logs in. Nothing secret is in the log or in an answer.

mod harness;

use std::sync::mpsc;
use std::time::Duration;

use harness::floor::{Floor, Plan, numbers};
use harness::peer::{Behaviour, Peer};
use harness::ports::Ports;
use harness::receiver::{Receiver, Reply};
use harness::rest::Rest;
use harness::rtp::Sound;
use harness::server::{Company, PASSWORD, Server, Setup};
use harness::{seconds, wait_for};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(60);

fn floor() -> Floor {
    let setup = |setup: Setup| setup.recording("enabled = true\ndisk_min_free_mb = 1");
    let plan = Plan { agents: 1, setup, ..Plan::default() };
    let customer = |_: &str| Behaviour::answers(seconds(0.1)).and_hangs_up_after(seconds(1.5));
    Floor::open(&plan, customer, |_| Behaviour::answers(seconds(0.05)))
}

/// States of calls until one ended.
fn states(events: &mpsc::Receiver<(String, Value)>) -> Vec<String> {
    let mut states = Vec::new();
    loop {
        let (name, data) = events.recv_timeout(LIMIT).expect("an event in time");
        if name == "call" {
            states.push(data["state"].as_str().expect("a text").to_owned());
        }
        if states.last().is_some_and(|state| state == "ended") {
            return states;
        }
    }
}

#[test]
fn a_campaign_is_run_over_the_rest_api_alone() {
    let floor = floor();
    let rest = Rest::with_key(&floor.server, "read,write,calls,personal");
    let events = rest.watch();
    let number = numbers(81, 1).remove(0);
    let new = json!({"name": "rest", "agents": {"group": "sales"}, "pacing": {"mode": "ratio", "ratio": 1},
        "start": true, "leads": [{"number": number, "user_id": "u1"}]});
    let created = rest.send("POST", "campaigns", Some(new)).is(201);
    let id = created["campaign"]["id"].as_str().expect("an id").to_owned();
    assert_eq!(states(&events), ["dialing", "ringing", "answered", "offered", "bridged", "ended"]);
    let campaign = wait_for("the end of the campaign", LIMIT, || {
        let campaign = rest.get(&format!("campaigns/{id}"));
        (campaign["status"] == "ended").then_some(campaign)
    });
    assert_eq!((&campaign["counters"]["connected"], &campaign["end_reason"]), (&json!(1), &json!("over")));
    let lead = rest.get(&format!("campaigns/{id}/leads"))["items"][0].clone();
    assert_eq!((&lead["number"], &lead["result"]["outcome"]), (&json!(number), &json!("connected")));
    let call = rest.get(&format!("calls?campaign={id}"))["items"][0].clone();
    assert_eq!((&call["id"], &call["extension"]), (&lead["result"]["call"], &json!("1001")));
    let path = format!("calls/{}/recording", call["id"].as_str().expect("an id"));
    let link = rest.get(&path)["url"].as_str().expect("a URL").to_owned();
    let mut wav = rest.http.get(&link).call().expect("fetched");
    assert!(wav.body_mut().read_to_vec().expect("a body").starts_with(b"RIFF"));
    let csv = rest.get("calls?format=csv");
    assert!(csv.as_str().expect("a text").contains(&number));
    let agents = rest.get("agents");
    assert_eq!((&agents["items"][0]["registered"], &agents["items"][0]["calls"]), (&json!(true), &json!(1)));
    let other = Rest::with_key(&floor.server, "read");
    assert!(!other.get("calls").to_string().contains(&number), "masked");
    floor.server.admin(&["key", "revoke", "1"]);
    assert_eq!(rest.send("GET", "company", None).status, 401);
}

#[test]
fn a_user_made_by_command_logs_in_until_disabled() {
    let floor = floor();
    floor.server.admin(&["user", "add", "ann", "--role", "owner", "--password", "a good password"]);
    assert!(floor.server.admin(&["user", "list"]).contains("ann\towner\tenabled"));
    let nobody = Rest::new(&floor.server, Vec::new());
    let login = json!({"name": "ann", "password": "a good password"});
    let told = nobody.send("POST", "session", Some(login.clone()));
    let cookie =
        told.headers["set-cookie"].to_str().expect("ASCII").split(';').next().expect("a cookie").to_owned();
    let csrf = told.is(200)["csrf_token"].as_str().expect("a text").to_owned();
    let ann = Rest::new(&floor.server, vec![("cookie", cookie), ("x-csrf-token", csrf)]);
    let group = ann.send("POST", "groups", Some(json!({"name": "new"}))).is(201);
    assert_eq!(ann.get("groups")["items"].as_array().expect("a list").last(), Some(&group));
    let trail = ann.get("audit");
    let who: Vec<&Value> = trail["items"].as_array().expect("a list").iter().map(|e| &e["who"]).collect();
    assert_eq!(who, ["user:ann", "user:ann", "admin"], "{trail}");
    floor.server.admin(&["user", "disable", "ann"]);
    assert_eq!(ann.send("GET", "groups", None).status, 401, "the session ended");
    assert_eq!(nobody.send("POST", "session", Some(login)).status, 401);
    let log = floor.server.log();
    assert!(!log.contains("a good password"), "no secret in the log");
}

/// What must be in no line of the log, and in no answer but the one that is about it.
struct Secrets(Vec<(&'static str, String)>);

impl Secrets {
    fn check(&self, what: &str, text: &str) {
        for (name, secret) in &self.0 {
            if let Some(line) = text.lines().find(|line| line.contains(secret.as_str())) {
                panic!("{what} has {name} ({secret}): {line}");
            }
        }
    }
}

/// A floor whose every secret is known, and that logs much.
fn floor_with_secrets(receiver: &Receiver, ports: Ports) -> Floor {
    let customer = |_: &str| Behaviour::answers(seconds(0.1)).and_hangs_up_after(seconds(0.5));
    let carrier = Peer::start(ports.next(), Sound::Nothing, customer);
    let agents = Peer::start(ports.next(), Sound::Nothing, |_| Behaviour::answers(seconds(0.05)));
    let url = receiver.url("/b?key=url-secret-3d4e");
    let keys = format!("bill_url = \"{url}\"\nsecret = \"webhook-secret-91c2\"");
    let trunk = "username = \"outpace\"\npassword = \"trunk-secret-77aa\"";
    let company = Company::new("1").trunk(carrier.port).trunk_keys(trunk).agents(1001, 2).push(&keys);
    let mut setup = Setup::new(&ports).company(company);
    setup.log = "debug";
    let server = setup.start();
    let crm = server.crm(0);
    let floor = Floor { server, crm, carrier, agents, ports };
    floor.register(1001, 2);
    floor
}

/// Users who log in, well and not, and keys that are made.
fn log_in(server: &Server, rest: &Rest, secrets: &mut Secrets) {
    let nobody = Rest::new(server, Vec::new());
    let user = json!({"name": "ann", "role": "owner", "password": "user-secret-0a9b"});
    rest.send("POST", "users", Some(user)).is(201);
    let login =
        |password: &str| nobody.send("POST", "session", Some(json!({"name": "ann", "password": password})));
    login("wrong-secret-44ff").is(401);
    let session = login("user-secret-0a9b");
    let cookie = session.headers["set-cookie"].to_str().expect("ASCII").split([';', '=']).nth(1);
    let cookie = cookie.expect("a cookie").to_owned();
    let csrf = session.is(200)["csrf_token"].as_str().expect("a text").to_owned();
    let made = rest.send("POST", "api_keys", Some(json!({"name": "k", "scopes": ["read"]}))).is(201);
    let made = made["key"].as_str().expect("a key").to_owned();
    secrets.0.extend([
        ("the password of a user", "user-secret-0a9b".to_owned()),
        ("a wrong password", "wrong-secret-44ff".to_owned()),
        ("a session", cookie),
        ("a csrf token", csrf),
        ("another API key", made),
    ]);
}

/// Things with secrets of their own.
fn put_things(rest: &Rest, secrets: &mut Secrets) {
    rest.send("PUT", "extensions/1777", Some(json!({"password": "extension-secret-5b1f"}))).is(200);
    let other = json!({"address": "127.0.0.1:9", "username": "u", "password": "other-trunk-secret-6c",
        "enabled": false});
    rest.send("PUT", "trunks/other", Some(other)).is(200);
    secrets.0.extend([
        ("the password of an extension", "extension-secret-5b1f".to_owned()),
        ("the password of another trunk", "other-trunk-secret-6c".to_owned()),
    ]);
}

/// Calls that go well, calls that are refused, and a login that is.
fn make_calls(floor: &Floor, rest: &Rest, receiver: &Receiver) -> Secrets {
    let number = numbers(90, 1).remove(0);
    let taskid = floor.crm.create(std::slice::from_ref(&number), &[]);
    floor.crm.wait_ended(&taskid, LIMIT);
    receiver.wait("the bill", LIMIT, |pushes| !pushes.is_empty());
    let by_hand = "13800138777";
    for destination in [by_hand, "1380013x777"] {
        let fields = [("extnumber", "1001"), ("destnumber", destination)];
        floor.crm.call("App.Sip_Call.MakeCall", &fields);
    }
    let refused = "13900139777";
    rest.send("POST", "dnc", Some(json!({ "entries": [refused] }))).is(200);
    let body = json!({"number": refused, "extension": "1002"});
    assert_eq!(rest.send("POST", "calls", Some(body)).status, 409);
    let wrong = [("appid", "app-1"), ("accesskey", "wrong-accesskey-88dd")];
    assert_eq!(floor.crm.call("App.Sip_Auth.Login", &wrong).ret(), 601);
    Secrets(vec![
        ("a wrong accesskey", "wrong-accesskey-88dd".to_owned()),
        ("a customer's number", number),
        ("a number that was called by hand", by_hand.to_owned()),
        ("a number that was refused", refused.to_owned()),
        ("what is secret in a URL", "url-secret-3d4e".to_owned()),
    ])
}

#[test]
fn no_secret_and_no_number_is_in_the_log_however_much_it_tells_nor_a_secret_in_an_answer() {
    let ports = Ports::reserve();
    let receiver = Receiver::start(ports.next(), |_| Reply::Status(200));
    let mut floor = floor_with_secrets(&receiver, ports);
    let key =
        floor.server.admin(&["key", "add", "all", "--scopes", "read,write,calls,admin,personal,secrets"]);
    let key = key.split_whitespace().find(|word| word.starts_with("opk_")).expect("a key").to_owned();
    let rest = Rest::new(&floor.server, vec![("authorization", format!("Bearer {key}"))]);
    let mut secrets = Secrets(vec![
        ("the accesskey", floor.server.setup.companies[0].accesskey()),
        ("a token", floor.crm.token.clone()),
        ("an API key", key),
        ("the key of a push", "webhook-secret-91c2".to_owned()),
        ("the password of a trunk", "trunk-secret-77aa".to_owned()),
        ("the password of the phones", PASSWORD.to_owned()),
    ]);
    log_in(&floor.server, &rest, &mut secrets);
    put_things(&rest, &mut secrets);
    let personal = make_calls(&floor, &rest, &receiver);
    for path in [
        "company",
        "campaigns",
        "agents",
        "groups",
        "extensions",
        "trunks",
        "trunk-states",
        "caller_ids",
        "webhooks",
        "users",
        "api_keys",
        "audit?limit=500",
        "compliance",
        "dnc",
        "calls",
        "bills",
        "refusals",
        "inbound",
    ] {
        secrets.check(path, &rest.get(path).to_string());
    }
    assert!(rest.get("extensions/1777/password").to_string().contains("extension-secret-5b1f"));
    floor.server.send_sigterm();
    floor.server.wait_exit(LIMIT);
    let log = floor.server.log();
    assert!(log.contains(" DEBUG "), "it tells much");
    secrets.check("the log", &log);
    personal.check("the log", &log);
}
