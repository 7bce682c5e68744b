//! Goal: a phone hands its customer to a number outside without asking there first (blind REFER), as the company allows.

mod harness;

use std::time::Duration;

use harness::crm::row_of;
use harness::floor::{AGENT_HZ, CUSTOMER_HZ, Floor, HOLD_HZ, Plan, with_hold_music};
use harness::hearing::{first, status_of, wait_bills, wait_heard};
use harness::peer::{Behaviour, What};
use harness::rtp::Sound;
use harness::server::Setup;
use harness::{seconds, wait_for};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(30);
const NUMBER: &str = "13900000001";
const EXPERT: &str = "13900000002";
const BUSY: &str = "13900000003";
const SLOW: &str = "13900000004";
const LISTED: &str = "13900000005";
const BUSY_LATER: &str = "13900000006";

fn floor() -> Floor {
    floor_of(2, with_hold_music)
}

fn floor_of(agents: u32, setup: fn(Setup) -> Setup) -> Floor {
    let customer = |number: &str| match number {
        BUSY => Behaviour::rejects(486, seconds(0.2)),
        BUSY_LATER => Behaviour::rejects(486, seconds(1.5)),
        SLOW => Behaviour::answers(seconds(1.5)),
        _ => Behaviour::answers(seconds(0.2)),
    };
    let (carrier_sound, agent_sound) = (Sound::Tone(CUSTOMER_HZ), Sound::Tone(AGENT_HZ));
    let plan = Plan { agents, setup, carrier_sound, agent_sound };
    Floor::open(&plan, customer, |_| Behaviour::answers(seconds(0.05)))
}

fn refer(floor: &Floor, call_id: &str, number: &str) {
    let header = format!("Refer-To: <sip:{number}@{}>\r\n", floor.server.sip);
    assert_eq!(floor.agents.ask(call_id, "REFER", &header, ("", "")).status(), 202);
}

/// What the phone was told of its REFERs, until this.
fn wait_told(floor: &Floor, last: u16) -> Vec<u16> {
    let status = |body: &str| body.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status");
    wait_for(&format!("NOTIFY with {last}"), LIMIT, || {
        let all: Vec<u16> = floor.agents.asked("NOTIFY").iter().map(|m| status(&m.body)).collect();
        (all.last() == Some(&last)).then_some(all)
    })
}

#[test]
fn the_customer_goes_on_with_the_number_outside() {
    let floor = floor();
    let (customer, call) = floor.dialed_talk(NUMBER);
    refer(&floor, &call.call_id, EXPERT);
    assert_eq!(wait_told(&floor, 200), [100, 180, 200]);
    assert_eq!(first(floor.agents.wait(What::Bye, 1, LIMIT)).call_id, call.call_id);
    let expert = floor.carrier.wait(What::Confirmed, 2, LIMIT).remove(1).call_id;
    // Both are at the carrier, with its tone.
    wait_heard(&floor.carrier, &customer, CUSTOMER_HZ);
    wait_heard(&floor.carrier, &expert, CUSTOMER_HZ);
    assert_ne!(status_of(&floor.crm, "1001"), json!(1204));
    assert_eq!(floor.carrier.ask(&customer, "BYE", "", ("", "")).status(), 200);
    assert_eq!(first(floor.carrier.wait(What::Bye, 1, LIMIT)).call_id, expert);
    let bills = wait_bills(&floor.crm, 2);
    for number in [NUMBER, EXPERT] {
        let bill = bills.iter().find(|bill| bill["destnumber"] == json!(number)).expect("a bill");
        assert_eq!((&bill["callmethod"], &bill["extnumber"]), (&json!(2), &json!("1001")), "{bill}");
    }
}

