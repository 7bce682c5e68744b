//! Taking leads from the store, and giving back those that cannot be dialed after all.

use std::collections::BTreeMap;

use crate::call::Call;
use crate::timer::TimerKey;
use crate::{CallId, CampaignId, Dial, Effect, Engine, LeaseId, LeaseSlot, LeasedLead, Supply};

/// Slots of one request at most: one transaction stays short.
const SLOTS_MAX: usize = 200;

#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) campaign: CampaignId,
    pub(crate) slots: Vec<LeaseSlot>,
}

/// The undoing of one lease.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Return {
    pub(crate) campaign: CampaignId,
    /// The store could not; it is asked again.
    pub(crate) has_failed: bool,
}

impl Engine {
    /// Reserves up to `wanted` slots and asks the store for leads.
    pub(crate) fn reserve(&mut self, id: CampaignId, wanted: usize) {
        let Some(campaign) = self.campaigns.get(&id) else { return };
        let must_wait = campaign.lease.is_some() || campaign.returning > 0;
        if must_wait || self.timers.is_set(TimerKey::Lease(id)) {
            return;
        }
        if self.unsaved.len() >= self.config.unsaved_max {
            self.starved.insert(id);
            return;
        }
        let wanted = wanted.min(SLOTS_MAX);
        let mut slots = Vec::new();
        while slots.len() < wanted {
            let Some(trunk) = self.trunks.take(self.now.mono) else { break };
            let call = self.new_call_id();
            let caller_id = self.next_caller_id(id);
            slots.push(LeaseSlot { call, trunk, caller_id });
        }
        if slots.len() < wanted {
            self.starved.insert(id);
            if let Some(at) = self.trunks.next_token() {
                self.timers.set(TimerKey::Token, at);
            }
        }
        if !slots.is_empty() {
            self.ask_for_leads(id, slots);
        }
    }

    fn ask_for_leads(&mut self, id: CampaignId, slots: Vec<LeaseSlot>) {
        self.last_lease += 1;
        let request = LeaseId(self.last_lease);
        let count = u32::try_from(slots.len()).expect("at most SLOTS_MAX");
        self.reserved += count;
        let order = self.order();
        let campaign = self.campaigns.get_mut(&id).expect("the caller looked it up");
        campaign.in_flight.reserved += count;
        campaign.lease = Some(request);
        campaign.news = None;
        campaign.served_order = order;
        self.leases.insert(request, Lease { campaign: id, slots: slots.clone() });
        self.emit(Effect::LeaseLeads { request, campaign: id, slots });
    }

    pub(crate) fn new_call_id(&mut self) -> CallId {
        let unix_ms = u64::try_from(self.now.wall.unix_millis()).unwrap_or(0);
        CallId::from_parts(unix_ms, self.rng.u128(..))
    }

    fn next_caller_id(&mut self, id: CampaignId) -> String {
        let campaign = self.campaigns.get_mut(&id).expect("the caller looked it up");
        let own = &campaign.settings.caller_ids;
        let (numbers, used) = if own.is_empty() {
            (&self.caller_ids, &mut self.caller_ids_used)
        } else {
            (own, &mut campaign.caller_ids_used)
        };
        if numbers.is_empty() {
            return String::new();
        }
        let number = numbers[*used % numbers.len()].clone();
        *used = used.wrapping_add(1);
        number
    }

    /// Ends the request: no slot of it is reserved any more.
    fn take_lease(&mut self, request: LeaseId) -> Option<Lease> {
        let lease = self.leases.remove(&request)?;
        let count = u32::try_from(lease.slots.len()).expect("at most SLOTS_MAX");
        self.reserved -= count;
        let campaign = self.campaigns.get_mut(&lease.campaign).expect("a campaign outlives its leases");
        campaign.in_flight.reserved -= count;
        campaign.lease = None;
        campaign.ask = false;
        self.mark(lease.campaign);
        Some(lease)
    }

    pub(crate) fn leads_leased(&mut self, request: LeaseId, leads: Vec<LeasedLead>, next_due: Supply) {
        let Some(lease) = self.take_lease(request) else { return };
        let id = lease.campaign;
        let may_dial = self.may_dial(id);
        let mut slots: BTreeMap<CallId, LeaseSlot> = lease.slots.into_iter().map(|s| (s.call, s)).collect();
        let mut returned = Vec::new();
        let mut leased = 0;
        for lead in leads {
            let Some(slot) = slots.remove(&lead.call) else { continue };
            leased += 1;
            if may_dial {
                self.dial(id, slot, lead);
            } else {
                self.trunks.give_back(slot.trunk);
                returned.push(slot.call);
            }
        }
        for slot in slots.into_values() {
            self.trunks.give_back(slot.trunk);
        }
        self.supply_is(id, next_due, leased);
        self.return_leads(id, returned);
        self.wake_starved();
    }

