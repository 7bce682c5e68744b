//! What companies have to keep, their do-not-call lists, and what is counted for both.

use engine::compliance::{AbandonWindow, Cap, Holidays, Profile};
use rusqlite::{OptionalExtension, Row, named_params, params};

use super::column::*;
use super::numbers::MARK;
use super::*;
use crate::permit::{self, Books, Judge};

pub(super) fn put(db: &Db, company: CompanyId, settings: &ComplianceSettings) -> Result<()> {
    let zone = zone_of(db, company)?;
    Rules::new(settings, &zone, &[]).map_err(|e| StoreError::Failed(e.to_string()))?;
    if self::settings(db, company)? != *settings {
        write(db, company, settings)?;
        wake_waiting(db, company)?;
    }
    rekey(db, company)
}

fn write(db: &Db, company: CompanyId, settings: &ComplianceSettings) -> Result<()> {
    let sql = "INSERT INTO compliance (company, profile, country, windows, holidays, holidays_are, caps, lockout_h,
            ring_min_s, abandon_max, abandon_windows, keep_personal_days, keep_recordings_days)
        VALUES (:company, :profile, :country, :windows, :holidays, :holidays_are, :caps, :lockout_h, :ring_min_s,
            :abandon_max, :abandon_windows, :keep_personal, :keep_recordings)
        ON CONFLICT (company) DO UPDATE SET profile = excluded.profile, country = excluded.country,
            windows = excluded.windows, holidays = excluded.holidays, holidays_are = excluded.holidays_are,
            caps = excluded.caps, lockout_h = excluded.lockout_h, ring_min_s = excluded.ring_min_s,
            abandon_max = excluded.abandon_max, abandon_windows = excluded.abandon_windows,
            keep_personal_days = excluded.keep_personal_days, keep_recordings_days = excluded.keep_recordings_days";
    let caps: Vec<String> = settings.caps.iter().map(|cap| format!("{}/{}", cap.calls, cap.hours)).collect();
    let windows: Vec<String> = settings.abandon_windows.iter().map(|w| w.name().to_owned()).collect();
    db.prepare_cached(sql)?.execute(named_params! {
        ":company": company.0, ":profile": settings.profile.name(), ":country": settings.country,
        ":windows": list_text(&settings.windows), ":holidays": list_text(&settings.holidays),
        ":holidays_are": if settings.holidays_are == Holidays::Sunday { "sunday" } else { "closed" },
        ":caps": list_text(&caps), ":lockout_h": settings.lockout_h, ":ring_min_s": settings.ring_min_s,
        ":abandon_max": settings.abandon_max, ":abandon_windows": list_text(&windows),
        ":keep_personal": settings.keep_personal_days, ":keep_recordings": settings.keep_recordings_days,
    })?;
    Ok(())
}

pub(super) fn settings(db: &Db, company: CompanyId) -> Result<ComplianceSettings> {
    let mut query = db.prepare_cached("SELECT * FROM compliance WHERE company = ?1")?;
    let found = query.query_row([company.0], |row| {
        Ok(ComplianceSettings {
            profile: parsed(row, "profile", Profile::from_name)?,
            country: row.get("country")?,
            windows: text_list(&row.get::<_, String>("windows")?),
            holidays: text_list(&row.get::<_, String>("holidays")?),
            holidays_are: parsed(row, "holidays_are", holidays_from_name)?,
            caps: parsed(row, "caps", |text| text_list(text).iter().map(|cap| cap_from(cap)).collect())?,
            lockout_h: row.get("lockout_h")?,
            ring_min_s: row.get("ring_min_s")?,
            abandon_max: row.get("abandon_max")?,
            abandon_windows: parsed(row, "abandon_windows", |text| {
                text_list(text).iter().map(|name| AbandonWindow::from_name(name)).collect()
            })?,
            keep_personal_days: row.get("keep_personal_days")?,
            keep_recordings_days: row.get("keep_recordings_days")?,
        })
    });
    Ok(found.optional()?.unwrap_or_default())
}

fn holidays_from_name(name: &str) -> Option<Holidays> {
    match name {
        "closed" => Some(Holidays::Closed),
        "sunday" => Some(Holidays::Sunday),
        _ => None,
    }
}

fn cap_from(text: &str) -> Option<Cap> {
    let (calls, hours) = text.split_once('/')?;
    Some(Cap { calls: calls.parse().ok()?, hours: hours.parse().ok()? })
}

