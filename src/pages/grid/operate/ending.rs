//! Ends the R session that a task runs in, or all sessions of a node, for a reason that is told to everyone.

use std::sync::Arc;

use crate::reactive::{Callback, RwSignal};
use crate::ui::view;
use gridhelm_api::node::{Node, OBJECT_NAMES};
use gridhelm_api::session::{
    MAX_ENDED, NodeSession, SessionEnded, SessionId, SessionKind, SessionsEnd,
};
use gridhelm_client::Error;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::super::select::Grid;
use crate::deployment::{Group, trouble};
use crate::ui::format::{count, counted};
use crate::ui::{Confirm, ErrorBox, Trouble, use_toasts};

/// The tasks in a node's slots: of one slot, counted from 1, or of all.
pub(super) fn tasks_in(node: &Node, slot: Option<usize>) -> Vec<String> {
    let wanted = |index: usize| slot.is_none_or(|slot| slot == index + 1);
    let slots = node.slots.iter().enumerate();
    slots
        .filter(|(index, _)| wanted(*index))
        .filter_map(|(_, slot)| slot.task.clone())
        .filter(|task| task != OBJECT_NAMES)
        .collect()
}

/// The sessions of a node that nobody uses and that bear a mark of this group.
fn left_over(all: &[NodeSession], node: &str) -> Vec<SessionId> {
    all.iter()
        .filter(|session| session.node == node)
        .filter(|session| matches!(session.kind, SessionKind::Zombie | SessionKind::Abandoned))
        .map(|session| SessionId {
            pid: session.pid,
            start: session.start,
        })
        .collect()
}

/// The requests that end all of these: none of them is longer than one may be.
fn orders(sessions: &[SessionId], tasks: &[String], reason: &str) -> Vec<SessionsEnd> {
    let order = |sessions: &[SessionId], tasks: &[String]| SessionsEnd {
        sessions: sessions.to_vec(),
        tasks: tasks.to_vec(),
        reason: reason.to_owned(),
        unknown: false,
    };
    let unused = sessions.chunks(MAX_ENDED).map(|some| order(some, &[]));
    let used = tasks.chunks(MAX_ENDED).map(|some| order(&[], some));
    unused.chain(used).collect()
}

/// What is left of it: those that did not end, with why.
fn left(done: &[SessionEnded]) -> Vec<String> {
    let word = |done: &SessionEnded| match &done.task {
        Some(task) => format!("{task}: {}", done.said),
        None => format!("process {}: {}", done.pid, done.said),
    };
    done.iter().filter(|done| !done.ended).map(word).collect()
}

/// The dialog. With a slot in the address it is about that one, else about all sessions of the node.
pub(super) fn dialog(grid: Grid, all: bool, close: Callback<()>) -> AnyView {
    let Some((index, node)) = grid.chosen_untracked() else {
        return ().into_any();
    };
    let group: &'static Group = &grid.deployment.groups[index];
    let slot = grid.view.with_untracked(|view| {
        let number = view.slot.as_deref().and_then(|slot| slot.parse().ok());
        number.filter(|_| !all)
    });
    let tasks = tasks_in(&node, slot);
    let title = match slot {
        Some(slot) => format!("End the session in slot {slot} of {}?", node.name),
        None => format!("End all sessions of {}?", node.name),
    };
    let typed = if slot.is_none() {
        node.name.clone()
    } else {
        String::new()
    };
    let effect = effect(group, &tasks);
    let more = slot.is_none().then(|| {
        view! { <p>"Left-over sessions of this group that live on it are ended, too; unknown ones and those of other groups are left alone."</p> }
    });
    let (busy, fault) = (
        RwSignal::new(None::<String>),
        RwSignal::new(None::<Trouble>),
    );
    let toasts = use_toasts();
    let confirm = {
        let node = Arc::clone(&node);
        Callback::new(move |reason: String| {
            let (node, tasks) = (Arc::clone(&node), tasks.clone());
            busy.set(Some("Ending…".to_owned()));
            fault.set(None);
            spawn_local(async move {
                let done = end(group, &node.name, &tasks, slot.is_none(), &reason).await;
                let _ = busy.try_set(None);
                let told = match done {
                    Ok(done) => {
                        let left = left(&done);
                        let ended = done.len() - left.len();
                        if ended > 0 || left.is_empty() {
                            let text = if ended == 0 {
                                "Nothing ran there any more".to_owned()
                            } else {
                                format!("{} of {} ended", counted(ended, "session"), node.name)
                            };
                            toasts.good(text, reason.clone());
                        }
                        if left.is_empty() {
                            return close.run(());
                        }
                        Trouble {
                            title: format!("{} left alone", counted(left.len(), "session")),
                            detail: left.join(" "),
                            ..Trouble::default()
                        }
                    }
                    Err(error) => trouble("The sessions were not ended", &error),
                };
                let _ = fault.try_set(Some(told));
            });
        })
    };
    view! {
        <Confirm title=title verb="End it" keep="Leave it" danger=true typed=typed reason="Reason, shown to all" busy=busy on_confirm=confirm on_close=close>
            <p>{effect}</p>
            {more}
            <p class="ink2">"To stop a task for good, cancel it: it does not run again then."</p>
            {move || fault.get().map(|trouble| view! { <ErrorBox trouble=trouble/> })}
        </Confirm>
    }
    .into_any()
}

