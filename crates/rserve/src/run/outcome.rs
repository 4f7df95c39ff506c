//! From what the runner sends to events and an outcome.

use std::collections::BTreeMap;

use super::{FileInfo, RError, RErrorKind, RunEvent, RunOutcome};
use crate::value::{Data, Value};

/// Gathers what a run sends before its answer.
pub(super) struct Collector<F> {
    on_event: F,
    printed: String,
    /// Bytes that `printed` may still grow by.
    room: usize,
    /// The status, once the code has called `quit()`.
    pub(super) quit: Option<i32>,
}

impl<F: FnMut(RunEvent) + Send> Collector<F> {
    pub(super) fn new(on_event: F, max_output: u64) -> Self {
        // The runner adds a notice of its own when it cuts.
        let room = usize::try_from(max_output)
            .unwrap_or(usize::MAX)
            .saturating_add(1024);
        Self {
            on_event,
            printed: String::new(),
            room,
            quit: None,
        }
    }

    /// Takes one out-of-band value. What is none of the runner's is left alone: code may send, too.
    pub(super) fn take(&mut self, value: &Value) {
        let Data::Text(parts) = &value.data else {
            return;
        };
        let mut parts = parts.iter().flatten();
        let (Some(kind), Some(text)) = (parts.next(), parts.next()) else {
            return;
        };
        let text = || text.clone();
        let event = match kind.as_str() {
            "output" => {
                let text = text();
                if text.len() <= self.room {
                    self.printed.push_str(&text);
                    self.room -= text.len();
                } else {
                    self.room = 0;
                }
                RunEvent::Output { text }
            }
            "message" => RunEvent::Message { text: text() },
            "warning" => RunEvent::Warning { text: text() },
            "progress" => {
                let (Ok(done), Some(Ok(total))) = (
                    text().trim().parse(),
                    parts.next().map(|t| t.trim().parse()),
                ) else {
                    return;
                };
                RunEvent::Progress { done, total }
            }
            "exit" => {
                let status = text().trim().parse().unwrap_or(0);
                self.quit = Some(status);
                RunEvent::Quit { status }
            }
            _ => return,
        };
        (self.on_event)(event);
    }

    /// The outcome from the runner's answer; `None` when it has not its form.
    pub(super) fn finish(mut self, answer: &Value) -> Option<RunOutcome> {
        let visible = answer.get("visible")?.as_bool()?;
        for kept in answer.get("kept")?.as_list() {
            self.take(kept);
        }
        let mut outputs = BTreeMap::new();
        let found = answer.get("outputs")?;
        let names = found
            .attribute("names")
            .map(Value::as_texts)
            .unwrap_or_default();
        for (name, value) in names.into_iter().zip(found.as_list()) {
            outputs.insert(name, value.to_json());
        }
        let error = match answer.get("error")? {
            none if none.data == Data::Null => None,
            error => Some(r_error(error)?),
        };
        Some(RunOutcome {
            value: visible
                .then(|| answer.get("value").map(Value::to_json))
                .flatten(),
            printed: self.printed,
            truncated: answer.get("truncated")?.as_bool()?,
            outputs,
            error,
            plots: answer.get("plots")?.as_texts(),
            files: files(answer.get("files")?),
            elapsed_ms: millis(answer.get("elapsed")?),
            renewed: answer.get("renewed").and_then(Value::as_bool) == Some(true),
        })
    }
}

fn r_error(value: &Value) -> Option<RError> {
    let kind = match value.get("kind")?.as_str()? {
        "parse" => RErrorKind::Parse,
        "interrupt" => RErrorKind::Interrupt,
        _ => RErrorKind::Error,
    };
    Some(RError {
        kind,
        message: value.get("message")?.as_str()?.trim_end().to_owned(),
        call: value.get("call").and_then(Value::as_str).map(str::to_owned),
        line: value
            .get("line")
            .and_then(Value::as_u64)
            .and_then(|n| u32::try_from(n).ok()),
        trace: value.get("trace").map(Value::as_texts).unwrap_or_default(),
    })
}

fn files(value: &Value) -> Vec<FileInfo> {
    let names = value.get("name").map(Value::as_texts).unwrap_or_default();
    let sizes: &[f64] = match value.get("size").map(|s| &s.data) {
        Some(Data::Double(sizes)) => sizes,
        _ => &[],
    };
    names
        .into_iter()
        .zip(sizes)
        .map(|(name, &size)| FileInfo {
            name,
            bytes: whole(size),
        })
        .collect()
}

fn millis(value: &Value) -> u64 {
    whole(value.as_f64().unwrap_or(0.0))
}

fn whole(x: f64) -> u64 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturates, NaN becomes 0
    return x.round() as u64;
}
