//! What R says to what a server asks of a node: each request is known by words that it has in it.

use super::value::{double, integer, list, logical, named, null, text, texts};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{SystemTime, UNIX_EPOCH};

/// A session as it sees itself and, where that is asked for, its node.
pub(super) struct Seen {
    pub(super) node: Ipv4Addr,
    pub(super) pid: u32,
    /// Sessions of the node, with their marks.
    pub(super) open: BTreeMap<u32, String>,
}

/// Packages of each node: as many as a plain installation of R with some more has.
const PACKAGES: u32 = 60;
const BOOT: &str = "5b1d9a52-0000-4000-8000-gridnotthere";
/// When each process started, clock ticks after boot.
const STARTED: u32 = 987_654;
/// The node's memory, kB.
const MEMORY: u64 = 16_384_000;

fn has(request: &[u8], word: &str) -> bool {
    request
        .windows(word.len())
        .any(|part| part == word.as_bytes())
}

/// Whether it is the probe, which sees all sessions.
pub(super) fn looks_around(request: &[u8]) -> bool {
    request.len() > 2_000 && has(request, "/proc/loadavg")
}

/// The mark that a session is given, if it is given one.
pub(super) fn mark(request: &[u8]) -> Option<String> {
    if request.len() > 1_000 || !has(request, ".gridhelm_") {
        return None;
    }
    let start = request.windows(2).position(|two| two == b"{\"")?;
    let length = request[start..].iter().position(|byte| *byte == b'}')?;
    let mark = &request[start..=start + length];
    Some(String::from_utf8_lossy(mark).into_owned())
}

/// The answer to a request: that of the node's own R, had it been asked.
pub(super) fn to(request: &[u8], seen: &Seen) -> Vec<u8> {
    let [.., block, place] = seen.node.octets();
    let listener = 1_000 + u32::from(block) * 256 + u32::from(place);
    let short = request.len() < 1_000;
    if short && has(request, ".gridhelm_") {
        let directory = format!("/var/lib/rserve/work/conn{}", seen.pid);
        return texts(&[&*stat(seen.pid, listener), BOOT, &directory, "4.2.2"]);
    }
    if looks_around(request) {
        return around(seen, listener);
    }
    if has(request, "installed.packages") {
        return packages();
    }
    if short && has(request, "/proc/loadavg") {
        let mut lines = vec![load(seen.node)];
        lines.extend(memory(seen.node));
        lines.push(stat(listener, 1));
        return texts(&lines);
    }
    if short && has(request, "unlink") && has(request, "baseenv") {
        return text("");
    }
    if short && has(request, "as.integer(strsplit") {
        return integer(listener);
    }
    if short && has(request, "readLines") {
        return text(&stat(listener, 1));
    }
    if has(request, ".gridhelm\0") {
        return ran();
    }
    null()
}

/// What the runner answers when it ran nothing.
fn ran() -> Vec<u8> {
    named(&[
        ("visible", logical(false)),
        ("kept", list(&[])),
        ("outputs", list(&[])),
        ("error", null()),
        ("value", null()),
        ("truncated", logical(false)),
        ("plots", texts::<&str>(&[])),
        ("files", null()),
        ("elapsed", double(0.0)),
    ])
}

fn around(seen: &Seen, listener: u32) -> Vec<u8> {
    let sessions = seen.open.iter().map(|(pid, mark)| {
        named(&[
            ("stat", text(&stat(*pid, listener))),
            ("gone", logical(false)),
            ("rss", text("48212")),
            ("cwd", text(&format!("/var/lib/rserve/work/conn{pid}"))),
            ("marker", text(mark)),
        ])
    });
    let sessions: Vec<_> = sessions.collect();
    let disk = "/dev/vda1       103080204 41232080  56593960      43% /var";
    named(&[
        ("listener", text(&stat(listener, 1))),
        ("loadavg", text(&load(seen.node))),
        ("uptime", text("864000.12 1700000.34")),
        ("meminfo", texts(&memory(seen.node))),
        ("cpus", text("0-3")),
        (
            "disk",
            texts(&[
                "Filesystem 1024-blocks Used Available Capacity Mounted on",
                disk,
            ]),
        ),
        ("boot_id", text(BOOT)),
        ("clock", double(now() * 1_000.0)),
        ("r", text("4.2.2")),
        ("rserve", text("1.8.11")),
        ("host", text(&format!("node-{}", seen.node))),
        ("os", text("Linux 6.1.0-18-amd64")),
        ("user", text("rserve")),
        ("utf8", logical(true)),
        ("package", texts(&names())),
        ("version", texts(&vec!["1.2.3"; names().len()])),
        ("work", text("/var/lib/rserve/work")),
        ("leftover", integer(0)),
        ("strays", integer(0)),
        ("self", integer(seen.pid)),
        ("sessions", list(&sessions)),
    ])
}

fn packages() -> Vec<u8> {
    let names = names();
    let all = |word: &str| texts(&vec![word; names.len()]);
    named(&[
        ("name", texts(&names)),
        ("version", all("1.2.3")),
        ("library", all("/usr/lib/R/library")),
        ("priority", all("recommended")),
        ("built", all("4.2.2")),
        ("cut", logical(false)),
        ("repos", texts(&["https://cloud.example/cran"])),
        ("paths", texts(&["/usr/lib/R/library"])),
        ("writable", texts(&["FALSE"])),
        ("user", text("rserve")),
    ])
}

fn names() -> Vec<String> {
    (0..PACKAGES).map(|n| format!("package{n:03}")).collect()
}

/// A line of `/proc/PID/stat` (proc(5)).
fn stat(pid: u32, parent: u32) -> String {
    format!(
        "{pid} (Rserve) S {parent} {pid} {pid} 0 -1 4194624 5120 0 3 0 11 4 0 0 20 0 1 0 {STARTED} 152305664 12053 18446744073709551615 \
         94368371195904 94368371199413 140732867351216 0 0 0 0 4096 17642 0 0 0 17 1 0 0 0 0 0 94368371211640 94368371212304 \
         94368389754880 140732867358555 140732867358620 140732867358620 140732867358698 0"
    )
}

/// Seconds since 1970.
fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}

/// A number from 0 to below `of` that is another one every few seconds, and at every node.
fn wobble(node: Ipv4Addr, of: u64) -> u64 {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "seconds since 1970"
    )]
    let turn = (now() / 5.0) as u64;
    let mixed = (turn ^ (u64::from(u32::from(node)) << 20)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 33) % of
}

/// `/proc/loadavg` of a host with four processors that has little to do.
fn load(node: Ipv4Addr) -> String {
    format!("0.{:02} 0.03 0.00 1/231 4711", wobble(node, 8))
}

/// The first lines of `/proc/meminfo`; a little more or less is free each time.
fn memory(node: Ipv4Addr) -> Vec<String> {
    let free = MEMORY / 2 + wobble(node, MEMORY / 500);
    vec![
        format!("MemTotal:       {MEMORY} kB"),
        format!("MemFree:        {} kB", free / 2),
        format!("MemAvailable:   {free} kB"),
    ]
}
