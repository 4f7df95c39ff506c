//! The lease's functions alone, and in a small world of processes and a database in which renewals are
//! delayed, processes pause, die and come back, and people take over by force.

use super::*;
use proptest::prelude::*;

fn at(ms: u64) -> Moment {
    Moment::since_boot(Duration::from_millis(ms))
}

#[test]
fn the_holder_counts_from_the_moment_it_sent() {
    let mut holder = Holder::new(Mode::Automatic, at(1_000));
    assert_eq!(holder.due_in(at(1_200)), Duration::from_millis(300));
    holder.sending(at(1_500));
    // The answer takes 900 ms; the lease still ends 2 s after the renewal was sent.
    holder.renewed(at(1_500));
    assert!(holder.may_work(at(3_499)));
    assert!(!holder.may_work(at(3_500)));
    // An answer that comes late never shortens the lease.
    holder.renewed(at(1_200));
    assert!(holder.may_work(at(3_499)));
}

#[test]
fn a_holder_that_lost_its_lock_works_again_when_it_has_renewed() {
    let mut holder = Holder::new(Mode::Automatic, at(1_000));
    holder.sending(at(1_500));
    holder.lock_lost(at(1_600));
    assert!(!holder.may_work(at(1_600)));
    assert_eq!(holder.due_in(at(1_600)), Duration::ZERO);
    // Sent before the loss: another may have taken over since.
    holder.renewed(at(1_500));
    assert!(!holder.may_work(at(1_700)));
    holder.renewed(at(1_610));
    assert!(holder.may_work(at(1_700)));
    // A person decides: no limit.
    let mut holder = Holder::new(Mode::Manual, at(1_000));
    holder.lock_lost(at(1_600));
    assert!(holder.may_work(at(1_600)));
}

#[test]
fn in_manual_mode_no_time_limit_holds() {
    let holder = Holder::new(Mode::Manual, at(0));
    assert_eq!(holder.valid_until(), None);
    assert!(holder.may_work(at(1_000_000)));
}

#[test]
fn the_watcher_counts_from_its_first_sight_of_the_counter() {
    let sign = |counter| Sign {
        epoch: 3,
        counter,
        released: false,
    };
    let mut watcher = Watcher::default();
    assert!(!watcher.lapsed(at(9_000)));
    watcher.observe(sign(1), at(9_990), at(10_000));
    watcher.observe(sign(1), at(11_000), at(11_000));
    watcher.observe(sign(1), at(12_000), at(12_000));
    assert!(!watcher.lapsed(at(12_499)));
    assert!(watcher.lapsed(at(12_500)));
    watcher.observe(sign(2), at(12_600), at(12_600));
    assert!(!watcher.lapsed(at(15_000)));
}

#[test]
fn a_watcher_that_was_blind_begins_anew() {
    let sign = Sign {
        epoch: 3,
        counter: 7,
        released: false,
    };
    // The database did not answer.
    let mut watcher = Watcher::default();
    watcher.observe(sign, at(0), at(0));
    watcher.blinded();
    assert!(!watcher.lapsed(at(9_000)));
    watcher.observe(sign, at(9_000), at(9_000));
    assert!(!watcher.lapsed(at(11_499)));
    assert!(watcher.lapsed(at(11_500)));
    // It answered late, or the watcher stood still.
    for sent in [1_000, 20_000] {
        let mut watcher = Watcher::default();
        watcher.observe(sign, at(0), at(0));
        watcher.observe(sign, at(sent), at(20_000));
        assert!(!watcher.lapsed(at(22_499)), "{sent}");
    }
    // Looks as they are made do not disturb the count.
    let mut watcher = Watcher::default();
    for look in 0..=10 {
        watcher.observe(sign, at(look * 250), at(look * 250 + 20));
    }
    assert!(watcher.lapsed(at(2_520)));
}

#[test]
fn a_refused_port_alone_proves_nothing() {
    assert!(proven_dead(true, Port::Refused));
    assert!(!proven_dead(false, Port::Refused));
    assert!(!proven_dead(true, Port::Silent));
    assert!(!proven_dead(true, Port::Open));
}

