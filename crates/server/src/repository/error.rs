//! What can go wrong with the repository.

use crate::group::NotActive;
use crate::store::StoreError;
use gridhelm_api::FieldError;

/// An error of the repository. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// Names or values are not accepted.
    #[error("some values are not accepted")]
    Invalid(Vec<FieldError>),
    /// The named thing does not exist.
    #[error("{0} does not exist")]
    NotFound(String),
    /// What was sent is not what was announced.
    #[error("{0}")]
    Mismatch(String),
    /// The file's access, or whose it is, does not allow this.
    #[error("{0}")]
    Forbidden(String),
    /// More was sent than is taken.
    #[error("the content is larger than {limit} bytes")]
    TooLarge {
        /// The limit, bytes.
        limit: u64,
    },
    /// The sender broke off.
    #[error("the connection broke before the content's end")]
    BrokenOff,
    /// This server is not active.
    #[error(transparent)]
    NotActive(#[from] NotActive),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}
