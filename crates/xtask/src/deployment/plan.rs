//! The local deployment on paper: who is there, and on which port.

use serde::{Deserialize, Serialize};

use super::network::Network;
use super::{haproxy, postgres};
use crate::error::Error;

/// The first port when nothing else is said.
pub const DEFAULT_PORTS_FROM: u16 = 8100;
/// How many slots each registered node gets.
pub const SLOT_LIMIT: u32 = 3;
/// The address of every part that has no host of its own.
pub const HOST: &str = "127.0.0.1";

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its name.
    pub name: &'static str,
    /// Its group.
    pub group: &'static str,
    /// Its host's address.
    pub host: String,
    /// Where it listens.
    pub port: u16,
    /// Whether it speaks HTTPS.
    pub tls: bool,
}

impl Server {
    /// Its address for browsers and other servers.
    pub fn url(&self) -> String {
        format!("{}://{}:{}", scheme(self.tls), self.host, self.port)
    }
}

const fn scheme(tls: bool) -> &'static str {
    if tls { "https" } else { "http" }
}

/// One R node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: &'static str,
    /// The group that it is registered in; `None` for the spare one, which waits for somebody to register it.
    pub group: Option<&'static str>,
    /// Its host's address.
    pub host: String,
    /// Where Rserve listens.
    pub port: u16,
}

/// The whole deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The first port: the load balancer's.
    pub ports_from: u16,
    /// The servers; the first of each group is the one that starts first at the very first start.
    pub servers: Vec<Server>,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// Where a PostgreSQL of its own listens; `None` where the groups have another database.
    pub postgres: Option<u16>,
    /// The members of a PostgreSQL that fails over; `None` where the groups have another database.
    pub patroni: Option<Patroni>,
    /// The hosts of the parts, where they have some.
    pub network: Network,
    /// Whether servers and load balancer speak HTTPS.
    pub tls: bool,
}

/// A PostgreSQL of three members, kept by Patroni with etcd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patroni {
    /// The members; which of them leads is for them to agree on.
    pub members: [Member; 3],
    /// Where etcd listens for the members.
    pub etcd: u16,
    /// Where etcd listens for other etcds. There is none: it must have the port all the same.
    pub etcd_peers: u16,
}

/// One member of the database's cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: &'static str,
    /// Where its PostgreSQL listens.
    pub port: u16,
    /// Where Patroni tells how it stands.
    pub api: u16,
}

/// Which database the groups have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Database {
    /// A SQLite file for each group.
    #[default]
    Sqlite,
    /// A PostgreSQL with a database for each group.
    Postgres,
    /// The same as a cluster of three that fails over: Patroni with etcd.
    Patroni,
}

impl Database {
    /// As it is written on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Patroni => "patroni",
        }
    }
}

/// The groups, in the order in which screens show them.
pub const GROUPS: [&str; 2] = ["east", "west"];

/// Ports beyond the deployment's own that consoles on other hosts may use: two well-known ones, and four after the last of ours.
const OTHER_ORIGIN_PORTS: [u16; 2] = [8080, 8090];
const SPARE_ORIGIN_OFFSETS: [u16; 4] = [20, 21, 22, 23];

impl Plan {
    /// The plan with the load balancer on `ports_from`, servers on the next three, nodes from the eleventh on.
    pub fn new(ports_from: u16) -> Result<Self, Error> {
        if !(1024..=65_500).contains(&ports_from) {
            return Err(Error::Usage(format!(
                "--ports-from {ports_from}: give 1024 to 65500, the deployment uses the 24 ports from there on"
            )));
        }
        let server = |name, group, offset| Server {
            name,
            group,
            host: HOST.to_owned(),
            port: ports_from + offset,
            tls: false,
        };
        let node = |name, group, offset| Node {
            name,
            group,
            host: HOST.to_owned(),
            port: ports_from + offset,
        };
        Ok(Self {
            ports_from,
            servers: vec![
                server("east-1", "east", 1),
                server("east-2", "east", 2),
                server("west-1", "west", 3),
            ],
            nodes: vec![
                node("east-r01", Some("east"), 11),
                node("east-r02", Some("east"), 12),
                node("west-r01", Some("west"), 13),
                node("spare-r01", None, 14),
            ],
            postgres: None,
            patroni: None,
            network: Network::default(),
            tls: false,
        })
    }

