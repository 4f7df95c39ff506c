//! `Show` and `For` as leptos has them, compiled once for all conditions and lists.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::el::Child;
use super::view;
use crate::reactive::{Memo, Signal};
use leptos::prelude::*;

/// Its children, for as long as `when` holds.
#[component]
pub fn Show(
    /// Whether they are there.
    #[prop(into)]
    when: Signal<bool>,
    /// What is there.
    children: ChildrenFn,
) -> AnyView {
    let when = Memo::new(move |_| when.get());
    let shown = move || when.get().then(|| children());
    shown.view()
}

/// One item of a list: its key, and what makes its view.
struct Item {
    key: u64,
    make: Box<dyn FnOnce() -> AnyView + Send>,
}

/// A view for each item of a list. An item's view is made once, and moves with it.
#[component]
pub fn For<I, T, K, V>(
    /// The items.
    each: impl Fn() -> I + Send + 'static,
    /// What tells an item from the others: by its hash, of 64 bits.
    key: impl Fn(&T) -> K + Send + 'static,
    /// The view of an item.
    children: impl Fn(T) -> V + Clone + Send + 'static,
) -> AnyView
where
    I: IntoIterator<Item = T> + 'static,
    T: Send + 'static,
    K: Hash + 'static,
    V: Child + 'static,
{
    let item = move |item: T| {
        let mut hasher = DefaultHasher::new();
        key(&item).hash(&mut hasher);
        let children = children.clone();
        Item {
            key: hasher.finish(),
            make: Box::new(move || children(item).view()),
        }
    };
    list(Box::new(move || each().into_iter().map(&item).collect()))
}

fn list(items: Box<dyn Fn() -> Vec<Item> + Send>) -> AnyView {
    use leptos::control_flow::For;
    view! { <For each=items key=|item| item.key children=|item: Item| (item.make)()/> }.into_any()
}
