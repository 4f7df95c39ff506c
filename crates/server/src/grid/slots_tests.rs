#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use proptest::prelude::*;

const OPEN: Condition = Condition {
    intent: Intent::Enabled,
    usable: true,
};

fn states(table: &SlotTable) -> Vec<SlotState> {
    table.view().iter().map(|s| s.state).collect()
}

#[test]
fn a_task_takes_a_session_opened_ahead_first() {
    let mut table = SlotTable::new(3, OPEN, 0);
    assert_eq!(table.reserve(1), Some(0));
    assert_eq!(table.reserve(1), Some(1));
    assert!(table.ready(1, 77, 2));
    assert_eq!(table.claim("t-1", 3), Some((1, Some(77))));
    assert_eq!(table.claim("t-2", 3), Some((2, None)));
    assert_eq!(table.claim("t-3", 3), None, "slot 0 is being opened");
    table.free(1, 4);
    assert_eq!(table.claim("t-3", 5), Some((1, None)));
}

#[test]
fn a_lost_node_shows_all_its_slots_as_lost() {
    let mut table = SlotTable::new(3, OPEN, 0);
    table.claim("t-1", 1);
    let lost = Condition {
        usable: false,
        ..OPEN
    };
    table.set_condition(lost, 2);
    assert_eq!(states(&table), [SlotState::Lost; 3]);
    assert_eq!(table.view()[0].task.as_deref(), Some("t-1"));
    assert_eq!((table.usable(), table.available()), (0, (0, 0)));
    assert_eq!(table.claim("t-2", 3), None);
    table.set_condition(OPEN, 4);
    assert_eq!(
        states(&table),
        [SlotState::Busy, SlotState::Idle, SlotState::Idle]
    );
    assert_eq!(table.view()[1].since, 4);
}

#[test]
fn disabling_lets_running_tasks_end() {
    let mut table = SlotTable::new(2, OPEN, 0);
    table.claim("t-1", 0);
    let disabled = Condition {
        intent: Intent::Disabled,
        usable: true,
    };
    table.set_condition(disabled, 1);
    assert_eq!(states(&table), [SlotState::Draining, SlotState::Disabled]);
    table.free(0, 2);
    assert_eq!(states(&table), [SlotState::Disabled; 2]);
}

#[test]
fn a_smaller_limit_keeps_held_slots_until_they_are_let_go() {
    let mut table = SlotTable::new(3, OPEN, 0);
    for task in ["a", "b", "c"] {
        table.claim(task, 0);
    }
    table.free(1, 0);
    table.resize(1, 1);
    assert_eq!(
        states(&table),
        [SlotState::Busy, SlotState::Draining, SlotState::Draining]
    );
    assert_eq!(table.usable(), 1);
    assert_eq!(table.available(), (0, 0));
    table.free(2, 2);
    assert_eq!(states(&table), [SlotState::Busy]);
}

#[test]
fn a_doomed_session_holds_its_slot_until_it_is_dead() {
    let mut table = SlotTable::new(2, OPEN, 0);
    let (index, _) = table.claim("t-1", 0).unwrap();
    assert!(table.doom(Some(index), "s-1", "east-1, epoch 3", 99, 1));
    table.free(index, 2);
    let slot = &table.view()[index];
    assert_eq!(slot.state, SlotState::Zombie);
    assert_eq!(slot.held_by.as_deref(), Some("east-1, epoch 3"));
    assert_eq!(table.usable(), 1);
    table.buried("s-1", 3);
    assert_eq!(states(&table), [SlotState::Idle; 2]);
}

