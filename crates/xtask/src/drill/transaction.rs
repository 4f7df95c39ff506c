//! The active server stops between the begin and the commit of a transaction, is replaced, and wakes.

use super::{Crew, History, Verdict};
use crate::harness::local::workspace_root;
use crate::harness::{HarnessError, Result, wait_for};
use crate::processes;
use rustix::process::Signal;
use std::path::Path;
use std::time::Duration;

const ONE: &str = "east-1";
const TWO: &str = "east-2";
/// Good answers before the fault, and after it.
const AROUND: usize = 75;
/// How long the server may take to come to its next commit.
const NEXT_COMMIT: Duration = Duration::from_secs(10);

/// One run on this database. The server stops itself, on order, right before a commit: see `store::failpoint`.
pub(super) async fn run(database: &str) -> Result<Verdict> {
    let orders = workspace_root()?
        .join("target/harness")
        .join(format!("orders-{database}-{}", std::process::id()));
    std::fs::create_dir_all(&orders)?;
    let words = ["--failpoints", orders.to_str().unwrap_or_default()];
    let ran = stop_and_wake(database, &words, &orders).await;
    let _ = std::fs::remove_dir_all(&orders);
    ran
}

async fn stop_and_wake(database: &str, words: &[&str], orders: &Path) -> Result<Verdict> {
    let label = format!("drill-transaction-{database}");
    let mut crew = Crew::start_on(&label, database, words).await?;
    crew.set_failover(ONE, "automatic").await?;
    let history = History::begin(&crew);
    history.good(AROUND).await?;
    let pid = u32::try_from(crew.pid(ONE)?).map_err(HarnessError::new)?;
    std::fs::write(orders.join(format!("before-commit.{pid}")), "")?;
    wait_for(
        "the server to stop before a commit",
        NEXT_COMMIT,
        || async { Ok(processes::read(pid).filter(|p| p.state == 'T').map(drop)) },
    )
    .await?;
    let epoch = crew.until_active(TWO).await?;
    history.good(AROUND).await?;
    let blocked = !crew.lives(ONE);
    if blocked {
        // On SQLite its transaction holds the file: whoever takes over ends it.
        crew.begin(ONE).await?;
    } else {
        crew.signal(ONE, Signal::CONT);
    }
    let seen = crew.until_standby(ONE).await?;
    history.good(AROUND).await?;
    let mut verdict = history.judge(&crew, TWO).await?;
    verdict.must(blocked == (database == "sqlite"), || {
        format!("on {database} the stopped server was ended: {blocked}")
    });
    verdict.must(seen == epoch, || {
        format!("{ONE} woke and knows epoch {seen}, not {epoch}")
    });
    never_falls(&mut verdict, &crew).await?;
    Ok(verdict)
}

/// Whatever was committed under the old epoch was committed before everything of the new one.
async fn never_falls(verdict: &mut Verdict, crew: &Crew) -> Result<()> {
    let page = crew.api(TWO)?.get("events?limit=1000").await?.body;
    let items = page["items"].as_array().cloned().unwrap_or_default();
    let epochs: Vec<_> = items.iter().filter_map(|e| e["epoch"].as_i64()).collect();
    verdict.must(!epochs.is_empty(), || "the journal is empty".to_owned());
    let fits = epochs.is_sorted_by(|newer, older| newer >= older);
    verdict.must(fits, || {
        format!("epochs in the journal fall, newest first: {epochs:?}")
    });
    Ok(())
}
