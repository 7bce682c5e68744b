//! The relay's whole surface. One media thread owns every socket and leg; the handle sends it commands.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LegId(pub u64);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Codec {
    Pcmu,
    Pcma,
}

impl Codec {
    /// RTP payload type (RFC 3551).
    pub const fn payload_type(self) -> u8 {
        match self {
            Codec::Pcmu => 0,
            Codec::Pcma => 8,
        }
    }
}

#[derive(Clone, Debug)]
pub struct RelayConfig {
    /// Address of the RTP sockets.
    pub bind: IpAddr,
    /// Even ports of it are used.
    pub ports: RangeInclusive<u16>,
    /// RTP that flowed and then stopped for this long is reported as `Silent`.
    pub rtp_timeout: Duration,
    /// A closed port is not used again before this.
    pub port_rest: Duration,
    pub legs_max: usize,
}

/// What a leg sends and gets, from its SDP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LegMedia {
    /// Where RTP goes, from the SDP; the source of the first packets may correct it (symmetric RTP).
    pub remote: SocketAddr,
    pub codec: Codec,
    /// Payload type of telephone-event (RFC 4733), when agreed.
    pub dtmf: Option<u8>,
    /// The far end wants to hear / sends (a=sendrecv, sendonly, recvonly, inactive).
    pub send: bool,
    pub receive: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RelayEvent {
    /// Both directions are open.
    Bridged { a: LegId, b: LegId, at: Instant },
    /// The sound was sent to its end.
    Played { leg: LegId },
    /// RTP flowed from this leg and has stopped for `rtp_timeout`.
    Silent { leg: LegId },
    Closed { leg: LegId, stats: LegStats },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LegStats {
    pub packets_in: u64,
    pub packets_out: u64,
    /// Dropped: not RTP, wrong source, unknown payload type.
    pub packets_refused: u64,
    /// By sequence number.
    pub packets_lost: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    #[error("no RTP port is free in the configured range")]
    NoPort,
    #[error("the relay's limit of legs is reached")]
    Full,
    #[error("socket: {0}")]
    Socket(#[from] std::io::Error),
}

// #[derive(Clone)] pub struct Relay
// impl Relay {
//     pub fn start(config: RelayConfig, on_event: impl Fn(RelayEvent) + Send + 'static) -> Result<Relay, RelayError>;
//     pub fn open(&self) -> Result<(LegId, SocketAddr), RelayError>;        // binds the port here, hands the socket to the thread
//     pub fn configure(&self, leg: LegId, media: LegMedia);                  // may be called again (re-INVITE)
//     pub fn bridge(&self, a: LegId, b: LegId);                              // each side's RTP goes to the other; unbridges what was
//     pub fn unbridge(&self, leg: LegId);
//     pub fn play(&self, leg: LegId, sound: Arc<Sound>);                     // 8 kHz mono 16 bit; replaces what plays
//     pub fn stop(&self, leg: LegId);
//     pub fn close(&self, leg: LegId);
//     pub fn legs(&self) -> usize;
// }
// pub struct Sound: from_wav(reader) -> Result<Sound, SoundError> (any rate, mono/stereo, 8/16/24/32 bit, limits), from_samples(Vec<i16> at 8 kHz), frames(), tone/silence/speech-like generators
