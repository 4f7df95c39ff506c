//! The console's pieces beside its program: made small, named by their content, and noted in the page. [`super::cut`] makes them.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher as _};
use std::path::Path;
use std::process::Command;

use crate::error::Error;
use crate::process;
use crate::stop::Stop;

/// In the pieces' folder: the files of each piece.
pub(super) const LIST: &str = "pieces.json";

/// The files of each piece, without folder and extension. Code that some pieces share lies in files of its own.
pub(super) type Pieces = BTreeMap<String, Vec<String>>;

/// Puts the pieces from `folder` beside the page in `staging`: made small with the settings that `source`, the page before trunk, has for the program, named by their content, and noted in `index.html`.
///
/// `tool` makes the command that runs a tool. A piece that is the same in two builds has the same name, and it fits both programs: it holds
/// the places in memory and in the table of functions that it was made for.
pub fn place(
    folder: &Path,
    source: &Path,
    staging: &Path,
    tool: &dyn Fn(&str) -> Command,
    stop: &Stop,
) -> Result<(), Error> {
    let list = folder.join(LIST);
    let text = std::fs::read_to_string(&list).map_err(Error::file("read", &list))?;
    let pieces: Pieces = serde_json::from_str(&text).map_err(|error| Error::Content {
        path: list,
        what: format!("is not what the cut wrote: {error}"),
    })?;
    let source = std::fs::read_to_string(source).map_err(Error::file("read", source))?;
    let settings = settings(&source);
    let page_path = staging.join("index.html");
    let page = std::fs::read_to_string(&page_path).map_err(Error::file("read", &page_path))?;
    let page = rename_program(&page, staging)?.ok_or_else(|| no_program(&page_path))?;
    let mut names = BTreeMap::new();
    let mut files: Vec<&String> = pieces.values().flatten().collect();
    files.sort();
    files.dedup();
    for file in files {
        let (from, small) = (
            folder.join(format!("{file}.wasm")),
            folder.join(format!("{file}.small")),
        );
        let mut shrink = tool("wasm-opt");
        shrink
            .arg("-Oz")
            .args(&settings)
            .arg(&from)
            .arg("-o")
            .arg(&small);
        process::run_logged(shrink, &folder.join("wasm-opt.log"), stop)?;
        let bytes = std::fs::read(&small).map_err(Error::file("read", &small))?;
        let name = named_by_content(file, &bytes);
        let to = staging.join(&name);
        std::fs::write(&to, bytes).map_err(Error::file("write", &to))?;
        names.insert(file.as_str(), name);
    }
    let noted = noted(&page, &pieces, &names).ok_or_else(|| no_program(&page_path))?;
    std::fs::write(&page_path, noted).map_err(Error::file("write", &page_path))
}

fn no_program(page: &Path) -> Error {
    Error::Content {
        path: page.to_path_buf(),
        what: "names no program (`data-wasm`) that the pieces could stand beside: see `pattern_script` in Trunk.toml".into(),
    }
}

/// Names the program by its own content. trunk names it by what the linker made: another way of cutting that would not change the name, and
/// a browser would join an old program that it keeps with new pieces. The page with the new name; none if it names no program.
fn rename_program(page: &str, staging: &Path) -> Result<Option<String>, Error> {
    let Some(stem) = page
        .split_once("data-wasm=\"./")
        .and_then(|(_, rest)| rest.split_once("_bg.wasm\""))
        .map(|(stem, _)| stem)
    else {
        return Ok(None);
    };
    let mut hasher = DefaultHasher::new();
    let files = [format!("{stem}_bg.wasm"), format!("{stem}.js")];
    for file in &files {
        let path = staging.join(file);
        hasher.write(&std::fs::read(&path).map_err(Error::file("read", &path))?);
    }
    let name = stem.rsplit_once('-').map_or(stem, |(name, _)| name);
    let new = format!("{name}-{:016x}", hasher.finish());
    for file in &files {
        let from = staging.join(file);
        let to = staging.join(file.replace(stem, &new));
        std::fs::rename(&from, to).map_err(Error::file("rename", &from))?;
    }
    Ok(Some(page.replace(stem, &new)))
}

