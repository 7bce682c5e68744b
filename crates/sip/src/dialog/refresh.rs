//! Keeps the session alive, or finds that it is not (RFC 4028 §7 to §10).

use super::{Dialog, OutgoingKind, Phase};
use crate::core::Core;
use crate::message::Method;
use crate::timer::DialogTimer;
use std::time::Duration;

/// A refresh that something stands in the way of is tried again after this.
const REFRESH_AGAIN: Duration = Duration::from_secs(5);

impl Dialog {
    /// The session was refreshed, or has started.
    pub fn arm_session(&mut self, core: &mut Core, now: Duration) {
        let (refresh, expire) = (self.timer(DialogTimer::Refresh), self.timer(DialogTimer::Expire));
        core.io.timers.cancel(refresh);
        core.io.timers.cancel(expire);
        if self.session.interval == 0 {
            return;
        }
        if self.session.ours {
            core.io.timers.set(refresh, now + self.session.refresh_in());
            core.io.timers.set(expire, now + Duration::from_secs(u64::from(self.session.interval)));
        } else {
            core.io.timers.set(expire, now + self.session.expire_in());
        }
    }

    /// Time to refresh: by UPDATE where the far end takes it, else by INVITE with the session as it is.
    pub fn refresh(&mut self, core: &mut Core, now: Duration) {
        if self.phase != Phase::Up {
            return;
        }
        if self.is_busy() {
            core.io.timers.set(self.timer(DialogTimer::Refresh), now + REFRESH_AGAIN);
        } else if self.takes_update {
            self.send_change(core, now, OutgoingKind::Refresh, Method::Update, Vec::new());
        } else {
            let sdp = self.local_sdp.clone();
            self.send_reinvite(core, now, OutgoingKind::Refresh, sdp);
        }
    }

    /// Any answer but 408 and 481 shows that the far end is there. One that agreed on a session timer ends the call
    /// itself when it is not refreshed; one that did not is asked again after the usual time.
    pub fn on_refresh_refused(&mut self, core: &mut Core, now: Duration, status: u16, method: Method) {
        if method == Method::Update && matches!(status, 405 | 420 | 488 | 501) {
            self.takes_update = false;
            self.refresh(core, now);
        } else if self.session.agreed {
            core.io.timers.set(self.timer(DialogTimer::Refresh), now + REFRESH_AGAIN);
        } else {
            self.arm_session(core, now);
        }
        self.flush_offer(core, now);
    }
}
