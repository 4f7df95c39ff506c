//! Where cells lie, and where keys lead.
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
        false,
    )
}

#[test]
fn groups_stand_side_by_side_while_there_is_room() {
    let plan = two();
    assert_eq!((plan.blocks[0].y, plan.blocks[1].y), (0.0, 0.0));
    assert!(plan.blocks[1].x > plan.blocks[0].cells + 32.0 * PITCH);
    let narrow = super::plan(
        vec![set(0, "east", &[12]), set(1, "west", &[12])],
        300.0,
        false,
    );
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
fn a_cell_may_be_a_node() {
    let plan = plan(
        vec![set(0, "east", &[16; 25]), set(1, "west", &[0, 4])],
        10.0 * PITCH,
        true,
    );
    assert_eq!((plan.blocks[0].columns, plan.rows.len()), (10, 4));
    let spots: Vec<Spot> = plan
        .blocks
        .iter()
        .enumerate()
        .flat_map(|(block, whole)| {
            (0..whole.set.items.len()).map(move |item| Spot {
                block,
                item,
                slot: 0,
            })
        })
        .collect();
    for spot in &spots {
        let (x, y) = plan.place(*spot).unwrap();
        assert_eq!(plan.hit(x + 1.0, y + 1.0), Some(*spot));
    }
    assert_eq!(spots.len(), 27);
    let at = |item: usize| Spot {
        block: 0,
        item,
        slot: 0,
    };
    for (from, step, to) in [
        (at(3), Step::Down, at(13)),
        (at(17), Step::Down, at(17)),
        (at(3), Step::Up, at(3)),
        (at(13), Step::Up, at(3)),
        (at(9), Step::Right, at(10)),
        (at(24), Step::Right, at(24)),
        (at(10), Step::Left, at(9)),
        (at(17), Step::Home, at(10)),
        (at(22), Step::End, at(24)),
    ] {
        assert_eq!(plan.step(from, step), to, "{from:?} {step:?}");
    }
    assert_eq!(plan.step(at(7), Step::PageDown).block, 1);
}

#[test]
fn many_slots_are_shown_by_node_and_the_worst_of_them_counts() {
    use SlotState::{Busy, Idle, Lost, Stalled};
    let (few, many) = ([set(0, "e", &[16])], [set(0, "e", &[1_024; 5])]);
    assert!(!by_node(&few, None) && by_node(&many, None));
    assert!(by_node(&few, Some("nodes")) && !by_node(&many, Some("slots")));
    assert_eq!(worst(&[]), None);
    assert_eq!(worst(&[Idle, Busy, Idle, Idle]), Some((Busy, 0.25)));
    assert_eq!(worst(&[Stalled, Lost, Busy, Stalled]), Some((Lost, 0.25)));
    assert_eq!(worst(&[Idle, Idle]), Some((Idle, 1.0)));
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
    assert_eq!(
        plan(vec![set(0, "east", &[])], 500.0, false),
        Plan::default()
    );
    let none = plan(vec![set(0, "east", &[0])], 500.0, false);
    assert_eq!(none.rows[0].count, 0);
    assert_eq!(none.find(0, "east-r01", 0), None);
}
