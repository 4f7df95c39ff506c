//! Replication between groups: manifests, comparison, plans and conflict rules. Pure: the same code runs
//! in the browser, in the server and in tests.

mod tree;

pub use tree::{File, hex, root, root_of};
