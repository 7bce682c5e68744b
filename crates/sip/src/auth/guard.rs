//! The server's side: stateless challenges, the check of credentials, and a brake for those who guess.

use super::{Algorithm, Hash, Input, Params, Qop, hex};
use crate::endpoint::DigestOffer;
use crate::message::{Message, Method, Name};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::collections::{HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

/// How long a nonce is good for.
const NONCE_LIFE: Duration = Duration::from_secs(300);
/// Bad digests from one address within [`WINDOW`] that shut it out for [`SHUT_OUT`].
const FAILURES_MAX: u32 = 10;
const WINDOW: Duration = Duration::from_secs(60);
const SHUT_OUT: Duration = Duration::from_secs(60);
/// Addresses whose failures are counted; the oldest entry makes room.
const ADDRESSES_MAX: usize = 4096;
/// Hex digits of the time and of the MAC in a nonce.
const TIME_DIGITS: usize = 12;
const MAC_BYTES: usize = 16;

/// What the credentials of a request are worth.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// None for our realm.
    Absent,
    /// Right or wrong, their nonce is too old or not ours.
    Stale,
    Wrong,
    /// The account's name.
    Good(String),
}

#[derive(Debug)]
struct Failures {
    since: Duration,
    count: u32,
    shut_until: Duration,
}

pub(crate) struct Guard {
    pub offer: DigestOffer,
    /// From where calls without an account are taken; None: from everywhere.
    pub friends: Option<HashSet<IpAddr>>,
    realm: String,
    key: [u8; 32],
    failures: HashMap<IpAddr, Failures>,
    order: VecDeque<IpAddr>,
}

impl Guard {
    pub fn new(realm: &str, key: [u8; 32]) -> Guard {
        Guard {
            offer: DigestOffer::default(),
            friends: None,
            realm: realm.to_owned(),
            key,
            failures: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// Whether calls without an account are taken from there.
    pub fn is_friend(&self, ip: IpAddr) -> bool {
        self.friends.as_ref().is_none_or(|friends| friends.contains(&ip.to_canonical()))
    }

    /// The values of WWW-Authenticate. The nonce holds the time and is bound to the address, so nothing is kept.
    pub fn challenges(&self, now: Duration, ip: IpAddr, stale: bool) -> Vec<String> {
        let nonce = self.nonce(now, ip);
        let realm = crate::message::quote(&self.realm);
        let stale = if stale { ", stale=true" } else { "" };
        let challenge = |algorithm: &&str| {
            format!("Digest realm={realm}, nonce=\"{nonce}\", algorithm={algorithm}, qop=\"auth\"{stale}")
        };
        // RFC 8760 §2.4: the one that is liked best comes first.
        let algorithms: &[&str] = match self.offer {
            DigestOffer::Md5 => &["MD5"],
            DigestOffer::Sha256AndMd5 => &["SHA-256", "MD5"],
            DigestOffer::Sha256 => &["SHA-256"],
        };
        algorithms.iter().map(challenge).collect()
    }

    /// Checks the credentials of `request`. `password` looks up an account.
    ///
    /// The uri parameter is not held against the Request-URI: clients in wide use put another one there. The digest
    /// still covers method and nonce, and the nonce is bound to the address, so what can be replayed is a request of
    /// the same kind from the same host within the nonce's life. For the same reason nc is not followed.
    pub fn check<'a>(
        &self,
        now: Duration,
        ip: IpAddr,
        request: &Message,
        password: impl Fn(&str) -> Option<&'a str>,
    ) -> Verdict {
        let method = request.method().unwrap_or(Method::Other);
        let ours = request
            .fields(Name::Authorization)
            .chain(request.fields(Name::ProxyAuthorization))
            .filter_map(Params::parse)
            .find(|params| params.text("realm").is_some_and(|realm| realm == self.realm.as_bytes()));
        let Some(params) = ours else { return Verdict::Absent };
        let nonce = params.text("nonce").unwrap_or_default();
        if !self.nonce_is_good(now, ip, &nonce) {
            return Verdict::Stale;
        }
        let Some(username) = params.text("username").and_then(|name| String::from_utf8(name).ok()) else {
            return Verdict::Wrong;
        };
        // An unknown account costs as much as a wrong password.
        let known = password(&username);
        let weak = Algorithm::parse(params.text("algorithm").as_deref()).is_some_and(|a| a.hash == Hash::Md5);
        if weak && self.offer == DigestOffer::Sha256 {
            return Verdict::Wrong;
        }
        match response_matches(&params, &username, known.unwrap_or("-"), method, request.body()) {
            true if known.is_some() => Verdict::Good(username),
            _ => Verdict::Wrong,
        }
    }

    /// Counts a wrong digest.
    pub fn failed(&mut self, now: Duration, ip: IpAddr) {
        if !self.failures.contains_key(&ip) {
            if self.order.len() >= ADDRESSES_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.failures.remove(&oldest);
            }
            self.order.push_back(ip);
        }
        let fresh = Failures { since: now, count: 0, shut_until: Duration::ZERO };
        let entry = self.failures.entry(ip).or_insert(fresh);
        if now.saturating_sub(entry.since) > WINDOW {
            entry.since = now;
            entry.count = 0;
        }
        entry.count += 1;
        if entry.count >= FAILURES_MAX {
            entry.shut_until = now + SHUT_OUT;
            entry.count = 0;
            entry.since = now;
        }
    }

