//! Companies, keys, extensions, trunks, caller ids, registrations and tokens.

use rusqlite::{OptionalExtension, Row, named_params, params};

use super::column::{broken, list_text, parsed, text_list, time_at, time_or_none};
use super::*;

const COMPANY: &str = "company";

pub(super) fn put_company(db: &Db, c: &NewCompany) -> Result<Company> {
    let sql = "INSERT INTO companies (code, name, time_zone, language, int_codes, licensed_until, allow_from)
        VALUES (:code, :name, :time_zone, :language, :int_codes, :licensed_until, :allow_from)
        ON CONFLICT (code) DO UPDATE SET name = excluded.name, time_zone = excluded.time_zone,
            language = excluded.language, int_codes = excluded.int_codes,
            licensed_until = excluded.licensed_until, allow_from = excluded.allow_from
        RETURNING id";
    let values = named_params! {
        ":code": c.code, ":name": c.name, ":time_zone": c.time_zone, ":language": c.language,
        ":int_codes": c.int_codes, ":licensed_until": c.licensed_until.map(|t| t.0),
        ":allow_from": list_text(&c.allow_from),
    };
    let id = db.prepare_cached(sql)?.query_row(values, |row| row.get(0))?;
    compliance::rekey(db, CompanyId(id))?;
    Ok(Company { id: CompanyId(id), settings: c.clone() })
}

fn company_row(row: &Row<'_>) -> rusqlite::Result<Company> {
    let settings = NewCompany {
        code: row.get("code")?,
        name: row.get("name")?,
        time_zone: row.get("time_zone")?,
        language: row.get("language")?,
        int_codes: row.get("int_codes")?,
        licensed_until: time_or_none(row, "licensed_until")?,
        allow_from: text_list(&row.get::<_, String>("allow_from")?),
    };
    Ok(Company { id: CompanyId(row.get("id")?), settings })
}

pub(super) fn companies(db: &Db) -> Result<Vec<Company>> {
    rows(db, "SELECT * FROM companies ORDER BY id", [], company_row)
}

pub(super) fn company(db: &Db, id: CompanyId) -> Result<Company> {
    let mut query = db.prepare_cached("SELECT * FROM companies WHERE id = ?1")?;
    query.query_row([id.0], company_row).optional()?.ok_or(StoreError::NotFound(COMPANY))
}

pub(super) fn put_app_key(db: &Db, key: &AppKey) -> Result<()> {
    let sql = "INSERT INTO app_keys (appid, company, accesskey_sha256, enabled, scopes) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT (appid) DO UPDATE SET accesskey_sha256 = excluded.accesskey_sha256, enabled = excluded.enabled,
            scopes = excluded.scopes
        WHERE company = excluded.company";
    let values = params![key.appid, key.company.0, key.accesskey_sha256, key.enabled, key.scopes.text()];
    let stored = db.prepare_cached(sql)?.execute(values).map_err(|e| broken(e, "appid", COMPANY))?;
    if stored == 0 {
        // The update's condition was not met: another company has it.
        company_exists(db, key.company)?;
        return Err(StoreError::Taken("appid"));
    }
    Ok(())
}

/// For upserts that a foreign key does not guard, because the row of another company stopped them.
fn company_exists(db: &Db, company: CompanyId) -> Result<()> {
    let sql = "SELECT 1 FROM companies WHERE id = ?1";
    match db.prepare_cached(sql)?.exists([company.0])? {
        true => Ok(()),
        false => Err(StoreError::NotFound(COMPANY)),
    }
}

fn app_key_row(row: &Row<'_>) -> rusqlite::Result<AppKey> {
    Ok(AppKey {
        appid: row.get("appid")?,
        company: CompanyId(row.get("company")?),
        accesskey_sha256: row.get("accesskey_sha256")?,
        enabled: row.get("enabled")?,
        scopes: parsed(row, "scopes", Scopes::parse)?,
    })
}

pub(super) fn app_key(db: &Db, appid: &str) -> Result<Option<AppKey>> {
    let mut query = db.prepare_cached("SELECT * FROM app_keys WHERE appid = ?1")?;
    Ok(query.query_row([appid], app_key_row).optional()?)
}

pub(super) fn app_keys(db: &Db, company: CompanyId) -> Result<Vec<AppKey>> {
    rows(db, "SELECT * FROM app_keys WHERE company = ?1 ORDER BY appid", [company.0], app_key_row)
}

pub(super) fn put_extension(db: &Db, e: &NewExtension) -> Result<Extension> {
    let sql = "INSERT INTO extensions (id, company, number, password, enabled)
        VALUES ((SELECT 1 + max((SELECT coalesce(max(id), 0) FROM extensions),
            (SELECT coalesce(max(id), 0) FROM deleted_extensions))), ?1, ?2, seal(?3), ?4)
        ON CONFLICT (number) DO UPDATE SET password = excluded.password, enabled = excluded.enabled
        WHERE company = excluded.company
        RETURNING *, unseal(password) AS clear";
    let values = params![e.company.0, e.number, e.password, e.enabled];
    let stored = db.prepare_cached(sql)?.query_row(values, extension_row).optional();
    match stored.map_err(|e| broken(e, "extension", COMPANY))? {
        Some(extension) => Ok(extension),
        None => company_exists(db, e.company).and(Err(StoreError::Taken("extension"))),
    }
}

