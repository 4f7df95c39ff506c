//! The group's database is lost: the leader of a cluster that fails over; or it stands still, and ends and starts again.

use super::{Crew, History, Verdict};
use crate::harness::api::Api;
use crate::harness::inserting::{Inserted, Inserting};
use crate::harness::local::{Member, signal};
use crate::harness::{HarnessError, Result, wait_for};
use crate::processes;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

const ONE: &str = "east-1";
const TWO: &str = "east-2";
/// Good answers before a fault, and after it.
const AROUND: usize = 75;
/// Rows of the plain writer before the fault, and after it.
const ROWS: usize = 100;
/// How long the database may take to fail over, and a member to follow again.
const PLACE: Duration = Duration::from_mins(2);
/// For how long the database stands still.
const STOPPED: Duration = Duration::from_secs(20);

/// A task that runs through the whole outage, in a session that nobody may end.
struct LongTask(String);

impl LongTask {
    /// Begins one that takes `seconds`, and waits until it runs.
    async fn begin(api: &Api, seconds: u32) -> Result<Self> {
        let code = format!("Sys.sleep({seconds}); 7 * 6");
        let body = json!({ "source": { "code": { "code": code } }, "re_executable": false });
        let made = api.post("tasks", body).await?;
        let id = made.body["id"]
            .as_str()
            .ok_or_else(|| HarnessError(format!("a task was refused: {}", made.body)))?;
        let path = format!("tasks/{id}");
        wait_for("a long task to run", PLACE, || async {
            Ok((api.get(&path).await?.body["state"] == "running").then_some(()))
        })
        .await?;
        Ok(Self(id.to_owned()))
    }

    /// The fault that comes now finds it running.
    async fn still_runs(&self, api: &Api) -> Result<()> {
        let task = api.get(&format!("tasks/{}", self.0)).await?.body;
        if task["state"] == "running" {
            return Ok(());
        }
        Err(HarnessError(format!(
            "the long task does not run through the fault: {task}"
        )))
    }

    /// It ends well, in its first attempt.
    async fn judge(&self, api: &Api, verdict: &mut Verdict) -> Result<()> {
        let path = format!("tasks/{}", self.0);
        let task = wait_for("the long task to end", PLACE, || async {
            let task = api.get(&path).await?.body;
            let over = !["queued", "running"].contains(&task["state"].as_str().unwrap_or("queued"));
            Ok(over.then_some(task))
        })
        .await?;
        let attempts = task["attempts"].as_array().map_or(0, Vec::len);
        verdict.must(task["state"] == "succeeded" && attempts == 1, || {
            format!("the task that ran through the outage did not end well in one attempt: {task}")
        });
        Ok(())
    }
}