#[test]
fn a_slot_whose_session_is_stopped_is_stalled_until_it_goes_on() {
    let mut table = SlotTable::new(2, OPEN, 0);
    let (index, _) = table.claim("t-1", 0).unwrap();
    table.running(index, 77, 1);
    assert_eq!(table.to_look_at(0, 9), (vec![77], 2));
    assert_eq!(table.look(77, &Look::Stopped, 10), (None, false));
    let (turn, shown) = table.look(77, &Look::Stopped, 20);
    let turn = turn.unwrap();
    assert_eq!((turn.index, turn.task.as_deref()), (index, Some("t-1")));
    assert!(shown);
    let slot = table.view()[index].clone();
    assert_eq!((slot.state, slot.since), (SlotState::Stalled, 20));
    assert_eq!(slot.stall, turn.stall);
    assert_eq!(table.usable(), 2, "the slot holds its task");
    // Stopping it tells both.
    table.stall(index, "cancelled", 30);
    let stall = table.view()[index].stall.clone().unwrap();
    assert!(
        stall.what.starts_with("cancelled; its process is stopped"),
        "{stall:?}"
    );
    let (turn, _) = table.look(77, &Look::Fine, 40);
    let turn = turn.unwrap();
    assert_eq!((turn.stall, turn.lasted), (None, 30));
    assert_eq!(
        table.view()[index].stall.as_ref().map(|s| s.kind),
        Some(StallKind::Stopping)
    );
    table.free(index, 50);
    assert_eq!(table.look(77, &Look::Stopped, 60), (None, false));
    assert_eq!(states(&table), [SlotState::Idle; 2]);
}

#[test]
fn a_session_opened_ahead_that_is_stopped_takes_no_task() {
    let mut table = SlotTable::new(1, OPEN, 0);
    assert_eq!(table.reserve(1), Some(0));
    assert!(table.ready(0, 77, 2));
    for now in [3, 4] {
        table.look(77, &Look::Stopped, now);
    }
    assert_eq!(states(&table), [SlotState::Stalled]);
    assert_eq!((table.available(), table.claim("t-1", 5)), ((0, 0), None));
    table.look(77, &Look::Fine, 6);
    assert_eq!(table.claim("t-1", 7), Some((0, Some(77))));
}

#[test]
fn all_sessions_have_their_turn_to_be_looked_at() {
    let mut table = SlotTable::new(5, OPEN, 0);
    for pid in 10..15 {
        let (index, _) = table.claim("t", 0).unwrap();
        table.running(index, pid, 0);
    }
    table.free(3, 1);
    let (first, next) = table.to_look_at(0, 3);
    let (second, next) = table.to_look_at(next, 3);
    assert_eq!((first, second), (vec![10, 11, 12], vec![14, 10, 11]));
    assert_eq!(table.to_look_at(next, 9).0.len(), 4, "none twice");
    assert_eq!(SlotTable::new(0, OPEN, 0).to_look_at(3, 9), (vec![], 3));
}

#[derive(Debug, Clone)]
enum Op {
    Claim,
    Reserve,
    Ready(usize),
    Stall(usize),
    Look(i64, Look),
    Free(usize),
    Doom(Option<usize>, u8),
    Buried(u8),
    Resize(u32),
    Condition(bool, Intent),
}

fn any_op() -> impl Strategy<Value = Op> {
    let intent = prop_oneof![
        Just(Intent::Enabled),
        Just(Intent::Draining),
        Just(Intent::Disabled)
    ];
    let looks = prop_oneof![
        1 => Just(Look::Fine),
        3 => Just(Look::Stopped),
        1 => Just(Look::Failed("silent".to_owned()))
    ];
    prop_oneof![
        4 => Just(Op::Claim),
        2 => Just(Op::Reserve),
        2 => (0_usize..8).prop_map(Op::Ready),
        1 => (0_usize..8).prop_map(Op::Stall),
        3 => (prop::sample::select(vec![7_i64, 1]), looks).prop_map(|(pid, look)| Op::Look(pid, look)),
        3 => (0_usize..8).prop_map(Op::Free),
        1 => (prop::option::of(0_usize..8), any::<u8>()).prop_map(|(i, s)| Op::Doom(i, s % 4)),
        1 => any::<u8>().prop_map(|s| Op::Buried(s % 4)),
        1 => (1_u32..8).prop_map(Op::Resize),
        1 => (any::<bool>(), intent).prop_map(|(u, i)| Op::Condition(u, i)),
    ]
}

