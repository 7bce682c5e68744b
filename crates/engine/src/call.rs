//! One call: `Dialing → Ringing → Waiting ⇄ Offering → Bridged`, or `Message` when no agent came, then `end`.

mod ending;
mod ringing;

use std::time::Duration;

pub(crate) use ending::{Ending, Legs};

use crate::agent::Seat;
use crate::heard::Judging;
use crate::timer::TimerKey;
use crate::transfer::Transfer;
use crate::{
    AgentId, CallId, CallRecord, CampaignId, Cause, Effect, Engine, Failure, HangupBy, LeadId, LeasedLead,
    LegEvent, Miss, Notice, Now, Outcome, PhoneNumber, Supply, Timestamp, TrunkId,
};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    Dialing,
    Ringing,
    /// The customer answered and no agent is offered the call.
    Waiting,
    Offering(AgentId),
    Bridged(AgentId),
    /// Another agent is rung to go on with the talk.
    Transfer(Transfer),
    /// The agent has left, and the customer waits for the number outside that this call dials.
    Outside(CallId),
    /// No agent came in time: the customer hears the message.
    Message,
}

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) id: CallId,
    pub(crate) campaign: CampaignId,
    lead: LeadId,
    pub(crate) number: PhoneNumber,
    attempt: u32,
    pub(crate) trunk: TrunkId,
    pub(crate) caller_id: String,
    pub(crate) stage: Stage,
    /// Place among the answered calls: first come, first served.
    pub(crate) order: u64,
    pub(crate) dialed_at: Timestamp,
    /// The same moment on the mono clock.
    placed: Duration,
    ringing_at: Option<Timestamp>,
    /// The same moment on the mono clock.
    rings_since: Option<Duration>,
    /// It is to be ended while it rings, for ringing too late.
    is_given_up: bool,
    /// It is being cancelled; how it ends unless the customer answers in that moment.
    cancelled: Option<Ending>,
    pub(crate) answered_at: Option<Timestamp>,
    pub(crate) bridged_at: Option<Timestamp>,
    /// Start of the talk on the mono clock.
    pub(crate) talk_began: Duration,
    /// The agent to whom the call was offered last.
    agent: Option<AgentId>,
    pub(crate) judging: Judging,
    /// That the customer pressed.
    keys: String,
    /// What the network said.
    pub(crate) notice: Option<Notice>,
}

impl Call {
    pub(crate) fn new(
        campaign: CampaignId,
        trunk: TrunkId,
        caller_id: String,
        lead: LeasedLead,
        now: Now,
    ) -> Call {
        Call {
            id: lead.call,
            campaign,
            lead: lead.lead,
            number: lead.number,
            attempt: lead.attempt,
            trunk,
            caller_id,
            stage: Stage::Dialing,
            order: 0,
            dialed_at: now.wall,
            placed: now.mono,
            ringing_at: None,
            rings_since: None,
            is_given_up: false,
            cancelled: None,
            answered_at: None,
            bridged_at: None,
            talk_began: Duration::ZERO,
            agent: None,
            judging: Judging::Off,
            keys: String::new(),
            notice: None,
        }
    }

    /// An agent has talked with the customer: whatever comes, nobody was abandoned.
    pub(crate) fn is_served(&self) -> bool {
        self.bridged_at.is_some()
    }

    pub(crate) fn offered_to(&self) -> Option<AgentId> {
        match self.stage {
            Stage::Offering(agent) => Some(agent),
            _ => None,
        }
    }

    fn record(self, ended_at: Timestamp, ending: Ending) -> CallRecord {
        CallRecord {
            call: self.id,
            campaign: self.campaign,
            lead: self.lead,
            attempt: self.attempt,
            trunk: self.trunk,
            caller_id: self.caller_id,
            dialed_at: self.dialed_at,
            ringing_at: self.ringing_at,
            answered_at: self.answered_at,
            bridged_at: self.bridged_at,
            ended_at,
            agent: self.agent,
            outcome: ending.outcome,
            cause: ending.cause,
            notice: self.notice,
            hangup_by: ending.by,
            sip_status: if self.answered_at.is_some() { 200 } else { ending.sip_status },
            keys: self.keys,
        }
    }
}

/// Keys of one call that are written down.
const KEYS_MAX: usize = 64;

pub(crate) fn note_key(keys: &mut String, key: char) {
    if keys.len() < KEYS_MAX {
        keys.push(key);
    }
}

