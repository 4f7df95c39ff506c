//! Who this process is: what the group's database records of the owner of an epoch, and how to tell
//! later whether that process still lives.

use crate::store::Owner;
use std::fs;

/// Where Linux tells a host's boot id, new at each boot.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// What is known of a recorded process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It runs on this host (or is stopped).
    Alive,
    /// It ran on this host and is gone, or the host was booted since.
    Dead,
}

/// This process as the owner of an epoch to be.
///
/// # Errors
/// When `/proc` cannot be read: without it nobody could tell later whether this process still lives.
pub fn this_process(server: &str, boot: &str, url: &str) -> Result<Owner, String> {
    let pid = std::process::id();
    Ok(Owner {
        server: server.to_owned(),
        boot: boot.to_owned(),
        pid: i64::from(pid),
        start_ticks: start_ticks(i64::from(pid))
            .ok_or_else(|| format!("/proc/{pid}/stat cannot be read"))?,
        host_boot: host_boot().ok_or_else(|| format!("{BOOT_ID} cannot be read"))?,
        url: url.to_owned(),
    })
}

/// Whether the process that the database records as an owner still lives. All servers of a group on SQLite
/// are on one host; so another boot id means that this host was booted since.
pub fn life(owner: &Owner) -> Life {
    let same_boot = host_boot().is_some_and(|boot| boot == owner.host_boot);
    if same_boot && start_ticks(owner.pid) == Some(owner.start_ticks) {
        Life::Alive
    } else {
        Life::Dead
    }
}

/// This host's boot id.
pub fn host_boot() -> Option<String> {
    Some(fs::read_to_string(BOOT_ID).ok()?.trim().to_owned())
}

/// The start time of a process that runs, field 22 of `/proc/<pid>/stat`; `None` when it is gone or a
/// zombie.
fn start_ticks(pid: i64) -> Option<i64> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The start time in a line of `/proc/<pid>/stat`. The command's name (field 2, in brackets) may hold
/// anything, so fields are counted from its last bracket.
fn parse_stat(stat: &str) -> Option<i64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_start_time_is_found_behind_any_command_name() {
        let rest = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20";
        assert_eq!(parse_stat(&format!("7 (a) b) (c) S {rest}")), Some(4711));
        assert_eq!(parse_stat(&format!("7 (x) Z {rest}")), None);
        assert_eq!(parse_stat("7 (x) S 1 2"), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn this_process_lives_and_one_that_ended_does_not() {
        let mut owner = this_process("east-1", "b00t", "http://127.0.0.1:1").unwrap();
        assert_eq!(life(&owner), Life::Alive);
        owner.start_ticks += 1;
        assert_eq!(life(&owner), Life::Dead);
        owner.start_ticks -= 1;
        owner.host_boot = "another".into();
        assert_eq!(life(&owner), Life::Dead);
    }
}