proptest! {
    /// No slot is given twice, none beyond the limit, and the counts agree with what is shown.
    #[test]
    fn no_slot_is_given_twice(ops in prop::collection::vec(any_op(), 0..200)) {
        let mut table = SlotTable::new(3, OPEN, 0);
        for (now, op) in (1..).zip(ops) {
            let before = table.view();
            match op {
                Op::Claim => {
                    if let Some((index, pid)) = table.claim("t", now) {
                        prop_assert!(index < table.limit());
                        prop_assert_eq!(before[index].state, SlotState::Idle);
                        prop_assert!(before[index].task.is_none());
                        prop_assert_eq!(before[index].pid, pid);
                    }
                }
                Op::Reserve => { table.reserve(now); }
                Op::Ready(i) => { table.ready(i, 7, now); }
                Op::Stall(i) => table.stall(i, "its time is over", now),
                Op::Look(pid, look) => {
                    let (turn, changed) = table.look(pid, &look, now);
                    prop_assert!(changed || turn.is_none());
                    if let Some(turn) = turn {
                        prop_assert_eq!(before[turn.index].pid, Some(pid));
                        prop_assert_eq!(&before[turn.index].task, &turn.task);
                    }
                }
                Op::Free(i) => table.free(i, now),
                Op::Doom(i, s) => { table.doom(i, &s.to_string(), "x", 1, now); }
                Op::Buried(s) => table.buried(&s.to_string(), now),
                Op::Resize(n) => table.resize(n, now),
                Op::Condition(usable, intent) => table.set_condition(Condition { intent, usable }, now),
            }
            let view = table.view();
            // What is shown as stalled says why, and nothing else does.
            prop_assert!(view.iter().all(|s| s.stall.is_some() == (s.state == SlotState::Stalled)));
            prop_assert!(view.len() >= table.limit());
            prop_assert_eq!(table.busy(), view.iter().filter(|s| s.task.is_some()).count());
            let usable = view.iter().take(table.limit()).filter(|s| s.state.is_usable() || s.state == SlotState::Stalled).count();
            if table.open_for_work() {
                prop_assert_eq!(table.usable() as usize, usable);
            } else {
                prop_assert_eq!(table.usable(), 0);
            }
        }
    }
}

#[test]
fn a_kept_session_waits_for_its_account_and_gives_way_to_others() {
    let (mia, ben): (Arc<str>, Arc<str>) = ("mia".into(), "ben".into());
    let mut table = SlotTable::new(2, OPEN, 0);
    assert_eq!(table.claim("t-1", 1), Some((0, None)));
    table.running(0, 77, 1);
    assert!(table.keep(0, 77, &mia, 1, 100, 2));
    assert_eq!(states(&table), [SlotState::Idle; 2]);
    assert_eq!((table.busy(), table.available()), (0, (2, 0)));
    assert!(table.keeps_for("mia") && !table.keeps_for("ben"));
    assert_eq!(table.held().get(&77), Some(&None));
    assert_eq!(table.claim_kept("t-2", "ben", 3), None);
    // Others take what is free first.
    assert_eq!(table.claim("t-2", 3), Some((1, None)));
    assert_eq!(table.claim_kept("t-3", "mia", 4), Some((0, 1)));
    assert_eq!(table.view()[0].pid, Some(77));
    assert!(table.keep(0, 77, &mia, 2, 100, 5));
    // The last one to go, without the process that was kept.
    assert_eq!(table.claim("t-4", 6), Some((0, None)));
    assert!(!table.keeps_for("mia"));
    assert!(table.keep(0, 78, &ben, 1, 100, 7));
    assert_eq!(table.expire(99), Vec::<usize>::new());
    assert_eq!(table.expire(100), [0]);
    assert_eq!(table.available(), (1, 0));
}

#[test]
fn nothing_is_kept_where_no_work_is_taken() {
    let mia: Arc<str> = "mia".into();
    let mut table = SlotTable::new(2, OPEN, 0);
    table.claim("t-1", 0);
    table.claim("t-2", 0);
    table.resize(1, 1);
    assert!(!table.keep(1, 8, &mia, 1, 9, 2), "beyond the limit");
    let disabled = Condition {
        intent: Intent::Disabled,
        usable: true,
    };
    table.set_condition(disabled, 3);
    assert!(!table.keep(0, 7, &mia, 1, 9, 4));
    assert!(!table.keeps_for("mia"));
}
