//! The one element type of the console, and what may stand in it: what [`view!`](crate::ui::view) makes.
//!
//! leptos knows a type for each element with its attributes and children, and compiles code for each. Here an element is a value:
//! building, updating and removing it is compiled once. It behaves as leptos's own do, an update in place included.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::Arc;

use super::following::{Following, Live, in_a_browser};
use crate::reactive::Signal;
use leptos::ev::EventDescriptor;
use leptos::html::ElementType;
use leptos::prelude::*;
use leptos::reactive::owner::Owner;
use leptos::tachys::html::node_ref::NodeRefContainer;
use leptos::tachys::view::iterators::StaticVec;
use send_wrapper::SendWrapper;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Element, Event, HtmlElement, Node};

const SVG: &str = "http://www.w3.org/2000/svg";

/// An element that is not yet in the page.
pub struct El(Box<Parts>);

struct Parts {
    tag: &'static str,
    drawn: bool,
    fixed: &'static [(&'static str, &'static str)],
    features: Vec<Feature>,
    children: Vec<AnyView>,
}

/// What an element has that may change.
enum Feature {
    Value(Slot, Source),
    On(Cow<'static, str>, SendWrapper<(Owner, Box<dyn Hear>)>),
    Ref(Box<dyn FnOnce(&Element) + Send>),
}

/// Hears events.
trait Hear {
    fn hear(&mut self, event: Event);
}

struct Hearing<E, F>(F, PhantomData<E>);

impl<E: From<JsValue>, F: FnMut(E)> Hear for Hearing<E, F> {
    fn hear(&mut self, event: Event) {
        (self.0)(JsValue::from(event).into());
    }
}

/// Where a value goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slot {
    Attribute(&'static str),
    Class(&'static str),
    Style(&'static str),
    Property(&'static str),
}

/// The value of an attribute, a class, a style or a property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Not there.
    None,
    /// There or not, without a text.
    Flag(bool),
    /// A text.
    Text(Cow<'static, str>),
}

/// A value, or what makes it anew whenever something that it reads changes.
pub enum Source {
    /// Always the same.
    Fixed(Value),
    /// Follows.
    Live(Box<dyn Give>),
}

/// Gives a value. Not a `dyn FnMut`: those have code for being called once, too.
pub trait Give: Send {
    /// The value now.
    fn give(&mut self) -> Value;
}

impl<F, T> Give for F
where
    F: FnMut() -> T + Send,
    T: IntoValue,
{
    fn give(&mut self) -> Value {
        self().into_value()
    }
}

/// What can be a [`Value`].
pub trait IntoValue {
    /// The value.
    fn into_value(self) -> Value;
}

/// What can be a [`Source`]: a value, or a closure that gives one.
pub trait IntoSource {
    /// The source.
    fn into_source(self) -> Source;
}

macro_rules! values {
    ($($own:ty => |$value:ident| $made:expr;)*) => {$(
        impl IntoValue for $own {
            fn into_value(self) -> Value {
                let $value = self;
                $made
            }
        }
        impl IntoSource for $own {
            fn into_source(self) -> Source {
                Source::Fixed(self.into_value())
            }
        }
    )*};
}

values! {
    &'static str => |text| Value::Text(Cow::Borrowed(text));
    String => |text| Value::Text(Cow::Owned(text));
    bool => |on| Value::Flag(on);
    u32 => |number| number.to_string().into_value();
    usize => |number| number.to_string().into_value();
}

impl<T: IntoValue> IntoValue for Option<T> {
    fn into_value(self) -> Value {
        self.map_or(Value::None, T::into_value)
    }
}

impl<T: IntoValue> IntoSource for Option<T> {
    fn into_source(self) -> Source {
        Source::Fixed(self.into_value())
    }
}

impl<F, T> IntoSource for F
where
    F: FnMut() -> T + Send + 'static,
    T: IntoValue,
{
    fn into_source(self) -> Source {
        Source::Live(Box::new(self))
    }
}

impl IntoSource for Signal<String> {
    fn into_source(self) -> Source {
        (move || self.get()).into_source()
    }
}

/// What may stand in an element.
pub trait Child {
    /// As a view.
    fn view(self) -> AnyView;
}

macro_rules! leaves {
    ($($own:ty),*) => {$(
        impl Child for $own {
            fn view(self) -> AnyView {
                self.into_any()
            }
        }
    )*};
}

leaves!((), &'static str, String, usize, u32, u64, i64, El);

impl Child for AnyView {
    fn view(self) -> AnyView {
        self
    }
}

impl Child for Arc<str> {
    fn view(self) -> AnyView {
        self.to_string().into_any()
    }
}

impl<T: Child> Child for Option<T> {
    fn view(self) -> AnyView {
        self.map_or_else(|| ().into_any(), T::view)
    }
}

impl<T: Child> Child for Vec<T> {
    fn view(self) -> AnyView {
        let views: Vec<AnyView> = self.into_iter().map(T::view).collect();
        views.into_any()
    }
}

impl<const N: usize> Child for [AnyView; N] {
    fn view(self) -> AnyView {
        all(self)
    }
}

impl<F, T> Child for F
where
    F: FnMut() -> T + Send + 'static,
    T: Child,
{
    fn view(self) -> AnyView {
        live(Box::new(self))
    }
}

/// Makes a view.
pub(super) trait Make: Send {
    fn make(&mut self) -> AnyView;
}

impl<F, T> Make for F
where
    F: FnMut() -> T + Send,
    T: Child,
{
    fn make(&mut self) -> AnyView {
        self().view()
    }
}

fn live(make: Box<dyn Make>) -> AnyView {
    Live(make).into_any()
}

/// Several views, one after the other.
pub fn all<const N: usize>(views: [AnyView; N]) -> AnyView {
    together(Vec::from(views))
}

fn together(views: Vec<AnyView>) -> AnyView {
    StaticVec::from(views).into_any()
}

impl El {
    /// An element of HTML, with what never changes of its attributes.
    pub fn new(tag: &'static str, fixed: &'static [(&'static str, &'static str)]) -> Self {
        Self::of(tag, false, fixed)
    }

    /// An element of SVG.
    pub fn drawn(tag: &'static str, fixed: &'static [(&'static str, &'static str)]) -> Self {
        Self::of(tag, true, fixed)
    }

    fn of(tag: &'static str, drawn: bool, fixed: &'static [(&'static str, &'static str)]) -> Self {
        Self(Box::new(Parts {
            tag,
            drawn,
            fixed,
            features: Vec::new(),
            children: Vec::new(),
        }))
    }

    /// Sets an attribute; a flag is an attribute without a text.
    #[must_use]
    pub fn attribute(self, name: &'static str, value: impl IntoSource) -> Self {
        self.value(Slot::Attribute(name), value.into_source())
    }

    /// Sets a class or takes it away.
    #[must_use]
    pub fn class(self, name: &'static str, on: impl IntoSource) -> Self {
        self.value(Slot::Class(name), on.into_source())
    }

    /// Sets one property of the style, past the content policy.
    #[must_use]
    pub fn style(self, name: &'static str, value: impl IntoSource) -> Self {
        self.value(Slot::Style(name), value.into_source())
    }

    /// Sets a property of the element's object.
    #[must_use]
    pub fn property(self, name: &'static str, value: impl IntoSource) -> Self {
        self.value(Slot::Property(name), value.into_source())
    }

    fn value(self, slot: Slot, source: Source) -> Self {
        self.feature(Feature::Value(slot, source))
    }

    /// Hears an event.
    #[must_use]
    pub fn on<E>(self, event: E, hear: impl FnMut(E::EventType) + 'static) -> Self
    where
        E: EventDescriptor,
        E::EventType: From<JsValue> + 'static,
    {
        self.hears(event.name(), Box::new(Hearing(hear, PhantomData)))
    }

    fn hears(self, name: Cow<'static, str>, hear: Box<dyn Hear>) -> Self {
        let owner = Owner::current().unwrap_or_default();
        self.feature(Feature::On(name, SendWrapper::new((owner, hear))))
    }

    /// Puts the element into a reference once it is made.
    #[must_use]
    pub fn node_ref<E: ElementType>(self, place: impl NodeRefContainer<E>) -> Self {
        self.feature(Feature::Ref(Box::new(move |element| place.load(element))))
    }

    fn feature(mut self, feature: Feature) -> Self {
        self.0.features.push(feature);
        self
    }

    /// Puts a child behind the others.
    #[must_use]
    pub fn child(self, child: impl Child) -> Self {
        self.put(child.view())
    }

    fn put(mut self, child: AnyView) -> Self {
        self.0.children.push(child);
        self
    }
}

/// An element in the page.
pub struct Built {
    tag: &'static str,
    fixed: &'static [(&'static str, &'static str)],
    element: Element,
    features: Vec<Kept>,
    children: Vec<<AnyView as Render>::State>,
}

/// What is kept of a [`Feature`].
enum Kept {
    Fixed(Slot, Value),
    Live(Slot, Following<Value>),
    On(Listener),
    Ref,
}

impl Kept {
    /// Whether a new feature takes the place of this one.
    fn fits(&self, feature: &Feature) -> bool {
        match (self, feature) {
            (Self::Fixed(own, _) | Self::Live(own, _), Feature::Value(slot, _)) => own == slot,
            (Self::On(listener), Feature::On(name, _)) => listener.name == *name,
            (Self::Ref, Feature::Ref(_)) => true,
            _ => false,
        }
    }

    fn into_value(self) -> Option<Value> {
        match self {
            Self::Fixed(_, value) => Some(value),
            Self::Live(_, effect) => effect.take_value(),
            Self::On(_) | Self::Ref => None,
        }
    }
}

/// Hears until it is dropped.
struct Listener {
    element: Element,
    name: Cow<'static, str>,
    closure: Closure<dyn FnMut(Event)>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        let function = self.closure.as_ref().unchecked_ref();
        let _ = self
            .element
            .remove_event_listener_with_callback(&self.name, function);
    }
}

fn keep(element: &Element, feature: Feature, before: Option<Value>) -> Kept {
    match feature {
        Feature::Value(slot, Source::Fixed(value)) => {
            if before.as_ref() != Some(&value) {
                write(element, slot, &value);
            }
            Kept::Fixed(slot, value)
        }
        Feature::Value(slot, Source::Live(mut make)) => {
            let element = element.clone();
            let follow = move |before: Option<Value>| {
                let value = make.give();
                if before.as_ref() != Some(&value) {
                    write(&element, slot, &value);
                }
                value
            };
            Kept::Live(slot, Following::new(follow, before))
        }
        Feature::On(name, hear) => {
            let (owner, mut hear) = hear.take();
            let closure = Closure::new(move |event| owner.with(|| hear.hear(event)));
            let function = closure.as_ref().unchecked_ref();
            let _ = element.add_event_listener_with_callback(&name, function);
            Kept::On(Listener {
                element: element.clone(),
                name,
                closure,
            })
        }
        Feature::Ref(load) => {
            load(element);
            Kept::Ref
        }
    }
}

fn write(element: &Element, slot: Slot, value: &Value) {
    let text = match value {
        Value::None | Value::Flag(false) => None,
        Value::Flag(true) => Some(""),
        Value::Text(text) => Some(&**text),
    };
    // None of these fails for a name that the console writes.
    let _ = match (slot, text) {
        (Slot::Attribute(name), Some(text)) => element.set_attribute(name, text),
        (Slot::Attribute(name), None) => element.remove_attribute(name),
        (Slot::Class(name), Some(_)) => element.class_list().add_1(name),
        (Slot::Class(name), None) => element.class_list().remove_1(name),
        (Slot::Style(name), _) => {
            let style = element.unchecked_ref::<HtmlElement>().style();
            style.set_property(name, text.unwrap_or_default())
        }
        (Slot::Property(name), _) => {
            let value = match value {
                Value::None => JsValue::UNDEFINED,
                Value::Flag(on) => JsValue::from_bool(*on),
                Value::Text(text) => JsValue::from_str(text),
            };
            js_sys::Reflect::set(element, &JsValue::from_str(name), &value).map(drop)
        }
    };
}

impl Render for El {
    type State = Built;

    fn build(self) -> Built {
        let parts = *self.0;
        let document = document();
        let made = if parts.drawn {
            document.create_element_ns(Some(SVG), parts.tag)
        } else {
            document.create_element(parts.tag)
        };
        // Only a name that is none fails, and the console writes none such.
        let element = made.unwrap_or_else(|fault| wasm_bindgen::throw_val(fault));
        for (name, value) in parts.fixed {
            let _ = element.set_attribute(name, value);
        }
        let features = parts
            .features
            .into_iter()
            .map(|feature| keep(&element, feature, None))
            .collect();
        let put = |child: AnyView| {
            let mut child = child.build();
            child.mount(&element, None);
            child
        };
        let children = parts.children.into_iter().map(put).collect();
        Built {
            tag: parts.tag,
            fixed: parts.fixed,
            element,
            features,
            children,
        }
    }

    fn rebuild(self, state: &mut Built) {
        let parts = &*self.0;
        let same = parts.tag == state.tag
            && parts.fixed == state.fixed
            && parts.children.len() == state.children.len()
            && parts.features.len() == state.features.len()
            && state
                .features
                .iter()
                .zip(&parts.features)
                .all(|(kept, feature)| kept.fits(feature));
        if !same {
            let mut new = self.build();
            state.insert_before_this(&mut new);
            state.unmount();
            *state = new;
            return;
        }
        let element = &state.element;
        let kept = std::mem::take(&mut state.features).into_iter();
        state.features = kept
            .zip(self.0.features)
            .map(|(kept, feature)| keep(element, feature, kept.into_value()))
            .collect();
        for (child, state) in self.0.children.into_iter().zip(&mut state.children) {
            child.rebuild(state);
        }
    }
}

impl Mountable for Built {
    fn unmount(&mut self) {
        self.element.remove();
    }

    fn mount(&mut self, parent: &Element, marker: Option<&Node>) {
        let _ = parent.insert_before(&self.element, marker);
    }

    fn insert_before_this(&self, child: &mut dyn Mountable) -> bool {
        let parent = self.element.parent_element();
        if let Some(parent) = &parent {
            child.mount(parent, Some(&self.element));
        }
        parent.is_some()
    }

    fn elements(&self) -> Vec<Element> {
        vec![self.element.clone()]
    }
}

in_a_browser!(El);
