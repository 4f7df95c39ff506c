#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::testing::{apply, entries, entry, manifest};
use crate::{compare, verify};
use proptest::prelude::*;

#[test]
fn counts_and_bytes_are_what_people_read() {
    let mut newer = entry("a/d/newer", "target's");
    newer.earlier = vec![entry("a/d/newer", "source's").sha256];
    let mut source = entry("a/d/conflict", "one");
    let mut target = entry("a/d/conflict", "two");
    source.earlier = vec!["0".repeat(64)];
    target.earlier = source.earlier.clone();
    let comparison = compare(
        manifest(
            "east",
            vec![
                entry("a/d/differs", "12345"),
                entry("a/d/missing", "12345"),
                entry("a/d/missing too", "123"),
                entry("a/d/same", "same"),
                entry("a/d/newer", "source's"),
                source,
            ],
        ),
        manifest(
            "west",
            vec![
                entry("a/d/differs", "old"),
                entry("a/d/same", "same"),
                entry("a/d/extra", "extra"),
                newer,
                target,
            ],
        ),
    );
    let made = plan(&comparison, &Selection::default());
    let counts = Counts {
        create: 2,
        update: 1,
        delete: 0,
        conflict: 1,
        kept: 2,
        same: 1,
        ..Counts::default()
    };
    assert_eq!(made.counts, counts);
    assert_eq!(made.bytes, 8, "the same content counts once");
    assert!(made.id.len() == 9 && made.id.as_bytes()[4] == b'-');
    assert!(made.request("why").check().is_empty());

    let with_deletion = Selection {
        delete_extra: true,
        ..Selection::default()
    };
    let deleting = plan(&comparison, &with_deletion);
    assert_eq!((deleting.counts.delete, deleting.counts.kept), (1, 1));
    assert_ne!(deleting.id, made.id);

    let id = |n: &str| entry(n, "").id;
    let chosen = Selection {
        files: Some([id("a/d/conflict"), id("a/d/newer"), id("a/d/differs")].into()),
        choices: [
            (id("a/d/conflict"), Choice::Source),
            (id("a/d/newer"), Choice::Source),
            (id("a/d/differs"), Choice::Target),
        ]
        .into(),
        delete_extra: true,
        ..Selection::default()
    };
    let made = plan(&comparison, &chosen);
    let counts = Counts {
        update: 2,
        kept: 1,
        ..Counts::default()
    };
    assert_eq!(made.counts, counts);
    assert_eq!(made.operations.len(), 2);
}

#[test]
fn a_conflict_can_keep_both() {
    let mut source = entry("a/d/limits.R", "one");
    let mut target = entry("a/d/limits.R", "two");
    source.earlier = vec!["0".repeat(64)];
    target.earlier = source.earlier.clone();
    let comparison = compare(
        manifest("east", vec![source]),
        manifest("west", vec![target, entry("a/d/limits (from east).R", "x")]),
    );
    let id = entry("a/d/limits.R", "").id;
    let selection = Selection {
        choices: [(id, Choice::Both)].into(),
        ..Selection::default()
    };
    let made = plan(&comparison, &selection);
    assert_eq!((made.counts.create, made.counts.conflict), (1, 0));
    let op = &made.operations[0];
    assert_eq!(op.id.name, "limits (from east 2).R");
    assert_eq!((op.expect.as_ref(), op.version), (None, None));
    let after = apply(&comparison.target, &made);
    assert_eq!(after.entries.len(), 3);
    assert!(verify(&made, &after).ok());
}

#[test]
fn rules_leave_files_out() {
    for (rule, path, wanted) in [
        ("ann/plots/a.R", "ann/plots/a.R", true),
        ("ann/plots/*.R", "ann/plots/a.R", true),
        ("*/plots/*.R", "ann/plots/a.csv", false),
        ("*.R", "ann/plots/a.R", false),
        ("**.R", "ann/plots/a.R", true),
        ("ann/**", "ann/plots/a.R", true),
        ("ann/*", "ann/plots/a.R", false),
        ("ann/plots/?.R", "ann/plots/a.R", true),
        ("", "ann/plots/a.R", false),
    ] {
        assert_eq!(fits(rule, path), wanted, "{rule} {path}");
    }
    let comparison = compare(
        manifest("east", vec![entry("a/d/1.R", "1"), entry("a/d/1.csv", "1")]),
        manifest("west", vec![]),
    );
    let selection = Selection {
        ignore: vec!["**.csv".to_owned()],
        ..Selection::default()
    };
    let made = plan(&comparison, &selection);
    assert_eq!((made.counts.create, made.counts.ignored), (1, 1));
}

