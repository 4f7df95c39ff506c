//! A real Rserve for a test: started on a free port, ended and cleaned up when dropped.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    dead_code,
    unreachable_pub
)]

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use gridhelm_rserve::{Connection, Credentials, Endpoint, Options, run};

const BINARY: &str = "/usr/lib/R/site-library/Rserve/libs/Rserve";
const INSTALL: &str = "apt-get install -y --no-install-recommends r-base-core r-cran-rserve";
pub const MARKER: &str = r#"{"group":"east","server":"east-1","epoch":7}"#;

/// The user id of `nobody`: nodes never run as root.
const NOBODY: u32 = 65534;

/// A listening Rserve.
pub struct Node {
    child: Child,
    pub port: u16,
    pub dir: PathBuf,
}

/// Tells the directories of one test process apart.
static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Node {
    /// Starts one with the settings of production; `extra` lines end its configuration.
    pub async fn start(extra: &str) -> Self {
        assert!(
            Path::new(BINARY).exists(),
            "Rserve is not installed; run: {INSTALL}"
        );
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let dir =
            std::env::temp_dir().join(format!("gridhelm-rserve-{}-{number}", std::process::id()));
        fs::create_dir_all(dir.join("work")).unwrap();
        for (path, mode) in [("", 0o755), ("work", 0o777)] {
            fs::set_permissions(dir.join(path), fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::write(dir.join("pwd"), "grid secret\n").unwrap();
        fs::write(dir.join("preload.R"), run::preload_source()).unwrap();
        // Another process may take the port before Rserve does: then the next one is tried.
        for _ in 0..5 {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
                .unwrap()
                .local_addr()
                .unwrap()
                .port();
            let mut node = Self {
                child: spawn(&dir, port, extra),
                port,
                dir: dir.clone(),
            };
            if node.wait_until_ready().await {
                return node;
            }
        }
        panic!("no Rserve could be started in {}", dir.display());
    }

    async fn wait_until_ready(&mut self) -> bool {
        let until = Instant::now() + Duration::from_secs(20);
        while Instant::now() < until {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            if let Ok(connection) = self.try_open().await {
                connection.close().await;
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }

    pub fn endpoint(&self) -> Endpoint {
        Endpoint {
            host: "127.0.0.1".into(),
            port: self.port,
        }
    }

    pub async fn try_open(&self) -> Result<Connection, gridhelm_rserve::Error> {
        Connection::open(&self.endpoint(), Some(&credentials()), &patient()).await
    }

    /// A signed-in connection.
    pub async fn open(&self) -> Connection {
        self.try_open().await.unwrap()
    }

    /// A prepared session.
    pub async fn session(&self) -> (Connection, run::SessionInfo) {
        let mut connection = self.open().await;
        let session = run::prepare(&mut connection, MARKER).await.unwrap();
        (connection, session)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the listener, and reaps it if that ends it.
    pub fn signal(&mut self, signal: &str) {
        kill(signal, self.pid());
        if signal == "-KILL" {
            self.child.wait().unwrap();
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Sessions outlive their listener: they are told by their directory.
        for pid in processes_in(&self.dir) {
            kill("-KILL", pid);
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Lets the node's user read what a test made.
pub fn open_to_all(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn spawn(dir: &Path, port: u16, extra: &str) -> Child {
    let conf = format!(
        "port {port}\nremote disable\ndaemon disable\nauth required\nplaintext enable\npwdfile {0}/pwd\n\
         cachepwd indefinitely\nmaxinbuf 65536\nmaxsendbuf 0\nencoding utf8\ninteractive no\noob enable\n\
         fileio enable\nshutdown disable\nkeep.alive enable\nworkdir {0}/work\nworkdir.mode 0777\ntag.argv yes\n{extra}\n",
        dir.display()
    )
    .replace("{preload}", &format!("source {}/preload.R", dir.display()));
    let conf_path = dir.join("Rserv.conf");
    fs::write(&conf_path, conf).unwrap();
    let root = fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0);
    let mut command = if root {
        let mut command = Command::new("setpriv");
        let id = NOBODY.to_string();
        command.args(["--reuid", &id, "--regid", &id, "--clear-groups", BINARY]);
        command
    } else {
        Command::new(BINARY)
    };
    command
        .arg("--RS-conf")
        .arg(&conf_path)
        .args(["--no-save", "--vanilla"])
        .env("R_HOME", "/usr/lib/R")
        .env("LD_LIBRARY_PATH", "/usr/lib/R/lib")
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Limits for what is not about limits: a machine under load is slow.
pub fn patient() -> Options {
    Options {
        connect_timeout: Duration::from_secs(10),
        handshake_timeout: Duration::from_secs(20),
        ..Options::default()
    }
}

pub fn credentials() -> Credentials {
    Credentials {
        user: "grid".into(),
        password: "secret".into(),
    }
}

pub fn kill(signal: &str, pid: u32) {
    let _ = Command::new("kill")
        .args([signal, &pid.to_string()])
        .stderr(Stdio::null())
        .status();
}

/// The processes whose directory lies below `dir`.
pub fn processes_in(dir: &Path) -> Vec<u32> {
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let cwd = fs::read_link(entry.path().join("cwd")).ok()?;
            cwd.starts_with(dir).then_some(pid)
        })
        .collect()
}

/// Waits until `condition` holds, at most 10 s.
pub async fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < until, "waited 10 s in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whether a process runs: there, and no zombie.
pub fn runs(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit(") ")
            .next()
            .is_some_and(|rest| rest.starts_with('Z'))
    })
}
