//! What the engine is told.

use std::time::Duration;

use crate::{
    AgentId, CallCommand, CallId, CampaignId, Cause, CustomerCall, Failure, GroupId, Heard, InboundRule,
    LastCall, LeadId, LeaseId, OutboundRule, PhoneCall, PhoneNumber, Replace, RequestId, Timestamp, TrunkId,
};

#[derive(Clone, Debug)]
pub enum Input {
    /// The deadline that the engine named has come (early or late is fine).
    Timeout,

    /// A campaign was loaded, created or changed. Carries the whole of its settings and its status.
    Campaign(CampaignSettings),
    /// The campaign has leads to call again (added, recalled).
    LeadsAdded {
        campaign: CampaignId,
    },
    /// The store would not end the campaign: it has leads after all.
    EndRefused {
        campaign: CampaignId,
    },
    Agent(AgentSettings),
    Group(GroupSettings),
    GroupRemoved(GroupId),
    Trunk(TrunkSettings),
    /// The company's caller ids that are enabled for automatic calls, for campaigns that name none.
    CallerIds(Vec<String>),

    Registered {
        agent: AgentId,
    },
    Unregistered {
        agent: AgentId,
    },
    SignedIn {
        agent: AgentId,
        group: GroupId,
    },
    SignedOut {
        agent: AgentId,
        group: GroupId,
    },
    Paused {
        agent: AgentId,
    },
    Unpaused {
        agent: AgentId,
    },
    /// A kept-up agent leg was answered; offers to this agent are answered at once.
    AgentLegUp {
        agent: AgentId,
    },
    AgentLegDown {
        agent: AgentId,
    },

    /// Answer to `Effect::LeaseLeads`. At most one lead per slot; slots without a lead are free again.
    LeadsLeased {
        request: LeaseId,
        leads: Vec<LeasedLead>,
        next_due: Supply,
    },
    LeaseFailed {
        request: LeaseId,
    },
    /// The result is stored. `retry_at`: when the lead is due again, if it is.
    CallSaved {
        call: CallId,
        retry_at: Option<Timestamp>,
    },
    SaveFailed {
        call: CallId,
    },
    ReturnDone {
        calls: Vec<CallId>,
    },
    ReturnFailed {
        calls: Vec<CallId>,
    },

    /// The row of `Effect::OpenDirect` is committed.
    DirectOpened {
        call: CallId,
    },
    /// It is not, and will not be.
    DirectNotOpened {
        call: CallId,
    },
    DirectSaved {
        call: CallId,
    },
    DirectSaveFailed {
        call: CallId,
    },

    /// The dial was not begun, for want of a port or of the trunk's address: nothing was sent. The lead is given back.
    DialRefused {
        call: CallId,
    },

