-- What a company has to keep. None: nothing.
CREATE TABLE compliance (
    company INTEGER PRIMARY KEY REFERENCES companies (id),
    profile TEXT NOT NULL,
    country TEXT NOT NULL,
    windows TEXT NOT NULL,
    holidays TEXT NOT NULL,
    holidays_are TEXT NOT NULL,
    -- Items calls/hours.
    caps TEXT NOT NULL,
    lockout_h INTEGER NOT NULL,
    ring_min_s INTEGER NOT NULL,
    abandon_max INTEGER NOT NULL,
    abandon_windows TEXT NOT NULL
) STRICT;

-- Do-not-call lists. campaign 0: every campaign's. key: the one form in which numbers are compared, or what it begins with.
CREATE TABLE dnc (
    company INTEGER NOT NULL REFERENCES companies (id),
    campaign INTEGER NOT NULL,
    is_prefix INTEGER NOT NULL,
    key TEXT NOT NULL,
    -- As it was given.
    entry TEXT NOT NULL,
    added_at INTEGER NOT NULL,
    PRIMARY KEY (company, campaign, is_prefix, key)
) STRICT, WITHOUT ROWID;

-- The country for which the keys of a company's lists were made.
CREATE TABLE dnc_countries (
    company INTEGER PRIMARY KEY REFERENCES companies (id),
    country TEXT NOT NULL
) STRICT;

-- Calls to each number, so that they can be counted. The oldest rows go.
CREATE TABLE dials (
    id INTEGER PRIMARY KEY,
    company INTEGER NOT NULL,
    key TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;

CREATE INDEX dials_of_number ON dials (company, key, at);

-- Calls that a person answered and no agent came. The oldest rows go.
CREATE TABLE abandoned_calls (
    id INTEGER PRIMARY KEY,
    company INTEGER NOT NULL,
    key TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;

CREATE INDEX abandoned_calls_of_number ON abandoned_calls (company, key, at);

-- Calls that were not placed because a rule forbids them. campaign and lead NULL: asked for by hand.
CREATE TABLE refusals (
    id INTEGER PRIMARY KEY,
    company INTEGER NOT NULL,
    campaign INTEGER,
    lead INTEGER,
    number TEXT NOT NULL,
    rule TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;

CREATE INDEX refusals_of_company ON refusals (company, id);
CREATE INDEX refusals_of_campaign ON refusals (campaign, id);

ALTER TABLE campaigns ADD COLUMN call_windows TEXT NOT NULL DEFAULT '';
ALTER TABLE leads ADD COLUMN time_zone TEXT NOT NULL DEFAULT '';
-- Pending: what it waits for. Called: why it was refused.
ALTER TABLE leads ADD COLUMN rule TEXT;

CREATE INDEX leads_waiting ON leads (campaign) WHERE state = 'pending' AND rule IS NOT NULL;

-- Where the leads of a campaign may be, so that nothing is looked for while none of them can be called. '*': not known.
CREATE TABLE campaign_zones (
    campaign INTEGER NOT NULL REFERENCES campaigns (id),
    zones TEXT NOT NULL,
    PRIMARY KEY (campaign, zones)
) STRICT, WITHOUT ROWID;

INSERT INTO campaign_zones SELECT id, '*' FROM campaigns;
