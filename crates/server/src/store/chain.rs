//! The audit log's chain: each row's hash covers the row and the hash before it, so that a row that was changed,
//! removed or put in between is found. Whoever can write the database can also write a whole new chain; so note the
//! head's hash somewhere else, and give it when you verify.

use gridhelm_api::account::{AuditBreak, AuditChain, AuditCut};
use sha2::{Digest as _, Sha256};

/// What a hash covers: every column of a row, as stored.
#[derive(Debug, Clone, Copy)]
pub struct Link<'a> {
    /// The row's number.
    pub id: i64,
    /// When it was written.
    pub at: i64,
    /// Who, what, on what, before, after, why, from where, by which program, and the request's id.
    pub fields: [Option<&'a str>; 9],
}

/// The hash of a row that follows on a row with the hash `previous` (empty for the first one): SHA-256 over
/// `previous`, the numbers (little-endian) and the fields, each with its length before it, in hexadecimal digits.
pub fn hash(previous: &str, row: &Link<'_>) -> String {
    let mut sha = Sha256::new();
    let mut put = |bytes: Option<&[u8]>| match bytes {
        None => sha.update(u64::MAX.to_le_bytes()),
        Some(bytes) => {
            sha.update((bytes.len() as u64).to_le_bytes());
            sha.update(bytes);
        }
    };
    put(Some(previous.as_bytes()));
    put(Some(&row.id.to_le_bytes()));
    put(Some(&row.at.to_le_bytes()));
    for field in row.fields {
        put(field.map(str::as_bytes));
    }
    let mut digits = String::with_capacity(64);
    for byte in sha.finalize() {
        for half in [byte >> 4, byte & 15] {
            digits.push(char::from_digit(u32::from(half), 16).unwrap_or('0'));
        }
    }
    digits
}

/// Walks the rows in order of their numbers.
#[derive(Debug, Default)]
pub struct Verifier {
    rows: u64,
    covered: u64,
    first: Option<i64>,
    last: Option<i64>,
    head: String,
    broken: Option<AuditBreak>,
    noted: Option<String>,
    found: bool,
    cut: Option<AuditCut>,
    /// Whether the log has a row of its own about the cut.
    cut_told: bool,
}

/// What the row about a cut is called.
pub const CUT: &str = "audit.cut";

impl Verifier {
    /// Also looks for a hash that was the log's end once.
    pub fn looking_for(noted: Option<String>) -> Self {
        Self {
            noted,
            ..Self::default()
        }
    }

    /// Begins behind what was cut off.
    #[must_use]
    pub fn behind(mut self, cut: Option<AuditCut>) -> Self {
        if let Some(cut) = &cut {
            self.head.clone_from(&cut.hash);
            self.last = Some(cut.id);
            self.found |= self.noted.as_deref() == Some(&cut.hash);
        }
        self.cut = cut;
        self
    }

    /// The next row with its stored hash; rows from before the chain was kept have none.
    pub fn take(&mut self, row: &Link<'_>, stored: Option<&str>) {
        self.rows += 1;
        let begun = self.first.is_some() || self.cut.is_some();
        let Some(stored) = stored else {
            if begun {
                self.broke(row.id, "is not part of the chain: it was put in, or written by a server of an older version");
            }
            return;
        };
        self.covered += 1;
        self.first.get_or_insert(row.id);
        if hash(&self.head, row) != stored {
            let what = match self.last {
                Some(last) if row.id != last + 1 => {
                    format!(
                        "does not follow on row {last}: rows between them are gone, or it was changed"
                    )
                }
                Some(last) => format!("was changed, or row {last} before it"),
                None => "is the first one and was changed, or rows before it are gone".to_owned(),
            };
            self.broke(row.id, &what);
        }
        self.last = Some(row.id);
        if let Some(cut) = &self.cut
            && row.fields[1] == Some(CUT)
            && row.fields[2] == Some(&cut.hash)
        {
            self.cut_told = true;
        }
        self.found |= self.noted.as_deref() == Some(stored);
        stored.clone_into(&mut self.head);
    }

    fn broke(&mut self, id: i64, what: &str) {
        self.broken.get_or_insert_with(|| AuditBreak {
            id,
            what: format!("Row {id} {what}."),
        });
    }

