//! Searching the contents of the repository: the server reads, a bounded piece at a time.

use crate::reactive::{Callback, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::repository::{Found, SearchRequest};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::{Files, View};
use crate::deployment::trouble;
use crate::ui::format::{bytes, counted};
use crate::ui::{Button, ErrorBox, Icon, Trouble, icon};

/// Finds that are shown.
const SHOWN: usize = 500;

/// What was searched and found.
#[derive(Clone, Debug, Default)]
struct State {
    text: String,
    found: Vec<Found>,
    looked: u64,
    /// Where to go on.
    next: Option<gridhelm_api::repository::FileId>,
}

/// The button, and what it found.
#[derive(Clone, Copy)]
pub(super) struct Search {
    view: View,
    files: Files,
    state: RwSignal<Option<State>>,
    fault: RwSignal<Option<Trouble>>,
    busy: RwSignal<Option<String>>,
}

impl Search {
    pub(super) fn new(view: View, files: Files) -> Self {
        Self {
            view,
            files,
            state: RwSignal::new(None),
            fault: RwSignal::new(None),
            busy: RwSignal::new(None),
        }
    }

    /// Searches for what stands in the search field; goes on where `on` says so.
    fn run(self, on: bool) {
        let words = self
            .view
            .address
            .with_untracked(|address| address.q.clone().unwrap_or_default());
        let mut state = if on {
            self.state.get_untracked().unwrap_or_default()
        } else {
            State {
                text: words,
                ..State::default()
            }
        };
        self.fault.set(None);
        self.busy.set(Some("Searching…".to_owned()));
        spawn_local(async move {
            let request = &SearchRequest {
                text: state.text.clone(),
                contents: true,
                after: state.next.take(),
            };
            let answer = self
                .files
                .group
                .act(|client| async move { client.search_files(request).await })
                .await;
            match answer {
                Ok(answer) => {
                    state.found.extend(answer.found);
                    state.looked += answer.looked;
                    state.next = answer.next;
                    let _ = self.state.try_set(Some(state));
                }
                Err(error) => {
                    let what = format!("The files of {} cannot be searched", self.files.group.name);
                    let _ = self.fault.try_set(Some(trouble(&what, &error)));
                }
            }
            let _ = self.busy.try_set(None);
        });
    }

    /// The button that begins it.
    pub(super) fn button(self) -> AnyView {
        let off = Signal::derive(move || {
            let long = self.view.address.with(|address| {
                address
                    .q
                    .as_ref()
                    .is_some_and(|q| q.trim().chars().count() >= 2)
            });
            (!long).then(|| "Write at least two characters in the search field.".to_owned())
        });
        let go = Callback::new(move |()| self.run(false));
        view! { <Button icon=Icon::Search off=off busy=self.busy on_click=go>"Search contents"</Button> }
            .into_any()
    }

    /// What was found; nothing before a search.
    pub(super) fn results(self) -> AnyView {
        let lines = move || {
            let state = self.state.get()?;
            let rows = state.found.iter().take(SHOWN).map(|found| {
                let path = found.id.path();
                let href = {
                    let path = path.clone();
                    move || self.view.href(&path)
                };
                let place = found
                    .line
                    .map_or_else(|| "name".to_owned(), |line| format!("line {line}"));
                view! { <a class="file-row" href=href>{icon(Icon::File)}<span>{path}</span><span class="mono muted grow">{found.text.clone()}</span><span class="muted">{place}</span><span class="muted size">{bytes(found.size)}</span></a> }
            });
            let words = format!(
                "{} with “{}” of {} looked at.",
                counted(state.found.len(), "file"),
                state.text,
                state.looked
            );
            let more = Callback::new(move |()| self.run(true));
            let clear = Callback::new(move |()| self.state.set(None));
            let has_more = state.next.is_some();
            Some(view! {
                <section class="panel repo-found" aria-label="Found files">
                    <header class="panel-head"><p class="grow" role="status">{words}</p>
                        {has_more.then(|| view! { <Button small=true busy=self.busy on_click=more>"Search on"</Button> })}
                        <Button small=true on_click=clear>"Close the search"</Button>
                    </header>
                    <div class="scroll" tabindex="0" role="region" aria-label="Finds">{rows.collect_view()}</div>
                </section>
            })
        };
        view! {
            {move || self.fault.get().map(|trouble| view! { <ErrorBox trouble=trouble/> })}
            {lines}
        }
        .into_any()
    }
}
