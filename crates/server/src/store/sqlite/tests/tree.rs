//! The tree of hashes: writes of servers that do not know it, and what it costs.

use super::{open, stranger};
use crate::store::contract::{SqliteFile, activate, sha256, write};
use crate::store::sql::tree::LEFT_ALONE;
use crate::store::{Expect, Fence, FileWrite, Notes, Store};
use gridhelm_api::repository::FileId;
use gridhelm_replicate::root;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// A server of an older schema writes without keeping the tree up: readers see the truth at once, and the next write makes it anew.
#[tokio::test]
async fn what_an_older_server_wrote_is_seen() {
    let db = SqliteFile::new();
    let store: Arc<dyn Store> = open(&db.path());
    let fence = activate(&store, "east-1").await;
    for name in ["a.R", "b.R"] {
        write(&store, &fence, name, Expect::Absent, name.as_bytes())
            .await
            .unwrap();
    }
    let before = store.tree(None).await.unwrap();
    stranger(&db)
        .execute(
            "UPDATE files SET sha256 = ?1 WHERE name = 'a.R'",
            [sha256(b"b.R")],
        )
        .unwrap();
    let now = store.tree(None).await.unwrap();
    assert_ne!(now.root, before.root);
    let manifest = store.manifest(None).await.unwrap();
    assert_eq!(now.root, root(&manifest.entries));
    assert_eq!(manifest.root, now.root);
    let directories = store.tree(Some("ann")).await.unwrap().branches;
    assert_eq!((directories.len(), directories[0].files), (1, 2));
    write(&store, &fence, "c.R", Expect::Absent, b"c")
        .await
        .unwrap();
    let kept: i64 = stranger(&db)
        .query_row(
            "SELECT counted - (SELECT writes FROM tree_writes) FROM tree WHERE author = '' AND directory = ''",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(kept, 0, "the tree is kept up again");
    let manifest = store.manifest(None).await.unwrap();
    assert_eq!(manifest.root, root(&manifest.entries));
    assert_eq!(store.count_files().await.unwrap(), 3);
}

/// A database of schema 5 with files gets its tree with the first write.
#[tokio::test]
async fn files_of_before_the_tree_are_in_it() {
    let db = SqliteFile::new();
    let store: Arc<dyn Store> = open(&db.path());
    let fence = activate(&store, "east-1").await;
    write(&store, &fence, "a.R", Expect::Absent, b"a")
        .await
        .unwrap();
    let before = store.tree(None).await.unwrap();
    // As the migration leaves it.
    stranger(&db)
        .execute_batch(
            "DELETE FROM tree; UPDATE tree_writes SET writes = (SELECT count(*) FROM files)",
        )
        .unwrap();
    assert_eq!(store.tree(None).await.unwrap(), before);
    write(&store, &fence, "a.R", Expect::Version(1), b"b")
        .await
        .unwrap();
    let manifest = store.manifest(None).await.unwrap();
    assert_eq!(manifest.root, root(&manifest.entries));
    assert_eq!(store.tree(Some("ann")).await.unwrap().branches[0].files, 1);
}

/// Pairs of 800 writes.
const ROUNDS: usize = 41;

fn print(figure: &str, value: f64, unit: &str, n: usize) {
    println!("{{\"figure\":\"{figure}\",\"value\":{value:.3},\"unit\":\"{unit}\",\"n\":{n}}}");
}

/// Writes so many versions by eight writers at once, as the repository does it.
async fn many(store: &Arc<dyn Store>, fence: &Fence, round: usize) -> Duration {
    let from = Instant::now();
    let mut all = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let (store, fence) = (Arc::clone(store), fence.clone());
        all.spawn(async move {
            for n in 0..100 {
                let content = format!("x <- {round} + {n} + {writer}\n").repeat(100);
                let sha256 = sha256(content.as_bytes());
                store.put_blob(&sha256, content.as_bytes()).await.unwrap();
                let id = FileId::new("ann", format!("d-{writer}"), format!("{n}.R"));
                let write = FileWrite {
                    id,
                    expect: if round == 0 {
                        Expect::Absent
                    } else {
                        Expect::Version(round as i64)
                    },
                    sha256,
                    size: content.len() as u64,
                    by: "ann".to_owned(),
                    message: String::new(),
                    info: None,
                };
                store
                    .write_file(&fence, &write, Notes::default())
                    .await
                    .unwrap();
            }
        });
    }
    all.join_all().await;
    from.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a figure, not a check of behaviour"]
async fn figures_of_the_tree() {
    let (with, without) = (SqliteFile::new(), SqliteFile::new());
    let (kept, alone): (Arc<dyn Store>, Arc<dyn Store>) =
        (open(&with.path()), open(&without.path()));
    stranger(&without)
        .execute_batch("DROP TRIGGER tree_inserted; DROP TRIGGER tree_updated")
        .unwrap();
    let fences = (
        activate(&kept, "east-1").await,
        activate(&alone, "east-1").await,
    );
    // Right after each other, now the one first and now the other: what else the machine does falls on both.
    let mut ratios = Vec::new();
    for round in 0..ROUNDS {
        let timed = async |leave: bool| {
            let (store, fence) = if leave {
                (&alone, &fences.1)
            } else {
                (&kept, &fences.0)
            };
            LEFT_ALONE.store(leave, Ordering::Relaxed);
            let took = many(store, fence, round).await.as_secs_f64();
            LEFT_ALONE.store(false, Ordering::Relaxed);
            took
        };
        let first = timed(round % 2 == 0).await;
        let second = timed(round % 2 == 1).await;
        ratios.push(if round % 2 == 0 {
            second / first
        } else {
            first / second
        });
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "{{\"figure\":\"manifest_write_overhead_pct\",\"value\":{:.3},\"unit\":\"% more time of 800 writes by 8 writers, median of pairs with and without the tree; SQLite\",\"n\":{ROUNDS},\"bar\":10.0}}",
        (ratios[ROUNDS / 2] - 1.0) * 100.0
    );

    stranger(&with)
        .execute_batch(
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 999999)
             INSERT INTO files (author, directory, name, version, deleted, sha256, size, written_by, written_at)
             SELECT 'bob', 'directory-' || (i / 100), 'script-' || i || '.R', 1, 0, (SELECT sha256 FROM blobs LIMIT 1), 1, 'bob', 0 FROM n",
        )
        .unwrap();
    let from = Instant::now();
    write(&kept, &fences.0, "one.R", Expect::Absent, b"one")
        .await
        .unwrap();
    print(
        "manifest_write_while_untrue_1m_ms",
        from.elapsed().as_secs_f64() * 1e3,
        "ms",
        1,
    );
    let (from, mut longest, mut steps) = (Instant::now(), Duration::ZERO, 1);
    loop {
        let step = Instant::now();
        let more = kept.mend_tree(&fences.0).await.unwrap();
        longest = longest.max(step.elapsed());
        if !more {
            break;
        }
        steps += 1;
    }
    print(
        "manifest_made_anew_1m_ms",
        from.elapsed().as_secs_f64() * 1e3,
        "ms",
        steps,
    );
    print(
        "manifest_longest_step_1m_ms",
        longest.as_secs_f64() * 1e3,
        "ms",
        steps,
    );
    let mut times = Vec::new();
    for n in 1..=50 {
        write(
            &kept,
            &fences.0,
            "one.R",
            Expect::Version(n),
            format!("{n}").as_bytes(),
        )
        .await
        .unwrap();
        let from = Instant::now();
        let tree = kept.tree(None).await.unwrap();
        times.push(from.elapsed());
        assert!(tree.files > 1_000_000);
    }
    times.sort();
    print(
        "manifest_root_1m_ms",
        times[25].as_secs_f64() * 1e3,
        "ms",
        50,
    );
    let from = Instant::now();
    let directories = kept.tree(Some("bob")).await.unwrap();
    print(
        "manifest_10000_directories_ms",
        from.elapsed().as_secs_f64() * 1e3,
        "ms",
        directories.branches.len(),
    );
}
