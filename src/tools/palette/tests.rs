//! What the palette offers to whom, and in which order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use gridhelm_api::node::Intent;
use proptest::prelude::*;

use super::entries::{
    Act, Entry, GroupKnown, Known, NodeKnown, Section, entries, scripts as script_entries,
};
use super::rank::{ranked, step};
use crate::app::{Page, Place};

fn group(name: &str) -> GroupKnown {
    GroupKnown {
        name: name.to_owned(),
        servers: vec![
            (format!("{name}-1"), "active"),
            (format!("{name}-2"), "standby"),
        ],
        active: Some(format!("{name}-1")),
        nodes: (1..=9)
            .map(|number| NodeKnown {
                name: format!("{name}-r0{number}"),
                state: "ready".to_owned(),
                intent: if number == 5 {
                    Intent::Draining
                } else {
                    Intent::Enabled
                },
            })
            .collect(),
        tasks: vec![("t-1".to_owned(), "ana/fit/linear.R".to_owned(), "succeeded")],
        no_operator: None,
        no_admin: None,
    }
}

fn two() -> Known {
    Known {
        groups: vec![group("east"), group("west")],
        ..Known::default()
    }
}

fn found<'a>(query: &str, all: &'a [Entry]) -> Vec<&'a Entry> {
    let sections = ranked(query, all);
    let hits = sections.into_iter().flat_map(|(_, hits)| hits);
    hits.map(|hit| &all[hit.entry]).collect()
}

#[test]
fn what_is_typed_finds_what_is_meant() {
    let all = entries(&two());
    for (query, label) in [
        ("grid", "Grid"),
        ("er5", "east-r05"),
        ("switch east", "Switch east to east-2…"),
        ("failover west", "Force failover of west to west-2…"),
        ("drain r3", "Drain east-r03…"),
        ("events", "Events & audit"),
        ("dark", "Dark theme"),
        ("west-2", "west-2"),
        ("linear", "ana/fit/linear.R t-1"),
    ] {
        assert_eq!(found(query, &all)[0].label, label, "{query}");
    }
    assert!(found("qqqq", &all).is_empty());
}

#[test]
fn what_a_role_forbids_is_offered_with_its_reason() {
    let mut known = two();
    for group in &mut known.groups {
        group.no_operator = Some("ana is a viewer in it; this takes an operator.".to_owned());
        group.no_admin = Some("ana is a viewer in it; this takes an admin.".to_owned());
    }
    let all = entries(&known);
    let off = |label: &str| {
        let entry = all.iter().find(|entry| entry.label == label);
        entry.unwrap().off.clone().unwrap_or_default()
    };
    for label in [
        "Register a node…",
        "Run a task…",
        "Drain east-r01…",
        "Switch east to east-2…",
        "Force failover of east to east-2…",
        "Replicate east to west…",
        "Upload files…",
    ] {
        assert!(off(label).contains("takes an operator"), "{label}");
    }
    assert!(off("New account…").contains("takes an admin"));
    for label in ["Change my password…", "Sign out", "Dark theme", "Overview"] {
        assert_eq!(off(label), "", "{label}");
    }
}

#[test]
fn a_scope_leaves_the_other_groups_actions_out_and_keeps_their_things() {
    let known = Known {
        scope: Some("west".to_owned()),
        ..two()
    };
    let all = entries(&known);
    let labels: Vec<&str> = all.iter().map(|entry| entry.label.as_str()).collect();
    assert!(!labels.contains(&"Switch east to east-2…"));
    assert!(labels.contains(&"Switch west to west-2…"));
    assert!(labels.contains(&"east-r01"));
}

#[test]
fn every_address_that_it_leads_to_is_one() {
    let mut all = entries(&two());
    all.extend(script_entries("east", true, &["a/b/c.R".to_owned()]));
    for entry in all {
        if let Act::Visit(place) = entry.act {
            assert_eq!(Place::parse(&place.url()), place, "{}", entry.label);
        }
    }
}

#[test]
fn at_rest_it_shows_all_pages_and_little_else() {
    let all = entries(&two());
    let sections = ranked("  ", &all);
    let of = |wanted: Section| {
        let found = sections.iter().find(|(section, _)| *section == wanted);
        found.map_or(0, |(_, hits)| hits.len())
    };
    assert_eq!(of(Section::Pages), Page::ALL.len());
    assert_eq!((of(Section::Tasks), of(Section::Actions)), (2, 4));
    assert_eq!(of(Section::Nodes), 0);
}

#[test]
fn the_arrows_go_round_and_pages_do_not() {
    assert_eq!(step("ArrowDown", 2, 3), Some(0));
    assert_eq!(step("ArrowUp", 0, 3), Some(2));
    assert_eq!(step("PageDown", 0, 3), Some(2));
    assert_eq!(step("PageUp", 2, 30), Some(0));
    assert_eq!(step("a", 0, 3), None);
    assert_eq!(step("ArrowDown", 0, 0), None);
}

proptest! {
    #[test]
    fn no_query_shows_more_than_fits_or_the_same_twice(query in "[a-z0-9 -]{0,6}") {
        let all = entries(&two());
        let shown = ranked(&query, &all);
        let lines: Vec<usize> = shown.iter().flat_map(|(_, hits)| hits).map(|hit| hit.entry).collect();
        let once: std::collections::BTreeSet<_> = lines.iter().collect();
        prop_assert!(lines.len() <= 24);
        prop_assert_eq!(once.len(), lines.len());
        for (section, hits) in &shown {
            prop_assert!(hits.iter().all(|hit| all[hit.entry].section == *section));
        }
        // A line that is chosen by the keys is always one that is there.
        for key in ["ArrowDown", "ArrowUp", "PageDown", "PageUp"] {
            for at in 0..lines.len() {
                prop_assert!(step(key, at, lines.len()).unwrap() < lines.len());
            }
        }
    }
}