    /// The same plan on this database.
    #[must_use]
    pub fn on(self, database: Database) -> Self {
        let from = self.ports_from;
        let member = |name, offset| Member {
            name,
            port: from + 15 + offset,
            api: from + 4 + offset,
        };
        let postgres = (database == Database::Postgres).then_some(from + 15);
        let patroni = (database == Database::Patroni).then(|| Patroni {
            members: [member("db-1", 0), member("db-2", 1), member("db-3", 2)],
            etcd: from + 7,
            etcd_peers: from + 8,
        });
        Self {
            postgres,
            patroni,
            ..self
        }
    }

    /// The same plan, with HTTPS or without.
    #[must_use]
    pub fn secured(mut self, tls: bool) -> Self {
        for server in &mut self.servers {
            server.tls = tls;
        }
        self.tls = tls;
        self
    }

    /// The same plan with the parts on hosts of their own.
    #[must_use]
    pub fn across(mut self, network: Network) -> Self {
        for server in &mut self.servers {
            network
                .address(server.name, HOST)
                .clone_into(&mut server.host);
        }
        for node in &mut self.nodes {
            network.address(node.name, HOST).clone_into(&mut node.host);
        }
        self.network = network;
        self
    }

    /// The address at which the load balancer listens.
    pub fn balancer_host(&self) -> &str {
        self.network.address(haproxy::NAME, HOST)
    }

    /// The address at which PostgreSQL listens.
    pub fn postgres_host(&self) -> &str {
        self.network.address(postgres::NAME, HOST)
    }

    /// Which database it is on.
    pub const fn database(&self) -> Database {
        match (&self.postgres, &self.patroni) {
            (Some(_), _) => Database::Postgres,
            (None, Some(_)) => Database::Patroni,
            (None, None) => Database::Sqlite,
        }
    }

    /// Whether a process of that name belongs to the groups' database.
    pub fn is_database(&self, name: &str) -> bool {
        let member = |cluster: &Patroni| cluster.members.iter().any(|member| member.name == name);
        name == super::postgres::NAME
            || name == super::patroni::ETCD
            || self.patroni.as_ref().is_some_and(member)
    }

    /// The load balancer's address.
    pub fn balancer_url(&self) -> String {
        format!(
            "{}://{}:{}",
            scheme(self.tls),
            self.balancer_host(),
            self.ports_from
        )
    }

    /// The console's address: the first server's, not the load balancer's, whose answer depends on a group being active.
    pub fn console_url(&self) -> String {
        self.servers
            .first()
            .map_or_else(String::new, |server| format!("{}/", server.url()))
    }

    /// The servers of a group.
    pub fn servers_of<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a Server> {
        self.servers
            .iter()
            .filter(move |server| server.group == group)
    }

    /// The nodes registered in a group.
    pub fn nodes_of<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a Node> {
        self.nodes
            .iter()
            .filter(move |node| node.group == Some(group))
    }

    /// Every port with what listens there.
    pub fn ports(&self) -> Vec<(u16, String)> {
        let servers = self
            .servers
            .iter()
            .map(|server| (server.port, format!("server {}", server.name)));
        let nodes = self
            .nodes
            .iter()
            .map(|node| (node.port, format!("R node {}", node.name)));
        std::iter::once((self.ports_from, "load balancer".to_owned()))
            .chain(servers)
            .chain(nodes)
            .chain(self.postgres.map(|port| (port, "PostgreSQL".to_owned())))
            .chain(self.patroni.iter().flat_map(Patroni::ports))
            .collect()
    }

    /// The origins of consoles that the servers let in: their own, the load balancer's, and those of a static host on this machine.
    pub fn allowed_origins(&self) -> Vec<String> {
        let own =
            std::iter::once(self.ports_from).chain(self.servers.iter().map(|server| server.port));
        let spare = SPARE_ORIGIN_OFFSETS
            .iter()
            .map(|offset| self.ports_from + offset);
        own.chain(OTHER_ORIGIN_PORTS)
            .chain(spare)
            .flat_map(|port| {
                let scheme = scheme(self.tls);
                [HOST, "localhost"].map(|host| format!("{scheme}://{host}:{port}"))
            })
            .collect()
    }

