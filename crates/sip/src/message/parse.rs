//! Bytes to [`Message`] (RFC 3261 §7, §18.3, §25).

use super::{Defect, FIELDS_MAX, Field, LINE_MAX, Message, Method, Name, SIZE_MAX, Start, leading_number};
use std::ops::Range;

/// Reads one message: a UDP datagram, or what the TCP framing cut out. None when it is no SIP message at all, so that
/// nothing can be said about it to anyone.
pub(crate) fn parse(bytes: &[u8]) -> Option<Message> {
    if bytes.len() > SIZE_MAX {
        return None;
    }
    let skipped = bytes.iter().take_while(|&&b| b == b'\r' || b == b'\n').count();
    let mut raw = bytes[skipped..].to_vec();
    let (line, mut at) = next_line(&raw, 0)?;
    let (start, mut defect) = parse_start(&raw, line)?;
    let mut fields = Vec::with_capacity(16);
    loop {
        let Some((line, next)) = next_line(&raw, at) else {
            // The header section has no end: the datagram was cut.
            defect.get_or_insert(Defect::bad("Header Section Without End"));
            at = raw.len();
            break;
        };
        if line.is_empty() {
            at = next;
            break;
        }
        let (line, next) = unfold(&mut raw, line, next);
        at = next;
        if fields.len() == FIELDS_MAX || line.len() > LINE_MAX {
            defect.get_or_insert(Defect::bad("Too Many Or Too Long Header Fields"));
            continue;
        }
        // A line that is no header is left out: it must not cost the call that the others describe.
        fields.extend(parse_field(&raw, line));
    }
    let end = raw.len();
    let mut message = Message { raw, start, fields, body: at..end, defect };
    limit_body(&mut message);
    Some(message)
}

/// The line that starts at `at`, without its end, and where the next one starts. A bare LF ends a line too.
fn next_line(raw: &[u8], at: usize) -> Option<(Range<usize>, usize)> {
    let length = raw.get(at..)?.iter().position(|&b| b == b'\n')?;
    let end = at + length;
    let trimmed = if end > at && raw[end - 1] == b'\r' { end - 1 } else { end };
    Some((at..trimmed, end + 1))
}

/// RFC 3261 §7.3.1: a line that starts with a blank goes on with the line before. The line end becomes blanks.
fn unfold(raw: &mut [u8], mut line: Range<usize>, mut next: usize) -> (Range<usize>, usize) {
    while matches!(raw.get(next), Some(b' ' | b'\t')) {
        let Some((more, after)) = next_line(raw, next) else { break };
        raw[line.end..next].fill(b' ');
        line.end = more.end;
        next = after;
    }
    (line, next)
}

fn parse_start(raw: &[u8], line: Range<usize>) -> Option<(Start, Option<Defect>)> {
    let text = &raw[line.clone()];
    if text.len() >= 4 && text[..4].eq_ignore_ascii_case(b"SIP/") {
        return parse_status_line(text, line.start).map(|start| (start, None));
    }
    parse_request_line(text, line.start)
}

fn parse_status_line(text: &[u8], offset: usize) -> Option<Start> {
    let (version, rest) = text.split_at_checked(8)?;
    let (digits, reason) = rest.split_at_checked(3)?;
    let well_formed = version.eq_ignore_ascii_case(b"SIP/2.0 ")
        && digits.iter().all(u8::is_ascii_digit)
        && reason.first().is_none_or(|&b| b == b' ');
    let status = leading_number(digits).and_then(|n| u16::try_from(n).ok())?;
    if !well_formed || !(100..=699).contains(&status) {
        return None;
    }
    let from = offset + 11 + usize::from(!reason.is_empty());
    Some(Start::Response { status, reason: from..offset + text.len() })
}

/// `Method SP Request-URI SP SIP/2.0`, with exactly one blank between. Whatever begins with a token and names SIP
/// somewhere is a request that can be refused.
fn parse_request_line(text: &[u8], offset: usize) -> Option<(Start, Option<Defect>)> {
    let first = text.iter().position(|&b| b == b' ')?;
    let name = &text[..first];
    if name.is_empty() || !name.iter().all(|&b| is_token(b)) {
        return None;
    }
    let method = Method::parse(name);
    let rest = &text[first + 1..];
    let last = rest.iter().rposition(|&b| b == b' ');
    let bad = |reason| {
        let uri = offset + first + 1..offset + text.len();
        Some((Start::Request { method, uri }, Some(Defect::bad(reason))))
    };
    let Some(last) = last else { return bad("Bad Request Line") };
    let (uri, version) = (&rest[..last], &rest[last + 1..]);
    if version.len() < 4 || !version[..4].eq_ignore_ascii_case(b"SIP/") {
        return bad("Bad Request Line");
    }
    let range = offset + first + 1..offset + first + 1 + last;
    let defect = if !version.eq_ignore_ascii_case(b"SIP/2.0") {
        Some(Defect { status: 505, reason: "Version Not Supported" })
    } else if uri.is_empty() || uri.iter().any(|&b| matches!(b, b' ' | b'\t' | b'<' | b'>' | b'"')) {
        Some(Defect::bad("Bad Request-URI"))
    } else {
        None
    };
    Some((Start::Request { method, uri: range }, defect))
}

