//! References to recordings; the files are the server's business.

use rusqlite::{OptionalExtension, Row, params};

use super::column::*;
use super::*;

pub(super) fn put(db: &Db, recording: &Recording) -> Result<()> {
    // The row of the beginning may come after the one of the end.
    let sql = "INSERT INTO recordings (call, company, filename, seconds, bytes, created_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT (call) DO UPDATE SET seconds = max(seconds, excluded.seconds), bytes = max(bytes, excluded.bytes)";
    let values = params![
        call_blob(recording.call),
        recording.company.0,
        recording.filename,
        recording.seconds,
        recording.bytes as i64,
        recording.created_at.0
    ];
    db.prepare_cached(sql)?.execute(values).map_err(|e| broken(e, "filename", "company"))?;
    Ok(())
}

pub(super) fn by_name(db: &Db, company: CompanyId, filename: &str) -> Result<Option<Recording>> {
    let sql = "SELECT * FROM recordings WHERE company = ?1 AND filename = ?2";
    Ok(db.prepare_cached(sql)?.query_row(params![company.0, filename], recording_row).optional()?)
}

pub(super) fn expired(db: &Db, company: CompanyId, before: Timestamp, limit: u32) -> Result<Vec<Recording>> {
    let sql =
        "SELECT * FROM recordings WHERE company = ?1 AND created_at < ?2 ORDER BY created_at, call LIMIT ?3";
    rows(db, sql, params![company.0, before.0, limit.min(rule::PAGE_MAX)], recording_row)
}

pub(super) fn delete(db: &Db, call: CallId) -> Result<()> {
    db.prepare_cached("DELETE FROM recordings WHERE call = ?1")?.execute([call_blob(call)])?;
    Ok(())
}

fn recording_row(row: &Row<'_>) -> rusqlite::Result<Recording> {
    Ok(Recording {
        call: call_at(row, "call")?,
        company: CompanyId(row.get("company")?),
        filename: row.get("filename")?,
        seconds: row.get("seconds")?,
        bytes: row.get::<_, i64>("bytes")?.max(0).cast_unsigned(),
        created_at: time_at(row, "created_at")?,
    })
}
