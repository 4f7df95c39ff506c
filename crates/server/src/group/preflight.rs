//! The look before a switchover: eight checks with their evidence, and one more where the standby shows a certificate.

mod lines;

use super::peer::{Met, Peers};
use super::{Duties, Keeper, SwitchError};
use crate::clock;
use crate::clock::Moment;
use crate::tls;
use gridhelm_api::group::Member;
use gridhelm_api::switch::{Check, Outcome, Preflight};
use gridhelm_api::task::TaskState;
pub(super) use lines::{ms, pass, tasks, warn};
use lines::{same_version, standby_ready};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// How long the standby may take to say who it is.
const ASK: Duration = Duration::from_secs(2);
/// How long it may take to look at its nodes.
const REACH: Duration = Duration::from_secs(5);

/// What the standby says of itself.
type Said = Result<Met, String>;

impl Keeper {
    /// Looks whether the server `to` could take over now. Works at every server of the group.
    ///
    /// # Errors
    /// [`SwitchError::UnknownServer`], or the store's.
    pub async fn preflight(&self, to: &str) -> Result<Preflight, SwitchError> {
        let member = self.member(to).await?;
        let began = Instant::now();
        let row = self.parts.store.epoch().await?;
        let read = began.elapsed();
        let from = row.owner.filter(|_| !row.released).map(|o| o.server);
        let mine = to == self.parts.me.server;
        let (said, ready, reach, tasks, zombies, balancer, database) = tokio::join!(
            self.ask(&member, mine),
            self.ask_ready(&member, mine),
            reach(&*self.parts.duties, &self.peers, &member, mine),
            self.tasks_in_flight(),
            self.zombies_check(),
            self.balancer_check(from.as_deref(), Some(to)),
            self.database_check(read),
        );
        let shown = match &said {
            _ if mine => self.parts.tls.certificate(),
            Ok(met) => met.status.certificate.clone(),
            Err(_) => None,
        };
        let certificate = shown.map(|shown| tls::check(&member.name, &shown, clock::now()));
        let mut checks = vec![
            standby_ready(&member, &self.parts.group, row.epoch, &said, ready),
            same_version(&member.name, &self.status().version, &said),
            database,
            reach,
            tasks,
            zombies,
            balancer,
            lines::clocks(&member.name, &said),
        ];
        checks.extend(certificate);
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
            return Ok(Met {
                status: self.status(),
                took: Duration::ZERO,
                ahead: Some(0),
            });
        }
        self.peers.meet(&member.url, ASK).await
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

    async fn database_check(&self, read: Duration) -> Check {
        let kind = self.parts.store.group().await.map(|group| group.database);
        let committed = self.last_commit();
        lines::database(kind.as_deref().unwrap_or("The database"), read, committed)
    }

    /// Whether sessions of older epochs are left.
    pub(super) async fn zombies_check(&self) -> Check {
        let epoch = self.status().epoch;
        match self.parts.store.sessions().await {
            Ok(sessions) => lines::zombies(&sessions, epoch),
            Err(error) => warn(
                "zombies",
                "No zombie sessions",
                format!("Not known: {error}."),
                "Look at the database, then check again.".into(),
            ),
        }
    }

    /// What the load balancer sees, where this server may ask it: `up` shall get requests, `next` is known and
    /// does not.
    pub(super) async fn balancer_check(&self, up: Option<&str>, next: Option<&str>) -> Check {
        let Some(config) = &self.parts.balancer else {
            let asked = *self
                .asked_active
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            return lines::balancer_unseen(asked.map(|at| Moment::now().since(at)));
        };
        match config.view(&self.parts.group).await {
            Ok(mut seen) => {
                // Other groups may stand in the same backends.
                if let Ok(group) = self.parts.store.group().await {
                    seen.retain(|s| group.members.iter().any(|m| m.name == s.server));
                }
                lines::balancer(&seen, up, next.filter(|next| up != Some(next)))
            }
            Err(why) => warn(
                "balancer",
                "Load balancer",
                format!("Not known: {why}."),
                "Start the balancer, or mend [balancer] in this server's configuration.".into(),
            ),
        }
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
