//! How fast the API is on this machine while a campaign runs at 100 calls a second, and how long a file of a million
//! numbers takes: `make bench-api`. Starts the given server binary with a database of its own, and the lab as carrier and
//! agents.

mod client;
mod files;
mod measure;
mod world;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use client::{Client, Crm};
use measure::{Load, Measured, measure};
use serde_json::json;
use world::World;

const FILE_ROWS: u32 = 1_000_000;
const TASKS: u32 = 10_000;
const ROWS: u32 = 10_000;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let binary = PathBuf::from(arguments.next().context("which outpace binary?")?);
    let what = arguments.next().unwrap_or_else(|| "all".to_owned());
    let seconds = arguments.next().and_then(|s| s.parse().ok()).unwrap_or(10);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let world = World::start(&binary).await?;
        let crm = Crm::log_in(world.api).await?;
        println!("| what | measured | wanted |\n| --- | --- | --- |");
        let big = uploads(&world, &crm).await?;
        if what != "upload" {
            api(&world, &crm, &big, Duration::from_secs(seconds)).await?;
        }
        anyhow::Ok(())
    })
}

/// The files; gives the task that was made of the last one.
async fn uploads(world: &World, crm: &Crm) -> anyhow::Result<String> {
    let mut big = String::new();
    for (kind, file) in [("csv", files::csv(FILE_ROWS)), ("xlsx", files::xlsx(FILE_ROWS)?)] {
        world.forget_peak()?;
        let before = world.peak_mb()?;
        let begun = Instant::now();
        let answer = crm.upload(&format!("numbers.{kind}"), &file).await?;
        let took = begun.elapsed();
        ensure!(answer["data"]["success"] == json!(FILE_ROWS), "{answer}");
        let (peak, size) = (world.peak_mb()?, file.len() >> 20);
        println!(
            "| {FILE_ROWS} numbers from a .{kind} file of {size} MB | {:.1} s; memory {peak} MB, {before} before | 30 s, 300 MB |",
            took.as_secs_f64()
        );
        big = answer["data"]["task_id"].as_str().context("a task")?.to_owned();
    }
    Ok(big)
}

async fn api(world: &World, crm: &Crm, big: &str, time: Duration) -> anyhow::Result<()> {
    fill(crm).await?;
    let campaign = crm.create(FILE_ROWS, ROWS, "bench").await?;
    crm.call("App.Sip_Yccall.TaskSet", &[("taskid", &campaign), ("taskstatus", "1")]).await?;
    more_numbers(crm, &campaign).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (calls, begun) = (crm.called(&campaign).await?, Instant::now());

    let paged = |rows: u32| {
        let big = big.to_owned();
        let pages = u64::from(FILE_ROWS / rows);
        move |n: u64| {
            // Any page, in no order.
            let page = (n * 7_368_787 % pages + 1).to_string();
            vec![("taskid", big.clone()), ("currentpage", page), ("itemsperpage", rows.to_string())]
        }
    };
    let info = "App.Sip_Yccall.TaskInfo";
    let calm = Load { connections: 8, per_second: Some(200), time };
    let m = measure(world.api, &crm.token, info, calm, paged(100)).await?;
    print_latency("TaskInfo, 100 rows of 1 000 000, 200/s", &m, "p99 20 ms");
    let m = measure(world.api, &crm.token, "App.Sip_Yccall.TaskList", calm, |n| {
        vec![("currentpage", (n % 1000 + 1).to_string())]
    });
    print_latency("TaskList, any page of 10 of 10 000 tasks, 200/s", &m.await?, "p99 20 ms");
    let login = |_| vec![("appid", world::APPID.to_owned()), ("accesskey", world::ACCESSKEY.to_owned())];
    let few = Load { per_second: Some(50), ..calm };
    let m = measure(world.api, "", "App.Sip_Auth.Login", few, login).await?;
    print_latency("Login, 50/s", &m, "p99 100 ms");
    creates(crm).await?;
    let full = Load { connections: 32, per_second: None, time };
    for rows in [10, 100] {
        let m = measure(world.api, &crm.token, info, full, paged(rows)).await?;
        let wanted = if rows == 10 { "5 000/s" } else { "" };
        let rate = m.answers() as f64 / time.as_secs_f64();
        println!(
            "| TaskInfo, {rows} rows, as many as go on 32 connections | {rate:.0}/s; {} | {wanted} |",
            m.shown()
        );
    }
    let rate = (crm.called(&campaign).await? - calls) as f64 / begun.elapsed().as_secs_f64();
    println!("| calls of the campaign meanwhile | {rate:.0}/s | 100/s |");
    println!("| load of the machine (1, 5, 15 minutes) | {} | |", world::load()?);
    Ok(())
}

fn print_latency(what: &str, measured: &Measured, wanted: &str) {
    println!("| {what} | {} | {wanted} |", measured.shown());
}

/// Ten thousand tasks.
async fn fill(crm: &Crm) -> anyhow::Result<()> {
    let mut client = Client::connect(crm.api).await?;
    for n in 0..TASKS {
        let rows = files::telphone(n, 1);
        let fields = [("telphone", rows), ("assigntype", "1".into()), ("assignagent", "1001".into())];
        let fields = fields.into_iter().chain([("taskscale", "1:2".to_owned())]).collect::<Vec<_>>();
        let answer = client.call("App.Sip_Yccall.TaskCreat", &crm.token, &fields).await?;
        let good = b"\"status\":0,";
        ensure!(answer.windows(good.len()).any(|w| w == good), "{}", String::from_utf8_lossy(&answer));
    }
    Ok(())
}

/// Ten minutes of calls.
async fn more_numbers(crm: &Crm, campaign: &str) -> anyhow::Result<()> {
    for n in 1..6 {
        let rows = files::telphone(FILE_ROWS + n * ROWS, ROWS);
        crm.call("App.Sip_Yccall.TaskAdd", &[("taskid", campaign), ("telphone", &rows)]).await?;
    }
    Ok(())
}

async fn creates(crm: &Crm) -> anyhow::Result<()> {
    let mut measured = Measured::default();
    for n in 0..20 {
        let begun = Instant::now();
        crm.create(2 * FILE_ROWS + n * ROWS, ROWS, "create").await?;
        measured.add(begun.elapsed());
    }
    print_latency("TaskCreat, 10 000 rows, one after the other", &measured, "p50 150 ms");
    Ok(())
}
