//! The ways between a group's parts are cut, one at a time: on PostgreSQL, each part on a host of its own.

use super::ha::{AROUND, ONE, TWO, told};
use super::namespaces::{Namespaces, enter};
use super::{Crew, History, Verdict};
use crate::deployment::{haproxy, postgres};
use crate::harness::local::Local;
use crate::harness::{HarnessError, Result, wait_for};
use serde_json::Value;
use std::pin::Pin;
use std::time::{Duration, Instant};

/// How long a fault may take to show, or to be over.
const SHOWS: Duration = Duration::from_secs(40);
/// The nodes of east.
const NODES: [&str; 2] = ["east-r01", "east-r02"];
/// Good answers that take longer than a lease takes to lapse: 50 a second.
const LONGER_THAN_A_LEASE: usize = 250;

/// A drill in the namespaces.
type Drill = for<'a> fn(&'a mut Place) -> Pin<Box<dyn Future<Output = Result<Verdict>> + 'a>>;

/// Where a drill happens.
pub(super) struct Place {
    hosts: Namespaces,
    crew: Crew,
}

/// The drill of that name.
pub(super) fn drill(name: &str) -> Option<Drill> {
    Some(match name {
        "ha-cut-database" => |place| Box::pin(cut_database(place)),
        "ha-cut-nodes" => |place| Box::pin(cut_nodes(place)),
        "ha-cut-balancer" => |place| Box::pin(cut_balancer(place)),
        "ha-cut-standby-database" => |place| Box::pin(cut_standby_database(place)),
        "ha-reject" => |place| Box::pin(reject(place)),
        _ => return None,
    })
}

/// Runs a drill on a thread of its own, which makes the namespaces, enters the one in the middle and holds all of them.
pub(super) async fn run(name: &'static str, drill: Drill) -> Result<Verdict> {
    let (done, outcome) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = done.send(alone(name, drill));
    });
    outcome.await.map_err(HarnessError::new)?
}

fn alone(name: &str, drill: Drill) -> Result<Verdict> {
    let hosts = Namespaces::new()?;
    let middle = hosts.middle();
    enter(&middle)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        // A runtime's threads begin where its maker is; this makes it sure.
        .on_thread_start(move || {
            if let Err(error) = enter(&middle) {
                crate::say::progress("error", error);
            }
        })
        .build()?;
    runtime.block_on(async {
        let folder = crate::harness::local::workspace_root()?.join("target/harness");
        std::fs::create_dir_all(&folder)?;
        let file = folder.join(format!("{name}-{}.network.json", std::process::id()));
        std::fs::write(&file, serde_json::to_string(&hosts.network())?)?;
        let local = Local::start_across(&format!("drill-{name}"), &file);
        let _ = std::fs::remove_file(&file);
        let crew = Crew::of(local?).await?;
        crew.set_failover(ONE, "automatic").await?;
        let mut place = Place { hosts, crew };
        drill(&mut place).await
    })
}

/// A server's word about itself, asked from the middle.
async fn status(crew: &Crew, server: &str) -> Result<Value> {
    let url = format!("{}/api/v1/server", crew.local.server(server)?.url);
    Ok(reqwest::get(url).await?.json().await?)
}

/// Nobody took over, and nobody tried.
async fn no_switch(verdict: &mut Verdict, crew: &Crew, epoch: i64) -> Result<()> {
    let api = crew.api(ONE)?;
    let now = api.get("group").await?.body;
    verdict.must(now["epoch"] == epoch && now["active"] == ONE, || {
        format!("the group is not as before the fault: {now}")
    });
    let switches = api.get("switches").await?.body;
    let none = switches["items"].as_array().is_some_and(Vec::is_empty);
    verdict.must(none, || format!("somebody switched: {switches}"));
    Ok(())
}

fn no_failure(verdict: &mut Verdict) {
    let failed = verdict.failed;
    verdict.must(failed == 0, || format!("{failed} requests failed"));
}

