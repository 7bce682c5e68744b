//! Goal: a call is recorded from the bridge to its end, the file can be fetched by who may, and it goes when its time is
//! over. No trouble with recordings is felt in a call.

mod harness;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use harness::crm::Crm;
use harness::floor::{Floor, Plan, numbers, with_hold_music};
use harness::hearing::wait_heard;
use harness::peer::{Behaviour, Outgoing, Peer, What};
use harness::rtp::{Sound, samples, tone_share};
use harness::server::{Company, PASSWORD, Server, Setup};
use harness::{seconds, wait_for};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(30);
const CUSTOMER_HZ: f64 = 1000.0;
const AGENT_HZ: f64 = 1700.0;

fn plan(setup: fn(Setup) -> Setup) -> Plan {
    let (carrier_sound, agent_sound) = (Sound::Tone(CUSTOMER_HZ), Sound::Tone(AGENT_HZ));
    Plan { agents: 1, setup, carrier_sound, agent_sound }
}

fn on(setup: Setup) -> Setup {
    setup.recording("enabled = true\ndisk_min_free_mb = 1").company(Company::new("2"))
}

/// A floor whose customers talk for so long.
fn floor(setup: fn(Setup) -> Setup, talk_s: f64) -> Floor {
    let customer = move |_: &str| Behaviour::answers(seconds(0.1)).and_hangs_up_after(seconds(talk_s));
    Floor::open(&plan(setup), customer, |_| Behaviour::answers(seconds(0.05)))
}

/// Names of the recordings that are complete, oldest first.
fn wait_recorded(server: &Server, count: usize) -> Vec<String> {
    wait_for("recordings that are complete", LIMIT, || {
        let rows = server.sql("SELECT filename FROM recordings WHERE seconds > 0 ORDER BY call");
        (rows.len() == count).then_some(rows)
    })
}

struct Fetched {
    status: u16,
    headers: ureq::http::HeaderMap,
    body: Vec<u8>,
}

fn fetch(url: &str, range: Option<&str>) -> Fetched {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut request = agent.get(url);
    if let Some(range) = range {
        request = request.header("range", range);
    }
    let mut response = request.call().unwrap_or_else(|error| panic!("GET {url}: {error}"));
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.body_mut().with_config().limit(1 << 30).read_to_vec().expect("a body");
    Fetched { status, headers, body }
}

fn link(crm: &Crm, filename: &str) -> String {
    let answer = crm.call("App.Sip_Cdr.GetRecodeFile", &[("filename", filename)]);
    let result = answer.result();
    assert_eq!(result["expiredtime"].as_str().expect("a string").len(), "2020-02-11 17:27:23".len());
    result["downurl"].as_str().expect("a string").to_owned()
}

/// Customer and agent, out of a stereo WAV file of 8 kHz and 16 bit whose header is true.
fn channels(wav: &[u8]) -> [Vec<i16>; 2] {
    let u32_at = |at: usize| u32::from_le_bytes(wav[at..at + 4].try_into().expect("four bytes")) as usize;
    assert_eq!((&wav[..4], &wav[8..16], &wav[36..40]), (&b"RIFF"[..], &b"WAVEfmt "[..], &b"data"[..]));
    assert_eq!((wav[20], wav[22], u32_at(24), wav[34]), (1, 2, 8000, 16));
    let data = &wav[44..44 + u32_at(40)];
    let samples: Vec<i16> = data.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
    [0, 1].map(|side| samples.iter().skip(side).step_by(2).copied().collect())
}

/// A recorded call of 1001, whom another phone, 1003, relieves: how the customer hears 1003 is `relieve`'s affair.
fn relieved(relieve: impl FnOnce(&Floor, &Peer, &Outgoing)) {
    const OTHER_HZ: f64 = 2300.0;
    let floor = Floor::that_holds(|setup| on(with_hold_music(setup)));
    let other = floor.phone("1003", OTHER_HZ);
    floor.crm.wait_registered(&["1003".to_owned()]);
    let (customer, call) = floor.dialed_talk("13900000001");
    std::thread::sleep(seconds(1.0));
    relieve(&floor, &other, &call);
    wait_heard(&floor.carrier, &customer, OTHER_HZ);
    std::thread::sleep(seconds(1.5));
    assert_eq!(floor.carrier.ask(&customer, "BYE", "", ("", "")).status(), 200);
    let talk = wait_for("the recording of the talk", LIMIT, || {
        // What the agents told each other is shorter.
        floor.server.sql("SELECT filename FROM recordings WHERE seconds >= 3").pop()
    });
    let [left, right] = channels(&std::fs::read(file_of(&floor.server, &talk)).expect("it is there"));
    let (begin, end) = (&right[..6000], &right[right.len() - 8000..]);
    assert!(tone_share(begin, AGENT_HZ) > 0.9, "the first agent is right");
    assert!(tone_share(end, OTHER_HZ) > 0.9, "and then the other: {}", tone_share(end, OTHER_HZ));
    for part in [&left[..6000], &left[left.len() - 8000..]] {
        assert!(tone_share(part, CUSTOMER_HZ) > 0.9, "the customer is left");
    }
}

