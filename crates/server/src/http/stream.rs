//! `GET /events` as a stream of server-sent events.
//!
//! A stream first subscribes and then takes its snapshot, so that nothing falls between them; a delta
//! that the snapshot already shows may come once more, which changes nothing. A client that resumes gets
//! what it missed. One that lags more than the hub keeps gets a fresh snapshot instead. A server that
//! becomes active, or stops being it, sends a fresh snapshot: another picture belongs to another role. Who asks for it is told of nodes by
//! patches (decision 073).
//!
//! Snapshots cost; after a fail-over many clients come at once. So one is built at a time, and shared for
//! a moment together with the deltas since.

use super::Http;
use super::caller::Caller;
use super::limits::{Place, Places, of_address};
use super::refusal::{Answer, Refusal};
use crate::accounts::Claims;
use crate::config::Limits;
use crate::group::Standing;
use crate::hub::{Published, Subscription, Telling, WholeStream, frame};
use crate::store::{EventFilter, StoreError};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use gridhelm_api::Code;
use gridhelm_api::group::{GroupStats, ServerRole};
use gridhelm_api::node::Node;
use gridhelm_api::patch::Patch;
use gridhelm_api::stream::{Delta, Snapshot};
use gridhelm_api::task::{Task, TaskState};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{OwnedSemaphorePermit, watch};

/// Streams at the same time.
pub(crate) const STREAMS: usize = 2000;
/// Final tasks and events in a snapshot.
const LATEST: u32 = 200;
/// How long a snapshot is shared.
const SHARED: Duration = Duration::from_millis(300);
/// Ready deltas are sent together up to this many bytes.
const TOGETHER: usize = 64 << 10;
/// With many streams open, each waits so long for every other one before it sends again: a write that goes out two
/// thousand times must not come again before it is out. The longest wait is [`SLOWEST`].
const FOR_EACH: Duration = Duration::from_micros(25);
/// Up to so many streams nothing waits.
const FEW: usize = 200;
/// The longest that a delta waits to go out together with the next ones.
const SLOWEST: Duration = Duration::from_millis(45);
/// How often a token is looked at again.
const LOOK: Duration = Duration::from_secs(1);

/// A snapshot that is being shared.
pub(crate) struct Shared {
    made: Instant,
    role: ServerRole,
    epoch: i64,
    sequence: u64,
    frame: Bytes,
    /// The numbers by which patches name the nodes.
    names: Bytes,
}

/// How many streams one caller may have.
pub(crate) struct Bounds {
    addresses: Places<Option<IpAddr>>,
    users: Places<String>,
}

/// One stream's places.
type Held = (Option<Place<Option<IpAddr>>>, Place<String>);

impl Bounds {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            addresses: Places::new(limits.streams_per_address),
            users: Places::new(limits.streams_per_user),
        }
    }

    fn take(&self, caller: &Caller, user: &str) -> Answer<Held> {
        let full = |whose: &str, most: usize| {
            let text = format!(
                "{most} event streams of {whose} are open at this server, which is the most. Close some, or share one."
            );
            Refusal::new(Code::TooManyRequests, text).retry_after(Duration::from_secs(5))
        };
        let address = if caller.counted {
            let place = self.addresses.take(&of_address(caller.address));
            Some(place.ok_or_else(|| full("this address", self.addresses.most()))?)
        } else {
            None
        };
        let of_user = self.users.take(&user.to_owned());
        Ok((
            address,
            of_user.ok_or_else(|| full(user, self.users.most()))?,
        ))
    }
}

/// Opens a stream.
pub(crate) async fn open(
    http: Arc<Http>,
    claims: Claims,
    caller: &Caller,
    headers: &HeaderMap,
    telling: Telling,
) -> Answer<Response> {
    let held = http.streams_of.take(caller, &claims.sub)?;
    let permit = Arc::clone(&http.streams).try_acquire_owned().map_err(|_| {
        let text = format!("{STREAMS} streams are open at this server, which is its limit.");
        Refusal::new(Code::QueueFull, text).retry_after(Duration::from_secs(5))
    })?;
    let last = headers
        .get("last-event-id")
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.split_once(':'))
        .filter(|(boot, _)| *boot == http.app.hub.boot())
        .and_then(|(_, sequence)| sequence.parse().ok());
    let mut standing = http.app.standing.clone();
    let working = works(&standing.borrow_and_update());
    let mut client = Client {
        ready: VecDeque::from([Bytes::from_static(b": gridhelm\nretry: 1000\n\n")]),
        coming: None,
        sent: 0,
        working,
        lags: false,
        looked: Instant::now(),
        emptied: None,
        standing,
        claims,
        telling,
        _whole: (telling == Telling::Whole).then(|| http.app.hub.count_whole()),
        http,
        _permits: (permit, held),
    };
    let resumed = last.and_then(|after| Some((after, client.http.app.hub.resume(after, telling)?)));
    match resumed {
        Some((after, subscription)) => client.follow(after, subscription),
        None => client.snapshot().await?,
    }
    let stream = futures_util::stream::unfold(client, |mut client| async move {
        let bytes = client.next().await?;
        Some((Ok::<_, Infallible>(bytes), client))
    });
    let mut response = Response::new(Body::from_stream(stream));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies of the nginx family hold a stream back without this.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// Whether a server shows nodes and tasks.
