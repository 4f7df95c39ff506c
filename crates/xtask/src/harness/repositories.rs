//! Groups of one server each, without nodes: repositories to replicate between, killed and started as one likes.

use super::api::Api;
use super::{HarnessError, Result, wait_for};
use gridhelm_api::changeset::{ChangesetRequest, Committed, Manifest, Operation};
use gridhelm_api::repository::FileId;
use gridhelm_client::replication::{self, Pair, Watch};
use gridhelm_client::{Client, Token};
use gridhelm_replicate::{Plan, Selection, compare, content_hash, pack, plan};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

/// The password of the first admin of each group.
pub const PASSWORD: &str = "repositories-of-a-test-1";
/// How long a server may take to answer, and to be active.
const STARTS_WITHIN: Duration = Duration::from_secs(30);
/// Bytes of one pack, about.
const PACK: usize = 12 << 20;
/// Bytes of a part of a content that no pack holds.
const PART: usize = 8 << 20;

impl From<gridhelm_client::Error> for HarnessError {
    fn from(error: gridhelm_client::Error) -> Self {
        Self(format!("a request: {error}"))
    }
}

/// How a group's server is started.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// The section about its database; without one a file in its folder.
    pub database: Option<String>,
    /// Where it listens; without one any free port.
    pub port: Option<u16>,
    /// The address that it tells others, where that is another one than it listens at.
    pub public_url: Option<String>,
    /// Servers from which it may fetch large contents.
    pub sources: Vec<String>,
    /// Variables of its environment.
    pub environment: Vec<(String, String)>,
}

impl Setup {
    /// The text of its configuration.
    fn configuration(&self, folder: &Path, group: &str, at: &str) -> String {
        let file = || {
            format!(
                "path = \"{}\"\n",
                folder.join(format!("{group}.db")).display()
            )
        };
        let database = self.database.clone().unwrap_or_else(file);
        let url = self.public_url.clone().unwrap_or(format!("http://{at}"));
        let sources: Vec<_> = self.sources.iter().map(|s| format!("\"{s}\"")).collect();
        format!(
            "name = \"{group}-1\"\ngroup = \"{group}\"\nlisten = \"{at}\"\npublic_url = \"{url}\"\n[database]\n{database}[disk]\nrefuse_below_mib = 0\n[replication]\nsources = [{}]\n",
            sources.join(", ")
        )
    }
}

/// A group of one server.
#[derive(Debug)]
pub struct Repository {
    /// The group's name.
    pub group: String,
    /// The server's address.
    pub url: String,
    /// Its database, where that is a file.
    pub database: PathBuf,
    program: PathBuf,
    config: PathBuf,
    environment: Vec<(String, String)>,
    child: Mutex<Option<Child>>,
    token: Option<Token>,
}

