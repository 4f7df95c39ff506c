-- The audit log's chain (store/chain.rs), the caller's program, tokens for programs, and when people signed in last.
-- Servers of schema 1 write audit rows without a hash: the chain tells of them.

ALTER TABLE audit ADD COLUMN agent TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN hash TEXT;

-- The number and the hash of the last row that has one. The row is locked with the counters.
ALTER TABLE counters ADD COLUMN audit_last BIGINT NOT NULL DEFAULT 0;
ALTER TABLE counters ADD COLUMN audit_hash TEXT NOT NULL DEFAULT '';
CREATE VIEW audit_head AS SELECT audit_last AS last, audit_hash AS hash FROM counters;

ALTER TABLE accounts ADD COLUMN signed_in_at BIGINT;

CREATE TABLE api_tokens (
    id         TEXT COLLATE "C" PRIMARY KEY,
    name       TEXT NOT NULL,
    username   TEXT COLLATE "C" NOT NULL,
    role       TEXT NOT NULL,
    areas      TEXT NOT NULL,  -- JSON; empty: all
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX api_tokens_by_owner ON api_tokens (username, created_at);

UPDATE schema_served SET version = 2;