#[test]
fn who_claims_what() {
    let view = View {
        me: "east-2",
        mode: Mode::Manual,
        epoch: 4,
        owner: Some("east-1"),
        released: false,
        successor: None,
        lapsed: false,
    };
    let lapsed = View {
        lapsed: true,
        ..view
    };
    let own = View {
        owner: Some("east-2"),
        ..view
    };
    let named = View {
        released: true,
        successor: Some("east-2"),
        ..view
    };
    let given_away = View {
        released: true,
        successor: Some("east-1"),
        ..own
    };
    let fresh = View {
        epoch: 0,
        owner: None,
        ..view
    };
    let table = [
        (Mode::Manual, view, Claim::Stay),
        (Mode::Manual, lapsed, Claim::Stay),
        (Mode::Automatic, view, Claim::IfDead(Because::Died)),
        (Mode::Automatic, lapsed, Claim::Now(Because::Lapsed)),
        (Mode::Manual, own, Claim::IfGone(Because::LastOwner)),
        (Mode::Manual, named, Claim::Now(Because::Successor)),
        (Mode::Manual, given_away, Claim::Stay),
        (
            Mode::Manual,
            View {
                lapsed: true,
                ..given_away
            },
            Claim::IfGone(Because::LastOwner),
        ),
        // Released without a successor: stopped in order; only its own restart or a person goes on.
        (
            Mode::Manual,
            View {
                released: true,
                ..lapsed
            },
            Claim::Stay,
        ),
        (
            Mode::Automatic,
            View {
                released: true,
                ..view
            },
            Claim::Now(Because::Released),
        ),
        // Another server was named and has the first claim for one time-out.
        (
            Mode::Automatic,
            View {
                released: true,
                successor: Some("east-3"),
                ..view
            },
            Claim::Stay,
        ),
        (
            Mode::Automatic,
            View {
                released: true,
                successor: Some("east-3"),
                ..lapsed
            },
            Claim::Now(Because::Lapsed),
        ),
        (Mode::Automatic, own, Claim::IfGone(Because::LastOwner)),
        (Mode::Manual, fresh, Claim::IfGone(Because::Fresh)),
    ];
    for (mode, view, expected) in table {
        let view = View { mode, ..view };
        assert_eq!(claim(view), expected, "{view:?}");
    }
}

// ---- the world -------------------------------------------------------------------------------------

const NAMES: [&str; 3] = ["east-1", "east-2", "east-3"];

/// The database: the rows of epoch and lease, and the lock file.
#[derive(Debug, Default)]
struct Db {
    epoch: i64,
    owner: Option<(usize, u32)>,
    counter: i64,
    released: bool,
    successor: Option<usize>,
    lock: Option<(usize, u32)>,
    /// Every committed write: its epoch and the process that made it.
    commits: Vec<(i64, (usize, u32))>,
}

impl Db {
    fn fenced(&self, epoch: i64, who: (usize, u32)) -> bool {
        self.epoch != epoch || self.owner != Some(who)
    }

    fn take(&mut self, seen: Seen, who: (usize, u32)) -> bool {
        if self.epoch != seen.epoch || seen.counter.is_some_and(|c| c != self.counter) {
            return false;
        }
        self.epoch += 1;
        self.owner = Some(who);
        self.counter = 0;
        self.released = false;
        self.successor = None;
        true
    }
}

#[derive(Debug, Default)]
struct Process {
    boot: u32,
    alive: bool,
    /// Its clock runs as all do, but stands elsewhere.
    skew: u64,
    watcher: Watcher,
    held: Option<(i64, Holder)>,
    /// A renewal on its way: when it was sent, under which epoch.
    renewal: Option<(Moment, i64)>,
    /// A claim on its way.
    claim: Option<Seen>,
}

/// What a claim was decided on, and what the transaction that takes the epoch compares.
#[derive(Debug, Clone, Copy)]
struct Seen {
    epoch: i64,
    counter: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Pass(u16),
    Send(usize),
    Arrive(usize),
    Look(usize),
    Claim(usize),
    Commit(usize),
    Release(usize, usize),
    Kill(usize),
    Start(usize),
    Force(usize),
}

struct World {
    mode: Mode,
    now: u64,
    db: Db,
    processes: Vec<Process>,
}

