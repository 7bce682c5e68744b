//! Campaigns: creation, ends, recalls, lists.

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, ToSql, named_params, params, params_from_iter};

use super::column::*;
use super::*;

pub(super) fn create(db: &Db, now: Timestamp, new: &NewCampaign, leads: &[NewLead]) -> Result<Created> {
    rule::check_new(new, leads)?;
    let rules = rule::new_rules(compliance::rules(db, new.company, &new.call_windows))?;
    let id = insert(db, now, new)?;
    let skipped = leads::add(db, now, (new.company, id), &rules, leads)?;
    if !leads.is_empty() && skipped.duplicates.len() + skipped.on_dnc.len() == leads.len() {
        return Err(rule::NO_LEAD);
    }
    let campaign = by_id(db, id)?.ok_or(StoreError::NotFound("campaign"))?;
    Ok(Created { campaign, duplicates: skipped.duplicates, on_dnc: skipped.on_dnc })
}

pub(super) fn insert(db: &Db, now: Timestamp, new: &NewCampaign) -> Result<CampaignId> {
    let sql = "INSERT INTO campaigns (company, taskid, name, client_id, group_id, group_name, scale, manual,
            calls_max, not_before, run_until, caller_ids, attempts_max, abandon_max, amd, status, created_at, started_at,
            call_windows)
        VALUES (:company, :taskid, :name, :client_id, :group_id, :group_name, :scale, :manual,
            :calls_max, :not_before, :run_until, :caller_ids, :attempts_max, :abandon_max, :amd, :status, :created_at,
            :started_at, :call_windows)";
    let (group, group_name, extensions): (_, _, &[_]) = match &new.assignment {
        Assignment::Group(group, name) => (Some(group.0), name.as_str(), &[]),
        Assignment::Extensions(list) => (None, "", list),
    };
    let started_at = (new.status == CampaignStatus::Running).then_some(now.0);
    let values = named_params! {
        ":company": new.company.0, ":taskid": new.taskid, ":name": new.name, ":client_id": new.client_id,
        ":group_id": group, ":group_name": group_name, ":scale": new.scale, ":manual": new.manual,
        ":calls_max": new.calls_max, ":not_before": new.not_before.map(|t| t.0),
        ":run_until": new.run_until.map(|t| t.0), ":caller_ids": list_text(&new.caller_ids),
        ":attempts_max": new.attempts_max, ":abandon_max": new.abandon_max, ":amd": new.amd, ":status": status_name(new.status),
        ":created_at": now.0, ":started_at": started_at,
        ":call_windows": list_text(&new.call_windows),
    };
    db.prepare_cached(sql)?.execute(values).map_err(|e| {
        // Which of the two unique keys it was stands only in the message.
        let taken = if e.to_string().contains("client_id") { "client_id" } else { "taskid" };
        broken(e, taken, "company")
    })?;
    let id = db.last_insert_rowid();
    let sql = "INSERT INTO campaign_extensions (campaign, position, agent, number) VALUES (?1, ?2, ?3, ?4)";
    let mut insert = db.prepare_cached(sql)?;
    for (position, (agent, number)) in extensions.iter().enumerate() {
        insert.execute(params![id, position, agent.0, number])?;
    }
    Ok(CampaignId(id))
}

pub(super) fn append(db: &Db, now: Timestamp, campaign: CampaignId, leads: &[NewLead]) -> Result<Appended> {
    let settings = existing(db, campaign)?.settings;
    if settings.status == CampaignStatus::Ended {
        return Err(StoreError::Refused("the campaign has ended"));
    }
    let rules = compliance::rules(db, settings.company, &settings.call_windows)?;
    let rule::Skipped { duplicates, on_dnc } =
        leads::add(db, now, (settings.company, campaign), &rules, leads)?;
    Ok(Appended { stored: (leads.len() - duplicates.len() - on_dnc.len()) as u64, duplicates, on_dnc })
}

/// The columns that a command, an end or a recall changes.
pub(super) fn update(db: &Db, campaign: &Campaign) -> Result<()> {
    let sql =
        "UPDATE campaigns SET status = ?2, not_before = ?3, run_until = ?4, started_at = ?5, ended_at = ?6,
            end_reason = ?7
        WHERE id = ?1";
    let settings = &campaign.settings;
    db.prepare_cached(sql)?.execute(params![
        campaign.id.0,
        status_name(settings.status),
        settings.not_before.map(|t| t.0),
        settings.run_until.map(|t| t.0),
        campaign.started_at.map(|t| t.0),
        campaign.ended_at.map(|t| t.0),
        campaign.end_reason.map(reason_name),
    ])?;
    Ok(())
}

pub(super) fn set_status(
    db: &Db,
    now: Timestamp,
    id: CampaignId,
    status: CampaignStatus,
) -> Result<Campaign> {
    let mut campaign = existing(db, id)?;
    let had_ended = campaign.settings.status == CampaignStatus::Ended;
    rule::set_status(&mut campaign, now, status)?;
    update(db, &campaign)?;
    if status == CampaignStatus::Ended && !had_ended {
        outbox::campaign_ended(db, now, &campaign)?;
    }
    Ok(campaign)
}

