//! The one thread that writes. Verbs queue their work; the thread takes what waits, runs each piece in a savepoint of
//! one transaction, commits once and answers all: one sync of the disk for many verbs.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::*;

/// Pieces of work that may wait.
const QUEUE_MAX: usize = 1024;
/// A verb waits so long for a place in the queue, then the store is busy.
const PLACE_WAIT: Duration = Duration::from_secs(5);
/// A transaction takes no more work after so many pieces or so long.
const BATCH_MAX: usize = 256;
const BATCH_TIME: Duration = Duration::from_millis(20);

pub(super) struct Writer {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(db: Connection) -> Result<Writer> {
        let queue = Arc::new(Queue::default());
        let of_thread = Arc::clone(&queue);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || run(&db, &of_thread))
            .map_err(|e| StoreError::Failed(e.to_string()))?;
        Ok(Writer { queue, thread: Some(thread) })
    }

    /// Returns when the work is committed, or has changed nothing.
    pub(super) fn run<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let (reply, answer) = sync_channel(1);
        self.queue.push(Box::new(Piece { work: Some(work), result: None, reply }))?;
        answer.recv().unwrap_or_else(|_| Err(StoreError::Failed("the writer stopped".to_owned())))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the writer of the store panicked");
        }
    }
}

trait Work: Send {
    /// False when it changed nothing.
    fn run(&mut self, db: &Connection) -> bool;
    /// `failure`: why nothing of the transaction was stored.
    fn answer(self: Box<Self>, failure: Option<&str>);
}

struct Piece<T, F> {
    work: Option<F>,
    result: Option<Result<T>>,
    reply: SyncSender<Result<T>>,
}

impl<T, F> Work for Piece<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T> + Send,
{
    fn run(&mut self, db: &Connection) -> bool {
        let Some(work) = self.work.take() else { return false };
        let result = catch_unwind(AssertUnwindSafe(|| work(db)));
        let result = result.unwrap_or_else(|_| Err(StoreError::Failed("a verb panicked".to_owned())));
        let changed = result.is_ok();
        self.result = Some(result);
        changed
    }

    fn answer(self: Box<Self>, failure: Option<&str>) {
        let result = match (failure, self.result) {
            (None, Some(result)) => result,
            (failure, _) => Err(StoreError::Failed(failure.unwrap_or("the verb was not run").to_owned())),
        };
        // Nobody waits any more when the caller's thread was ended; what is stored is stored.
        let _ = self.reply.send(result);
    }
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    came: Condvar,
    left: Condvar,
}

#[derive(Default)]
struct Waiting {
    work: VecDeque<Box<dyn Work>>,
    closed: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, work: Box<dyn Work>) -> Result<()> {
        let full = |w: &mut Waiting| w.work.len() >= QUEUE_MAX && !w.closed;
        let waited = self.left.wait_timeout_while(self.lock(), PLACE_WAIT, full);
        let (mut waiting, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if waiting.closed {
            return Err(StoreError::Failed("the store is closed".to_owned()));
        }
        if timeout.timed_out() {
            return Err(StoreError::Busy);
        }
        waiting.work.push_back(work);
        self.came.notify_one();
        Ok(())
    }

    /// Waits for work. None: closed, and all work is done.
    fn pop(&self) -> Option<Box<dyn Work>> {
        let waited = self.came.wait_while(self.lock(), |w| w.work.is_empty() && !w.closed);
        let work = waited.unwrap_or_else(PoisonError::into_inner).work.pop_front();
        self.left.notify_one();
        work
    }

    fn pop_now(&self) -> Option<Box<dyn Work>> {
        let work = self.lock().work.pop_front();
        self.left.notify_one();
        work
    }

    fn close(&self) {
        self.lock().closed = true;
        self.came.notify_all();
        self.left.notify_all();
    }
}

/// Whatever ends the thread, nobody is left waiting for it.
struct Closing<'a>(&'a Queue);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
        self.0.lock().work.clear();
    }
}

fn run(db: &Connection, queue: &Queue) {
    let _closing = Closing(queue);
    while let Some(first) = queue.pop() {
        let mut done = Vec::new();
        let failure = transaction(db, queue, first, &mut done).err().map(|e| e.to_string());
        if let Some(failure) = &failure {
            tracing::error!(%failure, verbs = done.len(), "the store could not commit");
            if !db.is_autocommit() {
                // A rollback fails only when there is nothing to roll back any more.
                let _ = db.execute_batch("ROLLBACK");
            }
        }
        for work in done {
            work.answer(failure.as_deref());
        }
    }
}

fn transaction(
    db: &Connection,
    queue: &Queue,
    first: Box<dyn Work>,
    done: &mut Vec<Box<dyn Work>>,
) -> rusqlite::Result<()> {
    let begun = Instant::now();
    done.push(first);
    execute(db, "BEGIN IMMEDIATE")?;
    loop {
        let work = done.last_mut().expect("the first piece was pushed above");
        savepoint(db, work.as_mut())?;
        if done.len() >= BATCH_MAX || begun.elapsed() >= BATCH_TIME {
            break;
        }
        let Some(next) = queue.pop_now() else { break };
        done.push(next);
    }
    execute(db, "COMMIT")
}

fn savepoint(db: &Connection, work: &mut dyn Work) -> rusqlite::Result<()> {
    execute(db, "SAVEPOINT piece")?;
    if !work.run(db) {
        // Errors such as a full disk roll back the whole transaction by themselves: then this fails, and all do.
        execute(db, "ROLLBACK TO piece")?;
    }
    execute(db, "RELEASE piece")
}

fn execute(db: &Connection, sql: &str) -> rusqlite::Result<()> {
    db.prepare_cached(sql)?.execute([]).map(drop)
}
