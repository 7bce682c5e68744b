-- Files with the sound of calls. A row is written when a recording begins and completed when it ends.
CREATE TABLE recordings (
    call BLOB PRIMARY KEY,
    company INTEGER NOT NULL,
    filename TEXT NOT NULL,
    -- 0 and 0: not ended, or cut off by a crash.
    seconds INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (company, filename)
) STRICT, WITHOUT ROWID;

CREATE INDEX recordings_by_age ON recordings (created_at);
