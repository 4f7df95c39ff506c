//! Room on the disk of the database: below a bound nothing is taken on that would fill it, so that what runs can end and be
//! committed. What refuses comes back by itself, a little later than it went.

use super::board::Board;
use crate::grid::Grid;
use crate::group::Standing;
use crate::hub::Hub;
use crate::store::{EventDraft, Notes, Store};
use gridhelm_api::event::{Severity, Topic};
use gridhelm_api::node::Node;
use gridhelm_api::switch::{Check, Outcome};
use gridhelm_api::upkeep::Disk;
use rustix::fs::statvfs;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(1);

/// Every how many looks the nodes' disks are looked at: they tell every 30 s.
const NODES_EVERY: u32 = 30;

/// `[disk]` of the configuration: with less free than this new work is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bound {
    /// Mebibytes; 0: never refused.
    pub refuse_below_mib: u64,
    /// On a small disk less is asked for: this part of it, percent.
    pub refuse_below_percent: u64,
}

impl Default for Bound {
    fn default() -> Self {
        Self {
            refuse_below_mib: 1024,
            refuse_below_percent: 5,
        }
    }
}

impl Bound {
    /// The bound on a disk of that size, bytes.
    pub fn floor(self, total: u64) -> u64 {
        let part = (u128::from(total) * u128::from(self.refuse_below_percent.min(100)) / 100)
            .try_into()
            .unwrap_or(u64::MAX);
        (self.refuse_below_mib << 20).min(part)
    }
}

/// New work is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the disk of {} has {} free and needs {}: new tasks and files are refused, so that what runs can end. Make room there \
     (old backups? [keep] in the configuration?); it goes on by itself then", folder, size(*free), size(*floor)
)]
pub struct LowDisk {
    /// The folder.
    pub folder: String,
    /// Free, bytes.
    pub free: u64,
    /// What it needs, bytes.
    pub floor: u64,
}

/// Bytes in words.
fn size(bytes: u64) -> String {
    match bytes {
        b if b >= 10 << 30 => format!("{} GiB", b >> 30),
        b => format!("{} MiB", b >> 20),
    }
}

/// Whether it is low now: once it is, a quarter more than the bound must be free again.
fn is_low(was: bool, free: u64, floor: u64) -> bool {
    if was {
        free < floor.saturating_add(floor / 4)
    } else {
        free < floor
    }
}

/// What is known of the disk. Clones share it.
#[derive(Debug, Clone)]
pub struct Disks(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The database's folder; `None` where it is on another host.
    folder: Option<PathBuf>,
    bound: Bound,
    last: Mutex<Option<Disk>>,
}

impl Disks {
    /// Looks at this folder; at none where the database is elsewhere.
    pub fn new(folder: Option<PathBuf>, bound: Bound) -> Self {
        let disks = Self(Arc::new(Inner {
            folder,
            bound,
            last: Mutex::new(None),
        }));
        disks.look();
        disks
    }

    /// What was seen last.
    pub fn seen(&self) -> Option<Disk> {
        self.0
            .last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether something new may be taken on.
    ///
    /// # Errors
    /// [`LowDisk`] when not.
    pub fn room(&self) -> Result<(), LowDisk> {
        match self.seen().filter(|disk| disk.low) {
            None => Ok(()),
            Some(disk) => Err(LowDisk {
                folder: disk.folder,
                free: disk.free,
                floor: disk.floor,
            }),
        }
    }

    /// Free and total bytes of a folder's disk, for this user.
    pub(super) fn space(folder: &Path) -> Option<(u64, u64)> {
        let facts = statvfs(folder).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(facts.f_frsize);
        Some((bytes(facts.f_bavail), bytes(facts.f_blocks)))
    }

    /// Looks now; whether that changed whether it is low.
    fn look(&self) -> bool {
        let Some(folder) = &self.0.folder else {
            return false;
        };
        let Some((free, total)) = Self::space(folder) else {
            return false;
        };
        let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        let was = last.as_ref().is_some_and(|disk| disk.low);
        let floor = self.0.bound.floor(total);
        let low = is_low(was, free, floor);
        *last = Some(Disk {
            folder: folder.display().to_string(),
            free,
            total,
            floor,
            low,
        });
        low != was
    }

    fn line(&self) -> Option<Check> {
        let disk = self.seen()?;
        let free = format!("{} of {} are free", size(disk.free), size(disk.total));
        let (outcome, evidence) = if disk.low {
            (
                Outcome::Fail,
                format!(
                    "{free} in {}: new tasks and files are refused.",
                    disk.folder
                ),
            )
        } else if disk.free < disk.floor.saturating_mul(2) {
            let floor = size(disk.floor);
            (
                Outcome::Warn,
                format!(
                    "{free} in {}; below {floor} new tasks and files are refused.",
                    disk.folder
                ),
            )
        } else {
            (Outcome::Pass, format!("{free} in {}.", disk.folder))
        };
        Some(Check {
            id: "disk_room".into(),
            title: "The database's disk has room".into(),
            repair: (outcome != Outcome::Pass)
                .then(|| "Make room on it, or have less kept ([keep]).".to_owned()),
            outcome,
            evidence,
        })
    }
}

/// Whether the nodes' sessions have room to work, by what the nodes told last; `None` while none told.
fn nodes_line(nodes: &[Node], floor: u64) -> Option<Check> {
    let told = |node: &&Node| node.facts.as_ref().is_some_and(|facts| facts.disk_free > 0);
    let told: Vec<&Node> = nodes.iter().filter(told).collect();
    if told.is_empty() {
        return None;
    }
    let full = |node: &&&Node| {
        node.facts
            .as_ref()
            .is_some_and(|facts| facts.disk_free < floor)
    };
    let names: Vec<&str> = told.iter().filter(full).map(|node| &*node.name).collect();
    let outcome = if names.is_empty() {
        Outcome::Pass
    } else {
        Outcome::Warn
    };
    let evidence = if names.is_empty() {
        "All have.".to_owned()
    } else {
        format!(
            "{} have less than {} free: R fails there when it writes files.",
            names.join(", "),
            size(floor)
        )
    };
    Some(Check {
        id: "node_room".into(),
        title: "The nodes' disks have room".into(),
        repair: (!names.is_empty()).then(|| {
            "Make room where Rserve's work directories are, or drain the node.".to_owned()
        }),
        outcome,
        evidence,
    })
}

/// What watching needs.
pub(crate) struct Watching {
    pub(crate) disks: Disks,
    pub(crate) board: Board,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) hub: Hub,
    pub(crate) standing: watch::Receiver<Standing>,
    pub(crate) server: String,
    pub(crate) grid: Arc<Grid>,
}

