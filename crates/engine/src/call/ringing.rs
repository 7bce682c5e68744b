//! The customer's telephone rings, and is let ring no longer.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Call, Ending, Legs, Stage};
use crate::look_ahead::slot;
use crate::timer::TimerKey;
use crate::{CallId, CampaignId, Cause, Effect, Engine, HangupBy, Outcome};

/// The switch has told of the end of a leg long before: an INVITE that was cancelled has 32 s (RFC 3261 §9.1).
const CANCEL_MAX: Duration = Duration::from_secs(40);

impl Engine {
    pub(crate) fn customer_rings(&mut self, id: CallId) {
        let Some(call) =
            self.calls.get_mut(&id).filter(|c| c.stage == Stage::Dialing && c.cancelled.is_none())
        else {
            return;
        };
        call.ringing_at = Some(self.now.wall);
        call.rings_since = Some(self.now.mono);
        let (campaign, placed) = (call.campaign, call.placed);
        let campaign = self.campaigns.get_mut(&campaign).expect("a campaign outlives its calls");
        campaign.pacer.look.rings(self.now.mono, placed);
        let length = self.config.no_answer.max(self.config.ring_min);
        self.timers.set(TimerKey::Call(id), self.now.mono + length);
        self.set_stage(id, Stage::Ringing);
    }

    /// Has the customer's leg cancelled. The call is over when the switch tells so: who answers in that moment is served
    /// like any other, and counted.
    pub(super) fn cancel(&mut self, id: CallId, outcome: Outcome, cause: Cause) {
        let call = self.calls.get_mut(&id).expect("the caller looked it up");
        let ending = Ending::new(outcome, cause, HangupBy::Platform, Legs::Left);
        if call.cancelled.replace(ending).is_some() {
            return self.end(id, ending);
        }
        let campaign = self.campaigns.get_mut(&call.campaign).expect("a campaign outlives its calls");
        match call.is_given_up {
            true => campaign.pacer.look.given_up(self.now.mono, call.placed),
            // Set-up timed out: no response, or none that said that the phone rings.
            false if call.stage == Stage::Dialing => {
                campaign.pacer.look.not_made(self.now.mono, call.placed);
            }
            false => campaign.pacer.look.failed(self.now.mono, call.placed),
        }
        self.dirty.insert(call.campaign);
        self.timers.set(TimerKey::Call(id), self.now.mono + CANCEL_MAX);
        self.emit(Effect::Cancel { call: id });
    }

    /// Of each of these slots a call that has rung for long enough, if there is one, is at the end of its time now.
    pub(crate) fn give_up(&mut self, campaign: CampaignId, slots: &[u64]) {
        let ring_min = self.config.ring_min;
        let mut wanted: BTreeMap<u64, usize> = BTreeMap::new();
        slots.iter().for_each(|slot| *wanted.entry(*slot).or_default() += 1);
        let has_rung = |c: &Call| c.rings_since.is_some_and(|since| self.now.mono >= since + ring_min);
        let mut late = Vec::new();
        for call in self
            .calls
            .values()
            .filter(|c| c.campaign == campaign && c.stage == Stage::Ringing && c.cancelled.is_none())
        {
            if let Some(left) = wanted.get_mut(&slot(call.placed)).filter(|n| **n > 0)
                && has_rung(call)
            {
                *left -= 1;
                late.push(call.id);
            }
        }
        for id in late {
            self.calls.get_mut(&id).expect("found above").is_given_up = true;
            self.timers.set(TimerKey::Call(id), self.now.mono);
        }
    }
}
