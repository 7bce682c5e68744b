//! What a message must have before anyone acts on it (RFC 3261 §8.1.1, §8.2).

use super::{Address, Defect, Message, Method, Name, Uri, Via};

/// RFC 3261 §8.1.1.5: a sequence number is below 2^31.
const CSEQ_MAX: u32 = (1 << 31) - 1;

/// Headers that stand once. Two different Content-Lengths were found by the parser.
const SINGLE: [Name; 6] = [Name::CallId, Name::CSeq, Name::From, Name::To, Name::MaxForwards, Name::Expires];

/// Err: the request is to be refused with this.
pub(crate) fn check_request(message: &Message) -> Result<(), Defect> {
    if let Some(defect) = message.defect() {
        return Err(defect);
    }
    check_core(message).map_err(Defect::bad)?;
    let (_, method) = message.cseq().ok_or(Defect::bad("Bad CSeq"))?;
    if Some(method) != message.method() {
        return Err(Defect::bad("CSeq Method Mismatch"));
    }
    if message.number(Name::MaxForwards).is_some_and(|n| n > 255) {
        return Err(Defect::bad("Bad Max-Forwards"));
    }
    if message.field(Name::MaxForwards).is_some() && message.number(Name::MaxForwards).is_none() {
        return Err(Defect::bad("Bad Max-Forwards"));
    }
    check_contacts(message)?;
    check_record(message)?;
    check_uri(message.uri())
}

/// Err: the response is to be dropped; says why.
pub(crate) fn check_response(message: &Message) -> Result<(), &'static str> {
    if message.defect().is_some() {
        return Err("malformed");
    }
    check_core(message)
}

fn check_core(message: &Message) -> Result<(), &'static str> {
    let mut vias = message.list(Name::Via).map(Via::parse).peekable();
    if vias.peek().is_none() || vias.any(|via| via.is_none()) {
        return Err("Bad Via");
    }
    if SINGLE.iter().any(|&name| message.fields(name).nth(1).is_some()) {
        return Err("Header Field Repeated");
    }
    let call_id = message.call_id();
    if call_id.is_empty() || call_id.iter().any(u8::is_ascii_whitespace) {
        return Err("Bad Call-ID");
    }
    let from = message.from().ok_or("Bad From")?;
    let to = message.to().ok_or("Bad To")?;
    if from.parsed_uri().is_none() || to.parsed_uri().is_none() {
        return Err("Bad From Or To");
    }
    for tag in [from.param("tag"), to.param("tag")].into_iter().flatten() {
        // More than RFC 3261 §25.1 allows, but nothing that could break a header.
        if !tag.iter().all(|b| b.is_ascii_graphic() && !b"<>\",".contains(b)) {
            return Err("Bad Tag");
        }
    }
    let (number, _) = message.cseq().ok_or("Bad CSeq")?;
    if number > CSEQ_MAX {
        return Err("Bad CSeq");
    }
    Ok(())
}

fn check_contacts(message: &Message) -> Result<(), Defect> {
    let needs = matches!(message.method(), Some(Method::Invite | Method::Register));
    if !needs {
        return Ok(());
    }
    for value in message.list(Name::Contact).filter(|value| *value != b"*") {
        let contact = Address::parse(value).ok_or(Defect::bad("Bad Contact"))?;
        // RFC 3261 §20.10: a URI with a comma, question mark or semicolon stands in angle brackets.
        let escaped_headers = !value.contains(&b'<') && contact.uri.contains(&b'?');
        if escaped_headers || contact.parsed_uri().is_none() {
            return Err(Defect::bad("Bad Contact"));
        }
    }
    Ok(())
}

/// RFC 3261 §10.2: the address of record of a REGISTER is a SIP URI.
fn check_record(message: &Message) -> Result<(), Defect> {
    let sip = message.to().and_then(|to| to.parsed_uri()).is_some_and(|uri| uri.is_sip());
    match message.method() {
        Some(Method::Register) if !sip => Err(Defect::bad("Address Of Record Is No SIP URI")),
        _ => Ok(()),
    }
}

fn check_uri(uri: &[u8]) -> Result<(), Defect> {
    let scheme_end = uri.iter().position(|&b| b == b':').ok_or(Defect::bad("Bad Request-URI"))?;
    let scheme = &uri[..scheme_end];
    let known = [&b"sip"[..], b"sips", b"tel"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    if !known {
        return Err(Defect { status: 416, reason: "Unsupported URI Scheme" });
    }
    let parsed = Uri::parse(uri).ok_or(Defect::bad("Bad Request-URI"))?;
    // RFC 3261 §19.1.1: headers have no place in a Request-URI, escaped ones neither.
    let tail = uri.iter().position(|&b| b == b'@').map_or(uri, |at| &uri[at..]);
    if parsed.is_sip() && tail.contains(&b'?') {
        return Err(Defect::bad("Headers In Request-URI"));
    }
    Ok(())
}
