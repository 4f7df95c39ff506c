//! Nodes of the grid.

use gridhelm_api::node::{IntentChange, Node, NodeDraft, NodePatch, NodeTest, TimelinePoint};

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

    /// How many slots of a node could be used, over the last 30 minutes.
    pub async fn node_timeline(&self, name: &str) -> Result<Vec<TimelinePoint>> {
        self.get(&path(&["nodes", name, "timeline"])).await
    }
}
