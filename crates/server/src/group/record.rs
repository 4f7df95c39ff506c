//! The steps of a switch as values: how a record begins and moves on.

use crate::clock;
use gridhelm_api::switch::{Step, StepState, SwitchKind, SwitchRecord, SwitchState};

/// The steps of a switchover, by id and name.
const PLANNED: [(&str, &str); 7] = [
    ("preflight", "Preflight"),
    ("drain", "Wait for running tasks"),
    ("park", "Hold new requests"),
    ("release", "Release the active role"),
    ("take", "Take the active role"),
    ("verify", "Verify"),
    ("after", "Look afterwards"),
];

/// The steps of a failover, by id and name.
const FORCED: [(&str, &str); 5] = [
    ("check", "Look at the old active server"),
    ("take", "Take the active role"),
    ("reclaim", "Take up the work"),
    ("verify", "Verify"),
    ("after", "Look afterwards"),
];

/// A record with all its steps to do.
pub(super) fn new(kind: SwitchKind, id: String, group: &str, to: &str) -> SwitchRecord {
    let steps: &[(&str, &str)] = match kind {
        SwitchKind::Planned => &PLANNED,
        SwitchKind::Forced | SwitchKind::Automatic => &FORCED,
    };
    SwitchRecord {
        id,
        group: group.to_owned(),
        kind,
        from: None,
        to: to.to_owned(),
        by: String::new(),
        reason: String::new(),
        epoch_before: 0,
        epoch_after: None,
        state: SwitchState::Running,
        at: None,
        drain: None,
        started_at: clock::now(),
        ended_at: None,
        gap_ms: None,
        failed_requests: None,
        after: Vec::new(),
        steps: steps
            .iter()
            .map(|(id, title)| Step {
                id: (*id).to_owned(),
                title: (*title).to_owned(),
                state: StepState::Todo,
                note: String::new(),
                started_at: None,
                ended_at: None,
            })
            .collect(),
    }
}

fn step<'a>(record: &'a mut SwitchRecord, id: &str) -> Option<&'a mut Step> {
    record.steps.iter_mut().find(|step| step.id == id)
}

/// A step begins, or says something new while it goes on.
pub(super) fn begin(record: &mut SwitchRecord, id: &str, note: impl Into<String>) {
    if let Some(step) = step(record, id) {
        step.state = StepState::Now;
        step.note = note.into();
        step.started_at.get_or_insert_with(clock::now);
    }
}

/// A step ended well.
pub(super) fn done(record: &mut SwitchRecord, id: &str, note: impl Into<String>) {
    if let Some(step) = step(record, id) {
        let now = clock::now();
        step.state = StepState::Done;
        step.note = note.into();
        step.started_at.get_or_insert(now);
        step.ended_at = Some(now);
    }
}

/// Every step that has not ended is taken for done, with this note.
pub(super) fn finish_open_steps(record: &mut SwitchRecord, note: &str) {
    for step in &mut record.steps {
        if matches!(step.state, StepState::Todo | StepState::Now) {
            step.state = StepState::Done;
            note.clone_into(&mut step.note);
        }
    }
}

/// The switch ended well.
pub(super) fn finish(record: &mut SwitchRecord) {
    record.state = SwitchState::Done;
    record.ended_at = Some(clock::now());
}

/// A person called the switch off before it changed anything.
pub(super) fn cancel(record: &mut SwitchRecord, why: impl Into<String>) {
    fail(record, why);
    record.state = SwitchState::Cancelled;
}

/// The switch stopped: the step that goes on, or else the first that has not begun, failed for this reason.
pub(super) fn fail(record: &mut SwitchRecord, why: impl Into<String>) {
    let now = clock::now();
    record.state = SwitchState::Failed;
    record.ended_at = Some(now);
    let under_way = |step: &Step| step.state == StepState::Now;
    let index = record
        .steps
        .iter()
        .position(under_way)
        .or_else(|| record.steps.iter().position(|s| s.state == StepState::Todo));
    if let Some(step) = index.and_then(|i| record.steps.get_mut(i)) {
        step.state = StepState::Failed;
        step.note = why.into();
        step.started_at.get_or_insert(now);
        step.ended_at = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_under_way_is_the_one_that_fails() {
        let mut record = new(SwitchKind::Planned, "s-1".into(), "east", "east-2");
        done(&mut record, "preflight", "4 checks passed");
        begin(&mut record, "drain", "2 tasks left");
        begin(&mut record, "drain", "1 task left");
        fail(&mut record, "1 task still ran");
        let states: Vec<_> = record.steps.iter().map(|s| s.state).collect();
        assert_eq!(
            states,
            [
                StepState::Done,
                StepState::Failed,
                StepState::Todo,
                StepState::Todo,
                StepState::Todo,
                StepState::Todo,
                StepState::Todo
            ]
        );
        assert_eq!(record.steps[1].note, "1 task still ran");
        assert_eq!(record.state, SwitchState::Failed);
    }

    #[test]
    fn between_two_steps_the_next_one_fails() {
        let mut record = new(SwitchKind::Forced, "s-1".into(), "east", "east-2");
        done(&mut record, "check", "does not answer");
        fail(&mut record, "the database does not answer");
        assert_eq!(record.steps[1].state, StepState::Failed);
    }
}
