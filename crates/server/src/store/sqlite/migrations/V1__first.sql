-- The group's database, schema 1. Times are milliseconds since the Unix epoch; words (states, roles) are
-- those of the API; JSON columns hold the API's JSON.

CREATE TABLE schema_served (
    id            INTEGER PRIMARY KEY CHECK (id = 1),
    version       INTEGER NOT NULL,  -- this schema
    oldest_served INTEGER NOT NULL   -- servers that know this schema or a later one can work with it
) STRICT;
INSERT INTO schema_served VALUES (1, 1, 1);

CREATE TABLE identity (
    id        INTEGER PRIMARY KEY CHECK (id = 1),
    group_name TEXT NOT NULL,
    token_key BLOB
) STRICT;

-- Who is active. The lease is a row of its own: renewing it does not touch the epoch.
CREATE TABLE epoch (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    epoch       INTEGER NOT NULL,
    server      TEXT,
    boot        TEXT,
    pid         INTEGER,
    start_ticks INTEGER,
    host_boot   TEXT,
    url         TEXT,
    since       INTEGER,
    made_by     TEXT,
    reason      TEXT
) STRICT;
INSERT INTO epoch (id, epoch) VALUES (1, 0);

CREATE TABLE lease (
    id        INTEGER PRIMARY KEY CHECK (id = 1),
    counter   INTEGER NOT NULL,
    released  INTEGER NOT NULL,
    successor TEXT
) STRICT;
INSERT INTO lease VALUES (1, 0, 0, NULL);

