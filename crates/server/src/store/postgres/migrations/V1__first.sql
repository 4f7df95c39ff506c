-- The group's database, schema 1 of PostgreSQL; it holds what SQLite's holds, in the same tables. Times are
-- milliseconds since the Unix epoch; words (states, roles) are those of the API; JSON is kept as text, as
-- the API wrote it. What is sorted or compared is so by bytes (COLLATE "C"), whatever the database's locale.

CREATE TABLE schema_served (
    id            BIGINT PRIMARY KEY CHECK (id = 1),
    version       BIGINT NOT NULL,  -- this schema
    oldest_served BIGINT NOT NULL   -- servers that know this schema or a later one can work with it
);
INSERT INTO schema_served VALUES (1, 1, 1);

CREATE TABLE identity (
    id         BIGINT PRIMARY KEY CHECK (id = 1),
    group_name TEXT NOT NULL,
    token_key  BYTEA
);

-- Who is active. The lease is a row of its own: renewing it does not touch the epoch.
CREATE TABLE epoch (
    id          BIGINT PRIMARY KEY CHECK (id = 1),
    epoch       BIGINT NOT NULL,
    server      TEXT,
    boot        TEXT,
    pid         BIGINT,
    start_ticks BIGINT,
    host_boot   TEXT,
    url         TEXT,
    since       BIGINT,
    made_by     TEXT,
    reason      TEXT
) WITH (fillfactor = 50);
INSERT INTO epoch (id, epoch) VALUES (1, 0);

CREATE TABLE lease (
    id        BIGINT PRIMARY KEY CHECK (id = 1),
    counter   BIGINT NOT NULL,
    released  BOOLEAN NOT NULL,
    successor TEXT
) WITH (fillfactor = 50);
INSERT INTO lease VALUES (1, 0, FALSE, NULL);

-- The ids given last. A writing transaction locks this row first, so that there is one at a time, and ids
-- grow in commit order: a sequence would hand them out in the order of asking.
CREATE TABLE counters (
    id    BIGINT PRIMARY KEY CHECK (id = 1),
    event BIGINT NOT NULL,
    audit BIGINT NOT NULL
) WITH (fillfactor = 50);
INSERT INTO counters VALUES (1, 0, 0);

-- The last transaction of each writer that was committed: whoever lost its connection during a commit looks
-- here whether it happened.
CREATE TABLE writers (
    writer  TEXT PRIMARY KEY,
    batch   BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
) WITH (fillfactor = 50);

