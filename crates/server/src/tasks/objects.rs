//! What a file of R data holds, told by R itself: in a session that is used once, in a slot like a task's, within bounds. Reading such a file
//! can run code that is in it, as running a script does; nothing of it outlives the session.

use super::lost::KILL;
use super::shift::{Ending, Shift};
use super::{TaskError, Tasks};
use crate::grid::{Claim, Need, Session, SessionError};
use crate::store::SessionRow;
use gridhelm_api::node::OBJECT_NAMES;
use gridhelm_api::repository::{MAX_OBJECTS, RObject};
use gridhelm_rserve::run::{RunOutcome, RunRequest};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

const CODE: &str = include_str!("objects.R");
/// Files that are read at the same time.
pub(super) const AT_ONCE: usize = 2;
/// The longest wait for a slot.
const SLOT: Duration = Duration::from_secs(10);
/// How often a free slot is looked for.
const LOOK: Duration = Duration::from_millis(50);
/// The longest that R may take, with the way of the content to the node.
const READ: Duration = Duration::from_secs(if cfg!(test) { 10 } else { 30 });
/// The name of the file in the session's work directory.
const FILE: &str = ".gridhelm-data";
/// Largest answer of R, bytes as R counts them.
const MAX_VALUE: u64 = 8 << 20;

/// What R found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The node that it was read on.
    pub node: String,
    /// The objects by name, at most [`MAX_OBJECTS`].
    pub objects: Vec<RObject>,
    /// How many there are.
    pub total: u64,
}

/// Why R was stopped.
enum Stop {
    Ending(Ending),
    Because(String),
}

impl Tasks {
    /// Has R tell the objects of a file of R data, on any node that takes tasks which are waited for.
    ///
    /// # Errors
    /// [`TaskError::NoSlot`] when none was free in time, [`TaskError::NotData`] when R cannot read it, or not in time.
    pub async fn objects(self: &Arc<Self>, content: Vec<u8>, by: &str) -> Result<Found, TaskError> {
        let until = Instant::now() + SLOT;
        let turn = timeout(SLOT, Arc::clone(&self.objects).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(TaskError::NoSlot);
        };
        let user: Arc<str> = by.into();
        let need = Need {
            waited_for: true,
            ..Need::default()
        };
        let (shift, claim, under_way) = loop {
            {
                let state = self.lock();
                let Some(shift) = state.shift.clone() else {
                    return Err(self.not_active().into());
                };
                // Tasks that wait already go first.
                if !state.paused
                    && state.queue.is_empty()
                    && self.may_run(&user)
                    && let Some(claim) = self.grid.claim(&shift.duty, &need, OBJECT_NAMES)
                {
                    break (shift, claim, self.under_way(&user));
                }
            }
            if Instant::now() >= until {
                return Err(TaskError::NoSlot);
            }
            sleep(LOOK).await;
        };
        let (this, held) = (Arc::clone(self), Arc::clone(&shift));
        // On its own: a caller who goes away leaves no session behind.
        let reading = shift.attempts.spawn(async move {
            let found = this.read_objects(&held, claim, &content).await;
            drop((under_way, turn));
            found
        });
        match reading.await {
            Ok(found) => found,
            Err(_) => Err(TaskError::Conflict(
                "the reading was broken off; try again".to_owned(),
            )),
        }
    }

    async fn read_objects(
        self: &Arc<Self>,
        shift: &Arc<Shift>,
        claim: Claim,
        content: &[u8],
    ) -> Result<Found, TaskError> {
        let (claim, opened) = claim.into_session().await;
        let opened = opened?;
        // Nothing is evaluated in a session before it is on record.
        if let Some(row) = opened.unrecorded() {
            let rows = std::slice::from_ref(row);
            let recorded = self.store.open_sessions(&shift.duty.fence, rows).await;
            if let Err(error) = recorded {
                self.discard(shift, claim, opened);
                return Err(error.into());
            }
        }
        let mut session = opened.session;
        if !self.may_evaluate(shift).await {
            session.end().await;
            return Err(self.not_active().into());
        }
        let row = session.row().clone();
        let ran = tokio::select! {
            biased;
            ran = timeout(READ, evaluate(session.as_mut(), content)) => match ran {
                Ok(ran) => ran.map_err(|error| (None, TaskError::Node(error))),
                Err(_) => Err((None, too_slow())),
            },
            stop = stopped(shift, &claim) => Err(match stop {
                Stop::Ending(ending) => (Some(ending), self.not_active().into()),
                Stop::Because(why) => (None, TaskError::Conflict(why)),
            }),
        };
        let outcome = match ran {
            Ok(outcome) => outcome,
            Err((ending, error)) => {
                drop(session);
                match ending {
                    Some(Ending::Fenced) => self.kill_quietly(shift, &claim, &row).await,
                    _ => drop(claim.bury(row, true, KILL).await),
                }
                return Err(error);
            }
        };
        self.leave(shift, &claim, session, row).await;
        let node = claim.node().to_owned();
        drop(claim);
        found(node, outcome)
    }

