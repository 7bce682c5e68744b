//! What companies have to keep, their do-not-call lists, and what is counted for both.

use super::*;
use crate::permit::{self, ANY_ZONES, Books, Judge};

#[derive(Default)]
pub(super) struct Compliance {
    settings: HashMap<CompanyId, ComplianceSettings>,
    /// By company, campaign (None: every), prefix or not, key.
    dnc: BTreeMap<(CompanyId, Option<CampaignId>, bool, String), DncRow>,
    /// The country for which the keys of a company's lists were made.
    countries: HashMap<CompanyId, String>,
    numbers: HashMap<(CompanyId, String), Noted>,
    /// The id of a refusal is its place, from 1.
    refusals: Vec<Refusal>,
    refusals_put: i64,
}

#[derive(Default)]
struct Noted {
    /// In order.
    dials: Vec<Timestamp>,
    abandoned: Option<Timestamp>,
}

pub(super) struct Notes<'a> {
    compliance: &'a Compliance,
    company: CompanyId,
}

impl Books for Notes<'_> {
    fn lists(&self, list: Option<CampaignId>, key: &str) -> Result<bool> {
        Ok(self.compliance.dnc.contains_key(&(self.company, list, false, key.to_owned())))
    }

    fn prefix_before(&self, list: Option<CampaignId>, key: &str) -> Result<Option<String>> {
        let place = |key: &str| (self.company, list, true, key.to_owned());
        let mut before = self.compliance.dnc.range(place("")..=place(key));
        Ok(before.next_back().map(|((.., key), _)| key.clone()))
    }

    fn dials(&self, key: &str, limit: usize) -> Result<Vec<Timestamp>> {
        let noted = self.compliance.numbers.get(&(self.company, key.to_owned()));
        Ok(noted.map_or_else(Vec::new, |n| n.dials.iter().rev().take(limit).copied().collect()))
    }

    fn last_abandoned(&self, key: &str) -> Result<Option<Timestamp>> {
        Ok(self.compliance.numbers.get(&(self.company, key.to_owned())).and_then(|n| n.abandoned))
    }
}

impl Compliance {
    pub(super) fn notes(&self, company: CompanyId) -> Notes<'_> {
        Notes { compliance: self, company }
    }

    pub(super) fn settings(&self, company: CompanyId) -> ComplianceSettings {
        self.settings.get(&company).cloned().unwrap_or_default()
    }

    pub(super) fn note_dial(&mut self, now: Timestamp, company: CompanyId, key: String) {
        let dials = &mut self.numbers.entry((company, key)).or_default().dials;
        let old = now.0.saturating_sub(i64::try_from(permit::REMEMBERED.as_micros()).unwrap_or(i64::MAX));
        dials.retain(|at| at.0 >= old);
        dials.push(now);
        dials.sort_unstable();
    }

    pub(super) fn take_back_dial(&mut self, at: Timestamp, company: CompanyId, key: String) {
        let Some(noted) = self.numbers.get_mut(&(company, key)) else { return };
        if let Some(place) = noted.dials.iter().position(|d| *d == at) {
            noted.dials.remove(place);
        }
    }

    pub(super) fn note_abandoned(&mut self, at: Timestamp, company: CompanyId, key: String) {
        let noted = self.numbers.entry((company, key)).or_default();
        noted.abandoned = noted.abandoned.max(Some(at));
    }

    pub(super) fn refuse(
        &mut self,
        now: Timestamp,
        company: CompanyId,
        lead: Option<LeadId>,
        number: PhoneNumber,
        rule: Rule,
    ) {
        let campaign = lead.map(rule::campaign_of);
        self.refusals_put += 1;
        let id = self.refusals_put;
        self.refusals.push(Refusal { id, company, campaign, lead, number, rule, at: now });
    }

    pub(super) fn forget(&mut self, company: CompanyId, before: Timestamp) -> u64 {
        let had = self.refusals.len();
        self.refusals.retain(|r| r.company != company || r.at >= before);
        (had - self.refusals.len()) as u64
    }

    pub(super) fn refusals(
        &self,
        company: CompanyId,
        filter: &RefusalFilter,
        after: i64,
        limit: u32,
    ) -> Vec<Refusal> {
        let wanted = |r: &&Refusal| {
            r.company == company
                && r.id > after
                && filter.campaign.is_none_or(|c| r.campaign == Some(c))
                && filter.number.as_ref().is_none_or(|n| r.number == *n)
        };
        self.refusals.iter().filter(wanted).take(limit.min(rule::PAGE_MAX) as usize).cloned().collect()
    }
}

impl Tables {
    /// The company's rules, narrowed by the windows of a campaign.
    pub(super) fn rules(&self, company: CompanyId, windows: &[String]) -> Result<Rules> {
        let found = self.companies.iter().find(|c| c.id == company);
        let zone = &found.ok_or(StoreError::NotFound("company"))?.settings.time_zone;
        Rules::new(&self.compliance.settings(company), zone, windows)
            .map_err(|e| StoreError::Failed(e.to_string()))
    }

    pub(super) fn campaign_rules(&self, campaign: CampaignId) -> Result<Rules> {
        let settings = &self.table(campaign)?.campaign.settings;
        self.rules(settings.company, &settings.call_windows)
    }

