//! What changed of nodes, named field by field: what an event stream tells instead of whole nodes to who asks for it.
//!
//! A client asks for it by `GET /events?patches=1`; 1 is the [`VERSION`] of what follows. To others, nodes travel whole. The message is
//! named `patch` and its data is the [`Patch`] itself, without the wrapper of other deltas. Nodes are named by numbers of this server's
//! process, which it tells with a snapshot and with each new node ([`Patch::names`]). All values are absolute: a patch that comes twice, or
//! after a snapshot that shows more, is made good by those behind it. What a patch cannot tell comes as a whole node. A client that cannot
//! apply one asks for the whole again, by a stream without `Last-Event-ID`.

use crate::Millis;
use crate::node::{Node, Slot, SlotState};
use serde::ser::SerializeTuple;
use serde::{Deserialize, Serialize, Serializer};

/// The version of patches.
pub const VERSION: u32 = 1;
/// Times of heartbeats and probes are told in tenths of a second.
pub const TENTH: Millis = 100;
/// Memory and disk are told in MiB.
pub const MIB: u64 = 1 << 20;
/// No number of a node is greater.
const MOST: i64 = 1_000_000;

/// What changed of some nodes.
///
/// The lists of numbers are flat: for each node, in order of their numbers, how far its number is from the one before it in the same list
/// (the first: from 0), and then its values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Patch {
    /// What its times are counted back from; a whole tenth of a second.
    pub at: Millis,
    /// Nodes that are named by a number from here on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<(u32, String)>,
    /// When nodes last answered: tenths of a second before `at`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beats: Vec<i64>,
    /// How long their last heartbeat took: hundredths of a millisecond.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub took: Vec<i64>,
    /// Their load per core: hundredths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub load: Vec<i64>,
    /// Their share of memory in use: thousandths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub memory: Vec<i64>,
    /// Tries that failed in a row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<i64>,
    /// What changes from probe to probe, four values each: memory available and free disk in MiB, the clock's offset in milliseconds, and
    /// when it was read, tenths of a second before `at`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<i64>,
    /// Slots, in order of their nodes' numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(
        all(feature = "schema", not(target_arch = "wasm32")),
        schema(value_type = Vec<Vec<serde_json::Value>>)
    )]
    pub slots: Vec<SlotPatch>,
}

/// One slot as it is now: the node's number, the slot's place from 0, its state, and since when, milliseconds before the patch's `at`; then,
/// as far as there is any, the process, the task and who holds it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SlotPatch(
    u32,
    u32,
    SlotState,
    i64,
    #[serde(default)] Option<i64>,
    #[serde(default)] Option<String>,
    #[serde(default)] Option<String>,
);

impl Serialize for SlotPatch {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self(node, place, state, since, pid, task, held_by) = self;
        let optional = match (pid, task, held_by) {
            (_, _, Some(_)) => 3,
            (_, Some(_), None) => 2,
            (Some(_), None, None) => 1,
            (None, None, None) => 0,
        };
        let mut tuple = to.serialize_tuple(4 + optional)?;
        tuple.serialize_element(node)?;
        tuple.serialize_element(place)?;
        tuple.serialize_element(state)?;
        tuple.serialize_element(since)?;
        if optional > 0 {
            tuple.serialize_element(pid)?;
        }
        if optional > 1 {
            tuple.serialize_element(task)?;
        }
        if optional > 2 {
            tuple.serialize_element(held_by)?;
        }
        tuple.end()
    }
}

/// What changed of one node.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Change {
    beat: Option<Millis>,
    took: Option<i64>,
    load: Option<i64>,
    memory: Option<i64>,
    failures: Option<u32>,
    facts: Option<[i64; 4]>,
    slots: Vec<(u32, Slot)>,
}

/// A patch that does not fit what the client has: it needs the whole again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Misfit;

#[allow(
    clippy::cast_possible_truncation,
    reason = "what is out of range is told as a whole node"
)]
fn parts(value: f64, of_one: f64) -> i64 {
    (value * of_one).round() as i64
}

fn whole(parts: i64, of_one: f64) -> f64 {
    parts as f64 / of_one
}

/// A share or a time as patches tell it: rounded to one of so many parts.
pub fn rounded(value: f64, of_one: f64) -> f64 {
    whole(parts(value, of_one), of_one)
}

/// Parts of one in which a load, and the milliseconds of a heartbeat, are told.
pub const HUNDRED: f64 = 100.0;
/// Parts of one in which a share of memory is told.
pub const THOUSAND: f64 = 1_000.0;