CREATE TABLE members (
    name    TEXT PRIMARY KEY,
    url     TEXT NOT NULL,
    version TEXT NOT NULL,
    seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE switches (
    id         TEXT PRIMARY KEY,
    started_at INTEGER NOT NULL,
    record     TEXT NOT NULL
) STRICT;
CREATE INDEX switches_by_start ON switches (started_at);

CREATE TABLE accounts (
    username   TEXT PRIMARY KEY,
    role       TEXT NOT NULL,
    disabled   INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    hash       TEXT NOT NULL,
    generation INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE revoked_tokens (
    id         TEXT PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX revoked_tokens_by_end ON revoked_tokens (expires_at);

-- Ids of audit rows and events grow in commit order: there is one writer at a time.
CREATE TABLE audit (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    at         INTEGER NOT NULL,
    actor      TEXT NOT NULL,
    action     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    before     TEXT,
    after      TEXT,
    reason     TEXT,
    address    TEXT NOT NULL,
    request_id TEXT NOT NULL
) STRICT;

CREATE TABLE events (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    at       INTEGER NOT NULL,
    severity INTEGER NOT NULL,  -- 0 info, 1 good, 2 warn, 3 fail
    topic    TEXT NOT NULL,
    kind     TEXT NOT NULL,
    subject  TEXT NOT NULL,
    message  TEXT NOT NULL,
    actor    TEXT NOT NULL,
    epoch    INTEGER NOT NULL
) STRICT;
CREATE INDEX events_by_topic ON events (topic, id);
CREATE INDEX events_by_subject ON events (subject, id);
CREATE INDEX events_grave ON events (id) WHERE severity >= 2;

CREATE TABLE nodes (
    name           TEXT PRIMARY KEY,
    host           TEXT NOT NULL,
    port           INTEGER NOT NULL,
    user           TEXT,
    password       TEXT,
    slot_limit     INTEGER NOT NULL,
    operating_type TEXT NOT NULL,
    labels         TEXT NOT NULL,
    intent         TEXT NOT NULL,
    intent_reason  TEXT,
    intent_by      TEXT,
    intent_since   INTEGER NOT NULL,
    version        INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    UNIQUE (host, port)
) STRICT;

CREATE TABLE capacity (
    id     INTEGER PRIMARY KEY,
    node   TEXT NOT NULL,
    at     INTEGER NOT NULL,
    usable INTEGER NOT NULL,
    total  INTEGER NOT NULL,
    reason TEXT NOT NULL
) STRICT;
CREATE INDEX capacity_by_node ON capacity (node, at, id);

CREATE TABLE sessions (
    id          TEXT PRIMARY KEY,
    node        TEXT NOT NULL,
    pid         INTEGER NOT NULL,
    start_ticks INTEGER NOT NULL,
    host_boot   TEXT NOT NULL,
    work_dir    TEXT NOT NULL,
    server      TEXT NOT NULL,
    epoch       INTEGER NOT NULL,
    opened_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tasks (
    id             TEXT PRIMARY KEY,
    title          TEXT NOT NULL,
    state          TEXT NOT NULL,
    submitted_by   TEXT NOT NULL,
    submitted_at   INTEGER NOT NULL,
    started_at     INTEGER,
    ended_at       INTEGER,
    priority       INTEGER NOT NULL,
    timeout_s      INTEGER NOT NULL,
    re_executable  INTEGER NOT NULL,
    script         TEXT,
    script_version INTEGER,
    failure        TEXT,
    value          TEXT,
    outputs        TEXT,
    code           TEXT NOT NULL,
    inputs         TEXT NOT NULL,
    wanted         TEXT NOT NULL,
    label          TEXT,
    waited_for     INTEGER NOT NULL
) STRICT;
CREATE INDEX tasks_by_state ON tasks (state, id);

CREATE TABLE attempts (
    task       TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    number     INTEGER NOT NULL,
    node       TEXT NOT NULL,
    slot       INTEGER NOT NULL,
    session    TEXT NOT NULL,
    pid        INTEGER,
    epoch      INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER,
    failure    TEXT,
    PRIMARY KEY (task, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE artifacts (
    task     TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    name     TEXT NOT NULL,
    size     INTEGER NOT NULL,
    plot     INTEGER NOT NULL,
    sha256   TEXT NOT NULL REFERENCES blobs (sha256),
    PRIMARY KEY (task, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX artifacts_by_content ON artifacts (sha256);

CREATE TABLE console (
    task TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    seq  INTEGER NOT NULL,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (task, seq)
) STRICT, WITHOUT ROWID;

-- Content by its hash. The hash is written when all chunks are there: content without one is an upload
-- under way or one that was given up.
CREATE TABLE blobs (
    id         INTEGER PRIMARY KEY,
    sha256     TEXT UNIQUE,
    size       INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX blobs_unfinished ON blobs (created_at) WHERE sha256 IS NULL;

CREATE TABLE chunks (
    id       INTEGER PRIMARY KEY,
    blob     INTEGER NOT NULL REFERENCES blobs (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    bytes    BLOB NOT NULL,
    UNIQUE (blob, position)
) STRICT;

-- A file with its latest version; a deleted file keeps its row and its history.
CREATE TABLE files (
    id         INTEGER PRIMARY KEY,
    author     TEXT NOT NULL,
    directory  TEXT NOT NULL,
    name       TEXT NOT NULL,
    version    INTEGER NOT NULL,
    deleted    INTEGER NOT NULL,
    sha256     TEXT REFERENCES blobs (sha256),  -- NULL when it is deleted
    size       INTEGER NOT NULL,
    written_by TEXT NOT NULL,
    written_at INTEGER NOT NULL,
    UNIQUE (author, directory, name)
) STRICT;
CREATE INDEX files_by_directory ON files (directory, name, author);

CREATE TABLE versions (
    file       INTEGER NOT NULL REFERENCES files (id),
    version    INTEGER NOT NULL,
    deleted    INTEGER NOT NULL,
    sha256     TEXT REFERENCES blobs (sha256),
    size       INTEGER NOT NULL,
    written_by TEXT NOT NULL,
    written_at INTEGER NOT NULL,
    message    TEXT NOT NULL,
    PRIMARY KEY (file, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX versions_by_content ON versions (sha256);

CREATE INDEX files_by_content ON files (sha256);

-- A changeset's operations are kept row by row before its commit, so that the commit is a few statements
-- over them and holds the write lock only for a moment.
CREATE TABLE changesets (
    id          TEXT PRIMARY KEY,
    plan        TEXT NOT NULL,
    source      TEXT NOT NULL,
    reason      TEXT NOT NULL,
    opened_by   TEXT NOT NULL,
    opened_at   INTEGER NOT NULL,
    whole       INTEGER NOT NULL,  -- whether all its operations are there
    committed   TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE operations (
    changeset TEXT NOT NULL REFERENCES changesets (id) ON DELETE CASCADE,
    author    TEXT NOT NULL,
    directory TEXT NOT NULL,
    name      TEXT NOT NULL,
    expect    TEXT,
    sha256    TEXT,
    size      INTEGER NOT NULL,
    PRIMARY KEY (changeset, author, directory, name)
) STRICT, WITHOUT ROWID;
