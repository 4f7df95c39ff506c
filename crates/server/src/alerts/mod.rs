//! Alerts: rules are looked at every second on the active server, what they find opens and ends alerts, and a webhook is told.
//!
//! What decides is in [`look`], [`engine`] and [`message`], functions of values. Alerts and the messages about them are committed in one
//! fenced transaction; a message is sent from the database until it is taken or given up, by whoever is active then: a switch loses none,
//! and one that was sent right before it may come twice, under the same id.

mod engine;
mod hook;
mod look;
mod message;
mod target;

pub(crate) use hook::Hook;
pub(crate) use look::Glance;

use crate::clock;
use crate::config::AlertsConfig;
use crate::grid::Grid;
use crate::group::Standing;
use crate::hub::Hub;
use crate::store::{EventDraft, Fence, Notes, Result as StoreResult, Store, StoreError};
use crate::tasks::Tasks;
use engine::{Change, Engine};
use gridhelm_api::Millis;
use gridhelm_api::alert::{Alert, AlertRules, Alerts, Delivery, Said, Silence, Telling};
use gridhelm_api::event::{Severity, Topic};
use gridhelm_api::stream::Delta;
use hook::Sender;
use look::{GRID, Scene};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, Notify, watch};
use tokio_util::sync::CancellationToken;

/// How often the rules are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How many alerts that ended are shown.
const ENDED: u32 = 100;
/// How many messages are sent in one go before it is looked again.
const AT_ONCE: u32 = 10;

/// Under which name the rules are kept.
pub(crate) const RULES: &str = "alert_rules";
/// Under which name silences are kept.
pub(crate) const SILENCES: &str = "alert_silences";
/// Under which name the webhook is kept.
pub(crate) const WEBHOOK: &str = "alert_webhook";

/// The silences, as they are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Silences {
    #[serde(default)]
    pub(crate) version: i64,
    #[serde(default)]
    pub(crate) silences: Vec<Silence>,
}

/// What the keeper is made of.
pub(crate) struct AlertParts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) hub: Hub,
    pub(crate) grid: Arc<Grid>,
    pub(crate) tasks: Arc<Tasks>,
    pub(crate) standing: watch::Receiver<Standing>,
    pub(crate) config: AlertsConfig,
    pub(crate) group: String,
    pub(crate) server: String,
}

/// Keeps the group's alerts while its server is active.
pub struct AlertKeeper {
    parts: AlertParts,
    sender: Sender,
    started: Instant,
    state: Mutex<State>,
    /// A message is due, perhaps.
    due: Notify,
}

/// What a duty knows.
#[derive(Default)]
struct State {
    /// Under which it was read; `None`: not on duty.
    fence: Option<Fence>,
    engine: Engine,
    rules: AlertRules,
    silences: Silences,
    hook: Hook,
    /// What could not be written yet.
    unwritten: Vec<Change>,
}

/// Reads a setting; what cannot be read is as if it was never set.
pub(crate) async fn setting<T: DeserializeOwned + Default>(
    store: &dyn Store,
    name: &'static str,
) -> StoreResult<T> {
    let text = store.setting(name).await?;
    Ok(text
        .and_then(|text| match serde_json::from_str(&text) {
            Ok(value) => Some(value),
            Err(error) => {
                tracing::error!(name, %error, "a setting cannot be read");
                None
            }
        })
        .unwrap_or_default())
}

impl AlertKeeper {
    /// Of a server, not on duty yet.
    pub(crate) fn new(parts: AlertParts) -> Arc<Self> {
        let sender = Sender {
            config: parts.config.clone(),
            group: parts.group.clone(),
            server: parts.server.clone(),
        };
        Arc::new(Self {
            parts,
            sender,
            started: Instant::now(),
            state: Mutex::default(),
            due: Notify::new(),
        })
    }

