-- Calls that are no campaign's: those that agents asked for. ended_at NULL: the call is open.
CREATE TABLE direct_calls (
    id BLOB PRIMARY KEY,
    company INTEGER NOT NULL,
    kind TEXT NOT NULL,
    agent INTEGER NOT NULL,
    number TEXT NOT NULL,
    caller_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    member_id TEXT NOT NULL,
    ext TEXT NOT NULL,
    custom_uuid TEXT NOT NULL,
    dialed_at INTEGER NOT NULL,
    trunk INTEGER,
    ringing_at INTEGER,
    answered_at INTEGER,
    bridged_at INTEGER,
    ended_at INTEGER,
    outcome TEXT,
    cause INTEGER,
    hangup_by TEXT,
    sip_status INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX direct_calls_open ON direct_calls (company, id) WHERE ended_at IS NULL;

-- As the compatible API numbers them: 5 is predictive.
ALTER TABLE bills ADD COLUMN method INTEGER NOT NULL DEFAULT 5;
