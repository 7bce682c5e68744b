//! Calls that are no campaign's.

use rusqlite::{OptionalExtension, Row, named_params, params};

use super::column::*;
use super::*;
use crate::bill::direct_bill;

/// In place of an agent's id, which begin with 1.
const NOBODY: i64 = 0;

pub(super) fn open(db: &Db, company: CompanyId, call: &NewDirect) -> Result<()> {
    let sql = "INSERT INTO direct_calls (id, company, kind, agent, number, caller_id, user_id, member_id, ext, custom_uuid,
            dialed_at)
        VALUES (:id, :company, :kind, :agent, :number, :caller_id, :user_id, :member_id, :ext, :custom_uuid, :dialed_at)";
    let values = named_params! {
        ":id": call_blob(call.call), ":company": company.0, ":kind": call.kind.name(), ":agent": call.agent.map_or(NOBODY, |a| a.0),
        ":number": db.numbers.number(call.number.as_str())?, ":caller_id": call.caller_id, ":user_id": call.tags.user_id,
        ":member_id": call.tags.member_id, ":ext": call.tags.ext, ":custom_uuid": call.tags.custom_uuid,
        ":dialed_at": call.dialed_at.0,
    };
    db.prepare_cached(sql)?.execute(values).map_err(|e| broken(e, "call", "company"))?;
    Ok(())
}

pub(super) fn finish(db: &Db, now: Timestamp, record: &DirectRecord) -> Result<()> {
    let sql =
        "SELECT *, (SELECT filename FROM recordings WHERE recordings.call = direct_calls.id) AS recording
        FROM direct_calls WHERE id = ?1";
    let mut query = db.prepare_cached(sql)?;
    let found = query.query_row([call_blob(record.call)], |row| {
        let recording: Option<String> = row.get("recording")?;
        let ended_at = time_or_none(row, "ended_at")?;
        Ok((CompanyId(row.get("company")?), direct_row(db, row)?, ended_at, recording.unwrap_or_default()))
    });
    let (company, call, ended_at, recording) = found.optional()?.ok_or(StoreError::NotFound("call"))?;
    if ended_at.is_some() {
        return Ok(());
    }
    close(db, record)?;
    let mut extension = db.prepare_cached("SELECT number FROM extensions WHERE id = ?1")?;
    let agent = record.agent.map_or(NOBODY, |a| a.0);
    let extension = extension.query_row([agent], |row| row.get(0)).optional()?.unwrap_or_default();
    if call.kind != DirectKind::Internal && !call.number.is_withheld() {
        let agent = record.agent.filter(|_| record.outcome == Outcome::Connected);
        remember(db, record.ended_at, company, &call.number, LastCall { campaign: None, agent })?;
    }
    let bill = bills::put(db, &direct_bill(company, &call, record, extension, recording))?;
    outbox::call_finished(db, now, &bill)
}

fn close(db: &Db, r: &DirectRecord) -> Result<()> {
    let sql = "UPDATE direct_calls SET agent = :agent, trunk = :trunk, ringing_at = :ringing_at,
            answered_at = :answered_at, bridged_at = :bridged_at, ended_at = :ended_at, outcome = :outcome,
            cause = :cause, hangup_by = :hangup_by, sip_status = :sip_status
        WHERE id = :id";
    db.prepare_cached(sql)?.execute(named_params! {
        ":id": call_blob(r.call), ":agent": r.agent.map_or(NOBODY, |a| a.0), ":trunk": r.trunk.map(|t| t.0),
        ":ringing_at": r.ringing_at.map(|t| t.0), ":answered_at": r.answered_at.map(|t| t.0),
        ":bridged_at": r.bridged_at.map(|t| t.0), ":ended_at": r.ended_at.0, ":outcome": r.outcome.name(),
        ":cause": r.cause.0, ":hangup_by": r.hangup_by.name(), ":sip_status": r.sip_status,
    })?;
    Ok(())
}

