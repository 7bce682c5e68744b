//! `App.Sip_Auth`: appid and accesskey for a token, and the token for a caller.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use engine::{CompanyId, Timestamp};
use serde::Serialize;
use sha2::{Digest, Sha256};
use store::{AppKey, Company, Scopes, Token};

use super::clock::Zone;
use super::code::Ret;
use super::envelope::{Done, Failure, Reply};
use super::parameter::Parameters;
use super::{AppSip, Caller, Request};
use crate::api::limit::{Client, FailureLimit, make_room};

const TOKEN_LIFE: Duration = Duration::from_secs(12 * 3600);
/// A token is looked up in the store again after this long.
const CACHE_LIFE: Duration = Duration::from_secs(30);
const APPID_CHARS_MAX: usize = 128;
/// `authtime` of a licence without an end.
const NEVER: &str = "2099-12-31 00:00:00";

/// Tokens that were good a moment ago, and logins that were not.
pub struct Doorkeeper {
    tokens: Mutex<TokenCache>,
    logins: Mutex<FailureLimit<(Client, String)>>,
}

#[derive(Default)]
struct TokenCache {
    tokens: HashMap<[u8; 32], CachedToken>,
    /// Counts logouts: what was looked up before one is not cached after it.
    logouts: u64,
}

#[derive(Clone)]
struct CachedToken {
    appid: String,
    company: CompanyId,
    scopes: Scopes,
    expires_at: Timestamp,
    cached_at: Instant,
}

impl Doorkeeper {
    pub fn new(login_failures_per_minute_max: u32) -> Doorkeeper {
        Doorkeeper {
            tokens: Mutex::default(),
            logins: Mutex::new(FailureLimit::new(login_failures_per_minute_max)),
        }
    }

    fn cached(&self, now: Timestamp, hash: &[u8; 32]) -> (Option<CachedToken>, u64) {
        let cache = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let found = cache.tokens.get(hash);
        let fresh = found.filter(|t| t.expires_at > now && t.cached_at.elapsed() < CACHE_LIFE);
        (fresh.cloned(), cache.logouts)
    }

    /// `logouts`: as `cached` gave it before the look-up.
    fn cache(&self, hash: [u8; 32], token: CachedToken, logouts: u64) {
        let mut cache = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.logouts != logouts {
            return;
        }
        make_room(&mut cache.tokens, &hash, |t| t.cached_at.elapsed() >= CACHE_LIFE);
        cache.tokens.insert(hash, token);
    }

    fn forget(&self, which: impl Fn(&[u8; 32], &str) -> bool) {
        let mut cache = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        cache.logouts += 1;
        cache.tokens.retain(|hash, token| !which(hash, &token.appid));
    }
}

#[derive(Serialize)]
struct LoginResult<'a> {
    companycode: &'a str,
    companyname: &'a str,
    token: &'a str,
    authtime: String,
    authmodel: &'static str,
}

/// `App.Sip_Auth.Login`. Also gives the company, which decides on language and form of the answer.
pub async fn login(app: &AppSip, request: &Request) -> (Option<Arc<Company>>, Reply) {
    match admit(app, request).await {
        Ok((appid, company)) => {
            let reply = grant(app, request, appid, &company).await;
            (Some(company), reply)
        }
        Err(failure) => (None, Err(failure)),
    }
}

async fn grant(app: &AppSip, request: &Request, appid: String, company: &Company) -> Reply {
    let mut random = [0u8; 16];
    getrandom::fill(&mut random).map_err(|e| Failure::internal(&e))?;
    let token: String = random.iter().map(|b| format!("{b:02x}")).collect();
    let row = Token {
        sha256: sha256(&token),
        appid,
        company: company.id,
        expires_at: request.received.plus(TOKEN_LIFE),
    };
    app.handle.with_store(move |s| s.put_token(&row)).await?;
    let zone = Zone::named(&company.settings.time_zone);
    Done::with(&LoginResult {
        companycode: &company.settings.code,
        companyname: &company.settings.name,
        token: &token,
        authtime: company.settings.licensed_until.map_or_else(|| NEVER.to_owned(), |at| zone.format(at)),
        authmodel: "",
    })
}

/// `App.Sip_Auth.Logout`: one token, or with appid and accesskey all of the appid's.
pub async fn logout(app: &AppSip, request: &Request) -> (Option<Arc<Company>>, Reply) {
    let given = |name: &str| request.fields.text(name).is_some_and(|t| !t.is_empty());
    let ended = match given("appid") && given("accesskey") {
        true => logout_appid(app, request).await,
        false => logout_token(app, request).await,
    };
    match ended {
        Ok(company) => (Some(company), Done::empty()),
        Err(failure) => (None, Err(failure)),
    }
}

async fn logout_appid(app: &AppSip, request: &Request) -> Result<Arc<Company>, Failure> {
    let (appid, company) = admit(app, request).await?;
    let ended = appid.clone();
    app.handle.with_store(move |s| s.delete_tokens_of(&ended)).await?;
    app.doorkeeper.forget(|_, cached| cached == appid);
    Ok(company)
}

async fn logout_token(app: &AppSip, request: &Request) -> Result<Arc<Company>, Failure> {
    let company = admit_request(app, request).await?.company;
    let hash = sha256(request.token().unwrap_or_default());
    let now = request.received;
    app.handle.with_store(move |s| s.delete_token(now, &hash)).await?;
    app.doorkeeper.forget(|cached, _| *cached == hash);
    Ok(company)
}

/// Whom a token stands for.
pub struct Admitted {
    pub company: Arc<Company>,
    pub appid: String,
    pub scopes: Scopes,
}

