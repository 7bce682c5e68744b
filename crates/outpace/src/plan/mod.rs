//! `outpace plan`: what would come out of a campaign, before it is run. The engine that dials for real plays shifts on a
//! virtual clock; the load is given by hand, or taken from a campaign that was run.

mod chart;
mod load;
mod replay;
mod shift;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};

pub use load::{Length, Load};
use shift::Hour;
pub use shift::{Outlook, play};

use crate::config::Config;

/// `outpace plan …`
#[derive(clap::Args, Debug)]
pub struct Args {
    /// How many agents; several to compare: 5,10,20
    #[arg(long, value_delimiter = ',', default_value = "10", value_name = "N,…")]
    agents: Vec<u32>,
    /// The shift's length in hours
    #[arg(long, default_value_t = 8.0)]
    hours: f64,
    /// Numbers on the list; without it there are more than can be called
    #[arg(long)]
    numbers: Option<u64>,
    /// Share of the calls that a person answers
    #[arg(long, default_value_t = 0.3)]
    answered: f64,
    /// Share that ends at once: busy, rejected, no such number, failed
    #[arg(long, default_value_t = 0.1)]
    failing: f64,
    /// Seconds until the answer, on average
    #[arg(long, default_value_t = 10.0)]
    ring: f64,
    /// Seconds of talk, on average
    #[arg(long, default_value_t = 120.0)]
    talk: f64,
    /// How much talks differ: standard deviation over mean
    #[arg(long, default_value_t = 1.0)]
    talk_cv: f64,
    /// Seconds of wrap-up; without it as configured
    #[arg(long)]
    wrap_up: Option<f64>,
    /// Calls per idle agent at the start, as in taskscale
    #[arg(long, default_value_t = 1.5)]
    scale: f64,
    /// Keep that ratio (isscale=manual) instead of predicting
    #[arg(long)]
    manual: bool,
    /// Percent of the answered calls that may be abandoned
    #[arg(long, default_value_t = 3.0)]
    max_abandon: f64,
    /// Take answers, ring times and talk times from this campaign (its taskid) instead
    #[arg(long, value_name = "TASKID")]
    replay: Option<String>,
    /// Shifts that are played for each row
    #[arg(long, default_value_t = 5)]
    seeds: u64,
    /// Write a chart of utilisation and abandoned calls, hour by hour
    #[arg(long, value_name = "FILE.svg")]
    svg: Option<PathBuf>,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// Several shifts of one load.
pub struct Row {
    pub agents: u32,
    pub outlooks: Vec<Outlook>,
}

impl Row {
    pub fn mean(&self, of: impl Fn(&Outlook) -> f64) -> f64 {
        self.outlooks.iter().map(of).sum::<f64>() / self.outlooks.len().max(1) as f64
    }

    /// Half the width of the 95 % confidence interval of the mean.
    fn uncertainty(&self, of: impl Fn(&Outlook) -> f64) -> f64 {
        let n = self.outlooks.len() as f64;
        let mean = self.mean(&of);
        let squares: f64 = self.outlooks.iter().map(|o| (of(o) - mean).powi(2)).sum();
        if n < 2.0 { 0.0 } else { 1.96 * (squares / (n - 1.0) / n).sqrt() }
    }

