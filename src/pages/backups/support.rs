//! A bundle for whoever helps.

use crate::reactive::{Callback, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::account::Role;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::Known;
use crate::deployment::trouble;
use crate::ui::{Button, Icon, Panel, use_toasts};

/// The panel.
pub(super) fn panel(known: Known) -> AnyView {
    let group = known.group;
    let toasts = use_toasts();
    let busy = RwSignal::new(None::<String>);
    let off = Signal::derive(move || group.write_off(Role::Admin));
    let press = Callback::new(move |()| {
        busy.set(Some("Gathering…".to_owned()));
        spawn_local(async move {
            let link = group.act(|client| async move {
                let link = client.support_link().await?;
                Ok([client.base(), &link.path].concat())
            });
            let link = link.await;
            let _ = busy.try_set(None);
            match link {
                // The server answers with an attachment: the page stays.
                Ok(url) => drop(window().location().set_href(&url)),
                Err(error) => toasts.trouble(&trouble("No bundle was made", &error)),
            }
        });
    });
    let head = move || {
        view! { <Button small=true icon=Icon::Download off=off busy=busy on_click=press>"Download a bundle"</Button> }.into_any()
    };
    let title = format!("Support bundle of {}", group.name);
    view! {
        <Panel title=title end=head>
            <p class="pad">"What the active server is and knows: configuration, versions, checks, nodes, recent events and switches, metrics, sizes and the last lines of its log. Passwords, tokens and keys are removed; names, addresses and what people wrote as reasons are not. Look into it before you pass it on."</p>
        </Panel>
    }
    .into_any()
}
