//! Checks of the deployment that the console makes from what it knows. Pure, and truthful: what is not known is not called good.

use std::collections::BTreeMap;

use super::attention::node_route;
use super::glance::GroupGlance;
use crate::app::{Page, Route};
use crate::deployment::natural;
use crate::pages::grid::order::{common_r, r_version};
use crate::ui::Glyph;
use crate::ui::format::{counted, listed};

/// How much a node's clock may differ from its server's, milliseconds.
pub(crate) const CLOCK_LIMIT: i64 = 500;

/// One check.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Check {
    /// What is checked, as a state that should hold.
    pub(crate) title: String,
    /// Pass, Warn, Fail or Info; Todo when it is not known yet.
    pub(crate) outcome: Glyph,
    /// What was seen, when it is no pass.
    pub(crate) text: String,
    /// What to do next.
    pub(crate) link: Option<(String, Option<String>, Route)>,
}

impl Check {
    fn pass(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            outcome: Glyph::Pass,
            text: String::new(),
            link: None,
        }
    }

    fn not(outcome: Glyph, title: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            outcome,
            text: text.into(),
            link: None,
        }
    }

    fn leads(mut self, label: impl Into<String>, group: Option<&str>, route: Route) -> Self {
        self.link = Some((label.into(), group.map(str::to_owned), route));
        self
    }
}

/// What is known of a group's repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Root {
    /// The group.
    pub(crate) group: String,
    /// The hash over all files; the words of the error if it could not be read.
    pub(crate) root: Result<String, String>,
    /// Files in it.
    pub(crate) files: usize,
}

/// All checks, in a fixed order: each of them always yields exactly one line a group at most.
pub(crate) fn checks(groups: &[GroupGlance], roots: Option<&[Root]>) -> Vec<Check> {
    let mut list = vec![
        one_active(groups),
        servers_answer(groups),
        nodes_answer(groups),
        standbys(groups),
        one_build(groups),
    ];
    list.extend(groups.iter().filter_map(same_r));
    list.push(clocks(groups));
    list.push(zombies(groups));
    if groups.len() > 1 {
        list.push(repositories(roots));
    }
    list.extend(hosts(groups));
    list.extend(groups.iter().flat_map(databases));
    list
}

/// How many of those that count pass: a remark is no failure, and what is not known yet is no pass.
pub(crate) fn score(checks: &[Check]) -> (usize, usize) {
    let counting = checks.iter().filter(|check| check.outcome != Glyph::Info);
    (
        checks
            .iter()
            .filter(|check| check.outcome == Glyph::Pass)
            .count(),
        counting.count(),
    )
}

fn one_active(groups: &[GroupGlance]) -> Check {
    let wrong = |group: &&GroupGlance| {
        group
            .servers
            .iter()
            .filter(|server| server.is_active())
            .count()
            != 1
    };
    match groups.iter().find(wrong) {
        None => Check::pass("Each group has one active server"),
        Some(group) if group.is_starting() => Check::not(
            Glyph::Todo,
            "Each group has one active server",
            format!("{} is being asked.", group.name),
        ),
        Some(group) => {
            let count = group
                .servers
                .iter()
                .filter(|server| server.is_active())
                .count();
            let text = if count == 0 {
                format!("No live server of {} is active.", group.name)
            } else {
                format!(
                    "{count} servers of {} say that they are active.",
                    group.name
                )
            };
            Check::not(
                Glyph::Fail,
                if count == 0 {
                    format!("{} has no active server", group.name)
                } else {
                    format!("{} has {count} active servers", group.name)
                },
                text,
            )
            .leads(
                "Switch active server",
                Some(&group.name),
                Page::Switch.route(),
            )
        }
    }
}

fn servers_answer(groups: &[GroupGlance]) -> Check {
    let silent: Vec<String> = groups
        .iter()
        .flat_map(|group| &group.servers)
        .filter(|server| server.down.is_some())
        .map(|server| server.name.clone())
        .collect();
    if !silent.is_empty() {
        let verb = if silent.len() == 1 {
            "does not answer"
        } else {
            "do not answer"
        };
        return Check::not(
            Glyph::Fail,
            format!("{} {verb}", listed(&silent)),
            "This browser cannot reach it. Everything else stays live.",
        );
    }
    if groups
        .iter()
        .flat_map(|group| &group.servers)
        .all(|server| server.live)
    {
        Check::pass("All servers answer")
    } else {
        Check::not(
            Glyph::Todo,
            "All servers answer",
            "Some are still being asked.",
        )
    }
}

