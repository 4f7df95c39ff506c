//! Replications under faults: whatever happens, every target is wholly before or wholly after, another try converges, and nothing that
//! was answered as done is lost.

mod full;

pub(super) use full::{disk, versions};

use super::Verdict;
use crate::harness::local::workspace_root;
use crate::harness::repositories::{Repository, applied, everything, planned};
use crate::harness::{HarnessError, Result};
use gridhelm_api::Code;
use gridhelm_api::changeset::{Manifest, VerifyRequest};
use gridhelm_api::repository::FileId;
use gridhelm_client::replication::{ApplyError, Progress, Step, Watch};
use gridhelm_replicate::content_hash;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Points at which a server is killed in the long form of the drill.
const POINTS: u64 = 54;
/// In the tests, which name the server that they were built with: each takes about a second.
const FEW: u64 = 12;
const SERVER: &str = "GRIDHELM_SERVER";
/// A content that is copied in parts, bytes.
const LARGE: usize = 17 << 20;

type Files = BTreeMap<FileId, Option<Vec<u8>>>;

/// What a replication drill found.
#[derive(Debug, Default)]
struct Found {
    points: usize,
    partial: usize,
    lost: usize,
    verdict: Verdict,
}

impl Found {
    fn done(mut self) -> Verdict {
        let figure = |n: usize| n as f64;
        self.verdict.lost = self.lost;
        self.verdict
            .figures
            .insert("fault_points", figure(self.points));
        self.verdict
            .figures
            .insert("partial_targets", figure(self.partial));
        self.verdict
            .figures
            .insert("lost_acknowledged", figure(self.lost));
        let (partial, lost) = (self.partial, self.lost);
        self.verdict
            .must(partial == 0, || format!("{partial} targets are partial"));
        self.verdict
            .must(lost == 0, || format!("{lost} acknowledged states are lost"));
        self.verdict
    }
}

/// The servers' program: that of the tests where they say so, else the built one.
fn program() -> Result<PathBuf> {
    if let Some(program) = std::env::var_os(SERVER) {
        return Ok(program.into());
    }
    let target = workspace_root()?.join("target");
    ["release", "debug"]
        .iter()
        .map(|profile| target.join(profile).join("gridhelm-server"))
        .find(|program| program.is_file())
        .ok_or_else(|| HarnessError::new("gridhelm-server is not built: cargo xtask build"))
}

/// A folder for one drill, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Result<Self> {
        let path = workspace_root()?
            .join("target/harness")
            .join(format!("{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn id(path: &str) -> Result<FileId> {
    FileId::from_path(path).ok_or_else(|| HarnessError(format!("no path: {path}")))
}

/// The same numbers in each run.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below.max(1)
    }
}

/// The source's next state: other contents, files that come and go, names that are easily mixed up, an empty file, sometimes a large one.
fn next_state(seeded: &mut Seeded, round: u64, with_large: bool) -> Result<Files> {
    let mut files = Files::new();
    for n in 0..40_u64 {
        let path = format!("ann/d-{}/script-{n:02}.R", n % 3);
        let content = if seeded.below(10) == 0 {
            None
        } else {
            Some(format!("x <- {}\n", seeded.below(1000)).into_bytes())
        };
        files.insert(id(&path)?, content);
    }
    // The same name composed and decomposed, and names that differ only in case.
    for (n, name) in [
        "Gr\u{f6}\u{df}e.R",
        "Gro\u{308}\u{df}e.R",
        "case.R",
        "Case.R",
    ]
    .iter()
    .enumerate()
    {
        let content = format!("{name} {n} {round}");
        files.insert(
            id(&format!("ann/names/{name}"))?,
            Some(content.into_bytes()),
        );
    }
    files.insert(id("ann/names/empty.R")?, Some(Vec::new()));
    if with_large {
        let mut content = vec![0_u8; LARGE];
        for chunk in content.chunks_mut(8) {
            let bytes = seeded.below(u64::MAX).to_le_bytes();
            let many = chunk.len();
            chunk.copy_from_slice(&bytes[..many]);
        }
        files.insert(id("ann/models/large.rds")?, Some(content));
    }
    Ok(files)
}

/// When a server is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Point {
    /// At the how-many-th thing that is told about the application.
    at: usize,
    /// So much later, microseconds.
    after: u64,
    /// The target, or the source.
    target: bool,
}

