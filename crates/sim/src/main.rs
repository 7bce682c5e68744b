//! `sim --seed 7` lives through one world, `sim --seeds 5000` through many (from `--from`, 1 else),
//! `sim compare` compares ways of pacing.

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::Instant;

use sim::{Scenario, Tally, compare, run};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|a| a == "compare") {
        return compare(&arguments[1..]);
    }
    let value = |name: &str| {
        let at = arguments.iter().position(|a| a == name)?;
        arguments.get(at + 1)?.parse::<u64>().ok()
    };
    match (value("--seed"), value("--seeds")) {
        (Some(seed), _) => one(seed),
        (None, Some(count)) => many(value("--from").unwrap_or(1), count),
        (None, None) => {
            eprintln!("usage: sim --seed <number> | sim --seeds <count> [--from <number>] | sim compare …");
            ExitCode::FAILURE
        }
    }
}

fn one(seed: u64) -> ExitCode {
    println!("{:#?}", Scenario::new(&mut fastrand::Rng::with_seed(seed)));
    println!("{:#?}", run(seed));
    ExitCode::SUCCESS
}

fn many(from: u64, count: u64) -> ExitCode {
    let begun = Instant::now();
    let mut failed = Vec::new();
    let mut sum = Tally::default();
    for seed in from..from.saturating_add(count) {
        match catch_unwind(|| run(seed)) {
            Ok(tally) => sum.add(&tally),
            Err(_) => {
                eprintln!("seed {seed} failed\n");
                failed.push(seed);
            }
        }
    }
    println!("{sum:#?}\n{count} worlds in {:.1} s, failed: {failed:?}", begun.elapsed().as_secs_f64());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
