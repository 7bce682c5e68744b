-- Who had to do with a number last, for when it calls back. key: the one form in which numbers are compared.
CREATE TABLE last_calls (
    company INTEGER NOT NULL,
    key TEXT NOT NULL,
    -- The last campaign that called it. NULL: none.
    campaign INTEGER,
    -- Who talked with it last. NULL: nobody.
    agent INTEGER,
    -- When the last of these calls ended.
    at INTEGER NOT NULL,
    PRIMARY KEY (company, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX last_calls_by_age ON last_calls (company, at);
