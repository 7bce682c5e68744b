//! A test carrier: takes INVITEs and does with them what customers and networks do.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use sip::{DialogId, EndedBy, Event, IncomingCall};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::audio::{Audio, Line};
use super::driver::Driver;
use super::fate::{self, Fate, Plan, Shares, Times};
use super::ledger::{CallNote, CarrierStats, Ledger};
use super::sdp::{self, Remote};
use super::tag::{Speaker, Tag, wall_us};
use super::voice::Voice;

/// Numbers whose attempts are counted; past that, counting starts again.
const NUMBERS_MAX: usize = 1_000_000;
/// At the end the BYEs get this long.
const GOODBYE: Duration = Duration::from_millis(500);

const HELP: &str = "\
Numbers with a fixed fate, whatever the shares are (more digits may follow):
  99001  answers after 2 s and talks until you hang up
  99002  busy (486)
  99003  rings and never answers
  99004  declined (603)
  99005  no such number (404)
  99006  network failure (503)
  99007  ring-back sound (183), then answers
  99008  ring-back sound (183), never answers
  99009  answers and is silent
  99010  answers at once, without ringing
  99011  answers and hangs up after 1 s
  99012  answers and hangs up after 10 s
  99013  busy tone (183), never answers
  99014  answered by a machine";

/// A carrier to try the dialer with: answers, rings out, is busy, and talks. For tests only.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = HELP)]
pub struct CarrierOptions {
    /// Address and UDP port on which calls are taken
    #[arg(long, default_value = "127.0.0.1:5090", value_name = "IP:PORT")]
    pub listen: SocketAddr,
    #[command(flatten)]
    pub shares: Shares,
    #[command(flatten)]
    pub times: Times,
    /// The customer hangs up after this long without any sound, in seconds; 0: never
    #[arg(long, default_value_t = 10.0, value_name = "S")]
    pub patience: f64,
    /// The same seed, number and attempt have the same fate
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// A line every second
    #[arg(long)]
    pub verbose: bool,
}

impl Default for CarrierOptions {
    /// The defaults of the command line.
    fn default() -> CarrierOptions {
        #[derive(clap::Parser)]
        struct Bare {
            #[command(flatten)]
            options: CarrierOptions,
        }
        let bare: Bare = clap::Parser::try_parse_from(["carrier"]).expect("every option has a default");
        bare.options
    }
}

/// A carrier that runs. Dropping it does not stop it.
pub struct CarrierHandle {
    /// Where it takes INVITEs.
    pub addr: SocketAddr,
    ledger: Arc<Mutex<Ledger>>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl CarrierHandle {
    pub fn stats(&self) -> CarrierStats {
        lock(&self.ledger).stats()
    }

    /// The calls that ended, oldest first; the last 200 000.
    pub fn calls(&self) -> Vec<CallNote> {
        lock(&self.ledger).calls()
    }

    /// Hangs up what is left and ends the carrier.
    pub async fn stop(self) -> CarrierStats {
        let _ = self.stop.send(true);
        let _ = self.task.await;
        lock(&self.ledger).stats()
    }
}

/// Starts a carrier in the background.
pub async fn start(options: CarrierOptions) -> anyhow::Result<CarrierHandle> {
    let driver = Driver::bind(options.listen)
        .await
        .with_context(|| format!("the lab carrier cannot listen on {}", options.listen))?;
    let addr = driver.addr();
    let audio = Audio::start(addr.ip())?;
    let ledger = Arc::<Mutex<Ledger>>::default();
    let (stop, stopped) = watch::channel(false);
    let carrier = Carrier {
        driver,
        audio,
        options,
        customers: HashMap::new(),
        attempts: HashMap::new(),
        due: BinaryHeap::new(),
        calls: 0,
        ledger: ledger.clone(),
    };
    let task = tokio::spawn(carrier.run(stopped));
    Ok(CarrierHandle { addr, ledger, stop, task })
}

struct Carrier {
    driver: Driver,
    audio: Audio,
    options: CarrierOptions,
    customers: HashMap<DialogId, Customer>,
    attempts: HashMap<String, u32>,
    due: BinaryHeap<Reverse<(Duration, DialogId, Due)>>,
    calls: u64,
    ledger: Arc<Mutex<Ledger>>,
}

/// One call that came in.
struct Customer {
    /// The carrier's number of the call, 1 for the first; it is the tag of the customer's sound.
    id: u64,
    number: String,
    attempt: u32,
    plan: Plan,
    remote: Remote,
    line: Line,
    answered_us: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Ring,
    Decide,
    HangUp,
    Patience,
}

/// Who or what ended a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// By the carrier's final response.
    Refused(u16),
    /// CANCEL came, or the caller vanished, before the answer.
    Cancelled,
    CallerHungUp,
    CustomerHungUp,
    /// The customer heard nothing and hung up.
    Impatient,
    /// The caller does not answer requests any more.
    Lost,
}

