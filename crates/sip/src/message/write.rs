//! Messages to bytes.

use super::{Message, Method, Name, Via};
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;

/// Builds one message, header line by header line.
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub fn request(method: &str, uri: &[u8]) -> Writer {
        let mut writer = Writer { bytes: Vec::with_capacity(768) };
        writer.bytes.extend_from_slice(method.as_bytes());
        writer.bytes.push(b' ');
        writer.push_clean(uri);
        writer.bytes.extend_from_slice(b" SIP/2.0\r\n");
        writer
    }

    fn status_line(status: u16, reason: &str) -> Writer {
        let mut writer = Writer { bytes: Vec::with_capacity(640) };
        writer.push_format(format_args!("SIP/2.0 {status} "));
        writer.push_clean(reason.as_bytes());
        writer.bytes.extend_from_slice(b"\r\n");
        writer
    }

    /// The start of a response (RFC 3261 §8.2.6): Via with `received` and `rport` (RFC 3581 §4), From, To with our tag,
    /// Call-ID, CSeq and the Timestamp of a 100. `tag` is left out where To has one already.
    pub fn response(request: &Message, peer: SocketAddr, status: u16, tag: &str) -> Writer {
        let mut writer = Writer::status_line(status, reason_phrase(status));
        let mut first = true;
        for value in request.list(Name::Via).filter(|value| Via::parse(value).is_some()) {
            if first {
                writer.field_with("Via", |out| push_top_via(out, value, peer));
                first = false;
            } else {
                writer.field("Via", value);
            }
        }
        writer.copy(request, "From", Name::From);
        if let Some(to) = request.field(Name::To) {
            if status == 100 || tag.is_empty() || request.to_tag().is_some() {
                writer.field("To", to);
            } else {
                writer.field_with("To", |out| {
                    out.extend_from_slice(to);
                    out.extend_from_slice(b";tag=");
                    out.extend_from_slice(tag.as_bytes());
                });
            }
        }
        writer.copy(request, "Call-ID", Name::CallId);
        writer.copy(request, "CSeq", Name::CSeq);
        writer
    }

    fn copy(&mut self, from: &Message, label: &str, name: Name) {
        if let Some(value) = from.field(name) {
            self.field(label, value);
        }
    }

    /// One header line. Line ends in the value become blanks, so nobody can smuggle a header in.
    pub fn field(&mut self, name: &str, value: impl AsRef<[u8]>) -> &mut Writer {
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(b": ");
        self.push_clean(value.as_ref());
        self.bytes.extend_from_slice(b"\r\n");
        self
    }

    fn field_with(&mut self, name: &str, fill: impl FnOnce(&mut Vec<u8>)) -> &mut Writer {
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(b": ");
        fill(&mut self.bytes);
        self.bytes.extend_from_slice(b"\r\n");
        self
    }

    pub fn format(&mut self, name: &str, value: std::fmt::Arguments<'_>) -> &mut Writer {
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(b": ");
        let from = self.bytes.len();
        self.push_format(value);
        clean(&mut self.bytes[from..]);
        self.bytes.extend_from_slice(b"\r\n");
        self
    }

    /// Ends the message without a body.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(b"Content-Length: 0\r\n\r\n");
        self.bytes
    }

    /// Ends the message with a body; an empty one is no body.
    pub fn body(mut self, content_type: &str, body: &[u8]) -> Vec<u8> {
        if body.is_empty() {
            return self.finish();
        }
        self.field("Content-Type", content_type);
        self.close(body)
    }

    fn close(mut self, body: &[u8]) -> Vec<u8> {
        self.push_format(format_args!("Content-Length: {}\r\n\r\n", body.len()));
        self.bytes.extend_from_slice(body);
        self.bytes
    }

    fn push_format(&mut self, value: std::fmt::Arguments<'_>) {
        self.bytes.write_fmt(value).expect("a Vec takes every write");
    }

    fn push_clean(&mut self, value: &[u8]) {
        let from = self.bytes.len();
        self.bytes.extend_from_slice(value);
        clean(&mut self.bytes[from..]);
    }
}