impl Change {
    /// What makes `after` of `before`; `None` when only the whole node tells that.
    pub fn between(before: &Node, after: &Node) -> Option<Self> {
        let changed = |before: Option<f64>, after: Option<f64>, of_one| {
            let after = after.filter(|_| before != after);
            after.map(|value| parts(value, of_one))
        };
        let facts = match (&before.facts, &after.facts) {
            (Some(before), Some(after)) if before != after => Some([
                i64::try_from(after.memory_available / MIB).ok()?,
                i64::try_from(after.disk_free / MIB).ok()?,
                after.clock_offset_ms,
                after.at,
            ]),
            _ => None,
        };
        let slots = (0_u32..).zip(before.slots.iter().zip(&after.slots));
        let change = Self {
            beat: after
                .last_heartbeat
                .filter(|_| before.last_heartbeat != after.last_heartbeat),
            took: changed(before.heartbeat_ms, after.heartbeat_ms, HUNDRED),
            load: changed(before.load, after.load, HUNDRED),
            memory: changed(before.memory_used, after.memory_used, THOUSAND),
            failures: (before.failures != after.failures).then_some(after.failures),
            facts,
            slots: slots
                .filter(|(_, (before, after))| before != after)
                .map(|(place, (_, after))| (place, after.clone()))
                .collect(),
        };
        let on_the_tenth = |at: Millis| at.rem_euclid(TENTH) == 0;
        let told = change.beat.is_none_or(on_the_tenth)
            && change.facts.is_none_or(|facts| on_the_tenth(facts[3]));
        // What a slot's stall is known by travels with the whole node.
        if change.slots.iter().any(|(_, slot)| slot.stall.is_some()) {
            return None;
        }
        // Tried out: a field of which nothing is known here makes it a whole node.
        let mut tried = before.clone();
        (told && change.apply(&mut tried) == Ok(()) && tried == *after).then_some(change)
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// How many things changed: a heartbeat with all that it brings is one, each slot is one.
    pub fn count(&self) -> usize {
        let beat = Self {
            slots: Vec::new(),
            ..self.clone()
        };
        usize::from(!beat.is_empty()) + self.slots.len()
    }

    /// Makes it so.
    ///
    /// # Errors
    /// When the node has no such slot or was never probed; then it may be half done.
    pub fn apply(&self, node: &mut Node) -> Result<(), Misfit> {
        node.last_heartbeat = self.beat.or(node.last_heartbeat);
        let value = |parts: Option<i64>, of_one| parts.map(|parts| whole(parts, of_one));
        node.heartbeat_ms = value(self.took, HUNDRED).or(node.heartbeat_ms);
        node.load = value(self.load, HUNDRED).or(node.load);
        node.memory_used = value(self.memory, THOUSAND).or(node.memory_used);
        node.failures = self.failures.unwrap_or(node.failures);
        if let Some([memory, disk, offset, at]) = self.facts {
            let facts = node.facts.as_mut().ok_or(Misfit)?;
            let bytes = |mib: i64| u64::try_from(mib).map(|mib| mib.saturating_mul(MIB));
            facts.memory_available = bytes(memory).map_err(|_| Misfit)?;
            facts.disk_free = bytes(disk).map_err(|_| Misfit)?;
            facts.clock_offset_ms = offset;
            facts.at = at;
        }
        for (place, slot) in &self.slots {
            let present = node.slots.get_mut(*place as usize).ok_or(Misfit)?;
            present.clone_from(slot);
        }
        Ok(())
    }
}

impl Patch {
    /// These changes, made at this time. They are in order of the nodes' numbers, each number once.
    pub fn of(now: Millis, changes: &[(u32, Change)]) -> Self {
        let at = now - now.rem_euclid(TENTH);
        let tenths = |time: Millis| (at - time) / TENTH;
        let column = |values: &dyn Fn(&Change) -> Option<Vec<i64>>| {
            let (mut flat, mut last) = (Vec::new(), 0);
            for (number, change) in changes {
                if let Some(values) = values(change) {
                    flat.push(i64::from(*number) - last);
                    flat.extend(values);
                    last = i64::from(*number);
                }
            }
            flat
        };
        Self {
            at,
            names: Vec::new(),
            beats: column(&|change| Some(vec![tenths(change.beat?)])),
            took: column(&|change| Some(vec![change.took?])),
            load: column(&|change| Some(vec![change.load?])),
            memory: column(&|change| Some(vec![change.memory?])),
            failures: column(&|change| Some(vec![change.failures?.into()])),
            facts: column(&|change| {
                let [memory, disk, offset, time] = change.facts?;
                Some(vec![memory, disk, offset, tenths(time)])
            }),
            slots: changes
                .iter()
                .flat_map(|(number, change)| {
                    change.slots.iter().map(|(place, slot)| {
                        SlotPatch(
                            *number,
                            *place,
                            slot.state,
                            at - slot.since,
                            slot.pid,
                            slot.task.clone(),
                            slot.held_by.clone(),
                        )
                    })
                })
                .collect(),
        }
    }

