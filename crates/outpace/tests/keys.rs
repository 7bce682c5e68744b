//! Goal: keys that one presses reach the other side of the call, whichever way each side tells them, and are written down.

mod harness;

use std::time::Duration;

use harness::floor::{AGENT_HZ, CUSTOMER_HZ, Floor, Plan};
use harness::hearing::{first, wait_bills, wait_heard};
use harness::peer::{Behaviour, Peer, What};
use harness::rtp::{Sound, keys_in, samples};
use harness::server::{PASSWORD, Setup};
use harness::{seconds, wait_for};
use media::detect::Keypad;
use media::tone;
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(30);
const NUMBER: &str = "13900000001";
/// Payload types of events, other ones on each side.
const CUSTOMER_KEYS: u8 = 96;
const AGENT_KEYS: u8 = 101;

/// 1001 talks with a customer, whose keys go by RTP or not at all.
fn talk(customer_keys: u8, agent_keys: u8) -> (Floor, String, String) {
    let setup = |mut setup: Setup| {
        setup.companies[0].extensions.1 = 3;
        setup
    };
    let (carrier_sound, agent_sound) = (Sound::Tone(CUSTOMER_HZ), Sound::Tone(AGENT_HZ));
    let plan = Plan { agents: 2, setup, carrier_sound, agent_sound };
    let answers = |_: &str| Behaviour::answers(seconds(0.05));
    let floor = Floor::open(&plan, answers, answers);
    floor.carrier.take_keys(customer_keys);
    floor.agents.take_keys(agent_keys);
    let (customer, agent) = floor.talk(NUMBER);
    (floor, customer, agent)
}

fn wait_keys(peer: &Peer, call: &str, payload_type: u8, expected: &str) {
    wait_for(&format!("the keys {expected}"), LIMIT, || {
        (keys_in(&peer.packets(call), payload_type) == expected).then_some(())
    });
}

/// Keys in the INFOs that came.
fn wait_told(peer: &Peer, expected: &str) {
    wait_for(&format!("INFO with {expected}"), LIMIT, || {
        let told: String = peer.asked("INFO").iter().filter_map(|m| m.body.chars().nth(7)).collect();
        (told == expected).then_some(())
    });
}

/// Keys as a telephone without events sends them: 80 ms each.
fn tones(keys: &str) -> Vec<i16> {
    const ROWS: [(f64, &str); 4] = [(697.0, "123A"), (770.0, "456B"), (852.0, "789C"), (941.0, "*0#D")];
    const COLUMNS_HZ: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
    let mut samples = vec![0; 800];
    for key in keys.chars() {
        let found = ROWS.iter().find_map(|(hz, keys)| Some((*hz, keys.find(key)?)));
        let (row_hz, column) = found.expect("a key");
        let sound = tone::dual((row_hz, 4000), (COLUMNS_HZ[column], 4000), Duration::from_millis(80));
        samples.extend(sound.samples());
        samples.resize(samples.len() + 800, 0);
    }
    samples.resize(samples.len().next_multiple_of(160), 0);
    samples
}

/// Until the tones are at the other end, and a second more of what is sent after them: longer than it takes to recognise
/// them on the way.
fn wait_tones(peer: &Peer, call: &str, expected: &str) {
    wait_for(&format!("the tones of {expected}"), LIMIT, || {
        let samples = samples(&peer.packets(call));
        let (frames, _) = samples.as_chunks();
        let mut keypad = Keypad::new();
        let heard: Vec<(usize, char)> =
            frames.iter().enumerate().filter_map(|(n, frame)| Some((n, keypad.feed(frame)?))).collect();
        let is_over = heard.last().is_some_and(|(last, _)| frames.len() > last + 50);
        let keys: String = heard.iter().map(|(_, key)| *key).collect();
        (is_over && keys == expected).then_some(())
    });
}

fn userkey(floor: &Floor) -> serde_json::Value {
    floor.crm.call("App.Sip_Call.HangupCall", &[("extnumber", "1001")]);
    wait_bills(&floor.crm, 1)[0]["userkey"].clone()
}

#[test]
fn events_of_rtp_go_both_ways_and_those_of_the_customer_are_written_down() {
    let (floor, customer, agent) = talk(CUSTOMER_KEYS, AGENT_KEYS);
    floor.carrier.media(&customer).press(CUSTOMER_KEYS, "12#");
    wait_keys(&floor.agents, &agent, AGENT_KEYS, "12#");
    floor.agents.media(&agent).press(AGENT_KEYS, "9*");
    wait_keys(&floor.carrier, &customer, CUSTOMER_KEYS, "9*");
    wait_heard(&floor.agents, &agent, CUSTOMER_HZ);
    assert_eq!(userkey(&floor), json!("12#"));
}

