//! Pushes: where to, and what waits to be told.

use rusqlite::{OptionalExtension, Row, named_params, params};

use super::column::*;
use super::*;
use crate::bill::{CallFacts, PREDICTIVE, direct_facts, json, leg_state_body, task_status_body};
use crate::outbox::{DEAD_KEPT, EventState, GIVEN_UP_MAX};

pub(super) fn put_settings(db: &Db, p: &PushSettings) -> Result<()> {
    let sql = "INSERT INTO company_pushes (company, task_status_url, extension_state_url, bill_url, detail_form, secret,
            allow_private)
        VALUES (:company, :task_status_url, :extension_state_url, :bill_url, :detail_form, seal(:secret), :allow_private)
        ON CONFLICT (company) DO UPDATE SET task_status_url = excluded.task_status_url,
            extension_state_url = excluded.extension_state_url, bill_url = excluded.bill_url,
            detail_form = excluded.detail_form, secret = excluded.secret, allow_private = excluded.allow_private";
    let values = named_params! {
        ":company": p.company.0, ":task_status_url": p.task_status_url,
        ":extension_state_url": p.extension_state_url, ":bill_url": p.bill_url, ":detail_form": p.detail_form,
        ":secret": p.secret, ":allow_private": p.allow_private,
    };
    db.prepare_cached(sql)?.execute(values).map_err(|e| broken(e, "company", "company"))?;
    Ok(())
}

fn settings_row(row: &Row<'_>) -> rusqlite::Result<PushSettings> {
    Ok(PushSettings {
        company: CompanyId(row.get("company")?),
        task_status_url: row.get("task_status_url")?,
        extension_state_url: row.get("extension_state_url")?,
        bill_url: row.get("bill_url")?,
        detail_form: row.get("detail_form")?,
        secret: row.get("clear")?,
        allow_private: row.get("allow_private")?,
    })
}

pub(super) fn settings(db: &Db) -> Result<Vec<PushSettings>> {
    rows(db, "SELECT *, unseal(secret) AS clear FROM company_pushes ORDER BY company", [], settings_row)
}

/// The company when it wants to be told of this kind.
fn told(db: &Db, company: CompanyId, kind: PushKind) -> Result<Option<Company>> {
    let mut query =
        db.prepare_cached("SELECT *, unseal(secret) AS clear FROM company_pushes WHERE company = ?1")?;
    let settings = query.query_row([company.0], settings_row).optional()?;
    match settings.is_some_and(|s| !s.url(kind).is_empty()) {
        true => provision::company(db, company).map(Some),
        false => Ok(None),
    }
}

pub(super) fn campaign_ended(db: &Db, now: Timestamp, campaign: &Campaign) -> Result<()> {
    let kind = PushKind::TaskStatus;
    let Some(company) = told(db, campaign.settings.company, kind)? else { return Ok(()) };
    put(db, now, company.id, kind, None, &task_status_body(campaign, &company.settings))
}

pub(super) fn call_finished(db: &Db, now: Timestamp, bill: &Bill) -> Result<()> {
    let kind = PushKind::Bill;
    let Some(company) = told(db, bill.company, kind)? else { return Ok(()) };
    put(db, now, company.id, kind, Some(bill.call), &json(&bill_body(bill, &company.settings)))
}

pub(super) fn put_leg_states(db: &Db, now: Timestamp, states: &[LegState]) -> Result<()> {
    let sql = "SELECT calls.company, calls.number, calls.caller_id, leads.custom_uuid, calls.dialed_at,
            coalesce((SELECT number FROM extensions WHERE id = ?2), '') AS extension
        FROM calls JOIN leads ON leads.id = calls.lead WHERE calls.id = ?1";
    let mut query = db.prepare_cached(sql)?;
    for state in states {
        if let Some((company, call)) = directs::facts(db, state.call)? {
            put_direct_state(db, now, company, &call, state)?;
            continue;
        }
        let found = query.query_row(params![call_blob(state.call), state.agent.map(|a| a.0)], |row| {
            let texts = (row.get("caller_id")?, row.get("custom_uuid")?, row.get("extension")?);
            Ok((
                CompanyId(row.get("company")?),
                db.numbers.number_at(row, "number")?,
                texts,
                time_at(row, "dialed_at")?,
            ))
        });
        let Some((company, number, texts, dialed_at)) = found.optional()? else { continue };
        let (caller_id, custom_uuid, extension): (String, String, String) = texts;
        let Some(company) = told(db, company, PushKind::ExtensionState)? else { continue };
        let facts = CallFacts {
            is_inbound: false,
            method: PREDICTIVE,
            number: &number,
            caller_id: &caller_id,
            custom_uuid: &custom_uuid,
            dialed_at,
            extension: &extension,
        };
        let body = leg_state_body(state, &facts, &company.settings);
        put(db, now, company.id, PushKind::ExtensionState, Some(state.call), &body)?;
    }
    Ok(())
}

fn put_direct_state(
    db: &Db,
    now: Timestamp,
    company: CompanyId,
    call: &NewDirect,
    state: &LegState,
) -> Result<()> {
    let kind = PushKind::ExtensionState;
    let Some(company) = told(db, company, kind)? else { return Ok(()) };
    let mut extension = db.prepare_cached("SELECT number FROM extensions WHERE id = ?1")?;
    let agent = state.agent.or(call.agent).map(|agent| agent.0);
    let extension: Option<String> = extension.query_row([agent], |row| row.get(0)).optional()?;
    let facts = direct_facts(call, extension.as_deref().unwrap_or_default());
    put(db, now, company.id, kind, Some(state.call), &leg_state_body(state, &facts, &company.settings))
}

