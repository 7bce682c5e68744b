//! Leads of a campaign, and the campaign's counters that change with them.

use std::collections::BTreeSet;
use std::rc::Rc;

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, params};

use super::column::*;
use super::compliance::Notes;
use super::*;
use crate::permit::{self, Judge};

/// What a transaction adds to the counters of a campaign.
#[derive(Default)]
pub(super) struct Delta {
    pub total: i64,
    pub called: i64,
    pub connected: i64,
    pub abandoned: i64,
    pub pending: i64,
    pub in_flight: i64,
}

impl Delta {
    /// The last result of `leads` leads changes from `old` to `new`.
    pub(super) fn results(&mut self, old: Option<Outcome>, new: Option<Outcome>, leads: i64) {
        for (outcome, leads) in [(old, -leads), (new, leads)] {
            match outcome {
                Some(Outcome::Connected) => self.connected += leads,
                Some(Outcome::Abandoned) => self.abandoned += leads,
                _ => {}
            }
            self.called += if outcome.is_some() { leads } else { 0 };
        }
    }

    pub(super) fn apply(&self, db: &Db, campaign: CampaignId) -> Result<()> {
        let sql = "UPDATE campaigns SET total = total + ?2, called = called + ?3, connected = connected + ?4,
                abandoned = abandoned + ?5, pending = pending + ?6, in_flight = in_flight + ?7
            WHERE id = ?1";
        let id = campaign.0;
        let values =
            [id, self.total, self.called, self.connected, self.abandoned, self.pending, self.in_flight];
        db.prepare_cached(sql)?.execute(values)?;
        Ok(())
    }
}

/// `rules`: the campaign's.
pub(super) fn add(
    db: &Db,
    now: Timestamp,
    (company, campaign): (CompanyId, CampaignId),
    rules: &Rules,
    leads: &[NewLead],
) -> Result<rule::Skipped> {
    let mut last = db.prepare_cached("SELECT seq_last FROM campaigns WHERE id = ?1")?;
    let first: u64 = last.query_row([campaign.0], |row| row.get(0))?;
    let sql = "INSERT INTO leads (id, campaign, number, not_after, user_id, member_id, ext, custom_uuid, created_at,
            time_zone)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
        ON CONFLICT (campaign, number) DO NOTHING";
    let mut insert = db.prepare_cached(sql)?;
    let judge = Judge::new(rules, Notes::open(db, company, Some(campaign))?, Some(campaign), now);
    let mut seq = first;
    let mut skipped = rule::Skipped::default();
    let mut zones = BTreeSet::new();
    for (i, lead) in leads.iter().enumerate() {
        if judge.on_dnc(&rules.key(&lead.number))?.is_some() {
            skipped.on_dnc.push(i);
            continue;
        }
        let stored = insert.execute(params![
            rule::lead_id(campaign, seq + 1).0,
            campaign.0,
            db.numbers.number(lead.number.as_str())?,
            lead.not_after.map(|t| t.0),
            lead.user_id,
            lead.member_id,
            lead.ext,
            lead.custom_uuid,
            now.0,
            lead.time_zone,
        ])?;
        if stored == 0 {
            skipped.duplicates.push(i);
            continue;
        }
        seq += 1;
        zones.insert(permit::zones_of(rules, lead));
    }
    for zones in zones {
        compliance::note_zones(db, campaign, &zones)?;
    }
    db.prepare_cached("UPDATE campaigns SET seq_last = ?2 WHERE id = ?1")?
        .execute(params![campaign.0, seq])?;
    let stored = (seq - first) as i64;
    Delta { total: stored, pending: stored, ..Delta::default() }.apply(db, campaign)?;
    Ok(skipped)
}

pub(super) fn list(db: &Db, campaign: CampaignId, page: Page) -> Result<(u64, Vec<Lead>)> {
    let mut total =
        db.prepare_cached("SELECT CASE forgotten WHEN 0 THEN total ELSE 0 END FROM campaigns WHERE id = ?1")?;
    let total: Option<u64> = total.query_row([campaign.0], |row| row.get(0)).optional()?;
    let total = total.ok_or(StoreError::NotFound("campaign"))?;
    if page.offset >= total {
        return Ok((total, Vec::new()));
    }
    let mut holes = db.prepare_cached("SELECT seq FROM deleted_leads WHERE campaign = ?1 ORDER BY seq")?;
    let holes = holes.query_map([campaign.0], |row| row.get::<_, u64>(0))?;
    Ok((total, from(db, campaign, rule::first_seq(page.offset, holes)?, page.limit)?))
}

