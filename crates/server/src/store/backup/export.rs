//! Reads all rows of a snapshot, page by page: never more than a page of a table is in memory.

use super::head::{FORMAT, Head, tables};
use super::record::Cell;
use super::tables::{BLOBS, CHUNKS, TABLES, Table, place};
use super::{Dialect, Maker};
use crate::store::sql::tx::{Done, Tx};
use crate::store::sql::value::Value;

/// Takes a row: the place of its table in [`TABLES`], and its values.
pub(super) type Each<'e> = &'e mut dyn FnMut(usize, &[Cell]) -> Done<()>;

/// What a backup of this snapshot begins with.
pub(super) fn head(tx: Tx<'_>, dialect: Dialect, maker: &Maker) -> Done<Head> {
    let mut head = Head {
        format: FORMAT,
        group: maker.group.clone(),
        made_at: crate::clock::now(),
        made_by: maker.by.clone(),
        server: maker.server.clone(),
        version: crate::release::version().to_owned(),
        database: maker.database.clone(),
        epoch: 0,
        last_event: 0,
        last_audit: 0,
        audit_head: (0, String::new()),
        tables: tables(),
    };
    let sql = match dialect {
        Dialect::Sqlite => {
            "SELECT e.epoch, COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0),
                    COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'audit'), 0), h.last, h.hash
             FROM epoch e, audit_head h"
        }
        Dialect::Postgres => {
            "SELECT e.epoch, c.event, c.audit, c.audit_last, c.audit_hash FROM epoch e, counters c"
        }
    };
    tx.0.query(sql, &[], &mut |row| {
        head.epoch = row.get(0)?;
        head.last_event = row.get(1)?;
        head.last_audit = row.get(2)?;
        head.audit_head = (row.get(3)?, row.get(4)?);
        Ok(false)
    })?;
    Ok(head)
}

/// Hands over all rows in the order of a backup: tables in their order, rows by their keys; but after each page of
/// contents come their chunks.
pub(super) fn rows(tx: Tx<'_>, each: Each<'_>) -> Done<()> {
    for (at, table) in TABLES.iter().enumerate() {
        match table.name {
            CHUNKS => {}
            BLOBS => contents(tx, at, table, each)?,
            _ => {
                let mut after = None;
                while let Some(last) = page(tx, at, table, after.as_deref(), each)? {
                    after = Some(last);
                }
            }
        }
    }
    Ok(())
}

/// Hands over the next page of a table; the key of its last row, `None` when there is no more.
fn page(
    tx: Tx<'_>,
    at: usize,
    table: &Table,
    after: Option<&[Cell]>,
    each: Each<'_>,
) -> Done<Option<Vec<Cell>>> {
    let (columns, key) = (table.column_list(), table.key_list());
    let behind = after.map_or_else(String::new, |cells| {
        format!("WHERE ({key}) > ({}) ", marks(1, cells.len()))
    });
    let sql = format!(
        "SELECT {columns} FROM {} {behind}ORDER BY {key} LIMIT {}",
        table.name, table.page
    );
    let values: Vec<Value<'_>> = after.unwrap_or_default().iter().map(Cell::value).collect();
    fetch(tx, at, table, &sql, &values, each)
}

/// `?from, …`, so many.
pub(super) fn marks(from: usize, count: usize) -> String {
    let marks: Vec<String> = (from..from + count).map(|n| format!("?{n}")).collect();
    marks.join(", ")
}

fn fetch(
    tx: Tx<'_>,
    at: usize,
    table: &Table,
    sql: &str,
    values: &[Value<'_>],
    each: Each<'_>,
) -> Done<Option<Vec<Cell>>> {
    let places = table.key_places();
    let mut last = None;
    let mut count = 0;
    tx.0.query(sql, values, &mut |row| {
        let cells = table
            .columns
            .iter()
            .enumerate()
            .map(|(n, (_, kind))| Cell::of(row, n, *kind))
            .collect::<Done<Vec<Cell>>>()?;
        each(at, &cells)?;
        count += 1;
        if count == table.page {
            last = Some(places.iter().map(|n| cells[*n].clone()).collect());
        }
        Ok(true)
    })?;
    Ok(last)
}

/// Contents, each page followed by its chunks, so that whoever reads them needs to remember one page.
fn contents(tx: Tx<'_>, at: usize, table: &Table, each: Each<'_>) -> Done<()> {
    let Some(chunks_at) = place(CHUNKS) else {
        return Ok(());
    };
    let chunks = &TABLES[chunks_at];
    let mut after = None;
    loop {
        let (mut first, mut final_one) = (None, None);
        let next = page(tx, at, table, after.as_deref(), &mut |at, row| {
            first.get_or_insert_with(|| row[0].clone());
            final_one = Some(row[0].clone());
            each(at, row)
        })?;
        if let (Some(first), Some(final_one)) = (first, final_one) {
            let mut behind: Option<Vec<Cell>> = None;
            loop {
                let (columns, key) = (chunks.column_list(), chunks.key_list());
                let limit = chunks.page;
                let mut values = vec![first.value(), final_one.value()];
                let past = behind
                    .as_ref()
                    .map_or("", |_| "AND (blob, position) > (?3, ?4)");
                values.extend(behind.iter().flatten().map(Cell::value));
                let sql = format!(
                    "SELECT {columns} FROM chunks WHERE blob >= ?1 AND blob <= ?2 {past} ORDER BY {key} LIMIT {limit}"
                );
                let last = fetch(tx, chunks_at, chunks, &sql, &values, each)?;
                match last {
                    Some(last) => behind = Some(last),
                    None => break,
                }
            }
        }
        match next {
            Some(last) => after = Some(last),
            None => return Ok(()),
        }
    }
}
