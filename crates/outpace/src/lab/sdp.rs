//! The little SDP (RFC 8866, RFC 3264) that test phones need: one audio stream, G.711, telephone-event.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use media::Codec;

/// More lines than this are not read.
const LINES_MAX: usize = 1000;
/// Payload type under which telephone-event is offered.
#[cfg(test)]
const DTMF: u8 = 101;

/// What the far end wants, as far as a test phone cares.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remote {
    /// Where its RTP is to go.
    pub addr: SocketAddr,
    /// The first codec in its list that we speak.
    pub codec: Codec,
    /// Payload type of telephone-event (RFC 4733), when named.
    pub dtmf: Option<u8>,
    /// It sends sound.
    pub sends: bool,
    /// It wants to hear sound.
    pub receives: bool,
    /// Every media line of it, as "kind proto format", because an answer must refuse the others one by one.
    lines: Vec<String>,
    chosen: usize,
}

#[derive(Default)]
struct Stream {
    kind: String,
    protocol: String,
    port: u16,
    formats: Vec<String>,
    addr: Option<IpAddr>,
    /// Payload type and upper-case name with rate, as in `8 PCMA/8000`.
    maps: Vec<(u8, String)>,
    direction: Option<String>,
}

/// Reads an offer or an answer. None when no audio stream in it can be used.
pub fn read(sdp: &[u8]) -> Option<Remote> {
    let text = String::from_utf8_lossy(sdp);
    let mut session = Stream::default();
    let mut streams: Vec<Stream> = Vec::new();
    for line in text.lines().take(LINES_MAX) {
        let line = line.trim();
        let Some((kind, value)) = line.split_once('=') else { continue };
        let value = value.trim();
        if kind.eq_ignore_ascii_case("m") {
            streams.push(media_line(value));
            continue;
        }
        let scope = streams.last_mut().unwrap_or(&mut session);
        match kind {
            "c" | "C" => scope.addr = connection(value).or(scope.addr),
            "a" | "A" => attribute(scope, value),
            _ => {}
        }
    }
    let chosen = streams.iter().position(|s| s.kind == "audio" && s.port != 0)?;
    let lines = streams.iter().map(Stream::line).collect();
    remote(&session, &streams[chosen], lines, chosen)
}

fn remote(session: &Stream, stream: &Stream, lines: Vec<String>, chosen: usize) -> Option<Remote> {
    let addr = SocketAddr::new(stream.addr.or(session.addr)?, stream.port);
    let codec = stream.formats.iter().find_map(|f| stream.codec(f))?;
    let dtmf = stream.maps.iter().find(|(_, name)| name == "TELEPHONE-EVENT/8000").map(|(pt, _)| *pt);
    let direction = stream.direction.as_deref().or(session.direction.as_deref()).unwrap_or("sendrecv");
    // RFC 3264 §8.4: the address 0.0.0.0 is how old phones hold a call.
    let held = addr.ip().is_unspecified();
    Some(Remote {
        addr,
        codec,
        dtmf,
        sends: matches!(direction, "sendrecv" | "sendonly"),
        receives: matches!(direction, "sendrecv" | "recvonly") && !held,
        lines,
        chosen,
    })
}

fn media_line(value: &str) -> Stream {
    let mut words = value.split_whitespace();
    let kind = words.next().unwrap_or_default().to_ascii_lowercase();
    // "port/count" names several ports; the first is meant.
    let port = words.next().unwrap_or_default().split('/').next().and_then(|p| p.parse().ok());
    let protocol = words.next().unwrap_or("RTP/AVP").to_owned();
    Stream {
        kind,
        protocol,
        port: port.unwrap_or(0),
        formats: words.map(str::to_owned).collect(),
        ..Stream::default()
    }
}

fn connection(value: &str) -> Option<IpAddr> {
    let host = value.split_whitespace().nth(2)?;
    host.split('/').next()?.parse().ok()
}

