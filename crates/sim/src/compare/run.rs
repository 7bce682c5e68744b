//! Rows × pacers × seeds, on some threads.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::ours::{Oracle, Ours};
use super::pacers::{
    AdaptiveIdleRatio, AdaptiveLevel, ErlangB, Exponential, FixedRatio, Level, Pacer, Progressive,
    SilentCalls,
};
use super::shift::{Outcome, Shift};
use super::table;
use super::weather::Setting;

pub const PACERS: [&str; 12] = [
    "progressive",
    "ratio-1.5",
    "ratio-2",
    "level-1.5",
    "level-adaptive",
    "exponential",
    "silent-pi",
    "erlang-b",
    "idle-ratio",
    "ours",
    "ours-full-ring",
    "oracle",
];

pub fn parse_pacers(list: &str) -> Result<Vec<&'static str>, String> {
    let find = |name: &str| {
        let known = PACERS.into_iter().find(|p| *p == name);
        known.ok_or(format!("{name} is no pacer; there are {}", PACERS.join(", ")))
    };
    list.split(',').map(find).collect()
}

fn pacer(name: &str, setting: &Setting) -> Box<dyn Pacer> {
    match name {
        "progressive" => Box::new(Progressive),
        "ratio-1.5" => Box::new(FixedRatio(1.5)),
        "ratio-2" => Box::new(FixedRatio(2.0)),
        "level-1.5" => Box::new(Level(1.5)),
        "level-adaptive" => Box::new(AdaptiveLevel::new()),
        "exponential" => Box::new(Exponential::new()),
        "silent-pi" => Box::new(SilentCalls::new()),
        "erlang-b" => Box::new(ErlangB::new(setting.agents)),
        "oracle" => Box::new(Oracle),
        "idle-ratio" => Box::new(AdaptiveIdleRatio::new()),
        "ours-full-ring" => Box::new(Ours::new(setting, false)),
        _ => Box::new(Ours::new(setting, true)),
    }
}

/// One for each campaign.
fn pacers(name: &str, setting: &Setting) -> Vec<Box<dyn Pacer>> {
    setting.campaigns.iter().map(|_| pacer(name, setting)).collect()
}

/// One line of the comparison's world.
#[derive(Clone, Debug)]
pub struct Row {
    pub name: String,
    agents: usize,
    share: f64,
    is_drifting: bool,
    machines: f64,
    /// Of a scenario file.
    setting: Option<Setting>,
}

impl Row {
    pub fn targets() -> Vec<Row> {
        Row::parse_all("5,10,20,50,100,20d,100d").unwrap_or_default()
    }

    pub fn of_file(name: String, setting: Setting) -> Row {
        let (agents, share) = (setting.agents, 0.3);
        Row { name, agents, share, is_drifting: false, machines: 0.0, setting: Some(setting) }
    }

    fn all() -> Vec<Row> {
        let mut list = Vec::new();
        for agents in [2, 5, 10, 20, 50, 100, 500] {
            list.extend([0.08, 0.15, 0.3, 0.5].map(|share| format!("{agents}@{share}")));
            list.extend([format!("{agents}d"), format!("{agents}m")]);
        }
        list.iter().filter_map(|text| Row::parse(text).ok()).collect()
    }

    pub fn parse_all(list: &str) -> Result<Vec<Row>, String> {
        match list {
            "targets" => Ok(Row::targets()),
            "all" => Ok(Row::all()),
            _ => list.split(',').map(Row::parse).collect(),
        }
    }

    fn parse(text: &str) -> Result<Row, String> {
        let wrong = || format!("{text} is no row: write 20, 20@0.15, 20d or 20m");
        let (is_drifting, has_machines) = (text.ends_with('d'), text.ends_with('m'));
        let mut parts = text.trim_end_matches(['d', 'm']).split('@');
        let agents = parts.next().and_then(|n| n.parse().ok()).filter(|n| (1..=2000).contains(n));
        let share = parts.next().map_or(Some(0.3), |p| p.parse().ok()).filter(|p| (0.01..=0.9).contains(p));
        let (agents, share) = (agents.ok_or_else(wrong)?, share.ok_or_else(wrong)?);
        let name = match (is_drifting, has_machines) {
            (true, _) => format!("N={agents} drift"),
            (_, true) => format!("N={agents} p={share} machines"),
            _ => format!("N={agents} p={share}"),
        };
        let machines = if has_machines { 0.3 } else { 0.0 };
        Ok(Row { name, agents, share, is_drifting, machines, setting: None })
    }

    fn setting(&self, seed: u64) -> Setting {
        if let Some(setting) = &self.setting {
            return setting.clone();
        }
        let setting = match self.is_drifting {
            true => Setting::drifting(self.agents, seed),
            false => Setting::new(self.agents, self.share),
        };
        Setting { machines: self.machines, ..setting }
    }
}

