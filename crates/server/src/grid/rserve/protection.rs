//! Which nodes are reached by TLS.

use crate::store::StoredNode;
use gridhelm_rserve::{Options, Tls};

/// How connections to nodes are protected.
#[derive(Debug, Clone, Default)]
pub struct Protection {
    tls: Option<Tls>,
    /// `host` or `host:port`; `None`: every node.
    only: Option<Vec<String>>,
}

impl Protection {
    /// Not at all.
    pub fn none() -> Self {
        Self::default()
    }

    /// By TLS: every node, or only these (`host` or `host:port`).
    pub fn by(tls: Tls, only: Option<Vec<String>>) -> Self {
        Self {
            tls: Some(tls),
            only,
        }
    }

    /// The limits of a connection to this node, and its TLS.
    pub(super) fn options(&self, limits: &Options, node: &StoredNode) -> Options {
        Options {
            tls: self
                .tls
                .clone()
                .filter(|_| self.covers(&node.host, node.port)),
            ..limits.clone()
        }
    }

    fn covers(&self, host: &str, port: u16) -> bool {
        let Some(only) = &self.only else {
            return true;
        };
        // An IPv6 address has colons of its own: with a port it stands in brackets.
        let with_port = match host.contains(':') {
            true => format!("[{host}]:{port}"),
            false => format!("{host}:{port}"),
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
