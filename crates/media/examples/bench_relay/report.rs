//! What was measured, as a table.

use std::time::Duration;

use crate::cpu::Cpu;
use crate::generator::Generator;

pub struct Measured {
    name: String,
    calls: usize,
    took: Duration,
    sent: u64,
    received: u64,
    misdelivered: u64,
    delay_ms: [f64; 3],
    lateness_ms: f64,
    cpu: Cpu,
    pub note: String,
}

impl Measured {
    pub fn new(name: &str, calls: usize, took: Duration, generator: &mut Generator, cpu: Cpu) -> Measured {
        let delays = &mut generator.delays_us;
        delays.sort_unstable();
        let received = delays.len() as u64;
        let delay_ms = [50, 99, 100].map(|percent| percentile_ms(delays, percent));
        generator.lateness_us.sort_unstable();
        Measured {
            name: name.to_owned(),
            calls,
            took,
            sent: generator.sent,
            received,
            misdelivered: generator.misdelivered,
            delay_ms,
            lateness_ms: percentile_ms(&generator.lateness_us, 99),
            cpu,
            note: String::new(),
        }
    }

    fn us_per_packet(&self) -> f64 {
        self.cpu.relay.as_secs_f64() * 1e6 / self.received.max(1) as f64
    }
}

pub fn print(rows: &[Measured]) {
    for row in rows {
        let percent = |cpu: Duration| 100.0 * cpu.as_secs_f64() / row.took.as_secs_f64();
        let lost = row.sent as i64 - row.received as i64;
        let [p50, p99, max] = row.delay_ms;
        let others = row.cpu.machine.saturating_sub(row.cpu.relay + row.cpu.generator);
        println!("relay             {}", row.name);
        println!("  calls           {}", row.calls);
        println!("  packets         {} sent, {lost} lost, {} at the wrong party", row.sent, row.misdelivered);
        println!(
            "  delay           p50 {p50:.2} ms, p99 {p99:.2} ms, max {max:.1} ms (generator late by p99 {:.2} ms)",
            row.lateness_ms
        );
        println!(
            "  CPU             {:.1} % of a core, {:.1} % to write recordings; {:.1} % of the time it waited for a CPU",
            percent(row.cpu.relay),
            percent(row.cpu.recorder),
            percent(row.cpu.waited)
        );
        println!(
            "  CPU per packet  {:.2} µs: reckoned {:.0} calls on a whole core",
            row.us_per_packet(),
            1e4 / row.us_per_packet()
        );
        println!(
            "  beside it       generator {:.0} %, the rest of the machine {:.0} %",
            percent(row.cpu.generator),
            percent(others)
        );
        if !row.note.is_empty() {
            println!("  {}", row.note);
        }
    }
}

fn percentile_ms(sorted_us: &[u32], percent: usize) -> f64 {
    let at = (sorted_us.len() * percent / 100).min(sorted_us.len().saturating_sub(1));
    sorted_us.get(at).map_or(f64::NAN, |us| f64::from(*us) / 1000.0)
}

/// How many times the calls of each on a core the first one has.
pub fn compare(rows: &[Measured]) {
    let Some((first, others)) = rows.split_first() else { return };
    for other in others {
        let ratio = other.us_per_packet() / first.us_per_packet();
        println!("{} : {} = {ratio:.2} calls on the same CPU time", first.name, other.name);
    }
}
