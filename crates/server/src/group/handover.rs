//! The steps of a switchover as its leader, the active server that hands over, takes them.
//!
//! What makes it safe is the store: the lease is released under the leader's own fence, and the successor
//! takes exactly the epoch that was released. All calls between the two servers only make it fast.

use super::keeper::Keeper;
use super::peer::TakeOrder;
use super::preflight::tasks;
use super::role::Taking;
use super::switch::Lead;
use super::{Taken, record};
use crate::store::{Fence, Notes, StoreError};
use gridhelm_api::event::Severity;
use gridhelm_api::group::{Member, ServerRole};
use gridhelm_api::switch::{AfterDrain, Drain, SwitchRecord};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the number of tasks that still run is looked at.
const NOTE_EVERY: Duration = Duration::from_millis(250);
/// How long interrupted tasks may take to end: two seconds for the code, then the kill of its session.
const INTERRUPTED: Duration = Duration::from_secs(15);
/// How long the successor may take to answer that it knows of the switch.
const PREPARE: Duration = Duration::from_secs(2);
/// How long new requests wait for the duties to be laid down: as long as ending idle sessions usually takes. What is not done
/// then goes on beside the switch, and the successor's epoch fences it off.
const LAY_DOWN: Duration = Duration::from_millis(60);
/// How long the successor has to take the active role; then the leader takes it back.
const TAKE: Duration = Duration::from_secs(3);
/// How often the leader looks whether the successor took it.
const LOOK: Duration = Duration::from_millis(20);
/// How long the new active server may take to say that it is.
const VERIFY: Duration = Duration::from_secs(5);

impl Keeper {
    pub(super) async fn run_planned(
        self: Arc<Self>,
        lead: Lead,
        mut record: SwitchRecord,
        to: Member,
        drain: Drain,
    ) {
        let began = Instant::now();
        let result = self.hand_over(&mut record, &to, drain).await;
        let called_off = self.state().called_off.clone();
        let (severity, message) = match &result {
            Ok(()) => {
                self.look_after(&mut record, &to.url, began).await;
                record::finish(&mut record);
                let gap = record.gap_ms.unwrap_or_default();
                (
                    Severity::Good,
                    format!("{} is active, no server worked for {gap} ms", record.to),
                )
            }
            Err(why) => {
                match called_off {
                    Some(_) => record::cancel(&mut record, why.clone()),
                    None => record::fail(&mut record, why.clone()),
                }
                (Severity::Warn, format!("called off: {why}"))
            }
        };
        let kind = if result.is_ok() {
            "switch.done"
        } else {
            "switch.failed"
        };
        let event = Self::event(severity, kind, &record.id, message, &record.by);
        let notes = Notes::event(event);
        self.keep_record(&record, notes).await;
        drop(lead);
    }

    /// The steps from the drain on. An error says why the switch was called off.
    async fn hand_over(
        self: &Arc<Self>,
        record: &mut SwitchRecord,
        to: &Member,
        drain: Drain,
    ) -> Result<(), String> {
        let fence = self
            .state()
            .held
            .as_ref()
            .map(|h| h.fence.clone())
            .ok_or("this server lost the active role")?;
        if let Err(why) = self.drain(record, &fence, drain).await {
            self.parts.duties.resume().await;
            return Err(why);
        }
        let order = |record: &SwitchRecord, released| TakeOrder {
            switch: record.clone(),
            released,
        };
        {
            let mut state = self.state();
            state.past_return = state.called_off.is_none();
        }
        if let Err(why) = self.not_called_off() {
            self.parts.duties.resume().await;
            return Err(why);
        }
        record::begin(record, "park", format!("{} gets ready", to.name));
        let prepared = self
            .peers
            .order(&to.url, &order(record, None), PREPARE)
            .await;
        if let Err(why) = prepared {
            self.parts.duties.resume().await;
            return Err(format!("{} does not get ready: {why}", to.name));
        }
        // From here to the successor's answer no server works: nothing is stored that is not needed.
        let stopped = Instant::now();
        let turn = Arc::clone(&self.turn).lock_owned().await;
        self.park(true);
        record::done(record, "park", "new requests wait, at most 2 s");
        record::begin(record, "release", "");
        self.show(record);
        if let Err(why) = self.release(&fence, &to.name).await {
            self.park(false);
            return Err(why);
        }
        record::done(record, "release", format!("epoch {} released", fence.epoch));
        record::begin(record, "take", format!("{} takes over", to.name));
        self.show(record);
        let taken = self
            .await_successor(to, order(record, Some(fence.epoch)))
            .await;
        let epoch = match taken {
            Ok(epoch) => epoch,
            Err(why) => {
                let back = self.take_back(&fence, &why, &to.name).await;
                self.park(false);
                drop(turn);
                return Err(back);
            }
        };
        let gap = stopped.elapsed();
        self.park(false);
        drop(turn);
        record.gap_ms = i64::try_from(gap.as_millis()).ok();
        record.epoch_after = Some(epoch);
        record::done(record, "take", format!("{} took epoch {epoch}", to.name));
        record::begin(record, "verify", "");
        self.show(record);
        self.verify(record, to, epoch).await
    }

