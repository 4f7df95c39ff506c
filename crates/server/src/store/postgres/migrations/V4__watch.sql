-- Intents that end by themselves, what of a node's history was planned, alerts and their deliveries. Servers of older schemas do not know
-- these columns and tables and go on: what they write has no end and counts as not planned.

ALTER TABLE nodes ADD COLUMN intent_until BIGINT;
ALTER TABLE nodes ADD COLUMN intent_force BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE capacity ADD COLUMN planned BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX capacity_by_time ON capacity (at, id);

-- An alert, with what people said about it. The record is gridhelm_api::alert::Alert.
CREATE TABLE alerts (
    id          TEXT COLLATE "C" PRIMARY KEY,
    opened_at   BIGINT NOT NULL,
    resolved_at BIGINT,
    record      TEXT NOT NULL
);
CREATE INDEX alerts_by_time ON alerts (opened_at);

-- A message to the webhook, until it was taken or given up.
CREATE TABLE deliveries (
    id      TEXT COLLATE "C" PRIMARY KEY,
    made_at BIGINT NOT NULL,
    due_at  BIGINT,  -- NULL: nothing is tried any more
    record  TEXT NOT NULL
);
CREATE INDEX deliveries_due ON deliveries (due_at);

UPDATE schema_served SET version = 4, oldest_served = 1;