/// What will happen, with counts.
fn effect(group: &'static Group, tasks: &[String]) -> String {
    let again = tasks
        .iter()
        .filter(|id| {
            let task = group.tasks.find(id);
            task.is_some_and(|task| task.with_untracked(|task| task.re_executable))
        })
        .count();
    effect_words(tasks.len(), again)
}

fn effect_words(tasks: usize, again: usize) -> String {
    let fail = tasks - again;
    if tasks == 0 {
        return "No task runs in it at this moment.".to_owned();
    }
    let mut words = format!(
        "{} interrupted, and killed if that does not help.",
        if tasks == 1 {
            "1 task is".to_owned()
        } else {
            format!("{} are", counted(tasks, "task"))
        }
    );
    if again > 0 {
        words.push_str(&format!(
            " {} may run again and is queued again.",
            count(again as u64)
        ));
    }
    if fail > 0 {
        words.push_str(&format!(
            " {} may not run again by itself and fails.",
            count(fail as u64)
        ));
    }
    words
}

async fn end(
    group: &'static Group,
    node: &str,
    tasks: &[String],
    all: bool,
    reason: &str,
) -> Result<Vec<SessionEnded>, Error> {
    let unused = if all {
        let found = group.act(|client| async move { client.left_over_sessions().await });
        left_over(&found.await?, node)
    } else {
        Vec::new()
    };
    let mut done = Vec::new();
    for order in orders(&unused, tasks, reason) {
        let order = &order;
        done.extend(
            group
                .act(|client| async move { client.end_r_sessions(node, order).await })
                .await?,
        );
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::pages::grid::sample;

    #[test]
    fn one_slot_or_all_of_them() {
        let mut node = sample::node("r1");
        node.slots[0].task = Some("t-1".to_owned());
        node.slots[2].task = Some("t-3".to_owned());
        assert_eq!(tasks_in(&node, Some(3)), ["t-3"]);
        assert_eq!(tasks_in(&node, Some(2)), [""; 0]);
        assert_eq!(tasks_in(&node, None), ["t-1", "t-3"]);
    }

    #[test]
    fn no_request_is_longer_than_one_may_be() {
        let id = SessionId { pid: 1, start: 1 };
        let tasks: Vec<String> = (0..401).map(|n| format!("t-{n}")).collect();
        let all = orders(&[id; 3], &tasks, "it hangs");
        assert_eq!(all.len(), 4);
        assert!(all.iter().all(|order| order.check().is_empty()));
        let sent: usize = all.iter().map(|order| order.tasks.len()).sum();
        assert_eq!(sent, 401);
        assert!(orders(&[], &[], "it hangs").is_empty());
    }

    #[test]
    fn what_will_happen_is_said_with_counts() {
        assert_eq!(effect_words(0, 0), "No task runs in it at this moment.");
        assert_eq!(
            effect_words(1, 0),
            "1 task is interrupted, and killed if that does not help. 1 may not run again by itself and fails."
        );
        let both = effect_words(5, 2);
        assert!(both.starts_with("5 tasks are"), "{both}");
        assert!(both.contains("2 may run again") && both.contains("3 may not"));
    }

    #[test]
    fn what_was_left_alone_says_why() {
        let of = |ended: bool, task: Option<&str>| SessionEnded {
            pid: 7,
            task: task.map(str::to_owned),
            ended,
            said: "Why.".to_owned(),
        };
        let done = [of(true, None), of(false, Some("t-1")), of(false, None)];
        assert_eq!(left(&done), ["t-1: Why.", "process 7: Why."]);
    }
}
