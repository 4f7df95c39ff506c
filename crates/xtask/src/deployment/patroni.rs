//! The deployment's PostgreSQL as a cluster that fails over by itself: three members that Patroni keeps, one of them the
//! leader, and etcd, where they agree on which. Each group has a database of its own in it.
//!
//! A commit is acknowledged when it is on the leader and on one more member, or not at all (`synchronous_mode_strict`). All
//! of it listens on the loopback, and asks for a password: other users of the machine could reach it.

use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::MARK;
use super::child::Children;
use super::folder::{Folder, open_folder, write_with_mode};
use super::http::Client;
use super::plan::{HOST, Member, Patroni};
use super::postgres::{self, Place, USER};
use super::script::Script;
use crate::error::Error;
use crate::set_up::apt::POSTGRES_PROGRAMS;
use crate::stop::Stop;

/// What etcd is called among our children and its log.
pub const ETCD: &str = "etcd";
/// The cluster's name in etcd.
const SCOPE: &str = "gridhelm";
/// The user by which members follow the leader.
const REPLICATOR: &str = "replicator";
/// How long the cluster may take to come up: the first member makes the data, the others copy it.
const PATIENCE: Duration = Duration::from_mins(2);

/// For how long the leader's key lives without being renewed, seconds: what a failover waits for. Patroni's own default is 30,
/// for networks; here everything is on one machine.
const TTL: u32 = 8;
const LOOP_WAIT: u32 = 1;
const RETRY_TIMEOUT: u32 = 3;

/// What was started: its name, pid and start script.
pub type Started = Vec<(String, u32, PathBuf)>;

/// A member's data, in a deployment's folder.
pub fn data(root: &Path, member: &str) -> PathBuf {
    root.join("patroni").join(member).join("data")
}

/// A group's database, for the servers: every member, of which the leader takes writes.
pub fn url(cluster: &Patroni, group: &str) -> String {
    let hosts: Vec<_> = cluster
        .members
        .iter()
        .map(|member| format!("{HOST}:{}", member.port))
        .collect();
    format!(
        "postgresql://{USER}@{}/{group}?target_session_attrs=read-write",
        hosts.join(",")
    )
}

/// What starting the cluster works with.
struct Setting<'a> {
    folder: &'a Folder,
    cluster: &'a Patroni,
    home: PathBuf,
    /// Also for etcd and for Patroni's own interface.
    password: String,
    user: Option<(u32, u32)>,
}

/// Starts etcd and the members, waits until one leads and the others follow, and makes the groups' databases.
pub fn start(
    folder: &Folder,
    cluster: &Patroni,
    children: &mut Children,
    stop: &Stop,
) -> Result<Started, Error> {
    let user = postgres::user();
    postgres::can_be_reached(folder, user)?;
    let setting = Setting {
        folder,
        cluster,
        home: folder.path("patroni"),
        password: folder.secret("database-password")?,
        user,
    };
    open_folder(&setting.home)?;
    let mut started = Started::new();
    setting.start_etcd(children, &mut started)?;
    let etcd = Client::new(&format!("http://{HOST}:{}", cluster.etcd));
    children.wait_for(ETCD, PATIENCE, stop, || {
        match etcd.status("/health").map_err(|error| error.to_string())? {
            200 => Ok(()),
            status => Err(format!("/health answers {status}")),
        }
    })?;
    protect(&etcd, &setting.password)?;
    for member in &cluster.members {
        setting.start_member(member, children, &mut started)?;
    }
    let logs: Vec<_> = cluster
        .members
        .iter()
        .map(|member| folder.log(member.name))
        .collect();
    let mut leader = None;
    children.wait_for("the database's cluster", PATIENCE, stop, || {
        let name = leader_of(cluster)?;
        let (member, log) = cluster
            .members
            .iter()
            .zip(&logs)
            .find(|(member, _)| member.name == name)
            .ok_or_else(|| format!("a stranger leads: {name}"))?;
        let place = Place {
            host: HOST,
            port: member.port,
            password: &setting.password,
            log,
        };
        // What etcd keeps may still tell of the run before.
        match place.ask("SELECT pg_is_in_recovery()")?.as_str() {
            "f" => leader = Some(place),
            _ => return Err(format!("{name} does not lead yet")),
        }
        Ok(())
    })?;
    if let Some(leader) = leader {
        leader.make_databases()?;
    }
    Ok(started)
}

