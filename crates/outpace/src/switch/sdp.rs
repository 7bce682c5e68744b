//! Offer and answer (RFC 3264) for what we do: one audio stream, G.711, telephone-event.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use media::{Codec, LegMedia};

const DTMF: u8 = 101;
/// A body past this is refused before it is parsed.
const SDP_MAX: usize = 16 * 1024;

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SdpError {
    #[error("the SDP cannot be read")]
    Unreadable,
    #[error("the SDP has no audio stream with PCMA or PCMU")]
    NoCommonCodec,
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
pub fn offer(address: SocketAddr, codecs: &[Codec], session: u64) -> Vec<u8> {
    body(address, codecs, Some(DTMF), Direction::SendRecv, session, 1)
}

/// The answer to an offer that `read` gave `media` for: the one codec, our direction the mirror of theirs.
pub fn answer(address: SocketAddr, media: &LegMedia, session: u64, version: u64) -> Vec<u8> {
    let direction = match (media.send, media.receive) {
        (true, true) => Direction::SendRecv,
        (true, false) => Direction::SendOnly,
        (false, true) => Direction::RecvOnly,
        (false, false) => Direction::Inactive,
    };
    body(address, &[media.codec], media.dtmf, direction, session, version)
}

fn body(
    address: SocketAddr,
    codecs: &[Codec],
    dtmf: Option<u8>,
    direction: Direction,
    session: u64,
    version: u64,
) -> Vec<u8> {
    let family = if address.is_ipv6() { "IP6" } else { "IP4" };
    let ip = address.ip();
    let mut formats: Vec<u8> = codecs.iter().map(|c| c.payload_type()).collect();
    formats.extend(dtmf);
    let list = formats.iter().map(u8::to_string).collect::<Vec<_>>().join(" ");
    let mut sdp = format!(
        "v=0\r\no=outpace {session} {version} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
         m=audio {} RTP/AVP {list}\r\n",
        address.port()
    );
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
pub fn read(bytes: &[u8], allowed: &[Codec]) -> Result<LegMedia, SdpError> {
    if bytes.len() > SDP_MAX {
        return Err(SdpError::Unreadable);
    }
    let session = sdp_types::Session::parse(bytes).map_err(|_| SdpError::Unreadable)?;
    let audio = session
        .medias
        .iter()
        .find(|m| m.media == "audio" && m.port != 0 && m.proto.starts_with("RTP/AVP"))
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
    let held_by_address = ip.is_unspecified();
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
    Ok(LegMedia {
        remote: SocketAddr::new(ip, audio.port),
        codec,
        dtmf,
        send: matches!(theirs, Direction::SendRecv | Direction::RecvOnly) && !held_by_address,
        receive: matches!(theirs, Direction::SendRecv | Direction::SendOnly),
    })
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
        let media = read(&offer(address(), &BOTH, 1), &BOTH).unwrap();
        assert_eq!(media.remote, address());
        assert_eq!(
            (media.codec, media.dtmf, media.send, media.receive),
            (Codec::Pcma, Some(101), true, true)
        );
    }

    #[test]
    fn hold_is_mirrored() {
        let held = String::from_utf8(offer(address(), &BOTH, 1)).unwrap().replace("sendrecv", "sendonly");
        let media = read(held.as_bytes(), &BOTH).unwrap();
        assert!(!media.send && media.receive);
        let answer = String::from_utf8(answer(address(), &media, 1, 2)).unwrap();
        assert!(answer.contains("a=recvonly"), "{answer}");
    }

    #[test]
    fn the_far_ends_order_decides_and_strange_bodies_are_refused() {
        let pcmu = b"v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 18 0 8\r\n";
        assert_eq!(read(pcmu, &BOTH).unwrap().codec, Codec::Pcmu);
        assert_eq!(read(pcmu, &[Codec::Pcma]).unwrap().codec, Codec::Pcma);
        let g729 = b"v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 18\r\n";
        assert_eq!(read(g729, &BOTH), Err(SdpError::NoCommonCodec));
        assert_eq!(read(b"\xff\xfe", &BOTH), Err(SdpError::Unreadable));
        assert_eq!(read(&vec![b'a'; 20_000], &BOTH), Err(SdpError::Unreadable));
    }
}
