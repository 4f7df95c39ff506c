//! What the checks find, and what they do not claim.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use gridhelm_api::group::ServerRole;
use gridhelm_api::node::{Node, NodeFacts};

use super::*;
use crate::pages::grid::sample::node;
use crate::pages::overview::sample::{down, group, server};

fn with_r(name: &str, version: &str, offset: i64) -> Arc<Node> {
    let facts = NodeFacts {
        r_version: version.to_owned(),
        clock_offset_ms: offset,
        ..NodeFacts::default()
    };
    Arc::new(Node {
        facts: Some(facts),
        ..node(name)
    })
}

fn probed(name: &str) -> GroupGlance {
    let mut group = group(name);
    group.nodes = vec![
        with_r(&format!("{name}-r01"), "4.2.2", 11),
        with_r(&format!("{name}-r02"), "4.2.2", -3),
    ];
    group
}

fn root(group: &str, hash: &str) -> Root {
    Root {
        group: group.to_owned(),
        root: Ok(hash.to_owned()),
        files: 12,
    }
}

fn failing(groups: &[GroupGlance], roots: Option<&[Root]>) -> Vec<(Glyph, String)> {
    checks(groups, roots)
        .into_iter()
        .filter(|check| !matches!(check.outcome, Glyph::Pass | Glyph::Info))
        .map(|check| (check.outcome, check.title))
        .collect()
}

#[test]
fn a_good_deployment_passes_and_still_names_its_limit() {
    let all = checks(
        &[probed("east"), probed("west")],
        Some(&[root("east", "aa"), root("west", "aa")]),
    );
    assert_eq!(score(&all), (10, 10));
    assert!(all.iter().any(|check| check.outcome == Glyph::Info
        && check.title == "east and west survive a process, not a host"));
}

#[test]
fn what_is_not_known_is_not_called_good() {
    let found = failing(&[group("east"), group("west")], None);
    assert_eq!(
        found
            .iter()
            .map(|(outcome, _)| *outcome)
            .collect::<Vec<_>>(),
        [Glyph::Todo; 4],
        "{found:?}"
    );
    let mut old = probed("east");
    old.age_ms = Some(60_000.0);
    assert_eq!(
        failing(&[old], None),
        [(Glyph::Todo, "All nodes answer".to_owned())]
    );
    let unread = [
        root("east", "aa"),
        Root {
            root: Err("no answer".to_owned()),
            ..root("west", "")
        },
    ];
    assert_eq!(
        failing(&[probed("east"), probed("west")], Some(&unread)),
        [(Glyph::Todo, "Repositories are equal".to_owned())]
    );
}

#[test]
fn r_versions_that_differ_name_the_odd_ones() {
    let mut west = probed("west");
    west.nodes.push(with_r("west-r03", "4.2.2", 0));
    west.nodes.push(with_r("west-r04", "4.1.3", 0));
    let check = checks(&[west], None)
        .into_iter()
        .find(|check| check.outcome == Glyph::Warn)
        .unwrap();
    assert_eq!(check.title, "R versions differ in west");
    assert_eq!(
        check.text,
        "west-r04 runs R 4.1.3, the other 3 nodes run R 4.2.2. A task may give another result there."
    );
    assert_eq!(check.link.unwrap().0, "Open west-r04");
}

#[test]
fn servers_are_checked_for_presence_role_and_build() {
    let mut east = probed("east");
    east.servers[1] = down("east-2", 5_000.0);
    assert_eq!(
        failing(&[east.clone()], None),
        [
            (Glyph::Fail, "east-2 does not answer".to_owned()),
            (Glyph::Fail, "east has no standby that is ready".to_owned())
        ]
    );
    east.servers[1] = server("east-2", ServerRole::Active);
    assert_eq!(
        failing(&[east.clone()], None)[0].1,
        "east has 2 active servers"
    );
    east.servers[1] = server("east-2", ServerRole::Standby);
    east.servers[1].status.as_mut().unwrap().version = "0.2.0".to_owned();
    let build = checks(&[east], None)
        .into_iter()
        .find(|check| check.outcome == Glyph::Warn)
        .unwrap();
    assert_eq!(build.text, "east-1 runs 0.1.0; east-2 runs 0.2.0.");
}

#[test]
fn a_group_of_one_server_is_told_not_blamed() {
    let mut west = probed("west");
    west.servers.truncate(1);
    let all = checks(&[west], None);
    assert!(
        all.iter()
            .any(|check| check.outcome == Glyph::Info && check.title == "west has one server")
    );
    assert!(failing(&[probed("east")], None).is_empty());
}

#[test]
fn a_clock_is_measured_against_its_limit() {
    let mut east = probed("east");
    east.nodes.push(with_r("east-r03", "4.2.2", -640));
    let check = checks(&[east], None)
        .into_iter()
        .find(|check| check.outcome == Glyph::Warn)
        .unwrap();
    assert_eq!(
        (check.title.as_str(), check.text.as_str()),
        ("The clock of east-r03 is off", "By 640 ms; limit 500 ms.")
    );
}

#[test]
fn repositories_that_differ_lead_to_the_comparison() {
    let roots = [root("east", "aa"), root("west", "bb")];
    let check = checks(&[probed("east"), probed("west")], Some(&roots))
        .into_iter()
        .find(|check| check.title == "Repositories differ")
        .unwrap();
    assert_eq!(
        check.text,
        "12 files in east, 12 files in west, not all of them the same."
    );
}

#[test]
fn what_servers_find_of_their_database_is_listed_unless_it_is_good() {
    use gridhelm_api::switch::{Check, Outcome};
    let check = |outcome, title: &str| Check {
        id: "database_one_primary".to_owned(),
        title: title.to_owned(),
        outcome,
        evidence: "db1 and db2 do.".to_owned(),
        repair: Some("Stop one.".to_owned()),
    };
    let mut east = probed("east");
    if let Some(info) = &mut east.info {
        info.database_checks = vec![
            check(Outcome::Pass, "Good"),
            check(
                Outcome::Warn,
                "The database may take back what it acknowledged",
            ),
            check(Outcome::Fail, "Two hosts of the database take writes"),
        ];
    }
    assert_eq!(
        failing(&[east], None),
        [
            (
                Glyph::Warn,
                "east: The database may take back what it acknowledged".to_owned()
            ),
            (
                Glyph::Fail,
                "east: Two hosts of the database take writes".to_owned()
            ),
        ]
    );
}