impl Carrier {
    async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        loop {
            let until = self.due.peek().map(|Reverse((at, ..))| *at);
            let waited = tokio::select! {
                waited = self.driver.wait(until) => waited,
                _ = stopped.wait_for(|stop| *stop) => break,
            };
            if let Err(error) = waited {
                tracing::error!(%error, "the lab carrier's socket failed");
                break;
            }
            while let Some(event) = self.driver.event() {
                self.on_event(event);
            }
            self.on_time();
        }
        let dialogs: Vec<DialogId> = self.customers.keys().copied().collect();
        for dialog in dialogs {
            self.hang_up(dialog, End::CustomerHungUp);
        }
        let _ = tokio::time::timeout(GOODBYE, async {
            while self.driver.endpoint.counts().dialogs > 0 && self.driver.wait(None).await.is_ok() {
                while self.driver.event().is_some() {}
            }
        })
        .await;
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Incoming(IncomingCall { dialog, target_user, sdp, .. }) => {
                self.incoming(dialog, target_user, &sdp)
            }
            Event::Failed { dialog, .. } => self.finish(dialog, End::Cancelled),
            Event::Ended { dialog, by, .. } => {
                let end = if by == EndedBy::Timeout { End::Lost } else { End::CallerHungUp };
                self.finish(dialog, end);
            }
            Event::Offer { dialog, sdp } => self.offered_again(dialog, &sdp),
            _ => {}
        }
    }

    fn incoming(&mut self, dialog: DialogId, number: String, sdp: &[u8]) {
        let now = self.driver.now();
        self.calls += 1;
        let (Some(remote), Ok(line)) = (sdp::read(sdp), self.audio.open()) else {
            lock(&self.ledger).refused += 1;
            self.driver.endpoint.reject(now, dialog, 488);
            return;
        };
        if self.attempts.len() >= NUMBERS_MAX {
            self.attempts.clear();
        }
        let attempt = self.attempts.entry(number.clone()).or_default();
        *attempt += 1;
        let attempt = *attempt;
        let plan = fate::plan(&self.options.shares, &self.options.times, self.options.seed, &number, attempt);
        if let Some(after) = plan.ring_after {
            self.due.push(Reverse((now + after, dialog, Due::Ring)));
        }
        if plan.fate != Fate::NoAnswer {
            self.due.push(Reverse((now + plan.decided_after, dialog, Due::Decide)));
        }
        lock(&self.ledger).begin();
        let customer = Customer { id: self.calls, number, attempt, plan, remote, line, answered_us: None };
        self.customers.insert(dialog, customer);
    }

    fn on_time(&mut self) {
        let now = self.driver.now();
        while let Some(Reverse((at, dialog, due))) = self.due.peek().copied() {
            if at > now {
                return;
            }
            self.due.pop();
            match due {
                Due::Ring => self.ring(now, dialog),
                Due::Decide => self.decide(now, dialog),
                Due::HangUp => self.hang_up(dialog, End::CustomerHungUp),
                Due::Patience => self.lose_patience(dialog),
            }
        }
    }

    fn ring(&mut self, now: Duration, dialog: DialogId) {
        let Some(customer) = self.customers.get(&dialog) else { return };
        if customer.answered_us.is_some() {
            return;
        }
        if let Some(voice) = customer.plan.early_media {
            let remote = &customer.remote;
            customer.line.speak(remote.addr, remote.codec, voice, None);
            self.driver.endpoint.ring(now, dialog, 183, Some(customer.sdp()));
        } else {
            self.driver.endpoint.ring(now, dialog, 180, None);
        }
    }

    fn decide(&mut self, now: Duration, dialog: DialogId) {
        let Some(customer) = self.customers.get_mut(&dialog) else { return };
        let status = match customer.plan.fate {
            Fate::Answer => {
                let (sdp, talk) = (customer.sdp(), customer.plan.talk);
                customer.answered_us = Some(wall_us());
                customer.talk();
                self.driver.endpoint.answer(now, dialog, sdp);
                lock(&self.ledger).answered();
                if let Some(talk) = talk {
                    self.due.push(Reverse((now + talk, dialog, Due::HangUp)));
                }
                if self.options.patience > 0.0 {
                    let patience = fate::scaled(&self.options.times, self.options.patience);
                    self.due.push(Reverse((now + patience, dialog, Due::Patience)));
                }
                return;
            }
            Fate::NoAnswer => return,
            Fate::Busy => 486,
            Fate::Reject => 603,
            Fate::Invalid => 404,
            Fate::Failed => 503,
        };
        self.driver.endpoint.reject(now, dialog, status);
        self.finish(dialog, End::Refused(status));
    }

    fn lose_patience(&mut self, dialog: DialogId) {
        let Some(customer) = self.customers.get(&dialog) else { return };
        if customer.line.ear().sound_in() == 0 {
            self.hang_up(dialog, End::Impatient);
        }
    }

    fn hang_up(&mut self, dialog: DialogId, end: End) {
        let now = self.driver.now();
        self.driver.endpoint.hang_up(now, dialog);
        self.finish(dialog, end);
    }

    fn offered_again(&mut self, dialog: DialogId, sdp: &[u8]) {
        let now = self.driver.now();
        let Some(customer) = self.customers.get_mut(&dialog) else { return };
        if let Some(remote) = sdp::read(sdp) {
            let changed = remote != customer.remote;
            customer.remote = remote;
            if changed {
                customer.talk();
            }
        }
        let sdp = customer.sdp();
        self.driver.endpoint.answer_offer(now, dialog, sdp);
    }

    /// The only way for a call to end here. A call that has ended already is not noted twice.
    fn finish(&mut self, dialog: DialogId, end: End) {
        let Some(customer) = self.customers.remove(&dialog) else { return };
        lock(&self.ledger).end(customer.note(end));
    }
}