    pub(super) fn put_compliance(&mut self, company: CompanyId, settings: &ComplianceSettings) -> Result<()> {
        let zone = &self.companies.iter().find(|c| c.id == company);
        let zone = &zone.ok_or(StoreError::NotFound("company"))?.settings.time_zone;
        Rules::new(settings, zone, &[]).map_err(|e| StoreError::Failed(e.to_string()))?;
        if self.compliance.settings(company) != *settings {
            self.compliance.settings.insert(company, settings.clone());
            let own = self.campaigns.values_mut().filter(|t| t.campaign.settings.company == company);
            own.for_each(CampaignTable::wake_waiting);
        }
        self.rekey(company)
    }

    /// After the company's country may have changed: lists keep their meaning.
    pub(super) fn rekey(&mut self, company: CompanyId) -> Result<()> {
        let rules = self.rules(company, &[])?;
        let country = rules.country().to_owned();
        if self.compliance.countries.insert(company, country.clone()) == Some(country) {
            return Ok(());
        }
        for table in self.campaigns.values_mut() {
            let settings = &table.campaign.settings;
            if settings.company == company && settings.status != CampaignStatus::Ended {
                table.zones.insert(ANY_ZONES.to_owned());
            }
        }
        let (own, others) =
            std::mem::take(&mut self.compliance.dnc).into_iter().partition(|((c, ..), _)| *c == company);
        self.compliance.dnc = others;
        let own: BTreeMap<_, _> = own;
        for ((_, campaign, ..), row) in own {
            self.list_entry(DncList { company, campaign }, &row.entry, &rules, row.added_at);
        }
        Ok(())
    }

    fn list_entry(&mut self, list: DncList, entry: &DncEntry, rules: &Rules, at: Timestamp) -> bool {
        let key = entry.key(rules);
        let place = format!("{}{key}", u8::from(entry.is_prefix()));
        let row = DncRow { entry: entry.clone(), added_at: at, place };
        let slot = self.compliance.dnc.entry((list.company, list.campaign, entry.is_prefix(), key));
        let is_new = matches!(slot, std::collections::btree_map::Entry::Vacant(_));
        slot.or_insert(row);
        is_new
    }

    fn check_list(&self, list: DncList) -> Result<()> {
        match list.campaign {
            Some(c) if self.table(c)?.campaign.settings.company != list.company => {
                Err(StoreError::NotFound("campaign"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn add_dnc(&mut self, now: Timestamp, list: DncList, entries: &[DncEntry]) -> Result<u64> {
        self.check_list(list)?;
        let rules = self.rules(list.company, &[])?;
        Ok(entries.iter().filter(|entry| self.list_entry(list, entry, &rules, now)).count() as u64)
    }

    pub(super) fn remove_dnc(&mut self, list: DncList, entries: &[DncEntry]) -> Result<u64> {
        self.check_list(list)?;
        let rules = self.rules(list.company, &[])?;
        let mut removed = 0;
        for entry in entries {
            let place = (list.company, list.campaign, entry.is_prefix(), entry.key(&rules));
            removed += u64::from(self.compliance.dnc.remove(&place).is_some());
        }
        Ok(removed)
    }

    pub(super) fn list_dnc(&self, list: DncList, after: &str, limit: u32) -> Result<Vec<DncRow>> {
        self.check_list(list)?;
        let own = self.compliance.dnc.iter();
        let own =
            own.filter(|((company, campaign, ..), _)| (*company, *campaign) == (list.company, list.campaign));
        let rows = own.map(|(_, row)| row).filter(|row| row.place.as_str() > after);
        Ok(rows.take(limit.min(rule::PAGE_MAX) as usize).cloned().collect())
    }

    pub(super) fn may_call(
        &mut self,
        now: Timestamp,
        company: CompanyId,
        number: &PhoneNumber,
    ) -> Result<Permit> {
        let rules = self.rules(company, &[])?;
        let mut judge = Judge::new(&rules, self.compliance.notes(company), None, now);
        let permit = judge.permit(number, &rules.key(number), "")?;
        if let Permit::Wait { rule, .. } | Permit::Refused(rule) = permit {
            self.compliance.refuse(now, company, None, number.clone(), rule);
        }
        Ok(permit)
    }

    pub(super) fn count_dial(
        &mut self,
        now: Timestamp,
        company: CompanyId,
        number: &PhoneNumber,
    ) -> Result<()> {
        let key = self.rules(company, &[])?.key(number);
        self.compliance.note_dial(now, company, key);
        Ok(())
    }

    /// Indices of the rows that are on a list.
    pub(super) fn on_dnc(
        &self,
        company: CompanyId,
        campaign: CampaignId,
        rules: &Rules,
        leads: &[NewLead],
    ) -> Result<Vec<usize>> {
        let judge = Judge::new(rules, self.compliance.notes(company), Some(campaign), Timestamp(0));
        let mut listed = Vec::new();
        for (i, lead) in leads.iter().enumerate() {
            if judge.on_dnc(&rules.key(&lead.number))?.is_some() {
                listed.push(i);
            }
        }
        Ok(listed)
    }
}

impl CampaignTable {
    /// What waits for a rule is due now, to be asked for again.
    fn wake_waiting(&mut self) {
        for (seq, lead) in &mut self.leads {
            if lead.state != LeadState::Pending || lead.rule.take().is_none() {
                continue;
            }
            self.pending.remove(&(lead.due_at, *seq));
            lead.due_at = rule::DUE_AT_ONCE + i64::from(lead.attempts > 0);
            self.pending.insert((lead.due_at, *seq));
        }
    }
}
