//! Goal: a phone that speaks Opus or G.722 talks with customers of carriers that have G.711, and what else happens to calls
//! happens to its calls.

mod harness;

use std::time::Duration;

use harness::baresip::{Baresip, G722, OPUS, Speech, TONE_HZ};
use harness::crm::row_of;
use harness::floor::numbers;
use harness::peer::{Behaviour, Peer, What};
use harness::ports::Ports;
use harness::rtp::{Sound, samples, tone_share};
use harness::server::{Company, PASSWORD, Server, Setup};
use harness::{seconds, wait_for};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(40);
const CUSTOMER_HZ: f64 = 1000.0;

struct Office {
    server: Server,
    carrier: Peer,
    agent: Baresip,
    _ports: Ports,
}

fn office(speech: Speech, media_keys: &str) -> Office {
    let ports = Ports::reserve();
    let customer = |_: &str| Behaviour::answers(seconds(0.2)).and_hangs_up_after(seconds(5.0));
    let carrier = Peer::start(ports.next(), Sound::Tone(CUSTOMER_HZ), customer);
    let company = Company::new("1").trunk(carrier.port).agents(1001, 1);
    let mut setup = Setup::new(&ports).company(company).recording("enabled = true\ndisk_min_free_mb = 1");
    setup.companies[0].outbound_keys = "allow = [\"1\"]".to_owned();
    setup.media_keys = media_keys.to_owned();
    let server = setup.start();
    let account = ("1001", PASSWORD);
    let agent = Baresip::speaking(speech, TONE_HZ, server.sip, &ports, account, ("udp", ""));
    server.crm(0).wait_registered(&["1001".to_owned()]);
    Office { server, carrier, agent, _ports: ports }
}

/// Left and right of the one recording.
fn recorded(server: &Server) -> [Vec<i16>; 2] {
    let name = wait_for("a recording that is complete", LIMIT, || {
        server.sql("SELECT filename FROM recordings WHERE seconds > 0").into_iter().next()
    });
    let wav = std::fs::read(server.recordings().join(name)).expect("it is there");
    let channel = |n: usize| {
        let moments = wav[44..].chunks_exact(4).map(|moment| &moment[2 * n..2 * n + 2]);
        moments.map(|b| i16::from_le_bytes([b[0], b[1]])).collect()
    };
    [channel(0), channel(1)]
}

fn talks(speech: Speech) {
    let office = office(speech, "");
    let crm = office.server.crm(0);
    let numbers = numbers(57, 1);
    let rows = crm.wait_ended(&crm.create(&numbers, &[]), LIMIT);
    let row = row_of(&rows, &numbers[0]);
    assert_eq!((&row["answered"], &row["extnumber"]), (&json!(1), &json!("1001")), "{row}");
    let heard = samples(&office.carrier.packets_of(&numbers[0]));
    assert!(heard.len() > 8000, "the customer heard {} samples", heard.len());
    assert!(tone_share(&heard, TONE_HZ) > 0.8, "{}", tone_share(&heard, TONE_HZ));
    wait_for("the customer's tone in baresip's recording", LIMIT, || {
        (tone_share(&office.agent.heard(), CUSTOMER_HZ) > 0.8).then_some(())
    });
    let [customer, agent] = recorded(&office.server);
    assert!(tone_share(&customer, CUSTOMER_HZ) > 0.8, "{}", tone_share(&customer, CUSTOMER_HZ));
    assert!(tone_share(&agent, TONE_HZ) > 0.8, "{}", tone_share(&agent, TONE_HZ));
    let quality = wait_for("how both sides sounded", LIMIT, || {
        let quality = crm.v1("calls")["items"][0]["quality"].clone();
        quality["agent"].is_object().then_some(quality)
    });
    assert!(quality["agent"]["jitter_in_ms"].as_f64().is_some_and(|jitter| jitter < 60.0), "{quality}");
}

#[test]
fn a_phone_with_g722_talks_with_a_customer_who_has_g711() {
    talks(G722);
}

#[test]
fn a_phone_with_opus_talks_with_a_customer_who_has_g711() {
    talks(OPUS);
}

#[test]
fn a_phone_that_dials_speaks_what_it_likes_while_the_server_has_room_for_it() {
    let with_room = office(OPUS, "");
    with_room.agent.command("dial", "13900000002");
    with_room.carrier.wait(What::Confirmed, 1, LIMIT);
    wait_for("the customer to hear the phone", LIMIT, || {
        let heard = samples(&with_room.carrier.packets_of("13900000002"));
        (tone_share(&heard, TONE_HZ) > 0.8).then_some(())
    });
    let without = office(OPUS, "transcoded_max = 0");
    without.agent.command("dial", "13900000003");
    wait_for("the refusal", LIMIT, || without.agent.output().contains("488").then_some(()));
    assert!(without.carrier.all(What::Invite).is_empty());
}
