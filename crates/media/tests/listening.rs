//! Goal: what a leg sounds like is recognised while the call goes on as if nobody listened. Real sockets on loopback.

mod party;

use std::time::{Duration, Instant};

use media::detect::{AmdConfig, Answerer, Heard, ListenerConfig, ToneKind};
use media::{Codec, FRAME, PressedBy, RelayEvent, g711, tone};
use party::{Desk, Party};

fn desk(listeners_max: usize) -> Desk {
    Desk::with(|config| config.listeners_max = listeners_max)
}

/// China's busy tone, in real time.
fn send_busy(desk: &Desk, parties: &mut [&mut Party], length: Duration) {
    let begun = Instant::now();
    let on = tone::sine(450.0, 6000, Duration::from_millis(350));
    let off = vec![0; on.samples().len()];
    let cadence: Vec<i16> = on.samples().iter().copied().chain(off).collect();
    let frames = (length.as_millis() / 20) as usize;
    for n in 0..frames {
        let payload: Vec<u8> =
            (0..160).map(|s| g711::alaw_encode(cadence[(n * 160 + s) % cadence.len()])).collect();
        for party in &mut *parties {
            party.send_payload(8, &payload);
        }
        let next = begun + FRAME * (n as u32 + 1);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    desk.settle();
}

fn heard(desk: &Desk) -> (media::LegId, Heard) {
    loop {
        if let RelayEvent::Heard { leg, what, .. } = desk.event() {
            return (leg, what);
        }
    }
}

#[test]
fn a_tone_is_told_of_the_leg_it_comes_from_and_only_while_somebody_listens() {
    let desk = desk(1);
    let [mut first, mut second] = [0; 2].map(|_| desk.party(Codec::Pcma, 0.0));
    desk.relay.listen(first.leg, ListenerConfig::default());
    // There is room for one.
    desk.relay.listen(second.leg, ListenerConfig::default());
    send_busy(&desk, &mut [&mut first, &mut second], Duration::from_secs(4));
    let (leg, what) = heard(&desk);
    assert_eq!(leg, first.leg);
    assert!(matches!(what, Heard::Tone(tone) if tone.kind == ToneKind::Busy), "{what:?}");
    assert_eq!(desk.close(&first).frames_unheard, 0);

    desk.relay.listen(second.leg, ListenerConfig::default());
    send_busy(&desk, &mut [&mut second], Duration::from_secs(4));
    assert_eq!(heard(&desk).0, second.leg, "the closed leg made room");
    desk.relay.listen(second.leg, ListenerConfig::default());
    desk.relay.stop_listening(second.leg);
    send_busy(&desk, &mut [&mut second], Duration::from_secs(4));
    let rest = desk.end();
    assert!(!rest.iter().any(|event| matches!(event, RelayEvent::Heard { .. })), "{rest:?}");
}

#[test]
fn an_answered_leg_that_sends_nothing_gets_its_verdict_in_time() {
    let desk = desk(4);
    let quiet = desk.party(Codec::Pcmu, 0.0);
    let amd = AmdConfig { limit: Duration::from_millis(500), ..AmdConfig::default() };
    desk.relay.listen(quiet.leg, ListenerConfig { amd: Some(amd), ..ListenerConfig::default() });
    desk.relay.answered(quiet.leg);
    let (leg, what) = heard(&desk);
    assert_eq!(leg, quiet.leg);
    assert!(matches!(what, Heard::Verdict(verdict) if verdict.answerer == Answerer::Unknown), "{what:?}");
}

/// One key as tones, in real time, and 200 ms of silence.
fn send_key(party: &mut Party, tones_hz: (f64, f64)) {
    let begun = Instant::now();
    let key = tone::dual((tones_hz.0, 4000), (tones_hz.1, 4000), Duration::from_millis(60));
    let silence = vec![0; 1600];
    let samples: Vec<i16> = key.samples().iter().copied().chain(silence).collect();
    for (n, frame) in samples.chunks(160).enumerate() {
        let payload: Vec<u8> = frame.iter().map(|sample| g711::alaw_encode(*sample)).collect();
        party.send_payload(8, &payload);
        let next = begun + FRAME * (n as u32 + 1);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

#[test]
fn keys_in_the_sound_are_told_until_one_comes_as_an_event() {
    let desk = Desk::with(|config| config.key_tones_max = 1);
    let [mut first, mut second] = [0; 2].map(|_| desk.stranger(Codec::Pcma, 0.0));
    for party in [&mut first, &mut second] {
        party.dtmf = Some(101);
        desk.configure(party);
        desk.relay.listen_for_keys(party.leg);
    }
    let (one, five) = ((697.0, 1209.0), (770.0, 1336.0));
    // There is room for one.
    send_key(&mut second, five);
    send_key(&mut first, one);
    let pressed = |key, by| RelayEvent::Pressed { leg: first.leg, key, by };
    let expected =
        [pressed('1', PressedBy::Tones), pressed('5', PressedBy::Tones), pressed('8', PressedBy::Event)];
    assert_eq!(desk.event(), expected[0]);
    send_key(&mut first, five);
    assert_eq!(desk.event(), expected[1]);
    // The same press, of which a gateway let the tones through.
    first.send_payload(101, &[5, 0x80, 0, 160]);
    send_key(&mut first, one);
    desk.relay.listen_for_keys(first.leg);
    send_key(&mut first, one);
    first.send_payload(101, &[8, 0x80, 0, 160]);
    assert_eq!(desk.event(), expected[2]);
    assert_eq!(desk.close(&first).frames_unheard, 0);
}
