//! A server process of the test's own.

use super::cluster::cluster;
use gridhelm_api::account::SignedIn;
use gridhelm_api::event::Event;
use gridhelm_api::group::{ServerRole, ServerStatus};
use gridhelm_api::switch::{SwitchKind, SwitchRecord, SwitchRequest, SwitchState};
use gridhelm_api::{Page, Problem};
use rustix::process::{Pid, Signal, kill_process};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

pub(crate) const PASSWORD: &str = "correct-horse-battery";

/// A folder for a group's database and its servers' files.
pub(crate) struct Place {
    folder: tempfile::TempDir,
    /// PostgreSQL's address, if that is the database.
    url: Option<String>,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            url: None,
        }
    }

    /// With a database in PostgreSQL.
    pub(crate) fn on_postgres() -> Self {
        let cluster = cluster();
        Self {
            url: Some(cluster.tcp_url(&cluster.new_database())),
            ..Self::new()
        }
    }

    /// With the database `east` on the first of these that takes writes.
    pub(crate) fn on_ports(ports: [u16; 2]) -> Self {
        let hosts = ports.map(|port| format!("127.0.0.1:{port}")).join(",");
        Self {
            url: Some(format!("postgresql://gridhelm@{hosts}/east")),
            ..Self::new()
        }
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("east.db")
    }

    /// Writes a server's configuration on a port of its own.
    pub(crate) fn server(&self, name: &str) -> Server {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let config = self.folder.path().join(format!("{name}.toml"));
        let text = format!(
            "name = \"{name}\"\ngroup = \"east\"\nlisten = \"127.0.0.1:{port}\"\n\
             public_url = \"http://127.0.0.1:{port}\"\n\
             [database]\n{}\n",
            self.url.as_ref().map_or_else(
                || format!("path = \"{}\"", self.database().display()),
                |url| format!("url = \"{url}\""),
            )
        );
        std::fs::write(&config, text).unwrap();
        Server {
            name: name.to_owned(),
            url: format!("http://127.0.0.1:{port}"),
            config,
            http: gridhelm_server::tls::Tls::default()
                .caller()
                .build()
                .unwrap(),
            child: None,
        }
    }

    /// Starts east-1 until it is active, then east-2 until it is a ready standby.
    pub(crate) async fn pair(&self) -> (Server, Server) {
        let mut one = self.server("east-1");
        one.start();
        one.until("active", |s| s.role == ServerRole::Active).await;
        let mut two = self.server("east-2");
        two.start();
        two.until("a ready standby", |s| s.ready && s.active.is_some())
            .await;
        (one, two)
    }
}

/// A server, running or not. Killed when dropped.
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) http: reqwest::Client,
    config: PathBuf,
    child: Option<Child>,
}

pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gridhelm-server"));
    command
        .env_remove("GRIDHELM_LISTEN")
        .env("GRIDHELM_BOOTSTRAP_PASSWORD", PASSWORD)
        .stdin(Stdio::null());
    command
}

impl Server {
    /// A server whose configuration `gridhelm-server join` wrote.
    pub(crate) fn joined(name: &str, config: PathBuf) -> Self {
        let text = std::fs::read_to_string(&config).unwrap();
        let url = text
            .lines()
            .find_map(|line| line.strip_prefix("public_url = "));
        Self {
            name: name.to_owned(),
            url: url.unwrap().trim_matches('"').to_owned(),
            http: gridhelm_server::tls::Tls::default()
                .caller()
                .build()
                .unwrap(),
            config,
            child: None,
        }
    }

    pub(crate) fn config(&self) -> &Path {
        &self.config
    }

