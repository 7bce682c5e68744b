//! WHO to call, WHEN, and WHICH agent gets the answer. Pure: no clock, no sockets, no SQL, no threads.

mod config;
mod effect;
mod id;
mod input;
mod number;
mod outcome;
mod time;
mod view;

pub use config::*;
pub use effect::*;
pub use id::*;
pub use input::*;
pub use number::*;
pub use outcome::*;
pub use time::*;
pub use view::*;