fn check_sound(wav: &[u8], least_s: f64) {
    let [left, right] = channels(wav);
    assert!(left.len() as f64 >= least_s * 8000.0, "{} samples", left.len());
    assert!(tone_share(&left, CUSTOMER_HZ) > 0.9, "the customer is left");
    assert!(tone_share(&right, AGENT_HZ) > 0.9, "the agent is right");
    assert!(tone_share(&left, AGENT_HZ) < 0.1 && tone_share(&right, CUSTOMER_HZ) < 0.1);
}

fn file_of(server: &Server, filename: &str) -> PathBuf {
    server.recordings().join(filename)
}

#[test]
fn a_call_is_recorded_and_its_company_fetches_it() {
    let floor = floor(on, 2.0);
    floor.crm.wait_ended(&floor.crm.create(&numbers(70, 1), &[]), LIMIT);
    let filename = wait_recorded(&floor.server, 1).remove(0);
    let (day, file) = filename.split_once('/').expect("a folder");
    assert!(day.len() == 8 && day.starts_with("20") && file.starts_with("1_") && file.ends_with(".wav"));
    let uuid = floor.server.sql("SELECT lower(hex(call)) FROM recordings").remove(0);
    assert_eq!(file["1_".len()..].trim_end_matches(".wav").replace('-', ""), uuid);

    let day = ("2020-01-01", "2099-01-01");
    let bills = floor.crm.call("App.Sip_Cdr.GetBill", &[("starttime", day.0), ("endtime", day.1)]);
    assert_eq!(bills.result()["bills"][0]["recordfilename"], json!(filename));

    let url = link(&floor.crm, &filename);
    let whole = fetch(&url, None);
    assert_eq!((whole.status, &whole.headers["content-type"]), (200, &"audio/wav".parse().expect("text")));
    check_sound(&whole.body, 1.5);
    let row = floor.server.sql("SELECT seconds, bytes FROM recordings").remove(0);
    let (length, bytes) = row.split_once('|').expect("two columns");
    assert_eq!(bytes, whole.body.len().to_string());
    let length: f64 = length.parse().expect("a number");
    assert!((length - (whole.body.len() - 44) as f64 / 32_000.0).abs() <= 0.5, "{row}");

    let part = fetch(&url, Some("bytes=44-1043"));
    assert_eq!((part.status, &part.body[..]), (206, &whole.body[44..1044]));
    let range = format!("bytes 44-1043/{}", whole.body.len());
    assert_eq!(part.headers["content-range"].to_str().expect("text"), range);
    assert_eq!(fetch(&url, Some("bytes=999999999-")).status, 416);
}

#[test]
fn nobody_else_fetches_it() {
    let floor = floor(on, 1.5);
    floor.crm.wait_ended(&floor.crm.create(&numbers(71, 1), &[]), LIMIT);
    let filename = wait_recorded(&floor.server, 1).remove(0);
    let ask = |crm: &Crm, filename: &str| {
        crm.call("App.Sip_Cdr.GetRecodeFile", &[("filename", filename)]).code().to_owned()
    };
    let other = floor.server.crm(1);
    assert_eq!(ask(&other, &filename), "1029");
    for name in ["20200101/1_none.wav", "none", "../outpace.toml", "../recordings.key", "/etc/passwd"] {
        assert_eq!(ask(&floor.crm, name), "1029", "{name}");
    }
    assert_eq!(floor.crm.call("App.Sip_Cdr.GetRecodeFile", &[]).ret(), 400);

    let url = link(&floor.crm, &filename);
    let (plain, query) = url.split_once('?').expect("a query");
    let (expires, signature) = query.split_once('&').expect("two fields");
    let changed = if signature.ends_with('0') { "1" } else { "0" };
    let changed = format!("{plain}?{expires}&{}{changed}", &signature[..signature.len() - 1]);
    let longer = format!("{plain}?expires=99999999999&{signature}");
    let another = url.replace("/1_", "/2_");
    for wrong in [plain, &changed, &longer, &another, &format!("{plain}?{expires}")] {
        assert_eq!(fetch(wrong, None).status, 403, "{wrong}");
    }
    let base = plain.split_once("/recordings/").expect("the path").0;
    for outside in
        ["..%2f..%2foutpace.toml", "x/..%2f..%2frecordings.key", "20200101/%2e%2e%2foutpace.sqlite"]
    {
        let status = fetch(&format!("{base}/recordings/{outside}?{query}"), None).status;
        assert!(matches!(status, 403 | 404), "{outside}: {status}");
    }
    std::fs::remove_file(file_of(&floor.server, &filename)).expect("it is there");
    assert_eq!((fetch(&url, None).status, ask(&floor.crm, &filename).as_str()), (404, "1029"));
}

