//! What a node says about itself, read through a session on it.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::reclaim::{Marker, evaluated};
use crate::run::SessionInfo;
use crate::value::{Data, Value};
use crate::{Connection, Credentials, Endpoint, Error, Options, proc_text};

const WATCH: &str = include_str!("../r/watch.R");
/// Clock ticks of `/proc` in a second (`USER_HZ`, 100 on every Linux that R runs on).
const TICKS: u64 = 100;

/// The state of the process that accepts connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Listener {
    /// It runs, or waits for work.
    Running,
    /// It is stopped (SIGSTOP, a debugger): connections succeed and are never answered.
    Stopped,
    /// It waits for a disk that does not answer, at this moment.
    DiskWait,
    /// It ended: new sessions are refused. Sessions that are open live on.
    Gone,
}

/// One quick look.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Glance {
    /// The listener.
    pub listener: Listener,
    /// Its state letter from `/proc`; `X` when it is gone.
    pub state: char,
    /// Load averages over 1, 5 and 15 minutes.
    pub load: [f64; 3],
    /// Memory that can still be given out, bytes.
    pub memory_available: u64,
    /// Memory of the host, bytes.
    pub memory_total: u64,
    /// The state letters of the sessions that were asked for, in their order; `X` for one that is gone.
    pub sessions: Vec<char>,
}

/// How many sessions one quick look can take in.
pub const SESSIONS_AT_ONCE: usize = 32;

/// A session on the node, ours or not.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodeSession {
    /// Its process.
    pub pid: u32,
    /// The parent: the listener, or 1 when the listener that forked it is gone.
    pub parent_pid: u32,
    /// State letter from `/proc`: `R`, `S`, `D`, `T`, `Z`.
    pub state: char,
    /// Start, clock ticks after boot.
    pub start_time_ticks: u64,
    /// Time since its start, seconds.
    pub age_seconds: u64,
    /// Processor time used, milliseconds.
    pub cpu_ms: u64,
    /// Resident memory, bytes; most of it shared with the listener.
    pub memory: u64,
    /// Its present directory.
    pub directory: String,
    /// The text of its marker, empty for none.
    pub marker_text: String,
    /// The marker, if it is one of Gridhelm's.
    pub marker: Option<Marker>,
    /// Whether its client is gone while it works: nobody will read its answer.
    pub client_gone: bool,
    /// Whether this is the session that looks.
    pub is_self: bool,
}

/// An R package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A thorough look: 50 to 150 ms of the node's time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Probe {
    /// The listener, load and memory.
    pub glance: Glance,
    /// Host name.
    pub host: String,
    /// Operating system and kernel.
    pub os: String,
    /// The user that R runs as.
    pub user: String,
    /// The kernel's id of this boot.
    pub boot_id: String,
    /// Processors that R may use.
    pub cores: u32,
    /// Since boot, seconds.
    pub uptime_seconds: u64,
    /// Size of the disk with the work directories, bytes.
    pub disk_total: u64,
    /// Free on it for the node's user, bytes.
    pub disk_available: u64,
    /// The node's clock when it looked, milliseconds since 1970.
    pub clock_ms: u64,
    /// How far the node's clock is ahead of this host's, milliseconds; the round trip is its
    /// uncertainty.
    pub clock_ahead_ms: i64,
    /// R's version.
    pub r_version: String,
    /// Rserve's version.
    pub rserve_version: String,
    /// Whether R runs in a UTF-8 locale; in another, text that is not ASCII prints escaped.
    pub utf8: bool,
    /// Installed packages, by name.
    pub packages: Vec<Package>,
    /// The directory of the session directories.
    pub work_dir: String,
    /// Session directories without a session.
    pub leftover_directories: u64,
    /// Processes that outlived the session that started them, and still work in its removed directory.
    pub strays: u64,
    /// Sessions on the node, the one that looks included; at most 10,000.
    pub sessions: Vec<NodeSession>,
    /// How long the look took, milliseconds.
    pub took_ms: u64,
}

