//! Goal: customers who call back reach who talked with them last, or wait and hear why.

mod harness;

use std::time::Duration;

use harness::floor::{Floor, Plan};
use harness::hearing::{heard, status_of, wait_bills, wait_heard};
use harness::peer::{Behaviour, Outgoing, What};
use harness::rest::Rest;
use harness::rtp::{Sound, tone_wav};
use harness::server::{CALLER_ID, Company, Setup};
use harness::{seconds, wait_for};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(30);
const NUMBER: &str = "13900000001";
const CUSTOMER_HZ: f64 = 1000.0;
const AGENT_HZ: f64 = 1700.0;
const HOLD_HZ: f64 = 600.0;
const BUSY_HZ: f64 = 2500.0;

/// With sounds that are known again.
fn taken(mut setup: Setup) -> Setup {
    let dir = setup.dir.path().to_owned();
    for (name, hz) in [("hold", HOLD_HZ), ("busy", BUSY_HZ)] {
        std::fs::write(dir.join(format!("{name}.wav")), tone_wav(hz, 1)).expect("it can be written");
    }
    setup.media_keys =
        format!("hold_music = {:?}\nbusy_message = {:?}", dir.join("hold.wav"), dir.join("busy.wav"));
    setup.companies[0].inbound_keys =
        "enabled = true\ngroup = \"sales\"\nring_s = 2.0\nwait_s = 4.0".to_owned();
    setup
}

fn floor_with(setup: fn(Setup) -> Setup, agent: fn(&str) -> Behaviour) -> Floor {
    let (carrier_sound, agent_sound) = (Sound::Tone(CUSTOMER_HZ), Sound::Tone(AGENT_HZ));
    let plan = Plan { agents: 2, setup, carrier_sound, agent_sound };
    Floor::open(&plan, |_| Behaviour::answers(seconds(0.1)), agent)
}

fn floor() -> Floor {
    floor_with(taken, |_| Behaviour::answers(seconds(0.1)))
}

/// The extension whose phone rang for the call that came in.
fn rung(floor: &Floor, count: usize) -> String {
    let seen = floor.agents.wait(What::Invite, count, LIMIT);
    assert_eq!(seen[count - 1].from_user, NUMBER, "the phone shows who calls");
    seen[count - 1].number.clone()
}

fn calls_back(floor: &Floor, from: &str) -> Outgoing {
    floor.carrier.bring(floor.server.sip, from, CALLER_ID).expect("it is answered")
}

fn only(bill: &Value, expected: &[(&str, Value)]) {
    for (key, value) in expected {
        assert_eq!(bill[key], *value, "{key} of {bill}");
    }
}

#[test]
fn who_calls_back_reaches_the_agent_who_called() {
    let floor = floor();
    for extension in ["1002", "1001"] {
        // 1002 talks with the first customer, 1001 with another one after that.
        let number = if extension == "1002" { NUMBER } else { "13900000009" };
        let call = [("extnumber", extension), ("destnumber", number)];
        assert!(floor.crm.call("App.Sip_Call.MakeCall", &call).is_success());
        wait_for("the talk", LIMIT, || (status_of(&floor.crm, extension) == json!(1204)).then_some(()));
        assert!(floor.crm.call("App.Sip_Call.HangupCall", &[("extnumber", extension)]).is_success());
    }
    wait_bills(&floor.crm, 2);
    // As another network writes it.
    let call = calls_back(&floor, "+8613900000001");
    assert_eq!(floor.agents.wait(What::Invite, 3, LIMIT)[2].number, "1002");
    let leg = floor.agents.all(What::Invite)[2].call_id.clone();
    wait_heard(&floor.agents, &leg, CUSTOMER_HZ);
    wait_heard(&floor.carrier, &call.call_id, AGENT_HZ);
    let status =
        floor.crm.call("App.Sip_Status.GetSipCallStatus", &[("extnumber", "1002")]).result()[0].clone();
    only(
        &status,
        &[
            ("status", json!(1204)),
            ("direction", json!("callin")),
            ("caller", json!("+8613900000001")),
            ("callee", json!("1002")),
        ],
    );
    floor.carrier.hang_up(&call);
    floor.agents.wait(What::Bye, 3, LIMIT);
    let bill = wait_bills(&floor.crm, 3).remove(2);
    only(
        &bill,
        &[
            ("direction", json!("callin")),
            ("type", json!("callin")),
            ("callmethod", json!(0)),
            ("destnumber", json!("+8613900000001")),
            ("disnumber", json!(CALLER_ID)),
            ("extnumber", json!("1002")),
            ("hangupdirection", json!(10040)),
            ("hangupcause", json!(10001)),
        ],
    );
    assert!(bill["answertime"].as_str().is_some_and(|t| !t.is_empty()), "{bill}");
    let parameters =
        [("starttime", "2020-01-01"), ("endtime", "2099-01-01"), ("syncflag", "3"), ("direction", "1")];
    assert_eq!(floor.crm.call("App.Sip_Cdr.GetBill", &parameters).result()["totalitems"], json!(1));
}