fn put(
    db: &Db,
    now: Timestamp,
    company: CompanyId,
    kind: PushKind,
    call: Option<CallId>,
    body: &str,
) -> Result<()> {
    let sql = "INSERT INTO outbox (company, kind, call, body, created_at, due_at, expires_at, state)
        VALUES (:company, :kind, :call, :body, :now, :now, :expires_at, CASE WHEN :call IS NOT NULL AND EXISTS (
            SELECT 1 FROM outbox WHERE call = :call AND state <> 'dead' AND call IS NOT NULL
        ) THEN 'waiting' ELSE 'pending' END)";
    db.prepare_cached(sql)?.execute(named_params! {
        ":company": company.0, ":kind": kind.name(), ":call": call.map(call_blob), ":body": db.numbers.text(body)?, ":now": now.0,
        ":expires_at": now.plus(EVENT_LIFETIME).0,
    })?;
    Ok(())
}

fn event_row(db: &Db, row: &Row<'_>) -> rusqlite::Result<Event> {
    let call: Option<[u8; 16]> = row.get("call")?;
    Ok(Event {
        id: row.get("id")?,
        company: CompanyId(row.get("company")?),
        kind: parsed(row, "kind", PushKind::from_name)?,
        call: call.map(|bytes| CallId(u128::from_be_bytes(bytes))),
        body: db.numbers.text_at(row, "body")?,
        created_at: time_at(row, "created_at")?,
        expires_at: time_at(row, "expires_at")?,
        attempts: row.get("attempts")?,
        error: row.get("error")?,
    })
}

pub(super) fn due(
    db: &Db,
    now: Timestamp,
    company: CompanyId,
    kind: PushKind,
    limit: u32,
) -> Result<Vec<Event>> {
    let sql = "SELECT * FROM outbox WHERE company = ?1 AND kind = ?2 AND state = 'pending' AND due_at <= ?3
        ORDER BY due_at, id LIMIT ?4";
    rows(db, sql, params![company.0, kind.name(), now.0, limit.min(rule::PAGE_MAX)], |row| event_row(db, row))
}

pub(super) fn delivered(db: &Db, event: i64) -> Result<()> {
    let mut delete = db.prepare_cached("DELETE FROM outbox WHERE id = ?1 RETURNING call")?;
    let call = delete.query_row([event], |row| row.get(0)).optional()?.flatten();
    follow(db, call)
}

pub(super) fn failed(db: &Db, event: i64, next: Option<Timestamp>, error: &str) -> Result<()> {
    let sql =
        "UPDATE outbox SET attempts = attempts + 1, error = ?2, due_at = coalesce(?3, due_at), state = ?4
        WHERE id = ?1 AND state <> 'dead' RETURNING call";
    let state = if next.is_some() { EventState::Pending } else { EventState::Dead };
    let mut update = db.prepare_cached(sql)?;
    let values = params![event, error, next.map(|t| t.0), state.name()];
    let call = update.query_row(values, |row| row.get(0)).optional()?.flatten();
    follow(db, call)
}

/// The first event of the call that was not told waits no more.
fn follow(db: &Db, call: Option<[u8; 16]>) -> Result<()> {
    let Some(call) = call else { return Ok(()) };
    let sql = "UPDATE outbox SET state = 'pending' WHERE state = 'waiting' AND id = (
        SELECT min(id) FROM outbox WHERE call = ?1 AND state <> 'dead' AND call IS NOT NULL)";
    db.prepare_cached(sql)?.execute([call])?;
    Ok(())
}

pub(super) fn give_up(db: &Db, now: Timestamp, company: CompanyId, kind: PushKind) -> Result<u64> {
    let sql = "SELECT id, call FROM outbox WHERE company = ?1 AND kind = ?2 AND state <> 'dead' AND expires_at <= ?3
        ORDER BY expires_at, id LIMIT ?4";
    let expired = rows(db, sql, params![company.0, kind.name(), now.0, GIVEN_UP_MAX], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, Option<[u8; 16]>>(1)?))
    })?;
    let mut kill = db.prepare_cached("UPDATE outbox SET state = 'dead' WHERE id = ?1")?;
    for (event, call) in &expired {
        kill.execute([event])?;
        follow(db, *call)?;
    }
    let forgotten = now.0.saturating_sub(i64::try_from(DEAD_KEPT.as_micros()).unwrap_or(i64::MAX));
    db.prepare_cached("DELETE FROM outbox WHERE state = 'dead' AND expires_at <= ?1")?
        .execute([forgotten])?;
    Ok(expired.len() as u64)
}

pub(super) fn dead(db: &Db, company: CompanyId, limit: u32) -> Result<Vec<Event>> {
    let sql = "SELECT * FROM outbox WHERE company = ?1 AND state = 'dead' ORDER BY id LIMIT ?2";
    rows(db, sql, params![company.0, limit.min(rule::PAGE_MAX)], |row| event_row(db, row))
}

pub(super) fn resend(db: &Db, now: Timestamp, company: CompanyId, event: i64) -> Result<()> {
    let sql = "UPDATE outbox SET state = 'waiting', attempts = 0, error = '', due_at = ?3, expires_at = ?4
        WHERE id = ?1 AND company = ?2 AND state = 'dead' RETURNING call";
    let mut update = db.prepare_cached(sql)?;
    let values = params![event, company.0, now.0, now.plus(EVENT_LIFETIME).0];
    let call: Option<[u8; 16]> =
        update.query_row(values, |row| row.get(0)).optional()?.ok_or(StoreError::NotFound("event"))?;
    if call.is_none() {
        db.prepare_cached("UPDATE outbox SET state = 'pending' WHERE id = ?1")?.execute([event])?;
    }
    follow(db, call)
}
