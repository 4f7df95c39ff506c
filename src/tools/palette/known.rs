//! What the palette knows: read from the live state once, when it opens, so that no line moves while one reads. Scripts come a moment later.

use std::sync::Arc;

use crate::reactive::RwSignal;
use gridhelm_api::account::Role;
use gridhelm_api::task::TaskState;
use leptos::task::spawn_local;

use super::entries::{Entry, GroupKnown, Known, NodeKnown, scripts as script_entries};
use crate::app::Router;
use crate::deployment::{Deployment, Group, node_word, role_word};
use crate::ui::format::{count, listed};

/// How many of a group's latest tasks are offered.
const TASKS: usize = 50;
/// A repository of more files is not read for the palette: its page searches it.
const FILES: u64 = 5_000;

/// What is known of the groups that one is signed in to.
pub(super) fn known(deployment: &'static Deployment, router: Router) -> Known {
    Known {
        groups: deployment
            .groups
            .iter()
            .filter(|group| group.signed_in())
            .map(of_group)
            .collect(),
        scope: router.group(),
        paused: deployment.paused.with(Option::is_some),
    }
}

fn of_group(group: &'static Group) -> GroupKnown {
    let server = |server: &crate::deployment::Server| {
        let role = server.status.with(|status| {
            status
                .as_ref()
                .map_or("no answer", |status| role_word(status.role))
        });
        (server.name.clone(), role)
    };
    let node = |row: &crate::deployment::Entry<gridhelm_api::node::Node>| {
        row.item.with_untracked(|node| NodeKnown {
            name: node.name.clone(),
            state: node_word(node).to_lowercase(),
            intent: node.intent,
        })
    };
    let task = |row: &crate::deployment::Entry<gridhelm_api::task::Task>| {
        row.item
            .with_untracked(|task| (task.id.clone(), task.title.clone(), word(task.state)))
    };
    GroupKnown {
        name: group.name.clone(),
        servers: group.servers.iter().map(server).collect(),
        active: group.active().map(|server| server.name.clone()),
        nodes: group.nodes.rows().iter().map(node).collect(),
        tasks: group.tasks.rows().iter().take(TASKS).map(task).collect(),
        no_operator: group.write_off(Role::Operator),
        no_admin: group.write_off(Role::Admin),
    }
}

const fn word(state: TaskState) -> &'static str {
    match state {
        TaskState::Queued => "queued",
        TaskState::Running => "running",
        TaskState::Succeeded => "succeeded",
        TaskState::Failed => "failed",
        TaskState::Cancelled => "cancelled",
        TaskState::Uncertain => "uncertain",
    }
}

/// Asks each group for its scripts and adds them as they come. Answers what is left out, and why.
pub(super) fn scripts(
    deployment: &'static Deployment,
    known: &Known,
    all: RwSignal<Arc<Vec<Entry>>>,
) -> RwSignal<Option<String>> {
    let several = known.groups.len() > 1;
    let mut large = Vec::new();
    for group in &known.groups {
        let Some(group) = deployment.group(&group.name) else {
            continue;
        };
        let files = group.stats.with_untracked(|stats| stats.files);
        if files > FILES {
            large.push(format!("{} ({} files)", group.name, count(files)));
            continue;
        }
        spawn_local(async move {
            // A list that does not come leaves the rest as it is; the repository's page tells why.
            let Ok(found) = group
                .act(|client| async move { client.files(None).await })
                .await
            else {
                return;
            };
            let paths: Vec<String> = found
                .iter()
                .filter(|file| is_script(&file.id.name))
                .map(|file| file.id.path())
                .collect();
            let more = script_entries(&group.name, several, &paths);
            let _ = all.try_update(|all| Arc::make_mut(all).extend(more));
        });
    }
    RwSignal::new((!large.is_empty()).then(|| {
        format!(
            "Scripts of {} are not looked through here; search them in Repository.",
            listed(&large)
        )
    }))
}

/// Whether R can run it, by its name.
fn is_script(name: &str) -> bool {
    name.ends_with(".R") || name.ends_with(".r")
}
