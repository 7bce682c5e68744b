//! As much of SIP as a carrier and phones on a loss-free network need, and as cheap.

use std::fmt::Write as _;
use std::net::SocketAddr;

/// The fields that answers and requests within the dialog repeat.
#[derive(Default, Clone, Debug)]
pub struct Message {
    /// The request line's method, or the status of a response.
    pub start: String,
    pub target: String,
    vias: Vec<String>,
    pub from: String,
    pub to: String,
    pub call_id: String,
    pub cseq: String,
    pub contact: String,
    pub challenge: String,
    /// Where the sender wants to hear; 0: nowhere that it says.
    pub audio_port: u16,
}

impl Message {
    pub fn parse(bytes: &[u8]) -> Option<Message> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut lines = text.split("\r\n");
        let first = lines.next()?;
        let mut words = first.split(' ');
        let (start, target) = match words.next()? {
            "SIP/2.0" => (words.next()?, ""),
            method => (method, words.next()?),
        };
        let mut message = Message { start: start.into(), target: target.into(), ..Message::default() };
        for line in lines.take_while(|line| !line.is_empty()) {
            let Some((name, value)) = line.split_once(':') else { continue };
            let (name, value) = (name.trim_end(), value.trim());
            if is(name, "Via", "v") {
                message.vias.push(value.to_owned());
            } else if is(name, "From", "f") {
                message.from = value.to_owned();
            } else if is(name, "To", "t") {
                message.to = value.to_owned();
            } else if is(name, "Call-ID", "i") {
                message.call_id = value.to_owned();
            } else if is(name, "CSeq", "CSeq") {
                message.cseq = value.to_owned();
            } else if is(name, "Contact", "m") {
                message.contact = value.to_owned();
            } else if is(name, "WWW-Authenticate", "WWW-Authenticate") {
                message.challenge = value.to_owned();
            }
        }
        let audio =
            text.split_once("\r\nm=audio ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
        message.audio_port = audio.unwrap_or_default();
        Some(message)
    }

    pub fn is_response(&self) -> bool {
        self.start.starts_with(|c: char| c.is_ascii_digit())
    }

    /// The method that a response is about, or the request's own.
    pub fn method(&self) -> &str {
        self.cseq.split(' ').nth(1).unwrap_or_default()
    }

    /// The user part of the request's target.
    pub fn user(&self) -> &str {
        user(&self.target)
    }

    /// The user part of who calls.
    pub fn caller(&self) -> &str {
        self.from.split_once("sip:").map_or("", |(_, rest)| user_of(rest))
    }

    pub fn response(&self, status: u16, tag: &str, contact: SocketAddr, sdp: &str) -> Vec<u8> {
        let mut text = String::with_capacity(800);
        let _ = write!(text, "SIP/2.0 {status} Said\r\n");
        for via in &self.vias {
            let _ = write!(text, "Via: {via}\r\n");
        }
        let tagged = self.to.contains(";tag=") || status == 100;
        let tag = if tagged { String::new() } else { format!(";tag={tag}") };
        let _ = write!(
            text,
            "From: {}\r\nTo: {}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\nContact: <sip:{contact}>\r\n",
            self.from, self.to, self.call_id, self.cseq
        );
        end(text, sdp)
    }

    /// The ACK of a response that is no 2xx.
    pub fn ack(&self, server: SocketAddr) -> Vec<u8> {
        let via = self.vias.first().map_or("", String::as_str);
        let number = self.cseq.split(' ').next().unwrap_or_default();
        let text = format!(
            "ACK sip:{server} SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\n\
             CSeq: {number} ACK\r\n",
            self.from, self.to, self.call_id
        );
        end(text, "")
    }

    /// A BYE from the side that got this INVITE.
    pub fn bye(&self, tag: &str, from: SocketAddr, branch: u64) -> Vec<u8> {
        let target = self.contact.trim_start_matches('<').split('>').next().unwrap_or_default();
        let text = format!(
            "BYE {target} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{branch:x}\r\nMax-Forwards: 70\r\n\
             From: {};tag={tag}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: 1 BYE\r\n",
            self.to, self.from, self.call_id
        );
        end(text, "")
    }
}

pub fn end(mut text: String, body: &str) -> Vec<u8> {
    if !body.is_empty() {
        text.push_str("Content-Type: application/sdp\r\n");
    }
    let _ = write!(text, "Content-Length: {}\r\n\r\n{body}", body.len());
    text.into_bytes()
}

fn is(name: &str, long: &str, short: &str) -> bool {
    name.eq_ignore_ascii_case(long) || name.eq_ignore_ascii_case(short)
}

fn user(uri: &str) -> &str {
    user_of(uri.trim_start_matches("sip:"))
}

fn user_of(rest: &str) -> &str {
    rest.split(['@', '>', ';']).next().unwrap_or_default()
}

/// The port of those who hear and send nothing.
pub const SILENT: u16 = 9;

/// G.711, heard at this port.
pub fn sdp(port: u16) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\n\
         a=rtpmap:8 PCMA/8000\r\na=sendrecv\r\n"
    )
}
