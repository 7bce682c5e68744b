//! Everything in memory, for tests, demonstrations and the simulation. Nothing survives a restart.

mod access;
mod bills;
mod calls;
mod campaigns;
mod compliance;
mod directs;
mod forgetting;
mod leads;
mod outbox;
mod pages;
mod provision;
mod recordings;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::*;
use rule::LeadState;

/// One lock around everything: a verb is a transaction because it checks before it changes.
#[derive(Default)]
pub struct MemStore {
    tables: Mutex<Tables>,
}

#[derive(Default)]
struct Tables {
    companies: Vec<Company>,
    app_keys: BTreeMap<String, AppKey>,
    tokens: HashMap<[u8; 32], Token>,
    /// By number.
    extensions: BTreeMap<String, Extension>,
    extension_numbers: HashMap<AgentId, String>,
    trunks: Vec<Trunk>,
    /// Ids of deleted trunks are not used again, nor those of extensions: each of these keeps its number.
    trunks_added: i64,
    caller_ids: Vec<CallerId>,
    inbound: BTreeMap<CompanyId, InboundSettings>,
    groups: BTreeMap<GroupId, Group>,
    /// Ids of deleted groups are not used again.
    groups_added: i64,
    registrations: BTreeMap<(AgentId, String), Registration>,
    recordings: BTreeMap<CallId, Recording>,
    qualities: BTreeMap<(CompanyId, CallId), CallQuality>,
    identities: BTreeMap<(CompanyId, CallId), CallerIdentity>,
    compliance: compliance::Compliance,
    campaigns: BTreeMap<CampaignId, CampaignTable>,
    /// Where each call lies.
    calls: HashMap<CallId, CampaignId>,
    directs: BTreeMap<CallId, directs::DirectRow>,
    /// By the one form of a number; with the end of the last of these calls.
    last_calls: HashMap<(CompanyId, String), (LastCall, Timestamp)>,
    /// By id.
    bills: Vec<Bill>,
    bills_put: i64,
    pushes: BTreeMap<CompanyId, PushSettings>,
    outbox: BTreeMap<i64, outbox::Waiting>,
    /// Ids of events are not used again.
    events_put: i64,
    access: access::Access,
}

/// A campaign with its leads and calls.
struct CampaignTable {
    campaign: Campaign,
    /// Its leads are still coming: the status that it will have then.
    unpublished: Option<CampaignStatus>,
    /// Sequence number of the lead that came last; they start at 1.
    seq_last: u64,
    leads: BTreeMap<u64, LeadRow>,
    numbers: HashMap<PhoneNumber, u64>,
    /// Leads to call, by due time and sequence number.
    pending: BTreeSet<(i64, u64)>,
    in_flight: u64,
    /// Sequence numbers of deleted leads.
    holes: BTreeSet<u64>,
    /// Where its leads may be.
    zones: BTreeSet<String>,
    calls: BTreeMap<CallId, Call>,
    open: BTreeSet<CallId>,
    /// Its leads were deleted because they were old.
    is_forgotten: bool,
}

struct LeadRow {
    lead: NewLead,
    created_at: Timestamp,
    state: LeadState,
    /// Kept while the lead is in flight, so that a returned lead gets its place back.
    due_at: i64,
    /// Calls placed in this round.
    attempts: u32,
    /// Calls placed in all rounds.
    round: u32,
    result: Option<LeadResult>,
    /// Pending: what it waits for. Called: why it was refused.
    rule: Option<Rule>,
}

