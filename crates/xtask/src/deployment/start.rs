//! Starting everything in the right order, and knowing when it is ready.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::child::Children;
use super::folder::{Folder, write_with_mode};
use super::http::Client;
use super::node::{self, Rserve};
use super::plan::{Database, GROUPS, Plan, Server};
use super::ready::{Ready, ReadyMember, ReadyNode, ReadyPostgres, ReadyServer};
use super::script::Script;
use super::seed::{ADMIN, Seed};
use super::tls::Tls;
use super::{MARK, haproxy, packages, patroni, postgres, server};
use crate::error::Error;
use crate::process;
use crate::processes::listens_beside;
use crate::stop::Stop;

/// How long each step of the start may take.
const PATIENCE: Duration = Duration::from_secs(45);
/// The load balancer's program.
const HAPROXY: &str = "/usr/sbin/haproxy";

/// What a start works with.
#[derive(Debug)]
pub struct Start<'a> {
    /// Where everything goes.
    pub folder: &'a Folder,
    /// Who is to be there.
    pub plan: &'a Plan,
    /// The built server.
    pub server: &'a Path,
    /// The built console.
    pub console: Option<&'a Path>,
    /// The sample scripts' folder.
    pub samples: &'a Path,
    /// Where the servers look for orders to stop before a commit; for drills.
    pub failpoints: Option<&'a Path>,
    /// The certificates, where HTTPS is spoken.
    pub tls: Option<&'a Tls>,
    /// Whether to stop.
    pub stop: &'a Stop,
}

/// What was started: pid and start script, by name.
type Started = BTreeMap<String, (u32, PathBuf)>;

