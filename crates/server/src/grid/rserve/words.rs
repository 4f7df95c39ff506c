//! Between the seam's words and those of the Rserve client.

use crate::grid::session::{FoundSession, Marker, ReclaimTarget, SessionError};
use crate::store::{SessionRow, StoredNode};
use crate::{clock, ids};
use gridhelm_api::Code;
use gridhelm_api::node::NodeFacts;
use gridhelm_rserve::reclaim::{self, Target};
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

pub(super) fn credentials(node: &StoredNode) -> Option<Credentials> {
    node.user.as_ref().map(|user| Credentials {
        user: user.clone(),
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

pub(super) fn found(session: &watch::NodeSession, boot_id: &str) -> FoundSession {
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
