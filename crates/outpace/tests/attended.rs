//! Goal: an agent asks another one, or a number outside, while the customer waits, and puts the two together.

mod harness;

use std::time::Duration;

use harness::baresip::Baresip;
use harness::floor::{AGENT_HZ, CUSTOMER_HZ, Floor, HOLD_HZ, with_hold_music};
use harness::hearing::{first, status_of, wait_bills, wait_heard};
use harness::linphone::Linphone;
use harness::peer::{Outgoing, What};
use harness::rtp::tone_share;
use harness::server::PASSWORD;
use harness::wait_for;
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(30);
const NUMBER: &str = "13900000001";
const EXPERT: &str = "13900000002";
const OTHER_HZ: f64 = 2300.0;

fn floor() -> Floor {
    Floor::that_holds(with_hold_music)
}

/// 1001 has called the customer and holds him: the customer's leg, and the agent's.
fn held(floor: &Floor) -> (String, Outgoing) {
    let (customer, call) = floor.dialed_talk(NUMBER);
    assert_eq!(floor.agents.offer(&call.call_id, "sendonly").status(), 200);
    wait_heard(&floor.carrier, &customer, HOLD_HZ);
    (customer, call)
}

/// REFER with Replaces, which stands for the agent's other call; what the phone was told of it.
fn join(floor: &Floor, held: &Outgoing, consult: &Outgoing, to: &str) -> String {
    let before = floor.agents.asked("NOTIFY").len();
    let (ours, theirs) = floor.agents.tags(&consult.call_id);
    let replaces = format!("{}%3Bto-tag%3D{theirs}%3Bfrom-tag%3D{ours}", consult.call_id);
    let header = format!("Refer-To: <sip:{to}@{}?Replaces={replaces}>\r\n", floor.server.sip);
    assert_eq!(floor.agents.ask(&held.call_id, "REFER", &header, ("", "")).status(), 202);
    wait_for("the last NOTIFY", LIMIT, || {
        let all = floor.agents.asked("NOTIFY");
        let last = all.get(before..)?.last()?.body.trim().to_owned();
        (!last.contains("100")).then_some(last)
    })
}

#[test]
fn another_agent_who_was_asked_goes_on_with_the_customer() {
    let floor = floor();
    let other = floor.phone("1003", OTHER_HZ);
    floor.crm.wait_registered(&["1003".to_owned()]);
    let (customer, call) = held(&floor);
    let consult = floor.agents.dial(floor.server.sip, "1001", PASSWORD, "1003").expect("answered");
    let asked = first(other.wait(What::Confirmed, 1, LIMIT)).call_id;
    wait_heard(&floor.agents, &consult.call_id, OTHER_HZ);
    wait_heard(&other, &asked, AGENT_HZ);
    wait_heard(&floor.carrier, &customer, HOLD_HZ);
    // No third call.
    assert_eq!(floor.agents.dial(floor.server.sip, "1001", PASSWORD, "1002").err(), Some(486));
    // What is no call of this phone's.
    let stranger = "Refer-To: <sip:1003@x?Replaces=other%3Bto-tag%3Da%3Bfrom-tag%3Db>\r\n";
    assert_eq!(floor.agents.ask(&call.call_id, "REFER", stranger, ("", "")).status(), 202);
    wait_for("the refusal", LIMIT, || {
        floor.agents.asked("NOTIFY").iter().any(|m| m.body.contains("481")).then_some(())
    });
    assert_eq!(join(&floor, &call, &consult, "1003"), "SIP/2.0 200 OK");
    floor.agents.wait(What::Bye, 2, LIMIT);
    wait_heard(&floor.carrier, &customer, OTHER_HZ);
    wait_heard(&other, &asked, CUSTOMER_HZ);
    assert_eq!(status_of(&floor.crm, "1003"), json!(1204));
    wait_for("the first agent to be free", LIMIT, || {
        (status_of(&floor.crm, "1001") != json!(1204)).then_some(())
    });
    assert!(floor.crm.call("App.Sip_Call.HangupCall", &[("extnumber", "1003")]).is_success());
    floor.carrier.wait(What::Bye, 1, LIMIT);
    let bills = wait_bills(&floor.crm, 2);
    let of = |number: &str| bills.iter().find(|bill| bill["destnumber"] == json!(number)).expect("a bill");
    assert_eq!((&of("1003")["callmethod"], &of("1003")["extnumber"]), (&json!(1), &json!("1001")));
    assert_eq!((&of(NUMBER)["callmethod"], &of(NUMBER)["extnumber"]), (&json!(2), &json!("1003")));
}

