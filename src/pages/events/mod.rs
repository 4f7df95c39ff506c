//! Events and audit: what the grid did and what people did, in one order.

mod alerts;
mod audit;
mod changes;
mod filter;
mod histogram;
mod kept;
mod log;
mod older;
mod rules;
mod webhook;

use crate::reactive::{Callback, Memo, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::event::Severity;
use leptos::prelude::*;

use crate::app::route::EventsView;
use crate::app::{Route, Router, use_router};
use crate::deployment::{Deployment, as_curl, use_deployment};
use crate::ui::{Choice, Glyph, PageHead, Segment, copy_as_curl};

/// What of the page is chosen: it is all in the address.
#[derive(Clone, Copy)]
pub(crate) struct View {
    /// The deployment.
    pub(crate) deployment: &'static Deployment,
    /// What the address says.
    pub(crate) address: Memo<EventsView>,
    /// Indices of the groups shown.
    pub(crate) scope: Memo<Vec<usize>>,
    router: Router,
}

impl View {
    /// Changes the address in place of the present entry.
    pub(crate) fn replace(self, change: impl FnOnce(&mut EventsView)) {
        let mut address = self.address.get_untracked();
        change(&mut address);
        self.router.replace(Route::Events(address));
    }
}

/// The page.
#[component]
pub fn Page() -> AnyView {
    let (deployment, router) = (use_deployment(), use_router());
    let address = router.select(|place| match &place.route {
        Route::Events(view) => view.clone(),
        _ => EventsView::default(),
    });
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
    let view = View {
        deployment,
        address,
        scope,
        router,
    };
    let tab = Memo::new(move |_| {
        address.with(|address| match address.tab.as_deref() {
            Some("audit") => "audit",
            Some("alerts") => "alerts",
            _ => "events",
        })
    });
    let answer = RwSignal::new(String::new());
    let shown = Signal::derive(move || tab.get().to_owned());
    let pick = Callback::new(move |tab: String| {
        router.go(Route::Events(EventsView {
            tab: Some(tab).filter(|tab| tab != "events"),
            ..EventsView::default()
        }));
    });
    let curl = Callback::new(move |()| {
        let path = ["/", tab.get_untracked()].concat();
        let chosen = scope.get_untracked();
        let groups: Vec<_> = chosen
            .iter()
            .filter_map(|at| deployment.groups.get(*at))
            .collect();
        as_curl(&groups, &path)
    });
    view! {
        <section data-fit="" aria-labelledby="page-title">
            <PageHead title="Events & audit" answer=answer>
                {copy_as_curl(curl)}
                <Segment label="What is shown" choices=vec![Choice::new("events", "Events"), Choice::new("alerts", "Alerts"), Choice::new("audit", "Audit")] value=shown on_pick=pick/>
            </PageHead>
            {move || match tab.get() {
                "audit" => audit::audit(view, answer),
                "alerts" => alerts::alerts(view, answer),
                _ => log::log(view, answer),
            }}
        </section>
    }
    .into_any()
}

/// The shape of a severity.
pub(crate) const fn severity_glyph(severity: Severity) -> Glyph {
    match severity {
        Severity::Info => Glyph::Info,
        Severity::Good => Glyph::Pass,
        Severity::Warn => Glyph::Warn,
        Severity::Fail => Glyph::Fail,
    }
}
