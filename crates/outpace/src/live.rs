//! What happens now, for those who watch: states of campaigns, calls and agents, the latest of each company in a ring.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use engine::{
    AgentId, AgentState, AgentView, CallId, CampaignId, CampaignStatus, CompanyId, Effect, Input, LeaseId,
    LegEvent, Outcome, PhoneNumber, Timestamp,
};
use tokio::sync::watch;

use crate::handle::wall_clock;

/// Events of a company that are kept for who comes back.
const KEPT_MAX: usize = 4096;
/// Who may watch one company at once.
const WATCHERS_MAX: usize = 16;

#[derive(Clone, PartialEq, Debug)]
pub enum What {
    Campaign { campaign: CampaignId, status: CampaignStatus },
    Agent { agent: AgentId, state: AgentState, call: Option<CallId> },
    Call { call: CallId, campaign: Option<CampaignId>, state: CallState, agent: Option<AgentId> },
}

#[derive(Clone, PartialEq, Debug)]
pub enum CallState {
    Dialing(PhoneNumber),
    Ringing,
    Answered,
    /// An agent is rung for it.
    Offered,
    Bridged,
    Ended(Outcome),
}

#[derive(Clone, PartialEq, Debug)]
pub struct Happening {
    pub at: Timestamp,
    pub what: What,
}

/// The rings of all companies.
pub struct Live {
    /// Tells this run of the server from others: sequence numbers begin anew with each.
    pub run: i64,
    companies: RwLock<BTreeMap<CompanyId, Arc<Channel>>>,
}

impl Live {
    pub fn new() -> Live {
        Live { run: wall_clock().0, companies: RwLock::default() }
    }

    pub fn of(&self, company: CompanyId) -> Arc<Channel> {
        let known = self.companies.read().unwrap_or_else(PoisonError::into_inner).get(&company).cloned();
        known.unwrap_or_else(|| {
            let mut companies = self.companies.write().unwrap_or_else(PoisonError::into_inner);
            companies.entry(company).or_default().clone()
        })
    }
}

/// What happens in one company.
pub struct Channel {
    ring: Mutex<Ring>,
    newest: watch::Sender<u64>,
    watchers: AtomicUsize,
}

#[derive(Default)]
struct Ring {
    /// Sequence number of what came last; the first one is 1.
    newest: u64,
    kept: VecDeque<Happening>,
}

impl Default for Channel {
    fn default() -> Channel {
        Channel { ring: Mutex::default(), newest: watch::Sender::new(0), watchers: AtomicUsize::new(0) }
    }
}

/// Some of the events are gone already.
#[derive(PartialEq, Eq, Debug)]
pub struct Missed;

impl Channel {
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn put(&self, what: What) {
        let mut ring = self.ring();
        if ring.kept.len() >= KEPT_MAX {
            ring.kept.pop_front();
        }
        ring.kept.push_back(Happening { at: wall_clock(), what });
        ring.newest += 1;
        self.newest.send_replace(ring.newest);
    }

    /// Sequence number of what came last; 0: nothing.
    pub fn newest(&self) -> u64 {
        self.ring().newest
    }

    /// Those with a greater sequence number than `after`, at most `limit`.
    pub fn after(&self, after: u64, limit: usize) -> Result<Vec<(u64, Happening)>, Missed> {
        let ring = self.ring();
        let first = ring.newest + 1 - ring.kept.len() as u64;
        if after > ring.newest || after + 1 < first {
            return Err(Missed);
        }
        let from = usize::try_from(after + 1 - first).unwrap_or(usize::MAX);
        let found = (after + 1..).zip(ring.kept.iter().skip(from).take(limit).cloned());
        Ok(found.collect())
    }

