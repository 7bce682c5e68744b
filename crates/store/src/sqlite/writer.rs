//! The one thread that writes. Verbs queue their work; the thread takes what waits, runs each piece in a savepoint of
//! one transaction, commits once and answers all: one sync of the disk for many verbs.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

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
    pub(super) fn start(db: Db) -> Result<Writer> {
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
        F: FnOnce(&Db) -> Result<T> + Send + 'static,
    {
        let answer = self.queue_work(work)?;
        self::answer(&answer)
    }

    /// Each in a savepoint of its own. Returns when all are committed, or have changed nothing.
    pub(super) fn run_all<T, F>(&self, works: impl Iterator<Item = F>) -> Vec<Result<T>>
    where
        T: Send + 'static,
        F: FnOnce(&Db) -> Result<T> + Send + 'static,
    {
        let queued: Vec<_> = works.map(|work| self.queue_work(work)).collect();
        queued.into_iter().map(|queued| answer(&queued?)).collect()
    }

    fn queue_work<T, F>(&self, work: F) -> Result<Receiver<Result<T>>>
    where
        T: Send + 'static,
        F: FnOnce(&Db) -> Result<T> + Send + 'static,
    {
        let (reply, answer) = sync_channel(1);
        self.queue.push(Box::new(Piece { work: Some(work), result: None, reply }), PLACE_WAIT)?;
        Ok(answer)
    }
}

fn answer<T>(answer: &Receiver<Result<T>>) -> Result<T> {
    answer.recv().unwrap_or_else(|_| Err(StoreError::Failed("the writer stopped".to_owned())))
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
    fn run(&mut self, db: &Db) -> bool;
    /// `failure`: why nothing of the transaction was stored.
    fn answer(self: Box<Self>, failure: Option<&rusqlite::Error>);
}

struct Piece<T, F> {
    work: Option<F>,
    result: Option<Result<T>>,
    reply: SyncSender<Result<T>>,
}

