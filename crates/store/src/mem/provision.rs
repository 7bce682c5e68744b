//! Companies, keys, extensions, trunks, caller ids, tokens, groups, registrations.

use super::*;

impl Tables {
    pub(super) fn put_company(&mut self, settings: &NewCompany) -> Result<Company> {
        if let Some(company) = self.companies.iter_mut().find(|c| c.settings.code == settings.code) {
            company.settings = settings.clone();
            let company = company.clone();
            self.rekey(company.id)?;
            return Ok(company);
        }
        let company = Company { id: CompanyId(next_id(&self.companies)), settings: settings.clone() };
        self.companies.push(company.clone());
        self.rekey(company.id)?;
        Ok(company)
    }

    pub(super) fn put_app_key(&mut self, key: &AppKey) -> Result<()> {
        self.check_company(key.company)?;
        if self.app_keys.get(&key.appid).is_some_and(|k| k.company != key.company) {
            return Err(StoreError::Taken("appid"));
        }
        self.app_keys.insert(key.appid.clone(), key.clone());
        Ok(())
    }

    pub(super) fn put_extension(&mut self, new: &NewExtension) -> Result<Extension> {
        self.check_company(new.company)?;
        if let Some(extension) = self.extensions.get_mut(&new.number) {
            if extension.company != new.company {
                return Err(StoreError::Taken("extension"));
            }
            extension.password.clone_from(&new.password);
            extension.enabled = new.enabled;
            return Ok(extension.clone());
        }
        let id = AgentId(i64::try_from(self.extension_numbers.len()).unwrap_or(i64::MAX - 1) + 1);
        let extension = Extension {
            id,
            company: new.company,
            number: new.number.clone(),
            password: new.password.clone(),
            enabled: new.enabled,
            paused: false,
        };
        self.extension_numbers.insert(id, new.number.clone());
        self.extensions.insert(new.number.clone(), extension.clone());
        Ok(extension)
    }

    pub(super) fn put_extensions(&mut self, all: &[NewExtension]) -> Result<()> {
        for new in all {
            self.check_company(new.company)?;
            if self.extensions.get(&new.number).is_some_and(|e| e.company != new.company) {
                return Err(StoreError::Taken("extension"));
            }
        }
        all.iter().try_for_each(|new| self.put_extension(new).map(drop))
    }

    fn extension_mut(&mut self, agent: AgentId) -> Result<&mut Extension> {
        let number = self.extension_numbers.get(&agent).ok_or(StoreError::NotFound("extension"))?;
        self.extensions.get_mut(number).ok_or(StoreError::NotFound("extension"))
    }

    pub(super) fn set_paused(&mut self, agent: AgentId, paused: bool) -> Result<()> {
        self.extension_mut(agent)?.paused = paused;
        Ok(())
    }

    pub(super) fn put_trunk(&mut self, settings: &NewTrunk) -> Result<Trunk> {
        self.check_company(settings.company)?;
        let same =
            |t: &&mut Trunk| t.settings.company == settings.company && t.settings.name == settings.name;
        if let Some(trunk) = self.trunks.iter_mut().find(same) {
            trunk.settings = settings.clone();
            return Ok(trunk.clone());
        }
        self.trunks_added += 1;
        let trunk = Trunk { id: TrunkId(self.trunks_added), settings: settings.clone() };
        self.trunks.push(trunk.clone());
        Ok(trunk)
    }

    pub(super) fn put_inbound(&mut self, company: CompanyId, settings: &InboundSettings) -> Result<()> {
        self.check_company(company)?;
        self.inbound.insert(company, settings.clone());
        Ok(())
    }

    pub(super) fn put_caller_id(&mut self, new: &CallerId) -> Result<()> {
        self.check_company(new.company)?;
        let same = |c: &&mut CallerId| c.company == new.company && c.number == new.number;
        match self.caller_ids.iter_mut().find(same) {
            Some(caller_id) => *caller_id = new.clone(),
            None => self.caller_ids.push(new.clone()),
        }
        Ok(())
    }

    pub(super) fn delete_extension(&mut self, company: CompanyId, number: &str) -> Result<()> {
        let found = self.extensions.get(number).filter(|e| e.company == company);
        let extension = found.ok_or(StoreError::NotFound("extension"))?.clone();
        let agent = extension.id;
        let names = |t: &CampaignTable| match &t.campaign.settings.assignment {
            Assignment::Extensions(list) => list.iter().any(|(id, _)| *id == agent),
            Assignment::Group(..) => false,
        };
        let is_named = self.open_campaigns_of(company).any(names);
        let is_in_call = self.directs.values().any(|d| d.call.agent == Some(agent) && d.record.is_none());
        for (refused, why) in [
            (extension.enabled, rule::STILL_ENABLED_EXTENSION),
            (is_named, rule::NAMED_EXTENSION),
            (self.access.is_extension_of_a_user(company, number), rule::EXTENSION_OF_USER),
            (is_in_call, rule::EXTENSION_IN_CALL),
        ] {
            if refused {
                return Err(StoreError::Refused(why));
            }
        }
        self.groups.values_mut().for_each(|g| g.members.retain(|m| m.agent != agent));
        self.registrations.retain(|(of, _), _| *of != agent);
        self.extensions.remove(number);
        Ok(())
    }

    fn open_campaigns_of(&self, company: CompanyId) -> impl Iterator<Item = &CampaignTable> {
        let is_open = move |t: &&CampaignTable| {
            t.campaign.settings.company == company && t.campaign.settings.status != CampaignStatus::Ended
        };
        self.campaigns.values().filter(is_open)
    }

