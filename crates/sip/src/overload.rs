//! Sheds new calls before they cost anything.

use crate::Endpoint;
use crate::endpoint::EndpointConfig;
use std::time::Duration;

/// What may come at once: so many at least, and the share of a second at the full rate.
const BURST_MIN: f64 = 2.0;
const BURST_SECONDS: f64 = 0.1;

/// A bucket of INVITEs that may come in, filled at the rate that is admitted: what is admitted comes evenly, not all at the
/// start of each second.
#[derive(Default, Debug)]
pub(crate) struct Overload {
    /// What was taken out of the full bucket and has not flowed back.
    missing: f64,
    filled_at: Duration,
    /// What has come waits to be read.
    behind: bool,
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
        let rate = f64::from(config.invites_per_second_max);
        let flown = rate * now.saturating_sub(self.filled_at).as_secs_f64();
        self.missing = (self.missing - flown).max(0.0);
        self.filled_at = now;
        let over_rate = rate > 0.0 && self.missing + 1.0 > BURST_MIN.max(rate * BURST_SECONDS);
        if self.behind
            || over_rate
            || transactions >= config.transactions_max
            || dialogs >= config.dialogs_max
        {
            self.shed += 1;
            return false;
        }
        self.missing += 1.0;
        true
    }

    /// Retry-After in seconds, spread so that those who were shed do not all come back at once.
    pub fn retry_after(rng: &mut fastrand::Rng) -> u32 {
        rng.u32(2..=10)
    }
}

impl Endpoint {
    /// Whether the owner is behind with reading what has come. As long as it is, every new call is shed: who is let in late
    /// costs as much and has hung up by then.
    pub fn set_behind(&mut self, behind: bool) {
        self.overload.behind = behind;
    }
}
