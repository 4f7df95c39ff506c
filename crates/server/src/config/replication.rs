//! `[replication]`: from where this server may fetch contents by itself.

use super::is_origin;
use serde::Deserialize;

/// The most servers that may be named.
const MAX_SOURCES: usize = 100;

/// `[replication]`. What a server may be told to call is decided on its host, not in the console.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReplicationConfig {
    /// Servers of other groups from which large contents may be fetched, each by its `public_url`. Without any the contents go through the
    /// browser that replicates.
    pub sources: Vec<String>,
}

impl ReplicationConfig {
    /// What is wrong with it, if something is.
    pub(super) fn fault(&self) -> Option<String> {
        if self.sources.len() > MAX_SOURCES {
            return Some(format!("give at most {MAX_SOURCES}"));
        }
        let bad = self.sources.iter().find(|url| !is_origin(url))?;
        Some(format!(
            "\"{bad}\" is not a server's address; give http(s)://host:port without a path"
        ))
    }

    /// Whether a server at that address may be called.
    pub fn allows(&self, url: &str) -> bool {
        let bare = |url: &str| url.trim_end_matches('/').to_ascii_lowercase();
        self.sources.iter().any(|source| bare(source) == bare(url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_named_servers_are_called() {
        let config = ReplicationConfig {
            sources: vec!["https://east-1.example:8443".to_owned()],
        };
        assert_eq!(config.fault(), None);
        assert!(config.allows("https://EAST-1.example:8443/"));
        for other in [
            "https://east-1.example",
            "http://east-1.example:8443",
            "https://east-1.example:8443.evil.example",
            "https://east-1.example:8443@evil.example",
            "https://east-1.example:8443/path",
            "",
        ] {
            assert!(!config.allows(other), "{other}");
        }
        let bad = ReplicationConfig {
            sources: vec!["east-1:8443".to_owned()],
        };
        assert!(bad.fault().is_some());
        assert!(!ReplicationConfig::default().allows(""));
    }
}
