//! Goal: a trunk that is a domain is found by DNS (RFC 3263), goes on when one of its hosts does not, and follows its records.

mod harness;

use std::time::Duration;

use harness::certificate::Certificate;
use harness::crm::Crm;
use harness::dnsmasq::Dnsmasq;
use harness::floor::{extensions, numbers};
use harness::kamailio::{Kamailio, PASSWORD as LINE_PASSWORD, USER};
use harness::peer::{Behaviour, Peer, What};
use harness::ports::Ports;
use harness::rtp::Sound;
use harness::server::{Company, PASSWORD, Server, Setup};
use harness::{TempDir, seconds, wait_for};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(60);
const DOMAIN: &str = "carrier.example";

fn host(name: &str) -> String {
    format!("host-record={name}.{DOMAIN},127.0.0.1")
}

fn srv(service: &str, port: u16, priority: u16, weight: u16) -> String {
    format!("srv-host={service}.{DOMAIN},a.{DOMAIN},{port},{priority},{weight}")
}

struct Office {
    server: Server,
    crm: Crm,
    _agents: Peer,
}

/// The trunk is the domain; `lines`: more of it.
fn office(ports: &Ports, dns: &Dnsmasq, lines: &str) -> Office {
    let agents = Peer::start(ports.next(), Sound::Nothing, |_| Behaviour::answers(seconds(0.02)));
    let table = format!("name = \"carrier\"\naddress = \"{DOMAIN}\"\n{lines}");
    let dialing = "no_answer_s = 8.0\nring_min_s = 1.0\nwrap_up_s = 0.1\nmiss_pause_s = 1.0";
    let company = Company::new("1").trunk_table(&table).agents(1001, 2);
    let mut setup = Setup::new(ports).company(company).dialing(dialing);
    setup.sip_keys = format!("dns = [\"{}\"]", dns.address);
    let server = setup.start();
    for extension in extensions(1001, 2) {
        agents.register(server.sip, &extension, PASSWORD, 300);
    }
    let crm = server.crm(0);
    Office { server, crm, _agents: agents }
}

fn carrier(ports: &Ports) -> Peer {
    let customer = |_: &str| Behaviour::answers(seconds(0.1)).and_hangs_up_after(seconds(0.2));
    Peer::start(ports.next(), Sound::Nothing, customer)
}

/// Places `count` calls and waits until all were connected at the first attempt.
fn connect(office: &Office, series: u32, count: u32) {
    let rows = office.crm.wait_ended(&office.crm.create(&numbers(series, count), &[]), LIMIT);
    let good = |row: &serde_json::Value| (&row["answered"], &row["round"]) == (&json!(1), &json!(1));
    assert!(rows.iter().all(good), "{rows:?}");
}

fn wait_addresses(office: &Office, expected: &[u16]) {
    wait_for(&format!("the addresses {expected:?}"), LIMIT, || {
        let states = office.crm.v1("trunk-states");
        let addresses = states["trunks"][0]["addresses"].as_array()?.clone();
        let port = |a: &serde_json::Value| a["address"].as_str()?.rsplit(':').next()?.parse::<u16>().ok();
        let mut found: Vec<u16> = addresses.iter().filter_map(port).collect();
        found.sort_unstable();
        (found == expected).then_some(())
    });
}

#[test]
fn calls_are_shared_by_weight_and_go_on_past_a_host_that_is_silent() {
    let ports = Ports::reserve();
    let (one, two, backup) = (carrier(&ports), carrier(&ports), carrier(&ports));
    let mut records = vec![host("a"), srv("_sip._udp", one.port, 1, 3), srv("_sip._udp", two.port, 1, 1)];
    records.push(srv("_sip._udp", backup.port, 2, 9));
    let dns = Dnsmasq::start(&ports, &records);
    let office = office(&ports, &dns, "silence_max_s = 1\noptions_every_s = 0");
    wait_addresses(&office, &[one.port, two.port, backup.port]);
    connect(&office, 80, 8);
    let calls = |peer: &Peer| peer.all(What::Invite).len();
    assert_eq!((calls(&one), calls(&two), calls(&backup)), (6, 2, 0));
    let invite = one.all(What::Invite).remove(0);
    assert_eq!(invite.number, numbers(80, 1)[0]);
    one.power_off();
    two.power_off();
    connect(&office, 81, 2);
    assert_eq!(calls(&backup), 2);
}

