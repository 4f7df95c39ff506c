//! Where each slot lies in the heat map. Pure: the drawing, the pointer and the keys all ask the same plan.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use gridhelm_api::node::{Health, Node, OperatingType, SlotState};

/// A cell's side, and the way from one to the next.
pub(crate) const CELL: f64 = 15.0;
/// See [`CELL`].
pub(crate) const PITCH: f64 = 18.0;
/// Slots in one row; a node with more takes several.
pub(crate) const COLUMNS: usize = 32;
/// Height of a block's head, with the column numbers.
pub(crate) const HEAD: f64 = 21.0;
/// Width of a letter of a row's name.
const LETTER: f64 = 6.7;
/// The longest name that is written, letters.
pub(crate) const LETTERS: usize = 12;
/// The longest head of a block that is written, letters.
const HEAD_LETTERS: usize = 28;
/// Room between two groups side by side.
const GAP: f64 = 22.0;

/// A node as the plan needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// Its name.
    pub(crate) name: Arc<str>,
    /// How many slots it has.
    pub(crate) slots: usize,
}

/// A group as the plan needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Its index in the deployment.
    pub(crate) group: usize,
    /// Its name.
    pub(crate) name: String,
    /// What its nodes have in common, where the nodes of a group stand in bands; empty where they do not.
    pub(crate) band: String,
    /// Its nodes, in the order of the table.
    pub(crate) items: Vec<Item>,
}

impl Part {
    /// What stands over it: the group, and the band.
    pub(crate) fn head(&self) -> String {
        let mut head = self.name.clone();
        if !self.band.is_empty() {
            head.push_str(" \u{b7} ");
            head.push_str(&self.band);
        }
        cut(&head, HEAD_LETTERS)
    }

    /// The room that its head takes, pixels.
    pub(crate) fn head_width(&self) -> f64 {
        (self.head().chars().count() as f64 * LETTER).ceil()
    }
}

/// By what the nodes of a group stand together in the map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Bands {
    /// By nothing: in the order of the table.
    #[default]
    None,
    /// By their labels, by which tasks choose among nodes.
    Cluster,
    /// By the kinds of task that they take.
    Type,
    /// By what the active server sees of them, the worst first.
    Health,
}

/// A band's place among the others, and what it is called.
pub(crate) type Band = (u8, Cow<'static, str>);

impl Bands {
    /// All, with their names in the address and their words.
    pub(crate) const ALL: [(Self, &'static str, &'static str); 4] = [
        (Self::None, "none", "none"),
        (Self::Cluster, "cluster", "cluster (labels)"),
        (Self::Type, "type", "type"),
        (Self::Health, "health", "health"),
    ];

    /// Reads the parameter of the address.
    pub(crate) fn parse(text: Option<&str>) -> Self {
        let mut all = Self::ALL.into_iter();
        all.find(|(_, name, _)| Some(*name) == text)
            .map_or(Self::None, |(bands, ..)| bands)
    }

    /// The band of a node.
    pub(crate) fn of(self, node: &Node) -> Band {
        let word = |place, word: &'static str| (place, Cow::Borrowed(word));
        match self {
            Self::None => word(0, ""),
            Self::Cluster if node.labels.is_empty() => word(1, "no label"),
            Self::Cluster => {
                let mut labels = node.labels.clone();
                crate::ui::order::sort(&mut labels, Ord::cmp);
                (0, labels.join(", ").into())
            }
            Self::Type => match node.operating_type {
                OperatingType::Mixed => word(0, "mixed"),
                OperatingType::Authenticated => word(1, "authenticated"),
                OperatingType::Asynchronous => word(2, "asynchronous"),
                OperatingType::Anonymous => word(3, "anonymous"),
            },
            Self::Health => match node.health {
                Health::Unreachable => word(0, "unreachable"),
                Health::Degraded => word(1, "degraded"),
                Health::Unknown => word(2, "unknown"),
                Health::Healthy => word(3, "healthy"),
            },
        }
    }
}

/// The same nodes in bands: group by group, band by band, and in each the order that they had.
pub(crate) fn banded(sets: Vec<Part>, of: impl Fn(usize, &str) -> Band) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for set in sets {
        let own = |item: Item| (of(set.group, &item.name), item);
        let mut items: Vec<(Band, Item)> = set.items.into_iter().map(own).collect();
        crate::ui::order::sort(&mut items, |(a, _), (b, _)| -> Ordering { a.cmp(b) });
        let begin = parts.len();
        for ((_, band), item) in items {
            match parts[begin..].last_mut() {
                Some(part) if part.band == band => part.items.push(item),
                _ => parts.push(Part {
                    group: set.group,
                    name: set.name.clone(),
                    band: band.into_owned(),
                    items: vec![item],
                }),
            }
        }
    }
    parts
}

