//! What was reached, with what was lost.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Result;
use crate::crm::Counted;
use crate::field::Seen;
use crate::scenario::Scenario;
use crate::server::Server;
use crate::sound::Sounds;

pub type Cpu = BTreeMap<String, Duration>;

pub struct Measured<'a> {
    pub seen: Seen,
    pub counted: Counted,
    pub cpu: Cpu,
    /// Kilobytes and open files, before and at the fullest.
    pub memory: (u64, usize),
    pub peak: (u64, usize),
    pub server: &'a Server,
}

pub fn since(after: &Cpu, before: &Cpu) -> Cpu {
    let used =
        |name: &String, cpu: &Duration| cpu.saturating_sub(before.get(name).copied().unwrap_or_default());
    after.iter().map(|(name, cpu)| (name.clone(), used(name, cpu))).collect()
}

pub fn print(scenario: &Scenario, m: &Measured<'_>) -> Result<()> {
    let (seen, counted) = (&m.seen, &m.counted);
    let took = seen.last.zip(seen.first).map_or(0.0, |(last, first)| (last - first).as_secs_f64());
    println!("  attempts        {} in {took:.1} s: {:.0}/s", seen.invites, seen.invites as f64 / took);
    // Neither the start nor the end.
    let whole = seen.by_second.get(2..seen.by_second.len().saturating_sub(2)).unwrap_or_default();
    if let (Some(least), Some(most)) = (whole.iter().min(), whole.iter().max()) {
        let mean = f64::from(whole.iter().sum::<u32>()) / whole.len() as f64;
        println!(
            "  each second     {mean:.0} on average, {least} to {most} (without the first and last two)"
        );
    }
    println!(
        "  at the carrier  {} answered, {} given up; {} phones rung, {} legs over",
        seen.answered, seen.cancelled, seen.offered, seen.over
    );
    println!(
        "  by the API      {} called, {} answered, {} connected, {} abandoned",
        counted.called, counted.answered, counted.connected, counted.abandoned
    );
    // What is held has no result yet.
    if seen.customers_up == 0 {
        println!(
            "  lost results    {} (attempts without one), {} (answers without one)",
            seen.invites as i64 - counted.called as i64,
            seen.answered as i64 - counted.answered as i64
        );
    }
    println!(
        "  repetitions     {} by the server, {} by carrier and phones, {} never heard",
        seen.repeated_by_server, seen.repeated_by_us, seen.unheard
    );
    let mut waits = seen.answer_to_agent_us.clone();
    waits.sort_unstable();
    // Legs that are kept up are not offered calls one by one.
    if !waits.is_empty() {
        println!(
            "  answer to agent p50 {:.1} ms, p99 {:.1} ms",
            percentile_ms(&waits, 50),
            percentile_ms(&waits, 99)
        );
    }
    print_threads(&m.cpu, seen.invites);
    let grown = m.peak.0.saturating_sub(m.memory.0);
    println!(
        "  memory          {} MB before, {} MB at the fullest; {} files open then, {} threads now",
        m.memory.0 / 1024,
        m.peak.0 / 1024,
        m.peak.1,
        m.server.threads()?
    );
    let dialogs = seen.customers_up + seen.agents_up;
    if seen.customers_up > 0 {
        println!(
            "  dialogs held    {dialogs}: {:.1} kB each (not counting the kernel's sockets)",
            grown as f64 / dialogs as f64
        );
    }
    let (lines, count) = m.server.complaints()?;
    if count > 0 {
        println!("  in the log      {count} warnings and errors, such as\n    {}", lines.join("\n    "));
    }
    if scenario.seconds > 0 && took > 1.2 * f64::from(scenario.seconds) {
        println!("  NOT REACHED     {} a second were asked for", scenario.rate);
    }
    Ok(())
}

/// Each packet of sound may be up to 10 ms old when it is sent, and 1 ms when it is seen.
pub fn print_opened(sounds: &Sounds) {
    let (opened, never) = sounds.opened_us();
    println!(
        "  answer to both  p50 {:.1} ms, p99 {:.1} ms until each hears the other; {} calls, {never} never did",
        percentile_ms(&opened, 50),
        percentile_ms(&opened, 99),
        opened.len()
    );
}

/// CPU time of the server's threads for each call.
pub fn print_threads(cpu: &Cpu, calls: u64) {
    let total: Duration = cpu.values().sum();
    let per_call = |cpu: &Duration| cpu.as_secs_f64() * 1000.0 / calls.max(1) as f64;
    println!("  server's CPU    {:.3} ms a call", per_call(&total));
    let mut threads: Vec<_> = cpu.iter().filter(|(_, cpu)| per_call(cpu) >= 0.001).collect();
    threads.sort_by_key(|(_, cpu)| std::cmp::Reverse(**cpu));
    for (name, cpu) in threads {
        println!("    {name:<15} {:.3} ms", per_call(cpu));
    }
}

pub fn percentile_ms(sorted_us: &[u32], percent: usize) -> f64 {
    let at = (sorted_us.len() * percent / 100).min(sorted_us.len().saturating_sub(1));
    sorted_us.get(at).map_or(f64::NAN, |us| f64::from(*us) / 1000.0)
}
