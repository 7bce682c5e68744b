//! How the API, the demo and the signal watcher reach the running dialer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use engine::{
    AgentId, AgentView, CallCommand, CampaignId, CampaignView, CompanyId, GroupId, Refusal, Timestamp,
};
use store::{Company, Store, StoreError};
use tokio::sync::{mpsc, oneshot};

use crate::api::upload::Uploads;
use crate::live::Live;
use crate::recording::Archive;
use crate::switch::TrunkView;

/// A command that the run loop did not take is offered to it again for so many seconds.
const ANNOUNCE_ATTEMPTS: u32 = 60;

/// Told to the run loop after the store was changed.
#[derive(Debug)]
pub enum Command {
    /// Settings or status changed, or it is new: the run loop loads it from the store. `leads`: it has leads to call.
    CampaignChanged {
        company: CompanyId,
        campaign: CampaignId,
        leads: bool,
    },
    /// Settings, members or who is signed in changed.
    GroupChanged {
        company: CompanyId,
        group: GroupId,
    },
    GroupRemoved {
        company: CompanyId,
        group: GroupId,
    },
    Paused {
        company: CompanyId,
        agent: AgentId,
        paused: bool,
    },
    HangUp {
        company: CompanyId,
        agent: AgentId,
    },
    /// Answered at once: taken, or refused.
    Call {
        company: CompanyId,
        command: CallCommand,
        reply: oneshot::Sender<Result<(), Refusal>>,
    },
    Agents {
        company: CompanyId,
        reply: oneshot::Sender<Vec<AgentView>>,
    },
    Campaigns {
        company: CompanyId,
        reply: oneshot::Sender<Vec<CampaignView>>,
    },
    Trunks {
        company: CompanyId,
        reply: oneshot::Sender<Vec<TrunkView>>,
    },
    Stats {
        company: CompanyId,
        reply: oneshot::Sender<Stats>,
    },
    /// What was learned of the carriers' announcements changed.
    Announcements(Arc<media::detect::Library>),
    /// Look at what was provisioned again, now.
    Reload,
    /// Stop dialing; the run loop ends when nothing is in flight.
    Drain,
}

/// Measured since the start.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    pub calls_placed: u64,
    /// From when customer and agent were both there (the answer, or the offer when the customer waited for an agent) to
    /// both directions open in the relay; microseconds, unordered, the last 100 000.
    pub answer_to_audio_us: Vec<u32>,
    /// Agent-seconds signed in, talking, in wrap-up.
    pub signed_in_s: f64,
    pub talking_s: f64,
    pub wrap_up_s: f64,
}

#[derive(Debug, thiserror::Error)]
pub enum HandleError {
    #[error("the dialer is overloaded or stopping")]
    Unavailable,
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Clone)]
pub struct Handle {
    store: Arc<dyn Store>,
    commands: mpsc::Sender<Command>,
    companies: Arc<RwLock<BTreeMap<CompanyId, Arc<Company>>>>,
    archive: Option<Arc<Archive>>,
    uploads: Option<Arc<Uploads>>,
    live: Arc<Live>,
    /// Where each registered extension is reached.
    registrations: Arc<RwLock<BTreeMap<AgentId, SocketAddr>>>,
}

impl Handle {
    pub fn new(store: Arc<dyn Store>, commands: mpsc::Sender<Command>) -> Handle {
        let (companies, registrations) = Default::default();
        let live = Arc::new(Live::new());
        Handle { store, commands, companies, archive: None, uploads: None, live, registrations }
    }

    pub fn with_archive(self, archive: Arc<Archive>) -> Handle {
        Handle { archive: Some(archive), ..self }
    }

    pub fn with_uploads(self, uploads: Arc<Uploads>) -> Handle {
        Handle { uploads: Some(uploads), ..self }
    }

    /// Where files are taken in.
    pub fn uploads(&self) -> Option<&Arc<Uploads>> {
        self.uploads.as_ref()
    }

