//! Grid and tasks of one server over a real database, as an active server has them.

use crate::node::RNode;
use gridhelm_api::group::{ServerRole, ServerStatus};
use gridhelm_api::node::{Health, Node, NodeDraft};
use gridhelm_api::task::{ConsoleChunk, Source, Task, TaskRequest, TaskState};
use gridhelm_server::grid::rserve::{Protection, RserveProvider};
use gridhelm_server::grid::{Grid, GridOptions};
use gridhelm_server::group::{Duties as _, Standing};
use gridhelm_server::hub::Hub;
use gridhelm_server::store::{Fence, Notes, Owner, SqliteStore, Store, StoredNode};
use gridhelm_server::tasks::{QueueLimits, Submission, Tasks};
use gridhelm_server::work::Work;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

pub(crate) const GROUP: &str = "east";

/// One server's grid and tasks.
pub(crate) struct Rig {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) grid: Arc<Grid>,
    pub(crate) tasks: Arc<Tasks>,
    pub(crate) work: Work,
    pub(crate) fence: Fence,
    pub(crate) standing: watch::Sender<Standing>,
}

impl Rig {
    /// Takes the next epoch of the group in this database and takes the work up.
    pub(crate) async fn active(database: &Path, server: &str, options: GridOptions) -> Self {
        Self::with_nodes(database, server, options, &[]).await
    }

    /// As `active`; registers nodes with so many slots first.
    pub(crate) async fn with_nodes(
        database: &Path,
        server: &str,
        options: GridOptions,
        nodes: &[(&RNode, u32)],
    ) -> Self {
        let drafts: Vec<NodeDraft> = nodes.iter().map(|(n, slots)| n.draft(*slots)).collect();
        let rig = Self::with_drafts(database, server, options, &drafts, Protection::none()).await;
        for draft in &drafts {
            rig.until_health(&draft.name, Health::Healthy).await;
        }
        rig
    }

    /// As `active`; registers these nodes first, and reaches them so.
    pub(crate) async fn with_drafts(
        database: &Path,
        server: &str,
        options: GridOptions,
        drafts: &[NodeDraft],
        protection: Protection,
    ) -> Self {
        let limits = QueueLimits::default();
        Self::with_limits(database, server, options, drafts, protection, limits).await
    }

