//! Why a node is in its state, in one line: what stands beside the state in the table, and what a search finds.

use gridhelm_api::node::{Health, Intent, Node, Slot, SlotState};

use crate::deployment::node_state;
use crate::ui::Glyph;
use crate::ui::format::{age, counted, listed};

/// The reason beside a node's state; empty for a node that needs none. `wall` is the time now, milliseconds since 1970.
pub(crate) fn reason(node: &Node, wall: f64) -> String {
    match node_state(node) {
        Glyph::Disabled => {
            let mut why = purpose(node);
            if node.health == Health::Unreachable {
                add(&mut why, "does not answer");
            }
            why
        }
        Glyph::Lost => lost(node),
        Glyph::Zombie | Glyph::Stalled => trouble(node, wall),
        Glyph::Draining => {
            let mut why = left(node);
            add(&mut why, &purpose(node));
            why
        }
        Glyph::Todo => "the active server has not looked at it yet".to_owned(),
        _ => String::new(),
    }
}

/// What happened at its port, without the address, which stands beside the name.
fn lost(node: &Node) -> String {
    let place = format!("{}:{}", node.host, node.port);
    let told = node.health_reason.as_deref().unwrap_or_default();
    match told.split_once(&[place.as_str(), ": "].concat()) {
        Some((_, what)) => what.to_owned(),
        None if told.is_empty() => format!("no answer on {place}"),
        None => told.to_owned(),
    }
}

/// What people gave as the reason for their intent.
fn purpose(node: &Node) -> String {
    let reason = node.intent_reason.as_deref().unwrap_or_default();
    match node.intent_by.as_deref() {
        _ if node.intent == Intent::Enabled => String::new(),
        Some(by) if !by.is_empty() && !reason.is_empty() => format!("{reason} ({by})"),
        Some(by) if !by.is_empty() => format!("by {by}"),
        _ => reason.to_owned(),
    }
}

/// How many tasks a draining node still has to end.
pub(crate) fn left(node: &Node) -> String {
    let tasks = node
        .slots
        .iter()
        .filter(|slot| slot.task.is_some() || matches!(slot.state, SlotState::Busy))
        .count();
    if tasks == 0 {
        "no task left".to_owned()
    } else {
        format!("{} left", counted(tasks, "task"))
    }
}

fn trouble(node: &Node, wall: f64) -> String {
    let slots = |state: SlotState| {
        node.slots
            .iter()
            .filter(|slot| slot.state == state)
            .collect::<Vec<_>>()
    };
    let (zombies, stalled) = (slots(SlotState::Zombie), slots(SlotState::Stalled));
    let mut why = String::new();
    if !zombies.is_empty() {
        let mut holders: Vec<String> = zombies
            .iter()
            .filter_map(|slot| slot.held_by.clone())
            .collect();
        crate::ui::order::sort(&mut holders, Ord::cmp);
        holders.dedup();
        add(&mut why, &counted(zombies.len(), "slot"));
        why.push_str(if holders.is_empty() {
            " held by an older session"
        } else {
            " held by "
        });
        why.push_str(&listed(&holders));
    }
    if !stalled.is_empty() {
        let silent = longest(&stalled, wall);
        add(
            &mut why,
            &format!(
                "{} silent for {}",
                counted(stalled.len(), "slot"),
                age(silent)
            ),
        );
    }
    if why.is_empty() {
        add(
            &mut why,
            node.health_reason.as_deref().unwrap_or("answers late"),
        );
    }
    why
}

/// How long the longest of them has been in its state, milliseconds.
#[allow(clippy::cast_precision_loss)] // exact until the year 287396
pub(crate) fn longest(slots: &[&Slot], wall: f64) -> f64 {
    slots
        .iter()
        .map(|slot| wall - slot.since as f64)
        .fold(0.0, f64::max)
}

fn add(sentence: &mut String, part: &str) {
    if !part.is_empty() {
        if !sentence.is_empty() {
            sentence.push_str(", ");
        }
        sentence.push_str(part);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::pages::grid::sample::node;

    fn slot(state: SlotState) -> Slot {
        Slot {
            state,
            since: 1_000,
            ..Slot::default()
        }
    }

    #[test]
    fn a_healthy_node_needs_no_reason() {
        assert_eq!(reason(&node("r1"), 0.0), "");
    }

    #[test]
    fn what_is_out_on_purpose_names_who_and_why_and_still_tells_what_is_seen() {
        let mut disabled = node("r1");
        disabled.intent = Intent::Disabled;
        disabled.intent_reason = Some("kernel update".to_owned());
        disabled.intent_by = Some("m.ortiz".to_owned());
        assert_eq!(reason(&disabled, 0.0), "kernel update (m.ortiz)");
        disabled.health = Health::Unreachable;
        assert_eq!(
            reason(&disabled, 0.0),
            "kernel update (m.ortiz), does not answer"
        );
    }

    #[test]
    fn zombies_and_silent_slots_are_both_told() {
        let mut sick = node("r1");
        sick.slots = vec![
            slot(SlotState::Stalled),
            slot(SlotState::Stalled),
            Slot {
                held_by: Some("east-2, epoch 40".to_owned()),
                ..slot(SlotState::Zombie)
            },
        ];
        assert_eq!(
            reason(&sick, 241_000.0),
            "1 slot held by east-2, epoch 40, 2 slots silent for 4 min"
        );
    }

    #[test]
    fn a_lost_node_says_what_happened_at_its_port() {
        let mut lost = node("r1");
        lost.health = Health::Unreachable;
        assert_eq!(reason(&lost, 0.0), "no answer on 10.0.0.1:6311");
        lost.health_reason = Some("connection refused".to_owned());
        assert_eq!(reason(&lost, 0.0), "connection refused");
        lost.health_reason =
            Some("cannot connect to 10.0.0.1:6311: Connection refused (os error 111)".to_owned());
        assert_eq!(reason(&lost, 0.0), "Connection refused (os error 111)");
    }

    #[test]
    fn a_draining_node_counts_what_it_still_ends() {
        let mut draining = node("r1");
        draining.intent = Intent::Draining;
        draining.slots = vec![
            Slot {
                task: Some("t-1".to_owned()),
                ..slot(SlotState::Draining)
            },
            slot(SlotState::Disabled),
        ];
        assert_eq!(reason(&draining, 0.0), "1 task left");
        draining.slots.clear();
        assert_eq!(reason(&draining, 0.0), "no task left");
    }
}