fn parse_field(raw: &[u8], line: Range<usize>) -> Option<Field> {
    let text = &raw[line.clone()];
    let colon = text.iter().position(|&b| b == b':')?;
    let label = text[..colon].trim_ascii_end();
    if label.is_empty() || !label.iter().all(|&b| is_token(b)) {
        return None;
    }
    let value = &text[colon + 1..];
    let leading = value.len() - value.trim_ascii_start().len();
    let start = line.start + colon + 1 + leading;
    let end = start + value.trim_ascii().len();
    Some(Field { name: Name::parse(label), label: line.start..line.start + label.len(), value: start..end })
}

/// RFC 3261 §18.3: bytes past Content-Length are not part of the message, too few are an error.
fn limit_body(message: &mut Message) {
    match body_end(message) {
        Ok(end) => message.body.end = end,
        Err(defect) => {
            message.defect.get_or_insert(defect);
        }
    }
}

fn body_end(message: &Message) -> Result<usize, Defect> {
    let mut lengths = message.fields(Name::ContentLength);
    let Some(value) = lengths.next() else { return Ok(message.body.end) };
    let same = lengths.all(|other| other == value);
    let number = leading_number(value).filter(|_| same && value.iter().all(u8::is_ascii_digit));
    let length = number.ok_or(Defect::bad("Bad Content-Length"))?;
    let end = message.body.start.saturating_add(length as usize);
    if end > message.body.end {
        return Err(Defect::bad("Body Shorter Than Content-Length"));
    }
    Ok(end)
}

/// RFC 3261 §25.1 token.
fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric()
        || matches!(b, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Uri, Via, check_request, check_response};

    const SEEDS: [&[u8]; 8] = [
        include_bytes!("../../tests/rfc4475/wsinv.dat"),
        include_bytes!("../../tests/rfc4475/intmeth.dat"),
        include_bytes!("../../tests/rfc4475/esc01.dat"),
        include_bytes!("../../tests/rfc4475/mpart01.dat"),
        include_bytes!("../../tests/rfc4475/unreason.dat"),
        include_bytes!("../../tests/rfc4475/badinv01.dat"),
        include_bytes!("../../tests/rfc4475/transports.dat"),
        include_bytes!("../../tests/rfc4475/scalar02.dat"),
    ];

    /// Calls everything that reads a message.
    fn read(message: &Message) -> usize {
        let names = [Name::Via, Name::Contact, Name::Route, Name::Reason, Name::Supported];
        let elements: usize = names.iter().map(|&name| message.list(name).count()).sum();
        let uris = [message.from(), message.to(), message.contact()];
        let users: usize =
            uris.iter().flatten().filter_map(|a| a.parsed_uri()).map(|u| u.user_text().len()).sum();
        let fields: usize = message.all_fields().map(|(_, label, value)| label.len() + value.len()).sum();
        let via = message.via().map_or(0, |via: Via<'_>| via.branch().len() + via.host.len());
        let uri = Uri::parse(message.uri()).and_then(|uri| uri.ip()).is_some();
        let checked = check_request(message).is_ok() || check_response(message).is_ok();
        let texts = message.sdp().len() + message.content_type().len() + message.reason().len();
        let numbers = message.cseq().is_some() || message.q850().is_some();
        elements + users + fields + via + texts + usize::from(uri || checked || numbers)
    }

    #[test]
    fn no_mutation_of_a_message_makes_the_parser_panic() {
        let mut rng = fastrand::Rng::with_seed(3261);
        let mut total = 0;
        for _ in 0..200_000 {
            let mut bytes = SEEDS[rng.usize(0..SEEDS.len())].to_vec();
            for _ in 0..rng.u32(1..8) {
                let at = rng.usize(0..bytes.len());
                match rng.u32(0..4) {
                    0 => bytes[at] = rng.u8(..),
                    1 => bytes[at] = b"\r\n \t\"<>,;:=@%\\0[]?"[rng.usize(0..18)],
                    2 => bytes.truncate(at + 1),
                    _ => bytes.insert(at, bytes[at]),
                }
            }
            total += parse(&bytes).map_or(0, |message| read(&message));
        }
        assert!(total > 0);
    }

    #[test]
    fn limits_are_kept() {
        assert!(parse(&vec![b'x'; SIZE_MAX + 1]).is_none());
        let many = format!("OPTIONS sip:a SIP/2.0\r\n{}\r\n", "X: y\r\n".repeat(FIELDS_MAX + 1));
        assert!(parse(many.as_bytes()).is_some_and(|message| message.defect().is_some()));
        let long = format!("OPTIONS sip:a SIP/2.0\r\nX: {}\r\n\r\n", "y".repeat(LINE_MAX));
        assert!(parse(long.as_bytes()).is_some_and(|message| message.defect().is_some()));
    }
}