    fn per_hour(&self, of: impl Fn(&Outlook) -> u64) -> f64 {
        self.mean(|o| of(o) as f64 / (o.total_s / 3600.0).max(1e-9))
    }
}

/// Plays `seeds` shifts of the load.
pub fn forecast(load: &Load, seeds: u64) -> Row {
    Row { agents: load.agents, outlooks: (1..=seeds).map(|seed| play(load, seed)).collect() }
}

pub fn run(args: &Args, config: &Config) -> anyhow::Result<()> {
    let base = base_load(args, config)?;
    ensure!(
        !args.agents.is_empty() && args.agents.iter().all(|n| (1..=2000).contains(n)),
        "--agents must be 1 to 2000"
    );
    ensure!((1..=1000).contains(&args.seeds), "--seeds must be 1 to 1000");
    let rows: Vec<Row> = args
        .agents
        .iter()
        .map(|agents| forecast(&Load { agents: *agents, ..base.clone() }, args.seeds))
        .collect();
    if args.json {
        println!("{}", json(&rows));
    } else {
        describe(&base);
        println!("{}", table(&rows));
    }
    if let Some(path) = &args.svg {
        chart::write(path, &rows).with_context(|| format!("cannot write the chart to {}", path.display()))?;
        eprintln!("chart: {}", path.display());
    }
    Ok(())
}

fn base_load(args: &Args, config: &Config) -> anyhow::Result<Load> {
    let share = |name: &str, s: f64| {
        ensure!((0.0..=1.0).contains(&s), "--{name} is a share: 0 to 1, not {s}");
        Ok(s)
    };
    let seconds = |name: &str, s: f64| {
        ensure!((0.1..=86_400.0).contains(&s), "--{name} must be 0.1 to 86400 seconds, not {s}");
        Ok(s)
    };
    ensure!((0.05..=168.0).contains(&args.hours), "--hours must be 0.05 to 168");
    ensure!((1.0..=20.0).contains(&args.scale), "--scale must be 1 to 20");
    ensure!((0.0..=100.0).contains(&args.max_abandon), "--max-abandon is a percentage");
    ensure!((0.0..=5.0).contains(&args.talk_cv), "--talk-cv must be 0 to 5");
    let mut rules = config.engine();
    if let Some(wrap_up) = args.wrap_up {
        ensure!((0.0..=86_400.0).contains(&wrap_up), "--wrap-up must be 0 to 86400 seconds");
        rules.wrap_up = Duration::from_secs_f64(wrap_up);
    }
    // Bounded above, so the casts cannot be wrong.
    let ratio = (args.scale * 1000.0).round() as engine::RatioMilli;
    let by_hand = Load {
        agents: 0,
        numbers: args.numbers,
        hours: args.hours,
        answered: share("answered", args.answered)?,
        failing: share("failing", args.failing)?,
        ring: Length::Normal { mean: seconds("ring", args.ring)?, sd: args.ring / 4.0 },
        fail_after: Length::Normal { mean: 2.0, sd: 0.5 },
        talk: Length::Lognormal { mean: seconds("talk", args.talk)?, cv: args.talk_cv },
        pacing: if args.manual {
            engine::PacingMode::Ratio(ratio)
        } else {
            engine::PacingMode::Predictive(ratio)
        },
        abandon_max: (args.max_abandon * 100.0).round() as u32,
        rules,
        message: Duration::from_secs(6),
    };
    ensure!(by_hand.answered + by_hand.failing <= 1.0, "--answered and --failing are more than all together");
    match &args.replay {
        Some(taskid) => replay::load(config, taskid, by_hand),
        None => Ok(by_hand),
    }
}

fn describe(load: &Load) {
    println!(
        "{:.0} % answered after {:.0} s, {:.0} % end at once, talk {:.0} s, wrap-up {:.0} s\n",
        load.answered * 100.0,
        load.ring.mean(),
        load.failing * 100.0,
        load.talk.mean(),
        load.rules.wrap_up.as_secs_f64(),
    );
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED);
    table.set_header([
        "Agents",
        "Busy",
        "±",
        "Abandoned",
        "worst hour",
        "Calls/h",
        "Connected/h",
        "Dialing ends",
        "All ends",
    ]);
    for row in rows {
        table.add_row([
            row.agents.to_string(),
            format!("{:.1} %", 100.0 * row.mean(|o| o.utilisation)),
            format!("{:.1}", 100.0 * row.uncertainty(|o| o.utilisation)),
            format!("{:.2} %", 100.0 * row.mean(Outlook::abandoned_share)),
            format!("{:.2} %", 100.0 * row.outlooks.iter().map(worst_hour).fold(0.0, f64::max)),
            format!("{:.0}", row.per_hour(|o| o.calls)),
            format!("{:.0}", row.per_hour(|o| o.connected)),
            clock(row.mean(|o| o.dialing_s)),
            clock(row.mean(|o| o.total_s)),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Abandoned per answered in the worst hour with a hundred answered calls or more.
fn worst_hour(outlook: &Outlook) -> f64 {
    let shares = outlook.hours.iter().filter(|h| h.connected + h.abandoned >= 100);
    shares.map(|h| h.abandoned as f64 / (h.connected + h.abandoned) as f64).fold(0.0, f64::max)
}

fn clock(seconds: f64) -> String {
    let minutes = (seconds / 60.0).round() as u64;
    format!("{}:{:02} h", minutes / 60, minutes % 60)
}

fn json(rows: &[Row]) -> serde_json::Value {
    let row = |r: &Row| {
        serde_json::json!({
            "agents": r.agents,
            "shifts": r.outlooks.len(),
            "utilisation": r.mean(|o| o.utilisation),
            "utilisation_ci95": r.uncertainty(|o| o.utilisation),
            "abandoned_share": r.mean(Outlook::abandoned_share),
            "worst_hour_abandoned_share": r.outlooks.iter().map(worst_hour).fold(0.0, f64::max),
            "calls_per_hour": r.per_hour(|o| o.calls),
            "connected_per_hour": r.per_hour(|o| o.connected),
            "dialing_s": r.mean(|o| o.dialing_s),
            "total_s": r.mean(|o| o.total_s),
        })
    };
    serde_json::Value::Array(rows.iter().map(row).collect())
}
