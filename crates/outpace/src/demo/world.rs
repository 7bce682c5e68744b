//! The world of the demo: the real server, the lab carrier and the lab agents, in one process.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use engine::CompanyId;

use crate::config::{
    AgentLegs, AppConfig, CallerIdConfig, CompanyConfig, Config, ExtensionConfig, GroupConfig,
    OutboundConfig, PushConfig, StoreKind, TrunkConfig,
};
use crate::handle::Command;
use crate::lab::agents::{self, AgentsHandle, AgentsOptions, Behaviour};
use crate::lab::carrier::{self, CarrierHandle, CarrierOptions};
use crate::lab::{Shares, TALK_SPREAD, Times};
use crate::plan::{Length, Load};
use crate::run::{self, Running};

use super::lang::Lang;

pub const APPID: &str = "demo";
pub const GROUP: &str = "demo";
const COMPANY: &str = "1";
pub const FIRST_EXTENSION: u64 = 1001;
/// Agents register within this.
const REGISTER_TIME: Duration = Duration::from_secs(20);
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// How fast the demo's world turns: everything that takes time is divided by this.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Pace {
    pub speed: f64,
    /// The task is sized to take about this long, in seconds.
    pub task_s: f64,
}

pub const NORMAL: Pace = Pace { speed: 1.0, task_s: 180.0 };
/// Under a minute, the start included.
pub const FAST: Pace = Pace { speed: 8.0, task_s: 45.0 };

// Seconds at speed 1. A customer talks for a fraction of what is usual, so that three minutes show something.
const RING_MEAN: f64 = 5.0;
const RING_SD: f64 = 1.5;
const TALK_MEAN: f64 = 15.0;
const WRAP_UP: f64 = 3.0;
/// Unanswered calls are given up after this, never before: the law's least.
const NO_ANSWER: f64 = 15.0;
/// A customer who hears nothing stays on the line for this long, at any speed.
const PATIENCE: f64 = 10.0;
/// What the pacing makes of the agents' time in such a world; only to size the task.
const UTILISATION: f64 = 0.65;

pub const SHARES: Shares = Shares {
    answer: 0.4,
    busy: 0.12,
    no_answer: 0.32,
    reject: 0.05,
    invalid: 0.07,
    failed: 0.04,
    early_media: 0.15,
    machine: 0.0,
};

impl Pace {
    /// How many numbers keep so many agents busy for the task's time.
    pub fn calls(&self, agents: u32) -> u32 {
        let steady_s = (self.task_s - self.edges_s()).max(0.0);
        (steady_s * answers_per_second(agents) * self.speed / SHARES.answered()).ceil() as u32
    }

    /// Seconds in which so many agents should be through with so many numbers.
    pub fn expected_s(&self, calls: u32, agents: u32) -> f64 {
        let answers = f64::from(calls) * SHARES.answered();
        answers / (answers_per_second(agents) * self.speed) + self.edges_s()
    }

    /// The same world for `outpace plan`: what it makes of it is shown beside what was measured.
    pub fn load(&self, calls: u32, agents: u32) -> Load {
        let rules = config(self, Path::new(""), Vec::new()).engine();
        Load {
            agents,
            numbers: Some(calls.into()),
            hours: 24.0,
            answered: SHARES.answered(),
            failing: SHARES.busy + SHARES.invalid + SHARES.failed + SHARES.reject,
            ring: Length::Normal { mean: (0.1 + RING_MEAN) / self.speed, sd: RING_SD / self.speed },
            fail_after: Length::Normal { mean: 0.6 / self.speed, sd: 0.2 / self.speed },
            talk: Length::Lognormal { mean: TALK_MEAN / self.speed, cv: TALK_SPREAD },
            pacing: engine::PacingMode::Predictive(1800),
            abandon_max: 300,
            rules: engine::Config { agent_legs: engine::AgentLegs::KeptUp, ..rules },
            message: Duration::from_secs(6),
        }
    }

    pub fn wrap_up(&self) -> Duration {
        Duration::from_secs_f64(WRAP_UP / self.speed)
    }

    /// The start and the last calls' end, when there is less to do.
    fn edges_s(&self) -> f64 {
        (RING_MEAN + NO_ANSWER) / self.speed
    }
}

/// What so many agents can take at speed 1.
fn answers_per_second(agents: u32) -> f64 {
    UTILISATION * f64::from(agents.max(1)) / (TALK_MEAN + WRAP_UP)
}

pub struct World {
    pub running: Running,
    pub carrier: CarrierHandle,
    pub agents: AgentsHandle,
    pub company: CompanyId,
    pub accesskey: String,
    pub database: PathBuf,
}