/// Why an offer is over before the agent answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum OfferEnd {
    /// Not the agent's fault.
    Withdrawn,
    /// The agent rang long enough.
    Missed,
    /// The agent was asked to say no.
    Refused,
    /// As missed, and the leg is gone already.
    LegFailed(Miss),
}

impl Engine {
    pub(crate) fn add_call(&mut self, call: Call) {
        let id = call.id;
        self.timers.set(TimerKey::Call(id), self.now.mono + self.config.setup_timeout);
        let campaign = self.campaigns.get_mut(&call.campaign).expect("a campaign outlives its calls");
        *campaign.in_flight.of(call.stage) += 1;
        let before = self.calls.insert(id, call);
        assert!(before.is_none(), "call ids are unique");
    }

    /// The only place where a call changes its stage before its end.
    pub(crate) fn set_stage(&mut self, id: CallId, stage: Stage) {
        let call = self.calls.get_mut(&id).expect("the caller looked it up");
        let before = std::mem::replace(&mut call.stage, stage);
        let campaign = self.campaigns.get_mut(&call.campaign).expect("a campaign outlives its calls");
        *campaign.in_flight.of(before) -= 1;
        *campaign.in_flight.of(stage) += 1;
        if stage == Stage::Waiting {
            campaign.unserved.insert((call.order, id));
        } else {
            campaign.unserved.remove(&(call.order, id));
        }
        self.dirty.insert(call.campaign);
    }

    pub(crate) fn customer_event(&mut self, id: CallId, event: LegEvent) {
        if self.directs.contains_key(&id) {
            return self.direct_customer_event(id, event);
        }
        match event {
            LegEvent::Ringing { .. } => self.customer_rings(id),
            LegEvent::Pressed(key) => {
                if let Some(call) = self.calls.get_mut(&id) {
                    note_key(&mut call.keys, key);
                }
            }
            LegEvent::Answered => self.customer_answered(id),
            LegEvent::Heard(heard) => self.customer_heard(id, heard),
            LegEvent::Failed(failure) => self.customer_left(id, failure),
            LegEvent::HungUp { cause } => {
                self.customer_left(id, Failure { outcome: Outcome::Failed, cause, sip_status: 0 });
            }
        }
    }

    fn customer_answered(&mut self, id: CallId) {
        let order = self.order();
        let Some(call) = self.calls.get_mut(&id) else { return };
        if !matches!(call.stage, Stage::Dialing | Stage::Ringing) {
            return;
        }
        call.answered_at = Some(self.now.wall);
        call.order = order;
        let campaign = self.campaigns.get_mut(&call.campaign).expect("a campaign outlives its calls");
        // One who answers while being cancelled is a customer like any other; the pacer has counted the call out.
        if call.cancelled.take().is_none() {
            if call.rings_since.is_none() {
                campaign.pacer.look.rang_unheard();
            }
            campaign.pacer.look.answered(self.now.mono, call.placed);
        }
        self.timers.set(TimerKey::Call(id), self.now.mono + self.config.answer_wait);
        self.set_stage(id, Stage::Waiting);
        self.unplaced.insert((order, id));
        self.judge(id);
    }

    /// The customer's leg is gone. `failure` counts when it was not answered.
    fn customer_left(&mut self, id: CallId, failure: Failure) {
        let Some(call) = self.calls.get(&id) else { return };
        let ending = match call.stage {
            Stage::Dialing | Stage::Ringing => match call.cancelled {
                Some(ending) => Ending { legs: Legs::Gone, ..ending },
                None => Ending::failed(failure),
            },
            Stage::Waiting | Stage::Offering(_) | Stage::Message if !call.is_served() => {
                Ending::new(Outcome::Abandoned, Cause::NORMAL, HangupBy::Customer, Legs::Gone)
            }
            Stage::Transfer(_) => return self.transfer_abandoned(id, failure.cause),
            _ => Ending::connected(failure.cause, HangupBy::Customer),
        };
        if matches!(call.stage, Stage::Waiting | Stage::Offering(_)) {
            self.note_answered(id, true);
        }
        self.end(id, ending);
    }

    /// What the call's stage allows is over.
    pub(crate) fn call_timer(&mut self, id: CallId) {
        let Some(call) = self.calls.get(&id) else {
            self.end_watch(id);
            return self.direct_timer(id);
        };
        match call.stage {
            Stage::Dialing => self.cancel(id, Outcome::Failed, Cause::TIMER),
            Stage::Ringing => self.cancel(id, Outcome::NoAnswer, Cause::NO_ANSWER),
            Stage::Waiting | Stage::Offering(_) => self.abandon(id),
            Stage::Message => self.message_played(id),
            Stage::Transfer(_) => self.transfer_failed(id, Cause::NOT_PICKED_UP),
            Stage::Bridged(_) | Stage::Outside(_) => {}
        }
    }