fn zone_of(db: &Db, company: CompanyId) -> Result<String> {
    let mut query = db.prepare_cached("SELECT time_zone FROM companies WHERE id = ?1")?;
    query.query_row([company.0], |row| row.get(0)).optional()?.ok_or(StoreError::NotFound("company"))
}

/// The company's rules, narrowed by the windows of a campaign.
pub(super) fn rules(db: &Db, company: CompanyId, windows: &[String]) -> Result<Rules> {
    let settings = settings(db, company)?;
    Rules::new(&settings, &zone_of(db, company)?, windows).map_err(|e| StoreError::Failed(e.to_string()))
}

pub(super) fn campaign_rules(db: &Db, company: CompanyId, campaign: CampaignId) -> Result<Rules> {
    let mut query = db.prepare_cached("SELECT call_windows FROM campaigns WHERE id = ?1")?;
    let windows: String = query.query_row([campaign.0], |row| row.get(0))?;
    rules(db, company, &text_list(&windows))
}

/// What waits for a rule is due now, to be asked for again.
fn wake_waiting(db: &Db, company: CompanyId) -> Result<()> {
    let sql = "UPDATE leads SET rule = NULL, due_at = iif(attempts = 0, ?2, ?2 + 1)
        WHERE state = 'pending' AND rule IS NOT NULL
            AND campaign IN (SELECT id FROM campaigns WHERE company = ?1)";
    db.prepare_cached(sql)?.execute(params![company.0, rule::DUE_AT_ONCE])?;
    Ok(())
}

/// After the company's country may have changed: lists keep their meaning.
pub(super) fn rekey(db: &Db, company: CompanyId) -> Result<()> {
    let rules = rules(db, company, &[])?;
    let mut query = db.prepare_cached("SELECT country FROM dnc_countries WHERE company = ?1")?;
    let known: Option<String> = query.query_row([company.0], |row| row.get(0)).optional()?;
    if known.as_deref() == Some(rules.country()) {
        return Ok(());
    }
    let sql =
        "INSERT INTO dnc_countries VALUES (?1, ?2) ON CONFLICT DO UPDATE SET country = excluded.country";
    db.prepare_cached(sql)?.execute(params![company.0, rules.country()])?;
    let sql = "INSERT OR IGNORE INTO campaign_zones
        SELECT id, ?2 FROM campaigns WHERE company = ?1 AND status <> 'ended'";
    db.prepare_cached(sql)?.execute(params![company.0, permit::ANY_ZONES])?;
    let sql = "DELETE FROM dnc WHERE company = ?1 RETURNING campaign, entry, added_at";
    let listed = rows(db, sql, [company.0], |row| {
        Ok((row.get::<_, i64>(0)?, entry_at(db, row)?, Timestamp(row.get(2)?)))
    })?;
    for (campaign, entry, added_at) in listed {
        insert(db, company, campaign, &entry, &rules, added_at)?;
    }
    Ok(())
}

fn entry_at(db: &Db, row: &Row<'_>) -> rusqlite::Result<DncEntry> {
    parsed(row, "entry", |text| DncEntry::parse(&db.numbers.open(text)?).ok())
}

/// The key of an entry as its column has it. Beginnings of numbers are not sealed, as what begins alike would not be found.
fn entry_key(db: &Db, entry: &DncEntry, rules: &Rules) -> Result<String> {
    let key = entry.key(rules);
    match entry {
        DncEntry::Number(_) => Ok(db.numbers.key(&key)?.into_owned()),
        DncEntry::Prefix(_) => Ok(key),
    }
}

/// Every campaign's is 0.
fn list_id(list: Option<CampaignId>) -> i64 {
    list.map_or(0, |campaign| campaign.0)
}

fn insert(
    db: &Db,
    company: CompanyId,
    campaign: i64,
    entry: &DncEntry,
    rules: &Rules,
    added_at: Timestamp,
) -> Result<usize> {
    let sql = "INSERT INTO dnc (company, campaign, is_prefix, key, entry, added_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
    let (key, shown) = (entry_key(db, entry, rules)?, entry.to_string());
    let shown = if entry.is_prefix() { shown.into() } else { db.numbers.number(&shown)? };
    let values = params![company.0, campaign, entry.is_prefix(), key, shown, added_at.0];
    Ok(db.prepare_cached(sql)?.execute(values)?)
}

fn check_list(db: &Db, list: DncList) -> Result<()> {
    let Some(campaign) = list.campaign else { return Ok(()) };
    match campaigns::status(db, campaign)? {
        (_, company) if company == list.company => Ok(()),
        _ => Err(StoreError::NotFound("campaign")),
    }
}