    pub(crate) fn start(&mut self) {
        assert!(self.child.is_none(), "{} runs already", self.name);
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.config.with_extension("log"))
            .unwrap();
        let child = binary()
            .arg("--config")
            .arg(&self.config)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = self.child.as_ref().unwrap().id();
        let pid = Pid::from_raw(i32::try_from(id).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Sends a signal and waits for the process's end, at most 15 s.
    pub(crate) fn end(&mut self, signal: Signal) -> ExitStatus {
        self.signal(signal);
        let mut child = self.child.take().unwrap();
        let end = Instant::now() + Duration::from_secs(15);
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
            if Instant::now() > end {
                let _ = child.kill();
                panic!("{} did not end: {}", self.name, self.log());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.config.with_extension("log")).unwrap_or_default()
    }

    pub(crate) async fn status(&self) -> Option<ServerStatus> {
        let asked = self
            .http
            .get(format!("{}/api/v1/server", self.url))
            .timeout(Duration::from_secs(2))
            .send();
        asked.await.ok()?.json().await.ok()
    }

    pub(crate) async fn until(
        &self,
        what: &str,
        is: impl Fn(&ServerStatus) -> bool,
    ) -> ServerStatus {
        let end = Instant::now() + Duration::from_secs(20);
        let mut last = None;
        while Instant::now() < end {
            last = self.status().await;
            if let Some(status) = last.as_ref().filter(|s| is(s)) {
                return status.clone();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} is not {what} but {last:?}\n{}", self.name, self.log());
    }

    pub(crate) async fn sign_in(&self) -> String {
        let body = serde_json::json!({ "username": "admin", "password": PASSWORD });
        let answer = self
            .http
            .post(format!("{}/api/v1/session", self.url))
            .json(&body)
            .send()
            .await
            .unwrap();
        assert!(
            answer.status().is_success(),
            "{}",
            answer.text().await.unwrap()
        );
        answer.json::<SignedIn>().await.unwrap().token
    }

    pub(crate) async fn switch(
        &self,
        token: &str,
        kind: SwitchKind,
        to: &str,
        epoch: i64,
    ) -> Result<SwitchRecord, Problem> {
        let request = SwitchRequest {
            drain_s: 5,
            override_hold: true,
            confirm: Some("east".into()),
            ..SwitchRequest::new(kind, to, epoch, "a test")
        };
        let answer = self
            .http
            .post(format!("{}/api/v1/switch", self.url))
            .bearer_auth(token)
            .json(&request)
            .send()
            .await
            .unwrap();
        if answer.status().is_success() {
            Ok(answer.json().await.unwrap())
        } else {
            Err(answer.json().await.unwrap())
        }
    }

    /// Sets the group's mode of failover; the setting must never have been changed before.
    pub(crate) async fn set_failover(&self, token: &str, mode: &str, pause_s: Option<u32>) {
        let mut change = serde_json::json!({ "mode": mode, "reason": "a test" });
        if let Some(seconds) = pause_s {
            change["pause_s"] = seconds.into();
        }
        let answer = self
            .http
            .put(format!("{}/api/v1/group/failover", self.url))
            .bearer_auth(token)
            .header("if-match", "\"0\"")
            .json(&change)
            .send()
            .await
            .unwrap();
        let status = answer.status();
        assert_eq!(status.as_u16(), 200, "{}", answer.text().await.unwrap());
    }

    pub(crate) async fn switches(&self, token: &str) -> Vec<SwitchRecord> {
        self.page(token, "switches").await
    }

    async fn page<T: serde::de::DeserializeOwned>(&self, token: &str, path: &str) -> Vec<T> {
        let answer = self
            .http
            .get(format!("{}/api/v1/{path}", self.url))
            .bearer_auth(token)
            .send()
            .await
            .unwrap();
        assert!(
            answer.status().is_success(),
            "{}",
            answer.text().await.unwrap()
        );
        answer.json::<Page<T>>().await.unwrap().items
    }

    /// The journal, newest first.
    pub(crate) async fn journal(&self, token: &str) -> Vec<Event> {
        self.page(token, "events").await
    }

    /// The switch of that id once it has ended.
    pub(crate) async fn ended(&self, token: &str, id: &str) -> SwitchRecord {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let switches: Vec<SwitchRecord> = self.page(token, "switches").await;
            let found = switches.into_iter().find(|s| s.id == id);
            if let Some(switch) = found.filter(|s| s.state != SwitchState::Running) {
                return switch;
            }
            assert!(
                Instant::now() < end,
                "the switch did not end\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
