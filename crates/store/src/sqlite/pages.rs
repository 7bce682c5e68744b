//! Lists that may be long, each page found by the key at which the one before ended.

use rusqlite::{OptionalExtension, Row, ToSql, params, params_from_iter};

use super::column::*;
use super::*;
use crate::cdr::direct_call;

pub(super) fn leads_after(db: &Db, campaign: CampaignId, after: u64, limit: u32) -> Result<Vec<Lead>> {
    campaigns::status(db, campaign)?;
    let after = after.min(u64::from(u32::MAX) - 1);
    leads::from(db, campaign, after + 1, limit)
}

const CDR: &str = "SELECT calls.*, coalesce(campaigns.taskid, '') AS taskid,
        coalesce(extensions.number, deleted_extensions.number, '') AS extension, recordings.filename, recordings.seconds, recordings.bytes,
        recordings.created_at AS recorded_at, qualities.customer AS quality_customer, qualities.agent AS quality_agent
    FROM calls
    LEFT JOIN campaigns ON campaigns.id = calls.campaign
    LEFT JOIN extensions ON extensions.id = calls.agent
    LEFT JOIN deleted_extensions ON deleted_extensions.id = calls.agent
    LEFT JOIN recordings ON recordings.call = calls.id AND recordings.company = calls.company
    LEFT JOIN qualities ON qualities.company = calls.company AND qualities.id = calls.id
    WHERE calls.company = ?";

const DIRECT: &str =
    "SELECT calls.*, coalesce(extensions.number, deleted_extensions.number, '') AS extension,
        recordings.filename, recordings.seconds, recordings.bytes, recordings.created_at AS recorded_at,
        qualities.customer AS quality_customer, qualities.agent AS quality_agent
    FROM direct_calls AS calls
    LEFT JOIN extensions ON extensions.id = calls.agent
    LEFT JOIN deleted_extensions ON deleted_extensions.id = calls.agent
    LEFT JOIN recordings ON recordings.call = calls.id AND recordings.company = calls.company
    LEFT JOIN qualities ON qualities.company = calls.company AND qualities.id = calls.id
    WHERE calls.company = ?";

/// The newest of both tables, whose ids are of one kind.
pub(super) fn calls_before(
    db: &Db,
    company: CompanyId,
    filter: &CallFilter,
    before: Option<CallId>,
    limit: u32,
) -> Result<Vec<Cdr>> {
    let limit = limit.min(rule::PAGE_MAX);
    let mut found = Vec::new();
    if filter.kinds.has_campaigns() {
        let (condition, values) = conditions(db, company, filter, before, limit)?;
        found = rows(db, &format!("{CDR}{condition}"), params_from_iter(&values), |row| cdr_row(db, row))?;
    }
    if filter.campaign.is_none() && filter.kinds != CallKinds::OfCampaigns {
        let (condition, values) = conditions(db, company, filter, before, limit)?;
        let sql = format!("{DIRECT}{condition}");
        found.extend(rows(db, &sql, params_from_iter(&values), |row| direct_row(db, row))?);
    }
    found.sort_by_key(|cdr| std::cmp::Reverse(cdr.call.id));
    found.truncate(limit as usize);
    Ok(found)
}

/// Of rows that are called `calls`.
fn conditions(
    db: &Db,
    company: CompanyId,
    filter: &CallFilter,
    before: Option<CallId>,
    limit: u32,
) -> Result<(String, Vec<Box<dyn ToSql>>)> {
    let mut sql = String::new();
    let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(company.0)];
    let number = filter.number.as_ref().map(|n| db.numbers.number(n.as_str())).transpose()?;
    let mut and = |condition: &str, value: Option<Box<dyn ToSql>>| {
        if let Some(value) = value {
            sql += " AND ";
            sql += condition;
            values.push(value);
        }
    };
    and("calls.id < ?", before.map(|c| Box::new(call_blob(c)) as _));
    and("calls.campaign = ?", filter.campaign.map(|c| Box::new(c.0) as _));
    // Those of campaigns, which have no column `kind`, are not asked for then.
    if let CallKinds::Direct(kinds) = &filter.kinds {
        and("calls.kind IN rarray(?)", campaigns::any_of(kinds.iter().map(|kind| kind.name().to_owned())));
    }
    and("calls.agent = ?", filter.agent.map(|a| Box::new(a.0) as _));
    and("calls.number = ?", number.map(|n| Box::new(n.into_owned()) as _));
    and("calls.outcome = ?", filter.outcome.map(|o| Box::new(o.name()) as _));
    and("calls.dialed_at >= ?", filter.from.map(|t| Box::new(t.0) as _));
    and("calls.dialed_at < ?", filter.to.map(|t| Box::new(t.0) as _));
    values.push(Box::new(limit));
    sql += " ORDER BY calls.id DESC LIMIT ?";
    Ok((sql, values))
}

