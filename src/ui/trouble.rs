//! An error as a person meets it: what happened, where, the request's id, what to do.

use crate::reactive::Callback;
use crate::ui::view;
use leptos::prelude::*;

use super::icon::{Glyph, glyph};

/// What went wrong, in the words of the screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// What was tried and did not come about: "Could not drain east-r05".
    pub title: String,
    /// What stands now, and why.
    pub detail: String,
    /// Where: a server's name or address.
    pub place: String,
    /// The request's id, as in the server's log; may be empty.
    pub request_id: String,
    /// What to do; may be empty.
    pub advice: String,
    /// The request as a command for a shell; may be empty.
    pub command: String,
    /// What is wrong with single fields: name and reason.
    pub fields: Vec<(String, String)>,
}

/// Shows what went wrong, in place.
#[component]
pub fn ErrorBox(
    /// What went wrong.
    trouble: Trouble,
    /// What can be done, as buttons.
    #[prop(optional)]
    children: Option<Children>,
) -> AnyView {
    let field = |(name, reason): (String, String)| view! { <li><b>{name}</b>" "{reason}</li> };
    let fields = (!trouble.fields.is_empty())
        .then(|| view! { <ul>{trouble.fields.into_iter().map(field).collect_view()}</ul> });
    let some = |text: String| (!text.is_empty()).then_some(text);
    view! {
        <div class="trouble" role="alert">
            {glyph(Glyph::Fail)}
            <div>
                <b>{trouble.title}</b>
                <p>{trouble.detail}" "{trouble.advice}</p>
                {fields}
                <p class="muted">
                    {some(trouble.place).map(|place| view! { <span>"at "{place}</span> })}
                    {some(trouble.request_id).map(|id| view! { <span>" request "<span class="mono">{id}</span></span> })}
                </p>
                {(!trouble.command.is_empty()).then(|| super::copy::copy_as_curl(Callback::new(move |()| trouble.command.clone())))}
                {children.map(|children| view! { <div class="trouble-acts">{children()}</div> })}
            </div>
        </div>
    }
    .into_any()
}
