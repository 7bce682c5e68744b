//! Goal: the commands for calls do what they say, by what is heard and by what is written down.

mod harness;

use std::time::Duration;

use harness::crm::{Answer, Crm};
use harness::floor::{Floor, Plan};
use harness::hearing::{first, heard, status_of, wait_bills, wait_heard};
use harness::peer::{Behaviour, Peer, What};
use harness::rtp::{Packet, Sound, samples, tone_share};
use harness::server::{CALLER_ID, Company, PASSWORD, Setup};
use harness::{seconds, wait_for};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(30);
const NUMBER: &str = "13900000001";
const CUSTOMER_HZ: f64 = 1000.0;
const AGENT_HZ: f64 = 1700.0;
/// Our own ring-back tone.
const RINGBACK_HZ: f64 = 450.0;

fn plan(setup: fn(Setup) -> Setup) -> Plan {
    let (carrier_sound, agent_sound) = (Sound::Tone(CUSTOMER_HZ), Sound::Tone(AGENT_HZ));
    Plan { agents: 2, setup, carrier_sound, agent_sound }
}

fn floor(customer: fn() -> Behaviour, agent: fn() -> Behaviour) -> Floor {
    Floor::open(&plan(|s| s), move |_| customer(), move |_| agent())
}

fn make_call(crm: &Crm, more: &[(&str, &str)]) -> Answer {
    let mut parameters = vec![("extnumber", "1001"), ("destnumber", NUMBER)];
    parameters.retain(|p| !more.iter().any(|m| m.0 == p.0));
    parameters.extend_from_slice(more);
    crm.call("App.Sip_Call.MakeCall", &parameters)
}

#[test]
fn the_agent_is_rung_first_hears_it_ring_and_then_both_hear_each_other() {
    let floor = floor(|| Behaviour::answers(seconds(1.5)), || Behaviour::answers(seconds(0.3)));
    let tags = [("userid", "u1"), ("memberid", "m1"), ("chengshudu", "x1"), ("customuuid", "c1")];
    let answer = make_call(&floor.crm, &tags);
    assert!(answer.is_success(), "{answer:?}");
    assert_eq!(answer.0["data"]["desc"], json!("请求成功"));
    let dialed = first(floor.carrier.wait(What::Invite, 1, LIMIT));
    let rung = first(floor.agents.all(What::Invite));
    assert!(dialed.at >= rung.at + seconds(0.3), "the customer is dialed when the agent is there");
    assert_eq!((rung.number.as_str(), rung.from_user.as_str()), ("1001", NUMBER));
    assert_eq!((dialed.number.as_str(), dialed.from_user.as_str()), (NUMBER, CALLER_ID));

    let answered = first(floor.carrier.wait(What::Confirmed, 1, LIMIT));
    wait_heard(&floor.agents, &rung.call_id, CUSTOMER_HZ);
    wait_heard(&floor.carrier, &dialed.call_id, AGENT_HZ);
    let packets = floor.agents.packets(&rung.call_id);
    assert!(heard(&packets, RINGBACK_HZ, |p| p.at < answered.at) > 0.9, "the agent hears that it rings");
    assert!(heard(&packets, CUSTOMER_HZ, |p| p.at < answered.at) < 0.1);
    let after = answered.at + seconds(0.3);
    assert!(heard(&packets, RINGBACK_HZ, |p| p.at > after) < 0.1, "and no longer than that");
    assert_eq!(status_of(&floor.crm, "1001"), json!(1204));

    let answer = floor.crm.call("App.Sip_Call.HangupCall", &[("extnumber", "1001")]);
    assert!(answer.is_success(), "{answer:?}");
    floor.carrier.wait(What::Bye, 1, LIMIT);
    floor.agents.wait(What::Bye, 1, LIMIT);
    let bill = wait_bills(&floor.crm, 1).remove(0);
    for (key, value) in [
        ("callmethod", json!(3)),
        ("direction", json!("callout")),
        ("destnumber", json!(NUMBER)),
        ("extnumber", json!("1001")),
        ("disnumber", json!(CALLER_ID)),
        ("userid", json!("u1")),
        ("memberid", json!("m1")),
        ("chengshudu", json!("x1")),
        ("customuuid", json!("c1")),
        ("taskid", json!("")),
        ("hangupdirection", json!(10040)),
        ("hangupcause", json!(10001)),
    ] {
        assert_eq!(bill[key], value, "{key} of {bill}");
    }
    assert!(bill["answertime"].as_str().is_some_and(|t| !t.is_empty()), "{bill}");
}

