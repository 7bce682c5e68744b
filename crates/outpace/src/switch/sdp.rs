//! Offer and answer (RFC 3264) for what we do: one audio stream, G.711, telephone-event, keys for SRTP (RFC 4568).

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use media::ice::IceCredentials;
use media::srtp::{SrtpKey, Suite};
use media::{Codec, LegMedia};

const DTMF: u8 = 101;
/// A body past this is refused before it is parsed.
const SDP_MAX: usize = 16 * 1024;
/// How the `m=` line's third word may begin.
const PROFILES: [&str; 3] = ["RTP/AVP", "RTP/SAVP", "UDP/TLS/RTP/SAVP"];
/// Keys past these are not looked at.
const KEYS_MAX: usize = 8;

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SdpError {
    #[error("the SDP cannot be read")]
    Unreadable,
    #[error("the SDP has no audio stream with PCMA or PCMU")]
    NoCommonCodec,
    #[error("one side wants SRTP, and the other has no key for it")]
    NoCommonKey,
}

/// What our SDP of a leg says of encryption.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Protection {
    Key(OurKey),
    Web(Box<OurWeb>),
}

/// A key in the SDP (RFC 4568).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OurKey {
    /// Of the `a=crypto` line.
    pub tag: u32,
    pub key: SrtpKey,
    /// RTP/SAVP: nothing but SRTP. Else RTP/AVP with a key for whoever can use it.
    pub is_required: bool,
}

/// Keys by DTLS, as browsers have them (RFC 5763, RFC 8829).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OurWeb {
    pub ice: IceCredentials,
    /// SHA-256 of our certificate.
    pub fingerprint: String,
    pub setup: Setup,
}

/// Who begins the handshake (RFC 4145 §4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Setup {
    /// Whoever the other side wants.
    ActPass,
    Active,
    Passive,
}

impl Setup {
    const fn name(self) -> &'static str {
        match self {
            Setup::ActPass => "actpass",
            Setup::Active => "active",
            Setup::Passive => "passive",
        }
    }

    fn from_name(name: &str) -> Option<Setup> {
        [Setup::ActPass, Setup::Active, Setup::Passive].into_iter().find(|setup| setup.name() == name)
    }
}

/// A browser, as its SDP says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Browser {
    /// SHA-256 of its certificate.
    pub fingerprint: [u8; 32],
    pub setup: Setup,
}

/// What the far end's SDP says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Described {
    pub media: LegMedia,
    /// RTP/SAVP.
    pub is_required: bool,
    /// Tags and keys that we can use, in the far end's order.
    pub keys: Vec<(u32, SrtpKey)>,
    /// Keys go by DTLS.
    pub browser: Option<Browser>,
}

/// Direction attribute, seen from who wrote the SDP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Direction {
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

impl Direction {
    const fn name(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }
}

/// An offer of these codecs, in this order.
pub fn offer(
    address: SocketAddr,
    codecs: &[Codec],
    session: u64,
    protection: Option<&Protection>,
) -> Vec<u8> {
    let said = Said { codecs, dtmf: Some(DTMF), direction: Direction::SendRecv, is_one_port: true };
    body(address, &said, (session, 1), protection)
}

/// The answer to an offer that `read` gave `media` for: the one codec, our direction the mirror of theirs.
pub fn answer(
    address: SocketAddr,
    media: &LegMedia,
    (session, version): (u64, u64),
    protection: Option<&Protection>,
) -> Vec<u8> {
    let direction = match (media.send, media.receive) {
        (true, true) => Direction::SendRecv,
        (true, false) => Direction::SendOnly,
        (false, true) => Direction::RecvOnly,
        (false, false) => Direction::Inactive,
    };
    let (dtmf, is_one_port) = (media.dtmf, media.rtcp.is_none());
    body(
        address,
        &Said { codecs: &[media.codec], dtmf, direction, is_one_port },
        (session, version),
        protection,
    )
}

/// What our SDP says of the stream.
struct Said<'a> {
    codecs: &'a [Codec],
    dtmf: Option<u8>,
    direction: Direction,
    /// RTP and RTCP share a port (RFC 5761).
    is_one_port: bool,
}