    /// Gives each node's change, in order of the numbers.
    ///
    /// # Errors
    /// When it is not well formed; what was given until then stands.
    pub fn each(self, mut change_of: impl FnMut(u32, Change)) -> Result<(), Misfit> {
        let mut beats = Column::new(&self.beats);
        let mut took = Column::new(&self.took);
        let mut load = Column::new(&self.load);
        let mut memory = Column::new(&self.memory);
        let mut failures = Column::new(&self.failures);
        let mut facts = Column::new(&self.facts);
        let mut slots = self.slots.into_iter().peekable();
        let before = |tenths: i64| self.at.saturating_sub(tenths.saturating_mul(TENTH));
        loop {
            let heads = [
                beats.head(),
                took.head(),
                load.head(),
                memory.head(),
                failures.head(),
                facts.head(),
                slots.peek().map(|slot| i64::from(slot.0)),
            ];
            let Some(number) = heads.into_iter().flatten().min() else {
                return Ok(());
            };
            let mut change = Change {
                beat: beats.take(number)?.map(|[tenths]| before(tenths)),
                took: took.take(number)?.map(|[value]| value),
                load: load.take(number)?.map(|[value]| value),
                memory: memory.take(number)?.map(|[value]| value),
                failures: match failures.take(number)? {
                    Some([count]) => Some(u32::try_from(count).map_err(|_| Misfit)?),
                    None => None,
                },
                facts: facts
                    .take(number)?
                    .map(|[memory, disk, offset, tenths]| [memory, disk, offset, before(tenths)]),
                slots: Vec::new(),
            };
            while let Some(slot) = slots.next_if(|slot| i64::from(slot.0) == number) {
                let SlotPatch(_, place, state, since, pid, task, held_by) = slot;
                let since = self.at.saturating_sub(since);
                change.slots.push((
                    place,
                    Slot {
                        state,
                        task,
                        pid,
                        held_by,
                        since,
                        stall: None,
                    },
                ));
            }
            if !(1..=MOST).contains(&number) {
                return Err(Misfit);
            }
            change_of(u32::try_from(number).map_err(|_| Misfit)?, change);
        }
    }
}

/// A flat list of numbers that is read node by node.
struct Column<'a> {
    rest: &'a [i64],
    last: i64,
}

impl<'a> Column<'a> {
    fn new(flat: &'a [i64]) -> Self {
        Self {
            rest: flat,
            last: 0,
        }
    }

    /// The number of the next node.
    fn head(&self) -> Option<i64> {
        self.rest
            .first()
            .map(|step| self.last.saturating_add(*step))
    }

    /// The next node's values, if it is this one.
    fn take<const N: usize>(&mut self, number: i64) -> Result<Option<[i64; N]>, Misfit> {
        if self.head() != Some(number) {
            return Ok(None);
        }
        let (values, rest) = self.rest[1..].split_first_chunk().ok_or(Misfit)?;
        (self.rest, self.last) = (rest, number);
        Ok(Some(*values))
    }
}

/// The nodes that a server names by numbers, as its client knows them.
#[derive(Debug, Default)]
pub struct Names(Vec<String>);

impl Names {
    /// Takes what a patch tells.
    ///
    /// # Errors
    /// When a number is out of range.
    pub fn learn(&mut self, names: Vec<(u32, String)>) -> Result<(), Misfit> {
        for (number, name) in names {
            if !(1..=MOST).contains(&i64::from(number)) {
                return Err(Misfit);
            }
            let place = number as usize;
            if self.0.len() <= place {
                self.0.resize(place + 1, String::new());
            }
            self.0[place] = name;
        }
        Ok(())
    }

    /// The name of a node.
    pub fn get(&self, number: u32) -> Option<&str> {
        let name = self.0.get(number as usize).map(String::as_str);
        name.filter(|name| !name.is_empty())
    }
}

#[cfg(test)]
#[path = "patch_tests.rs"]
mod tests;
