//! Backups of each database restored into each, and files and groups that are refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::store::contract::*;
use crate::store::postgres::tests::cluster::cluster;
use crate::store::*;
use gridhelm_api::account::Role;
use gridhelm_api::node::TimelinePoint;
use gridhelm_api::task::{Artifact, ConsoleChunk, ConsoleKind, TaskState};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A database that can also be restored into.
enum Base {
    File(TempDir),
    Server(PostgresDatabase),
}

impl Base {
    fn file() -> Self {
        Self::File(tempfile::tempdir().unwrap())
    }

    fn server() -> Self {
        Self::Server(PostgresDatabase::new())
    }

    fn path(&self) -> PathBuf {
        match self {
            Self::File(folder) => folder.path().join("east.db"),
            Self::Server(_) => panic!("it is no file"),
        }
    }

    fn open(&self) -> Arc<dyn Store> {
        match self {
            Self::File(_) => Arc::new(SqliteStore::open(&self.path(), "east").unwrap()),
            Self::Server(database) => database.open(),
        }
    }

    async fn restore(
        &self,
        from: &Path,
        moving: bool,
    ) -> core::result::Result<Restored, BackupError> {
        self.restore_as(How {
            from: from.to_owned(),
            group: "east".to_owned(),
            server: "east-1".to_owned(),
            moving,
            end_tokens: false,
        })
        .await
    }

    async fn restore_as(&self, how: How) -> core::result::Result<Restored, BackupError> {
        let progress = Progress::default();
        match self {
            Self::File(_) => {
                let path = self.path();
                tokio::task::spawn_blocking(move || restore_sqlite(&path, how, &progress))
            }
            Self::Server(database) => {
                let target = PostgresTarget::parse(&cluster().url(&database.name), None).unwrap();
                let options = PostgresOptions::new("east-1", "restoring");
                tokio::task::spawn_blocking(move || {
                    restore_postgres(&target, &options, how, &progress)
                })
            }
        }
        .await
        .unwrap()
    }
}

fn big() -> Vec<u8> {
    let mut seed = 7_u32;
    let next = |_| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        seed.to_le_bytes()[3]
    };
    (0..700_000).map(next).collect()
}

/// A group with some of everything; how many tasks are open that may not be repeated.
async fn fill(store: &Arc<dyn Store>) -> usize {
    let fence = activate(store, "east-1").await;
    store.token_key().await.unwrap();
    for (name, role) in [("ada", Role::Admin), ("ben", Role::Viewer)] {
        store
            .create_account(&account(name, role), notes("user.create"))
            .await
            .unwrap();
    }
    store
        .create_node(&fence, &node("n1", 6311), notes("node.create"))
        .await
        .unwrap();
    let point = TimelinePoint {
        at: 9,
        usable: 1,
        total: 3,
        reason: "ä\u{1F600}".to_owned(),
        planned: true,
    };
    store
        .record_capacity(&fence, "n1", &point, Notes::default())
        .await
        .unwrap();
    write(store, &fence, "a.R", Expect::Absent, b"one")
        .await
        .unwrap();
    write(store, &fence, "a.R", Expect::Version(1), &big())
        .await
        .unwrap();
    write(store, &fence, "empty.R", Expect::Absent, b"")
        .await
        .unwrap();
    write(store, &fence, "gone.R", Expect::Absent, b"gone")
        .await
        .unwrap();
    store
        .delete_file(&fence, &file("gone.R"), 1, "ann", Notes::default())
        .await
        .unwrap();
    for n in 0..40 {
        store
            .submit_task(&fence, &task(&format!("t-{n:03}"), 0), notes("task.queued"))
            .await
            .unwrap();
    }
    let mut once = task("t-once", 0);
    once.task.re_executable = false;
    store
        .submit_task(&fence, &once, Notes::default())
        .await
        .unwrap();
    store
        .submit_and_start(
            &fence,
            &task("t-run", 0),
            &start(1, "s9"),
            Some(&session("s9", fence.epoch)),
            Notes::default(),
        )
        .await
        .unwrap();
    store
        .start_attempt(
            &fence,
            "t-001",
            &start(1, "s1"),
            Some(&session("s1", fence.epoch)),
            Notes::default(),
        )
        .await
        .unwrap();
    store.put_blob(&sha256(b"plot"), b"plot").await.unwrap();
    let chunk = ConsoleChunk {
        seq: 0,
        kind: ConsoleKind::Output,
        text: "[1] 2\n".to_owned(),
    };
    let ended = AttemptEnd {
        session: Some("s1".to_owned()),
        value: Some(serde_json::json!({ "r": [1.5, null] })),
        outputs: BTreeMap::from([("y".to_owned(), serde_json::json!("ü"))]),
        artifacts: vec![Artifact {
            name: "p.png".to_owned(),
            size: 4,
            plot: true,
            sha256: sha256(b"plot"),
        }],
        console: vec![chunk],
        ..end("t-001", 1, TaskState::Succeeded)
    };
    store
        .end_attempt(&fence, &ended, notes("task.ended"))
        .await
        .unwrap();
    store.release_lease(&fence, None).await.unwrap();
    1
}