#[test]
fn a_leg_that_is_kept_up_makes_a_recording_of_each_call() {
    let setup = |setup: Setup| {
        on(setup).dialing("no_answer_s = 2.0\nring_min_s = 1.0\nwrap_up_s = 0.1\nagent_legs = \"kept_up\"")
    };
    let floor = floor(setup, 1.5);
    floor.crm.wait_ended(&floor.crm.create(&numbers(72, 2), &[]), LIMIT);
    for filename in wait_recorded(&floor.server, 2) {
        let wav = std::fs::read(file_of(&floor.server, &filename)).expect("it is there");
        check_sound(&wav, 1.0);
        assert!(wav.len() < 44 + 32_000 * 4, "it ends with its call");
    }
}

#[test]
fn a_recording_goes_on_with_the_agent_who_was_asked() {
    relieved(|floor, other, call| {
        assert_eq!(floor.agents.offer(&call.call_id, "sendonly").status(), 200);
        let consult = floor.agents.dial(floor.server.sip, "1001", PASSWORD, "1003").expect("answered");
        other.wait(What::Confirmed, 1, LIMIT);
        let (ours, theirs) = floor.agents.tags(&consult.call_id);
        let replaces = format!("{}%3Bto-tag%3D{theirs}%3Bfrom-tag%3D{ours}", consult.call_id);
        let header = format!("Refer-To: <sip:1003@{}?Replaces={replaces}>\r\n", floor.server.sip);
        assert_eq!(floor.agents.ask(&call.call_id, "REFER", &header, ("", "")).status(), 202);
    });
}

#[test]
fn a_recording_goes_on_with_the_phone_that_takes_over() {
    relieved(|floor, other, call| {
        let (ours, theirs) = floor.agents.tags(&call.call_id);
        let header = format!("Replaces: {};to-tag={theirs};from-tag={ours}\r\n", call.call_id);
        other.dial_with(floor.server.sip, ("1003", PASSWORD), "0", &header).expect("answered");
    });
}

#[test]
fn a_recording_goes_on_with_the_agent_to_whom_the_call_is_handed() {
    relieved(|floor, _, call| {
        let header = format!("Refer-To: <sip:1003@{}>\r\n", floor.server.sip);
        assert_eq!(floor.agents.ask(&call.call_id, "REFER", &header, ("", "")).status(), 202);
    });
}

#[test]
fn a_killed_server_leaves_a_recording_that_plays_and_can_be_fetched() {
    let mut floor = floor(on, 30.0);
    floor.crm.create(&numbers(73, 1), &[]);
    let filename =
        wait_for("the recording's row", LIMIT, || floor.server.sql("SELECT filename FROM recordings").pop());
    let path = file_of(&floor.server, &filename);
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |m| m.len());
    wait_for("two seconds of sound", LIMIT, || (size(&path) > 2 * 32_000).then_some(()));
    floor.server.kill();
    check_sound(&std::fs::read(&path).expect("it is there"), 1.9);
    let soxi = Command::new("soxi").arg("-s").arg(&path).output().expect("soxi is installed");
    let samples = String::from_utf8_lossy(&soxi.stdout).trim().parse::<u64>();
    assert_eq!((samples, soxi.stderr.len()), (Ok((size(&path) - 44) / 4), 0), "{soxi:?}");

    floor.server.spawn();
    let crm = floor.server.crm(0);
    check_sound(&fetch(&link(&crm, &filename), None).body, 1.9);
}

/// What another program makes of Opus in Ogg, as WAV.
fn decoded(ogg: &Path) -> Vec<u8> {
    let wav = ogg.with_extension("test.wav");
    let command = ["--quiet", "--rate", "8000", "--no-dither"];
    let done =
        Command::new("opusdec").args(command).arg(ogg).arg(&wav).output().expect("opusdec is installed");
    assert!(done.status.success(), "{done:?}");
    std::fs::read(wav).expect("opusdec wrote it")
}