#[test]
fn the_customer_stays_with_the_agent_when_the_number_may_not_be_called_or_is_not_reached() {
    let floor = floor();
    floor.server.admin(&["dnc", "add", LISTED]);
    let (customer, call) = floor.dialed_talk(NUMBER);
    // What is no number; against the company's beginnings; on its list; busy.
    for (number, status) in [("nobody", 404), ("0044200000", 403), (LISTED, 403), (BUSY, 486)] {
        refer(&floor, &call.call_id, number);
        wait_told(&floor, status);
        wait_heard(&floor.carrier, &customer, AGENT_HZ);
        assert_eq!(status_of(&floor.crm, "1001"), json!(1204));
    }
    let called = floor.carrier.invites_by_number();
    assert_eq!((called.get(LISTED), called.get(BUSY)), (None, Some(&1)));
    floor.agents.hang_up(&call);
    let bills = wait_bills(&floor.crm, 2);
    assert!(bills.iter().any(|b| b["destnumber"] == json!(BUSY) && b["billsec"] == json!(0)), "{bills:?}");
}

#[test]
fn a_phone_that_hangs_up_at_once_leaves_the_customer_waiting_for_the_answer() {
    let floor = floor();
    let (customer, call) = floor.dialed_talk(NUMBER);
    refer(&floor, &call.call_id, SLOW);
    floor.agents.hang_up(&call);
    let slow = floor.carrier.wait(What::Confirmed, 2, LIMIT).remove(1).call_id;
    wait_heard(&floor.carrier, &customer, CUSTOMER_HZ);
    wait_heard(&floor.carrier, &slow, CUSTOMER_HZ);
    assert_eq!(floor.carrier.ask(&slow, "BYE", "", ("", "")).status(), 200);
    assert_eq!(first(floor.carrier.wait(What::Bye, 1, LIMIT)).call_id, customer);
    wait_bills(&floor.crm, 2);
}

/// A campaign's customer, left by his agent to a number that is busy a little later: the customer's leg, and the task.
fn left(floor: &Floor) -> (String, String) {
    let task = floor.crm.create(&[NUMBER.to_owned()], &[]);
    let customer = first(floor.carrier.wait(What::Confirmed, 1, LIMIT)).call_id;
    let agent = first(floor.agents.wait(What::Confirmed, 1, LIMIT)).call_id;
    wait_heard(&floor.carrier, &customer, AGENT_HZ);
    refer(floor, &agent, BUSY_LATER);
    assert_eq!(floor.agents.ask(&agent, "BYE", "", ("", "")).status(), 200);
    (customer, task)
}

/// The customer talks with the agent who took him then, and is not counted as abandoned.
fn talks_again(floor: &Floor, customer: &str, task: &str) {
    let agent = floor.agents.wait(What::Confirmed, 2, LIMIT).remove(1).call_id;
    wait_heard(&floor.carrier, customer, AGENT_HZ);
    wait_heard(&floor.agents, &agent, CUSTOMER_HZ);
    assert_eq!(floor.agents.ask(&agent, "BYE", "", ("", "")).status(), 200);
    assert_eq!(first(floor.carrier.wait(What::Bye, 1, LIMIT)).call_id, customer);
    let rows = floor.crm.wait_ended(task, LIMIT);
    let row = row_of(&rows, NUMBER);
    assert_eq!(row["answered"], json!(1), "{row}");
    assert_eq!(floor.server.sql("SELECT sum(abandoned) FROM campaigns"), ["0"]);
    let bills = wait_bills(&floor.crm, 2);
    let busy = bills.iter().find(|bill| bill["destnumber"] == json!(BUSY_LATER)).expect("a bill");
    assert_eq!(busy["billsec"], json!(0), "{busy}");
}

#[test]
fn the_customer_of_a_phone_that_has_hung_up_goes_to_another_agent_when_the_number_is_busy() {
    let floor = floor();
    let (customer, task) = left(&floor);
    talks_again(&floor, &customer, &task);
}

#[test]
fn the_customer_of_a_phone_that_has_hung_up_waits_with_music_when_the_number_is_busy_and_nobody_is_free() {
    let floor = floor_of(1, |setup| {
        with_hold_music(setup)
            .dialing("no_answer_s = 2.0\nring_min_s = 1.0\nwrap_up_s = 4.0\nmiss_pause_s = 1.0")
    });
    let (customer, task) = left(&floor);
    wait_heard(&floor.carrier, &customer, HOLD_HZ);
    talks_again(&floor, &customer, &task);
}
