//! Checks, what needs attention, and the latest events.

use std::sync::Arc;

use crate::reactive::Memo;
use crate::ui::order::sort;
use crate::ui::{For, Show, view};
use gridhelm_api::event::Event;
use leptos::prelude::*;

use super::Overview;
use super::attention::{Issue, issues};
use super::checks::{Check, checks as all_checks, score};
use super::roots::Roots;
use crate::app::{Page, Place, use_router};
use crate::pages::events::severity_glyph;
use crate::ui::format::{age, counted};
use crate::ui::{Empty, Glyph, clock, glyph, time_of_day, use_clock};

/// The most issues that are told; the rest is counted.
const ISSUES: usize = 12;
/// The most events.
const EVENTS: usize = 8;

/// The checks: how many pass, and those that do not.
pub(crate) fn checks(page: Overview) -> AnyView {
    let roots = Roots::follow(page);
    let router = use_router();
    let clock = use_clock();
    let list = Memo::new(move |_| {
        page.groups.with(|groups| {
            roots
                .found
                .with(|found| all_checks(groups, found.as_deref()))
        })
    });
    let ticks =
        move || list.with(|list| list.iter().map(|check| glyph(check.outcome)).collect_view());
    let figure = Memo::new(move |_| list.with(|list| score(list)));
    let spoken = Memo::new(move |_| {
        list.with(|list| {
            let of = |state: Glyph| list.iter().filter(|check| check.outcome == state).count();
            format!(
                "{} passing, {} failing, {} warning, {} to know, {} not known yet",
                of(Glyph::Pass),
                of(Glyph::Fail),
                of(Glyph::Warn),
                of(Glyph::Info),
                of(Glyph::Todo)
            )
        })
    });
    let line = move |check: Check| {
        let link = check.link.clone().map(|(label, group, route)| {
            let href = move || {
                Place {
                    group: group.clone().or_else(|| router.group()),
                    route: route.clone(),
                }
                .url()
            };
            view! { <a class="go" href=href>{label}</a> }
        });
        view! { <div class="issue">{glyph(check.outcome)}<div><b><span class="sr">{check.outcome.word()}": "</span>{check.title}</b><p>{check.text}</p>{link}</div></div> }.into_any()
    };
    // What fails comes first, what is merely good to know last.
    let shown = Memo::new(move |_| {
        let mut told: Vec<Check> = list.with(|list| {
            list.iter()
                .filter(|check| check.outcome != Glyph::Pass)
                .cloned()
                .collect()
        });
        let weight = |check: &Check| match check.outcome {
            Glyph::Fail => 0,
            Glyph::Warn => 1,
            Glyph::Todo => 2,
            _ => 3,
        };
        sort(&mut told, |a, b| weight(a).cmp(&weight(b)));
        told
    });
    let age_of = move || {
        roots.at.get().map(|at| {
            format!(
                "repositories compared {} ago",
                age((clock.seconds() - at).max(0.0))
            )
        })
    };
    let several = Memo::new(move |_| page.scope.with(Vec::len) > 1);
    view! {
        <section class="panel p-checks" aria-labelledby="h-ck">
            <header class="panel-head"><h2 id="h-ck">"Deployment checks"</h2>
                <div class="end"><Show when=move || several.get()><button type="button" class="link" on:click=move |_| roots.compare(page)>{move || if roots.busy.get() { "Comparing…" } else { "Check again" }}</button></Show></div>
            </header>
            <div class="pad score">
                <span class="fig">{move || figure.get().0}<small>" of "{move || figure.get().1}" pass"</small></span>
                <span class="ticks" role="img" aria-label=move || spoken.get()>{ticks}</span>
                <span class="why-not">{age_of}</span>
            </div>
            {move || shown.get().into_iter().map(line).collect_view()}
        </section>
    }
    .into_any()
}

