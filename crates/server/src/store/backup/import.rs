//! Puts a backup's rows into an empty group, reads them back, and makes the group fit to be started again.

use super::error::{BackupError, Stop};
use super::export;
use super::fit;
use super::head::{End, Head};
use super::read::Backup;
use super::record::{self, Cell};
use super::tables::TABLES;
use super::tally::Tally;
use super::write::Progress;
use super::{Contents, Dialect};
use crate::store::StoreError;
use crate::store::sql::tx::{Done, Fail, Tx};
use crate::store::sql::value::{Value, params};
use std::path::PathBuf;

/// Rows that are written together, at most.
const BATCH: usize = 500;
/// And their bytes.
const BATCH_BYTES: usize = 4 << 20;

/// How a group is restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct How {
    /// The file.
    pub from: PathBuf,
    /// The group that the configuration names.
    pub group: String,
    /// The server's name.
    pub server: String,
    /// Whether the group moves with nothing happening since the snapshot (`migrate`): then tasks that wait go on.
    pub moving: bool,
    /// Whether all tokens end: the key that signs them is made anew.
    pub end_tokens: bool,
}

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// What the backup has.
    pub contents: Contents,
    /// The group's epoch now; the first server to start takes the next.
    pub epoch: i64,
    /// Tasks that were open and were ended, since whether they ran is not known.
    pub ended_tasks: usize,
    /// Texts with a character that PostgreSQL cannot keep.
    pub changed_texts: u64,
}

/// Whether a group has nothing that a restoration could mix with.
pub(in crate::store) struct Emptiness;

impl Emptiness {
    /// What the group has, in words; `None` when it is empty.
    pub(in crate::store) fn found(tx: Tx<'_>) -> Done<Option<String>> {
        let mut has = Vec::new();
        for table in [
            "accounts", "nodes", "files", "tasks", "events", "audit", "blobs", "switches",
        ] {
            let sql = format!("SELECT count(*) FROM {table}");
            let rows: i64 = tx.value(&sql, params![])?.unwrap_or_default();
            if rows > 0 {
                has.push(format!("{rows} {table}"));
            }
        }
        Ok((!has.is_empty()).then(|| has.join(", ")))
    }
}

/// A restoration under way.
pub(in crate::store) struct Loading<'p> {
    how: How,
    progress: &'p Progress,
    done: Option<Restored>,
    failed: Option<BackupError>,
}

impl<'p> Loading<'p> {
    /// Looks at the backup's head.
    pub(in crate::store) fn begin(how: How, progress: &'p Progress) -> Result<Self, BackupError> {
        let head = Backup::open(&how.from)?.head;
        if head.group != how.group {
            return Err(BackupError::OtherGroup {
                found: head.group,
                wanted: how.group,
            });
        }
        Ok(Self {
            how,
            progress,
            done: None,
            failed: None,
        })
    }

    /// Writes everything in this transaction and reads it back; whether it may be committed.
    pub(in crate::store) fn load(&mut self, tx: Tx<'_>, dialect: Dialect) -> Done<bool> {
        match self.try_load(tx, dialect) {
            Ok(restored) => {
                self.done = Some(restored);
                Ok(true)
            }
            Err(Stop::Database(fail)) => Err(fail),
            Err(Stop::Backup(error)) => {
                self.failed = Some(error);
                Ok(false)
            }
        }
    }

    /// What came of it.
    pub(in crate::store) fn finish(self) -> Result<Restored, BackupError> {
        match (self.failed, self.done) {
            (Some(error), _) => Err(error),
            (None, Some(restored)) => Ok(restored),
            (None, None) => Err(BackupError::CalledOff),
        }
    }

    fn try_load(&mut self, tx: Tx<'_>, dialect: Dialect) -> Result<Restored, Stop> {
        tx.execute("DELETE FROM identity", params![])?;
        let backup = Backup::open(&self.how.from)?;
        let head = backup.head.clone();
        let shapes = shapes(&head, dialect);
        let mut batch = Batch::default();
        let mut stored = Tally::new(TABLES.iter().map(|table| table.name.to_owned()));
        let mut bytes = Vec::new();
        let mut changed_texts = 0;
        let mut broken = None;
        let contents = backup.walk(Some(self.progress), &mut |table, mut row| {
            if dialect == Dialect::Postgres {
                changed_texts += storable(&mut row);
            }
            let shape = &shapes[table];
            let known = shape.whole(&row);
            bytes.clear();
            record::put(&mut bytes, shape.table, &known);
            stored
                .pass(shape.table, &known, &bytes)
                .map_err(BackupError::Differs)?;
            for (cell, (name, kind)) in known.iter().zip(TABLES[shape.table].columns) {
                if !cell.fits(*kind) {
                    let what = format!(
                        "{}.{name} has a value of another kind",
                        TABLES[shape.table].name
                    );
                    return Err(BackupError::Differs(what));
                }
            }
            batch.put(tx, &shapes, table, row).map_err(|fail| {
                broken = Some(fail);
                BackupError::CalledOff
            })
        });
        if let Some(fail) = broken {
            return Err(Stop::Database(fail));
        }
        let contents = contents?;
        batch.flush(tx, &shapes)?;
        let wanted = stored.end().map_err(BackupError::Differs)?;
        Self::read_back(tx, &wanted)?;
        fit::counters(tx, dialect, &head)?;
        let (epoch, ended_tasks) = fit::make(tx, dialect, &head, &self.how)?;
        Ok(Restored {
            contents,
            epoch,
            ended_tasks,
            changed_texts,
        })
    }

