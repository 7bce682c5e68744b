//! Tells companies at their own URLs what happens: takes events from the store's outbox and POSTs each until a 2xx
//! answers it.

mod address;
mod clock;
mod post;
mod states;
mod target;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use engine::CompanyId;
use store::{PushKind, PushSettings, Store};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinError, JoinHandle, spawn_blocking};

pub use post::check_url;
pub use states::{States, Written};

use self::clock::Clock;
use self::target::Target;

/// How often the settings are looked at again.
const SETTINGS_EVERY: Duration = Duration::from_secs(5);
/// Threads that may block which pushes take at most, so that the calls always have theirs.
const STORE_VERBS_MAX: usize = 16;

/// Companies that want extension states.
type Told = Arc<RwLock<BTreeSet<CompanyId>>>;

/// Says that there may be something new to tell.
#[derive(Clone)]
pub struct Wake(Arc<watch::Sender<()>>);

impl Wake {
    pub fn new() -> Wake {
        Wake(Arc::new(watch::Sender::new(())))
    }

    pub fn wake(&self) {
        self.0.send_replace(());
    }
}

/// The store, for a bounded number of verbs at once.
#[derive(Clone)]
struct Outbox {
    store: Arc<dyn Store>,
    verbs: Arc<Semaphore>,
    clock: Clock,
}

impl Outbox {
    async fn with<T: Send + 'static>(
        &self,
        verb: impl FnOnce(&dyn Store) -> store::Result<T> + Send + 'static,
    ) -> store::Result<T> {
        let permit = self.verbs.clone().acquire_owned().await;
        let store = self.store.clone();
        let done = spawn_blocking(move || {
            let _permit = permit;
            verb(&*store)
        });
        done.await.unwrap_or_else(|error: JoinError| Err(store::StoreError::Failed(error.to_string())))
    }
}

/// Dropped: nothing more is told. What was not told yet stays in the outbox.
pub struct Pushes {
    supervisor: JoinHandle<()>,
}

impl Drop for Pushes {
    fn drop(&mut self) {
        self.supervisor.abort();
    }
}

/// Begins to tell. Also gives what the run loop needs: where it reports the states of legs, and how it says that
/// something new is in the store.
pub async fn start(store: Arc<dyn Store>) -> anyhow::Result<(Pushes, States, Wake)> {
    start_with(store, Clock::real()).await
}

async fn start_with(store: Arc<dyn Store>, clock: Clock) -> anyhow::Result<(Pushes, States, Wake)> {
    let wake = Wake::new();
    let told = Told::default();
    let states = States::start(store.clone(), told.clone(), wake.clone())?;
    let outbox = Outbox { store, verbs: Arc::new(Semaphore::new(STORE_VERBS_MAX)), clock };
    let mut supervisor =
        Supervisor { outbox, wake: wake.clone(), told, targets: BTreeMap::new(), settings: Vec::new() };
    supervisor.look().await?;
    Ok((Pushes { supervisor: tokio::spawn(supervisor.run()) }, states, wake))
}

/// Keeps one target for each URL, so that no receiver waits for another.
struct Supervisor {
    outbox: Outbox,
    wake: Wake,
    told: Told,
    settings: Vec<PushSettings>,
    targets: BTreeMap<(CompanyId, PushKind), Running>,
}

struct Running(JoinHandle<()>);

impl Drop for Running {
    fn drop(&mut self) {
        // An attempt under way is cut off and made again: delivery is at least once.
        self.0.abort();
    }
}

impl Supervisor {
    async fn run(mut self) {
        let mut tick = tokio::time::interval(SETTINGS_EVERY);
        loop {
            tick.tick().await;
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "the settings of pushes could not be read");
            }
        }
    }

    async fn look(&mut self) -> store::Result<()> {
        let settings = self.outbox.with(|store| store.pushes()).await?;
        let told = settings.iter().filter(|s| !s.extension_state_url.is_empty()).map(|s| s.company).collect();
        *self.told.write().unwrap_or_else(PoisonError::into_inner) = told;
        for new in &settings {
            if !self.settings.contains(new) {
                self.adopt(new);
            }
        }
        self.settings = settings;
        Ok(())
    }

    fn adopt(&mut self, settings: &PushSettings) {
        for kind in PushKind::ALL {
            let key = (settings.company, kind);
            self.targets.remove(&key);
            if settings.url(kind).is_empty() {
                continue;
            }
            match Target::new(self.outbox.clone(), settings, kind) {
                Ok(target) => {
                    let running = Running(tokio::spawn(target.run(self.wake.0.subscribe())));
                    self.targets.insert(key, running);
                }
                Err(error) => {
                    let (company, kind) = (settings.company, kind.name());
                    tracing::error!(%company, kind, %error, "nothing can be told at this URL");
                }
            }
        }
    }
}