#[test]
fn what_the_network_says_of_who_calls_reaches_the_phone_and_is_written_down() {
    let floor = floor();
    // {"attest":"A","dest":{"tn":["02155550100"]},"iat":1700000000,"orig":{"tn":"13900000001"},"origid":"o-1"}
    let claims = "eyJhdHRlc3QiOiJBIiwiZGVzdCI6eyJ0biI6WyIwMjE1NTU1MDEwMCJdfSwiaWF0IjoxNzAwMDAwMDAwLCJvcmlnIjp7InRuIjoi\
                  MTM5MDAwMDAwMDEifSwib3JpZ2lkIjoiby0xIn0";
    let identity = format!("e30.{claims}.c2ln;info=<https://ca.example/c.pem>;alg=ES256;ppt=shaken");
    let hostile = format!("Identity: {}\r\n{}", "x".repeat(5000), "Identity: a.b.c\r\n".repeat(20));
    let header = format!("Identity: {identity}\r\n{hostile}P-Asserted-Identity: <sip:{NUMBER}@carrier>\r\n");
    // Only there is who calls.
    let call = floor.carrier.bring_with(floor.server.sip, "anonymous", CALLER_ID, &header).expect("answered");
    let rung = floor.agents.wait(What::Invite, 1, LIMIT).remove(0);
    assert_eq!(rung.from_user, NUMBER);
    let invite = floor.agents.invite_of(&rung.call_id);
    let passed: Vec<&str> = invite.all("identity").collect();
    assert_eq!(passed, [identity.as_str(), "a.b.c", "a.b.c", "a.b.c"]);
    floor.carrier.hang_up(&call);
    let bill = wait_bills(&floor.crm, 1).remove(0);
    let rest = Rest::with_key(&floor.server, "read,personal");
    let path = format!("calls/{}/identity", bill["uuid"].as_str().expect("a text"));
    let said = wait_for("the identity", LIMIT, || {
        let told = rest.send("GET", &path, None);
        (told.status == 200).then_some(told.body)
    });
    let (first, last) = (&said["passports"][0], &said["passports"][3]);
    assert_eq!((&said["asserted"], &first["header"]), (&json!(NUMBER), &json!(identity)), "{said}");
    let read = (&first["attest"], &first["orig"], &first["dest"], &first["origid"]);
    assert_eq!(read, (&json!("A"), &json!(NUMBER), &json!([CALLER_ID]), &json!("o-1")), "{said}");
    assert_eq!(first["issued_at"], json!("2023-11-14T22:13:20.000000Z"));
    assert_eq!((&last["header"], &last["attest"]), (&json!("a.b.c"), &Value::Null));
    assert_eq!(Rest::with_key(&floor.server, "read").send("GET", &path, None).status, 403);
}

#[test]
fn a_trunk_may_keep_what_it_says_of_who_calls_from_phones() {
    let setup = |setup: Setup| {
        let mut setup = taken(setup);
        setup.companies[0].trunk_keys = "pass_identity = false";
        setup
    };
    let floor = floor_with(setup, |_| Behaviour::answers(seconds(0.1)));
    let header = "Identity: a.b.c\r\n";
    let call = floor.carrier.bring_with(floor.server.sip, NUMBER, CALLER_ID, header).expect("answered");
    let rung = floor.agents.wait(What::Invite, 1, LIMIT).remove(0);
    assert_eq!(floor.agents.invite_of(&rung.call_id).all("identity").count(), 0);
    floor.carrier.hang_up(&call);
    wait_for("it to be written down", LIMIT, || {
        (floor.server.sql("SELECT said FROM identities").len() == 1).then_some(())
    });
}

#[test]
fn a_customer_hears_music_while_nobody_is_free() {
    // 1001 does not pick up, 1002 does, after a while.
    let agent = |extension: &str| match extension {
        "1001" => Behaviour::rings(),
        _ => Behaviour::answers(seconds(1.0)),
    };
    let floor = floor_with(taken, agent);
    let call = calls_back(&floor, NUMBER);
    let rung = [rung(&floor, 1), rung(&floor, 2)];
    assert_eq!(rung, ["1001", "1002"], "the longest idle first, then the next");
    wait_heard(&floor.carrier, &call.call_id, AGENT_HZ);
    // Both are busy with somebody now.
    let second = calls_back(&floor, "13900000002");
    wait_heard(&floor.carrier, &second.call_id, HOLD_HZ);
    floor.carrier.hang_up(&call);
    wait_heard(&floor.carrier, &second.call_id, AGENT_HZ);
    let packets = floor.carrier.packets(&second.call_id);
    let last = packets.len().saturating_sub(25);
    assert!(heard(&packets[last..], HOLD_HZ, |_| true) < 0.1, "the music is over");
    floor.carrier.hang_up(&second);
    let bills = wait_bills(&floor.crm, 2);
    assert!(bills.iter().all(|bill| bill["extnumber"] == json!("1002")), "{bills:?}");
}

