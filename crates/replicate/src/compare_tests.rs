#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::testing::{entry, manifest};
use gridhelm_api::changeset::Base;

fn with_history(content: &str, earlier: &[&str]) -> ManifestEntry {
    let mut e = entry("a/d/f.R", content);
    e.earlier = earlier
        .iter()
        .map(|c| crate::content_hash(c.as_bytes()))
        .collect();
    e
}

#[test]
fn history_tells_which_side_moved_on() {
    let cases = [
        (
            "same content",
            ("1", vec!["0"]),
            ("1", vec![]),
            Parity::Same,
        ),
        (
            "the source moved on",
            ("2", vec!["1"]),
            ("1", vec![]),
            Parity::Differs,
        ),
        (
            "the target moved on",
            ("1", vec![]),
            ("2", vec!["1"]),
            Parity::Newer,
        ),
        (
            "both moved on",
            ("2", vec!["1"]),
            ("3", vec!["1"]),
            Parity::Conflict,
        ),
        (
            "each went back",
            ("1", vec!["2"]),
            ("2", vec!["1"]),
            Parity::Conflict,
        ),
        (
            "nothing in common",
            ("1", vec!["0"]),
            ("2", vec!["9"]),
            Parity::Differs,
        ),
        ("no history", ("1", vec![]), ("2", vec![]), Parity::Differs),
    ];
    for (what, (s, s_earlier), (t, t_earlier), wanted) in cases {
        let (s, t) = (with_history(s, &s_earlier), with_history(t, &t_earlier));
        let found = parity(Here::There(&s), Here::There(&t));
        assert_eq!(found, wanted, "{what}");
    }
}

/// What the last replication left decides, whatever the histories say.
#[test]
fn the_last_replicated_state_tells_which_side_moved_on() {
    let hash = |text: &str| {
        Some(text)
            .filter(|t| !t.is_empty())
            .map(|t| crate::content_hash(t.as_bytes()))
    };
    // Source now, target now, base; empty: there is no such file.
    let cases = [
        ("2", "1", "1", Parity::Differs),
        ("1", "2", "1", Parity::Newer),
        ("2", "3", "1", Parity::Conflict),
        ("1", "", "1", Parity::Deleted),
        ("2", "", "1", Parity::Conflict),
        ("", "1", "1", Parity::Dropped),
        ("", "2", "1", Parity::Conflict),
        ("1", "", "", Parity::Missing),
        ("", "1", "", Parity::Extra),
        ("1", "2", "", Parity::Conflict),
    ];
    for (s, t, left, wanted) in cases {
        let entry = |content: &str, base: Option<Box<Base>>| {
            // Histories that would say something else: both had everything.
            let mut e = with_history(content, &["1", "2", "3"]);
            e.earlier.retain(|h| *h != e.sha256);
            e.base = base;
            e
        };
        let base = || {
            Some(Box::new(Base {
                sha256: hash(left),
                at: 5,
            }))
        };
        let gone = Gone {
            id: entry("", None).id,
            at: 6,
            by: "ann".to_owned(),
            earlier: vec![],
            base: base(),
        };
        let (source, target) = (entry(s, None), entry(t, base()));
        let source = if s.is_empty() {
            Here::Never
        } else {
            Here::There(&source)
        };
        let target = if t.is_empty() {
            Here::Gone(&gone)
        } else {
            Here::There(&target)
        };
        assert_eq!(parity(source, target), wanted, "{s:?} {t:?} {left:?}");
    }
}

#[test]
fn a_deletion_is_told_from_a_file_that_was_never_sent() {
    let gone = |earlier: &[&str]| Gone {
        id: entry("a/d/f.R", "").id,
        at: 6,
        by: "ann".to_owned(),
        earlier: earlier
            .iter()
            .map(|c| crate::content_hash(c.as_bytes()))
            .collect(),
        base: None,
    };
    let file = with_history("2", &["1"]);
    let there = Here::There(&file);
    assert_eq!(parity(there, Here::Never), Parity::Missing);
    assert_eq!(parity(there, Here::Gone(&gone(&["2"]))), Parity::Deleted);
    assert_eq!(parity(there, Here::Gone(&gone(&["1"]))), Parity::Conflict);
    assert_eq!(parity(there, Here::Gone(&gone(&["9"]))), Parity::Missing);
    assert_eq!(parity(Here::Never, there), Parity::Extra);
    assert_eq!(parity(Here::Gone(&gone(&["2"])), there), Parity::Dropped);
    assert_eq!(parity(Here::Gone(&gone(&["1"])), there), Parity::Conflict);
    assert_eq!(parity(Here::Gone(&gone(&["9"])), there), Parity::Extra);
}

#[test]
fn the_later_of_two_replications_counts_by_history_not_by_clocks() {
    // West, whose clock is far ahead, got 1 from east, then east got 2 from west; then east went on to 3.
    let mut east = with_history("3", &["2", "1"]);
    let mut west = with_history("2", &["1"]);
    let base = |content: &str, at| {
        Some(Box::new(Base {
            sha256: Some(crate::content_hash(content.as_bytes())),
            at,
        }))
    };
    west.base = base("1", 1_000_000);
    east.base = base("2", 3);
    assert_eq!(
        parity(Here::There(&east), Here::There(&west)),
        Parity::Differs
    );
    assert_eq!(
        parity(Here::There(&west), Here::There(&east)),
        Parity::Newer
    );
}

#[test]
fn what_is_said_alone_can_differ() {
    let plain = entry("a/d/f.R", "x");
    let mut other = plain.clone();
    other.info = Some(Box::default());
    let alike = parity(Here::There(&plain), Here::There(&other));
    assert_eq!(alike, Parity::Same);
    other.info = Some(Box::new(gridhelm_api::repository::FileInfo {
        description: "limits".to_owned(),
        ..Default::default()
    }));
    let differs = parity(Here::There(&plain), Here::There(&other));
    assert_eq!(differs, Parity::Metadata);
}

#[test]
fn every_file_of_either_side_is_there_once_and_in_order() {
    let source = manifest(
        "east",
        vec![
            entry("a/d/3", "x"),
            entry("a/d/1", "x"),
            entry("a/d/1", "y"),
        ],
    );
    let target = manifest("west", vec![entry("a/d/1", "y"), entry("a/d/2", "z")]);
    let found = compare(source, target);
    let seen: Vec<_> = found
        .files
        .iter()
        .map(|f| (f.id.name.as_str(), f.parity))
        .collect();
    assert_eq!(
        seen,
        [
            ("1", Parity::Same),
            ("2", Parity::Extra),
            ("3", Parity::Missing)
        ]
    );
    let first = &found.files[0];
    assert_eq!(
        found.source_of(first).unwrap().sha256,
        crate::content_hash(b"y")
    );
    assert!(found.source_of(&found.files[1]).is_none());
    assert_eq!(found.file(&found.files[2].id), Some(&found.files[2]));
    let counts = found.counts();
    assert_eq!((counts.same, counts.unequal()), (1, 2));
}
