//! Errors as they travel: RFC 9457 problem details with a stable code.

use serde::{Deserialize, Serialize};

/// The stable name of what went wrong. Programs decide by it; people read [`Problem::detail`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The body is not JSON of the expected shape. 400
    MalformedBody,
    /// A value is outside its range or of the wrong form; `errors` names the fields. 422
    InvalidInput,
    /// User name or password is wrong, or the account is disabled. 401
    WrongCredentials,
    /// No token came with the request. 401
    MissingToken,
    /// The token is not one of this group's, or was changed. 401
    InvalidToken,
    /// The token's time is over. 401
    ExpiredToken,
    /// The token was revoked by a sign-out or an admin. 401
    RevokedToken,
    /// The account's role does not allow this. 403
    Forbidden,
    /// Too many failed sign-ins from this address or for this name. 429
    TooManyAttempts,
    /// More requests, or more event streams, than one address or account may have. 429
    TooManyRequests,
    /// More tasks of one account wait than may. 429
    TooManyTasks,
    /// The body came too slowly, or stood still. 408
    TooSlow,
    /// Plain HTTP where the server speaks HTTPS. 400
    TlsRequired,
    /// No such route. 404
    UnknownRoute,
    /// The route exists, but not with this method. 405
    MethodNotAllowed,
    /// The named thing does not exist. 404
    NotFound,
    /// A thing of that name or address exists already. 409
    AlreadyExists,
    /// The thing is in a state in which this cannot be done. 409
    Conflict,
    /// `If-Match` names another version than the present one; `current` shows that. 412
    VersionMismatch,
    /// A write to an existing thing came without `If-Match`. 428
    VersionRequired,
    /// The changeset's target is no longer as the plan saw it; `changed` lists what changed. 412
    PlanStale,
    /// The changeset is held until another admin approves it. 409
    ApprovalNeeded,
    /// The content that was sent does not have the announced hash or size. 422
    ContentMismatch,
    /// The body is larger than this route takes. 413
    TooLarge,
    /// This server is not the active one of its group; `active_url` tells where that is, if known. 503
    NotActive,
    /// This process lost the active role while it worked; nothing was committed. 503
    Fenced,
    /// The standby that should take over is not ready; `errors` name the failed checks. 409
    StandbyNotReady,
    /// Another switch of this group is under way. 409
    SwitchUnderway,
    /// The group was switched a moment ago; wait, or override the hold. 409
    SwitchHold,
    /// It would leave no slot for some kind of task, or fewer than the group's limit; `errors` say which. Override it, or do it later. 409
    GuardRail,
    /// The group's epoch is not the one that the caller saw. 412
    EpochMismatch,
    /// Nothing listens at the node's address. 422
    NodeRefused,
    /// The node's address accepts connections but says nothing, or does not answer at all. 422
    NodeSilent,
    /// What listens at the node's address is not Rserve. 422
    NodeNotRserve,
    /// Rserve refused the node's user or password. 422
    NodeSignInRefused,
    /// R at the node failed a test evaluation. 422
    NodeFailed,
    /// No node has the R packages that the code names; `errors` name package and nodes. 422
    PackagesMissing,
    /// The queue is full. 503
    QueueFull,
    /// The database's disk is nearly full: nothing is taken on that would fill it. 507
    LowDisk,
    /// The database did not answer in time or failed. 503
    DatabaseUnavailable,
    /// Something failed in the server that the caller cannot mend; the log has the request id. 500
    Internal,
    /// A code that this build does not know yet.
    #[serde(other)]
    Unknown,
}

impl Code {
    /// The HTTP status that goes with the code.
    pub const fn status(self) -> u16 {
        match self {
            Self::MalformedBody | Self::TlsRequired => 400,
            Self::WrongCredentials
            | Self::MissingToken
            | Self::InvalidToken
            | Self::ExpiredToken
            | Self::RevokedToken => 401,
            Self::Forbidden => 403,
            Self::UnknownRoute | Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::AlreadyExists
            | Self::Conflict
            | Self::ApprovalNeeded
            | Self::StandbyNotReady
            | Self::SwitchUnderway
            | Self::SwitchHold
            | Self::GuardRail => 409,
            Self::VersionMismatch | Self::PlanStale | Self::EpochMismatch => 412,
            Self::TooLarge => 413,
            Self::InvalidInput
            | Self::PackagesMissing
            | Self::ContentMismatch
            | Self::NodeRefused
            | Self::NodeSilent
            | Self::NodeNotRserve
            | Self::NodeSignInRefused
            | Self::NodeFailed => 422,
            Self::VersionRequired => 428,
            Self::TooSlow => 408,
            Self::TooManyAttempts | Self::TooManyRequests | Self::TooManyTasks => 429,
            Self::NotActive | Self::Fenced | Self::QueueFull | Self::DatabaseUnavailable => 503,
            Self::LowDisk => 507,
            Self::Internal | Self::Unknown => 500,
        }
    }

