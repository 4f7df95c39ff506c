//! What a group shows after its servers have spoken, in the orders that a night brings.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::deployment::state::Server;
use gridhelm_api::event::{Severity, Topic};
use gridhelm_api::node::{Health, Slot, SlotState};
use leptos::prelude::Owner;

fn group() -> &'static Group {
    let servers = ["east-1", "east-2"]
        .map(|name| Server::new(name.to_owned(), "http://127.0.0.1:1".to_owned()));
    Box::leak(Box::new(Group::new("east".to_owned(), servers.into())))
}

fn status(role: ServerRole, epoch: i64) -> ServerStatus {
    ServerStatus {
        role,
        epoch,
        ..ServerStatus::default()
    }
}

fn node(name: &str, health: Health, states: &[SlotState]) -> Node {
    let json = serde_json::json!({
        "name": name, "host": "127.0.0.1", "port": 6311, "slot_limit": states.len(), "operating_type": "mixed", "intent": "enabled",
        "intent_since": 0, "version": 1, "created_at": 0,
    });
    let mut node: Node = serde_json::from_value(json).unwrap();
    node.health = health;
    node.slots = states
        .iter()
        .map(|state| Slot {
            state: *state,
            ..Slot::default()
        })
        .collect();
    node
}

fn event(id: i64) -> Event {
    let (kind, text) = ("node.contracted".to_owned(), String::new());
    Event {
        id,
        at: id,
        severity: Severity::Info,
        topic: Topic::Grid,
        kind,
        subject: text.clone(),
        message: text.clone(),
        actor: text,
        epoch: 1,
    }
}

fn snapshot(role: ServerRole, epoch: i64, nodes: Vec<Node>, events: &[i64]) -> Delta {
    let json = serde_json::json!({ "name": "east", "epoch": epoch, "members": [], "database": "SQLite, one host" });
    Delta::Snapshot(Box::new(Snapshot {
        server: status(role, epoch),
        group: serde_json::from_value(json).unwrap(),
        nodes,
        tasks: Vec::new(),
        events: events.iter().map(|id| event(*id)).collect(),
        stats: gridhelm_api::group::GroupStats::default(),
        switch: None,
    }))
}

fn ids(group: &Group) -> Vec<i64> {
    group
        .events
        .get_untracked()
        .iter()
        .map(|event| event.id)
        .collect()
}

#[test]
fn the_active_server_of_the_highest_epoch_is_shown() {
    assert_eq!(pick_source(&[None, None], None), None);
    assert_eq!(
        pick_source(&[None, None], Some(0)),
        Some(0),
        "a group without an active server keeps what is known"
    );
    assert_eq!(pick_source(&[Some(41), None], None), Some(0));
    assert_eq!(
        pick_source(&[Some(41), Some(42)], Some(0)),
        Some(1),
        "the old one may still say it is active"
    );
    assert_eq!(pick_source(&[Some(42), Some(42)], Some(1)), Some(1));
}

#[test]
fn nodes_are_counted_as_they_change() {
    let owner = Owner::new();
    owner.set();
    let group = group();
    let busy_idle = [SlotState::Busy, SlotState::Idle];
    apply(
        group,
        vec![(
            0,
            snapshot(
                ServerRole::Active,
                1,
                vec![
                    node("a", Health::Healthy, &busy_idle),
                    node("b", Health::Healthy, &busy_idle),
                ],
                &[],
            ),
        )],
    );
    let tally = group.tally.get_untracked();
    assert_eq!(
        (tally.nodes, tally.ready, tally.slots(), tally.usable()),
        (2, 2, 4, 4)
    );

    apply(
        group,
        vec![(
            0,
            Delta::Node(Box::new(node(
                "a",
                Health::Unreachable,
                &[SlotState::Lost, SlotState::Lost],
            ))),
        )],
    );
    let tally = group.tally.get_untracked();
    assert_eq!(
        (
            tally.ready,
            tally.trouble,
            tally.nodes_lost,
            tally.usable(),
            tally.slots_in(SlotState::Lost)
        ),
        (1, 1, 1, 2, 2)
    );

    apply(
        group,
        vec![(
            0,
            Delta::NodeRemoved {
                name: "a".to_owned(),
            },
        )],
    );
    let tally = group.tally.get_untracked();
    assert_eq!((tally.nodes, tally.trouble, tally.slots()), (1, 0, 2));

    apply(
        group,
        vec![(
            0,
            snapshot(
                ServerRole::Active,
                1,
                vec![node("c", Health::Healthy, &busy_idle)],
                &[],
            ),
        )],
    );
    assert_eq!(group.tally.get_untracked().nodes, 1);
    assert!(group.nodes.find("b").is_none(), "a snapshot replaces all");
}

#[test]
fn a_standby_has_no_say_in_the_grid() {
    let owner = Owner::new();
    owner.set();
    let group = group();
    apply(
        group,
        vec![(
            0,
            snapshot(
                ServerRole::Active,
                1,
                vec![node("a", Health::Healthy, &[])],
                &[],
            ),
        )],
    );
    apply(
        group,
        vec![
            (1, snapshot(ServerRole::Standby, 1, Vec::new(), &[])),
            (1, Delta::Node(Box::new(node("z", Health::Healthy, &[])))),
        ],
    );
    assert_eq!(group.tally.get_untracked().nodes, 1);
    assert!(group.nodes.find("z").is_none());
}

