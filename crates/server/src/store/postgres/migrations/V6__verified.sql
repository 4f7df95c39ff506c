-- The history of replications by time, and what the last check of one found (gridhelm_api::changeset::Verification, JSON). By itself,
-- because a release without it works but for these two: the drill of a rolling upgrade makes such a release.

ALTER TABLE changesets ADD COLUMN verified TEXT;
CREATE INDEX changesets_by_time ON changesets (opened_at, id);

UPDATE schema_served SET version = 6, oldest_served = 1;
