//! A list of any length, of which only what is seen is made. All rows are of one height.

use std::ops::Range;

use crate::reactive::{Callback, Effect, Memo, RwSignal, Signal};
use crate::ui::{For, view};
use leptos::prelude::*;

/// Rows made beyond what is seen, at either end, so that scrolling shows no gaps.
const OVERSCAN: usize = 8;

/// Which rows to make for a window at `top` of `height` pixels.
fn window_of(top: f64, height: f64, row: f64, count: usize) -> Range<usize> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    // both are clamped to 0 and above
    let index = |pixels: f64| (pixels / row).clamp(0.0, 1e9) as usize;
    let first = index(top).min(count).saturating_sub(OVERSCAN);
    let last = (index(top + height) + 1 + OVERSCAN).min(count);
    first..last.max(first)
}

/// A long list in a box that scrolls. `view` makes the row at an index; it is asked again when the list's length or the window changes.
#[component]
pub fn VirtualList(
    /// How many rows there are.
    #[prop(into)]
    count: Signal<usize>,
    /// Height of a row, pixels.
    row: f64,
    /// What is listed, for screen readers.
    #[prop(into)]
    name: String,
    /// Makes the row at an index.
    #[prop(into)]
    view: Callback<usize, AnyView>,
    /// A key for the row at an index: a row whose key stays is not made again.
    #[prop(into)]
    key: Callback<usize, String>,
) -> AnyView {
    let (top, height) = (RwSignal::new(0.0), RwSignal::new(600.0));
    let root = NodeRef::<leptos::html::Div>::new();
    let measure = move || {
        if let Some(root) = root.get_untracked() {
            top.set(f64::from(root.scroll_top()));
            height.set(f64::from(root.client_height()));
        }
    };
    Effect::new(move |_| {
        root.track();
        measure();
    });
    let resized = window_event_listener(leptos::ev::resize, move |_| measure());
    on_cleanup(move || resized.remove());
    let shown = Memo::new(move |_| window_of(top.get(), height.get(), row, count.get()));
    let rows = move || {
        count.track();
        shown
            .get()
            .map(|index| (index, key.run(index)))
            .collect::<Vec<_>>()
    };
    #[allow(clippy::cast_precision_loss)] // pixels
    let pixels = move |rows: usize| format!("{}px", rows as f64 * row);
    view! {
        <div class="scroll grow" tabindex="0" role="region" aria-label=name node_ref=root on:scroll=move |_| measure()>
            <div class="virtual" style:height=move || pixels(count.get())>
                <div role="list" style:transform=move || ["translateY(", &pixels(shown.with(|shown| shown.start)), ")"].concat()>
                    <For each=rows key=|row| row.clone() children=move |(index, _)| view! { <div role="listitem" aria-setsize=move || count.get() aria-posinset=index + 1>{view.run(index)}</div> }/>
                </div>
            </div>
        </div>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn only_what_is_seen_is_made() {
        assert_eq!(window_of(0.0, 300.0, 30.0, 1_000_000), 0..19);
        assert_eq!(window_of(30_000.0, 300.0, 30.0, 1_000_000), 992..1019);
        assert_eq!(window_of(30_000.0, 300.0, 30.0, 5), 0..5);
        assert_eq!(window_of(-50.0, 0.0, 30.0, 0), 0..0);
    }
}
