//! Campaigns: creation, ends, recalls, lists.

use engine::compliance::Rules;

use super::*;

impl Tables {
    pub(super) fn create_campaign(
        &mut self,
        now: Timestamp,
        new: &NewCampaign,
        leads: &[NewLead],
    ) -> Result<Created> {
        rule::check_new(new, leads)?;
        let (id, mut table, rules) = self.new_campaign(now, new)?;
        let on_dnc = self.on_dnc(new.company, id, &rules, leads)?;
        if !leads.is_empty() && on_dnc.len() == leads.len() {
            return Err(rule::NO_LEAD);
        }
        let skipped = table.add_leads(now, &rules, leads, on_dnc);
        let campaign = table.campaign.clone();
        self.campaigns.insert(id, table);
        Ok(Created { campaign, duplicates: skipped.duplicates, on_dnc: skipped.on_dnc })
    }

    /// One that is not inserted yet.
    fn new_campaign(&self, now: Timestamp, new: &NewCampaign) -> Result<(CampaignId, CampaignTable, Rules)> {
        self.check_company(new.company)?;
        let others = || self.campaigns.values().map(|t| &t.campaign.settings);
        if others().any(|s| s.taskid == new.taskid) {
            return Err(StoreError::Taken("taskid"));
        }
        let same_client_id = |s: &NewCampaign| s.company == new.company && s.client_id == new.client_id;
        if !new.client_id.is_empty() && others().any(same_client_id) {
            return Err(StoreError::Taken("client_id"));
        }
        let rules = rule::new_rules(self.rules(new.company, &new.call_windows))?;
        let id = CampaignId(self.campaigns.last_key_value().map_or(0, |(id, _)| id.0) + 1);
        let table = CampaignTable::new(rule::created(id, now, new.clone()));
        Ok((id, table, rules))
    }

    pub(super) fn begin_campaign(&mut self, now: Timestamp, new: &NewCampaign) -> Result<CampaignId> {
        let (id, table, _) = self.new_campaign(now, &rule::unpublished(new)?)?;
        self.campaigns.insert(id, CampaignTable { unpublished: Some(new.status), ..table });
        Ok(id)
    }

    pub(super) fn publish_campaign(&mut self, now: Timestamp, id: CampaignId) -> Result<Campaign> {
        let table = self.table_mut(id)?;
        let status = table.unpublished.ok_or(StoreError::NotFound("campaign"))?;
        rule::publish(&mut table.campaign, now, status)?;
        table.unpublished = None;
        Ok(table.campaign.clone())
    }

    pub(super) fn discard_campaign(&mut self, id: CampaignId, limit: u32) -> Result<bool> {
        let table = self.table_mut(id)?;
        table.unpublished.ok_or(StoreError::NotFound("campaign"))?;
        table.campaign.settings.client_id.clear();
        table.discard_leads(limit);
        let is_empty = table.leads.is_empty();
        if is_empty {
            self.campaigns.remove(&id);
        }
        Ok(is_empty)
    }

    pub(super) fn unpublished_campaigns(&self) -> Vec<CampaignId> {
        self.campaigns.iter().filter(|(_, t)| t.unpublished.is_some()).map(|(id, _)| *id).collect()
    }

    pub(super) fn append_leads(
        &mut self,
        now: Timestamp,
        campaign: CampaignId,
        leads: &[NewLead],
    ) -> Result<Appended> {
        let settings = &self.table(campaign)?.campaign.settings;
        if settings.status == CampaignStatus::Ended {
            return Err(StoreError::Refused("the campaign has ended"));
        }
        let rules = self.campaign_rules(campaign)?;
        let on_dnc = self.on_dnc(settings.company, campaign, &rules, leads)?;
        let table = self.table_mut(campaign)?;
        let rule::Skipped { duplicates, on_dnc } = table.add_leads(now, &rules, leads, on_dnc);
        Ok(Appended { stored: (leads.len() - duplicates.len() - on_dnc.len()) as u64, duplicates, on_dnc })
    }

    pub(super) fn set_campaign_status(
        &mut self,
        now: Timestamp,
        campaign: CampaignId,
        status: CampaignStatus,
    ) -> Result<Campaign> {
        let campaign = &mut self.table_mut(campaign)?.campaign;
        let had_ended = campaign.settings.status == CampaignStatus::Ended;
        rule::set_status(campaign, now, status)?;
        let campaign = campaign.clone();
        if status == CampaignStatus::Ended && !had_ended {
            self.tell_campaign_ended(now, &campaign);
        }
        Ok(campaign)
    }

    pub(super) fn end_campaign(
        &mut self,
        now: Timestamp,
        campaign: CampaignId,
        why: EndReason,
    ) -> Result<Option<Campaign>> {
        let table = self.table_mut(campaign)?;
        let had_ended = table.campaign.settings.status == CampaignStatus::Ended;
        let ended = table.end(now, why);
        if let Some(campaign) = ended.as_ref().filter(|_| !had_ended) {
            self.tell_campaign_ended(now, campaign);
        }
        Ok(ended)
    }