fn extension_row(row: &Row<'_>) -> rusqlite::Result<Extension> {
    Ok(Extension {
        id: AgentId(row.get("id")?),
        company: CompanyId(row.get("company")?),
        number: row.get("number")?,
        password: row.get("clear")?,
        enabled: row.get("enabled")?,
        paused: row.get("paused")?,
    })
}

pub(super) fn extensions(db: &Db, company: Option<CompanyId>) -> Result<Vec<Extension>> {
    match company {
        None => {
            rows(db, "SELECT *, unseal(password) AS clear FROM extensions ORDER BY number", [], extension_row)
        }
        Some(c) => rows(
            db,
            "SELECT *, unseal(password) AS clear FROM extensions WHERE company = ?1 ORDER BY number",
            [c.0],
            extension_row,
        ),
    }
}

pub(super) fn extension(db: &Db, number: &str) -> Result<Option<Extension>> {
    let mut query =
        db.prepare_cached("SELECT *, unseal(password) AS clear FROM extensions WHERE number = ?1")?;
    Ok(query.query_row([number], extension_row).optional()?)
}

pub(super) fn set_paused(db: &Db, agent: AgentId, paused: bool) -> Result<()> {
    let sql = "UPDATE extensions SET paused = ?2 WHERE id = ?1";
    found(db.prepare_cached(sql)?.execute(params![agent.0, paused])?, "extension")
}

pub(super) fn put_trunk(db: &Db, t: &NewTrunk) -> Result<Trunk> {
    let sql = "INSERT INTO trunks (id, company, name, address, transport, username, password, register, prefix,
            channels_max, cps_max, enabled, details)
        VALUES ((SELECT 1 + max((SELECT coalesce(max(id), 0) FROM trunks),
            (SELECT coalesce(max(id), 0) FROM deleted_trunks))), :company, :name, :address, :transport, :username, seal(:password), :register, :prefix,
            :channels_max, :cps_max, :enabled, :details)
        ON CONFLICT (company, name) DO UPDATE SET address = excluded.address, transport = excluded.transport,
            username = excluded.username, password = excluded.password, register = excluded.register,
            prefix = excluded.prefix, channels_max = excluded.channels_max, cps_max = excluded.cps_max,
            enabled = excluded.enabled, details = excluded.details
        RETURNING id";
    let details = serde_json::to_string(&t.details).expect("plain fields make JSON");
    let values = named_params! {
        ":company": t.company.0, ":name": t.name, ":address": t.address, ":transport": t.transport,
        ":username": t.username, ":password": t.password, ":register": t.register, ":prefix": t.prefix,
        ":channels_max": t.channels_max, ":cps_max": t.cps_max, ":enabled": t.enabled, ":details": details,
    };
    let id = db.prepare_cached(sql)?.query_row(values, |row| row.get(0));
    Ok(Trunk { id: TrunkId(id.map_err(|e| broken(e, "trunk", COMPANY))?), settings: t.clone() })
}

pub(super) fn trunks(db: &Db, company: CompanyId) -> Result<Vec<Trunk>> {
    rows(
        db,
        "SELECT *, unseal(password) AS clear FROM trunks WHERE company = ?1 ORDER BY id",
        [company.0],
        |row| {
            let settings = NewTrunk {
                company: CompanyId(row.get("company")?),
                name: row.get("name")?,
                address: row.get("address")?,
                transport: row.get("transport")?,
                username: row.get("username")?,
                password: row.get("clear")?,
                register: row.get("register")?,
                prefix: row.get("prefix")?,
                channels_max: row.get("channels_max")?,
                cps_max: row.get("cps_max")?,
                enabled: row.get("enabled")?,
                // What a newer version wrote and this one cannot read must not keep the server from starting.
                details: serde_json::from_str(&row.get::<_, String>("details")?).unwrap_or_default(),
            };
            Ok(Trunk { id: TrunkId(row.get("id")?), settings })
        },
    )
}

pub(super) fn put_caller_id(db: &Db, c: &CallerId) -> Result<()> {
    let sql = "INSERT INTO caller_ids (company, number, enabled, automatic, inbound, inbound_group)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT (company, number) DO UPDATE SET enabled = excluded.enabled, automatic = excluded.automatic,
            inbound = excluded.inbound, inbound_group = excluded.inbound_group";
    let values = params![c.company.0, c.number, c.enabled, c.automatic, c.inbound, c.inbound_group];
    db.prepare_cached(sql)?.execute(values).map_err(|e| broken(e, "caller id", COMPANY))?;
    Ok(())
}

