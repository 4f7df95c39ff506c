//! Groups to test with.

use std::sync::Arc;

use gridhelm_api::group::{Group as GroupInfo, ServerRole, ServerStatus};

use super::glance::{GroupGlance, ServerGlance};
use crate::deployment::Tally;
use crate::pages::grid::sample::node;

/// A live server.
pub(crate) fn server(name: &str, role: ServerRole) -> ServerGlance {
    let status = ServerStatus {
        name: name.to_owned(),
        role,
        ready: true,
        epoch: 4,
        version: "0.1.0".to_owned(),
        ..ServerStatus::default()
    };
    ServerGlance {
        name: name.to_owned(),
        live: true,
        status: Some(status),
        round_trip: Some(12.0),
        ..ServerGlance::default()
    }
}

/// A server that has not answered for that long, and was active.
pub(crate) fn down(name: &str, millis: f64) -> ServerGlance {
    ServerGlance {
        live: false,
        down: Some(("connection refused".to_owned(), millis)),
        ..server(name, ServerRole::Active)
    }
}

/// A group of two servers and two healthy nodes.
pub(crate) fn group(name: &str) -> GroupGlance {
    let first = format!("{name}-1");
    let nodes = vec![
        Arc::new(node(&format!("{name}-r01"))),
        Arc::new(node(&format!("{name}-r02"))),
    ];
    let mut tally = Tally::default();
    for node in &nodes {
        tally.add(node);
    }
    let info = GroupInfo {
        name: name.to_owned(),
        epoch: 4,
        active: Some(first.clone()),
        since: Some(0),
        by: None,
        reason: None,
        members: Vec::new(),
        database: "SQLite, one host".to_owned(),
        database_checks: Vec::new(),
        failover: gridhelm_api::group::Failover::default(),
    };
    GroupGlance {
        name: name.to_owned(),
        signed_in: true,
        servers: vec![
            server(&first, ServerRole::Active),
            server(&format!("{name}-2"), ServerRole::Standby),
        ],
        source: Some(0),
        age_ms: Some(400.0),
        info: Some(info),
        tally,
        nodes,
        ..GroupGlance::default()
    }
}
