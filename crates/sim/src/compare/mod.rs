//! The pacing comparison: one campaign for a shift, on a virtual clock, paced in every way that was published and by the
//! engine's own controller. Every pacer meets the same customers.

mod chart;
mod list;
mod ours;
mod pacers;
mod run;
mod scenario_file;
mod shift;
mod table;
mod weather;

use std::path::PathBuf;
use std::process::ExitCode;

use run::Row;

const USAGE: &str = "usage: sim compare [--quick] [--seeds <count>] [--first-seed <number>]
                   [--rows targets|all|<agents>[@<share>|d],…]
                   [--pacers <name>,…] [--threads <count>] [--scenario <file.toml>] [--json] [--svg <file>]

  rows: 20 is 20 agents and 30 % answers, 20@0.15 has 15 %, 20d drifts, 20m has machines too";

#[derive(Debug)]
struct Options {
    seeds: u64,
    first_seed: u64,
    rows: Vec<Row>,
    pacers: Vec<&'static str>,
    threads: usize,
    json: bool,
    svg: Option<PathBuf>,
}

/// Runs the comparison that the arguments ask for and prints it.
pub fn compare(arguments: &[String]) -> ExitCode {
    let options = match Options::parse(arguments) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("{why}\n\n{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    let seeds = options.first_seed..options.first_seed + options.seeds;
    let results = run::run(&options.rows, &options.pacers, seeds, options.threads, !options.json);
    if options.json {
        println!("{}", table::json(&results));
    }
    if let Some(file) = &options.svg
        && let Err(why) = std::fs::write(file, chart::svg(&results))
    {
        eprintln!("{} cannot be written: {why}", file.display());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Options, String> {
        let mut options = Options {
            seeds: 100,
            first_seed: 1,
            rows: Row::targets(),
            pacers: run::PACERS.to_vec(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            json: false,
            svg: None,
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                "--quick" => options.seeds = 8,
                "--json" => options.json = true,
                "--seeds" => options.seeds = number(value()?)?.max(2),
                "--first-seed" => options.first_seed = number(value()?)?.min(1 << 60),
                "--threads" => options.threads = number(value()?)?.clamp(1, 64) as usize,
                "--rows" => options.rows = Row::parse_all(value()?)?,
                "--pacers" => options.pacers = run::parse_pacers(value()?)?,
                "--svg" => options.svg = Some(value()?.into()),
                "--scenario" => options.rows = vec![scenario_file::read(value()?.as_ref())?],
                _ => return Err(format!("{argument} is not known")),
            }
        }
        Ok(options)
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text} is not a whole number"))
}
