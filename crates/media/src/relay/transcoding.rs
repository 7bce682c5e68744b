//! A leg whose telephone speaks something else than G.711: at its edge, everything becomes G.711 on its way in and what the
//! telephone speaks on its way out. The rest of the relay knows nothing of it, but that between two who speak the same nothing
//! needs to be done while nobody else hears it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use opus_rs::{Application, OpusDecoder, OpusEncoder};

use super::{Codec, Wide, WideCodec};
use crate::rtp::{HEADER_LEN, Header, PACKET_MAX};
use crate::{FRAME_SAMPLES, SAMPLE_RATE, g711, g722};

/// The longest packet of Opus (RFC 6716 §2.1.4), and of what we take of others: 120 ms.
pub(super) const SAMPLES_MAX: usize = 6 * FRAME_SAMPLES;
/// Of Opus, whatever is sampled (RFC 7587 §4.1), against that of everything else here.
const OPUS_CLOCK: u32 = 48_000 / SAMPLE_RATE;
/// Bits a second: speech of 8 kHz is at its best with less.
const OPUS_BITRATE: i32 = 24_000;
/// Above this the encoder takes longer and nobody hears it.
const OPUS_COMPLEXITY: i32 = 0;
/// In dB below the loudest that there is: nothing louder is taken for the noise while nobody speaks.
const QUIET_MIN: f32 = 40.0;

pub(super) struct Transcoder {
    wide: Wide,
    law: Codec,
    decoder: Decoder,
    encoder: Encoder,
    /// Of what was decoded last: its mean square.
    loudness: f32,
    /// Of what came last: its timestamp, and ours for it.
    came: Option<(u32, u32)>,
    /// Samples that wait for a whole frame, and the timestamp of the first of them.
    waiting: [i16; FRAME_SAMPLES],
    waiting_len: usize,
    waiting_at: u32,
    out: Numbers,
}

/// The sequence of what goes out, which has other packets than what it is made of.
#[derive(Default)]
struct Numbers {
    /// The last that came, and the last that went.
    last: Option<(u16, u16)>,
}

enum Decoder {
    G722(g722::Decoder),
    Opus(Box<OpusDecoder>),
}

enum Encoder {
    G722(g722::Encoder),
    Opus(Box<OpusEncoder>),
}

/// One packet that goes out.
pub(super) struct Packet {
    pub(super) bytes: [u8; PACKET_MAX],
    pub(super) len: usize,
}

impl Transcoder {
    pub(super) fn new(wide: Wide, law: Codec) -> Transcoder {
        let (decoder, encoder) = match wide.codec {
            WideCodec::G722 => (Decoder::G722(g722::Decoder::new()), Encoder::G722(g722::Encoder::new())),
            WideCodec::Opus => (Decoder::Opus(opus_decoder()), Encoder::Opus(opus_encoder())),
        };
        Transcoder {
            wide,
            law,
            decoder,
            encoder,
            loudness: 0.0,
            came: None,
            waiting: [0; FRAME_SAMPLES],
            waiting_len: 0,
            waiting_at: 0,
            out: Numbers::default(),
        }
    }

    pub(super) fn is_for(&self, wide: Wide, law: Codec) -> bool {
        self.wide.codec == wide.codec && self.law == law
    }

    /// Whether the far ends of both speak the same.
    pub(super) fn is_like(&self, other: &Transcoder) -> bool {
        self.wide.codec == other.wide.codec
    }

    /// The header at the far end of a packet of its codec, given with our clock; none when it comes too late.
    pub(super) fn header_untouched(&mut self, header: &Header) -> Option<Header> {
        let sequence = self.out.next(header.sequence, FRAME_SAMPLES)?;
        self.out.sent(sequence);
        self.waiting_len = 0;
        let timestamp = header.timestamp.wrapping_mul(self.clock());
        Some(Header { sequence, timestamp, payload_type: self.wide.payload_type, ..*header })
    }

    /// Whether sound with this payload type is what was agreed on.
    pub(super) fn takes(&self, payload_type: u8) -> bool {
        self.wide.payload_type == payload_type
    }

    /// The same codec with other numbers.
    pub(super) fn renumber(&mut self, wide: Wide) {
        self.wide = wide;
    }

    /// What the far end's timestamps are divided by.
    pub(super) fn clock(&self) -> u32 {
        match self.wide.codec {
            WideCodec::G722 => 1,
            WideCodec::Opus => OPUS_CLOCK,
        }
    }

