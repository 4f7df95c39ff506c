//! The sentences of this page, as functions of what is known.

use gridhelm_api::switch::{
    Check, Outcome, Step, StepState, SwitchKind, SwitchRecord, SwitchState,
};

use crate::ui::format::{age, counted, duration};
use crate::ui::{CheckLine, Glyph, moment};

/// How a check ended, as a shape.
pub(super) fn outcome(outcome: Outcome) -> Glyph {
    match outcome {
        Outcome::Pass => Glyph::Pass,
        Outcome::Warn => Glyph::Warn,
        Outcome::Fail => Glyph::Fail,
    }
}

/// A check as a line of the page.
pub(super) fn line(check: &Check) -> CheckLine {
    CheckLine {
        state: outcome(check.outcome),
        title: check.title.clone(),
        evidence: check.evidence.clone(),
        repair: check.repair.clone().unwrap_or_default(),
    }
}

/// How many checks ended in this way.
pub(super) fn total(checks: &[Check], outcome: Outcome) -> usize {
    checks
        .iter()
        .filter(|check| check.outcome == outcome)
        .count()
}

/// Why a planned switch is off by its checks; `None` when none fails.
pub(super) fn blocked(checks: &[Check]) -> Option<String> {
    let failed: Vec<&str> = checks
        .iter()
        .filter(|check| check.outcome == Outcome::Fail)
        .map(|check| check.title.as_str())
        .collect();
    match failed.as_slice() {
        [] => None,
        [one] => Some(format!("1 check fails: {one}.")),
        more => Some(format!("{} checks fail: {}.", more.len(), more.join(", "))),
    }
}

/// How a step stands, as a shape.
pub(super) fn step_state(step: &Step) -> Glyph {
    match step.state {
        StepState::Todo => Glyph::Todo,
        StepState::Now => Glyph::Now,
        StepState::Done => Glyph::Pass,
        StepState::Failed => Glyph::Fail,
    }
}

/// How long a step took, or has taken so far.
pub(super) fn step_time(step: &Step, now: f64) -> String {
    let Some(began) = step.started_at else {
        return String::new();
    };
    #[allow(
        clippy::cast_precision_loss,
        reason = "milliseconds since 1970 fit a double exactly"
    )]
    let ended = step.ended_at.map_or(now, |ended| ended as f64);
    #[allow(
        clippy::cast_precision_loss,
        reason = "milliseconds since 1970 fit a double exactly"
    )]
    let took = (ended - began as f64).max(0.0);
    duration(took)
}

/// Whether the switch can still be called off: nothing was released yet.
pub(super) fn is_before_no_return(record: &SwitchRecord) -> bool {
    record
        .steps
        .iter()
        .find(|step| step.id == "release")
        .is_some_and(|step| step.state == StepState::Todo)
}

/// Whether a person can call it off: it waits for its time, or nothing was released yet.
pub(super) fn may_call_off(record: &SwitchRecord) -> bool {
    let begun = |id: &str| {
        let step = record.steps.iter().find(|step| step.id == id);
        step.is_some_and(|step| step.state != StepState::Todo)
    };
    match record.state {
        SwitchState::Scheduled => true,
        SwitchState::Running => record.kind == SwitchKind::Planned && !begun("park"),
        _ => false,
    }
}

/// Whether no step of a switch was taken.
pub(super) fn never_began(record: &SwitchRecord) -> bool {
    record
        .steps
        .iter()
        .all(|step| step.state != StepState::Done)
}

/// How long until a planned switch begins.
#[allow(
    clippy::cast_precision_loss,
    reason = "milliseconds since 1970 fit a double exactly"
)]
pub(super) fn count_down(at: i64, now: f64) -> String {
    let left = at as f64 - now;
    if left <= 0.0 {
        "Begins now".to_owned()
    } else {
        format!("Begins in {}, {}", age(left), moment(at))
    }
}

/// The line under the title of a switch under way or just ended.
pub(super) fn progress(record: &SwitchRecord) -> String {
    let way = match &record.from {
        Some(from) => format!("{from} to {}", record.to),
        None => record.to.clone(),
    };
    match record.state {
        SwitchState::Scheduled => format!(
            "{way}, planned by {}: {}. The checks are made again at its time.",
            record.by, record.reason
        ),
        SwitchState::Cancelled => {
            let why = record
                .steps
                .iter()
                .find(|step| step.state == StepState::Failed);
            match why {
                Some(step) => format!("{way}. Nothing was changed: {}.", step.note),
                None => format!("{way}. Nothing was changed."),
            }
        }
        SwitchState::Running if is_before_no_return(record) => {
            format!(
                "{way}. It fails safely until the release: {} stays active.",
                record.from.as_deref().unwrap_or("the old server")
            )
        }
        SwitchState::Running => format!(
            "{way}. Past the point of no return: {} takes over.",
            record.to
        ),
        SwitchState::Done => match (record.epoch_after, record.gap_ms) {
            (Some(epoch), Some(gap)) => {
                let refused = record
                    .failed_requests
                    .map(|n| {
                        format!(
                            ", {} refused",
                            counted(usize::try_from(n).unwrap_or(usize::MAX), "request")
                        )
                    })
                    .unwrap_or_default();
                format!("{way}. Done at epoch {epoch}, {gap} ms without an active server{refused}.")
            }
            (Some(epoch), None) => format!("{way}. Done at epoch {epoch}."),
            _ => format!("{way}. Done."),
        },
        SwitchState::Failed => {
            let stuck = record
                .steps
                .iter()
                .find(|step| step.state == StepState::Failed);
            match stuck {
                Some(step) => format!(
                    "{way}. Stopped at \u{201c}{}\u{201d}: {}",
                    step.title, step.note
                ),
                None => format!("{way}. Stopped."),
            }
        }
    }
}

