//! Calls as a company sees them, with the names of what they were about.

use super::*;

/// A call, open or finished.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cdr {
    pub call: Call,
    /// Of its campaign; empty: of none.
    pub taskid: String,
    /// Number of the extension to which it was offered last; empty: to none.
    pub extension: String,
    pub recording: Option<Recording>,
    pub quality: CallQuality,
}

/// Empty or None: any.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CallFilter {
    pub campaign: Option<CampaignId>,
    pub agent: Option<AgentId>,
    pub number: Option<PhoneNumber>,
    pub outcome: Option<Outcome>,
    /// Of `dialed_at`, inclusive.
    pub from: Option<Timestamp>,
    /// Exclusive.
    pub to: Option<Timestamp>,
}
