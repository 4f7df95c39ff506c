//! Who answers, and who is active; switching.

use gridhelm_api::Page;
use gridhelm_api::deployment::Deployment;
use gridhelm_api::group::{Failover, FailoverChange, Group, ServerStatus};
use gridhelm_api::join::{JoinToken, JoinTokenDraft, JoinTokenMade};
use gridhelm_api::switch::{Preflight, SwitchFilter, SwitchRecord, SwitchRequest};

use super::{Client, SLOW, path};
use crate::error::Result;
use crate::platform;
use crate::request::{Body, Method, add_query, encode};

impl Client {
    /// Who answers, and who is active. Needs no token.
    pub async fn server(&self) -> Result<ServerStatus> {
        self.get("/server").await
    }

    /// The group: epoch, active server, members.
    pub async fn group(&self) -> Result<Group> {
        self.get("/group").await
    }

    /// The deployment that this server, or a static host, describes to a console: a file beside the page, not part of the API.
    pub async fn deployment(&self) -> Result<Deployment> {
        let mut request = self.request(Method::Get, "", Body::None);
        request.url = [self.base.as_str(), "/deployment.json"].concat();
        platform::send(request).await?.json()
    }

    /// Checks whether `to` could take over now.
    pub async fn preflight(&self, to: &str) -> Result<Preflight> {
        let mut url = "/switch/preflight".to_owned();
        add_query(&mut url, "to", to);
        let mut request = self.request(Method::Get, &url, Body::None);
        request.timeout_s = SLOW;
        platform::send(request).await?.json()
    }

    /// Starts a switch; its steps come with the events.
    pub async fn switch(&self, switch: &SwitchRequest) -> Result<SwitchRecord> {
        let mut request = self.request(Method::Post, "/switch", Body::json(switch));
        request.timeout_s = SLOW;
        platform::send(request).await?.json()
    }

    /// Sets who decides that an active server that is gone is replaced, if the setting still has this version.
    pub async fn set_failover(&self, change: &FailoverChange, version: i64) -> Result<Failover> {
        let body = Body::json(change);
        self.call(Method::Put, "/group/failover", body, Some(version))
            .await
    }

    /// Calls off a planned switch that is scheduled, or has released nothing yet.
    pub async fn call_off(&self, id: &str) -> Result<SwitchRecord> {
        let mut url = "/switch/".to_owned();
        encode(&mut url, id);
        self.call(Method::Delete, &url, Body::None, None).await
    }

    /// Tokens by which servers join the group, newest first.
    pub async fn join_tokens(&self) -> Result<Vec<JoinToken>> {
        self.list("/group/join-tokens").await
    }

    /// Makes a token by which one server may join.
    pub async fn make_join_token(&self, draft: &JoinTokenDraft) -> Result<JoinTokenMade> {
        let body = Body::json(draft);
        self.call(Method::Post, "/group/join-tokens", body, None)
            .await
    }

    /// Takes a join token back.
    pub async fn revoke_join_token(&self, id: &str) -> Result<()> {
        let path = path(&["group", "join-tokens", id]);
        self.call(Method::Delete, &path, Body::None, None).await
    }

    /// Past switches, newest first.
    pub async fn switches(&self, filter: &SwitchFilter) -> Result<Page<SwitchRecord>> {
        self.get(&switches(filter)).await
    }
}

/// The address of a part of the history of switches.
fn switches(filter: &SwitchFilter) -> String {
    let mut url = "/switches".to_owned();
    // The query has the names and words of the filter's JSON.
    let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(filter) else {
        return url;
    };
    for (name, value) in fields {
        match value {
            serde_json::Value::String(text) => add_query(&mut url, &name, &text),
            other => add_query(&mut url, &name, &other.to_string()),
        }
    }
    url
}
