//! `outpace admin compliance …` and `outpace admin dnc …`.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand};
use engine::PhoneNumber;
use engine::compliance::{ComplianceSettings, DncEntry, Holidays, Profile, Rules};
use store::{DncList, RefusalFilter, Store};

use super::{Of, find};
use crate::config::{CapConfig, ComplianceConfig};
use crate::handle::wall_clock;

/// Entries that one transaction takes.
const BATCH: usize = 5_000;
/// Lines of a file that are shown when they cannot be read.
const SHOWN_MAX: usize = 20;
/// A longer line is no line of a list of numbers.
const LINE_MAX: u64 = 4096;

#[derive(Debug, Subcommand)]
pub enum ComplianceCommand {
    /// Changes what is given, keeps the rest; a profile replaces all.
    Set(Box<SetArguments>),
    Show {
        #[command(flatten)]
        of: Of,
    },
    /// Calls that a rule forbade: id, time (UTC), task, number, rule.
    Refusals {
        #[command(flatten)]
        of: Of,
        /// Of this task only
        #[arg(long)]
        task: Option<String>,
        /// Of this number only
        #[arg(long)]
        number: Option<String>,
        /// Go on after this id
        #[arg(long, default_value_t = 0)]
        after: i64,
        #[arg(long, default_value_t = 1000)]
        limit: u32,
    },
}

#[derive(Debug, Args)]
pub struct SetArguments {
    #[command(flatten)]
    of: Of,
    /// custom, cn, us or uk: its defaults
    #[arg(long)]
    profile: Option<String>,
    /// Calling code of numbers written without one
    #[arg(long)]
    country: Option<String>,
    /// Hours such as "mon-fri 09:00-12:00 14:00-21:00"; again for more; "" for any time
    #[arg(long = "window")]
    windows: Option<Vec<String>>,
    /// yyyy-mm-dd; again for more; "" for none
    #[arg(long = "holiday")]
    holidays: Option<Vec<String>>,
    /// closed or sunday
    #[arg(long)]
    holidays_are: Option<String>,
    /// calls/hours such as 3/24; again for more; "" for none
    #[arg(long = "cap")]
    caps: Option<Vec<String>>,
    /// Hours without an automatic call after an abandoned one
    #[arg(long)]
    lockout_h: Option<u32>,
    #[arg(long)]
    ring_min_s: Option<u32>,
    #[arg(long)]
    abandon_max_percent: Option<f64>,
    /// hour, day, 24h, 30d; again for more
    #[arg(long = "abandon-window")]
    abandon_windows: Option<Vec<String>>,
    /// Leads, calls and bills are deleted after so many days; 0: never
    #[arg(long)]
    keep_personal_days: Option<u32>,
    /// Recordings are deleted after so many days; 0: as the configuration says
    #[arg(long)]
    keep_recordings_days: Option<u32>,
}

