//! The top bar: the group that everything is narrowed to, how old the data is, pause, and who is signed in.

use crate::reactive::{Callback, Memo, RwSignal, Signal};
use crate::ui::view;
use leptos::prelude::*;

use super::router::use_router;
use super::tools;
use crate::deployment::{Deployment, sign_out};
use crate::ui::format::age;
use crate::ui::{Button, Choice, Icon, Segment, Weight, logo, use_clock};

/// From this age on, data is no longer called live. Milliseconds.
const LIVE: f64 = 3_000.0;

pub(super) fn topbar(deployment: Option<&'static Deployment>) -> AnyView {
    view! {
        <header class="topbar">
            {deployment.map(scope)}
            {deployment.map(|_| tools::search("searchbtn"))}
            <span class="grow"></span>
            {match deployment {
                Some(deployment) => live(deployment, true),
                None => view! { <span class="live live--stale"><i></i>"starting"</span> }.into_any(),
            }}
            {deployment.map(tools::bell)}
            {deployment.map(|deployment| account(deployment, "account-menu"))}
        </header>
    }
    .into_any()
}

pub(super) fn phone_top(deployment: Option<&'static Deployment>) -> AnyView {
    view! {
        <header class="phone-top">
            {logo()}
            <b class="strong">{deployment.map_or("Gridhelm", |deployment| deployment.name.as_str())}</b>
            <span class="grow"></span>
            {deployment.map(|deployment| live(deployment, false))}
            {deployment.map(|_| tools::search("btn btn--ghost btn--icon searchicon"))}
            {deployment.map(tools::bell)}
            {deployment.map(|deployment| account(deployment, "account-menu-small"))}
        </header>
    }
    .into_any()
}

fn scope(deployment: &'static Deployment) -> AnyView {
    let router = use_router();
    if deployment.groups.len() < 2 {
        return ().into_any();
    }
    let mut choices = vec![Choice::new("", "All groups")];
    choices.extend(
        deployment
            .groups
            .iter()
            .map(|group| Choice::new(group.name.as_str(), group.name.as_str())),
    );
    let value = Signal::derive(move || router.group().unwrap_or_default());
    let pick =
        Callback::new(move |group: String| router.set_group((!group.is_empty()).then_some(group)));
    view! { <Segment label="Group shown" choices=choices value=value on_pick=pick/> }.into_any()
}

/// What is said of the data's age, and whether it is live.
#[derive(Clone, PartialEq)]
struct Freshness {
    text: String,
    stale: bool,
}

fn freshness(deployment: &'static Deployment, group: Option<&str>, now: f64) -> Freshness {
    if let Some(since) = deployment.paused.get() {
        return Freshness {
            text: format!("paused for {}", age(now - since)),
            stale: true,
        };
    }
    let groups = deployment.in_scope(group);
    let ages: Vec<(&str, Option<f64>)> = groups
        .iter()
        .filter(|group| group.signed_in())
        .map(|group| (group.name.as_str(), group.age_ms(now)))
        .collect();
    let stale: Vec<String> = ages
        .iter()
        .filter_map(|(name, age_ms)| match age_ms {
            Some(age_ms) if *age_ms < LIVE => None,
            Some(age_ms) => Some(format!("{name} {} old", age(*age_ms))),
            None => Some(format!("{name} not seen yet")),
        })
        .collect();
    if stale.is_empty() {
        let oldest = ages.iter().filter_map(|(_, age)| *age).fold(0.0, f64::max);
        return Freshness {
            text: format!("live · {} ago", age(oldest)),
            stale: false,
        };
    }
    let rest = ages.len() - stale.len();
    let live = ages
        .iter()
        .filter(|(_, age)| age.is_some_and(|age| age < LIVE))
        .map(|(name, _)| *name);
    let tail = if rest == 0 {
        String::new()
    } else {
        format!(", {} live", live.collect::<Vec<_>>().join(" and "))
    };
    Freshness {
        text: stale.join(", ") + tail.as_str(),
        stale: true,
    }
}