    /// Ends a session that did its work, and forgets it.
    async fn leave(
        &self,
        shift: &Shift,
        claim: &Claim,
        session: Box<dyn Session>,
        row: SessionRow,
    ) {
        if session.end().await {
            // When this fails the row stays, and the next active server finds the session dead.
            let _ = self
                .store
                .close_sessions(&shift.duty.fence, &[row.id])
                .await;
        } else {
            claim.bury(row, true, KILL).await;
        }
    }
}

async fn evaluate(session: &mut dyn Session, content: &[u8]) -> Result<RunOutcome, SessionError> {
    session.put(FILE, content).await?;
    let request = RunRequest {
        code: CODE.to_owned(),
        file_name: "objects.R".to_owned(),
        inputs: BTreeMap::from([("file".to_owned(), FILE.into())]),
        outputs: vec!["total".to_owned(), "objects".to_owned()],
        max_output: 64 << 10,
        max_value: MAX_VALUE,
        ..RunRequest::default()
    };
    session.run(request, &mut |_| {}).await
}

/// Completes when nothing may run on.
async fn stopped(shift: &Shift, claim: &Claim) -> Stop {
    tokio::select! {
        why = shift.ended() => Stop::Ending(why),
        () = shift.interrupted() => Stop::Because("the server hands over; try again".to_owned()),
        why = claim.evicted() => Stop::Because(format!("its node is {why}; try again")),
    }
}

fn too_slow() -> TaskError {
    TaskError::NotData(format!(
        "R did not read it within {} s; run a script that loads it instead, with a time-out that fits",
        READ.as_secs()
    ))
}

/// What R answered, as far as it has the expected form: the file's code may have replaced what tells it.
fn found(node: String, outcome: RunOutcome) -> Result<Found, TaskError> {
    if let Some(error) = outcome.error {
        return Err(TaskError::NotData(format!("R says: {}", error.message)));
    }
    let strange = || TaskError::NotData("R's answer about it has not the expected form".to_owned());
    let listed = outcome.outputs.get("objects").and_then(Json::as_array);
    let objects = listed.ok_or_else(strange)?.iter().take(MAX_OBJECTS);
    let objects: Option<Vec<RObject>> = objects.map(object).collect();
    let objects = objects.ok_or_else(strange)?;
    let total = outcome.outputs.get("total").and_then(whole);
    let total = total.unwrap_or(0).max(objects.len() as u64);
    Ok(Found {
        node,
        objects,
        total,
    })
}

fn object(of: &Json) -> Option<RObject> {
    let text = |name: &str| {
        Some(
            of.get(name)?
                .as_str()?
                .chars()
                .take(400)
                .collect::<String>(),
        )
    };
    Some(RObject {
        name: text("name")?,
        class: text("class")?,
        shape: text("shape")?,
        size: whole(of.get("size")?)?,
        sum: text("sum")?,
    })
}

/// A number of R, whole and not below 0.
fn whole(number: &Json) -> Option<u64> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped
    let float = |number: f64| number.clamp(0.0, 9e15) as u64;
    number.as_u64().or_else(|| number.as_f64().map(float))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn answer(objects: Json) -> RunOutcome {
        RunOutcome {
            value: None,
            printed: String::new(),
            truncated: false,
            outputs: BTreeMap::from([
                ("total".to_owned(), json!(2000)),
                ("objects".to_owned(), objects),
            ]),
            error: None,
            plots: Vec::new(),
            files: Vec::new(),
            elapsed_ms: 1,
            renewed: false,
        }
    }

    #[test]
    fn what_the_file_made_of_the_answer_is_bounded_and_checked() {
        let one = |name: &str| json!({ "name": name, "class": "lm", "shape": "12", "size": 1.5, "sum": "" });
        let read = |objects| found("n1".to_owned(), answer(objects));
        let good = read(json!([one("fit")])).unwrap();
        assert_eq!((good.objects[0].size, good.total), (1, 2000));
        let many = read(Json::from(vec![one("x"); MAX_OBJECTS + 5])).unwrap();
        assert_eq!(many.objects.len(), MAX_OBJECTS);
        let long = read(json!([one(&"x".repeat(5_000))])).unwrap();
        assert_eq!(long.objects[0].name.len(), 400);
        for bad in [json!("x"), json!([1]), json!([{ "name": 1 }]), Json::Null] {
            assert!(matches!(read(bad), Err(TaskError::NotData(_))));
        }
        for size in [json!(-3), json!(1e300)] {
            let mut odd = one("x");
            odd["size"] = size;
            assert!(read(json!([odd])).is_ok());
        }
    }
}