/// The active server loses the database and nothing else: it stops by its own clock, and another takes over.
async fn cut_database(place: &mut Place) -> Result<Verdict> {
    let (hosts, crew) = (&place.hosts, &place.crew);
    let history = History::begin(crew);
    history.good(AROUND).await?;
    hosts.cut(ONE, postgres::NAME)?;
    let began = Instant::now();
    let stopped = wait_for(&format!("{ONE} to stop by itself"), SHOWS, || async {
        Ok((status(crew, ONE).await?["role"] == "standby").then(|| began.elapsed()))
    })
    .await?;
    let epoch = crew.until_active(TWO).await?;
    let taken = began.elapsed();
    history.good(AROUND).await?;
    let cut_off = status(crew, ONE).await?;
    hosts.mend(ONE, postgres::NAME)?;
    let mended = Instant::now();
    let back = wait_for(&format!("{ONE} to stand by"), SHOWS, || async {
        let status = status(crew, ONE).await?;
        let knows =
            status["role"] == "standby" && status["active"] == TWO && status["ready"] == true;
        Ok((knows && status["epoch"] == epoch).then(|| mended.elapsed()))
    })
    .await?;
    history.good(AROUND).await?;
    let mut verdict = history.judge(crew, TWO).await?;
    told(&mut verdict, &crew.api(TWO)?, "automatic", ONE, TWO).await?;
    verdict.must(cut_off["ready"] == false, || {
        format!("{ONE} called itself ready without its database: {cut_off}")
    });
    // It stops before the standby's count is full: both of them working at once would be two active servers.
    verdict.must(stopped < taken, || {
        format!("{ONE} stopped after {stopped:?}, {TWO} was active after {taken:?}")
    });
    verdict.figure("stopped_after_ms", stopped);
    verdict.figure("taken_after_ms", taken);
    verdict.figure("standby_again_after_ms", back);
    Ok(verdict)
}

/// The active server loses every node: the grid contracts to nothing, tasks wait, and nobody switches for that.
async fn cut_nodes(place: &mut Place) -> Result<Verdict> {
    let (hosts, crew) = (&place.hosts, &place.crew);
    let epoch = crew.until_active(ONE).await?;
    let history = History::begin(crew);
    history.good(AROUND).await?;
    for node in NODES {
        hosts.cut(ONE, node)?;
    }
    let began = Instant::now();
    let out = until_health(crew, "unreachable", began).await?;
    history.good(LONGER_THAN_A_LEASE).await?;
    for node in NODES {
        hosts.mend(ONE, node)?;
    }
    let mended = Instant::now();
    let back = until_health(crew, "healthy", mended).await?;
    history.good(AROUND).await?;
    let mut verdict = history.judge(crew, ONE).await?;
    no_switch(&mut verdict, crew, epoch).await?;
    no_failure(&mut verdict);
    let events = crew
        .api(ONE)?
        .get("events?topic=grid&limit=200")
        .await?
        .body;
    for kind in ["contract", "expan"] {
        let told = events["items"].as_array().is_some_and(|items| {
            items.iter().any(|event| {
                event["kind"].as_str().is_some_and(|of| of.contains(kind))
                    || event["message"]
                        .as_str()
                        .is_some_and(|of| of.contains(kind))
            })
        });
        verdict.must(told, || {
            format!("the journal tells of no {kind}…: {events}")
        });
    }
    verdict.figure("contracted_after_ms", out);
    verdict.figure("expanded_after_ms", back);
    Ok(verdict)
}

/// Waits until the active server sees each of east's nodes so.
async fn until_health(crew: &Crew, health: &str, since: Instant) -> Result<Duration> {
    let api = crew.api(ONE)?;
    wait_for(&format!("east's nodes to be {health}"), SHOWS, || async {
        let nodes = api.get("nodes").await?.body;
        let all = nodes["items"].as_array().is_some_and(|nodes| {
            nodes.len() == NODES.len() && nodes.iter().all(|node| node["health"] == health)
        });
        Ok(all.then(|| since.elapsed()))
    })
    .await
}

