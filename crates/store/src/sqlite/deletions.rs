//! Extensions, trunks and caller ids that are deleted.

use rusqlite::{OptionalExtension, ToSql, params};

use super::column::text_list;
use super::*;

pub(super) fn extension(db: &Db, company: CompanyId, number: &str) -> Result<()> {
    let sql = "SELECT id, enabled FROM extensions WHERE company = ?1 AND number = ?2";
    let id = disabled(db, sql, company, number, "extension", rule::STILL_ENABLED_EXTENSION)?;
    let campaigns = "SELECT 1 FROM campaign_extensions JOIN campaigns ON campaigns.id = campaign
        WHERE campaign_extensions.number = ?2 AND agent = ?1 AND status <> 'ended'";
    refuse_if(db, campaigns, &[&id, &number], rule::NAMED_EXTENSION)?;
    let users = "SELECT 1 FROM users WHERE company = ?1 AND extension = ?2";
    refuse_if(db, users, &[&company.0, &number], rule::EXTENSION_OF_USER)?;
    let directs = "SELECT 1 FROM direct_calls WHERE company = ?1 AND ended_at IS NULL AND agent = ?2";
    refuse_if(db, directs, &[&company.0, &id], rule::EXTENSION_IN_CALL)?;
    for sql in [
        "DELETE FROM group_members WHERE agent = ?1",
        "DELETE FROM registrations WHERE agent = ?1",
        "INSERT INTO deleted_extensions (id, number) SELECT id, number FROM extensions WHERE id = ?1",
        "DELETE FROM extensions WHERE id = ?1",
    ] {
        db.prepare_cached(sql)?.execute([id])?;
    }
    Ok(())
}

pub(super) fn trunk(db: &Db, company: CompanyId, name: &str) -> Result<()> {
    let sql = "SELECT id, enabled FROM trunks WHERE company = ?1 AND name = ?2";
    let id = disabled(db, sql, company, name, "trunk", rule::STILL_ENABLED_TRUNK)?;
    let calls = "SELECT 1 FROM calls WHERE company = ?1 AND ended_at IS NULL AND trunk = ?2";
    refuse_if(db, calls, &[&company.0, &id], rule::TRUNK_IN_CALL)?;
    db.prepare_cached("INSERT INTO deleted_trunks (id) VALUES (?1)")?.execute([id])?;
    db.prepare_cached("DELETE FROM trunks WHERE id = ?1")?.execute([id])?;
    Ok(())
}

pub(super) fn caller_id(db: &Db, company: CompanyId, number: &str) -> Result<()> {
    let sql = "DELETE FROM caller_ids WHERE company = ?1 AND number = ?2";
    found(db.prepare_cached(sql)?.execute(params![company.0, number])?, "caller id")?;
    let open = "SELECT caller_ids FROM campaigns WHERE company = ?1 AND status <> 'ended'";
    let named = rows(db, open, [company.0], |row| row.get::<_, String>(0))?;
    match named.iter().any(|list| text_list(list).iter().any(|n| n == number)) {
        true => Err(StoreError::Refused(rule::NAMED_CALLER_ID)),
        false => Ok(()),
    }
}

/// The id of one that is disabled.
fn disabled(
    db: &Db,
    sql: &str,
    company: CompanyId,
    name: &str,
    what: &'static str,
    refusal: &'static str,
) -> Result<i64> {
    let mut query = db.prepare_cached(sql)?;
    let row = query.query_row(params![company.0, name], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    match row {
        None => Err(StoreError::NotFound(what)),
        Some((_, true)) => Err(StoreError::Refused(refusal)),
        Some((id, false)) => Ok(id),
    }
}

fn refuse_if(db: &Db, sql: &str, values: &[&dyn ToSql], why: &'static str) -> Result<()> {
    match db.prepare_cached(sql)?.exists(values)? {
        true => Err(StoreError::Refused(why)),
        false => Ok(()),
    }
}
