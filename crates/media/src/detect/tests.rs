//! Small sounds made by formulas: the same in every run. Speech by a synthesiser is in `examples/detect_report`.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::speech_like::SpeechLike;
use crate::{Sound, g711, tone};

const A: i16 = 3000;

fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}

/// Tones of equal amplitude with their cadence, for so many milliseconds.
fn cadenced(frequencies_hz: &[f64], steps: &[(u64, u64)], total_ms: u64) -> Vec<i16> {
    let second = frequencies_hz.get(1).map_or((0.0, 0), |hz| (*hz, A));
    let mut out = vec![0; 2000];
    while out.len() < total_ms as usize * 8 {
        for (on, off) in steps {
            out.extend(tone::dual((frequencies_hz[0], A), second, ms(*on)).samples());
            out.resize(out.len() + *off as usize * 8, 0);
        }
    }
    out
}

/// Adds white noise, sends all through A-law and loses packets: seen ones are none.
fn line(samples: &[i16], noise: i16, loss: f64, seed: u64) -> Vec<Option<[i16; FRAME_SAMPLES]>> {
    let mut random = fastrand::Rng::with_seed(seed);
    let noisy = samples.iter().map(|sample| {
        let sample = sample.saturating_add(if noise > 0 { random.i16(-noise..=noise) } else { 0 });
        g711::alaw_decode(g711::alaw_encode(sample))
    });
    let sound = Sound::from_samples(noisy.collect());
    sound.frames().map(|frame| (random.f64() >= loss).then_some(frame)).collect()
}

fn listen(listener: &mut Listener, frames: &[Option<[i16; FRAME_SAMPLES]>]) -> Vec<Heard> {
    let mut heard = Vec::new();
    for frame in frames {
        match frame {
            Some(frame) => listener.feed(frame),
            None => listener.lost(),
        }
        heard.extend(std::iter::from_fn(|| listener.poll()).map(|heard| heard.what));
    }
    heard
}

fn tones(frames: &[Option<[i16; FRAME_SAMPLES]>]) -> Vec<(Option<Plan>, ToneKind)> {
    let heard = listen(&mut Listener::new(ListenerConfig::default()), frames);
    let tone = |heard: Heard| match heard {
        Heard::Tone(tone) => Some((tone.plan, tone.kind)),
        _ => None,
    };
    heard.into_iter().filter_map(tone).collect()
}

/// White noise that is 10 dB below one tone of amplitude `A`: uniform noise of ±n has n²/3, a sine A²/2.
const NOISE_10_DB: i16 = 1160;

/// A tone, its frequencies, and its times on and off.
type Case = (Plan, ToneKind, &'static [f64], &'static [(u64, u64)]);

#[test]
fn tones_of_all_plans_are_named_clean_and_at_10_db_with_lost_packets() {
    let cases: &[Case] = &[
        (Plan::Cn, ToneKind::Ringback, &[450.0], &[(1000, 4000)]),
        (Plan::Cn, ToneKind::Busy, &[450.0], &[(350, 350)]),
        (Plan::Cn, ToneKind::Congestion, &[450.0], &[(700, 700)]),
        (Plan::Cn, ToneKind::Unobtainable, &[450.0], &[(100, 100), (100, 100), (100, 100), (400, 400)]),
        (Plan::Us, ToneKind::Ringback, &[440.0, 480.0], &[(2000, 4000)]),
        (Plan::Us, ToneKind::Busy, &[480.0, 620.0], &[(500, 500)]),
        (Plan::Us, ToneKind::Congestion, &[480.0, 620.0], &[(250, 250)]),
        (Plan::Us, ToneKind::Dial, &[350.0, 440.0], &[(6000, 0)]),
        (Plan::Uk, ToneKind::Ringback, &[400.0, 450.0], &[(400, 200), (400, 2000)]),
        (Plan::Uk, ToneKind::Busy, &[400.0], &[(375, 375)]),
        (Plan::Uk, ToneKind::Congestion, &[400.0], &[(400, 350), (225, 525)]),
        (Plan::Uk, ToneKind::Unobtainable, &[400.0], &[(6000, 0)]),
        (Plan::Eu, ToneKind::Ringback, &[425.0], &[(1000, 4000)]),
        (Plan::Eu, ToneKind::Busy, &[425.0], &[(500, 500)]),
        (Plan::Eu, ToneKind::Congestion, &[425.0], &[(250, 250)]),
    ];
    for (seed, (plan, kind, frequencies, steps)) in cases.iter().enumerate() {
        let samples = cadenced(frequencies, steps, 6500);
        for (noise, loss) in [(0, 0.0), (NOISE_10_DB, 0.03)] {
            let told = tones(&line(&samples, noise, loss, seed as u64));
            assert_eq!(told, [(Some(*plan), *kind)], "noise {noise}");
        }
    }
}

