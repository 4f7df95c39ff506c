//! Whether the groups' repositories are equal, by the root hashes of their trees: asked when the page opens and when a repository changed.

use std::time::Duration;

use crate::reactive::{Effect, RwSignal};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::Overview;
use super::checks::Root;
use crate::deployment::{Group, trouble};
use crate::ui::clock;

/// The shortest time between two comparisons that nobody asked for, milliseconds.
const REST: f64 = 20_000.0;

/// The comparison.
#[derive(Clone, Copy)]
pub(crate) struct Roots {
    /// What was found; none while nothing was compared yet.
    pub(crate) found: RwSignal<Option<Vec<Root>>>,
    /// When, by the page's clock.
    pub(crate) at: RwSignal<Option<f64>>,
    /// Whether one is under way.
    pub(crate) busy: RwSignal<bool>,
}

impl Roots {
    /// Compares now, and again when a repository changes.
    pub(crate) fn follow(page: Overview) -> Self {
        let roots = Self {
            found: RwSignal::new(None),
            at: RwSignal::new(None),
            busy: RwSignal::new(false),
        };
        let waiting = StoredValue::new(None::<TimeoutHandle>);
        Effect::new(move |_| {
            let groups = page.shown();
            for group in &groups {
                group.repository.track();
            }
            let ready = groups.len() > 1
                && groups
                    .iter()
                    .all(|group| group.signed_in() && group.info.with(Option::is_some));
            if !ready {
                return;
            }
            let wait = roots
                .at
                .get_untracked()
                .map_or(0.0, |at| (REST - (clock::now() - at)).max(500.0));
            if let Some(handle) = waiting.try_update_value(Option::take).flatten() {
                handle.clear();
            }
            // The time is a fraction of a minute.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let wait = Duration::from_millis(wait as u64);
            waiting.set_value(set_timeout_with_handle(move || roots.compare(page), wait).ok());
        });
        on_cleanup(move || {
            if let Some(handle) = waiting.try_update_value(Option::take).flatten() {
                handle.clear();
            }
        });
        roots
    }

    /// Compares now.
    pub(crate) fn compare(self, page: Overview) {
        let groups = untrack(|| page.shown());
        if self.busy.get_untracked() || groups.len() < 2 {
            return;
        }
        self.busy.set(true);
        spawn_local(async move {
            let mut found = Vec::new();
            for group in groups {
                found.push(read(group).await);
            }
            // The page may have been left.
            let _ = self.found.try_set(Some(found));
            let _ = self.at.try_set(Some(clock::now()));
            let _ = self.busy.try_set(false);
        });
    }
}

async fn read(group: &'static Group) -> Root {
    let answer = group
        .act(|client| async move { client.tree(None).await })
        .await;
    let files = answer.as_ref().map_or(0, |tree| tree.files);
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    let root = answer
        .map(|tree| tree.root)
        .map_err(|error| trouble("", &error).detail);
    Root {
        group: group.name.clone(),
        root,
        files,
    }
}
