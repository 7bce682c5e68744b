//! Leads of one campaign.

use super::*;

impl LeadRow {
    /// The deadline has passed. A lead that was called keeps its result and is not called again.
    pub(super) fn give_up(&mut self) {
        self.state = if self.result.is_some() { LeadState::Called } else { LeadState::Expired };
    }
}

impl CampaignTable {
    pub(super) fn lead_mut(&mut self, seq: u64) -> &mut LeadRow {
        self.leads.get_mut(&seq).expect("every number in an index has its lead")
    }

    /// The indices of the rows that repeat a number.
    pub(super) fn add_leads(&mut self, now: Timestamp, leads: &[NewLead]) -> Vec<usize> {
        let mut duplicates = Vec::new();
        for (i, lead) in leads.iter().enumerate() {
            if self.numbers.contains_key(&lead.number) {
                duplicates.push(i);
                continue;
            }
            self.seq_last += 1;
            let row = LeadRow {
                lead: lead.clone(),
                created_at: now,
                state: LeadState::Pending,
                due_at: rule::DUE_AT_ONCE,
                attempts: 0,
                round: 0,
                result: None,
            };
            self.numbers.insert(lead.number.clone(), self.seq_last);
            self.pending.insert((row.due_at, self.seq_last));
            self.leads.insert(self.seq_last, row);
            self.campaign.counters.total += 1;
        }
        duplicates
    }

    pub(super) fn list_leads(&self, page: Page) -> (u64, Vec<Lead>) {
        let holes = self.holes.iter().map(|h| Ok::<u64, std::convert::Infallible>(*h));
        let Ok(first) = rule::first_seq(page.offset, holes);
        let rows = self.leads.range(first..).map(|(seq, row)| self.shown(*seq, row));
        (self.campaign.counters.total, page_of(rows, Page { offset: 0, limit: page.limit }))
    }

    pub(super) fn shown(&self, seq: u64, row: &LeadRow) -> Lead {
        Lead {
            id: rule::lead_id(self.campaign.id, seq),
            lead: row.lead.clone(),
            created_at: row.created_at,
            round: row.round,
            mark: row.state.mark(),
            result: row.result.clone(),
        }
    }

    pub(super) fn delete_leads(&mut self, numbers: &[PhoneNumber]) -> u64 {
        let mut deleted = 0;
        for number in numbers {
            let Some(&seq) = self.numbers.get(number) else { continue };
            let lead = &self.leads[&seq];
            if lead.result.is_some() || lead.state == LeadState::InFlight {
                continue;
            }
            self.pending.remove(&(lead.due_at, seq));
            self.leads.remove(&seq);
            self.numbers.remove(number);
            self.holes.insert(seq);
            self.campaign.counters.total -= 1;
            deleted += 1;
        }
        deleted
    }

    /// Up to `count` leads to call now, in the order of the lease; gives up those past their deadline on the way.
    pub(super) fn take_due(&mut self, now: Timestamp, count: usize) -> Vec<u64> {
        let mut taken = Vec::new();
        let mut expired = Vec::new();
        let retries = self.pending.range((rule::DUE_AT_ONCE + 1, 0)..);
        let retries = retries.take_while(|(due, _)| *due <= now.0);
        let fresh = self.pending.range(..=(rule::DUE_AT_ONCE, u64::MAX));
        for &(due, seq) in retries.chain(fresh) {
            if taken.len() == count {
                break;
            }
            if !rule::is_past(self.leads[&seq].lead.not_after, now) {
                taken.push((due, seq));
            } else if expired.len() < rule::EXPIRED_PER_LEASE_MAX {
                expired.push((due, seq));
            } else {
                break;
            }
        }
        for (due, seq) in expired {
            self.pending.remove(&(due, seq));
            self.lead_mut(seq).give_up();
        }
        for key in &taken {
            self.pending.remove(key);
        }
        taken.into_iter().map(|(_, seq)| seq).collect()
    }

    pub(super) fn supply(&self, now: Timestamp) -> Supply {
        match self.pending.first() {
            _ if self.campaign.settings.status == CampaignStatus::Ended => Supply::Exhausted,
            None => Supply::Exhausted,
            Some((due, _)) if *due <= now.0.max(rule::DUE_AT_ONCE) => Supply::Available,
            Some((due, _)) => Supply::Due(Timestamp(*due)),
        }
    }
}
