//! Keeps this server's place in its group.

use super::{Duties, PeerToken, Standing, SwitchError, TakeOrder, Taken};
use crate::hub::Hub;
use crate::store::{AuditDraft, Owner, Store, StoreError};
use gridhelm_api::Millis;
use gridhelm_api::group::{Group, ServerRole, ServerStatus};
use gridhelm_api::switch::{Check, Preflight, SwitchRecord, SwitchRequest};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

/// What a keeper is made of.
pub struct KeeperParts {
    /// The group's database.
    pub store: Arc<dyn Store>,
    /// Where changes are published.
    pub hub: Hub,
    /// What is taken up and laid down with the active role.
    pub duties: Arc<dyn Duties>,
    /// Where this server's standing is told.
    pub standing: watch::Sender<Standing>,
    /// This process.
    pub me: Owner,
    /// The group's name.
    pub group: String,
    /// When this process started.
    pub started_at: Millis,
    /// The file that the active server holds locked for life.
    pub lock_file: PathBuf,
    /// Makes tokens for calls to the group's other servers.
    pub peer_token: PeerToken,
}

impl KeeperParts {
    /// What `GET /server` answers before the database was asked.
    pub fn first_status(me: &Owner, group: &str, started_at: Millis) -> ServerStatus {
        ServerStatus {
            name: me.server.clone(),
            group: group.to_owned(),
            role: ServerRole::Standby,
            ready: false,
            not_ready: Some("starting".into()),
            version: env!("CARGO_PKG_VERSION").into(),
            boot: me.boot.clone(),
            started_at,
            ..ServerStatus::default()
        }
    }
}

/// Keeps this server's place in its group: announces it, claims the active role where that is its to
/// claim, renews the lease, watches the epoch, and leads or follows a switch.
pub struct Keeper {
    parts: KeeperParts,
}

impl Keeper {
    /// Starts to keep.
    pub fn start(parts: KeeperParts) -> Arc<Self> {
        Arc::new(Self { parts })
    }

    /// Looks whether the server `to` could take over. Works at every server of the group.
    pub async fn preflight(&self, to: &str) -> Result<Preflight, SwitchError> {
        let epoch = self.parts.store.epoch().await?.epoch;
        Ok(Preflight {
            from: None,
            to: to.to_owned(),
            epoch,
            at: crate::clock::now(),
            checks: Vec::new(),
        })
    }

    /// Begins a switch; it goes on in the background and is published as it goes.
    pub async fn switch(
        &self,
        _request: SwitchRequest,
        _by: &str,
        _audit: AuditDraft,
    ) -> Result<SwitchRecord, SwitchError> {
        Err(SwitchError::Conflict {
            why: "This build cannot switch.".into(),
        })
    }

    /// The switch that is under way, or the last one that this server knows of.
    pub fn current_switch(&self) -> Option<SwitchRecord> {
        None
    }

    /// Whether new requests shall wait for the next active server: from the moment that this server stops
    /// taking work in a switchover until its successor is active or the switchover has failed. The end shows
    /// as a change of [`Standing`].
    pub fn parking(&self) -> bool {
        false
    }

    /// The group, with the active server left out when it has fallen silent.
    pub async fn group(&self) -> Result<Group, StoreError> {
        self.parts.store.group().await
    }

    /// Looks from here whether the enabled nodes answer (`GET /switch/reach`, for the group's servers).
    pub async fn reach(&self) -> Check {
        self.parts.duties.reach_nodes().await
    }

    /// Follows a switch that another server leads, and takes over when the order says so
    /// (`POST /switch/take`, for the group's servers).
    pub async fn take_order(&self, _order: TakeOrder) -> Result<Taken, SwitchError> {
        Err(SwitchError::Conflict {
            why: "This build cannot switch.".into(),
        })
    }

    /// Ends: lays the duties down, releases the lease and the lock. In manual mode the next process of this
    /// server claims the active role again.
    pub async fn stop(&self) {}
}
