//! A local deployment that belongs to one test or measurement: `cargo xtask run` in a folder of its own.

use super::{HarnessError, Result};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The environment variable that says which database the deployments have, as `cargo xtask run --database` takes it.
const DATABASE: &str = "GRIDHELM_TEST_DATABASE";
/// The environment variable that names the server to run, in place of the release that `cargo xtask run` builds.
const SERVER: &str = "GRIDHELM_SERVER";

/// The ready file, as the design promises it.
#[derive(Debug, Clone, Deserialize)]
pub struct Ready {
    /// The console's address.
    pub console: String,
    /// The load balancer's address.
    pub load_balancer: String,
    /// An admin's name in every group.
    pub user: String,
    /// That admin's password.
    pub password: String,
    /// The name that the nodes' Rserve asks for.
    pub node_user: String,
    /// The password that the nodes' Rserve asks for.
    pub node_password: String,
    /// The servers.
    pub servers: Vec<Server>,
    /// The nodes, the unregistered one (group empty) included.
    pub nodes: Vec<Node>,
    /// PostgreSQL, where the groups have one of its own.
    pub postgres: Option<Postgres>,
    /// The members of the database's cluster, where the groups have one.
    #[serde(default)]
    pub members: Vec<Member>,
    /// The certificate that signed those of servers and load balancer, where HTTPS is spoken.
    #[serde(default)]
    pub ca: Option<PathBuf>,
}

/// The groups' PostgreSQL.
#[derive(Debug, Clone, Deserialize)]
pub struct Postgres {
    /// Its port.
    pub port: u16,
    /// Its first process.
    pub pid: i32,
    /// The program that starts it again.
    pub start: String,
}

/// A member of the database's cluster.
#[derive(Debug, Clone, Deserialize)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// The port of its PostgreSQL.
    pub port: u16,
    /// The port of its Patroni.
    pub api: u16,
    /// The process of its Patroni.
    pub pid: i32,
    /// The program that starts it again.
    pub start: String,
}

/// A running server.
#[derive(Debug, Clone, Deserialize)]
pub struct Server {
    /// Its name.
    pub name: String,
    /// Its group.
    pub group: String,
    /// Its address.
    pub url: String,
    /// Its process.
    pub pid: i32,
    /// The program that starts it again.
    pub start: String,
    /// Its log.
    pub log: PathBuf,
}

/// A running node.
#[derive(Debug, Clone, Deserialize)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its group; absent for the unregistered one.
    pub group: Option<String>,
    /// Where Rserve listens.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The listener's process.
    pub pid: i32,
    /// The program that starts it again.
    pub start: String,
}

/// A running local deployment; ends with the value.
pub struct Local {
    /// What the ready file says.
    pub ready: Ready,
    /// How long it took to be ready.
    pub took: Duration,
    /// Its folder.
    pub dir: PathBuf,
    /// A free port whose origin the servers let in: for a static host.
    pub static_port: u16,
    child: Child,
    restarted: Vec<Child>,
    remove_dir: bool,
    /// What the servers have in their environment beyond the runner's.
    environment: Vec<(String, String)>,
}

fn owned(environment: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    environment.iter().map(owned).collect()
}

impl Local {
    /// Starts a fresh deployment in a folder under `target/` and waits until all answers, at most 25
    /// minutes (a first start builds).
    ///
    /// # Errors
    /// When it does not become ready; the end of its output is part of the error.
    pub fn start(label: &str) -> Result<Self> {
        Self::start_with(label, &[])
    }

    /// As [`Local::start`], with more environment for the servers.
    ///
    /// # Errors
    /// As [`Local::start`].
    pub fn start_with(label: &str, environment: &[(&str, &str)]) -> Result<Self> {
        let database = std::env::var(DATABASE).ok();
        Self::start_on(
            &fresh_dir(label)?,
            true,
            database.as_deref(),
            environment,
            &[],
        )
    }

    /// As [`Local::start`], with more words for `cargo xtask run`.
    ///
    /// # Errors
    /// As [`Local::start`].
    pub fn start_as(label: &str, more: &[&str]) -> Result<Self> {
        let database = std::env::var(DATABASE).ok();
        Self::start_on(&fresh_dir(label)?, true, database.as_deref(), &[], more)
    }