    pub fn is_shut_out(&self, now: Duration, ip: IpAddr) -> bool {
        self.failures.get(&ip).is_some_and(|entry| now < entry.shut_until)
    }

    fn nonce(&self, now: Duration, ip: IpAddr) -> String {
        let time = format!("{:012x}", now.as_millis() & 0xffff_ffff_ffff);
        let mac = self.mac(&time, ip).finalize().into_bytes();
        format!("{time}{}", hex(&mac[..MAC_BYTES]))
    }

    fn nonce_is_good(&self, now: Duration, ip: IpAddr, nonce: &[u8]) -> bool {
        let Ok(nonce) = std::str::from_utf8(nonce) else { return false };
        let Some((time, given)) = nonce.split_at_checked(TIME_DIGITS) else { return false };
        let Ok(millis) = u64::from_str_radix(time, 16) else { return false };
        let age = now.checked_sub(Duration::from_millis(millis));
        if age.is_none_or(|age| age > NONCE_LIFE) {
            return false;
        }
        let mac = self.mac(time, ip).finalize().into_bytes();
        same(hex(&mac[..MAC_BYTES]).as_bytes(), given.as_bytes())
    }

    fn mac(&self, time: &str, ip: IpAddr) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(time.as_bytes());
        match ip {
            IpAddr::V4(v4) => mac.update(&v4.octets()),
            IpAddr::V6(v6) => mac.update(&v6.octets()),
        }
        mac
    }
}

fn response_matches(
    params: &Params<'_>,
    username: &str,
    password: &str,
    method: Method,
    body: &[u8],
) -> bool {
    let name = params.text("algorithm");
    let Some(algorithm) = Algorithm::parse(name.as_deref()) else { return false };
    let qop = match params.text("qop") {
        None => Qop::None,
        Some(qop) if qop.eq_ignore_ascii_case(b"auth") => Qop::Auth,
        Some(qop) if qop.eq_ignore_ascii_case(b"auth-int") => Qop::AuthInt,
        Some(_) => return false,
    };
    let part = |name: &str| params.text(name).unwrap_or_default();
    let expected = Input {
        algorithm,
        qop,
        username: username.as_bytes(),
        realm: &part("realm"),
        password: password.as_bytes(),
        nonce: &part("nonce"),
        nc: &part("nc"),
        cnonce: &part("cnonce"),
        method: method.as_str().as_bytes(),
        uri: &part("uri"),
        body,
    }
    .response();
    same(expected.as_bytes(), &part("response").to_ascii_lowercase())
}

/// Compares without telling by its time where the difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |diff, (x, y)| diff | (x ^ y)) == 0
}
