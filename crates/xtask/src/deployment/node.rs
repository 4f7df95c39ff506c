//! One R node: Rserve with its configuration, its own user when we are root, and its start script.
//!
//! What the node's user must not change (configuration, password, script) belongs to us; it owns only `work/`, `run/` and its library.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use super::MARK;
use super::folder::{Folder, open_folder, private_folder, write_with_mode};
use super::plan::{HOST, Node};
use super::script::Script;
use crate::error::Error;
use crate::process;
use crate::set_up::apt::RSERVE;

/// The user that every node knows.
pub const USER: &str = "gridhelm";

/// Where R is.
#[derive(Clone, Debug)]
pub struct Rserve {
    program: PathBuf,
    home: PathBuf,
}

impl Rserve {
    /// Finds R and Rserve.
    pub fn find() -> Result<Self, Error> {
        let program = RSERVE
            .iter()
            .map(PathBuf::from)
            .find(|path| path.exists())
            .ok_or_else(|| Error::Missing {
                what: "Rserve".into(),
                why: "it is in none of the usual places".into(),
                commands: vec![
                    "sudo apt-get install --no-install-recommends r-base-core r-cran-rserve".into(),
                ],
            })?;
        let mut ask = process::command("R");
        ask.arg("RHOME");
        let home = process::answer(ask).map_or_else(|| PathBuf::from("/usr/lib/R"), PathBuf::from);
        Ok(Self { program, home })
    }
}

/// The user and group that nodes run as: `nobody` when we are root, else us.
pub fn user() -> Option<(u32, u32)> {
    rustix::process::geteuid().is_root().then(|| {
        let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        nobody_in(&users).unwrap_or((65534, 65534))
    })
}

fn nobody_in(users: &str) -> Option<(u32, u32)> {
    let mut fields = users
        .lines()
        .find(|line| line.starts_with("nobody:"))?
        .split(':')
        .skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// What a node loads before it forks sessions, so that they start sooner: the runner of user code, and what
/// the first plot and the first loop need. The same text as `gridhelm_rserve::run::preload_source()`.
const PRELOAD: &str = concat!(
    "local({\n  text <- r\"---(",
    include_str!("../../../rserve/r/runner.R"),
    ")---\"\n",
    include_str!("../../../rserve/r/preload.R")
);

/// Has the C library ask for pages of 2 MB: then a fork copies an entry for each of those instead of 512, and a session costs a third
/// less of a processor. What a session writes to is copied by 4 kB all the same. (`docs/decisions/004-plain-rserve-behind-a-seam.md`)
const HUGE_PAGES: (&str, &str) = ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1");

/// Where a node's things are.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The node's folder.
    pub folder: PathBuf,
    /// Where sessions work, a folder each.
    pub work: PathBuf,
    /// Its own library of R packages; it stays.
    pub library: PathBuf,
    /// The repository of R packages that it installs from; all nodes share it.
    pub repository: PathBuf,
    /// Its start script.
    pub start: PathBuf,
}

impl Paths {
    /// The places of the node `name` below the nodes' folder.
    pub fn new(nodes: &Path, name: &str) -> Self {
        let folder = nodes.join(name);
        Self {
            work: folder.join("work"),
            library: folder.join("library"),
            repository: nodes.join("repository"),
            start: folder.join("start"),
            folder,
        }
    }
}