/// Beginning with this sequence number.
pub(super) fn from(db: &Db, campaign: CampaignId, first: u64, limit: u32) -> Result<Vec<Lead>> {
    let (_, end) = range(campaign);
    let values = params![rule::lead_id(campaign, first).0, end, limit.min(rule::PAGE_MAX)];
    rows(db, PAGE, values, |row| lead_row(db, row))
}

pub(super) fn of_number(db: &Db, campaign: CampaignId, number: &PhoneNumber) -> Result<Option<Lead>> {
    campaigns::status(db, campaign)?;
    let mut query = db.prepare_cached("SELECT * FROM leads WHERE campaign = ?1 AND number = ?2")?;
    let number = db.numbers.number(number.as_str())?;
    Ok(query.query_row(params![campaign.0, number], |row| lead_row(db, row)).optional()?)
}

/// The ids of a campaign's leads: from the first, to before the second.
pub(super) const fn range(campaign: CampaignId) -> (i64, i64) {
    (rule::lead_id(campaign, 0).0, rule::lead_id(CampaignId(campaign.0 + 1), 0).0)
}

fn lead_row(db: &Db, row: &Row<'_>) -> rusqlite::Result<Lead> {
    let lead = NewLead {
        number: db.numbers.number_at(row, "number")?,
        not_after: time_or_none(row, "not_after")?,
        user_id: row.get("user_id")?,
        member_id: row.get("member_id")?,
        ext: row.get("ext")?,
        custom_uuid: row.get("custom_uuid")?,
        time_zone: row.get("time_zone")?,
    };
    let rule: Option<String> = row.get("rule")?;
    let called = row.get::<_, Option<i64>>("cause")?.is_some();
    Ok(Lead {
        id: LeadId(row.get("id")?),
        lead,
        created_at: time_at(row, "created_at")?,
        round: row.get("round")?,
        mark: parsed(row, "state", rule::LeadState::from_name)?
            .mark(rule.as_deref().and_then(Rule::from_name)),
        result: if called { Some(result(row)?) } else { None },
    })
}

fn result(row: &Row<'_>) -> rusqlite::Result<LeadResult> {
    Ok(LeadResult {
        call: row.get::<_, Option<[u8; 16]>>("call")?.map(|bytes| CallId(u128::from_be_bytes(bytes))),
        outcome: parsed(row, "outcome", Outcome::from_name)?,
        cause: Cause(row.get("cause")?),
        notice: notice_at(row)?,
        extension: row.get("extension")?,
        dialed_at: time_or_none(row, "dialed_at")?,
        waiting_seconds: row.get("waiting_seconds")?,
        talk_seconds: row.get("talk_seconds")?,
        sip_status: row.get("sip_status")?,
    })
}

