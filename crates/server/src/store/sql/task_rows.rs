//! Reading tasks, attempts, artifacts and console output.

use super::journal::{page, page_size};
use super::tx::{Done, Tx, of_json, of_word, unsigned, word};
use super::value::{Row, ToValue as _, params};
use crate::store::StoredTask;
use gridhelm_api::Page;
use gridhelm_api::task::{Artifact, Attempt, ConsoleChunk, Task, TaskState};

/// The columns of a task in a list.
const LISTED: &str =
    "id, title, state, submitted_by, submitted_at, started_at, ended_at, priority, timeout_s,
    re_executable, script, script_version, failure";
/// What a whole task has besides.
const WHOLE: &str = "value, outputs, code, inputs, wanted, label, waited_for";

fn listed(r: &Row<'_>) -> Done<Task> {
    Ok(Task {
        id: r.get(0)?,
        title: r.get(1)?,
        state: of_word("a task", &r.get::<String>(2)?)?,
        submitted_by: r.get(3)?,
        submitted_at: r.get(4)?,
        started_at: r.get(5)?,
        ended_at: r.get(6)?,
        priority: r.get(7)?,
        timeout_s: r.get(8)?,
        re_executable: r.get(9)?,
        script: optional(r, 10)?,
        script_version: r.get(11)?,
        attempts: Vec::new(),
        failure: optional(r, 12)?,
        value: None,
        outputs: std::collections::BTreeMap::new(),
        artifacts: Vec::new(),
    })
}

fn whole(tx: Tx<'_>, r: &Row<'_>) -> Done<StoredTask> {
    let mut task = listed(r)?;
    task.attempts = attempts(tx, &task.id)?;
    task.artifacts = artifacts(tx, &task.id)?;
    task.value = optional(r, 13)?;
    task.outputs = optional(r, 14)?.unwrap_or_default();
    Ok(StoredTask {
        task,
        code: r.get(15)?,
        inputs: of_json("a task", &r.get::<String>(16)?)?,
        outputs: of_json("a task", &r.get::<String>(17)?)?,
        label: r.get(18)?,
        waited_for: r.get(19)?,
    })
}

fn optional<T: serde::de::DeserializeOwned>(r: &Row<'_>, column: usize) -> Done<Option<T>> {
    r.get::<Option<String>>(column)?
        .map(|text| of_json("a task", &text))
        .transpose()
}

fn attempts(tx: Tx<'_>, task: &str) -> Done<Vec<Attempt>> {
    tx.rows(
        "SELECT number, node, slot, pid, epoch, started_at, ended_at, failure FROM attempts WHERE task = ?1 ORDER BY number",
        params![task],
        |r| {
            Ok(Attempt {
                number: r.get(0)?,
                node: r.get(1)?,
                slot: r.get(2)?,
                pid: r.get(3)?,
                epoch: r.get(4)?,
                started_at: r.get(5)?,
                ended_at: r.get(6)?,
                failure: optional(r, 7)?,
            })
        },
    )
}

fn artifacts(tx: Tx<'_>, task: &str) -> Done<Vec<Artifact>> {
    tx.rows(
        "SELECT name, size, plot, sha256 FROM artifacts WHERE task = ?1 ORDER BY position",
        params![task],
        |r| {
            Ok(Artifact {
                name: r.get(0)?,
                size: unsigned("an artifact", r.get(1)?)?,
                plot: r.get(2)?,
                sha256: r.get(3)?,
            })
        },
    )
}

pub(super) fn one(tx: Tx<'_>, id: &str) -> Done<Option<StoredTask>> {
    tx.row(
        &format!("SELECT {LISTED}, {WHOLE} FROM tasks WHERE id = ?1"),
        params![id],
        |r| whole(tx, r),
    )
}

/// The task's state; `None` when there is no such task.
pub(super) fn state(tx: Tx<'_>, id: &str) -> Done<Option<TaskState>> {
    tx.row("SELECT state FROM tasks WHERE id = ?1", params![id], |r| {
        of_word("a task", &r.get::<String>(0)?)
    })
}

pub(super) fn list(
    tx: Tx<'_>,
    states: &[TaskState],
    before: Option<&str>,
    limit: u32,
) -> Done<Page<Task>> {
    let size = page_size(limit);
    let mut sql = format!("SELECT {LISTED} FROM tasks WHERE ");
    let words = states.iter().map(word).collect::<Done<Vec<_>>>()?;
    let mut values: Vec<_> = words.iter().map(|w| w.value()).collect();
    if let Some(before) = &before {
        values.push(before.value());
        sql = format!("{sql}id < ?{} AND ", values.len());
    }
    if words.is_empty() {
        sql.push_str("TRUE");
    } else {
        let marks: Vec<_> = (1..=words.len()).map(|n| format!("?{n}")).collect();
        sql = format!("{sql}state IN ({})", marks.join(", "));
    }
    sql = format!("{sql} ORDER BY id DESC LIMIT {}", size + 1);
    let mut items = tx.rows(&sql, &values, listed)?;
    for task in &mut items {
        task.attempts = attempts(tx, &task.id)?;
        for attempt in &mut task.attempts {
            attempt.failure = None;
        }
        if let Some(failure) = &mut task.failure {
            failure.trace = Vec::new();
        }
        task.artifacts = artifacts(tx, &task.id)?;
    }
    Ok(page(items, size, |t| t.id.clone()))
}

pub(super) fn open(tx: Tx<'_>) -> Done<Vec<StoredTask>> {
    tx.rows(
        &format!(
            "SELECT {LISTED}, {WHOLE} FROM tasks WHERE state IN ('queued', 'running', 'uncertain')
             ORDER BY priority DESC, submitted_at, id"
        ),
        params![],
        |r| whole(tx, r),
    )
}

pub(super) fn console(tx: Tx<'_>, task: &str, from: u64, limit: u32) -> Done<Vec<ConsoleChunk>> {
    tx.rows(
        "SELECT seq, kind, text FROM console WHERE task = ?1 AND seq >= ?2 ORDER BY seq LIMIT ?3",
        params![task, super::tx::signed(from), limit],
        |r| {
            Ok(ConsoleChunk {
                seq: unsigned("console output", r.get(0)?)?,
                kind: of_word("console output", &r.get::<String>(1)?)?,
                text: r.get(2)?,
            })
        },
    )
}
