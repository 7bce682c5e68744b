//! Two legs that speak the same codec, which is not G.711: what each sends reaches the other as it is, until somebody else
//! hears it too.

mod party;

use media::{Codec, LegMedia, Wide, WideCodec};
use opus_rs::{Application, OpusEncoder};
use party::{Desk, Party};

fn opus(payload_type: u8) -> Wide {
    Wide { codec: WideCodec::Opus, payload_type, has_fast_events: true }
}

fn party(desk: &Desk, wide: Wide, codec: Codec) -> Party {
    let mut party = desk.party(codec, 1000.0);
    party.clock = 6;
    desk.relay.configure(party.leg, LegMedia { wide: Some(wide), ..party.media() });
    party
}

/// Packets of Opus, each different.
fn packets(count: usize) -> Vec<Vec<u8>> {
    let mut encoder = OpusEncoder::new(8000, 1, Application::Voip).expect("8 kHz mono");
    encoder.bitrate_bps = 16_000;
    let mut packet = |n: usize| {
        let wave = |at: usize| 8000.0 * (at as f64 * 0.7 + (at * n) as f64 * 0.01).sin();
        let samples: Vec<i16> = (0..160).map(|at| wave(n * 160 + at) as i16).collect();
        let mut out = [0; 400];
        let len = encoder.encode_i16(&samples, 160, &mut out).expect("encoded");
        out[..len].to_vec()
    };
    (0..count).map(&mut packet).collect()
}

#[test]
fn opus_goes_to_opus_as_it_is_with_the_numbers_of_the_other_side() {
    let desk = Desk::new();
    // The law that either has for others does not matter.
    let (mut anna, mut bert) = (party(&desk, opus(111), Codec::Pcma), party(&desk, opus(96), Codec::Pcmu));
    desk.bridge(&anna, &bert);
    let mut before = None;
    for (n, sent) in packets(20).into_iter().enumerate() {
        if n == 10 {
            anna.lose(2);
        }
        anna.send_payload(111, &sent);
        let heard = bert.hear();
        assert_eq!((heard.header.payload_type, &heard.payload), (96, &sent), "packet {n}");
        if let Some((sequence, timestamp)) = before {
            let steps = if n == 10 { 3 } else { 1 };
            assert_eq!(heard.header.sequence, u16::wrapping_add(sequence, steps), "packet {n}");
            assert_eq!(heard.header.timestamp, u32::wrapping_add(timestamp, 960), "packet {n}");
        }
        before = Some((heard.header.sequence, heard.header.timestamp));
        bert.send_payload(96, &sent);
        assert_eq!(anna.hear().payload, sent, "the other way, packet {n}");
    }
}

#[test]
fn another_codec_and_a_third_who_hears_it_need_the_sound_itself() {
    let desk = Desk::with(|config| config.recording_frames_max = 1000);
    let (mut anna, mut bert) = (party(&desk, opus(111), Codec::Pcma), party(&desk, opus(111), Codec::Pcma));
    let g722 = Wide { codec: WideCodec::G722, payload_type: 9, has_fast_events: false };
    let mut carl = party(&desk, g722, Codec::Pcma);
    desk.bridge(&anna, &carl);
    let sent = packets(60);
    anna.send_payload(111, &sent[0]);
    let heard = carl.hear();
    assert_eq!((heard.header.payload_type, heard.payload.len()), (9, 160));

    desk.bridge(&anna, &bert);
    let folder = std::env::temp_dir().join(format!("untouched-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("call.wav");
    desk.relay.record(anna.leg, bert.leg, path.as_path().into());
    desk.settle();
    let mut is_same = true;
    for sent in &sent {
        anna.send_payload(111, sent);
        is_same &= bert.hear().payload == *sent;
    }
    assert!(!is_same, "it was decoded for the recording");
    desk.relay.stop_record(anna.leg);
    desk.settle();
    anna.send_payload(111, &sent[7]);
    assert_eq!(bert.hear().payload, sent[7], "and is left alone again");
    let samples = hound::WavReader::open(&path).map(|reader| reader.len()).unwrap_or_default();
    assert!(samples > 0, "there is sound in the recording");
    std::fs::remove_dir_all(&folder).expect("it is there");
}
