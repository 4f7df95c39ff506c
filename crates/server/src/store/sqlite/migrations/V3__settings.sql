-- What a group is set to, by name, as JSON: 'failover' (gridhelm_api::group::Failover). Servers of schema 2 know no
-- automatic failover: they stay manual, and a group with one of them must not be set to automatic.

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

UPDATE schema_served SET version = 3, oldest_served = 1;
