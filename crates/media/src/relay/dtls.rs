//! Keys for SRTP by DTLS (RFC 5764), on a thread of its own: a handshake takes milliseconds, which no packet may wait for.

use std::collections::HashMap;
use std::fmt::Write;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dimpl::{Dtls, DtlsCertificate, Output, SrtpProfile};
use ring::digest::{SHA256, digest};

use super::LegId;
use crate::srtp::{SrtpKey, SrtpKeys, Suite};

/// Datagrams and orders that may wait; what comes above is lost, and sent again by the far end.
const WAITING_MAX: usize = 1024;
/// A handshake that takes longer has failed.
const HANDSHAKE_MAX: Duration = Duration::from_secs(15);
const RECORD_MAX: usize = 2048;

/// Who the far end has to be, and which side of the handshake is ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DtlsPeer {
    /// SHA-256 of the certificate that its SDP names.
    pub fingerprint: [u8; 32],
    /// We begin the handshake (the far end said `a=setup:passive`).
    pub is_active: bool,
}

/// What comes of it.
pub(super) enum Told {
    Send { leg: LegId, datagram: Vec<u8> },
    Keys { leg: LegId, keys: Box<SrtpKeys> },
    Failed { leg: LegId },
}

enum Work {
    Begin { leg: LegId, peer: DtlsPeer },
    Datagram { leg: LegId, datagram: Vec<u8> },
    End { leg: LegId },
}

/// The media thread's end of the thread.
pub(super) struct Handshakes {
    work: SyncSender<Work>,
    /// Legs that have ended while no more work could wait.
    unsaid: Vec<LegId>,
    thread: JoinHandle<()>,
}

/// Our certificate, made at every start, and its fingerprint.
pub(super) struct Identity {
    certificate: DtlsCertificate,
    pub(super) fingerprint: String,
}

impl Identity {
    pub(super) fn new() -> io::Result<Identity> {
        let made = rcgen::generate_simple_self_signed(["outpace".to_owned()]).map_err(io::Error::other)?;
        let certificate = made.cert.der().to_vec();
        let fingerprint = digest(&SHA256, &certificate);
        let fingerprint =
            fingerprint.as_ref().iter().enumerate().fold(String::new(), |mut text, (at, byte)| {
                let _ = write!(text, "{}{byte:02X}", if at == 0 { "" } else { ":" });
                text
            });
        let private_key = made.signing_key.serialize_der();
        Ok(Identity { certificate: DtlsCertificate { certificate, private_key }, fingerprint })
    }
}

impl Handshakes {
    pub(super) fn start(identity: &Identity, tell: impl Fn(Told) + Send + 'static) -> io::Result<Handshakes> {
        let (work, received) = sync_channel(WAITING_MAX);
        let certificate = identity.certificate.clone();
        let thread = std::thread::Builder::new().name("dtls".into()).spawn(move || {
            Desk { certificate, config: Arc::default(), sessions: HashMap::new(), tell }.run(&received);
        })?;
        Ok(Handshakes { work, unsaid: Vec::new(), thread })
    }

    pub(super) fn begin(&mut self, leg: LegId, peer: DtlsPeer) {
        self.put(Work::Begin { leg, peer });
    }

    pub(super) fn datagram(&mut self, leg: LegId, datagram: &[u8]) {
        self.put(Work::Datagram { leg, datagram: datagram.to_vec() });
    }

    pub(super) fn end(&mut self, leg: LegId) {
        self.unsaid.push(leg);
        self.say_ends();
    }

    fn say_ends(&mut self) {
        while let Some(leg) = self.unsaid.pop() {
            if self.work.try_send(Work::End { leg }).is_err() {
                self.unsaid.push(leg);
                return;
            }
        }
    }

    fn put(&mut self, work: Work) {
        self.say_ends();
        if let Err(TrySendError::Full(_)) = self.work.try_send(work) {
            tracing::warn!("more DTLS than the thread for it can take");
        }
    }

    /// Ends the thread; what it still tells is lost.
    pub(super) fn finish(self) {
        drop(self.work);
        let _ = self.thread.join();
    }
}

struct Desk<F> {
    certificate: DtlsCertificate,
    config: Arc<dimpl::Config>,
    sessions: HashMap<LegId, Session>,
    tell: F,
}

struct Session {
    dtls: Dtls,
    peer: DtlsPeer,
    /// The certificate is the one that was named.
    is_known: bool,
    is_done: bool,
    /// When it wants to be looked at again, and when it has failed if it has come to nothing.
    due: Instant,
    until: Instant,
}

