//! What needs attention, the longest first, each with what to do next. Pure.

use gridhelm_api::group::ServerRole;
use gridhelm_api::node::{Node, SlotState};

use super::glance::{GroupGlance, since};
use crate::app::route::{GridView, TasksView};
use crate::app::{Page, Route};
use crate::deployment::node_state;
use crate::pages::grid::reason::{longest, reason};
use crate::ui::Glyph;
use crate::ui::format::{age, counted, listed};

/// One thing that needs attention.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Issue {
    /// What stays the same while it lasts.
    pub(crate) key: String,
    /// Its state.
    pub(crate) state: Glyph,
    /// The thing and its state, without the age.
    pub(crate) title: String,
    /// For how long, milliseconds; none when that is not known.
    pub(crate) for_ms: Option<f64>,
    /// What happened.
    pub(crate) text: String,
    /// What to do next.
    pub(crate) link: Option<(String, Route)>,
    /// The group that the link belongs to.
    pub(crate) group: String,
}

impl Issue {
    /// The title with the age.
    pub(crate) fn headline(&self) -> String {
        match self.for_ms {
            Some(millis) => format!("{}, {}", self.title, age(millis)),
            None => self.title.clone(),
        }
    }
}

/// Everything, the longest first; what has no age comes before all that has one.
pub(crate) fn issues(groups: &[GroupGlance], wall: f64) -> Vec<Issue> {
    let mut issues: Vec<Issue> = groups
        .iter()
        .flat_map(|group| of_group(group, wall))
        .collect();
    crate::ui::order::sort(&mut issues, |a, b| {
        b.for_ms
            .unwrap_or(f64::MAX)
            .total_cmp(&a.for_ms.unwrap_or(f64::MAX))
    });
    issues
}

fn of_group(group: &GroupGlance, wall: f64) -> Vec<Issue> {
    let mut issues = servers(group);
    issues.extend(zombies(group, wall));
    issues.extend(
        group
            .nodes
            .iter()
            .filter_map(|node| of_node(group, node, wall)),
    );
    if group.stats.uncertain > 0 {
        let view = TasksView {
            state: Some("uncertain".to_owned()),
            ..TasksView::default()
        };
        issues.push(Issue {
            key: format!("{}/uncertain", group.name),
            state: Glyph::Warn,
            title: format!("{} in {} may have run or not", counted(usize::try_from(group.stats.uncertain).unwrap_or(usize::MAX), "task"), group.name),
            for_ms: None,
            text: "Their old sessions are not proven dead, so they were not run again. A person decides.".to_owned(),
            link: Some(("Look at them".to_owned(), Route::Tasks(view))),
            group: group.name.clone(),
        });
    }
    issues
}

fn servers(group: &GroupGlance) -> Vec<Issue> {
    let issue = |key: &str, state, title, for_ms, text, link: &str| Issue {
        key: format!("{}/{key}", group.name),
        state,
        title,
        for_ms,
        text,
        link: (!link.is_empty()).then(|| (link.to_owned(), Page::Switch.route())),
        group: group.name.clone(),
    };
    let mut issues = Vec::new();
    let active: Vec<String> = group
        .servers
        .iter()
        .filter(|server| server.is_active())
        .map(|server| server.name.clone())
        .collect();
    if active.len() > 1 {
        let text =
            "Writes of the older epoch are refused. Look at who is active and stop the other one."
                .to_owned();
        issues.push(issue(
            "two",
            Glyph::Fail,
            format!("{} claim to be active", listed(&active)),
            None,
            text,
            "Look at both",
        ));
    }
    for (index, server) in group.servers.iter().enumerate() {
        if let Some((why, millis)) = &server.down {
            let was_active = group.source == Some(index) && active.is_empty();
            let text = if was_active {
                format!(
                    "It was the active server of {}. {}.",
                    group.name,
                    capital(why)
                )
            } else {
                format!("{}. {} is not touched by it.", capital(why), group.name)
            };
            issues.push(issue(
                &server.name,
                Glyph::Lost,
                format!("{} does not answer", server.name),
                Some(*millis),
                text,
                if was_active { "Fail over" } else { "" },
            ));
        } else if let Some(status) = server
            .status
            .as_ref()
            .filter(|status| server.live && !status.ready)
        {
            let why = status
                .not_ready
                .clone()
                .unwrap_or_else(|| "it gives no reason".to_owned());
            let role = if matches!(status.role, ServerRole::Standby) {
                "could not take over"
            } else {
                "is not ready"
            };
            issues.push(issue(
                &server.name,
                Glyph::Warn,
                format!("{} {role}", server.name),
                None,
                format!("{}.", capital(&why)),
                "Look at it",
            ));
        }
    }
    let answers = group
        .servers
        .iter()
        .any(|server| server.live && server.status.is_some());
    if active.is_empty() && answers && !group.servers.iter().any(|server| server.down.is_some()) {
        let text = "No server takes work. A load balancer answers its clients with 503.".to_owned();
        issues.push(issue(
            "none",
            Glyph::Fail,
            format!("{} has no active server", group.name),
            None,
            text,
            "Make one active",
        ));
    }
    issues
}

