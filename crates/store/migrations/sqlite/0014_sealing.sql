-- How telephone numbers are kept in this file. clear. sealing, clearing: some are sealed, until a start has finished it.
-- sealed.
CREATE TABLE sealing (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    numbers TEXT NOT NULL,
    -- A known text, sealed as numbers are: another key gives another one. Empty: clear.
    probe TEXT NOT NULL,
    -- Something was sealed, and the file was not written anew since: what is overwritten may still be read in it.
    stale INTEGER NOT NULL
) STRICT;

INSERT INTO sealing
SELECT 1, 'clear', '', EXISTS (SELECT 1 FROM extensions WHERE substr(password, 1, 1) = char(1))
    OR EXISTS (SELECT 1 FROM trunks WHERE substr(password, 1, 1) = char(1))
    OR EXISTS (SELECT 1 FROM company_pushes WHERE substr(secret, 1, 1) = char(1));
