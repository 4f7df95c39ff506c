//! The fields of a node, in a drawer.

use crate::reactive::{Callback, Memo, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::node::NodeTest;
use gridhelm_client::Error;
use leptos::prelude::*;

use super::Test;
use super::form::{Field, Form, Hint as Word, RUNS, of_problem, runs_label, runs_word};
use crate::pages::grid::register::nodes_of;
use crate::pages::grid::select::Grid;
use crate::ui::{Glyph, SelectField, glyph, next_id};

/// What the fields of one form share.
#[derive(Clone, Copy)]
pub(crate) struct Sheet {
    /// The page.
    pub(crate) grid: Grid,
    /// Index of the group.
    pub(crate) group: RwSignal<usize>,
    /// What is typed.
    pub(crate) form: RwSignal<Form>,
    /// The test of the connection.
    pub(crate) test: Test,
    /// Whether the node is new: then its name and address must be free.
    pub(crate) new: bool,
    refusal: RwSignal<Option<RwSignal<Option<Error>>>>,
}

impl Sheet {
    /// The fields of a form.
    pub(crate) fn new(grid: Grid, group: RwSignal<usize>, form: RwSignal<Form>, new: bool) -> Self {
        Self {
            grid,
            group,
            form,
            test: Test::new(),
            new,
            refusal: RwSignal::new(None),
        }
    }

    /// Where the server's refusal stands, once there is one: what it says of a field is shown at the field.
    pub(crate) fn refused(self, failed: RwSignal<Option<Error>>) {
        self.refusal.set(Some(failed));
    }

    /// What the last test of the present values found.
    pub(crate) fn found(self) -> Option<NodeTest> {
        self.form
            .with(|form| self.test.of(self.group.get(), form))
            .and_then(Result::ok)
    }

    fn hint(self, field: Field) -> Option<Word> {
        let refused = self.refusal.get().and_then(|failed| {
            failed.with(|error| of_problem(error.as_ref().and_then(Error::problem), field))
        });
        if refused.is_some() {
            return refused;
        }
        let group = &self.grid.deployment.groups[self.group.get()];
        let mut nodes = nodes_of(group);
        if !self.new {
            // The node that is edited does not stand in its own way.
            let own = self.form.with(|form| form.get(Field::Name).to_owned());
            nodes.retain(|node| node.name != own);
        }
        let found = self.found();
        self.form
            .with(|form| form.hint(field, &group.name, &nodes, found.as_ref()))
    }
}

/// One field, with what is to be said of it, and a button that mends it.
pub(crate) fn field(sheet: Sheet, field: Field, help: &'static str, autofocus: bool) -> AnyView {
    let id = next_id("field");
    let hint_id = [id.as_str(), "-hint"].concat();
    // What is empty yet is counted beside the button, not scolded.
    let empty = move || sheet.form.with(|form| form.get(field).trim().is_empty());
    let word = Memo::new(move |_| {
        sheet
            .hint(field)
            .filter(|word| word.tone != Glyph::Fail || word.repair.is_some() || !empty())
    });
    let bad = move || {
        word.with(|word| word.as_ref().is_some_and(|word| word.tone == Glyph::Fail))
            .then_some("true")
    };
    let kind = if field == Field::Password {
        "password"
    } else {
        "text"
    };
    let numeric = matches!(field, Field::Port | Field::Slots).then_some("numeric");
    let class = if matches!(field, Field::Host | Field::Port | Field::User) {
        "input input--mono"
    } else {
        "input"
    };
    let hint = {
        let hint_id = hint_id.clone();
        move || {
            let (class, shape, text, repair) = match word.get() {
                None => ("hint", None, help.to_owned(), None),
                Some(word) => {
                    let class = match word.tone {
                        Glyph::Fail => "hint hint--bad",
                        Glyph::Warn => "hint hint--warn",
                        Glyph::Pass => "hint hint--ok",
                        _ => "hint",
                    };
                    (
                        class,
                        (word.tone != Glyph::Info).then_some(word.tone),
                        word.text,
                        word.repair,
                    )
                }
            };
            let mend = repair.map(|value| {
                let label = if field == Field::Name { value.clone() } else { format!("Use {value}") };
                view! { " "<button type="button" class="link" on:click=move |_| sheet.form.update(|form| form.set(field, &value))>{label}</button> }
            });
            view! { <span class=class id=hint_id.clone()>{shape.map(glyph)}<span>{text}{mend}</span></span> }
        }
    };
    view! {
        <div class="field">
            <label for=id.clone()>{field.label()}</label>
            <input
                id=id
                class=class
                type=kind
                inputmode=numeric
                maxlength="512"
                autocomplete=if field == Field::Password { "new-password" } else { "off" }
                autocapitalize="off"
                spellcheck="false"
                autofocus=autofocus
                aria-invalid=bad
                aria-describedby=hint_id
                prop:value=move || sheet.form.with(|form| form.get(field).to_owned())
                on:input=move |event| sheet.form.update(|form| form.set(field, &event_target_value(&event)))
            />
            {hint}
        </div>
    }
    .into_any()
}

/// What kinds of task it takes.
pub(crate) fn runs(sheet: Sheet) -> AnyView {
    let value = Signal::derive(move || sheet.form.with(|form| runs_word(form.runs).to_owned()));
    let choices: Vec<(String, String)> = RUNS
        .iter()
        .map(|(runs, word)| ((*word).to_owned(), runs_label(*runs).to_owned()))
        .collect();
    let pick = Callback::new(move |word: String| {
        if let Some((runs, _)) = RUNS.iter().find(|(_, known)| *known == word) {
            sheet.form.update(|form| form.runs = *runs);
        }
    });
    view! { <SelectField label="Runs" value=value choices=choices on_pick=pick/> }.into_any()
}

/// The first line of a new node.
pub(crate) fn name_and_runs(sheet: Sheet) -> AnyView {
    view! { <div class="two">{field(sheet, Field::Name, "As people and logs will call it", false)}{runs(sheet)}</div> }.into_any()
}

/// Where it is, how the server signs in, how much it takes.
pub(crate) fn fields(sheet: Sheet) -> AnyView {
    view! {
        <div class="hostport hostport--two">{field(sheet, Field::Host, "Name or address, as the servers see it", true)}{field(sheet, Field::Port, "", false)}</div>
        <div class="two">{field(sheet, Field::User, "Only if Rserve asks for one", false)}{field(sheet, Field::Password, if sheet.new { "Kept by the server, never shown again" } else { "Leave empty to keep the present one" }, false)}</div>
        <div class="two">{field(sheet, Field::Slots, "R sessions at once, 1 to 1,024", false)}{field(sheet, Field::Labels, "Comma between labels", false)}</div>
    }
    .into_any()
}
