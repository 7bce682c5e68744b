//! What lab phones say: a few seconds of speech-like sound per voice, encoded once and said over and over.

use std::sync::Arc;
use std::time::Duration;

use media::speech_like::SpeechLike;
use media::tone::{RINGBACK_CN, ringback};
use media::{Codec, Sound, g711};

use super::tag::FRAME_BYTES;

const VOICES: u64 = 4;
const LENGTH: Duration = Duration::from_secs(5);
const RINGBACK_AMPLITUDE: i16 = 6000;

/// Encoded frames of 20 ms; never empty.
pub type Frames = Arc<Vec<[u8; FRAME_BYTES]>>;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Voice {
    /// One of a few voices.
    Person(u64),
    /// The tone that a caller hears while it rings.
    RingBack,
}

/// Every voice in both laws.
pub struct Voices {
    people: Vec<[Frames; 2]>,
    ring_back: [Frames; 2],
}

impl Voices {
    pub fn generate() -> Voices {
        let people = (0..VOICES).map(|n| both(&SpeechLike::new(n).sound(LENGTH))).collect();
        Voices { people, ring_back: both(&ringback(RINGBACK_CN, RINGBACK_AMPLITUDE, LENGTH)) }
    }

    pub fn frames(&self, voice: Voice, codec: Codec) -> Frames {
        let frames = match voice {
            Voice::Person(n) => &self.people[(n % VOICES) as usize],
            Voice::RingBack => &self.ring_back,
        };
        match codec {
            Codec::Pcmu => frames[0].clone(),
            Codec::Pcma => frames[1].clone(),
        }
    }
}

fn both(sound: &Sound) -> [Frames; 2] {
    let encoded = |encode: fn(i16) -> u8| Arc::new(sound.frames().map(|frame| frame.map(encode)).collect());
    [encoded(g711::ulaw_encode), encoded(g711::alaw_encode)]
}