/// Slots held by sessions of an older epoch, one issue a group: they are reclaimed together.
fn zombies(group: &GroupGlance, wall: f64) -> Option<Issue> {
    let held: Vec<(&Node, &gridhelm_api::node::Slot)> = group
        .nodes
        .iter()
        .flat_map(|node| {
            node.slots
                .iter()
                .filter(|slot| slot.state == SlotState::Zombie)
                .map(|slot| (&**node, slot))
        })
        .collect();
    let (first, _) = held.first()?;
    let mut nodes: Vec<String> = held.iter().map(|(node, _)| node.name.clone()).collect();
    nodes.dedup();
    let mut holders: Vec<String> = held
        .iter()
        .filter_map(|(_, slot)| slot.held_by.clone())
        .collect();
    crate::ui::order::sort(&mut holders, Ord::cmp);
    holders.dedup();
    let holder = if holders.is_empty() {
        "an older session".to_owned()
    } else {
        listed(&holders)
    };
    let slots: Vec<_> = held.iter().map(|(_, slot)| *slot).collect();
    Some(Issue {
        key: format!("{}/zombies", group.name),
        state: Glyph::Zombie,
        title: format!("{} in {}", counted(held.len(), "zombie slot"), group.name),
        for_ms: Some(longest(&slots, wall)),
        text: format!("Held by {holder} on {}.", listed(&nodes)),
        link: Some((format!("Open {}", first.name), node_route(&first.name))),
        group: group.name.clone(),
    })
}

fn of_node(group: &GroupGlance, node: &Node, wall: f64) -> Option<Issue> {
    let state = node_state(node);
    let stalled: Vec<_> = node
        .slots
        .iter()
        .filter(|slot| slot.state == SlotState::Stalled)
        .collect();
    let out = node
        .slots
        .iter()
        .filter(|slot| !slot.state.is_usable())
        .count();
    let (title, for_ms, text) = match state {
        Glyph::Lost => {
            let tries = if node.failures > 0 {
                format!(
                    ", {} in a row",
                    counted(node.failures as usize, "failed try").replace("trys", "tries")
                )
            } else {
                String::new()
            };
            (
                format!("{} lost", node.name),
                since(wall, node.health_since),
                format!(
                    "{}{tries}. {} out.",
                    capital(&reason(node, wall)),
                    counted(out, "slot")
                ),
            )
        }
        Glyph::Stalled if stalled.is_empty() => (
            format!("{} degraded", node.name),
            since(wall, node.health_since),
            format!("{}.", capital(&reason(node, wall))),
        ),
        // Its zombies are told for the group; what is silent besides is told here.
        Glyph::Stalled | Glyph::Zombie if !stalled.is_empty() => (
            format!("{} stalled", node.name),
            longest(&stalled, wall),
            format!(
                "{} no ping.",
                if stalled.len() == 1 {
                    "1 slot answers".to_owned()
                } else {
                    format!("{} slots answer", stalled.len())
                }
            ),
        ),
        _ => return None,
    };
    Some(Issue {
        key: format!("{}/{}", group.name, node.name),
        state,
        title,
        for_ms: Some(for_ms),
        text,
        link: Some(("See why".to_owned(), node_route(&node.name))),
        group: group.name.clone(),
    })
}

