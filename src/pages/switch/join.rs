//! Adding a server to a group: a token that works once, the command that uses it, and the tokens there are.

use crate::reactive::{Callback, Effect, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::account::Role;
use gridhelm_api::join::{JoinToken, JoinTokenDraft, JoinTokenState};
use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::deployment::{Group, trouble};
use crate::ui::{
    Button, Drawer, ErrorBox, Glyph, Tag, Trouble, Weight, moment, next_id, use_toasts,
};

/// How long a token is good for, seconds.
const GOOD_FOR_S: u32 = 3_600;

/// The card and, while it is open, its drawer.
pub(super) fn card(group: &'static Group) -> AnyView {
    let open = RwSignal::new(false);
    let off = Signal::derive(move || group.write_off(Role::Admin));
    let why = next_id("why");
    let drawer = move || open.get().then(|| drawer(group, open));
    view! {
        <section class="panel choice" aria-labelledby="h-join">
            <h3 id="h-join">"Another server"</h3>
            <p class="muted">"A group can have more than one standby. A new server joins by a token that works once."</p>
            <div class="choice-act">
                <Button small=true off=off reason_at=why.clone() on_click=Callback::new(move |()| open.set(true))>"Add a server…"</Button>
                <span class="why-not" id=why>{move || off.get()}</span>
            </div>
        </section>
        {drawer}
    }
    .into_any()
}

fn drawer(group: &'static Group, open: RwSignal<bool>) -> AnyView {
    let tokens = RwSignal::new(Vec::<JoinToken>::new());
    let command = RwSignal::new(None::<String>);
    let fault = RwSignal::new(None::<Trouble>);
    let busy = RwSignal::new(None::<String>);
    let read = move || {
        spawn_local(async move {
            match group
                .act(|client| async move { client.join_tokens().await })
                .await
            {
                Ok(list) => drop(tokens.try_set(list)),
                Err(error) => {
                    let told = trouble("The join tokens cannot be read", &error);
                    let _ = fault.try_set(Some(told));
                }
            }
        });
    };
    Effect::new(move |_| read());
    let make = Callback::new(move |()| {
        busy.set(Some("Making…".to_owned()));
        fault.set(None);
        spawn_local(async move {
            let draft = JoinTokenDraft {
                expires_in_s: GOOD_FOR_S,
            };
            let made = group
                .act(|client| {
                    let draft = draft.clone();
                    async move { client.make_join_token(&draft).await }
                })
                .await;
            let _ = busy.try_set(None);
            match made {
                Ok(made) => drop(command.try_set(Some(made.command))),
                Err(error) => {
                    let _ = fault.try_set(Some(trouble("No join token was made", &error)));
                }
            }
            read();
        });
    });
    let revoke = Callback::new(move |id: String| {
        fault.set(None);
        spawn_local(async move {
            let done = group
                .act(|client| {
                    let id = id.clone();
                    async move { client.revoke_join_token(&id).await }
                })
                .await;
            if let Err(error) = done {
                let _ = fault.try_set(Some(trouble("The join token was not revoked", &error)));
            }
            read();
        });
    });
    let shown = move || {
        command.get().map(|text| {
            let copied = text.clone();
            let toasts = use_toasts();
            let copy = Callback::new(move |()| {
                // Browsers copy for pages of a secure origin only; elsewhere the text is selected by hand.
                let _ = window().navigator().clipboard().write_text(&copied);
                toasts.good("Copied".to_owned(), "Run it on the new server's host.".to_owned());
            });
            let copy = window().is_secure_context().then(|| view! { <Button small=true on_click=copy>"Copy the command"</Button> });
            view! {
                <p>"Run this on the new server's host. It is shown this once."</p>
                <div class="join-command mono" tabindex="0" role="region" aria-label="Command that adds a server">{text}</div>
                <p class="muted">"It writes the server's configuration; who has the token can open the group's database. Behind another address than this one, change --server."</p>
                <div class="choice-act">{copy}</div>
            }
        })
    };
    let list = move || {
        let row = |token: JoinToken| {
            let id = token.id.clone();
            let (shape, words) = standing(&token);
            let take_back = (token.state == JoinTokenState::Open).then(|| {
                let name = format!("Revoke {id}");
                view! { <Button small=true name=name on_click=Callback::new(move |()| revoke.run(id.clone()))>"Revoke"</Button> }
            });
            view! { <li><Tag state=shape shape=true>{words}</Tag><span class="mono">{token.id}</span><span class="muted">{format!("by {}, {}", token.made_by, moment(token.made_at))}</span>{take_back}</li> }
        };
        tokens.get().into_iter().map(row).collect_view()
    };
    let footer = move || {
        view! { <span class="grow muted">"Good for one server, within an hour."</span><Button weight=Weight::Primary busy=busy on_click=make>"Make a token"</Button> }
    };
    let close = Callback::new(move |()| open.set(false));
    view! {
        <Drawer title=format!("Add a server to {}", group.name) text="On SQLite it runs on the same host; on PostgreSQL anywhere that reaches database and nodes." on_close=close footer=footer>
            {move || fault.get().map(|trouble| view! { <ErrorBox trouble=trouble/> })}
            {shown}
            <ul class="join-tokens" aria-label="Join tokens">{list}</ul>
        </Drawer>
    }
    .into_any()
}

/// A token's state, with its shape.
fn standing(token: &JoinToken) -> (Glyph, String) {
    match token.state {
        JoinTokenState::Open => (
            Glyph::Now,
            format!("open until {}", moment(token.expires_at)),
        ),
        JoinTokenState::Used => (
            Glyph::Pass,
            format!("{} joined", token.used_by.as_deref().unwrap_or("a server")),
        ),
        JoinTokenState::Revoked => (Glyph::Missing, "revoked".to_owned()),
        JoinTokenState::Expired => (Glyph::Todo, "expired".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tokens_state_is_told_in_words() {
        let token = JoinToken {
            id: "j-1".to_owned(),
            made_by: "admin".to_owned(),
            made_at: 0,
            expires_at: 1,
            state: JoinTokenState::Used,
            used_by: Some("east-3".to_owned()),
            used_at: Some(1),
            revoked_by: None,
        };
        assert_eq!(standing(&token).1, "east-3 joined");
        let revoked = JoinToken {
            state: JoinTokenState::Revoked,
            ..token
        };
        assert_eq!(standing(&revoked).1, "revoked");
    }
}
