//! Nobody speaks: comfort noise (RFC 3389) and packets that are not sent (RFC 7587 §3.1.3), between G.711 and other codecs.

mod party;

use std::time::Duration;

use media::{Codec, LegMedia, Wide, WideCodec, g711, g722};
use opus_rs::{Application, OpusDecoder, OpusEncoder};
use party::{Desk, Heard, Party};

const OPUS: Wide = Wide { codec: WideCodec::Opus, payload_type: 111, has_fast_events: true };
const G722: Wide = Wide { codec: WideCodec::G722, payload_type: 9, has_fast_events: false };
const COMFORT_NOISE: u8 = 13;

/// Somebody with G.711, and somebody whose leg is transcoded.
fn talk(wide: Wide) -> (Desk, Party, Party) {
    let desk = Desk::new();
    let (anna, mut bert) = (desk.party(Codec::Pcma, 1000.0), desk.party(Codec::Pcma, 1700.0));
    bert.dtmf = Some(101);
    desk.relay.configure(bert.leg, LegMedia { wide: Some(wide), ..bert.media() });
    desk.bridge(&anna, &bert);
    (desk, anna, bert)
}

/// What a phone with this codec makes of it.
enum Ear {
    Opus(Box<OpusDecoder>),
    G722(g722::Decoder),
}

impl Ear {
    fn of(wide: Wide) -> Ear {
        match wide.codec {
            WideCodec::Opus => Ear::Opus(Box::new(OpusDecoder::new(8000, 1).expect("8 kHz mono"))),
            WideCodec::G722 => Ear::G722(g722::Decoder::new()),
        }
    }

    /// In dB below the loudest that there is.
    fn level(&mut self, heard: &[Heard]) -> f64 {
        let mut energy = 0.0;
        let mut count = 0;
        for heard in heard {
            let mut samples = [0.0; 960];
            let len = match self {
                Ear::Opus(decoder) => decoder.decode(&heard.payload, 960, &mut samples).expect("Opus"),
                Ear::G722(decoder) => {
                    for (sample, byte) in samples.iter_mut().zip(&heard.payload) {
                        *sample = f32::from(decoder.decode(*byte)) / 32_768.0;
                    }
                    heard.payload.len()
                }
            };
            energy += samples[..len].iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>();
            count += len;
        }
        10.0 * (energy / f64::from(u32::try_from(count).expect("few"))).log10()
    }
}

/// Each packet comes after the one before, and its timestamp says when.
fn assert_in_time(heard: &[Heard], clock: u32) {
    for pair in heard.windows(2) {
        let [before, after] = [pair[0].header, pair[1].header];
        assert_eq!(after.sequence, before.sequence.wrapping_add(1));
        assert_eq!(after.ssrc, before.ssrc);
        let step = after.timestamp.wrapping_sub(before.timestamp);
        assert!((160 * clock..=800 * clock).contains(&step), "{step}");
    }
}

#[test]
fn comfort_noise_is_heard_at_its_level_until_sound_comes_again() {
    for (wide, clock) in [(OPUS, 6), (G722, 1)] {
        let (_desk, mut anna, mut bert) = talk(wide);
        let mut ear = Ear::of(wide);
        let mut all = Vec::new();
        let mut hear = |bert: &mut Party, ear: &mut Ear, packets: usize| {
            let heard: Vec<Heard> = std::iter::repeat_with(|| bert.hear()).take(packets).collect();
            assert!(heard.iter().all(|heard| heard.header.payload_type == wide.payload_type));
            let level = ear.level(&heard);
            all.extend(heard);
            level
        };
        for _ in 0..10 {
            anna.say();
        }
        let talking = hear(&mut bert, &mut ear, 10);
        assert!(talking > -30.0, "{wide:?}: {talking}");
        for level in [60, 45] {
            anna.send_payload(COMFORT_NOISE, &[level]);
            // The first of them has the end of what was before.
            hear(&mut bert, &mut ear, 10);
            let noise = hear(&mut bert, &mut ear, 40);
            assert!((noise + f64::from(level)).abs() < 5.0, "{wide:?}, {level}: {noise}");
        }
        for _ in 0..10 {
            anna.say();
        }
        // Some of it may have been on its way.
        hear(&mut bert, &mut ear, 2);
        let talking = hear(&mut bert, &mut ear, 8);
        assert!(talking > -30.0, "{wide:?}: {talking}");
        std::thread::sleep(Duration::from_millis(100));
        assert!(bert.forget() <= 2, "{wide:?}: the noise is over");
        assert_in_time(&all, clock);
    }
}