impl World {
    fn new(mode: Mode) -> Self {
        let processes = (0..NAMES.len())
            .map(|i| Process {
                alive: true,
                skew: 100_000 * i as u64,
                ..Process::default()
            })
            .collect();
        Self {
            mode,
            now: 0,
            db: Db::default(),
            processes,
        }
    }

    fn clock(&self, i: usize) -> Moment {
        at(self.now + self.processes[i].skew)
    }

    fn id(&self, i: usize) -> (usize, u32) {
        (i, self.processes[i].boot)
    }

    fn gain(&mut self, i: usize, seen: Seen) {
        let (sent, id) = (self.clock(i), self.id(i));
        if self.db.take(seen, id) {
            let held = Some((self.db.epoch, Holder::new(self.mode, sent)));
            self.processes[i].held = held;
        }
    }

    fn act(&mut self, act: Act) {
        let i = match act {
            Act::Pass(ms) => {
                self.now += u64::from(ms);
                return;
            }
            Act::Start(i) => {
                let p = &mut self.processes[i];
                if !p.alive {
                    *p = Process {
                        boot: p.boot + 1,
                        alive: true,
                        skew: p.skew,
                        ..Process::default()
                    };
                }
                return;
            }
            Act::Send(i)
            | Act::Arrive(i)
            | Act::Look(i)
            | Act::Claim(i)
            | Act::Commit(i)
            | Act::Release(i, _)
            | Act::Kill(i)
            | Act::Force(i) => i,
        };
        if !self.processes[i].alive {
            return;
        }
        let (now, id) = (self.clock(i), self.id(i));
        let p = &mut self.processes[i];
        match act {
            Act::Send(_) => {
                if let (Some((epoch, holder)), None) = (&mut p.held, p.renewal) {
                    holder.sending(now);
                    p.renewal = Some((now, *epoch));
                }
            }
            Act::Arrive(_) => {
                if let Some((sent, epoch)) = p.renewal.take() {
                    if self.db.fenced(epoch, id) {
                        p.held = None;
                    } else {
                        self.db.counter += 1;
                        if let Some((_, holder)) = &mut p.held {
                            holder.renewed(sent);
                        }
                    }
                }
            }
            Act::Look(_) => self.look(i, now, id),
            Act::Claim(_) => {
                if let Some(seen) = p.claim.take()
                    && p.held.is_none()
                {
                    self.gain(i, seen);
                }
            }
            Act::Commit(_) => {
                if let Some((epoch, holder)) = &p.held
                    && holder.may_work(now)
                    && !self.db.fenced(*epoch, id)
                {
                    self.db.commits.push((*epoch, id));
                }
            }
            Act::Release(_, to) => {
                if let Some((epoch, _)) = p.held.take()
                    && !self.db.fenced(epoch, id)
                {
                    self.db.released = true;
                    self.db.successor = Some(to);
                    self.db.lock = self.db.lock.filter(|holder| *holder != id);
                }
            }
            Act::Kill(_) => {
                p.alive = false;
                p.held = None;
                self.db.lock = self.db.lock.filter(|holder| *holder != id);
            }
            Act::Force(_) => {
                let seen = Seen {
                    epoch: self.db.epoch,
                    counter: None,
                };
                if p.held.is_none() {
                    self.gain(i, seen);
                }
            }
            Act::Pass(_) | Act::Start(_) => {}
        }
    }

    fn look(&mut self, i: usize, now: Moment, id: (usize, u32)) {
        let p = &mut self.processes[i];
        if p.held.is_some() {
            return;
        }
        p.watcher.observe(
            Sign {
                epoch: self.db.epoch,
                counter: self.db.counter,
                released: self.db.released,
            },
            now,
            now,
        );
        let view = View {
            me: NAMES[i],
            mode: self.mode,
            epoch: self.db.epoch,
            owner: self.db.owner.map(|(owner, _)| NAMES[owner]),
            released: self.db.released,
            successor: self.db.successor.map(|s| NAMES[s]),
            lapsed: p.watcher.lapsed(now),
        };
        let seen = |counter| Seen {
            epoch: self.db.epoch,
            counter,
        };
        p.claim = match claim(view) {
            Claim::Now(Because::Lapsed) => Some(seen(Some(self.db.counter))),
            Claim::Now(_) => Some(seen(None)),
            Claim::IfGone(_) if self.db.lock.is_none_or(|holder| holder == id) => {
                self.db.lock = Some(id);
                Some(seen(None))
            }
            Claim::IfGone(_) | Claim::IfDead(_) | Claim::Stay => None,
        };
    }

