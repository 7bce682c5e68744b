//! What lab phones say: a few seconds of speech-like sound per voice, encoded once and said over and over.

use std::sync::Arc;
use std::time::Duration;

use media::speech_like::SpeechLike;
use media::tone::{Cadence, RINGBACK_CN, ringback};
use media::{Codec, Sound, g711};

use super::tag::FRAME_BYTES;

const VOICES: u64 = 4;
const LENGTH: Duration = Duration::from_secs(5);
const TONE_AMPLITUDE: i16 = 6000;
/// China's busy tone (GB 3380), and some whole periods of it.
const BUSY_CN: Cadence =
    Cadence { frequencies_hz: (450.0, 0.0), on: Duration::from_millis(350), off: Duration::from_millis(350) };
const BUSY_LENGTH: Duration = Duration::from_millis(7000);
/// A machine's greeting pauses no longer than this many frames.
const PAUSE_FRAMES_MAX: usize = 5;

/// Encoded frames of 20 ms; never empty.
pub type Frames = Arc<Vec<[u8; FRAME_BYTES]>>;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Voice {
    /// One of a few voices.
    Person(u64),
    /// The tone that a caller hears while it rings.
    RingBack,
    Busy,
    /// The greeting of an answering machine, which talks on.
    Machine,
}

/// Every voice in both laws.
pub struct Voices {
    people: Vec<[Frames; 2]>,
    ring_back: [Frames; 2],
    busy: [Frames; 2],
    machine: [Frames; 2],
}

impl Voices {
    pub fn generate() -> Voices {
        let people = (0..VOICES).map(|n| both(&SpeechLike::new(n).sound(LENGTH))).collect();
        Voices {
            people,
            ring_back: both(&ringback(RINGBACK_CN, TONE_AMPLITUDE, LENGTH)),
            busy: both(&ringback(BUSY_CN, TONE_AMPLITUDE, BUSY_LENGTH)),
            machine: both(&without_pauses(&SpeechLike::new(VOICES).sound(LENGTH))),
        }
    }

    pub fn frames(&self, voice: Voice, codec: Codec) -> Frames {
        let frames = match voice {
            Voice::Person(n) => &self.people[(n % VOICES) as usize],
            Voice::RingBack => &self.ring_back,
            Voice::Busy => &self.busy,
            Voice::Machine => &self.machine,
        };
        match codec {
            Codec::Pcmu => frames[0].clone(),
            Codec::Pcma => frames[1].clone(),
        }
    }
}

fn without_pauses(sound: &Sound) -> Sound {
    let mut quiet = 0;
    let talks = |frame: &[i16; FRAME_BYTES]| {
        quiet = if frame.iter().all(|s| s.abs() < 100) { quiet + 1 } else { 0 };
        quiet <= PAUSE_FRAMES_MAX
    };
    Sound::from_samples(sound.frames().filter(talks).flatten().collect())
}

fn both(sound: &Sound) -> [Frames; 2] {
    let encoded = |encode: fn(i16) -> u8| Arc::new(sound.frames().map(|frame| frame.map(encode)).collect());
    [encoded(g711::ulaw_encode), encoded(g711::alaw_encode)]
}
