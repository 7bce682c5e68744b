//! The passive side of ICE (RFC 8445 §2.5, ICE-lite): STUN connectivity checks (RFC 8489) are answered, none are sent.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use ring::hmac;

const HEADER_LEN: usize = 20;
const MAGIC: [u8; 4] = 0x2112_a442_u32.to_be_bytes();
const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT: u16 = 0x8028;
const FINGERPRINT_XOR: u32 = 0x5354_554e;
const HMAC_LEN: usize = 20;
/// A check is far shorter; more is not read.
const LEN_MAX: usize = 600;

/// What our SDP says of one leg (RFC 8839 §5.4).
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    /// 4 to 256 characters.
    pub ufrag: String,
    /// 22 to 256 characters.
    pub password: String,
}

/// Without the password.
impl fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceCredentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

/// A connectivity check that came from who has our credentials.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// To be sent back to where the check came from.
    pub response: Vec<u8>,
    /// The far end means to use this way.
    pub is_nominated: bool,
}

/// Whether a datagram is STUN and not RTP or DTLS (RFC 7983 §7).
pub fn is_stun(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| *first < 4)
}

/// Answers a connectivity check. None for anything else, and for whoever has not our password.
pub fn answer(datagram: &[u8], ours: &IceCredentials, source: SocketAddr) -> Option<Check> {
    if datagram.len() > LEN_MAX || datagram.len() < HEADER_LEN {
        return None;
    }
    let (header, body) = datagram.split_at(HEADER_LEN);
    let length = usize::from(u16_at(header, 2)?);
    if u16_at(header, 0)? != BINDING_REQUEST || header[4..8] != MAGIC || length != body.len() {
        return None;
    }
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, ours.password.as_bytes());
    let (mut is_ours, mut is_nominated) = (false, false);
    let mut at = HEADER_LEN;
    while let Some((kind, value)) = attribute(datagram, at) {
        match kind {
            USERNAME => {
                // RFC 8445 §7.2.2: the one who is asked comes first.
                let name = value.strip_prefix(ours.ufrag.as_bytes());
                is_ours = name.is_some_and(|rest| rest.first() == Some(&b':'));
            }
            USE_CANDIDATE => is_nominated = true,
            MESSAGE_INTEGRITY => {
                // What comes after it is not covered by it (RFC 8489 §14.5).
                let is_right = is_ours && value.len() == HMAC_LEN && integrity(&key, datagram, at) == value;
                return is_right.then(|| Check { response: response(&key, header, source), is_nominated });
            }
            _ => {}
        }
        at += 4 + value.len().next_multiple_of(4);
    }
    None
}

/// Type and value of the attribute that begins here.
fn attribute(message: &[u8], at: usize) -> Option<(u16, &[u8])> {
    let (kind, length) = (u16_at(message, at)?, usize::from(u16_at(message, at + 2)?));
    Some((kind, message.get(at + 4..at + 4 + length)?))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let &[high, low] = bytes.get(at..at + 2)? else { return None };
    Some(u16::from_be_bytes([high, low]))
}

/// RFC 8489 §14.5: over the message up to this attribute, whose length counts as if it were the last.
fn integrity(key: &hmac::Key, message: &[u8], at: usize) -> [u8; HMAC_LEN] {
    let mut context = hmac::Context::with_key(key);
    let length = (at + 4 + HMAC_LEN - HEADER_LEN) as u16;
    context.update(&message[..2]);
    context.update(&length.to_be_bytes());
    context.update(&message[4..at]);
    let mut tag = [0; HMAC_LEN];
    tag.copy_from_slice(context.sign().as_ref());
    tag
}

