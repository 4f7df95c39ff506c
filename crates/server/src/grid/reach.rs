//! Looking at nodes from a server that does not look after them: preflight and tests of nodes to be.

use super::Grid;
use crate::clock;
use crate::store::StoredNode;
use futures_util::StreamExt as _;
use gridhelm_api::node::{Intent, NodeDraft};
use gridhelm_api::switch::{Check, Outcome};
use std::fmt::Write as _;
use std::time::Duration;

/// How many nodes are tried at once.
const AT_ONCE: usize = 32;
/// How long a node may take to answer.
const LIMIT: Duration = Duration::from_secs(3);
/// How many nodes are named that do not answer.
const NAMED: usize = 5;

/// How long before its end the certificate for nodes is worth a word, milliseconds.
const ENDING: i64 = 30 * DAY;
const DAY: i64 = 86_400_000;

/// What to say of a certificate for nodes that ends in so many milliseconds.
fn ending(left: i64) -> Option<String> {
    let days = left / DAY;
    match left {
        ..0 => Some("The certificate that it shows to nodes has expired.".to_owned()),
        0..ENDING => Some(format!(
            "The certificate that it shows to nodes ends in {days} day{}.",
            if days == 1 { "" } else { "s" }
        )),
        _ => None,
    }
}

impl Grid {
    /// Whether every enabled node answers a heartbeat of this server.
    pub(crate) async fn reach_nodes(&self) -> Check {
        let id = "nodes_reachable".to_owned();
        let title = "Every enabled node answers this server".to_owned();
        let nodes = match self.store.nodes().await {
            Ok(nodes) => nodes,
            Err(error) => {
                return Check {
                    id,
                    title,
                    outcome: Outcome::Fail,
                    evidence: format!("The nodes cannot be read: {error}."),
                    repair: Some("Look at the database, then check again.".to_owned()),
                };
            }
        };
        let enabled: Vec<StoredNode> = nodes
            .into_iter()
            .filter(|n| n.intent == Intent::Enabled)
            .collect();
        let total = enabled.len();
        let silent: Vec<String> = futures_util::stream::iter(enabled)
            .map(|node| async move {
                let beat = tokio::time::timeout(LIMIT, self.provider.heartbeat(&node)).await;
                let name = &node.name;
                match beat {
                    Ok(Ok(_)) => None,
                    Ok(Err(error)) => Some(format!("{name} ({})", error.brief())),
                    Err(_) => Some(format!("{name} (no answer within {} s)", LIMIT.as_secs())),
                }
            })
            .buffer_unordered(AT_ONCE)
            .filter_map(|silent| async move { silent })
            .collect()
            .await;
        if total == 0 {
            return Check {
                id,
                title,
                outcome: Outcome::Warn,
                evidence: "No node is enabled.".to_owned(),
                repair: Some("Register or enable a node, or tasks will wait.".to_owned()),
            };
        }
        if silent.is_empty() {
            let evidence = format!("{total} of {total} answered {}.", self.server);
            let ends = self.provider.certificate_ends();
            let ending = ends.and_then(|ends| ending(ends - clock::now()));
            return Check {
                id,
                title,
                outcome: match ending {
                    Some(_) => Outcome::Warn,
                    None => Outcome::Pass,
                },
                evidence: match &ending {
                    Some(words) => format!("{evidence} {words}"),
                    None => evidence,
                },
                repair: ending.map(|_| {
                    "Give this server a new certificate for nodes ([nodes.tls]); it is taken up within seconds.".to_owned()
                }),
            };
        }
        let more = silent.len().saturating_sub(NAMED);
        let mut named = silent[..silent.len() - more].join(", ");
        if more > 0 {
            let _ = write!(named, " and {more} more");
        }
        // With some nodes gone a switch still helps; with none left it cannot.
        let outcome = if silent.len() == total {
            Outcome::Fail
        } else {
            Outcome::Warn
        };
        Check {
            id,
            title,
            outcome,
            evidence: format!(
                "{} of {total} do not answer {}: {named}.",
                silent.len(),
                self.server
            ),
            repair: Some(
                "Look at these nodes and at the network between them and this server, or disable \
                 them."
                    .to_owned(),
            ),
        }
    }
}

/// A node that is not registered, for a test.
pub(super) fn to_be(draft: &NodeDraft) -> StoredNode {
    let now = clock::now();
    StoredNode {
        name: draft.name.clone(),
        host: draft.host.clone(),
        port: draft.port,
        user: draft.user.clone(),
        password: draft.password.clone(),
        slot_limit: draft.slot_limit,
        operating_type: draft.operating_type,
        labels: draft.labels.clone(),
        intent: draft.intent,
        intent_reason: None,
        intent_by: None,
        intent_since: now,
        intent_until: None,
        intent_force: false,
        version: 0,
        created_at: now,
    }
}
