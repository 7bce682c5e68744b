//! Sound, pure per 20 ms frame, and the relay: RTP in, RTP out.

mod relay;
pub use relay::*;