#[test]
fn a_plan_that_is_not_asked_for_is_not_told() {
    let frames = line(&cadenced(&[450.0], &[(350, 350)], 5000), 0, 0.0, 1);
    let config = ListenerConfig { plans: Plans::NONE.with(Plan::Us), ..ListenerConfig::default() };
    let heard = listen(&mut Listener::new(config), &frames);
    assert!(!heard.iter().any(|heard| matches!(heard, Heard::Tone(_))), "{heard:?}");
}

#[test]
fn the_kinds_of_special_information_tones_are_told_apart() {
    let cases = [
        (Sit::Itu, [(950.0, 330), (1400.0, 330), (1800.0, 330)]),
        (Sit::Intercept, [(913.8, 274), (1370.6, 274), (1776.7, 380)]),
        (Sit::VacantCode, [(985.2, 380), (1370.6, 274), (1776.7, 380)]),
        (Sit::Reorder, [(913.8, 274), (1428.5, 380), (1776.7, 380)]),
        (Sit::NoCircuit, [(985.2, 380), (1428.5, 380), (1776.7, 380)]),
    ];
    for (sit, parts) in cases {
        let mut samples = vec![0; 3000];
        for (hz, length) in parts {
            samples.extend(tone::sine(hz, A, ms(length)).samples());
        }
        samples.resize(samples.len() + 8000, 0);
        assert_eq!(tones(&line(&samples, NOISE_10_DB, 0.0, 5)), [(None, ToneKind::Sit(sit))]);
    }
}

#[test]
fn faxes_are_heard_and_their_tones_are_no_beeps() {
    let calling = cadenced(&[1100.0], &[(500, 3000)], 7500);
    assert_eq!(tones(&line(&calling, NOISE_10_DB, 0.0, 6)), [(None, ToneKind::FaxCalling)]);
    let answer = cadenced(&[2100.0], &[(3000, 2000)], 5000);
    assert_eq!(tones(&line(&answer, NOISE_10_DB, 0.0, 7)), [(None, ToneKind::FaxAnswer)]);
}

#[test]
fn a_beep_after_words_is_a_beep_and_ring_back_is_none() {
    for hz in [500.0, 1000.0, 1400.0] {
        let mut samples = SpeechLike::new(3).sound(ms(3000)).samples().to_vec();
        samples.resize(samples.len() + 4000, 0);
        samples.extend(tone::sine(hz, A, ms(400)).samples());
        samples.resize(samples.len() + 48_000, 0);
        let told = tones(&line(&samples, 100, 0.01, 8));
        assert!(
            matches!(told[..], [(None, ToneKind::Beep { frequency_hz })] if (f64::from(frequency_hz) - hz).abs() < 5.0),
            "{told:?}"
        );
    }
    for frequencies in [&[450.0][..], &[425.0], &[440.0, 480.0], &[400.0, 450.0]] {
        let told = tones(&line(&cadenced(frequencies, &[(1000, 4000)], 9000), 100, 0.01, 9));
        assert!(!told.iter().any(|(_, kind)| matches!(kind, ToneKind::Beep { .. })), "{told:?}");
    }
}

