//! Which nodes are reached by TLS, and with what.

mod files;

pub use files::TlsFiles;

use crate::store::StoredNode;
use files::Kept;
use gridhelm_rserve::{Options, TlsError};
use std::sync::Arc;

/// How connections to nodes are protected. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Protection {
    tls: Option<Arc<Kept>>,
    /// `host` or `host:port`; `None`: every node.
    only: Option<Vec<String>>,
}

impl Protection {
    /// Not at all.
    pub fn none() -> Self {
        Self::default()
    }

    /// By TLS with these files, which are read again when they change: every node, or only these (`host` or `host:port`).
    ///
    /// # Errors
    /// The first file that cannot be used.
    pub fn by(files: TlsFiles, only: Option<Vec<String>>) -> Result<Self, TlsError> {
        Ok(Self {
            tls: Some(Arc::new(Kept::read(files)?)),
            only,
        })
    }

    /// When the certificate that is shown to nodes ends, milliseconds since 1970; `None` if none is shown.
    pub(super) fn ends(&self) -> Option<i64> {
        self.tls.as_ref().and_then(|kept| kept.now().ends)
    }

    /// The limits of a connection to this node, and its TLS.
    pub(super) fn options(&self, limits: &Options, node: &StoredNode) -> Options {
        let tls = self
            .tls
            .as_ref()
            .filter(|_| self.covers(&node.host, node.port));
        Options {
            tls: tls.map(|kept| kept.now().tls),
            ..limits.clone()
        }
    }

    fn covers(&self, host: &str, port: u16) -> bool {
        let Some(only) = &self.only else {
            return true;
        };
        // An IPv6 address has colons of its own: with a port it stands in brackets.
        let with_port = if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        only.iter()
            .any(|name| name.eq_ignore_ascii_case(host) || name.eq_ignore_ascii_case(&with_port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_named_by_host_or_with_their_port() {
        let only = |names: &[&str]| Protection {
            tls: None,
            only: Some(names.iter().map(|&n| n.to_owned()).collect()),
        };
        assert!(Protection::none().covers("r1", 6311));
        assert!(only(&["R1"]).covers("r1", 6311));
        assert!(only(&["r1:6311"]).covers("r1", 6311));
        assert!(only(&["[fd00::1]:6311"]).covers("fd00::1", 6311));
        assert!(only(&["fd00::1"]).covers("fd00::1", 6312));
        assert!(!only(&["r1:6311"]).covers("r1", 6312));
        assert!(!only(&[]).covers("r1", 6311));
    }
}