    /// `deployment.json`, which tells a console where everything is.
    pub fn deployment_file(&self) -> DeploymentFile {
        let groups = GROUPS.map(|group| GroupEntry {
            name: group.into(),
            servers: self
                .servers_of(group)
                .map(|server| ServerEntry {
                    name: server.name.into(),
                    url: server.url(),
                })
                .collect(),
        });
        DeploymentFile {
            name: "local".into(),
            label: format!("local deployment, {} groups", GROUPS.len()),
            load_balancer: self.balancer_url(),
            groups: groups.into(),
        }
    }
}

impl Patroni {
    fn ports(&self) -> Vec<(u16, String)> {
        let members = self.members.iter().flat_map(|member| {
            [
                (member.port, format!("PostgreSQL of {}", member.name)),
                (member.api, format!("Patroni of {}", member.name)),
            ]
        });
        let etcd = [(self.etcd, "etcd"), (self.etcd_peers, "etcd's peers")];
        members
            .chain(etcd.map(|(port, what)| (port, what.to_owned())))
            .collect()
    }
}

/// What `deployment.json` holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentFile {
    /// A short name.
    pub name: String,
    /// A line for people.
    pub label: String,
    /// The load balancer's address.
    pub load_balancer: String,
    /// The groups in the order in which screens show them.
    pub groups: Vec<GroupEntry>,
}

/// A group in `deployment.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupEntry {
    /// The group's name.
    pub name: String,
    /// Its servers.
    pub servers: Vec<ServerEntry>,
}

/// A server in `deployment.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerEntry {
    /// The server's name.
    pub name: String,
    /// Its address.
    pub url: String,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn two_plans_apart_share_no_port() {
        let ports = |from| {
            Plan::new(from)
                .unwrap()
                .ports()
                .into_iter()
                .map(|(port, _)| port)
                .collect::<BTreeSet<_>>()
        };
        assert_eq!(ports(8100).len(), 8);
        let with_postgres = Plan::new(8100).unwrap().on(Database::Postgres).ports();
        assert_eq!(with_postgres.len(), 9);
        let with_patroni = Plan::new(8100).unwrap().on(Database::Patroni).ports();
        assert!(
            with_patroni
                .iter()
                .all(|(port, _)| (8100..8120).contains(port))
        );
        let distinct: BTreeSet<_> = with_patroni.iter().map(|(port, _)| port).collect();
        assert_eq!(distinct.len(), 16);
        assert!(ports(8100).is_disjoint(&ports(8200)));
        assert!(ports(8100).iter().all(|port| (8100..8124).contains(port)));
    }

    #[test]
    fn ports_out_of_range_are_refused() {
        assert!(Plan::new(80).is_err());
        assert!(Plan::new(65_535).is_err());
        assert!(Plan::new(65_500).is_ok());
    }

    #[test]
    fn the_file_names_groups_and_servers() {
        let file = serde_json::to_value(Plan::new(8100).unwrap().deployment_file()).unwrap();
        assert_eq!(file["load_balancer"], "http://127.0.0.1:8100");
        assert_eq!(
            file["groups"][0]["servers"][1]["url"],
            "http://127.0.0.1:8102"
        );
        assert_eq!(file["groups"][1]["name"], "west");
    }

    #[test]
    fn with_tls_every_address_is_https() {
        let plan = Plan::new(8100).unwrap().secured(true);
        let file = serde_json::to_string(&plan.deployment_file()).unwrap();
        let origins = format!("{:?}{}", plan.allowed_origins(), plan.console_url());
        assert!(
            !format!("{file}{origins}").contains("http://"),
            "{file}{origins}"
        );
    }

    #[test]
    fn every_console_place_is_an_allowed_origin() {
        let origins = Plan::new(9000).unwrap().allowed_origins();
        for origin in [
            "http://127.0.0.1:9000",
            "http://localhost:9003",
            "http://127.0.0.1:8080",
            "http://localhost:8090",
        ] {
            assert!(origins.iter().any(|allowed| allowed == origin), "{origin}");
        }
    }
}
