//! Lists that may be long, each page found by the key at which the one before ended.

use super::directs::DirectRow;
use super::*;
use crate::cdr::direct_call;

impl Tables {
    pub(super) fn campaigns_before(
        &self,
        company: CompanyId,
        filter: &CampaignFilter,
        before: Option<CampaignId>,
        limit: u32,
    ) -> Vec<Campaign> {
        let mut found = self.matching(company, filter);
        found.retain(|c| before.is_none_or(|b| c.id < b));
        found.sort_by_key(|c| std::cmp::Reverse(c.id));
        page_of(found.into_iter().cloned(), Page { offset: 0, limit })
    }

    pub(super) fn calls_before(
        &self,
        company: CompanyId,
        filter: &CallFilter,
        before: Option<CallId>,
        limit: u32,
    ) -> Vec<Cdr> {
        let of_company = self.campaigns.values().filter(|t| t.campaign.settings.company == company);
        let calls = of_company.flat_map(|t| t.calls.values().map(move |c| (self.cdr(t, c), agent_of(c))));
        let directs = self.directs.values().filter(|d| d.company == company);
        let directs = directs.map(|d| (self.direct_cdr(d), d.agent()));
        let mut found: Vec<Cdr> = calls
            .chain(directs)
            .filter(|(cdr, agent)| before.is_none_or(|b| cdr.call.id < b) && matches(cdr, *agent, filter))
            .map(|(cdr, _)| cdr)
            .collect();
        found.sort_by_key(|cdr| std::cmp::Reverse(cdr.call.id));
        page_of(found.into_iter(), Page { offset: 0, limit })
    }

    pub(super) fn call(&self, company: CompanyId, call: CallId) -> Option<Cdr> {
        if let Some(direct) = self.directs.get(&call).filter(|d| d.company == company) {
            return Some(self.direct_cdr(direct));
        }
        let table = self.campaigns.get(self.calls.get(&call)?)?;
        let call = table.calls.get(&call).filter(|_| table.campaign.settings.company == company)?;
        Some(self.cdr(table, call))
    }

    fn direct_cdr(&self, row: &DirectRow) -> Cdr {
        let extension = row.agent().and_then(|a| self.extension_numbers.get(&a));
        Cdr {
            call: direct_call(&row.call, row.record.as_ref()),
            direct: Some(row.call.kind),
            taskid: String::new(),
            extension: extension.cloned().unwrap_or_default(),
            recording: self.recordings.get(&row.call.call).cloned(),
            quality: self.qualities.get(&(row.company, row.call.call)).copied().unwrap_or_default(),
        }
    }

    fn cdr(&self, table: &CampaignTable, call: &Call) -> Cdr {
        let extension = agent_of(call).and_then(|a| self.extension_numbers.get(&a));
        Cdr {
            call: call.clone(),
            direct: None,
            taskid: table.campaign.settings.taskid.clone(),
            extension: extension.cloned().unwrap_or_default(),
            recording: self.recordings.get(&call.id).cloned(),
            quality: self
                .qualities
                .get(&(table.campaign.settings.company, call.id))
                .copied()
                .unwrap_or_default(),
        }
    }
}

fn agent_of(call: &Call) -> Option<AgentId> {
    call.record.as_ref().and_then(|r| r.agent)
}

fn matches(cdr: &Cdr, agent: Option<AgentId>, filter: &CallFilter) -> bool {
    let call = &cdr.call;
    let record = call.record.as_ref();
    cdr.direct.map_or(filter.kinds.has_campaigns(), |kind| filter.kinds.has(kind))
        && filter.campaign.is_none_or(|c| cdr.direct.is_none() && call.campaign == c)
        && filter.agent.is_none_or(|wanted| agent == Some(wanted))
        && filter.number.as_ref().is_none_or(|n| call.number == *n)
        && filter.outcome.is_none_or(|o| record.is_some_and(|r| r.outcome == o))
        && filter.from.is_none_or(|t| call.dialed_at >= t)
        && filter.to.is_none_or(|t| call.dialed_at < t)
}

impl CampaignTable {
    pub(super) fn leads_after(&self, after: u64, limit: u32) -> Vec<Lead> {
        let rows = self.leads.range(after.saturating_add(1)..).map(|(seq, row)| self.shown(*seq, row));
        page_of(rows, Page { offset: 0, limit })
    }

    pub(super) fn lead_of_number(&self, number: &PhoneNumber) -> Option<Lead> {
        let seq = self.numbers.get(number)?;
        self.leads.get(seq).map(|row| self.shown(*seq, row))
    }
}