impl Repository {
    /// Starts the server of a new group in this folder, with its data in a file there.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(program: &Path, folder: &Path, group: &str) -> Result<Self> {
        Self::start_as(program, folder, group, Setup::default()).await
    }

    /// As [`Repository::start`], set up in this way.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_as(
        program: &Path,
        folder: &Path,
        group: &str,
        setup: Setup,
    ) -> Result<Self> {
        let port = setup.port.map_or_else(super::ports::one, Ok)?;
        let at = format!("127.0.0.1:{port}");
        let config = folder.join(format!("{group}.toml"));
        std::fs::write(&config, setup.configuration(folder, group, &at))?;
        let mut repository = Self {
            group: group.to_owned(),
            url: format!("http://{at}"),
            database: folder.join(format!("{group}.db")),
            program: program.to_path_buf(),
            config,
            environment: setup.environment,
            child: Mutex::default(),
            token: None,
        };
        repository.begin().await?;
        let signed = Api::sign_in(&repository.url, "admin", PASSWORD).await?;
        repository.token = Some(Token::new(signed.token()));
        Ok(repository)
    }

    /// A client of it, signed in as its first admin.
    pub fn client(&self) -> Client {
        self.client_by(&self.url)
    }

    /// The same by another way to it, as this address.
    pub fn client_by(&self, url: &str) -> Client {
        Client::new(url).with_token(self.token.clone())
    }

    /// The most memory that its process has had at once, bytes.
    ///
    /// # Errors
    /// When it does not run.
    pub fn peak_memory(&self) -> Result<u64> {
        let held = self.child.lock().ok();
        let pid = held.and_then(|child| child.as_ref().map(Child::id));
        let pid = pid.ok_or_else(|| HarnessError::new("the server does not run"))?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kib.map(|kib| kib << 10)
            .ok_or_else(|| HarnessError::new("the system does not tell a process's memory"))
    }

    /// The token of its first admin.
    pub fn token(&self) -> &str {
        self.token.as_ref().map_or("", Token::secret)
    }

    /// Kills its process, and waits until it is gone. Does nothing where there is none.
    pub fn kill(&self) {
        self.end(Signal::KILL);
    }

    /// Ends its process in order, and waits until it is gone.
    pub fn stop(&self) {
        self.end(Signal::TERM);
    }

    /// What kills its process, to be given to a thread.
    pub fn killer(&self) -> Killer {
        let held = self.child.lock().ok();
        Killer(held.and_then(|child| child.as_ref().map(Pid::from_child)))
    }

    /// Whether its process has ended, however.
    pub fn has_ended(&self) -> bool {
        let Ok(mut held) = self.child.lock() else {
            return true;
        };
        held.as_mut()
            .is_none_or(|child| !matches!(child.try_wait(), Ok(None)))
    }

    fn end(&self, signal: Signal) {
        let child = self.child.lock().ok().and_then(|mut child| child.take());
        if let Some(mut child) = child {
            let _ = kill_process(Pid::from_child(&child), signal);
            let _ = child.wait();
        }
    }

    /// Starts its process; whether it comes up is seen by [`Repository::ready`].
    ///
    /// # Errors
    /// When there is no such program.
    pub fn spawn(&self) -> Result<()> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.config.with_extension("log"))?;
        let mut command = Command::new(&self.program);
        command
            .arg("--config")
            .arg(&self.config)
            .env("GRIDHELM_BOOTSTRAP_PASSWORD", PASSWORD)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let child = command.spawn()?;
        if let Ok(mut held) = self.child.lock() {
            *held = Some(child);
        }
        Ok(())
    }

    /// Starts its process and waits until it is active.
    ///
    /// # Errors
    /// When it is not within 30 s.
    pub async fn begin(&self) -> Result<()> {
        self.spawn()?;
        self.ready().await
    }

    /// Waits until its server is active.
    ///
    /// # Errors
    /// When it is not within 30 s.
    pub async fn ready(&self) -> Result<()> {
        wait_for(
            &format!("the server of {} to be active", self.group),
            STARTS_WITHIN,
            || async {
                let url = format!("{}/api/v1/server", self.url);
                let status: serde_json::Value = reqwest::get(url).await?.json().await?;
                Ok((status["role"] == "active").then_some(()))
            },
        )
        .await
    }

    /// Everything that is in it.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn manifest(&self, with: &str) -> Result<Manifest> {
        Ok(self.client().manifest(with).await?)
    }

    /// Makes its files so, and takes away what has no content here, in one changeset.
    ///
    /// # Errors
    /// When it refuses.
    pub async fn put(&self, files: &BTreeMap<FileId, Option<Vec<u8>>>) -> Result<Committed> {
        let manifest = self.manifest("nobody").await?;
        let now: BTreeMap<&FileId, &str> = manifest
            .entries
            .iter()
            .map(|e| (&e.id, &*e.sha256))
            .collect();
        let hashed: Vec<_> = files
            .iter()
            .map(|(id, content)| (id, content, content.as_deref().map(content_hash)))
            .collect();
        let operations = hashed.iter().map(|(id, content, sha256)| Operation {
            id: (*id).clone(),
            expect: now.get(*id).map(|hash| (*hash).to_owned()),
            sha256: sha256.clone(),
            size: content.as_ref().map_or(0, Vec::len) as u64,
            ..Operation::default()
        });
        let request = ChangesetRequest {
            plan: "filled".to_owned(),
            source: self.group.clone(),
            operations: operations.collect(),
            reason: "a test's files".to_owned(),
        };
        let client = self.client();
        let changeset = client.open_changeset(&request).await?;
        let mut missing: std::collections::BTreeSet<_> = changeset.missing.into_iter().collect();
        let mut bytes = Vec::new();
        for (_, content, sha256) in &hashed {
            let (Some(content), Some(sha256)) = (content, sha256) else {
                continue;
            };
            if !missing.remove(sha256) {
                continue;
            }
            if content.len() > PACK {
                for (part, at) in content.chunks(PART).zip((0..).step_by(PART)) {
                    client
                        .upload_part(&changeset.id, sha256, at, part.to_vec())
                        .await?;
                }
            } else {
                pack::put(&mut bytes, sha256, content);
            }
            if bytes.len() > PACK {
                let full = std::mem::take(&mut bytes);
                client.upload_contents(&changeset.id, full).await?;
            }
        }
        if !bytes.is_empty() {
            client.upload_contents(&changeset.id, bytes).await?;
        }
        Ok(client.commit_changeset(&changeset.id).await?)
    }
}

/// Kills a process that was running.
#[derive(Debug, Clone, Copy)]
pub struct Killer(Option<Pid>);

impl Killer {
    /// Kills it.
    pub fn now(self) {
        if let Some(pid) = self.0 {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        self.end(Signal::TERM);
    }
}

/// What a plan of everything takes: all that differs, deletions included, conflicts decided for the source.
pub fn everything() -> Selection {
    Selection {
        delete_extra: true,
        delete_dropped: true,
        ..Selection::default()
    }
}

/// Reads two repositories as far as they differ, and plans.
///
/// # Errors
/// When one does not answer.
pub async fn planned(
    source: &Repository,
    target: &Repository,
    selection: &Selection,
) -> Result<(Pair, Plan)> {
    let pair = replication::read_pair(&source.client(), &target.client(), &[], false).await?;
    let comparison = compare(pair.source.clone(), pair.target.clone());
    let made = plan(&comparison, selection);
    Ok((pair, made))
}

/// Applies a plan, watched.
///
/// # Errors
/// As [`replication::apply`].
pub async fn applied<W: Watch>(
    source: &Repository,
    target: &Repository,
    plan: &Plan,
    watch: &W,
) -> core::result::Result<Committed, replication::ApplyError> {
    applied_by(&source.client(), &target.client(), plan, watch).await
}

/// As [`applied`], by these clients, who may have other ways to the servers.
///
/// # Errors
/// As [`replication::apply`].
pub async fn applied_by<W: Watch>(
    from: &Client,
    to: &Client,
    plan: &Plan,
    watch: &W,
) -> core::result::Result<Committed, replication::ApplyError> {
    replication::apply(&|| from.clone(), &|| to.clone(), plan, "a test", watch).await
}
