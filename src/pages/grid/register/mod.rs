//! Registering a node, and editing one: tested before it is saved.

mod edit;
mod fields;
mod form;
mod merge;
mod result;

pub(crate) use edit::edit_drawer;
pub(crate) use form::runs_word;

use crate::reactive::{Callback, Effect, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::account::Role;
use gridhelm_api::node::{Intent, Node, NodeTest};
use gridhelm_client::Error;
use leptos::prelude::*;
use leptos::task::spawn_local;

use self::fields::{Sheet, fields, name_and_runs};
pub(crate) use self::form::next_free;
use self::form::{Field, Form, mend};
use super::select::Grid;
use crate::deployment::{Group, trouble};
use crate::ui::format::counted;
use crate::ui::{
    Button, Choice, Drawer, ErrorBox, Icon, RadioCard, Segment, Trouble, Weight, next_id,
    use_toasts,
};

/// A test of the connection, and what it tested.
#[derive(Clone, PartialEq)]
pub(crate) struct Tested {
    /// Index of the group whose active server tested.
    group: usize,
    /// The values that it tested.
    values: (String, u16, Option<String>, Option<String>),
    /// What it found, or why it could not be made.
    found: Result<NodeTest, Box<Trouble>>,
    /// When it ended, by the page's clock.
    at: f64,
}

/// The test of a form's connection.
#[derive(Clone, Copy)]
pub(crate) struct Test {
    /// The last one.
    pub(crate) last: RwSignal<Option<Tested>>,
    /// The verb in progress.
    pub(crate) busy: RwSignal<Option<String>>,
}

impl Test {
    fn new() -> Self {
        Self {
            last: RwSignal::new(None),
            busy: RwSignal::new(None),
        }
    }

    /// What was found for the present values; none when there was no test of them. Tracks.
    fn of(self, group: usize, form: &Form) -> Option<Result<NodeTest, Box<Trouble>>> {
        self.last.with(|last| {
            last.as_ref()
                .filter(|last| last.group == group && last.values == form.tested())
                .map(|last| last.found.clone())
        })
    }

    /// Tests the present values at the group's active server.
    fn run(self, grid: Grid, group: usize, form: &Form) {
        let target: &'static Group = &grid.deployment.groups[group];
        let mut draft = form.draft();
        if draft.name.is_empty() {
            // The test does not depend on it, and the server asks for one.
            "test".clone_into(&mut draft.name);
        }
        let values = form.tested();
        self.busy.set(Some("Testing…".to_owned()));
        spawn_local(async move {
            let answer = target
                .act(|client| {
                    let draft = draft.clone();
                    async move { client.test_node(&draft).await }
                })
                .await;
            let found = answer
                .map_err(|error| Box::new(trouble("The connection could not be tested", &error)));
            let _ = self.last.try_set(Some(Tested {
                group,
                values,
                found,
                at: crate::ui::clock::now(),
            }));
            let _ = self.busy.try_set(None);
        });
    }
}

/// The nodes of a group as they are now. Tracks which there are.
pub(crate) fn nodes_of(group: &'static Group) -> Vec<Node> {
    group
        .nodes
        .rows()
        .iter()
        .map(|row| row.item.with_untracked(|node| Node::clone(node)))
        .collect()
}

/// The drawer that registers a node.
pub(crate) fn register_drawer(grid: Grid) -> AnyView {
    let group = RwSignal::new(grid.scope().first().copied().unwrap_or(0));
    let form = RwSignal::new(Form::default());
    // A name that was only suggested follows the group and its nodes; one that was typed stays.
    Effect::new(move |before: Option<String>| {
        let target: &'static Group = &grid.deployment.groups[group.get()];
        let suggested = next_free(&target.name, &nodes_of(target));
        let own = form.with_untracked(|form| form.get(Field::Name).to_owned());
        if own.is_empty() || before.as_ref() == Some(&own) {
            form.update(|form| form.set(Field::Name, &suggested));
        }
        suggested
    });
    let sheet = Sheet::new(grid, group, form, true);
    let test = sheet.test;
    let saving = RwSignal::new(None::<String>);
    let failed = RwSignal::new(None::<Error>);
    let toasts = use_toasts();
    let close = Callback::new(move |()| grid.go(|view| view.panel = None));

    let off = Signal::derive(move || {
        let target: &'static Group = &grid.deployment.groups[group.get()];
        if let Some(why) = target.write_off(Role::Operator) {
            return Some(why);
        }
        let nodes = nodes_of(target);
        form.with(|form| {
            mend(&form.wrong(&target.name, &nodes)).or_else(|| match test.of(group.get(), form) {
                Some(Ok(found)) if found.ok => None,
                Some(_) => Some("The connection does not work yet: the test says why.".to_owned()),
                None if test.last.with(Option::is_some) => {
                    Some("The values changed since the test. Test the connection again.".to_owned())
                }
                None => Some("Test the connection first.".to_owned()),
            })
        })
    });
    let register = Callback::new(move |()| {
        let target: &'static Group = &grid.deployment.groups[group.get_untracked()];
        let draft = form.with_untracked(Form::draft);
        saving.set(Some("Registering…".to_owned()));
        failed.set(None);
        spawn_local(async move {
            match target
                .act(|client| {
                    let draft = draft.clone();
                    async move { client.create_node(&draft).await }
                })
                .await
            {
                Ok(node) => {
                    toasts.good(
                        format!("{} registered", node.name),
                        format!(
                            "{} offers {} to {}.",
                            target
                                .active()
                                .map_or("The active server", |server| server.name.as_str()),
                            counted(node.slot_limit as usize, "slot"),
                            target.name
                        ),
                    );
                    let index = grid
                        .deployment
                        .groups
                        .iter()
                        .position(|other| std::ptr::eq(other, target))
                        .unwrap_or(0);
                    grid.open(index, &node.name);
                }
                Err(error) => {
                    let _ = failed.try_set(Some(error));
                }
            }
            let _ = saving.try_set(None);
        });
    });
    sheet.refused(failed);

    let why_id = next_id("why");
    let footer = {
        let why_id = why_id.clone();
        move || {
            let id = why_id.clone();
            view! {
                <span class="why-not grow" id=id.clone() aria-live="polite">{move || off.get()}</span>
                <Button on_click=close>"Cancel"</Button>
                <Button weight=Weight::Primary off=off reason_at=id busy=saving on_click=register>"Register"</Button>
            }
        }
    };
    let start = Signal::derive(move || {
        form.with(|form| {
            if form.start == Intent::Disabled {
                "disabled"
            } else {
                "enabled"
            }
            .to_owned()
        })
    });
    let pick_start = Callback::new(move |value: String| {
        form.update(|form| {
            form.start = if value == "disabled" {
                Intent::Disabled
            } else {
                Intent::Enabled
            }
        })
    });
    view! {
        <Drawer title="Register node" text="The active server of the group starts to use it as soon as it is registered." on_close=close footer=footer>
            {groups(grid, group)}
            {name_and_runs(sheet)}
            {fields(sheet)}
            <div class="field"><span class="lab">"Start as"</span><Segment label="Start as" choices=vec![Choice::new("enabled", "Enabled"), Choice::new("disabled", "Disabled")] value=start on_pick=pick_start/></div>
            {result::result(sheet)}
            {move || failed.with(|failed| failed.as_ref().map(|error| view! { <ErrorBox trouble=trouble("The node was not registered", error)/> }))}
        </Drawer>
    }
    .into_any()
}

/// One card a group: how large it is and who would use the node.
fn groups(grid: Grid, group: RwSignal<usize>) -> AnyView {
    if grid.deployment.groups.len() < 2 {
        return ().into_any();
    }
    let card = move |index: usize| {
        let target: &'static Group = &grid.deployment.groups[index];
        let text = Signal::derive(move || {
            let tally = target.tally.get();
            let active = target.active().map_or_else(
                || "no active server".to_owned(),
                |server| format!("active server {}", server.name),
            );
            format!(
                "{}, {}, {active}",
                counted(tally.nodes, "node"),
                counted(tally.slots(), "slot")
            )
        });
        let pick = Callback::new(move |()| group.set(index));
        view! { <RadioCard name="register-group" label=target.name.clone() text=text on=Signal::derive(move || group.get() == index) on_pick=pick/> }.into_any()
    };
    view! { <fieldset class="bare"><legend class="sr">"Group"</legend><div class="two">{(0..grid.deployment.groups.len()).map(card).collect_view()}</div></fieldset> }.into_any()
}

/// The icon of a test button.
const TEST_ICON: Icon = Icon::Run;
