//! Code on the screen: R in colours, differences side by side or one below the other. Text is only ever set as text.

use crate::reactive::{Callback, RwSignal, Signal};
use crate::ui::view;
use leptos::prelude::*;

use super::r_code::tokens;

/// The most bytes that are coloured; longer code is shown plainly.
const COLOURED: usize = 400_000;

/// A piece of code as a line's content, in colours when it is R.
fn coloured(code: &str, r: bool) -> AnyView {
    if !r || code.len() > COLOURED {
        return code.to_owned().into_any();
    }
    let piece = |(token, text): (super::r_code::Token, &str)| match token.class() {
        Some(class) => view! { <span class=class>{text.to_owned()}</span> }.into_any(),
        None => text.to_owned().into_any(),
    };
    tokens(code)
        .into_iter()
        .map(piece)
        .collect_view()
        .into_any()
}

/// Code to be read, with line numbers.
#[component]
pub fn CodeView(
    /// The code.
    #[prop(into)]
    code: Signal<String>,
    /// Whether it is R.
    #[prop(into)]
    r: Signal<bool>,
    /// What it is, for screen readers: "limits.R, version 7".
    #[prop(into)]
    name: Signal<String>,
) -> AnyView {
    let numbers = move || {
        let lines = code.with(|code| code.lines().count().max(1));
        let mut text = String::with_capacity(lines * 5);
        for line in 1..=lines {
            text.push_str(&line.to_string());
            text.push('\n');
        }
        text
    };
    view! {
        <div class="code" tabindex="0" role="region" aria-label=move || name.get()>
            <pre class="code-ln" aria-hidden="true">{numbers}</pre>
            <pre class="code-text"><code>{move || coloured(&code.get(), r.get())}</code></pre>
        </div>
    }
    .into_any()
}

/// Code to be written: a text area with the same code, coloured, behind it.
#[component]
pub fn CodeEdit(
    /// The code.
    value: RwSignal<String>,
    /// Whether it is R.
    #[prop(into)]
    r: Signal<bool>,
    /// What it is: "Content of limits.R".
    #[prop(into)]
    name: String,
) -> AnyView {
    let back = NodeRef::<leptos::html::Pre>::new();
    let area = NodeRef::<leptos::html::Textarea>::new();
    let follow = move |_| {
        if let (Some(back), Some(area)) = (back.get_untracked(), area.get_untracked()) {
            back.set_scroll_top(area.scroll_top());
            back.set_scroll_left(area.scroll_left());
        }
    };
    view! {
        <div class="code code--edit">
            // A line break at the very end has no height of its own in a `pre`.
            <pre class="code-text" aria-hidden="true" node_ref=back>{move || coloured(&value.get(), r.get())}"\n"</pre>
            <textarea
                class="code-text"
                aria-label=name
                spellcheck="false"
                autocomplete="off"
                autocapitalize="off"
                wrap="off"
                node_ref=area
                prop:value=move || value.get()
                on:input=move |event| value.set(event_target_value(&event))
                on:scroll=follow
            ></textarea>
        </div>
    }
    .into_any()
}

/// A piece of a line: text, and whether it is what differs within the line.
pub type DiffPiece = (String, bool);

/// A row of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub enum DiffRow {
    /// Alike on both sides: the line's number left and right, and the line.
    Same {
        /// Number at the left, from 1.
        left: usize,
        /// Number at the right, from 1.
        right: usize,
        /// The line.
        text: String,
    },
    /// Changed: what goes and what comes; a missing side is a line added or taken away.
    Change {
        /// Number and pieces at the left.
        left: Option<(usize, Vec<DiffPiece>)>,
        /// Number and pieces at the right.
        right: Option<(usize, Vec<DiffPiece>)>,
    },
    /// So many lines alike that are not shown.
    Skip(usize),
}

