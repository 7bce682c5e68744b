//! Logging in as a user: a session cookie, and the token that a page of ours sends with each change.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::header::SET_COOKIE;
use serde_json::{Value, json};
use store::{Company, NewAudit, Session, User};
use tokio::sync::Semaphore;

use super::moment;
use super::problem::Problem;
use super::route::{Needs, Route, run};
use super::schema::{Schema, field, line, list, object, optional, text, time, word};
use super::trail;
use super::users::ROLES;
use super::visit::{Answer, Visit};
use super::visitor::{COOKIE_NAME, csrf_token, hex, sha256};
use crate::api::app_sip::auth;
use crate::api::app_sip::code::Ret;
use crate::api::limit::{Client, FailureLimit};
use crate::api::turn;
use crate::handle::Handle;
use crate::password;

const LIFE: Duration = Duration::from_secs(12 * 3600);
/// Failures of one user, from wherever, that lock the user out.
const USER_FAILURES_MAX: u32 = 10;
const LOCK_OUT: Duration = Duration::from_secs(15 * 60);
/// Passwords that are looked at at once: they cost a core and 19 MiB each, and calls need the rest.
const VERIFIED_AT_ONCE: usize = 1;

/// Keeps guessing slow, and cheap for us.
pub struct Gate {
    users: Mutex<FailureLimit<(String, String)>>,
    addresses: Mutex<FailureLimit<Client>>,
    verifying: Arc<Semaphore>,
}

impl Gate {
    pub fn new(address_failures_per_minute_max: u32) -> Gate {
        Gate {
            users: Mutex::new(FailureLimit::within(LOCK_OUT, USER_FAILURES_MAX)),
            addresses: Mutex::new(FailureLimit::new(address_failures_per_minute_max)),
            verifying: Arc::new(Semaphore::new(VERIFIED_AT_ONCE)),
        }
    }

    fn is_blocked(&self, user: &(String, String), peer: IpAddr) -> bool {
        let now = Instant::now();
        let users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        let addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        users.is_blocked(now, user) || addresses.is_blocked(now, &Client::of(peer))
    }

    fn failed(&self, user: (String, String), peer: IpAddr) {
        let now = Instant::now();
        self.users.lock().unwrap_or_else(PoisonError::into_inner).failed(now, user);
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner).failed(now, Client::of(peer));
    }

    /// Of the address nothing is forgotten: someone may own one user and guess at others.
    fn succeeded(&self, user: &(String, String)) {
        self.users.lock().unwrap_or_else(PoisonError::into_inner).succeeded(user);
    }

    /// Runs work on passwords, so much at once and no more.
    pub async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let permit = turn(&self.verifying).await?;
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        done.await.map_err(|e| Problem::internal(&e))
    }
}

pub fn routes() -> Vec<Route> {
    let body = object(
        "Login",
        vec![
            optional(
                "company",
                line(1, 100),
                "Code of the company. May be left out where there is only one.",
            ),
            field("name", line(1, 100), "Of the user."),
            field("password", line(1, password::CHARS_MAX), "").secret(),
        ],
    );
    vec![
        Route::post("/v1/session", "logIn", run!(log_in))
            .about("Logs a user in: sets the session cookie. After some failures it is refused for a while (429).")
            .needs(Needs::Nobody)
            .body(body)
            .answers(200, schema())
            .refused_with(&[401, 403]),
        Route::get("/v1/session", "getSession", run!(get))
            .about("Who this is, and what may be done.")
            .needs(Needs::Anyone)
            .answers(200, schema()),
        Route::delete("/v1/session", "logOut", run!(log_out))
            .about("Ends the session of the cookie.")
            .needs(Needs::Anyone),
    ]
}

fn schema() -> Schema {
    object(
        "Session",
        vec![
            field("who", text(200), "As the audit trail names it: `user:…`, `key:…`, `app:…`."),
            field("company", text(1000), "Its code."),
            field(
                "name",
                text(200).nullable(),
                "Of the user; null for a key or token, and so are the next ones.",
            ),
            field("role", word(ROLES).nullable(), ""),
            field("extension", text(64).nullable(), "Of the agent who the user is."),
            field("csrf_token", text(200).nullable(), "For the header X-CSRF-Token."),
            field("expires_at", time().nullable(), ""),
            field("scopes", list(text(64), 0, 100), ""),
        ],
    )
}

