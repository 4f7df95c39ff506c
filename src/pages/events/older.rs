//! Lists that the server gives page by page, for several groups at once: what was fetched so far, and what comes next.

use std::future::Future;
use std::sync::Arc;

use crate::reactive::RwSignal;
use gridhelm_api::Page;
use gridhelm_client::{Client, Error};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::View;
use crate::deployment::{Group, trouble};
use crate::ui::Trouble;

/// What was fetched.
pub(crate) struct Older<T: Send + Sync + 'static> {
    /// The items with the index of their group, in the order in which they came.
    pub(crate) items: RwSignal<Arc<Vec<(usize, T)>>>,
    /// Where each group's next page begins; none where there is no further one, or none was asked for.
    next: RwSignal<Vec<(usize, Option<String>)>>,
    /// Whether a page is under way.
    pub(crate) busy: RwSignal<bool>,
    /// What went wrong with the last page.
    pub(crate) failed: RwSignal<Option<Trouble>>,
}

impl<T: Send + Sync + 'static> Clone for Older<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Send + Sync + 'static> Copy for Older<T> {}

impl<T: Clone + Send + Sync + 'static> Older<T> {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self {
            items: RwSignal::new(Arc::default()),
            next: RwSignal::new(Vec::new()),
            busy: RwSignal::new(false),
            failed: RwSignal::new(None),
        }
    }

    /// Whether a group shown has a further page, or was not asked yet. Tracks.
    pub(crate) fn has_more(self, view: View) -> bool {
        let scope = view.scope.get();
        self.next.with(|next| {
            scope.iter().any(|group| {
                next.iter()
                    .find(|(known, _)| known == group)
                    .is_none_or(|(_, next)| next.is_some())
            })
        })
    }

    /// Forgets all.
    pub(crate) fn clear(self) {
        self.items.set(Arc::default());
        self.next.set(Vec::new());
    }

    /// Fetches the next page of every group shown that has one. `first` says where a group that was not asked yet begins.
    pub(crate) fn fetch<F>(
        self,
        view: View,
        what: &'static str,
        first: impl Fn(usize) -> Option<String>,
        ask: impl Fn(Client, Option<String>) -> F + Copy + 'static,
    ) where
        F: Future<Output = Result<Page<T>, Error>>,
    {
        if self.busy.get_untracked() {
            return;
        }
        let known = self.next.get_untracked();
        let begin = |group: usize| match known.iter().find(|(known, _)| *known == group) {
            Some((_, next)) => next.clone().map(Some),
            None => Some(first(group)),
        };
        let asks: Vec<(usize, Option<String>)> = view
            .scope
            .get_untracked()
            .into_iter()
            .filter_map(|group| begin(group).map(|before| (group, before)))
            .collect();
        self.busy.set(true);
        self.failed.set(None);
        spawn_local(async move {
            for (index, before) in asks {
                let group: &'static Group = &view.deployment.groups[index];
                if !untrack(|| group.signed_in()) {
                    continue;
                }
                match group.act(|client| ask(client, before.clone())).await {
                    Ok(page) => {
                        // The page may have been left.
                        let _ = self.items.try_update(|items| {
                            Arc::make_mut(items)
                                .extend(page.items.into_iter().map(|item| (index, item)))
                        });
                        let _ = self.next.try_update(|next| {
                            next.retain(|(known, _)| *known != index);
                            next.push((index, page.next));
                        });
                    }
                    Err(error) => {
                        let _ = self.failed.try_set(Some(trouble(
                            &format!("{what} of {} could not be read", group.name),
                            &error,
                        )));
                    }
                }
            }
            let _ = self.busy.try_set(false);
        });
    }
}
