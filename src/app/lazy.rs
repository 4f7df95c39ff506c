//! Parts of the console whose code comes when they are first needed.
//!
//! Built with the feature `split`, their code lies in files of its own, which `public/boot.js` fetches when a function below is called
//! (`crates/xtask/src/build/cut.rs` cuts them). Built without, they are part of the program and always there.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;

use crate::reactive::{Callback, RwSignal};
use crate::ui::view;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::route::Page;
use crate::ui::{Button, ErrorBox, Skeleton, Trouble, Weight};

/// Makes a part. A plain function, so that it can be kept and called each time.
type Make = fn() -> AnyView;
type Coming = Pin<Box<dyn Future<Output = Result<Make, Missing>>>>;

/// The code of a part did not come: no connection, or the server has another build by now. The browser's log says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Missing;

#[cfg(feature = "split")]
impl From<wasm_split_helpers::SplitLoaderError> for Missing {
    fn from(_: wasm_split_helpers::SplitLoaderError) -> Self {
        Self
    }
}

/// A part: its name, its component, and the piece that holds what only parts of that piece reach.
macro_rules! parts {
    ($($part:ident: $place:ident::$folder:ident::$view:ident in $piece:ident),* $(,)?) => {
        /// A part of the console whose code comes when it is first needed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Part {
            $(
                #[doc = concat!("`", stringify!($place), "::", stringify!($folder), "::", stringify!($view), "`.")]
                $part,
            )*
        }

        mod pieces {
            use super::{Make, Missing};
            use leptos::prelude::*;
            $(
                #[cfg_attr(feature = "split", wasm_split_helpers::wasm_split($piece, fallible))]
                pub(super) fn $folder() -> Result<Make, Missing> {
                    Ok(|| crate::ui::view! { <crate::$place::$folder::$view/> }.into_any())
                }
            )*
        }

        /// Asks for a part's code.
        fn ask(part: Part) -> Coming {
            match part {
                $(
                    #[cfg(feature = "split")]
                    Part::$part => Box::pin(pieces::$folder()),
                    #[cfg(not(feature = "split"))]
                    Part::$part => Box::pin(std::future::ready(pieces::$folder())),
                )*
            }
        }
    };
}

// Few pieces: what two of them share becomes a file more. `public/boot.js` knows which page is in which.
parts! {
    Tasks: pages::tasks::Page in work,
    Repository: pages::repository::Page in work,
    Replicate: pages::replicate::Page in work,
    Switch: pages::switch::Page in watch,
    Events: pages::events::Page in watch,
    Accounts: pages::accounts::Page in watch,
    Packages: pages::packages::Page in watch,
    Backups: pages::backups::Page in watch,
    NodeForm: pages::grid::NodeForm in register,
    NodeDetails: pages::node::Details in register,
    Operate: pages::operate::Panel in register,
    SlotCard: pages::slot::Card in register,
    Tool: tools::any::Any in tools,
}

impl Part {
    /// The part that a page is; none for the pages that are in the program.
    const fn of(page: Page) -> Option<Self> {
        match page {
            Page::Overview | Page::Grid => None,
            Page::Tasks => Some(Self::Tasks),
            Page::Repository => Some(Self::Repository),
            Page::Replicate => Some(Self::Replicate),
            Page::Switch => Some(Self::Switch),
            Page::Events => Some(Self::Events),
            Page::Accounts => Some(Self::Accounts),
            Page::Packages => Some(Self::Packages),
            Page::Backups => Some(Self::Backups),
        }
    }
}

thread_local! {
    /// What has come so far.
    static HERE: RefCell<Vec<(Part, Make)>> = const { RefCell::new(Vec::new()) };
}

fn here(part: Part) -> Option<Make> {
    HERE.with_borrow(|all| {
        all.iter()
            .find(|(of, _)| *of == part)
            .map(|(_, make)| *make)
    })
}

/// Asks for a part's code and keeps it.
async fn come(part: Part) -> Result<Make, Missing> {
    let make = ask(part).await?;
    if here(part).is_none() {
        HERE.with_borrow_mut(|all| all.push((part, make)));
    }
    Ok(make)
}

/// Has a part's code come ahead, when somebody is about to need it. When it fails, [`lazy`] tells.
pub(crate) fn foresee(part: Part) {
    if here(part).is_none() {
        spawn_local(async move {
            let _ = come(part).await;
        });
    }
}

/// [`foresee`], where the page is a part of its own.
pub(super) fn foresee_page(page: Page) {
    if let Some(part) = Part::of(page) {
        foresee(part);
    }
}

#[derive(Clone, Copy)]
enum State {
    Coming,
    Missing,
    Here(Make),
}

/// A part whose code may have to come first. `coming` is shown meanwhile; `missing` when it did not come, with what happened and what to do.
pub(crate) fn lazy(
    part: Part,
    coming: fn(Part) -> AnyView,
    missing: fn(Part, AnyView) -> AnyView,
) -> AnyView {
    if let Some(make) = here(part) {
        return make();
    }
    let state = RwSignal::new(State::Coming);
    let fetch = move || {
        spawn_local(async move {
            let next = come(part).await.map_or(State::Missing, State::Here);
            let focused = title_has_focus();
            // Somebody may have gone elsewhere in the meantime.
            if state.try_set(next).is_none() && focused {
                request_animation_frame(super::focus_title);
            }
        });
    };
    fetch();
    let again = Callback::new(move |()| {
        state.set(State::Coming);
        fetch();
    });
    let content = move || match state.get() {
        State::Here(make) => make(),
        State::Coming => coming(part),
        State::Missing => missing(part, fault(again)),
    };
    view! { {content} }.into_any()
}

/// What happened, and what can be done.
fn fault(again: Callback<()>) -> AnyView {
    let trouble = Trouble {
        title: "Could not load this part of the console".to_owned(),
        detail: "The connection is away, or the server has another build of the console by now. The rest works on.".to_owned(),
        advice: "Try again. If it stays so, reload the console.".to_owned(),
        ..Trouble::default()
    };
    let reload = |()| {
        let _ = window().location().reload();
    };
    view! {
        <ErrorBox trouble=trouble>
            <Button weight=Weight::Primary on_click=again>"Try again"</Button>
            <Button on_click=reload>"Reload the console"</Button>
        </ErrorBox>
    }
    .into_any()
}

/// A page: its title stands until its code has come.
pub(super) fn page(page: Page) -> Option<AnyView> {
    fn titled(part: Part, content: AnyView) -> AnyView {
        let page = Page::ALL
            .into_iter()
            .find(|page| Part::of(*page) == Some(part));
        let title = page.map_or("", Page::title);
        view! { <section><h1 id="page-title" tabindex="-1">{title}</h1>{content}</section> }
            .into_any()
    }
    let coming = |part| titled(part, view! { <Skeleton/> }.into_any());
    Part::of(page).map(|part| lazy(part, coming, titled))
}

fn title_has_focus() -> bool {
    document()
        .active_element()
        .is_some_and(|element| element.id() == "page-title")
}
