//! CPU time of processes (Linux), and which CPU they run on.

use std::fs;
use std::time::Duration;

use rustix::process::{getpriority_process, setpriority_process};
use rustix::thread::{CpuSet, Pid, sched_setaffinity};

use crate::Result;

pub const RELAY: usize = 0;
pub const GENERATOR: usize = 1;
/// Before compilers and the like, so that what is measured is not the neighbours.
const NICE: i32 = -15;

/// CPU time used so far.
#[derive(Clone, Copy)]
pub struct Cpu {
    /// Every thread of the relay's process.
    pub relay: Duration,
    /// Time in which its busiest thread could have run and had no CPU.
    pub waited: Duration,
    /// Its thread that writes recordings, part of the above.
    pub recorder: Duration,
    pub generator: Duration,
    /// The whole machine, all CPUs.
    pub machine: Duration,
}

impl Cpu {
    pub fn now(relay: u32) -> Result<Cpu> {
        let threads = threads(relay)?;
        let recorder =
            threads.iter().filter(|thread| thread.name == "recorder").map(|thread| thread.cpu).sum();
        let busiest = threads.iter().max_by_key(|thread| thread.cpu);
        Ok(Cpu {
            relay: threads.iter().map(|thread| thread.cpu).sum(),
            waited: busiest.map_or(Duration::ZERO, |thread| thread.waited),
            recorder,
            generator: self::threads(std::process::id())?.iter().map(|thread| thread.cpu).sum(),
            machine: machine()?,
        })
    }

    pub fn since(self, before: Cpu) -> Cpu {
        Cpu {
            relay: self.relay - before.relay,
            waited: self.waited.saturating_sub(before.waited),
            recorder: self.recorder - before.recorder,
            generator: self.generator - before.generator,
            machine: self.machine.saturating_sub(before.machine),
        }
    }
}

struct Thread {
    name: String,
    cpu: Duration,
    waited: Duration,
}

fn threads(process: u32) -> Result<Vec<Thread>> {
    let mut threads = Vec::new();
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let task = task?.path();
        let name = fs::read_to_string(task.join("comm"))?.trim().to_owned();
        let times = fs::read_to_string(task.join("schedstat"))?;
        let mut nanos = times.split_whitespace().map(str::parse);
        let mut next = || {
            Ok::<_, Box<dyn std::error::Error>>(Duration::from_nanos(nanos.next().ok_or("no schedstat")??))
        };
        threads.push(Thread { name, cpu: next()?, waited: next()? });
    }
    Ok(threads)
}

fn machine() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().ok_or("an empty /proc/stat")?;
    let ticks: Vec<u64> =
        line.split_whitespace().skip(1).map(str::parse).collect::<std::result::Result<_, _>>()?;
    // user nice system idle iowait irq softirq: all but the fourth and the fifth are work; a tick is 10 ms.
    let busy: u64 =
        ticks.iter().take(7).enumerate().filter(|(n, _)| !matches!(n, 3 | 4)).map(|(_, t)| t).sum();
    Ok(Duration::from_millis(busy * 10))
}

/// Best effort: it takes a privilege.
pub fn prefer_this_process() {
    // Where the kernel groups processes by session, niceness counts within the session only, and the session has its own.
    prefer_this_session(NICE);
    if setpriority_process(None, NICE).is_err() {
        let nice = getpriority_process(None).unwrap_or_default();
        println!("(running at nice {nice}: what else the machine does is measured, too)");
    }
}

/// To be undone at the end: the shell belongs to the session, too.
pub fn prefer_this_session(nice: i32) {
    let _ = fs::write("/proc/self/autogroup", nice.to_string());
}

/// On a machine with one CPU both share it.
pub fn pin(process: u32, cpu: usize) -> Result<()> {
    // All of the machine: what this thread may run on was narrowed by the pinning before.
    let stat = fs::read_to_string("/proc/stat")?;
    let cpus =
        stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count().max(1);
    let mut set = CpuSet::new();
    set.set(cpu.min(cpus - 1));
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let id = task?.file_name().to_string_lossy().parse()?;
        sched_setaffinity(Pid::from_raw(id), &set)?;
    }
    Ok(())
}
