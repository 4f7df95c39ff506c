//! Configuration: a TOML file, then environment, then flags.

mod alerts;
mod database;
mod limits;
mod nodes;
mod replication;
mod tasks;
mod tls;

pub use alerts::AlertsConfig;
pub use database::{Database, Password};
pub use limits::Limits;
pub use nodes::{Nodes, NodesTls};
pub use replication::ReplicationConfig;
pub use tasks::TasksConfig;
pub use tls::{PlainHttp, TlsConfig};

use crate::balancer::{BalancerConfig, is_backend};
use crate::group::hold::FailoverLimit;
use crate::upkeep::{BackupConfig, Bound};
use gridhelm_api::names::check_name;
use ipnet::IpNet;
use serde::{Deserialize, Deserializer};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// The largest configuration file that is read, bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// Why there is no configuration to start with: what is wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {why}. Name an existing file with --config.")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        why: String,
    },
    /// The file is not TOML of the expected shape.
    #[error("the configuration {path} is not understood: {why}")]
    Malformed {
        /// The file.
        path: String,
        /// The parser's words, with line and column.
        why: String,
    },
    /// A value cannot be used.
    #[error("{key} in the configuration: {why}")]
    Unusable {
        /// The key, with the environment variable's name if it came from there.
        key: String,
        /// What is wrong with it, and what would be accepted.
        why: String,
    },
}

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
    /// How browsers and the group's other servers reach it: `http://host:port`, or `https://host:port`.
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
    /// The grid.
    #[serde(default)]
    pub grid: GridConfig,
    /// How many tasks may wait and run.
    #[serde(default)]
    pub tasks: TasksConfig,
    /// How nodes are reached.
    #[serde(default)]
    pub nodes: Nodes,
    /// Proxies in front of this server, as addresses or networks (`10.0.0.0/8`): what they say in `X-Forwarded-For` is
    /// believed. Without it every request has the proxy's address, in the audit log and where sign-ins are slowed down.
    #[serde(default, deserialize_with = "networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// How long what happened is kept.
    #[serde(default)]
    pub keep: Keep,
    /// Backups that are made by themselves, and where all are kept.
    #[serde(default)]
    pub backup: BackupConfig,
    /// With how little room on the database's disk new work is refused.
    #[serde(default)]
    pub disk: Bound,
    /// The file that it was read from.
    #[serde(skip)]
    pub source: Option<PathBuf>,
    /// The load balancer on this host, if there is one that this server may talk to.
    #[serde(default)]
    pub balancer: Option<BalancerConfig>,
    /// How often automatic failover may follow on itself before it leaves the decision to a person.
    #[serde(default)]
    pub failover: FailoverLimit,
    /// The certificate that it shows, and which ones it trusts.
    #[serde(default)]
    pub tls: TlsConfig,
    /// How much of the server one caller may have.
    #[serde(default)]
    pub limits: Limits,
    /// Where messages about alerts may go.
    #[serde(default)]
    pub alerts: AlertsConfig,
    /// From where contents may be fetched.
    #[serde(default)]
    pub replication: ReplicationConfig,
}

/// What can be set of the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GridConfig {
    /// R sessions kept open ahead of need per node, at most its slots. With 0 each task opens its own.
    pub sessions_ahead: u32,
}

impl Default for GridConfig {
    fn default() -> Self {
        Self { sessions_ahead: 2 }
    }
}

/// How long what happened is kept. The audit log stays whole until a person cuts it (`gridhelm-server cut-audit`): it is a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keep {
    /// Ended tasks with their console, results and plots, days; 0: for ever.
    pub tasks_days: u32,
    /// Events, days; 0: for ever.
    pub events_days: u32,
    /// Values, outputs, plots and files of ended tasks, days; 0: as long as the task.
    pub results_days: u32,
    /// Versions of files that are not the newest, days; 0: for ever.
    pub versions_days: u32,
    /// How many of the newest versions of each file stay whatever their age, at least 1.
    pub versions_least: u32,
}

impl Default for Keep {
    fn default() -> Self {
        Self {
            tasks_days: 180,
            events_days: 365,
            results_days: 0,
            versions_days: 0,
            versions_least: 20,
        }
    }
}

