//! Leases and calls.

use rusqlite::{OptionalExtension, Row, named_params, params};

use super::column::*;
use super::compliance::Notes;
use super::leads::Delta;
use super::*;
use crate::permit::Judge;
use rule::LeadState;

pub(super) fn lease(
    db: &Db,
    now: Timestamp,
    campaign: CampaignId,
    slots: &[LeaseSlot],
) -> Result<(Vec<LeasedLead>, Supply)> {
    let (status, company) = campaigns::status(db, campaign)?;
    let rules = compliance::campaign_rules(db, company, campaign)?;
    let supply = leads::supply(db, now, campaign, status, &rules)?;
    if status != CampaignStatus::Running || matches!(supply, Supply::Due(at) if at > now) {
        return Ok((Vec::new(), supply));
    }
    let mut judge = Judge::new(&rules, Notes::open(db, company, Some(campaign))?, Some(campaign), now);
    let count = slots.len().min(rule::LEASE_MAX);
    let due = leads::take_due(db, now, &mut judge, (company, campaign), count)?;
    let sql = "UPDATE leads SET state = 'in_flight', attempts = attempts + 1, round = round + 1, rule = NULL
        WHERE id = ?1";
    let mut take = db.prepare_cached(sql)?;
    let sql = "INSERT INTO calls (id, company, campaign, lead, number, attempt, trunk, caller_id, dialed_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let mut insert = db.prepare_cached(sql)?;
    let mut leased = Vec::with_capacity(due.len());
    for (lead, slot) in due.into_iter().zip(slots) {
        take.execute([lead.id.0])?;
        let attempt = lead.attempts + 1;
        let number = db.numbers.number(lead.number.as_str())?;
        let (call, lead_id) = (call_blob(slot.call), lead.id.0);
        let values = params![
            call,
            company.0,
            campaign.0,
            lead_id,
            number,
            attempt,
            slot.trunk.0,
            slot.caller_id,
            now.0
        ];
        insert.execute(values).map_err(|e| broken(e, "call", "campaign"))?;
        leased.push(LeasedLead { call: slot.call, lead: lead.id, number: lead.number, attempt });
    }
    let count = leased.len() as i64;
    if count > 0 {
        Delta { pending: -count, in_flight: count, ..Delta::default() }.apply(db, campaign)?;
        compliance::forget(db, now)?;
    }
    Ok((leased, leads::supply(db, now, campaign, status, &rules)?))
}

pub(super) fn give_back(db: &Db, calls: &[CallId]) -> Result<()> {
    let sql = "DELETE FROM calls WHERE id = ?1 AND ended_at IS NULL
        RETURNING campaign, lead, company, number, dialed_at";
    let mut delete = db.prepare_cached(sql)?;
    let sql = "UPDATE leads SET state = 'pending', attempts = attempts - 1, round = round - 1 WHERE id = ?1";
    let mut put_back = db.prepare_cached(sql)?;
    for call in calls {
        let row = |row: &Row<'_>| {
            let dial = (
                time_at(row, "dialed_at")?,
                CompanyId(row.get("company")?),
                db.numbers.number_at(row, "number")?,
            );
            Ok((CampaignId(row.get("campaign")?), LeadId(row.get("lead")?), dial))
        };
        let returned = delete.query_row([call_blob(*call)], row).optional()?;
        let Some((campaign, lead, (dialed_at, company, number))) = returned else { continue };
        compliance::take_back_dial(db, dialed_at, company, &number)?;
        put_back.execute([lead.0])?;
        Delta { pending: 1, in_flight: -1, ..Delta::default() }.apply(db, campaign)?;
    }
    Ok(())
}

