//! Manifests for tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::{Plan, content_hash, root};
use gridhelm_api::changeset::{Manifest, ManifestEntry};
use gridhelm_api::repository::FileId;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// An entry of a path with this content.
pub(crate) fn entry(path: &str, content: &str) -> ManifestEntry {
    ManifestEntry {
        id: FileId::from_path(path).unwrap(),
        sha256: content_hash(content.as_bytes()),
        size: content.len() as u64,
        version: 1,
        written_at: 0,
        written_by: "ann".to_owned(),
        earlier: Vec::new(),
        info: None,
        base: None,
    }
}

pub(crate) fn manifest(group: &str, entries: Vec<ManifestEntry>) -> Arc<Manifest> {
    Arc::new(Manifest {
        group: group.to_owned(),
        epoch: 1,
        root: root(&entries),
        entries,
        gone: Vec::new(),
    })
}

/// Up to `most` entries of few paths and contents, each path once, some with histories.
pub(crate) fn entries(most: usize) -> impl Strategy<Value = Vec<ManifestEntry>> {
    let one = (
        "[ab]/[de]/[fgh]",
        "[xyz]",
        proptest::collection::vec("[xyz]", 0..3),
    );
    proptest::collection::vec(one, 0..=most).prop_map(|files| {
        let files: BTreeMap<String, ManifestEntry> = files
            .into_iter()
            .map(|(path, content, earlier)| {
                let mut e = entry(&path, &content);
                e.earlier = earlier.iter().map(|c| content_hash(c.as_bytes())).collect();
                e.earlier.retain(|h| *h != e.sha256);
                (path, e)
            })
            .collect();
        files.into_values().collect()
    })
}

/// What the target would be once the plan is applied: what a server does, in memory.
pub(crate) fn apply(target: &Manifest, plan: &Plan) -> Arc<Manifest> {
    let mut files: BTreeMap<FileId, ManifestEntry> = target
        .entries
        .iter()
        .map(|e| (e.id.clone(), e.clone()))
        .collect();
    for op in &plan.operations {
        assert_eq!(files.get(&op.id).map(|e| &e.sha256), op.expect.as_ref());
        let before = files.remove(&op.id);
        if let Some(sha256) = &op.sha256 {
            let mut e = entry(&op.id.path(), "");
            e.sha256.clone_from(sha256);
            e.size = op.size;
            e.earlier = before
                .map(|b| [vec![b.sha256], b.earlier].concat())
                .unwrap_or_default();
            files.insert(op.id.clone(), e);
        }
    }
    manifest(&target.group, files.into_values().collect())
}
