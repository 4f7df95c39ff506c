-- The hash of each directory, so that the root hash after a write costs what was touched and not the whole
-- repository. Triggers keep it true whoever writes: servers of schema 1 may go on.

CREATE TABLE directories (
    author    TEXT NOT NULL,
    directory TEXT NOT NULL,
    hash      BLOB,  -- NULL: to be computed
    PRIMARY KEY (author, directory)
) STRICT, WITHOUT ROWID;
INSERT INTO directories SELECT DISTINCT author, directory, NULL FROM files;
CREATE INDEX directories_unknown ON directories (author, directory) WHERE hash IS NULL;

CREATE TRIGGER files_inserted AFTER INSERT ON files BEGIN
    INSERT INTO directories VALUES (new.author, new.directory, NULL)
    ON CONFLICT (author, directory) DO UPDATE SET hash = NULL WHERE hash IS NOT NULL;
END;
CREATE TRIGGER files_updated AFTER UPDATE OF sha256, deleted ON files BEGIN
    INSERT INTO directories VALUES (new.author, new.directory, NULL)
    ON CONFLICT (author, directory) DO UPDATE SET hash = NULL WHERE hash IS NOT NULL;
END;

-- What refers to a content is looked for before it is collected.
CREATE INDEX operations_by_content ON operations (sha256) WHERE sha256 IS NOT NULL;

UPDATE schema_served SET version = 2, oldest_served = 1;
