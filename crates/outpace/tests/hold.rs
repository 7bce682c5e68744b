//! Goal: a call that is held has music, comes back, and can be handed over from the phone.

mod harness;

use std::time::Duration;

use harness::baresip::Baresip;
use harness::floor::{AGENT_HZ, CUSTOMER_HZ, Floor, HOLD_HZ, with_hold_music};
use harness::hearing::{first, status_of, wait_bills, wait_heard};
use harness::peer::What;
use harness::rtp::tone_share;
use harness::server::PASSWORD;
use harness::{seconds, wait_for};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(30);
const NUMBER: &str = "13900000001";
const OTHER_HZ: f64 = 2300.0;

fn floor() -> Floor {
    Floor::that_holds(|setup| {
        let mut setup = with_hold_music(setup);
        setup.media_keys += "\nrtp_timeout_s = 2";
        setup
    })
}

#[test]
fn who_is_held_hears_music_and_then_the_other_side_again() {
    let floor = floor();
    let (customer, agent) = floor.talk(NUMBER);
    for direction in ["sendonly", "inactive"] {
        let answer = floor.agents.offer(&agent, direction);
        let mirrored = if direction == "sendonly" { "a=recvonly" } else { "a=inactive" };
        assert!(answer.status() == 200 && answer.body.contains(mirrored), "{answer:?}");
        wait_heard(&floor.carrier, &customer, HOLD_HZ);
        assert_eq!(floor.agents.offer(&agent, "sendrecv").status(), 200);
        wait_heard(&floor.carrier, &customer, AGENT_HZ);
        wait_heard(&floor.agents, &agent, CUSTOMER_HZ);
    }
    // The customer's network holds: with music of its own, and without.
    assert_eq!(floor.carrier.offer(&customer, "sendonly").status(), 200);
    wait_heard(&floor.agents, &agent, CUSTOMER_HZ);
    assert_eq!(floor.carrier.offer(&customer, "inactive").status(), 200);
    wait_heard(&floor.agents, &agent, HOLD_HZ);
    assert_eq!(floor.carrier.offer(&customer, "sendrecv").status(), 200);
    wait_heard(&floor.agents, &agent, CUSTOMER_HZ);
}

#[test]
fn a_phone_that_sends_nothing_while_it_holds_does_not_lose_its_call() {
    let floor = floor();
    let phone = Baresip::with_tone(OTHER_HZ, floor.server.sip, &floor.ports, ("1003", PASSWORD), "udp");
    floor.crm.wait_registered(&["1003".to_owned()]);
    phone.command("dial", &format!("sip:{NUMBER}@{}", floor.server.sip));
    let customer = first(floor.carrier.wait(What::Confirmed, 1, LIMIT)).call_id;
    wait_heard(&floor.carrier, &customer, OTHER_HZ);
    phone.command("hold", "");
    wait_heard(&floor.carrier, &customer, HOLD_HZ);
    // Longer than silence is borne in a talk.
    let held = std::time::Instant::now();
    wait_for("five seconds of holding", LIMIT, || (held.elapsed() > seconds(5.0)).then_some(()));
    wait_heard(&floor.carrier, &customer, HOLD_HZ);
    phone.command("resume", "");
    wait_heard(&floor.carrier, &customer, OTHER_HZ);
    assert_eq!(status_of(&floor.crm, "1003"), json!(1204));
}

#[test]
fn a_phone_hands_its_call_to_another_extension() {
    let floor = floor();
    let (customer, agent) = floor.talk(NUMBER);
    let _other = floor.phone("1003", OTHER_HZ);
    floor.crm.wait_registered(&["1003".to_owned()]);
    let refer = |target: &str| {
        let header = format!("Refer-To: <{target}>\r\n");
        floor.agents.ask(&agent, "REFER", &header, ("", "")).status()
    };
    let told = |count: usize| {
        wait_for("NOTIFY", LIMIT, || {
            let all = floor.agents.asked("NOTIFY");
            (all.len() >= count).then(|| all[count - 1].body.trim().to_owned())
        })
    };
    let server = floor.server.sip;
    assert_eq!(refer(&format!("sip:9999@{server}")), 202);
    assert_eq!(told(2), "SIP/2.0 403 Forbidden", "neither an extension nor a number that may be called");
    wait_heard(&floor.carrier, &customer, AGENT_HZ);
    assert_eq!(
        floor
            .carrier
            .ask(&customer, "REFER", &format!("Refer-To: <sip:1003@{server}>\r\n"), ("", ""))
            .status(),
        202
    );
    assert_eq!(refer(&format!("sip:1003@{server}")), 202);
    assert_eq!((told(3).as_str(), told(4).as_str()), ("SIP/2.0 100 Trying", "SIP/2.0 200 OK"));
    floor.agents.wait(What::Bye, 1, LIMIT);
    wait_heard(&floor.carrier, &customer, OTHER_HZ);
    let refused = floor.carrier.asked("NOTIFY");
    assert_eq!(refused[0].body.trim(), "SIP/2.0 403 Forbidden", "customers hand nothing over");
    assert_eq!((status_of(&floor.crm, "1003"), floor.carrier.all(What::Bye).len()), (json!(1204), 0));
    floor.crm.call("App.Sip_Call.HangupCall", &[("extnumber", "1003")]);
    assert_eq!(wait_bills(&floor.crm, 1)[0]["extnumber"], json!("1003"));
}

#[test]
fn a_real_phone_hands_its_call_over() {
    let floor = floor();
    let phone = |extension: &str, hz: f64| {
        Baresip::with_tone(hz, floor.server.sip, &floor.ports, (extension, PASSWORD), "udp")
    };
    let (one, other) = (phone("1003", 1300.0), phone("1004", OTHER_HZ));
    floor.crm.wait_registered(&["1003".to_owned(), "1004".to_owned()]);
    one.command("dial", &format!("sip:{NUMBER}@{}", floor.server.sip));
    let customer = first(floor.carrier.wait(What::Confirmed, 1, LIMIT)).call_id;
    wait_heard(&floor.carrier, &customer, 1300.0);
    one.command("transfer", &format!("sip:1004@{}", floor.server.sip));
    wait_heard(&floor.carrier, &customer, OTHER_HZ);
    wait_for("the customer at the other phone", LIMIT, || {
        (tone_share(&other.heard(), CUSTOMER_HZ) > 0.9).then_some(())
    });
}