#[test]
fn the_agent_hears_what_the_network_sends_before_the_answer() {
    let customer = || Behaviour::answers(seconds(2.0)).with_early_media();
    let floor = floor(customer, || Behaviour::answers(seconds(0.05)));
    assert!(make_call(&floor.crm, &[]).is_success());
    let rung = first(floor.agents.wait(What::Invite, 1, LIMIT));
    let answered = first(floor.carrier.wait(What::Confirmed, 1, LIMIT));
    let packets = floor.agents.packets(&rung.call_id);
    assert!(heard(&packets, CUSTOMER_HZ, |p| p.at < answered.at) > 0.5);
}

#[test]
fn the_customer_is_called_first_and_hears_that_the_agent_is_rung() {
    let floor = floor(|| Behaviour::answers(seconds(0.1)), || Behaviour::answers(seconds(1.5)));
    assert!(make_call(&floor.crm, &[("callmethod", "reverse")]).is_success());
    let rung = first(floor.agents.wait(What::Invite, 1, LIMIT));
    let answered = first(floor.carrier.all(What::Confirmed));
    let dialed = first(floor.carrier.all(What::Invite));
    assert!(rung.at >= dialed.at + seconds(0.1), "the agent is rung when the customer is there");
    let picked_up = first(floor.agents.wait(What::Confirmed, 1, LIMIT));
    wait_heard(&floor.carrier, &answered.call_id, AGENT_HZ);
    wait_heard(&floor.agents, &rung.call_id, CUSTOMER_HZ);
    let packets = floor.carrier.packets(&answered.call_id);
    assert!(heard(&packets, RINGBACK_HZ, |p| p.at < picked_up.at) > 0.9);
    floor.crm.call("App.Sip_Call.HangupCall", &[("extnumber", "1001")]);
    let bill = wait_bills(&floor.crm, 1).remove(0);
    assert_eq!((&bill["callmethod"], &bill["extnumber"]), (&json!(4), &json!("1001")));
}

#[test]
fn who_is_busy_or_does_not_pick_up_is_written_down_and_nobody_is_left_behind() {
    let floor = Floor::open(
        &plan(|s| s),
        |number| match number {
            NUMBER => Behaviour::rejects(486, seconds(0.1)),
            _ => Behaviour::rings(),
        },
        |extension| match extension {
            "1001" => Behaviour::answers(seconds(0.05)),
            _ => Behaviour::rejects(603, seconds(0.05)),
        },
    );
    assert!(make_call(&floor.crm, &[]).is_success());
    floor.agents.wait(What::Bye, 1, LIMIT);
    let bill = wait_bills(&floor.crm, 1).remove(0);
    assert_eq!(
        (&bill["hangupcause"], &bill["billsec"], &bill["answertime"]),
        (&json!(10006), &json!(0), &json!(""))
    );

    assert!(make_call(&floor.crm, &[("extnumber", "1002")]).is_success());
    let bill = wait_bills(&floor.crm, 2).remove(1);
    assert_eq!((&bill["extnumber"], &bill["hangupcause"]), (&json!("1002"), &json!(10003)));
    assert_eq!(floor.carrier.all(What::Invite).len(), 1, "nobody was dialed for her");

    assert!(make_call(&floor.crm, &[("destnumber", "13900000002")]).is_success());
    floor.carrier.wait(What::Invite, 2, LIMIT);
    assert!(floor.crm.call("App.Sip_Call.HangupCall", &[("extnumber", "1001")]).is_success());
    assert_eq!(floor.carrier.wait(What::Cancel, 1, LIMIT)[0].number, "13900000002");
    let bill = wait_bills(&floor.crm, 3).remove(2);
    assert_eq!((&bill["hangupcause"], &bill["hangupdirection"]), (&json!(10002), &json!(10040)));
}

#[test]
fn a_command_that_cannot_be_done_is_refused_with_its_code() {
    let setup = |mut setup: Setup| {
        setup.companies[0].extensions.1 = 3;
        setup.company(Company::new("2").extensions(2001, 1))
    };
    let floor = Floor::open(&plan(setup), |_| Behaviour::rings(), |_| Behaviour::rings());
    let code = |more: &[(&str, &str)]| make_call(&floor.crm, more).code().to_owned();
    assert_eq!(code(&[("extnumber", "9999")]), "1012");
    assert_eq!(code(&[("extnumber", "2001")]), "1011");
    assert_eq!(code(&[("extnumber", "1003")]), "1014");
    assert_eq!(code(&[("destnumber", "12ab")]), "1021");
    assert_eq!(code(&[("disnumber", "4008888")]), "1020");
    let other = floor.server.crm(1);
    let policy = other.call("App.Sip_Call.MakePloyCall", &[("extnumber", "2001"), ("destnumber", NUMBER)]);
    assert_eq!(policy.code(), "1014");
    assert_eq!(floor.agents.all(What::Invite).len(), 0);
    assert_eq!(code(&[]), "");
    assert_eq!(code(&[]), "1010", "it is being rung already");
    assert_eq!(floor.agents.wait(What::Invite, 1, LIMIT).len(), 1);
}

