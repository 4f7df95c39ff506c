//! Where each slot lies in the heat map. Pure: the drawing, the pointer and the keys all ask the same plan.

use std::sync::Arc;

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
    /// Its nodes, in the order of the table.
    pub(crate) items: Vec<Item>,
}

/// One row of cells.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    /// Index of the block.
    pub(crate) block: usize,
    /// Index of the node within its block.
    pub(crate) item: usize,
    /// Upper edge.
    pub(crate) y: f64,
    /// Index of its first slot.
    pub(crate) first: usize,
    /// How many slots are in it.
    pub(crate) count: usize,
}

/// One group.
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
    if rest.chars().count() <= LETTERS {
        rest.to_owned()
    } else {
        rest.chars().take(LETTERS - 1).chain(['…']).collect()
    }
}

/// Groups side by side as far as the width goes, then below each other.
#[allow(clippy::cast_precision_loss)] // pixels
pub(crate) fn plan(sets: Vec<Part>, width: f64) -> Plan {
    let mut plan = Plan::default();
    let (mut x, mut top, mut bottom) = (0.0, 0.0, 0.0_f64);
    for set in sets.into_iter().filter(|set| !set.items.is_empty()) {
        let columns = set
            .items
            .iter()
            .map(|item| item.slots.min(COLUMNS))
            .max()
            .unwrap_or(0)
            .max(1);
        let letters = set
            .items
            .iter()
            .map(|item| label(&set.name, &item.name).chars().count())
            .max()
            .unwrap_or(0);
        let names =
            (letters.max(set.name.chars().count().min(LETTERS)) as f64 * LETTER + 7.0).ceil();
        let own = names + columns as f64 * PITCH;
        if x > 0.0 && x + own > width {
            x = 0.0;
            top = bottom + 8.0;
        }
        let block = plan.blocks.len();
        let mut y = top + HEAD;
        for (index, item) in set.items.iter().enumerate() {
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
    /// The group before.
    PageUp,
    /// The next group.
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
        Some(Spot {
            block: row.block,
            item: row.item,
            slot: row.first + column.min(row.count.saturating_sub(1)),
        })
    }

    /// Left and upper edge of a slot's cell.
    #[allow(clippy::cast_precision_loss)] // pixels
    pub(crate) fn place(&self, spot: Spot) -> Option<(f64, f64)> {
        let row = self.rows.iter().find(|row| {
            row.block == spot.block
                && row.item == spot.item
                && (row.first..row.first + row.count).contains(&spot.slot)
        })?;
        Some((
            self.blocks[row.block].cells + (spot.slot - row.first) as f64 * PITCH,
            row.y,
        ))
    }

    /// The slot of a node; none when it is not in the map or has no such slot.
    pub(crate) fn find(&self, group: usize, name: &str, slot: usize) -> Option<Spot> {
        let block = self
            .blocks
            .iter()
            .position(|block| block.set.group == group)?;
        let item = self.blocks[block]
            .set
            .items
            .iter()
            .position(|item| &*item.name == name)?;
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
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn set(group: usize, name: &str, slots: &[usize]) -> Part {
        let items = slots
            .iter()
            .enumerate()
            .map(|(index, slots)| Item {
                name: Arc::from(format!("{name}-r{:02}", index + 1)),
                slots: *slots,
            })
            .collect();
        Part {
            group,
            name: name.to_owned(),
            items,
        }
    }

    fn two() -> Plan {
        plan(
            vec![set(0, "east", &[12, 40, 3]), set(1, "west", &[4])],
            900.0,
        )
    }

    #[test]
    fn groups_stand_side_by_side_while_there_is_room() {
        let plan = two();
        assert_eq!((plan.blocks[0].y, plan.blocks[1].y), (0.0, 0.0));
        assert!(plan.blocks[1].x > plan.blocks[0].cells + 32.0 * PITCH);
        let narrow = super::plan(vec![set(0, "east", &[12]), set(1, "west", &[12])], 300.0);
        assert!(narrow.blocks[1].x < 0.1);
        assert!(narrow.blocks[1].y > narrow.rows[0].y);
    }

    #[test]
    fn every_slot_is_hit_where_it_is_placed() {
        let plan = two();
        for (block, whole) in plan.blocks.iter().enumerate() {
            for (item, node) in whole.set.items.iter().enumerate() {
                for slot in 0..node.slots {
                    let spot = Spot { block, item, slot };
                    let (x, y) = plan.place(spot).unwrap();
                    assert_eq!(plan.hit(x + 1.0, y + 1.0), Some(spot));
                    assert_eq!(plan.hit(x + CELL, y + CELL), Some(spot));
                }
            }
        }
        assert_eq!(plan.hit(0.0, 30.0), None, "a name is no slot");
        assert_eq!(plan.hit(1e6, 30.0), None);
    }

    #[test]
    fn a_node_with_many_slots_takes_several_rows() {
        let rows: Vec<_> = two()
            .rows
            .iter()
            .filter(|row| row.block == 0 && row.item == 1)
            .map(|row| (row.first, row.count))
            .collect();
        assert_eq!(rows, [(0, 32), (32, 8)]);
    }

    #[test]
    fn keys_never_leave_the_map() {
        let plan = two();
        let all = [
            Step::Left,
            Step::Right,
            Step::Up,
            Step::Down,
            Step::Home,
            Step::End,
            Step::PageUp,
            Step::PageDown,
        ];
        let mut spot = Spot {
            block: 0,
            item: 0,
            slot: 0,
        };
        for round in 0..400 {
            spot = plan.step(spot, all[(round * 7 + round / 3) % all.len()]);
            assert!(plan.place(spot).is_some(), "{spot:?} after {round}");
        }
        let end = plan.step(
            Spot {
                block: 0,
                item: 1,
                slot: 0,
            },
            Step::End,
        );
        assert_eq!(end.slot, 39);
        assert_eq!(
            plan.step(end, Step::Down),
            Spot {
                block: 0,
                item: 2,
                slot: 2
            }
        );
        assert_eq!(
            plan.step(end, Step::PageDown),
            Spot {
                block: 1,
                item: 0,
                slot: 0
            }
        );
    }

    #[test]
    fn names_go_without_their_group_and_are_cut() {
        assert_eq!(label("east", "east-r01"), "r01");
        assert_eq!(label("east", "west-r01"), "west-r01");
        assert_eq!(label("east", "east-"), "east-");
        assert_eq!(label("east", "a-very-long-name-of-a-node"), "a-very-long…");
        assert_eq!(numbered(16).collect::<Vec<_>>(), [1, 4, 8, 12, 16]);
        assert_eq!(numbered(3).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn an_empty_map_is_empty() {
        assert_eq!(plan(vec![set(0, "east", &[])], 500.0), Plan::default());
        let none = plan(vec![set(0, "east", &[0])], 500.0);
        assert_eq!(none.rows[0].count, 0);
        assert_eq!(none.find(0, "east-r01", 0), None);
    }
}
