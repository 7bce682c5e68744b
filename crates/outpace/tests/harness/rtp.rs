//! RTP of the test phones: A-law sound that can be recognised at the other end.

use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub const FRAME: usize = 160;
/// Payload types (RFC 3551).
pub const PCMU: u8 = 0;
pub const PCMA: u8 = 8;
const FRAME_TIME: Duration = Duration::from_millis(20);

/// What a test phone sends.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Sound {
    Nothing,
    /// Sine of this frequency in Hz.
    Tone(f64),
    /// Frames of pseudo-random bytes that carry their place in the stream.
    Pattern(u8),
    /// A-law, from its beginning; then silence.
    Clip(&'static [u8]),
}

impl Sound {
    pub fn frame(self, index: u32) -> [u8; FRAME] {
        let mut frame = [0xD5; FRAME];
        match self {
            Sound::Nothing => {}
            Sound::Tone(hz) => {
                for (i, byte) in frame.iter_mut().enumerate() {
                    let t = (index as usize * FRAME + i) as f64 / 8000.0;
                    *byte = encode_alaw((8000.0 * (std::f64::consts::TAU * hz * t).sin()) as i16);
                }
            }
            Sound::Clip(sound) => {
                let rest = sound.get(index as usize * FRAME..).unwrap_or_default();
                let count = rest.len().min(FRAME);
                frame[..count].copy_from_slice(&rest[..count]);
            }
            Sound::Pattern(seed) => {
                let mut rng = fastrand::Rng::with_seed(u64::from(seed) << 32 | u64::from(index));
                frame.fill_with(|| rng.u8(..));
                frame[..4].copy_from_slice(&index.to_be_bytes());
            }
        }
        frame
    }
}

#[derive(Clone, Debug)]
pub struct Packet {
    pub at: Instant,
    pub from: SocketAddr,
    pub payload_type: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub payload: Vec<u8>,
}

/// One RTP socket: sends a sound every 20 ms to `remote` and keeps what comes in.
pub struct Rtp {
    pub port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    payload_type: AtomicU8,
    remote: Mutex<Option<SocketAddr>>,
    /// Payload type and event of keys that are still to be pressed.
    keys: Mutex<VecDeque<(u8, u8)>>,
    /// Frames that are sent in place of the sound, before the keys.
    played: Mutex<VecDeque<[u8; FRAME]>>,
    packets: Mutex<Vec<Packet>>,
}

impl Rtp {
    /// `port` 0: any.
    pub fn open(port: u16, sound: Sound) -> Rtp {
        let socket = UdpSocket::bind(("127.0.0.1", port)).expect("the port is free");
        let port = socket.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared::default());
        shared.payload_type.store(PCMA, Ordering::Relaxed);
        let of_thread = shared.clone();
        std::thread::spawn(move || run(&socket, sound, &of_thread));
        Rtp { port, shared }
    }

    /// What the packets say that they carry; the sound stays A-law.
    pub fn set_payload_type(&self, payload_type: u8) {
        self.shared.payload_type.store(payload_type, Ordering::Relaxed);
    }

    pub fn set_remote(&self, remote: SocketAddr) {
        *self.shared.remote.lock().expect("no panic inside") = Some(remote);
    }

    /// Presses keys (RFC 4733), one after the other.
    pub fn press(&self, payload_type: u8, keys: &str) {
        let event = |key: char| KEYS.find(key).expect("a key") as u8;
        let events = keys.chars().map(|key| (payload_type, event(key)));
        self.shared.keys.lock().expect("no panic inside").extend(events);
    }

    /// Sends these samples in place of its sound; what is left of the last 20 ms is not sent.
    pub fn play(&self, samples: &[i16]) {
        let (frames, _) = samples.as_chunks::<FRAME>();
        let frames = frames.iter().map(|frame| frame.map(encode_alaw));
        self.shared.played.lock().expect("no panic inside").extend(frames);
    }

    /// Sends nothing more; what came in stays.
    pub fn close(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }

    pub fn packets(&self) -> Vec<Packet> {
        self.shared.packets.lock().expect("no panic inside").clone()
    }
}

impl Drop for Rtp {
    fn drop(&mut self) {
        self.close();
    }
}

