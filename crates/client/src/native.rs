//! Requests by `reqwest`, for servers, tests and benches. Dropping the future, or the stream, ends the request.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::curl;
use crate::error::{Error, Result, bare};
use crate::request::{Answer, Body, Method, Request};

/// Whose certificates are trusted; nobody's when that was never said.
static ROOTS: OnceLock<Vec<reqwest::Certificate>> = OnceLock::new();

/// Why certificates cannot be trusted: what is wrong with the text, or with the moment.
#[derive(Debug, thiserror::Error)]
#[error("the certificates to trust cannot be used: {0}")]
pub struct TrustError(String);

/// Trusts servers whose certificates those in this PEM text signed, and no others. Once in a process, before its first
/// request: without it, only `http://` addresses can be called.
///
/// # Errors
/// [`TrustError`]: the text is not PEM, holds no certificate, or this comes too late.
pub fn trust(pem: &[u8]) -> core::result::Result<(), TrustError> {
    let roots = reqwest::Certificate::from_pem_bundle(pem)
        .map_err(|cause| TrustError(cause.to_string()))?;
    if roots.is_empty() {
        return Err(TrustError("it holds no certificate (PEM)".to_owned()));
    }
    ROOTS
        .set(roots)
        .map_err(|_| TrustError("it was said before, or a request was made".to_owned()))
}

fn http() -> &'static reqwest::Client {
    // One pool of connections for the process. Redirects are not followed: the API sends none, and a token must not travel.
    static HTTP: OnceLock<reqwest::Client> = OnceLock::new();
    HTTP.get_or_init(|| {
        // An error says that the process has chosen one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let roots = ROOTS.get_or_init(Vec::new);
        reqwest::Client::builder()
            .tls_certs_only(roots.iter().cloned())
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .tcp_nodelay(true)
            .build()
            .unwrap_or_default()
    })
}

/// Milliseconds since some moment.
pub(crate) fn now_ms() -> f64 {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    BEGAN.get_or_init(Instant::now).elapsed().as_secs_f64() * 1e3
}

/// Waits.
pub(crate) async fn sleep(ms: u32) {
    tokio::time::sleep(Duration::from_millis(u64::from(ms))).await;
}

async fn fetch(request: &Request<'_>) -> Result<(String, u32, reqwest::Response)> {
    let method = match request.method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
        Method::Delete => reqwest::Method::DELETE,
    };
    let mut call = http().request(method, &request.url);
    if let Some(token) = request.token {
        call = call.bearer_auth(token.secret());
    }
    call = match &request.body {
        Body::None => call,
        Body::Json(text) => call
            .header("content-type", "application/json")
            .body(text.clone()),
        Body::Bytes(bytes) => call
            .header("content-type", "application/octet-stream")
            .body(bytes.clone()),
    };
    for (name, value) in &request.headers {
        call = call.header(*name, value);
    }
    let (url, seconds) = (request.url.clone(), request.timeout_s);
    let limit = Duration::from_secs(u64::from(seconds));
    match tokio::time::timeout(limit, call.send()).await {
        Err(_) => Err(Error::TimedOut {
            url: bare(&url),
            seconds,
        }),
        Ok(Err(cause)) => Err(network(&url, &cause)),
        Ok(Ok(response)) => Ok((url, seconds, response)),
    }
}

fn network(url: &str, cause: &reqwest::Error) -> Error {
    // The innermost cause says what happened: "Connection refused", not "error sending request".
    let mut inner: &dyn std::error::Error = cause;
    while let Some(source) = inner.source() {
        inner = source;
    }
    Error::Network {
        url: bare(url),
        detail: inner.to_string(),
    }
}

pub(crate) async fn send(request: Request<'_>) -> Result<Answer> {
    let (url, seconds, response) = fetch(&request).await?;
    let status = response.status().as_u16();
    let etag = response
        .headers()
        .get("etag")
        .and_then(|etag| etag.to_str().ok())
        .map(str::to_owned);
    let body = match tokio::time::timeout(Duration::from_secs(u64::from(seconds)), response.bytes())
        .await
    {
        Err(_) => {
            return Err(Error::TimedOut {
                url: bare(&url),
                seconds,
            });
        }
        Ok(Err(cause)) => return Err(network(&url, &cause)),
        Ok(Ok(body)) => body.to_vec(),
    };
    if !(200..300).contains(&status) {
        let error = Error::of_status(&url, status, &body);
        curl::remember(&error, &request);
        return Err(error);
    }
    Ok(Answer {
        status,
        etag,
        body,
        url,
    })
}

/// The body of an answer, piece by piece, for as long as the server sends.
pub(crate) struct Pieces {
    url: String,
    response: reqwest::Response,
}

/// Sends, and gives the answer's body as it comes. The request's time-out holds until the answer's head is there.
pub(crate) async fn open(request: Request<'_>) -> Result<Pieces> {
    let (url, _, response) = fetch(&request).await?;
    let status = response.status().as_u16();
    if !(200..300).contains(&status) {
        let body = response
            .bytes()
            .await
            .map_err(|cause| network(&url, &cause))?;
        return Err(Error::of_status(&url, status, &body));
    }
    Ok(Pieces { url, response })
}

impl Pieces {
    /// The next piece; `None` when the server has ended the stream.
    pub(crate) async fn next(&mut self) -> Option<Result<Vec<u8>>> {
        match self.response.chunk().await {
            Ok(piece) => piece.map(|piece| Ok(piece.to_vec())),
            Err(cause) => Some(Err(network(&self.url, &cause))),
        }
    }
}
