//! What the servers of a group say to each other directly, over HTTP:
//!
//! - `GET /api/v1/server`, as everyone;
//! - `GET /api/v1/switch/reach`: a [`Check`](gridhelm_api::switch::Check) whether the enabled nodes answer
//!   the asked server;
//! - `GET /api/v1/switch/after?within_ms=N`: [`After`], what there is to see at the new active server, and how many
//!   requests it refused in the last N milliseconds;
//! - `POST /api/v1/switch/take` with a [`TakeOrder`], answered by [`Taken`].
//!
//! The last three are for the group's servers alone: they bear a token signed with the group's key, whose
//! subject is `server:NAME` and which lives for seconds. They only make a switch faster and its checks
//! better: what makes it safe is the epoch in the database.

use crate::tls::Tls;
use gridhelm_api::Problem;
use gridhelm_api::group::ServerStatus;
use gridhelm_api::switch::{Check, SwitchRecord};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Makes a token for the next call to a server of the group.
pub type PeerToken = Arc<dyn Fn() -> Result<String, String> + Send + Sync>;

/// The leaving server to its successor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TakeOrder {
    /// The switch, as it stands.
    pub switch: SwitchRecord,
    /// The epoch that was released; absent while the switch is only being prepared: then the successor
    /// looks at the epoch often, so that it takes over at once even if the next call never arrives.
    #[serde(default)]
    pub released: Option<i64>,
}

/// The successor's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Taken {
    /// The epoch as the successor knows it now: its own when it has taken the active role.
    pub epoch: i64,
    /// Whether it is active now.
    pub active: bool,
}

/// What the new active server says after a switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct After {
    /// What was looked at.
    pub checks: Vec<Check>,
    /// Requests for work that it refused of late because it was not active yet.
    pub refused: u64,
}

/// A server that was met.
pub(super) struct Met {
    pub(super) status: ServerStatus,
    /// How long it took to answer.
    pub(super) took: Duration,
    /// By how many seconds its clock is ahead of this one's, if it said.
    pub(super) ahead: Option<i64>,
}

/// How long a connection to a server of the group may take to open.
const CONNECT: Duration = Duration::from_millis(700);
/// How long an unused connection is kept: less than a server keeps it.
const IDLE: Duration = Duration::from_secs(10);
/// The largest answer that is read, bytes.
const MAX_ANSWER: usize = 256 * 1024;

/// Calls the group's other servers.
pub(super) struct Peers {
    http: reqwest::Client,
    token: PeerToken,
}

impl Peers {
    pub(super) fn new(token: PeerToken, tls: &Tls) -> Self {
        let http = tls
            .caller()
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
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

    /// As [`Peers::status`], with the answer's `Date`: what that host's clock said.
    pub(super) async fn meet(&self, url: &str, within: Duration) -> Result<Met, String> {
        let began = Instant::now();
        let address = format!("{url}/api/v1/server");
        let (body, date) = exchange(self.http.get(&address), &address, within).await?;
        Ok(Met {
            status: read(&body, &address)?,
            took: began.elapsed(),
            ahead: date.map(|date| ahead(date, SystemTime::now())),
        })
    }

    /// What there is to see at the new active server after a switch.
    pub(super) async fn after(
        &self,
        url: &str,
        since: Duration,
        within: Duration,
    ) -> Result<After, String> {
        let address = format!("{url}/api/v1/switch/after?within_ms={}", since.as_millis());
        let request = self.http.get(&address).bearer_auth((self.token)()?);
        json(request, &address, within).await
    }

    /// Whether the server says that it is ready.
    pub(super) async fn ready(&self, url: &str, within: Duration) -> Result<(), String> {
        let address = format!("{url}/health/ready");
        exchange(self.http.get(&address), &address, within)
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

/// By how many seconds the other host's clock is ahead of this one's. The header's are whole seconds.
fn ahead(theirs: SystemTime, mine: SystemTime) -> i64 {
    let whole = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    match theirs.duration_since(mine) {
        Ok(ahead) => whole(ahead),
        Err(behind) => -whole(behind.duration()),
    }
}

/// Sends a request and reads a good answer and its date; everything within the given time.
async fn exchange(
    request: reqwest::RequestBuilder,
    address: &str,
    within: Duration,
) -> Result<(Vec<u8>, Option<SystemTime>), String> {
    let exchange = async {
        let mut response = request.send().await.map_err(|error| why(&error))?;
        let status = response.status();
        let date = response.headers().get(reqwest::header::DATE);
        let date = date
            .and_then(|date| date.to_str().ok())
            .and_then(|date| httpdate::parse_http_date(date).ok());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| why(&error))? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(format!("answers with more than {MAX_ANSWER} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return Ok((body, date));
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

fn read<T: serde::de::DeserializeOwned>(body: &[u8], address: &str) -> Result<T, String> {
    serde_json::from_slice(body)
        .map_err(|error| format!("{address} does not answer as a Gridhelm server: {error}"))
}

async fn json<T: serde::de::DeserializeOwned>(
    request: reqwest::RequestBuilder,
    address: &str,
    within: Duration,
) -> Result<T, String> {
    read(&exchange(request, address, within).await?.0, address)
}

/// The innermost cause in words: "Connection refused (os error 111)".
fn why(error: &reqwest::Error) -> String {
    let mut cause: &dyn core::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    format!("cannot be reached: {cause}")
}
