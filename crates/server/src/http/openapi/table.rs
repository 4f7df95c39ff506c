//! Every operation of the interface. A route that has none here fails a test.

mod alerts;
mod files;
mod grid;
mod group;
mod people;
mod upkeep;
mod work;

use super::operation::Operation;

/// All of them, in the order in which people read them.
pub(super) fn operations() -> Vec<Operation> {
    let mut all = work::operations();
    all.extend(grid::operations());
    all.extend(alerts::operations());
    all.extend(files::operations());
    all.extend(group::operations());
    all.extend(people::operations());
    all.extend(upkeep::operations());
    all
}
