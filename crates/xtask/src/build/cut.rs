//! Cutting the console's program, between the linker and wasm-bindgen.
//!
//! What goes where follows from the functions that are marked `wasm_split` (`src/app/lazy.rs`): a piece has what only its functions
//! reach, by the linker's own list of which function and which data needs which. That list is gone after wasm-bindgen, so the cut comes
//! before it: trunk finds [`bindgen`] under wasm-bindgen's name.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::pieces::{LIST, Pieces};
use super::short_names;
use crate::error::Error;
use crate::process;

/// Names the real wasm-bindgen to [`bindgen`].
pub const BINDGEN: &str = "GRIDHELM_WASM_BINDGEN";
/// Names the folder for the pieces to [`bindgen`].
pub const FOLDER: &str = "GRIDHELM_PIECES";

/// The script module that the cut program would import the functions from that fetch pieces.
const LINK: &str = "./__wasm_split.js";
/// Where they are instead: `public/boot.js` makes them. It knows the pieces' names, which stand in `index.html` and nowhere else.
const LINK_OBJECT: &str = "globalThis.gridhelmPieces";
/// Writes the stand-in for wasm-bindgen into `folder`, which goes before everything else in PATH.
pub fn stand_in(folder: &Path, program: &Path) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::create_dir_all(folder).map_err(Error::file("create", folder))?;
    let path = folder.join("wasm-bindgen");
    let quoted = program.display().to_string().replace('\'', r"'\''");
    let text = format!("#!/bin/sh\nexec '{quoted}' wasm-bindgen -- \"$@\"\n");
    std::fs::write(&path, text).map_err(Error::file("write", &path))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))
        .map_err(Error::file("make executable", &path))
}

/// Stands in for wasm-bindgen: cuts the program, has the real one read what every visit needs, and links the pieces to it.
/// Whatever is not about a program (`--version`) is passed on.
pub fn bindgen(arguments: &[OsString]) -> Result<(), Error> {
    let from = |name: &str| {
        std::env::var_os(name).ok_or_else(|| {
            Error::Usage(format!(
                "{name} is not set: this is called by the console's build only"
            ))
        })
    };
    let real = from(BINDGEN)?;
    let Some(call) = Call::read(arguments) else {
        return run(Command::new(real).args(arguments));
    };
    let folder = PathBuf::from(from(FOLDER)?);
    let main = cut(&call.program, &folder)?;
    let changed = arguments.iter().map(|argument| {
        if Path::new(argument) == call.program {
            main.as_os_str()
        } else {
            argument
        }
    });
    // The pieces share the table of functions with the program by a name that the linker gave.
    run(Command::new(real).args(changed).arg("--keep-lld-exports"))?;
    let script =
        std::fs::read_to_string(&call.script).map_err(Error::file("read", &call.script))?;
    let linked = link(&script).ok_or_else(|| Error::Content {
        path: call.script.clone(),
        what: format!("imports `{LINK}` in no way that is known here: see what this version of wasm-bindgen writes"),
    })?;
    let bytes = std::fs::read(&call.bound).map_err(Error::file("read", &call.bound))?;
    let (script, program) =
        short_names::shorten(&linked, &bytes).map_err(|what| Error::Content {
            path: call.bound.clone(),
            what,
        })?;
    std::fs::write(&call.bound, program).map_err(Error::file("write", &call.bound))?;
    std::fs::write(&call.script, script).map_err(Error::file("write", &call.script))
}

fn run(command: &mut Command) -> Result<(), Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().map_err(|source| Error::Start {
        program: program.clone(),
        source,
    })?;
    if status.success() {
        return Ok(());
    }
    Err(Error::Failed {
        command: program,
        status: process::describe(status),
        output: String::new(),
    })
}

/// What wasm-bindgen was asked for.
#[derive(Debug, PartialEq, Eq)]
struct Call {
    /// What goes in.
    program: PathBuf,
    /// What comes out.
    bound: PathBuf,
    script: PathBuf,
}

