//! Outpace: a predictive dialer in one binary.

mod admin;
mod api;
mod config;
mod demo;
mod handle;
mod lab;
mod live;
mod password;
mod plan;
mod prompts;
mod provision;
mod push;
mod recording;
mod retention;
mod run;
mod switch;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Parser, Subcommand};
use store::KeepNumbers;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::Config;
use crate::handle::Command;

/// Threads for the store's verbs and the API's reads.
const BLOCKING_THREADS: usize = 64;
const CONFIG_FILE: &str = "outpace.toml";

#[derive(Parser)]
#[command(name = "outpace", version, about = "A self-hosted predictive dialer")]
struct Cli {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run the dialer.
    Serve {
        /// Configuration file; without it `outpace.toml` is read if it is there
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// Read the configuration and say what is wrong with it.
    CheckConfig {
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// Companies, keys, extensions, groups, trunks and caller ids.
    Admin {
        #[arg(long, global = true)]
        config: Option<PathBuf>,
        #[command(subcommand)]
        command: admin::Admin,
    },
    /// What would come out of a campaign: utilisation, abandoned calls, calls per hour, when it ends.
    Plan {
        #[arg(long)]
        config: Option<PathBuf>,
        #[command(flatten)]
        args: plan::Args,
    },
    /// Announcements of carriers, by which calls that come to nothing are known early.
    Prompts {
        #[arg(long, global = true)]
        config: Option<PathBuf>,
        #[command(subcommand)]
        command: prompts::Prompts,
    },
    /// A test carrier and test agents, to try the dialer without a telephone network.
    Lab(lab::Args),
    /// The whole of it in three minutes: server, test carrier and test agents on this machine.
    Demo(demo::Args),
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    // The demo has a screen of its own.
    let level = if matches!(cli.command, Verb::Demo(_)) { "warn" } else { "info" };
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("OUTPACE_LOG").unwrap_or_else(|_| level.into()),
        )
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .context("cannot start")?;
    let result = runtime.block_on(async {
        match cli.command {
            Verb::Serve { config } => serve(load(config.as_deref())?).await,
            Verb::CheckConfig { config } => {
                load(config.as_deref()).map(|_| println!("the configuration is good"))
            }
            Verb::Admin { config, command } => {
                let store = run::open_store(&load(config.as_deref())?, KeepNumbers::AsTheyAre)?;
                admin::run(&*store, command)
            }
            Verb::Plan { config, args } => {
                let config = load(config.as_deref())?;
                // It computes for a while and waits for nothing.
                tokio::task::block_in_place(|| plan::run(&args, &config))
            }
            Verb::Prompts { config, command } => prompts::run(command, &load(config.as_deref())?),
            Verb::Lab(args) => lab::run(args).await,
            Verb::Demo(args) => demo::run(args).await,
        }
    });
    // What still runs on blocking threads has nothing left to answer to.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    result
}

fn load(path: Option<&Path>) -> anyhow::Result<Config> {
    match path {
        Some(path) => Config::load(path),
        None if Path::new(CONFIG_FILE).exists() => Config::load(Path::new(CONFIG_FILE)),
        None => Config::parse("", std::env::vars()),
    }
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let running = run::start(config).await?;
    if let Some(generated) = &running.generated {
        println!("first start: company 1 was made. Keep these, they are not shown again:");
        println!("  appid      {}\n  accesskey  {}", generated.appid, generated.accesskey);
        for (number, password) in &generated.extensions {
            println!("  extension {number}  password {password}");
        }
        println!("no trunk yet: outpace admin trunk add NAME HOST:PORT");
    }
    println!("api listening on {}\nsip listening on {}", running.api, running.bound.plain);
    let more = [("tls", running.bound.tls), ("ws", running.bound.ws), ("wss", running.bound.wss)];
    for (name, address) in more.iter().filter_map(|(name, address)| Some((name, (*address)?))) {
        println!("sip over {name} listening on {address}");
    }
    println!("ready");
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut done = running.done;
    let mut stopping = false;
    loop {
        let stop = tokio::select! {
            result = &mut done => {
                return result
                    .context("the run loop ended by a fault; calls in flight are rescued at the next start");
            }
            _ = hang_up.recv() => false,
            _ = terminate.recv() => true,
            _ = interrupt.recv() => true,
        };
        match (stop, stopping) {
            (false, _) => running.handle.tell(Command::Reload).await?,
            (true, false) => running.handle.tell(Command::Drain).await?,
            (true, true) => anyhow::bail!("stopped at once; calls in flight end as lost at the next start"),
        }
        stopping |= stop;
    }
}
