//! Signing in: a name, a password, and the groups that the password goes to. It goes to no other.

use crate::reactive::{Callback, RwSignal, Signal};
use crate::ui::view;
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsCast;

use crate::deployment::{sign_in, trouble, use_deployment};
use crate::ui::format::{counted, listed};
use crate::ui::{Button, CheckField, ErrorBox, TextField, Trouble, Weight, logo};

/// The page that stands in front of everything while nobody is signed in anywhere.
#[component]
pub fn Page() -> AnyView {
    let deployment = use_deployment();
    document().set_title("Sign in · Gridhelm");
    request_animation_frame(|| {
        let first = document().query_selector(".sign-in input").ok().flatten();
        if let Some(first) = first.and_then(|first| first.dyn_into::<web_sys::HtmlElement>().ok()) {
            let _ = first.focus();
        }
    });
    view! {
        <main class="sign-in" id="main">
            <section class="panel" aria-labelledby="page-title">
                <header>
                    {logo()}
                    <div><h1 id="page-title" tabindex="-1">"Sign in to "{deployment.name.as_str()}</h1><p>{subtitle(&deployment.label, deployment.groups.len())}</p></div>
                </header>
                <Form on_done=Callback::new(|()| {})/>
            </section>
        </main>
    }
    .into_any()
}

fn subtitle(label: &str, groups: usize) -> String {
    if label.is_empty() {
        counted(groups, "group")
    } else {
        label.to_owned()
    }
}

/// Name, password and groups. Also shown in the account menu, for groups that are left.
#[component]
pub fn Form(
    /// Called when every group that was asked for let the person in.
    on_done: Callback<()>,
) -> AnyView {
    let deployment = use_deployment();
    let open: Vec<_> = deployment
        .groups
        .iter()
        .filter(|group| untrack(|| !group.signed_in()))
        .collect();
    let (name, password) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let chosen = RwSignal::new(
        open.iter()
            .map(|group| group.name.clone())
            .collect::<Vec<_>>(),
    );
    let faults = RwSignal::new(Vec::<Trouble>::new());
    let busy = RwSignal::new(None::<String>);

    let send = move || {
        if busy.with_untracked(Option::is_some) {
            return;
        }
        let (username, secret) = (
            name.get_untracked().trim().to_owned(),
            password.get_untracked(),
        );
        let groups: Vec<_> = chosen
            .get_untracked()
            .iter()
            .filter_map(|name| deployment.group(name))
            .collect();
        let fault = if username.is_empty() || secret.is_empty() {
            Some("Give a name and a password.")
        } else if groups.is_empty() {
            Some("Choose at least one group.")
        } else {
            None
        };
        if let Some(fault) = fault {
            faults.set(vec![Trouble {
                title: "Not signed in".to_owned(),
                detail: fault.to_owned(),
                ..Trouble::default()
            }]);
            return;
        }
        busy.set(Some("Signing in…".to_owned()));
        faults.set(Vec::new());
        spawn_local(async move {
            let mut troubles = Vec::new();
            for group in groups {
                if let Err(error) = sign_in(deployment, group, &username, &secret).await {
                    troubles.push(trouble(&format!("Not signed in to {}", group.name), &error));
                }
            }
            // The form may be gone by now: the first group that let the person in took it away.
            let done = troubles.is_empty();
            let _ = busy.try_set(None);
            let _ = faults.try_set(troubles);
            let _ = password.try_set(String::new());
            if done {
                // So may be what waits for this.
                on_done.try_run(());
            }
        });
    };

    let group_box = move |group: String| {
        let (own, label) = (group.clone(), group.clone());
        let on = Signal::derive(move || chosen.with(|chosen| chosen.contains(&own)));
        let change = Callback::new(move |on: bool| {
            chosen.update(|chosen| {
                chosen.retain(|name| *name != group);
                if on {
                    chosen.push(group.clone());
                }
            });
        });
        let servers = deployment
            .group(&label)
            .map(|group| {
                listed(
                    &group
                        .servers
                        .iter()
                        .map(|server| server.name.clone())
                        .collect::<Vec<_>>(),
                )
            })
            .unwrap_or_default();
        view! { <CheckField label=label text=servers on=on on_change=change/> }
    };
    let groups = (deployment.groups.len() > 1).then(|| {
        view! {
            <fieldset class="groups">
                <legend>"Groups"</legend>
                {open.iter().map(|group| group_box(group.name.clone())).collect_view()}
                <p class="hint">"The password goes to the servers of these groups, and to no other."</p>
            </fieldset>
        }
    });
    view! {
        <form class="sign-in-form" on:submit=move |event| { event.prevent_default(); send(); }>
            <TextField label="User" value=name autocomplete="username" autofocus=true limit=64/>
            <TextField label="Password" value=password kind="password" autocomplete="current-password" limit=256/>
            {groups}
            {move || faults.get().into_iter().map(|trouble| view! { <ErrorBox trouble=trouble/> }).collect_view()}
            <Button weight=Weight::Primary submit=true busy=busy>"Sign in"</Button>
        </form>
    }
    .into_any()
}