pub(super) fn add(db: &Db, now: Timestamp, list: DncList, entries: &[DncEntry]) -> Result<u64> {
    check_list(db, list)?;
    let rules = rules(db, list.company, &[])?;
    rekey(db, list.company)?;
    let mut added = 0;
    for entry in entries {
        added += insert(db, list.company, list_id(list.campaign), entry, &rules, now)? as u64;
    }
    Ok(added)
}

pub(super) fn remove(db: &Db, list: DncList, entries: &[DncEntry]) -> Result<u64> {
    check_list(db, list)?;
    let rules = rules(db, list.company, &[])?;
    rekey(db, list.company)?;
    let sql = "DELETE FROM dnc WHERE company = ?1 AND campaign = ?2 AND is_prefix = ?3 AND key = ?4";
    let mut delete = db.prepare_cached(sql)?;
    let mut removed = 0;
    for entry in entries {
        let campaign = list_id(list.campaign);
        let values = params![list.company.0, campaign, entry.is_prefix(), entry_key(db, entry, &rules)?];
        removed += delete.execute(values)? as u64;
    }
    Ok(removed)
}

pub(super) fn list(db: &Db, list: DncList, after: &str, limit: u32) -> Result<Vec<DncRow>> {
    check_list(db, list)?;
    let (is_prefix, place) = (after.starts_with('1'), after.get(1..).unwrap_or(""));
    // Places go into URLs, so they are without the mark of what is sealed; a key in clear begins with a digit.
    let is_sealed = place.starts_with(|c: char| !c.is_ascii_digit());
    let key = if is_sealed { format!("{MARK}{place}") } else { place.to_owned() };
    let sql = "SELECT is_prefix, key, entry, added_at FROM dnc
        WHERE company = ?1 AND campaign = ?2 AND (is_prefix, key) > (?3, ?4)
        ORDER BY is_prefix, key LIMIT ?5";
    let limit = limit.min(rule::PAGE_MAX);
    let values = params![list.company.0, list_id(list.campaign), is_prefix, key, limit];
    rows(db, sql, values, |row| {
        let key: String = row.get("key")?;
        Ok(DncRow {
            place: format!("{}{}", row.get::<_, i64>("is_prefix")?, key.trim_start_matches(MARK)),
            entry: entry_at(db, row)?,
            added_at: time_at(row, "added_at")?,
        })
    })
}

/// Reads what was noted, skipping lists that are empty.
pub(super) struct Notes<'a> {
    db: &'a Db,
    company: CompanyId,
    /// Of all campaigns and of one: whether there are numbers, and prefixes.
    lists: [(i64, [bool; 2]); 2],
}

impl<'a> Notes<'a> {
    pub(super) fn open(db: &'a Db, company: CompanyId, campaign: Option<CampaignId>) -> Result<Self> {
        let sql = "SELECT 1 FROM dnc WHERE company = ?1 AND campaign = ?2 AND is_prefix = ?3 LIMIT 1";
        let mut exists = db.prepare_cached(sql)?;
        let mut lists = [(0, [false; 2]), (list_id(campaign), [false; 2])];
        for (list, has) in &mut lists {
            for (is_prefix, has) in has.iter_mut().enumerate() {
                *has = exists.exists(params![company.0, *list, is_prefix])?;
            }
        }
        Ok(Notes { db, company, lists })
    }

    fn has(&self, list: Option<CampaignId>, is_prefix: bool) -> bool {
        let id = list_id(list);
        self.lists.iter().any(|(list, has)| *list == id && has[usize::from(is_prefix)])
    }
}

impl Books for Notes<'_> {
    fn lists(&self, list: Option<CampaignId>, key: &str) -> Result<bool> {
        if !self.has(list, false) {
            return Ok(false);
        }
        let values = params![self.company.0, list_id(list), self.db.numbers.key(key)?];
        Ok(self.db.prepare_cached(LISTED)?.exists(values)?)
    }

    fn prefix_before(&self, list: Option<CampaignId>, key: &str) -> Result<Option<String>> {
        if !self.has(list, true) {
            return Ok(None);
        }
        let mut query = self.db.prepare_cached(PREFIX_BEFORE)?;
        let values = params![self.company.0, list_id(list), key];
        Ok(query.query_row(values, |row| row.get(0)).optional()?)
    }

    fn dials(&self, key: &str, limit: usize) -> Result<Vec<Timestamp>> {
        let key = self.db.numbers.key(key)?;
        rows(self.db, DIALS, params![self.company.0, key, limit], |row| row.get(0).map(Timestamp))
    }

    fn last_abandoned(&self, key: &str) -> Result<Option<Timestamp>> {
        let mut query = self.db.prepare_cached(LAST_ABANDONED)?;
        let key = self.db.numbers.key(key)?;
        let at: Option<i64> =
            query.query_row(params![self.company.0, key], |row| row.get(0)).optional()?.flatten();
        Ok(at.map(Timestamp))
    }
}

