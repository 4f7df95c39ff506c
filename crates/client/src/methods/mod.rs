//! The methods of the admin API, one for each route.

mod accounts;
mod alerts;
mod events;
mod nodes;
mod packages;
mod repository;
mod server;
mod sessions;
mod tasks;
mod upkeep;

use serde::de::DeserializeOwned;

use crate::curl;
use crate::error::Result;
use crate::platform;
use crate::request::{Answer, Body, Method, Request, Token, add_query, encode};

pub use events::{EventQuery, EventStream};
pub use tasks::TaskQuery;

/// How long a request may take unless it is known to take longer, seconds.
const TIMEOUT: u32 = 10;
/// How long a test of a node's connection, or a preflight, may take, seconds.
const SLOW: u32 = 30;
/// How long work on a node may take that is waited for, seconds.
const WORK: u32 = 75;
/// How long content may take to be sent or received, seconds.
const CONTENT: u32 = 300;

/// A server's admin API, as one account or as nobody.
#[derive(Clone, Debug)]
pub struct Client {
    base: String,
    token: Option<Token>,
}

impl Client {
    /// A client of the server at `base` (`http(s)://host:port`, or the empty text for the page's own origin), without a token.
    pub fn new(base: impl Into<String>) -> Self {
        let mut base = base.into();
        while base.ends_with('/') {
            base.pop();
        }
        Self { base, token: None }
    }

    /// The same server, as the account whose token it is.
    #[must_use]
    pub fn with_token(mut self, token: Option<Token>) -> Self {
        self.token = token;
        self
    }

    /// The server's address, without a trailing slash.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A command for a shell that reads this path below `/api/v1`, as a program with a token in `GRIDHELM_TOKEN`. The page's own origin is
    /// `origin`.
    pub fn as_curl(&self, origin: &str, path: &str) -> String {
        let base = if self.base.is_empty() {
            origin
        } else {
            &self.base
        };
        curl::reading(&[base, "/api/v1", path].concat())
    }

    fn request(&self, method: Method, path: &str, body: Body) -> Request<'_> {
        Request {
            method,
            url: [self.base.as_str(), "/api/v1", path].concat(),
            token: self.token.as_ref(),
            headers: Vec::new(),
            body,
            timeout_s: TIMEOUT,
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        platform::send(self.request(Method::Get, path, Body::None))
            .await?
            .json()
    }

    /// A list, whole: sent as it is, or as the one page of it.
    async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>> {
        let answer = platform::send(self.request(Method::Get, path, Body::None)).await?;
        if answer.body.first() == Some(&b'{') {
            return Ok(answer.json::<gridhelm_api::Page<T>>()?.items);
        }
        answer.json()
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Body,
        version: Option<i64>,
    ) -> Result<T> {
        let mut request = self.request(method, path, body);
        request.headers.extend(if_match(version));
        platform::send(request).await?.json()
    }

    /// Sends a request to a path below `/api/v1` for which there is no method here, or whose answer is not JSON.
    pub async fn raw(
        &self,
        method: Method,
        path: &str,
        headers: Vec<(&'static str, String)>,
        body: Body,
        timeout_s: u32,
    ) -> Result<Answer> {
        let mut request = self.request(method, path, body);
        request.headers = headers;
        request.timeout_s = timeout_s;
        platform::send(request).await
    }

    async fn content(&self, path: &str) -> Result<Vec<u8>> {
        let mut request = self.request(Method::Get, path, Body::None);
        request.timeout_s = CONTENT;
        Ok(platform::send(request).await?.body)
    }
}

fn if_match(version: Option<i64>) -> Option<(&'static str, String)> {
    version.map(|version| ("if-match", format!("\"{version}\"")))
}

fn path(parts: &[&str]) -> String {
    let mut url = String::new();
    for part in parts {
        url.push('/');
        encode(&mut url, part);
    }
    url
}

fn add_some(url: &mut String, name: &str, value: Option<&str>) {
    if let Some(value) = value.filter(|value| !value.is_empty()) {
        add_query(url, name, value);
    }
}

fn add_number(url: &mut String, name: &str, value: Option<i64>) {
    if let Some(value) = value {
        add_query(url, name, &value.to_string());
    }
}