    /// Nobody came in time. From here on no agent is wanted any more.
    fn abandon(&mut self, id: CallId) {
        let call = self.calls.get(&id).expect("the caller looked it up");
        let is_overdue = !self.timers.is_set(TimerKey::Offer(id));
        if call.offered_to().is_some() {
            self.stop_offer(id, if is_overdue { OfferEnd::Missed } else { OfferEnd::Withdrawn });
        }
        self.note_answered(id, true);
        self.set_stage(id, Stage::Message);
        self.timers.set(TimerKey::Call(id), self.now.mono + self.config.message_max);
        self.emit(Effect::PlayMessage { call: id });
    }

    pub(crate) fn message_played(&mut self, id: CallId) {
        self.caller_told(id);
        if let Some(call) = self.calls.get(&id).filter(|c| c.stage == Stage::Message) {
            self.end(id, Ending::nobody_came(call.is_served()));
        }
    }

    pub(crate) fn agent_event(&mut self, id: CallId, agent: AgentId, event: LegEvent) {
        if matches!(event, LegEvent::HungUp { .. }) && self.leaves_to_outside(id, agent) {
            return;
        }
        let Some(call) = self.calls.get(&id) else {
            self.watch_event(id, agent, event);
            return self.direct_agent_event(id, agent, event);
        };
        match (call.stage, event) {
            (Stage::Offering(offered), LegEvent::Answered) if offered == agent => self.bridge(id, agent),
            (Stage::Offering(offered), LegEvent::Failed(failure)) if offered == agent => {
                let said_no = matches!(failure.outcome, Outcome::Busy | Outcome::Rejected);
                let miss = if said_no { Miss::Declined } else { Miss::NotPickedUp };
                self.stop_offer(id, OfferEnd::LegFailed(miss));
            }
            (Stage::Offering(offered), LegEvent::HungUp { .. }) if offered == agent => {
                self.stop_offer(id, OfferEnd::LegFailed(Miss::Declined));
            }
            (Stage::Bridged(talking), LegEvent::HungUp { cause }) if talking == agent => {
                self.agent_hung_up(id, cause);
            }
            (Stage::Bridged(talking), LegEvent::Failed(failure)) if talking == agent => {
                self.agent_hung_up(id, failure.cause);
            }
            (Stage::Transfer(transfer), event) if transfer.to == agent => {
                self.transfer_event(id, agent, event);
            }
            // The leg of an offer that is over, or news that changes nothing.
            _ => {}
        }
    }

    pub(crate) fn bridge(&mut self, id: CallId, agent: AgentId) {
        self.timers.cancel(TimerKey::Call(id));
        self.timers.cancel(TimerKey::Offer(id));
        self.note_answered(id, false);
        self.set_stage(id, Stage::Bridged(agent));
        let call = self.calls.get_mut(&id).expect("the caller looked it up");
        call.bridged_at.get_or_insert(self.now.wall);
        call.talk_began = self.now.mono;
        self.emit(Effect::Bridge { call: id, agent });
        self.seat_talking(agent, id);
    }

    pub(crate) fn agent_hung_up(&mut self, id: CallId, cause: Cause) {
        self.end(id, Ending::new(Outcome::Connected, cause, HangupBy::Agent, Legs::Left));
    }

    pub(crate) fn hang_up(&mut self, agent: AgentId) {
        match self.agents.get(&agent).map(|a| a.seat) {
            Some(Seat::Talking(call) | Seat::Offered(call)) if !self.calls.contains_key(&call) => {
                self.own_call_left(call);
            }
            Some(Seat::Talking(call)) => self.agent_hung_up(call, Cause::NORMAL),
            Some(Seat::Offered(call)) if self.transfer_of(call).is_some() => {
                self.transfer_failed(call, Cause::DECLINED);
            }
            Some(Seat::Offered(call)) => self.stop_offer(call, OfferEnd::Refused),
            _ => {}
        }
    }

    /// The agent's leg of a call of the agent's own, or of a watch, is over.
    pub(crate) fn own_call_left(&mut self, id: CallId) {
        self.end_watch(id);
        self.direct_hung_up(id, Cause::NORMAL);
    }

    /// Ends a call in which two talk, for neither of them wished it.
    pub(crate) fn end_talk(&mut self, id: CallId) {
        let ending = Ending::connected(Cause::PLATFORM, HangupBy::Platform);
        if self.calls.contains_key(&id) {
            self.end(id, ending);
        } else {
            self.end_direct(id, ending);
        }
    }

