//! What can go wrong with accounts.

use super::password::PasswordError;
use super::token::TokenError;
use crate::store::StoreError;
use gridhelm_api::FieldError;
use std::time::Duration;

/// An error of the accounts. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The name or the password is wrong, or the account is disabled: which one is not told.
    #[error("the user name or the password is wrong, or the account is disabled")]
    WrongCredentials,
    /// The present password is wrong.
    #[error("the present password is wrong")]
    WrongPassword,
    /// A token for a program tries what only people do.
    #[error("a token for a program cannot do this; sign in")]
    ForPeople,
    /// Too many failures.
    #[error("too many failed sign-ins; try again in {} s", retry_after.as_secs().max(1))]
    Throttled {
        /// How long to wait.
        retry_after: Duration,
    },
    /// Too many sign-ins at the same time.
    #[error("too many sign-ins at the same time; try again in a second")]
    Busy,
    /// The token does not let in.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Some values are not accepted.
    #[error("some values are not accepted")]
    Invalid(Vec<FieldError>),
    /// The account does not exist.
    #[error("account {0} does not exist")]
    NotFound(String),
    /// It would leave the group without an admin.
    #[error(
        "{0} is the last enabled admin; make another account admin first, so that somebody can manage accounts"
    )]
    LastAdmin(String),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Hashing, signing or the random source failed.
    #[error("{0}")]
    Internal(String),
}

impl From<PasswordError> for AccountError {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy => Self::Busy,
            PasswordError::Failed(message) => Self::Internal(message),
        }
    }
}