/// The kind of a switch, as shape and word.
pub(super) fn kind(record: &SwitchRecord) -> (Glyph, &'static str) {
    match (record.state, record.kind) {
        (SwitchState::Scheduled, _) => (Glyph::Todo, "Planned, waits"),
        (SwitchState::Cancelled, _) => (Glyph::Warn, "Planned, called off"),
        (SwitchState::Failed, SwitchKind::Planned) => (Glyph::Warn, "Planned, stopped"),
        (SwitchState::Failed, SwitchKind::Forced) => (Glyph::Fail, "Forced, stopped"),
        (SwitchState::Failed, SwitchKind::Automatic) => (Glyph::Fail, "Automatic, stopped"),
        (_, SwitchKind::Planned) => (Glyph::Pass, "Planned"),
        (_, SwitchKind::Forced) => (Glyph::Fail, "Forced"),
        (_, SwitchKind::Automatic) => (Glyph::Warn, "Automatic"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(title: &str, outcome: Outcome) -> Check {
        Check {
            id: title.into(),
            title: title.into(),
            outcome,
            evidence: String::new(),
            repair: None,
        }
    }

    fn record(release: StepState, state: SwitchState) -> SwitchRecord {
        let step = |id: &str, state| Step {
            id: id.into(),
            title: id.into(),
            state,
            note: "2 tasks left".into(),
            started_at: None,
            ended_at: None,
        };
        SwitchRecord {
            id: "s-1".into(),
            group: "east".into(),
            kind: SwitchKind::Planned,
            from: Some("east-1".into()),
            to: "east-2".into(),
            by: "admin".into(),
            reason: "kernel".into(),
            epoch_before: 1,
            epoch_after: None,
            state,
            started_at: 0,
            ended_at: None,
            at: None,
            drain: None,
            gap_ms: None,
            failed_requests: None,
            after: Vec::new(),
            steps: vec![step("drain", StepState::Failed), step("release", release)],
        }
    }

    #[test]
    fn the_reason_names_every_failed_check_and_no_other() {
        assert_eq!(
            blocked(&[
                check("Standby ready", Outcome::Pass),
                check("Tasks", Outcome::Warn)
            ]),
            None
        );
        let two = [
            check("Standby ready", Outcome::Fail),
            check("Nodes", Outcome::Fail),
        ];
        assert_eq!(
            blocked(&two).as_deref(),
            Some("2 checks fail: Standby ready, Nodes.")
        );
        assert_eq!(
            blocked(&two[..1]).as_deref(),
            Some("1 check fails: Standby ready.")
        );
    }

    #[test]
    fn the_point_of_no_return_is_the_release() {
        assert!(is_before_no_return(&record(
            StepState::Todo,
            SwitchState::Running
        )));
        assert!(!is_before_no_return(&record(
            StepState::Now,
            SwitchState::Running
        )));
    }

    #[test]
    fn what_changed_nothing_yet_can_be_called_off() {
        let mut planned = record(StepState::Todo, SwitchState::Running);
        assert!(may_call_off(&planned));
        planned.steps[0].id = "park".into();
        assert!(!may_call_off(&planned), "it is being released");
        assert!(may_call_off(&record(
            StepState::Todo,
            SwitchState::Scheduled
        )));
        assert!(!may_call_off(&record(StepState::Done, SwitchState::Done)));
        let forced = SwitchRecord {
            kind: SwitchKind::Forced,
            ..record(StepState::Todo, SwitchState::Running)
        };
        assert!(!may_call_off(&forced));
    }

    #[test]
    fn a_stopped_switch_names_the_step_it_stopped_at() {
        let text = progress(&record(StepState::Todo, SwitchState::Failed));
        assert!(
            text.contains("drain") && text.contains("2 tasks left"),
            "{text}"
        );
    }

    #[test]
    fn a_step_tells_its_time_once_it_began() {
        let mut step = record(StepState::Todo, SwitchState::Running)
            .steps
            .remove(0);
        assert_eq!(step_time(&step, 5_000.0), "");
        step.started_at = Some(1_000);
        assert_eq!(step_time(&step, 5_000.0), duration(4_000.0));
        step.ended_at = Some(2_000);
        assert_eq!(step_time(&step, 5_000.0), duration(1_000.0));
    }
}