const LISTED: &str = "SELECT 1 FROM dnc WHERE company = ?1 AND campaign = ?2 AND is_prefix = 0 AND key = ?3";
const PREFIX_BEFORE: &str = "SELECT key FROM dnc
    WHERE company = ?1 AND campaign = ?2 AND is_prefix = 1 AND key <= ?3 ORDER BY key DESC LIMIT 1";
const DIALS: &str = "SELECT at FROM dials WHERE company = ?1 AND key = ?2 ORDER BY at DESC LIMIT ?3";
const LAST_ABANDONED: &str = "SELECT max(at) FROM abandoned_calls WHERE company = ?1 AND key = ?2";

pub(super) fn may_call(db: &Db, now: Timestamp, company: CompanyId, number: &PhoneNumber) -> Result<Permit> {
    let rules = rules(db, company, &[])?;
    let books = Notes::open(db, company, None)?;
    Judge::new(&rules, books, None, now).permit(number, &rules.key(number), "")
}

/// By hand when `lead` is None.
pub(super) fn refused(
    db: &Db,
    now: Timestamp,
    company: CompanyId,
    lead: Option<LeadId>,
    number: &PhoneNumber,
    rule: Rule,
) -> Result<()> {
    let sql =
        "INSERT INTO refusals (company, campaign, lead, number, rule, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let campaign = lead.map(|lead| rule::campaign_of(lead).0);
    let number = db.numbers.number(number.as_str())?;
    let values = params![company.0, campaign, lead.map(|lead| lead.0), number, rule.name(), now.0];
    db.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

pub(super) fn refusals(
    db: &Db,
    company: CompanyId,
    filter: &RefusalFilter,
    after: i64,
    limit: u32,
) -> Result<Vec<Refusal>> {
    let number = filter.number.as_ref().map(|n| db.numbers.number(n.as_str())).transpose()?;
    let values = params![company.0, after, limit.min(rule::PAGE_MAX), filter.campaign.map(|c| c.0), number,];
    rows(db, refusals_sql(filter), values, |row| refusal(db, row))
}

/// Each has an index of its own; of two conditions the number's finds fewer.
const fn refusals_sql(filter: &RefusalFilter) -> &'static str {
    match (filter.campaign, &filter.number) {
        (None, None) => {
            "SELECT * FROM refusals
            WHERE company = ?1 AND id > ?2 AND ?4 IS NULL AND ?5 IS NULL ORDER BY id LIMIT ?3"
        }
        (Some(_), None) => {
            "SELECT * FROM refusals
            WHERE campaign = ?4 AND +company = ?1 AND id > ?2 AND ?5 IS NULL ORDER BY id LIMIT ?3"
        }
        (_, Some(_)) => {
            "SELECT * FROM refusals
            WHERE company = ?1 AND number = ?5 AND id > ?2 AND (?4 IS NULL OR +campaign = ?4) ORDER BY id LIMIT ?3"
        }
    }
}

fn refusal(db: &Db, row: &Row<'_>) -> rusqlite::Result<Refusal> {
    Ok(Refusal {
        id: row.get("id")?,
        company: CompanyId(row.get("company")?),
        campaign: row.get::<_, Option<i64>>("campaign")?.map(CampaignId),
        lead: row.get::<_, Option<i64>>("lead")?.map(LeadId),
        number: db.numbers.number_at(row, "number")?,
        rule: parsed(row, "rule", Rule::from_name)?,
        at: time_at(row, "at")?,
    })
}

pub(super) fn count_dial(db: &Db, now: Timestamp, company: CompanyId, number: &PhoneNumber) -> Result<()> {
    let key = rules(db, company, &[])?.key(number);
    note_dial(db, now, company, &key)?;
    forget(db, now)
}

pub(super) fn note_dial(db: &Db, now: Timestamp, company: CompanyId, key: &str) -> Result<()> {
    let sql = "INSERT INTO dials (company, key, at) VALUES (?1, ?2, ?3)";
    db.prepare_cached(sql)?.execute(params![company.0, db.numbers.key(key)?, now.0])?;
    Ok(())
}