#[test]
fn who_missed_a_call_of_a_task_reaches_its_agents() {
    let setup = |setup: Setup| {
        let mut setup = taken(setup);
        setup.companies[0].inbound_keys = "enabled = true".to_owned();
        setup
    };
    let (carrier_sound, agent_sound) = (Sound::Tone(CUSTOMER_HZ), Sound::Tone(AGENT_HZ));
    let plan = Plan { agents: 2, setup, carrier_sound, agent_sound };
    let floor =
        Floor::open(&plan, |_| Behaviour::rejects(486, seconds(0.1)), |_| Behaviour::answers(seconds(0.1)));
    // Nobody called this one, and no group is named.
    let call = calls_back(&floor, NUMBER);
    wait_heard(&floor.carrier, &call.call_id, BUSY_HZ);
    assert_eq!(floor.agents.all(What::Invite).len(), 0);
    floor.carrier.wait(What::Bye, 1, LIMIT);
    let taskid = floor.crm.create(&[NUMBER.to_owned()], &[]);
    floor.crm.wait_ended(&taskid, LIMIT);
    let call = calls_back(&floor, NUMBER);
    assert_eq!(rung(&floor, 1), "1001");
    wait_heard(&floor.carrier, &call.call_id, AGENT_HZ);
}

#[test]
fn who_waits_in_vain_hears_a_message_and_is_hung_up() {
    let floor = floor_with(taken, |_| Behaviour::rings());
    let call = calls_back(&floor, NUMBER);
    let bill = wait_bills(&floor.crm, 1).remove(0);
    only(
        &bill,
        &[
            ("direction", json!("callin")),
            ("answertime", json!("")),
            ("billsec", json!(0)),
            ("hangupdirection", json!(10007)),
        ],
    );
    floor.carrier.wait(What::Bye, 1, LIMIT);
    let packets = floor.carrier.packets(&call.call_id);
    assert!(heard(&packets, BUSY_HZ, |_| true) > 0.5, "the message");
}

/// Without the group's own times nobody would see the end of a wait.
fn waits_for_ever(setup: Setup) -> Setup {
    let mut setup = taken(setup);
    setup.companies[0].inbound_keys =
        "enabled = true\ngroup = \"sales\"\nring_s = 600.0\nwait_s = 600.0".to_owned();
    setup
}

#[test]
fn a_queue_says_how_long_its_phones_ring_and_its_customers_wait() {
    let mut floor = floor_with(waits_for_ever, |_| Behaviour::rings());
    let times = [("queuename", "sales"), ("ringdelay", "1"), ("maxwaittime", "3"), ("withnoagenttime", "2")];
    assert!(floor.crm.call("App.Sip_Queue.EditQueue", &times).is_success());
    floor.server.kill();
    floor.server.spawn();
    wait_for("the phones", LIMIT, || {
        let seats = floor.crm.call("App.Sip_Queue.GetQueueSipStatus", &[("state", "2")]);
        (seats.result().as_array().map(Vec::len) == Some(2)).then_some(())
    });
    let call = calls_back(&floor, NUMBER);
    assert_ne!(rung(&floor, 1), rung(&floor, 2), "the next one after a second");
    floor.carrier.wait(What::Bye, 1, LIMIT);
    assert!(heard(&floor.carrier.packets(&call.call_id), BUSY_HZ, |_| true) > 0.1, "the message");
    for extension in ["1001", "1002"] {
        let busy = [("settype", "1"), ("extnumber", extension), ("crmid", ""), ("queuename", "sales")];
        assert!(floor.crm.call("App.Sip_Queue.SetSeatsStatus", &busy).is_success());
    }
    let call = calls_back(&floor, NUMBER);
    floor.carrier.wait(What::Bye, 2, LIMIT);
    let packets = floor.carrier.packets(&call.call_id);
    assert!(heard(&packets[..50], HOLD_HZ, |_| true) > 0.5, "music first: somebody may come");
    assert!(heard(&packets, BUSY_HZ, |_| true) > 0.1, "the message");
}

#[test]
fn strangers_and_numbers_that_take_no_calls_are_refused() {
    let floor = floor();
    let bring = |number| floor.carrier.bring(floor.server.sip, NUMBER, number).err();
    assert_eq!(bring("02199999999"), Some(404));
    assert_eq!(bring("1001"), Some(404), "extensions are not called from outside");
    assert_eq!(floor.agents.all(What::Invite).len(), 0);
    // Not from where a trunk is.
    let setup = |setup: Setup| {
        let mut setup = taken(setup);
        setup.companies[0].trunks.clear();
        let company = std::mem::replace(&mut setup.companies[0], Company::new("-"));
        setup.companies[0] = company.trunk_table("name = \"far\"\naddress = \"127.0.0.2:5060\"");
        setup
    };
    let floor = floor_with(setup, |_| Behaviour::rings());
    assert_eq!(floor.carrier.bring(floor.server.sip, NUMBER, CALLER_ID).err(), Some(403));
    assert_eq!(floor.agents.all(What::Invite).len(), 0);
}

#[test]
fn without_the_setting_no_call_is_taken() {
    let floor = floor_with(|setup| setup, |_| Behaviour::rings());
    assert_eq!(floor.carrier.bring(floor.server.sip, NUMBER, CALLER_ID).err(), Some(404));
}
