//! Automatic failover: a standby replaces an active server that is gone, without a person. Only where the
//! group is set to it.

use super::failover::Old;
use super::keeper::Keeper;
use super::lease::{Because, LOOK_EVERY_AUTOMATIC, Mode, Port, proven_dead};
use super::switch::RECENT;
use super::{hold, record};
use crate::clock::{self, Moment};
use crate::store::{AuditDraft, EpochRow, Owner, Seen};
use gridhelm_api::event::Severity;
use gridhelm_api::switch::{SwitchKind, SwitchRecord};
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

/// How long a connection to the old active server may take to say whether something listens there.
const KNOCK: Duration = Duration::from_millis(300);
/// For how long the renewals of a server that answers on the database's host may be held up.
const PATIENCE: Duration = Duration::from_secs(10);
/// Who acts when no person does.
pub(super) const BY_ITSELF: &str = "automatic failover";

/// The audit row of what a server does without a person.
pub(super) fn audit_by_itself(action: &'static str, subject: String, reason: &str) -> AuditDraft {
    AuditDraft {
        actor: BY_ITSELF.to_owned(),
        action,
        subject,
        before: None,
        after: None,
        reason: Some(reason.to_owned()),
        address: String::new(),
        agent: String::new(),
        request_id: String::new(),
    }
}

/// The lease's word for a group's setting.
pub(super) fn mode_of(row: &EpochRow) -> Mode {
    if row.failover.is_automatic() {
        Mode::Automatic
    } else {
        Mode::Manual
    }
}

impl Keeper {
    /// Waits for the next look. In automatic mode a standby tries the active server's lock meanwhile, and
    /// looks at once when it is free.
    pub(super) async fn pause(&self, pause: Duration) {
        let end = Moment::now().after(pause);
        loop {
            let left = end.since(Moment::now());
            if left.is_zero() {
                return;
            }
            let watching = self.watches_lock();
            let step = if watching {
                left.min(LOOK_EVERY_AUTOMATIC)
            } else {
                left
            };
            tokio::time::sleep(step).await;
            if watching && self.gain_lock().await.unwrap_or(false) {
                return;
            }
        }
    }

    /// Whether another server is active under a lock whose end would be news.
    fn watches_lock(&self) -> bool {
        let state = self.state();
        state.held.is_none()
            && state.lock.is_none()
            && state.leading.is_none()
            && state.row.as_ref().is_some_and(|row| {
                let other = |owner: &Owner| owner.server != self.parts.me.server;
                row.failover.is_automatic()
                    && !row.released
                    && row.owner.as_ref().is_some_and(other)
            })
    }

    /// Whether the owner is proven dead. The lock that was gained to find out is given back if it is not.
    pub(super) async fn owner_dead(&self, row: &EpochRow) -> bool {
        let Some(owner) = &row.owner else {
            return false;
        };
        if !self.gain_lock().await.unwrap_or(false) {
            return false;
        }
        let dead = proven_dead(true, knock(&owner.url).await);
        if !dead {
            self.state().give_lock_back();
        }
        dead
    }

    /// Whether an owner whose lease lapsed is to be replaced. On the database's host a long write of its own may
    /// have held its renewals up, so one that still answers there is given more time: it takes no work meanwhile.
    async fn owner_hangs(&self, row: &EpochRow) -> bool {
        let silent = self.state().watcher.silent_for(Moment::now());
        let Some(owner) = &row.owner else {
            return true;
        };
        if row.released || !self.parts.store.on_one_host() || silent >= PATIENCE {
            return true;
        }
        self.peers.status(&owner.url, KNOCK).await.is_err()
    }

    /// Takes over by itself, and leaves a record of it as of every switch.
    pub(super) async fn take_over_by_itself(self: Arc<Self>, because: Because, row: EpochRow) {
        let me = self.parts.me.server.clone();
        let Ok(id) = crate::random::hex(6) else {
            return;
        };
        let mut record = record::new(
            SwitchKind::Automatic,
            format!("s-{id}"),
            &self.parts.group,
            &me,
        );
        let Ok(lead) = self.lead(&record.id, &me) else {
            return;
        };
        if self.rests().await {
            self.state().give_lock_back();
            return;
        }
        let proven = match because {
            Because::Died => self.owner_dead(&row).await,
            Because::Lapsed => self.owner_hangs(&row).await,
            _ => true,
        };
        if !proven || self.leaves_claim(&row).await {
            return;
        }
        let old = self.old_of(because, &row);
        tell_why(&mut record, &row, &old);
        record::begin(&mut record, "take", "");
        self.show(&record);
        tracing::warn!(
            epoch = row.epoch,
            evidence = old.evidence,
            "taking over by itself"
        );
        let audit = AuditDraft {
            after: serde_json::to_value(row.epoch + 1).ok(),
            ..audit_by_itself("switch.automatic", me, &old.evidence)
        };
        let seen = Seen {
            epoch: row.epoch,
            counter: because.rests_on_lease().then_some(row.counter),
        };
        self.run_forced(lead, record, seen, old, Some(audit)).await;
    }

