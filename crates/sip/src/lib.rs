//! A SIP endpoint without sockets, clock or randomness of its own: bytes and time in, bytes and events out.

mod auth;
mod core;
mod date;
mod dialog;
mod endpoint;
mod io;
mod message;
mod overload;
mod registrar;
mod session_timer;
mod timer;
mod transaction;

pub use endpoint::*;
pub use message::Replaces;