    /// Where recordings lie.
    pub fn archive(&self) -> Option<&Arc<Archive>> {
        self.archive.as_ref()
    }

    /// What happens now.
    pub fn live(&self) -> &Arc<Live> {
        &self.live
    }

    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Wall clock.
    pub fn now(&self) -> Timestamp {
        wall_clock()
    }

    /// Runs a verb of the store on a thread that may block.
    pub async fn with_store<T: Send + 'static>(
        &self,
        verb: impl FnOnce(&dyn Store) -> store::Result<T> + Send + 'static,
    ) -> Result<T, HandleError> {
        let store = self.store.clone();
        match tokio::task::spawn_blocking(move || verb(&*store)).await {
            Ok(result) => Ok(result?),
            Err(_) => Err(HandleError::Unavailable),
        }
    }

    /// Hands a command to the run loop; fails when it is not taken within a second.
    pub async fn tell(&self, command: Command) -> Result<(), HandleError> {
        self.commands
            .send_timeout(command, Duration::from_secs(1))
            .await
            .map_err(|_| HandleError::Unavailable)
    }

    /// Tells the run loop of a change that is stored: a command that is not taken is offered again in the background.
    pub async fn announce(&self, command: impl Fn() -> Command + Send + 'static) {
        if self.tell(command()).await.is_ok() {
            return;
        }
        tracing::error!(command = ?command(), "the run loop did not take a command; offering it again");
        let handle = self.clone();
        tokio::spawn(async move {
            for _ in 0..ANNOUNCE_ATTEMPTS {
                tokio::time::sleep(Duration::from_secs(1)).await;
                if handle.tell(command()).await.is_ok() {
                    return;
                }
            }
            tracing::error!(command = ?command(), "the run loop never took a command");
        });
    }

    pub async fn agents(&self, company: CompanyId) -> Result<Vec<AgentView>, HandleError> {
        self.ask(|reply| Command::Agents { company, reply }).await
    }

    /// Whether the engine took the command.
    pub async fn call_command(
        &self,
        company: CompanyId,
        command: CallCommand,
    ) -> Result<Result<(), Refusal>, HandleError> {
        self.ask(|reply| Command::Call { company, command, reply }).await
    }

    pub async fn campaigns(&self, company: CompanyId) -> Result<Vec<CampaignView>, HandleError> {
        self.ask(|reply| Command::Campaigns { company, reply }).await
    }

    /// The trunks with the state of each address.
    pub async fn trunks(&self, company: CompanyId) -> Result<Vec<TrunkView>, HandleError> {
        self.ask(|reply| Command::Trunks { company, reply }).await
    }

    pub async fn stats(&self, company: CompanyId) -> Result<Stats, HandleError> {
        self.ask(|reply| Command::Stats { company, reply }).await
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, HandleError> {
        let (reply, answer) = oneshot::channel();
        self.tell(command(reply)).await?;
        match tokio::time::timeout(Duration::from_secs(2), answer).await {
            Ok(Ok(value)) => Ok(value),
            _ => Err(HandleError::Unavailable),
        }
    }

    pub fn company(&self, id: CompanyId) -> Option<Arc<Company>> {
        self.companies.read().ok()?.get(&id).cloned()
    }

    pub fn put_company(&self, company: Company) {
        if let Ok(mut companies) = self.companies.write() {
            companies.insert(company.id, Arc::new(company));
        }
    }

    /// Address of the phone, when the extension is registered.
    pub fn registration(&self, agent: AgentId) -> Option<SocketAddr> {
        self.registrations.read().ok()?.get(&agent).copied()
    }

    pub fn put_registration(&self, agent: AgentId, address: Option<SocketAddr>) {
        if let Ok(mut registrations) = self.registrations.write() {
            match address {
                Some(address) => registrations.insert(agent, address),
                None => registrations.remove(&agent),
            };
        }
    }
}

pub fn wall_clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
