-- The audit log's chain (store/chain.rs), the caller's program, tokens for programs, and when people signed in last.
-- Servers of schema 3 write audit rows without a hash: the chain tells of them.

ALTER TABLE audit ADD COLUMN agent TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN hash TEXT;

CREATE TABLE audit_head (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    last INTEGER NOT NULL,  -- the number of the last row that has a hash
    hash TEXT NOT NULL
) STRICT;
INSERT INTO audit_head VALUES (1, 0, '');

ALTER TABLE accounts ADD COLUMN signed_in_at INTEGER;

CREATE TABLE api_tokens (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    username   TEXT NOT NULL,
    role       TEXT NOT NULL,
    areas      TEXT NOT NULL,  -- JSON; empty: all
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX api_tokens_by_owner ON api_tokens (username, created_at);

UPDATE schema_served SET version = 4;