    /// Reads all rows of the database and compares them with those of the backup.
    fn read_back(tx: Tx<'_>, wanted: &End) -> Result<(), Stop> {
        let mut found = Tally::new(TABLES.iter().map(|table| table.name.to_owned())).checking();
        let mut bytes = Vec::new();
        let mut differs = None;
        let walked = export::rows(tx, &mut |table, row| {
            bytes.clear();
            record::put(&mut bytes, table, row);
            found.pass(table, row, &bytes).map_err(|why| {
                differs = Some(why);
                Fail::Store(StoreError::Conflict {
                    why: "it differs".to_owned(),
                })
            })
        });
        if let Some(why) = differs {
            return Err(BackupError::Differs(why).into());
        }
        walked?;
        let found = found.end().map_err(BackupError::Differs)?;
        match wanted.differs(&found) {
            Some(why) => Err(BackupError::Differs(why).into()),
            None => Ok(()),
        }
    }
}

/// How rows of a table of the backup become rows of this build's.
struct Shape {
    /// In [`TABLES`].
    table: usize,
    /// For each column of this build's table, where it is in the backup's.
    places: Vec<Option<usize>>,
    insert: String,
}

impl Shape {
    /// The row as this build has it; what an older build did not have is left without a value, or with the
    /// database's own.
    fn whole(&self, row: &[Cell]) -> Vec<Cell> {
        let columns = TABLES[self.table].columns;
        let cell = |(place, (name, _)): (&Option<usize>, &(&str, _))| match place {
            Some(place) => row[*place].clone(),
            None if *name == "agent" => Cell::Text(String::new()),
            None => Cell::Null,
        };
        self.places.iter().zip(columns).map(cell).collect()
    }
}

fn shapes(head: &Head, dialect: Dialect) -> Vec<Shape> {
    let overriding = match dialect {
        Dialect::Sqlite => "",
        Dialect::Postgres => "OVERRIDING SYSTEM VALUE ",
    };
    let shape = |(name, columns): &(String, Vec<String>)| {
        let at = super::tables::place(name)?;
        let table = &TABLES[at];
        let names: Vec<String> = columns.iter().map(|name| format!("\"{name}\"")).collect();
        let place = |wanted: &str| columns.iter().position(|name| name == wanted);
        Some(Shape {
            table: at,
            places: table.columns.iter().map(|(name, _)| place(name)).collect(),
            insert: format!(
                "INSERT INTO {} ({}) {overriding}VALUES ({})",
                table.name,
                names.join(", "),
                export::marks(1, names.len())
            ),
        })
    };
    // Heads with tables that this build does not know were refused.
    head.tables.iter().filter_map(shape).collect()
}

/// Rows of one table that wait to be written together.
#[derive(Default)]
struct Batch {
    table: usize,
    rows: Vec<Vec<Cell>>,
    bytes: usize,
}

impl Batch {
    fn put(&mut self, tx: Tx<'_>, shapes: &[Shape], table: usize, row: Vec<Cell>) -> Done<()> {
        let full = self.rows.len() >= BATCH || self.bytes >= BATCH_BYTES;
        if table != self.table || full {
            self.flush(tx, shapes)?;
            self.table = table;
        }
        self.bytes += row.iter().map(Cell::weight).sum::<usize>();
        self.rows.push(row);
        Ok(())
    }

    fn flush(&mut self, tx: Tx<'_>, shapes: &[Shape]) -> Done<()> {
        if !self.rows.is_empty() {
            let rows: Vec<Vec<Value<'_>>> = self
                .rows
                .iter()
                .map(|row| row.iter().map(Cell::value).collect())
                .collect();
            tx.0.execute_each(&shapes[self.table].insert, &rows)?;
        }
        self.rows.clear();
        self.bytes = 0;
        Ok(())
    }
}

/// PostgreSQL keeps no NUL in text; how many texts had one.
fn storable(row: &mut [Cell]) -> u64 {
    let mut changed = 0;
    for cell in row {
        if let Cell::Text(text) = cell
            && text.contains('\0')
        {
            *text = text.replace('\0', "\u{fffd}");
            changed += 1;
        }
    }
    changed
}
