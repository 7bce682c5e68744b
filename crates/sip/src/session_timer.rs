//! Session timers (RFC 4028): a call whose far end died without a word is found.

use crate::message::{Message, Name, leading_number, param};
use std::time::Duration;

/// RFC 4028 §5: nobody has to accept less.
pub(crate) const MIN_SE: u32 = 90;
/// Largest interval that is believed, in seconds.
const INTERVAL_MAX: u32 = 86_400;

/// What was agreed for a dialog.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct SessionTimer {
    /// Session-Expires in seconds; 0: no session timer.
    pub interval: u32,
    /// We refresh, rather than the far end.
    pub ours: bool,
    /// The far end told us that it wants at least this, in seconds.
    pub min: u32,
    /// The far end keeps the timer too.
    pub agreed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Refresher {
    Uac,
    Uas,
}

impl SessionTimer {
    pub fn new(wish: Option<Duration>) -> SessionTimer {
        let wish = wish.map_or(0, |wish| u32::try_from(wish.as_secs()).unwrap_or(INTERVAL_MAX));
        let interval = if wish == 0 { 0 } else { wish.clamp(MIN_SE, INTERVAL_MAX) };
        SessionTimer { interval, ours: true, min: MIN_SE, agreed: false }
    }

    /// A 422 came: asks for more. False when it makes no sense to go on.
    pub fn raise(&mut self, response: &Message) -> bool {
        let Some(min) = response.number(Name::MinSe) else { return false };
        if min <= self.interval || min > INTERVAL_MAX {
            return false;
        }
        self.interval = min;
        self.min = min;
        true
    }

    /// The 2xx to a request of ours. Without Session-Expires the far end knows no session timers and we refresh on our
    /// own (RFC 4028 §7.2).
    pub fn answered(&mut self, response: &Message) {
        let Some((seconds, refresher)) = session_expires(response) else {
            self.ours = true;
            self.agreed = false;
            return;
        };
        self.agreed = true;
        self.interval = seconds.clamp(MIN_SE, INTERVAL_MAX);
        self.ours = refresher != Some(Refresher::Uas);
    }

    /// A request of the far end that starts or refreshes the session: what goes into our 2xx (RFC 4028 §9). None when
    /// there is no session timer.
    pub fn asked(&mut self, request: &Message, wish: Option<Duration>) -> Option<Reply> {
        let supported = request.names(Name::Supported, "timer") || request.names(Name::Require, "timer");
        self.agreed = supported;
        match session_expires(request) {
            Some((seconds, refresher)) => {
                self.interval = seconds.clamp(MIN_SE, INTERVAL_MAX);
                self.ours = !supported || refresher == Some(Refresher::Uas);
            }
            None => {
                let own = SessionTimer::new(wish).interval;
                let asked = request.number(Name::MinSe).unwrap_or(0).min(INTERVAL_MAX);
                self.interval = if own == 0 { 0 } else { own.max(asked) };
                self.ours = true;
            }
        }
        if self.interval == 0 {
            return None;
        }
        let refresher = if self.ours { "uas" } else { "uac" };
        let value = format!("{};refresher={refresher}", self.interval);
        // RFC 4028 §9: Require only when the far end is to refresh.
        Some(Reply { value, require: !self.ours })
    }

    /// When to refresh: half of the interval.
    pub fn refresh_in(&self) -> Duration {
        Duration::from_secs(u64::from(self.interval / 2))
    }

    /// When a session that was not refreshed is over (RFC 4028 §10).
    pub fn expire_in(&self) -> Duration {
        Duration::from_secs(u64::from(self.interval - (self.interval / 3).min(32)))
    }
}

/// The headers of a 2xx.
pub(crate) struct Reply {
    pub value: String,
    pub require: bool,
}

/// Whether a request asks for a shorter session than we take (422).
pub(crate) fn is_too_brief(request: &Message) -> bool {
    session_expires(request).is_some_and(|(seconds, _)| seconds < MIN_SE)
}

fn session_expires(message: &Message) -> Option<(u32, Option<Refresher>)> {
    let value = message.field(Name::SessionExpires)?;
    let seconds = leading_number(value)?;
    let params = &value[value.iter().position(|&b| b == b';').unwrap_or(value.len())..];
    let refresher = match param(params, "refresher") {
        Some(who) if who.eq_ignore_ascii_case(b"uas") => Some(Refresher::Uas),
        Some(who) if who.eq_ignore_ascii_case(b"uac") => Some(Refresher::Uac),
        _ => None,
    };
    Some((seconds, refresher))
}
