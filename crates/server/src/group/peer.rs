//! What the servers of a group say to each other directly, over HTTP:
//!
//! - `GET /api/v1/server`, as everyone;
//! - `GET /api/v1/switch/reach`: a [`Check`](gridhelm_api::switch::Check) whether the enabled nodes answer
//!   the asked server;
//! - `POST /api/v1/switch/take` with a [`TakeOrder`], answered by [`Taken`].
//!
//! The last two are for the group's servers alone: they bear a token signed with the group's key, whose
//! subject is `server:NAME` and which lives for seconds. They only make a switch faster and its checks
//! better: what makes it safe is the epoch in the database.

use gridhelm_api::Problem;
use gridhelm_api::group::ServerStatus;
use gridhelm_api::switch::{Check, SwitchRecord};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Makes a token for the next call to a server of the group.
pub type PeerToken = Arc<dyn Fn() -> Result<String, String> + Send + Sync>;

/// The leaving server to its successor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakeOrder {
    /// The switch, as it stands.
    pub switch: SwitchRecord,
    /// The epoch that was released; absent while the switch is only being prepared: then the successor
    /// looks at the epoch often, so that it takes over at once even if the next call never arrives.
    #[serde(default)]
    pub released: Option<i64>,
}

/// The successor's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// The epoch as the successor knows it now: its own when it has taken the active role.
    pub epoch: i64,
    /// Whether it is active now.
    pub active: bool,
}

/// How long a connection to a server of the group may take to open.
const CONNECT: Duration = Duration::from_millis(700);
/// The largest answer that is read, bytes.
const MAX_ANSWER: usize = 256 * 1024;

/// Calls the group's other servers.
pub(super) struct Peers {
    http: reqwest::Client,
    token: PeerToken,
}

impl Peers {
    pub(super) fn new(token: PeerToken) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap_or_default();
        Self { http, token }
    }

    /// Who answers there, and how long that took.
    pub(super) async fn status(
        &self,
        url: &str,
        within: Duration,
    ) -> Result<(ServerStatus, Duration), String> {
        let began = Instant::now();
        let address = format!("{url}/api/v1/server");
        let status = json(self.http.get(&address), &address, within).await?;
        Ok((status, began.elapsed()))
    }

    /// Whether the server says that it is ready.
    pub(super) async fn ready(&self, url: &str, within: Duration) -> Result<(), String> {
        let address = format!("{url}/health/ready");
        send(self.http.get(&address), &address, within)
            .await
            .map(|_| ())
    }

    /// Whether the enabled nodes answer the server there.
    pub(super) async fn reach(&self, url: &str, within: Duration) -> Result<Check, String> {
        let address = format!("{url}/api/v1/switch/reach");
        let request = self.http.get(&address).bearer_auth((self.token)()?);
        json(request, &address, within).await
    }

    /// Gives the successor its order.
    pub(super) async fn order(
        &self,
        url: &str,
        order: &TakeOrder,
        within: Duration,
    ) -> Result<Taken, String> {
        let address = format!("{url}/api/v1/switch/take");
        let request = self
            .http
            .post(&address)
            .bearer_auth((self.token)()?)
            .json(order);
        json(request, &address, within).await
    }
}

/// Sends a request and reads a good answer; everything within the given time.
async fn send(
    request: reqwest::RequestBuilder,
    address: &str,
    within: Duration,
) -> Result<Vec<u8>, String> {
    let exchange = async {
        let mut response = request.send().await.map_err(|error| why(&error))?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| why(&error))? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(format!("answers with more than {MAX_ANSWER} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return Ok(body);
        }
        let detail = serde_json::from_slice::<Problem>(&body)
            .map(|problem| format!(": {}", problem.detail))
            .unwrap_or_default();
        Err(format!("answers with status {}{detail}", status.as_u16()))
    };
    tokio::time::timeout(within, exchange)
        .await
        .unwrap_or_else(|_| Err(format!("does not answer within {} ms", within.as_millis())))
        .map_err(|error| format!("{address} {error}"))
}

async fn json<T: serde::de::DeserializeOwned>(
    request: reqwest::RequestBuilder,
    address: &str,
    within: Duration,
) -> Result<T, String> {
    let body = send(request, address, within).await?;
    serde_json::from_slice(&body)
        .map_err(|error| format!("{address} does not answer as a Gridhelm server: {error}"))
}

/// The innermost cause in words: "Connection refused (os error 111)".
fn why(error: &reqwest::Error) -> String {
    let mut cause: &dyn core::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    format!("cannot be reached: {cause}")
}
