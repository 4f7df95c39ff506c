//! leptos's signals and memos, compiled once for all types.
//!
//! leptos compiles its reactive graph anew for each type that a signal holds, and for each closure; the console has them by the
//! hundred. Here the graph holds one type, a value whose own type is known at both ends, and these handles put it in and take it out.
//! They are used as leptos's own are.

use std::any::Any;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use leptos::prelude as graph;
use leptos::prelude::{
    GetValue as _, Read as _, ReadUntracked as _, Set as _, Track as _, Write as _,
};
use leptos::reactive::graph::{AnySubscriber, Subscriber as _, ToAnySubscriber as _};

/// What a signal may hold.
pub trait Held: Send + Sync + 'static {}

impl<T: Send + Sync + 'static> Held for T {}

type Anything = dyn Any + Send + Sync;

/// A value that is changed in place.
struct Own(Box<Anything>);

/// A value that is handed around, and what compares it with one of the same type.
#[derive(Clone)]
struct Shared {
    value: Arc<Anything>,
    same: fn(&Anything, &Anything) -> bool,
}

impl PartialEq for Shared {
    fn eq(&self, other: &Self) -> bool {
        (self.same)(&*self.value, &*other.value)
    }
}

impl Shared {
    fn new<T: Held>(value: T) -> Self {
        Self {
            value: Arc::new(value),
            same: |_, _| false,
        }
    }

    fn compared<T: Held>(value: T, same: fn(&Anything, &Anything) -> bool) -> Self {
        Self {
            value: Arc::new(value),
            same,
        }
    }
}

/// The value as what it is: each handle takes out what it has put in.
fn known<T: Held>(value: &Anything) -> &T {
    value
        .downcast_ref()
        .unwrap_or_else(|| unreachable!("a signal holds what its handle says"))
}

fn known_mut<T: Held>(value: &mut Anything) -> &mut T {
    value
        .downcast_mut()
        .unwrap_or_else(|| unreachable!("a signal holds what its handle says"))
}

/// Makes a value. Not a `dyn Fn`: those have code for being called once and by exclusive reference, too.
trait Make: Send + Sync {
    fn make(&self, before: Option<&Shared>) -> Shared;
}

struct Following<F, T>(F, PhantomData<fn() -> T>);

impl<F: Fn() -> T + Send + Sync, T: Held> Make for Following<F, T> {
    fn make(&self, _: Option<&Shared>) -> Shared {
        Shared::new((self.0)())
    }
}

struct Comparing<F, T> {
    fun: F,
    same: fn(&Anything, &Anything) -> bool,
    kind: PhantomData<fn() -> T>,
}

impl<F: Fn(Option<&T>) -> T + Send + Sync, T: Held> Make for Comparing<F, T> {
    fn make(&self, before: Option<&Shared>) -> Shared {
        let before = before.map(|before| known::<T>(&*before.value));
        Shared::compared((self.fun)(before), self.same)
    }
}

/// A signal that is written and read, and copied as a handle.
pub struct RwSignal<T> {
    inner: graph::RwSignal<Own>,
    kind: PhantomData<fn() -> T>,
}

/// A signal that is written and read, and lives as long as one of its handles.
pub struct ArcRwSignal<T> {
    inner: graph::ArcRwSignal<Own>,
    kind: PhantomData<fn() -> T>,
}

/// A value that follows others, and tells of it only when it has become another.
pub struct Memo<T> {
    inner: graph::Memo<Shared>,
    kind: PhantomData<fn() -> T>,
}

/// Anything that is read: a value, a signal, a memo or a closure.
pub struct Signal<T> {
    inner: graph::Signal<Shared>,
    kind: PhantomData<fn() -> T>,
}

macro_rules! copied {
    ($($handle:ident),*) => {$(
        impl<T> Copy for $handle<T> {}
        impl<T> Clone for $handle<T> {
            fn clone(&self) -> Self {
                *self
            }
        }
    )*};
}

copied!(RwSignal, Memo, Signal);

impl<T> Clone for ArcRwSignal<T> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            kind: PhantomData,
        }
    }
}

