//! How many calls one thread of the media relay carries on this machine, alone or beside another relay.
//!
//! `make bench-relay ARGS="[calls] [seconds] [--record folder] [--against rtpengine]"`
//!
//! The relay runs in a process of its own, on CPU 0; this one plays the parties of all calls on CPU 1. Both parties of
//! a call send 50 packets of G.711 a second. Each packet tells when it was sent and by whom, so that delay, loss and
//! wrong deliveries are seen. CPU time counts every thread of the relay's process.

mod cpu;
mod generator;
mod kernel;
mod ours;
mod report;
mod rtpengine;

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use cpu::Cpu;
use generator::Generator;
use report::Measured;

/// What both relays need before packets flow evenly.
const WARM_UP: Duration = Duration::from_secs(2);

type Result<T> = std::result::Result<T, Box<dyn Error>>;

struct Options {
    calls: usize,
    seconds: u64,
    record: Option<PathBuf>,
    against_rtpengine: bool,
    /// Programs to run in place of this one as the relay, for a comparison of builds.
    builds: Vec<PathBuf>,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    if std::env::args().nth(1).as_deref() == Some(ours::PART) {
        return ours::serve(arguments.skip(1));
    }
    let options = Options::parse(&mut arguments)?;
    cpu::prefer_this_process();
    let result = run(&options);
    cpu::prefer_this_session(0);
    result
}

fn run(options: &Options) -> Result<()> {
    cpu::pin(std::process::id(), cpu::GENERATOR)?;
    let kernel = kernel::us_per_packet(&Generator::new(options.calls)?)?;
    println!("the kernel alone  {kernel:.2} µs a packet now, to receive and to send it");
    let mut rows = Vec::new();
    let this = std::env::current_exe()?;
    let builds = if options.builds.is_empty() { vec![this] } else { options.builds.clone() };
    for build in builds {
        let mut generator = Generator::new(options.calls)?;
        let relay = ours::start(&build, &generator, options.record.as_deref())?;
        let name = build.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut measured = measure(&name, &mut generator, &relay.legs, relay.process.id(), options)?;
        measured.note = relay.end()?;
        rows.push(measured);
        report::print(&rows[rows.len() - 1..]);
    }
    if options.against_rtpengine {
        let mut generator = Generator::new(options.calls)?;
        let relay = rtpengine::start(&generator)?;
        let pid = relay.process.id();
        let measured = measure("rtpengine", &mut generator, &relay.legs, pid, options)?;
        relay.end();
        rows.push(measured);
        report::print(&rows[rows.len() - 1..]);
    }
    report::compare(&rows);
    Ok(())
}

fn measure(
    name: &str,
    generator: &mut Generator,
    legs: &[std::net::SocketAddr],
    relay: u32,
    options: &Options,
) -> Result<Measured> {
    generator.run(legs, WARM_UP)?;
    generator.forget();
    let before = Cpu::now(relay)?;
    let took = Duration::from_secs(options.seconds);
    generator.run(legs, took)?;
    let cpu = Cpu::now(relay)?.since(before);
    Ok(Measured::new(name, options.calls, took, generator, cpu))
}

impl Options {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Options> {
        let mut options =
            Options { calls: 1000, seconds: 10, record: None, against_rtpengine: false, builds: Vec::new() };
        let mut arguments = arguments;
        let mut numbers: Vec<u64> = Vec::new();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--record" => {
                    options.record = Some(arguments.next().ok_or("--record needs a folder")?.into())
                }
                "--against" => match arguments.next().as_deref() {
                    Some("rtpengine") => options.against_rtpengine = true,
                    _ => return Err("--against knows rtpengine only".into()),
                },
                "--build" => options.builds.push(arguments.next().ok_or("--build needs a program")?.into()),
                number => numbers.push(number.parse().map_err(|_| format!("what is {number}?"))?),
            }
        }
        if let Some(calls) = numbers.first() {
            options.calls = usize::try_from(*calls)?;
        }
        if let Some(seconds) = numbers.get(1) {
            options.seconds = *seconds;
        }
        Ok(options)
    }
}
