//! What must never be seen from outside, whatever happens inside.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use engine::{AgentId, CallId, CallRecord, CampaignId, Config, LeadId, Outcome, TrunkId};

/// The engine's time-outs come as late as this now and then.
pub const LATE_MAX: Duration = Duration::from_millis(20);

/// What the switch holds of a call.
#[derive(Debug)]
pub struct Line {
    pub campaign: CampaignId,
    pub lead: LeadId,
    pub trunk: TrunkId,
    pub ringing_since: Option<Duration>,
    pub answered: Option<Duration>,
    pub is_customer_there: bool,
    /// The agent being rung or talking.
    pub agent: Option<AgentId>,
    pub is_agent_there: bool,
    /// Rises with each offer.
    pub offers: u32,
    pub is_bridged: bool,
    pub is_cancelled: bool,
    pub is_hung_up: bool,
}

#[derive(Default, Debug)]
pub struct Referee {
    /// What the store has leased and not taken back.
    pub leased: BTreeMap<CallId, LeadId>,
    pub dialed: BTreeSet<CallId>,
    /// Of this process.
    pub lines: BTreeMap<CallId, Line>,
    pub seated: BTreeMap<AgentId, CallId>,
    pub records: BTreeMap<CallId, CallRecord>,
    pub saved: BTreeSet<CallId>,
    /// Died with their process.
    pub lost: BTreeSet<CallId>,
    pub tally: Tally,
}

/// How often what was seen.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Tally {
    pub steps: u64,
    pub dialed: u64,
    pub connected: u64,
    pub abandoned: u64,
    pub no_answer: u64,
    pub missed_offers: u64,
    pub returned: u64,
    pub saves_repeated: u64,
    pub restarts: u64,
    pub ends_refused: u64,
}

impl Tally {
    pub fn add(&mut self, other: &Tally) {
        self.steps += other.steps;
        self.dialed += other.dialed;
        self.connected += other.connected;
        self.abandoned += other.abandoned;
        self.no_answer += other.no_answer;
        self.missed_offers += other.missed_offers;
        self.returned += other.returned;
        self.saves_repeated += other.saves_repeated;
        self.restarts += other.restarts;
        self.ends_refused += other.ends_refused;
    }
}

impl Referee {
    pub fn dial(&mut self, call: CallId, campaign: CampaignId, trunk: TrunkId) {
        let lead = *self.leased.get(&call).expect("nothing is dialed without a lease");
        assert!(self.dialed.insert(call), "a call is dialed once");
        assert!(self.lines.values().all(|l| l.lead != lead), "a lead is in one call at most");
        self.tally.dialed += 1;
        let line = Line {
            campaign,
            lead,
            trunk,
            ringing_since: None,
            answered: None,
            is_customer_there: true,
            agent: None,
            is_agent_there: false,
            offers: 0,
            is_bridged: false,
            is_cancelled: false,
            is_hung_up: false,
        };
        self.lines.insert(call, line);
    }

    pub fn calls_of(&self, campaign: CampaignId) -> usize {
        self.lines.values().filter(|l| l.campaign == campaign).count()
    }

    pub fn calls_on(&self, trunk: TrunkId) -> usize {
        self.lines.values().filter(|l| l.trunk == trunk).count()
    }

    /// Gives the number of the offer.
    pub fn offer(&mut self, call: CallId, agent: AgentId) -> u32 {
        let line = self.lines.get_mut(&call).expect("only calls in progress are offered");
        assert!(line.answered.is_some() && line.is_customer_there, "only answered calls are offered");
        assert_eq!(line.agent, None, "a call is offered to one agent at a time");
        assert!(!line.is_hung_up, "a call that was hung up is not offered");
        let before = self.seated.insert(agent, call);
        assert_eq!(before, None, "an agent is in one call at most");
        line.agent = Some(agent);
        line.is_agent_there = false;
        line.offers += 1;
        line.offers
    }

    pub fn cancel_offer(&mut self, call: CallId, agent: AgentId) {
        let line = self.lines.get_mut(&call).expect("only offers of calls in progress are cancelled");
        // None: the agent's leg failed at the very moment.
        assert!(line.agent.is_none_or(|a| a == agent), "only the offer that stands is cancelled");
        assert!(!line.is_bridged, "a talk is not cancelled");
        self.leave_seat(call, agent);
        self.tally.missed_offers += 1;
    }

