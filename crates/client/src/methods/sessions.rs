//! R sessions on the nodes.

use gridhelm_api::session::{NodeSession, SessionEnded, SessionsEnd};

use super::{Client, SLOW, path};
use crate::error::Result;
use crate::platform;
use crate::request::{Body, Method};

impl Client {
    /// The sessions on all nodes that a person may have to look at: the first 1,000 of them that nobody uses.
    pub async fn left_over_sessions(&self) -> Result<Vec<NodeSession>> {
        self.list("/sessions?kind=zombie,abandoned,unknown&limit=1000")
            .await
    }

    /// Ends sessions of a node that nobody uses; what became of each.
    pub async fn end_r_sessions(
        &self,
        node: &str,
        order: &SessionsEnd,
    ) -> Result<Vec<SessionEnded>> {
        let place = path(&["nodes", node, "sessions", "end"]);
        let mut request = self.request(Method::Post, &place, Body::json(order));
        request.timeout_s = SLOW;
        platform::send(request).await?.json()
    }
}
