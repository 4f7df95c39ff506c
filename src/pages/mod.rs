//! One folder a page.

pub mod accounts;
pub mod backups;
pub mod events;
pub mod grid;
pub mod node;
pub mod operate;
pub mod overview;
pub mod packages;
pub mod replicate;
pub mod repository;
pub mod sign_in;
pub mod slot;
pub mod switch;
pub mod tasks;
