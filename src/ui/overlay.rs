//! Drawers and dialogs: they hold the focus, the rest of the page is inert, Esc closes them, and the focus goes back to where it came from.

use crate::reactive::{Callback, Effect, RwSignal, Signal};
use crate::ui::view;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

use super::field::{Hint, TextField};
use super::icon::Icon;
use super::{Button, Weight, next_id};

/// Elements that take focus.
const FOCUSABLE: &str =
    "a[href], button, input:not([type=hidden]), select, textarea, [tabindex='0']";

/// What the open overlays need to know of each other.
#[derive(Clone, Copy)]
pub struct Overlays {
    open: RwSignal<u32>,
    /// What had the focus before the first of them opened: one may open another and go.
    outer: StoredValue<Option<web_sys::HtmlElement>, LocalStorage>,
}

impl Overlays {
    /// None open.
    pub fn start() -> Self {
        Self {
            open: RwSignal::new(0),
            outer: StoredValue::new_local(None),
        }
    }

    /// Whether the shell is to be inert. Tracks.
    pub fn any(self) -> bool {
        self.open.get() > 0
    }
}

fn focused() -> Option<web_sys::HtmlElement> {
    document()
        .active_element()
        .and_then(|element| element.dyn_into().ok())
}

/// Keeps the focus inside `root` until the view goes away: moves it in, and gives it back.
fn hold_focus(
    root: NodeRef<leptos::html::Div>,
    close: Callback<()>,
) -> impl Fn(web_sys::KeyboardEvent) + Copy + 'static {
    let overlays = use_context::<Overlays>();
    let opener = StoredValue::new_local(focused());
    if let Some(overlays) = overlays {
        if overlays.open.get_untracked() == 0 {
            overlays.outer.set_value(opener.get_value());
        }
        overlays.open.update(|open| *open += 1);
    }
    Effect::new(move |_| {
        if let Some(root) = root.get() {
            let first = root
                .query_selector("[autofocus]")
                .ok()
                .flatten()
                .or_else(|| root.query_selector("h1").ok().flatten());
            if let Some(first) =
                first.and_then(|first| first.dyn_into::<web_sys::HtmlElement>().ok())
            {
                let _ = first.focus();
            }
        }
    });
    on_cleanup(move || {
        if let Some(overlays) = overlays {
            overlays
                .open
                .try_update(|open| *open = open.saturating_sub(1));
        }
        let outer = overlays.and_then(|overlays| overlays.outer.try_get_value().flatten());
        let back = opener
            .try_get_value()
            .flatten()
            .filter(|opener| opener.is_connected())
            .or(outer);
        // After the shell has stopped being inert, or it cannot take the focus.
        request_animation_frame(move || {
            if let Some(opener) = back {
                let _ = opener.focus();
            }
        });
    });
    move |event: web_sys::KeyboardEvent| match event.key().as_str() {
        "Escape" => {
            event.stop_propagation();
            close.run(());
        }
        "Tab" => {
            if let Some(root) = root.get_untracked() {
                wrap_focus(&root, &event);
            }
        }
        _ => {}
    }
}

/// From the last element on to the first, and back.
fn wrap_focus(root: &web_sys::HtmlElement, event: &web_sys::KeyboardEvent) {
    let Ok(list) = root.query_selector_all(FOCUSABLE) else {
        return;
    };
    let shown = |index: u32| {
        list.get(index)
            .and_then(|node| node.dyn_into::<web_sys::HtmlElement>().ok())
            .filter(|element| element.offset_parent().is_some())
    };
    let elements: Vec<web_sys::HtmlElement> = (0..list.length()).filter_map(shown).collect();
    let (Some(first), Some(last)) = (elements.first(), elements.last()) else {
        return;
    };
    let at = focused();
    let target = if event.shift_key()
        && (at.as_ref() == Some(first) || at.as_ref().is_some_and(|at| at.tag_name() == "H1"))
    {
        last
    } else if !event.shift_key() && at.as_ref() == Some(last) {
        first
    } else {
        return;
    };
    event.prevent_default();
    let _ = target.focus();
}

/// A form at the right, with the page left to be read behind it. Render it while it is open.
#[component]
pub fn Drawer(
    /// The title.
    #[prop(into)]
    title: Signal<String>,
    /// One sentence under it.
    #[prop(optional, into)]
    text: Signal<String>,
    /// Closes it.
    #[prop(into)]
    on_close: Callback<()>,
    /// What stands at the bottom: why it cannot be saved yet, and the buttons.
    #[prop(optional, into)]
    footer: Option<ViewFn>,
    /// The form.
    children: Children,
) -> AnyView {
    let id = next_id("drawer");
    let root = NodeRef::new();
    let on_key = hold_focus(root, on_close);
    let portal = view! {
        <div class="scrim" on:click=move |_| on_close.run(())></div>
        <div class="drawer" role="dialog" aria-modal="true" aria-labelledby=id.clone() node_ref=root on:keydown=on_key>
            <header>
                <div class="grow"><h1 id=id.clone() tabindex="-1">{move || title.get()}</h1><p>{move || text.get()}</p></div>
                <Button weight=Weight::Ghost icon=Icon::Close name="Close" on_click=on_close/>
            </header>
            <div class="body">{children()}</div>
            {footer.map(|footer| view! { <footer>{footer.run()}</footer> })}
        </div>
    };
    over(portal.into_any())
}

