//! A world of the comparison from a file: `key = value` lines of TOML, where a value is a number or an array of numbers
//! or of arrays of them.

use std::path::Path;

use super::run::Row;
use super::weather::{AnswerShare, Setting};

pub fn read(path: &Path) -> Result<Row, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let name = path.file_stem().map_or_else(|| "scenario".to_owned(), |s| s.to_string_lossy().into_owned());
    parse(&text).map(|setting| Row::of_file(name, setting))
}

fn parse(text: &str) -> Result<Setting, String> {
    let mut setting = Setting::new(20, 0.3);
    for (n, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or("").trim();
        if line.is_empty() {
            continue;
        }
        let told = || format!("line {}: {line}", n + 1);
        let (key, value) = line.split_once('=').ok_or_else(told)?;
        set(&mut setting, key.trim(), value.trim()).ok_or_else(told)?;
    }
    Ok(setting)
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
        let setting = parse(text).unwrap();
        assert_eq!((setting.agents, setting.hours), (40, 8.0));
        assert_eq!(setting.rings, [(1.0, 5.0, 1.0), (1.0, 20.0, 3.0)]);
        assert_eq!(setting.presence, [(7200.0, 0.5)]);
    }

    #[test]
    fn calls_of_an_outage_fail_at_once_or_later() {
        assert_eq!(parse("outages = [[60, 90], [200, 300]]").unwrap().outages[1], (200.0, 300.0, 0.2));
        assert_eq!(parse("outages = [[60, 90, 32]]").unwrap().outages, [(60.0, 90.0, 32.0)]);
        assert!(parse("outages = [[60]]").is_err());
    }

    #[test]
    fn what_is_not_understood_is_told() {
        assert_eq!(parse("agents = 5\nagent = 5").unwrap_err(), "line 2: agent = 5");
        assert!(parse("talk_seconds = [1, 2, 3]").is_err());
    }
}
