-- Tokens by which a server joins the group, once. Only a hash of the token is kept. Servers of older schemas do not know the
-- table and go on.

CREATE TABLE join_tokens (
    id         TEXT COLLATE "C" PRIMARY KEY,
    hash       TEXT COLLATE "C" NOT NULL UNIQUE,  -- SHA-256 of the token, hexadecimal
    made_by    TEXT NOT NULL,
    made_at    BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_by    TEXT,
    used_at    BIGINT,
    revoked_by TEXT
);

UPDATE schema_served SET version = 3, oldest_served = 1;
