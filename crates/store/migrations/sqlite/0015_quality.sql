-- How the legs of calls sounded, each as JSON.
CREATE TABLE qualities (
    company INTEGER NOT NULL,
    -- Of the call.
    id BLOB NOT NULL,
    customer TEXT,
    agent TEXT,
    PRIMARY KEY (company, id)
) STRICT, WITHOUT ROWID;
