//! How the legs of a call sounded.

use engine::{CallId, CompanyId};
use serde::{Deserialize, Serialize};

/// One leg of a call. A mean opinion score is in hundredths, jitter in microseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LegQuality {
    /// Of what came from the telephone, as the relay saw it.
    pub packets_in: u64,
    pub lost_in: u64,
    pub duplicates_in: u64,
    pub jitter_in_us: u64,
    pub mos_in: Option<u16>,
    /// Of what went there. What the telephone did not report is None.
    pub packets_out: u64,
    pub lost_out: Option<u64>,
    pub jitter_out_us: Option<u64>,
    pub mos_out: Option<u16>,
    pub round_trip_us: Option<u64>,
}

/// Both legs; None: no sound went over it, or nothing is known yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CallQuality {
    pub customer: Option<LegQuality>,
    /// Of the agent who had the call last.
    pub agent: Option<LegQuality>,
}

impl CallQuality {
    /// What is known of both, where the later one counts.
    pub(crate) fn merged(self, later: CallQuality) -> CallQuality {
        CallQuality { customer: later.customer.or(self.customer), agent: later.agent.or(self.agent) }
    }
}

/// What was learned of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Measured {
    pub company: CompanyId,
    pub call: CallId,
    pub quality: CallQuality,
}
