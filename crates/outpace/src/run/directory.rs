//! What the store knows of companies, extensions, groups, trunks and caller ids, and how the engines and the switch
//! learn of its changes.

use std::time::Duration;

use engine::compliance::ComplianceSettings;
use engine::{
    AgentPool, AgentSettings, CallerTimes, CampaignSettings, GroupSettings, PacingMode, RatioMilli, Timestamp,
};
use jiff::tz::TimeZone;
use store::{
    Assignment, CallerId, Campaign, Company, Extension, Group, InboundSettings, Queueing, Store, Trunk,
};

/// Everything that was provisioned, as it stands now.
#[derive(Clone, PartialEq, Debug)]
pub struct Directory {
    pub companies: Vec<CompanyDirectory>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct CompanyDirectory {
    pub company: Company,
    pub extensions: Vec<Extension>,
    pub groups: Vec<Group>,
    pub trunks: Vec<Trunk>,
    pub caller_ids: Vec<CallerId>,
    pub compliance: ComplianceSettings,
    pub inbound: InboundSettings,
}

impl Directory {
    /// Blocks: reads the store.
    pub fn load(store: &dyn Store) -> store::Result<Directory> {
        let mut companies = Vec::new();
        for company in store.companies()? {
            let id = company.id;
            companies.push(CompanyDirectory {
                extensions: store.extensions(Some(id))?,
                groups: store.groups(id)?,
                trunks: store.trunks(id)?,
                caller_ids: store.caller_ids(id)?,
                compliance: store.compliance(id)?,
                inbound: store.inbound(id)?,
                company,
            });
        }
        Ok(Directory { companies })
    }

    pub fn company(&self, id: engine::CompanyId) -> Option<&CompanyDirectory> {
        self.companies.iter().find(|c| c.company.id == id)
    }
}

impl CompanyDirectory {
    /// With those that were deleted since, disabled: engine and switch know no other end of one.
    pub fn extensions_and_gone(&self, before: Option<&CompanyDirectory>) -> Vec<Extension> {
        let known = before.map_or(&[][..], |b| &b.extensions);
        let gone = known.iter().filter(|k| !self.extensions.iter().any(|e| e.id == k.id));
        // First: another may have their number now.
        let gone = gone.map(|k| Extension { enabled: false, ..k.clone() });
        gone.chain(self.extensions.iter().cloned()).collect()
    }

    /// As `extensions_and_gone`.
    pub fn trunks_and_gone(&self, before: Option<&CompanyDirectory>) -> Vec<Trunk> {
        let known = before.map_or(&[][..], |b| &b.trunks);
        let gone = known.iter().filter(|k| !self.trunks.iter().any(|t| t.id == k.id));
        let disabled = |k: &Trunk| {
            let settings = store::NewTrunk { enabled: false, ..k.settings.clone() };
            Trunk { settings, ..k.clone() }
        };
        gone.map(disabled).chain(self.trunks.iter().cloned()).collect()
    }
}

pub fn agent_settings(extension: &Extension) -> AgentSettings {
    AgentSettings { agent: extension.id, extension: extension.number.clone(), enabled: extension.enabled }
}

pub fn group_settings(group: &Group) -> GroupSettings {
    GroupSettings {
        group: group.id,
        strategy: group.strategy,
        enabled: group.enabled,
        members: group.members.iter().map(|m| m.agent).collect(),
        callers: caller_times(&group.queueing),
    }
}

fn caller_times(queueing: &Queueing) -> CallerTimes {
    let seconds = |s: u32| Duration::from_secs(s.into());
    CallerTimes {
        ring: seconds(queueing.ring_s),
        wait: seconds(queueing.wait_s),
        absent_wait: seconds(queueing.absent_wait_s),
    }
}

pub fn automatic_caller_ids(caller_ids: &[CallerId]) -> Vec<String> {
    caller_ids.iter().filter(|c| c.enabled && c.automatic).map(|c| c.number.clone()).collect()
}

/// What the company's rules leave a campaign of abandoned calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AbandonBudget {
    /// Abandoned per answered at most, in hundredths of a percent: the campaign's own, or the company's when it is less.
    pub abandon_max: u32,
    /// A window has none left: only calls for which an agent is idle are placed.
    pub is_spent: bool,
}

