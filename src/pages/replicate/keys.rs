//! Keys of the two panels: from file to file, and into the plan or out of it.

use gridhelm_api::repository::FileId;
use gridhelm_replicate::{Comparison, Parity};
use leptos::prelude::*;
use wasm_bindgen::JsCast as _;

use super::Address;
use super::work::{Line, Work, lines};
use crate::app::keys::singles;

/// The file so many files behind that one, or before it; the first or the last from nowhere.
fn neighbour(
    comparison: &Comparison,
    lines: &[Line],
    from: Option<&FileId>,
    step: isize,
) -> Option<FileId> {
    let files: Vec<&FileId> = lines
        .iter()
        .filter_map(|line| match line {
            Line::File(index) => comparison.files.get(*index).map(|file| &file.id),
            Line::Directory { .. } => None,
        })
        .collect();
    let last = files.len().checked_sub(1)?;
    let at = from.and_then(|from| files.iter().position(|id| *id == from));
    let to = match at {
        Some(at) => at.saturating_add_signed(step).min(last),
        None if step > 0 => 0,
        None => last,
    };
    files.get(to).map(|id| (*id).clone())
}

/// j and k go to the next file and the one before, x takes the chosen file into the plan or leaves it out. Not while something is typed.
pub(super) fn on_key(work: Work, address: Address, event: &web_sys::KeyboardEvent) {
    let modified = event.ctrl_key() || event.meta_key() || event.alt_key();
    if event.default_prevented() || modified || !singles() {
        return;
    }
    let typed = event
        .target()
        .and_then(|target| target.dyn_into::<web_sys::Element>().ok())
        .is_some_and(|target| {
            let within = target.closest("input:not([type=checkbox]), textarea, select");
            within.ok().flatten().is_some()
        });
    if typed {
        return;
    }
    let view = address.view.get_untracked();
    let chosen = view.file.as_deref().and_then(FileId::from_path);
    let step = match event.key().as_str() {
        "j" => 1,
        "k" => -1,
        "x" => {
            if let Some(id) = chosen {
                toggle(work, &id);
                event.prevent_default();
            }
            return;
        }
        _ => return,
    };
    let next = work.compared.with_untracked(|compared| {
        let (comparison, _) = compared.as_ref()?;
        let all = view.show.as_deref() == Some("all");
        let lines = lines(comparison, all, view.q.as_deref().unwrap_or_default());
        neighbour(comparison, &lines, chosen.as_ref(), step)
    });
    if let Some(next) = next {
        event.prevent_default();
        address.replace(|view| view.file = Some(next.path()));
    }
}

/// Takes a file into the plan, or leaves it out.
pub(super) fn toggle(work: Work, id: &FileId) {
    let parity = work.compared.with_untracked(|compared| {
        let (comparison, _) = compared.as_ref()?;
        Some(comparison.file(id)?.parity)
    });
    if let Some(parity) = parity.filter(|parity| *parity != Parity::Same) {
        let included = untrack(|| work.includes(id));
        work.include(&[(id.clone(), parity)], !included);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gridhelm_api::changeset::{Manifest, ManifestEntry};
    use gridhelm_replicate::compare;
    use std::sync::Arc;

    #[test]
    fn the_next_file_is_the_next_line_and_the_ends_hold() {
        let entry = |name: &str| ManifestEntry {
            id: FileId::new("ann", "d", name),
            sha256: "1".to_owned(),
            size: 1,
            version: 1,
            written_at: 0,
            written_by: "ann".to_owned(),
            earlier: Vec::new(),
            info: None,
            base: None,
        };
        let manifest = |entries: Vec<ManifestEntry>| {
            Arc::new(Manifest {
                group: "east".to_owned(),
                epoch: 1,
                root: String::new(),
                entries,
                gone: Vec::new(),
            })
        };
        let comparison = compare(
            manifest(["a", "b", "c"].map(entry).into()),
            manifest(Vec::new()),
        );
        let lines = lines(&comparison, false, "");
        let id = |name: &str| FileId::new("ann", "d", name);
        let go = |from: Option<&str>, step| {
            let from = from.map(id);
            neighbour(&comparison, &lines, from.as_ref(), step).map(|id| id.name)
        };
        assert_eq!(go(None, 1).unwrap(), "a");
        assert_eq!(go(None, -1).unwrap(), "c");
        assert_eq!(go(Some("a"), 1).unwrap(), "b");
        assert_eq!(go(Some("a"), -1).unwrap(), "a");
        assert_eq!(go(Some("c"), 1).unwrap(), "c");
        assert_eq!(go(Some("gone"), 1).unwrap(), "a");
        assert_eq!(neighbour(&comparison, &[], None, 1), None);
    }
}