macro_rules! read {
    ($($handle:ident, $graph:ty;)*) => {$(
        impl<T: Held> $handle<T> {
            /// What a look at it gives. Tracks.
            pub fn with<U>(&self, look: impl FnOnce(&T) -> U) -> U {
                fn held(inner: &$graph) -> impl Deref<Target = impl Deref<Target = Anything>> {
                    inner.read()
                }
                look(known(&**held(&self.inner)))
            }

            /// What a look at it gives, without tracking.
            pub fn with_untracked<U>(&self, look: impl FnOnce(&T) -> U) -> U {
                fn held(inner: &$graph) -> impl Deref<Target = impl Deref<Target = Anything>> {
                    inner.read_untracked()
                }
                look(known(&**held(&self.inner)))
            }

            /// A copy. Tracks.
            pub fn get(&self) -> T
            where
                T: Clone,
            {
                self.with(T::clone)
            }

            /// A copy, without tracking.
            pub fn get_untracked(&self) -> T
            where
                T: Clone,
            {
                self.with_untracked(T::clone)
            }

            /// A copy, without tracking; none when what it follows is gone.
            pub fn try_get_untracked(&self) -> Option<T>
            where
                T: Clone,
            {
                fn held(inner: &$graph) -> Option<impl Deref<Target = impl Deref<Target = Anything>>> {
                    inner.try_read_untracked()
                }
                held(&self.inner).map(|held| known::<T>(&**held).clone())
            }

            /// Tracks, and reads nothing.
            pub fn track(&self) {
                self.inner.track();
            }
        }
    )*};
}

impl Deref for Own {
    type Target = Anything;

    fn deref(&self) -> &Anything {
        &*self.0
    }
}

impl Deref for Shared {
    type Target = Anything;

    fn deref(&self) -> &Anything {
        &*self.value
    }
}

read! {
    RwSignal, graph::RwSignal<Own>;
    ArcRwSignal, graph::ArcRwSignal<Own>;
    Memo, graph::Memo<Shared>;
    Signal, graph::Signal<Shared>;
}

macro_rules! written {
    ($($handle:ident, $graph:ty;)*) => {$(
        impl<T: Held> $handle<T> {
            /// A signal of a value.
            pub fn new(value: T) -> Self {
                Self {
                    inner: <$graph>::new(Own(Box::new(value))),
                    kind: PhantomData,
                }
            }

            /// Another value.
            pub fn set(&self, value: T) {
                self.inner.set(Own(Box::new(value)));
            }

            /// Another value; gives it back when the signal is gone.
            pub fn try_set(&self, value: T) -> Option<T> {
                let mut value = Some(value);
                self.try_update(|held| {
                    if let Some(value) = value.take() {
                        *held = value;
                    }
                });
                value
            }

            /// Changes the value in place.
            pub fn update(&self, change: impl FnOnce(&mut T)) {
                self.try_update(change);
            }

            /// Changes the value in place; nothing when the signal is gone.
            pub fn try_update<U>(&self, change: impl FnOnce(&mut T) -> U) -> Option<U> {
                fn held(inner: &$graph) -> Option<impl DerefMut<Target = Own>> {
                    inner.try_write()
                }
                let mut held = held(&self.inner)?;
                Some(change(known_mut(&mut *held.0)))
            }
        }
    )*};
}

written! {
    RwSignal, graph::RwSignal<Own>;
    ArcRwSignal, graph::ArcRwSignal<Own>;
}

impl<T: Held> Memo<T> {
    /// Follows what the closure reads. The closure is given the value before, if there is one.
    pub fn new(fun: impl Fn(Option<&T>) -> T + Send + Sync + 'static) -> Self
    where
        T: PartialEq,
    {
        Self::comparing(fun, |one, other| known::<T>(one) == known::<T>(other))
    }

    /// Follows, and tells of each value as of another.
    pub fn always(fun: impl Fn() -> T + Send + Sync + 'static) -> Self {
        Self::comparing(move |_| fun(), |_, _| false)
    }

    fn comparing(
        fun: impl Fn(Option<&T>) -> T + Send + Sync + 'static,
        same: fn(&Anything, &Anything) -> bool,
    ) -> Self {
        fn start(make: Box<dyn Make>) -> graph::Memo<Shared> {
            let memo = graph::ArcMemo::new(move |before: Option<&Shared>| make.make(before));
            leave_at_the_end(memo.to_any_subscriber());
            memo.into()
        }
        Self {
            inner: start(Box::new(Comparing {
                fun,
                same,
                kind: PhantomData,
            })),
            kind: PhantomData,
        }
    }
}

impl<T: Held> Signal<T> {
    /// What the closure gives, made anew at each look.
    pub fn derive(fun: impl Fn() -> T + Send + Sync + 'static) -> Self {
        fn start(make: Box<dyn Make>) -> graph::Signal<Shared> {
            graph::Signal::derive(move || make.make(None))
        }
        Self {
            inner: start(Box::new(Following(fun, PhantomData))),
            kind: PhantomData,
        }
    }

