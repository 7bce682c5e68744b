//! Who sends a request: a program by its key or token, or a user by a session.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, COOKIE};
use engine::Timestamp;
use sha2::{Digest, Sha256};
use store::{Company, Role, Scope, Scopes, User};

use super::problem::Problem;
use super::route::{Needs, Route};
use crate::api::app_sip::auth;
use crate::api::app_sip::code::Ret;
use crate::api::app_sip::envelope::Failure;
use crate::api::{Server, bearer_token, text_header};

/// API keys begin with this.
pub const KEY_START: &str = "opk_";
/// The cookie of a session.
pub const COOKIE_NAME: &str = "outpace_session";
/// Where a browser's page proves that it is ours.
pub const CSRF_HEADER: &str = "x-csrf-token";

#[derive(Clone)]
pub struct Visitor {
    pub company: Arc<Company>,
    /// `user:<name>`, `key:<id>`, `app:<appid>`.
    pub who: String,
    pub scopes: Scopes,
    pub user: Option<User>,
    /// What the cookie holds.
    pub session: Option<String>,
}

impl Visitor {
    /// By `Authorization: Bearer`, else by the cookie.
    pub async fn of(
        server: &Arc<Server>,
        headers: &HeaderMap,
        peer: IpAddr,
        now: Timestamp,
    ) -> Result<Visitor, Problem> {
        let visitor = match text_header(headers, AUTHORIZATION.as_str()) {
            Some(header) => by_bearer(server, &bearer_token(header).ok_or(Ret::Token)?, now).await?,
            None => by_session(server, cookie(headers).ok_or(Ret::Token)?, now).await?,
        };
        auth::check_company(&visitor.company, peer, now)?;
        Ok(visitor)
    }

    /// Whether the visitor may do this. `extension`: which the path names.
    pub fn check(&self, route: &Route, extension: Option<&str>, headers: &HeaderMap) -> Result<(), Problem> {
        let may = match route.needs {
            Needs::Nobody | Needs::Anyone => true,
            Needs::Scope(scope) => self.scopes.has(scope) && !(scope == Scope::Calls && self.is_agent()),
            Needs::OwnExtension => {
                let own = self.user.as_ref().map(|u| u.settings.extension.as_str());
                self.scopes.has(Scope::Calls)
                    && (!self.is_agent() || (own == extension && extension.is_some()))
            }
        };
        if !may {
            return Err(Problem::new(403, "forbidden", "this key or user may not do that"));
        }
        match &self.session {
            Some(session) if route.changes() && !has_csrf(headers, session) => {
                let message = "a request with the cookie needs the header X-CSRF-Token";
                Err(Problem::new(403, "csrf", message))
            }
            _ => Ok(()),
        }
    }

    fn is_agent(&self) -> bool {
        self.user.as_ref().is_some_and(|u| u.settings.role == Role::Agent)
    }
}

async fn by_bearer(server: &Arc<Server>, token: &str, now: Timestamp) -> Result<Visitor, Problem> {
    if !token.starts_with(KEY_START) {
        let admitted = auth::admit_token(&server.app_sip, token, now).await.map_err(problem_of)?;
        let who = format!("app:{}", admitted.appid);
        let (company, scopes) = (admitted.company, admitted.scopes);
        return Ok(Visitor { company, who, scopes, user: None, session: None });
    }
    let hash = sha256(token);
    let key = server.app_sip.handle().with_store(move |s| s.api_key(&hash)).await?;
    let key = key.filter(|k| k.is_good(now)).ok_or(Ret::Token)?;
    let company = server.app_sip.handle().company(key.settings.company).ok_or(Ret::Token)?;
    let who = format!("key:{}", key.id);
    Ok(Visitor { company, who, scopes: key.settings.scopes, user: None, session: None })
}

async fn by_session(server: &Arc<Server>, cookie: String, now: Timestamp) -> Result<Visitor, Problem> {
    let hash = sha256(&cookie);
    let found = server.app_sip.handle().with_store(move |s| s.session(now, &hash)).await?;
    let (_, user) = found.ok_or(Ret::Token)?;
    let company = server.app_sip.handle().company(user.settings.company).ok_or(Ret::Token)?;
    let (who, scopes) = (format!("user:{}", user.settings.name), user.settings.role.scopes());
    Ok(Visitor { company, who, scopes, user: Some(user), session: Some(cookie) })
}

/// The cookie of the session, if there is one (RFC 6265 §4.2.1).
fn cookie(headers: &HeaderMap) -> Option<String> {
    let all = headers.get_all(COOKIE).iter().filter_map(|v| v.to_str().ok());
    let pairs = all.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let found = pairs.into_iter().find(|(name, _)| *name == COOKIE_NAME);
    found.map(|(_, value)| value.to_owned()).filter(|value| !value.is_empty())
}

/// What a page of ours sends with each change. It hangs on the session and tells nothing of it.
pub fn csrf_token(session: &str) -> String {
    hex(&sha256(&format!("csrf {session}")))
}

fn has_csrf(headers: &HeaderMap, session: &str) -> bool {
    let given = text_header(headers, CSRF_HEADER).unwrap_or_default();
    // Hashes are compared, so that the time it takes tells nothing.
    sha256(given) == sha256(&csrf_token(session))
}

pub fn sha256(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn problem_of(failure: Failure) -> Problem {
    match failure {
        Failure::Platform { ret, .. } => Problem::from(ret),
        Failure::Business { .. } => Problem::from(Ret::Token),
    }
}
