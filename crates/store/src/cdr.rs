//! Calls as a company sees them, with the names of what they were about.

use super::*;

/// A call, open or finished.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cdr {
    pub call: Call,
    /// How it came about when it is no campaign's: then `call.campaign` and `call.lead` name nothing.
    pub direct: Option<DirectKind>,
    /// Of its campaign; empty: of none.
    pub taskid: String,
    /// Number of the extension to which it was offered last; empty: to none.
    pub extension: String,
    pub recording: Option<Recording>,
    pub quality: CallQuality,
}

/// How calls came about.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum CallKinds {
    #[default]
    Any,
    OfCampaigns,
    Direct(Vec<DirectKind>),
}

impl CallKinds {
    /// Whether there are campaigns' calls among them.
    pub(crate) fn has_campaigns(&self) -> bool {
        !matches!(self, CallKinds::Direct(_))
    }

    pub(crate) fn has(&self, kind: DirectKind) -> bool {
        match self {
            CallKinds::Any => true,
            CallKinds::OfCampaigns => false,
            CallKinds::Direct(kinds) => kinds.contains(&kind),
        }
    }
}

/// Empty or None: any.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CallFilter {
    pub kinds: CallKinds,
    pub campaign: Option<CampaignId>,
    pub agent: Option<AgentId>,
    pub number: Option<PhoneNumber>,
    pub outcome: Option<Outcome>,
    /// Of `dialed_at`, inclusive.
    pub from: Option<Timestamp>,
    /// Exclusive.
    pub to: Option<Timestamp>,
}

/// Of campaign and lead in the call of a `Cdr` that is no campaign's.
pub(crate) const OF_NONE: i64 = 0;

/// What is known of a call that is no campaign's, in the shape of one that is.
pub(crate) fn direct_call(call: &NewDirect, record: Option<&DirectRecord>) -> Call {
    let (campaign, lead) = (CampaignId(OF_NONE), LeadId(OF_NONE));
    let trunk = record.and_then(|r| r.trunk).unwrap_or(TrunkId(OF_NONE));
    let finished = |r: &DirectRecord| CallRecord {
        call: call.call,
        campaign,
        lead,
        attempt: 1,
        trunk,
        caller_id: call.caller_id.clone(),
        dialed_at: call.dialed_at,
        ringing_at: r.ringing_at,
        answered_at: r.answered_at,
        bridged_at: r.bridged_at,
        ended_at: r.ended_at,
        agent: r.agent,
        outcome: r.outcome,
        cause: r.cause,
        notice: None,
        hangup_by: r.hangup_by,
        sip_status: r.sip_status,
        keys: r.keys.clone(),
    };
    Call {
        id: call.call,
        campaign,
        lead,
        number: call.number.clone(),
        attempt: 1,
        trunk,
        caller_id: call.caller_id.clone(),
        dialed_at: call.dialed_at,
        record: record.map(finished),
    }
}