pub(super) fn call(db: &Db, company: CompanyId, call: CallId) -> Result<Option<Cdr>> {
    let values = params![company.0, call_blob(call)];
    let mut query = db.prepare_cached(&format!("{CDR} AND calls.id = ?"))?;
    if let Some(found) = query.query_row(values, |row| cdr_row(db, row)).optional()? {
        return Ok(Some(found));
    }
    let mut query = db.prepare_cached(&format!("{DIRECT} AND calls.id = ?"))?;
    Ok(query.query_row(values, |row| direct_row(db, row)).optional()?)
}

fn cdr_row(db: &Db, row: &Row<'_>) -> rusqlite::Result<Cdr> {
    let call = calls::call_row(db, row)?;
    let recording = recording_at(row, call.id)?;
    let (taskid, extension) = (row.get("taskid")?, row.get("extension")?);
    Ok(Cdr { call, direct: None, taskid, extension, recording, quality: qualities::at(row)? })
}

fn direct_row(db: &Db, row: &Row<'_>) -> rusqlite::Result<Cdr> {
    let call = directs::direct_row(db, row)?;
    let record = directs::record_row(row)?;
    Ok(Cdr {
        direct: Some(call.kind),
        recording: recording_at(row, call.call)?,
        call: direct_call(&call, record.as_ref()),
        taskid: String::new(),
        extension: row.get("extension")?,
        quality: qualities::at(row)?,
    })
}

fn recording_at(row: &Row<'_>, call: CallId) -> rusqlite::Result<Option<Recording>> {
    let Some(filename) = row.get("filename")? else { return Ok(None) };
    Ok(Some(Recording {
        call,
        company: CompanyId(row.get("company")?),
        filename,
        seconds: row.get("seconds")?,
        bytes: row.get::<_, i64>("bytes")?.max(0).cast_unsigned(),
        created_at: time_at(row, "recorded_at")?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::Folder;

    fn plan(db: &Db, sql: &str, values: &[&dyn ToSql]) -> Vec<String> {
        rows(db, &format!("EXPLAIN QUERY PLAN {sql}"), values, |row| row.get(3)).unwrap()
    }

    #[test]
    fn a_page_is_one_search_and_nothing_is_sorted() {
        let folder = Folder::new();
        let db = connection::open_writer(&folder.database()).unwrap();
        let calls = plan(&db, &format!("{CDR} AND calls.id < x'00' ORDER BY calls.id DESC LIMIT 9"), &[&1]);
        assert!(calls[0].contains("USING INDEX calls_of_company (company=? AND id<?)"), "{calls:?}");
        let directs =
            plan(&db, &format!("{DIRECT} AND calls.id < x'00' ORDER BY calls.id DESC LIMIT 9"), &[&1]);
        assert!(
            directs[0].contains("USING INDEX direct_calls_of_company (company=? AND id<?)"),
            "{directs:?}"
        );
        let campaigns = "SELECT * FROM campaigns WHERE company = 1 AND id < 9 ORDER BY id DESC LIMIT 9";
        let campaigns = plan(&db, campaigns, &[]);
        assert!(campaigns[0].contains("USING INDEX campaigns_of_company"), "{campaigns:?}");
        let audit =
            plan(&db, "SELECT * FROM audit WHERE company = 1 AND id < 9 ORDER BY id DESC LIMIT 9", &[]);
        assert!(audit[0].contains("USING INDEX audit_of_company (company=? AND id<?)"), "{audit:?}");
        for plan in [calls, directs, campaigns, audit] {
            assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{plan:?}");
        }
    }
}
