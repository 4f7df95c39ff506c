//! Who gets patches ends with the same picture as who gets whole nodes, whatever was lost on the way.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::hub::{Published, Telling, WholeStream};
use gridhelm_api::node::{Health, Intent, Slot, SlotState};
use gridhelm_api::patch::Names;
use gridhelm_client::Parser;
use proptest::prelude::*;
use tokio::sync::broadcast::Receiver;

const NOW: Millis = 1_795_000_000_000;

fn node(name: &str) -> Node {
    let json = serde_json::json!({
        "name": name, "host": "127.0.0.1", "port": 6311, "slot_limit": 2, "operating_type": "mixed", "intent": "enabled",
        "intent_since": 0, "version": 1, "created_at": 0,
    });
    let mut node: Node = serde_json::from_value(json).unwrap();
    node.slots = vec![Slot::default(); 2];
    node
}

/// What happens to the grid and to those who look at it.
#[derive(Debug, Clone)]
enum Step {
    Beat(usize, i64, f64, f64),
    Slot(usize, usize, SlotState, Option<i64>),
    Probe(usize, i64),
    Health(usize, Health),
    Intent(usize, Intent),
    Slots(usize, usize),
    Remove(usize),
    /// What changed is published.
    Tell,
    /// A client reads so many messages, and loses its connection with all others.
    Break(usize, usize),
    /// One comes back: behind what it had, or from the start.
    Back(usize, bool),
}

const NODES: usize = 4;

fn steps() -> impl Strategy<Value = Step> {
    let state = prop::sample::select(vec![SlotState::Idle, SlotState::Busy, SlotState::Zombie]);
    let health = prop::sample::select(vec![Health::Healthy, Health::Unreachable]);
    let intent = prop::sample::select(vec![Intent::Enabled, Intent::Draining]);
    prop_oneof![
        4 => (0..NODES, 0_i64..9_000, 0.0..2.0, 0.0..1.0).prop_map(|(n, at, load, memory)| Step::Beat(n, at, load, memory)),
        4 => (0..NODES, 0_usize..2, state, proptest::option::of(1_i64..99)).prop_map(|(n, place, state, pid)| Step::Slot(n, place, state, pid)),
        1 => (0..NODES, 0_i64..9_000).prop_map(|(n, at)| Step::Probe(n, at)),
        1 => (0..NODES, health).prop_map(|(n, health)| Step::Health(n, health)),
        1 => (0..NODES, intent).prop_map(|(n, intent)| Step::Intent(n, intent)),
        1 => (0..NODES, 0_usize..4).prop_map(|(n, slots)| Step::Slots(n, slots)),
        1 => (0..NODES).prop_map(Step::Remove),
        6 => Just(Step::Tell),
        2 => (0_usize..2, 0_usize..6).prop_map(|(client, read)| Step::Break(client, read)),
        2 => (0_usize..2, any::<bool>()).prop_map(|(client, anew)| Step::Back(client, anew)),
    ]
}

/// What a client missed, what comes, and its count among those who get whole nodes.
type Coming = (
    Vec<Arc<Published>>,
    Receiver<Arc<Published>>,
    Option<WholeStream>,
);

/// One who looks at a stream.
struct Client {
    telling: Telling,
    coming: Option<Coming>,
    parser: Parser,
    last: Option<u64>,
    names: Names,
    nodes: BTreeMap<String, Node>,
}

impl Client {
    fn new(telling: Telling) -> Self {
        Self {
            telling,
            coming: None,
            parser: Parser::new(),
            last: None,
            names: Names::default(),
            nodes: BTreeMap::new(),
        }
    }

    fn connect(&mut self, hub: &Hub, shown: &Shown, anew: bool) {
        if self.coming.is_some() {
            return;
        }
        let whole = (self.telling == Telling::Whole).then(|| hub.count_whole());
        let last = self.last.filter(|_| !anew);
        let resumed = last.and_then(|last| hub.resume(last, self.telling));
        let subscription = resumed.unwrap_or_else(|| {
            let (sequence, subscription) = hub.subscribe();
            let nodes = shown.nodes().into_iter();
            self.nodes = nodes.map(|node| (node.name.clone(), node)).collect();
            self.names = Names::default();
            self.names.learn(shown.names().names).unwrap();
            self.last = Some(sequence);
            subscription
        });
        self.coming = Some((subscription.missed, subscription.coming, whole));
    }

