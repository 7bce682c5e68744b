//! SIP messages: a parser that works on bytes, and a writer.
//!
//! The parser keeps one copy of the message and points into it. Text that is not UTF-8 is carried through as it is and
//! becomes lossy only where the crate hands out a `String`. A message that can be read well enough to be answered but
//! breaks the grammar carries a [`Defect`], the status with which a request is to be refused.

mod address;
mod check;
mod field;
mod frame;
mod parse;
mod replaces;
mod uri;
mod via;
mod write;

pub(crate) use address::{Address, param, split_list, unquote};
pub(crate) use check::{check_request, check_response};
pub(crate) use field::{Method, Name};
pub(crate) use frame::{Frame, Stream};
pub(crate) use parse::parse;
pub use replaces::Replaces;
pub(crate) use uri::{Uri, percent_encode_user};
pub(crate) use via::Via;
pub(crate) use write::{Writer, ack_for_failure, cancel_for, quote, reason_phrase, rewrite};

use std::borrow::Cow;
use std::ops::Range;

/// Largest message, in bytes. It is also the largest UDP datagram.
pub(crate) const SIZE_MAX: usize = 65_535;
/// Most header lines in a message.
pub(crate) const FIELDS_MAX: usize = 256;
/// Longest header line after unfolding, in bytes.
pub(crate) const LINE_MAX: usize = 8_192;

/// Why a request is refused before anyone looks at what it wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Defect {
    pub status: u16,
    pub reason: &'static str,
}

impl Defect {
    pub fn bad(reason: &'static str) -> Defect {
        Defect { status: 400, reason }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Start {
    Request { method: Method, uri: Range<usize> },
    Response { status: u16, reason: Range<usize> },
}

#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub name: Name,
    pub label: Range<usize>,
    pub value: Range<usize>,
}

/// One parsed message.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    raw: Vec<u8>,
    start: Start,
    fields: Vec<Field>,
    body: Range<usize>,
    defect: Option<Defect>,
}

impl Message {
    /// The method of a request.
    pub fn method(&self) -> Option<Method> {
        match self.start {
            Start::Request { method, .. } => Some(method),
            Start::Response { .. } => None,
        }
    }

    /// The Request-URI; empty for a response.
    pub fn uri(&self) -> &[u8] {
        match &self.start {
            Start::Request { uri, .. } => &self.raw[uri.clone()],
            Start::Response { .. } => b"",
        }
    }

    /// The status code; 0 for a request.
    pub fn status(&self) -> u16 {
        match self.start {
            Start::Request { .. } => 0,
            Start::Response { status, .. } => status,
        }
    }

