//! Test agents: phones that register, answer, talk and hang up.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use sip::{Credentials, DialogId, Event, IncomingCall, Register, RegistrationId};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::audio::{Audio, Ear, Heard, Line};
use super::driver::Driver;
use super::fate::{at_speed, talk_seconds};
use super::ledger::percentile;
use super::sdp::{self, Remote};
use super::tag::{Speaker, Tag, id_of, wall_us};
use super::voice::Voice;

const EXPIRES: Duration = Duration::from_secs(300);
/// At the end the BYEs and un-REGISTERs get this long.
const GOODBYE: Duration = Duration::from_millis(500);
/// Customers heard that are remembered.
const HEARD_MAX: usize = 200_000;
const ACCOUNTS_MAX: usize = 10_000;

/// How the agents behave.
#[derive(clap::Args, Clone, Debug)]
pub struct Behaviour {
    /// Time from ringing to the agent's answer, in seconds
    #[arg(long, default_value_t = 0.2, value_name = "S")]
    pub answer_delay: f64,
    /// The agent hangs up after this long on average (lognormal); 0: leaves it to the customer
    #[arg(long, default_value_t = 30.0, value_name = "S")]
    pub talk_mean: f64,
    /// Share of calls that an agent lets ring
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    pub miss: f64,
    /// The server keeps the leg up between calls: agents never hang up
    #[arg(long)]
    pub kept_up: bool,
    /// Divides all times
    #[arg(long, default_value_t = 1.0)]
    pub speed: f64,
    /// Of what is left to chance
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
}

/// Agents to try the dialer with: they register, answer, talk and hang up. For tests only.
#[derive(clap::Args, Clone, Debug)]
pub struct AgentsArgs {
    /// SIP address of the server, host:port over UDP
    #[arg(long, default_value = "127.0.0.1:5060", value_name = "HOST:PORT")]
    pub server: String,
    /// Address and UDP port of the agents' phones; port 0: any
    #[arg(long, default_value = "127.0.0.1:0", value_name = "IP:PORT")]
    pub listen: SocketAddr,
    /// First extension
    #[arg(long, default_value_t = 1001)]
    pub first: u64,
    /// How many extensions, counted up from the first
    #[arg(long, default_value_t = 20)]
    pub count: u64,
    /// Password of all extensions
    #[arg(long, required_unless_present = "passwords_file")]
    pub password: Option<String>,
    /// CSV file with a line `extension,password` for each agent, instead of first, count and password
    #[arg(long, value_name = "FILE", conflicts_with = "password")]
    pub passwords_file: Option<PathBuf>,
    #[command(flatten)]
    pub behaviour: Behaviour,
    /// A line every second
    #[arg(long)]
    pub verbose: bool,
}

#[derive(Clone, Debug)]
pub struct AgentsOptions {
    pub server: SocketAddr,
    pub listen: SocketAddr,
    /// Extension and password of each agent.
    pub accounts: Vec<(String, String)>,
    pub behaviour: Behaviour,
}

/// Sums since the start.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AgentsStats {
    pub agents: usize,
    pub registered: usize,
    pub legs: u64,
    pub legs_active: u64,
    pub answered: u64,
    pub missed: u64,
    /// INVITEs to an extension that is not here, is in a call, or without a usable offer.
    pub refused: u64,
    /// Different lab customers that were heard.
    pub customers_heard: u64,
    /// From the customer's answer (or the agent's, where that came later) to the first packet of the customer.
    pub audio_after_p50: Option<Duration>,
    pub audio_after_p99: Option<Duration>,
    pub packets_in: u64,
    pub packets_out: u64,
}

/// Agents that run. Dropping it does not stop them.
pub struct AgentsHandle {
    pub addr: SocketAddr,
    ledger: Arc<Mutex<Ledger>>,
    registered: watch::Receiver<usize>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// An agent heard a lab customer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeardCustomer {
    /// The carrier's number of the call.
    pub customer: u64,
    pub audio_after: Duration,
}

#[derive(Default)]
struct Ledger {
    sums: AgentsStats,
    /// Ears of the legs that are up, with the time of the agent's answer.
    live: HashMap<DialogId, (Arc<Ear>, u64)>,
    heard: Vec<HeardCustomer>,
}

impl AgentsHandle {
    pub fn stats(&self) -> AgentsStats {
        let mut stats = lock(&self.ledger).stats();
        stats.registered = *self.registered.borrow();
        stats
    }

    /// Every lab customer that was heard so far.
    pub fn heard(&self) -> Vec<HeardCustomer> {
        lock(&self.ledger).all_heard()
    }

