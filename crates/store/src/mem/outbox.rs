//! Pushes: where to, and what waits to be told.

use super::*;
use crate::bill::{CallFacts, PREDICTIVE, direct_facts, json, leg_state_body, task_status_body};
use crate::outbox::{DEAD_KEPT, EventState, GIVEN_UP_MAX};

pub(super) struct Waiting {
    event: Event,
    due_at: Timestamp,
    state: EventState,
}

impl Tables {
    pub(super) fn put_pushes(&mut self, pushes: &PushSettings) -> Result<()> {
        self.check_company(pushes.company)?;
        self.pushes.insert(pushes.company, pushes.clone());
        Ok(())
    }

    /// The company when it wants to be told of this kind.
    fn told(&self, company: CompanyId, kind: PushKind) -> Option<&Company> {
        self.pushes.get(&company).filter(|p| !p.url(kind).is_empty())?;
        self.companies.iter().find(|c| c.id == company)
    }

    pub(super) fn tell_campaign_ended(&mut self, now: Timestamp, campaign: &Campaign) {
        let company = campaign.settings.company;
        let Some(told) = self.told(company, PushKind::TaskStatus) else { return };
        let body = task_status_body(campaign, &told.settings);
        self.put_event(now, company, PushKind::TaskStatus, None, body);
    }

    pub(super) fn tell_call_finished(&mut self, now: Timestamp, bill: &Bill) {
        let Some(told) = self.told(bill.company, PushKind::Bill) else { return };
        let body = json(&bill_body(bill, &told.settings));
        self.put_event(now, bill.company, PushKind::Bill, Some(bill.call), body);
    }

    pub(super) fn put_leg_states(&mut self, now: Timestamp, states: &[LegState]) {
        for state in states {
            let Some((company, body)) = self.leg_state(state) else { continue };
            self.put_event(now, company, PushKind::ExtensionState, Some(state.call), body);
        }
    }

    fn leg_state(&self, state: &LegState) -> Option<(CompanyId, String)> {
        if let Some(row) = self.directs.get(&state.call) {
            let told = self.told(row.company, PushKind::ExtensionState)?;
            let agent = state.agent.or(row.call.agent);
            let extension = agent.and_then(|agent| self.extension_numbers.get(&agent));
            let facts = direct_facts(&row.call, extension.map_or("", String::as_str));
            return Some((row.company, leg_state_body(state, &facts, &told.settings)));
        }
        let table = self.campaigns.get(self.calls.get(&state.call)?)?;
        let company = table.campaign.settings.company;
        let told = self.told(company, PushKind::ExtensionState)?;
        let call = table.calls.get(&state.call)?;
        let lead = table.leads.get(&rule::seq_of(call.lead))?;
        let extension = state.agent.and_then(|a| self.extension_numbers.get(&a));
        let facts = CallFacts {
            is_inbound: false,
            method: PREDICTIVE,
            number: &call.number,
            caller_id: &call.caller_id,
            custom_uuid: &lead.lead.custom_uuid,
            dialed_at: call.dialed_at,
            extension: extension.map_or("", String::as_str),
        };
        Some((company, leg_state_body(state, &facts, &told.settings)))
    }

    fn put_event(
        &mut self,
        now: Timestamp,
        company: CompanyId,
        kind: PushKind,
        call: Option<CallId>,
        body: String,
    ) {
        let state = match call.is_some_and(|c| self.first_of(c).is_some()) {
            true => EventState::Waiting,
            false => EventState::Pending,
        };
        self.events_put += 1;
        let event = Event {
            id: self.events_put,
            company,
            kind,
            call,
            body,
            created_at: now,
            expires_at: now.plus(EVENT_LIFETIME),
            attempts: 0,
            error: String::new(),
        };
        self.outbox.insert(event.id, Waiting { event, due_at: now, state });
    }

    /// The first event of the call that was not told.
    fn first_of(&mut self, call: CallId) -> Option<&mut Waiting> {
        self.outbox.values_mut().find(|w| w.event.call == Some(call) && w.state != EventState::Dead)
    }

    /// The first event of the call that was not told waits no more.
    fn follow(&mut self, call: Option<CallId>) {
        if let Some(first) = call.and_then(|c| self.first_of(c)) {
            first.state = EventState::Pending;
        }
    }

    pub(super) fn due_events(
        &self,
        now: Timestamp,
        company: CompanyId,
        kind: PushKind,
        limit: u32,
    ) -> Vec<Event> {
        let is_due = |w: &&Waiting| {
            w.event.company == company
                && w.event.kind == kind
                && w.state == EventState::Pending
                && w.due_at <= now
        };
        let mut due: Vec<&Waiting> = self.outbox.values().filter(is_due).collect();
        due.sort_by_key(|w| (w.due_at, w.event.id));
        page_of(due.into_iter().map(|w| w.event.clone()), Page { offset: 0, limit })
    }

    pub(super) fn event_delivered(&mut self, event: i64) {
        let told = self.outbox.remove(&event);
        self.follow(told.and_then(|w| w.event.call));
    }

    pub(super) fn event_failed(&mut self, event: i64, next: Option<Timestamp>, error: &str) {
        let waiting = self.outbox.get_mut(&event).filter(|w| w.state != EventState::Dead);
        let Some(waiting) = waiting else { return };
        waiting.event.attempts += 1;
        error.clone_into(&mut waiting.event.error);
        waiting.due_at = next.unwrap_or(waiting.due_at);
        waiting.state = if next.is_some() { EventState::Pending } else { EventState::Dead };
        let call = waiting.event.call;
        self.follow(call);
    }

    pub(super) fn give_up_events(&mut self, now: Timestamp, company: CompanyId, kind: PushKind) -> u64 {
        let is_expired = |w: &&Waiting| {
            w.event.company == company
                && w.event.kind == kind
                && w.state != EventState::Dead
                && w.event.expires_at <= now
        };
        let mut expired: Vec<(Timestamp, i64, Option<CallId>)> = self
            .outbox
            .values()
            .filter(is_expired)
            .map(|w| (w.event.expires_at, w.event.id, w.event.call))
            .collect();
        expired.sort();
        expired.truncate(GIVEN_UP_MAX);
        for (_, event, call) in &expired {
            if let Some(waiting) = self.outbox.get_mut(event) {
                waiting.state = EventState::Dead;
            }
            self.follow(*call);
        }
        let is_forgotten =
            |w: &Waiting| w.state == EventState::Dead && w.event.expires_at.plus(DEAD_KEPT) <= now;
        self.outbox.retain(|_, w| !is_forgotten(w));
        expired.len() as u64
    }

    pub(super) fn dead_events(&self, company: CompanyId, limit: u32) -> Vec<Event> {
        let dead = self.outbox.values().filter(|w| w.event.company == company && w.state == EventState::Dead);
        page_of(dead.map(|w| w.event.clone()), Page { offset: 0, limit })
    }

    pub(super) fn resend_event(&mut self, now: Timestamp, company: CompanyId, event: i64) -> Result<()> {
        let is_it = |w: &&mut Waiting| w.event.company == company && w.state == EventState::Dead;
        let waiting = self.outbox.get_mut(&event).filter(is_it).ok_or(StoreError::NotFound("event"))?;
        waiting.event.attempts = 0;
        waiting.event.error.clear();
        waiting.event.expires_at = now.plus(EVENT_LIFETIME);
        waiting.due_at = now;
        let call = waiting.event.call;
        waiting.state = if call.is_some() { EventState::Waiting } else { EventState::Pending };
        self.follow(call);
        Ok(())
    }
}