    /// None: too many watch already.
    pub fn watch(self: &Arc<Channel>) -> Option<Watcher> {
        let channel = self.clone();
        if channel.watchers.fetch_add(1, Ordering::Relaxed) >= WATCHERS_MAX {
            channel.watchers.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let newest = channel.newest.subscribe();
        Some(Watcher { channel, newest })
    }
}

/// One who watches a company.
pub struct Watcher {
    pub channel: Arc<Channel>,
    newest: watch::Receiver<u64>,
}

impl Watcher {
    /// Until there is something newer than `after`.
    pub async fn wait(&mut self, after: u64) {
        // Fails when the channel is gone, which the watcher itself keeps.
        let _ = self.newest.wait_for(|newest| *newest > after).await;
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.channel.watchers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Sees inputs and effects of the run loop, and tells what they mean.
pub struct Reporter {
    live: Arc<Live>,
    leases: HashMap<(CompanyId, LeaseId), CampaignId>,
    calls: HashMap<CallId, Seen>,
    campaigns: HashMap<CampaignId, CampaignStatus>,
    agents: HashMap<AgentId, AgentState>,
}

struct Seen {
    campaign: Option<CampaignId>,
    has_rung: bool,
    is_answered: bool,
}

impl Reporter {
    pub fn new(live: Arc<Live>) -> Reporter {
        let (leases, calls, campaigns, agents) = Default::default();
        Reporter { live, leases, calls, campaigns, agents }
    }

    pub fn saw_input(&mut self, company: CompanyId, input: &Input) {
        match input {
            Input::LeadsLeased { request, leads, .. } => {
                let campaign = self.leases.remove(&(company, *request));
                for lead in leads {
                    let seen = Seen { campaign, has_rung: false, is_answered: false };
                    self.calls.insert(lead.call, seen);
                }
            }
            Input::LeaseFailed { request } => {
                self.leases.remove(&(company, *request));
            }
            Input::Customer { call, event } => self.customer(company, *call, *event),
            _ => {}
        }
    }

    fn customer(&mut self, company: CompanyId, call: CallId, event: LegEvent) {
        let Some(seen) = self.calls.get_mut(&call) else { return };
        let (state, was) = match event {
            LegEvent::Ringing { .. } => (CallState::Ringing, std::mem::replace(&mut seen.has_rung, true)),
            LegEvent::Answered => (CallState::Answered, std::mem::replace(&mut seen.is_answered, true)),
            LegEvent::Failed(_) | LegEvent::HungUp { .. } | LegEvent::Heard(_) | LegEvent::Pressed(_) => {
                return;
            }
        };
        if !was {
            self.call(company, call, state, None);
        }
    }

    pub fn saw_effect(&mut self, company: CompanyId, effect: &Effect) {
        match effect {
            Effect::LeaseLeads { request, campaign, .. } => {
                self.leases.insert((company, *request), *campaign);
            }
            Effect::ReturnLeads { calls } => {
                for call in calls {
                    self.calls.remove(call);
                }
            }
            Effect::OpenDirect(new) => {
                let seen = Seen { campaign: None, has_rung: false, is_answered: false };
                self.calls.insert(new.call, seen);
            }
            Effect::SaveDirect(record) => {
                self.ended(company, record.call, record.outcome, record.agent);
            }
            Effect::Dial(dial) => {
                self.call(company, dial.call, CallState::Dialing(dial.number.clone()), None);
            }
            Effect::Offer { call, agent } => self.call(company, *call, CallState::Offered, Some(*agent)),
            Effect::Bridge { call, agent } => self.call(company, *call, CallState::Bridged, Some(*agent)),
            Effect::SaveCall(record) => self.ended(company, record.call, record.outcome, record.agent),
            _ => {}
        }
    }

    /// A result that could not be saved is saved again, but told once.
    fn ended(&mut self, company: CompanyId, call: CallId, outcome: Outcome, agent: Option<AgentId>) {
        if let Some(seen) = self.calls.remove(&call) {
            let (campaign, state) = (seen.campaign, CallState::Ended(outcome));
            self.live.of(company).put(What::Call { call, campaign, state, agent });
        }
    }

    fn call(&self, company: CompanyId, call: CallId, state: CallState, agent: Option<AgentId>) {
        let campaign = self.calls.get(&call).and_then(|seen| seen.campaign);
        self.live.of(company).put(What::Call { call, campaign, state, agent });
    }

    pub fn saw_campaign(&mut self, company: CompanyId, campaign: CampaignId, status: CampaignStatus) {
        let known = match status {
            CampaignStatus::Ended => self.campaigns.remove(&campaign),
            open => self.campaigns.insert(campaign, open),
        };
        if known != Some(status) {
            self.live.of(company).put(What::Campaign { campaign, status });
        }
    }

    pub fn saw_agent(&mut self, company: CompanyId, view: &AgentView) {
        let (agent, state) = (view.agent, view.state);
        let known = self.agents.insert(agent, state).unwrap_or(AgentState::SignedOut);
        if known != state {
            let call = view.call.as_ref().map(|c| c.call);
            self.live.of(company).put(What::Agent { agent, state, call });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(n: i64) -> What {
        What::Agent { agent: AgentId(n), state: AgentState::Ready, call: None }
    }

    #[test]
    fn events_go_on_where_one_left_until_they_are_gone() {
        let channel = Channel::default();
        assert_eq!(channel.after(0, 9), Ok(Vec::new()));
        assert_eq!(channel.after(1, 9), Err(Missed), "of another run");
        for n in 1..=5 {
            channel.put(agent(n));
        }
        let after = |after, limit| {
            let found = channel.after(after, limit).expect("kept");
            found.into_iter().map(|(seq, h)| (seq, h.what)).collect::<Vec<_>>()
        };
        assert_eq!(after(0, 2), [(1, agent(1)), (2, agent(2))]);
        assert_eq!(after(3, 9), [(4, agent(4)), (5, agent(5))]);
        assert_eq!(after(5, 9), []);
        for n in 6..=(KEPT_MAX as i64 + 2) {
            channel.put(agent(n));
        }
        assert_eq!(channel.after(1, 1), Err(Missed), "the ring is bounded");
        assert_eq!(after(2, 1), [(3, agent(3))]);
        assert_eq!(channel.ring().kept.len(), KEPT_MAX);
    }

    #[test]
    fn so_many_watch_and_no_more() {
        let channel = Arc::new(Channel::default());
        let mut watchers: Vec<Watcher> = (0..WATCHERS_MAX).filter_map(|_| channel.watch()).collect();
        assert_eq!(watchers.len(), WATCHERS_MAX);
        assert!(channel.watch().is_none());
        watchers.pop();
        assert!(channel.watch().is_some());
    }

    #[test]
    fn a_call_is_told_once_in_each_state() {
        let live = Arc::new(Live::new());
        let mut reporter = Reporter::new(live.clone());
        let (company, call) = (CompanyId(1), CallId(7));
        let number = PhoneNumber::parse("13800000001").expect("a number");
        let (request, campaign) = (LeaseId(1), CampaignId(3));
        reporter.saw_effect(company, &Effect::LeaseLeads { request, campaign, slots: Vec::new() });
        let lead = engine::LeasedLead { call, lead: engine::LeadId(1), number: number.clone(), attempt: 1 };
        let next_due = engine::Supply::Available;
        reporter.saw_input(company, &Input::LeadsLeased { request, leads: vec![lead], next_due });
        let (trunk, caller_id) = (engine::TrunkId(1), String::new());
        reporter.saw_effect(
            company,
            &Effect::Dial(engine::Dial { call, trunk, caller_id, number: number.clone(), amd: false }),
        );
        for event in [LegEvent::Ringing { early_media: false }, LegEvent::Answered] {
            for _ in 0..2 {
                reporter.saw_input(company, &Input::Customer { call, event });
            }
        }
        reporter.saw_effect(company, &Effect::Bridge { call, agent: AgentId(2) });
        let told: Vec<What> =
            live.of(company).after(0, 99).expect("kept").into_iter().map(|(_, h)| h.what).collect();
        let what = |state, agent| What::Call { call, campaign: Some(campaign), state, agent };
        assert_eq!(
            told,
            [
                what(CallState::Dialing(number), None),
                what(CallState::Ringing, None),
                what(CallState::Answered, None),
                what(CallState::Bridged, Some(AgentId(2))),
            ]
        );
        assert_eq!(live.of(CompanyId(2)).newest(), 0, "each company has its own");
    }
}
