//! INVITE dialogs (RFC 3261 §12 to §15): one value per call leg, from the first INVITE to the answer to its BYE.

mod end;
mod offer;
mod refresh;
mod reliable;
mod route;
mod uac;
mod uas;
mod within;

pub(crate) use uac::end_fork;

use crate::auth::Answers;
use crate::core::Core;
use crate::endpoint::{Credentials, DialogId, Elsewhere, EndedBy, Event, Flow};
use crate::message::{Message, Method, Name, Writer};
use crate::session_timer::SessionTimer;
use crate::timer::{DialogTimer, Timer};
use crate::transaction::ClientKey;
use std::time::Duration;

/// Methods that we take in a dialog.
pub(crate) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, PRACK, REFER";
/// Extensions that we support.
pub(crate) const SUPPORTED: &str = "timer, 100rel, replaces";
/// Contacts of a 3xx that are handed on.
const CONTACTS_MAX: usize = 5;
/// A call that nobody answers, rejects or hangs up ends by itself after this.
pub(crate) const UNANSWERED_MAX: Duration = Duration::from_secs(900);

/// Who sent the INVITE that made the dialog.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    /// We did.
    Caller,
    /// The far end did.
    Callee,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// Our INVITE has no final response.
    Calling,
    /// Their INVITE has no final response.
    Incoming,
    /// Our 2xx has no ACK.
    Answered,
    /// Both sides know that the call is up.
    Up,
    /// Our side heard of the end. What is left: the ACK to our 2xx, then the answer to our BYE.
    Ending,
    /// Nothing is left.
    Over,
}

/// How far the end of an outgoing call that was not answered has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cancel {
    NotWanted,
    /// RFC 3261 §9.1: no CANCEL before a provisional response.
    Wanted,
    Sent,
}

/// What the far end has said to our first INVITE so far.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Heard {
    Nothing,
    /// 100: it has the INVITE.
    Trying,
    /// 101 to 199: somebody may have been rung.
    Progress,
}

/// An offer or a refresh of ours that waits for its answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Outgoing {
    pub kind: OutgoingKind,
    pub method: Method,
    /// CSeq number, for the ACK.
    pub cseq: u32,
    /// What it offers; empty for an UPDATE that only refreshes.
    pub sdp: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OutgoingKind {
    /// re-INVITE asked for by `reoffer`.
    Offer,
    /// UPDATE or re-INVITE of the session timer.
    Refresh,
}

/// An INVITE or UPDATE of the far end that our side has to answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Incoming {
    pub server: u64,
    pub method: Method,
    pub cseq: u32,
    /// It had no SDP, so that our answer is an offer.
    pub without_offer: bool,
}

/// Our 2xx to an INVITE, as long as its ACK has not come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Unacknowledged {
    pub server: u64,
    pub cseq: u32,
    /// Our 2xx made the offer, so the ACK brings the answer.
    pub answer_in_ack: bool,
}

pub(crate) struct Dialog {
    pub id: DialogId,
    pub side: Side,
    pub phase: Phase,
    pub call_id: Vec<u8>,
    /// Our From or To value with tag; theirs, with tag once there is one.
    pub local: Vec<u8>,
    pub remote: Vec<u8>,
    pub remote_tag: Vec<u8>,
    pub local_cseq: u32,
    pub remote_cseq: u32,
    /// Their Contact URI; before the answer the Request-URI.
    pub target: Vec<u8>,
    /// Route header values, next hop first.
    pub routes: Vec<Vec<u8>>,
    pub flow: Flow,
    pub pinned: bool,
    pub contact_user: String,
    pub credentials: Option<Credentials>,
    pub answers: Answers,
    /// The credentials that the running INVITE carries; its ACK carries the same (RFC 3261 §22.1).
    pub invite_auth: Vec<(Name, &'static str, Vec<u8>)>,
    /// Our first INVITE.
    pub invite: Option<ClientKey>,
    pub cancel: Cancel,
    /// An answer that is faster than the CANCEL is as good as any.
    pub keep_answer: bool,
    pub heard: Heard,
    /// Our side was told of the end while the INVITE waits for what may still come.
    pub abandoned: bool,
    /// To tag and SDP of the last provisional response that had any.
    pub early: Option<(Vec<u8>, Vec<u8>)>,
    /// To tag and last RSeq of reliable provisional responses.
    pub reliable: Vec<(Vec<u8>, u32)>,
    pub outgoing: Option<Outgoing>,
    /// An offer that waits until the one before is through.
    pub queued_offer: Option<Vec<u8>>,
    /// Times in a row that an offer of ours was refused with 491.
    pub glares: u32,
    pub incoming: Option<Incoming>,
    pub unacknowledged: Option<Unacknowledged>,
    /// Provisional responses of ours that the caller wants confirmed; and the CSeq number of the INVITE, once it has its 2xx.
    pub provisional: Option<Box<reliable::Reliable>>,
    pub invited_by: Option<u32>,
    pub session: SessionTimer,
    pub takes_update: bool,
    pub local_sdp: Vec<u8>,
    /// Times that the first INVITE was refused with 422.
    pub raised: u32,
}

impl Dialog {
    /// A dialog with nothing known but who started it.
    pub fn new(id: DialogId, side: Side, flow: Flow, session_expires: Option<Duration>) -> Dialog {
        Dialog {
            id,
            side,
            phase: if side == Side::Caller { Phase::Calling } else { Phase::Incoming },
            call_id: Vec::new(),
            local: Vec::new(),
            remote: Vec::new(),
            remote_tag: Vec::new(),
            local_cseq: 0,
            remote_cseq: 0,
            target: Vec::new(),
            routes: Vec::new(),
            flow,
            pinned: false,
            contact_user: String::new(),
            credentials: None,
            answers: Answers::default(),
            invite_auth: Vec::new(),
            invite: None,
            cancel: Cancel::NotWanted,
            keep_answer: false,
            heard: Heard::Nothing,
            abandoned: false,
            early: None,
            reliable: Vec::new(),
            outgoing: None,
            queued_offer: None,
            glares: 0,
            incoming: None,
            unacknowledged: None,
            provisional: None,
            invited_by: None,
            session: SessionTimer::new(session_expires),
            takes_update: false,
            local_sdp: Vec::new(),
            raised: 0,
        }
    }

