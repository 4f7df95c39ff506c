//! What a new group gets: its nodes and the sample scripts of `deploy/examples/scripts/`.
//!
//! Done once a group; a mark beside the database says so, so that what an operator removes stays removed.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::http::{Client, escaped};
use super::node::USER;
use super::plan::{Node, SLOT_LIMIT};
use crate::error::Error;
use crate::process::TICK;
use crate::say;
use crate::stop::Stop;

/// The admin that the first start makes.
pub const ADMIN: &str = "admin";
/// How long a registered node may take to be seen healthy.
const HEALTH_PATIENCE: Duration = Duration::from_secs(15);

/// A sample script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Its directory in the repository.
    pub directory: String,
    /// Its file name.
    pub name: String,
    /// Where it lies here.
    pub path: PathBuf,
}

/// The samples of a group: those for all, replaced and joined by its own.
pub fn samples(root: &Path, group: &str) -> Result<Vec<Sample>, Error> {
    let mut found: Vec<Sample> = Vec::new();
    for part in ["all", group] {
        let folder = root.join(part);
        for directory in entries(&folder)?.into_iter().filter(|path| path.is_dir()) {
            for path in entries(&directory)?
                .into_iter()
                .filter(|path| path.is_file())
            {
                let text = |path: &Path| {
                    path.file_name()
                        .map(|name| name.to_string_lossy().into_owned())
                        .unwrap_or_default()
                };
                let sample = Sample {
                    directory: text(&directory),
                    name: text(&path),
                    path,
                };
                found.retain(|seen| {
                    (&seen.directory, &seen.name) != (&sample.directory, &sample.name)
                });
                found.push(sample);
            }
        }
    }
    Ok(found)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(folder).map_err(Error::file("read", folder))?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

#[derive(Deserialize)]
struct Page<T> {
    items: Vec<T>,
}

#[derive(Deserialize)]
struct NodeSeen {
    name: String,
    #[serde(default)]
    health: String,
}

/// One group's seeding.
#[derive(Debug)]
pub struct Seed<'a> {
    /// The group.
    pub group: &'a str,
    /// Its nodes.
    pub nodes: Vec<&'a Node>,
    /// The samples' folder.
    pub samples: &'a Path,
    /// The mark that it was done.
    pub mark: PathBuf,
}

impl Seed<'_> {
    /// Registers the nodes and stores the samples that are missing, then waits until the nodes are healthy. Nothing when done before.
    pub fn run(&self, client: &Client, node_password: &str, stop: &Stop) -> Result<(), Error> {
        if self.mark.exists() {
            return Ok(());
        }
        self.register(client, node_password)?;
        let samples = samples(self.samples, self.group)?;
        for sample in &samples {
            stop.check()?;
            store(client, sample)?;
        }
        self.await_health(client, stop)?;
        say::progress(
            "seeded",
            format_args!(
                "{}: {} nodes, {} scripts",
                self.group,
                self.nodes.len(),
                samples.len()
            ),
        );
        std::fs::write(&self.mark, "").map_err(Error::file("write", &self.mark))
    }

    fn register(&self, client: &Client, password: &str) -> Result<(), Error> {
        let known: Page<NodeSeen> = client.get("/api/v1/nodes")?;
        for node in self
            .nodes
            .iter()
            .filter(|node| !known.items.iter().any(|seen| seen.name == node.name))
        {
            let draft = serde_json::json!({
                "name": node.name, "host": node.host, "port": node.port, "slot_limit": SLOT_LIMIT, "operating_type": "mixed",
                "user": USER, "password": password, "labels": [],
            });
            client.post("/api/v1/nodes", &draft, &[200, 201])?;
        }
        Ok(())
    }

    fn await_health(&self, client: &Client, stop: &Stop) -> Result<(), Error> {
        let begun = Instant::now();
        loop {
            stop.check()?;
            let seen: Page<NodeSeen> = client.get("/api/v1/nodes")?;
            let ill: Vec<_> = seen
                .items
                .iter()
                .filter(|node| node.health != "healthy")
                .collect();
            if ill.is_empty() {
                return Ok(());
            }
            if begun.elapsed() > HEALTH_PATIENCE {
                let last = ill
                    .iter()
                    .map(|node| format!("{} is {}", node.name, node.health))
                    .collect::<Vec<_>>()
                    .join(", ");
                let what = format!("the nodes of {}", self.group);
                return Err(Error::NotReady {
                    what,
                    after: say::seconds(HEALTH_PATIENCE),
                    last,
                    tail: String::new(),
                });
            }
            std::thread::sleep(TICK);
        }
    }
}

/// Stores a sample unless a file of that name is there: 412 means it is.
fn store(client: &Client, sample: &Sample) -> Result<(), Error> {
    let content = std::fs::read(&sample.path).map_err(Error::file("read", &sample.path))?;
    let (directory, name) = (escaped(&sample.directory), escaped(&sample.name));
    let path =
        format!("/api/v1/repository/content?author={ADMIN}&directory={directory}&name={name}");
    let headers = [
        ("if-none-match", "*"),
        ("content-type", "application/octet-stream"),
    ];
    client
        .expect(
            "PUT",
            &path,
            &headers,
            Some(&content),
            &[200, 201, 204, 412],
        )
        .map(|_| ())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::collections::BTreeSet;

    fn shipped(group: &str) -> Vec<Sample> {
        let root = crate::workspace::Workspace::find().unwrap().root;
        samples(&root.join("deploy/examples/scripts"), group).unwrap()
    }

    #[test]
    fn a_group_s_own_file_replaces_the_one_for_all() {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("all/regression/a.R", "1"),
            ("all/regression/b.R", "1"),
            ("west/regression/a.R", "2"),
        ] {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let west = samples(root.path(), "west").unwrap();
        assert_eq!(west.len(), 2);
        assert!(west.iter().any(
            |sample| sample.name == "a.R" && sample.path.starts_with(root.path().join("west"))
        ));
        assert_eq!(samples(root.path(), "east").unwrap().len(), 2);
    }

    #[test]
    fn the_shipped_samples_are_enough_and_differ_between_groups() {
        let key = |sample: &Sample| (sample.directory.clone(), sample.name.clone());
        let east = shipped("east");
        let west = shipped("west");
        assert!(east.len() >= 12, "{}", east.len());
        let directories: BTreeSet<_> = east
            .iter()
            .map(|sample| sample.directory.as_str())
            .collect();
        assert_eq!(
            directories,
            BTreeSet::from(["forecast", "regression", "simulation"])
        );
        let missing = east
            .iter()
            .filter(|sample| !west.iter().any(|other| key(other) == key(sample)))
            .count();
        assert!(missing > 0, "some are missing in west");
        let differ = east.iter().filter(|sample| {
            let twin = west.iter().find(|other| key(other) == key(sample));
            twin.is_some_and(|twin| {
                std::fs::read(&twin.path).unwrap() != std::fs::read(&sample.path).unwrap()
            })
        });
        assert!(differ.count() > 0, "some differ in west");
    }
}
