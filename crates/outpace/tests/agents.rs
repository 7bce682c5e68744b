//! Goal: an answered customer gets the next agent when one fails, and nothing is dialed that nobody could take.

mod harness;

use std::time::Duration;

use harness::crm::Crm;
use harness::floor::{Floor, Plan, numbers};
use harness::peer::{Behaviour, Peer, Seen, What};
use harness::ports::Ports;
use harness::rtp::Sound;
use harness::seconds;
use harness::server::{Company, PASSWORD, Server, Setup};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(30);

/// Two agents, 1001 always asked first; 1002 answers at once.
fn floor_with_first_agent(first: fn() -> Behaviour) -> Floor {
    let setup = |mut setup: Setup| {
        for company in &mut setup.companies {
            company.strategy = 5;
        }
        setup
    };
    let plan = Plan { setup, ..Plan::default() };
    let customer = |_: &str| Behaviour::answers(seconds(0.1)).and_hangs_up_after(seconds(3.0));
    let agent = move |extension: &str| match extension {
        "1001" => first(),
        _ => Behaviour::answers(seconds(0.05)),
    };
    Floor::open(&plan, customer, agent)
}

/// The customer's answer to the agent's answer, and that it was 1002 after 1001 was tried.
fn wait_of_the_customer(floor: &Floor) -> Duration {
    let rows = floor.crm.wait_ended(&floor.crm.create(&numbers(60, 1), &[]), LIMIT);
    assert_eq!((&rows[0]["answered"], &rows[0]["extnumber"]), (&json!(1), &json!("1002")), "{rows:?}");
    let confirmed = |seen: Vec<Seen>| seen.first().expect("it was answered").at;
    let waited = confirmed(floor.agents.all(What::Confirmed))
        .saturating_duration_since(confirmed(floor.carrier.all(What::Confirmed)));
    println!("customer's answer to second agent's: {} ms", waited.as_millis());
    waited
}

fn was_asked(floor: &Floor, extension: &str) -> bool {
    floor.agents.all(What::Invite).iter().any(|s| s.number == extension)
}

#[test]
fn when_an_agent_lets_it_ring_the_next_one_has_the_customer_within_two_seconds() {
    let floor = floor_with_first_agent(Behaviour::rings);
    assert!(wait_of_the_customer(&floor) < seconds(2.0));
    assert!(was_asked(&floor, "1001"));
    assert_eq!(floor.agents.wait(What::Cancel, 1, LIMIT)[0].number, "1001", "it stops ringing there");
}

#[test]
fn when_a_phone_is_dead_the_next_agent_has_the_customer_within_two_seconds() {
    let floor = floor_with_first_agent(Behaviour::is_dead);
    assert!(wait_of_the_customer(&floor) < seconds(2.0));
    assert!(was_asked(&floor, "1001"));
}

#[test]
fn when_a_phone_refuses_the_next_agent_has_the_customer_at_once() {
    for refuses in [|| Behaviour::rejects(486, seconds(0.05)), || Behaviour::rejects(480, seconds(0.05))] {
        let floor = floor_with_first_agent(refuses);
        assert!(wait_of_the_customer(&floor) < seconds(1.0));
        assert!(was_asked(&floor, "1001"));
    }
}

#[test]
fn an_extension_that_took_its_registration_back_is_not_asked() {
    let floor = floor_with_first_agent(Behaviour::rings);
    floor.agents.register(floor.server.sip, "1001", PASSWORD, 0);
    assert!(wait_of_the_customer(&floor) < seconds(1.0));
    assert!(!was_asked(&floor, "1001"));
}

#[test]
fn an_extension_that_goes_while_it_rings_gives_the_customer_to_the_next() {
    let floor = floor_with_first_agent(Behaviour::rings);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| wait_of_the_customer(&floor));
        floor.agents.wait(What::Invite, 1, LIMIT);
        floor.agents.register(floor.server.sip, "1001", PASSWORD, 0);
        assert!(waiting.join().expect("no panic") < seconds(2.0));
    });
}

#[test]
fn an_extension_in_no_group_can_be_a_tasks_agent() {
    let ports = Ports::reserve();
    let customer = |_: &str| Behaviour::answers(seconds(0.1)).and_hangs_up_after(seconds(0.6));
    let carrier = Peer::start(ports.next(), Sound::Nothing, customer);
    let phones = Peer::start(ports.next(), Sound::Nothing, |_| Behaviour::answers(seconds(0.05)));
    let server =
        Setup::new(&ports).company(Company::new("1").trunk(carrier.port).extensions(1001, 2)).start();
    phones.register(server.sip, "1002", PASSWORD, 300);
    let crm = server.crm(0);
    crm.wait_registered(&["1002".to_owned()]);
    let taskid = crm.create(&numbers(61, 2), &[("assigntype", "1"), ("assignagent", "1001,1002")]);
    for row in crm.wait_ended(&taskid, LIMIT) {
        assert_eq!((&row["answered"], &row["extnumber"]), (&json!(1), &json!("1002")), "{row}");
    }
}

