//! One SQLite file in write-ahead mode: one thread writes and commits for many verbs at once, a few connections read.

mod access;
mod bills;
mod calls;
mod campaigns;
mod column;
mod compliance;
mod connection;
mod convert;
mod deletions;
mod directs;
mod forgetting;
mod groups;
mod identities;
#[cfg(test)]
mod killed;
mod leads;
mod numbers;
mod outbox;
mod pages;
mod provision;
mod qualities;
mod readers;
mod recordings;
mod seal;
mod unpublished;
mod verify;
mod writer;

pub use convert::KeepNumbers;
pub use seal::SealKey;

use std::path::Path;

use rusqlite::{Connection, Params, Row};

use super::*;
use numbers::Db;
use readers::Readers;
use writer::Writer;

/// Dropped: what was begun is committed, then the file is closed.
pub struct SqliteStore {
    readers: Readers,
    writer: Writer,
}

impl SqliteStore {
    /// Creates the file and its folder where there is none, and brings an older schema up to date.
    pub fn open(path: &Path) -> Result<SqliteStore> {
        SqliteStore::open_sealed(path, None, KeepNumbers::AsTheyAre)
    }

    /// With a key the passwords of extensions and trunks and the keys of pushes are sealed in the file, and telephone
    /// numbers when `keep` says so: those that are there are sealed, or put in clear, and the
    /// file written anew, before this returns. `Failed` without
    /// the key with which something was sealed.
    pub fn open_sealed(path: &Path, key: Option<SealKey>, keep: KeepNumbers) -> Result<SqliteStore> {
        let writer = Writer::start(connection::open_writer_with(path, key.as_ref(), keep)?)?;
        Ok(SqliteStore { readers: Readers::open(path, key.as_ref())?, writer })
    }

    /// Counts what the counters keep, and says which campaign's differ. Reads every lead: for tests and for support.
    pub fn verify(&self) -> Result<()> {
        self.read(verify::verify)
    }

    fn read<T>(&self, work: impl FnOnce(&Db) -> Result<T>) -> Result<T> {
        self.readers.run(work)
    }

    fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Db) -> Result<T> + Send + 'static,
    {
        self.writer.run(work)
    }
}

