//! What the network says of who calls.

use crate::message::{Message, Name};

/// Of one INVITE; what goes beyond is left out.
const IDENTITIES_MAX: usize = 4;
const IDENTITY_BYTES_MAX: usize = 4_096;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Vouched {
    /// Identity header fields (RFC 8224) as they came, verified by nobody; at most four of 4 096 bytes each.
    pub identities: Vec<String>,
    /// User part of P-Asserted-Identity (RFC 3325): worth what the trunk is.
    pub asserted: Option<String>,
    /// The caller is not to be shown (RFC 3323).
    pub is_private: bool,
}

pub(super) fn vouched(request: &Message) -> Vouched {
    let printable = |value: &&[u8]| {
        !value.is_empty()
            && value.len() <= IDENTITY_BYTES_MAX
            && value.iter().all(|b| matches!(b, b' '..=b'~'))
    };
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let asserted = request.fields(Name::PAssertedIdentity).find_map(|value| {
        let address = crate::message::Address::parse(value)?;
        let tel = address.uri.strip_prefix(b"tel:").map(|rest| rest.split(|b| *b == b';').next());
        match tel {
            Some(number) => Some(text(number.unwrap_or_default())),
            None => Some(address.parsed_uri()?.user_text()),
        }
        .filter(|user| !user.is_empty())
    });
    let hidden = |token: &[u8]| {
        [&b"id"[..], b"user", b"header"].iter().any(|wish| token.trim_ascii().eq_ignore_ascii_case(wish))
    };
    Vouched {
        identities: request.fields(Name::Identity).filter(printable).take(IDENTITIES_MAX).map(text).collect(),
        asserted,
        is_private: request.fields(Name::Privacy).any(|value| value.split(|b| *b == b';').any(hidden)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &str) -> Vouched {
        let text = format!("INVITE sip:a@b SIP/2.0\r\n{lines}\r\n");
        vouched(&crate::message::parse(text.as_bytes()).expect("a message"))
    }

    #[test]
    fn what_the_network_vouches_for_is_read_within_bounds() {
        let said = of(
            "Identity: a.b.c;info=<https://x>\r\ny: d.e.f\r\nP-Asserted-Identity: \"A\" <sip:+861@x>\r\nPrivacy: critical;ID\r\n",
        );
        assert_eq!(said.identities, ["a.b.c;info=<https://x>", "d.e.f"]);
        assert_eq!((said.asserted.as_deref(), said.is_private), (Some("+861"), true));
        assert_eq!(of("P-Asserted-Identity: <tel:+4420;ext=1>\r\n").asserted.as_deref(), Some("+4420"));
        assert_eq!(of("Privacy: none\r\nP-Asserted-Identity: <sip:x>\r\n"), Vouched::default());
        let (long, many) = ("x".repeat(IDENTITY_BYTES_MAX + 1), "Identity: a.b.c\r\n".repeat(100));
        assert_eq!(of(&format!("Identity: {long}\r\nIdentity: \r\nIdentity: \u{1}\r\n")), Vouched::default());
        assert_eq!(of(&many).identities.len(), IDENTITIES_MAX);
    }
}