    /// Whether automatic failover followed on itself too often of late; told once each time.
    async fn rests(&self) -> bool {
        let limit = self.parts.limit;
        // As many as one more than the limit needs; not known counts as not yet.
        let latest = self
            .parts
            .store
            .switches(limit.most.saturating_add(RECENT))
            .await;
        let until = hold::exhausted_until(limit, &latest.unwrap_or_default(), clock::now());
        let newly = {
            let mut state = self.state();
            let newly = until.is_some() && state.resting_told != until;
            state.resting_told = until;
            newly
        };
        if newly {
            let message = format!(
                "{} automatic failovers in {} s: no more until the first of them is older than that. Find out why servers die; fail over by hand if nobody is active",
                limit.most, limit.within_s
            );
            self.note(Self::event(
                Severity::Fail,
                "failover.rests",
                &self.parts.group,
                message,
                BY_ITSELF,
            ))
            .await;
        }
        until.is_some()
    }

    fn old_of(&self, because: Because, row: &EpochRow) -> Old {
        let silent = self.state().watcher.silent_for(Moment::now());
        let name = row.owner.as_ref().map_or("nobody", |o| o.server.as_str());
        let evidence = match because {
            Because::Died => {
                format!("{name} is dead: its lock is free and its port refuses connections")
            }
            Because::Released => format!("{name} stopped in order and named no successor"),
            _ => format!(
                "{name} has not renewed its lease for {:.1} s",
                silent.as_secs_f64()
            ),
        };
        Old {
            owner: row.owner.clone(),
            evidence,
            works: false,
            silent,
            running: 0,
        }
    }
}

fn tell_why(record: &mut SwitchRecord, row: &EpochRow, old: &Old) {
    record.from = row.owner.as_ref().map(|o| o.server.clone());
    BY_ITSELF.clone_into(&mut record.by);
    record.reason.clone_from(&old.evidence);
    record.epoch_before = row.epoch;
    record::done(record, "check", old.evidence.clone());
}

/// How a server's address answers.
async fn knock(url: &str) -> Port {
    let Some(address) = address_of(url) else {
        return Port::Silent;
    };
    match tokio::time::timeout(KNOCK, TcpStream::connect(&address)).await {
        Ok(Ok(_)) => Port::Open,
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => Port::Refused,
        Ok(Err(_)) | Err(_) => Port::Silent,
    }
}

/// `host:port` of a server's address.
fn address_of(url: &str) -> Option<String> {
    let (default, rest) = url
        .strip_prefix("http://")
        .map(|rest| (80, rest))
        .or_else(|| url.strip_prefix("https://").map(|rest| (443, rest)))?;
    let host = rest.split('/').next().filter(|host| !host.is_empty())?;
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    Some(if has_port {
        host.to_owned()
    } else {
        format!("{host}:{default}")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_address_has_a_port() {
        let table = [
            ("http://10.0.0.1:8401", Some("10.0.0.1:8401")),
            ("http://east-1/", Some("east-1:80")),
            ("https://east-1", Some("east-1:443")),
            ("https://[::1]:8401", Some("[::1]:8401")),
            ("https://[::1]", Some("[::1]:443")),
            ("east-1:8401", None),
            ("http://", None),
        ];
        for (url, address) in table {
            assert_eq!(address_of(url).as_deref(), address, "{url}");
        }
    }

    #[tokio::test]
    async fn a_port_is_open_or_refuses() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        assert_eq!(knock(&url).await, Port::Open);
        drop(listener);
        assert_eq!(knock(&url).await, Port::Refused);
        assert_eq!(knock("nowhere").await, Port::Silent);
    }
}
