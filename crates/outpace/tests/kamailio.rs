//! Goal: a trunk whose carrier is a real proxy (Kamailio) works in both directions, over UDP and over TLS.

mod harness;

use std::time::Duration;

use harness::TempDir;
use harness::certificate::Certificate;
use harness::floor::{AGENT_HZ, CUSTOMER_HZ, numbers};
use harness::hearing::{self, first, wait_bills, wait_heard};
use harness::kamailio::{Kamailio, PASSWORD, USER};
use harness::peer::{Behaviour, Peer, What};
use harness::ports::Ports;
use harness::rtp::Sound;
use harness::seconds;
use harness::server::{CALLER_ID, Company, PASSWORD as PHONES, Server, Setup};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(30);
const NUMBER: &str = "13900000001";

struct Office {
    _server: Server,
    crm: harness::crm::Crm,
    kamailio: Kamailio,
    /// Behind Kamailio.
    carrier: Peer,
    agents: Peer,
    _ports: Ports,
    _folder: TempDir,
}

fn office(transport: &str, customer: fn(&str) -> Behaviour) -> Office {
    let (ports, folder) = (Ports::reserve(), TempDir::new());
    let certificate = Certificate::make(folder.path());
    let carrier = Peer::start(ports.next(), Sound::Tone(CUSTOMER_HZ), customer);
    let agents = Peer::start(ports.next(), Sound::Tone(AGENT_HZ), |_| Behaviour::answers(seconds(0.05)));
    let kamailio = Kamailio::start(&ports, carrier.port, &certificate);
    let address = if transport == "tls" { kamailio.tls } else { kamailio.udp };
    let table = format!(
        "name = \"carrier\"\naddress = \"{address}\"\ntransport = \"{transport}\"\ntls_ca = {:?}\nusername = \"{USER}\"\n\
         password = \"{PASSWORD}\"\nregister = true",
        certificate.cert
    );
    let mut setup = Setup::new(&ports).company(Company::new("1").trunk_table(&table).agents(1001, 1));
    setup.companies[0].inbound_keys = "enabled = true\ngroup = \"sales\"".to_owned();
    let server = setup.start();
    agents.register(server.sip, "1001", PHONES, 300);
    let crm = server.crm(0);
    crm.wait_registered(&["1001".to_owned()]);
    Office { _server: server, crm, kamailio, carrier, agents, _ports: ports, _folder: folder }
}

/// The customer's leg, at the carrier, of a call that 1001 asked for.
fn talk(office: &Office) -> (String, String) {
    hearing::talk(&office.crm, &office.carrier, &office.agents, NUMBER)
}

fn calls_through(transport: &str) {
    let office = office(transport, |_| Behaviour::answers(seconds(0.1)));
    let (customer, agent) = talk(&office);
    // Changes, and the end, from the far side, by the route that Kamailio recorded.
    let answer = office.carrier.offer(&customer, "sendonly");
    assert!(answer.status() == 200 && answer.body.contains("a=recvonly"), "{answer:?}");
    // The ACK may be overtaken on its way through Kamailio, and then the next offer comes too early.
    harness::wait_for("the next offer to be taken", LIMIT, || {
        let status = office.carrier.offer(&customer, "sendrecv").status();
        assert!(matches!(status, 200 | 491), "{status}");
        (status == 200).then_some(())
    });
    wait_heard(&office.agents, &agent, CUSTOMER_HZ);
    assert!(office.crm.call("App.Sip_Call.HangupCall", &[("extnumber", "1001")]).is_success());
    assert_eq!(first(office.carrier.wait(What::Bye, 1, LIMIT)).call_id, customer);
    let bill = wait_bills(&office.crm, 1).remove(0);
    assert_eq!((&bill["destnumber"], &bill["disnumber"]), (&json!(NUMBER), &json!(CALLER_ID)), "{bill}");
}

#[test]
fn calls_go_through_a_proxy_that_asks_for_credentials_and_stays_in_the_path() {
    calls_through("udp");
}

#[test]
fn calls_go_through_it_over_tls() {
    calls_through("tls");
}

#[test]
fn a_campaign_gets_its_results_through_it() {
    let customer = |number: &str| match number.as_bytes().last() {
        Some(b'0') => Behaviour::answers(seconds(0.1)).and_hangs_up_after(seconds(0.5)),
        Some(b'1') => Behaviour::rejects(486, seconds(0.1)),
        Some(b'2') => Behaviour::rejects(404, seconds(0.1)),
        _ => Behaviour::rings(),
    };
    for transport in ["udp", "tls"] {
        let office = office(transport, customer);
        let rows = office.crm.wait_ended(&office.crm.create(&numbers(78, 4), &[]), LIMIT * 2);
        let answered: Vec<bool> = rows.iter().map(|row| row["answered"] == json!(1)).collect();
        assert_eq!(answered, [true, false, false, false], "{rows:?}");
        // Who let it ring was told so.
        assert!(!office.carrier.wait(What::Cancel, 1, LIMIT).is_empty());
    }
}

#[test]
fn customers_call_in_through_the_registration_that_the_trunk_keeps_there() {
    for transport in ["udp", "tls"] {
        let office = office(transport, |_| Behaviour::is_dead());
        let bring = || office.carrier.bring(office.kamailio.udp, NUMBER, CALLER_ID);
        let call = harness::wait_for("the trunk to be registered", LIMIT, || bring().ok());
        let agent = first(office.agents.wait(What::Confirmed, 1, LIMIT)).call_id;
        wait_heard(&office.carrier, &call.call_id, AGENT_HZ);
        wait_heard(&office.agents, &agent, CUSTOMER_HZ);
        office.carrier.hang_up(&call);
        office.agents.wait(What::Bye, 1, LIMIT);
        let bill = wait_bills(&office.crm, 1).remove(0);
        assert_eq!((&bill["direction"], &bill["destnumber"]), (&json!("callin"), &json!(NUMBER)), "{bill}");
    }
}
