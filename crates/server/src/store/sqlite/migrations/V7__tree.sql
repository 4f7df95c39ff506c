-- The repository as a tree of hashes that each write keeps up, what is said about files, and what replications did.
-- Servers of schema 5 to 7 go on: they write files without keeping the tree up, which the trigger counts, and the next
-- server that knows it makes it anew.

-- The sums of the root (both names empty), of authors (the directory empty) and of directories.
CREATE TABLE tree (
    author    TEXT NOT NULL,
    directory TEXT NOT NULL,
    files     INTEGER NOT NULL,
    bytes     INTEGER NOT NULL,
    sum       BLOB NOT NULL,     -- gridhelm_replicate::Sum
    counted   INTEGER NOT NULL,  -- at the root: writes that are in the sums
    PRIMARY KEY (author, directory)
) STRICT, WITHOUT ROWID;
CREATE TABLE tree_writes (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    writes INTEGER NOT NULL  -- writes to files, whoever made them
) STRICT;
INSERT INTO tree_writes SELECT 1, count(*) FROM files;

CREATE TRIGGER tree_inserted AFTER INSERT ON files BEGIN
    UPDATE tree_writes SET writes = writes + 1;
END;
CREATE TRIGGER tree_updated AFTER UPDATE ON files BEGIN
    UPDATE tree_writes SET writes = writes + 1;
END;

-- gridhelm_api::repository::FileInfo as text; empty: nothing is said.
ALTER TABLE files ADD COLUMN info TEXT NOT NULL DEFAULT '';
ALTER TABLE versions ADD COLUMN info TEXT NOT NULL DEFAULT '';
-- The changeset that wrote a version: what a replication did is read from there.
ALTER TABLE versions ADD COLUMN changeset TEXT;
CREATE INDEX versions_by_changeset ON versions (changeset) WHERE changeset IS NOT NULL;

ALTER TABLE operations ADD COLUMN expect_version INTEGER;
ALTER TABLE operations ADD COLUMN info TEXT;  -- NULL: it stays

-- Large contents on their way in: the upload goes on where it stopped.
CREATE TABLE partials (
    changeset TEXT NOT NULL REFERENCES changesets (id) ON DELETE CASCADE,
    sha256    TEXT NOT NULL,
    blob      INTEGER NOT NULL REFERENCES blobs (id) ON DELETE CASCADE,
    PRIMARY KEY (changeset, sha256)
) STRICT, WITHOUT ROWID;
CREATE INDEX partials_by_blob ON partials (blob);

UPDATE schema_served SET version = 7, oldest_served = 1;
