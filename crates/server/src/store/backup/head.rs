//! What stands at a backup's beginning and at its end.

use super::tables::TABLES;
use gridhelm_api::Millis;
use serde::{Deserialize, Serialize};

/// The format that this build writes, and the newest that it reads.
pub(super) const FORMAT: u32 = 1;

/// How a backup begins: what it is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The format's number.
    pub format: u32,
    /// The group.
    pub group: String,
    /// When the snapshot was taken, by the clock of the host that made it.
    pub made_at: Millis,
    /// Who asked for it: an account, "the schedule" or "a command".
    pub made_by: String,
    /// The server's name.
    pub server: String,
    /// The version of gridhelm-server that made it.
    pub version: String,
    /// The database that it was made of, in a few words.
    pub database: String,
    /// The group's epoch.
    pub epoch: i64,
    /// The number of the last event.
    pub last_event: i64,
    /// The number of the last audit row.
    pub last_audit: i64,
    /// The last row of the audit log's chain: its number and hash.
    pub audit_head: (i64, String),
    /// The tables, in the order of their rows' numbers, each with its columns.
    pub tables: Vec<(String, Vec<String>)>,
}

/// How a backup ends: what must have been read until there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// For each table its number of rows, and the SHA-256 over their bytes.
    pub tables: Vec<Counted>,
    /// How many contents (files' versions, plots) it has.
    pub contents: u64,
    /// Their bytes.
    pub content_bytes: u64,
}

/// What a table has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// The table.
    pub table: String,
    /// Its rows.
    pub rows: u64,
    /// SHA-256 over its rows' bytes, hexadecimal.
    pub sha256: String,
}

impl End {
    /// All rows.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }

    /// The rows of a table.
    pub fn rows_of(&self, table: &str) -> u64 {
        let found = self.tables.iter().find(|counted| counted.table == table);
        found.map_or(0, |counted| counted.rows)
    }

    /// Where two ends differ, in words; `None` when they are the same.
    pub(super) fn differs(&self, other: &Self) -> Option<String> {
        for (one, two) in self.tables.iter().zip(&other.tables) {
            if one.rows != two.rows {
                return Some(format!(
                    "{} has {} rows instead of {}",
                    one.table, two.rows, one.rows
                ));
            }
            if one.sha256 != two.sha256 {
                return Some(format!("the rows of {} are not the same", one.table));
            }
        }
        (self != other).then(|| "it has other tables or contents".to_owned())
    }
}

/// The tables of this build, as a head names them.
pub(super) fn tables() -> Vec<(String, Vec<String>)> {
    let columns =
        |columns: &[(&str, _)]| columns.iter().map(|(name, _)| (*name).to_owned()).collect();
    TABLES
        .iter()
        .map(|table| (table.name.to_owned(), columns(table.columns)))
        .collect()
}

/// What the head names that this build does not know.
pub(super) fn unknown(head: &Head) -> Option<String> {
    if head.format > FORMAT {
        return Some(format!("format {}, this build reads {FORMAT}", head.format));
    }
    for (name, columns) in &head.tables {
        let Some(table) = TABLES.iter().find(|table| table.name == name) else {
            return Some(format!("it has a table {name}"));
        };
        for column in columns {
            if !table.columns.iter().any(|(known, _)| known == column) {
                return Some(format!("its table {name} has a column {column}"));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_later_build_adds_is_named() {
        let mut head = Head {
            format: FORMAT,
            group: "east".to_owned(),
            made_at: 0,
            made_by: "ada".to_owned(),
            server: "east-1".to_owned(),
            version: "9".to_owned(),
            database: String::new(),
            epoch: 1,
            last_event: 0,
            last_audit: 0,
            audit_head: (0, String::new()),
            tables: tables(),
        };
        assert_eq!(unknown(&head), None);
        head.tables[2].1.pop();
        assert_eq!(unknown(&head), None, "one of an older build has less");
        head.tables[2].1.push("colour".to_owned());
        assert!(unknown(&head).is_some_and(|what| what.contains("accounts has a column colour")));
        head.tables[2].1.pop();
        head.tables.push(("secrets".to_owned(), Vec::new()));
        assert!(unknown(&head).is_some_and(|what| what.contains("a table secrets")));
        head.format = FORMAT + 1;
        assert!(unknown(&head).is_some_and(|what| what.contains("format 2")));
    }
}
