//! What of the database goes into a backup: each table with its columns, in the order in which their rows can be
//! put back. Not in it: what is derived (`directories`, `tree…`), and what tells of the servers that run (`epoch`, whose number
//! is in the head, `lease`, `members`, `writers`).

/// What a column holds. Any of them may be without a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Integer,
    Bool,
    Text,
    Bytes,
}

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    /// Its rows are read in the order of these.
    pub(super) key: &'static [&'static str],
    pub(super) columns: &'static [(&'static str, Kind)],
    /// Rows that are read at once.
    pub(super) page: u32,
    /// The column that `PostgreSQL` counts up.
    pub(super) counted: Option<&'static str>,
}

use Kind::{Bool as B, Bytes as X, Integer as I, Text as T};

/// The table of contents, whose chunks follow on each page of its rows.
pub(super) const BLOBS: &str = "blobs";
/// The chunks of contents.
pub(super) const CHUNKS: &str = "chunks";

/// All tables, in the order of a backup. A row refers to rows of tables before its own.
#[rustfmt::skip]
pub(super) const TABLES: &[Table] = &[
    Table { name: "identity", key: &["id"], page: 1, counted: None,
        columns: &[("id", I), ("group_name", T), ("token_key", X)] },
    Table { name: "settings", key: &["name"], page: 100, counted: None,
        columns: &[("name", T), ("value", T)] },
    Table { name: "accounts", key: &["username"], page: 500, counted: None,
        columns: &[("username", T), ("role", T), ("disabled", B), ("created_at", I), ("hash", T), ("generation", I), ("signed_in_at", I)] },
    Table { name: "revoked_tokens", key: &["id"], page: 500, counted: None,
        columns: &[("id", T), ("expires_at", I)] },
    Table { name: "api_tokens", key: &["id"], page: 500, counted: None,
        columns: &[("id", T), ("name", T), ("username", T), ("role", T), ("areas", T), ("created_at", I), ("expires_at", I)] },
    Table { name: "join_tokens", key: &["id"], page: 500, counted: None,
        columns: &[("id", T), ("hash", T), ("made_by", T), ("made_at", I), ("expires_at", I), ("used_by", T), ("used_at", I), ("revoked_by", T)] },
    Table { name: "nodes", key: &["name"], page: 500, counted: None,
        columns: &[("name", T), ("host", T), ("port", I), ("user", T), ("password", T), ("slot_limit", I), ("operating_type", T), ("labels", T),
            ("intent", T), ("intent_reason", T), ("intent_by", T), ("intent_since", I), ("version", I), ("created_at", I),
            ("intent_until", I), ("intent_force", B)] },
    Table { name: "capacity", key: &["id"], page: 500, counted: Some("id"),
        columns: &[("id", I), ("node", T), ("at", I), ("usable", I), ("total", I), ("reason", T), ("planned", B)] },
    Table { name: "sessions", key: &["id"], page: 500, counted: None,
        columns: &[("id", T), ("node", T), ("pid", I), ("start_ticks", I), ("host_boot", T), ("work_dir", T), ("server", T), ("epoch", I), ("opened_at", I)] },
    Table { name: "alerts", key: &["id"], page: 200, counted: None,
        columns: &[("id", T), ("opened_at", I), ("resolved_at", I), ("record", T)] },
    Table { name: "deliveries", key: &["id"], page: 200, counted: None,
        columns: &[("id", T), ("made_at", I), ("due_at", I), ("record", T)] },
    Table { name: BLOBS, key: &["id"], page: 500, counted: Some("id"),
        columns: &[("id", I), ("sha256", T), ("size", I), ("created_at", I)] },
    Table { name: CHUNKS, key: &["blob", "position"], page: 16, counted: None,
        columns: &[("blob", I), ("position", I), ("bytes", X)] },
    Table { name: "files", key: &["id"], page: 500, counted: Some("id"),
        columns: &[("id", I), ("author", T), ("directory", T), ("name", T), ("version", I), ("deleted", B), ("sha256", T), ("size", I),
            ("written_by", T), ("written_at", I), ("info", T)] },
    Table { name: "versions", key: &["file", "version"], page: 500, counted: None,
        columns: &[("file", I), ("version", I), ("deleted", B), ("sha256", T), ("size", I), ("written_by", T), ("written_at", I), ("message", T),
            ("info", T), ("changeset", T)] },
    Table { name: "changesets", key: &["id"], page: 100, counted: None,
        columns: &[("id", T), ("plan", T), ("source", T), ("reason", T), ("opened_by", T), ("opened_at", I), ("whole", B), ("committed", T),
            ("verified", T), ("hold", T)] },
    Table { name: "operations", key: &["changeset", "author", "directory", "name"], page: 500, counted: None,
        columns: &[("changeset", T), ("author", T), ("directory", T), ("name", T), ("expect", T), ("sha256", T), ("size", I),
            ("expect_version", I), ("info", T)] },
    Table { name: "partials", key: &["changeset", "sha256"], page: 500, counted: None,
        columns: &[("changeset", T), ("sha256", T), ("blob", I)] },
    Table { name: "tasks", key: &["id"], page: 50, counted: None,
        columns: &[("id", T), ("title", T), ("state", T), ("submitted_by", T), ("submitted_at", I), ("started_at", I), ("ended_at", I), ("priority", I),
            ("timeout_s", I), ("re_executable", B), ("script", T), ("script_version", I), ("failure", T), ("value", T), ("outputs", T), ("code", T),
            ("inputs", T), ("wanted", T), ("label", T), ("waited_for", B)] },
    Table { name: "attempts", key: &["task", "number"], page: 500, counted: None,
        columns: &[("task", T), ("number", I), ("node", T), ("slot", I), ("session", T), ("pid", I), ("epoch", I), ("started_at", I), ("ended_at", I),
            ("failure", T)] },
    Table { name: "artifacts", key: &["task", "position"], page: 500, counted: None,
        columns: &[("task", T), ("position", I), ("name", T), ("size", I), ("plot", B), ("sha256", T)] },
    Table { name: "console", key: &["task", "seq"], page: 200, counted: None,
        columns: &[("task", T), ("seq", I), ("kind", T), ("text", T)] },
    Table { name: "switches", key: &["started_at", "id"], page: 100, counted: None,
        columns: &[("id", T), ("started_at", I), ("record", T)] },
    Table { name: "events", key: &["id"], page: 500, counted: None,
        columns: &[("id", I), ("at", I), ("severity", I), ("topic", T), ("kind", T), ("subject", T), ("message", T), ("actor", T), ("epoch", I)] },
    Table { name: "audit", key: &["id"], page: 500, counted: None,
        columns: &[("id", I), ("at", I), ("actor", T), ("action", T), ("subject", T), ("before", T), ("after", T), ("reason", T), ("address", T),
            ("request_id", T), ("agent", T), ("hash", T)] },
];