/// Mean and half the width of its 95 % confidence interval.
#[derive(Clone, Copy, Debug)]
pub struct Estimate {
    pub mean: f64,
    pub margin: f64,
}

impl Estimate {
    fn of(outcomes: &[Outcome], value: fn(&Outcome) -> f64) -> Estimate {
        let count = outcomes.len() as f64;
        let mean = outcomes.iter().map(value).sum::<f64>() / count;
        let squares: f64 = outcomes.iter().map(|o| (value(o) - mean).powi(2)).sum();
        Estimate { mean, margin: 1.96 * (squares / (count - 1.0).max(1.0) / count).sqrt() }
    }
}

#[derive(Clone, Debug)]
pub struct Summary {
    pub row: String,
    pub pacer: &'static str,
    pub seeds: u64,
    pub utilisation: Estimate,
    pub abandoned: Estimate,
    /// Of all shifts.
    pub worst_hour: f64,
    pub worst_true_hour: f64,
    /// Shifts in which an hour passed the cap.
    pub hours_over: usize,
    pub shifts_over: usize,
    pub idle_per_call: Estimate,
    pub calls_per_shift: f64,
    /// Calls placed for one that is connected.
    pub calls_per_connected: f64,
    /// Persons taken for machines, by all who answered.
    pub hung_up_on: f64,
    /// Answers of the campaign that had the fewest, by those that each had on the average.
    pub least_served: f64,
}

impl Summary {
    fn of(row: &Row, pacer: &'static str, cap: f64, outcomes: &[Outcome]) -> Summary {
        Summary {
            row: row.name.clone(),
            pacer,
            seeds: outcomes.len() as u64,
            utilisation: Estimate::of(outcomes, |o| o.utilisation),
            abandoned: Estimate::of(outcomes, |o| o.abandoned),
            worst_hour: outcomes.iter().map(|o| o.worst_hour).fold(0.0, f64::max),
            worst_true_hour: outcomes.iter().map(|o| o.worst_true_hour).fold(0.0, f64::max),
            hours_over: outcomes.iter().filter(|o| o.worst_hour > cap + 1e-9).count(),
            shifts_over: outcomes.iter().filter(|o| o.is_over_cap).count(),
            idle_per_call: Estimate::of(outcomes, |o| o.idle_per_call),
            hung_up_on: outcomes.iter().map(|o| o.hung_up_on).sum::<f64>() / outcomes.len() as f64,
            least_served: outcomes.iter().map(|o| o.least_served).sum::<f64>() / outcomes.len() as f64,
            calls_per_shift: outcomes.iter().map(|o| o.dialed as f64).sum::<f64>() / outcomes.len() as f64,
            calls_per_connected: outcomes.iter().map(|o| o.dialed as f64).sum::<f64>()
                / outcomes.iter().map(|o| o.connected as f64).sum::<f64>().max(1.0),
        }
    }
}

