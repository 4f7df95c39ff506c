-- The repository as a tree of hashes that each write keeps up, what is said about files, and what replications did.
-- Servers of older schemas go on: they write files without keeping the tree up, which the trigger counts, and the next
-- server that knows it makes it anew.

-- The sums of the root (both names empty), of authors (the directory empty) and of directories.
CREATE TABLE tree (
    author    TEXT COLLATE "C" NOT NULL,
    directory TEXT COLLATE "C" NOT NULL,
    files     BIGINT NOT NULL,
    bytes     BIGINT NOT NULL,
    sum       BYTEA NOT NULL,   -- gridhelm_replicate::Sum
    counted   BIGINT NOT NULL,  -- at the root: writes that are in the sums
    PRIMARY KEY (author, directory)
);
CREATE TABLE tree_writes (
    id     BIGINT PRIMARY KEY CHECK (id = 1),
    writes BIGINT NOT NULL  -- writes to files, whoever made them
);
INSERT INTO tree_writes SELECT 1, count(*) FROM files;

CREATE FUNCTION tree_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tree_writes SET writes = writes + (SELECT count(*) FROM touched) WHERE EXISTS (SELECT 1 FROM touched);
    RETURN NULL;
END
$$;
CREATE TRIGGER tree_inserted AFTER INSERT ON files
    REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION tree_written();
CREATE TRIGGER tree_updated AFTER UPDATE ON files
    REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION tree_written();

-- gridhelm_api::repository::FileInfo as text; empty: nothing is said.
ALTER TABLE files ADD COLUMN info TEXT NOT NULL DEFAULT '';
ALTER TABLE versions ADD COLUMN info TEXT NOT NULL DEFAULT '';
-- The changeset that wrote a version: what a replication did is read from there.
ALTER TABLE versions ADD COLUMN changeset TEXT COLLATE "C";
CREATE INDEX versions_by_changeset ON versions (changeset) WHERE changeset IS NOT NULL;

ALTER TABLE operations ADD COLUMN expect_version BIGINT;
ALTER TABLE operations ADD COLUMN info TEXT;  -- NULL: it stays

-- Large contents on their way in: the upload goes on where it stopped.
CREATE TABLE partials (
    changeset TEXT COLLATE "C" NOT NULL REFERENCES changesets (id) ON DELETE CASCADE,
    sha256    TEXT COLLATE "C" NOT NULL,
    blob      BIGINT NOT NULL REFERENCES blobs (id) ON DELETE CASCADE,
    PRIMARY KEY (changeset, sha256)
);
CREATE INDEX partials_by_blob ON partials (blob);

UPDATE schema_served SET version = 5, oldest_served = 1;
