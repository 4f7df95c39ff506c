//! The repository: files by directory, their content and versions; writing, uploading, restoring and deleting them.

mod about;
mod chosen;
mod directory;
mod edit;
mod file;
mod large;
mod list;
pub(crate) mod objects;
mod search;
mod several;
mod several_do;
mod several_plan;
mod several_shown;
mod upload;
mod versions;

use std::sync::Arc;

use crate::reactive::{Callback, Effect, Memo, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::repository::{FileId, FileMeta};
use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::app::route::{Page as Place, RepositoryView};
use crate::app::{Route, Router, use_router};
use crate::deployment::{Deployment, Group, as_curl, trouble, use_deployment};
use crate::ui::format::counted;
use crate::ui::{Button, Icon, PageHead, SearchField, Trouble, Weight, copy_as_curl};

/// The files of one group, as last read.
#[derive(Clone, Copy)]
struct Files {
    group: &'static Group,
    /// None before the first answer.
    all: RwSignal<Option<Arc<Vec<FileMeta>>>>,
    fault: RwSignal<Option<Trouble>>,
    reading: RwSignal<Reading>,
}

/// Many changes in a row need no reading each: one that is under way is followed by one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    Not,
    Once,
    Again,
}

impl Files {
    /// Reads the files now, and again with every change of the repository.
    fn of(group: &'static Group) -> Self {
        let files = Self {
            group,
            all: RwSignal::new(None),
            fault: RwSignal::new(None),
            reading: RwSignal::new(Reading::Not),
        };
        Effect::new(move |_| {
            group.repository.track();
            let live = group.servers.iter().any(crate::deployment::Server::is_live);
            if group.signed_in() && live {
                files.read();
            }
        });
        files
    }

    fn read(self) {
        if self.reading.get_untracked() != Reading::Not {
            self.reading.set(Reading::Again);
            return;
        }
        self.reading.set(Reading::Once);
        spawn_local(async move {
            loop {
                self.read_once().await;
                match self.reading.try_get_untracked() {
                    None => return,
                    Some(Reading::Again) => drop(self.reading.try_set(Reading::Once)),
                    Some(_) => break,
                }
            }
            let _ = self.reading.try_set(Reading::Not);
        });
    }

    async fn read_once(self) {
        match self
            .group
            .act(|client| async move { client.files(None).await })
            .await
        {
            Ok(found) => {
                let _ = self.all.try_set(Some(Arc::new(found)));
                let _ = self.fault.try_set(None);
            }
            Err(error) => {
                let _ = self.fault.try_set(Some(trouble(
                    &format!("The files of {} cannot be listed", self.group.name),
                    &error,
                )));
            }
        }
    }

    /// A file by its path. Tracks.
    fn find(self, path: &str) -> Option<FileMeta> {
        self.all.with(|all| {
            all.as_ref()
                .and_then(|all| all.iter().find(|file| file.id.path() == path).cloned())
        })
    }
}

/// What of the page is in the address.
#[derive(Clone, Copy)]
struct View {
    deployment: &'static Deployment,
    address: Memo<RepositoryView>,
    router: Router,
}

impl View {
    fn changed(self, change: impl Fn(&mut RepositoryView)) -> Route {
        let mut address = self.address.get_untracked();
        change(&mut address);
        Route::Repository(address)
    }

    fn go(self, change: impl Fn(&mut RepositoryView)) {
        self.router.go(self.changed(change));
    }

    fn replace(self, change: impl Fn(&mut RepositoryView)) {
        self.router.replace(self.changed(change));
    }

    /// The address of another file. Tracks.
    fn href(self, path: &str) -> String {
        let mut address = self.address.get();
        address.file = Some(path.to_owned());
        address.version = None;
        address.panel = None;
        self.router.href(Route::Repository(address))
    }
}

/// The page.
#[component]
pub fn Page() -> AnyView {
    let (deployment, router) = (use_deployment(), use_router());
    let address = router.select(|place| match &place.route {
        Route::Repository(view) => view.clone(),
        _ => RepositoryView::default(),
    });
    let view = View {
        deployment,
        address,
        router,
    };
    let scope = router.select(|place| place.group.clone());
    // One group at a time: files of two groups in one list would look alike.
    let body = move || {
        view.deployment
            .in_scope(scope.get().as_deref())
            .first()
            .map(|group| repository(view, group))
    };
    view! { <section data-fit="" aria-labelledby="page-title">{body}</section> }.into_any()
}