    /// Lets answered calls and ready agents find each other, the longest waiting call first.
    pub(crate) fn match_calls_with_agents(&mut self) {
        loop {
            if let Some((_, agent)) = self.newly_ready.pop_first() {
                self.serve_longest_waiting(agent);
            } else if let Some((_, call)) = self.unplaced.pop_first() {
                self.place(call);
            } else {
                return;
            }
        }
    }

    fn serve_longest_waiting(&mut self, agent: AgentId) {
        let keys = self.memberships.get(&agent).into_iter().flatten();
        let pools = keys.filter_map(|key| self.pools.get(key)).filter(|p| p.is_ready(agent));
        let served = pools.flat_map(|p| p.campaigns.iter()).filter_map(|id| self.campaigns.get(id));
        let longest = served.filter_map(|c| c.unserved.first()).min().copied();
        match longest {
            Some((_, call)) => self.offer(call, agent),
            None => self.serve_caller(agent),
        }
    }

    fn place(&mut self, id: CallId) {
        let Some(call) =
            self.calls.get(&id).filter(|c| matches!(c.stage, Stage::Waiting | Stage::Offering(_)))
        else {
            return;
        };
        let is_unserved = |c: &crate::Campaign| c.unserved.contains(&(call.order, id));
        let Some(campaign) = self.campaigns.get(&call.campaign).filter(|c| is_unserved(c)) else { return };
        let pool = self.pools.get(&campaign.pool);
        if let Some(agent) = pool.and_then(|p| p.pick(&mut self.rng)) {
            self.offer(id, agent);
        }
    }

    /// Offers the call to a ready agent; one who let it ring too long loses it.
    fn offer(&mut self, id: CallId, agent: AgentId) {
        if self.calls.get(&id).is_some_and(|c| c.offered_to().is_some()) {
            self.stop_offer(id, OfferEnd::Missed);
        }
        let call = self.calls.get_mut(&id).expect("the caller looked it up");
        call.agent = Some(agent);
        let campaign = self.campaigns.get(&call.campaign).expect("a campaign outlives its calls");
        let pool = self.pools.get_mut(&campaign.pool).expect("the agent was picked from it");
        pool.note_offer(agent);
        self.set_stage(id, Stage::Offering(agent));
        self.timers.set(TimerKey::Offer(id), self.now.mono + self.config.offer_timeout);
        self.emit(Effect::Offer { call: id, agent });
        self.seat_offered(agent, id);
    }

    /// Another agent answers what rings.
    pub(crate) fn reoffer(&mut self, id: CallId, agent: AgentId) {
        self.calls.get_mut(&id).expect("the caller looked it up").agent = Some(agent);
        self.set_stage(id, Stage::Offering(agent));
    }

    /// The offered agent has had its time. While nobody else is ready it rings on.
    pub(crate) fn offer_overdue(&mut self, id: CallId) {
        let Some(call) = self.calls.get(&id).filter(|c| c.offered_to().is_some()) else { return };
        let campaign = self.campaigns.get_mut(&call.campaign).expect("a campaign outlives its calls");
        campaign.unserved.insert((call.order, id));
        self.unplaced.insert((call.order, id));
    }

    /// The agent cannot take the call that is being offered.
    pub(crate) fn withdraw(&mut self, id: CallId) {
        self.stop_offer(id, OfferEnd::Withdrawn);
    }

    /// Back to waiting; another ready agent is tried before this input is done.
    fn stop_offer(&mut self, id: CallId, why: OfferEnd) {
        let Some(call) = self.calls.get(&id) else { return };
        let Some(agent) = call.offered_to() else { return };
        let order = call.order;
        self.timers.cancel(TimerKey::Offer(id));
        self.set_stage(id, Stage::Waiting);
        self.unplaced.insert((order, id));
        if !matches!(why, OfferEnd::LegFailed(_)) {
            self.emit(Effect::CancelOffer { call: id, agent });
        }
        match why {
            OfferEnd::Withdrawn => self.seat_freed(agent),
            OfferEnd::Missed => self.seat_missed(agent, Miss::NotPickedUp),
            OfferEnd::Refused => self.seat_missed(agent, Miss::Declined),
            OfferEnd::LegFailed(miss) => self.seat_missed(agent, miss),
        }
    }