#[test]
fn caller_ids_take_turns_by_policy() {
    let floor = floor(|| Behaviour::rejects(486, seconds(0.02)), || Behaviour::answers(seconds(0.02)));
    floor.server.admin(&["caller-id", "add", "--company", "1", "02155550199"]);
    let call =
        || floor.crm.call("App.Sip_Call.MakePloyCall", &[("extnumber", "1001"), ("destnumber", NUMBER)]);
    for count in 1..=4 {
        assert!(call().is_success());
        wait_bills(&floor.crm, count);
    }
    let shown: Vec<String> = floor.carrier.all(What::Invite).into_iter().map(|s| s.from_user).collect();
    assert_eq!(shown, [CALLER_ID, "02155550199", CALLER_ID, "02155550199"]);
}

#[test]
fn a_call_that_the_server_dies_under_has_a_bill() {
    let mut floor = floor(|| Behaviour::answers(seconds(0.05)), || Behaviour::answers(seconds(0.05)));
    assert!(make_call(&floor.crm, &[("userid", "u7")]).is_success());
    floor.carrier.wait(What::Confirmed, 1, LIMIT);
    floor.server.kill();
    floor.server.spawn();
    let bill = wait_bills(&floor.server.crm(0), 1).remove(0);
    let expected = (&json!(3), &json!("u7"), &json!(10031), &json!(NUMBER));
    assert_eq!((&bill["callmethod"], &bill["userid"], &bill["hangupcause"], &bill["destnumber"]), expected);
}

#[test]
fn a_leg_that_is_kept_up_is_used_and_stays_up() {
    let setup = |setup: Setup| {
        setup
            .dialing("no_answer_s = 2.0\nring_min_s = 1.0\nwrap_up_s = 0.1\nagent_legs = \"kept_up\"")
            .recording("enabled = true\ndisk_min_free_mb = 1")
    };
    let customer = |_: &str| Behaviour::answers(seconds(1.0)).and_hangs_up_after(seconds(2.0));
    let floor = Floor::open(&plan(setup), customer, |_| Behaviour::answers(seconds(0.05)));
    let up = floor.agents.wait(What::Confirmed, 2, LIMIT);
    let leg = up.iter().find(|s| s.number == "1001").expect("both legs are up").call_id.clone();
    assert!(make_call(&floor.crm, &[]).is_success());
    let answered = first(floor.carrier.wait(What::Confirmed, 1, LIMIT));
    wait_heard(&floor.agents, &leg, CUSTOMER_HZ);
    let packets = floor.agents.packets(&leg);
    assert!(heard(&packets, RINGBACK_HZ, |p| p.at < answered.at) > 0.9);
    let bill = wait_bills(&floor.crm, 1).remove(0);
    assert_ne!(bill["recordfilename"], json!(""), "it was recorded");
    assert_eq!(floor.agents.all(What::Bye).len(), 0);
    assert_eq!(floor.agents.all(What::Invite).len(), 2, "no phone was rung for it");
}

/// A call in which 1001 talks, and a supervisor at 1003 with a tone of his own.
struct Watched {
    floor: Floor,
    supervisor: Peer,
    customer_leg: String,
    agent_leg: String,
}

const SUPERVISOR_HZ: f64 = 2300.0;
const TONES: [f64; 3] = [CUSTOMER_HZ, AGENT_HZ, SUPERVISOR_HZ];

