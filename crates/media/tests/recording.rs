//! Goal: what both sides say is in the file, each on its own channel and at the same time as it was said, and nothing that
//! happens to the file is felt in the call. Real sockets on loopback; packets are sent in real time, 20 ms apart.

mod party;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use media::rtp::Header;
use media::{Codec, FRAME, RelayEvent, g711, goertzel};
use party::{Desk, Party, eventually};

const PCMA: Codec = Codec::Pcma;
const PCMU: Codec = Codec::Pcmu;
/// Samples of 40 ms.
const APART_MAX: usize = 320;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("media-recording-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the temporary folder is writable");
        Folder(path)
    }

    fn file(&self, name: &str) -> Arc<Path> {
        self.0.join("day").join(name).into()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct Recorded {
    path: Arc<Path>,
    duration: Duration,
    bytes: u64,
    frames_dropped: u64,
    whole: bool,
}

fn desk() -> Desk {
    Desk::with(|config| config.recording_frames_max = 1000)
}

fn recorded(desk: &Desk, who: &Party) -> Recorded {
    loop {
        if let RelayEvent::Recorded { customer, path, duration, bytes, frames_dropped, whole } = desk.event()
        {
            assert_eq!(customer, who.leg);
            return Recorded { path, duration, bytes, frames_dropped, whole };
        }
    }
}

/// Left and right.
fn channels(path: &Path) -> [Vec<i16>; 2] {
    let mut wav = hound::WavReader::open(path).expect("a WAV file");
    let spec = wav.spec();
    assert_eq!((spec.channels, spec.sample_rate, spec.bits_per_sample), (2, 8000, 16));
    let samples: Vec<i16> = wav.samples::<i16>().map(|sample| sample.expect("whole")).collect();
    [0, 1].map(|side| samples.iter().skip(side).step_by(2).copied().collect())
}

/// Each says its frame every 20 ms, for so many times.
fn talk(frames: usize, mut each: impl FnMut(usize)) {
    let begun = Instant::now();
    for n in 0..frames {
        each(n);
        let next = begun + FRAME * (n as u32 + 1);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

/// Where the first loud sample is.
fn onset(samples: &[i16]) -> usize {
    samples.iter().position(|sample| sample.unsigned_abs() > 1000).expect("there is sound")
}

fn tone_of(samples: &[i16]) -> Option<f64> {
    goertzel::strongest(samples, &[1000.0, 1700.0], 0.05)
}

#[test]
fn each_side_is_on_its_channel_and_both_are_in_time() {
    let (folder, desk) = (Folder::new("sides"), desk());
    let (mut customer, mut agent) = (desk.party(PCMA, 1000.0), desk.party(PCMU, 1700.0));
    desk.bridge(&customer, &agent);
    desk.relay.record(customer.leg, agent.leg, folder.file("call.wav"));
    let quiet = [[g711::ALAW_SILENCE; 160], [g711::ULAW_SILENCE; 160]];
    talk(100, |n| {
        // Silence for 0.6 s, then both begin at once.
        if n < 30 {
            customer.send_payload(8, &quiet[0]);
            agent.send_payload(0, &quiet[1]);
        } else {
            customer.say();
            agent.say();
        }
    });
    desk.settle();
    desk.relay.stop_record(customer.leg);
    let done = recorded(&desk, &customer);
    assert!(done.whole && done.frames_dropped == 0);
    let [left, right] = channels(&done.path);
    assert_eq!(tone_of(&left[6000..]), Some(1000.0), "the customer is left");
    assert_eq!(tone_of(&right[6000..]), Some(1700.0), "the agent is right");
    let (first, second) = (onset(&left), onset(&right));
    assert!(first.abs_diff(second) <= APART_MAX, "{first} and {second}");
    assert!(first.abs_diff(30 * 160) <= 2 * APART_MAX, "{first} is when they began to speak");
    assert!((1.9..4.0).contains(&done.duration.as_secs_f64()), "{:?}", done.duration);
    assert_eq!(done.bytes, 44 + 4 * left.len() as u64);
    // The call goes on, and is not recorded any more.
    customer.forget();
    assert_eq!(desk.heard(&mut agent, &mut customer), Some(1700.0));
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_playable_and_misses_less_than_a_second() {
    let (folder, desk) = (Folder::new("cut"), desk());
    let (mut customer, mut agent) = (desk.party(PCMA, 1000.0), desk.party(PCMA, 1700.0));
    desk.bridge(&customer, &agent);
    let path = folder.file("call.wav");
    let begun = Instant::now();
    desk.relay.record(customer.leg, agent.leg, path.clone());
    let mut copies = Vec::new();
    talk(140, |n| {
        customer.say();
        agent.say();
        if n > 60 && n % 20 == 0 {
            // What a killed server leaves.
            let copy = folder.0.join(format!("copy{n}.wav"));
            std::fs::copy(&path, &copy).expect("it is there");
            copies.push((copy, begun.elapsed()));
        }
    });
    assert_eq!(copies.len(), 3);
    for (copy, after) in copies {
        let [left, right] = channels(&copy);
        let missing = after.as_secs_f64() - left.len() as f64 / 8000.0;
        assert!(missing < 1.0, "{missing} s are missing");
        assert_eq!((tone_of(&left), tone_of(&right)), (Some(1000.0), Some(1700.0)));
        if let Ok(soxi) = Command::new("soxi").args(["-s"]).arg(&copy).output() {
            let samples = String::from_utf8_lossy(&soxi.stdout).trim().parse();
            assert_eq!((samples, soxi.stderr.is_empty()), (Ok(left.len()), true), "{soxi:?}");
        }
    }
}

#[test]
fn the_end_of_the_customers_leg_or_of_the_relay_ends_the_recording() {
    let (folder, desk) = (Folder::new("ends"), desk());
    let (mut customer, agent) = (desk.party(PCMA, 1000.0), desk.party(PCMA, 1700.0));
    let second = desk.party(PCMA, 1000.0);
    desk.bridge(&customer, &agent);
    desk.relay.record(customer.leg, agent.leg, folder.file("one.wav"));
    talk(10, |_| customer.say());
    desk.relay.close(customer.leg);
    let done = recorded(&desk, &customer);
    assert!(done.whole && done.bytes > 44 && done.duration >= Duration::from_millis(150));
    // The agent's leg serves the next customer.
    desk.bridge(&second, &agent);
    desk.relay.record(second.leg, agent.leg, folder.file("two.wav"));
    eventually(|| folder.file("two.wav").exists().then_some(()));
    let events = desk.end();
    assert!(
        events.iter().any(|event| matches!(event, RelayEvent::Recorded { customer, whole: true, .. } if *customer == second.leg)),
        "{events:?}"
    );
}

#[test]
fn a_recording_goes_on_with_the_next_agent() {
    let (folder, desk) = (Folder::new("next"), desk());
    let (customer, mut first) = (desk.party(PCMA, 1000.0), desk.party(PCMA, 1700.0));
    let mut second = desk.party(PCMA, 1000.0);
    desk.bridge(&customer, &first);
    let path = folder.file("call.wav");
    desk.relay.record(customer.leg, first.leg, path.clone());
    talk(30, |_| first.say());
    desk.settle();
    desk.bridge(&customer, &second);
    desk.relay.record(customer.leg, second.leg, path.clone());
    talk(30, |_| {
        first.say();
        second.say();
    });
    desk.settle();
    desk.relay.stop_record(customer.leg);
    let done = recorded(&desk, &customer);
    let [left, right] = channels(&done.path);
    assert!(left.iter().all(|sample| *sample == 0));
    assert_eq!(tone_of(&right[..4000]), Some(1700.0));
    assert_eq!(tone_of(&right[right.len() - 4000..]), Some(1000.0));
}

#[test]
fn a_full_ring_drops_sound_of_the_recording_and_delays_nothing() {
    let folder = Folder::new("full");
    let desk = Desk::with(|config| config.recording_frames_max = 2);
    let (mut customer, mut agent) = (desk.party(PCMA, 1000.0), desk.party(PCMA, 1700.0));
    desk.bridge(&customer, &agent);
    desk.relay.record(customer.leg, agent.leg, folder.file("call.wav"));
    // Far more than the ring holds between two looks of the writer; each is answered before the next is sent.
    for _ in 0..2000 {
        customer.say();
        agent.hear();
    }
    desk.relay.stop_record(customer.leg);
    let done = recorded(&desk, &customer);
    assert!(done.frames_dropped > 1000, "{} of 2000", done.frames_dropped);
    assert!(done.whole);
    channels(&done.path);
    let stats = desk.close(&customer);
    assert_eq!((stats.packets_in, stats.frames_unrecorded), (2000, done.frames_dropped));
    assert_eq!(desk.close(&agent).packets_out, 2000);
}

#[test]
fn a_disk_that_takes_nothing_costs_the_recording_and_not_the_call() {
    let desk = desk();
    let (mut customer, mut agent) = (desk.party(PCMA, 1000.0), desk.party(PCMA, 1700.0));
    desk.bridge(&customer, &agent);
    for path in ["/dev/full", "/dev/null/day/call.wav"] {
        desk.relay.record(customer.leg, agent.leg, Path::new(path).into());
        assert_eq!(desk.heard(&mut customer, &mut agent), Some(1000.0));
        assert_eq!(desk.heard(&mut agent, &mut customer), Some(1700.0));
        desk.relay.stop_record(customer.leg);
        let done = recorded(&desk, &customer);
        assert_eq!((&*done.path, done.bytes, done.whole), (Path::new(path), 0, false));
    }
}

#[test]
fn losses_are_silence_and_packets_of_any_length_in_any_order_find_their_place() {
    let (folder, desk) = (Folder::new("loss"), desk());
    let (customer, agent) = (desk.party(PCMA, 1000.0), desk.party(PCMA, 1700.0));
    desk.bridge(&customer, &agent);
    desk.relay.record(customer.leg, agent.leg, folder.file("call.wav"));
    let send = |packet: u32, ssrc: u32, codes: &[u8]| {
        let timestamp = packet * 160;
        let header = Header { marker: false, payload_type: 8, sequence: packet as u16, timestamp, ssrc };
        customer.send_raw(&[&header.to_bytes(), codes].concat());
    };
    let code = |packet: u32| g711::alaw_encode(1000 * (packet as i16 + 1));
    // 2 is lost, 4 comes before 3, 3 twice; 5 to 7 come as one packet of 60 ms.
    // The first one is ahead of the others, so that none of them seems to come before its time, however late this thread is.
    send(0, 7, &[code(0); 160]);
    std::thread::sleep(3 * FRAME);
    talk(8, |n| match n as u32 {
        0 | 2 | 3 | 5 | 6 => {}
        4 => [4, 3, 3].iter().for_each(|packet| send(*packet, 7, &[code(*packet); 160])),
        7 => send(5, 7, &[[code(5); 160], [code(6); 160], [code(7); 160]].concat()),
        packet => send(packet, 7, &[code(packet); 160]),
    });
    // Another source.
    talk(5, |n| send(900 + n as u32, 8, &[code(9); 160]));
    desk.settle();
    desk.relay.stop_record(customer.leg);
    let [left, _] = channels(&recorded(&desk, &customer).path);
    let decoded = |packet: u32| g711::alaw_decode(code(packet));
    let start = left.iter().position(|sample| *sample == decoded(1)).expect("the second packet is there");
    for packet in 1..8u32 {
        let frame = &left[start + (packet as usize - 1) * 160..][..160];
        let expected = if packet == 2 { 0 } else { decoded(packet) };
        assert!(frame.iter().all(|sample| *sample == expected), "packet {packet}: {frame:?}");
    }
    assert!(left.iter().filter(|sample| **sample == decoded(9)).count() >= 4 * 160);
}

#[test]
fn comfort_noise_is_recorded_at_its_level_until_the_side_speaks_again() {
    let (desk, folder) = (desk(), Folder::new("comfort"));
    let (mut anna, mut bert) = (desk.party(PCMA, 1000.0), desk.party(PCMA, 1700.0));
    desk.bridge(&anna, &bert);
    let path = folder.file("call.wav");
    desk.relay.record(anna.leg, bert.leg, path);
    talk(60, |n| match n {
        0..20 | 40.. => anna.say(),
        20 => anna.send_payload(media::rtp::COMFORT_NOISE, &[30]),
        _ => anna.pause(),
    });
    bert.say();
    desk.relay.stop_record(anna.leg);
    let [left, _] = channels(&recorded(&desk, &anna).path);
    let level = |at: std::ops::Range<usize>| {
        let energy: f64 = left[at].iter().map(|s| f64::from(*s).powi(2)).sum();
        10.0 * (energy / 1600.0 / 32_767f64.powi(2)).log10()
    };
    // Half a second in, where nothing came.
    let quiet = level(4800 - 800..4800 + 800);
    assert!((quiet + 30.0).abs() < 2.0, "{quiet} dB");
    assert!(
        goertzel::share(&left[left.len() - 2400..left.len() - 800], 1000.0) > 0.01,
        "and the voice is back"
    );
}
