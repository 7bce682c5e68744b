//! What the engine wants done. The order of effects is the order in which they must be begun.

use crate::{
    AgentId, CallId, CampaignId, Cause, DirectRecord, HangupBy, LeadId, LeaseId, LineId, NewDirect, Notice,
    Outcome, PhoneNumber, Refusal, RequestId, Timestamp, TrunkId, WatchMode,
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
    /// Cancel the customer's leg, which was not answered. `Input::Customer` tells what came of it: that it failed, or that
    /// the answer was faster.
    Cancel { call: CallId },
    /// End every leg of the call. A ringing leg is cancelled, an answered one gets a BYE; a kept-up agent leg stays.
    HangUp { call: CallId },
    /// Store the result; then `CallSaved` or `SaveFailed`.
    SaveCall(Box<CallRecord>),
    /// What became of a command.
    Answer { request: RequestId, result: Result<(), Refusal> },
    /// Write the row of a call that is no campaign's; then `DirectOpened` or `DirectNotOpened`.
    OpenDirect(Box<NewDirect>),
    /// Ring the agent, whose call has no other side yet (or take the kept-up leg). `show`: the caller that the phone sees.
    RingAgent { call: CallId, agent: AgentId, show: String },
    /// Let one side hear that the other is rung, until the bridge or until it hears the other side's own sound.
    PlayRingback { call: CallId, to: Party },
    /// The phone's INVITE is the agent's leg of this call from now on; it is answered by the bridge.
    TakeLine { line: LineId, call: CallId, agent: AgentId },
    /// The trunk's INVITE is the customer's leg of this call from now on; what is played to it, or the bridge, answers it.
    TakeCustomer { line: LineId, call: CallId },
    /// Let the customer wait with music, until the bridge or the message.
    PlayHold { call: CallId },
    /// What the agent's phone is told that wanted its call handed over. When it is taken, the phone's leg is left after this.
    Referred { agent: AgentId, result: Result<(), Refusal> },
    /// What the agent's phone is told of the number that its call is handed to: a SIP status, the last one when it is final.
    ReferTold { agent: AgentId, status: u16 },
    /// The agent who talks as the other side of `consult` is the agent of this call from now on; the rest of `consult` is
    /// hung up.
    TakeOver { call: CallId, consult: CallId, agent: AgentId },
    /// The customer of `held`, which is over, takes the agent's place in this call; the agent is hung up in both.
    TakePlace { call: CallId, held: CallId, agent: AgentId },
    /// The phone's INVITE is the agent's leg of this call from now on, in place of the one that is there, and is answered.
    TakeLegOf { line: LineId, call: CallId, agent: AgentId },
    /// Refuse an INVITE that came in.
    RefuseLine { line: LineId, why: Refusal },
    /// Ring an agent as the other side of a call, where others have the customer: `Input::Customer` tells of the leg.
    DialAgent { call: CallId, agent: AgentId, show: String },
    /// Ring a supervisor who is to come into a call. The watch has an id of its own, by which `Input::AgentLeg` tells of
    /// the leg and `HangUp` ends it. `show`: the caller that the phone sees.
    RingSupervisor { watch: CallId, supervisor: AgentId, show: String },
    /// The supervisor, whose leg is up, hears the call from now on and speaks to whom the mode says.
    Watch { watch: CallId, call: CallId, supervisor: AgentId, mode: WatchMode },
    /// Store the result; then `DirectSaved` or `DirectSaveFailed`.
    SaveDirect(Box<DirectRecord>),
    /// Bring up the agent's leg and keep it up (`AgentLegUp` when answered).
    RaiseAgentLeg { agent: AgentId },
    /// The agent left: end the kept-up leg.
    DropAgentLeg { agent: AgentId },
    /// End the campaign; `Over` only if the store still finds no lead to call (else `EndRefused`).
    EndCampaign { campaign: CampaignId, why: EndReason },
    /// The campaign dials for the first time since it was opened.
    CampaignStarted { campaign: CampaignId },
}

/// A side of a call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Party {
    Customer,
    Agent(AgentId),
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
    /// That the customer pressed.
    pub keys: String,
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

/// Seconds between two times, rounded; 0 when the second is earlier.
pub(crate) fn seconds_between(from: Timestamp, to: Timestamp) -> u32 {
    rounded(to.since(from))
}

fn rounded(d: std::time::Duration) -> u32 {
    u32::try_from((d.as_millis() + 500) / 1000).unwrap_or(u32::MAX)
}
