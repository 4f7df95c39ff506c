//! How this server reaches nodes.

use super::ConfigError;
use crate::grid::rserve::{Protection, TlsFiles};
use serde::Deserialize;
use std::path::PathBuf;

/// `[nodes]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Nodes {
    /// TLS to nodes; without it they are reached in the clear.
    pub tls: Option<NodesTls>,
}

/// `[nodes.tls]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodesTls {
    /// The authorities that sign the nodes' certificates (PEM); no others are trusted.
    pub ca: PathBuf,
    /// What this server shows to nodes that demand a certificate (PEM); with `key`.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// Its private key (PEM).
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// The nodes that are reached by TLS, each as `host` or `host:port`. Without it all are.
    #[serde(default)]
    pub only: Option<Vec<String>>,
}

impl Nodes {
    /// How nodes are reached, with the files read.
    ///
    /// # Errors
    /// The first file or setting that cannot be used.
    pub fn protection(&self) -> Result<Protection, ConfigError> {
        let Some(written) = &self.tls else {
            return Ok(Protection::none());
        };
        let identity = match (&written.certificate, &written.key) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
            _ => {
                return Err(unusable(
                    "nodes.tls",
                    "give both certificate and key, or neither".to_owned(),
                ));
            }
        };
        let named = |text: &String| !text.is_empty() && !text.contains(char::is_whitespace);
        if let Some(wrong) = written.only.iter().flatten().find(|text| !named(text)) {
            return Err(unusable(
                "nodes.tls.only",
                format!("\"{wrong}\" is no node; give host or host:port"),
            ));
        }
        let files = TlsFiles {
            ca: written.ca.clone(),
            identity,
        };
        Protection::by(files, written.only.clone())
            .map_err(|error| unusable("nodes.tls", error.to_string()))
    }
}

fn unusable(key: &str, why: String) -> ConfigError {
    ConfigError::Unusable {
        key: key.to_owned(),
        why,
    }
}