fn works(standing: &Standing) -> bool {
    matches!(
        standing.status.role,
        ServerRole::Active | ServerRole::Leaving
    )
}

struct Client {
    http: Arc<Http>,
    claims: Claims,
    standing: watch::Receiver<Standing>,
    working: bool,
    ready: VecDeque<Bytes>,
    coming: Option<Receiver<Arc<Published>>>,
    /// The last number that was sent.
    sent: u64,
    /// It lags more than is kept and needs a snapshot.
    lags: bool,
    looked: Instant,
    /// When it sent all that was ready; none while there is more.
    emptied: Option<Instant>,
    telling: Telling,
    _whole: Option<WholeStream>,
    _permits: (OwnedSemaphorePermit, Held),
}

impl Client {
    fn follow(&mut self, after: u64, subscription: Subscription) {
        self.sent = after;
        for published in &subscription.missed {
            self.sent = published.sequence.unwrap_or(self.sent);
            // Only what is for this stream was missed.
            self.ready.push_back(published.frame.clone());
        }
        self.coming = Some(subscription.coming);
    }

    async fn snapshot(&mut self) -> Answer<()> {
        let (sequence, frame, names, subscription) = snapshot(&self.http, self.telling).await?;
        self.working = works(&self.standing.borrow_and_update());
        self.lags = false;
        self.ready.push_back(frame);
        if self.telling == Telling::Patches {
            self.ready.push_back(names);
        }
        self.follow(sequence, subscription);
        Ok(())
    }

    /// The next bytes to send; `None` ends the stream.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.looked.elapsed() >= LOOK {
                self.looked = Instant::now();
                self.http.app.accounts.still_valid(&self.claims).ok()?;
            }
            self.pause().await?;
            self.gather();
            if self.lags {
                self.ready.clear();
                self.snapshot().await.ok()?;
            }
            if let Some(bytes) = self.take_ready() {
                self.emptied = self.ready.is_empty().then(Instant::now);
                return Some(bytes);
            }
            let coming = self.coming.as_mut()?;
            tokio::select! {
                biased;
                () = self.http.app.stopping.cancelled() => return None,
                changed = self.standing.changed() => {
                    changed.ok()?;
                    let works = works(&self.standing.borrow_and_update());
                    if works != self.working {
                        self.snapshot().await.ok()?;
                    }
                }
                published = coming.recv() => match published {
                    Ok(published) => self.take(&published),
                    Err(RecvError::Lagged(_)) => self.lags = true,
                    Err(RecvError::Closed) => return None,
                },
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Waits for company, where many streams are open; `None` when the server stops.
    async fn pause(&mut self) -> Option<()> {
        let since = self.emptied.map_or(SLOWEST, |at| at.elapsed());
        let wait = pause(self.http.app.hub.listeners()).saturating_sub(since);
        if wait.is_zero() {
            return Some(());
        }
        tokio::select! {
            () = self.http.app.stopping.cancelled() => None,
            () = tokio::time::sleep(wait) => Some(()),
        }
    }

    fn take(&mut self, published: &Published) {
        match published.sequence {
            Some(sequence) if sequence <= self.sent => return,
            Some(sequence) => self.sent = sequence,
            None => {}
        }
        if published.is_for(self.telling) {
            self.ready.push_back(published.frame.clone());
        }
    }

    /// Takes what has come already.
    fn gather(&mut self) {
        while self.ready.len() < 256 && !self.lags {
            match self.coming.as_mut().map(Receiver::try_recv) {
                Some(Ok(published)) => self.take(&published),
                Some(Err(TryRecvError::Lagged(_))) => self.lags = true,
                _ => break,
            }
        }
    }

    /// What is ready, together as far as it is small.
    fn take_ready(&mut self) -> Option<Bytes> {
        let first = self.ready.pop_front()?;
        if self.ready.is_empty() || first.len() >= TOGETHER {
            return Some(first);
        }
        let all = first.len() + self.ready.iter().map(Bytes::len).sum::<usize>();
        let mut together = Vec::with_capacity(all.min(TOGETHER));
        together.extend_from_slice(&first);
        while let Some(next) = self.ready.front() {
            if together.len() + next.len() > TOGETHER {
                break;
            }
            together.extend_from_slice(next);
            self.ready.pop_front();
        }
        Some(together.into())
    }
}

/// How far apart a stream sends, with so many open.
fn pause(listeners: usize) -> Duration {
    let many = u32::try_from(listeners.saturating_sub(FEW)).unwrap_or(u32::MAX);
    FOR_EACH.saturating_mul(many).min(SLOWEST)
}