#[test]
fn a_standby_that_rises_takes_the_grid_over_with_its_snapshot() {
    let owner = Owner::new();
    owner.set();
    let group = group();
    let old = node("a", Health::Healthy, &[]);
    apply(
        group,
        vec![
            (0, snapshot(ServerRole::Active, 1, vec![old], &[])),
            (1, snapshot(ServerRole::Standby, 1, Vec::new(), &[])),
        ],
    );
    apply(
        group,
        vec![(1, Delta::Server(status(ServerRole::Active, 2)))],
    );
    assert_eq!(group.source.get_untracked(), Some(1));
    assert_eq!(
        group.tally.get_untracked().nodes,
        1,
        "what was known stays until the new server has told"
    );
    apply(
        group,
        vec![(
            1,
            snapshot(
                ServerRole::Active,
                2,
                vec![
                    node("a", Health::Healthy, &[]),
                    node("b", Health::Healthy, &[]),
                ],
                &[],
            ),
        )],
    );
    assert_eq!(group.tally.get_untracked().nodes, 2);
    apply(
        group,
        vec![(
            0,
            Delta::NodeRemoved {
                name: "a".to_owned(),
            },
        )],
    );
    assert_eq!(
        group.tally.get_untracked().nodes,
        2,
        "the old server has no say any more"
    );
}

/// A patch that names the only node of a snapshot by 3 and makes its first slot busy.
fn patch(names: bool, place: u32) -> Delta {
    let names = if names {
        vec![(3, "a".to_owned())]
    } else {
        Vec::new()
    };
    let json = serde_json::json!({
        "at": 5_000, "names": names, "beats": [3, 2], "load": [3, 41], "slots": [[3, place, "busy", 12, 4711, "t-1"]],
    });
    Delta::Patch(serde_json::from_value(json).unwrap())
}

#[test]
fn a_patch_changes_what_it_names_and_nothing_else() {
    let owner = Owner::new();
    owner.set();
    let group = group();
    let idle = node("a", Health::Healthy, &[SlotState::Idle, SlotState::Idle]);
    let all = vec![idle.clone(), node("b", Health::Healthy, &[])];
    apply(group, vec![(0, snapshot(ServerRole::Active, 1, all, &[]))]);
    let beside = group.nodes.find("b").unwrap().get_untracked();
    assert_eq!(apply(group, vec![(0, patch(true, 1))]), None);
    let mut wanted = idle;
    (wanted.last_heartbeat, wanted.load) = (Some(4_800), Some(0.41));
    wanted.slots[1] = Slot {
        state: SlotState::Busy,
        pid: Some(4711),
        task: Some("t-1".to_owned()),
        held_by: None,
        since: 4_988,
        ..Slot::default()
    };
    assert_eq!(*group.nodes.find("a").unwrap().get_untracked(), wanted);
    let tally = group.tally.get_untracked();
    assert_eq!(
        (tally.nodes, tally.slots(), tally.slots_in(SlotState::Busy)),
        (2, 2, 1)
    );
    assert!(Arc::ptr_eq(
        &beside,
        &group.nodes.find("b").unwrap().get_untracked()
    ));
}

#[test]
fn a_patch_that_does_not_fit_asks_for_the_whole() {
    let owner = Owner::new();
    owner.set();
    let group = group();
    let idle = || node("a", Health::Healthy, &[SlotState::Idle]);
    let began = (0, snapshot(ServerRole::Active, 1, vec![idle()], &[]));
    assert_eq!(apply(group, vec![began]), None);
    assert_eq!(
        apply(group, vec![(0, patch(false, 0))]),
        Some(0),
        "nobody named it"
    );
    assert_eq!(
        apply(group, vec![(0, patch(true, 7))]),
        Some(0),
        "no such slot"
    );
    assert_eq!(
        apply(group, vec![(0, patch(false, 0))]),
        None,
        "named by now"
    );
    // The numbers of one server are not those of another; a server that is not shown has no say.
    assert_eq!(apply(group, vec![(1, patch(true, 0))]), None);
    assert_eq!(
        group.nodes.find("a").unwrap().get_untracked().slots[0].since,
        4_988
    );
    let risen = (1, snapshot(ServerRole::Active, 2, vec![idle()], &[]));
    assert_eq!(apply(group, vec![risen, (1, patch(false, 0))]), Some(1));
    assert_eq!(apply(group, vec![(1, patch(true, 0))]), None);
}

#[test]
fn every_event_counts_once_and_newest_comes_first() {
    let owner = Owner::new();
    owner.set();
    let group = group();
    apply(
        group,
        vec![
            (0, snapshot(ServerRole::Active, 1, Vec::new(), &[5, 4, 2])),
            (
                1,
                snapshot(ServerRole::Standby, 1, Vec::new(), &[5, 4, 3, 2]),
            ),
        ],
    );
    apply(
        group,
        vec![
            (1, Delta::Event(event(6))),
            (0, Delta::Event(event(6))),
            (0, Delta::Event(event(7))),
        ],
    );
    assert_eq!(ids(group), [7, 6, 5, 4, 3, 2]);
    let many = (8..8 + 2 * EVENTS as i64)
        .map(|id| (0, Delta::Event(event(id))))
        .collect();
    apply(group, many);
    assert_eq!(ids(group).len(), EVENTS);
    assert_eq!(ids(group)[0], 7 + 2 * EVENTS as i64);
}

#[test]
fn console_pieces_are_merged_in_order() {
    let owner = Owner::new();
    owner.set();
    let group = group();
    let chunk = |seq: u64| ConsoleChunk {
        seq,
        kind: gridhelm_api::task::ConsoleKind::Output,
        text: seq.to_string(),
    };
    group.append_console("t-1", vec![chunk(0)]);
    let console = group.watch_console("t-1");
    group.append_console("t-1", vec![chunk(3), chunk(2)]);
    group.append_console("t-1", vec![chunk(0), chunk(1), chunk(2)]);
    assert_eq!(
        console
            .get_untracked()
            .iter()
            .map(|chunk| chunk.seq)
            .collect::<Vec<_>>(),
        [0, 1, 2, 3]
    );
}
