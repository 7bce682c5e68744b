-- What a company is told of its finished calls, with the names that everything had when the call ended.
CREATE TABLE bills (
    id INTEGER PRIMARY KEY,
    company INTEGER NOT NULL,
    call BLOB NOT NULL,
    taskid TEXT NOT NULL,
    round INTEGER NOT NULL,
    number TEXT NOT NULL,
    caller_id TEXT NOT NULL,
    -- Empty: the call was offered to nobody.
    extension TEXT NOT NULL,
    user_id TEXT NOT NULL,
    member_id TEXT NOT NULL,
    ext TEXT NOT NULL,
    custom_uuid TEXT NOT NULL,
    dialed_at INTEGER NOT NULL,
    answered_at INTEGER,
    ended_at INTEGER NOT NULL,
    waiting_seconds INTEGER NOT NULL,
    talk_seconds INTEGER NOT NULL,
    cause INTEGER NOT NULL,
    hangup_by TEXT NOT NULL,
    -- A client has got it.
    fetched INTEGER NOT NULL DEFAULT 0
) STRICT;

INSERT INTO bills (company, call, taskid, round, number, caller_id, extension, user_id, member_id, ext, custom_uuid,
    dialed_at, answered_at, ended_at, waiting_seconds, talk_seconds, cause, hangup_by)
SELECT calls.company, calls.id, campaigns.taskid, row_number() OVER (PARTITION BY calls.lead ORDER BY calls.id),
    calls.number, calls.caller_id, coalesce(extensions.number, ''), coalesce(leads.user_id, ''),
    coalesce(leads.member_id, ''), coalesce(leads.ext, ''), coalesce(leads.custom_uuid, ''), calls.dialed_at,
    calls.answered_at, calls.ended_at,
    (max(coalesce(calls.answered_at, calls.ended_at) - calls.dialed_at, 0) / 1000 + 500) / 1000,
    (max(coalesce(calls.ended_at - calls.bridged_at, 0), 0) / 1000 + 500) / 1000,
    calls.cause, calls.hangup_by
FROM calls
JOIN campaigns ON campaigns.id = calls.campaign
LEFT JOIN leads ON leads.id = calls.lead
LEFT JOIN extensions ON extensions.id = calls.agent
WHERE calls.ended_at IS NOT NULL
ORDER BY calls.ended_at, calls.id;

CREATE INDEX bills_by_start ON bills (company, dialed_at);
CREATE INDEX bills_not_fetched ON bills (company, dialed_at) WHERE fetched = 0;

-- Where a company wants to be told what; an empty URL: not at all.
CREATE TABLE company_pushes (
    company INTEGER PRIMARY KEY REFERENCES companies (id),
    task_status_url TEXT NOT NULL,
    extension_state_url TEXT NOT NULL,
    bill_url TEXT NOT NULL,
    detail_form INTEGER NOT NULL,
    secret TEXT NOT NULL,
    allow_private INTEGER NOT NULL
) STRICT;

-- What waits to be told. A row goes when it was told. AUTOINCREMENT: what a receiver tells repetitions by is made from
-- the id, so ids are not used again.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    company INTEGER NOT NULL,
    kind TEXT NOT NULL,
    -- Events of one call are told in the order of their ids.
    call BLOB,
    body TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    -- pending: told when due. waiting: an earlier one of the call was not told yet. dead: given up.
    state TEXT NOT NULL
) STRICT;

CREATE INDEX outbox_due ON outbox (company, kind, due_at, id) WHERE state = 'pending';
CREATE INDEX outbox_of_call ON outbox (call, id) WHERE state <> 'dead' AND call IS NOT NULL;
CREATE INDEX outbox_by_expiry ON outbox (company, kind, expires_at) WHERE state <> 'dead';
CREATE INDEX outbox_dead ON outbox (expires_at) WHERE state = 'dead';
