//! Calls that are recorded: from the bridge to the end of the customer's leg.

use std::path::Path;
use std::sync::Arc;

use media::{LegId, RelayEvent};
use store::Recording;

use super::Switch;

/// A recording under way.
pub(super) struct Recorded {
    row: Recording,
    path: Arc<Path>,
}

impl Switch {
    /// Records the call's bridge. A call that is recorded already goes on in its file, with the agent whom it has now.
    pub fn record(&mut self, row: Recording, path: Arc<Path>) {
        let Some(state) = self.calls.get(&row.call) else { return };
        let customer = state.customer.as_ref().map(|leg| leg.media);
        let agent = state.offer.as_ref().and_then(|(agent, _)| self.agent_media(state, *agent));
        let (Some(customer), Some(agent)) = (customer, agent) else { return };
        if let Some(recorded) = self.recorded.get(&customer) {
            return self.relay.record(customer, agent, recorded.path.clone());
        }
        self.relay.record(customer, agent, path.clone());
        // Written down at once, so that the file is known after a crash.
        self.recording_rows.push_back(row.clone());
        self.recorded.insert(customer, Recorded { row, path });
    }

    /// What is to be stored about recordings.
    pub fn poll_recording(&mut self) -> Option<Recording> {
        self.recording_rows.pop_front()
    }

    /// Recordings that are not written to their end.
    pub fn recordings(&self) -> usize {
        self.recorded.len()
    }

    /// A recording is written to its end.
    pub(super) fn recording_ended(&mut self, customer: LegId, event: &RelayEvent) {
        let RelayEvent::Recorded { duration, bytes, frames_dropped, whole, .. } = event else { return };
        let Some(Recorded { row, .. }) = self.recorded.remove(&customer) else { return };
        let call = row.call;
        if *frames_dropped > 0 {
            tracing::warn!(%call, frames_dropped, "the recording has gaps: the disk did not keep up");
        }
        if !*whole {
            tracing::warn!(%call, "the recording is not whole");
        }
        // Rounded, as times are everywhere in the API.
        let seconds = u32::try_from((duration.as_millis() + 500) / 1000).unwrap_or(u32::MAX);
        self.recording_rows.push_back(Recording { seconds, bytes: *bytes, ..row });
    }
}
