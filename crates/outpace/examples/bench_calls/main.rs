//! How many calls the whole server carries on this machine: `make bench-calls ARGS="attempts|complete|held|overload|bridge|soak …"`.
//!
//! The server is the real program in a process of its own, with SQLite. This program is the carrier and the agents'
//! phones: real SIP over UDP, no sound. Every result is then read back from the server's API and held against what the
//! carrier saw.

mod crm;
mod field;
mod message;
mod overload;
mod report;
mod scenario;
mod server;
mod sound;

use scenario::Scenario;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let program = server::program(&mut arguments)?;
    let names: Vec<&str> = match arguments.first().map(String::as_str) {
        None | Some("all") => vec!["attempts", "complete", "held", "overload", "bridge", "bridge-rung"],
        Some(name) => vec![name],
    };
    let numbers: Vec<u32> =
        arguments.iter().skip(1).map(|text| text.parse()).collect::<std::result::Result<_, _>>()?;
    // Before compilers and the like, where the system allows it. The shell belongs to the session, too: it is undone.
    let _ = std::fs::write("/proc/self/autogroup", "-15");
    let result = names.into_iter().try_for_each(|name| Scenario::named(name, &numbers)?.run(&program));
    let _ = std::fs::write("/proc/self/autogroup", "0");
    result
}
