//! Goal: what the customer says reaches the agent and back, byte by byte.

mod harness;

use std::time::Duration;

use harness::baresip::{Baresip, TONE_HZ};
use harness::crm::row_of;
use harness::floor::{Floor, Plan, numbers};
use harness::peer::{Behaviour, Peer, What};
use harness::ports::Ports;
use harness::rtp::{PCMU, Sound, pattern_frames, samples, tone_share};
use harness::server::{Company, PASSWORD, Setup};
use harness::{seconds, wait_for};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(30);
const CUSTOMER: Sound = Sound::Pattern(1);
const AGENT: Sound = Sound::Pattern(2);

fn plan() -> Plan {
    Plan { agents: 1, carrier_sound: CUSTOMER, agent_sound: AGENT, ..Plan::default() }
}

/// Most of `least` frames came, in order.
fn check_frames(who: &str, frames: &[u32], least: usize) {
    assert!(frames.len() >= least, "{who} heard {} frames, not {least}", frames.len());
    assert!(frames.is_sorted(), "{who} heard frames out of order");
}

#[test]
fn customer_and_agent_hear_each_other_byte_by_byte() {
    let customer = |_: &str| Behaviour::answers(seconds(0.1)).and_hangs_up_after(seconds(2.0));
    let floor = Floor::open(&plan(), customer, |_| Behaviour::answers(seconds(0.05)));
    let taskid = floor.crm.create(&numbers(50, 1), &[]);
    let rows = floor.crm.wait_ended(&taskid, LIMIT);
    assert_eq!(rows[0]["answered"], json!(1));
    let answered = &floor.carrier.all(What::Confirmed)[0];
    let offered = &floor.agents.all(What::Confirmed)[0];
    // Two seconds are a hundred frames; the agent's phone takes some of them to answer.
    let heard = floor.carrier.packets(&answered.call_id);
    check_frames("the customer", &pattern_frames(&heard, 2), 80);
    check_frames("the agent", &pattern_frames(&floor.agents.packets(&offered.call_id), 1), 80);
    assert!(pattern_frames(&heard, 1).is_empty(), "the customer does not hear himself");
    floor.agents.wait(What::Bye, 1, LIMIT);
    assert_eq!(floor.carrier.wait(What::HungUp(200), 1, LIMIT).len(), 1);
}

#[test]
fn a_leg_that_is_kept_up_serves_call_after_call() {
    let setup = |setup: Setup| {
        setup.dialing("no_answer_s = 2.0\nring_min_s = 1.0\nwrap_up_s = 0.1\nagent_legs = \"kept_up\"")
    };
    let customer = |_: &str| Behaviour::answers(seconds(0.1)).and_hangs_up_after(seconds(1.0));
    let plan = Plan { setup, ..plan() };
    let floor = Floor::open(&plan, customer, |_| Behaviour::answers(seconds(0.05)));
    let numbers = numbers(51, 3);
    let rows = floor.crm.wait_ended(&floor.crm.create(&numbers, &[]), LIMIT);
    for row in &rows {
        assert_eq!((&row["answered"], &row["extnumber"]), (&json!(1), &json!("1001")), "{row}");
    }
    assert_eq!(floor.agents.all(What::Invite).len(), 1, "one leg for all calls");
    assert_eq!(floor.agents.all(What::Bye).len(), 0, "it stays up");
    let leg = &floor.agents.all(What::Confirmed)[0];
    let heard = pattern_frames(&floor.agents.packets(&leg.call_id), 1);
    assert!(heard.len() >= 3 * 40, "the agent heard {} frames", heard.len());
    for answered in floor.carrier.all(What::Confirmed) {
        let packets = floor.carrier.packets(&answered.call_id);
        check_frames("a customer", &pattern_frames(&packets, 2), 40);
        let first = packets.iter().find(|p| !pattern_frames(std::slice::from_ref(p), 2).is_empty());
        let opened = first.expect("heard above").at.saturating_duration_since(answered.at);
        println!("answer to audio: {:.1} ms", opened.as_secs_f64() * 1000.0);
        // One frame time of waiting for the agent's next frame is part of it.
        assert!(opened < seconds(0.3), "{opened:?}");
    }
}

#[test]
fn the_agent_gets_the_codec_that_the_customer_took() {
    let customer = |_: &str| Behaviour::answers(seconds(0.1)).and_hangs_up_after(seconds(1.5));
    let floor = Floor::open(&plan(), customer, |_| Behaviour::answers(seconds(0.05)));
    floor.carrier.prefer(PCMU);
    let numbers = numbers(54, 1);
    floor.crm.wait_ended(&floor.crm.create(&numbers, &[]), LIMIT);
    let offered = &floor.agents.all(What::Confirmed)[0];
    for (packets, seed) in
        [(floor.carrier.packets_of(&numbers[0]), 2), (floor.agents.packets(&offered.call_id), 1)]
    {
        assert!(pattern_frames(&packets, seed).len() >= 50);
        assert!(packets.iter().all(|p| p.payload_type == PCMU));
    }
}

