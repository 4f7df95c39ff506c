//! A replication, from the outside: what differs is read, contents are copied in few streams, one commit does all or nothing.

mod apply;
mod differing;
mod listed;
mod pace;
mod read;

pub use apply::{ApplyError, Progress, Step, Watch, apply};
pub use listed::Place;
pub use read::{Pair, read_groups, read_pair};
