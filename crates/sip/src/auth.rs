//! Digest authentication (RFC 7616, RFC 8760; RFC 2617 for those who know no better).

mod challenge;
mod guard;

pub(crate) use challenge::{Answers, Retry};
pub(crate) use guard::{Guard, Verdict};

use crate::message::unquote;
use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Hash {
    Md5,
    Sha256,
    Sha512_256,
}

/// The `algorithm` parameter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Algorithm {
    pub hash: Hash,
    pub session: bool,
}

impl Algorithm {
    /// None for an algorithm that we do not know. Absent means MD5.
    pub fn parse(name: Option<&[u8]>) -> Option<Algorithm> {
        let Some(name) = name else { return Some(Algorithm { hash: Hash::Md5, session: false }) };
        let upper = name.to_ascii_uppercase();
        let (base, session) = match upper.strip_suffix(b"-SESS") {
            Some(base) => (base, true),
            None => (&upper[..], false),
        };
        let hash = match base {
            b"MD5" => Hash::Md5,
            b"SHA-256" => Hash::Sha256,
            b"SHA-512-256" => Hash::Sha512_256,
            _ => return None,
        };
        Some(Algorithm { hash, session })
    }

    pub fn as_str(self) -> &'static str {
        match (self.hash, self.session) {
            (Hash::Md5, false) => "MD5",
            (Hash::Md5, true) => "MD5-sess",
            (Hash::Sha256, false) => "SHA-256",
            (Hash::Sha256, true) => "SHA-256-sess",
            (Hash::Sha512_256, false) => "SHA-512-256",
            (Hash::Sha512_256, true) => "SHA-512-256-sess",
        }
    }

    fn hex(self, parts: &[&[u8]]) -> String {
        match self.hash {
            Hash::Md5 => hex_of::<Md5>(parts),
            Hash::Sha256 => hex_of::<Sha256>(parts),
            Hash::Sha512_256 => hex_of::<Sha512_256>(parts),
        }
    }
}

/// Hash of the parts joined by colons, as hex.
fn hex_of<D: Digest>(parts: &[&[u8]]) -> String {
    let mut digest = D::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            digest.update(b":");
        }
        digest.update(part);
    }
    hex(&digest.finalize())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let mut out = String::with_capacity(bytes.len() * 2);
    for b in bytes {
        out.push(char::from(DIGITS[usize::from(b >> 4)]));
        out.push(char::from(DIGITS[usize::from(b & 15)]));
    }
    out
}

/// Quality of protection: none is RFC 2069.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Qop {
    None,
    Auth,
    AuthInt,
}

/// All that goes into a response.
pub(crate) struct Input<'a> {
    pub algorithm: Algorithm,
    pub qop: Qop,
    pub username: &'a [u8],
    pub realm: &'a [u8],
    pub password: &'a [u8],
    pub nonce: &'a [u8],
    pub nc: &'a [u8],
    pub cnonce: &'a [u8],
    pub method: &'a [u8],
    pub uri: &'a [u8],
    pub body: &'a [u8],
}

impl Input<'_> {
    /// RFC 7616 §3.4.1.
    pub fn response(&self) -> String {
        let algorithm = self.algorithm;
        let mut a1 = algorithm.hex(&[self.username, self.realm, self.password]);
        if algorithm.session {
            a1 = algorithm.hex(&[a1.as_bytes(), self.nonce, self.cnonce]);
        }
        let a2 = match self.qop {
            Qop::AuthInt => {
                let body = algorithm.hex(&[self.body]);
                algorithm.hex(&[self.method, self.uri, body.as_bytes()])
            }
            Qop::None | Qop::Auth => algorithm.hex(&[self.method, self.uri]),
        };
        let (a1, a2) = (a1.as_bytes(), a2.as_bytes());
        match self.qop {
            Qop::None => algorithm.hex(&[a1, self.nonce, a2]),
            Qop::Auth => algorithm.hex(&[a1, self.nonce, self.nc, self.cnonce, b"auth", a2]),
            Qop::AuthInt => algorithm.hex(&[a1, self.nonce, self.nc, self.cnonce, b"auth-int", a2]),
        }
    }
}

/// The parameters of a Digest challenge or of Digest credentials.
pub(crate) struct Params<'a> {
    pairs: Vec<(&'a [u8], &'a [u8])>,
}

/// Most parameters that are looked at.
const PARAMS_MAX: usize = 24;

impl<'a> Params<'a> {
    /// None when the scheme is another than Digest.
    pub fn parse(value: &'a [u8]) -> Option<Params<'a>> {
        let (scheme, rest) = value.split_at_checked(6)?;
        if !scheme.eq_ignore_ascii_case(b"Digest") || !rest.first()?.is_ascii_whitespace() {
            return None;
        }
        let pairs = crate::message::split_list(rest)
            .take(PARAMS_MAX)
            .filter_map(|pair| {
                let equals = pair.iter().position(|&b| b == b'=')?;
                Some((pair[..equals].trim_ascii(), pair[equals + 1..].trim_ascii()))
            })
            .collect();
        Some(Params { pairs })
    }

    /// As written, quotes included.
    pub fn raw(&self, name: &str) -> Option<&'a [u8]> {
        self.pairs.iter().find(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes())).map(|&(_, value)| value)
    }

    pub fn text(&self, name: &str) -> Option<Vec<u8>> {
        self.raw(name).map(unquote)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input<'a>(algorithm: &str, qop: Qop) -> Input<'a> {
        Input {
            algorithm: Algorithm::parse(Some(algorithm.as_bytes())).expect("a known algorithm"),
            qop,
            username: b"Mufasa",
            realm: b"http-auth@example.org",
            password: b"Circle of Life",
            nonce: b"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            nc: b"00000001",
            cnonce: b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            method: b"GET",
            uri: b"/dir/index.html",
            body: b"",
        }
    }

    #[test]
    fn the_vectors_of_rfc_7616_are_met() {
        // RFC 7616 §3.9.1.
        assert_eq!(input("MD5", Qop::Auth).response(), "8ca523f5e9506fed4657c9700eebdbec");
        let sha256 = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1";
        assert_eq!(input("SHA-256", Qop::Auth).response(), sha256);
    }

    #[test]
    fn the_vector_of_rfc_2617_is_met() {
        // RFC 2617 §3.5.
        let input = Input {
            realm: b"testrealm@host.com",
            password: b"Circle Of Life",
            nonce: b"dcd98b7102dd2f0e8b11d0f600bfb0c093",
            cnonce: b"0a4f113b",
            ..input("MD5", Qop::Auth)
        };
        assert_eq!(input.response(), "6629fae49393a05397450978507c4ef1");
    }

    #[test]
    fn the_vector_of_sha_512_256_is_met() {
        // RFC 7616 §3.9.2 (with the corrected response of erratum 4897), user name unhashed.
        let input = Input {
            algorithm: Algorithm { hash: Hash::Sha512_256, session: false },
            username: "J\u{e4}s\u{f8}n Doe".as_bytes(),
            realm: b"api@example.org",
            password: b"Secret, or not?",
            nonce: b"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
            cnonce: b"NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
            uri: b"/doe.json",
            ..input("MD5", Qop::Auth)
        };
        let expected = "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5";
        assert_eq!(input.response(), expected);
    }
}
