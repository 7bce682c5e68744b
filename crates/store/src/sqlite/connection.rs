//! How a connection is set up, and the schema brought up to date.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::*;

/// What a connection waits for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Prepared statements kept by a connection. There are about a hundred, and some made for a filter.
const STATEMENTS_MAX: usize = 160;

/// In order; `PRAGMA user_version` says how many of them a database has had.
const MIGRATIONS: [&str; 1] = [include_str!("../../migrations/sqlite/0001_initial.sql")];

/// Creates the database where there is none; only its owner may read it, for it holds the passwords of extensions.
pub(super) fn open_writer(path: &Path) -> Result<Connection> {
    create_file(path).map_err(|e| StoreError::Failed(format!("{}: {e}", path.display())))?;
    let db = open(path, "PRAGMA cache_size = -32000")?;
    let mode: String = db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError::Failed(format!("{}: no write-ahead log, but {mode}", path.display())));
    }
    // FULL: a commit is on the disk before it is answered. The log is cut back after it has grown.
    db.execute_batch("PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864;")?;
    migrate(&db)?;
    Ok(db)
}

pub(super) fn open_reader(path: &Path) -> Result<Connection> {
    open(path, "PRAGMA cache_size = -8000; PRAGMA query_only = ON;")
}

fn create_file(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        fs::create_dir_all(folder)?;
    }
    let mut options = fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

fn open(path: &Path, pragmas: &str) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.execute_batch("PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;")?;
    db.execute_batch(pragmas)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    rusqlite::vtab::array::load_module(&db)?;
    Ok(db)
}

fn migrate(db: &Connection) -> Result<()> {
    if version(db)? == MIGRATIONS.len() {
        return Ok(());
    }
    // Another process may do the same: the version is read again under the lock.
    db.execute_batch("BEGIN IMMEDIATE")?;
    let done = apply(db);
    db.execute_batch(if done.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
    done
}

fn apply(db: &Connection) -> Result<()> {
    let had = version(db)?;
    let Some(missing) = MIGRATIONS.get(had..) else {
        return Err(StoreError::Failed("the database was made by a newer version".to_owned()));
    };
    for migration in missing {
        db.execute_batch(migration)?;
    }
    db.pragma_update(None, "user_version", MIGRATIONS.len())?;
    Ok(())
}

fn version(db: &Connection) -> Result<usize> {
    Ok(db.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}