fn attribute(scope: &mut Stream, value: &str) {
    let (name, rest) = value.split_once(':').unwrap_or((value, ""));
    match name.trim().to_ascii_lowercase().as_str() {
        "rtpmap" => {
            let mut words = rest.split_whitespace();
            if let (Some(Ok(pt)), Some(name)) = (words.next().map(str::parse), words.next()) {
                scope.maps.push((pt, name.to_ascii_uppercase()));
            }
        }
        direction @ ("sendrecv" | "sendonly" | "recvonly" | "inactive") => {
            scope.direction = Some(direction.to_owned());
        }
        _ => {}
    }
}

impl Stream {
    /// Only the static payload types (RFC 3551 §6): nothing offers G.711 under another.
    fn codec(&self, format: &str) -> Option<Codec> {
        let pt: u8 = format.parse().ok()?;
        let named = self.maps.iter().find(|(p, _)| *p == pt).map(|(_, name)| name.as_str());
        match (pt, named) {
            (0, None | Some("PCMU/8000" | "PCMU/8000/1")) => Some(Codec::Pcmu),
            (8, None | Some("PCMA/8000" | "PCMA/8000/1")) => Some(Codec::Pcma),
            _ => None,
        }
    }

    fn line(&self) -> String {
        let format = self.formats.first().map_or("0", String::as_str);
        format!("{} 0 {} {format}", self.kind, self.protocol)
    }
}

/// An offer of both G.711 laws and telephone-event. `session`: the number in the `o=` line.
#[cfg(test)]
pub fn offer(addr: SocketAddr, session: u64) -> Vec<u8> {
    let mut sdp = session_lines(addr, session);
    let _ = write!(
        sdp,
        "m=audio {} RTP/AVP 8 0 {DTMF}\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n{}a=ptime:20\r\na=sendrecv\r\n",
        addr.port(),
        dtmf_lines(DTMF)
    );
    sdp.into_bytes()
}

/// The answer to an offer: its first codec that we speak, and nothing else.
pub fn answer(addr: SocketAddr, session: u64, offer: &Remote) -> Vec<u8> {
    let mut sdp = session_lines(addr, session);
    for (n, line) in offer.lines.iter().enumerate() {
        if n == offer.chosen {
            sdp.push_str(&chosen_stream(addr, offer));
        } else {
            let _ = write!(sdp, "m={line}\r\n");
        }
    }
    sdp.into_bytes()
}

fn chosen_stream(addr: SocketAddr, offer: &Remote) -> String {
    let pt = offer.codec.payload_type();
    let name = match offer.codec {
        Codec::Pcmu => "PCMU",
        Codec::Pcma => "PCMA",
    };
    let (format, dtmf) = match offer.dtmf {
        Some(dtmf) => (format!("{pt} {dtmf}"), dtmf_lines(dtmf)),
        None => (pt.to_string(), String::new()),
    };
    let direction = match (offer.sends, offer.receives) {
        (true, true) => "sendrecv",
        (true, false) => "recvonly",
        (false, true) => "sendonly",
        (false, false) => "inactive",
    };
    format!(
        "m=audio {} RTP/AVP {format}\r\na=rtpmap:{pt} {name}/8000\r\n{dtmf}a=ptime:20\r\na={direction}\r\n",
        addr.port()
    )
}

fn session_lines(addr: SocketAddr, session: u64) -> String {
    let family = if addr.is_ipv4() { "IP4" } else { "IP6" };
    let ip = addr.ip();
    format!("v=0\r\no=lab {session} {session} IN {family} {ip}\r\ns=lab\r\nc=IN {family} {ip}\r\nt=0 0\r\n")
}