    /// The reason phrase of a response.
    pub fn reason(&self) -> Cow<'_, str> {
        match &self.start {
            Start::Request { .. } => Cow::Borrowed(""),
            Start::Response { reason, .. } => String::from_utf8_lossy(&self.raw[reason.clone()]),
        }
    }

    pub fn defect(&self) -> Option<Defect> {
        self.defect
    }

    pub fn body(&self) -> &[u8] {
        &self.raw[self.body.clone()]
    }

    /// The value of the first header line of this name.
    pub fn field(&self, name: Name) -> Option<&[u8]> {
        self.fields(name).next()
    }

    /// The values of all header lines of this name, in order.
    pub fn fields(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        self.fields.iter().filter(move |f| f.name == name).map(|f| &self.raw[f.value.clone()])
    }

    /// All header lines: name, name as written, value.
    pub fn all_fields(&self) -> impl Iterator<Item = (Name, &[u8], &[u8])> {
        self.fields.iter().map(|f| (f.name, &self.raw[f.label.clone()], &self.raw[f.value.clone()]))
    }

    /// The elements of a comma-separated header, over all of its lines.
    pub fn list(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        self.fields(name).flat_map(split_list)
    }

    /// Whether a header of tokens (Supported, Allow, Require …) names `token`, in any case.
    pub fn names(&self, name: Name, token: &str) -> bool {
        self.list(name).any(|v| v.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// A header that is a decimal number, parameters after it ignored.
    pub fn number(&self, name: Name) -> Option<u32> {
        leading_number(self.field(name)?)
    }

    pub fn from(&self) -> Option<Address<'_>> {
        Address::parse(self.field(Name::From)?)
    }

    pub fn to(&self) -> Option<Address<'_>> {
        Address::parse(self.field(Name::To)?)
    }

    pub fn to_tag(&self) -> Option<&[u8]> {
        self.to().and_then(|to| to.param("tag")).filter(|tag| !tag.is_empty())
    }

    pub fn sender_tag(&self) -> Option<&[u8]> {
        self.from().and_then(|from| from.param("tag")).filter(|tag| !tag.is_empty())
    }

    pub fn call_id(&self) -> &[u8] {
        self.field(Name::CallId).unwrap_or(b"")
    }

    /// The topmost Via.
    pub fn via(&self) -> Option<Via<'_>> {
        Via::parse(self.list(Name::Via).next()?)
    }

    /// Sequence number and method of CSeq.
    pub fn cseq(&self) -> Option<(u32, Method)> {
        let value = self.field(Name::CSeq)?;
        let digits = value.iter().take_while(|b| b.is_ascii_digit()).count();
        let number = leading_number(value)?;
        let rest = &value[digits..];
        let method = rest.trim_ascii();
        if rest.len() == method.len() || method.is_empty() {
            return None;
        }
        Some((number, Method::parse(method)))
    }

    /// The URI of the first Contact.
    pub fn contact(&self) -> Option<Address<'_>> {
        Address::parse(self.list(Name::Contact).next()?)
    }

    /// Media type of the body in lower case, without parameters.
    pub fn content_type(&self) -> String {
        let value = self.field(Name::ContentType).unwrap_or(b"");
        let end = value.iter().position(|&b| b == b';').unwrap_or(value.len());
        let mut text = String::from_utf8_lossy(value[..end].trim_ascii()).into_owned();
        text.make_ascii_lowercase();
        text.retain(|c| !c.is_ascii_whitespace());
        text
    }

    /// The session description in the body: the body itself, or the part of a multipart body that is one.
    pub fn sdp(&self) -> Vec<u8> {
        if self.body().is_empty() {
            return Vec::new();
        }
        let kind = self.content_type();
        if kind == "application/sdp" {
            return self.body().to_vec();
        }
        if kind.starts_with("multipart/") {
            return self.sdp_part().map(<[u8]>::to_vec).unwrap_or_default();
        }
        Vec::new()
    }

    /// RFC 2046 §5.1: the first part whose Content-Type is application/sdp.
    fn sdp_part(&self) -> Option<&[u8]> {
        let value = self.field(Name::ContentType)?;
        let semicolon = value.iter().position(|&b| b == b';')?;
        let boundary = unquote(param(&value[semicolon..], "boundary")?);
        if boundary.is_empty() {
            return None;
        }
        let mut delimiter = b"--".to_vec();
        delimiter.extend_from_slice(&boundary);
        let body = self.body();
        let mut at = find(body, &delimiter)? + delimiter.len();
        for _ in 0..16 {
            let length = find(&body[at..], &delimiter)?;
            let part = &body[at..at + length];
            at += length + delimiter.len();
            let Some(split) = find(part, b"\r\n\r\n") else { continue };
            let head = part[..split].to_ascii_lowercase();
            if find(&head, b"application/sdp").is_some() {
                let content = &part[split + 4..];
                return Some(content.strip_suffix(b"\r\n").unwrap_or(content));
            }
        }
        None
    }

    /// The cause of a `Reason: Q.850` header (RFC 3326).
    pub fn q850(&self) -> Option<u16> {
        self.list(Name::Reason).find_map(|value| {
            let end = value.iter().position(|&b| b == b';')?;
            if !value[..end].trim_ascii().eq_ignore_ascii_case(b"Q.850") {
                return None;
            }
            leading_number(param(&value[end..], "cause")?).and_then(|n| u16::try_from(n).ok())
        })
    }
}

/// The decimal number at the start of `bytes`; None when there is none or it does not fit.
pub(crate) fn leading_number(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 {
        return None;
    }
    bytes[..digits].iter().try_fold(0u32, |n, b| n.checked_mul(10)?.checked_add(u32::from(b - b'0')))
}

/// Where `needle` starts in `hay`.
pub(crate) fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    let (&first, rest) = needle.split_first()?;
    let mut at = 0;
    while let Some(step) = hay.get(at..)?.iter().position(|&b| b == first) {
        at += step;
        if hay[at + 1..].starts_with(rest) {
            return Some(at);
        }
        at += 1;
    }
    None
}