    /// Waits until all agents are registered; false when the time is up before.
    pub async fn all_registered(&self, within: Duration) -> bool {
        let agents = lock(&self.ledger).sums.agents;
        let mut registered = self.registered.clone();
        let all = registered.wait_for(|count| *count >= agents);
        matches!(tokio::time::timeout(within, all).await, Ok(Ok(_)))
    }

    /// Hangs up, takes the registrations back and ends. The figures are those before that.
    pub async fn stop(self) -> AgentsStats {
        let registered = *self.registered.borrow();
        let _ = self.stop.send(true);
        let _ = self.task.await;
        AgentsStats { registered, ..lock(&self.ledger).stats() }
    }
}

/// Starts agents in the background; they register at once.
pub async fn start(options: AgentsOptions) -> anyhow::Result<AgentsHandle> {
    let driver = Driver::bind(options.listen)
        .await
        .with_context(|| format!("the lab agents cannot listen on {}", options.listen))?;
    let addr = driver.addr();
    let audio = Audio::start(addr.ip())?;
    let ledger = Arc::<Mutex<Ledger>>::default();
    lock(&ledger).sums.agents = options.accounts.len();
    let (stop, stopped) = watch::channel(false);
    let (registered_count, registered) = watch::channel(0);
    let mut agents = Agents {
        driver,
        audio,
        random: fastrand::Rng::with_seed(options.behaviour.seed),
        behaviour: options.behaviour,
        desks: HashMap::new(),
        registrations: HashMap::new(),
        legs: HashMap::new(),
        due: BinaryHeap::new(),
        registered: registered_count,
        ledger: ledger.clone(),
    };
    agents.register(options.server, &options.accounts);
    let task = tokio::spawn(agents.run(stopped));
    Ok(AgentsHandle { addr, ledger, registered, stop, task })
}

struct Agents {
    driver: Driver,
    audio: Audio,
    random: fastrand::Rng,
    behaviour: Behaviour,
    /// By extension; the leg that the agent is in.
    desks: HashMap<String, Option<DialogId>>,
    registrations: HashMap<RegistrationId, (String, bool)>,
    legs: HashMap<DialogId, Leg>,
    due: BinaryHeap<Reverse<(Duration, DialogId, Due)>>,
    registered: watch::Sender<usize>,
    ledger: Arc<Mutex<Ledger>>,
}

struct Leg {
    extension: String,
    remote: Remote,
    line: Line,
    answered_us: Option<u64>,
    misses: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Answer,
    HangUp,
}

impl Agents {
    fn register(&mut self, server: SocketAddr, accounts: &[(String, String)]) {
        let now = self.driver.now();
        for (extension, password) in accounts {
            let register = Register {
                registrar: format!("sip:{server}"),
                flow: self.driver.flow_to(server),
                user: extension.clone(),
                credentials: Credentials { username: extension.clone(), password: password.clone() },
                expires: EXPIRES,
            };
            let registration = self.driver.endpoint.register(now, register);
            self.registrations.insert(registration, (extension.clone(), false));
            self.desks.insert(extension.clone(), None);
        }
    }