    /// Waits until no task runs, and interrupts those that do at the end if that was asked for.
    async fn drain(
        &self,
        record: &mut SwitchRecord,
        fence: &Fence,
        drain: Drain,
    ) -> Result<(), String> {
        let within = Duration::from_secs(u64::from(drain.within_s));
        let mut left = self.wait_for_tasks(record, fence, within).await?;
        if left > 0 && drain.then == AfterDrain::Interrupt {
            record::begin(record, "drain", format!("interrupting {}", tasks(left)));
            self.show(record);
            self.parts.duties.interrupt();
            left = self.wait_for_tasks(record, fence, INTERRUPTED).await?;
        }
        if left > 0 {
            return Err(format!(
                "{} still ran after {} s; nothing was changed. End them, or allow more time",
                tasks(left),
                within.as_secs()
            ));
        }
        record::done(record, "drain", "no task runs");
        self.not_called_off()
    }

    fn not_called_off(&self) -> Result<(), String> {
        match &self.state().called_off {
            Some(by) => Err(format!("called off by {by}; nothing was changed")),
            None => Ok(()),
        }
    }

    /// Waits until no task runs, and says how many still do; answers how many are left then.
    async fn wait_for_tasks(
        &self,
        record: &mut SwitchRecord,
        fence: &Fence,
        within: Duration,
    ) -> Result<usize, String> {
        let note = |running: usize| match running {
            0 => "no task runs".to_owned(),
            n => format!("{} left", tasks(n)),
        };
        let mut last = note(self.parts.duties.in_flight().running);
        record::begin(record, "drain", last.clone());
        self.keep_record(record, Notes::default()).await;
        let mut drained = self.parts.duties.drain(within);
        let ended = loop {
            tokio::select! {
                ended = &mut drained => break ended,
                () = tokio::time::sleep(NOTE_EVERY) => {
                    if self.state().held.as_ref().is_none_or(|h| h.fence != *fence) {
                        return Err("this server lost the active role while it waited".into());
                    }
                    self.not_called_off()?;
                    let now = note(self.parts.duties.in_flight().running);
                    if now != last {
                        last = now;
                        record::begin(record, "drain", last.clone());
                        self.show(record);
                    }
                }
            }
        };
        drop(drained);
        Ok(ended.err().unwrap_or_default())
    }

    /// New requests wait from now on, or do not any more.
    fn park(&self, parking: bool) {
        {
            let mut state = self.state();
            state.parking = parking;
            state.role = match (parking, state.held.is_some()) {
                (true, _) => ServerRole::Leaving,
                (false, true) => ServerRole::Active,
                (false, false) => ServerRole::Standby,
            };
        }
        self.tell();
    }

    /// Lays the duties down and releases the lease. When that fails this server is active as before.
    async fn release(self: &Arc<Self>, fence: &Fence, to: &str) -> Result<(), String> {
        let duties = Arc::clone(&self.parts.duties);
        let mut laying = tokio::spawn(async move { duties.lay_down(false).await });
        if tokio::time::timeout(LAY_DOWN, &mut laying).await.is_err() {
            tracing::debug!(
                "the duties are still being laid down after {LAY_DOWN:?}; the switch goes on"
            );
        }
        match self.parts.store.release_lease(fence, Some(to)).await {
            Ok(()) => {
                let mut state = self.state();
                state.held = None;
                state.lock = None;
                if let Some(row) = &mut state.row {
                    row.released = true;
                    row.successor = Some(to.to_owned());
                }
                drop(state);
                self.tell();
                Ok(())
            }
            Err(StoreError::Fenced { epoch, owner }) => {
                self.lose(fence, epoch, owner.as_deref());
                Err(format!("another server holds epoch {epoch}"))
            }
            Err(error) => {
                self.parts.duties.take_up(fence.clone()).await;
                Err(format!("the lease could not be released: {error}"))
            }
        }
    }