async fn log_in(visit: Visit) -> Result<Answer, Problem> {
    let b = &visit.body;
    let (name, given) = (b.text_or_empty("name"), b.text_or_empty("password"));
    let handle = visit.handle().clone();
    let company = company(&handle, b.text("company")).await?;
    let code = company.as_ref().map_or_else(|| b.text_or_empty("company"), |c| c.settings.code.clone());
    let gate = &visit.server.gate;
    let who = (code, name.clone());
    if gate.is_blocked(&who, visit.peer) {
        return Err(Problem::new(429, "locked_out", "too many failed logins; try again later"));
    }
    let user = match &company {
        None => None,
        Some(company) => {
            let company = company.id;
            handle.with_store(move |s| s.user(company, &name)).await?
        }
    };
    let hash = user.as_ref().map(|u| u.settings.password_hash.clone());
    let is_it = gate.work(move || password::verify(hash.as_deref(), &given)).await?;
    let known = user.zip(company);
    match known {
        Some((user, company)) if is_it && user.settings.enabled => {
            auth::check_company(&company, visit.peer, visit.now)?;
            gate.succeeded(&who);
            note(&visit, &company, &user, 200).await;
            begin(&visit, &handle, &company, user).await
        }
        known => {
            gate.failed(who, visit.peer);
            tracing::warn!(peer = %visit.peer, "failed login of a user");
            if let Some((user, company)) = known {
                note(&visit, &company, &user, 401).await;
            }
            Err(Problem::new(401, "wrong_login", "the company, the name or the password is wrong"))
        }
    }
}

/// The company of this code; without a code the only one.
async fn company(handle: &Handle, code: Option<&str>) -> Result<Option<Arc<Company>>, Problem> {
    let all = handle.with_store(|s| s.companies()).await?;
    let found = match code {
        Some(code) => all.into_iter().find(|c| c.settings.code == code),
        None if all.len() == 1 => all.into_iter().next(),
        None => None,
    };
    Ok(found.map(Arc::new))
}

async fn note(visit: &Visit, company: &Company, user: &User, status: u16) {
    let entry = NewAudit {
        company: company.id,
        at: visit.now,
        who: format!("user:{}", user.settings.name),
        address: visit.peer.to_string(),
        action: "logIn".to_owned(),
        target: "/v1/session".to_owned(),
        status,
        details: "{}".to_owned(),
    };
    trail::note(visit.handle(), entry).await;
}

async fn begin(visit: &Visit, handle: &Handle, company: &Company, user: User) -> Result<Answer, Problem> {
    let mut random = [0u8; 32];
    getrandom::fill(&mut random).map_err(|e| Problem::internal(&e))?;
    let cookie = hex(&random);
    let (now, expires_at) = (visit.now, visit.now.plus(LIFE));
    let session = Session { sha256: sha256(&cookie), user: user.id, created_at: now, expires_at };
    let put = move |s: &dyn store::Store| {
        // Takes expired ones away.
        s.delete_session(now, &session.sha256)?;
        s.put_session(&session)
    };
    handle.with_store(put).await?;
    let secure = if visit.base_url.starts_with("https:") { "; Secure" } else { "" };
    let life = LIFE.as_secs();
    let header =
        format!("{COOKIE_NAME}={cookie}; Path=/v1; Max-Age={life}; HttpOnly; SameSite=Strict{secure}");
    let shown = shown(company, &user, &cookie, moment::json(expires_at));
    Ok(Answer::ok(shown).with(SET_COOKIE, header))
}

fn shown(company: &Company, user: &User, cookie: &str, expires_at: Value) -> Value {
    let u = &user.settings;
    json!({
        "who": format!("user:{}", u.name),
        "company": company.settings.code,
        "name": u.name,
        "role": u.role.name(),
        "extension": Some(&u.extension).filter(|e| !e.is_empty()),
        "csrf_token": csrf_token(cookie),
        "expires_at": expires_at,
        "scopes": u.role.scopes().iter().map(store::Scope::name).collect::<Vec<_>>(),
    })
}

async fn get(visit: Visit) -> Result<Answer, Problem> {
    let who = visit.who();
    if let (Some(user), Some(cookie)) = (&who.user, &who.session) {
        let (now, hash) = (visit.now, sha256(cookie));
        let session = visit.store(move |s| s.session(now, &hash)).await?.ok_or(Ret::Token)?.0;
        return Ok(Answer::ok(shown(&who.company, user, cookie, moment::json(session.expires_at))));
    }
    Ok(Answer::ok(json!({
        "who": who.who,
        "company": who.company.settings.code,
        "name": null,
        "role": null,
        "extension": null,
        "csrf_token": null,
        "expires_at": null,
        "scopes": who.scopes.iter().map(store::Scope::name).collect::<Vec<_>>(),
    })))
}

async fn log_out(visit: Visit) -> Result<Answer, Problem> {
    let Some(cookie) = &visit.who().session else {
        return Err(Problem::conflict("no_session", "this is a key or a token, not a session"));
    };
    let (now, hash) = (visit.now, sha256(cookie));
    visit.store(move |s| s.delete_session(now, &hash)).await?;
    let header = format!("{COOKIE_NAME}=; Path=/v1; Max-Age=0; HttpOnly; SameSite=Strict");
    Ok(Answer::nothing().with(SET_COOKIE, header))
}
