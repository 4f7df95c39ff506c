//! What an error of PostgreSQL means for the call under way.

use crate::store::sql::tx::{Fail, Trouble};
use std::error::Error as _;
use tokio_postgres::Error;
use tokio_postgres::error::{DbError, Severity};

/// Why a statement did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Broken {
    /// The connection is gone, or leads to a server that takes no writes: connect anew.
    Lost(String),
    /// The transaction was undone for another's sake; it can be done again.
    Again(String),
    /// A lock was not to be had in time.
    Locked(String),
    /// The statement itself failed.
    Failed(Trouble),
}

impl Broken {
    /// Of what the driver answers.
    pub(super) fn of(error: &Error) -> Self {
        let message = words(error);
        match error.as_db_error() {
            Some(said) => Self::of_state(said, message),
            None if error.is_closed() || is_io(error) => Self::Lost(message),
            None => Self::Failed(Trouble::Corrupt {
                what: None,
                message,
            }),
        }
    }

    fn of_state(said: &DbError, message: String) -> Self {
        let code = said.code().code();
        let fatal = matches!(
            said.parsed_severity(),
            Some(Severity::Fatal | Severity::Panic)
        );
        match code {
            "40001" | "40P01" => Self::Again(message),
            "55P03" => Self::Locked(message),
            "XX001" | "XX002" => Self::Failed(Trouble::Corrupt {
                what: Some("the database".to_owned()),
                message: format!("{message}; restore it from a backup or a standby"),
            }),
            // Shutdown, crash, start, ended session; a server that was made a standby.
            "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25006" => Self::Lost(message),
            _ if fatal || code.starts_with("08") => Self::Lost(message),
            _ => Self::Failed(Trouble::Unavailable(message)),
        }
    }

    /// In words.
    pub(super) fn message(&self) -> &str {
        match self {
            Self::Lost(message) | Self::Again(message) | Self::Locked(message) => message,
            Self::Failed(Trouble::Unavailable(message) | Trouble::Corrupt { message, .. }) => {
                message
            }
        }
    }

    /// What a caller is told; `after` says what became of its call.
    pub(super) fn trouble(&self, after: &str) -> Trouble {
        match self {
            Self::Failed(trouble) => trouble.clone(),
            other => Trouble::Unavailable(format!("{}{after}", other.message())),
        }
    }
}

impl From<Broken> for Fail {
    fn from(broken: Broken) -> Self {
        Self::Database(broken.trouble(""))
    }
}

/// Whether the socket failed. (The driver wraps that in errors of its own.)
fn is_io(error: &Error) -> bool {
    let mut source = error.source();
    while let Some(inner) = source {
        if inner.is::<std::io::Error>() {
            return true;
        }
        source = inner.source();
    }
    false
}

/// What the database or the driver said, in one line.
pub(super) fn words(error: &Error) -> String {
    if let Some(said) = error.as_db_error() {
        return format!("{} (SQLSTATE {})", said.message(), said.code().code());
    }
    chain(error)
}

/// An error with all its causes in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}
