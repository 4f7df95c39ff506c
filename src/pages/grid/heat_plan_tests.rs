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
        band: String::new(),
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

/// Nodes of two groups in bands by the last letter of their name.
fn bands() -> Plan {
    let sets = vec![set(0, "east", &[12, 40, 3, 5]), set(1, "west", &[4, 4])];
    let parts = banded(sets, |_, name| match name.as_bytes().last() {
        Some(b'2' | b'4') => (0, "even".into()),
        _ => (1, "odd".into()),
    });
    plan(parts, 900.0, false)
}

fn names(plan: &Plan) -> Vec<(String, Vec<&str>)> {
    let of = |block: &'_ Block| block.set.head();
    let blocks = plan.blocks.iter();
    blocks
        .map(|block| {
            (
                of(block),
                block.set.items.iter().map(|i| &*i.name).collect(),
            )
        })
        .collect()
}

#[test]
fn bands_stand_within_their_group_in_the_order_of_the_table() {
    let plan = bands();
    let wanted: [(&str, &[&str]); 4] = [
        ("east \u{b7} even", &["east-r02", "east-r04"]),
        ("east \u{b7} odd", &["east-r01", "east-r03"]),
        ("west \u{b7} even", &["west-r02"]),
        ("west \u{b7} odd", &["west-r01"]),
    ];
    let wanted = wanted.map(|(head, nodes)| (head.to_owned(), nodes.to_vec()));
    assert_eq!(names(&plan), wanted);
    // Every node is found where it is, whatever band its group begins with.
    for (group, name, at) in [
        (0, "east-r03", (1, 1)),
        (0, "east-r02", (0, 0)),
        (1, "west-r01", (3, 0)),
    ] {
        assert_eq!(plan.item(group, name), Some(at), "{name}");
    }
    assert_eq!(plan.item(1, "east-r03"), None);
}

#[test]
fn keys_lead_from_band_to_band_and_never_leave_the_map() {
    let plan = bands();
    let first = Spot {
        block: 0,
        item: 0,
        slot: 0,
    };
    let mut spot = first;
    for block in 1..4 {
        spot = plan.step(spot, Step::PageDown);
        assert_eq!(spot, Spot { block, ..first });
    }
    assert_eq!(plan.step(spot, Step::PageDown), spot);
    assert_eq!(plan.step(spot, Step::PageUp).block, 2);
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
    for round in 0..400 {
        spot = plan.step(spot, all[(round * 5 + round / 3) % all.len()]);
        let (x, y) = plan.place(spot).unwrap();
        assert_eq!(plan.hit(x + 1.0, y + 1.0), Some(spot), "after {round}");
    }
}

#[test]
fn heads_of_bands_do_not_run_into_each_other() {
    let long = |_: usize, name: &str| (0, format!("band of {name} with a long name").into());
    for nodes in [false, true] {
        let plan = plan(
            banded(vec![set(0, "east", &[1, 1, 1])], long),
            2_000.0,
            nodes,
        );
        assert_eq!(plan.blocks.len(), 3);
        for pair in plan.blocks.windows(2) {
            assert!(pair[0].x + pair[0].set.head_width() < pair[1].x);
            assert_eq!(pair[0].set.head().chars().count(), HEAD_LETTERS);
        }
    }
}

#[test]
fn a_node_is_in_the_band_of_what_it_is() {
    let mut node = crate::pages::grid::sample::node("r1");
    let word = |by: Bands, node: &Node| by.of(node).1.into_owned();
    assert_eq!(word(Bands::Cluster, &node), "no label");
    node.labels = vec!["gpu".to_owned(), "big".to_owned()];
    assert_eq!(word(Bands::Cluster, &node), "big, gpu");
    assert!(Bands::Cluster.of(&node) < Bands::Cluster.of(&crate::pages::grid::sample::node("r2")));
    assert_eq!(word(Bands::None, &node), "");
    node.health = Health::Unreachable;
    let lost = Bands::Health.of(&node);
    node.health = Health::Healthy;
    assert!(lost < Bands::Health.of(&node), "the worst first");
    node.operating_type = OperatingType::Asynchronous;
    assert_eq!(word(Bands::Type, &node), "asynchronous");
    for (bands, name, _) in Bands::ALL {
        assert_eq!(Bands::parse(Some(name)), bands);
    }
    assert_eq!(
        (Bands::parse(None), Bands::parse(Some("x"))),
        (Bands::None, Bands::None)
    );
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever the bands: every node is in the map once, in its group, and in the order of the table within its band.
        #[test]
        fn no_node_is_lost_in_bands(of in prop::collection::vec((0_u8..4, 0_usize..40), 0..30), nodes: bool, width in 20.0..2_000.0) {
            let slots: Vec<usize> = of.iter().map(|(_, slots)| *slots).collect();
            let sets = vec![set(0, "east", &slots), set(3, "west", &slots)];
            let place = |name: &str| name[name.len() - 2..].parse::<usize>().unwrap() - 1;
            let parts = banded(sets.clone(), |_, name| (of[place(name)].0, of[place(name)].0.to_string().into()));
            for part in &parts {
                let places: Vec<usize> = part.items.iter().map(|item| place(&item.name)).collect();
                prop_assert!(places.is_sorted());
                prop_assert!(places.iter().all(|at| of[*at].0.to_string() == part.band));
            }
            let plan = plan(parts, width, nodes);
            for set in &sets {
                for (at, item) in set.items.iter().enumerate() {
                    let (block, index) = plan.item(set.group, &item.name).unwrap();
                    prop_assert_eq!(&plan.blocks[block].set.items[index], item);
                    prop_assert_eq!(plan.find(set.group, &item.name, 0).is_some(), of[at].1 > 0);
                }
            }
            let all: usize = plan.blocks.iter().map(|block| block.set.items.len()).sum();
            prop_assert_eq!(all, 2 * of.len());
        }
    }
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
