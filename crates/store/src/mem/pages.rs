//! Lists that may be long, each page found by the key at which the one before ended.

use super::*;

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
        let calls = of_company.flat_map(|t| t.calls.values().map(move |c| (t, c)));
        let mut found: Vec<_> =
            calls.filter(|(_, c)| before.is_none_or(|b| c.id < b) && matches(c, filter)).collect();
        found.sort_by_key(|(_, c)| std::cmp::Reverse(c.id));
        page_of(found.into_iter().map(|(t, c)| self.cdr(t, c)), Page { offset: 0, limit })
    }

    pub(super) fn call(&self, company: CompanyId, call: CallId) -> Option<Cdr> {
        let table = self.campaigns.get(self.calls.get(&call)?)?;
        let call = table.calls.get(&call).filter(|_| table.campaign.settings.company == company)?;
        Some(self.cdr(table, call))
    }

    fn cdr(&self, table: &CampaignTable, call: &Call) -> Cdr {
        let agent = call.record.as_ref().and_then(|r| r.agent);
        let extension = agent.and_then(|a| self.extension_numbers.get(&a));
        Cdr {
            call: call.clone(),
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

fn matches(call: &Call, filter: &CallFilter) -> bool {
    let record = call.record.as_ref();
    let is_agent = |agent| record.is_some_and(|r| r.agent == Some(agent));
    filter.campaign.is_none_or(|c| call.campaign == c)
        && filter.agent.is_none_or(is_agent)
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
