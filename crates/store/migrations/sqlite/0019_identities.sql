-- What networks said of who calls, as JSON; sealed where there is a key.
CREATE TABLE identities (
    company INTEGER NOT NULL,
    -- Of the call.
    id BLOB NOT NULL,
    said TEXT NOT NULL,
    PRIMARY KEY (company, id)
) STRICT;