#[test]
fn speech_noise_and_melodies_have_no_network_tones() {
    for seed in 0..8 {
        let speech = SpeechLike::new(seed).sound(ms(8000));
        assert_eq!(tones(&line(speech.samples(), 50, 0.01, seed)), [], "speech {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let mut melody = Vec::new();
        for _ in 0..20 {
            let hz = 262.0 * 2f64.powf(f64::from(random.i32(0..20)) / 12.0);
            melody.extend(tone::dual((hz, A), (2.0 * hz, A / 2), ms(random.u64(2..6) * 110)).samples());
        }
        assert_eq!(tones(&line(&melody, 50, 0.01, seed)), [], "melody {seed}");
    }
    assert_eq!(tones(&line(&vec![0; 64_000], 2000, 0.03, 1)), []);
}

fn announcement(seed: u64) -> Vec<i16> {
    fluent(seed)[..32_000].to_vec()
}

fn learned(seeds: &[(u64, &str)]) -> Library {
    let sounds: Vec<Sound> = seeds.iter().map(|(seed, _)| Sound::from_samples(announcement(*seed))).collect();
    let labels = seeds.iter().map(|(_, label)| Label::new(label).expect("a good label"));
    let mut library = Library::default();
    library.learn(labels.zip(&sounds)).expect("these can be learned");
    library
}

fn announced(library: &Library, samples: &[i16], noise: i16, loss: f64) -> Vec<String> {
    let config = ListenerConfig { library: Some(Arc::new(library.clone())), ..ListenerConfig::default() };
    let heard = listen(&mut Listener::new(config), &line(samples, noise, loss, 17));
    let label = |heard: Heard| match heard {
        Heard::Announcement { sound, .. } => Some(library.label(sound).as_str().to_owned()),
        _ => None,
    };
    heard.into_iter().filter_map(label).collect()
}

#[test]
fn a_learned_announcement_is_known_again_and_others_are_not() {
    let library = learned(&[(1, "empty_number"), (2, "switched_off"), (3, "line_busy"), (4, "empty_number")]);
    for (seed, label) in [(1, "empty_number"), (2, "switched_off"), (3, "line_busy"), (4, "empty_number")] {
        // Quieter, beginning in the middle of a frame, with noise 10 dB below it and lost packets.
        let mut samples = vec![0; 1670 + 13 * seed as usize];
        samples.extend(announcement(seed).iter().map(|sample| sample / 3));
        assert_eq!(announced(&library, &samples, 400, 0.03), [label], "seed {seed}");
    }
    for seed in 20..30 {
        assert!(announced(&library, &fluent(seed), 100, 0.01).is_empty(), "seed {seed}");
    }
}

#[test]
fn announcements_that_begin_alike_are_told_by_their_ends() {
    let beginning = SpeechLike::new(5).sound(ms(2500));
    let joined = |seed| {
        let mut samples = beginning.samples().to_vec();
        samples.extend(SpeechLike::new(seed).sound(ms(3000)).samples());
        Sound::from_samples(samples)
    };
    let (off, busy) = (joined(6), joined(7));
    let mut library = Library::default();
    let label = |text| Label::new(text).expect("a good label");
    library.learn([(label("switched_off"), &off), (label("line_busy"), &busy)]).expect("they differ");
    assert_eq!(announced(&library, off.samples(), 100, 0.0), ["switched_off"]);
    assert_eq!(announced(&library, busy.samples(), 100, 0.0), ["line_busy"]);
    assert_eq!(announced(&library, beginning.samples(), 100, 0.0), [""; 0]);
}

#[test]
fn announcements_that_differ_in_the_middle_are_told_apart() {
    let speech = |seed, length: usize| fluent(seed)[..8 * length].to_vec();
    let joined = |seed| Sound::from_samples([speech(5, 700), speech(seed, 540), speech(8, 1600)].concat());
    let (busy, calling) = (joined(6), joined(7));
    let mut library = Library::default();
    let label = |text| Label::new(text).expect("a good label");
    library.learn([(label("line_busy"), &busy), (label("in_a_call"), &calling)]).expect("they differ");
    assert_eq!(announced(&library, busy.samples(), 100, 0.0), ["line_busy"]);
    assert_eq!(announced(&library, calling.samples(), 100, 0.0), ["in_a_call"]);
}

#[test]
fn what_cannot_be_learned_is_refused_with_a_reason() {
    let mut library = learned(&[(1, "empty_number")]);
    let same = Sound::from_samples(announcement(1));
    let label = |text| Label::new(text).expect("a good label");
    let error = library.learn([(label("line_busy"), &same)]).expect_err("the same sound with another label");
    assert_eq!(error, LearnError::Known("empty_number".into()));
    let longer = Sound::from_samples([same.samples(), SpeechLike::new(9).sound(ms(2000)).samples()].concat());
    let error = library.learn([(label("line_busy"), &longer)]).expect_err("nothing is left of the other one");
    assert_eq!(error, LearnError::Holds("empty_number".into()));
    let short = SpeechLike::new(9).sound(ms(500));
    assert_eq!(library.learn([(label("line_busy"), &short)]), Err(LearnError::Short));
    assert_eq!(library.len(), 1);
    assert_eq!(Label::new("Line busy"), Err(LearnError::Label));
    assert_eq!(Label::new(""), Err(LearnError::Label));
}

#[test]
fn a_library_survives_as_bytes_and_damaged_bytes_are_refused() {
    let library = learned(&[(1, "empty_number"), (2, "switched_off")]);
    let bytes = library.to_bytes();
    let back = Library::from_bytes(&bytes).expect("its own bytes");
    assert_eq!(back.to_bytes(), bytes);
    assert_eq!(back.label(1).as_str(), "switched_off");
    assert_eq!(Library::from_bytes(b"RIFF").err(), Some(LibraryError::NotLibrary));
    let mut newer = bytes.clone();
    newer[4] = 9;
    assert_eq!(Library::from_bytes(&newer).err(), Some(LibraryError::Version(9)));
    let mut random = fastrand::Rng::with_seed(4);
    for _ in 0..20 {
        let cut = random.usize(6..bytes.len());
        assert_eq!(Library::from_bytes(&bytes[..cut]).err(), Some(LibraryError::Damaged), "cut at {cut}");
        let mut other = bytes.clone();
        other[random.usize(..60)] = random.u8(..);
        drop(Library::from_bytes(&other));
    }
}

fn verdict(samples: &[i16], noise: i16, seed: u64) -> Option<Verdict> {
    let config = ListenerConfig { amd: Some(AmdConfig::default()), ..ListenerConfig::default() };
    let mut listener = Listener::new(config);
    listener.answered();
    listen(&mut listener, &line(samples, noise, 0.01, seed)).into_iter().find_map(|heard| match heard {
        Heard::Verdict(verdict) => Some(verdict),
        _ => None,
    })
}

/// Speech whose pauses are 80 ms at most.
fn fluent(seed: u64) -> Vec<i16> {
    let sound = SpeechLike::new(seed).sound(ms(12_000));
    let mut pause = 0;
    let mut spoken = |sample: &i16| {
        pause = if *sample == 0 { pause + 1 } else { 0 };
        pause < 640
    };
    sound.samples().iter().filter(|sample| spoken(sample)).copied().collect()
}

#[test]
fn who_says_little_and_waits_is_human_and_who_talks_on_is_a_machine() {
    let mut right = 0;
    for seed in 0..20 {
        let noise = [0, 60, 200][seed as usize % 3];
        let mut person = vec![0; 4000];
        person.extend(SpeechLike::new(seed).sound(ms(300 + 40 * seed)).samples());
        person.resize(person.len() + 24_000, 0);
        let mut machine = vec![0; 4000];
        machine.extend(fluent(seed));
        let (person, machine) = (verdict(&person, noise, seed), verdict(&machine, noise, seed));
        let person = person.expect("a verdict comes within the limit");
        assert_ne!(person.answerer, Answerer::Machine, "seed {seed}");
        assert!(person.after <= ms(4000));
        right += usize::from(person.answerer == Answerer::Human);
        right += usize::from(machine.is_some_and(|verdict| verdict.answerer == Answerer::Machine));
    }
    // Half-voiced syllables of this speech-like sound are no speech, so that some machines are not known.
    assert!(right >= 34, "{right} of 40");
}

#[test]
fn silence_and_noise_are_nobody() {
    for noise in [0, 100, 1000] {
        let verdict = verdict(&[0; 48_000], noise, 1).expect("a verdict at the limit");
        assert_eq!((verdict.answerer, verdict.after), (Answerer::Unknown, ms(4000)), "noise {noise}");
    }
}

#[test]
fn no_verdict_is_given_before_the_call_is_answered() {
    let config = ListenerConfig { amd: Some(AmdConfig::default()), ..ListenerConfig::default() };
    let speech = SpeechLike::new(1).sound(ms(6000));
    let heard = listen(&mut Listener::new(config), &line(speech.samples(), 0, 0.0, 1));
    assert!(!heard.iter().any(|heard| matches!(heard, Heard::Verdict(_))));
}

#[test]
fn activity_follows_what_sounds() {
    let mut samples = vec![0; 8000];
    samples.extend(SpeechLike::new(2).sound(ms(1500)).samples());
    samples.resize(samples.len() + 8000, 0);
    samples.extend(tone::sine(450.0, A, ms(1000)).samples());
    samples.resize(samples.len() + 8000, 0);
    let heard = listen(&mut Listener::new(ListenerConfig::default()), &line(&samples, 60, 0.0, 1));
    let told: Vec<Activity> = heard
        .into_iter()
        .filter_map(|heard| match heard {
            Heard::Activity(activity) => Some(activity),
            _ => None,
        })
        .collect();
    for activity in [Activity::Speech, Activity::Tone, Activity::Silence] {
        assert!(told.contains(&activity), "{told:?}");
    }
}

#[test]
fn any_frames_in_any_order_are_taken() {
    let library = Arc::new(learned(&[(1, "empty_number")]));
    let config = ListenerConfig {
        library: Some(library),
        amd: Some(AmdConfig::default()),
        ..ListenerConfig::default()
    };
    let mut listener = Listener::new(config);
    let mut random = fastrand::Rng::with_seed(12);
    for n in 0..1500 {
        match random.u8(..8) {
            0 => listener.lost(),
            1 => listener.feed(&[i16::MIN; FRAME_SAMPLES]),
            2 => listener.feed(&[i16::MAX; FRAME_SAMPLES]),
            3 => listener.feed(&[0; FRAME_SAMPLES]),
            _ => listener.feed(&std::array::from_fn(|_| random.i16(..))),
        }
        if n == 100 {
            listener.answered();
        }
        while listener.poll().is_some() {}
    }
    assert!(listener.noise_dbm0().is_finite());
}
