//! What happened, for our side.

use super::{DialogId, Flow, RegistrationId, Vouched};
use crate::message::Replaces;
use std::time::Duration;

/// An INVITE that begins a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IncomingCall {
    pub dialog: DialogId,
    pub flow: Flow,
    /// User part of the Request-URI, and of From.
    pub target_user: String,
    pub from_user: String,
    /// User part of To, where some send what was dialed while the Request-URI has our account.
    pub to_user: String,
    /// The account that authenticated, when the INVITE carried good digest credentials.
    pub account: Option<String>,
    /// The dialog whose place this one wants (RFC 3891); see `replaced_dialog`.
    pub replaces: Option<Replaces>,
    pub vouched: Vouched,
    /// SDP offer; empty when there was none.
    pub sdp: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A call comes in. Answer with `ring`, `answer`, `reject`. 100 was sent already.
    Incoming(IncomingCall),
    /// 101 to 199 to our INVITE; `sdp` empty when there was none.
    Progress {
        dialog: DialogId,
        status: u16,
        sdp: Vec<u8>,
    },
    /// 2xx to our INVITE (the ACK is on its way), with its SDP, or that of the last provisional response where it has
    /// none; or the ACK to our 2xx (`sdp` empty, unless the INVITE made no offer and the ACK brings the answer).
    Answered {
        dialog: DialogId,
        sdp: Vec<u8>,
    },
    /// The end of a dialog that was never answered. `status`: 300–699 as received; 487 after `hang_up`; 408 with
    /// `local` when nothing came in time; 503 with `local` when the transport failed.
    Failed {
        dialog: DialogId,
        status: u16,
        reason: String,
        q850: Option<u16>,
        local: bool,
        /// Of a call that we placed and that may be placed elsewhere.
        elsewhere: Option<Elsewhere>,
    },
    /// The end of an answered dialog.
    Ended {
        dialog: DialogId,
        by: EndedBy,
        q850: Option<u16>,
    },
    /// Re-INVITE or UPDATE with an offer: answer with `answer_offer`.
    Offer {
        dialog: DialogId,
        sdp: Vec<u8>,
    },
    /// The far end answered our `reoffer`; None when it refused.
    OfferAnswered {
        dialog: DialogId,
        sdp: Option<Vec<u8>>,
    },
    /// INFO with a body in the dialog (answered 200 already).
    Info {
        dialog: DialogId,
        content_type: String,
        body: Vec<u8>,
    },
    /// REFER in the dialog (answered 202 already): the far end wants the other side of its call to be put through to this URI.
    /// Tell what came of it by `refer_result`.
    Refer {
        dialog: DialogId,
        target: String,
    },

    /// An account registered, or refreshed its binding.
    Bound {
        account: String,
        contact: String,
        flow: Flow,
        expires: Duration,
    },
    /// Its binding expired or was removed.
    Unbound {
        account: String,
        contact: String,
    },

    /// A registration that we keep was accepted / refused or lost (it is tried again by itself).
    Registered {
        registration: RegistrationId,
        expires: Duration,
    },
    RegisterFailed {
        registration: RegistrationId,
        status: u16,
    },
    /// Answer to `options`: the status, 408 when none came.
    OptionsResult {
        flow: Flow,
        status: u16,
    },
}

/// A call that failed before anybody can have been rung, for a reason that another place may not share: the far end was
/// silent or gone (RFC 3263 §4.3), answered 503, or named other places (3xx).
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Elsewhere {
    /// Retry-After of a 503: the far end wants no calls before.
    pub retry_after: Option<Duration>,
    /// Contact URIs of a 3xx, as they stand there; at most five.
    pub contacts: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EndedBy {
    /// BYE from the far end.
    Remote,
    /// `hang_up`.
    Local,
    /// The session timer ran out, or a request in the dialog got 481/408 or no answer.
    Timeout,
}