/// A question in the middle of the page. Render it while it is open.
#[component]
pub fn Dialog(
    /// The title; names the thing.
    #[prop(into)]
    title: Signal<String>,
    /// Whether data or sessions may be lost.
    #[prop(optional)]
    danger: bool,
    /// Closes it.
    #[prop(into)]
    on_close: Callback<()>,
    /// What stands at the bottom.
    #[prop(optional, into)]
    footer: Option<ViewFn>,
    /// The question.
    children: Children,
) -> AnyView {
    let id = next_id("dialog");
    let root = NodeRef::new();
    let on_key = hold_focus(root, on_close);
    let portal = view! {
        <div class="scrim"></div>
        <div class="dialog" class:dialog--danger=danger role=if danger { "alertdialog" } else { "dialog" } aria-modal="true" aria-labelledby=id.clone() node_ref=root on:keydown=on_key>
            <header><div class="grow"><h1 id=id.clone() tabindex="-1">{move || title.get()}</h1></div></header>
            <div class="body">{children()}</div>
            {footer.map(|footer| view! { <footer>{footer.run()}</footer> })}
        </div>
    };
    over(portal.into_any())
}

/// A box above the page that is neither drawer nor dialog. It holds the focus; Esc and a click beside it close it. Render it while it is open.
pub fn layer(
    class: &'static str,
    name: &'static str,
    on_close: Callback<()>,
    content: AnyView,
) -> AnyView {
    let root = NodeRef::new();
    let on_key = hold_focus(root, on_close);
    let portal = view! {
        <div class="scrim" on:click=move |_| on_close.run(())></div>
        <div class=class role="dialog" aria-modal="true" aria-label=name node_ref=root on:keydown=on_key>{content}</div>
    };
    over(portal.into_any())
}

/// Puts a view beside the shell, outside of what becomes inert.
fn over(content: AnyView) -> AnyView {
    let Some(place) = document().get_element_by_id("overlays") else {
        return content;
    };
    let handle = StoredValue::new_local(Some(leptos::mount::mount_to(
        place.unchecked_into(),
        move || content,
    )));
    on_cleanup(move || drop(handle.try_update_value(Option::take)));
    ().into_any()
}

/// Asks before something that cannot be taken back: what will happen, why, and, where data or sessions may be lost, the name typed out.
#[component]
pub fn Confirm(
    /// The title; names the thing: "Force failover of east to east-2?"
    #[prop(into)]
    title: Signal<String>,
    /// The verb on the button: "Force failover".
    #[prop(into)]
    verb: String,
    /// What the safe button says is kept: "Keep east-1 active".
    #[prop(into)]
    keep: String,
    /// Whether data or sessions may be lost.
    #[prop(optional)]
    danger: bool,
    /// What must be typed out; nothing when empty.
    #[prop(optional, into)]
    typed: String,
    /// Whether a reason is asked, and where it goes: "Reason, goes to the history". Not asked when empty.
    #[prop(optional, into)]
    reason: String,
    /// The verb in progress, while it is done.
    #[prop(optional, into)]
    busy: Signal<Option<String>>,
    /// Does it, with the reason.
    #[prop(into)]
    on_confirm: Callback<String>,
    /// Leaves everything as it is.
    #[prop(into)]
    on_close: Callback<()>,
    /// The effects, with counts.
    children: Children,
) -> AnyView {
    let why = RwSignal::new(String::new());
    let name = RwSignal::new(String::new());
    let asks_reason = !reason.is_empty();
    let wanted = StoredValue::new(typed.clone());
    let off = Signal::derive(move || {
        if asks_reason && why.with(|why| why.trim().chars().count() < 3) {
            return Some("Give a reason of at least 3 characters.".to_owned());
        }
        let complete = wanted
            .with_value(|wanted| wanted.is_empty() || name.with(|name| name.trim() == wanted));
        (!complete).then(|| "The name is not complete.".to_owned())
    });
    let why_id = next_id("why");
    let footer = {
        let why_id = why_id.clone();
        move || {
            let (verb, keep, why_id) = (verb.clone(), keep.clone(), why_id.clone());
            view! {
                <span class="why-not grow" id=why_id.clone() aria-live="polite">{move || off.get()}</span>
                <button type="button" class="btn" autofocus=true on:click=move |_| on_close.run(())>{keep}</button>
                <Button weight=if danger { Weight::DangerFill } else { Weight::Primary } off=off reason_at=why_id busy=busy on_click=Callback::new(move |()| on_confirm.run(why.get_untracked()))>{verb}</Button>
            }
        }
    };
    let reason_field = asks_reason.then(|| view! { <TextField label=reason value=why/> });
    let typed_field = (!typed.is_empty()).then(|| {
        let hint = Signal::derive(move || {
            let left = wanted.with_value(|wanted| wanted.chars().count().saturating_sub(name.with(|name| name.trim().chars().count())));
            Hint::Plain(if left > 0 { super::format::counted(left, "character") + " to go" } else { String::new() })
        });
        view! { <TextField label=format!("Type {typed} to confirm") value=name mono=true hint=hint/> }
    });
    view! {
        <Dialog title=title danger=danger on_close=on_close footer=footer>
            {children()}
            {reason_field}
            {typed_field}
        </Dialog>
    }
    .into_any()
}
