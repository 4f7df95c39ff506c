//! The lines of a preflight as functions of what was seen.

use super::Said;
use crate::balancer::Seen;
use crate::store::SessionRow;
use gridhelm_api::group::{Member, ServerRole};
use gridhelm_api::switch::{Check, Outcome};
use std::collections::BTreeMap;
use std::time::Duration;

/// A commit that takes longer is worth knowing: a lease that nobody renews for 2 s stops the work.
const SLOW_COMMIT: Duration = Duration::from_millis(250);
/// Clocks that differ by more seconds are worth knowing. What tells the difference has whole seconds.
const CLOCKS: i64 = 2;
/// A balancer asks about every half second; one that has not asked for so long is not there.
const ASKED: Duration = Duration::from_secs(10);

/// A length of time for people: "3.1 ms".
pub(in crate::group) fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
}

/// "1 task", "2 tasks".
pub(in crate::group) fn tasks(n: usize) -> String {
    format!("{n} task{}", if n == 1 { "" } else { "s" })
}

pub(in crate::group) fn pass(id: &str, title: &str, evidence: String) -> Check {
    Check {
        id: id.to_owned(),
        title: title.to_owned(),
        outcome: Outcome::Pass,
        evidence,
        repair: None,
    }
}

pub(super) fn standby_ready(
    member: &Member,
    group: &str,
    epoch: i64,
    said: &Said,
    ready: Result<(), String>,
) -> Check {
    let title = "Standby ready";
    let name = &member.name;
    let fail = |evidence: String, repair: String| Check {
        outcome: Outcome::Fail,
        repair: Some(repair),
        ..pass("standby_ready", title, evidence)
    };
    let (status, took) = match said {
        Ok(met) => (&met.status, met.took),
        Err(why) => {
            return fail(
                format!("{why}."),
                format!("Start {name}, or mend the network between the two servers."),
            );
        }
    };
    if status.name != *name || status.group != group {
        return fail(
            format!(
                "{} is answered by {} of group {}.",
                member.url, status.name, status.group
            ),
            format!("Set the public_url of {name} to its own address."),
        );
    }
    if status.role != ServerRole::Standby {
        let role = match status.role {
            ServerRole::Active => "is active",
            ServerRole::Leaving => "is handing over",
            _ => "is taking over",
        };
        return fail(
            format!("{name} {role} under epoch {}.", status.epoch),
            "Choose a standby.".into(),
        );
    }
    let not_ready = match (&status.not_ready, ready) {
        (Some(why), _) => Some(why.clone()),
        (None, Err(why)) => Some(why),
        (None, Ok(())) if !status.ready => Some("it does not say why".into()),
        (None, Ok(())) => None,
    };
    if let Some(why) = not_ready {
        return fail(
            format!("{name} answers, but is not ready: {why}."),
            format!("Look at the log of {name}; try again when it is ready."),
        );
    }
    if status.epoch != epoch {
        return fail(
            format!("{name} sees epoch {}, not {epoch}.", status.epoch),
            format!("Check that {name} uses this group's database."),
        );
    }
    pass(
        "standby_ready",
        title,
        format!(
            "{name} answered in {}: standby, database reachable, epoch {epoch}.",
            ms(took)
        ),
    )
}

pub(super) fn same_version(name: &str, mine: &str, said: &Said) -> Check {
    let title = "Same version";
    match said {
        Ok(met) if met.status.version == mine => {
            pass("same_version", title, format!("Both run {mine}."))
        }
        // A server that is ready serves the schema of the database: what differs is compatible.
        Ok(met) => Check {
            outcome: Outcome::Warn,
            repair: Some(format!(
                "Upgrade the older one after the switch, then {name} and this server are alike."
            )),
            ..pass(
                "same_version",
                title,
                format!(
                    "{name} runs {}, this server {mine}; both serve the database's schema.",
                    met.status.version
                ),
            )
        },
        Err(_) => Check {
            outcome: Outcome::Fail,
            repair: Some(format!("Start {name}.")),
            ..pass(
                "same_version",
                title,
                format!("Not known: {name} does not answer."),
            )
        },
    }
}