/// Looks at the listener, load and memory through an open session: one evaluation of about 0.2 ms
/// and no fork. `listener_start_ticks` tells the listener from a later process with its number; take
/// it from [`listener_start`]. The processes of `sessions` are looked at, too, the first [`SESSIONS_AT_ONCE`] of them: about
/// 0.05 ms each.
pub async fn glance(
    connection: &mut Connection,
    listener_pid: u32,
    listener_start_ticks: u64,
    sessions: &[u32],
) -> Result<Glance, Error> {
    // Numbers only: nothing to quote.
    let sessions = sessions.iter().take(SESSIONS_AT_ONCE);
    let pids = std::iter::once(listener_pid).chain(sessions.copied());
    // As text: R writes the number 100000 as 1e+05.
    let pids: Vec<String> = pids.map(|pid| format!("\"{pid}\"")).collect();
    let code = format!(
        "c(readLines(\"/proc/loadavg\",1L),readLines(\"/proc/meminfo\",3L),vapply(c({}),function(p)\
         c(tryCatch(suppressWarnings(readLines(paste0(\"/proc/\",p,\"/stat\"),1L)),error=function(e)\"\"),\"\")[1L],\"\",USE.NAMES=FALSE))",
        pids.join(",")
    );
    let texts = connection.eval(&code).await?.as_texts();
    let glance = match &texts[..] {
        [load, one, two, three, stat, sessions @ ..] => {
            let memory = [one, two, three].map(String::clone);
            let found = read_glance(stat, load, &memory, Some(listener_start_ticks));
            let state = |line: &String| proc_text::stat(line).map_or('X', |process| process.state);
            found.map(|glance| Glance {
                sessions: sessions.iter().map(state).collect(),
                ..glance
            })
        }
        _ => None,
    };
    glance.ok_or_else(|| unreadable(connection))
}

/// When the listener of `session` started, clock ticks after boot; `None` when it is gone.
pub async fn listener_start(
    connection: &mut Connection,
    session: &SessionInfo,
) -> Result<Option<u64>, Error> {
    if session.listener_pid <= 1 {
        return Ok(None);
    }
    let code = format!(
        "tryCatch(suppressWarnings(readLines(\"/proc/{}/stat\",1L)),error=function(e)\"\")",
        session.listener_pid
    );
    let line = connection.eval(&code).await?;
    Ok(line
        .as_str()
        .and_then(proc_text::stat)
        .map(|s| s.start_ticks))
}

/// A full heartbeat: connects, reads the banner, signs in, evaluates, and removes the directory that
/// Rserve made for it. Says how long it took up to the answer.
pub async fn heartbeat(
    endpoint: &Endpoint,
    credentials: Option<&Credentials>,
    options: &Options,
) -> Result<Duration, Error> {
    let start = Instant::now();
    let mut connection = Connection::open(endpoint, credentials, options).await?;
    let answer = tokio::time::timeout(
        options.handshake_timeout,
        connection.eval(crate::run::REMOVE_WORK_DIR),
    )
    .await;
    let took = start.elapsed();
    connection.close().await;
    match answer {
        Ok(result) => result.map(|_| took),
        Err(_) => Err(Error::HandshakeTimeout {
            endpoint: endpoint.to_string(),
            waited: options.handshake_timeout,
        }),
    }
}

/// Looks thoroughly, through an open session of the node.
pub async fn probe(connection: &mut Connection, session: &SessionInfo) -> Result<Probe, Error> {
    let pid = i32::try_from(session.listener_pid).unwrap_or(0);
    let call = Data::Language(vec![(None, evaluated(WATCH)), (None, Value::integer(pid))]);
    let start = Instant::now();
    let before = unix_ms();
    let answer = connection.eval_call(&call.into(), |_| {}).await?;
    let took_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    read_probe(&answer, before, took_ms).ok_or_else(|| unreadable(connection))
}

fn read_glance(line: &str, load: &str, memory: &[String], start: Option<u64>) -> Option<Glance> {
    let process = proc_text::stat(line).filter(|s| start.is_none_or(|t| t == s.start_ticks));
    let state = process.map_or('X', |s| s.state);
    let listener = match state {
        'T' | 't' => Listener::Stopped,
        'Z' | 'X' | 'x' => Listener::Gone,
        'D' => Listener::DiskWait,
        _ => Listener::Running,
    };
    let mut loads = load.split_ascii_whitespace().map_while(|n| n.parse().ok());
    let kilobytes = |name: &str| -> Option<u64> {
        let line = memory.iter().find(|l| l.starts_with(name))?;
        line.split_ascii_whitespace()
            .nth(1)?
            .parse::<u64>()
            .ok()?
            .checked_mul(1024)
    };
    Some(Glance {
        listener,
        state,
        load: [loads.next()?, loads.next()?, loads.next()?],
        memory_available: kilobytes("MemAvailable:")?,
        memory_total: kilobytes("MemTotal:")?,
        sessions: Vec::new(),
    })
}

