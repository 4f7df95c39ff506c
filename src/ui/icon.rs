//! The line icons and the state glyphs, drawn once in `index.html` and used by name.

use crate::reactive::Signal;
use crate::ui::view;
use leptos::prelude::*;

macro_rules! icons {
    ($($(#[$doc:meta])* $icon:ident => $symbol:literal,)*) => {
        /// A line icon. It says nothing by itself: what stands beside it, or the control's name, does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Icon { $($(#[$doc])* $icon,)* }

        impl Icon {
            const fn symbol(self) -> &'static str {
                match self { $(Self::$icon => $symbol,)* }
            }
        }
    };
}

icons! {
    /// Overview.
    Overview => "#i-overview",
    /// Grid.
    Grid => "#i-grid",
    /// Repository.
    Repository => "#i-repo",
    /// Switch.
    Switch => "#i-switch",
    /// Events.
    Events => "#i-events",
    /// A shield with a tick.
    Check => "#i-check",
    /// Tasks.
    Tasks => "#i-tasks",
    /// Settings.
    Settings => "#i-settings",
    /// A lens.
    Search => "#i-search",
    /// A bell.
    Bell => "#i-bell",
    /// Light theme.
    Sun => "#i-sun",
    /// Dark theme.
    Moon => "#i-moon",
    /// The system's theme.
    Auto => "#i-auto",
    /// Chevron down.
    Down => "#i-down",
    /// Chevron right.
    Right => "#i-right",
    /// Plus.
    Plus => "#i-plus",
    /// Cross.
    Close => "#i-x",
    /// Arrow into a tray.
    Download => "#i-dl",
    /// Arrow out of a tray.
    Upload => "#i-upload",
    /// Two bars.
    Pause => "#i-pause",
    /// Arrow right.
    Arrow => "#i-arrow",
    /// Three dots.
    More => "#i-dots",
    /// Two sheets.
    Copy => "#i-copy",
    /// A person.
    User => "#i-user",
    /// Folder.
    Folder => "#i-folder",
    /// File.
    File => "#i-file",
    /// A model file.
    Model => "#i-model",
    /// A chain link.
    Link => "#i-link",
    /// A pulse.
    Run => "#i-run",
    /// Lock.
    Lock => "#i-lock",
    /// Two persons.
    Group => "#i-group",
    /// Globe.
    Globe => "#i-globe",
    /// Pencil.
    Edit => "#i-edit",
    /// Bin.
    Remove => "#i-trash",
    /// Round arrow.
    Refresh => "#i-refresh",
    /// Clock.
    Clock => "#i-clock",
    /// A door.
    SignOut => "#i-out",
}

/// Draws an icon, 16 units wide, in the colour of the text.
pub fn icon(icon: Icon) -> AnyView {
    view! { <svg class="i" viewBox="0 0 16 16" aria-hidden="true"><use_ href=icon.symbol()/></svg> }
        .into_any()
}

/// A state, as a shape in a colour. The word belongs beside it: without colour and without the picture, nothing may be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Glyph {
    /// Slot: free, takes the next task.
    Idle,
    /// Node: answers, takes work.
    Ready,
    /// Slot: runs a task of the active server.
    Busy,
    /// Slot: silent.
    Stalled,
    /// Node does not answer.
    Lost,
    /// Slot: held by a server of an older epoch.
    Zombie,
    /// Ends its task, takes no new one.
    Draining,
    /// Out on purpose, with a reason.
    Disabled,
    /// A check that holds.
    Pass,
    /// A check with a warning.
    Warn,
    /// A check that fails.
    Fail,
    /// Something to know.
    Info,
    /// Added by a plan.
    Plus,
    /// File: equal.
    Same,
    /// File: other content.
    Differs,
    /// File: not there.
    Missing,
    /// File: only there.
    Extra,
    /// File: newer there.
    Newer,
    /// File: changed on both sides.
    Conflict,
    /// Server: active.
    Active,
    /// Server: standby.
    Standby,
    /// Step: to do.
    Todo,
    /// Step: at work.
    Now,
}