    pub fn tag(&self) -> String {
        tag_of(self.id)
    }

    /// Whether our side still takes part in it.
    pub fn is_live(&self) -> bool {
        !matches!(self.phase, Phase::Ending | Phase::Over)
    }

    /// Whether it was answered, so that its end is `Ended` and not `Failed`.
    pub fn is_answered(&self) -> bool {
        matches!(self.phase, Phase::Answered | Phase::Up)
    }

    pub fn timer(&self, timer: DialogTimer) -> Timer {
        Timer::Dialog(self.id.0, timer)
    }

    /// Starts a request within the dialog: everything up to and with User-Agent.
    pub fn request(&self, core: &Core, method: Method, cseq: u32, key: ClientKey, flow: Flow) -> Writer {
        let envelope = Envelope {
            from: &self.local,
            to: &self.remote,
            call_id: &self.call_id,
            target: &self.target,
            routes: &self.routes,
        };
        envelope.request(core, method, cseq, key, flow)
    }

    /// Header lines that authenticate, from what earlier challenges taught.
    pub fn authenticate(
        &mut self,
        core: &mut Core,
        method: Method,
        uri: &[u8],
        body: &[u8],
    ) -> Vec<(Name, &'static str, Vec<u8>)> {
        self.answers.restart();
        match &self.credentials {
            Some(credentials) => self.answers.headers(&mut core.io, credentials, method, uri, body),
            None => Vec::new(),
        }
    }

    /// Our side hears that the call was not answered. `message`: the response or request that says why.
    pub fn failed(&mut self, core: &mut Core, status: u16, local: bool, message: Option<&Message>) {
        if self.abandoned {
            return;
        }
        let phrase = message.map(|message| message.reason().into_owned()).filter(|reason| !reason.is_empty());
        let reason = phrase.unwrap_or_else(|| crate::message::reason_phrase(status).to_owned());
        let q850 = message.and_then(Message::q850);
        let elsewhere = self.elsewhere(status, local, message);
        core.io.event(Event::Failed { dialog: self.id, status, reason, q850, local, elsewhere });
    }

    /// Whether a call of ours that failed so may be placed elsewhere without ringing anybody twice.
    fn elsewhere(&self, status: u16, local: bool, message: Option<&Message>) -> Option<Elsewhere> {
        if self.side != Side::Caller || self.cancel != Cancel::NotWanted || self.heard == Heard::Progress {
            return None;
        }
        match (status, message) {
            (408 | 503, None) if local && self.heard == Heard::Nothing => Some(Elsewhere::default()),
            (503, Some(response)) => {
                let wait = response.number(Name::RetryAfter).map(|s| Duration::from_secs(u64::from(s)));
                Some(Elsewhere { retry_after: wait, contacts: Vec::new() })
            }
            (300..=399, Some(response)) => {
                let found = response.list(Name::Contact).filter_map(crate::message::Address::parse);
                let text = |a: crate::message::Address<'_>| String::from_utf8_lossy(a.uri).into_owned();
                Some(Elsewhere { retry_after: None, contacts: found.take(CONTACTS_MAX).map(text).collect() })
            }
            _ => None,
        }
    }

    pub fn ended(&mut self, core: &mut Core, by: EndedBy, q850: Option<u16>) {
        core.io.event(Event::Ended { dialog: self.id, by, q850 });
    }

    /// Learns the far end's side of the dialog from its 2xx, or from its INVITE.
    pub fn learn_far_end(&mut self, message: &Message) {
        if let Some(contact) = message.contact() {
            self.target = contact.uri.to_vec();
        }
        if message.fields(Name::Allow).next().is_some() {
            self.takes_update = message.names(Name::Allow, "UPDATE");
        }
    }
}

/// The tag that stands for a dialog of ours.
pub(crate) fn tag_of(id: DialogId) -> String {
    format!("{:016x}", id.0)
}

/// The dialog that a tag of ours stands for.
pub(crate) fn id_of_tag(tag: &[u8]) -> Option<DialogId> {
    if tag.len() != 16 {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(tag).ok()?, 16).ok().map(DialogId)
}

/// The part of a request that says which dialog it belongs to and where it goes.
pub(crate) struct Envelope<'a> {
    pub from: &'a [u8],
    pub to: &'a [u8],
    pub call_id: &'a [u8],
    pub target: &'a [u8],
    pub routes: &'a [Vec<u8>],
}

impl Envelope<'_> {
    pub fn request(&self, core: &Core, method: Method, cseq: u32, key: ClientKey, flow: Flow) -> Writer {
        let (uri, routes) = route::request_line(self.target, self.routes);
        let mut writer = Writer::request(method.as_str(), &uri);
        writer.field("Via", core.io.via(flow.transport, key.branch)).field("Max-Forwards", "70");
        for route in &routes {
            writer.field("Route", route);
        }
        writer.field("From", self.from).field("To", self.to).field("Call-ID", self.call_id);
        writer.format("CSeq", format_args!("{cseq} {}", method.as_str()));
        if !core.io.config.user_agent.is_empty() {
            writer.field("User-Agent", &core.io.config.user_agent);
        }
        writer
    }
}