fn nodes_answer(groups: &[GroupGlance]) -> Check {
    let lost: usize = groups.iter().map(|group| group.tally.nodes_lost).sum();
    if lost > 0 {
        let verb = if lost == 1 {
            "does not answer"
        } else {
            "do not answer"
        };
        let route = Route::Grid(crate::app::route::GridView {
            state: Some("lost".to_owned()),
            ..crate::app::route::GridView::default()
        });
        return Check::not(
            Glyph::Fail,
            format!("{} {verb}", counted(lost, "node")),
            "The grid works without it, with fewer slots.",
        )
        .leads("Show lost nodes", None, route);
    }
    if groups.iter().any(GroupGlance::is_old) {
        return Check::not(
            Glyph::Todo,
            "All nodes answer",
            "What is known of them is old.",
        );
    }
    Check::pass("All nodes answer")
}

fn standbys(groups: &[GroupGlance]) -> Check {
    let single: Vec<String> = groups
        .iter()
        .filter(|group| group.servers.len() == 1)
        .map(|group| group.name.clone())
        .collect();
    let standby_missing = |group: &&GroupGlance| {
        group.servers.len() > 1
            && !group
                .servers
                .iter()
                .any(super::glance::ServerGlance::is_ready_standby)
    };
    if let Some(group) = groups.iter().find(standby_missing) {
        let outcome = if group.is_starting() {
            Glyph::Todo
        } else {
            Glyph::Fail
        };
        return Check::not(
            outcome,
            format!("{} has no standby that is ready", group.name),
            "If its active server fails now, nothing takes over.",
        )
        .leads("See why", Some(&group.name), Page::Switch.route());
    }
    if single.is_empty() {
        return Check::pass("Each group has a standby that is ready");
    }
    Check::not(
        Glyph::Info,
        format!("{} has one server", listed(&single)),
        "If it fails, nothing takes over. Add a second server to the group.",
    )
}

fn one_build(groups: &[GroupGlance]) -> Check {
    let mut builds: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for server in groups.iter().flat_map(|group| &group.servers) {
        if let Some(status) = &server.status {
            builds
                .entry(&status.version)
                .or_default()
                .push(server.name.clone());
        }
    }
    if builds.len() < 2 {
        return if builds.is_empty() {
            Check::not(
                Glyph::Todo,
                "All servers run the same build",
                "None has answered yet.",
            )
        } else {
            Check::pass("All servers run the same build")
        };
    }
    let text: Vec<String> = builds
        .iter()
        .map(|(version, servers)| {
            format!(
                "{} {} {version}",
                listed(servers),
                if servers.len() == 1 { "runs" } else { "run" }
            )
        })
        .collect();
    Check::not(
        Glyph::Warn,
        "Servers run different builds",
        format!("{}.", text.join("; ")),
    )
}

fn same_r(group: &GroupGlance) -> Option<Check> {
    if group.nodes.is_empty() {
        return None;
    }
    let title = format!("R is the same on all nodes of {}", group.name);
    let known = group
        .nodes
        .iter()
        .filter(|node| !r_version(node).is_empty())
        .count();
    let Some(common) = common_r(group.nodes.iter().map(|node| r_version(node))) else {
        return Some(if known == 0 {
            Check::not(Glyph::Todo, title, "No probe has read it yet.")
        } else {
            Check::pass(&title)
        });
    };
    let mut other: Vec<_> = group
        .nodes
        .iter()
        .filter(|node| !r_version(node).is_empty() && r_version(node) != common)
        .collect();
    crate::ui::order::sort(&mut other, |a, b| natural(&a.name, &b.name));
    let first = other.first()?;
    let rest = known - other.len();
    let names: Vec<String> = other.iter().take(3).map(|node| node.name.clone()).collect();
    let text = format!(
        "{}{} R {}, the other {} R {common}. A task may give another result there.",
        listed(&names),
        if other.len() == 1 {
            " runs".to_owned()
        } else if other.len() > 3 {
            format!(" and {} more run", other.len() - 3)
        } else {
            " run".to_owned()
        },
        r_version(first),
        if rest == 1 {
            "node runs".to_owned()
        } else {
            format!("{rest} nodes run")
        }
    );
    Some(
        Check::not(
            Glyph::Warn,
            format!("R versions differ in {}", group.name),
            text,
        )
        .leads(
            format!("Open {}", first.name),
            Some(&group.name),
            node_route(&first.name),
        ),
    )
}

