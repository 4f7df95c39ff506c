//! `cargo xtask run`: set up, build, start, wait, stop.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::child::Children;
use super::folder::Folder;
use super::guard::Guard;
use super::network::Network;
use super::node;
use super::patroni;
use super::plan::{Database, HOST, Plan};
use super::start::Start;
use super::sweep::Sweep;
use super::tls::Tls;
use crate::build;
use crate::error::Error;
use crate::process::TICK;
use crate::processes::listens;
use crate::say;
use crate::set_up::{self, Need};
use crate::stop::Stop;
use crate::workspace::Workspace;

/// How long servers and the load balancer have to end in order, then R and the rest.
const GRACE_SERVERS: Duration = Duration::from_secs(3);
const GRACE_REST: Duration = Duration::from_millis(1500);
/// How long a database that fails over has: its leader ends when its followers have all that it wrote.
const GRACE_CLUSTER: Duration = Duration::from_secs(8);
/// How often the running deployment is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// What the command line says.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where data is kept; `target/deployment` of the checkout when absent.
    pub dir: Option<PathBuf>,
    /// The first port.
    pub ports_from: u16,
    /// Which database the groups have.
    pub database: Database,
    /// Whether servers and load balancer speak HTTPS, by certificates made for this start.
    pub tls: bool,
    /// A file that names the hosts of the parts; all on the loopback when absent.
    pub network: Option<PathBuf>,
    /// A file to write when all is ready.
    pub ready_file: Option<PathBuf>,
    /// Take the server and the console as they were built before.
    pub no_build: bool,
    /// Another server program than the built one; nothing is built then.
    pub server: Option<PathBuf>,
    /// Where the servers look for orders to stop before a commit; for drills.
    pub failpoints: Option<PathBuf>,
}

/// Runs a deployment until a signal comes. A signal is an orderly end, not an error.
pub fn run(options: &Options) -> Result<(), Error> {
    let stop = Stop::listen()?;
    let workspace = Workspace::find()?;
    let network = options.network.as_deref().map(Network::read).transpose()?;
    let plan = Plan::new(options.ports_from)?
        .on(options.database)
        .secured(options.tls)
        .across(network.unwrap_or_default());
    match deploy(options, &workspace, &plan, &stop) {
        Err(Error::Stopped) => Ok(()),
        other => other,
    }
}

fn deploy(options: &Options, workspace: &Workspace, plan: &Plan, stop: &Stop) -> Result<(), Error> {
    let ready_file = options.ready_file.as_deref().map(absolute).transpose()?;
    let dir = options
        .dir
        .clone()
        .unwrap_or_else(|| workspace.own_target().join("deployment"));
    let folder = Folder::open(&dir, node::user().is_some(), stop)?;
    folder.claim_ports(plan)?;
    let sweep = Sweep::new(&folder, ready_file.as_deref());
    // What a run before left, if both it and its guard were killed.
    sweep.end(&[], GRACE_REST);
    if let Some(file) = &ready_file {
        // An old one would say that all is ready.
        let _ = std::fs::remove_file(file);
    }
    ports_are_free(plan)?;
    let server = prepare_programs(options, workspace, stop)?;
    let begun = Instant::now();
    ports_are_free(plan)?;
    let guard = Guard::start(&folder, &sweep)?;
    let mut children = Children::default();
    let dist = workspace.dist();
    let samples = workspace.root.join("deploy/examples/scripts");
    let tls = plan.tls.then(|| Tls::make(&folder, plan)).transpose()?;
    let start = Start {
        folder: &folder,
        plan,
        server: &server,
        console: dist.join("index.html").is_file().then_some(dist.as_path()),
        samples: &samples,
        failpoints: options.failpoints.as_deref(),
        tls: tls.as_ref(),
        stop,
    };
    let outcome = start.run(&mut children).and_then(|ready| {
        if let Some(file) = &ready_file {
            ready.write(file)?;
        }
        say::progress(
            "ready",
            format_args!("in {}", say::seconds(begun.elapsed())),
        );
        ready.print(folder.root());
        attend(&mut children, stop);
        Ok(())
    });
    end(&mut children, &sweep, guard, plan, stop);
    outcome
}

