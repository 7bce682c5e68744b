//! The world of the demo: the real server, the lab carrier and the lab agents, in one process.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use engine::CompanyId;

use crate::config::{
    AgentLegs, AppConfig, CallerIdConfig, CompanyConfig, Config, ExtensionConfig, GroupConfig, StoreKind,
    TrunkConfig,
};
use crate::handle::Command;
use crate::lab::agents::{self, AgentsHandle, AgentsOptions, Behaviour};
use crate::lab::carrier::{self, CarrierHandle, CarrierOptions};
use crate::lab::{Shares, Times};
use crate::run::{self, Running};

use super::lang::Lang;

pub const APPID: &str = "demo";
pub const GROUP: &str = "demo";
const COMPANY: &str = "1";
pub const FIRST_EXTENSION: u64 = 1001;
/// Agents register within this.
const REGISTER_TIME: Duration = Duration::from_secs(20);
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// How long things take in the demo's world, in seconds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Pace {
    pub ring_mean: f64,
    pub ring_sd: f64,
    pub talk_mean: f64,
    pub wrap_up: f64,
    /// Unanswered calls are given up after this.
    pub no_answer: f64,
    /// Never before this. The law's 15 s, shortened only where every customer's own times are.
    pub ring_min: f64,
    /// The task is sized to take about this long.
    pub task: f64,
}

pub const NORMAL: Pace = Pace {
    ring_mean: 6.0,
    ring_sd: 2.0,
    talk_mean: 12.0,
    wrap_up: 3.0,
    no_answer: 20.0,
    ring_min: 15.0,
    task: 180.0,
};

pub const FAST: Pace = Pace {
    ring_mean: 1.0,
    ring_sd: 0.3,
    talk_mean: 2.0,
    wrap_up: 0.5,
    no_answer: 3.0,
    ring_min: 2.5,
    task: 45.0,
};

pub const SHARES: Shares = Shares {
    answer: 0.4,
    busy: 0.12,
    no_answer: 0.32,
    reject: 0.05,
    invalid: 0.07,
    failed: 0.04,
    early_media: 0.15,
};

impl Pace {
    /// How many numbers keep so many agents busy for the task's time: what they can talk to at four fifths of their
    /// time, over the share that answers; without the start and the last calls' end, when there is less to do.
    pub fn calls(&self, agents: u32) -> u32 {
        let busy = 0.8 * f64::from(agents) * (self.task - self.edges());
        (busy / (self.talk_mean + self.wrap_up) / SHARES.answered()).ceil() as u32
    }

    /// Seconds in which a task of so many numbers should end, and with good will must.
    pub fn expected(&self, calls: u32, agents: u32) -> f64 {
        let talks = f64::from(calls) * SHARES.answered() * (self.talk_mean + self.wrap_up);
        talks / (0.8 * f64::from(agents.max(1))) + self.edges()
    }

    fn edges(&self) -> f64 {
        self.ring_mean + self.no_answer
    }
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
        let running = run::start(config(pace, data, company)).await.context("the server did not start")?;
        let options = AgentsOptions {
            server: running.sip,
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

    /// Drains the server and ends the lab.
    pub async fn stop(self) {
        let World { running, carrier, agents, .. } = self;
        if running.handle.tell(Command::Drain).await.is_ok() {
            let _ = tokio::time::timeout(DRAIN_TIME, running.done).await;
        }
        carrier.stop().await;
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
        times: Times {
            ring_mean: pace.ring_mean,
            ring_sd: pace.ring_sd,
            talk_mean: pace.talk_mean,
            speed: 1.0,
        },
        patience: 10.0,
        seed,
        verbose: false,
    }
}

fn behaviour(seed: u64) -> Behaviour {
    Behaviour { answer_delay: 0.0, talk_mean: 0.0, miss: 0.0, kept_up: true, speed: 1.0, seed }
}

fn config(pace: &Pace, data: &Path, company: CompanyConfig) -> Config {
    let mut config = Config::default();
    config.server.data = data.to_owned();
    config.server.store = StoreKind::Sqlite;
    config.api.listen = anywhere();
    config.sip.listen = anywhere();
    config.media.bind = Some(Ipv4Addr::LOCALHOST.into());
    config.dialing.no_answer_s = pace.no_answer;
    config.dialing.ring_min_s = pace.ring_min;
    config.dialing.wrap_up_s = pace.wrap_up;
    config.dialing.agent_legs = AgentLegs::KeptUp;
    config.company = vec![company];
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
        trunk: vec![TrunkConfig {
            name: "lab".into(),
            address: carrier.to_string(),
            transport: "udp".into(),
            username: String::new(),
            password: String::new(),
            register: false,
            prefix: String::new(),
            channels_max: 1000,
            cps_max: 0,
            enabled: true,
        }],
        caller_id: vec![CallerIdConfig { number: "02154321000".into(), automatic: true, enabled: true }],
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
                assert!((pace.expected(calls, agents) - pace.task).abs() < 0.2 * pace.task);
            }
        }
        assert!(FAST.expected(300, 10) < 55.0);
    }
}
