//! SIP URIs (RFC 3261 §19.1), as far as routing and accounts need them.

use super::{leading_number, param};
use std::net::IpAddr;

/// A sip, sips or tel URI taken apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Uri<'a> {
    /// As written; compare with [`Uri::is_sip`].
    pub scheme: &'a [u8],
    /// Without the password; empty when absent. For tel the number.
    pub user: &'a [u8],
    /// Without the brackets of an IPv6 literal; empty for tel.
    pub host: &'a [u8],
    pub port: Option<u16>,
    params: &'a [u8],
}

impl<'a> Uri<'a> {
    /// None when there is no scheme, no host, or a port that is no port.
    pub fn parse(uri: &'a [u8]) -> Option<Uri<'a>> {
        let colon = uri.iter().position(|&b| b == b':')?;
        let (scheme, rest) = (&uri[..colon], &uri[colon + 1..]);
        if scheme.is_empty() || !scheme.iter().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b)) {
            return None;
        }
        if !scheme.eq_ignore_ascii_case(b"sip") && !scheme.eq_ignore_ascii_case(b"sips") {
            let end = rest.iter().position(|&b| b == b';').unwrap_or(rest.len());
            return Some(Uri { scheme, user: &rest[..end], host: b"", port: None, params: &rest[end..] });
        }
        // The user part may hold `;` and `?`, so it is cut off first (RFC 4475 §3.1.1.9).
        let (userinfo, hostpart) = match rest.iter().position(|&b| b == b'@') {
            Some(at) => (&rest[..at], &rest[at + 1..]),
            None => (&b""[..], rest),
        };
        let user = &userinfo[..userinfo.iter().position(|&b| b == b':').unwrap_or(userinfo.len())];
        let end = hostpart.iter().position(|&b| b == b';' || b == b'?').unwrap_or(hostpart.len());
        let (host, port) = host_port(&hostpart[..end])?;
        let tail = &hostpart[end..];
        let params = &tail[..tail.iter().position(|&b| b == b'?').unwrap_or(tail.len())];
        Some(Uri { scheme, user, host, port, params })
    }

    pub fn is_sip(&self) -> bool {
        self.scheme.eq_ignore_ascii_case(b"sip") || self.scheme.eq_ignore_ascii_case(b"sips")
    }

    pub fn param(&self, name: &str) -> Option<&'a [u8]> {
        param(self.params, name)
    }

    /// The user part with percent escapes taken out.
    pub fn user_text(&self) -> String {
        String::from_utf8_lossy(&percent_decode(self.user)).into_owned()
    }

    /// The host when it is an IP literal.
    pub fn ip(&self) -> Option<IpAddr> {
        std::str::from_utf8(self.host).ok()?.parse().ok()
    }
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`.
pub(super) fn host_port(bytes: &[u8]) -> Option<(&[u8], Option<u16>)> {
    let bytes = bytes.trim_ascii();
    let (host, rest) = if let Some(inner) = bytes.strip_prefix(b"[") {
        let close = inner.iter().position(|&b| b == b']')?;
        (&inner[..close], &inner[close + 1..])
    } else {
        let end = bytes.iter().position(|&b| b == b':').unwrap_or(bytes.len());
        (bytes[..end].trim_ascii(), &bytes[end..])
    };
    let known =
        |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'%') || *b >= 0x80;
    if host.is_empty() || !host.iter().all(known) {
        return None;
    }
    let Some(digits) = rest.strip_prefix(b":") else {
        return rest.is_empty().then_some((host, None));
    };
    let digits = digits.trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let port = leading_number(digits).and_then(|n| u16::try_from(n).ok())?;
    Some((host, Some(port)))
}

/// Percent escapes taken out; a broken escape stays as it is.
pub(super) fn percent_decode(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match pair.and_then(|p| Some((hex(p[0])? << 4) | hex(p[1])?)) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    out
}

/// A user part as it may stand in a URI.
pub(crate) fn percent_encode_user(user: &str) -> String {
    let mut out = String::with_capacity(user.len());
    for b in user.bytes() {
        let plain = b.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&b);
        if plain {
            out.push(char::from(b));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(b >> 4)]));
            out.push(char::from(HEX[usize::from(b & 15)]));
        }
    }
    out
}

const HEX: [u8; 16] = *b"0123456789ABCDEF";

fn hex(b: u8) -> Option<u8> {
    char::from(b).to_digit(16).map(|d| d as u8)
}
