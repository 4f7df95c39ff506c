//! What stands beside the pages: the command palette, the notifications, the list of shortcuts, the first steps of a new group, and the notice that
//! versions differ. A piece of its own, which comes when the first of them is needed (`src/app/lazy.rs`).

pub mod any;
pub mod first_steps;
pub mod notices;
pub mod palette;
pub mod shortcuts;
pub mod versions;
