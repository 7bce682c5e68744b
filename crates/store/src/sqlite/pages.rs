//! Lists that may be long, each page found by the key at which the one before ended.

use rusqlite::{OptionalExtension, Row, ToSql, params, params_from_iter};

use super::column::*;
use super::*;

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

pub(super) fn calls_before(
    db: &Db,
    company: CompanyId,
    filter: &CallFilter,
    before: Option<CallId>,
    limit: u32,
) -> Result<Vec<Cdr>> {
    let mut sql = CDR.to_owned();
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
    and("calls.agent = ?", filter.agent.map(|a| Box::new(a.0) as _));
    and("calls.number = ?", number.map(|n| Box::new(n.into_owned()) as _));
    and("calls.outcome = ?", filter.outcome.map(|o| Box::new(o.name()) as _));
    and("calls.dialed_at >= ?", filter.from.map(|t| Box::new(t.0) as _));
    and("calls.dialed_at < ?", filter.to.map(|t| Box::new(t.0) as _));
    values.push(Box::new(limit.min(rule::PAGE_MAX)));
    sql += " ORDER BY calls.id DESC LIMIT ?";
    rows(db, &sql, params_from_iter(&values), |row| cdr_row(db, row))
}

pub(super) fn call(db: &Db, company: CompanyId, call: CallId) -> Result<Option<Cdr>> {
    let mut query = db.prepare_cached(&format!("{CDR} AND calls.id = ?"))?;
    Ok(query.query_row(params![company.0, call_blob(call)], |row| cdr_row(db, row)).optional()?)
}

fn cdr_row(db: &Db, row: &Row<'_>) -> rusqlite::Result<Cdr> {
    let call = calls::call_row(db, row)?;
    let filename: Option<String> = row.get("filename")?;
    let recording = match filename {
        None => None,
        Some(filename) => Some(Recording {
            call: call.id,
            company: CompanyId(row.get("company")?),
            filename,
            seconds: row.get("seconds")?,
            bytes: row.get::<_, i64>("bytes")?.max(0).cast_unsigned(),
            created_at: time_at(row, "recorded_at")?,
        }),
    };
    let (taskid, extension) = (row.get("taskid")?, row.get("extension")?);
    Ok(Cdr { call, taskid, extension, recording, quality: qualities::at(row)? })
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
        let campaigns = "SELECT * FROM campaigns WHERE company = 1 AND id < 9 ORDER BY id DESC LIMIT 9";
        let campaigns = plan(&db, campaigns, &[]);
        assert!(campaigns[0].contains("USING INDEX campaigns_of_company"), "{campaigns:?}");
        let audit =
            plan(&db, "SELECT * FROM audit WHERE company = 1 AND id < 9 ORDER BY id DESC LIMIT 9", &[]);
        assert!(audit[0].contains("USING INDEX audit_of_company (company=? AND id<?)"), "{audit:?}");
        for plan in [calls, campaigns, audit] {
            assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{plan:?}");
        }
    }
}
