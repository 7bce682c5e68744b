//! Bills.

use super::*;
use crate::bill::PREDICTIVE;

impl Tables {
    /// Of a call that has just been finished, whose lead has its result. Tells the company too.
    pub(super) fn add_bill(&mut self, now: Timestamp, call: CallId) {
        let table = self.calls.get(&call).and_then(|c| self.campaigns.get(c));
        let table = table.expect("a call that finished is in a campaign");
        let row = &table.calls[&call];
        let record = row.record.as_ref().expect("a call that finished has its record");
        let lead = &table.leads[&rule::seq_of(row.lead)];
        let result = lead.result.as_ref().expect("its lead has its result");
        let bill = Bill {
            id: self.bills_put + 1,
            company: table.campaign.settings.company,
            call,
            method: PREDICTIVE,
            taskid: table.campaign.settings.taskid.clone(),
            round: lead.round,
            number: row.number.clone(),
            caller_id: row.caller_id.clone(),
            extension: result.extension.clone().unwrap_or_default(),
            user_id: lead.lead.user_id.clone(),
            member_id: lead.lead.member_id.clone(),
            ext: lead.lead.ext.clone(),
            custom_uuid: lead.lead.custom_uuid.clone(),
            dialed_at: row.dialed_at,
            answered_at: record.answered_at,
            ended_at: record.ended_at,
            waiting_seconds: result.waiting_seconds,
            talk_seconds: result.talk_seconds,
            cause: record.cause,
            hangup_by: record.hangup_by,
            fetched: false,
            recording: self.recording_name(call),
            keys: record.keys.clone(),
            quality: CallQuality::default(),
        };
        self.tell_call_finished(now, &bill);
        self.put_bill(bill);
    }

    /// Its id is the next one.
    pub(super) fn put_bill(&mut self, bill: Bill) {
        self.bills_put = bill.id;
        self.bills.push(bill);
    }

    pub(super) fn recording_name(&self, call: CallId) -> String {
        self.recordings.get(&call).map_or_else(String::new, |r| r.filename.clone())
    }

    pub(super) fn list_bills(&self, company: CompanyId, filter: &BillFilter, page: Page) -> (u64, Vec<Bill>) {
        let mut found: Vec<&Bill> =
            self.bills.iter().filter(|b| b.company == company && matches(b, filter)).collect();
        found.sort_by_key(|b| (b.dialed_at, b.id));
        let now = |b: &Bill| Bill {
            recording: self.recording_name(b.call),
            quality: self.qualities.get(&(b.company, b.call)).copied().unwrap_or_default(),
            ..b.clone()
        };
        (found.len() as u64, page_of(found.into_iter().map(now), page))
    }

    pub(super) fn fetch_bills(
        &mut self,
        company: CompanyId,
        filter: &BillFilter,
        limit: u32,
    ) -> (u64, Vec<Bill>) {
        let filter = BillFilter { fetched: Some(false), ..filter.clone() };
        let (total, mut found) = self.list_bills(company, &filter, Page { offset: 0, limit });
        for bill in &mut found {
            bill.fetched = true;
            if let Ok(place) = self.bills.binary_search_by_key(&bill.id, |b| b.id) {
                self.bills[place].fetched = true;
            }
        }
        (total, found)
    }
}

fn matches(bill: &Bill, filter: &BillFilter) -> bool {
    let is = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
    bill.dialed_at >= filter.from
        && bill.dialed_at <= filter.to
        && filter.fetched.is_none_or(|f| f == bill.fetched)
        && filter.method.is_none_or(|m| m == bill.method)
        && filter.is_inbound.is_none_or(|inbound| inbound == bill.is_inbound())
        && (filter.extensions.is_empty() || filter.extensions.contains(&bill.extension))
        && is(&filter.number, bill.number.as_str())
        && is(&filter.user_id, &bill.user_id)
        && is(&filter.member_id, &bill.member_id)
        && is(&filter.ext, &bill.ext)
        && is(&filter.custom_uuid, &bill.custom_uuid)
        && is(&filter.taskid, &bill.taskid)
}
