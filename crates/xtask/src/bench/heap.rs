//! How much memory an open page takes.

use crate::harness::browser::Browser;
use crate::harness::page::Page;
use crate::harness::{HarnessError, Result};
use serde_json::json;

/// JavaScript heap and WebAssembly memory of the open page after a forced collection, MB. `memory` is the script's name of the program's memory.
///
/// # Errors
/// When Chromium does not tell them.
pub(crate) async fn heap(browser: &Browser, page: &Page, memory: &str) -> Result<f64> {
    browser.cdp("HeapProfiler.enable", json!({})).await?;
    browser
        .cdp("HeapProfiler.collectGarbage", json!({}))
        .await?;
    browser.cdp("Performance.enable", json!({})).await?;
    let metrics = browser.cdp("Performance.getMetrics", json!({})).await?;
    let js = metrics["metrics"]
        .as_array()
        .and_then(|all| all.iter().find(|m| m["name"] == "JSHeapUsedSize"))
        .and_then(|m| m["value"].as_f64())
        .ok_or_else(|| HarnessError::new("Chromium tells no JSHeapUsedSize"))?;
    let wasm = page
        .eval(&format!("return {memory}.buffer.byteLength"), Vec::new())
        .await?
        .as_f64()
        .ok_or_else(|| HarnessError::new("no WebAssembly memory was seen"))?;
    Ok((js + wasm) / 1e6)
}
