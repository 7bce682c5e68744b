//! A load as a past campaign met it.

use anyhow::{Context, ensure};
use engine::{Outcome, Timestamp};
use store::{Call, KeepNumbers, Store};

use super::load::{Length, Load};
use crate::config::Config;
use crate::run::open_store;

/// Calls that are read at a time, and at most.
const BATCH: u32 = 5000;
const CALLS_MAX: usize = 500_000;
/// Fewer finished calls tell nothing.
const CALLS_MIN: usize = 30;

/// `load` with answers, ring times and talk times of the campaign; the number of agents and the hours stay.
pub fn load(config: &Config, taskid: &str, load: Load) -> anyhow::Result<Load> {
    let store = open_store(config, KeepNumbers::AsTheyAre)?;
    let campaign = store
        .companies()?
        .into_iter()
        .find_map(|c| store.campaign(c.id, taskid).transpose())
        .transpose()?
        .with_context(|| format!("no task {taskid} in this data directory"))?;
    let calls = finished_calls(&*store, campaign.id)?;
    ensure!(
        calls.len() >= CALLS_MIN,
        "task {taskid} has {} finished calls; {CALLS_MIN} are needed",
        calls.len()
    );
    Ok(from_calls(&calls, load))
}

fn finished_calls(store: &dyn Store, campaign: engine::CampaignId) -> anyhow::Result<Vec<Call>> {
    let mut calls: Vec<Call> = Vec::new();
    let mut after = None;
    while calls.len() < CALLS_MAX {
        let batch = store.list_calls(campaign, after, BATCH)?;
        let Some(last) = batch.last() else { break };
        after = Some(last.id);
        calls.extend(batch.into_iter().filter(|c| c.record.is_some()));
    }
    Ok(calls)
}

fn from_calls(calls: &[Call], load: Load) -> Load {
    let mut rings = Vec::new();
    let mut talks = Vec::new();
    let mut fails = Vec::new();
    let mut answered = 0usize;
    for record in calls.iter().filter_map(|c| c.record.as_ref()) {
        let since = |from: Timestamp, to: Timestamp| to.since(from).as_secs_f32();
        if record.outcome.is_answered() {
            answered += 1;
            rings.extend(record.answered_at.map(|at| since(record.dialed_at, at)));
            talks.extend(record.bridged_at.map(|at| since(at, record.ended_at)));
        } else if record.outcome != Outcome::NoAnswer {
            fails.push(since(record.dialed_at, record.ended_at));
        }
    }
    let all = calls.len().max(1) as f64;
    let seen =
        |list: Vec<f32>, otherwise: Length| if list.is_empty() { otherwise } else { Length::Seen(list) };
    Load {
        answered: answered as f64 / all,
        failing: fails.len() as f64 / all,
        ring: seen(rings, load.ring.clone()),
        fail_after: seen(fails, load.fail_after.clone()),
        talk: seen(talks, load.talk.clone()),
        ..load
    }
}