    fn read(&mut self, most: usize) {
        let Some((missed, mut coming, whole)) = self.coming.take() else {
            return;
        };
        let mut messages = Vec::new();
        let later = std::iter::from_fn(|| coming.try_recv().ok());
        let mine = missed
            .into_iter()
            .chain(later)
            .filter(|one| one.is_for(self.telling));
        for published in mine.take(most) {
            self.parser.push(&published.frame, &mut messages).unwrap();
        }
        for message in messages {
            if let Some((_, sequence)) = message.id.split_once(':') {
                self.last = Some(sequence.parse().unwrap());
            }
            match (message.event.as_str(), self.telling) {
                ("patch", Telling::Patches) => {
                    let mut patch: Patch = serde_json::from_str(&message.data).unwrap();
                    self.names.learn(std::mem::take(&mut patch.names)).unwrap();
                    let (names, nodes) = (&self.names, &mut self.nodes);
                    let apply = |number, change: Change| {
                        let node = nodes.get_mut(names.get(number).unwrap()).unwrap();
                        change.apply(node).unwrap();
                    };
                    patch.each(apply).unwrap();
                }
                _ => match serde_json::from_str(&message.data).unwrap() {
                    Delta::Node(node) => drop(self.nodes.insert(node.name.clone(), *node)),
                    Delta::NodeRemoved { name } => drop(self.nodes.remove(&name)),
                    other => panic!("{other:?}"),
                },
            }
        }
        self.coming = Some((Vec::new(), coming, whole));
    }
}

fn live_at(live: &mut BTreeMap<usize, Node>, n: usize) -> &mut Node {
    live.entry(n).or_insert_with(|| node(&format!("r{n}")))
}

fn happens(
    step: Step,
    live: &mut BTreeMap<usize, Node>,
    shown: &mut Shown,
    hub: &Hub,
    clients: &mut [Client],
) {
    match step {
        Step::Beat(n, at_ms, load, memory) => {
            let node = live_at(live, n);
            node.last_heartbeat = Some(NOW + at_ms);
            node.heartbeat_ms = Some(load + memory);
            (node.load, node.memory_used) = (Some(load), Some(memory));
        }
        Step::Slot(n, place, state, pid) => {
            if let Some(slot) = live_at(live, n).slots.get_mut(place) {
                slot.task = (state == SlotState::Busy).then(|| "t-1".to_owned());
                slot.held_by = (state == SlotState::Zombie).then(|| "east-2, epoch 1".to_owned());
                (slot.state, slot.pid, slot.since) = (state, pid, NOW);
            }
        }
        Step::Probe(n, at_ms) => {
            live_at(live, n).facts = Some(NodeFacts {
                memory_available: 12_345_678,
                clock_offset_ms: at_ms - 4_500,
                at: NOW + at_ms,
                ..NodeFacts::default()
            });
        }
        Step::Health(n, health) => live_at(live, n).health = health,
        Step::Intent(n, intent) => live_at(live, n).intent = intent,
        Step::Slots(n, slots) => live_at(live, n).slots.resize(slots, Slot::default()),
        Step::Remove(n) => {
            if let Some(node) = live.remove(&n) {
                shown.nodes.remove(&node.name);
                hub.publish(&Delta::NodeRemoved { name: node.name });
            }
        }
        Step::Tell => tell(live, shown, hub),
        Step::Break(client, read) => {
            clients[client].read(read);
            clients[client].coming = None;
            clients[client].parser = Parser::new();
        }
        Step::Back(client, anew) => clients[client].connect(hub, shown, anew),
    }
}

fn tell(live: &BTreeMap<usize, Node>, shown: &mut Shown, hub: &Hub) {
    let mut news = News::default();
    for node in live.values() {
        shown.take(node.clone(), &mut news);
    }
    news.publish(hub, NOW + 9_000);
}