/// Kills a server at a point of an application, and starts it again.
struct Killer<'a> {
    source: &'a Repository,
    target: &'a Repository,
    point: Point,
    told: Cell<usize>,
    killed: RefCell<Option<Step>>,
}

impl<'a> Killer<'a> {
    fn new(source: &'a Repository, target: &'a Repository, point: Point) -> Self {
        Self {
            source,
            target,
            point,
            told: Cell::new(0),
            killed: RefCell::new(None),
        }
    }

    fn kill(&self, step: Step) {
        let which = if self.point.target {
            self.target
        } else {
            self.source
        };
        let (program, wait) = (which.killer(), Duration::from_micros(self.point.after));
        // A thread of its own: the request that is on its way goes on meanwhile.
        std::thread::spawn(move || {
            std::thread::sleep(wait);
            program.now();
        });
        *self.killed.borrow_mut() = Some(step);
    }
}

impl Watch for Killer<'_> {
    fn at(&self, progress: &Progress) {
        let told = self.told.get();
        self.told.set(told + 1);
        if told == self.point.at && self.killed.borrow().is_none() {
            self.kill(progress.step);
        }
    }

    async fn may_go_on(&self) -> bool {
        true
    }
}

/// A target's state as the checker compares it: paths and contents.
fn state(manifest: &Manifest) -> BTreeMap<String, String> {
    let entries = manifest.entries.iter();
    entries.map(|e| (e.id.path(), e.sha256.clone())).collect()
}

/// The target (or the source) is killed at seeded points of an application.
pub(super) async fn killed() -> Result<Verdict> {
    let points = if std::env::var_os(SERVER).is_some() {
        FEW
    } else {
        POINTS
    };
    let folder = Folder::new("drill-replicate-kill")?;
    let program = program()?;
    let source = Repository::start(&program, &folder.0, "east").await?;
    let target = Repository::start(&program, &folder.0, "west").await?;
    let mut seeded = Seeded(20_261_123);
    let mut found = Found::default();
    for round in 0..points {
        let with_large = round % 3 == 0;
        source
            .put(&next_state(&mut seeded, round, with_large)?)
            .await?;
        let before = state(&target.manifest("east").await?);
        let after = state(&source.manifest("west").await?);
        let (_, plan) = planned(&source, &target, &everything()).await?;
        let point = Point {
            at: usize::try_from(seeded.below(if with_large { 9 } else { 4 })).unwrap_or_default(),
            after: seeded.below(15_000),
            target: seeded.below(5) > 0,
        };
        let killer = Killer::new(&source, &target, point);
        // The one that was killed is started again as a supervisor does, and looked at before anything else is asked of it.
        let outcome = applied_until_killed(&source, &target, &plan, &killer).await?;
        let seen = state(&target.manifest("east").await?);
        found.points += usize::from(killer.killed.borrow().is_some());
        let whole = seen == before || seen == after;
        found.partial += usize::from(!whole);
        if outcome.is_some() && seen != after {
            found.lost += 1;
        }
        // Another try converges, with what came already.
        let (_, again) = planned(&source, &target, &everything()).await?;
        if !again.is_empty() {
            if seen == before && again.id != plan.id {
                found
                    .verdict
                    .broken
                    .push(format!("round {round}: another plan"));
            }
            applied(&source, &target, &again, &())
                .await
                .map_err(HarnessError::new)?;
        }
        let last = state(&target.manifest("east").await?);
        found.verdict.must(last == after, || {
            format!("round {round}, {point:?}: the second try did not converge")
        });
        let tree = target.client().tree(None).await?;
        let manifest = target.manifest("east").await?;
        found.verdict.must(
            tree.root == gridhelm_replicate::root(&manifest.entries),
            || format!("round {round}: the tree is not that of the files"),
        );
    }
    Ok(found.done())
}