impl World {
    /// Starts the carrier, then the server with a trunk to it, then the agents, and waits until they are registered.
    pub async fn start(
        pace: &Pace,
        agents: u32,
        seed: u64,
        data: &Path,
        lang: Lang,
    ) -> anyhow::Result<World> {
        let carrier = carrier::start(carrier_options(pace, seed)).await?;
        let (accesskey, password) = (secret()?, secret()?);
        let company = company(agents, carrier.addr, &accesskey, &password, lang);
        let running =
            run::start(config(pace, data, vec![company])).await.context("the server did not start")?;
        let options = AgentsOptions {
            server: running.bound.plain,
            listen: anywhere(),
            accounts: agents::numbered(FIRST_EXTENSION, u64::from(agents), &password),
            behaviour: behaviour(seed),
        };
        let agents = agents::start(options).await?;
        let companies = running.handle.with_store(|store| store.companies()).await?;
        let company = companies
            .iter()
            .find(|company| company.settings.code == COMPANY)
            .context("the demo's company is missing")?
            .id;
        ensure!(
            agents.all_registered(REGISTER_TIME).await,
            "only {} of {} agents could register",
            agents.stats().registered,
            agents.stats().agents
        );
        let database = database(data);
        Ok(World { running, carrier, agents, company, accesskey, database })
    }

    /// Ends the lab and the server. What is still in a call is hung up by the customer, so that the drain is short.
    pub async fn stop(self) {
        let World { running, carrier, agents, .. } = self;
        let draining = running.handle.tell(Command::Drain).await.is_ok();
        carrier.stop().await;
        if draining {
            let _ = tokio::time::timeout(DRAIN_TIME, running.done).await;
        }
        agents.stop().await;
    }
}

fn anywhere() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

fn carrier_options(pace: &Pace, seed: u64) -> CarrierOptions {
    CarrierOptions {
        listen: anywhere(),
        shares: SHARES,
        times: Times { ring_mean: RING_MEAN, ring_sd: RING_SD, talk_mean: TALK_MEAN, speed: pace.speed },
        patience: PATIENCE * pace.speed,
        seed,
        verbose: false,
    }
}

/// Their legs stay up; it is the customers who hang up.
fn behaviour(seed: u64) -> Behaviour {
    Behaviour { answer_delay: 0.0, talk_mean: 0.0, miss: 0.0, kept_up: true, speed: 1.0, seed }
}

fn config(pace: &Pace, data: &Path, company: Vec<CompanyConfig>) -> Config {
    let mut config = Config::default();
    config.server.data = data.to_owned();
    config.server.store = StoreKind::Sqlite;
    config.api.listen = anywhere();
    config.sip.listen = anywhere();
    config.media.bind = Some(Ipv4Addr::LOCALHOST.into());
    config.dialing.no_answer_s = NO_ANSWER / pace.speed;
    config.dialing.ring_min_s = NO_ANSWER / pace.speed;
    config.dialing.wrap_up_s = WRAP_UP / pace.speed;
    config.dialing.agent_legs = AgentLegs::KeptUp;
    config.company = company;
    config
}

fn company(agents: u32, carrier: SocketAddr, accesskey: &str, password: &str, lang: Lang) -> CompanyConfig {
    let first = FIRST_EXTENSION;
    let numbers: Vec<String> = (0..u64::from(agents)).map(|n| (first + n).to_string()).collect();
    CompanyConfig {
        code: COMPANY.into(),
        name: "Demo".into(),
        time_zone: "Asia/Shanghai".into(),
        language: lang.say("en", "zh").into(),
        int_codes: false,
        licensed_until: None,
        allow_from: Vec::new(),
        app: vec![AppConfig { appid: APPID.into(), accesskey: accesskey.into() }],
        extension: vec![ExtensionConfig {
            number: first.to_string(),
            last: numbers.last().cloned(),
            password: password.into(),
            enabled: true,
        }],
        group: vec![GroupConfig { name: GROUP.into(), strategy: 1, members: numbers, sign_in: false }],
        trunk: vec![TrunkConfig { channels_max: 1000, ..TrunkConfig::new("lab", &carrier.to_string()) }],
        caller_id: vec![CallerIdConfig {
            number: "02154321000".into(),
            automatic: true,
            enabled: true,
            inbound: None,
            inbound_group: String::new(),
        }],
        push: PushConfig::default(),
        outbound: OutboundConfig::default(),
        inbound: None,
        compliance: None,
    }
}

fn secret() -> anyhow::Result<String> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The file that holds the data: what the server made in its data directory.
fn database(data: &Path) -> PathBuf {
    let files = std::fs::read_dir(data).into_iter().flatten().flatten().map(|entry| entry.path());
    let main = |path: &PathBuf| path.extension().is_some_and(|end| end == "sqlite" || end == "db");
    files.filter(main).min().unwrap_or_else(|| data.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_task_is_sized_for_its_time() {
        for pace in [NORMAL, FAST] {
            for agents in [1, 10, 20, 100] {
                let calls = pace.calls(agents);
                assert!((pace.expected_s(calls, agents) - pace.task_s).abs() < 0.2 * pace.task_s);
            }
        }
        assert!(FAST.expected_s(300, 10) < 55.0);
    }
}