    /// A header of the far end, with the clock that everything has here.
    pub(super) fn header_in(&mut self, header: &Header) -> Header {
        let clock = self.clock();
        let timestamp = match self.came {
            // As a signed distance, so that neither the wrap nor a wrong order matters.
            Some((theirs, ours)) => {
                let distance = header.timestamp.wrapping_sub(theirs).cast_signed();
                ours.wrapping_add((distance / clock.cast_signed()).cast_unsigned())
            }
            None => header.timestamp / clock,
        };
        if self.came.is_none_or(|(theirs, _)| header.timestamp.wrapping_sub(theirs) < u32::MAX / 2) {
            self.came = Some((header.timestamp, timestamp));
        }
        Header { timestamp, ..*header }
    }

    /// Whether a payload says that nothing comes for a while, because nobody speaks (RFC 7587 §3.1.3).
    pub(super) fn is_quiet(&self, payload: &[u8]) -> bool {
        self.wide.codec == WideCodec::Opus && payload.len() == 1
    }

    /// How loud it is while nobody speaks, as comfort noise says it: what was sent last is that.
    pub(super) fn level(&self) -> u8 {
        let decibels = 10.0 * self.loudness.max(1e-9).log10();
        // Between the limits, so the cast cannot wrap.
        (-decibels).round().clamp(QUIET_MIN, 127.0) as u8
    }

    /// Turns a payload into G.711; how many samples that is. What cannot be decoded is none.
    pub(super) fn decode(&mut self, payload: &[u8], out: &mut [u8; SAMPLES_MAX]) -> usize {
        let law = match self.law {
            Codec::Pcma => g711::alaw_encode,
            Codec::Pcmu => g711::ulaw_encode,
        };
        match &mut self.decoder {
            Decoder::G722(decoder) => {
                for (code, byte) in out.iter_mut().zip(payload) {
                    *code = law(decoder.decode(*byte));
                }
                payload.len().min(SAMPLES_MAX)
            }
            Decoder::Opus(decoder) => {
                if payload.len() < 2 {
                    return 0;
                }
                let mut samples = [0.0; SAMPLES_MAX];
                // Whatever somebody sends: the others' sound goes on.
                let decoded =
                    catch_unwind(AssertUnwindSafe(|| decoder.decode(payload, SAMPLES_MAX, &mut samples)));
                let Ok(decoded) = decoded else {
                    tracing::warn!(len = payload.len(), "a packet of Opus that nobody can decode");
                    *decoder = opus_decoder();
                    return 0;
                };
                let len = decoded.unwrap_or(0).min(SAMPLES_MAX);
                let energy: f32 = samples[..len].iter().map(|sample| sample * sample).sum();
                self.loudness = energy / len.max(1) as f32;
                for (code, sample) in out.iter_mut().zip(&samples[..len]) {
                    // Clamped by the cast.
                    *code = law((sample * 32_768.0) as i16);
                }
                len
            }
        }
    }

    /// The length of an event in the far end's clock, in ours.
    pub(super) fn event_in(&self, payload: &mut [u8]) {
        self.scale_event(payload, |length| length / self.event_clock());
    }

    fn event_clock(&self) -> u32 {
        if self.wide.has_fast_events { self.clock() } else { 1 }
    }

    fn scale_event(&self, payload: &mut [u8], scale: impl Fn(u32) -> u32) {
        if let Some(length) = payload.get_mut(2..4) {
            let scaled = scale(u32::from(u16::from_be_bytes([length[0], length[1]])));
            length.copy_from_slice(&u16::try_from(scaled).unwrap_or(u16::MAX).to_be_bytes());
        }
    }

    /// A packet of ours on its way to the far end, given as none, one or several.
    pub(super) fn send(&mut self, packet: &[u8], mut send: impl FnMut(&Packet)) {
        let Ok(parsed) = crate::rtp::parse(packet) else { return };
        let (header, payload) = (parsed.header, &packet[parsed.payload()]);
        if header.payload_type != self.law.payload_type() {
            return self.send_other(&header, payload, send);
        }
        let law = match self.law {
            Codec::Pcma => g711::alaw_decode,
            Codec::Pcmu => g711::ulaw_decode,
        };
        let Some(mut sequence) = self.out.next(header.sequence, payload.len() + self.waiting_len) else {
            return;
        };
        if self.waiting_at.wrapping_add(self.waiting_len as u32) != header.timestamp {
            self.waiting_len = 0;
        }
        let mut at = header.timestamp.wrapping_sub(self.waiting_len as u32);
        let mut marker = header.marker;
        for code in payload {
            self.waiting[self.waiting_len] = law(*code);
            self.waiting_len += 1;
            if self.waiting_len < FRAME_SAMPLES {
                continue;
            }
            self.waiting_len = 0;
            let frame =
                Header { marker, payload_type: self.wide.payload_type, sequence, timestamp: at, ..header };
            if let Some(packet) = self.encode(&frame) {
                send(&packet);
            }
            self.out.sent(sequence);
            (sequence, at, marker) = (sequence.wrapping_add(1), at.wrapping_add(FRAME_SAMPLES as u32), false);
        }
        self.waiting_at = at;
    }