impl AbandonBudget {
    /// `windows`: answered by a person and abandoned, in each window to be kept.
    pub fn new(asked: u32, company: u32, windows: &[(u32, u32)]) -> AbandonBudget {
        let abandon_max = asked.min(company);
        // One may always be lost: the first customers could not be called otherwise.
        let most = |answered: u32| (u64::from(answered) * u64::from(abandon_max) / 10_000).max(1);
        let is_spent = windows.iter().any(|(answered, abandoned)| u64::from(*abandoned) >= most(*answered));
        AbandonBudget { abandon_max, is_spent }
    }
}

/// `today`: answered by a person and abandoned since midnight. `amd`: for campaigns that do not say.
pub fn campaign_settings(
    campaign: &Campaign,
    today: (u32, u32),
    budget: AbandonBudget,
    amd: bool,
) -> CampaignSettings {
    let s = &campaign.settings;
    let ratio = ratio_milli(&s.scale);
    CampaignSettings {
        campaign: campaign.id,
        status: s.status,
        pool: match &s.assignment {
            Assignment::Extensions(list) => AgentPool::Extensions(list.iter().map(|(id, _)| *id).collect()),
            Assignment::Group(group, _) => AgentPool::Group(*group),
        },
        pacing: match (budget.is_spent, s.manual) {
            (true, _) => PacingMode::Progressive,
            (false, true) => PacingMode::Ratio(ratio),
            (false, false) => PacingMode::Predictive(ratio),
        },
        calls_max: s.calls_max,
        not_before: s.not_before,
        run_until: s.run_until,
        caller_ids: s.caller_ids.clone(),
        abandon_max: budget.abandon_max,
        answered_before: today.0,
        abandoned_before: today.1,
        amd: s.amd.unwrap_or(amd),
    }
}

/// `1:1.5` → 1500. What cannot be read is 1:1 (the API refuses it before it is stored).
fn ratio_milli(scale: &str) -> RatioMilli {
    let n = scale.split_once(':').and_then(|(_, n)| n.trim().parse::<f64>().ok()).unwrap_or(1.0);
    // Bounded, so the cast cannot be wrong.
    (n.clamp(0.0, 100.0) * 1000.0).round() as RatioMilli
}

/// The last midnight in the company's zone.
pub fn midnight(now: Timestamp, time_zone: &str) -> Timestamp {
    let zone = TimeZone::get(time_zone).unwrap_or(TimeZone::UTC);
    jiff::Timestamp::from_microsecond(now.0)
        .ok()
        .and_then(|t| t.to_zoned(zone).start_of_day().ok())
        .map_or(now, |z| Timestamp(z.timestamp().as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_is_read_in_thousandths() {
        assert_eq!(ratio_milli("1:1.5"), 1500);
        assert_eq!(ratio_milli("1:2"), 2000);
        assert_eq!(ratio_milli("nonsense"), 1000);
    }

    #[test]
    fn a_spent_window_leaves_only_calls_with_an_agent() {
        let spent = |windows: &[(u32, u32)]| AbandonBudget::new(300, 10_000, windows).is_spent;
        assert!(!spent(&[]) && !spent(&[(0, 0), (10, 0)]));
        assert!(spent(&[(10, 1)]), "the only one that may be lost is");
        assert!(!spent(&[(100, 2)]) && spent(&[(100, 3)]) && spent(&[(1000, 5), (100, 3)]));
        assert_eq!(AbandonBudget::new(500, 300, &[]).abandon_max, 300, "the company's is less");
        assert_eq!(AbandonBudget::new(200, 300, &[]).abandon_max, 200);
    }

    #[test]
    fn midnight_is_the_companys() {
        // 2026-01-01 17:00 UTC is 2026-01-02 01:00 in Shanghai.
        let now = Timestamp::from_unix_seconds(1_767_286_800);
        assert_eq!(midnight(now, "Asia/Shanghai"), Timestamp::from_unix_seconds(1_767_286_800 - 3600));
    }
}