impl MemStore {
    pub fn new() -> MemStore {
        MemStore::default()
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn table(&self, campaign: CampaignId) -> Result<&CampaignTable> {
        self.campaigns.get(&campaign).ok_or(StoreError::NotFound("campaign"))
    }

    fn table_mut(&mut self, campaign: CampaignId) -> Result<&mut CampaignTable> {
        self.campaigns.get_mut(&campaign).ok_or(StoreError::NotFound("campaign"))
    }

    fn check_company(&self, company: CompanyId) -> Result<()> {
        match self.companies.iter().any(|c| c.id == company) {
            true => Ok(()),
            false => Err(StoreError::NotFound("company")),
        }
    }
}

/// The row of a list that is `number`th from 1.
fn next_id<T>(rows: &[T]) -> i64 {
    i64::try_from(rows.len()).unwrap_or(i64::MAX - 1) + 1
}

fn page_of<T>(rows: impl Iterator<Item = T>, page: Page) -> Vec<T> {
    let offset = usize::try_from(page.offset).unwrap_or(usize::MAX);
    rows.skip(offset).take(page.limit.min(rule::PAGE_MAX) as usize).collect()
}

impl Store for MemStore {
    fn put_company(&self, company: &NewCompany) -> Result<Company> {
        self.tables().put_company(company)
    }
    fn companies(&self) -> Result<Vec<Company>> {
        Ok(self.tables().companies.clone())
    }
    fn put_app_key(&self, key: &AppKey) -> Result<()> {
        self.tables().put_app_key(key)
    }
    fn app_key(&self, appid: &str) -> Result<Option<AppKey>> {
        Ok(self.tables().app_keys.get(appid).cloned())
    }
    fn app_keys(&self, company: CompanyId) -> Result<Vec<AppKey>> {
        Ok(self.tables().app_keys.values().filter(|k| k.company == company).cloned().collect())
    }
    fn put_extension(&self, extension: &NewExtension) -> Result<Extension> {
        self.tables().put_extension(extension)
    }
    fn put_extensions(&self, extensions: &[NewExtension]) -> Result<()> {
        self.tables().put_extensions(extensions)
    }
    fn extensions(&self, company: Option<CompanyId>) -> Result<Vec<Extension>> {
        let tables = self.tables();
        Ok(tables.extensions.values().filter(|e| company.is_none_or(|c| e.company == c)).cloned().collect())
    }
    fn extension(&self, number: &str) -> Result<Option<Extension>> {
        Ok(self.tables().extensions.get(number).cloned())
    }
    fn delete_extension(&self, company: CompanyId, number: &str) -> Result<()> {
        self.tables().delete_extension(company, number)
    }
    fn delete_trunk(&self, company: CompanyId, name: &str) -> Result<()> {
        self.tables().delete_trunk(company, name)
    }
    fn delete_caller_id(&self, company: CompanyId, number: &str) -> Result<()> {
        self.tables().delete_caller_id(company, number)
    }
    fn put_trunk(&self, trunk: &NewTrunk) -> Result<Trunk> {
        self.tables().put_trunk(trunk)
    }
    fn trunks(&self, company: CompanyId) -> Result<Vec<Trunk>> {
        Ok(self.tables().trunks.iter().filter(|t| t.settings.company == company).cloned().collect())
    }
    fn put_caller_id(&self, caller_id: &CallerId) -> Result<()> {
        self.tables().put_caller_id(caller_id)
    }
    fn caller_ids(&self, company: CompanyId) -> Result<Vec<CallerId>> {
        Ok(self.tables().caller_ids.iter().filter(|c| c.company == company).cloned().collect())
    }
    fn put_inbound(&self, company: CompanyId, settings: &InboundSettings) -> Result<()> {
        self.tables().put_inbound(company, settings)
    }
    fn inbound(&self, company: CompanyId) -> Result<InboundSettings> {
        Ok(self.tables().inbound.get(&company).cloned().unwrap_or_default())
    }

    fn put_token(&self, token: &Token) -> Result<()> {
        self.tables().put_token(token)
    }
    fn token(&self, now: Timestamp, hash: &[u8; 32]) -> Result<Option<Token>> {
        Ok(self.tables().tokens.get(hash).filter(|t| t.expires_at > now).cloned())
    }
    fn delete_token(&self, now: Timestamp, hash: &[u8; 32]) -> Result<()> {
        self.tables().tokens.retain(|_, t| t.sha256 != *hash && t.expires_at > now);
        Ok(())
    }
    fn delete_tokens_of(&self, appid: &str) -> Result<()> {
        self.tables().tokens.retain(|_, t| t.appid != appid);
        Ok(())
    }

    fn add_group(&self, group: &NewGroup) -> Result<Group> {
        self.tables().add_group(group)
    }
    fn edit_group(&self, group: &Group) -> Result<()> {
        self.tables().edit_group(group)
    }
    fn delete_group(&self, company: CompanyId, group: GroupId) -> Result<()> {
        self.tables().delete_group(company, group)
    }
    fn groups(&self, company: CompanyId) -> Result<Vec<Group>> {
        Ok(self.tables().groups.values().filter(|g| g.company == company).cloned().collect())
    }
    fn put_member(&self, group: GroupId, agent: AgentId, signed_in: SignIn) -> Result<()> {
        self.tables().put_member(group, agent, signed_in)
    }
    fn put_members(&self, group: GroupId, agents: &[AgentId], signed_in: SignIn) -> Result<()> {
        self.tables().put_members(group, agents, signed_in)
    }
    fn delete_member(&self, group: GroupId, agent: AgentId) -> Result<()> {
        self.tables().delete_member(group, agent)
    }
    fn set_paused(&self, agent: AgentId, paused: bool) -> Result<()> {
        self.tables().set_paused(agent, paused)
    }