/// Networks, or single addresses.
fn networks<'de, D: Deserializer<'de>>(reader: D) -> Result<Vec<IpNet>, D::Error> {
    let texts = Vec::<String>::deserialize(reader)?;
    let network = |text: &String| {
        text.parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
            .map_err(|_| {
                serde::de::Error::custom(format!(
                    "trusted_proxies: \"{text}\" is neither an address nor a network as 10.0.0.0/8"
                ))
            })
    };
    texts.iter().map(network).collect()
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

impl Config {
    /// Reads the file, lays the environment over it (`GRIDHELM_LISTEN`, `GRIDHELM_PUBLIC_URL`,
    /// `GRIDHELM_DATABASE_PATH`, `GRIDHELM_DATABASE_URL`, `GRIDHELM_DATABASE_PASSWORD_FILE`,
    /// `GRIDHELM_DATABASE_PASSWORD`, `GRIDHELM_CONSOLE_DIR`, `GRIDHELM_SESSIONS_AHEAD`, `GRIDHELM_BALANCER=off`,
    /// `GRIDHELM_FAILOVER_MOST`, `GRIDHELM_LOG`, `GRIDHELM_TLS_CERTIFICATE`, `GRIDHELM_TLS_KEY`, `GRIDHELM_TLS_CA`,
    /// `GRIDHELM_TLS_PLAIN_HTTP`) and checks
    /// the whole.
    ///
    /// # Errors
    /// [`ConfigError`], for a person to mend.
    pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let unreadable = |why: String| ConfigError::Unreadable {
            path: path.display().to_string(),
            why,
        };
        let size = std::fs::metadata(path)
            .map_err(|error| unreadable(error.to_string()))?
            .len();
        if size > MAX_FILE {
            return Err(unreadable(format!("it has {size} bytes, more than 1 MiB")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
        let config = toml::from_str::<Self>(&text).map_err(|error| ConfigError::Malformed {
            path: path.display().to_string(),
            why: error.to_string(),
        })?;
        let source = Some(path.to_owned());
        Self { source, ..config }.overlay(env)?.checked()
    }

    fn overlay(mut self, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        if let Some(listen) = env("GRIDHELM_LISTEN") {
            self.listen = parse_listen("listen (GRIDHELM_LISTEN)", &listen)?;
        }
        if let Some(url) = env("GRIDHELM_PUBLIC_URL") {
            self.public_url = url;
        }
        self.database.overlay(env);
        self.tls.overlay(env)?;
        if let Some(folder) = env("GRIDHELM_CONSOLE_DIR") {
            self.console_dir = Some(folder.into());
        }
        if let Some(number) = env("GRIDHELM_SESSIONS_AHEAD") {
            self.grid.sessions_ahead = number.parse().map_err(|_| ConfigError::Unusable {
                key: "grid.sessions_ahead (GRIDHELM_SESSIONS_AHEAD)".to_owned(),
                why: format!("\"{number}\" is not a number from 0 on"),
            })?;
        }
        if let Some(number) = env("GRIDHELM_FAILOVER_MOST") {
            self.failover.most = number.parse().map_err(|_| ConfigError::Unusable {
                key: "failover.most (GRIDHELM_FAILOVER_MOST)".to_owned(),
                why: format!("\"{number}\" is not a number from 0 on"),
            })?;
        }
        if env("GRIDHELM_BALANCER").is_some_and(|word| word == "off") {
            self.balancer = None;
        }
        if let Some(filter) = env("GRIDHELM_LOG") {
            self.log.filter = Some(filter);
        }
        Ok(self)
    }

    /// Checks every value that can be checked without starting.
    ///
    /// # Errors
    /// The first value that cannot be used.
    pub fn checked(self) -> Result<Self, ConfigError> {
        let unusable = |key: &str, why: String| ConfigError::Unusable {
            key: key.to_owned(),
            why,
        };
        check_name("name", &self.name).map_err(|e| unusable("name", e.message))?;
        check_name("group", &self.group).map_err(|e| unusable("group", e.message))?;
        if !is_origin(&self.public_url) {
            return Err(unusable(
                "public_url",
                format!(
                    "\"{}\" is not an address; give http(s)://host:port without a path",
                    self.public_url
                ),
            ));
        }
        for origin in &self.allowed_origins {
            if !is_origin(origin) {
                return Err(unusable(
                    "allowed_origins",
                    format!("\"{origin}\" is not an origin; give http(s)://host[:port]"),
                ));
            }
        }
        let backends = self
            .balancer
            .iter()
            .flat_map(|b| b.backends.iter().flatten());
        if let Some(name) = backends.into_iter().find(|name| !is_backend(name)) {
            return Err(unusable(
                "balancer.backends",
                format!("\"{name}\" is not a backend's name; give letters, digits, - _ . and :"),
            ));
        }
        self.tls.check(&self.public_url)?;
        if !(1..=1_000).contains(&self.backup.keep) {
            return Err(unusable("backup.keep", "give 1 to 1000".to_owned()));
        }
        if self.keep.versions_least == 0 {
            let why = "give 1 or more: the newest version is the file".to_owned();
            return Err(unusable("keep.versions_least", why));
        }
        if self.disk.refuse_below_percent > 50 {
            let why = "give 0 to 50 percent".to_owned();
            return Err(unusable("disk.refuse_below_percent", why));
        }
        if let Some((key, why)) = self.alerts.fault() {
            return Err(unusable(key, why));
        }
        if let Some(why) = self.replication.fault() {
            return Err(unusable("replication.sources", why));
        }
        self.tasks.check()?;
        self.database.check()?;
        self.nodes.protection()?;
        Ok(self)
    }

    /// Where backups are made: as configured, or beside an `SQLite` database.
    pub fn backup_folder(&self) -> Option<PathBuf> {
        let beside = || self.database.folder().map(|folder| folder.join("backups"));
        self.backup.folder.clone().or_else(beside)
    }
}

/// Parses an address to listen at.
///
/// # Errors
/// Names the key that held it.
pub fn parse_listen(key: &str, text: &str) -> Result<SocketAddr, ConfigError> {
    text.parse().map_err(|_| ConfigError::Unusable {
        key: key.to_owned(),
        why: format!("\"{text}\" is not an address; give IP:PORT, as 0.0.0.0:8401"),
    })
}

/// Whether this is `http://` or `https://` with a host, perhaps a port, and nothing behind it.
fn is_origin(text: &str) -> bool {
    text.strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"))
        .is_some_and(|host| {
            !host.is_empty()
                && host
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b))
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const FILE: &str = r#"
        name = "east-1"
        group = "east"
        listen = "127.0.0.1:8401"
        public_url = "http://127.0.0.1:8401"
        [database]
        kind = "sqlite"
        path = "east.db"
    "#;

    fn load(text: &str, env: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(&path, &|name| {
            let found = env.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn proxies_are_addresses_or_networks() {
        let with = |list: &str| load(&format!("trusted_proxies = {list}\n{FILE}"), &[]);
        let config = with(r#"["127.0.0.1", "10.0.0.0/8", "fd00::/8"]"#).unwrap();
        assert_eq!(config.trusted_proxies.len(), 3);
        let wrong = with(r#"["proxy.example.org"]"#).unwrap_err().to_string();
        assert!(
            wrong.contains("neither an address nor a network"),
            "{wrong}"
        );
        let keep = load(&format!("{FILE}\n[keep]\ntasks_days = 7"), &[])
            .unwrap()
            .keep;
        assert_eq!((keep.tasks_days, keep.events_days), (7, 365));
    }

    #[test]
    fn the_environment_lies_over_the_file() {
        let config = load(FILE, &[]).unwrap();
        assert_eq!(config.listen.port(), 8401);
        let config = load(
            FILE,
            &[
                ("GRIDHELM_LISTEN", "0.0.0.0:9000"),
                ("GRIDHELM_DATABASE_PATH", "other.db"),
            ],
        )
        .unwrap();
        assert_eq!(config.listen.port(), 9000);
        let Database::Sqlite { path } = config.database else {
            unreachable!("it is a file");
        };
        assert_eq!(path, Path::new("other.db"));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let bad = [
            (FILE.replace("east-1", "../x"), "name"),
            (
                FILE.replace("http://127.0.0.1:8401", "127.0.0.1"),
                "public_url",
            ),
            (
                FILE.replace("http://127.0.0.1:8401", "http://h/p"),
                "public_url",
            ),
            (
                FILE.replace("east.db", "/nowhere/at/all/east.db"),
                "database.path",
            ),
            (FILE.replace("listen =", "lisen ="), "lisen"),
            (
                format!("{FILE}\n[balancer]\nsocket = \"/run/h.sock\"\nbackends = [\"a;b\"]"),
                "balancer.backends",
            ),
            (
                format!("{FILE}\n[nodes.tls]\nca = \"/nowhere/ca.pem\""),
                "/nowhere/ca.pem",
            ),
            (
                format!("{FILE}\n[nodes.tls]\nca = \"/dev/null\"\nkey = \"k\""),
                "both certificate and key",
            ),
            ("not toml".to_owned(), "server.toml"),
        ];
        for (text, named) in bad {
            let error = load(&text, &[]).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
        let error = load(FILE, &[("GRIDHELM_LISTEN", "8401")]).unwrap_err();
        assert!(error.to_string().contains("GRIDHELM_LISTEN"), "{error}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Config::load(Path::new("/nowhere/server.toml"), &|_| None).unwrap_err();
        assert!(
            error.to_string().contains("/nowhere/server.toml"),
            "{error}"
        );
    }
}