/// Makes the node's folder with everything that starting it needs. What earlier sessions left is removed.
pub fn prepare(
    folder: &Folder,
    node: &Node,
    namespace: Option<&Path>,
    rserve: &Rserve,
    password: &str,
) -> Result<Paths, Error> {
    let paths = Paths::new(folder.nodes(), node.name);
    open_folder(&paths.folder)?;
    let run = paths.folder.join("run");
    let user = user();
    for owned in [&paths.work, &run] {
        if owned.exists() {
            std::fs::remove_dir_all(owned).map_err(Error::file("remove", owned))?;
        }
        private_folder(owned)?;
        if let Some((user, group)) = user {
            chown(owned, Some(user), Some(group)).map_err(Error::file("give away", owned))?;
        }
    }
    if !paths.library.exists() {
        private_folder(&paths.library)?;
        if let Some((user, group)) = user {
            chown(&paths.library, Some(user), Some(group))
                .map_err(Error::file("give away", &paths.library))?;
        }
    }
    let passwords = paths.folder.join("passwords");
    let configuration = paths.folder.join("Rserve.conf");
    readable_by_node(&passwords, &format!("{USER} {password}\n"), user)?;
    readable_by_node(
        &configuration,
        &configuration_text(node, &paths, &run, &passwords),
        user,
    )?;
    readable_by_node(&paths.folder.join("preload.R"), PRELOAD, user)?;
    let log = folder.log(node.name);
    let script = Script {
        what: format!("the R node {}", node.name),
        namespace,
        folder: &paths.folder,
        log: &log,
        environment: [
            ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
            ("HOME", paths.work.display().to_string()),
            ("LANG", "C.UTF-8".to_owned()),
            ("R_LIBS_USER", paths.library.display().to_string()),
            ("R_HOME", rserve.home.display().to_string()),
            (
                "LD_LIBRARY_PATH",
                rserve.home.join("lib").display().to_string(),
            ),
            (MARK, folder.root().display().to_string()),
            (HUGE_PAGES.0, HUGE_PAGES.1.to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into(),
        without: &[],
        // R code sees the node's environment: nothing of ours may be in it.
        bare: true,
        user,
        program: vec![
            rserve.program.display().to_string(),
            "--RS-conf".into(),
            configuration.display().to_string(),
            "--no-save".into(),
            "--vanilla".into(),
        ],
    };
    script.write(&paths.start)?;
    Ok(paths)
}

fn readable_by_node(path: &Path, text: &str, user: Option<(u32, u32)>) -> Result<(), Error> {
    write_with_mode(path, text, if user.is_some() { 0o640 } else { 0o600 })?;
    user.map_or(Ok(()), |(_, group)| {
        chown(path, None, Some(group)).map_err(Error::file("give away", path))
    })
}

/// Rserve's configuration: lines of `key value`; unknown keys are ignored without a word, so each was tried.
///
/// Debian 12's Rserve (1.8-11) lets the password `*0` in for every user of its file; so R itself compares.
fn configuration_text(node: &Node, paths: &Paths, run: &Path, passwords: &Path) -> String {
    format!(
        "# R node {name} of a local deployment; made by `cargo xtask run`.\n\
         port {port}\n\
         remote {remote}\n\
         daemon disable\n\
         auth required\n\
         plaintext enable\n\
         pwdfile {passwords}\n\
         cachepwd indefinitely\n\
         eval .gridhelm_auth <- function(x) any(vapply(strsplit(readLines(\"{passwords}\"), \" \", TRUE), identical, NA, x))\n\
         auth.function .gridhelm_auth\n\
         maxinbuf 65536\n\
         maxsendbuf 0\n\
         encoding utf8\n\
         interactive no\n\
         oob enable\n\
         fileio enable\n\
         shutdown disable\n\
         keep.alive enable\n\
         pid.file {run}/rserve.pid\n\
         workdir {work}\n\
         tag.argv yes\n\
         eval suppressMessages({{library(stats);library(graphics);library(grDevices);library(utils);library(methods)}})\n\
         eval options(repos = c(LOCAL = \"file://{repository}\"))\n\
         source {preload}\n",
        name = node.name,
        port = node.port,
        remote = if node.host == HOST {
            "disable"
        } else {
            "enable"
        },
        passwords = passwords.display(),
        run = run.display(),
        repository = paths.repository.display(),
        work = paths.work.display(),
        preload = paths.folder.join("preload.R").display(),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::stop::Stop;

    #[test]
    fn nobody_is_found_by_name() {
        assert_eq!(
            nobody_in("root:x:0:0::/root:/bin/sh\nnobody:x:65534:65533:n:/:/bin/false\n"),
            Some((65534, 65533))
        );
        assert_eq!(nobody_in("root:x:0:0::/root:/bin/sh\n"), None);
    }

    #[test]
    fn a_node_can_read_but_not_change_what_starts_it() {
        use std::os::unix::fs::MetadataExt as _;
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path(), false, &Stop::default()).unwrap();
        let node = Node {
            name: "east-r01",
            group: Some("east"),
            host: HOST.to_owned(),
            port: 8111,
        };
        let paths = prepare(&folder, &node, None, &Rserve::find().unwrap(), "secret").unwrap();
        let configuration = std::fs::read_to_string(paths.folder.join("Rserve.conf")).unwrap();
        assert!(configuration.contains("port 8111\n") && configuration.contains("auth required\n"));
        assert!(
            configuration.lines().all(|line| line.len() < 511),
            "Rserve cuts longer lines"
        );
        let us = rustix::process::geteuid().as_raw();
        for ours in ["Rserve.conf", "passwords", "start"] {
            let facts = std::fs::metadata(paths.folder.join(ours)).unwrap();
            assert_eq!(facts.uid(), us, "{ours}");
            assert_eq!(
                facts.mode() & 0o027,
                0,
                "{ours}: nobody else writes, others read nothing"
            );
        }
        let work = std::fs::metadata(&paths.work).unwrap();
        assert_eq!(work.uid(), user().map_or(us, |(user, _)| user));
        assert_eq!(work.mode() & 0o777, 0o700);
        assert!(
            !std::fs::read_to_string(&paths.start)
                .unwrap()
                .contains("secret")
        );
    }
}
