//! What this page says of tasks, as functions of what is known.

use gridhelm_api::session::{NodeSession, SessionKind};
use gridhelm_api::task::{ConsoleChunk, ConsoleKind, FailureKind, Task, TaskState};

use crate::ui::Glyph;
use crate::ui::format::{bytes, counted, duration};

/// The states in the order of the chips: state, name in the address, word on the screen.
pub(super) const STATES: [(TaskState, &str, &str); 6] = [
    (TaskState::Running, "running", "Running"),
    (TaskState::Queued, "queued", "Queued"),
    (TaskState::Uncertain, "uncertain", "Uncertain"),
    (TaskState::Failed, "failed", "Failed"),
    (TaskState::Succeeded, "succeeded", "Succeeded"),
    (TaskState::Cancelled, "cancelled", "Cancelled"),
];

/// A state's shape and word.
pub(super) fn state(state: TaskState) -> (Glyph, &'static str) {
    let shape = match state {
        TaskState::Queued => Glyph::Idle,
        TaskState::Running => Glyph::Busy,
        TaskState::Succeeded => Glyph::Pass,
        TaskState::Failed => Glyph::Fail,
        TaskState::Cancelled => Glyph::Disabled,
        TaskState::Uncertain => Glyph::Warn,
    };
    let word = STATES
        .iter()
        .find(|(known, ..)| *known == state)
        .map_or("", |(.., word)| word);
    (shape, word)
}

/// Whether a list of state names in the address lets this state through; all when there is none.
pub(super) fn shows(filter: Option<&str>, state: TaskState) -> bool {
    let name = STATES
        .iter()
        .find(|(known, ..)| *known == state)
        .map_or("", |(_, name, _)| name);
    filter.is_none_or(|filter| filter.split(',').any(|wanted| wanted == name))
}

/// The list of state names with one turned.
pub(super) fn toggled(filter: Option<&str>, name: &str) -> Option<String> {
    let mut names: Vec<&str> = filter
        .map(|filter| {
            filter
                .split(',')
                .filter(|known| !known.is_empty())
                .collect()
        })
        .unwrap_or_default();
    match names.iter().position(|known| *known == name) {
        Some(at) => drop(names.remove(at)),
        None => names.push(name),
    }
    (!names.is_empty()).then(|| names.join(","))
}

/// Whether a task's title, id or submitter contains the text.
pub(super) fn matches(task: &Task, text: &str) -> bool {
    let text = text.trim().to_lowercase();
    text.is_empty()
        || [&task.title, &task.id, &task.submitted_by]
            .iter()
            .any(|field| field.to_lowercase().contains(&text))
}

#[allow(
    clippy::cast_precision_loss,
    reason = "milliseconds since 1970 fit a double exactly"
)]
fn between(from: i64, to: f64) -> f64 {
    (to - from as f64).max(0.0)
}

/// How long it waited, or has waited.
pub(super) fn waited(task: &Task, now: f64) -> String {
    #[allow(
        clippy::cast_precision_loss,
        reason = "milliseconds since 1970 fit a double exactly"
    )]
    let until = task
        .started_at
        .or(task.ended_at)
        .map_or(now, |at| at as f64);
    duration(between(task.submitted_at, until))
}

/// How long it ran, or has run; empty before it began.
pub(super) fn ran(task: &Task, now: f64) -> String {
    #[allow(
        clippy::cast_precision_loss,
        reason = "milliseconds since 1970 fit a double exactly"
    )]
    let until = task.ended_at.map_or(now, |at| at as f64);
    task.started_at
        .map(|at| duration(between(at, until)))
        .unwrap_or_default()
}

/// Where it ran last: `east-r01, slot 2`.
pub(super) fn place(task: &Task) -> String {
    task.attempts
        .last()
        .map(|attempt| format!("{}, slot {}", attempt.node, attempt.slot))
        .unwrap_or_default()
}

/// What kind of failure, for people.
pub(super) fn failure(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Parse => "The code does not parse",
        FailureKind::Error => "R raised an error",
        FailureKind::Timeout => "The time-out passed",
        FailureKind::Cancelled => "Cancelled",
        FailureKind::SessionEnded => "The code ended its own session",
        FailureKind::Grid => "The grid failed under it",
    }
}

/// The class of a piece of console output.
pub(super) fn console_class(kind: ConsoleKind) -> &'static str {
    match kind {
        ConsoleKind::Output => "",
        ConsoleKind::Message => "con-message",
        ConsoleKind::Warning => "con-warning",
        ConsoleKind::Error => "con-error",
        ConsoleKind::System => "con-system",
    }
}

/// Console output as runs of one kind, so that a long output is few elements.
pub(super) fn runs(chunks: &[ConsoleChunk]) -> Vec<(ConsoleKind, String)> {
    let mut runs: Vec<(ConsoleKind, String)> = Vec::new();
    for chunk in chunks {
        match runs.last_mut() {
            Some((kind, text)) if *kind == chunk.kind => text.push_str(&chunk.text),
            _ => runs.push((chunk.kind, chunk.text.clone())),
        }
        // Messages of the server and of R's handlers come without an end of line.
        if let Some((kind, text)) = runs.last_mut()
            && *kind != ConsoleKind::Output
            && !text.ends_with('\n')
        {
            text.push('\n');
        }
    }
    runs
}

