//! Looks at the files while the server runs, and tells what changed.

use super::Changed;
use crate::app::App;
use crate::store::{EventDraft, Notes};
use gridhelm_api::event::{Severity, Topic};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(2);

/// Follows the files until the server stops.
pub(crate) async fn follow(app: Arc<App>) {
    let mut interval = tokio::time::interval(EVERY);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = app.stopping.cancelled() => return,
            _ = interval.tick() => {}
        }
        let tls = app.tls.clone();
        let changed = tokio::task::spawn_blocking(move || tls.look()).await;
        for changed in changed.unwrap_or_default() {
            tell(&app, changed).await;
        }
    }
}

async fn tell(app: &App, changed: Changed) {
    let (severity, kind, message) = match changed {
        Changed::Replaced(what) => (Severity::Info, "tls.replaced", what),
        Changed::Mended(what) => (Severity::Good, "tls.mended", what),
        Changed::Broken(what) => (Severity::Warn, "tls.broken", what),
    };
    if severity == Severity::Warn {
        tracing::error!(message, "certificates");
    } else {
        tracing::info!(message, "certificates");
    }
    let event = EventDraft {
        severity,
        topic: Topic::Server,
        kind,
        subject: app.config.name.clone(),
        message,
        actor: app.config.name.clone(),
    };
    match app.store.note(Notes::event(event)).await {
        Ok(events) => app.hub.publish_events(events),
        Err(error) => tracing::warn!(%error, kind, "an event was not recorded"),
    }
}
