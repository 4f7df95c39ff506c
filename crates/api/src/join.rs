//! Adding a server to a group by a token that works once.

use crate::Millis;
use serde::{Deserialize, Serialize};

/// The longest that a join token may be good for, seconds: a day.
pub const MAX_EXPIRY_S: u32 = 24 * 3600;
/// The shortest, seconds.
pub const MIN_EXPIRY_S: u32 = 60;

/// `POST /group/join-tokens`: a new token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
#[serde(deny_unknown_fields)]
pub struct JoinTokenDraft {
    /// How long it is good for, seconds, 60 to 86,400.
    #[serde(default = "an_hour")]
    pub expires_in_s: u32,
}

const fn an_hour() -> u32 {
    3600
}

/// How a join token stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
#[serde(rename_all = "lowercase")]
pub enum JoinTokenState {
    /// A server may join by it.
    Open,
    /// A server joined by it.
    Used,
    /// An admin took it back.
    Revoked,
    /// Its time is over.
    Expired,
}

/// A join token as admins see it: never the token itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct JoinToken {
    /// Its id, by which it is revoked.
    pub id: String,
    /// Who made it.
    pub made_by: String,
    /// When.
    pub made_at: Millis,
    /// When its time is over.
    pub expires_at: Millis,
    /// How it stands, by the clock of the server that answers.
    pub state: JoinTokenState,
    /// The server that joined by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_by: Option<String>,
    /// When that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_at: Option<Millis>,
    /// Who took it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_by: Option<String>,
}

/// The answer to a [`JoinTokenDraft`]: the only time that the token is shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct JoinTokenMade {
    /// The token.
    pub token: String,
    /// The command to run on the new server's host.
    pub command: String,
    /// The token as it is listed.
    pub listed: JoinToken,
}

impl core::fmt::Debug for JoinTokenMade {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("JoinTokenMade")
            .field("listed", &self.listed)
            .finish_non_exhaustive()
    }
}

/// `POST /group/join` (no sign-in; the token lets in): a new server asks for what it needs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
#[serde(deny_unknown_fields)]
pub struct JoinRequest {
    /// The token.
    pub token: String,
    /// The name that the server wants; the group gives it one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The boot id of the new server's host: a group on SQLite lives on one host.
    pub host_boot: String,
}

impl core::fmt::Debug for JoinRequest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("JoinRequest")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The answer to a [`JoinRequest`]: what goes into the new server's configuration.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Joined {
    /// The group.
    pub group: String,
    /// The new server's name.
    pub name: String,
    /// The group's database.
    pub database: JoinedDatabase,
    /// The origins of consoles that the other server lets in.
    pub allowed_origins: Vec<String>,
    /// The group's servers: name and address.
    #[cfg_attr(all(feature = "schema", not(target_arch = "wasm32")), schema(value_type = Vec<Vec<String>>))]
    pub peers: Vec<(String, String)>,
}

/// Where a group's data is, with what opens it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum JoinedDatabase {
    /// A file on the host that both servers are on.
    Sqlite {
        /// Its path.
        path: String,
    },
    /// PostgreSQL.
    Postgresql {
        /// `postgresql://user@host1,host2/database`, without a password.
        url: String,
        /// The password, if the other server uses one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password: Option<String>,
    },
}

impl core::fmt::Debug for Joined {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Joined")
            .field("group", &self.group)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn secrets_do_not_reach_a_log() {
        let asked = JoinRequest {
            token: "s3cret".into(),
            name: None,
            host_boot: "b".into(),
        };
        let joined = Joined {
            group: "east".into(),
            name: "east-3".into(),
            database: JoinedDatabase::Postgresql {
                url: "postgresql://u@h/d".into(),
                password: Some("s3cret".into()),
            },
            allowed_origins: Vec::new(),
            peers: Vec::new(),
        };
        assert!(!format!("{asked:?} {joined:?}").contains("s3cret"));
        let text = serde_json::to_string(&joined).unwrap();
        assert_eq!(serde_json::from_str::<Joined>(&text).unwrap(), joined);
        assert!(text.contains(r#""kind":"postgresql""#), "{text}");
    }
}