    /// Tells the successor to take over and waits until it has: by its answer, or by the epoch's row.
    async fn await_successor(&self, to: &Member, order: TakeOrder) -> Result<i64, String> {
        let released = order.released.unwrap_or_default();
        let deadline = tokio::time::Instant::now() + TAKE;
        let mut answer = Box::pin(self.peers.order(&to.url, &order, TAKE));
        let mut answered = None;
        let mut seen = None;
        loop {
            tokio::select! {
                said = &mut answer, if answered.is_none() => match said {
                    Ok(Taken { epoch, active: true }) => {
                        self.learn(epoch).await;
                        return Ok(epoch);
                    }
                    Ok(Taken { epoch, .. }) => answered = Some(format!("{} did not take over; it sees epoch {epoch}", to.name)),
                    Err(why) => answered = Some(why),
                },
                () = tokio::time::sleep(LOOK) => {
                    if self.learn(released).await {
                        seen.get_or_insert_with(Instant::now);
                    }
                    // It has the epoch; its answer may be lost, its duties may still be on their way.
                    if let Some(at) = seen
                        && (answered.is_some() || at.elapsed() > Duration::from_millis(500))
                    {
                        let epoch = self.state().row.as_ref().map(|r| r.epoch);
                        return Ok(epoch.unwrap_or(released + 1));
                    }
                }
                () = tokio::time::sleep_until(deadline) => {
                    let why = answered.unwrap_or_else(|| format!("{} did not answer", to.name));
                    return Err(why);
                }
            }
        }
    }

    /// Reads the epoch's row; whether it is beyond `released`.
    async fn learn(&self, released: i64) -> bool {
        let Ok(row) = self.parts.store.epoch().await else {
            return false;
        };
        let beyond = row.epoch > released;
        self.state().row = Some(row);
        beyond
    }

    /// The successor did not take over: this server takes the active role back under a new epoch. Answers what
    /// came of it. The caller holds the turn.
    async fn take_back(&self, fence: &Fence, why: &str, to: &str) -> String {
        let taking = Taking {
            seen: fence.epoch.into(),
            by: self.parts.me.server.clone(),
            reason: format!("{to} did not take over"),
            severity: Severity::Warn,
            audit: None,
        };
        match self.take(&taking).await {
            Ok(epoch) => format!(
                "{why}. {} took the active role back under epoch {epoch}",
                self.parts.me.server
            ),
            Err(StoreError::Fenced { epoch, owner }) => format!(
                "{} took epoch {epoch} at the last moment, after {why}",
                owner.as_deref().unwrap_or(to)
            ),
            Err(error) => format!(
                "{why}, and the active role could not be taken back: {error}. Fail over by hand"
            ),
        }
    }

    async fn verify(
        &self,
        record: &mut SwitchRecord,
        to: &Member,
        epoch: i64,
    ) -> Result<(), String> {
        let deadline = Instant::now() + VERIFY;
        loop {
            let why = match self.peers.status(&to.url, VERIFY).await {
                Ok((status, took))
                    if status.role == ServerRole::Active && status.epoch >= epoch =>
                {
                    let me = self.status();
                    record::done(
                        record,
                        "verify",
                        format!(
                            "{} answers as active under epoch {} in {:.1} ms; {} stands by",
                            to.name,
                            status.epoch,
                            took.as_secs_f64() * 1_000.0,
                            me.name
                        ),
                    );
                    return Ok(());
                }
                Ok((status, _)) => format!("it answers as {:?}", status.role).to_lowercase(),
                Err(why) => why,
            };
            if Instant::now() >= deadline {
                return Err(format!(
                    "{} took epoch {epoch} but is not active: {why}. Look at its log; fail over by hand",
                    to.name
                ));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
