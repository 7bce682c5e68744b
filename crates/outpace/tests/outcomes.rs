//! Goal: whatever happens to a call, its number ends as called (1036) with the truth about it.

mod harness;

use std::time::Duration;

use harness::crm::row_of;
use harness::floor::{Floor, Plan, extensions};
use harness::peer::{Behaviour, What};
use harness::ports::Ports;
use harness::rtp::{Packet, Rtp, Sound, samples, tone_share, tone_wav};
use harness::server::{Company, PASSWORD, Server, Setup};
use harness::sipp::{Sipp, TCP, UDP};
use harness::{seconds, wait_for};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(30);
const MESSAGE_HZ: f64 = 620.0;

/// Server with sipp as its carrier and sipp as its agents.
struct Lab {
    server: Server,
    carrier: Sipp,
    agents: Sipp,
    /// Gets the RTP of all customers.
    customers: Rtp,
    _ports: Ports,
}

fn lab(carrier: &str, agent: &str, agents: u32, transport: &[&str]) -> Lab {
    let ports = Ports::reserve();
    let (carrier_port, agent_port) = (ports.next(), ports.next());
    let customers = Rtp::open(ports.next(), Sound::Nothing);
    let rtp_port = customers.port.to_string();
    let carrier = Sipp::serve(carrier, carrier_port, &[transport, &["-key", "rtp_port", &rtp_port]].concat());
    let trunk_keys = if transport == TCP { "transport = \"tcp\"" } else { "" };
    let mut setup = Setup::new(&ports)
        .company(Company::new("1").trunk(carrier_port).trunk_keys(trunk_keys).agents(1001, agents));
    play_tone(&mut setup);
    let server = setup.start();
    let extensions = extensions(1001, agents);
    Sipp::register(server.sip, agent_port, &extensions, PASSWORD);
    let rtp_port = ports.next().to_string();
    let agents = Sipp::serve(agent, agent_port, &["-key", "rtp_port", &rtp_port]);
    server.crm(0).wait_registered(&extensions);
    Lab { server, carrier, agents, customers, _ports: ports }
}

/// The abandon message becomes a second of tone.
fn play_tone(setup: &mut Setup) {
    let path = setup.dir.path().join("message.wav");
    std::fs::write(&path, tone_wav(MESSAGE_HZ, 1)).expect("the temp directory can be written");
    setup.media_keys = format!("abandon_message = \"{}\"", path.display());
}

/// answered, answertype, hangupcause.
fn check(row: &Value, answered: i64, answertype: &str, cause: i64) {
    assert_eq!(row["status"], json!(1036), "{row}");
    assert_eq!(row["answered"], json!(answered), "{row}");
    assert_eq!(row["answertype"], json!(answertype), "{row}");
    assert_eq!(row["hangupcause"], json!(cause), "{row}");
    assert_eq!(row["extnumber"].is_string(), answertype != "callee", "{row}");
    if answered == 0 {
        assert_eq!(row["billsec"], json!(0), "{row}");
    }
}

fn check_seconds(row: &Value, field: &str, least: i64, most: i64) {
    let value = row[field].as_i64().expect("an int");
    assert!((least..=most).contains(&value), "{field} is {value}, not {least} to {most}: {row}");
}

#[test]
fn every_fate_of_a_call_is_told_as_it_was() {
    let mut lab = lab("carrier_fates", "agent_answer", 4, UDP);
    let crm = lab.server.crm(0);
    let fates = ["02", "03", "04", "05", "06", "07", "08", "09", "10"];
    let numbers: Vec<String> = fates.iter().map(|f| format!("138000100{f}")).collect();
    let taskid = crm.create(&numbers, &[]);
    let rows = crm.wait_ended(&taskid, LIMIT);
    let row = |fate: &str| row_of(&rows, &format!("138000100{fate}"));
    let call = |fate: &str, cause: i64| check(row(fate), 0, "callee", cause);

    check(row("02"), 1, "connected", 10001);
    check_seconds(row("02"), "duration", 0, 1);
    check_seconds(row("02"), "billsec", 1, 2);
    call("03", 10006);
    check_seconds(row("03"), "duration", 0, 1);
    call("04", 10016);
    check_seconds(row("04"), "duration", 2, 3);
    call("05", 10014);
    call("06", 10004);
    call("07", 10003);
    call("08", 10009);
    check(row("09"), 1, "connected", 10001);
    check_seconds(row("09"), "duration", 0, 1);
    check_seconds(row("09"), "billsec", 1, 1);
    // The answer was faster than the CANCEL: a customer like any other.
    check(row("10"), 1, "connected", 10001);
    check_seconds(row("10"), "duration", 2, 4);
    check_seconds(row("10"), "billsec", 1, 1);

    let task = crm.task_row(&taskid);
    for (field, value) in [("total", 9), ("called", 9), ("answered", 3), ("connected", 3), ("abandoned", 0)] {
        assert_eq!(task[field], json!(value), "{field} of {task}");
    }
    // The late answer got its ACK, every cancelled call too: else sipp reports a failed call.
    lab.carrier.finish(LIMIT);
    lab.agents.finish(LIMIT);
}

