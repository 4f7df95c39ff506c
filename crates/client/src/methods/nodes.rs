//! Nodes of the grid.

use gridhelm_api::Millis;
use gridhelm_api::availability::{Availability, GridHistory};
use gridhelm_api::measures::NodeMeasures;
use gridhelm_api::node::{
    GridLimits, IntentChange, Node, NodeDraft, NodePatch, NodeTest, TimelinePoint,
};

use super::{Client, SLOW, path};
use crate::error::Result;
use crate::platform;
use crate::request::{Body, Method};

impl Client {
    /// All nodes of the group.
    pub async fn nodes(&self) -> Result<Vec<Node>> {
        self.list("/nodes").await
    }

    /// One node.
    pub async fn node(&self, name: &str) -> Result<Node> {
        self.get(&path(&["nodes", name])).await
    }

    /// Tries whether a node would work, without registering it.
    pub async fn test_node(&self, draft: &NodeDraft) -> Result<NodeTest> {
        let mut request = self.request(Method::Post, "/nodes/test", Body::json(draft));
        request.timeout_s = SLOW;
        platform::send(request).await?.json()
    }

    /// Registers a node.
    pub async fn create_node(&self, draft: &NodeDraft) -> Result<Node> {
        self.call(Method::Post, "/nodes", Body::json(draft), None)
            .await
    }

    /// Changes a node, if it still is at that version.
    pub async fn patch_node(&self, name: &str, version: i64, patch: &NodePatch) -> Result<Node> {
        self.call(
            Method::Patch,
            &path(&["nodes", name]),
            Body::json(patch),
            Some(version),
        )
        .await
    }

    /// Enables, drains or disables a node, if it still is at that version.
    pub async fn set_intent(
        &self,
        name: &str,
        version: i64,
        change: &IntentChange,
    ) -> Result<Node> {
        self.call(
            Method::Post,
            &path(&["nodes", name, "intent"]),
            Body::json(change),
            Some(version),
        )
        .await
    }

    /// Takes a node out of the grid for good, if it still is at that version.
    pub async fn remove_node(&self, name: &str, version: i64) -> Result<()> {
        self.call(
            Method::Delete,
            &path(&["nodes", name]),
            Body::None,
            Some(version),
        )
        .await
    }

    /// Looks at a node now instead of at the next turn.
    pub async fn probe_node(&self, name: &str) -> Result<Node> {
        let mut request = self.request(Method::Post, &path(&["nodes", name, "probe"]), Body::None);
        request.timeout_s = SLOW;
        platform::send(request).await?.json()
    }

    /// As [`Client::remove_node`], whatever that leaves of the grid.
    pub async fn remove_node_all_the_same(&self, name: &str, version: i64) -> Result<()> {
        let path = [&path(&["nodes", name]), "?override_guard=true"].concat();
        self.call(Method::Delete, &path, Body::None, Some(version))
            .await
    }

    /// What an action must leave of the grid.
    pub async fn grid_limits(&self) -> Result<GridLimits> {
        self.get("/grid/limits").await
    }

    /// Sets that, if it still is at its version.
    pub async fn set_grid_limits(&self, limits: &GridLimits) -> Result<GridLimits> {
        let version = Some(limits.version);
        self.call(Method::Put, "/grid/limits", Body::json(limits), version)
            .await
    }

    /// All changes of capacity since a moment.
    pub async fn grid_history(&self, since: Millis) -> Result<GridHistory> {
        self.get(&format!("/grid/history?since={since}")).await
    }

    /// How much of the last day and week slots and nodes could be used.
    pub async fn availability(&self) -> Result<Availability> {
        self.get("/availability").await
    }

    /// How many slots of a node could be used, from a moment on.
    pub async fn node_timeline_since(
        &self,
        name: &str,
        since: Millis,
    ) -> Result<Vec<TimelinePoint>> {
        let path = path(&["nodes", name, "timeline"]);
        self.get(&format!("{path}?since={since}")).await
    }

    /// What the active server measured of a node in the last hour.
    pub async fn node_measures(&self, name: &str) -> Result<NodeMeasures> {
        self.get(&path(&["nodes", name, "measures"])).await
    }

    /// How many slots of a node could be used, over the last 30 minutes.
    pub async fn node_timeline(&self, name: &str) -> Result<Vec<TimelinePoint>> {
        self.get(&path(&["nodes", name, "timeline"])).await
    }
}