impl Setting<'_> {
    /// A folder for the database's user alone.
    fn own_folder(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.home.join(name);
        let wanted = self
            .user
            .map_or_else(|| rustix::process::geteuid().as_raw(), |(user, _)| user);
        match std::fs::DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => self.give(&path)?,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::file("create", &path)(error)),
        }
        let facts = std::fs::symlink_metadata(&path).map_err(Error::file("read", &path))?;
        if facts.is_dir() && facts.uid() == wanted {
            return Ok(path);
        }
        Err(Error::Content {
            path,
            what: "is in the way: it is not the database's folder; remove it".into(),
        })
    }

    fn give(&self, path: &Path) -> Result<(), Error> {
        match self.user {
            None => Ok(()),
            Some((user, group)) => {
                chown(path, Some(user), Some(group)).map_err(Error::file("give away", path))
            }
        }
    }

    fn start_one(
        &self,
        name: &str,
        what: String,
        program: Vec<String>,
        children: &mut Children,
        started: &mut Started,
    ) -> Result<(), Error> {
        let log = self.folder.log(name);
        write_with_mode(&log, "", 0o600)?;
        let variables = [
            ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
            ("LANG", "C.UTF-8".to_owned()),
            // Else the kernel's answer to where we are decides, and that may be a folder that this user may not read.
            ("HOME", self.home.join(name).display().to_string()),
            (MARK, self.folder.root().display().to_string()),
        ];
        let script = Script {
            namespace: None,
            what,
            folder: &self.home,
            log: &log,
            environment: variables
                .map(|(name, value)| (name.to_owned(), value))
                .into(),
            without: &[],
            bare: true,
            user: self.user,
            program,
        };
        let start = self.home.join(format!("start-{name}"));
        script.write(&start)?;
        let pid = children.start(name, &start, log, &[])?;
        started.push((name.to_owned(), pid, start));
        Ok(())
    }

    fn start_etcd(&self, children: &mut Children, started: &mut Started) -> Result<(), Error> {
        let data = self.own_folder(ETCD)?.join("data");
        let (clients, peers) = (self.cluster.etcd, self.cluster.etcd_peers);
        let at = |port: u16| format!("http://{HOST}:{port}");
        let program = [
            "/usr/bin/etcd".to_owned(),
            format!("--name={ETCD}"),
            format!("--data-dir={}", data.display()),
            format!("--listen-client-urls={}", at(clients)),
            format!("--advertise-client-urls={}", at(clients)),
            format!("--listen-peer-urls={}", at(peers)),
            format!("--initial-advertise-peer-urls={}", at(peers)),
            format!("--initial-cluster={ETCD}={}", at(peers)),
            "--logger=zap".to_owned(),
            "--log-level=warn".to_owned(),
        ];
        self.start_one(ETCD, "etcd".into(), program.into(), children, started)
    }

    fn start_member(
        &self,
        member: &Member,
        children: &mut Children,
        started: &mut Started,
    ) -> Result<(), Error> {
        self.own_folder(member.name)?;
        // Beside its folder, which is the user's: what we write as root must not be led elsewhere by a link in it.
        let file = self.home.join(format!("{}.json", member.name));
        // JSON is YAML, too.
        write_with_mode(&file, &format!("{:#}\n", self.configuration(member)), 0o600)?;
        self.give(&file)?;
        let program = ["/usr/bin/python3", "/usr/bin/patroni"]
            .map(String::from)
            .into_iter()
            .chain([file.display().to_string()])
            .collect();
        let what = format!("the database's member {}", member.name);
        self.start_one(member.name, what, program, children, started)
    }

    /// Patroni's configuration of one member; `bootstrap` is what the first one gives the whole cluster.
    fn configuration(&self, member: &Member) -> Value {
        let home = self.home.join(member.name);
        let password = &self.password;
        let known = |name: &str| json!({ "username": name, "password": password });
        json!({
            "scope": SCOPE,
            "name": member.name,
            "restapi": {
                "listen": format!("{HOST}:{}", member.api),
                "connect_address": format!("{HOST}:{}", member.api),
                "authentication": known(USER),
            },
            "etcd3": {
                "host": format!("{HOST}:{}", self.cluster.etcd),
                "username": "root",
                "password": password,
            },
            "bootstrap": {
                "dcs": {
                    "ttl": TTL,
                    "loop_wait": LOOP_WAIT,
                    "retry_timeout": RETRY_TIMEOUT,
                    "maximum_lag_on_failover": 1_048_576,
                    "synchronous_mode": true,
                    "synchronous_mode_strict": true,
                    "postgresql": {
                        "use_pg_rewind": true,
                        "parameters": {
                            "max_connections": 100,
                            "shared_buffers": "64MB",
                            // How soon a member follows a new leader: until one does, nothing is committed.
                            "wal_retrieve_retry_interval": "500ms",
                        },
                    },
                },
                "initdb": [
                    { "encoding": "UTF8" },
                    { "locale": "C.UTF-8" },
                    { "auth-host": "scram-sha-256" },
                    { "auth-local": "scram-sha-256" },
                    "data-checksums",
                ],
            },
            "postgresql": {
                "listen": format!("{HOST}:{}", member.port),
                "connect_address": format!("{HOST}:{}", member.port),
                "bin_dir": POSTGRES_PROGRAMS,
                "data_dir": data(self.folder.root(), member.name),
                "pgpass": home.join("pgpass"),
                "authentication": { "superuser": known(USER), "replication": known(REPLICATOR) },
                // A socket's path could be too long here.
                "parameters": { "unix_socket_directories": "" },
                "pg_hba": [
                    format!("host all all {HOST}/32 scram-sha-256"),
                    format!("host replication {REPLICATOR} {HOST}/32 scram-sha-256"),
                ],
                // Its data is a copy: where it cannot follow any more, it takes a new one.
                "remove_data_directory_on_rewind_failure": true,
                "remove_data_directory_on_diverged_timelines": true,
            },
        })
    }
}

