//! Goal: with `server.seal_numbers` no customer's number can be read in the files of the database, and everything that
//! looks for a number still finds it.

mod harness;

use std::time::Duration;

use harness::crm::row_of;
use harness::floor::{Floor, Plan};
use harness::peer::{Behaviour, What};
use harness::seconds;
use harness::server::{Server, Setup};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(60);
const LISTED: &str = "13800070001";
const LISTED_LATER: &str = "13800070002";
const ADDED: &str = "13800070011";
const BY_HAND: &str = "13800070009";

fn sealed(mut setup: Setup) -> Setup {
    let key = setup.dir.path().join("seal.key");
    std::fs::write(&key, "0f".repeat(32)).expect("the temp directory can be written");
    setup.server_keys = format!("seal_key = \"{}\"\nseal_numbers = true", key.display());
    // Nobody listens there: what is to be told stays in the outbox.
    let urls = "bill_url = \"http://127.0.0.1:9/\"\nextension_state_url = \"http://127.0.0.1:9/\"\nallow_private = true";
    setup.companies[0].push_keys = urls.to_owned();
    setup.companies[0].compliance_keys = "caps = [{ calls = 2, hours = 24 }]\nlockout_h = 1".to_owned();
    setup
}

/// Those that can be read in a file of the data folder.
fn readable<'a>(server: &Server, numbers: &'a [String]) -> Vec<&'a String> {
    let folder = server.database();
    let folder = folder.parent().expect("it is in a folder");
    let files = std::fs::read_dir(folder).expect("it is there").map(|f| f.expect("readable").path());
    let files: Vec<Vec<u8>> =
        files.filter(|p| p.is_file()).map(|p| std::fs::read(p).expect("readable")).collect();
    assert!(files.len() >= 3, "the database, its log, its index");
    let is_in = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
    numbers.iter().filter(|n| files.iter().any(|bytes| is_in(bytes, n))).collect()
}

#[test]
fn after_a_campaign_no_number_can_be_read_in_the_files() {
    let customer = |number: &str| match number.ends_with('5') {
        true => Behaviour::rejects(486, seconds(0.05)),
        false => Behaviour::answers(seconds(0.05)).and_hangs_up_after(seconds(0.3)),
    };
    let plan = Plan { agents: 2, setup: sealed, ..Plan::default() };
    let mut floor = Floor::open(&plan, customer, |_| Behaviour::answers(seconds(0.05)));
    let crm = &floor.crm;
    let mut numbers: Vec<String> = (2..=8).map(|n| format!("1380007000{n}")).collect();
    floor.server.admin(&["dnc", "add", &format!("+86{LISTED}")]);
    let taskid = crm.create(&numbers, &[("status", "0"), ("calltimes", "2")]);
    let added = json!([{"phone": LISTED}, {"phone": ADDED}]).to_string();
    let added = crm.task("TaskAdd", &[("taskid", &taskid), ("telphone", &added)]);
    assert_eq!(added.result()["success"], json!(1), "the other one is listed");
    floor.server.admin(&["dnc", "add", LISTED_LATER]);
    assert!(crm.task("taskDelPhone", &[("taskid", &taskid), ("telphone", "13800070008")]).is_success());
    assert!(crm.task("TaskSet", &[("taskid", &taskid), ("taskstatus", "1")]).is_success());
    let rows = crm.wait_ended(&taskid, LIMIT);
    assert_eq!(rows.len(), 7, "without the one that was listed before and the one that was taken away");
    assert_eq!(row_of(&rows, LISTED_LATER)["hangupcause"], json!(10028));
    assert_eq!(row_of(&rows, "13800070005")["round"], json!(2));
    assert_eq!(row_of(&rows, "13800070003")["answered"], json!(1));
    let made = [("extnumber", "1001"), ("destnumber", BY_HAND)];
    assert!(crm.call("App.Sip_Call.MakeCall", &made).is_success());
    let invited =
        |number: &str| floor.carrier.all(What::Invite).iter().filter(|seen| seen.number == number).count();
    harness::wait_for("the call by hand", LIMIT, || (invited(BY_HAND) == 1).then_some(()));
    assert_eq!((invited(LISTED), invited(LISTED_LATER)), (0, 0));
    let day = [("starttime", "2020-01-01 00:00:00"), ("endtime", "2099-01-01 00:00:00"), ("syncflag", "3")];
    let of_number = [&day[..], &[("destnumber", "13800070005")]].concat();
    assert_eq!(crm.call("App.Sip_Cdr.GetBill", &of_number).result()["totalitems"], json!(2));

    numbers.extend([LISTED, ADDED, BY_HAND].map(str::to_owned));
    assert_eq!(readable(&floor.server, &numbers), Vec::<&String>::new());
    let outbox = floor.server.sql("SELECT count(*) FROM outbox");
    assert!(outbox[0].parse::<u32>().expect("a number") > 6, "what was looked through had something in it");
    floor.server.kill();
    floor.server.spawn();
    assert_eq!(readable(&floor.server, &numbers), Vec::<&String>::new());
    let crm = floor.server.crm(0);
    assert_eq!(row_of(&crm.task_info(&taskid), "13800070003")["answered"], json!(1));
    let listed =
        crm.task("TaskAdd", &[("taskid", &taskid), ("telphone", &json!([{"phone": LISTED}]).to_string())]);
    assert_eq!(listed.code(), "1044", "it has ended");
    assert_eq!(floor.server.admin(&["dnc", "list"]).matches("138000700").count(), 2);
}
