//! A SIP endpoint without sockets, clock or randomness of its own: bytes and time in, bytes and events out.

mod endpoint;
pub use endpoint::*;