/// One row of cells: slots of a node, or nodes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    /// Index of the block.
    pub(crate) block: usize,
    /// Index of the node within its block; of the first one, where cells are nodes.
    pub(crate) item: usize,
    /// Upper edge.
    pub(crate) y: f64,
    /// Index of its first slot.
    pub(crate) first: usize,
    /// How many cells are in it.
    pub(crate) count: usize,
}

/// One group, or one band of its nodes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Block {
    /// Left edge.
    pub(crate) x: f64,
    /// Upper edge.
    pub(crate) y: f64,
    /// Left edge of the cells.
    pub(crate) cells: f64,
    /// Columns in use.
    pub(crate) columns: usize,
    /// The group.
    pub(crate) set: Part,
}

/// Where everything lies.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Plan {
    /// Width that is used.
    pub(crate) width: f64,
    /// Height in all.
    pub(crate) height: f64,
    /// Whether a cell is a node, not a slot.
    pub(crate) nodes: bool,
    /// The groups.
    pub(crate) blocks: Vec<Block>,
    /// The rows of all blocks, block by block, downwards.
    pub(crate) rows: Vec<Row>,
}

/// A row's name: without the group in front, which stands in the head.
pub(crate) fn label(group: &str, name: &str) -> String {
    let rest = name
        .strip_prefix(group)
        .and_then(|rest| rest.strip_prefix('-'))
        .filter(|rest| !rest.is_empty())
        .unwrap_or(name);
    cut(rest, LETTERS)
}

fn cut(text: &str, letters: usize) -> String {
    if text.chars().count() <= letters {
        text.to_owned()
    } else {
        text.chars().take(letters - 1).chain(['…']).collect()
    }
}

/// From so many slots on a cell is a node, unless people choose otherwise.
const TOO_MANY: usize = 4_096;

/// Whether a cell is a node: as the address says, else when there are too many slots.
pub(crate) fn by_node(sets: &[Part], zoom: Option<&str>) -> bool {
    match zoom {
        Some("slots") => false,
        Some("nodes") => true,
        _ => {
            let items = sets.iter().flat_map(|set| &set.items);
            items.map(|item| item.slots).sum::<usize>() > TOO_MANY
        }
    }
}

/// The worst state of a node's slots, and the share of them that is in it; none of a node without slots.
pub(crate) fn worst(slots: &[SlotState]) -> Option<(SlotState, f64)> {
    const ORDER: [SlotState; 7] = [
        SlotState::Lost,
        SlotState::Zombie,
        SlotState::Stalled,
        SlotState::Draining,
        SlotState::Disabled,
        SlotState::Busy,
        SlotState::Idle,
    ];
    let state = ORDER.into_iter().find(|state| slots.contains(state))?;
    let number = slots.iter().filter(|slot| **slot == state).count();
    Some((state, number as f64 / slots.len() as f64))
}

