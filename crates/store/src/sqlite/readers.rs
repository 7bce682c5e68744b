//! A few connections that read, each a snapshot of what was committed when its verb began.

use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::*;

const READERS: usize = 4;
/// A verb waits so long for a connection, then the store is busy.
const READER_WAIT: Duration = Duration::from_secs(5);

pub(super) struct Readers {
    free: Mutex<Vec<Db>>,
    came_back: Condvar,
}

/// Comes back when dropped, after a panic too.
struct Lent<'a> {
    readers: &'a Readers,
    db: Option<Db>,
}

impl Readers {
    pub(super) fn open(path: &Path, key: Option<&SealKey>) -> Result<Readers> {
        let open = |_| connection::open_reader_with(path, key);
        let free = (0..READERS).map(open).collect::<Result<_>>()?;
        Ok(Readers { free: Mutex::new(free), came_back: Condvar::new() })
    }

    pub(super) fn run<T>(&self, work: impl FnOnce(&Db) -> Result<T>) -> Result<T> {
        let lent = self.lend()?;
        let db = lent.db.as_ref().expect("a connection is lent until it is dropped");
        let snapshot = db.unchecked_transaction()?;
        let result = work(db);
        drop(snapshot);
        result
    }

    fn lend(&self) -> Result<Lent<'_>> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.came_back.wait_timeout_while(free, READER_WAIT, |free| free.is_empty());
        match waited.unwrap_or_else(PoisonError::into_inner).0.pop() {
            Some(db) => Ok(Lent { readers: self, db: Some(db) }),
            None => Err(StoreError::Busy),
        }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(db) = self.db.take() {
            self.readers.free.lock().unwrap_or_else(PoisonError::into_inner).push(db);
            self.readers.came_back.notify_one();
        }
    }
}