pub(super) fn finish(
    db: &Db,
    now: Timestamp,
    record: &CallRecord,
    retry: &RetryRule,
) -> Result<Option<Timestamp>> {
    let mut query = db.prepare_cached("SELECT lead, ended_at FROM calls WHERE id = ?1")?;
    let found = query.query_row([call_blob(record.call)], |row| {
        Ok((LeadId(row.get("lead")?), time_or_none(row, "ended_at")?))
    });
    let (lead, ended_at) = found.optional()?.ok_or(StoreError::NotFound("call"))?;
    if ended_at.is_none() {
        close(db, record)?;
        let mut extension = db.prepare_cached("SELECT number FROM extensions WHERE id = ?1")?;
        let extension = record.agent.map(|a| extension.query_row([a.0], |row| row.get(0)).optional());
        let result = rule::result_of(record, extension.transpose()?.flatten());
        store_result(db, now, lead, &result, retry)?;
        let bill = bills::add(db, record, &result)?;
        let agent = record.agent.filter(|_| record.outcome == Outcome::Connected);
        let last = LastCall { campaign: Some(record.campaign), agent };
        directs::remember(db, record.ended_at, bill.company, &bill.number, last)?;
        if record.outcome == Outcome::Abandoned {
            compliance::note_abandoned(db, record.ended_at, bill.company, &bill.number)?;
        }
        outbox::call_finished(db, now, &bill)?;
    }
    due_again(db, lead)
}

fn close(db: &Db, r: &CallRecord) -> Result<()> {
    let sql = "UPDATE calls SET trunk = :trunk, caller_id = :caller_id, dialed_at = :dialed_at,
            ringing_at = :ringing_at, answered_at = :answered_at, bridged_at = :bridged_at, ended_at = :ended_at,
            agent = :agent, outcome = :outcome, cause = :cause, notice = :notice, hangup_by = :hangup_by,
            sip_status = :sip_status
        WHERE id = :id";
    db.prepare_cached(sql)?.execute(named_params! {
        ":id": call_blob(r.call), ":trunk": r.trunk.0, ":caller_id": r.caller_id, ":dialed_at": r.dialed_at.0,
        ":ringing_at": r.ringing_at.map(|t| t.0), ":answered_at": r.answered_at.map(|t| t.0),
        ":bridged_at": r.bridged_at.map(|t| t.0), ":ended_at": r.ended_at.0, ":agent": r.agent.map(|a| a.0),
        ":outcome": r.outcome.name(), ":cause": r.cause.0, ":notice": r.notice.map(Notice::name), ":hangup_by": r.hangup_by.name(),
        ":sip_status": r.sip_status,
    })?;
    Ok(())
}

/// The lead of an open call, so it is in flight: its result, what comes next, and the counters.
fn store_result(db: &Db, now: Timestamp, lead: LeadId, result: &LeadResult, retry: &RetryRule) -> Result<()> {
    let sql = "SELECT leads.attempts, leads.not_after, leads.outcome, campaigns.attempts_max
        FROM leads JOIN campaigns ON campaigns.id = leads.campaign WHERE leads.id = ?1";
    let (chances, old) = db.prepare_cached(sql)?.query_row([lead.0], |row| {
        let chances = rule::Chances {
            attempts: row.get("attempts")?,
            attempts_max: row.get("attempts_max")?,
            not_after: time_or_none(row, "not_after")?,
        };
        let old: Option<String> = row.get("outcome")?;
        Ok((chances, old.as_deref().and_then(Outcome::from_name)))
    })?;
    let due = chances.retry_at(now, result.outcome, retry);
    let state = if due.is_some() { LeadState::Pending } else { LeadState::Called };
    let sql = "UPDATE leads SET state = :state, due_at = coalesce(:due_at, due_at), call = :call, outcome = :outcome,
            cause = :cause, notice = :notice, extension = :extension, dialed_at = :dialed_at, waiting_seconds = :waiting_seconds,
            talk_seconds = :talk_seconds, sip_status = :sip_status
        WHERE id = :id";
    db.prepare_cached(sql)?.execute(named_params! {
        ":id": lead.0, ":state": state.name(), ":due_at": due.map(|t| t.0), ":call": result.call.map(call_blob),
        ":outcome": result.outcome.name(), ":cause": result.cause.0,
        ":notice": result.notice.map(Notice::name), ":extension": result.extension,
        ":dialed_at": result.dialed_at.map(|t| t.0), ":waiting_seconds": result.waiting_seconds,
        ":talk_seconds": result.talk_seconds, ":sip_status": result.sip_status,
    })?;
    let mut delta = Delta { pending: i64::from(due.is_some()), in_flight: -1, ..Delta::default() };
    delta.results(old, Some(result.outcome), 1);
    delta.apply(db, rule::campaign_of(lead))
}

