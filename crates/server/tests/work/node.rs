//! A real Rserve node for a test: on a free port, as an unprivileged user, ended and cleaned when dropped.

use gridhelm_api::node::{Intent, NodeDraft, OperatingType};
use gridhelm_rserve::{Connection, Credentials, Endpoint, Options};
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const BINARY: &str = "/usr/lib/R/site-library/Rserve/libs/Rserve";
const INSTALL: &str = "apt-get install -y --no-install-recommends r-base-core r-cran-rserve";
/// The user id of `nobody`: nodes never run as root.
const NOBODY: &str = "65534";

pub(crate) struct RNode {
    pub(crate) name: String,
    pub(crate) port: u16,
    dir: tempfile::TempDir,
    child: Child,
    /// Where it speaks TLS, if it does.
    pub(crate) tls_port: Option<u16>,
}

impl RNode {
    pub(crate) async fn start(name: &str) -> Self {
        Self::start_with(name, |_| None).await
    }

    /// Starts one whose folder `prepare` may fill; it answers the port at which the node speaks TLS.
    pub(crate) async fn start_with(name: &str, prepare: impl FnOnce(&Path) -> Option<u16>) -> Self {
        assert!(
            Path::new(BINARY).exists(),
            "Rserve is not installed; run: {INSTALL}"
        );
        let dir = tempfile::Builder::new()
            .prefix("gridhelm-node-")
            .tempdir()
            .unwrap();
        fs::create_dir(dir.path().join("work")).unwrap();
        for (path, mode) in [("", 0o755), ("work", 0o777)] {
            let path = dir.path().join(path);
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::write(dir.path().join("pwd"), "grid secret\n").unwrap();
        let preload = gridhelm_rserve::run::preload_source();
        fs::write(dir.path().join("preload.R"), preload).unwrap();
        let tls_port = prepare(dir.path());
        let port = free_port();
        let child = spawn(dir.path(), port);
        let mut node = Self {
            name: name.to_owned(),
            port,
            dir,
            child,
            tls_port,
        };
        // Another process may take the port before Rserve does: then the next one is tried.
        for _ in 0..5 {
            if node.ready().await {
                return node;
            }
            node.port = free_port();
            node.child = spawn(node.dir.path(), node.port);
        }
        panic!("no Rserve could be started");
    }

    /// Starts its listener again on the same port, after `kill`.
    pub(crate) async fn restart(&mut self) {
        self.child = spawn(self.dir.path(), self.port);
        assert!(self.ready().await, "Rserve did not start again");
    }

    /// Ends the listener with -9; its sessions live on.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn signal(&self, signal: &str) {
        send(signal, i64::from(self.child.id()));
    }

    pub(crate) fn draft(&self, slots: u32) -> NodeDraft {
        NodeDraft {
            name: self.name.clone(),
            host: "127.0.0.1".to_owned(),
            port: self.port,
            slot_limit: slots,
            operating_type: OperatingType::Mixed,
            user: Some("grid".to_owned()),
            password: Some("secret".to_owned()),
            labels: Vec::new(),
            intent: Intent::Enabled,
        }
    }

    /// The folder with its files.
    pub(crate) fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// Session directories on its disk.
    pub(crate) fn directories(&self) -> Vec<PathBuf> {
        let work = fs::read_dir(self.dir.path().join("work")).unwrap();
        work.flatten().map(|entry| entry.path()).collect()
    }

    /// Processes of its sessions: whose directory is below its work directory.
    pub(crate) fn sessions(&self) -> Vec<i64> {
        let work = self.dir.path().join("work");
        let inside = |pid: &i64| {
            fs::read_link(format!("/proc/{pid}/cwd"))
                .is_ok_and(|cwd| cwd.starts_with(&work) && cwd != work)
        };
        let pids = fs::read_dir("/proc").unwrap().flatten();
        pids.filter_map(|e| e.file_name().to_str()?.parse().ok())
            .filter(inside)
            .collect()
    }

    /// A file that sessions may write.
    pub(crate) fn scratch(&self, name: &str) -> String {
        self.dir
            .path()
            .join("work")
            .join(name)
            .display()
            .to_string()
    }

    async fn ready(&mut self) -> bool {
        let endpoint = Endpoint {
            host: "127.0.0.1".to_owned(),
            port: self.port,
        };
        let credentials = Credentials {
            user: "grid".to_owned(),
            password: "secret".into(),
        };
        let until = Instant::now() + Duration::from_secs(20);
        while Instant::now() < until && self.child.try_wait().unwrap().is_none() {
            let opened = Connection::open(&endpoint, Some(&credentials), &Options::default()).await;
            if let Ok(mut connection) = opened {
                let _ = connection.eval("unlink(getwd(), TRUE)").await;
                connection.close().await;
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }
}

impl Drop for RNode {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for pid in self.sessions() {
            send("-KILL", pid);
        }
    }
}

pub(crate) fn send(signal: &str, pid: i64) {
    let _ = Command::new("kill")
        .args([signal, &pid.to_string()])
        .stderr(Stdio::null())
        .status();
}

/// Whether a process runs: there, and no zombie.
pub(crate) fn runs(pid: i64) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(") ").next().is_some_and(|s| s.starts_with('Z')))
}

/// Waits until a process is gone: R's goes with its connection, a moment later.
pub(crate) async fn until_gone(pid: i64) {
    let began = Instant::now();
    while runs(pid) {
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "process {pid} runs still"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

fn spawn(dir: &Path, port: u16) -> Child {
    let place = dir.display();
    let more = fs::read_to_string(dir.join("more.conf")).unwrap_or_default();
    let conf = format!(
        "port {port}\nremote disable\ndaemon disable\nauth required\nplaintext enable\n\
         pwdfile {place}/pwd\ncachepwd indefinitely\nmaxinbuf 65536\nmaxsendbuf 0\nencoding utf8\n\
         interactive no\noob enable\nfileio enable\nshutdown disable\nkeep.alive enable\n\
         workdir {place}/work\nworkdir.mode 0777\ntag.argv yes\nsource {place}/preload.R\n{more}"
    );
    fs::write(dir.join("Rserv.conf"), conf).unwrap();
    let root = fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0);
    let mut command = if root {
        let mut command = Command::new("setpriv");
        command.args([
            "--reuid",
            NOBODY,
            "--regid",
            NOBODY,
            "--clear-groups",
            BINARY,
        ]);
        command
    } else {
        Command::new(BINARY)
    };
    command
        .arg("--RS-conf")
        .arg(dir.join("Rserv.conf"))
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
