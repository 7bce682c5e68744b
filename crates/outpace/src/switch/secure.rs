//! Encrypted sound: SRTP, with keys in the SDP (RFC 4568) or by DTLS, as browsers have it (RFC 5763).

use media::ice::IceCredentials;
use media::srtp::{SrtpKey, SrtpKeys, Suite};
use media::{DtlsPeer, LegMedia, Relay};
use serde::Deserialize;
use sip::Transport;

use super::sdp::{self, Browser, Described, OurKey, OurWeb, Protection, SdpError, Setup};
use super::{Format, Leg};

/// Of the names and passwords of legs that browsers reach (RFC 8839 §5.4), in characters.
const UFRAG_LEN: usize = 8;
const PASSWORD_LEN: usize = 24;

/// Which sound is encrypted. Keys are in the SDP: only where the signalling is encrypted are they a secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SrtpPolicy {
    /// None; who wants nothing else is refused.
    Off,
    /// Offered where signalling goes by TLS or WebSocket, taken from everyone who offers it.
    #[default]
    Optional,
    /// As `Optional`, and where signalling goes by TLS nothing else is spoken.
    Required,
}

/// What we offer for a leg whose signalling goes this way. Who comes by WebSocket is a browser, which has nothing but
/// SRTP with keys by DTLS.
pub(super) fn protection(relay: &Relay, policy: SrtpPolicy, transport: Transport) -> Option<Protection> {
    match (policy, transport) {
        (SrtpPolicy::Off, _) | (_, Transport::Udp | Transport::Tcp) => None,
        (_, Transport::Ws | Transport::Wss) => Some(web(relay, Setup::ActPass)),
        (_, Transport::Tls) => {
            let is_required = policy == SrtpPolicy::Required;
            Some(Protection::Key(OurKey { tag: 1, key: new_key(Suite::Tag80), is_required }))
        }
    }
}

fn web(relay: &Relay, setup: Setup) -> Protection {
    let ice = IceCredentials { ufrag: random_text(UFRAG_LEN), password: random_text(PASSWORD_LEN) };
    Protection::Web(Box::new(OurWeb { ice, fingerprint: relay.fingerprint().to_owned(), setup }))
}

fn random_bytes(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    getrandom::fill(&mut bytes).expect("the system has random numbers");
    bytes
}

/// Of the characters that ICE allows, each as likely as the others.
fn random_text(len: usize) -> String {
    const CHARACTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    random_bytes(len).into_iter().map(|byte| char::from(CHARACTERS[usize::from(byte % 64)])).collect()
}

fn new_key(suite: Suite) -> SrtpKey {
    SrtpKey::new(suite, &random_bytes(suite.key_len() + suite.salt_len()))
        .expect("as long as the suite wants it")
}

/// The far end answers our offer for this leg, early or for good: the relay's leg is set up by what it says.
pub(super) fn take_answer(relay: &Relay, leg: &mut Leg, body: &[u8]) -> Result<LegMedia, SdpError> {
    let said = sdp::describe(body, &leg.formats)?;
    match &leg.protection {
        Some(Protection::Web(ours)) => {
            let browser = said.browser.ok_or(SdpError::NoCommonKey)?;
            relay.web(leg.media, ours.ice.clone(), peer(browser));
        }
        Some(Protection::Key(ours)) => {
            let is_ours = |(tag, key): &&(u32, SrtpKey)| (*tag, key.suite()) == (ours.tag, ours.key.suite());
            let theirs = said.keys.iter().find(is_ours);
            if theirs.is_none() && (said.is_required || ours.is_required) {
                return Err(SdpError::NoCommonKey);
            }
            relay.secure(leg.media, theirs.map(|(_, theirs)| SrtpKeys { ours: ours.key, theirs: *theirs }));
        }
        None if said.is_required => return Err(SdpError::NoCommonKey),
        None => relay.secure(leg.media, None),
    }
    Ok(set_up(relay, leg, &said))
}

/// What the far end's offers are held against.
pub(super) struct Terms {
    pub(super) policy: SrtpPolicy,
    /// Which way its signalling goes.
    pub(super) transport: Transport,
    pub(super) transcoded_max: usize,
}

/// The far end offers something for this leg: the relay's leg is set up by what it says. `leg.protection` is what our answer
/// says then.
pub(super) fn take_offer(
    relay: &Relay,
    terms: &Terms,
    leg: &mut Leg,
    body: &[u8],
) -> Result<LegMedia, SdpError> {
    let Terms { policy, transport, transcoded_max } = *terms;
    // Whoever speaks something else already goes on.
    let is_allowed =
        |format: &Format| !format.is_wide() || leg.is_wide || relay.transcoded() < transcoded_max;
    let allowed: Vec<Format> = leg.formats.iter().copied().filter(is_allowed).collect();
    let said = sdp::describe(body, &allowed)?;
    if let Some(browser) = said.browser.filter(|_| policy != SrtpPolicy::Off) {
        let setup = if browser.setup == Setup::Passive { Setup::Active } else { Setup::Passive };
        let ours = match leg.protection.take() {
            Some(Protection::Web(ours)) => Protection::Web(Box::new(OurWeb { setup, ..*ours })),
            _ => web(relay, setup),
        };
        if let Protection::Web(ours) = &ours {
            relay.web(leg.media, ours.ice.clone(), peer(browser));
        }
        leg.protection = Some(ours);
        return Ok(set_up(relay, leg, &said));
    }
    let chosen = said.keys.first().filter(|_| policy != SrtpPolicy::Off);
    let must = said.is_required || (policy == SrtpPolicy::Required && transport == Transport::Tls);
    if chosen.is_none() && must {
        return Err(SdpError::NoCommonKey);
    }
    // The same key goes on, or the far end would have to begin anew.
    let before = match leg.protection {
        Some(Protection::Key(ours)) => Some(ours.key),
        _ => None,
    };
    let ours = chosen.map(|(tag, theirs)| {
        let key =
            before.filter(|key| key.suite() == theirs.suite()).unwrap_or_else(|| new_key(theirs.suite()));
        OurKey { tag: *tag, key, is_required: said.is_required }
    });
    let keys = ours.zip(chosen).map(|(ours, (_, theirs))| SrtpKeys { ours: ours.key, theirs: *theirs });
    relay.secure(leg.media, keys);
    leg.protection = ours.map(Protection::Key);
    Ok(set_up(relay, leg, &said))
}

fn peer(browser: Browser) -> DtlsPeer {
    DtlsPeer { fingerprint: browser.fingerprint, is_active: browser.setup == Setup::Passive }
}

fn set_up(relay: &Relay, leg: &mut Leg, said: &Described) -> LegMedia {
    relay.configure(leg.media, said.media);
    leg.codec = Some(said.media.codec);
    leg.is_wide = said.media.wide.is_some();
    leg.takes_events = said.media.dtmf.is_some();
    said.media
}