    fn supply_is(&mut self, id: CampaignId, next_due: Supply, leased: usize) {
        let campaign = self.campaigns.get_mut(&id).expect("a campaign outlives its leases");
        campaign.supply = match campaign.news.take() {
            Some(news) => crate::campaign::sooner(news, next_due),
            None => next_due,
        };
        let promises_more = match campaign.supply {
            Supply::Available => true,
            Supply::Due(t) => t <= self.now.wall,
            Supply::Exhausted => false,
        };
        if leased > 0 {
            self.note_leads(id);
        } else if promises_more {
            // Nothing came though something is said to be there: do not ask in a tight circle.
            self.timers.set(TimerKey::Lease(id), self.now.mono + self.config.lease_retry);
        }
    }

    /// Much may have happened while the store was working.
    fn may_dial(&self, id: CampaignId) -> bool {
        let campaign = self.campaigns.get(&id).expect("a campaign outlives its leases");
        let somebody_is_there = self.pools.get(&campaign.pool).is_some_and(|p| !p.present.is_empty());
        !self.draining && campaign.is_open(self.now.wall) && somebody_is_there
    }

    fn dial(&mut self, id: CampaignId, slot: LeaseSlot, lead: LeasedLead) {
        let campaign = self.campaigns.get_mut(&id).expect("a campaign outlives its leases");
        campaign.pacer.look.placed(self.now.mono);
        let amd = campaign.settings.amd;
        let is_first = !std::mem::replace(&mut campaign.is_started, true);
        if is_first {
            self.emit(Effect::CampaignStarted { campaign: id });
        }
        let LeaseSlot { call, trunk, caller_id } = slot;
        let dial = Dial { call, trunk, caller_id: caller_id.clone(), number: lead.number.clone(), amd };
        self.add_call(Call::new(id, trunk, caller_id, lead, self.now));
        self.emit(Effect::Dial(dial));
    }

    /// The answer may have been lost after the store had taken the leads, so they are given back in any case.
    pub(crate) fn lease_failed(&mut self, request: LeaseId) {
        let Some(lease) = self.take_lease(request) else { return };
        for slot in &lease.slots {
            self.trunks.give_back(slot.trunk);
        }
        self.timers.set(TimerKey::Lease(lease.campaign), self.now.mono + self.config.lease_retry);
        self.return_leads(lease.campaign, lease.slots.iter().map(|s| s.call).collect());
        self.wake_starved();
    }

    /// Nothing was sent, so the attempt does not count; the campaign waits a moment before it tries again.
    pub(crate) fn dial_refused(&mut self, call: CallId) {
        let Some(campaign) = self.remove_unplaced(call) else { return self.direct_dial_refused(call) };
        self.timers.set(TimerKey::Lease(campaign), self.now.mono + self.config.lease_retry);
        self.return_leads(campaign, vec![call]);
        self.wake_starved();
    }

    fn return_leads(&mut self, id: CampaignId, calls: Vec<CallId>) {
        if calls.is_empty() {
            return;
        }
        for call in &calls {
            self.returning.insert(*call, Return { campaign: id, has_failed: false });
        }
        let campaign = self.campaigns.get_mut(&id).expect("a campaign outlives its leases");
        campaign.returning += u32::try_from(calls.len()).expect("at most SLOTS_MAX");
        campaign.hear_of_leads(Supply::Available);
        self.emit(Effect::ReturnLeads { calls });
    }

    pub(crate) fn return_done(&mut self, calls: &[CallId]) {
        for call in calls {
            let Some(returned) = self.returning.remove(call) else { continue };
            let campaign =
                self.campaigns.get_mut(&returned.campaign).expect("a campaign outlives its returns");
            campaign.returning -= 1;
            self.mark(returned.campaign);
        }
    }

    pub(crate) fn return_failed(&mut self, calls: &[CallId]) {
        for call in calls {
            let Some(returned) = self.returning.get_mut(call) else { continue };
            returned.has_failed = true;
            if !self.timers.is_set(TimerKey::Returns) {
                self.timers.set(TimerKey::Returns, self.now.mono + self.config.save_retry);
            }
        }
    }

    pub(crate) fn return_again(&mut self) {
        let failed = self.returning.iter_mut().filter(|(_, r)| r.has_failed);
        let calls: Vec<CallId> = failed
            .map(|(call, r)| {
                r.has_failed = false;
                *call
            })
            .collect();
        if !calls.is_empty() {
            self.emit(Effect::ReturnLeads { calls });
        }
    }
}
