//! What the nodes lack of the packages that a task's code names: told before it is sent.

use std::time::Duration;

use crate::reactive::{Callback, Effect, RwSignal};
use crate::ui::view;
use gridhelm_api::packages::{MAX_NAMES, PackagesAnswer, PackagesQuestion, needs};
use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::deployment::Group;
use crate::ui::format::listed_some;
use crate::ui::{CheckField, Glyph, glyph};

/// How long nobody types before it is asked.
const STILL: Duration = Duration::from_millis(600);

/// What is known of one piece of code.
#[derive(Clone, Copy)]
pub(super) struct Lacking {
    answer: RwSignal<Option<PackagesAnswer>>,
    /// Counts the questions: only the last one's answer is shown.
    asked: RwSignal<u32>,
}

impl Lacking {
    /// Nothing is asked yet.
    pub(super) fn new() -> Self {
        Self {
            answer: RwSignal::new(None),
            asked: RwSignal::new(0),
        }
    }

    /// Forgets what was asked; the number of the next question.
    fn next(self) -> u32 {
        self.answer.set(None);
        self.asked.update(|n| *n += 1);
        self.asked.get_untracked()
    }

    fn is_last(self, question: u32) -> bool {
        self.asked.try_get_untracked() == Some(question)
    }

    /// Asks for code as it is typed.
    pub(super) fn of_code(self, group: &'static Group, code: String) {
        let question = self.next();
        set_timeout(
            move || {
                if self.is_last(question) {
                    spawn_local(async move { self.ask(group, question, &code).await });
                }
            },
            STILL,
        );
    }

    /// Asks for a script by its content's hash.
    pub(super) fn of_script(self, group: &'static Group, sha256: String) {
        let question = self.next();
        spawn_local(async move {
            let hash = sha256.as_str();
            let content = group
                .act(|client| async move { client.blob(hash).await })
                .await;
            // When it cannot be read the server says so on submission.
            if let Ok(content) = content {
                self.ask(group, question, &String::from_utf8_lossy(&content))
                    .await;
            }
        });
    }

    /// Forgets what was asked.
    pub(super) fn nothing(self) {
        self.next();
    }

    async fn ask(self, group: &'static Group, question: u32, code: &str) {
        let needed = needs(code).needed;
        if needed.is_empty() || !self.is_last(question) {
            return;
        }
        let wanted = &PackagesQuestion {
            names: needed.into_iter().take(MAX_NAMES).collect(),
        };
        let answer = group
            .act(|client| async move { client.check_packages(wanted).await })
            .await;
        if let (Ok(answer), true) = (answer, self.is_last(question)) {
            let _ = self.answer.try_set(Some(answer));
        }
    }
}

/// What is missing where; and, when no node has everything, whether it shall run all the same.
pub(super) fn notice(lacking: Lacking, ignore: RwSignal<bool>) -> AnyView {
    Effect::new(move |_| {
        // What was allowed for other code is not allowed for this.
        if lacking.answer.with(Option::is_none) {
            ignore.set(false);
        }
    });
    let body = move || {
        lacking.answer.with(|answer| {
            let answer = answer.as_ref()?;
            let text = words(answer)?;
            let nowhere = answer.is_nowhere().then(|| {
                let tick = Callback::new(move |on| ignore.set(on));
                view! { <CheckField label="Run it all the same" text="R will say what it lacks" on=ignore on_change=tick/> }
            });
            Some(view! {
                <p class="hint hint--warn" role="status">{glyph(Glyph::Warn)}<span>{text}</span></p>
                {nowhere}
            })
        })
    };
    view! { {body} }.into_any()
}

/// What is missing, in a sentence; none when nothing is.
fn words(answer: &PackagesAnswer) -> Option<String> {
    let lacked: Vec<String> = answer
        .lacked
        .iter()
        .map(|package| {
            let nodes = listed_some(&package.nodes, 4);
            format!("{} is missing on {nodes}", package.name)
        })
        .collect();
    if lacked.is_empty() {
        return None;
    }
    let rest = if answer.is_nowhere() {
        "No node has all that the code names, so the task is refused."
    } else if answer.complete.is_empty() {
        "The packages of other nodes are not known yet."
    } else {
        "It goes to a node that has all."
    };
    Some(format!("{}. {rest}", lacked.join("; ")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gridhelm_api::packages::LackedPackage;

    #[test]
    fn what_is_missing_is_said_with_what_follows() {
        let mut answer = PackagesAnswer {
            lacked: vec![LackedPackage {
                name: "zoo".into(),
                nodes: vec!["n1".into(), "n2".into()],
            }],
            ..PackagesAnswer::default()
        };
        assert!(
            words(&answer)
                .unwrap()
                .starts_with("zoo is missing on n1 and n2. No node")
        );
        answer.complete.push("n3".into());
        assert!(
            words(&answer)
                .unwrap()
                .ends_with("It goes to a node that has all.")
        );
        assert_eq!(words(&PackagesAnswer::default()), None);
    }
}
