//! Goal: nothing is dialed that a rule forbids, at the moment of dialing, and every number says which rule it was.

mod harness;

use std::time::Duration;

use harness::crm::row_of;
use harness::floor::{Floor, Plan};
use harness::peer::{Behaviour, What};
use harness::server::Setup;
use harness::{seconds, wait_for};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(60);

fn floor(setup: fn(Setup) -> Setup) -> Floor {
    let customer = |number: &str| match number.ends_with('9') {
        true => Behaviour::rejects(486, seconds(0.05)),
        false => Behaviour::answers(seconds(0.05)).and_hangs_up_after(seconds(0.3)),
    };
    let plan = Plan { agents: 1, setup, ..Plan::default() };
    Floor::open(&plan, customer, |_| Behaviour::answers(seconds(0.05)))
}

fn dialed(floor: &Floor) -> Vec<String> {
    floor.carrier.all(What::Invite).into_iter().map(|seen| seen.number).collect()
}

fn rows(numbers: &[&str]) -> String {
    Value::Array(numbers.iter().map(|n| json!({"phone": n})).collect()).to_string()
}

fn wait_row(floor: &Floor, taskid: &str, number: &str, what: &str, is_so: impl Fn(&Value) -> bool) {
    wait_for(what, LIMIT, || is_so(row_of(&floor.crm.task_info(taskid), number)).then_some(()));
}

fn check_blocked(row: &Value, mark: &str) {
    for (field, value) in [
        ("status", json!(1036)),
        ("answered", json!(0)),
        ("answertype", json!("callee")),
        ("hangupcause", json!(10028)),
        ("mark", json!(mark)),
        ("duration", json!(0)),
        ("billsec", json!(0)),
    ] {
        assert_eq!(row[field], value, "{field} of {row}");
    }
}

#[test]
fn a_number_that_is_listed_after_it_was_added_is_never_dialed() {
    let floor = floor(|s| s);
    let crm = &floor.crm;
    let numbers = ["13800060001", "13800060002", "13700060003"].map(str::to_owned);
    let taskid = crm.create(&numbers, &[("status", "0")]);
    floor.server.admin(&["dnc", "add", "+86 138 0006 0001"]);
    floor.server.admin(&["dnc", "add", "--task", &taskid, "137*"]);

    let added =
        crm.task("TaskAdd", &[("taskid", &taskid), ("telphone", &rows(&["13800060001", "13800060004"]))]);
    let reason = json!([{"phone": "13800060001", "reason": "号码在免打扰名单中"}]);
    assert_eq!((&added.result()["success"], &added.result()["invaliddata"]), (&json!(1), &reason));
    let listed = [("assigntype", "2"), ("assignagent", "sales"), ("taskscale", "1:1")];
    let none_left = crm.task("TaskCreat", &[&listed[..], &[("telphone", &rows(&["13800060001"]))]].concat());
    assert_eq!(none_left.code(), "1002");

    assert!(crm.task("TaskSet", &[("taskid", &taskid), ("taskstatus", "1")]).is_success());
    let rows = crm.wait_ended(&taskid, LIMIT);
    let row = row_of(&rows, "13800060001");
    check_blocked(row, "呼叫拦截：公司免打扰名单");
    assert_eq!((&row["calltime"], &row["uuid"], &row["round"]), (&Value::Null, &Value::Null, &json!(0)));
    check_blocked(row_of(&rows, "13700060003"), "呼叫拦截：任务免打扰名单");
    let mut called = dialed(&floor);
    called.sort();
    assert_eq!(called, ["13800060002", "13800060004"]);
    let english = crm.task("TaskInfo", &[("taskid", &taskid), ("lang", "en")]);
    assert_eq!(english.result()["result"][0]["mark"], json!("blocked: on the company's do-not-call list"));
    let task = crm.task_row(&taskid);
    assert_eq!((&task["called"], &task["answered"]), (&json!(4), &json!(2)));
    let refusals = floor.server.admin(&["compliance", "refusals", "--task", &taskid]);
    assert_eq!(refusals.lines().count(), 2, "{refusals}");
    assert!(refusals.contains("\t13800060001\tdnc_company"), "{refusals}");
}

#[test]
fn a_list_is_imported_shown_and_shortened_by_command() {
    let ports = harness::ports::Ports::reserve();
    let server = Setup::new(&ports).company(harness::server::Company::new("1")).start();
    let file = server.setup.dir.path().join("numbers.csv");
    std::fs::write(
        &file,
        "\u{feff}number,reason\r\n13800138000,asked\r\n\"139 0013 9000\";x\n# none\n\n138*\n",
    )
    .expect("the temp directory can be written");
    let import = ["dnc", "import", file.to_str().expect("UTF-8")];
    assert_eq!(server.admin(&import), "3 read, 3 new\n");
    assert_eq!(server.admin(&import), "3 read, 0 new\n");
    assert_eq!(server.admin(&["dnc", "remove", "+8613800138000"]), "1 removed\n");
    let listed = server.admin(&["dnc", "list"]);
    let entries: Vec<&str> = listed.lines().filter_map(|line| line.split('\t').next()).collect();
    assert_eq!(entries, ["13900139000", "138*"]);
    server.admin(&["compliance", "set", "--profile", "us", "--holiday", "2026-12-25", "--cap", "7/168"]);
    let shown = server.admin(&["compliance", "show"]);
    for line in ["profile\tus", "windows\t08:00-21:00", "caps\t7 in 168 h", "lock-out\t72 h"] {
        assert!(shown.lines().any(|l| l == line), "{line:?} in {shown}");
    }
}

