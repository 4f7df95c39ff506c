-- Replications that wait for another admin's approval, and the tree of hashes made anew in steps. By itself, because a release without
-- it works but for these: the drill of a rolling upgrade makes such a release.

-- gridhelm_api::hold::Hold, JSON; NULL: it was never held. Servers of schema 6 commit what is held: turn holding on when all are upgraded.
ALTER TABLE changesets ADD COLUMN hold TEXT;

-- The tree while it is made anew: sums of the files up to and including the one that `tree_mend` names; nothing while no tree is made.
CREATE TABLE tree_next (
    author    TEXT COLLATE "C" NOT NULL,
    directory TEXT COLLATE "C" NOT NULL,
    files     BIGINT NOT NULL,
    bytes     BIGINT NOT NULL,
    sum       BYTEA NOT NULL,
    PRIMARY KEY (author, directory)
);
CREATE TABLE tree_mend (
    id        BIGINT PRIMARY KEY CHECK (id = 1),
    author    TEXT COLLATE "C" NOT NULL,
    directory TEXT COLLATE "C" NOT NULL,
    name      TEXT COLLATE "C" NOT NULL,
    counted   BIGINT NOT NULL  -- writes that are in the sums, or behind the named file
);

UPDATE schema_served SET version = 7, oldest_served = 1;