fn repository(view: View, group: &'static Group) -> AnyView {
    let files = Files::of(group);
    let answer = Signal::derive(move || match files.all.get() {
        None => format!("Asking {} for its files.", group.name),
        Some(all) => {
            let mut directories: Vec<&str> =
                all.iter().map(|file| file.id.directory.as_str()).collect();
            crate::ui::order::sort(&mut directories, Ord::cmp);
            directories.dedup();
            let directories = directories.len();
            let directories = if directories == 1 {
                "1 directory".to_owned()
            } else {
                format!("{directories} directories")
            };
            format!(
                "{} in {directories} of {}.",
                counted(all.len(), "file"),
                group.name
            )
        }
    });
    let contents = search::Search::new(view, files);
    let chosen = chosen::Chosen::of(files);
    let off = Signal::derive(move || group.refuses_operator());
    let open = move |panel: &'static str| {
        Callback::new(move |()| view.go(|address| address.panel = Some(panel.to_owned())))
    };
    let q = Signal::derive(move || {
        view.address
            .with(|address| address.q.clone().unwrap_or_default())
    });
    let search = Callback::new(move |text: String| {
        view.replace(|address| address.q = Some(text.clone()).filter(|text| !text.is_empty()))
    });
    let path = Memo::new(move |_| view.address.with(|address| address.file.clone()));
    let panel = Memo::new(move |_| view.address.with(|address| address.panel.clone()));
    // After a reload the file is there a moment later than the page.
    let known = Memo::new(move |_| path.get().is_some_and(|path| files.find(&path).is_some()));
    let drawer = move || match panel.get().as_deref() {
        Some("new") => Some(edit::drawer(view, files, None)),
        Some("edit") if known.get() => path
            .get()
            .and_then(|path| untrack(|| files.find(&path)))
            .map(|file| edit::drawer(view, files, Some(file))),
        Some("upload") => Some(upload::drawer(view, files)),
        Some("directory") => untrack(|| view.address.with(|address| address.directory.clone()))
            .map(|name| directory::drawer(view, files, name)),
        Some("several") => Some(several::drawer(view, files, chosen)),
        _ => None,
    };
    view! {
        <PageHead title="Repository" answer=answer>
            {copy_as_curl(Callback::new(move |()| as_curl(&[files.group], "/repository/files")))}
            <Button icon=Icon::Upload off=off on_click=open("upload")>"Upload"</Button>
            <Button weight=Weight::Primary icon=Icon::Plus off=off on_click=open("new")>"New file"</Button>
        </PageHead>
        <div class="toolbar" role="toolbar" aria-label="Filter files">
            {tabs()}
            <SearchField name="Search files" placeholder="Directory or file name" value=q on_input=search main=true/>
            {contents.button()}
        </div>
        {contents.results()}
        <div class="repo">
            {list::tree(view, files, chosen)}
            {move || match path.get() {
                Some(path) => file::panel(view, files, path),
                None => view! { <section class="panel" aria-label="File"><crate::ui::Empty title="Choose a file" text="Its content and versions stand here."/></section> }.into_any(),
            }}
        </div>
        {drawer}
    }
    .into_any()
}

/// The two halves of the repository's entry in the navigation: files, and replication.
fn tabs() -> AnyView {
    let router = use_router();
    let tab = move |place: Place, word: &'static str| {
        let current = move || (router.page() == Some(place)).then_some("page");
        view! { <a href=move || router.href(place.route()) aria-current=current>{word}</a> }
    };
    view! { <nav class="seg repo-tabs" aria-label="Repository">{tab(Place::Repository, "Files")}{tab(Place::Replicate, "Replicate")}</nav> }.into_any()
}

/// Whether a file holds R code, by its name.
fn is_r(id: &FileId) -> bool {
    id.name.ends_with(".R") || id.name.ends_with(".r")
}
