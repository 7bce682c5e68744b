//! Leases and calls.

use super::*;

impl Tables {
    pub(super) fn lease_leads(
        &mut self,
        now: Timestamp,
        campaign: CampaignId,
        slots: &[LeaseSlot],
    ) -> Result<(Vec<LeasedLead>, Supply)> {
        let slots = &slots[..slots.len().min(rule::LEASE_MAX)];
        let rules = self.campaign_rules(campaign)?;
        let table = self.table(campaign)?;
        let supply = table.supply(now, &rules);
        let is_running = table.campaign.settings.status == CampaignStatus::Running;
        if !is_running || matches!(supply, Supply::Due(at) if at > now) {
            return Ok((Vec::new(), supply));
        }
        let mut seen = BTreeSet::new();
        if slots.iter().any(|s| self.calls.contains_key(&s.call) || !seen.insert(s.call)) {
            return Err(StoreError::Taken("call"));
        }
        let due = self.take_due(now, campaign, &rules, slots.len())?;
        let table = self.table_mut(campaign)?;
        let leased: Vec<LeasedLead> =
            due.into_iter().zip(slots).map(|(seq, slot)| table.lease(now, seq, slot)).collect();
        self.calls.extend(leased.iter().map(|l| (l.call, campaign)));
        Ok((leased, self.table(campaign)?.supply(now, &rules)))
    }

    pub(super) fn return_leads(&mut self, calls: &[CallId]) -> Result<()> {
        for call in calls {
            let Some(table) = self.calls.get(call).and_then(|c| self.campaigns.get_mut(c)) else { continue };
            let company = table.campaign.settings.company;
            if let Some(row) = table.return_call(*call) {
                self.calls.remove(call);
                let key = self.rules(company, &[])?.key(&row.number);
                self.compliance.take_back_dial(row.dialed_at, company, key);
            }
        }
        Ok(())
    }

    pub(super) fn finish_call(
        &mut self,
        now: Timestamp,
        record: &CallRecord,
        retry: &RetryRule,
    ) -> Result<Option<Timestamp>> {
        let extension = record.agent.and_then(|a| self.extension_numbers.get(&a).cloned());
        let table = self.calls.get(&record.call).and_then(|c| self.campaigns.get_mut(c));
        let table = table.ok_or(StoreError::NotFound("call"))?;
        let was_open = table.open.contains(&record.call);
        let due = table.finish(now, record, extension, retry);
        let company = table.campaign.settings.company;
        let number = table.calls[&record.call].number.clone();
        if was_open && record.outcome == Outcome::Abandoned {
            let key = self.rules(company, &[])?.key(&number);
            self.compliance.note_abandoned(record.ended_at, company, key);
        }
        if was_open {
            let agent = record.agent.filter(|_| record.outcome == Outcome::Connected);
            self.remember(
                record.ended_at,
                company,
                &number,
                LastCall { campaign: Some(record.campaign), agent },
            )?;
            self.add_bill(now, record.call);
        }
        Ok(due)
    }

    pub(super) fn rescue_calls(
        &mut self,
        now: Timestamp,
        company: CompanyId,
        retry: &RetryRule,
    ) -> Vec<CallId> {
        let mut rescued = Vec::new();
        for table in self.campaigns.values_mut().filter(|t| t.campaign.settings.company == company) {
            for call in table.open.clone() {
                let record = rule::lost(&table.calls[&call], now);
                table.finish(now, &record, None, retry);
                rescued.push(call);
            }
        }
        rescued.sort();
        for call in &rescued {
            self.add_bill(now, *call);
        }
        rescued
    }
}

impl CampaignTable {
    fn lease(&mut self, now: Timestamp, seq: u64, slot: &LeaseSlot) -> LeasedLead {
        let campaign = self.campaign.id;
        let row = self.lead_mut(seq);
        row.state = LeadState::InFlight;
        row.attempts += 1;
        row.round += 1;
        row.rule = None;
        let leased = LeasedLead {
            call: slot.call,
            lead: rule::lead_id(campaign, seq),
            number: row.lead.number.clone(),
            attempt: row.attempts,
        };
        let call = Call {
            id: slot.call,
            campaign,
            lead: leased.lead,
            number: leased.number.clone(),
            attempt: leased.attempt,
            trunk: slot.trunk,
            caller_id: slot.caller_id.clone(),
            dialed_at: now,
            record: None,
        };
        self.in_flight += 1;
        self.calls.insert(slot.call, call);
        self.open.insert(slot.call);
        leased
    }

    /// None when the call is not open.
    fn return_call(&mut self, call: CallId) -> Option<Call> {
        if !self.open.remove(&call) {
            return None;
        }
        let row = self.calls.remove(&call).expect("an open call has a row");
        let seq = rule::seq_of(row.lead);
        let lead = self.lead_mut(seq);
        lead.state = LeadState::Pending;
        lead.attempts -= 1;
        lead.round -= 1;
        let due_at = lead.due_at;
        self.pending.insert((due_at, seq));
        self.in_flight -= 1;
        Some(row)
    }

    fn finish(
        &mut self,
        now: Timestamp,
        record: &CallRecord,
        extension: Option<String>,
        retry: &RetryRule,
    ) -> Option<Timestamp> {
        let call = self.calls.get_mut(&record.call)?;
        let seq = rule::seq_of(call.lead);
        if !self.open.remove(&record.call) {
            return self.due_again(seq);
        }
        call.trunk = record.trunk;
        call.caller_id.clone_from(&record.caller_id);
        call.dialed_at = record.dialed_at;
        let (campaign, lead, attempt) = (call.campaign, call.lead, call.attempt);
        call.record = Some(CallRecord { campaign, lead, attempt, ..record.clone() });
        let attempts_max = self.campaign.settings.attempts_max;
        let row = self.lead_mut(seq);
        let chances = rule::Chances { attempts: row.attempts, attempts_max, not_after: row.lead.not_after };
        let due = chances.retry_at(now, record.outcome, retry);
        let old = row.result.replace(rule::result_of(record, extension));
        row.state = if due.is_some() { LeadState::Pending } else { LeadState::Called };
        if let Some(due) = due {
            row.due_at = due.0;
            self.pending.insert((due.0, seq));
        }
        self.in_flight -= 1;
        self.campaign.counters.change(old.map(|r| r.outcome), Some(record.outcome));
        self.due_again(seq)
    }

    /// None too when the lead is gone or its campaign has ended.
    fn due_again(&self, seq: u64) -> Option<Timestamp> {
        let lead = self.leads.get(&seq)?;
        let open = self.campaign.settings.status != CampaignStatus::Ended;
        (open && lead.state == LeadState::Pending).then_some(Timestamp(lead.due_at))
    }

    pub(super) fn answered_since(&self, since: Timestamp) -> (u32, u32) {
        let records = self.calls.values().filter_map(|c| c.record.as_ref());
        let (mut answered, mut abandoned) = (0, 0);
        for record in records.filter(|r| r.ended_at >= since) {
            answered += u32::from(record.outcome.is_answered());
            abandoned += u32::from(record.outcome == Outcome::Abandoned);
        }
        (answered, abandoned)
    }

    pub(super) fn list_calls(&self, after: Option<CallId>, limit: u32) -> Vec<Call> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        let limit = limit.min(rule::PAGE_MAX) as usize;
        self.calls.range((from, Unbounded)).take(limit).map(|(_, c)| c.clone()).collect()
    }
}
