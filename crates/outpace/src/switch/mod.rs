//! Effects ↔ SIP and audio. The only module that sees the SIP and media crates. No sockets and no clock: the run loop
//! gives it datagrams, relay events and effects, and takes inputs and transmits from it.

mod calls;
pub mod cause;
mod circuit;
mod commands;
pub mod edge;
mod hold;
mod inbound;
mod kept;
mod keys;
mod listening;
mod measuring;
pub mod names;
mod phones;
mod recordings;
mod refer;
mod registrar;
mod replace;
pub mod sdp;
pub mod secure;
mod sounds;
pub mod trunks;

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::{AgentId, CallId, Cause, CompanyId, Effect, Input, LegEvent, LineId, TrunkId};
use media::{Codec, LegId, LegMedia, Relay, RelayEvent, Sound};
use sip::{DialogId, EndedBy, Endpoint, Event, Flow, IncomingCall, Transmit};

pub use listening::Ears;
pub use registrar::RegistrationChange;
pub use sdp::Format;
pub use secure::SrtpPolicy;
pub use sounds::Sounds;
pub use trunks::TrunkView;

/// Answer-to-audio times kept for the statistics.
const TIMES_MAX: usize = 100_000;

pub struct Switch {
    endpoint: Endpoint,
    relay: Relay,
    sounds: Sounds,
    /// What is played again and again.
    loops: HashMap<LegId, Arc<Sound>>,
    /// Of each company, those that customers may call.
    inbound_numbers: HashMap<CompanyId, Vec<String>>,
    calls: HashMap<CallId, Call>,
    kept: HashMap<AgentId, kept::KeptLeg>,
    lines: HashMap<LineId, phones::Line>,
    /// Phones that wait to hear what came of their REFER.
    refers: HashMap<AgentId, DialogId>,
    /// Supervisors in calls: few at a time.
    watching: Vec<commands::Watching>,
    agents: HashMap<AgentId, Account>,
    agent_by_extension: HashMap<String, AgentId>,
    trunks: HashMap<TrunkId, trunks::Peer>,
    /// When the next of their addresses wants attention.
    trunks_due: Option<Duration>,
    /// What their host names stand for.
    names_known: HashMap<names::HostName, Vec<names::Target>>,
    /// Calls of which nothing was heard yet.
    attempts: HashMap<CallId, trunks::Attempt>,
    /// Numbers that went back to their campaign because the trunk was out of order, and how often in a row.
    given_back: HashMap<(TrunkId, String), u8>,
    dialogs: HashMap<DialogId, Owner>,
    legs: HashMap<LegId, Owner>,
    inputs: VecDeque<(CompanyId, Input)>,
    registrations: VecDeque<RegistrationChange>,
    /// By the customer's leg.
    recorded: HashMap<LegId, recordings::Recorded>,
    recording_rows: VecDeque<store::Recording>,
    identified: VecDeque<store::Identified>,
    /// By what the relay is told to name it by.
    asked: HashMap<u64, measuring::Asked>,
    asked_last: u64,
    measured: Vec<store::Measured>,
    answer_to_audio_us: VecDeque<u32>,
    calls_placed: u64,
    ears: Ears,
    srtp: SrtpPolicy,
    codecs: Codecs,
}

/// What may be spoken.
#[derive(Clone, Debug)]
pub struct Codecs {
    /// With phones, in the order in which it is offered. G.711 is among it, and all that trunks are offered.
    pub formats: Vec<Format>,
    /// Legs that may be turned from something else into G.711 and back at once.
    pub transcoded_max: usize,
}

impl Codecs {
    /// What a carrier is spoken to in.
    fn plain(&self) -> Vec<Format> {
        self.formats.iter().copied().filter(|format| !format.is_wide()).collect()
    }

    /// What a phone is offered for a call whose other side speaks this: that first, so that nothing needs to be turned into
    /// anything, and what it may have in place of it.
    fn beside(&self, other: Option<Codec>) -> Vec<Format> {
        let Some(other) = other.map(Format::of) else { return self.formats.clone() };
        std::iter::once(other).chain(self.formats.iter().copied().filter(|format| format.is_wide())).collect()
    }
}

/// Whom a dialog or a relay leg belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Owner {
    Customer(CallId),
    Offer(CallId, AgentId),
    Kept(AgentId),
}

struct Account {
    company: CompanyId,
    extension: String,
    password: String,
}

