//! What a group needs to be kept up: backups, room on the disk, and a bundle for whoever helps.

mod backups;
mod board;
mod day;
mod disk;
mod folder;
mod schedule;
pub mod support;

pub use backups::{BackupRefusal, Backups, BackupsParts};
pub use board::Board;
pub(crate) use disk::Watching;
pub use disk::{Bound, Disks, LowDisk};
pub use schedule::BackupConfig;
