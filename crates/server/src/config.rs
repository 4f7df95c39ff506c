//! Configuration: a TOML file, then environment, then flags.

use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A server's configuration, as in its TOML file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The server's name; unique in its group.
    pub name: String,
    /// The group's name.
    pub group: String,
    /// Where it listens.
    pub listen: SocketAddr,
    /// How browsers and the group's other servers reach it: `http://host:port`.
    pub public_url: String,
    /// A folder with the built console, served at `/`.
    #[serde(default)]
    pub console_dir: Option<PathBuf>,
    /// A file that is served as `/deployment.json`.
    #[serde(default)]
    pub deployment_file: Option<PathBuf>,
    /// Origins of consoles that may call the API from a browser.
    #[serde(default)]
    pub allowed_origins: Vec<String>,
    /// The group's database.
    pub database: Database,
    /// Logging.
    #[serde(default)]
    pub log: Log,
}

/// Which database.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Database {
    /// A file on this host, shared by all servers of the group on it.
    Sqlite {
        /// The file; its folder must exist and be writable.
        path: PathBuf,
    },
}

/// How the log is written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// Lines for people, or JSON.
    #[serde(default)]
    pub format: LogFormat,
    /// A `tracing` filter; `info` when absent.
    #[serde(default)]
    pub filter: Option<String>,
}

/// The log's format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}
