//! Sheds new calls before they cost anything.

use crate::endpoint::EndpointConfig;
use std::time::Duration;

/// Counts the INVITEs of the running second.
#[derive(Default, Debug)]
pub(crate) struct Overload {
    second: u64,
    admitted: u32,
    pub shed: u64,
}

impl Overload {
    /// Whether a new INVITE may come in.
    pub fn admit(
        &mut self,
        now: Duration,
        config: &EndpointConfig,
        transactions: usize,
        dialogs: usize,
    ) -> bool {
        if self.second != now.as_secs() {
            self.second = now.as_secs();
            self.admitted = 0;
        }
        let rate = config.invites_per_second_max;
        let over_rate = rate > 0 && self.admitted >= rate;
        if over_rate || transactions >= config.transactions_max || dialogs >= config.dialogs_max {
            self.shed += 1;
            return false;
        }
        self.admitted += 1;
        true
    }

    /// Retry-After in seconds, spread so that those who were shed do not all come back at once.
    pub fn retry_after(rng: &mut fastrand::Rng) -> u32 {
        rng.u32(2..=10)
    }
}