    /// As [`Local::start_with`], on this database whatever the environment says, and with more words for
    /// `cargo xtask run`.
    ///
    /// # Errors
    /// As [`Local::start`].
    pub fn start_with_database(label: &str, database: &str, more: &[&str]) -> Result<Self> {
        Self::start_on(&fresh_dir(label)?, true, Some(database), &[], more)
    }

    /// Starts a fresh deployment on PostgreSQL whose parts are on the hosts that a network's file names
    /// (`xtask::deployment::network`). Call it in the namespace that reaches them all; it ends with the calling thread.
    ///
    /// # Errors
    /// As [`Local::start`].
    pub fn start_across(label: &str, network: &Path) -> Result<Self> {
        let dir = fresh_dir(label)?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "--"]);
        command.arg(xtask_binary()?).args(["run", "--network"]);
        command.arg(network).args(["--database", "postgres"]);
        Self::begin(command, &dir, true, &[])
    }

    /// Starts a deployment in `dir`; `remove_dir` takes the folder away at the end.
    ///
    /// # Errors
    /// As [`Local::start`].
    pub fn start_in(dir: &Path, remove_dir: bool, environment: &[(&str, &str)]) -> Result<Self> {
        let database = std::env::var(DATABASE).ok();
        Self::start_on(dir, remove_dir, database.as_deref(), environment, &[])
    }

    fn start_on(
        dir: &Path,
        remove_dir: bool,
        database: Option<&str>,
        environment: &[(&str, &str)],
        more: &[&str],
    ) -> Result<Self> {
        let mut command = Command::new(xtask_binary()?);
        command
            .arg("run")
            .args(database.iter().flat_map(|which| ["--database", which]))
            .args(more);
        Self::begin(command, dir, remove_dir, environment)
    }

    fn begin(
        mut command: Command,
        dir: &Path,
        remove_dir: bool,
        environment: &[(&str, &str)],
    ) -> Result<Self> {
        super::provide();
        std::fs::create_dir_all(dir)?;
        let ready_file = dir.join("ready.json");
        let log = std::fs::File::create(dir.join("run.log"))?;
        let ports = super::ports::block()?;
        let began = Instant::now();
        if let Some(server) = std::env::var_os(SERVER) {
            command.arg("--server").arg(server);
        }
        let mut child = command
            .arg("--dir")
            .arg(dir)
            .args(["--ports-from", &ports.to_string(), "--ready-file"])
            .arg(&ready_file)
            .envs(environment.iter().copied())
            .current_dir(workspace_root()?)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        loop {
            if let Ok(text) = std::fs::read_to_string(&ready_file) {
                let ready = serde_json::from_str(&text)?;
                return Ok(Self {
                    ready,
                    took: began.elapsed(),
                    dir: dir.to_owned(),
                    static_port: ports + 20,
                    child,
                    restarted: Vec::new(),
                    remove_dir,
                    environment: owned(environment),
                });
            }
            let ended = child.try_wait()?;
            if ended.is_some() || began.elapsed() > Duration::from_mins(10) {
                stop(&mut child);
                let log = std::fs::read_to_string(dir.join("run.log")).unwrap_or_default();
                let tail = log.lines().rev().take(40).collect::<Vec<_>>();
                let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
                return Err(HarnessError(format!(
                    "the deployment is not ready ({ended:?}):\n{tail}"
                )));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The server of that name.
    ///
    /// # Errors
    /// When there is none.
    pub fn server(&self, name: &str) -> Result<&Server> {
        let found = self.ready.servers.iter().find(|s| s.name == name);
        found.ok_or_else(|| HarnessError(format!("no server {name}")))
    }

    /// The node of that name.
    ///
    /// # Errors
    /// When there is none.
    pub fn node(&self, name: &str) -> Result<&Node> {
        let found = self.ready.nodes.iter().find(|n| n.name == name);
        found.ok_or_else(|| HarnessError(format!("no node {name}")))
    }

    /// Starts a killed node's listener again; answers its process once it listens.
    ///
    /// # Errors
    /// When no listener comes up within 20 s.
    pub async fn restart_node(&mut self, name: &str) -> Result<i32> {
        let node = self.node(name)?.clone();
        let pid = self.start_again(&node.start)?;
        super::wait_for(
            &format!("a listener on port {}", node.port),
            Duration::from_secs(20),
            || async {
                Ok(
                    std::net::TcpStream::connect((node.host.as_str(), node.port))
                        .ok()
                        .map(drop),
                )
            },
        )
        .await?;
        Ok(pid)
    }

    /// Starts a killed server again; answers its process. It may take a moment until it answers.
    ///
    /// # Errors
    /// When its program cannot be started.
    pub fn restart_server(&mut self, name: &str) -> Result<i32> {
        let start = self.server(name)?.start.clone();
        self.start_again(&start)
    }

    /// As [`Local::restart_server`], with this environment instead of the one that the deployment was started with.
    ///
    /// # Errors
    /// As [`Local::restart_server`].
    pub fn restart_server_with(&mut self, name: &str, environment: &[(&str, &str)]) -> Result<i32> {
        let start = self.server(name)?.start.clone();
        self.start_again_with(&start, environment)
    }

    /// Starts a server that shall refuse to start; what its log got, once it has ended with an error.
    ///
    /// # Errors
    /// When it runs on for 20 s, or ends well.
    pub async fn refuses_to_start(
        &mut self,
        name: &str,
        environment: &[(&str, &str)],
    ) -> Result<String> {
        let log = self.server(name)?.log.clone();
        let before = std::fs::read(&log)?.len();
        self.restart_server_with(name, environment)?;
        let mut child = self
            .restarted
            .pop()
            .ok_or_else(|| HarnessError(format!("{name} was not started")))?;
        let until = Instant::now() + Duration::from_secs(20);
        while Instant::now() < until {
            match child.try_wait()? {
                Some(status) if status.success() => {
                    return Err(HarnessError(format!("{name} ended well")));
                }
                Some(_) => {
                    let all = std::fs::read(&log)?;
                    let new = all.get(before..).unwrap_or_default();
                    return Ok(String::from_utf8_lossy(new).into_owned());
                }
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        self.restarted.push(child);
        Err(HarnessError(format!("{name} started, and should not")))
    }

    /// Runs a `start` script of the deployment's again; answers its process.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_again(&mut self, program: &str) -> Result<i32> {
        let environment = self.environment.clone();
        let environment: Vec<_> = environment
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        self.start_again_with(program, &environment)
    }

    fn start_again_with(&mut self, program: &str, environment: &[(&str, &str)]) -> Result<i32> {
        let log = std::fs::File::create(self.dir.join("restarted.log"))?;
        let child = Command::new(program)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let pid = i32::try_from(child.id()).map_err(HarnessError::new)?;
        self.restarted.push(child);
        Ok(pid)
    }

    /// The process of `xtask run`.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        stop(&mut self.child);
        for child in &mut self.restarted {
            let _ = child.kill();
            let _ = child.wait();
        }
        if self.remove_dir && !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

/// A folder under `target/` in which nothing is yet.
fn fresh_dir(label: &str) -> Result<PathBuf> {
    let dir = workspace_root()?
        .join("target/harness")
        .join(format!("{label}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    Ok(dir)
}

/// Ends the run in the orderly way; kills it after 30 s.
fn stop(child: &mut Child) {
    signal(
        i32::try_from(child.id()).unwrap_or(0),
        rustix::process::Signal::TERM,
    );
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(30) {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// Sends a signal to a process that the deployment named.
pub fn signal(pid: i32, signal: rustix::process::Signal) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid).filter(|_| pid > 1) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// The workspace's folder: the nearest one above the running program that has `Cargo.toml` and `crates`.
///
/// # Errors
/// When the program runs outside of it.
pub fn workspace_root() -> Result<PathBuf> {
    if let Some(root) = std::env::var_os("GRIDHELM_ROOT") {
        return Ok(root.into());
    }
    let here = std::env::current_dir()?;
    let found = here
        .ancestors()
        .find(|d| d.join("Cargo.toml").is_file() && d.join("crates").is_dir());
    found
        .map(Path::to_owned)
        .ok_or_else(|| HarnessError(format!("no workspace above {}", here.display())))
}

/// The xtask binary that `cargo xtask` built: named by `GRIDHELM_XTASK`, or beside this program.
pub(crate) fn xtask_binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("GRIDHELM_XTASK") {
        return Ok(path.into());
    }
    let me = std::env::current_exe()?;
    let found = me
        .ancestors()
        .skip(1)
        .take(3)
        .map(|d| d.join("xtask"))
        .find(|p| p.is_file());
    found.ok_or_else(|| {
        HarnessError("no xtask binary beside the test; run it by `cargo xtask test`".to_owned())
    })
}
