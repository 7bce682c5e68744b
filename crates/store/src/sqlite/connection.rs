//! How a connection is set up, and the schema brought up to date.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::*;

/// What a connection waits for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Prepared statements kept by a connection. There are about a hundred, and some made for a filter.
const STATEMENTS_MAX: usize = 160;

/// In order, with their numbers. The table `migrations` says which of them a database has had; each runs once, also one
/// that was added between two others. `PRAGMA user_version` is the highest number.
const MIGRATIONS: &[(i64, &str)] = &[
    (1, include_str!("../../migrations/sqlite/0001_initial.sql")),
    (2, include_str!("../../migrations/sqlite/0002_pushes.sql")),
    (3, include_str!("../../migrations/sqlite/0003_recordings.sql")),
    (4, include_str!("../../migrations/sqlite/0004_compliance.sql")),
    (5, include_str!("../../migrations/sqlite/0005_access.sql")),
    (6, include_str!("../../migrations/sqlite/0006_commands.sql")),
    (7, include_str!("../../migrations/sqlite/0007_uploads.sql")),
    (8, include_str!("../../migrations/sqlite/0008_trunk_details.sql")),
    (9, include_str!("../../migrations/sqlite/0009_detection.sql")),
    (10, include_str!("../../migrations/sqlite/0010_deletions.sql")),
    (12, include_str!("../../migrations/sqlite/0012_callers.sql")),
    (13, include_str!("../../migrations/sqlite/0013_keys.sql")),
    (14, include_str!("../../migrations/sqlite/0014_sealing.sql")),
    (15, include_str!("../../migrations/sqlite/0015_quality.sql")),
    (16, include_str!("../../migrations/sqlite/0016_inbound.sql")),
    (17, include_str!("../../migrations/sqlite/0017_lists.sql")),
    (18, include_str!("../../migrations/sqlite/0018_queues.sql")),
    (19, include_str!("../../migrations/sqlite/0019_identities.sql")),
];

/// Creates the database where there is none; only its owner may read it, for it holds the passwords of extensions.
/// With a key the passwords in it are sealed, and telephone numbers kept as `keep` says.
pub(super) fn open_writer_with(path: &Path, key: Option<&SealKey>, keep: KeepNumbers) -> Result<Db> {
    create_file(path).map_err(|e| StoreError::Failed(format!("{}: {e}", path.display())))?;
    let db = open(path, "PRAGMA cache_size = -32000", key)?;
    let mode: String = db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError::Failed(format!("{}: no write-ahead log, but {mode}", path.display())));
    }
    // FULL: a commit is on the disk before it is answered. The log is cut back after it has grown.
    db.execute_batch("PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864;")?;
    migrate(&db)?;
    if seal::seal_all(&db, key)? > 0 {
        convert::note_stale(&db)?;
    }
    let db = convert::settle(db, key, keep)?;
    if keep != KeepNumbers::AsTheyAre {
        convert::rewrite_stale(&db)?;
    }
    Ok(db)
}

pub(super) fn open_reader_with(path: &Path, key: Option<&SealKey>) -> Result<Db> {
    convert::beside(open(path, "PRAGMA cache_size = -8000; PRAGMA query_only = ON;", key)?, key)
}

#[cfg(test)]
pub(super) fn open_writer(path: &Path) -> Result<Db> {
    open_writer_with(path, None, KeepNumbers::AsTheyAre)
}

#[cfg(test)]
pub(super) fn open_reader(path: &Path) -> Result<Db> {
    open_reader_with(path, None)
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

pub(super) fn open(path: &Path, pragmas: &str, key: Option<&SealKey>) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.execute_batch("PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;")?;
    db.execute_batch(pragmas)?;
    // A plan does not look at the values: otherwise LIMIT ?1 has its statement prepared anew for each of them.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    rusqlite::vtab::array::load_module(&db)?;
    seal::teach(&db, key)?;
    Ok(db)
}

