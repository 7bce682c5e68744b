//! Goal: a company is told of everything at least once, in the order in which it happened to a call, whatever its
//! receiver does; and no receiver is another one's trouble.

mod harness;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use harness::crm::Crm;
use harness::floor::{FIRST_AGENT, Floor, numbers};
use harness::peer::{Behaviour, Peer};
use harness::ports::Ports;
use harness::receiver::{Push, Receiver, Reply};
use harness::rtp::Sound;
use harness::server::{CALLER_ID, Company, Setup};
use harness::{seconds, wait_for};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

const LIMIT: Duration = Duration::from_secs(40);
const SECRET: &str = "known to both";

fn keys(receiver: &Receiver) -> String {
    format!(
        "task_status_url = \"{}\"\nextension_state_url = \"{}\"\nbill_url = \"{}\"\nsecret = \"{SECRET}\"\n",
        receiver.url("/task"),
        receiver.url("/state"),
        receiver.url("/bill?from=outpace")
    )
}

/// Two agents, customers who answer at once and talk for a moment, and who is told; `more` companies beside.
fn floor(ports: Ports, push_keys: &str, more: impl FnOnce(Setup) -> Setup) -> Floor {
    let customer = |number: &str| match number.bytes().last() {
        Some(b'9') => Behaviour::rejects(486, seconds(0.1)),
        _ => Behaviour::answers(seconds(0.2)).and_hangs_up_after(seconds(0.6)),
    };
    let carrier = Peer::start(ports.next(), Sound::Nothing, customer);
    let agents = Peer::start(ports.next(), Sound::Nothing, |_| Behaviour::answers(seconds(0.05)));
    let company = Company::new("1").trunk(carrier.port).agents(FIRST_AGENT, 2).push(push_keys);
    let server = more(Setup::new(&ports).company(company)).start();
    let crm = server.crm(0);
    let floor = Floor { server, crm, carrier, agents, ports };
    floor.register(FIRST_AGENT, 2);
    floor
}

fn of_path<'a>(pushes: &'a [Push], path: &str) -> Vec<&'a Push> {
    pushes.iter().filter(|p| p.path.split('?').next() == Some(path)).collect()
}

fn has(pushes: &[Push], bills: usize, tasks: usize) -> bool {
    of_path(pushes, "/bill").len() >= bills && of_path(pushes, "/task").len() >= tasks
}

