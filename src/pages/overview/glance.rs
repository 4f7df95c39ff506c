//! What the overview knows of a group at one moment, taken out of the live state, so that what it says can be tested.

use std::sync::Arc;

use gridhelm_api::Millis;
use gridhelm_api::group::{Group as GroupInfo, GroupStats, ServerRole, ServerStatus};
use gridhelm_api::node::Node;

use crate::deployment::{Connection, Group, Tally};

/// From which age on data is old, milliseconds.
pub(crate) const OLD: f64 = 10_000.0;

/// A server at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ServerGlance {
    /// Its name.
    pub(crate) name: String,
    /// Whether its stream is open.
    pub(crate) live: bool,
    /// Whether the first try is still under way.
    pub(crate) connecting: bool,
    /// Why it is down, and for how long, milliseconds.
    pub(crate) down: Option<(String, f64)>,
    /// What it last said of itself.
    pub(crate) status: Option<ServerStatus>,
    /// How long a small request took, milliseconds.
    pub(crate) round_trip: Option<f64>,
}

impl ServerGlance {
    /// Whether it lives and says that it does the work.
    pub(crate) fn is_active(&self) -> bool {
        self.live
            && self.status.as_ref().is_some_and(|status| {
                matches!(status.role, ServerRole::Active | ServerRole::Leaving)
            })
    }

    /// Whether it lives and could take over.
    pub(crate) fn is_ready_standby(&self) -> bool {
        self.live
            && self
                .status
                .as_ref()
                .is_some_and(|status| status.role == ServerRole::Standby && status.ready)
    }
}

/// A group at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct GroupGlance {
    /// Its name.
    pub(crate) name: String,
    /// Whether someone is signed in to it.
    pub(crate) signed_in: bool,
    /// Its servers.
    pub(crate) servers: Vec<ServerGlance>,
    /// Index of the server whose grid is shown.
    pub(crate) source: Option<usize>,
    /// How old that is, milliseconds; none before the first data.
    pub(crate) age_ms: Option<f64>,
    /// Who is active, since when and why.
    pub(crate) info: Option<GroupInfo>,
    /// Counts of tasks.
    pub(crate) stats: GroupStats,
    /// Counts of nodes and slots.
    pub(crate) tally: Tally,
    /// The nodes, by name.
    pub(crate) nodes: Vec<Arc<Node>>,
}

impl GroupGlance {
    /// Takes it. Tracks everything of the group but single nodes' rows, which it tracks once a frame; `now` is the page's clock.
    pub(crate) fn take(group: &'static Group, now: f64) -> Self {
        group.nodes.track_all();
        let server = |server: &crate::deployment::Server| {
            let connection = server.connection.get();
            ServerGlance {
                name: server.name.clone(),
                live: connection == Connection::Live,
                connecting: connection == Connection::Connecting,
                down: match connection {
                    Connection::Down { since, reason, .. } => {
                        Some((reason, (now - since).max(0.0)))
                    }
                    _ => None,
                },
                status: server.status.get(),
                round_trip: server.round_trip.get(),
            }
        };
        Self {
            name: group.name.clone(),
            signed_in: group.signed_in(),
            servers: group.servers.iter().map(server).collect(),
            source: group.source.get(),
            age_ms: group.age_ms(now),
            info: group.info.get(),
            stats: group.stats.get(),
            tally: group.tally.get(),
            nodes: group
                .nodes
                .rows()
                .iter()
                .map(|row| row.item.get_untracked())
                .collect(),
        }
    }

    /// Whether an active server answers and could do its work.
    pub(crate) fn serves(&self) -> bool {
        self.servers.iter().any(|server| {
            server.is_active() && server.status.as_ref().is_some_and(|status| status.ready)
        })
    }

    /// Whether nothing is known yet: the first tries are under way.
    pub(crate) fn is_starting(&self) -> bool {
        self.age_ms.is_none()
            && self
                .servers
                .iter()
                .any(|server| server.connecting || (server.live && server.status.is_none()))
    }

    /// Whether its figures are old.
    pub(crate) fn is_old(&self) -> bool {
        self.age_ms.is_none_or(|age| age > OLD)
    }
}

/// How long ago that was, milliseconds, by `wall`.
#[allow(clippy::cast_precision_loss)] // exact until the year 287396
pub(crate) fn since(wall: f64, at: Millis) -> f64 {
    (wall - at as f64).max(0.0)
}