fn clocks(groups: &[GroupGlance]) -> Check {
    let offsets = || {
        groups.iter().flat_map(|group| {
            group.nodes.iter().filter_map(move |node| {
                node.facts
                    .as_ref()
                    .map(|facts| (group, node, facts.clock_offset_ms))
            })
        })
    };
    let Some((group, node, offset)) = offsets().max_by_key(|(_, _, offset)| offset.abs()) else {
        return Check::not(
            Glyph::Todo,
            "Clocks of nodes and servers agree",
            "No probe has read them yet.",
        );
    };
    if offset.abs() <= CLOCK_LIMIT {
        return Check::pass("Clocks of nodes and servers agree");
    }
    Check::not(
        Glyph::Warn,
        format!("The clock of {} is off", node.name),
        format!("By {} ms; limit {CLOCK_LIMIT} ms.", offset.abs()),
    )
    .leads(
        format!("Open {}", node.name),
        Some(&group.name),
        node_route(&node.name),
    )
}

fn zombies(groups: &[GroupGlance]) -> Check {
    let held: usize = groups
        .iter()
        .map(|group| group.tally.slots_in(gridhelm_api::node::SlotState::Zombie))
        .sum();
    if held == 0 {
        return Check::pass("No slot is held by an older epoch");
    }
    let route = Route::Grid(crate::app::route::GridView {
        state: Some("zombie".to_owned()),
        ..crate::app::route::GridView::default()
    });
    let title = if held == 1 {
        "1 slot is held by an older epoch".to_owned()
    } else {
        format!("{held} slots are held by an older epoch")
    };
    Check::not(
        Glyph::Fail,
        title,
        "The active server reclaims what is proven to be its predecessor's.",
    )
    .leads("Show them", None, route)
}

fn repositories(roots: Option<&[Root]>) -> Check {
    const TITLE: &str = "Repositories are equal";
    let Some(roots) = roots else {
        return Check::not(Glyph::Todo, TITLE, "They are being compared.");
    };
    if let Some((group, error)) = roots
        .iter()
        .find_map(|root| root.root.as_ref().err().map(|error| (&root.group, error)))
    {
        return Check::not(
            Glyph::Todo,
            TITLE,
            format!("{group} could not be read: {error}"),
        );
    }
    let same = roots.windows(2).all(|pair| pair[0].root == pair[1].root);
    if same {
        return Check::pass(TITLE);
    }
    let counts: Vec<String> = roots
        .iter()
        .map(|root| format!("{} in {}", counted(root.files, "file"), root.group))
        .collect();
    Check::not(
        Glyph::Fail,
        "Repositories differ",
        format!("{}, not all of them the same.", counts.join(", ")),
    )
    .leads("Compare and replicate", None, Page::Replicate.route())
}

/// What a group's servers find of its database, where that is no pass.
fn databases(group: &GroupGlance) -> Vec<Check> {
    use gridhelm_api::switch::Outcome;
    let checks = group.info.iter().flat_map(|info| &info.database_checks);
    checks
        .filter_map(|check| {
            let outcome = match check.outcome {
                Outcome::Pass => return None,
                Outcome::Warn => Glyph::Warn,
                Outcome::Fail => Glyph::Fail,
            };
            let repair = check.repair.as_deref().unwrap_or_default();
            Some(Check::not(
                outcome,
                format!("{}: {}", group.name, check.title),
                format!("{} {repair}", check.evidence).trim_end(),
            ))
        })
        .collect()
}

/// What the groups' databases cannot survive, said before it happens.
fn hosts(groups: &[GroupGlance]) -> Option<Check> {
    let on_one_host = |group: &&GroupGlance| {
        let info = group.info.as_ref();
        info.is_some_and(|info| info.database.contains("SQLite"))
    };
    let names: Vec<String> = groups
        .iter()
        .filter(on_one_host)
        .map(|group| group.name.clone())
        .collect();
    let verb = match names.len() {
        0 => return None,
        1 => "survives",
        _ => "survive",
    };
    Some(Check::not(
        Glyph::Info,
        format!("{} {verb} a process, not a host", listed(&names)),
        "The database is SQLite on one host: a standby takes over when the active process dies, not when the host does.",
    ))
}

#[cfg(test)]
#[path = "checks_tests.rs"]
mod tests;
