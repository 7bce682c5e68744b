//! Provisional responses of ours that the caller wants to be sure of (RFC 3262): each is repeated until its PRACK comes, and
//! the next one waits for that.

use super::{Dialog, Incoming};
use crate::core::Core;
use crate::message::{Message, Name};
use crate::timer::{DialogTimer, PATIENCE, T1};
use std::collections::VecDeque;
use std::time::Duration;

/// Responses that wait for the PRACK of the one before. More are left out: the final one says it all.
const QUEUE_MAX: usize = 4;

/// Of a call whose INVITE requires 100rel.
#[derive(Clone, Debug)]
pub(crate) struct Reliable {
    /// RSeq of the last one.
    rseq: u32,
    unconfirmed: Option<Unconfirmed>,
    queue: VecDeque<(u16, Vec<u8>)>,
    /// Our side answered while the caller had not confirmed that he has our SDP.
    answer: Option<Vec<u8>>,
    /// One of them had SDP: the 2xx has none any more.
    has_answered: bool,
    last_status: u16,
}

#[derive(Clone, Copy, Debug)]
struct Unconfirmed {
    has_sdp: bool,
    pause: Duration,
    until: Duration,
}

/// What a PRACK leads to.
pub(super) enum Confirmed {
    /// It belongs to no response of ours.
    Unknown,
    /// It came again, or after the final response.
    Known,
    Next,
}

impl Reliable {
    /// None where the caller does not insist.
    pub fn wanted(request: &Message, first: u32) -> Option<Box<Reliable>> {
        request.names(Name::Require, "100rel").then(|| {
            Box::new(Reliable {
                rseq: first,
                unconfirmed: None,
                queue: VecDeque::new(),
                answer: None,
                has_answered: false,
                last_status: 180,
            })
        })
    }

    pub fn rseq(&self) -> u32 {
        self.rseq
    }

    pub fn has_answered(&self) -> bool {
        self.has_answered
    }

    fn confirm(&mut self, rack: (u32, u32), invite: u32) -> Confirmed {
        match rack {
            (_, cseq) if cseq != invite => Confirmed::Unknown,
            (rseq, _) if rseq == self.rseq && self.unconfirmed.take().is_some() => Confirmed::Next,
            (rseq, _) if rseq <= self.rseq && self.rseq - rseq <= QUEUE_MAX as u32 => Confirmed::Known,
            _ => Confirmed::Unknown,
        }
    }
}

impl Dialog {
    /// A provisional response, at once or after the one before.
    pub(super) fn ring_reliably(&mut self, core: &mut Core, now: Duration, status: u16, sdp: Vec<u8>) {
        let Some(reliable) = self.provisional.as_mut() else { return };
        if reliable.unconfirmed.is_some() {
            if reliable.queue.len() < QUEUE_MAX {
                reliable.queue.push_back((status, sdp));
            }
            return;
        }
        let Some(incoming) = self.incoming else { return };
        // RFC 3262 §5: what was answered is answered.
        let sdp = if reliable.has_answered { Vec::new() } else { sdp };
        reliable.rseq += 1;
        reliable.last_status = status;
        reliable.has_answered |= !sdp.is_empty();
        reliable.unconfirmed =
            Some(Unconfirmed { has_sdp: !sdp.is_empty(), pause: T1, until: now + PATIENCE });
        self.reply(core, now, incoming.server, status, None, sdp);
        core.io.timers.set(self.timer(DialogTimer::Unconfirmed), now + T1);
    }

    /// RFC 3262 §3: another one now and then, so that proxies on the way do not give up.
    pub(super) fn remind_reliably(&mut self, core: &mut Core, now: Duration) {
        let status = self.provisional.as_ref().map_or(180, |reliable| reliable.last_status);
        self.ring_reliably(core, now, status, Vec::new());
    }

    /// No PRACK yet. RFC 3262 §3: in the end the call is refused.
    pub fn repeat_reliable(&mut self, core: &mut Core, now: Duration) {
        let timer = self.timer(DialogTimer::Unconfirmed);
        let waiting = self.provisional.as_mut().and_then(|reliable| reliable.unconfirmed.as_mut());
        let (Some(incoming), Some(waiting)) = (self.incoming, waiting) else { return };
        if now >= waiting.until {
            self.withdraw(core, now, 504, (408, true), None);
            return;
        }
        waiting.pause *= 2;
        core.io.timers.set(timer, (now + waiting.pause).min(waiting.until));
        core.servers.remind(&mut core.io, incoming.server);
    }

    /// Whether our 2xx has to wait for a PRACK (RFC 3262 §3). It is sent with it.
    pub(super) fn answer_waits(&mut self, sdp: &[u8]) -> bool {
        let Some(reliable) = self.provisional.as_mut() else { return false };
        let waits = reliable.unconfirmed.is_some_and(|waiting| waiting.has_sdp);
        if waits {
            reliable.queue.clear();
            reliable.answer = Some(sdp.to_vec());
        }
        waits
    }

    /// What the final response leaves to be done: nothing.
    pub(super) fn stop_ringing_reliably(&mut self, core: &mut Core) {
        core.io.timers.cancel(self.timer(DialogTimer::Unconfirmed));
        if let Some(reliable) = self.provisional.as_mut() {
            reliable.unconfirmed = None;
            reliable.queue.clear();
        }
    }

    /// The status for a PRACK, and what goes out after it.
    pub(super) fn on_prack(&mut self, prack: &Message) -> (u16, Confirmed) {
        let invite = self.invited_by.or(self.incoming.map(|Incoming { cseq, .. }| cseq));
        let (Some(reliable), Some(invite), Some(rack)) = (self.provisional.as_mut(), invite, rack_of(prack))
        else {
            return (481, Confirmed::Unknown);
        };
        let confirmed = reliable.confirm(rack, invite);
        let status = match confirmed {
            Confirmed::Unknown => 481,
            // Another offer before the first call is through: not with us.
            _ if !prack.sdp().is_empty() => 488,
            Confirmed::Known | Confirmed::Next => 200,
        };
        (status, confirmed)
    }

    /// A PRACK came: the next response, or the answer that waited.
    pub(super) fn after_prack(&mut self, core: &mut Core, now: Duration) {
        core.io.timers.cancel(self.timer(DialogTimer::Unconfirmed));
        let Some(reliable) = self.provisional.as_mut() else { return };
        if let Some(sdp) = reliable.answer.take() {
            self.answer(core, now, sdp);
        } else if let Some((status, sdp)) = reliable.queue.pop_front() {
            self.ring_reliably(core, now, status, sdp);
        }
    }
}

/// RSeq and CSeq number of a RAck for an INVITE.
fn rack_of(prack: &Message) -> Option<(u32, u32)> {
    let text = std::str::from_utf8(prack.field(Name::RAck)?).ok()?;
    let mut parts = text.split_ascii_whitespace();
    let (rseq, cseq, method) = (parts.next()?, parts.next()?, parts.next()?);
    let is_number = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if method != "INVITE" || parts.next().is_some() || !is_number(rseq) || !is_number(cseq) {
        return None;
    }
    Some((rseq.parse().ok()?, cseq.parse().ok()?))
}
