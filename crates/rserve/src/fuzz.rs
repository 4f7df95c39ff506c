//! What the fuzz targets in `fuzz/` check: each panics when something does not hold.
#![allow(
    clippy::panic,
    clippy::expect_used,
    missing_docs,
    reason = "a panic is how a target reports"
)]

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use serde_json::Value as Json;

use crate::qap;
use crate::run::Collected;
use crate::value::{self, Value};
use crate::{Connection, Error};

/// Largest answer that the targets take.
const MAX_REPLY: u64 = 1 << 16;
const BANNER: &[u8] = b"Rsrv0103QAP1\r\n\r\nARucARpt--------";

/// A message of an answer: decoded at once and as a stream, with the same outcome.
pub fn message(bytes: &[u8]) {
    let whole = qap::first_parameter(bytes)
        .filter(|(kind, _)| *kind == qap::DT_SEXP)
        .and_then(|(_, sexp)| value::decode(sexp).ok());
    if let Some(value) = &whole {
        let _ = value.to_json();
    }
    let Ok(length) = u32::try_from(bytes.len()) else {
        return;
    };
    if u64::from(length) > MAX_REPLY {
        return;
    }
    let mut stream = BANNER.to_vec();
    stream.extend_from_slice(&0x1_0001_u32.to_le_bytes());
    stream.extend_from_slice(&length.to_le_bytes());
    stream.extend_from_slice(&[0; 8]);
    stream.extend_from_slice(bytes);
    let streamed = now(async {
        let mut connection = Connection::over_bytes(stream, MAX_REPLY).await?;
        connection.eval("x").await
    });
    // By text, because NaN is not equal to itself.
    assert_eq!(
        streamed.ok().map(|v| format!("{v:?}")),
        whole.map(|v| format!("{v:?}"))
    );
}

/// What decodes and R would take, decodes to the same again.
pub fn round_trip(bytes: &[u8]) {
    let Ok(value) = value::decode(bytes) else {
        return;
    };
    let Ok(encoded) = value::encode(&value) else {
        return;
    };
    let again = value::decode(&encoded).expect("what is encoded decodes");
    assert_eq!(format!("{value:?}"), format!("{again:?}"));
    let twice = value::encode(&again).expect("what was encoded is encoded again");
    assert_eq!(encoded, twice);
    assert_eq!(value.to_json(), again.to_json());
}

/// JSON becomes a value that R can take, and the same JSON from then on.
pub fn json(bytes: &[u8]) {
    let Ok(json) = serde_json::from_slice::<Json>(bytes) else {
        return;
    };
    let Ok(value) = Value::from_json(&json) else {
        return;
    };
    let shown = value.to_json();
    // Empty names, and names that a form repeats, are R's to refuse.
    let Ok(encoded) = value::encode(&value) else {
        return;
    };
    let again = value::decode(&encoded).expect("what is encoded decodes");
    assert_eq!(shown, again.to_json());
    let text = shown.to_string();
    let read: Json = serde_json::from_str(&text).expect("JSON that is shown can be read");
    assert_eq!(read, shown);
}

/// What the runner sends, as JSON: an array of values sent while it ran, and the answer last.
pub fn outcome(bytes: &[u8]) {
    let Ok(Json::Array(items)) = serde_json::from_slice::<Json>(bytes) else {
        return;
    };
    let values: Vec<Value> = items.iter().flat_map(Value::from_json).collect();
    let Some((answer, sent)) = values.split_last() else {
        return;
    };
    let limit = 64;
    let Collected { printed, outcome } = crate::run::collect(sent, answer, limit);
    assert!(printed <= limit + 1024, "more is kept than is allowed");
    if let Some(outcome) = outcome {
        serde_json::to_string(&outcome).expect("an outcome can be written");
    }
}

/// A stream of answers to several requests, from the banner on.
pub fn replies(bytes: &[u8]) {
    let _ = now(async {
        let mut stream = Vec::with_capacity(bytes.len() + 32);
        // Half of the inputs begin behind a right banner.
        let (first, rest) = bytes.split_first().unwrap_or((&0, &[]));
        if first & 1 == 1 {
            stream.extend_from_slice(BANNER);
        }
        stream.extend_from_slice(rest);
        let mut connection = Connection::over_bytes(stream, MAX_REPLY).await?;
        let mut seen = 0_u32;
        for _ in 0..4 {
            match connection.eval_streaming("x", |_| seen += 1).await {
                Ok(value) => drop(value.to_json()),
                Err(error) => {
                    let _ = error.to_string();
                    assert!(connection.is_usable() || !error.leaves_session_usable());
                }
            }
        }
        let _ = connection.download("f", 1 << 12).await;
        let _ = connection.assign("x", &Value::null()).await;
        Ok::<_, Error>(())
    });
}

/// Runs what never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..1_000_000 {
        // Tokio now and then has a task step aside.
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
    panic!("it waits for something");
}