    pub(super) fn campaign(&self, company: CompanyId, taskid: &str) -> Option<Campaign> {
        self.of_company(company).find(|c| c.settings.taskid == taskid).cloned()
    }

    pub(super) fn open_campaigns(&self, company: CompanyId) -> Vec<Campaign> {
        let mut open: Vec<Campaign> = self
            .of_company(company)
            .filter(|c| c.settings.status != CampaignStatus::Ended)
            .cloned()
            .collect();
        open.sort_by_key(|c| (c.created_at, c.id));
        open
    }

    pub(super) fn list_campaigns(
        &self,
        company: CompanyId,
        filter: &CampaignFilter,
        page: Page,
    ) -> (u64, Vec<Campaign>) {
        let mut found = self.matching(company, filter);
        found.sort_by_key(|c| std::cmp::Reverse((c.created_at, c.id)));
        (found.len() as u64, page_of(found.into_iter().cloned(), page))
    }

    pub(super) fn matching(&self, company: CompanyId, filter: &CampaignFilter) -> Vec<&Campaign> {
        self.of_company(company).filter(|c| matches(c, filter)).collect()
    }

    fn of_company(&self, company: CompanyId) -> impl Iterator<Item = &Campaign> {
        let published = self.campaigns.values().filter(|t| t.unpublished.is_none());
        published.map(|t| &t.campaign).filter(move |c| c.settings.company == company)
    }
}

fn matches(campaign: &Campaign, filter: &CampaignFilter) -> bool {
    let settings = &campaign.settings;
    let by_group = matches!(settings.assignment, Assignment::Group(..));
    let assigned_to = match &settings.assignment {
        Assignment::Group(_, name) => *name == filter.assigned_to,
        Assignment::Extensions(list) => list.iter().any(|(_, number)| *number == filter.assigned_to),
    };
    let name_part = filter.name_part.to_ascii_lowercase();
    filter.created_from.is_none_or(|t| campaign.created_at >= t)
        && filter.created_to.is_none_or(|t| campaign.created_at <= t)
        && (filter.taskids.is_empty() || filter.taskids.contains(&settings.taskid))
        && settings.name.to_ascii_lowercase().contains(&name_part)
        && (filter.statuses.is_empty() || filter.statuses.contains(&settings.status))
        && filter.by_group.is_none_or(|wanted| wanted == by_group)
        && (filter.assigned_to.is_empty() || assigned_to)
        && (filter.client_id.is_empty() || filter.client_id == settings.client_id)
}

impl CampaignTable {
    pub(super) fn new(campaign: Campaign) -> CampaignTable {
        CampaignTable {
            campaign,
            unpublished: None,
            seq_last: 0,
            leads: BTreeMap::new(),
            numbers: HashMap::new(),
            pending: BTreeSet::new(),
            in_flight: 0,
            holes: BTreeSet::new(),
            zones: BTreeSet::new(),
            calls: BTreeMap::new(),
            open: BTreeSet::new(),
            is_forgotten: false,
        }
    }

    fn end(&mut self, now: Timestamp, why: EndReason) -> Option<Campaign> {
        if self.campaign.settings.status == CampaignStatus::Ended {
            return Some(self.campaign.clone());
        }
        if why == EndReason::Over {
            let callable = |seq: &u64| !rule::is_past(self.leads[seq].lead.not_after, now);
            if self.in_flight > 0 || self.pending.iter().any(|(_, seq)| callable(seq)) {
                return None;
            }
            for (_, seq) in std::mem::take(&mut self.pending) {
                self.lead_mut(seq).give_up();
            }
        }
        rule::end(&mut self.campaign, now, why);
        Some(self.campaign.clone())
    }

    pub(super) fn recall(&mut self, now: Timestamp, recall: &Recall) -> Result<Campaign> {
        rule::check_recall(&self.campaign, recall)?;
        let mut found = false;
        for (seq, lead) in &mut self.leads {
            let Some(outcome) = lead.result.as_ref().map(|r| r.outcome) else { continue };
            if lead.state == LeadState::InFlight || !recall.which.matches(outcome) {
                continue;
            }
            found = true;
            self.campaign.counters.change(Some(outcome), None);
            self.pending.remove(&(lead.due_at, *seq));
            lead.result = None;
            lead.rule = None;
            lead.attempts = 0;
            lead.state = LeadState::Pending;
            lead.due_at = rule::DUE_AT_ONCE;
            self.pending.insert((lead.due_at, *seq));
        }
        if !found {
            return Err(StoreError::NotFound("lead"));
        }
        rule::reopen(&mut self.campaign, now, recall);
        Ok(self.campaign.clone())
    }
}
