//! The rows that the verbs take and give.

use std::time::Duration;

use super::*;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewCompany {
    /// `companycode` of the API.
    pub code: String,
    pub name: String,
    /// IANA name, such as Asia/Shanghai.
    pub time_zone: String,
    /// `zh` or `en`.
    pub language: String,
    /// `errors.code` as a JSON int instead of a string.
    pub int_codes: bool,
    /// The licence ends; None: never.
    pub licensed_until: Option<Timestamp>,
    /// Addresses or networks that may use the API; empty: any.
    pub allow_from: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Company {
    pub id: CompanyId,
    pub settings: NewCompany,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AppKey {
    pub appid: String,
    pub company: CompanyId,
    /// SHA-256 of the accesskey (a random key of 128 bits or more needs no slow hash).
    pub accesskey_sha256: [u8; 32],
    pub enabled: bool,
    /// What its tokens may do.
    pub scopes: Scopes,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    pub sha256: [u8; 32],
    pub appid: String,
    pub company: CompanyId,
    pub expires_at: Timestamp,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewExtension {
    pub company: CompanyId,
    pub number: String,
    /// In clear: the API shows it, and digest needs it.
    pub password: String,
    pub enabled: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Extension {
    pub id: AgentId,
    pub company: CompanyId,
    pub number: String,
    pub password: String,
    pub enabled: bool,
    pub paused: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewTrunk {
    pub company: CompanyId,
    pub name: String,
    /// `host:port`
    pub address: String,
    /// `udp` or `tcp`
    pub transport: String,
    /// Digest on INVITE and registration; empty: by IP.
    pub username: String,
    pub password: String,
    /// Register with the trunk.
    pub register: bool,
    /// Put before every number.
    pub prefix: String,
    pub channels_max: u32,
    /// 0: no limit.
    pub cps_max: u32,
    pub enabled: bool,
    pub details: TrunkDetails,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trunk {
    pub id: TrunkId,
    pub settings: NewTrunk,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallerId {
    pub company: CompanyId,
    pub number: String,
    pub enabled: bool,
    /// May be used for automatic calls.
    pub automatic: bool,
    /// Whether calls of customers to it are taken. None: as the company's `InboundSettings` say.
    pub inbound: Option<bool>,
    /// Name of the group that takes them; empty: the company's.
    pub inbound_group: String,
}

/// Which calls of customers a company takes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InboundSettings {
    pub enabled: bool,
    /// Name of the group for customers whom nobody called before; empty: none.
    pub group: String,
    /// An agent's phone rings for so long.
    pub ring_ms: u32,
    /// A customer waits for so long.
    pub wait_ms: u32,
}

impl Default for InboundSettings {
    fn default() -> InboundSettings {
        InboundSettings { enabled: false, group: String::new(), ring_ms: 15_000, wait_ms: 60_000 }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewGroup {
    pub company: CompanyId,
    pub name: String,
    pub enabled: bool,
    pub strategy: Strategy,
    pub remark: String,
    pub automatic: bool,
    pub queueing: Queueing,
}

/// How customers wait for a group. Times in seconds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Queueing {
    /// An agent's phone rings for so long when customers call. 0: as `InboundSettings` say.
    pub ring_s: u32,
    /// A customer who calls waits for so long. 0: as `InboundSettings` say.
    pub wait_s: u32,
    /// Of it while nobody of the group is at work; 0: not at all.
    pub absent_wait_s: u32,
    /// Kept for clients that set it, as all below.
    pub announce: String,
    pub announce_every_s: u32,
    pub rejoin_s: u32,
    pub discard_s: u32,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    pub id: GroupId,
    pub company: CompanyId,
    pub name: String,
    pub enabled: bool,
    pub strategy: Strategy,
    pub remark: String,
    pub automatic: bool,
    pub queueing: Queueing,
    /// Not read by `edit_group`.
    pub members: Vec<Member>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Member {
    pub agent: AgentId,
    pub signed_in: SignIn,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SignIn {
    In,
    Out,
    /// A new member is out; a present one stays as it is.
    Keep,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registration {
    pub agent: AgentId,
    /// The Contact URI as registered.
    pub contact: String,
    /// `udp` or `tcp`
    pub transport: String,
    /// Where the REGISTER came from, `ip:port`.
    pub source: String,
    pub expires_at: Timestamp,
}

/// A file with the sound of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recording {
    pub call: CallId,
    pub company: CompanyId,
    /// With its folder, below the one of all recordings: `20250110/1_<call>.wav`.
    pub filename: String,
    /// 0 until it has ended; for good when a crash cut it off.
    pub seconds: u32,
    /// As `seconds`.
    pub bytes: u64,
    pub created_at: Timestamp,
}

/// Who takes the campaign's calls, as the client named them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Assignment {
    /// With the numbers, in the client's order.
    Extensions(Vec<(AgentId, String)>),
    /// With the name at creation.
    Group(GroupId, String),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewCampaign {
    pub company: CompanyId,
    /// 20 digits, unique.
    pub taskid: String,
    pub name: String,
    /// The client's own id; unique in the company when not empty.
    pub client_id: String,
    pub assignment: Assignment,
    /// As the client wrote it: `1:1.5`.
    pub scale: String,
    /// `isscale=manual`
    pub manual: bool,
    pub calls_max: u32,
    pub not_before: Option<Timestamp>,
    pub run_until: Option<Timestamp>,
    pub caller_ids: Vec<String>,
    /// Calls per number at most, 1 to 3.
    pub attempts_max: u32,
    /// Hundredths of a percent.
    pub abandon_max: u32,
    /// Whether it is judged who answers, so that machines are hung up on; None: as the configuration says.
    pub amd: Option<bool>,
    /// Draft or Running.
    pub status: CampaignStatus,
    /// Hours in which its leads may be called, within the company's: see `ComplianceSettings::windows`.
    pub call_windows: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Campaign {
    pub id: CampaignId,
    /// As created, but `status`, `not_before` and `run_until` as they are now.
    pub settings: NewCampaign,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub end_reason: Option<EndReason>,
    pub counters: Counters,
}

/// Kept by the transactions that change them, never counted on read. By lead, as its last result stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    pub total: u64,
    pub called: u64,
    /// Customers reached: connected + abandoned.
    pub answered: u64,
    pub connected: u64,
    pub abandoned: u64,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewLead {
    pub number: PhoneNumber,
    /// Not called any more after this.
    pub not_after: Option<Timestamp>,
    pub user_id: String,
    pub member_id: String,
    /// `ext`, formerly `chengshudu`.
    pub ext: String,
    pub custom_uuid: String,
    /// IANA name of the zone in which the customer is; empty: as the number's prefix says, else the company's.
    pub time_zone: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Created {
    pub campaign: Campaign,
    /// Indices into `leads` of the rows that were not stored because their number repeats.
    pub duplicates: Vec<usize>,
    /// Of those whose number is on a do-not-call list.
    pub on_dnc: Vec<usize>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Appended {
    pub stored: u64,
    pub duplicates: Vec<usize>,
    pub on_dnc: Vec<usize>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lead {
    pub id: LeadId,
    pub lead: NewLead,
    pub created_at: Timestamp,
    /// Calls placed so far, earlier rounds included.
    pub round: u32,
    /// Why it was skipped: `expired`, or the name of the rule that refused it. `wait_` and the name of a rule: what it
    /// waits for. "" else.
    pub mark: String,
    /// The last finished call of this round, or that it was refused; None: not called yet (1035).
    pub result: Option<LeadResult>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeadResult {
    /// None: it was refused before it was ever called.
    pub call: Option<CallId>,
    pub outcome: Outcome,
    pub cause: Cause,
    /// What the network said of the number.
    pub notice: Option<Notice>,
    /// The extension to which the call was offered last.
    pub extension: Option<String>,
    /// When `call` was placed.
    pub dialed_at: Option<Timestamp>,
    pub waiting_seconds: u32,
    pub talk_seconds: u32,
    pub sip_status: u16,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CampaignFilter {
    pub created_from: Option<Timestamp>,
    /// Inclusive.
    pub created_to: Option<Timestamp>,
    pub taskids: Vec<String>,
    pub name_part: String,
    pub statuses: Vec<CampaignStatus>,
    /// Some(true): a group's; Some(false): extensions'.
    pub by_group: Option<bool>,
    /// Group name, or an extension number of the assignment.
    pub assigned_to: String,
    pub client_id: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Page {
    /// Rows to skip.
    pub offset: u64,
    pub limit: u32,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recall {
    pub which: RecallWhich,
    /// Draft or Running.
    pub status: CampaignStatus,
    pub not_before: Option<Timestamp>,
    pub run_until: Option<Timestamp>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecallWhich {
    All,
    Abandoned,
    /// Everything but connected and abandoned.
    NotReached,
    Connected,
}

/// Delay before a lead is called again, by outcome; None: never. Connected, abandoned, machine, invalid, rejected and
/// blocked leads are not retried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RetryRule {
    pub busy: Option<Duration>,
    pub no_answer: Option<Duration>,
    pub failed: Option<Duration>,
    pub lost: Option<Duration>,
}

impl RetryRule {
    pub const fn delay(&self, outcome: Outcome) -> Option<Duration> {
        match outcome {
            Outcome::Busy => self.busy,
            Outcome::NoAnswer => self.no_answer,
            Outcome::Failed => self.failed,
            Outcome::Lost => self.lost,
            _ => None,
        }
    }
}

/// A call row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    pub id: CallId,
    pub campaign: CampaignId,
    pub lead: LeadId,
    pub number: PhoneNumber,
    pub attempt: u32,
    pub trunk: TrunkId,
    pub caller_id: String,
    pub dialed_at: Timestamp,
    /// None: still open.
    pub record: Option<CallRecord>,
}

/// A do-not-call list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DncList {
    pub company: CompanyId,
    /// None: it holds for every campaign.
    pub campaign: Option<CampaignId>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DncRow {
    pub entry: DncEntry,
    pub added_at: Timestamp,
    /// Its place in the list; `Store::list_dnc` goes on after it.
    pub place: String,
}

/// A call that was not placed because a rule forbids it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// Grows from refusal to refusal of the whole store.
    pub id: i64,
    pub company: CompanyId,
    /// None: it was asked for by hand.
    pub campaign: Option<CampaignId>,
    pub lead: Option<LeadId>,
    pub number: PhoneNumber,
    pub rule: Rule,
    pub at: Timestamp,
}

/// None: any.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RefusalFilter {
    pub campaign: Option<CampaignId>,
    /// As it was written.
    pub number: Option<PhoneNumber>,
}
