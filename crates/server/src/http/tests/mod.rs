//! The interface over real HTTP against real servers in this process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod access;
mod accounts;
mod alerts;
mod examples;
mod files;
mod grants;
mod held;
mod joining;
mod limits;
mod metrics;
mod nodes;
mod objects;
mod openapi;
mod packages;
mod patches;
mod problems;
mod relay;
mod stream;
mod tasks;
mod tls;
mod upkeep;

#[path = "../../../../rserve/tests/common/mod.rs"]
mod node;

use crate::accounts::Bootstrap;
use crate::config::Config;
use crate::{Running, run};
use reqwest::Method;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// Longer than anything here takes.
// Beside the databases of other tests one write to disk can take many seconds.
const PATIENCE: Duration = Duration::from_secs(90);

/// A server of group `east` and its first admin.
struct Server {
    running: Running,
    password: String,
    /// Removed last.
    dir: Option<TempDir>,
}

/// An answer with its body as JSON (`null` when it is none).
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: reqwest::header::HeaderMap,
    text: String,
    json: Value,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// Checks that this is a problem of that code, whole: with request id, server, type and a detail.
    #[track_caller]
    fn is_problem(&self, status: u16, code: &str) -> &Self {
        assert_eq!(
            (self.status, self.json["code"].as_str()),
            (status, Some(code)),
            "{}",
            self.text
        );
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.json["type"], format!("/problems/{code}"));
        assert_eq!(self.json["status"], status);
        assert_eq!(self.json["request_id"], self.header("x-request-id"));
        assert!(self.header("x-request-id").starts_with("UID-"));
        assert!(self.json["server"].as_str().unwrap().starts_with("east-"));
        assert!(
            self.json["detail"].as_str().unwrap().len() > 10,
            "{}",
            self.text
        );
        self
    }
}

fn config(name: &str, dir: &Path) -> Config {
    let text = format!(
        "name = \"{name}\"\ngroup = \"east\"\nlisten = \"127.0.0.1:0\"\npublic_url = \"http://127.0.0.1:0\"\n\
         allowed_origins = [\"http://console.example:8080\"]\n\
         [database]\nkind = \"sqlite\"\npath = \"{}\"\n",
        dir.join("east.db").display()
    ) + "[alerts]\nwebhook_hosts = [\"127.0.0.1\"]\n";
    toml::from_str(&text).unwrap()
}

impl Server {
    /// A group of one, active.
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut server = Self::start_in(dir.path(), "east-1").await;
        server.dir = Some(dir);
        server.await_active().await;
        server
    }

    async fn start_in(dir: &Path, name: &str) -> Self {
        Self::start_with(config(name, dir)).await
    }

    async fn start_with(config: Config) -> Self {
        let running = run(config).await.unwrap();
        let password = match &running.bootstrap {
            Bootstrap::Random { password, .. } => password.clone(),
            _ => String::new(),
        };
        Self {
            running,
            password,
            dir: None,
        }
    }

    async fn await_active(&self) {
        let mut standing = self.running.app.standing.clone();
        let active = standing.wait_for(|s| s.fence().is_ok());
        tokio::time::timeout(PATIENCE, active)
            .await
            .unwrap()
            .unwrap();
    }

    fn url(&self) -> String {
        format!("http://{}", self.running.address)
    }

    fn nobody(&self) -> Api {
        Api {
            base: self.url(),
            token: None,
            client: reqwest::Client::builder()
                .no_proxy()
                .tls_certs_only([])
                .build()
                .unwrap(),
        }
    }

    async fn sign_in(&self, username: &str, password: &str) -> Answer {
        let body = json!({ "username": username, "password": password });
        self.nobody().post("/api/v1/session", body).await
    }

    async fn admin(&self) -> Api {
        self.as_user("admin", &self.password).await
    }

    async fn as_user(&self, username: &str, password: &str) -> Api {
        let answer = self.sign_in(username, password).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let token = answer.json["token"].as_str().unwrap().to_owned();
        self.nobody().with(token)
    }

    /// An account of that role, signed in.
    async fn role(&self, role: &str) -> Api {
        if role == "admin" {
            return self.admin().await;
        }
        let (name, password) = (format!("{role}-1"), format!("password of {role}"));
        let body = json!({ "username": name, "password": password, "role": role });
        let made = self.admin().await.post("/api/v1/users", body).await;
        assert!(made.status == 201 || made.status == 409, "{}", made.text);
        self.as_user(&name, &password).await
    }

    async fn stop(self) {
        self.running.stop().await;
        drop(self.dir);
    }
}

/// A caller of one server.
#[derive(Clone)]
struct Api {
    base: String,
    token: Option<String>,
    client: reqwest::Client,
}

impl Api {
    fn with(&self, token: String) -> Self {
        Self {
            token: Some(token),
            ..self.clone()
        }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer {
            status,
            headers,
            text,
            json,
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::POST, path).json(&body))
            .await
    }

    /// A write with `If-Match`.
    async fn at(&self, version: i64, method: Method, path: &str, body: Value) -> Answer {
        let request = self.request(method, path).json(&body);
        self.send(request.header("if-match", format!("\"{version}\"")))
            .await
    }

    /// Writes a file that must not exist.
    async fn put_new(&self, path: &str, content: impl Into<reqwest::Body>) -> Answer {
        let request = self.request(Method::PUT, path).body(content);
        self.send(request.header("if-none-match", "*")).await
    }

    async fn audit(&self) -> Vec<Value> {
        let page = self.get("/api/v1/audit").await;
        assert_eq!(page.status, 200, "{}", page.text);
        page.json["items"].as_array().unwrap().clone()
    }
}
