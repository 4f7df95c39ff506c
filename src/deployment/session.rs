//! Tokens: one for each group, kept in this tab's session storage, handed to a new tab by its siblings, never in a cookie.

use std::collections::BTreeMap;

use gridhelm_api::account::{Role, SignIn, SignedIn};
use gridhelm_client::{Client, Error, Token};
use leptos::prelude::*;
use leptos::task::spawn_local;
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;

use super::connection;
use super::state::{Deployment, Group, Session};

/// A session as it is stored and handed over.
#[derive(Clone, Serialize, Deserialize)]
struct Stored {
    token: String,
    username: String,
    role: Role,
    expires_at: i64,
}

/// What tabs of one console say to each other.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    /// A new tab asks.
    Ask,
    /// A tab that is signed in answers, by group.
    Have(BTreeMap<String, Stored>),
}

/// Name of the storage key and of the channel: two consoles under two paths of one origin stay apart.
fn place() -> String {
    let path = window().location().pathname().unwrap_or_default();
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    ["gridhelm.sessions", folder].concat()
}

fn storage() -> Option<web_sys::Storage> {
    window().session_storage().ok().flatten()
}

fn store(deployment: &'static Deployment) {
    let text = serde_json::to_string(&present(deployment)).unwrap_or_default();
    if let Some(storage) = storage() {
        // A browser that keeps nothing still works; a reload then asks to sign in again.
        let _ = storage.set_item(&place(), &text);
    }
}

fn present(deployment: &'static Deployment) -> BTreeMap<String, Stored> {
    let stored = |group: &Group| {
        let session = group.session.get_untracked()?;
        Some((
            group.name.clone(),
            Stored {
                token: session.token.secret().to_owned(),
                username: session.username,
                role: session.role,
                expires_at: session.expires_at,
            },
        ))
    };
    deployment.groups.iter().filter_map(stored).collect()
}

/// Takes over sessions of groups that nobody is signed in to yet.
fn adopt(deployment: &'static Deployment, sessions: BTreeMap<String, Stored>) {
    for (name, stored) in sessions {
        #[allow(clippy::cast_precision_loss)]
        let over = stored.expires_at as f64 <= crate::ui::clock::wall();
        if let Some(group) = deployment
            .group(&name)
            .filter(|group| !over && !group.session.with_untracked(Option::is_some))
        {
            begin(
                deployment,
                group,
                Session {
                    token: Token::new(stored.token),
                    username: stored.username,
                    role: stored.role,
                    expires_at: stored.expires_at,
                },
            );
        }
    }
}

fn begin(deployment: &'static Deployment, group: &'static Group, session: Session) {
    group.session.set(Some(session));
    connection::connect(deployment, group);
}

/// Brings back the sessions of this tab, and asks the other tabs for theirs.
pub(super) fn restore(deployment: &'static Deployment) {
    let kept = storage().and_then(|storage| storage.get_item(&place()).ok().flatten());
    if let Some(sessions) = kept.and_then(|text| gridhelm_client::read(&text).ok()) {
        adopt(deployment, sessions);
    }
    let Ok(channel) = web_sys::BroadcastChannel::new(&place()) else {
        return;
    };
    let answer = channel.clone();
    let hear =
        Closure::<dyn FnMut(web_sys::MessageEvent)>::new(move |event: web_sys::MessageEvent| {
            match event
                .data()
                .as_string()
                .and_then(|text| gridhelm_client::read(&text).ok())
            {
                Some(Word::Ask) => {
                    let have = present(deployment);
                    if !have.is_empty() {
                        say(&answer, &Word::Have(have));
                    }
                }
                Some(Word::Have(sessions)) => {
                    adopt(deployment, sessions);
                    store(deployment);
                }
                None => {}
            }
        });
    channel.set_onmessage(Some(hear.as_ref().unchecked_ref()));
    hear.forget();
    say(&channel, &Word::Ask);
}

fn say(channel: &web_sys::BroadcastChannel, word: &Word) {
    if let Ok(text) = serde_json::to_string(word) {
        let _ = channel.post_message(&JsValue::from_str(&text));
    }
}

/// Takes a new sign-in in place of the present one.
pub fn renew(deployment: &'static Deployment, group: &'static Group, signed_in: SignedIn) {
    let session = Session {
        token: Token::new(signed_in.token),
        username: signed_in.user.username,
        role: signed_in.user.role,
        expires_at: signed_in.expires_at,
    };
    begin(deployment, group, session);
    store(deployment);
}

/// Signs in to one group, at the first of its servers that answers. The password goes to that group alone.
pub async fn sign_in(
    deployment: &'static Deployment,
    group: &'static Group,
    username: &str,
    password: &str,
) -> Result<(), Error> {
    let word = SignIn {
        username: username.to_owned(),
        password: password.to_owned(),
    };
    let mut last = None;
    for server in &group.servers {
        match Client::new(server.url.as_str()).sign_in(&word).await {
            Ok(signed_in) => {
                renew(deployment, group, signed_in);
                return Ok(());
            }
            Err(error) if error.try_another() => last = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(last.unwrap_or_else(|| Error::Network {
        url: group.name.clone(),
        detail: "the group has no server".to_owned(),
    }))
}

/// Ends the session of a group in this tab: its token was refused, or is given back.
pub(super) fn end(group: &'static Group) {
    group.session.set(None);
    connection::disconnect(group);
    store(super::use_deployment_now());
}

/// Signs out of every group, here and at the servers.
pub fn sign_out(deployment: &'static Deployment) {
    for group in deployment
        .groups
        .iter()
        .filter(|group| group.session.with_untracked(Option::is_some))
    {
        let client = group.client();
        spawn_local(async move {
            // The token ends by itself if the server cannot be told now.
            let _ = client.sign_out().await;
        });
        end(group);
    }
}
