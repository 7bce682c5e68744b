//! The numbers of a file that is there already: sealed, or put in clear again, in bounded transactions. Cut off at any
//! moment, the next start goes on.

use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};

use super::numbers::{Db, Kind, MARK, Numbers};
use super::*;

/// Rows of one transaction.
const BATCH: usize = 10_000;
const PROBE: &str = "outpace";
const NO_KEY: &str = "telephone numbers are sealed with a key, and none was given";
const WRONG_KEY: &str = "the key is not the one with which the telephone numbers in the database were sealed";
const HALF_WAY: &str =
    "the telephone numbers are being sealed or put in clear: start the server, which finishes it";
const IN_USE: &str = "the database cannot be written anew, which sealing needs: another program uses it";

/// How telephone numbers are to be kept in the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeepNumbers {
    AsTheyAre,
    Clear,
    Sealed,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Clear,
    Sealing,
    Clearing,
    Sealed,
}

impl State {
    const fn name(self) -> &'static str {
        match self {
            State::Clear => "clear",
            State::Sealing => "sealing",
            State::Clearing => "clearing",
            State::Sealed => "sealed",
        }
    }
}

struct Sealing {
    state: State,
    probe: String,
}

/// A table with numbers in it. `only`: of these rows.
struct Table {
    name: &'static str,
    key: &'static [&'static str],
    columns: &'static [(&'static str, Kind)],
    only: &'static str,
}