/// The place of a table in [`TABLES`].
pub(super) fn place(name: &str) -> Option<usize> {
    TABLES.iter().position(|table| table.name == name)
}

impl Table {
    /// Its columns as SQL names them.
    pub(super) fn column_list(&self) -> String {
        list(self.columns.iter().map(|(name, _)| *name))
    }

    /// Its key as SQL names it.
    pub(super) fn key_list(&self) -> String {
        list(self.key.iter().copied())
    }

    /// Where its key's columns stand among its columns.
    pub(super) fn key_places(&self) -> Vec<usize> {
        let place = |key: &&str| self.columns.iter().position(|(name, _)| name == key);
        self.key.iter().filter_map(place).collect()
    }
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names
        .map(|name| format!("\"{name}\""))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use std::collections::BTreeSet;

    /// Tables that are not in a backup, each for a reason.
    const LEFT_OUT: [&str; 14] = [
        "schema_served",           // of the database that is restored into
        "refinery_schema_history", // the same
        "epoch",                   // in the head
        "lease",                   // of the servers that run
        "members",                 // the same
        "writers",                 // the same
        "directories",             // made by triggers
        "tree",                    // made after a restore
        "tree_next",               // the same
        "tree_mend",               // the same
        "tree_writes",             // the same
        "counters",                // in the head
        "audit_head",              // in the head
        "sqlite_sequence",         // in the head
    ];

    #[test]
    fn every_column_of_the_schema_is_in_a_backup() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("east.db");
        drop(crate::store::SqliteStore::open(&path, "east").unwrap());
        let conn = rusqlite::Connection::open(&path).unwrap();
        let names: Vec<String> = conn
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .filter(|name: &String| !LEFT_OUT.contains(&name.as_str()))
            .collect();
        assert_eq!(names.len(), TABLES.len(), "{names:?}");
        for name in names {
            let table =
                &TABLES[place(&name).unwrap_or_else(|| panic!("{name} is not in a backup"))];
            let found: BTreeSet<String> = conn
                .prepare(&format!("PRAGMA table_info({name})"))
                .unwrap()
                .query_map([], |row| row.get(1))
                .unwrap()
                .map(Result::unwrap)
                .filter(|column| name != CHUNKS || column != "id")
                .collect();
            let known = table.columns.iter().map(|(name, _)| (*name).to_owned());
            assert_eq!(found, known.collect(), "{name}");
            assert_eq!(table.key_places().len(), table.key.len(), "{name}");
        }
    }
}