    async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        loop {
            let until = self.due.peek().map(|Reverse((at, ..))| *at);
            let waited = tokio::select! {
                waited = self.driver.wait(until) => waited,
                _ = stopped.wait_for(|stop| *stop) => break,
            };
            if let Err(error) = waited {
                tracing::error!(%error, "the lab agents' socket failed");
                break;
            }
            while let Some(event) = self.driver.event() {
                self.on_event(event);
            }
            self.on_time();
        }
        self.leave().await;
    }

    async fn leave(&mut self) {
        let now = self.driver.now();
        let dialogs: Vec<DialogId> = self.legs.keys().copied().collect();
        for dialog in dialogs {
            self.driver.endpoint.hang_up(now, dialog);
            self.finish(dialog);
        }
        for registration in self.registrations.keys() {
            self.driver.endpoint.unregister(now, *registration);
        }
        let _ = tokio::time::timeout(GOODBYE, async {
            while self.driver.endpoint.counts().transactions > 0 && self.driver.wait(None).await.is_ok() {
                while self.driver.event().is_some() {}
            }
        })
        .await;
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Registered { registration, .. } => self.note_registration(registration, true),
            Event::RegisterFailed { registration, status } => {
                if let Some((extension, _)) = self.registrations.get(&registration) {
                    tracing::warn!(extension, status, "a lab agent could not register");
                }
                self.note_registration(registration, false);
            }
            Event::Incoming(IncomingCall { dialog, target_user, sdp, .. }) => {
                self.incoming(dialog, target_user, &sdp)
            }
            Event::Failed { dialog, .. } | Event::Ended { dialog, .. } => self.finish(dialog),
            Event::Offer { dialog, sdp } => self.offered_again(dialog, &sdp),
            _ => {}
        }
    }

    fn note_registration(&mut self, registration: RegistrationId, accepted: bool) {
        let Some((_, registered)) = self.registrations.get_mut(&registration) else { return };
        if *registered != accepted {
            *registered = accepted;
            self.registered.send_modify(|count| *count = if accepted { *count + 1 } else { *count - 1 });
        }
    }

    fn incoming(&mut self, dialog: DialogId, extension: String, sdp: &[u8]) {
        let now = self.driver.now();
        let status = match self.desks.get(&extension) {
            None => Some(404),
            Some(Some(_)) => Some(486),
            Some(None) => None,
        };
        let (remote, line) = match (status, sdp::read(sdp), self.audio.open()) {
            (None, Some(remote), Ok(line)) => (remote, line),
            (status, ..) => {
                lock(&self.ledger).sums.refused += 1;
                self.driver.endpoint.reject(now, dialog, status.unwrap_or(488));
                return;
            }
        };
        self.desks.insert(extension.clone(), Some(dialog));
        let misses = self.random.f64() < self.behaviour.miss;
        if !misses {
            let delay = at_speed(self.behaviour.answer_delay, self.behaviour.speed);
            self.due.push(Reverse((now + delay, dialog, Due::Answer)));
        }
        self.legs.insert(dialog, Leg { extension, remote, line, answered_us: None, misses });
        self.driver.endpoint.ring(now, dialog, 180, None);
        let mut ledger = lock(&self.ledger);
        ledger.sums.legs += 1;
        ledger.sums.legs_active += 1;
    }

    fn on_time(&mut self) {
        let now = self.driver.now();
        while let Some(Reverse((at, dialog, due))) = self.due.peek().copied() {
            if at > now {
                return;
            }
            self.due.pop();
            match due {
                Due::Answer => self.answer(now, dialog),
                Due::HangUp => {
                    self.driver.endpoint.hang_up(now, dialog);
                    self.finish(dialog);
                }
            }
        }
    }

    fn answer(&mut self, now: Duration, dialog: DialogId) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        let answered_us = wall_us();
        leg.answered_us = Some(answered_us);
        leg.talk();
        let sdp = sdp::answer(leg.line.addr(), dialog.0, &leg.remote);
        let ear = leg.line.ear().clone();
        self.driver.endpoint.answer(now, dialog, sdp);
        let mut ledger = lock(&self.ledger);
        ledger.sums.answered += 1;
        ledger.live.insert(dialog, (ear, answered_us));
        drop(ledger);
        if self.behaviour.kept_up {
            return;
        }
        if let Some(seconds) = talk_seconds(&mut self.random, self.behaviour.talk_mean) {
            let talk = at_speed(seconds, self.behaviour.speed);
            self.due.push(Reverse((now + talk, dialog, Due::HangUp)));
        }
    }

    fn offered_again(&mut self, dialog: DialogId, sdp: &[u8]) {
        let now = self.driver.now();
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        if let Some(remote) = sdp::read(sdp) {
            let changed = remote != leg.remote;
            leg.remote = remote;
            if changed {
                leg.talk();
            }
        }
        let sdp = sdp::answer(leg.line.addr(), dialog.0, &leg.remote);
        self.driver.endpoint.answer_offer(now, dialog, sdp);
    }

    /// The only way for a leg to end here. A leg that has ended already is not noted twice.
    fn finish(&mut self, dialog: DialogId) {
        let Some(leg) = self.legs.remove(&dialog) else { return };
        self.desks.insert(leg.extension, None);
        let mut ledger = lock(&self.ledger);
        ledger.sums.legs_active -= 1;
        if leg.misses {
            ledger.sums.missed += 1;
        }
        if let Some((ear, answered_us)) = ledger.live.remove(&dialog) {
            ledger.sums.packets_in += ear.packets_in();
            ledger.sums.packets_out += ear.packets_out();
            let room = HEARD_MAX.saturating_sub(ledger.heard.len());
            ledger.heard.extend(customers(&ear, answered_us).take(room));
        }
    }
}

