//! Makes a backup: writes it under another name, reads it back, then gives it its name.

use super::Dialect;
use super::error::{BackupError, Stop};
use super::export::{self, Each};
use super::file::{BLOCK, Part, Writer};
use super::head::{End, Head};
use super::read::{self, Contents};
use super::record::{self, Cell, MOST};
use super::tables::TABLES;
use super::tally::Tally;
use crate::store::StoreError;
use crate::store::sql::tx::{Done, Fail, Tx};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

/// What must stay free on the disk that a backup is written to, bytes.
const SPARE: u64 = 256 << 20;

/// Whose backup it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maker {
    /// The group.
    pub group: String,
    /// The server's name.
    pub server: String,
    /// Who asked for it.
    pub by: String,
    /// The database in a few words.
    pub database: String,
}

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The snapshot is written to the file.
    Writing,
    /// The file is read back.
    Verifying,
}

/// How far a backup has come; shared with whoever asks.
#[derive(Debug, Default)]
pub struct Progress {
    rows: AtomicU64,
    bytes: AtomicU64,
    stage: AtomicU8,
    called_off: AtomicBool,
}

impl Progress {
    /// Rows that have been written, or read back.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Bytes of the file that have been written, or read back.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// What is being done.
    pub fn stage(&self) -> Stage {
        if self.stage.load(Ordering::Relaxed) == 0 {
            Stage::Writing
        } else {
            Stage::Verifying
        }
    }

    /// Ends it at the next row; what was written goes.
    pub fn call_off(&self) {
        self.called_off.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_called_off(&self) -> bool {
        self.called_off.load(Ordering::Relaxed)
    }

    pub(super) fn set(&self, rows: u64, bytes: u64) {
        self.rows.store(rows, Ordering::Relaxed);
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    fn verifying(&self) {
        self.set(0, 0);
        self.stage.store(1, Ordering::Relaxed);
    }
}

/// The writing of one backup, up to its name.
pub(in crate::store) struct Saving<'p> {
    maker: Maker,
    path: PathBuf,
    part: PathBuf,
    file: Option<File>,
    progress: &'p Progress,
    done: Option<(Head, End)>,
    failed: Option<BackupError>,
}

impl<'p> Saving<'p> {
    /// Makes the file under its passing name, readable by its owner alone.
    pub(in crate::store) fn begin(
        maker: Maker,
        path: &Path,
        progress: &'p Progress,
    ) -> Result<Self, BackupError> {
        if path.exists() {
            return Err(BackupError::Exists(path.to_owned()));
        }
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        if nearly_full(folder.unwrap_or(Path::new("."))) {
            return Err(BackupError::Full(path.to_owned()));
        }
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&part)
            .map_err(|error| BackupError::io("write", &part, &error))?;
        Ok(Self {
            maker,
            path: path.to_owned(),
            part,
            file: Some(file),
            progress,
            done: None,
            failed: None,
        })
    }

    /// Writes all of a snapshot.
    pub(in crate::store) fn write(&mut self, tx: Tx<'_>, dialect: Dialect) -> Done<()> {
        match self.try_write(tx, dialect) {
            Ok(done) => {
                self.done = Some(done);
                Ok(())
            }
            Err(Stop::Database(fail)) => Err(fail),
            Err(Stop::Backup(error)) => {
                self.failed = Some(error);
                Ok(())
            }
        }
    }

    fn try_write(&mut self, tx: Tx<'_>, dialect: Dialect) -> Result<(Head, End), Stop> {
        let Some(file) = self.file.take() else {
            return Err(Stop::Backup(BackupError::CalledOff));
        };
        let mut writer = Writer::new(file, &self.part)?;
        let head = export::head(tx, dialect, &self.maker)?;
        writer.block(Part::Head, &json(&head)?)?;
        let mut tally = Tally::new(TABLES.iter().map(|table| table.name.to_owned()));
        let mut block = Vec::with_capacity(BLOCK + (BLOCK >> 1));
        let mut rows = 0;
        let (progress, part) = (self.progress, self.part.clone());
        let mut stopped = None;
        let mut put = |table: usize, row: &[Cell]| -> Result<(), BackupError> {
            if progress.is_called_off() {
                return Err(BackupError::CalledOff);
            }
            let heavy: usize = row.iter().map(Cell::weight).sum();
            if heavy > MOST - BLOCK {
                return Err(BackupError::Differs(format!(
                    "a row of {} has {heavy} bytes, more than a backup takes",
                    TABLES[table].name
                )));
            }
            let from = block.len();
            record::put(&mut block, table, row);
            tally
                .pass(table, row, &block[from..])
                .map_err(BackupError::Differs)?;
            rows += 1;
            if block.len() >= BLOCK {
                writer.block(Part::Rows, &block)?;
                block.clear();
                if nearly_full(&part) {
                    return Err(BackupError::Full(part.clone()));
                }
                progress.set(rows, writer.written);
            }
            Ok(())
        };
        let each: Each<'_> = &mut |table, row| {
            put(table, row).map_err(|error| {
                stopped = Some(error);
                called_off()
            })
        };
        let walked = export::rows(tx, each);
        if let Some(error) = stopped {
            return Err(Stop::Backup(error));
        }
        walked?;
        if !block.is_empty() {
            writer.block(Part::Rows, &block)?;
        }
        let end = tally.end().map_err(BackupError::Differs)?;
        writer.block(Part::End, &json(&end)?)?;
        let (mut file, _) = writer.finish();
        let synced = file.flush().and_then(|()| file.sync_all());
        synced.map_err(|error| BackupError::io("write", &self.part, &error))?;
        Ok((head, end))
    }

    /// Reads the file back, compares it with what was read of the database, and gives it its name.
    pub(in crate::store) fn finish(mut self) -> Result<Contents, BackupError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let Some((head, end)) = self.done.take() else {
            return Err(BackupError::CalledOff);
        };
        self.progress.verifying();
        let found = read::look_with(&self.part, Some(self.progress))?;
        if found.head != head {
            return Err(BackupError::Differs("its head is not the same".to_owned()));
        }
        if let Some(why) = end.differs(&found.end) {
            return Err(BackupError::Differs(why));
        }
        let named = std::fs::hard_link(&self.part, &self.path).and_then(|()| {
            let folder = self
                .path
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
        });
        match named {
            Ok(()) => Ok(found),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                Err(BackupError::Exists(self.path.clone()))
            }
            Err(error) => Err(BackupError::io("write", &self.path, &error)),
        }
    }
}

/// The passing name goes, whatever happened.
impl Drop for Saving<'_> {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.part)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %self.part.display(), "what was written of a backup could not be removed");
        }
    }
}

/// Whether a disk has so little free that more would take the room of what else is on it: the database perhaps.
fn nearly_full(path: &Path) -> bool {
    rustix::fs::statvfs(path).is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < SPARE)
}

/// Ends a walk over rows; whoever ended it knows why.
fn called_off() -> Fail {
    Fail::Store(StoreError::Conflict {
        why: "called off".to_owned(),
    })
}

fn json<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, BackupError> {
    serde_json::to_vec(value).map_err(|error| BackupError::Differs(error.to_string()))
}
