//! Sound, pure per 20 ms frame, and the relay: RTP in, RTP out.

pub mod comfort;
pub mod detect;
pub mod g711;
pub mod g722;
pub mod goertzel;
pub mod ice;
pub mod mix;
mod quality;
mod relay;
mod resample;
pub mod rtcp;
pub mod rtp;
mod sound;
pub mod speech_like;
pub mod srtp;
pub mod tone;

pub use quality::*;
pub use relay::*;
pub use sound::*;