impl Call {
    fn read(arguments: &[OsString]) -> Option<Self> {
        let value = |name: &str| {
            let mut all = arguments.iter();
            all.find_map(|argument| {
                let argument = argument.to_str()?;
                argument.strip_prefix(name)?.strip_prefix('=')
            })
        };
        let program = arguments
            .iter()
            .map(Path::new)
            .find(|path| path.extension() == Some(OsStr::new("wasm")))?;
        let (folder, name) = (Path::new(value("--out-dir")?), value("--out-name")?);
        Some(Self {
            program: program.to_path_buf(),
            bound: folder.join(format!("{name}_bg.wasm")),
            script: folder.join(format!("{name}.js")),
        })
    }
}

/// Cuts a program. All that comes of it lies in `folder`; answers the file of what every visit needs.
fn cut(program: &Path, folder: &Path) -> Result<PathBuf, Error> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(Error::file("remove", folder))?;
    }
    std::fs::create_dir_all(folder).map_err(Error::file("create", folder))?;
    let bytes = std::fs::read(program).map_err(Error::file("read", program))?;
    let main = folder.join("main.wasm");
    let mut options = wasm_split_cli_support::Options::new(&bytes);
    options.output_dir = folder;
    options.main_out_path = &main;
    options.link_name = LINK;
    let done =
        wasm_split_cli_support::transform(options).map_err(|error| Error::Content {
            path: program.to_path_buf(),
            what: format!("could not be cut into pieces: {error:#}. Was it linked with `--emit-relocs` (build.rs), and are no RUSTFLAGS set?"),
        })?;
    let pieces: Pieces = done.prefetch_map.into_iter().collect();
    if pieces.is_empty() {
        return Err(Error::Content {
            path: program.to_path_buf(),
            what: "has no function marked `wasm_split`: was it built with the feature `split`?"
                .into(),
        });
    }
    let list = folder.join(LIST);
    let text = serde_json::to_string(&pieces).map_err(|error| Error::Usage(error.to_string()))?;
    std::fs::write(&list, text).map_err(Error::file("write", &list))?;
    Ok(main)
}

/// wasm-bindgen's script with the import of [`LINK`] replaced by the object that the loader made; none if it is not there.
fn link(script: &str) -> Option<String> {
    let mut found = false;
    let lines = script.lines().map(|line| {
        let name = line
            .strip_prefix("import * as ")
            .and_then(|rest| rest.split_once(" from "))
            .filter(|(_, module)| module.contains(LINK))
            .map(|(name, _)| name);
        match name {
            Some(name) => {
                found = true;
                format!("const {name} = {LINK_OBJECT};\n")
            }
            None => format!("{line}\n"),
        }
    });
    let text: String = lines.collect();
    found.then_some(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn words(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn a_call_names_program_and_script() {
        let call = Call::read(&words(&[
            "--target=web",
            "--out-dir=/t/out",
            "--out-name=console",
            "/t/console.wasm",
        ]));
        assert_eq!(
            call,
            Some(Call {
                program: "/t/console.wasm".into(),
                bound: "/t/out/console_bg.wasm".into(),
                script: "/t/out/console.js".into(),
            })
        );
        assert_eq!(Call::read(&words(&["--version"])), None);
        assert_eq!(Call::read(&words(&["/t/console.wasm"])), None);
    }

    #[test]
    fn the_link_is_replaced_and_nothing_else() {
        let script = "import * as import1 from \"./__wasm_split.js\"\nimport * as import2 from \"./other.js\"\nlet a = 1;\n";
        assert_eq!(
            link(script).as_deref(),
            Some(
                "const import1 = globalThis.gridhelmPieces;\nimport * as import2 from \"./other.js\"\nlet a = 1;\n"
            )
        );
        assert_eq!(link("let a = 1;\n"), None);
    }

    #[test]
    fn a_program_that_cannot_be_cut_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("whole.wasm");
        std::fs::write(&program, b"\0asm\x01\0\0\0").unwrap();
        let error = cut(&program, &folder.path().join("pieces")).unwrap_err();
        assert!(error.to_string().contains("whole.wasm"), "{error}");
    }
}
