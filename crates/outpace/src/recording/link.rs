//! Links by which a recording can be fetched for a while, without a token; and the signing of any such link.

use std::time::Duration;

use engine::Timestamp;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::Archive;

const KIND: &str = "recording";
const LIFETIME: Duration = Duration::from_secs(3600);

pub struct Link {
    /// `/recordings/…`, with the query.
    pub path: String,
    pub expires_at: Timestamp,
}

impl Archive {
    /// A link to the recording that is good for an hour.
    pub fn link(&self, filename: &str, now: Timestamp) -> Link {
        let expires_at = now.plus(LIFETIME);
        let expires = expires_at.unix_seconds();
        let signature = signature(&self.key, KIND, filename, expires);
        let path = format!("/recordings/{filename}?expires={expires}&signature={signature}");
        Link { path, expires_at }
    }

    /// Whether this server signed the link and it is still good. `expires`: Unix seconds.
    pub fn admits(&self, filename: &str, expires: i64, signature: &str, now: Timestamp) -> bool {
        is_good(&self.key, (KIND, filename), expires, signature, now)
    }
}

/// Of a link to `name`, good until `expires` (Unix seconds). `kind` keeps links to different things apart.
pub fn signature(key: &[u8; 32], kind: &str, name: &str, expires: i64) -> String {
    mac(key, kind, name, expires).finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect()
}

/// Whether `signature` is that of a link that is still good. `link`: kind and name.
pub fn is_good(key: &[u8; 32], link: (&str, &str), expires: i64, signature: &str, now: Timestamp) -> bool {
    let Some(signature) = bytes_of_hex::<32>(signature) else { return false };
    // Compares in constant time.
    mac(key, link.0, link.1, expires).verify_slice(&signature).is_ok() && now.unix_seconds() < expires
}

fn mac(key: &[u8; 32], kind: &str, name: &str, expires: i64) -> Hmac<Sha256> {
    let mut mac = Hmac::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(format!("{kind}\n{name}\n{expires}").as_bytes());
    mac
}

/// Exactly `N` bytes.
pub(super) fn bytes_of_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; N];
    for (n, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * n..2 * n + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::tests::archive;

    #[test]
    fn a_link_is_good_for_its_file_for_an_hour_and_at_its_server() {
        let (here, elsewhere) = (archive(Default::default()), archive(Default::default()));
        let now = Timestamp::from_unix_seconds(1_700_000_000);
        let link = here.link("20260102/1_a.wav", now);
        let (path, query) = link.path.split_once("?expires=").unwrap();
        let (expires, signature) = query.split_once("&signature=").unwrap();
        let expires: i64 = expires.parse().unwrap();
        assert_eq!((path, expires), ("/recordings/20260102/1_a.wav", 1_700_003_600));
        assert!(here.admits("20260102/1_a.wav", expires, signature, now));
        assert!(here.admits("20260102/1_a.wav", expires, signature, now.plus(Duration::from_secs(3599))));
        assert!(!here.admits("20260102/1_a.wav", expires, signature, link.expires_at));
        assert!(!here.admits("20260102/1_b.wav", expires, signature, now));
        assert!(!here.admits("20260102/1_a.wav", expires + 1, signature, now));
        assert!(!here.admits("20260102/1_a.wav", expires, &signature.replace(['0', '1', '2'], "3"), now));
        assert!(!here.admits("20260102/1_a.wav", expires, "é", now));
        assert!(!elsewhere.admits("20260102/1_a.wav", expires, signature, now));
    }
}