impl<T, F> Work for Piece<T, F>
where
    T: Send,
    F: FnOnce(&Db) -> Result<T> + Send,
{
    fn run(&mut self, db: &Db) -> bool {
        let Some(work) = self.work.take() else { return false };
        let result = catch_unwind(AssertUnwindSafe(|| work(db)));
        let result = result.unwrap_or_else(|_| Err(StoreError::Failed("a verb panicked".to_owned())));
        let changed = result.is_ok();
        self.result = Some(result);
        changed
    }

    fn answer(self: Box<Self>, failure: Option<&rusqlite::Error>) {
        let result = match (failure, self.result) {
            (Some(failure), _) => Err(column::told(failure)),
            (None, Some(result)) => result,
            (None, None) => Err(StoreError::Failed("the verb was not run".to_owned())),
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

    fn push(&self, work: Box<dyn Work>, wait: Duration) -> Result<()> {
        let full = |w: &mut Waiting| w.work.len() >= QUEUE_MAX && !w.closed;
        let waited = self.left.wait_timeout_while(self.lock(), wait, full);
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

fn run(db: &Db, queue: &Queue) {
    let _closing = Closing(queue);
    while let Some(first) = queue.pop() {
        let mut done = Vec::new();
        let failure = transaction(db, queue, first, &mut done).err();
        if let Some(failure) = &failure {
            tracing::error!(%failure, verbs = done.len(), "the store could not commit");
            if !db.is_autocommit() {
                // A rollback fails only when there is nothing to roll back any more.
                let _ = db.execute_batch("ROLLBACK");
            }
        }
        for work in done {
            work.answer(failure.as_ref());
        }
    }
}

fn transaction(
    db: &Db,
    queue: &Queue,
    first: Box<dyn Work>,
    done: &mut Vec<Box<dyn Work>>,
) -> rusqlite::Result<()> {
    let begun = Instant::now();
    done.push(first);
    execute(db, "BEGIN IMMEDIATE")?;
    convert::check_unchanged(db)?;
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

fn savepoint(db: &Db, work: &mut dyn Work) -> rusqlite::Result<()> {
    execute(db, "SAVEPOINT piece")?;
    if !work.run(db) {
        // Errors such as a full disk roll back the whole transaction by themselves: then this fails, and all do.
        execute(db, "ROLLBACK TO piece")?;
    }
    execute(db, "RELEASE piece")
}

fn execute(db: &Db, sql: &str) -> rusqlite::Result<()> {
    db.prepare_cached(sql)?.execute([]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::Folder;

    struct Bench {
        folder: Folder,
        queue: Queue,
        db: Db,
    }

    impl Bench {
        fn new() -> Bench {
            let folder = Folder::new();
            let db = connection::open_writer(&folder.database()).unwrap();
            db.execute_batch("CREATE TABLE seen (n INTEGER PRIMARY KEY)").unwrap();
            Bench { folder, queue: Queue::default(), db }
        }

        fn queued<F>(&self, work: F) -> Receiver<Result<()>>
        where
            F: FnOnce(&Db) -> Result<()> + Send + 'static,
        {
            let (reply, answer) = sync_channel(1);
            let piece = Piece { work: Some(work), result: None, reply };
            self.queue.push(Box::new(piece), Duration::ZERO).unwrap();
            answer
        }

        /// Runs what is queued in one transaction.
        fn run(&self) {
            self.queue.close();
            run(&self.db, &self.queue);
            self.queue.lock().closed = false;
        }

        fn seen(&self) -> Vec<i64> {
            let db = connection::open_reader(&self.folder.database()).unwrap();
            rows(&db, "SELECT n FROM seen ORDER BY n", [], |row| row.get(0)).unwrap()
        }
    }

    fn see(db: &Db, n: i64) -> Result<()> {
        db.execute("INSERT INTO seen (n) VALUES (?1)", [n])?;
        Ok(())
    }

    #[test]
    fn what_waits_is_committed_at_once() {
        let bench = Bench::new();
        for n in 1..=3 {
            bench.queued(move |db| see(db, n));
        }
        let mut done = Vec::new();
        let first = bench.queue.pop().unwrap();
        transaction(&bench.db, &bench.queue, first, &mut done).unwrap();
        assert_eq!((done.len(), bench.seen()), (3, vec![1, 2, 3]));
    }

    #[test]
    fn a_verb_that_fails_or_panics_leaves_nothing_and_the_others_stay() {
        let bench = Bench::new();
        let refused = |db: &Db| see(db, 2).and(Err(StoreError::Refused("no")));
        let panics = |db: &Db| -> Result<()> {
            see(db, 3)?;
            std::panic::resume_unwind(Box::new("on purpose"))
        };
        let answers = [
            bench.queued(|db| see(db, 1)),
            bench.queued(refused),
            bench.queued(panics),
            bench.queued(|db| see(db, 4)),
        ];
        bench.run();
        let answers = answers.map(|a| a.recv().unwrap());
        assert!(matches!(
            answers,
            [Ok(()), Err(StoreError::Refused("no")), Err(StoreError::Failed(_)), Ok(())]
        ));
        assert_eq!(bench.seen(), [1, 4]);
    }

    #[test]
    fn when_the_commit_fails_all_fail_and_the_next_succeed() {
        let bench = Bench::new();
        // A broken foreign key that is looked at only by the commit.
        let breaks = |db: &Db| {
            db.execute_batch(
                "PRAGMA defer_foreign_keys = ON; INSERT INTO deleted_leads (campaign, seq) VALUES (9, 9)",
            )?;
            Ok(())
        };
        let answers = [bench.queued(|db| see(db, 1)), bench.queued(breaks)];
        bench.run();
        for answer in answers {
            assert!(matches!(answer.recv().unwrap(), Err(StoreError::Failed(_))));
        }
        let next = bench.queued(|db| see(db, 2));
        bench.run();
        assert!(next.recv().unwrap().is_ok());
        assert_eq!(bench.seen(), [2]);
    }

    #[test]
    fn when_the_transaction_is_lost_all_fail_and_the_next_succeed() {
        let bench = Bench::new();
        // A full disk does this.
        let loses = |db: &Db| Ok(db.execute_batch("ROLLBACK")?);
        let answers = [bench.queued(|db| see(db, 1)), bench.queued(loses)];
        bench.run();
        for answer in answers {
            assert!(matches!(answer.recv().unwrap(), Err(StoreError::Failed(_))));
        }
        let next = bench.queued(|db| see(db, 2));
        bench.run();
        assert!(next.recv().unwrap().is_ok());
        assert_eq!(bench.seen(), [2]);
    }

    #[test]
    fn a_full_queue_is_busy_and_a_closed_one_fails() {
        let bench = Bench::new();
        let answers: Vec<_> = (0..QUEUE_MAX as i64).map(|n| bench.queued(move |db| see(db, n))).collect();
        let piece = || {
            let (reply, _) = sync_channel(1);
            Box::new(Piece { work: Some(|db: &Db| see(db, -1)), result: None, reply })
        };
        assert!(matches!(bench.queue.push(piece(), Duration::ZERO), Err(StoreError::Busy)));
        bench.run();
        assert!(answers.iter().all(|a| a.recv().unwrap().is_ok()));
        bench.queue.close();
        assert!(matches!(bench.queue.push(piece(), Duration::ZERO), Err(StoreError::Failed(_))));
    }

    #[test]
    fn many_threads_write_and_a_dropped_writer_has_done_all() {
        let bench = Bench::new();
        let writer = Writer::start(bench.db).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let writer = &writer;
                scope.spawn(move || {
                    (0..25).for_each(|n| writer.run(move |db| see(db, thread * 100 + n)).unwrap())
                });
            }
        });
        drop(writer);
        let db = connection::open_reader(&bench.folder.database()).unwrap();
        assert_eq!(db.query_row("SELECT count(*) FROM seen", [], |row| row.get::<_, i64>(0)).unwrap(), 200);
    }
}