#[test]
fn a_key_that_is_pressed_while_nobody_speaks_is_one() {
    let (desk, mut anna, mut bert) = talk(OPUS);
    anna.dtmf = Some(101);
    desk.configure(&anna);
    anna.say();
    anna.send_payload(COMFORT_NOISE, &[50]);
    for _ in 0..5 {
        bert.hear();
    }
    for length in 1..=5u8 {
        anna.say_event(101, &[5, 10, 0, length]);
        std::thread::sleep(Duration::from_millis(20));
    }
    let heard: Vec<Heard> = std::iter::repeat_with(|| bert.hear()).take(40).collect();
    let first = heard.iter().position(|heard| heard.header.payload_type == 101).expect("the key");
    let events = &heard[first..first + 5];
    assert!(events.iter().all(
        |heard| heard.header.payload_type == 101 && heard.header.timestamp == events[0].header.timestamp
    ));
    assert!(heard[first + 5..].iter().all(|heard| heard.header.payload_type == 111), "noise again");
}

#[test]
fn noise_ends_with_the_bridge() {
    let (desk, mut anna, mut bert) = talk(OPUS);
    anna.send_payload(COMFORT_NOISE, &[50]);
    for _ in 0..5 {
        bert.hear();
    }
    desk.relay.unbridge(bert.leg);
    desk.settle();
    bert.forget();
    std::thread::sleep(Duration::from_millis(100));
    assert!(bert.hears_nothing());
}

#[test]
fn what_opus_does_not_send_is_a_pause_of_the_right_length_with_noise() {
    let (_desk, mut anna, mut bert) = talk(OPUS);
    let mut encoder = OpusEncoder::new(8000, 1, Application::Voip).expect("8 kHz mono");
    encoder.bitrate_bps = 24_000;
    let mut noise = |level: f32| {
        let samples: Vec<i16> =
            (0..160).map(|_| ((fastrand::f32() * 2.0 - 1.0) * 3f32.sqrt() * level) as i16).collect();
        let mut packet = [0; 400];
        let len = encoder.encode_i16(&samples, 160, &mut packet).expect("encoded");
        packet[..len].to_vec()
    };
    bert.clock = 6;
    for _ in 0..5 {
        bert.send_payload(111, &noise(3000.0));
    }
    // −50 dBov, the noise while nobody speaks.
    for _ in 0..5 {
        bert.send_payload(111, &noise(103.0));
    }
    let begun: Vec<Heard> = std::iter::repeat_with(|| anna.hear()).take(10).collect();
    let toc = noise(103.0)[0];
    bert.send_payload(111, &[toc]);
    let quiet = anna.hear();
    assert_eq!((quiet.header.payload_type, quiet.payload.len()), (COMFORT_NOISE, 1));
    assert!((45..=55).contains(&quiet.payload[0]), "{}", quiet.payload[0]);
    for _ in 0..19 {
        bert.pause();
    }
    bert.send_payload(111, &noise(3000.0));
    let again = anna.hear();
    assert_eq!(again.header.payload_type, 8);
    assert!(again.payload.iter().map(|code| g711::alaw_decode(*code).unsigned_abs()).max() > Some(500));
    let first = begun[0].header;
    assert_eq!(quiet.header.sequence, first.sequence.wrapping_add(10));
    assert_eq!(quiet.header.timestamp, first.timestamp.wrapping_add(10 * 160));
    assert_eq!(again.header.sequence, first.sequence.wrapping_add(11));
    assert_eq!(again.header.timestamp, first.timestamp.wrapping_add(30 * 160));
}
