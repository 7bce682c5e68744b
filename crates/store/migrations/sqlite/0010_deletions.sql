-- What calls name and is not there any more. Ids are not used again.
CREATE TABLE deleted_extensions (
    id INTEGER PRIMARY KEY,
    number TEXT NOT NULL
) STRICT;

CREATE TABLE deleted_trunks (
    id INTEGER PRIMARY KEY
) STRICT;

-- How long personal data and recordings are kept, in days; 0: personal data for ever, recordings as the server says.
ALTER TABLE compliance ADD COLUMN keep_personal_days INTEGER NOT NULL DEFAULT 0;
ALTER TABLE compliance ADD COLUMN keep_recordings_days INTEGER NOT NULL DEFAULT 0;

-- Those that are deleted when they are old.
CREATE INDEX refusals_by_age ON refusals (company, at);
CREATE INDEX campaigns_by_end ON campaigns (company, ended_at) WHERE ended_at IS NOT NULL;
DROP INDEX recordings_by_age;
CREATE INDEX recordings_by_age ON recordings (company, created_at);

-- Its leads were deleted because they were old; the counters tell of what was there.
ALTER TABLE campaigns ADD COLUMN forgotten INTEGER NOT NULL DEFAULT 0;
-- Calls of the company from before this were deleted because they were old.
ALTER TABLE compliance ADD COLUMN forgotten_before INTEGER NOT NULL DEFAULT 0;
