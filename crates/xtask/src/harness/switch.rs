//! Switches asked of a server's API, and waited for.

use super::api::Api;
use super::{HarnessError, Result, wait_for};
use serde_json::{Value, json};
use std::time::Duration;

/// Asks for a planned switch and waits until it is done; its record.
///
/// # Errors
/// When it is refused or fails.
pub async fn planned(api: &Api, to: &str) -> Result<Value> {
    let epoch = api.get("group").await?.body["epoch"].clone();
    let body = json!({
        "kind": "planned", "to": to, "expect_epoch": epoch, "reason": "asked by a test", "override_hold": true,
    });
    let answer = api.post("switch", body).await?;
    if answer.status >= 300 {
        return Err(HarnessError(format!(
            "switch to {to}: {} {}",
            answer.status, answer.body
        )));
    }
    let id = answer.body["id"].clone();
    wait_for(
        &format!("the switch to {to}"),
        Duration::from_mins(1),
        || async {
            let list = api.get("switches").await?.body;
            let items = list["items"].as_array().or_else(|| list.as_array());
            let record = items.and_then(|items| items.iter().find(|s| s["id"] == id));
            match record.map(|record| (record, record["state"].as_str())) {
                Some((record, Some("done"))) => Ok(Some(record.clone())),
                Some((record, Some("failed"))) => {
                    Err(HarnessError(format!("the switch failed: {record}")))
                }
                _ => Ok(None),
            }
        },
    )
    .await
}
