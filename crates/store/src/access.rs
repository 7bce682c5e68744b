//! Who may use the API: scopes and roles, users and their sessions, keys, the audit trail, requests sent again.

use std::time::Duration;

use super::*;

/// What a request asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// See everything but what the scopes below keep.
    Read,
    /// Change campaigns, leads and groups.
    Write,
    /// Pause agents, sign them in and out, and command live calls.
    Calls,
    /// Change extensions, trunks, caller ids, webhooks, users and keys; see the audit trail.
    Admin,
    /// See telephone numbers in full, and hear recordings.
    Personal,
    /// See passwords of extensions.
    Secrets,
}

impl Scope {
    pub const ALL: [Scope; 6] =
        [Scope::Read, Scope::Write, Scope::Calls, Scope::Admin, Scope::Personal, Scope::Secrets];

    pub const fn name(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Write => "write",
            Scope::Calls => "calls",
            Scope::Admin => "admin",
            Scope::Personal => "personal",
            Scope::Secrets => "secrets",
        }
    }

    pub fn from_name(name: &str) -> Option<Scope> {
        Scope::ALL.into_iter().find(|s| s.name() == name)
    }
}

/// A set of scopes.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes(u8);

impl Scopes {
    pub const NONE: Scopes = Scopes(0);
    pub const ALL: Scopes = Scopes::of(&Scope::ALL);

    pub const fn of(scopes: &[Scope]) -> Scopes {
        let mut bits = 0;
        let mut i = 0;
        while i < scopes.len() {
            bits |= 1 << scopes[i] as u8;
            i += 1;
        }
        Scopes(bits)
    }

    pub const fn has(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u8) != 0
    }

    pub const fn contains(self, others: Scopes) -> bool {
        self.0 & others.0 == others.0
    }

    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |s| self.has(*s))
    }

    /// Names, comma-separated.
    pub fn text(self) -> String {
        self.iter().map(Scope::name).collect::<Vec<_>>().join(",")
    }

    /// Reads what `text` writes; None when a name is none.
    pub fn parse(text: &str) -> Option<Scopes> {
        let names = text.split(',').map(str::trim).filter(|n| !n.is_empty());
        let scopes: Option<Vec<Scope>> = names.map(Scope::from_name).collect();
        scopes.map(|s| Scopes::of(&s))
    }
}

impl std::fmt::Debug for Scopes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scopes({})", self.text())
    }
}

/// What a user is in the company.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    Owner,
    Supervisor,
    /// Sees masked numbers, and commands the own extension only.
    Agent,
    /// Sees masked numbers.
    ReadOnly,
}

impl Role {
    pub const ALL: [Role; 4] = [Role::Owner, Role::Supervisor, Role::Agent, Role::ReadOnly];

    pub const fn name(self) -> &'static str {
        match self {
            Role::Owner => "owner",
            Role::Supervisor => "supervisor",
            Role::Agent => "agent",
            Role::ReadOnly => "read_only",
        }
    }

    pub fn from_name(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|r| r.name() == name)
    }

    pub const fn scopes(self) -> Scopes {
        match self {
            Role::Owner => Scopes::ALL,
            Role::Supervisor => Scopes::of(&[Scope::Read, Scope::Write, Scope::Calls, Scope::Personal]),
            Role::Agent => Scopes::of(&[Scope::Read, Scope::Calls]),
            Role::ReadOnly => Scopes::of(&[Scope::Read]),
        }
    }
}

#[derive(Clone, PartialEq, Eq)]
pub struct NewUser {
    pub company: CompanyId,
    /// Unique in the company.
    pub name: String,
    pub role: Role,
    /// Number of the extension of the agent who this user is; empty: of none.
    pub extension: String,
    /// In the PHC string format.
    pub password_hash: String,
    pub enabled: bool,
}

impl std::fmt::Debug for NewUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewUser").field("name", &self.name).field("role", &self.role).finish_non_exhaustive()
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    pub id: i64,
    pub settings: NewUser,
    pub created_at: Timestamp,
}

/// A user who is logged in. Only the hash of what the browser holds is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    pub sha256: [u8; 32],
    pub user: i64,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewApiKey {
    pub company: CompanyId,
    pub name: String,
    /// Of the whole key (a random key of 128 bits or more needs no slow hash).
    pub sha256: [u8; 32],
    /// Its first characters.
    pub start: String,
    pub scopes: Scopes,
    /// None: never.
    pub expires_at: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiKey {
    pub id: i64,
    pub settings: NewApiKey,
    pub created_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
}

impl ApiKey {
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.settings.expires_at.is_none_or(|end| end > now)
    }
}

/// Something that was changed, or refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewAudit {
    pub company: CompanyId,
    pub at: Timestamp,
    /// `user:<name>`, `key:<id>`, `app:<appid>`.
    pub who: String,
    pub address: String,
    pub action: String,
    pub target: String,
    /// HTTP status.
    pub status: u16,
    /// JSON text, without secrets.
    pub details: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Audit {
    pub id: i64,
    pub entry: NewAudit,
}

/// Empty: any.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AuditFilter {
    pub who: String,
    pub action: String,
}

/// A request that its client may send again under the same key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Repeatable {
    pub company: CompanyId,
    pub who: String,
    pub key: String,
    pub request_sha256: [u8; 32],
}

/// How a request stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Claim {
    /// Not seen before: it is this client's to do.
    New,
    /// Done before, with this answer: HTTP status and body.
    Done(u16, String),
    /// Being done.
    UnderWay,
    /// The key was used for another request.
    Other,
}

/// An answer is remembered so long.
pub const IDEMPOTENCY_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// A request that has been under way for longer was cut off by a crash.
pub(crate) const UNDER_WAY_MAX: Duration = Duration::from_secs(120);

/// What a request that was claimed before means for one that comes now. None: as if it had never been.
pub(crate) fn claim_of(
    now: Timestamp,
    wanted: &Repeatable,
    known_sha256: &[u8; 32],
    status: u16,
    body: &str,
    created_at: Timestamp,
) -> Option<Claim> {
    let age = now.since(created_at);
    match status {
        _ if age >= IDEMPOTENCY_LIFETIME => None,
        0 if age >= UNDER_WAY_MAX => None,
        _ if *known_sha256 != wanted.request_sha256 => Some(Claim::Other),
        0 => Some(Claim::UnderWay),
        status => Some(Claim::Done(status, body.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_read_back_as_written() {
        for scopes in [Scopes::NONE, Scopes::ALL, Role::Supervisor.scopes(), Role::Agent.scopes()] {
            assert_eq!(Scopes::parse(&scopes.text()), Some(scopes));
        }
        assert_eq!(Scopes::parse("read, calls"), Some(Role::Agent.scopes()));
        assert_eq!(Scopes::parse("read,all"), None);
        assert!(Role::Owner.scopes().contains(Role::Supervisor.scopes()));
        assert!(!Role::Agent.scopes().contains(Role::Supervisor.scopes()));
    }
}
