//! Offer and answer (RFC 3264) for what we do: one audio stream, telephone-event, keys for SRTP (RFC 4568).

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use media::ice::IceCredentials;
use media::srtp::{SrtpKey, Suite};
use media::{Codec, LegMedia, Wide, WideCodec};
use serde::Deserialize;

/// Payload types of telephone-event with a clock of 8 and of 48 kHz.
const DTMF: u8 = 101;
const FAST_DTMF: u8 = 102;
const FAST: u32 = 48_000;
const SLOW: u32 = 8000;
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
    #[error("the SDP has no audio stream with a codec that is allowed")]
    NoCommonCodec,
    #[error("one side wants SRTP, and the other has no key for it")]
    NoCommonKey,
}

/// What can be spoken. G.711 is relayed as it is, everything else is turned into it and back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Pcma,
    Pcmu,
    G722,
    Opus,
}

impl Format {
    pub const fn of(codec: Codec) -> Format {
        match codec {
            Codec::Pcma => Format::Pcma,
            Codec::Pcmu => Format::Pcmu,
        }
    }

    pub const fn is_wide(self) -> bool {
        matches!(self, Format::G722 | Format::Opus)
    }

    /// In our offers.
    const fn payload_type(self) -> u8 {
        match self {
            Format::Pcma => 8,
            Format::Pcmu => 0,
            Format::G722 => 9,
            Format::Opus => 111,
        }
    }

    /// Whether the far end means it; the numbers of the old ones are fixed (RFC 3551).
    fn is(self, payload_type: u8, name: Option<&str>) -> bool {
        match self {
            Format::Opus => name.is_some_and(|name| name.eq_ignore_ascii_case("opus/48000/2")),
            _ => self.payload_type() == payload_type,
        }
    }