#[test]
fn the_domain_says_by_naptr_that_it_wants_tls_and_must_prove_its_name() {
    for proves in [true, false] {
        let (ports, folder) = (Ports::reserve(), TempDir::new());
        let behind = carrier(&ports);
        let certificate = Certificate::make_for(
            folder.path(),
            if proves { "DNS:carrier.example" } else { "DNS:other.example" },
        );
        let kamailio = Kamailio::start(&ports, behind.port, &certificate);
        let naptr = |order: u16, service: &str, replacement: &str| {
            format!("naptr-record={DOMAIN},{order},10,s,{service},,{replacement}.{DOMAIN}")
        };
        let records = [
            host("a"),
            naptr(20, "SIP+D2U", "_sip._udp"),
            naptr(10, "SIPS+D2T", "_sips._tcp"),
            naptr(5, "E2U+email", "_mail._tcp"),
            srv("_sips._tcp", kamailio.tls.port(), 1, 1),
            srv("_sip._udp", kamailio.udp.port(), 1, 1),
        ];
        let dns = Dnsmasq::start(&ports, &records);
        let lines = format!(
            "transport = \"auto\"\nusername = \"{USER}\"\npassword = \"{LINE_PASSWORD}\"\ntls_ca = {:?}\noptions_every_s = 0",
            certificate.cert
        );
        let office = office(&ports, &dns, &lines);
        wait_addresses(&office, &[kamailio.tls.port()]);
        if proves {
            connect(&office, 82, 2);
        } else {
            office.crm.create(&numbers(82, 2), &[]);
            wait_for("the address to be down", LIMIT, || {
                let states = office.crm.v1("trunk-states");
                (states["trunks"][0]["addresses"][0]["state"] == json!("down")).then_some(())
            });
            assert!(behind.all(What::Invite).is_empty(), "not without TLS either");
        }
    }
}

#[test]
fn records_that_change_are_followed_and_a_dns_that_is_gone_changes_nothing() {
    let ports = Ports::reserve();
    let (old, new) = (carrier(&ports), carrier(&ports));
    let dns = Dnsmasq::start(&ports, &[host("a"), srv("_sip._udp", old.port, 1, 1)]);
    let office = office(&ports, &dns, "options_every_s = 0");
    wait_addresses(&office, &[old.port]);
    connect(&office, 83, 2);
    let dns = dns.replace(&[host("a"), srv("_sip._udp", new.port, 1, 1)]);
    wait_addresses(&office, &[new.port]);
    connect(&office, 84, 2);
    assert_eq!((old.all(What::Invite).len(), new.all(What::Invite).len()), (2, 2));
    drop(dns);
    wait_for("the missing answer to be noticed", LIMIT, || {
        office.server.log().contains("a trunk's host has no address").then_some(())
    });
    connect(&office, 85, 2);
    assert_eq!(new.all(What::Invite).len(), 4);
}

#[test]
fn a_domain_that_says_it_takes_no_calls_gets_none_until_it_says_otherwise() {
    let ports = Ports::reserve();
    let carrier = carrier(&ports);
    let refuses = format!("srv-host=_sip._udp.{DOMAIN}");
    let dns = Dnsmasq::start(&ports, &[refuses, format!("host-record={DOMAIN},127.0.0.1")]);
    let office = office(&ports, &dns, "options_every_s = 0");
    wait_for("the refusal to be read", LIMIT, || {
        office.server.log().contains("says that it takes no calls").then_some(())
    });
    wait_addresses(&office, &[]);
    let _dns = dns.replace(&[host("a"), srv("_sip._udp", carrier.port, 1, 1)]);
    connect(&office, 86, 1);
}