fn live(deployment: &'static Deployment, with_pause: bool) -> AnyView {
    let clock = use_clock();
    let router = use_router();
    let group = router.select(|place| place.group.clone());
    let fresh = Memo::new(move |_| freshness(deployment, group.get().as_deref(), clock.tenths()));
    let paused = move || deployment.paused.with(Option::is_some);
    let pause = with_pause.then(|| {
        let toggle = Callback::new(move |()| {
            let on = deployment.paused.with_untracked(Option::is_none);
            deployment.pause(on);
        });
        view! { <Button weight=Weight::Ghost icon=Icon::Pause name="Pause live updates" pressed=move || Some(paused()) on_click=toggle/> }
    });
    view! {
        <span class="live" class=("live--stale", move || fresh.with(|fresh| fresh.stale))><i></i><span class="live-text">{move || fresh.with(|fresh| fresh.text.clone())}</span></span>
        {pause}
    }
    .into_any()
}

/// Who is signed in, where, and the way out.
fn account(deployment: &'static Deployment, id: &'static str) -> AnyView {
    let open = RwSignal::new(false);
    let who = Memo::new(move |_| {
        let sessions = deployment.groups.iter().filter_map(|group| {
            group.session.with(|session| {
                session.as_ref().map(|session| {
                    (
                        group.name.clone(),
                        session.username.clone(),
                        session.role.name(),
                    )
                })
            })
        });
        sessions.collect::<Vec<_>>()
    });
    let first = move || {
        who.with(|who| {
            who.first()
                .map(|(_, name, _)| name.clone())
                .unwrap_or_default()
        })
    };
    let initials = move || {
        first()
            .chars()
            .filter(|letter| letter.is_alphanumeric())
            .take(2)
            .collect::<String>()
            .to_uppercase()
    };
    // Begins with what is seen, so that a person can say it.
    let name = move || [initials().as_str(), ": account ", &first()].concat();
    let rows = move || {
        who.get().into_iter().map(|(group, name, role)| view! { <li><b>{group}</b><span>{name}", "{role}</span></li> }).collect_view()
    };
    let missing = move || {
        deployment
            .groups
            .iter()
            .filter(|group| !group.signed_in())
            .map(|group| group.name.clone())
            .collect::<Vec<_>>()
    };
    let rest = move || {
        let missing = missing();
        (!missing.is_empty())
            .then(|| view! { <p class="why-not">"Not signed in to "{missing.join(", ")}</p> })
    };
    let leave = Callback::new(move |()| {
        open.set(false);
        sign_out(deployment);
    });
    let menu = move || {
        open.get().then(|| {
            view! {
                <div class="menu" id=id role="group" aria-label="Account">
                    <ul>{rows}</ul>
                    {rest}
                    {more_sign_in(deployment)}
                    <Button icon=Icon::SignOut on_click=leave>"Sign out"</Button>
                </div>
            }
        })
    };
    view! {
        <div class="menu-place" on:keydown=move |event| if event.key() == "Escape" { open.set(false) }>
            <button class="avatar" type="button" aria-label=name aria-expanded=move || if open.get() { "true" } else { "false" } aria-controls=id on:click=move |_| open.update(|open| *open = !*open)>{initials}</button>
            {menu}
        </div>
    }
    .into_any()
}

/// The way to the groups that nobody is signed in to.
fn more_sign_in(deployment: &'static Deployment) -> AnyView {
    let signing = RwSignal::new(false);
    let missing = deployment
        .groups
        .iter()
        .any(|group| untrack(|| !group.signed_in()));
    let form = move || {
        signing.get().then(|| view! { <crate::pages::sign_in::Form on_done=Callback::new(move |()| signing.set(false))/> })
    };
    if !missing {
        return ().into_any();
    }
    view! {
        <Button icon=Icon::User on_click=Callback::new(move |()| signing.update(|on| *on = !*on))>"Sign in to more groups"</Button>
        {form}
    }
    .into_any()
}