proptest! {
    #[test]
    fn all_end_with_the_same_picture(steps in prop::collection::vec(steps(), 0..80)) {
        let hub = Hub::new("b0");
        let (mut live, mut shown) = (BTreeMap::new(), Shown::default());
        let mut clients = [Client::new(Telling::Patches), Client::new(Telling::Whole)];
        for step in steps {
            happens(step, &mut live, &mut shown, &hub, &mut clients);
        }
        tell(&live, &mut shown, &hub);
        let told: BTreeMap<_, _> = shown.nodes().into_iter().map(|node| (node.name.clone(), node)).collect();
        prop_assert_eq!(told.len(), live.len());
        for client in &mut clients {
            client.connect(&hub, &shown, false);
            client.read(usize::MAX);
            prop_assert_eq!(&client.nodes, &told);
        }
        // What was told is what is, but for the steps in which it is told.
        for node in live.values() {
            let told = &told[&node.name];
            let near = |told: Option<f64>, now: Option<f64>, step: f64| match (told, now) {
                (Some(told), Some(now)) => (told - now).abs() <= step,
                (told, now) => told == now,
            };
            prop_assert!(near(told.load, node.load, LOAD_STEP + 0.006));
            prop_assert!(near(told.memory_used, node.memory_used, MEMORY_STEP + 0.000_6));
            prop_assert_eq!(&told.slots, &node.slots);
            prop_assert_eq!((told.health, told.intent), (node.health, node.intent));
        }
    }
}

#[test]
fn an_idle_grid_costs_a_few_bytes_a_node() {
    const ALL: usize = 1_000;
    let hub = Hub::new("0123456789abcdef");
    let mut shown = Shown::default();
    let mut news = News::default();
    let mut nodes: Vec<Node> = (0..ALL).map(|n| node(&format!("east-r{n:04}"))).collect();
    for node in &nodes {
        shown.take(node.clone(), &mut news);
    }
    news.publish(&hub, NOW);
    let (_, mut sub) = hub.subscribe();
    // Ten seconds: half of the nodes answer in each, with a little more or less load and memory.
    for second in 1..=10_i64 {
        let mut news = News::default();
        for (n, node) in nodes.iter_mut().enumerate() {
            if n % 2 == usize::from(second % 2 == 0) {
                let wobble = f64::from(
                    u32::try_from((n * 7 + usize::try_from(second).unwrap() * 3) % 10).unwrap(),
                );
                node.last_heartbeat = Some(NOW + second * 1_000 - 37);
                node.heartbeat_ms = Some(0.3 + wobble / 50.0);
                node.load = Some(0.01 + wobble / 1_000.0);
                node.memory_used = Some(0.4 + wobble / 5_000.0);
                shown.take(node.clone(), &mut news);
            }
        }
        news.publish(&hub, NOW + second * 1_000);
    }
    let bytes: usize = std::iter::from_fn(|| sub.coming.try_recv().ok())
        .map(|published| published.frame.len())
        .sum();
    let each = bytes / ALL / 10;
    assert!(each <= 4, "{each} bytes a node and second, {bytes} in all");
}

#[test]
fn what_wobbles_is_told_again_when_it_is_another_or_was_probed() {
    let mut before = node("r1");
    before.load = Some(0.5);
    before.memory_used = Some(0.4);
    before.heartbeat_ms = Some(1.0);
    let told = coarse(None, before.clone());
    let now = |load, memory, took| Node {
        load: Some(load),
        memory_used: Some(memory),
        heartbeat_ms: Some(took),
        ..before.clone()
    };
    assert_eq!(coarse(Some(&told), now(0.51, 0.404, 1.4)), told);
    let other = coarse(Some(&told), now(0.524, 0.406, 1.51));
    assert_eq!(
        (other.load, other.memory_used, other.heartbeat_ms),
        (Some(0.52), Some(0.406), Some(1.51))
    );
    // A slow one may wobble by more.
    let slow = coarse(None, now(0.5, 0.4, 40.0));
    assert_eq!(
        coarse(Some(&slow), now(0.5, 0.4, 49.0)).heartbeat_ms,
        Some(40.0)
    );
    let probed = Node {
        facts: Some(NodeFacts::default()),
        ..now(0.51, 0.404, 1.4)
    };
    let probed = coarse(Some(&told), probed);
    assert_eq!((probed.load, probed.memory_used), (Some(0.51), Some(0.404)));
}
