//! Accounts: who may do what, and how one signs in.

use crate::Millis;
use serde::{Deserialize, Serialize};

/// What an account may do. Each role may do all that the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
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
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
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
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
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
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
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
    /// When somebody last signed in with its password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_in_at: Option<Millis>,
}

/// `POST /users`: a new account.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
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
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
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
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
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
    /// The program that the caller said it is.
    #[serde(default)]
    pub agent: String,
    /// The request's id.
    pub request_id: String,
}

/// `GET /audit/verify`: whether the audit log is as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct AuditChain {
    /// All rows.
    pub rows: u64,
    /// Rows that the chain of hashes covers; those from before it was kept are not.
    pub covered: u64,
    /// Number of the first row that it covers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<i64>,
    /// Number of the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<i64>,
    /// The last row's hash; noted elsewhere, it shows later that nothing before it was written anew.
    pub head: String,
    /// Whether the hash that was noted once is in the chain, when one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noted: Option<bool>,
    /// The first thing that is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<AuditBreak>,
    /// What somebody cut off its beginning; the chain is walked from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<AuditCut>,
}

/// The removal of the audit log's oldest rows, signed off by a person. The log has a row of it, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct AuditCut {
    /// Number of the last row that was removed.
    pub id: i64,
    /// That row's hash, on which the first one that stayed follows.
    pub hash: String,
    /// How many rows were removed.
    pub rows: u64,
    /// When.
    pub at: Millis,
    /// Who signed it off.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// Where the audit log is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct AuditBreak {
    /// Number of the row.
    pub id: i64,
    /// What is wrong, a sentence.
    pub what: String,
}

/// `PUT /me/password`: one's own password. All sign-ins of the account end; the answer is a new one.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct PasswordChange {
    /// The present password.
    pub current: String,
    /// The new one: 12 to 256 characters.
    pub new: String,
}

/// The longest life of a token for a program, days.
pub const MAX_TOKEN_DAYS: u32 = 366;

/// What a token for a program may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
#[serde(rename_all = "lowercase")]
pub enum Area {
    /// Tasks: `/tasks…`.
    Tasks,
    /// The repository, manifests and changesets.
    Repository,
    /// Nodes of the grid, their packages and R sessions.
    Nodes,
    /// The group, its switches and their history.
    Group,
    /// Events and the stream of changes.
    Events,
    /// `/metrics`.
    Metrics,
}

impl Area {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Tasks,
        Self::Repository,
        Self::Nodes,
        Self::Group,
        Self::Events,
        Self::Metrics,
    ];

    /// Its name on screens and in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tasks => "tasks",
            Self::Repository => "repository",
            Self::Nodes => "nodes",
            Self::Group => "group",
            Self::Events => "events",
            Self::Metrics => "metrics",
        }
    }

    /// The area of a path below `/api/v1`; none for what only people do.
    pub fn of_path(path: &str) -> Option<Self> {
        let first = path.trim_start_matches('/').split('/').next()?;
        match first {
            "tasks" => Some(Self::Tasks),
            "repository" => Some(Self::Repository),
            "nodes" | "packages" | "grid" | "availability" | "sessions" => Some(Self::Nodes),
            "server" | "group" | "switch" | "switches" => Some(Self::Group),
            "events" | "alerts" => Some(Self::Events),
            "metrics" => Some(Self::Metrics),
            _ => None,
        }
    }
}

/// A token for a program, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct ApiToken {
    /// Its random id.
    pub id: String,
    /// What it is for, in its owner's words.
    pub name: String,
    /// Whose it is; it can never do more than that account.
    pub username: String,
    /// The most that it may do.
    pub role: Role,
    /// Where it may do so; everywhere when empty.
    pub areas: Vec<Area>,
    /// When it was made.
    pub created_at: Millis,
    /// When it ends.
    pub expires_at: Millis,
}

/// `POST /tokens`: a new token for a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct ApiTokenDraft {
    /// What it is for: 2 to 64 letters, digits, spaces, `.`, `_`, `-`.
    pub name: String,
    /// The most that it may do; at most its owner's role.
    pub role: Role,
    /// Where it may do so; everywhere when empty.
    #[serde(default)]
    pub areas: Vec<Area>,
    /// For how long, days, 1 to [`MAX_TOKEN_DAYS`].
    pub days: u32,
}

/// The answer to `POST /tokens`; the only time that the secret is told.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct NewApiToken {
    /// What it is.
    pub about: ApiToken,
    /// The bearer token itself.
    pub token: String,
}

/// `GET /users/lockouts`: who is kept out for now by too many failed sign-ins, at the asked server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Lockout {
    /// The account's name, or absent for an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The address, or absent for a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// For how much longer, seconds.
    pub left_s: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_of_one_area_or_of_none() {
        assert_eq!(Area::of_path("/tasks/t-1/cancel"), Some(Area::Tasks));
        assert_eq!(Area::of_path("/switch/preflight"), Some(Area::Group));
        for path in ["/users", "/tokens", "/me/password", "/audit", "/tasksx", ""] {
            assert_eq!(Area::of_path(path), None, "{path}");
        }
        for area in Area::ALL {
            let word = serde_json::to_value(area).ok();
            assert_eq!(word.as_ref().and_then(|w| w.as_str()), Some(area.name()));
        }
    }
}
