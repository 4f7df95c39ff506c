//! The ready file: where everything is, for programs; and the same for people.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::say;

/// What the ready file says.
#[derive(Clone, Serialize, Deserialize)]
pub struct Ready {
    /// The console's address.
    pub console: String,
    /// The load balancer's address.
    pub load_balancer: String,
    /// An admin's name, the same in every group.
    pub user: String,
    /// That admin's first password, the same in every group.
    pub password: String,
    /// The name that the nodes' Rserve asks for.
    pub node_user: String,
    /// The password that the nodes' Rserve asks for.
    pub node_password: String,
    /// The servers.
    pub servers: Vec<ReadyServer>,
    /// The nodes, the unregistered one included.
    pub nodes: Vec<ReadyNode>,
    /// PostgreSQL, where the groups have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres: Option<ReadyPostgres>,
    /// The certificate that signed those of servers and load balancer, where HTTPS is spoken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// The members of the database's cluster, where the groups have one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<ReadyMember>,
}

/// A member of the database's cluster in the ready file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReadyMember {
    /// Its name.
    pub name: String,
    /// The port of its PostgreSQL on the loopback.
    pub port: u16,
    /// The port where Patroni tells how it stands (`/cluster`).
    pub api: u16,
    /// Patroni's process. Its PostgreSQL is not that one's child.
    pub pid: u32,
    /// The program that starts it again.
    pub start: String,
    /// Its log.
    pub log: String,
}

/// PostgreSQL in the ready file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReadyPostgres {
    /// Its port on the loopback.
    pub port: u16,
    /// Its first process.
    pub pid: u32,
    /// The program that starts it again.
    pub start: String,
    /// Its log.
    pub log: String,
}

/// A server in the ready file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReadyServer {
    /// Its name.
    pub name: String,
    /// Its group.
    pub group: String,
    /// Its address.
    pub url: String,
    /// Its process.
    pub pid: u32,
    /// The program that starts it again.
    pub start: String,
    /// Its log.
    pub log: String,
}

/// A node in the ready file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReadyNode {
    /// Its name.
    pub name: String,
    /// Its group; `null` for the one that nobody has registered yet.
    pub group: Option<String>,
    /// Where Rserve listens.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The listener's process.
    pub pid: u32,
    /// The program that starts it again.
    pub start: String,
    /// Its log.
    pub log: String,
}

impl Ready {
    /// Writes the file whole or not at all. It holds passwords: only we may read it.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let beside = path.with_file_name(format!(".{name}.{}", std::process::id()));
        let text = serde_json::to_string(self).map_err(|error| Error::Usage(error.to_string()))?;
        let write = || {
            std::fs::write(&beside, "")?;
            std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(0o600))?;
            std::fs::write(&beside, format!("{text}\n"))?;
            std::fs::rename(&beside, path)
        };
        write().map_err(Error::file("write", path))
    }

    /// Prints what a person needs.
    pub fn print(&self, dir: &Path) {
        let node = self.nodes.iter().find(|node| node.group.is_none());
        say::result("");
        say::result(format_args!("  Console        {}", self.console));
        say::result(format_args!(
            "  Sign in        {} / {}",
            self.user, self.password
        ));
        say::result(format_args!(
            "                 (the first password, also in {})",
            dir.join("admin-password").display()
        ));
        say::result(format_args!("  Load balancer  {}", self.load_balancer));
        if let Some(ca) = &self.ca {
            say::result(format_args!("  Root           {ca}, for browsers to trust"));
        }
        if let Some(node) = node {
            say::result(format_args!(
                "  Spare R node   {}:{}, to register; user {}, password in {}",
                node.host,
                node.port,
                self.node_user,
                dir.join("node-password").display()
            ));
        }
        if let Some(postgres) = &self.postgres {
            say::result(format_args!(
                "  PostgreSQL     127.0.0.1:{}, user gridhelm, a database for each group, password in {}",
                postgres.port,
                dir.join("database-password").display()
            ));
        }
        if !self.members.is_empty() {
            let ports: Vec<_> = self.members.iter().map(|m| m.port.to_string()).collect();
            say::result(format_args!(
                "  PostgreSQL     127.0.0.1, ports {}, kept by Patroni; user gridhelm, password in {}",
                ports.join(", "),
                dir.join("database-password").display()
            ));
        }
        say::result(format_args!(
            "  Logs           {}",
            dir.join("logs").display()
        ));
        say::result("");
        say::result("  Ctrl-C stops everything; the data stays.");
        say::result("");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn the_file_is_private_and_has_the_promised_names() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ready.json");
        let node = ReadyNode {
            name: "spare-r01".into(),
            group: None,
            host: "127.0.0.1".into(),
            port: 8114,
            pid: 9,
            start: String::new(),
            log: String::new(),
        };
        let server = ReadyServer {
            name: "east-1".into(),
            group: "east".into(),
            url: "u".into(),
            pid: 8,
            start: String::new(),
            log: String::new(),
        };
        let ready = Ready {
            console: "c".into(),
            load_balancer: "l".into(),
            user: "admin".into(),
            password: "p".into(),
            node_user: "n".into(),
            node_password: "q".into(),
            servers: vec![server],
            nodes: vec![node],
            postgres: None,
            ca: None,
            members: Vec::new(),
        };
        ready.write(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let seen: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        for name in [
            "console",
            "load_balancer",
            "user",
            "password",
            "servers",
            "nodes",
        ] {
            assert!(!seen[name].is_null(), "{name}");
        }
        for name in ["name", "group", "url", "pid"] {
            assert!(!seen["servers"][0][name].is_null(), "{name}");
        }
        for name in ["name", "host", "port", "pid"] {
            assert!(!seen["nodes"][0][name].is_null(), "{name}");
        }
        assert_eq!(
            std::fs::read_dir(dir.path()).unwrap().count(),
            1,
            "nothing is left beside it"
        );
    }
}