fn body(
    address: SocketAddr,
    said: &Said<'_>,
    (session, version): (u64, u64),
    protection: Option<&Protection>,
) -> Vec<u8> {
    let Said { codecs, dtmf, direction, is_one_port } = *said;
    let family = if address.is_ipv6() { "IP6" } else { "IP4" };
    let ip = address.ip();
    let mut formats: Vec<u8> = codecs.iter().map(|c| c.payload_type()).collect();
    formats.extend(dtmf);
    let list = formats.iter().map(u8::to_string).collect::<Vec<_>>().join(" ");
    let (profile, lite) = match protection {
        Some(Protection::Web(_)) => ("UDP/TLS/RTP/SAVPF", "a=ice-lite\r\n"),
        Some(Protection::Key(key)) if key.is_required => ("RTP/SAVP", ""),
        Some(Protection::Key(_)) | None => ("RTP/AVP", ""),
    };
    let mut sdp = format!(
        "v=0\r\no=outpace {session} {version} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n{lite}\
         m=audio {} {profile} {list}\r\n",
        address.port()
    );
    match protection {
        Some(Protection::Key(OurKey { tag, key, .. })) => {
            let (suite, master) = (key.suite().name(), STANDARD.encode(key.master()));
            let _ = write!(sdp, "a=crypto:{tag} {suite} inline:{master}\r\n");
        }
        Some(Protection::Web(web)) => {
            let (IceCredentials { ufrag, password }, setup) = (&web.ice, web.setup.name());
            // RFC 8839 §5.1: one address, which is where everything goes (RFC 8834 §4.5). The stream's name is for
            // pages that wait for one.
            let _ = write!(
                sdp,
                "a=mid:0\r\na=msid:outpace audio\r\na=setup:{setup}\r\n\
                 a=fingerprint:sha-256 {}\r\na=ice-ufrag:{ufrag}\r\na=ice-pwd:{password}\r\n\
                 a=candidate:1 1 udp 2130706431 {ip} {} typ host\r\na=end-of-candidates\r\n",
                web.fingerprint,
                address.port()
            );
        }
        None => {}
    }
    if is_one_port {
        sdp += "a=rtcp-mux\r\n";
    }
    for codec in codecs {
        let name = match codec {
            Codec::Pcma => "PCMA",
            Codec::Pcmu => "PCMU",
        };
        let _ = write!(sdp, "a=rtpmap:{} {name}/8000\r\n", codec.payload_type());
    }
    if let Some(pt) = dtmf {
        let _ = write!(sdp, "a=rtpmap:{pt} telephone-event/8000\r\na=fmtp:{pt} 0-15\r\n");
    }
    let _ = write!(sdp, "a=ptime:20\r\na={}\r\n", direction.name());
    sdp.into_bytes()
}

