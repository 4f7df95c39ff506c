//! What goes into a statement and what comes out of a row, the same for every database.

use super::tx::{Done, Fail, corrupt};

/// A value for a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Value<'a> {
    /// No value.
    Null,
    /// Any whole number.
    Integer(i64),
    /// Yes or no.
    Bool(bool),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
}

/// What can be given to a statement.
pub(in crate::store) trait ToValue {
    /// As a value.
    fn value(&self) -> Value<'_>;
}

macro_rules! integers {
    ($($t:ty),+) => {
        $(impl ToValue for $t {
            fn value(&self) -> Value<'_> {
                Value::Integer(i64::from(*self))
            }
        })+
    };
}
integers!(i64, i32, u32, u16);

impl ToValue for bool {
    fn value(&self) -> Value<'_> {
        Value::Bool(*self)
    }
}

impl ToValue for str {
    fn value(&self) -> Value<'_> {
        Value::Text(self)
    }
}

impl ToValue for String {
    fn value(&self) -> Value<'_> {
        Value::Text(self)
    }
}

impl ToValue for Vec<u8> {
    fn value(&self) -> Value<'_> {
        Value::Bytes(self)
    }
}

impl ToValue for [u8] {
    fn value(&self) -> Value<'_> {
        Value::Bytes(self)
    }
}

impl<const N: usize> ToValue for [u8; N] {
    fn value(&self) -> Value<'_> {
        Value::Bytes(self)
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, ToValue::value)
    }
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn value(&self) -> Value<'_> {
        (*self).value()
    }
}

/// The values of a statement, in the order of its marks `?1`, `?2`, …
macro_rules! params {
    () => { &[] };
    ($($value:expr),+ $(,)?) => { &[$($crate::store::sql::value::ToValue::value(&$value)),+] };
}
pub(in crate::store) use params;

/// A row of an answer.
pub(in crate::store) enum Row<'r> {
    /// Of SQLite.
    Sqlite(&'r rusqlite::Row<'r>),
    /// Of PostgreSQL.
    Postgres(&'r tokio_postgres::Row),
}

impl Row<'_> {
    /// The value of a column, counted from 0.
    pub(in crate::store) fn get<T: Column>(&self, column: usize) -> Done<T> {
        T::of(self, column)
    }

    fn raw<T: Raw>(&self, column: usize) -> Done<Option<T>> {
        match self {
            Self::Sqlite(row) => Ok(row.get(column)?),
            Self::Postgres(row) => row
                .try_get(column)
                .map_err(|error| corrupt(&format!("column {column}"), error)),
        }
    }
}

/// What both databases give as it is.
pub(in crate::store) trait Raw:
    rusqlite::types::FromSql + for<'r> tokio_postgres::types::FromSql<'r>
{
}
impl Raw for i64 {}
impl Raw for bool {}
impl Raw for String {}
impl Raw for Vec<u8> {}

/// What can be read from a column.
pub(in crate::store) trait Column: Sized {
    /// Reads it.
    fn of(row: &Row<'_>, column: usize) -> Done<Self>;
}

/// What is kept as a value that both databases know.
pub(in crate::store) trait Kept: Sized {
    /// How it is kept.
    type As;
    /// The value, `None` when it is out of range.
    fn of_kept(kept: Self::As) -> Option<Self>;
}

macro_rules! kept {
    ($($t:ty as $raw:ty),+ $(,)?) => {
        $(impl Kept for $t {
            type As = $raw;
            fn of_kept(kept: $raw) -> Option<Self> {
                Self::try_from(kept).ok()
            }
        })+
    };
}
kept!(i64 as i64, i32 as i64, u32 as i64, u16 as i64, bool as bool, String as String, Vec<u8> as Vec<u8>, [u8; 32] as Vec<u8>);

fn unfit(column: usize, why: &str) -> Fail {
    corrupt(&format!("column {column}"), why)
}

impl<T: Kept<As: Raw>> Column for T {
    fn of(row: &Row<'_>, column: usize) -> Done<Self> {
        let kept = row
            .raw::<T::As>(column)?
            .ok_or_else(|| unfit(column, "there is no value"))?;
        T::of_kept(kept).ok_or_else(|| unfit(column, "the value is out of range"))
    }
}

/// A column that may have no value.
impl<T: Kept<As: Raw>> Column for Option<T> {
    fn of(row: &Row<'_>, column: usize) -> Done<Self> {
        let Some(kept) = row.raw::<T::As>(column)? else {
            return Ok(None);
        };
        let fits = T::of_kept(kept).ok_or_else(|| unfit(column, "the value is out of range"))?;
        Ok(Some(fits))
    }
}