#[test]
fn who_will_see_what_stands_out() {
    let public = |path: &str, content: &str, access| {
        let mut e = entry(path, content);
        e.info = Some(Box::new(FileInfo {
            access,
            ..FileInfo::default()
        }));
        e
    };
    let comparison = compare(
        manifest(
            "east",
            vec![
                public("a/d/changes", "x", Access::Public),
                public("a/d/new", "x", Access::Shared),
                public("a/d/stays", "2", Access::Shared),
                entry("a/d/narrows", "x"),
                entry("a/d/private", "x"),
            ],
        ),
        manifest(
            "west",
            vec![
                entry("a/d/changes", "x"),
                public("a/d/stays", "1", Access::Shared),
                public("a/d/narrows", "x", Access::Public),
            ],
        ),
    );
    let made = plan(&comparison, &Selection::default());
    let seen: Vec<_> = made
        .access
        .iter()
        .map(|c| (c.id.name.as_str(), c.before, c.after))
        .collect();
    assert_eq!(
        seen,
        [
            ("changes", Some(Access::Private), Access::Public),
            ("narrows", Some(Access::Public), Access::Private),
            ("new", None, Access::Shared),
        ]
    );
    let op = |name: &str| {
        made.operations
            .iter()
            .find(|op| op.id.name == name)
            .unwrap()
    };
    assert!(op("stays").info.is_none(), "what is said stays");
    assert_eq!(
        op("narrows").info,
        Some(Box::default()),
        "nothing is said any more"
    );
    assert_eq!(op("changes").expect, op("changes").sha256);
    assert_eq!(made.counts.metadata, 2);
}

proptest! {
    #[test]
    fn no_rule_breaks_the_matcher(rule in "[a*?/]{0,12}", path in "[a/]{0,12}") {
        let _ = fits(&rule, &path);
    }

    #[test]
    fn an_applied_plan_makes_the_chosen_files_equal(a in entries(10), b in entries(10), every in 1_usize..4) {
        let comparison = compare(manifest("east", a), manifest("west", b));
        let ids: BTreeSet<_> = comparison.files.iter().step_by(every).map(|f| f.id.clone()).collect();
        let selection = Selection {
            choices: ids.iter().map(|id| (id.clone(), Choice::Source)).collect(),
            files: Some(ids.clone()),
            delete_extra: true,
            ..Selection::default()
        };
        let made = plan(&comparison, &selection);
        let after = apply(&comparison.target, &made);
        let again = compare(comparison.source.clone(), after.clone());
        for file in &again.files {
            if ids.contains(&file.id) {
                prop_assert_eq!(file.parity, Parity::Same);
            } else {
                // What was not chosen is as it was.
                prop_assert_eq!(again.target_of(file).map(|e| &e.sha256),
                    comparison.file(&file.id).and_then(|f| comparison.target_of(f)).map(|e| &e.sha256));
            }
        }
        prop_assert!(verify(&made, &after).ok());
        prop_assert_eq!(every > 1 || after.root == comparison.source.root, true);
    }

    #[test]
    fn equal_manifests_give_an_empty_plan(a in entries(10)) {
        let made = plan(
            &compare(manifest("east", a.clone()), manifest("west", a)),
            &Selection { delete_extra: true, ..Selection::default() },
        );
        prop_assert!(made.is_empty());
        prop_assert_eq!(made.bytes, 0);
    }
}

#[test]
fn tags_narrow_a_plan_to_the_files_that_have_one() {
    let tagged = |path: &str, content: &str, tags: &[&str]| {
        let mut made = entry(path, content);
        made.info = Some(Box::new(FileInfo {
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            ..FileInfo::default()
        }));
        made
    };
    let comparison = compare(
        manifest(
            "east",
            vec![
                tagged("a/d/both", "new", &["risk", "daily"]),
                entry("a/d/none", "new"),
                tagged("a/d/other", "new", &["daily"]),
            ],
        ),
        manifest(
            "west",
            vec![
                entry("a/d/both", "old"),
                tagged("a/d/extra", "x", &["risk"]),
                tagged("a/d/other", "old", &["risk"]),
            ],
        ),
    );
    let planned = |tags: &[&str]| {
        let selection = Selection {
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            delete_extra: true,
            ..Selection::default()
        };
        let made = plan(&comparison, &selection);
        made.operations
            .into_iter()
            .map(|op| op.id.name)
            .collect::<Vec<_>>()
    };
    assert_eq!(planned(&[]), ["both", "extra", "none", "other"]);
    assert_eq!(
        planned(&["risk"]),
        ["both", "extra"],
        "the source's tags count where it has the file"
    );
    assert_eq!(planned(&["daily", "weekly"]), ["both", "other"]);
    assert!(planned(&["weekly"]).is_empty());
}