impl Watched {
    fn open() -> Watched {
        let setup = |mut setup: Setup| {
            setup.companies[0].extensions.1 = 4;
            setup
        };
        let (customer, agent) = (seconds(0.05), seconds(0.05));
        let floor = Floor::open(
            &plan(setup),
            move |_| Behaviour::answers(customer),
            move |_| Behaviour::answers(agent),
        );
        let answers = |_: &str| Behaviour::answers(seconds(0.05));
        let supervisor = Peer::start(floor.ports.next(), Sound::Tone(SUPERVISOR_HZ), answers);
        supervisor.register(floor.server.sip, "1003", PASSWORD, 300);
        floor.crm.wait_registered(&["1003".to_owned()]);
        assert!(make_call(&floor.crm, &[]).is_success());
        let customer_leg = first(floor.carrier.wait(What::Confirmed, 1, LIMIT)).call_id;
        let agent_leg = first(floor.agents.all(What::Confirmed)).call_id;
        wait_heard(&floor.agents, &agent_leg, CUSTOMER_HZ);
        Watched { floor, supervisor, customer_leg, agent_leg }
    }

    fn spy(&self, monitortype: &str) -> Answer {
        let parameters = [("extnumber", "1003"), ("destnumber", "1001"), ("monitortype", monitortype)];
        self.floor.crm.call("App.Sip_Call.SpyCall", &parameters)
    }

    fn force(&self, forcetype: &str) -> Answer {
        let parameters = [("extnumber", "1003"), ("destnumber", "1001"), ("forcetype", forcetype)];
        self.floor.crm.call("App.Sip_Call.ForceCall", &parameters)
    }

    /// Waits until customer, agent and supervisor hear just these tones (customer's, agent's, supervisor's) for half a
    /// second.
    fn wait_heard(&self, expected: [[bool; 3]; 3]) {
        let supervisor_leg = first(self.supervisor.wait(What::Confirmed, 1, LIMIT)).call_id;
        let legs = [
            (&self.floor.carrier, &self.customer_leg),
            (&self.floor.agents, &self.agent_leg),
            (&self.supervisor, &supervisor_leg),
        ];
        wait_for(&format!("who hears whom to be {expected:?}"), LIMIT, || {
            let heard = legs.map(|(peer, leg)| {
                let packets = peer.packets(leg);
                let last = samples(&packets[packets.len().saturating_sub(25)..]);
                TONES.map(|hz| tone_share(&last, hz) > 0.1)
            });
            (heard == expected).then_some(())
        });
    }
}

const LISTEN: [[bool; 3]; 3] = [[false, true, false], [true, false, false], [true, true, false]];
const WHISPER: [[bool; 3]; 3] = [[false, true, false], [true, false, true], [true, true, false]];
const THREE_WAY: [[bool; 3]; 3] = [[false, true, true], [true, false, true], [true, true, false]];

#[test]
fn a_supervisor_listens_whispers_and_speaks_with_both_as_asked() {
    let watched = Watched::open();
    assert_eq!(watched.spy("3").code(), "1015", "he is not in the call yet");
    for (monitortype, heard) in [("1", LISTEN), ("2", WHISPER), ("4", THREE_WAY), ("3", LISTEN)] {
        let answer = watched.spy(monitortype);
        assert!(answer.is_success(), "{answer:?}");
        watched.wait_heard(heard);
    }
    assert_eq!(watched.supervisor.all(What::Invite).len(), 1, "he is rung once");
    assert_eq!(status_of(&watched.floor.crm, "1003"), json!(1204));
    let answer = watched.floor.crm.call("App.Sip_Call.HangupCall", &[("extnumber", "1003")]);
    assert!(answer.is_success(), "{answer:?}");
    watched.supervisor.wait(What::Bye, 1, LIMIT);
    wait_heard(&watched.floor.agents, &watched.agent_leg, CUSTOMER_HZ);
    wait_heard(&watched.floor.carrier, &watched.customer_leg, AGENT_HZ);
    assert_eq!(status_of(&watched.floor.crm, "1001"), json!(1204), "the call goes on without him");
}

#[test]
fn a_supervisor_barges_in_and_releases_the_call() {
    let watched = Watched::open();
    assert!(watched.force("1").is_success());
    watched.wait_heard(THREE_WAY);
    assert!(watched.force("2").is_success());
    watched.floor.carrier.wait(What::Bye, 1, LIMIT);
    watched.floor.agents.wait(What::Bye, 1, LIMIT);
    watched.supervisor.wait(What::Bye, 1, LIMIT);
    let bill = wait_bills(&watched.floor.crm, 1).remove(0);
    assert_eq!((&bill["hangupcause"], &bill["hangupdirection"]), (&json!(10007), &json!(10007)));
    assert_eq!(watched.force("2").code(), "1015");
}

