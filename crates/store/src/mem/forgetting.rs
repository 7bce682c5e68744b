//! Personal data that has been kept long enough.

use super::*;

impl Tables {
    /// All at once, whatever the limit.
    pub(super) fn forget(&mut self, company: CompanyId, before: Timestamp) -> u64 {
        let mut deleted = 0;
        let first = rule::first_call_of(before);
        for table in self.campaigns.values_mut().filter(|t| t.campaign.settings.company == company) {
            if table.campaign.ended_at.is_some_and(|at| at < before) {
                table.is_forgotten = true;
                deleted += table.leads.len();
                table.leads.clear();
                table.numbers.clear();
                table.pending.clear();
            }
            let CampaignTable { calls, open, .. } = table;
            let had = calls.len();
            calls.retain(|id, _| *id >= first || open.contains(id));
            deleted += had - calls.len();
        }
        let campaigns = &self.campaigns;
        self.calls.retain(|id, campaign| campaigns.get(campaign).is_some_and(|t| t.calls.contains_key(id)));
        let had = self.directs.len() + self.bills.len() + self.last_calls.len() + self.qualities.len();
        self.qualities.retain(|(of, call), _| *of != company || *call >= first);
        self.last_calls.retain(|(of, _), (_, at)| *of != company || *at >= before);
        self.directs.retain(|id, d| d.company != company || *id >= first || d.record.is_none());
        self.bills.retain(|b| b.company != company || b.dialed_at >= before);
        let left = self.directs.len() + self.bills.len() + self.last_calls.len() + self.qualities.len();
        deleted += had - left;
        let had = self.identities.len();
        self.identities.retain(|(of, call), _| *of != company || *call >= first);
        deleted += had - self.identities.len();
        deleted as u64 + self.compliance.forget(company, before)
    }
}
