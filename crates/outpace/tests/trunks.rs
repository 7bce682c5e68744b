//! Goal: a trunk is used the way its carrier wants it.

mod harness;

use std::time::Duration;

use harness::floor::{extensions, numbers};
use harness::peer::{Behaviour, Peer, What};
use harness::ports::Ports;
use harness::rtp::Sound;
use harness::seconds;
use harness::server::{CALLER_ID, Company, PASSWORD, Server, Setup};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(20);

struct Office {
    server: Server,
    carrier: Peer,
    _agents: Peer,
    _ports: Ports,
}

fn office(trunk_keys: &'static str, demand: Option<(&str, &str)>) -> Office {
    let ports = Ports::reserve();
    let customer = |_: &str| Behaviour::answers(seconds(0.1)).and_hangs_up_after(seconds(0.3));
    let carrier = Peer::start(ports.next(), Sound::Nothing, customer);
    if let Some((user, password)) = demand {
        carrier.demand(user, password);
    }
    let agents = Peer::start(ports.next(), Sound::Nothing, |_| Behaviour::answers(seconds(0.02)));
    let company = Company::new("1").trunk(carrier.port).trunk_keys(trunk_keys).agents(1001, 2);
    let server = Setup::new(&ports).company(company).start();
    for extension in extensions(1001, 2) {
        agents.register(server.sip, &extension, PASSWORD, 300);
    }
    Office { server, carrier, _agents: agents, _ports: ports }
}

#[test]
fn a_carrier_that_wants_credentials_gets_them_with_every_call() {
    let office = office("username = \"line-7\"\npassword = \"open sesame\"", Some(("line-7", "open sesame")));
    let crm = office.server.crm(0);
    let rows = crm.wait_ended(&crm.create(&numbers(90, 3), &[]), LIMIT);
    assert!(rows.iter().all(|r| r["answered"] == json!(1) && r["round"] == json!(1)), "{rows:?}");
    assert_eq!(office.carrier.all(What::Invite).len(), 3);
}

#[test]
fn a_carrier_that_refuses_our_credentials_is_a_failed_trunk_and_not_asked_for_ever() {
    let office = office("username = \"line-7\"\npassword = \"wrong\"", Some(("line-7", "open sesame")));
    let crm = office.server.crm(0);
    let rows = crm.wait_ended(&crm.create(&numbers(91, 1), &[]), LIMIT);
    assert_eq!((&rows[0]["answered"], &rows[0]["answertype"]), (&json!(0), &json!("callee")), "{rows:?}");
    assert_eq!(office.carrier.all(What::Challenged).len(), 2, "once without, once with credentials");
}

#[test]
fn a_trunk_registers_with_its_carrier() {
    let keys = "username = \"line-7\"\npassword = \"open sesame\"\nregister = true";
    let office = office(keys, Some(("line-7", "open sesame")));
    office.carrier.wait(What::Register, 1, LIMIT);
    let crm = office.server.crm(0);
    let rows = crm.wait_ended(&crm.create(&numbers(92, 1), &[]), LIMIT);
    assert_eq!(rows[0]["answered"], json!(1), "{rows:?}");
}

#[test]
fn the_prefix_goes_before_the_number_and_the_caller_id_is_shown() {
    let office = office("prefix = \"9\"", None);
    let crm = office.server.crm(0);
    let numbers = numbers(93, 1);
    let rows = crm.wait_ended(&crm.create(&numbers, &[]), LIMIT);
    assert_eq!((&rows[0]["answered"], &rows[0]["telphone"]), (&json!(1), &json!(numbers[0])), "{rows:?}");
    let invite = &office.carrier.all(What::Invite)[0];
    assert_eq!(invite.number, format!("9{}", numbers[0]));
    assert_eq!(invite.from_user, CALLER_ID);
}
