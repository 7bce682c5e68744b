//! What one look ahead costs, by agents and calls in flight: `cargo run --release -p sim --example bench_pacing`.

use std::time::{Duration, Instant};

use engine::look_ahead::{Floor, LookAhead, Rules};
use fastrand::Rng;

const ROUNDS: u32 = 2000;

fn main() {
    let head = ["mean µs", "p50 µs", "p99 µs", "most µs"].map(|h| format!("{h:>12}")).join(" ");
    println!("{:>8} {:>10} {head}", "agents", "in flight");
    for (agents, calls) in [(5, 10), (20, 40), (50, 120), (100, 250), (500, 2000), (1000, 5000)] {
        let mut times = measure(agents, calls);
        times.sort_unstable();
        let mean = times.iter().sum::<Duration>() / ROUNDS;
        let micros = |d: Duration| d.as_secs_f64() * 1e6;
        println!(
            "{agents:>8} {calls:>10} {:>12.1} {:>12.1} {:>12.1} {:>12.1}",
            micros(mean),
            micros(times[times.len() / 2]),
            micros(times[times.len() * 99 / 100]),
            micros(times[times.len() - 1])
        );
    }
}

/// Each round a call ends, another is placed and the pacer looks ahead.
fn measure(agents: usize, calls: usize) -> Vec<Duration> {
    let mut rng = Rng::with_seed(7);
    let rules = Rules {
        abandon_max: 0.03,
        grace: 2.0,
        no_answer: 25.0,
        start_ratio: 1.5,
        give_up_from: Some(15.0),
        before: (0, 0),
    };
    let mut now = Duration::from_secs(1000);
    let mut pacer = LookAhead::new(rules, now);
    let mut placed: Vec<Duration> =
        (0..calls).map(|_| now.saturating_sub(Duration::from_millis(rng.u64(..25_000)))).collect();
    placed.sort_unstable();
    placed.iter().for_each(|at| pacer.placed(*at));
    let talking: Vec<Duration> =
        (0..agents).map(|_| now.saturating_sub(Duration::from_millis(rng.u64(..300_000)))).collect();
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        now += Duration::from_millis(rng.u64(1..20));
        let n = round as usize % calls;
        let floor = Floor {
            now,
            idle: 2,
            waiting: 0,
            reserved: 0,
            talking: &talking,
            wrapping_up: &[],
            part: 1.0,
            alpha_max: None,
            room: 100,
        };
        let begun = Instant::now();
        if rng.u8(..3) == 0 {
            pacer.answered(now, placed[n]);
            pacer.served(now, false);
            pacer.talk_ended(Duration::from_secs(100));
        } else {
            pacer.failed(now, placed[n]);
        }
        pacer.placed(now);
        // Those who are too late stay: the next look has to weigh them again.
        pacer.too_late(&floor, &[]);
        pacer.decide(&floor, &[]);
        times.push(begun.elapsed());
        placed[n] = now;
    }
    times
}
