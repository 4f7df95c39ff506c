//! What a group is set to, by name, as JSON with a version in it.

use super::tx::{Done, Tx, of_json};
use super::value::params;
use crate::store::{Fence, Notes, StoreError};
use gridhelm_api::event::Event;

pub(super) fn one(tx: Tx<'_>, name: &str) -> Done<Option<String>> {
    tx.value("SELECT value FROM settings WHERE name = ?1", params![name])
}

pub(super) fn put(
    tx: Tx<'_>,
    fence: &Fence,
    name: &str,
    version: i64,
    value: &str,
    notes: &Notes,
) -> Done<Vec<Event>> {
    tx.fence(fence)?;
    let present = one(tx, name)?
        .map(|text| of_json::<serde_json::Value>("a setting", &text))
        .transpose()?;
    let at = present
        .as_ref()
        .and_then(|value| value["version"].as_i64())
        .unwrap_or(0);
    if at != version {
        return Err(StoreError::VersionMismatch {
            what: format!("setting {name}"),
            version: at,
            // The caller knows what of it may be shown.
            current: None,
        }
        .into());
    }
    tx.execute(
        "INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2",
        params![name, value],
    )?;
    tx.notes(notes)
}