#[test]
fn a_call_whose_customer_vanishes_without_a_word_is_ended() {
    let setup = |mut setup: Setup| {
        setup.media_keys = "rtp_timeout_s = 2".into();
        setup
    };
    let plan = Plan { setup, ..plan() };
    let floor =
        Floor::open(&plan, |_| Behaviour::answers(seconds(0.1)), |_| Behaviour::answers(seconds(0.05)));
    let taskid = floor.crm.create(&numbers(55, 1), &[]);
    floor.agents.wait(What::Confirmed, 1, LIMIT);
    wait_for("the customer's voice at the agent", LIMIT, || {
        let leg = &floor.agents.all(What::Confirmed)[0];
        (!pattern_frames(&floor.agents.packets(&leg.call_id), 1).is_empty()).then_some(())
    });
    floor.carrier.power_off();
    let gone = std::time::Instant::now();
    let ended = &floor.agents.wait(What::Bye, 1, LIMIT)[0];
    let noticed = ended.at - gone;
    assert!(noticed > seconds(1.0) && noticed < seconds(6.0), "noticed after {noticed:?}");
    let rows = floor.crm.wait_ended(&taskid, LIMIT);
    assert_eq!(rows[0]["answered"], json!(1), "they had talked");
}

#[test]
fn customers_do_not_hear_each_other() {
    let customer = |_: &str| Behaviour::answers(seconds(0.1)).and_hangs_up_after(seconds(1.5));
    let plan = Plan { agents: 4, carrier_sound: CUSTOMER, agent_sound: AGENT, ..Plan::default() };
    let floor = Floor::open(&plan, customer, |_| Behaviour::answers(seconds(0.05)));
    let numbers = numbers(52, 4);
    floor.crm.wait_ended(&floor.crm.create(&numbers, &[]), LIMIT);
    for answered in floor.carrier.all(What::Confirmed) {
        let packets = floor.carrier.packets(&answered.call_id);
        assert!(pattern_frames(&packets, 1).is_empty());
        // Two streams mixed up would repeat or jump.
        check_frames("a customer", &pattern_frames(&packets, 2), 50);
        let sources: std::collections::HashSet<_> = packets.iter().map(|p| p.from).collect();
        assert_eq!(sources.len(), 1, "one leg, one port");
    }
}

#[test]
fn baresip_as_the_agent_talks_with_the_customer() {
    talk_with_baresip("udp");
}

#[test]
fn baresip_as_the_agent_may_come_over_tcp() {
    talk_with_baresip("tcp");
}

fn talk_with_baresip(transport: &str) {
    let ports = Ports::reserve();
    let customer_hz = 1000.0;
    let customer = |_: &str| Behaviour::answers(seconds(0.2)).and_hangs_up_after(seconds(3.0));
    let carrier = Peer::start(ports.next(), Sound::Tone(customer_hz), customer);
    let setup = Setup::new(&ports).company(Company::new("1").trunk(carrier.port).agents(1001, 1));
    let server = setup.start();
    let agent = Baresip::start(server.sip, &ports, "1001", PASSWORD, transport);
    let crm = server.crm(0);
    crm.wait_registered(&["1001".to_owned()]);
    let numbers = numbers(53, 1);
    let rows = crm.wait_ended(&crm.create(&numbers, &[]), LIMIT);
    let row = row_of(&rows, &numbers[0]);
    assert_eq!((&row["answered"], &row["extnumber"]), (&json!(1), &json!("1001")), "{row}");
    let heard = samples(&carrier.packets_of(&numbers[0]));
    assert!(tone_share(&heard, TONE_HZ) > 0.9, "the customer heard baresip's tone");
    wait_for("the customer's tone in baresip's recording", LIMIT, || {
        (tone_share(&agent.heard(), customer_hz) > 0.9).then_some(())
    });
}

/// baresip reports by RTCP on a port of its own, every 5 s; the carrier's peer never does.
#[test]
fn how_a_call_sounded_on_both_sides_is_in_its_row_and_its_bill() {
    let ports = Ports::reserve();
    let customer = |_: &str| Behaviour::answers(seconds(0.2)).and_hangs_up_after(seconds(9.0));
    let carrier = Peer::start(ports.next(), Sound::Tone(1000.0), customer);
    let setup = Setup::new(&ports).company(Company::new("1").trunk(carrier.port).agents(1001, 1));
    let server = setup.start();
    let _agent = Baresip::start(server.sip, &ports, "1001", PASSWORD, "udp");
    let crm = server.crm(0);
    crm.wait_registered(&["1001".to_owned()]);
    crm.wait_ended(&crm.create(&numbers(56, 1), &[]), LIMIT);
    let quality = wait_for("how both sides sounded", LIMIT, || {
        let quality = crm.v1("calls")["items"][0]["quality"].clone();
        (quality["customer"].is_object() && quality["agent"].is_object()).then_some(quality)
    });
    let number = |side: &str, name: &str| quality[side][name].as_f64().unwrap_or(-1.0);
    for side in ["customer", "agent"] {
        assert!(number(side, "packets_in") > 350.0 && number(side, "packets_out") > 350.0, "{quality}");
        assert!(number(side, "mos_in") > 3.5, "{quality}");
    }
    assert!(quality["customer"]["mos_out"].is_null(), "{quality}");
    assert!(number("agent", "mos_out") > 3.5 && number("agent", "lost_out") >= 0.0, "{quality}");
    assert!((0.0..1000.0).contains(&number("agent", "round_trip_ms")), "{quality}");
    assert_eq!(crm.v1("bills")["items"][0]["quality"], quality);
}
