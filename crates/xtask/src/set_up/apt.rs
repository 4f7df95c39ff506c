//! What comes from Debian.

use std::path::Path;
use std::process::Command;

use super::Need;
use super::cache::Cache;
use crate::error::Error;
use crate::process;
use crate::say;
use crate::stop::Stop;

/// A program that Debian packages.
#[derive(Clone, Copy, Debug)]
pub struct Packaged {
    /// What it is, for people.
    pub what: &'static str,
    /// Files of which one must be there.
    pub found_at: &'static [&'static str],
    /// The packages that bring it.
    pub packages: &'static [&'static str],
}

/// Where Rserve's program can be: Debian's place first.
pub const RSERVE: [&str; 3] = [
    "/usr/lib/R/site-library/Rserve/libs/Rserve",
    "/usr/local/lib/R/site-library/Rserve/libs/Rserve",
    "/usr/lib/R/library/Rserve/libs/Rserve",
];

const R: Packaged = Packaged {
    what: "R",
    found_at: &["/usr/bin/R", "/usr/local/bin/R"],
    packages: &["r-base-core"],
};
const R_SERVE: Packaged = Packaged {
    what: "Rserve",
    found_at: &RSERVE,
    packages: &["r-cran-rserve"],
};
const HAPROXY: Packaged = Packaged {
    what: "HAProxy",
    found_at: &["/usr/sbin/haproxy", "/usr/local/sbin/haproxy"],
    packages: &["haproxy"],
};
/// Where PostgreSQL's programs are.
pub const POSTGRES_PROGRAMS: &str = "/usr/lib/postgresql/15/bin";
const POSTGRES: Packaged = Packaged {
    what: "PostgreSQL",
    found_at: &["/usr/lib/postgresql/15/bin/postgres"],
    packages: &["postgresql"],
};
const PATRONI: Packaged = Packaged {
    what: "Patroni",
    found_at: &["/usr/bin/patroni"],
    packages: &["patroni"],
};
const PATRONI_ETCD: Packaged = Packaged {
    what: "Patroni's client of etcd",
    found_at: &["/usr/lib/python3/dist-packages/etcd/__init__.py"],
    packages: &["python3-etcd"],
};
const ETCD: Packaged = Packaged {
    what: "etcd",
    found_at: &["/usr/bin/etcd"],
    packages: &["etcd-server"],
};
const NODE: Packaged = Packaged {
    what: "Node.js (runs wasm-opt)",
    found_at: &["/usr/bin/node", "/usr/local/bin/node"],
    packages: &["nodejs"],
};
const NPM: Packaged = Packaged {
    what: "npm",
    found_at: &["/usr/bin/npm", "/usr/local/bin/npm"],
    packages: &["npm"],
};
const CHROMIUM: Packaged = Packaged {
    what: "Chromium",
    found_at: &["/usr/bin/chromium"],
    packages: &["chromium"],
};
const DRIVER: Packaged = Packaged {
    what: "chromedriver",
    found_at: &["/usr/bin/chromedriver"],
    packages: &["chromium-driver"],
};

/// What a drill gives a node another clock by.
pub const FAKETIME: Packaged = Packaged {
    what: "faketime",
    found_at: &[
        "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
        "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    ],
    packages: &["faketime"],
};

/// Debian's Rust that knows the browser target's source, for machines where rustup cannot add the target.
pub const WEB_RUST: Packaged = Packaged {
    what: "Debian's Rust with its library's source",
    found_at: &["/usr/lib/rustlib/src/rust/library/std/Cargo.toml"],
    packages: &["rustc-web", "cargo-web", "rust-web-src"],
};

/// A linker for the browser target, where rustup brought none.
pub const LLD: Packaged = Packaged {
    what: "LLVM's linker",
    found_at: &["/usr/lib/llvm-19/bin/lld"],
    packages: &["lld-19"],
};

/// What starting a deployment asks of Debian.
pub const TO_START: &[Packaged] = &[R, R_SERVE, HAPROXY];

/// What starting one on PostgreSQL asks of it.
pub const TO_START_ON_POSTGRES: &[Packaged] = &[R, R_SERVE, HAPROXY, POSTGRES];

/// What starting one on a PostgreSQL that fails over asks of it.
pub const TO_START_ON_PATRONI: &[Packaged] =
    &[R, R_SERVE, HAPROXY, POSTGRES, PATRONI, PATRONI_ETCD, ETCD];

/// What `need` asks of Debian.
pub fn packages(need: Need) -> &'static [Packaged] {
    const ALL: [Packaged; 12] = [
        NODE,
        NPM,
        R,
        R_SERVE,
        HAPROXY,
        CHROMIUM,
        DRIVER,
        POSTGRES,
        PATRONI,
        PATRONI_ETCD,
        ETCD,
        FAKETIME,
    ];
    let count = match need {
        Need::Build => 2,
        Need::Run => 5,
        Need::Test => 12,
    };
    ALL.get(..count).unwrap_or(&ALL)
}