fn response(key: &hmac::Key, request: &[u8], source: SocketAddr) -> Vec<u8> {
    let mut message = Vec::with_capacity(80);
    message.extend(BINDING_SUCCESS.to_be_bytes());
    message.extend([0, 0]);
    message.extend(&request[4..HEADER_LEN]);
    // RFC 8489 §14.2. A socket for both families shows IPv4 as mapped addresses.
    let xor = &request[4..HEADER_LEN];
    let ip = source.ip().to_canonical();
    let (family, bytes) = match ip {
        IpAddr::V4(v4) => (1, v4.octets().to_vec()),
        IpAddr::V6(v6) => (2, v6.octets().to_vec()),
    };
    message.extend(XOR_MAPPED_ADDRESS.to_be_bytes());
    message.extend((4 + bytes.len() as u16).to_be_bytes());
    message.extend([0, family]);
    message.extend((source.port() ^ u16::from_be_bytes([MAGIC[0], MAGIC[1]])).to_be_bytes());
    message.extend(bytes.iter().zip(xor).map(|(a, b)| a ^ b));
    let at = message.len();
    let tag = integrity(key, &message, at);
    message.extend(MESSAGE_INTEGRITY.to_be_bytes());
    message.extend((HMAC_LEN as u16).to_be_bytes());
    message.extend(tag);
    set_length(&mut message, 8);
    let crc = crc32(&message) ^ FINGERPRINT_XOR;
    message.extend(FINGERPRINT.to_be_bytes());
    message.extend([0, 4]);
    message.extend(crc.to_be_bytes());
    message
}

fn set_length(message: &mut [u8], more: usize) {
    let length = (message.len() + more - HEADER_LEN) as u16;
    message[2..4].copy_from_slice(&length.to_be_bytes());
}

/// The CRC-32 of ITU V.42, which RFC 8489 §14.7 asks for.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> IceCredentials {
        IceCredentials { ufrag: "evtj".into(), password: "VOkJxbRl1RmTxUk/WvJxBt".into() }
    }

    fn source() -> SocketAddr {
        "192.0.2.1:32853".parse().expect("an address")
    }

    /// The request of RFC 5769 §2.1, whose software and padding are as odd as they can be.
    fn request() -> Vec<u8> {
        let text = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff\
                    80290008932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2\
                    80280004e57a3bcf";
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let pair = |p: &[u8]| u8::from_str_radix(std::str::from_utf8(p).expect("ASCII"), 16).expect("hex");
        digits.chunks(2).map(pair).collect()
    }

    #[test]
    fn the_check_of_the_rfc_is_answered() {
        let check = answer(&request(), &ours(), source()).expect("our credentials");
        assert!(!check.is_nominated);
        let response = check.response;
        assert_eq!(response[..2], BINDING_SUCCESS.to_be_bytes());
        assert_eq!(usize::from(u16_at(&response, 2).expect("a header")), response.len() - HEADER_LEN);
        assert_eq!(response[4..20], request()[4..20], "the transaction's own");
        // RFC 5769 §2.2 has the same transaction and address.
        assert_eq!(
            attribute(&response, 20),
            Some((XOR_MAPPED_ADDRESS, &[0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43][..]))
        );
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, ours().password.as_bytes());
        let tag = integrity(&key, &response, 32);
        assert_eq!(attribute(&response, 32), Some((MESSAGE_INTEGRITY, &tag[..])));
        let crc = (crc32(&response[..56]) ^ FINGERPRINT_XOR).to_be_bytes();
        assert_eq!(attribute(&response, 56), Some((FINGERPRINT, &crc[..])));
    }

    #[test]
    fn whoever_has_not_the_password_or_changes_a_bit_hears_nothing() {
        let other = IceCredentials { password: "another".into(), ..ours() };
        assert_eq!(answer(&request(), &other, source()), None);
        let other = IceCredentials { ufrag: "evt".into(), ..ours() };
        assert_eq!(answer(&request(), &other, source()), None);
        // Up to the integrity and in it; what comes after is not covered.
        for at in 0..100 {
            let mut changed = request();
            changed[at] ^= 1;
            assert_eq!(answer(&changed, &ours(), source()), None, "byte {at}");
        }
        for len in 0..request().len() {
            assert_eq!(answer(&request()[..len], &ours(), source()), None);
        }
    }

    #[test]
    fn a_nomination_is_seen() {
        let mut message = request()[..20].to_vec();
        message.extend([0, 6, 0, 6]);
        message.extend(b"evtj:x\0\0");
        message.extend([0, 0x25, 0, 0]);
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, ours().password.as_bytes());
        let tag = integrity(&key, &message, message.len());
        message.extend([0, 8, 0, 20]);
        message.extend(tag);
        set_length(&mut message, 0);
        assert!(
            answer(&message, &ours(), "[2001:db8::1]:5".parse().expect("an address"))
                .expect("ours")
                .is_nominated
        );
    }

    #[test]
    fn the_crc_is_the_usual_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
