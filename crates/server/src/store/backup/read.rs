//! Reads a backup from its beginning to its end, checking everything.

use super::error::BackupError;
use super::file::{Part, Reader};
use super::head::{End, Head, unknown};
use super::record::{self, Cell};
use super::tally::Tally;
use super::write::Progress;
use std::fs::File;
use std::path::Path;

/// What is in a backup that was read whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// How it begins.
    pub head: Head,
    /// How it ends.
    pub end: End,
    /// Its size, bytes.
    pub size: u64,
}

/// Reads a whole backup and checks it: every block's hash, every table's number of rows and hash, every content's hash
/// and size.
///
/// # Errors
/// [`BackupError`], saying exactly what is wrong with it.
pub fn look(path: &Path) -> Result<Contents, BackupError> {
    look_with(path, None)
}

pub(super) fn look_with(path: &Path, progress: Option<&Progress>) -> Result<Contents, BackupError> {
    Backup::open(path)?.walk(progress, &mut |_, _| Ok(()))
}

/// The head of a backup, without reading further.
///
/// # Errors
/// As [`look`].
pub fn head_of(path: &Path) -> Result<Head, BackupError> {
    Backup::open(path).map(|backup| backup.head)
}

/// An open backup, its head read.
pub(super) struct Backup {
    pub(super) head: Head,
    reader: Reader<std::io::BufReader<File>>,
}

impl Backup {
    pub(super) fn open(path: &Path) -> Result<Self, BackupError> {
        let file = File::open(path).map_err(|error| BackupError::io("read", path, &error))?;
        let buffered = std::io::BufReader::with_capacity(1 << 16, file);
        let mut reader = Reader::new(buffered, path)?;
        let at = reader.changed("it does not begin with a head");
        let (Part::Head, bytes) = reader.block()? else {
            return Err(at);
        };
        // A later format may have another shape: its number and its maker stay where they are.
        let loose: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
        let head: Result<Head, _> = serde_json::from_slice(bytes);
        let newer = |what: String| BackupError::Newer {
            path: path.to_owned(),
            what,
            by: loose["version"].as_str().unwrap_or("?").to_owned(),
        };
        match head {
            Ok(head) => match unknown(&head) {
                Some(what) => Err(newer(what)),
                None => Ok(Self { head, reader }),
            },
            Err(_) if loose["format"].as_u64() > Some(u64::from(super::head::FORMAT)) => {
                Err(newer(format!("format {}", loose["format"])))
            }
            Err(error) => Err(reader.changed(&format!("its head is not understood: {error}"))),
        }
    }

    /// Hands over every row, with the place of its table in the head, and checks all of it.
    pub(super) fn walk(
        self,
        progress: Option<&Progress>,
        each: &mut dyn FnMut(usize, Vec<Cell>) -> Result<(), BackupError>,
    ) -> Result<Contents, BackupError> {
        let Self { head, mut reader } = self;
        let widths: Vec<usize> = head
            .tables
            .iter()
            .map(|(_, columns)| columns.len())
            .collect();
        let mut tally = Tally::new(head.tables.iter().map(|(name, _)| name.clone())).checking();
        let mut rows = 0;
        loop {
            let (path, at) = (reader.path().to_owned(), reader.at());
            let changed = |why: String| BackupError::Changed {
                path: path.clone(),
                at,
                why,
            };
            let (part, bytes) = reader.block()?;
            match part {
                Part::Head => return Err(changed("a second head".to_owned())),
                Part::Rows => {
                    let mut rest = bytes;
                    loop {
                        let taken = record::take(&mut rest, &widths);
                        let Some((table, row, bytes)) = taken.map_err(&changed)? else {
                            break;
                        };
                        tally.pass(table, &row, bytes).map_err(&changed)?;
                        rows += 1;
                        each(table, row)?;
                    }
                    if let Some(progress) = progress {
                        if progress.is_called_off() {
                            return Err(BackupError::CalledOff);
                        }
                        progress.set(rows, at);
                    }
                }
                Part::End => {
                    let end: End = serde_json::from_slice(bytes)
                        .map_err(|error| changed(format!("its end is not understood: {error}")))?;
                    let found = tally.end().map_err(&changed)?;
                    if let Some(why) = end.differs(&found) {
                        return Err(changed(why));
                    }
                    reader.end()?;
                    let size = reader.at();
                    return Ok(Contents { head, end, size });
                }
            }
        }
    }
}
