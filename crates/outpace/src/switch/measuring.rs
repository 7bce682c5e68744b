//! How the legs of calls sounded: asked of the relay when a leg leaves its call.

use engine::{AgentId, CallId, CompanyId};
use media::{LegId, Quality};
use store::{CallQuality, LegQuality, Measured};

use super::Switch;

/// What waits to be stored. Past this the store is out of order, and how calls sounded is the least of it.
const WAITING_MAX: usize = 10_000;

/// Which leg of which call the relay is asked about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    company: CompanyId,
    call: CallId,
    is_customer: bool,
}

impl Switch {
    /// The customer's leg is about to go.
    pub(super) fn measure_customer(&mut self, call: CallId) {
        let leg = self.calls.get(&call).and_then(|state| state.customer.as_ref());
        // Nothing was agreed on: there was no sound.
        if let Some(leg) = leg.filter(|leg| leg.codec.is_some()).map(|leg| leg.media) {
            self.measure(leg, call, true);
        }
    }

    /// The agent's leg is about to leave the call.
    pub(super) fn measure_agent(&mut self, call: CallId) {
        let Some(state) = self.calls.get(&call) else { return };
        let leg = state.offer.as_ref().and_then(|(agent, _)| self.agent_media(state, *agent));
        // A supervisor's leg is no call.
        if let Some(leg) = leg.filter(|_| !self.is_watch(call)) {
            self.measure(leg, call, false);
        }
    }

    /// The kept-up leg comes into a call: what was before is nobody's.
    pub(super) fn measure_anew(&self, agent: AgentId) {
        if let Some(kept) = self.kept.get(&agent) {
            self.relay.measure(kept.leg.media, 0);
        }
    }

    fn measure(&mut self, leg: LegId, call: CallId, is_customer: bool) {
        let Some(company) = self.calls.get(&call).map(|state| state.company) else { return };
        self.asked_last += 1;
        self.asked.insert(self.asked_last, Asked { company, call, is_customer });
        self.relay.measure(leg, self.asked_last);
    }

    pub(super) fn measured(&mut self, about: u64, quality: &Quality) {
        let Some(Asked { company, call, is_customer }) = self.asked.remove(&about) else { return };
        if quality.packets_in == 0 && quality.packets_out == 0 {
            return;
        }
        if self.measured.len() >= WAITING_MAX {
            tracing::warn!(calls = self.measured.len(), "how calls sounded is not stored; is the disk full?");
            self.measured.clear();
        }
        let leg = Some(row(quality));
        let quality = match is_customer {
            true => CallQuality { customer: leg, agent: None },
            false => CallQuality { customer: None, agent: leg },
        };
        self.measured.push(Measured { company, call, quality });
    }

    /// What is to be stored; taken from here when it is.
    pub fn measured_calls(&mut self) -> &mut Vec<Measured> {
        &mut self.measured
    }
}

fn row(quality: &Quality) -> LegQuality {
    let micros = |time: std::time::Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    LegQuality {
        packets_in: quality.packets_in,
        lost_in: quality.received.lost,
        duplicates_in: quality.duplicates_in,
        jitter_in_us: micros(quality.received.jitter),
        mos_in: quality.mos_in(),
        packets_out: quality.packets_out,
        lost_out: quality.reported.map(|reported| reported.lost),
        jitter_out_us: quality.reported.map(|reported| micros(reported.jitter)),
        mos_out: quality.mos_out(),
        round_trip_us: quality.round_trip.map(micros),
    }
}