/// One side of a call: a dialog and its relay leg.
struct Leg {
    dialog: DialogId,
    media: LegId,
    /// The relay's address for it.
    address: SocketAddr,
    codec: Option<Codec>,
    /// What may be spoken on it.
    formats: Vec<Format>,
    /// It is turned from something else into G.711 and back.
    is_wide: bool,
    /// Keys go to it as events of RTP.
    takes_events: bool,
    /// What our SDP says of encryption.
    protection: Option<sdp::Protection>,
    /// `o=` version of our SDP.
    version: u64,
}

struct Call {
    company: CompanyId,
    number: String,
    customer: Option<Leg>,
    answered_at: Option<Instant>,
    /// It is to be told who answers.
    amd: bool,
    is_listened_to: bool,
    offered_at: Option<Instant>,
    offer: Option<(AgentId, AgentSide)>,
    /// The agent's phone called, and was not answered yet.
    unanswered: Option<phones::Unanswered>,
    by_phone: bool,
    /// The customer called, and was not answered yet.
    uncalled: Option<LegMedia>,
    by_trunk: bool,
    /// Who the customer's network says that he is, for phones (RFC 8224).
    identities: Vec<String>,
    /// The leg where others have the agent's is a customer's too.
    is_between_customers: bool,
    /// The leg that hears our ring-back.
    ringback: Option<LegId>,
    /// Its answer-to-audio time was taken.
    is_timed: bool,
}

enum AgentSide {
    Rung(Leg),
    KeptUp,
}

impl Switch {
    pub fn new(
        mut endpoint: Endpoint,
        relay: Relay,
        sounds: Sounds,
        ears: Ears,
        (srtp, codecs): (SrtpPolicy, Codecs),
    ) -> Switch {
        endpoint.take_calls_from(HashSet::new());
        Switch {
            endpoint,
            relay,
            sounds,
            loops: HashMap::new(),
            inbound_numbers: HashMap::new(),
            calls: HashMap::new(),
            kept: HashMap::new(),
            lines: HashMap::new(),
            refers: HashMap::new(),
            watching: Vec::new(),
            agents: HashMap::new(),
            agent_by_extension: HashMap::new(),
            trunks: HashMap::new(),
            trunks_due: None,
            names_known: HashMap::new(),
            attempts: HashMap::new(),
            given_back: HashMap::new(),
            dialogs: HashMap::new(),
            legs: HashMap::new(),
            inputs: VecDeque::new(),
            registrations: VecDeque::new(),
            recorded: HashMap::new(),
            recording_rows: VecDeque::new(),
            identified: VecDeque::new(),
            asked: HashMap::new(),
            asked_last: 0,
            measured: Vec::new(),
            answer_to_audio_us: VecDeque::new(),
            calls_placed: 0,
            ears,
            srtp,
            codecs,
        }
    }

    /// Carries out one effect of the company's engine that concerns legs; gives others back.
    pub fn apply(&mut self, now: Duration, company: CompanyId, effect: Effect) -> Option<Effect> {
        match effect {
            Effect::Dial(dial) => self.dial(now, company, dial),
            Effect::Offer { call, agent } => self.offer(now, company, call, agent),
            Effect::RingAgent { call, agent, show } => self.ring_agent(now, company, call, agent, show),
            Effect::PlayRingback { call, to } => self.play_ringback(call, to),
            Effect::TakeLine { line, call, agent } => self.take_line(company, line, call, agent),
            Effect::TakeCustomer { line, call } => self.take_customer(now, company, line, call),
            Effect::Referred { agent, result } => self.referred(now, agent, result),
            Effect::ReferTold { agent, status } => self.refer_told(now, agent, status),
            Effect::TakeOver { call, consult, agent } => self.take_over(now, call, consult, agent),
            Effect::TakePlace { call, held, agent } => self.take_place(now, company, call, held, agent),
            Effect::TakeLegOf { line, call, agent } => self.take_leg_of(now, company, (line, call, agent)),
            Effect::PlayHold { call } => self.play_hold(now, call),
            Effect::RefuseLine { line, why } => self.refuse_line(now, line, why),
            Effect::DialAgent { call, agent, show } => self.dial_agent(now, call, agent, &show),
            Effect::RingSupervisor { watch, supervisor, show } => {
                self.ring_agent(now, company, watch, supervisor, show)
            }
            Effect::Watch { watch, call, supervisor, mode } => self.watch(watch, call, supervisor, mode),
            Effect::CancelOffer { call, agent } => self.cancel_offer(now, call, agent),
            Effect::Bridge { call, agent } => self.bridge(now, call, agent),
            Effect::PlayMessage { call } => self.play_message(now, company, call),
            Effect::Cancel { call } => self.cancel(now, call),
            Effect::HangUp { call } => self.hang_up(now, call),
            Effect::RaiseAgentLeg { agent } => self.raise_agent_leg(now, company, agent),
            Effect::DropAgentLeg { agent } => self.drop_agent_leg(now, agent),
            other => return Some(other),
        }
        None
    }

