//! What became of several files: a line for each, and the button that takes it back.

use crate::reactive::{Callback, RwSignal};
use crate::ui::view;
use gridhelm_api::repository::FileMeta;
use leptos::prelude::*;

use super::several_do::Back;
use crate::ui::{Button, Glyph, Tag};

/// Files that are drawn.
pub(super) const SHOWN: usize = 500;

/// What became of a file.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    Done(Back),
    TakenBack,
    Refused(String),
}

/// A file, and what became of it.
#[derive(Clone, PartialEq)]
pub(super) struct Row {
    pub(super) file: FileMeta,
    pub(super) outcome: Outcome,
}

/// How many of which, in words; nothing before the first.
fn summary<'a>(outcomes: impl Iterator<Item = &'a Outcome> + Clone) -> Option<String> {
    let is = |what: fn(&Outcome) -> bool| outcomes.clone().filter(|outcome| what(outcome)).count();
    let parts = [
        (is(|o| matches!(o, Outcome::Done(_))), "done"),
        (is(|o| matches!(o, Outcome::TakenBack)), "taken back"),
        (is(|o| matches!(o, Outcome::Refused(_))), "refused"),
    ];
    let parts = parts.into_iter().filter(|(count, _)| *count > 0);
    let words: Vec<String> = parts.map(|(n, word)| format!("{n} {word}")).collect();
    (!words.is_empty()).then(|| format!("{}.", words.join(", ")))
}

/// What became of each, the refused first.
pub(super) fn outcomes(
    rows: RwSignal<Vec<Row>>,
    busy: RwSignal<Option<String>>,
    take_back: Callback<()>,
) -> AnyView {
    let line = |row: &Row| {
        let (state, word, why) = match &row.outcome {
            Outcome::Done(_) => (Glyph::Pass, "done", String::new()),
            Outcome::TakenBack => (Glyph::Pass, "taken back", String::new()),
            Outcome::Refused(why) => (Glyph::Fail, "refused", why.clone()),
        };
        view! { <li><span class="mono">{row.file.id.path()}</span>" "<Tag state=state shape=true>{word}</Tag>" "<span class="ink2">{why}</span></li> }
            .into_any()
    };
    let lines = move || {
        rows.with(|rows| {
            let refused = |row: &&Row| matches!(row.outcome, Outcome::Refused(_));
            let rest = rows.iter().filter(|row| !refused(row));
            let all = rows.iter().filter(refused).chain(rest).take(SHOWN);
            let all = all.map(line).collect_view();
            (!rows.is_empty())
                .then(|| view! { <ul class="several-list" aria-label="Results">{all}</ul> })
        })
    };
    let told = move || rows.with(|rows| summary(rows.iter().map(|row| &row.outcome)));
    let back = move || {
        let done = |row: &Row| matches!(row.outcome, Outcome::Done(_));
        rows.with(|rows| rows.iter().any(done))
            .then(|| view! { <Button busy=busy on_click=take_back>"Take it back"</Button> })
    };
    view! {
        <p class="strong" role="status">{told}</p>
        {lines}
        {back}
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_summary_counts_each_outcome_and_leaves_out_what_did_not_happen() {
        let refused = || Outcome::Refused("no".to_owned());
        let all = [
            Outcome::Done(Back::Restore(1)),
            Outcome::TakenBack,
            refused(),
            refused(),
        ];
        assert_eq!(
            summary(all.iter()).unwrap(),
            "1 done, 1 taken back, 2 refused."
        );
        assert_eq!(summary(all[..1].iter()).unwrap(), "1 done.");
        assert_eq!(summary([].iter()), None);
    }
}
