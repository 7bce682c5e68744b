//! Are the counters what counting gives?

use super::*;

pub(super) fn verify(db: &Db) -> Result<()> {
    let whole: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if whole != "ok" {
        return Err(StoreError::Failed(whole));
    }
    none(db, COUNTERS, "the counters of campaign")?;
    none(db, OPEN_CALLS, "the open calls of campaign")?;
    none(db, BILLS, "the bills of campaign")?;
    none(db, HOLES, "the sequence of campaign")
}

fn none(db: &Db, sql: &str, what: &str) -> Result<()> {
    match rows(db, sql, [], |row| row.get::<_, i64>(0))?.first() {
        None => Ok(()),
        Some(campaign) => Err(StoreError::Failed(format!("{what} {campaign} are wrong"))),
    }
}

const COUNTERS: &str = "SELECT campaigns.id FROM campaigns LEFT JOIN (
        SELECT campaign,
            count(*) AS total,
            count(outcome) AS called,
            count(*) FILTER (WHERE outcome = 'connected') AS connected,
            count(*) FILTER (WHERE outcome = 'abandoned') AS abandoned,
            count(*) FILTER (WHERE state = 'pending') AS pending,
            count(*) FILTER (WHERE state = 'in_flight') AS in_flight
        FROM leads GROUP BY campaign
    ) AS counted ON counted.campaign = campaigns.id
    WHERE campaigns.forgotten = 0 AND (campaigns.total, campaigns.called, campaigns.connected, campaigns.abandoned, campaigns.pending,
            campaigns.in_flight)
        <> (coalesce(counted.total, 0), coalesce(counted.called, 0), coalesce(counted.connected, 0),
            coalesce(counted.abandoned, 0), coalesce(counted.pending, 0), coalesce(counted.in_flight, 0))";

/// A lead is in flight if and only if it has one open call, and has been called as often as it counts.
const OPEN_CALLS: &str = "SELECT leads.campaign FROM leads LEFT JOIN (
        SELECT lead, count(*) AS placed, count(*) FILTER (WHERE ended_at IS NULL) AS open FROM calls GROUP BY lead
    ) AS counted ON counted.lead = leads.id
    JOIN campaigns ON campaigns.id = leads.campaign LEFT JOIN compliance ON compliance.company = campaigns.company
    WHERE coalesce(counted.open, 0) <> (leads.state = 'in_flight')
        OR (coalesce(counted.placed, 0) <> leads.round
            AND campaigns.created_at >= coalesce(compliance.forgotten_before, 0))";

const HOLES: &str = "SELECT id FROM campaigns
    WHERE forgotten = 0 AND seq_last <> total + (SELECT count(*) FROM deleted_leads WHERE campaign = campaigns.id)";

/// Every finished call has one bill.
const BILLS: &str = "SELECT calls.campaign FROM calls LEFT JOIN (
        SELECT call, count(*) AS written FROM bills GROUP BY call
    ) AS counted ON counted.call = calls.id
    WHERE coalesce(counted.written, 0) <> (calls.ended_at IS NOT NULL)";
