//! The form that installs packages on a node.

use crate::reactive::{Callback, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::account::Role;
use gridhelm_api::packages::PackageInstall;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::{Known, words};
use crate::deployment::trouble;
use crate::ui::{
    Button, CheckField, Drawer, ErrorBox, Hint, TextField, Trouble, Weight, next_id, use_toasts,
};

/// The drawer.
pub(super) fn drawer(known: Known, node: String, close: Callback<()>) -> AnyView {
    let names = RwSignal::new(String::new());
    let outdated = RwSignal::new(false);
    let reason = RwSignal::new(String::new());
    let timeout = RwSignal::new("1800".to_owned());
    let busy = RwSignal::new(None::<String>);
    let fault = RwSignal::new(None::<Trouble>);
    let toasts = use_toasts();
    let order = move || PackageInstall {
        names: if outdated.get() {
            Vec::new()
        } else {
            names.with(|text| words::names(text))
        },
        outdated: outdated.get(),
        reason: reason.get(),
        timeout_s: timeout.with(|text| text.trim().parse().unwrap_or(0)),
    };
    let off = Signal::derive(move || {
        known.group.write_off(Role::Operator).or_else(|| {
            let first = order().check().into_iter().next();
            first.map(|error| error.message)
        })
    });
    let title = format!("Install on {node}");
    let send = Callback::new(move |()| {
        let (node, order) = (node.clone(), untrack(order));
        busy.set(Some("Looking at the node…".to_owned()));
        fault.set(None);
        spawn_local(async move {
            let (group, on, what) = (known.group, node.as_str(), &order);
            let done = group
                .act(|client| async move { client.install_packages(on, what).await })
                .await;
            let _ = busy.try_set(None);
            match done {
                Ok(task) => {
                    let text = format!("{} shows what R says.", task.id);
                    toasts.good(task.title, text);
                    known.look();
                    close.run(());
                }
                Err(error) => {
                    let told = trouble(&format!("Nothing was installed on {node}"), &error);
                    let _ = fault.try_set(Some(told));
                }
            }
        });
    });
    let why = next_id("why");
    let footer = move || {
        let why = why.clone();
        view! {
            <span class="why-not grow" id=why.clone() aria-live="polite">{move || off.get()}</span>
            <Button on_click=close>"Cancel"</Button>
            <Button weight=Weight::Primary off=off reason_at=why busy=busy on_click=send>"Install"</Button>
        }
    };
    let hint = Hint::Plain("Names, with commas or spaces between them".to_owned());
    let field = move || {
        let hint = hint.clone();
        (!outdated.get()).then(|| view! { <TextField label="Packages" value=names mono=true placeholder="jsonlite, data.table" limit=4000 hint=hint/> })
    };
    view! {
        <Drawer title=title text="From the repositories that the node itself has set, as a task on it. Its slot is taken as long as it lasts." on_close=close footer=footer>
            {move || fault.get().map(|trouble| view! { <ErrorBox trouble=trouble/> })}
            <CheckField label="Update what is outdated" text="Whatever has a newer version in the repositories" on=outdated on_change=Callback::new(move |on| outdated.set(on))/>
            {field}
            <TextField label="Reason, goes to the audit log" value=reason/>
            <TextField label="Time-out, seconds" value=timeout limit=5/>
        </Drawer>
    }
    .into_any()
}