/// What Patroni says of the cluster, by whichever member answers.
async fn cluster(crew: &Crew) -> Result<Vec<Value>> {
    let mut last = HarnessError("the deployment has no cluster".into());
    for member in &crew.local.ready.members {
        let asked = reqwest::get(format!("http://127.0.0.1:{}/cluster", member.api)).await;
        match asked {
            Ok(answer) => {
                let body: Value = answer.json().await?;
                return Ok(body["members"].as_array().cloned().unwrap_or_default());
            }
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

async fn leader_of(crew: &Crew) -> Result<Member> {
    wait_for("a leader of the database", PLACE, || async {
        let seen = cluster(crew).await?;
        let leader = seen.iter().find(|member| member["role"] == "leader");
        let name = leader.map(|member| member["name"].clone());
        let mut members = crew.local.ready.members.iter();
        Ok(members
            .find(|member| name == Some(json!(member.name)))
            .cloned())
    })
    .await
}

/// Ends a member at once and for good: Patroni, and every process of its PostgreSQL.
fn kill_member(crew: &Crew, member: &Member) -> Result<()> {
    let data = crew
        .local
        .dir
        .join("patroni")
        .join(&member.name)
        .join("data");
    let postmaster = postmaster(&data)?;
    signal(member.pid, Signal::KILL);
    tell_all(postmaster, Signal::KILL);
    Ok(())
}

/// The first process of the PostgreSQL that keeps its data here.
fn postmaster(data: &Path) -> Result<u32> {
    let file = std::fs::read_to_string(data.join("postmaster.pid"))?;
    let first = file
        .lines()
        .next()
        .and_then(|line| line.trim().parse().ok());
    first.ok_or_else(|| HarnessError(format!("no pid in {}", data.display())))
}

/// Sends a signal to a PostgreSQL's first process, and then to all that this one started.
fn tell_all(postmaster: u32, what: Signal) {
    if let Some(first) = processes::read(postmaster) {
        first.signal(what);
    }
    for process in processes::all() {
        if process.parent == postmaster {
            process.signal(what);
        }
    }
}

/// Events of one kind in the journal.
async fn told(api: &Api, kind: &str) -> Result<Vec<Value>> {
    let page = api.get("events?limit=500").await?.body;
    let events = page["items"].as_array().cloned().unwrap_or_default();
    Ok(events.into_iter().filter(|e| e["kind"] == kind).collect())
}

/// Whoever is active stayed so under its epoch, and the journal tells of the outage.
async fn same_epoch(verdict: &mut Verdict, crew: &Crew) -> Result<()> {
    let api = crew.api(ONE)?;
    let group = api.get("group").await?.body;
    verdict.must(group["active"] == ONE && group["epoch"] == 1, || {
        format!("{ONE} is not active under epoch 1 any more: {group}")
    });
    // Whoever sees the database first may find that the other has not renewed yet, try, and find it renewed: that changes nothing.
    let switches = api.get("switches").await?.body;
    let tried = switches["items"].as_array().cloned().unwrap_or_default();
    let taken = tried.iter().any(|switch| switch["state"] != "failed");
    verdict.must(switches["items"].is_array() && !taken, || {
        format!("somebody took over: {switches}")
    });
    let returned = told(&api, "database.returned").await?;
    verdict.must(!returned.is_empty(), || {
        "the journal does not tell that the database was away".to_owned()
    });
    for kind in ["switch.fenced", "switch.taken"] {
        let more = told(&api, kind).await?;
        verdict.must(more.len() <= usize::from(kind == "switch.taken"), || {
            format!("the journal tells of {kind}: {more:?}")
        });
    }
    Ok(())
}

/// kill -9 of the database's leader, in automatic mode: the group waits for the next one, and nobody steps down.
///
/// # Errors
/// When the drill could not be made.
pub async fn leader() -> Result<(Verdict, Inserted)> {
    let mut crew = Crew::start_on("drill-database", "patroni", &[]).await?;
    crew.set_failover(ONE, "automatic").await?;
    let password = std::fs::read_to_string(crew.local.dir.join("database-password"))?;
    let ports: Vec<_> = crew.local.ready.members.iter().map(|m| m.port).collect();
    let plain = Inserting::begin(&ports, password.trim());
    // Begun before anybody else asks: behind the others it could wait for its slot for as long as they keep all of them.
    let long = LongTask::begin(&crew.api(ONE)?, 20).await?;
    let history = History::begin(&crew);
    plain.more(ROWS).await?;
    history.good(AROUND).await?;
    long.still_runs(&crew.api(ONE)?).await?;
    let lost = leader_of(&crew).await?;
    kill_member(&crew, &lost)?;
    plain.more(ROWS).await?;
    history.good(AROUND).await?;
    let now = leader_of(&crew).await?;
    crew.local.start_again(&lost.start)?;
    wait_for("the dead member to follow", PLACE, || async {
        let seen = cluster(&crew).await?;
        let mut members = seen.iter();
        Ok(members
            .any(|m| {
                m["name"] == json!(lost.name)
                    && m["role"] != "leader"
                    && ["running", "streaming"].contains(&m["state"].as_str().unwrap_or_default())
                    && m["lag"] == 0
            })
            .then_some(()))
    })
    .await?;
    history.good(AROUND).await?;
    let inserted = plain.end().await?;
    let mut verdict = history.judge(&crew, ONE).await?;
    verdict.must(now.name != lost.name, || {
        format!("{} leads again: nothing failed over", lost.name)
    });
    verdict.must(inserted.lost == 0, || {
        format!("the database itself lost {} rows", inserted.lost)
    });
    long.judge(&crew.api(ONE)?, &mut verdict).await?;
    same_epoch(&mut verdict, &crew).await?;
    crew.until_standby(TWO).await?;
    Ok((verdict, inserted))
}

/// The database stands still for 20 s, then goes on; then it ends in order and is started again. In automatic mode
/// nobody takes over: whoever was active goes on.
pub(super) async fn stopped() -> Result<Verdict> {
    let mut crew = Crew::start_on("drill-stopped", "postgres", &[]).await?;
    crew.set_failover(ONE, "automatic").await?;
    let postgres = crew.local.ready.postgres.clone();
    let postgres = postgres.ok_or_else(|| HarnessError("no PostgreSQL".to_owned()))?;
    let first = postmaster(&crew.local.dir.join("postgres/data"))?;
    let long = LongTask::begin(&crew.api(ONE)?, 30).await?;
    let history = History::begin(&crew);
    history.good(AROUND).await?;
    long.still_runs(&crew.api(ONE)?).await?;
    tell_all(first, Signal::STOP);
    tokio::time::sleep(STOPPED).await;
    tell_all(first, Signal::CONT);
    history.good(AROUND).await?;
    // A fast shutdown: whoever is connected is sent away.
    signal(postgres.pid, Signal::INT);
    wait_for("the database to end", PLACE, || async {
        Ok((!processes::read(first).is_some_and(|p| p.lives())).then_some(()))
    })
    .await?;
    crew.local.start_again(&postgres.start)?;
    history.good(AROUND).await?;
    let mut verdict = history.judge(&crew, ONE).await?;
    long.judge(&crew.api(ONE)?, &mut verdict).await?;
    same_epoch(&mut verdict, &crew).await?;
    crew.until_standby(TWO).await?;
    Ok(verdict)
}