/// Applies a plan; once a server was killed, starts it again and says what was answered: the commit's answer, if it came.
async fn applied_until_killed(
    source: &Repository,
    target: &Repository,
    plan: &gridhelm_replicate::Plan,
    killer: &Killer<'_>,
) -> Result<Option<()>> {
    let applying = applied(source, target, plan, killer);
    let gone = async {
        loop {
            for which in [source, target] {
                if which.has_ended() {
                    return which;
                }
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::pin!(applying, gone);
    let outcome = tokio::select! {
        done = &mut applying => Some(done),
        which = &mut gone => {
            which.begin().await?;
            None
        }
    };
    let killed = killer.killed.borrow().is_some();
    if let (Some(done), true) = (&outcome, killed) {
        // It was faster than its end, which still comes.
        let which = gone.await;
        which.begin().await?;
        return Ok(done.as_ref().ok().map(|_| ()));
    }
    match outcome {
        Some(Ok(_)) => Ok(Some(())),
        Some(Err(error)) => Err(HarnessError::new(error)),
        // The application was given up where it stood, as with a closed tab.
        None => Ok(None),
    }
}

/// People who meet: two plans at once, a file edited during an application, a plan applied twice.
pub(super) async fn people() -> Result<Verdict> {
    let folder = Folder::new("drill-replicate-people")?;
    let program = program()?;
    let source = Repository::start(&program, &folder.0, "east").await?;
    let other = Repository::start(&program, &folder.0, "south").await?;
    let target = Repository::start(&program, &folder.0, "west").await?;
    let mut seeded = Seeded(7);
    let mut found = Found::default();
    for round in 0..4 {
        source.put(&next_state(&mut seeded, round, false)?).await?;
        other
            .put(&next_state(&mut seeded, round + 100, false)?)
            .await?;
        let before = state(&target.manifest("east").await?);
        let one = plan_as_source(&source, &target).await?;
        let two = plan_as_source(&other, &target).await?;
        let (first, second) = tokio::join!(
            applied(&source, &target, &one, &()),
            applied(&other, &target, &two, &())
        );
        let seen = state(&target.manifest("east").await?);
        let by_one = state(&source.manifest("west").await?);
        let by_two = state(&other.manifest("west").await?);
        let won = usize::from(first.is_ok()) + usize::from(second.is_ok());
        found.points += 1;
        found.verdict.must(won == 1, || {
            format!("round {round}: {won} of two plans were applied: {first:?} {second:?}")
        });
        let stale = |outcome: &core::result::Result<_, ApplyError>| match outcome {
            Ok(_) => true,
            Err(ApplyError::Client(error)) => error.code() == Some(Code::PlanStale),
            Err(ApplyError::CalledOff) => false,
        };
        found.verdict.must(stale(&first) && stale(&second), || {
            format!("round {round}: refused otherwise: {first:?} {second:?}")
        });
        let whole = match (&first, &second) {
            (Ok(_), _) => seen == by_one,
            (_, Ok(_)) => seen == by_two,
            _ => seen == before,
        };
        found.partial += usize::from(!whole);
        // The same plan once more: it is refused, or does nothing.
        let again = applied(&source, &target, &one, &()).await;
        let now = state(&target.manifest("east").await?);
        found.points += 1;
        found.verdict.must(now == seen || again.is_ok(), || {
            format!("round {round}: a plan that was refused changed something")
        });
    }
    edited(&source, &target, &mut seeded, &mut found).await?;
    Ok(found.done())
}

/// A plan by which the target becomes as the source, conflicts included.
async fn plan_as_source(
    source: &Repository,
    target: &Repository,
) -> Result<gridhelm_replicate::Plan> {
    let (pair, _) = planned(source, target, &everything()).await?;
    let compared = gridhelm_replicate::compare(pair.source, pair.target);
    let files = compared.files.into_iter();
    let mut all = everything();
    all.choices = files
        .filter(|file| file.parity != gridhelm_replicate::Parity::Same)
        .map(|file| (file.id, gridhelm_replicate::Choice::Source))
        .collect();
    let (_, plan) = planned(source, target, &all).await?;
    Ok(plan)
}

/// A file of the plan is edited while contents are copied: nothing is applied, and the edit stays.
async fn edited(
    source: &Repository,
    target: &Repository,
    seeded: &mut Seeded,
    found: &mut Found,
) -> Result<()> {
    struct Editing<'a>(&'a Repository, Cell<bool>);
    impl Watch for Editing<'_> {
        fn at(&self, _: &Progress) {}
        async fn may_go_on(&self) -> bool {
            if !self.1.replace(true) {
                let edit = [(
                    FileId::new("ann", "names", "case.R"),
                    Some(b"edited".to_vec()),
                )];
                return self.0.put(&edit.into()).await.is_ok();
            }
            true
        }
    }
    source.put(&next_state(seeded, 55, true)?).await?;
    let plan = plan_as_source(source, target).await?;
    let before = state(&target.manifest("east").await?);
    let outcome = applied(source, target, &plan, &Editing(target, Cell::new(false))).await;
    let refused = match &outcome {
        Err(ApplyError::Client(error)) => error.problem().map(|p| (p.code, p.changed.clone())),
        _ => None,
    };
    let wanted = (Code::PlanStale, vec!["ann/names/case.R".to_owned()]);
    found.verdict.must(refused.as_ref() == Some(&wanted), || {
        format!("an edit during an application: {outcome:?}")
    });
    let mut expected = before;
    expected.insert("ann/names/case.R".to_owned(), content_hash(b"edited"));
    let now = state(&target.manifest("east").await?);
    found.points += 1;
    found.partial += usize::from(now != expected);
    Ok(())
}

/// A bit flips on the target's disk, in a content that is read by nobody: the deep check finds it, and nothing else.
pub(super) async fn flipped() -> Result<Verdict> {
    let folder = Folder::new("drill-replicate-bit")?;
    let program = program()?;
    let source = Repository::start(&program, &folder.0, "east").await?;
    let target = Repository::start(&program, &folder.0, "west").await?;
    let mut found = Found::default();
    let mut files = next_state(&mut Seeded(3), 0, false)?;
    let marked = b"# the marked line of a script that nobody reads\n".to_vec();
    files.insert(id("ann/d-0/marked.R")?, Some(marked.clone()));
    source.put(&files).await?;
    let (_, plan) = planned(&source, &target, &everything()).await?;
    let committed = applied(&source, &target, &plan, &())
        .await
        .map_err(HarnessError::new)?;
    let deep = VerifyRequest {
        changeset: Some(committed.id.clone()),
        after: None,
    };
    let whole = target.client().verify_contents(&deep).await?;
    found.verdict.must(whole.damaged.is_empty(), || {
        format!("before the bit flipped: {:?}", whole.damaged)
    });
    target.kill();
    fold(&target.database)?;
    flip(&target.database, &marked)?;
    target.begin().await?;
    found.points += 1;
    for request in [deep, VerifyRequest::default()] {
        let checked = target.client().verify_contents(&request).await?;
        let names: Vec<_> = checked.damaged.iter().map(|d| d.id.name.as_str()).collect();
        found.verdict.must(names == ["marked.R"], || {
            format!("after the bit flipped {names:?} are damaged")
        });
    }
    let report = target.client().changeset(&committed.id).await?;
    let kept = report.record.verified.map_or(0, |v| v.damaged.len());
    found
        .verdict
        .must(kept == 1, || format!("{kept} damaged files are on record"));
    Ok(found.done())
}

/// Brings what is in a database's log alone into its file.
fn fold(database: &Path) -> Result<()> {
    let code = "import sqlite3, sys\nprint(sqlite3.connect(sys.argv[1]).execute('PRAGMA wal_checkpoint(TRUNCATE)').fetchone()[0])";
    let output = std::process::Command::new("python3")
        .args(["-c", code])
        .arg(database)
        .output()?;
    if output.status.success() && output.stdout.starts_with(b"0") {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&output.stderr);
    Err(HarnessError(format!("the log was not folded in: {told}")))
}

/// Flips a bit of every place in a file, and its log, where these bytes are.
fn flip(database: &Path, bytes: &[u8]) -> Result<()> {
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    // What is in the log alone is brought into the file by the next start; a changed log would not be read at all.
    let log = PathBuf::from(log);
    if log.is_file()
        && std::fs::read(&log)?
            .windows(bytes.len())
            .any(|w| w == bytes)
    {
        return Err(HarnessError::new("the content is still in the log"));
    }
    let mut content = std::fs::read(database)?;
    let places: Vec<usize> = (0..content.len().saturating_sub(bytes.len()))
        .filter(|at| content[*at..].starts_with(bytes))
        .collect();
    if places.is_empty() {
        return Err(HarnessError::new("the content is not in the file"));
    }
    for at in places {
        content[at + 2] ^= 1;
    }
    Ok(std::fs::write(database, content)?)
}
