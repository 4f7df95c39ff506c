//! R packages: listed, installed from a repository on disk, and what scripts need of them.

use crate::node::RNode;
use crate::rig::{Rig, database, submission};
use gridhelm_api::packages::{NodePackages, PackageInstall, node_label};
use gridhelm_api::task::{Task, TaskState};
use gridhelm_server::grid::GridOptions;
use gridhelm_server::store::Notes;
use gridhelm_server::tasks::TaskError;
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Puts a source package into the repository of a node's folder, in place of other versions of it.
fn offer(folder: &Path, name: &str, version: &str, code: &str) {
    let contrib = folder.join("repo/src/contrib");
    let source = folder.join("source").join(name);
    fs::create_dir_all(&contrib).unwrap();
    fs::create_dir_all(source.join("R")).unwrap();
    let about = format!(
        "Package: {name}\nVersion: {version}\nTitle: For a Test\nDescription: Tests.\nAuthor: Nobody\n\
         Maintainer: Nobody <nobody@example.org>\nLicense: MIT\nNeedsCompilation: no\n"
    );
    fs::write(source.join("DESCRIPTION"), about).unwrap();
    fs::write(source.join("NAMESPACE"), "export(answer)\n").unwrap();
    fs::write(source.join("R/answer.R"), code).unwrap();
    let packed = contrib.join(format!("{name}_{version}.tar.gz"));
    let tar = Command::new("tar")
        .arg("-czf")
        .arg(&packed)
        .arg("-C")
        .args([folder.join("source").as_path(), Path::new(name)])
        .status();
    assert!(tar.unwrap().success());
    let index = contrib.join("PACKAGES");
    let before = fs::read_to_string(&index).unwrap_or_default();
    let head = format!("Package: {name}\n");
    let others = before
        .split("\n\n")
        .filter(|e| !e.is_empty() && !e.starts_with(&head));
    let own = format!("{head}Version: {version}\nNeedsCompilation: no");
    let all: Vec<&str> = others.chain([own.as_str()]).collect();
    fs::write(&index, all.join("\n\n") + "\n\n").unwrap();
}

const ANSWER: &str = "answer <- function() 42\n";

/// A node with a repository, and a library that its user can write.
async fn equipped(name: &str) -> RNode {
    RNode::start_with(name, |folder| {
        offer(folder, "alpha", "1.0", ANSWER);
        fs::create_dir(folder.join("library")).unwrap();
        let open = fs::Permissions::from_mode(0o777);
        fs::set_permissions(folder.join("library"), open).unwrap();
        let place = folder.display();
        let site = format!(
            ".libPaths(\"{place}/library\")\noptions(repos = c(LOCAL = \"file://{place}/repo\"))\n"
        );
        fs::write(folder.join("site.R"), site).unwrap();
        fs::write(folder.join("more.conf"), format!("source {place}/site.R\n")).unwrap();
        None
    })
    .await
}

fn order(names: &[&str]) -> PackageInstall {
    PackageInstall {
        names: names.iter().map(|n| (*n).to_owned()).collect(),
        outdated: names.is_empty(),
        reason: "a test".to_owned(),
        timeout_s: 60,
    }
}

