//! Goal: no packet and no file that somebody sends breaks what reads it.

#[path = "../../../fuzz/mutate.rs"]
mod mutate;

use media::ice::{self, IceCredentials};
use media::{Sound, rtcp, rtp};
use mutate::fuzz;

#[test]
fn no_rtp_packet_breaks_the_parser() {
    let plain = [&[0x80, 8, 0, 1, 0, 0, 0, 160, 1, 2, 3, 4][..], &[0xd5; 160]].concat();
    let extended = [
        &[0xb2, 0xe5, 0, 1, 0, 0, 0, 160, 1, 2, 3, 4][..],
        &[7; 8],
        &[0xbe, 0xde, 0, 1],
        &[1; 4],
        &[9; 10],
        &[2, 2],
    ]
    .concat();
    fuzz("rtp", &[&plain, &extended], &[], |input| {
        let Ok(parsed) = rtp::parse(input) else { return 0 };
        let payload = parsed.payload();
        assert!(payload.start <= payload.end && payload.end <= input.len());
        let sources = parsed.csrc(input).count();
        let extension = parsed.extension(input).map_or(0, |(_, bytes)| bytes.len() + 1);
        1 + (sources as u64) * 16 + u64::from(extension > 0) + u64::from(payload.is_empty()) * 2
    });
}

#[test]
fn no_rtcp_packet_breaks_the_reader() {
    let block = rtcp::Block { ssrc: 9, lost: -3, ..Default::default() };
    let sender = Some(rtcp::Sender { ntp: 1 << 40, timestamp: 7, packets: 8, octets: 9 });
    let mut report = [0; rtcp::REPORT_MAX];
    let len = rtcp::Report { ssrc: 5, sender, block: Some(block), name: *b"0123456789" }.write(&mut report);
    let more = [&[0x81, 201, 0, 7, 0, 0, 0, 1][..], &[3; 24], &[0x80, 204, 0, 0]].concat();
    fuzz("rtcp", &[&report[..len], &more], &[], |input| {
        let mut items = 0;
        let read = rtcp::read(input, |_| items += 1);
        assert!(items <= input.len() as u64 / 20, "each takes its bytes");
        items * 4 + u64::from(read.is_ok())
    });
}

/// A WAV file of this format with a few samples.
fn wav(format: u16, channels: u16, rate: u32, bits: u16) -> Vec<u8> {
    let align = channels * bits / 8;
    let data = vec![0x55u8; usize::from(align) * 100];
    let mut out = b"RIFF".to_vec();
    out.extend_from_slice(&(36 + data.len() as u32).to_le_bytes());
    out.extend_from_slice(b"WAVEfmt \x10\0\0\0");
    out.extend_from_slice(&format.to_le_bytes());
    out.extend_from_slice(&channels.to_le_bytes());
    out.extend_from_slice(&rate.to_le_bytes());
    out.extend_from_slice(&(rate * u32::from(align)).to_le_bytes());
    out.extend_from_slice(&align.to_le_bytes());
    out.extend_from_slice(&bits.to_le_bytes());
    out.extend_from_slice(b"data");
    out.extend_from_slice(&(data.len() as u32).to_le_bytes());
    out.extend_from_slice(&data);
    out
}

#[test]
fn no_wav_file_breaks_the_reader() {
    let files = [
        wav(1, 1, 8000, 16),
        wav(1, 2, 44_100, 16),
        wav(1, 1, 16_000, 8),
        wav(6, 1, 8000, 8),
        wav(3, 1, 48_000, 32),
    ];
    let seeds: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
    let words = &["RIFF", "WAVE", "fmt ", "data", "LIST", "fact", "\u{10}\0\0\0"];
    fuzz("wav", &seeds, words, |input| match Sound::from_wav(input) {
        Ok(sound) => 1 + sound.frame_count() as u64 / 16,
        Err(error) => error.to_string().split(' ').next().map_or(0, |word| 1_000_000 + word.len() as u64),
    });
}

#[test]
fn no_connectivity_check_breaks_who_answers_it() {
    let ours = IceCredentials { ufrag: "ours".into(), password: "0123456789012345678901".into() };
    let source = std::net::SocketAddr::from(([10, 0, 0, 2], 4000));
    let bare =
        [&[0, 1, 0, 16, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12], &[0, 6, 0, 9], b"ours:them\0\0\0"].concat();
    fuzz("stun", &[&bare], &[], |input| match ice::answer(input, &ours, source) {
        Some(check) => {
            assert!(check.response.len() < 200);
            1 + u64::from(check.is_nominated)
        }
        None => 0,
    });
}