fn check_signature(push: &Push) {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any key");
    mac.update(push.body.as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(push.header("x-outpace-signature"), format!("sha256={hex}"), "{push:?}");
}

/// `customer ring`, … `bill`, by call, in the order in which they were taken.
fn stories(pushes: &[Push]) -> BTreeMap<String, Vec<String>> {
    let mut stories: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for push in pushes.iter().filter(|p| p.path != "/task") {
        let body = push.json();
        let word = match body["isbleg"].as_str() {
            Some(side) => {
                let side = if side == "true" { "customer" } else { "agent" };
                format!("{side} {}", body["status"].as_str().expect("a string"))
            }
            None => "bill".to_owned(),
        };
        stories.entry(body["uuid"].as_str().expect("a string").to_owned()).or_default().push(word);
    }
    stories
}

/// Every story is whole and in order.
fn check_stories(pushes: &[Push], calls: usize) {
    let stories = stories(pushes);
    assert_eq!(stories.len(), calls);
    for (call, story) in stories {
        let expected = [
            "customer ring",
            "customer answer",
            "agent ring",
            "agent answer",
            "agent hangup",
            "customer hangup",
            "bill",
        ];
        assert_eq!(story, expected, "{call}");
    }
}

fn bills_of_the_day(crm: &Crm, more: &[(&str, &str)]) -> Value {
    let day = [("starttime", "2020-01-01"), ("endtime", "2099-12-31")];
    crm.call("App.Sip_Cdr.GetBill", &[&day[..], more].concat()).result().clone()
}

#[test]
fn a_call_is_told_step_by_step_and_its_bill_is_the_one_that_can_be_fetched() {
    let ports = Ports::reserve();
    let receiver = Receiver::start(ports.next(), |_| Reply::Status(200));
    let floor = floor(ports, &keys(&receiver), |s| s);
    let telphone = r#"[{"phone":"13801000001","userid":"u","memberid":"m","ext":"e","customuuid":"c"}]"#;
    let taskid = floor.crm.task(
        "TaskCreat",
        &[
            ("assigntype", "2"),
            ("assignagent", "sales"),
            ("telphone", telphone),
            ("taskscale", "1:1"),
            ("status", "1"),
        ],
    );
    let taskid = taskid.result()["taskid"].as_str().expect("a string").to_owned();
    let rows = floor.crm.wait_ended(&taskid, LIMIT);
    let pushes = receiver.wait("bill and end", LIMIT, |p| has(p, 1, 1));
    pushes.iter().for_each(check_signature);
    check_stories(&pushes, 1);

    let task = of_path(&pushes, "/task")[0];
    assert_eq!(
        task.body,
        format!(r#"{{"taskid":"{taskid}","companycode":"1","status":3,"endtype":"over"}}"#)
    );
    let bill = of_path(&pushes, "/bill")[0];
    assert_eq!(
        (bill.path.as_str(), bill.header("content-type")),
        ("/bill?from=outpace", "application/json;charset=utf-8")
    );
    let (bill, row) = (bill.json(), &rows[0]);
    for (field, value) in [
        ("companycode", json!("1")),
        ("destnumber", json!("13801000001")),
        ("disnumber", json!(CALLER_ID)),
        ("extnumber", row["extnumber"].clone()),
        ("duration", row["duration"].clone()),
        ("billsec", row["billsec"].clone()),
        ("starttime", row["calltime"].clone()),
        ("uuid", row["uuid"].clone()),
        ("userid", json!("u")),
        ("memberid", json!("m")),
        ("chengshudu", json!("e")),
        ("ext", json!("e")),
        ("customuuid", json!("c")),
        ("taskid", json!(taskid)),
        ("round", json!(1)),
        ("hangupdirection", json!(10041)),
        ("hangupcause", json!(10001)),
    ] {
        assert_eq!(bill[field], value, "{field} of {bill} and {row}");
    }
    let states: Vec<Value> = of_path(&pushes, "/state").into_iter().map(Push::json).collect();
    for state in &states {
        assert!(state.as_object().expect("an object").values().all(Value::is_string), "{state}");
        assert_eq!((&state["callee"], &state["customuuid"]), (&json!("13801000001"), &json!("c")));
    }
    assert_eq!((&states[0]["extnumber"], &states[2]["extnumber"]), (&json!(""), &row["extnumber"]));

    let fetched = bills_of_the_day(&floor.crm, &[("taskid", &taskid)]);
    let mut fetched = fetched["bills"][0].clone();
    assert_eq!(fetched.as_object_mut().expect("an object").remove("displaynumber"), Some(json!(CALLER_ID)));
    assert_eq!(fetched, bill);
    assert_eq!(bills_of_the_day(&floor.crm, &[])["totalitems"], json!(0), "it was fetched");
}

#[test]
fn a_receiver_that_fails_at_first_is_down_and_comes_back_gets_everything_in_order() {
    let ports = Ports::reserve();
    // 500 at the first attempt of every third event.
    let met: Mutex<BTreeMap<String, usize>> = Mutex::default();
    let receiver = Receiver::start(ports.next(), move |push| {
        let mut met = met.lock().expect("no panic");
        let count = met.len();
        match met.insert(push.event().to_owned(), count) {
            None if count.is_multiple_of(3) => Reply::Status(500),
            _ => Reply::Status(204),
        }
    });
    let mut floor = floor(ports, &keys(&receiver), |s| s);
    let first = floor.crm.create(&numbers(101, 4), &[]);
    floor.crm.wait_called(&first, 2, LIMIT);
    receiver.set_down(true);
    floor.crm.wait_ended(&first, LIMIT);
    // What waits is in the database: a power cut takes nothing of it.
    floor.server.kill();
    floor.server.spawn();
    floor.crm = floor.server.crm(0);
    floor.register(FIRST_AGENT, 2);
    let second = floor.crm.create(&numbers(102, 4), &[]);
    floor.crm.wait_ended(&second, LIMIT);
    receiver.set_down(false);
    let pushes = receiver.wait("all bills and ends", Duration::from_secs(90), |p| has(p, 8, 2));
    check_stories(&pushes, 8);
    pushes.iter().for_each(check_signature);
    assert!(receiver.pushes().iter().any(|p| p.status == 500));
    wait_for("an empty outbox", LIMIT, || {
        (floor.server.sql("SELECT count(*) FROM outbox") == ["0"]).then_some(())
    });
}

#[test]
fn receivers_that_never_answer_or_lead_elsewhere_delay_nobody_else() {
    let ports = Ports::reserve();
    let good = Receiver::start(ports.next(), |_| Reply::Status(200));
    let silent = Receiver::start(ports.next(), |_| Reply::Nothing);
    let elsewhere = good.url("/elsewhere");
    let leading = Receiver::start(ports.next(), move |_| Reply::Redirect(elsewhere.clone()));
    let refusing = Receiver::start(ports.next(), |_| Reply::Status(200));
    let of_task = |r: &Receiver, more: &str| format!("task_status_url = \"{}\"\n{more}", r.url("/task"));
    let others = [
        ("2", of_task(&silent, "")),
        ("3", of_task(&leading, "")),
        ("4", of_task(&refusing, "allow_private = false\n")),
    ];
    let form = format!("{}detail_form = true\n", keys(&good));
    let floor = floor(ports, &form, |mut setup| {
        for (i, (code, keys)) in (0..).zip(&others) {
            setup = setup.company(Company::new(code).agents(2000 + i, 1).push(keys));
        }
        setup
    });
    // More than may be under way at once.
    for company in 1..=3 {
        let crm = floor.server.crm(company);
        for n in 0..20 {
            let taskid = crm.create(&numbers(110 + n, 1), &[("status", "0")]);
            assert!(crm.task("TaskSet", &[("taskid", &taskid), ("taskstatus", "3")]).is_success());
        }
    }
    wait_for("eight attempts at the silent one", LIMIT, || (silent.pushes().len() >= 8).then_some(()));
    let begun = std::time::Instant::now();
    let taskid = floor.crm.create(&numbers(103, 2), &[]);
    floor.crm.wait_ended(&taskid, LIMIT);
    let pushes = good.wait("bills and end", seconds(3.0), |p| has(p, 2, 1));
    println!("two calls and their pushes: {} ms", begun.elapsed().as_millis());
    check_stories(&pushes, 2);
    let states = of_path(&pushes, "/state");
    assert!(states.iter().all(|p| p.header("content-type") == "application/x-www-form-urlencoded"));
    pushes.iter().for_each(check_signature);
    assert!(of_path(&good.pushes(), "/elsewhere").is_empty(), "no redirect is followed");
    assert!(leading.pushes().len() >= 3);
    let asked = silent.pushes();
    let at_once = asked.iter().filter(|p| p.at < asked[0].at + seconds(9.0)).count();
    assert!(at_once <= 8, "{at_once} attempts before the first timed out");
    assert!(refusing.pushes().is_empty(), "its address is private");
    let private = "SELECT count(*) FROM outbox WHERE error = 'its address is private'";
    assert_ne!(floor.server.sql(private), ["0"]);
}

#[test]
fn what_could_not_be_told_for_a_day_is_kept_and_can_be_told_again() {
    let ports = Ports::reserve();
    let receiver = Receiver::start(ports.next(), |_| Reply::Status(200));
    receiver.set_down(true);
    let floor = floor(ports, &keys(&receiver), |s| s);
    let taskid = floor.crm.create(&["13801040009".to_owned(), "13801040001".to_owned()], &[]);
    floor.crm.wait_ended(&taskid, LIMIT);
    floor.server.sql("UPDATE outbox SET expires_at = unixepoch() * 1000000, due_at = 1");
    let waiting = || floor.server.sql("SELECT count(*) FROM outbox WHERE state <> 'dead'");
    wait_for("everything given up", LIMIT, || (waiting() == ["0"]).then_some(()));
    let dead = floor.server.admin(&["push", "dead"]);
    // Ring to hang-up of one call, both bills, the end of the task.
    assert_eq!(dead.lines().count(), 6 + 2 + 1, "{dead}");
    assert!(dead.lines().any(|l| l.contains("\tbill\t") && l.contains("13801040009")), "{dead}");
    assert!(receiver.pushes().is_empty());

    receiver.set_down(false);
    assert_eq!(floor.server.admin(&["push", "resend", "--all"]), "9 events are told again\n");
    let pushes = receiver.wait("all of it", Duration::from_secs(90), |p| p.len() >= 9);
    let stories = stories(&pushes);
    let whole = stories.values().filter(|story| story.len() == 7).count();
    assert_eq!((whole, stories.len()), (1, 2), "{stories:?}");
    assert!(stories.values().all(|story| story.last().is_some_and(|last| last == "bill")), "{stories:?}");
    assert_eq!(floor.server.admin(&["push", "dead"]), "");
}

#[test]
fn eight_clients_at_once_fetch_each_bill_once() {
    let ports = Ports::reserve();
    let floor = floor(ports, "", |s| s);
    let busy: Vec<String> = (0..30).map(|i| format!("1380105{i:03}9")).collect();
    let taskid = floor.crm.create(&busy, &[("taskscale", "1:5")]);
    floor.crm.wait_ended(&taskid, LIMIT);
    let api = &floor.server;
    let got: Vec<Vec<i64>> = std::thread::scope(|threads| {
        let client = || {
            let crm = api.crm(0);
            let mut got = Vec::new();
            loop {
                let result = bills_of_the_day(&crm, &[("itemsperpage", "2")]);
                let bills = result["bills"].as_array().expect("a list").clone();
                if bills.is_empty() {
                    return got;
                }
                got.extend(bills.iter().map(|b| b["id"].as_i64().expect("an int")));
            }
        };
        let clients: Vec<_> = (0..8).map(|_| threads.spawn(client)).collect();
        clients.into_iter().map(|c| c.join().expect("a client does not panic")).collect()
    });
    let mut ids = got.concat();
    ids.sort_unstable();
    let count = ids.len();
    ids.dedup();
    assert_eq!((ids.len(), count), (busy.len(), busy.len()));
}
