//! The `start` script of each process: what `cargo xtask run` starts, and what a person or a test calls to start it again.
//!
//! `start tied` makes the process end with the one that called it; `start` alone lets it live on.

use std::path::Path;

use super::folder::write_with_mode;
use crate::error::Error;

/// How one process is started.
#[derive(Clone, Debug)]
pub struct Script<'a> {
    /// What it is, for the script's comment.
    pub what: String,
    /// The network namespace to start in; the caller's when absent.
    pub namespace: Option<&'a Path>,
    /// The folder to start in.
    pub folder: &'a Path,
    /// Where its output goes.
    pub log: &'a Path,
    /// Environment to set.
    pub environment: Vec<(String, String)>,
    /// Variables that the program must not find, whoever calls the script.
    pub without: &'a [&'a str],
    /// Start with this environment only.
    pub bare: bool,
    /// Another user and group to become, as numbers.
    pub user: Option<(u32, u32)>,
    /// The program and its arguments.
    pub program: Vec<String>,
}

impl Script<'_> {
    /// Writes the script; only its owner may change or run it.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        write_with_mode(path, &self.text(), 0o700)
    }

    fn text(&self) -> String {
        let variables = self
            .environment
            .iter()
            .map(|(name, value)| quoted(&format!("{name}={value}")));
        let program = self.program.iter().map(|word| quoted(word));
        let user = self.user.map_or_else(String::new, |(user, group)| {
            format!(" --reuid={user} --regid={group} --clear-groups")
        });
        format!(
            "#!/bin/sh\n\
             # Starts {what} of a local deployment, as `cargo xtask run` does.\n\
             # `start tied` ends it with its caller; `start` lets it live on.\n\
             set -eu\n\
             tied=\n\
             if [ \"${{1-}}\" = tied ]; then tied='--pdeathsig TERM'; fi\n\
             umask 077\n\
             cd {folder}\n\
             # The user changes first: the kernel forgets the tie when it does.\n\
             exec {enter}env{bare}{without} {variables} setpriv{user} $tied -- {program} >>{log} 2>&1 </dev/null\n",
            what = self.what,
            // It becomes the program, with the same pid.
            enter = self.namespace.map_or_else(String::new, |namespace| format!(
                "nsenter {} -- ",
                quoted(&format!("--net={}", namespace.display()))
            )),
            folder = quoted(&self.folder.display().to_string()),
            without = self
                .without
                .iter()
                .map(|name| format!(" -u {name}"))
                .collect::<String>(),
            bare = if self.bare { " -i" } else { "" },
            variables = variables.collect::<Vec<_>>().join(" "),
            program = program.collect::<Vec<_>>().join(" "),
            log = quoted(&self.log.display().to_string()),
        )
    }
}

/// A word that a shell takes as it is.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::process::Command;

    #[test]
    fn the_script_runs_the_program_as_said() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("it's here");
        std::fs::create_dir(&folder).unwrap();
        let log = dir.path().join("log");
        let script = Script {
            what: "a test".into(),
            namespace: None,
            folder: &folder,
            log: &log,
            environment: vec![
                ("PATH".into(), "/usr/bin:/bin".into()),
                ("WORD".into(), "a 'b' $c".into()),
            ],
            without: &[],
            bare: true,
            user: None,
            program: ["sh", "-c", "echo \"$WORD\"; pwd; env | wc -l; umask"]
                .map(String::from)
                .into(),
        };
        let path = dir.path().join("start");
        script.write(&path).unwrap();
        assert!(Command::new(&path).arg("tied").status().unwrap().success());
        let seen = std::fs::read_to_string(&log).unwrap();
        let lines: Vec<_> = seen.lines().collect();
        assert_eq!(lines[0], "a 'b' $c");
        assert!(lines[1].ends_with("it's here"), "{seen}");
        // PATH, WORD and what the shell itself adds (PWD, and perhaps `_` and OLDPWD, SHLVL).
        assert!(lines[2].trim().parse::<u32>().unwrap() <= 6, "{seen}");
        assert_eq!(lines[3], "0077");
    }

    #[test]
    fn the_tie_holds_across_a_change_of_user() {
        if !rustix::process::geteuid().is_root() {
            return; // only root can change the user; as another user nothing is changed and the tie is the kernel's plain one
        }
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let script = Script {
            what: "a test".into(),
            namespace: None,
            folder: Path::new("/"),
            log: &log,
            environment: vec![],
            without: &[],
            bare: false,
            user: Some((65534, 65534)),
            program: ["sleep", "60"].map(String::from).into(),
        };
        let path = dir.path().join("start");
        script.write(&path).unwrap();
        // A shell starts it tied, tells its pid, and is killed.
        let mut caller = Command::new("sh");
        caller
            .args(["-c", &format!("'{}' tied & echo $!; wait", path.display())])
            .stdout(std::process::Stdio::piped());
        let mut caller = caller.spawn().unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(
            &mut std::io::BufReader::new(caller.stdout.take().unwrap()),
            &mut line,
        )
        .unwrap();
        let pid: u32 = line.trim().parse().unwrap();
        let name = || std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let wait_for = |what: &str, done: &dyn Fn() -> bool| {
            let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
            while !done() {
                assert!(std::time::Instant::now() < until, "{what}");
                std::thread::sleep(crate::process::TICK);
            }
        };
        wait_for("it starts", &|| name() == "sleep\n");
        caller.kill().unwrap();
        caller.wait().unwrap();
        wait_for("it ends with its caller", &|| {
            !crate::processes::read(pid).is_some_and(|process| process.lives())
        });
    }
}
