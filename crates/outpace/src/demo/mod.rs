//! `outpace demo`: the real server, the lab's carrier and agents, and a CRM that runs a task over the HTTP API.

mod crm;
mod http;
mod lang;
mod progress;
mod summary;
mod waits;
mod world;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail, ensure};
use engine::{CallRecord, CampaignId};
use store::{Call, Store};
use tokio::signal::unix::{SignalKind, signal};

use crate::handle::Stats;
use crate::plan;
use crm::{Crm, Task};
use lang::Lang;
use progress::{Live, Progress};
use summary::Summary;
use waits::Waits;
use world::{Pace, World};

/// Shifts that are played for the forecast.
const PLANNED_SHIFTS: u64 = 10;
const LOOK_EVERY: Duration = Duration::from_millis(500);
const AGENTS_MAX: u32 = 1000;
const CALLS_MAX: u32 = 10_000_000;

/// Runs a whole campaign on this machine against the built-in test carrier, and shows what came out of it
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Numbers to call; without it, as many as keep the agents busy for about three minutes
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=i64::from(CALLS_MAX)))]
    calls: Option<u32>,
    /// Agents who take the answered calls
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=i64::from(AGENTS_MAX)))]
    agents: u32,
    /// `fast`: shorter ringing and talking, for a run of under a minute
    #[arg(long, value_enum, default_value_t = Speed::Normal)]
    speed: Speed,
    /// Directory for the database, to be made; without it, a new one among the temporary files
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Of the customers' fates: the same seed, the same fates
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Keep everything running afterwards, to look around with curl, until Ctrl-C
    #[arg(long)]
    keep: bool,
    /// Language; without it, that of the locale
    #[arg(long, value_enum)]
    lang: Option<Lang>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Speed {
    Normal,
    Fast,
}

impl Speed {
    fn pace(self) -> Pace {
        match self {
            Speed::Normal => world::NORMAL,
            Speed::Fast => world::FAST,
        }
    }
}

/// Fails when the task does not end or a number has no result.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let lang = args.lang.unwrap_or_else(|| Lang::of(|name| std::env::var(name).ok()));
    let pace = args.speed.pace();
    let calls = args.calls.unwrap_or_else(|| pace.calls(args.agents));
    let data = data_directory(args.data.as_deref())?;
    let expected = Duration::from_secs_f64(pace.expected_s(calls, args.agents));
    introduce(lang, &args, calls, expected);
    let world = World::start(&pace, args.agents, args.seed, &data, lang).await?;
    let worked = campaign(&world, &args, calls, expected, lang).await;
    if args.keep && worked.is_ok() {
        keep(&world, lang).await?;
    }
    world.stop().await;
    worked
}

fn introduce(lang: Lang, args: &Args, calls: u32, expected: Duration) {
    let (agents, seconds) = (args.agents, expected.as_secs());
    let time = match (seconds < 100, lang) {
        (true, Lang::En) => format!("{} seconds", seconds.div_ceil(5) * 5),
        (true, Lang::Zh) => format!("{} 秒", seconds.div_ceil(5) * 5),
        (false, Lang::En) => format!("{} minutes", (seconds + 30) / 60),
        (false, Lang::Zh) => format!("{} 分钟", (seconds + 30) / 60),
    };
    match lang {
        Lang::En => println!(
            "\nOutpace demo: {agents} agents, {calls} numbers to call, about {time}.\n\
             Real SIP and RTP between the server, a test carrier and test agents, all on this machine.\n"
        ),
        Lang::Zh => println!(
            "\nOutpace 演示：{agents} 个坐席，外呼 {calls} 个号码，约 {time}。\n\
             服务器、测试线路和测试坐席之间是真实的 SIP 与 RTP，全部在本机运行。\n"
        ),
    }
}

async fn campaign(
    world: &World,
    args: &Args,
    calls: u32,
    expected: Duration,
    lang: Lang,
) -> anyhow::Result<()> {
    let (crm, taskid) = prepare(world, args, calls, lang).await?;
    let opened = Instant::now();
    let before = world.running.handle.stats(world.company).await?;
    crm.open_task(&taskid).await?;
    let limit = expected * 3 + Duration::from_secs(60);
    let dialed = watch(world, &crm, &taskid, lang, limit).await?;
    let took = opened.elapsed();
    let ended = world.running.handle.stats(world.company).await?;
    let load = args.speed.pace().load(calls, args.agents);
    let planned = tokio::task::spawn_blocking(move || plan::forecast(&load, PLANNED_SHIFTS)).await?;
    let summary = Summary {
        planned,
        results: crm.results(&taskid).await?,
        took,
        stats: [before, dialed, ended],
        waits: Waits::of(&records(world, &taskid).await?, args.agents as usize, args.speed.pace().wrap_up()),
        calls: world.carrier.calls(),
        heard: world.agents.heard(),
    };
    println!("\n{}\n{}\n", summary.outcomes(lang), summary.measures(lang));
    println!("{} {}", lang.say("The data lies in", "数据保存在"), world.database.display());
    let missing = u64::from(calls) - (summary.results.len() as u64).min(u64::from(calls))
        + summary.count(crm::Ending::Missing);
    ensure!(missing == 0, "{missing} of {calls} numbers have no result");
    Ok(())
}

