//! Goal: a phone of another make (linphone) registers, answers, calls, holds, presses keys and hands calls over.

mod harness;

use std::time::Duration;

use harness::floor::{CUSTOMER_HZ, Floor, HOLD_HZ, Plan, numbers, with_hold_music};
use harness::hearing::{first, wait_bills, wait_heard};
use harness::linphone::Linphone;
use harness::peer::{Behaviour, What};
use harness::rtp::{Sound, keys_in, tone_share};
use harness::server::{PASSWORD, Setup};
use harness::{seconds, wait_for};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(30);
const NUMBER: &str = "13900000001";
const PHONE_HZ: f64 = 1300.0;
const OTHER_HZ: f64 = 2300.0;
const KEYS: u8 = 101;

fn setup(setup: Setup) -> Setup {
    let mut setup = with_hold_music(setup);
    setup.companies[0].groups[0].1.push(1003);
    setup
}

/// Nobody at the desks but those who are started.
fn floor() -> Floor {
    let plan = Plan { agents: 0, setup, carrier_sound: Sound::Tone(CUSTOMER_HZ), ..Plan::default() };
    let answers = |_: &str| Behaviour::answers(seconds(0.1));
    let floor = Floor::open(&plan, answers, answers);
    floor.carrier.take_keys(KEYS);
    floor
}

fn phone(floor: &Floor, extension: &str, hz: f64, transport: &str) -> Linphone {
    let phone = Linphone::start(hz, floor.server.sip, &floor.ports, (extension, PASSWORD), transport);
    floor.crm.wait_registered(&[extension.to_owned()]);
    phone
}

fn wait_hears(phone: &Linphone, hz: f64) {
    let from = phone.heard().len();
    wait_for(&format!("{hz} Hz at linphone"), LIMIT, || {
        let heard = phone.heard();
        (heard.len() > from && tone_share(&heard[from..], hz) > 0.9).then_some(())
    });
}

#[test]
fn it_registers_and_takes_a_call_of_a_campaign() {
    for transport in ["udp", "tcp"] {
        let floor = floor();
        let mut phone = phone(&floor, "1003", PHONE_HZ, transport);
        let task = floor.crm.create(&numbers(77, 1), &[]);
        phone.wait_said(0, "Receiving new incoming call");
        phone.command("answer");
        let customer = first(floor.carrier.wait(What::Confirmed, 1, LIMIT)).call_id;
        wait_heard(&floor.carrier, &customer, PHONE_HZ);
        wait_hears(&phone, CUSTOMER_HZ);
        phone.command("terminate");
        floor.carrier.wait(What::Bye, 1, LIMIT);
        let rows = floor.crm.wait_ended(&task, LIMIT);
        assert_eq!((&rows[0]["answered"], &rows[0]["extnumber"]), (&json!(1), &json!("1003")), "{rows:?}");
    }
}

#[test]
fn it_dials_holds_presses_keys_and_hands_over() {
    let floor = floor();
    let mut one = phone(&floor, "1003", PHONE_HZ, "udp");
    let mut other = phone(&floor, "1004", OTHER_HZ, "udp");
    one.command(&format!("call sip:{NUMBER}@{}", floor.server.sip));
    let customer = first(floor.carrier.wait(What::Confirmed, 1, LIMIT)).call_id;
    wait_heard(&floor.carrier, &customer, PHONE_HZ);
    one.command("pause");
    wait_heard(&floor.carrier, &customer, HOLD_HZ);
    one.command("resume 1");
    wait_heard(&floor.carrier, &customer, PHONE_HZ);
    wait_hears(&one, CUSTOMER_HZ);
    for key in ["1", "2", "#"] {
        one.command(key);
    }
    wait_for("the keys", LIMIT, || (keys_in(&floor.carrier.packets(&customer), KEYS) == "12#").then_some(()));
    one.command(&format!("transfer sip:1004@{}", floor.server.sip));
    other.wait_said(0, "Receiving new incoming call");
    other.command("answer");
    wait_heard(&floor.carrier, &customer, OTHER_HZ);
    wait_hears(&other, CUSTOMER_HZ);
    other.command("terminate");
    floor.carrier.wait(What::Bye, 1, LIMIT);
    assert_eq!(wait_bills(&floor.crm, 1)[0]["extnumber"], json!("1004"));
}