    /// Key presses go as they are; comfort noise never comes here but as sound.
    fn send_other(&mut self, header: &Header, payload: &[u8], mut send: impl FnMut(&Packet)) {
        let Some(sequence) = self.out.next(header.sequence, FRAME_SAMPLES) else { return };
        let header = Header { sequence, timestamp: header.timestamp.wrapping_mul(self.clock()), ..*header };
        let mut packet = Packet { bytes: [0; PACKET_MAX], len: HEADER_LEN + payload.len() };
        let Some(place) = packet.bytes.get_mut(HEADER_LEN..packet.len) else { return };
        place.copy_from_slice(payload);
        self.scale_event(place, |length| length * self.event_clock());
        packet.bytes[..HEADER_LEN].copy_from_slice(&header.to_bytes());
        self.out.sent(sequence);
        send(&packet);
    }

    fn encode(&mut self, header: &Header) -> Option<Packet> {
        let mut packet = Packet { bytes: [0; PACKET_MAX], len: HEADER_LEN };
        let (head, payload) = packet.bytes.split_at_mut(HEADER_LEN);
        let timestamp = header.timestamp.wrapping_mul(self.clock());
        head.copy_from_slice(&Header { timestamp, ..*header }.to_bytes());
        packet.len += match &mut self.encoder {
            Encoder::G722(encoder) => {
                for (code, sample) in payload.iter_mut().zip(&self.waiting) {
                    *code = encoder.encode(*sample);
                }
                FRAME_SAMPLES
            }
            Encoder::Opus(encoder) => {
                // Sound of ours can break it no more than that of others.
                let encoded = catch_unwind(AssertUnwindSafe(|| {
                    encoder.encode_i16(&self.waiting, FRAME_SAMPLES, payload)
                }));
                match encoded {
                    Ok(Ok(len)) => len,
                    Ok(Err(_)) => return None,
                    Err(_) => {
                        *encoder = opus_encoder();
                        return None;
                    }
                }
            }
        };
        Some(packet)
    }
}

fn opus_decoder() -> Box<OpusDecoder> {
    Box::new(OpusDecoder::new(SAMPLE_RATE.cast_signed(), 1).expect("8 kHz mono is one of its kinds"))
}

fn opus_encoder() -> Box<OpusEncoder> {
    let encoder = OpusEncoder::new(SAMPLE_RATE.cast_signed(), 1, Application::Voip);
    let mut encoder = encoder.expect("8 kHz mono is one of its kinds");
    encoder.bitrate_bps = OPUS_BITRATE;
    encoder.complexity = OPUS_COMPLEXITY;
    Box::new(encoder)
}

impl Numbers {
    /// What the next packet has that is made of the one with this number: what was lost leaves its gap. None: it comes too
    /// late. `samples`: with less than a frame nothing is sent.
    fn next(&mut self, sequence: u16, samples: usize) -> Option<u16> {
        let Some((last, sent)) = self.last else {
            self.last = Some((sequence, sequence.wrapping_sub(1)));
            return Some(sequence);
        };
        let ahead = sequence.wrapping_sub(last);
        if ahead == 0 || ahead > u16::MAX / 2 {
            return None;
        }
        let next = sent.wrapping_add(ahead);
        // Its place is taken by what comes with the next one.
        let sent = if samples < FRAME_SAMPLES { next.wrapping_sub(1) } else { sent };
        self.last = Some((sequence, sent));
        Some(next)
    }