/// A call was never placed after all.
pub(super) fn take_back_dial(db: &Db, at: Timestamp, company: CompanyId, number: &PhoneNumber) -> Result<()> {
    let key = rules(db, company, &[])?.key(number);
    let sql = "DELETE FROM dials WHERE id =
        (SELECT id FROM dials WHERE company = ?1 AND key = ?2 AND at = ?3 LIMIT 1)";
    db.prepare_cached(sql)?.execute(params![company.0, db.numbers.key(&key)?, at.0])?;
    Ok(())
}

pub(super) fn note_abandoned(db: &Db, at: Timestamp, company: CompanyId, number: &PhoneNumber) -> Result<()> {
    let key = rules(db, company, &[])?.key(number);
    let sql = "INSERT INTO abandoned_calls (company, key, at) VALUES (?1, ?2, ?3)";
    db.prepare_cached(sql)?.execute(params![company.0, db.numbers.key(&key)?, at.0])?;
    Ok(())
}

/// A few rows that are too old for every cap and lock-out. There are never more than come in: the oldest are the first.
pub(super) fn forget(db: &Db, now: Timestamp) -> Result<()> {
    let old =
        Timestamp(now.0.saturating_sub(i64::try_from(permit::REMEMBERED.as_micros()).unwrap_or(i64::MAX)));
    for table in ["dials", "abandoned_calls"] {
        let sql = format!(
            "DELETE FROM {table} WHERE at < ?1 AND id IN (SELECT id FROM {table} ORDER BY id LIMIT 400)"
        );
        let oldest = format!("SELECT at < ?1 FROM {table} ORDER BY id LIMIT 1");
        let is_old: Option<bool> =
            db.prepare_cached(&oldest)?.query_row([old.0], |row| row.get(0)).optional()?;
        if is_old == Some(true) {
            db.prepare_cached(&sql)?.execute([old.0])?;
        }
    }
    Ok(())
}

pub(super) fn note_zones(db: &Db, campaign: CampaignId, zones: &str) -> Result<()> {
    let sql = "INSERT OR IGNORE INTO campaign_zones (campaign, zones) VALUES (?1, ?2)";
    db.prepare_cached(sql)?.execute(params![campaign.0, zones])?;
    Ok(())
}

pub(super) fn zones(db: &Db, campaign: CampaignId) -> Result<Vec<String>> {
    rows(db, "SELECT zones FROM campaign_zones WHERE campaign = ?1", [campaign.0], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::Folder;

    #[test]
    fn refusals_are_found_by_an_index_for_each_filter() {
        let folder = Folder::new();
        let db = connection::open_writer(&folder.database()).unwrap();
        let (campaign, number) = (Some(CampaignId(1)), PhoneNumber::parse("123").ok());
        for (campaign, number, index) in [
            (None, None, "refusals_of_company"),
            (campaign, None, "refusals_of_campaign"),
            (None, number.clone(), "refusals_of_number"),
            (campaign, number, "refusals_of_number"),
        ] {
            let sql = refusals_sql(&RefusalFilter { campaign, number });
            let mut query = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let plan = query.query_map([0; 5], |row| row.get::<_, String>(3)).unwrap();
            let plan: Vec<String> = plan.map(std::result::Result::unwrap).collect();
            assert!(plan.len() == 1 && plan[0].contains(index), "one search, nothing sorted: {plan:?}");
        }
    }

    #[test]
    fn what_a_number_is_asked_for_is_one_search_of_an_index() {
        let folder = Folder::new();
        let db = connection::open_writer(&folder.database()).unwrap();
        for (sql, way) in [
            (LISTED, "dnc USING PRIMARY KEY (company=? AND campaign=? AND is_prefix=? AND key=?)"),
            (PREFIX_BEFORE, "dnc USING PRIMARY KEY (company=? AND campaign=? AND is_prefix=? AND key<?)"),
            (DIALS, "dials USING COVERING INDEX dials_of_number (company=? AND key=?)"),
            (
                LAST_ABANDONED,
                "abandoned_calls USING COVERING INDEX abandoned_calls_of_number (company=? AND key=?)",
            ),
        ] {
            let mut query = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let values = rusqlite::params_from_iter(vec![0; query.parameter_count()]);
            let plan = query.query_map(values, |row| row.get::<_, String>(3)).unwrap();
            let plan: Vec<String> = plan.map(std::result::Result::unwrap).collect();
            assert_eq!(plan, [format!("SEARCH {way}")], "one search, nothing sorted");
        }
    }
}
