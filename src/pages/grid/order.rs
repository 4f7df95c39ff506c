//! Which nodes the table shows, and in which order.

use std::cmp::Ordering;

use gridhelm_api::node::Node;

use super::reason::reason;
use crate::deployment::{natural, node_state};
use crate::ui::Glyph;

/// The states that the filter knows, with their name in the address and their label.
pub(crate) const STATES: [(Glyph, &str, &str); 7] = [
    (Glyph::Ready, "ready", "Ready"),
    (Glyph::Stalled, "stalled", "Stalled"),
    (Glyph::Lost, "lost", "Lost"),
    (Glyph::Zombie, "zombie", "Zombies"),
    (Glyph::Draining, "draining", "Draining"),
    (Glyph::Disabled, "disabled", "Disabled"),
    (Glyph::Todo, "new", "Not seen yet"),
];

/// What the table is narrowed to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Filter {
    words: Vec<String>,
    states: Vec<Glyph>,
}

impl Filter {
    /// Reads the two parameters of the address. States that nobody knows are left out.
    pub(crate) fn new(q: Option<&str>, states: Option<&str>) -> Self {
        let words = q
            .unwrap_or_default()
            .to_lowercase()
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        let named = |name: &str| {
            STATES
                .iter()
                .find(|(_, token, _)| *token == name)
                .map(|(state, ..)| *state)
        };
        Self {
            words,
            states: states
                .unwrap_or_default()
                .split(',')
                .filter_map(named)
                .collect(),
        }
    }

    /// Whether it leaves all nodes.
    pub(crate) fn is_empty(&self) -> bool {
        self.words.is_empty() && self.states.is_empty()
    }

    /// Whether it shows a node of that state.
    pub(crate) fn has_state(&self, state: Glyph) -> bool {
        self.states.contains(&state)
    }

    /// Whether it leaves this node: one of the states, and every word somewhere in name, address, labels, R version or reason.
    pub(crate) fn leaves(&self, node: &Node, wall: f64) -> bool {
        let state_ok = self.states.is_empty() || self.states.contains(&node_state(node));
        state_ok && (self.words.is_empty() || self.finds(node, wall))
    }

    fn finds(&self, node: &Node, wall: f64) -> bool {
        let mut text = format!(
            "{} {}:{} {}",
            node.name,
            node.host,
            node.port,
            node.labels.join(" ")
        );
        for part in [&node.intent_reason, &node.intent_by, &node.health_reason]
            .into_iter()
            .flatten()
        {
            text.push(' ');
            text.push_str(part);
        }
        if let Some(facts) = &node.facts {
            text.push(' ');
            text.push_str(&facts.r_version);
        }
        text.push(' ');
        text.push_str(&reason(node, wall));
        let text = text.to_lowercase();
        self.words.iter().all(|word| text.contains(word.as_str()))
    }
}

/// The parameter of the address after `state` was turned on or off in it.
pub(crate) fn toggled(states: Option<&str>, state: Glyph) -> Option<String> {
    let mut filter = Filter::new(None, states);
    if filter.has_state(state) {
        filter.states.retain(|other| *other != state);
    } else {
        filter.states.push(state);
    }
    let names: Vec<&str> = STATES
        .iter()
        .filter(|(known, ..)| filter.has_state(*known))
        .map(|(_, name, _)| *name)
        .collect();
    (!names.is_empty()).then(|| names.join(","))
}

/// What the table can be sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Column {
    /// Name, as people count.
    #[default]
    Node,
    /// The worst state first.
    State,
    /// Slots in use.
    Used,
    /// Load per core.
    Load,
    /// Memory in use.
    Memory,
    /// R's version.
    R,
    /// When it last answered.
    Heartbeat,
}

impl Column {
    /// All of them, in the order of the table.
    pub(crate) const ALL: [Self; 7] = [
        Self::Node,
        Self::State,
        Self::Used,
        Self::Load,
        Self::Memory,
        Self::R,
        Self::Heartbeat,
    ];