/// The load balancer loses the active server: clients get 503 until it is back, and nothing that was acknowledged is lost.
async fn cut_balancer(place: &mut Place) -> Result<Verdict> {
    let (hosts, crew) = (&place.hosts, &place.crew);
    let epoch = crew.until_active(ONE).await?;
    let history = History::begin(crew);
    history.good(AROUND).await?;
    hosts.cut(haproxy::NAME, ONE)?;
    let began = Instant::now();
    let http = reqwest::Client::builder()
        .timeout(Duration::from_secs(10))
        .build()?;
    let url = format!("{}/api/v1/group", crew.local.ready.load_balancer);
    let ask = || async {
        let request = http.get(&url).header("cookie", "GROUP=east");
        let answer = request.bearer_auth(crew.token()).send().await?;
        Ok::<_, HarnessError>((
            answer.status().as_u16(),
            answer.headers().get("retry-after").is_some(),
        ))
    };
    let out = wait_for("the load balancer to see nobody", SHOWS, || async {
        let (status, told_when) = ask().await?;
        Ok((status == 503 && told_when).then(|| began.elapsed()))
    })
    .await?;
    // For longer than a lease takes to lapse nobody else steps in: the group itself is well.
    let until = began + 2 * out.max(Duration::from_secs(3));
    let mut still = Vec::new();
    while Instant::now() < until {
        still.push(status(crew, ONE).await?["role"].clone());
        still.push(status(crew, TWO).await?["role"].clone());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    hosts.mend(haproxy::NAME, ONE)?;
    let mended = Instant::now();
    let back = wait_for(
        "the load balancer to see the active server",
        SHOWS,
        || async { Ok((ask().await?.0 == 200).then(|| mended.elapsed())) },
    )
    .await?;
    history.good(AROUND).await?;
    let mut verdict = history.judge(crew, ONE).await?;
    no_switch(&mut verdict, crew, epoch).await?;
    let steady = still
        .chunks(2)
        .all(|pair| pair[0] == "active" && pair[1] == "standby");
    verdict.must(steady, || {
        "the roles changed though the group was well".to_owned()
    });
    verdict.figure("seen_after_ms", out);
    verdict.figure("back_after_ms", back);
    Ok(verdict)
}

/// The standby loses the database: the work goes on, and the checks before a switch say why it could not take over.
async fn cut_standby_database(place: &mut Place) -> Result<Verdict> {
    let (hosts, crew) = (&place.hosts, &place.crew);
    let epoch = crew.until_active(ONE).await?;
    let history = History::begin(crew);
    history.good(AROUND).await?;
    hosts.cut(TWO, postgres::NAME)?;
    let began = Instant::now();
    let noticed = wait_for(
        &format!("{TWO} to say that it is not ready"),
        SHOWS,
        || async { Ok((status(crew, TWO).await?["ready"] == false).then(|| began.elapsed())) },
    )
    .await?;
    let preflight = || async {
        let path = format!("switch/preflight?to={TWO}");
        let all = crew.api(ONE)?.get(&path).await?.body;
        let checks = all["checks"].as_array().cloned().unwrap_or_default();
        let ready = checks
            .into_iter()
            .find(|check| check["id"] == "standby_ready");
        Ok::<_, HarnessError>(ready.unwrap_or_default())
    };
    let check = preflight().await?;
    history.good(LONGER_THAN_A_LEASE).await?;
    hosts.mend(TWO, postgres::NAME)?;
    let mended = Instant::now();
    let back = wait_for(&format!("{TWO} to be ready"), SHOWS, || async {
        Ok((preflight().await?["outcome"] == "pass").then(|| mended.elapsed()))
    })
    .await?;
    history.good(AROUND).await?;
    let mut verdict = history.judge(crew, ONE).await?;
    no_switch(&mut verdict, crew, epoch).await?;
    no_failure(&mut verdict);
    verdict.must(check["outcome"] == "fail", || {
        format!("the check does not say that {TWO} is not ready: {check}")
    });
    verdict.figure("not_ready_after_ms", noticed);
    verdict.figure("ready_again_after_ms", back);
    Ok(verdict)
}

/// A firewall refuses for a server that lives: no takeover. The same server killed behind it: one.
async fn reject(place: &mut Place) -> Result<Verdict> {
    let (hosts, crew) = (&place.hosts, &mut place.crew);
    let epoch = crew.until_active(ONE).await?;
    let history = History::begin(crew);
    history.good(AROUND).await?;
    hosts.refuse(TWO, ONE)?;
    // The standby's own look at the active server goes over that way, and is refused.
    let seen_from_two = wait_for(&format!("{TWO} to find {ONE} refusing"), SHOWS, || async {
        let answer = crew.api(TWO)?.get("switch/preflight?to=east-1").await?;
        Ok(answer
            .body
            .to_string()
            .contains("refused")
            .then_some(answer.body))
    })
    .await?;
    history.good(LONGER_THAN_A_LEASE).await?;
    let mut before = Verdict::default();
    no_switch(&mut before, crew, epoch).await?;
    crew.end(ONE, rustix::process::Signal::KILL).await?;
    let killed = Instant::now();
    crew.until_active(TWO).await?;
    let taken = killed.elapsed();
    history.good(AROUND).await?;
    let mut verdict = history.judge(crew, TWO).await?;
    verdict.broken.append(&mut before.broken);
    told(&mut verdict, &crew.api(TWO)?, "automatic", ONE, TWO).await?;
    verdict.must(seen_from_two.is_object(), || {
        "nothing was refused".to_owned()
    });
    verdict.figure("taken_after_kill_ms", taken);
    Ok(verdict)
}