    /// Since when the agent talked who has it no more.
    pub(crate) fn pass_call_to(&mut self, id: CallId, transfer: Transfer) -> Duration {
        self.set_stage(id, Stage::Transfer(transfer));
        self.timers.set(TimerKey::Call(id), self.now.mono + self.config.ring_agent);
        let call = self.calls.get_mut(&id).expect("the caller looked it up");
        call.agent = Some(transfer.to);
        call.talk_began
    }

    pub(crate) fn call_talks_again(&mut self, id: CallId, agent: AgentId) {
        self.timers.cancel(TimerKey::Call(id));
        self.set_stage(id, Stage::Bridged(agent));
        self.calls.get_mut(&id).expect("the caller looked it up").talk_began = self.now.mono;
    }

    /// The only exit of a call.
    pub(crate) fn end(&mut self, id: CallId, ending: Ending) {
        self.judging_over(id);
        if self.calls.get(&id).is_some_and(|c| c.offered_to().is_some()) {
            self.stop_offer(id, OfferEnd::Withdrawn);
        }
        let Some(call) = self.calls.remove(&id) else { return };
        self.timers.cancel(TimerKey::Call(id));
        self.trunks.free(call.trunk);
        let campaign = self.campaigns.get_mut(&call.campaign).expect("a campaign outlives its calls");
        *campaign.in_flight.of(call.stage) -= 1;
        let talked = self.now.mono.saturating_sub(call.talk_began);
        // After what was no talk there is nothing to write down.
        let is_talk = ending.outcome == Outcome::Connected;
        let wrap_up = if is_talk { self.config.wrap_up } else { Duration::ZERO };
        match call.stage {
            Stage::Dialing if call.cancelled.is_none() && ending.outcome == Outcome::Failed => {
                campaign.pacer.look.not_made(self.now.mono, call.placed);
            }
            Stage::Dialing | Stage::Ringing if call.cancelled.is_none() => {
                campaign.pacer.look.failed(self.now.mono, call.placed);
            }
            Stage::Bridged(_) => {
                // The timer of the wrap-up runs for this long, no agent can end it: its length is known beforehand.
                campaign.pacer.look.talk_ended(talked);
                campaign.pacer.look.wrap_up_ended(wrap_up);
            }
            _ => {}
        }
        campaign.unserved.remove(&(call.order, id));
        campaign.unsaved += 1;
        self.dirty.insert(call.campaign);
        if ending.legs == Legs::Left {
            self.emit(Effect::HangUp { call: id });
        }
        match call.stage {
            Stage::Bridged(agent) => {
                self.end_watches_of(id);
                self.seat_left_after(agent, talked, wrap_up);
            }
            Stage::Transfer(transfer) => self.seat_freed(transfer.to),
            Stage::Outside(dialed) => self.awaited_in_vain(dialed),
            _ => {}
        }
        let record = call.record(self.now.wall, ending);
        self.emit(Effect::SaveCall(Box::new(record.clone())));
        self.unsaved.insert(id, record);
        self.wake_starved();
    }

    /// Undoes a call that was never placed: it leaves no result. The campaign that it was of.
    pub(crate) fn remove_unplaced(&mut self, id: CallId) -> Option<CampaignId> {
        if self.calls.get(&id)?.stage != Stage::Dialing {
            return None;
        }
        let call = self.calls.remove(&id)?;
        self.timers.cancel(TimerKey::Call(id));
        self.trunks.give_back(call.trunk);
        let campaign = self.campaigns.get_mut(&call.campaign).expect("a campaign outlives its calls");
        *campaign.in_flight.of(Stage::Dialing) -= 1;
        campaign.pacer.look.withdrawn(call.placed);
        self.mark(call.campaign);
        Some(call.campaign)
    }

    pub(crate) fn call_saved(&mut self, id: CallId, retry_at: Option<Timestamp>) {
        let Some(record) = self.unsaved.remove(&id) else { return };
        self.timers.cancel(TimerKey::Save(id));
        let campaign = self.campaigns.get_mut(&record.campaign).expect("a campaign outlives its results");
        campaign.unsaved -= 1;
        if let Some(at) = retry_at {
            campaign.hear_of_leads(Supply::Due(at));
        }
        self.dirty.insert(record.campaign);
        self.wake_starved();
    }

    pub(crate) fn save_failed(&mut self, id: CallId) {
        if self.unsaved.contains_key(&id) {
            self.timers.set(TimerKey::Save(id), self.now.mono + self.config.save_retry);
        }
    }

    pub(crate) fn save_again(&mut self, id: CallId) {
        if let Some(record) = self.unsaved.get(&id) {
            let record = Box::new(record.clone());
            self.emit(Effect::SaveCall(record));
        }
        self.save_direct_again(id);
    }
}
