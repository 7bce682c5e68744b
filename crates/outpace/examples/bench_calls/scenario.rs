//! What is run, and what must come of it.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::crm::{Crm, settled};
use crate::field::{Customers, Field, Seen};
use crate::report::{self, Measured};
use crate::server::Server;
use crate::{Result, overload};

/// Everything has happened, or nothing more will, after so long without news.
const QUIET: Duration = Duration::from_secs(15);
const MINUTE: Duration = Duration::from_secs(60);
const REGISTER: Duration = Duration::from_secs(60);
/// Tasks that share the agents, so that leads are leased for several at a time.
const TASKS: usize = 4;

pub struct Scenario {
    pub name: &'static str,
    pub what: &'static str,
    pub agents: u32,
    /// Calls a second, the trunk's limit; 0: none.
    pub rate: u32,
    pub seconds: u32,
    pub calls: usize,
    pub customers: Customers,
    pub no_answer: Duration,
    scale: &'static str,
    pacing: &'static str,
    /// Agents' legs stay up between calls.
    pub kept_up: bool,
    /// Customers and agents send sound.
    talks: bool,
    /// Incoming INVITEs a second that the server admits; 0: all.
    pub admitted: u32,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Dialing,
    Soak,
    Held,
    Overload,
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

impl Scenario {
    /// `numbers` are rate (or calls) and seconds, when given.
    pub fn named(name: &str, numbers: &[u32]) -> Result<Scenario> {
        let number = |n: usize, default: u32| numbers.get(n).copied().unwrap_or(default);
        match name {
            "attempts" => Ok(Scenario::attempts(number(0, 1500), number(1, 60))),
            "complete" => Ok(Scenario::complete(number(0, 500), number(1, 30))),
            "held" => Ok(Scenario::held(number(0, 10_000))),
            "soak" => Ok(Scenario::soak(number(0, 10), number(1, 600))),
            "bridge" => Ok(Scenario::bridge(number(0, 200), number(1, 20))),
            "bridge-rung" => {
                let rung = "as bridge, with phones that are rung for each call";
                let scenario = Scenario::bridge(number(0, 200), number(1, 20));
                Ok(Scenario { name: "bridge-rung", what: rung, kept_up: false, ..scenario })
            }
            "overload" => Ok(Scenario::overload(number(0, 500), number(1, 20))),
            _ => Err(format!("there is no scenario {name}").into()),
        }
    }

    fn attempts(rate: u32, seconds: u32) -> Scenario {
        Scenario {
            name: "attempts",
            what: "70 % ring for 4 s and are given up, 30 % answer after 1 to 3.5 s and talk for 2 s to an agent",
            agents: rate,
            rate,
            seconds,
            calls: (rate * seconds) as usize,
            customers: Customers { unanswered: 70, ring: (ms(1000), ms(3500)), talk: ms(2000) },
            no_answer: ms(4000),
            scale: "1:20",
            pacing: "manual",
            admitted: 0,
            kept_up: false,
            talks: false,
            kind: Kind::Dialing,
        }
    }

    fn complete(rate: u32, seconds: u32) -> Scenario {
        Scenario {
            name: "complete",
            what: "predictive; all answer after 0.2 to 0.5 s and talk for 2 s to an agent whose phone is rung",
            agents: rate * 4,
            customers: Customers { unanswered: 0, ring: (ms(200), ms(500)), talk: ms(2000) },
            scale: "1:2",
            pacing: "auto",
            ..Scenario::attempts(rate, seconds)
        }
    }

    /// Half of the dialogs are customers', half agents'.
    fn held(dialogs: u32) -> Scenario {
        Scenario {
            name: "held",
            what: "calls are built up and kept: half of the dialogs customers, half agents",
            agents: dialogs / 2,
            rate: 250,
            seconds: 0,
            calls: dialogs as usize / 2,
            customers: Customers { unanswered: 0, ring: (ms(100), ms(200)), talk: Duration::from_secs(3600) },
            kind: Kind::Held,
            ..Scenario::attempts(0, 0)
        }
    }

    /// As `attempts`, with agents who are always free and legs that stay up.
    fn bridge(rate: u32, seconds: u32) -> Scenario {
        Scenario {
            name: "bridge",
            what: "30 % answer and talk for 1 s, with sound, to an agent whose leg stays up; how soon they hear each other",
            agents: rate,
            customers: Customers { unanswered: 70, ring: (ms(1000), ms(3500)), talk: ms(1000) },
            kept_up: true,
            talks: true,
            ..Scenario::attempts(rate, seconds)
        }
    }

    /// As `attempts`, for long, at a rate that the machine carries easily.
    fn soak(minutes: u32, rate: u32) -> Scenario {
        Scenario { name: "soak", kind: Kind::Soak, ..Scenario::attempts(rate, 60 * minutes) }
    }

