//! Goal: a trunk with several addresses goes on when some of them do not, no customer is called twice for it, and no lead
//! pays for a trunk that is out of order.

mod harness;

use std::net::UdpSocket;
use std::time::Duration;

use harness::crm::Crm;
use harness::floor::{extensions, numbers};
use harness::peer::{Behaviour, Peer, What};
use harness::ports::Ports;
use harness::rtp::Sound;
use harness::server::{Company, PASSWORD, Server, Setup};
use harness::sipp::{Sipp, UDP};
use harness::{seconds, wait_for};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(60);

struct Office {
    server: Server,
    agents: Peer,
}

/// A server whose trunk has these addresses (port and priority), with two agents.
fn office(ports: &Ports, addresses: &[(u16, u16)], more: &str) -> Office {
    let list: Vec<String> = addresses
        .iter()
        .map(|(port, priority)| format!("{{ host = \"127.0.0.1\", port = {port}, priority = {priority} }}"))
        .collect();
    let table = format!("name = \"carrier\"\naddresses = [{}]\n{more}", list.join(", "));
    let agents = Peer::start(ports.next(), Sound::Nothing, |_| Behaviour::answers(seconds(0.02)));
    let company = Company::new("1").trunk_table(&table).agents(1001, 2);
    // A busy machine may take its time to ring.
    let dialing = "no_answer_s = 8.0\nring_min_s = 1.0\nwrap_up_s = 0.1\nmiss_pause_s = 1.0";
    let server = Setup::new(ports).company(company).dialing(dialing).start();
    for extension in extensions(1001, 2) {
        agents.register(server.sip, &extension, PASSWORD, 300);
    }
    Office { server, agents }
}

fn customer(_: &str) -> Behaviour {
    Behaviour::answers(seconds(0.1)).and_hangs_up_after(seconds(0.3))
}

fn states(crm: &Crm) -> Vec<(u16, String)> {
    let answer = crm.v1("trunk-states");
    let addresses = answer["trunks"][0]["addresses"].as_array().expect("a list").clone();
    let one = |a: &Value| {
        let address = a["address"].as_str().expect("text");
        let port = address.rsplit(':').next().and_then(|p| p.parse().ok()).expect("a port");
        (port, a["state"].as_str().expect("text").to_owned())
    };
    addresses.iter().map(one).collect()
}

fn wait_state(crm: &Crm, port: u16, state: &str) {
    wait_for(&format!("address {port} to be {state}"), LIMIT, || {
        states(crm).iter().any(|(p, s)| *p == port && s == state).then_some(())
    });
}

fn assert_all_connected_once(rows: &[Value]) {
    for row in rows {
        assert_eq!((&row["answered"], &row["round"]), (&json!(1), &json!(1)), "{row}");
    }
}

#[test]
fn calls_go_on_past_an_address_that_refuses_and_one_that_is_silent() {
    let ports = Ports::reserve();
    let (full, silent, good) = (ports.next(), ports.next(), ports.next());
    let _refuses = Sipp::serve("carrier_503", full, UDP);
    let _silent = UdpSocket::bind(("127.0.0.1", silent)).expect("the port is free");
    let carrier = Peer::start(good, Sound::Nothing, customer);
    let office =
        office(&ports, &[(full, 0), (silent, 1), (good, 2)], "silence_max_s = 1\noptions_every_s = 0");
    let crm = office.server.crm(0);
    let rows = crm.wait_ended(&crm.create(&numbers(80, 8), &[]), LIMIT);
    assert_all_connected_once(&rows);
    assert_eq!(carrier.all(What::Invite).len(), 8, "each number once");
    assert_eq!(office.agents.all(What::Invite).len(), 8);
    let state = states(&crm);
    assert!(!state.contains(&(silent, "up".to_owned())), "{state:?}");
    assert!(state.contains(&(good, "up".to_owned())), "{state:?}");
}

