//! Files by directory.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::reactive::{Callback, Memo, Signal};
use crate::ui::view;
use gridhelm_api::repository::FileMeta;
use leptos::prelude::*;

use super::chosen::Chosen;
use super::{Files, Place, View};
use crate::app::Route;
use crate::ui::format::{bytes, counted};
use crate::ui::{Button, ButtonLink, Empty, ErrorBox, Icon, Skeleton, VirtualList, ago, icon};

/// A line: a directory with its number of files, or a file.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Line {
    Directory(String, usize),
    File(FileMeta),
}

/// The lines that are shown; none before the first answer.
pub(super) type Shown = Memo<Option<Arc<Vec<Line>>>>;

/// The files as lines, narrowed to those whose directory or name contains the text.
fn lines(files: &[FileMeta], text: &str) -> Vec<Line> {
    let text = text.trim().to_lowercase();
    let mut directories: BTreeMap<&str, Vec<&FileMeta>> = BTreeMap::new();
    for file in files {
        let path = format!("{}/{}", file.id.directory, file.id.name).to_lowercase();
        if text.is_empty() || path.contains(&text) {
            directories
                .entry(&file.id.directory)
                .or_default()
                .push(file);
        }
    }
    let mut lines = Vec::new();
    for (name, files) in directories {
        lines.push(Line::Directory(name.to_owned(), files.len()));
        lines.extend(files.into_iter().cloned().map(Line::File));
    }
    lines
}

/// The panel at the left.
pub(super) fn tree(view: View, files: Files, chosen: Chosen) -> AnyView {
    let lines: Shown = Memo::new(move |_| {
        let text = view
            .address
            .with(|address| address.q.clone().unwrap_or_default());
        files
            .all
            .with(|all| all.as_ref().map(|all| Arc::new(lines(all, &text))))
    });
    let at = move |index: usize| {
        lines.with(|lines| lines.as_ref().and_then(|lines| lines.get(index).cloned()))
    };
    let row = Callback::new(move |index: usize| {
        match at(index) {
        Some(Line::Directory(name, count)) => view! { <div class="file-row file-row--dir">{icon(Icon::Folder)}<span class="grow">{name.clone()}</span><span class="muted">{count}</span>{change(view, &name)}</div> }.into_any(),
        Some(Line::File(file)) => view! { <div class="file-line">{chosen.check(&file, lines)}{line(view, &file)}</div> }.into_any(),
        None => ().into_any(),
    }
    });
    let key = Callback::new(move |index: usize| match at(index) {
        Some(Line::Directory(name, count)) => format!("{name}/ {count}"),
        Some(Line::File(file)) => format!("{} {}", file.id.path(), file.version),
        None => String::new(),
    });
    let none = Memo::new(move |_| lines.with(|lines| lines.as_ref().map(|lines| lines.is_empty())));
    let body = move || match none.get() {
        None => files.fault.get().map_or_else(
            || view! { <Skeleton name="The files are being listed"/> }.into_any(),
            |trouble| view! { <div class="pad"><ErrorBox trouble=trouble/></div> }.into_any(),
        ),
        Some(true) if view.address.with(|address| address.q.is_some()) => {
            let text = move || {
                files.all.with(|all| {
                    format!(
                        "The search hides {}.",
                        counted(all.as_ref().map_or(0, |all| all.len()), "file")
                    )
                })
            };
            let clear = Callback::new(move |()| view.replace(|address| address.q = None));
            view! { <Empty picture=Icon::Search title="No file matches" text=Signal::derive(text)><Button on_click=clear>"Clear search"</Button></Empty> }.into_any()
        }
        Some(true) => {
            let write =
                Callback::new(move |()| view.go(|address| address.panel = Some("new".to_owned())));
            let replicate = Signal::derive(move || view.router.href(Place::Replicate.route()));
            view! { <Empty picture=Icon::Folder title="No files yet" text="Scripts and data stand here with all their versions; tasks run the latest. Write the first one, upload a folder, or copy another group's."><Button on_click=write>"Write a file"</Button><ButtonLink href=replicate>"Replicate"</ButtonLink></Empty> }.into_any()
        }
        Some(false) => {
            let count = Signal::derive(move || {
                lines.with(|lines| lines.as_ref().map_or(0, |lines| lines.len()))
            });
            view! {
                {chosen.head(view, lines)}
                <VirtualList count=count row=27.0 name="Files" view=row key=key/>
            }
            .into_any()
        }
    };
    view! { <section class="panel repo-list" aria-label="Directories and files">{body}</section> }
        .into_any()
}

/// The way to what can be done with a directory as a whole.
fn change(view: View, name: &str) -> AnyView {
    let label = format!("Change directory {name}");
    let name = name.to_owned();
    let href = move || {
        let mut address = view.address.get();
        address.directory = Some(name.clone());
        address.panel = Some("directory".to_owned());
        view.router.href(Route::Repository(address))
    };
    view! { <a class="row-link" href=href aria-label=label>"Change"</a> }.into_any()
}

fn line(view: View, file: &FileMeta) -> AnyView {
    let path = file.id.path();
    let chosen = {
        let path = path.clone();
        move || {
            view.address
                .with(|address| address.file.as_deref() == Some(path.as_str()))
                .then_some("true")
        }
    };
    let written = ago(file.written_at);
    view! {
        <a class="file-row" href=move || view.href(&path) aria-current=chosen>
            {icon(Icon::File)}<span class="grow">{file.id.name.clone()}</span><span class="mono muted">{format!("v{}", file.version)}</span><span class="muted size">{bytes(file.size)}</span><span class="muted when">{move || written.get()}</span>
        </a>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridhelm_api::repository::FileId;

    #[test]
    fn files_stand_below_their_directory_and_a_search_narrows_both() {
        let file = |directory: &str, name: &str| FileMeta {
            info: None,
            id: FileId::new("admin", directory, name),
            version: 1,
            size: 1,
            sha256: String::new(),
            written_by: "admin".into(),
            written_at: 0,
        };
        let files = [
            file("b", "two.R"),
            file("a", "one.R"),
            file("b", "three.csv"),
        ];
        let all = lines(&files, "");
        assert_eq!(all.len(), 5);
        assert_eq!(all[0], Line::Directory("a".into(), 1));
        let some = lines(&files, " B/TH ");
        assert_eq!(
            some,
            [
                Line::Directory("b".into(), 1),
                Line::File(file("b", "three.csv"))
            ]
        );
    }
}