    pub fn receive(&mut self, now: Duration, flow: Flow, bytes: &[u8]) {
        self.endpoint.receive(now, flow, bytes);
        self.drain_events(now);
    }

    /// While what has come waits to be read, new calls are shed.
    pub fn set_behind(&mut self, behind: bool) {
        self.endpoint.set_behind(behind);
    }

    pub fn handle_timeout(&mut self, now: Duration) {
        self.endpoint.handle_timeout(now);
        self.drain_events(now);
        self.tend_trunks(now);
    }

    pub fn connection_closed(&mut self, now: Duration, connection: u64) {
        self.endpoint.connection_closed(now, connection);
        self.drain_events(now);
    }

    pub fn transport_failed(&mut self, now: Duration, flow: Flow) {
        self.endpoint.transport_failed(now, flow);
        self.drain_events(now);
    }

    pub fn deadline(&self) -> Option<Duration> {
        [self.endpoint.deadline(), self.trunks_due].into_iter().flatten().min()
    }

    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.endpoint.poll_transmit()
    }

    /// A TCP connection whose stream is broken: close it.
    pub fn poll_close(&mut self) -> Option<u64> {
        self.endpoint.poll_close()
    }

    pub fn poll_input(&mut self) -> Option<(CompanyId, Input)> {
        self.inputs.pop_front()
    }

    pub fn poll_registration(&mut self) -> Option<RegistrationChange> {
        self.registrations.pop_front()
    }

    pub fn answer_to_audio_us(&self) -> Vec<u32> {
        self.answer_to_audio_us.iter().copied().collect()
    }

    pub fn calls_placed(&self) -> u64 {
        self.calls_placed
    }

    /// Ends every leg: the server goes.
    pub fn end_all(&mut self, now: Duration) {
        for call in self.calls.keys().copied().collect::<Vec<_>>() {
            self.hang_up(now, call);
        }
        for agent in self.kept.keys().copied().collect::<Vec<_>>() {
            self.drop_agent_leg(now, agent);
        }
    }

    fn drain_events(&mut self, now: Duration) {
        while let Some(event) = self.endpoint.poll_event() {
            self.sip_event(now, event);
        }
    }

    fn call_arrived(&mut self, now: Duration, mut call: IncomingCall) {
        match (call.account.take(), call.replaces.take()) {
            (Some(account), Some(wanted)) => {
                self.phone_replaces(now, call.dialog, &account, &wanted, &call.sdp);
            }
            (Some(account), None) => {
                self.phone_calls(now, call.dialog, &account, &call.target_user, &call.sdp);
            }
            // No call is a stranger's to take over.
            (None, Some(_)) => self.endpoint.reject(now, call.dialog, 481),
            (None, None) => self.customer_calls(now, call),
        }
    }

    fn sip_event(&mut self, now: Duration, event: Event) {
        match event {
            Event::Incoming(call) => self.call_arrived(now, call),
            Event::Progress { dialog, status, sdp } => {
                self.attempt_arrived(now, dialog);
                self.progress(now, dialog, status, &sdp);
            }
            Event::Answered { dialog, sdp } => {
                self.attempt_arrived(now, dialog);
                self.answered(now, dialog, &sdp);
            }
            Event::Failed { dialog, status, q850, local, elsewhere, .. } => {
                if !self.went_elsewhere(now, dialog, (status, local), elsewhere) {
                    self.failed(dialog, status, q850, local);
                }
            }
            Event::Ended { dialog, by, .. } => self.ended(now, dialog, by),
            Event::Offer { dialog, sdp } => self.offered_again(now, dialog, &sdp),
            Event::Bound { account, contact, flow, expires } => {
                self.bound(now, &account, contact, flow, expires)
            }
            Event::Unbound { account, contact } => self.unbound(&account, contact),
            Event::Registered { .. } => tracing::info!("registered with a trunk"),
            Event::RegisterFailed { status, .. } => {
                tracing::warn!(status, "a trunk refused our registration; check its username and password");
            }
            Event::OptionsResult { flow, status } => self.options_answered(now, flow, status),
            Event::Info { dialog, content_type, body } => self.key_told(now, dialog, &content_type, &body),
            Event::Refer { dialog, target } => self.refer(now, dialog, &target),
            Event::OfferAnswered { .. } => {}
        }
    }

    pub fn relay_event(&mut self, now: Duration, event: RelayEvent) {
        match event {
            RelayEvent::Bridged { a, at, .. } => self.bridged(a, at),
            RelayEvent::Played { leg, sound } => self.played(leg, &sound),
            RelayEvent::Pressed { leg, key, by } => self.key_pressed(now, leg, key, by),
            RelayEvent::Silent { leg } => self.silent(now, leg),
            RelayEvent::Recorded { customer, .. } => self.recording_ended(customer, &event),
            RelayEvent::Heard { leg, what, label } => self.sound_heard(leg, what, label.as_ref()),
            RelayEvent::Measured { about, quality, .. } => self.measured(about, &quality),
            RelayEvent::Closed { .. } => {}
        }
    }

    /// Takes the time from when both sides were there, at the call's first bridge after the answer.
    fn bridged(&mut self, leg: LegId, at: Instant) {
        let Some(Owner::Customer(call)) = self.legs.get(&leg).copied() else { return };
        let Some(state) = self.calls.get_mut(&call).filter(|c| !c.is_timed) else { return };
        let Some(answered_at) = state.answered_at else { return };
        state.is_timed = true;
        let both = state.offered_at.map_or(answered_at, |offered_at| answered_at.max(offered_at));
        let us = u32::try_from(at.saturating_duration_since(both).as_micros()).unwrap_or(u32::MAX);
        if self.answer_to_audio_us.len() == TIMES_MAX {
            self.answer_to_audio_us.pop_front();
        }
        self.answer_to_audio_us.push_back(us);
    }

    fn played(&mut self, leg: LegId, sound: &Arc<Sound>) {
        if let Some(sound) = self.loops.get(&leg) {
            return self.relay.play(leg, sound.clone());
        }
        // Music may have ended in the moment in which the message took its place.
        let is_message = [&self.sounds.abandon, &self.sounds.busy].iter().any(|m| Arc::ptr_eq(m, sound));
        if is_message
            && let Some(Owner::Customer(call)) = self.legs.get(&leg).copied()
            && let Some(company) = self.calls.get(&call).map(|c| c.company)
        {
            self.tell(company, Input::MessagePlayed { call });
        }
    }

    /// RTP flowed and stopped: the far end is gone without a BYE.
    fn silent(&mut self, now: Duration, leg: LegId) {
        let Some(owner) = self.legs.get(&leg).copied() else { return };
        let dialog = match owner {
            // Before the answer, a network may be silent for as long as it likes.
            Owner::Customer(call) if self.calls.get(&call).is_some_and(|c| c.answered_at.is_none()) => return,
            Owner::Customer(call) => {
                self.calls.get(&call).and_then(|c| c.customer.as_ref()).map(|l| l.dialog)
            }
            Owner::Offer(call, _) => match self.calls.get(&call).and_then(|c| c.offer.as_ref()) {
                Some((_, AgentSide::Rung(l))) => Some(l.dialog),
                _ => None,
            },
            Owner::Kept(agent) => self.kept.get(&agent).map(|k| k.leg.dialog),
        };
        let Some(dialog) = dialog else { return };
        tracing::info!(?owner, "no RTP any more: the leg is ended");
        self.endpoint.hang_up(now, dialog);
        self.ended(now, dialog, EndedBy::Timeout);
    }

    fn ended(&mut self, now: Duration, dialog: DialogId, by: EndedBy) {
        let cause = match by {
            EndedBy::Remote | EndedBy::Local => Cause::NORMAL,
            EndedBy::Timeout => Cause::GONE,
        };
        match self.dialogs.get(&dialog).copied() {
            Some(Owner::Customer(call)) => self.customer_gone(call, LegEvent::HungUp { cause }),
            Some(Owner::Offer(call, agent)) => self.agent_gone(call, agent, LegEvent::HungUp { cause }),
            Some(Owner::Kept(agent)) => self.kept_gone(now, agent),
            None => {}
        }
    }

    fn tell(&mut self, company: CompanyId, input: Input) {
        self.inputs.push_back((company, input));
    }

    fn own(&mut self, leg: &Leg, owner: Owner) {
        self.dialogs.insert(leg.dialog, owner);
        self.legs.insert(leg.media, owner);
    }

    /// Forgets the leg and gives its port back. Says nothing to the far end.
    fn drop_leg(&mut self, leg: &Leg) {
        self.dialogs.remove(&leg.dialog);
        self.legs.remove(&leg.media);
        self.loops.remove(&leg.media);
        self.relay.close(leg.media);
    }
}
