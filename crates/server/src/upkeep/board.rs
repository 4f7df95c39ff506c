//! Lines of checks that parts of the server put up about themselves, shown with those of the database.

use gridhelm_api::switch::Check;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The lines, by their ids. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Board(Arc<Mutex<BTreeMap<String, Check>>>);

impl Board {
    /// Puts a line up, in place of the one of the same id.
    pub fn put(&self, check: Check) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.insert(check.id.clone(), check);
    }

    /// All lines, in the order of their ids.
    pub fn lines(&self) -> Vec<Check> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.values().cloned().collect()
    }
}
