//! What a script gave when it was run in a group, and where two runs differ.

use std::collections::BTreeMap;

use gloo_timers::future::TimeoutFuture;
use gridhelm_api::repository::FileId;
use gridhelm_api::task::{ConsoleKind, Source, Task, TaskRequest, TaskState};

use crate::deployment::{Group, trouble};
use crate::ui::Trouble;

/// How long a run may take, seconds.
const RUN: u32 = 300;
/// How often it is looked whether it has ended, milliseconds.
const LOOKS: u32 = 400;
/// Console output that is compared, bytes; what comes behind it is left out.
const CONSOLE: usize = 256 << 10;

/// What a run gave.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Output {
    /// The task, to be looked up.
    pub(super) task: String,
    pub(super) state: TaskState,
    pub(super) failure: Option<String>,
    pub(super) value: Option<serde_json::Value>,
    /// What was printed, with messages, warnings and errors.
    pub(super) console: String,
    /// Plots and files that it left: name to hash.
    pub(super) files: BTreeMap<String, String>,
}

impl Output {
    fn of(task: Task, console: String) -> Self {
        Self {
            task: task.id,
            state: task.state,
            failure: task.failure.map(|failure| failure.message),
            value: task.value,
            console,
            files: task
                .artifacts
                .into_iter()
                .map(|file| (file.name, file.sha256))
                .collect(),
        }
    }

    /// As text, for people to compare.
    pub(super) fn text(&self) -> String {
        let mut text = format!("state: {}\n", state_word(self.state));
        if let Some(failure) = &self.failure {
            text.push_str(&format!("failure: {failure}\n"));
        }
        if let Some(value) = &self.value {
            let value = serde_json::to_string_pretty(value).unwrap_or_default();
            text.push_str(&format!("value: {value}\n"));
        }
        for (name, sha256) in &self.files {
            text.push_str(&format!("file: {name} {sha256}\n"));
        }
        text.push_str(&self.console);
        text
    }
}

fn state_word(state: TaskState) -> &'static str {
    match state {
        TaskState::Queued => "queued",
        TaskState::Running => "running",
        TaskState::Succeeded => "succeeded",
        TaskState::Failed => "failed",
        TaskState::Cancelled => "cancelled",
        TaskState::Uncertain => "uncertain",
    }
}

/// In what two runs differ, in words; empty when they gave the same.
pub(super) fn differences(a: &Output, b: &Output) -> Vec<&'static str> {
    let parts = [
        ("how it ended", a.state != b.state || a.failure != b.failure),
        ("the value", a.value != b.value),
        ("what it printed", a.console != b.console),
        ("the files it left", a.files != b.files),
    ];
    let differ = parts.into_iter().filter(|(_, differs)| *differs);
    differ.map(|(words, _)| words).collect()
}

/// Runs a script's latest version in a group, and waits for its end as long as `on` says so; a run that is called off is cancelled.
pub(super) async fn run(
    group: &'static Group,
    file: &FileId,
    on: impl Fn() -> bool,
) -> Result<Option<Output>, Trouble> {
    let failed = |error: &gridhelm_client::Error| {
        trouble(&format!("The script was not run in {}", group.name), error)
    };
    let request = &TaskRequest {
        source: Source::Script {
            file: file.clone(),
            version: None,
        },
        inputs: BTreeMap::new(),
        outputs: Vec::new(),
        timeout_s: RUN,
        priority: 0,
        re_executable: false,
        label: None,
        ignore_packages: false,
        reuse: false,
    };
    let mut task = group
        .act(|client| async move { client.submit(request).await })
        .await
        .map_err(|error| failed(&error))?;
    let id = task.id.clone();
    let id = id.as_str();
    while !task.state.is_final() && task.state != TaskState::Uncertain {
        if !on() {
            let _ = group
                .act(|client| async move { client.cancel(id).await })
                .await;
            return Ok(None);
        }
        TimeoutFuture::new(LOOKS).await;
        task = group
            .act(|client| async move { client.task(id).await })
            .await
            .map_err(|error| failed(&error))?;
    }
    let (mut console, mut from) = (String::new(), 0);
    loop {
        let some = group
            .act(|client| async move { client.console(id, from).await })
            .await
            .map_err(|error| failed(&error))?;
        let Some(last) = some.last() else { break };
        from = last.seq + 1;
        // The server's own words name nodes and times.
        let said = some
            .iter()
            .filter(|chunk| chunk.kind != ConsoleKind::System);
        console.extend(said.map(|chunk| chunk.text.as_str()));
        if console.len() > CONSOLE {
            console.truncate(console.floor_char_boundary(CONSOLE));
            break;
        }
    }
    Ok(Some(Output::of(task, console)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(console: &str) -> Output {
        Output {
            task: "t-1".to_owned(),
            state: TaskState::Succeeded,
            failure: None,
            value: Some(serde_json::json!(42)),
            console: console.to_owned(),
            files: BTreeMap::from([("plot.png".to_owned(), "a".to_owned())]),
        }
    }

    #[test]
    fn what_differs_is_named_and_the_task_does_not_count() {
        let one = output("[1] 42\n");
        let mut other = output("[1] 42\n");
        other.task = "t-2".to_owned();
        assert!(differences(&one, &other).is_empty());
        assert_eq!(one.text(), other.text());
        other.console = "[1] 43\n".to_owned();
        other.value = None;
        assert_eq!(differences(&one, &other), ["the value", "what it printed"]);
        other.state = TaskState::Failed;
        other.failure = Some("no".to_owned());
        other.files.clear();
        assert_eq!(differences(&one, &other).len(), 4);
        assert!(
            other
                .text()
                .starts_with("state: failed\nfailure: no\n[1] 43")
        );
    }
}