    /// Something happened on the customer's leg.
    Customer {
        call: CallId,
        event: LegEvent,
    },
    /// Something happened on the leg of the agent to whom the call was offered.
    AgentLeg {
        call: CallId,
        agent: AgentId,
        event: LegEvent,
    },
    /// The message of `Effect::PlayMessage` was played to its end (or could not be played).
    MessagePlayed {
        call: CallId,
    },
    /// Hang up the call that this agent is in.
    HangUp {
        agent: AgentId,
    },
    /// Which calls of customers are taken.
    Inbound(InboundRule),
    /// A customer calls; answered by `Effect::TakeCustomer` or `Effect::RefuseLine`.
    CustomerCalls(CustomerCall),
    /// In place of `DirectOpened` for a call of a customer.
    InboundOpened {
        call: CallId,
        last: LastCall,
    },
    /// The agent's phone wants the call handed to another agent; answered by `Effect::Referred`.
    Referred {
        agent: AgentId,
        to: AgentId,
    },
    /// The agent's phone wants the customer put through to a number outside; answered by `Effect::Referred`, or by
    /// `Effect::ReferTold` when the number was dialed in vain.
    ReferredOutside {
        agent: AgentId,
        number: PhoneNumber,
    },
    /// The agent's phone wants the two that it talks with put together; answered by `Effect::Referred`.
    Joined {
        agent: AgentId,
    },
    /// A phone wants the place of a leg; answered by `Effect::TakeLegOf` or `Effect::RefuseLine`.
    Replaces(Replace),
    /// What agents may dial at their phones.
    Outbound(OutboundRule),
    /// An agent's phone calls; answered by `Effect::TakeLine` or `Effect::RefuseLine`.
    PhoneCalls(PhoneCall),
    /// Answered by `Effect::Answer`.
    Command {
        request: RequestId,
        command: CallCommand,
    },
    /// Stop dialing; let calls finish.
    Drain,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LegEvent {
    /// 180, or 183 with early media.
    Ringing {
        early_media: bool,
    },
    Answered,
    /// Ended before it was answered.
    Failed(Failure),
    /// Something was recognised in its sound.
    Heard(Heard),
    /// A key was pressed: one of 0 to 9, star, hash, A to D.
    Pressed(char),
    /// Ended after it was answered, by its far end or by a time-out.
    HungUp {
        cause: Cause,
    },
}

/// What the store has left for a campaign after a lease.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Supply {
    /// More leads are due now.
    Available,
    /// Nothing before this time.
    Due(Timestamp),
    /// Nothing at all, unless a call in flight brings a retry.
    Exhausted,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeasedLead {
    /// One of the slots of the request.
    pub call: CallId,
    pub lead: LeadId,
    pub number: PhoneNumber,
    /// Calls placed to this lead in this round of the campaign, this one included: 1, 2, 3.
    pub attempt: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CampaignStatus {
    Draft,
    Running,
    Paused,
    Ended,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AgentPool {
    Extensions(Vec<AgentId>),
    Group(GroupId),
}

/// Calls per idle agent in thousandths: `1:1.5` is 1500.
pub type RatioMilli = u32;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PacingMode {
    /// One call per idle agent.
    Progressive,
    /// A fixed number of calls per idle agent.
    Ratio(RatioMilli),
    /// Paced by what is seen; starts at this ratio.
    Predictive(RatioMilli),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CampaignSettings {
    pub campaign: CampaignId,
    pub status: CampaignStatus,
    pub pool: AgentPool,
    pub pacing: PacingMode,
    /// Most customer calls in progress at once.
    pub calls_max: u32,
    /// Not before this time.
    pub not_before: Option<Timestamp>,
    /// At this time the campaign ends.
    pub run_until: Option<Timestamp>,
    /// Caller ids in rotation; empty: the company's.
    pub caller_ids: Vec<String>,
    /// Abandoned per answered, in hundredths of a percent: 3 % is 300.
    pub abandon_max: u32,
    /// It is judged whether people or machines answer; machines are hung up on.
    pub amd: bool,
    /// What happened before the engine started: answered and abandoned today.
    pub answered_before: u32,
    pub abandoned_before: u32,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AgentSettings {
    pub agent: AgentId,
    pub extension: String,
    pub enabled: bool,
}

/// How a group picks the agent for an answered call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Strategy {
    #[default]
    LongestIdle,
    LeastTalkTime,
    RingAll,
    RoundRobin,
    InOrder,
    Random,
    FewestCalls,
    Priority,
}

impl Strategy {
    /// The numbers 1 to 8 of the compatible API.
    pub const fn from_code(code: i64) -> Option<Strategy> {
        Some(match code {
            1 => Strategy::LongestIdle,
            2 => Strategy::LeastTalkTime,
            3 => Strategy::RingAll,
            4 => Strategy::RoundRobin,
            5 => Strategy::InOrder,
            6 => Strategy::Random,
            7 => Strategy::FewestCalls,
            8 => Strategy::Priority,
            _ => return None,
        })
    }

    pub const fn code(self) -> i64 {
        match self {
            Strategy::LongestIdle => 1,
            Strategy::LeastTalkTime => 2,
            Strategy::RingAll => 3,
            Strategy::RoundRobin => 4,
            Strategy::InOrder => 5,
            Strategy::Random => 6,
            Strategy::FewestCalls => 7,
            Strategy::Priority => 8,
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupSettings {
    pub group: GroupId,
    pub strategy: Strategy,
    pub enabled: bool,
    /// In the group's order; who is signed in comes by `SignedIn`.
    pub members: Vec<AgentId>,
    pub callers: CallerTimes,
}

/// How long customers who call wait for a group's agents. Zero: as `InboundRule` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CallerTimes {
    /// An agent's phone rings for so long.
    pub ring: Duration,
    /// A customer waits for so long.
    pub wait: Duration,
    /// Of it while nobody is at work. Zero: nobody waits then.
    pub absent_wait: Duration,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrunkSettings {
    pub trunk: TrunkId,
    pub enabled: bool,
    pub channels_max: u32,
    /// New calls per second; 0 means no limit.
    pub cps_max: u32,
}
