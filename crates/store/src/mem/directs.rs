//! Calls that are no campaign's.

use super::*;
use crate::bill::direct_bill;

pub(super) struct DirectRow {
    pub(super) company: CompanyId,
    pub(super) call: NewDirect,
    pub(super) record: Option<DirectRecord>,
}

impl DirectRow {
    pub(super) fn agent(&self) -> Option<AgentId> {
        self.record.as_ref().map_or(self.call.agent, |r| r.agent)
    }
}

impl Tables {
    pub(super) fn open_direct(&mut self, company: CompanyId, call: &NewDirect) -> Result<()> {
        if self.directs.contains_key(&call.call) {
            return Err(StoreError::Taken("call"));
        }
        self.directs.insert(call.call, DirectRow { company, call: call.clone(), record: None });
        Ok(())
    }

    pub(super) fn finish_direct(&mut self, now: Timestamp, record: &DirectRecord) -> Result<()> {
        let row = self.directs.get_mut(&record.call).ok_or(StoreError::NotFound("call"))?;
        if row.record.is_some() {
            return Ok(());
        }
        // The keys stand in the bill only.
        row.record = Some(DirectRecord { keys: String::new(), ..record.clone() });
        let (company, call) = (row.company, row.call.clone());
        let extension = record.agent.and_then(|agent| self.extension_numbers.get(&agent));
        let extension = extension.cloned().unwrap_or_default();
        if call.kind != DirectKind::Internal && !call.number.is_withheld() {
            let agent = record.agent.filter(|_| record.outcome == Outcome::Connected);
            self.remember(record.ended_at, company, &call.number, LastCall { campaign: None, agent })?;
        }
        let recording = self.recording_name(record.call);
        let mut bill = direct_bill(company, &call, record, extension, recording);
        bill.id = self.bills_put + 1;
        self.tell_call_finished(now, &bill);
        self.put_bill(bill);
        Ok(())
    }

    /// What is not known of this call stays as it was.
    pub(super) fn remember(
        &mut self,
        at: Timestamp,
        company: CompanyId,
        number: &PhoneNumber,
        call: LastCall,
    ) -> Result<()> {
        let key = self.rules(company, &[])?.key(number);
        let (last, last_at) = self.last_calls.entry((company, key)).or_insert((LastCall::default(), at));
        *last_at = at;
        last.campaign = call.campaign.or(last.campaign);
        last.agent = call.agent.or(last.agent);
        Ok(())
    }

    pub(super) fn last_call(&self, company: CompanyId, number: &PhoneNumber) -> Result<LastCall> {
        let key = self.rules(company, &[])?.key(number);
        Ok(self.last_calls.get(&(company, key)).map(|(last, _)| *last).unwrap_or_default())
    }

    pub(super) fn rescue_directs(&mut self, now: Timestamp, company: CompanyId) -> Vec<CallId> {
        let open = self.directs.values().filter(|d| d.record.is_none() && d.company == company);
        let lost: Vec<DirectRecord> = open.map(|d| rule::lost_direct(&d.call, now)).collect();
        for record in &lost {
            self.finish_direct(now, record).expect("its row was just read");
        }
        lost.into_iter().map(|r| r.call).collect()
    }
}
