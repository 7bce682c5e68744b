//! Methods and header names that the endpoint acts on.

/// A request method. Methods are case-sensitive (RFC 3261 §7.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Options,
    Register,
    Prack,
    Update,
    Info,
    Refer,
    Notify,
    Subscribe,
    Message,
    Publish,
    Other,
}

impl Method {
    pub fn parse(bytes: &[u8]) -> Method {
        match bytes {
            b"INVITE" => Method::Invite,
            b"ACK" => Method::Ack,
            b"BYE" => Method::Bye,
            b"CANCEL" => Method::Cancel,
            b"OPTIONS" => Method::Options,
            b"REGISTER" => Method::Register,
            b"PRACK" => Method::Prack,
            b"UPDATE" => Method::Update,
            b"INFO" => Method::Info,
            b"REFER" => Method::Refer,
            b"NOTIFY" => Method::Notify,
            b"SUBSCRIBE" => Method::Subscribe,
            b"MESSAGE" => Method::Message,
            b"PUBLISH" => Method::Publish,
            _ => Method::Other,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Method::Invite => "INVITE",
            Method::Ack => "ACK",
            Method::Bye => "BYE",
            Method::Cancel => "CANCEL",
            Method::Options => "OPTIONS",
            Method::Register => "REGISTER",
            Method::Prack => "PRACK",
            Method::Update => "UPDATE",
            Method::Info => "INFO",
            Method::Refer => "REFER",
            Method::Notify => "NOTIFY",
            Method::Subscribe => "SUBSCRIBE",
            Method::Message => "MESSAGE",
            Method::Publish => "PUBLISH",
            Method::Other => "UNKNOWN",
        }
    }
}

/// Header names with a meaning for us; compact forms are the same name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Name {
    Accept,
    Allow,
    Authorization,
    CallId,
    Contact,
    ContentEncoding,
    ContentLength,
    ContentType,
    CSeq,
    Date,
    Expires,
    From,
    Identity,
    MaxForwards,
    MinExpires,
    MinSe,
    PAssertedIdentity,
    Privacy,
    ProxyAuthenticate,
    ProxyAuthorization,
    RAck,
    Reason,
    RecordRoute,
    ReferTo,
    Replaces,
    Require,
    RetryAfter,
    Route,
    RSeq,
    SessionExpires,
    Supported,
    To,
    Via,
    WwwAuthenticate,
    Other,
}

/// Longest name in the table below.
const NAME_MAX: usize = 19;

impl Name {
    pub fn parse(bytes: &[u8]) -> Name {
        let mut lower = [0u8; NAME_MAX];
        let Some(lower) = lower.get_mut(..bytes.len()) else { return Name::Other };
        lower.copy_from_slice(bytes);
        lower.make_ascii_lowercase();
        match &*lower {
            b"accept" => Name::Accept,
            b"allow" => Name::Allow,
            b"authorization" => Name::Authorization,
            b"call-id" | b"i" => Name::CallId,
            b"contact" | b"m" => Name::Contact,
            b"content-encoding" | b"e" => Name::ContentEncoding,
            b"content-length" | b"l" => Name::ContentLength,
            b"content-type" | b"c" => Name::ContentType,
            b"cseq" => Name::CSeq,
            b"date" => Name::Date,
            b"expires" => Name::Expires,
            b"from" | b"f" => Name::From,
            b"identity" | b"y" => Name::Identity,
            b"max-forwards" => Name::MaxForwards,
            b"min-expires" => Name::MinExpires,
            b"min-se" => Name::MinSe,
            b"p-asserted-identity" => Name::PAssertedIdentity,
            b"privacy" => Name::Privacy,
            b"proxy-authenticate" => Name::ProxyAuthenticate,
            b"proxy-authorization" => Name::ProxyAuthorization,
            b"rack" => Name::RAck,
            b"reason" => Name::Reason,
            b"record-route" => Name::RecordRoute,
            b"refer-to" | b"r" => Name::ReferTo,
            b"replaces" => Name::Replaces,
            b"require" => Name::Require,
            b"retry-after" => Name::RetryAfter,
            b"route" => Name::Route,
            b"rseq" => Name::RSeq,
            b"session-expires" | b"x" => Name::SessionExpires,
            b"supported" | b"k" => Name::Supported,
            b"to" | b"t" => Name::To,
            b"via" | b"v" => Name::Via,
            b"www-authenticate" => Name::WwwAuthenticate,
            _ => Name::Other,
        }
    }
}
