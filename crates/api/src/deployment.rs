//! `deployment.json`: what one console looks at.

use serde::{Deserialize, Serialize};

/// One or more groups, as the static host or a server describes them to the console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Deployment {
    /// A short name.
    pub name: String,
    /// One line about it: what it is for.
    #[serde(default)]
    pub label: String,
    /// The load balancer's address, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_balancer: Option<String>,
    /// The groups, in the order in which they are shown.
    pub groups: Vec<GroupEntry>,
}

/// A group of the deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct GroupEntry {
    /// The group's name, as its servers know it.
    pub name: String,
    /// Its servers.
    pub servers: Vec<ServerEntry>,
}

/// A server of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct ServerEntry {
    /// The server's name; unique in the deployment.
    pub name: String,
    /// Where the browser reaches it: `http(s)://host:port`, without a path.
    pub url: String,
}
