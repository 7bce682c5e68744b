//! Users, sessions, keys, the audit trail, requests that may be sent again.

use super::*;
use crate::access::claim_of;

#[derive(Default)]
pub(super) struct Access {
    pub users: Vec<User>,
    pub sessions: HashMap<[u8; 32], Session>,
    pub api_keys: Vec<ApiKey>,
    /// The id of an entry is its place, from 1; one that was deleted is None.
    audit: Vec<Option<NewAudit>>,
    requests: HashMap<(CompanyId, String, String), Claimed>,
}

impl Access {
    pub(super) fn is_extension_of_a_user(&self, company: CompanyId, number: &str) -> bool {
        self.users.iter().any(|u| u.settings.company == company && u.settings.extension == number)
    }
}

struct Claimed {
    request_sha256: [u8; 32],
    status: u16,
    body: String,
    created_at: Timestamp,
}

impl Tables {
    pub(super) fn add_user(&mut self, now: Timestamp, new: &NewUser) -> Result<User> {
        self.check_company(new.company)?;
        if self.user(new.company, &new.name).is_some() {
            return Err(StoreError::Taken("user"));
        }
        let user = User { id: next_id(&self.access.users), settings: new.clone(), created_at: now };
        self.access.users.push(user.clone());
        Ok(user)
    }

    pub(super) fn user(&self, company: CompanyId, name: &str) -> Option<User> {
        let is_it = |u: &&User| u.settings.company == company && u.settings.name == name;
        self.access.users.iter().find(is_it).cloned()
    }

    pub(super) fn edit_user(&mut self, edited: &User) -> Result<()> {
        let known = self.access.users.iter_mut().find(|u| u.id == edited.id);
        let known = &mut known.ok_or(StoreError::NotFound("user"))?.settings;
        let (old, new) = (known.clone(), &edited.settings);
        *known = NewUser { company: old.company, name: old.name.clone(), ..new.clone() };
        if !new.enabled || new.password_hash != old.password_hash || new.role != old.role {
            self.access.sessions.retain(|_, s| s.user != edited.id);
        }
        Ok(())
    }

    pub(super) fn put_session(&mut self, session: &Session) -> Result<()> {
        if !self.access.users.iter().any(|u| u.id == session.user) {
            return Err(StoreError::NotFound("user"));
        }
        self.access.sessions.insert(session.sha256, session.clone());
        Ok(())
    }

    pub(super) fn session(&self, now: Timestamp, hash: &[u8; 32]) -> Option<(Session, User)> {
        let session = self.access.sessions.get(hash).filter(|s| s.expires_at > now)?;
        let user = self.access.users.iter().find(|u| u.id == session.user && u.settings.enabled)?;
        Some((session.clone(), user.clone()))
    }

    pub(super) fn add_api_key(&mut self, now: Timestamp, new: &NewApiKey) -> Result<ApiKey> {
        self.check_company(new.company)?;
        if self.access.api_keys.iter().any(|k| k.settings.sha256 == new.sha256) {
            return Err(StoreError::Taken("key"));
        }
        let id = next_id(&self.access.api_keys);
        let key = ApiKey { id, settings: new.clone(), created_at: now, revoked_at: None };
        self.access.api_keys.push(key.clone());
        Ok(key)
    }

    pub(super) fn revoke_api_key(&mut self, now: Timestamp, company: CompanyId, key: i64) -> Result<()> {
        let is_it = |k: &&mut ApiKey| k.id == key && k.settings.company == company;
        let key = self.access.api_keys.iter_mut().find(is_it).ok_or(StoreError::NotFound("key"))?;
        key.revoked_at = key.revoked_at.or(Some(now));
        Ok(())
    }

    pub(super) fn put_audit(&mut self, entry: &NewAudit) -> Result<()> {
        self.check_company(entry.company)?;
        self.access.audit.push(Some(entry.clone()));
        Ok(())
    }

    pub(super) fn audit_before(
        &self,
        company: CompanyId,
        filter: &AuditFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Vec<Audit> {
        let is = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
        let found = self.access.audit.iter().enumerate().rev().filter_map(|(place, entry)| {
            let id = i64::try_from(place).unwrap_or(i64::MAX - 1) + 1;
            let entry = entry.as_ref().filter(|e| e.company == company)?;
            (is(&filter.who, &entry.who) && is(&filter.action, &entry.action))
                .then(|| Audit { id, entry: entry.clone() })
        });
        let found = found.filter(|a| before.is_none_or(|b| a.id < b));
        page_of(found, Page { offset: 0, limit })
    }

    pub(super) fn delete_audit(&mut self, before: Timestamp) -> u64 {
        let old = |entry: &&mut Option<NewAudit>| entry.as_ref().is_some_and(|e| e.at < before);
        let old = self.access.audit.iter_mut().filter(old).take(rule::AUDIT_DELETED_MAX);
        old.map(|entry| *entry = None).count() as u64
    }

    pub(super) fn claim_request(&mut self, now: Timestamp, wanted: &Repeatable) -> Result<Claim> {
        self.check_company(wanted.company)?;
        self.access.requests.retain(|_, c| now.since(c.created_at) < IDEMPOTENCY_LIFETIME);
        let place = (wanted.company, wanted.who.clone(), wanted.key.clone());
        let known = self.access.requests.get(&place);
        let known =
            known.and_then(|c| claim_of(now, wanted, &c.request_sha256, c.status, &c.body, c.created_at));
        if let Some(claim) = known {
            return Ok(claim);
        }
        let request_sha256 = wanted.request_sha256;
        let claimed = Claimed { request_sha256, status: 0, body: String::new(), created_at: now };
        self.access.requests.insert(place, claimed);
        Ok(Claim::New)
    }

    pub(super) fn settle_request(&mut self, request: &Repeatable, status: u16, body: &str) {
        let place = (request.company, request.who.clone(), request.key.clone());
        let claimed = self.access.requests.get_mut(&place);
        let Some(claimed) = claimed.filter(|c| c.request_sha256 == request.request_sha256) else { return };
        if status == 0 {
            self.access.requests.remove(&place);
            return;
        }
        claimed.status = status;
        body.clone_into(&mut claimed.body);
    }
}