pub(super) fn caller_ids(db: &Db, company: CompanyId) -> Result<Vec<CallerId>> {
    rows(db, "SELECT * FROM caller_ids WHERE company = ?1 ORDER BY id", [company.0], |row| {
        Ok(CallerId {
            company: CompanyId(row.get("company")?),
            number: row.get("number")?,
            enabled: row.get("enabled")?,
            automatic: row.get("automatic")?,
            inbound: row.get("inbound")?,
            inbound_group: row.get("inbound_group")?,
        })
    })
}

pub(super) fn put_inbound(db: &Db, company: CompanyId, s: &InboundSettings) -> Result<()> {
    let sql =
        "INSERT INTO inbound (company, enabled, group_name, ring_ms, wait_ms) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT (company) DO UPDATE SET enabled = excluded.enabled, group_name = excluded.group_name,
            ring_ms = excluded.ring_ms, wait_ms = excluded.wait_ms";
    let values = params![company.0, s.enabled, s.group, s.ring_ms, s.wait_ms];
    db.prepare_cached(sql)?.execute(values).map_err(|e| broken(e, COMPANY, COMPANY))?;
    Ok(())
}

pub(super) fn inbound(db: &Db, company: CompanyId) -> Result<InboundSettings> {
    let mut query = db.prepare_cached("SELECT * FROM inbound WHERE company = ?1")?;
    let found = query.query_row([company.0], |row| {
        Ok(InboundSettings {
            enabled: row.get("enabled")?,
            group: row.get("group_name")?,
            ring_ms: row.get("ring_ms")?,
            wait_ms: row.get("wait_ms")?,
        })
    });
    Ok(found.optional()?.unwrap_or_default())
}

pub(super) fn put_token(db: &Db, t: &Token) -> Result<()> {
    let sql = "INSERT INTO tokens (sha256, appid, company, expires_at) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (sha256) DO UPDATE SET appid = excluded.appid, company = excluded.company,
            expires_at = excluded.expires_at";
    let values = params![t.sha256, t.appid, t.company.0, t.expires_at.0];
    db.prepare_cached(sql)?.execute(values).map_err(|e| broken(e, "token", COMPANY))?;
    Ok(())
}

pub(super) fn token(db: &Db, now: Timestamp, hash: &[u8; 32]) -> Result<Option<Token>> {
    let mut query = db.prepare_cached("SELECT * FROM tokens WHERE sha256 = ?1 AND expires_at > ?2")?;
    let token = query.query_row(params![hash, now.0], |row| {
        Ok(Token {
            sha256: row.get("sha256")?,
            appid: row.get("appid")?,
            company: CompanyId(row.get("company")?),
            expires_at: time_at(row, "expires_at")?,
        })
    });
    Ok(token.optional()?)
}

pub(super) fn delete_token(db: &Db, now: Timestamp, hash: &[u8; 32]) -> Result<()> {
    db.prepare_cached("DELETE FROM tokens WHERE sha256 = ?1")?.execute([hash])?;
    db.prepare_cached("DELETE FROM tokens WHERE expires_at <= ?1")?.execute([now.0])?;
    Ok(())
}

pub(super) fn delete_tokens_of(db: &Db, appid: &str) -> Result<()> {
    db.prepare_cached("DELETE FROM tokens WHERE appid = ?1")?.execute([appid])?;
    Ok(())
}

pub(super) fn put_registration(db: &Db, r: &Registration) -> Result<()> {
    let sql = "INSERT INTO registrations (agent, contact, transport, source, expires_at)
        VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT (agent, contact) DO UPDATE SET transport = excluded.transport, source = excluded.source,
            expires_at = excluded.expires_at";
    let values = params![r.agent.0, r.contact, r.transport, r.source, r.expires_at.0];
    db.prepare_cached(sql)?.execute(values).map_err(|e| broken(e, "registration", "extension"))?;
    let bound = "DELETE FROM registrations WHERE agent = ?1 AND contact IN (
        SELECT contact FROM registrations WHERE agent = ?1 ORDER BY expires_at DESC, contact LIMIT -1 OFFSET ?2)";
    db.prepare_cached(bound)?.execute(params![r.agent.0, rule::REGISTRATIONS_MAX])?;
    Ok(())
}

pub(super) fn delete_registration(db: &Db, agent: AgentId, contact: &str) -> Result<()> {
    let sql = "DELETE FROM registrations WHERE agent = ?1 AND contact = ?2";
    db.prepare_cached(sql)?.execute(params![agent.0, contact])?;
    Ok(())
}

pub(super) fn registrations(db: &Db, now: Timestamp) -> Result<Vec<Registration>> {
    let sql = "SELECT * FROM registrations WHERE expires_at > ?1 ORDER BY agent, contact";
    rows(db, sql, [now.0], |row| {
        Ok(Registration {
            agent: AgentId(row.get("agent")?),
            contact: row.get("contact")?,
            transport: row.get("transport")?,
            source: row.get("source")?,
            expires_at: time_at(row, "expires_at")?,
        })
    })
}
