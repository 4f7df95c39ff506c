//! Counts rows as they pass, and checks that contents have the hashes that they are called by.

use super::head::{Counted, End};
use super::record::Cell;
use super::tables::{BLOBS, CHUNKS};
use gridhelm_replicate::hex;
use sha2::{Digest as _, Sha256};
use std::collections::VecDeque;

/// A content whose chunks have not all passed.
struct Content {
    id: i64,
    sha256: Option<String>,
    size: i64,
    sha: Sha256,
    passed: i64,
}

/// Counts rows. With [`Tally::checking`] it also looks at contents; their rows pass before their chunks.
pub(super) struct Tally {
    tables: Vec<(String, u64, Sha256)>,
    contents: u64,
    content_bytes: u64,
    waiting: Option<VecDeque<Content>>,
}

impl Tally {
    pub(super) fn new(names: impl Iterator<Item = String>) -> Self {
        Self {
            tables: names.map(|name| (name, 0, Sha256::new())).collect(),
            contents: 0,
            content_bytes: 0,
            waiting: None,
        }
    }

    /// Also checks each content's bytes against its hash and size.
    pub(super) fn checking(mut self) -> Self {
        self.waiting = Some(VecDeque::new());
        self
    }

    /// A row of a table with these bytes passes.
    ///
    /// # Errors
    /// Says which content is not what it is called.
    pub(super) fn pass(&mut self, table: usize, row: &[Cell], bytes: &[u8]) -> Result<(), String> {
        let Some((name, rows, sha)) = self.tables.get_mut(table) else {
            return Err(format!("a row of table {table}"));
        };
        *rows += 1;
        sha.update(bytes);
        match name.as_str() {
            BLOBS => {
                let [Cell::Integer(id), sha256, Cell::Integer(size), ..] = row else {
                    return Err("a content without a number or a size".to_owned());
                };
                self.contents += 1;
                self.content_bytes += u64::try_from(*size).unwrap_or_default();
                let Some(waiting) = &mut self.waiting else {
                    return Ok(());
                };
                waiting.push_back(Content {
                    id: *id,
                    sha256: match sha256 {
                        Cell::Text(sha256) => Some(sha256.clone()),
                        _ => None,
                    },
                    size: *size,
                    sha: Sha256::new(),
                    passed: 0,
                });
                Ok(())
            }
            CHUNKS => {
                let [Cell::Integer(blob), _, Cell::Bytes(bytes)] = row else {
                    return Err("a chunk without its content's number or bytes".to_owned());
                };
                let Some(waiting) = &mut self.waiting else {
                    return Ok(());
                };
                while waiting.front().is_some_and(|content| content.id < *blob) {
                    waiting.pop_front().map_or(Ok(()), judge)?;
                }
                let Some(content) = waiting.front_mut().filter(|content| content.id == *blob)
                else {
                    return Err(format!("a chunk of content {blob}, which is not there"));
                };
                content.sha.update(bytes);
                content.passed += i64::try_from(bytes.len()).unwrap_or(i64::MAX);
                Ok(())
            }
            _ => {
                let Some(waiting) = &mut self.waiting else {
                    return Ok(());
                };
                waiting.drain(..).try_for_each(judge)
            }
        }
    }

    /// What has passed.
    ///
    /// # Errors
    /// As [`Tally::pass`].
    pub(super) fn end(mut self) -> Result<End, String> {
        if let Some(waiting) = &mut self.waiting {
            waiting.drain(..).try_for_each(judge)?;
        }
        let counted = |(table, rows, sha): (String, u64, Sha256)| Counted {
            table,
            rows,
            sha256: hex(&sha.finalize()),
        };
        Ok(End {
            tables: self.tables.into_iter().map(counted).collect(),
            contents: self.contents,
            content_bytes: self.content_bytes,
        })
    }
}

/// Whether all of a content has passed as it is called. An upload that was under way has no hash yet.
fn judge(content: Content) -> Result<(), String> {
    let Some(wanted) = content.sha256 else {
        return Ok(());
    };
    let found = hex(&content.sha.finalize());
    if found == wanted && content.passed == content.size {
        return Ok(());
    }
    Err(format!(
        "content {wanted} of {} bytes has {} bytes with the hash {found}",
        content.size, content.passed
    ))
}