fn read_probe(answer: &Value, before: u64, took_ms: u64) -> Option<Probe> {
    let text = |name: &str| {
        answer
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let glance = read_glance(
        &text("listener"),
        &text("loadavg"),
        &answer.get("meminfo")?.as_texts(),
        None,
    )?;
    let uptime: f64 = text("uptime")
        .split_ascii_whitespace()
        .next()?
        .parse()
        .ok()?;
    let uptime_seconds = whole(uptime);
    let own = answer.get("self").and_then(Value::as_u64);
    let sessions = answer
        .get("sessions")?
        .as_list()
        .iter()
        .filter_map(|s| session(s, uptime_seconds, own))
        .collect();
    let (disk_total, disk_available) = disk(&answer.get("disk")?.as_texts()).unwrap_or((0, 0));
    let clock_ms = whole(answer.get("clock")?.as_f64()?);
    // The look's clock reading comes near its end.
    let here = i128::from(before) + i128::from(took_ms);
    let packages = answer
        .get("package")?
        .as_texts()
        .into_iter()
        .zip(answer.get("version")?.as_texts());
    Some(Probe {
        glance,
        host: text("host"),
        os: text("os"),
        user: text("user"),
        boot_id: text("boot_id"),
        cores: cpu_count(&text("cpus")),
        uptime_seconds,
        disk_total,
        disk_available,
        clock_ms,
        clock_ahead_ms: i64::try_from(i128::from(clock_ms) - here).unwrap_or(0),
        r_version: text("r"),
        rserve_version: text("rserve"),
        utf8: answer.get("utf8").and_then(Value::as_bool).unwrap_or(false),
        packages: packages
            .map(|(name, version)| Package { name, version })
            .collect(),
        work_dir: text("work"),
        strays: answer.get("strays").and_then(Value::as_u64).unwrap_or(0),
        leftover_directories: answer.get("leftover").and_then(Value::as_u64).unwrap_or(0),
        sessions,
        took_ms,
    })
}

fn session(value: &Value, uptime_seconds: u64, own: Option<u64>) -> Option<NodeSession> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    let stat = proc_text::stat(text("stat"))?;
    Some(NodeSession {
        pid: stat.pid,
        parent_pid: stat.parent,
        state: stat.state,
        start_time_ticks: stat.start_ticks,
        age_seconds: uptime_seconds.saturating_sub(stat.start_ticks / TICKS),
        cpu_ms: stat.cpu_ticks.saturating_mul(1000 / TICKS),
        memory: text("rss").parse::<u64>().unwrap_or(0).saturating_mul(1024),
        directory: text("cwd").to_owned(),
        marker_text: text("marker").to_owned(),
        marker: Marker::parse(text("marker")),
        client_gone: value.get("gone").and_then(Value::as_bool) == Some(true),
        is_self: own == Some(u64::from(stat.pid)),
    })
}

/// Size and free space from `df -Pk`: the second line's second and fourth fields, in kB.
fn disk(lines: &[String]) -> Option<(u64, u64)> {
    let mut fields = lines.get(1)?.split_ascii_whitespace().skip(1);
    let total: u64 = fields.next()?.parse().ok()?;
    let available: u64 = fields.nth(1)?.parse().ok()?;
    Some((total.checked_mul(1024)?, available.checked_mul(1024)?))
}

/// The number of processors in a list such as `0-3,8`.
fn cpu_count(ranges: &str) -> u32 {
    ranges
        .split(',')
        .filter_map(|range| {
            let mut ends = range.trim().splitn(2, '-').map(str::parse::<u32>);
            let first = ends.next()?.ok()?;
            let last = ends.next().unwrap_or(Ok(first)).ok()?;
            last.checked_sub(first)?.checked_add(1)
        })
        .fold(0, u32::saturating_add)
}

fn whole(x: f64) -> u64 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturates, NaN becomes 0
    return x as u64;
}

fn unix_ms() -> u64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn unreadable(connection: &Connection) -> Error {
    Error::Protocol {
        endpoint: connection.endpoint().to_owned(),
        what: "the node's account of itself has not the expected form; nodes must run on Linux"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_the_node_become_numbers() {
        assert_eq!(cpu_count("0-3,8"), 5);
        assert_eq!(cpu_count(""), 0);
        assert_eq!(cpu_count("5-2,x,7"), 1);
        let df = [
            "Filesystem 1024-blocks Used Available Capacity Mounted".to_owned(),
            "/dev/x 100 40 60 40% /".to_owned(),
        ];
        assert_eq!(disk(&df), Some((102_400, 61_440)));
        assert_eq!(disk(&df[..1]), None);
    }

    #[test]
    fn the_state_letter_tells_the_listeners_health() {
        let memory = [
            "MemTotal: 10 kB".to_owned(),
            "MemFree: 1 kB".to_owned(),
            "MemAvailable: 5 kB".to_owned(),
        ];
        let line = |state: char| {
            format!("7 (Rserve) {state} 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 55 60 1")
        };
        let look = |line: &str| read_glance(line, "0.5 0.25 0.1 1/2 3", &memory, Some(55));
        let listener = |state| look(&line(state)).map(|g| g.listener);
        assert_eq!(listener('S'), Some(Listener::Running));
        assert_eq!(listener('T'), Some(Listener::Stopped));
        assert_eq!(listener('Z'), Some(Listener::Gone));
        assert_eq!(
            look("").map(|g| (g.listener, g.memory_available)),
            Some((Listener::Gone, 5120))
        );
        let reused = line('S').replace(" 55 ", " 56 ");
        assert_eq!(
            look(&reused).map(|g| g.listener),
            Some(Listener::Gone),
            "another process with its number"
        );
    }
}
