//! The way back: the changeset that undoes a replication.

use gridhelm_api::changeset::{ChangesetReport, ChangesetRequest, Operation};
use gridhelm_api::repository::FileInfo;

use crate::ui::format::counted;

/// The changeset that makes every file as it was before another. The target refuses it where a file was changed since.
pub(super) fn back(report: &ChangesetReport, reason: &str) -> ChangesetRequest {
    let operations = report
        .files
        .iter()
        .map(|file| Operation {
            id: file.id.clone(),
            expect: file.after.clone(),
            sha256: file.before.clone(),
            size: if file.before.is_some() {
                file.size_before
            } else {
                0
            },
            version: file.after.is_some().then_some(file.version),
            info: file
                .info_before
                .clone()
                .or_else(|| file.after.is_none().then(Box::<FileInfo>::default)),
        })
        .collect();
    ChangesetRequest {
        plan: format!("back-{}", report.record.id),
        // The group itself: a later comparison sees that the target moved on, and leaves it so.
        source: report.group.clone(),
        operations,
        reason: format!("taken back: {}: {reason}", report.record.id),
    }
}

/// Why it cannot be taken back, if it cannot.
pub(super) fn no_way_back(report: &ChangesetReport) -> Option<String> {
    if report.record.committed.is_none() {
        return Some("It was not committed.".to_owned());
    }
    if report.files.is_empty() {
        return Some("Its versions are not kept any more.".to_owned());
    }
    let lost = |hash: &Option<String>| hash.as_deref() == Some("");
    let lost = report
        .files
        .iter()
        .filter(|file| lost(&file.before))
        .count();
    (lost > 0).then(|| {
        format!(
            "What {} had before is not kept any more.",
            counted(lost, "file")
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gridhelm_api::changeset::WrittenFile;
    use gridhelm_api::repository::FileId;

    fn report(before: Option<&str>, after: Option<&str>) -> ChangesetReport {
        ChangesetReport {
            group: "west".to_owned(),
            record: gridhelm_api::changeset::ChangesetRecord {
                id: "c-1".to_owned(),
                plan: "7f3a-91c2".to_owned(),
                source: "east".to_owned(),
                reason: String::new(),
                by: "ann".to_owned(),
                at: 0,
                committed: Some(gridhelm_api::changeset::Committed {
                    id: "c-1".to_owned(),
                    created: 1,
                    updated: 0,
                    deleted: 0,
                    root: String::new(),
                }),
                verified: None,
                hold: None,
            },
            files: vec![WrittenFile {
                id: FileId::new("ann", "d", "a.R"),
                version: 4,
                before: before.map(str::to_owned),
                after: after.map(str::to_owned),
                size_before: 3,
                size_after: 5,
                info_before: None,
                info_after: None,
            }],
            missing: Vec::new(),
            planned: Vec::new(),
        }
    }

    #[test]
    fn the_way_back_expects_what_was_written_and_gives_what_was_there() {
        let made = back(&report(Some("1"), Some("2")), "it was wrong");
        let op = &made.operations[0];
        assert_eq!(
            (op.expect.as_deref(), op.sha256.as_deref()),
            (Some("2"), Some("1"))
        );
        assert_eq!((op.version, op.size), (Some(4), 3));
        assert_eq!(made.source, "west");
        let made = back(&report(None, Some("2")), "it was wrong");
        assert_eq!(
            (made.operations[0].sha256.as_ref(), made.operations[0].size),
            (None, 0)
        );
        let made = back(&report(Some("1"), None), "it was wrong");
        assert_eq!(
            (
                made.operations[0].expect.as_ref(),
                made.operations[0].version
            ),
            (None, None)
        );
    }

    #[test]
    fn what_is_not_kept_cannot_be_taken_back() {
        assert_eq!(no_way_back(&report(Some("1"), Some("2"))), None);
        assert!(no_way_back(&report(Some(""), Some("2"))).is_some());
        let mut open = report(Some("1"), Some("2"));
        open.record.committed = None;
        assert!(no_way_back(&open).is_some());
    }
}