pub(super) fn end(db: &Db, now: Timestamp, id: CampaignId, why: EndReason) -> Result<Option<Campaign>> {
    let mut campaign = existing(db, id)?;
    if campaign.settings.status == CampaignStatus::Ended {
        return Ok(Some(campaign));
    }
    if why == EndReason::Over && !leads::settle(db, now, id)? {
        return Ok(None);
    }
    rule::end(&mut campaign, now, why);
    update(db, &campaign)?;
    outbox::campaign_ended(db, now, &campaign)?;
    Ok(Some(campaign))
}

pub(super) fn recall(db: &Db, now: Timestamp, id: CampaignId, recall: &Recall) -> Result<Campaign> {
    let mut campaign = existing(db, id)?;
    rule::check_recall(&campaign, recall)?;
    let delta = leads::recall(db, id, recall.which)?.ok_or(StoreError::NotFound("lead"))?;
    delta.apply(db, id)?;
    rule::reopen(&mut campaign, now, recall);
    update(db, &campaign)?;
    existing(db, id)
}

const COLUMNS: &str = "id, company, taskid, name, client_id, group_id, group_name, scale, manual, calls_max, \
    not_before, run_until, caller_ids, attempts_max, abandon_max, amd, status, created_at, started_at, ended_at, \
    end_reason, total, called, connected, abandoned, call_windows";

/// An assignment to extensions is still empty: see `with_extensions`.
fn campaign_row(row: &Row<'_>) -> rusqlite::Result<Campaign> {
    let group: Option<i64> = row.get("group_id")?;
    let assignment = match group {
        Some(group) => Assignment::Group(GroupId(group), row.get("group_name")?),
        None => Assignment::Extensions(Vec::new()),
    };
    let settings = NewCampaign {
        company: CompanyId(row.get("company")?),
        taskid: row.get("taskid")?,
        name: row.get("name")?,
        client_id: row.get("client_id")?,
        assignment,
        scale: row.get("scale")?,
        manual: row.get("manual")?,
        calls_max: row.get("calls_max")?,
        not_before: time_or_none(row, "not_before")?,
        run_until: time_or_none(row, "run_until")?,
        caller_ids: text_list(&row.get::<_, String>("caller_ids")?),
        attempts_max: row.get("attempts_max")?,
        abandon_max: row.get("abandon_max")?,
        amd: row.get("amd")?,
        status: parsed(row, "status", status_from_name)?,
        call_windows: text_list(&row.get::<_, String>("call_windows")?),
    };
    let reason: Option<String> = row.get("end_reason")?;
    Ok(Campaign {
        id: CampaignId(row.get("id")?),
        settings,
        created_at: time_at(row, "created_at")?,
        started_at: time_or_none(row, "started_at")?,
        ended_at: time_or_none(row, "ended_at")?,
        end_reason: reason.as_deref().and_then(reason_from_name),
        counters: counters(row)?,
    })
}

fn counters(row: &Row<'_>) -> rusqlite::Result<Counters> {
    let (connected, abandoned): (u64, u64) = (row.get("connected")?, row.get("abandoned")?);
    Ok(Counters {
        total: row.get("total")?,
        called: row.get("called")?,
        answered: connected + abandoned,
        connected,
        abandoned,
    })
}

fn with_extensions(db: &Db, mut campaign: Campaign) -> Result<Campaign> {
    if let Assignment::Extensions(list) = &mut campaign.settings.assignment {
        let sql = "SELECT agent, number FROM campaign_extensions WHERE campaign = ?1 ORDER BY position";
        *list = rows(db, sql, [campaign.id.0], |row| Ok((AgentId(row.get(0)?), row.get(1)?)))?;
    }
    Ok(campaign)
}

fn select(db: &Db, rest: &str, values: &[&dyn ToSql]) -> Result<Vec<Campaign>> {
    let found = rows(db, &format!("SELECT {COLUMNS} FROM campaigns {rest}"), values, campaign_row)?;
    found.into_iter().map(|c| with_extensions(db, c)).collect()
}

pub(super) fn by_id(db: &Db, id: CampaignId) -> Result<Option<Campaign>> {
    Ok(select(db, "WHERE id = ?1", &[&id.0])?.pop())
}

pub(super) fn existing(db: &Db, id: CampaignId) -> Result<Campaign> {
    by_id(db, id)?.ok_or(StoreError::NotFound("campaign"))
}

/// Status and company: what a lease needs.
pub(super) fn status(db: &Db, id: CampaignId) -> Result<(CampaignStatus, CompanyId)> {
    let mut query = db.prepare_cached("SELECT status, company FROM campaigns WHERE id = ?1")?;
    let found = query.query_row([id.0], |row| {
        Ok((parsed(row, "status", status_from_name)?, CompanyId(row.get("company")?)))
    });
    found.optional()?.ok_or(StoreError::NotFound("campaign"))
}

