//! Who is active: the lease, the epoch, the switch.

mod automatic;
mod database;
mod duties;
mod error;
mod failover;
mod handover;
mod keeper;
pub mod lease;
mod mode;
mod order;
mod peer;
mod preflight;
mod pulse;
mod record;
mod role;
mod standing;
mod switch;

pub use duties::{Duties, InFlight};
pub use error::SwitchError;
pub use keeper::{Keeper, KeeperParts};
pub use peer::{PeerToken, TakeOrder, Taken};
pub use standing::{NotActive, Standing};