/// The same, worth knowing, with what to do.
pub(in crate::group) fn warn(id: &str, title: &str, evidence: String, repair: String) -> Check {
    Check {
        outcome: Outcome::Warn,
        repair: Some(repair),
        ..pass(id, title, evidence)
    }
}

/// How the database answers: a read just now, and the last renewal of the lease, a commit, where this server made it.
pub(super) fn database(kind: &str, read: Duration, committed: Option<Duration>) -> Check {
    let (id, title) = ("database", "Database answers");
    let evidence = match committed {
        Some(committed) => format!(
            "{kind}: read in {}, last commit in {}.",
            ms(read),
            ms(committed)
        ),
        None => format!("{kind}: read in {}.", ms(read)),
    };
    if read.max(committed.unwrap_or_default()) > SLOW_COMMIT {
        return warn(
            id,
            title,
            evidence,
            "Look at the database's load and disk: a lease that cannot be renewed for 2 s stops the work.".into(),
        );
    }
    pass(id, title, evidence)
}

/// Sessions of lower epochs that are still on record.
pub(super) fn zombies(sessions: &[SessionRow], epoch: i64) -> Check {
    let (id, title) = ("zombies", "No zombie sessions");
    let mut by_node: BTreeMap<&str, usize> = BTreeMap::new();
    for row in sessions.iter().filter(|row| row.epoch < epoch) {
        *by_node.entry(row.node.as_str()).or_default() += 1;
    }
    let total: usize = by_node.values().sum();
    if total == 0 {
        return pass(id, title, "None is left of an older epoch.".into());
    }
    let named: Vec<String> = by_node
        .iter()
        .map(|(node, n)| format!("{n} on {node}"))
        .collect();
    warn(
        id,
        title,
        format!("{total} of older epochs: {}.", named.join(", ")),
        "The active server ends them as soon as their nodes answer; look at those nodes on the Grid page.".into(),
    )
}

/// What the load balancer on this host sees: of the server that shall be up, and of the one that shall take over.
pub(super) fn balancer(seen: &[Seen], up: Option<&str>, next: Option<&str>) -> Check {
    let (id, title) = ("balancer", "Load balancer");
    let words: Vec<String> = seen
        .iter()
        .map(|s| format!("{}/{} {}", s.backend, s.server, s.status))
        .collect();
    let evidence = if words.is_empty() {
        "It has no server of this group.".to_owned()
    } else {
        format!("It sees {}.", words.join(", "))
    };
    let of = |name: &str| seen.iter().filter(|s| s.server == name).collect::<Vec<_>>();
    let wrong =
        if let Some(missing) = [up, next].into_iter().flatten().find(|n| of(n).is_empty()) {
            Some(format!(
                "Add {missing} to the balancer's backend of this group, or its clients get 503."
            ))
        } else if let Some(down) = up.filter(|up| !of(up).iter().all(|s| s.is_up())) {
            Some(format!(
                "{down} should be up there: look at what its check of /health/active gets."
            ))
        } else if let Some(kept) =
            next.filter(|next| of(next).iter().any(|s| s.status.starts_with("MAINT")))
        {
            Some(format!("Take {kept} out of maintenance at the balancer."))
        } else {
            next.filter(|next| of(next).iter().any(|s| s.is_up())).map(|both| {
            format!("{both} should be down there: look at what its check of /health/active gets.")
        })
        };
    match wrong {
        None => pass(id, title, evidence),
        Some(repair) => warn(id, title, evidence, repair),
    }
}