/// Who sends this request, by its token.
pub async fn caller(app: &Arc<AppSip>, request: Request) -> Result<Caller, Failure> {
    let admitted = admit_request(app, &request).await?;
    Ok(Caller::new(app.clone(), request, admitted))
}

async fn admit_request(app: &AppSip, request: &Request) -> Result<Admitted, Failure> {
    let admitted = admit_token(app, request.token().ok_or(Ret::Token)?, request.received).await?;
    check_company(&admitted.company, request.peer, request.received)?;
    Ok(admitted)
}

/// Does not look at the company's licence and addresses: see `check_company`.
pub async fn admit_token(app: &AppSip, token: &str, now: Timestamp) -> Result<Admitted, Failure> {
    let hash = sha256(token);
    let (cached, logouts) = app.doorkeeper.cached(now, &hash);
    let token = match cached {
        Some(token) => token,
        None => {
            let found = app.handle.with_store(move |s| {
                let Some(token) = s.token(now, &hash)? else { return Ok(None) };
                let key = s.app_key(&token.appid)?;
                Ok(Some((token, key.filter(|k| k.enabled))))
            });
            let (token, key) = found.await?.ok_or(Ret::Token)?;
            let key = key.ok_or(Ret::App)?;
            let token = CachedToken {
                appid: token.appid,
                company: token.company,
                scopes: key.scopes,
                expires_at: token.expires_at,
                cached_at: Instant::now(),
            };
            app.doorkeeper.cache(hash, token.clone(), logouts);
            token
        }
    };
    let company = app.handle.company(token.company).ok_or(Ret::App)?;
    Ok(Admitted { company, appid: token.appid, scopes: token.scopes })
}

/// Checks appid and accesskey.
async fn admit(app: &AppSip, request: &Request) -> Result<(String, Arc<Company>), Failure> {
    let p = Parameters { fields: &request.fields, language: request.language() };
    let appid = p.required_name("appid", APPID_CHARS_MAX)?.to_owned();
    let accesskey = sha256(p.required("accesskey")?);
    let who = (Client::of(request.peer), appid.clone());
    let now = Instant::now();
    if app.doorkeeper.logins.lock().unwrap_or_else(PoisonError::into_inner).is_blocked(now, &who) {
        return Err(Failure::from(Ret::TooMany));
    }
    let wanted = appid.clone();
    let key = app.handle.with_store(move |s| s.app_key(&wanted)).await?;
    let Some(key) = key.filter(|k| is_good(k, &accesskey)) else {
        app.doorkeeper.logins.lock().unwrap_or_else(PoisonError::into_inner).failed(now, who);
        tracing::warn!(peer = %request.peer, "failed login");
        return Err(Failure::from(Ret::App));
    };
    app.doorkeeper.logins.lock().unwrap_or_else(PoisonError::into_inner).succeeded(&who);
    let company = app.handle.company(key.company).ok_or(Ret::App)?;
    check_company(&company, request.peer, request.received)?;
    Ok((appid, company))
}

fn is_good(key: &AppKey, accesskey_sha256: &[u8; 32]) -> bool {
    same(&key.accesskey_sha256, accesskey_sha256) & key.enabled
}

/// In constant time.
fn same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    let differing = a.iter().zip(b).fold(0u8, |acc, (x, y)| acc | (x ^ y));
    std::hint::black_box(differing) == 0
}

/// Whether the company's licence lasts, and it may be used from this address.
pub fn check_company(company: &Company, peer: IpAddr, now: Timestamp) -> Result<(), Ret> {
    if company.settings.licensed_until.is_some_and(|end| end <= now) {
        return Err(Ret::LicenceEnded);
    }
    let allowed = &company.settings.allow_from;
    if !allowed.is_empty() && !allowed.iter().any(|network| contains(network, peer)) {
        return Err(Ret::Address);
    }
    Ok(())
}

/// `network`: an address, or `address/bits`. What is neither contains nothing.
fn contains(network: &str, address: IpAddr) -> bool {
    let (base, bits) = match network.trim().split_once('/') {
        Some((base, bits)) => (base, bits.parse::<u32>().ok()),
        None => (network.trim(), Some(128)),
    };
    let (Ok(base), Some(bits)) = (base.parse::<IpAddr>(), bits) else { return false };
    match (base.to_canonical(), address.to_canonical()) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same_prefix(a.to_bits().into(), b.to_bits().into(), 32, bits),
        (IpAddr::V6(a), IpAddr::V6(b)) => same_prefix(a.to_bits(), b.to_bits(), 128, bits),
        _ => false,
    }
}

fn same_prefix(a: u128, b: u128, width: u32, bits: u32) -> bool {
    let host_bits = width - bits.min(width);
    (a ^ b).checked_shr(host_bits).unwrap_or(0) == 0
}

fn sha256(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_their_addresses() {
        let is_in = |network: &str, address: &str| contains(network, address.parse().expect("an address"));
        assert!(is_in("10.1.0.0/16", "10.1.255.3"));
        assert!(!is_in("10.1.0.0/16", "10.2.0.1"));
        assert!(is_in("10.1.2.3", "::ffff:10.1.2.3"));
        assert!(is_in("0.0.0.0/0", "8.8.8.8"));
        assert!(is_in("2001:db8::/32", "2001:db8:1::1"));
        assert!(is_in("::/0", "2001:db8:1::1"));
        assert!(!is_in("::/0", "8.8.8.8"));
        assert!(!is_in("nonsense/8", "8.8.8.8"));
        assert!(!is_in("8.0.0.0/x", "8.8.8.8"));
    }

    #[test]
    fn hashes_are_compared_whole() {
        assert!(same(&sha256("a"), &sha256("a")));
        assert!(!same(&sha256("a"), &sha256("b")));
    }
}
