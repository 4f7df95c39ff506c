//! Content from server to server: who may read it at the source gives the target's server leave to fetch it, for a short time and for
//! these contents alone.

use crate::Millis;
use serde::{Deserialize, Serialize};

/// The most contents of one grant.
pub const MAX_GRANTED: usize = 1_000;
/// The header in which a grant's secret comes.
pub const GRANT_HEADER: &str = "gridhelm-grant";

/// `POST /repository/grants`, at the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct GrantRequest {
    /// Which contents, by SHA-256; at most 1,000, each the latest of a file.
    pub sha256: Vec<String>,
}

/// Leave to read some contents. Whoever has it can read them until it ends.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Grant {
    /// The server that gives the contents.
    pub url: String,
    /// The secret.
    pub secret: String,
    /// When it ends.
    pub expires_at: Millis,
}

impl core::fmt::Debug for Grant {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Grant")
            .field("url", &self.url)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// `POST /repository/changesets/{id}/pull`, at the target: fetch a content that the changeset lacks.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct PullRequest {
    /// The server of the source, as the grant names it.
    pub url: String,
    /// The grant's secret.
    pub secret: String,
    /// Which content, by SHA-256.
    pub sha256: String,
}

impl core::fmt::Debug for PullRequest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PullRequest")
            .field("url", &self.url)
            .field("sha256", &self.sha256)
            .finish_non_exhaustive()
    }
}
