//! Leads of one campaign.

use super::*;
use crate::permit::{self, Judge};

/// Why a lead is not taken.
#[derive(Clone, Copy)]
enum Aside {
    Expired,
    Waiting(Rule, Timestamp),
    Refused(Rule),
}

impl Tables {
    /// Up to `count` leads to call now, in the order of the lease, their dials counted; sets aside those that may not be
    /// called.
    pub(super) fn take_due(
        &mut self,
        now: Timestamp,
        campaign: CampaignId,
        rules: &Rules,
        count: usize,
    ) -> Result<Vec<u64>> {
        let table = self.campaigns.get_mut(&campaign).ok_or(StoreError::NotFound("campaign"))?;
        let company = table.campaign.settings.company;
        let retries = table.pending.range((rule::DUE_AT_ONCE + 1, 0)..);
        let retries = retries.take_while(|(due, _)| *due <= now.0);
        let fresh = table.pending.range(..=(rule::DUE_AT_ONCE, u64::MAX));
        let most = count + rule::ASIDE_PER_LEASE_MAX;
        let mut aside_count = 0;
        let mut taken = Vec::new();
        for place in retries.chain(fresh).take(most).copied().collect::<Vec<_>>() {
            if taken.len() == count || aside_count == rule::ASIDE_PER_LEASE_MAX {
                break;
            }
            let lead = &table.leads[&place.1].lead;
            let (number, not_after) = (lead.number.clone(), lead.not_after);
            let key = rules.key(&number);
            let mut judge = Judge::new(rules, self.compliance.notes(company), Some(campaign), now);
            let aside = match rule::is_past(not_after, now) {
                true => Some(Aside::Expired),
                false => match permit::within(judge.permit(&number, &key, &lead.time_zone)?, not_after) {
                    Permit::Allowed => None,
                    Permit::Wait { rule, until } => Some(Aside::Waiting(rule, until)),
                    Permit::Refused(rule) => Some(Aside::Refused(rule)),
                },
            };
            let Some(aside) = aside else {
                self.compliance.note_dial(now, company, key);
                table.pending.remove(&place);
                taken.push(place.1);
                continue;
            };
            aside_count += 1;
            table.put_aside(place, aside);
            if let Aside::Refused(rule) = aside {
                let lead = rule::lead_id(campaign, place.1);
                self.compliance.refuse(now, company, Some(lead), number, rule);
            }
        }
        Ok(taken)
    }
}

impl LeadRow {
    /// The deadline has passed. A lead that was called keeps its result and is not called again.
    pub(super) fn give_up(&mut self) {
        self.rule = None;
        self.state = if self.result.is_some() { LeadState::Called } else { LeadState::Expired };
    }
}

impl CampaignTable {
    pub(super) fn lead_mut(&mut self, seq: u64) -> &mut LeadRow {
        self.leads.get_mut(&seq).expect("every number in an index has its lead")
    }

    /// `on_dnc`: the rows that are on a list, in order.
    pub(super) fn add_leads(
        &mut self,
        now: Timestamp,
        rules: &Rules,
        leads: &[NewLead],
        on_dnc: Vec<usize>,
    ) -> rule::Skipped {
        let mut duplicates = Vec::new();
        for (i, lead) in leads.iter().enumerate() {
            if on_dnc.binary_search(&i).is_ok() {
                continue;
            }
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
                rule: None,
            };
            self.zones.insert(permit::zones_of(rules, lead));
            self.numbers.insert(lead.number.clone(), self.seq_last);
            self.pending.insert((row.due_at, self.seq_last));
            self.leads.insert(self.seq_last, row);
            self.campaign.counters.total += 1;
        }
        rule::Skipped { duplicates, on_dnc }
    }

    pub(super) fn list_leads(&self, page: Page) -> (u64, Vec<Lead>) {
        let holes = self.holes.iter().map(|h| Ok::<u64, std::convert::Infallible>(*h));
        let Ok(first) = rule::first_seq(page.offset, holes);
        let rows = self.leads.range(first..).map(|(seq, row)| self.shown(*seq, row));
        let total = if self.is_forgotten { 0 } else { self.campaign.counters.total };
        (total, page_of(rows, Page { offset: 0, limit: page.limit }))
    }

    pub(super) fn shown(&self, seq: u64, row: &LeadRow) -> Lead {
        Lead {
            id: rule::lead_id(self.campaign.id, seq),
            lead: row.lead.clone(),
            created_at: row.created_at,
            round: row.round,
            mark: row.state.mark(row.rule),
            result: row.result.clone(),
        }
    }

    /// The last `limit` leads; none was ever called.
    pub(super) fn discard_leads(&mut self, limit: u32) {
        for _ in 0..limit {
            let Some((seq, lead)) = self.leads.pop_last() else { return };
            self.numbers.remove(&lead.lead.number);
            self.pending.remove(&(lead.due_at, seq));
            self.seq_last = seq - 1;
            self.campaign.counters.total -= 1;
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

    /// Sets the lead aside, if it has to be.
    fn put_aside(&mut self, (due, seq): (i64, u64), aside: Aside) {
        self.pending.remove(&(due, seq));
        let lead = self.lead_mut(seq);
        match aside {
            Aside::Expired => lead.give_up(),
            Aside::Waiting(rule, until) => {
                (lead.rule, lead.due_at) = (Some(rule), until.0);
                self.pending.insert((until.0, seq));
            }
            Aside::Refused(rule) => {
                (lead.rule, lead.state) = (Some(rule), LeadState::Called);
                let blocked = rule::blocked(lead.result.as_ref());
                let old = lead.result.replace(blocked);
                self.campaign.counters.change(old.map(|r| r.outcome), Some(Outcome::Blocked));
            }
        }
    }

    pub(super) fn supply(&self, now: Timestamp, rules: &Rules) -> Supply {
        permit::supply_in_hours(rules, now, self.due_supply(now), &self.zones)
    }

    /// Whatever the hours.
    fn due_supply(&self, now: Timestamp) -> Supply {
        match self.pending.first() {
            _ if self.campaign.settings.status == CampaignStatus::Ended => Supply::Exhausted,
            None => Supply::Exhausted,
            Some((due, _)) if *due <= now.0.max(rule::DUE_AT_ONCE) => Supply::Available,
            Some((due, _)) => Supply::Due(Timestamp(*due)),
        }
    }
}