-- What a group is set to, by name, as JSON: 'failover' (gridhelm_api::group::Failover).
CREATE TABLE settings (
    name  TEXT COLLATE "C" PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE members (
    name    TEXT COLLATE "C" PRIMARY KEY,
    url     TEXT NOT NULL,
    version TEXT NOT NULL,
    seen_at BIGINT NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE switches (
    id         TEXT COLLATE "C" PRIMARY KEY,
    started_at BIGINT NOT NULL,
    record     TEXT NOT NULL,
    rowid      BIGINT GENERATED ALWAYS AS IDENTITY
);
CREATE INDEX switches_by_start ON switches (started_at, rowid);

CREATE TABLE accounts (
    username   TEXT COLLATE "C" PRIMARY KEY,
    role       TEXT NOT NULL,
    disabled   BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    hash       TEXT NOT NULL,
    generation BIGINT NOT NULL
);

CREATE TABLE revoked_tokens (
    id         TEXT COLLATE "C" PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX revoked_tokens_by_end ON revoked_tokens (expires_at);

CREATE TABLE audit (
    id         BIGINT PRIMARY KEY,
    at         BIGINT NOT NULL,
    actor      TEXT NOT NULL,
    action     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    before     TEXT,
    after      TEXT,
    reason     TEXT,
    address    TEXT NOT NULL,
    request_id TEXT NOT NULL
);

CREATE TABLE events (
    id       BIGINT PRIMARY KEY,
    at       BIGINT NOT NULL,
    severity BIGINT NOT NULL,  -- 0 info, 1 good, 2 warn, 3 fail
    topic    TEXT NOT NULL,
    kind     TEXT NOT NULL,
    subject  TEXT COLLATE "C" NOT NULL,
    message  TEXT NOT NULL,
    actor    TEXT NOT NULL,
    epoch    BIGINT NOT NULL
);
CREATE INDEX events_by_topic ON events (topic, id);
CREATE INDEX events_by_subject ON events (subject, id);
CREATE INDEX events_grave ON events (id) WHERE severity >= 2;

CREATE TABLE nodes (
    name           TEXT COLLATE "C" PRIMARY KEY,
    host           TEXT NOT NULL,
    port           BIGINT NOT NULL,
    "user"         TEXT,
    password       TEXT,
    slot_limit     BIGINT NOT NULL,
    operating_type TEXT NOT NULL,
    labels         TEXT NOT NULL,
    intent         TEXT NOT NULL,
    intent_reason  TEXT,
    intent_by      TEXT,
    intent_since   BIGINT NOT NULL,
    version        BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    UNIQUE (host, port)
);

CREATE TABLE capacity (
    id     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node   TEXT COLLATE "C" NOT NULL,
    at     BIGINT NOT NULL,
    usable BIGINT NOT NULL,
    total  BIGINT NOT NULL,
    reason TEXT NOT NULL
);
CREATE INDEX capacity_by_node ON capacity (node, at, id);

CREATE TABLE sessions (
    id          TEXT COLLATE "C" PRIMARY KEY,
    node        TEXT COLLATE "C" NOT NULL,
    pid         BIGINT NOT NULL,
    start_ticks BIGINT NOT NULL,
    host_boot   TEXT NOT NULL,
    work_dir    TEXT NOT NULL,
    server      TEXT NOT NULL,
    epoch       BIGINT NOT NULL,
    opened_at   BIGINT NOT NULL
);

CREATE TABLE tasks (
    id             TEXT COLLATE "C" PRIMARY KEY,
    title          TEXT NOT NULL,
    state          TEXT NOT NULL,
    submitted_by   TEXT NOT NULL,
    submitted_at   BIGINT NOT NULL,
    started_at     BIGINT,
    ended_at       BIGINT,
    priority       BIGINT NOT NULL,
    timeout_s      BIGINT NOT NULL,
    re_executable  BOOLEAN NOT NULL,
    script         TEXT,
    script_version BIGINT,
    failure        TEXT,
    value          TEXT,
    outputs        TEXT,
    code           TEXT NOT NULL,
    inputs         TEXT NOT NULL,
    wanted         TEXT NOT NULL,
    label          TEXT,
    waited_for     BOOLEAN NOT NULL
);
CREATE INDEX tasks_by_state ON tasks (state, id);

CREATE TABLE attempts (
    task       TEXT COLLATE "C" NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    number     BIGINT NOT NULL,
    node       TEXT NOT NULL,
    slot       BIGINT NOT NULL,
    session    TEXT NOT NULL,
    pid        BIGINT,
    epoch      BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at   BIGINT,
    failure    TEXT,
    PRIMARY KEY (task, number)
);

-- Content by its hash. The hash is written when all chunks are there: content without one is an upload
-- under way or one that was given up.
CREATE TABLE blobs (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sha256     TEXT COLLATE "C" UNIQUE,
    size       BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX blobs_unfinished ON blobs (created_at) WHERE sha256 IS NULL;

CREATE TABLE chunks (
    id       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    blob     BIGINT NOT NULL REFERENCES blobs (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    bytes    BYTEA NOT NULL,
    UNIQUE (blob, position)
);
-- Plots and archives are compressed already.
ALTER TABLE chunks ALTER COLUMN bytes SET STORAGE EXTERNAL;

CREATE TABLE artifacts (
    task     TEXT COLLATE "C" NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    name     TEXT NOT NULL,
    size     BIGINT NOT NULL,
    plot     BOOLEAN NOT NULL,
    sha256   TEXT COLLATE "C" NOT NULL REFERENCES blobs (sha256),
    PRIMARY KEY (task, position)
);
CREATE INDEX artifacts_by_content ON artifacts (sha256);

CREATE TABLE console (
    task TEXT COLLATE "C" NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    seq  BIGINT NOT NULL,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (task, seq)
);

-- A file with its latest version; a deleted file keeps its row and its history.
CREATE TABLE files (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    author     TEXT COLLATE "C" NOT NULL,
    directory  TEXT COLLATE "C" NOT NULL,
    name       TEXT COLLATE "C" NOT NULL,
    version    BIGINT NOT NULL,
    deleted    BOOLEAN NOT NULL,
    sha256     TEXT COLLATE "C" REFERENCES blobs (sha256),  -- NULL when it is deleted
    size       BIGINT NOT NULL,
    written_by TEXT NOT NULL,
    written_at BIGINT NOT NULL,
    UNIQUE (author, directory, name)
);
CREATE INDEX files_by_directory ON files (directory, name, author);
CREATE INDEX files_by_content ON files (sha256);

CREATE TABLE versions (
    file       BIGINT NOT NULL REFERENCES files (id),
    version    BIGINT NOT NULL,
    deleted    BOOLEAN NOT NULL,
    sha256     TEXT COLLATE "C" REFERENCES blobs (sha256),
    size       BIGINT NOT NULL,
    written_by TEXT NOT NULL,
    written_at BIGINT NOT NULL,
    message    TEXT NOT NULL,
    PRIMARY KEY (file, version)
);
CREATE INDEX versions_by_content ON versions (sha256);

-- A changeset's operations are kept row by row before its commit, so that the commit is a few statements
-- over them.
CREATE TABLE changesets (
    id        TEXT COLLATE "C" PRIMARY KEY,
    plan      TEXT NOT NULL,
    source    TEXT NOT NULL,
    reason    TEXT NOT NULL,
    opened_by TEXT NOT NULL,
    opened_at BIGINT NOT NULL,
    whole     BOOLEAN NOT NULL,  -- whether all its operations are there
    committed TEXT
);

CREATE TABLE operations (
    changeset TEXT COLLATE "C" NOT NULL REFERENCES changesets (id) ON DELETE CASCADE,
    author    TEXT COLLATE "C" NOT NULL,
    directory TEXT COLLATE "C" NOT NULL,
    name      TEXT COLLATE "C" NOT NULL,
    expect    TEXT COLLATE "C",
    sha256    TEXT COLLATE "C",
    size      BIGINT NOT NULL,
    PRIMARY KEY (changeset, author, directory, name)
);
CREATE INDEX operations_by_content ON operations (sha256) WHERE sha256 IS NOT NULL;

-- The hash of each directory, so that the root hash after a write costs what was touched and not the whole
-- repository. Triggers keep it true whoever writes.
CREATE TABLE directories (
    author    TEXT COLLATE "C" NOT NULL,
    directory TEXT COLLATE "C" NOT NULL,
    hash      BYTEA,  -- NULL: to be computed
    PRIMARY KEY (author, directory)
);
CREATE INDEX directories_unknown ON directories (author, directory) WHERE hash IS NULL;

CREATE FUNCTION directories_touched() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO directories SELECT DISTINCT author, directory, NULL::bytea FROM touched
    ON CONFLICT (author, directory) DO UPDATE SET hash = NULL WHERE directories.hash IS NOT NULL;
    RETURN NULL;
END
$$;
CREATE TRIGGER files_inserted AFTER INSERT ON files
    REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION directories_touched();
CREATE TRIGGER files_updated AFTER UPDATE ON files
    REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION directories_touched();
