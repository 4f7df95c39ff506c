//! `cargo xtask run` leaves no process, port, lock or work folder behind, however it ends. Real R nodes and a real load balancer;
//! in place of the server a program that ends at once, or one that never answers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use xtask::deployment::MARK;
use xtask::deployment::plan::{Database, Plan};
use xtask::processes::{self, listens};

/// A deployment's folder and ports of its own.
struct Scene {
    dir: tempfile::TempDir,
    plan: Plan,
}

impl Scene {
    fn new(offset: u16) -> Self {
        // Below the ports that the kernel gives to outgoing connections, from 32768 on.
        let from =
            20_000 + (u16::try_from(std::process::id() % 300).unwrap() * 4 + offset) % 1_200 * 10;
        let plan = (0..40)
            .map(|step| Plan::new(from + step * 25).unwrap())
            .find(|plan| plan.ports().iter().all(|(port, _)| !listens(*port)));
        Self {
            dir: tempfile::tempdir().unwrap(),
            plan: plan.expect("free ports"),
        }
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn command(&self, server: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args([
            "run",
            "--ports-from",
            &self.plan.ports_from.to_string(),
            "--dir",
        ]);
        command.arg(self.data()).arg("--server").arg(server);
        command
            .arg("--ready-file")
            .arg(self.dir.path().join("ready.json"));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// A server that starts and never answers.
    fn silent_server(&self) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.dir.path().join("silent");
        std::fs::write(&path, "#!/bin/sh\nexec sleep 600\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn start_silent(&self) -> Running {
        let child = Running(Some(self.command(&self.silent_server()).spawn().unwrap()));
        wait("the nodes listen", || {
            self.plan.nodes.iter().all(|node| listens(node.port))
        });
        wait("the load balancer listens", || {
            listens(self.plan.ports_from)
        });
        child
    }

    fn living(&self) -> Vec<u32> {
        let data = self.data().canonicalize().unwrap_or_else(|_| self.data());
        let mark = format!("{MARK}={}", data.display());
        let mut all = processes::all();
        all.retain(|process| process.lives() && process.marked(&mark));
        all.iter().map(|process| process.pid).collect()
    }

    /// Where the nodes' folders are, as their environment tells.
    fn node_folder(&self) -> PathBuf {
        let node = self.living().into_iter().find_map(|pid| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
            let home = environment.split(|byte| *byte == 0).find_map(|variable| {
                std::str::from_utf8(variable)
                    .ok()?
                    .strip_prefix("HOME=")
                    .filter(|home| home.ends_with("/work"))
            })?;
            Some(PathBuf::from(home).parent()?.to_path_buf())
        });
        node.expect("a node's process")
    }

    fn assert_clean(&self) {
        assert_eq!(self.living(), Vec::<u32>::new(), "processes are left");
        for (port, role) in self.plan.ports() {
            assert!(!listens(port), "port {port} ({role}) is left");
        }
        let lock = std::fs::File::open(self.data().join("lock")).unwrap();
        assert!(lock.try_lock().is_ok(), "the lock is left");
        assert!(
            !self.dir.path().join("ready.json").exists(),
            "the ready file is left"
        );
        assert!(
            !self.data().join("haproxy/admin.sock").exists(),
            "a socket is left"
        );
        assert!(self.data().join("admin-password").exists(), "data stays");
    }
}

fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_mins(1);
    while !done() {
        assert!(Instant::now() < until, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A run that is stopped when its test fails.
struct Running(Option<Child>);

impl Running {
    fn child(&self) -> &Child {
        self.0.as_ref().unwrap()
    }

    fn send(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(self.child()), signal).unwrap();
    }

    fn end(mut self) -> Output {
        self.0.take().unwrap().wait_with_output().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = rustix::process::kill_process(Pid::from_child(&child), Signal::TERM);
            let _ = child.wait();
        }
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_failed_start_tells_why_and_leaves_nothing() {
    let scene = Scene::new(0);
    let output = scene.command(Path::new("/bin/false")).output().unwrap();
    assert!(!output.status.success());
    let text = said(&output);
    // All three end at once; the first that is seen is named.
    let named = ["east-1", "east-2", "west-1"]
        .iter()
        .any(|name| text.contains(&format!("{name} ended while starting")));
    assert!(named, "{text}");
    scene.assert_clean();
}

#[test]
fn sigterm_while_starting_leaves_nothing() {
    let scene = Scene::new(240);
    let child = scene.start_silent();
    let folder = scene.node_folder();
    child.send(Signal::TERM);
    let output = child.end();
    assert!(output.status.success(), "{}", said(&output));
    scene.assert_clean();
    assert!(!folder.join("work").exists(), "work folders are left");
}

/// Whether Rserve lets in: its greeting, then `CMD_login` with "user\npassword" as one text (QAP1, Rsrv.h).
fn signs_in(port: u16, password: &str) -> bool {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let mut greeting = [0; 32];
    stream.read_exact(&mut greeting).unwrap();
    let mut text = format!("{}\n{password}\0", xtask::deployment::node::USER).into_bytes();
    text.resize(text.len().next_multiple_of(4), 0);
    let length = u32::try_from(text.len()).unwrap();
    let mut message = Vec::new();
    for word in [1, length + 4, 0, 0, length << 8 | 4] {
        message.extend_from_slice(&word.to_le_bytes());
    }
    message.extend_from_slice(&text);
    stream.write_all(&message).unwrap();
    let mut answer = [0; 16];
    // A refusal may come as an error or as the end.
    stream.read_exact(&mut answer).is_ok() && answer[..4] == [0x01, 0, 0x01, 0]
}

#[test]
fn nodes_let_in_who_knows_the_password_and_nobody_else() {
    let scene = Scene::new(600);
    let child = scene.start_silent();
    let folder = scene.node_folder();
    let passwords = std::fs::read_to_string(folder.join("passwords")).unwrap();
    let password = passwords.trim().split_once(' ').unwrap().1;
    let name = folder.file_name().unwrap();
    let node = scene.plan.nodes.iter().find(|node| node.name == name);
    let port = node.unwrap().port;
    assert!(signs_in(port, password), "the right password is refused");
    // Rserve 1.8-11 alone lets "*0" in.
    for wrong in ["", "*0", "*1", "x", &format!("{password}x")] {
        assert!(!signs_in(port, wrong), "{wrong:?} is let in");
    }
    child.send(Signal::TERM);
    assert!(child.end().status.success());
    scene.assert_clean();
}

#[test]
fn a_killed_run_is_cleaned_up_by_its_guard_and_the_folder_can_be_used_again() {
    let scene = Scene::new(480);
    let child = scene.start_silent();
    let folder = scene.node_folder();
    // What a drill does: a process started again by hand, tied to nobody.
    let before = scene.living();
    let mut again = Command::new(scene.data().join("servers/west-1/start"))
        .spawn()
        .unwrap();
    wait("it lives", || scene.living().len() > before.len());

    child.send(Signal::KILL);
    child.end();
    wait("the guard cleans up", || {
        let _ = again.try_wait();
        scene.living().is_empty()
    });
    again.wait().unwrap();
    wait("the lock is free", || {
        std::fs::File::open(scene.data().join("lock")).is_ok_and(|lock| lock.try_lock().is_ok())
    });
    scene.assert_clean();
    assert!(!folder.join("work").exists(), "work folders are left");

    let next = scene.start_silent();
    next.send(Signal::INT);
    assert!(next.end().status.success());
    scene.assert_clean();
}

/// The same with a database beside it: killed, and started again on the same folder and stopped in order.
fn ends_with_its_database(mut scene: Scene, database: Database) {
    use std::os::unix::fs::PermissionsExt as _;
    scene.plan = scene.plan.on(database);
    // Its user must be able to reach its data.
    std::fs::set_permissions(scene.dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    for signal in [Signal::KILL, Signal::TERM] {
        let mut command = scene.command(&scene.silent_server());
        let child = Running(Some(
            command
                .args(["--database", database.word()])
                .spawn()
                .unwrap(),
        ));
        wait("the databases are there", || {
            scene.data().join("servers/west-1/start").exists()
        });
        for (port, role) in scene.plan.ports() {
            assert!(!role.contains("PostgreSQL") || listens(port), "{role}");
        }
        child.send(signal);
        child.end();
        let data = scene.data().canonicalize().unwrap();
        wait("PostgreSQL has ended", || {
            let in_data = |process: &processes::Process| {
                let cwd = std::fs::read_link(format!("/proc/{}/cwd", process.pid));
                process.lives()
                    && cwd.is_ok_and(|cwd| cwd.starts_with(&data) && cwd.ends_with("data"))
            };
            !processes::all().iter().any(in_data)
        });
        wait("the lock is free", || {
            std::fs::File::open(scene.data().join("lock")).is_ok_and(|lock| lock.try_lock().is_ok())
        });
        scene.assert_clean();
        std::fs::remove_dir_all(scene.data().join("servers")).unwrap();
    }
}

#[test]
fn postgresql_ends_with_everything_else() {
    ends_with_its_database(Scene::new(960), Database::Postgres);
}

#[test]
fn a_database_that_fails_over_ends_with_everything_else() {
    ends_with_its_database(Scene::new(1_080), Database::Patroni);
}

#[test]
fn a_second_run_on_the_folder_is_refused_and_harms_nothing() {
    let scene = Scene::new(720);
    let first = scene.start_silent();
    let before = scene.living();
    let second = scene.command(Path::new("/bin/false")).output().unwrap();
    let text = said(&second);
    assert!(
        !second.status.success()
            && text.contains(&format!("pid {}", first.child().id()))
            && text.contains("--dir"),
        "{text}"
    );
    assert_eq!(scene.living(), before, "the first run's processes live");
    first.send(Signal::TERM);
    first.end();
    scene.assert_clean();
}
