-- Times are microseconds since the Unix epoch, UTC. Lists are texts in which each item ends with a line feed.

CREATE TABLE companies (
    id INTEGER PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    language TEXT NOT NULL,
    int_codes INTEGER NOT NULL,
    licensed_until INTEGER,
    allow_from TEXT NOT NULL
) STRICT;

CREATE TABLE app_keys (
    appid TEXT PRIMARY KEY,
    company INTEGER NOT NULL REFERENCES companies (id),
    accesskey_sha256 BLOB NOT NULL,
    enabled INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX app_keys_of_company ON app_keys (company);

CREATE TABLE tokens (
    sha256 BLOB PRIMARY KEY,
    appid TEXT NOT NULL,
    company INTEGER NOT NULL REFERENCES companies (id),
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX tokens_by_expiry ON tokens (expires_at);
CREATE INDEX tokens_of_appid ON tokens (appid);

-- An agent is the extension at which the agent is reached: one id for both.
CREATE TABLE extensions (
    id INTEGER PRIMARY KEY,
    company INTEGER NOT NULL REFERENCES companies (id),
    number TEXT NOT NULL UNIQUE,
    password TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    paused INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX extensions_of_company ON extensions (company, number);

CREATE TABLE trunks (
    id INTEGER PRIMARY KEY,
    company INTEGER NOT NULL REFERENCES companies (id),
    name TEXT NOT NULL,
    address TEXT NOT NULL,
    transport TEXT NOT NULL,
    username TEXT NOT NULL,
    password TEXT NOT NULL,
    register INTEGER NOT NULL,
    prefix TEXT NOT NULL,
    channels_max INTEGER NOT NULL,
    cps_max INTEGER NOT NULL,
    enabled INTEGER NOT NULL,
    UNIQUE (company, name)
) STRICT;

CREATE TABLE caller_ids (
    id INTEGER PRIMARY KEY,
    company INTEGER NOT NULL REFERENCES companies (id),
    number TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    automatic INTEGER NOT NULL,
    UNIQUE (company, number)
) STRICT;

-- AUTOINCREMENT: campaigns that have ended still name deleted groups, so their ids are not used again.
CREATE TABLE agent_groups (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    company INTEGER NOT NULL REFERENCES companies (id),
    name TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    strategy INTEGER NOT NULL,
    remark TEXT NOT NULL,
    automatic INTEGER NOT NULL,
    UNIQUE (company, name)
) STRICT;

-- Members are in the order of their ids.
CREATE TABLE group_members (
    id INTEGER PRIMARY KEY,
    group_id INTEGER NOT NULL REFERENCES agent_groups (id) ON DELETE CASCADE,
    agent INTEGER NOT NULL REFERENCES extensions (id),
    signed_in INTEGER NOT NULL,
    UNIQUE (group_id, agent)
) STRICT;

CREATE TABLE registrations (
    agent INTEGER NOT NULL REFERENCES extensions (id),
    contact TEXT NOT NULL,
    transport TEXT NOT NULL,
    source TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (agent, contact)
) STRICT, WITHOUT ROWID;

-- The counters are changed by the transactions that change the leads, and never counted on read.
CREATE TABLE campaigns (
    id INTEGER PRIMARY KEY,
    company INTEGER NOT NULL REFERENCES companies (id),
    taskid TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    client_id TEXT NOT NULL,
    -- NULL: assigned to the rows of campaign_extensions.
    group_id INTEGER,
    -- As it was at creation.
    group_name TEXT NOT NULL,
    scale TEXT NOT NULL,
    manual INTEGER NOT NULL,
    calls_max INTEGER NOT NULL,
    not_before INTEGER,
    run_until INTEGER,
    caller_ids TEXT NOT NULL,
    attempts_max INTEGER NOT NULL,
    abandon_max INTEGER NOT NULL,
    status TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at INTEGER,
    end_reason TEXT,
    -- Sequence number of the lead that came last; they start at 1.
    seq_last INTEGER NOT NULL DEFAULT 0,
    total INTEGER NOT NULL DEFAULT 0,
    -- Leads by their last result.
    called INTEGER NOT NULL DEFAULT 0,
    connected INTEGER NOT NULL DEFAULT 0,
    abandoned INTEGER NOT NULL DEFAULT 0,
    -- Leads by their state.
    pending INTEGER NOT NULL DEFAULT 0,
    in_flight INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE UNIQUE INDEX campaigns_by_client_id ON campaigns (company, client_id) WHERE client_id <> '';
CREATE INDEX campaigns_by_age ON campaigns (company, created_at);
CREATE INDEX campaigns_open ON campaigns (company, created_at) WHERE status <> 'ended';
CREATE INDEX campaigns_of_group ON campaigns (group_id) WHERE group_id IS NOT NULL;

CREATE TABLE campaign_extensions (
    campaign INTEGER NOT NULL REFERENCES campaigns (id),
    position INTEGER NOT NULL,
    agent INTEGER NOT NULL,
    number TEXT NOT NULL,
    PRIMARY KEY (campaign, position)
) STRICT, WITHOUT ROWID;

CREATE INDEX campaign_extensions_by_number ON campaign_extensions (number, campaign);

-- id = campaign * 2^32 + sequence number: the leads of a campaign lie together in the order in which they came, and a
-- page of them is one range of the table.
CREATE TABLE leads (
    id INTEGER PRIMARY KEY,
    campaign INTEGER NOT NULL REFERENCES campaigns (id),
    number TEXT NOT NULL,
    not_after INTEGER,
    user_id TEXT NOT NULL,
    member_id TEXT NOT NULL,
    ext TEXT NOT NULL,
    custom_uuid TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    -- pending: to call now or later. in_flight: has an open call. called: not called again. expired: its deadline came
    -- before its first call.
    state TEXT NOT NULL DEFAULT 'pending',
    -- 0: at once. Kept while in flight, so that a returned lead gets its place back.
    due_at INTEGER NOT NULL DEFAULT 0,
    -- Calls placed in this round.
    attempts INTEGER NOT NULL DEFAULT 0,
    -- Calls placed in all rounds.
    round INTEGER NOT NULL DEFAULT 0,
    -- The last finished call of this round; all NULL: none.
    call BLOB,
    outcome TEXT,
    cause INTEGER,
    extension TEXT,
    dialed_at INTEGER,
    waiting_seconds INTEGER,
    talk_seconds INTEGER,
    sip_status INTEGER,
    UNIQUE (campaign, number)
) STRICT;

-- A lease reads the first rows of this, however many leads there are.
CREATE INDEX leads_due ON leads (campaign, due_at) WHERE state = 'pending';

-- Sequence numbers of deleted leads.
CREATE TABLE deleted_leads (
    campaign INTEGER NOT NULL REFERENCES campaigns (id),
    seq INTEGER NOT NULL,
    PRIMARY KEY (campaign, seq)
) STRICT, WITHOUT ROWID;

-- id: UUIDv7, so the rows are in the order of time. ended_at NULL: the call is open.
CREATE TABLE calls (
    id BLOB PRIMARY KEY,
    company INTEGER NOT NULL,
    campaign INTEGER NOT NULL,
    lead INTEGER NOT NULL,
    number TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    trunk INTEGER NOT NULL,
    caller_id TEXT NOT NULL,
    dialed_at INTEGER NOT NULL,
    ringing_at INTEGER,
    answered_at INTEGER,
    bridged_at INTEGER,
    ended_at INTEGER,
    agent INTEGER,
    outcome TEXT,
    cause INTEGER,
    hangup_by TEXT,
    sip_status INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX calls_of_campaign ON calls (campaign, id);
CREATE INDEX calls_open ON calls (company, id) WHERE ended_at IS NULL;
CREATE INDEX calls_answered ON calls (campaign, ended_at, outcome) WHERE outcome IN ('connected', 'abandoned');
