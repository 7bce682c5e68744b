//! Remembers. The only SQL of the project. One trait, each verb one transaction, `now` always an argument.
//!
//! Verbs block: call them from a thread that may block. When a verb that writes returns `Ok`, what it wrote survives a
//! power cut.

use std::path::Path;
use std::sync::Arc;

use engine::compliance::{ComplianceSettings, DncEntry, Permit, Rule, Rules};
use engine::{
    AgentId, CallId, CallRecord, CallTags, CampaignId, CampaignStatus, Cause, CompanyId, DirectKind,
    DirectRecord, EndReason, GroupId, HangupBy, LastCall, LeadId, LeaseSlot, LeasedLead, NewDirect, Notice,
    Outcome, PhoneNumber, Strategy, Supply, Timestamp, TrunkId,
};

mod access;
mod bill;
mod cdr;
#[cfg(test)]
mod conformance;
mod identity;
pub mod mem;
mod outbox;
mod permit;
mod quality;
mod rows;
mod rule;
pub mod sqlite;
mod trunk;

pub use access::{
    ApiKey, Audit, AuditFilter, Claim, IDEMPOTENCY_LIFETIME, NewApiKey, NewAudit, NewUser, Repeatable, Role,
    Scope, Scopes, Session, User,
};
pub use bill::{Bill, BillBody, BillFilter, PREDICTIVE, bill_body};
pub use cdr::{CallFilter, CallKinds, Cdr};
pub use identity::{CallerIdentity, Identified};
pub use mem::MemStore;
pub use outbox::{EVENT_LIFETIME, Event, LegState, LegStatus, PushKind, PushSettings, Side};
pub use quality::{CallQuality, LegQuality, Measured};
pub use rows::*;
pub use rule::{LEASE_MAX, PAGE_MAX, lead_id, seq_of};
pub use sqlite::{KeepNumbers, SealKey, SqliteStore};
pub use trunk::{TrunkAddress, TrunkDetails};

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A unique name is taken; says which.
    #[error("{0} exists already")]
    Taken(&'static str),
    #[error("{0} not found")]
    NotFound(&'static str),
    /// The state of the row forbids it.
    #[error("{0}")]
    Refused(&'static str),
    /// Too many writers are waiting; try again later.
    #[error("the store is busy")]
    Busy,
    #[error("the store failed: {0}")]
    Failed(String),
}

pub type Result<T> = std::result::Result<T, StoreError>;

/// `sqlite:<path>`, or `mem:` for a store that forgets everything when it is dropped.
pub fn open(url: &str) -> Result<Arc<dyn Store>> {
    match url.split_once(':') {
        Some(("mem", "")) => Ok(Arc::new(MemStore::new())),
        Some(("sqlite", path)) if !path.is_empty() => Ok(Arc::new(SqliteStore::open(Path::new(path))?)),
        _ => Err(StoreError::Failed("a database is named sqlite:<path> or mem:".to_owned())),
    }
}

/// What every database driver can do. `Send + Sync`: shared by all threads.
pub trait Store: Send + Sync {
    // Provisioning. `put_*` inserts or, where the unique key exists, updates; ids stay.
    /// Unique: `code`.
    fn put_company(&self, company: &NewCompany) -> Result<Company>;
    fn companies(&self) -> Result<Vec<Company>>;
    /// Unique over all companies: `appid`. `Taken` when another company has it.
    fn put_app_key(&self, key: &AppKey) -> Result<()>;
    fn app_key(&self, appid: &str) -> Result<Option<AppKey>>;
    fn app_keys(&self, company: CompanyId) -> Result<Vec<AppKey>>;
    /// Unique over all companies: `number`. `Taken` when another company has it.
    fn put_extension(&self, extension: &NewExtension) -> Result<Extension>;
    /// `put_extension` for each of them, in one transaction.
    fn put_extensions(&self, extensions: &[NewExtension]) -> Result<()>;
    /// All companies' when None. Ordered by number.
    fn extensions(&self, company: Option<CompanyId>) -> Result<Vec<Extension>>;
    fn extension(&self, number: &str) -> Result<Option<Extension>>;
    /// With its memberships and registrations; calls keep its number, and no other gets its id. `Refused` while it is
    /// enabled or in a call, or a user or a campaign that has not ended names it.
    fn delete_extension(&self, company: CompanyId, number: &str) -> Result<()>;
    /// Unique in the company: `name`.
    fn put_trunk(&self, trunk: &NewTrunk) -> Result<Trunk>;
    fn trunks(&self, company: CompanyId) -> Result<Vec<Trunk>>;
    /// No other gets its id. `Refused` while it is enabled or a call goes through it.
    fn delete_trunk(&self, company: CompanyId, name: &str) -> Result<()>;
    /// Unique in the company: `number`.
    fn put_caller_id(&self, caller_id: &CallerId) -> Result<()>;
    fn caller_ids(&self, company: CompanyId) -> Result<Vec<CallerId>>;
    fn put_inbound(&self, company: CompanyId, settings: &InboundSettings) -> Result<()>;
    /// The default where none were put.
    fn inbound(&self, company: CompanyId) -> Result<InboundSettings>;
    /// `Refused` while a campaign that has not ended names it.
    fn delete_caller_id(&self, company: CompanyId, number: &str) -> Result<()>;

    // API tokens. Only hashes are kept.
    fn put_token(&self, token: &Token) -> Result<()>;
    /// None when unknown or expired at `now`.
    fn token(&self, now: Timestamp, hash: &[u8; 32]) -> Result<Option<Token>>;
    /// Deletes expired ones on the way.
    fn delete_token(&self, now: Timestamp, hash: &[u8; 32]) -> Result<()>;
    fn delete_tokens_of(&self, appid: &str) -> Result<()>;

    // Groups. Unique in the company: `name`.
    /// Fails with `Taken` when the name exists.
    fn add_group(&self, group: &NewGroup) -> Result<Group>;
    /// Changes everything but company and members, by id.
    fn edit_group(&self, group: &Group) -> Result<()>;
    /// `Refused` while a campaign that has not ended uses it.
    fn delete_group(&self, company: CompanyId, group: GroupId) -> Result<()>;
    /// Ordered by id, with members in the order in which they came.
    fn groups(&self, company: CompanyId) -> Result<Vec<Group>>;
    /// Adds the member or changes its sign-in. `NotFound` when the agent is not of the group's company.
    fn put_member(&self, group: GroupId, agent: AgentId, signed_in: SignIn) -> Result<()>;
    /// `put_member` for each of them, in one transaction.
    fn put_members(&self, group: GroupId, agents: &[AgentId], signed_in: SignIn) -> Result<()>;
    /// `NotFound("member")` when it is none.
    fn delete_member(&self, group: GroupId, agent: AgentId) -> Result<()>;
    fn set_paused(&self, agent: AgentId, paused: bool) -> Result<()>;

    // Registrations of extensions, so that a restarted server reaches its phones at once.
    /// Unique: agent and contact. The 16 of an agent that expire last are kept.
    fn put_registration(&self, registration: &Registration) -> Result<()>;
    fn delete_registration(&self, agent: AgentId, contact: &str) -> Result<()>;
    /// Those not expired at `now`.
    fn registrations(&self, now: Timestamp) -> Result<Vec<Registration>>;

    /// How calls sounded, all in one transaction. Put again, a leg that is known now replaces what was known.
    fn put_qualities(&self, measured: &[Measured]) -> Result<()>;

    /// What a network said of who calls; put again, it replaces what was known.
    fn put_identity(&self, said: &Identified) -> Result<()>;
    fn identity(&self, company: CompanyId, call: CallId) -> Result<Option<CallerIdentity>>;

    // Recordings: where the sound of calls lies. The files are not the store's.
    /// Unique: the call; put again, `seconds` and `bytes` only grow. `Taken("filename")` when another call has it.
    fn put_recording(&self, recording: &Recording) -> Result<()>;
    fn recording(&self, company: CompanyId, filename: &str) -> Result<Option<Recording>>;
    /// Those that began before, oldest first; at most `limit`.
    fn expired_recordings(&self, company: CompanyId, before: Timestamp, limit: u32)
    -> Result<Vec<Recording>>;
    /// One that is not there is fine.
    fn delete_recording(&self, call: CallId) -> Result<()>;

    // Compliance: what may be dialed when.
    /// Unique: the company. `Failed` when they cannot be read. What waits for a rule is looked at anew.
    fn put_compliance(&self, company: CompanyId, settings: &ComplianceSettings) -> Result<()>;
    /// The defaults, which restrict nothing, when none were put.
    fn compliance(&self, company: CompanyId) -> Result<ComplianceSettings>;
    /// How many of them are new. `NotFound("campaign")` when it is none of the company's.
    fn add_dnc(&self, now: Timestamp, list: DncList, entries: &[DncEntry]) -> Result<u64>;
    /// How many of them were there.
    fn remove_dnc(&self, list: DncList, entries: &[DncEntry]) -> Result<u64>;
    /// Numbers, in an order of the driver's own, then prefixes, `after` (a `place`, or empty) exclusive; at most `limit`.
    fn list_dnc(&self, list: DncList, after: &str, limit: u32) -> Result<Vec<DncRow>>;
    /// Whether somebody may call the number by hand: the company's do-not-call list, hours and caps, but no lock-out, for
    /// there is an agent. A refusal is noted. Ask at the moment of dialing, then `count_dial`.
    fn may_call(&self, now: Timestamp, company: CompanyId, number: &PhoneNumber) -> Result<Permit>;
    /// A call that no lease counts was placed to the number.
    fn count_dial(&self, now: Timestamp, company: CompanyId, number: &PhoneNumber) -> Result<()>;
    /// Oldest first, `after` (an id, or 0) exclusive; at most `limit`.
    fn list_refusals(
        &self,
        company: CompanyId,
        filter: &RefusalFilter,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Refusal>>;

    /// Deletes the company's calls and bills from before, its refusals, who talked with whom last, and the leads of campaigns that had ended
    /// before; a campaign's counters stay. At most about `limit` rows: 0 when nothing is left. How many.
    fn forget_personal(&self, company: CompanyId, before: Timestamp, limit: u32) -> Result<u64>;

    // Campaigns and leads.
    /// One transaction: all or nothing. A row whose number repeats one before it is not stored but listed in
    /// `duplicates`, one on a do-not-call list in `on_dnc`. `Refused` and nothing stored when no row is left, unless it is a
    /// draft. `Taken` on a `taskid` or non-empty `client_id` of the company that exists.
    fn create_campaign(&self, now: Timestamp, campaign: &NewCampaign, leads: &[NewLead]) -> Result<Created>;
    /// `Refused` when the campaign has ended. Otherwise as `create_campaign`, but no row left is fine (stored 0).
    fn append_leads(&self, now: Timestamp, campaign: CampaignId, leads: &[NewLead]) -> Result<Appended>;
    /// A campaign whose leads come in many transactions, by `append_leads`. Until it is published it is a draft that no
    /// verb finds by taskid or lists. `Taken` and `Refused` as `create_campaign`, but it has no lead yet.
    fn begin_campaign(&self, now: Timestamp, campaign: &NewCampaign) -> Result<CampaignId>;
    /// All leads are there: from now on it is as if it had just been created, with the status that it was begun with.
    /// `Refused` while it has no lead. `NotFound` when it was published or discarded.
    fn publish_campaign(&self, now: Timestamp, campaign: CampaignId) -> Result<Campaign>;
    /// Deletes up to `limit` leads of a campaign that was not published, and when none is left the campaign: then true.
    /// Its `client_id` is free at once. `NotFound` when it was published or discarded.
    fn discard_campaign(&self, campaign: CampaignId, limit: u32) -> Result<bool>;
    /// Begun and neither published nor discarded: at start, what a crash has left.
    fn unpublished_campaigns(&self) -> Result<Vec<CampaignId>>;
    /// A command: open, pause or end. `Refused` when it has ended and `status` is not Ended. The state it has already is
    /// fine. Sets `started_at` on the first Running, `ended_at` and the reason `Over` on Ended. No campaign becomes a Draft
    /// again: `Refused`.
    fn set_campaign_status(
        &self,
        now: Timestamp,
        campaign: CampaignId,
        status: CampaignStatus,
    ) -> Result<Campaign>;
    /// The engine's wish. `Over`: only if no lead is left to call now or later and none is in flight, else Ok(None).
    /// Ended already: Ok(Some). Leads past their own deadline are not left to call: they are given up then.
    fn end_campaign(&self, now: Timestamp, campaign: CampaignId, why: EndReason) -> Result<Option<Campaign>>;
    fn campaign(&self, company: CompanyId, taskid: &str) -> Result<Option<Campaign>>;
    fn campaign_by_id(&self, campaign: CampaignId) -> Result<Option<Campaign>>;
    /// Draft, running and paused ones of the company, oldest first: what an engine loads at start.
    fn open_campaigns(&self, company: CompanyId) -> Result<Vec<Campaign>>;
    /// Newest first; the total and one page.
    fn list_campaigns(
        &self,
        company: CompanyId,
        filter: &CampaignFilter,
        page: Page,
    ) -> Result<(u64, Vec<Campaign>)>;
    /// In the order in which the numbers were submitted; the total and one page. Any page costs the same.
    fn list_leads(&self, campaign: CampaignId, page: Page) -> Result<(u64, Vec<Lead>)>;
    /// Puts called leads whose last result matches back to not called (attempts 0, `round` stays), and sets status,
    /// `not_before` and `run_until`. Refused when running. `NotFound("lead")` and no change when nothing matches.
    fn recall_leads(&self, now: Timestamp, campaign: CampaignId, recall: &Recall) -> Result<Campaign>;
    /// Deletes leads that show no result (never called, or recalled since) and are not in flight; their calls stay. How
    /// many.
    fn delete_leads(&self, campaign: CampaignId, numbers: &[PhoneNumber]) -> Result<u64>;

    // Calls.
    /// Takes up to `slots.len()` due leads (at most `LEASE_MAX`), retries by their due time, then new leads as they
    /// came: attempt counted, `round` counted, call row written with the slot's call, trunk and caller id, `dialed_at` =
    /// now, the dial counted. Each is asked for by the rules of the company and the campaign first: one that has to wait
    /// becomes due when it may be called, one that is refused ends as called with the outcome `Blocked`. Leads past their own deadline are given up on the way (stay not called, `mark` "expired", never leased; one
    /// that waited for a retry keeps its result). Empty when the campaign is not running; the supply is then what it
    /// will have when it runs, or Exhausted when it has ended. `Taken("call")` when a call's id was used before.
    fn lease_leads(
        &self,
        now: Timestamp,
        campaign: CampaignId,
        slots: &[LeaseSlot],
    ) -> Result<(Vec<LeasedLead>, Supply)>;
    /// Undoes leases of calls that were never placed: attempt, round and dial counted back, call row deleted.
    fn return_leads(&self, calls: &[CallId]) -> Result<()>;
    /// Call row, lead and counters. Idempotent by call. When the lead may be called again (attempts left and the
    /// outcome's retry delay is Some, and its own deadline is not before) it becomes due and the time is returned; None
    /// when its campaign has ended. A call that has finished already is left as it is, and the lead's due time returned.
    /// `NotFound("call")` when it was never leased, or was returned.
    fn finish_call(&self, now: Timestamp, call: &CallRecord, retry: &RetryRule) -> Result<Option<Timestamp>>;
    /// `finish_call` for each of them, which waits for all only once; what each came to, in their order.
    fn finish_calls(
        &self,
        now: Timestamp,
        calls: &[&CallRecord],
        retry: &RetryRule,
    ) -> Vec<Result<Option<Timestamp>>> {
        calls.iter().map(|call| self.finish_call(now, call, retry)).collect()
    }
    /// At start: every call of the company that is still open ends as `lost`, its lead follows the retry rule.
    /// The calls that were ended.
    fn rescue_calls(&self, now: Timestamp, company: CompanyId, retry: &RetryRule) -> Result<Vec<CallId>>;
    /// Calls of the campaign that ended at or after `since`: (answered by a person, abandoned).
    fn answered_since(&self, campaign: CampaignId, since: Timestamp) -> Result<(u32, u32)>;
    /// All calls of a campaign, oldest first, `after` exclusive; at most `limit`.
    fn list_calls(&self, campaign: CampaignId, after: Option<CallId>, limit: u32) -> Result<Vec<Call>>;

    // Calls that are no campaign's. `rescue_calls` ends those that are open too.
    /// `Taken("call")` when the id was used before.
    fn open_direct(&self, company: CompanyId, call: &NewDirect) -> Result<()>;
    /// Its result and its bill. A call that has finished already is left as it is. `NotFound("call")` when it was never
    /// opened.
    fn finish_direct(&self, now: Timestamp, call: &DirectRecord) -> Result<()>;
    /// Which campaign called the number last, and who talked with it last, however it is written.
    fn last_call(&self, company: CompanyId, number: &PhoneNumber) -> Result<LastCall>;

    // Bills. `finish_call`, `finish_direct` and `rescue_calls` write one for each call, in their transaction.
    /// By `dialed_at`, then as they were written; the total and one page. An offset counts from the oldest.
    fn list_bills(&self, company: CompanyId, filter: &BillFilter, page: Page) -> Result<(u64, Vec<Bill>)>;
    /// Those that nobody fetched before, oldest first, at most `limit`: from now on they count as fetched. However many
    /// ask at once, each bill goes to one of them. The total: how many there were.
    fn fetch_bills(&self, company: CompanyId, filter: &BillFilter, limit: u32) -> Result<(u64, Vec<Bill>)>;

    // Pushes. The transactions that end a call or a campaign write the event as well, when the company has a URL for it.
    /// Unique: `company`.
    fn put_pushes(&self, pushes: &PushSettings) -> Result<()>;
    /// Of all companies that were put, by company.
    fn pushes(&self) -> Result<Vec<PushSettings>>;
    /// Extension states of calls, in this order. Those of a company without a URL for them, and of calls that are not
    /// there, are left out.
    fn put_leg_states(&self, now: Timestamp, states: &[LegState]) -> Result<()>;
    /// By due time; at most `limit`. Of one call only the first that was not told yet.
    fn due_events(
        &self,
        now: Timestamp,
        company: CompanyId,
        kind: PushKind,
        limit: u32,
    ) -> Result<Vec<Event>>;
    /// It was told and is deleted; the next of its call may follow.
    fn event_delivered(&self, event: i64) -> Result<()>;
    /// `next`: when to try again; None: it is given up, and the next of its call may follow.
    fn event_failed(&self, event: i64, next: Option<Timestamp>, error: &str) -> Result<()>;
    /// Gives up the events that have expired (a bounded number), and forgets those given up long ago. How many it gave
    /// up.
    fn give_up_events(&self, now: Timestamp, company: CompanyId, kind: PushKind) -> Result<u64>;
    /// Events given up, oldest first; at most `limit`.
    fn dead_events(&self, company: CompanyId, limit: u32) -> Result<Vec<Event>>;
    /// Takes an event up again that was given up, as if it were new. `NotFound("event")` when there is none such.
    fn resend_event(&self, now: Timestamp, company: CompanyId, event: i64) -> Result<()>;

    // Lists that may be long, page by page: each page begins where the one before ended. At most `limit` rows.
    /// Newest first, `before` exclusive.
    fn campaigns_before(
        &self,
        company: CompanyId,
        filter: &CampaignFilter,
        before: Option<CampaignId>,
        limit: u32,
    ) -> Result<Vec<Campaign>>;
    /// In the order in which the numbers were submitted, those with a greater sequence number than `after`.
    fn leads_after(&self, campaign: CampaignId, after: u64, limit: u32) -> Result<Vec<Lead>>;
    fn lead_of_number(&self, campaign: CampaignId, number: &PhoneNumber) -> Result<Option<Lead>>;
    /// Newest first, `before` exclusive; open ones and those of no campaign too.
    fn calls_before(
        &self,
        company: CompanyId,
        filter: &CallFilter,
        before: Option<CallId>,
        limit: u32,
    ) -> Result<Vec<Cdr>>;
    fn call(&self, company: CompanyId, call: CallId) -> Result<Option<Cdr>>;
    /// As `list_bills`; `after`: the `dialed_at` and id of a bill, exclusive.
    fn bills_after(
        &self,
        company: CompanyId,
        filter: &BillFilter,
        after: Option<(Timestamp, i64)>,
        limit: u32,
    ) -> Result<Vec<Bill>>;

    // Users, their sessions, and keys for programs.
    /// Unique in the company: `name`.
    fn add_user(&self, now: Timestamp, user: &NewUser) -> Result<User>;
    /// Changes everything but company and name, by id. Disabled, or with another password or role: the sessions end.
    fn edit_user(&self, user: &User) -> Result<()>;
    /// By id.
    fn users(&self, company: CompanyId) -> Result<Vec<User>>;
    fn user(&self, company: CompanyId, name: &str) -> Result<Option<User>>;
    fn put_session(&self, session: &Session) -> Result<()>;
    /// None when unknown, expired at `now`, or the user is disabled.
    fn session(&self, now: Timestamp, hash: &[u8; 32]) -> Result<Option<(Session, User)>>;
    /// Deletes expired ones on the way.
    fn delete_session(&self, now: Timestamp, hash: &[u8; 32]) -> Result<()>;
    fn add_api_key(&self, now: Timestamp, key: &NewApiKey) -> Result<ApiKey>;
    /// By id, revoked ones too.
    fn api_keys(&self, company: CompanyId) -> Result<Vec<ApiKey>>;
    fn api_key(&self, hash: &[u8; 32]) -> Result<Option<ApiKey>>;
    /// One that is revoked already keeps its time. `NotFound("key")`.
    fn revoke_api_key(&self, now: Timestamp, company: CompanyId, key: i64) -> Result<()>;

    // The audit trail, and requests that may be sent again.
    fn put_audit(&self, entry: &NewAudit) -> Result<()>;
    /// Newest first, `before` exclusive.
    fn audit_before(
        &self,
        company: CompanyId,
        filter: &AuditFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Audit>>;
    /// Deletes a bounded number of those before. How many.
    fn delete_audit(&self, before: Timestamp) -> Result<u64>;
    /// However many claim the same key at once, one gets `Claim::New`. Forgets old ones on the way.
    fn claim_request(&self, now: Timestamp, request: &Repeatable) -> Result<Claim>;
    /// The answer that the same request gets from now on. With status 0 it is forgotten, and may be done again.
    fn settle_request(&self, request: &Repeatable, status: u16, body: &str) -> Result<()>;
}