pub(super) fn by_taskid(db: &Db, company: CompanyId, taskid: &str) -> Result<Option<Campaign>> {
    Ok(select(db, "WHERE taskid = ?1 AND company = ?2 AND unpublished IS NULL", &[&taskid, &company.0])?
        .pop())
}

pub(super) fn open(db: &Db, company: CompanyId) -> Result<Vec<Campaign>> {
    select(
        db,
        "WHERE company = ?1 AND status <> 'ended' AND unpublished IS NULL ORDER BY created_at, id",
        &[&company.0],
    )
}

pub(super) fn list(
    db: &Db,
    company: CompanyId,
    filter: &CampaignFilter,
    page: Page,
) -> Result<(u64, Vec<Campaign>)> {
    let (condition, mut values) = condition(company, filter);
    let sql = format!("SELECT count(*) FROM campaigns WHERE {condition}");
    let total = db.prepare_cached(&sql)?.query_row(params_from_iter(&values), |row| row.get(0))?;
    values.push(Box::new(page.limit.min(rule::PAGE_MAX)));
    values.push(Box::new(i64::try_from(page.offset).unwrap_or(i64::MAX)));
    let values: Vec<&dyn ToSql> = values.iter().map(AsRef::as_ref).collect();
    let rest = format!("WHERE {condition} ORDER BY created_at DESC, id DESC LIMIT ? OFFSET ?");
    Ok((total, select(db, &rest, &values)?))
}

pub(super) fn before(
    db: &Db,
    company: CompanyId,
    filter: &CampaignFilter,
    before: Option<CampaignId>,
    limit: u32,
) -> Result<Vec<Campaign>> {
    let (condition, mut values) = condition(company, filter);
    values.push(Box::new(before.map_or(i64::MAX, |c| c.0)));
    values.push(Box::new(limit.min(rule::PAGE_MAX)));
    let values: Vec<&dyn ToSql> = values.iter().map(AsRef::as_ref).collect();
    select(db, &format!("WHERE {condition} AND id < ? ORDER BY id DESC LIMIT ?"), &values)
}

/// The text hangs only on which filters there are, so that the prepared statements stay few.
fn condition(company: CompanyId, filter: &CampaignFilter) -> (String, Vec<Box<dyn ToSql>>) {
    // With taskids their own index finds the few rows; the plus keeps the company's from being taken, for its order.
    let mut text = if filter.taskids.is_empty() { "company = ?" } else { "+company = ?" }.to_owned();
    text += " AND unpublished IS NULL";
    let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(company.0)];
    let mut and = |condition: &str, value: Option<Box<dyn ToSql>>| {
        if let Some(value) = value {
            text += " AND ";
            text += condition;
            values.push(value);
        }
    };
    and("created_at >= ?", filter.created_from.map(|t| Box::new(t.0) as _));
    and("created_at <= ?", filter.created_to.map(|t| Box::new(t.0) as _));
    and("taskid IN rarray(?)", any_of(filter.taskids.iter().cloned()));
    and("instr(lower(name), ?) > 0", text_or_none(&filter.name_part.to_ascii_lowercase()));
    and("status IN rarray(?)", any_of(filter.statuses.iter().map(|s| status_name(*s).to_owned())));
    and("(group_id IS NOT NULL) = ?", filter.by_group.map(|b| Box::new(b) as _));
    and("client_id = ?", text_or_none(&filter.client_id));
    if !filter.assigned_to.is_empty() {
        text += " AND (group_name = ? OR id IN (SELECT campaign FROM campaign_extensions WHERE number = ?))";
        values.extend(
            [text_or_none(&filter.assigned_to), text_or_none(&filter.assigned_to)].into_iter().flatten(),
        );
    }
    (text, values)
}

pub(super) fn text_or_none(text: &str) -> Option<Box<dyn ToSql>> {
    (!text.is_empty()).then(|| Box::new(text.to_owned()) as _)
}

pub(super) fn any_of(texts: impl ExactSizeIterator<Item = String>) -> Option<Box<dyn ToSql>> {
    (texts.len() > 0).then(|| {
        let values: Vec<Value> = texts.map(Value::Text).collect();
        Box::new(std::rc::Rc::new(values)) as _
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::Folder;

    #[test]
    fn a_list_by_taskid_reads_only_those_rows() {
        let folder = Folder::new();
        let db = connection::open_writer(&folder.database()).unwrap();
        let filter = CampaignFilter { taskids: vec!["1".to_owned()], ..CampaignFilter::default() };
        let (condition, values) = condition(CompanyId(1), &filter);
        let sql =
            format!("EXPLAIN QUERY PLAN SELECT * FROM campaigns WHERE {condition} ORDER BY created_at DESC");
        let plan = rows(&db, &sql, params_from_iter(&values), |row| row.get::<_, String>(3)).unwrap();
        assert!(
            plan[0].starts_with("SEARCH campaigns USING INDEX") && plan[0].ends_with("(taskid=?)"),
            "{plan:?}"
        );
    }
}
