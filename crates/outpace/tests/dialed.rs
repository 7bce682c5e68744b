//! Goal: what extensions dial at their phones is connected as their company allows, and both sides hear each other.

mod harness;

use std::time::Duration;

use harness::baresip::Baresip;
use harness::floor::{Floor, Plan};
use harness::hearing::{first, status_of, wait_bills, wait_heard};
use harness::peer::{Behaviour, Peer, What};
use harness::rtp::{Sound, tone_share};
use harness::server::{CALLER_ID, PASSWORD, Setup};
use harness::{seconds, wait_for};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(30);
const NUMBER: &str = "13900000001";
const CUSTOMER_HZ: f64 = 1000.0;
const AGENT_HZ: f64 = 1700.0;
const OTHER_HZ: f64 = 2300.0;

fn plan(setup: fn(Setup) -> Setup) -> Plan {
    let (carrier_sound, agent_sound) = (Sound::Tone(CUSTOMER_HZ), Sound::Tone(AGENT_HZ));
    Plan { agents: 2, setup, carrier_sound, agent_sound }
}

fn outbound(mut setup: Setup) -> Setup {
    setup.companies[0].outbound_keys = "allow = [\"139\", \"1391\"]\ndeny = [\"1391\"]".to_owned();
    setup.companies[0].compliance_keys = "caps = [{ calls = 2, hours = 24 }]".to_owned();
    setup
}

#[test]
fn a_phone_dials_an_outside_number_that_its_company_allows() {
    let customer = |number: &str| match number {
        NUMBER => Behaviour::answers(seconds(0.3)),
        _ => Behaviour::rejects(486, seconds(0.1)),
    };
    let floor = Floor::open(&plan(outbound), customer, |_| Behaviour::rings());
    let dial = |number: &str| floor.agents.dial(floor.server.sip, "1001", PASSWORD, number);
    assert_eq!(dial("0044200000").err(), Some(403), "not allowed");
    assert_eq!(dial("13910000001").err(), Some(403), "denied");
    assert_eq!(dial("13900000002").err(), Some(486), "what the customer said");
    let call = dial(NUMBER).expect("answered");
    let dialed = floor.carrier.all(What::Invite).remove(1);
    assert_eq!((dialed.number.as_str(), dialed.from_user.as_str()), (NUMBER, CALLER_ID));
    wait_heard(&floor.agents, &call.call_id, CUSTOMER_HZ);
    wait_heard(&floor.carrier, &dialed.call_id, AGENT_HZ);
    assert_eq!(status_of(&floor.crm, "1001"), json!(1204));
    assert_eq!(
        floor.crm.call("App.Sip_Call.MakeCall", &[("extnumber", "1001"), ("destnumber", NUMBER)]).code(),
        "1010"
    );
    floor.agents.hang_up(&call);
    floor.carrier.wait(What::Bye, 1, LIMIT);
    let bill = wait_bills(&floor.crm, 2).remove(1);
    let found = (&bill["callmethod"], &bill["extnumber"], &bill["destnumber"], &bill["hangupdirection"]);
    assert_eq!(found, (&json!(2), &json!("1001"), &json!(NUMBER), &json!(10040)));
    assert_eq!(dial("13900000002").err(), Some(486));
    assert_eq!(dial("13900000002").err(), Some(403), "as often as the company's cap allows");
    assert_eq!(floor.carrier.all(What::Invite).len(), 3);
}

#[test]
fn extensions_call_each_other() {
    let setup = |mut setup: Setup| {
        setup.companies[0].extensions.1 = 3;
        setup
    };
    let floor = Floor::open(&plan(setup), |_| Behaviour::rings(), |_| Behaviour::rings());
    let phone = Peer::start(floor.ports.next(), Sound::Tone(OTHER_HZ), |_| Behaviour::answers(seconds(0.3)));
    phone.register(floor.server.sip, "1003", PASSWORD, 300);
    floor.crm.wait_registered(&["1003".to_owned()]);
    let call = floor.agents.dial(floor.server.sip, "1001", PASSWORD, "1003").expect("answered");
    let rung = first(phone.all(What::Invite));
    assert_eq!((rung.number.as_str(), rung.from_user.as_str()), ("1003", "1001"));
    wait_heard(&floor.agents, &call.call_id, OTHER_HZ);
    wait_heard(&phone, &rung.call_id, AGENT_HZ);
    assert_eq!(floor.agents.dial(floor.server.sip, "1002", PASSWORD, "1003").err(), Some(486));
    floor.agents.hang_up(&call);
    phone.wait(What::Bye, 1, LIMIT);
    let bill = wait_bills(&floor.crm, 1).remove(0);
    let found = (&bill["callmethod"], &bill["extnumber"], &bill["destnumber"]);
    assert_eq!(found, (&json!(1), &json!("1001"), &json!("1003")));
    assert_eq!(floor.carrier.all(What::Invite).len(), 0);
}

#[test]
fn two_real_phones_talk_with_each_other() {
    let setup = |mut setup: Setup| {
        setup.companies[0].extensions.1 = 4;
        setup
    };
    let floor = Floor::open(&plan(setup), |_| Behaviour::rings(), |_| Behaviour::rings());
    let phone = |extension: &str, hz: f64| {
        Baresip::with_tone(hz, floor.server.sip, &floor.ports, (extension, PASSWORD), "udp")
    };
    let (caller, called) = (phone("1003", 1300.0), phone("1004", OTHER_HZ));
    floor.crm.wait_registered(&["1003".to_owned(), "1004".to_owned()]);
    caller.command("dial", &format!("sip:1004@{}", floor.server.sip));
    wait_for("the two hear each other", LIMIT, || {
        let both = [(&caller, OTHER_HZ), (&called, 1300.0)];
        both.iter().all(|(phone, hz)| tone_share(&phone.heard(), *hz) > 0.9).then_some(())
    });
    assert_eq!((status_of(&floor.crm, "1003"), status_of(&floor.crm, "1004")), (json!(1204), json!(1204)));
    caller.command("hangup", "");
    let bill = wait_bills(&floor.crm, 1).remove(0);
    let found = (&bill["callmethod"], &bill["extnumber"], &bill["destnumber"], &bill["hangupdirection"]);
    assert_eq!(found, (&json!(1), &json!("1003"), &json!("1004"), &json!(10040)));
}

#[test]
fn who_dials_at_the_phone_is_offered_no_call_of_a_task() {
    let floor = Floor::open(
        &plan(outbound),
        |_| Behaviour::answers(seconds(0.2)),
        |_| Behaviour::answers(seconds(0.1)),
    );
    let call = floor.agents.dial(floor.server.sip, "1001", PASSWORD, NUMBER).expect("answered");
    let taskid = floor.crm.create(
        &["13900000005".to_owned(), "13900000006".to_owned()],
        &[("isscale", "manual"), ("taskscale", "1:1")],
    );
    floor.agents.wait(What::Confirmed, 1, LIMIT);
    let offered: Vec<String> = floor.agents.all(What::Invite).into_iter().map(|s| s.number).collect();
    assert!(offered.iter().all(|extension| extension == "1002"), "{offered:?}");
    floor.agents.hang_up(&call);
    floor.crm.call("App.Sip_Yccall.TaskSet", &[("taskid", &taskid), ("taskstatus", "3")]);
}
