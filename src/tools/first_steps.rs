//! The first steps of a new group: a short list on the overview, ticked by the state itself, closed when it is not wanted.

use crate::reactive::{Callback, Memo, RwSignal};
use crate::ui::view;
use gridhelm_api::account::{Account, Role};
use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::app::route::{AccountsView, GridView, RepositoryView, Route};
use crate::app::{Place, use_router};
use crate::deployment::{Group, use_deployment};
use crate::pages::overview::guide::{self, Kept};
use crate::ui::{Button, ButtonLink, Glyph, Weight, live_glyph};

/// What is known of a group's beginnings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Begun {
    nodes: usize,
    files: u64,
    /// How many admins may sign in; none when only admins are told and this person is none.
    admins: Option<usize>,
}

/// A step: whether it is done, its name, what it is for, what its button says and why that is off.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    done: bool,
    title: &'static str,
    text: String,
    verb: &'static str,
    off: Option<String>,
    route: Route,
}

/// The steps of a group, in the order in which they make sense.
fn steps(
    group: &str,
    begun: Begun,
    no_operator: Option<String>,
    no_admin: Option<String>,
) -> Vec<Step> {
    vec![
        Step {
            done: begun.nodes > 0,
            title: "Register a node",
            text: "A host on which Rserve runs. It is tested before it is saved, and its slots take tasks at once.".to_owned(),
            verb: "Register node",
            off: no_operator.clone(),
            route: Route::Grid(GridView {
                panel: Some("register".to_owned()),
                ..GridView::default()
            }),
        },
        Step {
            done: begun.files > 0,
            title: "Put a script into the repository",
            text: "Write one here, upload a folder, or replicate another group's files. Applications call it by its path.".to_owned(),
            verb: "Write a file",
            off: no_operator,
            route: Route::Repository(RepositoryView {
                panel: Some("new".to_owned()),
                ..RepositoryView::default()
            }),
        },
        Step {
            done: begun.admins.is_some_and(|admins| admins > 1),
            title: "Make a second admin",
            text: if begun.admins.is_none() {
                "So that a lost password locks nobody out. Only admins see who there is.".to_owned()
            } else {
                "So that a lost password locks nobody out, and each act has one person's name.".to_owned()
            },
            verb: "New account",
            off: no_admin,
            route: Route::Accounts(AccountsView {
                panel: Some("new".to_owned()),
                of: Some(group.to_owned()),
                user: None,
            }),
        },
    ]
}

/// How many accounts may do all and may sign in.
fn admins(accounts: &[Account]) -> usize {
    let may = |account: &&Account| account.role == Role::Admin && !account.disabled;
    accounts.iter().filter(may).count()
}

/// The lists of the groups that are new, on the overview.
#[component]
pub fn FirstSteps() -> AnyView {
    let (deployment, router) = (use_deployment(), use_router());
    let scope = router.select(|place| place.group.clone());
    let all = move || {
        deployment
            .in_scope(scope.get().as_deref())
            .into_iter()
            .map(of_group)
            .collect_view()
    };
    view! { {all} }.into_any()
}

fn of_group(group: &'static Group) -> AnyView {
    let kept = RwSignal::new(guide::kept(&group.name));
    let known = RwSignal::new(None::<usize>);
    let open = Memo::new(move |_| guide::wanted(group, kept.get()));
    crate::reactive::Effect::new(move |_| {
        if !open.get() {
            return;
        }
        // Once shown it stays, over reloads too, until all is done or it is closed.
        guide::keep(&group.name, Kept::Open);
        if group.write_off(Role::Admin).is_none() {
            spawn_local(async move {
                let answer = group
                    .act(|client| async move { client.users().await })
                    .await;
                if let Ok(accounts) = answer {
                    let _ = known.try_set(Some(admins(&accounts)));
                }
            });
        }
    });
    let list = Memo::new(move |_| {
        let begun = Begun {
            nodes: group.nodes.len(),
            files: group.stats.with(|stats| stats.files),
            admins: known.get(),
        };
        let (operator, admin) = (
            group.write_off(Role::Operator),
            group.write_off(Role::Admin),
        );
        steps(&group.name, begun, operator, admin)
    });
    let close = Callback::new(move |()| {
        guide::keep(&group.name, Kept::Closed);
        kept.set(Kept::Closed);
    });
    let count = move || list.with(|list| list.iter().filter(|step| step.done).count());
    let row = move |index: usize| {
        let step = Memo::new(move |_| list.with(|list| list[index].clone()));
        let shape = Memo::new(move |_| {
            if step.with(|step| step.done) {
                Glyph::Pass
            } else {
                Glyph::Todo
            }
        });
        let act = move || {
            let Step {
                done,
                verb,
                off,
                route,
                ..
            } = step.get();
            if done {
                return view! { <span class="muted">"Done"</span> }.into_any();
            }
            let url = Place {
                group: Some(group.name.clone()),
                route,
            }
            .url();
            match off {
                Some(why) => view! { <span class="acts"><Button small=true off=Some(why)>{verb}</Button></span> }.into_any(),
                None => view! { <ButtonLink small=true href=url>{verb}</ButtonLink> }.into_any(),
            }
        };
        view! {
            <li>{live_glyph(shape.into())}<div class="grow"><b><span class="sr">{move || shape.get().word()}": "</span>{step.with_untracked(|step| step.title)}</b><p>{move || step.with(|step| step.text.clone())}</p></div>{act}</li>
        }
        .into_any()
    };
    let content = move || {
        open.get().then(|| untrack(|| {
            let all_done = move || (count() == 3).then(|| view! { <p class="pad rule ink2">"All done. This list does not come back."</p> });
            view! {
                <section class="panel first-steps" aria-label=format!("First steps of {}", group.name)>
                    <header class="panel-head"><h2>{format!("First steps of {}", group.name)}</h2><div class="end"><span>{move || count()}" of 3 done"</span><Button weight=Weight::Ghost small=true on_click=close>"Close the list"</Button></div></header>
                    <ol>{[row(0), row(1), row(2)]}</ol>
                    {all_done}
                </section>
            }
        }))
    };
    view! { {content} }.into_any()
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn done(begun: Begun) -> Vec<bool> {
        let steps = steps("east", begun, None, None);
        steps.into_iter().map(|step| step.done).collect()
    }

    #[test]
    fn what_is_there_is_done() {
        assert_eq!(done(Begun::default()), [false, false, false]);
        let begun = Begun {
            nodes: 2,
            files: 1,
            admins: Some(1),
        };
        assert_eq!(done(begun), [true, true, false]);
        let begun = Begun {
            admins: Some(2),
            ..begun
        };
        assert_eq!(done(begun), [true, true, true]);
    }

    #[test]
    fn a_step_that_the_role_forbids_says_so() {
        let steps = steps(
            "east",
            Begun::default(),
            Some("takes an operator".to_owned()),
            Some("takes an admin".to_owned()),
        );
        let off: Vec<_> = steps
            .iter()
            .map(|step| step.off.as_deref().unwrap())
            .collect();
        assert_eq!(
            off,
            ["takes an operator", "takes an operator", "takes an admin"]
        );
    }
}
