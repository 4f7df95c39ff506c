//! The deployment: which groups and servers there are, tokens, and the live state. The one part of the console that touches the network.

mod apply;
mod backoff;
mod config;
mod connection;
mod keyed;
mod session;
mod state;
mod tally;
mod trouble;

use std::cell::Cell;
use std::future::Future;

use crate::reactive::ArcRwSignal;
use gridhelm_client::{Client, Error};
use leptos::prelude::*;
use wasm_bindgen::JsCast;

pub use keyed::{Entry, Keyed, natural};
pub use session::{renew, sign_in, sign_out};
pub use state::{Connection, Deployment, Group, Server, Session};
pub use tally::{NODE_STATES, SLOT_STATES, Tally, node_state, node_word, role_word, slot_glyph};
pub use trouble::trouble;

thread_local! {
    static PRESENT: Cell<Option<&'static Deployment>> = const { Cell::new(None) };
}

/// The deployment. Only views inside the shell may ask: there it is known.
pub fn use_deployment() -> &'static Deployment {
    use_deployment_now()
}

fn use_deployment_now() -> &'static Deployment {
    PRESENT.get().unwrap_or_else(|| {
        // Never on screen: the shell mounts its pages after the deployment is there.
        let empty: &'static Deployment =
            Box::leak(Box::new(build(gridhelm_api::deployment::Deployment {
                name: String::new(),
                label: String::new(),
                load_balancer: None,
                groups: Vec::new(),
            })));
        PRESENT.set(Some(empty));
        empty
    })
}

/// Finds out which servers there are, and connects to those groups that this tab, or a sibling, is signed in to.
pub async fn start() -> Result<&'static Deployment, String> {
    let base = document().base_uri().ok().flatten().unwrap_or_default();
    let folder = base
        .split(['?', '#'])
        .next()
        .and_then(|page| page.rsplit_once('/'))
        .map_or("", |(folder, _)| folder)
        .to_owned();
    let origin = window().location().origin().unwrap_or_default();
    let raw = config::load(&folder, &origin).await?;
    narrow(&config::policy(&raw));
    // Made once and kept as long as the page: every view may hold it without counting.
    let deployment: &'static Deployment = Box::leak(Box::new(build(raw)));
    PRESENT.set(Some(deployment));
    session::restore(deployment);
    connection::measure(deployment);
    Ok(deployment)
}

/// The live state of a deployment, before anything is known of it.
fn build(raw: gridhelm_api::deployment::Deployment) -> Deployment {
    let server = |entry: gridhelm_api::deployment::ServerEntry| Server::new(entry.name, entry.url);
    let group = |entry: gridhelm_api::deployment::GroupEntry| {
        Group::new(entry.name, entry.servers.into_iter().map(server).collect())
    };
    Deployment {
        name: raw.name,
        label: raw.label,
        load_balancer: raw.load_balancer,
        groups: raw.groups.into_iter().map(group).collect(),
        paused: ArcRwSignal::new(None),
    }
}

/// Adds a policy to the page: from now on it can reach these servers alone.
fn narrow(policy: &str) {
    if let (Some(head), Ok(meta)) = (document().head(), document().create_element("meta")) {
        let set = meta
            .set_attribute("http-equiv", "Content-Security-Policy")
            .and_then(|()| meta.set_attribute("content", policy));
        if set.is_err()
            || head
                .unchecked_into::<web_sys::Node>()
                .append_child(&meta)
                .is_err()
        {
            leptos::logging::warn!(
                "the page's policy could not be narrowed to the deployment's servers"
            );
        }
    }
}

impl Deployment {
    /// Holds changes back, so that the screen stands still; or lets them come again.
    pub fn pause(&'static self, on: bool) {
        connection::pause(self, on);
    }
}

/// Commands that read this path of the API from these groups: one a line.
pub fn as_curl(groups: &[&'static Group], path: &str) -> String {
    let origin = window().location().origin().unwrap_or_default();
    let lines: Vec<_> = groups
        .iter()
        .map(|group| group.client().as_curl(&origin, path))
        .collect();
    lines.join("\n")
}

impl Group {
    /// Does something at the server that should take it: the active one, or a live one that relays. A server that says it is not the active
    /// one has done nothing, so the next is asked. A refused token ends the session of this group.
    pub async fn act<T, F: Future<Output = Result<T, Error>>>(
        &'static self,
        what: impl Fn(Client) -> F,
    ) -> Result<T, Error> {
        let first = self.best_server().map(|server| server.name.as_str());
        let others = self
            .servers
            .iter()
            .filter(|server| Some(server.name.as_str()) != first && untrack(|| server.is_live()));
        let mut outcome = what(self.client()).await;
        for server in others {
            match &outcome {
                Err(Error::Problem(problem))
                    if matches!(
                        problem.code,
                        gridhelm_api::Code::NotActive | gridhelm_api::Code::Fenced
                    ) =>
                {
                    outcome = what(self.client_of(server)).await;
                }
                _ => break,
            }
        }
        if let Err(error) = &outcome
            && error.ends_token()
        {
            session::end(self);
        }
        outcome
    }

    /// Tries to reach one of its servers now instead of when the wait is over.
    pub fn try_now(&'static self, server: usize) {
        if self.session.with_untracked(Option::is_some) && server < self.servers.len() {
            connection::open(use_deployment_now(), self, server);
        }
    }
}