fn run(socket: &UdpSocket, sound: Sound, shared: &Shared) {
    let ssrc = fastrand::u32(..);
    let mut index = 0u32;
    let mut next = Instant::now();
    let mut buffer = [0u8; 2048];
    // Packets of the key that is being sent.
    let mut pressed = 0u32;
    while !shared.stop.load(Ordering::Relaxed) {
        let now = Instant::now();
        if now >= next {
            let remote = *shared.remote.lock().expect("no panic inside");
            let played = remote.and_then(|_| shared.played.lock().expect("no panic inside").pop_front());
            let key = shared.keys.lock().expect("no panic inside").front().copied();
            if let (Some(remote), Some(frame)) = (remote, played) {
                let _ = socket.send_to(&packet(shared, ssrc, index, &frame), remote);
                index += 1;
            } else if let (Some(remote), Some(key)) = (remote, key) {
                let _ = socket.send_to(&key_packet(key, ssrc, index, pressed), remote);
                pressed += 1;
                if pressed == KEY_PACKETS {
                    shared.keys.lock().expect("no panic inside").pop_front();
                    (index, pressed) = (index + KEY_PACKETS, 0);
                }
            } else if let (Some(remote), true) = (remote, sound != Sound::Nothing) {
                let _ = socket.send_to(&packet(shared, ssrc, index, &sound.frame(index)), remote);
                index += 1;
            }
            next += FRAME_TIME;
            continue;
        }
        // A zero timeout would mean "for ever".
        let wait = (next - now).max(Duration::from_micros(100));
        socket.set_read_timeout(Some(wait)).expect("not zero");
        if let Ok((n, from)) = socket.recv_from(&mut buffer)
            && let Some(packet) = parse(&buffer[..n], from)
        {
            let mut packets = shared.packets.lock().expect("no panic inside");
            if packets.len() < 100_000 {
                packets.push(packet);
            }
        }
    }
}

const KEYS: &str = "0123456789*#ABCD";
/// Of one key, the three at its end included.
const KEY_PACKETS: u32 = 8;

fn key_packet((payload_type, event): (u8, u8), ssrc: u32, index: u32, count: u32) -> Vec<u8> {
    let marker = if count == 0 { 0x80 } else { 0 };
    let mut bytes = vec![0x80, marker | payload_type];
    bytes.extend_from_slice(&((index + count) as u16).to_be_bytes());
    bytes.extend_from_slice(&(index * FRAME as u32).to_be_bytes());
    bytes.extend_from_slice(&ssrc.to_be_bytes());
    let end = if count + 3 >= KEY_PACKETS { 0x80 } else { 0 };
    let duration = ((count + 1).min(KEY_PACKETS - 3) * FRAME as u32) as u16;
    bytes.extend_from_slice(&[event, end | 10]);
    bytes.extend_from_slice(&duration.to_be_bytes());
    bytes
}

/// Keys among the packets, each event once.
pub fn keys_in(packets: &[Packet], payload_type: u8) -> String {
    let mut seen = std::collections::BTreeSet::new();
    let events = packets.iter().filter(|p| p.payload_type == payload_type && p.payload.len() == 4);
    let new = events.filter(|p| seen.insert(p.timestamp));
    new.filter_map(|p| KEYS.chars().nth(usize::from(p.payload[0]))).collect()
}

fn packet(shared: &Shared, ssrc: u32, index: u32, frame: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x80, shared.payload_type.load(Ordering::Relaxed)];
    bytes.extend_from_slice(&(index as u16).to_be_bytes());
    bytes.extend_from_slice(&(index * FRAME as u32).to_be_bytes());
    bytes.extend_from_slice(&ssrc.to_be_bytes());
    bytes.extend_from_slice(frame);
    bytes
}

fn parse(bytes: &[u8], from: SocketAddr) -> Option<Packet> {
    // RTP version 2 without extension or CSRC is all that our relay and phones send; RTCP types are 200 to 207.
    if bytes.len() < 12 || bytes[0] >> 6 != 2 || (200..=207).contains(&bytes[1]) {
        return None;
    }
    Some(Packet {
        at: Instant::now(),
        from,
        payload_type: bytes[1] & 0x7f,
        sequence: u16::from_be_bytes([bytes[2], bytes[3]]),
        timestamp: u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
        payload: bytes[12..].to_vec(),
    })
}

