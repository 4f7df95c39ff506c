//! A task's life: submitted, started, ended, cancelled.

use super::task_rows::state;
use super::tx::{Done, Tx, conflict, json, not_found, signed, word};
use super::value::params;
use super::{content, sessions};
use crate::clock;
use crate::store::{AttemptEnd, AttemptStart, Fence, Notes, SessionRow, StoreError, StoredTask};
use gridhelm_api::Millis;
use gridhelm_api::event::Event;
use gridhelm_api::task::{FailureKind, TaskFailure, TaskState};

pub(super) fn submit(
    tx: Tx<'_>,
    fence: &Fence,
    task: &StoredTask,
    notes: &Notes,
) -> Done<Vec<Event>> {
    tx.fence(fence)?;
    insert(tx, task, TaskState::Queued, None)?;
    tx.notes(notes)
}

pub(super) fn submit_and_start(
    tx: Tx<'_>,
    fence: &Fence,
    task: &StoredTask,
    start: &AttemptStart,
    session: Option<&SessionRow>,
    notes: &Notes,
) -> Done<Vec<Event>> {
    tx.fence(fence)?;
    insert(tx, task, TaskState::Running, Some(start.at))?;
    begin(tx, fence, &task.task.id, start, session)?;
    tx.notes(notes)
}

fn insert(
    tx: Tx<'_>,
    stored: &StoredTask,
    state: TaskState,
    started_at: Option<Millis>,
) -> Done<()> {
    let task = &stored.task;
    let inserted = tx.execute(
        "INSERT INTO tasks (id, title, state, submitted_by, submitted_at, started_at, priority, timeout_s,
                re_executable, script, script_version, code, inputs, wanted, label, waited_for)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
         ON CONFLICT DO NOTHING",
        params![
            task.id,
            task.title,
            word(&state)?,
            task.submitted_by,
            task.submitted_at,
            started_at,
            task.priority,
            task.timeout_s,
            task.re_executable,
            task.script.as_ref().map(json).transpose()?,
            task.script_version,
            stored.code,
            json(&stored.inputs)?,
            json(&stored.outputs)?,
            stored.label,
            stored.waited_for,
        ],
    )?;
    if inserted == 1 {
        return Ok(());
    }
    Err(StoreError::AlreadyExists {
        field: "id",
        what: format!("task {}", task.id),
    }
    .into())
}

/// Inserts an attempt and its session; the caller has checked the fence.
fn begin(
    tx: Tx<'_>,
    fence: &Fence,
    task: &str,
    start: &AttemptStart,
    session: Option<&SessionRow>,
) -> Done<()> {
    let inserted = tx.execute(
        "INSERT INTO attempts (task, number, node, slot, session, pid, epoch, started_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING",
        params![
            task,
            start.number,
            start.node,
            start.slot,
            start.session,
            start.pid,
            fence.epoch,
            start.at
        ],
    )?;
    if inserted == 0 {
        return Err(conflict(format!(
            "attempt {} of task {task} is on record already",
            start.number
        )));
    }
    session.map_or(Ok(()), |s| sessions::put(tx, s))
}

pub(super) fn start_attempt(
    tx: Tx<'_>,
    fence: &Fence,
    task: &str,
    start: &AttemptStart,
    session: Option<&SessionRow>,
    notes: &Notes,
) -> Done<Vec<Event>> {
    tx.fence(fence)?;
    if let Err(refused) = must_be(tx, task, &[TaskState::Queued]) {
        return if started_before(tx, task, start)? {
            Ok(Vec::new())
        } else {
            Err(refused)
        };
    }
    tx.execute(
        "UPDATE tasks SET state = 'running', started_at = coalesce(started_at, ?2) WHERE id = ?1",
        params![task, start.at],
    )?;
    begin(tx, fence, task, start, session)?;
    tx.notes(notes)
}

/// Whether this very attempt is on record as running: its caller did not learn that it was committed, and asks again.
fn started_before(tx: Tx<'_>, task: &str, start: &AttemptStart) -> Done<bool> {
    let session: Option<String> = tx.value(
        "SELECT session FROM attempts WHERE task = ?1 AND number = ?2 AND ended_at IS NULL",
        params![task, start.number],
    )?;
    Ok(session.as_deref() == Some(&start.session))
}

