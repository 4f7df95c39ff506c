//! What can go wrong at the store.

use gridhelm_api::hold::Held;

/// An error of the store. Nothing was written unless stated otherwise.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The caller is not the owner of the epoch (any more).
    #[error("the active role is held under epoch {epoch}{}", owner.as_ref().map(|o| format!(" by {o}")).unwrap_or_default())]
    Fenced {
        /// The epoch in the database.
        epoch: i64,
        /// The server that owns it.
        owner: Option<String>,
    },
    /// The named thing does not exist.
    #[error("{what} does not exist")]
    NotFound {
        /// The thing, as "node east-r01".
        what: String,
    },
    /// A thing of that name or address exists.
    #[error("{what} exists already")]
    AlreadyExists {
        /// The field that collides, in the API's words.
        field: &'static str,
        /// The thing, as "node east-r01 at 10.0.0.1:6311".
        what: String,
    },
    /// Another version is in the database.
    #[error("{what} is at version {version} now")]
    VersionMismatch {
        /// The thing.
        what: String,
        /// Its present version; 0 when it does not exist.
        version: i64,
        /// Its present state as the API shows it, without secrets.
        current: Option<serde_json::Value>,
    },
    /// The thing is in a state in which this cannot be done.
    #[error("{why}")]
    Conflict {
        /// Why not.
        why: String,
    },
    /// The target changed after the plan was made.
    #[error("{} files changed since the plan was made", changed.len())]
    PlanStale {
        /// Their paths.
        changed: Vec<String>,
    },
    /// The changeset waits for another admin's approval.
    #[error("plan {plan} of {author} is held: {}", match held {
        Held::Refused => "it was refused",
        Held::Expired => "its approval has expired",
        Held::Waits | Held::Approved => "nobody else has approved it yet",
    })]
    Held {
        /// The plan's id.
        plan: String,
        /// Who opened the changeset.
        author: String,
        /// Where it stands.
        held: Held,
    },
    /// Who opened a changeset cannot approve it.
    #[error("plan {plan} is your own")]
    OwnPlan {
        /// The plan's id.
        plan: String,
    },
    /// A content that is referred to was not put before.
    #[error("content {sha256} was not uploaded")]
    MissingContent {
        /// Its SHA-256.
        sha256: String,
    },
    /// The database failed or did not answer in time. Nothing was committed, unless the message says that it
    /// may have been: the connection broke during the commit, and nobody could be asked in time.
    #[error("database {operation}: {message}")]
    Unavailable {
        /// What was tried.
        operation: &'static str,
        /// What the database said.
        message: String,
    },
    /// A row cannot be understood.
    #[error("database row of {what}: {message}")]
    Corrupt {
        /// Which row.
        what: String,
        /// What is wrong with it.
        message: String,
    },
}
