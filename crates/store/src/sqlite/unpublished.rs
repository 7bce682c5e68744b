//! Campaigns whose leads come in many transactions.

use rusqlite::{OptionalExtension, params};

use super::column::*;
use super::*;

pub(super) fn begin(db: &Db, now: Timestamp, new: &NewCampaign) -> Result<CampaignId> {
    rule::new_rules(compliance::rules(db, new.company, &new.call_windows))?;
    let id = campaigns::insert(db, now, &rule::unpublished(new)?)?;
    db.prepare_cached("UPDATE campaigns SET unpublished = ?2 WHERE id = ?1")?
        .execute(params![id.0, status_name(new.status)])?;
    Ok(id)
}

pub(super) fn publish(db: &Db, now: Timestamp, id: CampaignId) -> Result<Campaign> {
    let wanted = wanted_status(db, id)?;
    let mut campaign = campaigns::existing(db, id)?;
    rule::publish(&mut campaign, now, wanted)?;
    campaigns::update(db, &campaign)?;
    db.prepare_cached("UPDATE campaigns SET created_at = ?2, unpublished = NULL WHERE id = ?1")?
        .execute(params![id.0, campaign.created_at.0])?;
    Ok(campaign)
}

/// From the last lead backwards, so that the sequence has no hole in between.
pub(super) fn discard(db: &Db, id: CampaignId, limit: u32) -> Result<bool> {
    wanted_status(db, id)?;
    let (first, end) = leads::range(id);
    let sql = "DELETE FROM leads WHERE id IN
        (SELECT id FROM leads WHERE id >= ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3)";
    let deleted = db.prepare_cached(sql)?.execute(params![first, end, limit])?;
    let sql = "UPDATE campaigns
        SET client_id = '', total = total - ?2, pending = pending - ?2, seq_last = seq_last - ?2 WHERE id = ?1
        RETURNING total";
    let left: i64 = db.prepare_cached(sql)?.query_row(params![id.0, deleted], |row| row.get(0))?;
    if left > 0 {
        return Ok(false);
    }
    for sql in [
        "DELETE FROM deleted_leads WHERE campaign = ?1",
        "DELETE FROM campaign_extensions WHERE campaign = ?1",
        "DELETE FROM campaign_zones WHERE campaign = ?1",
        "DELETE FROM campaigns WHERE id = ?1",
    ] {
        db.prepare_cached(sql)?.execute([id.0])?;
    }
    Ok(true)
}

pub(super) fn all(db: &Db) -> Result<Vec<CampaignId>> {
    let sql = "SELECT id FROM campaigns WHERE unpublished IS NOT NULL";
    rows(db, sql, [], |row| row.get(0).map(CampaignId))
}

/// The status that it was begun with.
fn wanted_status(db: &Db, id: CampaignId) -> Result<CampaignStatus> {
    let sql = "SELECT unpublished FROM campaigns WHERE id = ?1 AND unpublished IS NOT NULL";
    let mut query = db.prepare_cached(sql)?;
    let found = query.query_row([id.0], |row| parsed(row, "unpublished", status_from_name)).optional()?;
    found.ok_or(StoreError::NotFound("campaign"))
}
