//! Rows as bytes. A row is the number of its table (one byte), then each value: a byte for its kind, and
//!
//! - 0: nothing; 1: a whole number, 8 bytes little-endian; 2: no; 3: yes;
//! - 4: text, and 5: bytes, each after its length in bytes (4 bytes little-endian).

use super::tables::Kind;
use crate::store::sql::tx::Done;
use crate::store::sql::value::{Row, Value};

/// The most bytes that a value may have.
pub(super) const MOST: usize = 256 << 20;

/// A value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    Null,
    Integer(i64),
    Bool(bool),
    Text(String),
    Bytes(Vec<u8>),
}

impl Cell {
    /// The value of a column.
    pub(super) fn of(row: &Row<'_>, column: usize, kind: Kind) -> Done<Self> {
        Ok(match kind {
            Kind::Integer => row
                .get::<Option<i64>>(column)?
                .map_or(Self::Null, Self::Integer),
            Kind::Bool => row
                .get::<Option<bool>>(column)?
                .map_or(Self::Null, Self::Bool),
            Kind::Text => row
                .get::<Option<String>>(column)?
                .map_or(Self::Null, Self::Text),
            Kind::Bytes => row
                .get::<Option<Vec<u8>>>(column)?
                .map_or(Self::Null, Self::Bytes),
        })
    }

    /// As a statement takes it.
    pub(super) fn value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Integer(n) => Value::Integer(*n),
            Self::Bool(yes) => Value::Bool(*yes),
            Self::Text(text) => Value::Text(text),
            Self::Bytes(bytes) => Value::Bytes(bytes),
        }
    }

    /// Whether it may stand in such a column.
    pub(super) fn fits(&self, kind: Kind) -> bool {
        matches!(
            (self, kind),
            (Self::Null, _)
                | (Self::Integer(_), Kind::Integer)
                | (Self::Bool(_), Kind::Bool)
                | (Self::Text(_), Kind::Text)
                | (Self::Bytes(_), Kind::Bytes)
        )
    }

    /// Bytes that it takes in memory beside itself.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            _ => 0,
        }
    }
}

/// Puts a row behind what is there.
pub(super) fn put(out: &mut Vec<u8>, table: usize, row: &[Cell]) {
    out.push(u8::try_from(table).unwrap_or(u8::MAX));
    for cell in row {
        match cell {
            Cell::Null => out.push(0),
            Cell::Integer(n) => {
                out.push(1);
                out.extend_from_slice(&n.to_le_bytes());
            }
            Cell::Bool(yes) => out.push(2 + u8::from(*yes)),
            Cell::Text(text) => long(out, 4, text.as_bytes()),
            Cell::Bytes(bytes) => long(out, 5, bytes),
        }
    }
}

fn long(out: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    out.push(kind);
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// A row that was taken: the place of its table among the backup's own, its values, and its bytes.
pub(super) type Taken<'b> = (usize, Vec<Cell>, &'b [u8]);

/// Takes the next row; `None` when nothing is left. `columns` are how many each of the backup's tables has.
///
/// # Errors
/// Says what is wrong with it.
pub(super) fn take<'b>(
    rest: &mut &'b [u8],
    columns: &[usize],
) -> Result<Option<Taken<'b>>, String> {
    let whole = *rest;
    let Some((&table, mut at)) = whole.split_first() else {
        return Ok(None);
    };
    let table = usize::from(table);
    let width = *columns
        .get(table)
        .ok_or_else(|| format!("a row of table {table}, which it does not have"))?;
    let mut row = Vec::with_capacity(width);
    for _ in 0..width {
        row.push(cell(&mut at)?);
    }
    let bytes = &whole[..whole.len() - at.len()];
    *rest = at;
    Ok(Some((table, row, bytes)))
}

fn cell(at: &mut &[u8]) -> Result<Cell, String> {
    let short = || "a row that ends early".to_owned();
    let (&kind, rest) = at.split_first().ok_or_else(short)?;
    *at = rest;
    Ok(match kind {
        0 => Cell::Null,
        1 => {
            let (number, rest) = at.split_first_chunk::<8>().ok_or_else(short)?;
            *at = rest;
            Cell::Integer(i64::from_le_bytes(*number))
        }
        2 | 3 => Cell::Bool(kind == 3),
        4 | 5 => {
            let (length, rest) = at.split_first_chunk::<4>().ok_or_else(short)?;
            let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
            let (bytes, rest) = rest.split_at_checked(length).ok_or_else(short)?;
            *at = rest;
            if kind == 5 {
                Cell::Bytes(bytes.to_vec())
            } else {
                let text = core::str::from_utf8(bytes).map_err(|_| "a text that is no UTF-8")?;
                Cell::Text(text.to_owned())
            }
        }
        other => return Err(format!("a value of kind {other}")),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn cells() -> impl Strategy<Value = Vec<Cell>> {
        let one = prop_oneof![
            Just(Cell::Null),
            any::<i64>().prop_map(Cell::Integer),
            any::<bool>().prop_map(Cell::Bool),
            ".{0,20}".prop_map(Cell::Text),
            proptest::collection::vec(any::<u8>(), 0..20).prop_map(Cell::Bytes),
        ];
        proptest::collection::vec(one, 3)
    }

    proptest! {
        #[test]
        fn rows_come_back_as_they_went(rows in proptest::collection::vec(cells(), 0..6)) {
            let mut bytes = Vec::new();
            for row in &rows {
                put(&mut bytes, 1, row);
            }
            let mut rest = bytes.as_slice();
            let mut back = Vec::new();
            while let Some((table, row, _)) = take(&mut rest, &[0, 3]).unwrap() {
                prop_assert_eq!(table, 1);
                back.push(row);
            }
            prop_assert_eq!(back, rows);
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut rest = bytes.as_slice();
            while let Ok(Some(_)) = take(&mut rest, &[1, 3, 0, 2, 7]) {}
        }
    }
}
