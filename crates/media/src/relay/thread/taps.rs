//! Legs whose sound others get a copy of: the recorder and the analyst.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::MediaThread;
use crate::detect::ListenerConfig;
use crate::relay::recorder::Finished;
use crate::relay::{LegId, RelayEvent};

/// Recording.
impl<F: Fn(RelayEvent)> MediaThread<F> {
    pub(super) fn record(&mut self, customer: LegId, agent: LegId, path: &Arc<Path>, now: Instant) {
        let is_possible = self.slot(customer).is_some() && self.slot(agent).is_some() && customer != agent;
        let Some(recordings) = self.recordings.as_mut().filter(|_| is_possible) else {
            // One that is under way goes on, and has its end later.
            if !self.recordings.as_ref().is_some_and(|recordings| recordings.is_active(customer)) {
                self.recorded(Finished::nothing(customer, path.clone()));
            }
            return;
        };
        let (taps, before) = recordings.begin(customer, agent, path, now);
        if let Some(before) = before {
            self.untap(before, customer);
        }
        for (id, tap) in [customer, agent].into_iter().zip(taps) {
            if let Some(leg) = self.slot(id).and_then(|slot| self.leg(slot)) {
                leg.tap = Some(tap);
            }
        }
    }

    pub(super) fn stop_record(&mut self, customer: LegId, now: Instant) {
        let agent = self.recordings.as_mut().and_then(|recordings| recordings.end(customer, now));
        for leg in agent.into_iter().chain([customer]) {
            self.untap(leg, customer);
        }
    }

    /// Unless the leg belongs to another recording by now.
    pub(super) fn untap(&mut self, leg: LegId, customer: LegId) {
        if let Some(leg) = self.slot(leg).and_then(|slot| self.leg(slot))
            && leg.tap.is_some_and(|tap| tap.customer == customer)
        {
            leg.tap = None;
        }
    }

    pub(super) fn recorded(&self, finished: Finished) {
        let Finished { customer, path, duration, bytes, frames_dropped, whole } = finished;
        self.emit(RelayEvent::Recorded { customer, path, duration, bytes, frames_dropped, whole });
    }
}

/// Listening.
impl<F: Fn(RelayEvent)> MediaThread<F> {
    pub(super) fn listen(&mut self, id: LegId, config: ListenerConfig, now: Instant) {
        let Some(slot) = self.slot(id) else { return };
        let Some(listening) = &mut self.listening else { return };
        let has_room = listening.begin(id, config, now);
        if let Some(leg) = self.leg(slot) {
            leg.is_listened_to = has_room;
        }
    }

    pub(super) fn answered(&mut self, id: LegId, now: Instant) {
        let Some(leg) = self.slot(id).and_then(|slot| self.leg(slot)) else { return };
        leg.reopen();
        if leg.is_listened_to
            && let Some(listening) = &self.listening
        {
            listening.answered(id, now);
        }
    }

    pub(super) fn stop_listening(&mut self, id: LegId) {
        let Some(leg) = self.slot(id).and_then(|slot| self.leg(slot)) else { return };
        leg.is_listened_to = false;
        if let Some(listening) = &mut self.listening {
            listening.end(id);
        }
    }

    /// Who has sent events is not listened to.
    pub(super) fn listen_for_keys(&mut self, id: LegId, now: Instant) {
        let Some(slot) = self.slot(id) else { return };
        if self.leg(slot).is_none_or(|leg| leg.keys.has_any()) {
            return;
        }
        let Some(listening) = &mut self.listening else { return };
        let has_room = listening.begin_keys(id, now);
        if let Some(leg) = self.leg(slot) {
            leg.is_listened_to_for_keys = has_room;
        }
    }

    pub(super) fn stop_listening_for_keys(&mut self, id: LegId) {
        let Some(leg) = self.slot(id).and_then(|slot| self.leg(slot)) else { return };
        leg.is_listened_to_for_keys = false;
        if let Some(listening) = &mut self.listening {
            listening.end_keys(id);
        }
    }

    /// Unless nobody wants to know any more.
    pub(super) fn tell(&mut self, event: RelayEvent, now: Instant) {
        let (RelayEvent::Heard { leg, .. } | RelayEvent::Pressed { leg, .. }) = event else { return };
        let Some(leg) = self.slot(leg).and_then(|slot| self.leg(slot)) else { return };
        let is_wanted = match event {
            RelayEvent::Pressed { key, .. } if leg.is_listened_to_for_keys => {
                leg.toned = Some((key, now));
                true
            }
            RelayEvent::Heard { .. } => leg.is_listened_to,
            _ => false,
        };
        if is_wanted {
            self.emit(event);
        }
    }
}
