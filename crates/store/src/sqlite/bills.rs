//! Bills.

use std::borrow::Cow;

use rusqlite::{Row, ToSql, named_params, params_from_iter};

use super::campaigns::{any_of, text_or_none};
use super::column::*;
use super::*;

/// Of a call that has just been finished, whose lead has its result.
pub(super) fn add(db: &Db, record: &CallRecord, result: &LeadResult) -> Result<Bill> {
    let sql = "INSERT INTO bills (company, call, taskid, round, number, caller_id, extension, user_id, member_id, ext,
            custom_uuid, dialed_at, answered_at, ended_at, waiting_seconds, talk_seconds, cause, hangup_by, keys)
        SELECT calls.company, calls.id, campaigns.taskid, leads.round, calls.number, calls.caller_id, :extension,
            leads.user_id, leads.member_id, leads.ext, leads.custom_uuid, calls.dialed_at, calls.answered_at,
            calls.ended_at, :waiting_seconds, :talk_seconds, calls.cause, calls.hangup_by, :keys
        FROM calls
        JOIN campaigns ON campaigns.id = calls.campaign
        JOIN leads ON leads.id = calls.lead
        WHERE calls.id = :call
        RETURNING *, (SELECT filename FROM recordings WHERE recordings.call = :call) AS recording,
            NULL AS quality_customer, NULL AS quality_agent";
    let values = named_params! {
        ":call": call_blob(record.call), ":extension": result.extension.as_deref().unwrap_or_default(),
        ":waiting_seconds": result.waiting_seconds, ":talk_seconds": result.talk_seconds, ":keys": record.keys,
    };
    Ok(db.prepare_cached(sql)?.query_row(values, |row| bill_row(db, row))?)
}

/// A bill that was made already; with its id.
pub(super) fn put(db: &Db, bill: &Bill) -> Result<Bill> {
    let sql = "INSERT INTO bills (company, call, method, taskid, round, number, caller_id, extension, user_id, member_id,
            ext, custom_uuid, dialed_at, answered_at, ended_at, waiting_seconds, talk_seconds, cause, hangup_by, keys)
        VALUES (:company, :call, :method, :taskid, :round, :number, :caller_id, :extension, :user_id, :member_id, :ext,
            :custom_uuid, :dialed_at, :answered_at, :ended_at, :waiting_seconds, :talk_seconds, :cause, :hangup_by, :keys)";
    db.prepare_cached(sql)?.execute(named_params! {
        ":company": bill.company.0, ":call": call_blob(bill.call), ":method": bill.method, ":taskid": bill.taskid,
        ":round": bill.round, ":number": db.numbers.number(bill.number.as_str())?, ":caller_id": bill.caller_id,
        ":extension": bill.extension, ":user_id": bill.user_id, ":member_id": bill.member_id, ":ext": bill.ext,
        ":custom_uuid": bill.custom_uuid, ":dialed_at": bill.dialed_at.0,
        ":answered_at": bill.answered_at.map(|t| t.0), ":ended_at": bill.ended_at.0,
        ":waiting_seconds": bill.waiting_seconds, ":talk_seconds": bill.talk_seconds, ":cause": bill.cause.0,
        ":hangup_by": bill.hangup_by.name(), ":keys": bill.keys,
    })?;
    Ok(Bill { id: db.last_insert_rowid(), ..bill.clone() })
}

fn bill_row(db: &Db, row: &Row<'_>) -> rusqlite::Result<Bill> {
    Ok(Bill {
        id: row.get("id")?,
        company: CompanyId(row.get("company")?),
        call: call_at(row, "call")?,
        method: row.get("method")?,
        taskid: row.get("taskid")?,
        round: row.get("round")?,
        number: db.numbers.number_at(row, "number")?,
        caller_id: row.get("caller_id")?,
        extension: row.get("extension")?,
        user_id: row.get("user_id")?,
        member_id: row.get("member_id")?,
        ext: row.get("ext")?,
        custom_uuid: row.get("custom_uuid")?,
        dialed_at: time_at(row, "dialed_at")?,
        answered_at: time_or_none(row, "answered_at")?,
        ended_at: time_at(row, "ended_at")?,
        waiting_seconds: row.get("waiting_seconds")?,
        talk_seconds: row.get("talk_seconds")?,
        cause: Cause(row.get("cause")?),
        hangup_by: HangupBy::from_name(&row.get::<_, String>("hangup_by")?),
        fetched: row.get("fetched")?,
        recording: row.get::<_, Option<String>>("recording")?.unwrap_or_default(),
        keys: row.get("keys")?,
        quality: qualities::at(row)?,
    })
}

pub(super) fn count(db: &Db, company: CompanyId, filter: &BillFilter) -> Result<u64> {
    let (condition, values) = condition(db, company, filter)?;
    let sql = format!("SELECT count(*) FROM bills WHERE {condition}");
    Ok(db.prepare_cached(&sql)?.query_row(params_from_iter(&values), |row| row.get(0))?)
}