/// Logs in, signs the agents in, creates the task.
async fn prepare(world: &World, args: &Args, calls: u32, lang: Lang) -> anyhow::Result<(Crm, String)> {
    let done = |en: &str, zh: &str, more: String| println!("  ✓ {} {more}", lang.say(en, zh));
    let running = &world.running;
    done("server   ", "服务器  ", format!("http://{}  sip:{}", running.api, running.bound.plain));
    done("carrier  ", "测试线路", format!("sip:{}", world.carrier.addr));
    let crm = Crm::log_in(running.api, world::APPID, &world.accesskey).await?;
    for n in 0..u64::from(args.agents) {
        crm.sign_in(world::GROUP, &(world::FIRST_EXTENSION + n).to_string()).await?;
    }
    let signed_in = lang.say("registered and signed in", "个已注册并签入");
    done("agents   ", "坐席    ", format!("{} {signed_in}", args.agents));
    let taskid = crm.create_task(world::GROUP, &numbers(calls, args.seed)).await?;
    let created = lang.say("created over the HTTP API", "已通过 HTTP 接口创建");
    done("task     ", "任务    ", format!("{taskid} {created}"));
    println!();
    Ok((crm, taskid))
}

/// Shows the progress until the task has ended; gives the figures of the moment when the last number had been dialed.
async fn watch(world: &World, crm: &Crm, taskid: &str, lang: Lang, limit: Duration) -> anyhow::Result<Stats> {
    let started = Instant::now();
    let mut progress = Progress::start(crm.task(taskid).await?.total, lang);
    let mut dialed: Option<Stats> = None;
    let mut look = tokio::time::interval(LOOK_EVERY);
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        tokio::select! {
            _ = look.tick() => {}
            _ = interrupt.recv() => bail!("stopped before the task had ended"),
            _ = terminate.recv() => bail!("stopped before the task had ended"),
        }
        let (task, live) = look_at(world, crm, taskid).await?;
        progress.show(&task, &live);
        if dialed.is_none() && (task.ended || task.called + live.in_progress() >= task.total) {
            dialed = Some(world.running.handle.stats(world.company).await?);
        }
        if task.ended
            && let Some(stats) = dialed
        {
            progress.finish();
            return Ok(stats);
        }
        ensure!(!world.running.done.is_finished(), "the server has stopped");
        ensure!(
            started.elapsed() < limit,
            "the task has not ended in {} s: {} of {} numbers called",
            limit.as_secs(),
            task.called,
            task.total
        );
    }
}

async fn look_at(world: &World, crm: &Crm, taskid: &str) -> anyhow::Result<(Task, Live)> {
    let handle = &world.running.handle;
    let campaigns = handle.campaigns(world.company).await?;
    let agents = handle.agents(world.company).await?;
    let task = crm.task(taskid).await?;
    Ok((task, Live::of(&campaigns, &agents)))
}

/// The finished calls of the task, each with its number.
async fn records(world: &World, taskid: &str) -> anyhow::Result<Vec<(String, CallRecord)>> {
    let (company, taskid) = (world.company, taskid.to_owned());
    let records = world.running.handle.with_store(move |store| {
        let Some(campaign) = store.campaign(company, &taskid)? else { return Ok(Vec::new()) };
        records_of(store, campaign.id)
    });
    Ok(records.await?)
}

fn records_of(store: &dyn Store, campaign: CampaignId) -> store::Result<Vec<(String, CallRecord)>> {
    const PAGE: u32 = 1000;
    let mut records = Vec::new();
    let mut after = None;
    loop {
        let calls = store.list_calls(campaign, after, PAGE)?;
        let last = calls.last().map(|call| call.id);
        let full = calls.len() == PAGE as usize;
        let finished = |call: Call| Some((call.number.as_str().to_owned(), call.record?));
        records.extend(calls.into_iter().filter_map(finished));
        match last {
            Some(last) if full => after = Some(last),
            _ => return Ok(records),
        }
    }
}

async fn keep(world: &World, lang: Lang) -> anyhow::Result<()> {
    println!(
        "\n{}\n  curl http://{}/ -d service=App.Sip_Auth.Login -d appid={} -d accesskey={}",
        lang.say(
            "Everything keeps running; Ctrl-C ends it. Log in with",
            "一切保持运行，按 Ctrl-C 结束。登录："
        ),
        world.running.api,
        world::APPID,
        world.accesskey
    );
    tokio::signal::ctrl_c().await.context("cannot wait for Ctrl-C")
}

/// A directory that is new or empty.
fn data_directory(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    let directory = match given {
        Some(directory) => directory.to_owned(),
        None => {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let name = format!("outpace-demo-{}-{}", since.as_secs(), std::process::id());
            std::env::temp_dir().join(name)
        }
    };
    std::fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let empty = std::fs::read_dir(&directory)?.next().is_none();
    ensure!(empty, "{} is not empty: name a new directory with --data", directory.display());
    Ok(directory)
}

/// Mobile numbers, all different, that look drawn from a hat.
fn numbers(count: u32, seed: u64) -> Vec<String> {
    // 48 271 has no factor in common with 10^8, so that the products differ; past 10^8 another prefix would be needed.
    let number = |n: u64| format!("138{:08}", (n.wrapping_mul(48_271) + seed % 100_000_000) % 100_000_000);
    (0..u64::from(count)).map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_all_different() {
        let mut all = numbers(200_000, 7);
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 200_000);
        assert!(all.iter().all(|number| number.len() == 11));
    }

    #[test]
    fn a_directory_with_something_in_it_is_refused() {
        let directory = data_directory(None).unwrap();
        assert_eq!(data_directory(Some(&directory)).unwrap(), directory);
        std::fs::write(directory.join("file"), "x").unwrap();
        assert!(data_directory(Some(&directory)).is_err());
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