/// The file that proves the program is there.
pub fn find(program: &Packaged) -> Option<&'static Path> {
    program
        .found_at
        .iter()
        .map(Path::new)
        .find(|path| path.exists())
}

/// How this process may install packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// It is root.
    Root,
    /// `sudo` lets it without asking.
    Sudo,
    /// It may not.
    None,
}

/// Installs those of `wanted` that are missing, in one go. Where that is not allowed, the error gives the commands.
pub fn install_missing(cache: &Cache, wanted: &[Packaged], stop: &Stop) -> Result<(), Error> {
    let missing: Vec<&Packaged> = wanted
        .iter()
        .filter(|program| find(program).is_none())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let what = missing
        .iter()
        .map(|program| program.what)
        .collect::<Vec<_>>()
        .join(", ");
    let right = right();
    let lines = command_lines(&missing, right);
    if right == Right::None || !Path::new("/usr/bin/apt-get").exists() {
        let why = "this user may not install packages (no root, and `sudo -n` asks for a password)"
            .into();
        return Err(Error::Missing {
            what,
            why,
            commands: command_lines(&missing, Right::Sudo)
                .iter()
                .map(|line| line.join(" "))
                .collect(),
        });
    }
    say::timed("installing", &what, || {
        for line in &lines {
            process::run_logged(apt_command(line), &cache.log("apt"), stop)?;
        }
        match missing.iter().find(|program| find(program).is_none()) {
            None => Ok(()),
            Some(program) => Err(Error::Missing {
                what: program.what.into(),
                why: "it is not where Debian puts it, though apt-get succeeded".into(),
                commands: vec![format!("dpkg -L {}", program.packages.join(" "))],
            }),
        }
    })?;
    cache.count();
    Ok(())
}

/// The commands by which a person installs these.
pub fn commands(missing: &[Packaged]) -> Vec<String> {
    let missing: Vec<&Packaged> = missing.iter().collect();
    let lines = command_lines(&missing, Right::Sudo);
    lines.iter().map(|line| line.join(" ")).collect()
}

/// The two commands, word by word. apt-get waits up to two minutes for another apt-get.
fn command_lines(missing: &[&Packaged], right: Right) -> Vec<Vec<String>> {
    let lead: &[&str] = if right == Right::Sudo { &["sudo"] } else { &[] };
    let words = |rest: &[&str]| {
        lead.iter()
            .chain(rest)
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    let mut install = words(&[
        "apt-get",
        "install",
        "--yes",
        "--no-install-recommends",
        "-o",
        "DPkg::Lock::Timeout=120",
    ]);
    install.extend(
        missing
            .iter()
            .flat_map(|program| program.packages)
            .map(|name| (*name).to_owned()),
    );
    vec![words(&["apt-get", "update"]), install]
}

fn apt_command(line: &[String]) -> Command {
    let (program, rest) = line
        .split_first()
        .map_or(("apt-get", [].as_slice()), |(first, rest)| {
            (first.as_str(), rest)
        });
    let mut command = process::command(program);
    if program == "sudo" {
        command.arg("-n");
    }
    command.args(rest).env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn right() -> Right {
    if rustix::process::geteuid().is_root() {
        return Right::Root;
    }
    let mut ask = process::command("sudo");
    ask.args(["-n", "true"]);
    if process::answer(ask).is_some() {
        Right::Sudo
    } else {
        Right::None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn each_need_includes_the_smaller_ones() {
        let names = |need| {
            packages(need)
                .iter()
                .map(|program| program.what)
                .collect::<Vec<_>>()
        };
        assert!(names(Need::Run).starts_with(&names(Need::Build)));
        assert!(names(Need::Test).starts_with(&names(Need::Run)));
        assert!(names(Need::Test).contains(&"chromedriver"));
        assert!(names(Need::Test).contains(&"PostgreSQL"));
        assert!(names(Need::Test).contains(&"faketime"));
        assert!(!names(Need::Run).contains(&"Chromium"));
    }

    #[test]
    fn the_commands_can_be_given_as_they_are() {
        let lines = command_lines(&[&R, &R_SERVE], Right::Sudo);
        assert_eq!(lines[0].join(" "), "sudo apt-get update");
        assert!(
            lines[1]
                .join(" ")
                .starts_with("sudo apt-get install --yes --no-install-recommends")
        );
        assert!(lines[1].join(" ").ends_with("r-base-core r-cran-rserve"));
        assert_eq!(
            command_lines(&[&R], Right::Root)[0].join(" "),
            "apt-get update"
        );
    }
}