#[test]
fn a_number_outside_that_was_asked_goes_on_with_the_customer() {
    let floor = floor();
    let (customer, call) = held(&floor);
    assert_eq!(floor.agents.dial(floor.server.sip, "1001", PASSWORD, "0044200000").err(), Some(403));
    let consult = floor.agents.dial(floor.server.sip, "1001", PASSWORD, EXPERT).expect("answered");
    let expert = floor.carrier.wait(What::Confirmed, 2, LIMIT).remove(1).call_id;
    wait_heard(&floor.carrier, &expert, AGENT_HZ);
    assert_eq!(join(&floor, &call, &consult, EXPERT), "SIP/2.0 200 OK");
    floor.agents.wait(What::Bye, 2, LIMIT);
    // Both are at the carrier, with its tone.
    wait_heard(&floor.carrier, &customer, CUSTOMER_HZ);
    wait_heard(&floor.carrier, &expert, CUSTOMER_HZ);
    assert_ne!(status_of(&floor.crm, "1001"), json!(1204));
    let first_bill = wait_bills(&floor.crm, 1).remove(0);
    assert_eq!(first_bill["destnumber"], json!(NUMBER));
    // The customer hangs up: the other one is told.
    let bye = floor.carrier.ask(&customer, "BYE", "", ("", ""));
    assert_eq!(bye.status(), 200);
    assert_eq!(first(floor.carrier.wait(What::Bye, 1, LIMIT)).call_id, expert);
    let bills = wait_bills(&floor.crm, 2);
    let bill = bills.iter().find(|bill| bill["destnumber"] == json!(EXPERT)).expect("a bill");
    assert_eq!((&bill["callmethod"], &bill["extnumber"]), (&json!(2), &json!("1001")), "{bill}");
}

#[test]
fn when_the_customer_goes_the_agent_is_still_in_the_other_call() {
    let floor = floor();
    let (customer, _call) = held(&floor);
    let consult = floor.agents.dial(floor.server.sip, "1001", PASSWORD, EXPERT).expect("answered");
    assert_eq!(floor.carrier.ask(&customer, "BYE", "", ("", "")).status(), 200);
    floor.agents.wait(What::Bye, 1, LIMIT);
    wait_heard(&floor.agents, &consult.call_id, CUSTOMER_HZ);
    assert_eq!(status_of(&floor.crm, "1001"), json!(1204));
    floor.agents.hang_up(&consult);
    wait_bills(&floor.crm, 2);
    wait_for("the agent to be free", LIMIT, || (status_of(&floor.crm, "1001") != json!(1204)).then_some(()));
}

#[test]
fn a_real_phone_puts_its_two_calls_together() {
    let floor = floor();
    let mut phone = Linphone::start(AGENT_HZ, floor.server.sip, &floor.ports, ("1003", PASSWORD), "udp");
    let other = Baresip::with_tone(OTHER_HZ, floor.server.sip, &floor.ports, ("1004", PASSWORD), "udp");
    floor.crm.wait_registered(&["1003".to_owned(), "1004".to_owned()]);
    phone.command(&format!("call sip:{NUMBER}@{}", floor.server.sip));
    let customer = first(floor.carrier.wait(What::Confirmed, 1, LIMIT)).call_id;
    wait_heard(&floor.carrier, &customer, AGENT_HZ);
    phone.command("pause");
    wait_heard(&floor.carrier, &customer, HOLD_HZ);
    phone.command(&format!("call sip:1004@{}", floor.server.sip));
    wait_for("the other phone to hear the first", LIMIT, || {
        (tone_share(&other.heard(), AGENT_HZ) > 0.9).then_some(())
    });
    phone.command("transfer 1 --to-call 2");
    wait_heard(&floor.carrier, &customer, OTHER_HZ);
    wait_for("the customer at the other phone", LIMIT, || {
        (tone_share(&other.heard(), CUSTOMER_HZ) > 0.9).then_some(())
    });
}