    fn put_registration(&self, registration: &Registration) -> Result<()> {
        self.tables().put_registration(registration)
    }
    fn delete_registration(&self, agent: AgentId, contact: &str) -> Result<()> {
        self.tables().registrations.remove(&(agent, contact.to_owned()));
        Ok(())
    }
    fn registrations(&self, now: Timestamp) -> Result<Vec<Registration>> {
        Ok(self.tables().registrations.values().filter(|r| r.expires_at > now).cloned().collect())
    }

    fn put_qualities(&self, measured: &[Measured]) -> Result<()> {
        let mut tables = self.tables();
        for Measured { company, call, quality } in measured {
            let known = tables.qualities.entry((*company, *call)).or_default();
            *known = known.merged(*quality);
        }
        Ok(())
    }
    fn put_identity(&self, said: &Identified) -> Result<()> {
        self.tables().identities.insert((said.company, said.call), said.identity.clone());
        Ok(())
    }
    fn identity(&self, company: CompanyId, call: CallId) -> Result<Option<CallerIdentity>> {
        Ok(self.tables().identities.get(&(company, call)).cloned())
    }
    fn put_recording(&self, recording: &Recording) -> Result<()> {
        self.tables().put_recording(recording)
    }
    fn recording(&self, company: CompanyId, filename: &str) -> Result<Option<Recording>> {
        Ok(self.tables().recording(company, filename))
    }
    fn forget_personal(&self, company: CompanyId, before: Timestamp, _: u32) -> Result<u64> {
        Ok(self.tables().forget(company, before))
    }
    fn expired_recordings(
        &self,
        company: CompanyId,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<Recording>> {
        Ok(self.tables().expired_recordings(company, before, limit))
    }
    fn delete_recording(&self, call: CallId) -> Result<()> {
        self.tables().recordings.remove(&call);
        Ok(())
    }

    fn put_compliance(&self, company: CompanyId, settings: &ComplianceSettings) -> Result<()> {
        self.tables().put_compliance(company, settings)
    }
    fn compliance(&self, company: CompanyId) -> Result<ComplianceSettings> {
        Ok(self.tables().compliance.settings(company))
    }
    fn add_dnc(&self, now: Timestamp, list: DncList, entries: &[DncEntry]) -> Result<u64> {
        self.tables().add_dnc(now, list, entries)
    }
    fn remove_dnc(&self, list: DncList, entries: &[DncEntry]) -> Result<u64> {
        self.tables().remove_dnc(list, entries)
    }
    fn list_dnc(&self, list: DncList, after: &str, limit: u32) -> Result<Vec<DncRow>> {
        self.tables().list_dnc(list, after, limit)
    }
    fn may_call(&self, now: Timestamp, company: CompanyId, number: &PhoneNumber) -> Result<Permit> {
        self.tables().may_call(now, company, number)
    }
    fn count_dial(&self, now: Timestamp, company: CompanyId, number: &PhoneNumber) -> Result<()> {
        self.tables().count_dial(now, company, number)
    }
    fn list_refusals(
        &self,
        company: CompanyId,
        filter: &RefusalFilter,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Refusal>> {
        Ok(self.tables().compliance.refusals(company, filter, after, limit))
    }

    fn create_campaign(&self, now: Timestamp, campaign: &NewCampaign, leads: &[NewLead]) -> Result<Created> {
        self.tables().create_campaign(now, campaign, leads)
    }
    fn begin_campaign(&self, now: Timestamp, campaign: &NewCampaign) -> Result<CampaignId> {
        self.tables().begin_campaign(now, campaign)
    }
    fn publish_campaign(&self, now: Timestamp, campaign: CampaignId) -> Result<Campaign> {
        self.tables().publish_campaign(now, campaign)
    }
    fn discard_campaign(&self, campaign: CampaignId, limit: u32) -> Result<bool> {
        self.tables().discard_campaign(campaign, limit)
    }
    fn unpublished_campaigns(&self) -> Result<Vec<CampaignId>> {
        Ok(self.tables().unpublished_campaigns())
    }
    fn append_leads(&self, now: Timestamp, campaign: CampaignId, leads: &[NewLead]) -> Result<Appended> {
        self.tables().append_leads(now, campaign, leads)
    }
    fn set_campaign_status(
        &self,
        now: Timestamp,
        campaign: CampaignId,
        status: CampaignStatus,
    ) -> Result<Campaign> {
        self.tables().set_campaign_status(now, campaign, status)
    }
    fn end_campaign(&self, now: Timestamp, campaign: CampaignId, why: EndReason) -> Result<Option<Campaign>> {
        self.tables().end_campaign(now, campaign, why)
    }
    fn campaign(&self, company: CompanyId, taskid: &str) -> Result<Option<Campaign>> {
        Ok(self.tables().campaign(company, taskid))
    }
    fn campaign_by_id(&self, campaign: CampaignId) -> Result<Option<Campaign>> {
        Ok(self.tables().campaigns.get(&campaign).map(|t| t.campaign.clone()))
    }
    fn open_campaigns(&self, company: CompanyId) -> Result<Vec<Campaign>> {
        Ok(self.tables().open_campaigns(company))
    }
    fn list_campaigns(
        &self,
        company: CompanyId,
        filter: &CampaignFilter,
        page: Page,
    ) -> Result<(u64, Vec<Campaign>)> {
        Ok(self.tables().list_campaigns(company, filter, page))
    }
    fn list_leads(&self, campaign: CampaignId, page: Page) -> Result<(u64, Vec<Lead>)> {
        Ok(self.tables().table(campaign)?.list_leads(page))
    }
    fn recall_leads(&self, now: Timestamp, campaign: CampaignId, recall: &Recall) -> Result<Campaign> {
        self.tables().table_mut(campaign)?.recall(now, recall)
    }
    fn delete_leads(&self, campaign: CampaignId, numbers: &[PhoneNumber]) -> Result<u64> {
        Ok(self.tables().table_mut(campaign)?.delete_leads(numbers))
    }

    fn lease_leads(
        &self,
        now: Timestamp,
        campaign: CampaignId,
        slots: &[LeaseSlot],
    ) -> Result<(Vec<LeasedLead>, Supply)> {
        self.tables().lease_leads(now, campaign, slots)
    }
    fn return_leads(&self, calls: &[CallId]) -> Result<()> {
        self.tables().return_leads(calls)
    }
    fn finish_call(&self, now: Timestamp, call: &CallRecord, retry: &RetryRule) -> Result<Option<Timestamp>> {
        self.tables().finish_call(now, call, retry)
    }
    fn rescue_calls(&self, now: Timestamp, company: CompanyId, retry: &RetryRule) -> Result<Vec<CallId>> {
        let mut tables = self.tables();
        let mut rescued = tables.rescue_calls(now, company, retry);
        rescued.extend(tables.rescue_directs(now, company));
        Ok(rescued)
    }
    fn answered_since(&self, campaign: CampaignId, since: Timestamp) -> Result<(u32, u32)> {
        Ok(self.tables().table(campaign)?.answered_since(since))
    }
    fn list_calls(&self, campaign: CampaignId, after: Option<CallId>, limit: u32) -> Result<Vec<Call>> {
        Ok(self.tables().table(campaign)?.list_calls(after, limit))
    }

    fn open_direct(&self, company: CompanyId, call: &NewDirect) -> Result<()> {
        self.tables().open_direct(company, call)
    }
    fn finish_direct(&self, now: Timestamp, call: &DirectRecord) -> Result<()> {
        self.tables().finish_direct(now, call)
    }
    fn last_call(&self, company: CompanyId, number: &PhoneNumber) -> Result<LastCall> {
        self.tables().last_call(company, number)
    }

    fn list_bills(&self, company: CompanyId, filter: &BillFilter, page: Page) -> Result<(u64, Vec<Bill>)> {
        Ok(self.tables().list_bills(company, filter, page))
    }
    fn fetch_bills(&self, company: CompanyId, filter: &BillFilter, limit: u32) -> Result<(u64, Vec<Bill>)> {
        Ok(self.tables().fetch_bills(company, filter, limit))
    }

    fn put_pushes(&self, pushes: &PushSettings) -> Result<()> {
        self.tables().put_pushes(pushes)
    }
    fn pushes(&self) -> Result<Vec<PushSettings>> {
        Ok(self.tables().pushes.values().cloned().collect())
    }
    fn put_leg_states(&self, now: Timestamp, states: &[LegState]) -> Result<()> {
        self.tables().put_leg_states(now, states);
        Ok(())
    }
    fn due_events(
        &self,
        now: Timestamp,
        company: CompanyId,
        kind: PushKind,
        limit: u32,
    ) -> Result<Vec<Event>> {
        Ok(self.tables().due_events(now, company, kind, limit))
    }
    fn event_delivered(&self, event: i64) -> Result<()> {
        self.tables().event_delivered(event);
        Ok(())
    }
    fn event_failed(&self, event: i64, next: Option<Timestamp>, error: &str) -> Result<()> {
        self.tables().event_failed(event, next, error);
        Ok(())
    }
    fn give_up_events(&self, now: Timestamp, company: CompanyId, kind: PushKind) -> Result<u64> {
        Ok(self.tables().give_up_events(now, company, kind))
    }
    fn dead_events(&self, company: CompanyId, limit: u32) -> Result<Vec<Event>> {
        Ok(self.tables().dead_events(company, limit))
    }
    fn resend_event(&self, now: Timestamp, company: CompanyId, event: i64) -> Result<()> {
        self.tables().resend_event(now, company, event)
    }

    fn campaigns_before(
        &self,
        company: CompanyId,
        filter: &CampaignFilter,
        before: Option<CampaignId>,
        limit: u32,
    ) -> Result<Vec<Campaign>> {
        Ok(self.tables().campaigns_before(company, filter, before, limit))
    }
    fn leads_after(&self, campaign: CampaignId, after: u64, limit: u32) -> Result<Vec<Lead>> {
        Ok(self.tables().table(campaign)?.leads_after(after, limit))
    }
    fn lead_of_number(&self, campaign: CampaignId, number: &PhoneNumber) -> Result<Option<Lead>> {
        Ok(self.tables().table(campaign)?.lead_of_number(number))
    }
    fn calls_before(
        &self,
        company: CompanyId,
        filter: &CallFilter,
        before: Option<CallId>,
        limit: u32,
    ) -> Result<Vec<Cdr>> {
        Ok(self.tables().calls_before(company, filter, before, limit))
    }
    fn bills_after(
        &self,
        company: CompanyId,
        filter: &BillFilter,
        after: Option<(Timestamp, i64)>,
        limit: u32,
    ) -> Result<Vec<Bill>> {
        let (_, mut bills) = self.tables().list_bills(company, filter, Page { offset: 0, limit: u32::MAX });
        bills.retain(|b| after.is_none_or(|place| (b.dialed_at, b.id) > place));
        bills.truncate(limit.min(rule::PAGE_MAX) as usize);
        Ok(bills)
    }
    fn call(&self, company: CompanyId, call: CallId) -> Result<Option<Cdr>> {
        Ok(self.tables().call(company, call))
    }

    fn add_user(&self, now: Timestamp, user: &NewUser) -> Result<User> {
        self.tables().add_user(now, user)
    }
    fn edit_user(&self, user: &User) -> Result<()> {
        self.tables().edit_user(user)
    }
    fn users(&self, company: CompanyId) -> Result<Vec<User>> {
        Ok(self.tables().access.users.iter().filter(|u| u.settings.company == company).cloned().collect())
    }
    fn user(&self, company: CompanyId, name: &str) -> Result<Option<User>> {
        Ok(self.tables().user(company, name))
    }
    fn put_session(&self, session: &Session) -> Result<()> {
        self.tables().put_session(session)
    }
    fn session(&self, now: Timestamp, hash: &[u8; 32]) -> Result<Option<(Session, User)>> {
        Ok(self.tables().session(now, hash))
    }
    fn delete_session(&self, now: Timestamp, hash: &[u8; 32]) -> Result<()> {
        self.tables().access.sessions.retain(|_, s| s.sha256 != *hash && s.expires_at > now);
        Ok(())
    }
    fn add_api_key(&self, now: Timestamp, key: &NewApiKey) -> Result<ApiKey> {
        self.tables().add_api_key(now, key)
    }
    fn api_keys(&self, company: CompanyId) -> Result<Vec<ApiKey>> {
        Ok(self.tables().access.api_keys.iter().filter(|k| k.settings.company == company).cloned().collect())
    }
    fn api_key(&self, hash: &[u8; 32]) -> Result<Option<ApiKey>> {
        Ok(self.tables().access.api_keys.iter().find(|k| k.settings.sha256 == *hash).cloned())
    }
    fn revoke_api_key(&self, now: Timestamp, company: CompanyId, key: i64) -> Result<()> {
        self.tables().revoke_api_key(now, company, key)
    }
    fn put_audit(&self, entry: &NewAudit) -> Result<()> {
        self.tables().put_audit(entry)
    }
    fn audit_before(
        &self,
        company: CompanyId,
        filter: &AuditFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Audit>> {
        Ok(self.tables().audit_before(company, filter, before, limit))
    }
    fn delete_audit(&self, before: Timestamp) -> Result<u64> {
        Ok(self.tables().delete_audit(before))
    }
    fn claim_request(&self, now: Timestamp, request: &Repeatable) -> Result<Claim> {
        self.tables().claim_request(now, request)
    }
    fn settle_request(&self, request: &Repeatable, status: u16, body: &str) -> Result<()> {
        self.tables().settle_request(request, status, body);
        Ok(())
    }
}
