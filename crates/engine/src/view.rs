//! What the engine shows of itself: read only, made on demand for the API, the console and the demo.

use crate::{AgentId, CallId, CampaignId, RatioMilli, Timestamp};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AgentState {
    /// Not registered, not signed in, disabled, or its kept-up leg is down.
    SignedOut,
    Paused,
    Ready,
    /// Rung for a call.
    Offered,
    Talking,
    WrapUp,
}

#[derive(Clone, PartialEq, Debug)]
pub struct AgentView {
    pub agent: AgentId,
    pub registered: bool,
    pub state: AgentState,
    /// When the agent came into this state.
    pub since: Timestamp,
    /// The call the agent is offered or in.
    pub call: Option<CallView>,
    /// Since the engine started.
    pub calls: u32,
    pub missed: u32,
    pub talk_seconds: u64,
    pub last_offered: Option<Timestamp>,
    pub last_answered: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct CallView {
    pub call: CallId,
    pub campaign: CampaignId,
    /// The customer's number in full: mask it before it is shown to who may not see it.
    pub number: String,
    pub caller_id: String,
    pub dialed_at: Timestamp,
    pub answered_at: Option<Timestamp>,
    pub bridged_at: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct CampaignView {
    pub campaign: CampaignId,
    /// Calls per idle agent that the pacing uses now; None when not running.
    pub ratio_now: Option<RatioMilli>,
    pub leases_pending: u32,
    /// Dialing or ringing.
    pub ringing: u32,
    /// Answered, no agent yet.
    pub waiting: u32,
    pub talking: u32,
    pub agents_signed_in: u32,
    pub agents_ready: u32,
    /// Calls that were answered by a person / abandoned since the engine started (with what came before it today).
    pub answered: u32,
    pub abandoned: u32,
}
