//! Who is active: the lease, the epoch, the switch.

mod duties;
mod standing;

pub use duties::{Duties, InFlight};
pub use standing::{NotActive, Standing};