    /// As `with_drafts`, with these limits of the queue.
    pub(crate) async fn with_limits(
        database: &Path,
        server: &str,
        options: GridOptions,
        drafts: &[NodeDraft],
        protection: Protection,
        limits: QueueLimits,
    ) -> Self {
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(database, GROUP).unwrap());
        let owner = Owner {
            server: server.to_owned(),
            boot: format!("boot-of-{server}"),
            pid: i64::from(std::process::id()),
            start_ticks: 1,
            host_boot: "b".to_owned(),
            url: "http://127.0.0.1:1".to_owned(),
        };
        let seen = store.epoch().await.unwrap().epoch;
        let (row, _) = store
            .take_epoch(seen.into(), &owner, "test", "test", Notes::default())
            .await
            .unwrap();
        let fence = Fence {
            epoch: row.epoch,
            boot: owner.boot.clone(),
        };
        for draft in drafts {
            create(&store, &fence, draft).await;
        }
        let (standing, seen) = watch::channel(Standing {
            status: ServerStatus {
                name: server.to_owned(),
                group: GROUP.to_owned(),
                role: ServerRole::Active,
                epoch: row.epoch,
                ..ServerStatus::default()
            },
            fence: Some(fence.clone()),
            valid_until: None,
            ..Standing::default()
        });
        let hub = Hub::new(&owner.boot);
        let grid = Grid::with_options(
            Arc::clone(&store),
            hub.clone(),
            Arc::new(RserveProvider::new(GROUP).protected(protection)),
            GROUP.to_owned(),
            server.to_owned(),
            options,
        );
        let tasks = Tasks::new(Arc::clone(&store), hub, seen, Arc::clone(&grid), limits);
        let work = Work::new(Arc::clone(&grid), Arc::clone(&tasks));
        work.take_up(fence.clone()).await;
        Self {
            store,
            grid,
            tasks,
            work,
            fence,
            standing,
        }
    }

    pub(crate) async fn node(&self, name: &str) -> Node {
        self.grid.node(name).await.unwrap().unwrap()
    }

    /// Waits until a node is in this health; how long it took.
    pub(crate) async fn until_health(&self, name: &str, health: Health) -> Duration {
        self.until_node(name, &format!("{health:?}"), |node| node.health == health)
            .await
    }

    /// Waits until something holds of a node; how long it took.
    pub(crate) async fn until_node(
        &self,
        name: &str,
        what: &str,
        holds: impl Fn(&Node) -> bool,
    ) -> Duration {
        let began = Instant::now();
        loop {
            let node = self.node(name).await;
            if holds(&node) {
                return began.elapsed();
            }
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "waited 30 s for {what}: {node:?}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Submits code and waits for its end.
    pub(crate) async fn run(&self, code: &str) -> Task {
        self.run_with(code, |_| {}).await
    }

    pub(crate) async fn run_with(&self, code: &str, change: impl FnOnce(&mut TaskRequest)) -> Task {
        let submission = submission(code, true, change);
        let within = Duration::from_mins(1);
        let task = self.tasks.submit_and_wait(submission, within).await;
        task.unwrap()
    }

    /// Submits code that nobody waits for.
    pub(crate) async fn submit(&self, code: &str, change: impl FnOnce(&mut TaskRequest)) -> String {
        let task = self.tasks.submit(submission(code, false, change)).await;
        task.unwrap().id
    }

    /// Waits until a task is in a state.
    pub(crate) async fn until_task(&self, id: &str, state: TaskState) -> Task {
        let began = Instant::now();
        loop {
            let task = self.tasks.task(id).await.unwrap().unwrap();
            if task.state == state {
                return task;
            }
            assert!(
                began.elapsed() < Duration::from_secs(40) && !task.state.is_final(),
                "waited for {state:?}: {task:?}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// All console text of a task.
    pub(crate) async fn console(&self, id: &str) -> String {
        let chunks: Vec<ConsoleChunk> = self.tasks.console(id, 0).await.unwrap();
        chunks.into_iter().map(|c| c.text).collect()
    }

    /// The kinds of all events about something, oldest first.
    pub(crate) async fn events(&self, subject: &str) -> Vec<String> {
        let filter = gridhelm_server::store::EventFilter {
            limit: 100,
            subject: Some(subject.to_owned()),
            ..Default::default()
        };
        let page = self.store.events(&filter).await.unwrap();
        page.items.into_iter().rev().map(|e| e.kind).collect()
    }

    pub(crate) async fn stop(&self) {
        self.work.lay_down(false).await;
    }
}

pub(crate) async fn create(store: &Arc<dyn Store>, fence: &Fence, draft: &NodeDraft) {
    let node = StoredNode {
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
        intent_since: 0,
        intent_until: None,
        intent_force: false,
        version: 1,
        created_at: 0,
    };
    store
        .create_node(fence, &node, Notes::default())
        .await
        .unwrap();
}

pub(crate) fn submission(
    code: &str,
    waited_for: bool,
    change: impl FnOnce(&mut TaskRequest),
) -> Submission {
    let mut request = TaskRequest {
        source: Source::Code {
            code: code.to_owned(),
        },
        inputs: BTreeMap::new(),
        outputs: Vec::new(),
        timeout_s: 60,
        priority: 0,
        re_executable: false,
        label: None,
        ignore_packages: false,
        reuse: false,
    };
    change(&mut request);
    Submission {
        request,
        code: code.to_owned(),
        title: "Code".to_owned(),
        script: None,
        script_version: None,
        by: "ana".to_owned(),
        waited_for,
        notes: Notes::default(),
    }
}

/// A folder for a database, and the database's path in it.
pub(crate) fn database() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("east.db");
    (dir, path)
}
