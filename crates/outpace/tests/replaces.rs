//! Goal: a phone takes the place of a leg of its own company (INVITE with Replaces), and of no other.

mod harness;

use std::time::Duration;

use harness::floor::{AGENT_HZ, CUSTOMER_HZ, Floor, with_hold_music};
use harness::hearing::{first, status_of, wait_bills, wait_heard};
use harness::peer::{Behaviour, Outgoing, Peer, What};
use harness::rtp::Sound;
use harness::seconds;
use harness::server::{CALLER_ID, Company, PASSWORD, Setup};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(30);
const NUMBER: &str = "13900000001";
const OTHER_HZ: f64 = 2300.0;

/// Two companies; customers of the first may call.
fn floor() -> Floor {
    Floor::that_holds(|setup: Setup| {
        let mut setup = with_hold_music(setup).company(Company::new("2").extensions(2001, 1));
        setup.companies[0].inbound_keys = "enabled = true\ngroup = \"sales\"\nring_s = 20.0".to_owned();
        setup
    })
}

/// The header that names a dialog, as the peer has it.
fn replaces(peer: &Peer, call_id: &str) -> String {
    let (ours, theirs) = peer.tags(call_id);
    format!("Replaces: {call_id};to-tag={theirs};from-tag={ours}\r\n")
}

fn take(floor: &Floor, phone: &Peer, extension: &str, header: &str) -> Result<Outgoing, u16> {
    phone.dial_with(floor.server.sip, (extension, PASSWORD), "0", header)
}

#[test]
fn another_phone_of_the_company_goes_on_with_a_talk_and_no_stranger_does() {
    let floor = floor();
    let (other, stranger) = (floor.phone("1003", OTHER_HZ), floor.phone("2001", OTHER_HZ));
    floor.crm.wait_registered(&["1003".to_owned()]);
    let (customer, call) = floor.dialed_talk(NUMBER);
    let header = replaces(&floor.agents, &call.call_id);
    assert_eq!(take(&floor, &stranger, "2001", &header).err(), Some(481), "another company");
    let by_carrier = floor.carrier.bring_with(floor.server.sip, NUMBER, CALLER_ID, &header);
    assert_eq!(by_carrier.err(), Some(481), "a carrier");
    let of_customer = replaces(&floor.carrier, &customer);
    for (wrong, status) in [
        ("Replaces: nobody;to-tag=a;from-tag=b\r\n".to_owned(), 481),
        (header.replace("from-tag=", "from-tag=x"), 481),
        (header.replace("to-tag=", "to-tag=x"), 481),
        (of_customer, 481),
        (header.replace("\r\n", ";early-only\r\n"), 486),
        ("Replaces: nobody\r\n".to_owned(), 400),
        (format!("{header}{header}"), 400),
    ] {
        assert_eq!(take(&floor, &other, "1003", &wrong).err(), Some(status), "{wrong}");
    }
    wait_heard(&floor.carrier, &customer, AGENT_HZ);
    let taken = take(&floor, &other, "1003", &format!("{header}Require: replaces\r\n")).expect("answered");
    assert_eq!(first(floor.agents.wait(What::Bye, 1, LIMIT)).call_id, call.call_id);
    wait_heard(&floor.carrier, &customer, OTHER_HZ);
    wait_heard(&other, &taken.call_id, CUSTOMER_HZ);
    assert_eq!(status_of(&floor.crm, "1003"), json!(1204));
    assert_ne!(status_of(&floor.crm, "1001"), json!(1204));
    assert_eq!(take(&floor, &other, "1003", &header).err(), Some(481), "it is over");
    other.hang_up(&taken);
    floor.carrier.wait(What::Bye, 1, LIMIT);
    let bill = wait_bills(&floor.crm, 1).remove(0);
    assert_eq!((&bill["extnumber"], &bill["destnumber"]), (&json!("1003"), &json!(NUMBER)), "{bill}");
}