fn rows<T>(
    db: &Connection,
    sql: &str,
    values: impl Params,
    row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>> {
    let mut query = db.prepare_cached(sql)?;
    let found = query.query_map(values, row)?.collect::<rusqlite::Result<_>>()?;
    Ok(found)
}

/// For a statement that changes one row by its id.
fn found(changed: usize, what: &'static str) -> Result<()> {
    if changed == 0 { Err(StoreError::NotFound(what)) } else { Ok(()) }
}

impl Store for SqliteStore {
    fn put_company(&self, company: &NewCompany) -> Result<Company> {
        let company = company.clone();
        self.write(move |db| provision::put_company(db, &company))
    }
    fn companies(&self) -> Result<Vec<Company>> {
        self.read(provision::companies)
    }
    fn put_app_key(&self, key: &AppKey) -> Result<()> {
        let key = key.clone();
        self.write(move |db| provision::put_app_key(db, &key))
    }
    fn app_key(&self, appid: &str) -> Result<Option<AppKey>> {
        self.read(|db| provision::app_key(db, appid))
    }
    fn app_keys(&self, company: CompanyId) -> Result<Vec<AppKey>> {
        self.read(|db| provision::app_keys(db, company))
    }
    fn put_extension(&self, extension: &NewExtension) -> Result<Extension> {
        let extension = extension.clone();
        self.write(move |db| provision::put_extension(db, &extension))
    }
    fn put_extensions(&self, extensions: &[NewExtension]) -> Result<()> {
        let extensions = extensions.to_vec();
        self.write(move |db| extensions.iter().try_for_each(|e| provision::put_extension(db, e).map(drop)))
    }
    fn extensions(&self, company: Option<CompanyId>) -> Result<Vec<Extension>> {
        self.read(|db| provision::extensions(db, company))
    }
    fn extension(&self, number: &str) -> Result<Option<Extension>> {
        self.read(|db| provision::extension(db, number))
    }
    fn delete_extension(&self, company: CompanyId, number: &str) -> Result<()> {
        let number = number.to_owned();
        self.write(move |db| deletions::extension(db, company, &number))
    }
    fn delete_trunk(&self, company: CompanyId, name: &str) -> Result<()> {
        let name = name.to_owned();
        self.write(move |db| deletions::trunk(db, company, &name))
    }
    fn delete_caller_id(&self, company: CompanyId, number: &str) -> Result<()> {
        let number = number.to_owned();
        self.write(move |db| deletions::caller_id(db, company, &number))
    }
    fn put_trunk(&self, trunk: &NewTrunk) -> Result<Trunk> {
        let trunk = trunk.clone();
        self.write(move |db| provision::put_trunk(db, &trunk))
    }
    fn trunks(&self, company: CompanyId) -> Result<Vec<Trunk>> {
        self.read(|db| provision::trunks(db, company))
    }
    fn put_caller_id(&self, caller_id: &CallerId) -> Result<()> {
        let caller_id = caller_id.clone();
        self.write(move |db| provision::put_caller_id(db, &caller_id))
    }
    fn caller_ids(&self, company: CompanyId) -> Result<Vec<CallerId>> {
        self.read(|db| provision::caller_ids(db, company))
    }
    fn put_inbound(&self, company: CompanyId, settings: &InboundSettings) -> Result<()> {
        let settings = settings.clone();
        self.write(move |db| provision::put_inbound(db, company, &settings))
    }
    fn inbound(&self, company: CompanyId) -> Result<InboundSettings> {
        self.read(|db| provision::inbound(db, company))
    }

    fn put_token(&self, token: &Token) -> Result<()> {
        let token = token.clone();
        self.write(move |db| provision::put_token(db, &token))
    }
    fn token(&self, now: Timestamp, hash: &[u8; 32]) -> Result<Option<Token>> {
        self.read(|db| provision::token(db, now, hash))
    }
    fn delete_token(&self, now: Timestamp, hash: &[u8; 32]) -> Result<()> {
        let hash = *hash;
        self.write(move |db| provision::delete_token(db, now, &hash))
    }
    fn delete_tokens_of(&self, appid: &str) -> Result<()> {
        let appid = appid.to_owned();
        self.write(move |db| provision::delete_tokens_of(db, &appid))
    }

    fn add_group(&self, group: &NewGroup) -> Result<Group> {
        let group = group.clone();
        self.write(move |db| groups::add_group(db, &group))
    }
    fn edit_group(&self, group: &Group) -> Result<()> {
        let group = group.clone();
        self.write(move |db| groups::edit_group(db, &group))
    }
    fn delete_group(&self, company: CompanyId, group: GroupId) -> Result<()> {
        self.write(move |db| groups::delete_group(db, company, group))
    }
    fn groups(&self, company: CompanyId) -> Result<Vec<Group>> {
        self.read(|db| groups::groups(db, company))
    }
    fn put_member(&self, group: GroupId, agent: AgentId, signed_in: SignIn) -> Result<()> {
        self.write(move |db| groups::put_member(db, group, agent, signed_in))
    }
    fn put_members(&self, group: GroupId, agents: &[AgentId], signed_in: SignIn) -> Result<()> {
        let agents = agents.to_vec();
        self.write(move |db| agents.iter().try_for_each(|a| groups::put_member(db, group, *a, signed_in)))
    }
    fn delete_member(&self, group: GroupId, agent: AgentId) -> Result<()> {
        self.write(move |db| groups::delete_member(db, group, agent))
    }
    fn set_paused(&self, agent: AgentId, paused: bool) -> Result<()> {
        self.write(move |db| provision::set_paused(db, agent, paused))
    }

    fn put_registration(&self, registration: &Registration) -> Result<()> {
        let registration = registration.clone();
        self.write(move |db| provision::put_registration(db, &registration))
    }
    fn delete_registration(&self, agent: AgentId, contact: &str) -> Result<()> {
        let contact = contact.to_owned();
        self.write(move |db| provision::delete_registration(db, agent, &contact))
    }
    fn registrations(&self, now: Timestamp) -> Result<Vec<Registration>> {
        self.read(|db| provision::registrations(db, now))
    }

    fn put_qualities(&self, measured: &[Measured]) -> Result<()> {
        let measured = measured.to_vec();
        self.write(move |db| qualities::put(db, &measured))
    }
    fn put_identity(&self, said: &Identified) -> Result<()> {
        let said = said.clone();
        self.write(move |db| identities::put(db, &said))
    }
    fn identity(&self, company: CompanyId, call: CallId) -> Result<Option<CallerIdentity>> {
        self.read(|db| identities::find(db, company, call))
    }
    fn put_recording(&self, recording: &Recording) -> Result<()> {
        let recording = recording.clone();
        self.write(move |db| recordings::put(db, &recording))
    }
    fn recording(&self, company: CompanyId, filename: &str) -> Result<Option<Recording>> {
        self.read(|db| recordings::by_name(db, company, filename))
    }
    fn forget_personal(&self, company: CompanyId, before: Timestamp, limit: u32) -> Result<u64> {
        self.write(move |db| forgetting::forget(db, company, before, limit))
    }
    fn expired_recordings(
        &self,
        company: CompanyId,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<Recording>> {
        self.read(|db| recordings::expired(db, company, before, limit))
    }
    fn delete_recording(&self, call: CallId) -> Result<()> {
        self.write(move |db| recordings::delete(db, call))
    }

    fn put_compliance(&self, company: CompanyId, settings: &ComplianceSettings) -> Result<()> {
        let settings = settings.clone();
        self.write(move |db| compliance::put(db, company, &settings))
    }
    fn compliance(&self, company: CompanyId) -> Result<ComplianceSettings> {
        self.read(|db| compliance::settings(db, company))
    }
    fn add_dnc(&self, now: Timestamp, list: DncList, entries: &[DncEntry]) -> Result<u64> {
        let entries = entries.to_vec();
        self.write(move |db| compliance::add(db, now, list, &entries))
    }
    fn remove_dnc(&self, list: DncList, entries: &[DncEntry]) -> Result<u64> {
        let entries = entries.to_vec();
        self.write(move |db| compliance::remove(db, list, &entries))
    }
    fn list_dnc(&self, list: DncList, after: &str, limit: u32) -> Result<Vec<DncRow>> {
        self.read(|db| compliance::list(db, list, after, limit))
    }
    fn may_call(&self, now: Timestamp, company: CompanyId, number: &PhoneNumber) -> Result<Permit> {
        let permit = self.read(|db| compliance::may_call(db, now, company, number))?;
        let rule = match permit {
            Permit::Allowed => return Ok(permit),
            Permit::Wait { rule, .. } | Permit::Refused(rule) => rule,
        };
        let number = number.clone();
        self.write(move |db| compliance::refused(db, now, company, None, &number, rule))?;
        Ok(permit)
    }
    fn count_dial(&self, now: Timestamp, company: CompanyId, number: &PhoneNumber) -> Result<()> {
        let number = number.clone();
        self.write(move |db| compliance::count_dial(db, now, company, &number))
    }
    fn list_refusals(
        &self,
        company: CompanyId,
        filter: &RefusalFilter,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Refusal>> {
        self.read(|db| compliance::refusals(db, company, filter, after, limit))
    }

    fn create_campaign(&self, now: Timestamp, campaign: &NewCampaign, leads: &[NewLead]) -> Result<Created> {
        let (campaign, leads) = (campaign.clone(), leads.to_vec());
        self.write(move |db| campaigns::create(db, now, &campaign, &leads))
    }
    fn begin_campaign(&self, now: Timestamp, campaign: &NewCampaign) -> Result<CampaignId> {
        let campaign = campaign.clone();
        self.write(move |db| unpublished::begin(db, now, &campaign))
    }
    fn publish_campaign(&self, now: Timestamp, campaign: CampaignId) -> Result<Campaign> {
        self.write(move |db| unpublished::publish(db, now, campaign))
    }
    fn discard_campaign(&self, campaign: CampaignId, limit: u32) -> Result<bool> {
        self.write(move |db| unpublished::discard(db, campaign, limit))
    }
    fn unpublished_campaigns(&self) -> Result<Vec<CampaignId>> {
        self.read(unpublished::all)
    }
    fn append_leads(&self, now: Timestamp, campaign: CampaignId, leads: &[NewLead]) -> Result<Appended> {
        let leads = leads.to_vec();
        self.write(move |db| campaigns::append(db, now, campaign, &leads))
    }
    fn set_campaign_status(
        &self,
        now: Timestamp,
        campaign: CampaignId,
        status: CampaignStatus,
    ) -> Result<Campaign> {
        self.write(move |db| campaigns::set_status(db, now, campaign, status))
    }
    fn end_campaign(&self, now: Timestamp, campaign: CampaignId, why: EndReason) -> Result<Option<Campaign>> {
        self.write(move |db| campaigns::end(db, now, campaign, why))
    }
    fn campaign(&self, company: CompanyId, taskid: &str) -> Result<Option<Campaign>> {
        self.read(|db| campaigns::by_taskid(db, company, taskid))
    }
    fn campaign_by_id(&self, campaign: CampaignId) -> Result<Option<Campaign>> {
        self.read(|db| campaigns::by_id(db, campaign))
    }
    fn open_campaigns(&self, company: CompanyId) -> Result<Vec<Campaign>> {
        self.read(|db| campaigns::open(db, company))
    }
    fn list_campaigns(
        &self,
        company: CompanyId,
        filter: &CampaignFilter,
        page: Page,
    ) -> Result<(u64, Vec<Campaign>)> {
        self.read(|db| campaigns::list(db, company, filter, page))
    }
    fn list_leads(&self, campaign: CampaignId, page: Page) -> Result<(u64, Vec<Lead>)> {
        self.read(|db| leads::list(db, campaign, page))
    }
    fn recall_leads(&self, now: Timestamp, campaign: CampaignId, recall: &Recall) -> Result<Campaign> {
        let recall = recall.clone();
        self.write(move |db| campaigns::recall(db, now, campaign, &recall))
    }
    fn delete_leads(&self, campaign: CampaignId, numbers: &[PhoneNumber]) -> Result<u64> {
        let numbers = numbers.to_vec();
        self.write(move |db| leads::delete(db, campaign, &numbers))
    }

    fn lease_leads(
        &self,
        now: Timestamp,
        campaign: CampaignId,
        slots: &[LeaseSlot],
    ) -> Result<(Vec<LeasedLead>, Supply)> {
        let slots = slots.to_vec();
        self.write(move |db| calls::lease(db, now, campaign, &slots))
    }
    fn return_leads(&self, calls: &[CallId]) -> Result<()> {
        let calls = calls.to_vec();
        self.write(move |db| calls::give_back(db, &calls))
    }
    fn finish_call(&self, now: Timestamp, call: &CallRecord, retry: &RetryRule) -> Result<Option<Timestamp>> {
        let (call, retry) = (call.clone(), *retry);
        self.write(move |db| calls::finish(db, now, &call, &retry))
    }
    fn finish_calls(
        &self,
        now: Timestamp,
        calls: &[&CallRecord],
        retry: &RetryRule,
    ) -> Vec<Result<Option<Timestamp>>> {
        let retry = *retry;
        let finish = |call: &&CallRecord| {
            let call = (*call).clone();
            move |db: &Db| calls::finish(db, now, &call, &retry)
        };
        self.writer.run_all(calls.iter().map(finish))
    }
    fn rescue_calls(&self, now: Timestamp, company: CompanyId, retry: &RetryRule) -> Result<Vec<CallId>> {
        let retry = *retry;
        self.write(move |db| {
            let mut rescued = calls::rescue(db, now, company, &retry)?;
            rescued.extend(directs::rescue(db, now, company)?);
            Ok(rescued)
        })
    }
    fn answered_since(&self, campaign: CampaignId, since: Timestamp) -> Result<(u32, u32)> {
        self.read(|db| calls::answered_since(db, campaign, since))
    }
    fn list_calls(&self, campaign: CampaignId, after: Option<CallId>, limit: u32) -> Result<Vec<Call>> {
        self.read(|db| calls::list(db, campaign, after, limit))
    }

    fn open_direct(&self, company: CompanyId, call: &NewDirect) -> Result<()> {
        let call = call.clone();
        self.write(move |db| directs::open(db, company, &call))
    }
    fn finish_direct(&self, now: Timestamp, call: &DirectRecord) -> Result<()> {
        let call = call.clone();
        self.write(move |db| directs::finish(db, now, &call))
    }
    fn last_call(&self, company: CompanyId, number: &PhoneNumber) -> Result<LastCall> {
        self.read(|db| directs::last(db, company, number))
    }

    fn list_bills(&self, company: CompanyId, filter: &BillFilter, page: Page) -> Result<(u64, Vec<Bill>)> {
        self.read(|db| Ok((bills::count(db, company, filter)?, bills::page(db, company, filter, page)?)))
    }
    fn fetch_bills(&self, company: CompanyId, filter: &BillFilter, limit: u32) -> Result<(u64, Vec<Bill>)> {
        let filter = BillFilter { fetched: Some(false), ..filter.clone() };
        // Counted beside the writer; clients that find nothing new, most of the time, do not wait for it at all.
        let total = self.read(|db| bills::count(db, company, &filter))?;
        if total == 0 {
            return Ok((0, Vec::new()));
        }
        let fetched = self.write(move |db| bills::fetch(db, company, &filter, limit))?;
        Ok((total.max(fetched.len() as u64), fetched))
    }

    fn put_pushes(&self, pushes: &PushSettings) -> Result<()> {
        let pushes = pushes.clone();
        self.write(move |db| outbox::put_settings(db, &pushes))
    }
    fn pushes(&self) -> Result<Vec<PushSettings>> {
        self.read(outbox::settings)
    }
    fn put_leg_states(&self, now: Timestamp, states: &[LegState]) -> Result<()> {
        let states = states.to_vec();
        self.write(move |db| outbox::put_leg_states(db, now, &states))
    }
    fn due_events(
        &self,
        now: Timestamp,
        company: CompanyId,
        kind: PushKind,
        limit: u32,
    ) -> Result<Vec<Event>> {
        self.read(|db| outbox::due(db, now, company, kind, limit))
    }
    fn event_delivered(&self, event: i64) -> Result<()> {
        self.write(move |db| outbox::delivered(db, event))
    }
    fn event_failed(&self, event: i64, next: Option<Timestamp>, error: &str) -> Result<()> {
        let error = error.to_owned();
        self.write(move |db| outbox::failed(db, event, next, &error))
    }
    fn give_up_events(&self, now: Timestamp, company: CompanyId, kind: PushKind) -> Result<u64> {
        self.write(move |db| outbox::give_up(db, now, company, kind))
    }
    fn dead_events(&self, company: CompanyId, limit: u32) -> Result<Vec<Event>> {
        self.read(|db| outbox::dead(db, company, limit))
    }
    fn resend_event(&self, now: Timestamp, company: CompanyId, event: i64) -> Result<()> {
        self.write(move |db| outbox::resend(db, now, company, event))
    }

    fn campaigns_before(
        &self,
        company: CompanyId,
        filter: &CampaignFilter,
        before: Option<CampaignId>,
        limit: u32,
    ) -> Result<Vec<Campaign>> {
        self.read(|db| campaigns::before(db, company, filter, before, limit))
    }
    fn leads_after(&self, campaign: CampaignId, after: u64, limit: u32) -> Result<Vec<Lead>> {
        self.read(|db| pages::leads_after(db, campaign, after, limit))
    }
    fn lead_of_number(&self, campaign: CampaignId, number: &PhoneNumber) -> Result<Option<Lead>> {
        self.read(|db| leads::of_number(db, campaign, number))
    }
    fn calls_before(
        &self,
        company: CompanyId,
        filter: &CallFilter,
        before: Option<CallId>,
        limit: u32,
    ) -> Result<Vec<Cdr>> {
        self.read(|db| pages::calls_before(db, company, filter, before, limit))
    }
    fn bills_after(
        &self,
        company: CompanyId,
        filter: &BillFilter,
        after: Option<(Timestamp, i64)>,
        limit: u32,
    ) -> Result<Vec<Bill>> {
        self.read(|db| bills::after(db, company, filter, after, limit))
    }
    fn call(&self, company: CompanyId, call: CallId) -> Result<Option<Cdr>> {
        self.read(|db| pages::call(db, company, call))
    }

    fn add_user(&self, now: Timestamp, user: &NewUser) -> Result<User> {
        let user = user.clone();
        self.write(move |db| access::add_user(db, now, &user))
    }
    fn edit_user(&self, user: &User) -> Result<()> {
        let user = user.clone();
        self.write(move |db| access::edit_user(db, &user))
    }
    fn users(&self, company: CompanyId) -> Result<Vec<User>> {
        self.read(|db| access::users(db, company))
    }
    fn user(&self, company: CompanyId, name: &str) -> Result<Option<User>> {
        self.read(|db| access::user(db, company, name))
    }
    fn put_session(&self, session: &Session) -> Result<()> {
        let session = session.clone();
        self.write(move |db| access::put_session(db, &session))
    }
    fn session(&self, now: Timestamp, hash: &[u8; 32]) -> Result<Option<(Session, User)>> {
        self.read(|db| access::session(db, now, hash))
    }
    fn delete_session(&self, now: Timestamp, hash: &[u8; 32]) -> Result<()> {
        let hash = *hash;
        self.write(move |db| access::delete_session(db, now, &hash))
    }
    fn add_api_key(&self, now: Timestamp, key: &NewApiKey) -> Result<ApiKey> {
        let key = key.clone();
        self.write(move |db| access::add_api_key(db, now, &key))
    }
    fn api_keys(&self, company: CompanyId) -> Result<Vec<ApiKey>> {
        self.read(|db| access::api_keys(db, company))
    }
    fn api_key(&self, hash: &[u8; 32]) -> Result<Option<ApiKey>> {
        self.read(|db| access::api_key(db, hash))
    }
    fn revoke_api_key(&self, now: Timestamp, company: CompanyId, key: i64) -> Result<()> {
        self.write(move |db| access::revoke_api_key(db, now, company, key))
    }
    fn put_audit(&self, entry: &NewAudit) -> Result<()> {
        let entry = entry.clone();
        self.write(move |db| access::put_audit(db, &entry))
    }
    fn audit_before(
        &self,
        company: CompanyId,
        filter: &AuditFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Audit>> {
        self.read(|db| access::audit_before(db, company, filter, before, limit))
    }
    fn delete_audit(&self, before: Timestamp) -> Result<u64> {
        self.write(move |db| access::delete_audit(db, before))
    }
    fn claim_request(&self, now: Timestamp, request: &Repeatable) -> Result<Claim> {
        let request = request.clone();
        self.write(move |db| access::claim(db, now, &request))
    }
    fn settle_request(&self, request: &Repeatable, status: u16, body: &str) -> Result<()> {
        let (request, body) = (request.clone(), body.to_owned());
        self.write(move |db| access::settle(db, &request, status, &body))
    }
}