/// What the far end's SDP (offer or answer) means for our leg. `allowed`: our codecs in order of preference; in an
/// answer the far end's order decides, in an offer ours.
pub fn describe(bytes: &[u8], allowed: &[Codec]) -> Result<Described, SdpError> {
    if bytes.len() > SDP_MAX {
        return Err(SdpError::Unreadable);
    }
    let session = sdp_types::Session::parse(bytes).map_err(|_| SdpError::Unreadable)?;
    let audio = session
        .medias
        .iter()
        .find(|m| {
            m.media == "audio" && m.port != 0 && PROFILES.iter().any(|profile| m.proto.starts_with(profile))
        })
        .ok_or(SdpError::NoCommonCodec)?;
    let connection = audio.connections.first().or(session.connection.as_ref()).ok_or(SdpError::Unreadable)?;
    let host = connection.connection_address.split('/').next().unwrap_or_default();
    let ip: IpAddr = host.parse().map_err(|_| SdpError::Unreadable)?;
    let formats: Vec<u8> = audio.fmt.split_whitespace().filter_map(|f| f.parse().ok()).collect();
    let codec = formats
        .iter()
        .find_map(|pt| allowed.iter().copied().find(|c| c.payload_type() == *pt))
        .ok_or(SdpError::NoCommonCodec)?;
    let dtmf = formats.iter().copied().find(|pt| {
        audio.attributes.iter().any(|a| {
            a.attribute == "rtpmap"
                && a.value.as_deref().is_some_and(|v| {
                    let mut parts = v.split_whitespace();
                    parts.next() == Some(&pt.to_string())
                        && parts
                            .next()
                            .is_some_and(|n| n.to_ascii_lowercase().starts_with("telephone-event/8000"))
                })
        })
    });
    // Browsers name no address here: ICE finds it.
    let held_by_address = ip.is_unspecified() && !audio.proto.starts_with("UDP/TLS");
    let theirs = [&audio.attributes, &session.attributes]
        .into_iter()
        .flatten()
        .find_map(|a| match a.attribute.as_str() {
            "sendrecv" => Some(Direction::SendRecv),
            "sendonly" => Some(Direction::SendOnly),
            "recvonly" => Some(Direction::RecvOnly),
            "inactive" => Some(Direction::Inactive),
            _ => None,
        })
        .unwrap_or(Direction::SendRecv);
    let lines = audio.attributes.iter().filter(|a| a.attribute == "crypto");
    let keys = lines.filter_map(|a| key(a.value.as_deref()?)).take(KEYS_MAX).collect();
    let media = LegMedia {
        remote: SocketAddr::new(ip, audio.port),
        codec,
        dtmf,
        rtcp: rtcp_address(audio, ip),
        send: matches!(theirs, Direction::SendRecv | Direction::RecvOnly) && !held_by_address,
        receive: matches!(theirs, Direction::SendRecv | Direction::SendOnly),
    };
    let browser = match audio.proto.starts_with("UDP/TLS") {
        true => Some(browser(audio, &session).ok_or(SdpError::NoCommonKey)?),
        false => None,
    };
    Ok(Described { media, is_required: !audio.proto.starts_with("RTP/AVP"), keys, browser })
}

/// Where RTCP goes; None: to the port of RTP (RFC 5761), as with every browser. Another host than that of the sound (RFC 3605)
/// is not believed: nobody needs one, and it would be sent what it did not ask for.
fn rtcp_address(audio: &sdp_types::Media, ip: IpAddr) -> Option<SocketAddr> {
    let has = |name: &str| audio.attributes.iter().find(|a| a.attribute == name);
    if has("rtcp-mux").is_some() || audio.proto.starts_with("UDP/TLS") {
        return None;
    }
    let named = has("rtcp").and_then(|a| a.value.as_deref()?.split_ascii_whitespace().next()?.parse().ok());
    // The port after the highest is none, and RTCP goes nowhere.
    Some(SocketAddr::new(ip, named.or(audio.port.checked_add(1)).unwrap_or(0)))
}

/// The certificate that the far end will show, and who begins; on the stream, or for all streams.
fn browser(audio: &sdp_types::Media, session: &sdp_types::Session) -> Option<Browser> {
    let find = |name: &str, read: &dyn Fn(&str) -> bool| {
        let all = audio.attributes.iter().chain(&session.attributes);
        all.filter(|a| a.attribute == name).filter_map(|a| a.value.clone()).find(|value| read(value))
    };
    // Without ICE nobody says where it is.
    find("ice-ufrag", &|_| true)?;
    let fingerprint = find("fingerprint", &|value| sha256(value).is_some())?;
    let setup = find("setup", &|value| Setup::from_name(value).is_some());
    let setup = setup.and_then(|name| Setup::from_name(&name)).unwrap_or(Setup::Active);
    Some(Browser { fingerprint: sha256(&fingerprint)?, setup })
}

/// `sha-256 AB:CD:…` (RFC 8122 §5).
fn sha256(value: &str) -> Option<[u8; 32]> {
    let (hash, digits) = value.split_once(' ')?;
    let bytes: Option<Vec<u8>> = digits
        .trim()
        .split(':')
        .map(|pair| u8::from_str_radix(pair, 16).ok().filter(|_| pair.len() == 2))
        .collect();
    bytes.filter(|_| hash.eq_ignore_ascii_case("sha-256"))?.try_into().ok()
}

