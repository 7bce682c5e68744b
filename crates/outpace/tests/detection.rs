//! Goal: what a call sounds like decides it early: announcements and tones before the answer, machines after it; and people
//! are connected and heard as ever.

mod harness;

use std::time::Duration;

use harness::floor::{Floor, Plan, numbers};
use harness::peer::{Behaviour, What};
use harness::rtp::{Sound, encode_alaw, pattern_frames, wav};
use harness::server::Setup;
use harness::{seconds, wait_for};
use media::speech_like::SpeechLike;
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(60);
const AGENT: Sound = Sound::Pattern(2);

/// Speech without a longer pause, after the hiss of a line.
fn talk(seed: u64, length: Duration) -> Vec<i16> {
    let mut voice = SpeechLike::new(seed);
    let mut samples: Vec<i16> = (0..4000).map(|n| if n * 7 % 3 == 0 { 12 } else { -12 }).collect();
    let mut quiet_frames = 0;
    while samples.len() < 4000 + length.as_millis() as usize * 8 {
        let frame = voice.frame();
        let is_quiet = frame.iter().all(|s| s.abs() < 100);
        quiet_frames = if is_quiet { quiet_frames + 1 } else { 0 };
        if quiet_frames < 4 {
            samples.extend(frame);
        }
    }
    samples
}

fn clip(samples: &[i16]) -> Sound {
    let bytes: Vec<u8> = samples.iter().map(|s| encode_alaw(*s)).collect();
    // As long as the process: a handful of clips of a few seconds.
    Sound::Clip(bytes.leak())
}

/// Long times, so that whatever is short is so because of what was heard.
fn slow(setup: Setup) -> Setup {
    setup.dialing("no_answer_s = 40.0\nring_min_s = 30.0\nwrap_up_s = 30.0\nmiss_pause_s = 1.0")
}

fn rings_with_sound(_: &str) -> Behaviour {
    Behaviour::rings().with_early_media()
}

#[test]
fn a_learned_announcement_before_the_answer_ends_the_call_and_is_not_tried_again() {
    let announcement = talk(9, seconds(5.0));
    let plan = Plan { agents: 1, setup: slow, carrier_sound: clip(&announcement), agent_sound: AGENT };
    let floor = Floor::open(&plan, rings_with_sound, |_| Behaviour::answers(seconds(0.05)));
    let file = floor.server.setup.dir.path().join("empty.wav");
    std::fs::write(&file, wav(&announcement)).expect("the temp directory can be written");
    let learned = ["learn", file.to_str().expect("a plain path"), "--as", "empty_number"];
    assert!(floor.server.verb("prompts", &learned).contains("learned empty_number, number 1"));
    assert!(floor.server.verb("prompts", &["list"]).contains("empty_number"));
    wait_for("the server to read what was learned", LIMIT, || {
        floor.server.log().contains("announcements=1").then_some(())
    });

    let numbers = numbers(60, 1);
    let taskid = floor.crm.create(&numbers, &[("calltimes", "3")]);
    let rows = floor.crm.wait_ended(&taskid, LIMIT);
    let shown = ["answered", "answertype", "hangupcause", "mark", "round"].map(|key| rows[0][key].clone());
    assert_eq!(shown, [json!(0), json!("callee"), json!(10014), json!("空号"), json!(1)]);
    assert_eq!(floor.carrier.all(What::Invite).len(), 1, "a number that does not exist is not tried again");
    let cancelled = floor.carrier.wait(What::Cancel, 1, LIMIT)[0].at;
    let took = cancelled - floor.carrier.all(What::Invite)[0].at;
    assert!(took < seconds(20.0), "{took:?} of the 40 s that it may ring");
    let greeted = floor.carrier.packets_of(&numbers[0]);
    assert!(!greeted.is_empty(), "the carrier hears something first");
    assert_eq!(floor.agents.all(What::Invite).len(), 0);

    floor.server.verb("prompts", &["remove", "1"]);
    assert_eq!(floor.server.verb("prompts", &["list"]), "");
}