/// Which list a command is about.
#[derive(Debug, Args)]
pub struct OfList {
    #[command(flatten)]
    of: Of,
    /// The list of this task instead of the company's
    #[arg(long)]
    task: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum DncCommand {
    /// Adds the numbers of a file: one a line, or the first column of a CSV file.
    Import {
        #[command(flatten)]
        list: OfList,
        file: PathBuf,
    },
    /// Adds numbers; a star at the end stands for every number that begins so.
    Add {
        #[command(flatten)]
        list: OfList,
        #[arg(required = true)]
        entries: Vec<String>,
    },
    Remove {
        #[command(flatten)]
        list: OfList,
        #[arg(required = true)]
        entries: Vec<String>,
    },
    List {
        #[command(flatten)]
        list: OfList,
    },
}

pub fn compliance(store: &dyn Store, command: ComplianceCommand) -> anyhow::Result<()> {
    match command {
        ComplianceCommand::Set(arguments) => set(store, *arguments),
        ComplianceCommand::Show { of } => {
            let company = find(store, &of)?;
            print!("{}", shown(&store.compliance(company.id)?, &company.settings.time_zone)?);
            Ok(())
        }
        ComplianceCommand::Refusals { of, task, number, after, limit } => {
            refusals(store, &of, (task, number), after, limit)
        }
    }
}

fn set(store: &dyn Store, a: SetArguments) -> anyhow::Result<()> {
    let company = find(store, &a.of)?;
    let known = match &a.profile {
        None => store.compliance(company.id)?,
        Some(name) => {
            let profile = Profile::from_name(name)
                .with_context(|| format!("profile {name:?}: it is one of custom, cn, us and uk"))?;
            store.compliance(company.id)?.with_profile(profile)
        }
    };
    let caps = a.caps.map(given).map(|caps| caps.iter().map(|cap| read_cap(cap)).collect()).transpose()?;
    let config = ComplianceConfig {
        profile: None,
        country: a.country,
        windows: a.windows.map(given),
        holidays: a.holidays.map(given),
        holidays_are: a.holidays_are,
        caps,
        lockout_h: a.lockout_h,
        ring_min_s: a.ring_min_s,
        abandon_max_percent: a.abandon_max_percent,
        abandon_windows: a.abandon_windows.map(given),
        keep_personal_days: a.keep_personal_days,
        keep_recordings_days: a.keep_recordings_days,
    };
    let settings = config.laid_over(known)?;
    crate::config::check_compliance(&settings, &company.settings.time_zone)?;
    store.put_compliance(company.id, &settings)?;
    print!("{}", shown(&settings, &company.settings.time_zone)?);
    Ok(())
}

/// An empty text says: none.
fn given(texts: Vec<String>) -> Vec<String> {
    texts.into_iter().filter(|text| !text.trim().is_empty()).collect()
}

fn read_cap(text: &str) -> anyhow::Result<CapConfig> {
    let numbers = text.split_once('/').and_then(|(calls, hours)| {
        Some(CapConfig { calls: calls.trim().parse().ok()?, hours: hours.trim().parse().ok()? })
    });
    numbers.with_context(|| format!("cap {text:?}: write calls/hours, such as 3/24"))
}

fn shown(s: &ComplianceSettings, time_zone: &str) -> anyhow::Result<String> {
    let rules = Rules::new(s, time_zone, &[])?;
    let none_or =
        |items: Vec<String>, none: &str| if items.is_empty() { none.to_owned() } else { items.join("; ") };
    let caps = s.caps.iter().map(|cap| format!("{} in {} h", cap.calls, cap.hours)).collect();
    let holidays_are = if s.holidays_are == Holidays::Sunday { "as sundays" } else { "closed" };
    let country = if rules.country().is_empty() { "unknown" } else { rules.country() };
    let abandon_windows: Vec<&str> = s.abandon_windows.iter().map(|w| w.name()).collect();
    Ok(format!(
        "profile\t{}\ncountry\t{country}\nwindows\t{}\nholidays\t{} ({holidays_are})\ncaps\t{}\nlock-out\t{} h\n\
        ring at least\t{} s\nabandoned at most\t{} % over {}\npersonal data kept\t{}\nrecordings kept\t{}\n",
        s.profile.name(),
        none_or(s.windows.clone(), "any time"),
        none_or(s.holidays.clone(), "none"),
        none_or(caps, "none"),
        s.lockout_h,
        s.ring_min_s,
        f64::from(s.abandon_max) / 100.0,
        abandon_windows.join(", "),
        days(s.keep_personal_days, "for ever"),
        days(s.keep_recordings_days, "as configured"),
    ))
}

fn days(days: u32, none: &str) -> String {
    if days == 0 { none.to_owned() } else { format!("{days} days") }
}

fn refusals(
    store: &dyn Store,
    of: &Of,
    (task, number): (Option<String>, Option<String>),
    after: i64,
    limit: u32,
) -> anyhow::Result<()> {
    let company = find(store, of)?.id;
    let campaign = match &task {
        None => None,
        Some(taskid) => {
            Some(store.campaign(company, taskid)?.with_context(|| format!("no task {taskid:?}"))?.id)
        }
    };
    let number = number.as_deref().map(PhoneNumber::parse).transpose()?;
    for r in store.list_refusals(company, &RefusalFilter { campaign, number }, after, limit)? {
        let task = r.campaign.map(|c| store.campaign_by_id(c)).transpose()?.flatten();
        let task = task.map_or_else(|| "by hand".to_owned(), |c| c.settings.taskid);
        println!("{}\t{}\t{task}\t{}\t{}", r.id, utc(r.at), r.number.as_str(), r.rule.name());
    }
    Ok(())
}

fn utc(at: engine::Timestamp) -> String {
    jiff::Timestamp::from_second(at.unix_seconds()).map_or_else(|_| String::new(), |t| t.to_string())
}

pub fn dnc(store: &dyn Store, command: DncCommand) -> anyhow::Result<()> {
    match command {
        DncCommand::Import { list, file } => import(store, find_list(store, &list)?, &file),
        DncCommand::Add { list, entries } => {
            let added = store.add_dnc(wall_clock(), find_list(store, &list)?, &read_entries(&entries)?)?;
            println!("{added} added");
            Ok(())
        }
        DncCommand::Remove { list, entries } => {
            let removed = store.remove_dnc(find_list(store, &list)?, &read_entries(&entries)?)?;
            println!("{removed} removed");
            Ok(())
        }
        DncCommand::List { list } => {
            let list = find_list(store, &list)?;
            let mut after = String::new();
            loop {
                let rows = store.list_dnc(list, &after, 10_000)?;
                let Some(last) = rows.last() else { return Ok(()) };
                after.clone_from(&last.place);
                for row in &rows {
                    println!("{}\t{}", row.entry, utc(row.added_at));
                }
            }
        }
    }
}

fn find_list(store: &dyn Store, list: &OfList) -> anyhow::Result<DncList> {
    let company = find(store, &list.of)?.id;
    let Some(taskid) = &list.task else { return Ok(DncList { company, campaign: None }) };
    let campaign = store.campaign(company, taskid)?.with_context(|| format!("no task {taskid:?}"))?;
    Ok(DncList { company, campaign: Some(campaign.id) })
}

fn read_entries(texts: &[String]) -> anyhow::Result<Vec<DncEntry>> {
    texts.iter().map(|text| DncEntry::parse(text).with_context(|| format!("{text:?}"))).collect()
}

/// Reads the file as it adds it, so that its size does not matter. Fails in the end when a line could not be read: what
/// is meant to be on the list must not be missing from it unnoticed.
fn import(store: &dyn Store, list: DncList, path: &Path) -> anyhow::Result<()> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut reader = BufReader::new(file);
    let (mut batch, mut bad) = (Vec::with_capacity(BATCH), Vec::new());
    let (mut line_number, mut read, mut added, mut bad_count) = (0_u64, 0_u64, 0, 0_u64);
    let mut line = Vec::new();
    loop {
        line.clear();
        let bytes = reader.by_ref().take(LINE_MAX).read_until(b'\n', &mut line)?;
        let is_end = bytes == 0;
        ensure!(
            bytes as u64 != LINE_MAX || line.ends_with(b"\n"),
            "line {} of {} is longer than {LINE_MAX} bytes: is it a text file?",
            line_number + 1,
            path.display()
        );
        line_number += 1;
        if let Some(text) = first_column(&String::from_utf8_lossy(&line), line_number) {
            match DncEntry::parse(&text) {
                Ok(entry) => batch.push(entry),
                // A heading.
                Err(_) if line_number == 1 && text.chars().all(|c| !c.is_ascii_digit()) => {}
                Err(why) => {
                    bad_count += 1;
                    if bad.len() < SHOWN_MAX {
                        bad.push(format!("line {line_number}: {why}"));
                    }
                }
            }
        }
        if batch.len() == BATCH || is_end {
            read += batch.len() as u64;
            added += store.add_dnc(wall_clock(), list, &std::mem::take(&mut batch))?;
        }
        if is_end {
            break;
        }
    }
    println!("{read} read, {added} new");
    if bad_count > 0 {
        bail!("{bad_count} lines were not added:\n{}", bad.join("\n"));
    }
    Ok(())
}

/// None: the line is empty or a comment.
fn first_column(line: &str, number: u64) -> Option<String> {
    let line = if number == 1 { line.trim_start_matches('\u{feff}') } else { line };
    let first = line.split([',', ';', '\t']).next().unwrap_or("");
    let text = first.trim().trim_matches('"').trim();
    (!text.is_empty() && !text.starts_with('#')).then(|| text.to_owned())
}
