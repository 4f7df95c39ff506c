//! Between the seam's words and those of the Rserve client.

use crate::grid::session::{FoundSession, Marker, Proof, ReclaimTarget, SessionError};
use crate::store::{SessionRow, StoredNode};
use crate::{clock, ids};
use gridhelm_api::Code;
use gridhelm_api::node::NodeFacts;
use gridhelm_rserve::reclaim::{self, Reclaimed, Refusal, Target};
use gridhelm_rserve::run::SessionInfo;
use gridhelm_rserve::watch::{self, Probe};
use gridhelm_rserve::{Credentials, Endpoint, Error, Secret};

/// The seam's words for a client's error.
#[allow(clippy::needless_pass_by_value)] // for `map_err`
pub(super) fn of(error: Error) -> SessionError {
    let code = match &error {
        Error::Connect { source, .. } if source.kind() == std::io::ErrorKind::ConnectionRefused => {
            Code::NodeRefused
        }
        Error::Connect { .. } | Error::ConnectTimeout { .. } | Error::HandshakeTimeout { .. } => {
            Code::NodeSilent
        }
        Error::NotRserve { .. } => Code::NodeNotRserve,
        Error::SignInRefused { .. } | Error::Crypt { .. } => Code::NodeSignInRefused,
        _ => Code::NodeFailed,
    };
    let quit = matches!(
        &error,
        Error::Closed {
            quit_status: Some(_),
            ..
        }
    );
    SessionError {
        code,
        message: error.to_string(),
        ended_itself: quit,
        usable: error.leaves_session_usable(),
    }
}

pub(super) fn endpoint(node: &StoredNode) -> Endpoint {
    Endpoint {
        host: node.host.clone(),
        port: node.port,
    }
}

/// How a user's name ends at a node that wants to be told group and epoch (`deploy/node`).
const TOLD: &str = "@epoch";

/// How this server signs in; with the marker of a session for tasks, and without one to look at the node.
pub(super) fn credentials(node: &StoredNode, marker: Option<&Marker>) -> Option<Credentials> {
    let user = node.user.as_ref()?;
    let user = match (user.strip_suffix(TOLD), marker) {
        (Some(user), Some(marker)) => format!("{user}@{}@{}", marker.group, marker.epoch),
        (Some(user), None) => user.to_owned(),
        (None, _) => user.clone(),
    };
    Some(Credentials {
        user,
        password: Secret::new(node.password.clone().unwrap_or_default()),
    })
}

pub(super) fn marker_text(marker: &Marker) -> String {
    let marker = reclaim::Marker {
        group: marker.group.clone(),
        server: marker.server.clone(),
        epoch: unsigned(marker.epoch),
    };
    marker.text()
}

pub(super) fn row(
    node: &StoredNode,
    marker: &Marker,
    info: &SessionInfo,
) -> Result<SessionRow, SessionError> {
    let now = clock::now();
    let id = ids::session_id(now).map_err(|error| SessionError {
        code: Code::Internal,
        message: format!("the system's random source failed: {error}"),
        ended_itself: false,
        usable: false,
    })?;
    Ok(SessionRow {
        id,
        node: node.name.clone(),
        pid: i64::from(info.pid),
        start_ticks: signed(info.start_time_ticks),
        host_boot: info.boot_id.clone(),
        work_dir: info.work_dir.clone(),
        server: marker.server.clone(),
        epoch: marker.epoch,
        opened_at: now,
    })
}

pub(super) fn to_target(target: &ReclaimTarget) -> Option<Target> {
    Some(Target {
        pid: u32::try_from(target.pid).ok()?,
        start_time_ticks: u64::try_from(target.start_ticks).ok()?,
        boot_id: target.host_boot.clone(),
    })
}

pub(super) fn found(
    session: &watch::NodeSession,
    boot_id: &str,
    listener_pid: u32,
) -> FoundSession {
    FoundSession {
        pid: i64::from(session.pid),
        start_ticks: signed(session.start_time_ticks),
        host_boot: boot_id.to_owned(),
        marker: session.marker.as_ref().map(|m| Marker {
            group: m.group.clone(),
            server: m.server.clone(),
            epoch: signed(m.epoch),
        }),
        rss: session.memory,
        age_s: session.age_seconds,
        cpu_ms: session.cpu_ms,
        stopped: matches!(session.state, 'T' | 't'),
        orphan: session.parent_pid != listener_pid,
        client_gone: session.client_gone,
    }
}

/// What came of ending a session by hand.
pub(super) fn ended(done: &Reclaimed) -> (Proof, String) {
    let n = |processes: u32| match processes {
        0 | 1 => "its process".to_owned(),
        n => format!("{n} processes"),
    };
    let dir = |removed: bool| if removed { " and its directory" } else { "" };
    match done {
        Reclaimed::Killed {
            processes,
            work_dir_removed,
        } => (
            Proof::Dead,
            format!("Ended, with {}{}.", n(*processes), dir(*work_dir_removed)),
        ),
        Reclaimed::Gone { .. } => (Proof::Dead, "It had ended before.".to_owned()),
        Reclaimed::Refused { why, .. } => (Proof::None, refused(*why).to_owned()),
        Reclaimed::StillThere => (
            Proof::None,
            "It was killed and is still there: the kernel holds it, for a disk or network that does not answer.".to_owned(),
        ),
        Reclaimed::Interrupted => (Proof::None, "It was interrupted.".to_owned()),
    }
}

fn refused(why: Refusal) -> &'static str {
    match why {
        Refusal::NoMarker => "Left alone: it bears no mark.",
        Refusal::Foreign => "Left alone: it bears a mark by now. Look at the list again.",
        Refusal::Epoch => "Left alone: it is of another epoch.",
        Refusal::NoSession => "Left alone: this process is no session of the node.",
        Refusal::NotPermitted => "The node's user may not end it: end it on the node's host.",
    }
}

pub(super) fn facts(probe: &Probe) -> NodeFacts {
    NodeFacts {
        r_version: probe.r_version.clone(),
        rserve_version: probe.rserve_version.clone(),
        cores: probe.cores,
        memory_total: probe.glance.memory_total,
        memory_available: probe.glance.memory_available,
        disk_free: probe.disk_available,
        clock_offset_ms: probe.clock_ahead_ms,
        packages: u32::try_from(probe.packages.len()).unwrap_or(u32::MAX),
        host: format!("{}, {}", probe.host, probe.os),
        at: clock::now(),
    }
}

pub(super) fn share_used(available: u64, total: u64) -> Option<f64> {
    #[allow(clippy::cast_precision_loss)] // a share
    let share = 1.0 - available as f64 / total as f64;
    (total > 0).then(|| (share.clamp(0.0, 1.0) * 1_000.0).round() / 1_000.0)
}

pub(super) fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

pub(super) fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