#[test]
fn an_address_that_dies_is_passed_over_and_used_again_when_it_is_back() {
    let ports = Ports::reserve();
    let first = Peer::start(ports.next(), Sound::Nothing, customer);
    let second = Peer::start(ports.next(), Sound::Nothing, customer);
    let list = [(first.port, 0), (second.port, 1)];
    let office = office(&ports, &list, "silence_max_s = 1\noptions_every_s = 1");
    let crm = office.server.crm(0);
    let task = crm.create(&numbers(81, 60), &[]);
    crm.wait_called(&task, 5, LIMIT);
    assert_eq!(second.all(What::Invite).len(), 0, "the second is for when the first cannot");
    first.power_off();
    second.wait(What::Invite, 5, LIMIT);
    wait_state(&crm, first.port, "down");
    let before = first.all(What::Invite).len();
    first.power_on();
    wait_state(&crm, first.port, "up");
    first.wait(What::Invite, before + 3, LIMIT);
    let rows = crm.wait_ended(&task, LIMIT);
    assert!(rows.iter().all(|r| r["round"] == json!(1)), "{rows:?}");
    // Those that talked over the first when it died are lost to it; nobody else is.
    let lost = rows.iter().filter(|r| r["answered"] != json!(1)).count();
    assert!(lost <= 4, "{lost} calls were not answered: {rows:#?}");
    for (number, invites) in second.invites_by_number() {
        let twice = first.all(What::Invite).iter().any(|s| s.number == number);
        assert!(invites == 1 && !twice, "{number} was called twice");
    }
}

#[test]
fn while_the_whole_trunk_is_down_no_lead_is_used_up() {
    let ports = Ports::reserve();
    let carrier = Peer::start(ports.next(), Sound::Nothing, customer);
    let office = office(&ports, &[(carrier.port, 0)], "options_every_s = 1");
    let crm = office.server.crm(0);
    // It is known to answer OPTIONS once a call went through after some of them.
    assert_all_connected_once(&crm.wait_ended(&crm.create(&numbers(82, 3), &[]), LIMIT));
    carrier.power_off();
    let task = crm.create(&numbers(83, 6), &[]);
    wait_state(&crm, carrier.port, "down");
    assert_eq!(crm.v1("trunk-states")["trunks"][0]["usable"], json!(false));
    carrier.power_on();
    let rows = crm.wait_ended(&task, LIMIT);
    assert_all_connected_once(&rows);
}

#[test]
fn retry_after_keeps_calls_away_without_using_up_the_lead() {
    let ports = Ports::reserve();
    let port = ports.next();
    let refuses = Sipp::serve("carrier_503_retry_after", port, UDP);
    let office = office(&ports, &[(port, 0)], "options_every_s = 0");
    let crm = office.server.crm(0);
    let task = crm.create(&numbers(84, 1), &[]);
    wait_state(&crm, port, "down");
    let invites = refuses.received("INVITE");
    assert_eq!(invites, 1);
    drop(refuses);
    let carrier = Peer::start(port, Sound::Nothing, customer);
    let rows = crm.wait_ended(&task, LIMIT);
    assert_all_connected_once(&rows);
    assert_eq!(carrier.all(What::Invite).len(), 1);
}

#[test]
fn a_redirect_is_followed_only_by_setting_and_never_to_strangers() {
    for (limit, answered) in [(0, 0), (1, 1)] {
        let ports = Ports::reserve();
        let (first, stranger) = (ports.next(), ports.next());
        let carrier = Peer::start(ports.next(), Sound::Nothing, customer);
        let strangers = Peer::start(stranger, Sound::Nothing, customer);
        let contact = format!("{}", carrier.port);
        let _redirects =
            Sipp::serve("carrier_302", first, &[UDP, &["-key", "contact_port", &contact]].concat());
        let keys = format!("redirects_max = {limit}\noptions_every_s = 0");
        let office = office(&ports, &[(first, 0), (carrier.port, 1)], &keys);
        let crm = office.server.crm(0);
        let rows = crm.wait_ended(&crm.create(&numbers(85, 1), &[]), LIMIT);
        assert_eq!(rows[0]["answered"], json!(answered), "{rows:?}");
        assert_eq!(carrier.all(What::Invite).len(), answered);
        if limit > 0 {
            assert_eq!(carrier.all(What::Invite)[0].number, "4711", "the number of the Contact");
        }
        assert_eq!(strangers.all(What::Invite).len(), 0);
    }
}
