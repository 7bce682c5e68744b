//! A carrier and agents to try the dialer with: real SIP and RTP, no telephone network. Never part of `serve`.

pub mod agents;
mod audio;
pub mod carrier;
mod driver;
mod fate;
pub mod ledger;
mod sdp;
mod tag;
mod voice;

#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

pub use fate::{Shares, TALK_SPREAD, Times};
pub use ledger::percentile;

/// `outpace lab …`
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(clap::Subcommand, Debug)]
enum Role {
    /// A test carrier: answers, rings out, is busy, and talks, with the shares that you give
    Carrier(carrier::CarrierOptions),
    /// Test agents: register, answer, talk and hang up
    Agents(agents::AgentsArgs),
}

pub async fn run(args: Args) -> anyhow::Result<()> {
    match args.role {
        Role::Carrier(options) => carrier::run(options).await,
        Role::Agents(args) => agents::run(args).await,
    }
}

/// Returns at SIGINT or SIGTERM; until then, when `verbose`, calls `report` every second.
async fn until_stopped(verbose: bool, report: impl Fn()) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut second = tokio::time::interval(Duration::from_secs(1));
    second.tick().await;
    loop {
        tokio::select! {
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            _ = second.tick() => if verbose { report() },
        }
    }
}
