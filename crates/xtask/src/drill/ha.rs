//! The active server hands over, dies, hangs, ends, and comes back.

use super::{Crew, History, Verdict};
use crate::harness::Result;
use crate::harness::api::Api;
use crate::harness::switch::planned;
use rustix::process::Signal;

pub(super) const ONE: &str = "east-1";
pub(super) const TWO: &str = "east-2";
/// Good answers before a fault, and after it: what is measured is watched on both sides.
pub(super) const AROUND: usize = 75;

/// The latest switch of the history is as expected.
pub(super) async fn told(
    verdict: &mut Verdict,
    api: &Api,
    kind: &str,
    from: &str,
    to: &str,
) -> Result<()> {
    let list = api.get("switches").await?.body;
    let latest = list["items"][0].clone();
    let fits = latest["kind"] == kind
        && latest["state"] == "done"
        && latest["from"] == from
        && latest["to"] == to;
    verdict.must(fits, || {
        format!("the history does not tell of {kind} from {from} to {to}: {latest}")
    });
    Ok(())
}

pub(super) async fn switch() -> Result<Verdict> {
    let crew = Crew::start("drill-switch", &[]).await?;
    let history = History::begin(&crew);
    for (from, to) in [(ONE, TWO), (TWO, ONE)] {
        history.good(AROUND).await?;
        planned(&crew.api(from)?, to).await?;
    }
    history.good(3 * AROUND).await?;
    let mut verdict = history.judge(&crew, ONE).await?;
    told(&mut verdict, &crew.api(ONE)?, "planned", TWO, ONE).await?;
    let failed = verdict.failed;
    verdict.must(failed == 0, || format!("{failed} requests failed"));
    let uncertain = verdict.uncertain;
    verdict.must(uncertain == 0, || {
        format!("{uncertain} tasks are uncertain")
    });
    Ok(verdict)
}

pub(super) async fn kill() -> Result<Verdict> {
    let mut crew = Crew::start("drill-kill", &[]).await?;
    crew.set_failover(ONE, "automatic").await?;
    let history = History::begin(&crew);
    for (from, to) in [(ONE, TWO), (TWO, ONE)] {
        history.good(AROUND).await?;
        crew.end(from, Signal::KILL).await?;
        crew.until_active(to).await?;
        history.good(AROUND).await?;
        crew.begin(from).await?;
        crew.until_standby(from).await?;
    }
    let mut verdict = history.judge(&crew, ONE).await?;
    told(&mut verdict, &crew.api(ONE)?, "automatic", TWO, ONE).await?;
    Ok(verdict)
}

pub(super) async fn stop() -> Result<Verdict> {
    let mut crew = Crew::start("drill-stop", &[]).await?;
    crew.set_failover(ONE, "automatic").await?;
    let history = History::begin(&crew);
    history.good(AROUND).await?;
    crew.signal(ONE, Signal::STOP);
    let epoch = crew.until_active(TWO).await?;
    history.good(AROUND).await?;
    crew.signal(ONE, Signal::CONT);
    if !crew.lives(ONE) {
        // Stopped within a transaction it held SQLite's file: then the one that takes over ends it.
        crew.begin(ONE).await?;
    }
    let seen = crew.until_standby(ONE).await?;
    history.good(AROUND).await?;
    let mut verdict = history.judge(&crew, TWO).await?;
    told(&mut verdict, &crew.api(TWO)?, "automatic", ONE, TWO).await?;
    verdict.must(seen == epoch, || {
        format!("{ONE} woke and knows epoch {seen}, not {epoch}")
    });
    Ok(verdict)
}

pub(super) async fn restart() -> Result<Verdict> {
    let mut crew = Crew::start("drill-restart", &[]).await?;
    let history = History::begin(&crew);
    history.good(AROUND).await?;
    // Manual mode: its own next process goes on, under an epoch of its own.
    crew.end(ONE, Signal::TERM).await?;
    crew.begin(ONE).await?;
    let epoch = crew.until_active(ONE).await?;
    history.good(AROUND).await?;
    let mut verdict = history.judge(&crew, ONE).await?;
    verdict.must(epoch == 2, || {
        format!("epoch {epoch} after the restart, not 2")
    });
    Ok(verdict)
}

pub(super) async fn both() -> Result<Verdict> {
    let mut crew = Crew::start("drill-both", &[]).await?;
    crew.set_failover(ONE, "automatic").await?;
    let history = History::begin(&crew);
    history.good(AROUND).await?;
    crew.end(TWO, Signal::KILL).await?;
    crew.end(ONE, Signal::KILL).await?;
    crew.begin(TWO).await?;
    crew.until_active(TWO).await?;
    crew.begin(ONE).await?;
    crew.until_standby(ONE).await?;
    history.good(AROUND).await?;
    let mut verdict = history.judge(&crew, TWO).await?;
    told(&mut verdict, &crew.api(TWO)?, "automatic", ONE, TWO).await?;
    Ok(verdict)
}