impl Leg {
    /// Sends speech, or stops where the far end does not want to hear any.
    fn talk(&self) {
        let Some(since_us) = self.answered_us else { return };
        if !self.remote.receives {
            self.line.hush();
            return;
        }
        let id = id_of(&self.extension);
        let tag = Tag { speaker: Speaker::Agent, id, since_us };
        self.line.speak(self.remote.addr, self.remote.codec, Voice::Person(id), Some(tag));
    }
}

/// The customers that a leg heard. What the customer said before the agent was there does not count as waiting for sound.
fn customers(ear: &Ear, answered_us: u64) -> impl Iterator<Item = HeardCustomer> + use<> {
    let of = move |heard: Heard| HeardCustomer {
        customer: heard.tag.id,
        audio_after: Duration::from_micros(heard.at_us.saturating_sub(heard.tag.since_us.max(answered_us))),
    };
    ear.heard().into_iter().filter(|heard| heard.tag.speaker == Speaker::Customer).map(of)
}

impl Ledger {
    fn all_heard(&self) -> Vec<HeardCustomer> {
        let live = self.live.values().flat_map(|(ear, answered_us)| customers(ear, *answered_us));
        self.heard.iter().copied().chain(live).collect()
    }

    fn stats(&self) -> AgentsStats {
        let heard = self.all_heard();
        let mut waits: Vec<Duration> = heard.iter().map(|heard| heard.audio_after).collect();
        waits.sort_unstable();
        let mut ids: Vec<u64> = heard.iter().map(|heard| heard.customer).collect();
        ids.sort_unstable();
        ids.dedup();
        let live = |count: fn(&Ear) -> u64| self.live.values().map(|(ear, _)| count(ear)).sum::<u64>();
        AgentsStats {
            customers_heard: ids.len() as u64,
            audio_after_p50: percentile(&waits, 0.5),
            audio_after_p99: percentile(&waits, 0.99),
            packets_in: self.sums.packets_in + live(Ear::packets_in),
            packets_out: self.sums.packets_out + live(Ear::packets_out),
            ..self.sums.clone()
        }
    }
}

impl fmt::Display for AgentsStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |d: Option<Duration>| d.map_or("-".into(), |d| format!("{} ms", d.as_millis()));
        write!(
            f,
            "agents {} ({} registered): legs {} ({} now), answered {}, missed {}, refused {}; customers heard {}, \
             after p50 {} p99 {}; RTP in {} out {}",
            self.agents,
            self.registered,
            self.legs,
            self.legs_active,
            self.answered,
            self.missed,
            self.refused,
            self.customers_heard,
            ms(self.audio_after_p50),
            ms(self.audio_after_p99),
            self.packets_in,
            self.packets_out,
        )
    }
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `outpace lab agents`: until SIGINT or SIGTERM.
pub async fn run(args: AgentsArgs) -> anyhow::Result<()> {
    let mut found = tokio::net::lookup_host(&args.server)
        .await
        .with_context(|| format!("--server {} is not host:port", args.server))?;
    let family = args.listen.is_ipv4();
    let server = found
        .find(|addr| addr.is_ipv4() == family)
        .with_context(|| format!("{} has no address of the family of --listen", args.server))?;
    let accounts = match (&args.passwords_file, &args.password) {
        (Some(file), _) => read_accounts(file)?,
        (None, Some(password)) => numbered(args.first, args.count, password),
        (None, None) => anyhow::bail!("--password or --passwords-file is needed"),
    };
    anyhow::ensure!(accounts.len() <= ACCOUNTS_MAX, "at most {ACCOUNTS_MAX} agents run in one process");
    let options = AgentsOptions { server, listen: args.listen, accounts, behaviour: args.behaviour };
    let agents = start(options).await?;
    println!("lab agents on udp:{}, registering at {server}  (Ctrl-C ends them)", agents.addr);
    super::until_stopped(args.verbose, || println!("{}", agents.stats())).await?;
    println!("{}", agents.stop().await);
    Ok(())
}

/// `count` extensions from `first` on, with one password.
pub fn numbered(first: u64, count: u64, password: &str) -> Vec<(String, String)> {
    (0..count.min(ACCOUNTS_MAX as u64 + 1))
        .map(|n| (first.saturating_add(n).to_string(), password.to_owned()))
        .collect()
}

fn read_accounts(file: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut accounts = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') || (n == 0 && line.starts_with("extension")) {
            continue;
        }
        let (extension, password) = line
            .split_once(',')
            .with_context(|| format!("{} line {}: expected `extension,password`", file.display(), n + 1))?;
        accounts.push((extension.trim().to_owned(), password.trim().to_owned()));
    }
    anyhow::ensure!(!accounts.is_empty(), "{} names no agents", file.display());
    Ok(accounts)
}