impl Start<'_> {
    fn client(&self, base: &str) -> Client {
        Client::trusting(base, self.tls.map(Tls::roots))
    }

    /// Starts everything and waits until all is ready. What was started is in `children`, whatever the outcome.
    pub fn run(&self, children: &mut Children) -> Result<Ready, Error> {
        let admin_password = self.folder.secret("admin-password")?;
        let node_password = self.folder.secret("node-password")?;
        let deployment = serde_json::to_string_pretty(&self.plan.deployment_file())
            .map_err(|error| Error::Usage(error.to_string()))?;
        write_with_mode(&self.folder.path("deployment.json"), &deployment, 0o600)?;
        let mut started = Started::new();
        self.start_nodes(children, &node_password, &mut started)?;
        self.start_balancer(children)?;
        if self.plan.postgres.is_some() {
            let postgres = postgres::start(self.folder, self.plan, children, self.stop)?;
            started.insert(postgres::NAME.to_owned(), postgres);
        }
        if let Some(cluster) = &self.plan.patroni {
            for (name, pid, start) in patroni::start(self.folder, cluster, children, self.stop)? {
                started.insert(name, (pid, start));
            }
        }
        self.start_servers(children, &admin_password, &mut started)?;
        self.await_groups(children)?;
        for node in &self.plan.nodes {
            let pid = started.get(node.name).map_or(0, |(pid, _)| *pid);
            let ready = || {
                if listens_beside(pid, node.port) {
                    Ok(())
                } else {
                    Err(format!("nothing listens on port {}", node.port))
                }
            };
            children.wait_for(node.name, PATIENCE, self.stop, ready)?;
        }
        self.seed(&admin_password, &node_password)?;
        let balancer = self.client(&self.plan.balancer_url());
        children.wait_for(haproxy::NAME, PATIENCE, self.stop, || {
            answers(&balancer, "/health/active")
        })?;
        children.check()?;
        Ok(self.ready(&started, admin_password, node_password))
    }

    fn start_nodes(
        &self,
        children: &mut Children,
        password: &str,
        started: &mut Started,
    ) -> Result<(), Error> {
        let rserve = Rserve::find()?;
        packages::offer(self.folder.nodes())?;
        for node in &self.plan.nodes {
            let paths = node::prepare(
                self.folder,
                node,
                self.plan.network.namespace(node.name),
                &rserve,
                password,
            )?;
            let pid = children.start(node.name, &paths.start, self.fresh_log(node.name)?, &[])?;
            started.insert(node.name.to_owned(), (pid, paths.start));
        }
        Ok(())
    }

    /// A new group's first server makes the database and becomes active; only then its others start, so that nobody has to guess
    /// who is. In a group that has lived before, the last owner has the first claim and all start at once.
    fn start_servers(
        &self,
        children: &mut Children,
        password: &str,
        started: &mut Started,
    ) -> Result<(), Error> {
        let mut scripts = BTreeMap::new();
        for server in &self.plan.servers {
            scripts.insert(
                server.name,
                server::prepare(
                    self.folder,
                    self.plan,
                    server,
                    &server::Programs {
                        server: self.server,
                        console: self.console,
                        failpoints: self.failpoints,
                        tls: self.tls,
                    },
                )?,
            );
        }
        let is_first = |server: &Server| {
            self.plan
                .servers_of(server.group)
                .next()
                .is_some_and(|first| first == server)
        };
        let is_new = |server: &Server| {
            if self.plan.database() == Database::Sqlite {
                !server::database(self.folder, server.group).exists()
            } else {
                !self.mark(server.group).exists()
            }
        };
        let (later, now): (Vec<_>, Vec<_>) = self
            .plan
            .servers
            .iter()
            .partition(|server| is_new(server) && !is_first(server));
        let mut start = |server: &Server, children: &mut Children| -> Result<(), Error> {
            let Some(script) = scripts.get(server.name) else {
                return Ok(());
            };
            let secrets = [("GRIDHELM_BOOTSTRAP_PASSWORD", password)];
            let pid =
                children.start(server.name, script, self.fresh_log(server.name)?, &secrets)?;
            started.insert(server.name.to_owned(), (pid, script.clone()));
            Ok(())
        };
        for server in now {
            start(server, children)?;
        }
        for server in later {
            if let Some(first) = self.plan.servers_of(server.group).next() {
                let client = self.client(&first.url());
                children.wait_for(first.name, PATIENCE, self.stop, || {
                    answers(&client, "/health/active")
                })?;
            }
            start(server, children)?;
        }
        Ok(())
    }

    fn start_balancer(&self, children: &mut Children) -> Result<(), Error> {
        let home = self.folder.path(haproxy::NAME);
        let configuration = home.join("haproxy.cfg");
        // The socket's address is relative: a whole path may be longer than a socket's may be (107 bytes).
        let bind = format!("{}:{}", self.plan.balancer_host(), self.plan.ports_from);
        let secure = self.tls.map(|tls| haproxy::Secure {
            certificate: tls.balancer(),
            ca: tls.ca(),
        });
        let text = haproxy::configuration(
            &bind,
            Path::new("unix@admin.sock"),
            &haproxy::groups(self.plan),
            secure.as_ref(),
        );
        write_with_mode(&configuration, &text, 0o600)?;
        let log = self.fresh_log(haproxy::NAME)?;
        let mut check = process::command(HAPROXY);
        check
            .current_dir(&home)
            .args(["-c", "-q", "-f"])
            .arg(&configuration);
        process::run_logged(check, &log, self.stop)?;
        let script = Script {
            what: "the load balancer".into(),
            namespace: self.plan.network.namespace(haproxy::NAME),
            folder: &home,
            log: &log,
            environment: vec![(MARK.to_owned(), self.folder.root().display().to_string())],
            without: &[],
            bare: false,
            user: None,
            // In the foreground, without a master process.
            program: [HAPROXY, "-db", "-f", "haproxy.cfg"]
                .map(String::from)
                .into(),
        };
        let start = home.join("start");
        script.write(&start)?;
        children
            .start(haproxy::NAME, &start, log.clone(), &[])
            .map(|_| ())
    }

    /// Every server ready, exactly one of each group active.
    fn await_groups(&self, children: &mut Children) -> Result<(), Error> {
        for server in &self.plan.servers {
            let client = self.client(&server.url());
            children.wait_for(server.name, PATIENCE, self.stop, || {
                answers(&client, "/health/ready")
            })?;
        }
        for group in GROUPS {
            children.wait_for(
                &format!("one active server in {group}"),
                PATIENCE,
                self.stop,
                || self.active(group).map(|_| ()),
            )?;
        }
        Ok(())
    }

    fn active<'a>(&'a self, group: &'a str) -> Result<&'a Server, String> {
        let active: Vec<_> = self
            .plan
            .servers_of(group)
            .filter(|server| answers(&self.client(&server.url()), "/health/active").is_ok())
            .collect();
        match active.as_slice() {
            [one] => Ok(one),
            other => Err(format!("{} servers are active", other.len())),
        }
    }

    fn seed(&self, admin_password: &str, node_password: &str) -> Result<(), Error> {
        let seed_group = |group: &'static str| -> Result<(), Error> {
            let seed = Seed {
                group,
                nodes: self.plan.nodes_of(group).collect(),
                samples: self.samples,
                mark: self.mark(group),
            };
            if seed.mark.exists() {
                return Ok(());
            }
            let active = self.active(group).map_err(|last| Error::NotReady {
                what: format!("the active server of {group}"),
                after: "the start".into(),
                last,
                tail: String::new(),
            })?;
            let mut client = self.client(&active.url());
            client.sign_in(ADMIN, admin_password)?;
            seed.run(&client, node_password, self.stop)
        };
        std::thread::scope(|scope| {
            let groups = GROUPS.map(|group| scope.spawn(move || seed_group(group)));
            groups.into_iter().try_for_each(|group| {
                group
                    .join()
                    .unwrap_or_else(|_| Err(Error::Usage("seeding failed unexpectedly".into())))
            })
        })
    }

    /// The file that says that a group was seeded.
    fn mark(&self, group: &str) -> PathBuf {
        self.folder.path("groups").join(group).join("seeded")
    }

    fn fresh_log(&self, name: &str) -> Result<PathBuf, Error> {
        let log = self.folder.log(name);
        write_with_mode(&log, "", 0o600)?;
        Ok(log)
    }

    fn ready(&self, started: &Started, password: String, node_password: String) -> Ready {
        let facts = |name: &str| {
            let (pid, start) = started.get(name).cloned().unwrap_or_default();
            (
                pid,
                start.display().to_string(),
                self.folder.log(name).display().to_string(),
            )
        };
        let servers = self.plan.servers.iter().map(|server| {
            let (pid, start, log) = facts(server.name);
            ReadyServer {
                name: server.name.into(),
                group: server.group.into(),
                url: server.url(),
                pid,
                start,
                log,
            }
        });
        let nodes = self.plan.nodes.iter().map(|node| {
            let (pid, start, log) = facts(node.name);
            let group = node.group.map(str::to_owned);
            ReadyNode {
                name: node.name.into(),
                group,
                host: node.host.clone(),
                port: node.port,
                pid,
                start,
                log,
            }
        });
        let postgres = self.plan.postgres.map(|port| {
            let (pid, start, log) = facts(postgres::NAME);
            ReadyPostgres {
                port,
                pid,
                start,
                log,
            }
        });
        let members = self
            .plan
            .patroni
            .iter()
            .flat_map(|cluster| &cluster.members);
        let members = members.map(|member| {
            let (pid, start, log) = facts(member.name);
            ReadyMember {
                name: member.name.into(),
                port: member.port,
                api: member.api,
                pid,
                start,
                log,
            }
        });
        Ready {
            ca: self.tls.map(|tls| tls.ca().display().to_string()),
            postgres,
            members: members.collect(),
            console: self.plan.console_url(),
            load_balancer: self.plan.balancer_url(),
            user: ADMIN.into(),
            password,
            node_user: node::USER.into(),
            node_password,
            servers: servers.collect(),
            nodes: nodes.collect(),
        }
    }
}

fn answers(client: &Client, path: &str) -> Result<(), String> {
    match client.status(path) {
        Ok(200) => Ok(()),
        Ok(status) => Err(format!("{path} answers {status}")),
        Err(error) => Err(error.to_string()),
    }
}
