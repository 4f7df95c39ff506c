//! `Show` and `For` as leptos has them, compiled once for all conditions and lists.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use super::el::Child;
use crate::reactive::{Memo, Signal};
use leptos::prelude::*;
use leptos::tachys::reactive_graph::OwnedView;
use leptos::tachys::view::keyed::keyed;

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
    let rooms = Rooms::new();
    let children = move |_, item: Item| {
        let owner = rooms.next();
        let view = owner.with(item.make);
        (drop, OwnedView::new_with_owner(view, owner))
    };
    (move || keyed(items(), |item: &Item| item.key, children.clone()).into_any()).view()
}

/// How many items share a room.
const ROOM: usize = 64;

/// Where items live. An owner keeps a note of each that it has ever owned, until it goes itself: of a long list that is scrolled there would be
/// more and more. So some items share an owner, which goes with the last of them.
#[derive(Clone)]
struct Rooms {
    home: Option<Owner>,
    open: Arc<Mutex<(usize, Owner)>>,
}

impl Rooms {
    fn new() -> Self {
        Self {
            home: Owner::current(),
            open: Arc::new(Mutex::new((0, Owner::new()))),
        }
    }

    /// The owner of another item.
    fn next(&self) -> Owner {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.0 == ROOM {
            let new = self
                .home
                .as_ref()
                .map_or_else(Owner::new, |home| home.with(Owner::new));
            *open = (0, new);
        }
        open.0 += 1;
        let room = open.1.clone();
        let owner = room.with(Owner::new);
        owner.with(|| on_cleanup(move || drop(room)));
        owner
    }
}
