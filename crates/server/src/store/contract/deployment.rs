//! A database for one test, and the values that tests write.

use crate::store::postgres::tests::cluster::cluster;
use crate::store::*;
use gridhelm_api::account::{Account, Role};
use gridhelm_api::alert::{Alert, AlertKind, Delivery, Telling};
use gridhelm_api::event::{Severity, Topic};
use gridhelm_api::node::{Intent, OperatingType};
use gridhelm_api::repository::{FileId, FileMeta};
use gridhelm_api::task::{Task, TaskState};
use std::collections::BTreeMap;
use std::sync::Arc;
use tempfile::TempDir;

/// A database of one test, opened as often as the test wants: each handle stands for a server's process.
pub(crate) trait Database: Send + Sync {
    /// One more handle on the database.
    fn open(&self) -> Arc<dyn Store>;

    /// Runs a statement as another program would.
    fn run(&self, sql: &str);
}

/// An SQLite file that goes with the test.
pub(crate) struct SqliteFile {
    folder: TempDir,
}

impl SqliteFile {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("group.db")
    }
}

impl Database for SqliteFile {
    fn open(&self) -> Arc<dyn Store> {
        Arc::new(SqliteStore::open(&self.path(), "east").unwrap())
    }

    fn run(&self, sql: &str) {
        let stranger = rusqlite::Connection::open(self.path()).unwrap();
        stranger
            .busy_timeout(std::time::Duration::from_secs(10))
            .unwrap();
        stranger.execute_batch(sql).unwrap();
    }
}

/// A database of the process's PostgreSQL.
pub(crate) struct PostgresDatabase {
    pub(crate) name: String,
}

impl PostgresDatabase {
    pub(crate) fn new() -> Self {
        Self {
            name: cluster().new_database(),
        }
    }

    /// One more handle, as a server of that name would have it.
    pub(crate) async fn open_as(&self, server: &str, boot: &str) -> PostgresStore {
        let target = PostgresTarget::parse(&cluster().url(&self.name), None).unwrap();
        PostgresStore::open(&target, "east", &PostgresOptions::new(server, boot))
            .await
            .unwrap()
    }
}

impl Database for PostgresDatabase {
    fn open(&self) -> Arc<dyn Store> {
        let boot = crate::random::hex(8).unwrap();
        let opening = self.open_as("east-1", &boot);
        let runtime = tokio::runtime::Handle::current();
        Arc::new(tokio::task::block_in_place(|| runtime.block_on(opening)))
    }

    fn run(&self, sql: &str) {
        cluster().psql(&self.name, sql).unwrap();
    }
}

/// Runs the named tests on every store.
macro_rules! on_every_store {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(&$crate::store::contract::SqliteFile::new()).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(&$crate::store::contract::PostgresDatabase::new()).await;
            })*
        }
    };
}
pub(crate) use on_every_store;

pub(crate) fn owner(server: &str) -> Owner {
    Owner {
        server: server.to_owned(),
        boot: format!("boot-of-{server}"),
        pid: 4242,
        start_ticks: 77,
        host_boot: "host".to_owned(),
        url: format!("http://{server}"),
    }
}

/// Makes the server active.
pub(crate) async fn activate(store: &Arc<dyn Store>, server: &str) -> Fence {
    let seen = store.epoch().await.unwrap().epoch;
    let owner = owner(server);
    let (row, _) = store
        .take_epoch(seen.into(), &owner, server, "test", Notes::default())
        .await
        .unwrap();
    Fence {
        epoch: row.epoch,
        boot: owner.boot,
    }
}

/// An open alert that opened then.
pub(crate) fn alert(id: &str, opened_at: i64) -> Alert {
    Alert {
        id: id.to_owned(),
        rule: "node-unreachable".to_owned(),
        kind: AlertKind::NodeUnreachable,
        severity: Severity::Fail,
        subject: "n1".to_owned(),
        message: "does not answer".to_owned(),
        opened_at,
        resolved_at: None,
        acknowledged: None,
        silenced: false,
    }
}

/// A message that is due at 5.
pub(crate) fn delivery(id: &str) -> Delivery {
    Delivery {
        id: id.to_owned(),
        telling: Telling::Opened,
        alert: alert("a-1", 10),
        made_at: 4,
        due_at: Some(5),
        tries: 0,
        taken_at: None,
        trouble: None,
    }
}