impl Customer {
    fn sdp(&self) -> Vec<u8> {
        sdp::answer(self.line.addr(), self.id, &self.remote)
    }

    /// Sends speech, or stops where the far end does not want to hear any.
    fn talk(&self) {
        let Some(since_us) = self.answered_us else { return };
        if !self.plan.speaks || !self.remote.receives {
            self.line.hush();
            return;
        }
        let tag = Tag { speaker: Speaker::Customer, id: self.id, since_us };
        let voice = if self.plan.is_machine { Voice::Machine } else { Voice::Person(self.id) };
        self.line.speak(self.remote.addr, self.remote.codec, voice, Some(tag));
    }

    fn note(self, end: End) -> CallNote {
        let ear = self.line.ear();
        let agent = ear.heard().into_iter().find(|heard| heard.tag.speaker == Speaker::Agent);
        let audio_after_us = agent.zip(self.answered_us).map(|(a, since)| a.at_us.saturating_sub(since));
        CallNote {
            id: self.id,
            number: self.number,
            attempt: self.attempt,
            fate: self.plan.fate,
            codec: self.remote.codec,
            answered: self.answered_us.is_some(),
            end,
            agent_heard: agent.map(|heard| heard.tag.id),
            audio_after: audio_after_us.map(Duration::from_micros),
            sound_heard: self.answered_us.is_some() && ear.sound_in() > 0,
            packets_in: ear.packets_in(),
            packets_out: ear.packets_out(),
        }
    }
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `outpace lab carrier`: until SIGINT or SIGTERM.
pub async fn run(options: CarrierOptions) -> anyhow::Result<()> {
    let (verbose, shares) = (options.verbose, options.shares.clone());
    let carrier = start(options).await?;
    println!(
        "lab carrier on udp:{}  (answers {:.0} %; Ctrl-C ends it)",
        carrier.addr,
        100.0 * shares.answered()
    );
    super::until_stopped(verbose, || println!("{}", carrier.stats())).await?;
    println!("{}", carrier.stop().await);
    Ok(())
}