    /// Its name in the address.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::State => "state",
            Self::Used => "used",
            Self::Load => "load",
            Self::Memory => "memory",
            Self::R => "r",
            Self::Heartbeat => "heartbeat",
        }
    }

    /// Its head.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Node => "Node",
            Self::State => "State and reason",
            Self::Used => "Used",
            Self::Load => "Load",
            Self::Memory => "Memory",
            Self::R => "R",
            Self::Heartbeat => "Heartbeat",
        }
    }

    fn compare(self, a: &Node, b: &Node) -> Ordering {
        let share = |value: Option<f64>| value.unwrap_or(-1.0);
        match self {
            Self::Node => Ordering::Equal,
            Self::State => severity(node_state(a)).cmp(&severity(node_state(b))),
            Self::Used => used(a).cmp(&used(b)),
            Self::Load => share(a.load).total_cmp(&share(b.load)),
            Self::Memory => share(a.memory_used).total_cmp(&share(b.memory_used)),
            Self::R => natural(r_version(a), r_version(b)),
            Self::Heartbeat => a.last_heartbeat.cmp(&b.last_heartbeat),
        }
    }
}

/// The table's order: a column, and which end comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sort {
    /// By what.
    pub(crate) column: Column,
    /// Greatest first.
    pub(crate) descending: bool,
}

impl Sort {
    /// Reads the parameter of the address.
    pub(crate) fn parse(text: Option<&str>) -> Self {
        let text = text.unwrap_or_default();
        let (name, descending) = text
            .strip_prefix('-')
            .map_or((text, false), |name| (name, true));
        Column::ALL
            .into_iter()
            .find(|column| column.name() == name)
            .map_or(Self::default(), |column| Self { column, descending })
    }

    /// The order of two nodes; equal ones go by name, so that it is total within a group.
    pub(crate) fn compare(self, a: &Node, b: &Node) -> Ordering {
        let by_name = natural(&a.name, &b.name);
        let order = if self.column == Column::Node {
            by_name
        } else {
            self.column.compare(a, b)
        };
        (if self.descending {
            order.reverse()
        } else {
            order
        })
        .then(by_name)
    }
}

/// Worst first.
const fn severity(state: Glyph) -> u8 {
    match state {
        Glyph::Lost => 0,
        Glyph::Zombie => 1,
        Glyph::Stalled => 2,
        Glyph::Draining => 3,
        Glyph::Disabled => 4,
        Glyph::Todo => 5,
        _ => 6,
    }
}

/// Slots that run a task.
pub(crate) fn used(node: &Node) -> usize {
    use gridhelm_api::node::SlotState::{Busy, Stalled, Zombie};
    node.slots
        .iter()
        .filter(|slot| matches!(slot.state, Busy | Stalled | Zombie) || slot.task.is_some())
        .count()
}

/// R's version there; empty before the first probe.
pub(crate) fn r_version(node: &Node) -> &str {
    node.facts
        .as_ref()
        .map_or("", |facts| facts.r_version.as_str())
}

/// The R version that most of the nodes run, when they do not all run the same; the greater one of two as frequent ones.
pub(crate) fn common_r<'a>(versions: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for version in versions.filter(|version| !version.is_empty()) {
        match counts.iter_mut().find(|(known, _)| *known == version) {
            Some((_, count)) => *count += 1,
            None => counts.push((version, 1)),
        }
    }
    if counts.len() < 2 {
        return None;
    }
    counts
        .into_iter()
        .max_by(|a, b| a.1.cmp(&b.1).then_with(|| natural(a.0, b.0)))
        .map(|(version, _)| version.to_owned())
}

#[cfg(test)]
mod tests {
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
    fn every_column_is_known_by_its_name_in_the_address() {
        for column in Column::ALL {
            assert_eq!(
                Sort::parse(Some(column.name())),
                Sort {
                    column,
                    descending: false
                }
            );
            assert_eq!(
                Sort::parse(Some(&["-", column.name()].concat())),
                Sort {
                    column,
                    descending: true
                }
            );
        }
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
}