/// Groups side by side as far as the width goes, then below each other. With a cell for each slot, or for each node.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // pixels
pub(crate) fn plan(sets: Vec<Part>, width: f64, nodes: bool) -> Plan {
    let mut plan = Plan {
        nodes,
        ..Plan::default()
    };
    let (mut x, mut top, mut bottom) = (0.0, 0.0, 0.0_f64);
    for set in sets.into_iter().filter(|set| !set.items.is_empty()) {
        let most = if nodes {
            ((width / PITCH).max(1.0) as usize).min(set.items.len())
        } else {
            let slots = set.items.iter().map(|item| item.slots.min(COLUMNS));
            slots.max().unwrap_or(0)
        };
        let columns = most.max(1);
        let letters = set
            .items
            .iter()
            .map(|item| label(&set.name, &item.name).chars().count())
            .max()
            .unwrap_or(0);
        let names = if nodes {
            0.0
        } else {
            (letters.max(set.name.chars().count().min(LETTERS)) as f64 * LETTER + 7.0).ceil()
        };
        let own = (names + columns as f64 * PITCH).max(set.head_width());
        if x > 0.0 && x + own > width {
            x = 0.0;
            top = bottom + 8.0;
        }
        let block = plan.blocks.len();
        let mut y = top + HEAD;
        let (rows, items) = if nodes {
            (set.items.len().div_ceil(columns), &[][..])
        } else {
            (0, set.items.as_slice())
        };
        for row in 0..rows {
            plan.rows.push(Row {
                block,
                item: row * columns,
                y,
                first: 0,
                count: columns.min(set.items.len() - row * columns),
            });
            y += PITCH;
        }
        for (index, item) in items.iter().enumerate() {
            let mut first = 0;
            loop {
                let count = (item.slots - first).min(COLUMNS);
                plan.rows.push(Row {
                    block,
                    item: index,
                    y,
                    first,
                    count,
                });
                y += PITCH;
                first += count;
                if first >= item.slots {
                    break;
                }
            }
        }
        bottom = bottom.max(y);
        plan.width = plan.width.max(x + own);
        plan.blocks.push(Block {
            x,
            y: top,
            cells: x + names,
            columns,
            set,
        });
        x += own + GAP;
    }
    plan.height = bottom;
    plan
}

/// The columns whose numbers are written: 1, 4, 8, 12, …
pub(crate) fn numbered(columns: usize) -> impl Iterator<Item = usize> {
    std::iter::once(1)
        .chain((1..).map(|step| step * 4))
        .take_while(move |column| *column <= columns)
}

/// A slot: the block, the node within it, the slot on it, all from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    /// Index of the block.
    pub(crate) block: usize,
    /// Index of the node within its block.
    pub(crate) item: usize,
    /// Index of the slot on the node.
    pub(crate) slot: usize,
}

/// A key that moves within the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The slot before.
    Left,
    /// The next slot.
    Right,
    /// The node above.
    Up,
    /// The node below.
    Down,
    /// The node's first slot.
    Home,
    /// The node's last slot.
    End,
    /// The group, or band, before.
    PageUp,
    /// The next group, or band.
    PageDown,
}

impl Step {
    /// The step of a key.
    pub(crate) fn of_key(key: &str) -> Option<Self> {
        Some(match key {
            "ArrowLeft" => Self::Left,
            "ArrowRight" => Self::Right,
            "ArrowUp" => Self::Up,
            "ArrowDown" => Self::Down,
            "Home" => Self::Home,
            "End" => Self::End,
            "PageUp" => Self::PageUp,
            "PageDown" => Self::PageDown,
            _ => return None,
        })
    }
}

impl Plan {
    /// The slot at a place; none between the cells' rows or beyond their end.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // pixels within the plan
    #[allow(clippy::cast_precision_loss)] // pixels
    pub(crate) fn hit(&self, x: f64, y: f64) -> Option<Spot> {
        let row = self.rows.iter().find(|row| {
            let block = &self.blocks[row.block];
            y >= row.y
                && y < row.y + PITCH
                && x >= block.cells
                && x < block.cells + row.count as f64 * PITCH
        })?;
        let column = ((x - self.blocks[row.block].cells) / PITCH) as usize;
        let column = column.min(row.count.saturating_sub(1));
        let (item, slot) = if self.nodes {
            (row.item + column, 0)
        } else {
            (row.item, row.first + column)
        };
        Some(Spot {
            block: row.block,
            item,
            slot,
        })
    }