/// Where this server may not ask the balancer: whether somebody asks it for its health.
pub(super) fn balancer_unseen(asked: Option<Duration>) -> Check {
    let (id, title) = ("balancer", "Load balancer");
    match asked.filter(|asked| *asked <= ASKED) {
        Some(asked) => pass(
            id,
            title,
            format!(
                "It follows by its own checks: /health/active was asked here {:.1} s ago.",
                asked.as_secs_f64()
            ),
        ),
        None => warn(
            id,
            title,
            "Nobody asks /health/active of this server, so clients may not follow the switch.".into(),
            "Have the balancer check /health/active of every server of the group (deploy/haproxy), or tell clients by hand.".into(),
        ),
    }
}

/// How far the standby's clock is from this one's.
pub(super) fn clocks(name: &str, said: &Said) -> Check {
    let (id, title) = ("clocks", "Clocks agree");
    let ahead = said.as_ref().ok().map(|met| met.ahead);
    match ahead {
        None | Some(None) => warn(
            id,
            title,
            format!("Not known: {name} does not tell its time."),
            format!("Start {name}."),
        ),
        Some(Some(ahead)) if ahead.abs() <= CLOCKS => pass(
            id,
            title,
            format!("{name} and this server differ by less than {} s.", CLOCKS + 1),
        ),
        Some(Some(ahead)) => warn(
            id,
            title,
            format!(
                "The clock of {name} is about {} s {}.",
                ahead.abs(),
                if ahead > 0 { "ahead" } else { "behind" }
            ),
            "Set both hosts by NTP. The switch is safe as it is; times in the history will not follow on each other.".into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::peer::Met;
    use super::*;
    use gridhelm_api::group::ServerStatus;

    fn member() -> Member {
        Member {
            name: "east-2".into(),
            url: "http://h:2".into(),
            version: "1".into(),
            seen_at: 0,
        }
    }

    fn status() -> ServerStatus {
        ServerStatus {
            name: "east-2".into(),
            group: "east".into(),
            epoch: 7,
            ready: true,
            version: "1".into(),
            ..ServerStatus::default()
        }
    }

    fn met(status: ServerStatus, ms: u64) -> Said {
        Ok(Met {
            status,
            took: Duration::from_millis(ms),
            ahead: Some(0),
        })
    }

    fn check(status: ServerStatus, ready: Result<(), String>) -> Check {
        standby_ready(&member(), "east", 7, &met(status, 3), ready)
    }

    #[test]
    fn a_ready_standby_passes_with_its_evidence() {
        let check = check(status(), Ok(()));
        assert_eq!(check.outcome, Outcome::Pass);
        assert!(check.evidence.contains("3.0 ms"), "{}", check.evidence);
    }

    #[test]
    fn whatever_is_wrong_with_the_standby_is_named() {
        let wrong = |change: fn(&mut ServerStatus)| {
            let mut status = status();
            change(&mut status);
            check(status, Ok(()))
        };
        let table = [
            (wrong(|s| s.group = "west".into()), "group west"),
            (wrong(|s| s.name = "east-3".into()), "east-3"),
            (wrong(|s| s.role = ServerRole::Active), "is active"),
            (wrong(|s| s.epoch = 6), "epoch 6, not 7"),
            (
                wrong(|s| s.not_ready = Some("database away".into())),
                "database away",
            ),
            (wrong(|s| s.ready = false), "not ready"),
            (check(status(), Err("http://h:2 is slow".into())), "is slow"),
        ];
        for (check, named) in table {
            assert_eq!(check.outcome, Outcome::Fail, "{named}");
            assert!(check.evidence.contains(named), "{}", check.evidence);
            assert!(check.repair.is_some(), "{named}");
        }
        let silent = standby_ready(&member(), "east", 7, &Err("refused".into()), Ok(()));
        assert_eq!(silent.outcome, Outcome::Fail);
    }

    #[test]
    fn another_version_is_worth_knowing_and_does_not_stop() {
        let said = met(status(), 0);
        assert_eq!(same_version("east-2", "1", &said).outcome, Outcome::Pass);
        assert_eq!(same_version("east-2", "2", &said).outcome, Outcome::Warn);
        let silent = Err("refused".to_owned());
        assert_eq!(same_version("east-2", "1", &silent).outcome, Outcome::Fail);
    }

    fn seen(server: &str, status: &str) -> Seen {
        Seen {
            backend: "east".into(),
            server: server.into(),
            status: status.into(),
        }
    }

    #[test]
    fn the_balancer_shall_see_the_active_server_and_know_the_next() {
        let (up, next) = (Some("east-1"), Some("east-2"));
        let table = [
            (vec![seen("east-1", "UP"), seen("east-2", "DOWN")], None),
            (vec![seen("east-1", "UP"), seen("east-2", "NOLB")], None),
            (vec![seen("east-1", "UP")], Some("Add east-2")),
            (vec![], Some("Add east-1")),
            (
                vec![seen("east-1", "DOWN 1/2"), seen("east-2", "DOWN")],
                Some("east-1 should be up"),
            ),
            (
                vec![seen("east-1", "UP"), seen("east-2", "MAINT")],
                Some("east-2 out of maintenance"),
            ),
            (
                vec![seen("east-1", "UP"), seen("east-2", "UP 1/2")],
                Some("east-2 should be down"),
            ),
        ];
        for (seen, repair) in table {
            let check = balancer(&seen, up, next);
            match repair {
                None => assert_eq!(check.outcome, Outcome::Pass, "{}", check.evidence),
                Some(repair) => {
                    assert_eq!(check.outcome, Outcome::Warn, "{}", check.evidence);
                    assert!(
                        check.repair.unwrap_or_default().contains(repair),
                        "{repair}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_balancer_that_never_asks_is_told() {
        let asked = |s| balancer_unseen(Some(Duration::from_secs(s))).outcome;
        assert_eq!(asked(1), Outcome::Pass);
        assert_eq!(asked(11), Outcome::Warn);
        assert_eq!(balancer_unseen(None).outcome, Outcome::Warn);
    }

    #[test]
    fn clocks_are_compared_in_whole_seconds() {
        let ahead = |ahead| {
            clocks(
                "east-2",
                &Ok(Met {
                    status: status(),
                    took: Duration::ZERO,
                    ahead,
                }),
            )
        };
        assert_eq!(ahead(Some(-2)).outcome, Outcome::Pass);
        assert!(ahead(Some(37)).evidence.contains("37 s ahead"));
        assert!(ahead(Some(-37)).evidence.contains("37 s behind"));
        assert_eq!(ahead(None).outcome, Outcome::Warn);
        assert_eq!(
            clocks("east-2", &Err("refused".into())).outcome,
            Outcome::Warn
        );
    }

    #[test]
    fn a_slow_commit_is_worth_knowing() {
        let fast = Duration::from_millis(2);
        assert_eq!(database("SQLite", fast, Some(fast)).outcome, Outcome::Pass);
        assert_eq!(database("SQLite", fast, None).outcome, Outcome::Pass);
        let slow = Duration::from_millis(300);
        assert_eq!(database("SQLite", fast, Some(slow)).outcome, Outcome::Warn);
        assert_eq!(database("SQLite", slow, None).outcome, Outcome::Warn);
    }

    #[test]
    fn only_sessions_of_older_epochs_are_zombies() {
        let row = |node: &str, epoch| SessionRow {
            node: node.into(),
            epoch,
            ..SessionRow::default()
        };
        let rows = [row("a", 7), row("a", 6), row("b", 6), row("b", 5)];
        let check = zombies(&rows, 7);
        assert_eq!(check.outcome, Outcome::Warn);
        assert!(
            check.evidence.contains("3 of older epochs: 1 on a, 2 on b"),
            "{}",
            check.evidence
        );
        assert_eq!(zombies(&rows[..1], 7).outcome, Outcome::Pass);
    }
}
