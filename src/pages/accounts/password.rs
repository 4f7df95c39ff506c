//! One's own password in a group.

use crate::reactive::{Callback, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::account::{PasswordChange, Role};
use leptos::prelude::*;

use super::form::{self, Sending, bad_password};
use super::{Known, View};
use crate::deployment::{renew, use_deployment};
use crate::ui::{Button, Panel, TextField, use_toasts};

/// The panel, and the form while the address says so.
pub(super) fn form(view: View, known: Known) -> AnyView {
    let group = known.group;
    let off = Signal::derive(move || group.write_off(Role::Viewer));
    let who = move || {
        known
            .me()
            .map(|me| format!("You are {me} in {}.", group.name))
    };
    view! {
        <Panel title=format!("Your password in {}", group.name)>
            <div class="pad choice-act">
                <span class="ink2">{who}</span>
                <Button off=off on_click=Callback::new(move |()| view.open(group, "password", None))>"Change password…"</Button>
            </div>
        </Panel>
        {move || view.shows(group, "password").then(|| change(view, known))}
    }
    .into_any()
}

fn change(view: View, known: Known) -> AnyView {
    let group = known.group;
    let deployment = use_deployment();
    let current = RwSignal::new(String::new());
    let (new, again) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let sending = Sending::new();
    let toasts = use_toasts();
    let off = Signal::derive(move || {
        group
            .write_off(Role::Viewer)
            .or_else(|| {
                current
                    .with(String::is_empty)
                    .then(|| "Give your present password.".to_owned())
            })
            .or_else(|| bad_password(&new.get(), &again.get()).map(str::to_owned))
    });
    let send = Callback::new(move |()| {
        let change = PasswordChange {
            current: current.get_untracked(),
            new: new.get_untracked(),
        };
        let work = async move {
            let change = &change;
            group
                .act(|client| async move { client.change_password(change).await })
                .await
        };
        sending.send(
            "The password was not changed".to_owned(),
            work,
            move |signed_in| {
                renew(deployment, group, signed_in);
                toasts.good(
                    "Password changed",
                    "All other sign-ins of yours have ended; tokens for programs go on.",
                );
                view.close().run(());
            },
        );
    });
    let fields = view! {
        <TextField label="Present password" kind="password" value=current autocomplete="current-password" limit=256 autofocus=true/>
        <TextField label="New password" kind="password" value=new autocomplete="new-password" limit=256/>
        <TextField label="New password again" kind="password" value=again autocomplete="new-password" limit=256/>
    };
    let title = format!("Your password in {}", group.name);
    form::drawer(
        form::Words {
            title,
            text: "12 characters at least. A few words are easier to keep than signs.",
            verb: "Change password",
        },
        sending,
        off,
        send,
        view.close(),
        fields.into_any(),
    )
}
