//! A small blocking client of the servers' API, for starting up and seeding.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

use crate::error::Error;

/// The longest answer that is read, in bytes.
const LONGEST: u64 = 8 * 1024 * 1024;

/// A client of one server. Holds a token, so it has no `Debug`.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    base: String,
    token: Option<String>,
}

#[derive(Deserialize)]
struct Session {
    token: String,
}

/// An answer: status and body.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl Client {
    /// A client of the server at `base` (`http://host:port`). Proxies named in the environment are not asked: all is local.
    pub fn new(base: &str) -> Self {
        Self::trusting(base, None)
    }

    /// The same for a server at `https://host:port` whose certificate one of these roots signed.
    pub fn trusting(base: &str, roots: Option<RootCerts>) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder()
            .root_certs(roots.unwrap_or(RootCerts::Specific(Arc::default())))
            .unversioned_rustls_crypto_provider(provider)
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .timeout_connect(Some(Duration::from_secs(1)))
            .timeout_global(Some(Duration::from_secs(10)))
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .build();
        Self {
            agent: config.into(),
            base: base.to_owned(),
            token: None,
        }
    }

    /// The status of a GET, or why there is none.
    pub fn status(&self, path: &str) -> Result<u16, Error> {
        self.send("GET", path, &[], None)
            .map(|answer| answer.status)
    }

    /// Signs in; later requests carry the token.
    pub fn sign_in(&mut self, user: &str, password: &str) -> Result<(), Error> {
        let body = serde_json::json!({ "username": user, "password": password }).to_string();
        let headers = [("content-type", "application/json")];
        let answer = self.expect(
            "POST",
            "/api/v1/session",
            &headers,
            Some(body.as_bytes()),
            &[200, 201],
        )?;
        let session: Session = self.decode("POST", "/api/v1/session", &answer)?;
        self.token = Some(session.token);
        Ok(())
    }

    /// The JSON at `path`.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let answer = self.expect("GET", path, &[], None, &[200])?;
        self.decode("GET", path, &answer)
    }

    /// Posts JSON; any of the `expected` statuses is right.
    pub fn post(
        &self,
        path: &str,
        body: &serde_json::Value,
        expected: &[u16],
    ) -> Result<Answer, Error> {
        self.expect(
            "POST",
            path,
            &[("content-type", "application/json")],
            Some(body.to_string().as_bytes()),
            expected,
        )
    }

    /// Sends a request; any of the `expected` statuses is right, another is an error with the answer's beginning.
    pub fn expect(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
        expected: &[u16],
    ) -> Result<Answer, Error> {
        let answer = self.send(method, path, headers, body)?;
        if expected.contains(&answer.status) {
            return Ok(answer);
        }
        Err(Error::Answer {
            request: self.shown(method, path),
            status: answer.status,
            body: beginning(&answer.body),
        })
    }

    fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Result<Answer, Error> {
        let failed = |reason: String| Error::NoAnswer {
            request: self.shown(method, path),
            reason,
        };
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = match body {
            Some(body) => request
                .body(body)
                .map_err(|error| failed(error.to_string()))
                .map(|request| self.agent.run(request))?,
            None => request
                .body(())
                .map_err(|error| failed(error.to_string()))
                .map(|request| self.agent.run(request))?,
        };
        let mut answer = answer.map_err(|error| failed(error.to_string()))?;
        let status = answer.status().as_u16();
        let body = answer
            .body_mut()
            .with_config()
            .limit(LONGEST)
            .read_to_vec()
            .map_err(|error| failed(error.to_string()))?;
        Ok(Answer { status, body })
    }

    fn decode<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        answer: &Answer,
    ) -> Result<T, Error> {
        serde_json::from_slice(&answer.body).map_err(|error| Error::NoAnswer {
            request: self.shown(method, path),
            reason: format!(
                "the answer cannot be read: {error}: {}",
                beginning(&answer.body)
            ),
        })
    }

    fn shown(&self, method: &str, path: &str) -> String {
        format!("{method} {}{path}", self.base)
    }
}

/// The beginning of a body, for messages.
fn beginning(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().take(500).collect()
}

/// A value as one part of a query.
pub fn escaped(value: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::io::{BufRead as _, BufReader, Write as _};

    /// A server that gives one answer to one request and hands back the request's head.
    fn once(answer: &'static str) -> (String, std::thread::JoinHandle<String>) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let head: Vec<String> = BufReader::new(stream.try_clone().unwrap())
                .lines()
                .map(Result::unwrap)
                .take_while(|line| !line.is_empty())
                .collect();
            stream.write_all(answer.as_bytes()).unwrap();
            head.join("\n")
        });
        (base, server)
    }

    #[test]
    fn an_unexpected_answer_is_shown() {
        let (base, server) = once(
            "HTTP/1.1 409 Conflict\r\ncontent-length: 9\r\nconnection: close\r\n\r\nduplicate",
        );
        let client = Client {
            token: Some("T".into()),
            ..Client::new(&base)
        };
        let error = client
            .expect("GET", "/x", &[("if-none-match", "*")], None, &[200])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("409") && error.contains("duplicate") && error.contains("/x"),
            "{error}"
        );
        let head = server.join().unwrap().to_lowercase();
        assert!(
            head.contains("authorization: bearer t") && head.contains("if-none-match: *"),
            "{head}"
        );
    }

    #[test]
    fn no_answer_says_where() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let error = Client::new(&base)
            .status("/health/live")
            .unwrap_err()
            .to_string();
        assert!(error.contains("/health/live"), "{error}");
    }

    #[test]
    fn queries_are_escaped() {
        assert_eq!(escaped("a b/ü&.R"), "a%20b%2F%C3%BC%26.R");
    }
}