    fn overload(admitted: u32, seconds: u32) -> Scenario {
        Scenario {
            name: "overload",
            what: "customers call in at twice the rate that is admitted, and talk for 1 s to an agent whose phone is rung",
            agents: admitted * 2,
            admitted,
            seconds,
            kind: Kind::Overload,
            ..Scenario::attempts(1, 1)
        }
    }

    pub fn run(&self, program: &Path) -> Result<()> {
        println!("{}: {}", self.name, self.what);
        let mut field = Field::bind(self.agents, self.customers, self.talks)?;
        let server = Server::start(program, self, field.carrier)?;
        field.start(server.sip)?;
        wait_until(REGISTER, || field.seen().registered >= self.agents as usize)?;
        let crm = Crm::log_in(server.api)?;
        if self.kind == Kind::Overload {
            return overload::run(&server, &crm, self.admitted, self.seconds, || field.seen());
        }
        let tasks = self.create_tasks(&crm)?;
        std::thread::sleep(Duration::from_secs(2));
        let (cpu, memory) = (server.cpu()?, server.memory_kb()?);
        let before = Held::now(&server, &crm)?;
        for task in &tasks {
            crm.set_task(task, 1)?;
        }
        let peak = self.watch(&field, &server)?;
        let cpu = report::since(&server.cpu()?, &cpu);
        let counted = settled(Duration::from_secs(2), || crm.counted(&tasks))?;
        if self.kind == Kind::Soak {
            println!("  before          {before}\n  after           {}", Held::now(&server, &crm)?);
        }
        let measured = Measured { seen: field.seen(), counted, cpu, memory, peak, server: &server };
        report::print(self, &measured)?;
        if let Some(sounds) = field.sounds() {
            report::print_opened(sounds);
        }
        Ok(())
    }

    fn create_tasks(&self, crm: &Crm) -> Result<Vec<String>> {
        let numbers: Vec<String> = (0..self.calls as u64).map(number).collect();
        let part = numbers.len().div_ceil(TASKS).max(1);
        numbers.chunks(part).map(|numbers| crm.create_task(numbers, self.scale, self.pacing)).collect()
    }

    /// Until nothing happens any more, or all calls are held; memory and files at the fullest.
    fn watch(&self, field: &Field, server: &Server) -> Result<(u64, usize)> {
        let (mut before, mut news_at) = (0, Instant::now());
        let mut told_at = Instant::now();
        let mut peak = (0, 0);
        loop {
            std::thread::sleep(ms(200));
            let seen = field.seen();
            let happened = seen.invites + seen.cancelled + seen.over + seen.offered;
            if happened != before {
                (before, news_at) = (happened, Instant::now());
            }
            peak = peak.max(server.memory_kb()?);
            if self.kind == Kind::Soak && told_at.elapsed() >= MINUTE {
                told_at = Instant::now();
                let (kb, files) = server.memory_kb()?;
                println!(
                    "  {:>8} calls  {} MB, {files} files, {} threads",
                    seen.invites,
                    kb / 1024,
                    server.threads()?
                );
            }
            let all_over = self.kind != Kind::Held && self.is_over(&seen);
            let all_held = self.kind == Kind::Held && seen.agents_up as usize >= self.calls;
            if all_over || all_held || news_at.elapsed() > QUIET {
                return Ok(peak.max(server.memory_kb()?));
            }
        }
    }

    fn is_over(&self, seen: &Seen) -> bool {
        seen.invites as usize >= self.calls
            && seen.cancelled + seen.answered >= seen.invites
            && seen.customers_up == 0
            && seen.agents_up == 0
    }
}

/// What the server holds; the same before and after, if nothing leaks.
struct Held {
    memory_kb: u64,
    files: usize,
    sockets: usize,
    threads: usize,
    agents_waiting: usize,
}

impl Held {
    fn now(server: &Server, crm: &Crm) -> Result<Held> {
        let (memory_kb, files) = server.memory_kb()?;
        let agents_waiting = crm.agents_waiting()?;
        Ok(Held { memory_kb, files, sockets: server.sockets()?, threads: server.threads()?, agents_waiting })
    }
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Held { memory_kb, files, sockets, threads, agents_waiting } = self;
        let mb = memory_kb / 1024;
        write!(
            f,
            "{mb} MB, {files} files, {sockets} of them sockets, {threads} threads, {agents_waiting} agents waiting"
        )
    }
}

/// Different numbers in no order.
fn number(n: u64) -> String {
    format!("1{:010}", n * 7_368_787 % 10_000_000_000)
}

fn wait_until(limit: Duration, mut ready: impl FnMut() -> bool) -> Result<()> {
    let end = Instant::now() + limit;
    while !ready() {
        if Instant::now() > end {
            return Err("the phones could not register".into());
        }
        std::thread::sleep(ms(20));
    }
    Ok(())
}
