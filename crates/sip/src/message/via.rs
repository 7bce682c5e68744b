//! The Via header (RFC 3261 §20.42, RFC 3581).

use super::{param, uri::host_port};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Via<'a> {
    pub host: &'a [u8],
    pub port: Option<u16>,
    params: &'a [u8],
}

impl<'a> Via<'a> {
    /// One element of a Via header. Blanks around the slashes and the colon are allowed.
    pub fn parse(value: &'a [u8]) -> Option<Via<'a>> {
        let (name, rest) = cut(value, b'/')?;
        let (version, rest) = cut(rest, b'/')?;
        // Another version is refused by its request line (RFC 4475 §3.1.2.16).
        let versioned = !version.is_empty() && version.iter().all(|b| b.is_ascii_digit() || *b == b'.');
        if !name.eq_ignore_ascii_case(b"SIP") || !versioned {
            return None;
        }
        let blank = rest.iter().position(|b| b.is_ascii_whitespace())?;
        let sent = &rest[blank..];
        let end = sent.iter().position(|&b| b == b';').unwrap_or(sent.len());
        let (host, port) = host_port(&sent[..end])?;
        Some(Via { host, port, params: &sent[end..] })
    }

    pub fn param(&self, name: &str) -> Option<&'a [u8]> {
        param(self.params, name)
    }

    /// The branch; empty when absent.
    pub fn branch(&self) -> &'a [u8] {
        self.param("branch").unwrap_or(b"")
    }
}

fn cut(bytes: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|&b| b == separator)?;
    Some((bytes[..at].trim_ascii(), bytes[at + 1..].trim_ascii_start()))
}