/// Finds or builds the server, and the console beside it.
fn prepare_programs(
    options: &Options,
    workspace: &Workspace,
    stop: &Stop,
) -> Result<PathBuf, Error> {
    if options.no_build || options.server.is_some() {
        set_up::set_up_to_start(workspace, options.database, stop)?;
        return options
            .server
            .clone()
            .map_or_else(|| build::server_program(workspace), Ok);
    }
    let tools = set_up::set_up(workspace, Need::Run, stop)?;
    if options.database != Database::Sqlite {
        set_up::set_up_to_start(workspace, options.database, stop)?;
    }
    let server = build::server(workspace, stop)?;
    build::console(workspace, &tools, stop)?;
    Ok(server)
}

/// Reports what ends on its own, until a signal comes. Nothing is started again: drills end things on purpose.
fn attend(children: &mut Children, stop: &Stop) {
    while !stop.asked() {
        for (name, how) in children.collect() {
            say::progress(
                "note",
                format_args!("{name} {how}; see its log, and its `start` script to start it again"),
            );
        }
        std::thread::sleep(LOOK);
    }
}

fn end(children: &mut Children, sweep: &Sweep, guard: Guard, plan: &Plan, stop: &Stop) {
    say::progress("stopping", "everything");
    let begun = Instant::now();
    let grace = |duration: Duration| {
        if stop.hasty() {
            Duration::ZERO
        } else {
            duration
        }
    };
    // Servers first: they close their R sessions in order. Then their database, which nobody uses any more.
    let is_node = |name: &str| plan.nodes.iter().any(|node| node.name == name);
    children.end(grace(GRACE_SERVERS), stop, |name| {
        !is_node(name) && !plan.is_database(name)
    });
    let patience = if plan.patroni.is_some() {
        GRACE_CLUSTER
    } else {
        GRACE_REST
    };
    children.end(grace(patience), stop, |name| {
        plan.is_database(name) && name != patroni::ETCD
    });
    // Then all others: R, its sessions, and whatever was started again by hand.
    let left = sweep.end(&[guard.pid()], grace(GRACE_REST));
    children.collect();
    sweep.tidy();
    guard.dismiss();
    for process in left {
        say::progress(
            "warning",
            format_args!("process {} could not be ended", process.pid),
        );
    }
    say::progress(
        "stopped",
        format_args!("in {}", say::seconds(begun.elapsed())),
    );
}

/// All ports are free; the error names the first that is not. Looks for listeners, then tries, for what `/proc` does not show.
fn ports_are_free(plan: &Plan) -> Result<(), Error> {
    for (port, role) in plan.ports() {
        let free = || !listens(port) && TcpListener::bind((HOST, port)).is_ok();
        // A listener that has just ended may hold its port for a blink.
        let until = Instant::now() + Duration::from_millis(500);
        while !free() {
            if Instant::now() > until {
                return Err(Error::PortInUse {
                    port,
                    role,
                    ports_from: plan.ports_from,
                });
            }
            std::thread::sleep(TICK);
        }
    }
    Ok(())
}

fn absolute(path: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(path).map_err(Error::file("find", path))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_port_in_use_is_named_with_the_way_out() {
        // A base from which nothing else of the plan matters: the balancer's port is looked at first.
        let listener = (20_000..40_000)
            .find_map(|port| TcpListener::bind((HOST, port)).ok())
            .unwrap();
        let port = listener.local_addr().unwrap().port();
        let text = ports_are_free(&Plan::new(port).unwrap())
            .unwrap_err()
            .to_string();
        assert!(
            text.contains(&port.to_string())
                && text.contains("--ports-from")
                && text.contains("load balancer"),
            "{text}"
        );
    }
}