impl Watching {
    /// Looks as long as the server runs, and tells each change.
    pub(crate) async fn watch(self, stopping: CancellationToken) {
        let mut interval = tokio::time::interval(EVERY);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // One that started on a full disk tells it, too.
        let mut told = false;
        let mut ticks = 0_u32;
        let mut shown = None;
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                _ = interval.tick() => {}
            }
            self.disks.look();
            // Only a change of state is put up: every line that differs goes to all consoles.
            if let Some(line) = self.disks.line()
                && shown != Some(line.outcome)
            {
                shown = Some(line.outcome);
                self.board.put(line);
            }
            if ticks.is_multiple_of(NODES_EVERY)
                && let Ok(nodes) = self.grid.nodes().await
                && let Some(line) = nodes_line(&nodes, self.disks.0.bound.refuse_below_mib << 20)
            {
                self.board.put(line);
            }
            ticks = ticks.wrapping_add(1);
            let low = self.disks.room().err();
            if low.is_some() != told && self.tell(low.as_ref()).await {
                told = low.is_some();
            }
        }
    }

    /// Writes the change down; whether this server is the one that does.
    async fn tell(&self, low: Option<&LowDisk>) -> bool {
        // One server of the group writes it down.
        if self.standing.borrow().fence().is_err() {
            return false;
        }
        let (severity, kind, message) = match low {
            Some(low) => (Severity::Fail, "disk.low", low.to_string()),
            None => (
                Severity::Good,
                "disk.room",
                "the database's disk has room again: new tasks and files are taken".to_owned(),
            ),
        };
        tracing::warn!(kind, message, "the database's disk");
        let event = EventDraft {
            severity,
            topic: Topic::Server,
            kind,
            subject: self.server.clone(),
            message,
            actor: self.server.clone(),
        };
        match self.store.note(Notes::event(event)).await {
            Ok(events) => self.hub.publish_events(events),
            Err(error) => {
                // The disk is full: told once it can be written.
                tracing::warn!(%error, kind, "an event was not recorded");
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_small_disk_needs_a_part_and_a_large_one_a_gibibyte() {
        let bound = Bound::default();
        assert_eq!(bound.floor(100 << 30), 1 << 30);
        assert_eq!(bound.floor(10 << 30), (10 << 30) / 20);
        let off = Bound {
            refuse_below_mib: 0,
            ..bound
        };
        assert_eq!(off.floor(100 << 30), 0);
        assert!(!is_low(false, 0, off.floor(100)), "0 turns it off");
    }

    #[test]
    fn it_says_what_to_do() {
        let low = LowDisk {
            folder: "/data".to_owned(),
            free: 5 << 20,
            floor: 1 << 30,
        };
        let text = low.to_string();
        assert!(
            text.contains("/data has 5 MiB free and needs 1024 MiB"),
            "{text}"
        );
        assert!(text.contains("Make room"), "{text}");
    }

    proptest! {
        #[test]
        fn it_does_not_flap_around_the_bound(floor in 4_u64..1 << 40, steps in proptest::collection::vec(0_u64..200, 1..50)) {
            let mut low = false;
            for step in steps {
                let free = floor / 100 * step;
                let now = is_low(low, free, floor);
                if free < floor { prop_assert!(now); }
                if free >= floor + floor / 4 { prop_assert!(!now); }
                if !low && free >= floor { prop_assert!(!now); }
                if low && free < floor + floor / 4 { prop_assert!(now, "it stays until there is more"); }
                low = now;
            }
        }
    }
}