#[test]
fn info_becomes_events_of_rtp_and_the_other_way_round() {
    let (floor, customer, agent) = talk(0, AGENT_KEYS);
    let told = |kind, body| floor.carrier.ask(&customer, "INFO", "", (kind, body)).status();
    assert_eq!(told("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n"), 200);
    assert_eq!(told("application/dtmf", "#"), 200);
    assert_eq!(told("application/dtmf", "no key"), 200);
    wait_keys(&floor.agents, &agent, AGENT_KEYS, "5#");
    floor.agents.media(&agent).press(AGENT_KEYS, "78");
    wait_told(&floor.carrier, "78");
    wait_heard(&floor.agents, &agent, CUSTOMER_HZ);
    assert_eq!(userkey(&floor), json!("5#"));
}

#[test]
fn where_neither_side_takes_events_info_becomes_info() {
    let (floor, customer, _) = talk(0, 0);
    let body = "Signal=4\r\nDuration=160\r\n";
    assert_eq!(floor.carrier.ask(&customer, "INFO", "", ("application/dtmf-relay", body)).status(), 200);
    wait_told(&floor.agents, "4");
    assert_eq!(userkey(&floor), json!("4"));
}

#[test]
fn tones_of_a_customer_without_events_are_written_down_and_heard() {
    let (floor, customer, agent) = talk(0, AGENT_KEYS);
    floor.carrier.media(&customer).play(&tones("1208#"));
    wait_tones(&floor.agents, &agent, "1208#");
    assert_eq!(keys_in(&floor.agents.packets(&agent), AGENT_KEYS), "", "the agent hears the tones already");
    assert_eq!(userkey(&floor), json!("1208#"));
}

#[test]
fn a_press_that_comes_as_tones_and_as_an_event_is_one_and_from_then_on_events_count() {
    let (floor, customer, agent) = talk(CUSTOMER_KEYS, AGENT_KEYS);
    let phone = floor.carrier.media(&customer);
    phone.play(&tones("94"));
    phone.press(CUSTOMER_KEYS, "4");
    wait_keys(&floor.agents, &agent, AGENT_KEYS, "4");
    wait_tones(&floor.agents, &agent, "94");
    phone.play(&tones("7"));
    wait_tones(&floor.agents, &agent, "947");
    phone.press(CUSTOMER_KEYS, "5");
    wait_keys(&floor.agents, &agent, AGENT_KEYS, "45");
    assert_eq!(userkey(&floor), json!("945"));
}

#[test]
fn keys_pass_while_a_supervisor_listens() {
    let (floor, customer, agent) = talk(CUSTOMER_KEYS, AGENT_KEYS);
    let supervisor = Peer::start(floor.ports.next(), Sound::Nothing, |_| Behaviour::answers(seconds(0.05)));
    supervisor.take_keys(AGENT_KEYS);
    supervisor.register(floor.server.sip, "1003", PASSWORD, 300);
    floor.crm.wait_registered(&["1003".to_owned()]);
    let spy = [("extnumber", "1003"), ("destnumber", "1001"), ("monitortype", "1")];
    assert!(floor.crm.call("App.Sip_Call.SpyCall", &spy).is_success());
    let leg = first(supervisor.wait(What::Confirmed, 1, LIMIT)).call_id;
    wait_heard(&supervisor, &leg, CUSTOMER_HZ);
    floor.carrier.media(&customer).press(CUSTOMER_KEYS, "31");
    wait_keys(&floor.agents, &agent, AGENT_KEYS, "31");
    wait_keys(&supervisor, &leg, AGENT_KEYS, "31");
    floor.agents.media(&agent).press(AGENT_KEYS, "0");
    wait_keys(&floor.carrier, &customer, CUSTOMER_KEYS, "0");
    supervisor.media(&leg).press(AGENT_KEYS, "8");
    wait_heard(&floor.agents, &agent, CUSTOMER_HZ);
    wait_heard(&floor.carrier, &customer, AGENT_HZ);
    assert_eq!(
        keys_in(&floor.carrier.packets(&customer), CUSTOMER_KEYS),
        "0",
        "who listens presses for nobody"
    );
    assert_eq!(userkey(&floor), json!("31"));
}