/// One event and one audit row of this kind.
pub(crate) fn notes(kind: &'static str) -> Notes {
    Notes {
        events: vec![EventDraft {
            severity: Severity::Info,
            topic: Topic::Server,
            kind,
            subject: "thing".to_owned(),
            message: "happened".to_owned(),
            actor: "ann".to_owned(),
        }],
        audit: vec![AuditDraft {
            actor: "ann".to_owned(),
            action: kind,
            subject: "thing".to_owned(),
            before: None,
            after: None,
            reason: Some("a test".to_owned()),
            address: "127.0.0.1".to_owned(),
            agent: "curl/8".to_owned(),
            request_id: "r-1".to_owned(),
        }],
    }
}

pub(crate) fn node(name: &str, port: u16) -> StoredNode {
    StoredNode {
        name: name.to_owned(),
        host: "127.0.0.1".to_owned(),
        port,
        user: Some("rserve".to_owned()),
        password: Some("hush-hush".to_owned()),
        slot_limit: 3,
        operating_type: OperatingType::Mixed,
        labels: vec!["big".to_owned()],
        intent: Intent::Enabled,
        intent_reason: None,
        intent_by: None,
        intent_since: 5,
        intent_until: None,
        intent_force: false,
        version: 0,
        created_at: 5,
    }
}

pub(crate) fn account(username: &str, role: Role) -> StoredAccount {
    StoredAccount {
        account: Account {
            username: username.to_owned(),
            role,
            disabled: false,
            created_at: 1,
            signed_in_at: None,
        },
        hash: "$argon2id$first".to_owned(),
        generation: 1,
    }
}

pub(crate) fn task(id: &str, priority: i32) -> StoredTask {
    StoredTask {
        task: Task {
            id: id.to_owned(),
            title: "Code".to_owned(),
            state: TaskState::Queued,
            submitted_by: "ann".to_owned(),
            submitted_at: 10,
            started_at: None,
            ended_at: None,
            priority,
            timeout_s: 300,
            re_executable: true,
            script: Some(FileId::new("ann", "plots", "a.R")),
            script_version: Some(3),
            attempts: Vec::new(),
            failure: None,
            value: None,
            outputs: BTreeMap::new(),
            artifacts: Vec::new(),
        },
        code: "1 + 1".to_owned(),
        inputs: BTreeMap::from([("x".to_owned(), serde_json::json!([1, null, "ä"]))]),
        outputs: vec!["y".to_owned()],
        label: Some("big".to_owned()),
        waited_for: true,
    }
}

pub(crate) fn start(number: u32, session: &str) -> AttemptStart {
    AttemptStart {
        number,
        node: "n1".to_owned(),
        slot: 2,
        session: session.to_owned(),
        pid: 99,
        at: 20,
    }
}

pub(crate) fn session(id: &str, epoch: i64) -> SessionRow {
    SessionRow {
        id: id.to_owned(),
        node: "n1".to_owned(),
        pid: 99,
        start_ticks: 1234,
        host_boot: "host".to_owned(),
        work_dir: "/tmp/conn99".to_owned(),
        server: "east-1".to_owned(),
        epoch,
        opened_at: 15,
    }
}

pub(crate) fn end(task: &str, number: u32, state: TaskState) -> AttemptEnd {
    AttemptEnd {
        task: task.to_owned(),
        number,
        session: None,
        state,
        at: 30,
        failure: None,
        value: None,
        outputs: BTreeMap::new(),
        artifacts: Vec::new(),
        console: Vec::new(),
    }
}

pub(crate) fn sha256(content: &[u8]) -> String {
    use sha2::Digest;
    gridhelm_replicate::hex(&sha2::Sha256::digest(content))
}

pub(crate) fn file(name: &str) -> FileId {
    FileId::new("ann", "plots", name)
}

/// Puts the content and writes it as a new version.
pub(crate) async fn write(
    store: &Arc<dyn Store>,
    fence: &Fence,
    name: &str,
    expect: Expect,
    content: &[u8],
) -> Result<FileMeta> {
    let sha256 = sha256(content);
    store.put_blob(&sha256, content).await.unwrap();
    let write = FileWrite {
        id: file(name),
        expect,
        sha256,
        size: content.len() as u64,
        by: "ann".to_owned(),
        message: "for a test".to_owned(),
        info: None,
    };
    let (meta, _) = store
        .write_file(fence, &write, notes("file.written"))
        .await?;
    Ok(meta)
}

/// How many events and audit rows there are.
pub(crate) async fn traces(store: &Arc<dyn Store>) -> (usize, usize) {
    let filter = EventFilter {
        limit: 1000,
        ..EventFilter::default()
    };
    let events = store.events(&filter).await.unwrap().items.len();
    let audit = store
        .audit(&crate::store::AuditFilter::newest(1000))
        .await
        .unwrap()
        .items
        .len();
    (events, audit)
}
