-- Intents that end by themselves, what of a node's history was planned, alerts and their deliveries. Servers of older schemas do not know
-- these columns and tables and go on: what they write has no end and counts as not planned.

ALTER TABLE nodes ADD COLUMN intent_until INTEGER;
ALTER TABLE nodes ADD COLUMN intent_force INTEGER NOT NULL DEFAULT 0;
ALTER TABLE capacity ADD COLUMN planned INTEGER NOT NULL DEFAULT 0;
CREATE INDEX capacity_by_time ON capacity (at, id);

-- An alert, with what people said about it. The record is gridhelm_api::alert::Alert.
CREATE TABLE alerts (
    id          TEXT PRIMARY KEY,
    opened_at   INTEGER NOT NULL,
    resolved_at INTEGER,
    record      TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX alerts_by_time ON alerts (opened_at);

-- A message to the webhook, until it was taken or given up.
CREATE TABLE deliveries (
    id      TEXT PRIMARY KEY,
    made_at INTEGER NOT NULL,
    due_at  INTEGER,  -- NULL: nothing is tried any more
    record  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_due ON deliveries (due_at);

UPDATE schema_served SET version = 6, oldest_served = 1;
