//! Finished calls on their way into the store: one thread takes all that wait and stores them together, so that a busy
//! server waits for the disk a few times a second and not once per call.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use engine::{CallRecord, CompanyId};
use store::{RetryRule, Store};
use tokio::sync::mpsc::UnboundedSender;

use super::store_work::Done;
use crate::handle::wall_clock;
use crate::push::{Wake, Written};

/// Stored together at most.
const BATCH_MAX: usize = 256;

/// A finished call.
pub struct Save {
    pub company: CompanyId,
    pub record: Box<CallRecord>,
    /// The extension states that come before the result.
    pub before: Written,
}

/// The way to the thread, which ends with the last of these.
#[derive(Clone)]
pub struct Saving {
    saves: Sender<Save>,
}

impl Saving {
    pub fn start(
        store: Arc<dyn Store>,
        done: UnboundedSender<Done>,
        retry: RetryRule,
        wake: Wake,
    ) -> std::io::Result<Saving> {
        // Bounded by the engines: with so many calls unsaved, they dial nothing new.
        let (saves, received) = channel();
        std::thread::Builder::new()
            .name("saving".to_owned())
            .spawn(move || run(&*store, &received, &done, &retry, &wake))?;
        Ok(Saving { saves })
    }

    pub fn save(&self, save: Save) {
        if self.saves.send(save).is_err() {
            // The engine still has the call; after a restart it is rescued.
            tracing::error!("the thread that saves results has ended");
        }
    }
}

fn run(
    store: &dyn Store,
    saves: &Receiver<Save>,
    done: &UnboundedSender<Done>,
    retry: &RetryRule,
    wake: &Wake,
) {
    while let Ok(first) = saves.recv() {
        let batch: Vec<Save> = std::iter::once(first).chain(saves.try_iter()).take(BATCH_MAX).collect();
        // The states of one call precede those of the next: waiting for the last is waiting for all.
        if let Some(last) = batch.last() {
            last.before.wait();
        }
        let records: Vec<&CallRecord> = batch.iter().map(|save| &*save.record).collect();
        let results = store.finish_calls(wall_clock(), &records, retry);
        wake.wake();
        for (save, result) in batch.iter().zip(results) {
            // Fails only when the run loop has ended.
            let _ = done.send(Done::Saved { company: save.company, call: save.record.call, result });
        }
    }
}