impl Glyph {
    /// The `href` of its drawing, for an SVG `use`.
    pub const fn href(self) -> &'static str {
        match self {
            Self::Idle => "#c-idle",
            Self::Ready => "#c-ready",
            Self::Busy => "#c-busy",
            Self::Stalled => "#c-stalled",
            Self::Lost => "#c-lost",
            Self::Zombie => "#c-zombie",
            Self::Draining => "#c-draining",
            Self::Disabled => "#c-disabled",
            Self::Pass => "#m-pass",
            Self::Warn => "#m-warn",
            Self::Fail => "#m-fail",
            Self::Info => "#m-info",
            Self::Plus => "#m-plus",
            Self::Same => "#m-same",
            Self::Differs => "#m-differs",
            Self::Missing => "#m-missing",
            Self::Extra => "#m-extra",
            Self::Newer => "#m-newer",
            Self::Conflict => "#m-conflict",
            Self::Active => "#m-active",
            Self::Standby => "#m-standby",
            Self::Todo => "#m-todo",
            Self::Now => "#m-now",
        }
    }

    /// Its word, as it stands in a sentence.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Ready => "ready",
            Self::Busy => "busy",
            Self::Stalled => "stalled",
            Self::Lost => "lost",
            Self::Zombie => "zombie",
            Self::Draining => "draining",
            Self::Disabled => "disabled",
            Self::Pass => "pass",
            Self::Warn => "warning",
            Self::Fail => "fail",
            Self::Info => "info",
            Self::Plus => "added",
            Self::Same => "same",
            Self::Differs => "differs",
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Newer => "newer",
            Self::Conflict => "conflict",
            Self::Active => "active",
            Self::Standby => "standby",
            Self::Todo => "to do",
            Self::Now => "now",
        }
    }

    /// Its word as a label: with a capital.
    pub fn label(self) -> String {
        let word = self.word();
        word[..1].to_uppercase() + &word[1..]
    }

    /// The class that gives text the colour of this state; empty for what is quiet.
    pub const fn text_class(self) -> &'static str {
        match self {
            Self::Pass => "t-ok",
            Self::Busy | Self::Newer => "t-busy",
            Self::Stalled | Self::Warn | Self::Differs => "t-stalled",
            Self::Lost | Self::Fail | Self::Missing => "t-lost",
            Self::Zombie | Self::Conflict => "t-zombie",
            Self::Draining | Self::Extra => "t-draining",
            Self::Disabled => "t-disabled",
            Self::Idle => "t-idle",
            _ => "",
        }
    }
}

/// Draws a glyph, hidden from screen readers: the word beside it speaks.
pub fn glyph(glyph: Glyph) -> AnyView {
    view! { <svg class="g" viewBox="0 0 12 12" aria-hidden="true"><use_ href=glyph.href()/></svg> }
        .into_any()
}

/// A glyph that follows a signal without being drawn anew.
pub fn live_glyph(state: Signal<Glyph>) -> AnyView {
    view! { <svg class="g" viewBox="0 0 12 12" aria-hidden="true"><use_ href=move || state.get().href()/></svg> }.into_any()
}

/// The mark of the product.
pub fn logo() -> AnyView {
    // Not a plain attribute: a view without anything live is set as HTML text, where `use_` is no element.
    let symbol = "#m-wheel".to_owned();
    view! { <svg viewBox="0 0 24 24" aria-hidden="true"><use_ href=symbol/></svg> }.into_any()
}

/// A glyph with its word: the form in tables and panels.
pub fn state(state: Glyph, word: impl Into<String>) -> AnyView {
    let class = format!("st {}", state.text_class());
    view! { <span class=class>{glyph(state)}{word.into()}</span> }.into_any()
}
