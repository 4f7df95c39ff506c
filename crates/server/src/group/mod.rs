//! Who is active: the lease, the epoch, the switch.

mod duties;
mod error;
mod keeper;
mod peer;
mod standing;

pub use duties::{Duties, InFlight};
pub use error::SwitchError;
pub use keeper::{Keeper, KeeperParts};
pub use peer::{PeerToken, TakeOrder, Taken};
pub use standing::{NotActive, Standing};
