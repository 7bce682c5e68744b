//! Users, sessions, keys, the audit trail, requests that may be sent again.

use rusqlite::{OptionalExtension, Row, ToSql, named_params, params, params_from_iter};

use super::campaigns::text_or_none;
use super::column::*;
use super::*;
use crate::access::claim_of;

const COMPANY: &str = "company";

pub(super) fn add_user(db: &Db, now: Timestamp, u: &NewUser) -> Result<User> {
    let sql = "INSERT INTO users (company, name, role, extension, password_hash, enabled, created_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING *";
    let values = params![u.company.0, u.name, u.role.name(), u.extension, u.password_hash, u.enabled, now.0];
    let added = db.prepare_cached(sql)?.query_row(values, user_row);
    added.map_err(|e| broken(e, "user", COMPANY))
}

pub(super) fn edit_user(db: &Db, user: &User) -> Result<()> {
    let u = &user.settings;
    let sql = "SELECT * FROM users WHERE id = ?1";
    let known = db.prepare_cached(sql)?.query_row([user.id], user_row).optional()?;
    let known = known.ok_or(StoreError::NotFound("user"))?.settings;
    let sql = "UPDATE users SET role = ?2, extension = ?3, password_hash = ?4, enabled = ?5 WHERE id = ?1";
    let values = params![user.id, u.role.name(), u.extension, u.password_hash, u.enabled];
    db.prepare_cached(sql)?.execute(values)?;
    if !u.enabled || u.password_hash != known.password_hash || u.role != known.role {
        db.prepare_cached("DELETE FROM sessions WHERE user = ?1")?.execute([user.id])?;
    }
    Ok(())
}

fn user_row(row: &Row<'_>) -> rusqlite::Result<User> {
    let settings = NewUser {
        company: CompanyId(row.get("company")?),
        name: row.get("name")?,
        role: parsed(row, "role", Role::from_name)?,
        extension: row.get("extension")?,
        password_hash: row.get("password_hash")?,
        enabled: row.get("enabled")?,
    };
    Ok(User { id: row.get("id")?, settings, created_at: time_at(row, "created_at")? })
}

pub(super) fn users(db: &Db, company: CompanyId) -> Result<Vec<User>> {
    rows(db, "SELECT * FROM users WHERE company = ?1 ORDER BY id", [company.0], user_row)
}

pub(super) fn user(db: &Db, company: CompanyId, name: &str) -> Result<Option<User>> {
    let mut query = db.prepare_cached("SELECT * FROM users WHERE company = ?1 AND name = ?2")?;
    Ok(query.query_row(params![company.0, name], user_row).optional()?)
}

pub(super) fn put_session(db: &Db, s: &Session) -> Result<()> {
    let sql = "INSERT INTO sessions (sha256, user, created_at, expires_at) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (sha256) DO UPDATE SET expires_at = excluded.expires_at";
    let values = params![s.sha256, s.user, s.created_at.0, s.expires_at.0];
    db.prepare_cached(sql)?.execute(values).map_err(|e| broken(e, "session", "user"))?;
    Ok(())
}

pub(super) fn session(db: &Db, now: Timestamp, hash: &[u8; 32]) -> Result<Option<(Session, User)>> {
    let sql = "SELECT users.*, sessions.created_at AS begun_at, sessions.expires_at
        FROM sessions JOIN users ON users.id = sessions.user
        WHERE sessions.sha256 = ?1 AND sessions.expires_at > ?2 AND users.enabled";
    let found = db.prepare_cached(sql)?.query_row(params![hash, now.0], |row| {
        let user = user_row(row)?;
        let session = Session {
            sha256: *hash,
            user: user.id,
            created_at: time_at(row, "begun_at")?,
            expires_at: time_at(row, "expires_at")?,
        };
        Ok((session, user))
    });
    Ok(found.optional()?)
}

pub(super) fn delete_session(db: &Db, now: Timestamp, hash: &[u8; 32]) -> Result<()> {
    db.prepare_cached("DELETE FROM sessions WHERE sha256 = ?1")?.execute([hash])?;
    db.prepare_cached("DELETE FROM sessions WHERE expires_at <= ?1")?.execute([now.0])?;
    Ok(())
}

pub(super) fn add_api_key(db: &Db, now: Timestamp, k: &NewApiKey) -> Result<ApiKey> {
    let sql = "INSERT INTO api_keys (company, name, sha256, start, scopes, created_at, expires_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING *";
    let scopes = k.scopes.text();
    let values = params![k.company.0, k.name, k.sha256, k.start, scopes, now.0, k.expires_at.map(|t| t.0)];
    let added = db.prepare_cached(sql)?.query_row(values, api_key_row);
    added.map_err(|e| broken(e, "key", COMPANY))
}

fn api_key_row(row: &Row<'_>) -> rusqlite::Result<ApiKey> {
    let settings = NewApiKey {
        company: CompanyId(row.get("company")?),
        name: row.get("name")?,
        sha256: row.get("sha256")?,
        start: row.get("start")?,
        scopes: parsed(row, "scopes", Scopes::parse)?,
        expires_at: time_or_none(row, "expires_at")?,
    };
    Ok(ApiKey {
        id: row.get("id")?,
        settings,
        created_at: time_at(row, "created_at")?,
        revoked_at: time_or_none(row, "revoked_at")?,
    })
}

