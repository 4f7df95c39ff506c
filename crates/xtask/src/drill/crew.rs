//! A group's servers as a drill handles them: killed, stopped, started again, whoever is active.

use crate::harness::api::Api;
use crate::harness::local::{Local, signal};
use crate::harness::{HarnessError, Result, wait_for};
use crate::processes;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a server may take to come up, or to find its place.
const PLACE: Duration = Duration::from_secs(30);

/// The group east of a local deployment.
pub struct Crew {
    /// The deployment.
    pub local: Local,
    pids: BTreeMap<String, i32>,
    token: Api,
}

impl Crew {
    /// Starts a deployment.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(label: &str, environment: &[(&str, &str)]) -> Result<Self> {
        Self::of(Local::start_with(label, environment)?).await
    }

    /// Starts a deployment on this database, whatever the environment says, with more words for `cargo xtask run`.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_on(label: &str, database: &str, more: &[&str]) -> Result<Self> {
        Self::of(Local::start_with_database(label, database, more)?).await
    }

    /// The crew of a deployment that runs.
    ///
    /// # Errors
    /// When nobody can sign in there.
    pub async fn of(local: Local) -> Result<Self> {
        let token = {
            let url = &local.server("east-1")?.url;
            Api::sign_in(url, &local.ready.user, &local.ready.password).await?
        };
        let pids = local.ready.servers.iter();
        let pids = pids.map(|s| (s.name.clone(), s.pid)).collect();
        Ok(Self { local, pids, token })
    }

    /// The API at a server, signed in.
    ///
    /// # Errors
    /// When there is no such server.
    pub fn api(&self, server: &str) -> Result<Api> {
        Ok(self.token.at(&self.local.server(server)?.url))
    }

    /// The token's text.
    pub fn token(&self) -> &str {
        self.token.token()
    }

    /// Sets the mode of failover, at whatever version it is, and waits until every server knows it.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn set_failover(&self, at: &str, mode: &str) -> Result<()> {
        let api = self.api(at)?;
        let tag = api.get("group/failover").await?.etag.unwrap_or_default();
        let body = json!({ "mode": mode, "reason": "a drill" });
        let headers = [("if-match", tag.as_str())];
        let answer = api
            .send(reqwest::Method::PUT, "group/failover", Some(body), &headers)
            .await?;
        if answer.status == 200 {
            return Ok(());
        }
        Err(HarnessError(format!(
            "mode {mode}: {} {}",
            answer.status, answer.body
        )))
    }

    /// A server's process.
    ///
    /// # Errors
    /// When there is no such server.
    pub fn pid(&self, server: &str) -> Result<i32> {
        let pid = self.pids.get(server).copied();
        pid.ok_or_else(|| HarnessError(format!("no server {server}")))
    }

    /// Sends a signal to a server's process.
    pub fn signal(&self, server: &str, what: Signal) {
        if let Some(pid) = self.pids.get(server) {
            signal(*pid, what);
        }
    }

    /// Whether a server's process runs, stopped or not.
    pub fn lives(&self, server: &str) -> bool {
        let pid = self
            .pids
            .get(server)
            .and_then(|pid| u32::try_from(*pid).ok());
        pid.and_then(processes::read)
            .is_some_and(|process| process.lives())
    }

    /// Ends a server's process by a signal and waits until it is gone.
    ///
    /// # Errors
    /// When it is not gone within 30 s.
    pub async fn end(&mut self, server: &str, what: Signal) -> Result<()> {
        self.signal(server, what);
        wait_for(&format!("the end of {server}"), PLACE, || async {
            Ok((!self.lives(server)).then_some(()))
        })
        .await
    }

    /// Starts a server again, as it was started, and waits until it is ready, as active or standby.
    ///
    /// # Errors
    /// When it is not within 30 s.
    pub async fn begin(&mut self, server: &str) -> Result<()> {
        let pid = self.local.restart_server(server)?;
        self.until_ready(server, pid).await
    }

    /// As [`Crew::begin`], with this environment instead of the one that the crew was started with.
    ///
    /// # Errors
    /// As [`Crew::begin`].
    pub async fn begin_with(&mut self, server: &str, environment: &[(&str, &str)]) -> Result<()> {
        let pid = self.local.restart_server_with(server, environment)?;
        self.until_ready(server, pid).await
    }

    async fn until_ready(&mut self, server: &str, pid: i32) -> Result<()> {
        self.pids.insert(server.to_owned(), pid);
        let url = self.local.server(server)?.url.clone();
        wait_for(&format!("{server} to be ready"), PLACE, || async {
            let status: Value = reqwest::get(format!("{url}/api/v1/server"))
                .await?
                .json()
                .await?;
            Ok((status["ready"] == true && status["active"].is_string()).then_some(()))
        })
        .await
    }

    /// Waits until a server is active; its epoch.
    ///
    /// # Errors
    /// When it is not within 30 s.
    pub async fn until_active(&self, server: &str) -> Result<i64> {
        self.until_role(server, "active").await
    }

    /// Waits until a server stands by; the epoch that it knows.
    ///
    /// # Errors
    /// When it does not within 30 s.
    pub async fn until_standby(&self, server: &str) -> Result<i64> {
        self.until_role(server, "standby").await
    }

    async fn until_role(&self, server: &str, role: &str) -> Result<i64> {
        let url = self.local.server(server)?.url.clone();
        wait_for(&format!("{server} to be {role}"), PLACE, || async {
            let status: Value = reqwest::get(format!("{url}/api/v1/server"))
                .await?
                .json()
                .await?;
            let known = status["role"] == role && status["active"].is_string();
            Ok(status["epoch"].as_i64().filter(|_| known))
        })
        .await
    }

    /// R sessions of east's nodes whose marker bears a lower epoch than this.
    pub fn zombies(&self, epoch: i64) -> Vec<u32> {
        let listener = |pid: u32| {
            let mut nodes = self.local.ready.nodes.iter();
            nodes.any(|node| u32::try_from(node.pid).is_ok_and(|node| node == pid))
        };
        let old = |pid: u32| {
            let text = std::fs::read_to_string(format!("/proc/{pid}/cwd/.gridhelm"));
            let marker = serde_json::from_str::<Value>(&text.unwrap_or_default());
            let marker = marker.unwrap_or_default();
            marker["group"] == "east" && marker["epoch"].as_i64().is_some_and(|of| of < epoch)
        };
        let sessions = processes::all().into_iter();
        sessions
            .filter(|process| listener(process.parent) && old(process.pid))
            .map(|process| process.pid)
            .collect()
    }
}