#[test]
fn who_was_asked_takes_the_place_of_who_asked() {
    let floor = floor();
    let other = floor.phone("1003", OTHER_HZ);
    floor.crm.wait_registered(&["1003".to_owned()]);
    let (customer, call) = floor.dialed_talk(NUMBER);
    assert_eq!(floor.agents.offer(&call.call_id, "sendonly").status(), 200);
    let consult = floor.agents.dial(floor.server.sip, "1001", PASSWORD, "1003").expect("answered");
    wait_heard(&floor.agents, &consult.call_id, OTHER_HZ);
    let asked = first(other.wait(What::Confirmed, 1, LIMIT)).call_id;
    let taken = take(&floor, &other, "1003", &replaces(&floor.agents, &call.call_id)).expect("answered");
    floor.agents.wait(What::Bye, 2, LIMIT);
    assert_eq!(first(other.wait(What::Bye, 1, LIMIT)).call_id, asked);
    wait_heard(&floor.carrier, &customer, OTHER_HZ);
    wait_heard(&other, &taken.call_id, CUSTOMER_HZ);
    other.hang_up(&taken);
    let bills = wait_bills(&floor.crm, 2);
    let of = |number: &str| bills.iter().find(|bill| bill["destnumber"] == json!(number)).expect("a bill");
    assert_eq!((&of("1003")["extnumber"], &of(NUMBER)["extnumber"]), (&json!("1001"), &json!("1003")));
}

#[test]
fn an_agent_goes_on_at_another_phone() {
    let floor = floor();
    let desk = Peer::start(floor.ports.next(), Sound::Tone(OTHER_HZ), |_| Behaviour::rings());
    let (customer, call) = floor.dialed_talk(NUMBER);
    let taken = take(&floor, &desk, "1001", &replaces(&floor.agents, &call.call_id)).expect("answered");
    floor.agents.wait(What::Bye, 1, LIMIT);
    wait_heard(&floor.carrier, &customer, OTHER_HZ);
    wait_heard(&desk, &taken.call_id, CUSTOMER_HZ);
    // The new leg has all that the old one had.
    assert_eq!(desk.offer(&taken.call_id, "sendrecv").status(), 200);
    assert_eq!(floor.carrier.ask(&customer, "BYE", "", ("", "")).status(), 200);
    let bill = wait_bills(&floor.crm, 1).remove(0);
    assert_eq!((&bill["extnumber"], &bill["hangupdirection"]), (&json!("1001"), &json!(10041)), "{bill}");
}

#[test]
fn a_customer_who_rings_at_one_phone_is_picked_up_at_another() {
    let (carrier_sound, agent_sound) = (Sound::Tone(CUSTOMER_HZ), Sound::Tone(AGENT_HZ));
    let setup = |setup: Setup| {
        let mut setup = with_hold_music(setup);
        setup.companies[0].inbound_keys = "enabled = true\ngroup = \"sales\"\nring_s = 20.0".to_owned();
        setup
    };
    let plan = harness::floor::Plan { agents: 1, setup, carrier_sound, agent_sound };
    let floor = Floor::open(&plan, |_| Behaviour::answers(seconds(0.05)), |_| Behaviour::rings());
    let other = floor.phone("1003", OTHER_HZ);
    floor.crm.wait_registered(&["1003".to_owned()]);
    std::thread::scope(|scope| {
        let calls = || floor.carrier.bring(floor.server.sip, NUMBER, CALLER_ID);
        let caller = scope.spawn(calls);
        let rung = first(floor.agents.wait(What::Invite, 1, LIMIT)).call_id;
        let header = harness::wait_for("the phone to ring", LIMIT, || {
            floor.agents.knows(&rung).then(|| replaces(&floor.agents, &rung))
        });
        let taken = take(&floor, &other, "1003", &header).expect("answered");
        let caller = caller.join().expect("no panic").expect("answered");
        assert_eq!(first(floor.agents.wait(What::Cancel, 1, LIMIT)).call_id, rung);
        wait_heard(&other, &taken.call_id, CUSTOMER_HZ);
        wait_heard(&floor.carrier, &caller.call_id, OTHER_HZ);
        floor.carrier.hang_up(&caller);
    });
    let bill = wait_bills(&floor.crm, 1).remove(0);
    assert_eq!((&bill["extnumber"], &bill["direction"]), (&json!("1003"), &json!("callin")), "{bill}");
}
