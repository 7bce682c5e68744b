//! What is listened to, and what of it the engine is told.

use std::sync::Arc;
use std::time::Duration;

use engine::{Answerer, CallId, Heard, Input, LegEvent, Notice};
use media::detect::{self, AmdConfig, Label, Library, ListenerConfig, Plans, Sit, ToneKind};
use media::{LegId, Sound};

use super::{Owner, Switch, secure};

/// Sent at the start of early media: some networks send theirs only to where something came from.
const GREETING: Duration = Duration::from_millis(100);

/// What is listened for.
#[derive(Clone, Debug)]
pub struct Ears {
    /// Before the answer too.
    pub early_media: bool,
    pub plans: Plans,
    pub library: Arc<Library>,
    /// After this long without a verdict, nobody can tell who answered.
    pub amd_limit: Duration,
}

impl Ears {
    fn config(&self, amd: bool) -> ListenerConfig {
        ListenerConfig {
            plans: self.plans,
            library: Some(self.library.clone()),
            amd: amd.then(|| AmdConfig { limit: self.amd_limit, ..AmdConfig::default() }),
        }
    }
}

impl Switch {
    /// For the calls that are listened to from now on.
    pub fn set_library(&mut self, library: Arc<Library>) {
        self.ears.library = library;
    }

    /// A provisional response with an SDP: sound may come from now on.
    pub(super) fn listen_early(&mut self, call: CallId, body: &[u8]) {
        let Some(state) = self.calls.get_mut(&call) else { return };
        let Some(leg) = state.customer.as_mut() else { return };
        // An agent who is there already hears it.
        let is_heard = state.offer.is_some();
        if !self.ears.early_media || body.is_empty() || state.answered_at.is_some() || is_heard {
            return;
        }
        // What is of no use here may be put right by the answer.
        if secure::take_answer(&self.relay, leg, body).is_err() {
            return;
        }
        if !std::mem::replace(&mut state.is_listened_to, true) {
            self.relay.listen(leg.media, self.ears.config(state.amd));
            self.relay.play(leg.media, Arc::new(Sound::silence(GREETING)));
        }
    }

    /// Who answers is listened to when the campaign wants to know; nothing else is worth its cost.
    pub(super) fn listen_to_answer(&mut self, call: CallId) {
        let Some(state) = self.calls.get_mut(&call) else { return };
        let Some(leg) = state.customer.as_ref().map(|leg| leg.media) else { return };
        self.relay.listen_for_keys(leg);
        let (amd, had_sound) = (state.amd, state.is_listened_to);
        state.is_listened_to |= amd;
        if amd && !had_sound {
            self.relay.listen(leg, self.ears.config(true));
        }
        if amd || had_sound {
            self.relay.answered(leg);
        }
        if had_sound {
            // The greeting of early media is over.
            self.relay.stop(leg);
        }
        if !amd {
            self.stop_listening(call);
        }
    }

    fn stop_listening(&mut self, call: CallId) {
        if let Some(state) = self.calls.get_mut(&call)
            && let Some(leg) = &state.customer
            && std::mem::replace(&mut state.is_listened_to, false)
        {
            self.relay.stop_listening(leg.media);
        }
    }

    pub(super) fn sound_heard(&mut self, leg: LegId, what: detect::Heard, label: Option<&Label>) {
        let Some(Owner::Customer(call)) = self.legs.get(&leg).copied() else { return };
        let Some(state) = self.calls.get(&call).filter(|state| state.is_listened_to) else { return };
        let (company, is_answered) = (state.company, state.answered_at.is_some());
        let heard = match what {
            // People may have a busy tone in their room, or a fax, or play a tune.
            detect::Heard::Tone(tone) if !is_answered => tone_says(tone.kind),
            detect::Heard::Announcement { .. } => label.and_then(label_says).map(Heard::Notice),
            detect::Heard::Verdict(verdict) => Some(Heard::Answerer(answerer(verdict.answerer))),
            detect::Heard::Tone(_) | detect::Heard::Activity(_) => None,
        };
        tracing::debug!(%call, ?what, ?label, ?heard, "heard");
        let Some(heard) = heard else { return };
        if matches!(heard, Heard::Answerer(_)) {
            self.stop_listening(call);
        }
        self.tell(company, Input::Customer { call, event: LegEvent::Heard(heard) });
    }
}

const fn answerer(answerer: detect::Answerer) -> Answerer {
    match answerer {
        detect::Answerer::Human => Answerer::Human,
        detect::Answerer::Machine => Answerer::Machine,
        detect::Answerer::Unknown => Answerer::Unknown,
    }
}

/// What the network means by a tone before the answer.
const fn tone_says(kind: ToneKind) -> Option<Heard> {
    Some(match kind {
        ToneKind::Ringback => Heard::Ringback,
        ToneKind::Busy => Heard::Notice(Notice::LineBusy),
        ToneKind::Congestion | ToneKind::Sit(Sit::Reorder | Sit::NoCircuit) => {
            Heard::Notice(Notice::Congestion)
        }
        ToneKind::Unobtainable | ToneKind::Sit(Sit::VacantCode) => Heard::Notice(Notice::EmptyNumber),
        ToneKind::Sit(Sit::Intercept) => Heard::Notice(Notice::OutOfService),
        // What it is about follows in words.
        ToneKind::Sit(Sit::Itu) => return None,
        ToneKind::Dial
        | ToneKind::SpecialDial
        | ToneKind::FaxCalling
        | ToneKind::FaxAnswer
        | ToneKind::Beep { .. } => return None,
    })
}

/// Labels that mean nothing to the dialer may be learned as well, so that they are not taken for others.
fn label_says(label: &Label) -> Option<Notice> {
    Notice::from_name(label.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_label_of_the_library_is_a_notice() {
        let labels = [
            Label::EMPTY_NUMBER,
            Label::SWITCHED_OFF,
            Label::OUT_OF_SERVICE,
            Label::NOT_REACHABLE,
            Label::LINE_BUSY,
            Label::IN_A_CALL,
            Label::NO_ANSWER,
            Label::BARRED,
        ];
        for name in labels {
            let label = Label::new(name).expect("a good label");
            assert_eq!(label_says(&label).map(Notice::name), Some(name));
        }
        assert_eq!(label_says(&Label::new("weather").expect("a good label")), None);
    }

    #[test]
    fn only_tones_that_end_a_call_for_certain_are_notices() {
        let said = |kind| tone_says(kind);
        assert_eq!(said(ToneKind::Ringback), Some(Heard::Ringback));
        assert_eq!(said(ToneKind::Busy), Some(Heard::Notice(Notice::LineBusy)));
        assert_eq!(said(ToneKind::Sit(Sit::VacantCode)), Some(Heard::Notice(Notice::EmptyNumber)));
        for kind in [ToneKind::Sit(Sit::Itu), ToneKind::Dial, ToneKind::Beep { frequency_hz: 1000 }] {
            assert_eq!(said(kind), None);
        }
    }
}
