#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use proptest::prelude::*;

fn beat() -> Sign {
    Sign::Beat { ms: 3.0 }
}

fn refused() -> Sign {
    Sign::BeatFailed {
        reason: "connection refused".to_owned(),
        certain: true,
    }
}

fn silent() -> Sign {
    Sign::BeatFailed {
        reason: "no answer".to_owned(),
        certain: false,
    }
}

fn up() -> Machine {
    let mut machine = Machine::new(Rules::default());
    assert_eq!(machine.observe(beat(), 0).turn, Some(Turn::FoundUp));
    machine
}

/// Two heartbeats, and what they led to.
fn answer_twice(machine: &mut Machine, now: u64) -> Option<Turn> {
    assert_eq!(machine.observe(beat(), now).turn, None, "one is not enough");
    machine.observe(beat(), now + 250).turn
}

#[test]
fn proof_takes_a_node_out_at_once() {
    let mut machine = up();
    let verdict = machine.observe(
        Sign::ListenerDown {
            reason: "the listener is gone".to_owned(),
        },
        200,
    );
    assert!(matches!(verdict.turn, Some(Turn::Contracted { .. })));
    assert_eq!(machine.health(), Health::Unreachable);
    assert_eq!(machine.reason().as_deref(), Some("the listener is gone"));
    let mut machine = up();
    assert!(machine.observe(refused(), 1).turn.is_some());
    assert!(!machine.usable());
}

#[test]
fn silence_takes_a_node_out_the_second_time() {
    let mut machine = up();
    let first = machine.observe(silent(), 1);
    assert_eq!((first.turn, first.look_soon), (None, true));
    assert_eq!(machine.health(), Health::Degraded);
    assert!(machine.usable(), "one failure takes nothing out");
    assert!(machine.observe(silent(), 2).turn.is_some());
    assert_eq!(machine.failures(), 2);
}

#[test]
fn a_broken_watch_is_a_reason_to_look_and_no_proof() {
    let mut machine = up();
    let verdict = machine.observe(Sign::WatchLost, 1);
    assert_eq!((verdict.turn, verdict.look_soon), (None, true));
    assert_eq!(machine.health(), Health::Healthy);
}

#[test]
fn a_node_comes_back_after_two_heartbeats() {
    let mut machine = up();
    machine.observe(refused(), 1_000);
    assert_eq!(
        answer_twice(&mut machine, 5_000),
        Some(Turn::Expanded { out_ms: 4_250 })
    );
    assert_eq!(machine.health(), Health::Healthy);
}

#[test]
fn a_failure_between_two_heartbeats_starts_the_count_again() {
    let mut machine = up();
    machine.observe(refused(), 1);
    machine.observe(beat(), 2);
    machine.observe(refused(), 3);
    assert_eq!(machine.observe(beat(), 4).turn, None);
    assert!(machine.observe(beat(), 5).turn.is_some());
}

#[test]
fn a_flapping_node_is_held_back_longer_each_time() {
    let mut machine = up();
    let mut now = 0;
    let mut holds = Vec::new();
    for _ in 0..5 {
        now += 1_000;
        machine.observe(refused(), now);
        let mut turn = answer_twice(&mut machine, now);
        let from = now + 250;
        now = from;
        while turn.is_none() {
            assert!(!machine.usable());
            now += 100;
            turn = machine.observe(beat(), now).turn;
        }
        holds.push(now - from);
    }
    assert_eq!(holds, [0, 1_000, 2_000, 4_000, 8_000]);
    // After a quiet while it is trusted as before.
    now += 400_000;
    machine.observe(refused(), now);
    assert!(answer_twice(&mut machine, now).is_some());
}

#[test]
fn a_node_lost_while_held_back_contracts_only_once() {
    let mut machine = up();
    machine.observe(refused(), 1);
    answer_twice(&mut machine, 2);
    machine.observe(refused(), 1_000);
    assert_eq!(answer_twice(&mut machine, 1_001), None);
    assert!(machine.reason().unwrap().contains("held back for 1.0 s"));
    assert_eq!(machine.health(), Health::Degraded);
    assert_eq!(machine.observe(refused(), 1_300).turn, None);
    assert_eq!(machine.health(), Health::Unreachable);
}

#[test]
fn late_heartbeats_degrade_and_prompt_ones_mend() {
    let mut machine = up();
    machine.observe(Sign::Beat { ms: 1_500.0 }, 1);
    assert_eq!(machine.health(), Health::Healthy);
    machine.observe(Sign::Beat { ms: 1_500.0 }, 2);
    assert_eq!(machine.health(), Health::Degraded);
    assert!(machine.usable());
    machine.observe(beat(), 3);
    assert_eq!(machine.health(), Health::Degraded);
    machine.observe(beat(), 4);
    assert_eq!(machine.health(), Health::Healthy);
}

#[test]
fn a_failed_probe_degrades_until_the_next_good_one() {
    let mut machine = up();
    machine.observe(
        Sign::ProbeFailed {
            reason: "no disk".to_owned(),
        },
        1,
    );
    machine.observe(beat(), 2);
    machine.observe(beat(), 3);
    assert_eq!(
        machine.reason().as_deref(),
        Some("the probe failed: no disk")
    );
    machine.observe(Sign::Probed, 4);
    assert_eq!(machine.health(), Health::Healthy);
}

fn any_sign() -> impl Strategy<Value = Sign> {
    prop_oneof![
        4 => (0.0..3_000.0).prop_map(|ms| Sign::Beat { ms }),
        2 => any::<bool>().prop_map(|certain| Sign::BeatFailed { reason: "x".to_owned(), certain }),
        1 => Just(Sign::ListenerDown { reason: "gone".to_owned() }),
        1 => Just(Sign::WatchLost),
        1 => Just(Sign::ProbeFailed { reason: "y".to_owned() }),
        1 => Just(Sign::Probed),
    ]
}

proptest! {
    /// Contractions and expansions alternate, agree with `usable`, and every health but healthy and
    /// unknown has a reason.
    #[test]
    fn turns_alternate(signs in prop::collection::vec((any_sign(), 0_u64..5_000), 0..300)) {
        let mut machine = Machine::new(Rules::default());
        let mut now = 0;
        let mut usable = false;
        let mut ever = false;
        for (sign, step) in signs {
            now += step;
            match machine.observe(sign, now).turn {
                Some(Turn::FoundUp) => { prop_assert!(!ever); usable = true; ever = true; }
                Some(Turn::Contracted { .. }) => { prop_assert!(usable || !ever); usable = false; ever = true; }
                Some(Turn::Expanded { .. }) => { prop_assert!(!usable && ever); usable = true; }
                None => {}
            }
            prop_assert_eq!(machine.usable(), usable);
            let bad = matches!(machine.health(), Health::Degraded | Health::Unreachable);
            prop_assert_eq!(bad, machine.reason().is_some());
        }
    }

    /// However often it was lost, a node that answers comes back within the longest hold.
    #[test]
    fn an_answering_node_always_comes_back(losses in 1_usize..100) {
        let rules = Rules::default();
        let mut machine = up();
        let mut now = 0;
        for _ in 0..losses {
            now += 10;
            machine.observe(refused(), now);
        }
        let limit = now + rules.hold_max_ms + 1_000;
        while !machine.usable() {
            now += 250;
            prop_assert!(now <= limit);
            machine.observe(beat(), now);
        }
    }
}