    pub(super) fn delete_trunk(&mut self, company: CompanyId, name: &str) -> Result<()> {
        let at = self.trunks.iter().position(|t| t.settings.company == company && t.settings.name == name);
        let at = at.ok_or(StoreError::NotFound("trunk"))?;
        let trunk = &self.trunks[at];
        let is_open = |t: &CampaignTable| {
            let mut open = t.open.iter().filter_map(|id| t.calls.get(id));
            open.any(|call| call.trunk == trunk.id)
        };
        if trunk.settings.enabled {
            return Err(StoreError::Refused(rule::STILL_ENABLED_TRUNK));
        }
        if self.campaigns.values().any(is_open) {
            return Err(StoreError::Refused(rule::TRUNK_IN_CALL));
        }
        self.trunks.remove(at);
        Ok(())
    }

    pub(super) fn delete_caller_id(&mut self, company: CompanyId, number: &str) -> Result<()> {
        let same = |c: &CallerId| c.company == company && c.number == number;
        if !self.caller_ids.iter().any(same) {
            return Err(StoreError::NotFound("caller id"));
        }
        let names = |t: &CampaignTable| t.campaign.settings.caller_ids.iter().any(|n| n == number);
        if self.open_campaigns_of(company).any(names) {
            return Err(StoreError::Refused(rule::NAMED_CALLER_ID));
        }
        self.caller_ids.retain(|c| !same(c));
        Ok(())
    }

    pub(super) fn put_token(&mut self, token: &Token) -> Result<()> {
        self.check_company(token.company)?;
        self.tokens.insert(token.sha256, token.clone());
        Ok(())
    }

    pub(super) fn put_registration(&mut self, registration: &Registration) -> Result<()> {
        let agent = registration.agent;
        self.extension_mut(agent)?;
        self.registrations.insert((agent, registration.contact.clone()), registration.clone());
        let of_agent = self.registrations.range((agent, String::new())..).take_while(|(k, _)| k.0 == agent);
        let mut kept: Vec<(Timestamp, String)> =
            of_agent.map(|(_, r)| (r.expires_at, r.contact.clone())).collect();
        kept.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        for (_, contact) in kept.into_iter().skip(rule::REGISTRATIONS_MAX) {
            self.registrations.remove(&(agent, contact));
        }
        Ok(())
    }

    fn group_named(&self, company: CompanyId, name: &str) -> Option<GroupId> {
        self.groups.values().find(|g| g.company == company && g.name == name).map(|g| g.id)
    }

    fn group_mut(&mut self, group: GroupId) -> Result<&mut Group> {
        self.groups.get_mut(&group).ok_or(StoreError::NotFound("group"))
    }

    pub(super) fn add_group(&mut self, new: &NewGroup) -> Result<Group> {
        self.check_company(new.company)?;
        if self.group_named(new.company, &new.name).is_some() {
            return Err(StoreError::Taken("group"));
        }
        self.groups_added += 1;
        let group = Group {
            id: GroupId(self.groups_added),
            company: new.company,
            name: new.name.clone(),
            enabled: new.enabled,
            strategy: new.strategy,
            remark: new.remark.clone(),
            automatic: new.automatic,
            queueing: new.queueing.clone(),
            members: Vec::new(),
        };
        self.groups.insert(group.id, group.clone());
        Ok(group)
    }

    pub(super) fn edit_group(&mut self, edited: &Group) -> Result<()> {
        let company = self.group_mut(edited.id)?.company;
        if self.group_named(company, &edited.name).is_some_and(|id| id != edited.id) {
            return Err(StoreError::Taken("group"));
        }
        let group = self.group_mut(edited.id)?;
        let members = std::mem::take(&mut group.members);
        *group = Group { company, members, ..edited.clone() };
        Ok(())
    }

    pub(super) fn delete_group(&mut self, company: CompanyId, group: GroupId) -> Result<()> {
        if self.group_mut(group)?.company != company {
            return Err(StoreError::NotFound("group"));
        }
        let uses = |t: &CampaignTable| {
            let settings = &t.campaign.settings;
            settings.status != CampaignStatus::Ended
                && matches!(settings.assignment, Assignment::Group(id, _) if id == group)
        };
        if self.campaigns.values().any(uses) {
            return Err(StoreError::Refused("a campaign that has not ended uses the group"));
        }
        self.groups.remove(&group);
        Ok(())
    }

    pub(super) fn put_member(&mut self, group: GroupId, agent: AgentId, signed_in: SignIn) -> Result<()> {
        let company = self.group_mut(group)?.company;
        if self.extension_mut(agent)?.company != company {
            return Err(StoreError::NotFound("extension"));
        }
        let members = &mut self.group_mut(group)?.members;
        match members.iter_mut().find(|m| m.agent == agent) {
            Some(_) if signed_in == SignIn::Keep => {}
            Some(member) => member.signed_in = signed_in,
            None => {
                let signed_in = if signed_in == SignIn::In { SignIn::In } else { SignIn::Out };
                members.push(Member { agent, signed_in });
            }
        }
        Ok(())
    }

    pub(super) fn put_members(
        &mut self,
        group: GroupId,
        agents: &[AgentId],
        signed_in: SignIn,
    ) -> Result<()> {
        let before = self.group_mut(group)?.members.clone();
        for agent in agents {
            if let Err(error) = self.put_member(group, *agent, signed_in) {
                self.group_mut(group)?.members = before;
                return Err(error);
            }
        }
        Ok(())
    }

    pub(super) fn delete_member(&mut self, group: GroupId, agent: AgentId) -> Result<()> {
        let members = &mut self.group_mut(group)?.members;
        let Some(at) = members.iter().position(|m| m.agent == agent) else {
            return Err(StoreError::NotFound("member"));
        };
        members.remove(at);
        Ok(())
    }
}