async fn save(store: &Arc<dyn Store>, path: &Path) -> Contents {
    let progress = Arc::new(Progress::default());
    store
        .back_up(path, "ada", "east-1", progress)
        .await
        .unwrap()
}

/// The rows of tables that a restoration leaves as they are.
fn settled(end: &End) -> Vec<&Counted> {
    let changed = ["tasks", "attempts", "events", "audit"];
    let kept = end.tables.iter();
    kept.filter(|table| !changed.contains(&table.table.as_str()))
        .collect()
}

async fn there_and_back(from: Base, into: Base) {
    let folder = tempfile::tempdir().unwrap();
    let store = from.open();
    let once = fill(&store).await;
    let path = folder.path().join("east.backup");
    let made = save(&store, &path).await;
    assert_eq!(made.head.group, "east");
    assert_eq!((made.end.rows_of("accounts"), made.end.contents), (2, 5));
    assert_eq!(look(&path).unwrap(), made);
    assert_eq!(head_of(&path).unwrap(), made.head);
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "it holds secrets");

    let restored = into.restore(&path, false).await.unwrap();
    assert_eq!(restored.contents, made);
    assert_eq!(restored.ended_tasks, once);
    assert!(restored.epoch >= made.head.epoch + 1_000_000);
    let again = into.open();
    let epoch = again.epoch().await.unwrap();
    assert_eq!((epoch.epoch, epoch.owner), (restored.epoch, None));
    let second = save(&again, &folder.path().join("second.backup")).await;
    assert_eq!(settled(&second.end), settled(&made.end));
    assert_eq!(second.end.rows_of("audit"), made.end.rows_of("audit") + 1);
    let chain = again
        .verify_audit(Some(&made.head.audit_head.1))
        .await
        .unwrap();
    assert_eq!((chain.broken, chain.noted), (None, Some(true)));
    assert_eq!(
        again.manifest(None).await.unwrap().root,
        store.manifest(None).await.unwrap().root
    );
    assert_eq!(
        again.token_key().await.unwrap(),
        store.token_key().await.unwrap()
    );
    assert_eq!(again.nodes().await.unwrap(), store.nodes().await.unwrap());
    assert_eq!(
        again.sessions().await.unwrap(),
        store.sessions().await.unwrap()
    );
    let ended = again.task("t-once").await.unwrap().unwrap().task;
    assert_eq!(ended.state, TaskState::Failed);
    assert!(ended.failure.unwrap().message.contains("restored"));
    assert_eq!(
        again.task("t-run").await.unwrap().unwrap().task.state,
        TaskState::Running
    );
    let bytes = again
        .read_blob(&sha256(&big()), 0, 1 << 20)
        .await
        .unwrap()
        .unwrap();
    assert!(bytes == big());

    // The group goes on: new rows get new numbers, the chain goes on, an old server's writes are fenced.
    let old = Fence {
        epoch: made.head.epoch,
        boot: owner("east-1").boot,
    };
    assert!(matches!(
        again.renew_lease(&old).await,
        Err(StoreError::Fenced { .. })
    ));
    let fence = activate(&again, "east-2").await;
    assert_eq!(fence.epoch, restored.epoch + 1);
    write(&again, &fence, "new.R", Expect::Absent, b"new")
        .await
        .unwrap();
    let events = again.note(notes("after")).await.unwrap();
    assert!(events[0].id > made.head.last_event + 1);
    assert_eq!(again.verify_audit(None).await.unwrap().broken, None);
    drop(again);
    let refused = into.restore(&path, false).await.unwrap_err();
    assert!(
        matches!(
            refused,
            BackupError::NotEmpty { .. } | BackupError::Running(_)
        ),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_sqlite_into_sqlite() {
    there_and_back(Base::file(), Base::file()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_sqlite_into_postgresql() {
    there_and_back(Base::file(), Base::server()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_postgresql_into_sqlite() {
    there_and_back(Base::server(), Base::file()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_postgresql_into_postgresql() {
    there_and_back(Base::server(), Base::server()).await;
}

/// A backup of a filled SQLite group.
async fn a_backup(folder: &TempDir) -> PathBuf {
    let base = Base::file();
    let store = base.open();
    fill(&store).await;
    let path = folder.path().join("east.backup");
    save(&store, &path).await;
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_is_one_moment_although_writes_go_on() {
    for base in [Base::file(), Base::server()] {
        let folder = tempfile::tempdir().unwrap();
        let store = base.open();
        fill(&store).await;
        let fence = activate(&store, "east-1").await;
        let (writing, stop) = (
            Arc::clone(&store),
            tokio_util::sync::CancellationToken::new(),
        );
        let stopping = stop.clone();
        // Each file comes with one audit row and one event, in one commit.
        let writer = tokio::spawn(async move {
            let mut n = 0;
            while !stopping.is_cancelled() {
                write(
                    &writing,
                    &fence,
                    &format!("f-{n}.R"),
                    Expect::Absent,
                    b"same",
                )
                .await
                .unwrap();
                n += 1;
            }
            n
        });
        let before = traces(&store).await;
        let mut seen = Vec::new();
        for n in 0..3 {
            seen.push(save(&store, &folder.path().join(n.to_string())).await);
        }
        stop.cancel();
        let written = writer.await.unwrap();
        assert!(written > 0 && before.0 > 0);
        for made in seen {
            let files = made.end.rows_of("files");
            assert_eq!(
                made.end.rows_of("versions"),
                files + 2,
                "one older version, one deletion"
            );
            let last = made.head.audit_head.0;
            assert_eq!(made.end.rows_of("audit"), u64::try_from(last).unwrap());
            let into = Base::file();
            let path = folder
                .path()
                .join(["0", "1", "2"][usize::from(files > 3).min(2)]);
            into.restore(&path, true).await.unwrap();
            assert_eq!(into.open().verify_audit(None).await.unwrap().broken, None);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_file_is_told_exactly_and_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let good = std::fs::read(a_backup(&folder).await).unwrap();
    let bad = folder.path().join("bad.backup");
    let mut flipped = good.clone();
    let middle = good.len() / 2;
    flipped[middle] ^= 1;
    let mut longer = good.clone();
    longer.extend_from_slice(b"more");
    let cases: [(&str, Vec<u8>, &str); 6] = [
        ("cut", good[..middle].to_vec(), "was cut off"),
        (
            "cut before its end",
            good[..good.len() - 1].to_vec(),
            "was cut off",
        ),
        (
            "changed",
            flipped,
            "was changed or damaged in the block at byte",
        ),
        ("longer", longer, "behind the end"),
        ("empty", Vec::new(), "not a backup"),
        (
            "foreign",
            b"PK\x03\x04 something else entirely".to_vec(),
            "not a backup",
        ),
    ];
    for (name, bytes, words) in cases {
        std::fs::write(&bad, bytes).unwrap();
        let told = look(&bad).unwrap_err().to_string();
        assert!(told.contains(words), "{name}: {told}");
        for base in [Base::file(), Base::server()] {
            let told = base.restore(&bad, false).await.unwrap_err().to_string();
            assert!(told.contains(words), "{name}: {told}");
            if let Base::File(folder) = &base {
                let left: Vec<_> = std::fs::read_dir(folder.path())
                    .unwrap()
                    .map(|e| e.unwrap().file_name())
                    .collect();
                assert!(
                    left.iter()
                        .all(|name| name.to_string_lossy().ends_with(".lock")),
                    "{left:?}"
                );
            }
            let store = base.open();
            assert_eq!(
                (store.epoch().await.unwrap().epoch, traces(&store).await),
                (0, (0, 0))
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_later_build_wrote_is_refused_with_its_version() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("later.backup");
    let head = serde_json::json!({"format": 7, "version": "9.1.0", "shape": "other"});
    let mut writer = file::Writer::new(Vec::new(), &path).unwrap();
    writer
        .block(file::Part::Head, &serde_json::to_vec(&head).unwrap())
        .unwrap();
    std::fs::write(&path, writer.finish().0).unwrap();
    let told = look(&path).unwrap_err().to_string();
    assert!(
        told.contains("format 7") && told.contains("gridhelm-server 9.1.0"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_runs_or_another_group_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = a_backup(&folder).await;
    for base in [Base::file(), Base::server()] {
        let how = How {
            from: path.clone(),
            group: "west".to_owned(),
            server: "west-1".to_owned(),
            moving: false,
            end_tokens: false,
        };
        let told = base.restore_as(how).await.unwrap_err().to_string();
        assert!(told.contains("of group east"), "{told}");
        let running = base.open();
        // A server asks all the time.
        running.group().await.unwrap();
        let told = base.restore(&path, false).await.unwrap_err();
        assert!(
            matches!(told, BackupError::Running(_)),
            "a standby that runs: {told}"
        );
        let lock = running.try_life_lock().await.unwrap();
        assert!(lock.is_some());
        let told = base.restore(&path, false).await.unwrap_err();
        assert!(
            matches!(told, BackupError::Running(_)),
            "an active one: {told}"
        );
        drop(lock);
        running.shut_down().await;
        drop(running);
        let until = std::time::Instant::now() + std::time::Duration::from_secs(5);
        // PostgreSQL ends a backend a moment after its connection.
        loop {
            match base.restore(&path, false).await {
                Ok(_) => break,
                Err(BackupError::Running(_)) if std::time::Instant::now() < until => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moving_keeps_what_waits_and_ending_tokens_ends_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = a_backup(&folder).await;
    let base = Base::server();
    let moved = base.restore(&path, true).await.unwrap();
    assert_eq!(moved.ended_tasks, 0);
    let store = base.open();
    let waiting = store.task("t-once").await.unwrap().unwrap().task;
    assert_eq!(waiting.state, TaskState::Queued);
    let key = store.token_key().await.unwrap();
    let other = Base::file();
    let how = How {
        from: path,
        group: "east".to_owned(),
        server: "east-1".to_owned(),
        moving: false,
        end_tokens: true,
    };
    other.restore_as(how).await.unwrap();
    assert_ne!(other.open().token_key().await.unwrap(), key);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_is_called_off_or_cannot_be_written_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let base = Base::file();
    let store = base.open();
    fill(&store).await;
    let progress = Arc::new(Progress::default());
    progress.call_off();
    let path = folder.path().join("east.backup");
    let told = store
        .back_up(&path, "ada", "east-1", progress)
        .await
        .unwrap_err();
    assert!(matches!(told, BackupError::CalledOff), "{told}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    save(&store, &path).await;
    let told = store
        .back_up(&path, "ada", "east-1", Arc::default())
        .await
        .unwrap_err();
    assert!(matches!(told, BackupError::Exists(_)), "{told}");
    let nowhere = folder.path().join("no/such/folder");
    let told = store
        .back_up(&nowhere, "ada", "east-1", Arc::default())
        .await
        .unwrap_err();
    assert!(told.to_string().contains("no/such/folder"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_that_postgresql_cannot_keep_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let base = Base::file();
    let store = base.open();
    let fence = activate(&store, "east-1").await;
    let mut odd = task("t-1", 0);
    odd.code = "cat('a\0b')".to_owned();
    store
        .submit_task(&fence, &odd, Notes::default())
        .await
        .unwrap();
    let path = folder.path().join("east.backup");
    save(&store, &path).await;
    let into = Base::server();
    let restored = into.restore(&path, true).await.unwrap();
    assert_eq!(restored.changed_texts, 1);
    let code = into.open().task("t-1").await.unwrap().unwrap().code;
    assert_eq!(code, "cat('a\u{fffd}b')");
}