#[test]
fn who_is_watched_must_talk_and_who_watches_must_be_free() {
    let watched = Watched::open();
    let spy = |extnumber: &str, destnumber: &str| {
        let parameters = [("extnumber", extnumber), ("destnumber", destnumber), ("monitortype", "1")];
        watched.floor.crm.call("App.Sip_Call.SpyCall", &parameters).code().to_owned()
    };
    assert_eq!(spy("1003", "1002"), "1015", "1002 does not talk");
    assert_eq!(spy("1003", "8888"), "1012");
    assert_eq!(spy("1004", "1001"), "1014");
    assert_eq!(spy("1001", "1001"), "1015", "nobody watches himself");
    assert_eq!(spy("1003", "1001"), "");
    watched.wait_heard(LISTEN);
    // The supervisor's phone is gone: the others do not notice.
    watched.supervisor.power_off();
    wait_heard(&watched.floor.agents, &watched.agent_leg, CUSTOMER_HZ);
}

/// 1001 talks with a customer; 1003 is at a phone of his own, and in the group `backup`.
fn transfer_floor(other: fn() -> Behaviour) -> (Floor, Peer, String) {
    let setup = |mut setup: Setup| {
        setup.companies[0].extensions.1 = 3;
        setup.companies[0].groups.push(("backup", vec![1003], true));
        setup
    };
    let answers = |_: &str| Behaviour::answers(seconds(0.05));
    let floor = Floor::open(&plan(setup), answers, answers);
    let phone = Peer::start(floor.ports.next(), Sound::Tone(SUPERVISOR_HZ), move |_| other());
    phone.register(floor.server.sip, "1003", PASSWORD, 300);
    floor.crm.wait_registered(&["1003".to_owned()]);
    assert!(make_call(&floor.crm, &[]).is_success());
    let customer_leg = first(floor.carrier.wait(What::Confirmed, 1, LIMIT)).call_id;
    wait_heard(&floor.carrier, &customer_leg, AGENT_HZ);
    (floor, phone, customer_leg)
}

fn transfer(crm: &Crm, destnumber: &str, transfertype: &str) -> Answer {
    let parameters = [("anumber", "1001"), ("destnumber", destnumber), ("transfertype", transfertype)];
    crm.call("App.Sip_Call.TransferCall", &parameters)
}

#[test]
fn a_call_is_handed_to_another_extension_and_to_a_queue() {
    for (destnumber, transfertype) in [("1003", "1"), ("backup", "2")] {
        let (floor, phone, customer_leg) = transfer_floor(|| Behaviour::answers(seconds(1.0)));
        let asked = std::time::Instant::now();
        let answer = transfer(&floor.crm, destnumber, transfertype);
        assert!(answer.is_success(), "{answer:?}");
        floor.agents.wait(What::Bye, 1, LIMIT);
        let picked_up = first(phone.wait(What::Confirmed, 1, LIMIT));
        wait_heard(&floor.carrier, &customer_leg, SUPERVISOR_HZ);
        wait_heard(&phone, &picked_up.call_id, CUSTOMER_HZ);
        let packets = floor.carrier.packets(&customer_leg);
        let between = |p: &Packet| p.at > asked + seconds(0.3) && p.at < picked_up.at;
        assert!(heard(&packets, RINGBACK_HZ, between) > 0.9, "the customer hears that it rings");
        assert!(floor.crm.call("App.Sip_Call.HangupCall", &[("extnumber", "1003")]).is_success());
        let bill = wait_bills(&floor.crm, 1).remove(0);
        assert_eq!((&bill["extnumber"], &bill["hangupcause"]), (&json!("1003"), &json!(10001)));
    }
}

#[test]
fn a_call_that_nobody_takes_over_goes_back_to_who_had_it() {
    let (floor, phone, customer_leg) = transfer_floor(|| Behaviour::rejects(486, seconds(0.3)));
    assert_eq!(transfer(&floor.crm, "9999", "1").code(), "1012");
    assert_eq!(transfer(&floor.crm, "nobody", "2").code(), "1043");
    assert_eq!(transfer(&floor.crm, "1001", "1").code(), "1010", "that is himself");
    assert!(transfer(&floor.crm, "1003", "1").is_success());
    phone.wait(What::Invite, 1, LIMIT);
    let again = floor.agents.wait(What::Confirmed, 2, LIMIT).remove(1);
    assert_eq!(again.number, "1001");
    wait_heard(&floor.agents, &again.call_id, CUSTOMER_HZ);
    wait_heard(&floor.carrier, &customer_leg, AGENT_HZ);
    assert_eq!(transfer(&floor.server.crm(0), "1003", "1").code(), "", "and he may try again");
}