/// Indices of the frames of `Sound::Pattern(seed)` among the packets; a frame with a changed byte does not count.
pub fn pattern_frames(packets: &[Packet], seed: u8) -> Vec<u32> {
    packets
        .iter()
        .filter_map(|p| {
            let index = u32::from_be_bytes(p.payload.get(..4)?.try_into().ok()?);
            (p.payload == Sound::Pattern(seed).frame(index)).then_some(index)
        })
        .collect()
}

/// Samples of the A-law packets, in order of arrival.
pub fn samples(packets: &[Packet]) -> Vec<i16> {
    packets
        .iter()
        .filter(|p| p.payload_type == PCMA)
        .flat_map(|p| &p.payload)
        .map(|b| decode_alaw(*b))
        .collect()
}

/// The share of the energy that lies at `hz` (Goertzel), 0 to 1, in the loudest half second.
pub fn tone_share(samples: &[i16], hz: f64) -> f64 {
    samples.chunks_exact(4000).map(|chunk| goertzel(chunk, hz)).fold(0.0, f64::max)
}

fn goertzel(samples: &[i16], hz: f64) -> f64 {
    let coefficient = 2.0 * (std::f64::consts::TAU * hz / 8000.0).cos();
    let (mut s1, mut s2, mut energy) = (0.0, 0.0, 0.0);
    for sample in samples {
        let x = f64::from(*sample);
        energy += x * x;
        (s1, s2) = (x + coefficient * s1 - s2, s1);
    }
    // Silence has no tone: mean level below 100.
    if energy < 1e4 * samples.len() as f64 {
        return 0.0;
    }
    let power = s1 * s1 + s2 * s2 - coefficient * s1 * s2;
    2.0 * power / (energy * samples.len() as f64)
}

/// A WAV file with a tone: 8 kHz, mono, 16 bit.
pub fn tone_wav(hz: f64, seconds: u32) -> Vec<u8> {
    tone_wav_of(hz, seconds, 8000, 1)
}

/// The same at another rate, the same on all channels.
pub fn tone_wav_of(hz: f64, seconds: u32, rate: u32, channels: u16) -> Vec<u8> {
    let sample = |i| (8000.0 * (std::f64::consts::TAU * hz * f64::from(i) / f64::from(rate)).sin()) as i16;
    let all = (0..rate * seconds).flat_map(|i| std::iter::repeat_n(sample(i), channels.into()));
    wav_of(&all.collect::<Vec<_>>(), rate, channels)
}

/// A WAV file: 8 kHz, mono, 16 bit.
pub fn wav(samples: &[i16]) -> Vec<u8> {
    wav_of(samples, 8000, 1)
}

fn wav_of(samples: &[i16], rate: u32, channels: u16) -> Vec<u8> {
    let size = 2 * samples.len() as u32;
    let mut wav = Vec::with_capacity(44 + size as usize);
    wav.extend_from_slice(b"RIFF");
    wav.extend_from_slice(&(36 + size).to_le_bytes());
    wav.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0");
    wav.extend_from_slice(&channels.to_le_bytes());
    wav.extend_from_slice(&rate.to_le_bytes());
    wav.extend_from_slice(&(rate * 2 * u32::from(channels)).to_le_bytes());
    wav.extend_from_slice(&(2 * channels).to_le_bytes());
    wav.extend_from_slice(b"\x10\0data");
    wav.extend_from_slice(&size.to_le_bytes());
    wav.extend(samples.iter().flat_map(|s| s.to_le_bytes()));
    wav
}

/// ITU-T G.711 A-law.
pub fn encode_alaw(sample: i16) -> u8 {
    let (mask, level) = if sample >= 0 { (0xD5, sample >> 3) } else { (0x55, !(sample >> 3)) };
    let segment = (0..8).find(|s| level < 0x20 << s).unwrap_or(7);
    let step = level >> if segment < 2 { 1 } else { segment };
    ((segment as u8) << 4 | (step as u8 & 0x0f)) ^ mask
}

pub fn decode_alaw(byte: u8) -> i16 {
    let byte = byte ^ 0x55;
    let segment = (byte >> 4) & 7;
    let level = i16::from(byte & 0x0f) << 4;
    let level = if segment == 0 { level + 8 } else { (level + 0x108) << (segment - 1) };
    if byte & 0x80 != 0 { level } else { -level }
}
