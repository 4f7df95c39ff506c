//! What is drawn anew whenever something that it reads changes, and is forgotten by all of that when it goes.
//!
//! A signal of leptos keeps whoever has read it until that reads again: of an element that is gone, for ever. A long list that is scrolled would
//! take more and more memory, and each change would ask all that ever read it.

use leptos::prelude::*;
use leptos::reactive::effect::RenderEffect;
use leptos::reactive::graph::ToAnySubscriber as _;
use web_sys::{Element, Node};

use super::el::Make;
use crate::reactive::leave;

/// A value that follows what it is made from, until it is dropped.
pub(super) struct Following<T: 'static>(RenderEffect<T>);

impl<T> Following<T> {
    /// Makes it, and again after each change. The closure is given what it gave before.
    pub(super) fn new(make: impl FnMut(Option<T>) -> T + 'static, before: Option<T>) -> Self {
        Self(RenderEffect::new_with_value(make, before))
    }

    /// Takes it out.
    pub(super) fn take_value(&self) -> Option<T> {
        self.0.take_value()
    }
}

impl<T> Drop for Following<T> {
    fn drop(&mut self) {
        // Its task holds it, too, and ends only later: what is in it would still follow what is gone with it.
        drop(self.0.take_value());
        leave(&self.0.to_any_subscriber());
    }
}

/// A view that is made anew whenever something that it reads changes.
pub(super) struct Live(pub(super) Box<dyn Make>);

/// A [`Live`] in the page.
type Shown = Following<<AnyView as Render>::State>;

impl Render for Live {
    type State = Shown;

    fn build(mut self) -> Shown {
        let make = move |before: Option<<AnyView as Render>::State>| {
            let view = self.0.make();
            match before {
                Some(mut state) => {
                    view.rebuild(&mut state);
                    state
                }
                None => view.build(),
            }
        };
        Following::new(make, None)
    }

    fn rebuild(self, state: &mut Shown) {
        let new = self.build();
        let mut old = std::mem::replace(state, new);
        old.insert_before_this(state);
        old.unmount();
    }
}

impl Mountable for Shown {
    fn unmount(&mut self) {
        self.0.unmount();
    }

    fn mount(&mut self, parent: &Element, marker: Option<&Node>) {
        self.0.mount(parent, marker);
    }

    fn insert_before_this(&self, child: &mut dyn Mountable) -> bool {
        self.0.insert_before_this(child)
    }

    fn elements(&self) -> Vec<Element> {
        self.0.elements()
    }
}

/// leptos asks for these of every view; the console is only ever drawn in a browser, where none of them is called.
macro_rules! in_a_browser {
    ($view:ty) => {
        impl AddAnyAttr for $view {
            type Output<A: leptos::attr::Attribute> = Self;

            fn add_any_attr<A: leptos::attr::Attribute>(self, _: A) -> Self {
                self
            }
        }

        impl RenderHtml for $view {
            type AsyncOutput = Self;
            type Owned = Self;
            const MIN_LENGTH: usize = 0;

            fn dry_resolve(&mut self) {}

            async fn resolve(self) -> Self {
                self
            }

            fn to_html_with_buf(
                self,
                _: &mut String,
                _: &mut leptos::tachys::view::Position,
                _: bool,
                _: bool,
                _: Vec<leptos::attr::any_attribute::AnyAttribute>,
            ) {
            }

            fn hydrate<const FROM_SERVER: bool>(
                self,
                _: &leptos::tachys::hydration::Cursor,
                _: &leptos::tachys::view::PositionState,
            ) -> Self::State {
                self.build()
            }

            fn into_owned(self) -> Self {
                self
            }
        }
    };
}

pub(super) use in_a_browser;

in_a_browser!(Live);
