//! How fast the API is on this machine while a campaign runs at 100 calls a second, and how long a file of a million
//! numbers takes: `make bench-api`. Starts the given server binary with a database of its own, and the lab as carrier and
//! agents. Fails when the campaign did not dial as it should during a measurement.

mod client;
mod files;
mod measure;
mod meter;
mod world;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use client::{Client, Crm};
use measure::{Load, Measured, measure};
use meter::Meter;
use serde_json::json;
use world::World;

/// Rows of one TaskCreat or TaskAdd at most.
const ROWS: u32 = 10_000;
/// Requests that append to the campaign that is dialed: ten minutes of calls.
const APPENDS: u32 = 6;

/// How much of everything.
#[derive(Clone, Copy)]
struct Size {
    file_rows: u32,
    tasks: u32,
    time: Duration,
}

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let binary = PathBuf::from(arguments.next().context("which outpace binary?")?);
    let what = arguments.next().unwrap_or_else(|| "all".to_owned());
    let seconds = arguments.next().and_then(|s| s.parse().ok()).unwrap_or(10);
    let whole = Size { file_rows: 1_000_000, tasks: 10_000, time: Duration::from_secs(seconds) };
    let size = match what.as_str() {
        "all" | "upload" => whole,
        "quick" => Size { file_rows: 20_000, ..whole },
        other => bail!("{other:?}: all, upload or quick"),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let world = World::start(&binary).await?;
        let crm = Crm::log_in(world.api).await?;
        println!("| what | measured | calls/s meanwhile | wanted |\n| --- | --- | --- | --- |");
        let big = uploads(&world, &crm, size).await?;
        match what.as_str() {
            "upload" => Ok(()),
            _ => api(&world, &crm, &big, size).await,
        }
    })
}

/// The files; gives the task that was made of the last one.
async fn uploads(world: &World, crm: &Crm, size: Size) -> anyhow::Result<String> {
    let mut big = String::new();
    let rows = size.file_rows;
    for kind in ["csv", "xlsx"] {
        let file = if kind == "csv" { files::csv(rows) } else { files::xlsx(rows)? };
        world.forget_peak()?;
        let before = world.peak_mb()?;
        let begun = Instant::now();
        let answer = crm.upload(&format!("numbers.{kind}"), &file).await?;
        let took = begun.elapsed();
        ensure!(answer["data"]["success"] == json!(rows), "{answer}");
        let (peak, size) = (world.peak_mb()?, file.len() >> 20);
        println!(
            "| {rows} numbers from a .{kind} file of {size} MB | {:.1} s; memory {peak} MB, {before} before | | 30 s, 300 MB |",
            took.as_secs_f64()
        );
        big = answer["data"]["task_id"].as_str().context("a task")?.to_owned();
    }
    Ok(big)
}

async fn api(world: &World, crm: &Crm, big: &str, size: Size) -> anyhow::Result<()> {
    fill(crm, size).await?;
    let campaign = crm.create(size.file_rows, ROWS, "bench").await?;
    more_numbers(crm, &campaign, size).await?;
    let mut meter = Meter::start(crm, &campaign, world::AGENTS).await?;
    let paged = |rows: u32| {
        let big = big.to_owned();
        let pages = u64::from(size.file_rows / rows);
        move |n: u64| {
            // Any page, in no order.
            let page = (n * 7_368_787 % pages + 1).to_string();
            vec![("taskid", big.clone()), ("currentpage", page), ("itemsperpage", rows.to_string())]
        }
    };
    let (info, time, token) = ("App.Sip_Yccall.TaskInfo", size.time, crm.token.as_str());
    let calm = Load { connections: 8, per_second: Some(200), time };
    let m = measure(world.api, token, info, calm, paged(100)).await?;
    let what = format!("TaskInfo, 100 rows of {}, 200/s", size.file_rows);
    meter.print(crm, &what, &m.shown(), "p99 20 ms").await?;
    let pages = u64::from(size.tasks / 10);
    let page = move |n: u64| vec![("currentpage", (n % pages + 1).to_string())];
    let m = measure(world.api, token, "App.Sip_Yccall.TaskList", calm, page).await?;
    let what = format!("TaskList, any page of 10 of {} tasks, 200/s", size.tasks);
    meter.print(crm, &what, &m.shown(), "p99 20 ms").await?;
    let login = |_| vec![("appid", world::APPID.to_owned()), ("accesskey", world::ACCESSKEY.to_owned())];
    let few = Load { per_second: Some(50), ..calm };
    let m = measure(world.api, "", "App.Sip_Auth.Login", few, login).await?;
    meter.print(crm, "Login, 50/s", &m.shown(), "p99 100 ms").await?;
    let m = creates(crm, size).await?;
    meter.print(crm, "TaskCreat, 10 000 rows, two a second", &m.shown(), "p50 150 ms").await?;
    let full = Load { connections: 32, per_second: None, time };
    for (rows, wanted) in [(10, "5 000/s"), (100, "")] {
        let m = measure(world.api, token, info, full, paged(rows)).await?;
        let shown = format!("{:.0}/s; {}", m.answers() as f64 / time.as_secs_f64(), m.shown());
        let what = format!("TaskInfo, {rows} rows, as many as go on 32 connections");
        meter.print(crm, &what, &shown, wanted).await?;
    }
    println!("| load of the machine (1, 5, 15 minutes) | {} | | |", world::load()?);
    meter.verdict()
}

/// Tasks that nobody opens.
async fn fill(crm: &Crm, size: Size) -> anyhow::Result<()> {
    let mut client = Client::connect(crm.api).await?;
    for n in 0..size.tasks {
        let rows = files::telphone(n, 1);
        let fields = [("telphone", rows), ("assigntype", "1".into()), ("assignagent", "1001".into())];
        let fields = fields.into_iter().chain([("taskscale", "1:2".to_owned())]).collect::<Vec<_>>();
        let answer = client.call("App.Sip_Yccall.TaskCreat", &crm.token, &fields).await?;
        let good = b"\"status\":0,";
        ensure!(answer.windows(good.len()).any(|w| w == good), "{}", String::from_utf8_lossy(&answer));
    }
    Ok(())
}

async fn more_numbers(crm: &Crm, campaign: &str, size: Size) -> anyhow::Result<()> {
    for n in 1..APPENDS {
        let rows = files::telphone(size.file_rows + n * ROWS, ROWS);
        crm.call("App.Sip_Yccall.TaskAdd", &[("taskid", campaign), ("telphone", &rows)]).await?;
    }
    Ok(())
}

/// One each half a second at most: nobody sends them without a pause for long.
async fn creates(crm: &Crm, size: Size) -> anyhow::Result<Measured> {
    let mut measured = Measured::default();
    let mut due = tokio::time::interval(Duration::from_millis(500));
    for n in 0..20 {
        due.tick().await;
        let begun = Instant::now();
        crm.create(2 * size.file_rows + (APPENDS + n) * ROWS, ROWS, "create").await?;
        measured.add(begun.elapsed());
    }
    Ok(measured)
}