pub(super) fn rescue(db: &Db, now: Timestamp, company: CompanyId) -> Result<Vec<CallId>> {
    let sql = "SELECT * FROM direct_calls WHERE company = ?1 AND ended_at IS NULL ORDER BY id";
    let open = rows(db, sql, [company.0], |row| direct_row(db, row))?;
    for call in &open {
        finish(db, now, &rule::lost_direct(call, now))?;
    }
    Ok(open.into_iter().map(|c| c.call).collect())
}

/// What is not known of this call stays as it was.
pub(super) fn remember(
    db: &Db,
    at: Timestamp,
    company: CompanyId,
    number: &PhoneNumber,
    call: LastCall,
) -> Result<()> {
    let key = compliance::rules(db, company, &[])?.key(number);
    let sql = "INSERT INTO last_calls (company, key, campaign, agent, at) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT (company, key) DO UPDATE SET
            campaign = coalesce(excluded.campaign, campaign), agent = coalesce(excluded.agent, agent), at = excluded.at";
    let (campaign, agent) = (call.campaign.map(|c| c.0), call.agent.map(|a| a.0));
    db.prepare_cached(sql)?.execute(params![company.0, db.numbers.key(&key)?, campaign, agent, at.0])?;
    Ok(())
}

pub(super) fn last(db: &Db, company: CompanyId, number: &PhoneNumber) -> Result<LastCall> {
    let key = compliance::rules(db, company, &[])?.key(number);
    let sql = "SELECT campaign, agent FROM last_calls WHERE company = ?1 AND key = ?2";
    let found = db.prepare_cached(sql)?.query_row(params![company.0, db.numbers.key(&key)?], |row| {
        let (campaign, agent): (Option<i64>, Option<i64>) = (row.get(0)?, row.get(1)?);
        Ok(LastCall { campaign: campaign.map(CampaignId), agent: agent.map(AgentId) })
    });
    Ok(found.optional()?.unwrap_or_default())
}

/// What an extension state says of the call, with its company.
pub(super) fn facts(db: &Db, call: CallId) -> Result<Option<(CompanyId, NewDirect)>> {
    let mut query = db.prepare_cached("SELECT * FROM direct_calls WHERE id = ?1")?;
    let row = |row: &Row<'_>| Ok((CompanyId(row.get("company")?), direct_row(db, row)?));
    Ok(query.query_row([call_blob(call)], row).optional()?)
}

pub(super) fn direct_row(db: &Db, row: &Row<'_>) -> rusqlite::Result<NewDirect> {
    Ok(NewDirect {
        call: call_at(row, "id")?,
        kind: parsed(row, "kind", DirectKind::from_name)?,
        agent: Some(row.get("agent")?).filter(|id| *id != NOBODY).map(AgentId),
        number: db.numbers.number_at(row, "number")?,
        caller_id: row.get("caller_id")?,
        tags: CallTags {
            user_id: row.get("user_id")?,
            member_id: row.get("member_id")?,
            ext: row.get("ext")?,
            custom_uuid: row.get("custom_uuid")?,
        },
        dialed_at: time_at(row, "dialed_at")?,
    })
}

/// None: it is open.
pub(super) fn record_row(row: &Row<'_>) -> rusqlite::Result<Option<DirectRecord>> {
    let Some(ended_at) = time_or_none(row, "ended_at")? else { return Ok(None) };
    Ok(Some(DirectRecord {
        call: call_at(row, "id")?,
        agent: Some(row.get("agent")?).filter(|id| *id != NOBODY).map(AgentId),
        trunk: row.get::<_, Option<i64>>("trunk")?.map(TrunkId),
        ringing_at: time_or_none(row, "ringing_at")?,
        answered_at: time_or_none(row, "answered_at")?,
        bridged_at: time_or_none(row, "bridged_at")?,
        ended_at,
        outcome: parsed(row, "outcome", Outcome::from_name)?,
        cause: Cause(row.get("cause")?),
        hangup_by: HangupBy::from_name(&row.get::<_, String>("hangup_by")?),
        sip_status: row.get("sip_status")?,
        keys: String::new(),
    }))
}