fn clean(bytes: &mut [u8]) {
    for b in bytes.iter_mut().filter(|b| matches!(b, b'\r' | b'\n')) {
        *b = b' ';
    }
}

/// RFC 3261 §18.2.1, RFC 3581 §4: says where the request came from. What a client filled in itself is dropped.
fn push_top_via(out: &mut Vec<u8>, value: &[u8], peer: SocketAddr) {
    let mut wants_port = false;
    for (index, piece) in value.split(|&b| b == b';').enumerate() {
        let key = piece.split(|&b| b == b'=').next().unwrap_or(b"").trim_ascii();
        if index > 0 && key.eq_ignore_ascii_case(b"rport") {
            wants_port = true;
            continue;
        }
        if index > 0 && key.eq_ignore_ascii_case(b"received") {
            continue;
        }
        if index > 0 {
            out.push(b';');
        }
        out.extend_from_slice(piece);
    }
    let from = out.len();
    write!(out, ";received={}", peer.ip()).expect("a Vec takes every write");
    if wants_port {
        write!(out, ";rport={}", peer.port()).expect("a Vec takes every write");
    }
    debug_assert!(out.len() > from);
}

/// RFC 3261 §17.1.1.3: the ACK that belongs to the transaction of a failed INVITE.
pub(crate) fn ack_for_failure(invite: &Message, response: &Message) -> Vec<u8> {
    let mut writer = inherit(invite, Method::Ack);
    writer.field("To", response.field(Name::To).unwrap_or(b""));
    writer.finish()
}

/// RFC 3261 §9.1: the CANCEL for an INVITE, with the same branch.
pub(crate) fn cancel_for(invite: &Message) -> Vec<u8> {
    let mut writer = inherit(invite, Method::Cancel);
    writer.field("To", invite.field(Name::To).unwrap_or(b""));
    writer.finish()
}

fn inherit(invite: &Message, method: Method) -> Writer {
    let mut writer = Writer::request(method.as_str(), invite.uri());
    if let Some(via) = invite.list(Name::Via).next() {
        writer.field("Via", via);
    }
    writer.field("Max-Forwards", "70");
    for route in invite.fields(Name::Route) {
        writer.field("Route", route);
    }
    writer.copy(invite, "From", Name::From);
    writer.copy(invite, "Call-ID", Name::CallId);
    let number = invite.cseq().map_or(1, |(number, _)| number);
    writer.format("CSeq", format_args!("{number} {}", method.as_str()));
    writer
}

/// The same request again as a new transaction: with another Via and CSeq number, and with `fresh` header lines in place
/// of those of the same names. Credentials of the old request never stay.
pub(crate) fn rewrite(old: &Message, via: &str, cseq: u32, fresh: &[(Name, &str, Vec<u8>)]) -> Vec<u8> {
    let method = old.method().unwrap_or(Method::Options);
    let mut writer = Writer::request(method.as_str(), old.uri());
    writer.field("Via", via);
    for (name, label, value) in old.all_fields() {
        let replaced = fresh.iter().any(|(other, _, _)| *other == name);
        match name {
            Name::Via | Name::ContentLength | Name::Authorization | Name::ProxyAuthorization => {}
            Name::CSeq => {
                writer.format("CSeq", format_args!("{cseq} {}", method.as_str()));
            }
            _ if replaced => {}
            _ => {
                writer.field(&String::from_utf8_lossy(label), value);
            }
        }
    }
    for (_, label, value) in fresh {
        writer.field(label, value);
    }
    writer.close(old.body())
}

/// A quoted string of any text.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars().filter(|c| !c.is_control()) {
        if c == '"' || c == '\\' {
            out.push('\\');
        }
        write!(out, "{c}").expect("a String takes every write");
    }
    out.push('"');
    out
}

/// The default phrase of a status (RFC 3261 §21 and the RFCs after it).
pub(crate) fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        200 => "OK",
        202 => "Accepted",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        413 => "Request Entity Too Large",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        421 => "Extension Required",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        _ => match status / 100 {
            1 => "Session Progress",
            2 => "OK",
            3 => "Redirection",
            4 => "Request Failure",
            5 => "Server Failure",
            _ => "Global Failure",
        },
    }
}
