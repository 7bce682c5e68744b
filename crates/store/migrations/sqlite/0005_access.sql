-- Who may use the API, what they did with it, and lists that are read page by page.

-- Both end with the id, by which the pages go.
CREATE INDEX campaigns_of_company ON campaigns (company);
CREATE INDEX calls_of_company ON calls (company, id);

-- What a token of this key may do.
ALTER TABLE app_keys ADD COLUMN scopes TEXT NOT NULL DEFAULT 'read,write,calls,admin,personal,secrets';

-- AUTOINCREMENT: the audit trail names users and keys for longer than they are there.
CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    company INTEGER NOT NULL REFERENCES companies (id),
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    -- Of the agent who this user is; empty: of none.
    extension TEXT NOT NULL,
    -- argon2id, in the PHC format.
    password_hash TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (company, name)
) STRICT;

CREATE TABLE sessions (
    sha256 BLOB PRIMARY KEY,
    user INTEGER NOT NULL REFERENCES users (id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_of_user ON sessions (user);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE api_keys (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    company INTEGER NOT NULL REFERENCES companies (id),
    name TEXT NOT NULL,
    sha256 BLOB NOT NULL UNIQUE,
    -- The first characters, by which people tell keys apart.
    start TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    -- NULL: never.
    expires_at INTEGER,
    revoked_at INTEGER
) STRICT;

CREATE INDEX api_keys_of_company ON api_keys (company, id);

CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    company INTEGER NOT NULL REFERENCES companies (id),
    at INTEGER NOT NULL,
    -- `user:<name>`, `key:<id>`, `app:<appid>`.
    who TEXT NOT NULL,
    address TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    -- HTTP status.
    status INTEGER NOT NULL,
    -- JSON, without secrets.
    details TEXT NOT NULL
) STRICT;

CREATE INDEX audit_of_company ON audit (company, id);
CREATE INDEX audit_by_age ON audit (at);

-- Requests that may be sent again under the same key. status 0: under way.
CREATE TABLE idempotency_keys (
    company INTEGER NOT NULL REFERENCES companies (id),
    who TEXT NOT NULL,
    key TEXT NOT NULL,
    request_sha256 BLOB NOT NULL,
    status INTEGER NOT NULL,
    body TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (company, who, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