/// What `index.html` has trunk tell wasm-opt.
fn settings(page: &str) -> Vec<&str> {
    page.split_once("data-wasm-opt-params=\"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or_else(Vec::new, |(settings, _)| {
            settings.split_whitespace().collect()
        })
}

fn named_by_content(file: &str, bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    format!("{}-{:016x}.wasm", file.replace('_', "-"), hasher.finish())
}

/// The page with the pieces' files written where the loader looks for them.
fn noted(page: &str, pieces: &Pieces, names: &BTreeMap<&str, String>) -> Option<String> {
    let map: BTreeMap<_, Vec<_>> = pieces
        .iter()
        .map(|(piece, files)| {
            let files = files.iter().filter_map(|file| names.get(file.as_str()));
            (piece, files.map(|name| format!("./{name}")).collect())
        })
        .collect();
    let json = serde_json::to_string(&map).ok()?;
    let (before, after) = page.split_once(" data-wasm=")?;
    Some(format!("{before} data-pieces='{json}' data-wasm={after}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_page_names_the_files_of_each_piece() {
        let pieces = Pieces::from([
            ("tasks".into(), vec!["chunk_3".into(), "split_tasks".into()]),
            ("events".into(), vec!["split_events".into()]),
        ]);
        let names = BTreeMap::from([
            ("chunk_3", "chunk-3-aa.wasm".to_owned()),
            ("split_tasks", "split-tasks-bb.wasm".to_owned()),
            ("split_events", "split-events-cc.wasm".to_owned()),
        ]);
        let page = r#"<script src="./boot.js" data-js="./a.js" data-wasm="./a.wasm"></script>"#;
        assert_eq!(
            noted(page, &pieces, &names).as_deref(),
            Some(
                r#"<script src="./boot.js" data-js="./a.js" data-pieces='{"events":["./split-events-cc.wasm"],"tasks":["./chunk-3-aa.wasm","./split-tasks-bb.wasm"]}' data-wasm="./a.wasm"></script>"#
            )
        );
        assert_eq!(noted("<html></html>", &pieces, &names), None);
    }

    #[test]
    fn pieces_are_shrunk_as_the_program_is() {
        assert_eq!(
            settings(r#"<link data-wasm-opt="z" data-wasm-opt-params="--a  --b" data-x="">"#),
            ["--a", "--b"]
        );
        let root = crate::workspace::Workspace::find().unwrap().root;
        let page = std::fs::read_to_string(root.join("index.html")).unwrap();
        assert!(settings(&page).contains(&"--enable-bulk-memory"), "{page}");
    }

    #[test]
    fn the_program_is_named_by_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let page = r#"<link href="./app-old-11.js"><script data-js="./app-old-11.js" data-wasm="./app-old-11_bg.wasm">"#;
        let named = |wasm: &str| {
            std::fs::write(folder.path().join("app-old-11_bg.wasm"), wasm).unwrap();
            std::fs::write(folder.path().join("app-old-11.js"), "script").unwrap();
            rename_program(page, folder.path()).unwrap().unwrap()
        };
        let first = named("1");
        assert_eq!(first, named("1"));
        assert_ne!(first, named("2"));
        assert!(!first.contains("app-old-11"), "{first}");
        let stem = first
            .split("./")
            .nth(1)
            .unwrap()
            .trim_end_matches(r#".js"><script data-js=""#);
        assert!(
            folder.path().join(format!("{stem}_bg.wasm")).is_file(),
            "{first}"
        );
        assert_eq!(
            rename_program("<html></html>", folder.path()).unwrap(),
            None
        );
    }

    #[test]
    fn names_change_with_content_only() {
        let name = named_by_content("split_tasks", b"1");
        assert_eq!(name, named_by_content("split_tasks", b"1"));
        assert_ne!(name, named_by_content("split_tasks", b"2"));
        assert!(name.starts_with("split-tasks-"), "{name}");
    }
}