/// Waits until what is known of a node's packages is as wanted.
async fn until_listed(
    rig: &Rig,
    node: &str,
    holds: impl Fn(&NodePackages) -> bool,
) -> NodePackages {
    let began = Instant::now();
    loop {
        let packages = rig.grid.packages(node).unwrap();
        if packages.read_at.is_some() && holds(&packages) {
            return packages;
        }
        assert!(
            began.elapsed() < Duration::from_secs(40),
            "{:?} {:?}",
            packages.fault,
            packages.libraries
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn version(packages: &NodePackages, name: &str) -> Option<String> {
    let found = packages.packages.iter().find(|p| p.name == name);
    found.map(|p| p.version.clone())
}

async fn install(rig: &Rig, node: &str, names: &[&str]) -> Task {
    let made = rig
        .tasks
        .install(node, &order(names), "ana", Notes::default())
        .await;
    let id = made.unwrap().id;
    let began = Instant::now();
    loop {
        let task = rig.tasks.task(&id).await.unwrap().unwrap();
        if task.state.is_final() {
            return task;
        }
        assert!(began.elapsed() < Duration::from_mins(1), "{task:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_are_listed_installed_and_updated() {
    let node = equipped("r01").await;
    let (_dir, path) = database();
    let rig = Rig::with_nodes(&path, "east-1", GridOptions::default(), &[(&node, 2)]).await;
    let first = until_listed(&rig, "r01", |_| true).await;
    assert!(
        first
            .packages
            .iter()
            .any(|p| p.name == "stats" && p.is_base())
    );
    assert_eq!(version(&first, "alpha"), None);
    assert!(first.libraries[0].writable && !first.libraries.last().unwrap().writable);
    assert!(
        first.repositories[0].starts_with("file://"),
        "{:?}",
        first.repositories
    );

    let task = install(&rig, "r01", &["alpha"]).await;
    let console = rig.console(&task.id).await;
    assert_eq!(task.state, TaskState::Succeeded, "{task:?}\n{console}");
    let came = json!([{ "package": "alpha", "from": null, "to": "1.0" }]);
    assert_eq!(task.value, Some(came), "{console}");
    assert_eq!(task.attempts[0].node, "r01");
    assert!(
        console.contains("* DONE (alpha)"),
        "what the child R prints: {console}"
    );
    assert!(console.contains("alpha: not installed -> 1.0"), "{console}");
    until_listed(&rig, "r01", |p| {
        version(p, "alpha").as_deref() == Some("1.0")
    })
    .await;
    assert_eq!(rig.run("alpha::answer()").await.value, Some(json!(42)));
    let again = install(&rig, "r01", &["alpha"]).await;
    assert_eq!(again.value, Some(json!([])), "{again:?}");

    offer(node.folder(), "alpha", "1.10", "answer <- function() 43\n");
    let update = install(&rig, "r01", &[]).await;
    let console = rig.console(&update.id).await;
    assert_eq!(
        update.value,
        Some(json!([{ "package": "alpha", "from": "1.0", "to": "1.10" }])),
        "{console}"
    );
    until_listed(&rig, "r01", |p| {
        version(p, "alpha").as_deref() == Some("1.10")
    })
    .await;
    assert_eq!(rig.run("alpha::answer()").await.value, Some(json!(43)));

    // What somebody does by other means is seen with the next probe.
    let folder = node.folder().join("library/alpha");
    assert!(fs::remove_dir_all(&folder).is_ok() || !folder.exists());
    rig.grid.probe_now("r01");
    until_listed(&rig, "r01", |p| version(p, "alpha").is_none()).await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn output_comes_while_it_installs_and_only_one_installs_on_a_node() {
    let node = equipped("r01").await;
    let (_dir, path) = database();
    let rig = Rig::with_nodes(&path, "east-1", GridOptions::default(), &[(&node, 2)]).await;
    let slow = format!("Sys.sleep(2)\n{ANSWER}");
    offer(node.folder(), "slow", "1.0", &slow);
    let made = rig
        .tasks
        .install("r01", &order(&["slow"]), "ana", Notes::default())
        .await
        .unwrap();
    let began = Instant::now();
    while !rig
        .console(&made.id)
        .await
        .contains("installing *source* package")
    {
        assert!(began.elapsed() < Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let task = rig.tasks.task(&made.id).await.unwrap().unwrap();
    assert_eq!(
        task.state,
        TaskState::Running,
        "the output came before the end"
    );
    assert_eq!(rig.tasks.installs().get("r01"), Some(&made.id));
    let second = rig
        .tasks
        .install("r01", &order(&["alpha"]), "ana", Notes::default())
        .await;
    assert!(
        matches!(&second, Err(TaskError::Conflict(why)) if why.contains(&made.id)),
        "{second:?}"
    );
    rig.until_task(&made.id, TaskState::Succeeded).await;
    assert!(rig.tasks.installs().is_empty());
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_installation_ends_whole_and_the_next_says_what_it_left() {
    let node = equipped("r01").await;
    let (_dir, path) = database();
    let rig = Rig::with_nodes(&path, "east-1", GridOptions::default(), &[(&node, 2)]).await;
    let mark = node.folder().join("work/child");
    let slow = format!(
        "writeLines(format(Sys.getpid()), \"{}\")\nSys.sleep(600)\n{ANSWER}",
        mark.display()
    );
    offer(node.folder(), "slow", "1.0", &slow);
    let made = rig
        .tasks
        .install("r01", &order(&["slow"]), "ana", Notes::default())
        .await
        .unwrap();
    let began = Instant::now();
    let child: i64 = loop {
        let text = fs::read_to_string(&mark).unwrap_or_default();
        if let Ok(pid) = text.trim().parse() {
            break pid;
        }
        assert!(began.elapsed() < Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(crate::node::runs(child));
    rig.tasks
        .cancel(&made.id, "ana", Notes::default())
        .await
        .unwrap();
    rig.until_task(&made.id, TaskState::Cancelled).await;
    while crate::node::runs(child) {
        assert!(
            began.elapsed() < Duration::from_mins(1),
            "the child R lives on"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let next = install(&rig, "r01", &["alpha"]).await;
    let why = next.failure.unwrap().message;
    assert!(
        why.contains("00LOCK-slow") && why.contains("unlink("),
        "{why}"
    );
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_installed_says_why() {
    let (node, bare) = (equipped("r01").await, RNode::start("bare").await);
    offer(node.folder(), "broken", "1.0", "answer <- function( {\n");
    let (_dir, path) = database();
    let nodes = [(&node, 2), (&bare, 1)];
    let rig = Rig::with_nodes(&path, "east-1", GridOptions::default(), &nodes).await;

    let unknown = install(&rig, "r01", &["alpha", "nowhere"]).await;
    let why = unknown.failure.unwrap().message;
    assert!(
        why.contains("not in the repositories") && why.ends_with("nowhere"),
        "{why}"
    );

    let broken = install(&rig, "r01", &["broken"]).await;
    let why = broken.failure.unwrap().message;
    assert!(
        why.contains("not installed: broken 1.0") && why.contains("ERROR"),
        "R's last lines are told: {why}"
    );

    let refused = rig
        .tasks
        .install("bare", &order(&["alpha"]), "ana", Notes::default())
        .await;
    let Err(TaskError::Conflict(why)) = refused else {
        panic!("{refused:?}")
    };
    assert!(
        why.contains("no repository is set on bare") && why.contains("options(repos"),
        "{why}"
    );

    let library = node.folder().join("library");
    fs::set_permissions(&library, fs::Permissions::from_mode(0o555)).unwrap();
    let refused = rig
        .tasks
        .install("r01", &order(&["alpha"]), "ana", Notes::default())
        .await;
    let Err(TaskError::Conflict(why)) = refused else {
        panic!("{refused:?}")
    };
    assert!(
        why.contains("can write none of its libraries")
            && why.contains("/library")
            && why.contains("R_LIBS_USER"),
        "{why}"
    );
    fs::set_permissions(&library, fs::Permissions::from_mode(0o777)).unwrap();
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_goes_where_its_packages_are_or_is_refused() {
    let (node, bare) = (equipped("r01").await, RNode::start("bare").await);
    let (_dir, path) = database();
    let nodes = [(&node, 1), (&bare, 3)];
    let rig = Rig::with_nodes(&path, "east-1", GridOptions::default(), &nodes).await;
    for name in ["r01", "bare"] {
        until_listed(&rig, name, |_| true).await;
    }
    let refused = rig
        .tasks
        .submit(submission("library(alpha)", true, |_| {}))
        .await;
    let Err(TaskError::PackagesMissing(answer)) = &refused else {
        panic!("{refused:?}")
    };
    assert_eq!(answer.lacked[0].name, "alpha");
    assert_eq!(answer.lacked[0].nodes, ["bare", "r01"]);
    let all_the_same = rig
        .run_with("library(alpha)", |r| r.ignore_packages = true)
        .await;
    let why = all_the_same.failure.unwrap().message;
    assert!(why.contains("alpha"), "R says it: {why}");
    let asks = rig
        .run("if (requireNamespace('alpha', quietly = TRUE)) 1 else 2")
        .await;
    assert_eq!(
        asks.value,
        Some(json!(2)),
        "what is only asked for is not needed"
    );

    let installed = install(&rig, "r01", &["alpha"]).await;
    assert_eq!(installed.state, TaskState::Succeeded, "{installed:?}");
    until_listed(&rig, "r01", |p| version(p, "alpha").is_some()).await;
    // More tasks than the node with the package has slots: they wait for it.
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(rig.submit("alpha::answer()", |_| {}).await);
    }
    for id in ids {
        let task = rig.until_task(&id, TaskState::Succeeded).await;
        assert_eq!(task.attempts[0].node, "r01");
    }
    let pinned = rig
        .submit("1", |r| r.label = Some(node_label("bare")))
        .await;
    let pinned = rig.until_task(&pinned, TaskState::Succeeded).await;
    assert_eq!(pinned.attempts[0].node, "bare");
    let there = submission("alpha::answer()", true, |r| {
        r.label = Some(node_label("bare"));
    });
    let refused = rig.tasks.submit(there).await;
    assert!(
        matches!(&refused, Err(TaskError::PackagesMissing(a)) if a.lacked[0].nodes == ["bare"]),
        "{refused:?}"
    );

    let rows = rig.grid.all_packages().await.packages;
    let alpha = rows.iter().find(|row| row.name == "alpha").unwrap();
    assert_eq!((alpha.on("r01"), alpha.on("bare")), (Some("1.0"), None));
    let stats = rows.iter().find(|row| row.name == "stats").unwrap();
    assert!(stats.base && !stats.differs());
    rig.stop().await;
}
