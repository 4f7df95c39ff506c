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

/// A column of the table; it can be sorted by each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Column {
    /// Name, as people count.
    #[default]
    Node,
    /// The worst state first.
    State,
    /// Slots, and how many there are.
    Slots,
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
    /// How long the last heartbeat took.
    Latency,
    /// What kinds of task it takes.
    Type,
    /// Its labels.
    Labels,
}

impl Column {
    /// All of them, in the order of the table.
    pub(crate) const ALL: [Self; 11] = [
        Self::Node,
        Self::State,
        Self::Slots,
        Self::Used,
        Self::Load,
        Self::Memory,
        Self::R,
        Self::Heartbeat,
        Self::Latency,
        Self::Type,
        Self::Labels,
    ];
    /// So many of them, from the first on, are shown unless people choose otherwise.
    const USUAL: usize = 8;

    /// Its name in the address.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::State => "state",
            Self::Slots => "slots",
            Self::Used => "used",
            Self::Load => "load",
            Self::Memory => "memory",
            Self::R => "r",
            Self::Heartbeat => "heartbeat",
            Self::Latency => "latency",
            Self::Type => "type",
            Self::Labels => "labels",
        }
    }

    /// Its head.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Node => "Node",
            Self::State => "State and reason",
            Self::Slots => "Slots",
            Self::Used => "Used",
            Self::Load => "Load",
            Self::Memory => "Memory",
            Self::R => "R",
            Self::Heartbeat => "Heartbeat",
            Self::Latency => "Latency",
            Self::Type => "Takes",
            Self::Labels => "Labels",
        }
    }

    /// The columns that the address names, in the order of the table; the node's is always there. The usual ones without a parameter.
    pub(crate) fn shown(columns: Option<&str>) -> Vec<Self> {
        let Some(columns) = columns else {
            return Self::ALL[..Self::USUAL].to_vec();
        };
        let named = |column: &Self| {
            *column == Self::Node || columns.split(',').any(|name| name == column.name())
        };
        Self::ALL.into_iter().filter(named).collect()
    }

    fn compare(self, a: &Node, b: &Node) -> Ordering {
        let share = |value: Option<f64>| value.unwrap_or(-1.0);
        match self {
            Self::Node => natural(&a.name, &b.name),
            Self::State => severity(node_state(a)).cmp(&severity(node_state(b))),
            Self::Slots => a.slots.len().cmp(&b.slots.len()),
            Self::Used => used(a).cmp(&used(b)),
            Self::Load => share(a.load).total_cmp(&share(b.load)),
            Self::Memory => share(a.memory_used).total_cmp(&share(b.memory_used)),
            Self::R => natural(r_version(a), r_version(b)),
            Self::Heartbeat => a.last_heartbeat.cmp(&b.last_heartbeat),
            Self::Latency => share(a.heartbeat_ms).total_cmp(&share(b.heartbeat_ms)),
            Self::Type => (a.operating_type as u8).cmp(&(b.operating_type as u8)),
            Self::Labels => a.labels.cmp(&b.labels),
        }
    }
}

/// The table's order: columns, the first before the next, each with whether its greatest comes first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sort(Vec<(Column, bool)>);

impl Default for Sort {
    fn default() -> Self {
        Self(vec![(Column::Node, false)])
    }
}

impl Sort {
    /// Reads the parameter of the address: `state,-load`. What nobody knows, or is named again, is left out.
    pub(crate) fn parse(text: Option<&str>) -> Self {
        let mut columns: Vec<(Column, bool)> = Vec::new();
        for part in text.unwrap_or_default().split(',') {
            let (name, descending) = part
                .strip_prefix('-')
                .map_or((part, false), |name| (name, true));
            let found = Column::ALL.into_iter().find(|column| column.name() == name);
            if let Some(column) = found.filter(|found| columns.iter().all(|(of, _)| of != found)) {
                columns.push((column, descending));
            }
        }
        if columns.is_empty() {
            return Self::default();
        }
        Self(columns)
    }

    /// The order of two nodes; equal ones go by name, so that it is total within a group.
    pub(crate) fn compare(&self, a: &Node, b: &Node) -> Ordering {
        let mut order = Ordering::Equal;
        for (column, descending) in &self.0 {
            let by_column = column.compare(a, b);
            order = order.then(if *descending {
                by_column.reverse()
            } else {
                by_column
            });
        }
        order.then_with(|| natural(&a.name, &b.name))
    }

    /// It in words, for who cannot see the heads: `State and reason, then Load, greatest first`.
    pub(crate) fn words(&self) -> String {
        let word = |(column, descending): &(Column, bool)| {
            let end = if *descending { ", greatest first" } else { "" };
            [column.title(), end].concat()
        };
        let words: Vec<String> = self.0.iter().map(word).collect();
        words.join(", then ")
    }
}

/// How high the table's lines are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Density {
    /// As many as can be read.
    Compact,
    /// As the other tables.
    #[default]
    Usual,
    /// For a touch screen, or a screen far away.
    Roomy,
}

impl Density {
    /// All, with their names in the address and their labels.
    pub(crate) const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::Compact, "compact", "Compact"),
        (Self::Usual, "usual", "Usual"),
        (Self::Roomy, "roomy", "Roomy"),
    ];

    /// Reads the parameter of the address.
    pub(crate) fn parse(text: Option<&str>) -> Self {
        Self::ALL
            .into_iter()
            .find(|(_, name, _)| Some(*name) == text)
            .map_or(Self::Usual, |(density, ..)| density)
    }

    /// The height of a node's line with its border, pixels: as in `style/51-grid.css`.
    pub(crate) const fn line(self) -> u32 {
        match self {
            Self::Compact => 23,
            Self::Usual => 29,
            Self::Roomy => 41,
        }
    }

    /// The table's class.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Compact => "tbl tbl--nodes tbl--compact",
            Self::Usual => "tbl tbl--nodes",
            Self::Roomy => "tbl tbl--nodes tbl--roomy",
        }
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
#[path = "order_tests.rs"]
mod tests;