    /// The verdict, given the number and hash that the log's head names.
    pub fn end(mut self, head_id: i64, head: &str) -> AuditChain {
        let last = self.last.unwrap_or_default();
        if !head.is_empty() && (last, self.head.as_str()) != (head_id, head) {
            self.broke(
                head_id,
                &format!("is the last one that was written, and the log ends at row {last}"),
            );
        }
        if let Some(cut) = self.cut.as_ref().filter(|_| !self.cut_told) {
            let id = cut.id;
            self.broke(
                id,
                "is told to be the last one that was cut off, and the log has no row about that",
            );
        }
        AuditChain {
            cut: self.cut,
            rows: self.rows,
            covered: self.covered,
            first: self.first,
            last: self.last,
            head: self.head,
            noted: self.noted.map(|_| self.found),
            broken: self.broken,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    type Row = (i64, i64, Vec<Option<String>>, Option<String>);

    fn link(row: &Row) -> Link<'_> {
        let mut fields = [None; 9];
        for (field, text) in fields.iter_mut().zip(&row.2) {
            *field = text.as_deref();
        }
        Link {
            id: row.0,
            at: row.1,
            fields,
        }
    }

    fn log(n: i64) -> Vec<Row> {
        let mut head = String::new();
        (1..=n)
            .map(|id| {
                let mut row = (id, 1_000 + id, vec![Some("ada".to_owned()); 9], None);
                row.2[3] = None;
                head = hash(&head, &link(&row));
                row.3 = Some(head.clone());
                row
            })
            .collect()
    }

    fn verdict(rows: &[Row], head: &Row) -> AuditChain {
        let mut verifier = Verifier::default();
        for row in rows {
            verifier.take(&link(row), row.3.as_deref());
        }
        verifier.end(head.0, head.3.as_deref().unwrap_or_default())
    }

    #[test]
    fn a_whole_log_holds() {
        let rows = log(5);
        let chain = verdict(&rows, &rows[4]);
        assert_eq!(chain.broken, None);
        assert_eq!((chain.rows, chain.covered), (5, 5));
        assert_eq!((chain.first, chain.last), (Some(1), Some(5)));
        assert_eq!(chain.head, rows[4].3.clone().unwrap());
        let mut verifier = Verifier::looking_for(rows[2].3.clone());
        for row in &rows {
            verifier.take(&link(row), row.3.as_deref());
        }
        assert_eq!(verifier.end(5, &chain.head).noted, Some(true));
        let none = verdict(&[], &(0, 0, Vec::new(), None));
        assert_eq!(none.broken, None);
    }

    #[test]
    fn rows_from_before_the_chain_are_no_break() {
        let mut rows = vec![(0, 5, vec![None; 9], None)];
        rows.extend(log(2));
        let chain = verdict(&rows, &rows[2]);
        assert_eq!((chain.broken, chain.rows, chain.covered), (None, 3, 2));
    }

    #[test]
    fn what_was_done_to_the_log_is_named() {
        let rows = log(5);
        let found = |rows: &[Row]| verdict(rows, &log(5)[4]).broken.unwrap();
        let mut removed = rows.clone();
        removed.remove(2);
        assert_eq!(found(&removed).id, 4);
        assert!(
            found(&removed).what.contains("gone"),
            "{}",
            found(&removed).what
        );
        assert_eq!(found(&rows[..4]).id, 5, "the tail");
        assert_eq!(found(&[]).id, 5, "everything");
        let mut inserted = rows.clone();
        inserted.insert(3, (3, 7, vec![None; 9], None));
        assert!(found(&inserted).what.contains("put in"));
    }

    #[test]
    fn a_cut_is_walked_from_and_must_be_told_in_the_log() {
        let mut rows = log(4);
        let cut = AuditCut {
            id: 2,
            hash: rows[1].3.clone().unwrap(),
            rows: 2,
            at: 9,
            by: "ada".to_owned(),
            reason: "a test".to_owned(),
        };
        let walk = |rows: &[Row]| {
            let mut verifier = Verifier::default().behind(Some(cut.clone()));
            for row in rows {
                verifier.take(&link(row), row.3.as_deref());
            }
            let head = rows.last().unwrap();
            verifier.end(head.0, head.3.as_deref().unwrap())
        };
        let untold = walk(&rows[2..]).broken.unwrap();
        assert!(untold.what.contains("no row about that"), "{}", untold.what);
        let mut told = (5, 1_005, vec![Some("ada".to_owned()); 9], None);
        told.2[1] = Some(CUT.to_owned());
        told.2[2] = Some(cut.hash.clone());
        told.3 = Some(hash(rows[3].3.as_deref().unwrap(), &link(&told)));
        rows.push(told);
        let good = walk(&rows[2..]);
        assert_eq!((good.broken, good.first, good.covered), (None, Some(3), 3));
        let more = walk(&rows[3..]).broken.unwrap();
        assert!(
            more.what.contains("does not follow on row 2"),
            "{}",
            more.what
        );
    }

    proptest! {
        #[test]
        fn any_change_of_any_field_is_found(at in 0_usize..5, field in 0_usize..11, text in ".{0,12}") {
            let rows = log(5);
            let mut changed = rows.clone();
            match field {
                9 => changed[at].1 += 1,
                10 => changed[at].3 = Some(text.clone()),
                field => {
                    prop_assume!(changed[at].2[field].as_deref() != Some(text.as_str()));
                    changed[at].2[field] = Some(text.clone());
                }
            }
            prop_assert!(verdict(&changed, &rows[4]).broken.is_some());
        }
    }
}
