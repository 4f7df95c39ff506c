//! Backups: those that a group has and new ones; what its database holds and what of it goes; a bundle for support.

mod list;
mod sizes;
mod support;
mod words;

use crate::reactive::{Callback, Effect, RwSignal};
use crate::ui::view;
use gridhelm_api::upkeep::{Backups, Sizes};
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::time::Duration;

use crate::app::use_router;
use crate::deployment::{Group, as_curl, trouble, use_deployment};
use crate::ui::{Empty, Icon, PageHead, Trouble, copy_as_curl};

/// How often it is asked how far a backup has come.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a group's active server said.
#[derive(Clone, Copy)]
struct Known {
    group: &'static Group,
    backups: RwSignal<Option<Backups>>,
    sizes: RwSignal<Option<Sizes>>,
    fault: RwSignal<Option<Trouble>>,
}

impl Known {
    fn new(group: &'static Group) -> Self {
        Self {
            group,
            backups: RwSignal::new(None),
            sizes: RwSignal::new(None),
            fault: RwSignal::new(None),
        }
    }

    /// Asks for the backups; again in a moment while one is being made.
    fn look(self) {
        spawn_local(async move {
            let group = self.group;
            let said = group
                .act(|client| async move { client.backups().await })
                .await;
            match said {
                Ok(backups) => {
                    let goes_on = backups.running.is_some();
                    let there = self.backups.try_set(Some(backups)).is_none();
                    if goes_on && there {
                        set_timeout(move || self.look(), LOOK_EVERY);
                    }
                }
                Err(error) => {
                    let title = format!("The backups of {} cannot be read", group.name);
                    let _ = self.fault.try_set(Some(trouble(&title, &error)));
                }
            }
        });
    }

    fn count(self) {
        spawn_local(async move {
            let group = self.group;
            let said = group
                .act(|client| async move { client.sizes().await })
                .await;
            match said {
                Ok(sizes) => drop(self.sizes.try_set(Some(sizes))),
                Err(error) => {
                    let title = format!("The sizes of {} cannot be counted", group.name);
                    let _ = self.fault.try_set(Some(trouble(&title, &error)));
                }
            }
        });
    }
}

/// The page.
#[component]
pub fn Page() -> AnyView {
    let (deployment, router) = (use_deployment(), use_router());
    let scope = router.select(|place| place.group.clone());
    let parts = move || {
        deployment
            .in_scope(scope.get().as_deref())
            .into_iter()
            .map(part)
            .collect_view()
    };
    view! {
        <section aria-labelledby="page-title">
            <PageHead title="Backups" answer="A backup is the whole group at one moment, in one file. It is restored on the server's host, into an empty database.">
                {copy_as_curl(Callback::new(move |()| as_curl(&deployment.in_scope(untrack(|| scope.get()).as_deref()), "/backups")))}
            </PageHead>
            {parts}
        </section>
    }
    .into_any()
}

fn part(group: &'static Group) -> AnyView {
    let known = Known::new(group);
    Effect::new(move |_| {
        if group.signed_in() {
            if known.group.is_admin() {
                known.look();
            }
            known.count();
        }
    });
    let body = move || {
        if !group.signed_in() {
            let title = format!("Not signed in to {}", group.name);
            return view! { <Empty picture=Icon::Lock title=title text="Sign in to see its backups."/> }.into_any();
        }
        view! {
            {move || known.fault.get().map(|trouble| view! { <crate::ui::ErrorBox trouble=trouble/> })}
            {list::panel(known)}
            {sizes::panel(known)}
            {support::panel(known)}
        }
        .into_any()
    };
    view! { {body} }.into_any()
}