impl<F: Fn(Told)> Desk<F> {
    fn run(mut self, work: &Receiver<Work>) {
        loop {
            let now = Instant::now();
            let next = self.sessions.values().map(|session| session.due.min(session.until)).min();
            let wait = next.map_or(Duration::from_secs(3600), |at| at.saturating_duration_since(now));
            match work.recv_timeout(wait) {
                Ok(Work::Begin { leg, peer }) => self.begin(leg, peer),
                Ok(Work::Datagram { leg, datagram }) => {
                    self.step(leg, |dtls| dtls.handle_packet(&datagram).is_ok());
                }
                Ok(Work::End { leg }) => drop(self.sessions.remove(&leg)),
                Err(RecvTimeoutError::Timeout) => self.look_after(Instant::now()),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// The same peer again: a re-INVITE, which changes nothing.
    fn begin(&mut self, leg: LegId, peer: DtlsPeer) {
        if self.sessions.get(&leg).is_some_and(|session| session.peer == peer) {
            return;
        }
        let now = Instant::now();
        let mut dtls = Dtls::new_auto(self.config.clone(), self.certificate.clone(), now);
        dtls.set_active(peer.is_active);
        let session =
            Session { dtls, peer, is_known: false, is_done: false, due: now, until: now + HANDSHAKE_MAX };
        self.sessions.insert(leg, session);
        self.step(leg, |dtls| dtls.handle_timeout(now).is_ok());
    }

    fn look_after(&mut self, now: Instant) {
        let overdue = |s: &Session| s.due <= now || s.until <= now;
        let due: Vec<LegId> = self.sessions.iter().filter(|(_, s)| overdue(s)).map(|(leg, _)| *leg).collect();
        for leg in due {
            if self.sessions.get(&leg).is_some_and(|s| s.until <= now) {
                self.fail(leg);
            } else {
                self.step(leg, |dtls| dtls.handle_timeout(now).is_ok());
            }
        }
    }

    fn step(&mut self, leg: LegId, act: impl FnOnce(&mut Dtls) -> bool) {
        let Some(session) = self.sessions.get_mut(&leg) else { return };
        if !act(&mut session.dtls) || !session.take(leg, &self.tell) {
            self.fail(leg);
        }
    }

    fn fail(&mut self, leg: LegId) {
        if self.sessions.remove(&leg).is_some() {
            (self.tell)(Told::Failed { leg });
        }
    }
}

/// Long enough that nothing is due.
fn never(now: Instant) -> Instant {
    now + Duration::from_secs(24 * 3600)
}

impl Session {
    /// Takes what the handshake has to say. False: it has come to nothing.
    fn take(&mut self, leg: LegId, tell: &impl Fn(Told)) -> bool {
        let mut buffer = [0; RECORD_MAX];
        loop {
            match self.dtls.poll_output(&mut buffer) {
                Output::Packet(datagram) => tell(Told::Send { leg, datagram: datagram.to_vec() }),
                Output::PeerCert(certificate) => {
                    self.is_known = digest(&SHA256, certificate).as_ref() == self.peer.fingerprint;
                    if !self.is_known {
                        return false;
                    }
                }
                Output::KeyingMaterial(material, profile) => {
                    let Some(keys) = keys(&material, profile, self.dtls.is_active()) else { return false };
                    if !self.is_known {
                        return false;
                    }
                    self.is_done = true;
                    self.until = never(self.until);
                    tell(Told::Keys { leg, keys: Box::new(keys) });
                }
                Output::Timeout(at) => {
                    self.due = at.max(Instant::now() + Duration::from_millis(1));
                    return true;
                }
                Output::BufferTooSmall { .. } => return false,
                // The end of a call is told by SIP.
                _ => {}
            }
        }
    }
}

/// RFC 5764 §4.2: client's key, server's key, client's salt, server's salt.
fn keys(material: &[u8], profile: SrtpProfile, is_client: bool) -> Option<SrtpKeys> {
    let suite = match profile {
        SrtpProfile::AES128_CM_SHA1_80 => Suite::Tag80,
        SrtpProfile::AEAD_AES_128_GCM => Suite::Gcm128,
        SrtpProfile::AEAD_AES_256_GCM => Suite::Gcm256,
        _ => return None,
    };
    let (key, salt) = (suite.key_len(), suite.salt_len());
    let side = |n: usize| {
        let key_part = material.get(n * key..(n + 1) * key)?;
        let salt_part = material.get(2 * key + n * salt..2 * key + (n + 1) * salt)?;
        SrtpKey::new(suite, &[key_part, salt_part].concat())
    };
    let (client, server) = (side(0)?, side(1)?);
    let (ours, theirs) = if is_client { (client, server) } else { (server, client) };
    Some(SrtpKeys { ours, theirs })
}
