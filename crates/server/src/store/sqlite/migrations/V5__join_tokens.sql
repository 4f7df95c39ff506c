-- Tokens by which a server joins the group, once. Only a hash of the token is kept. Servers of older schemas do not know the
-- table and go on.

CREATE TABLE join_tokens (
    id         TEXT PRIMARY KEY,
    hash       TEXT NOT NULL UNIQUE,  -- SHA-256 of the token, hexadecimal
    made_by    TEXT NOT NULL,
    made_at    INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_by    TEXT,
    used_at    INTEGER,
    revoked_by TEXT
) STRICT, WITHOUT ROWID;

UPDATE schema_served SET version = 5, oldest_served = 1;