    fn sent(&mut self, sequence: u16) {
        if let Some((_, sent)) = &mut self.last {
            *sent = sequence;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goertzel;
    use crate::rtp;

    const OPUS: Wide = Wide { codec: WideCodec::Opus, payload_type: 111, has_fast_events: true };
    const G722: Wide = Wide { codec: WideCodec::G722, payload_type: 9, has_fast_events: false };

    fn tone(hz: f64, at: usize) -> u8 {
        g711::alaw_encode((8000.0 * (at as f64 * hz * std::f64::consts::TAU / 8000.0).sin()) as i16)
    }

    /// Packets of A-law with a tone, `samples` long, with these sequence numbers.
    fn packets(samples: usize, numbers: impl IntoIterator<Item = u16>) -> Vec<Vec<u8>> {
        let packet = |sequence: u16| {
            let begins = usize::from(sequence) * samples;
            let timestamp = begins as u32;
            let header = Header { marker: false, payload_type: 8, sequence, timestamp, ssrc: 7 };
            let mut bytes = header.to_bytes().to_vec();
            bytes.extend((begins..begins + samples).map(|at| tone(1000.0, at)));
            bytes
        };
        numbers.into_iter().map(packet).collect()
    }

    fn sent(transcoder: &mut Transcoder, packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        for packet in packets {
            transcoder.send(packet, |packet| sent.push(packet.bytes[..packet.len].to_vec()));
        }
        sent
    }

    fn heard(transcoder: &mut Transcoder, packets: &[Vec<u8>]) -> (Vec<u32>, Vec<i16>) {
        let (mut times, mut samples) = (Vec::new(), Vec::new());
        for packet in packets {
            let parsed = rtp::parse(packet).expect("RTP");
            times.push(transcoder.header_in(&parsed.header).timestamp);
            let mut out = [0; SAMPLES_MAX];
            let len = transcoder.decode(&packet[parsed.payload()], &mut out);
            samples.extend(out[..len].iter().map(|code| g711::alaw_decode(*code)));
        }
        (times, samples)
    }

    fn headers(packets: &[Vec<u8>]) -> Vec<(u16, u32)> {
        let header = |packet: &Vec<u8>| rtp::parse(packet).expect("RTP").header;
        packets.iter().map(header).map(|header| (header.sequence, header.timestamp)).collect()
    }

    #[test]
    fn a_tone_goes_out_and_comes_back() {
        for wide in [OPUS, G722] {
            let (mut one, mut other) =
                (Transcoder::new(wide, Codec::Pcma), Transcoder::new(wide, Codec::Pcma));
            let sent = sent(&mut one, &packets(160, 0..100));
            assert_eq!(sent.len(), 100);
            assert!(
                sent.iter()
                    .all(|packet| rtp::parse(packet).unwrap().header.payload_type == wide.payload_type)
            );
            let (times, samples) = heard(&mut other, &sent);
            assert!(times.windows(2).all(|pair| pair[1] == pair[0] + 160), "{times:?}");
            assert_eq!(samples.len(), 16_000);
            assert_eq!(goertzel::strongest(&samples[8000..], &[500.0, 1000.0, 2000.0], 0.5), Some(1000.0));
        }
    }

    #[test]
    fn packets_of_another_length_are_cut_anew_in_sequence() {
        let mut transcoder = Transcoder::new(OPUS, Codec::Pcma);
        for (samples, numbers, expected) in [(80, 0..20u16, 10), (240, 20..30, 15), (480, 30..35, 15)] {
            let mut transcoder = Transcoder::new(OPUS, Codec::Pcma);
            let sent = headers(&sent(&mut transcoder, &packets(samples, numbers)));
            assert_eq!(sent.len(), expected, "{samples}");
            assert!(
                sent.windows(2).all(|p| p[1].0 == p[0].0 + 1 && p[1].1 == p[0].1 + 960),
                "{samples}: {sent:?}"
            );
        }
        let lost = headers(&sent(&mut transcoder, &packets(160, [5, 6, 9, 8, 10])));
        assert_eq!(lost.iter().map(|(sequence, _)| *sequence).collect::<Vec<_>>(), [5, 6, 9, 10]);
        assert_eq!(lost[2].1, 9 * 960);
    }

    #[test]
    fn events_have_the_clock_of_their_side() {
        let mut transcoder = Transcoder::new(OPUS, Codec::Pcma);
        let other = |payload_type, sequence, payload: &[u8]| {
            let header = Header { marker: true, payload_type, sequence, timestamp: 1600, ssrc: 7 };
            [&header.to_bytes()[..], payload].concat()
        };
        let mut all = packets(160, 8..10);
        all.push(other(101, 10, &[5, 10, 1, 64]));
        let out = sent(&mut transcoder, &all);
        assert_eq!(headers(&out), [(8, 8 * 960), (9, 9 * 960), (10, 9600)]);
        assert_eq!(out[2][HEADER_LEN..], [5, 10, 7, 128], "320 samples are 1920 there");
        let mut payload = [5, 10, 7, 128];
        transcoder.event_in(&mut payload);
        assert_eq!(payload, [5, 10, 1, 64]);
        let mut slow = Transcoder::new(G722, Codec::Pcma);
        assert_eq!(headers(&sent(&mut slow, &all)), [(8, 8 * 160), (9, 9 * 160), (10, 1600)]);
    }

    #[test]
    fn whatever_comes_is_decoded_or_dropped() {
        let mut random = fastrand::Rng::with_seed(5);
        let mut transcoder = Transcoder::new(OPUS, Codec::Pcma);
        let good = sent(&mut transcoder, &packets(160, 0..50));
        let mut out = [0; SAMPLES_MAX];
        for n in 0..20_000 {
            let mut payload = good[n % good.len()][HEADER_LEN..].to_vec();
            for _ in 0..random.usize(..5) {
                let at = random.usize(..payload.len());
                payload[at] = random.u8(..);
            }
            payload.truncate(random.usize(..=payload.len()));
            assert!(transcoder.decode(&payload, &mut out) <= SAMPLES_MAX);
        }
    }
}