#[test]
fn a_busy_tone_before_the_answer_is_busy_and_is_tried_again() {
    let tone = |n: usize| if n % 5600 < 2800 { (8000.0 * (0.353_429 * n as f64).sin()) as i16 } else { 0 };
    let busy: Vec<i16> = (0..160_000).map(tone).collect();
    let plan = Plan { agents: 1, setup: slow, carrier_sound: clip(&busy), agent_sound: AGENT };
    let floor = Floor::open(&plan, rings_with_sound, |_| Behaviour::answers(seconds(0.05)));
    let taskid = floor.crm.create(&numbers(61, 1), &[("calltimes", "2")]);
    let rows = floor.crm.wait_ended(&taskid, LIMIT);
    let shown = ["answered", "hangupcause", "mark", "round"].map(|key| rows[0][key].clone());
    assert_eq!(shown, [json!(0), json!(10006), json!("占线"), json!(2)]);
    assert_eq!(floor.carrier.wait(What::Cancel, 2, LIMIT).len(), 2);
}

#[test]
fn a_machine_is_hung_up_on_and_the_agent_takes_the_next_call_at_once() {
    let greeting = clip(&talk(4, seconds(12.0)));
    let plan = Plan { agents: 1, setup: slow, carrier_sound: greeting, agent_sound: AGENT };
    let floor =
        Floor::open(&plan, |_| Behaviour::answers(seconds(0.2)), |_| Behaviour::answers(seconds(0.05)));
    let numbers = numbers(62, 2);
    let taskid = floor.crm.create(&numbers, &[("amd", "1"), ("calltimes", "3")]);
    for row in floor.crm.wait_ended(&taskid, LIMIT) {
        let shown = ["answered", "answertype", "mark", "billsec", "round"].map(|key| row[key].clone());
        assert_eq!(shown, [json!(0), json!("callee"), json!("语音信箱"), json!(0), json!(1)], "{row}");
    }
    let byes = floor.carrier.all(What::Bye);
    let answers = floor.carrier.all(What::Confirmed);
    assert_eq!((byes.len(), answers.len()), (2, 2));
    // 30 s of wrap-up after the first would be more than all of it.
    assert!(byes[1].at - answers[0].at < seconds(25.0), "{:?}", byes[1].at - answers[0].at);
    for offered in floor.agents.all(What::Confirmed) {
        assert!(floor.agents.packets(&offered.call_id).len() > 50, "the agent hears the greeting meanwhile");
    }
    let row = floor.crm.task_row(&taskid);
    let counts = ["called", "answered", "abandoned"].map(|key| row[key].clone());
    assert_eq!(counts, [json!(2), json!(0), json!(0)], "nobody answered, so nobody was abandoned");
}

#[test]
fn a_person_stays_connected_and_both_hear_each_other() {
    let greeting = clip(&talk(5, seconds(0.6)));
    let plan = Plan { agents: 1, setup: slow, carrier_sound: greeting, agent_sound: AGENT };
    let customer = |_: &str| Behaviour::answers(seconds(0.2)).and_hangs_up_after(seconds(7.0));
    let floor = Floor::open(&plan, customer, |_| Behaviour::answers(seconds(0.05)));
    let numbers = numbers(63, 1);
    let taskid = floor.crm.create(&numbers, &[("amd", "1")]);
    let rows = floor.crm.wait_ended(&taskid, LIMIT);
    let shown = ["answered", "answertype", "mark"].map(|key| rows[0][key].clone());
    assert_eq!(shown, [json!(1), json!("connected"), json!("")]);
    assert_eq!(floor.carrier.all(What::Bye).len(), 0, "the customer hung up");
    let heard = pattern_frames(&floor.carrier.packets_of(&numbers[0]), 2);
    assert!(heard.len() > 250, "the customer heard {} frames of seven seconds", heard.len());
    let offered = &floor.agents.all(What::Confirmed)[0];
    let heard = floor.agents.packets(&offered.call_id).len();
    assert!(heard > 250, "the agent heard {heard} frames of seven seconds");
    assert_eq!(floor.crm.task_row(&taskid)["answered"], json!(1));
}