/// A snapshot's frame with its number, the names of its nodes for patches, and what follows it.
async fn snapshot(http: &Http, telling: Telling) -> Answer<(u64, Bytes, Bytes, Subscription)> {
    let mut shared = http.snapshot.lock().await;
    let (role, epoch) = {
        let standing = http.app.standing.borrow();
        (standing.status.role, standing.status.epoch)
    };
    if let Some(s) = shared
        .as_ref()
        .filter(|s| s.made.elapsed() < SHARED && s.role == role && s.epoch == epoch)
        && let Some(subscription) = http.app.hub.resume(s.sequence, telling)
    {
        return Ok((s.sequence, s.frame.clone(), s.names.clone(), subscription));
    }
    *shared = None;
    let (nodes, names, (sequence, subscription)) = match http.app.grid.told() {
        Some((nodes, names, since)) => (Some(nodes), names, since),
        None => (None, Patch::default(), http.app.hub.subscribe()),
    };
    let delta = Delta::Snapshot(Box::new(take(http, nodes).await?));
    let unwritten = |error: serde_json::Error| {
        tracing::error!(%error, "a snapshot cannot be written as JSON");
        Refusal::new(Code::Internal, "The snapshot cannot be written.")
    };
    let json = serde_json::to_string(&delta).map_err(unwritten)?;
    let names = serde_json::to_string(&names).map_err(unwritten)?;
    let names = frame(None, "patch", &names);
    let id = Some((http.app.hub.boot(), sequence));
    let frame = frame(id, delta.name(), &json);
    *shared = Some(Shared {
        made: Instant::now(),
        role,
        epoch,
        sequence,
        frame: frame.clone(),
        names: names.clone(),
    });
    Ok((sequence, frame, names, subscription))
}

/// The picture, with these nodes as the streams were told of them.
async fn take(http: &Http, told: Option<Vec<Node>>) -> Result<Snapshot, StoreError> {
    let app = &http.app;
    let standing = app.standing.borrow().clone();
    let filter = EventFilter {
        limit: LATEST,
        ..EventFilter::default()
    };
    if works(&standing) {
        app.tasks.set_files(app.store.count_files().await?);
    }
    let (nodes, tasks) = if works(&standing) {
        let nodes = match told {
            Some(nodes) => nodes,
            None => app.grid.nodes().await?,
        };
        (nodes, latest_tasks(http).await?)
    } else {
        (Vec::new(), Vec::new())
    };
    let switch = match app.keeper.current_switch() {
        Some(switch) => Some(switch),
        None => app.store.switches(1).await?.pop(),
    };
    Ok(Snapshot {
        group: app.keeper.group().await?,
        nodes,
        tasks,
        events: app.store.events(&filter).await?.items,
        stats: stats(http).unwrap_or_default(),
        switch,
        server: standing.status,
    })
}

/// Tasks that are not final, and the latest final ones, newest first.
async fn latest_tasks(http: &Http) -> Result<Vec<Task>, StoreError> {
    let open = [TaskState::Queued, TaskState::Running, TaskState::Uncertain];
    let store = &http.app.store;
    let mut tasks = store.tasks(&open, None, LATEST).await?.items;
    let latest = store.tasks(&[], None, LATEST).await?.items;
    tasks.extend(latest.into_iter().filter(|t| t.state.is_final()));
    tasks.sort_by(|a, b| b.id.cmp(&a.id));
    Ok(tasks)
}

fn stats(http: &Http) -> Option<GroupStats> {
    works(&http.app.standing.borrow()).then(|| http.app.tasks.stats())
}

/// How often the files are counted, and all counts told whether they changed or not, seconds.
const COUNT_EVERY: u64 = 5;

/// Tells every stream a sign of life each second.
pub(crate) async fn tick(http: Arc<Http>) {
    let mut interval = tokio::time::interval(Duration::from_secs(1));
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told = None;
    for second in 1_u64.. {
        tokio::select! {
            () = http.app.stopping.cancelled() => return,
            _ = interval.tick() => {}
        }
        if http.app.hub.listeners() > 0 {
            if second.is_multiple_of(COUNT_EVERY) && works(&http.app.standing.borrow()) {
                // Not counted is no matter: the last number stays.
                if let Ok(files) = http.app.store.count_files().await {
                    http.app.tasks.set_files(files);
                }
            }
            let tick = |stats| Delta::Tick {
                at: crate::clock::now(),
                stats,
            };
            let now = stats(&http);
            if now == told && !second.is_multiple_of(COUNT_EVERY) {
                // Who gets patches is not told again what has not changed.
                http.app
                    .hub
                    .publish_passing(&tick(None), Some(Telling::Patches));
                http.app
                    .hub
                    .publish_passing(&tick(now), Some(Telling::Whole));
            } else {
                http.app.hub.publish_passing(&tick(now.clone()), None);
                told = now;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_streams_send_at_once_and_many_wait_a_moment() {
        assert_eq!(pause(0), Duration::ZERO);
        assert_eq!(pause(FEW), Duration::ZERO);
        assert_eq!(pause(FEW + 400), Duration::from_millis(10));
        assert_eq!(pause(STREAMS), SLOWEST);
        assert_eq!(pause(usize::MAX), SLOWEST);
    }
}