#[test]
fn the_call_ends_for_both_when_the_agent_hangs_up() {
    let mut lab = lab("carrier_answer", "agent_hangs_up", 2, UDP);
    let crm = lab.server.crm(0);
    let numbers = ["13800020001".to_owned(), "13800020002".to_owned(), "13800020003".to_owned()];
    let rows = crm.wait_ended(&crm.create(&numbers, &[]), LIMIT);
    for row in &rows {
        check(row, 1, "connected", 10001);
        check_seconds(row, "billsec", 1, 2);
    }
    lab.carrier.finish(LIMIT);
    lab.agents.finish(LIMIT);
}

#[test]
fn a_carrier_may_be_reached_over_tcp() {
    let mut lab = lab("carrier_fates", "agent_answer", 2, TCP);
    let crm = lab.server.crm(0);
    let numbers = ["02", "03", "04", "05", "09"].map(|f| format!("138000700{f}"));
    let rows = crm.wait_ended(&crm.create(&numbers, &[]), LIMIT);
    check(&rows[0], 1, "connected", 10001);
    check(&rows[1], 0, "callee", 10006);
    check(&rows[2], 0, "callee", 10016);
    check(&rows[3], 0, "callee", 10014);
    check(&rows[4], 1, "connected", 10001);
    lab.carrier.finish(LIMIT);
    lab.agents.finish(LIMIT);
}

#[test]
fn a_customer_whom_no_agent_takes_hears_the_message_and_counts_as_abandoned() {
    let mut lab = lab("carrier_answer", "agent_rings", 2, UDP);
    let crm = lab.server.crm(0);
    let number = "13800030001".to_owned();
    let taskid = crm.create(&[number], &[]);
    let rows = crm.wait_ended(&taskid, LIMIT);
    assert_eq!(
        (&rows[0]["status"], &rows[0]["answered"], &rows[0]["answertype"], &rows[0]["billsec"]),
        (&json!(1036), &json!(0), &json!("caller"), &json!(0))
    );
    assert!(rows[0]["extnumber"].is_string(), "an agent was offered the call: {}", rows[0]);
    let heard = samples(&lab.customers.packets());
    assert!(tone_share(&heard, MESSAGE_HZ) > 0.9, "the customer heard {} samples", heard.len());
    let task = crm.task_row(&taskid);
    assert_eq!(
        (&task["answered"], &task["abandoned"], &task["connected"]),
        (&json!(1), &json!(1), &json!(0))
    );
    lab.carrier.finish(LIMIT);
    lab.agents.finish(LIMIT);
}

#[test]
fn the_message_starts_within_the_answer_wait() {
    let setup = |mut setup: Setup| {
        play_tone(&mut setup);
        setup
    };
    let plan = Plan { setup, ..Plan::default() };
    let floor = Floor::open(&plan, |_| Behaviour::answers(seconds(0.1)), |_| Behaviour::rings());
    let taskid = floor.crm.create(&["13800040001".to_owned()], &[]);
    floor.crm.wait_ended(&taskid, LIMIT);
    let answered = &floor.carrier.all(What::Confirmed)[0];
    let packets = floor.carrier.packets(&answered.call_id);
    let is_loud = |p: &Packet| samples(std::slice::from_ref(p)).iter().any(|s| s.abs() > 4000);
    let loud = packets.iter().find(|p| is_loud(p));
    let waited = loud.expect("the message was heard").at - answered.at;
    println!("answer to message: {} ms", waited.as_millis());
    assert!(waited > seconds(1.5) && waited < seconds(2.4), "{waited:?}");
    assert_eq!(floor.carrier.wait(What::Bye, 1, LIMIT).len(), 1, "the platform hung up");
}

#[test]
fn a_customer_who_hangs_up_before_the_agent_answers_frees_the_agent() {
    let customer = |number: &str| {
        let talk = if number.ends_with('1') { 0.4 } else { 1.0 };
        Behaviour::answers(seconds(0.1)).and_hangs_up_after(seconds(talk))
    };
    let plan = Plan { agents: 1, ..Plan::default() };
    let floor = Floor::open(&plan, customer, |_| Behaviour::answers(seconds(0.7)));
    let numbers = ["13800050001".to_owned(), "13800050002".to_owned()];
    let rows = floor.crm.wait_ended(&floor.crm.create(&numbers, &[]), LIMIT);
    assert_eq!((&rows[0]["answered"], &rows[0]["answertype"]), (&json!(0), &json!("caller")), "{rows:?}");
    assert_eq!((&rows[1]["answered"], &rows[1]["answertype"]), (&json!(1), &json!("connected")), "{rows:?}");
    assert_eq!(floor.agents.all(What::Cancel).len(), 1, "the first offer was taken back");
    wait_for("the agent's BYE", LIMIT, || (floor.agents.all(What::Bye).len() == 1).then_some(()));
}

#[test]
fn a_busy_number_is_called_again_as_often_as_the_task_says() {
    let busy = |number: &str| match number {
        n if n.ends_with('1') => Behaviour::rejects(486, seconds(0.05)),
        _ => Behaviour::rejects(404, seconds(0.05)),
    };
    let floor = Floor::open(&Plan::default(), busy, |_| Behaviour::answers(seconds(0.05)));
    let numbers = ["13800060001".to_owned(), "13800060002".to_owned()];
    let rows = floor.crm.wait_ended(&floor.crm.create(&numbers, &[("calltimes", "3")]), LIMIT);
    assert_eq!((&rows[0]["round"], &rows[1]["round"]), (&json!(3), &json!(1)), "{rows:?}");
    let invites = floor.carrier.invites_by_number();
    assert_eq!((invites["13800060001"], invites["13800060002"]), (3, 1));
}