/// What needs attention, longest first.
pub(crate) fn attention(page: Overview) -> AnyView {
    let list = Memo::new(move |_| page.groups.with(|groups| issues(groups, clock::wall())));
    let known = Memo::new(move |_| {
        page.groups
            .with(|groups| groups.iter().any(|group| !group.is_starting()))
    });
    let keys = move || {
        list.with(|list| {
            list.iter()
                .take(ISSUES)
                .map(|issue| issue.key.clone())
                .collect::<Vec<_>>()
        })
    };
    let none = move || list.with(Vec::is_empty);
    let more = move || list.with(Vec::len).saturating_sub(ISSUES);
    view! {
        <section class="panel p-attn grow" aria-labelledby="h-at">
            <header class="panel-head"><h2 id="h-at">"Needs attention"</h2><div class="end">"longest first"</div></header>
            <For each=keys key=String::clone children=move |key| issue_view(list, key)/>
            {move || none().then(|| if known.get() {
                view! { <div class="rule"><Empty title="Nothing needs you" text="Every server and node does what it should."/></div> }.into_any()
            } else {
                view! { <div class="rule"><crate::ui::Skeleton lines=3 name="Asking the servers"/></div> }.into_any()
            })}
            {move || Some(more()).filter(|more| *more > 0).map(|more| view! { <p class="issue ink2"><span></span>{format!("and {} more", counted(more, "thing"))}</p> })}
        </section>
    }
    .into_any()
}

fn issue_view(list: Memo<Vec<Issue>>, key: String) -> AnyView {
    let router = use_router();
    let issue = Memo::new(move |before: Option<&Option<Issue>>| {
        // The last words stay until the line is gone.
        list.with(|list| list.iter().find(|issue| issue.key == key).cloned())
            .or_else(|| before.cloned().flatten())
    });
    let text = Memo::new(move |_| {
        issue.with(|issue| {
            issue
                .as_ref()
                .map(|issue| issue.text.clone())
                .unwrap_or_default()
        })
    });
    let headline = Memo::new(move |_| {
        issue.with(|issue| issue.as_ref().map(Issue::headline).unwrap_or_default())
    });
    let state = Memo::new(move |_| {
        issue.with(|issue| issue.as_ref().map_or(Glyph::Info, |issue| issue.state))
    });
    let link = Memo::new(move |_| {
        issue.with(|issue| {
            issue.as_ref().and_then(|issue| {
                issue.link.clone().map(|(label, route)| {
                    (
                        label,
                        Place {
                            group: Some(issue.group.clone())
                                .filter(|_| matches!(route, crate::app::Route::Switch(_)))
                                .or_else(|| router.group()),
                            route,
                        }
                        .url(),
                    )
                })
            })
        })
    });
    view! {
        <div class="issue">{crate::ui::live_glyph(state.into())}<div><b><span class="sr">{move || state.get().word()}": "</span>{move || headline.get()}</b><p>{move || text.get()}</p>
            {move || link.get().map(|(label, href)| view! { <a class="go" href=href>{label}</a> })}</div></div>
    }
    .into_any()
}

/// The latest events of all groups, newest first.
pub(crate) fn events(page: Overview) -> AnyView {
    let router = use_router();
    let latest = Memo::new(move |_| {
        let mut all: Vec<(usize, Event)> = Vec::new();
        for index in page.scope.get() {
            page.deployment.groups[index].events.with(|events| {
                all.extend(
                    events
                        .iter()
                        .take(EVENTS)
                        .map(|event| (index, event.clone())),
                )
            });
        }
        sort(&mut all, |a, b| (b.1.at, b.1.id).cmp(&(a.1.at, a.1.id)));
        all.truncate(EVENTS);
        Arc::new(all)
    });
    let line = |(_, event): (usize, Event)| {
        let shape = severity_glyph(event.severity);
        view! { <div class="evline"><span class="muted">{time_of_day(event.at)}</span>{glyph(shape)}<span class="tx"><span class="sr">{shape.word()}": "</span><b class="strong">{event.subject}</b>" "{event.message}</span><span class="muted">{event.actor}</span></div> }.into_any()
    };
    view! {
        <section class="panel p-ev grow" aria-labelledby="h-ev">
            <header class="panel-head"><h2 id="h-ev">"Recent events"</h2><div class="end"><a href=move || router.href(Page::Events.route())>"All events"</a></div></header>
            <For each=move || latest.get().to_vec() key=|(group, event)| (*group, event.id) children=line/>
            {move || latest.with(|latest| latest.is_empty()).then(|| view! { <p class="pad rule ink2">"Nothing has happened yet. What the groups do stands here at once."</p> })}
        </section>
    }
    .into_any()
}