    /// Looks and sends until the server stops.
    pub(crate) async fn keep(self: Arc<Self>, stopping: CancellationToken) {
        let sending = Arc::clone(&self).keep_sending();
        let looking = async {
            let mut ticks = tokio::time::interval(LOOK);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                self.turn().await;
            }
        };
        tokio::select! {
            () = stopping.cancelled() => {}
            () = looking => {}
            () = sending => {}
        }
    }

    /// One look.
    async fn turn(&self) {
        let Ok(fence) = self.parts.standing.borrow().fence() else {
            let mut state = self.state.lock().await;
            if state.fence.is_some() {
                *state = State::default();
            }
            return;
        };
        let mut state = self.state.lock().await;
        if state.fence.as_ref() != Some(&fence) {
            match self.begin(&fence).await {
                Ok(begun) => *state = begun,
                Err(error) => {
                    tracing::debug!(%error, "alerts cannot be read yet");
                    return;
                }
            }
        }
        let Some(nodes) = self.parts.grid.glance() else {
            return;
        };
        let scene = Scene {
            nodes,
            queued: self.parts.tasks.in_flight().queued as u64,
        };
        let now = clock::now();
        let State {
            engine,
            rules,
            silences,
            ..
        } = &mut *state;
        let findings = look::look(&rules.rules, &scene);
        let ticks = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let id = || crate::ids::alert_id(now).ok();
        let changes = engine.step(findings, &rules.rules, &silences.silences, ticks, now, id);
        state.unwritten.extend(changes);
        self.write(&mut state, &fence).await;
    }

    async fn begin(&self, fence: &Fence) -> StoreResult<State> {
        let store = &*self.parts.store;
        Ok(State {
            fence: Some(fence.clone()),
            engine: Engine::with(store.alerts(0).await?),
            rules: setting(store, RULES).await?,
            silences: setting(store, SILENCES).await?,
            hook: setting(store, WEBHOOK).await?,
            unwritten: Vec::new(),
        })
    }

    /// Writes what is to be written; what cannot be written now stays for the next turn.
    async fn write(&self, state: &mut State, fence: &Fence) {
        if state.unwritten.is_empty() {
            return;
        }
        let now = clock::now();
        let alerts: Vec<Alert> = state.unwritten.iter().map(|c| c.alert.clone()).collect();
        let on = state.hook.is_on();
        let deliveries: Vec<Delivery> = state
            .unwritten
            .iter()
            .filter(|change| on && change.notify)
            .filter_map(|change| delivery(change.telling, &change.alert, now))
            .collect();
        let events = state.unwritten.iter().map(|c| self.event(c)).collect();
        let notes = Notes {
            events,
            audit: Vec::new(),
        };
        let store = &self.parts.store;
        match store.put_alerts(fence, &alerts, &deliveries, notes).await {
            Ok(events) => {
                state.unwritten.clear();
                for event in events {
                    self.parts.hub.publish(&Delta::Event(event));
                }
                if !deliveries.is_empty() {
                    self.due.notify_one();
                }
            }
            Err(StoreError::Fenced { .. }) => state.unwritten.clear(),
            Err(error) => tracing::warn!(%error, "alerts wait for the database"),
        }
    }

    fn event(&self, change: &Change) -> EventDraft {
        let alert = &change.alert;
        let (severity, kind, words) = match change.telling {
            Telling::Resolved => (Severity::Good, "alert.resolved", "alert is over"),
            _ => (alert.severity, "alert.opened", "alert"),
        };
        EventDraft {
            severity,
            topic: Topic::Grid,
            kind,
            subject: alert.subject.clone(),
            message: format!("{words} ({}): {}", alert.rule, alert.message),
            actor: self.parts.server.clone(),
        }
    }

    // ---- what people do ------------------------------------------------------------------------

    /// What is open, what ended and what is silenced.
    pub(crate) async fn all(&self) -> StoreResult<Alerts> {
        let store = &*self.parts.store;
        let now = clock::now();
        let stored = store.alerts(ENDED).await?;
        let (mut open, ended): (Vec<Alert>, Vec<Alert>) = stored
            .into_iter()
            .partition(|alert| alert.resolved_at.is_none());
        let state = self.state.lock().await;
        if state.fence.is_some() {
            // As they were last seen, not as they were when they opened.
            open = state.engine.open();
        }
        drop(state);
        let mut silences = setting::<Silences>(store, SILENCES).await?.silences;
        silences.retain(|silence| now < silence.until);
        Ok(Alerts {
            at: now,
            open,
            ended,
            silences,
        })
    }

    /// Writes down who looks after an alert; `None`: none of that id is open.
    pub(crate) async fn acknowledge(
        &self,
        fence: &Fence,
        id: &str,
        said: Said,
        notes: impl FnOnce(&Alert) -> Notes,
    ) -> StoreResult<Option<Alert>> {
        let mut state = self.state.lock().await;
        let Some(mut alert) = state.engine.open_alert(id) else {
            return Ok(None);
        };
        alert.acknowledged = Some(said.clone());
        let notes = notes(&alert);
        let one = std::slice::from_ref(&alert);
        let events = self.parts.store.put_alerts(fence, one, &[], notes).await?;
        state.engine.acknowledge(id, said);
        drop(state);
        for event in events {
            self.parts.hub.publish(&Delta::Event(event));
        }
        Ok(Some(alert))
    }

    /// Takes settings that were changed.
    pub(crate) async fn reread(&self) -> StoreResult<()> {
        let store = &*self.parts.store;
        let (rules, silences) = (
            setting(store, RULES).await?,
            setting(store, SILENCES).await?,
        );
        let hook = setting(store, WEBHOOK).await?;
        let mut state = self.state.lock().await;
        state.rules = rules;
        state.silences = silences;
        state.hook = hook;
        drop(state);
        self.due.notify_one();
        Ok(())
    }

    /// Whether messages may be sent to that address.
    pub(crate) async fn check_url(&self, url: &str) -> Result<(), String> {
        self.sender.check(url).await
    }

    /// Tries the webhook out, once and at once; what became of it is not kept.
    pub(crate) async fn try_out(&self, hook: &Hook, by: &str) -> Result<Delivery, String> {
        let now = clock::now();
        let alert = Alert {
            id: crate::ids::alert_id(now).map_err(|error| error.to_string())?,
            rule: "test".to_owned(),
            kind: gridhelm_api::alert::AlertKind::SlotsBelow,
            severity: Severity::Info,
            subject: GRID.to_owned(),
            message: format!("{by} tries the webhook out; nothing is wrong"),
            opened_at: now,
            resolved_at: None,
            acknowledged: None,
            silenced: false,
        };
        let delivery = delivery(Telling::Test, &alert, now)
            .ok_or_else(|| "the system gives no random numbers".to_owned())?;
        let outcome = self.sender.send(hook, &delivery).await;
        let mut after = message::after(delivery, outcome, clock::now());
        after.due_at = None;
        Ok(after)
    }

    // ---- messages ------------------------------------------------------------------------------

    async fn keep_sending(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = self.due.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
            if let Err(error) = self.send_due().await {
                tracing::debug!(%error, "messages wait for the database");
            }
        }
    }

    /// Sends what is due, one after the other.
    async fn send_due(&self) -> StoreResult<()> {
        let (fence, hook) = {
            let state = self.state.lock().await;
            match &state.fence {
                Some(fence) if state.hook.is_on() => (fence.clone(), state.hook.clone()),
                _ => return Ok(()),
            }
        };
        let store = &self.parts.store;
        for due in store.due_deliveries(clock::now(), AT_ONCE).await? {
            // Looked at right before each: only the active server sends.
            if self.parts.standing.borrow().fence().ok().as_ref() != Some(&fence) {
                return Ok(());
            }
            let outcome = self.sender.send(&hook, &due).await;
            let after = message::after(due, outcome, clock::now());
            let notes = self.after_words(&after);
            for event in store.put_delivery(&fence, &after, notes).await? {
                self.parts.hub.publish(&Delta::Event(event));
            }
        }
        Ok(())
    }

    /// An event when a message is given up.
    fn after_words(&self, delivery: &Delivery) -> Notes {
        let why = delivery.trouble.as_deref().unwrap_or_default();
        if delivery.due_at.is_some() || delivery.taken_at.is_some() {
            tracing::debug!(delivery = delivery.id, why, "a message was sent, or waits");
            return Notes::default();
        }
        tracing::warn!(delivery = delivery.id, why, "a message was given up");
        Notes::event(EventDraft {
            severity: Severity::Warn,
            topic: Topic::Grid,
            kind: "alert.undelivered",
            subject: delivery.alert.subject.clone(),
            message: format!(
                "the webhook was not told of {} after {} tries: {why}",
                delivery.alert.rule, delivery.tries
            ),
            actor: self.parts.server.clone(),
        })
    }
}

/// A message to be; `None` when the system gives no random numbers.
fn delivery(telling: Telling, alert: &Alert, now: Millis) -> Option<Delivery> {
    Some(Delivery {
        id: crate::ids::delivery_id(now).ok()?,
        telling,
        alert: alert.clone(),
        made_at: now,
        due_at: Some(now),
        tries: 0,
        taken_at: None,
        trouble: None,
    })
}
