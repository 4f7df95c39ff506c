//! What the webhook is sent, how it is signed, and when it is tried again. Functions of values.

use gridhelm_api::Millis;
use gridhelm_api::alert::{Alert, Delivery, Telling};
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::Sha256;
use std::fmt::Write as _;

/// How often a message is tried, at most.
pub(super) const TRIES: u32 = 12;
/// The first pause between two tries, milliseconds; doubles with each, up to [`LAST_PAUSE`].
const FIRST_PAUSE: Millis = 5_000;
/// The longest pause between two tries, milliseconds.
const LAST_PAUSE: Millis = 600_000;
/// The longest trouble that is kept, characters.
const MAX_TROUBLE: usize = 300;

/// The body, as JSON.
#[derive(Serialize)]
struct Body<'a> {
    /// The delivery's id: the same in every try.
    id: &'a str,
    telling: Telling,
    group: &'a str,
    /// The server that sends.
    server: &'a str,
    made_at: Millis,
    alert: &'a Alert,
}

/// The body of a message.
pub(super) fn body(
    delivery: &Delivery,
    group: &str,
    server: &str,
) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Body {
        id: &delivery.id,
        telling: delivery.telling,
        group,
        server,
        made_at: delivery.made_at,
        alert: &delivery.alert,
    })
}

/// The signature of a body that is sent at `timestamp` (seconds): `v1=` and the HMAC-SHA-256 of `timestamp.body`, hexadecimal. The time
/// is signed, too, so that a receiver can refuse what somebody recorded and sends again.
pub(super) fn signature(secret: &str, timestamp: i64, body: &str) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(format!("{timestamp}.{body}").as_bytes());
    let mut text = "v1=".to_owned();
    for byte in mac.finalize().into_bytes() {
        let _ = write!(text, "{byte:02x}");
    }
    Some(text)
}

/// The delivery after a try that ended at `now`: taken, or failed with a reason.
pub(super) fn after(mut delivery: Delivery, outcome: Result<(), String>, now: Millis) -> Delivery {
    delivery.tries = delivery.tries.saturating_add(1);
    match outcome {
        Ok(()) => {
            delivery.due_at = None;
            delivery.taken_at = Some(now);
            delivery.trouble = None;
        }
        Err(why) => {
            let doublings = delivery.tries.saturating_sub(1).min(16);
            let pause = (FIRST_PAUSE << doublings).min(LAST_PAUSE);
            delivery.due_at = (delivery.tries < TRIES).then_some(now + pause);
            delivery.trouble = Some(why.chars().take(MAX_TROUBLE).collect());
        }
    }
    delivery
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::store::contract::delivery;

    #[test]
    fn the_signature_is_that_of_the_standard() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac 'a secret of some length'
        assert_eq!(
            signature("a secret of some length", 1_700_000_000, r#"{"a":1}"#).unwrap(),
            "v1=e09db3ce6e6e8f9b633a62851e5074a9e9148ac19b1c0e1a8f7c352380be630b"
        );
        let other = signature("a secret of some length", 1_700_000_001, r#"{"a":1}"#);
        assert_ne!(
            other,
            signature("a secret of some length", 1_700_000_000, r#"{"a":1}"#)
        );
    }

    #[test]
    fn a_message_is_tried_less_and_less_often_and_then_given_up() {
        let mut message = delivery("d-1");
        let mut now = 1_000;
        let mut pauses = Vec::new();
        loop {
            message = after(message, Err("refused".to_owned()), now);
            let Some(due) = message.due_at else { break };
            pauses.push((due - now) / 1_000);
            now = due;
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 600, 600, 600, 600]);
        assert_eq!(message.tries, TRIES);
        assert_eq!(message.trouble.as_deref(), Some("refused"));
        let taken = after(delivery("d-1"), Ok(()), 7);
        assert_eq!(
            (taken.due_at, taken.taken_at, taken.tries),
            (None, Some(7), 1)
        );
    }

    #[test]
    fn a_body_says_who_and_what() {
        let text = body(&delivery("d-1"), "east", "east-1").unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["id"], "d-1");
        assert_eq!(value["telling"], "opened");
        assert_eq!(
            (&value["group"], &value["server"]),
            (&"east".into(), &"east-1".into())
        );
        assert_eq!(value["alert"]["subject"], "n1");
    }
}