    pub fn leave_seat(&mut self, call: CallId, agent: AgentId) {
        if let Some(line) = self.lines.get_mut(&call).filter(|l| l.agent == Some(agent)) {
            line.agent = None;
            line.is_agent_there = false;
        }
        if self.seated.get(&agent) == Some(&call) {
            self.seated.remove(&agent);
        }
    }

    pub fn bridge(&mut self, call: CallId, agent: AgentId, mono: Duration, config: &Config) {
        let line = self.lines.get_mut(&call).expect("only calls in progress are bridged");
        assert!(line.answered.is_some() && line.is_customer_there, "the customer's leg is up");
        assert_eq!(line.agent, Some(agent), "the agent was offered the call");
        assert!(line.is_agent_there, "the agent's leg is up");
        let waited = mono - line.answered.expect("looked at above");
        assert!(waited <= config.answer_wait, "who talks did not wait too long: {waited:?}");
        line.is_bridged = true;
    }

    pub fn cancel(&mut self, call: CallId, mono: Duration, config: &Config) {
        let line = self.lines.get_mut(&call).expect("only calls in progress are cancelled");
        assert!(line.answered.is_none() && line.is_customer_there, "only who has not answered is cancelled");
        assert!(!line.is_cancelled && !line.is_hung_up, "a call is cancelled once");
        line.is_cancelled = true;
        if let Some(since) = line.ringing_since {
            let rang = mono - since;
            assert!(rang >= config.ring_min, "a ringing customer is not cancelled after {rang:?}");
            assert!(
                config.give_up_late || rang >= config.no_answer,
                "a ringing customer is not given up after {rang:?}"
            );
        }
    }

    pub fn hang_up(&mut self, call: CallId) {
        let line = self.lines.get_mut(&call).expect("only calls in progress are hung up");
        assert!(!line.is_hung_up, "a call is hung up once");
        let is_ringing = line.is_customer_there && line.answered.is_none();
        assert!(!is_ringing || line.is_cancelled, "a ringing customer is cancelled, and may answer still");
        line.is_hung_up = true;
    }

    pub fn play_message(&mut self, call: CallId, mono: Duration, config: &Config) {
        let line = self.lines.get_mut(&call).expect("only calls in progress hear the message");
        assert!(line.agent.is_none(), "who hears the message has no agent");
        assert!(line.is_customer_there, "somebody hears the message");
        let waited = mono - line.answered.expect("only who answered hears the message");
        assert!(waited >= config.answer_wait, "the message does not come too early: {waited:?}");
        assert!(waited <= config.answer_wait + LATE_MAX, "nor too late: {waited:?}");
    }

    pub fn save(&mut self, record: &CallRecord) {
        if let Some(before) = self.records.get(&record.call) {
            assert_eq!(before, record, "a result does not change");
            self.tally.saves_repeated += 1;
            return;
        }
        let line = self.lines.remove(&record.call).expect("only calls in progress end");
        assert_eq!(line.lead, record.lead, "the result is of the call's lead");
        assert!(line.is_hung_up || !line.is_customer_there, "no customer's leg is forgotten");
        assert!(line.is_hung_up || line.agent.is_none(), "no agent's leg is forgotten");
        assert_eq!(record.outcome == Outcome::Connected, line.is_bridged, "connected means bridged");
        assert_eq!(record.outcome.is_answered(), line.answered.is_some(), "answered or not");
        if let Some(agent) = line.agent {
            self.seated.remove(&agent);
        }
        match record.outcome {
            Outcome::Connected => self.tally.connected += 1,
            Outcome::Abandoned => self.tally.abandoned += 1,
            Outcome::NoAnswer => self.tally.no_answer += 1,
            _ => {}
        }
        self.records.insert(record.call, record.clone());
    }

    /// The process died: its legs are gone, its unsaved results too.
    pub fn restart(&mut self) {
        self.lost.extend(self.lines.keys());
        self.lost.extend(self.records.keys().filter(|call| !self.saved.contains(call)));
        self.lines.clear();
        self.seated.clear();
        self.tally.restarts += 1;
    }
}