    /// Processes that would start work now.
    fn working(&self) -> usize {
        (0..NAMES.len())
            .filter(|&i| {
                let held = &self.processes[i].held;
                held.as_ref()
                    .is_some_and(|(_, h)| h.may_work(self.clock(i)))
            })
            .count()
    }
}

fn act(forced: bool) -> impl Strategy<Value = Act> {
    let i = || 0..NAMES.len();
    let steady = prop_oneof![
        4 => (1_u16..900).prop_map(Act::Pass),
        1 => (900_u16..4_000).prop_map(Act::Pass),
        4 => i().prop_map(Act::Send),
        4 => i().prop_map(Act::Arrive),
        6 => i().prop_map(Act::Look),
        4 => i().prop_map(Act::Claim),
        6 => i().prop_map(Act::Commit),
        1 => (i(), i()).prop_map(|(a, b)| Act::Release(a, b)),
        1 => i().prop_map(Act::Kill),
        2 => i().prop_map(Act::Start),
    ];
    let force = i().prop_map(Act::Force);
    if forced {
        prop_oneof![12 => steady, 1 => force].boxed()
    } else {
        steady.boxed()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn epochs_never_fall_and_each_is_committed_by_one_process(
        automatic in any::<bool>(),
        acts in prop::collection::vec(act(true), 1..250),
    ) {
        let mode = if automatic { Mode::Automatic } else { Mode::Manual };
        let mut world = World::new(mode);
        let mut epoch = 0;
        for act in acts {
            world.act(act);
            prop_assert!(world.db.epoch >= epoch, "the epoch fell");
            epoch = world.db.epoch;
        }
        let mut last = None;
        for &(epoch, who) in &world.db.commits {
            if let Some((before, writer)) = last {
                prop_assert!(epoch >= before, "a commit under an older epoch");
                prop_assert!(epoch > before || who == writer, "two processes under one epoch");
            }
            last = Some((epoch, who));
        }
    }

    #[test]
    fn unless_forced_two_never_start_work_at_once_in_automatic_mode(
        acts in prop::collection::vec(act(false), 1..250),
    ) {
        let mut world = World::new(Mode::Automatic);
        for act in acts {
            world.act(act);
            prop_assert!(world.working() <= 1, "two servers would start work");
        }
    }
}

/// Between a watcher's look and its claim the holder may renew after all. Comparing the epoch alone would
/// let both start work; found by the property above.
#[test]
fn a_renewal_that_arrives_late_beats_a_claim_on_an_older_counter() {
    let mut world = World::new(Mode::Automatic);
    let acts = [
        Act::Look(1),
        Act::Claim(1),
        Act::Look(0),
        Act::Pass(1_250),
        Act::Look(0),
        Act::Pass(1_250),
        Act::Send(1),
        Act::Look(0),
        Act::Arrive(1),
        Act::Claim(0),
    ];
    for act in acts {
        world.act(act);
    }
    assert_eq!(world.db.epoch, 1);
    assert_eq!(world.working(), 1);
}

/// The properties above would hold in a world where nothing ever happens.
#[test]
fn the_world_does_work() {
    let mut world = World::new(Mode::Automatic);
    for act in [Act::Look(0), Act::Claim(0), Act::Commit(0), Act::Look(1)] {
        world.act(act);
    }
    assert_eq!(world.db.commits.len(), 1);
    // east-1 pauses; east-2 takes over when the lease has lapsed; the sleeper wakes and cannot commit.
    for act in [
        Act::Pass(1_300),
        Act::Look(1),
        Act::Pass(1_300),
        Act::Look(1),
        Act::Claim(1),
        Act::Commit(1),
    ] {
        world.act(act);
    }
    assert_eq!(world.db.epoch, 2);
    world.act(Act::Commit(0));
    assert_eq!(world.db.commits, [(1, (0, 0)), (2, (1, 0))]);
}