/// The grid with that node's details open.
pub(crate) fn node_route(name: &str) -> Route {
    Route::Grid(GridView {
        node: Some(name.to_owned()),
        ..GridView::default()
    })
}

/// With a capital, as a sentence begins.
pub(crate) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::sync::Arc;

    use super::*;
    use crate::pages::grid::sample::node;
    use crate::pages::overview::sample::{down, group, server};
    use gridhelm_api::node::{Health, Slot};

    fn told(groups: &[GroupGlance]) -> Vec<String> {
        issues(groups, 700_000.0)
            .into_iter()
            .map(|issue| format!("{}: {}", issue.headline(), issue.text))
            .collect()
    }

    #[test]
    fn a_quiet_deployment_needs_nothing() {
        assert_eq!(told(&[group("east"), group("west")]), [] as [&str; 0]);
    }

    #[test]
    fn the_longest_comes_first() {
        let mut east = group("east");
        let lost = Node {
            health: Health::Unreachable,
            health_since: 40_000,
            health_reason: Some("connection refused".to_owned()),
            failures: 34,
            ..node("east-r07")
        };
        let slot = |state, at| Slot {
            state,
            since: at,
            ..Slot::default()
        };
        let stalled = Node {
            slots: vec![slot(SlotState::Stalled, 460_000), slot(SlotState::Idle, 0)],
            ..node("east-r06")
        };
        let zombie = Node {
            slots: vec![Slot {
                held_by: Some("east-2, epoch 3".to_owned()),
                ..slot(SlotState::Zombie, 0)
            }],
            ..node("east-r03")
        };
        east.nodes = vec![
            Arc::new(zombie),
            Arc::new(stalled),
            Arc::new(Node {
                slots: vec![slot(SlotState::Lost, 40_000); 16],
                ..lost
            }),
        ];
        assert_eq!(
            told(&[east]),
            [
                "1 zombie slot in east, 12 min: Held by east-2, epoch 3 on east-r03.",
                "east-r07 lost, 11 min: Connection refused, 34 failed tries in a row. 16 slots out.",
                "east-r06 stalled, 4 min: 1 slot answers no ping.",
            ]
        );
    }

    #[test]
    fn a_dead_active_server_leads_to_the_failover() {
        let mut east = group("east");
        east.servers[0] = down("east-1", 12_000.0);
        let issues = issues(&[east], 0.0);
        assert_eq!(issues[0].headline(), "east-1 does not answer, 12 s");
        assert_eq!(issues[0].link.as_ref().unwrap().0, "Fail over");
        assert_eq!(issues.len(), 1);
    }

    #[test]
    fn a_dead_standby_leads_nowhere_and_says_that_the_group_goes_on() {
        let mut east = group("east");
        east.servers[1] = down("east-2", 12_000.0);
        let issues = issues(&[east], 0.0);
        assert_eq!(
            issues[0].text,
            "Connection refused. east is not touched by it."
        );
        assert_eq!(issues[0].link, None);
    }

    #[test]
    fn two_active_servers_or_none_come_before_everything() {
        let mut east = group("east");
        east.servers[1] = server("east-2", ServerRole::Active);
        assert_eq!(
            issues(&[east.clone()], 0.0)[0].headline(),
            "east-1 and east-2 claim to be active"
        );
        for server in &mut east.servers {
            server.status.as_mut().unwrap().role = ServerRole::Standby;
        }
        assert_eq!(
            issues(&[east], 0.0)[0].headline(),
            "east has no active server"
        );
    }
}
