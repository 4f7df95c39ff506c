//! Backups restored and moved by the command, restorations that are killed, and a disk that is full.

use super::cluster::cluster;
use super::process::{Place, Server, binary};
use gridhelm_api::group::ServerRole;
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn run(server: &Server, words: &[&str]) -> Output {
    let mut command = binary();
    command.args(words).arg("--config").arg(server.config());
    command.output().unwrap()
}

fn good(server: &Server, words: &[&str]) -> String {
    let output = run(server, words);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{words:?}: {}",
        text(&output)
    );
    text(&output)
}

fn refused(server: &Server, words: &[&str]) -> String {
    let output = run(server, words);
    assert_eq!(
        output.status.code(),
        Some(1),
        "{words:?}: {}",
        text(&output)
    );
    text(&output)
}

fn content_of(server: &Server, name: &str) -> String {
    format!(
        "{}/api/v1/repository/content?author=admin&directory=d&name={name}",
        server.url
    )
}

async fn put(server: &Server, token: &str, name: &str, content: Vec<u8>) -> u16 {
    let request = server.http.put(content_of(server, name)).bearer_auth(token);
    let request = request.header("if-none-match", "*").body(content);
    request.send().await.unwrap().status().as_u16()
}

async fn get(server: &Server, token: &str, name: &str) -> Vec<u8> {
    let request = server.http.get(content_of(server, name)).bearer_auth(token);
    let answer = request.send().await.unwrap();
    assert!(answer.status().is_success(), "{name}: {}", answer.status());
    answer.bytes().await.unwrap().to_vec()
}

fn noise(bytes: usize, mut seed: u32) -> Vec<u8> {
    let next = |_| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        seed.to_le_bytes()[3]
    };
    (0..bytes).map(next).collect()
}

async fn active(server: &mut Server) -> (i64, String) {
    server.start();
    let status = server
        .until("active", |s| s.role == ServerRole::Active)
        .await;
    (status.epoch, server.sign_in().await)
}

