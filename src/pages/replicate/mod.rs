//! Replicate: compare the repositories of two groups, plan, apply all or nothing, verify by hash.

mod apply;
mod back;
mod canary;
mod choices;
mod differences;
mod export;
mod groups;
mod held;
mod history;
mod keys;
mod lacking;
mod output;
mod patch;
mod report;
mod strip;
mod tree;
mod work;

use crate::reactive::{Callback, Effect, Memo, Signal};
use crate::ui::view;
use leptos::prelude::*;

use self::work::Work;
use crate::app::route::{Page as Place, ReplicateView};
use crate::app::{Route, Router, use_router};
use crate::deployment::{Group, use_deployment};
use crate::ui::{Button, Empty, ErrorBox, PageHead, SelectField};

/// What of the page is in the address.
#[derive(Clone, Copy)]
struct Address {
    view: Memo<ReplicateView>,
    router: Router,
}

impl Address {
    /// The view. Tracks.
    fn get(self) -> ReplicateView {
        self.view.get()
    }

    fn replace(self, change: impl Fn(&mut ReplicateView)) {
        let mut view = self.view.get_untracked();
        change(&mut view);
        self.router.replace(Route::Replicate(view));
    }

    /// The address with something changed. Tracks.
    fn href(self, change: impl Fn(&mut ReplicateView)) -> String {
        let mut view = self.view.get();
        change(&mut view);
        self.router.href(Route::Replicate(view))
    }
}

/// The page.
#[component]
pub fn Page() -> AnyView {
    let (deployment, router) = (use_deployment(), use_router());
    let view = router.select(|place| match &place.route {
        Route::Replicate(view) => view.clone(),
        _ => ReplicateView::default(),
    });
    let address = Address { view, router };
    let pair = Memo::new(move |_| {
        let view = view.get();
        let index = |name: Option<&str>| {
            name.and_then(|name| {
                deployment
                    .groups
                    .iter()
                    .position(|group| group.name == name)
            })
        };
        let source = index(view.source.as_deref()).unwrap_or(0);
        let target = index(view.target.as_deref()).filter(|target| *target != source);
        target
            .or_else(|| (0..deployment.groups.len()).find(|other| *other != source))
            .map(|target| (source, target))
    });
    let body = move || {
        match pair.get() {
        None => view! {
            <PageHead title="Replicate" answer="Make the repository of one group equal to another."/>
            <Empty title="Only one group" text="Replication copies files from one group to another. deployment.json names one group only."/>
        }
        .into_any(),
        Some((source, target)) => compared(address, &deployment.groups[source], &deployment.groups[target]),
    }
    };
    view! { <section data-fit="" aria-labelledby="page-title">{body}</section> }.into_any()
}

fn compared(address: Address, source: &'static Group, target: &'static Group) -> AnyView {
    let work = Work::new(source, target);
    let ready = Memo::new(move |_| {
        let live = |group: &'static Group| {
            group.signed_in() && group.servers.iter().any(crate::deployment::Server::is_live)
        };
        live(source) && live(target)
    });
    Effect::new(move |_| {
        if ready.get() && untrack(|| work.compared.with(Option::is_none)) {
            work.compare();
        }
    });
    let off = Signal::derive(move || {
        (!ready.get()).then(|| {
            format!(
                "Both {} and {} must answer, and you must be signed in to both.",
                source.name, target.name
            )
        })
    });
    let groups: Vec<(String, String)> = use_deployment()
        .groups
        .iter()
        .map(|group| (group.name.clone(), group.name.clone()))
        .collect();
    let pick_source = Callback::new(move |name: String| {
        address.replace(|view| {
            view.source = Some(name.clone());
            view.file = None;
            if view.target.as_ref() == Some(&name) {
                view.target = Some(source.name.clone());
            }
        })
    });
    let pick_target = Callback::new(move |name: String| {
        address.replace(|view| {
            view.target = Some(name.clone());
            view.file = None;
            if name == source.name {
                view.source = Some(target.name.clone());
            }
        })
    });
    view! {
        <PageHead title="Replicate" answer="Make the repository of one group equal to another. You see the whole plan before anything is written.">
            <div class="rep-pair">
                <SelectField label="From" value=source.name.clone() choices=groups.clone() on_pick=pick_source/>
                <SelectField label="To" value=target.name.clone() choices=groups on_pick=pick_target/>
            </div>
            <Button off=off busy=work.busy on_click=Callback::new(move |()| work.compare())>"Compare"</Button>
        </PageHead>
        {tabs()}
        {move || work.fault.get().map(|trouble| view! { <ErrorBox trouble=trouble/> })}
        {strip::strip(work)}
        {lacking::notice(work)}
        {choices::access(work)}
        <div class="rep" on:keydown=move |event: web_sys::KeyboardEvent| keys::on_key(work, address, &event)>
            {tree::panel(work, address, apply::bar(work))}
            {differences::panel(work, address)}
        </div>
        {choices::rules(work)}
        {canary::panel(work)}
        {groups::panel(work)}
        {history::panel(work)}
    }
    .into_any()
}

/// The two halves of the repository's entry in the navigation: files, and replication.
fn tabs() -> AnyView {
    let router = use_router();
    let tab = move |place: Place, word: &'static str| {
        let current = move || (router.page() == Some(place)).then_some("page");
        view! { <a href=move || router.href(place.route()) aria-current=current>{word}</a> }
    };
    view! { <nav class="seg repo-tabs" aria-label="Repository">{tab(Place::Repository, "Files")}{tab(Place::Replicate, "Replicate")}</nav> }.into_any()
}