#[test]
fn opus_in_ogg_is_as_good_also_when_the_server_is_killed() {
    let ogg = |setup: Setup| setup.recording("enabled = true\nformat = \"ogg\"\ndisk_min_free_mb = 1");
    let mut floor = floor(ogg, 4.0);
    let task = floor.crm.create(&numbers(76, 1), &[]);
    floor.crm.wait_ended(&task, LIMIT);
    let whole = wait_recorded(&floor.server, 1).remove(0);
    assert!(whole.ends_with(".ogg"), "{whole}");
    let fetched = fetch(&link(&floor.crm, &whole), None);
    assert_eq!((fetched.status, &fetched.headers["content-type"].to_str().unwrap()[..9]), (200, "audio/ogg"));
    let path = file_of(&floor.server, &whole);
    assert_eq!(fetched.body, std::fs::read(&path).expect("it is there"));
    check_sound(&decoded(&path), 3.5);
    assert!(fetched.body.len() < 4 * 8000, "{} bytes", fetched.body.len());

    floor.crm.create(&numbers(77, 1), &[]);
    let cut = wait_for("the second recording's row", LIMIT, || {
        floor.server.sql("SELECT filename FROM recordings WHERE seconds = 0").pop()
    });
    let path = file_of(&floor.server, &cut);
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |m| m.len());
    wait_for("some sound", LIMIT, || (size(&path) > 4000).then_some(()));
    floor.server.kill();
    check_sound(&decoded(&path), 1.0);
}

#[test]
fn links_outlive_a_restart_and_recordings_go_when_their_time_is_over() {
    let mut floor = floor(on, 1.5);
    floor.crm.wait_ended(&floor.crm.create(&numbers(74, 1), &[]), LIMIT);
    let filename = wait_recorded(&floor.server, 1).remove(0);
    let url = link(&floor.crm, &filename);
    floor.server.kill();
    floor.server.spawn();
    assert_eq!(fetch(&url, None).status, 200);
    floor.server.kill();
    floor.server.sql("UPDATE recordings SET created_at = created_at - 91 * 86400000000");
    floor.server.spawn();
    wait_for("the recording to go", LIMIT, || {
        floor.server.sql("SELECT filename FROM recordings").is_empty().then_some(())
    });
    let path = file_of(&floor.server, &filename);
    assert!(!path.exists() && !path.parent().expect("the day's folder").exists());
    assert_eq!(fetch(&url, None).status, 404);
}

#[test]
fn a_server_that_ends_completes_the_recordings_it_cuts_off() {
    let mut floor = floor(|setup| on(setup).drain_s(1), 30.0);
    floor.crm.create(&numbers(75, 1), &[]);
    let filename =
        wait_for("the recording's row", LIMIT, || floor.server.sql("SELECT filename FROM recordings").pop());
    let path = file_of(&floor.server, &filename);
    wait_for("sound", LIMIT, || std::fs::metadata(&path).is_ok_and(|m| m.len() > 32_000).then_some(()));
    floor.server.send_sigterm();
    assert!(floor.server.wait_exit(LIMIT).success());
    let row = floor.server.sql("SELECT seconds > 0, bytes FROM recordings").remove(0);
    assert_eq!(row, format!("1|{}", std::fs::metadata(&path).expect("it is there").len()));
    check_sound(&std::fs::read(&path).expect("it is there"), 1.5);
}

#[test]
fn without_room_on_the_disk_calls_go_on_and_are_not_recorded() {
    let floor = floor(|setup| setup.recording("enabled = true\ndisk_min_free_mb = 1000000000"), 1.0);
    let rows = floor.crm.wait_ended(&floor.crm.create(&numbers(76, 1), &[]), LIMIT);
    assert_eq!(rows[0]["answered"], json!(1));
    assert_eq!(floor.server.sql("SELECT * FROM recordings"), Vec::<String>::new());
    assert_eq!(floor.server.log().matches("the disk is nearly full").count(), 1);
}

#[test]
fn a_disk_that_fails_costs_the_recording_and_not_the_call() {
    let floor = floor(on, 1.5);
    // Where the folder was is a file now: no folder of the day can be made.
    let folder = floor.server.recordings();
    std::fs::remove_dir(&folder).expect("an empty folder");
    std::fs::write(&folder, "").expect("it can be written");
    let rows = floor.crm.wait_ended(&floor.crm.create(&numbers(77, 1), &[]), LIMIT);
    assert_eq!((&rows[0]["answered"], &rows[0]["extnumber"]), (&json!(1), &json!("1001")));
    let offered = &floor.agents.all(What::Confirmed)[0];
    assert!(tone_share(&samples(&floor.agents.packets(&offered.call_id)), CUSTOMER_HZ) > 0.9);
    assert_eq!(floor.server.log().matches("a recording is given up").count(), 1);
    assert_eq!(floor.server.sql("SELECT bytes FROM recordings"), ["0"]);
}