fn migrate(db: &Connection) -> Result<()> {
    if missing(db)?.is_empty() {
        return Ok(());
    }
    // Another process may do the same: the version is read again under the lock.
    db.execute_batch("BEGIN IMMEDIATE")?;
    let done = apply(db);
    db.execute_batch(if done.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
    done
}

fn apply(db: &Connection) -> Result<()> {
    let missing = missing(db)?;
    if !has_table(db)? {
        // Before there was this table, a database had all up to its version.
        db.execute_batch("CREATE TABLE migrations (number INTEGER PRIMARY KEY) STRICT")?;
        for number in 1..=version(db)? {
            db.execute("INSERT INTO migrations VALUES (?1)", [number])?;
        }
    }
    for (number, migration) in missing {
        db.execute_batch(migration)?;
        db.execute("INSERT INTO migrations VALUES (?1)", [number])?;
    }
    db.pragma_update(None, "user_version", newest())?;
    Ok(())
}

/// What the database has not had yet.
fn missing(db: &Connection) -> Result<Vec<(i64, &'static str)>> {
    let version = version(db)?;
    if version > newest() {
        return Err(StoreError::Failed("the database was made by a newer version".to_owned()));
    }
    let had: Vec<i64> = match has_table(db)? {
        true => rows(db, "SELECT number FROM migrations", [], |row| row.get(0))?,
        false => (1..=version).collect(),
    };
    Ok(MIGRATIONS.iter().filter(|(number, _)| !had.contains(number)).copied().collect())
}

fn newest() -> i64 {
    MIGRATIONS.last().map_or(0, |(number, _)| *number)
}

fn version(db: &Connection) -> Result<i64> {
    Ok(db.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

fn has_table(db: &Connection) -> Result<bool> {
    let sql = "SELECT count(*) > 0 FROM sqlite_schema WHERE type = 'table' AND name = 'migrations'";
    Ok(db.query_row(sql, [], |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::Folder;

    #[test]
    fn a_reopened_database_holds_what_was_written() {
        let folder = Folder::new();
        let path = folder.0.join("new folder").join("outpace.db");
        let key = |company| {
            let (accesskey_sha256, scopes) = ([1; 32], Scopes::ALL);
            AppKey { appid: "a".into(), company, accesskey_sha256, enabled: true, scopes }
        };
        let new = NewCompany {
            code: "1".into(),
            name: "one".into(),
            time_zone: "UTC".into(),
            language: "en".into(),
            int_codes: false,
            licensed_until: None,
            allow_from: vec!["::1".into()],
        };
        let company = {
            let store = SqliteStore::open(&path).unwrap();
            let company = store.put_company(&new).unwrap();
            store.put_app_key(&key(company.id)).unwrap();
            company
        };
        let store = crate::open(&format!("sqlite:{}", path.display())).unwrap();
        assert_eq!(store.app_key("a").unwrap(), Some(key(company.id)));
        assert_eq!(store.companies().unwrap(), [company]);
    }

    #[test]
    fn calls_that_finished_before_there_were_bills_have_one() {
        let folder = Folder::new();
        create_file(&folder.database()).unwrap();
        let db = open(&folder.database(), "", None).unwrap();
        db.execute_batch(MIGRATIONS[0].1).unwrap();
        db.pragma_update(None, "user_version", 1).unwrap();
        db.execute_batch(
            "INSERT INTO companies VALUES (1, '9027', '', 'UTC', 'en', 0, NULL, '');
            INSERT INTO extensions (id, company, number, password, enabled) VALUES (5, 1, '1001', 'p', 1);
            INSERT INTO campaigns (id, company, taskid, name, client_id, group_name, scale, manual, calls_max,
                caller_ids, attempts_max, abandon_max, status, created_at, total, called, connected, seq_last)
            VALUES (2, 1, 't', '', '', '', '', 0, 1, '', 3, 300, 'running', 1, 1, 1, 1, 1);
            INSERT INTO leads (id, campaign, number, user_id, member_id, ext, custom_uuid, created_at, state, round,
                outcome)
            VALUES (2 << 32 | 1, 2, '13800000001', 'u', 'm', 'e', 'c', 1, 'called', 2, 'connected');
            INSERT INTO calls VALUES
                (x'00000000000000000000000000000001', 1, 2, 2 << 32 | 1, '13800000001', 1, 1, '021', 1000000, NULL, NULL,
                    NULL, 3400000, NULL, 'busy', 10006, 'customer', 486),
                (x'00000000000000000000000000000002', 1, 2, 2 << 32 | 1, '13800000001', 2, 1, '021', 9000000, NULL,
                    12000000, 12500000, 22600000, 5, 'connected', 10001, 'agent', 200);",
        )
        .unwrap();
        drop(db);
        let store = SqliteStore::open(&folder.database()).unwrap();
        store.verify().unwrap();
        let filter = BillFilter {
            is_inbound: None,
            method: None,
            from: Timestamp(0),
            to: Timestamp(i64::MAX),
            fetched: Some(false),
            extensions: Vec::new(),
            number: String::new(),
            user_id: "u".into(),
            member_id: String::new(),
            ext: String::new(),
            custom_uuid: String::new(),
            taskid: "t".into(),
        };
        let (total, bills) = store.fetch_bills(CompanyId(1), &filter, 10).unwrap();
        let shown: Vec<_> = bills
            .iter()
            .map(|b| (b.id, b.call.0, b.round, b.extension.as_str(), b.waiting_seconds, b.talk_seconds))
            .collect();
        assert_eq!((total, shown), (2, vec![(1, 1, 1, "", 2, 0), (2, 2, 2, "1001", 3, 10)]));
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_reads_the_files() {
        use std::os::unix::fs::PermissionsExt;
        let folder = Folder::new();
        let store = SqliteStore::open(&folder.database()).unwrap();
        assert!(store.companies().unwrap().is_empty());
        let files: Vec<_> = fs::read_dir(&folder.0).unwrap().map(|f| f.unwrap()).collect();
        assert!(files.len() >= 2, "the log is there too");
        for file in files {
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
        }
    }

    #[test]
    fn a_migration_runs_once_and_also_when_it_comes_between_others() {
        let folder = Folder::new();
        create_file(&folder.database()).unwrap();
        let db = open(&folder.database(), "", None).unwrap();
        // As the first version left it.
        db.execute_batch(MIGRATIONS[0].1).unwrap();
        db.pragma_update(None, "user_version", 1).unwrap();
        migrate(&db).unwrap();
        let had = |db: &Connection| -> Vec<i64> {
            rows(db, "SELECT number FROM migrations ORDER BY number", [], |row| row.get(0)).unwrap()
        };
        let all: Vec<i64> = MIGRATIONS.iter().map(|(number, _)| *number).collect();
        assert_eq!(had(&db), all);
        assert!(missing(&db).unwrap().is_empty());
        // One that the database has not had, below the highest one.
        db.execute_batch("DELETE FROM migrations WHERE number = 3; DROP TABLE recordings").unwrap();
        assert_eq!(missing(&db).unwrap().len(), 1);
        migrate(&db).unwrap();
        assert_eq!(had(&db), all);
        assert_eq!(db.execute("DELETE FROM recordings", []).unwrap(), 0);
    }

    #[test]
    fn a_database_of_a_newer_version_is_left_alone() {
        let folder = Folder::new();
        drop(SqliteStore::open(&folder.database()).unwrap());
        let db = Connection::open(folder.database()).unwrap();
        db.pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(SqliteStore::open(&folder.database()), Err(StoreError::Failed(_))));
    }

    #[test]
    fn a_reader_does_not_write() {
        let folder = Folder::new();
        drop(open_writer(&folder.database()).unwrap());
        let db = open_reader(&folder.database()).unwrap();
        assert!(db.execute("DELETE FROM companies", []).is_err());
    }

    #[test]
    fn a_database_that_cannot_be_opened_is_an_error() {
        assert!(crate::open("sqlite:/proc/none/outpace.db").is_err());
        assert!(crate::open("sqlite:").is_err());
        assert!(crate::open("postgres://localhost").is_err());
        assert!(crate::open("mem:").is_ok());
    }
}
