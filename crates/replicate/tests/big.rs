//! Figures for big repositories; run with `--release --ignored --nocapture`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

use gridhelm_api::changeset::{Manifest, ManifestEntry};
use gridhelm_api::repository::FileId;
use gridhelm_replicate::{Selection, compare, content_hash, matrix, plan, root, stale};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A repository of 100,000 files in 1,000 directories; every `other`-th file has other content.
fn repository(group: &str, other: usize) -> Arc<Manifest> {
    let entries: Vec<ManifestEntry> = (0..100_000)
        .map(|i| {
            let content = if i % other == 0 {
                format!("{group} {i}")
            } else {
                i.to_string()
            };
            ManifestEntry {
                id: FileId::new(
                    "analyst",
                    format!("directory-{:04}", i / 100),
                    format!("script-{i:06}.R"),
                ),
                sha256: content_hash(content.as_bytes()),
                size: 1000,
                version: 3,
                written_at: 0,
                written_by: "analyst".to_owned(),
                earlier: (0..3)
                    .map(|v| content_hash(format!("{i} {v}").as_bytes()))
                    .collect(),
                info: None,
                base: None,
            }
        })
        .collect();
    Arc::new(Manifest {
        group: group.to_owned(),
        epoch: 1,
        root: root(&entries),
        entries,
        gone: Vec::new(),
    })
}

fn median(mut work: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..7)
        .map(|_| {
            let from = Instant::now();
            work();
            from.elapsed()
        })
        .collect();
    times.sort();
    times[3]
}

#[test]
#[ignore = "a figure, not a check of behaviour"]
fn a_hundred_thousand_files() {
    let (east, west) = (repository("east", 7), repository("west", 11));
    let compared = median(|| {
        std::hint::black_box(compare(Arc::clone(&east), Arc::clone(&west)));
    });
    println!(
        "{{\"figure\":\"compare_100k_ms\",\"value\":{:.1}}}",
        compared.as_secs_f64() * 1e3
    );
    let comparison = compare(Arc::clone(&east), Arc::clone(&west));
    let planned = median(|| {
        std::hint::black_box(plan(&comparison, &Selection::default()));
    });
    println!(
        "{{\"figure\":\"plan_100k_ms\",\"value\":{:.1}}}",
        planned.as_secs_f64() * 1e3
    );
    let hashed = median(|| {
        std::hint::black_box(root(&east.entries));
    });
    println!(
        "{{\"figure\":\"root_100k_ms\",\"value\":{:.1}}}",
        hashed.as_secs_f64() * 1e3
    );
    let made = plan(&comparison, &Selection::default());
    let looked = median(|| {
        std::hint::black_box(stale(&made, &comparison, &west, &east));
    });
    println!(
        "{{\"figure\":\"stale_100k_ms\",\"value\":{:.1}}}",
        looked.as_secs_f64() * 1e3
    );
    let groups = vec![east; 8];
    let seen = median(|| {
        std::hint::black_box(matrix(&groups, 0));
    });
    println!(
        "{{\"figure\":\"matrix_8x100k_ms\",\"value\":{:.1}}}",
        seen.as_secs_f64() * 1e3
    );
    if !cfg!(debug_assertions) {
        assert!(
            compared < Duration::from_millis(150),
            "comparing took {compared:?}"
        );
    }
}
