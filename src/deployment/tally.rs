//! What a node's state is, in one word, and how many there are of each: kept up by what changes, not counted anew.

use gridhelm_api::group::ServerRole;
use gridhelm_api::node::{Health, Intent, Node, SlotState};

use crate::ui::Glyph;

/// A node's worst state. What people want of it comes first where it explains what is seen: a disabled node that is away is disabled.
pub fn node_state(node: &Node) -> Glyph {
    if node.intent == Intent::Disabled {
        return Glyph::Disabled;
    }
    if node.health == Health::Unreachable {
        return Glyph::Lost;
    }
    let any = |state: SlotState| node.slots.iter().any(|slot| slot.state == state);
    if any(SlotState::Zombie) {
        return Glyph::Zombie;
    }
    if any(SlotState::Stalled) || node.health == Health::Degraded {
        return Glyph::Stalled;
    }
    match (node.intent, node.health) {
        (Intent::Draining, _) => Glyph::Draining,
        (_, Health::Unknown) => Glyph::Todo,
        _ => Glyph::Ready,
    }
}

/// The word for a node's state.
pub fn node_word(node: &Node) -> &'static str {
    match node_state(node) {
        Glyph::Lost => "Lost",
        Glyph::Zombie => "Zombies",
        Glyph::Stalled
            if node
                .slots
                .iter()
                .any(|slot| slot.state == SlotState::Stalled) =>
        {
            "Stalled"
        }
        Glyph::Stalled => "Degraded",
        Glyph::Draining => "Draining",
        Glyph::Disabled => "Disabled",
        Glyph::Todo => "Not seen yet",
        _ => "Ready",
    }
}

/// The shape of a slot's state.
pub const fn slot_glyph(state: SlotState) -> Glyph {
    match state {
        SlotState::Idle => Glyph::Idle,
        SlotState::Busy => Glyph::Busy,
        SlotState::Stalled => Glyph::Stalled,
        SlotState::Lost => Glyph::Lost,
        SlotState::Zombie => Glyph::Zombie,
        SlotState::Draining => Glyph::Draining,
        SlotState::Disabled => Glyph::Disabled,
    }
}

/// A server's role in a word.
pub const fn role_word(role: ServerRole) -> &'static str {
    match role {
        ServerRole::Active => "active",
        ServerRole::Standby => "standby",
        ServerRole::Leaving => "handing over",
        ServerRole::Taking => "taking over",
    }
}

/// How many nodes and slots are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Nodes in all.
    pub nodes: usize,
    /// Nodes that answer and take work.
    pub ready: usize,
    /// Nodes in trouble: lost, zombie or stalled.
    pub trouble: usize,
    /// Nodes out on purpose: draining or disabled.
    pub on_purpose: usize,
    /// Nodes that do not answer.
    pub nodes_lost: usize,
    states: [usize; 7],
    slots: [usize; 7],
}

/// All states of a node, in the order of the filter.
pub const NODE_STATES: [Glyph; 7] = [
    Glyph::Ready,
    Glyph::Stalled,
    Glyph::Lost,
    Glyph::Zombie,
    Glyph::Draining,
    Glyph::Disabled,
    Glyph::Todo,
];

/// All slot states, in the order of legends.
pub const SLOT_STATES: [SlotState; 7] = [
    SlotState::Busy,
    SlotState::Idle,
    SlotState::Stalled,
    SlotState::Zombie,
    SlotState::Draining,
    SlotState::Lost,
    SlotState::Disabled,
];

impl Tally {
    /// Slots in all.
    pub fn slots(&self) -> usize {
        self.slots.iter().sum()
    }

    /// How many nodes are in that state, as [`node_state`] says it.
    pub fn nodes_in(&self, state: Glyph) -> usize {
        let place = NODE_STATES.iter().position(|known| *known == state);
        place.map_or(0, |place| self.states[place])
    }

    /// How many slots are in that state.
    pub const fn slots_in(&self, state: SlotState) -> usize {
        self.slots[state as usize]
    }

    /// Slots that do or could do work.
    pub const fn usable(&self) -> usize {
        self.slots_in(SlotState::Idle) + self.slots_in(SlotState::Busy)
    }

    /// Counts one node in.
    pub fn add(&mut self, node: &Node) {
        self.count(node, |total| *total += 1);
    }

    /// Counts one node out, as it was when it was counted in.
    pub fn remove(&mut self, node: &Node) {
        self.count(node, |total| *total = total.saturating_sub(1));
    }

    /// Adds the tally of another group.
    pub fn merge(&mut self, other: &Self) {
        self.nodes += other.nodes;
        self.ready += other.ready;
        self.trouble += other.trouble;
        self.on_purpose += other.on_purpose;
        self.nodes_lost += other.nodes_lost;
        let own = self.slots.iter_mut().chain(&mut self.states);
        for (total, part) in own.zip(other.slots.into_iter().chain(other.states)) {
            *total += part;
        }
    }

    fn count(&mut self, node: &Node, step: fn(&mut usize)) {
        step(&mut self.nodes);
        let state = node_state(node);
        if let Some(place) = NODE_STATES.iter().position(|known| *known == state) {
            step(&mut self.states[place]);
        }
        match state {
            Glyph::Lost => {
                step(&mut self.trouble);
                step(&mut self.nodes_lost);
            }
            Glyph::Zombie | Glyph::Stalled => step(&mut self.trouble),
            Glyph::Draining | Glyph::Disabled => step(&mut self.on_purpose),
            Glyph::Ready => step(&mut self.ready),
            _ => {}
        }
        for slot in &node.slots {
            step(&mut self.slots[slot.state as usize]);
        }
    }
}
