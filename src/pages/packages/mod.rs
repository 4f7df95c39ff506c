//! R packages: what each node has, what differs, and installing.

mod install;
mod matrix;
mod nodes;
mod words;

use std::sync::Arc;
use std::time::Duration;

use crate::reactive::{Callback, Effect, Memo, RwSignal};
use crate::ui::view;
use gridhelm_api::packages::GridPackages;
use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::app::route::PackagesView;
use crate::app::{Route, Router, use_router};
use crate::deployment::{Group, as_curl, trouble, use_deployment};
use crate::ui::{Empty, ErrorBox, Icon, PageHead, Panel, Skeleton, Trouble, copy_as_curl};

/// How often it is asked again while nodes are read or install.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What of the page is in the address.
#[derive(Clone, Copy)]
struct Address {
    view: Memo<PackagesView>,
    router: Router,
}

impl Address {
    fn change(self, change: impl Fn(&mut PackagesView)) {
        let mut view = self.view.get_untracked();
        change(&mut view);
        self.router.replace(Route::Packages(view));
    }
}

/// What a group's active server said.
#[derive(Clone, Copy)]
struct Known {
    group: &'static Group,
    said: RwSignal<Option<Arc<GridPackages>>>,
    fault: RwSignal<Option<Trouble>>,
    /// Why a node could not be read when somebody asked for it last.
    not_read: RwSignal<Option<Trouble>>,
    /// Nodes that are being read because somebody asked.
    reading: RwSignal<Vec<String>>,
}

impl Known {
    /// Asks for the packages; again in a moment while something is under way.
    fn look(self) {
        spawn_local(async move {
            let group = self.group;
            let said = group
                .act(|client| async move { client.packages().await })
                .await;
            match said {
                Ok(said) => {
                    let goes_on = said
                        .nodes
                        .iter()
                        .any(|n| n.task.is_some() || (n.read_at.is_none() && n.fault.is_none()));
                    let _ = self.fault.try_set(None);
                    let there = self.said.try_set(Some(Arc::new(said))).is_none();
                    if goes_on && there {
                        set_timeout(move || self.look(), LOOK_EVERY);
                    }
                }
                Err(error) => {
                    let title = format!("The packages of {} cannot be read", group.name);
                    let _ = self.fault.try_set(Some(trouble(&title, &error)));
                }
            }
        });
    }

    /// Has a node read now.
    fn read(self, node: String) {
        self.reading.update(|reading| reading.push(node.clone()));
        spawn_local(async move {
            let (group, wanted) = (self.group, node.as_str());
            let said = group
                .act(|client| async move { client.read_packages(wanted).await })
                .await;
            // When it failed, what the server knows of the node has changed as well.
            let title = format!("The packages of {node} could not be read");
            let failed = said.err().map(|error| trouble(&title, &error));
            let _ = self.not_read.try_set(failed);
            self.look();
            let _ = self
                .reading
                .try_update(|reading| reading.retain(|name| *name != node));
        });
    }
}

/// The page.
#[component]
pub fn Page() -> AnyView {
    let (deployment, router) = (use_deployment(), use_router());
    let view = router.select(|place| match &place.route {
        Route::Packages(view) => view.clone(),
        _ => PackagesView::default(),
    });
    let address = Address { view, router };
    let scope = router.select(|place| place.group.clone());
    let parts = move || {
        deployment
            .in_scope(scope.get().as_deref())
            .into_iter()
            .map(|group| part(address, group))
            .collect_view()
    };
    view! {
        <section aria-labelledby="page-title">
            <PageHead title="Packages" answer="Which R packages each node has, and where they differ. A task goes to a node that has what its code names.">
                {copy_as_curl(Callback::new(move |()| as_curl(&deployment.in_scope(untrack(|| scope.get()).as_deref()), "/packages")))}
            </PageHead>
            {matrix::toolbar(address)}
            {parts}
        </section>
    }
    .into_any()
}

fn shown(trouble: RwSignal<Option<Trouble>>) -> AnyView {
    let shown = move || {
        trouble
            .get()
            .map(|trouble| view! { <ErrorBox trouble=trouble/> })
    };
    view! { {shown} }.into_any()
}

fn part(address: Address, group: &'static Group) -> AnyView {
    let known = Known {
        group,
        said: RwSignal::new(None),
        fault: RwSignal::new(None),
        not_read: RwSignal::new(None),
        reading: RwSignal::new(Vec::new()),
    };
    Effect::new(move |_| {
        if group.signed_in() {
            known.look();
        }
    });
    let content = move || {
        known.said.with(|said| match said {
            None => view! { <Skeleton lines=3 name="Reading the packages"/> }.into_any(),
            Some(said) => view! {
                <p class="pad ink2">{words::summary(said)}</p>
                {nodes::table(known, address, said)}
                {matrix::table(address, group.name.as_str(), said)}
            }
            .into_any(),
        })
    };
    let body = move || {
        if !group.signed_in() {
            let title = format!("Not signed in to {}", group.name);
            return view! { <Empty picture=Icon::Lock title=title text="Sign in to see its packages."/> }.into_any();
        }
        let title = format!("Packages of {}", group.name);
        view! {
            {shown(known.fault)}
            {shown(known.not_read)}
            <Panel title=title>{content}</Panel>
        }
        .into_any()
    };
    let form = move || {
        let node = address.view.with(|view| view.node.clone())?;
        let here = address
            .view
            .with(|view| view.of.as_deref() == Some(group.name.as_str()));
        let close = Callback::new(move |()| {
            address.change(|view| {
                view.node = None;
                view.of = None;
            })
        });
        here.then(|| install::drawer(known, node, close))
    };
    view! { {body}{form} }.into_any()
}
