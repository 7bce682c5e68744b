//! name-addr and addr-spec with header parameters (RFC 3261 §20.10, §25.1), and comma lists.

use super::Uri;

/// From, To, Contact, Route: a URI, perhaps with a display name, and parameters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address<'a> {
    pub uri: &'a [u8],
    params: &'a [u8],
}

impl<'a> Address<'a> {
    /// None when quotes or angle brackets do not match.
    pub fn parse(value: &'a [u8]) -> Option<Address<'a>> {
        let value = value.trim_ascii();
        let open = if value.first() == Some(&b'"') {
            let after = quoted_end(value)?;
            let gap = value[after..].len() - value[after..].trim_ascii_start().len();
            if value.get(after + gap) != Some(&b'<') {
                return None;
            }
            Some(after + gap)
        } else {
            value.iter().position(|&b| b == b'<')
        };
        let Some(open) = open else { return Address::parse_bare(value) };
        // RFC 4475 §3.1.2.15 lets us take what is no run of tokens; real phones send it.
        if value[0] != b'"' && value[..open].contains(&b'"') {
            return None;
        }
        let inner = &value[open + 1..];
        let close = inner.iter().position(|&b| b == b'>')?;
        let params = inner[close + 1..].trim_ascii();
        if !params.is_empty() && params[0] != b';' {
            return None;
        }
        if has_open_quote(params) {
            return None;
        }
        Some(Address { uri: inner[..close].trim_ascii(), params })
    }

    /// RFC 3261 §20.10: without angle brackets everything after the first semicolon belongs to the header.
    fn parse_bare(value: &'a [u8]) -> Option<Address<'a>> {
        let end = value.iter().position(|&b| b == b';').unwrap_or(value.len());
        let uri = value[..end].trim_ascii();
        if uri.is_empty() || uri.iter().any(|&b| matches!(b, b'"' | b'>' | b' ' | b'\t' | b',' | b'?')) {
            return None;
        }
        if has_open_quote(&value[end..]) {
            return None;
        }
        Some(Address { uri, params: &value[end..] })
    }

    /// A header parameter by name; empty when it has no value.
    pub fn param(&self, name: &str) -> Option<&'a [u8]> {
        param(self.params, name)
    }

    pub fn parsed_uri(&self) -> Option<Uri<'a>> {
        Uri::parse(self.uri)
    }
}

/// A parameter of `;name=value;name;…`; empty when it has no value. Blanks around `;` and `=` are allowed.
pub(crate) fn param<'a>(params: &'a [u8], name: &str) -> Option<&'a [u8]> {
    split_quoted(params, b';').find_map(|piece| {
        let equals = piece.iter().position(|&b| b == b'=');
        let key = piece[..equals.unwrap_or(piece.len())].trim_ascii();
        if !key.eq_ignore_ascii_case(name.as_bytes()) {
            return None;
        }
        Some(equals.map_or(&b""[..], |at| piece[at + 1..].trim_ascii()))
    })
}

/// The elements of a comma list, blanks trimmed, empty ones left out. Commas in quotes and angle brackets do not count.
pub(crate) fn split_list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    split_quoted(value, b',').map(<[u8]>::trim_ascii).filter(|piece| !piece.is_empty())
}

fn split_quoted(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let bytes = rest?;
        let (mut quoted, mut angle, mut escaped) = (false, false, false);
        let end = bytes.iter().position(|&b| {
            if escaped {
                escaped = false;
                return false;
            }
            match b {
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b'<' if !quoted => angle = true,
                b'>' if !quoted => angle = false,
                _ => return b == separator && !quoted && !angle,
            }
            false
        });
        rest = end.map(|at| &bytes[at + 1..]);
        Some(&bytes[..end.unwrap_or(bytes.len())])
    })
}

/// The content of a quoted string with its escapes taken out; anything else as it is.
pub(crate) fn unquote(value: &[u8]) -> Vec<u8> {
    let Some(inner) = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")) else {
        return value.to_vec();
    };
    let mut out = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(&b) = bytes.next() {
        match b {
            b'\\' => out.extend(bytes.next()),
            _ => out.push(b),
        }
    }
    out
}

/// Just past the closing quote of a value that starts with a quote.
fn quoted_end(value: &[u8]) -> Option<usize> {
    let mut at = 1;
    while at < value.len() {
        match value[at] {
            b'\\' => at += 1,
            b'"' => return Some(at + 1),
            _ => {}
        }
        at += 1;
    }
    None
}

fn has_open_quote(value: &[u8]) -> bool {
    let mut at = 0;
    while let Some(step) = value.get(at..).and_then(|v| v.iter().position(|&b| b == b'"')) {
        at += step;
        match quoted_end(&value[at..]) {
            Some(length) => at += length,
            None => return true,
        }
    }
    false
}
