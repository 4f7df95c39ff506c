//! A deployment whose parts live on hosts of their own: network namespaces that somebody else made.
//!
//! Without one every part is on the loopback. `cargo xtask run --network FILE` (for drills) reads one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Where one part is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Its address, IPv4.
    pub address: String,
    /// The file that names its network namespace, as `/proc/PID/ns/net`.
    pub namespace: PathBuf,
}

/// The places of the parts, by their names: servers, nodes, `haproxy` and `postgres`. Empty: all are on the loopback.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Network(pub BTreeMap<String, Place>);

impl Network {
    /// Reads what a drill wrote.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(Error::file("read", path))?;
        serde_json::from_str(&text).map_err(|error| Error::Content {
            path: path.to_path_buf(),
            what: format!("does not name the places of a deployment's parts: {error}"),
        })
    }

    /// Whether the parts have hosts of their own.
    pub fn is_real(&self) -> bool {
        !self.0.is_empty()
    }

    /// A part's address; `otherwise` without a network.
    pub fn address<'a>(&'a self, part: &str, otherwise: &'a str) -> &'a str {
        self.0
            .get(part)
            .map_or(otherwise, |place| place.address.as_str())
    }

    /// A part's namespace.
    pub fn namespace(&self, part: &str) -> Option<&Path> {
        self.0.get(part).map(|place| place.namespace.as_path())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn without_a_network_all_is_on_the_loopback() {
        let none = Network::default();
        assert!(!none.is_real());
        assert_eq!(none.address("east-1", "127.0.0.1"), "127.0.0.1");
        assert_eq!(none.namespace("east-1"), None);
    }

    #[test]
    fn a_file_names_the_places() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("network.json");
        std::fs::write(
            &file,
            r#"{"east-1":{"address":"10.0.0.2","namespace":"/proc/7/ns/net"}}"#,
        )
        .unwrap();
        let network = Network::read(&file).unwrap();
        assert_eq!(network.address("east-1", "127.0.0.1"), "10.0.0.2");
        assert_eq!(
            network.namespace("east-1"),
            Some(Path::new("/proc/7/ns/net"))
        );
        std::fs::write(&file, "[]").unwrap();
        let error = Network::read(&file).unwrap_err().to_string();
        assert!(error.contains("network.json"), "{error}");
    }
}
