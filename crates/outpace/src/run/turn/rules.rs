//! What the companies' rules mean for their engines.

use engine::compliance::{AbandonWindow, ComplianceSettings};
use engine::{CompanyId, InboundNumber, InboundRule};
use store::CallerId;

use super::*;
use crate::config::OutboundConfig;

/// How often the abandoned calls of the windows that pacing does not keep itself are counted anew.
pub(super) const BUDGET_EVERY: Duration = Duration::from_secs(60);

/// The server's dialing rules, with what the company has to keep.
pub(super) fn engine_config(config: &engine::Config, rules: &ComplianceSettings) -> engine::Config {
    let ring_min = Duration::from_secs(u64::from(rules.ring_min_s));
    engine::Config { ring_min: config.ring_min.max(ring_min), ..config.clone() }
}

fn inbound_rule(c: &CompanyDirectory) -> InboundRule {
    let settings = &c.inbound;
    let group = |name: &str| c.groups.iter().find(|group| group.name == name).map(|group| group.id);
    let taken = |own: &&CallerId| own.enabled && own.inbound.unwrap_or(settings.enabled);
    let number = |own: &CallerId| {
        let name = if own.inbound_group.is_empty() { &settings.group } else { &own.inbound_group };
        (own.number.clone(), InboundNumber { group: group(name) })
    };
    InboundRule {
        numbers: c.caller_ids.iter().filter(taken).map(number).collect(),
        ring: Duration::from_millis(settings.ring_ms.into()),
        wait: Duration::from_millis(settings.wait_ms.into()),
    }
}

impl Dialer {
    /// Campaigns that wait are asked again, and paced anew.
    pub(super) fn rules_changed(&mut self, company: CompanyId) {
        for campaign in self.campaigns_of(company) {
            self.load_campaign(company, campaign, true);
        }
    }

    /// What phones may dial, and which calls of customers are taken.
    pub(super) fn put_direct_rules(&mut self, c: &CompanyDirectory) {
        let company = c.company.id;
        let configured = self.configured.get(&c.company.settings.code);
        let outbound = configured.map_or_else(|| OutboundConfig::default().rule(), |own| own.outbound.rule());
        let inbound = inbound_rule(c);
        self.switch.put_inbound_numbers(company, inbound.numbers.keys().cloned().collect());
        self.input(company, Input::Outbound(outbound));
        self.input(company, Input::Inbound(inbound));
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