/// Makes etcd ask for a password: whoever writes there can have PostgreSQL run programs.
fn protect(etcd: &Client, password: &str) -> Result<(), Error> {
    let root = json!({ "name": "root", "password": password });
    let known = etcd.post("/v3/auth/authenticate", &root, &[200, 412])?;
    if known.status == 200 {
        return Ok(());
    }
    // 412 says "not enabled" here, and below that it is there already: a start before may have been stopped on the way.
    etcd.post("/v3/auth/user/add", &root, &[200, 412])?;
    etcd.post("/v3/auth/role/add", &json!({ "name": "root" }), &[200, 412])?;
    let grant = json!({ "user": "root", "role": "root" });
    etcd.post("/v3/auth/user/grant", &grant, &[200, 412])?;
    etcd.post("/v3/auth/enable", &json!({}), &[200])?;
    etcd.post("/v3/auth/authenticate", &root, &[200]).map(drop)
}

/// What Patroni says of a cluster.
#[derive(Deserialize)]
struct Seen {
    members: Vec<SeenMember>,
}

#[derive(Deserialize)]
struct SeenMember {
    name: String,
    role: String,
    state: String,
}

/// The leader's name, once one leads and all others follow it, one of them synchronously.
fn leader_of(cluster: &Patroni) -> Result<String, String> {
    let mut last = "no member answers".to_owned();
    for member in &cluster.members {
        let client = Client::new(&format!("http://{HOST}:{}", member.api));
        match client.get::<Seen>("/cluster") {
            Ok(seen) => return complete(&seen, cluster.members.len()),
            Err(error) => last = error.to_string(),
        }
    }
    Err(last)
}

fn complete(seen: &Seen, wanted: usize) -> Result<String, String> {
    let with = |role: &str| seen.members.iter().find(|member| member.role == role);
    let works = |member: &&SeenMember| ["running", "streaming"].contains(&member.state.as_str());
    let working = seen.members.iter().filter(works).count();
    match (with("leader"), with("sync_standby")) {
        (Some(leader), Some(_)) if working == wanted => Ok(leader.name.clone()),
        _ => {
            let shown: Vec<_> = seen
                .members
                .iter()
                .map(|m| format!("{} is a {} and {}", m.name, m.role, m.state))
                .collect();
            Err(format!("of {wanted} members: {}", shown.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::deployment::plan::{Database, Plan};

    #[test]
    fn the_address_names_every_member_and_no_password() {
        let plan = Plan::new(8100).unwrap().on(Database::Patroni);
        assert_eq!(
            url(&plan.patroni.unwrap(), "east"),
            "postgresql://gridhelm@127.0.0.1:8115,127.0.0.1:8116,127.0.0.1:8117/east?target_session_attrs=read-write"
        );
    }

    #[test]
    fn a_cluster_is_complete_when_all_follow_one() {
        let seen = |text: &str| complete(&serde_json::from_str(text).unwrap(), 2);
        let member = |role: &str, state: &str| {
            format!(r#"{{"name":"{role}-1","role":"{role}","state":"{state}"}}"#)
        };
        let of = |members: &[String]| seen(&format!(r#"{{"members":[{}]}}"#, members.join(",")));
        let leader = member("leader", "running");
        let follows = member("sync_standby", "streaming");
        assert_eq!(of(&[leader.clone(), follows.clone()]).unwrap(), "leader-1");
        for incomplete in [
            vec![leader.clone()],
            vec![leader.clone(), member("sync_standby", "creating replica")],
            vec![leader, member("replica", "running")],
            vec![follows.clone(), follows],
        ] {
            assert!(of(&incomplete).is_err(), "{incomplete:?}");
        }
    }
}