pub(super) fn page(db: &Db, company: CompanyId, filter: &BillFilter, page: Page) -> Result<Vec<Bill>> {
    let (condition, mut values) = condition(db, company, filter)?;
    values.push(Box::new(page.limit.min(rule::PAGE_MAX)));
    values.push(Box::new(i64::try_from(page.offset).unwrap_or(i64::MAX)));
    let sql = format!("{BILL} WHERE {condition} ORDER BY dialed_at, id LIMIT ? OFFSET ?");
    rows(db, &sql, params_from_iter(&values), |row| bill_row(db, row))
}

const BILL: &str =
    "SELECT *, (SELECT filename FROM recordings WHERE recordings.call = bills.call) AS recording,
        (SELECT customer FROM qualities AS q WHERE q.company = bills.company AND q.id = bills.call) AS quality_customer,
        (SELECT agent FROM qualities AS q WHERE q.company = bills.company AND q.id = bills.call) AS quality_agent
    FROM bills";

pub(super) fn after(
    db: &Db,
    company: CompanyId,
    filter: &BillFilter,
    after: Option<(Timestamp, i64)>,
    limit: u32,
) -> Result<Vec<Bill>> {
    let (mut condition, mut values) = condition(db, company, filter)?;
    if let Some((at, id)) = after {
        condition += " AND (dialed_at, id) > (?, ?)";
        values.push(Box::new(at.0));
        values.push(Box::new(id));
    }
    values.push(Box::new(limit.min(rule::PAGE_MAX)));
    let sql = format!("{BILL} WHERE {condition} ORDER BY dialed_at, id LIMIT ?");
    rows(db, &sql, params_from_iter(&values), |row| bill_row(db, row))
}

/// One after the other, as the writer is one: what this call takes the next one does not see any more.
pub(super) fn fetch(db: &Db, company: CompanyId, filter: &BillFilter, limit: u32) -> Result<Vec<Bill>> {
    let mut found = page(db, company, filter, Page { offset: 0, limit })?;
    let mut mark = db.prepare_cached("UPDATE bills SET fetched = 1 WHERE id = ?1")?;
    for bill in &mut found {
        mark.execute([bill.id])?;
        bill.fetched = true;
    }
    Ok(found)
}

/// The text hangs only on which filters there are, so that the prepared statements stay few.
fn condition(db: &Db, company: CompanyId, filter: &BillFilter) -> Result<(String, Vec<Box<dyn ToSql>>)> {
    let mut text = "company = ? AND dialed_at >= ? AND dialed_at <= ?".to_owned();
    let mut values: Vec<Box<dyn ToSql>> =
        vec![Box::new(company.0), Box::new(filter.from.0), Box::new(filter.to.0)];
    match filter.fetched {
        None => {}
        Some(true) => text += " AND fetched = 1",
        Some(false) => text += " AND fetched = 0",
    }
    if let Some(is_inbound) = filter.is_inbound {
        text += if is_inbound { " AND method = ?" } else { " AND method <> ?" };
        values.push(Box::new(DirectKind::Inbound.method()));
    }
    if let Some(method) = filter.method {
        text += " AND method = ?";
        values.push(Box::new(method));
    }
    let number = match filter.number.as_str() {
        "" => Cow::Borrowed(""),
        number => db.numbers.number(number)?,
    };
    let mut and = |condition: &str, value: Option<Box<dyn ToSql>>| {
        if let Some(value) = value {
            text += " AND ";
            text += condition;
            values.push(value);
        }
    };
    and("extension IN rarray(?)", any_of(filter.extensions.iter().cloned()));
    and("number = ?", text_or_none(&number));
    and("user_id = ?", text_or_none(&filter.user_id));
    and("member_id = ?", text_or_none(&filter.member_id));
    and("ext = ?", text_or_none(&filter.ext));
    and("custom_uuid = ?", text_or_none(&filter.custom_uuid));
    and("taskid = ?", text_or_none(&filter.taskid));
    Ok((text, values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::Folder;

    #[test]
    fn bills_that_were_not_fetched_are_found_by_their_own_index() {
        let folder = Folder::new();
        let db = connection::open_writer(&folder.database()).unwrap();
        for (fetched, index) in [(Some(false), "bills_not_fetched"), (None, "bills_by_start")] {
            let filter = BillFilter { to: Timestamp(9), fetched, ..BillFilter::any() };
            let (condition, values) = condition(&db, CompanyId(1), &filter).unwrap();
            let sql = format!(
                "EXPLAIN QUERY PLAN SELECT * FROM bills WHERE {condition} ORDER BY dialed_at, id LIMIT 9"
            );
            let plan = rows(&db, &sql, params_from_iter(&values), |row| row.get::<_, String>(3)).unwrap();
            assert!(plan.len() == 1 && plan[0].contains(index), "{plan:?}");
        }
    }
}