/// Puts the called leads that match back to not called. None: there is none.
pub(super) fn recall(db: &Db, campaign: CampaignId, which: RecallWhich) -> Result<Option<Delta>> {
    let (first, end) = range(campaign);
    let sql = "SELECT outcome, count(*), count(*) FILTER (WHERE state = 'pending') FROM leads
        WHERE id >= ?1 AND id < ?2 AND outcome IS NOT NULL AND state <> 'in_flight' GROUP BY outcome";
    let counted = rows(db, sql, [first, end], |row| {
        Ok((parsed(row, "outcome", Outcome::from_name)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
    })?;
    let mut delta = Delta::default();
    let mut outcomes = Vec::new();
    for (outcome, called, waiting) in counted.into_iter().filter(|(o, ..)| which.matches(*o)) {
        delta.results(Some(outcome), None, called);
        delta.pending += called - waiting;
        outcomes.push(Value::from(outcome.name().to_owned()));
    }
    if outcomes.is_empty() {
        return Ok(None);
    }
    let sql = "UPDATE leads SET state = 'pending', due_at = ?4, attempts = 0, call = NULL, outcome = NULL, cause = NULL,
            notice = NULL, extension = NULL, dialed_at = NULL, waiting_seconds = NULL, talk_seconds = NULL,
            sip_status = NULL, rule = NULL
        WHERE id >= ?1 AND id < ?2 AND outcome IN rarray(?3) AND state <> 'in_flight'";
    db.prepare_cached(sql)?.execute(params![first, end, Rc::new(outcomes), rule::DUE_AT_ONCE])?;
    Ok(Some(delta))
}

pub(super) fn delete(db: &Db, campaign: CampaignId, numbers: &[PhoneNumber]) -> Result<u64> {
    campaigns::status(db, campaign)?;
    let sql = "DELETE FROM leads
        WHERE campaign = ?1 AND number = ?2 AND outcome IS NULL AND state <> 'in_flight'
        RETURNING id, state = 'pending'";
    let mut delete = db.prepare_cached(sql)?;
    let mut hole = db.prepare_cached("INSERT INTO deleted_leads (campaign, seq) VALUES (?1, ?2)")?;
    let mut delta = Delta::default();
    for number in numbers {
        let row = |row: &Row<'_>| Ok((LeadId(row.get(0)?), row.get::<_, bool>(1)?));
        let values = params![campaign.0, db.numbers.number(number.as_str())?];
        let Some((lead, pending)) = delete.query_row(values, row).optional()? else { continue };
        hole.execute(params![campaign.0, rule::seq_of(lead)])?;
        delta.total -= 1;
        delta.pending -= i64::from(pending);
    }
    delta.apply(db, campaign)?;
    Ok(delta.total.unsigned_abs())
}

/// A lead to call now.
pub(super) struct DueLead {
    pub id: LeadId,
    pub number: PhoneNumber,
    pub attempts: u32,
}

/// Leads that are not taken, and what becomes of them.
#[derive(Default)]
struct Aside {
    expired: Vec<LeadId>,
    waiting: Vec<(LeadId, Rule, Timestamp)>,
    refused: Vec<(LeadId, PhoneNumber, Rule)>,
}

impl Aside {
    fn len(&self) -> usize {
        self.expired.len() + self.waiting.len() + self.refused.len()
    }
}

/// Up to `count` leads to call now, in the order of the lease, their dials counted; sets aside those that may not be
/// called. Those that are taken stay pending.
pub(super) fn take_due(
    db: &Db,
    now: Timestamp,
    judge: &mut Judge<'_, Notes<'_>>,
    (company, campaign): (CompanyId, CampaignId),
    count: usize,
) -> Result<Vec<DueLead>> {
    let mut taken = Vec::new();
    let mut aside = Aside::default();
    'all: for sql in [DUE_RETRIES, FRESH] {
        let limit = count - taken.len() + rule::ASIDE_PER_LEASE_MAX - aside.len() + 1;
        let mut query = db.prepare_cached(sql)?;
        let mut found = query.query(params![campaign.0, now.0, limit])?;
        while taken.len() < count {
            let Some(row) = found.next()? else { break };
            if aside.len() >= rule::ASIDE_PER_LEASE_MAX {
                break 'all;
            }
            let (id, not_after) = (LeadId(row.get("id")?), time_or_none(row, "not_after")?);
            if rule::is_past(not_after, now) {
                aside.expired.push(id);
                continue;
            }
            let number = db.numbers.number_at(row, "number")?;
            let key = judge.rules.key(&number);
            let zone =
                row.get_ref("time_zone")?.as_str().map_err(|_| StoreError::Failed("time_zone".into()))?;
            match permit::within(judge.permit(&number, &key, zone)?, not_after) {
                Permit::Wait { rule, until } => aside.waiting.push((id, rule, until)),
                Permit::Refused(rule) => aside.refused.push((id, number, rule)),
                Permit::Allowed => {
                    compliance::note_dial(db, now, company, &key)?;
                    taken.push(DueLead { id, number, attempts: row.get("attempts")? });
                }
            }
        }
    }
    set_aside(db, now, (company, campaign), &aside)?;
    Ok(taken)
}

fn set_aside(
    db: &Db,
    now: Timestamp,
    (company, campaign): (CompanyId, CampaignId),
    aside: &Aside,
) -> Result<()> {
    give_up(db, campaign, &aside.expired)?;
    let mut wait = db.prepare_cached("UPDATE leads SET due_at = ?2, rule = ?3 WHERE id = ?1")?;
    for (lead, rule, until) in &aside.waiting {
        wait.execute(params![lead.0, until.0, rule.name()])?;
    }
    for (lead, number, rule) in &aside.refused {
        refuse(db, *lead, *rule)?;
        compliance::refused(db, now, company, Some(*lead), number, *rule)?;
    }
    Ok(())
}

/// A pending lead is not called: the rules forbid it.
fn refuse(db: &Db, lead: LeadId, rule: Rule) -> Result<()> {
    let mut old = db.prepare_cached("SELECT outcome FROM leads WHERE id = ?1")?;
    let old: Option<String> = old.query_row([lead.0], |row| row.get(0))?;
    let sql = "UPDATE leads SET state = 'called', rule = ?2, outcome = ?3, cause = ?4, notice = NULL, extension = NULL,
            waiting_seconds = 0, talk_seconds = 0, sip_status = 0
        WHERE id = ?1";
    let values = params![lead.0, rule.name(), Outcome::Blocked.name(), Cause::BLOCKED.0];
    db.prepare_cached(sql)?.execute(values)?;
    let mut delta = Delta { pending: -1, ..Delta::default() };
    delta.results(old.as_deref().and_then(Outcome::from_name), Some(Outcome::Blocked), 1);
    delta.apply(db, rule::campaign_of(lead))
}

/// A lead that was called keeps its result and is not called again.
fn give_up(db: &Db, campaign: CampaignId, leads: &[LeadId]) -> Result<()> {
    if leads.is_empty() {
        return Ok(());
    }
    let sql = "UPDATE leads SET state = iif(outcome IS NULL, 'expired', 'called'), rule = NULL WHERE id = ?1";
    let mut update = db.prepare_cached(sql)?;
    for lead in leads {
        update.execute([lead.0])?;
    }
    Delta { pending: -(leads.len() as i64), ..Delta::default() }.apply(db, campaign)
}

/// False when a lead is in flight or may be called now or later. Else every lead that is left is past its deadline, and
/// is given up.
pub(super) fn settle(db: &Db, now: Timestamp, campaign: CampaignId) -> Result<bool> {
    let mut left = db.prepare_cached("SELECT pending, in_flight FROM campaigns WHERE id = ?1")?;
    let left = left.query_row([campaign.0], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
    let pending = match left {
        (0, 0) => return Ok(true),
        (_, 1..) => return Ok(false),
        (pending, _) => pending,
    };
    if db.prepare_cached(CALLABLE)?.exists([campaign.0, now.0])? {
        return Ok(false);
    }
    let sql = "UPDATE leads SET state = iif(outcome IS NULL, 'expired', 'called'), rule = NULL
        WHERE campaign = ?1 AND state = 'pending'";
    db.prepare_cached(sql)?.execute([campaign.0])?;
    Delta { pending: -pending, ..Delta::default() }.apply(db, campaign)?;
    Ok(true)
}

pub(super) fn supply(
    db: &Db,
    now: Timestamp,
    campaign: CampaignId,
    status: CampaignStatus,
    rules: &Rules,
) -> Result<Supply> {
    let supply = due_supply(db, now, campaign, status)?;
    if !rules.has_hours() || supply == Supply::Exhausted {
        return Ok(supply);
    }
    Ok(permit::supply_in_hours(rules, now, supply, compliance::zones(db, campaign)?))
}

/// Whatever the hours.
fn due_supply(db: &Db, now: Timestamp, campaign: CampaignId, status: CampaignStatus) -> Result<Supply> {
    if status == CampaignStatus::Ended {
        return Ok(Supply::Exhausted);
    }
    let due = db.prepare_cached(NEXT_DUE)?.query_row([campaign.0], |row| row.get::<_, i64>(0)).optional()?;
    Ok(match due {
        None => Supply::Exhausted,
        Some(due) if due <= now.0.max(rule::DUE_AT_ONCE) => Supply::Available,
        Some(due) => Supply::Due(Timestamp(due)),
    })
}

const PAGE: &str = "SELECT * FROM leads WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT ?3";

const DUE_RETRIES: &str = "SELECT id, number, attempts, not_after, time_zone FROM leads
    WHERE campaign = ?1 AND state = 'pending' AND due_at > 0 AND due_at <= ?2 ORDER BY due_at, id LIMIT ?3";

/// `?2` is there so that both are asked alike.
const FRESH: &str = "SELECT id, number, attempts, not_after, time_zone FROM leads
    WHERE campaign = ?1 AND state = 'pending' AND due_at = 0 AND ?2 = ?2 ORDER BY id LIMIT ?3";

const CALLABLE: &str = "SELECT 1 FROM leads
    WHERE campaign = ?1 AND state = 'pending' AND (not_after IS NULL OR not_after >= ?2)";

const NEXT_DUE: &str =
    "SELECT due_at FROM leads WHERE campaign = ?1 AND state = 'pending' ORDER BY due_at LIMIT 1";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::Folder;

    #[test]
    fn what_a_lease_and_a_page_read_does_not_grow_with_the_campaign() {
        let folder = Folder::new();
        let db = connection::open_writer(&folder.database()).unwrap();
        for (sql, way) in [
            (PAGE, "USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
            (DUE_RETRIES, "USING INDEX leads_due (campaign=? AND due_at>? AND due_at<?)"),
            (FRESH, "USING INDEX leads_due (campaign=? AND due_at=?)"),
            (CALLABLE, "USING INDEX leads_due (campaign=?)"),
            (NEXT_DUE, "USING COVERING INDEX leads_due (campaign=?)"),
        ] {
            let mut query = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let values = rusqlite::params_from_iter(vec![0; query.parameter_count()]);
            let plan = query.query_map(values, |row| row.get::<_, String>(3)).unwrap();
            let plan: Vec<String> = plan.map(std::result::Result::unwrap).collect();
            assert_eq!(plan, [format!("SEARCH leads {way}")], "one search, nothing sorted");
        }
    }
}
