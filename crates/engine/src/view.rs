//! What the engine shows of itself: read only, made on demand for the API, the console and the demo.

use crate::agent::Agent;
use crate::campaign::Campaign;
use crate::{AgentId, CallId, CampaignId, CampaignStatus, Engine, PacingDecision, RatioMilli, Timestamp};

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
    /// The agent rests after an offer that was not taken.
    pub missed_now: Option<Miss>,
}

/// How an agent did not take an offer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Miss {
    /// The phone rang long enough, or could not be rung.
    NotPickedUp,
    /// The agent said no.
    Declined,
}

#[derive(Clone, PartialEq, Debug)]
pub struct CallView {
    pub call: CallId,
    /// None: a call of the agent's own.
    pub campaign: Option<CampaignId>,
    /// The customer's number in full: mask it before it is shown to who may not see it.
    pub number: String,
    pub caller_id: String,
    pub dialed_at: Timestamp,
    pub answered_at: Option<Timestamp>,
    pub bridged_at: Option<Timestamp>,
    /// The customer called.
    pub is_inbound: bool,
    /// The agent has picked up, and the customer is being reached.
    pub awaits_customer: bool,
}

#[derive(Clone, PartialEq, Debug)]
pub struct CampaignView {
    pub campaign: CampaignId,
    /// Calls per idle agent that the pacing uses now; None when not running.
    pub ratio_now: Option<RatioMilli>,
    /// The last decision of predictive pacing and what it was based on.
    pub decision: Option<PacingDecision>,
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

/// How much the engine has in hand.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Calls that have not ended.
    pub calls: usize,
    /// Lease requests under way.
    pub leases: usize,
    /// Slots of those requests.
    pub reserved: usize,
    /// Results that the store has not confirmed.
    pub unsaved: usize,
    /// Undone leases that the store has not confirmed.
    pub returning: usize,
}

impl Engine {
    /// By id.
    pub fn agent_views(&self) -> Vec<AgentView> {
        self.agents.values().map(|agent| self.view_of_agent(agent)).collect()
    }

    pub fn agent_view(&self, agent: AgentId) -> Option<AgentView> {
        self.agents.get(&agent).map(|agent| self.view_of_agent(agent))
    }

    /// By id. Ended campaigns only while something of them is not done.
    pub fn campaign_views(&self) -> Vec<CampaignView> {
        self.campaigns.values().filter(|c| !c.is_retired).map(|c| self.view_of_campaign(c)).collect()
    }

    pub fn counts(&self) -> Counts {
        Counts {
            calls: self.calls.len() + self.directs.len(),
            leases: self.leases.len(),
            reserved: self.leases.values().map(|l| l.slots.len()).sum(),
            unsaved: self.unsaved.len() + self.unsaved_directs.len(),
            returning: self.returning.len(),
        }
    }

    fn view_of_agent(&self, agent: &Agent) -> AgentView {
        AgentView {
            agent: agent.id,
            registered: agent.registered,
            state: agent.state,
            since: agent.since,
            call: agent.call().and_then(|call| self.view_of_call(call)),
            calls: agent.calls,
            missed: agent.missed,
            talk_seconds: agent.talked.as_secs(),
            last_offered: agent.last_offered,
            last_answered: agent.last_answered,
            missed_now: agent.missed_now(),
        }
    }

    fn view_of_call(&self, id: CallId) -> Option<CallView> {
        let Some(call) = self.calls.get(&id) else { return self.view_of_direct(id) };
        Some(CallView {
            call: id,
            campaign: Some(call.campaign),
            number: call.number.as_str().to_owned(),
            caller_id: call.caller_id.clone(),
            dialed_at: call.dialed_at,
            answered_at: call.answered_at,
            bridged_at: call.bridged_at,
            is_inbound: false,
            awaits_customer: false,
        })
    }

    fn view_of_direct(&self, id: CallId) -> Option<CallView> {
        let Some(direct) = self.directs.get(&id) else { return self.view_of_watch(id) };
        Some(CallView {
            call: id,
            campaign: None,
            number: direct.row.number.as_str().to_owned(),
            caller_id: direct.row.caller_id.clone(),
            dialed_at: direct.row.dialed_at,
            answered_at: direct.answered_at,
            bridged_at: direct.bridged_at,
            is_inbound: direct.caller.is_some(),
            awaits_customer: direct.awaits_customer(),
        })
    }

    /// The other side is the agent who is watched.
    fn view_of_watch(&self, id: CallId) -> Option<CallView> {
        let watch = self.watches.get(&id)?;
        Some(CallView {
            call: id,
            campaign: None,
            number: self.agents.get(&watch.agent).map(|a| a.extension.clone()).unwrap_or_default(),
            caller_id: String::new(),
            dialed_at: watch.began,
            answered_at: watch.up_at,
            bridged_at: watch.up_at,
            is_inbound: false,
            awaits_customer: false,
        })
    }

    fn view_of_campaign(&self, campaign: &Campaign) -> CampaignView {
        let pool = self.pools.get(&campaign.pool);
        let count = |n: Option<usize>| n.map_or(0, |n| u32::try_from(n).unwrap_or(u32::MAX));
        let is_running = campaign.settings.status == CampaignStatus::Running;
        CampaignView {
            campaign: campaign.settings.campaign,
            ratio_now: is_running.then(|| campaign.pacer.ratio()),
            decision: campaign.pacer.decision().filter(|_| is_running),
            leases_pending: campaign.in_flight.reserved,
            ringing: campaign.in_flight.ringing,
            waiting: campaign.in_flight.waiting + campaign.in_flight.offering,
            talking: campaign.in_flight.talking,
            agents_signed_in: count(pool.map(|p| p.present.len())),
            agents_ready: count(pool.map(|p| p.ready_count())),
            answered: campaign.pacer.answered,
            abandoned: campaign.pacer.abandoned,
        }
    }
}
