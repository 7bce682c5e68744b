//! What the engine wants done. The order of effects is the order in which they must be begun.

use crate::{
    AgentId, CallId, CampaignId, Cause, HangupBy, LeadId, LeaseId, Notice, Outcome, PhoneNumber, Timestamp,
    TrunkId,
};

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Take up to `slots.len()` due leads of the campaign, with their call rows, in one transaction.
    LeaseLeads { request: LeaseId, campaign: CampaignId, slots: Vec<LeaseSlot> },
    /// Undo leases: these calls were never placed.
    ReturnLeads { calls: Vec<CallId> },
    /// Send the INVITE to the customer.
    Dial(Dial),
    /// Ring the agent (or take the kept-up leg).
    Offer { call: CallId, agent: AgentId },
    /// Stop ringing the agent: the offer went elsewhere or the customer left.
    CancelOffer { call: CallId, agent: AgentId },
    /// Join the two answered legs, now.
    Bridge { call: CallId, agent: AgentId },
    /// Play the abandon message to the customer, then `Input::MessagePlayed`.
    PlayMessage { call: CallId },
    /// End every leg of the call. A ringing leg is cancelled, an answered one gets a BYE; a kept-up agent leg stays.
    HangUp { call: CallId },
    /// Store the result; then `CallSaved` or `SaveFailed`.
    SaveCall(Box<CallRecord>),
    /// Bring up the agent's leg and keep it up (`AgentLegUp` when answered).
    RaiseAgentLeg { agent: AgentId },
    /// The agent left: end the kept-up leg.
    DropAgentLeg { agent: AgentId },
    /// End the campaign; `Over` only if the store still finds no lead to call (else `EndRefused`).
    EndCampaign { campaign: CampaignId, why: EndReason },
    /// The campaign dials for the first time since it was opened.
    CampaignStarted { campaign: CampaignId },
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeaseSlot {
    pub call: CallId,
    pub trunk: TrunkId,
    /// Empty when neither campaign nor company has one.
    pub caller_id: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dial {
    pub call: CallId,
    pub trunk: TrunkId,
    pub caller_id: String,
    pub number: PhoneNumber,
    /// It is to be told who answers (`Heard::Answerer`).
    pub amd: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EndReason {
    /// Every lead was called, or a command ended it.
    Over,
    /// `run_until` came.
    Deadline,
}

/// The finished call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallRecord {
    pub call: CallId,
    pub campaign: CampaignId,
    pub lead: LeadId,
    pub attempt: u32,
    pub trunk: TrunkId,
    pub caller_id: String,
    pub dialed_at: Timestamp,
    pub ringing_at: Option<Timestamp>,
    pub answered_at: Option<Timestamp>,
    pub bridged_at: Option<Timestamp>,
    pub ended_at: Timestamp,
    /// The agent to whom the call was offered last.
    pub agent: Option<AgentId>,
    pub outcome: Outcome,
    pub cause: Cause,
    /// What the network said, when that ended the call.
    pub notice: Option<Notice>,
    pub hangup_by: HangupBy,
    pub sip_status: u16,
}

impl CallRecord {
    /// Seconds from placing the call to the answer, or to its end when not answered; rounded.
    pub fn waiting_seconds(&self) -> u32 {
        rounded(self.answered_at.unwrap_or(self.ended_at).since(self.dialed_at))
    }

    /// Seconds of conversation, 0 when none; rounded. An agent who heard a machine had none.
    pub fn talk_seconds(&self) -> u32 {
        let bridged_at = self.bridged_at.filter(|_| self.outcome == Outcome::Connected);
        bridged_at.map_or(0, |b| rounded(self.ended_at.since(b)))
    }
}

fn rounded(d: std::time::Duration) -> u32 {
    u32::try_from((d.as_millis() + 500) / 1000).unwrap_or(u32::MAX)
}
