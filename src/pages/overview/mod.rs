//! Whether the deployment serves, and what comes first.

mod attention;
mod checks;
mod glance;
pub(crate) mod guide;
mod list;
mod panels;
mod place;
mod roots;
#[cfg(test)]
mod sample;
mod sentence;
mod strip;
mod topology;

use std::sync::Arc;

use crate::reactive::{Memo, Signal};
use crate::ui::view;
use leptos::prelude::*;

use self::glance::GroupGlance;
use crate::app::route::{GridView, OverviewView};
use crate::app::{Route, use_router};
use crate::deployment::{Deployment, Group, use_deployment};
use crate::pages::grid::history;
use crate::ui::{ButtonLink, Icon, PageHead, use_clock};

/// What the parts of the page share.
#[derive(Clone, Copy)]
pub(crate) struct Overview {
    /// The deployment.
    pub(crate) deployment: &'static Deployment,
    /// Indices of the groups shown.
    pub(crate) scope: Memo<Vec<usize>>,
    /// The groups as they are now; renewed once a frame while something changes, and every second.
    pub(crate) groups: Memo<Arc<Vec<GroupGlance>>>,
    /// Whether the topology is shown as a list.
    pub(crate) as_list: Memo<bool>,
}

impl Overview {
    /// The groups shown. Tracks which.
    pub(crate) fn shown(self) -> Vec<&'static Group> {
        self.scope
            .get()
            .into_iter()
            .map(|index| &self.deployment.groups[index])
            .collect()
    }
}

/// Whether the deployment serves, and what comes first.
#[component]
pub fn Page() -> AnyView {
    let (deployment, router, clock) = (use_deployment(), use_router(), use_clock());
    let _ = history(deployment);
    let scope = router.select(move |place| {
        let named = place.group.as_deref().and_then(|name| {
            deployment
                .groups
                .iter()
                .position(|group| group.name == name)
        });
        named.map_or_else(
            || (0..deployment.groups.len()).collect(),
            |index| vec![index],
        )
    });
    // Compared by what is made of it, not node by node.
    let groups = Memo::always(move || {
        let now = clock.seconds();
        Arc::new(
            scope
                .get()
                .into_iter()
                .map(|index| GroupGlance::take(&deployment.groups[index], now))
                .collect::<Vec<_>>(),
        )
    });
    let as_list = router.select(|place| matches!(&place.route, Route::Overview(OverviewView { topology: Some(form) }) if form == "list"));
    let page = Overview {
        deployment,
        scope,
        groups,
        as_list,
    };
    let answer = Memo::new(move |_| groups.with(|groups| sentence::sentence(groups)));
    let register = Signal::derive(move || {
        router.href(Route::Grid(GridView {
            panel: Some("register".to_owned()),
            ..GridView::default()
        }))
    });
    view! {
        <section aria-labelledby="page-title">
            <PageHead title="Overview" answer=answer>
                <ButtonLink icon=Icon::Plus href=register>"Register node"</ButtonLink>
            </PageHead>
            {guide::place(page)}
            {strip::strip(page)}
            <div class="ov">
                <div>{topology::panel(page)}{panels::events(page)}</div>
                <div>{panels::checks(page)}{panels::attention(page)}</div>
            </div>
        </section>
    }
    .into_any()
}