const fn by_id(name: &'static str, columns: &'static [(&'static str, Kind)]) -> Table {
    Table { name, key: &["id"], columns, only: "1" }
}

const TABLES: [Table; 12] = [
    by_id("leads", &[("number", Kind::Number)]),
    by_id("calls", &[("number", Kind::Number)]),
    by_id("direct_calls", &[("number", Kind::Number)]),
    by_id("bills", &[("number", Kind::Number)]),
    by_id("refusals", &[("number", Kind::Number)]),
    by_id("dials", &[("key", Kind::Key)]),
    by_id("abandoned_calls", &[("key", Kind::Key)]),
    Table { name: "last_calls", key: &["company", "key"], columns: &[("key", Kind::Key)], only: "1" },
    Table {
        name: "dnc",
        key: &["company", "campaign", "is_prefix", "key"],
        columns: &[("key", Kind::Key), ("entry", Kind::Number)],
        only: "is_prefix = 0",
    },
    by_id("outbox", &[("body", Kind::Text)]),
    by_id("audit", &[("target", Kind::Text), ("details", Kind::Text)]),
    Table {
        name: "idempotency_keys",
        key: &["company", "who", "key"],
        columns: &[("request_sha256", Kind::Hash), ("body", Kind::Text)],
        only: "1",
    },
];

/// Brings the file to what is wished. Whether numbers are sealed in it now.
pub(super) fn settle(db: Connection, key: Option<&SealKey>, keep: KeepNumbers) -> Result<Db> {
    let now = read(&db)?;
    check_key(&now, key)?;
    let seals = match (keep, now.state) {
        (KeepNumbers::AsTheyAre, State::Sealing | State::Clearing) => {
            return Err(StoreError::Failed(HALF_WAY.to_owned()));
        }
        (KeepNumbers::AsTheyAre, state) => state == State::Sealed,
        (KeepNumbers::Sealed, _) => true,
        (KeepNumbers::Clear, _) => false,
    };
    if seals && key.is_none() {
        return Err(StoreError::Failed(NO_KEY.to_owned()));
    }
    let db = Db::new(db, Numbers::new(key, seals));
    let (way, end) = if seals { (State::Sealing, State::Sealed) } else { (State::Clearing, State::Clear) };
    if now.state != end {
        set(&db, way)?;
        convert(&db, None)?;
        set(&db, end)?;
    }
    Ok(db)
}

/// Whether the file has numbers sealed, for a connection beside the one that `settle` made.
pub(super) fn beside(db: Connection, key: Option<&SealKey>) -> Result<Db> {
    let seals = read(&db)?.state == State::Sealed;
    Ok(Db::new(db, Numbers::new(key, seals)))
}

/// In a transaction that writes: fails when another process has changed since how numbers are kept.
pub(super) fn check_unchanged(db: &Db) -> rusqlite::Result<()> {
    let ours = if db.numbers.seals() { State::Sealed } else { State::Clear };
    let mut same = db.prepare_cached("SELECT numbers = ?1 FROM sealing")?;
    match same.query_row([ours.name()], |row| row.get(0))? {
        true => Ok(()),
        false => Err(rusqlite::Error::UserFunctionError(HALF_WAY.into())),
    }
}

fn read(db: &Connection) -> Result<Sealing> {
    let row = db.query_row("SELECT numbers, probe FROM sealing", [], |row| {
        let state = column::parsed(row, "numbers", |name| {
            [State::Clear, State::Sealing, State::Clearing, State::Sealed]
                .into_iter()
                .find(|s| s.name() == name)
        })?;
        Ok(Sealing { state, probe: row.get("probe")? })
    });
    Ok(row?)
}

fn check_key(now: &Sealing, key: Option<&SealKey>) -> Result<()> {
    if now.probe.is_empty() {
        return Ok(());
    }
    let key = key.ok_or_else(|| StoreError::Failed(NO_KEY.to_owned()))?;
    match Numbers::new(Some(key), true).number(PROBE)? == now.probe {
        true => Ok(()),
        false => Err(StoreError::Failed(WRONG_KEY.to_owned())),
    }
}

fn set(db: &Db, state: State) -> Result<()> {
    // While it is not clear everywhere, the key is needed.
    let sql = match state {
        State::Clear => "UPDATE sealing SET numbers = ?1, probe = ''",
        State::Clearing => "UPDATE sealing SET numbers = ?1",
        State::Sealing | State::Sealed => "UPDATE sealing SET numbers = ?1, probe = ?2, stale = stale OR ?3",
    };
    let mut update = db.prepare(sql)?;
    match state {
        State::Clear | State::Clearing => update.execute([state.name()])?,
        State::Sealing | State::Sealed => {
            update.execute(params![state.name(), db.numbers.number(PROBE)?, state == State::Sealing])?
        }
    };
    Ok(())
}

/// Some batches, or all when `batches` is None. True: everything is as `db` keeps it.
fn convert(db: &Db, batches: Option<usize>) -> Result<bool> {
    let mut left = batches.unwrap_or(usize::MAX);
    for table in &TABLES {
        let mut after: Option<Vec<Value>> = None;
        let mut done = 0;
        loop {
            if left == 0 {
                return Ok(false);
            }
            left -= 1;
            let (last, rows) = batch(db, table, after.as_deref())?;
            done += rows;
            if done > 0 && (rows < BATCH || done % (10 * BATCH) == 0) {
                tracing::info!(
                    table = table.name,
                    rows = done,
                    seals = db.numbers.seals(),
                    "numbers converted"
                );
            }
            if rows < BATCH {
                break;
            }
            after = last;
        }
    }
    Ok(true)
}

/// The key of the last row it read, and how many there were.
fn batch(db: &Db, table: &Table, after: Option<&[Value]>) -> Result<(Option<Vec<Value>>, usize)> {
    db.execute_batch("BEGIN IMMEDIATE")?;
    let done = convert_rows(db, table, after);
    db.execute_batch(if done.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
    done
}

fn convert_rows(db: &Db, table: &Table, after: Option<&[Value]>) -> Result<(Option<Vec<Value>>, usize)> {
    let (name, key, only) = (table.name, table.key.join(", "), table.only);
    let columns: Vec<&str> = table.columns.iter().map(|(column, _)| *column).collect();
    let marks = vec!["?"; table.key.len()].join(", ");
    let from = if after.is_some() { format!("AND ({key}) > ({marks})") } else { String::new() };
    let sql = format!(
        "SELECT {key}, {} FROM {name} WHERE {only} {from} ORDER BY {key} LIMIT {BATCH}",
        columns.join(", ")
    );
    let width = table.key.len();
    let found = rows(db, &sql, params_from_iter(after.unwrap_or_default()), |row| {
        (0..width + columns.len()).map(|i| row.get(i)).collect::<rusqlite::Result<Vec<Value>>>()
    })?;
    let set: Vec<String> = columns.iter().map(|column| format!("{column} = ?")).collect();
    let sql = format!("UPDATE {name} SET {} WHERE ({key}) = ({marks})", set.join(", "));
    let mut update = db.prepare_cached(&sql)?;
    for row in &found {
        let (key, stored) = row.split_at(width);
        let kinds = table.columns.iter().map(|(_, kind)| *kind);
        let new = stored.iter().zip(kinds).map(|(value, kind)| converted(&db.numbers, kind, value));
        let new = new.collect::<Result<Vec<Value>>>()?;
        if new != stored {
            update.execute(params_from_iter(new.iter().chain(key)))?;
        }
    }
    Ok((found.last().map(|row| row[..width].to_vec()), found.len()))
}

fn converted(numbers: &Numbers, kind: Kind, stored: &Value) -> Result<Value> {
    Ok(match stored {
        // One that cannot be opened was never sealed: it only begins so.
        Value::Text(text) if text.starts_with(MARK) && numbers.seals() && numbers.open(text).is_some() => {
            stored.clone()
        }
        Value::Text(text) if numbers.seals() => numbers.sealed(kind, text)?.into_owned().into(),
        Value::Text(text) => {
            numbers.open(text).map_or_else(|| stored.clone(), |clear| clear.into_owned().into())
        }
        Value::Blob(hash) => match numbers.open_hash(hash) {
            Some(clear) => numbers.hash(&clear).into(),
            None => stored.clone(),
        },
        Value::Null | Value::Integer(_) | Value::Real(_) => stored.clone(),
    })
}

/// Something was sealed that was there in clear.
pub(super) fn note_stale(db: &Connection) -> Result<()> {
    db.execute("UPDATE sealing SET stale = 1", [])?;
    Ok(())
}

/// Writes the file anew when something in it was sealed, so that neither its free places nor the log keep what was there
/// in clear. Takes as much room again, twice, and nobody else may use the file meanwhile.
pub(super) fn rewrite_stale(db: &Connection) -> Result<()> {
    let stale: bool = db.query_row("SELECT stale FROM sealing", [], |row| row.get(0))?;
    if !stale {
        return Ok(());
    }
    tracing::info!("writing the database anew, so that nothing in it is left in clear");
    // The copy may be larger than the memory; there is nothing in clear in it any more.
    db.execute_batch("PRAGMA temp_store = FILE")?;
    let done = db.execute_batch("VACUUM");
    db.execute_batch("PRAGMA temp_store = MEMORY")?;
    done?;
    let is_busy: bool = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if is_busy {
        return Err(StoreError::Failed(IN_USE.to_owned()));
    }
    db.execute("UPDATE sealing SET stale = 0", [])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::{Folder, fill, told};

    fn key(byte: u8) -> SealKey {
        SealKey::of_bytes(&[byte; 32])
    }

    fn open(folder: &Folder, keep: KeepNumbers) -> Result<SqliteStore> {
        SqliteStore::open_sealed(&folder.database(), Some(key(1)), keep)
    }

    /// A few batches of the way, then cut off.
    fn cut_off(folder: &Folder, seals: bool, batches: usize) {
        let db = connection::open(&folder.database(), "", Some(&key(1))).unwrap();
        let db = Db::new(db, Numbers::new(Some(&key(1)), seals));
        set(&db, if seals { State::Sealing } else { State::Clearing }).unwrap();
        assert!(!convert(&db, Some(batches)).unwrap());
    }

    #[test]
    fn what_is_there_is_sealed_and_put_in_clear_again_and_reads_the_same() {
        let folder = Folder::new();
        let store = open(&folder, KeepNumbers::Clear).unwrap();
        let company = fill(&store);
        let expected = told(&store, company);
        assert!(!folder.numbers_on_disk().is_empty());
        drop(store);
        for _ in 0..2 {
            let store = open(&folder, KeepNumbers::Sealed).unwrap();
            assert_eq!(told(&store, company), expected);
            assert_eq!(
                folder.numbers_on_disk(),
                Vec::<String>::new(),
                "in the file and its log, while it is open"
            );
            drop(store);
            let as_it_is = open(&folder, KeepNumbers::AsTheyAre).unwrap();
            assert_eq!(told(&as_it_is, company), expected);
            drop(as_it_is);
            let store = open(&folder, KeepNumbers::Clear).unwrap();
            assert_eq!(told(&store, company), expected);
            drop(store);
            assert!(!folder.numbers_on_disk().is_empty());
        }
    }

    #[test]
    fn a_conversion_that_was_cut_off_is_finished_or_undone_by_the_next_start() {
        let folder = Folder::new();
        let store = open(&folder, KeepNumbers::Clear).unwrap();
        let company = fill(&store);
        let expected = told(&store, company);
        drop(store);
        for batches in 0..TABLES.len() {
            for (seals, keep) in [
                (true, KeepNumbers::Sealed),
                (false, KeepNumbers::Clear),
                (true, KeepNumbers::Clear),
                (true, KeepNumbers::Sealed),
                (false, KeepNumbers::Sealed),
                (false, KeepNumbers::Clear),
            ] {
                cut_off(&folder, seals, batches);
                let error = open(&folder, KeepNumbers::AsTheyAre).err().unwrap().to_string();
                assert!(error.contains(HALF_WAY), "{error}");
                assert!(SqliteStore::open(&folder.database()).is_err(), "the key is needed");
                let store = open(&folder, keep).unwrap();
                assert_eq!(told(&store, company), expected, "{batches} {seals} {keep:?}");
                store.verify().unwrap();
            }
        }
    }

    #[test]
    fn more_rows_than_a_batch_are_all_converted() {
        let folder = Folder::new();
        let store = open(&folder, KeepNumbers::Clear).unwrap();
        let company = fill(&store);
        drop(store);
        let db = Connection::open(folder.database()).unwrap();
        let sql = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 25000)
            INSERT INTO last_calls SELECT ?1, '8613900' || printf('%06d', n), NULL, NULL, n FROM n";
        db.execute(sql, [company.0]).unwrap();
        let count = |condition: &str| -> usize {
            let sql = format!("SELECT count(*) FROM last_calls WHERE {condition}");
            db.query_row(&sql, [], |row| row.get(0)).unwrap()
        };
        let all = count("1");
        drop(open(&folder, KeepNumbers::Sealed).unwrap());
        assert_eq!((count("1"), count("substr(key, 1, 1) = char(1)")), (all, all));
        drop(open(&folder, KeepNumbers::Clear).unwrap());
        assert_eq!((count("1"), count("key LIKE '86139%'")), (all, 25_000));
    }

    #[test]
    fn without_the_key_or_with_another_one_nothing_is_opened() {
        let folder = Folder::new();
        drop(open(&folder, KeepNumbers::Sealed).unwrap());
        for keep in [KeepNumbers::AsTheyAre, KeepNumbers::Sealed, KeepNumbers::Clear] {
            for (key, why) in [(None, NO_KEY), (Some(key(2)), WRONG_KEY)] {
                let error =
                    SqliteStore::open_sealed(&folder.database(), key, keep).err().unwrap().to_string();
                assert!(error.contains(why), "{error}");
            }
        }
    }

    #[test]
    fn who_writes_otherwise_than_the_file_is_kept_by_now_is_refused() {
        let folder = Folder::new();
        let old = open(&folder, KeepNumbers::Clear).unwrap();
        fill(&old);
        cut_off(&folder, true, 1);
        let error = old.count_dial(Timestamp(0), CompanyId(1), &PhoneNumber::parse("13800000001").unwrap());
        assert!(matches!(&error, Err(StoreError::Failed(why)) if why.contains(HALF_WAY)), "{error:?}");
    }
}