pub(super) fn api_keys(db: &Db, company: CompanyId) -> Result<Vec<ApiKey>> {
    rows(db, "SELECT * FROM api_keys WHERE company = ?1 ORDER BY id", [company.0], api_key_row)
}

pub(super) fn api_key(db: &Db, hash: &[u8; 32]) -> Result<Option<ApiKey>> {
    let mut query = db.prepare_cached("SELECT * FROM api_keys WHERE sha256 = ?1")?;
    Ok(query.query_row([hash], api_key_row).optional()?)
}

pub(super) fn revoke_api_key(db: &Db, now: Timestamp, company: CompanyId, key: i64) -> Result<()> {
    let sql = "UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?3) WHERE id = ?1 AND company = ?2";
    found(db.prepare_cached(sql)?.execute(params![key, company.0, now.0])?, "key")
}

pub(super) fn put_audit(db: &Db, a: &NewAudit) -> Result<()> {
    let sql = "INSERT INTO audit (company, at, who, address, action, target, status, details)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let (target, details) = (db.numbers.text(&a.target)?, db.numbers.text(&a.details)?);
    let values = params![a.company.0, a.at.0, a.who, a.address, a.action, target, a.status, details];
    db.prepare_cached(sql)?.execute(values).map_err(|e| broken(e, "entry", COMPANY))?;
    Ok(())
}

pub(super) fn audit_before(
    db: &Db,
    company: CompanyId,
    filter: &AuditFilter,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<Audit>> {
    let mut condition = "company = ? AND id < ?".to_owned();
    let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(company.0), Box::new(before.unwrap_or(i64::MAX))];
    for (text, value) in [(" AND who = ?", &filter.who), (" AND action = ?", &filter.action)] {
        if let Some(value) = text_or_none(value) {
            condition += text;
            values.push(value);
        }
    }
    values.push(Box::new(limit.min(rule::PAGE_MAX)));
    let sql = format!("SELECT * FROM audit WHERE {condition} ORDER BY id DESC LIMIT ?");
    rows(db, &sql, params_from_iter(&values), |row| {
        let entry = NewAudit {
            company: CompanyId(row.get("company")?),
            at: time_at(row, "at")?,
            who: row.get("who")?,
            address: row.get("address")?,
            action: row.get("action")?,
            target: db.numbers.text_at(row, "target")?,
            status: row.get("status")?,
            details: db.numbers.text_at(row, "details")?,
        };
        Ok(Audit { id: row.get("id")?, entry })
    })
}

pub(super) fn delete_audit(db: &Db, before: Timestamp) -> Result<u64> {
    let sql = "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ?1 ORDER BY at LIMIT ?2)";
    let deleted = db.prepare_cached(sql)?.execute(params![before.0, rule::AUDIT_DELETED_MAX])?;
    Ok(deleted as u64)
}

pub(super) fn claim(db: &Db, now: Timestamp, wanted: &Repeatable) -> Result<Claim> {
    let old = now.0.saturating_sub(i64::try_from(IDEMPOTENCY_LIFETIME.as_micros()).unwrap_or(i64::MAX));
    db.prepare_cached("DELETE FROM idempotency_keys WHERE created_at <= ?1")?.execute([old])?;
    let sql = "SELECT request_sha256, status, body, created_at FROM idempotency_keys
        WHERE company = ?1 AND who = ?2 AND key = ?3";
    let known = db.prepare_cached(sql)?.query_row(params![wanted.company.0, wanted.who, wanted.key], |row| {
        let (status, body): (u16, String) = (row.get("status")?, db.numbers.text_at(row, "body")?);
        let hash = db.numbers.hash_at(row, "request_sha256")?;
        Ok(claim_of(now, wanted, &hash, status, &body, time_at(row, "created_at")?))
    });
    if let Some(claim) = known.optional()?.flatten() {
        return Ok(claim);
    }
    let sql = "INSERT INTO idempotency_keys (company, who, key, request_sha256, status, body, created_at)
        VALUES (:company, :who, :key, :hash, 0, '', :now)
        ON CONFLICT (company, who, key) DO UPDATE SET request_sha256 = excluded.request_sha256, status = 0,
            body = '', created_at = excluded.created_at";
    let values = named_params! {
        ":company": wanted.company.0, ":who": wanted.who, ":key": wanted.key, ":hash": db.numbers.hash(&wanted.request_sha256),
        ":now": now.0,
    };
    db.prepare_cached(sql)?.execute(values).map_err(|e| broken(e, "key", COMPANY))?;
    Ok(Claim::New)
}

pub(super) fn settle(db: &Db, request: &Repeatable, status: u16, body: &str) -> Result<()> {
    let (company, who, key) = (request.company.0, &request.who, &request.key);
    let hash = db.numbers.hash(&request.request_sha256);
    let this = "company = ?1 AND who = ?2 AND key = ?3 AND request_sha256 = ?4";
    if status == 0 {
        let sql = format!("DELETE FROM idempotency_keys WHERE {this}");
        db.prepare_cached(&sql)?.execute(params![company, who, key, hash])?;
        return Ok(());
    }
    let sql = format!("UPDATE idempotency_keys SET status = ?5, body = ?6 WHERE {this}");
    let values = params![company, who, key, hash, status, db.numbers.text(body)?];
    db.prepare_cached(&sql)?.execute(values)?;
    Ok(())
}
