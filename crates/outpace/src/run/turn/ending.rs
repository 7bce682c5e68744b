//! The end of the run loop: nothing new is dialed, calls finish, legs and recordings are ended.

use std::time::Duration;

use engine::Input;
use media::RelayEvent;
use tokio::sync::mpsc::UnboundedReceiver;

use super::Dialer;

/// For recordings to be written.
const RECORDINGS_PATIENCE: Duration = Duration::from_secs(2);

impl Dialer {
    pub(super) fn drain(&mut self) {
        if self.drain_until.is_some() {
            return;
        }
        tracing::info!("draining: nothing new is dialed, calls in progress finish");
        self.drain_until = Some(self.started.elapsed() + self.drain_limit);
        for company in self.companies.keys().copied().collect::<Vec<_>>() {
            self.input(company, Input::Drain);
        }
    }

    pub(super) fn drained(&self) -> bool {
        let Some(until) = self.drain_until else { return false };
        let idle = self.companies.values().all(|c| c.engine.is_idle());
        let late = self.started.elapsed() >= until;
        if late && !idle {
            tracing::warn!("the drain's time limit is over: calls in progress are cut off and end as lost");
        }
        idle || late
    }

    /// Waits a little until the recordings that were cut off are written, and notes them.
    pub(super) async fn end_recordings(&mut self, relay: &mut UnboundedReceiver<RelayEvent>) {
        let end = tokio::time::Instant::now() + RECORDINGS_PATIENCE;
        while self.switch.recordings() > 0
            && let Ok(Some(event)) = tokio::time::timeout_at(end, relay.recv()).await
        {
            self.switch.relay_event(self.started.elapsed(), event);
        }
        while let Some(recording) = self.switch.poll_recording() {
            if let Err(error) = self.handle.with_store(move |store| store.put_recording(&recording)).await {
                tracing::error!(%error, "a recording was not noted in the store");
            }
        }
        let measured = std::mem::take(self.switch.measured_calls());
        if let Err(error) = self.handle.with_store(move |store| store.put_qualities(&measured)).await {
            tracing::warn!(%error, "how the last calls sounded was not stored");
        }
    }

    /// Ends the kept-up agent legs and what is left of calls, and puts the last messages on the wire.
    pub(super) fn say_goodbye(&mut self) {
        let now = self.started.elapsed();
        self.switch.end_all(now);
        while let Some(transmit) = self.switch.poll_transmit() {
            self.edge.send(transmit);
        }
    }
}
