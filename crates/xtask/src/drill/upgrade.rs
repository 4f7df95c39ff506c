//! A rolling upgrade under load: the standby first, a switch, then the other. And the ways that are refused or warned of.
//!
//! The older releases are the same program, told to know fewer migrations (`gridhelm_server::release`): the checks and the
//! migrations that they meet are the real ones.

use super::ha::{AROUND, ONE, TWO, told};
use super::{Crew, History, Verdict};
use crate::harness::Result;
use crate::harness::switch::planned;
use rustix::process::Signal;
use serde_json::Value;

/// A release before the newest migration, and one before all of them.
const OLDER: [(&str, &str); 1] = [("GRIDHELM_PRETEND_RELEASE", "0.0.9/1")];
const OLDEST: [(&str, &str); 1] = [("GRIDHELM_PRETEND_RELEASE", "0.0.1/1000")];

/// What the check of versions says before a switch to that server, asked of the other.
async fn versions(crew: &Crew, ask: &str, to: &str) -> Result<Value> {
    let path = format!("switch/preflight?to={to}");
    let all = crew.api(ask)?.get(&path).await?.body;
    let checks = all["checks"].as_array().cloned().unwrap_or_default();
    let found = checks
        .into_iter()
        .find(|check| check["id"] == "same_version");
    Ok(found.unwrap_or_default())
}

/// Whether the database has what the newest migration brings, as that server sees it.
async fn newest_schema(crew: &Crew, server: &str) -> Result<bool> {
    let answer = crew.api(server)?.get("repository/changesets").await?;
    Ok(answer.status == 200)
}

pub(super) async fn upgrade() -> Result<Verdict> {
    let mut crew = Crew::start("drill-upgrade", &OLDER).await?;
    let old_schema = !newest_schema(&crew, ONE).await?;
    let history = History::begin(&crew);
    history.good(AROUND).await?;

    // The standby first: it brings the database's schema up to date while the older server works.
    crew.end(TWO, Signal::TERM).await?;
    crew.begin_with(TWO, &[]).await?;
    crew.until_standby(TWO).await?;
    let expanded = newest_schema(&crew, TWO).await?;
    let differing = versions(&crew, ONE, TWO).await?;
    history.good(AROUND).await?;

    // Then the active role, then the other server.
    planned(&crew.api(ONE)?, TWO).await?;
    history.good(AROUND).await?;
    crew.end(ONE, Signal::TERM).await?;
    crew.begin_with(ONE, &[]).await?;
    crew.until_standby(ONE).await?;
    let alike = versions(&crew, TWO, ONE).await?;
    history.good(AROUND).await?;

    // Back: the older release still serves the expanded schema, and may even be active.
    crew.end(ONE, Signal::TERM).await?;
    crew.begin_with(ONE, &OLDER).await?;
    crew.until_standby(ONE).await?;
    let back = versions(&crew, TWO, ONE).await?;
    planned(&crew.api(TWO)?, ONE).await?;
    history.good(AROUND).await?;

    // One that the schema does not serve any more does not start, and disturbs nobody.
    crew.end(TWO, Signal::TERM).await?;
    let refused = crew.local.refuses_to_start(TWO, &OLDEST).await?;
    history.good(AROUND).await?;
    crew.begin_with(TWO, &[]).await?;
    crew.until_standby(TWO).await?;

    let mut verdict = history.judge(&crew, ONE).await?;
    told(&mut verdict, &crew.api(ONE)?, "planned", TWO, ONE).await?;
    let failed = verdict.failed;
    verdict.must(failed == 0, || format!("{failed} requests failed"));
    verdict.must(old_schema && expanded, || {
        format!(
            "the newest migration: absent at first {old_schema}, there after the upgrade {expanded}"
        )
    });
    verdict.must(
        differing["outcome"] == "warn" && back["outcome"] == "warn",
        || format!("differing versions are not warned of: {differing} {back}"),
    );
    verdict.must(alike["outcome"] == "pass", || {
        format!("like versions are not told so: {alike}")
    });
    verdict.must(refused.contains("start a newer gridhelm-server"), || {
        format!("the oldest release does not say why it does not start: {refused}")
    });
    Ok(verdict)
}
