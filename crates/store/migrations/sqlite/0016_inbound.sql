-- Which calls of customers a company takes. None: none.
CREATE TABLE inbound (
    company INTEGER PRIMARY KEY REFERENCES companies (id),
    enabled INTEGER NOT NULL,
    -- Name of the group for customers whom nobody called before; empty: none.
    group_name TEXT NOT NULL,
    ring_ms INTEGER NOT NULL,
    wait_ms INTEGER NOT NULL
) STRICT;

-- NULL: as the company's `enabled` says.
ALTER TABLE caller_ids ADD COLUMN inbound INTEGER;
-- Empty: the company's.
ALTER TABLE caller_ids ADD COLUMN inbound_group TEXT NOT NULL DEFAULT '';
