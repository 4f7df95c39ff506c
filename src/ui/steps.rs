//! Checks before something, and steps while it runs.

use crate::ui::view;
use leptos::prelude::*;

use super::icon::{Glyph, glyph};

/// A check: what was looked at, what was seen, and what to do about it.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckLine {
    /// How it ended: pass, warning or fail.
    pub state: Glyph,
    /// What was looked at.
    pub title: String,
    /// What was seen.
    pub evidence: String,
    /// What to do; may be empty.
    pub repair: String,
}

/// One check as a row.
pub fn check_line(check: CheckLine) -> AnyView {
    view! {
        <div class="pf">
            {glyph(check.state)}
            <b><span class="sr">{check.state.word()}": "</span>{check.title}</b>
            <span class="ev">{check.evidence}</span>
            <span class="repair">{check.repair}</span>
        </div>
    }
    .into_any()
}

/// A step: what is done, what it waits for or found, how long it took.
#[derive(Clone, Debug, PartialEq)]
pub struct StepLine {
    /// Pass is done, now is under way, to do is not begun, fail is where it stopped.
    pub state: Glyph,
    /// What is done.
    pub title: String,
    /// What it waits for or found.
    pub note: String,
    /// How long it takes or took; may be empty.
    pub time: String,
}

/// One step as an item of `<ol class="steps">`.
pub fn step_line(step: StepLine) -> AnyView {
    let class = match step.state {
        Glyph::Pass => "done",
        Glyph::Now => "now",
        Glyph::Fail => "failed",
        _ => "todo",
    };
    let word = match step.state {
        Glyph::Pass => "done",
        Glyph::Fail => "failed",
        other => other.word(),
    };
    view! {
        <li class=class aria-current=(step.state == Glyph::Now).then_some("step")>
            <span class="dot">{glyph(step.state)}</span>
            <div><b><span class="sr">{word}": "</span>{step.title}</b><p>{step.note}</p></div>
            <span class="tm">{step.time}</span>
        </li>
    }
    .into_any()
}
