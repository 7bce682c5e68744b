//! Groups and their members.

use rusqlite::{OptionalExtension, Row, params};

use super::column::{broken, unreadable};
use super::*;

pub(super) fn add_group(db: &Db, g: &NewGroup) -> Result<Group> {
    let sql = "INSERT INTO agent_groups (company, name, enabled, strategy, remark, automatic)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        RETURNING *";
    let values = params![g.company.0, g.name, g.enabled, g.strategy.code(), g.remark, g.automatic];
    let added = db.prepare_cached(sql)?.query_row(values, group_row);
    let added = added.map_err(|e| broken(e, "group", "company"))?;
    put_queueing(db, added.id, &g.queueing)?;
    Ok(Group { queueing: g.queueing.clone(), ..added })
}

pub(super) fn edit_group(db: &Db, g: &Group) -> Result<()> {
    let sql = "UPDATE agent_groups SET name = ?2, enabled = ?3, strategy = ?4, remark = ?5, automatic = ?6
        WHERE id = ?1";
    let values = params![g.id.0, g.name, g.enabled, g.strategy.code(), g.remark, g.automatic];
    let edited = db.prepare_cached(sql)?.execute(values).map_err(|e| broken(e, "group", "company"))?;
    found(edited, "group")?;
    put_queueing(db, g.id, &g.queueing)
}

fn put_queueing(db: &Db, group: GroupId, q: &Queueing) -> Result<()> {
    let sql = "UPDATE agent_groups SET ring_s = ?2, wait_s = ?3, absent_wait_s = ?4, announce = ?5,
            announce_every_s = ?6, rejoin_s = ?7, discard_s = ?8
        WHERE id = ?1";
    let values = params![
        group.0,
        q.ring_s,
        q.wait_s,
        q.absent_wait_s,
        q.announce,
        q.announce_every_s,
        q.rejoin_s,
        q.discard_s
    ];
    db.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

pub(super) fn delete_group(db: &Db, company: CompanyId, group: GroupId) -> Result<()> {
    let sql = "DELETE FROM agent_groups WHERE id = ?1 AND company = ?2";
    found(db.prepare_cached(sql)?.execute([group.0, company.0])?, "group")?;
    let uses = "SELECT 1 FROM campaigns WHERE group_id = ?1 AND status <> 'ended'";
    if db.prepare_cached(uses)?.exists([group.0])? {
        return Err(StoreError::Refused("a campaign that has not ended uses the group"));
    }
    Ok(())
}

fn group_row(row: &Row<'_>) -> rusqlite::Result<Group> {
    let index = row.as_ref().column_index("strategy")?;
    let strategy = Strategy::from_code(row.get(index)?);
    Ok(Group {
        id: GroupId(row.get("id")?),
        company: CompanyId(row.get("company")?),
        name: row.get("name")?,
        enabled: row.get("enabled")?,
        strategy: strategy.ok_or_else(|| unreadable(index, rusqlite::types::Type::Integer))?,
        remark: row.get("remark")?,
        automatic: row.get("automatic")?,
        queueing: queueing(row)?,
        members: Vec::new(),
    })
}

fn queueing(row: &Row<'_>) -> rusqlite::Result<Queueing> {
    Ok(Queueing {
        ring_s: row.get("ring_s")?,
        wait_s: row.get("wait_s")?,
        absent_wait_s: row.get("absent_wait_s")?,
        announce: row.get("announce")?,
        announce_every_s: row.get("announce_every_s")?,
        rejoin_s: row.get("rejoin_s")?,
        discard_s: row.get("discard_s")?,
    })
}

pub(super) fn groups(db: &Db, company: CompanyId) -> Result<Vec<Group>> {
    let sql = "SELECT * FROM agent_groups WHERE company = ?1 ORDER BY id";
    let mut groups = rows(db, sql, [company.0], group_row)?;
    for group in &mut groups {
        let sql = "SELECT agent, signed_in FROM group_members WHERE group_id = ?1 ORDER BY id";
        group.members = rows(db, sql, [group.id.0], |row| {
            let signed_in = if row.get("signed_in")? { SignIn::In } else { SignIn::Out };
            Ok(Member { agent: AgentId(row.get("agent")?), signed_in })
        })?;
    }
    Ok(groups)
}

pub(super) fn put_member(db: &Db, group: GroupId, agent: AgentId, signed_in: SignIn) -> Result<()> {
    let mut company = db.prepare_cached("SELECT company FROM agent_groups WHERE id = ?1")?;
    let company: Option<i64> = company.query_row([group.0], |row| row.get(0)).optional()?;
    let company = company.ok_or(StoreError::NotFound("group"))?;
    let mut agents = db.prepare_cached("SELECT 1 FROM extensions WHERE id = ?1 AND company = ?2")?;
    if !agents.exists([agent.0, company])? {
        return Err(StoreError::NotFound("extension"));
    }
    let sql = "INSERT INTO group_members (group_id, agent, signed_in) VALUES (?1, ?2, ?3)
        ON CONFLICT (group_id, agent) DO UPDATE SET signed_in = excluded.signed_in WHERE ?4";
    let values = params![group.0, agent.0, signed_in == SignIn::In, signed_in != SignIn::Keep];
    db.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

pub(super) fn delete_member(db: &Db, group: GroupId, agent: AgentId) -> Result<()> {
    let sql = "DELETE FROM group_members WHERE group_id = ?1 AND agent = ?2";
    if db.prepare_cached(sql)?.execute([group.0, agent.0])? == 1 {
        return Ok(());
    }
    let groups = "SELECT 1 FROM agent_groups WHERE id = ?1";
    let missing = if db.prepare_cached(groups)?.exists([group.0])? { "member" } else { "group" };
    Err(StoreError::NotFound(missing))
}
