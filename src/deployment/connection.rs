//! One stream of changes for each server, kept open: read, resumed, tried again. Everything else stays alive while one is down.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::{AbortHandle, Either, abortable, poll_immediate, select};
use gloo_timers::future::TimeoutFuture;
use gridhelm_api::stream::Delta;
use gridhelm_client::{Client, Error};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::apply::apply;
use super::backoff::wait_s;
use super::state::{Connection, Deployment, Group, Server};
use crate::ui::clock::now;

/// A server that says nothing for so long is taken for lost: it ticks every second. Milliseconds.
const SILENCE: u32 = 4_000;
/// The whole is asked for again at most so often, milliseconds.
const ASK_AGAIN: f64 = 5_000.0;
/// How often a small request measures the way to a server, milliseconds.
const PING: u32 = 10_000;
/// The most changes held for the next frame; beyond it the stream is opened anew, with a snapshot.
const QUEUE: usize = 50_000;

/// Opens the streams of all servers of a group, from the start: each server sends all it knows.
pub(super) fn connect(deployment: &'static Deployment, group: &'static Group) {
    for index in 0..group.servers.len() {
        open(deployment, group, index);
    }
}

/// Ends the streams of a group.
pub(super) fn disconnect(group: &'static Group) {
    for server in &group.servers {
        server.replace_stream(None);
        server.connection.set(Connection::SignedOut);
    }
}

/// Opens the stream of one server from the start, ending the one that may be open.
pub(super) fn open(deployment: &'static Deployment, group: &'static Group, index: usize) {
    let server = &group.servers[index];
    let (work, handle) = abortable(run(deployment, group, index));
    server.replace_stream(Some(handle));
    spawn_local(async move {
        let _ = work.await;
    });
}

impl Server {
    fn replace_stream(&self, stream: Option<AbortHandle>) {
        let mut present = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = std::mem::replace(&mut *present, stream) {
            old.abort();
        }
    }
}

async fn run(deployment: &'static Deployment, group: &'static Group, index: usize) {
    let server = &group.servers[index];
    let mut failures = 0;
    let mut last_id = String::new();
    let mut down_since = None;
    if server
        .connection
        .with_untracked(|connection| *connection == Connection::SignedOut)
    {
        server.connection.set(Connection::Connecting);
    }
    loop {
        let outcome = follow(
            deployment,
            group,
            index,
            &mut last_id,
            &mut failures,
            &mut down_since,
        )
        .await;
        if let Err(error) = &outcome
            && error.ends_token()
        {
            super::session::end(group);
            return;
        }
        failures += 1;
        let wait = wait_s(failures);
        let since = *down_since.get_or_insert_with(now);
        let reason = outcome.err().map_or_else(
            || "the server ended the stream".to_owned(),
            |error| error.to_string(),
        );
        server.connection.set(Connection::Down {
            since,
            reason,
            retry_at: now() + f64::from(wait) * 1000.0,
        });
        TimeoutFuture::new(wait * 1000).await;
    }
}

/// Reads one stream to its end.
async fn follow(
    deployment: &'static Deployment,
    group: &'static Group,
    index: usize,
    last_id: &mut String,
    failures: &mut u32,
    down_since: &mut Option<f64>,
) -> Result<(), Error> {
    let server = &group.servers[index];
    let client = group.client_of(server);
    let mut stream = client.stream(Some(last_id.as_str())).await?;
    server.heard.set(Some(now()));
    server.connection.set(Connection::Live);
    *failures = 0;
    *down_since = None;
    loop {
        let mut next = Box::pin(stream.next_delta());
        // Many changes come in one piece: no timer is started for those that are here.
        let item = if let Some(item) = poll_immediate(&mut next).await {
            item
        } else {
            match select(next, TimeoutFuture::new(SILENCE)).await {
                Either::Left((item, _)) => item,
                Either::Right(_) => {
                    return Err(Error::TimedOut {
                        url: server.url.clone(),
                        seconds: SILENCE / 1000,
                    });
                }
            }
        };
        match item {
            None => return Ok(()),
            Some(Err(error)) => return Err(error),
            Some(Ok((id, delta))) => {
                if !id.is_empty() {
                    *last_id = id;
                }
                enqueue(deployment, group, index, delta);
            }
        }
    }
}

/// Holds a change until the next frame.
fn enqueue(deployment: &'static Deployment, group: &'static Group, index: usize, delta: Delta) {
    if deployment.paused.with_untracked(Option::is_some) {
        // Held back changes are not hoarded: on resuming, each server sends all it knows.
        return;
    }
    let first = {
        let mut queue = group.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.len() >= QUEUE {
            queue.clear();
            drop(queue);
            return open(deployment, group, index);
        }
        queue.push((index, delta));
        queue.len() == 1
    };
    if first {
        let batch = group.batches.load(Ordering::Relaxed);
        request_animation_frame(move || flush(deployment, group, batch));
        // A page in the background gets no frames.
        set_timeout(
            move || flush(deployment, group, batch),
            Duration::from_millis(250),
        );
    }
}

/// Applies what is held, if this batch of it was not applied yet: later changes wait for their own frame.
fn flush(deployment: &'static Deployment, group: &'static Group, batch: u64) {
    let held = &group.batches;
    if held
        .compare_exchange(batch, batch + 1, Ordering::Relaxed, Ordering::Relaxed)
        .is_err()
    {
        return;
    }
    let changes = std::mem::take(&mut *group.queue.lock().unwrap_or_else(PoisonError::into_inner));
    if changes.is_empty() {
        return;
    }
    let now = now();
    for (index, server) in group.servers.iter().enumerate() {
        if changes.iter().any(|(from, _)| *from == index) {
            server.heard.set(Some(now));
        }
    }
    if let Some(index) = apply(group, changes) {
        ask_again(deployment, group, index, now);
    }
}

/// Asks a server for all it knows, as a change of its nodes did not fit what is known here; not again and again.
fn ask_again(deployment: &'static Deployment, group: &'static Group, index: usize, now: f64) {
    {
        let mut asked = group.servers[index]
            .asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if asked.is_some_and(|at| now - at < ASK_AGAIN) {
            return;
        }
        *asked = Some(now);
    }
    open(deployment, group, index);
}

/// Holds changes back, or lets them come again.
pub(super) fn pause(deployment: &'static Deployment, on: bool) {
    if on {
        deployment.paused.set(Some(now()));
        return;
    }
    deployment.paused.set(None);
    for group in deployment
        .groups
        .iter()
        .filter(|group| group.session.with_untracked(Option::is_some))
    {
        connect(deployment, group);
    }
}

/// Measures the way to every server, now and then, while the page is seen.
pub(super) fn measure(deployment: &'static Deployment) {
    for server in deployment.groups.iter().flat_map(|group| &group.servers) {
        spawn_local(async move {
            loop {
                let live = server
                    .connection
                    .with_untracked(|connection| *connection == Connection::Live);
                if !live || document().hidden() {
                    TimeoutFuture::new(500).await;
                    continue;
                }
                let start = now();
                let answered = Client::new(server.url.as_str()).server().await.is_ok();
                server.round_trip.set(answered.then(|| now() - start));
                TimeoutFuture::new(PING).await;
            }
        });
    }
}
