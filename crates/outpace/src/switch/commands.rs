//! Legs of calls that agents ask for: an agent who is rung before there is a customer, and what is heard meanwhile.

use std::sync::Arc;
use std::time::Duration;

use engine::{AgentId, CallId, CompanyId, Party, WatchMode};
use media::mix::{GAIN_FULL, Gain};
use media::{LegId, Sound};

use super::{AgentSide, Call, Switch, secure};

impl Switch {
    /// Begins a call with its agent; `show`: the caller that the phone sees.
    pub(super) fn ring_agent(
        &mut self,
        now: Duration,
        company: CompanyId,
        call: CallId,
        agent: AgentId,
        show: String,
    ) {
        self.calls.insert(call, Call::new(company, show));
        self.offer(now, company, call, agent);
    }

    pub(super) fn play_ringback(&mut self, call: CallId, to: Party) {
        let Some(state) = self.calls.get(&call) else { return };
        let leg = match to {
            Party::Customer => state.customer.as_ref().map(|leg| leg.media),
            Party::Agent(agent) => self.agent_media(state, agent),
        };
        if let (Some(leg), Some(state)) = (leg, self.calls.get_mut(&call)) {
            state.ringback = Some(leg);
            self.play_on(leg, self.sounds.ringback.clone());
        }
    }

    /// Both sides hear each other, or the other side's own sound, from now on.
    pub(super) fn stop_ringback(&mut self, call: CallId) {
        if let Some(leg) = self.calls.get_mut(&call).and_then(|state| state.ringback.take()) {
            self.stop_playing(leg);
        }
    }

    /// Plays it again and again.
    pub(super) fn play_on(&mut self, leg: LegId, sound: Arc<Sound>) {
        self.relay.play(leg, sound.clone());
        self.loops.insert(leg, sound);
    }

    pub(super) fn stop_playing(&mut self, leg: LegId) {
        self.loops.remove(&leg);
        self.relay.stop(leg);
    }

    /// An agent who waits for the customer hears what the network sends before the answer, instead of our ring-back.
    pub(super) fn early_media(&mut self, call: CallId, body: &[u8]) {
        let Some(state) = self.calls.get_mut(&call) else { return };
        let (Some(customer), Some((agent, _))) = (state.customer.as_mut(), state.offer.as_ref()) else {
            return;
        };
        let (Some(ringback), agent) = (state.ringback, *agent) else { return };
        if secure::take_answer(&self.relay, customer, body).is_err() {
            return;
        }
        let leg = customer.media;
        let state = self.calls.get(&call).expect("looked up above");
        if self.agent_media(state, agent) == Some(ringback) {
            self.stop_ringback(call);
            self.relay.bridge(leg, ringback);
        }
    }
}

/// A supervisor's leg in a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watching {
    /// The id of the leg, which is a call of its own here.
    watch: CallId,
    call: CallId,
    supervisor: AgentId,
    mode: WatchMode,
}

impl Switch {
    /// The supervisor hears the call, or speaks to others in it, from now on.
    pub(super) fn watch(&mut self, watch: CallId, call: CallId, supervisor: AgentId, mode: WatchMode) {
        match self.watching.iter_mut().find(|w| w.watch == watch) {
            Some(known) => known.mode = mode,
            None => self.watching.push(Watching { watch, call, supervisor, mode }),
        }
        self.converse(call);
    }

    /// A leg that is gone or about to go: when it was a supervisor's, the others go on without it.
    pub(super) fn unwatch(&mut self, watch: CallId) {
        if let Some(place) = self.watching.iter().position(|w| w.watch == watch) {
            let left = self.watching.remove(place);
            self.converse(left.call);
        }
    }

    pub(super) fn is_watch(&self, call: CallId) -> bool {
        self.watching.iter().any(|w| w.watch == call)
    }

    /// Joins those who are in the call as they are meant to hear each other: two by pure relay, more in a mix.
    fn converse(&mut self, call: CallId) {
        let Some(state) = self.calls.get(&call) else { return };
        let customer = state.customer.as_ref().map(|leg| leg.media);
        let agent = state.offer.as_ref().and_then(|(agent, _)| self.agent_media(state, *agent));
        let (Some(customer), Some(agent)) = (customer, agent) else { return };
        let supervisors: Vec<(LegId, WatchMode)> = self
            .watching
            .iter()
            .filter(|w| w.call == call)
            .filter_map(|w| Some((self.agent_media(self.calls.get(&w.watch)?, w.supervisor)?, w.mode)))
            .collect();
        if supervisors.is_empty() {
            return self.relay.bridge(customer, agent);
        }
        let legs = [customer, agent].into_iter().chain(supervisors.iter().map(|(leg, _)| *leg)).collect();
        let modes: Vec<WatchMode> = supervisors.iter().map(|(_, mode)| *mode).collect();
        self.relay.mix(legs, gains(&modes));
    }
}

/// Who hears whom: the customer first, then the agent, then the supervisors.
fn gains(supervisors: &[WatchMode]) -> Vec<Vec<Gain>> {
    let count = 2 + supervisors.len();
    let is_heard = |listener: usize, speaker: usize| match (listener, speaker) {
        _ if listener == speaker => false,
        (_, 0 | 1) => true,
        (0, _) => supervisors[speaker - 2] == WatchMode::ThreeWay,
        (1, _) => supervisors[speaker - 2] != WatchMode::Listen,
        (_, _) => supervisors[speaker - 2] == WatchMode::ThreeWay,
    };
    let gain = |listener, speaker| if is_heard(listener, speaker) { GAIN_FULL } else { 0 };
    (0..count).map(|listener| (0..count).map(|speaker| gain(listener, speaker)).collect()).collect()
}

impl Call {
    pub(super) fn new(company: CompanyId, number: String) -> Call {
        Call {
            company,
            number,
            customer: None,
            answered_at: None,
            amd: false,
            is_listened_to: false,
            offered_at: None,
            offer: None::<(AgentId, AgentSide)>,
            unanswered: None,
            by_phone: false,
            uncalled: None,
            by_trunk: false,
            identities: Vec::new(),
            is_between_customers: false,
            ringback: None,
            is_timed: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn supervisors_hear_all_and_are_heard_as_their_mode_says() {
        let heard = |modes: &[WatchMode]| -> Vec<Vec<bool>> {
            gains(modes).iter().map(|row| row.iter().map(|gain| *gain > 0).collect()).collect()
        };
        let rows = |rows: [[bool; 3]; 3]| rows.map(|row| row.to_vec()).to_vec();
        let (y, n) = (true, false);
        assert_eq!(heard(&[WatchMode::Listen]), rows([[n, y, n], [y, n, n], [y, y, n]]));
        assert_eq!(heard(&[WatchMode::Whisper]), rows([[n, y, n], [y, n, y], [y, y, n]]));
        assert_eq!(heard(&[WatchMode::ThreeWay]), rows([[n, y, y], [y, n, y], [y, y, n]]));
        let two = heard(&[WatchMode::Listen, WatchMode::ThreeWay]);
        assert_eq!((&two[2], &two[3]), (&vec![y, y, n, y], &vec![y, y, n, n]));
    }
}
