//! How the legs of calls sounded.

use rusqlite::{Connection, Row, params};

use super::column::*;
use super::*;

pub(super) fn put(db: &Connection, measured: &[Measured]) -> Result<()> {
    let sql = "INSERT INTO qualities (company, id, customer, agent) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (company, id) DO UPDATE
        SET customer = coalesce(excluded.customer, customer), agent = coalesce(excluded.agent, agent)";
    let mut put = db.prepare_cached(sql)?;
    for Measured { company, call, quality } in measured {
        put.execute(params![company.0, call_blob(*call), text(quality.customer)?, text(quality.agent)?])?;
    }
    Ok(())
}

fn text(leg: Option<LegQuality>) -> Result<Option<String>> {
    let failed = |e: serde_json::Error| StoreError::Failed(e.to_string());
    leg.map(|leg| serde_json::to_string(&leg)).transpose().map_err(failed)
}

/// Of a row with both columns under these names.
pub(super) fn at(row: &Row<'_>) -> rusqlite::Result<CallQuality> {
    let leg = |name: &str| -> rusqlite::Result<Option<LegQuality>> {
        // What cannot be read is of a version to come.
        Ok(row.get::<_, Option<String>>(name)?.and_then(|text| serde_json::from_str(&text).ok()))
    };
    Ok(CallQuality { customer: leg("quality_customer")?, agent: leg("quality_agent")? })
}
