//! The look before a switchover: four checks with their evidence.

use super::peer::Peers;
use super::{Duties, Keeper, SwitchError};
use crate::clock;
use gridhelm_api::group::{Member, ServerRole, ServerStatus};
use gridhelm_api::switch::{Check, Outcome, Preflight};
use gridhelm_api::task::TaskState;
use std::time::Duration;

/// How long the standby may take to say who it is.
const ASK: Duration = Duration::from_secs(2);
/// How long it may take to look at its nodes.
const REACH: Duration = Duration::from_secs(5);

/// What the standby says of itself.
type Said = Result<(ServerStatus, Duration), String>;

impl Keeper {
    /// Looks whether the server `to` could take over now. Works at every server of the group.
    ///
    /// # Errors
    /// [`SwitchError::UnknownServer`], or the store's.
    pub async fn preflight(&self, to: &str) -> Result<Preflight, SwitchError> {
        let member = self.member(to).await?;
        let row = self.parts.store.epoch().await?;
        let from = row.owner.filter(|_| !row.released).map(|o| o.server);
        let mine = to == self.parts.me.server;
        let (said, ready, reach, tasks) = tokio::join!(
            self.ask(&member, mine),
            self.ask_ready(&member, mine),
            reach(&*self.parts.duties, &self.peers, &member, mine),
            self.tasks_in_flight(),
        );
        let checks = vec![
            standby_ready(&member, &self.parts.group, row.epoch, &said, ready),
            same_version(&member.name, &self.status().version, &said),
            reach,
            tasks,
        ];
        Ok(Preflight {
            from,
            to: to.to_owned(),
            epoch: row.epoch,
            at: clock::now(),
            checks,
        })
    }

    /// The server of that name.
    pub(super) async fn member(&self, name: &str) -> Result<Member, SwitchError> {
        let members = self.parts.store.group().await?.members;
        let known = members.iter().map(|m| m.name.clone()).collect();
        members
            .into_iter()
            .find(|member| member.name == name)
            .ok_or_else(|| SwitchError::UnknownServer {
                name: name.to_owned(),
                known,
            })
    }

    async fn ask(&self, member: &Member, mine: bool) -> Said {
        if mine {
            return Ok((self.status(), Duration::ZERO));
        }
        self.peers.status(&member.url, ASK).await
    }

    async fn ask_ready(&self, member: &Member, mine: bool) -> Result<(), String> {
        if mine {
            return Ok(());
        }
        self.peers.ready(&member.url, ASK).await
    }

    async fn tasks_in_flight(&self) -> Check {
        let title = "Tasks in flight";
        let counts = if self.held() {
            let flight = self.parts.duties.in_flight();
            Ok((flight.running, flight.queued))
        } else {
            self.stored_in_flight().await
        };
        match counts {
            Ok((0, queued)) => pass(
                "tasks_in_flight",
                title,
                format!(
                    "No task runs, {queued} wait in the queue and go on at the new active server."
                ),
            ),
            Ok((running, queued)) => Check {
                outcome: Outcome::Warn,
                repair: Some(
                    "The switch waits for them, as long as you allow; then it is called off."
                        .into(),
                ),
                ..pass(
                    "tasks_in_flight",
                    title,
                    format!(
                        "{} run{}, {queued} wait in the queue.",
                        tasks(running),
                        if running == 1 { "s" } else { "" }
                    ),
                )
            },
            Err(why) => Check {
                outcome: Outcome::Warn,
                ..pass("tasks_in_flight", title, format!("Not known: {why}."))
            },
        }
    }

    async fn stored_in_flight(&self) -> Result<(usize, usize), String> {
        let open = self.parts.store.open_tasks().await;
        let open = open.map_err(|error| error.to_string())?;
        let running = |t: &&crate::store::StoredTask| t.task.state == TaskState::Running;
        let running = open.iter().filter(running).count();
        Ok((running, open.len() - running))
    }
}

/// "1 task", "2 tasks".
pub(super) fn tasks(n: usize) -> String {
    format!("{n} task{}", if n == 1 { "" } else { "s" })
}

fn pass(id: &str, title: &str, evidence: String) -> Check {
    Check {
        id: id.to_owned(),
        title: title.to_owned(),
        outcome: Outcome::Pass,
        evidence,
        repair: None,
    }
}

fn standby_ready(
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
        Ok(said) => said,
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
            "{name} answered in {:.1} ms: standby, database reachable, epoch {epoch}.",
            took.as_secs_f64() * 1_000.0
        ),
    )
}

fn same_version(name: &str, mine: &str, said: &Said) -> Check {
    let title = "Same version";
    match said {
        Ok((status, _)) if status.version == mine => {
            pass("same_version", title, format!("Both run {mine}."))
        }
        // A server that is ready serves the schema of the database: what differs is compatible.
        Ok((status, _)) => Check {
            outcome: Outcome::Warn,
            repair: Some(format!(
                "Upgrade the older one after the switch, then {name} and this server are alike."
            )),
            ..pass(
                "same_version",
                title,
                format!(
                    "{name} runs {}, this server {mine}; both serve the database's schema.",
                    status.version
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

async fn reach(duties: &dyn Duties, peers: &Peers, member: &Member, mine: bool) -> Check {
    if mine {
        return duties.reach_nodes().await;
    }
    peers
        .reach(&member.url, REACH)
        .await
        .unwrap_or_else(|why| Check {
            outcome: Outcome::Fail,
            repair: Some(format!("Start {}, then check again.", member.name)),
            ..pass(
                "nodes_reachable",
                "Nodes reachable from the standby",
                format!("Not known: {why}."),
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn check(status: ServerStatus, ready: Result<(), String>) -> Check {
        standby_ready(
            &member(),
            "east",
            7,
            &Ok((status, Duration::from_millis(3))),
            ready,
        )
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
        let said = Ok((status(), Duration::ZERO));
        assert_eq!(same_version("east-2", "1", &said).outcome, Outcome::Pass);
        assert_eq!(same_version("east-2", "2", &said).outcome, Outcome::Warn);
        let silent = Err("refused".to_owned());
        assert_eq!(same_version("east-2", "1", &silent).outcome, Outcome::Fail);
    }
}