    /// Left and upper edge of a slot's cell.
    #[allow(clippy::cast_precision_loss)] // pixels
    pub(crate) fn place(&self, spot: Spot) -> Option<(f64, f64)> {
        let column = |row: &Row| {
            let (at, from) = if self.nodes {
                (spot.item, row.item)
            } else if row.item == spot.item {
                (spot.slot, row.first)
            } else {
                return None;
            };
            at.checked_sub(from).filter(|column| *column < row.count)
        };
        self.rows.iter().find_map(|row| {
            let column = column(row).filter(|_| row.block == spot.block)?;
            Some((self.blocks[row.block].cells + column as f64 * PITCH, row.y))
        })
    }

    /// The block of a node, and where it stands in it; none when it is not in the map.
    pub(crate) fn item(&self, group: usize, name: &str) -> Option<(usize, usize)> {
        let blocks = self.blocks.iter().enumerate();
        let mut own = blocks.filter(|(_, block)| block.set.group == group);
        own.find_map(|(block, of)| {
            let item = of.set.items.iter().position(|item| &*item.name == name)?;
            Some((block, item))
        })
    }

    /// The slot of a node; none when it is not in the map or has no such slot.
    pub(crate) fn find(&self, group: usize, name: &str, slot: usize) -> Option<Spot> {
        let (block, item) = self.item(group, name)?;
        (slot < self.blocks[block].set.items[item].slots).then_some(Spot { block, item, slot })
    }

    /// Where a key leads from a slot. Stays where there is no further way; never leaves the map.
    pub(crate) fn step(&self, from: Spot, step: Step) -> Spot {
        let items = |block: usize| {
            self.blocks
                .get(block)
                .map_or(&[][..], |block| block.set.items.as_slice())
        };
        let here = items(from.block);
        let last = |item: &Item| item.slots.saturating_sub(1);
        let at = |item: usize| {
            here.get(item).map_or(from, |node| Spot {
                item,
                slot: from.slot.min(last(node)),
                ..from
            })
        };
        let step = if self.nodes {
            let columns = self.blocks.get(from.block).map_or(1, |of| of.columns);
            let row = from.item - from.item % columns;
            let end = here.len().saturating_sub(1);
            match step {
                Step::Left => return at(from.item.saturating_sub(1)),
                Step::Right => return at((from.item + 1).min(end)),
                Step::Up => return at(from.item.checked_sub(columns).unwrap_or(from.item)),
                Step::Down if from.item + columns > end => return from,
                Step::Down => return at(from.item + columns),
                Step::Home => return at(row),
                Step::End => return at((row + columns - 1).min(end)),
                Step::PageUp | Step::PageDown => step,
            }
        } else {
            step
        };
        match step {
            Step::Left => Spot {
                slot: from.slot.saturating_sub(1),
                ..from
            },
            Step::Right => Spot {
                slot: (from.slot + 1).min(here.get(from.item).map_or(0, last)),
                ..from
            },
            Step::Up => at(from.item.saturating_sub(1)),
            Step::Down => at((from.item + 1).min(here.len().saturating_sub(1))),
            Step::Home => Spot { slot: 0, ..from },
            Step::End => Spot {
                slot: here.get(from.item).map_or(0, last),
                ..from
            },
            Step::PageUp | Step::PageDown => {
                let block = if step == Step::PageUp {
                    from.block.saturating_sub(1)
                } else {
                    (from.block + 1).min(self.blocks.len().saturating_sub(1))
                };
                if block == from.block {
                    from
                } else {
                    Spot {
                        block,
                        item: 0,
                        slot: 0,
                    }
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "heat_plan_tests.rs"]
mod tests;
