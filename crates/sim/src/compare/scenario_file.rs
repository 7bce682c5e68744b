//! A world of the comparison from a file: `key = value` lines of TOML, where a value is a number or an array of numbers
//! or of arrays of them.

use std::path::Path;
use std::sync::Arc;

use super::run::Row;
use super::weather::{AnswerShare, Missed, Setting};

pub fn read(path: &Path) -> Result<Row, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let name = path.file_stem().map_or_else(|| "scenario".to_owned(), |s| s.to_string_lossy().into_owned());
    parse(&text, path.parent().unwrap_or(Path::new("."))).map(|setting| Row::of_file(name, setting))
}

/// Files that it names lie in `folder`.
fn parse(text: &str, folder: &Path) -> Result<Setting, String> {
    let mut setting = Setting::new(20, 0.3);
    for (n, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or("").trim();
        if line.is_empty() {
            continue;
        }
        let told = || format!("line {}: {line}", n + 1);
        let (key, value) = line.split_once('=').ok_or_else(told)?;
        let (key, value) = (key.trim(), value.trim());
        match key {
            "talk_file" => setting.talks_seen = Some(seconds_of(folder, value)?),
            "ring_file" => setting.rings_seen = Some(seconds_of(folder, value)?),
            _ => set(&mut setting, key, value).ok_or_else(told)?,
        }
    }
    Ok(setting)
}

/// One value in seconds a line.
fn seconds_of(folder: &Path, name: &str) -> Result<Arc<[f64]>, String> {
    let path = folder.join(name.trim_matches('"'));
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut all = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let seconds = line.parse().ok().filter(|s: &f64| s.is_finite() && (0.0..=86_400.0).contains(s));
        all.push(seconds.ok_or_else(|| format!("{}: {line} is no number of seconds", path.display()))?);
    }
    if all.is_empty() { Err(format!("{} is empty", path.display())) } else { Ok(all.into()) }
}

/// None when the key or its value is not understood.
fn set(setting: &mut Setting, key: &str, value: &str) -> Option<()> {
    let number = || value.parse::<f64>().ok().filter(|x| x.is_finite() && *x >= 0.0);
    match key {
        "agents" => setting.agents = number().filter(|n| (1.0..=2000.0).contains(n))? as usize,
        "hours" => setting.hours = number().filter(|h| (1.0..=24.0).contains(h))?,
        "answer_share" => setting.share = AnswerShare::Constant(number()?.min(1.0)),
        "answer_share_from" => {
            let steps = pairs(value)?;
            let first = steps.first()?.1;
            let factors = steps.iter().map(|(at, share)| (*at, share / first.max(1e-9))).collect();
            setting.share = AnswerShare::Drift { low: first, high: first, period: 1.0, phase: 0.0, factors };
        }
        "busy_share" => setting.busy = number()?,
        "machine_share" => setting.machines = number()?,
        "rings" => setting.rings = triples(value)?,
        "no_answer_seconds" => setting.no_answer = number()?.clamp(5.0, 55.0),
        "talk_seconds" => setting.talk = *pairs(value)?.first()?,
        "wrap_up_seconds" => setting.wrap = *pairs(value)?.first()?,
        "patience_seconds" => setting.patience = number()?,
        "abandon_max" => setting.cap = number()?.min(1.0),
        "calls_max" => setting.calls_max = number()? as u32,
        "present_from" => setting.presence = pairs(value)?,
        "machines_taken_for_persons" => setting.mistaken.machines = number()?.min(1.0),
        "persons_taken_for_machines" => setting.mistaken.persons = number()?.min(1.0),
        "numbers" => setting.list.numbers = number()? as u32,
        "attempts" => {
            let [(attempts, pause)] = pairs(value)?[..] else { return None };
            (setting.list.attempts, setting.list.pause) = (attempts.clamp(1.0, 100.0) as u32, pause.max(1.0));
        }
        "campaigns" => {
            let shares = numbers(value).filter(|s| (1..=16).contains(&s.len()))?;
            let first = *shares.first().filter(|s| **s > 0.0)?;
            setting.share = AnswerShare::Constant(first);
            setting.campaigns = shares.iter().map(|s| s.max(0.0) / first).collect();
        }
        "missed_offers" => {
            let [(share, seconds, away)] = triples(value)?[..] else { return None };
            setting.missed = Missed { share: share.min(0.9), seconds: seconds.max(0.0), away: away.max(0.0) };
        }
        "set_up_seconds" => setting.set_up = number()?.min(20.0),
        "store_seconds" => setting.store = number()?.min(20.0),
        "outages" => setting.outages = outages(value)?,
        _ => return None,
    }
    Some(())
}

