//! What the companies' rules mean for their engines.

use engine::CompanyId;
use engine::compliance::{AbandonWindow, ComplianceSettings};

use super::*;

/// How often the abandoned calls of the windows that pacing does not keep itself are counted anew.
pub(super) const BUDGET_EVERY: Duration = Duration::from_secs(60);

/// The server's dialing rules, with what the company has to keep.
pub(super) fn engine_config(config: &engine::Config, rules: &ComplianceSettings) -> engine::Config {
    let ring_min = Duration::from_secs(u64::from(rules.ring_min_s));
    engine::Config { ring_min: config.ring_min.max(ring_min), ..config.clone() }
}

impl Dialer {
    /// Campaigns that wait are asked again, and paced anew.
    pub(super) fn rules_changed(&mut self, company: CompanyId) {
        for campaign in self.campaigns_of(company) {
            self.load_campaign(company, campaign, true);
        }
    }

    pub(super) fn count_budgets(&mut self) {
        let counted = |c: &&CompanyDirectory| {
            let windows = &c.compliance.abandon_windows;
            windows.contains(&AbandonWindow::Day) || windows.contains(&AbandonWindow::Days30)
        };
        let companies: Vec<CompanyId> =
            self.directory.companies.iter().filter(counted).map(|c| c.company.id).collect();
        for company in companies {
            for campaign in self.campaigns_of(company) {
                self.load_campaign(company, campaign, false);
            }
        }
    }

    /// Those that have not ended.
    fn campaigns_of(&self, company: CompanyId) -> Vec<CampaignId> {
        self.companies.get(&company).map(|c| c.campaign_loads.keys().copied().collect()).unwrap_or_default()
    }
}
