//! What the table shows, and in which order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::pages::grid::sample::node;
use gridhelm_api::node::{Health, NodeFacts};

fn lost(name: &str) -> Node {
    Node {
        health: Health::Unreachable,
        health_reason: Some("connection refused".to_owned()),
        ..node(name)
    }
}

#[test]
fn every_word_must_be_found_somewhere() {
    let node = Node {
        labels: vec!["rack b2".to_owned()],
        ..lost("east-r07")
    };
    for q in ["r07", "B2", "refused 10.0.0.1", "6311", " "] {
        assert!(Filter::new(Some(q), None).leaves(&node, 0.0), "{q}");
    }
    for q in ["r08", "b2 r08"] {
        assert!(!Filter::new(Some(q), None).leaves(&node, 0.0), "{q}");
    }
}

#[test]
fn states_are_alternatives_and_unknown_ones_are_left_out() {
    let filter = Filter::new(None, Some("lost,stalled,<b>"));
    assert!(filter.leaves(&lost("a"), 0.0));
    assert!(!filter.leaves(&node("b"), 0.0));
    assert!(Filter::new(None, Some("<b>")).is_empty());
}

#[test]
fn a_state_is_turned_on_and_off_in_the_address() {
    let on = toggled(Some("stalled"), Glyph::Lost);
    assert_eq!(on.as_deref(), Some("stalled,lost"));
    assert_eq!(
        toggled(on.as_deref(), Glyph::Stalled).as_deref(),
        Some("lost")
    );
    assert_eq!(toggled(Some("lost"), Glyph::Lost), None);
}

#[test]
fn the_order_is_total_and_turns_round() {
    let (a, b, c) = (
        lost("r10"),
        node("r2"),
        Node {
            load: Some(0.5),
            ..node("r1")
        },
    );
    let order = |sort: Option<&str>| {
        let mut nodes = [&a, &b, &c];
        nodes.sort_by(|x, y| Sort::parse(sort).compare(x, y));
        nodes.map(|node| node.name.clone())
    };
    assert_eq!(order(None), ["r1", "r2", "r10"]);
    assert_eq!(order(Some("-node")), ["r10", "r2", "r1"]);
    assert_eq!(order(Some("state")), ["r10", "r1", "r2"]);
    assert_eq!(order(Some("-load")), ["r1", "r2", "r10"]);
    assert_eq!(order(Some("nothing")), order(None));
}

#[test]
fn the_next_column_decides_where_the_first_does_not() {
    let with = |name: &str, load: f64, memory: f64| Node {
        load: Some(load),
        memory_used: Some(memory),
        ..node(name)
    };
    let nodes = [
        with("a", 0.5, 0.1),
        with("b", 0.5, 0.9),
        with("c", 0.1, 0.5),
    ];
    let order = |sort: &str| {
        let mut nodes: Vec<&Node> = nodes.iter().collect();
        nodes.sort_by(|x, y| Sort::parse(Some(sort)).compare(x, y));
        nodes
            .iter()
            .map(|node| node.name.as_str())
            .collect::<Vec<_>>()
    };
    assert_eq!(order("load,memory"), ["c", "a", "b"]);
    assert_eq!(order("load,-memory"), ["c", "b", "a"]);
    assert_eq!(order("-load,-node"), ["b", "a", "c"]);
    assert_eq!(order("load,-load"), order("load"), "named again");
    assert_eq!(
        Sort::parse(Some("state,-load")).words(),
        "State and reason, then Load, greatest first"
    );
}

#[test]
fn every_column_is_known_by_its_name_in_the_address() {
    for column in Column::ALL {
        let name = column.name();
        assert_eq!(Sort::parse(Some(name)), Sort(vec![(column, false)]));
        let turned = ["-", name].concat();
        assert_eq!(Sort::parse(Some(&turned)), Sort(vec![(column, true)]));
        assert!(Column::shown(Some(name)).contains(&column));
    }
    assert_eq!(Column::shown(None).len(), Column::USUAL);
    assert_eq!(
        Column::shown(Some("labels,<b>,used")),
        [Column::Node, Column::Used, Column::Labels]
    );
    for (density, name, _) in Density::ALL {
        assert_eq!(Density::parse(Some(name)), density);
    }
    assert_eq!(Density::parse(Some("<b>")), Density::Usual);
}

#[test]
fn the_common_r_version_is_named_only_when_they_differ() {
    assert_eq!(common_r(["4.2.2", "4.2.2", ""].into_iter()), None);
    assert_eq!(
        common_r(["4.1.3", "4.2.2", "4.2.2"].into_iter()).as_deref(),
        Some("4.2.2")
    );
    assert_eq!(
        common_r(["4.10.0", "4.9.0"].into_iter()).as_deref(),
        Some("4.10.0")
    );
    let facts = NodeFacts {
        r_version: "4.2.2".to_owned(),
        ..NodeFacts::default()
    };
    assert_eq!(
        r_version(&Node {
            facts: Some(facts),
            ..node("a")
        }),
        "4.2.2"
    );
}