    /// Its lines, the name first (RFC 7587 §6.1: who sends more than 8 kHz wastes it).
    fn lines(self, payload_type: u8) -> String {
        let rtpmap = |name: &str| format!("a=rtpmap:{payload_type} {name}\r\n");
        match self {
            Format::Pcma => rtpmap("PCMA/8000"),
            Format::Pcmu => rtpmap("PCMU/8000"),
            // RFC 3551 §4.5.2: its clock is 8 kHz by mistake.
            Format::G722 => rtpmap("G722/8000"),
            Format::Opus => {
                let fmtp = "maxplaybackrate=8000;sprop-maxcapturerate=8000;useinbandfec=0";
                rtpmap("opus/48000/2") + &format!("a=fmtp:{payload_type} {fmtp}\r\n")
            }
        }
    }
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

/// An offer of these, in this order.
pub fn offer(
    address: SocketAddr,
    formats: &[Format],
    session: u64,
    protection: Option<&Protection>,
) -> Vec<u8> {
    let has_opus = formats.contains(&Format::Opus);
    let numbered = formats.iter().map(|format| (*format, format.payload_type())).collect();
    let events = std::iter::once((DTMF, SLOW)).chain(has_opus.then_some((FAST_DTMF, FAST))).collect();
    let said = Said { formats: numbered, events, direction: Direction::SendRecv, is_one_port: true };
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
    let format = match media.wide {
        None => (Format::of(media.codec), media.codec.payload_type()),
        Some(Wide { codec: WideCodec::G722, payload_type, .. }) => (Format::G722, payload_type),
        Some(Wide { codec: WideCodec::Opus, payload_type, .. }) => (Format::Opus, payload_type),
    };
    let rate = if media.wide.is_some_and(|wide| wide.has_fast_events) { FAST } else { SLOW };
    let events = media.dtmf.map(|payload_type| (payload_type, rate)).into_iter().collect();
    let said = Said { formats: vec![format], events, direction, is_one_port: media.rtcp.is_none() };
    body(address, &said, (session, version), protection)
}

/// What our SDP says of the stream.
struct Said {
    /// With their payload types.
    formats: Vec<(Format, u8)>,
    /// telephone-event: payload type and clock.
    events: Vec<(u8, u32)>,
    direction: Direction,
    /// RTP and RTCP share a port (RFC 5761).
    is_one_port: bool,
}

fn body(
    address: SocketAddr,
    said: &Said,
    (session, version): (u64, u64),
    protection: Option<&Protection>,
) -> Vec<u8> {
    let family = if address.is_ipv6() { "IP6" } else { "IP4" };
    let ip = address.ip();
    let numbers = said.formats.iter().map(|(_, pt)| pt).chain(said.events.iter().map(|(pt, _)| pt));
    let list = numbers.map(u8::to_string).collect::<Vec<_>>().join(" ");
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
    if said.is_one_port {
        sdp += "a=rtcp-mux\r\n";
    }
    for (format, payload_type) in &said.formats {
        sdp += &format.lines(*payload_type);
    }
    for (pt, rate) in &said.events {
        let _ = write!(sdp, "a=rtpmap:{pt} telephone-event/{rate}\r\na=fmtp:{pt} 0-15\r\n");
    }
    let _ = write!(sdp, "a=ptime:20\r\na={}\r\n", said.direction.name());
    sdp.into_bytes()
}

/// What the far end's SDP (offer or answer) means for our leg: the first of its formats that is allowed, or its first of
/// G.711 when that stands before it in `allowed`.
pub fn describe(bytes: &[u8], allowed: &[Format]) -> Result<Described, SdpError> {
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
    let name = |pt: u8| rtpmap(audio, pt);
    let shared =
        || formats.iter().filter_map(|pt| Some((allowed.iter().position(|f| f.is(*pt, name(*pt)))?, *pt)));
    let first = shared().next();
    // What needs no transcoding goes before what does, unless it stands behind it in our order.
    let chosen = match first {
        Some((at, _)) if allowed[at].is_wide() => {
            shared().find(|(n, _)| *n < at && !allowed[*n].is_wide()).or(first)
        }
        _ => first,
    };
    let chosen = chosen.map(|(at, pt)| (&allowed[at], pt));
    let (format, payload_type) = chosen.ok_or(SdpError::NoCommonCodec)?;
    let events = |rate: u32| {
        let wanted = format!("telephone-event/{rate}");
        let is_it = |pt: &u8| name(*pt).is_some_and(|name| name.eq_ignore_ascii_case(&wanted));
        formats.iter().copied().find(is_it)
    };
    let fast_events = events(FAST).filter(|_| *format == Format::Opus);
    let wide = |codec| Some(Wide { codec, payload_type, has_fast_events: fast_events.is_some() });
    let (codec, wide) = match format {
        Format::Pcma => (Codec::Pcma, None),
        Format::Pcmu => (Codec::Pcmu, None),
        Format::G722 => (Codec::Pcma, wide(WideCodec::G722)),
        Format::Opus => (Codec::Pcma, wide(WideCodec::Opus)),
    };
    let dtmf = fast_events.or_else(|| events(SLOW));
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
        wide,
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

/// What a payload type is, as `a=rtpmap` says.
fn rtpmap(audio: &sdp_types::Media, payload_type: u8) -> Option<&str> {
    let lines = audio.attributes.iter().filter(|a| a.attribute == "rtpmap");
    lines
        .filter_map(|a| a.value.as_deref()?.split_once(' '))
        .find_map(|(pt, name)| (pt.parse() == Ok(payload_type)).then(|| name.trim()))
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

    const BOTH: [Format; 2] = [Format::Pcma, Format::Pcmu];
    const ALL: [Format; 4] = [Format::Pcma, Format::Pcmu, Format::G722, Format::Opus];

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

    /// As Chromium offers, shortened.
    const CHROMIUM: &str = "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n\
        m=audio 4000 RTP/AVP 111 63 9 0 8 13 110 126\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n\
        a=rtpmap:63 red/48000/2\r\na=rtpmap:9 G722/8000\r\na=rtpmap:110 telephone-event/48000\r\na=rtpmap:126 telephone-event/8000\r\n";

    #[test]
    fn opus_and_g722_are_taken_where_they_are_allowed_with_the_far_ends_numbers() {
        let media = |allowed: &[Format]| describe(CHROMIUM.as_bytes(), allowed).unwrap().media;
        let opus = media(&[Format::Opus, Format::Pcma]);
        let wide = Wide { codec: WideCodec::Opus, payload_type: 111, has_fast_events: true };
        assert_eq!((opus.wide, opus.dtmf), (Some(wide), Some(110)));
        let text = String::from_utf8(answer(address(), &opus, (1, 1), None)).unwrap();
        for line in
            ["RTP/AVP 111 110\r\n", "a=rtpmap:111 opus/48000/2\r\n", "a=rtpmap:110 telephone-event/48000\r\n"]
        {
            assert!(text.contains(line), "{text}");
        }
        let g722 = media(&[Format::G722, Format::Pcmu]);
        let wide = Wide { codec: WideCodec::G722, payload_type: 9, has_fast_events: false };
        assert_eq!((g722.wide, g722.dtmf), (Some(wide), Some(126)));
        let plain = media(&BOTH);
        assert_eq!((plain.codec, plain.wide, plain.dtmf), (Codec::Pcmu, None, Some(126)));
        let ours = offer(address(), &ALL, 1, None);
        let back = describe(&ours, &[Format::Opus]).unwrap().media;
        assert_eq!((back.wide.map(|wide| wide.payload_type), back.dtmf), (Some(111), Some(102)));
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
        assert_eq!(describe(pcmu, &[Format::Pcma]).unwrap().media.codec, Codec::Pcma);
        let g729 = b"v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 18\r\n";
        assert_eq!(describe(g729, &BOTH), Err(SdpError::NoCommonCodec));
        assert_eq!(describe(b"\xff\xfe", &BOTH), Err(SdpError::Unreadable));
        assert_eq!(describe(&vec![b'a'; 20_000], &BOTH), Err(SdpError::Unreadable));
    }

    #[test]
    fn what_needs_no_transcoding_is_spoken_unless_the_other_is_wished_for_first() {
        let wide = |allowed: &[Format]| {
            describe(CHROMIUM.as_bytes(), allowed).unwrap().media.wide.map(|wide| wide.codec)
        };
        use Format::{G722, Opus, Pcma, Pcmu};
        assert_eq!(wide(&[Pcma, Pcmu, G722, Opus]), None);
        assert_eq!(wide(&[G722, Pcma, Opus]), None, "it would have Opus before, which stands behind");
        assert_eq!(wide(&[Opus, Pcma]), Some(WideCodec::Opus));
        assert_eq!(wide(&[G722, Pcma]), Some(WideCodec::G722));
        assert_eq!(wide(&[Opus]), Some(WideCodec::Opus));
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
