//! Personal data that has been kept long enough.

use rusqlite::params;

use super::column::call_blob;
use super::*;

/// Of tables, in this order: the rows of a company from before a time.
const OLD: [&str; 8] = [
    "DELETE FROM leads WHERE id IN (
        SELECT leads.id FROM campaigns JOIN leads ON leads.campaign = campaigns.id
        WHERE campaigns.company = ?1 AND campaigns.ended_at < ?2 LIMIT ?3)",
    "DELETE FROM calls WHERE id IN (
        SELECT id FROM calls WHERE company = ?1 AND id < ?2 AND ended_at IS NOT NULL LIMIT ?3)",
    "DELETE FROM direct_calls WHERE id IN (
        SELECT id FROM direct_calls WHERE company = ?1 AND id < ?2 AND ended_at IS NOT NULL LIMIT ?3)",
    "DELETE FROM bills WHERE id IN (
        SELECT id FROM bills WHERE company = ?1 AND dialed_at < ?2 LIMIT ?3)",
    "DELETE FROM refusals WHERE id IN (
        SELECT id FROM refusals WHERE company = ?1 AND at < ?2 LIMIT ?3)",
    "DELETE FROM last_calls WHERE company = ?1 AND key IN (
        SELECT key FROM last_calls WHERE company = ?1 AND at < ?2 LIMIT ?3)",
    "DELETE FROM qualities WHERE company = ?1 AND id IN (
        SELECT id FROM qualities WHERE company = ?1 AND id < ?2 LIMIT ?3)",
    "DELETE FROM identities WHERE company = ?1 AND id IN (
        SELECT id FROM identities WHERE company = ?1 AND id < ?2 LIMIT ?3)",
];

pub(super) fn forget(db: &Db, company: CompanyId, before: Timestamp, limit: u32) -> Result<u64> {
    let campaigns = "UPDATE campaigns SET forgotten = 1
        WHERE company = ?1 AND ended_at < ?2 AND forgotten = 0";
    db.prepare_cached(campaigns)?.execute(params![company.0, before.0])?;
    let calls = "UPDATE compliance SET forgotten_before = max(forgotten_before, ?2) WHERE company = ?1";
    db.prepare_cached(calls)?.execute(params![company.0, before.0])?;
    let before_calls = call_blob(rule::first_call_of(before));
    let mut left = u64::from(limit);
    for sql in OLD {
        let mut delete = db.prepare_cached(sql)?;
        let deleted = match sql.contains("id < ?2") {
            true => delete.execute(params![company.0, before_calls, left])?,
            false => delete.execute(params![company.0, before.0, left])?,
        };
        left = left.saturating_sub(deleted as u64);
        if left == 0 {
            break;
        }
    }
    Ok(u64::from(limit) - left)
}
