//! The client's side: challenges that came in, and the credentials that answer them.

use super::{Algorithm, Input, Params, Qop};
use crate::endpoint::Credentials;
use crate::io::Io;
use crate::message::{Message, Method, Name, quote};

/// Realms that one request is authenticated to.
const REALMS_MAX: usize = 4;
/// Times that one request is sent again because its nonce was stale.
const STALE_MAX: u32 = 3;

#[derive(Clone, Debug)]
struct Challenge {
    /// 407 rather than 401.
    proxy: bool,
    realm: Vec<u8>,
    nonce: Vec<u8>,
    opaque: Option<Vec<u8>>,
    algorithm: Algorithm,
    /// Whether the algorithm was named: some old servers want it only then.
    named: bool,
    qop: Qop,
    stale: bool,
    uses: u32,
}

/// What we know of the far end's challenges. Lives as long as a dialog or a registration, so that later requests
/// carry credentials at once.
#[derive(Clone, Default, Debug)]
pub(crate) struct Answers {
    challenges: Vec<Challenge>,
    /// Nonces that the current request was sent with because of a challenge to it.
    tried: Vec<Vec<u8>>,
    stale_count: u32,
}

/// Whether it makes sense to send the request again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Retry {
    Again,
    No,
}

impl Answers {
    /// A new request starts: what was tried for the one before does not count.
    pub fn restart(&mut self) {
        self.tried.clear();
        self.stale_count = 0;
    }

    /// Takes in a 401 or 407. RFC 3261 §22.2: the same credentials are not tried twice unless the nonce was stale.
    pub fn learn(&mut self, response: &Message) -> Retry {
        let proxy = response.status() == 407;
        let name = if proxy { Name::ProxyAuthenticate } else { Name::WwwAuthenticate };
        let mut fresh: Vec<Challenge> = Vec::new();
        for challenge in response.fields(name).filter_map(|value| Challenge::parse(value, proxy)) {
            // RFC 8760 §2.4: the first one of a realm that we can answer is the one to answer.
            if fresh.len() < REALMS_MAX && fresh.iter().all(|known| known.realm != challenge.realm) {
                fresh.push(challenge);
            }
        }
        let mut retry = Retry::No;
        for challenge in fresh {
            if self.admit(challenge) {
                retry = Retry::Again;
            }
        }
        retry
    }

    fn admit(&mut self, challenge: Challenge) -> bool {
        let known =
            self.challenges.iter().position(|c| c.proxy == challenge.proxy && c.realm == challenge.realm);
        let tried = known.is_some_and(|at| self.tried.contains(&self.challenges[at].nonce));
        if self.tried.contains(&challenge.nonce) || (tried && !challenge.stale) {
            return false;
        }
        if tried {
            self.stale_count += 1;
        }
        if self.stale_count > STALE_MAX || self.tried.len() > 2 * REALMS_MAX {
            return false;
        }
        self.tried.push(challenge.nonce.clone());
        match known {
            Some(at) => self.challenges[at] = challenge,
            None if self.challenges.len() < REALMS_MAX => self.challenges.push(challenge),
            None => return false,
        }
        true
    }

    /// The header lines that authenticate a request.
    pub fn headers(
        &mut self,
        io: &mut Io,
        credentials: &Credentials,
        method: Method,
        uri: &[u8],
        body: &[u8],
    ) -> Vec<(Name, &'static str, Vec<u8>)> {
        self.challenges
            .iter_mut()
            .map(|challenge| {
                let (name, label) = match challenge.proxy {
                    true => (Name::ProxyAuthorization, "Proxy-Authorization"),
                    false => (Name::Authorization, "Authorization"),
                };
                let cnonce = format!("{:016x}", io.rng.u64(..));
                (name, label, challenge.answer(credentials, method, uri, body, &cnonce).into_bytes())
            })
            .collect()
    }
}

impl Challenge {
    fn parse(value: &[u8], proxy: bool) -> Option<Challenge> {
        let params = Params::parse(value)?;
        let name = params.text("algorithm");
        let qop = match params.text("qop") {
            None => Qop::None,
            Some(list) => {
                let offers = |wanted: &str| {
                    list.split(|&b| b == b',').any(|v| v.trim_ascii().eq_ignore_ascii_case(wanted.as_bytes()))
                };
                match (offers("auth"), offers("auth-int")) {
                    (true, _) => Qop::Auth,
                    (false, true) => Qop::AuthInt,
                    (false, false) => return None,
                }
            }
        };
        Some(Challenge {
            proxy,
            realm: params.text("realm")?,
            nonce: params.text("nonce")?,
            opaque: params.text("opaque"),
            algorithm: Algorithm::parse(name.as_deref())?,
            named: name.is_some(),
            qop,
            stale: params.text("stale").is_some_and(|v| v.eq_ignore_ascii_case(b"true")),
            uses: 0,
        })
    }

    fn answer(
        &mut self,
        login: &Credentials,
        method: Method,
        uri: &[u8],
        body: &[u8],
        cnonce: &str,
    ) -> String {
        self.uses += 1;
        let nc = format!("{:08x}", self.uses);
        let response = Input {
            algorithm: self.algorithm,
            qop: self.qop,
            username: login.username.as_bytes(),
            realm: &self.realm,
            password: login.password.as_bytes(),
            nonce: &self.nonce,
            nc: nc.as_bytes(),
            cnonce: cnonce.as_bytes(),
            method: method.as_str().as_bytes(),
            uri,
            body,
        }
        .response();
        let text = |bytes: &[u8]| quote(&String::from_utf8_lossy(bytes));
        let mut out = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{response}\"",
            quote(&login.username),
            text(&self.realm),
            text(&self.nonce),
            text(uri),
        );
        if self.named {
            out.push_str(", algorithm=");
            out.push_str(self.algorithm.as_str());
        }
        match self.qop {
            Qop::None if self.algorithm.session => out.push_str(&format!(", cnonce=\"{cnonce}\"")),
            Qop::None => {}
            Qop::Auth => out.push_str(&format!(", qop=auth, cnonce=\"{cnonce}\", nc={nc}")),
            Qop::AuthInt => out.push_str(&format!(", qop=auth-int, cnonce=\"{cnonce}\", nc={nc}")),
        }
        if let Some(opaque) = &self.opaque {
            out.push_str(", opaque=");
            out.push_str(&text(opaque));
        }
        out
    }
}
