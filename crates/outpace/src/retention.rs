//! Deletes personal data that has been kept for as long as its company says.

use std::time::Duration;

use engine::{CompanyId, Timestamp};

use crate::handle::{Handle, HandleError};

const LOOK_EVERY: Duration = Duration::from_secs(3600);
/// Rows that one transaction deletes, so that calls have their turns at the store.
const ROWS_AT_ONCE: u32 = 2_000;
const PAUSE: Duration = Duration::from_millis(20);
const DAY_US: i64 = 86_400_000_000;

/// Runs until it is aborted.
pub async fn tend(handle: Handle) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = look(&handle).await {
            tracing::error!(%error, "old personal data was not looked for");
        }
    }
}

async fn look(handle: &Handle) -> Result<(), HandleError> {
    let companies = handle.with_store(|s| s.companies()).await?;
    for company in companies {
        let id = company.id;
        let days = handle.with_store(move |s| s.compliance(id)).await?.keep_personal_days;
        if days > 0 {
            let before = Timestamp(handle.now().0.saturating_sub(i64::from(days).saturating_mul(DAY_US)));
            forget(handle, id, before).await?;
        }
    }
    Ok(())
}

async fn forget(handle: &Handle, company: CompanyId, before: Timestamp) -> Result<(), HandleError> {
    let mut rows = 0;
    loop {
        match handle.with_store(move |s| s.forget_personal(company, before, ROWS_AT_ONCE)).await? {
            0 => break,
            deleted => rows += deleted,
        }
        tokio::time::sleep(PAUSE).await;
    }
    if rows > 0 {
        tracing::info!(%company, rows, "personal data past its time was deleted");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use engine::PhoneNumber;
    use engine::compliance::{ComplianceSettings, DncEntry};
    use store::{DncList, MemStore, NewCompany};

    use super::*;
    use crate::handle::wall_clock;

    #[tokio::test]
    async fn each_companys_old_data_goes_when_that_company_says() {
        let (sender, _commands) = tokio::sync::mpsc::channel(1);
        let handle = Handle::new(Arc::new(MemStore::new()), sender);
        let store = handle.store();
        let number = PhoneNumber::parse("13800138000").expect("a number");
        let companies = [("1", 31), ("2", 0), ("3", 90)].map(|(code, keep_personal_days)| {
            let settings = NewCompany {
                code: code.to_owned(),
                name: String::new(),
                time_zone: "UTC".to_owned(),
                language: "en".to_owned(),
                int_codes: false,
                licensed_until: None,
                allow_from: Vec::new(),
            };
            let id = store.put_company(&settings).expect("stored").id;
            let settings = ComplianceSettings { keep_personal_days, ..ComplianceSettings::default() };
            store.put_compliance(id, &settings).expect("stored");
            let list = DncList { company: id, campaign: None };
            store.add_dnc(wall_clock(), list, &[DncEntry::Number(number.clone())]).expect("stored");
            // Refused 60 days ago.
            store.may_call(Timestamp(wall_clock().0 - 60 * DAY_US), id, &number).expect("asked");
            id
        });
        look(&handle).await.expect("done");
        let left = companies.map(|id| {
            store.list_refusals(id, &store::RefusalFilter::default(), 0, 9).expect("readable").len()
        });
        assert_eq!(left, [0, 1, 1]);
    }
}