/// The sentence under the title.
pub(super) fn sentence(running: u64, queued: u64, uncertain: u64) -> String {
    let mut text = match (running, queued) {
        (0, 0) => "Nothing runs and nothing waits.".to_owned(),
        (running, 0) => format!("{running} running, nothing waits."),
        (running, queued) => format!("{running} running, {queued} waiting for a slot."),
    };
    if uncertain > 0 {
        text += &[" ", &uncertain.to_string(), " uncertain: a person decides."].concat();
    }
    text
}

/// One input of the form: its name and its value as JSON, or as text when it is no JSON.
pub(super) fn input(name: &str, text: &str) -> (String, serde_json::Value) {
    let value =
        serde_json::from_str(text).unwrap_or_else(|_| serde_json::Value::String(text.to_owned()));
    (name.trim().to_owned(), value)
}

/// Names between commas or spaces.
pub(super) fn names(text: &str) -> Vec<String> {
    text.split([',', ' ', '\n'])
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// What a session that nobody uses is called.
pub(super) fn session(kind: SessionKind) -> &'static str {
    match kind {
        SessionKind::Zombie => "Zombie",
        SessionKind::Abandoned => "Abandoned",
        SessionKind::Unknown => "Unknown",
        _ => "In use",
    }
}

/// Why a session is there that nobody uses.
pub(super) fn why(session: &NodeSession) -> String {
    let mut why = match (session.kind, &session.server, session.epoch) {
        (SessionKind::Zombie, Some(server), Some(epoch)) => {
            format!("of {server}, epoch {epoch}, which is no longer active")
        }
        (SessionKind::Abandoned, ..) => "the active server has lost it".to_owned(),
        _ => "bears no mark: nobody knows whose it is".to_owned(),
    };
    for (is, what) in [
        (session.orphan, ", its listener is gone"),
        (session.client_gone, ", nobody waits for its answer"),
        (session.stopped, ", stopped"),
    ] {
        if is {
            why.push_str(what);
        }
    }
    why
}

/// What a session holds.
pub(super) fn holds(session: &NodeSession) -> String {
    let memory = bytes(session.memory);
    match session.cpu_percent {
        Some(share) => format!("{memory}, {share:.0} % of a processor"),
        None => format!("{memory}, {} s of processor time", session.cpu_ms / 1_000),
    }
}

/// What all of them hold together.
pub(super) fn all_hold(all: &[NodeSession]) -> String {
    let memory = all
        .iter()
        .fold(0_u64, |sum, s| sum.saturating_add(s.memory));
    let share: f64 = all.iter().filter_map(|s| s.cpu_percent).sum();
    format!(
        "{} {} {} and {share:.0} % of a processor.",
        counted(all.len(), "session"),
        if all.len() == 1 { "holds" } else { "hold" },
        bytes(memory)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(seq: u64, kind: ConsoleKind, text: &str) -> ConsoleChunk {
        ConsoleChunk {
            seq,
            kind,
            text: text.into(),
        }
    }

    #[test]
    fn output_of_one_kind_is_one_run() {
        let chunks = [
            chunk(0, ConsoleKind::System, "started"),
            chunk(1, ConsoleKind::Output, "a"),
            chunk(2, ConsoleKind::Output, "b\n"),
            chunk(3, ConsoleKind::Warning, "careful"),
        ];
        let runs = runs(&chunks);
        assert_eq!(runs.len(), 3);
        assert_eq!(runs[0].1, "started\n");
        assert_eq!(runs[1].1, "ab\n");
        assert_eq!(runs[2].1, "careful\n");
    }

    #[test]
    fn chips_turn_states_in_the_address() {
        let one = toggled(None, "failed");
        assert_eq!(one.as_deref(), Some("failed"));
        assert!(
            shows(one.as_deref(), TaskState::Failed) && !shows(one.as_deref(), TaskState::Running)
        );
        assert_eq!(toggled(one.as_deref(), "failed"), None);
        assert!(shows(None, TaskState::Queued));
    }

    #[test]
    fn inputs_are_json_where_they_can_be() {
        assert_eq!(input(" n ", "12"), ("n".to_owned(), serde_json::json!(12)));
        assert_eq!(input("x", "[1,2]").1, serde_json::json!([1, 2]));
        assert_eq!(input("x", "two words").1, serde_json::json!("two words"));
    }

    #[test]
    fn names_may_stand_between_commas_or_spaces() {
        assert_eq!(names("fit, x y,,z"), ["fit", "x", "y", "z"]);
    }

    #[test]
    fn a_left_over_session_says_what_it_is_and_what_it_holds() {
        let zombie = NodeSession {
            node: "r1".to_owned(),
            pid: 7,
            start: 9,
            kind: SessionKind::Zombie,
            group: Some("east".to_owned()),
            server: Some("east-2".to_owned()),
            epoch: Some(4),
            task: None,
            age_s: 60,
            cpu_ms: 61_000,
            cpu_percent: None,
            memory: 412_000_000,
            stopped: false,
            orphan: true,
            client_gone: true,
            at: 0,
        };
        assert_eq!(
            why(&zombie),
            "of east-2, epoch 4, which is no longer active, its listener is gone, nobody waits for its answer"
        );
        assert_eq!(holds(&zombie), "412 MB, 61 s of processor time");
        let busy = NodeSession {
            cpu_percent: Some(94.6),
            ..zombie.clone()
        };
        assert_eq!(holds(&busy), "412 MB, 95 % of a processor");
        assert_eq!(
            all_hold(&[zombie, busy]),
            "2 sessions hold 824 MB and 95 % of a processor."
        );
    }
}
