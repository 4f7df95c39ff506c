//! Patches tell exactly what changed, or say that they cannot.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::node::{Health, NodeFacts, SlotStall};
use proptest::prelude::*;

fn node() -> Node {
    let json = serde_json::json!({
        "name": "east-r01", "host": "127.0.0.1", "port": 6311, "slot_limit": 3, "operating_type": "mixed", "intent": "enabled",
        "intent_since": 0, "version": 1, "created_at": 0, "health": "healthy", "facts": {}, "slots": [],
    });
    let mut node: Node = serde_json::from_value(json).unwrap();
    node.slots = vec![Slot::default(); 3];
    node
}

const AT: Millis = 1_795_000_000_000;

fn slots() -> impl Strategy<Value = Slot> {
    let states = prop::sample::select(vec![
        SlotState::Idle,
        SlotState::Busy,
        SlotState::Zombie,
        SlotState::Lost,
    ]);
    let word = || proptest::option::of("[a-z]{1,3}");
    let parts = (
        states,
        word(),
        proptest::option::of(0_i64..99_999),
        word(),
        0_i64..5_000,
    );
    parts.prop_map(|(state, task, pid, held_by, since)| Slot {
        state,
        task,
        pid,
        held_by,
        since: AT - since,
        stall: (since % 7 == 0).then(|| SlotStall {
            what: "stopped".to_owned(),
            ..SlotStall::default()
        }),
    })
}

/// Nodes as a server shows them: their values on the steps that patches have.
fn nodes() -> impl Strategy<Value = Node> {
    let seen = (
        proptest::option::of(0_i64..50),
        proptest::option::of(0_i64..9_999),
        proptest::option::of(0_i64..500),
        proptest::option::of(0_i64..=1_000),
        0_u32..3,
    );
    let probed = proptest::option::of((0_u64..9_999, 0_u64..99_999, -999_i64..999, 0_i64..300));
    let slots = prop::collection::vec(slots(), 2..4);
    (seen, probed, slots, 0_u8..8).prop_map(|(seen, probed, slots, odd)| {
        let (beat, took, load, memory, failures) = seen;
        let mut node = Node {
            last_heartbeat: beat.map(|tenths| AT - tenths * TENTH),
            heartbeat_ms: took.map(|n| whole(n, HUNDRED)),
            load: load.map(|n| whole(n, HUNDRED)),
            memory_used: memory.map(|n| whole(n, THOUSAND)),
            failures,
            facts: probed.map(|(memory, disk, offset, at)| NodeFacts {
                memory_available: memory * MIB,
                disk_free: disk * MIB,
                clock_offset_ms: offset,
                at: AT - at * TENTH,
                ..NodeFacts::default()
            }),
            slots,
            ..node()
        };
        match odd {
            0 => node.health = Health::Unreachable,
            1 => node.labels.push("gpu".to_owned()),
            2 => node.version = 2,
            _ => {}
        }
        node
    })
}

/// Through JSON, as a client gets it.
fn travelled(patch: &Patch) -> Patch {
    serde_json::from_str(&serde_json::to_string(patch).unwrap()).unwrap()
}

proptest! {
    #[test]
    fn what_a_patch_tells_is_what_changed(
        pairs in prop::collection::vec((1_u32..40, nodes(), nodes()), 0..8), now in AT..AT + 3_000
    ) {
        let mut changes = Vec::new();
        let mut number = 0;
        for (step, before, after) in &pairs {
            number += step;
            match Change::between(before, after) {
                Some(change) => changes.push((number, change, before, after)),
                None => prop_assert!(before != after, "the same is always told"),
            }
        }
        let told: Vec<_> = changes.iter().map(|(number, change, ..)| (*number, change.clone())).collect();
        let mut given = Vec::new();
        travelled(&Patch::of(now, &told)).each(|number, change| given.push((number, change))).unwrap();
        let there = changes.iter().filter(|(_, change, ..)| !change.is_empty()).collect::<Vec<_>>();
        prop_assert_eq!(given.len(), there.len());
        for ((number, change), (of, _, before, after)) in given.iter().zip(there) {
            prop_assert_eq!(number, of);
            let mut node = (*before).clone();
            prop_assert_eq!(change.apply(&mut node), Ok(()));
            prop_assert_eq!(&node, *after);
            // A patch may come twice.
            prop_assert_eq!(change.apply(&mut node), Ok(()));
            prop_assert_eq!(&node, *after);
        }
    }

    #[test]
    fn whatever_comes_is_read_or_refused(
        beats in prop::collection::vec(any::<i64>(), 0..6), facts in prop::collection::vec(any::<i64>(), 0..12),
        failures in prop::collection::vec(-3_i64..6, 0..6), at in any::<i64>()
    ) {
        let patch = Patch { at, beats, failures, facts, ..Patch::default() };
        let _ = patch.each(|_, change| { let _ = change.apply(&mut node()); });
    }
}

