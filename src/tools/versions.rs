//! The notice that console and servers, or servers among themselves, are of different versions.

use std::cmp::Ordering;

use crate::reactive::{Callback, Memo, RwSignal};
use crate::ui::view;
use leptos::prelude::*;

use crate::deployment::{natural, use_deployment};
use crate::ui::format::listed;
use crate::ui::{Button, Glyph, glyph};

/// The version of this console.
const OWN: &str = env!("CARGO_PKG_VERSION");

/// What is said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Skew {
    head: String,
    text: String,
    /// Whether a newer console is there to be loaded.
    reload: bool,
}

/// Compares versions part by part: `0.9.0` before `0.10.0`.
fn compare(left: &str, right: &str) -> Ordering {
    natural(left, right)
}

/// What differs, of servers with their versions; nothing when all are of the console's version.
fn skew(own: &str, servers: &[(String, String)]) -> Option<Skew> {
    let named = |kept: &dyn Fn(&str) -> bool| {
        let names: Vec<String> = servers
            .iter()
            .filter(|(_, version)| kept(version))
            .map(|(name, version)| format!("{name} {version}"))
            .collect();
        names
    };
    let newer = named(&|version| compare(version, own).is_gt());
    let older = named(&|version| compare(version, own).is_lt());
    if !newer.is_empty() {
        return Some(Skew {
            head: format!("This console is {own}, {}", listed(&newer)),
            text: "it may not show what newer servers tell. Load the newer console.".to_owned(),
            reload: true,
        });
    }
    if older.is_empty() {
        return None;
    }
    let (head, text) = if older.len() == servers.len() {
        (
            format!("This console is {own}, {}", listed(&older)),
            "what only newer servers can do is refused there. Upgrade them, the standbys first.",
        )
    } else {
        (
            format!(
                "Servers of different versions: {}, the others {own}",
                listed(&older)
            ),
            "they work side by side during an upgrade. Upgrade the rest, the standbys first.",
        )
    };
    Some(Skew {
        head,
        text: text.to_owned(),
        reload: false,
    })
}

/// The notice. Closed, it stays away until something else differs.
#[component]
pub fn Versions() -> AnyView {
    let deployment = use_deployment();
    let found = Memo::new(move |_| {
        let mut servers = Vec::new();
        for server in deployment.groups.iter().flat_map(|group| &group.servers) {
            server.status.with(|status| {
                if let Some(status) = status.as_ref().filter(|_| server.is_live()) {
                    servers.push((server.name.clone(), status.version.clone()));
                }
            });
        }
        skew(OWN, &servers)
    });
    let closed = RwSignal::new(None::<String>);
    let close = Callback::new(move |()| {
        closed.set(found.with_untracked(|found| found.as_ref().map(|skew| skew.head.clone())));
    });
    let reload = |()| {
        let _ = window().location().reload();
    };
    let content = move || {
        let skew = found
            .get()
            .filter(|skew| closed.with(|closed| closed.as_ref() != Some(&skew.head)))?;
        let again = skew
            .reload
            .then(|| view! { <Button small=true on_click=reload>"Reload"</Button> });
        Some(view! {
            <div class="banner" role="status">{glyph(Glyph::Warn)}<span><b>{skew.head}": "</b>{skew.text}</span><div class="end">{again}<Button small=true on_click=close>"Close"</Button></div></div>
        })
    };
    view! { {content} }.into_any()
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn told(own: &str, versions: &[(&str, &str)]) -> Option<Skew> {
        let servers: Vec<(String, String)> = versions
            .iter()
            .map(|(name, version)| ((*name).to_owned(), (*version).to_owned()))
            .collect();
        skew(own, &servers)
    }

    #[test]
    fn one_version_is_no_news() {
        assert_eq!(told("0.2.0", &[("a", "0.2.0"), ("b", "0.2.0")]), None);
        assert_eq!(told("0.2.0", &[]), None);
    }

    #[test]
    fn a_console_older_than_a_server_is_to_be_loaded_anew() {
        let found = told("0.9.0", &[("a", "0.10.0"), ("b", "0.9.0"), ("c", "0.8.1")]).unwrap();
        assert!(found.reload);
        assert_eq!(found.head, "This console is 0.9.0, a 0.10.0");
    }

    #[test]
    fn a_console_newer_than_all_servers_says_what_they_lack() {
        let found = told("1.0.0", &[("a", "0.10.0"), ("b", "0.10.0")]).unwrap();
        assert!(!found.reload);
        assert_eq!(found.head, "This console is 1.0.0, a 0.10.0 and b 0.10.0");
    }

    #[test]
    fn an_upgrade_that_stands_half_way_names_who_is_behind() {
        let found = told("0.2.0", &[("a", "0.2.0"), ("b", "0.1.0")]).unwrap();
        assert_eq!(
            found.head,
            "Servers of different versions: b 0.1.0, the others 0.2.0"
        );
    }
}