/// A stopped group on SQLite with files, and a backup of it that was made while it ran.
async fn backed_up(files: u32) -> (Place, Server, tempfile::TempDir, PathBuf) {
    let place = Place::new();
    let mut server = place.server("east-1");
    let (_, token) = active(&mut server).await;
    for n in 0..files {
        let put = put(&server, &token, &format!("f-{n}"), noise(3 << 20, n)).await;
        assert_eq!(put, 201);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("east.backup");
    let said = good(&server, &["backup", "--to", path.to_str().unwrap()]);
    assert!(
        said.contains("read back") && said.contains("of group east"),
        "{said}"
    );
    server.end(Signal::TERM);
    (place, server, folder, path)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_looked_into_restored_and_the_group_goes_on() {
    let (place, mut server, folder, path) = backed_up(2).await;
    let from = path.to_str().unwrap();
    let looked = binary()
        .args(["restore", "--look", "--from", from])
        .output()
        .unwrap();
    assert_eq!(looked.status.code(), Some(0), "{}", text(&looked));
    assert!(
        text(&looked).contains("2 files") && text(&looked).contains("is whole"),
        "{}",
        text(&looked)
    );
    let said = refused(&server, &["backup", "--to", from]);
    assert!(said.contains("is there already"), "{said}");
    let said = refused(&server, &["restore", "--from", from]);
    assert!(
        said.contains("is not empty") && said.contains("2 files"),
        "{said}"
    );

    let aside = folder.path().join("aside.db");
    std::fs::rename(place.database(), &aside).unwrap();
    let said = good(&server, &["restore", "--from", from]);
    assert!(said.contains("the audit log's chain holds"), "{said}");
    let (epoch, token) = active(&mut server).await;
    assert!(epoch > 1_000_000, "{epoch}");
    assert!(get(&server, &token, "f-1").await == noise(3 << 20, 1));
    let said = refused(&server, &["restore", "--from", from]);
    assert!(said.contains("runs"), "{said}");
    let said = good(&server, &["verify-audit"]);
    assert!(said.contains("the chain holds"), "{said}");
    let journal = server.journal(&token).await;
    assert!(journal.iter().any(|event| event.kind == "group.restore"));
    let said = good(
        &server,
        &[
            "support-bundle",
            "--to",
            folder.path().join("b.tar.zst").to_str().unwrap(),
        ],
    );
    assert!(said.contains("as east-1 gave it"), "{said}");
    server.end(Signal::TERM);
    let said = good(
        &server,
        &[
            "support-bundle",
            "--to",
            folder.path().join("c.tar.zst").to_str().unwrap(),
        ],
    );
    assert!(said.contains("of the database alone"), "{said}");
    std::fs::write(place.database(), "no database").unwrap();
    let none = folder.path().join("d.tar.zst");
    refused(&server, &["support-bundle", "--to", none.to_str().unwrap()]);
    assert!(!none.exists(), "an empty bundle is left behind");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restoration_that_is_killed_leaves_an_empty_group_that_can_be_tried_again() {
    let (_place, _server, _folder, path) = backed_up(4).await;
    for place in [Place::new(), Place::on_postgres()] {
        let mut server = place.server("east-1");
        for pause in [20, 60, 120] {
            let mut child = binary()
                .args(["restore", "--from", path.to_str().unwrap(), "--config"])
                .arg(server.config())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            // Wherever it is then: not begun, half way, or done.
            std::thread::sleep(Duration::from_millis(pause));
            child.kill().unwrap();
            if child.wait().unwrap().success() {
                break;
            }
            assert!(
                !place.database().exists(),
                "nothing is at its place before all of it is"
            );
        }
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let output = run(&server, &["restore", "--from", path.to_str().unwrap()]);
            let said = text(&output);
            if output.status.success() || said.contains("is not empty") {
                break;
            }
            // The database notices the end of a killed process a moment later.
            assert!(said.contains("runs") && Instant::now() < end, "{said}");
        }
        let (_, token) = active(&mut server).await;
        assert!(get(&server, &token, "f-3").await == noise(3 << 20, 3));
        server.end(Signal::TERM);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_moves_to_postgresql_and_back() {
    let (place, mut server, _folder, _path) = backed_up(2).await;
    let before = std::fs::read(place.database()).unwrap();
    let to = cluster().tcp_url(&cluster().new_database());
    server.start();
    server
        .until("active", |s| s.role == ServerRole::Active)
        .await;
    let said = refused(&server, &["migrate", "--to", &to]);
    assert!(said.contains("runs"), "{said}");
    server.end(Signal::TERM);
    let bad = refused(
        &server,
        &["migrate", "--to", "postgresql://nobody@127.0.0.1:1/none"],
    );
    assert!(bad.contains("127.0.0.1:1"), "{bad}");
    let old = std::fs::read(place.database()).unwrap();
    assert!(!before.is_empty());
    let said = good(&server, &["migrate", "--to", &to]);
    assert!(
        said.contains("read back") && said.contains("was not changed"),
        "{said}"
    );
    assert!(
        std::fs::read(place.database()).unwrap() == old,
        "the old database is as it was"
    );

    let text = std::fs::read_to_string(server.config()).unwrap();
    let at = text.find("[database]").unwrap();
    std::fs::write(
        server.config(),
        format!("{}[database]\nurl = \"{to}\"\n", &text[..at]),
    )
    .unwrap();
    let (epoch, token) = active(&mut server).await;
    assert!(epoch > 1_000_000);
    assert!(get(&server, &token, "f-0").await == noise(3 << 20, 0));
    // The way back.
    let back = tempfile::tempdir().unwrap();
    let path = back.path().join("east.backup");
    good(&server, &["backup", "--to", path.to_str().unwrap()]);
    server.end(Signal::TERM);
    let other = Place::new();
    let mut server = other.server("east-1");
    good(&server, &["restore", "--from", path.to_str().unwrap()]);
    let (later, token) = active(&mut server).await;
    assert!(later > epoch + 1_000_000);
    assert!(get(&server, &token, "f-1").await == noise(3 << 20, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_log_is_cut_with_a_signature_and_verifies_from_there() {
    let place = Place::new();
    let mut server = place.server("east-1");
    let (_, _token) = active(&mut server).await;
    let words = [
        "cut-audit",
        "--older-than-days",
        "0",
        "--signed-off-by",
        "ada",
        "--reason",
        "a test",
    ];
    good(&server, &["verify-audit"]);
    // A row of the command's own is older than the next moment.
    let folder = tempfile::tempdir().unwrap();
    for n in 0..2 {
        let path = folder.path().join(n.to_string());
        good(&server, &["backup", "--to", path.to_str().unwrap()]);
    }
    let said = good(&server, &words);
    assert!(
        said.contains("signed off by ada") && said.contains("the chain holds from there"),
        "{said}"
    );
    assert!(good(&server, &["verify-audit"]).contains("the chain holds"));
    let path = folder.path().join("after");
    good(&server, &["backup", "--to", path.to_str().unwrap()]);
    server.end(Signal::TERM);
    let other = Place::new();
    let restored = other.server("east-1");
    let said = good(&restored, &["restore", "--from", path.to_str().unwrap()]);
    assert!(said.contains("the audit log's chain holds"), "{said}");
}

#[test]
fn a_database_that_is_none_or_too_new_is_told_at_the_start() {
    let place = Place::new();
    let server = place.server("east-1");
    std::fs::write(place.database(), noise(8_192, 1)).unwrap();
    let said = refused(&server, &[]);
    assert!(
        said.contains("east.db") && said.contains("restore it from a backup"),
        "{said}"
    );
    std::fs::remove_file(place.database()).unwrap();
    let made = run(&server, &["verify-audit"]);
    assert!(made.status.success(), "{}", text(&made));
    let conn = Command::new("sqlite3")
        .arg(place.database())
        .arg("UPDATE schema_served SET version = 99, oldest_served = 98")
        .status();
    if conn.is_err() {
        eprintln!("skipped: there is no sqlite3 here");
        return;
    }
    let said = refused(&server, &[]);
    assert!(
        said.contains("schema 99") && said.contains("start a newer"),
        "{said}"
    );
}

/// A small disk of the test's own, gone with it.
struct SmallDisk {
    at: PathBuf,
    _folder: tempfile::TempDir,
}

impl SmallDisk {
    fn mount(megabytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("disk");
        std::fs::create_dir(&at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"])
            .arg(&at)
            .stderr(Stdio::null())
            .status();
        let mounted = mounted.is_ok_and(|status| status.success());
        mounted.then_some(Self {
            at,
            _folder: folder,
        })
    }

    /// Fills the disk up to this many bytes; the file that does.
    fn fill(&self, leave: u64) -> PathBuf {
        let path = self.at.join("filler");
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .unwrap();
        let block = vec![7_u8; 16 << 10];
        loop {
            let facts = rustix::fs::statvfs(&self.at).unwrap();
            let free = facts.f_bavail * facts.f_frsize;
            if free <= leave || std::io::Write::write_all(&mut file, &block).is_err() {
                return path;
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}

fn place_database(server: &Server, at: &Path, more: &str) {
    let text = std::fs::read_to_string(server.config()).unwrap();
    let head = &text[..text.find("[database]").unwrap()];
    let path = at.join("east.db");
    std::fs::write(
        server.config(),
        format!("{head}[database]\npath = \"{}\"\n{more}", path.display()),
    )
    .unwrap();
}

async fn until(what: &str, mut is: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !is().await {
        assert!(Instant::now() < end, "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn low_disk_refuses_new_files_and_takes_them_again() {
    let Some(disk) = SmallDisk::mount(64) else {
        eprintln!("skipped: no tmpfs can be mounted here (that needs root)");
        return;
    };
    let place = Place::new();
    let mut server = place.server("east-1");
    place_database(
        &server,
        &disk.at,
        "[disk]\nrefuse_below_mib = 16\nrefuse_below_percent = 50\n",
    );
    let (_, token) = active(&mut server).await;
    assert_eq!(put(&server, &token, "before", noise(1 << 20, 1)).await, 201);
    let there = disk.at.join("east.backup");
    let said = refused(&server, &["backup", "--to", there.to_str().unwrap()]);
    assert!(said.contains("less than 256 MiB free"), "{said}");
    let filler = disk.fill(8 << 20);
    let mut n = 0;
    let mut outcome = async || {
        n += 1;
        put(&server, &token, &format!("x-{n}"), b"x".to_vec()).await
    };
    until("a refusal", async || outcome().await == 507).await;
    // A little more room is not enough, so that it does not flap; much is.
    std::fs::remove_file(filler).unwrap();
    until("room", async || outcome().await == 201).await;
    assert!(get(&server, &token, "before").await == noise(1 << 20, 1));
    let kinds: Vec<String> = server
        .journal(&token)
        .await
        .into_iter()
        .map(|event| event.kind)
        .collect();
    assert!(
        kinds.contains(&"disk.low".to_owned()) && kinds.contains(&"disk.room".to_owned()),
        "{kinds:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let Some(disk) = SmallDisk::mount(48) else {
        eprintln!("skipped: no tmpfs can be mounted here (that needs root)");
        return;
    };
    let place = Place::new();
    let mut server = place.server("east-1");
    // Nothing is refused ahead, so that the disk fills under the database.
    place_database(&server, &disk.at, "[disk]\nrefuse_below_mib = 0\n");
    let (_, token) = active(&mut server).await;
    let mut acknowledged = Vec::new();
    let filler = disk.fill(6 << 20);
    for n in 0..40 {
        let status = put(&server, &token, &format!("f-{n}"), noise(512 << 10, n)).await;
        match status {
            201 => acknowledged.push(n),
            status => assert!(status == 503, "{status}"),
        }
    }
    assert!(acknowledged.len() < 40, "the disk was filled");
    disk.fill(0);
    assert_ne!(
        put(&server, &token, "one-more", noise(512 << 10, 99)).await,
        201
    );
    for n in &acknowledged {
        assert!(
            get(&server, &token, &format!("f-{n}")).await == noise(512 << 10, *n),
            "while it is full"
        );
    }
    std::fs::remove_file(filler).unwrap();
    until("a write", async || {
        put(&server, &token, "after", b"after".to_vec()).await == 201
    })
    .await;
    server.end(Signal::KILL);
    let (_, token) = active(&mut server).await;
    for n in acknowledged {
        assert!(get(&server, &token, &format!("f-{n}")).await == noise(512 << 10, n));
    }
    assert_eq!(get(&server, &token, "after").await, b"after");
    server.end(Signal::TERM);
    assert!(good(&server, &["verify-audit"]).contains("the chain holds"));
}
