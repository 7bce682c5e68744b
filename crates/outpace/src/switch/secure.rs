//! Encrypted sound: SRTP, whose keys go by SDP (RFC 4568).

use media::srtp::{SrtpKey, SrtpKeys, Suite};
use media::{LegMedia, Relay};
use serde::Deserialize;
use sip::Transport;

use super::sdp::{self, Protection, SdpError};
use super::{CODECS, Leg};

/// Which sound is encrypted. Keys are in the SDP: only where the signalling is encrypted are they a secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SrtpPolicy {
    /// None; who wants nothing else is refused.
    Off,
    /// Offered where signalling goes by TLS, taken from everyone who offers it.
    #[default]
    Optional,
    /// As `Optional`, and where signalling goes by TLS nothing else is spoken.
    Required,
}

/// What we offer for a leg whose signalling goes this way.
pub(super) fn protection(policy: SrtpPolicy, transport: Transport) -> Option<Protection> {
    let is_required = match policy {
        SrtpPolicy::Off => return None,
        SrtpPolicy::Optional => false,
        SrtpPolicy::Required => true,
    };
    is_private(transport).then(|| Protection { tag: 1, key: new_key(Suite::Tag80), is_required })
}

fn is_private(transport: Transport) -> bool {
    matches!(transport, Transport::Tls | Transport::Wss)
}

fn new_key(suite: Suite) -> SrtpKey {
    let mut master = [0; media::srtp::MASTER_LEN];
    getrandom::fill(&mut master).expect("the system has random numbers");
    SrtpKey { suite, master }
}

/// The far end answers our offer for this leg, early or for good: the relay's leg is set up by what it says.
pub(super) fn take_answer(relay: &Relay, leg: &mut Leg, body: &[u8]) -> Result<LegMedia, SdpError> {
    let said = sdp::describe(body, &CODECS)?;
    let theirs = leg.protection.and_then(|ours| {
        let chosen = said.keys.iter().find(|(tag, key)| (*tag, key.suite) == (ours.tag, ours.key.suite));
        chosen.map(|(_, theirs)| SrtpKeys { ours: ours.key, theirs: *theirs })
    });
    let wants_it = said.is_required || leg.protection.is_some_and(|ours| ours.is_required);
    if theirs.is_none() && wants_it {
        return Err(SdpError::NoCommonKey);
    }
    relay.secure(leg.media, theirs);
    relay.configure(leg.media, said.media);
    leg.codec = Some(said.media.codec);
    leg.takes_events = said.media.dtmf.is_some();
    Ok(said.media)
}

/// The far end offers something for this leg, whose signalling goes this way: the relay's leg is set up by what it says.
/// `leg.protection` is what our answer says then.
pub(super) fn take_offer(
    relay: &Relay,
    policy: SrtpPolicy,
    transport: Transport,
    leg: &mut Leg,
    body: &[u8],
) -> Result<LegMedia, SdpError> {
    let said = sdp::describe(body, &CODECS)?;
    let chosen = said.keys.first().filter(|_| policy != SrtpPolicy::Off);
    let must = said.is_required || (policy == SrtpPolicy::Required && is_private(transport));
    if chosen.is_none() && must {
        return Err(SdpError::NoCommonKey);
    }
    leg.protection = chosen.map(|(tag, theirs)| {
        // The same key goes on, or the far end would have to begin anew.
        let ours = leg.protection.map(|ours| ours.key).filter(|key| key.suite == theirs.suite);
        let key = ours.unwrap_or_else(|| new_key(theirs.suite));
        Protection { tag: *tag, key, is_required: said.is_required }
    });
    let keys =
        leg.protection.zip(chosen).map(|(ours, (_, theirs))| SrtpKeys { ours: ours.key, theirs: *theirs });
    relay.secure(leg.media, keys);
    relay.configure(leg.media, said.media);
    leg.codec = Some(said.media.codec);
    leg.takes_events = said.media.dtmf.is_some();
    Ok(said.media)
}
