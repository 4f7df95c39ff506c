//! A group's servers as a drill handles them: killed, stopped, started again, whoever is active.

use crate::harness::api::Api;
use crate::harness::local::{Local, signal};
use crate::harness::{HarnessError, Result, wait_for};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
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
        let local = Local::start_with(label, environment)?;
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

    /// Sends a signal to a server's process.
    pub fn signal(&self, server: &str, what: Signal) {
        if let Some(pid) = self.pids.get(server) {
            signal(*pid, what);
        }
    }

    /// Whether a server's process runs, stopped or not.
    pub fn lives(&self, server: &str) -> bool {
        let pid = self.pids.get(server);
        pid.is_some_and(|pid| self.local.runs(*pid))
    }

    /// Ends a server's process by a signal and waits until it is gone.
    ///
    /// # Errors
    /// When it is not gone within 30 s.
    pub async fn end(&mut self, server: &str, what: Signal) -> Result<()> {
        self.signal(server, what);
        let pid = self.pids.get(server).copied().unwrap_or_default();
        wait_for(&format!("the end of {server}"), PLACE, || async {
            Ok((!self.local.runs(pid)).then_some(()))
        })
        .await
    }

    /// Starts a server again and waits until it is ready, as active or standby.
    ///
    /// # Errors
    /// When it is not within 30 s.
    pub async fn begin(&mut self, server: &str) -> Result<()> {
        let pid = self.local.restart_server(server)?;
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
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn zombies(&self, epoch: i64) -> Result<Vec<i32>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc")?.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else {
                continue;
            };
            let marker: PathBuf = entry.path().join("cwd/.gridhelm");
            let Ok(text) = std::fs::read_to_string(marker) else {
                continue;
            };
            let marker: Value = serde_json::from_str(&text).unwrap_or_default();
            let old = marker["epoch"].as_i64().is_some_and(|of| of < epoch);
            if marker["group"] == "east" && old && self.is_ours(pid) {
                found.push(pid);
            }
        }
        Ok(found)
    }

    /// Whether a process's parent is a listener of this deployment.
    fn is_ours(&self, pid: i32) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = stat
            .rsplit_once(')')
            .and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse::<i32>().ok());
        parent.is_some_and(|parent| self.local.ready.nodes.iter().any(|n| n.pid == parent))
    }
}