/// None too when the lead is gone or its campaign has ended.
fn due_again(db: &Db, lead: LeadId) -> Result<Option<Timestamp>> {
    let sql = "SELECT leads.due_at FROM leads JOIN campaigns ON campaigns.id = leads.campaign
        WHERE leads.id = ?1 AND leads.state = 'pending' AND campaigns.status <> 'ended'";
    Ok(db.prepare_cached(sql)?.query_row([lead.0], |row| time_at(row, "due_at")).optional()?)
}

pub(super) fn rescue(db: &Db, now: Timestamp, company: CompanyId, retry: &RetryRule) -> Result<Vec<CallId>> {
    let sql = "SELECT * FROM calls WHERE company = ?1 AND ended_at IS NULL ORDER BY id";
    let open = rows(db, sql, [company.0], |row| call_row(db, row))?;
    for call in &open {
        finish(db, now, &rule::lost(call, now), retry)?;
    }
    Ok(open.into_iter().map(|c| c.id).collect())
}

pub(super) fn answered_since(db: &Db, campaign: CampaignId, since: Timestamp) -> Result<(u32, u32)> {
    campaigns::status(db, campaign)?;
    let sql = "SELECT count(*), count(*) FILTER (WHERE outcome = 'abandoned') FROM calls
        WHERE campaign = ?1 AND ended_at >= ?2 AND outcome IN ('connected', 'abandoned')";
    let mut query = db.prepare_cached(sql)?;
    Ok(query.query_row([campaign.0, since.0], |row| Ok((row.get(0)?, row.get(1)?)))?)
}

pub(super) fn list(db: &Db, campaign: CampaignId, after: Option<CallId>, limit: u32) -> Result<Vec<Call>> {
    campaigns::status(db, campaign)?;
    // Every id is greater than the empty one.
    let after = after.map(call_blob);
    let after: &[u8] = after.as_ref().map_or(&[], |id| id);
    let sql = "SELECT * FROM calls WHERE campaign = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
    rows(db, sql, params![campaign.0, after, limit.min(rule::PAGE_MAX)], |row| call_row(db, row))
}

pub(super) fn call_row(db: &Db, row: &Row<'_>) -> rusqlite::Result<Call> {
    let mut call = Call {
        id: call_at(row, "id")?,
        campaign: CampaignId(row.get("campaign")?),
        lead: LeadId(row.get("lead")?),
        number: db.numbers.number_at(row, "number")?,
        attempt: row.get("attempt")?,
        trunk: TrunkId(row.get("trunk")?),
        caller_id: row.get("caller_id")?,
        dialed_at: time_at(row, "dialed_at")?,
        record: None,
    };
    if let Some(ended_at) = time_or_none(row, "ended_at")? {
        call.record = Some(CallRecord {
            call: call.id,
            campaign: call.campaign,
            lead: call.lead,
            attempt: call.attempt,
            trunk: call.trunk,
            caller_id: call.caller_id.clone(),
            dialed_at: call.dialed_at,
            ringing_at: time_or_none(row, "ringing_at")?,
            answered_at: time_or_none(row, "answered_at")?,
            bridged_at: time_or_none(row, "bridged_at")?,
            ended_at,
            agent: row.get::<_, Option<i64>>("agent")?.map(AgentId),
            outcome: parsed(row, "outcome", Outcome::from_name)?,
            cause: Cause(row.get("cause")?),
            notice: notice_at(row)?,
            hangup_by: HangupBy::from_name(&row.get::<_, String>("hangup_by")?),
            sip_status: row.get("sip_status")?,
            keys: String::new(),
        });
    }
    Ok(call)
}
