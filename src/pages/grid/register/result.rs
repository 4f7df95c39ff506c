//! What a test of the connection found: the steps with their time, and the node's facts.

use crate::reactive::{Callback, Memo, Signal};
use crate::ui::view;
use gridhelm_api::account::Role;
use gridhelm_api::node::{NodeTest, TestStep};
use gridhelm_api::switch::Outcome;
use leptos::prelude::*;

use super::fields::Sheet;
use super::{TEST_ICON, Tested};
use crate::ui::format::{age, bytes, count, duration};
use crate::ui::{Button, ErrorBox, Glyph, Trouble, glyph, use_clock};

/// The test: its button, and under it what the last one found.
pub(crate) fn result(sheet: Sheet) -> AnyView {
    let run = Callback::new(move |()| {
        sheet.test.run(
            sheet.grid,
            sheet.group.get_untracked(),
            &sheet.form.get_untracked(),
        )
    });
    let off = Signal::derive(move || {
        let group = &sheet.grid.deployment.groups[sheet.group.get()];
        group.write_off(Role::Operator).or_else(|| {
            let draft = sheet.form.with(super::form::Form::draft);
            let first = draft.check().into_iter().find(|error| {
                matches!(
                    error.field.as_str(),
                    "host" | "port" | "user" | "password" | "slot_limit" | "labels"
                )
            });
            first.map(|error| error.message)
        })
    });
    let again = Memo::new(move |_| sheet.test.last.with(Option::is_some));
    let head = move || {
        sheet.test.last.with(|last| match last {
            None => view! { <span class="grow ink2">"The active server of the group connects, signs in and evaluates, as it will later."</span> }.into_any(),
            Some(last) => headline(sheet, last),
        })
    };
    let tone = move || match sheet.test.last.with(|last| {
        last.as_ref()
            .map(|last| last.found.as_ref().is_ok_and(|found| found.ok))
    }) {
        None => "test test--none",
        Some(true) => "test",
        Some(false) => "test test--bad",
    };
    let body = move || {
        sheet.test.last.with(|last| match last {
            None => ().into_any(),
            Some(Tested {
                found: Err(trouble),
                ..
            }) => view! { <ErrorBox trouble=Trouble::clone(trouble)/> }.into_any(),
            Some(Tested {
                found: Ok(found), ..
            }) => view! { {found.steps.iter().map(step).collect_view()}{facts(found)} }.into_any(),
        })
    };
    view! {
        <section class=tone aria-label="Connection test">
            <header>
                <div class="test-head" aria-live="polite">{head}</div>
                {move || if again.get() {
                    view! { <Button small=true icon=TEST_ICON off=off busy=sheet.test.busy on_click=run>"Test again"</Button> }.into_any()
                } else {
                    view! { <Button icon=TEST_ICON off=off busy=sheet.test.busy on_click=run>"Test connection"</Button> }.into_any()
                }}
            </header>
            {body}
        </section>
    }
    .into_any()
}

fn headline(sheet: Sheet, last: &Tested) -> AnyView {
    let clock = use_clock();
    let at = last.at;
    let values = last.values.clone();
    let group = last.group;
    let stale = Memo::new(move |_| {
        group != sheet.group.get() || sheet.form.with(|form| form.tested() != values)
    });
    let (shape, words, from) = match &last.found {
        Ok(found) if found.ok => (Glyph::Pass, "Connection works", found.tested_from.clone()),
        Ok(found) => (
            Glyph::Fail,
            "Connection does not work",
            found.tested_from.clone(),
        ),
        Err(_) => (Glyph::Fail, "Not tested", String::new()),
    };
    let from = if from.is_empty() {
        String::new()
    } else {
        format!("tested from {from}, ")
    };
    view! {
        {glyph(shape)}<b class="strong">{words}</b>
        <span class="muted">{from}{move || age((clock.seconds() - at).max(0.0))}" ago"</span>
        {move || stale.get().then(|| view! { <span class="t-stalled">"with other values"</span> })}
    }
    .into_any()
}

fn step(step: &TestStep) -> AnyView {
    let shape = match step.outcome {
        Outcome::Pass => Glyph::Pass,
        Outcome::Warn => Glyph::Warn,
        Outcome::Fail => Glyph::Fail,
    };
    let evidence = (!step.evidence.is_empty())
        .then(|| view! { <span class="ink2">": "{step.evidence.clone()}</span> });
    view! { <div class="probe">{glyph(shape)}<span><span class="sr">{shape.word()}": "</span>{step.what.clone()}{evidence}</span><span class="muted">{duration(step.ms)}</span></div> }.into_any()
}

fn facts(found: &NodeTest) -> AnyView {
    let Some(read) = &found.facts else {
        return ().into_any();
    };
    let or_dash = |text: String| {
        if text.is_empty() || text == "0 B" || text == "0" {
            "–".to_owned()
        } else {
            text
        }
    };
    let cell = |(name, value): (&'static str, String)| view! { <div><dt>{name}</dt><dd>{value}</dd></div> };
    let cells = [
        (
            "Latency, median of 5",
            found.latency_ms.map_or_else(|| "–".to_owned(), duration),
        ),
        ("R", or_dash(read.r_version.clone())),
        ("Rserve", or_dash(read.rserve_version.clone())),
        (
            "Clock offset",
            format!("{} ms", count(read.clock_offset_ms.unsigned_abs())),
        ),
        ("Cores", or_dash(read.cores.to_string())),
        ("Memory", or_dash(bytes(read.memory_total))),
        ("Free disk", or_dash(bytes(read.disk_free))),
        (
            "Suggested slots",
            found
                .suggested_slots
                .map_or_else(|| "–".to_owned(), |slots| slots.to_string()),
        ),
    ];
    view! { <dl class="facts">{cells.into_iter().map(cell).collect_view()}</dl> }.into_any()
}
