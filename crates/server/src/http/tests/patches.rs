//! Patches of nodes on the event stream, beside whole nodes, of a real R at work.

use super::stream::{Stream, open_at};
use super::tasks::with_node;
use super::*;
use gridhelm_api::node::{Node, SlotState};
use gridhelm_api::patch::{Change, Names, Patch};
use gridhelm_api::stream::Snapshot;
use gridhelm_client::Message;
use std::collections::BTreeMap;
use std::time::Instant;

const PATCHES: &str = "/api/v1/events?patches=1";
const WHOLE: &str = "/api/v1/events";

/// One who follows a stream as a console does.
struct Follower {
    path: &'static str,
    stream: Stream,
    last: String,
    names: Names,
    nodes: BTreeMap<String, Node>,
    /// Messages by name.
    seen: BTreeMap<String, usize>,
}

impl Follower {
    async fn begin(api: &Api, path: &'static str) -> Self {
        let mut follower = Self {
            path,
            stream: open_at(api, path, "").await,
            last: String::new(),
            names: Names::default(),
            nodes: BTreeMap::new(),
            seen: BTreeMap::new(),
        };
        follower.until(|follower| !follower.seen.is_empty()).await;
        follower
    }

    /// Its connection breaks, and it goes on behind what it had.
    async fn resume(&mut self, api: &Api) {
        self.stream = open_at(api, self.path, &self.last).await;
    }

    async fn until(&mut self, holds: impl Fn(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(Instant::now() < end, "{:?}", self.nodes);
            let message = self.stream.next().await.unwrap();
            self.take(message);
        }
    }

    fn take(&mut self, message: Message) {
        fn data<T: serde::de::DeserializeOwned>(text: &str) -> T {
            let mut value: Value = serde_json::from_str(text).unwrap();
            serde_json::from_value(value["data"].take()).unwrap()
        }
        self.last = message.id;
        match message.event.as_str() {
            "snapshot" => {
                let snapshot: Snapshot = data(&message.data);
                let nodes = snapshot.nodes.into_iter();
                self.nodes = nodes.map(|node| (node.name.clone(), node)).collect();
            }
            "node" => {
                let node: Node = data(&message.data);
                self.nodes.insert(node.name.clone(), node);
            }
            "node_removed" => {
                let value: Value = data(&message.data);
                self.nodes.remove(value["name"].as_str().unwrap());
            }
            "patch" => {
                let mut patch: Patch = serde_json::from_str(&message.data).unwrap();
                self.names.learn(std::mem::take(&mut patch.names)).unwrap();
                let (names, nodes) = (&self.names, &mut self.nodes);
                let apply = |number, change: Change| {
                    let node = nodes.get_mut(names.get(number).unwrap()).unwrap();
                    change.apply(node).unwrap();
                };
                patch.each(apply).unwrap();
            }
            _ => {}
        }
        *self.seen.entry(message.event).or_default() += 1;
    }

    fn times(&self, name: &str) -> usize {
        self.seen.get(name).copied().unwrap_or_default()
    }
}

#[tokio::test]
async fn who_gets_patches_sees_what_others_see() {
    let server = Server::start().await;
    let api = server.role("operator").await;
    let _node = with_node(&api).await;
    let mut patched = Follower::begin(&api, PATCHES).await;
    let mut whole = Follower::begin(&api, WHOLE).await;
    let mut unknown = Follower::begin(&api, "/api/v1/events?patches=99").await;
    let run = json!({ "source": { "code": { "code": "Sys.sleep(0.3)" } } });
    for _ in 0..4 {
        let made = api.post("/api/v1/tasks", run.clone()).await;
        assert_eq!(made.status, 202, "{}", made.text);
        let busy = |follower: &Follower| {
            let slots = &follower.nodes["n1"].slots;
            slots
                .iter()
                .any(|slot| slot.state == SlotState::Busy && slot.task.is_some())
        };
        patched.until(busy).await;
        patched.resume(&api).await;
    }
    // Nothing runs any more, sessions are open ahead again, and each has seen heartbeats since.
    let rests = |follower: &Follower| {
        let slots = &follower.nodes["n1"].slots;
        slots.iter().all(|slot| slot.state == SlotState::Idle)
            && slots.iter().filter(|slot| slot.pid.is_some()).count() == 2
    };
    patched.until(rests).await;
    let first = patched.nodes["n1"].last_heartbeat;
    patched
        .until(|follower| follower.nodes["n1"].last_heartbeat > first)
        .await;
    let wanted = patched.nodes["n1"].clone();
    // What differs from one heartbeat to the next, at the others' last one, is not compared.
    let of_slots = |follower: &Follower| {
        rests(follower) && follower.nodes["n1"].last_heartbeat >= wanted.last_heartbeat
    };
    whole.until(of_slots).await;
    unknown.until(of_slots).await;
    for other in [&whole, &unknown] {
        let other = &other.nodes["n1"];
        assert_eq!(other.slots, wanted.slots);
        assert_eq!((other.health, &other.host), (wanted.health, &wanted.host));
        assert!(other.load.is_some() && wanted.load.is_some());
    }
    assert!(
        patched.times("patch") > 4 && patched.times("snapshot") == 1,
        "{:?}",
        patched.seen
    );
    assert_eq!((whole.times("patch"), unknown.times("patch")), (0, 0));
    assert!(whole.times("node") > 4, "{:?}", whole.seen);

    // What patches cannot tell comes whole, and a removal as ever.
    let version = api.get("/api/v1/nodes/n1").await.json["version"]
        .as_i64()
        .unwrap();
    let edit = json!({ "slot_limit": 1 });
    let edited = api
        .at(version, Method::PATCH, "/api/v1/nodes/n1", edit)
        .await;
    assert_eq!(edited.status, 200, "{}", edited.text);
    patched
        .until(|follower| follower.nodes["n1"].slots.len() == 1)
        .await;
    let version = edited.json["version"].as_i64().unwrap();
    let out = json!({ "intent": "disabled", "reason": "to be removed", "override_guard": true });
    let path = "/api/v1/nodes/n1/intent";
    let out = api.at(version, Method::POST, path, out).await;
    assert_eq!(out.status, 200, "{}", out.text);
    let version = out.json["version"].as_i64().unwrap();
    let path = "/api/v1/nodes/n1";
    let removed = api.at(version, Method::DELETE, path, json!({})).await;
    assert_eq!(removed.status, 204, "{}", removed.text);
    patched.until(|follower| follower.nodes.is_empty()).await;
    server.stop().await;
}

/// An id that is too old brings a snapshot, and with it the names anew.
#[tokio::test]
async fn a_snapshot_brings_the_names() {
    let server = Server::start().await;
    let api = server.admin().await;
    // A living one: its heartbeats are told by patches, again and again.
    let _node = with_node(&api).await;
    let mut follower = Follower::begin(&api, PATCHES).await;
    follower.until(|follower| follower.times("patch") > 0).await;
    assert_eq!(follower.names.get(1), Some("n1"));
    follower.last = "another:1".to_owned();
    follower.names = Names::default();
    follower.resume(&api).await;
    follower
        .until(|follower| follower.times("snapshot") == 2 && follower.names.get(1).is_some())
        .await;
    server.stop().await;
}