/// The value of an `a=crypto` line (RFC 4568 §9.1): `1 AES_CM_128_HMAC_SHA1_80 inline:<base64>|2^31`. None when there is
/// anything in it that we do not do: other ciphers, master key identifiers, several keys, session parameters.
fn key(line: &str) -> Option<(u32, SrtpKey)> {
    let mut words = line.split_ascii_whitespace();
    let (tag, suite, parameters) = (words.next()?, words.next()?, words.next()?);
    // How large a receiver's window is to be is advice.
    if words.any(|session| !session.starts_with("WSH=")) {
        return None;
    }
    let mut parts = parameters.strip_prefix("inline:")?.split('|');
    let master = STANDARD.decode(parts.next()?).ok()?;
    let is_lifetime = |part: &str| !part.contains(':');
    if !parts.next().is_none_or(is_lifetime) || parts.next().is_some() {
        return None;
    }
    Some((tag.parse().ok()?, SrtpKey::new(Suite::from_name(suite)?, &master)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Codec; 2] = [Codec::Pcma, Codec::Pcmu];

    fn address() -> SocketAddr {
        "127.0.0.1:20000".parse().unwrap()
    }

    #[test]
    fn our_own_offer_reads_back() {
        let media = describe(&offer(address(), &BOTH, 1, None), &BOTH).unwrap().media;
        assert_eq!(media.remote, address());
        assert_eq!(
            (media.codec, media.dtmf, media.send, media.receive),
            (Codec::Pcma, Some(101), true, true)
        );
    }

    #[test]
    fn rtcp_shares_the_port_where_both_sides_say_so_and_has_its_own_else() {
        let with = |lines: &str| {
            let sdp = format!(
                "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n{lines}"
            );
            describe(sdp.as_bytes(), &BOTH).unwrap().media
        };
        let text = |media: &LegMedia| String::from_utf8(answer(address(), media, (1, 1), None)).unwrap();
        for (lines, rtcp) in [
            ("", Some("10.0.0.9:4001")),
            ("a=rtcp:4010\r\n", Some("10.0.0.9:4010")),
            ("a=rtcp:4010 IN IP4 192.0.2.1\r\n", Some("10.0.0.9:4010")),
            ("a=rtcp:x\r\n", Some("10.0.0.9:4001")),
            ("a=rtcp-mux\r\n", None),
            ("a=rtcp-mux\r\na=rtcp:4010\r\n", None),
        ] {
            let media = with(lines);
            assert_eq!(media.rtcp, rtcp.map(|address| address.parse().unwrap()), "{lines}");
            assert_eq!(text(&media).contains("a=rtcp-mux\r\n"), rtcp.is_none(), "{lines}");
        }
        assert!(String::from_utf8(offer(address(), &BOTH, 1, None)).unwrap().contains("a=rtcp-mux\r\n"));
    }

    #[test]
    fn hold_is_mirrored() {
        let held =
            String::from_utf8(offer(address(), &BOTH, 1, None)).unwrap().replace("sendrecv", "sendonly");
        let media = describe(held.as_bytes(), &BOTH).unwrap().media;
        assert!(!media.send && media.receive);
        let answer = String::from_utf8(answer(address(), &media, (1, 2), None)).unwrap();
        assert!(answer.contains("a=recvonly"), "{answer}");
    }

    #[test]
    fn the_far_ends_order_decides_and_strange_bodies_are_refused() {
        let pcmu = b"v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 18 0 8\r\n";
        assert_eq!(describe(pcmu, &BOTH).unwrap().media.codec, Codec::Pcmu);
        assert_eq!(describe(pcmu, &[Codec::Pcma]).unwrap().media.codec, Codec::Pcma);
        let g729 = b"v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 18\r\n";
        assert_eq!(describe(g729, &BOTH), Err(SdpError::NoCommonCodec));
        assert_eq!(describe(b"\xff\xfe", &BOTH), Err(SdpError::Unreadable));
        assert_eq!(describe(&vec![b'a'; 20_000], &BOTH), Err(SdpError::Unreadable));
    }

    const CRYPTO: &str = "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

    fn with_lines(profile: &str, lines: &str) -> Described {
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\nm=audio 4000 {profile} 8\r\n{lines}"
        );
        describe(sdp.as_bytes(), &BOTH).unwrap()
    }

    #[test]
    fn our_own_key_reads_back_and_savp_is_said_where_nothing_else_will_do() {
        let key = SrtpKey::new(Suite::Tag80, &[7; 30]).unwrap();
        for is_required in [false, true] {
            let ours = Protection::Key(OurKey { tag: 1, key, is_required });
            let sdp = offer(address(), &BOTH, 1, Some(&ours));
            let said = describe(&sdp, &BOTH).unwrap();
            assert_eq!((said.is_required, said.keys), (is_required, vec![(1, key)]));
        }
    }

    /// The example of RFC 4568 §4.1 and what else is seen.
    #[test]
    fn keys_that_we_can_use_are_taken_in_the_far_ends_order() {
        let lines = format!(
            "a=crypto:9 F8_128_HMAC_SHA1_80 {CRYPTO}\r\na=crypto:2 AES_CM_128_HMAC_SHA1_32 {CRYPTO}|2^20\r\n\
             a=crypto:1 AES_CM_128_HMAC_SHA1_80 {CRYPTO}|2^20 WSH=64\r\n"
        );
        let said = with_lines("RTP/SAVP", &lines);
        let tags: Vec<_> = said.keys.iter().map(|(tag, key)| (*tag, key.suite())).collect();
        assert_eq!(tags, [(2, Suite::Tag32), (1, Suite::Tag80)]);
        assert_eq!(&said.keys[0].1.master()[..5], b"YS___");
        assert!(said.is_required);
    }

    #[test]
    fn keys_with_what_we_do_not_do_are_no_keys() {
        for line in [
            format!("1 AES_CM_128_HMAC_SHA1_80 {CRYPTO}|2^20|1:4"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {CRYPTO}|1:4"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {CRYPTO} UNENCRYPTED_SRTP"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {CRYPTO} KDR=1"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {CRYPTO};{CRYPTO}"),
            "1 AES_CM_128_HMAC_SHA1_80 inline:WVNf".to_owned(),
            "1 AES_CM_128_HMAC_SHA1_80 inline:!!!".to_owned(),
            format!("x AES_CM_128_HMAC_SHA1_80 {CRYPTO}"),
            "1".to_owned(),
            String::new(),
        ] {
            assert_eq!(key(&line), None, "{line}");
        }
        let many = format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 {CRYPTO}\r\n").repeat(100);
        assert_eq!(with_lines("RTP/AVP", &many).keys.len(), KEYS_MAX);
    }

    #[test]
    fn what_we_say_to_a_browser_reads_back() {
        let ice = IceCredentials { ufrag: "abcd".into(), password: "0123456789012345678901".into() };
        let fingerprint = ["0F"; 32].join(":");
        let web = OurWeb { ice, fingerprint, setup: Setup::ActPass };
        let sdp = offer(address(), &BOTH, 1, Some(&Protection::Web(Box::new(web))));
        let said = describe(&sdp, &BOTH).unwrap();
        assert_eq!(said.browser, Some(Browser { fingerprint: [15; 32], setup: Setup::ActPass }));
        assert!(said.is_required && said.keys.is_empty());
        let text = String::from_utf8(sdp).unwrap();
        let (session, stream) =
            text.split_once("m=audio 20000 UDP/TLS/RTP/SAVPF 8 0 101\r\n").expect("the stream");
        assert!(session.contains("a=ice-lite\r\n"), "{text}");
        assert!(stream.contains("a=candidate:1 1 udp 2130706431 127.0.0.1 20000 typ host\r\n"), "{text}");
    }

    #[test]
    fn a_browser_without_a_fingerprint_that_we_know_is_none() {
        for line in
            ["", "a=fingerprint:sha-1 00:11\r\n", "a=fingerprint:sha-256 00:1\r\n", "a=fingerprint:x\r\n"]
        {
            let sdp = format!(
                "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n\
                 m=audio 4000 UDP/TLS/RTP/SAVPF 8\r\na=ice-ufrag:abcd\r\na=setup:active\r\n{line}"
            );
            assert_eq!(describe(sdp.as_bytes(), &BOTH), Err(SdpError::NoCommonKey), "{line}");
        }
    }
}