/// Hours of today and tomorrow in Shanghai that begin some hours after now.
fn window_in_three_hours() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let hour = now.as_secs() / 3600 + 8;
    format!("{:02}:00-{:02}:00", (hour + 3) % 24, (hour + 6) % 24)
}

#[test]
fn a_closed_window_keeps_the_task_waiting_and_an_open_one_lets_it_dial() {
    let closed = |mut setup: Setup| {
        setup.companies[0].compliance_keys = format!("windows = [\"{}\"]", window_in_three_hours());
        setup
    };
    let floor = floor(closed);
    let crm = &floor.crm;
    let waits = crm.create(&["13800070001".to_owned()], &[]);
    // Where this one is, it is four hours later.
    let telphone = json!([
        {"phone": "13800070002"},
        {"phone": "13800070003", "timezone": "Etc/GMT-12"},
        {"phone": "+80012345678"},
    ]);
    let more = [("telphone", telphone.to_string())];
    let mixed = crm.create(&["1", "2", "3"].map(str::to_owned), &[("telphone", more[0].1.as_str())]);

    wait_row(&floor, &mixed, "13800070003", "the call where the window is open", |r| {
        r["status"] == json!(1036)
    });
    wait_row(&floor, &mixed, "13800070002", "the other to wait", |r| r["mark"] == json!("等待允许外呼时段"));
    wait_row(&floor, &mixed, "+80012345678", "the refusal", |r| r["status"] == json!(1036));
    check_blocked(row_of(&crm.task_info(&mixed), "+80012345678"), "呼叫拦截：无法确定号码所在时区");
    assert_eq!(dialed(&floor), ["13800070003"]);
    for (task, number) in [(&waits, "13800070001"), (&mixed, "13800070002")] {
        assert_eq!(crm.task_row(task)["status"], json!(1026), "it waits and has not ended");
        assert_eq!(row_of(&crm.task_info(task), number)["status"], json!(1035));
    }

    floor.server.admin(&["compliance", "set", "--window", "00:00-24:00"]);
    for task in [&waits, &mixed] {
        let rows = crm.wait_ended(task, LIMIT);
        assert!(rows.iter().all(|r| r["status"] == json!(1036)), "{rows:?}");
    }
    let mut called = dialed(&floor);
    called.sort();
    assert_eq!(called, ["13800070001", "13800070002", "13800070003"]);
}

#[test]
fn a_number_over_its_cap_waits_whatever_the_task() {
    let capped = |mut setup: Setup| {
        setup.companies[0].compliance_keys = "caps = [{ calls = 2, hours = 24 }]".to_owned();
        setup
    };
    let floor = floor(capped);
    let crm = &floor.crm;
    // Busy, called again once: that is two calls.
    let first = crm.create(&["13800080009".to_owned()], &[("calltimes", "3")]);
    let over = json!("超过呼叫频次，等待");
    wait_row(&floor, &first, "13800080009", "the cap", |r| r["round"] == json!(2) && r["mark"] == over);
    let soon = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let telphone = json!([
        {"phone": "+8613800080009"},
        {"phone": "13800080009", "time": soon.as_secs() + 3600},
        {"phone": "13800080001"},
    ]);
    let telphone = telphone.to_string();
    let second = crm.create(&["1", "2", "3"].map(str::to_owned), &[("telphone", &telphone)]);
    wait_row(&floor, &second, "13800080001", "the number under its cap", |r| r["status"] == json!(1036));
    wait_row(&floor, &second, "+8613800080009", "the cap to be told", |r| r["mark"] == over);
    wait_row(&floor, &second, "13800080009", "the refusal", |r| r["status"] == json!(1036));
    check_blocked(row_of(&crm.task_info(&second), "13800080009"), "呼叫拦截：超过呼叫频次");
    assert_eq!(crm.task_row(&second)["status"], json!(1026));
    assert_eq!(dialed(&floor).iter().filter(|n| n.ends_with("80009")).count(), 2);
}

#[test]
fn a_customer_who_got_no_agent_is_locked_out() {
    let locked = |mut setup: Setup| {
        setup.companies[0].compliance_keys = "lockout_h = 72".to_owned();
        setup
    };
    let plan = Plan { agents: 1, setup: locked, ..Plan::default() };
    let customer = |number: &str| match number.ends_with('1') {
        true => Behaviour::answers(seconds(0.05)),
        false => Behaviour::rejects(486, seconds(0.05)),
    };
    let floor = Floor::open(&plan, customer, |_| Behaviour::rings());
    let crm = &floor.crm;
    let first = crm.create(&["13800090001".to_owned()], &[]);
    let rows = crm.wait_ended(&first, LIMIT);
    assert_eq!(rows[0]["answertype"], json!("caller"), "{rows:?}");
    let again = [("taskid", first.as_str()), ("answertype", "caller"), ("status", "1")];
    assert!(crm.task("taskCall", &again).is_success());
    let second = crm.create(&["13800090001".to_owned(), "13800090002".to_owned()], &[]);
    wait_row(&floor, &second, "13800090002", "the other number", |r| r["status"] == json!(1036));
    for task in [&first, &second] {
        wait_row(&floor, task, "13800090001", "the lock-out to be told", |r| {
            r["status"] == json!(1035) && r["mark"] == json!("呼损后禁呼期，等待")
        });
    }
    assert_eq!(dialed(&floor), ["13800090001", "13800090002"]);
}
