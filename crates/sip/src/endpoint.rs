//! The crate's whole surface.

use std::net::SocketAddr;
use std::time::Duration;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Transport {
    Udp,
    Tcp,
}

/// Where a message came from or goes to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Flow {
    pub transport: Transport,
    pub peer: SocketAddr,
    /// The driver's number of the TCP connection; 0 for UDP, and for "connect to `peer` or use a connection to it".
    pub connection: u64,
}

/// Bytes that the driver must send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transmit {
    pub flow: Flow,
    pub bytes: Vec<u8>,
}

#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// Host and port that Via and Contact carry, per transport.
    pub udp: SocketAddr,
    pub tcp: SocketAddr,
    pub user_agent: String,
    /// Digest realm of the registrar.
    pub realm: String,
    /// Offered in INVITEs (RFC 4028); None: no session timer.
    pub session_expires: Option<Duration>,
    /// Registrations are granted for at least / at most this long.
    pub register_expires_min: Duration,
    pub register_expires_max: Duration,
    /// New INVITEs past these are shed with a stateless 503.
    pub transactions_max: usize,
    pub dialogs_max: usize,
    /// New incoming INVITEs a second that are admitted; 0: no limit.
    pub invites_per_second_max: u32,
}

/// One INVITE dialog (or the attempt at one), from `invite` or `Event::Incoming` until `Failed` or `Ended`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DialogId(pub u64);

/// A registration that we keep with a peer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RegistrationId(pub u64);

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credentials {
    pub username: String,
    pub password: String,
}

#[derive(Clone, Debug)]
pub struct Invite {
    /// Request-URI, such as `sip:13800138000@10.0.0.1:5060`.
    pub target: String,
    /// Next hop.
    pub flow: Flow,
    /// User part (and optional display name) of From; the host part is ours.
    pub from_user: String,
    pub from_display: String,
    /// To URI; the target when empty.
    pub to: String,
    /// SDP offer.
    pub sdp: Vec<u8>,
    pub credentials: Option<Credentials>,
    /// Further header lines, name and value.
    pub headers: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
pub struct Register {
    /// `sip:host[:port]` of the registrar.
    pub registrar: String,
    pub flow: Flow,
    /// User part of the address of record.
    pub user: String,
    pub credentials: Credentials,
    pub expires: Duration,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A call comes in. Answer with `ring`, `answer`, `reject`. 100 was sent already.
    Incoming {
        dialog: DialogId,
        flow: Flow,
        /// User part of the Request-URI, and of From.
        target_user: String,
        from_user: String,
        /// The account that authenticated, when the INVITE carried good digest credentials.
        account: Option<String>,
        /// SDP offer; empty when there was none.
        sdp: Vec<u8>,
    },
    /// 101 to 199 to our INVITE; `sdp` empty when there was none.
    Progress { dialog: DialogId, status: u16, sdp: Vec<u8> },
    /// 2xx to our INVITE (the ACK is on its way), with its SDP; or the ACK to our 2xx (`sdp` empty).
    Answered { dialog: DialogId, sdp: Vec<u8> },
    /// The end of a dialog that was never answered. `status`: 300–699 as received; 487 after `hang_up`; 408 with
    /// `local` when nothing came in time; 503 with `local` when the transport failed.
    Failed { dialog: DialogId, status: u16, reason: String, q850: Option<u16>, local: bool },
    /// The end of an answered dialog.
    Ended { dialog: DialogId, by: EndedBy, q850: Option<u16> },
    /// Re-INVITE or UPDATE with an offer: answer with `answer_offer`.
    Offer { dialog: DialogId, sdp: Vec<u8> },
    /// The far end answered our `reoffer`; None when it refused.
    OfferAnswered { dialog: DialogId, sdp: Option<Vec<u8>> },
    /// INFO with a body in the dialog (answered 200 already).
    Info { dialog: DialogId, content_type: String, body: Vec<u8> },

    /// An account registered, or refreshed its binding.
    Bound { account: String, contact: String, flow: Flow, expires: Duration },
    /// Its binding expired or was removed.
    Unbound { account: String, contact: String },

    /// A registration that we keep was accepted / refused or lost (it is tried again by itself).
    Registered { registration: RegistrationId, expires: Duration },
    RegisterFailed { registration: RegistrationId, status: u16 },
    /// Answer to `options`: the status, 408 when none came.
    OptionsResult { flow: Flow, status: u16 },
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

// impl Endpoint {
//     pub fn new(config: EndpointConfig, seed: u64) -> Endpoint;
//     // bytes in
//     pub fn receive(&mut self, now: Duration, flow: Flow, bytes: &[u8]);          // UDP: one datagram; TCP: a chunk of the stream
//     pub fn connection_closed(&mut self, now: Duration, connection: u64);
//     pub fn transport_failed(&mut self, now: Duration, flow: Flow);               // ICMP unreachable, connect refused: fails the client transactions to it (503 local)
//     pub fn handle_timeout(&mut self, now: Duration);
//     // out
//     pub fn poll_transmit(&mut self) -> Option<Transmit>;
//     pub fn poll_event(&mut self) -> Option<Event>;
//     pub fn deadline(&self) -> Option<Duration>;
//     // calls
//     pub fn invite(&mut self, now: Duration, invite: Invite) -> DialogId;
//     pub fn ring(&mut self, now: Duration, dialog: DialogId, status: u16, sdp: Option<Vec<u8>>);
//     pub fn answer(&mut self, now: Duration, dialog: DialogId, sdp: Vec<u8>);
//     pub fn reject(&mut self, now: Duration, dialog: DialogId, status: u16);
//     pub fn hang_up(&mut self, now: Duration, dialog: DialogId);                  // CANCEL, final response or BYE, whatever fits; unknown dialog: nothing
//     pub fn reoffer(&mut self, now: Duration, dialog: DialogId, sdp: Vec<u8>);
//     pub fn answer_offer(&mut self, now: Duration, dialog: DialogId, sdp: Vec<u8>);
//     pub fn peer_of(&self, dialog: DialogId) -> Option<Flow>;
//     pub fn call_id_of(&self, dialog: DialogId) -> Option<String>;
//     // registrar
//     pub fn put_account(&mut self, username: &str, password: &str);               // may register and place calls with digest
//     pub fn remove_account(&mut self, username: &str);
//     pub fn restore_binding(&mut self, now: Duration, account: &str, contact: &str, flow: Flow, expires: Duration);
//     pub fn bindings(&self, account: &str) -> Vec<(String, Flow)>;                // newest first
//     // client side
//     pub fn register(&mut self, now: Duration, register: Register) -> RegistrationId;  // refreshed until `unregister`
//     pub fn unregister(&mut self, now: Duration, registration: RegistrationId);
//     pub fn options(&mut self, now: Duration, flow: Flow, target: &str);
//     pub fn counts(&self) -> Counts;                                              // transactions, dialogs, bindings, shed
// }
