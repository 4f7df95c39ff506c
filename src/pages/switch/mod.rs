//! Switch active server: who is active since when and why, the checks, the planned switchover, the forced failover apart, the steps, the history.

mod cards;
mod choices;
mod forced;
mod history;
mod join;
mod mode;
mod planned;
mod preflight;
mod progress;
mod words;

use crate::reactive::{Effect, Memo, Signal};
use crate::ui::view;
use gridhelm_api::switch::SwitchRecord;
use leptos::prelude::*;

use crate::app::Route;
use crate::app::use_router;
use crate::deployment::{Group, Server, use_deployment};
use crate::ui::{Empty, PageHead};

/// The page.
#[component]
pub fn Page() -> AnyView {
    let deployment = use_deployment();
    let router = use_router();
    let wanted = router.select(|place| match &place.route {
        Route::Switch(view) => view.to.clone(),
        _ => None,
    });
    let asking = router.select(|place| matches!(&place.route, Route::Switch(view) if view.panel.as_deref() == Some("failover")));
    let scope = router.select(|place| place.group.clone());
    // The chosen group and the server that would take over; only a change of either makes the cards anew.
    let choice: Memo<Option<(String, String)>> = Memo::new(move |_| {
        let groups = deployment.in_scope(scope.get().as_deref());
        let named = wanted.get().and_then(|to| {
            groups
                .iter()
                .find(|group| group.server(&to).is_some())
                .map(|group| (group.name.clone(), to))
        });
        named.or_else(|| {
            let group = groups
                .iter()
                .find(|group| group.servers.len() > 1)
                .or_else(|| groups.first())?;
            Some((group.name.clone(), standby_of(group)?.name.clone()))
        })
    });
    let cards = move || {
        let card = |group: &'static Group| {
            let chosen = Signal::derive(move || {
                choice.with(|choice| choice.as_ref().is_some_and(|(name, _)| *name == group.name))
            });
            cards::card(group, chosen)
        };
        deployment
            .in_scope(scope.get().as_deref())
            .into_iter()
            .map(card)
            .collect_view()
    };
    let parts = move || {
        let chosen = choice.get().and_then(|(group, to)| {
            let group = deployment.group(&group)?;
            Some((group, group.server(&to)?))
        });
        match chosen {
            Some((group, to)) => body(group, to, asking.into()),
            None => view! { <Empty title="No group in this deployment" text="deployment.json names the groups and their servers."/> }.into_any(),
        }
    };
    view! {
        <section aria-labelledby="page-title">
            <PageHead title="Switch active server" answer="Hand a group from its active server to the standby. Clients follow through the load balancer."/>
            <div class="pair">{cards}</div>
            {parts}
            {move || history::table(deployment.in_scope(scope.get().as_deref()))}
        </section>
    }
    .into_any()
}

/// Shows a switch as the answer to its request tells it, unless the event stream was faster and told more.
fn begin(group: &'static Group, record: SwitchRecord) {
    group.switch.update(|present| {
        if present
            .as_ref()
            .is_none_or(|present| present.id != record.id)
        {
            *present = Some(record);
        }
    });
}

/// The server that would take over when none is named: the first that is not the active one.
fn standby_of(group: &'static Group) -> Option<&'static Server> {
    let active = group
        .source
        .get()
        .and_then(|index| group.servers.get(index))
        .map(|server| server.name.as_str());
    group
        .servers
        .iter()
        .find(|server| Some(server.name.as_str()) != active)
        .or_else(|| group.servers.first())
}

fn body(group: &'static Group, to: &'static Server, asking: Signal<bool>) -> AnyView {
    if group.servers.len() < 2 {
        return view! {
            <Empty title=format!("{} has one server", group.name) text="There is no standby to hand over to. Start a second gridhelm-server on the same database."/>
            {join::card(group)}
        }
        .into_any();
    }
    let checked = preflight::Checked::new();
    let active = Memo::new(move |_| {
        group
            .active()
            .filter(|active| active.name != to.name)
            .map(|active| active.name.clone())
    });
    Effect::new(move |_| {
        // Asked again whenever who is active, or whether it lives, changes.
        active.track();
        let someone = group.servers.iter().any(Server::is_live);
        if group.signed_in() && someone {
            checked.ask(group, to.name.clone());
        }
    });
    view! {
        <div class="sw">
            <div class="sw-left">
                {progress::panel(group)}
                {move || preflight::panel(group, active.get(), to.name.clone(), checked)}
            </div>
            <div class="sw-right">
                {planned::card(group, to.name.clone(), checked)}
                {forced::card(group, to, asking)}
                {mode::card(group)}
                {join::card(group)}
            </div>
        </div>
    }
    .into_any()
}
