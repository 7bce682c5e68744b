//! Our relay in a process of its own: it is told the parties' addresses line by line and tells its ports.

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use media::{Codec, LegId, LegMedia, Relay, RelayConfig, RelayEvent};

use crate::generator::Generator;
use crate::{Result, cpu};

/// The argument that makes this program the relay.
pub const PART: &str = "--relay";
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Ours {
    pub process: Child,
    pub legs: Vec<SocketAddr>,
    lines: BufReader<std::process::ChildStdout>,
}

pub fn start(program: &Path, generator: &Generator, record: Option<&Path>) -> Result<Ours> {
    let mut command = Command::new(program);
    command.arg(PART).arg(generator.calls().to_string());
    command.args(record).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = command.spawn()?;
    let mut input = process.stdin.take().ok_or("no stdin")?;
    let addresses: String = generator.parties().map(|party| format!("{}\n", party.address)).collect();
    input.write_all(addresses.as_bytes())?;
    process.stdin = Some(input);
    let mut lines = BufReader::new(process.stdout.take().ok_or("no stdout")?);
    let mut legs = Vec::new();
    for _ in generator.parties() {
        let mut line = String::new();
        lines.read_line(&mut line)?;
        legs.push(line.trim().parse().map_err(|_| format!("the relay says {line:?}"))?);
    }
    cpu::pin(process.id(), cpu::RELAY)?;
    Ok(Ours { process, legs, lines })
}

impl Ours {
    /// What it says about its recordings.
    pub fn end(mut self) -> Result<String> {
        drop(self.process.stdin.take());
        let mut note = String::new();
        self.lines.read_line(&mut note)?;
        self.process.wait()?;
        Ok(note.trim().to_owned())
    }
}

/// The relay's part.
pub fn serve(mut arguments: impl Iterator<Item = String>) -> Result<()> {
    let calls: usize = arguments.next().ok_or("how many calls?")?.parse()?;
    let record = arguments.next().map(PathBuf::from);
    let config = RelayConfig {
        bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
        ports: 10_000..=32_700,
        rtp_timeout: Duration::from_secs(60),
        port_rest: Duration::ZERO,
        legs_max: 2 * calls,
        recording_frames_max: if record.is_some() { 32_768 } else { 0 },
        listeners_max: 0,
        key_tones_max: 0,
    };
    let (sender, events) = mpsc::channel();
    let relay = Relay::start(config, move |event| sender.send(event).unwrap_or_default())?;
    let mut input = std::io::stdin().lines();
    let mut party = || -> Result<LegId> {
        let remote = input.next().ok_or("too few addresses")??.parse()?;
        let (leg, address) = relay.open()?;
        relay.configure(
            leg,
            LegMedia {
                remote,
                codec: Codec::Pcma,
                wide: None,
                dtmf: None,
                rtcp: None,
                send: true,
                receive: true,
            },
        );
        println!("{address}");
        Ok(leg)
    };
    let mut recorded = Vec::new();
    for n in 0..calls {
        let (a, b) = (party()?, party()?);
        relay.bridge(a, b);
        if let Some(folder) = &record {
            relay.record(a, b, folder.join(format!("{n}.wav")).into());
            recorded.push(a);
        }
    }
    let closed = input.next();
    debug_assert!(closed.is_none());
    recorded.iter().for_each(|customer| relay.stop_record(*customer));
    let mut gaps = (0, Duration::MAX);
    for _ in &recorded {
        let (dropped, duration) = next_recording(&events)?;
        gaps = (gaps.0 + dropped, gaps.1.min(duration));
    }
    if !recorded.is_empty() {
        println!("recordings: {} frames dropped, the shortest has {:.1} s", gaps.0, gaps.1.as_secs_f64());
    }
    Ok(())
}

/// Frames that are missing, and how long it is.
fn next_recording(events: &Receiver<RelayEvent>) -> Result<(u64, Duration)> {
    loop {
        match events.recv_timeout(PATIENCE)? {
            RelayEvent::Recorded { frames_dropped, duration, whole: true, .. } => {
                return Ok((frames_dropped, duration));
            }
            RelayEvent::Recorded { .. } => return Err("a recording is not whole".into()),
            _ => {}
        }
    }
}