fn dtmf_lines(payload_type: u8) -> String {
    format!("a=rtpmap:{payload_type} telephone-event/8000\r\na=fmtp:{payload_type} 0-16\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> SocketAddr {
        "127.0.0.1:40000".parse().unwrap()
    }

    #[test]
    fn an_offer_reads_back_with_its_first_codec() {
        let remote = read(&offer(here(), 7)).unwrap();
        assert_eq!(remote.addr, here());
        assert_eq!(remote.codec, Codec::Pcma);
        assert_eq!(remote.dtmf, Some(DTMF));
        assert!(remote.sends && remote.receives);
    }

    #[test]
    fn an_answer_names_one_codec_and_mirrors_the_direction() {
        let sdp = b"v=0\r\nc=IN IP4 10.0.0.9\r\nm=audio 4000 RTP/AVP 18 0 8 96\r\na=rtpmap:96 telephone-event/8000\r\na=sendonly\r\n";
        let text = String::from_utf8(answer(here(), 1, &read(sdp).unwrap())).unwrap();
        assert!(text.contains("m=audio 40000 RTP/AVP 0 96\r\n"), "{text}");
        assert!(text.contains("a=recvonly\r\n"), "{text}");
        assert!(!text.contains("PCMA"), "{text}");
    }

    #[test]
    fn lines_without_carriage_return_and_odd_case_are_read() {
        let sdp =
            b"v=0\nc=IN IP4 10.0.0.9/127 \nm=Audio 4000/2 RTP/AVP 8\nA=RTPMAP:8 pcma/8000\na=inactive\n";
        let remote = read(sdp).unwrap();
        assert_eq!(remote.addr, "10.0.0.9:4000".parse().unwrap());
        assert_eq!(remote.codec, Codec::Pcma);
        assert!(!remote.sends && !remote.receives);
    }

    #[test]
    fn the_address_of_the_stream_goes_before_that_of_the_session() {
        let sdp = b"c=IN IP4 10.0.0.1\nm=audio 4000 RTP/AVP 0\nc=IN IP6 ::1\n";
        assert_eq!(read(sdp).unwrap().addr, "[::1]:4000".parse().unwrap());
    }

    #[test]
    fn a_hold_by_address_zero_wants_no_sound() {
        let sdp = b"c=IN IP4 0.0.0.0\nm=audio 4000 RTP/AVP 0\n";
        assert!(!read(sdp).unwrap().receives);
    }

    #[test]
    fn other_streams_are_refused_in_their_place() {
        let sdp =
            b"c=IN IP4 10.0.0.1\nm=video 5000 RTP/AVP 96\nm=audio 4000 RTP/AVP 0\nm=image 6000 udptl t38\n";
        let text = String::from_utf8(answer(here(), 1, &read(sdp).unwrap())).unwrap();
        let lines: Vec<&str> = text.lines().filter(|l| l.starts_with("m=")).collect();
        assert_eq!(lines, ["m=video 0 RTP/AVP 96", "m=audio 40000 RTP/AVP 0", "m=image 0 udptl t38"]);
    }

    #[test]
    fn what_has_no_usable_audio_is_refused_and_nothing_panics() {
        let whole: &[u8] = b"v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\nc=IN IP4 1.2.3.4\r\nm=audio 4000 RTP/AVP 0\r\n";
        assert!(read(whole).is_some());
        for cut in 0..whole.len() - 12 {
            let _ = read(&whole[..cut]);
        }
        for bad in [
            &b""[..],
            b"m=",
            b"m=audio",
            b"c=IN IP4 1.2.3.4\nm=audio 0 RTP/AVP 0\n",
            b"c=IN IP4 1.2.3.4\nm=audio 4000 RTP/AVP 18\n",
            b"m=audio 4000 RTP/AVP 0\n",
            b"c=IN IP4 example.org\nm=audio 4000 RTP/AVP 0\n",
            b"\xff\xfe=\x00\nm=audio 99999 RTP/AVP 0",
            b"c=IN IP4 1.2.3.4\nm=audio 4000 RTP/AVP 0\na=rtpmap:0 G729/8000\n",
        ] {
            assert_eq!(read(bad), None, "{}", String::from_utf8_lossy(bad));
        }
    }
}
