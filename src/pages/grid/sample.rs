//! A node to test with.

use gridhelm_api::node::{Health, Intent, Node, OperatingType, Slot};

/// A healthy node with three idle slots.
pub(crate) fn node(name: &str) -> Node {
    Node {
        name: name.to_owned(),
        host: "10.0.0.1".to_owned(),
        port: 6311,
        user: None,
        slot_limit: 3,
        operating_type: OperatingType::Mixed,
        labels: Vec::new(),
        intent: Intent::Enabled,
        intent_reason: None,
        intent_by: None,
        intent_since: 0,
        intent_until: None,
        intent_force: false,
        version: 1,
        created_at: 0,
        health: Health::Healthy,
        health_reason: None,
        health_since: 0,
        failures: 0,
        last_heartbeat: None,
        heartbeat_ms: None,
        load: None,
        memory_used: None,
        facts: None,
        drain: None,
        slots: vec![Slot::default(); 3],
    }
}
