//! Accounts: who may do what, and how one signs in.

use crate::Millis;
use serde::{Deserialize, Serialize};

/// What an account may do. Each role may do all that the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees everything but secrets, changes nothing.
    Viewer,
    /// Runs tasks, writes the repository, manages nodes, switches servers.
    Operator,
    /// Manages accounts, too.
    Admin,
}

impl Role {
    /// The role's name on screens and in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

/// `POST /session`: sign in to the server's group.
#[derive(Clone, Serialize, Deserialize)]
pub struct SignIn {
    /// The account's name.
    pub username: String,
    /// Its password; never logged.
    pub password: String,
}

impl core::fmt::Debug for SignIn {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SignIn")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// The answer to a sign-in.
#[derive(Clone, Serialize, Deserialize)]
pub struct SignedIn {
    /// The bearer token, valid at every server of the group.
    pub token: String,
    /// When it ends.
    pub expires_at: Millis,
    /// The account.
    pub user: Account,
    /// The group whose token it is.
    pub group: String,
}

/// An account as others may see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The account's name; unique in the group.
    pub username: String,
    /// What it may do.
    pub role: Role,
    /// Whether it is shut out.
    #[serde(default)]
    pub disabled: bool,
    /// When it was made.
    #[serde(default)]
    pub created_at: Millis,
}

/// `POST /users`: a new account.
#[derive(Clone, Serialize, Deserialize)]
pub struct AccountDraft {
    /// The account's name: 2 to 64 of letters, digits, `.`, `_`, `-`, `@`.
    pub username: String,
    /// Its first password: 12 to 256 characters.
    pub password: String,
    /// What it may do.
    pub role: Role,
}

/// `PATCH /users/{username}`: what is given is changed.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct AccountPatch {
    /// A new role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Shut out (true) or let in again; ends the account's tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    /// A new password; ends the account's tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

/// One row of the audit log: an admin write that was tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditRow {
    /// Its number, in commit order.
    pub id: i64,
    /// When.
    pub at: Millis,
    /// Who: an account's name.
    pub actor: String,
    /// What, as `thing.verb`: `node.create`, `switch.planned`.
    pub action: String,
    /// On what: a node's name, a file's path.
    pub subject: String,
    /// The state before, without secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<serde_json::Value>,
    /// The state after, without secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<serde_json::Value>,
    /// The reason that was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The caller's network address.
    pub address: String,
    /// The request's id.
    pub request_id: String,
}