    /// Always the same.
    pub fn stored(value: T) -> Self {
        fn start(value: Shared) -> graph::Signal<Shared> {
            graph::Signal::stored(value)
        }
        Self {
            inner: start(Shared::new(value)),
            kind: PhantomData,
        }
    }
}

impl<T: Held + Default> Default for Signal<T> {
    fn default() -> Self {
        Self::stored(T::default())
    }
}

impl<T: Held> From<Memo<T>> for Signal<T> {
    fn from(memo: Memo<T>) -> Self {
        Self {
            inner: memo.inner.into(),
            kind: PhantomData,
        }
    }
}

impl<T: Held + Clone> From<RwSignal<T>> for Signal<T> {
    fn from(signal: RwSignal<T>) -> Self {
        Self::derive(move || signal.get())
    }
}

impl<F, T> From<F> for Signal<T>
where
    F: Fn() -> T + Send + Sync + 'static,
    T: Held,
{
    fn from(fun: F) -> Self {
        Self::derive(fun)
    }
}

impl From<&str> for Signal<String> {
    fn from(text: &str) -> Self {
        Self::stored(text.to_owned())
    }
}

macro_rules! stored {
    ($($own:ty),*) => {$(
        impl From<$own> for Signal<$own> {
            fn from(value: $own) -> Self {
                Self::stored(value)
            }
        }
    )*};
}

stored!(String, bool);

impl<T: Held> From<Option<T>> for Signal<Option<T>> {
    fn from(value: Option<T>) -> Self {
        Self::stored(value)
    }
}

impl<T: Held> From<Vec<T>> for Signal<Vec<T>> {
    fn from(value: Vec<T>) -> Self {
        Self::stored(value)
    }
}

/// What it has read forgets it. leptos's own signals and memos keep whoever has read them until that reads again: of what is gone, for ever.
pub fn leave(reader: &AnySubscriber) {
    reader.clear_sources(reader);
}

/// With what it belongs to it is gone.
fn leave_at_the_end(reader: AnySubscriber) {
    graph::on_cleanup(move || leave(&reader));
}

/// What is done whenever something that it reads has changed.
#[derive(Clone, Copy, Debug)]
pub struct Effect;

impl Effect {
    /// Does it, and again after each change. The closure is given what it gave before.
    #[allow(
        clippy::new_ret_no_self,
        reason = "it is called as leptos's own, whose handle nobody keeps"
    )]
    pub fn new<T: 'static>(run: impl FnMut(Option<T>) -> T + 'static) {
        fn start<T: 'static>(run: Box<dyn FnMut(Option<T>) -> T>) {
            leave_at_the_end(graph::Effect::new(run).to_any_subscriber());
        }
        start(Box::new(run));
    }
}

/// What is done with a value of `In`, and gives an `Out`. Copied as a handle.
pub struct Callback<In: 'static, Out: 'static = ()>(graph::StoredValue<Arc<dyn Run<In, Out>>>);

/// Does something. Not a `dyn Fn`, see [`Make`].
trait Run<In, Out>: Send + Sync {
    fn run(&self, input: In) -> Out;
}

impl<F: Fn(In) -> Out + Send + Sync, In, Out> Run<In, Out> for F {
    fn run(&self, input: In) -> Out {
        self(input)
    }
}

impl<In, Out> Copy for Callback<In, Out> {}

impl<In, Out> Clone for Callback<In, Out> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<In, Out> Callback<In, Out> {
    /// Does what the closure does.
    pub fn new(fun: impl Fn(In) -> Out + Send + Sync + 'static) -> Self {
        fn start<In, Out>(fun: Arc<dyn Run<In, Out>>) -> Callback<In, Out> {
            Callback(graph::StoredValue::new(fun))
        }
        start(Arc::new(fun))
    }

    /// Does it.
    pub fn run(&self, input: In) -> Out {
        self.0.get_value().run(input)
    }

    /// Does it, unless what it belongs to is gone.
    pub fn try_run(&self, input: In) -> Option<Out> {
        self.0.try_get_value().map(|fun| fun.run(input))
    }
}

impl<F, In, Out> From<F> for Callback<In, Out>
where
    F: Fn(In) -> Out + Send + Sync + 'static,
{
    fn from(fun: F) -> Self {
        Self::new(fun)
    }
}