#[test]
fn heartbeats_and_slots_need_no_whole_node() {
    let before = Node {
        last_heartbeat: Some(AT - 2_000),
        heartbeat_ms: Some(0.31),
        load: Some(0.5),
        memory_used: Some(0.412),
        ..node()
    };
    let mut after = Node {
        last_heartbeat: Some(AT - 300),
        heartbeat_ms: Some(1.27),
        load: Some(0.54),
        failures: 1,
        ..before.clone()
    };
    after.slots[2] = Slot {
        state: SlotState::Busy,
        task: Some("t-01".to_owned()),
        pid: Some(4711),
        held_by: None,
        since: AT - 12,
        ..Slot::default()
    };
    let change = Change::between(&before, &after).unwrap();
    assert_eq!(change.count(), 2);
    let json = serde_json::to_string(&Patch::of(AT + 45, &[(7, change)])).unwrap();
    assert_eq!(
        json,
        r#"{"at":1795000000000,"beats":[7,3],"took":[7,127],"load":[7,54],"failures":[7,1],"slots":[[7,2,"busy",12,4711,"t-01"]]}"#
    );
    assert!(Change::between(&before, &before).unwrap().is_empty());
}

#[test]
fn what_a_patch_cannot_tell_is_a_whole_node() {
    let before = Node {
        load: Some(0.5),
        ..node()
    };
    let other = |edit: fn(&mut Node)| {
        let mut after = before.clone();
        edit(&mut after);
        Change::between(&before, &after)
    };
    assert_eq!(other(|node| node.load = None), None);
    assert_eq!(other(|node| node.load = Some(0.123_456)), None);
    assert_eq!(other(|node| node.last_heartbeat = Some(5)), None);
    assert_eq!(other(|node| node.health = Health::Degraded), None);
    assert_eq!(other(|node| node.slots.push(Slot::default())), None);
    assert_eq!(other(|node| node.facts = None), None);
    let stall = |node: &mut Node| node.slots[0].stall = Some(SlotStall::default());
    assert_eq!(other(stall), None);
    // What is over is told by the slot as it is then.
    let mut stalled = before.clone();
    stall(&mut stalled);
    assert!(Change::between(&stalled, &before).is_some());
}

#[test]
fn what_does_not_fit_is_refused() {
    let slot = |place| Change {
        slots: vec![(place, Slot::default())],
        ..Change::default()
    };
    assert_eq!(slot(2).apply(&mut node()), Ok(()));
    assert_eq!(slot(3).apply(&mut node()), Err(Misfit));
    let facts = Change {
        facts: Some([1, 1, 1, 1]),
        ..Change::default()
    };
    let unknown = &mut Node {
        facts: None,
        ..node()
    };
    assert_eq!(facts.apply(unknown), Err(Misfit));
    for beats in [
        vec![1],
        vec![1, 2, 3],
        vec![0, 2],
        vec![-1, 2],
        vec![MOST + 1, 2],
    ] {
        let patch = Patch {
            beats,
            ..Patch::default()
        };
        assert_eq!(patch.clone().each(|_, _| {}), Err(Misfit), "{patch:?}");
    }
    let mut names = Names::default();
    assert_eq!(names.learn(vec![(3, "c".to_owned())]), Ok(()));
    assert_eq!(
        (names.get(3), names.get(2), names.get(9)),
        (Some("c"), None, None)
    );
    assert_eq!(names.learn(vec![(0, "c".to_owned())]), Err(Misfit));
    assert_eq!(names.learn(vec![(u32::MAX, "c".to_owned())]), Err(Misfit));
}