/// `is_shown`: each line is printed as soon as it is known.
pub fn run(
    rows: &[Row],
    pacers: &[&'static str],
    seeds: Range<u64>,
    threads: usize,
    is_shown: bool,
) -> Vec<Summary> {
    let mut results = Vec::new();
    if is_shown {
        println!("{}", table::head());
    }
    for row in rows {
        for name in pacers {
            let outcomes = shifts(row, name, seeds.clone(), threads);
            let summary = Summary::of(row, name, row.setting(1).cap, &outcomes);
            if is_shown {
                println!("{}", table::line(&summary));
            }
            results.push(summary);
        }
    }
    results
}

/// In the order of their seeds, however many threads there are.
fn shifts(row: &Row, name: &str, seeds: Range<u64>, threads: usize) -> Vec<Outcome> {
    let (next, done) = (AtomicU64::new(seeds.start), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let setting = row.setting(seed);
                    let outcome = Shift::new(&setting, seed).run(&mut pacers(name, &setting));
                    done.lock().expect("no shift panics").push((seed, outcome));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no shift panics");
    done.sort_by_key(|(seed, _)| *seed);
    let cap = row.setting(1).cap;
    let over = done.iter().filter(|(_, o)| o.worst_hour > cap + 1e-9).map(|(seed, _)| seed.to_string());
    let over: Vec<String> = over.collect();
    if name.starts_with("ours") && !over.is_empty() {
        eprintln!("{}, {name}: an hour passed the cap with seed {}", row.name, over.join(", "));
    }
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

#[cfg(test)]
mod tests {
    use super::super::weather::{ListSize, Missed};
    use super::*;

    fn shift(setting: &Setting, name: &str, seed: u64) -> Outcome {
        Shift::new(setting, seed).run(&mut pacers(name, setting))
    }

    #[test]
    fn no_hour_passes_the_cap_in_the_shifts_in_which_one_once_did() {
        // Each call had a limit of its own, however many were placed.
        for (agents, seed) in [(20, 600_014), (5, 5032), (5, 5065), (5, 5090)] {
            let outcome = shift(&Setting::new(agents, 0.3), "ours", seed);
            assert!(outcome.worst_hour <= 0.03 + 1e-9, "{agents} agents, seed {seed}: {outcome:?}");
            assert!(!outcome.is_over_cap && outcome.utilisation > 0.75, "{outcome:?}");
        }
        // A call that had rung for the whole time to no answer but a part of its last quarter second was not counted with.
        let outcome = shift(&Setting::new(5, 0.5), "ours", 700_005);
        assert!(outcome.worst_hour <= 0.03 + 1e-9, "{outcome:?}");
    }

    /// In these one campaign placed so many calls that another, that could lose none any more, lost its customers.
    #[test]
    fn campaigns_that_share_agents_break_the_cap_of_none() {
        for (campaigns, seed) in [(vec![1.0, 0.5, 1.5], 710_013), (vec![1.0, 1.0], 710_010)] {
            let outcome = shift(&Setting { campaigns, ..Setting::new(20, 0.3) }, "ours", seed);
            assert!(outcome.worst_hour <= 0.03 + 1e-9 && !outcome.is_over_cap, "{outcome:?}");
            assert!(outcome.utilisation > 0.82 && outcome.least_served > 0.7, "{outcome:?}");
        }
    }

    #[test]
    fn a_shift_ends_with_its_list_and_calls_no_number_too_often() {
        let list = ListSize { numbers: 800, attempts: 2, pause: 600.0 };
        let setting = Setting { list, ..Setting::new(10, 0.3) };
        for name in ["ours", "idle-ratio", "progressive"] {
            let outcome = shift(&setting, name, 3);
            assert!((1000..=1600).contains(&outcome.dialed), "{name}: {outcome:?}");
            assert!((350..=500).contains(&outcome.connected), "{name}: {outcome:?}");
        }
    }

    #[test]
    fn campaigns_that_share_agents_keep_the_cap_each() {
        let setting = Setting { campaigns: vec![1.0, 0.5], hours: 3.0, ..Setting::new(10, 0.3) };
        let outcome = shift(&setting, "ours", 4);
        assert!(outcome.worst_hour <= 0.03 && outcome.utilisation > 0.75, "{outcome:?}");
    }

    /// Persons who are taken for machines are abandoned too, though nobody is told of them.
    #[test]
    fn persons_who_are_hung_up_on_count_against_the_cap() {
        let mut setting = Setting { machines: 0.3, ..Setting::new(20, 0.3) };
        setting.mistaken.persons = 0.01;
        for seed in 700_001..700_004 {
            let outcome = shift(&setting, "ours", seed);
            assert!(outcome.worst_hour <= 0.03 + 1e-9 && !outcome.is_over_cap, "{outcome:?}");
            assert!(outcome.hung_up_on > 0.005 && outcome.abandoned > outcome.hung_up_on, "{outcome:?}");
        }
        // With as many as may be lost no others are, but for the one that a day always has.
        setting.mistaken.persons = 0.03;
        let outcome = shift(&setting, "ours", 700_001);
        assert!(outcome.abandoned - outcome.hung_up_on < 0.002, "{outcome:?}");
    }

    #[test]
    fn what_goes_wrong_shows() {
        let plain = shift(&Setting { hours: 2.0, ..Setting::new(10, 0.3) }, "progressive", 5);
        assert_eq!((plain.hung_up_on, plain.abandoned), (0.0, 0.0));
        let missed = Missed { share: 0.3, seconds: 3.0, away: 20.0 };
        let mut setting = Setting { hours: 2.0, missed, ..Setting::new(10, 0.3) };
        setting.mistaken.persons = 0.1;
        let outcome = shift(&setting, "progressive", 5);
        assert!((0.05..0.2).contains(&outcome.hung_up_on), "{outcome:?}");
        // Who was offered an agent that does not answer for longer than he waits is lost, and who was hung up on.
        assert!((0.15..0.5).contains(&outcome.abandoned), "{outcome:?}");
        assert!(outcome.worst_true_hour > 0.15, "{outcome:?}");
        let slow = Setting { hours: 2.0, set_up: 4.0, store: 1.0, ..Setting::new(10, 0.3) };
        assert!(shift(&slow, "progressive", 5).utilisation < plain.utilisation);
    }
}