fn numbers(text: &str) -> Option<Vec<f64>> {
    let inside = text.replace(['[', ']'], " ");
    inside.split([',', ' ']).filter(|t| !t.is_empty()).map(|t| t.parse().ok()).collect()
}

fn pairs(text: &str) -> Option<Vec<(f64, f64)>> {
    let numbers = numbers(text)?;
    let (pairs, rest) = numbers.as_chunks::<2>();
    (rest.is_empty() && !pairs.is_empty()).then(|| pairs.iter().map(|[a, b]| (*a, *b)).collect())
}

fn triples(text: &str) -> Option<Vec<(f64, f64, f64)>> {
    let numbers = numbers(text)?;
    let (triples, rest) = numbers.as_chunks::<3>();
    (rest.is_empty() && !triples.is_empty()).then(|| triples.iter().map(|[a, b, c]| (*a, *b, *c)).collect())
}

/// `[from, to]`: calls fail at once; `[from, to, seconds]`: after so many seconds. All are alike.
fn outages(text: &str) -> Option<Vec<(f64, f64, f64)>> {
    let each = text.split(']').find(|part| !part.trim().is_empty())?;
    match numbers(each)?.len() {
        2 => Some(pairs(text)?.into_iter().map(|(from, to)| (from, to, 0.2)).collect()),
        _ => triples(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_says_what_differs_from_the_usual_world() {
        let text = "agents = 40 # a comment\nrings = [[1, 5, 1], [1, 20, 3]]\npresent_from = [[7200, 0.5]]\n";
        let setting = parse(text, Path::new(".")).unwrap();
        assert_eq!((setting.agents, setting.hours), (40, 8.0));
        assert_eq!(setting.rings, [(1.0, 5.0, 1.0), (1.0, 20.0, 3.0)]);
        assert_eq!(setting.presence, [(7200.0, 0.5)]);
    }

    #[test]
    fn calls_of_an_outage_fail_at_once_or_later() {
        assert_eq!(
            parse("outages = [[60, 90], [200, 300]]", Path::new(".")).unwrap().outages[1],
            (200.0, 300.0, 0.2)
        );
        assert_eq!(parse("outages = [[60, 90, 32]]", Path::new(".")).unwrap().outages, [(60.0, 90.0, 32.0)]);
        assert!(parse("outages = [[60]]", Path::new(".")).is_err());
    }

    #[test]
    fn what_is_not_understood_is_told() {
        assert_eq!(parse("agents = 5\nagent = 5", Path::new(".")).unwrap_err(), "line 2: agent = 5");
        assert!(parse("talk_seconds = [1, 2, 3]", Path::new(".")).is_err());
    }

    #[test]
    fn lists_mistakes_delays_and_campaigns_are_read() {
        let text = "numbers = 5000\nattempts = [3, 600]\ncampaigns = [0.4, 0.1]\nmissed_offers = [0.05, 2, 60]\n\
                    set_up_seconds = 3\nstore_seconds = 0.2\nmachines_taken_for_persons = 0.1\n\
                    persons_taken_for_machines = 0.01\n";
        let setting = parse(text, Path::new(".")).unwrap();
        assert_eq!((setting.list.numbers, setting.list.attempts, setting.list.pause), (5000, 3, 600.0));
        assert_eq!(setting.campaigns, [1.0, 0.25]);
        assert_eq!((setting.missed.share, setting.set_up, setting.store), (0.05, 3.0, 0.2));
        assert_eq!((setting.mistaken.machines, setting.mistaken.persons), (0.1, 0.01));
        for wrong in ["campaigns = [0, 1]", "attempts = 3", "missed_offers = [1, 2]"] {
            assert!(parse(wrong, Path::new(".")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn measured_times_come_from_a_file_beside_the_scenario() {
        let folder = std::env::temp_dir().join(format!("sim-scenario-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("talks.txt"), "12.5\n\n300\n").unwrap();
        std::fs::write(folder.join("wrong.txt"), "twelve\n").unwrap();
        let setting = parse("talk_file = \"talks.txt\"", &folder).unwrap();
        let wrong = parse("ring_file = \"wrong.txt\"", &folder).unwrap_err();
        let missing = parse("ring_file = \"none.txt\"", &folder).unwrap_err();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(setting.talks_seen.unwrap()[..], [12.5, 300.0]);
        assert!(wrong.contains("twelve") && missing.contains("none.txt"), "{wrong} {missing}");
    }
}