    /// A short English title, the same for every occurrence.
    pub const fn title(self) -> &'static str {
        match self {
            Self::MalformedBody => "The request's body cannot be read",
            Self::InvalidInput => "Some values are not accepted",
            Self::WrongCredentials => "Sign-in failed",
            Self::MissingToken => "Sign-in needed",
            Self::InvalidToken => "The token is not valid here",
            Self::ExpiredToken => "The sign-in has expired",
            Self::RevokedToken => "The sign-in was ended",
            Self::Forbidden => "Your role does not allow this",
            Self::TooManyAttempts => "Too many attempts",
            Self::TooManyRequests => "Too many requests",
            Self::TooManyTasks => "Too many tasks",
            Self::TooSlow => "The request came too slowly",
            Self::TlsRequired => "This address speaks HTTPS",
            Self::UnknownRoute => "No such address",
            Self::MethodNotAllowed => "The method is not allowed here",
            Self::NotFound => "Not found",
            Self::AlreadyExists => "It exists already",
            Self::Conflict => "Not possible in the present state",
            Self::VersionMismatch => "It changed meanwhile",
            Self::VersionRequired => "The version is missing",
            Self::PlanStale => "The target changed after the plan was made",
            Self::ApprovalNeeded => "Another admin must approve it",
            Self::ContentMismatch => "The content is not what was announced",
            Self::TooLarge => "Too large",
            Self::NotActive => "This server is not active",
            Self::Fenced => "This server lost the active role",
            Self::StandbyNotReady => "The standby is not ready",
            Self::SwitchUnderway => "Another switch is under way",
            Self::SwitchHold => "The group was switched a moment ago",
            Self::GuardRail => "Too few slots would be left",
            Self::EpochMismatch => "The group changed meanwhile",
            Self::NodeRefused => "Nothing listens there",
            Self::NodeSilent => "The node does not answer",
            Self::NodeNotRserve => "This is not Rserve",
            Self::NodeSignInRefused => "Rserve refused the sign-in",
            Self::NodeFailed => "R at the node failed",
            Self::PackagesMissing => "R packages are missing",
            Self::QueueFull => "The queue is full",
            Self::LowDisk => "The disk is nearly full",
            Self::DatabaseUnavailable => "The database does not answer",
            Self::Internal => "The server failed",
            Self::Unknown => "Unknown problem",
        }
    }
}

/// What is wrong with one field or one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct FieldError {
    /// The field by its name in the API, or the check by its id.
    pub field: String,
    /// What is wrong, and what would be accepted.
    pub message: String,
}

impl FieldError {
    /// An error of one field.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

/// An RFC 9457 problem, media type `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Problem {
    /// A stable URI reference of the kind: `/problems/<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The code's title.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened here, where, and what to do.
    pub detail: String,
    /// The stable code.
    pub code: Code,
    /// The request's id, as in the server's log and the audit.
    #[serde(default)]
    pub request_id: String,
    /// The server that wrote the answer.
    #[serde(default)]
    pub server: String,
    /// What is wrong, field by field or check by check.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The present state of what could not be written (`version_mismatch`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<serde_json::Value>,
    /// Paths that changed since the plan was made (`plan_stale`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// Where the group's active server is (`not_active`), if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_url: Option<String>,
}

impl Problem {
    /// A problem of that code with its detail; ids are filled in where the answer is written.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            kind: String::new(),
            title: code.title().to_owned(),
            status: code.status(),
            detail: detail.into(),
            code,
            request_id: String::new(),
            server: String::new(),
            errors: Vec::new(),
            current: None,
            changed: Vec::new(),
            active_url: None,
        }
    }

    /// The problem of input whose fields are wrong.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = errors
            .iter()
            .map(|e| format!("{}: {}", e.field, e.message))
            .collect::<Vec<_>>()
            .join(" ");
        Self {
            errors,
            ..Self::new(Code::InvalidInput, detail)
        }
    }
}

impl core::fmt::Display for Problem {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}: {}", self.title, self.detail)?;
        if !self.request_id.is_empty() {
            write!(f, " (request {})", self.request_id)?;
        }
        Ok(())
    }
}

impl core::error::Error for Problem {}
