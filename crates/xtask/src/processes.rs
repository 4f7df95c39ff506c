//! The machine's processes, as `/proc` tells them.

use rustix::process::{Pid, Signal};

/// One process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Who started it.
    pub parent: u32,
    /// Its process group.
    pub group: u32,
    /// Its state as a letter: `R` runs, `S` sleeps, `T` is stopped, `Z` is dead and not yet waited for.
    pub state: char,
    /// When it started, in clock ticks since the boot; with the pid it names a process for good.
    pub started: u64,
}

impl Process {
    /// Not merely an entry that waits to be collected.
    pub fn lives(&self) -> bool {
        !matches!(self.state, 'Z' | 'X')
    }

    /// It was started with `mark` (`NAME=value`) in its environment. Only its own user and root can see that.
    pub fn marked(&self, mark: &str) -> bool {
        std::fs::read(format!("/proc/{}/environ", self.pid)).is_ok_and(|environment| {
            environment
                .split(|byte| *byte == 0)
                .any(|variable| variable == mark.as_bytes())
        })
    }

    /// Sends a signal, unless another process has taken the number meanwhile.
    pub fn signal(&self, signal: Signal) {
        let same = read(self.pid).is_some_and(|now| now.started == self.started);
        if let Some(pid) = i32::try_from(self.pid)
            .ok()
            .and_then(Pid::from_raw)
            .filter(|_| same)
        {
            let _ = rustix::process::kill_process(pid, signal);
        }
    }
}

/// All processes that we may see.
pub fn all() -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(read)
        .collect()
}

/// Those that a process started, those that they started, and so on: each behind the one that started it.
pub fn below(pid: u32) -> Vec<Process> {
    let all = all();
    let mut found: Vec<Process> = Vec::new();
    let mut next = Some(pid);
    for at in 0.. {
        let Some(parent) = next else { break };
        found.extend(
            all.iter()
                .filter(|process| process.parent == parent)
                .cloned(),
        );
        next = found.get(at).map(|process: &Process| process.pid);
    }
    found
}

/// One process by its number.
pub fn read(pid: u32) -> Option<Process> {
    parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Reads `/proc/PID/stat` (proc(5)). The name in parentheses may hold anything, so fields are counted from its last `)`.
fn parse(stat: &str) -> Option<Process> {
    let pid = stat.split(' ').next()?.parse().ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    Some(Process {
        pid,
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
    })
}

/// Somebody listens on this TCP port of IPv4's loopback or of all addresses (`/proc/net/tcp`, state `0A`). Makes no connection,
/// which an R node would answer with a session.
pub fn listens(port: u16) -> bool {
    std::fs::read_to_string("/proc/net/tcp").is_ok_and(|table| listens_in(&table, port))
}

/// The same in the network namespace of a process.
pub fn listens_beside(pid: u32, port: u16) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/net/tcp"))
        .is_ok_and(|table| listens_in(&table, port))
}

fn listens_in(table: &str, port: u16) -> bool {
    let wanted = format!(":{port:04X}");
    table.lines().skip(1).any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let local = fields.next().unwrap_or_default();
        let state = fields.nth(1).unwrap_or_default();
        state == "0A" && local.ends_with(&wanted)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_confuse() {
        let stat = "42 (a) Z (b) S 7 40 3 0 -1 4 5 6 7 8 9 10 11 12 13 14 15 16 98765 18 19";
        assert_eq!(
            parse(stat),
            Some(Process {
                pid: 42,
                parent: 7,
                group: 40,
                state: 'S',
                started: 98765
            })
        );
        assert_eq!(parse("garbage"), None);
    }

    #[test]
    fn we_see_ourselves_and_our_start_stays() {
        let me = read(std::process::id()).unwrap();
        assert!(me.lives() && me.started > 0);
        // One look: what we do changes between two.
        let seen = all().into_iter().find(|other| other.pid == me.pid).unwrap();
        assert_eq!(
            seen,
            Process {
                state: seen.state,
                ..me
            }
        );
    }

    #[test]
    fn what_a_process_started_is_found_to_the_last() {
        // The inner one says that it is there, and both wait.
        let mut outer = std::process::Command::new("sh")
            .args(["-c", "sh -c 'echo there; exec sleep 60' & wait"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut out = std::io::BufReader::new(outer.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut out, &mut said).unwrap();
        let found = below(outer.id());
        assert!(found.iter().any(|process| process.parent == outer.id()));
        let own = below(std::process::id());
        assert!(
            found
                .iter()
                .all(|one| own.iter().any(|other| other.pid == one.pid))
        );
        outer.kill().unwrap();
        outer.wait().unwrap();
        for process in &found {
            process.signal(Signal::KILL);
        }
    }

    #[test]
    fn a_listener_is_seen_without_connecting() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(listens(port));
        drop(listener);
        assert!(!listens(port));
    }

    #[test]
    fn a_connection_is_not_a_listener() {
        let table =
            "  sl  local_address rem_address   st\n   0: 0100007F:1FA4 0100007F:C000 01 0\n";
        assert!(!listens_in(table, 0x1FA4));
    }
}
