//! Who is active: the lease, the epoch, the switch.

mod after;
mod another;
mod automatic;
mod database;
mod duties;
mod error;
mod failover;
mod handover;
pub mod hold;
mod keeper;
pub mod lease;
mod mode;
mod order;
mod peer;
mod preflight;
mod pulse;
mod record;
mod refusals;
mod role;
mod schedule;
mod standing;
mod state;
mod switch;

pub use duties::{Duties, InFlight};
pub use error::SwitchError;
pub use keeper::{Keeper, KeeperParts};
pub use peer::{After, PeerToken, TakeOrder, Taken};
pub use standing::{NotActive, Standing};
