//! Hosts for a deployment's parts: network namespaces around one in the middle, which passes packets on between them, so that
//! single ways can be cut in the middle, where neither end notices.
//!
//! A namespace has no name; a process holds it, tied to the thread that made it. However a drill ends, the kernel takes
//! everything away with the last process.

use crate::deployment::network::{Network, Place};
use crate::deployment::plan::Plan;
use crate::deployment::{haproxy, postgres};
use crate::harness::{HarnessError, Result};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The table of routes that lead to the wall, and the place of our rules before all others.
const WALL_TABLE: u32 = 100;
const RULE: u32 = 10;
/// How long a new namespace may take.
const MADE: Duration = Duration::from_secs(5);

/// Why no namespaces can be made here, if so.
pub(super) fn missing() -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        return Some("it needs root, to make network namespaces");
    }
    let found = |program: &str| {
        let folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
        folders
            .iter()
            .any(|folder| std::path::Path::new(folder).join(program).exists())
    };
    if !found("ip") {
        return Some("it needs `ip`: sudo apt-get install --no-install-recommends iproute2");
    }
    (!found("nsenter") || !found("unshare")).then_some("it needs nsenter and unshare (util-linux)")
}

/// A process that holds a namespace open.
struct Holder(Child);

impl Holder {
    fn new() -> Result<Self> {
        // Made first, tied then: nothing changes the user, so the tie stays.
        let child = Command::new("unshare")
            .args(["--net", "--", "setpriv", "--pdeathsig", "KILL", "--"])
            .args(["sleep", "infinity"])
            .stdin(Stdio::null())
            .spawn()?;
        let holder = Self(child);
        let own = std::fs::read_link("/proc/self/ns/net")?;
        let until = Instant::now() + MADE;
        while std::fs::read_link(holder.path()).is_ok_and(|of| of == own) {
            if Instant::now() > until {
                return Err(HarnessError("no network namespace was made".to_owned()));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(holder)
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn path(&self) -> PathBuf {
        format!("/proc/{}/ns/net", self.pid()).into()
    }

    /// Runs a program in the namespace, with a text as its input.
    fn run(&self, program: &[&str], input: &str) -> Result<()> {
        let mut child = Command::new("nsenter")
            .arg(format!("--net={}", self.path().display()))
            .arg("--")
            .args(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes())?;
        }
        let output = child.wait_with_output()?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(HarnessError(format!("{program:?} in a namespace: {said}")))
    }

    fn ip(&self, lines: &str) -> Result<()> {
        self.run(&["ip", "-batch", "-"], lines)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One host without any other, whose own network can be made slow.
pub(super) struct Lone(Holder);

impl Lone {
    /// Makes one.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn new() -> Result<Self> {
        let holder = Holder::new()?;
        // As small as on a real line: a packet of 64 KiB would pass a slow one as a lump.
        holder.ip("link set lo mtu 1500\nlink set lo up\n")?;
        Ok(Self(holder))
    }

    /// Its namespace. A thread enters it by [`enter`].
    pub(super) fn path(&self) -> PathBuf {
        self.0.path()
    }

    /// So many kilobits a second go through its network from now on, with a delay: one that is made where the kernel can, else that of
    /// the queue.
    ///
    /// # Errors
    /// When the system refuses, or the kernel can neither.
    pub(super) fn slow(&self, kbit: u32) -> Result<()> {
        let rate = format!("{kbit}kbit");
        let add = ["tc", "qdisc", "add", "dev", "lo", "root"];
        let with = |words: &[&str]| self.0.run(&[&add, words].concat(), "");
        with(&["netem", "delay", "20ms", "rate", &rate, "limit", "10000"])
            .or_else(|_| with(&["tbf", "rate", &rate, "burst", "32kb", "latency", "200ms"]))
    }

    /// It is no longer slow.
    ///
    /// # Errors
    /// When it was not.
    pub(super) fn quick(&self) -> Result<()> {
        self.0.run(&["tc", "qdisc", "del", "dev", "lo", "root"], "")
    }
}

/// A host of one part.
struct Host {
    name: String,
    address: String,
    holder: Holder,
}

/// The hosts of a deployment's parts, and the one in the middle.
pub(super) struct Namespaces {
    middle: Holder,
    hosts: Vec<Host>,
    wall: Host,
}

impl Namespaces {
    /// Makes a host for each part of a local deployment.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn new() -> Result<Self> {
        let plan = Plan::new(crate::deployment::plan::DEFAULT_PORTS_FROM)
            .map_err(|error| HarnessError(error.to_string()))?;
        let servers = plan.servers.iter().map(|server| server.name);
        let nodes = plan.nodes.iter().map(|node| node.name);
        let names = servers.chain(nodes).chain([haproxy::NAME, postgres::NAME]);
        let middle = Holder::new()?;
        middle.ip("link set lo up\n")?;
        middle.run(&["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"], "")?;
        let mut hosts = Vec::new();
        for (number, name) in (1..).zip(names) {
            hosts.push(host(&middle, number, name)?);
        }
        let wall = host(&middle, 200, "the wall")?;
        Ok(Self {
            middle,
            hosts,
            wall,
        })
    }

    /// What `cargo xtask run --network` reads.
    pub(super) fn network(&self) -> Network {
        let place = |host: &Host| Place {
            address: host.address.clone(),
            namespace: host.holder.path(),
        };
        let places = self.hosts.iter();
        Network(
            places
                .map(|host| (host.name.clone(), place(host)))
                .collect(),
        )
    }

    /// The namespace in the middle, which reaches all hosts. A thread enters it by [`enter`].
    pub(super) fn middle(&self) -> PathBuf {
        self.middle.path()
    }

    fn address(&self, name: &str) -> Result<&str> {
        let host = self.hosts.iter().find(|host| host.name == name);
        host.map(|host| host.address.as_str())
            .ok_or_else(|| HarnessError(format!("no host {name}")))
    }

    /// Packets between two hosts vanish from now on, in both directions.
    ///
    /// # Errors
    /// When there are no such hosts, or the system refuses.
    pub(super) fn cut(&self, a: &str, b: &str) -> Result<()> {
        self.rules("add", a, b)
    }

    /// Packets between two hosts arrive again.
    ///
    /// # Errors
    /// When they were not cut.
    pub(super) fn mend(&self, a: &str, b: &str) -> Result<()> {
        self.rules("del", a, b)
    }

    fn rules(&self, what: &str, a: &str, b: &str) -> Result<()> {
        let (a, b) = (self.address(a)?, self.address(b)?);
        self.middle.ip(&format!(
            "rule {what} from {a} to {b} pref {RULE} blackhole\nrule {what} from {b} to {a} pref {RULE} blackhole\n"
        ))
    }

    /// From now on every port of `at` refuses connections that `from` makes, while `at` lives: what a firewall's REJECT does.
    /// The packets are led to another host that has the same address and no listener.
    ///
    /// # Errors
    /// When there are no such hosts, or the system refuses.
    pub(super) fn refuse(&self, from: &str, at: &str) -> Result<()> {
        let (from, at) = (self.address(from)?, self.address(at)?);
        let wall = &self.wall;
        wall.holder.ip(&format!("addr add {at}/32 dev lo\n"))?;
        self.middle.ip(&format!(
            "route add {at}/32 via {} table {WALL_TABLE}\nrule add from {from} to {at} pref {RULE} lookup {WALL_TABLE}\n",
            wall.address
        ))
    }
}

/// Makes a host with a way to the middle.
fn host(middle: &Holder, number: u8, name: &str) -> Result<Host> {
    let holder = Holder::new()?;
    let net = format!("10.213.{number}");
    middle.ip(&format!(
        "link add way{number} type veth peer name eth0 netns {}\naddr add {net}.1/24 dev way{number}\nlink set way{number} up\n",
        holder.pid()
    ))?;
    holder.ip(&format!(
        "link set lo up\naddr add {net}.2/24 dev eth0\nlink set eth0 up\nroute add default via {net}.1\n"
    ))?;
    Ok(Host {
        name: name.to_owned(),
        address: format!("{net}.2"),
        holder,
    })
}

/// Moves the calling thread into a network namespace; what it starts from then on is there, too.
///
/// # Errors
/// When the system refuses.
pub(super) fn enter(namespace: &std::path::Path) -> Result<()> {
    let file = File::open(namespace)?;
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).map_err(|error| {
        HarnessError(format!(
            "{} cannot be entered: {error}",
            namespace.display()
        ))
    })
}
