//! What networks said of who calls. It holds telephone numbers: sealed, where there is a key.

use rusqlite::{Connection, OptionalExtension, params};

use super::column::*;
use super::*;

pub(super) fn put(db: &Connection, said: &Identified) -> Result<()> {
    let text = serde_json::to_string(&said.identity).map_err(|e| StoreError::Failed(e.to_string()))?;
    let sql = "INSERT INTO identities (company, id, said) VALUES (?1, ?2, seal(?3))
        ON CONFLICT (company, id) DO UPDATE SET said = excluded.said";
    db.prepare_cached(sql)?.execute(params![said.company.0, call_blob(said.call), text])?;
    Ok(())
}

pub(super) fn find(db: &Connection, company: CompanyId, call: CallId) -> Result<Option<CallerIdentity>> {
    let sql = "SELECT unseal(said) FROM identities WHERE company = ?1 AND id = ?2";
    let mut found = db.prepare_cached(sql)?;
    let text: Option<String> =
        found.query_row(params![company.0, call_blob(call)], |row| row.get(0)).optional()?;
    // What cannot be read is of a version to come.
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}