/// The differences of two texts. `left` is what is there now, `right` what would be written.
#[component]
pub fn DiffView(
    /// The rows.
    #[prop(into)]
    rows: Signal<Vec<DiffRow>>,
    /// Whether both sides stand side by side.
    #[prop(into)]
    split: Signal<bool>,
    /// Whether it is R.
    #[prop(into)]
    r: Signal<bool>,
    /// What the left side is: "west now, version 7".
    #[prop(into)]
    left: Signal<String>,
    /// What the right side is: "east, version 7".
    #[prop(into)]
    right: Signal<String>,
    /// What is compared, for screen readers: "Differences of limits.R".
    #[prop(into)]
    name: Signal<String>,
    /// Shows the lines of the skip at that row; skips cannot be opened without.
    #[prop(optional, into)]
    on_open: Option<Callback<usize>>,
) -> AnyView {
    let body = move || {
        let (split, r) = (split.get(), r.get());
        let row = move |(index, row): (usize, DiffRow)| {
            if split {
                split_row(index, row, r, on_open)
            } else {
                unified_row(index, row, r, on_open)
            }
        };
        rows.get().into_iter().enumerate().map(row).collect_view()
    };
    let head = move || {
        if split.get() {
            view! { <tr class="hunk"><th colspan="3" scope="colgroup">{move || left.get()}</th><th colspan="3" scope="colgroup" class="half">{move || right.get()}</th></tr> }.into_any()
        } else {
            view! { <tr class="hunk"><th colspan="4" scope="colgroup">{move || left.get()}" to "{move || right.get()}</th></tr> }.into_any()
        }
    };
    view! {
        <div class="scroll grow" tabindex="0" role="region" aria-label=move || name.get()>
            <table class="diff" class:diff--unified=move || !split.get()><thead>{head}</thead><tbody>{body}</tbody></table>
        </div>
    }
    .into_any()
}

fn pieces(pieces: Vec<DiffPiece>, added: bool, r: bool) -> AnyView {
    let piece = move |(text, differs): DiffPiece| {
        let text = coloured(&text, r);
        match (differs, added) {
            (false, _) => text,
            (true, true) => view! { <ins>{text}</ins> }.into_any(),
            (true, false) => view! { <del>{text}</del> }.into_any(),
        }
    };
    pieces.into_iter().map(piece).collect_view().into_any()
}

/// Number, sign and line of one side.
fn side(line: Option<(usize, Vec<DiffPiece>)>, added: bool, r: bool) -> AnyView {
    let half = if added { "ln half" } else { "ln" };
    match line {
        None => {
            view! { <td class=half></td><td class="sg no"></td><td class="no"></td> }.into_any()
        }
        Some((number, line)) => {
            let (sign, word, class) = if added {
                ("+", "added: ", "add")
            } else {
                ("−", "removed: ", "del")
            };
            let sign_class = ["sg ", class].concat();
            view! { <td class=half>{number}</td><td class=sign_class><span class="sgx" aria-hidden="true">{sign}</span></td><td class=class><span class="sr">{word}</span>{pieces(line, added, r)}</td> }.into_any()
        }
    }
}

fn skip(
    index: usize,
    lines: usize,
    span: &'static str,
    on_open: Option<Callback<usize>>,
) -> AnyView {
    let words = [super::format::counted(lines, "line").as_str(), " alike"].concat();
    let content = match on_open {
        Some(open) => view! { {words}", "<button type="button" class="link" on:click=move |_| open.run(index)>"show"</button> }.into_any(),
        None => words.into_any(),
    };
    view! { <tr class="hunk"><td colspan=span>{content}</td></tr> }.into_any()
}

fn split_row(index: usize, row: DiffRow, r: bool, on_open: Option<Callback<usize>>) -> AnyView {
    match row {
        DiffRow::Skip(lines) => skip(index, lines, "6", on_open),
        DiffRow::Same { left, right, text } => {
            let line = || coloured(&text, r);
            view! { <tr><td class="ln">{left}</td><td class="sg"></td><td>{line()}</td><td class="ln half">{right}</td><td class="sg"></td><td>{line()}</td></tr> }.into_any()
        }
        DiffRow::Change { left, right } => {
            view! { <tr>{side(left, false, r)}{side(right, true, r)}</tr> }.into_any()
        }
    }
}

fn unified_row(index: usize, row: DiffRow, r: bool, on_open: Option<Callback<usize>>) -> AnyView {
    match row {
        DiffRow::Skip(lines) => skip(index, lines, "4", on_open),
        DiffRow::Same { left, right, text } => {
            view! { <tr><td class="ln">{left}</td><td class="ln">{right}</td><td class="sg"></td><td>{coloured(&text, r)}</td></tr> }.into_any()
        }
        DiffRow::Change { left, right } => {
            let gone = left.map(|(number, line)| {
                view! { <tr><td class="ln">{number}</td><td class="ln"></td><td class="sg del"><span class="sgx" aria-hidden="true">"−"</span></td><td class="del"><span class="sr">"removed: "</span>{pieces(line, false, r)}</td></tr> }
            });
            let come = right.map(|(number, line)| {
                view! { <tr><td class="ln"></td><td class="ln">{number}</td><td class="sg add"><span class="sgx" aria-hidden="true">"+"</span></td><td class="add"><span class="sr">"added: "</span>{pieces(line, true, r)}</td></tr> }
            });
            view! { {gone}{come} }.into_any()
        }
    }
}