/// Two groups with an agent and a task each. The task of `open` is the clock: what it dials, the other could have
/// dialed in the same time.
struct TwoGroups {
    server: Server,
    crm: Crm,
    carrier: Peer,
    agents: Peer,
    _ports: Ports,
}

impl TwoGroups {
    fn open(watched_is_signed_in: bool) -> TwoGroups {
        let ports = Ports::reserve();
        let customer = |_: &str| Behaviour::answers(seconds(0.1)).and_hangs_up_after(seconds(0.3));
        let carrier = Peer::start(ports.next(), Sound::Nothing, customer);
        let agents = Peer::start(ports.next(), Sound::Nothing, |_| Behaviour::answers(seconds(0.02)));
        let company = Company::new("1").trunk(carrier.port).extensions(1001, 2);
        let company = company.group("watched", &[1001], watched_is_signed_in).group("clock", &[1002], true);
        let server = Setup::new(&ports).company(company).start();
        for extension in ["1001", "1002"] {
            agents.register(server.sip, extension, PASSWORD, 300);
        }
        let crm = server.crm(0);
        crm.wait_registered(&["1001".to_owned(), "1002".to_owned()]);
        TwoGroups { server, crm, carrier, agents, _ports: ports }
    }

    fn invites_of(&self, series: u32) -> usize {
        let prefix = format!("13{series:04}");
        self.carrier.all(What::Invite).iter().filter(|s| s.number.starts_with(&prefix)).count()
    }

    /// Three calls of the other group, one after the other.
    fn tick(&self, series: u32) {
        let taskid = self.crm.create(&numbers(series, 3), &[("assignagent", "clock")]);
        self.crm.wait_ended(&taskid, LIMIT);
    }

    fn queue(&self, action: &str, more: &[(&str, &str)]) {
        let mut parameters = vec![("queuename", "watched"), ("extnumber", "1001"), ("crmid", "c1")];
        parameters.extend_from_slice(more);
        let answer = self.crm.call(&format!("App.Sip_Queue.{action}"), &parameters);
        assert!(answer.is_success(), "{action}: {answer:?}");
    }

    /// Waits until the watched agent has no call, so that nothing is under way.
    fn settle(&self, series: u32) -> usize {
        harness::wait_for("calls under way to end", LIMIT, || {
            let answered = self.carrier.all(What::HungUp(200)).len() + self.carrier.all(What::Bye).len();
            (answered == self.carrier.all(What::Invite).len()).then_some(())
        });
        self.invites_of(series)
    }
}

#[test]
fn nothing_is_dialed_while_nobody_is_signed_in() {
    let floor = TwoGroups::open(false);
    let taskid = floor.crm.create(&numbers(70, 3), &[("assignagent", "watched")]);
    floor.tick(71);
    assert_eq!(floor.invites_of(70), 0);
    assert_eq!(floor.crm.task_row(&taskid)["status"], json!(1026), "it waits for agents");
    floor.queue("SipSignIn", &[]);
    let rows = floor.crm.wait_ended(&taskid, LIMIT);
    assert!(rows.iter().all(|r| r["extnumber"] == json!("1001") && r["answered"] == json!(1)), "{rows:?}");
}

#[test]
fn pause_and_sign_out_stop_dialing_until_the_agent_is_back() {
    let floor = TwoGroups::open(true);
    let count = 200;
    let taskid = floor.crm.create(&numbers(72, count), &[("assignagent", "watched")]);
    floor.crm.wait_called(&taskid, 2, LIMIT);

    floor.queue("SetSeatsStatus", &[("settype", "1")]);
    let before = floor.settle(72);
    floor.tick(73);
    assert_eq!(floor.invites_of(72), before, "a paused agent is no supply");
    floor.queue("SetSeatsStatus", &[("settype", "2")]);
    floor.crm.wait_called(&taskid, before as u64 + 2, LIMIT);

    floor.queue("SipSignOut", &[]);
    let before = floor.settle(72);
    floor.tick(74);
    assert_eq!(floor.invites_of(72), before, "nobody is signed in");
    floor.queue("SipSignIn", &[]);
    floor.crm.wait_called(&taskid, before as u64 + 2, LIMIT);

    assert!(floor.crm.task("TaskSet", &[("taskid", &taskid), ("taskstatus", "2")]).is_success());
    let before = floor.settle(72);
    floor.tick(75);
    assert_eq!(floor.invites_of(72), before, "the task is paused");
    assert!(floor.crm.task("TaskSet", &[("taskid", &taskid), ("taskstatus", "3")]).is_success());
    let talked = floor.crm.task_info(&taskid).iter().filter(|r| r["answered"] == json!(1)).count();
    assert!(talked >= 6, "{talked} talked");
    assert!(floor.agents.all(What::Invite).iter().any(|s| s.number == "1001"));
    assert!(floor.server.api.port() > 0);
}
