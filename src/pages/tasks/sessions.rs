//! R sessions that nobody uses: what they hold, and ending them.

use crate::reactive::{Callback, Effect, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::account::Role;
use gridhelm_api::session::{NodeSession, SessionEnded, SessionId, SessionKind, SessionsEnd};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::{View, words};
use crate::deployment::{Group, trouble};
use crate::ui::{
    Button, Confirm, Drawer, Empty, ErrorBox, Glyph, Icon, Skeleton, Tag, Trouble, Weight, format,
    use_toasts,
};

/// What is known of one group.
#[derive(Clone, Copy)]
struct Known {
    group: &'static Group,
    sessions: RwSignal<Option<Vec<NodeSession>>>,
    fault: RwSignal<Option<Trouble>>,
}

impl Known {
    fn look(self) {
        spawn_local(async move {
            let group = self.group;
            let found = group.act(|client| async move { client.left_over_sessions().await });
            match found.await {
                Ok(found) => {
                    let _ = self.sessions.try_set(Some(found));
                    let _ = self.fault.try_set(None);
                }
                Err(error) => {
                    let told = trouble("The sessions cannot be listed", &error);
                    let _ = self.fault.try_set(Some(told));
                }
            }
        });
    }
}

/// The drawer.
pub(super) fn drawer(view: View) -> AnyView {
    let close = Callback::new(move |()| view.set(|address| address.panel = None));
    let body = move || {
        let groups = view.groups();
        groups.into_iter().map(of_group).collect_view()
    };
    view! {
        <Drawer title="Left-over R sessions" text="Sessions on the nodes that no task uses, as the nodes were last looked at. A new active server ends those of the one before by itself." on_close=close>
            {body}
        </Drawer>
    }
    .into_any()
}

fn of_group(group: &'static Group) -> AnyView {
    let known = Known {
        group,
        sessions: RwSignal::new(None),
        fault: RwSignal::new(None),
    };
    // Again for another active server, and when somebody signs in.
    Effect::new(move |_| {
        if group.signed_in() {
            group.active();
            known.look();
        }
    });
    let ending = RwSignal::new(None::<NodeSession>);
    let body = move || {
        if !group.signed_in() {
            let title = format!("Sign in to {} first", group.name);
            return view! { <Empty picture=Icon::Lock title=title text=""/> }.into_any();
        }
        if let Some(trouble) = known.fault.get() {
            return view! { <ErrorBox trouble=trouble/> }.into_any();
        }
        known.sessions.with(|sessions| match sessions {
            None => view! { <Skeleton lines=2 name="Reading the sessions"/> }.into_any(),
            Some(all) if all.is_empty() => {
                let text = format!(
                    "Every session on {}'s nodes is in use, or another group's.",
                    group.name
                );
                view! { <Empty picture=Icon::Check title="Nothing is left over" text=text/> }
                    .into_any()
            }
            Some(all) => table(known, all, ending),
        })
    };
    let again = Callback::new(move |()| known.look());
    let name = format!("Look again at {}", group.name);
    view! {
        <section role="group" aria-label=group.name.clone()>
            <div class="row"><h2 class="grow">{group.name.as_str()}</h2><Button small=true weight=Weight::Ghost name=name on_click=again>"Look again"</Button></div>
            {body}
            {move || ending.get().map(|session| end(known, session, ending))}
        </section>
    }
    .into_any()
}

fn table(known: Known, all: &[NodeSession], ending: RwSignal<Option<NodeSession>>) -> AnyView {
    let off = Signal::derive(move || known.group.write_off(Role::Operator));
    let row = move |session: &NodeSession| {
        let own = session.clone();
        let name = format!("End process {} on {}", session.pid, session.node);
        let press = Callback::new(move |()| ending.set(Some(own.clone())));
        let (shape, word) = (glyph(session.kind), words::session(session.kind));
        view! {
            <tr>
                <td>{session.node.clone()}<br/><span class="mono muted">{session.pid}</span></td>
                <td><Tag state=shape shape=true>{word}</Tag><br/><span class="ink2">{words::why(session)}</span></td>
                <td class="num">{words::holds(session)}</td>
                <td class="num"><Button small=true weight=Weight::Danger name=name off=off on_click=press>"End…"</Button></td>
            </tr>
        }
        .into_any()
    };
    view! {
        <p class="ink2">{words::all_hold(all)}</p>
        <div class="scroll" tabindex="0" role="region" aria-label="Table of the sessions">
        <table class="tbl">
            <thead><tr><th scope="col">"Node, process"</th><th scope="col">"What it is"</th><th scope="col" class="num">"Holds"</th><th scope="col"><span class="sr">"End it"</span></th></tr></thead>
            <tbody>{all.iter().map(row).collect_view()}</tbody>
        </table>
        </div>
    }
    .into_any()
}

fn glyph(kind: SessionKind) -> Glyph {
    match kind {
        SessionKind::Unknown => Glyph::Warn,
        _ => Glyph::Zombie,
    }
}

fn end(known: Known, session: NodeSession, ending: RwSignal<Option<NodeSession>>) -> AnyView {
    let busy = RwSignal::new(None::<String>);
    let fault = RwSignal::new(None::<Trouble>);
    let toasts = use_toasts();
    let close = Callback::new(move |()| ending.set(None));
    let unknown = session.kind == SessionKind::Unknown;
    let (node, id) = (
        session.node.clone(),
        SessionId {
            pid: session.pid,
            start: session.start,
        },
    );
    let confirm = Callback::new(move |reason: String| {
        let node = node.clone();
        let order = SessionsEnd {
            sessions: vec![id],
            tasks: Vec::new(),
            reason,
            unknown,
        };
        busy.set(Some("Ending…".to_owned()));
        spawn_local(async move {
            let (node, order) = (node.as_str(), &order);
            let done = known
                .group
                .act(|client| async move { client.end_r_sessions(node, order).await })
                .await;
            let _ = busy.try_set(None);
            let told = match done {
                Ok(done) => match done.into_iter().next() {
                    Some(SessionEnded {
                        ended: true, said, ..
                    }) => {
                        toasts.good(format!("Process {} on {node} ended", id.pid), &said);
                        known.look();
                        let _ = ending.try_set(None);
                        return;
                    }
                    left => Trouble {
                        title: "The session was left alone".to_owned(),
                        detail: left.map_or_else(String::new, |left| left.said),
                        ..Trouble::default()
                    },
                },
                Err(error) => trouble("The session was not ended", &error),
            };
            let _ = fault.try_set(Some(told));
        });
    });
    let effect = if unknown {
        "It bears no mark of Gridhelm: it may be another program's, in use at this moment. It is killed with all processes below it."
    } else {
        "It is killed with all processes below it, and its work directory is removed. No task waits for it."
    };
    let typed = if unknown {
        session.node.clone()
    } else {
        String::new()
    };
    view! {
        <Confirm title=format!("End process {} on {}?", session.pid, session.node) verb="End it" keep="Keep it" danger=true typed=typed reason="Reason, goes to the events" busy=busy on_confirm=confirm on_close=close>
            <p>{effect}</p>
            <p class="ink2">{format!("{}; it is {} old.", words::holds(&session), format::age(age_ms(&session)))}</p>
            {move || fault.get().map(|trouble| view! { <ErrorBox trouble=trouble/> })}
        </Confirm>
    }
    .into_any()
}

#[allow(clippy::cast_precision_loss)] // seconds
fn age_ms(session: &NodeSession) -> f64 {
    session.age_s as f64 * 1_000.0
}
