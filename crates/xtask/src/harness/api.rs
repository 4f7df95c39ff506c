//! A plain client of the admin API, independent of the project's own client crate: what a test asserts
//! must not be read through the code that it tests.

use super::{HarnessError, Result};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// One signed-in caller at one server.
#[derive(Clone)]
pub struct Api {
    http: reqwest::Client,
    base: String,
    token: String,
}

/// An answer: its status and its JSON (null when it is not JSON).
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Value,
    /// The `ETag`, if any.
    pub etag: Option<String>,
}

/// An HTTP client that trusts what the certificates in this PEM file signed, and nothing else.
///
/// # Errors
/// When the file holds none.
pub fn client(ca: Option<&Path>) -> Result<reqwest::ClientBuilder> {
    super::provide();
    let roots = match ca {
        Some(file) => reqwest::Certificate::from_pem_bundle(&std::fs::read(file)?)?,
        None => Vec::new(),
    };
    Ok(reqwest::Client::builder().tls_certs_only(roots))
}

impl Api {
    /// Signs in at a server.
    ///
    /// # Errors
    /// When the server does not answer or refuses.
    pub async fn sign_in(base: &str, user: &str, password: &str) -> Result<Self> {
        Self::sign_in_trusting(base, user, password, None).await
    }

    /// Signs in at a server whose certificate the one in this PEM file signed.
    ///
    /// # Errors
    /// When the server does not answer or refuses.
    pub async fn sign_in_trusting(
        base: &str,
        user: &str,
        password: &str,
        ca: Option<&Path>,
    ) -> Result<Self> {
        let http = client(ca)?.timeout(Duration::from_secs(90)).build()?;
        let body = serde_json::json!({ "username": user, "password": password });
        let answer = http
            .post(format!("{base}/api/v1/session"))
            .json(&body)
            .send()
            .await?;
        let status = answer.status();
        let body: Value = answer.json().await?;
        let Some(token) = body["token"].as_str() else {
            return Err(HarnessError(format!("sign-in at {base}: {status} {body}")));
        };
        Ok(Self {
            http,
            base: base.to_owned(),
            token: token.to_owned(),
        })
    }

    /// The bearer token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The same server, called with another token.
    #[must_use]
    pub fn with(&self, token: &str) -> Self {
        Self {
            token: token.to_owned(),
            ..self.clone()
        }
    }

    /// The same sign-in at another server of the group.
    #[must_use]
    pub fn at(&self, base: &str) -> Self {
        Self {
            base: base.to_owned(),
            ..self.clone()
        }
    }

    /// `GET /api/v1/<path>`.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.send(reqwest::Method::GET, path, None, &[]).await
    }

    /// What `/metrics` tells.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn metrics(&self) -> Result<String> {
        let request = self.http.get(format!("{}/metrics", self.base));
        Ok(request
            .bearer_auth(&self.token)
            .send()
            .await?
            .text()
            .await?)
    }

    /// `POST /api/v1/<path>` with JSON.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn post(&self, path: &str, body: Value) -> Result<Answer> {
        self.send(reqwest::Method::POST, path, Some(body), &[])
            .await
    }

    /// Any request with JSON and more headers.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn send(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Result<Answer> {
        let url = format!("{}/api/v1/{path}", self.base);
        let mut request = self.http.request(method, url).bearer_auth(&self.token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let etag = answer
            .headers()
            .get("etag")
            .and_then(|v| v.to_str().ok())
            .map(str::to_owned);
        let bytes = answer.bytes().await?;
        Ok(Answer {
            status,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
            etag,
        })
    }
}