/// Whether this very end is on record.
fn ended_before(tx: Tx<'_>, end: &AttemptEnd) -> Done<bool> {
    if end.state == TaskState::Uncertain || state(tx, &end.task)? != Some(end.state) {
        return Ok(false);
    }
    let at: Option<i64> = tx.value(
        "SELECT ended_at FROM attempts WHERE task = ?1 AND number = ?2 AND ended_at IS NOT NULL",
        params![end.task, end.number],
    )?;
    Ok(at == Some(end.at))
}

fn must_be(tx: Tx<'_>, task: &str, states: &[TaskState]) -> Done<()> {
    match state(tx, task)? {
        None => Err(not_found(format!("task {task}"))),
        Some(state) if states.contains(&state) => Ok(()),
        Some(state) => Err(conflict(format!("task {task} is {} now", word(&state)?))),
    }
}

pub(super) fn end_attempt(
    tx: Tx<'_>,
    fence: &Fence,
    end: &AttemptEnd,
    notes: &Notes,
) -> Done<Vec<Event>> {
    tx.fence(fence)?;
    let open = [TaskState::Running, TaskState::Uncertain];
    if let Err(refused) = must_be(tx, &end.task, &open) {
        return if ended_before(tx, end)? {
            Ok(Vec::new())
        } else {
            Err(refused)
        };
    }
    let failure = end.failure.as_ref().map(json).transpose()?;
    // While a task is uncertain its attempt may still run: it has no end yet.
    let attempt_end = (end.state != TaskState::Uncertain).then_some(end.at);
    let ended = tx.execute(
        "UPDATE attempts SET ended_at = ?3, failure = ?4 WHERE task = ?1 AND number = ?2 AND ended_at IS NULL",
        params![end.task, end.number, attempt_end, failure],
    )?;
    if ended == 0 {
        return Err(conflict(format!(
            "attempt {} of task {} does not run",
            end.number, end.task
        )));
    }
    let goes_on = end.state == TaskState::Queued;
    tx.execute(
        "UPDATE tasks SET state = ?2, ended_at = ?3, failure = ?4, value = ?5, outputs = ?6 WHERE id = ?1",
        params![
            end.task,
            word(&end.state)?,
            end.state.is_final().then_some(end.at),
            failure.filter(|_| !goes_on),
            end.value.as_ref().map(json).transpose()?,
            (!end.outputs.is_empty()).then(|| json(&end.outputs)).transpose()?,
        ],
    )?;
    put_artifacts(tx, end)?;
    for chunk in &end.console {
        tx.execute(
            "INSERT INTO console (task, seq, kind, text) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (task, seq) DO UPDATE SET kind = ?3, text = ?4",
            params![end.task, signed(chunk.seq), word(&chunk.kind)?, chunk.text],
        )?;
    }
    if let Some(session) = &end.session {
        sessions::forget(tx, session)?;
    }
    tx.notes(notes)
}

/// The artifacts of the last attempt replace those of earlier ones.
fn put_artifacts(tx: Tx<'_>, end: &AttemptEnd) -> Done<()> {
    tx.execute("DELETE FROM artifacts WHERE task = ?1", params![&end.task])?;
    for (position, artifact) in (0_i64..).zip(&end.artifacts) {
        content::must_be_whole(tx, &artifact.sha256)?;
        tx.execute(
            "INSERT INTO artifacts (task, position, name, size, plot, sha256) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                end.task,
                position,
                artifact.name,
                signed(artifact.size),
                artifact.plot,
                artifact.sha256
            ],
        )?;
    }
    Ok(())
}

pub(super) fn cancel_queued(
    tx: Tx<'_>,
    fence: &Fence,
    task: &str,
    notes: &Notes,
) -> Done<Vec<Event>> {
    tx.fence(fence)?;
    must_be(tx, task, &[TaskState::Queued])?;
    let failure = TaskFailure {
        kind: FailureKind::Cancelled,
        message: "Cancelled while it waited.".to_owned(),
        call: None,
        line: None,
        trace: Vec::new(),
    };
    tx.execute(
        "UPDATE tasks SET state = 'cancelled', ended_at = ?2, failure = ?3 WHERE id = ?1",
        params![task, clock::now(), json(&failure)?],
    )?;
    tx.notes(notes)
}
