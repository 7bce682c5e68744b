//! What is written down of a call that is no campaign's.

use crate::effect::seconds_between;
use crate::{AgentId, CallId, Cause, HangupBy, Outcome, PhoneNumber, Timestamp, TrunkId};

/// How such a call came about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DirectKind {
    /// An agent dialed another's extension.
    Internal,
    /// An agent dialed an outside number.
    Dialed,
    /// By command; the agent was rung first.
    Click,
    /// By command; the customer was rung first.
    ClickReverse,
    /// A customer called.
    Inbound,
}

impl DirectKind {
    /// `callmethod` of the compatible API, which has none for calls that come in.
    pub const fn method(self) -> u16 {
        match self {
            DirectKind::Internal => 1,
            DirectKind::Dialed => 2,
            DirectKind::Click => 3,
            DirectKind::ClickReverse => 4,
            DirectKind::Inbound => 0,
        }
    }

    /// One leg is there from the start: somebody called us.
    pub const fn is_from_outside(self) -> bool {
        matches!(self, DirectKind::Internal | DirectKind::Dialed | DirectKind::Inbound)
    }

    pub const fn name(self) -> &'static str {
        match self {
            DirectKind::Internal => "internal",
            DirectKind::Dialed => "dialed",
            DirectKind::Click => "click",
            DirectKind::ClickReverse => "click_reverse",
            DirectKind::Inbound => "inbound",
        }
    }

    pub fn from_name(name: &str) -> Option<DirectKind> {
        use DirectKind::{Click, ClickReverse, Dialed, Inbound, Internal};
        [Internal, Dialed, Click, ClickReverse, Inbound].into_iter().find(|k| k.name() == name)
    }
}

/// The client's own marks, carried through to the bill.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CallTags {
    pub user_id: String,
    pub member_id: String,
    /// `ext`, formerly `chengshudu`.
    pub ext: String,
    pub custom_uuid: String,
}

/// The row of a call, written before anything of it goes out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewDirect {
    pub call: CallId,
    pub kind: DirectKind,
    /// Whose call it is. None: a customer calls, and no agent is rung yet.
    pub agent: Option<AgentId>,
    /// The other side's.
    pub number: PhoneNumber,
    /// Empty when the company has none.
    pub caller_id: String,
    pub tags: CallTags,
    /// When it was asked for.
    pub dialed_at: Timestamp,
}

/// The finished call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DirectRecord {
    pub call: CallId,
    /// Who had the call last, or was rung last. None: nobody.
    pub agent: Option<AgentId>,
    /// None: the other side was never dialed.
    pub trunk: Option<TrunkId>,
    pub ringing_at: Option<Timestamp>,
    /// When the customer answered, or an agent answered the customer.
    pub answered_at: Option<Timestamp>,
    pub bridged_at: Option<Timestamp>,
    pub ended_at: Timestamp,
    pub outcome: Outcome,
    pub cause: Cause,
    pub hangup_by: HangupBy,
    pub sip_status: u16,
    /// That the customer pressed.
    pub keys: String,
}

impl DirectRecord {
    /// Seconds from `dialed_at` to the answer, or to the end when not answered; rounded.
    pub fn waiting_seconds(&self, dialed_at: Timestamp) -> u32 {
        seconds_between(dialed_at, self.answered_at.unwrap_or(self.ended_at))
    }

    /// Seconds of conversation, 0 when none; rounded.
    pub fn talk_seconds(&self) -> u32 {
        self.bridged_at.map_or(0, |b| seconds_between(b, self.ended_at))
    }
}
